/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 5 */
/*
 * One shelf: keys and their order, what is found by class, place and alignment, and full shelves. And shelves in
 * an allocator: what is put there is had again in a window that it lies in, whole zone or not, and
 * nowhere else; larger classes serve; hints of empty shelves are cleared; a full shelf keeps the
 * larger classes; a second one is made for a zone that is dense. And what a window without a place takes from caches.
 */
#define VAS_BLOCKS_ZONE_SHIFT	22u
#define VAS_BLOCKS_SMALL_IS_ONE 0
#define VAS_BLOCKS_CACHE_LEAST	1

#include "support/blocks_all.h"

#include "support/blocks_map.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define ZONE	(UINT64_C(1) << VAS_BLOCKS_ZONE_SHIFT) /* 1024 granules */
#define START	(UINT64_C(5) << 40)

enum { ZONES_ALL = 8 };

static void test_keys(void)
{
	struct vas_block_key_range all = vas_block_key_range(0, VAS_BLOCK_SHELF_CLASSES);
	struct vas_block_key_range upper = vas_block_key_range(2, VAS_BLOCK_SHELF_CLASSES);
	uint32_t key = vas_block_key(64 + 2, 12345);

	is_u64(vas_block_key_class(key), 2, "a key has the class in the shelf");
	is_u64(vas_block_key_offset(key), 12345, "and the offset");
	ok(vas_block_key_in(key, all) && vas_block_key_in(key, upper) &&
		   !vas_block_key_in(key, vas_block_key_range(0, 2)) &&
		   vas_block_key_in(key, vas_block_key_range(2, 3)),
	   "it is in the ranges of its class");
	ok(!vas_block_key_in(VAS_BLOCK_KEY_EMPTY, all) &&
		   !vas_block_key_in(VAS_BLOCK_KEY_BUSY, all),
	   "what is no block is in none");
	ok(vas_block_key_in(vas_block_key(3, VAS_BLOCK_TREE_MOST - 3), upper),
	   "the highest block of the largest class is one");
}

static void test_shelf(void)
{
	struct vas_block_shelf shelf;
	struct vas_block_keys keys;

	memset(&shelf, 0, sizeof(shelf));
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_PLACES; i++)
		shelf.key[i] = VAS_BLOCK_KEY_EMPTY;
	keys = vas_block_shelf_keys(&shelf);
	is_u64(vas_block_keys_empty(keys), 0xff, "all places are empty");
	is_u64(vas_block_keys_in(keys, vas_block_key_range(0, 4)), 0, "and have no block");
	is_u64(vas_block_keys_at(keys, 0, VAS_BLOCK_SHELF_OFFSETS - 1, 0), 0, "anywhere");
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_PLACES; i++)
		ok(vas_blocks_shelf_lay(&shelf, vas_block_key(i / 2, 16 * i), 1 + i, i % 2),
		   "block %u is put there", i);
	ok(!vas_blocks_shelf_lay(&shelf, vas_block_key(0, 999), 9, false), "no more has place");
	keys = vas_block_shelf_keys(&shelf);
	is_u64(vas_block_keys_empty(keys), 0, "no place is empty");
	is_u64(vas_block_keys_in(keys, vas_block_key_range(1, 2)), 0x0c, "two are of one class");
	is_u64(vas_block_keys_in(keys, vas_block_key_range(1, 4)), 0xfc, "six of it or larger");
	is_u64(vas_block_keys_at(keys, 16, 33, 0), 0x06, "two begin in a range");
	is_u64(vas_block_keys_at(keys, 17, 32, 0), 0, "none in a narrower one");
	is_u64(vas_block_keys_at(keys, 0, 1000, 31), 0x55, "four at multiples of 32");
	ok(!vas_block_place_claim(&shelf, 3, vas_block_key(1, 47), false) &&
		   vas_block_place_claim(&shelf, 3, vas_block_key(1, 48), false) &&
		   !vas_block_place_claim(&shelf, 3, vas_block_key(1, 48), false),
	   "a place is claimed by its key, once");
	is_u64(vas_block_keys_in(vas_block_shelf_keys(&shelf), vas_block_key_range(0, 4)), 0xf7,
	       "it is no block's then");
	is_u64(vas_block_keys_empty(vas_block_shelf_keys(&shelf)), 0, "nor empty");
	is_u64(vas_block_place_take(&shelf, 3), 4, "its record is had");
	is_u64(vas_block_keys_empty(vas_block_shelf_keys(&shelf)), 8, "and it is empty");
}

