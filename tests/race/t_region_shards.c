/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 15 */
/*
 * The short ways of a region: threads take and free blocks without its lock, each other's, too, while another
 * one drains the cache, forks, splits or resizes. Each page is somebody's at most once, of two frees one wins, and the
 * books are exact afterwards. With the numbers that the kernel keeps for threads, and with their own.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "support/crew.h"
#include "support/region_churn.h"
#include "sys/environment.h"
#include "tap/tap.h"

#define THREADS 4u
#define PAGES	65536u /* from the region's start on, where all blocks are */
#define KEPT	32u /* blocks that all threads have together */
#define LARGEST 4u /* pages of a block */

static struct region_churn churn;
static uintptr_t base;
static uint8_t taken[PAGES]; /* atomic; 1: the page is in a block */
static struct vas_block *kept[KEPT]; /* atomic */
static struct vas_block blocks[KEPT + THREADS]; /* what kept points to, and one more for each thread */
static uint64_t allocs, frees; /* atomic */
static uint32_t working; /* atomic */

/* --- the world --- */

static void begin(uint64_t cache)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	VAS_OPTS(vas_region_opts, opts);
	/* Mappings of the library's books stay; vas_sync_check looks at the others. */
	tap_ignore_leaks(TAP_LEAK_VMAS);
	opts.cache_bytes = cache;
	/* Large enough for the allocator's magazines, where such a span can be had. */
	region_churn_begin(&churn, tap_under_valgrind() ? PAGES : (20ull << 30) / churn.page, &opts);
	(void)vas_region_stats(churn.region, &stats);
	base = stats.span.start;
	memset(taken, 0, sizeof(taken));
	memset(kept, 0, sizeof(kept));
	allocs = 0;
	frees = 0;
}

static void end(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	is_u64(crew_faults(), 0, "no thread found anything wrong");
	is_err(vas_region_stats(churn.region, &stats), 0, "statistics");
	is_u64(stats.allocs, allocs, "each allocation was counted");
	is_u64(stats.frees, frees, "and each free");
	ok(vas_region_check(churn.region), "with a warm cache, the books are whole");
	(void)vas_region_relieve(churn.region, (struct vas_span){ 0 });
	is_err(vas_region_stats(churn.region, &stats), 0, "statistics");
	is_u64(stats.warm, 0, "the cache can be emptied");
	region_churn_end(&churn);
}

static void pages_note(const struct vas_block *block, uint8_t value)
{
	uint64_t first = ((uintptr_t)block->start - base) / churn.page;

	if (first + LARGEST > PAGES) {
		crew_fault("a block is far up");
		return;
	}
	for (uint64_t i = first; i < first + block->size / churn.page; i++)
		if (__atomic_exchange_n(&taken[i], value, __ATOMIC_ACQ_REL) == value)
			crew_fault("page %ju is %s", (uintmax_t)i,
				   value ? "handed out twice" : "freed twice");
}

/* Takes a block of one of the kinds: without memory, warm, warm and zeroed. */
static bool take(struct vas_block *block, uint64_t random)
{
	unsigned char *bytes;
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = random % 3 == 0 ? 0 : VAS_ALLOC_COMMIT;
	opts.flags |= random % 3 == 1 ? VAS_ALLOC_DIRTY : 0;
	err = vas_region_alloc(churn.region, (1 + random / 3 % LARGEST) * churn.page, &opts, block);
	if (err) {
		crew_fault("no block: %d", err);
		return false;
	}
	__atomic_fetch_add(&allocs, 1, __ATOMIC_RELAXED);
	pages_note(block, 1);
	bytes = block->start;
	block->tag = opts.flags != 0;
	if (random % 3 == 2 && (bytes[0] || bytes[block->size - 1]))
		crew_fault("what should be zeroes is not");
	if (block->tag)
		bytes[0] = bytes[block->size - 1] = 0x5a;
	return true;
}

