/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small mutex on a futex: one word, no allocation, statically initialised by
 * zeroes, safe to take below malloc. Not recursive. Not for signal handlers.
 * A short spin, then FUTEX_WAIT_PRIVATE. When the futex call is denied by a
 * sandbox, waiting falls back to sched_yield.
 */
#ifndef VAS_SYS_LOCK_H
#define VAS_SYS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct vas_lock {
	uint32_t word; /* 0 free, 1 taken, 2 taken and somebody waits */
};

#define VAS_LOCK_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void vas_lock_wait(struct vas_lock *lock); /* the slow half of take */
void vas_lock_wake(struct vas_lock *lock); /* the slow half of drop */
/* Lets another thread run: for the rare wait on something that is not a lock. */
void vas_lock_pause(void);

static inline void vas_lock_take(struct vas_lock *lock)
{
	uint32_t expected = 0;

	if (!__atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		vas_lock_wait(lock);
}

static inline void vas_lock_drop(struct vas_lock *lock)
{
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		vas_lock_wake(lock);
}

static inline bool vas_lock_held(const struct vas_lock *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0;
}

#endif
