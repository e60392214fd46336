/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books: holdings, from prepared to published to removed.
 *
 * WHAT FOR. All or nothing: everything that recording a claim could need is
 * taken before the kernel is called, so that recording cannot fail; releasing
 * takes nothing at all.
 *
 * STRATEGY. prepare feeds the owner index, takes an entry, a holding and the
 * ledger's line; holdings that became free are kept with their entries for the
 * next claims. publish fills them and makes the span findable with one
 * store. A release hides the span first, so that nobody finds it while it is
 * unmapped; then remove forgets it, or hold, when the kernel refused, shows it again
 * as held. A holding that somebody still uses without the lock is pinned; its
 * memory goes back with the last pin.
 *
 * CONCURRENCY. Every function here is called with the space's lock held.
 *
 * WHAT IT DOES NOT DO. It calls the kernel for the books' own memory only.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/code.h"
#include "base/hot.h"
#include "space/park.h"
#include "space/part_work.h"

/* Pins, counted here or by users. Lock held. */
static bool books_pinned(const struct vas_space *space)
{
	bool pinned = space->pins != 0;

	for (const struct vas_holding_user *user = space->users; user && !pinned; user = user->next)
		pinned = vas_user_is_pinned(user);
	return pinned;
}

void vas_space_quiesce(struct vas_space *space)
{
	__atomic_fetch_add(&space->quiescers, 1, __ATOMIC_RELAXED);
	/* Whoever pins without the lock sees the gate closed, or is seen below. */
	__atomic_fetch_add(&space->gate, 1, __ATOMIC_SEQ_CST);
	vas_lock_take(&space->lock);
	/* Pins are waited for with the lock dropped, so that their holders can finish. */
	while (books_pinned(space)) {
		vas_lock_drop(&space->lock);
		vas_lock_pause();
		vas_lock_take(&space->lock);
	}
	__atomic_fetch_sub(&space->quiescers, 1, __ATOMIC_RELAXED);
}

void vas_space_resume(struct vas_space *space)
{
	__atomic_fetch_sub(&space->gate, 1, __ATOMIC_RELEASE);
	vas_lock_drop(&space->lock);
}

void vas_space_enter_slowly(struct vas_space *space)
{
	/* The thread that forks may be called from others' handlers, while a quiescer waits for its locks. */
	while (__atomic_load_n(&space->quiescers, __ATOMIC_RELAXED) && !vas_lock_fork_mine()) {
		vas_lock_drop(&space->lock);
		vas_lock_pause();
		vas_lock_take(&space->lock);
	}
}

static int books_feed(struct vas_space *space)
{
	void *memory;
	int err;

	while (vas_owner_index_wants_node(&space->index)) {
		err = vas_pages_take(&space->pages, sizeof(struct vas_index_node), &memory);
		if (err)
			return err;
		vas_owner_index_feed_node(&space->index, memory);
	}
	if (!vas_owner_index_wants_chunk(&space->index))
		return 0;
	if (space->index.chunk_count == VAS_OWNER_CHUNKS)
		return -ENOMEM;
	err = vas_pages_take(&space->pages, sizeof(struct vas_owner_chunk), &memory);
	if (err)
		return err;
	return vas_owner_index_feed_chunk(&space->index, memory);
}

/* A holding with an entry, freshly made. */
static int books_make(struct vas_space *space, struct vas_holding **holding)
{
	struct vas_holding *made;
	void *memory;
	int err;

	err = books_feed(space);
	if (err)
		return err;
	err = vas_pages_take(&space->pages, sizeof(*made), &memory);
	if (err)
		return err;
	made = memory;
	made->entry = vas_owner_index_take(&space->index);
	*holding = made;
	return 0;
}

/* A holding for a claim: a spare one where there is one. */
VAS_HOT static int books_take(struct vas_space *space, struct vas_holding **holding)
{
	struct vas_holding *spare = space->spare;

	if (!spare || vas_owner_index_wants_node(&space->index))
		return books_make(space, holding);
	space->spare = spare->next;
	if (__builtin_expect(vas_owner_index_retake(&space->index, spare->entry), 1)) {
		*holding = spare;
		return 0;
	}
	vas_owner_index_give(&space->index, spare->entry);
	vas_pages_give(&space->pages, spare, sizeof(*spare));
	return books_make(space, holding);
}

VAS_HOT int vas_space_prepare(struct vas_space *space, const char *name, struct vas_holding **holding)
{
	struct vas_ledger_line *line;
	int err;

	VAS_ASSERT_DEBUG(vas_lock_held(&space->lock));
	err = vas_ledger_line(&space->ledger, &space->pages, name, &line);
	if (err)
		return err;
	err = books_take(space, holding);
	if (err)
		return err;
	(*holding)->line = line;
	return 0;
}

