/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Regions split and merged over simulated kernels: blocks, tags, memory, promises and owners go along, and all of
 * it comes back.
 */
#include <errno.h>
#include <string.h>

#include "support/region_world.h"
#include "tap/tap.h"

#define BLOCKS 200u

static struct region_world *world;
static struct vas_region *lower, *upper;
static uint64_t page;
static uint64_t starts[BLOCKS];

static int cut(struct vas_region *region, uint64_t at, struct vas_region **made)
{
	memset(&world->failure, 0, sizeof(world->failure));
	return vas_region_cut(region, at, &world->failure, made);
}

static int join(struct vas_region *low, struct vas_region *high)
{
	memset(&world->failure, 0, sizeof(world->failure));
	return vas_region_unite(low, high, &world->failure);
}

static struct vas_owner owner_of(uint64_t address)
{
	struct vas_owner owner = { 0, { 0, 0 } };

	(void)vas_owner_index_find(&world->space.index, address, &owner);
	return owner;
}

/* Blocks of two pages, every second committed, every third with a tag. */
static void fill(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts) };
	bool right = true;

	for (uint32_t i = 0; i < BLOCKS; i++) {
		opts.flags = VAS_ALLOC_LOW | (i % 2 ? VAS_ALLOC_COMMIT : 0);
		opts.tag = i % 3 ? 0 : i + 1;
		right &= world_alloc(world, 2 * page, &opts, &starts[i]) == 0;
	}
	ok(right, "%u blocks", BLOCKS);
}

static struct vas_region *region_of(uint32_t i, uint32_t middle)
{
	return upper && i >= middle ? upper : lower;
}

/* Each block is where it was, as it was, in the region that has it. */
static void look(uint32_t middle, const char *what)
{
	uint64_t live = 0, committed = 0;
	struct vas_block block;
	bool right = true;

	for (uint32_t i = 0; i < BLOCKS; i++) {
		right &= vas_block_at(region_of(i, middle), starts[i] + page, &world->failure,
				      &block) == 0 &&
			 (uint64_t)(uintptr_t)block.start == starts[i] && block.size == 2 * page &&
			 block.tag == (i % 3 ? 0 : i + 1) && block.flags == i % 2;
		if (upper)
			right &= vas_block_at(region_of(i, middle) == lower ? upper : lower, starts[i],
					      &world->failure, &block) == -ERANGE;
	}
	ok(right, "%s: every block is as it was", what);
	for (int i = 0; i < 2; i++) {
		world->region = i ? upper : lower;
		if (!world->region)
			continue;
		world_check(world, what);
		live += world_stats(world).blocks;
		committed += world_stats(world).committed;
	}
	world->region = lower;
	is_u64(live, BLOCKS, "%s: blocks in all", what);
	is_u64(committed, BLOCKS * page, "%s: bytes committed in all", what);
}

static void begin(void)
{
	world = region_world_begin(page, 47);
	is_err(world_make(world, 1024 * page, NULL), 0, "a region");
	lower = world->region;
	upper = NULL;
}

static void test_both_ways(void)
{
	struct vas_owner before, low, high;
	struct vas_span span;
	uint64_t at, id;

	begin();
	fill();
	span = lower->span;
	before = owner_of(starts[0]);
	at = starts[120];
	is_err(cut(lower, at + page, &upper), EINVAL, "inside a block");
	is_str(world_why(world), "inside", "the reason");
	is_err(cut(lower, at + 1, &upper), EINVAL, "inside a page");
	is_err(cut(lower, span.start, &upper), ERANGE, "at its start");
	is_err(cut(lower, span.start + span.size, &upper), ERANGE, "at its end");
	is_u64(owner_of(at).id, before.id, "nothing was changed by these");
	look(BLOCKS, "one region");

	is_err(cut(lower, at, &upper), 0, "between two blocks");
	low = owner_of(at - 1);
	high = owner_of(at);
	ok(low.span.start == span.start && low.span.start + low.span.size == at &&
		   high.span.start == at && high.span.start + high.span.size == span.start + span.size,
	   "two owners with a part each");
	ok(low.id != before.id && high.id != before.id && low.id != high.id, "with new ids");
	is_u64(world->space.stats.spans, 2, "two spans in the books");
	is_u64(world->space.stats.reserved, span.size, "of the same size in all");
	look(120, "two regions");
	id = low.id;

	is_err(join(upper, lower), EINVAL, "the wrong way around");
	is_err(join(lower, lower), EINVAL, "with itself");
	is_u64(owner_of(at - 1).id, id, "nothing was changed by these");
	is_err(join(lower, upper), 0, "joined");
	upper = NULL;
	is_u64(owner_of(at).span.size, span.size, "one owner has all");
	is_u64(owner_of(at).id, owner_of(at - 1).id, "the same everywhere");
	is_u64(world->space.stats.spans, 1, "one span in the books");
	look(BLOCKS, "one again");
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (world_free(world, starts[i]))
			ok(false, "block %u cannot be freed", i);
	is_u64(world_accessible(world), 0, "nothing is accessible any more");
	ok(vas_region_check(lower), "the books are whole");
	is_u64(lower->records.count, 0, "no record is left");
	region_world_end(world);
}

