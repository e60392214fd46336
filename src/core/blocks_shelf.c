/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freed blocks for requests with a window.
 *
 * WHAT FOR. A magazine hands out any block of a class, so it cannot serve who wants one in a window. What
 * such requests free waits on shelves (block_shelf.h), where it is found by its address.
 *
 * STRATEGY. The block of a request with a window, and nothing else but an alignment, is rounded up to a size
 * class as others are, and its class tells that it belongs on a shelf. When it is freed it goes to the
 * shelf of its zone that serves its class and three others. One word a class tells which
 * zones may have a block of it, so a request picks a zone that lies in its window as a whole and takes
 * the first block of its class there. Only if there is none are the zones looked at that the window cuts,
 * where the blocks' own places count, and larger classes.
 *
 * A shelf holds eight blocks, however large the zone: shelves keep a small part of a span. When it is full
 * the smallest class goes first, as the larger ones serve more requests; among those of one class
 * what is there stays.
 *
 * They are used and rest as magazines are, and are emptied with them before a request is refused.
 *
 * CONCURRENCY. See block_shelf.h. Two kinds of words say which shelves have something. "some" is for who
 * takes: who looked in vain clears it, and looks again then; while there is but one thread, who takes the last
 * block does. "ever" is for who drains, and only
 * that clears it: a block that was put on a shelf before a drain began is found by it.
 *
 * WHAT IT DOES NOT DO. Blocks that cross the edge of a zone, or lie beyond zone 63, are never kept.
 */
#include "core/blocks_shelf.h"

#include <string.h>

#include "base/hot.h"

_Static_assert(sizeof(struct vas_block_shelf) == 64, "a shelf is a line");
_Static_assert(sizeof(struct vas_block_shelf) * VAS_BLOCK_SHELF_ZONES == VAS_BLOCK_PAGE_SIZE,
	       "the shelves of a group fill a page");
_Static_assert(sizeof(struct vas_block_shelves) * VAS_BLOCK_SHELVES_EIGHT == VAS_BLOCK_NODE_SIZE,
	       "what is known of eight groups fills a node");
_Static_assert(VAS_BLOCK_TREE_MOST <= VAS_BLOCK_SHELF_OFFSETS + 1, "offsets fit a key");

static uint64_t zone_bit(uint32_t zone)
{
	return UINT64_C(1) << zone;
}

/* --- making --- */

/* The making lock held. */
static void shelves_make(struct vas_blocks *blocks, uint32_t class, uint32_t level)
{
	uint32_t group = class % VAS_BLOCK_CLASSES / VAS_BLOCK_SHELF_CLASSES;
	struct vas_block_shelves **eight = &blocks->shelves[group / VAS_BLOCK_SHELVES_EIGHT];
	uint32_t largest = vas_block_class_size(class | (VAS_BLOCK_SHELF_CLASSES - 1));
	struct vas_block_spares spares = { 0 };
	struct vas_block_shelf *made;

	if ((*eight && vas_blocks_shelves(blocks, class)->shelf[level]) ||
	    vas_block_pool_fill(&blocks->pool, &spares, !*eight, 1))
		return;
	if (!*eight) {
		struct vas_block_shelves *node = vas_block_spares_take(&spares);

		memset(node, 0, VAS_BLOCK_NODE_SIZE);
		__atomic_store_n(eight, node, __ATOMIC_RELEASE);
	}
	made = vas_block_spares_take_page(&spares);
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_ZONES * VAS_BLOCK_SHELF_PLACES; i++)
		made[i / VAS_BLOCK_SHELF_PLACES].key[i % VAS_BLOCK_SHELF_PLACES] =
			VAS_BLOCK_KEY_EMPTY;
	vas_blocks_shelves(blocks, class)->limit = (UINT32_C(1) << blocks->zone_shift) - largest;
	__atomic_store_n(&vas_blocks_shelves(blocks, class)->shelf[level], made, __ATOMIC_RELEASE);
	vas_block_pool_trim(&blocks->pool, &spares, 0, 0);
}

