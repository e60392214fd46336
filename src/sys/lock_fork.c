/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks that are held over a fork.
 *
 * WHAT FOR. A child's books are whole when the thread that forks holds their locks. But
 * between our handler and the fork other handlers run. An allocator above us whose handler
 * was registered earlier than ours takes its own lock then, while another of its threads
 * may hold that lock and wait for one of ours: neither would ever go on.
 *
 * STRATEGY. A lock that is held over a fork says so in its word, and whoever waits for it
 * looks now and then at what the thread that forks is doing. As long as that one
 * sleeps in a system call that is no fork, it waits for somebody, and no fork is going on: after
 * some such looks the lock is lent, and comes back with its drop. The thread that forks
 * itself is lent every lock at once: handlers of others, which run in it, may call us. So is
 * anybody, as long as the locks are still being taken; "ready" tells that they all
 * are, and whoever says so looks whether they all are still there.
 *
 * A lock that is lent or taken when the fork does happen is seen in the child, whose
 * books are then given up (space/fork.c); the looks make that unlikely.
 *
 * CONCURRENCY. One thread at a time is between begin and end. A drop by a borrower frees the word
 * for an instant before it says FORK again; at worst it says so after the end, and a
 * FORK without a thread that forks is free.
 *
 * WHAT IT DOES NOT DO. It does not see a thread that waits by spinning: an allocator must sleep in
 * its lock, or call vas_fork_prepare in its own handler with its lock taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "sys/lock.h"
#include "sys/real.h"
#include "sys/sys.h"

#define ROUND_MICROSECONDS 1000u
#define ROUND_YIELDS 1000u /* where sleeping is denied: rounds measure time */
/*
 * Of the forking thread asleep, in a row. It may just as well wait for a lock of libc's whose holder does not get to run
 * for a while, on a busy machine, and what is lent then costs a child its books.
 */
#define LOOKS 10u
#define LOOKS_MORE 3u /* once it has been seen to wait so long, in the same fork */
#define LOOKS_BLIND 2000u /* rounds when nothing can be seen: longer than forks take */

static struct {
	struct vas_lock turn;
	uint32_t thread; /* who forks; UINT32_MAX when its number is not to be had; 0 = nobody (atomic) */
	bool ready; /* all its locks are held (atomic) */
	bool waits; /* it was found to wait for somebody (atomic) */
} lock_fork;

static uint32_t fork_self(void)
{
	uint32_t thread = vas_real_thread();

	return thread ? thread : UINT32_MAX;
}

void vas_lock_fork_begin(void)
{
	vas_lock_take(&lock_fork.turn);
	__atomic_store_n(&lock_fork.ready, false, __ATOMIC_RELAXED);
	__atomic_store_n(&lock_fork.waits, false, __ATOMIC_RELAXED);
	__atomic_store_n(&lock_fork.thread, fork_self(), __ATOMIC_SEQ_CST);
}

void vas_lock_fork_end(void)
{
	__atomic_store_n(&lock_fork.thread, 0, __ATOMIC_SEQ_CST);
	vas_lock_drop(&lock_fork.turn);
}

void vas_lock_fork_child(void)
{
	__atomic_store_n(&lock_fork.thread, 0, __ATOMIC_RELAXED);
	vas_lock_fork_reset(&lock_fork.turn);
}

void vas_lock_fork_ready(bool ready)
{
	__atomic_store_n(&lock_fork.ready, ready, __ATOMIC_SEQ_CST);
}

bool vas_lock_fork_running(void)
{
	return __atomic_load_n(&lock_fork.thread, __ATOMIC_SEQ_CST) != 0;
}

bool vas_lock_fork_mine(void)
{
	uint32_t thread = __atomic_load_n(&lock_fork.thread, __ATOMIC_RELAXED);

	return thread != 0 && thread == fork_self();
}

void vas_lock_fork_hold(struct vas_lock *lock)
{
	/* Held already. It may be lent at any moment, so it is not written to; vas_lock_fork_held tells in the end. */
	if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == VAS_LOCK_FORK)
		return;
	vas_lock_take(lock);
	vas_lock_fork_keep(lock);
}

