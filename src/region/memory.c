/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory in blocks: commit, decommit, protect, guard.
 *
 * WHAT FOR. The engine changes what is mapped; a region adds that a change stays inside one live block,
 * and that no more is committed than its cap allows.
 *
 * STRATEGY. The block is looked up under the lock, the engine called without it. The first commit of
 * a block takes one of the region's promises, and the block keeps it until it is freed. With a
 * cap, a commit first announces the bytes that it adds, then looks whether all fits; bytes
 * that others announced count, so when only they are in the way it waits a while and looks again.
 *
 * CONCURRENCY. Changes of different parts of a block run side by side as far as the engine lets them.
 *
 * WHAT IT DOES NOT DO. It does not keep one thread from freeing a block in which another commits.
 */
#include <errno.h>

#include "base/assert.h"
#include "region/region.h"
#include "space/sums.h"

#define CAP_TRIES 1000u /* looks at a cap while others' commits are on their way */

/* Announces what a commit adds. Pinned. -EDQUOT. */
static int cap_enter(struct vas_region *region, struct vas_span range, uint64_t *added,
		     struct vas_failure *failure)
{
	struct vas_holding *holding = region->user.holding;
	struct vas_part_sums sums;
	uint64_t pending, room;

	for (uint32_t tries = 0;; tries++) {
		*added = vas_part_uncommitted(holding, range);
		pending = __atomic_add_fetch(&region->pending, *added, __ATOMIC_SEQ_CST);
		vas_part_sum(holding, &sums);
		room = sums.committed < region->cap ? region->cap - sums.committed : 0;
		if (*added == 0 || pending <= room)
			return 0;
		__atomic_sub_fetch(&region->pending, *added, __ATOMIC_SEQ_CST);
		if (*added > room || tries == CAP_TRIES)
			break;
		vas_lock_pause();
	}
	*added = 0;
	return vas_region_refuse(failure, VAS_WHY_CAP, -EDQUOT);
}

int vas_block_populate(struct vas_region *region, struct vas_span range,
		       const struct vas_commit_opts *opts, bool *dirty, struct vas_failure *failure)
{
	struct vas_holding *holding = region->user.holding;
	uint64_t added = 0;
	int err = 0;

	region->whole |= (opts->flags & VAS_COMMIT_WHOLE) != 0;
	vas_region_unlock(region);
	if (region->cap)
		err = cap_enter(region, range, &added, failure);
	if (!err) {
		err = vas_part_commit(region->space, holding, range, opts, dirty, failure);
		if (err)
			*dirty = !vas_block_is_reserved(region, range);
	}
	if (added)
		__atomic_sub_fetch(&region->pending, added, __ATOMIC_SEQ_CST);
	vas_region_unpin(region);
	return err;
}

/* The live block that has all of the range. Lock held. */
static int range_find(struct vas_region *region, struct vas_span range,
		      struct vas_failure *failure, struct vas_block_info *info)
{
	int err = vas_blocks_at(region->blocks, range.start, info);

	if (err == -ERANGE)
		return vas_region_refuse(failure, VAS_WHY_OUTSIDE, err);
	if (err || !vas_mark_is(info->mark, VAS_MARK_LIVE))
		return vas_region_refuse(failure, VAS_WHY_NO_BLOCK, -ENOENT);
	if (range.size > vas_range_end(info->span) - range.start)
		return vas_region_refuse(failure, VAS_WHY_INSIDE, -EINVAL);
	return 0;
}

/*
 * The block, not PLAIN any more, so that no cache keeps it, and, with promise, PROMISED. Lock held, and with promise
 * there is one.
 */
static int range_seize(struct vas_region *region, struct vas_span range, bool promise,
		       struct vas_failure *failure, struct vas_block_info *info)
{
	uint32_t was, mark;
	int err;