void vas_blocks_shelf_make(struct vas_blocks *blocks, uint32_t class)
{
	const struct vas_block_shelves *shelves = vas_blocks_shelves(blocks, class);
	uint32_t level = 0;

	if (shelves && __atomic_load_n(&shelves->shelf[0], __ATOMIC_ACQUIRE)) {
		if (!vas_word_load32(&shelves->full) ||
		    __atomic_load_n(&shelves->shelf[1], __ATOMIC_ACQUIRE))
			return;
		level = 1;
	}
	/* A test's zones may be smaller than blocks. */
	if (vas_block_class_size(class | (VAS_BLOCK_SHELF_CLASSES - 1)) >> blocks->zone_shift)
		return;
	vas_blocks_lock(blocks, &blocks->making);
	shelves_make(blocks, class, level);
	vas_blocks_unlock(blocks, &blocks->making);
}

/* The shelf of a zone; NULL: not made yet. */
static struct vas_block_shelf *shelf_of(const struct vas_block_shelves *shelves, uint32_t zone,
					uint32_t level)
{
	struct vas_block_shelf *shelf = __atomic_load_n(&shelves->shelf[level], __ATOMIC_ACQUIRE);

	return shelf ? shelf + zone : NULL;
}

/* --- hints --- */

static void bit_set(uint64_t *word, uint64_t bit)
{
	if (!(vas_word_load(word) & bit))
		__atomic_or_fetch(word, bit, __ATOMIC_SEQ_CST);
}

bool vas_blocks_shelf_tell(struct vas_block_shelves *shelves, uint32_t class, uint32_t zone)
{
	bit_set(&shelves->some[class], zone_bit(zone));
	bit_set(&shelves->ever, zone_bit(zone));
	return true;
}

/* Whether a zone has keys in a range on its shelves. */
static bool zone_has(const struct vas_block_shelves *shelves, uint32_t zone,
		     struct vas_block_key_range range)
{
	const struct vas_block_shelf *shelf;

	for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS; level++) {
		shelf = shelf_of(shelves, zone, level);
		if (shelf && vas_block_keys_in(vas_block_shelf_keys(shelf), range))
			return true;
	}
	return false;
}

/*
 * Clears the hints for a zone that seems to have no block of a class or a larger one. False: it has one, or
 * one is just being put there, and so the hints are set again.
 */
static bool hints_clear(struct vas_block_shelves *shelves, uint32_t class, uint32_t zone)
{
	struct vas_block_key_range range = vas_block_key_range(class, VAS_BLOCK_SHELF_CLASSES);

	for (uint32_t i = class; i < VAS_BLOCK_SHELF_CLASSES; i++)
		if (vas_word_load(&shelves->some[i]) & zone_bit(zone))
			__atomic_and_fetch(&shelves->some[i], ~zone_bit(zone), __ATOMIC_SEQ_CST);
	range.end = VAS_BLOCK_KEY_EMPTY;
	if (!zone_has(shelves, zone, range))
		return true;
	for (uint32_t i = class; i < VAS_BLOCK_SHELF_CLASSES; i++)
		(void)vas_blocks_shelf_tell(shelves, i, zone);
	return false;
}

/* --- taking --- */

/*
 * What follows on a pick from a zone's first shelf in vain: both are looked at, and if they have none
 * the hints are corrected. The number, or 0.
 */
static uint32_t pick_more(struct vas_block_shelves *shelves, uint32_t class, uint32_t zone,
			  bool alone, uint32_t *key)
{
	struct vas_block_key_range range = vas_block_key_range(class, VAS_BLOCK_SHELF_CLASSES);
	struct vas_block_shelf *shelf;
	uint32_t number = 0;
	bool left;

	if (hints_clear(shelves, class, zone))
		return 0;
	do
		for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS && !number; level++) {
			shelf = shelf_of(shelves, zone, level);
			number = shelf ? vas_blocks_shelf_pick(shelf, range, alone, key, &left) : 0;
		}
	while (!number && zone_has(shelves, zone, range));
	return number;
}

