/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that an arena has beyond its size.
 *
 * WHAT FOR. A growth that must not fail, or not take long, is prepared where there is time for it.
 *
 * STRATEGY. The object gets memory right beyond its end, which stays where it is: nobody can touch that yet. To grow over it
 * moves the end, and takes nothing. What growing needs beyond is taken ahead first, too: cutting an object off
 * would cut off what was ahead before, but a hole can be made in just what is new. So a refused
 * growth leaves what there was. An object that others have, too, grows in this way always, and the end, which they see, is
 * the last that moves; and so does one that is sealed against shrinking.
 *
 * CONCURRENCY. The work lock is held over all of it. Nobody is told: nothing that can be touched is changed.
 *
 * WHAT IT DOES NOT DO. It survives no shrinking.
 */
#include <errno.h>

#include "arena/arena.h"
#include "base/number.h"

static void ahead_set(struct vas_arena *arena, uint64_t bytes)
{
	__atomic_store_n(&arena->ahead, bytes, __ATOMIC_RELAXED);
}

/* Memory up to to, at least to least. After an error what is ahead is as it was. */
static int ahead_extend(struct vas_arena *arena, uint64_t to, uint64_t least,
			struct vas_failure *failure)
{
	uint64_t from = arena->size + arena->ahead, end, had;
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	int err;

	err = vas_object_fill(&arena->object, arena->space, from, to, least, arena->step, failure,
			      &end);
	had = end;
	if (err)
		end = from;
	/* Also what a refused step may have got on its way. What the kernel does not take back is ahead, too. */
	if (end < to && vas_object_give(&arena->object, arena->space->sys, end, to, &ignored))
		end = had;
	ahead_set(arena, end - arena->size);
	return err;
}

int vas_arena_use_ahead(struct vas_arena *arena, uint64_t to, uint64_t least,
			struct vas_failure *failure, uint64_t *size)
{
	uint64_t from = arena->size, had = arena->ahead, end;
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	int err = 0;

	if (to > from + had)
		err = ahead_extend(arena, to, least, failure);
	if (err)
		return err;
	end = to < from + arena->ahead ? to : from + arena->ahead;
	err = vas_tails_open(arena, from, end, failure);
	if (!err) {
		err = vas_object_open(&arena->object, arena->space->sys, from, end, failure);
		if (err)
			vas_tails_close_again(arena, from, end);
	}
	if (!err) {
		ahead_set(arena, from + arena->ahead - end);
		*size = end;
		return 0;
	}
	/* What the kernel does not take back is ahead, too. */
	if (arena->ahead > had && !vas_object_give(&arena->object, arena->space->sys, from + had,
						   from + arena->ahead, &ignored))
		ahead_set(arena, had);
	return err;
}

/* Should this process die, what is ahead goes. */
static int look_ahead(struct vas_arena *arena, struct vas_failure *failure)
{
	int err = vas_object_look(&arena->object, arena->space->sys, failure);
	uint64_t seen = arena->object.seen;

	vas_arena_will_end(arena, arena->size > seen ? arena->size : seen);
	return err;
}

/* Within a change. */
static int ahead_take(struct vas_arena *arena, uint64_t bytes, uint64_t least,
		      struct vas_failure *failure)
{
	uint64_t to, low = least;
	int err;

	if (!vas_add(arena->size, bytes, &to) || (least && !vas_add(arena->size, least, &low)))
		return vas_arena_refuse(failure, VAS_WHY_WINDOW, -ERANGE);
	err = vas_arena_plan_growth(arena, &to, &low, failure);
	if (err || to <= arena->size + arena->ahead)
		return err;
	err = look_ahead(arena, failure);
	return err ? err : ahead_extend(arena, to, low, failure);
}

int vas_arena_take_ahead(struct vas_arena *arena, uint64_t bytes, uint64_t least,
			 struct vas_failure *failure, uint64_t *ahead)
{
	int err = vas_arena_begin_quiet(arena, failure);

	if (err)
		return err;
	err = ahead_take(arena, bytes, least, failure);
	*ahead = arena->ahead;
	return vas_arena_end_quiet(arena, err);
}

/* The same. */
static int ahead_give(struct vas_arena *arena, struct vas_failure *failure, uint64_t *given)
{
	uint64_t size = arena->size;
	int err = 0;

	*given = arena->ahead;
	if (*given)
		err = look_ahead(arena, failure);
	if (*given && !err)
		err = vas_object_give(&arena->object, arena->space->sys, size, size + *given,
				      failure);
	if (!err)
		ahead_set(arena, 0);
	return err;
}

int vas_arena_give_ahead(struct vas_arena *arena, struct vas_failure *failure, uint64_t *given)
{
	int err;

	*given = 0;
	if (vas_arena_has_object(arena)) {
		err = vas_arena_begin_quiet(arena, failure);
		return err ? err : vas_arena_end_quiet(arena, ahead_give(arena, failure, given));
	}
	/* Private memory has nothing ahead. */
	err = vas_arena_enter(arena, failure);
	if (!err)
		vas_arena_leave(arena);
	return err;
}
