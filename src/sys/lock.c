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

static bool lock_try(struct vas_lock *lock)
{
	uint32_t expected = 0;

	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
	       __atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* One look, and one sleep when it is taken. True when it is ours. */
static bool lock_take_awaited(struct vas_lock *lock, uint32_t *rounds)
{
	uint32_t word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
	int64_t got;

	if (word >= VAS_LOCK_FORK)
		return vas_lock_fork_wait(lock, rounds);
	if (word != 2 && !__atomic_compare_exchange_n(&lock->word, &word, 2, false, __ATOMIC_ACQUIRE,
						      __ATOMIC_RELAXED))
		return false;
	if (word == 0)
		return true;
	got = vas_real_futex(&lock->word, FUTEX_WAIT_PRIVATE, 2);
	if (got < 0 && got != -EAGAIN && got != -EINTR)
		vas_real_yield();
	return false;
}

void vas_lock_wait(struct vas_lock *lock)
{
	uint32_t rounds = 0;

	for (int i = 0; i < LOCK_SPINS; i++) {
		if (lock_try(lock))
			return;
		vas_lock_relax();
	}
	/* Taken as 2 even when nobody else waits any more: at worst one wake too many. */
	while (!lock_take_awaited(lock, &rounds))
		;
}

void vas_lock_wake(struct vas_lock *lock, uint32_t word)
{
	uint32_t expected = 0;

	/* Back to the thread that forks; should another be inside already, it is that one's. */
	if (word == VAS_LOCK_LENT && vas_lock_fork_running())
		(void)__atomic_compare_exchange_n(&lock->word, &expected, VAS_LOCK_FORK, false,
						  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	(void)vas_real_futex(&lock->word, FUTEX_WAKE_PRIVATE, 1);
}

void vas_lock_pause(void)
{
	vas_real_yield();
}
