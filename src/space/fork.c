/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork.
 *
 * WHAT FOR. A child has a copy of the books, taken at a moment when another
 * thread of the parent may have been changing them.
 *
 * STRATEGY. Handlers registered once, by space.c's constructor (registering late can
 * allocate, and deadlocks under an allocator that forks above us). Before the
 * fork, wait until no commit or release is between its kernel call and its
 * record, and hold the books; after it, let go in both. In the child, spans
 * that do not exist there (MADV_DONTFORK) are forgotten, since the child's own
 * mmap may land in their place. Embedders may call the handlers themselves, before or
 * inside of ours: those of one thread nest.
 *
 * CONCURRENCY. Lock order: making, the space's lock, then those of the notices,
 * the pressure hook, the strays and the log hook.
 *
 * WHAT IT DOES NOT DO. It does not run after _Fork or a raw clone.
 */
#include "space/fork.h"

#include <pthread.h>
#include <stddef.h>

#include "record/log.h"
#include "space/space.h"
#include "sys/strays.h"

/* Who readies for a fork, and how many times it has said so. */
static struct {
	struct vas_failure *thread; /* stands for the thread: its own, at the same address in a child (atomic) */
	uint32_t depth; /* that thread's; I: > 0 exactly when thread is set */
} fork_work;

static bool fork_is_mine(void)
{
	return __atomic_load_n(&fork_work.thread, __ATOMIC_RELAXED) == vas_failure_current();
}

void vas_fork_begin(void)
{
	struct vas_space *space;

	if (fork_is_mine()) {
		fork_work.depth++;
		return;
	}
	vas_space_lock_making();
	space = vas_space_if_made();
	if (space) {
		vas_space_quiesce(space);
		vas_notice_fork_begin(space);
		vas_watch_fork_begin(space);
	}
	vas_strays_fork_begin();
	vas_log_fork_begin();
	__atomic_store_n(&fork_work.thread, vas_failure_current(), __ATOMIC_RELAXED);
	fork_work.depth = 1;
}

static void fork_forget(void)
{
	fork_work.depth = 0;
	__atomic_store_n(&fork_work.thread, NULL, __ATOMIC_RELAXED);
}

void vas_fork_end_parent(void)
{
	struct vas_space *space = vas_space_if_made();

	if (!fork_is_mine() || --fork_work.depth > 0)
		return;
	fork_forget();
	vas_log_fork_end();
	vas_strays_fork_end();
	if (space) {
		vas_watch_fork_parent(space);
		vas_notice_fork_parent(space);
		vas_lock_drop(&space->lock);
	}
	vas_space_unlock_making();
}

/* A child's counters begin at its fork; the sums over what lives stay. */
static void fork_counters(struct vas_stats *stats)
{
	struct vas_stats sums = {
		.spans = stats->spans,
		.reserved = stats->reserved,
		.committed = stats->committed,
		.held = stats->held,
		.held_bytes = stats->held_bytes,
		.vmas = stats->vmas,
	};

	*stats = sums;
}

int vas_fork_end_child(void)
{
	struct vas_space *space = vas_space_if_made();

	if (!fork_is_mine())
		return 0;
	fork_forget();
	vas_log_fork_end();
	vas_strays_fork_end();
	if (space) {
		vas_watch_fork_child(space);
		vas_notice_fork_child(space);
		vas_space_forget_absent(space);
		fork_counters(&space->stats);
		/* Threads of the parent that wait are not here. */
		__atomic_store_n(&space->quiescers, 0, __ATOMIC_RELAXED);
		vas_lock_drop(&space->lock);
	}
	vas_space_unlock_making();
	return 0;
}

static void fork_child(void)
{
	(void)vas_fork_end_child();
}

void vas_fork_register(void)
{
	/* Without handlers the library still works in programs that do not fork from threads. */
	(void)pthread_atfork(vas_fork_begin, vas_fork_end_parent, fork_child);
}
