/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An arena: an object, and the owned span (space/user.h) in which it is shown from its first byte to beyond its end
 * (VAS_COMMIT_SHOWN): its first view. Others may be opened (arena/view.h). Private memory has no object: what the arena reaches over is committed, the rest as reserved.
 *
 * LOCKS. Two, in the order of space/space.h:
 *
 *	arena->lock	a user's own lock: held for some instructions, to pin (also views), and over a fork; never taken
 *			with a pin, since fork takes it before it waits for pins
 *	arena->work	one change after the other: over kernel calls on the object. It is taken with a pin only, so no fork finds
 *			it taken; never held over a notice, and the holding's lock is taken inside it
 *
 * A change: vas_arena_enter; notices before; work; the kernel; the size; work dropped; notices after; vas_arena_leave. Fork waits
 * for that one pin, so the views of the list are not pinned for it.
 */
#ifndef VAS_ARENA_ARENA_H
#define VAS_ARENA_ARENA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include <vaspace/arena.h>

#include "arena/header.h"
#include "arena/object.h"
#include "arena/view.h"
#include "record/report.h"
#include "space/part.h"
#include "space/space.h"

enum vas_arena_state {
	VAS_ARENA_LIVE,
	VAS_ARENA_SHARED, /* in a child, of the parent's object: nothing may be changed */
	VAS_ARENA_ABSENT /* in a child that has nothing of it */
};

struct vas_arena {
	union { /* first */
		struct vas_holding_user user; /* the first view's. user.holding: the span, NULL when ABSENT */
		struct vas_view first; /* all of the arena; begins the list of views */
	};
	struct vas_space *space; /* constant */
	const uint32_t *alive; /* constant: the space's, NULL over simulated kernels */
	uint32_t era; /* constant: of the space's books; others were given up */
	struct vas_lock lock;
	struct vas_lock work;
	enum vas_arena_state state; /* changed by fork only */
	/* Constant: */
	enum vas_arena_kind kind;
	uint32_t flags; /* VAS_ARENA_ bits */
	enum vas_tail tail; /* of all its views */
	enum vas_exec exec; /* of MEMFD */
	uint64_t maximum; /* I: a multiple of step, and the span's size at most */
	uint64_t step; /* I: a multiple of the object's page */
	uint64_t cap; /* I: at most maximum */
	uint32_t copies; /* how often maximum is shown, back to back: 1, more of a ring */
	uint64_t rung; /* of the ladder */
	uint64_t collapse; /* size of transparent huge pages; 0 = none are asked for. I: divides the span's start */
	struct vas_object object; /* of all kinds but ANONYMOUS */
	struct vas_arena_policies policies; /* whole: constant; the rest guarded by work */
	struct vas_object companion; /* the header's, where it has one of its own */
	struct vas_header_facts facts; /* as the header tells them to others; all of the above that is there, too */
	struct vas_header_map header; /* I: its page is always one that can be read: own in a child that has nothing */
	char name[32];
	/*
	 * Changed with work held, and the header's lock: the header's numbers, as far as this process has followed. What others see is
	 * the header.
	 */
	uint64_t size; /* I: a multiple of step, at most cap; tails are open so far; counted as committed (atomic) */
	uint64_t ahead; /* I: a multiple of step; bytes beyond size that have memory. size + ahead is at most cap (atomic) */
	uint64_t seen; /* the generation that this was (atomic) */
	uint32_t held; /* pins of this handle (atomic) */
	uint32_t place; /* 1 + this handle's in the header, 0 = none yet (atomic) */
	struct vas_header own; /* of private memory, and of what is not there any more */
};

static inline struct vas_arena *vas_arena_of(struct vas_holding_user *user)
{
	return (struct vas_arena *)(void *)user; /* the first member */
}

/* The size for all who have it. What no size can be is not believed. */
static inline uint64_t vas_arena_bytes(const struct vas_arena *arena)
{
	uint64_t size = __atomic_load_n(&arena->header.page->size, __ATOMIC_ACQUIRE);
	uint64_t here = __atomic_load_n(&arena->size, __ATOMIC_RELAXED);

	if (__builtin_expect(size == here, 1))
		return size;
	if (size > arena->cap || size % arena->step)
		return here;
	return arena->tail == VAS_TAIL_BARE || size < here ? size : here;
}

/* Other kinds are private memory. */
static inline bool vas_arena_has_object(const struct vas_arena *arena)
{
	return arena->kind != VAS_ARENA_ANONYMOUS;
}

