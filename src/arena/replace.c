/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacing live pages: prepared and dropped.
 *
 * WHAT FOR. A table that is made anew, memory that moves to other pages or to an object, while others read it.
 *
 * STRATEGY. Each part gets its new pages aside (aside.c), with the recipe and the policy that the old ones have, so that one move is all
 * that is left to be done. What may be refused is refused here.
 *
 * CONCURRENCY. The span is pinned while its part is built, and not between prepare and commit: a part may be changed or freed then, which commit
 * finds out by what the books say of it. A batch is one thread's at a time.
 *
 * WHAT IT DOES NOT DO. It does not keep others from writing to the old pages.
 */
#include "arena/replace.h"

#include <errno.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "arena/aside.h"
#include "space/fork.h"
#include "sys/process.h"

/* The books' memory comes in pages. */
static uint64_t replace_size(size_t count)
{
	return sizeof(struct vas_replace) + count * sizeof(struct vas_replace_item);
}

int vas_replace_look(const struct vas_replace *replace, struct vas_failure *failure)
{
	if (vas_arena_books_lost(replace->alive, replace->era))
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -EOWNERDEAD);
	return 0;
}

void vas_replace_drop_stray(const struct vas_replace *replace, const struct vas_replace_item *item,
			    uint64_t *stray)
{
	uint32_t recipe = item->recipe | vas_fork_recipe(&item->fresh.backing);
	bool here = replace->process == vas_process_number() || !(recipe & VAS_RECIPE_NOFORK);

	if (*stray && here)
		vas_strays_drop(replace->space->sys, *stray, item->range.size);
	*stray = 0;
}

void vas_replace_drop(struct vas_replace *replace)
{
	for (uint32_t i = 0; i < replace->count; i++)
		vas_replace_drop_stray(replace, &replace->items[i], &replace->items[i].aside);
	vas_arena_give_books(replace->space, replace, replace_size(replace->count));
}

int vas_replace_unmake(struct vas_replace *replace, struct vas_failure *failure)
{
	int err = vas_replace_look(replace, failure);

	if (!err)
		vas_replace_drop(replace);
	return err;
}

/* --- making --- */

/* The new pages' object. */
static int fresh_object(struct vas_space *space, const struct vas_replace_part *part,
			struct vas_replace_item *item, struct vas_failure *failure)
{
	const struct vas_commit_opts opts = {
		.size = sizeof(opts),
		.flags = part->flags & VAS_REPLACE_SHARED ? VAS_COMMIT_SHARED : VAS_COMMIT_PRIVATE,
		.fd = part->fd,
		.offset = part->offset,
	};
	struct vas_sys_stat stat;
	const struct vas_backing_range range = {
		.span = item->range,
		.offset = part->offset,
		.prot = item->fresh.prot,
		.flags = opts.flags,
		.stat = &stat,
	};
	struct vas_backing *backing = &item->fresh.backing;
	int err;

	err = vas_backing_identify(space->sys, &opts, item->range.start, &stat, backing);
	if (!err)
		err = backing->ops->plan(backing, space->sys, &range);
	if (err == -EBADF || err == -EINVAL || err == -ERANGE || err == -EACCES)
		failure->why = VAS_WHY_OBJECT;
	return err;
}

/* Several parts: can the old bytes be kept? */
static int item_keeps(const struct vas_replace_item *item, struct vas_failure *failure)
{
	const struct vas_backing *old = &item->old.backing;

	if (vas_backing_is_anonymous(old))
		return item->old.prot & PROT_READ ?
			       0 : vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if ((old->flags & VAS_COMMIT_SHARED) && old->kind != VAS_SYS_KIND_HUGETLB)
		return 0;
	return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
}

static int item_plan(struct vas_space *space, const struct vas_replace_part *part,
		     const struct vas_holding *holding, bool several, struct vas_replace_item *item,
		     struct vas_failure *failure)
{
	bool object = part->flags & (VAS_REPLACE_SHARED | VAS_REPLACE_PRIVATE);
	int err = 0;

