/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shrinking.
 *
 * WHAT FOR. Memory that is not needed any more goes back to the kernel at once; the addresses stay.
 *
 * STRATEGY. The smaller size is published first, so that nobody who looks begins to use what goes. Then the object is cut off there; what is
 * mapped beyond its end stays mapped. Private memory is decommitted by the engine.
 *
 * CONCURRENCY. As growing.
 *
 * WHAT IT DOES NOT DO. It waits for nobody who uses what goes, but for pins.
 */
#include <errno.h>

#include "arena/arena.h"
#include "base/assert.h"
#include "base/number.h"

static int shrink_bytes(struct vas_arena *arena, uint64_t from, uint64_t to,
			struct vas_failure *failure)
{
	int err;

	err = vas_tails_close(arena, to, from, failure);
	if (err)
		return err;
	err = vas_object_cut(&arena->object, arena->space->sys, to, from, failure);
	if (err) {
		struct vas_failure ignored = { .why = VAS_WHY_NONE };

		(void)vas_tails_open(arena, to, from, &ignored);
	} else {
		vas_tails_closed(arena, to, from);
	}
	return err;
}

static int shrink_object(struct vas_arena *arena, uint64_t from, uint64_t to,
			 struct vas_failure *failure)
{
	struct vas_telling telling;
	uint64_t was;
	int err;

	err = vas_arena_begin(arena, VAS_CHANGE_SHRINK, to, from, &telling, failure);
	if (err)
		return err;
	was = arena->size;
	if (was <= to)
		return vas_arena_end(arena, &telling, was, 0);
	err = vas_object_look(&arena->object, arena->space->sys, failure);
	if (!err)
		err = vas_arena_lower(arena, to, failure);
	if (!err) {
		vas_arena_will_end(arena, to);
		vas_arena_announce(arena, to);
		err = shrink_bytes(arena, was, to, failure);
		if (!err)
			__atomic_store_n(&arena->ahead, 0, __ATOMIC_RELAXED);
	}
	if (err)
		vas_arena_announce(arena, was);
	vas_arena_lowered(arena);
	return vas_arena_end(arena, &telling, err ? was : to, err);
}

static int shrink_private(struct vas_arena *arena, uint64_t to, struct vas_failure *failure)
{
	struct vas_holding *holding = arena->user.holding;
	enum vas_retired state;
	struct vas_span range;
	uint64_t was;
	int err = 0;

	if (vas_notice_inside(arena->space, vas_owner_id(holding->entry)))
		return vas_arena_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	vas_lock_take(&arena->work);
	was = arena->size;
	if (to < was)
		err = vas_arena_lower(arena, to, failure);
	if (to < was && !err) {
		range = (struct vas_span){ holding->span.start + to, was - to };
		vas_arena_announce(arena, to);
		err = vas_part_decommit(arena->space, holding, range, false, &state, failure);
	}
	if (err)
		vas_arena_announce(arena, was);
	vas_arena_lowered(arena);
	return vas_arena_end_private(arena, to < was, err);
}

static int shrink_now(struct vas_arena *arena, uint64_t size, struct vas_failure *failure)
{
	uint64_t was;
	int err;

	err = vas_arena_enter(arena, failure);
	if (err)
		return err;
	was = vas_arena_bytes(arena);
	if (size < was)
		err = vas_arena_has_object(arena) ? shrink_object(arena, was, size, failure)
						     : shrink_private(arena, size, failure);
	vas_arena_leave(arena);
	return err;
}

int vas_arena_reduce(struct vas_arena *arena, uint64_t size, uint64_t wait,
		     struct vas_failure *failure)
{
	struct vas_failure refused;
	int err;

	if (!vas_align_up(size, arena->step, &size))
		size = UINT64_MAX;
	do {
		refused = *failure;
		err = shrink_now(arena, size, &refused);
		/* Without a pin that a fork would wait for. */
	} while (err == -EBUSY && refused.why == VAS_WHY_PINNED &&
		 vas_arena_await_unpinned(arena, size, &wait));
	*failure = refused;
	return err;
}
