/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commit: part of a reserved span gets memory.
 *
 * WHAT FOR. Private anonymous memory that reads as zeroes, in place, without
 * ever opening a hole in the reservation.
 *
 * STRATEGY. Parts that are committed already are left alone. Each remaining
 * hole is replaced by one MAP_FIXED mapping of our own reservation: that gives
 * zeroes even if a debugger wrote into the inaccessible pages, and is charged
 * against overcommit now rather than by a signal later. Room in the books is
 * made first, so that recording cannot fail. When the kernel refuses, the holes
 * filled so far are replaced by the reservation as it was made. Should it refuse
 * even that, the books say so: those pages stay committed, empty.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls: commits of
 * one span follow each other, those of different spans do not wait. A pin
 * keeps the holding while it is used without the space's lock.
 *
 * WHAT IT DOES NOT DO. It never decommits, and does not change the protection
 * of what is committed.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/space.h"

struct commit {
	struct vas_space *space;
	struct vas_holding *holding;
	uint64_t start;
	uint64_t end;
	int prot;
	uint32_t advice;
};

/* Finds and pins the holding that has all of the range. -ENOENT, -EBUSY. */
static int commit_find(struct vas_space *space, uint64_t start, uint64_t size,
		       struct vas_holding **found, struct vas_failure *failure)
{
	struct vas_holding *holding;
	int err = 0;

	vas_space_enter(space);
	holding = vas_space_find(space, start);
	if (!holding || size > holding->span.start + holding->span.size - start) {
		failure->why = VAS_WHY_NOT_OWNED;
		err = -ENOENT;
	} else if (holding->state != VAS_HOLDING_LIVE) {
		failure->why = VAS_WHY_HELD;
		err = -EBUSY;
	} else if (holding->user) {
		failure->why = VAS_WHY_USED;
		err = -EBUSY;
	} else if (holding->claimer && !holding->claimer->replaceable) {
		failure->why = VAS_WHY_DEVICE;
		err = -EOPNOTSUPP;
	} else {
		holding->pins++;
		space->pins++;
		*found = holding;
	}
	vas_lock_drop(&space->lock);
	return err;
}

/*
 * Memory into one hole. The recipe that MAP_FIXED wiped out is put on again,
 * and only then access is given: accessible memory without the recipe could
 * merge with a neighbour's, and at the VMA limit could neither be told apart
 * from it nor be taken back. *mapped: the hole is not as it was.
 */
static int commit_hole(const struct commit *commit, struct vas_span hole, bool *mapped)
{
	struct vas_space *space = commit->space;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	uint32_t recipe = commit->holding->recipe;
	int64_t got;
	int err;

	if (commit->advice & VAS_COMMIT_NOHUGE)
		recipe |= VAS_RECIPE_NOHUGE;
	got = VAS_CALL(space->sys, map, hole.start, hole.size, recipe ? PROT_NONE : commit->prot,
		       flags, -1, 0);
	*mapped = got >= 0;
	if (got < 0)
		return (int)got;
	VAS_ASSERT((uint64_t)got == hole.start);
	if ((commit->advice & VAS_COMMIT_HUGE) && !(recipe & VAS_RECIPE_NOHUGE))
		/* Advice: a kernel without huge pages answers EINVAL, and no harm is done. */
		(void)VAS_CALL(space->sys, advise, hole.start, hole.size, MADV_HUGEPAGE);
	if (!recipe)
		return 0;
	err = vas_space_apply_recipe(space, hole.start, hole.size, recipe);
	return err ? err : (int)VAS_CALL(space->sys, protect, hole.start, hole.size, commit->prot);
}

/*
 * One mapping above its limit the kernel maps nothing at all, but it still
 * takes access away from whole mappings. The hole is then as it was but for its
 * charge against overcommit, which goes with the next commit or the release.
 */
static bool commit_close_hole(const struct commit *commit, struct vas_span hole)
{
	struct vas_space *space = commit->space;

	if (VAS_CALL(space->sys, protect, hole.start, hole.size, PROT_NONE) < 0)
		return false;
	/* Refused or not: nobody can have used it, and the next commit replaces it. */
	(void)VAS_CALL(space->sys, advise, hole.start, hole.size, MADV_DONTNEED);
	return true;
}

/* Back to the reservation as it was made. False when the kernel will not even do that. */
static bool commit_undo_hole(const struct commit *commit, struct vas_span hole)
{
	struct vas_space *space = commit->space;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	int64_t got;

	got = VAS_CALL(space->sys, map, hole.start, hole.size, PROT_NONE, flags, -1, 0);
	if (got < 0)
		return commit_close_hole(commit, hole);
	/* Without access in any case; what of the recipe is refused the next commit puts on. */
	(void)vas_space_apply_recipe(space, hole.start, hole.size, commit->holding->recipe);
	return true;
}

/* Bytes that became committed, in the ledger and the sums. */
static void commit_count(const struct commit *commit, uint64_t added, uint32_t runs_before)
{
	struct vas_holding *holding = commit->holding;
	struct vas_space *space = commit->space;

	vas_lock_take(&space->lock);
	vas_ledger_commit(holding->line, (int64_t)added);
	space->stats.committed += added;
	space->stats.vma_delta =
		(int64_t)vas_extents_runs(&holding->extents, holding->span) - runs_before;
	space->stats.vmas += space->stats.vma_delta;
	vas_lock_drop(&space->lock);
	VAS_ASSERT_EXPENSIVE(vas_extents_check(&holding->extents, holding->span));
}