	if (several)
		err = item_keeps(item, failure);
	if (err)
		return err;
	if ((part->flags & VAS_REPLACE_COPY) && !vas_backing_is_anonymous(&item->old.backing))
		return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
	if ((part->flags & VAS_REPLACE_COPY) && !(item->old.prot & PROT_READ))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	item->recipe = holding->recipe;
	item->owner = vas_owner_id(holding->entry);
	item->fresh = item->old;
	item->fresh.prot = part->prot ? (uint8_t)part->prot : item->old.prot;
	item->fresh.backing = vas_backings_anonymous;
	item->aside_prot = PROT_READ | PROT_WRITE;
	if (object)
		err = fresh_object(space, part, item, failure);
	if (!err && !vas_fork_suits(holding, &item->fresh.backing))
		err = vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	if (part->flags & VAS_REPLACE_SHARED)
		item->aside_prot = item->fresh.prot | PROT_READ;
	return err;
}

static int item_build(struct vas_space *space, const struct vas_replace_part *part,
		      struct vas_holding *holding, bool several, struct vas_replace_item *item,
		      struct vas_failure *failure)
{
	int err;

	err = vas_part_look(space, holding, item->range, &item->old, failure);
	if (!err)
		err = item_plan(space, part, holding, several, item, failure);
	if (err)
		return err;
	return part->flags & VAS_REPLACE_COPY ?
		       vas_aside_copy(space, item->range, &item->fresh, item->recipe, failure,
				      &item->aside) :
		       vas_aside_make(space, item->range, &item->fresh, item->recipe,
				      item->aside_prot, failure, &item->aside);
}

static int item_make(struct vas_space *space, const struct vas_replace_part *part, bool several,
		     struct vas_replace_item *item, struct vas_failure *failure)
{
	struct vas_part_pinned pinned;
	int err;

	item->range = (struct vas_span){ (uint64_t)(uintptr_t)part->start, part->size };
	failure->address = item->range.start;
	err = vas_part_pin_lent(space, item->range, failure, &pinned);
	if (err)
		return err;
	item->lender = pinned.user;
	err = item_build(space, part, pinned.holding, several, item, failure);
	vas_part_unpin_lent(space, &pinned);
	return vas_part_classify(err, failure);
}

static bool overlaps_earlier(const struct vas_replace *replace, const struct vas_replace_part *part)
{
	uint64_t start = (uint64_t)(uintptr_t)part->start;

	for (uint32_t i = 0; i < replace->count; i++) {
		struct vas_span range = replace->items[i].range;

		if (start < vas_span_end(range) && range.start < start + part->size)
			return true;
	}
	return false;
}

int vas_replace_make(struct vas_space *space, struct vas_replace_part *parts, size_t count,
		     struct vas_failure *failure, struct vas_replace **made)
{
	struct vas_replace *replace;
	void *memory;
	int err = 0;

	if (vas_arena_take_books(space, replace_size(count), &memory))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	replace = memory;
	replace->space = space;
	replace->alive = __atomic_load_n(&space->alive, __ATOMIC_RELAXED);
	replace->era = vas_space_era();
	replace->process = vas_process_number();
	for (size_t i = 0; i < count && !err; i++) {
		struct vas_replace_item *item = &replace->items[i];

		if (overlaps_earlier(replace, &parts[i]))
			err = vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
		else
			err = item_make(space, &parts[i], count > 1, item, failure);
		replace->count++;
	}
	if (err) {
		replace->count = (uint32_t)count;
		vas_replace_drop(replace);
		return err;
	}
	for (size_t i = 0; i < count; i++)
		parts[i].aside = vas_span_pointer((struct vas_span){ replace->items[i].aside, 0 });
	*made = replace;
	return 0;
}
