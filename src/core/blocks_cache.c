/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When magazines are used, and how they are emptied.
 *
 * WHAT FOR. Magazines make taking and freeing fast, at the cost of blocks that are kept and of
 * sizes that are rounded up. Neither may ever be the reason of a refusal, nor make a small
 * or a full span hold less.
 *
 * STRATEGY. Spans below LEAST have none. A class keeps no more than a small part of the span. When
 * a request finds no place the quick way, magazines and rounding rest ("tight"), what they keep
 * goes back before the request is refused, and they begin again when a quarter of the span is
 * free. The same goes for shelves (blocks_shelf.c).
 *
 * A request with a window tells nothing of the span. When one finds no place, only shelves and the
 * rounding of such requests rest, and only what lies in the window goes back. So that refusals of
 * a full window are cheap, its blocks are looked at first: are there more than WINDOW_LOOKS, all rests and goes back.
 *
 * CONCURRENCY. A list is taken out by one compare-and-swap; its records are the taker's then.
 *
 * WHAT IT DOES NOT DO. It does not move blocks between magazines: a thread that only frees fills its own,
 * and the rest goes to the books.
 */
#include "core/blocks_shelf.h"
#include "core/blocks_zone.h"

#include <string.h>

#ifndef VAS_BLOCKS_CACHE_LEAST
#define VAS_BLOCKS_CACHE_LEAST (UINT64_C(16) << 30) /* bytes of span */
#endif
#define PART	     64u /* of the span may be kept in one class */
#define LOOK 256u /* frees between two looks at how full the span is */
#define WINDOW_LOOKS 16u /* blocks of a window that are looked at */

/* So many blocks of a class, at most, by the size of the span. */
static uint8_t class_most(const struct vas_blocks *blocks, uint32_t class)
{
	uint64_t bytes = (uint64_t)vas_block_class_size(class) << blocks->granule_shift;
	uint64_t most = blocks->span.size / PART / bytes;

	if (blocks->span.size < VAS_BLOCKS_CACHE_LEAST)
		return 0;
	return (uint8_t)(most < VAS_BLOCK_STOCK ? most : VAS_BLOCK_STOCK);
}

/* Magazines keep blocks from now on, or none. Who frees meanwhile may see the one or the other. */
static void cache_set(struct vas_blocks *blocks, bool keep)
{
	uint32_t cached = 0;

	for (uint32_t i = 0; i < VAS_BLOCK_KINDS * VAS_BLOCK_CLASSES; i++) {
		uint8_t most = keep ? class_most(blocks, i) : 0;

		__atomic_store_n(&blocks->most[i], most, __ATOMIC_RELAXED);
		cached = most ? vas_block_class_size(i) : cached;
	}
	__atomic_store_n(&blocks->cached, cached, __ATOMIC_RELAXED);
	__atomic_store_n(&blocks->shelved, cached, __ATOMIC_RELAXED);
}

/* Full, and empty; nobody writes to it. */
const struct vas_block_magazine vas_block_magazine_none = {
	.list = { [0 ... VAS_BLOCK_CLASSES - 1] = VAS_BLOCK_STOCK },
};

void vas_blocks_magazines_init(struct vas_blocks *blocks)
{
	struct vas_block_magazine **slot = &blocks->slot[0][0];

	for (uint32_t i = 0; i < VAS_BLOCK_KINDS * VAS_BLOCK_SLOTS; i++)
		slot[i] = (struct vas_block_magazine *)(uintptr_t)&vas_block_magazine_none;
}

void vas_blocks_cache_init(struct vas_blocks *blocks)
{
	/* After a cut, the span may have become too small for magazines. */
	cache_set(blocks, true);
	blocks->cached_most = blocks->cached;
}

/* The making lock held. */
static void magazine_make(struct vas_blocks *blocks, uint32_t kind, uint32_t number)
{
	struct vas_block_magazine **slot = &blocks->slot[kind][number], *magazine;
	struct vas_block_spares spares = { 0 };

	if (*slot != &vas_block_magazine_none || vas_block_pool_fill(&blocks->pool, &spares, 1, 0))
		return;
	magazine = vas_block_spares_take(&spares);
	memset(magazine, 0, sizeof(*magazine));
	__atomic_store_n(slot, magazine, __ATOMIC_RELEASE);
	(void)__atomic_fetch_or(&blocks->made[kind], UINT64_C(1) << number, __ATOMIC_RELEASE);
	vas_block_pool_trim(&blocks->pool, &spares, 0, 0);
}

