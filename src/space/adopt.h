/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking over spans that the caller mapped, and letting go of spans without unmapping them. */
#ifndef VAS_SPACE_ADOPT_H
#define VAS_SPACE_ADOPT_H

#include <vaspace/reserve.h>

#include "record/report.h"

struct vas_space;

/* As vas_adopt, on loaded options; failure is filled, not published. Needs about 9 KiB of stack. */
int vas_space_adopt(struct vas_space *space, struct vas_span span,
		    const struct vas_adopt_opts *opts, struct vas_failure *failure);
/* -ENOENT, -EBUSY (used), -EDEADLK. *span: what it was. */
int vas_space_disown(struct vas_space *space, uint64_t start, struct vas_span *span);

#endif
