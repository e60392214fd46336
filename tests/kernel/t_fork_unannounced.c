/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Forks that nobody announced: _Fork and a raw clone run no handlers.
 *
 * In the child every function that uses the books answers -EOWNERDEAD, and changes nothing,
 * until vas_fork_child was called. That answers 0 when nobody was inside the
 * books at the fork, and then they are the child's; else -EOWNERDEAD, and the child begins new ones.
 */
#include "tap/tap.h"

#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/space.h"

#define CHECK(number, condition)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return number;                                                             \
	} while (0)

static uint64_t page;
static struct vas_span kept, absent, wiped, trapped;
static uint64_t kept_id;
static struct vas_layout *layout;

typedef pid_t fork_fn(void);

static pid_t fork_raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
}

static int no_hook(void *context, const struct vas_notice *notice)
{
	(void)context;
	(void)notice;
	return 0;
}

/* Every function that uses the books, in a child that has not said that it is one. */
static int child_refused(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_ledger_entry entry = { .size = sizeof(entry) };
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_window window = { .size = sizeof(window) };
	struct vas_report report = { .size = sizeof(report) };
	unsigned char *bytes = vas_span_pointer(kept);
	struct vas_owner owner;
	struct vas_span span;
	struct vas_gap gap;
	uint64_t number;

	CHECK(1, vas_reserve(page, NULL, &span) == -EOWNERDEAD);
	CHECK(2, vas_report_get(&report) == 0 && report.why == VAS_WHY_FORKED);
	CHECK(3, vas_commit(bytes + page, page, NULL) == -EOWNERDEAD);
	CHECK(4, vas_release(bytes, NULL) == -EOWNERDEAD);
	CHECK(5, vas_owner_at(bytes, &owner) == -EOWNERDEAD);
	CHECK(6, vas_owner_details(kept_id, &details) == -EOWNERDEAD);
	CHECK(7, vas_stats_get(&stats) == -EOWNERDEAD);
	CHECK(8, vas_ledger_get(0, &entry) == -EOWNERDEAD);
	CHECK(9, vas_sync_check(NULL) == -EOWNERDEAD);
	CHECK(10, vas_window_get(&window) == -EOWNERDEAD);
	CHECK(11, vas_notice_subscribe(NULL, no_hook, NULL, &number) == -EOWNERDEAD);
	CHECK(12, vas_notice_cancel(1) == -EOWNERDEAD);
	CHECK(13, vas_generation_at(bytes, &number) == -EOWNERDEAD);
	CHECK(14, vas_adopt(bytes, page, NULL) == -EOWNERDEAD);
	CHECK(15, vas_disown(bytes) == -EOWNERDEAD);
	CHECK(16, vas_layout_find(layout, page, NULL, &span) == -EOWNERDEAD);
	CHECK(17, vas_layout_next_gap(layout, &gap) == -EOWNERDEAD);
	vas_fork_prepare();
	vas_fork_parent();
	vas_probe_reset();
	vas_log_set(NULL, NULL, VAS_LOG_ERROR);
	CHECK(18, vas_owner_at(bytes, &owner) == -EOWNERDEAD);
	CHECK(19, *(uint64_t *)(void *)bytes == 4711);
	return 0;
}

/* The books are the child's. */
static int child_whole(void)
{
	struct vas_owner owner;
	struct vas_span span;
	uint64_t where;

	CHECK(31, vas_owner_at(vas_span_pointer(kept), &owner) == 0 && owner.id == kept_id);
	CHECK(32, vas_owner_at(vas_span_pointer(absent), &owner) == -ENOENT);
	CHECK(33, vas_owner_at(vas_span_pointer(trapped), &owner) == 0);
	CHECK(34, *(uint64_t *)vas_span_pointer(wiped) == 0);
	CHECK(35, vas_sync_check(&where) == 0);
	CHECK(36, vas_reserve(page, NULL, &span) == 0);
	CHECK(37, vas_commit(vas_span_pointer(span), page, NULL) == 0);
	CHECK(38, vas_release(vas_span_pointer(span), NULL) == 0);
	CHECK(39, vas_release(vas_span_pointer(kept), NULL) == 0);
	CHECK(40, vas_sync_check(&where) == 0);
	return 0;
}

