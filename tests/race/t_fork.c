/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 15 */
/*
 * Fork, again and again, while other threads reserve, commit, decommit and release
 * spans of every fork policy, and one more forks, too.
 *
 * Each child has whole books and free locks: it owns what the parent owned at
 * the moment of the fork, can reserve, commit and release by itself, and has
 * forgotten the spans that were kept out of forks, whose addresses are free
 * there. The parent loses nothing, and no fork waits for ever.
 */
#include "tap/tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/space.h"
#include "support/window.h"
#include "sys/definitions.h"

#define WORKERS 3u
#define LIVE	6u

static uint64_t page;

/*
 * Where the workers' spans are. In the whole address space each would be somewhere else, and a
 * checker that keeps a shadow would need new pages for every one of them.
 */
static struct window window;

static struct {
	bool stop; /* atomic */
	uint64_t reserved; /* atomic */
	const char *wrong; /* atomic */
} work;

static const enum vas_fork policies[] = { VAS_FORK_DEFAULT, VAS_FORK_COPY, VAS_FORK_ABSENT, VAS_FORK_WIPE,
					  VAS_FORK_TRAP };

static void *worker_main(void *arg)
{
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);
	struct vas_span spans[LIVE] = { { 0, 0 } };

	while (!__atomic_load_n(&work.stop, __ATOMIC_RELAXED)) {
		struct vas_span *span = &spans[vas_random_below(&random, LIVE)];
		int err;

		if (span->size) {
			err = vas_release(vas_span_pointer(*span), NULL);
			span->size = 0;
		} else {
			VAS_OPTS(vas_reserve_opts, opts);
			opts.min = window.start;
			opts.max = window.end;
			opts.fork = policies[vas_random_below(&random, 5)];
			err = vas_reserve((1 + vas_random_below(&random, 32)) * page, &opts, span);
			if (!err && vas_random_below(&random, 2))
				err = vas_commit(vas_span_pointer(*span), page, NULL);
			if (!err && vas_random_below(&random, 4) == 0)
				err = vas_decommit(vas_span_pointer(*span), page, NULL);
			__atomic_fetch_add(&work.reserved, 1, __ATOMIC_RELAXED);
		}
		/* Its lock must be free in a child as well. */
		vas_log_set(NULL, NULL, VAS_LOG_ERROR);
		if (err)
			__atomic_store_n(&work.wrong, "a call beside forks failed",
					 __ATOMIC_RELAXED);
	}
	for (unsigned i = 0; i < LIVE; i++)
		if (spans[i].size)
			vas_release(vas_span_pointer(spans[i]), NULL);
	return NULL;
}

/* A second one that forks: its children have whole books as well. */
static void *forker_main(void *arg)
{
	uint64_t where;

	while (!__atomic_load_n(&work.stop, __ATOMIC_RELAXED)) {
		pid_t child = fork();
		int status = 0;

		if (child == 0) {
			alarm(30);
			_exit(vas_sync_check(&where) ? 1 : 0);
		}
		if (child > 0 && (waitpid(child, &status, 0) != child || status))
			__atomic_store_n(&work.wrong, "a child of the other thread", __ATOMIC_RELAXED);
		usleep(2000);
	}
	return arg;
}

/* What the parent holds all the time. */
static struct {
	struct vas_span kept; /* inherited, its first page committed and stamped */
	struct vas_span absent; /* VAS_RESERVE_NOFORK */
} parent;

