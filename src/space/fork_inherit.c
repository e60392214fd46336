/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork: what a child has of each span.
 *
 * WHAT FOR. The kernel has done what madvise told it (nothing there, zeroes, a copy on
 * write); the rest is done here, in the child, before anybody uses the books.
 *
 * STRATEGY. Each holding is looked at once. What was not inherited is forgotten, since the child's own
 * mmap may land there; where the addresses are to be kept they are claimed anew, as anybody
 * would claim them, and are owned only if that succeeds.
 *
 * CONCURRENCY. One thread, in the child's handler; the space's lock is held for the
 * sake of the functions of the books.
 *
 * WHAT IT DOES NOT DO. It takes no memory but what the kernel calls take.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/fork.h"
#include "space/part_work.h"
#include "sys/definitions.h"
#include "sys/strays.h"

bool vas_fork_suits(const struct vas_holding *holding, const struct vas_backing *backing)
{
	bool object = backing->fd >= 0, shared = backing->flags & VAS_COMMIT_SHARED;
	bool pool = object && backing->kind == VAS_SYS_KIND_HUGETLB;

	switch (holding->fork) {
	case VAS_FORK_SHARE:
		return shared;
	case VAS_FORK_WIPE:
		return !object;
	case VAS_FORK_COPY:
		return shared || !pool;
	default:
		return true;
	}
}

uint32_t vas_fork_recipe(const struct vas_backing *backing)
{
	bool pool = backing->kind == VAS_SYS_KIND_HUGETLB;

	return pool && (backing->flags & VAS_COMMIT_PRIVATE) ? VAS_RECIPE_NOFORK : 0;
}

/* The child does not have it. */
static void inherit_forget(struct vas_space *space, struct vas_holding *holding)
{
	vas_owner_index_hide(&space->index, holding->entry);
	vas_space_remove(space, holding);
	holding->forked = VAS_FORK_ABSENT;
}

void vas_fork_note(struct vas_fork_loss *loss, struct vas_span span, int err)
{
	if (loss->count++)
		return;
	loss->first = span;
	loss->error = err;
}

/* Nothing is there; the addresses are claimed, if nobody was faster. */
static void inherit_trap(struct vas_space *space, struct vas_holding *holding,
			 struct vas_fork_loss *loss)
{
	struct vas_span stray;
	int err;

	err = vas_space_claim(space, holding->span.start, holding->span.size, holding->recipe,
			      &stray);
	if (stray.size)
		vas_strays_drop(space->sys, stray.start, stray.size);
	if (err) {
		vas_fork_note(loss, holding->span, err);
		inherit_forget(space, holding);
		return;
	}
	vas_space_set_part(space, holding, holding->span, NULL);
	holding->forked = VAS_FORK_TRAP;
}

/* What is shared is the parent's to give back. */
static void inherit_shared(struct vas_holding *holding)
{
	for (uint32_t i = 0; i < holding->backings.count; i++)
		holding->backings.items[i].flags &= ~VAS_COMMIT_PUNCH;
	holding->forked = VAS_FORK_SHARE;
}

/* All access was taken away; or, refused, perhaps from some kernel mappings. */
static void inherit_closed(struct vas_space *space, struct vas_holding *holding, bool refused)
{
	uint64_t position = holding->span.start, end = vas_span_end(holding->span);
	struct vas_extent piece;

	while (vas_extents_next(&holding->extents, &position, end, &piece)) {
		struct vas_span range = { piece.start, piece.end - piece.start };

		if (refused)
			piece.flags |= VAS_EXTENT_TORN;
		else
			piece.prot = PROT_NONE;
		if (piece.state != VAS_PART_RESERVED)
			vas_space_set_part(space, holding, range, &piece);
	}
}

/*
 * The whole span as it was reserved: what was to be a copy is not. Where even that is refused the addresses
 * go back to the process, and at last all access is taken away, and the span is as one that is shared.
 */
static void inherit_nothing(struct vas_space *space, struct vas_holding *holding)
{
	struct vas_span span = holding->span;
	bool replaced;

	if (vas_part_restore(space, holding, span, &replaced) == 0 || replaced) {
		vas_space_set_part(space, holding, span, NULL);
		holding->forked = VAS_FORK_TRAP;
	} else if (VAS_CALL(space->sys, unmap, span.start, span.size) >= 0) {
		inherit_forget(space, holding);
	} else {
		inherit_closed(space, holding,
			       VAS_CALL(space->sys, protect, span.start, span.size, PROT_NONE) < 0);
		inherit_shared(holding);
	}
}

void vas_fork_lose(struct vas_space *space, struct vas_holding *holding)
{
	struct vas_span span = holding->span;

	inherit_forget(space, holding);
	vas_strays_drop(space->sys, span.start, span.size);
}

