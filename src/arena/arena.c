/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas: made, pinned, described, ended.
 *
 * WHAT FOR. A heap, a table or a buffer that becomes larger without moving.
 *
 * STRATEGY. A span is reserved for as much as the arena may become, and the object is shown over all of it at once, beyond its end: from
 * then on the size is a matter between the arena and its object. What is special about arenas for the space is a user (space/user.h).
 *
 * CONCURRENCY. See arena.h.
 *
 * WHAT IT DOES NOT DO. It does not wait for other threads' calls when an arena ends: that they have ended is the caller's
 * duty, as with free().
 */
#include "arena/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/ring.h"
#include "base/assert.h"
#include "base/number.h"
#include "space/sums.h"

#define CREATE_FLAGS (VAS_ARENA_LAZY | VAS_ARENA_STRICT | VAS_ARENA_COMPANION)

/* Page tables for guards; see VAS_TAIL_GUARD. */
#define GUARD_MOST (UINT64_C(4) << 30)
/* The kernel counts an object's bytes with a sign. */
#define OFFSET_MOST ((uint64_t)INT64_MAX)

/* --- looking and pinning --- */

bool vas_arena_books_lost(const uint32_t *alive, uint32_t era)
{
	return alive && (__atomic_load_n(alive, __ATOMIC_RELAXED) == 0 || era != vas_space_era());
}

int vas_arena_look(struct vas_arena *arena, struct vas_failure *failure)
{
	if (vas_arena_books_lost(arena->alive, arena->era))
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -EOWNERDEAD);
	if (arena->state == VAS_ARENA_ABSENT)
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -ESTALE);
	return 0;
}

int vas_arena_enter(struct vas_arena *arena, struct vas_failure *failure)
{
	int err = vas_arena_look(arena, failure);

	if (err)
		return err;
	if (arena->state == VAS_ARENA_SHARED)
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -EPERM);
	vas_lock_take(&arena->lock);
	err = vas_part_pin_used(arena->space, &arena->user, failure);
	vas_lock_drop(&arena->lock);
	return err;
}

void vas_arena_leave(struct vas_arena *arena)
{
	vas_part_unpin_used(arena->space, &arena->user);
}

void vas_arena_tell(struct vas_arena *arena, struct vas_arena_info *info)
{
	struct vas_holding *holding = arena->user.holding;

	info->span = holding->span;
	info->bytes = vas_arena_bytes(arena);
	info->ahead = __atomic_load_n(&arena->ahead, __ATOMIC_RELAXED);
	info->maximum = arena->maximum;
	info->step = arena->step;
	info->page_size = arena->object.page_size;
	info->rung = arena->rung;
	info->kind = arena->kind;
	info->flags = arena->flags;
	info->fd = arena->object.fd;
	info->header = arena->companion.fd >= 0 ? arena->companion.fd : arena->object.fd;
	info->offset = arena->object.offset;
	info->generation = __atomic_load_n(&arena->header.page->generation, __ATOMIC_ACQUIRE);
	memcpy(info->name, arena->name, sizeof(info->name));
}

bool vas_arena_check(struct vas_arena *arena)
{
	const struct vas_holding *holding = arena->user.holding;
	uint64_t size = arena->size;
	bool object = vas_arena_has_object(arena);

	for (const struct vas_view *view = arena->first.next; view; view = view->next)
		if (!vas_view_check(view))
			return false;
	return holding && holding->user == &arena->user && size % arena->step == 0 &&
	       arena->ahead % arena->step == 0 && size + arena->ahead <= arena->cap && arena->cap <= arena->maximum &&
	       arena->maximum * arena->copies <= holding->span.size &&
	       arena->step % arena->object.page_size == 0 &&
	       (!arena->collapse || holding->span.start % arena->collapse == 0) &&
	       holding->shown == (object ? size : 0) && (arena->object.fd >= 0) == object &&
	       arena->header.shared == object;
}

/* --- making and ending --- */

int vas_arena_take_books(struct vas_space *space, uint64_t size, void **memory)
{
	int err;

	vas_lock_take(&space->lock);
	err = vas_pages_take(&space->pages, size, memory);
	vas_lock_drop(&space->lock);
	return err;
}

