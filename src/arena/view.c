/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Views: opened, protected, closed.
 *
 * WHAT FOR. The same bytes at several addresses, each with its own protection, all as large as the arena is.
 *
 * STRATEGY. A view is an owned span, over all of which the object is shown from some offset on, also beyond its end.
 * So growing and shrinking have nothing to do for it but to count the change. Like the first view it
 * has a user of its own (space/user.h), so that nobody else changes what is in the span.
 *
 * CONCURRENCY. The list is the work lock's, which is taken with the arena pinned. The arena's own lock is not taken with
 * a pin: fork takes it and then waits for pins. A view is in the list from when the object is shown until
 * before its span is released.
 *
 * WHAT IT DOES NOT DO. It does not wait for those who use a view that is closed: that they have ended is the caller's
 * duty, as with free().
 */
#include <errno.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "base/assert.h"
#include "space/sums.h"
#include "sys/definitions.h"

/* All about fork is the first view's to do: a child has all of them, or none. */
static const struct vas_holding_user_ops view_user_ops = { .fork_copy = vas_view_fork_copy };

struct vas_view *vas_view_of_user(struct vas_holding_user *user)
{
	if (user->ops != &view_user_ops && user->ops != &vas_arena_user_ops)
		return NULL;
	return (struct vas_view *)(void *)user; /* the first member */
}

bool vas_view_check(const struct vas_view *view)
{
	const struct vas_arena *arena = view->arena;
	const struct vas_holding *holding = view->user.holding;
	uint64_t page = arena->object.page_size;

	return holding && holding->user == &view->user && holding->shown == 0 &&
	       (view->offset | view->extent) % page == 0 && view->offset < arena->maximum &&
	       view->extent <= arena->maximum - view->offset && view->extent <= holding->span.size;
}

/* --- opening --- */

static int view_take(struct vas_arena *arena, struct vas_view **view)
{
	void *memory;
	int err = vas_arena_take_books(arena->space, sizeof(**view), &memory);

	if (err)
		return err;
	*view = memory;
	(*view)->user.ops = &view_user_ops;
	(*view)->arena = arena;
	return 0;
}

static void view_give(struct vas_view *view)
{
	vas_arena_give_books(view->arena->space, view, sizeof(*view));
}

/* What part of the arena. */
static int view_plan(struct vas_view *view, const struct vas_view_opts *opts)
{
	const struct vas_arena *arena = view->arena;

	if (opts->offset >= arena->maximum)
		return -EINVAL;
	view->offset = opts->offset;
	view->extent = opts->extent ? opts->extent : arena->maximum - opts->offset;
	view->flags = opts->flags;
	/* The kernel takes copies of pages of the pool away when the object's are punched out. */
	if ((view->flags & VAS_VIEW_PRIVATE) && arena->object.pool)
		return -EINVAL;
	return (view->offset | view->extent) % arena->object.page_size ||
			       view->extent > arena->maximum - opts->offset ?
		       -EINVAL :
		       0;
}

int vas_view_judge(int err, struct vas_failure *failure)
{
	/* The object suits, so it is a seal or a sandbox that speaks. */
	if ((err && err != -EBADF && failure->why == VAS_WHY_OBJECT) || err == -EOPNOTSUPP)
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	return err;
}

int vas_view_show(struct vas_view *view, int prot, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	uint32_t copies = view == &arena->first ? arena->copies : 1;
	struct vas_holding *holding = view->user.holding;
	struct vas_span range = { holding->span.start, view->extent };
	const struct vas_commit_opts opts = {
		.size = sizeof(opts),
		.flags = (view->flags & VAS_VIEW_PRIVATE ? VAS_COMMIT_PRIVATE : VAS_COMMIT_SHARED) |
			 VAS_COMMIT_SHOWN,
		.prot = prot,
		.fd = arena->object.fd,
		.offset = arena->object.offset + view->offset,
	};
	int err;

	vas_lock_take(&arena->lock);
	err = vas_part_pin_used(arena->space, &view->user, failure);
	vas_lock_drop(&arena->lock);
	if (err)
		return err;
	err = vas_object_same(&arena->object, arena->space->sys, failure);
	for (uint32_t i = 0; i < copies && !err; i++) {
		err = vas_part_commit(arena->space, holding, range, &opts, NULL, failure);
		range.start += view->extent;
	}
	vas_part_unpin_used(arena->space, &view->user);
	if (err == -EPERM && vas_object_is_sealed(&arena->object, arena->space->sys, VAS_SEALS_WRITING))
		return vas_arena_refuse(failure, VAS_WHY_SEALED, err);
	return vas_view_judge(err, failure);
}

/* From now on changes are its changes, too. */
static int view_join(struct vas_view *view, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	struct vas_view *last = &arena->first;
	int err = vas_arena_enter(arena, failure);

	if (err)
		return err;
	vas_lock_take(&arena->work);
	err = vas_tail_begin(view, failure);
	if (!err)
		err = vas_arena_policy_join(view, failure);
	if (!err) {
		while (last->next)
			last = last->next;
		last->next = view;
	}
	VAS_ASSERT_DEBUG(vas_arena_check(arena));
	vas_lock_drop(&arena->work);
	vas_arena_leave(arena);
	return err;
}