static int child_main(void)
{
	int step = child_refused();

	if (step)
		return step;
	CHECK(20, vas_fork_child() == 0);
	CHECK(21, vas_fork_child() == 0);
	return child_whole();
}

static int wait_for(pid_t child)
{
	int status;

	if (child < 0)
		return 98;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 97;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void test_refused(const char *name, fork_fn *fork_by)
{
	pid_t child = fork_by();

	if (child == 0) {
		alarm(30);
		_exit(child_main());
	}
	is_i64(wait_for(child), 0, "%s: refused until vas_fork_child, and then whole", name);
}

/* A child that does not announce itself forks in the ordinary way: the grandchild has been announced. */
static int grandchild(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(child_whole());
	return wait_for(child);
}

/* Announced by hand: no refusal, and nothing lost. */
static void test_by_hand(fork_fn *fork_by)
{
	pid_t child;
	int got;

	vas_fork_prepare();
	vas_fork_prepare();
	child = fork_by();
	if (child == 0) {
		alarm(30);
		got = vas_fork_child();
		_exit(got ? 99 : child_whole());
	}
	vas_fork_parent();
	vas_fork_parent();
	is_i64(wait_for(child), 0, "announced by hand, twice: whole");
	vas_fork_prepare();
	child = fork();
	if (child == 0)
		_exit(vas_fork_child() ? 99 : child_whole());
	vas_fork_parent();
	is_i64(wait_for(child), 0, "announced by hand around fork(): whole");
}

/* --- somebody inside the books at the fork --- */

static struct {
	struct vas_space *space;
	bool inside; /* atomic */
	bool leave; /* atomic */
} intruder;

static void *sit_inside(void *arg)
{
	(void)arg;
	vas_lock_take(&intruder.space->lock);
	__atomic_store_n(&intruder.inside, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&intruder.leave, __ATOMIC_ACQUIRE))
		usleep(1000);
	vas_lock_drop(&intruder.space->lock);
	return NULL;
}

/* The books are given up, and new ones are good. */
static int child_given_up(void)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_owner owner;
	struct vas_span span;
	uint64_t where;

	CHECK(50, vas_fork_child() == -EOWNERDEAD);
	CHECK(51, vas_fork_child() == 0);
	CHECK(52, vas_owner_at(vas_span_pointer(kept), &owner) == -ENOENT);
	CHECK(53, vas_release(vas_span_pointer(kept), NULL) == -ENOENT);
	CHECK(54, *(uint64_t *)vas_span_pointer(kept) == 4711);
	CHECK(55, vas_reserve(page, NULL, &span) == 0 && span.start != kept.start);
	CHECK(56, vas_commit(vas_span_pointer(span), page, NULL) == 0);
	CHECK(57, vas_owner_at(vas_span_pointer(span), &owner) == 0);
	CHECK(58, owner.id != kept_id && owner.id >> 32 > kept_id >> 32);
	CHECK(59, vas_owner_details(kept_id, &details) == -ESTALE);
	CHECK(60, vas_stats_get(&stats) == 0 && stats.spans == 1);
	CHECK(61, vas_sync_check(&where) == 0);
	CHECK(62, vas_release(vas_span_pointer(span), NULL) == 0);
	CHECK(63, vas_space_era() == 1);
	return 0;
}

