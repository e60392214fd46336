/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacing live pages: the batch goes to its places, or back.
 *
 * WHAT FOR. Old pages everywhere or new ones everywhere, as far as the kernel's calls can.
 *
 * STRATEGY. A part is one move (space/move.c), with the notices and the lock of any other change. A move destroys what was there, so before
 * the first of several the old bytes are kept: of private memory a copy, of shared memory a second mapping. When a part is
 * refused, what was kept is moved to the places of those before it. Where the kernel refuses even that, the bytes are copied back.
 *
 * CONCURRENCY. Each part's span is pinned for its move only. A child that is forked by a hook meanwhile ends its copy of the call with the next part.
 *
 * WHAT IT DOES NOT DO. What is written to old pages after they were kept is lost, also when they come back.
 */
#include <errno.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "arena/aside.h"
#include "arena/replace.h"
#include "sys/process.h"

/* In a child that was forked by a hook. */
static bool is_elsewhere(const struct vas_replace *replace)
{
	return replace->process != vas_process_number();
}

/* --- keeping --- */

static int item_keep(struct vas_space *space, struct vas_replace_item *item,
		     struct vas_failure *failure)
{
	int err;

	if (item->old.backing.flags & VAS_COMMIT_SHARED)
		return vas_part_twin(space, item->range, failure, &item->kept);
	err = vas_aside_copy(space, item->range, &item->old, item->recipe, failure, &item->kept);
	if (err || item->old.prot == (PROT_READ | PROT_WRITE))
		return err;
	return (int)VAS_CALL(space->sys, protect, item->kept, item->range.size, item->old.prot);
}

/*
 * Whether what was pinned is what the part was prepared for; back: or any region's block, since regions may have been split or merged when it was
 * in its place already.
 */
static bool item_is_same(const struct vas_replace_item *item, const struct vas_part_pinned *pinned,
			 bool back)
{
	if (pinned->user && item->lender)
		return back || pinned->user == item->lender;
	return vas_owner_id(pinned->holding->entry) == item->owner;
}

/* The part, pinned. */
static int item_pin(struct vas_space *space, const struct vas_replace_item *item, bool back,
		    struct vas_failure *failure, struct vas_part_pinned *pinned)
{
	int err;

	failure->address = item->range.start;
	err = vas_part_pin_lent(space, item->range, failure, pinned);
	if (!err && !item_is_same(item, pinned, back)) {
		vas_part_unpin_lent(space, pinned);
		err = -ENOENT;
	}
	/* The span was released since, or the block freed, or made smaller. */
	if (err == -ENOENT || err == -EINVAL)
		return vas_arena_refuse(failure, VAS_WHY_RACE, -ESTALE);
	return err;
}

/* What is kept is what the span has: it is looked at under a pin. */
static int item_keep_pinned(struct vas_space *space, struct vas_replace_item *item,
			    struct vas_failure *failure)
{
	struct vas_part_content now;
	struct vas_part_pinned pinned;
	int err;

	err = item_pin(space, item, false, failure, &pinned);
	if (err)
		return err;
	err = vas_part_look(space, pinned.holding, item->range, &now, failure);
	if (err || !vas_part_alike(&now, &item->old))
		err = vas_arena_refuse(failure, VAS_WHY_RACE, -ESTALE);
	else
		err = vas_part_classify(item_keep(space, item, failure), failure);
	vas_part_unpin_lent(space, &pinned);
	return err;
}

/* --- moving --- */

/* Where it is aside it may be written; in its place as was asked for. */
static int item_protect(struct vas_space *space, const struct vas_replace_item *item, int prot)
{
	if (item->fresh.prot == item->aside_prot)
		return 0;
	return (int)VAS_CALL(space->sys, protect, item->aside, item->range.size, prot);
}

static int item_move(const struct vas_replace *replace, struct vas_replace_item *item,
		     struct vas_failure *failure)
{
	struct vas_space *space = replace->space;
	struct vas_part_pinned pinned;
	int err;

	err = item_pin(space, item, false, failure, &pinned);
	if (err)
		return err;
	err = vas_part_classify(item_protect(space, item, item->fresh.prot), failure);
	if (!err)
		err = vas_part_replace(space, pinned.holding, item->range, &item->old, &item->fresh,
				       item->aside, false, failure);
	if (!err)
		item->aside = 0;
	else if (!is_elsewhere(replace))
		(void)item_protect(space, item, item->aside_prot);
	vas_part_unpin_lent(space, &pinned);
	return err;
}

/* The bytes at least, where they can be written. */
static void item_copy_back(const struct vas_replace_item *item)
{
	if (vas_backing_is_anonymous(&item->old.backing) &&
	    vas_backing_is_anonymous(&item->fresh.backing) && (item->fresh.prot & PROT_WRITE))
		vas_aside_copy_bytes(item->range.start,
				     (struct vas_span){ item->kept, item->range.size });
}

static void item_move_back(struct vas_space *space, struct vas_replace_item *item)
{
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	struct vas_part_pinned pinned;
	int err;

	/* What was freed meanwhile is not ours to give back. */
	if (item_pin(space, item, true, &ignored, &pinned))
		return;
	err = vas_part_replace(space, pinned.holding, item->range, &item->fresh, &item->old,
			       item->kept, true, &ignored);
	if (!err)
		item->kept = 0;
	else if (err != -ESTALE && err != -EBUSY && err != -EDEADLK)
		item_copy_back(item);
	vas_part_unpin_lent(space, &pinned);
}

/* --- the batch --- */

static int replace_keep(struct vas_replace *replace, struct vas_failure *failure)
{
	int err = 0;

	/* The last one has nobody behind it who could be refused. */
	for (uint32_t i = 0; i + 1 < replace->count && !err; i++)
		err = item_keep_pinned(replace->space, &replace->items[i], failure);
	return err;
}

static int replace_move(struct vas_replace *replace, struct vas_failure *failure, uint32_t *moved)
{
	int err = 0;

	for (*moved = 0; *moved < replace->count; ++*moved) {
		if (is_elsewhere(replace))
			return vas_arena_refuse(failure, VAS_WHY_FORKED, -ESTALE);
		err = item_move(replace, &replace->items[*moved], failure);
		if (err)
			break;
	}
	return err;
}

/* In a child that a hook forked everything stays as it came out. */
static void replace_undo(struct vas_replace *replace, uint32_t moved)
{
	replace->spent = moved > 0;
	while (moved-- > 0 && !is_elsewhere(replace))
		item_move_back(replace->space, &replace->items[moved]);
}

int vas_replace_do(struct vas_replace *replace, struct vas_failure *failure)
{
	uint32_t moved = 0;
	int err;

	err = vas_replace_look(replace, failure);
	if (err)
		return err;
	if (is_elsewhere(replace))
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -ESTALE);
	if (replace->spent)
		return vas_arena_refuse(failure, VAS_WHY_RACE, -ESTALE);
	err = replace_keep(replace, failure);
	if (!err)
		err = replace_move(replace, failure, &moved);
	if (err)
		replace_undo(replace, moved);
	for (uint32_t i = 0; i < replace->count; i++)
		vas_replace_drop_stray(replace, &replace->items[i], &replace->items[i].kept);
	if (!err)
		vas_replace_drop(replace);
	return err;
}
