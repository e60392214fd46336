/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 4 */
/*
 * The table of starts: keys of every stride, how far their records stand from their lines, its memory, and what
 * happens when memory is refused.
 */
#include "core/block_table.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "support/block_books.h"
#include "tap/tap.h"

/* The start of key 0; a span may also begin at a key above 0. */
#define ORIGIN (UINT64_C(5) << 31)

static struct block_books books;
static struct vas_block_spares spares;
static struct vas_block_table table;

static void table_make(uint64_t origin)
{
	block_books_open(&books);
	memset(&spares, 0, sizeof(spares));
	vas_block_table_init(&table, &books.records, origin);
}

static void table_end(void)
{
	if (!block_books_close(&books))
		ok(false, "memory is left");
}

/* A block that knows its key; every third one has no class. */
static int put(uint32_t key)
{
	struct vas_block_record *place;

	return block_books_put(&books, &table, &spares, key, 1 + key % 1000,
			       key % 3 ? key % 50 : VAS_BLOCK_NO_CLASS, ~key, &place);
}

static uint32_t reach(uint32_t key)
{
	return vas_block_page_reach(*vas_block_table_slot(table.directory, key));
}

/* The record of a key with a class in its own line, or as far away as records of the page are. */
static struct vas_block_record *plain(uint32_t key)
{
	uint64_t wanted = (table.origin + key) << VAS_BLOCK_START_SHIFT | VAS_BLOCK_LIVE;
	struct vas_block_record *record;
	uint32_t area;

	record = vas_block_directory_plain(table.directory, key, wanted, &area);
	return record ? record : vas_block_directory_beside(table.directory, key, wanted, &area);
}

/* Whether a key is there, and its record as put made it, also for who has no lock. */
static bool has(uint32_t key)
{
	struct vas_block_record *record = vas_block_table_find(&table, key);
	uint64_t word, size;
	uint32_t mark, area;

	if (!record || block_books_live(&table, key, &word, &area) != record)
		return false;
	/* The short ways are for what has a class. */
	if (key % 3 ? plain(key) != record && reach(key) < VAS_BLOCK_REACH_ALL : plain(key) != NULL)
		return false;
	if (vas_block_record_at(&books.records,
				vas_block_record_number(&books.records, record, area)) != record)
		return false;
	return vas_block_record_read(record, &word, &size, &mark) &&
	       vas_block_word_start(word) == table.origin + key && size == 1 + key % 1000 &&
	       mark == ~key &&
	       vas_block_record_class(record, word) == (key % 3 ? key % 50 : VAS_BLOCK_NO_CLASS);
}

static bool has_not(uint32_t key)
{
	uint64_t word;
	uint32_t area;

	return !vas_block_table_find(&table, key) && !vas_block_table_find_own(&table, key) &&
	       !block_books_live(&table, key, &word, &area);
}

static void test_empty(void)
{
	uint64_t nothing = vas_block_table_nothing();
	uint64_t wanted = ORIGIN << VAS_BLOCK_START_SHIFT | VAS_BLOCK_LIVE, word;
	uint32_t area;

	table_make(ORIGIN);
	ok(has_not(0), "an empty table has no key 0");
	ok(has_not(VAS_BLOCK_KEY_MOST), "nor the largest one");
	ok(vas_block_table_check(&table), "it holds");
	ok(!vas_block_directory_live(nothing, 0, wanted, &word, &area) &&
		   !vas_block_directory_plain(nothing, 0, wanted, &area) &&
		   !vas_block_directory_beside(nothing, 0, wanted, &area),
	   "nothing is found where there is no table yet");
	is_u64(books.memory.calls, 1, "it took no memory");
	table_end();
}

static void test_ends(void)
{
	table_make(ORIGIN);
	is_err(put(0), 0, "key 0");
	is_err(put(VAS_BLOCK_KEY_MOST), 0, "and the largest one");
	ok(has(0) && has(VAS_BLOCK_KEY_MOST), "are found");
	ok(has_not(1), "another one is not");
	vas_block_table_remove(&table, 0);
	ok(has_not(0) && has(VAS_BLOCK_KEY_MOST), "a removed key is gone");
	vas_block_table_remove_own(&table, vas_block_table_find_own(&table, VAS_BLOCK_KEY_MOST));
	ok(has_not(VAS_BLOCK_KEY_MOST) && table.count == 0, "and the other one");
	ok(vas_block_table_check(&table), "it holds");
	is_u64(books.memory.out, 4096, "few keys need a node only");
	table_end();
}

