/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Release: a span goes back to the process.
 *
 * WHAT FOR. It takes the span out of use, always, with no memory of its own
 * and no failure for a valid span.
 *
 * STRATEGY. The span is hidden from look-ups first, because right after munmap
 * the addresses may be anybody's. Then one munmap. At vm.max_map_count the
 * kernel refuses it for a range that merged with its neighbours, until two mappings of
 * the ballast are given up. When that is spent, too, the bytes go where they stand (retire.c), and the span is
 * then held: owned, counted, never handed out, and tried again by every later
 * reserve and release. A span that a device claimed goes back by the device's own call, whose
 * refusal is the same to us.
 *
 * CONCURRENCY. The holding's lock waits for commits in flight; later ones see
 * the state RELEASING. Only one release of a span can find it LIVE. When somebody
 * subscribed to changes, that is looked at again after the hooks.
 *
 * WHAT IT DOES NOT DO. It spends no ballast on a span that is tried again.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/park.h"
#include "space/retire.h"

/* A call stops trying held spans after so many refusals: they would all meet the same limit. */
#define HELD_REFUSALS 16u

/* The live holding whose span starts here. Lock held. */
VAS_HOT static int release_find(struct vas_space *space, uint64_t start,
				const struct vas_holding_user *user, struct vas_holding **found)
{
	struct vas_holding *holding = vas_space_find(space, start);

	if (!holding || holding->span.start != start || holding->state != VAS_HOLDING_LIVE)
		return -ENOENT;
	if (__builtin_expect(holding->user != user, 0))
		return -EBUSY;
	*found = holding;
	return 0;
}

/*
 * From here on it is being released. Without commits in flight it is hidden at once. Lock
 * held; pinned by the caller.
 */
VAS_HOT static bool release_mark(struct vas_space *space, struct vas_holding *holding)
{
	bool hidden = holding->pins == 1 && (!holding->user || vas_user_is_quiet(holding->user));

	if (hidden)
		vas_owner_index_hide(&space->index, holding->entry);
	__atomic_store_n(&holding->state, VAS_HOLDING_RELEASING, __ATOMIC_RELAXED);
	return hidden;
}

static void release_unpin(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_take(&space->lock);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
}

/* Tells those who want to know, then marks what is still there. */
static int release_announce(struct vas_space *space, struct vas_holding *holding,
			    struct vas_notice_run *run, bool *hidden)
{
	int err = vas_notice_before(space, holding, holding->span, VAS_CHANGE_RELEASE, true, run);

	if (err)
		return err;
	vas_lock_take(&space->lock);
	if (holding->state == VAS_HOLDING_LIVE)
		*hidden = release_mark(space, holding);
	else
		err = -ENOENT; /* another thread's release was first */
	vas_lock_drop(&space->lock);
	if (err)
		vas_notice_after(space, holding, run, false);
	return err;
}

/* Finds the span, pins it and marks it as being released. */
VAS_HOT static int release_begin(struct vas_space *space, uint64_t start,
				 const struct vas_holding_user *user,
				 struct vas_holding **found, struct vas_notice_run *run,
				 bool *hidden)
{
	bool quiet = __atomic_load_n(&space->subscribers, __ATOMIC_RELAXED) == 0;
	struct vas_holding *holding = NULL;
	int err;

	run->last = 0;
	vas_space_enter(space);
	err = release_find(space, start, user, &holding);
	if (!err) {
		holding->pins++;
		space->pins++;
		if (__builtin_expect(quiet, 1))
			*hidden = release_mark(space, holding);
	}
	vas_lock_drop(&space->lock);
	*found = holding;
	if (err || __builtin_expect(quiet, 1))
		return err;
	err = release_announce(space, holding, run, hidden);
	if (err)
		release_unpin(space, holding);
	return err;
}

static void release_hide(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_take(&space->lock);
	vas_owner_index_hide(&space->index, holding->entry);
	vas_lock_drop(&space->lock);
}

/* In line: what returns to it after the kernel's call returns to where the processor does not expect it. */
VAS_HOT static inline __attribute__((always_inline)) int release_unmap(struct vas_space *space, struct vas_holding *holding)
{
	const struct vas_claimer *claimer = holding->claimer;

	if (__builtin_expect(claimer != NULL, 0))
		return claimer->unclaim(claimer->context, holding->span.start, holding->span.size);
	if (__builtin_expect(holding->park != NULL, 0) && holding->park->apart.count)
		return vas_park_unmap(space, holding);
	return (int)VAS_CALL(space->sys, unmap, holding->span.start, holding->span.size);
}

/* Apart, since what it needs is much to make ready. */
static __attribute__((noinline)) bool release_punch_objects(struct vas_space *space,
							    struct vas_holding *holding)
{
	const struct vas_part_work work = { .space = space, .holding = holding };

	return vas_retire_punch(&work, holding->span.start, vas_span_end(holding->span));
}

/* False: what is mapped is the only way to bytes that are ours, and that could not be given back. */
VAS_HOT static bool release_punch(struct vas_space *space, struct vas_holding *holding)
{
	/* What is parked is in its objects, to be found again. */
	if (__builtin_expect(holding->backings.count == 0, 1) || holding->parked)
		return true;
	return release_punch_objects(space, holding);
}

/* The same with the ballast behind it, and with the bytes of objects that are ours punched out. */
VAS_HOT static int release_try(struct vas_space *space, struct vas_holding *holding)
{
	int err;

	if (!release_punch(space, holding))
		return -EPERM;
	err = release_unmap(space, holding);
	while (err == -ENOMEM && !holding->claimer && vas_ballast_spend(space))
		err = release_unmap(space, holding);
	return err;
}

/* It stays mapped: what it holds goes at least. Returns what it came to. */
static enum vas_retired release_in_place(struct vas_space *space, struct vas_holding *holding)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = holding->span };
	enum vas_retired state;

	if (holding->claimer && !holding->claimer->replaceable)
		return VAS_RETIRED_HELD;
	if (holding->parked)
		return VAS_RETIRED_GUARDED; /* nothing is mapped there but the reservation */
	vas_lock_take(&holding->lock);
	vas_part_snapshot(&work);
	state = vas_retire_in_place(&work);
	vas_part_count(&work);
	vas_lock_drop(&holding->lock);
	return state;
}

VAS_HOT int vas_space_release(struct vas_space *space, uint64_t start,
			      struct vas_holding_user *user, enum vas_retired *state,
			      uint64_t *size)
{
	const struct vas_owner_entry *entry;
	const struct vas_ledger_line *line;
	struct vas_holding *holding;
	struct vas_notice_run run;
	enum vas_retired reached;
	bool hidden = false;
	int err;

	err = release_begin(space, start, user, &holding, &run, &hidden);
	if (err)
		return err;
	if (user)
		vas_space_unuse(space, user);
	if (!hidden) {
		/* Commits in flight end first; later ones see the state. */
		vas_lock_take(&holding->lock);
		vas_part_await(holding, holding->span);
		vas_lock_drop(&holding->lock);
		release_hide(space, holding);
	}
	*size = holding->span.size;
	line = holding->line;
	entry = holding->entry;
	err = release_try(space, holding);
	reached = err ? release_in_place(space, holding) : VAS_RETIRED_GONE;

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
	if (__builtin_expect(run.last != 0, 0)) {
		vas_lock_drop(&space->lock);
		vas_notice_after(space, holding, &run, true);
		vas_lock_take(&space->lock);
	}
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	*state = reached;
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
	err = release_punch(space, holding) ? release_unmap(space, holding) : -EPERM;
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