/* The object is one that the caller brought. */
static inline bool vas_arena_kind_is_given(enum vas_arena_kind kind)
{
	return kind == VAS_ARENA_FILE || kind == VAS_ARENA_ADOPTED;
}

/* Whether a view may have that protection. */
static inline bool vas_arena_may_have(const struct vas_arena *arena, int prot)
{
	if ((prot & PROT_WRITE) && !arena->header.writable)
		return false;
	return !(prot & PROT_EXEC) || arena->kind != VAS_ARENA_MEMFD || arena->exec != VAS_EXEC_NEVER;
}

/* What views are that do not say. */
static inline int vas_arena_prot(const struct vas_arena *arena)
{
	return arena->header.writable ? PROT_READ | PROT_WRITE : PROT_READ;
}

/* Once there is an object: where its memory comes from. */
static inline void vas_arena_pass_policy(struct vas_arena *arena)
{
	arena->object.policies = &arena->policies;
}

/* Refuses with a reason. */
static inline int vas_arena_refuse(struct vas_failure *failure, enum vas_why why, int err)
{
	failure->why = (uint8_t)why;
	return err;
}

/* --- arena.c --- */

int vas_arena_make(struct vas_space *space, uint64_t maximum, const struct vas_arena_opts *opts,
		   struct vas_failure *failure, struct vas_arena **arena);
/*
 * The same, shown copies times back to back; then it must be made of whole steps. failure: the nearest that are. front: bytes that
 * all who have the header have behind it, whole pages.
 */
int vas_arena_make_copies(struct vas_space *space, uint64_t maximum, uint32_t copies,
			  uint64_t front, const struct vas_arena_opts *opts,
			  struct vas_failure *failure, struct vas_arena **arena);
/* Memory for books of this layer, zeroed. -ENOMEM. */
int vas_arena_take_books(struct vas_space *space, uint64_t size, void **memory);
void vas_arena_give_books(struct vas_space *space, void *memory, uint64_t size);
/* Books of an arena that has nothing yet, and their end. -ENOMEM. */
int vas_arena_blank(struct vas_space *space, const struct vas_arena_opts *opts, uint32_t copies,
		    struct vas_failure *failure, struct vas_arena **arena);
void vas_arena_give(struct vas_arena *arena);
/* A span, and the object shown in it, closed beyond the size. After an error there is no span. */
int vas_arena_stage(struct vas_arena *arena, const struct vas_reserve_opts *reserve, int prot,
		    struct vas_failure *failure);
bool vas_arena_tail_suits(const struct vas_arena_opts *opts, uint64_t maximum);
bool vas_arena_fork_suits(enum vas_arena_kind kind, const struct vas_reserve_opts *reserve);
int vas_arena_fork_judge(const struct vas_object *object, const struct vas_reserve_opts *reserve,
			 struct vas_failure *failure);
int vas_arena_unmake(struct vas_arena *arena, enum vas_retired *state,
		     struct vas_failure *failure);
/* Whether what was made under a space's count is dead: a child that nobody announced, or books that were given up. */
bool vas_arena_books_lost(const uint32_t *alive, uint32_t era);
/* Whether it can be looked at. -ESTALE, -EOWNERDEAD. */
int vas_arena_look(struct vas_arena *arena, struct vas_failure *failure);
/* The engine may be called on the arena's span. -ESTALE, -EPERM, -EOWNERDEAD, and as vas_part_pin_used. */
int vas_arena_enter(struct vas_arena *arena, struct vas_failure *failure);
void vas_arena_leave(struct vas_arena *arena);
int vas_arena_reserve(struct vas_arena *arena, uint64_t size, const struct vas_reserve_opts *wish,
		      struct vas_failure *failure, uint64_t *start);
/* Opts for a span that begins at a multiple of page, which is base or more. -EINVAL: they ask for something else. */
int vas_arena_align(uint64_t base, uint64_t page, struct vas_reserve_opts *opts);
/* A span that did not come to be of use: released, and counted neither as made nor as released. */
void vas_arena_unreserve(struct vas_space *space, struct vas_holding_user *user, uint64_t start);
void vas_arena_tell(struct vas_arena *arena, struct vas_arena_info *info);
/* Every invariant; for tests. Nobody changes it meanwhile. */
bool vas_arena_check(struct vas_arena *arena);

/* --- ladder.c --- */

