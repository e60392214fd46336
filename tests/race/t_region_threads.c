/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Regions used by several threads at once: nobody is handed what another has, fresh memory reads as zeroes, of
 * two frees one wins, and addresses of a region that is split and merged are never nobody's.
 */
#include <errno.h>

#include <vaspace/vaspace.h>

#include "support/crew.h"
#include "support/region_churn.h"
#include "tap/tap.h"

#define THREADS 4u

static struct region_churn churn;
static uint32_t stop; /* atomic */

static void test_churn(void)
{
	churn.rounds = tap_scaled(4000);
	region_churn_begin(&churn, 256, NULL); /* tight: refusals belong to it */
	crew_run(THREADS, region_churn_work, &churn);
	is_u64(crew_faults(), 0, "no thread found anything wrong");
	region_churn_end(&churn);
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
			if (region_churn_take(&churn, &block, 2, i % 2))
				crew_fault("no block");
			__atomic_store_n(&doomed, block.start, __ATOMIC_RELEASE);
		}
		crew_meet();
		err = vas_region_free(churn.region, __atomic_load_n(&doomed, __ATOMIC_ACQUIRE),
				      NULL);
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

	region_churn_begin(&churn, 64, NULL);
	wins = 0;
	crew_run(2, free_it, &rounds);
	is_u64(crew_faults(), 0, "the loser is told that there is no block");
	is_u64(wins, rounds, "one free of each pair wins");
	region_churn_end(&churn);
}

/* --- split and merge --- */

static void split_worker(uint64_t rounds)
{
	struct vas_region *upper;
	struct vas_region_stats stats = { .size = sizeof(stats) };
	char *start;

	(void)vas_region_stats(churn.region, &stats);
	start = vas_span_pointer(stats.span);
	for (uint64_t i = 0; i < rounds && !crew_failed(); i++) {
		uint64_t at = 512 + i % 511 + 1;
		int err = vas_region_split(churn.region, start + at * churn.page, &upper);

		if (!err)
			err = vas_region_merge(churn.region, upper);
		if (err)
			crew_fault("split or merge: %d", err);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

static void look_worker(unsigned int number)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t state = churn.seed + number;
	struct vas_owner owner;
	char *start;

	(void)vas_region_stats(churn.region, &stats);
	start = vas_span_pointer(stats.span);
	crew_meet();
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && !crew_failed()) {
		char *address = start + region_churn_draw(&state) % stats.span.size;

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
		if (vas_region_alloc(churn.region, 3 * churn.page, &opts, &block) ||
		    vas_region_commit(churn.region, block.start, churn.page, NULL) ||
		    vas_region_free(churn.region, block.start, NULL))
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

	region_churn_begin(&churn, 1024, NULL);
	stop = 0;
	crew_run(THREADS, split_or_look, &rounds);
	is_u64(crew_faults(), 0, "nobody found a moment without an owner");
	region_churn_end(&churn);
}

int main(void)
{
	tap_plan(0);
	test_churn();
	test_double_free();
	test_split();
	return tap_done();
}
