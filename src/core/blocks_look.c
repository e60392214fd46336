/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking an allocator, and its sums.
 *
 * WHAT FOR. Blocks and free ranges in the order of addresses, as a caller sees them: a free range goes on
 * over the edges of zones, and what magazines keep is free.
 *
 * STRATEGY. Magazines are emptied first. Free ranges at the edges of zones are put together here.
 *
 * CONCURRENCY. One zone is locked at a time, so while others take and free blocks a free range that crosses
 * zones, and the sums, may be of no one moment.
 *
 * WHAT IT DOES NOT DO. What rounding added to a block is not shown: it is neither the block's nor free.
 */
#include <errno.h>

#include "core/blocks_zone.h"

/* The free range in one zone that covers an address. False: a piece does, up to gap->end. */
static bool zone_gap(struct vas_blocks *blocks, uint32_t number, uint64_t address,
		     struct vas_span *gap)
{
	struct vas_block_zone *zone = vas_blocks_zone(blocks, number);
	struct vas_block_place place;
	struct vas_block_run run;
	uint32_t offset;
	uint64_t from;
	bool free;

	if (!zone) {
		*gap = vas_blocks_zone_span(blocks, number);
		return true;
	}
	vas_blocks_lock(blocks, &zone->lock);
	offset = vas_block_offset(zone, address);
	vas_block_tree_find(&zone->tree, offset, &place);
	run = vas_block_place_piece(&place);
	free = run.end <= offset;
	if (free)
		run = vas_block_place_gap(&place);
	from = vas_block_address(zone, run.start);
	*gap = (struct vas_span){ from, vas_block_address(zone, run.end) - from };
	vas_blocks_unlock(blocks, &zone->lock);
	return free;
}

/* Extends a free range over the zones below and above. */
static void gap_extend(struct vas_blocks *blocks, struct vas_span *gap)
{
	struct vas_span more;
	uint64_t end;

	while (gap->start > blocks->span.start &&
	       vas_blocks_zone_number(blocks, gap->start - 1) !=
		       vas_blocks_zone_number(blocks, gap->start) &&
	       zone_gap(blocks, vas_blocks_zone_number(blocks, gap->start - 1), gap->start - 1,
			&more)) {
		gap->start = more.start;
		gap->size += more.size;
	}
	for (;;) {
		end = gap->start + gap->size;
		if (end == vas_blocks_end(blocks) ||
		    vas_blocks_zone_number(blocks, end - 1) ==
			    vas_blocks_zone_number(blocks, end) ||
		    !zone_gap(blocks, vas_blocks_zone_number(blocks, end), end, &more))
			return;
		gap->size += more.size;
	}
}

int vas_blocks_next(struct vas_blocks *blocks, uint64_t address, struct vas_block_info *info)
{
	struct vas_span gap;

	(void)vas_blocks_drain(blocks);
	if (address < blocks->span.start)
		address = blocks->span.start;
	while (address < vas_blocks_end(blocks)) {
		if (vas_blocks_at(blocks, address, info) == 0)
			return 0;
		if (zone_gap(blocks, vas_blocks_zone_number(blocks, address), address, &gap)) {
			gap_extend(blocks, &gap);
			*info = (struct vas_block_info){ .span = gap };
			return 0;
		}
		/* What rounding added to a block, or one that is just being freed. */
		address = gap.start + gap.size;
	}
	return -ENOENT;
}

/* --- sums --- */

struct sums {
	struct vas_blocks_stats stats;
	uint64_t run; /* the free range up to where the sums got */
};

static void run_end(struct sums *sums)
{
	if (!sums->run)
		return;
	sums->stats.free_ranges++;
	if (sums->run > sums->stats.largest_free)
		sums->stats.largest_free = sums->run;
	sums->run = 0;
}

/* A zone that is locked. */
static void zone_sum(const struct vas_block_zone *zone, struct sums *sums)
{
	const struct vas_block_tree *tree = &zone->tree;
	uint64_t largest = (uint64_t)tree->room[0] << tree->shift;
	struct vas_block_place place;
	struct vas_block_run first, last;

	sums->stats.live += zone->live;
	sums->stats.used += (uint64_t)tree->used << tree->shift;
	vas_block_tree_first(tree, &place);
	first = vas_block_place_gap(&place);
	sums->run += (uint64_t)(first.end - first.start) << tree->shift;
	if (!tree->pieces)
		return;
	run_end(sums);
	vas_block_tree_last(tree, &place);
	last = vas_block_place_gap(&place);
	/* Those at the edges are counted as runs. */
	sums->stats.free_ranges += tree->gaps - (first.end > first.start) - (last.end > last.start);
	if (largest > sums->stats.largest_free)
		sums->stats.largest_free = largest;
	sums->run = (uint64_t)(last.end - last.start) << tree->shift;
}

void vas_blocks_stats(struct vas_blocks *blocks, struct vas_blocks_stats *stats)
{
	struct sums sums = { .stats = { .size = blocks->span.size } };
	struct vas_block_zone *zone;

	(void)vas_blocks_drain(blocks);
	for (uint32_t i = 0; i < blocks->zone_count; i++) {
		zone = vas_blocks_zone(blocks, i);
		if (!zone) {
			sums.run += vas_blocks_zone_span(blocks, i).size;
			continue;
		}
		vas_blocks_lock(blocks, &zone->lock);
		zone_sum(zone, &sums);
		vas_blocks_unlock(blocks, &zone->lock);
	}
	run_end(&sums);
	sums.stats.books = vas_block_pool_books(&blocks->pool);
	*stats = sums.stats;
}
