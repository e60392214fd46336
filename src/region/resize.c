/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks: made larger, smaller, two of one and one of two, in place.
 *
 * WHAT FOR. Allocators above grow what has room behind it, give tails back, and cut and join their extents.
 *
 * STRATEGY. Only marks and the allocator's books change; what is mapped stays. A shrink is a split whose
 * upper half is freed. Each block in which something is committed keeps a promise of the engine's, so a split
 * needs one more and a merge gives one back.
 *
 * CONCURRENCY. All under the region's lock and with its gates shut, but for the freeing of a tail (block.c).
 *
 * WHAT IT DOES NOT DO. It never moves anything, and commits nothing.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/number.h"
#include "region/region.h"

/* Refuses when a mapping that goes only whole lies across at. Lock held. */
static int cut_check(struct vas_region *region, uint64_t at, struct vas_failure *failure)
{
	struct vas_part part;

	if (!region->whole)
		return 0;
	vas_part_at(region->space, region->user.holding, at - 1, &part);
	if (part.state != VAS_PART_RESERVED && (part.flags & VAS_COMMIT_WHOLE) &&
	    vas_range_end(part.span) > at)
		return vas_region_refuse(failure, VAS_WHY_INSIDE, -EINVAL);
	return 0;
}

/* A second record for the upper half of a block that has one. */
static int cut_record(struct vas_region *region, const struct vas_block_info *info, uint32_t *mark)
{
	uint32_t number;
	int err;

	if (!vas_mark_record(info->mark))
		return 0;
	err = vas_record_take(region, &number);
	if (err)
		return err;
	*vas_record_get(region, number) = *vas_record_get(region, vas_mark_record(info->mark));
	*mark = (info->mark & ((1u << VAS_MARK_RECORD_SHIFT) - 1)) |
		number << VAS_MARK_RECORD_SHIFT;
	return 0;
}

/* Two blocks of one; the upper one has its own promise and record. Lock held, also after. */
static int block_cut(struct vas_region *region, const struct vas_block_info *info, uint64_t at,
		     struct vas_failure *failure)
{
	uint32_t mark = info->mark;
	int err;

	err = cut_record(region, info, &mark);
	if (!err) {
		err = vas_blocks_split(region->blocks, info->span.start, at);
		if (err && mark != info->mark)
			vas_record_give(region, vas_mark_record(mark));
	}
	if (err == -EINVAL)
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, err);
	if (err)
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	if (mark != info->mark)
		vas_block_mark(region, at, mark);
	if (mark & VAS_MARK_PROMISED)
		region->promises--;
	return 0;
}

/* Stopped, a promise at hand, the block found. Not so after an error. */
static int cut_begin(struct vas_region *region, uint64_t start, struct vas_failure *failure,
		     struct vas_block_info *info)
{
	int err = vas_region_stop(region, failure);

	if (err)
		return err;
	err = vas_block_find(region, start, failure, info);
	if (!err && (info->mark & VAS_MARK_PROMISED) && region->promises == 0) {
		vas_shards_open(region);
		err = vas_region_promise(region, failure);
		if (err)
			return err;
		vas_shards_shut(region);
		err = vas_block_find(region, start, failure, info);
	}
	if (err)
		vas_region_resume(region);
	return err;
}

int vas_block_split(struct vas_region *region, uint64_t start, uint64_t at,
		    struct vas_failure *failure)
{
	struct vas_block_info info;
	int err;

	err = cut_begin(region, start, failure, &info);
	if (err)
		return err;
	if (at <= start || at - start >= info.span.size || at % region->granule) {
		vas_region_resume(region);
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	}
	if (info.mark & VAS_MARK_PROMISED)
		err = cut_check(region, at, failure);
	if (!err)
		err = block_cut(region, &info, at, failure);
	if (!err)
		region->live++;
	vas_region_resume(region);
	return err;
}

/* One of two, whatever their marks say. Lock held. */
static void block_join(struct vas_region *region, const struct vas_block_info *lower,
		       const struct vas_block_info *upper)
{
	uint32_t mark = (lower->mark | (upper->mark & VAS_MARK_PROMISED)) &
			(upper->mark | ~VAS_MARK_PLAIN);
	int err;

	if (vas_mark_record(upper->mark))
		vas_record_give(region, vas_mark_record(upper->mark));
	if (lower->mark & upper->mark & VAS_MARK_PROMISED)
		region->promises++;
	err = vas_blocks_merge(region->blocks, lower->span.start, upper->span.start);
	VAS_ASSERT(err == 0);
	if (mark != lower->mark)
		vas_block_mark(region, lower->span.start, mark);
}

