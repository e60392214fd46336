/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holdings cut in two and joined.
 *
 * WHAT FOR. A region is given away in parts, or grows by its neighbour, without a system call and
 * without a moment in which somebody who asks is told that the addresses are nobody's.
 *
 * STRATEGY. Everything is copied first: the extents of the upper part into books of their own, or into
 * room made in the lower one's. Then, under the space's lock, spans, owners, users and sums change
 * together. The index makes new owners and lets the old ones' last readers be right
 * (core/owner_index.c).
 *
 * CONCURRENCY. See split.h. Others may have pinned the holdings meanwhile: they look at the books
 * only after they have got the holding's lock.
 *
 * WHAT IT DOES NOT DO. It does not look whether a mapping goes across the cut: the user knows its blocks.
 */
#include "space/split.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "space/part_work.h"
#include "space/policy.h"

static uint64_t holding_end(const struct vas_holding *holding)
{
	return holding->span.start + holding->span.size;
}

static int no_memory(struct vas_failure *failure)
{
	failure->why = VAS_WHY_BOOKS;
	return -ENOMEM;
}

/* The struct of a prepared holding whose entry another one has now. Lock held. */
static void extra_give(struct vas_space *space, struct vas_holding *extra)
{
	extra->entry = NULL;
	vas_pages_give(&space->pages, extra, sizeof(*extra));
}

/* Two prepared holdings. Lock held. */
static int extras_take(struct vas_space *space, const struct vas_holding *like,
		       struct vas_holding **first, struct vas_holding **second)
{
	int err = vas_space_prepare(space, like->line->name, first);

	if (err)
		return err;
	err = vas_space_prepare(space, like->line->name, second);
	if (err) {
		vas_space_unprepare(space, *first);
		*first = NULL;
	}
	return err;
}

/* --- cut --- */

/* A copy of the extents from at on. Lock held. */
static int split_copy(struct vas_split *split)
{
	const struct vas_extents *extents = &split->lower->extents;
	struct vas_pages *pages = &split->space->pages;
	uint64_t position = split->at, end = holding_end(split->lower);
	struct vas_extent piece;
	int err = 0;

	while (!err && vas_extents_next(extents, &position, end, &piece)) {
		if (piece.state == VAS_PART_RESERVED)
			continue;
		err = vas_extents_room(&split->extents, pages, 1);
		if (!err)
			vas_extents_set(&split->extents, piece.start, piece.end, &piece);
	}
	if (!err && split->promised)
		err = vas_extents_promise(&split->extents, pages, split->promised);
	/* One change more: the upper part goes out of the lower books. */
	if (!err && extents->count)
		err = vas_extents_room(&split->lower->extents, pages, 1);
	return err;
}

/* What was taken so far. Lock held. */
static void split_give(struct vas_split *split)
{
	struct vas_pages *pages = &split->space->pages;

	split->extents.promised = 0;
	vas_extents_free(&split->extents, pages);
	vas_backings_free(&split->backings, pages);
	if (split->upper)
		vas_space_unprepare(split->space, split->upper);
	if (split->extra)
		vas_space_unprepare(split->space, split->extra);
}

int vas_split_prepare(struct vas_space *space, struct vas_holding *holding, uint64_t at,
		      uint32_t promised, struct vas_split *split, struct vas_failure *failure)
{
	int err;

	*split = (struct vas_split){ .space = space, .lower = holding, .at = at,
				     .promised = promised };
	VAS_ASSERT(at > holding->span.start && at < holding_end(holding));
	if (holding->claimer) {
		failure->why = VAS_WHY_DENIED;
		return -EOPNOTSUPP;
	}
	vas_lock_take(&holding->lock);
	VAS_ASSERT(!holding->busy);
	vas_lock_take(&space->lock);
	err = extras_take(space, holding, &split->upper, &split->extra);
	if (!err && holding->policy)
		err = vas_space_prepare_policy(space, split->upper, holding->policy);
	if (!err)
		err = split_copy(split);
	if (!err)
		err = vas_backings_copy(&holding->backings, &space->pages, &split->backings);
	if (err)
		split_give(split);
	vas_lock_drop(&space->lock);
	if (!err)
		return 0;
	vas_lock_drop(&holding->lock);
	return no_memory(failure);
}

void vas_split_abandon(struct vas_split *split)
{
	vas_lock_take(&split->space->lock);
	split_give(split);
	vas_lock_drop(&split->space->lock);
	vas_lock_drop(&split->lower->lock);
}

