/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 8 */
/*
 * Quarantine with threads: readers without locks never see a block that has become another while they are
 * inside, and do see that without quarantine. Threads that end or are cancelled inside hold nothing up.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "support/crew.h"
#include "tap/tap.h"

#define SLOTS	8u
#define FREERS	2u
#define READERS 2u
#define TRIES	5000u /* milliseconds until a thread that ended is gone for the kernel too */

static uint64_t page;
static struct vas_region *region;
static uint64_t *slots[SLOTS]; /* atomic */
static uint32_t freers_left; /* atomic */
static uint32_t reused; /* atomic */

static void begin(bool quarantine)
{
	VAS_OPTS(vas_region_opts, opts);
	if (quarantine)
		opts.flags = VAS_REGION_QUARANTINE;
	else
		opts.cache_bytes = 1u << 30;
	if (vas_region_create(4096 * page, &opts, &region))
		tap_bail("no region");
}

static void end(void)
{
	ok(vas_region_check(region), "the books are whole");
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
}

/* A block that says which it is. */
static uint64_t *make(uint64_t value)
{
	struct vas_block block;
	uint64_t *word;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT | VAS_ALLOC_DIRTY;
	if (vas_region_alloc(region, page, &opts, &block)) {
		crew_fault("no block");
		return NULL;
	}
	word = block.start;
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	return word;
}

/* --- one reader and one freer, step by step --- */

static uint64_t *shown;

static void step(void *entering, unsigned int number)
{
	struct vas_region_thread *thread = NULL;
	uint64_t *word;

	if (number == 0 && *(const bool *)entering) {
		if (vas_region_join(region, &thread))
			crew_fault("the reader cannot join");
		vas_region_enter(thread);
	}
	crew_meet();
	word = __atomic_load_n(&shown, __ATOMIC_ACQUIRE);
	crew_meet();
	if (number == 1) {
		if (vas_region_free(region, word, NULL))
			crew_fault("not freed");
		(void)make(2);
	}
	crew_meet();
	if (number == 0 && __atomic_load_n(word, __ATOMIC_ACQUIRE) != 1)
		__atomic_fetch_add(&reused, 1, __ATOMIC_RELAXED);
	if (thread) {
		vas_region_leave(thread);
		if (vas_region_quit(thread))
			crew_fault("the reader cannot quit");
	}
}

static void test_step(void)
{
	bool entering = false;

	begin(false);
	reused = 0;
	shown = make(1);
	crew_run(2, step, &entering);
	is_u64(reused, 1, "without quarantine the block is another's under the reader's eyes");
	is_u64(crew_faults(), 0, "nothing else is wrong");
	end();

	begin(true);
	entering = true;
	reused = 0;
	shown = make(1);
	crew_run(2, step, &entering);
	is_u64(reused, 0, "with it, it is not");
	is_u64(crew_faults(), 0, "nothing else is wrong");
	end();
}

/* --- many --- */

static void replace(uint64_t rounds, unsigned int number)
{
	uint64_t serial = (uint64_t)number << 32;

	for (uint64_t i = 0; i < rounds && !crew_failed(); i++) {
		uint32_t slot = (uint32_t)((i * 7 + number) % SLOTS);
		uint64_t *fresh = make((++serial << 8 | slot) + 1), *old;

		old = __atomic_exchange_n(&slots[slot], fresh, __ATOMIC_ACQ_REL);
		if (old && vas_region_free(region, old, NULL))
			crew_fault("a block cannot be freed");
	}
	__atomic_fetch_sub(&freers_left, 1, __ATOMIC_RELEASE);
}

static void look(struct vas_region_thread *thread, uint32_t slot)
{
	uint64_t *word, seen;

	vas_region_enter(thread);
	word = __atomic_load_n(&slots[slot], __ATOMIC_ACQUIRE);
	if (word) {
		seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		if (((seen - 1) & 0xff) != slot)
			crew_fault("slot %u holds %jx", slot, (uintmax_t)seen);
		for (uint32_t i = 0; i < 64; i++)
			if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != seen)
				crew_fault("a block has become another");
	}
	vas_region_leave(thread);
}

static void work(void *rounds, unsigned int number)
{
	struct vas_region_thread *thread;

	if (number < FREERS) {
		crew_meet();
		replace(*(const uint64_t *)rounds, number);
		return;
	}
	if (vas_region_join(region, &thread)) {
		crew_fault("a reader cannot join");
		crew_meet();
		return;
	}
	crew_meet();
	for (uint32_t i = 0; __atomic_load_n(&freers_left, __ATOMIC_ACQUIRE) && !crew_failed(); i++)
		look(thread, i % SLOTS);
	if (vas_region_quit(thread))
		crew_fault("a reader cannot quit");
}

static void test_many(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t rounds = tap_scaled(5000), given;

	begin(true);
	freers_left = FREERS;
	memset(slots, 0, sizeof(slots));
	crew_run(FREERS + READERS, work, &rounds);
	is_u64(crew_faults(), 0, "no reader saw a block become another");
	is_err(vas_region_trim(region, UINT64_MAX, &given), 0, "trimmed");
	is_err(vas_region_stats(region, &stats), 0, "statistics");
	is_u64(stats.waiting, 0, "nothing waits any more");
	is_u64(stats.blocks, SLOTS, "what is shown is left");
	end();
}

/* --- threads that end inside --- */

static void *enter_and(void *sleeping)
{
	struct vas_region_thread *thread;

	if (vas_region_join(region, &thread))
		return NULL;
	vas_region_enter(thread);
	__atomic_store_n(&freers_left, 1, __ATOMIC_RELEASE);
	while (sleeping)
		pause(); /* a cancellation point */
	return region;
}

static void test_ended(bool cancelled)
{
	const char *how = cancelled ? "cancelled" : "ended";
	uint64_t given = 0, *block;
	enum vas_retired state;
	pthread_t thread;
	void *result;

	begin(true);
	freers_left = 0;
	if (pthread_create(&thread, NULL, enter_and, cancelled ? &given : NULL))
		tap_bail("no thread");
	while (!__atomic_load_n(&freers_left, __ATOMIC_ACQUIRE))
		usleep(1000);
	block = make(3);
	is_err(vas_region_free(region, block, &state), 0, "freed");
	is_u64(state, VAS_RETIRED_WAITING, "it may have to wait");
	if (cancelled) {
		is_err(vas_region_trim(region, UINT64_MAX, &given), 0, "trimmed");
		is_u64(given, 0, "the thread is inside");
		is_u64(*block, 3, "and could read it");
		if (pthread_cancel(thread))
			tap_bail("not cancelled");
	}
	if (pthread_join(thread, &result))
		tap_bail("not joined");
	ok(result == (cancelled ? PTHREAD_CANCELED : region), "it has %s", how);
	/* The kernel forgets it a moment after the libc. */
	for (uint32_t i = 0; i < TRIES; i++) {
		struct vas_region_stats stats = { .size = sizeof(stats) };

		(void)vas_region_trim(region, UINT64_MAX, &given);
		(void)vas_region_stats(region, &stats);
		given = stats.waiting;
		if (!given)
			break;
		usleep(1000);
	}
	is_u64(given, 0, "a thread that has %s inside holds nothing up", how);
	end();
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	test_step();
	test_many();
	test_ended(false);
	test_ended(true);
	return tap_done();
}
