/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork: around it, and what a child makes of the books.
 *
 * WHAT FOR. A child has a copy of the books, taken at a moment when another
 * thread of the parent may have been changing them.
 *
 * STRATEGY. Handlers registered once, by space.c's constructor (registering late can
 * allocate, and deadlocks under an allocator that forks above us). Before the
 * fork, every lock of the books is held, and no call is between the kernel and
 * its record (no pins); afterwards both sides let go. Others' handlers run between ours and
 * the fork; what that means is told in sys/lock_fork.c. Embedders may call the handlers
 * themselves, before or inside of ours: those of one thread nest.
 *
 * After a fork without handlers (_Fork, clone) every call answers -EOWNERDEAD, until the child's handler
 * was called by hand. It finds out whether the books were whole at the fork: nobody in a lock,
 * no pins. They are given up otherwise: the spans are nobody's, and new books begin.
 *
 * What the child has of each span is fork_inherit.c's.
 *
 * CONCURRENCY. The order of locks is that of space.h, with the lock of making first and
 * the leaves last: notices, pressure, strays, log.
 *
 * WHAT IT DOES NOT DO. It does not run after _Fork or a raw clone by itself.
 */
#include "space/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "base/assert.h"
#include "record/event.h"
#include "record/log.h"
#include "space/space.h"
#include "sys/process.h"
#include "sys/strays.h"

#define FORK_LOCKS 7u

/* Who readies for a fork, and how many times it has said so. */
static struct {
	struct vas_failure *thread; /* stands for the thread: its own, at the same address in a child (atomic) */
	uint32_t depth; /* that thread's; I: > 0 exactly when thread is set */
} fork_work;

static bool fork_is_mine(void)
{
	return __atomic_load_n(&fork_work.thread, __ATOMIC_RELAXED) == vas_failure_current();
}

/* All locks but the users' own, in order; space may be NULL. Returns how many. */
static uint32_t fork_locks(struct vas_space *space, struct vas_lock *locks[FORK_LOCKS])
{
	uint32_t count = 0;

	locks[count++] = vas_space_making();
	if (space) {
		locks[count++] = &space->users_lock;
		locks[count++] = &space->lock;
		locks[count++] = &space->notices.lock;
		locks[count++] = &space->watch.lock;
	}
	locks[count++] = vas_strays_lock();
	locks[count++] = vas_log_lock();
	return count;
}

/* Nobody is inside (held: nor can get there), and no call is between the kernel and its record. */
static bool fork_is_quiet(struct vas_space *space, bool held)
{
	struct vas_lock *locks[FORK_LOCKS];
	uint32_t count = fork_locks(space, locks);

	for (uint32_t i = 0; i < count; i++)
		if (held ? !vas_lock_fork_held(locks[i]) : !vas_lock_fork_quiet(locks[i]))
			return false;
	if (!space)
		return true;
	if (space->pins)
		return false;
	for (struct vas_holding_user *user = space->users; user; user = user->next)
		if (vas_user_is_pinned(user) || (user->ops->fork_quiet && !user->ops->fork_quiet(user, held)))
			return false;
	return true;
}

static void fork_hold(struct vas_space *space)
{
	vas_lock_fork_hold(vas_space_making());
	if (space) {
		/* Nobody is lent it while the list is walked: users come and go. */
		vas_lock_take(&space->users_lock);
		for (struct vas_holding_user *user = space->users; user; user = user->next)
			if (user->ops->fork_prepare)
				user->ops->fork_prepare(user);
		vas_lock_fork_keep(&space->users_lock);
		vas_space_quiesce(space);
		vas_lock_fork_keep(&space->lock);
		__atomic_fetch_or(&space->gate, VAS_GATE_FORK, __ATOMIC_SEQ_CST);
		__atomic_fetch_sub(&space->gate, 1, __ATOMIC_SEQ_CST);
		vas_lock_fork_hold(&space->notices.lock);
		vas_lock_fork_hold(&space->watch.lock);
	}
	vas_lock_fork_hold(vas_strays_lock());
	vas_lock_fork_hold(vas_log_lock());
}

static void fork_hold_all(void)
{
	for (;;) {
		struct vas_space *space = vas_space_if_made();

		fork_hold(space);
		vas_lock_fork_ready(true);
		if (space == vas_space_if_made() && fork_is_quiet(space, true))
			return;
		vas_lock_fork_ready(false);
		vas_lock_pause();
	}
}

void vas_fork_begin(void)
{
	struct vas_fork_pausing begun;
	bool first = !fork_is_mine();

	if (first) {
		/* A child that nobody announced forks again: there is nothing to keep whole. */
		if (vas_process_number() == 0 || vas_space_orphaned())
			return;
		vas_fork_pause_begin(&begun);
		vas_lock_fork_begin();
		__atomic_store_n(&fork_work.thread, vas_failure_current(), __ATOMIC_RELAXED);
		fork_work.depth = 0;
	}
	fork_work.depth++;
	fork_hold_all();
	if (first)
		vas_fork_pause_open(&begun);
}

