/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 60 */
/*
 * The block allocator among threads: zones that are small, so that blocks cross their edges, and
 * magazines and shelves in a span that would otherwise be too small for them. Every granule of every block is
 * stamped by who got it, so a granule handed out twice is seen; blocks are freed by other
 * threads than took them; and of several frees of one block at once exactly one works.
 */
#define VAS_BLOCKS_ZONE_SHIFT	21u
#define VAS_BLOCKS_SMALL_IS_ONE 0
#define VAS_BLOCKS_CACHE_LEAST	1

#include "support/blocks_all.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/random.h"
#include "sys/lock.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define START	(UINT64_C(5) << 40)

enum { THREADS = 4, CELLS = 16384, HELD = 64, SHARED = 256, ROUNDS = 200 };

static struct {
	struct vas_blocks *blocks;
	uint32_t owner[CELLS]; /* atomic; 0 = free */
	uint64_t exchange[SHARED]; /* atomic; blocks left for others to free */
	uint64_t twice[SHARED]; /* constant: blocks that all threads free at once */
	pthread_barrier_t barrier;
	uint64_t steps;
	uint64_t wrong; /* atomic, as are the next */
	uint64_t allocs;
	uint64_t refused;
	uint64_t won;
	uint64_t met;
} shared;

static int take(void *context, size_t size, void **memory)
{
	(void)context;
	*memory = aligned_alloc(4096, size);
	if (*memory)
		memset(*memory, 0, size);
	return *memory ? 0 : -ENOMEM;
}

static void give(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static void lock(void *context, uint32_t *word)
{
	(void)context;
	vas_lock_take((struct vas_lock *)(void *)word);
}

static void unlock(void *context, uint32_t *word)
{
	(void)context;
	vas_lock_drop((struct vas_lock *)(void *)word);
}

static __thread uint32_t own_slot;

static const struct vas_blocks_support *support(void)
{
	static struct vas_blocks_support made = {
		.take = take, .give = give, .lock = lock, .unlock = unlock
	};

	made.slot = vas_thread_word_at(&own_slot);
	return &made;
}

static void wrong(void)
{
	__atomic_fetch_add(&shared.wrong, 1, __ATOMIC_RELAXED);
}

/* Changes the owner of every granule of a block. */
static void stamp(struct vas_span span, uint32_t from, uint32_t to)
{
	uint64_t first = (span.start - START) / GRANULE;

	for (uint64_t i = first; i < first + span.size / GRANULE; i++)
		if (__atomic_exchange_n(&shared.owner[i], to, __ATOMIC_RELAXED) != from)
			wrong();
}

static uint64_t take_block(uint64_t *random, uint32_t self)
{
	struct vas_block_request request = { .size = GRANULE << vas_random_below(random, 6) };
	uint64_t start;
	int error;

	request.size += vas_random_below(random, 3) * GRANULE;
	request.mark = self;
	if (vas_random_below(random, 8) == 0)
		request.alignment = UINT64_C(65536) << vas_random_below(random, 6);
	if (vas_random_below(random, 16) == 0)
		request.flags = VAS_BLOCKS_LOW << vas_random_below(random, 2);
	if (vas_random_below(random, 64) == 0)
		request.size = 700 * GRANULE;
	if (vas_random_below(random, 3) == 0) {
		request.min = START + vas_random_below(random, CELLS / 2) * GRANULE;
		request.max = request.min + CELLS / 2 * GRANULE;
	}
	error = vas_blocks_alloc(shared.blocks, &request, &start);
	if (error) {
		if (error != -ENOSPC)
			wrong();
		__atomic_fetch_add(&shared.refused, 1, __ATOMIC_RELAXED);
		return 0;
	}
	__atomic_fetch_add(&shared.allocs, 1, __ATOMIC_RELAXED);
	if (start < request.min || (request.max && start + request.size > request.max))
		wrong();
	stamp((struct vas_span){ start, request.size }, 0, self);
	return start;
}

/* Frees a block of anybody's. Its granules must all be of one owner until then. */
static void free_block(uint64_t start)
{
	struct vas_block_info info, freed;

	if (vas_blocks_at(shared.blocks, start, &info) || info.span.start != start)
		wrong();
	stamp(info.span, info.mark, 0);
	if (vas_blocks_free(shared.blocks, start, &freed) || freed.span.size != info.span.size)
		wrong();
}

static void step(uint64_t *random, uint64_t *held, uint32_t self)
{
	uint64_t *mine = &held[vas_random_below(random, HELD)];
	uint64_t *theirs = &shared.exchange[vas_random_below(random, SHARED)];
	struct vas_block_info info;

	if (!*mine)
		*mine = take_block(random, self);
	else if (vas_random_below(random, 2))
		*mine = __atomic_exchange_n(theirs, *mine, __ATOMIC_ACQ_REL);
	else {
		free_block(*mine);
		*mine = 0;
	}
	if (vas_random_below(random, 4096) == 0)
		(void)vas_blocks_next(shared.blocks, START, &info);
}

/* All go on at the same moment, nearer than a barrier can wake them. */
static void meet(void)
{
	uint64_t met = __atomic_add_fetch(&shared.met, 1, __ATOMIC_RELAXED);
	uint64_t all = (met + THREADS - 1) / THREADS * THREADS;

	for (unsigned spins = 0; __atomic_load_n(&shared.met, __ATOMIC_RELAXED) < all; spins++)
		if (spins > 2000)
			sched_yield();
}

/* Each block is freed by every thread. */
static void free_all(void)
{
	struct vas_block_info info;

	meet();

	for (unsigned i = 0; i < SHARED; i++)
		switch (vas_blocks_free(shared.blocks, shared.twice[i], &info)) {
		case 0:
			__atomic_fetch_add(&shared.won, 1, __ATOMIC_RELAXED);
			break;
		case -ENOENT:
			break;
		default:
			wrong();
		}
}

static void *worker(void *arg)
{
	uint32_t self = (uint32_t)(uintptr_t)arg;
	uint64_t random = vas_mix64(self), held[HELD] = { 0 };

	own_slot = 0; /* all share a magazine */
	pthread_barrier_wait(&shared.barrier);
	for (uint64_t i = 0; i < shared.steps; i++)
		step(&random, held, self);
	for (unsigned i = 0; i < HELD; i++)
		if (held[i])
			free_block(held[i]);
	pthread_barrier_wait(&shared.barrier);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* The main thread makes the blocks that all of us free. */
		pthread_barrier_wait(&shared.barrier);
		free_all();
		pthread_barrier_wait(&shared.barrier);
	}
	return NULL;
}