bool vas_blocks_shelf_take_more(struct vas_blocks *blocks, const struct vas_block_request *request,
				uint32_t class, uint64_t zones, uint64_t *start)
{
	struct vas_block_shelves *shelves = vas_blocks_shelves(blocks, class);
	uint32_t in_shelf = class % VAS_BLOCK_SHELF_CLASSES, zone, number, key;
	struct vas_block_key_range range = vas_block_key_range(in_shelf, VAS_BLOCK_SHELF_CLASSES);
	bool alone = vas_blocks_single(blocks), left;

	for (uint32_t looks = VAS_BLOCK_SHELF_LOOKS; zones && looks; zones &= zones - 1, looks--) {
		zone = (uint32_t)__builtin_ctzll(zones);
		number = vas_blocks_shelf_pick(&shelves->shelf[0][zone], range, alone, &key, &left);
		if (!number)
			number = pick_more(shelves, in_shelf, zone, alone, &key);
		if (!number)
			continue;
		vas_blocks_shelf_give(blocks, request, class, zone, key, number, start);
		return true;
	}
	return false;
}

/* What is looked for: starts of blocks in granules, from base on. */
struct shelf_want {
	uint64_t first;
	uint64_t last;
	uint32_t mask; /* of the alignment */
	struct vas_block_key_range range; /* of the class or a larger one */
};

/* False: nothing of the span suits. */
static bool want_make(const struct vas_blocks *blocks, const struct vas_block_request *request,
		      uint32_t class, struct shelf_want *want)
{
	uint64_t size = ((request->size - 1) >> blocks->granule_shift) + 1, max, mask;

	want->first = blocks->first;
	if (request->min > blocks->span.start)
		want->first = ((request->min - 1 - blocks->base) >> blocks->granule_shift) + 1;
	max = vas_blocks_end(blocks);
	max = request->max - 1 < max - 1 ? request->max : max;
	if (max <= blocks->span.start || request->min >= max)
		return false;
	want->last = (max - blocks->base) >> blocks->granule_shift;
	if (want->last < size || want->last - size < want->first)
		return false;
	want->last -= size;
	mask = (request->alignment - (request->alignment != 0)) >> blocks->granule_shift;
	/* Offsets tell nothing of a larger alignment. */
	if (mask >> blocks->zone_shift)
		return false;
	want->mask = (uint32_t)mask;
	want->range = vas_block_key_range(class, VAS_BLOCK_SHELF_CLASSES);
	return want->first >> blocks->zone_shift < VAS_BLOCK_SHELF_ZONES;
}

/* The zones of the window. */
static uint64_t want_zones(const struct vas_blocks *blocks, const struct shelf_want *want)
{
	uint64_t first = want->first >> blocks->zone_shift, last = want->last >> blocks->zone_shift;
	uint64_t zones = UINT64_MAX << first;

	return last < VAS_BLOCK_SHELF_ZONES
		       ? zones & UINT64_MAX >> (VAS_BLOCK_SHELF_ZONES - 1 - last)
		       : zones;
}

/* The places of a shelf that suit. */
static uint32_t want_places(const struct vas_blocks *blocks, struct vas_block_keys keys,
			    uint32_t zone, const struct shelf_want *want)
{
	uint64_t base = (uint64_t)zone << blocks->zone_shift;
	uint64_t size = UINT64_C(1) << blocks->zone_shift;
	uint64_t first = want->first > base ? want->first - base : 0;
	uint64_t end = want->last - base < size ? want->last - base + 1 : size;

	return vas_block_keys_at(keys, (uint32_t)first, (uint32_t)end, want->mask) &
	       vas_block_keys_in(keys, want->range);
}

/* Takes a block out of one shelf: its number, or 0. */
static uint32_t take_from(struct vas_blocks *blocks, struct vas_block_shelf *shelf, uint32_t zone,
			  const struct shelf_want *want, uint32_t *key)
{
	uint32_t bits, place;

	for (;;) {
		bits = want_places(blocks, vas_block_shelf_keys(shelf), zone, want);
		if (!bits)
			return 0;
		place = (uint32_t)__builtin_ctz(bits);
		*key = vas_word_load32(&shelf->key[place]);
		/* It may be another one by now. */
		bits = want_places(
			blocks, (struct vas_block_keys){ vas_lanes_all(*key), vas_lanes_all(*key) },
			zone, want);
		if (bits && vas_block_place_claim(shelf, place, *key, vas_blocks_single(blocks)))
			return vas_block_place_take(shelf, place);
	}
}

