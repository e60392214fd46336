/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * What is freed and has left its memory goes to the allocator a few blocks at a time. Nobody must be
 * able to tell: each way to ask is tried after so many frees that some are left over.
 */
#include <errno.h>

#include "support/region_world.h"
#include "tap/tap.h"

#define BLOCKS 32u /* fill the region */

static struct region_world *world;
static uint64_t page, starts[BLOCKS];
static uint32_t frees; /* before each question */

/* Blocks with memory side by side, with tags; then some of them freed, the upper ones first. */
static void begin(void)
{
	VAS_OPTS(vas_alloc_opts, opts);

	world = region_world_begin(page, 47);
	is_err(world_make(world, BLOCKS * page, NULL), 0, "a region, of which %u blocks go", frees);
	opts.flags = VAS_ALLOC_COMMIT | VAS_ALLOC_LOW;
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (world_alloc(world, page, &opts, &starts[i]))
			tap_bail("block %u", i);
	for (uint32_t i = frees; i-- > 0;)
		if (world_free(world, starts[i]))
			tap_bail("free of block %u", i);
}

static void end(void)
{
	ok(vas_region_check(world->region), "the books are whole");
	region_world_end(world);
}

static void exact_case(void)
{
	VAS_OPTS(vas_alloc_opts, opts);
	uint64_t start;
	bool right = true;

	begin();
	opts.flags = VAS_ALLOC_EXACT;
	for (uint32_t i = 0; i < frees; i++) {
		opts.address = (void *)(uintptr_t)starts[i];
		right &= world_alloc(world, page, &opts, &start) == 0 && start == starts[i];
	}
	ok(right, "each can be had at its address again");
	end();
}

static void place_case(void)
{
	VAS_OPTS(vas_alloc_opts, opts);
	uint64_t start = 0;

	begin();
	opts.flags = VAS_ALLOC_LOW;
	is_err(world_alloc(world, page, &opts, &start), 0, "the lowest place");
	is_u64(start, starts[0], "is that of the block freed last");
	end();
}

static void large_case(void)
{
	uint64_t start = 0;

	begin();
	is_err(world_alloc(world, frees * page, NULL, &start), 0, "one block as large as all of them");
	is_u64(start, starts[0], "lies where they were");
	is_err(world_alloc(world, page, NULL, &start), ENOSPC, "and then the region is full");
	end();
}

static void stats_case(void)
{
	struct vas_region_stats stats;

	begin();
	stats = world_stats(world);
	is_u64(stats.blocks, BLOCKS - frees, "blocks");
	is_u64(stats.frees, frees, "frees");
	is_u64(stats.free_ranges, 1, "one free range");
	is_u64(stats.largest_free, frees * page, "of all that was freed");
	is_u64(world_accessible(world), (BLOCKS - frees) * page, "nothing of it is accessible");
	end();
}

static void resize_case(void)
{
	begin();
	/* Its place was given back, or is about to be. */
	is_err(world_free(world, starts[BLOCKS - 1]), 0, "the last block goes too");
	is_err(world_resize(world, starts[BLOCKS - 2], 2 * page), 0, "and the one before takes its place");
	end();
}

static void again_case(void)
{
	begin();
	is_err(world_free(world, starts[0]), ENOENT, "a second free finds no block");
	is_err(world_commit(world, starts[frees - 1], page), ENOENT, "nor does a commit");
	is_err(world_free(world, starts[0] + page / 2), frees > 0 ? ENOENT : EINVAL,
	       "nor one inside of it");
	end();
}

static void (*const cases[])(void) = {
	exact_case, place_case, large_case, stats_case, resize_case, again_case,
};

int main(void)
{
	static const uint32_t counts[] = { 1, 7, 8, 9, 20 };

	for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		frees = counts[i];
		world_every_page(&page, cases, sizeof(cases) / sizeof(cases[0]));
	}
	return tap_done();
}