/* What a region was made with holds for the one that is split off, and what that one got comes back. */
static void test_options(void)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .cap = 8 * page,
					.cache_bytes = 6 * page, .cache_block = 4 * page,
					.cache_age = 7, .granule = 2 * page };
	struct vas_alloc_opts commit = { .size = sizeof(commit), .flags = VAS_ALLOC_COMMIT };
	uint64_t start;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 64 * page, &opts), 0, "a region");
	lower = world->region;
	is_err(cut(lower, lower->span.start + 32 * page, &upper), 0, "two regions");
	ok(upper->cap == opts.cap && upper->granule == opts.granule, "the cap and the granule");
	ok(upper->cache_bytes == opts.cache_bytes && upper->cache_block == opts.cache_block &&
		   upper->cache_age == opts.cache_age,
	   "and the limits of the cache");
	world->region = upper;
	is_err(world_alloc(world, 10 * page, &commit, &start), EDQUOT, "more than the cap above");
	is_err(world_alloc(world, 8 * page, &commit, &start), 0, "and as much");
	world_check(world, "above");
	world->region = lower;
	is_err(join(lower, upper), 0, "joined");
	upper = NULL;
	world_check(world, "joined");
	is_err(world_free(world, start), 0, "freed");
	region_world_end(world);
}

/* Blocks whose memory is not gone yet are counted where they are. */
static void test_retired(void)
{
	bool right = true;

	begin();
	fill();
	for (uint32_t i = 0; i < BLOCKS; i += 2)
		right &= world_commit(world, starts[i], 2 * page) == 0;
	ok(right, "all is committed");
	/* Nothing can be mapped or cut any more, and this kernel has no guards. */
	world->sim.config.max_map_count = 1;
	world->space.probes.state[VAS_PROBE_GUARD] = (int8_t)VAS_PROBE_NO;
	ok(world_give(world, starts[51]) != VAS_RETIRED_GONE &&
		   world_give(world, starts[151]) != VAS_RETIRED_GONE &&
		   world_give(world, starts[153]) != VAS_RETIRED_GONE,
	   "three blocks are not gone");
	is_err(cut(lower, starts[100], &upper), 0, "two regions");
	is_u64(lower->retired, 1, "one of them below");
	is_u64(upper->retired, 2, "and two above");
	ok(vas_region_check(lower) && vas_region_check(upper), "the books of both are whole");
	is_err(join(lower, upper), 0, "joined");
	upper = NULL;
	is_u64(lower->retired, 3, "all of them in one");
	ok(vas_region_check(lower), "whose books are whole");
	world->sim.config.max_map_count = 1u << 20;
	is_u64(vas_part_retry(&world->space, UINT32_MAX), 6 * page, "gone, with room");
	is_u64(lower->retired, 0, "and told");
	region_world_end(world);
}