/* The same of both shelves of a zone. */
static uint32_t take_in(struct vas_blocks *blocks, struct vas_block_shelves *shelves, uint32_t zone,
			const struct shelf_want *want, uint32_t *key)
{
	struct vas_block_shelf *shelf;
	uint32_t number = 0;

	for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS && !number; level++) {
		shelf = shelf_of(shelves, zone, level);
		number = shelf ? take_from(blocks, shelf, zone, want, key) : 0;
	}
	if (!number && !zone_has(shelves, zone, want->range))
		(void)hints_clear(shelves, vas_block_key_class(want->range.first), zone);
	return number;
}

VAS_HOT bool vas_blocks_shelf_take_slow(struct vas_blocks *blocks,
					const struct vas_block_request *request, uint32_t class,
					uint64_t *start)
{
	uint32_t looks = VAS_BLOCK_SHELF_LOOKS, in_shelf = class % VAS_BLOCK_SHELF_CLASSES;
	struct vas_block_shelves *shelves = vas_blocks_shelves(blocks, class);
	uint32_t zone, key, number;
	struct shelf_want want;
	uint64_t zones;

	if (!shelves || !want_make(blocks, request, class, &want))
		return false;
	zones = want_zones(blocks, &want) & vas_blocks_shelf_zones(shelves, in_shelf);
	for (; zones && looks; zones &= zones - 1, looks--) {
		zone = (uint32_t)__builtin_ctzll(zones);
		number = take_in(blocks, shelves, zone, &want, &key);
		if (!number)
			continue;
		vas_blocks_shelf_give(blocks, request, class, zone, key, number, start);
		return true;
	}
	return false;
}

/* --- putting --- */

/* Puts a block in the place of one of a smaller class, which goes back to the books. */
static bool shelf_replace(struct vas_blocks *blocks, struct vas_block_shelf *shelf, uint32_t key,
			  uint32_t number)
{
	struct vas_block_keys keys = vas_block_shelf_keys(shelf);
	uint32_t bits = 0, place, was;

	for (uint32_t class = 0; !bits && class < vas_block_key_class(key); class ++)
		bits = vas_block_keys_in(keys, vas_block_key_range(class, class + 1));
	if (!bits)
		return false;
	place = (uint32_t)__builtin_ctz(bits);
	was = vas_word_load32(&shelf->key[place]);
	if (!vas_block_key_is_block(was) ||
	    !vas_block_place_claim(shelf, place, was, vas_blocks_single(blocks)))
		return false;
	was = vas_word_load32(&shelf->number[place]);
	vas_block_place_put(shelf, place, key, number);
	vas_blocks_free_claimed(blocks, vas_block_record_at(&blocks->records, was));
	return true;
}

bool vas_blocks_shelf_put_more(struct vas_blocks *blocks, struct vas_block_shelves *shelves,
			       uint32_t zone, uint32_t key, uint32_t number)
{
	struct vas_block_shelf *more = shelf_of(shelves, zone, 1);

	/* It may not have been full. */
	if (vas_blocks_shelf_lay(shelf_of(shelves, zone, 0), key, number,
				 vas_blocks_single(blocks)))
		return vas_blocks_shelf_tell(shelves, vas_block_key_class(key), zone);
	if (!more && !vas_word_load32(&shelves->full) &&
	    __atomic_load_n(&vas_blocks_zone(blocks, zone)->used, __ATOMIC_RELAXED) >
		    (UINT32_C(3) << blocks->zone_shift) / 4)
		vas_word_store32(&shelves->full, 1);
	if (!(more && vas_blocks_shelf_lay(more, key, number, vas_blocks_single(blocks))) &&
	    !shelf_replace(blocks, shelf_of(shelves, zone, 0), key, number))
		return false;
	return vas_blocks_shelf_tell(shelves, vas_block_key_class(key), zone);
}

