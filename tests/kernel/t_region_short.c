/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 3 */
/*
 * The short way to a block, without the region's lock, does what options say: each alone, and blocks of regions
 * with red zones. What is out of the ordinary it leaves to the long way.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "tap/tap.h"

enum { BLOCKS = 64 };

static struct vas_region *region;
static uint64_t page, base, size;

/* After a first block the thread has a shard, and with it the short way. */
static void begin(uint32_t flags)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	VAS_OPTS(vas_region_opts, opts);
	opts.flags = flags;
	size = 4096 * page;
	if (vas_region_create(size, &opts, &region) || vas_region_stats(region, &stats) ||
	    vas_region_alloc(region, page, NULL, &block) ||
	    vas_region_free(region, block.start, NULL))
		tap_bail("no region");
	base = stats.span.start;
	ok(vas_shards_own(&region->shards) != NULL, "the thread has the short way");
}

static void end(void)
{
	ok(vas_region_check(region), "the books hold");
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
}

static uint64_t alloc(const struct vas_alloc_opts *opts, uint64_t bytes)
{
	struct vas_block block = { .start = NULL };
	int err = vas_region_alloc(region, bytes, opts, &block);

	is_err(err, 0, "a block");
	return err ? 0 : (uintptr_t)block.start;
}

static void test_options(void)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, min);
	VAS_OPTS(vas_alloc_opts, max);
	VAS_OPTS(vas_alloc_opts, aligned);
	VAS_OPTS(vas_alloc_opts, phased);
	VAS_OPTS(vas_alloc_opts, bounded);
	VAS_OPTS(vas_alloc_opts, exact);
	VAS_OPTS(vas_alloc_opts, high);
	VAS_OPTS(vas_alloc_opts, tagged);
	begin(0);
	is_u64(alloc(NULL, 5), base, "without options it is the lowest");
	min.min = base + 900 * page;
	ok(alloc(&min, page) >= min.min, "above min");
	max.max = base + 7 * page;
	for (int i = 0; i < 6; i++)
		ok(alloc(&max, page) < max.max, "below max");
	is_err(vas_region_alloc(region, page, &max, &block), ENOSPC, "where no more is");
	aligned.alignment = 64 * page;
	is_u64(alloc(&aligned, page) % (64 * page), 0, "aligned");
	phased.alignment = 64 * page;
	phased.phase = 3 * page;
	is_u64(alloc(&phased, page) % (64 * page), 3 * page, "with a phase");
	bounded.boundary = 4 * page;
	for (int i = 0; i < 5; i++) {
		uint64_t start = alloc(&bounded, 3 * page);

		is_u64(start / (4 * page), (start + 3 * page - 1) / (4 * page),
		       "in one piece of four");
	}
	exact.flags = VAS_ALLOC_EXACT;
	exact.address = (void *)(uintptr_t)(base + 2000 * page);
	is_u64(alloc(&exact, page), base + 2000 * page, "where it is told");
	high.flags = VAS_ALLOC_HIGH;
	is_u64(alloc(&high, page), base + size - page, "the highest");
	tagged.tag = 77;
	is_err(vas_region_alloc(region, page, &tagged, &block), 0, "with a tag");
	is_u64(block.tag, 77, "that is told");
	is_err(vas_region_free_tagged(region, block.start, 77, NULL), 0, "and freed by");
	end();
}

static void test_plain(void)
{
	struct vas_block block = { .start = (void *)(uintptr_t)5 };

	VAS_OPTS(vas_alloc_opts, granule);
	begin(0);
	granule.alignment = page;
	is_u64(alloc(&granule, page), base, "an alignment of a granule is none");
	is_err(vas_region_alloc(region, 0, NULL, &block), EINVAL, "size 0");
	granule.phase = page;
	is_err(vas_region_alloc(region, page, &granule, &block), EINVAL, "a phase without one");
	is_err(vas_region_alloc(region, UINT64_MAX - 5, NULL, &block), EINVAL, "or one that wraps");
	is_u64((uintptr_t)block.start, 5, "leaves the block alone");
	end();
}

/* What may not be done there, the short way does not do either. */
static void test_refusals(void)
{
	struct vas_block block = { .start = NULL }, other;
	int status = -1;
	pid_t child;

	begin(0);
	is_err(vas_region_alloc(region, page, NULL, &block), 0, "a block");
	child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (child == 0)
		_exit(vas_region_alloc(region, page, NULL, &other) == -EOWNERDEAD &&
				      vas_region_free(region, block.start, NULL) == -EOWNERDEAD
			      ? 0
			      : 1);
	ok(child > 0 && waitpid(child, &status, 0) == child && status == 0,
	   "a child that nobody announced takes and frees nothing");
	is_err(vas_region_park(region, NULL), 0, "parked");
	is_err(vas_region_alloc(region, page, NULL, &other), EBUSY, "nothing is taken");
	is_err(vas_region_free(region, block.start, NULL), EBUSY, "nor freed");
	is_err(vas_region_unpark(region, NULL), 0, "unparked");
	is_err(vas_region_free(region, block.start, NULL), 0, "then it is");
	end();
}

static void test_red_zones(void)
{
	uint64_t start[BLOCKS], near = 0;

	begin(VAS_REGION_RED_ZONES);
	for (int i = 0; i < BLOCKS; i++)
		start[i] = alloc(NULL, page);
	for (int i = 0; i < BLOCKS; i++)
		for (int k = 0; k < i; k++)
			near += start[i] - start[k] + page <= 2 * page;
	is_u64(near, 0, "between two blocks with red zones a page is free");
	end();
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	test_options();
	test_plain();
	test_refusals();
	test_red_zones();
	return tap_done();
}
