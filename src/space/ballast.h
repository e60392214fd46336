/* SPDX-License-Identifier: BSD-2-Clause */
/* Spare mappings that are given up at the kernel's limit. */
#ifndef VAS_SPACE_BALLAST_H
#define VAS_SPACE_BALLAST_H

#include <stdbool.h>

struct vas_space;

/* Gives up two spare mappings: enough for one split. False when there are none. */
static inline bool vas_ballast_spend(struct vas_space *space)
{
	(void)space;
	return false;
}

#endif
