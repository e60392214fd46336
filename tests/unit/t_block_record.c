/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 2 */
/* Records of blocks: their words, and that numbers stay where they are and are handed out once. */
#include "core/block_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/block_memory.h"
#include "tap/tap.h"

enum { OWNERS = 3, MANY = 70000 };

static struct block_memory memory;
static struct vas_block_pool pool;
static struct vas_block_records records;

static void records_make(void)
{
	struct vas_blocks_support support = block_memory_support(&memory);
	void *first;

	memset(&memory, 0, sizeof(memory));
	if (support.take(&memory, 4096, &first))
		tap_bail("no memory");
	vas_block_pool_init(&pool, &support, first, 4096, 0);
	vas_block_records_init(&records, &pool);
}

static void records_end(void)
{
	vas_block_pool_destroy(&pool);
	is_u64(memory.out, 0, "all memory went back");
}

static void test_words(void)
{
	uint64_t start = (UINT64_C(1) << VAS_BLOCK_START_BITS) - 1;
	uint64_t size = (UINT64_C(1) << (32 + VAS_BLOCK_HIGH_BITS)) - 1;
	struct vas_block_record record = { 0 };
	uint64_t word = vas_block_word(start, size, VAS_BLOCK_NO_CLASS, VAS_BLOCK_LIVE);

	is_u64(word, UINT64_MAX - 3 + VAS_BLOCK_LIVE, "the largest of all fill a word");
	word = vas_block_word(start, size, 5, VAS_BLOCK_LIVE);
	vas_block_record_set(&record, word, size, 77);
	is_u64(vas_block_word_start(word), start, "the start comes back");
	is_u64(vas_block_word_class(word), 5, "the class comes back");
	is_u64(vas_block_word_state(word), VAS_BLOCK_LIVE, "the state comes back");
	is_u64(vas_block_record_size(&record, record.word), size, "the size comes back");
	is_u64(record.link, 77, "the mark is kept");
	word = vas_block_word_with(word, VAS_BLOCK_CACHED);
	ok(vas_block_word_state(word) == VAS_BLOCK_CACHED && vas_block_word_start(word) == start &&
		   vas_block_word_class(word) == 5,
	   "another state changes nothing else");
	ok(vas_word_exchange(&record.word, record.word, word) && record.word == word,
	   "a word that is as expected is exchanged");
	ok(!vas_word_exchange(&record.word, word + 1, 0) && record.word == word,
	   "another one is not");
}

/* The record of a number is free, and nobody else's. */
static bool number_is_new(uint32_t number)
{
	return number != 0 && number < UINT32_C(1) << 31 &&
	       vas_block_record_at(&records, number)->word == VAS_BLOCK_FREE;
}

static void test_numbers(void)
{
	static struct {
		struct vas_block_record *where;
		uint32_t number;
		uint32_t owner;
	} taken[MANY], *one;
	struct vas_block_record_list list[OWNERS] = { 0 };
	uint64_t random = tap_seed(), live = 0, wrong = 0;

	records_make();
	for (one = taken; one < taken + MANY; one++) {
		one->owner = (uint32_t)vas_random_below(&random, OWNERS);
		wrong += vas_block_records_fill(&records, &list[one->owner], 1) != 0;
		one->number = vas_block_record_take(&records, &list[one->owner]);
		if (!number_is_new(one->number)) {
			wrong++;
			break;
		}
		one->where = vas_block_record_at(&records, one->number);
		vas_block_record_set(one->where,
				     vas_block_word(live, 1, VAS_BLOCK_NO_CLASS, VAS_BLOCK_LIVE), 1,
				     one->number);
		live++;
	}
	is_u64(wrong, 0, "every number is handed out once");
	for (one = taken; one < taken + live; one++) {
		wrong += one->where != vas_block_record_at(&records, one->number) ||
			 vas_block_word_start(one->where->word) != (uint64_t)(one - taken) ||
			 ((uintptr_t)one->where & 15) != 0;
		vas_block_record_give(&records, &list[one->owner], one->number);
	}
	is_u64(wrong, 0, "and stays where it was");
	for (uint32_t i = 0; i < OWNERS; i++)
		ok(vas_block_records_check(&records, &list[i]), "the list of owner %u holds", i);
	ok(memory.out <= live * 18, "%.1f bytes a block", (double)memory.out / (double)live);
	/* Sanitizers' malloc takes what it has from many places. */
	ok(tap_under_sanitizer() ||
		   (records.pages > 0) == (MANY * sizeof(struct vas_block_record) > VAS_BLOCK_RECORD_NEAR),
	   "%u pages lie too far away from the others", records.pages);
	records_end();
}

static void test_trim(void)
{
	struct vas_block_record_list one = { 0 }, other = { 0 };
	uint64_t books;

	records_make();
	is_err(vas_block_records_fill(&records, &one, 5000), 0, "a list is filled");
	books = memory.out;
	vas_block_records_trim(&records, &one, 10);
	is_u64(one.count, 10, "and trimmed");
	is_err(vas_block_records_fill(&records, &other, 4900), 0, "another one is filled");
	is_u64(memory.out, books, "from what it had");
	ok(vas_block_records_check(&records, &one) && vas_block_records_check(&records, &other),
	   "both hold");
	records_end();
}

static void test_few(void)
{
	struct vas_block_record_list list = { 0 };

	records_make();
	is_err(vas_block_records_fill(&records, &list, 20), 0, "a few records");
	is_u64(memory.out, 4096, "fit into the first chunk");
	records_end();
}

static void test_refusals(void)
{
	struct vas_block_record_list list = { 0 };
	uint64_t wrong = 0, refused = 0;

	records_make();
	memory.limited = true;
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t count = list.count;
		int error;

		memory.left = i % 3;
		error = vas_block_records_fill(&records, &list, count + 1 + i * 3);
		refused += error != 0;
		wrong += (error != 0 && (error != -ENOMEM || list.count != count)) ||
			 !vas_block_records_check(&records, &list);
	}
	is_u64(wrong, 0, "a refused fill leaves the list as it was");
	ok(refused > 20 && list.count > 10000, "%llu refused, %u records",
	   (unsigned long long)refused, list.count);
	records_end();
}

int main(void)
{
	tap_plan(0);
	test_words();
	test_numbers();
	test_trim();
	test_few();
	test_refusals();
	return tap_done();
}