	do {
		err = range_find(region, range, failure, info);
		if (err)
			return err;
		was = info->mark;
		mark = (was & ~VAS_MARK_PLAIN) | (promise ? VAS_MARK_PROMISED : 0);
	} while (!vas_block_change(region, info, mark));
	if (mark & ~was & VAS_MARK_PROMISED)
		region->promises--;
	return 0;
}

/* Finds the block and pins; the lock is held after success only. */
static int range_begin(struct vas_region *region, struct vas_span range, bool promise,
		       struct vas_failure *failure, struct vas_block_info *info)
{
	int err = vas_region_lock_fast(region, failure);

	if (err)
		return err;
	if (promise) {
		err = vas_region_promise(region, failure);
		if (err)
			return err;
	}
	vas_part_foresee(region->user.holding, range.start);
	err = range_seize(region, range, promise, failure, info);
	if (!err)
		err = vas_region_pin(region, failure);
	if (err)
		vas_region_unlock(region);
	return err;
}

static int block_commit(struct vas_region *region, struct vas_span range,
			const struct vas_commit_opts *opts, struct vas_failure *failure)
{
	struct vas_block_info info;
	bool dirty;
	int err;

	err = range_begin(region, range, true, failure, &info);
	if (err)
		return err;
	return vas_block_populate(region, range, opts, &dirty, failure);
}

int vas_block_commit(struct vas_region *region, struct vas_span range,
		     const struct vas_commit_opts *opts, struct vas_failure *failure)
{
	int err = block_commit(region, range, opts, failure);

	if ((err != -EDQUOT && err != -ENOMEM) ||
	    !vas_region_relieve(region, (struct vas_span){ 0 }))
		return err;
	failure->why = VAS_WHY_NONE;
	return block_commit(region, range, opts, failure);
}

int vas_block_decommit(struct vas_region *region, struct vas_span range,
		       struct vas_failure *failure, enum vas_retired *state)
{
	struct vas_holding *holding;
	struct vas_block_info info;
	int err;

	err = range_begin(region, range, false, failure, &info);
	if (err)
		return err;
	holding = region->user.holding;
	vas_region_unlock(region);
	err = vas_part_decommit(region->space, holding, range, false, state, failure);
	vas_region_unpin(region);
	return err;
}

int vas_block_protect(struct vas_region *region, struct vas_span range, int prot,
		      struct vas_failure *failure)
{
	struct vas_holding *holding;
	struct vas_block_info info;
	int err;

	err = range_begin(region, range, false, failure, &info);
	if (err)
		return err;
	holding = region->user.holding;
	vas_region_unlock(region);
	err = vas_part_protect(region->space, holding, range, prot, failure);
	vas_region_unpin(region);
	return err;
}

int vas_block_guard(struct vas_region *region, struct vas_span range, bool guard,
		    struct vas_failure *failure)
{
	struct vas_holding *holding;
	struct vas_block_info info;
	int err;

	err = range_begin(region, range, false, failure, &info);
	if (err)
		return err;
	holding = region->user.holding;
	vas_region_unlock(region);
	if (guard)
		err = vas_part_guard(region->space, holding, range, failure);
	else
		err = vas_part_unguard(region->space, holding, range, failure);
	vas_region_unpin(region);
	return err;
}

int vas_block_lend(struct vas_region *region, struct vas_span range, struct vas_failure *failure)
{
	struct vas_block_info info;
	struct vas_span span;
	int err = vas_region_lock_fast(region, failure);

	if (err)
		return err;
	span = region->user.holding->span;
	if (range.start - span.start >= span.size)
		err = -EAGAIN; /* the region was split meanwhile */
	else
		err = range_seize(region, range, false, failure, &info);
	/* What no granule is made of has no blocks. */
	if (err == -ERANGE)
		err = vas_region_refuse(failure, VAS_WHY_NO_BLOCK, -ENOENT);
	if (!err)
		err = vas_region_pin(region, failure);
	vas_region_unlock(region);
	return err;
}
