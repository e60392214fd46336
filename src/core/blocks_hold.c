/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding blocks that are there, and the locks for what they cover.
 *
 * WHAT FOR. Free, resize, split, merge and every question about an address begin with the block
 * that starts there or covers it, and with telling a wild address from one inside a block.
 *
 * STRATEGY. The start of a block is found in its zone's table. Any other address is looked up
 * in the zone's tree: the piece that covers it begins where a block does, or at the zone's edge;
 * then the block begins in a zone below, whose last piece is looked at next.
 *
 * CONCURRENCY. Locks go upwards only. Who finds out that a block began below drops all and begins
 * there.
 */
#include "core/blocks_zone.h"

#include <errno.h>

#include "base/hot.h"

void vas_blocks_hold_end(struct vas_blocks *blocks, const struct vas_block_hold *hold)
{
	vas_blocks_zones_leave(blocks, hold->zone->number, hold->last);
}

/* Completes a hold of which the first zone is locked and the record known. */
static void hold_rest(struct vas_blocks *blocks, struct vas_block_hold *hold)
{
	struct vas_span extent = vas_blocks_extent(blocks, hold->record);

	hold->last = vas_blocks_zone_number(blocks, extent.start + extent.size - 1);
	for (uint32_t i = hold->zone->number + 1; i <= hold->last; i++)
		vas_blocks_lock(blocks, &vas_blocks_zone(blocks, i)->lock);
}

/* The record of the block that starts at offset of a zone that is locked. False: none does. */
static bool hold_find(struct vas_block_hold *hold, uint32_t offset)
{
	hold->record = vas_block_table_find(&hold->zone->table, offset);
	return hold->record != NULL;
}

static bool is_live(const struct vas_block_hold *hold)
{
	return vas_block_word_state(vas_word_load(&hold->record->word)) == VAS_BLOCK_LIVE;
}

/*
 * Locks the zone of an address and looks for what covers it. 0: hold has the zone, its record
 * is known. -ENOENT: nothing does. -EAGAIN: it begins in a zone below. Nothing is locked then.
 */
static int cover_try(struct vas_blocks *blocks, uint32_t number, uint64_t address,
		     struct vas_block_hold *hold)
{
	struct vas_block_place place;
	struct vas_block_run piece;
	uint32_t offset;

	hold->zone = vas_blocks_zone(blocks, number);
	if (!hold->zone)
		return -ENOENT;
	vas_blocks_lock(blocks, &hold->zone->lock);
	if (address >= vas_block_address(hold->zone, hold->zone->tree.range.end))
		offset = hold->zone->tree.range.end - 1; /* from a zone above */
	else
		offset = vas_block_offset(hold->zone, address);
	vas_block_tree_find(&hold->zone->tree, offset, &place);
	piece = vas_block_place_piece(&place);
	if (piece.end > offset && hold_find(hold, piece.start))
		return 0;
	vas_blocks_unlock(blocks, &hold->zone->lock);
	return piece.end > offset ? -EAGAIN : -ENOENT;
}

int vas_blocks_hold_at(struct vas_blocks *blocks, uint64_t address, struct vas_block_hold *hold)
{
	uint32_t number, mark;
	uint64_t word, size;
	int error;

	if (!vas_blocks_covers(blocks, address))
		return -ERANGE;
	number = vas_blocks_zone_number(blocks, address);
	do
		error = cover_try(blocks, number, address, hold);
	while (error == -EAGAIN && number-- > 0);
	if (error)
		return -ENOENT;
	hold_rest(blocks, hold);
	if (vas_block_record_read(hold->record, &word, &size, &mark) &&
	    address - vas_blocks_span(blocks, hold->record).start < size << blocks->granule_shift)
		return 0;
	vas_blocks_hold_end(blocks, hold);
	return -ENOENT;
}

int vas_blocks_hold_start(struct vas_blocks *blocks, uint64_t start, struct vas_block_hold *hold)
{
	int error;

	if (!vas_blocks_covers(blocks, start))
		return -ERANGE;
	hold->zone = vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, start));
	if (!hold->zone)
		return -ENOENT;
	if ((start & (blocks->granule - 1)) == 0) {
		vas_blocks_lock(blocks, &hold->zone->lock);
		if (hold_find(hold, vas_block_offset(hold->zone, start)) && is_live(hold)) {
			hold_rest(blocks, hold);
			return 0;
		}
		vas_blocks_unlock(blocks, &hold->zone->lock);
	}
	/* Inside of one, or nowhere. */
	error = vas_blocks_hold_at(blocks, start, hold);
	if (error)
		return error;
	error = vas_blocks_span(blocks, hold->record).start == start ? 0 : -EINVAL;
	if (error)
		vas_blocks_hold_end(blocks, hold);
	return error;
}