/* Back to the spare ones: no pins, no extents, the entry not published. */
VAS_HOT static void books_rest(struct vas_space *space, struct vas_holding *holding)
{
	VAS_ASSERT_DEBUG(holding->pins == 0 && holding->extents.count == 0);
	holding->next = space->spare;
	space->spare = holding;
}

static void books_drop_policy(struct vas_space *space, struct vas_holding *holding)
{
	if (!holding->policy)
		return;
	vas_pages_give(&space->pages, holding->policy, sizeof(*holding->policy));
	holding->policy = NULL;
}

int vas_space_prepare_policy(struct vas_space *space, struct vas_holding *holding,
			     const struct vas_policy *policy)
{
	void *memory;
	int err;

	err = vas_pages_take(&space->pages, sizeof(*policy), &memory);
	if (err)
		return err;
	holding->policy = memory;
	*holding->policy = *policy;
	return 0;
}

void vas_space_unprepare(struct vas_space *space, struct vas_holding *holding)
{
	books_drop_policy(space, holding);
	vas_owner_index_rest(&space->index);
	books_rest(space, holding);
}

VAS_HOT void vas_space_publish(struct vas_space *space, struct vas_holding *holding, struct vas_span span,
		       uint32_t recipe)
{
	VAS_ASSERT_DEBUG(vas_lock_held(&space->lock));
	holding->span = span;
	holding->recipe = recipe & VAS_RECIPE_ALL;
	holding->fork = recipe >> VAS_RECIPE_FORK_SHIFT;
	holding->forked = VAS_FORK_DEFAULT;
	holding->parked = false;
	holding->park = NULL;
	holding->shown = 0;
	__atomic_store_n(&holding->state, VAS_HOLDING_LIVE, __ATOMIC_RELAXED);
	holding->user = NULL;
	holding->claimer = NULL;
	/* Readers that still hold the last owner must see it gone before the count begins anew. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&holding->generation, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&holding->entry->record, holding, __ATOMIC_RELAXED);
	vas_owner_index_publish(&space->index, holding->entry, span.start, span.size);
	vas_ledger_reserve(holding->line, span.size);
	space->stats.spans++;
	space->stats.reserved += span.size;
	space->stats.vmas++;
	vas_space_tell_runs(space, 1);
}

VAS_HOT static void books_free(struct vas_space *space, struct vas_holding *holding)
{
	if (holding->extents.top_capacity)
		vas_extents_free(&holding->extents, &space->pages);
	books_drop_policy(space, holding);
	if (holding->backings.capacity || holding->backings.policies.capacity)
		vas_backings_free(&holding->backings, &space->pages);
	if (holding->park)
		vas_parked_free(space, holding->park);
	holding->park = NULL;
	books_rest(space, holding);
}

VAS_HOT void vas_space_let_go(struct vas_space *space, struct vas_holding *holding)
{
	VAS_ASSERT(holding->pins > 0);
	if (--holding->pins == 0 && holding->state == VAS_HOLDING_GONE)
		books_free(space, holding);
}

VAS_HOT void vas_space_unpin(struct vas_space *space, struct vas_holding *holding)
{
	VAS_ASSERT(space->pins > 0);
	space->pins--;
	vas_space_let_go(space, holding);
}

/* Takes the span out of the ledger and the sums. */
VAS_HOT static void books_subtract(struct vas_space *space, struct vas_holding *holding)
{
	uint64_t committed = vas_holding_committed(holding);
	int64_t vmas = vas_holding_runs(holding);

	vas_ledger_release(holding->line, holding->span.size, committed);
	if (holding->unretired_link) {
		space->unretired_bytes -= vas_extents_unretired(&holding->extents);
		vas_part_unlist(holding);
	}
	if (holding->state == VAS_HOLDING_HELD) {
		space->stats.held--;
		space->stats.held_bytes -= holding->span.size;
	} else {
		space->stats.spans--;
		space->stats.reserved -= holding->span.size;
		space->stats.committed -= committed;
	}
	space->stats.vmas -= vmas;
	vas_space_tell_runs(space, -vmas);
}

VAS_HOT void vas_space_remove(struct vas_space *space, struct vas_holding *holding)
{
	VAS_ASSERT_DEBUG(vas_lock_held(&space->lock));
	books_subtract(space, holding);
	vas_owner_index_clear(&space->index, holding->entry);
	__atomic_store_n(&holding->state, VAS_HOLDING_GONE, __ATOMIC_RELAXED);
	if (holding->pins == 0)
		books_free(space, holding);
}

void vas_space_hold(struct vas_space *space, struct vas_holding *holding)
{
	VAS_ASSERT_DEBUG(vas_lock_held(&space->lock));
	vas_owner_index_unhide(&space->index, holding->entry);
	if (holding->state == VAS_HOLDING_HELD)
		return;
	if (holding->unretired_link) {
		space->unretired_bytes -= vas_extents_unretired(&holding->extents);
		vas_part_unlist(holding);
	}
	space->stats.spans--;
	space->stats.reserved -= holding->span.size;
	space->stats.committed -= vas_holding_committed(holding);
	space->stats.held++;
	space->stats.held_bytes += holding->span.size;
	__atomic_store_n(&holding->state, VAS_HOLDING_HELD, __ATOMIC_RELAXED);
	holding->next = space->held;
	__atomic_store_n(&space->held, holding, __ATOMIC_RELAXED);
}

VAS_HOT struct vas_holding *vas_space_find(struct vas_space *space, uint64_t address)
{
	struct vas_owner_entry *entry = vas_owner_index_entry(&space->index, address);

	return entry ? entry->record : NULL;
}

int vas_space_details(struct vas_space *space, uint64_t id, struct vas_owner_details *details)
{
	struct vas_owner_entry *entry;
	struct vas_holding *holding;

	vas_space_enter(space);
	entry = vas_owner_index_by_id(&space->index, id);
	if (!entry) {
		vas_lock_drop(&space->lock);
		return -ESTALE;
	}
	holding = entry->record;
	holding->pins++;
	space->pins++;
	vas_lock_drop(&space->lock);

	/* The extents are guarded by the holding's lock, which comes before the space's. */
	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	details->span = holding->span;
	details->committed = vas_holding_committed(holding);
	details->vmas = vas_holding_runs(holding);
	details->held = holding->state == VAS_HOLDING_HELD;
	memcpy(details->name, holding->line->name, sizeof(details->name));
	vas_lock_drop(&holding->lock);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	return 0;
}

struct vas_space_loose vas_space_sums(const struct vas_space *space, const char *name)
{
	struct vas_space_loose sums = { 0 };

	for (const struct vas_holding_user *user = space->users; user; user = user->next) {
		const struct vas_holding *holding = user->holding;

		if (name && memcmp(holding->line->name, name, strlen(name) + 1) != 0)
			continue;
		sums.committed += __atomic_load_n(&holding->loose_committed, __ATOMIC_RELAXED);
		sums.runs += __atomic_load_n(&holding->loose_runs, __ATOMIC_RELAXED);
	}
	return sums;
}

void vas_space_fold(struct vas_space *space, struct vas_holding *holding)
{
	vas_ledger_commit(holding->line, (int64_t)holding->loose_committed);
	space->stats.committed += holding->loose_committed;
	space->stats.vmas += (int64_t)holding->loose_runs;
	__atomic_store_n(&holding->loose_committed, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&holding->loose_runs, 0, __ATOMIC_RELAXED);
}

int vas_space_ledger(struct vas_space *space, size_t index, struct vas_ledger_entry *entry)
{
	int err;

	vas_lock_take(&space->lock);
	err = vas_ledger_read(&space->ledger, index, entry);
	if (!err)
		entry->committed += vas_space_sums(space, entry->name).committed;
	vas_lock_drop(&space->lock);
	return err;
}

void vas_space_stats(struct vas_space *space, struct vas_stats *stats)
{
	struct vas_space_loose loose;

	vas_lock_take(&space->lock);
	*stats = space->stats;
	loose = vas_space_sums(space, NULL);
	stats->committed += loose.committed;
	stats->vmas += (int64_t)loose.runs;
	stats->vma_delta = __atomic_load_n(&space->vma_delta, __ATOMIC_RELAXED);
	stats->books = space->pages.mapped + space->ballast.size;
	vas_lock_drop(&space->lock);
	stats->size = sizeof(*stats);
}

void vas_space_set_part(struct vas_space *space, struct vas_holding *holding,
			struct vas_span range, const struct vas_extent *what)
{
	struct vas_extents *extents = &holding->extents;
	uint64_t committed = vas_extents_bytes(extents), unretired = vas_extents_unretired(extents);
	uint32_t runs = vas_extents_runs(extents, holding->span);

	VAS_ASSERT_DEBUG(vas_lock_held(&space->lock));
	vas_extents_set(extents, range.start, vas_span_end(range), what);
	if (holding->parked)
		return; /* what belongs there was not counted */
	committed -= vas_extents_bytes(extents);
	unretired -= vas_extents_unretired(extents);
	vas_ledger_commit(holding->line, -(int64_t)committed);
	space->stats.committed -= committed;
	space->stats.vmas -= (uint64_t)runs - vas_extents_runs(extents, holding->span);
	space->unretired_bytes -= unretired;
	if (vas_extents_unretired(extents) == 0)
		vas_part_unlist(holding);
}
