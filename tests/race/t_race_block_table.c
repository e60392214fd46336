/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 6 */
/*
 * Threads that look blocks up, free them, and hold and mark them without a lock, while others take them again and
 * the table grows from nothing: each free is won once, nobody that knows of a block misses it, nothing is
 * freed by another's start, and a record stays where it is while it is somebody's. Pages are small, so that records
 * move often.
 */
#define VAS_BLOCK_PAGE_LINES 4u
#define VAS_BLOCK_PAGE_FEW   2u
#define VAS_BLOCK_JOIN_EACH  1u

#include "core/block_join.c"
#include "core/block_page.c"
#include "core/block_table.c"

#include "base/random.h"
#include "support/block_books.h"
#include "support/crew.h"

enum { WORKERS = 4, KEYS = 4000, OWN = 400, POCKET = 200, STRIDE = 4099, ROUNDS = 20 };

#define ORIGIN (UINT64_C(11) << 31)

/* A block's start in the zone. */
static uint32_t key_of(uint32_t index)
{
	return index * STRIDE;
}

/* A record that a worker keeps, as a magazine does. */
struct kept {
	struct vas_block_record *record;
	uint32_t index;
};

/* A worker's own: blocks that only it frees, so it knows whether they are there; and what it keeps. */
struct worker {
	uint32_t number;
	uint64_t random;
	bool there[OWN];
	struct kept pocket[POCKET];
	uint32_t pocketed;
} __attribute__((aligned(64)));

static struct {
	struct block_books books;
	struct vas_block_table table;
	struct vas_block_spares spares; /* under the zone's lock */
	uint32_t lock;
	uint32_t taken[KEYS]; /* atomic; how often a block was made and freed */
	uint32_t freed[KEYS];
	uint64_t quick, slow; /* atomic; claims without the lock and under it */
	uint64_t strays; /* under the lock; records that went from elsewhere than their pages */
	uint64_t steps;
	struct worker worker[WORKERS];
} zone;

static void zone_lock(void)
{
	zone.books.support.lock(zone.books.support.context, &zone.lock);
}

