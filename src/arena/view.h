/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The views of an arena: each is an owned span in which a part of the object is shown, whatever the size is. What the arena
 * counts as committed is its first view's.
 */
#ifndef VAS_ARENA_VIEW_H
#define VAS_ARENA_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/view.h>

#include "record/report.h"
#include "space/space.h"

struct vas_arena;

struct vas_view {
	struct vas_holding_user user; /* first. user.holding: the span; NULL in a child that does not have it */
	struct vas_arena *arena; /* constant; NULL = a mirror (arena/mirror.h) */
	struct vas_view *next; /* in the order of opening. Guarded by arena->work; in a child that shares the memory by arena->lock */
	/* Constant: */
	uint64_t offset; /* of the arena's byte that the span begins with; I: a multiple of the object's page, as extent */
	uint64_t extent; /* bytes; I: offset + extent <= arena->maximum; extent <= span.size */
	uint32_t flags; /* VAS_VIEW_ bits */
	bool lent; /* the span was the caller's before, and is so again */
};

/* What of [from, to) of the arena a view has. False: nothing. */
static inline bool vas_view_sees(const struct vas_view *view, uint64_t from, uint64_t to,
				 struct vas_span *range)
{
	uint64_t low = from > view->offset ? from : view->offset;
	uint64_t high = to < view->offset + view->extent ? to : view->offset + view->extent;

	if (low >= high)
		return false;
	range->start = view->user.holding->span.start + (low - view->offset);
	range->size = high - low;
	return true;
}

/* --- view.c --- */

int vas_view_make(struct vas_arena *arena, const struct vas_view_opts *opts,
		  struct vas_failure *failure, struct vas_view **view);
/* Of one that is not the first. Also in a child that shares the memory. */
int vas_view_unmake(struct vas_view *view, enum vas_retired *state, struct vas_failure *failure);
/* All but the first; *state is made worse. I: this thread is in no hook about one of them. */
void vas_views_unmake(struct vas_arena *arena, enum vas_retired *state);
/* Whether this thread is in a hook about one of an arena's views. */
bool vas_views_inside(struct vas_arena *arena);
int vas_view_reprotect(struct vas_view *view, int prot, struct vas_failure *failure);
/* What both kinds of views have in common of that: lock is the one that is held to pin. */
int vas_view_protect_by(struct vas_space *space, struct vas_lock *lock, struct vas_view *view,
			int prot, struct vas_failure *failure);
int vas_view_tell(struct vas_view *view, struct vas_view_info *info, struct vas_failure *failure);
/* The object over a view's span, and beyond its own end. As vas_commit. */
int vas_view_show(struct vas_view *view, int prot, struct vas_failure *failure);
/* What showing an object that suits answers. */
int vas_view_judge(int err, struct vas_failure *failure);
/* Of an arena, the first one included; NULL: it is something else's. */
struct vas_view *vas_view_of_user(struct vas_holding_user *user);
bool vas_view_check(const struct vas_view *view);

/* --- view_place.c --- */

/* The view uses a span, as opts say. Nothing is shown there. */
int vas_view_place(struct vas_view *view, const struct vas_view_opts *opts,
		   struct vas_failure *failure);
/* The reverse, of a view that nobody has seen yet. shown: something is in the span. */
void vas_view_unplace(struct vas_view *view, bool shown);
/* With all that is shown; *state: what became of it. As vas_space_release, also in a child that shares the memory. */
int vas_view_leave_place(struct vas_view *view, enum vas_retired *state);

/* --- tail.c: with arena->work held, but for begin of the first view --- */

/*
 * What was beyond the size can be touched from now on: [from, to) of the arena, in all views or none. Behind a refusal that
 * cannot be undone some of it may be open.
 */
int vas_tails_open(struct vas_arena *arena, uint64_t from, uint64_t to, struct vas_failure *failure);
/* The reverse, before the object is cut off; */
int vas_tails_close(struct vas_arena *arena, uint64_t from, uint64_t to,
		    struct vas_failure *failure);
/* and after it, or where it was not: what needs no undo. */
void vas_tails_closed(struct vas_arena *arena, uint64_t from, uint64_t to);
/* The undo of open, as far as the kernel allows. */
void vas_tails_close_again(struct vas_arena *arena, uint64_t from, uint64_t to);
/* Of a view that was shown just now. */
int vas_tail_begin(struct vas_view *view, struct vas_failure *failure);

/* --- told.c --- */

struct vas_told {
	struct vas_holding *holding; /* pinned */
	uint64_t generation; /* after the change */
	struct vas_notice_run run;
};

/* Who is told of one change: one notice a view that has something of it. */
struct vas_telling {
	uint32_t count; /* 0 = nobody listens */
	uint32_t room; /* of more */
	uint32_t process; /* in a forked child it is another's, and so are the pins */
	struct vas_told one;
	struct vas_told *more; /* in the books' memory, in the place of one; NULL = one is enough */
};

/*
 * Before a change of [from, to) of the arena: pinned, no lock held. final: no veto stops it, another process has done it. -EBUSY, -EDEADLK, -ENOMEM: nothing is to be ended then.
 * -ESTALE, -EPERM: a child that was forked in a hook.
 */
int vas_telling_begin(struct vas_arena *arena, enum vas_change change, uint64_t from, uint64_t to,
		      bool final, struct vas_telling *telling, struct vas_failure *failure);
/* What the generation of one of them is. */
void vas_telling_note(struct vas_telling *telling, const struct vas_holding *holding,
		      uint64_t generation);
/* After it. No lock held, still pinned. */
void vas_telling_end(struct vas_arena *arena, struct vas_telling *telling, bool done);

#endif
