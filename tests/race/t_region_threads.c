/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Regions used by several threads at once: nobody is handed what another has, fresh memory reads as zeroes, of
 * two frees one wins, and addresses of a region that is split and merged are never nobody's.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "support/crew.h"
#include "tap/tap.h"

#define THREADS 4u
#define KEPT	16u

static uint64_t page, seed;
static struct vas_region *region;
static uint32_t stop; /* atomic */

static uint64_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Fresh memory is zero; then it is this thread's. */
static void mark_block(const struct vas_block *block, unsigned int number)
{
	for (uint64_t at = 0; at < block->size; at += page) {
		uint64_t *word = (uint64_t *)((char *)block->start + at);

		if (*word != 0)
			crew_fault("a page of a new block holds %jx", (uintmax_t)*word);
		*word = (uintptr_t)word ^ number;
	}
}

static void check_block(const struct vas_block *block, unsigned int number)
{
	for (uint64_t at = 0; at < block->size; at += page) {
		const uint64_t *word = (const uint64_t *)((char *)block->start + at);

		if (*word != ((uintptr_t)word ^ number))
			crew_fault("somebody else wrote into a block");
	}
}

static int take(struct vas_block *block, uint64_t pages, bool at_once)
{
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = at_once ? VAS_ALLOC_COMMIT : 0;
	opts.tag = (uint32_t)pages;
	err = vas_region_alloc(region, pages * page, &opts, block);
	if (err || at_once)
		return err;
	err = vas_region_commit(region, block->start, block->size, NULL);
	if (err)
		crew_fault("a block cannot be committed: %d", err);
	return err;
}

static void churn_step(struct vas_block *block, uint64_t random, unsigned int number)
{
	enum vas_retired state;
	int err;

	if (!block->start) {
		err = take(block, 1 + random % 7, random & 8);
		if (err && err != -ENOSPC)
			crew_fault("no block: %d", err);
		if (!err)
			mark_block(block, number);
		else
			block->start = NULL;
		return;
	}
	check_block(block, number);
	if (random % 5 == 0 && block->size > page) {
		if (vas_region_resize(region, block->start, block->size - page))
			crew_fault("a block cannot be made smaller");
		block->size -= page;
		return;
	}
	err = vas_region_free(region, block->start, &state);
	if (err || state != VAS_RETIRED_GONE)
		crew_fault("a block cannot be freed: %d, %d", err, (int)state);
	block->start = NULL;
}

static void churn(void *rounds, unsigned int number)
{
	struct vas_block kept[KEPT];
	uint64_t state = seed + number;

	memset(kept, 0, sizeof(kept));
	crew_meet();
	for (uint64_t i = 0; i < *(const uint64_t *)rounds && !crew_failed(); i++) {
		uint64_t random = draw(&state);

		churn_step(&kept[random % KEPT], random >> 5, number);
	}
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].start && vas_region_free(region, kept[i].start, NULL))
			crew_fault("the last blocks cannot be freed");
}

static void begin(uint64_t pages)
{
	if (vas_region_create(pages * page, NULL, &region))
		tap_bail("no region");
}

static void end(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t where = 0;

	is_err(vas_region_stats(region, &stats), 0, "statistics");
	ok(stats.blocks == 0 && stats.used == 0 && stats.committed == 0,
	   "no block is left, nothing is committed");
	ok(vas_region_check(region), "the books are whole");
	is_err(vas_sync_check(&where), 0, "and say what is mapped");
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
}

static void test_churn(void)
{
	uint64_t rounds = tap_scaled(4000);

	begin(256); /* tight: refusals belong to it */
	crew_run(THREADS, churn, &rounds);
	is_u64(crew_faults(), 0, "no thread found anything wrong");
	end();
}

/* --- two frees of one block --- */

static void *doomed;
static uint32_t wins;

static void free_it(void *rounds, unsigned int number)
{
	for (uint64_t i = 0; i < *(const uint64_t *)rounds; i++) {
		struct vas_block block;
		int err;

		if (number == 0) {
			if (take(&block, 2, i % 2))
				crew_fault("no block");
			__atomic_store_n(&doomed, block.start, __ATOMIC_RELEASE);
		}
		crew_meet();
		err = vas_region_free(region, __atomic_load_n(&doomed, __ATOMIC_ACQUIRE), NULL);
		if (err == 0)
			__atomic_fetch_add(&wins, 1, __ATOMIC_RELAXED);
		else if (err != -ENOENT)
			crew_fault("the loser gets %d", err);
		crew_meet();
	}
}

static void test_double_free(void)
{
	uint64_t rounds = tap_scaled(500);

	begin(64);
	wins = 0;
	crew_run(2, free_it, &rounds);
	is_u64(crew_faults(), 0, "the loser is told that there is no block");
	is_u64(wins, rounds, "one free of each pair wins");
	end();
}

/* --- split and merge --- */

static void split_worker(uint64_t rounds)
{
	struct vas_region *upper;
	struct vas_region_stats stats = { .size = sizeof(stats) };
	char *start;

	(void)vas_region_stats(region, &stats);
	start = vas_span_pointer(stats.span);
	for (uint64_t i = 0; i < rounds && !crew_failed(); i++) {
		uint64_t at = 512 + i % 511 + 1;
		int err = vas_region_split(region, start + at * page, &upper);

		if (!err)
			err = vas_region_merge(region, upper);
		if (err)
			crew_fault("split or merge: %d", err);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

static void look_worker(unsigned int number)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t state = seed + number;
	struct vas_owner owner;

	(void)vas_region_stats(region, &stats);
	crew_meet();
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && !crew_failed()) {
		char *address = (char *)vas_span_pointer(stats.span) + draw(&state) % (1024 * page);

		if (vas_owner_at(address, &owner))
			crew_fault("an address of the region is nobody's");
		else if ((uintptr_t)address - owner.span.start >= owner.span.size)
			crew_fault("the owner does not have the address");
	}
}

/* Blocks in the half that is never split off. */
static void low_worker(void)
{
	struct vas_block block;
	bool at_once = false;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_LOW;
	crew_meet();
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && !crew_failed()) {
		at_once = !at_once;
		opts.flags = VAS_ALLOC_LOW | (at_once ? VAS_ALLOC_COMMIT : 0);
		if (vas_region_alloc(region, 3 * page, &opts, &block) ||
		    vas_region_commit(region, block.start, page, NULL) ||
		    vas_region_free(region, block.start, NULL))
			crew_fault("a block below the cut cannot be used");
	}
}

static void split_or_look(void *rounds, unsigned int number)
{
	if (number == 0) {
		crew_meet();
		split_worker(*(const uint64_t *)rounds);
	} else if (number == 1) {
		low_worker();
	} else {
		look_worker(number);
	}
}

static void test_split(void)
{
	uint64_t rounds = tap_scaled(3000);

	begin(1024);
	stop = 0;
	crew_run(THREADS, split_or_look, &rounds);
	is_u64(crew_faults(), 0, "nobody found a moment without an owner");
	end();
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	seed = tap_seed();
	test_churn();
	test_double_free();
	test_split();
	return tap_done();
}