static void zone_unlock(void)
{
	zone.books.support.unlock(zone.books.support.context, &zone.lock);
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void count32(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Every third block has no class. */
static uint32_t class_of(uint32_t index)
{
	return index % 3 ? index % 50 : VAS_BLOCK_NO_CLASS;
}

static uint64_t size_of(uint32_t index)
{
	return index % 3 ? index + 1 : (UINT64_C(1) << 33) + index;
}

/* What is in a record that is the caller's. */
static void kept_check(const struct vas_block_record *record, uint32_t index, const char *when)
{
	uint64_t word = vas_word_load(&record->word);

	if (vas_block_word_state(word) != VAS_BLOCK_CACHED ||
	    vas_block_word_start(word) != ORIGIN + key_of(index))
		crew_fault("%s, the record of block %u has the word %llx", when, index,
			   (unsigned long long)word);
	if (vas_block_record_size(record, word) != size_of(index))
		crew_fault("%s, block %u has another one's size", when, index);
}

/* --- one block --- */

/* Makes a record that was found the caller's, if it is the block's, and LIVE. */
static bool record_claim(struct vas_block_record *record, uint32_t index)
{
	uint64_t word = record ? vas_word_load(&record->word) : VAS_BLOCK_FREE;
	uint32_t mark;

	if (vas_block_word_start(word) != ORIGIN + key_of(index) ||
	    vas_block_word_state(word) != VAS_BLOCK_LIVE ||
	    !vas_word_exchange(&record->word, word, vas_block_word_with(word, VAS_BLOCK_CACHED)))
		return false;
	mark = vas_word_load32(&record->link);
	if (mark % KEYS != index)
		crew_fault("block %u has the mark %u", index, mark);
	kept_check(record, index, "just claimed");
	return true;
}

static struct vas_block_record *find_quick(uint32_t index)
{
	uint64_t wanted = vas_block_word(ORIGIN + key_of(index), 1, 0, VAS_BLOCK_LIVE), word;
	uint64_t directory = vas_word_load(&zone.table.directory);
	struct vas_block_record *record;
	uint32_t area;

	record = vas_block_directory_plain(directory, key_of(index), wanted, &area);
	return record ? record : block_books_live(&zone.table, key_of(index), &word, &area);
}

/* The record of a block that the caller won; NULL: it is not there, or somebody else's. */
static struct vas_block_record *block_claim(uint32_t index)
{
	struct vas_block_record *record = find_quick(index);

	if (record_claim(record, index)) {
		count(&zone.quick);
		return record;
	}
	zone_lock();
	record = vas_block_table_find(&zone.table, key_of(index));
	if (!record_claim(record, index))
		record = NULL;
	zone_unlock();
	if (record)
		count(&zone.slow);
	return record;
}

/* What is the caller's lives on, with another mark. */
static void block_release(struct worker *worker, struct vas_block_record *record, uint32_t index)
{
	uint32_t turn = (uint32_t)vas_random_below(&worker->random, 1000);

	vas_word_store32(&record->link, turn * KEYS + index);
	block_books_release(record);
}

/* Or goes to the books. */
static void block_drop(struct vas_block_record *record, uint32_t index)
{
	zone_lock();
	kept_check(record, index, "before it goes");
	if (vas_block_table_find(&zone.table, key_of(index)) != record)
		crew_fault("the table has another record for block %u", index);
	if (vas_block_table_find_own(&zone.table, key_of(index)) != record)
		zone.strays++;
	vas_block_table_remove(&zone.table, key_of(index));
	if (vas_word_load(&record->word) != VAS_BLOCK_FREE)
		crew_fault("block %u is still there", index);
	(void)vas_block_table_join(&zone.table);
	zone_unlock();
}

/* False: it was there. */
static bool block_take(uint32_t index)
{
	struct vas_block_record *place;
	bool there;

	zone_lock();
	there = vas_block_table_find(&zone.table, key_of(index)) != NULL;
	if (!there) {
		count32(&zone.taken[index]);
		if (block_books_put(&zone.books, &zone.table, &zone.spares, key_of(index),
				    size_of(index), class_of(index), index, &place))
			tap_bail("no memory");
	}
	zone_unlock();
	return !there;
}

/* --- what a worker does --- */

/* The oldest of what it keeps is handed out again, or goes to the books. */
static void pocket_empty(struct worker *worker)
{
	struct kept kept = worker->pocket[0];

	worker->pocket[0] = worker->pocket[--worker->pocketed];
	kept_check(kept.record, kept.index, "kept");
	if (vas_random_below(&worker->random, 2)) {
		block_drop(kept.record, kept.index);
		return;
	}
	count32(&zone.taken[kept.index]);
	block_release(worker, kept.record, kept.index);
}

static void step_free(struct worker *worker, uint32_t index)
{
	struct vas_block_record *record = block_claim(index);

	if (!record)
		return;
	count32(&zone.freed[index]);
	if (worker->pocketed == POCKET)
		pocket_empty(worker);
	if (vas_random_below(&worker->random, 4) == 0) {
		block_drop(record, index);
		return;
	}
	/* While it is there, its mark is nobody's. */
	vas_word_store32(&record->link, ~index);
	worker->pocket[worker->pocketed++] = (struct kept){ record, index };
}

static void step_mark(struct worker *worker, uint32_t index)
{
	struct vas_block_record *record = block_claim(index);

	if (record)
		block_release(worker, record, index);
}

/* What is said of a block at one moment. */
static void step_look(uint32_t index)
{
	struct vas_block_record *record = find_quick(index);
	uint64_t word, size;
	uint32_t mark;

	/* By now its place may be another one's. */
	if (!record || !vas_block_record_read(record, &word, &size, &mark) ||
	    vas_block_word_start(word) != ORIGIN + key_of(index))
		return;
	if (size != size_of(index) || mark % KEYS != index)
		crew_fault("block %u is said to have %llu granules and the mark %u", index,
			   (unsigned long long)size, mark);
}

/* Blocks that only this worker changes: they are there when they should be. */
static void step_own(struct worker *worker)
{
	uint32_t i = (uint32_t)vas_random_below(&worker->random, OWN);
	uint32_t index = worker->number * OWN + i;
	struct vas_block_record *record = block_claim(index);

	if ((record != NULL) != worker->there[i])
		crew_fault("block %u is %s there", index, record ? "still" : "not");
	if (!record) {
		worker->there[i] = block_take(index);
		return;
	}
	if (vas_random_below(&worker->random, 4)) {
		block_release(worker, record, index);
		return;
	}
	count32(&zone.freed[index]);
	block_drop(record, index);
	worker->there[i] = false;
}

/* Takes more than it frees, at first; two workers prefer the same few blocks. */
static void work(void *argument, unsigned int number)
{
	struct worker *worker = &zone.worker[number];

	(void)argument;
	for (uint64_t step = 0; step < zone.steps && !crew_failed(); step++) {
		uint32_t most = number < 2 && step % 2 ? 16 : KEYS - WORKERS * OWN;
		uint32_t index = (uint32_t)vas_random_below(&worker->random, most) + WORKERS * OWN;
		uint64_t kind = vas_random_below(&worker->random, 16);

		if (kind < 2)
			step_own(worker);
		else if (kind < 3)
			step_mark(worker, index);
		else if (kind < 4)
			step_look((uint32_t)vas_random_below(&worker->random, KEYS));
		else if (kind < 7 + 6 * step / zone.steps)
			step_free(worker, index);
		else
			block_take(index);
		if (worker->pocketed > 0 && kind == 15)
			pocket_empty(worker);
	}
	while (worker->pocketed > 0)
		pocket_empty(worker);
}

static void check_counts(void)
{
	uint64_t live = 0, wrong = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		bool there = vas_block_table_find(&zone.table, key_of(i)) != NULL;

		live += there;
		wrong += zone.taken[i] - zone.freed[i] != there;
	}
	is_u64(wrong, 0, "each block was freed once each time it was taken");
	ok(vas_block_table_check(&zone.table) && zone.table.count == live,
	   "the table holds, with %llu keys in %u pages", (unsigned long long)live,
	   zone.table.pages);
	ok(vas_block_records_check(&zone.books.records) && vas_block_pool_check(&zone.books.pool),
	   "numbers and pool hold");
}

static void round_run(uint64_t seed)
{
	memset(&zone, 0, sizeof(zone));
	block_books_open(&zone.books);
	zone.steps = tap_scaled(20000);
	for (uint32_t i = 0; i < WORKERS; i++) {
		zone.worker[i].number = i;
		zone.worker[i].random = vas_mix64(seed + i);
	}
	vas_block_table_init(&zone.table, &zone.books.records, ORIGIN);
	crew_run(WORKERS, work, NULL);
	is_u64(crew_faults(), 0, "no thread saw a fault");
	check_counts();
	ok(zone.quick > 0,
	   "%llu claims without the lock, %llu under it; %llu records that were away went",
	   (unsigned long long)zone.quick, (unsigned long long)zone.slow,
	   (unsigned long long)zone.strays);
	ok(block_books_close(&zone.books), "all memory went back");
}

int main(void)
{
	uint64_t seed = tap_seed();

	tap_plan(0);
	for (uint32_t i = 0; i < ROUNDS; i++)
		round_run(vas_mix64(seed + i));
	return tap_done();
}