/* The upper holding is like the lower one in all but what is its own. */
static void split_fill(struct vas_split *split, struct vas_holding_user *user)
{
	struct vas_holding *lower = split->lower, *upper = split->upper;
	struct vas_owner_entry *entry = upper->entry;
	struct vas_policy *policy = upper->policy;

	*upper = *lower;
	upper->policy = policy;
	upper->lock = (struct vas_lock)VAS_LOCK_INIT;
	upper->pins = 0;
	upper->entry = entry;
	upper->next = NULL;
	upper->span = (struct vas_span){ split->at, holding_end(lower) - split->at };
	upper->user = user;
	upper->unretired_next = NULL;
	upper->unretired_link = NULL;
	upper->extents = split->extents;
	upper->backings = split->backings;
	user->holding = upper;
}

void vas_split_finish(struct vas_split *split, struct vas_holding_user *user)
{
	struct vas_holding *lower = split->lower, *upper = split->upper;
	struct vas_space *space = split->space;
	struct vas_owner_entry *old = lower->entry;
	int64_t runs;

	vas_lock_take(&space->lock);
	runs = vas_extents_runs(&lower->extents, lower->span);
	vas_space_fold(space, lower);
	split_fill(split, user);
	if (lower->extents.count)
		vas_extents_set(&lower->extents, split->at, holding_end(lower), NULL);
	if (split->promised)
		vas_extents_unpromise(&lower->extents, split->promised);
	lower->span.size = split->at - lower->span.start;
	lower->entry = split->extra->entry;
	vas_owner_index_record(lower->entry, lower);
	vas_owner_index_record(upper->entry, upper);
	vas_owner_index_divide(&space->index, old, lower->entry, upper->entry, split->at);
	extra_give(space, split->extra);
	vas_space_user_link(space, user);
	if (vas_extents_unretired(&upper->extents))
		vas_part_list(space, upper);
	if (!vas_extents_unretired(&lower->extents))
		vas_part_unlist(lower);
	lower->line->spans++;
	space->stats.spans++;
	runs = (int64_t)vas_extents_runs(&lower->extents, lower->span) +
	       vas_extents_runs(&upper->extents, upper->span) - runs;
	space->stats.vmas += (uint64_t)runs;
	vas_space_tell_runs(space, runs);
	vas_lock_drop(&space->lock);
	vas_lock_drop(&lower->lock);
}

/* --- join --- */

static bool join_alike(const struct vas_holding *lower, const struct vas_holding *upper)
{
	return holding_end(lower) == upper->span.start && lower->recipe == upper->recipe &&
	       lower->fork == upper->fork && lower->line == upper->line &&
	       lower->state == upper->state && lower->parked == upper->parked &&
	       vas_policy_same(lower->policy, upper->policy);
}

/* Everything that the lower books could need. Lock held. */
static int join_room(struct vas_split *join)
{
	struct vas_holding *lower = join->lower, *upper = join->upper;
	struct vas_pages *pages = &join->space->pages;
	uint32_t number;
	int err;

	err = vas_extents_promise(&lower->extents, pages, join->promised);
	if (err)
		return err;
	err = vas_extents_room(&lower->extents, pages, upper->extents.count);
	lower->backings.kept++; /* no sweep: extents do not name them yet */
	for (uint32_t i = 0; !err && i < upper->backings.count; i++)
		if (upper->backings.items[i].ops)
			err = vas_backings_import(&lower->backings, pages, &upper->backings,
						  &upper->backings.items[i], &number);
	lower->backings.kept--;
	if (err)
		vas_extents_unpromise(&lower->extents, join->promised);
	return err;
}

static void join_unlock(const struct vas_split *join)
{
	vas_lock_drop(&join->upper->lock);
	vas_lock_drop(&join->lower->lock);
}

int vas_join_prepare(struct vas_space *space, struct vas_holding *lower, struct vas_holding *upper,
		     struct vas_split *join, struct vas_failure *failure)
{
	int err;

