/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commit: part of a reserved span gets memory.
 *
 * WHAT FOR. Private memory that reads as zeroes, or an object's pages, in place,
 * without ever opening a hole in the reservation.
 *
 * STRATEGY. Parts that are committed already are left alone. Each remaining
 * hole is replaced by one MAP_FIXED mapping of our own reservation: that gives
 * zeroes even if a debugger wrote into the inaccessible pages, and is charged
 * against overcommit now rather than by a signal later. Room in the books is
 * made first, so that recording cannot fail. When the kernel refuses, the holes
 * filled so far go back as a decommit would take them: in the worst case, at the kernel's
 * limit of mappings, they are emptied and tried again by later calls.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls: commits of
 * one span follow each other, those of different spans do not wait. While pages are
 * populated the lock is dropped and the range marked.
 *
 * WHAT IT DOES NOT DO. It never decommits what was committed, and does not change
 * its protection.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/extents_spot.h"
#include "space/fork.h"
#include "space/policy.h"
#include "space/populate.h"
#include "space/retire.h"

struct commit {
	struct vas_part_work work;
	const struct vas_commit_opts *opts;
	int prot;
	uint32_t flags; /* VAS_COMMIT_ bits */
	uint32_t recipe;
	bool fresh; /* the object was empty: what populating gave it goes when this fails */
	const struct vas_policy *policy;
	bool own_policy; /* and not the span's */
	const struct vas_backing *backing;
	struct vas_backing object; /* what that points to, unless it is plain anonymous memory */
	struct vas_extent extent; /* as it will be recorded */
	bool whole; /* all of the range is one hole */
};

/* The next hole below end, from *position on. The lock is held, unless it is known beforehand. */
VAS_HOT static bool commit_next(const struct commit *commit, uint64_t *position, uint64_t end,
				struct vas_span *hole)
{
	if (!commit->whole)
		return vas_extents_hole(&commit->work.holding->extents, position, end, hole);
	if (*position >= end)
		return false;
	*hole = commit->work.range;
	*position = vas_span_end(*hole);
	return true;
}

/*
 * Memory into one hole. The recipe that MAP_FIXED wiped out is put on again,
 * and only then access is given: accessible memory without the recipe could
 * merge with a neighbour's, and at the VMA limit could neither be told apart
 * from it nor be taken back. *mapped: the hole is not as it was, but closed when this fails.
 */
VAS_HOT static inline __attribute__((always_inline)) int commit_hole(const struct commit *commit, struct vas_span hole, bool *mapped)
{
	struct vas_space *space = commit->work.space;
	struct vas_sys *sys = space->sys;
	const struct vas_backing_range range = {
		.span = hole,
		.offset = hole.start + commit->backing->delta,
		.prot = commit->prot,
		.flags = commit->flags,
	};
	bool plain = !commit->recipe && !commit->policy &&
		     commit->backing->kind != VAS_SYS_KIND_HUGETLB;
	int err;

	if (__builtin_expect(vas_backing_is_anonymous(commit->backing), 1))
		err = vas_backing_map_anonymous(sys, hole, plain ? commit->prot : PROT_NONE);
	else
		err = commit->backing->ops->map(commit->backing, sys, &range,
						plain ? commit->prot : PROT_NONE);
	*mapped = err == 0;
	if (err)
		return err;
	if ((commit->flags & VAS_COMMIT_HUGE) && !(commit->recipe & VAS_RECIPE_NOHUGE))
		/* Advice: a kernel without huge pages answers EINVAL, and no harm is done. */
		(void)VAS_CALL(sys, advise, hole.start, hole.size, MADV_HUGEPAGE);
	if (plain)
		return 0;
	err = vas_space_apply_recipe(space, hole.start, hole.size, commit->recipe);
	if (!err)
		err = vas_policy_apply(sys, hole, commit->policy);
	if (err == -EINVAL && commit->policy)
		return -ENXIO; /* no such node, or this kernel lacks the mode */
	return err ? err : (int)VAS_CALL(sys, protect, hole.start, hole.size, commit->prot);
}

/*
 * A hole that was filled is given back, and the books say what became of it. Closed: nobody
 * could have used it, so it is inaccessible and empty whatever else the kernel refuses.
 */
