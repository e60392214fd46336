/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 5 */
/*
 * The parent's writers held off while a child copies shared memory (vas_fork_pause_set): copies are of one moment, and the same one as private
 * memory; a child that dies, or is not there, keeps nobody waiting; one that is late has no copy.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/arena_looks.h"

#define PAGES 64u
#define LONG  600000u /* milliseconds: whoever waits so long has hung */

static uint64_t page;

static struct {
	pthread_mutex_t lock;
	unsigned int stops, goes;
} writers = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_pause(void *context, int pausing)
{
	(void)context;
	if (pausing) {
		pthread_mutex_lock(&writers.lock);
		writers.stops++;
		return;
	}
	writers.goes++;
	pthread_mutex_unlock(&writers.lock);
}

static struct vas_arena *make(void)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_arena_opts, opts);
	reserve.fork = VAS_FORK_COPY;
	opts.reserve = &reserve;
	opts.initial = PAGES * page;
	if (vas_arena_create(PAGES * page, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

/* A span that is no arena's, which the engine copies. */
static unsigned char *make_span(struct vas_span *span)
{
	VAS_OPTS(vas_reserve_opts, opts);
	VAS_OPTS(vas_commit_opts, commit);
	opts.fork = VAS_FORK_COPY;
	commit.flags = VAS_COMMIT_SHARED;
	commit.fd = memfd_create("span", MFD_CLOEXEC);
	if (commit.fd < 0 || ftruncate(commit.fd, (off_t)(PAGES * page)) ||
	    vas_reserve(PAGES * page, &opts, span) ||
	    vas_commit(vas_span_pointer(*span), PAGES * page, &commit))
		tap_bail("no span");
	close(commit.fd);
	return vas_span_pointer(*span);
}

/* --- one moment --- */

static struct {
	unsigned char *arena, *span;
	unsigned char private; /* what all of their pages have between two writes */
	bool stop; /* atomic */
} bytes;

static void *write_busily(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&bytes.stop, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&writers.lock);
		bytes.private ++;
		for (unsigned int i = 0; i < PAGES; i++) {
			bytes.arena[i * page] = bytes.private;
			bytes.span[i * page] = bytes.private;
		}
		pthread_mutex_unlock(&writers.lock);
	}
	return NULL;
}

static bool is_of_one_moment(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		if (bytes.arena[i * page] != bytes.private || bytes.span[i * page] != bytes.private)
			return false;
	return true;
}

static void test_moment(void *unused)
{
	struct vas_arena *arena;
	unsigned int wrong = 0, rounds = tap_under_sanitizer() ? 5 : 40;
	struct vas_span span;
	pthread_t thread;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	arena = make();
	bytes.arena = arena_start(arena);
	bytes.span = make_span(&span);
	vas_fork_pause_set(on_pause, NULL, LONG);
	if (pthread_create(&thread, NULL, write_busily, NULL))
		tap_bail("no thread");
	for (unsigned int i = 0; i < rounds; i++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0)
			_exit(!is_of_one_moment() || writers.goes != writers.stops ||
			      pthread_mutex_trylock(&writers.lock));
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			wrong++;
	}
	__atomic_store_n(&bytes.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	is_u64(wrong, 0, "all copies are of the moment of the fork");
	ok(writers.stops == rounds && writers.goes == rounds, "the hook was called around each");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

/* --- children that are not there, or late --- */

static void on_hold(void *context, struct vas_span span, int holding)
{
	struct timespec delay = { 0, 200000000 };

	(void)span;
	if (holding && context)
		_exit(3);
	if (holding)
		nanosleep(&delay, NULL);
}

static void test_gone(void *unused)
{
	struct vas_arena *arena;
	int status = -1;
	pid_t child;

	(void)unused;
	arena_baseline();
	arena = make();
	vas_fork_pause_set(on_pause, NULL, LONG);
	vas_fork_prepare();
	vas_fork_parent();
	ok(writers.stops == 1 && writers.goes == 1, "nobody waits for a child that is not there");
	vas_fork_hold_set(on_hold, &status);
	child = fork();
	ok(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3,
	   "nor for one that dies before it has copied");
	is_u64(writers.goes, 2, "writers go on");
	vas_fork_hold_set(NULL, NULL);
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_late(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start;
	struct vas_span span;
	int status = -1;
	pid_t child;

	(void)unused;
	arena_baseline();
	arena = make();
	start = make_span(&span);
	start[0] = 1;
	vas_fork_pause_set(on_pause, NULL, 20);
	vas_fork_hold_set(on_hold, NULL);
	child = fork();
	if (child == 0) {
		if (strcmp(arena_reason(), "race"))
			_exit(1);
		if (vas_arena_grow(arena, PAGES * page, 0, NULL) != -ESTALE)
			_exit(2);
		_exit(vas_commit(start, page, NULL) || start[0] ? 3 : 0);
	}
	ok(child > 0 && waitpid(child, &status, 0) == child && status == 0,
	   "copies that are late are none: %d", WEXITSTATUS(status));
	is_u64(writers.goes, 1, "writers go on");
	vas_fork_hold_set(NULL, NULL);
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("one moment", test_moment, NULL, 60);
	tap_case("gone", test_gone, NULL, 30);
	tap_case("late", test_late, NULL, 30);
	return tap_done();
}