/* Guards are gone with the pages that were wiped. */
static int inherit_guard(struct vas_space *space, struct vas_holding *holding,
			 const struct vas_extent *piece)
{
	struct vas_span range = { piece->start, piece->end - piece->start };
	struct vas_extent wiped = *piece;
	int err;

	if ((piece->state != VAS_PART_GUARD && piece->state != VAS_PART_GUARDED) ||
	    (piece->flags & VAS_EXTENT_CLOSED))
		return 0;
	if (VAS_CALL(space->sys, advise, range.start, range.size, MADV_GUARD_INSTALL) >= 0)
		return 0;
	err = (int)VAS_CALL(space->sys, protect, range.start, range.size, PROT_NONE);
	/* Open, then: the caller's is none, and what was freed can be touched. */
	wiped.flags |= err < 0 ? VAS_EXTENT_TORN : VAS_EXTENT_CLOSED;
	if (err < 0)
		wiped.state = piece->state == VAS_PART_GUARD ? VAS_PART_COMMITTED : VAS_PART_EMPTIED;
	vas_space_set_part(space, holding, range, &wiped);
	return err;
}

/* One part of a span that the child has. *shared: the parent has it too. */
static int inherit_piece(struct vas_space *space, struct vas_holding *holding,
			 const struct vas_extent *piece, bool *shared)
{
	struct vas_span range = { piece->start, piece->end - piece->start }, stray;
	struct vas_backing backing;
	int err;

	if (piece->state == VAS_PART_RESERVED)
		return 0;
	if (holding->fork == VAS_FORK_WIPE)
		return inherit_guard(space, holding, piece);
	backing = vas_backings_get(&holding->backings, piece->backing, piece->delta);
	if (backing.flags & VAS_COMMIT_SHARED) {
		*shared |= holding->fork != VAS_FORK_COPY;
		return holding->fork == VAS_FORK_COPY ? vas_fork_copy(space, holding, piece) : 0;
	}
	if (piece->backing == 0 || backing.kind != VAS_SYS_KIND_HUGETLB)
		return 0;
	/* Kept out of the fork when it was committed. */
	err = vas_space_claim(space, range.start, range.size, holding->recipe, &stray);
	if (stray.size)
		vas_strays_drop(space->sys, stray.start, stray.size);
	vas_space_set_part(space, holding, range, NULL);
	return err;
}

bool vas_fork_has_copies(const struct vas_holding *holding)
{
	const struct vas_backings *backings = &holding->backings;

	if (holding->fork != VAS_FORK_COPY)
		return false;
	for (uint32_t i = 0; i < backings->count; i++)
		if (backings->items[i].flags & VAS_COMMIT_SHARED)
			return true;
	return false;
}

static bool is_left_to_user(const struct vas_holding *holding)
{
	return holding->user && holding->user->ops->fork_copy && vas_fork_has_copies(holding);
}

static void inherit_pieces(struct vas_space *space, struct vas_holding *holding,
			   struct vas_fork_loss *loss)
{
	uint64_t position = holding->span.start, end = vas_span_end(holding->span);
	bool shared = holding->forked == VAS_FORK_SHARE;
	bool copies = vas_fork_has_copies(holding);
	struct vas_extent piece;
	int err = 0;

	holding->forked = holding->fork == VAS_FORK_WIPE ? VAS_FORK_WIPE : VAS_FORK_COPY;
	if (holding->parked || is_left_to_user(holding))
		return;
	if (copies)
		vas_fork_call_hold(holding->span, 1);
	while (!err && vas_extents_next(&holding->extents, &position, end, &piece))
		err = inherit_piece(space, holding, &piece, &shared);
	if (copies) {
		vas_fork_call_hold(holding->span, 0);
		if (!err && !vas_fork_in_time())
			err = -EBUSY;
	}
	if (shared)
		inherit_shared(holding);
	if (err) {
		vas_fork_note(loss, holding->span, err);
		inherit_nothing(space, holding);
	}
}

static void inherit_one(struct vas_space *space, struct vas_holding *holding,
			struct vas_fork_loss *loss)
{
	if (!(holding->recipe & VAS_RECIPE_NOFORK))
		inherit_pieces(space, holding, loss);
	else if (holding->fork == VAS_FORK_TRAP && !holding->claimer &&
		 holding->state == VAS_HOLDING_LIVE)
		inherit_trap(space, holding, loss);
	else
		inherit_forget(space, holding);
}

/* Takes the spans that were not inherited out of the list of held ones. */
static void held_without_absent(struct vas_space *space)
{
	struct vas_holding **link = &space->held;

	while (*link) {
		if ((*link)->recipe & VAS_RECIPE_NOFORK)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
}

void vas_fork_inherit(struct vas_space *space, struct vas_fork_loss *loss)
{
	held_without_absent(space);
	for (uint32_t id = 0; id < space->index.entry_next; id++) {
		struct vas_owner_entry *entry = vas_owner_index_number(&space->index, id);

		if (entry->generation & 1)
			inherit_one(space, entry->record, loss);
	}
}
