/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A look at the figures while another thread makes the first use of the library: it was
 * told to be in a child whose fork nobody announced (-EOWNERDEAD), when the books came into being
 * between its two looks at them.
 */
#include <pthread.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

static unsigned round_done; /* atomic */
static uint64_t looks;
static int wrong;

/* Looks until the round is over; at least once. */
static void look(unsigned round)
{
	struct vas_stats stats;
	uint64_t where;
	int err;

	do {
		stats = (struct vas_stats){ .size = sizeof(stats) };
		err = vas_stats_get(&stats);
		if (!err)
			err = vas_sync_check(&where);
		wrong = err ? err : wrong;
		looks++;
	} while (__atomic_load_n(&round_done, __ATOMIC_ACQUIRE) <= round);
}

static pthread_barrier_t barrier;
static uint64_t rounds;

static void *looker(void *arg)
{
	(void)arg;
	for (unsigned round = 0; round < rounds; round++) {
		pthread_barrier_wait(&barrier);
		look(round);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int main(void)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vas_span span;
	pthread_t thread;
	int failed = 0;

	tap_plan(2);
	rounds = tap_scaled(1000);
	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&thread, NULL, looker, NULL))
		tap_bail("no thread");
	for (unsigned round = 0; round < rounds; round++) {
		pthread_barrier_wait(&barrier);
		failed |= vas_reserve(page, NULL, &span);
		failed |= vas_release(vas_span_pointer(span), NULL);
		__atomic_store_n(&round_done, round + 1, __ATOMIC_RELEASE);
		pthread_barrier_wait(&barrier);
		failed |= vas_shutdown();
	}
	pthread_join(thread, NULL);
	ok(!failed, "the library was used for the first time %llu times", (unsigned long long)rounds);
	ok(!wrong, "whoever looked meanwhile was told the truth (%d, %llu looks)", wrong,
	   (unsigned long long)looks);
	return tap_done();
}
