/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * The cache of regions over simulated kernels: which blocks stay warm, who gets them, in which order
 * they go, and that nothing is refused while memory is kept.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "support/region_world.h"
#include "tap/tap.h"

static struct region_world *world;
static uint64_t page;

static void begin(uint64_t pages, const struct vas_region_opts *wish)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .cache_bytes = 64 * page };

	if (wish)
		opts = *wish;
	world = region_world_begin(page, 47);
	is_err(world_make(world, pages * page, &opts), 0, "a region of %u pages", (unsigned int)pages);
}

static uint64_t take(uint64_t pages, uint32_t flags)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = flags | VAS_ALLOC_COMMIT };
	uint64_t start = 0;

	is_err(world_alloc(world, pages * page, &opts, &start), 0, "%u pages", (unsigned int)pages);
	return start;
}

static void test_hit(void)
{
	uint64_t first, second, again;

	begin(128, NULL);
	first = take(4, 0);
	second = take(4, 0);
	is_u64(world_give(world, first), VAS_RETIRED_WARM, "it stays warm");
	is_u64(world_give(world, second), VAS_RETIRED_WARM, "the other too");
	is_u64(world_stats(world).warm, 8 * page, "so much is warm");
	is_u64(world_stats(world).committed, 8 * page, "and committed");
	is_u64(world_stats(world).used, 0, "and nobody's");
	is_err(world_free(world, second), ENOENT, "it was freed");
	world_check(world, "warm");
	again = take(4, 0);
	is_u64(again, second, "the last one freed comes first");
	is_u64(world->fills, 1, "zeroed");
	ok(world->filled.start == again && world->filled.size == 4 * page && world->fill_byte == 0,
	   "all of it");
	again = take(4, VAS_ALLOC_DIRTY);
	is_u64(again, first, "then the other");
	is_u64(world->fills, 1, "as it was left");
	is_u64(world_stats(world).warm_hits, 2, "two hits");
	is_u64(world_stats(world).warm, 0, "nothing is warm any more");
	again = take(4, 0);
	ok(again != first && again != second, "the next is another");
	is_u64(world_give(world, again), VAS_RETIRED_WARM, "freed");
	ok(take(2, 0) != again, "one of another size is another");
	world_check(world, "hit");
	region_world_end(world);
}

/* What a block has to be, to be kept. */
static void test_plain(void)
{
	struct vas_commit_opts commit = { .size = sizeof(commit) };
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_COMMIT,
				       .commit = &commit };
	struct vas_region_opts region = { .size = sizeof(region), .cache_bytes = 64 * page,
					  .cache_block = 4 * page };
	enum vas_retired state;
	uint64_t start;

	begin(128, &region);
	is_u64(world_give(world, take(5, 0)), VAS_RETIRED_GONE, "too large");
	start = take(4, 0);
	is_err(vas_block_protect(world->region, (struct vas_span){ start, page }, PROT_READ,
				 &world->failure), 0, "protected");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "then it is not kept");
	start = take(4, 0);
	is_err(vas_block_decommit(world->region, (struct vas_span){ start, page }, &world->failure,
				  &state), 0, "decommitted in part");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "then it is not kept");
	start = take(4, 0);
	is_err(vas_block_guard(world->region, (struct vas_span){ start, page }, true,
			       &world->failure), 0, "guarded in part");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "then it is not kept");
	start = take(2, VAS_ALLOC_LOW);
	is_err(world_resize(world, start, 4 * page), 0, "grown");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "then it is not kept");
	commit.prot = PROT_READ;
	is_err(world_alloc(world, page, &opts, &start), 0, "read-only");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "is not kept");
	commit.prot = 0;
	commit.flags = VAS_COMMIT_HUGE;
	is_err(world_alloc(world, page, &opts, &start), 0, "with advice");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "is not kept");
	opts.commit = NULL;
	opts.flags = 0;
	is_err(world_alloc(world, page, &opts, &start), 0, "without memory");
	is_err(world_commit(world, start, page), 0, "committed later");
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "is not kept");
	start = take(4, 0);
	is_err(vas_block_split(world->region, start, start + page, &world->failure), 0, "split");
	is_u64(world_give(world, start), VAS_RETIRED_WARM, "halves are kept");
	is_u64(world_give(world, start + page), VAS_RETIRED_WARM, "both");
	ok(take(1, 0) == start && take(3, 0) == start + page, "and taken");
	is_err(vas_block_merge(world->region, start, start + page, &world->failure), 0, "merged");
	is_u64(world_give(world, start), VAS_RETIRED_WARM, "kept as one");
	is_u64(world_stats(world).warm, 4 * page, "of four pages");
	world_check(world, "plain");
	region_world_end(world);
}

