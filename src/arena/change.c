/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all changes of an arena have in common.
 *
 * WHAT FOR. Several threads and several processes change one arena; subscribers and readers see one change after the other.
 *
 * STRATEGY. Within a process the work lock, between processes the header's: it is taken last and given back first, by one operation each
 * where nobody waits. Who gets it looks first whether the last owner died within a change. Then whatever the object has beyond
 * the published size is taken back: an unfinished growth never was, an unfinished shrinking is done. What others changed is made up for in this
 * process next: tails are opened or closed, and what counts as committed is set. If somebody subscribed to changes that is told
 * first, without any lock, and the change begins anew.
 *
 * CONCURRENCY. See arena.h.
 *
 * WHAT IT DOES NOT DO. Who follows does not learn which bytes another process punched: it tells of all.
 */
#include <errno.h>

#include "arena/arena.h"
#include "base/assert.h"
#include "space/sums.h"

static uint64_t generation_of(const struct vas_arena *arena)
{
	return __atomic_load_n(&arena->header.page->generation, __ATOMIC_ACQUIRE);
}

/* Of changes that have ended: one that is under way counts when it is done. */
static bool is_in_step(const struct vas_arena *arena)
{
	return (generation_of(arena) & ~UINT64_C(1)) == __atomic_load_n(&arena->seen, __ATOMIC_RELAXED);
}

/* --- the locks --- */

/* The last owner died within a change. */
static int header_mend(struct vas_arena *arena, uint64_t size, uint64_t *ahead,
		       struct vas_failure *failure)
{
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	struct vas_header *page = arena->header.page;
	struct vas_object *object = &arena->object;
	uint64_t end = __atomic_load_n(&page->end, __ATOMIC_RELAXED);
	struct vas_sys *sys = arena->space->sys;
	int err = vas_object_look(object, sys, failure);

	if (err)
		return err;
	/* Else nothing had begun that moves the end. */
	if (object->shared || end != UINT64_MAX)
		*ahead = 0;
	if (object->shared) {
		(void)vas_object_give(object, sys, size, arena->cap, &ignored);
	} else if (end != UINT64_MAX) {
		object->seen = end < object->seen ? end : object->seen;
		vas_object_undo(object, sys, size, arena->cap);
	}
	__atomic_store_n(&page->ahead, *ahead, __ATOMIC_RELAXED);
	__atomic_store_n(&page->floor, UINT64_MAX, __ATOMIC_SEQ_CST);
	vas_header_settle(page, size, true);
	return 0;
}

/* The header's lock is held: what stands there, if it can be. */
static int header_learn(struct vas_arena *arena, struct vas_failure *failure)
{
	struct vas_header *page = arena->header.page;
	uint64_t size = __atomic_load_n(&page->size, __ATOMIC_ACQUIRE);
	uint64_t ahead = __atomic_load_n(&page->ahead, __ATOMIC_RELAXED);
	int err = 0;

	if (!arena->header.shared)
		return 0;
	if (!vas_header_suits(&arena->facts, size, ahead))
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
	if (__atomic_load_n(&page->state, __ATOMIC_ACQUIRE) != VAS_HEADER_AT_REST)
		err = header_mend(arena, size, &ahead, failure);
	if (!err)
		__atomic_store_n(&arena->ahead, ahead, __ATOMIC_RELAXED);
	return err;
}

static void locks_drop(struct vas_arena *arena)
{
	vas_header_unlock(&arena->header, arena->space->sys);
	vas_lock_drop(&arena->work);
}

static int locks_take(struct vas_arena *arena, struct vas_failure *failure)
{
	int err;

	if (!arena->header.writable)
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	vas_lock_take(&arena->work);
	if (vas_header_lock(&arena->header, arena->space->sys)) {
		vas_lock_drop(&arena->work);
		return vas_arena_refuse(failure, VAS_WHY_HELD, -EBUSY);
	}
	err = header_learn(arena, failure);
	if (err)
		locks_drop(arena);
	return err;
}

/* --- changes are published --- */