void vas_blocks_magazine_make(struct vas_blocks *blocks, uint32_t class)
{
	bool single = vas_blocks_single(blocks);
	uint32_t slot = single ? 0 : vas_blocks_slot(blocks);

	if (__builtin_expect(vas_blocks_magazine(blocks, class, single) != &vas_block_magazine_none,
			     1))
		return;
	vas_blocks_lock(blocks, &blocks->making);
	magazine_make(blocks, class / VAS_BLOCK_CLASSES, slot);
	vas_blocks_unlock(blocks, &blocks->making);
}

/* Gives the blocks of one list back to the books. */
static void list_drain(struct vas_blocks *blocks, uint32_t number)
{
	struct vas_block_record *record;
	uint32_t link;

	for (; number; number = link) {
		record = vas_block_record_at(&blocks->records, number);
		link = vas_block_list_link(record);
		vas_blocks_free_claimed(blocks, record);
	}
}

_Static_assert(VAS_BLOCK_SLOTS == 64, "a word has a bit for each slot");

/* All magazines in turn. It begins as zeroes. */
struct magazines {
	uint64_t slots; /* of the kind, that are to come */
	uint32_t kinds; /* that were begun */
};

/* The next one; NULL: that was all. */
static struct vas_block_magazine *magazines_next(const struct vas_blocks *blocks,
						 struct magazines *walk)
{
	uint32_t slot;

	while (!walk->slots) {
		if (walk->kinds == VAS_BLOCK_KINDS)
			return NULL;
		walk->slots = __atomic_load_n(&blocks->made[walk->kinds++], __ATOMIC_ACQUIRE);
	}
	slot = (uint32_t)__builtin_ctzll(walk->slots);
	walk->slots &= walk->slots - 1;
	return __atomic_load_n(&blocks->slot[walk->kinds - 1][slot], __ATOMIC_ACQUIRE);
}

bool vas_blocks_drain(struct vas_blocks *blocks)
{
	struct vas_block_magazine *magazine;
	struct magazines walk = { 0 };
	bool any = false;
	uint32_t number;

	while ((magazine = magazines_next(blocks, &walk))) {
		if (!vas_block_magazine_has_any(magazine))
			continue;
		for (uint32_t i = 0; i < VAS_BLOCK_CLASSES; i++) {
			number = vas_block_magazine_empty(magazine, i, false);
			any |= number != 0;
			list_drain(blocks, number);
		}
	}
	return any | vas_blocks_shelves_drain(blocks);
}

/* --- for a window --- */

static bool touches(const struct vas_blocks *blocks, const struct vas_block_record *record,
		    struct vas_span window)
{
	struct vas_span extent = vas_blocks_extent(blocks, record);

	return extent.start < window.start + window.size &&
	       window.start < extent.start + extent.size;
}

/* Gives those of a list that touch a window back to the books, and the others to the magazine. */
static bool list_drain_window(struct vas_blocks *blocks, struct vas_block_magazine *magazine,
			      uint32_t class, struct vas_span window)
{
	uint32_t most = __atomic_load_n(&blocks->most[class], __ATOMIC_RELAXED), link;
	uint32_t in_kind = class % VAS_BLOCK_CLASSES;
	uint32_t number = vas_block_magazine_empty(magazine, in_kind, false);
	struct vas_block_record *record;
	bool any = false, touched;

	for (; number; number = link) {
		record = vas_block_record_at(&blocks->records, number);
		link = vas_block_list_link(record);
		touched = touches(blocks, record, window);
		any |= touched;
		if (touched || !most ||
		    !vas_block_magazine_put(magazine, in_kind, number, record, most, false))
			vas_blocks_free_claimed(blocks, record);
	}
	return any;
}

/* Whether a magazine or a shelf has what begins there. I: what is kept lies in one zone, which is locked. */
static bool piece_is_kept(const struct vas_block_zone *zone, uint32_t offset)
{
	const struct vas_block_record *record = vas_block_table_find(&zone->table, offset);

	return record && vas_block_word_state(vas_word_load(&record->word)) == VAS_BLOCK_CACHED;
}

/*
 * Whether one of the blocks of a zone in a window is in a magazine or on a shelf. *looks: how many may be looked
 * at; 0 when that was not enough.
 */
static bool zone_keeps(struct vas_blocks *blocks, struct vas_block_zone *zone,
		       struct vas_span window, uint32_t *looks)
{
	uint64_t start = vas_block_address(zone, zone->tree.range.start);
	uint64_t end = vas_block_address(zone, zone->tree.range.end);
	struct vas_block_place place;
	bool keeps = false, more = true;
	struct vas_block_run piece;

