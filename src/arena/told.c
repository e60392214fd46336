/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is told that an arena changes.
 *
 * WHAT FOR. A change of the object is a change of what each view shows, and subscriptions are about
 * spans.
 *
 * STRATEGY. One notice a view, for the part of the change that it has, in the order of the list. A veto cancels the notices of those before it.
 * The holdings are pinned for all of the change, so that one whose view is closed meanwhile
 * is told the end of what it was told the beginning of. When nobody listens, all of it is one load.
 *
 * CONCURRENCY. The list is read with the work lock held, hooks are called without. Their threads have the arena's pin
 * only, which the notice hands over, so that a hook may fork. In a child that is forked there pins are counted
 * anew, for the hook that runs; so of the change's notices only that one has an end there.
 *
 * WHAT IT DOES NOT DO. A view that is opened meanwhile is not told.
 */
#include <errno.h>
#include <string.h>

#include "arena/arena.h"
#include "sys/process.h"

static struct vas_told *telling_items(struct vas_telling *telling)
{
	return telling->more ? telling->more : &telling->one;
}

static bool is_elsewhere(const struct vas_telling *telling)
{
	return telling->process != vas_process_number();
}

static void telling_free(struct vas_space *space, struct vas_telling *telling)
{
	if (telling->more)
		vas_arena_give_books(space, telling->more, telling->room * sizeof(*telling->more));
	telling->more = NULL;
}

static int telling_room(struct vas_space *space, struct vas_telling *telling, uint32_t count)
{
	void *memory;
	int err;

	telling_free(space, telling);
	err = vas_arena_take_books(space, count * sizeof(*telling->more), &memory);
	if (err)
		return -ENOMEM;
	telling->more = memory;
	telling->room = count;
	return 0;
}

/* Those that see something of it, pinned, as far as there is room; returns how many there are. Work held. */
static uint32_t telling_fill(struct vas_arena *arena, uint64_t from, uint64_t to,
			     struct vas_telling *telling)
{
	struct vas_told *items = telling_items(telling);
	uint32_t room = telling->more ? telling->room : 1, count = 0;
	struct vas_span range;

	vas_lock_take(&arena->space->lock);
	for (struct vas_view *view = &arena->first; view; view = view->next) {
		if (!vas_view_sees(view, from, to, &range))
			continue;
		if (count++ < room)
			items[count - 1] = (struct vas_told){
				.holding = view->user.holding,
				.run = { .span = range,
					 .owner = vas_owner_id(view->user.holding->entry) },
			};
	}
	for (uint32_t i = 0; i < count && count <= room; i++)
		items[i].holding->pins++;
	vas_lock_drop(&arena->space->lock);
	return count;
}

static int telling_collect(struct vas_arena *arena, uint64_t from, uint64_t to,
			   struct vas_telling *telling)
{
	uint32_t count;
	int err = 0;

	for (;;) {
		vas_lock_take(&arena->work);
		count = telling_fill(arena, from, to, telling);
		vas_lock_drop(&arena->work);
		if (count <= (telling->more ? telling->room : 1))
			break;
		err = telling_room(arena->space, telling, count);
		if (err)
			return err;
	}
	telling->count = count;
	return 0;
}

/*
 * Whether this thread is in a hook about one of them: then none is told. Whose they are was read when they were in the
 * list: since then one may have been closed.
 */
static bool telling_inside(const struct vas_arena *arena, struct vas_telling *telling)
{
	const struct vas_told *items = telling_items(telling);

	for (uint32_t i = 0; i < telling->count; i++)
		if (vas_notice_inside(arena->space, items[i].run.owner))
			return true;
	return false;
}

/* Lets go what collect pinned. */
static void telling_drop(struct vas_arena *arena, struct vas_telling *telling)
{
	struct vas_space *space = arena->space;
	const struct vas_told *items = telling_items(telling);

	vas_lock_take(&space->lock);
	for (uint32_t i = 0; i < telling->count && !is_elsewhere(telling); i++)
		vas_space_let_go(space, items[i].holding);
	vas_lock_drop(&space->lock);
	telling_free(space, telling);
	telling->count = 0;
}

/* What this process's child says of a change that its parent began. */
static int telling_refuse(struct vas_arena *arena, struct vas_telling *telling,
			  struct vas_failure *failure)
{
	telling_drop(arena, telling);
	return vas_arena_refuse(failure, VAS_WHY_FORKED,
				arena->state == VAS_ARENA_SHARED ? -EPERM : -ESTALE);
}

static void told_cancel(struct vas_space *space, const struct vas_told *told)
{
	uint64_t generation = __atomic_load_n(&told->holding->generation, __ATOMIC_RELAXED);

	if (told->run.last)
		vas_notice_tell(space, told->holding, &told->run, false, generation);
}

int vas_telling_begin(struct vas_arena *arena, enum vas_change change, uint64_t from, uint64_t to,
		      bool final, struct vas_telling *telling, struct vas_failure *failure)
{
	struct vas_space *space = arena->space;
	struct vas_told *items;
	uint32_t i;
	int err = 0;

	telling->count = 0;
	telling->more = NULL;
	if (__builtin_expect(!vas_space_is_watched(space), 1))
		return 0;
	telling->process = vas_process_number();
	if (telling_collect(arena, from, to, telling))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	items = telling_items(telling);
	if (telling_inside(arena, telling)) {
		telling_drop(arena, telling);
		return vas_arena_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	}
	for (i = 0; !err && i < telling->count; i++) {
		err = vas_notice_before_by(space, items[i].holding, &arena->user, items[i].run.span,
					   change, final, &items[i].run);
		if (!err && is_elsewhere(telling)) {
			told_cancel(space, &items[i]);
			return telling_refuse(arena, telling, failure);
		}
	}
	if (!err)
		return 0;
	while (i-- > 1 && !is_elsewhere(telling))
		told_cancel(space, &items[i - 1]);
	if (is_elsewhere(telling))
		return telling_refuse(arena, telling, failure);
	telling_drop(arena, telling);
	return vas_arena_refuse(failure, err == -EBUSY ? VAS_WHY_VETO : VAS_WHY_REENTERED, err);
}

void vas_telling_note(struct vas_telling *telling, const struct vas_holding *holding,
		      uint64_t generation)
{
	struct vas_told *items = telling_items(telling);

	for (uint32_t i = 0; i < telling->count; i++)
		if (items[i].holding == holding)
			items[i].generation = generation;
}

void vas_telling_end(struct vas_arena *arena, struct vas_telling *telling, bool done)
{
	struct vas_told *items = telling_items(telling);
	struct vas_space *space = arena->space;

	for (uint32_t i = 0; i < telling->count && !is_elsewhere(telling); i++) {
		const struct vas_told *told = &items[i];

		if (!done || !told->generation)
			told_cancel(space, told);
		else if (told->run.last)
			vas_notice_tell(space, told->holding, &told->run, true, told->generation);
	}
	telling_drop(arena, telling);
}
