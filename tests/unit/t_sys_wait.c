/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* The real table's operations for waiting: between threads, between processes, and where a sandbox denies futex. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/workout.h"
#include "sys/definitions.h"
#include "sys/sys.h"
#include "tap/tap.h"

#define MILLISECOND UINT64_C(1000000)

static struct vas_sys *sys;

static void answers(void)
{
	uint32_t word = 5;
	int64_t start = sys->clock(sys);

	errno = 4711;
	is_i64(sys->wait(sys, &word, 6, UINT64_MAX), 0, "another value: at once");
	is_i64(sys->wait(sys, &word, 5, 3 * MILLISECOND), -ETIMEDOUT,
	       "the same: to the end of the time");
	ok(sys->clock(sys) - start >= (int64_t)(3 * MILLISECOND), "which the clock tells");
	is_i64(sys->wait(sys, &word, 5, 0), -ETIMEDOUT, "no time");
	is_i64(sys->wake(sys, &word, 1), 0, "nobody to wake");
	is_i64(sys->wait(sys, NULL, 0, 0), -EFAULT, "no word");
	is_i64(sys->barrier(sys, 999), -EINVAL, "no such barrier");
	is_i64(errno, 4711, "errno is the caller's");
}

static uint32_t *shared_word(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void wake_until_gone(uint32_t *word, pid_t child)
{
	int status = 0;

	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	while (waitpid(child, &status, WNOHANG) == 0) {
		sys->wake(sys, word, INT32_MAX);
		usleep(1000);
	}
	is_i64(status, 0, "the other process woke up and saw the word");
}

static void processes(void)
{
	uint32_t *word = shared_word();
	pid_t child = fork();

	if (child == 0) {
		while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
			if (sys->wait(sys, word, 0, UINT64_MAX))
				_exit(1);
		_exit(0);
	}
	usleep(2000);
	wake_until_gone(word, child);
	munmap(word, 4096);
}

static void nothing(int number)
{
	(void)number;
}

static void *asleep(void *arg)
{
	static uint32_t word;

	*(int64_t *)arg = sys->wait(sys, &word, 0, UINT64_MAX);
	return NULL;
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = nothing };
	int64_t got = 4711;
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, asleep, &got);
	/* One that came before it slept is lost. */
	while (pthread_tryjoin_np(thread, NULL)) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	is_i64(got, 0, "a signal ends it, and is no error");
}

static void denied_case(void *arg)
{
	uint32_t word = 5;
	int64_t start = sys->clock(sys);

	tap_ignore_leaks(TAP_LEAK_FDS | TAP_LEAK_HEAP | TAP_LEAK_VMAS);
	if (!workout_deny(SYS_futex, *(const int *)arg))
		tap_skip_all("no-seccomp", "this kernel has no seccomp filters");
	is_i64(sys->wait(sys, &word, 5, UINT64_MAX), 0, "waiting returns after a moment");
	ok(sys->clock(sys) > start, "which is a sleep");
	is_i64(sys->wait(sys, &word, 5, 1000), -ETIMEDOUT, "or when the time is over");
	is_i64(sys->wake(sys, &word, 1), -*(const int *)arg, "waking says so");
}

int main(void)
{
	static int errors[] = { EPERM, ENOSYS };
	int64_t got;

	tap_plan(0);
	sys = vas_sys_real();
	answers();
	processes();
	signals();
	got = sys->barrier(sys, VAS_MEMBARRIER_REGISTER_GLOBAL_EXPEDITED);
	ok(got == 0 || got == -ENOSYS || got == -EINVAL || got == -EPERM,
	   "a barrier's registration");
	tap_case("futex answers EPERM", denied_case, &errors[0], 10);
	tap_case("futex answers ENOSYS", denied_case, &errors[1], 10);
	return tap_done();
}