	*join = (struct vas_split){ .space = space, .lower = lower, .upper = upper };
	if (lower->claimer || upper->claimer) {
		failure->why = VAS_WHY_DENIED;
		return -EOPNOTSUPP;
	}
	vas_lock_take(&lower->lock);
	vas_lock_take(&upper->lock);
	VAS_ASSERT(!lower->busy && !upper->busy);
	join->promised = upper->extents.promised;
	vas_lock_take(&space->lock);
	err = join_alike(lower, upper) ? 0 : -EINVAL;
	if (!err && upper->user->busy)
		err = -EAGAIN;
	if (!err)
		err = extras_take(space, lower, &join->extra, &join->extra_upper);
	if (!err) {
		err = join_room(join);
		if (err) {
			vas_space_unprepare(space, join->extra);
			vas_space_unprepare(space, join->extra_upper);
		}
	}
	vas_lock_drop(&space->lock);
	if (!err)
		return 0;
	join_unlock(join);
	if (err != -EINVAL && err != -EAGAIN)
		return no_memory(failure);
	failure->why = VAS_WHY_ARGUMENT;
	return err;
}

void vas_join_abandon(struct vas_split *join)
{
	struct vas_space *space = join->space;

	vas_lock_take(&space->lock);
	vas_extents_unpromise(&join->lower->extents, join->promised);
	vas_space_unprepare(space, join->extra);
	vas_space_unprepare(space, join->extra_upper);
	vas_lock_drop(&space->lock);
	join_unlock(join);
}

/* What is mapped in the upper span, into the lower books. There is room. */
static void join_copy(const struct vas_split *join)
{
	struct vas_holding *lower = join->lower, *upper = join->upper;
	uint64_t position = upper->span.start, end = holding_end(upper);
	struct vas_backing backing;
	struct vas_extent piece;
	int err;

	lower->backings.kept++;
	while (vas_extents_next(&upper->extents, &position, end, &piece)) {
		if (piece.state == VAS_PART_RESERVED)
			continue;
		if (piece.backing) {
			backing = vas_backings_get(&upper->backings, piece.backing, piece.delta);
			err = vas_backings_import(&lower->backings, &join->space->pages,
						  &upper->backings, &backing, &piece.backing);
			VAS_ASSERT(err == 0);
		}
		vas_extents_set(&lower->extents, piece.start, piece.end, &piece);
	}
	lower->backings.kept--;
}

/* The upper holding keeps an entry that nobody has found yet, for its next claim. */
static void join_discard(const struct vas_split *join)
{
	struct vas_holding *upper = join->upper;
	struct vas_space *space = join->space;

	vas_space_user_unlink(upper->user);
	upper->user->holding = NULL;
	upper->user = NULL;
	vas_part_unlist(upper);
	upper->extents.promised = 0;
	vas_extents_free(&upper->extents, &space->pages);
	vas_backings_free(&upper->backings, &space->pages);
	upper->entry = join->extra_upper->entry;
	extra_give(space, join->extra_upper);
	__atomic_store_n(&upper->state, VAS_HOLDING_GONE, __ATOMIC_RELAXED);
	if (upper->pins == 0)
		vas_space_unprepare(space, upper);
	else
		vas_owner_index_rest(&space->index);
}

void vas_join_finish(struct vas_split *join)
{
	struct vas_holding *lower = join->lower, *upper = join->upper;
	struct vas_owner_entry *old_lower = lower->entry, *old_upper = upper->entry;
	struct vas_space *space = join->space;
	uint64_t generation = __atomic_load_n(&upper->generation, __ATOMIC_RELAXED);
	int64_t runs;

	vas_lock_take(&space->lock);
	runs = (int64_t)vas_extents_runs(&lower->extents, lower->span) +
	       vas_extents_runs(&upper->extents, upper->span);
	vas_space_fold(space, lower);
	vas_space_fold(space, upper);
	join_copy(join);
	lower->span.size += upper->span.size;
	if (generation > __atomic_load_n(&lower->generation, __ATOMIC_RELAXED))
		__atomic_store_n(&lower->generation, generation, __ATOMIC_RELEASE);
	lower->entry = join->extra->entry;
	vas_owner_index_record(lower->entry, lower);
	vas_owner_index_unite(&space->index, old_lower, old_upper, lower->entry);
	extra_give(space, join->extra);
	if (vas_extents_unretired(&lower->extents))
		vas_part_list(space, lower);
	vas_lock_drop(&upper->lock);
	join_discard(join);
	lower->line->spans--;
	space->stats.spans--;
	runs = (int64_t)vas_extents_runs(&lower->extents, lower->span) - runs;
	space->stats.vmas += (uint64_t)runs;
	vas_space_tell_runs(space, runs);
	vas_lock_drop(&space->lock);
	vas_lock_drop(&lower->lock);
}