static void fork_forget(void)
{
	fork_work.depth = 0;
	__atomic_store_n(&fork_work.thread, NULL, __ATOMIC_RELAXED);
}

void vas_fork_end_parent(void)
{
	struct vas_space *space = vas_space_if_made();
	struct vas_lock *locks[FORK_LOCKS];
	struct vas_fork_pausing taken;
	uint32_t count;

	if (!fork_is_mine() || --fork_work.depth > 0)
		return;
	taken = vas_fork_pause_take();
	fork_forget();
	if (space)
		__atomic_fetch_and(&space->gate, ~VAS_GATE_FORK, __ATOMIC_RELEASE);
	count = fork_locks(space, locks);
	while (count > 2)
		vas_lock_fork_drop(locks[--count]);
	for (struct vas_holding_user *user = space ? space->users : NULL; user; user = user->next)
		if (user->ops->fork_parent)
			user->ops->fork_parent(user);
	while (count > 0)
		vas_lock_fork_drop(locks[--count]);
	vas_lock_fork_end();
	vas_fork_pause_end(&taken, false);
}

static void fork_reset(struct vas_space *space)
{
	struct vas_lock *locks[FORK_LOCKS];
	uint32_t count = fork_locks(space, locks);

	vas_lock_fork_child();
	while (count > 0)
		vas_lock_fork_reset(locks[--count]);
	vas_space_adopted();
	/* Threads of the parent that wait are not here. */
	if (space) {
		__atomic_store_n(&space->quiescers, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&space->gate, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&space->retrying, false, __ATOMIC_RELAXED);
		/* The parent takes what it has read as its own. */
		__atomic_store_n(&space->group_credit, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&space->growth_credit, 0, __ATOMIC_RELAXED);
	}
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

/* Users hear what became of their spans; those without one are no users any more. */
static void fork_tell_users(struct vas_space *space)
{
	struct vas_holding_user *next;

	for (struct vas_holding_user *user = space->users; user; user = next) {
		struct vas_holding *holding = user->holding;
		int state = (int)holding->forked;

		next = user->next;
		if (state == VAS_FORK_ABSENT)
			vas_space_unuse(space, user);
		if (user->ops->fork_child)
			user->ops->fork_child(user, state);
	}
}

/* Copies that users make themselves. */
static void fork_copy_users(struct vas_space *space, struct vas_fork_loss *loss)
{
	for (struct vas_holding_user *user = space->users; user; user = user->next) {
		struct vas_holding *holding = user->holding;
		struct vas_span span = holding->span;
		int err;

		if (!user->ops->fork_copy || holding->forked != VAS_FORK_COPY || holding->parked ||
		    !vas_fork_has_copies(holding))
			continue;
		vas_fork_call_hold(span, 1);
		err = user->ops->fork_copy(user);
		vas_fork_call_hold(span, 0);
		if (err)
			vas_fork_note(loss, span, err);
	}
}

static int fork_give_up(struct vas_space *space)
{
	if (space) {
		vas_strays_give_up(space->sys);
		vas_space_give_up();
	}
	vas_process_renew();
	return -EOWNERDEAD;
}

static int fork_inherit(void)
{
	struct vas_space *space = vas_space_inherited();
	struct vas_fork_loss loss = { 0 };
	bool quiet;

	quiet = fork_is_quiet(space, false);
	fork_forget();
	fork_reset(space);
	if (!quiet)
		return fork_give_up(space);
	if (space) {
		vas_lock_take(&space->lock);
		for (struct vas_holding_user *user = space->users; user; user = user->next)
			vas_space_fold(space, user->holding);
		vas_watch_fork_child(space);
		vas_notice_fork_child(space);
		vas_fork_inherit(space, &loss);
		fork_counters(&space->stats);
		vas_space_tell_runs(space, 0);
		vas_lock_drop(&space->lock);
	}
	vas_process_renew();
	if (space) {
		fork_copy_users(space, &loss);
		fork_tell_users(space);
	}
	if (loss.count)
		vas_event_span(VAS_LOG_WARNING, "a forked child does not have all of its spans:",
			       loss.first.start, loss.first.size);
	return loss.error == 0 || loss.error == -EEXIST ? loss.error : -ENOMEM;
}

int vas_fork_end_child(void)
{
	struct vas_fork_pausing taken;
	int err;

	if (!fork_is_mine() && vas_process_number() != 0 && !vas_space_orphaned())
		return 0;
	if (!fork_is_mine())
		vas_fork_pause_forget();
	err = fork_inherit();
	taken = vas_fork_pause_take();
	vas_fork_pause_end(&taken, true);
	return err;
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
