/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas and fork.
 *
 * WHAT FOR. A child's handle must not change the parent's object, nor speak of a span that the child does not have.
 *
 * STRATEGY. The space says what of the span a child has (space/user.h). Shared memory stays the parent's to grow; private memory is
 * the child's own, and so is the arena then.
 *
 * CONCURRENCY. Fork waits for pins, so no change is under way but those whose thread is in a hook. Of these only the one that
 * forks goes on in the child.
 *
 * WHAT IT DOES NOT DO. It copies nothing: fork_copy.c does.
 */
#include "arena/arena.h"
#include "space/notice.h"
#include "space/sums.h"

static void arena_fork_prepare(struct vas_holding_user *user)
{
	vas_lock_fork_hold(&vas_arena_of(user)->lock);
}

static bool arena_fork_quiet(struct vas_holding_user *user, bool held)
{
	const struct vas_lock *lock = &vas_arena_of(user)->lock;

	return held ? vas_lock_fork_held(lock) : vas_lock_fork_quiet(lock);
}

static void arena_fork_parent(struct vas_holding_user *user)
{
	vas_lock_fork_drop(&vas_arena_of(user)->lock);
}

static void arena_fork_child(struct vas_holding_user *user, int state)
{
	struct vas_arena *arena = vas_arena_of(user);
	bool inside = false;

	if (user->holding)
		inside = vas_notice_inside(arena->space, vas_owner_id(user->holding->entry));
	if (!inside)
		vas_lock_fork_reset(&arena->work);
	if (state == VAS_FORK_ABSENT || state == VAS_FORK_TRAP ||
	    arena->state == VAS_ARENA_ABSENT) {
		arena->state = VAS_ARENA_ABSENT;
		vas_companion_end(arena);
		vas_object_close(arena->space->sys, &arena->object);
		if (user->holding)
			(void)vas_part_set_shown(arena->space, user->holding, 0);
	} else if (state == VAS_FORK_SHARE && vas_arena_has_object(arena)) {
		arena->state = VAS_ARENA_SHARED;
	}
	vas_arena_pins_fork_child(arena);
	vas_lock_fork_reset(&arena->lock);
}

const struct vas_holding_user_ops vas_arena_user_ops = {
	.fork_prepare = arena_fork_prepare,
	.fork_quiet = arena_fork_quiet,
	.fork_parent = arena_fork_parent,
	.fork_child = arena_fork_child,
	.fork_copy = vas_arena_fork_copy,
};