static void commit_undo_hole(struct commit *commit, struct vas_span hole, bool closed)
{
	struct vas_extent extent = commit->extent;

	commit->work.changed = true;
	if (closed) {
		extent.state = VAS_PART_GUARDED;
		extent.flags |= VAS_EXTENT_CLOSED;
	}
	/* What the object held before stays in it. */
	if (!commit->fresh)
		extent.flags |= VAS_EXTENT_KEPT;
	extent.start = hole.start;
	extent.end = hole.start + hole.size;
	(void)vas_retire_fresh(&commit->work, &extent, commit->backing);
}

/* Undoes every hole below stop. */
static void commit_undo(struct commit *commit, uint64_t stop)
{
	uint64_t position = commit->work.range.start;
	struct vas_span hole;

	while (position < stop && commit_next(commit, &position, stop, &hole))
		commit_undo_hole(commit, hole, false);
}

/*
 * The kernel refused to map a hole. Some kernels take the old mapping away
 * before they find that they cannot make the new one; then the place is claimed
 * anew, which anywhere else is refused because it is still taken.
 */
static void commit_mend_hole(const struct commit *commit, struct vas_span hole)
{
	struct vas_space *space = commit->work.space;
	struct vas_span stray;

	if (vas_probe_has(&space->probes, space->sys, VAS_PROBE_NOREPLACE))
		(void)vas_space_claim(space, hole.start, hole.size, commit->work.holding->recipe,
				      &stray);
}

static void commit_refused(struct commit *commit, struct vas_span hole, bool mapped)
{
	if (mapped)
		commit_undo_hole(commit, hole, true);
	else
		commit_mend_hole(commit, hole);
}

static int commit_kernel(struct commit *commit)
{
	uint64_t position = commit->work.range.start, end = vas_span_end(commit->work.range);
	struct vas_span hole;
	bool mapped;
	int err;

	while (commit_next(commit, &position, end, &hole)) {
		err = commit_hole(commit, hole, &mapped);
		if (err) {
			commit_undo(commit, hole.start);
			commit_refused(commit, hole, mapped);
			return err;
		}
	}
	return 0;
}

/* With the lock dropped; the marked range stays as it is. */
static int commit_populate(struct commit *commit, struct vas_failure *failure)
{
	struct vas_holding *holding = commit->work.holding;
	uint64_t position = commit->work.range.start, end = vas_span_end(commit->work.range);
	struct vas_span hole;
	int err = 0;

	holding->backings.kept++;
	vas_part_yield(&commit->work);
	while (!err) {
		bool found;

		/* The books of this range are nobody else's; those beside it are. */
		vas_lock_take(&holding->lock);
		found = commit_next(commit, &position, end, &hole);
		vas_lock_drop(&holding->lock);
		if (!found)
			break;
		err = vas_populate(commit->work.space, commit->backing, hole, commit->prot,
				   false, failure);
	}
	vas_part_resume(&commit->work);
	holding->backings.kept--;
	if (err)
		commit_undo(commit, end);
	return err;
}

/* What objects and policies answer beyond the common words. */
static int commit_classify(int err, struct vas_failure *failure)
{
	if (err == -ENXIO) {
		failure->why = VAS_WHY_ARGUMENT;
		return -EINVAL;
	}
	if (err == -ENODEV) {
		failure->why = VAS_WHY_OBJECT; /* such objects cannot be mapped */
		return -EINVAL;
	}
	return vas_part_classify(err, failure);
}

static void commit_record(struct commit *commit)
{
	uint64_t position = commit->work.range.start, end = vas_span_end(commit->work.range);
	struct vas_extents *extents = &commit->work.holding->extents;
	struct vas_span hole;

	while (commit_next(commit, &position, end, &hole))
		vas_extents_set(extents, hole.start, vas_span_end(hole), &commit->extent);
}

/* Everything that recording, or undoing, could need: promised until it is done. */
static int commit_room(struct commit *commit, uint32_t holes, struct vas_failure *failure)
{
	struct vas_holding *holding = commit->work.holding;
	struct vas_space *space = commit->work.space;
	int err;

	err = vas_part_room(&commit->work, holes, failure);
	if (err || (commit->backing->fd < 0 && !commit->own_policy))
		return err;
	vas_lock_take(&space->lock);
	if (commit->own_policy)
		err = vas_backings_policy(&holding->backings, &holding->extents, &space->pages,
					  commit->policy, &commit->object.policy);
	if (!err)
		err = vas_backings_number(&holding->backings, &holding->extents, &space->pages,
					  commit->backing, &commit->extent.backing);
	vas_lock_drop(&space->lock);
	if (!err)
		return 0;
	failure->why = VAS_WHY_BOOKS;
	return -ENOMEM;
}