/* A span that begins inside its first zone: the start 0 is not at key 0. */
static void test_origin(void)
{
	uint64_t wrong = 0;

	table_make((uint64_t)0 - 70000);
	for (uint32_t i = 0; i < 3000; i++)
		wrong += put(70000 + i * 5) != 0;
	for (uint32_t i = 0; i < 3000; i++)
		wrong += !has(70000 + i * 5) || !has_not(70001 + i * 5);
	is_u64(wrong, 0, "keys from where a span begins");
	ok(vas_block_table_check(&table), "in a table that holds");
	table_end();
}

/* Places that hold a record away from its line, and the records whose lines have a place by now. */
struct away {
	uint32_t away;
	uint32_t could; /* come home */
};

static struct away away_of(void)
{
	const uint64_t *slots = (const uint64_t *)(uintptr_t)(table.directory & ~UINT64_C(63));
	struct away away = { 0, 0 };
	uint64_t last = 0;

	for (uint64_t i = 0; i < UINT64_C(1) << (63 - (table.directory & 63)); i++) {
		struct vas_block_page page = vas_block_page_of(slots[i]);

		for (uint32_t j = 0; slots[i] != last && j < vas_block_page_most(&page); j++) {
			uint64_t word = page.line[j / 4].record[j % 4].word;
			uint32_t key = (uint32_t)(vas_block_word_start(word) - table.origin);
			uint32_t home = vas_block_page_home(key, page.shift);

			if (word == VAS_BLOCK_FREE || home == j / 4)
				continue;
			away.away++;
			away.could += vas_block_line_free(&page.line[home]) != NULL;
		}
		last = slots[i];
	}
	return away;
}

/* count keys that lie stride apart: all are found, and none of their neighbours is. */
static uint64_t stride_wrong(uint64_t stride, uint32_t count)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < count; i++)
		wrong += put((uint32_t)(i * stride)) != 0;
	wrong += !vas_block_table_check(&table);
	for (uint32_t i = 0; i < count; i++)
		wrong += !has((uint32_t)(i * stride)) ||
			 (stride > 1 && !has_not((uint32_t)(i * stride) + 1));
	return wrong;
}

/* As blocks lie in memory: next to each other, or at multiples of large powers of two. */
static void test_strides(void)
{
	static const uint64_t strides[] = { 1,	   2,	   3,	   16,	     151,      512,
					    513,   1000,   2048,   4096,     6765,     16384,
					    65536, 131072, 786432, 1u << 20, 1u << 24, 1u << 28 };
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
		uint64_t most = (UINT64_C(1) << 31) / strides[i];
		uint32_t count = most < 6000 ? (uint32_t)most : 6000;

		table_make(ORIGIN);
		wrong += stride_wrong(strides[i], count);
		if (count > 5000)
			ok(away_of().away < count / 4 && books.memory.out / count < 40,
			   "stride %llu: %u of %u away, %u could come home, %llu bytes a key",
			   (unsigned long long)strides[i], away_of().away, count, away_of().could,
			   (unsigned long long)books.memory.out / count);
		for (uint32_t j = 0; j < count; j++)
			vas_block_table_remove(&table, (uint32_t)(j * strides[i]));
		wrong += !vas_block_table_check(&table) || table.count != 0;
		table_end();
	}
	is_u64(wrong, 0, "keys of every stride are found, and go again");
}

