/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * A region large enough for magazines: threads that end leave blocks in them, blocks are freed by
 * others than took them, and children of forks come in the middle. Nothing is lost: what is live can be
 * freed, and then all of the region can be had as one block.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "support/crew.h"
#include "support/region_churn.h"
#include "tap/tap.h"

enum { THREADS = 4, SHARED = 64, GENERATIONS = 6, PAGES = 8 << 20 };

static struct {
	struct region_churn churn;
	void *shared[SHARED]; /* atomic: blocks that any thread frees */
	uint64_t size;
} world;

static void *take_one(uint64_t *random)
{
	static const uint64_t alignments[] = { 0, 0, 0, 0, 0, 0, 65536, 2097152 };
	struct vas_block block;
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.alignment = alignments[region_churn_draw(random) % 8];
	err = vas_region_alloc(world.churn.region,
			       (1 + region_churn_draw(random) % 40) * world.churn.page, &opts,
			       &block);
	if (err)
		crew_fault("no block: %d", err);
	return err ? NULL : block.start;
}

/* Each block goes to a place from where any thread frees it; some threads end early. */
static void work(void *argument, unsigned int number)
{
	uint64_t rounds = tap_scaled(number % 2 ? 4000 : 20000), random = tap_seed() + number;
	void *block;

	(void)argument;
	crew_meet();
	for (uint64_t i = 0; i < rounds && !crew_failed(); i++) {
		void **place = &world.shared[region_churn_draw(&random) % SHARED];

		block = region_churn_draw(&random) % 8 ? take_one(&random) : NULL;
		block = __atomic_exchange_n(place, block, __ATOMIC_ACQ_REL);
		if (block && vas_region_free(world.churn.region, block, NULL))
			crew_fault("a block cannot be freed");
	}
}

/* Frees every block by a walk; how many, or what is wrong. */
static int free_all(void)
{
	struct vas_block block;
	int count = 0;

	for (; vas_region_next(world.churn.region, NULL, &block) == 0; count++)
		if (vas_region_free(world.churn.region, block.start, NULL))
			return -EIO;
	return count;
}

/* All of it is one free range, and can be had. */
static int all_is_free(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	if (vas_region_stats(world.churn.region, &stats) || stats.blocks || stats.used)
		return 1;
	if (stats.free_ranges != 1 || stats.largest_free != world.size)
		return 2;
	if (vas_region_alloc(world.churn.region, world.size, NULL, &block))
		return 3;
	return vas_region_free(world.churn.region, block.start, NULL) ? 4 : 0;
}

static void world_begin(void)
{
	memset(&world, 0, sizeof(world));
	world.size = PAGES * (uint64_t)sysconf(_SC_PAGESIZE);
	region_churn_begin(&world.churn, PAGES, NULL);
}

static void test_ends(void)
{
	int left, held;

	world_begin();
	for (int i = 0; i < GENERATIONS; i++) {
		crew_run(THREADS, work, NULL);
		if (i % 2)
			continue;
		for (left = held = 0; held < SHARED; held++)
			left += world.shared[held] != NULL;
		memset(world.shared, 0, sizeof(world.shared));
		is_u64((uint64_t)free_all(), (uint64_t)left, "what threads left is there");
		is_u64((uint64_t)all_is_free(), 0, "and when it is freed, all is free");
	}
	is_u64(crew_faults(), 0, "threads that came and went found nothing wrong");
	free_all();
	region_churn_end(&world.churn);
}

/* --- forks --- */

static int child(void)
{
	uint64_t random = 7;

	if (!vas_region_check(world.churn.region))
		return 10;
	for (int i = 0; i < 100; i++)
		if (!take_one(&random))
			return 11;
	if (free_all() < 100)
		return 12;
	if (!vas_region_check(world.churn.region))
		return 13;
	return all_is_free();
}

static void fork_or_work(void *argument, unsigned int number)
{
	if (number) {
		work(argument, number);
		return;
	}
	crew_meet();
	crew_fork(tap_scaled(30), child);
}

static void test_forks(void)
{
	world_begin();
	for (int i = 0; i < 3; i++)
		crew_run(THREADS, fork_or_work, NULL);
	is_u64(crew_faults(), 0, "children of forks in the middle lost nothing");
	free_all();
	is_u64((uint64_t)all_is_free(), 0, "nor did the parent");
	region_churn_end(&world.churn);
}

int main(void)
{
	tap_plan(0);
	test_ends();
	test_forks();
	return tap_done();
}