/* What goes only whole is cut in neither part of a region that has been cut, nor of one that was joined. */
static void test_whole(void)
{
	struct vas_commit_opts commit = { .size = sizeof(commit),
					  .flags = VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE };
	struct vas_span range;
	uint64_t start[2];

	begin();
	commit.fd = (int)world->sim.sys.create(&world->sim.sys, "driver", 0);
	if (commit.fd < 0 || world->sim.sys.truncate(&world->sim.sys, commit.fd, 8 * page) < 0)
		tap_bail("no object");
	for (uint32_t i = 0; i < 2; i++)
		is_err(world_alloc(world, 8 * page, &(struct vas_alloc_opts){ .size = sizeof(struct vas_alloc_opts),
									       .flags = VAS_ALLOC_LOW }, &start[i]),
		       0, "a block");
	range = (struct vas_span){ start[1], 8 * page };
	is_err(vas_block_commit(lower, range, &commit, &world->failure), 0, "a driver's memory");
	is_err(cut(lower, start[1], &upper), 0, "two regions");
	is_err(vas_block_split(upper, start[1], start[1] + 4 * page, &world->failure), EINVAL,
	       "it is not cut above");
	is_err(join(lower, upper), 0, "joined");
	upper = NULL;
	is_err(vas_block_split(lower, start[1], start[1] + 4 * page, &world->failure), EINVAL,
	       "nor when joined");
	is_err(vas_block_split(lower, start[0], start[0] + 4 * page, &world->failure), 0,
	       "other blocks are");
	region_world_end(world);
}

static void test_apart(void)
{
	enum vas_retired state;
	struct vas_span span;
	uint64_t start;

	begin();
	fill();
	is_err(cut(lower, starts[50], &upper), 0, "two regions");
	span = lower->span;
	for (uint32_t i = 0; i < 50; i += 2)
		if (world_free(world, starts[i]))
			ok(false, "block %u cannot be freed", i);
	is_err(world_free(world, starts[50]), ERANGE, "a block of the other one");
	is_err(vas_region_unmake(lower, &state, &world->failure), 0, "the lower one goes");
	is_u64(state, VAS_RETIRED_GONE, "all of it");
	is_u64(owner_of(span.start).id, 0, "its span is nobody's");
	ok(owner_of(starts[50]).id != 0, "the upper one's is not");
	world->region = upper;
	is_u64(world_stats(world).blocks, BLOCKS - 50, "it has its blocks");
	is_err(world_free(world, starts[51]), 0, "one is freed");
	is_err(world_alloc(world, page, NULL, &start), 0, "and one taken");
	is_err(world_commit(world, start, page), 0, "and committed");
	region_world_end(world);
}

static void test_unlike(void)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve), .place = VAS_PLACE_EXACT,
					    .address = 1ull << 40 };
	struct vas_region_opts opts = { .size = sizeof(opts), .reserve = &reserve };

	world = region_world_begin(page, 47);
	is_err(world_make(world, 16 * page, &opts), 0, "a region");
	lower = world->region;
	reserve.address += 16 * page;
	reserve.flags = VAS_RESERVE_NODUMP;
	is_err(world_make(world, 16 * page, &opts), 0, "a neighbour that is reserved otherwise");
	upper = world->region;
	is_err(join(lower, upper), EINVAL, "they are not joined");
	is_err(vas_region_unmake(upper, &(enum vas_retired){ 0 }, &world->failure), 0, "it goes");
	reserve.flags = 0;
	reserve.name = "other";
	is_err(world_make(world, 16 * page, &opts), 0, "a neighbour of another name");
	upper = world->region;
	is_err(join(lower, upper), EINVAL, "they are not joined");
	is_err(vas_region_unmake(upper, &(enum vas_retired){ 0 }, &world->failure), 0, "it goes");
	reserve.name = NULL;
	is_err(world_make(world, 16 * page, &opts), 0, "a neighbour that is alike");
	upper = world->region;
	is_err(join(lower, upper), 0, "they are joined, though never one before");
	world->region = lower;
	is_u64(lower->span.size, 32 * page, "and have both spans");
	region_world_end(world);
}

/* Again and again, at every place. */
static void test_many(void)
{
	struct vas_owner owner;
	bool right = true;

	begin();
	fill();
	for (uint32_t i = 1; i < BLOCKS; i++) {
		right &= cut(lower, starts[i], &upper) == 0;
		owner = owner_of(starts[i]);
		right &= owner.span.start == starts[i];
		right &= join(lower, upper) == 0;
		upper = NULL;
	}
	ok(right, "cut and joined at each block");
	look(BLOCKS, "after that");
	ok(vas_owner_index_check(&world->space.index), "the index is whole");
	region_world_end(world);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_both_ways, test_options, test_retired, test_whole, test_apart, test_unlike,
		test_many,
	};

	tap_plan(0);
	world_every_page(&page, tests, sizeof(tests) / sizeof(tests[0]));
	return tap_done();
}
