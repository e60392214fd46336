/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* The lock: mutual exclusion under contention, waking, life without futex, and what is held over a fork. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/lock.h"
#include "tap/tap.h"

#define THREADS 4

static struct vas_lock lock = VAS_LOCK_INIT;
static uint64_t counter; /* not atomic: the lock is all that protects it */
static uint64_t rounds;

static void *count(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < rounds; i++) {
		vas_lock_take(&lock);
		counter++;
		vas_lock_drop(&lock);
	}
	return NULL;
}

static void run_threads(void *(*function)(void *))
{
	pthread_t threads[THREADS];
	int started = 0;

	while (started < THREADS && !pthread_create(&threads[started], NULL, function, NULL))
		started++;
	is_i64(started, THREADS, "all threads run");
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

static void contended(void)
{
	rounds = tap_scaled(200000);
	counter = 0;
	run_threads(count);
	is_u64(counter, THREADS * rounds, "no increment is lost between %d threads", THREADS);
	ok(!vas_lock_held(&lock), "the lock is free afterwards");
	is_u64(lock.word, 0, "its word too");
}

static void *hold(void *arg)
{
	struct timespec while_held = { 0, 30000000 };

	vas_lock_take(&lock);
	__atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
	nanosleep(&while_held, NULL);
	counter = 17;
	vas_lock_drop(&lock);
	return NULL;
}

static void sleeping(void)
{
	pthread_t thread;
	int held = 0;

	errno = 4711;
	if (!ok(pthread_create(&thread, NULL, hold, &held) == 0, "a thread takes the lock"))
		return;
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		vas_lock_pause();
	vas_lock_take(&lock);
	is_u64(counter, 17, "a waiter that slept sees what the holder wrote");
	is_i64(errno, 4711, "waiting leaves errno alone");
	vas_lock_drop(&lock);
	pthread_join(thread, NULL);
}

/* futex answers EPERM to this thread from now on. */
static bool deny_futex(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static int arrived;
static bool refused; /* the kernel has no filters */

static void *count_denied(void *arg)
{
	(void)arg;
	/* Every thread has its own filter: pthread_join of the others must still work. */
	if (!deny_futex())
		__atomic_store_n(&refused, true, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < rounds; i++) {
		vas_lock_take(&lock);
		counter++;
		vas_lock_drop(&lock);
	}
	__atomic_fetch_add(&arrived, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void denied_case(void *arg)
{
	(void)arg;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	rounds = tap_scaled(20000);
	counter = 0;
	arrived = 0;
	run_threads(count_denied);
	if (refused)
		tap_skip_all("no-seccomp", "this kernel has no seccomp filters");
	is_i64(arrived, THREADS, "all threads went without futex");
	is_u64(counter, THREADS * rounds, "and lost no increment");
}

#define FORKS	   200
#define FORK_TRIES 100000

static bool forks_done;

/* As count, for as long as there are forks; arg: how often. */
static void *count_beside(void *arg)
{
	uint64_t *often = arg;

	while (!__atomic_load_n(&forks_done, __ATOMIC_RELAXED)) {
		vas_lock_take(&lock);
		counter++;
		vas_lock_drop(&lock);
		++*often;
	}
	return NULL;
}

/* What a thread that forks does, without the fork. False: it never got its lock for itself. */
static bool fork_hold_once(void)
{
	for (int i = 0; i < FORK_TRIES; i++) {
		vas_lock_fork_hold(&lock);
		vas_lock_fork_ready(true);
		if (vas_lock_fork_held(&lock))
			return true;
		vas_lock_fork_ready(false);
		vas_lock_pause();
	}
	return false;
}

/* Others are lent the lock while it is not ready; from then on it is the forking thread's alone. */
static void held_over_forks(void)
{
	uint64_t often[THREADS] = { 0 }, sum = 0, seen;
	pthread_t threads[THREADS];
	unsigned int wrong = 0;
	bool got = true;

	counter = 0;
	forks_done = false;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, count_beside, &often[i]))
			tap_bail("no threads");
	for (int i = 0; i < FORKS && got; i++) {
		vas_lock_fork_begin();
		got = fork_hold_once();
		seen = counter;
		for (int spin = 0; spin < 2000; spin++)
			vas_lock_relax();
		wrong += seen != counter || !vas_lock_fork_quiet(&lock);
		vas_lock_fork_end();
		vas_lock_fork_drop(&lock);
	}
	__atomic_store_n(&forks_done, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += often[i];
	}
	ok(got, "the lock was held over each of %d forks", FORKS);
	is_u64(wrong, 0, "nobody was inside meanwhile");
	is_u64(counter, sum, "and never two at once");
}

/* Which words count as held, and which as quiet. */
static void fork_words(void)
{
	static const struct {
		uint32_t word;
		bool quiet, held;
		const char *name;
	} words[] = {
		{ 0, true, false, "free" },
		{ 1, false, false, "taken" },
		{ 2, false, false, "taken and waited for" },
		{ VAS_LOCK_FORK, true, true, "held over a fork" },
		{ VAS_LOCK_LENT, false, false, "lent" },
		{ VAS_LOCK_ASKED, true, false, "asked for" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct vas_lock one = { words[i].word };

		ok(vas_lock_fork_quiet(&one) == words[i].quiet &&
			   vas_lock_fork_held(&one) == words[i].held,
		   "%s", words[i].name);
	}
}

int main(void)
{
	tap_plan(0);
	contended();
	sleeping();
	fork_words();
	held_over_forks();
	if (tap_under_sanitizer())
		tap_skip(1, "checker-memory", "sanitizers need futex themselves");
	else
		tap_case("a sandbox without futex", denied_case, NULL, 20);
	return tap_done();
}