static struct vas_blocks *blocks;

static void open_blocks(void)
{
	if (vas_blocks_create((struct vas_span){ START, ZONES_ALL * ZONE }, GRANULE, 1,
			      &blocks_map_support, &blocks))
		tap_bail("no allocator");
}

static uint64_t alloc(uint64_t granules, uint64_t min, uint64_t max, uint64_t alignment)
{
	struct vas_block_request request = {
		.size = granules * GRANULE, .min = min, .max = max, .alignment = alignment
	};
	uint64_t start = 0;

	return vas_blocks_alloc(blocks, &request, &start) ? 0 : start;
}

static void release(uint64_t start)
{
	struct vas_block_info info;

	is_err(vas_blocks_free(blocks, start, &info), 0, "freed");
}

static uint64_t kept(void)
{
	uint64_t granules;

	return vas_blocks_shelved(blocks, &granules);
}

static void test_windows(void)
{
	const uint64_t zone = START + 2 * ZONE;
	uint64_t a, b;

	open_blocks();
	a = alloc(5, zone, zone + ZONE, 0);
	b = alloc(5, zone, zone + ZONE, 0);
	ok(a == zone && b == zone + 5 * GRANULE, "two blocks in one zone");
	release(b);
	is_u64(kept(), 1, "one waits on a shelf");
	ok(vas_blocks_check(blocks), "the books hold");
	is_u64(alloc(5, START, zone + ZONE, 0), b, "a window of three zones has it");
	release(b);
	ok(alloc(5, b + GRANULE, zone + ZONE, 0) > b, "one that begins above has another");
	is_u64(kept(), 1, "it waits still");
	is_u64(alloc(5, b, b + 5 * GRANULE, 0), b, "one that it fills has it");
	release(b);
	is_u64(alloc(5, b - 1, b + 5 * GRANULE + 1, 0), b, "and one a byte larger");
	release(b);
	ok(alloc(5, 0, b + 4 * GRANULE, 0) < b, "one that ends below its end has another");
	is_u64(alloc(5, START + ZONE, 0, 2 * GRANULE) % (2 * GRANULE), 0, "alignments hold");
	is_u64(kept(), 1, "it waits still");
	/* 5 and 8 granules share a shelf, 4 do not. */
	ok(alloc(8, zone, zone + ZONE, 0) != b, "a larger request has another");
	ok(alloc(4, zone, zone + ZONE, 0) != b, "one of another shelf, too");
	is_u64(kept(), 1, "it waits still");
	vas_blocks_destroy(blocks);
}

static void test_larger(void)
{
	const uint64_t zone = START + ZONE;
	uint64_t a;
	struct vas_block_info info;

	open_blocks();
	a = alloc(8, zone, zone + ZONE, 0);
	release(a);
	is_u64(alloc(5, zone, zone + ZONE, 0), a, "a block of a larger class serves");
	is_err(vas_blocks_at(blocks, a, &info), 0, "it is live");
	is_u64(info.span.size, 5 * GRANULE, "and as large as was asked for");
	ok(alloc(6, zone, zone + ZONE, 0) == a + 8 * GRANULE, "its rest is nobody's");
	release(a);
	is_u64(alloc(8, zone, zone + ZONE, 0), a, "freed, it is as large as before");
	ok(vas_blocks_check(blocks), "the books hold");
	vas_blocks_destroy(blocks);
}