/* The bound of the directory stands on this: multiples of the hash's factor keep their distance. */
static void test_distance(void)
{
	uint64_t least = UINT64_MAX;

	/* Multiples of the golden ratio come nearest to whole numbers at Fibonacci's numbers. */
	for (uint64_t a = 1, b = 2; a <= VAS_BLOCK_KEY_MOST; b += a, a = b - a) {
		uint64_t hash = vas_block_hash((uint32_t)a);
		uint64_t distance =
			hash < VAS_BLOCK_HASH_END - hash ? hash : VAS_BLOCK_HASH_END - hash;

		least = distance < least ? distance : least;
	}
	ok(least > VAS_BLOCK_HASH_END / 5 * 2 >> 31, "keys below 2^31 keep a distance (%llx)",
	   (unsigned long long)least);
}

/* Nothing, a node, a page, and more: what a few keys cost. */
static void test_growth(void)
{
	uint32_t node = 0, page = 0, cut = 0;

	table_make(ORIGIN);
	for (uint32_t i = 0; cut == 0 && i < 1000; i++) {
		if (put(i * 17) != 0)
			tap_bail("no memory");
		if (vas_block_page_of(table.slot).mask + 1 == VAS_BLOCK_PAGE_FEW)
			node = i + 1;
		else if (table.pages == 1)
			page = i + 1;
		else
			cut = i;
	}
	ok(node >= 20 && node <= 4 * VAS_BLOCK_PAGE_FEW, "%u keys fit into a node", node);
	ok(page >= 128 && page <= 4 * VAS_BLOCK_PAGE_LINES, "%u into a page", page);
	is_u64(table.pages, 2, "and then there are two");
	ok(vas_block_table_check(&table), "the table holds");
	table_end();
}

/* Memory that somebody had before. */
static void test_dirty(void)
{
	uint64_t wrong = 0;

	table_make(ORIGIN);
	if (vas_block_pool_fill(&books.pool, &spares, 2, 4))
		tap_bail("no memory");
	for (struct vas_block_spare *spare = spares.nodes; spare; spare = spare->next)
		memset(spare + 1, 0x5a, VAS_BLOCK_NODE_SIZE - sizeof(*spare));
	for (struct vas_block_spare *spare = spares.pages; spare; spare = spare->next)
		memset(spare + 1, 0xa5, VAS_BLOCK_PAGE_SIZE - sizeof(*spare));
	for (uint32_t i = 0; i < 700; i++)
		wrong += put(i * 11) != 0;
	for (uint32_t i = 0; i < 700; i++)
		wrong += !has(i * 11) || !has_not(i * 11 + 1);
	is_u64(wrong + !vas_block_table_check(&table), 0,
	       "what was in its memory is not taken for keys");
	table_end();
}

/* --- keys that want the same lines --- */

/* The next key from key on that all look-ups of a page find in the lines of key 0. */
static uint32_t crowded_next(uint32_t key)
{
	uint32_t mask = VAS_BLOCK_PAGE_LINES - 1, shift = 32 - 6;

	while (vas_block_page_home(++key, shift) != vas_block_page_home(0, shift) ||
	       vas_block_page_step(key, mask, 0, 1) != vas_block_page_step(0, mask, 0, 1))
		;
	return key;
}

static bool all_there(const uint32_t *keys, uint32_t count)
{
	bool there = true;

	for (uint32_t i = 0; i < count; i++)
		there &= has(keys[i]);
	return there && vas_block_table_check(&table);
}

