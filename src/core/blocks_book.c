/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks entered into the books, and struck from them.
 *
 * WHAT FOR. What no magazine serves: each block is a piece in the tree of its zone, or of several, and a
 * record in the table of starts.
 *
 * STRATEGY. Memory is set aside first, then nothing can fail; but for a block in one zone, which is nearly
 * all, the tree is changed while the line of the table comes from memory, and changed back
 * when the table cannot grow. In the same way a free that begins under the lock lets the line of the table come
 * while it goes down the tree.
 *
 * CONCURRENCY. Under the locks of the zones that a block touches. Who frees has made the record
 * CACHED before it changes anything.
 *
 * WHAT IT DOES NOT DO. It does not look for places (blocks_place.c).
 */
#include "core/blocks_zone.h"

#include <errno.h>

#include "base/hot.h"

struct vas_span vas_blocks_span(const struct vas_blocks *blocks,
				const struct vas_block_record *record)
{
	uint64_t word = vas_word_load(&record->word);

	return (struct vas_span){
		vas_blocks_word_address(blocks, word),
		vas_block_record_size(record, word) << blocks->granule_shift,
	};
}

struct vas_span vas_blocks_extent(const struct vas_blocks *blocks,
				  const struct vas_block_record *record)
{
	struct vas_span span = vas_blocks_span(blocks, record);
	uint32_t class = vas_block_record_class(record, vas_word_load(&record->word));

	if (class != VAS_BLOCK_NO_CLASS)
		span.size = (uint64_t)vas_block_class_size(class) << blocks->granule_shift;
	return span;
}

/* The part of a span that lies in a zone, as its offsets. */
static struct vas_block_run span_part(const struct vas_block_zone *zone, struct vas_span span)
{
	uint64_t start = vas_block_address(zone, zone->tree.range.start);
	uint64_t end = vas_block_address(zone, zone->tree.range.end);

	if (start < span.start)
		start = span.start;
	if (end > span.start + span.size)
		end = span.start + span.size;
	return (struct vas_block_run){ vas_block_offset(zone, start), vas_block_offset(zone, end) };
}

static void piece_insert(struct vas_block_zone *zone, struct vas_span extent)
{
	struct vas_block_run part = span_part(zone, extent);
	struct vas_block_place place;

	vas_block_tree_find(&zone->tree, part.start, &place);
	vas_block_tree_insert(&zone->tree, &place, part);
}

/* The piece that starts at offset goes. */
static void piece_drop(struct vas_block_zone *zone, uint32_t offset)
{
	struct vas_block_place place;

	vas_block_tree_find(&zone->tree, offset, &place);
	VAS_ASSERT(vas_block_place_piece(&place).start == offset);
	vas_block_tree_remove(&zone->tree, &place);
}

int vas_blocks_prepare_piece(struct vas_blocks *blocks, struct vas_block_zone *zone)
{
	uint32_t nodes = vas_block_tree_wants(&zone->tree);

	if (zone->spares.node_count >= nodes)
		return 0;
	return vas_block_pool_fill(&blocks->pool, &zone->spares, nodes, 0);
}

int vas_blocks_prepare(struct vas_blocks *blocks, struct vas_block_zone *zone, uint32_t offset)
{
	int error = vas_block_table_prepare(&zone->table, &blocks->pool, &zone->spares, offset,
					    &zone->place);

	/* The last, as the others use up what is spare. */
	return error ? error : vas_blocks_prepare_piece(blocks, zone);
}

static inline __attribute__((always_inline)) void record_make(struct vas_blocks *blocks, struct vas_block_zone *zone,
			       const struct vas_block_what *what, uint32_t offset)
{
	uint64_t start = (vas_block_address(zone, offset) - blocks->base) >> blocks->granule_shift;

	vas_block_record_set(vas_block_table_insert(&zone->table, zone->place, offset), start,
			     what->size, what->class, what->mark);
	zone->live++;
}

void vas_blocks_enlist(struct vas_blocks *blocks, struct vas_block_zone *zone, struct vas_span span,
		       uint32_t class, uint32_t mark)
{
	struct vas_block_what what = { span.size >> blocks->granule_shift, class, mark };

	record_make(blocks, zone, &what, vas_block_offset(zone, span.start));
}

void vas_blocks_strike(struct vas_blocks *blocks, struct vas_block_zone *zone, uint32_t offset)
{
	(void)blocks;
	vas_block_table_remove(&zone->table, offset);
	zone->live--;
}

VAS_HOT int vas_blocks_take_one(struct vas_blocks *blocks, struct vas_block_zone *zone,
				const struct vas_block_what *what, struct vas_block_place *place,
				uint32_t offset)
{
	uint32_t size = what->class == VAS_BLOCK_NO_CLASS ? (uint32_t)what->size
							  : vas_block_class_size(what->class);
	struct vas_block_line *line = vas_block_table_line(&zone->table, offset);
	int error;

	/* What no cache is likely to have comes while the tree is changed, and a failure is undone. */
	__builtin_prefetch(line, 1);
	error = vas_blocks_prepare_piece(blocks, zone);
	if (error)
		return error;
	vas_block_tree_insert(&zone->tree, place, (struct vas_block_run){ offset, offset + size });
	error = vas_block_table_prepare_in(&zone->table, line, &blocks->pool, &zone->spares, offset,
					   &zone->place);
	if (error)
		piece_drop(zone, offset);
	else
		record_make(blocks, zone, what, offset);
	return error;
}