/* -EINVAL: what no kernel could do. */
int vas_ladder_check(const struct vas_arena_opts *opts, uint64_t page_size);
/* Whether some rung is of the pool. */
bool vas_ladder_has_pool(const struct vas_arena_opts *opts);
/* The rung, and the object (of MEMFD) with what it begins with. -ENOMEM, -EOPNOTSUPP, and as vas_object_create. */
int vas_ladder_climb(struct vas_arena *arena, const struct vas_arena_opts *opts,
		     struct vas_failure *failure);
/* Huge pages below to, from the one on that from lies in. Refuses with STRICT only: -ENOMEM. */
int vas_ladder_collapse(struct vas_arena *arena, uint64_t from, uint64_t to,
			struct vas_failure *failure);

/* --- companion.c --- */

/* A header, where it belongs, and of an object the offset behind it. -ENOMEM, and as vas_object_create and _extend. */
int vas_companion_make(struct vas_arena *arena, uint64_t front, struct vas_failure *failure);
/*
 * In a child, whose object is new: a header of its own, of a size, in the place of the parent's, with what lies behind it in
 * the object that fd has open. -EIO, and as vas_companion_make.
 */
int vas_companion_copy(struct vas_arena *arena, int fd, uint64_t size, struct vas_failure *failure);
/* Also in a child that has nothing of the arena. */
void vas_companion_end(struct vas_arena *arena);

/* It as it is: the header's page of an arena that another process made; facts are read. -EACCES and as mmap. */
int vas_companion_map(struct vas_arena *arena, int prot, struct vas_failure *failure);
/* Bytes that are mapped of it. */
uint64_t vas_companion_bytes(const struct vas_arena *arena);

/* --- attach.c --- */

/* An arena, or what is made of one, that another process has. copies: 1 of an arena, more of a ring. */
int vas_arena_attach(struct vas_space *space, int fd, int header, const struct vas_arena_opts *opts,
		     enum vas_header_use use, struct vas_failure *failure,
		     struct vas_arena **arena);

/* --- pin.c --- */

/* *kept: no shrinking goes below that until let go. -EPERM, -EAGAIN. Looked at, no lock. */
int vas_arena_hold(struct vas_arena *arena, struct vas_failure *failure, uint64_t *kept);
int vas_arena_let_go(struct vas_arena *arena, struct vas_failure *failure); /* -EINVAL */
bool vas_arena_is_held(const struct vas_arena *arena); /* by this handle */
void vas_arena_give_place(struct vas_arena *arena);
/* A child has none of its parent's pins. */
void vas_arena_pins_fork_child(struct vas_arena *arena);
/* Around a shrinking, within its change: -EBUSY, and then it is not to be ended. */
int vas_arena_lower(struct vas_arena *arena, uint64_t size, struct vas_failure *failure);
void vas_arena_lowered(struct vas_arena *arena);
/* Whether nobody keeps more than size any more, after what is left of so long. */
bool vas_arena_await_unpinned(struct vas_arena *arena, uint64_t size, uint64_t *nanoseconds);

/* --- wait.c --- */

/* For another size than seen. -EAGAIN: so many nanoseconds went by; -EBADMSG. */
int vas_arena_await(struct vas_arena *arena, uint64_t seen, uint64_t nanoseconds,
		    struct vas_failure *failure, uint64_t *now);
/* As vas_arena_follow, for who has not entered. */
int vas_arena_catch_up(struct vas_arena *arena, struct vas_failure *failure);

/* --- change.c --- */

/*
 * Around a change of bytes [from, to): in step with other processes, notices, work and the header's lock. end: the
 * size as it is then; what err says is passed on. *telling is begin's to fill; NULL: nobody is told.
 * -EBUSY, -EDEADLK, -ENOMEM, -EBADMSG, -EBADF, -EPERM: nothing is to be ended.
 */
int vas_arena_begin(struct vas_arena *arena, enum vas_change change, uint64_t from, uint64_t to,
		    struct vas_telling *telling, struct vas_failure *failure);
int vas_arena_end(struct vas_arena *arena, struct vas_telling *telling, uint64_t size, int err);
/* The same of a change of [from, to) that leaves the size alone. */
int vas_arena_end_inside(struct vas_arena *arena, struct vas_telling *telling, uint64_t from,
			 uint64_t to, int err);
/* The same of one that nobody can see, so that nobody is told, of an object (-EOPNOTSUPP); entering and leaving included. */
int vas_arena_begin_quiet(struct vas_arena *arena, struct vas_failure *failure);
int vas_arena_end_quiet(struct vas_arena *arena, int err);
/* Of private memory, whose changes the engine tells and counts: work is held, and given back. */
int vas_arena_end_private(struct vas_arena *arena, bool done, int err);
/*
 * Within a change, after a look at the object: where that is to end if this process dies. Of one that others change, too, only
 * memory beyond its end is given back.
 */