void vas_arena_give_books(struct vas_space *space, void *memory, uint64_t size)
{
	vas_lock_take(&space->lock);
	vas_pages_give(&space->pages, memory, size);
	vas_lock_drop(&space->lock);
}

void vas_arena_give(struct vas_arena *arena)
{
	struct vas_space *space = arena->space;

	vas_arena_give_place(arena);
	vas_companion_end(arena);
	vas_object_close(space->sys, &arena->object);
	vas_arena_give_books(space, arena, sizeof(*arena));
}

static void arena_name(struct vas_arena *arena, const struct vas_reserve_opts *reserve)
{
	const char *name = reserve && reserve->name ? reserve->name : "arena";

	for (size_t i = 0; i + 1 < sizeof(arena->name) && name[i]; i++)
		arena->name[i] = name[i];
}

/* Copies can only begin where a page does. */
static bool copies_meet(const struct vas_arena *arena, uint64_t maximum,
			struct vas_failure *failure)
{
	if (arena->copies == 1 || maximum % arena->step == 0)
		return true;
	failure->min = vas_align_down(maximum, arena->step);
	(void)vas_align_up(maximum, arena->step, &failure->max);
	return false;
}

/* Numbers that go together. The arena has its page size. */
static int arena_plan(struct vas_arena *arena, uint64_t maximum, const struct vas_arena_opts *opts,
		      struct vas_failure *failure)
{
	uint64_t page = arena->object.page_size;

	arena->step = opts->step ? opts->step : page;
	if (arena->step % page || !copies_meet(arena, maximum, failure) ||
	    !vas_align_up(maximum, arena->step, &maximum))
		return -EINVAL;
	arena->maximum = maximum;
	arena->cap = opts->cap ? opts->cap - opts->cap % arena->step : maximum;
	if (arena->object.offset > OFFSET_MOST - maximum)
		return -EINVAL;
	return arena->cap == 0 || opts->initial > arena->cap ? -EINVAL : 0;
}

/* What a file has already; of an object of others as much as is wanted. */
static int arena_found(const struct vas_arena *arena, struct vas_failure *failure, uint64_t *bytes)
{
	uint64_t found = 0;

	if (vas_arena_kind_is_given(arena->kind))
		found = vas_align_down(arena->object.seen, arena->step);
	if (found > arena->cap && !arena->object.shared)
		return vas_arena_refuse(failure, VAS_WHY_WINDOW, -ERANGE);
	*bytes = found < arena->cap ? found : arena->cap;
	return 0;
}

int vas_arena_align(uint64_t base, uint64_t page, struct vas_reserve_opts *opts)
{
	if (page == base)
		return 0;
	if (opts->place == VAS_PLACE_EXACT && opts->address % page)
		return -EINVAL;
	if (opts->alignment && opts->alignment % page == 0)
		return opts->phase % page ? -EINVAL : 0;
	if (opts->phase || (opts->alignment && page % opts->alignment))
		return -EINVAL;
	opts->alignment = page;
	return 0;
}

/* Pages of the pool want a start that is a multiple of them, transparent ones in the first view. */
static int arena_align(const struct vas_arena *arena, struct vas_reserve_opts *opts)
{
	bool first = !arena->user.holding;
	uint64_t page = first && arena->collapse ? arena->collapse : arena->object.page_size;

	return vas_arena_align(arena->space->sys->page_size, page, opts);
}

/* Private memory has no tail: nothing is mapped there. */
bool vas_arena_tail_suits(const struct vas_arena_opts *opts, uint64_t maximum)
{
	if (opts->tail > VAS_TAIL_GUARD || (opts->tail && opts->kind == VAS_ARENA_ANONYMOUS))
		return false;
	return opts->tail != VAS_TAIL_GUARD || maximum <= GUARD_MOST;
}

static bool exec_suits(const struct vas_arena_opts *opts)
{
	if (opts->kind != VAS_ARENA_MEMFD)
		return opts->exec == VAS_EXEC_NEVER;
	return opts->exec <= VAS_EXEC_FILE &&
	       (opts->exec != VAS_EXEC_NEVER || !(opts->prot & PROT_EXEC));
}

