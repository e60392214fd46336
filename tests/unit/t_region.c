/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Regions over simulated kernels with pages of 4, 16 and 64 KiB: making and unmaking, taking and
 * freeing blocks, and what each answers to what it cannot do.
 */
#include <errno.h>
#include <string.h>

#include "support/region_world.h"
#include "tap/tap.h"

#define MIB (1ull << 20)
#define TIB (1ull << 40)

static struct region_world *world;
static uint64_t page;

static void test_make(void)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve) };
	struct vas_region_opts opts = { .size = sizeof(opts) };
	struct vas_owner owner;
	enum vas_retired state;
	struct vas_span span;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 0, NULL), EINVAL, "a region of nothing");
	opts.granule = page / 2;
	is_err(world_make(world, MIB, &opts), EINVAL, "a granule below the page");
	opts.granule = 3 * page;
	is_err(world_make(world, MIB, &opts), EINVAL, "a granule of three pages");
	opts.granule = 0;
	opts.flags = VAS_REGION_ALL + 1;
	is_err(world_make(world, MIB, &opts), EINVAL, "an unknown flag");
	is_str(world_why(world), "argument", "the reason");
	opts.flags = 0;
	is_err(world_make(world, 1ull << 60, NULL), ERANGE, "more than there is");
	is_u64(world->space.stats.spans, 0, "nothing is reserved by all that");

	opts.granule = 16 * page;
	is_err(world_make(world, 100 * page, &opts), 0, "with a granule of 16 pages");
	span = world->region->span;
	is_u64(span.size, 112 * page, "rounded up to it");
	is_u64(span.start % (16 * page), 0, "aligned to it");
	ok(vas_owner_index_find(&world->space.index, span.start + span.size - 1, &owner) &&
		   owner.span.start == span.start,
	   "the span has an owner");
	is_u64(world_accessible(world), 0, "nothing of it is accessible");
	is_err(vas_space_release(&world->space, span.start, NULL, &state, &span.size), EBUSY,
	       "it cannot be released beside the region");
	region_world_end(world);
	is_u64(world->space.stats.spans, 0, "no span is left");

	world = region_world_begin(page, 47);
	reserve.place = VAS_PLACE_EXACT;
	reserve.address = TIB + page;
	opts.reserve = &reserve;
	is_err(world_make(world, MIB, &opts), EINVAL, "an exact address that does not suit the granule");
	reserve.address = TIB;
	is_err(world_make(world, 16 * MIB, &opts), 0, "one that does");
	is_u64(world->region->span.start, TIB, "there");
	region_world_end(world);
}

static void test_own_span(void)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve) };
	struct vas_commit_opts commit = { .size = sizeof(commit) };
	struct vas_region_opts opts = { .size = sizeof(opts) };
	struct vas_region *first;
	struct vas_span span;

	world = region_world_begin(page, 47);
	is_err(vas_space_reserve(&world->space, 64 * page, &reserve, &world->failure, &span), 0,
	       "a span of the caller's");
	opts.start = vas_span_pointer((struct vas_span){ span.start + page, 0 });
	is_err(world_make(world, 0, &opts), ENOENT, "no span starts inside it");
	is_str(world_why(world), "not-owned", "the reason");
	opts.start = vas_span_pointer(span);
	is_err(world_make(world, page, &opts), EINVAL, "its size is its own");
	is_err(vas_space_commit(&world->space, span.start, page, &commit, &world->failure), 0,
	       "something is committed in it");
	is_err(world_make(world, 0, &opts), EBUSY, "then it is in use");
	is_str(world_why(world), "used", "the reason");
	is_u64(world->space.stats.spans, 1, "and stays the caller's");
	ok(vas_space_find(&world->space, span.start)->user == NULL, "without a user");
	is_err(vas_space_release(&world->space, span.start, NULL, &(enum vas_retired){ 0 }, &span.size),
	       0, "released");
	is_err(vas_space_reserve(&world->space, 64 * page, &reserve, &world->failure, &span), 0,
	       "another");
	opts.start = vas_span_pointer(span);
	is_err(world_make(world, 0, &opts), 0, "a region over it");
	is_u64(world->region->span.size, span.size, "over all of it");
	first = world->region;
	is_err(world_make(world, 0, &opts), EBUSY, "one region has it");
	world->region = first;
	region_world_end(world);
}

static uint64_t must_alloc(uint64_t size, uint32_t flags)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = flags };
	uint64_t start = 0;

	is_err(world_alloc(world, size, &opts, &start), 0, "%ju bytes", (uintmax_t)size);
	return start;
}