static void all_free(const char *when)
{
	struct vas_blocks_stats stats;

	vas_blocks_stats(shared.blocks, &stats);
	ok(!stats.live && !stats.used && stats.free_ranges == 1 && stats.largest_free == stats.size,
	   "%s: all is one free range", when);
	ok(vas_blocks_check(shared.blocks), "%s: the books hold", when);
}

int main(void)
{
	struct vas_block_request request = { .size = 3 * GRANULE };
	pthread_t threads[THREADS];

	tap_plan(0);
	shared.steps = tap_scaled(100000);
	if (vas_blocks_create((struct vas_span){ START, CELLS * GRANULE }, GRANULE, 1, support(),
			      &shared.blocks))
		tap_bail("no allocator");
	pthread_barrier_init(&shared.barrier, NULL, THREADS + 1);
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)(i + 1)))
			tap_bail("no threads");
	pthread_barrier_wait(&shared.barrier);
	pthread_barrier_wait(&shared.barrier);
	for (unsigned i = 0; i < SHARED; i++)
		if (shared.exchange[i])
			free_block(shared.exchange[i]);
	ok(!shared.wrong && shared.allocs > shared.steps / 4,
	   "%" PRIu64 " blocks, %" PRIu64 " refused, %" PRIu64 " wrong", shared.allocs,
	   shared.refused, shared.wrong);
	all_free("after the exchange");
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < SHARED; i++)
			if (vas_blocks_alloc(shared.blocks, &request, &shared.twice[i]))
				tap_bail("no block");
		pthread_barrier_wait(&shared.barrier);
		pthread_barrier_wait(&shared.barrier);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ok(!shared.wrong && shared.won == SHARED * ROUNDS,
	   "%d blocks, each freed by all threads: %" PRIu64 " frees worked", SHARED * ROUNDS,
	   shared.won);
	all_free("after frees by all");
	vas_blocks_destroy(shared.blocks);
	return tap_done();
}
