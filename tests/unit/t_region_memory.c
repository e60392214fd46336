/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Memory in the blocks of regions over simulated kernels: what is committed where after each call, sizes
 * changed in place, the cap, blocks that the kernel does not take back at once, and what is lent.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "support/region_world.h"
#include "sys/definitions.h"
#include "tap/tap.h"

static struct region_world *world;
static uint64_t page;

/* What the simulated kernel refuses, past its own rules. */
static struct {
	bool map; /* MAP_FIXED without access */
	bool commit; /* MAP_FIXED with access */
	bool protect;
	bool advise;
	int64_t (*real_map)(struct vas_sys *sys, uint64_t address, uint64_t size, int prot,
			    int flags, int fd, uint64_t offset);
	int64_t (*real_protect)(struct vas_sys *sys, uint64_t address, uint64_t size, int prot);
	int64_t (*real_advise)(struct vas_sys *sys, uint64_t address, uint64_t size, int advice);
} refuse;

static int64_t refusing_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot,
			    int flags, int fd, uint64_t offset)
{
	if ((flags & MAP_FIXED) && (prot ? refuse.commit : refuse.map))
		return -ENOMEM;
	return refuse.real_map(sys, address, size, prot, flags, fd, offset);
}

static int64_t refusing_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	return refuse.protect ? -ENOMEM : refuse.real_protect(sys, address, size, prot);
}

static int64_t refusing_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	return refuse.advise ? -ENOMEM : refuse.real_advise(sys, address, size, advice);
}

static void begin(uint64_t pages, const struct vas_region_opts *opts)
{
	world = region_world_begin(page, 47);
	memset(&refuse, 0, sizeof(refuse));
	refuse.real_map = world->sim.sys.map;
	refuse.real_protect = world->sim.sys.protect;
	refuse.real_advise = world->sim.sys.advise;
	world->sim.sys.map = refusing_map;
	world->sim.sys.protect = refusing_protect;
	world->sim.sys.advise = refusing_advise;
	is_err(world_make(world, pages * page, opts), 0, "a region of %ju pages", (uintmax_t)pages);
}

static void end(void)
{
	refuse.map = refuse.commit = refuse.protect = refuse.advise = false;
	region_world_end(world);
}

static uint64_t take(uint64_t pages, uint32_t flags)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = flags | VAS_ALLOC_LOW };
	uint64_t start = 0;

	is_err(world_alloc(world, pages * page, &opts, &start), 0, "a block of %ju pages",
	       (uintmax_t)pages);
	return start;
}

static int decommit(uint64_t start, uint64_t pages, enum vas_retired *state)
{
	memset(&world->failure, 0, sizeof(world->failure));
	return vas_block_decommit(world->region, (struct vas_span){ start, pages * page },
				  &world->failure, state);
}

static void accessible(uint64_t pages, const char *what)
{
	is_u64(world_accessible(world) / page, pages, "%s: so many pages are accessible", what);
	is_u64(world_stats(world).committed / page, pages, "and committed");
	world_check(world, what);
}

static void test_commit(void)
{
	enum vas_retired state = VAS_RETIRED_HELD;
	struct vas_block block;
	uint64_t a, b, c;

	begin(64, NULL);
	a = take(4, 0);
	b = take(4, VAS_ALLOC_COMMIT);
	c = take(4, 0);
	accessible(4, "one of three");
	is_err(vas_block_at(world->region, b, &world->failure, &block), 0, "the block in the middle");
	is_u64(block.flags, VAS_BLOCK_COMMITTED, "is wholly committed");
	is_err(world_commit(world, a + page, 2 * page), 0, "a part of the first");
	is_err(vas_block_at(world->region, a, &world->failure, &block), 0, "that block");
	is_u64(block.flags, 0, "is not wholly committed");
	accessible(6, "a part more");
	is_err(world_commit(world, a + 2 * page, 3 * page), EINVAL, "across its end");
	is_str(world_why(world), "inside", "the reason");
	is_err(world_commit(world, c + 4 * page, page), ENOENT, "where no block is");
	is_str(world_why(world), "no-block", "the reason");
	is_err(world_commit(world, world->region->span.start - page, page), ERANGE, "outside");
	is_err(world_commit(world, a, 4 * page), 0, "all of the first");
	accessible(8, "eight pages");
	is_err(decommit(b + page, 2, &state), 0, "the middle of the second goes");
	is_u64(state, VAS_RETIRED_GONE, "and is gone");
	accessible(6, "six pages");
	is_err(decommit(b + page, 4, &state), EINVAL, "across its end");
	is_err(vas_block_protect(world->region, (struct vas_span){ a, page }, PROT_READ,
				 &world->failure), 0, "the first page is read only");
	accessible(6, "still six");
	is_err(vas_block_protect(world->region, (struct vas_span){ a, 5 * page }, PROT_READ,
				 &world->failure), EINVAL, "across its end");
	is_err(vas_block_guard(world->region, (struct vas_span){ c + 4 * page, page }, true,
			       &world->failure), ENOENT, "no block to guard");
	is_err(world_free(world, a), 0, "the first is freed");
	accessible(2, "two pages");
	is_err(world_free(world, c), 0, "what was never committed is freed");
	is_err(world_free(world, b), 0, "the last");
	accessible(0, "none");
	ok(world_stats(world).vmas == 1, "one kernel mapping again");
	end();
}