static void give(struct vas_block *block)
{
	const unsigned char *bytes = block->start;
	int err;

	if (block->tag && (bytes[0] != 0x5a || bytes[block->size - 1] != 0x5a))
		crew_fault("somebody else wrote into a block");
	pages_note(block, 0);
	err = vas_region_free(churn.region, block->start, NULL);
	if (err)
		crew_fault("a block cannot be freed: %d", err);
	__atomic_fetch_add(&frees, 1, __ATOMIC_RELAXED);
}

/* Puts what it took where another may find it, and frees what was there. */
static void trade(uint64_t rounds, unsigned int number)
{
	struct vas_block *mine = &blocks[KEPT + number - 1];
	uint64_t state = tap_seed() + number;

	for (uint64_t i = 0; i < rounds && !crew_failed(); i++) {
		uint64_t random = region_churn_draw(&state);

		if (!take(mine, random >> 8))
			continue;
		mine = __atomic_exchange_n(&kept[random % KEPT], mine, __ATOMIC_ACQ_REL);
		if (!mine)
			mine = &blocks[random % KEPT];
		else
			give(mine);
	}
}

static void clear(void)
{
	for (unsigned int i = 0; i < KEPT; i++)
		if (kept[i])
			give(kept[i]);
}

/* --- what another thread does meanwhile --- */

static void drain(uint64_t i)
{
	if (i % 3 == 0)
		(void)vas_region_relieve(churn.region, (struct vas_span){ 0 });
	else if (i % 3 == 1)
		(void)vas_cache_age(churn.region, i);
	else
		(void)vas_cache_drain_span(churn.region, (struct vas_span){ base, PAGES * churn.page });
	usleep(50);
}

static int child(void)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	for (int i = 0; i < 20; i++)
		if (vas_region_alloc(churn.region, churn.page, i % 2 ? &opts : NULL, &block) ||
		    vas_region_free(churn.region, block.start, NULL))
			return 1;
	return vas_region_check(churn.region) && vas_sync_check(NULL) == 0 ? 0 : 2;
}

static void fork_once(uint64_t i)
{
	int status = 0;
	pid_t pid = fork();

	(void)i;
	if (pid == 0)
		_exit(child());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		crew_fault("a child ended with %x", status);
}

static void split_once(uint64_t i)
{
	struct vas_region *upper;
	char *at = (char *)base + (PAGES / 2 + i % 64) * churn.page;
	int err = vas_region_split(churn.region, at, &upper);

	/* Threads take blocks low, but one may be there. */
	if (!err)
		err = vas_region_merge(churn.region, upper);
	if (err && err != -EINVAL)
		crew_fault("split or merge: %d", err);
}

static void resize_once(uint64_t i)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = i % 2 ? VAS_ALLOC_COMMIT : 0;
	if (vas_region_alloc(churn.region, 4 * churn.page, &opts, &block) ||
	    vas_region_resize(churn.region, block.start, 2 * churn.page) ||
	    vas_region_resize(churn.region, block.start, 1 * churn.page) ||
	    vas_region_free(churn.region, block.start, NULL))
		crew_fault("a block cannot be made smaller");
	__atomic_fetch_add(&allocs, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&frees, 1, __ATOMIC_RELAXED);
}

static void sum_once(uint64_t i)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	(void)vas_region_stats(churn.region, &stats);
	(void)vas_region_next(churn.region, (char *)base + i % 64 * churn.page, &block);
	if (!vas_region_check(churn.region))
		crew_fault("the books are not whole in the middle");
}

struct meanwhile {
	const char *name;
	void (*once)(uint64_t i);
	uint64_t rounds; /* of each thread that trades */
};

