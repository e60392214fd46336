/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real kernel's operations for waiting on a word of memory that another process may write.
 *
 * The futex is a shared one: the kernel finds it by the object and the offset behind the address, so every process sees the same
 * whatever its mapping's address. A waiter looks at its word again after each answer, so a signal, a changed value and a wake-up are the same
 * to it: 0.
 *
 * A sandbox may deny futex. Waiting is then a short sleep, or a yield where that is denied as well, and waking does nothing: nobody
 * sleeps in the kernel, since whoever would was denied too.
 *
 * Concurrency: stateless.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/real.h"
#include "sys/real_call.h"
#include "sys/watcher.h"

#define SECOND UINT64_C(1000000000)
#define NAP    UINT64_C(1000000) /* nanoseconds, where nobody can be woken */

static int64_t wait_denied(uint64_t nanoseconds)
{
	uint64_t nap = nanoseconds < NAP ? nanoseconds : NAP;

	if (vas_real_sleep((uint32_t)(nap / 1000)) < 0)
		vas_real_yield();
	return nap == nanoseconds ? -ETIMEDOUT : 0;
}

int64_t vas_real_wait(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	struct timespec time = { (time_t)(nanoseconds / SECOND), (long)(nanoseconds % SECOND) };
	int saved = errno;
	int64_t got;

	(void)sys;
	got = syscall(SYS_futex, word, (long)FUTEX_WAIT, (long)value,
		      nanoseconds == UINT64_MAX ? NULL : &time, NULL, 0L);
	if (got == 0)
		return 0;
	got = real_failed(saved);
	if (got == -EINTR || got == -EAGAIN)
		return 0;
	return got == -EPERM || got == -ENOSYS || got == -EACCES ? wait_denied(nanoseconds) : got;
}

int64_t vas_real_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_futex, word, (long)FUTEX_WAKE, (long)count, NULL, NULL, 0L));
}

int64_t vas_real_barrier(struct vas_sys *sys, int command)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_membarrier, (long)command, 0L, 0L));
}

int64_t vas_real_clock(struct vas_sys *sys)
{
	struct timespec time = { 0, 0 };
	int64_t got = REAL_CALL(syscall(SYS_clock_gettime, (long)CLOCK_MONOTONIC, &time));

	(void)sys;
	if (got < 0)
		return got;
	vas_watcher_written(&time, sizeof(time));
	return (int64_t)time.tv_sec * (int64_t)SECOND + time.tv_nsec;
}
