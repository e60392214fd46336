/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Notices while threads change spans, subscribe and cancel, and while generations
 * are read from signal handlers.
 *
 *  - each BEFORE is followed by its AFTER or CANCELLED, in the same thread, to the
 *    same subscriber; the earlier subscriber hears first
 *  - after a cancellation the hook is not called, and is not running
 *  - a hook may fork, and wait for a thread that forks
 *  - a generation never goes back as long as its owner stays, and is never another owner's
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/crew.h"
#include "support/single_step.h"
#include "tap/tap.h"

#define WORKERS 3u
#define PAGES 16u

static uint64_t page;
static unsigned int stop; /* atomic */
static uint64_t seed;

/* --- pairs and order --- */

static struct vas_span spans[WORKERS];

/* What one subscriber has going in one thread: the change it was told before. */
struct pending {
	uint64_t owner; /* 0 = none */
	enum vas_change change;
	unsigned int round;
};

struct listener {
	unsigned int number;
	unsigned int alive; /* atomic: 0 once its cancellation has returned */
	/* Atomic: raised before and after each cancellation; while it is odd, an end may be missing. */
	unsigned int round;
	unsigned int vetoes; /* refuses one change in so many; 0 = none */
	unsigned int heard; /* atomic */
};

static __thread struct pending pendings[4];
static __thread unsigned int last_heard; /* who was told BEFORE last, for the order */

/* Told a beginning, and neither the end nor cancelled since. */
static bool is_pending(const struct pending *pending, const struct listener *listener)
{
	return pending->owner && pending->round % 2 == 0 &&
	       pending->round == __atomic_load_n(&listener->round, __ATOMIC_RELAXED);
}

static int listen(void *context, const struct vas_notice *notice)
{
	struct listener *listener = context;
	struct pending *pending = &pendings[listener->number];
	unsigned int heard = __atomic_add_fetch(&listener->heard, 1, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&listener->alive, __ATOMIC_ACQUIRE))
		crew_fault("subscriber %u was called after it cancelled", listener->number);
	if (notice->phase != VAS_NOTICE_BEFORE) {
		if (pending->owner != notice->owner || pending->change != notice->change)
			crew_fault("subscriber %u was told an end without its beginning",
				   listener->number);
		pending->owner = 0;
		return 0;
	}
	if (is_pending(pending, listener))
		crew_fault("subscriber %u was told two beginnings", listener->number);
	if (listener->number > 0 && listener->number < last_heard)
		crew_fault("subscriber %u heard after %u", listener->number, last_heard);
	last_heard = listener->number;
	pending->owner = notice->owner;
	pending->change = notice->change;
	pending->round = __atomic_load_n(&listener->round, __ATOMIC_RELAXED);
	if (notice->final || !listener->vetoes || heard % listener->vetoes)
		return 0;
	pending->owner = 0;
	return -EPERM;
}

/* 0 comes and goes, so it is always the last in the order. */
static struct listener listeners[3] = { { .number = 0 },
					{ .number = 1, .vetoes = 7 },
					{ .number = 2, .vetoes = 11 } };

static void check_pendings(const char *what)
{
	for (unsigned int i = 0; i < 3; i++)
		if (is_pending(&pendings[i], &listeners[i]))
			crew_fault("subscriber %u was not told the end of a %s", i, what);
	last_heard = 0;
}

/* Changes one span, its own or a neighbour's, and releases and reserves its own. */
static void change(unsigned int number)
{
	uint64_t random = seed + number;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t first = vas_random_below(&random, PAGES / 2);
		char *start = (char *)vas_span_pointer(spans[0]) + first * page;
		int err;

		err = vas_commit(start, page, NULL);
		if (err && err != -EBUSY)
			crew_fault("a commit answers %d", err);
		check_pendings("commit");
		err = vas_decommit(start, page, NULL);
		if (err && err != -EBUSY)
			crew_fault("a decommit answers %d", err);
		check_pendings("decommit");
		err = vas_release(vas_span_pointer(spans[number]), NULL);
		if (err)
			crew_fault("a release answers %d", err);
		check_pendings("release");
		if (vas_reserve(PAGES * page, NULL, &spans[number]))
			crew_fault("no span");
	}
}

