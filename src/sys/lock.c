/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slow halves of the lock: waiting and waking.
 *
 * The word is the three-state mutex of Drepper, "Futexes Are Tricky" (2011):
 * a waiter writes 2 before it sleeps, so the holder that finds 2 knows that a
 * wake may be needed, and a lock nobody waits for costs no system call.
 *
 * A sandbox may deny futex. Waiting is then sched_yield, and waking nothing;
 * sleepers cannot exist, because whoever would sleep was denied too.
 *
 * Not fair, not recursive, no priority inheritance.
 */
#include "sys/lock.h"

#include <errno.h>
#include <linux/futex.h>

#include "sys/real.h"

/* About a microsecond: the critical sections of this library's books are shorter than a sleep. */
#define LOCK_SPINS 100

static inline void lock_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("isb" ::: "memory");
#endif
}

static bool lock_try(struct vas_lock *lock)
{
	uint32_t expected = 0;

	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
	       __atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

void vas_lock_wait(struct vas_lock *lock)
{
	for (int i = 0; i < LOCK_SPINS; i++) {
		if (lock_try(lock))
			return;
		lock_pause();
	}
	/* Taken as 2 even when nobody else waits any more: at worst one wake too many. */
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0) {
		int64_t got = vas_real_futex(&lock->word, FUTEX_WAIT_PRIVATE, 2);

		if (got < 0 && got != -EAGAIN && got != -EINTR)
			vas_real_yield();
	}
}

void vas_lock_wake(struct vas_lock *lock)
{
	(void)vas_real_futex(&lock->word, FUTEX_WAKE_PRIVATE, 1);
}

void vas_lock_pause(void)
{
	vas_real_yield();
}