	start = window.start > start ? window.start : start;
	end = window.start + window.size < end ? window.start + window.size : end;
	vas_blocks_lock(blocks, &zone->lock);
	vas_block_tree_find(&zone->tree, vas_block_offset(zone, start), &place);
	piece = vas_block_place_piece(&place);
	while (more && !keeps && *looks && piece.start < vas_block_offset(zone, end)) {
		keeps = piece.end > piece.start && piece_is_kept(zone, piece.start);
		(*looks)--;
		more = vas_block_tree_next(&zone->tree, &place);
		piece = vas_block_place_piece(&place);
	}
	vas_blocks_unlock(blocks, &zone->lock);
	return keeps;
}

/* The same for all zones of it. */
static bool window_keeps(struct vas_blocks *blocks, struct vas_span window, uint32_t *looks)
{
	uint32_t last = vas_blocks_zone_number(blocks, window.start + window.size - 1);
	struct vas_block_zone *zone;
	bool keeps = false;

	for (uint32_t i = vas_blocks_zone_number(blocks, window.start);
	     i <= last && !keeps && *looks; i++) {
		zone = vas_blocks_zone(blocks, i);
		keeps = zone && zone_keeps(blocks, zone, window, looks);
	}
	return keeps;
}

bool vas_blocks_drain_window(struct vas_blocks *blocks, struct vas_span window, bool tighten)
{
	struct vas_block_magazine *magazine;
	struct magazines walk = { 0 };
	uint32_t looks = WINDOW_LOOKS;
	bool any = false;

	/* Where all rests, little is kept. */
	if (!__atomic_load_n(&blocks->cached, __ATOMIC_RELAXED))
		return vas_blocks_drain(blocks);
	if (!window_keeps(blocks, window, &looks)) {
		if (looks)
			return false;
		if (tighten)
			vas_blocks_tighten(blocks);
		return vas_blocks_drain(blocks);
	}
	while ((magazine = magazines_next(blocks, &walk)))
		for (uint32_t i = 0; i < VAS_BLOCK_CLASSES; i++)
			any |= list_drain_window(blocks, magazine,
						 (walk.kinds - 1) * VAS_BLOCK_CLASSES + i, window);
	return any | vas_blocks_shelves_drain_window(blocks, window);
}

void vas_blocks_recall_slow(struct vas_blocks *blocks, struct vas_block_zone *zone)
{
	uint64_t stray = __atomic_exchange_n(&zone->stray, 0, __ATOMIC_RELAXED);
	uint32_t class = (uint8_t)stray;
	struct vas_block_magazine *magazine;
	struct magazines walk = { 0 };
	struct vas_span block;

	if (!stray || class >= VAS_BLOCK_SHELVED)
		return;
	block.start = blocks->base + (stray >> 8 << blocks->granule_shift);
	block.size = blocks->granule;
	while ((magazine = magazines_next(blocks, &walk)))
		if (walk.kinds - 1 == class / VAS_BLOCK_CLASSES)
			(void)list_drain_window(blocks, magazine, class, block);
}

uint64_t vas_blocks_cached(const struct vas_blocks *blocks, uint64_t *bytes)
{
	const struct vas_block_magazine *magazine;
	struct magazines walk = { 0 };
	uint64_t count = 0, granules = 0, length;

	while ((magazine = magazines_next(blocks, &walk))) {
		for (uint32_t i = 0; i < VAS_BLOCK_CLASSES; i++) {
			length = vas_block_list_length(vas_word_load(&magazine->list[i]));
			count += length;
			granules += length * vas_block_class_size(i);
		}
	}
	count += vas_blocks_shelved(blocks, &length);
	granules += length;
	*bytes = granules << blocks->granule_shift;
	return count;
}

void vas_blocks_tighten(struct vas_blocks *blocks)
{
	if (__atomic_load_n(&blocks->cached, __ATOMIC_RELAXED) != 0)
		cache_set(blocks, false);
}

void vas_blocks_tighten_windows(struct vas_blocks *blocks)
{
	__atomic_store_n(&blocks->shelved, 0, __ATOMIC_RELAXED);
}

void vas_blocks_loosen_slow(struct vas_blocks *blocks)
{
	uint64_t granules = 0, all = blocks->span.size >> blocks->granule_shift;
	const struct vas_block_zone *zone;

	if (__atomic_add_fetch(&blocks->frees, 1, __ATOMIC_RELAXED) % LOOK)
		return;
	for (uint32_t i = 0; i < blocks->zone_count; i++) {
		zone = vas_blocks_zone(blocks, i);
		granules += zone ? __atomic_load_n(&zone->used, __ATOMIC_RELAXED) : 0;
	}
	if (granules < all - all / 4)
		cache_set(blocks, true);
}