static void subscribe_and_cancel(void)
{
	uint64_t id;

	for (uint64_t i = tap_scaled(300); i > 0 && !crew_failed(); i--) {
		__atomic_store_n(&listeners[0].alive, 1, __ATOMIC_RELEASE);
		if (vas_notice_subscribe(&spans[0], listen, &listeners[0], &id))
			crew_fault("a subscriber is refused");
		usleep(200);
		__atomic_add_fetch(&listeners[0].round, 1, __ATOMIC_RELAXED);
		if (vas_notice_cancel(id))
			crew_fault("a subscriber cannot cancel");
		__atomic_add_fetch(&listeners[0].round, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&listeners[0].alive, 0, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static void pairs_work(void *argument, unsigned int number)
{
	(void)argument;
	if (number == 0)
		subscribe_and_cancel();
	else
		change(number);
}

static void test_pairs(void)
{
	uint64_t ids[3];

	for (unsigned int i = 0; i < WORKERS; i++)
		if (vas_reserve(PAGES * page, NULL, &spans[i]))
			tap_bail("no span");
	for (unsigned int i = 1; i < 3; i++) {
		listeners[i].alive = 1;
		is_err(vas_notice_subscribe(NULL, listen, &listeners[i], &ids[i]), 0,
		       "one who stays");
	}
	stop = 0;
	crew_run(WORKERS, pairs_work, NULL);
	for (unsigned int i = 1; i < 3; i++)
		is_err(vas_notice_cancel(ids[i]), 0, "cancelled");
	tap_diag("heard: %u, %u, %u", listeners[0].heard, listeners[1].heard, listeners[2].heard);
	is_u64(crew_faults(), 0, "notices in pairs and in order, while subscribers come and go");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	for (unsigned int i = 0; i < WORKERS; i++)
		is_err(vas_release(vas_span_pointer(spans[i]), NULL), 0, "released");
}

/* --- forks --- */

static struct {
	unsigned int asked, done; /* atomic */
} forks;

static void fork_once(void)
{
	struct vas_span span;
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL) ||
		      vas_sync_check(NULL));
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		crew_fault("a forked child fails: %x", status);
}

/* Waits for the other thread's fork: a hook holds up nobody. */
static int wait_for_fork(void *context, const struct vas_notice *notice)
{
	unsigned int number;

	(void)context;
	if (notice->phase == VAS_NOTICE_BEFORE) {
		number = __atomic_add_fetch(&forks.asked, 1, __ATOMIC_ACQ_REL);
		while (__atomic_load_n(&forks.done, __ATOMIC_ACQUIRE) < number)
			usleep(100);
	} else {
		fork_once();
	}
	return 0;
}

static void forks_work(void *argument, unsigned int number)
{
	unsigned int rounds = (unsigned int)tap_scaled(20);

	(void)argument;
	if (number == 0) {
		for (unsigned int i = 0; i < rounds; i++) {
			if (vas_commit(vas_span_pointer(spans[0]), page, NULL) ||
			    vas_decommit(vas_span_pointer(spans[0]), page, NULL))
				crew_fault("a change fails");
		}
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
		return;
	}
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&forks.asked, __ATOMIC_ACQUIRE) == forks.done) {
			usleep(100);
			continue;
		}
		fork_once();
		__atomic_add_fetch(&forks.done, 1, __ATOMIC_RELEASE);
	}
}

static void test_forks(void)
{
	uint64_t id = 0;

	if (vas_reserve(PAGES * page, NULL, &spans[0]) ||
	    vas_notice_subscribe(&spans[0], wait_for_fork, NULL, &id))
		tap_bail("no span");
	stop = 0;
	crew_run(2, forks_work, NULL);
	is_u64(crew_faults(), 0, "hooks that fork, and that wait for forks: %u", forks.done);
	is_err(vas_notice_cancel(id), 0, "cancelled");
	is_err(vas_release(vas_span_pointer(spans[0]), NULL), 0, "released");
}

/* --- generations in signal handlers --- */

static struct {
	void *address;
	uint64_t owner, last; /* what the handler saw last */
	unsigned int seen, wrong;
} look;