static void meanwhile_work(void *argument, unsigned int number)
{
	const struct meanwhile *meanwhile = argument;
	uint64_t i = 0;

	crew_meet();
	if (number) {
		trade(tap_scaled(meanwhile->rounds), number);
		__atomic_sub_fetch(&working, 1, __ATOMIC_RELEASE);
		return;
	}
	do
		meanwhile->once(i++);
	while (__atomic_load_n(&working, __ATOMIC_ACQUIRE) && !crew_failed());
}

static void run_meanwhile(void *argument)
{
	begin(64 * churn.page);
	working = THREADS - 1;
	crew_run(THREADS, meanwhile_work, argument);
	clear();
	end();
}

/* --- two frees of one block --- */

static void *doomed; /* atomic */
static uint32_t wins; /* atomic */

static void free_it(void *rounds, unsigned int number)
{
	struct vas_block block;
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	for (uint64_t i = 0; i < *(const uint64_t *)rounds && !crew_failed(); i++) {
		opts.flags = i % 2 ? VAS_ALLOC_COMMIT : 0;
		/* Each has a shard. */
		if (vas_region_alloc(churn.region, (1 + number) * churn.page, &opts, &block) ||
		    vas_region_free(churn.region, block.start, NULL))
			crew_fault("no block");
		crew_meet();
		if (number == 0) {
			if (vas_region_alloc(churn.region, 4 * churn.page, &opts, &block))
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

static void double_free(void *argument)
{
	uint64_t rounds = tap_scaled(500);

	(void)argument;
	begin(64 * churn.page);
	wins = 0;
	crew_run(2, free_it, &rounds);
	is_u64(wins, rounds, "one free of each pair wins");
	allocs = frees = 3 * rounds;
	end();
}

/* --- the same calls, the same addresses --- */

#define CALLS 3000u

static uint64_t calls[2][CALLS];

/* Where blocks begin, from the region's start on. */
static void call_all(uint64_t *told)
{
	struct vas_block held[KEPT];
	uint64_t state = 1;

	memset(held, 0, sizeof(held));
	begin(64 * churn.page);
	for (uint32_t i = 0; i < CALLS; i++) {
		uint64_t random = region_churn_draw(&state);
		struct vas_block *block = &held[random % KEPT];

		if (block->start)
			give(block);
		if (!take(block, random >> 8))
			break;
		told[i] = (uintptr_t)block->start - base;
	}
	for (uint32_t i = 0; i < KEPT; i++)
		if (held[i].start)
			give(&held[i]);
	end();
}

static void deterministic(void *argument)
{
	cpu_set_t set;

	(void)argument;
	/* Kernels before 6.3 tell the processor. */
	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	call_all(calls[0]);
	call_all(calls[1]);
	ok(!memcmp(calls[0], calls[1], sizeof(calls[0])), "one thread gets the same addresses");
}

int main(void)
{
	static struct meanwhile all[] = {
		{ "the cache is drained", drain, 3000 },
		{ "a thread forks", fork_once, 3000 },
		{ "the region is split and merged", split_once, 3000 },
		{ "blocks change their sizes", resize_once, 3000 },
		{ "somebody looks", sum_once, 1500 },
	};
	static const char *const sources[] = { "auto", "thread" };
	char name[80];

	tap_plan(0);
	churn.page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (unsigned int i = 0; i < 2; i++) {
		setenv("VASPACE_SLOT", sources[i], 1);
		vas_environment_reload();
		vas_slot_reload();
		for (unsigned int k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			snprintf(name, sizeof(name), "%s: %s", sources[i], all[k].name);
			tap_case(name, run_meanwhile, &all[k], 60);
		}
		snprintf(name, sizeof(name), "%s: two frees of one block", sources[i]);
		tap_case(name, double_free, NULL, 60);
		/* A sanitizer's own thread may have the number that was ours. */
		if (i == 1 || !tap_under_sanitizer()) {
			snprintf(name, sizeof(name), "%s: one thread alone", sources[i]);
			tap_case(name, deterministic, NULL, 60);
		}
	}
	return tap_done();
}
