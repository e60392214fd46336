/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 12 */
/*
 * vas_owner_at in signal handlers that interrupt the library itself.
 *
 * First at every single instruction of vas_reserve, vas_commit and vas_release,
 * system calls included: a span that stays is always found, the one that comes
 * and goes appears and disappears once, and as long as it is found it is mapped.
 * Then under load: timer signals and signals aimed at threads that reserve,
 * commit and release without pause.
 */
#include "tap/tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/single_step.h"

static uint64_t page;
static struct vas_span staying;
static struct vas_owner staying_owner;
static const char *wrong_what; /* atomic */

static void wrong(const char *what)
{
	__atomic_store_n(&wrong_what, what, __ATOMIC_RELAXED);
}

static bool same_owner(const struct vas_owner *a, const struct vas_owner *b)
{
	return a->id == b->id && a->span.start == b->span.start && a->span.size == b->span.size;
}

/* Signal-safe. */
static void look_at_staying(void)
{
	struct vas_owner owner;
	int before = errno;

	if (vas_owner_at((void *)(uintptr_t)(staying.start + staying.size - 1), &owner) ||
	    !same_owner(&owner, &staying_owner))
		wrong("a span that stays was not found");
	if (vas_owner_at((void *)(uintptr_t)(staying.start + staying.size), &owner) != -ENOENT)
		wrong("an address that nobody owns was found");
	if (errno != before)
		wrong("errno was changed");
}

#ifndef UNSTEPPABLE

static struct {
	uint64_t place, size;
	bool there;
	unsigned changes;
	uint64_t steps;
} step;

static void on_trap(int number)
{
	struct vas_owner owner;
	bool there;

	(void)number;
	step.steps++;
	look_at_staying();
	there = vas_owner_at((void *)(uintptr_t)step.place, &owner) == 0;
	if (there != (vas_owner_at((void *)(uintptr_t)(step.place + step.size - 1), &owner) == 0))
		wrong("one end of the span was there and one was not");
	if (there && (owner.span.start != step.place || owner.span.size != step.size))
		wrong("the span was found with a wrong value");
	if (there && syscall(SYS_msync, step.place, step.size, MS_ASYNC))
		wrong("the span was found while it was not mapped");
	step.changes += there != step.there;
	step.there = there;
}

static void step_end(const char *what, int err, bool there, unsigned changes)
{
	if (step.steps < 100)
		wrong("the processor did not stop at each instruction");
	ok(!err && !wrong_what && step.there == there && step.changes == changes,
	   "%s, interrupted at each of %llu instructions%s%s", what, (unsigned long long)step.steps,
	   wrong_what ? ": " : "", wrong_what ? wrong_what : "");
	step.steps = 0;
	step.changes = 0;
}

static void test_steps(void)
{
	struct sigaction action = { .sa_handler = on_trap };
	struct vas_span span;
	int err;

	VAS_OPTS(vas_reserve_opts, opts);
	sigaction(SIGTRAP, &action, NULL);
	/* Right below the span that stays, so that both share slots of the index. */
	opts.place = VAS_PLACE_EXACT;
	opts.flags = VAS_RESERVE_NODUMP;
	step.size = 3 * page;
	opts.address = step.place = staying.start - step.size;
	for (unsigned round = 0; round < 3; round++) {
		STEP_ON();
		err = vas_reserve(step.size, &opts, &span);
		STEP_OFF();
		step_end("reserve", err, true, 1);
		STEP_ON();
		err = vas_commit((void *)(uintptr_t)step.place, page, NULL);
		STEP_OFF();
		step_end("commit", err, true, 0);
		STEP_ON();
		err = vas_release((void *)(uintptr_t)step.place, NULL);
		STEP_OFF();
		step_end("release", err, false, 1);
	}
}

#else

static void test_steps(void)
{
	tap_skip(9, "no-single-step", "this processor or build cannot stop at each instruction");
}

#endif