void vas_arena_will_end(struct vas_arena *arena, uint64_t end)
{
	__atomic_store_n(&arena->header.page->end, end, __ATOMIC_RELEASE);
}

void vas_arena_announce(struct vas_arena *arena, uint64_t size)
{
	__atomic_store_n(&arena->size, size, __ATOMIC_RELAXED);
	__atomic_store_n(&arena->header.page->size, size, __ATOMIC_RELEASE);
}

/* [from, to) has changed, for each view that has some of it; so much of the arena counts as committed from now on. */
static void tell_views(struct vas_arena *arena, struct vas_telling *telling, uint64_t from,
		       uint64_t to, uint64_t size)
{
	uint64_t generation;
	struct vas_span range;

	for (struct vas_view *view = &arena->first; view; view = view->next) {
		struct vas_holding *holding = view->user.holding;

		if (!vas_view_sees(view, from, to, &range))
			continue;
		generation = vas_part_set_shown(arena->space, holding,
						view == &arena->first ? size : 0);
		vas_telling_note(telling, holding, generation);
	}
}

/* Both locks are given back. */
static void finish(struct vas_arena *arena, struct vas_telling *telling, bool done)
{
	struct vas_header *page = arena->header.page;

	__atomic_store_n(&page->ahead, arena->ahead, __ATOMIC_RELAXED);
	vas_header_settle(page, arena->size, done);
	__atomic_store_n(&arena->seen, page->generation, __ATOMIC_RELAXED);
	VAS_ASSERT_DEBUG(vas_arena_check(arena));
	locks_drop(arena);
	if (__builtin_expect(telling->count != 0, 0))
		vas_telling_end(arena, telling, done);
}

int vas_arena_end(struct vas_arena *arena, struct vas_telling *telling, uint64_t size, int err)
{
	uint64_t was = arena->user.holding->shown;
	bool done = !err && size != was;

	if (done) {
		vas_arena_announce(arena, size);
		tell_views(arena, telling, was < size ? was : size, was < size ? size : was, size);
	}
	finish(arena, telling, done);
	return err;
}

int vas_arena_end_inside(struct vas_arena *arena, struct vas_telling *telling, uint64_t from,
			 uint64_t to, int err)
{
	if (!err)
		tell_views(arena, telling, from, to, arena->size);
	finish(arena, telling, !err);
	return err;
}

int vas_arena_end_quiet(struct vas_arena *arena, int err)
{
	struct vas_telling telling = { .count = 0 };

	finish(arena, &telling, false);
	vas_arena_leave(arena);
	return err;
}

int vas_arena_end_private(struct vas_arena *arena, bool done, int err)
{
	if (!err && done)
		vas_header_settle(arena->header.page, arena->size, true);
	VAS_ASSERT_DEBUG(vas_arena_check(arena));
	locks_drop(arena);
	return err;
}

/* --- following others --- */

/* Work held: the views show the first size bytes. *from and *to: what differs from before. */
static int absorb(struct vas_arena *arena, uint64_t size, uint64_t generation,
		  struct vas_telling *telling, struct vas_failure *failure)
{
	uint64_t was = arena->size;
	int err = 0;

	if (size > was)
		err = vas_tails_open(arena, was, size, failure);
	if (size < was)
		err = vas_tails_close(arena, size, was, failure);
	if (err)
		return err;
	if (size < was)
		vas_tails_closed(arena, size, was);
	__atomic_store_n(&arena->size, size, __ATOMIC_RELEASE);
	__atomic_store_n(&arena->seen, generation, __ATOMIC_RELAXED);
	if (size != was)
		tell_views(arena, telling, size < was ? size : was, size < was ? was : size, size);
	return 0;
}

/* What the header says, without its lock: the size is some size of then or later. */
static int header_look(const struct vas_arena *arena, uint64_t *size, uint64_t *generation,
		       struct vas_failure *failure)
{
	*generation = generation_of(arena) & ~UINT64_C(1);
	*size = __atomic_load_n(&arena->header.page->size, __ATOMIC_ACQUIRE);
	if (arena->header.shared && !vas_header_suits(&arena->facts, *size, 0))
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
	return 0;
}