/* In the child; the number of the first thing that is wrong, 0 for none. */
static int child_check(void)
{
	struct vas_stats before = { .size = sizeof(before) }, after = before;
	uint64_t *word = vas_span_pointer(parent.kept), where;
	struct vas_owner owner;
	struct vas_span span;
	long got;

	vas_log_set(NULL, NULL, VAS_LOG_ERROR);
	for (uint64_t i = 1; i < page / 8; i++)
		if (word[i] != i)
			return 12;
	if (vas_owner_at(word, &owner) || owner.span.size != parent.kept.size || *word != 4711)
		return 1;
	if (vas_owner_at(vas_span_pointer(parent.absent), &owner) != -ENOENT)
		return 2;
	/* The addresses that the child did not inherit are anybody's. */
	got = syscall(SYS_mmap, parent.absent.start, page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (got != -1 && (uint64_t)got != parent.absent.start)
		return 3;
	if (vas_release(vas_span_pointer(parent.absent), NULL) != -ENOENT)
		return 4;
	if (vas_sync_check(&where))
		return 5;
	if (vas_stats_get(&before) || vas_reserve(16 * page, NULL, &span))
		return 6;
	if (vas_commit(vas_span_pointer(span), 2 * page, NULL))
		return 7;
	*(uint64_t *)vas_span_pointer(span) = 1;
	if (vas_stats_get(&after) || after.spans != before.spans + 1 ||
	    after.reserved != before.reserved + 16 * page ||
	    after.committed != before.committed + 2 * page)
		return 8;
	if (vas_commit((unsigned char *)vas_span_pointer(parent.kept) + page, page, NULL))
		return 9;
	if (vas_release(vas_span_pointer(span), NULL) ||
	    vas_release(vas_span_pointer(parent.kept), NULL))
		return 10;
	return vas_sync_check(&where) ? 11 : 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* 0, or what the child found; 99 when it hung or crashed. */
static int fork_once(double *longest)
{
	double begin = now();
	pid_t child = fork();
	int status;

	if (child < 0)
		return errno == EAGAIN ? 0 : 98;
	if (child == 0) {
		alarm(30);
		_exit(child_check());
	}
	begin = now() - begin;
	*longest = begin > *longest ? begin : *longest;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 97;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void hold_spans(void)
{
	VAS_OPTS(vas_reserve_opts, opts);
	if (vas_reserve(4 * page, NULL, &parent.kept) ||
	    vas_commit(vas_span_pointer(parent.kept), page, NULL))
		tap_bail("no span for the test");
	for (uint64_t i = 1; i < page / 8; i++)
		((uint64_t *)vas_span_pointer(parent.kept))[i] = i;
	*(uint64_t *)vas_span_pointer(parent.kept) = 4711;
	opts.flags = VAS_RESERVE_NOFORK;
	opts.name = "absent";
	if (vas_reserve(4 * page, &opts, &parent.absent) ||
	    vas_commit(vas_span_pointer(parent.absent), page, NULL))
		tap_bail("no span for the test");
}

static void test_under_load(uint64_t forks)
{
	pthread_t threads[WORKERS], forker;
	double longest = 0;
	int bad = 0;
	uint64_t i;

	for (unsigned t = 0; t < WORKERS; t++)
		if (pthread_create(&threads[t], NULL, worker_main, (void *)(uintptr_t)(t + 1)))
			tap_bail("no threads");
	if (pthread_create(&forker, NULL, forker_main, NULL))
		tap_bail("no threads");
	for (i = 0; i < forks && !bad; i++)
		bad = fork_once(&longest);
	__atomic_store_n(&work.stop, true, __ATOMIC_RELAXED);
	for (unsigned t = 0; t < WORKERS; t++)
		pthread_join(threads[t], NULL);
	pthread_join(forker, NULL);
	ok(!bad, "each of %llu children has whole books and can use them (step %d)",
	   (unsigned long long)i, bad);
	ok(!work.wrong && work.reserved > 100, "%llu reservations beside them%s%s",
	   (unsigned long long)work.reserved, work.wrong ? ", but: " : "",
	   work.wrong ? work.wrong : "");
	tap_figure("longest fork", longest * 1000, "ms");
}

/* A child of a child, and spans that the child itself keeps out of forks. */
static void test_generations(void)
{
	pid_t child = fork(), grandchild;
	struct vas_span span, first;
	struct vas_owner owner;
	int status = 0;

	if (child == 0) {
		VAS_OPTS(vas_reserve_opts, opts);
		opts.flags = VAS_RESERVE_NOFORK;
		if (vas_reserve(page, &opts, &span))
			_exit(1);
		/* Not where what it does not inherit was: that is looked at below. */
		if (span.start - parent.absent.start < parent.absent.size) {
			first = span;
			if (vas_reserve(page, &opts, &span) ||
			    vas_release(vas_span_pointer(first), NULL))
				_exit(5);
		}
		grandchild = fork();
		if (grandchild == 0)
			_exit(vas_owner_at(vas_span_pointer(span), &owner) == -ENOENT
				      ? child_check()
				      : 2);
		if (grandchild < 0 || waitpid(grandchild, &status, 0) < 0 || !WIFEXITED(status) ||
		    WEXITSTATUS(status))
			_exit(3);
		_exit(vas_owner_at(vas_span_pointer(span), &owner) ? 4 : child_check());
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		tap_bail("no child: %m");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	   "a child's own spans and its child (status %d)", status);
}

/* The counters of a child begin at its fork; the sums are over what it has. */
static void test_counters(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	pid_t child;
	int status;

	vas_stats_get(&stats);
	ok(stats.reserves > 0 && stats.spans == 2, "the parent has counted its calls");
	child = fork();
	if (child == 0) {
		vas_stats_get(&stats);
		_exit(stats.reserves || stats.releases || stats.commits || stats.probes ? 1
		      : stats.spans != 1 || stats.committed != page			? 2
											: 0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		tap_bail("no child: %m");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	   "a child counts from its fork (status %d)", status);
}

int main(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	uint64_t where;

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	window_find(&window, 4096);
	hold_spans();
	test_counters();
	test_generations();
	test_under_load(tap_scaled(400));
	is_err(vas_sync_check(&where), 0, "the parent's books and maps agree");
	ok(*(uint64_t *)vas_span_pointer(parent.kept) == 4711, "its memory is as it was");
	is_err(vas_release(vas_span_pointer(parent.kept), NULL), 0, "its spans are its own");
	is_err(vas_release(vas_span_pointer(parent.absent), NULL), 0, "both of them");
	is_err(vas_stats_get(&stats), 0, "sums can be had");
	ok(!stats.spans && !stats.reserved && !stats.committed && !stats.vmas, "nothing is left");
	return tap_done();
}
