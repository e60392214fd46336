/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing blocks in place: resize, split, merge.
 *
 * WHAT FOR. A block that grows, shrinks, or becomes two or one again, at the same addresses.
 *
 * STRATEGY. Only the piece at the changed edge moves. A block that was changed has no size class any more:
 * what rounding added is given back, or becomes its own.
 *
 * CONCURRENCY. Under the locks of the zones that the block touches, and of the one behind its end.
 *
 * WHAT IT DOES NOT DO. Nothing moves to another address.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "base/number.h"
#include "core/blocks_zone.h"

/* The piece that ends at or covers what is below end, in a zone that is locked. */
static void piece_below(const struct vas_block_zone *zone, uint64_t end,
			struct vas_block_place *place)
{
	vas_block_tree_find(&zone->tree, vas_block_offset(zone, end) - 1, place);
	VAS_ASSERT(vas_block_place_piece(place).end >= vas_block_offset(zone, end));
}

/* Sets size and class of a block that is held. */
static void record_resize(const struct vas_blocks *blocks, struct vas_block_record *record,
			  uint64_t size)
{
	uint64_t start = vas_block_word_start(vas_word_load(&record->word));
	uint64_t granules = size >> blocks->granule_shift;

	vas_block_record_size_set(record, granules, VAS_BLOCK_NO_CLASS);
	vas_word_store(&record->word,
			vas_block_word(start, granules, VAS_BLOCK_NO_CLASS, VAS_BLOCK_LIVE));
}

/* Cuts off what the block covers from end on, which is inside; pieces of zones above go. */
static void extent_cut(struct vas_blocks *blocks, const struct vas_block_hold *hold, uint64_t end)
{
	struct vas_block_place place;
	uint32_t keeps = vas_blocks_zone_number(blocks, end - 1);

	for (uint32_t i = keeps + 1; i <= hold->last; i++) {
		vas_block_tree_find(&vas_blocks_zone(blocks, i)->tree,
				    vas_blocks_zone(blocks, i)->tree.range.start, &place);
		vas_block_tree_remove(&vas_blocks_zone(blocks, i)->tree, &place);
	}
	piece_below(vas_blocks_zone(blocks, keeps), end, &place);
	vas_block_tree_set_end(&vas_blocks_zone(blocks, keeps)->tree, &place,
			       vas_block_offset(vas_blocks_zone(blocks, keeps), end));
}

/* --- resize --- */

/* How far the free range goes in a zone, from its first granule on. */
static uint64_t zone_gap_end(const struct vas_block_zone *zone)
{
	struct vas_block_place place;

	vas_block_tree_first(&zone->tree, &place);
	return vas_block_address(zone, vas_block_place_gap(&place).end);
}

/*
 * Locks the zones up to the one that end lies in, and looks whether all is free from the block's
 * extent on. -ENOSPC, -ENOMEM.
 */
static int grow_enter(struct vas_blocks *blocks, struct vas_block_hold *hold, uint64_t from,
		      uint64_t end)
{
	uint32_t last = vas_blocks_zone_number(blocks, end - 1);
	struct vas_block_zone *zone = vas_blocks_zone(blocks, hold->last);
	struct vas_block_place place;
	uint64_t free;

	piece_below(zone, from, &place);
	free = vas_block_address(zone, vas_block_place_gap(&place).end);
	while (free < end && hold->last < last &&
	       free == vas_block_address(zone, zone->tree.range.end)) {
		zone = vas_blocks_zone_enter(blocks, hold->last + 1);
		if (!zone)
			return -ENOMEM;
		hold->last++;
		free = zone_gap_end(zone);
	}
	return free < end ? -ENOSPC : 0;
}

static int grow(struct vas_blocks *blocks, struct vas_block_hold *hold, uint64_t from, uint64_t end)
{
	uint32_t first = hold->last;
	struct vas_block_place place;
	struct vas_block_zone *zone;
	int error = grow_enter(blocks, hold, from, end);
	uint64_t to;

	for (uint32_t i = first + 1; i <= hold->last && !error; i++)
		error = vas_blocks_prepare_piece(blocks, vas_blocks_zone(blocks, i));
	if (error)
		return error;
	for (uint32_t i = first; i <= hold->last; i++) {
		zone = vas_blocks_zone(blocks, i);
		to = vas_block_address(zone, zone->tree.range.end);
		to = to < end ? to : end;
		if (i == first) {
			piece_below(zone, from, &place);
			vas_block_tree_set_end(&zone->tree, &place, vas_block_offset(zone, to));
			continue;
		}
		vas_block_tree_first(&zone->tree, &place);
		vas_block_tree_insert(&zone->tree, &place,
				      (struct vas_block_run){ zone->tree.range.start,
							      vas_block_offset(zone, to) });
	}
	return 0;
}

static int resize_held(struct vas_blocks *blocks, struct vas_block_hold *hold, uint64_t size)
{
	struct vas_span extent = vas_blocks_extent(blocks, hold->record);
	uint64_t extent_end = extent.start + extent.size, end;
	int error = 0;

	if (size == 0)
		return -EINVAL;
	if (!vas_align_up(size, blocks->granule, &size) || !vas_add(extent.start, size, &end) ||
	    end > vas_blocks_end(blocks))
		return -ENOSPC;
	if (end < extent_end)
		extent_cut(blocks, hold, end);
	else if (end > extent_end)
		error = grow(blocks, hold, extent_end, end);
	if (!error)
		record_resize(blocks, hold->record, size);
	return error;
}