static void test_hints(void)
{
	const struct vas_block_shelves *shelves;
	uint64_t a, b;

	open_blocks();
	a = alloc(6, START, START + ZONE, 0);
	b = alloc(5, START, START + ZONE, 0);
	shelves = vas_blocks_shelves(blocks, VAS_BLOCK_SHELVED + 5);
	is_u64(shelves->some[0] | shelves->some[1] | shelves->ever, 0, "no hint at first");
	release(a);
	ok(shelves->some[0] == 0 && shelves->some[1] == 1 && shelves->some[2] == 0 &&
		   shelves->ever == 1,
	   "a block is told of for its class");
	ok(vas_blocks_shelf_zones(shelves, 0) == 1 && vas_blocks_shelf_zones(shelves, 1) == 1 &&
		   vas_blocks_shelf_zones(shelves, 2) == 0,
	   "and so for requests of smaller ones");
	release(b);
	is_u64(alloc(5, START, START + ZONE, 0), b, "of two, the one of the class is taken");
	ok(shelves->some[0] == 1 && shelves->some[1] == 1, "with one left, no hint is cleared");
	is_u64(alloc(6, START, START + ZONE, 0), a, "that is taken");
	ok(shelves->some[0] == 1 && shelves->some[1] == 0, "and with it the hint for its class");
	(void)alloc(5, START, START + ZONE, 0);
	is_u64(shelves->some[0], 0, "a look in vain clears the other one");
	release(a);
	ok(vas_blocks_drain(blocks) && !kept() && !shelves->ever, "drained, there is nothing");
	ok(!vas_blocks_drain(blocks), "nor to drain");
	vas_blocks_destroy(blocks);
}

static void test_full(void)
{
	uint64_t small[VAS_BLOCK_SHELF_PLACES], large, granules = 0;

	open_blocks();
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_PLACES; i++)
		small[i] = alloc(5, START, START + ZONE, 0);
	large = alloc(8, START, START + ZONE, 0);
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_PLACES; i++)
		release(small[i]);
	is_u64(vas_blocks_shelved(blocks, &granules), VAS_BLOCK_SHELF_PLACES, "a full shelf");
	release(large);
	is_u64(vas_blocks_shelved(blocks, &granules), VAS_BLOCK_SHELF_PLACES, "it keeps no more");
	is_u64(granules, 7 * 5 + 8, "but the larger block in place of a smaller one");
	ok(vas_blocks_check(blocks), "the books hold");
	vas_blocks_destroy(blocks);
}

static void test_dense(void)
{
	uint64_t start[2 * VAS_BLOCK_SHELF_PLACES], rest;

	open_blocks();
	rest = alloc(896, START, START + ZONE, 0);
	ok(rest != 0, "a zone that is nearly full");
	for (uint32_t i = 0; i < 2 * VAS_BLOCK_SHELF_PLACES; i++)
		start[i] = alloc(2, START, START + ZONE, 0);
	for (uint32_t i = 0; i <= VAS_BLOCK_SHELF_PLACES; i++)
		release(start[i]);
	is_u64(kept(), VAS_BLOCK_SHELF_PLACES, "its shelf is full");
	for (uint32_t i = 0; i <= VAS_BLOCK_SHELF_PLACES; i++)
		start[i] = alloc(2, START, START + ZONE, 0);
	for (uint32_t i = 0; i < 2 * VAS_BLOCK_SHELF_PLACES; i++)
		release(start[i]);
	is_u64(kept(), 2 * VAS_BLOCK_SHELF_PLACES, "and then there is another one");
	ok(vas_blocks_check(blocks), "the books hold");
	for (uint32_t i = 0; i < 2 * VAS_BLOCK_SHELF_PLACES; i++)
		ok(alloc(2, START, START + ZONE, 0) != 0, "a block of one of them");
	is_u64(kept(), 0, "both are empty");
	vas_blocks_destroy(blocks);
}

