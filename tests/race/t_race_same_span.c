/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 12 */
/*
 * One span, several threads: commits of the same and of neighbouring pages at
 * once, release against commit, two releases of the same span, and meanwhile a
 * thread that asks for details, sums and the comparison with the maps.
 */
#include "tap/tap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"

#define WORKERS 3u
#define PAGES	64u

static uint64_t page;

static struct {
	pthread_barrier_t barrier;
	struct vas_span span;
	uint64_t id;
	uint64_t rounds;
	uint64_t met; /* atomic */
	bool stop; /* atomic */
	uint64_t late; /* atomic: commits that came after a release */
	uint64_t early; /* atomic: commits before it */
	uint64_t released; /* atomic: releases that answered 0 */
	uint64_t stale, looked; /* atomic: details asked for */
	const char *wrong; /* atomic */
	int wrong_error;
} shared;

static void wrong(const char *what, int error)
{
	const char *nothing = NULL;

	if (__atomic_compare_exchange_n(&shared.wrong, &nothing, what, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		shared.wrong_error = error;
}

static void add(uint64_t *counter, uint64_t value)
{
	__atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

static void new_span(void)
{
	struct vas_owner owner;
	int err;

	err = vas_reserve(PAGES * page, NULL, &shared.span);
	if (err || vas_owner_at(vas_span_pointer(shared.span), &owner))
		tap_bail("no span: %d", err);
	__atomic_store_n(&shared.id, owner.id, __ATOMIC_RELAXED);
}

/* Whoever looks must see a state that was there at some moment. */
static void *watcher_main(void *arg)
{
	struct vas_owner_details details;
	struct vas_stats stats;
	uint64_t where;
	int err;

	(void)arg;
	do { /* at least once, however late this thread gets its turn */
		details = (struct vas_owner_details){ .size = sizeof(details) };
		err = vas_owner_details(__atomic_load_n(&shared.id, __ATOMIC_RELAXED), &details);
		add(err ? &shared.stale : &shared.looked, 1);
		if (err && err != -ESTALE)
			wrong("details answered", err);
		if (!err && (details.span.size != PAGES * page || details.held ||
			     details.committed > details.span.size || details.committed % page ||
			     details.vmas < 1 || details.vmas > PAGES ||
			     strcmp(details.name, "anonymous") != 0))
			wrong("details say what cannot be", (int)details.vmas);
		stats = (struct vas_stats){ .size = sizeof(stats) };
		err = vas_stats_get(&stats);
		if (err || stats.committed > stats.reserved || stats.held ||
		    stats.reserved != stats.spans * PAGES * page)
			wrong("sums that do not fit together", err);
		err = vas_sync_check(&where);
		if (err)
			wrong("books and maps differ", err);
	} while (!__atomic_load_n(&shared.stop, __ATOMIC_RELAXED));
	return NULL;
}

/* Commits by several threads: each page is zero once, and keeps what its first writer wrote. */

/* All workers go on at the same moment, nearer than a barrier can wake them. */
static void meet(uint64_t round)
{
	uint64_t all = (round + 1) * WORKERS;

	__atomic_fetch_add(&shared.met, 1, __ATOMIC_RELAXED);
	for (unsigned spins = 0; __atomic_load_n(&shared.met, __ATOMIC_RELAXED) < all; spins++)
		if (spins > 2000)
			sched_yield();
}

/* First single pages, so that there are many holes; then all of it. */
static void commit_some(uint64_t *random, bool whole)
{
	uint64_t first = whole ? 0 : vas_random_below(random, PAGES);
	uint64_t count = whole ? PAGES : 1;
	unsigned char *start = (unsigned char *)vas_span_pointer(shared.span) + first * page;
	uint64_t *word, nothing;
	int err;

	err = vas_commit(start, count * page, NULL);
	if (err) {
		wrong("a commit answered", err);
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		word = (uint64_t *)(void *)(start + i * page);
		nothing = 0;
		/* Whoever comes first stamps the page; a second mapping over it would lose that. */
		if (!__atomic_compare_exchange_n(word, &nothing, (uintptr_t)word, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
		    nothing != (uintptr_t)word)
			wrong("a committed page changed", 0);
		__atomic_fetch_add(word + 1, 1, __ATOMIC_RELAXED);
	}
}

static uint64_t touched; /* atomic: how many times any page was counted up */

static void *committer_main(void *arg)
{
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);

	for (uint64_t round = 0; round < shared.rounds; round++) {
		pthread_barrier_wait(&shared.barrier); /* a new span is there */
		for (unsigned i = 0; i < 8; i++)
			commit_some(&random, false);
		meet(round);
		commit_some(&random, true);
		pthread_barrier_wait(&shared.barrier);
	}
	return NULL;
}

/* Every page was stamped once and counted as often as it was committed: nothing got lost. */
static void check_pages(void)
{
	const uint64_t *word = vas_span_pointer(shared.span);
	struct vas_owner_details details = { .size = sizeof(details) };
	uint64_t pages = 0;
	int err = vas_owner_details(shared.id, &details);

	if (err)
		wrong("details of a live span", err);
	for (uint64_t i = 0; i < PAGES && details.committed == PAGES * page; i++) {
		const uint64_t *at = word + i * page / sizeof(*word);

		pages++;
		touched += at[1];
		if (at[0] != (uintptr_t)at)
			wrong("a stamp is gone", 0);
	}
	if (pages && details.vmas != 1)
		wrong("a span that is committed whole has more than one mapping",
		      (int)details.vmas);
}

static void run(void *(*worker)(void *), void (*between)(void), uint64_t rounds)
{
	pthread_t threads[WORKERS], watcher;

	memset(&shared, 0, sizeof(shared));
	shared.rounds = rounds;
	pthread_barrier_init(&shared.barrier, NULL, WORKERS + 1);
	if (pthread_create(&watcher, NULL, watcher_main, NULL))
		tap_bail("no threads");
	for (unsigned i = 0; i < WORKERS; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)(i + 1)))
			tap_bail("no threads");
	for (uint64_t round = 0; round < rounds; round++) {
		new_span();
		pthread_barrier_wait(&shared.barrier);
		pthread_barrier_wait(&shared.barrier);
		between();
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&shared.stop, true, __ATOMIC_RELAXED);
	pthread_join(watcher, NULL);
	pthread_barrier_destroy(&shared.barrier);
}

static void after_commits(void)
{
	enum vas_retired state = VAS_RETIRED_HELD;

	check_pages();
	if (vas_release(vas_span_pointer(shared.span), &state) || state != VAS_RETIRED_GONE)
		wrong("a release failed", 0);
}

/* Release against commit: a commit answers 0, or that the span is going or gone. */
static void *against_main(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	uint64_t random = vas_mix64(self + 77);

	for (uint64_t round = 0; round < shared.rounds; round++) {
		pthread_barrier_wait(&shared.barrier);
		for (unsigned i = 0; i < 8; i++) {
			uint64_t first = vas_random_below(&random, PAGES);
			void *start = (unsigned char *)vas_span_pointer(shared.span) + first * page;
			int err;

			if (self == 1 && i == 4) {
				err = vas_release(vas_span_pointer(shared.span), NULL);
				if (err)
					wrong("the only release failed", err);
				add(&shared.released, 1);
			}
			err = vas_commit(start, (PAGES - first) * page, NULL);
			add(err ? &shared.late : &shared.early, 1);
			if (err && err != -ENOENT && err != -EBUSY)
				wrong("a commit against a release answered", err);
			if (self == 1 && i >= 4 && !err)
				wrong("a commit after the release worked", 0);
		}
		pthread_barrier_wait(&shared.barrier);
	}
	return NULL;
}

static void nothing_owned(void)
{
	struct vas_owner owner;

	if (vas_owner_at(vas_span_pointer(shared.span), &owner) != -ENOENT)
		wrong("a released span still has an owner", 0);
}

/* Two releases at once: exactly one of them finds the span. */
static void *twice_main(void *arg)
{
	enum vas_retired state;
	int err;

	(void)arg;
	for (uint64_t round = 0; round < shared.rounds; round++) {
		pthread_barrier_wait(&shared.barrier);
		meet(round);
		state = VAS_RETIRED_HELD;
		err = vas_release(vas_span_pointer(shared.span), &state);
		if (!err && state == VAS_RETIRED_GONE)
			add(&shared.released, 1);
		else if (err != -ENOENT || state != VAS_RETIRED_HELD)
			wrong("a release of a span that another one released answered", err);
		pthread_barrier_wait(&shared.barrier);
	}
	return NULL;
}

static void report(const char *what)
{
	ok(!shared.wrong, "%s: every answer was right%s%s (%d)", what,
	   shared.wrong ? ", but: " : "", shared.wrong ? shared.wrong : "", shared.wrong_error);
	ok(shared.looked + shared.stale > 0,
	   "%s: %llu details told, %llu of released spans refused", what,
	   (unsigned long long)shared.looked, (unsigned long long)shared.stale);
}

int main(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	uint64_t rounds = tap_scaled(500);

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	run(committer_main, after_commits, rounds);
	report("commits of one span");
	ok(touched > 0, "pages that all threads counted up kept their counts (%llu)",
	   (unsigned long long)touched);
	run(against_main, nothing_owned, rounds);
	report("release against commit");
	ok(shared.released == rounds && shared.early > 0 && shared.late > 0,
	   "%llu commits before the release, %llu refused after it",
	   (unsigned long long)shared.early, (unsigned long long)shared.late);
	run(twice_main, nothing_owned, rounds);
	report("released three times over");
	ok(shared.released == rounds, "exactly one release of each of %llu spans worked (%llu)",
	   (unsigned long long)rounds, (unsigned long long)shared.released);
	is_err(vas_stats_get(&stats), 0, "sums can be had");
	ok(!stats.spans && !stats.reserved && !stats.committed && !stats.held && !stats.vmas,
	   "nothing is left in the books");
	return tap_done();
}