/* Holding's lock held. */
static int commit_locked(struct commit *commit, bool *dirty, struct vas_failure *failure)
{
	struct vas_holding *holding = commit->work.holding;
	struct vas_extents *extents = &holding->extents;
	uint64_t start = commit->work.range.start, end = vas_span_end(commit->work.range);
	struct vas_span hole;
	uint32_t holes = 1;
	int err;

	*dirty = true;
	if (!vas_extents_hole(extents, &start, end, &hole))
		return 0;
	commit->whole = hole.size == commit->work.range.size;
	if (!commit->whole)
		holes += vas_extents_holes(extents, start, end);
	*dirty = !commit->whole;
	if (holding->claimer && !holding->claimer->replaceable) {
		failure->why = VAS_WHY_DEVICE;
		return -EOPNOTSUPP;
	}
	if (!vas_fork_suits(holding, commit->backing)) {
		failure->why = VAS_WHY_FORK_POLICY;
		return -EOPNOTSUPP;
	}
	err = commit_room(commit, holes, failure);
	if (err)
		return err;
	/* A new mapping would hide what is still to be given back. */
	if (!vas_retire_punch_held(&commit->work, commit->work.range.start, end)) {
		failure->why = VAS_WHY_HELD;
		return -EBUSY;
	}
	vas_extents_keep(extents, holes);
	err = commit_kernel(commit);
	if (!err && (commit->flags & VAS_COMMIT_POPULATE))
		err = commit_populate(commit, failure);
	vas_extents_unpromise(extents, holes);
	if (!err)
		commit_record(commit);
	return err;
}

/* Nothing is lost when the range is punched out again. */
static bool commit_is_fresh(const struct commit *commit, const struct vas_sys_stat *stat)
{
	return (commit->flags & VAS_COMMIT_POPULATE) && (commit->backing->flags & VAS_COMMIT_PUNCH) &&
	       stat->held == 0;
}

/* What the caller's descriptor stands for, and whether it suits. */
static int commit_object(struct commit *commit, struct vas_failure *failure)
{
	const struct vas_commit_opts *opts = commit->opts;
	struct vas_sys *sys = commit->work.space->sys;
	struct vas_sys_stat stat;
	const struct vas_backing_range range = {
		.span = commit->work.range,
		.offset = opts->offset,
		.prot = commit->prot,
		.flags = opts->flags,
		.stat = &stat,
	};
	int err;

	commit->backing = &commit->object;
	err = vas_backing_identify(sys, opts, range.span.start, &stat, &commit->object);
	if (!err)
		err = commit->backing->ops->plan(commit->backing, sys, &range);
	if (err == -EBADF || err == -EINVAL || err == -ERANGE || err == -EACCES)
		failure->why = VAS_WHY_OBJECT;
	if (err)
		return err;
	if (opts->flags & VAS_COMMIT_WHOLE)
		commit->extent.flags |= VAS_EXTENT_WHOLE;
	commit->extent.delta = commit->backing->delta;
	commit->recipe |= vas_fork_recipe(commit->backing);
	if (opts->flags & VAS_COMMIT_SHOWN)
		commit->extent.state = VAS_PART_VIEW;
	/* Otherwise an empty pool is a signal at the first touch. */
	else if (commit->backing->kind == VAS_SYS_KIND_HUGETLB)
		commit->flags |= VAS_COMMIT_POPULATE;
	commit->fresh = commit_is_fresh(commit, &stat);
	return 0;
}

/* What is wished for, but for a policy and an object. */
static inline void commit_plan(struct commit *commit)
{
	const struct vas_commit_opts *opts = commit->opts;

	commit->fresh = false;
	commit->prot = opts->prot ? opts->prot : PROT_READ | PROT_WRITE;
	commit->flags = opts->flags;
	commit->recipe = commit->work.holding->recipe;
	if (opts->flags & VAS_COMMIT_NOHUGE)
		commit->recipe |= VAS_RECIPE_NOHUGE;
	commit->backing = &vas_backings_anonymous;
	commit->extent = (struct vas_extent){
		.state = VAS_PART_COMMITTED,
		.prot = (uint8_t)commit->prot,
		.flags = (uint16_t)(opts->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE)),
	};
	commit->own_policy = false;
	commit->policy = commit->work.holding->policy;
}