static void test_refused(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_COMMIT };
	uint64_t start = 0, kept;

	begin(64, NULL);
	kept = take(1, 0);
	refuse.commit = true;
	is_err(world_alloc(world, 4 * page, &opts, &start), ENOMEM, "the kernel commits nothing");
	is_str(world_why(world), "kernel", "the reason");
	is_u64(world_stats(world).blocks, 1, "no block is taken");
	is_err(world_commit(world, kept, page), ENOMEM, "nor in a block");
	accessible(0, "nothing");
	refuse.commit = false;
	is_err(world_alloc(world, 63 * page, &opts, &start), 0, "all the rest");
	accessible(63, "all");
	end();
}

static void test_resize(void)
{
	uint64_t a, b;

	begin(64, NULL);
	a = take(8, VAS_ALLOC_COMMIT);
	b = take(8, 0);
	is_err(world_resize(world, a, 9 * page), ENOSPC, "into the next block");
	is_err(world_resize(world, a, 0), EINVAL, "to nothing");
	is_err(world_resize(world, a + page, page), EINVAL, "inside");
	is_err(world_resize(world, a, 3 * page + 1), 0, "smaller, rounded up");
	accessible(4, "half of it");
	is_u64(world_stats(world).used / page, 12, "the tail is free");
	is_err(world_resize(world, a, 8 * page), 0, "as large as before");
	accessible(4, "the rest is not committed");
	is_err(world_resize(world, a, 8 * page), 0, "to what it is");
	is_err(world_resize(world, b, 4 * page), 0, "what was never committed, smaller");
	is_err(world_resize(world, b, 56 * page), 0, "and all that is there");
	is_err(world_resize(world, b, 57 * page), ERANGE, "beyond the region");
	is_u64(world_stats(world).used / page, 64, "all is used");
	is_err(world_free(world, a), 0, "freed");
	accessible(0, "nothing");
	end();
}

static int split(uint64_t start, uint64_t at)
{
	memset(&world->failure, 0, sizeof(world->failure));
	return vas_block_split(world->region, start, at, &world->failure);
}

static int merge(uint64_t lower, uint64_t upper)
{
	memset(&world->failure, 0, sizeof(world->failure));
	return vas_block_merge(world->region, lower, upper, &world->failure);
}

static void test_split(void)
{
	uint64_t a, b;

	begin(64, NULL);
	a = take(8, VAS_ALLOC_COMMIT);
	b = take(8, 0);
	is_err(split(a, a), EINVAL, "at its start");
	is_err(split(a, b), EINVAL, "at its end");
	is_err(split(a, a + page / 2), EINVAL, "inside a page");
	is_err(split(a + page, a + 2 * page), EINVAL, "from inside");
	is_err(split(b + 8 * page, b + 9 * page), ENOENT, "none");
	is_err(split(a, a + 3 * page), 0, "in two");
	is_u64(world_stats(world).blocks, 3, "three blocks");
	is_err(world_free(world, a), 0, "the lower one goes");
	accessible(5, "the upper one stays");
	is_err(merge(a, a + 3 * page), ENOENT, "not with what is not there");
	is_err(merge(a + 3 * page, b + page), EINVAL, "nor inside");
	is_err(merge(b, a + 3 * page), EINVAL, "nor the wrong way around");
	is_err(merge(a + 3 * page, b), 0, "the rest with the second");
	is_u64(world_stats(world).blocks, 1, "one block");
	accessible(5, "one block");
	is_err(world_free(world, b), EINVAL, "which is not a start any more");
	is_err(world_free(world, a + 3 * page), 0, "freed as one");
	accessible(0, "nothing");
	/* Committed only in the upper half: the lower one's free must know. */
	a = take(4, 0);
	b = take(4, VAS_ALLOC_COMMIT);
	is_err(merge(a, b), 0, "two that differ");
	is_err(world_free(world, a), 0, "freed");
	accessible(0, "nothing");
	end();
}