static int view_build(struct vas_view *view, const struct vas_view_opts *opts,
		      struct vas_failure *failure)
{
	bool shown;
	int err;

	err = vas_view_place(view, opts, failure);
	if (err)
		return err;
	err = vas_view_show(view, opts->prot ? opts->prot : vas_arena_prot(view->arena), failure);
	shown = err == 0;
	if (!err)
		err = view_join(view, failure);
	if (err)
		vas_view_unplace(view, shown);
	return err;
}

int vas_view_make(struct vas_arena *arena, const struct vas_view_opts *opts,
		  struct vas_failure *failure, struct vas_view **made)
{
	struct vas_view *view;
	int err;

	err = vas_arena_look(arena, failure);
	if (err)
		return err;
	if (arena->state == VAS_ARENA_SHARED)
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -EPERM);
	if (arena->object.fd < 0)
		return vas_arena_refuse(failure, VAS_WHY_PRIVATE, -EOPNOTSUPP);
	if (!vas_arena_may_have(arena, opts->prot))
		return vas_arena_refuse(failure, VAS_WHY_SEALED, -EPERM);
	if (view_take(arena, &view))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	err = view_plan(view, opts);
	if (err)
		(void)vas_arena_refuse(failure, VAS_WHY_ARGUMENT, err);
	else
		err = view_build(view, opts, failure);
	if (err)
		view_give(view);
	else
		*made = view;
	return err;
}

/* --- looking and protecting --- */

int vas_view_tell(struct vas_view *view, struct vas_view_info *info, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	uint64_t size = vas_arena_bytes(arena);
	struct vas_part part;
	int err;

	err = vas_arena_look(arena, failure);
	if (err)
		return err;
	vas_part_at(arena->space, view->user.holding, view->user.holding->span.start, &part);
	info->span = view->user.holding->span;
	info->offset = view->offset;
	info->extent = view->extent;
	info->bytes = size > view->offset ? size - view->offset : 0;
	if (info->bytes > view->extent)
		info->bytes = view->extent;
	info->arena = arena;
	info->flags = view->flags;
	info->prot = (int32_t)part.prot;
	return 0;
}

int vas_view_protect_by(struct vas_space *space, struct vas_lock *lock, struct vas_view *view,
			int prot, struct vas_failure *failure)
{
	struct vas_holding *holding = view->user.holding;
	int err;

	vas_lock_take(lock);
	err = vas_part_pin_used(space, &view->user, failure);
	vas_lock_drop(lock);
	if (err)
		return err;
	err = vas_part_protect(space, holding,
			       (struct vas_span){ holding->span.start, view->extent }, prot,
			       failure);
	vas_part_unpin_used(space, &view->user);
	return err;
}

int vas_view_reprotect(struct vas_view *view, int prot, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	int err;

	err = vas_arena_look(arena, failure);
	if (err)
		return err;
	if (arena->object.fd < 0)
		return vas_arena_refuse(failure, VAS_WHY_PRIVATE, -EOPNOTSUPP);
	if (!vas_arena_may_have(arena, prot))
		return vas_arena_refuse(failure, VAS_WHY_SEALED, -EPERM);
	return vas_view_protect_by(arena->space, &arena->lock, view, prot, failure);
}

/* --- closing --- */

static void view_unlink(struct vas_view *view)
{
	struct vas_arena *arena = view->arena;
	struct vas_view *before = &arena->first;

	while (before->next != view)
		before = before->next;
	before->next = view->next;
}

/* Changes are not its changes any more. In a child that shares the memory there are none. */
static int view_leave(struct vas_view *view, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	int err;

	if (arena->state != VAS_ARENA_SHARED) {
		err = vas_arena_enter(arena, failure);
		if (err)
			return err;
		vas_lock_take(&arena->work);
		view_unlink(view);
		vas_lock_drop(&arena->work);
		vas_arena_leave(arena);
	} else {
		vas_lock_take(&arena->lock);
		view_unlink(view);
		vas_lock_drop(&arena->lock);
	}
	return 0;
}

/* What is not in the list goes. */
static int view_release(struct vas_view *view, enum vas_retired *state)
{
	int err = vas_view_leave_place(view, state);

	if (!err)
		view_give(view);
	return err;
}

static bool view_inside(const struct vas_view *view)
{
	return vas_notice_inside(view->arena->space, vas_owner_id(view->user.holding->entry));
}

int vas_view_unmake(struct vas_view *view, enum vas_retired *state, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	int err;

	err = vas_arena_look(arena, failure);
	if (err)
		return err;
	if (view == &arena->first)
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (view_inside(view))
		return vas_arena_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	err = view_leave(view, failure);
	if (!err && view_release(view, state))
		err = vas_arena_refuse(failure, VAS_WHY_NOT_OWNED, -ENOENT);
	return err;
}

bool vas_views_inside(struct vas_arena *arena)
{
	for (struct vas_view *view = &arena->first; view; view = view->next)
		if (view_inside(view))
			return true;
	return false;
}

void vas_views_unmake(struct vas_arena *arena, enum vas_retired *worst)
{
	enum vas_retired state;
	struct vas_view *view;

	while ((view = arena->first.next)) {
		view_unlink(view);
		if (view_release(view, &state) == 0 && state > *worst)
			*worst = state;
	}
}