/* What memory of the kind cannot be in a child. */
bool vas_arena_fork_suits(enum vas_arena_kind kind, const struct vas_reserve_opts *reserve)
{
	enum vas_fork fork = reserve ? reserve->fork : VAS_FORK_DEFAULT;

	if (kind != VAS_ARENA_ANONYMOUS)
		return fork != VAS_FORK_WIPE;
	return fork != VAS_FORK_SHARE;
}

/* No room in the pool is a child's that its parent could set aside. */
int vas_arena_fork_judge(const struct vas_object *object, const struct vas_reserve_opts *reserve,
			 struct vas_failure *failure)
{
	if (object->pool && reserve && reserve->fork == VAS_FORK_COPY)
		return vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	return 0;
}

int vas_arena_reserve(struct vas_arena *arena, uint64_t size, const struct vas_reserve_opts *wish,
		      struct vas_failure *failure, uint64_t *start)
{
	struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_span span;
	int err;

	if (wish)
		opts = *wish;
	if (opts.min_size || arena_align(arena, &opts))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (!opts.name)
		opts.name = arena->name;
	err = vas_space_reserve(arena->space, size, &opts, failure, &span);
	if (!err)
		*start = span.start;
	return err;
}

void vas_arena_unreserve(struct vas_space *space, struct vas_holding_user *user, uint64_t start)
{
	enum vas_retired state;
	uint64_t size;

	(void)vas_space_release(space, start, user->holding ? user : NULL, &state, &size);
	vas_lock_take(&space->lock);
	space->stats.reserves--;
	space->stats.releases--;
	vas_lock_drop(&space->lock);
}

int vas_arena_stage(struct vas_arena *arena, const struct vas_reserve_opts *reserve, int prot,
		    struct vas_failure *failure)
{
	struct vas_space *space = arena->space;
	uint64_t start, size;
	int err;

	if (!vas_multiply(arena->maximum, arena->copies, &size))
		return vas_arena_refuse(failure, VAS_WHY_WIDTH, -ERANGE);
	err = vas_arena_reserve(arena, size, reserve, failure, &start);
	if (err)
		return err;
	err = vas_space_use_at(space, start, &arena->user);
	if (err)
		(void)vas_arena_refuse(failure, VAS_WHY_NOT_OWNED, err);
	else if (vas_arena_has_object(arena))
		err = vas_view_show(&arena->first, prot, failure);
	if (!err)
		err = vas_tail_begin(&arena->first, failure);
	if (err)
		vas_arena_unreserve(space, &arena->user, start);
	return err;
}

static int arena_build(struct vas_arena *arena, const struct vas_arena_opts *opts,
		       struct vas_failure *failure)
{
	uint64_t size, found;
	int err;

	err = arena_found(arena, failure, &found);
	if (err)
		return err;
	vas_arena_announce(arena, found);
	err = vas_arena_stage(arena, opts->reserve, opts->prot ? opts->prot : PROT_READ | PROT_WRITE,
			      failure);
	if (err)
		return err;
	arena->header.page->facts.home = arena->user.holding->span.start;
	if (found)
		(void)vas_part_set_shown(arena->space, arena->user.holding, found);
	if (!err && opts->initial > found)
		err = vas_arena_enlarge(arena, opts->initial, 0, failure, &size);
	if (!err && !vas_ring_meets(vas_span_pointer(arena->user.holding->span), arena->maximum,
				    arena->copies))
		err = vas_arena_refuse(failure, VAS_WHY_KERNEL, -EIO);
	if (err)
		vas_arena_unreserve(arena->space, &arena->user, arena->user.holding->span.start);
	return err;
}

