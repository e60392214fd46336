/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holes: bytes of an arena whose memory goes back, and comes again.
 *
 * WHAT FOR. A part in the middle that is not needed for a while, at the price of zeroes; and the memory for it again, with an
 * errno where touching it would end in a signal.
 *
 * STRATEGY. Both are fallocate on the object, after a look whether it still is the one. Every view shows it at once.
 *
 * CONCURRENCY. As growing. Punching is told of, since contents change; filling changes none.
 *
 * WHAT IT DOES NOT DO. What filling had got when it was refused stays, as zeroes: somebody may have
 * written there by then.
 */
#include <errno.h>

#include "arena/arena.h"
#include "base/number.h"

int vas_arena_needs_object(const struct vas_arena *arena, struct vas_failure *failure)
{
	if (vas_arena_has_object(arena))
		return 0;
	return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
}

/* Whole pages of the arena, as large as it is now. */
static int range_check(const struct vas_arena *arena, uint64_t offset, uint64_t size,
		       struct vas_failure *failure)
{
	uint64_t end;
	int err = vas_arena_needs_object(arena, failure);

	if (err)
		return err;
	if (size == 0 || (offset | size) % arena->object.page_size ||
	    !vas_add(offset, size, &end) || end > vas_arena_bytes(arena))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	return 0;
}

static int hole_make(struct vas_arena *arena, uint64_t offset, uint64_t size,
		     struct vas_failure *failure)
{
	struct vas_telling telling;
	uint64_t end = offset + size;
	int err;

	err = vas_arena_begin(arena, VAS_CHANGE_PUNCH, offset, end, &telling, failure);
	if (err)
		return err;
	/* It may have been shrunk meanwhile. */
	err = range_check(arena, offset, size, failure);
	if (!err)
		err = vas_object_same(&arena->object, arena->space->sys, failure);
	if (!err)
		err = vas_object_punch(&arena->object, arena->space->sys, offset, end, failure);
	return vas_arena_end_inside(arena, &telling, offset, end, err);
}

int vas_arena_hole(struct vas_arena *arena, uint64_t offset, uint64_t size,
		   struct vas_failure *failure)
{
	int err;

	err = vas_arena_enter(arena, failure);
	if (err)
		return err;
	err = range_check(arena, offset, size, failure);
	if (!err)
		err = hole_make(arena, offset, size, failure);
	vas_arena_leave(arena);
	return err;
}

int vas_arena_refill(struct vas_arena *arena, uint64_t offset, uint64_t size,
		     struct vas_failure *failure)
{
	uint64_t reached;
	int err = vas_arena_begin_quiet(arena, failure);

	if (err)
		return err;
	err = range_check(arena, offset, size, failure);
	if (!err)
		err = vas_object_same(&arena->object, arena->space->sys, failure);
	if (!err)
		err = vas_object_fill(&arena->object, arena->space, offset, offset + size,
				      offset + size, arena->object.page_size, failure, &reached);
	return vas_arena_end_quiet(arena, err);
}
