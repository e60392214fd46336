/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block that is allocated, committed, written and freed, when the region keeps
 * freed memory warm, against mmap, the same writes, and munmap; and two threads that do it
 * in one region, without touching, against one.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "beside.h"
#include "measure.h"
#include "region.h"

#define PAGE 4096u
#define CACHE (64ull << 20)

static void touch(unsigned char *memory, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += PAGE)
		*(volatile unsigned char *)(memory + at) = 1;
}

struct warm {
	struct vas_region *region;
	uint64_t size;
	uint32_t flags;
	uint64_t spent;
};

static int map_some(const struct warm *warm, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		void *memory = mmap(NULL, warm->size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return -errno;
		touch(memory, warm->size);
		if (munmap(memory, warm->size))
			return -errno;
	}
	return 0;
}

/* Nothing is touched. */
static int warm_pairs(const struct warm *warm, unsigned int count)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT | warm->flags;
	for (unsigned int i = 0; i < count; i++) {
		struct vas_block block;
		int err = vas_region_alloc(warm->region, warm->size, &opts, &block);

		if (!err)
			err = vas_region_free(warm->region, block.start, NULL);
		if (err)
			return err;
	}
	return 0;
}

static int warm_some(const struct warm *warm, unsigned int count)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT | warm->flags;
	for (unsigned int i = 0; i < count; i++) {
		struct vas_block block;
		int err = vas_region_alloc(warm->region, warm->size, &opts, &block);

		if (err)
			return err;
		touch(block.start, warm->size);
		err = vas_region_free(warm->region, block.start, NULL);
		if (err)
			return err;
	}
	return 0;
}

static int warm_run(void *context, unsigned int count)
{
	struct warm *warm = context;
	uint64_t start = cpu_ns();
	int err = warm->region ? warm_some(warm, count) : map_some(warm, count);

	warm->spent = cpu_ns() - start;
	return err;
}

struct warm_case {
	struct group_context *group;
	uint64_t size;
	unsigned int batch;
};

static int warm_measure(void *context)
{
	struct warm_case *item = context;
	struct warm map = { .size = item->size }, zeroed = map, dirty = map;
	struct contender contenders[] = {
		{ "mmap, touch, munmap", warm_run, &map, .batch = item->batch,
		  .spent = &map.spent },
		{ "alloc, commit, touch, free: as it was left", warm_run, &dirty, .batch = item->batch,
		  .bound = 0.2, .spent = &dirty.spent },
		{ "alloc, commit, touch, free: zeroes", warm_run, &zeroed, .batch = item->batch,
		  .bound = 0.2, .spent = &zeroed.spent },
	};
	unsigned int failed = 0;
	char name[64];
	int err;

	VAS_OPTS(vas_region_opts, opts);
	opts.cache_bytes = CACHE;
	dirty.flags = VAS_ALLOC_DIRTY;
	err = vas_region_create(1ull << 30, &opts, &dirty.region);
	if (!err)
		err = vas_region_create(1ull << 30, &opts, &zeroed.region);
	if (!err)
		err = measure(contenders, 3, item->group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: warm: %s: error %d\n", contenders[failed].name, -err);
		return err;
	}
	snprintf(name, sizeof(name), "warm cache, %u KiB", (unsigned int)(item->size >> 10));
	output_group(item->group->output, name, contenders, 3);
	return 0;
}

/* --- two threads --- */

#define SHARED_BATCH 256u

struct shared {
	struct warm *warm; /* the region is everybody's */
	unsigned int threads;
	struct beside_side sides[BESIDE_SIDES];
	uint64_t spent;
};

static int shared_batch(void *context)
{
	const struct shared *shared = context;

	return warm_pairs(shared->warm, SHARED_BATCH);
}

static int shared_run(void *context, unsigned int count)
{
	struct shared *shared = context;
	double ns = 0;
	int err;

	for (unsigned int i = 0; i < shared->threads; i++) {
		shared->sides[i].context = shared;
		shared->sides[i].run = shared_batch;
	}
	err = beside_measure(shared->sides, shared->threads, &ns);
	shared->spent = (uint64_t)(ns / SHARED_BATCH * count);
	return err;
}

/* Of a pair of both together: as many in the same time make it shorter. */
static int shared_measure(void *context)
{
	struct warm_case *item = context;
	struct warm warm = { .size = item->size, .flags = VAS_ALLOC_DIRTY };
	static struct shared one, two;
	struct contender contenders[] = {
		{ "one thread", shared_run, &one, .batch = item->batch, .spent = &one.spent },
		{ "two threads", shared_run, &two, .batch = item->batch, .bound = 1 / 1.7,
		  .spent = &two.spent },
	};
	unsigned int failed = 0;
	int err;

	VAS_OPTS(vas_region_opts, opts);
	opts.cache_bytes = CACHE;
	one = (struct shared){ .warm = &warm, .threads = 1 };
	two = (struct shared){ .warm = &warm, .threads = 2 };
	err = vas_region_create(1ull << 30, &opts, &warm.region);
	if (!err)
		err = measure(contenders, 2, item->group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: warm, shared: error %d\n", -err);
		return err;
	}
	output_group(item->group->output, "warm cache, alloc, commit, free: as it was left",
		     contenders, 2);
	return 0;
}

int bench_warm(struct group_context *group)
{
	struct warm_case cases[] = { { group, 64u << 10, 256 }, { group, 2u << 20, 16 } };
	int err = 0;

	for (unsigned int i = 0; i < 2 && !err; i++)
		err = group_in_child(group, warm_measure, &cases[i]);
	if (!err)
		err = group_in_child(group, shared_measure, &cases[0]);
	return err;
}
