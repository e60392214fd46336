/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of what happens at the limit of mappings when the ballast is spent. */
#ifndef TESTS_SUPPORT_BALLAST_H
#define TESTS_SUPPORT_BALLAST_H

#include "space/space.h"

/* The process's space has none, from now on. */
static inline void ballast_forbid(void)
{
	struct vas_space *space;

	if (vas_space_default(&space))
		return;
	vas_lock_take(&space->lock);
	vas_ballast_drop(space);
	space->ballast = (struct vas_ballast){ 0 };
	vas_lock_drop(&space->lock);
}

#endif