static void on_signal(int number)
{
	struct vas_owner before, after;
	uint64_t generation;
	int saved = errno;

	(void)number;
	look.seen++;
	if (vas_owner_at(look.address, &before) || vas_generation_at(look.address, &generation) ||
	    vas_owner_at(look.address, &after))
		goto out;
	if (before.id != after.id)
		goto out;
	if (before.id == look.owner && generation < look.last)
		look.wrong++;
	if (before.id != look.owner && generation > 1000000)
		look.wrong++;
	look.owner = before.id;
	look.last = generation;
out:
	errno = saved;
}

/* Signals come all the time, while the only thread changes what they look at. */
static void test_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 70 }, { 0, 70 } }, never = { { 0, 0 }, { 0, 0 } };
	struct vas_span span;
	struct timespec begun, now;
	uint64_t generation, expected = 0, rounds = 0;
	bool counted = true;

	VAS_OPTS(vas_reserve_opts, opts);
	if (vas_reserve(PAGES * page, NULL, &span))
		tap_bail("no span");
	look.address = vas_span_pointer(span);
	opts.place = VAS_PLACE_EXACT;
	opts.address = span.start;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	do {
		for (unsigned int i = 0; i < 20; i++) {
			if (vas_commit(look.address, page, NULL) ||
			    vas_decommit(look.address, page, NULL))
				counted = false;
			expected += 2;
			if (vas_generation_at(look.address, &generation) || generation != expected)
				counted = false;
		}
		if (vas_release(look.address, NULL) || vas_reserve(PAGES * page, &opts, &span))
			tap_bail("the place is gone");
		expected = 0;
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begun.tv_sec < 2 && (look.seen < 2000 || rounds < 100));
	setitimer(ITIMER_REAL, &never, NULL);
	ok(counted, "each change is counted once");
	ok(look.seen > 0 && look.wrong == 0, "%u handlers saw no generation go back", look.seen);
	is_err(vas_release(look.address, NULL), 0, "released");
}

/* --- a generation read while its owner goes away, at each instruction --- */

#ifndef UNSTEPPABLE

static struct {
	struct vas_span first, second; /* the one that is read, and the one that takes over its book */
	unsigned int at, steps; /* at which instruction to change owners */
	bool failed;
} step;

/* The reader stands still: the owner goes, and its book gets another one, with other counts. */
static void change_owner(void)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_LOW;
	opts.min = 1ull << 45;
	if (vas_release(vas_span_pointer(step.first), NULL) ||
	    vas_reserve(PAGES * page, &opts, &step.second))
		step.failed = true;
	for (unsigned int i = 0; i < 10; i++)
		if (vas_commit(vas_span_pointer(step.second), page, NULL) ||
		    vas_decommit(vas_span_pointer(step.second), page, NULL))
			step.failed = true;
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	ucontext_t *registers = context;

	(void)number;
	(void)info;
	if (step.steps++ != step.at)
		return;
	change_owner();
	registers->uc_mcontext.gregs[REG_EFL] &= ~STEP_FLAG;
}

/* False when the read ended before that instruction. */
static bool read_once(unsigned int at)
{
	uint64_t generation = 0;
	struct vas_span other;
	int err;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_LOW;
	opts.min = 1ull << 44;
	if (vas_reserve(PAGES * page, &opts, &step.first) ||
	    vas_commit(vas_span_pointer(step.first), page, NULL))
		tap_bail("no span");
	step.at = at;
	step.steps = 0;
	STEP_ON();
	err = vas_generation_at(vas_span_pointer(step.first), &generation);
	/* Ended by the handler, or here. */
	STEP_OFF();
	other = step.steps > at ? step.second : step.first;
	if (vas_release(vas_span_pointer(other), NULL))
		step.failed = true;
	if (err ? err != -ENOENT : generation != 1) {
		tap_diag("at instruction %u: %d, generation %llu", at, err,
			 (unsigned long long)generation);
		step.failed = true;
	}
	return step.steps > at;
}

static void test_steps(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	unsigned int at = 0;

	sigaction(SIGTRAP, &action, NULL);
	while (at < 5000 && read_once(at))
		at++;
	ok(at > 30 && !step.failed, "the owner changed at each of %u instructions of a read", at);
}

#else

static void test_steps(void)
{
	tap_skip(1, "no-single-step", "this processor or build cannot stop at each instruction");
}

#endif

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	seed = tap_seed();
	test_pairs();
	test_forks();
	test_signals();
	test_steps();
	return tap_done();
}