/* A window that is full costs what lies elsewhere nothing. */
static void test_refused(void)
{
	uint64_t here, there, plain, rest, bytes;

	open_blocks();
	there = alloc(5, START + 2 * ZONE, START + 3 * ZONE, 0);
	here = alloc(5, START, START + ZONE, 0);
	plain = alloc(9, 0, 0, 0);
	rest = alloc(1024 - 5 - vas_block_class_size(vas_block_class(8)), START, START + ZONE, 0);
	ok(there && plain < START + ZONE && rest, "a full zone");
	blocks->shelved = blocks->cached;
	release(there);
	release(plain);
	is_u64(vas_blocks_cached(blocks, &bytes), 2, "a block on a shelf, and one in a magazine");
	is_u64(alloc(100, START, START + ZONE, 0), 0, "a request that finds no place there");
	ok(blocks->cached && !blocks->shelved, "shelves rest then, magazines do not");
	is_u64(vas_blocks_cached(blocks, &bytes), 1, "what was in the window is free");
	is_u64(kept(), 1, "what was on a shelf elsewhere is there");
	is_u64(alloc(9, START, START + ZONE, 0), plain, "and the place can be had");
	release(here);
	is_u64(kept(), 1, "a resting shelf keeps no more");
	is_u64(alloc(6, START, START + ZONE, 0), 0, "no place again");
	is_u64(kept(), 1, "nothing lies in the window, and nothing is lost");
	blocks->shelved = blocks->cached;
	is_u64(alloc(5, START, START + ZONE, 0), here, "the rest of it");
	ok(vas_blocks_check(blocks), "the books hold");
	release(here);
	is_u64(kept(), 2, "one on a shelf there, too");
	is_u64(alloc(2, START, START + ZONE, 0), here, "it goes back for another request");
	is_u64(kept(), 1, "and only that");
	vas_blocks_destroy(blocks);
}

/* What lies in the way of an exact request, or of its margin, goes back, and nothing else. */
static void test_exact(void)
{
	struct vas_block_request request = { .size = GRANULE, .flags = VAS_BLOCKS_EXACT };
	uint64_t there, plain, start, bytes;

	open_blocks();
	plain = alloc(9, 0, 0, 0);
	there = alloc(9, START + 2 * ZONE, START + 3 * ZONE, 0);
	is_u64(plain, START, "a block at the start of the span");
	release(plain);
	release(there);
	request.address = START + 2 * GRANULE;
	is_err(vas_blocks_alloc(blocks, &request, &start), 0, "a place in a block that is kept");
	is_u64(vas_blocks_cached(blocks, &bytes), 1, "that one went back");
	is_err(vas_blocks_free(blocks, start, NULL), 0, "freed");
	plain = alloc(9, 0, 0, 0);
	is_u64(plain, START, "a block there again");
	release(plain);
	request.address = START + 16 * GRANULE;
	request.margin = 8 * GRANULE;
	is_err(vas_blocks_alloc(blocks, &request, &start), 0, "a margin in one");
	is_u64(kept(), 1, "what is elsewhere is there");
	request.address = START;
	request.margin = 0;
	request.size = 17 * GRANULE;
	is_err(vas_blocks_alloc(blocks, &request, &start), -EEXIST, "a place that is taken");
	is_u64(kept(), 1, "costs nothing");
	ok(vas_blocks_check(blocks), "the books hold");
	vas_blocks_destroy(blocks);
}

/* Where more blocks are than can be looked at, all goes back. */
static void test_crowded(void)
{
	uint64_t there, last = 0, start, bytes;
	uint32_t count = 0;

	open_blocks();
	there = alloc(9, START + 2 * ZONE, START + 3 * ZONE, 0);
	while ((start = alloc(5, START, START + ZONE, 0)) != 0) {
		last = start;
		count++;
	}
	ok(count > WINDOW_LOOKS, "a zone of many blocks");
	cache_set(blocks, true);
	release(there);
	is_u64(vas_blocks_cached(blocks, &bytes), 1, "a block is kept elsewhere");
	release(last);
	is_u64(alloc(100, START, START + ZONE, 0), 0, "no place there");
	is_u64(vas_blocks_cached(blocks, &bytes), 0, "nothing is kept any more");
	ok(!blocks->cached && !blocks->shelved, "and all rests");
	ok(vas_blocks_check(blocks), "the books hold");
	vas_blocks_destroy(blocks);
}

int main(void)
{
	tap_plan(0);
	test_keys();
	test_shelf();
	test_windows();
	test_larger();
	test_hints();
	test_full();
	test_dense();
	test_refused();
	test_exact();
	test_crowded();
	return tap_done();
}