void vas_arena_will_end(struct vas_arena *arena, uint64_t end);
/* Within a change: nobody who looks begins to use more than that. */
void vas_arena_announce(struct vas_arena *arena, uint64_t size);
/* After vas_telling_begin, when something was done to [from, to) that no book tells of: the end of it. No lock held. */
void vas_arena_changed(struct vas_arena *arena, struct vas_telling *telling, uint64_t from,
		       uint64_t to);
/* Brings tails, counts and subscribers up to what other processes did. Entered. -ENOMEM, -EBADMSG, and as tails. */
int vas_arena_follow(struct vas_arena *arena, struct vas_failure *failure);

/* --- grow.c, shrink.c --- */

int vas_arena_enlarge(struct vas_arena *arena, uint64_t size, uint64_t least,
		      struct vas_failure *failure, uint64_t *now);
/* wait: nanoseconds, for pins. */
int vas_arena_reduce(struct vas_arena *arena, uint64_t size, uint64_t wait,
		     struct vas_failure *failure);
/* What is asked for in whole steps, least not 0 then. -EINVAL, -ERANGE, -EDQUOT. */
int vas_arena_plan_growth(const struct vas_arena *arena, uint64_t *size, uint64_t *least,
			  struct vas_failure *failure);

/* --- punch.c --- */

int vas_arena_hole(struct vas_arena *arena, uint64_t offset, uint64_t size,
		   struct vas_failure *failure);
int vas_arena_refill(struct vas_arena *arena, uint64_t offset, uint64_t size,
		     struct vas_failure *failure);
/* Of an object only: -EOPNOTSUPP. */
int vas_arena_needs_object(const struct vas_arena *arena, struct vas_failure *failure);

/* --- seal.c --- */

int vas_arena_add_seals(struct vas_arena *arena, uint32_t seals, struct vas_failure *failure);
/* In a child: those that another object has, of which this arena has a copy. */
int vas_arena_seal_as(struct vas_arena *arena, int fd, struct vas_failure *failure);
/* A descriptor of the object that is only read, and has a position of its own. -EMFILE, -ENFILE, -ENOMEM, -EPERM, -EBADF. */
int vas_arena_open_reader(struct vas_arena *arena, struct vas_failure *failure, int *fd);

/* --- ahead.c --- */

int vas_arena_take_ahead(struct vas_arena *arena, uint64_t bytes, uint64_t least,
			 struct vas_failure *failure, uint64_t *ahead);
int vas_arena_give_ahead(struct vas_arena *arena, struct vas_failure *failure, uint64_t *given);
/*
 * Grows from *size to to, at least to least, over what was or is now taken ahead, and opens the tails. Work held, and the object was
 * looked at; after an error all is as it was.
 */
int vas_arena_use_ahead(struct vas_arena *arena, uint64_t to, uint64_t least,
			struct vas_failure *failure, uint64_t *size);

/* --- policy.c --- */

/* Of [range.start, range.start + size) of the arena, to the maximum with size 0. policy is sound. */
int vas_arena_policy_set(struct vas_arena *arena, struct vas_span range,
			 const struct vas_policy *policy, struct vas_failure *failure);
/* Pages of it that are there: see vas_arena_migrate. *moved: bytes, also after an error. */
int vas_arena_policy_move(struct vas_arena *arena, struct vas_span range,
			  const struct vas_policy *policy, struct vas_failure *failure,
			  uint64_t *moved);
/* A view that was opened gets what others have. Work held. */
int vas_arena_policy_join(struct vas_view *view, struct vas_failure *failure);

/* --- extent.c --- */

/* -ENOENT, -EOPNOTSUPP, -EMFILE, -ENFILE, -ENOMEM, and as vas_arena_look. Of *extent all but the size is filled. */
int vas_arena_extent(struct vas_arena *arena, uint64_t offset, struct vas_failure *failure,
		     struct vas_arena_extent *extent);

/* What the table says, put on all views anew. */
int vas_arena_policy_renew(struct vas_arena *arena, struct vas_failure *failure);

/* --- fork.c, fork_copy.c --- */

extern const struct vas_holding_user_ops vas_arena_user_ops;
/* In a child: an object of its own, with the same bytes, in all views. -errno: it has lost all of them. */
int vas_arena_fork_copy(struct vas_holding_user *user);
/* The same of another view than the first, whose arena has it done. */
int vas_view_fork_copy(struct vas_holding_user *user);

#endif