/*
 * A hole that the kernel will not take back, at its limit of mappings: it is
 * emptied, and the books say what is so, that it is committed. There is room in
 * the books, since it would have been recorded as well had the commit gone through.
 */
static void commit_keep_hole(const struct commit *commit, struct vas_span hole)
{
	struct vas_holding *holding = commit->holding;
	uint32_t before = vas_extents_runs(&holding->extents, holding->span);
	uint64_t added;

	(void)VAS_CALL(commit->space->sys, advise, hole.start, hole.size, MADV_DONTNEED);
	added = vas_extents_fill(&holding->extents, hole.start, hole.start + hole.size,
				 (uint32_t)commit->prot, commit->advice);
	commit_count(commit, added, before);
}

/* Undoes every hole below stop. */
static void commit_undo(const struct commit *commit, uint64_t stop)
{
	uint64_t position = commit->start;
	struct vas_span hole;

	while (position < stop &&
	       vas_extents_hole(&commit->holding->extents, &position, stop, &hole))
		if (!commit_undo_hole(commit, hole))
			commit_keep_hole(commit, hole);
}

/*
 * The kernel refused to map a hole. Some kernels take the old mapping away
 * before they find that they cannot make the new one; then the place is claimed
 * anew, which anywhere else is refused because it is still taken.
 */
static void commit_mend_hole(const struct commit *commit, struct vas_span hole)
{
	struct vas_space *space = commit->space;
	struct vas_span stray;

	if (vas_probe_has(&space->probes, space->sys, VAS_PROBE_NOREPLACE))
		(void)vas_space_claim(space, hole.start, hole.size, commit->holding->recipe,
				      &stray);
}

static int commit_kernel(const struct commit *commit)
{
	uint64_t position = commit->start;
	struct vas_span hole;
	bool mapped;
	int err;

	while (vas_extents_hole(&commit->holding->extents, &position, commit->end, &hole)) {
		err = commit_hole(commit, hole, &mapped);
		if (err) {
			/* Without access still, so the books are right whatever comes of the undo. */
			if (mapped)
				(void)commit_undo_hole(commit, hole);
			else
				commit_mend_hole(commit, hole);
			commit_undo(commit, hole.start);
			return err;
		}
	}
	return 0;
}

static void commit_record(const struct commit *commit)
{
	struct vas_holding *holding = commit->holding;
	uint32_t before = vas_extents_runs(&holding->extents, holding->span);
	uint64_t added;

	added = vas_extents_fill(&holding->extents, commit->start, commit->end,
				 (uint32_t)commit->prot, commit->advice);
	commit_count(commit, added, before);
}

/* Holding's lock held. */
static int commit_locked(const struct commit *commit, struct vas_failure *failure)
{
	struct vas_holding *holding = commit->holding;
	struct vas_space *space = commit->space;
	uint32_t holes = vas_extents_holes(&holding->extents, commit->start, commit->end);
	int err;

	vas_lock_take(&space->lock);
	err = holding->state == VAS_HOLDING_LIVE ? 0 : -EBUSY;
	if (err)
		failure->why = VAS_WHY_HELD;
	if (!err) {
		err = vas_extents_room(&holding->extents, &space->pages, holes);
		if (err) {
			failure->why = VAS_WHY_BOOKS;
			err = -ENOMEM;
		}
	}
	vas_lock_drop(&space->lock);
	if (err)
		return err;
	err = commit_kernel(commit);
	if (err)
		return err;
	commit_record(commit);
	return 0;
}

/* With those told who want to know. */
static int commit_announced(const struct commit *commit, struct vas_failure *failure)
{
	struct vas_span span = { commit->start, commit->end - commit->start };
	struct vas_notice_run run;
	int err;

	err = vas_notice_before(commit->space, commit->holding, span, VAS_CHANGE_COMMIT, false,
				&run);
	if (err) {
		failure->why = err == -EBUSY ? VAS_WHY_VETO : VAS_WHY_REENTERED;
		return err;
	}
	vas_lock_take(&commit->holding->lock);
	err = commit_locked(commit, failure);
	vas_lock_drop(&commit->holding->lock);
	vas_notice_after(commit->space, commit->holding, &run, err == 0);
	return err;
}

/* The errno table of vas_commit, from what mmap and madvise answer. */
static int commit_classify(int err, struct vas_failure *failure)
{
	if (failure->why != VAS_WHY_NONE)
		return err;
	switch (err) {
	case -ENOMEM:
		failure->why = VAS_WHY_KERNEL; /* which limit: inferred when asked for */
		return err;
	case -EAGAIN:
		failure->why = VAS_WHY_LOCKED;
		return err;
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		failure->why = VAS_WHY_DENIED;
		return err;
	default:
		failure->why = VAS_WHY_KERNEL;
		return -EPERM;
	}
}

int vas_space_commit(struct vas_space *space, uint64_t start, uint64_t size,
		     const struct vas_commit_opts *opts, struct vas_failure *failure)
{
	struct commit commit = {
		.space = space,
		.start = start,
		.end = start + size,
		.prot = opts->prot ? opts->prot : PROT_READ | PROT_WRITE,
		.advice = opts->flags,
	};
	int err;

	failure->address = start;
	err = commit_find(space, start, size, &commit.holding, failure);
	if (!err) {
		err = commit_announced(&commit, failure);
		vas_lock_take(&space->lock);
		space->stats.commits += !err;
		vas_space_unpin(space, commit.holding);
		vas_lock_drop(&space->lock);
	}
	if (!err)
		return 0;
	vas_lock_take(&space->lock);
	space->stats.commit_failures++;
	vas_lock_drop(&space->lock);
	return commit_classify(err, failure);
}
