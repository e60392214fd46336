/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Release: a span goes back to the process.
 *
 * WHAT FOR. It takes the span out of use, always, with no memory of its own
 * and no failure for a valid span.
 *
 * STRATEGY. The span is hidden from look-ups first, because right after munmap
 * the addresses may be anybody's. Then one munmap. At vm.max_map_count the
 * kernel refuses it for a range that merged with its neighbours; the span is
 * then held: owned, counted, never handed out, and tried again by every later
 * reserve and release.
 *
 * CONCURRENCY. The holding's lock waits for commits in flight; later ones see
 * the state RELEASING. Only one release of a span can find it LIVE.
 *
 * WHAT IT DOES NOT DO. It does not empty or guard a held span's memory.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/space.h"

/* A call stops trying held spans after so many refusals: they would all meet the same limit. */
#define HELD_REFUSALS 16u

/*
 * The span starts here and is live: pinned, and marked as being released.
 * Without commits in flight it is hidden at once.
 */
VAS_HOT static struct vas_holding *release_begin(struct vas_space *space, uint64_t start, bool *hidden)
{
	struct vas_holding *holding;

	vas_space_enter(space);
	holding = vas_space_find(space, start);
	if (holding && (holding->span.start != start || holding->state != VAS_HOLDING_LIVE))
		holding = NULL;
	if (holding) {
		*hidden = holding->pins == 0;
		if (*hidden)
			vas_owner_index_hide(&space->index, holding->entry);
		holding->state = VAS_HOLDING_RELEASING;
		holding->pins++;
		space->pins++;
	}
	vas_lock_drop(&space->lock);
	return holding;
}

static void release_hide(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_take(&space->lock);
	vas_owner_index_hide(&space->index, holding->entry);
	vas_lock_drop(&space->lock);
}

VAS_HOT static int release_unmap(struct vas_space *space, const struct vas_holding *holding)
{
	return (int)VAS_CALL(space->sys, unmap, holding->span.start, holding->span.size);
}

VAS_HOT int vas_space_release(struct vas_space *space, uint64_t start,
			      enum vas_retired *state, uint64_t *size)
{
	const struct vas_owner_entry *entry;
	const struct vas_ledger_line *line;
	struct vas_holding *holding;
	bool hidden = false;
	int err;

	holding = release_begin(space, start, &hidden);
	if (!holding)
		return -ENOENT;
	if (!hidden) {
		/* Commits in flight end first; later ones see the state. */
		vas_lock_take(&holding->lock);
		vas_lock_drop(&holding->lock);
		release_hide(space, holding);
	}
	*size = holding->span.size;
	line = holding->line;
	entry = holding->entry;
	err = release_unmap(space, holding);

	/* munmap flushed the address translations: let those of the books come in together. */
	__builtin_prefetch(entry, 1);
	__builtin_prefetch(line, 1);
	__builtin_prefetch(holding, 1);
	vas_lock_take(&space->lock);
	if (err) {
		vas_space_hold(space, holding);
	} else {
		vas_remembered_freed(space, holding->span);
		vas_space_remove(space, holding);
	}
	space->stats.releases++;
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	*state = err ? VAS_RETIRED_HELD : VAS_RETIRED_GONE;
	if (!err)
		vas_space_retry(space);
	return 0;
}

/* Takes the whole list of held spans, pinned; they go back one by one. */
static struct vas_holding *held_take(struct vas_space *space)
{
	struct vas_holding *list;

	vas_space_enter(space);
	list = space->held;
	__atomic_store_n(&space->held, NULL, __ATOMIC_RELAXED);
	for (struct vas_holding *holding = list; holding; holding = holding->next) {
		holding->pins++;
		space->pins++;
	}
	vas_lock_drop(&space->lock);
	return list;
}

/* Back into the list, at its end: the next call begins with others. Lock held. */
static void held_put(struct vas_space *space, struct vas_holding *holding)
{
	struct vas_holding **end = &space->held;

	while (*end)
		end = &(*end)->next;
	holding->next = NULL;
	__atomic_store_n(end, holding, __ATOMIC_RELAXED);
}

/* One more try. False when the kernel refuses again. */
static bool held_retry(struct vas_space *space, struct vas_holding *holding)
{
	int err;

	release_hide(space, holding);
	err = release_unmap(space, holding);
	vas_lock_take(&space->lock);
	if (err) {
		vas_owner_index_unhide(&space->index, holding->entry);
		held_put(space, holding);
	} else {
		vas_space_remove(space, holding);
	}
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	return err == 0;
}

/* Not tried this time. */
static void held_return(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_take(&space->lock);
	holding->next = space->held;
	__atomic_store_n(&space->held, holding, __ATOMIC_RELAXED);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
}

int vas_space_retry_held(struct vas_space *space)
{
	struct vas_holding *list = held_take(space), *next;
	uint32_t refused = 0;
	int remain = 0;

	for (struct vas_holding *holding = list; holding; holding = next) {
		next = holding->next;
		if (refused >= HELD_REFUSALS) {
			held_return(space, holding);
			remain++;
		} else if (!held_retry(space, holding)) {
			refused++;
			remain++;
		}
	}
	return remain;
}
