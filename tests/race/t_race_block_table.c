/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 6 */
/*
 * Threads that look blocks up and free them without a lock, while others take them again and the table
 * grows from nothing: each free is won once, nothing is freed by another's start, and what a look-up follows is
 * always a record.
 */
#include <string.h>

#include "base/random.h"
#include "core/block_record.h"
#include "core/block_table.h"
#include "support/block_memory.h"
#include "support/crew.h"
#include "tap/tap.h"

enum { WORKERS = 4, KEYS = 4000 };

/* A block's start in the zone. */
static uint32_t key_of(uint32_t index)
{
	return index * 4099u;
}

static struct {
	struct block_memory memory;
	struct vas_blocks_support support;
	struct vas_block_pool pool;
	struct vas_block_records records;
	struct vas_block_table table;
	struct vas_block_spares spares; /* these two under the zone's lock */
	struct vas_block_record_list list;
	uint32_t lock;
	uint32_t taken[KEYS]; /* atomic; how often a block was made and freed */
	uint32_t freed[KEYS];
	uint64_t quick, slow; /* atomic; frees without the lock and under it */
	uint64_t steps;
	uint64_t seed;
} zone;

static void zone_lock(void)
{
	zone.support.lock(zone.support.context, &zone.lock);
}

static void zone_unlock(void)
{
	zone.support.unlock(zone.support.context, &zone.lock);
}

/* Follows a number that a look-up gave, whatever has become of it. */
static bool record_free(uint32_t number, uint32_t key)
{
	struct vas_block_record *record = vas_block_record_at(&zone.records, number);
	uint64_t word = vas_word_load(&record->word);
	uint64_t size = vas_block_record_size(record, word);

	if (vas_block_word_start(word) % 4099 != 0 || vas_block_word_start(word) > key_of(KEYS - 1))
		crew_fault("record %u tells a start that no block has", number);
	if (vas_block_word_state(word) != VAS_BLOCK_LIVE || vas_block_word_start(word) != key ||
	    !vas_word_exchange(&record->word, word, vas_block_word_with(word, VAS_BLOCK_CACHED)))
		return false;
	if (size != key + 1 || vas_word_load32(&record->link) != ~key)
		crew_fault("block %x has another one's size or mark", key);
	return true;
}

/* Frees a block if it is there; its record is the caller's then. */
static uint32_t block_free(uint32_t key)
{
	uint32_t number = vas_block_table_find(&zone.table, key);

	if (number != 0 && record_free(number, key)) {
		__atomic_fetch_add(&zone.quick, 1, __ATOMIC_RELAXED);
		return number;
	}
	zone_lock();
	number = vas_block_table_find(&zone.table, key);
	if (number != 0 && !record_free(number, key))
		number = 0;
	zone_unlock();
	if (number != 0)
		__atomic_fetch_add(&zone.slow, 1, __ATOMIC_RELAXED);
	return number;
}

static void step_free(uint32_t index)
{
	uint32_t number = block_free(key_of(index));

	if (number == 0)
		return;
	__atomic_fetch_add(&zone.freed[index], 1, __ATOMIC_RELAXED);
	zone_lock();
	if (vas_block_table_remove(&zone.table, key_of(index)) != number)
		crew_fault("the table had another record for block %u", index);
	vas_block_record_give(&zone.records, &zone.list, number);
	zone_unlock();
}

static void step_take(uint32_t index)
{
	uint32_t key = key_of(index), number;
	uint64_t *entry;

	zone_lock();
	if (vas_block_table_find(&zone.table, key) == 0) {
		if (vas_block_records_fill(&zone.records, &zone.list, 1) ||
		    vas_block_table_prepare(&zone.table, &zone.pool, &zone.spares, key, &entry))
			tap_bail("no memory");
		number = vas_block_record_take(&zone.records, &zone.list);
		vas_block_record_set(vas_block_record_at(&zone.records, number),
				     vas_block_word(key, key + 1, 1, VAS_BLOCK_LIVE), key + 1,
				     ~key);
		vas_block_table_insert(&zone.table, entry, key, number);
		__atomic_fetch_add(&zone.taken[index], 1, __ATOMIC_RELAXED);
	}
	zone_unlock();
}

/* Takes more than it frees, at first; two workers prefer the same few blocks. */
static void work(void *argument, unsigned int number)
{
	uint64_t random = vas_mix64(zone.seed + number);

	(void)argument;
	for (uint64_t step = 0; step < zone.steps && !crew_failed(); step++) {
		uint32_t most = number < 2 && step % 2 ? 16 : KEYS;
		uint32_t index = (uint32_t)vas_random_below(&random, most);

		if (vas_random_below(&random, 16) < 4 + 8 * step / zone.steps)
			step_free(index);
		else
			step_take(index);
	}
}

static void check_counts(void)
{
	uint64_t live = 0, wrong = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		bool there = vas_block_table_find(&zone.table, key_of(i)) != 0;

		live += there;
		wrong += zone.taken[i] - zone.freed[i] != there;
	}
	is_u64(wrong, 0, "each block was freed once each time it was taken");
	ok(vas_block_table_check(&zone.table) && zone.table.count == live,
	   "the table holds, with %llu keys in %u pages", (unsigned long long)live,
	   zone.table.pages);
	ok(vas_block_records_check(&zone.records, &zone.list) && vas_block_pool_check(&zone.pool),
	   "records and pool hold");
}

static void round_run(uint64_t seed)
{
	void *first;

	memset(&zone, 0, sizeof(zone));
	zone.support = block_memory_support(&zone.memory);
	zone.steps = tap_scaled(60000);
	zone.seed = seed;
	if (zone.support.take(&zone.memory, 4096, &first))
		tap_bail("no memory");
	vas_block_pool_init(&zone.pool, &zone.support, first, 4096, 0);
	vas_block_records_init(&zone.records, &zone.pool);
	vas_block_table_init(&zone.table);
	crew_run(WORKERS, work, NULL);
	is_u64(crew_faults(), 0, "no thread saw a fault");
	check_counts();
	ok(zone.quick > 0, "%llu frees without the lock, %llu under it",
	   (unsigned long long)zone.quick, (unsigned long long)zone.slow);
	vas_block_pool_destroy(&zone.pool);
	is_u64(zone.memory.out, 0, "all memory went back");
}

int main(void)
{
	uint64_t seed = tap_seed();

	tap_plan(0);
	for (uint32_t i = 0; i < 3; i++)
		round_run(vas_mix64(seed + i));
	return tap_done();
}
