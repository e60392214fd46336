/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growing.
 *
 * WHAT FOR. More bytes at the same addresses, while others read and write those that are there.
 *
 * STRATEGY. An object is mapped beyond its end already: it gets its memory, the size is published, and nothing is mapped. Private
 * memory is committed and populated by the engine, which replaces a part of our own reservation; the
 * new part merges with the one below.
 *
 * CONCURRENCY. One change after the other. Who is told of a growth is told before the work lock is taken, so the size is looked at again
 * behind it: another thread may have been faster.
 *
 * WHAT IT DOES NOT DO. It gives nothing back but what it took itself.
 */
#include <errno.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "base/assert.h"
#include "base/number.h"
#include "space/sums.h"

/* Nothing is ahead: cutting off is the whole undo. */
static int extend_plainly(struct vas_arena *arena, uint64_t to, uint64_t least,
			  struct vas_failure *failure, uint64_t *size)
{
	uint64_t from = *size, end;
	int err;

	err = vas_object_extend(&arena->object, arena->space, from, to, least, arena->step,
				failure, &end);
	if (err)
		return err;
	err = vas_tails_open(arena, from, end, failure);
	if (err)
		vas_object_undo(&arena->object, arena->space->sys, from, end);
	else
		*size = end;
	return err;
}

/* All that growing an object takes from the kernel, from *size on. After an error all is as it was. */
static int extend_object(struct vas_arena *arena, uint64_t to, uint64_t least,
			 struct vas_failure *failure, uint64_t *size)
{
	uint64_t from = *size, end = from;
	int err;

	err = vas_object_look(&arena->object, arena->space->sys, failure);
	vas_arena_will_end(arena, from > arena->object.seen ? from : arena->object.seen);
	if (!err && (arena->ahead || arena->object.shared || arena->object.kept))
		err = vas_arena_use_ahead(arena, to, least, failure, &end);
	else if (!err)
		err = extend_plainly(arena, to, least, failure, &end);
	if (err)
		return err;
	/* Only objects of our own are asked for such pages. */
	err = vas_ladder_collapse(arena, from, end, failure);
	if (!err) {
		*size = end;
		return 0;
	}
	vas_tails_close_again(arena, from, end);
	vas_object_undo(&arena->object, arena->space->sys, from, end);
	/* Cutting off cuts off all that lies beyond. */
	__atomic_store_n(&arena->ahead, 0, __ATOMIC_RELAXED);
	return err;
}

static int grow_object(struct vas_arena *arena, uint64_t from, uint64_t to, uint64_t least,
		       struct vas_failure *failure)
{
	struct vas_telling telling;
	uint64_t size;
	int err;

	err = vas_arena_begin(arena, VAS_CHANGE_GROW, from, to, &telling, failure);
	if (err)
		return err;
	size = arena->size;
	if (size < to)
		err = extend_object(arena, to, least, failure, &size);
	return vas_arena_end(arena, &telling, size, err);
}

/*
 * [from, to) by the engine, which tells and undoes by itself. So hooks run while work is held: this thread's answer -EDEADLK
 * before they want it.
 */
static int commit_private(struct vas_arena *arena, uint64_t from, uint64_t to,
			  struct vas_failure *failure)
{
	const struct vas_commit_opts opts = {
		.size = sizeof(opts),
		.flags = (arena->flags & VAS_ARENA_LAZY ? 0 : VAS_COMMIT_POPULATE) |
			 (arena->collapse ? VAS_COMMIT_HUGE : 0),
	};
	struct vas_holding *holding = arena->user.holding;
	struct vas_span range = { holding->span.start + from, to - from };

	return vas_part_commit(arena->space, holding, range, &opts, NULL, failure);
}

/* As much as can be had of [*size, to), in halves of halves. */
static int commit_pieces(struct vas_arena *arena, uint64_t to, struct vas_failure *failure,
			 uint64_t *size)
{
	uint64_t part = to - *size;
	int err = 0;

	while (*size < to) {
		part = part < to - *size ? part : to - *size;
		err = commit_private(arena, *size, *size + part, failure);
		if (!err) {
			*size += part;
		} else if (err == -ENOMEM && part > arena->step) {
			part = vas_align_down(part / 2, arena->step);
			part = part ? part : arena->step;
			failure->why = VAS_WHY_NONE;
		} else {
			break;
		}
	}
	return err;
}

static int grow_private(struct vas_arena *arena, uint64_t to, uint64_t least,
			struct vas_failure *failure)
{
	struct vas_holding *holding = arena->user.holding;
	uint64_t from, size;
	int err = 0;

	if (vas_notice_inside(arena->space, vas_owner_id(holding->entry)))
		return vas_arena_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	vas_lock_take(&arena->work);
	from = size = arena->size;
	if (size < to && least < to) {
		err = commit_pieces(arena, to, failure, &size);
	} else if (size < to) {
		err = commit_private(arena, size, to, failure);
		size = err ? size : to;
	}
	if (err && size >= least && size > from)
		err = 0;
	if (!err && size > from)
		err = vas_ladder_collapse(arena, from, size, failure);
	if (err && size > from) {
		struct vas_span range = { holding->span.start + from, size - from };
		struct vas_failure ignored = { .why = VAS_WHY_NONE };
		enum vas_retired state;

		(void)vas_part_decommit(arena->space, holding, range, true, &state, &ignored);
		size = from;
	}
	vas_arena_announce(arena, size);
	return vas_arena_end_private(arena, size > from, err);
}

int vas_arena_plan_growth(const struct vas_arena *arena, uint64_t *size, uint64_t *least,
			  struct vas_failure *failure)
{
	if (*least > *size)
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	*least = *least ? *least : *size;
	if (*least > arena->maximum)
		return vas_arena_refuse(failure, VAS_WHY_WINDOW, -ERANGE);
	if (*least > arena->cap)
		return vas_arena_refuse(failure, VAS_WHY_CAP, -EDQUOT);
	if (*size > arena->cap)
		*size = arena->cap;
	/* Below the cap, which is a multiple. */
	(void)vas_align_up(*size, arena->step, size);
	(void)vas_align_up(*least, arena->step, least);
	return 0;
}

int vas_arena_enlarge(struct vas_arena *arena, uint64_t size, uint64_t least,
		      struct vas_failure *failure, uint64_t *now)
{
	uint64_t was;
	int err;

	err = vas_arena_plan_growth(arena, &size, &least, failure);
	if (!err)
		err = vas_arena_enter(arena, failure);
	if (err)
		return err;
	was = vas_arena_bytes(arena);
	if (was < size)
		err = vas_arena_has_object(arena) ? grow_object(arena, was, size, least, failure)
						     : grow_private(arena, size, least, failure);
	/* What there was may be enough. */
	if (err && vas_arena_bytes(arena) >= least)
		err = 0;
	if (!err)
		*now = vas_arena_bytes(arena);
	vas_arena_leave(arena);
	return err;
}
