/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks that leave.
 *
 * WHAT FOR. After a system call the processor has lost much of what it knew: code and tables that are touched then
 * come from far. A free makes such a call for each block, and taking the block out of the allocator's books is the
 * longest thing that it does afterwards.
 *
 * STRATEGY. What is inaccessible is kept here, still FREEING, and goes to the allocator a few at a time, so that
 * they share what has to come from far. Nobody can tell: who looks at the books of a region, or changes them in another
 * way than by commit, decommit and free, takes the lock through vas_region_lock or vas_region_look,
 * which end all this first; and no request is refused before it.
 *
 * CONCURRENCY. The region's lock.
 *
 * WHAT IT DOES NOT DO. It keeps nothing that waits for other threads: that is the quarantine's.
 */
#include "region/leaving.h"

#include "base/assert.h"
#include "base/hot.h"
#include "region/region.h"

static void leaving_set(struct vas_leaving *leaving, uint32_t count)
{
	__atomic_store_n(&leaving->count, count, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void leaving_all(struct vas_region *region)
{
	struct vas_leaving *leaving = &region->leaving;

	vas_blocks_foresee(region->blocks, leaving->start, leaving->count);
	for (uint32_t i = 0; i < leaving->count; i++)
		(void)vas_block_vacate(region, leaving->start[i]);
	leaving_set(leaving, 0);
}

VAS_HOT void vas_leaving_put(struct vas_region *region, uint64_t start)
{
	struct vas_leaving *leaving = &region->leaving;

	leaving->start[leaving->count] = start;
	leaving_set(leaving, leaving->count + 1);
	if (leaving->count == VAS_LEAVING_MOST)
		leaving_all(region);
}

bool vas_leaving_end(struct vas_region *region)
{
	if (__builtin_expect(region->leaving.count == 0, 1))
		return false;
	leaving_all(region);
	return true;
}