/* --- all of them --- */

static bool shelf_drain(struct vas_blocks *blocks, struct vas_block_shelves *shelves, uint32_t zone,
			struct vas_block_shelf *shelf)
{
	uint32_t key, number;
	bool any = false;

	for (uint32_t place = 0; place < VAS_BLOCK_SHELF_PLACES; place++) {
		key = vas_word_load32(&shelf->key[place]);
		/* What is just being put there is the next drain's. */
		if (key == VAS_BLOCK_KEY_BUSY)
			bit_set(&shelves->ever, zone_bit(zone));
		if (!vas_block_key_is_block(key) ||
		    !vas_block_place_claim(shelf, place, key, vas_blocks_single(blocks)))
			continue;
		number = vas_block_place_take(shelf, place);
		vas_blocks_free_claimed(blocks, vas_block_record_at(&blocks->records, number));
		any = true;
	}
	return any;
}

/* Empties those places of a shelf whose blocks touch a window. */
static bool shelf_drain_window(struct vas_blocks *blocks, uint32_t class, uint32_t zone,
			       struct vas_block_shelf *shelf, struct vas_span window)
{
	uint64_t base = blocks->base + ((uint64_t)zone << blocks->zone_shift << blocks->granule_shift);
	uint32_t key, number;
	uint64_t start, size;
	bool any = false;

	for (uint32_t place = 0; place < VAS_BLOCK_SHELF_PLACES; place++) {
		key = vas_word_load32(&shelf->key[place]);
		start = base + ((uint64_t)vas_block_key_offset(key) << blocks->granule_shift);
		size = (uint64_t)vas_block_class_size(class + vas_block_key_class(key))
		       << blocks->granule_shift;
		if (!vas_block_key_is_block(key) || start >= window.start + window.size ||
		    start + size <= window.start ||
		    !vas_block_place_claim(shelf, place, key, vas_blocks_single(blocks)))
			continue;
		number = vas_block_place_take(shelf, place);
		vas_blocks_free_claimed(blocks, vas_block_record_at(&blocks->records, number));
		any = true;
	}
	return any;
}

/* The zones that have shelves which a window touches. */
static uint64_t window_zones(const struct vas_blocks *blocks, struct vas_span window)
{
	uint32_t first = vas_blocks_zone_number(blocks, window.start);
	uint32_t last = vas_blocks_zone_number(blocks, window.start + window.size - 1);

	if (first >= VAS_BLOCK_SHELF_ZONES)
		return 0;
	last = last < VAS_BLOCK_SHELF_ZONES ? last : VAS_BLOCK_SHELF_ZONES - 1;
	return UINT64_MAX << first & UINT64_MAX >> (VAS_BLOCK_SHELF_ZONES - 1 - last);
}

bool vas_blocks_shelves_drain_window(struct vas_blocks *blocks, struct vas_span window)
{
	const struct vas_block_shelves *shelves;
	struct vas_block_shelf *shelf;
	uint64_t zones;
	uint32_t zone;
	bool any = false;

	for (uint32_t class = 0; class < VAS_BLOCK_CLASSES; class += VAS_BLOCK_SHELF_CLASSES) {
		shelves = vas_blocks_shelves(blocks, class);
		zones = shelves ? vas_word_load(&shelves->ever) & window_zones(blocks, window) : 0;
		for (; zones; zones &= zones - 1)
			for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS; level++) {
				zone = (uint32_t)__builtin_ctzll(zones);
				shelf = shelf_of(shelves, zone, level);
				any |= shelf &&
				       shelf_drain_window(blocks, class, zone, shelf, window);
			}
	}
	return any;
}