/* What is wrong whatever the pages are. */
static int arena_check_options(const struct vas_space *space, uint64_t maximum,
			       const struct vas_arena_opts *opts, struct vas_failure *failure)
{
	bool lazy = opts->flags & VAS_ARENA_LAZY;
	bool companion = opts->flags & VAS_ARENA_COMPANION;

	if (maximum == 0 || opts->kind > VAS_ARENA_ADOPTED || (opts->flags & ~CREATE_FLAGS) ||
	    (lazy && (opts->kind != VAS_ARENA_ANONYMOUS || opts->ladder)) || opts->cap > maximum ||
	    (companion && opts->kind == VAS_ARENA_ANONYMOUS) ||
	    opts->initial > maximum || !vas_arena_tail_suits(opts, maximum) || !exec_suits(opts) ||
	    (opts->offset && !vas_arena_kind_is_given(opts->kind)) ||
	    (opts->prot && opts->kind == VAS_ARENA_ANONYMOUS) ||
	    vas_ladder_check(opts, space->sys->page_size))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (!vas_arena_fork_suits(opts->kind, opts->reserve) ||
	    (vas_ladder_has_pool(opts) && opts->reserve && opts->reserve->fork == VAS_FORK_COPY))
		return vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	return 0;
}

int vas_arena_make(struct vas_space *space, uint64_t maximum, const struct vas_arena_opts *opts,
		   struct vas_failure *failure, struct vas_arena **made)
{
	return vas_arena_make_copies(space, maximum, 1, 0, opts, failure, made);
}

int vas_arena_blank(struct vas_space *space, const struct vas_arena_opts *opts, uint32_t copies,
		    struct vas_failure *failure, struct vas_arena **made)
{
	struct vas_arena *arena;
	void *memory;

	if (vas_arena_take_books(space, sizeof(*arena), &memory))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	arena = memory;
	arena->user.ops = &vas_arena_user_ops;
	arena->first.arena = arena;
	arena->space = space;
	arena->alive = __atomic_load_n(&space->alive, __ATOMIC_RELAXED);
	arena->era = vas_space_era();
	arena->kind = opts->kind;
	arena->flags = opts->flags;
	arena->tail = opts->tail;
	arena->exec = opts->exec;
	arena->copies = copies;
	arena->object = (struct vas_object){ .fd = -1, .page_size = space->sys->page_size };
	arena->companion.fd = -1;
	arena->header.page = &arena->own;
	arena_name(arena, opts->reserve);
	if (opts->reserve && opts->reserve->policy)
		arena->policies.whole = *opts->reserve->policy;
	*made = arena;
	return 0;
}

int vas_arena_make_copies(struct vas_space *space, uint64_t maximum, uint32_t copies,
			  uint64_t front, const struct vas_arena_opts *opts,
			  struct vas_failure *failure, struct vas_arena **made)
{
	struct vas_arena *arena;
	int err;

	err = arena_check_options(space, maximum, opts, failure);
	if (!err)
		err = vas_arena_blank(space, opts, copies, failure, &arena);
	if (err)
		return err;
	err = vas_ladder_climb(arena, opts, failure);
	if (!err)
		err = vas_arena_fork_judge(&arena->object, opts->reserve, failure);
	if (!err) {
		err = arena_plan(arena, maximum, opts, failure);
		if (err)
			failure->why = VAS_WHY_ARGUMENT;
	}
	arena->first.extent = arena->maximum;
	if (!err)
		err = vas_companion_make(arena, front, failure);
	if (!err)
		err = arena_build(arena, opts, failure);
	if (err) {
		vas_arena_give(arena);
		return err;
	}
	*made = arena;
	return 0;
}

int vas_arena_unmake(struct vas_arena *arena, enum vas_retired *state, struct vas_failure *failure)
{
	enum vas_retired worst = VAS_RETIRED_GONE;
	uint64_t size;
	int err;

	err = vas_arena_look(arena, failure);
	if (err)
		return err;
	if (vas_views_inside(arena))
		return vas_arena_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	if (vas_arena_is_held(arena))
		return vas_arena_refuse(failure, VAS_WHY_PINNED, -EBUSY);
	vas_views_unmake(arena, &worst);
	err = vas_space_release(arena->space, arena->user.holding->span.start, &arena->user, state,
				&size);
	if (err)
		return vas_arena_refuse(failure, VAS_WHY_NOT_OWNED, err);
	*state = *state > worst ? *state : worst;
	vas_arena_give(arena);
	return 0;
}
