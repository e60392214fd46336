/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tails: what a view shows beyond the arena's size.
 *
 * WHAT FOR. Touching there is a mistake. With a BARE tail it is SIGBUS, which costs nothing; the others make it a SIGSEGV, as of any
 * wild pointer.
 *
 * STRATEGY. NONE has no access beyond the size: one mprotect a view and step, and one kernel mapping more a view. GUARD has
 * guards of the kernel there (space/guard.c tells what they are), which cost page tables in the place of the mapping. They
 * leave the books as they are: the kernel's list does not show them.
 *
 * When an arena grows its object does first, since that may end before what was asked for; then the tails are opened, each
 * or none. When it shrinks they are closed first. Guards are the exception: they come last, and where the kernel refuses one the tail is as a BARE
 * one there, since guards that cannot be taken away again would hide bytes that are the arena's.
 *
 * CONCURRENCY. The arena's work lock is held.
 *
 * WHAT IT DOES NOT DO. In a forked child guards of an object's mapping may be gone: there GUARD may be as BARE.
 */
#include <errno.h>

#include "arena/arena.h"
#include "sys/definitions.h"

static int64_t tail_guard(struct vas_arena *arena, struct vas_span range, bool closed)
{
	return VAS_CALL(arena->space->sys, advise, range.start, range.size,
			closed ? MADV_GUARD_INSTALL : MADV_GUARD_REMOVE);
}

/* Opens or closes what one view has of [from, to). */
static int tail_change(struct vas_view *view, uint64_t from, uint64_t to, bool closed,
		       struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	struct vas_span range;
	int err;

	if (!vas_view_sees(view, from, to, &range))
		return 0;
	if (arena->tail == VAS_TAIL_NONE)
		return vas_part_close(arena->space, view->user.holding, range, closed, failure);
	err = (int)tail_guard(arena, range, closed);
	if (err >= 0)
		return 0;
	failure->why = err == -ENOSYS || err == -EACCES || err == -EPERM ? VAS_WHY_DENIED :
									   VAS_WHY_KERNEL;
	return err == -ENOMEM || failure->why == VAS_WHY_DENIED ? err : -EPERM;
}

/* What was changed in the views before stop is changed back. */
static void tails_undo(struct vas_arena *arena, const struct vas_view *stop, uint64_t from,
		       uint64_t to, bool closed)
{
	for (struct vas_view *view = &arena->first; view != stop; view = view->next) {
		struct vas_failure ignored = { .why = VAS_WHY_NONE };

		(void)tail_change(view, from, to, closed, &ignored);
	}
}

int vas_tails_open(struct vas_arena *arena, uint64_t from, uint64_t to, struct vas_failure *failure)
{
	int err;

	if (arena->tail == VAS_TAIL_BARE)
		return 0;
	for (struct vas_view *view = &arena->first; view; view = view->next) {
		/* Also what a refused undo left closed. */
		err = tail_change(view, arena->tail == VAS_TAIL_NONE ? 0 : from, to, false, failure);
		if (err) {
			/* Of guards some may be gone here, too. */
			tails_undo(arena, arena->tail == VAS_TAIL_GUARD ? view->next : view, from,
				   to, true);
			return err;
		}
	}
	return 0;
}

int vas_tails_close(struct vas_arena *arena, uint64_t from, uint64_t to,
		    struct vas_failure *failure)
{
	int err;

	if (arena->tail != VAS_TAIL_NONE)
		return 0;
	for (struct vas_view *view = &arena->first; view; view = view->next) {
		/* Also what a refused undo left open. */
		err = tail_change(view, from, arena->maximum, true, failure);
		if (err) {
			tails_undo(arena, view, from, to, false);
			return err;
		}
	}
	return 0;
}

void vas_tails_closed(struct vas_arena *arena, uint64_t from, uint64_t to)
{
	if (arena->tail == VAS_TAIL_GUARD)
		tails_undo(arena, NULL, from, to, true);
}

void vas_tails_close_again(struct vas_arena *arena, uint64_t from, uint64_t to)
{
	if (arena->tail != VAS_TAIL_BARE)
		tails_undo(arena, NULL, from, to, true);
}

int vas_tail_begin(struct vas_view *view, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;

	if (arena->tail == VAS_TAIL_BARE)
		return 0;
	if (arena->tail == VAS_TAIL_GUARD &&
	    (arena->object.pool ||
	     !vas_probe_has(&arena->space->probes, arena->space->sys, VAS_PROBE_GUARD_OBJECT)))
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, -EOPNOTSUPP);
	return tail_change(view, arena->size, arena->maximum, true, failure);
}