bool vas_blocks_shelves_drain(struct vas_blocks *blocks)
{
	struct vas_block_shelves *shelves;
	struct vas_block_shelf *shelf;
	bool any = false;
	uint64_t zones;

	for (uint32_t class = 0; class < VAS_BLOCK_CLASSES; class += VAS_BLOCK_SHELF_CLASSES) {
		shelves = vas_blocks_shelves(blocks, class);
		if (!shelves || !vas_word_load(&shelves->ever))
			continue;
		zones = __atomic_exchange_n(&shelves->ever, 0, __ATOMIC_SEQ_CST);
		for (; zones; zones &= zones - 1)
			for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS; level++) {
				uint32_t zone = (uint32_t)__builtin_ctzll(zones);

				shelf = shelf_of(shelves, zone, level);
				any |= shelf && shelf_drain(blocks, shelves, zone, shelf);
			}
	}
	return any;
}

/* The blocks on a shelf, and what they cover. */
static uint64_t shelf_count(const struct vas_block_shelf *shelf, uint32_t class, uint64_t *granules)
{
	uint64_t count = 0;
	uint32_t key;

	for (uint32_t place = 0; shelf && place < VAS_BLOCK_SHELF_PLACES; place++) {
		key = vas_word_load32(&shelf->key[place]);
		if (!vas_block_key_is_block(key))
			continue;
		count++;
		*granules += vas_block_class_size(class + vas_block_key_class(key));
	}
	return count;
}

uint64_t vas_blocks_shelved(const struct vas_blocks *blocks, uint64_t *granules)
{
	const struct vas_block_shelves *shelves;
	uint64_t count = 0, zones;

	*granules = 0;
	for (uint32_t class = 0; class < VAS_BLOCK_CLASSES; class += VAS_BLOCK_SHELF_CLASSES) {
		shelves = vas_blocks_shelves(blocks, class);
		zones = shelves ? vas_word_load(&shelves->ever) : 0;
		for (; zones; zones &= zones - 1)
			for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS; level++)
				count += shelf_count(
					shelf_of(shelves, (uint32_t)__builtin_ctzll(zones), level),
					class, granules);
	}
	return count;
}

/* --- the checker --- */

static bool place_check(const struct vas_blocks *blocks, uint32_t class, uint32_t zone,
			uint32_t key, uint32_t number)
{
	const struct vas_block_shelves *shelves = vas_blocks_shelves(blocks, class);
	uint64_t at = ((uint64_t)zone << blocks->zone_shift) + vas_block_key_offset(key), word;
	const struct vas_block_record *record;
	uint32_t in_shelf = vas_block_key_class(key);

	if (key == VAS_BLOCK_KEY_EMPTY)
		return true;
	if (key == VAS_BLOCK_KEY_BUSY || vas_block_key_offset(key) > shelves->limit)
		return false;
	if (!((shelves->some[in_shelf] & shelves->ever) >> zone & 1))
		return false;
	record = vas_block_record_at(&blocks->records, number);
	word = vas_word_load(&record->word);
	return vas_block_word_state(word) == VAS_BLOCK_CACHED &&
	       vas_block_record_class(record, word) == VAS_BLOCK_SHELVED + class + in_shelf &&
	       vas_block_word_start(word) == at;
}

static bool shelf_check(const struct vas_blocks *blocks, uint32_t class, uint32_t zone,
			const struct vas_block_shelf *shelf)
{
	for (uint32_t place = 0; shelf && place < VAS_BLOCK_SHELF_PLACES; place++)
		if (!place_check(blocks, class, zone, shelf->key[place], shelf->number[place]))
			return false;
	return true;
}

bool vas_blocks_shelves_check(const struct vas_blocks *blocks)
{
	const struct vas_block_shelves *shelves;

	for (uint32_t class = 0; class < VAS_BLOCK_CLASSES; class += VAS_BLOCK_SHELF_CLASSES) {
		shelves = vas_blocks_shelves(blocks, class);
		for (uint32_t zone = 0; shelves && zone < VAS_BLOCK_SHELF_ZONES; zone++)
			for (uint32_t level = 0; level < VAS_BLOCK_SHELF_LEVELS; level++)
				if (!shelf_check(blocks, class, zone,
						 shelf_of(shelves, zone, level)))
					return false;
	}
	return true;
}
