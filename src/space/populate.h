/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for every page of a mapped range, or an errno. Private to the engine's files. */
#ifndef VAS_SPACE_POPULATE_H
#define VAS_SPACE_POPULATE_H

#include "space/part_work.h"

/* No lock held. -ENOMEM, -EFAULT, ... with the reason where it is known; pages that were given stay. */
int vas_populate(struct vas_space *space, const struct vas_backing *backing, struct vas_span range,
		 int prot, struct vas_failure *failure);

#endif