static void test_reach(void)
{
	enum { OTHERS = 40, CROWD = 70 };
	uint32_t keys[OTHERS + CROWD], count = 0, key = 0, wrong = 0, most = 0;

	_Static_assert(VAS_BLOCK_PAGE_LINES == 64, "crowded_next knows that");
	table_make(ORIGIN);
	/* So many that there is a page. They are random, and few stand away. */
	for (uint64_t random = 7; count < OTHERS; count++) {
		keys[count] = (uint32_t)vas_random_below(&random, VAS_BLOCK_KEY_MOST);
		wrong += put(keys[count]) != 0;
	}
	for (uint32_t i = 0; i < OTHERS; i++)
		vas_block_table_remove(&table, keys[i]);
	count = 0;
	for (; count < CROWD; count++) {
		key = crowded_next(key);
		keys[count] = key;
		wrong += put(key) != 0 || reach(key) < most;
		most = reach(key);
		/* Four fill a line, and what has no place in fifteen of them is anywhere. */
		wrong += count == 4 && most != 1;
		wrong += count == 8 && most != 2;
		wrong += count == 12 && most != 3;
		wrong += count == 16 && (most < VAS_BLOCK_PAGE_NEAR || most >= VAS_BLOCK_PAGE_FAR);
		wrong += count == 4 * VAS_BLOCK_PAGE_FAR && most != VAS_BLOCK_REACH_ALL;
		wrong += !all_there(keys, count + 1);
	}
	is_u64(wrong, 0, "crowded keys are found as far away as they are");
	ok(table.pages == 1 && has_not(crowded_next(key)), "one that is not there is not found");
	for (uint32_t i = 8; i < CROWD; i++)
		vas_block_table_remove(&table, keys[i]);
	ok(all_there(keys, 8), "some go, and the others stay");
	for (uint64_t random = 8; table.pages == 1;)
		if (put((uint32_t)vas_random_below(&random, VAS_BLOCK_KEY_MOST)) != 0)
			tap_bail("no memory");
	ok(reach(keys[0]) < VAS_BLOCK_REACH_ALL && reach(~keys[0] >> 1) < VAS_BLOCK_REACH_ALL,
	   "what has given keys away looks no farther than it must");
	ok(all_there(keys, 8), "and finds them");
	table_end();
}

enum { STEADY = 20000 };

static uint32_t steady_key(uint64_t *random)
{
	uint32_t key;

	do
		key = (uint32_t)vas_random_below(random, 1u << 31);
	while (vas_block_table_find(&table, key));
	return key;
}

/* Random keys that come and go for long: the table stays dense, and most records in their lines. */
static void test_density(void)
{
	static uint32_t keys[STEADY];
	uint64_t random = tap_seed(), wrong = 0;

	table_make(ORIGIN);
	for (uint32_t i = 0; i < STEADY; i++) {
		keys[i] = steady_key(&random);
		wrong += put(keys[i]) != 0;
	}
	for (uint64_t round = tap_scaled(10 * STEADY); round > 0; round--) {
		uint32_t i = (uint32_t)vas_random_below(&random, STEADY);

		wrong += !has(keys[i]);
		vas_block_table_remove(&table, keys[i]);
		wrong += !has_not(keys[i]);
		keys[i] = steady_key(&random);
		wrong += put(keys[i]) != 0;
	}
	for (uint32_t i = 0; i < STEADY; i++)
		wrong += !has(keys[i]);
	is_u64(wrong, 0, "keys come and go");
	ok(vas_block_table_check(&table), "the table holds");
	ok(books.memory.out < STEADY * 44, "%.1f bytes a key", (double)books.memory.out / STEADY);
	ok(away_of().away < STEADY / 6, "%u of 1000 away", away_of().away * 1000 / STEADY);
	table_end();
}

/* Memory is refused at every point of growing: the keys stay, and the same insert works later. */
static void test_refusals(void)
{
	uint64_t wrong = 0, refused = 0;

	table_make(ORIGIN);
	books.memory.limited = true;
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t key = i * 77;
		uint32_t before = table.count;
		int error;

		books.memory.left = 0;
		while ((error = put(key)) != 0) {
			wrong += error != -ENOMEM || table.count != before || !has_not(key) ||
				 !has(i / 2 * 77) ||
				 (refused % 16 == 0 && !vas_block_table_check(&table));
			refused++;
			books.memory.left = 1;
		}
		wrong += !has(key);
	}
	for (uint32_t i = 0; i < 20000; i++)
		wrong += !has(i * 77);
	is_u64(wrong, 0, "a refused insert changes nothing");
	ok(refused > 20, "%llu were refused", (unsigned long long)refused);
	ok(vas_block_table_check(&table) && vas_block_pool_check(&books.pool) &&
		   vas_block_records_check(&books.records),
	   "all holds at the end");
	table_end();
}

int main(void)
{
	tap_plan(0);
	test_empty();
	test_ends();
	test_origin();
	test_strides();
	test_distance();
	test_growth();
	test_dirty();
	test_reach();
	test_density();
	test_refusals();
	return tap_done();
}
