/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork: the parent's writers held off until a child has its copies.
 *
 * WHAT FOR. A copy of shared memory that is made after the fork is of several moments while the parent goes on writing. Whoever needs one moment
 * sets a hook, which stops the writers before the fork and lets them go when the copies are made.
 *
 * STRATEGY. Parent and child have a pipe, of which the child alone keeps the end that is written to, and closes it when it is done: then the
 * parent reads its end. It reads that as well when the child dies or executes something, and when there is none. The wait is bounded by a time
 * that both know from before the fork: a copy that is not made by then does not count, and the parent goes on no sooner, unless the
 * pipe has ended.
 *
 * CONCURRENCY. What is under way belongs to the thread that forks, between vas_lock_fork_begin and _end. The hook is called, and
 * the parent waits, with no lock of the library held.
 *
 * WHAT IT DOES NOT DO. It does not look whether there is anything to copy. A process that another thread makes meanwhile by
 * other means than fork has the pipe, too, until it executes something: then the parent may wait as long as it was told at most.
 */
#include <errno.h>
#include <stddef.h>

#include "space/fork.h"
#include "space/space.h"

#define NAP_FIRST UINT64_C(20000) /* nanoseconds */
#define NAP	  UINT64_C(2000000)

static struct {
	vas_fork_pause *pause; /* atomic, as the others */
	void *context;
	uint32_t milliseconds;
} pause_hook;

/* In a child, that of its parent. */
static struct vas_fork_pausing pausing = { .ends = { -1, -1 } };

void vas_fork_set_pause(vas_fork_pause *pause, void *context, uint32_t milliseconds)
{
	__atomic_store_n(&pause_hook.pause, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&pause_hook.context, context, __ATOMIC_SEQ_CST);
	__atomic_store_n(&pause_hook.milliseconds, milliseconds, __ATOMIC_SEQ_CST);
	__atomic_store_n(&pause_hook.pause, pause, __ATOMIC_SEQ_CST);
}

void vas_fork_pause_begin(struct vas_fork_pausing *begun)
{
	struct vas_space *space = vas_space_if_made();

	*begun = (struct vas_fork_pausing){
		.pause = __atomic_load_n(&pause_hook.pause, __ATOMIC_SEQ_CST),
		.context = __atomic_load_n(&pause_hook.context, __ATOMIC_SEQ_CST),
		.nanoseconds = UINT64_C(1000000) *
			       __atomic_load_n(&pause_hook.milliseconds, __ATOMIC_SEQ_CST),
		.ends = { -1, -1 },
	};
	/* Without books there is nothing to copy. */
	if (!space)
		begun->pause = NULL;
	if (!begun->pause)
		return;
	begun->sys = space->sys;
	begun->pause(begun->context, 1);
}

void vas_fork_pause_open(const struct vas_fork_pausing *begun)
{
	int64_t now;

	pausing = *begun;
	if (!pausing.pause || VAS_CALL(pausing.sys, pipe, pausing.ends) < 0)
		return;
	now = VAS_CALL(pausing.sys, clock);
	if (now >= 0)
		pausing.deadline = now + (int64_t)pausing.nanoseconds;
}

struct vas_fork_pausing vas_fork_pause_take(void)
{
	struct vas_fork_pausing taken = pausing;

	pausing = (struct vas_fork_pausing){ .ends = { -1, -1 } };
	return taken;
}

/* Until the pipe has ended, or for as long as there is time. */
static void pause_await(const struct vas_fork_pausing *taken)
{
	struct vas_sys *sys = taken->sys;
	uint64_t nap = NAP_FIRST;
	uint32_t word = 0;
	int64_t now;
	char byte;

	while (VAS_CALL(sys, read, taken->ends[0], &byte, 1) != 0) {
		now = VAS_CALL(sys, clock);
		if (now < 0 || now >= taken->deadline)
			break;
		(void)VAS_CALL(sys, wait, &word, 0, nap);
		nap = nap < NAP / 2 ? 2 * nap : NAP;
	}
}

void vas_fork_pause_end(const struct vas_fork_pausing *taken, bool child)
{
	if (taken->ends[0] >= 0) {
		(void)VAS_CALL(taken->sys, close, taken->ends[1]);
		if (!child)
			pause_await(taken);
		(void)VAS_CALL(taken->sys, close, taken->ends[0]);
	}
	if (taken->pause)
		taken->pause(taken->context, 0);
}

void vas_fork_pause_forget(void)
{
	/* Its pipe is closed with the rest. */
	pausing.pause = NULL;
}

bool vas_fork_in_time(void)
{
	int64_t now;

	if (!pausing.pause)
		return true;
	now = VAS_CALL(pausing.sys, clock);
	return now >= 0 && now < pausing.deadline;
}