static void test_inside(void)
{
	pthread_t thread;
	pid_t child;

	if (vas_space_default(&intruder.space) || pthread_create(&thread, NULL, sit_inside, NULL))
		tap_bail("no thread");
	while (!__atomic_load_n(&intruder.inside, __ATOMIC_ACQUIRE))
		sched_yield();
	child = fork_raw_clone();
	if (child == 0) {
		alarm(30);
		_exit(child_given_up());
	}
	__atomic_store_n(&intruder.leave, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is_i64(wait_for(child), 0, "a thread in a lock at the fork: given up, and begun anew");
	intruder.space->pins++;
	child = fork_raw_clone();
	if (child == 0) {
		alarm(30);
		_exit(child_given_up());
	}
	intruder.space->pins--;
	is_i64(wait_for(child), 0, "a call under way at the fork: the same");
}

/* --- while others work --- */

static struct {
	bool stop; /* atomic */
	const char *wrong; /* atomic */
} work;

static void *work_main(void *arg)
{
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);
	struct vas_span span;

	while (!__atomic_load_n(&work.stop, __ATOMIC_RELAXED)) {
		if (vas_reserve((1 + vas_random_below(&random, 8)) * page, NULL, &span) ||
		    vas_commit(vas_span_pointer(span), page, NULL) ||
		    vas_release(vas_span_pointer(span), NULL))
			__atomic_store_n(&work.wrong, "a call beside forks failed", __ATOMIC_RELAXED);
		if (vas_random_below(&random, 4) == 0)
			usleep(200);
	}
	return NULL;
}

static int child_either(void)
{
	struct vas_span span;
	uint64_t where;
	int got;

	CHECK(70, vas_reserve(page, NULL, &span) == -EOWNERDEAD);
	got = vas_fork_child();
	CHECK(71, got == 0 || got == -EOWNERDEAD);
	CHECK(72, vas_sync_check(&where) == 0);
	CHECK(73, vas_reserve(page, NULL, &span) == 0);
	CHECK(74, vas_commit(vas_span_pointer(span), page, NULL) == 0);
	CHECK(75, vas_release(vas_span_pointer(span), NULL) == 0);
	CHECK(76, vas_sync_check(&where) == 0);
	return got ? 100 : 0;
}

static void test_beside_work(fork_fn *fork_by, uint64_t forks)
{
	unsigned whole = 0, dead = 0;
	pthread_t threads[2];
	int got = 0;

	for (unsigned t = 0; t < 2; t++)
		if (pthread_create(&threads[t], NULL, work_main, (void *)(uintptr_t)(t + 1)))
			tap_bail("no threads");
	for (uint64_t i = 0; i < forks && (got == 0 || got == 100); i++) {
		pid_t child = fork_by();

		if (child == 0) {
			alarm(30);
			_exit(child_either());
		}
		got = wait_for(child);
		whole += got == 0;
		dead += got == 100;
	}
	__atomic_store_n(&work.stop, true, __ATOMIC_RELAXED);
	for (unsigned t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	ok((got == 0 || got == 100) && !work.wrong, "beside two threads at work: %u whole, %u given up (%d)",
	   whole, dead, got);
}

static void reserve_one(enum vas_fork policy, struct vas_span *span)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = policy;
	if (vas_reserve(4 * page, &opts, span) || vas_commit(vas_span_pointer(*span), page, NULL))
		tap_bail("no span for the test");
	*(uint64_t *)vas_span_pointer(*span) = 4711;
}

int main(void)
{
	struct vas_owner owner;
	uint64_t where;

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	reserve_one(VAS_FORK_DEFAULT, &kept);
	reserve_one(VAS_FORK_ABSENT, &absent);
	reserve_one(VAS_FORK_WIPE, &wiped);
	reserve_one(VAS_FORK_TRAP, &trapped);
	if (vas_layout_open(NULL, &layout) || vas_owner_at(vas_span_pointer(kept), &owner))
		tap_bail("no layout");
	kept_id = owner.id;
	test_refused("_Fork", _Fork);
	test_refused("clone", fork_raw_clone);
	test_by_hand(fork_raw_clone);
	pid_t child = fork_raw_clone();
	if (child == 0)
		_exit(grandchild());
	is_i64(wait_for(child), 0, "a fork() in a child that nobody announced");
	test_inside();
	test_beside_work(fork_raw_clone, tap_scaled(200));
	is_err(vas_sync_check(&where), 0, "the parent's books and maps agree");
	ok(*(uint64_t *)vas_span_pointer(kept) == 4711, "its memory is as it was");
	is_err(vas_release(vas_span_pointer(kept), NULL), 0, "and it can release it");
	vas_layout_close(layout);
	return tap_done();
}