static void test_blocks(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts) };
	uint64_t first, second, third, start;
	struct vas_region_stats stats;
	struct vas_block block;
	struct vas_span span;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 64 * page, NULL), 0, "a region of 64 pages");
	span = world->region->span;
	is_err(world_alloc(world, 0, NULL, &start), EINVAL, "nothing");
	is_err(world_alloc(world, UINT64_MAX, NULL, &start), EINVAL, "more than rounds");
	is_err(world_alloc(world, 65 * page, NULL, &start), ERANGE, "more than there is");
	opts.flags = VAS_ALLOC_LOW | VAS_ALLOC_HIGH;
	is_err(world_alloc(world, page, &opts, &start), EINVAL, "at two places");
	opts = (struct vas_alloc_opts){ .size = sizeof(opts), .alignment = 3 };
	is_err(world_alloc(world, page, &opts, &start), EINVAL, "an alignment that nothing has");

	first = must_alloc(page, VAS_ALLOC_LOW);
	is_u64(first, span.start, "the lowest place");
	second = must_alloc(page + 1, VAS_ALLOC_HIGH);
	is_u64(second, span.start + 62 * page, "the highest, of two pages");
	opts = (struct vas_alloc_opts){ .size = sizeof(opts), .flags = VAS_ALLOC_EXACT };
	opts.address = (void *)(uintptr_t)(span.start + 10 * page);
	is_err(world_alloc(world, 2 * page, &opts, &third), 0, "exactly there");
	is_u64(third, span.start + 10 * page, "there it is");
	is_err(world_alloc(world, page, &opts, &start), EEXIST, "there again");
	is_str(world_why(world), "taken", "the reason");
	is_err(world_alloc(world, 60 * page, NULL, &start), ENOSPC, "more than is free in one piece");
	is_str(world_why(world), "full", "the reason");

	stats = world_stats(world);
	is_u64(stats.blocks, 3, "three blocks");
	is_u64(stats.used, 5 * page, "of five pages");
	is_u64(stats.largest_free, 50 * page, "the largest free range");
	is_u64(stats.free_ranges, 2, "of two");
	is_u64(stats.fragmentation, 1000 - 50000 / 59, "fragmentation per mille");
	is_u64(stats.allocs, 3, "three were taken");

	is_err(vas_block_at(world->region, third + 2 * page - 1, &world->failure, &block), 0,
	       "the block at its last byte");
	ok((uint64_t)(uintptr_t)block.start == third && block.size == 2 * page && block.flags == 0,
	   "is that block");
	is_err(vas_block_at(world->region, third + 2 * page, &world->failure, &block), ENOENT,
	       "right behind it there is none");
	is_err(vas_block_at(world->region, span.start - 1, &world->failure, &block), ERANGE,
	       "below the region");
	is_err(vas_block_next(world->region, 0, &world->failure, &block), 0, "the first");
	ok((uint64_t)(uintptr_t)block.start == first, "is the lowest");
	is_err(vas_block_next(world->region, first + page, &world->failure, &block), 0, "the next");
	ok((uint64_t)(uintptr_t)block.start == third, "is the one in the middle");
	is_err(vas_block_next(world->region, third + 2 * page, &world->failure, &block), 0, "the last");
	ok((uint64_t)(uintptr_t)block.start == second, "is the highest");
	is_err(vas_block_next(world->region, second + 2 * page, &world->failure, &block), ENOENT,
	       "no more");
	is_err(vas_block_next(world->region, UINT64_MAX, &world->failure, &block), ENOENT,
	       "nor above everything");

	is_err(world_free(world, third + page), EINVAL, "freed inside");
	is_str(world_why(world), "inside", "the reason");
	is_err(world_free(world, first + page), ENOENT, "freed where none is");
	is_str(world_why(world), "no-block", "the reason");
	is_err(world_free(world, span.start - page), ERANGE, "freed below");
	is_str(world_why(world), "outside", "the reason");
	is_err(world_free(world, span.start + span.size), ERANGE, "freed above");
	is_err(world_free(world, third), 0, "freed");
	is_err(world_free(world, third), ENOENT, "freed twice");
	is_u64(world_stats(world).blocks, 2, "two are left");
	is_err(world_free(world, first), 0, "the first goes");
	is_err(world_free(world, second), 0, "the last goes");
	stats = world_stats(world);
	ok(stats.free_ranges == 1 && stats.largest_free == 64 * page && stats.fragmentation == 0,
	   "all is free again, in one piece");
	is_u64(stats.frees, 3, "three were freed");
	region_world_end(world);
}

