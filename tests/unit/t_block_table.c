/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 4 */
/* The table of starts: keys of every stride, its memory, and what happens when memory is refused. */
#include "core/block_table.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "support/block_memory.h"
#include "tap/tap.h"

static struct block_memory memory;
static struct vas_block_pool pool;
static struct vas_block_spares spares;
static struct vas_block_table table;

static void table_make(void)
{
	struct vas_blocks_support support = block_memory_support(&memory);
	void *first;

	memset(&memory, 0, sizeof(memory));
	memset(&spares, 0, sizeof(spares));
	if (support.take(&memory, 4096, &first))
		tap_bail("no memory");
	vas_block_pool_init(&pool, &support, first, 4096, 0);
	vas_block_table_init(&table);
}

static void table_end(void)
{
	vas_block_pool_destroy(&pool);
	if (memory.out != 0)
		ok(false, "memory is left");
}

static int put(uint32_t key, uint32_t record)
{
	uint64_t *entry;
	int error = vas_block_table_prepare(&table, &pool, &spares, key, &entry);

	if (!error)
		vas_block_table_insert(&table, entry, key, record);
	return error;
}

static void test_empty(void)
{
	table_make();
	is_u64(vas_block_table_find(&table, 0), 0, "an empty table has no key 0");
	is_u64(vas_block_table_find(&table, VAS_BLOCK_KEY_MOST), 0, "nor the largest one");
	is_u64(vas_block_table_remove(&table, 0), 0, "so none can be removed");
	ok(vas_block_table_check(&table), "it holds");
	is_u64(memory.calls, 1, "it took no memory");
	table_end();
}

static void test_ends(void)
{
	table_make();
	is_err(put(0, UINT32_MAX), 0, "key 0 and the largest record");
	is_err(put(VAS_BLOCK_KEY_MOST, 1), 0, "the largest key and record 1");
	is_u64(vas_block_table_find(&table, 0), UINT32_MAX, "are found");
	is_u64(vas_block_table_find(&table, VAS_BLOCK_KEY_MOST), 1, "both of them");
	is_u64(vas_block_table_find(&table, 1), 0, "another one is not");
	is_u64(vas_block_table_remove(&table, 0), UINT32_MAX, "a removed key tells its record");
	is_u64(vas_block_table_find(&table, 0), 0, "and is gone");
	is_u64(vas_block_table_remove(&table, 0), 0, "once");
	is_u64(memory.out, 4096, "few keys need a node only");
	table_end();
}

/* count keys that lie stride apart: all are found, none of their neighbours is, and they go again. */
static uint64_t stride_wrong(uint64_t stride, uint32_t count)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < count; i++)
		wrong += put((uint32_t)(i * stride), i + 1) != 0;
	wrong += !vas_block_table_check(&table);
	for (uint32_t i = 0; i < count; i++)
		wrong += vas_block_table_find(&table, (uint32_t)(i * stride)) != i + 1 ||
			 (stride > 1 && vas_block_table_find(&table, (uint32_t)(i * stride) + 1));
	return wrong;
}

/* Entries that are not in their own lines, of 1,000. */
static uint32_t away_share(void)
{
	const uint64_t *slots = (const uint64_t *)(uintptr_t)(table.directory & ~UINT64_C(63));
	uint64_t last = 0, away = 0;

	for (uint64_t i = 0; i < UINT64_C(1) << (63 - (table.directory & 63)); i++) {
		struct vas_block_page page = vas_block_page_of(slots[i]);

		for (uint32_t j = 0; slots[i] != last && j <= page.mask; j++)
			for (uint32_t k = 0; k < VAS_BLOCK_LINE_ENTRIES; k++) {
				uint64_t entry = page.line[j].entry[k];

				away += entry != 0 &&
					vas_block_page_home((uint32_t)entry & VAS_BLOCK_KEY_MOST,
							    page.shift) != j;
			}
		last = slots[i];
	}
	return (uint32_t)(away * 1000 / table.count);
}

/* As blocks lie in memory: next to each other, or at multiples of large powers of two. */
static void test_strides(void)
{
	static const uint64_t strides[] = { 1,	    2,	    3,	      151,	512,
					    513,    1000,   4096,     6765,	16384,
					    131072, 832040, 1u << 20, 1u << 24, 1u << 28 };
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
		uint64_t most = (UINT64_C(1) << 31) / strides[i];
		uint32_t count = most < 6000 ? (uint32_t)most : 6000;

		table_make();
		wrong += stride_wrong(strides[i], count);
		if (count > 5000)
			ok(away_share() < 300 && memory.out / count < 30,
			   "stride %llu: %u of 1000 away, %llu bytes a key",
			   (unsigned long long)strides[i], away_share(),
			   (unsigned long long)memory.out / count);
		for (uint32_t j = 0; j < count; j++)
			wrong +=
				vas_block_table_remove(&table, (uint32_t)(j * strides[i])) != j + 1;
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

enum { STEADY = 20000 };

/* Random keys that come and go for long: the table stays dense. */
static void test_density(void)
{
	static uint32_t keys[STEADY];
	uint64_t random = tap_seed(), wrong = 0;

	table_make();
	for (uint32_t i = 0; i < STEADY; i++) {
		do
			keys[i] = (uint32_t)vas_random_below(&random, 1u << 31);
		while (vas_block_table_find(&table, keys[i]));
		wrong += put(keys[i], i + 1) != 0;
	}
	for (uint32_t round = 0; round < 10 * STEADY; round++) {
		uint32_t i = (uint32_t)vas_random_below(&random, STEADY);

		wrong += vas_block_table_remove(&table, keys[i]) != i + 1;
		do
			keys[i] = (uint32_t)vas_random_below(&random, 1u << 31);
		while (vas_block_table_find(&table, keys[i]));
		wrong += put(keys[i], i + 1) != 0;
	}
	is_u64(wrong, 0, "keys come and go");
	ok(vas_block_table_check(&table), "the table holds");
	ok(memory.out < STEADY * 17, "%.1f bytes a key", (double)memory.out / STEADY);
	table_end();
}

/* Memory is refused at every point of growing: the keys stay, and the same insert works later. */
static void test_refusals(void)
{
	uint64_t wrong = 0, refused = 0;

	table_make();
	memory.limited = true;
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t key = i * 77;
		uint32_t before = table.count;
		int error;

		memory.left = 0;
		while ((error = put(key, i + 1)) != 0) {
			wrong += error != -ENOMEM || table.count != before ||
				 vas_block_table_find(&table, key) != 0 ||
				 (refused % 64 == 0 && !vas_block_table_check(&table));
			refused++;
			memory.left = 1;
		}
		wrong += vas_block_table_find(&table, key) != i + 1;
	}
	for (uint32_t i = 0; i < 20000; i++)
		wrong += vas_block_table_find(&table, i * 77) != i + 1;
	is_u64(wrong, 0, "a refused insert changes nothing");
	ok(refused > 20, "%llu were refused", (unsigned long long)refused);
	ok(vas_block_table_check(&table) && vas_block_pool_check(&pool), "all holds at the end");
	table_end();
}

int main(void)
{
	tap_plan(0);
	test_empty();
	test_ends();
	test_strides();
	test_distance();
	test_density();
	test_refusals();
	return tap_done();
}