#define WORKERS 3u

/* What a worker owns for sure, told to handlers that interrupt it. */
struct own {
	volatile sig_atomic_t owned;
	struct vas_owner owner;
};
static __thread struct own own;

static struct {
	pthread_t workers[WORKERS];
	bool stop; /* atomic */
	uint64_t handled, owned, reserved; /* atomic */
} load;

static void on_signal(int number)
{
	struct vas_owner owner;

	(void)number;
	look_at_staying();
	__atomic_fetch_add(&load.handled, 1, __ATOMIC_RELAXED);
	if (!own.owned)
		return;
	__atomic_fetch_add(&load.owned, 1, __ATOMIC_RELAXED);
	if (vas_owner_at((void *)(uintptr_t)own.owner.span.start, &owner) ||
	    !same_owner(&owner, &own.owner))
		wrong("a thread's own span was not found");
}

static void *worker_main(void *arg)
{
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);
	struct vas_span span;

	while (!__atomic_load_n(&load.stop, __ATOMIC_RELAXED)) {
		if (vas_reserve((1 + vas_random_below(&random, 16)) * page, NULL, &span) ||
		    vas_owner_at(vas_span_pointer(span), &own.owner)) {
			wrong("a reserve failed");
			break;
		}
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		own.owned = 1;
		if (vas_commit(vas_span_pointer(span), page, NULL))
			wrong("a commit failed");
		own.owned = 0;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (vas_release(vas_span_pointer(span), NULL))
			wrong("a release failed");
		__atomic_fetch_add(&load.reserved, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void test_load(double seconds)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, 500 }, { 0, 500 } }, none = { { 0, 0 }, { 0, 0 } };
	double end = now() + seconds;

	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (unsigned i = 0; i < WORKERS; i++)
		if (pthread_create(&load.workers[i], NULL, worker_main, (void *)(uintptr_t)(i + 1)))
			tap_bail("no threads");
	setitimer(ITIMER_REAL, &timer, NULL);
	while (now() < end && !__atomic_load_n(&wrong_what, __ATOMIC_RELAXED)) {
		struct timespec nap = { 0, 100000 };

		for (unsigned i = 0; i < WORKERS; i++)
			pthread_kill(load.workers[i], SIGUSR1);
		nanosleep(&nap, NULL);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(load.workers[i], NULL);
	ok(!wrong_what, "under load every look-up in a handler was right%s%s",
	   wrong_what ? ", but: " : "", wrong_what ? wrong_what : "");
	ok(load.handled > 50 && load.reserved > 50,
	   "%llu reservations, %llu signals, %llu of them while the thread owned a span",
	   (unsigned long long)load.reserved, (unsigned long long)load.handled,
	   (unsigned long long)load.owned);
}

int main(void)
{
	struct vas_span room;
	uint64_t where;

	VAS_OPTS(vas_reserve_opts, opts);
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	/* Room that stays free around the span that stays: nobody else may be found there. */
	if (vas_reserve(64 * page, NULL, &room) || vas_release(vas_span_pointer(room), NULL))
		tap_bail("no room for the test");
	opts.place = VAS_PLACE_EXACT;
	opts.address = room.start + 16 * page;
	if (vas_reserve(4 * page, &opts, &staying) ||
	    vas_owner_at(vas_span_pointer(staying), &staying_owner))
		tap_bail("no span for the test");
	test_steps();
	/* From here on others may reserve right behind it; a guard of our own keeps that from happening. */
	is_i64((int64_t)(syscall(SYS_mmap, staying.start + staying.size, page, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1,
				 0) == (long)(staying.start + staying.size)),
	       1, "a page of somebody else's behind the span that stays");
	test_load((double)tap_scaled(3000) / 1000);
	is_err(vas_release(vas_span_pointer(staying), NULL), 0, "the span that stayed can go");
	is_err(vas_sync_check(&where), 0, "books and maps agree");
	return tap_done();
}
