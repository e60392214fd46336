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
#include <stddef.h>

#include "base/assert.h"
#include "space/fork.h"
#include "space/space.h"
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

/* The child does not have it. */
static void inherit_forget(struct vas_space *space, struct vas_holding *holding)
{
	vas_owner_index_hide(&space->index, holding->entry);
	vas_space_remove(space, holding);
	holding->forked = VAS_FORK_ABSENT;
}

static void inherit_note(struct vas_fork_loss *loss, const struct vas_holding *holding, int err)
{
	if (loss->count++)
		return;
	loss->first = holding->span;
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
		inherit_note(loss, holding, err);
		inherit_forget(space, holding);
		return;
	}
	vas_space_forget_part(space, holding, holding->span);
	holding->forked = VAS_FORK_TRAP;
}

static void inherit_one(struct vas_space *space, struct vas_holding *holding,
			struct vas_fork_loss *loss)
{
	bool absent = holding->recipe & VAS_RECIPE_NOFORK;

	if (!absent) {
		holding->forked = holding->fork == VAS_FORK_WIPE ? VAS_FORK_WIPE : VAS_FORK_COPY;
		return;
	}
	if (holding->fork == VAS_FORK_TRAP && !holding->claimer &&
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
	*loss = (struct vas_fork_loss){ 0 };
	held_without_absent(space);
	for (uint32_t id = 0; id < space->index.entry_next; id++) {
		struct vas_owner_entry *entry = vas_owner_index_number(&space->index, id);

		if (entry->generation & 1)
			inherit_one(space, entry->record, loss);
	}
}