void vas_arena_changed(struct vas_arena *arena, struct vas_telling *telling, uint64_t from,
		       uint64_t to)
{
	vas_lock_take(&arena->work);
	tell_views(arena, telling, from, to, arena->size);
	vas_lock_drop(&arena->work);
	if (telling->count)
		vas_telling_end(arena, telling, true);
}

/* Contents below a size may be others by now. */
static int follow_contents(struct vas_arena *arena, uint64_t size, struct vas_failure *failure)
{
	struct vas_telling telling;
	int err;

	if (!size || !vas_space_is_watched(arena->space))
		return 0;
	err = vas_telling_begin(arena, VAS_CHANGE_PUNCH, 0, size, true, &telling, failure);
	if (!err)
		vas_arena_changed(arena, &telling, 0, size);
	return err;
}

int vas_arena_follow(struct vas_arena *arena, struct vas_failure *failure)
{
	uint64_t was = __atomic_load_n(&arena->size, __ATOMIC_RELAXED), size, generation;
	uint64_t seen = __atomic_load_n(&arena->seen, __ATOMIC_RELAXED);
	struct vas_telling telling;
	int err;

	if (is_in_step(arena))
		return 0;
	err = header_look(arena, &size, &generation, failure);
	/* One change of the size is no change of what stays. */
	if (!err && (size == was || generation - seen > 2))
		err = follow_contents(arena, size < was ? size : was, failure);
	if (!err)
		err = vas_telling_begin(arena, size < was ? VAS_CHANGE_SHRINK : VAS_CHANGE_GROW,
					size < was ? size : was, size < was ? was : size, true,
					&telling, failure);
	if (err)
		return err;
	vas_lock_take(&arena->work);
	/* Unless another thread was faster. */
	if (__atomic_load_n(&arena->seen, __ATOMIC_RELAXED) == seen)
		err = absorb(arena, size, generation, &telling, failure);
	vas_lock_drop(&arena->work);
	if (telling.count)
		vas_telling_end(arena, &telling, !err);
	return err;
}

/* --- beginning --- */

/* Both locks, in step but where subscribers are to be told first; then the locks are given back. */
static int locks_in_step(struct vas_arena *arena, bool *again, struct vas_failure *failure)
{
	struct vas_telling nobody = { .count = 0 };
	int err = locks_take(arena, failure);

	*again = false;
	if (err || !arena->header.shared || __builtin_expect(is_in_step(arena), 1))
		return err;
	*again = vas_space_is_watched(arena->space);
	if (!*again)
		err = absorb(arena, __atomic_load_n(&arena->header.page->size, __ATOMIC_RELAXED),
			     generation_of(arena), &nobody, failure);
	if (err || *again)
		locks_drop(arena);
	return err;
}

int vas_arena_begin(struct vas_arena *arena, enum vas_change change, uint64_t from, uint64_t to,
		    struct vas_telling *telling, struct vas_failure *failure)
{
	bool again = false;
	int err;

	do {
		err = vas_space_is_watched(arena->space) ? vas_arena_follow(arena, failure) : 0;
		if (!err && telling)
			err = vas_telling_begin(arena, change, from, to, false, telling, failure);
		if (err)
			return err;
		err = locks_in_step(arena, &again, failure);
		if ((err || again) && telling && telling->count)
			vas_telling_end(arena, telling, false);
	} while (!err && again);
	if (!err)
		vas_header_change(arena->header.page);
	return err;
}

int vas_arena_begin_quiet(struct vas_arena *arena, struct vas_failure *failure)
{
	int err = vas_arena_enter(arena, failure);

	if (err)
		return err;
	err = vas_arena_needs_object(arena, failure);
	if (!err)
		err = vas_arena_begin(arena, VAS_CHANGE_GROW, 0, 0, NULL, failure);
	if (err)
		vas_arena_leave(arena);
	return err;
}
