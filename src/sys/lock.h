/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small mutex on a futex: one word, no allocation, statically initialised by
 * zeroes, safe to take below malloc. Not recursive. Not for signal handlers.
 * A short spin, then FUTEX_WAIT_PRIVATE. When the futex call is denied by a
 * sandbox, waiting falls back to sched_yield.
 *
 * While the process has one thread the word is changed by plain loads and stores: it says the same at
 * any time, so a thread that is made while it is taken finds it taken.
 *
 * Locks that are held over a fork are a state of their own: see lock_fork.c.
 */
#ifndef VAS_SYS_LOCK_H
#define VAS_SYS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/single.h"

#define VAS_LOCK_FORK 4u
#define VAS_LOCK_LENT 5u
#define VAS_LOCK_ASKED 6u

struct vas_lock {
	/*
	 * 0 free, 1 taken, 2 taken and somebody waits, FORK held by the thread that forks, LENT by it to another,
	 * ASKED: another finds out whether it may have it.
	 */
	uint32_t word;
};

#define VAS_LOCK_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void vas_lock_wait(struct vas_lock *lock); /* the slow half of take */
void vas_lock_wake(struct vas_lock *lock, uint32_t word); /* the slow half of drop: word as it was */
/* Lets another thread run: for the rare wait on something that is not a lock. */
void vas_lock_pause(void);

/* Tells the processor that this is a wait. */
static inline void vas_lock_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("isb" ::: "memory");
#endif
}

static inline void vas_lock_take(struct vas_lock *lock)
{
	uint32_t expected = 0;

	if (vas_single() && __atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0) {
		__atomic_store_n(&lock->word, 1, __ATOMIC_RELAXED);
		return;
	}
	if (!__atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		vas_lock_wait(lock);
}

static inline void vas_lock_drop(struct vas_lock *lock)
{
	uint32_t word;

	if (vas_single()) {
		word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
		__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
	} else {
		word = __atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE);
	}
	if (__builtin_expect(word > 1, 0))
		vas_lock_wake(lock, word);
}

static inline bool vas_lock_held(const struct vas_lock *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0;
}

/*
 * Around fork(). begin: this thread is about to hold locks over a fork; it waits while
 * another one is. Then hold each, and say ready(true); should one not be quiet after that,
 * ready(false) and once more. Afterwards end, and drop each, in the parent; in the
 * child child, and reset each.
 */
void vas_lock_fork_begin(void);
void vas_lock_fork_ready(bool ready);
void vas_lock_fork_end(void);
void vas_lock_fork_child(void);
/* Whether this thread is between begin and end. */
bool vas_lock_fork_mine(void);
/* Whether some thread is. */
bool vas_lock_fork_running(void);

/* Takes the lock and holds it over the fork; also when it holds it already. */
void vas_lock_fork_hold(struct vas_lock *lock);
/* The same for a lock that this thread has taken. */
void vas_lock_fork_keep(struct vas_lock *lock);
void vas_lock_fork_drop(struct vas_lock *lock);
/* In a child: frees it. What it guards is whole only if it was quiet. */
static inline void vas_lock_fork_reset(struct vas_lock *lock)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
}

/* Nobody was inside: free, or held over the fork, or asked for. */
static inline bool vas_lock_fork_quiet(const struct vas_lock *lock)
{
	/*
	 * What a borrower wrote before it gave the lock back is read next. In one order with what "ready" says: whoever
	 * borrows it after this look sees that.
	 */
	uint32_t word = __atomic_load_n(&lock->word, __ATOMIC_SEQ_CST);

	return word == 0 || word == VAS_LOCK_FORK || word == VAS_LOCK_ASKED;
}

/*
 * Held over the fork by this thread, in which the locks are ready. Not free either: a borrower gives a lock
 * back in two steps, and between them another thread may take it.
 */
static inline bool vas_lock_fork_held(const struct vas_lock *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_SEQ_CST) == VAS_LOCK_FORK;
}

/* The slow half of take for a word that says FORK, LENT or ASKED. False: look at the word again. */
bool vas_lock_fork_wait(struct vas_lock *lock, uint32_t *rounds);

#endif