static void test_cap(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_COMMIT };
	struct vas_region_opts region = { .size = sizeof(region), .cap = 10 * page };
	uint64_t a, b, start;

	begin(64, &region);
	a = take(6, VAS_ALLOC_COMMIT);
	b = take(6, 0);
	is_err(world_alloc(world, 5 * page, &opts, &start), EDQUOT, "a block above the cap");
	is_str(world_why(world), "cap", "the reason");
	is_err(world_commit(world, b, 5 * page), EDQUOT, "a part above the cap");
	is_err(world_commit(world, b, 4 * page), 0, "all that is left");
	is_err(world_commit(world, a, 6 * page), 0, "what is committed already adds nothing");
	is_err(world_commit(world, b, 5 * page), EDQUOT, "a page more");
	accessible(10, "as much as the cap");
	is_err(world_free(world, a), 0, "room");
	is_err(world_commit(world, b, 6 * page), 0, "for that page");
	is_u64(world->region->pending, 0, "nothing is on its way");
	end();
}

static uint64_t free_to(uint64_t start, enum vas_retired want)
{
	enum vas_retired state = VAS_RETIRED_GONE;

	is_err(vas_block_free(world->region, start, &world->failure, &state), 0, "freed");
	is_u64(state, want, "as far as that");
	return start;
}

static void test_retired(void)
{
	struct vas_alloc_opts exact = { .size = sizeof(exact), .flags = VAS_ALLOC_EXACT };
	struct vas_region_stats stats;
	uint64_t a, b, c, start;

	begin(64, NULL);
	a = take(4, VAS_ALLOC_COMMIT);
	b = take(4, VAS_ALLOC_COMMIT);
	c = take(4, VAS_ALLOC_COMMIT);
	refuse.map = refuse.protect = true;
	refuse.advise = true;
	free_to(b, VAS_RETIRED_HELD);
	is_u64(world->region->retired, 1, "kept back");
	stats = world_stats(world);
	ok(stats.blocks == 2 && stats.held == 4 * page, "not live, but held");
	is_err(world_free(world, b), ENOENT, "no block any more");
	exact.address = (void *)(uintptr_t)b;
	is_err(world_alloc(world, page, &exact, &start), EEXIST, "not handed out");
	refuse.advise = false;
	refuse.protect = false;
	free_to(c, VAS_RETIRED_GUARDED);
	is_u64(world->region->retired, 1, "what faults is not kept back");
	world_check(world, "at the limit");
	exact.address = (void *)(uintptr_t)c;
	exact.flags = VAS_ALLOC_EXACT | VAS_ALLOC_COMMIT;
	is_err(world_alloc(world, 4 * page, &exact, &c), 0, "but handed out again");
	refuse.map = false;
	free_to(a, VAS_RETIRED_GONE);
	(void)vas_part_retry(&world->space, UINT32_MAX);
	is_u64(world->region->retired, 0, "what was held is free when the kernel lets it");
	exact.address = (void *)(uintptr_t)b;
	is_err(world_alloc(world, 4 * page, &exact, &start), 0, "and handed out");
	accessible(8, "two blocks");
	end();
}

/* A tail that the kernel does not take back stays out of use. */
static void test_retired_tail(void)
{
	uint64_t a;

	begin(16, NULL);
	a = take(8, VAS_ALLOC_COMMIT);
	refuse.map = refuse.protect = refuse.advise = true;
	is_err(world_resize(world, a, 4 * page), 0, "smaller");
	is_u64(world->region->retired, 1, "its tail is kept back");
	is_err(world_resize(world, a, 8 * page), ENOSPC, "and not to be had");
	refuse.map = refuse.protect = refuse.advise = false;
	(void)vas_part_retry(&world->space, UINT32_MAX);
	is_err(world_resize(world, a, 8 * page), 0, "until the kernel lets it");
	accessible(4, "the head only");
	end();
}

static int lend(uint64_t start, uint64_t pages)
{
	int err = vas_block_lend(world->region, (struct vas_span){ start, pages * page },
				 &world->failure);

	if (!err)
		vas_region_unpin(world->region);
	return err;
}

/* Who knows only an address asks the region that had it when he looked. */
static void test_lent(void)
{
	uint64_t a;

	begin(16, NULL);
	a = take(4, VAS_ALLOC_COMMIT);
	is_err(lend(a + page, 3), 0, "a part of a block");
	is_err(lend(a + page, 4), EINVAL, "more than one");
	is_err(lend(a + 8 * page, 1), ENOENT, "no block");
	is_err(lend(a + 16 * page, 1), EAGAIN, "another region's by now");
	is_err(lend(world->region->span.start - page, 1), EAGAIN, "below it, too");
	free_to(a, VAS_RETIRED_GONE);
	is_err(lend(a, 1), ENOENT, "no block any more");
	end();
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_commit, test_refused, test_resize,	      test_split,
		test_cap,    test_retired, test_retired_tail, test_lent,
	};

	tap_plan(0);
	world_every_page(&page, tests, sizeof(tests) / sizeof(tests[0]));
	return tap_done();
}