static int take_where(struct vas_alloc_opts opts, uint64_t *start)
{
	opts.size = sizeof(opts);
	opts.flags |= VAS_ALLOC_COMMIT | VAS_ALLOC_DIRTY;
	return world_alloc(world, 4 * page, &opts, start);
}

static void test_constraints(void)
{
	uint64_t first, start = 0, hits = 0;
	struct vas_span span;

	begin(128, NULL);
	span = world->region->span;
	first = take(4, VAS_ALLOC_LOW);
	is_u64(first, span.start, "at the start");
	(void)world_give(world, first);
	is_err(take_where((struct vas_alloc_opts){ .min = span.start + page }, &start), 0, "above it");
	ok(start != first, "is not the warm one");
	is_err(take_where((struct vas_alloc_opts){ .max = first + 4 * page - 1 }, &start), ERANGE,
	       "below its last byte there is never room");
	is_err(take_where((struct vas_alloc_opts){ .alignment = 8 * page,
						   .phase = (first + page) % (8 * page) }, &start), 0,
	       "at a phase");
	ok(start != first, "is not the warm one");
	is_err(take_where((struct vas_alloc_opts){ .alignment = 3 }, &start), EINVAL, "nonsense");
	is_err(take_where((struct vas_alloc_opts){ .boundary = 3 }, &start), EINVAL, "is refused still");
	is_err(take_where((struct vas_alloc_opts){ .flags = VAS_ALLOC_HIGH }, &start), 0, "high");
	is_u64(start, span.start + span.size - 4 * page, "is high");
	is_u64(world_stats(world).warm_hits, 0, "no hit so far");
	is_err(take_where((struct vas_alloc_opts){ .max = first + 4 * page, .boundary = 1ull << 46,
						   .alignment = page }, &start), 0, "suits");
	is_u64(start, first, "is the warm one");
	(void)world_give(world, start);
	is_err(take_where((struct vas_alloc_opts){ .flags = VAS_ALLOC_EXACT,
						   .address = (void *)(uintptr_t)first }, &start), 0,
	       "exactly there");
	hits = world_stats(world).warm_hits;
	is_u64(hits, 2, "both hits");
	(void)world_give(world, start);
	start = 0;
	is_err(world_alloc(world, 2 * page,
			   &(struct vas_alloc_opts){ .size = sizeof(struct vas_alloc_opts),
						     .flags = VAS_ALLOC_EXACT,
						     .address = (void *)(uintptr_t)first }, &start), 0,
	       "another size exactly there");
	is_u64(world_stats(world).warm, 0, "the warm one made way");
	world_check(world, "constraints");
	region_world_end(world);
}

static void test_limits(void)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .cache_bytes = 16 * page,
					.cap = 32 * page };
	uint64_t starts[32], warm, most = 0;

	begin(64, &opts);
	for (size_t i = 0; i < 32; i++)
		starts[i] = take(1, VAS_ALLOC_LOW);
	for (size_t i = 0; i < 32; i++) {
		(void)world_give(world, starts[i]);
		warm = world_stats(world).warm;
		most = warm > most ? warm : most;
	}
	warm = world_stats(world).warm;
	ok(most == 16 * page && warm >= 13 * page, "no more than the limit is kept, but nearly that");
	is_u64(world_accessible(world), warm, "the rest is inaccessible");
	(void)take(32, 0);
	is_u64(world_stats(world).warm, 0, "the cap is not met by what is only kept");
	world_check(world, "the cap");
	region_world_end(world);

	opts.cap = 0;
	begin(16, &opts);
	for (size_t i = 0; i < 16; i++)
		starts[i] = take(1, VAS_ALLOC_LOW);
	for (size_t i = 0; i < 16; i++)
		(void)world_give(world, starts[i]);
	is_u64(world_stats(world).warm, 16 * page, "all is warm");
	is_err(world_alloc(world, 2 * page, NULL, &starts[0]), 0, "there is a place none the less");
	world_check(world, "no place");
	(void)world_give(world, starts[0]);
	(void)world_give(world, take(1, VAS_ALLOC_HIGH));
	starts[0] = take(15, VAS_ALLOC_LOW);
	is_u64(world_stats(world).warm, page, "one page is warm behind a block");
	is_err(world_resize(world, starts[0], 16 * page), 0, "which grows over it");
	region_world_end(world);
}