int vas_blocks_take(struct vas_blocks *blocks, struct vas_span span, uint32_t class, uint32_t mark)
{
	struct vas_span extent = span;
	uint32_t first = vas_blocks_zone_number(blocks, span.start), last;
	int error;

	if (class != VAS_BLOCK_NO_CLASS)
		extent.size = (uint64_t)vas_block_class_size(class) << blocks->granule_shift;
	last = vas_blocks_zone_number(blocks, extent.start + extent.size - 1);
	error = vas_blocks_prepare(blocks, vas_blocks_zone(blocks, first),
				   vas_block_offset(vas_blocks_zone(blocks, first), span.start));
	for (uint32_t i = first + 1; i <= last && !error; i++)
		error = vas_blocks_prepare_piece(blocks, vas_blocks_zone(blocks, i));
	if (error)
		return error;
	for (uint32_t i = first; i <= last; i++)
		piece_insert(vas_blocks_zone(blocks, i), extent);
	vas_blocks_enlist(blocks, vas_blocks_zone(blocks, first), span, class, mark);
	return 0;
}

void vas_blocks_drop(struct vas_blocks *blocks, struct vas_block_zone *zone,
		     struct vas_block_record *record)
{
	struct vas_span extent = vas_blocks_extent(blocks, record);
	uint32_t last = vas_blocks_zone_number(blocks, extent.start + extent.size - 1);

	vas_blocks_strike(blocks, zone, vas_block_offset(zone, extent.start));
	for (uint32_t i = zone->number; i <= last; i++)
		piece_drop(vas_blocks_zone(blocks, i),
			   span_part(vas_blocks_zone(blocks, i), extent).start);
}

/* What lies in one zone only. */
static inline void drop_one(struct vas_blocks *blocks, struct vas_block_zone *zone, uint32_t offset)
{
	vas_blocks_lock(blocks, &zone->lock);
	piece_drop(zone, offset);
	vas_blocks_strike(blocks, zone, offset);
	vas_blocks_zone_leave(blocks, zone);
	vas_blocks_loosen(blocks);
}

VAS_HOT void vas_blocks_free_claimed(struct vas_blocks *blocks, struct vas_block_record *record)
{
	struct vas_span extent = vas_blocks_extent(blocks, record);
	uint32_t first = vas_blocks_zone_number(blocks, extent.start);
	uint32_t last = vas_blocks_zone_number(blocks, extent.start + extent.size - 1);

	if (__builtin_expect(first == last, 1)) {
		struct vas_block_zone *zone = vas_blocks_zone(blocks, first);

		drop_one(blocks, zone, vas_block_offset(zone, extent.start));
		return;
	}
	for (uint32_t i = first; i <= last; i++)
		vas_blocks_lock(blocks, &vas_blocks_zone(blocks, i)->lock);
	vas_blocks_drop(blocks, vas_blocks_zone(blocks, first), record);
	vas_blocks_zones_leave(blocks, first, last);
	vas_blocks_loosen(blocks);
}

/* A record that is LIVE becomes the caller's alone, *word is what it was. False: it is not. */
static inline bool held_claim(const struct vas_blocks *blocks, struct vas_block_record *record,
			 uint64_t *word)
{
	uint64_t claimed;

	*word = vas_word_load(&record->word);
	claimed = vas_block_word_with(*word, VAS_BLOCK_CACHED);
	if (vas_block_word_state(*word) != VAS_BLOCK_LIVE)
		return false;
	if (!blocks->alone)
		return vas_word_exchange(&record->word, *word, claimed);
	vas_word_store(&record->word, claimed);
	return true;
}

void vas_blocks_foresee(struct vas_blocks *blocks, const uint64_t *starts, uint32_t count)
{
	struct vas_block_place place;

	for (uint32_t i = 0; i < count; i++) {
		struct vas_block_zone *zone =
			vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, starts[i]));
		uint32_t offset = vas_block_offset(zone, starts[i]);

		vas_block_table_fetch(&zone->table, offset);
		vas_blocks_lock(blocks, &zone->lock);
		vas_block_tree_find_leaf(&zone->tree, offset, &place);
		vas_blocks_unlock(blocks, &zone->lock);
	}
}

VAS_HOT int vas_blocks_free_held(struct vas_blocks *blocks, uint64_t start,
				 struct vas_block_info *info)
{
	struct vas_block_zone *zone =
		vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, start));
	struct vas_block_record *record;
	struct vas_block_place place;
	uint32_t offset;
	uint64_t word;

	if (!zone || (start & (blocks->granule - 1)) != 0)
		return -EAGAIN;
	offset = vas_block_offset(zone, start);
	vas_block_table_fetch(&zone->table, offset);
	vas_blocks_lock(blocks, &zone->lock);
	vas_block_tree_find_leaf(&zone->tree, offset, &place);
	record = vas_block_table_find_own(&zone->table, offset);
	vas_block_tree_find_piece(&place, offset);
	/* The last piece may go on in the next zone. */
	if (!record || vas_block_place_piece(&place).end == zone->tree.range.end ||
	    !held_claim(blocks, record, &word)) {
		vas_blocks_unlock(blocks, &zone->lock);
		return -EAGAIN;
	}
	if (info) {
		info->span.start = start;
		info->span.size = vas_block_record_size(record, word) << blocks->granule_shift;
		info->live = true;
		info->mark = vas_word_load32(&record->link);
	}
	VAS_ASSERT(vas_block_place_piece(&place).start == offset);
	vas_block_tree_remove(&zone->tree, &place);
	vas_block_table_remove_own(&zone->table, record);
	zone->live--;
	vas_blocks_zone_leave(blocks, zone);
	vas_blocks_loosen(blocks);
	return 0;
}
