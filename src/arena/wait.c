/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for what other processes do with an arena, and following it.
 *
 * WHAT FOR. Who reads what another process writes wants to know when there is more.
 *
 * STRATEGY. A word in the header says that somebody waits; whoever changes the size wakes then, once for all of them. Who
 * may not write there looks again every few milliseconds.
 *
 * CONCURRENCY. No lock: the size is one word.
 *
 * WHAT IT DOES NOT DO. Waiting opens no tails: following does.
 */
#include <errno.h>

#include "arena/arena.h"

#define NAP INT64_C(10000000) /* nanoseconds */

/* Sleeps until the size may be another, at most so long. */
static void nap(struct vas_arena *arena, uint64_t seen, int64_t nanoseconds)
{
	struct vas_header *page = arena->header.page;
	uint32_t sized;

	if (!arena->header.writable)
		nanoseconds = nanoseconds < NAP ? nanoseconds : NAP;
	else
		__atomic_store_n(&page->watched, 1, __ATOMIC_SEQ_CST);
	sized = __atomic_load_n(&page->sized, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&page->size, __ATOMIC_SEQ_CST) == seen)
		(void)VAS_CALL(arena->space->sys, wait, &page->sized, sized, (uint64_t)nanoseconds);
}

int vas_arena_await(struct vas_arena *arena, uint64_t seen, uint64_t nanoseconds,
		    struct vas_failure *failure, uint64_t *now)
{
	struct vas_sys *sys = arena->space->sys;
	int64_t began = VAS_CALL(sys, clock), time = began;
	/* Longer than anybody lives. */
	int64_t most = nanoseconds < INT64_MAX / 4 ? (int64_t)nanoseconds : INT64_MAX / 4;
	uint64_t size;

	for (;;) {
		size = __atomic_load_n(&arena->header.page->size, __ATOMIC_ACQUIRE);
		if (arena->header.shared && !vas_header_suits(&arena->facts, size, 0))
			return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
		if (size != seen)
			break;
		if (time - began >= most)
			return vas_arena_refuse(failure, VAS_WHY_NONE, -EAGAIN);
		nap(arena, seen, most - (time - began));
		time = VAS_CALL(sys, clock);
		/* Where a sandbox has no clock it waits once. */
		if (time < 0 || began < 0)
			time = began + most;
	}
	*now = size;
	return 0;
}

int vas_arena_catch_up(struct vas_arena *arena, struct vas_failure *failure)
{
	int err = vas_arena_enter(arena, failure);

	if (err)
		return err;
	err = vas_arena_follow(arena, failure);
	vas_arena_leave(arena);
	return err;
}
