/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where views are.
 *
 * WHAT FOR. A view wants a span that nobody else changes: one that is reserved for it, or one that the caller has, and has again when the view is closed.
 *
 * STRATEGY. Either has the view as its user (space/user.h). What is reserved goes by a release; what was lent is vacated, in place, for which
 * the books promise room when it is taken.
 *
 * CONCURRENCY. None of its own: of two views in one span the second finds it used.
 *
 * WHAT IT DOES NOT DO. It maps nothing.
 */
#include <errno.h>

#include "arena/arena.h"

/* A child has what it has of the first view: the policy is that one's. */
static bool view_forks_alike(const struct vas_view *view, enum vas_fork fork)
{
	return (uint32_t)fork == view->arena->user.holding->fork &&
	       (!(view->flags & VAS_VIEW_PRIVATE) || fork != VAS_FORK_SHARE);
}

/* A span for it, which is used by it. */
static int view_reserve(struct vas_view *view, const struct vas_reserve_opts *wish,
			struct vas_failure *failure)
{
	struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_arena *arena = view->arena;
	uint64_t start;
	int err;

	if (wish)
		opts = *wish;
	if (opts.fork == VAS_FORK_DEFAULT)
		opts.fork = (enum vas_fork)arena->user.holding->fork;
	if (!view_forks_alike(view, opts.fork))
		return vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	err = vas_arena_reserve(arena, view->extent, &opts, failure, &start);
	if (err)
		return err;
	err = vas_space_use_at(arena->space, start, &view->user);
	if (err) {
		vas_arena_unreserve(arena->space, &view->user, start);
		return vas_arena_refuse(failure, VAS_WHY_NOT_OWNED, err);
	}
	return 0;
}

/* Whether the view can be in the span that it uses. */
static int view_fits(struct vas_view *view, struct vas_failure *failure)
{
	const struct vas_arena *arena = view->arena;
	struct vas_holding *holding = view->user.holding;

	if (view->extent > holding->span.size || holding->span.start % arena->object.page_size)
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (!view_forks_alike(view, (enum vas_fork)holding->fork))
		return vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	/* For the end of it, which cannot fail. */
	if (vas_part_promise(arena->space, holding, 1))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	return 0;
}

/* The same in a span that the caller has. */
static int view_borrow(struct vas_view *view, uint64_t start, struct vas_failure *failure)
{
	struct vas_space *space = view->arena->space;
	int err;

	/* What a view before it left there may go now. */
	vas_space_retry(space);
	err = vas_space_use_at(space, start, &view->user);
	if (err)
		return vas_arena_refuse(failure, err == -ENOENT ? VAS_WHY_NOT_OWNED : VAS_WHY_USED,
					err);
	err = view_fits(view, failure);
	if (err)
		vas_space_unuse(space, &view->user);
	return err;
}

/* What became of the span is told to nobody. shown: something is in it. */
void vas_view_unplace(struct vas_view *view, bool shown)
{
	struct vas_space *space = view->arena->space;
	struct vas_holding *holding = view->user.holding;
	enum vas_retired ignored;

	if (!view->lent) {
		vas_arena_unreserve(space, &view->user, holding->span.start);
	} else if (shown) {
		(void)vas_space_vacate(space, &view->user, &ignored);
	} else {
		vas_part_unpromise(space, holding, 1);
		vas_space_unuse(space, &view->user);
	}
}

int vas_view_place(struct vas_view *view, const struct vas_view_opts *opts,
		   struct vas_failure *failure)
{
	view->lent = opts->start != NULL;
	if (view->lent)
		return view_borrow(view, (uint64_t)(uintptr_t)opts->start, failure);
	return view_reserve(view, opts->reserve, failure);
}

int vas_view_leave_place(struct vas_view *view, enum vas_retired *state)
{
	struct vas_space *space = view->arena->space;
	uint64_t size;

	if (view->lent)
		return vas_space_vacate(space, &view->user, state);
	return vas_space_release(space, view->user.holding->span.start, &view->user, state, &size);
}
