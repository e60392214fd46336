/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for every page of a mapped range, or an errno. */
#ifndef VAS_SPACE_POPULATE_H
#define VAS_SPACE_POPULATE_H

#include <stdbool.h>

#include "record/report.h"
#include "space/space.h"

/*
 * No lock held. -ENOMEM, -EFAULT, ... with the reason where it is known; pages that were given stay. instead: other memory goes for it, so a
 * reading of the room in memory groups may serve for more of it.
 */
int vas_populate(struct vas_space *space, const struct vas_backing *backing, struct vas_span range,
		 int prot, bool instead, struct vas_failure *failure);

#endif
