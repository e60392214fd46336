/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What there is in a region, by value: blocks and sums.
 *
 * WHAT FOR. Debuggers, allocators above and tests ask which block covers an address, walk all of them, and
 * want sums without a walk.
 *
 * STRATEGY. Blocks are the allocator's, what is committed in them is the engine's; nothing is counted twice.
 *
 * CONCURRENCY. Each answer was true at some moment; the block may be freed right after.
 *
 * WHAT IT DOES NOT DO. Nothing here changes anything.
 */
#include <errno.h>

#include "region/region.h"
#include "space/sums.h"

static bool is_committed(struct vas_region *region, struct vas_span span)
{
	return vas_part_uncommitted(region->user.holding, span) == 0;
}

/* Lock held; not after. */
static void block_tell(struct vas_region *region, const struct vas_block_info *info,
		       struct vas_block *block)
{
	uint32_t record = vas_mark_record(info->mark);
	struct vas_failure failure;
	bool pinned;

	*block = (struct vas_block){
		.start = (void *)(uintptr_t)info->span.start,
		.size = info->span.size,
		.tag = record ? vas_record_get(region, record)->tag : 0,
	};
	pinned = (info->mark & VAS_MARK_PROMISED) && vas_region_pin(region, &failure) == 0;
	vas_region_unlock(region);
	if (!pinned)
		return;
	if (is_committed(region, info->span))
		block->flags = VAS_BLOCK_COMMITTED;
	vas_region_unpin(region);
}

int vas_block_at(struct vas_region *region, uint64_t address, struct vas_failure *failure,
		 struct vas_block *block)
{
	struct vas_block_info info;
	int err;

	err = vas_region_look(region, failure);
	if (err)
		return err;
	err = vas_blocks_at(region->blocks, address, &info);
	if (err || !vas_mark_is(info.mark, VAS_MARK_LIVE)) {
		vas_region_unlock(region);
		if (err == -ERANGE)
			return vas_region_refuse(failure, VAS_WHY_OUTSIDE, err);
		return vas_region_refuse(failure, VAS_WHY_NO_BLOCK, -ENOENT);
	}
	block_tell(region, &info, block);
	return 0;
}

int vas_block_next(struct vas_region *region, uint64_t address, struct vas_failure *failure,
		   struct vas_block *block)
{
	struct vas_block_info info;
	int err;

	err = vas_region_look(region, failure);
	if (err)
		return err;
	if (address < region->span.start)
		address = region->span.start;
	for (;;) {
		err = vas_blocks_next(region->blocks, address, &info);
		if (err) {
			vas_region_unlock(region);
			return vas_region_refuse(failure, VAS_WHY_NO_BLOCK, -ENOENT);
		}
		if (info.live && vas_mark_is(info.mark, VAS_MARK_LIVE))
			break;
		address = vas_range_end(info.span);
	}
	block_tell(region, &info, block);
	return 0;
}

static uint64_t fragmentation(uint64_t largest, uint64_t all)
{
	if (all == 0)
		return 0;
	/* Spans are below 2^57, so a thousand of them could wrap. */
	if (all >> 54)
		return 1000 - (largest >> 10) * 1000 / (all >> 10);
	return 1000 - largest * 1000 / all;
}

static void sum_parts(struct vas_region *region, struct vas_region_stats *stats)
{
	struct vas_failure failure;
	struct vas_part_sums sums;
	bool pinned = vas_region_pin(region, &failure) == 0;

	vas_region_unlock(region);
	if (!pinned)
		return;
	vas_part_sum(region->user.holding, &sums);
	vas_region_unpin(region);
	stats->committed = sums.committed;
	stats->guarded = sums.guarded;
	stats->emptied = sums.emptied;
	stats->held = sums.held;
	stats->vmas = sums.runs;
}

int vas_region_sum(struct vas_region *region, struct vas_failure *failure,
		   struct vas_region_stats *stats)
{
	struct vas_blocks_stats blocks;
	struct vas_shard_sums sums;
	int err;

	err = vas_region_look(region, failure);
	if (err)
		return err;
	vas_blocks_stats(region->blocks, &blocks);
	sums = vas_shards_sum(region);
	stats->span = region->user.holding->span;
	stats->blocks = region->live + sums.live;
	stats->used = region->used + sums.used;
	stats->free_ranges = blocks.free_ranges;
	stats->largest_free = blocks.largest_free;
	stats->fragmentation = fragmentation(blocks.largest_free, blocks.size - blocks.used);
	stats->books = blocks.books + sizeof(*region) + sums.books +
		       region->records.chunk_count * VAS_RECORDS_CHUNK * sizeof(struct vas_record) +
		       region->cache.capacity * sizeof(struct vas_cache_node);
	stats->allocs = region->allocs + sums.allocs;
	stats->frees = region->frees + sums.frees;
	stats->warm_hits = region->warm_hits + sums.warm_hits;
	stats->warm = region->cache.bytes + sums.warm;
	stats->waiting = region->quarantine.bytes;
	sum_parts(region, stats);
	return 0;
}

bool vas_region_check(struct vas_region *region)
{
	uint64_t position = region->span.start, live = 0, used = 0, retired = 0, warm = 0, waiting = 0;
	uint32_t unfinished = 0, orphans = 0, records = 0;
	struct vas_shard_sums sums;
	struct vas_block_info info;
	bool right;

	vas_lock_take(&region->lock);
	vas_shards_shut(region);
	(void)vas_leaving_end(region);
	sums = vas_shards_sum(region);
	right = vas_blocks_check(region->blocks) && vas_shards_check(region);
	while (right && vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (!info.live)
			continue;
		waiting += vas_mark_is(info.mark, VAS_MARK_WAITING) ? info.span.size : 0;
		if (vas_mark_is(info.mark, VAS_MARK_WARM))
			warm += info.span.size;
		else
			records += vas_mark_record(info.mark) != 0;
		live += vas_mark_is(info.mark, VAS_MARK_LIVE);
		used += vas_mark_is(info.mark, VAS_MARK_LIVE) ? info.span.size : 0;
		retired += vas_mark_is(info.mark, VAS_MARK_RETIRED);
		unfinished += vas_mark_is(info.mark, VAS_MARK_MAKING) ||
			      vas_mark_is(info.mark, VAS_MARK_FREEING);
		orphans += vas_mark_is(info.mark, VAS_MARK_ORPHAN);
	}
	right = right && live == region->live + sums.live && used == region->used + sums.used &&
		retired == region->retired && unfinished == vas_region_unfinished(region) &&
		orphans == region->orphans && records == region->records.count &&
		waiting == region->quarantine.bytes && vas_quarantine_check(region) &&
		warm == region->cache.bytes + sums.warm && vas_cache_check(region);
	vas_region_resume(region);
	return right;
}
