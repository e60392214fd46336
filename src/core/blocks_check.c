/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker of the block allocator.
 *
 * Each zone's tree and table are sound by themselves; every piece begins where a block does or goes on
 * over a zone's edge; every block's record says where it is and how large; what magazines keep is
 * CACHED and of its class; and the counts are those of what was seen.
 */
#include "core/blocks_shelf.h"
#include "core/blocks_zone.h"

#include "base/number.h"

struct blocks_walk {
	struct vas_blocks *blocks;
	uint64_t goes_on; /* the end of a block that goes on in the next zone; 0 = none does */
	uint64_t live;
	uint64_t cached;
};

/* The block that begins with a piece. */
static bool block_check(struct blocks_walk *walk, const struct vas_block_zone *zone,
			struct vas_block_run piece, const struct vas_block_record *record)
{
	const struct vas_blocks *blocks = walk->blocks;
	uint64_t state = vas_block_word_state(vas_word_load(&record->word));
	struct vas_span extent = vas_blocks_extent(blocks, record);
	uint64_t end = extent.start + extent.size;

	if (state != VAS_BLOCK_LIVE && state != VAS_BLOCK_CACHED)
		return false;
	walk->live += state == VAS_BLOCK_LIVE;
	walk->cached += state == VAS_BLOCK_CACHED;
	if (extent.start != vas_block_address(zone, piece.start) || extent.size == 0)
		return false;
	if (state == VAS_BLOCK_LIVE && vas_blocks_span(blocks, record).size > extent.size)
		return false;
	walk->goes_on = end > vas_block_address(zone, zone->tree.range.end) ? end : 0;
	return walk->goes_on ? piece.end == zone->tree.range.end
			     : end == vas_block_address(zone, piece.end);
}

static bool piece_check(struct blocks_walk *walk, const struct vas_block_zone *zone,
			struct vas_block_run piece, uint64_t *blocks)
{
	const struct vas_block_record *record = vas_block_table_find(&zone->table, piece.start);
	uint64_t end = walk->goes_on, limit = vas_block_address(zone, zone->tree.range.end);

	if (record) {
		++*blocks;
		return !end && block_check(walk, zone, piece, record);
	}
	walk->goes_on = end > limit ? end : 0;
	return end && piece.start == zone->tree.range.start &&
	       vas_block_address(zone, piece.end) == (end < limit ? end : limit);
}

static bool zone_check(struct blocks_walk *walk, const struct vas_block_zone *zone)
{
	struct vas_block_place place;
	uint64_t blocks = 0;

	if (!vas_block_tree_check(&zone->tree) || !vas_block_table_check(&zone->table))
		return false;
	vas_block_tree_first(&zone->tree, &place);
	while (vas_block_tree_next(&zone->tree, &place))
		if (!piece_check(walk, zone, vas_block_place_piece(&place), &blocks))
			return false;
	return blocks == zone->live && blocks == zone->table.count;
}

/* A block in a magazine of a kind is aligned as that says. */
static bool is_aligned_as(const struct vas_blocks *blocks, uint64_t word, uint32_t kind)
{
	uint64_t start = vas_blocks_word_address(blocks, word);

	return (start & (blocks->alignment[kind] - 1)) == 0;
}

static bool list_check(const struct vas_blocks *blocks, uint64_t list, uint32_t class)
{
	uint32_t number = vas_block_list_first(list), length = vas_block_list_length(list);
	const struct vas_block_record *record;
	uint64_t word;

	if (length > VAS_BLOCK_STOCK)
		return false;
	for (; number && length; length--) {
		record = vas_block_record_at(&blocks->records, number);
		word = vas_word_load(&record->word);
		if (vas_block_word_state(word) != VAS_BLOCK_CACHED ||
		    vas_block_record_class(record, word) != class ||
		    !is_aligned_as(blocks, word, class / VAS_BLOCK_CLASSES))
			return false;
		number = vas_block_list_link(record);
	}
	return !number && !length;
}

static bool lists_check(const struct vas_blocks *blocks)
{
	const struct vas_block_magazine *magazine;

	for (uint32_t kind = 0; kind < VAS_BLOCK_KINDS; kind++)
		for (uint32_t slot = 0; slot < VAS_BLOCK_SLOTS; slot++) {
			magazine = blocks->slot[kind][slot];
			if (magazine == &vas_block_magazine_none)
				continue;
			for (uint32_t i = 0; i < VAS_BLOCK_CLASSES; i++)
				if (!list_check(blocks, magazine->list[i],
						kind * VAS_BLOCK_CLASSES + i))
					return false;
		}
	return true;
}

bool vas_blocks_check(struct vas_blocks *blocks)
{
	struct blocks_walk walk = { .blocks = blocks };
	uint64_t bytes;

	for (uint32_t i = 0; i < blocks->zone_count; i++) {
		struct vas_block_zone *zone = vas_blocks_zone(blocks, i);

		if (zone ? !zone_check(&walk, zone) : walk.goes_on != 0)
			return false;
	}
	return !walk.goes_on && vas_block_records_check(&blocks->records) && lists_check(blocks) &&
	       vas_blocks_shelves_check(blocks) &&
	       walk.cached == vas_blocks_cached(blocks, &bytes) &&
	       vas_block_pool_check(&blocks->pool);
}