int vas_blocks_resize(struct vas_blocks *blocks, uint64_t start, uint64_t size)
{
	struct vas_block_hold hold;
	int error, late = 0;

	do {
		error = vas_blocks_hold_start(blocks, start, &hold);
		if (error)
			return error;
		error = resize_held(blocks, &hold, size);
		vas_blocks_hold_end(blocks, &hold);
	} while (error == -ENOSPC && !late++ && vas_blocks_drain(blocks));
	return error;
}

/* --- split and merge --- */

/* Piece and record of the upper half, from at on; they are as large as the block's now. */
static int split_held(struct vas_blocks *blocks, struct vas_block_hold *hold, uint64_t at)
{
	struct vas_span span = vas_blocks_span(blocks, hold->record), upper;
	uint32_t mark = vas_word_load32(&hold->record->link), offset;
	struct vas_block_zone *zone;
	struct vas_block_place place;
	struct vas_block_run piece;
	int error;

	if (at <= span.start || at - span.start >= span.size || at & (blocks->granule - 1))
		return -EINVAL;
	zone = vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, at));
	offset = vas_block_offset(zone, at);
	error = vas_blocks_prepare(blocks, zone, offset);
	/* The lower block's record may have moved. */
	hold->record =
		vas_block_table_find(&hold->zone->table, vas_block_offset(hold->zone, span.start));
	if (error)
		return error;
	upper = (struct vas_span){ at, span.start + span.size - at };
	extent_cut(blocks, hold, span.start + span.size);
	vas_block_tree_find(&zone->tree, offset, &place);
	piece = vas_block_place_piece(&place);
	if (piece.start < offset) {
		vas_block_tree_set_end(&zone->tree, &place, offset);
		vas_block_tree_find(&zone->tree, offset, &place);
		vas_block_tree_insert(&zone->tree, &place,
				      (struct vas_block_run){ offset, piece.end });
	}
	record_resize(blocks, hold->record, at - span.start);
	vas_blocks_enlist(blocks, zone, upper, VAS_BLOCK_NO_CLASS, mark);
	return 0;
}

VAS_HOT int vas_blocks_split(struct vas_blocks *blocks, uint64_t start, uint64_t at)
{
	struct vas_block_hold hold;
	int error = vas_blocks_hold_start(blocks, start, &hold);

	if (error)
		return error;
	error = split_held(blocks, &hold, at);
	vas_blocks_hold_end(blocks, &hold);
	return error;
}

/* Both are held; they touch. */
static void merge_held(struct vas_blocks *blocks, struct vas_block_hold *lower, uint64_t at)
{
	struct vas_block_zone *zone = vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, at));
	uint32_t offset = vas_block_offset(zone, at);
	struct vas_span span = vas_blocks_span(blocks, lower->record), other;
	struct vas_block_place place;
	struct vas_block_run piece;
	struct vas_block_hold upper = { .zone = zone, .last = lower->last };

	upper.record = vas_block_table_find(&zone->table, offset);
	other = vas_blocks_span(blocks, upper.record);
	extent_cut(blocks, &upper, other.start + other.size);
	vas_block_tree_find(&zone->tree, offset, &place);
	piece = vas_block_place_piece(&place);
	if (offset > zone->tree.range.start) {
		vas_block_tree_remove(&zone->tree, &place);
		vas_block_tree_find(&zone->tree, offset - 1, &place);
		vas_block_tree_set_end(&zone->tree, &place, piece.end);
	}
	vas_blocks_strike(blocks, zone, offset);
	record_resize(blocks, lower->record, span.size + other.size);
}

/* The upper block's zones on top of the lower one's, in the order of locks. */
static int merge_enter(struct vas_blocks *blocks, struct vas_block_hold *lower, uint64_t upper)
{
	struct vas_span span = vas_blocks_span(blocks, lower->record), extent;
	uint32_t first, last;
	const struct vas_block_record *record;
	struct vas_block_zone *zone;

	if (upper - span.start != span.size || !vas_blocks_covers(blocks, upper))
		return -EINVAL;
	first = vas_blocks_zone_number(blocks, upper);
	zone = vas_blocks_zone(blocks, first);
	if (!zone)
		return -ENOENT;
	for (; lower->last < first; lower->last++)
		vas_blocks_lock(blocks, &vas_blocks_zone(blocks, lower->last + 1)->lock);
	record = vas_block_table_find(&zone->table, vas_block_offset(zone, upper));
	if (!record || vas_block_word_state(vas_word_load(&record->word)) != VAS_BLOCK_LIVE)
		return -ENOENT;
	extent = vas_blocks_extent(blocks, record);
	last = vas_blocks_zone_number(blocks, extent.start + extent.size - 1);
	for (; lower->last < last; lower->last++)
		vas_blocks_lock(blocks, &vas_blocks_zone(blocks, lower->last + 1)->lock);
	return 0;
}

VAS_HOT int vas_blocks_merge(struct vas_blocks *blocks, uint64_t lower, uint64_t upper)
{
	struct vas_block_hold hold;
	struct vas_block_info info;
	int error = vas_blocks_hold_start(blocks, lower, &hold);

	if (error)
		return error;
	error = merge_enter(blocks, &hold, upper);
	if (!error)
		merge_held(blocks, &hold, upper);
	vas_blocks_hold_end(blocks, &hold);
	if (!error)
		return 0;
	/* Why: by the rules of free, or they do not touch. */
	error = vas_blocks_at(blocks, upper, &info);
	return error ? error : -EINVAL;
}