/* All but what is known later, and the object. */
static int commit_prepare(struct commit *commit, struct vas_failure *failure)
{
	const struct vas_commit_opts *opts = commit->opts;

	commit_plan(commit);
	if (opts->policy) {
		commit->own_policy = !vas_policy_same(opts->policy, commit->policy);
		commit->policy = opts->policy;
		commit->object = vas_backings_anonymous;
		commit->backing = &commit->object;
	}
	if (opts->flags & (VAS_COMMIT_SHARED | VAS_COMMIT_PRIVATE))
		return commit_object(commit, failure);
	return 0;
}

/* Plain memory for a range that is wholly as reserved, with some room beside it. */
static inline bool commit_is_short(const struct commit *commit, struct vas_extent_spot *spot)
{
	const struct vas_commit_opts *opts = commit->opts;
	const struct vas_holding *holding = commit->work.holding;

	return opts->flags == 0 && !opts->policy && !holding->claimer && !holding->parked &&
	       holding->fork != VAS_FORK_SHARE &&
	       vas_extent_spot_free(&holding->extents, commit->work.range.start,
				    vas_span_end(commit->work.range), spot);
}

VAS_HOT static int commit_short(struct commit *commit, const struct vas_extent_spot *spot,
				struct vas_failure *failure)
{
	struct vas_holding *holding = commit->work.holding;
	struct vas_span range = commit->work.range;
	bool mapped;
	int err;

	commit_plan(commit);
	err = commit_hole(commit, range, &mapped);
	if (__builtin_expect(err, 0)) {
		vas_part_snapshot(&commit->work);
		commit_refused(commit, range, mapped);
		return vas_part_end(&commit->work, commit_classify(err, failure));
	}
	commit->extent.start = range.start;
	commit->extent.end = vas_span_end(range);
	vas_extent_spot_put(&holding->extents, spot, &commit->extent);
	vas_part_tally(commit->work.space, holding, range.size, VAS_EXTENT_SPOT_RUNS);
	VAS_ASSERT_EXPENSIVE(vas_extents_check(&holding->extents, holding->span));
	vas_part_leave(&commit->work, 0);
	return 0;
}

VAS_HOT int vas_part_commit(struct vas_space *space, struct vas_holding *holding,
			    struct vas_span range, const struct vas_commit_opts *opts, bool *dirty,
			    struct vas_failure *failure)
{
	struct vas_extent_spot spot;
	bool found_dirty = false;
	struct commit commit;
	int err;

	commit.opts = opts;
	vas_part_plan(&commit.work, space, holding, range, VAS_CHANGE_COMMIT, false);
	err = vas_part_enter(&commit.work, failure);
	if (__builtin_expect(err, 0))
		return err;
	if (__builtin_expect(commit_is_short(&commit, &spot), 1)) {
		if (dirty)
			*dirty = false;
		return commit_short(&commit, &spot, failure);
	}
	vas_part_snapshot(&commit.work);
	err = commit_prepare(&commit, failure);
	if (!err)
		err = commit_locked(&commit, &found_dirty, failure);
	if (__builtin_expect(err, 0))
		err = commit_classify(err, failure);
	else if (dirty)
		*dirty = found_dirty;
	return vas_part_end(&commit.work, err);
}

int vas_space_commit(struct vas_space *space, uint64_t start, uint64_t size,
		     const struct vas_commit_opts *opts, struct vas_failure *failure)
{
	const struct vas_span range = { start, size };
	struct vas_holding *holding;
	bool pinned;
	int err;

	failure->address = start;
	err = vas_part_pin(space, start, size, &holding, failure);
	pinned = err == 0;
	if (pinned)
		err = vas_part_commit(space, holding, range, opts, NULL, failure);
	vas_lock_take(&space->lock);
	if (err)
		space->stats.commit_failures++;
	else
		space->stats.commits++;
	if (pinned)
		vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	if (!err)
		vas_space_retry(space);
	return err;
}