int vas_block_merge(struct vas_region *region, uint64_t lower, uint64_t upper,
		    struct vas_failure *failure)
{
	struct vas_block_info low, high;
	int err;

	err = vas_region_stop(region, failure);
	if (err)
		return err;
	err = vas_block_find(region, lower, failure, &low);
	if (!err)
		err = vas_block_find(region, upper, failure, &high);
	if (!err && vas_range_end(low.span) != upper)
		err = vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (!err) {
		block_join(region, &low, &high);
		region->live--;
	}
	vas_region_resume(region);
	return err;
}

/* The tail goes down the ladder. Stopped; not after. */
static int shrink_tail(struct vas_region *region, uint64_t start, struct vas_span tail,
		       struct vas_failure *failure)
{
	struct vas_block_info low, high;
	int err;

	err = vas_region_pin(region, failure);
	if (!err) {
		(void)vas_blocks_at(region->blocks, tail.start, &high);
		vas_block_mark(region, tail.start, vas_mark_with(high.mark, VAS_MARK_FREEING));
		region->unfinished++;
		vas_shards_open(region);
		err = vas_block_retire(region, tail, failure, NULL);
		if (!err)
			return 0;
		vas_lock_take(&region->lock);
		vas_shards_shut(region);
		region->unfinished--;
	}
	/* Not possible just now, in a notice for example: one block again. */
	(void)vas_blocks_at(region->blocks, start, &low);
	(void)vas_blocks_at(region->blocks, tail.start, &high);
	high.mark = vas_mark_with(high.mark, VAS_MARK_LIVE);
	block_join(region, &low, &high);
	region->used += tail.size;
	vas_region_resume(region);
	return err;
}

/* Stopped; not after. */
static int block_shrink(struct vas_region *region, const struct vas_block_info *info,
			uint64_t size, struct vas_failure *failure)
{
	struct vas_span tail = { info->span.start + size, info->span.size - size };
	int err = 0;

	if (!(info->mark & VAS_MARK_PROMISED)) {
		err = vas_blocks_resize(region->blocks, info->span.start, size);
		VAS_ASSERT(err == 0 || err == -ENOMEM);
		if (!err)
			region->used -= tail.size;
		vas_region_resume(region);
		return err ? vas_region_refuse(failure, VAS_WHY_BOOKS, err) : 0;
	}
	err = cut_check(region, tail.start, failure);
	if (!err)
		err = block_cut(region, info, tail.start, failure);
	if (err) {
		vas_region_resume(region);
		return err;
	}
	region->used -= tail.size;
	return shrink_tail(region, info->span.start, tail, failure);
}

/* Stopped; not after. */
static int block_grow(struct vas_region *region, const struct vas_block_info *info,
		      uint64_t size, struct vas_failure *failure)
{
	uint64_t start = info->span.start, margin = vas_region_margin(region);
	int err = -ERANGE;

	/* A red zone is room that is left free again: shrinking cannot fail. */
	if (size <= vas_range_end(region->span) - start)
		err = vas_blocks_resize(region->blocks, start, size + margin);
	if (!err && margin)
		err = vas_blocks_resize(region->blocks, start, size);
	if (!err) {
		region->used += size - info->span.size;
		if (info->mark & VAS_MARK_PLAIN)
			vas_block_mark(region, info->span.start, info->mark & ~VAS_MARK_PLAIN);
	}
	vas_region_resume(region);
	switch (err) {
	case 0:
		return 0;
	case -ENOSPC:
		return vas_region_refuse(failure, VAS_WHY_TAKEN, err);
	case -ENOMEM:
		return vas_region_refuse(failure, VAS_WHY_BOOKS, err);
	default:
		return vas_region_refuse(failure, VAS_WHY_OUTSIDE, -ERANGE);
	}
}

static int block_resize(struct vas_region *region, uint64_t start, uint64_t size,
			struct vas_failure *failure)
{
	struct vas_block_info info;
	int err;

	if (size == 0 || !vas_align_up(size, region->granule, &size))
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = cut_begin(region, start, failure, &info);
	if (err)
		return err;
	if (size < info.span.size)
		return block_shrink(region, &info, size, failure);
	if (size > info.span.size)
		return block_grow(region, &info, size, failure);
	vas_region_resume(region);
	return 0;
}

int vas_block_resize(struct vas_region *region, uint64_t start, uint64_t size,
		     struct vas_failure *failure)
{
	struct vas_span way = { start, size + vas_region_margin(region) };
	int err = block_resize(region, start, size, failure);

	if (err != -ENOSPC || !vas_region_relieve(region, way))
		return err;
	failure->why = VAS_WHY_NONE;
	return block_resize(region, start, size, failure);
}