void vas_lock_fork_keep(struct vas_lock *lock)
{
	/* Sleepers must look again: nobody will wake them at the end. */
	if (__atomic_exchange_n(&lock->word, VAS_LOCK_FORK, __ATOMIC_SEQ_CST) == 2)
		(void)vas_real_futex(&lock->word, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

void vas_lock_fork_drop(struct vas_lock *lock)
{
	uint32_t expected = VAS_LOCK_FORK;

	/* If it is not that, a borrower has it. */
	(void)__atomic_compare_exchange_n(&lock->word, &expected, 0, false, __ATOMIC_RELEASE,
					  __ATOMIC_RELAXED);
}

/* The number of the system call in which a thread sleeps; -1: it runs, or cannot be seen. */
static int64_t fork_call_of(uint32_t thread, bool *seen)
{
	struct vas_sys *sys = vas_sys_real();
	char buffer[64];
	const char *cursor = buffer;
	struct vas_text text;
	uint64_t number;
	int64_t fd, count;

	vas_text_init(&text, buffer, sizeof(buffer));
	vas_text_add(&text, "/proc/self/task/");
	vas_text_add_decimal(&text, thread);
	vas_text_add(&text, "/syscall");
	fd = sys->open(sys, buffer, O_RDONLY);
	*seen = fd >= 0;
	if (fd < 0)
		return -1;
	count = sys->read(sys, (int)fd, buffer, sizeof(buffer));
	(void)sys->close(sys, (int)fd);
	*seen = count > 0;
	if (count <= 0 || !vas_text_parse_decimal(&cursor, buffer + count, &number))
		return -1;
	return (int64_t)number;
}

static bool fork_is_a_fork(int64_t call)
{
#ifdef SYS_fork
	if (call == SYS_fork || call == SYS_vfork)
		return true;
#endif
	return call == SYS_clone || call == SYS_clone3;
}

/* Whether the thread that forks waits for somebody; rounds counts how long it has seemed so. */
static bool fork_waits(uint32_t thread, uint32_t *rounds)
{
	int64_t call;
	bool seen;

	call = fork_call_of(thread, &seen);
	if (!seen)
		return ++*rounds >= LOOKS_BLIND;
	*rounds = call < 0 || fork_is_a_fork(call) ? 0 : *rounds + 1;
	if (*rounds < (__atomic_load_n(&lock_fork.waits, __ATOMIC_RELAXED) ? LOOKS_MORE : LOOKS))
		return false;
	__atomic_store_n(&lock_fork.waits, true, __ATOMIC_RELAXED);
	return true;
}

/*
 * Asks for a lock that says FORK. Between here and the answer nobody is inside, but the thread that forks does
 * not take it for held: of it and this thread one sees what the other has written.
 */
static bool fork_ask(struct vas_lock *lock)
{
	uint32_t expected = VAS_LOCK_FORK;

	return __atomic_compare_exchange_n(&lock->word, &expected, VAS_LOCK_ASKED, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static bool fork_answer(struct vas_lock *lock, bool granted, uint32_t word)
{
	__atomic_store_n(&lock->word, granted ? word : VAS_LOCK_FORK, __ATOMIC_SEQ_CST);
	return granted;
}

/* Lends the lock; early: unless the locks became ready at that moment. */
static bool fork_lend(struct vas_lock *lock, bool early)
{
	return fork_ask(lock) &&
	       fork_answer(lock, !early || !__atomic_load_n(&lock_fork.ready, __ATOMIC_SEQ_CST),
			   VAS_LOCK_LENT);
}

/* Whether it may be lent to this thread now. */
static bool fork_try(struct vas_lock *lock, uint32_t thread, uint32_t *rounds)
{
	if (thread == fork_self())
		return fork_lend(lock, false);
	if (!__atomic_load_n(&lock_fork.ready, __ATOMIC_SEQ_CST))
		return fork_lend(lock, true);
	return fork_waits(thread, rounds) && fork_lend(lock, false);
}

/*
 * Takes what is left over from a fork that is done, unless the next one has begun at that moment. As 2: there may be
 * sleepers from before.
 */
static bool fork_inherit(struct vas_lock *lock)
{
	return fork_ask(lock) &&
	       fork_answer(lock, __atomic_load_n(&lock_fork.thread, __ATOMIC_SEQ_CST) == 0, 2);
}

bool vas_lock_fork_wait(struct vas_lock *lock, uint32_t *rounds)
{
	uint32_t thread = __atomic_load_n(&lock_fork.thread, __ATOMIC_SEQ_CST);

	if (thread == 0 && fork_inherit(lock))
		return true;
	if (thread != 0 && fork_try(lock, thread, rounds))
		return true;
	if (vas_real_sleep(ROUND_MICROSECONDS) < 0)
		for (uint32_t i = 0; i < ROUND_YIELDS; i++)
			vas_real_yield();
	return false;
}