static void test_age(void)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .cache_bytes = 64 * page,
					.cache_age = 10 };
	uint64_t starts[8];

	begin(64, &opts);
	for (size_t i = 0; i < 8; i++)
		starts[i] = take(2, VAS_ALLOC_LOW);
	(void)vas_cache_age(world->region, 100);
	for (size_t i = 0; i < 4; i++)
		(void)world_give(world, starts[i]);
	(void)vas_cache_age(world->region, 105);
	for (size_t i = 4; i < 8; i++)
		(void)world_give(world, starts[i]);
	(void)vas_cache_age(world->region, 3);
	(void)vas_cache_age(world->region, 109);
	is_u64(world_stats(world).warm, 16 * page, "all are young");
	is_u64(vas_cache_age(world->region, 110), 8 * page, "the older half goes");
	is_u64(world_stats(world).warm, 8 * page, "the other stays");
	is_u64(vas_cache_drain(world->region, 3 * page), 4 * page, "as much as was asked for");
	is_u64(world_stats(world).warm, 4 * page, "no more");
	world_check(world, "aged");
	is_u64(vas_users_warm(&world->space), 4 * page, "the space is told of it");
	is_u64(vas_users_reclaim(&world->space, UINT64_MAX), 4 * page, "and gets it");
	is_u64(world_accessible(world), 0, "all is inaccessible");
	world_check(world, "drained");
	region_world_end(world);
}

/* Large ones are zeroed by the kernel. */
static void test_large(void)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .cache_bytes = 1ull << 30 };
	uint64_t start, large = (8u << 20) / page;

	begin(4096, &opts);
	start = take(large, 0);
	(void)vas_sys_sim_touch(&world->sim, start, large * page);
	is_u64(vas_sys_sim_private_bytes(&world->sim, start, large * page), large * page, "written");
	(void)world_give(world, start);
	is_u64(take(large, 0), start, "taken again");
	is_u64(world->fills, 0, "nobody wrote zeroes");
	is_u64(vas_sys_sim_private_bytes(&world->sim, start, large * page), 0, "its pages are gone");
	is_u64(world_stats(world).committed, large * page, "it is committed");
	region_world_end(world);
}

static void test_split_region(void)
{
	struct vas_region *upper = NULL;
	uint64_t low, high;

	begin(64, NULL);
	low = take(4, VAS_ALLOC_LOW);
	high = take(4, VAS_ALLOC_HIGH);
	(void)world_give(world, take(4, VAS_ALLOC_HIGH));
	is_err(vas_region_cut(world->region, low + 32 * page, &world->failure, &upper), 0, "cut");
	is_u64(world_stats(world).warm, 0, "nothing is warm");
	ok(vas_region_check(upper), "the upper one is whole");
	is_err(vas_block_free(upper, high, &world->failure, &(enum vas_retired){ 0 }), 0, "freed there");
	is_u64(upper->cache.bytes + world_stats(world).committed, 4 * page + upper->cache.bytes,
	       "the lower one has its own");
	is_err(vas_region_unite(world->region, upper, &world->failure), 0, "one again");
	(void)world_give(world, low);
	world_check(world, "united");
	region_world_end(world);
}

static void test_random(void)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .cache_bytes = 200 * page };
	uint64_t random = tap_seed() | 1, starts[64] = { 0 };
	bool right = true;

	begin(1024, &opts);
	for (uint32_t i = 0; i < 4000 && right; i++) {
		struct vas_alloc_opts alloc = { .size = sizeof(alloc),
						.flags = VAS_ALLOC_COMMIT | VAS_ALLOC_DIRTY };
		uint32_t slot;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		slot = (uint32_t)(random >> 58);
		if (random >> 40 & 1)
			alloc.tag = slot + 1;
		if (starts[slot])
			right = world_free(world, starts[slot]) == 0;
		starts[slot] = 0;
		if (random >> 41 & 3)
			right &= world_alloc(world, ((random >> 50 & 7) + 1) * page, &alloc,
					     &starts[slot]) == 0;
		if ((random >> 43 & 63) == 0)
			(void)vas_cache_drain(world->region, (random >> 30 & 63) * page);
		if (i % 64 == 0)
			right &= vas_region_check(world->region);
	}
	ok(right, "4000 allocations and frees keep the books whole");
	ok(world_stats(world).warm_hits > 100, "many were warm");
	world_check(world, "random");
	region_world_end(world);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_hit, test_plain, test_constraints, test_limits, test_age, test_large,
		test_split_region, test_random,
	};

	tap_plan(0);
	world_every_page(&page, tests, sizeof(tests) / sizeof(tests[0]));
	return tap_done();
}
