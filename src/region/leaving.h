/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks that leave: freed, their memory given back, and still taken in the allocator, which gets them a few at a
 * time. See leaving.c.
 */
#ifndef VAS_REGION_LEAVING_H
#define VAS_REGION_LEAVING_H

#include <stdbool.h>
#include <stdint.h>

struct vas_region;

#define VAS_LEAVING_MOST 8u

/* Guarded by the region's lock. I: the blocks are FREEING, and not counted as unfinished. */
struct vas_leaving {
	uint32_t count; /* read without the lock, too (atomic) */
	uint64_t start[VAS_LEAVING_MOST];
};

/* A block that is FREEING, inaccessible, and has no promise any more. Lock held. */
void vas_leaving_put(struct vas_region *region, uint64_t start);
/* All of them are free. False: there were none. Lock held. */
bool vas_leaving_end(struct vas_region *region);

static inline uint32_t vas_leaving_count(const struct vas_leaving *leaving)
{
	return __atomic_load_n(&leaving->count, __ATOMIC_RELAXED);
}

#endif