/* Each wish alone decides where a block lies. */
static void test_wishes(void)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve), .place = VAS_PLACE_EXACT,
					    .address = TIB };
	struct vas_region_opts region = { .size = sizeof(region), .reserve = &reserve };
	const struct {
		const char *what;
		struct vas_alloc_opts opts;
		uint64_t start;
	} wishes[] = {
		{ "min", { .flags = VAS_ALLOC_LOW, .min = TIB + 5 * page }, TIB + 5 * page },
		{ "max", { .flags = VAS_ALLOC_HIGH, .max = TIB + 9 * page }, TIB + 7 * page },
		{ "phase", { .flags = VAS_ALLOC_LOW, .alignment = 16 * page, .phase = 3 * page },
		  TIB + 3 * page },
		{ "alignment", { .flags = VAS_ALLOC_LOW, .alignment = 32 * page, .min = TIB + page },
		  TIB + 32 * page },
		{ "boundary", { .flags = VAS_ALLOC_LOW, .min = TIB + 11 * page,
				.boundary = 4 * page }, TIB + 12 * page },
		{ "exact", { .flags = VAS_ALLOC_EXACT,
			     .address = (void *)(uintptr_t)(TIB + 41 * page) }, TIB + 41 * page },
	};

	world = region_world_begin(page, 47);
	is_err(world_make(world, 64 * page, &region), 0, "a region");
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct vas_alloc_opts opts = wishes[i].opts;
		uint64_t start = 0;

		opts.size = sizeof(opts);
		is_err(world_alloc(world, 2 * page, &opts, &start), 0, "two pages: %s", wishes[i].what);
		is_u64(start, wishes[i].start, "lie where they should: %s", wishes[i].what);
	}
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		is_err(world_free(world, wishes[i].start), 0, "freed");
	region_world_end(world);
}

static void test_tags(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_LOW };
	uint64_t starts[600], at;
	struct vas_block block;
	bool right = true;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 1024 * page, NULL), 0, "a region");
	for (uint32_t i = 0; i < 600; i++) {
		opts.tag = i % 3 ? 0xf0000000u + i : 0;
		right &= world_alloc(world, page, &opts, &starts[i]) == 0;
	}
	ok(right, "600 blocks, most with a tag");
	is_u64(world->region->records.count, 400, "so many have a record");
	for (uint32_t i = 0; i < 600; i++)
		right &= vas_block_at(world->region, starts[i], &world->failure, &block) == 0 &&
			 block.tag == (i % 3 ? 0xf0000000u + i : 0);
	ok(right, "each tells its tag");
	is_err(vas_block_split(world->region, starts[1], starts[1] + page, &world->failure), EINVAL,
	       "one page is not split");
	is_err(vas_block_merge(world->region, starts[1], starts[2], &world->failure), 0, "two are one");
	is_u64(world->region->records.count, 399, "with one record");
	is_err(vas_block_split(world->region, starts[1], starts[2], &world->failure), 0, "and two again");
	(void)vas_block_at(world->region, starts[2], &world->failure, &block);
	is_u64(block.tag, 0xf0000001u, "both with the lower one's tag");
	is_u64(world->region->records.count, 400, "a record each");
	at = starts[0];
	while (vas_block_next(world->region, at, &world->failure, &block) == 0) {
		at = (uint64_t)(uintptr_t)block.start;
		right &= world_free(world, at) == 0;
	}
	ok(right, "all are freed");
	is_u64(world->region->records.count, 0, "no record is left");
	is_u64(world->region->records.chunk_count, 2, "in two chunks");
	region_world_end(world);
}

static void test_large(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_HIGH };
	struct vas_reserve_opts reserve = { .size = sizeof(reserve),
					    .flags = VAS_RESERVE_HIGH_WINDOW };
	struct vas_region_opts region = { .size = sizeof(region), .reserve = &reserve };
	uint64_t start;

	world = region_world_begin(page, 57);
	is_err(world_make(world, 128 * TIB, &region), 0, "a region of 128 TiB");
	is_err(world_alloc(world, 127 * TIB, &opts, &start), 0, "a block of almost all");
	is_err(world_alloc(world, TIB, NULL, &start), 0, "and of the rest");
	is_err(world_alloc(world, page, NULL, &start), ENOSPC, "nothing is left");
	is_u64(world_stats(world).fragmentation, 0, "nothing is fragmented either");
	is_err(world_free(world, start), 0, "freed");
	is_u64(world_stats(world).largest_free, TIB, "and free");
	region_world_end(world);
}

static void test_small(void)
{
	uint64_t start;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 1, NULL), 0, "a region of a byte");
	is_u64(world->region->span.size, page, "is a page");
	is_err(world_alloc(world, 1, NULL, &start), 0, "a block of it");
	is_err(world_alloc(world, 1, NULL, &start), ENOSPC, "full");
	is_err(world_free(world, start), 0, "freed");
	region_world_end(world);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_make, test_own_span, test_blocks, test_wishes, test_tags, test_large, test_small,
	};

	tap_plan(0);
	world_every_page(&page, tests, sizeof(tests) / sizeof(tests[0]));
	return tap_done();
}
