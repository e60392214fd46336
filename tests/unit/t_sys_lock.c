/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* The lock: mutual exclusion under contention, waking, and life without futex. */
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

int main(void)
{
	tap_plan(0);
	contended();
	sleeping();
	if (tap_under_sanitizer())
		tap_skip(1, "checker-memory", "sanitizers need futex themselves");
	else
		tap_case("a sandbox without futex", denied_case, NULL, 20);
	return tap_done();
}
