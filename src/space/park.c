/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Park and unpark: all that is mapped in a holding goes, and comes back.
 *
 * WHAT FOR. Checkpoints, sleeping devices, heaps that are handed over: the memory
 * must go while the pointers into it stay good.
 *
 * STRATEGY. The books do not change. The extents say what belongs where; while the
 * holding is parked that is not what is there. So nothing has to be
 * written down, nothing can get lost, and a failure half way is undone from the
 * same books.
 *
 * Park first writes what only exists in its mapping to the image. Then one MAP_FIXED of
 * the reservation, with its recipe, replaces everything from the first extent to
 * the last: one call, so the kernel does all of it or nothing. Only where a driver's
 * part is left to its driver there is one call on either side of it. Unpark
 * looks who is there (park_claim.c), asks every backing whether it can be mapped, and
 * only then maps: without access, the recipe, contents, guards, and the protection last.
 *
 * Undo is the other direction over what was done so far. Should the kernel refuse
 * that too, the holding is parked, with a note that some of its memory is still there: unpark
 * then maps over it.
 *
 * CONCURRENCY. The region keeps everybody away who would change the holding. The holding's
 * lock is held over mapping, and dropped for the image, with the range marked
 * as busy.
 *
 * WHAT IT DOES NOT DO. It knows no blocks. What a caller did by kernel calls of its own (mlock,
 * protection keys) is in no books, and does not come back.
 */
#include "space/park.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/fork.h"
#include "space/policy.h"
#include "space/populate.h"
#include "sys/definitions.h"

static bool has_contents(const struct vas_park_work *work, const struct vas_extent *extent)
{
	struct vas_backing backing =
		vas_backings_get(&work->part.holding->backings, extent->backing, extent->delta);

	return extent->state == VAS_PART_COMMITTED && !(backing.flags & VAS_COMMIT_SHARED);
}

bool vas_park_next(const struct vas_holding *holding, struct vas_park_walk *walk,
		   struct vas_park_step *step)
{
	uint64_t end = vas_span_end(holding->span);
	struct vas_backing backing;

	do {
		if (!vas_extents_next(&holding->extents, &walk->position, end, &step->extent))
			return false;
	} while (step->extent.state == VAS_PART_RESERVED);
	backing = vas_backings_get(&holding->backings, step->extent.backing, step->extent.delta);
	step->object = !vas_backing_is_anonymous(&backing);
	step->image = VAS_PARK_NO_IMAGE;
	if (step->extent.state != VAS_PART_COMMITTED || (backing.flags & VAS_COMMIT_SHARED))
		return true;
	step->image = walk->image;
	walk->image += step->extent.end - step->extent.start;
	return true;
}

static struct vas_park_walk walk_begin(const struct vas_park_work *work)
{
	return (struct vas_park_walk){ .position = work->part.holding->span.start };
}

/* Whether it is left to its driver. */
static bool is_apart(const struct vas_park_work *work, const struct vas_extent *extent)
{
	return work->parked->apart.count &&
	       vas_spanset_overlaps(&work->parked->apart, extent->start, extent->end);
}

/* --- mapping one extent --- */

/* Guards without a kernel mapping of their own, then access; or all of it stays without access. */
static int attach_guard(struct vas_park_work *work, const struct vas_extent *extent)
{
	struct vas_span span = { extent->start, extent->end - extent->start };
	struct vas_extent closed = *extent;

	if (extent->flags & VAS_EXTENT_CLOSED)
		return 0;
	if (VAS_CALL(work->part.space->sys, advise, span.start, span.size, MADV_GUARD_INSTALL) >= 0)
		return vas_part_open(&work->part, span, extent->prot);
	/* This kernel cannot, or not here. I: there is room for one change. */
	closed.flags |= VAS_EXTENT_CLOSED;
	vas_extents_set(&work->part.holding->extents, extent->start, extent->end, &closed);
	return 0;
}

static int attach_contents(struct vas_park_work *work, const struct vas_park_step *step)
{
	uint64_t start = step->extent.start, size = step->extent.end - start;
	int err = vas_part_open(&work->part, (struct vas_span){ start, size },
				PROT_READ | PROT_WRITE);

	if (err)
		return err;
	vas_part_yield(&work->part);
	err = vas_park_image_read(work, step);
	vas_part_resume(&work->part);
	return err;
}

/* What commit put on: the span's recipe, and what the caller wished for. */
static uint32_t attach_recipe(const struct vas_holding *holding, const struct vas_park_step *step,
			      const struct vas_backing *backing)
{
	uint32_t recipe = holding->recipe | vas_fork_recipe(backing);

	if (step->extent.flags & VAS_COMMIT_NOHUGE)
		recipe |= VAS_RECIPE_NOHUGE;
	if (step->object) /* the kernel wipes private anonymous memory only */
		recipe &= ~VAS_RECIPE_WIPE;
	return recipe;
}

/*
 * Every page has its memory from the pool, whose lack would be a signal later. What nobody may access
 * is readable meanwhile. now: the protection so far.
 */
static int attach_pool(struct vas_park_work *work, const struct vas_extent *extent,
		       const struct vas_backing *backing, uint32_t *now)
{
	struct vas_span span = { extent->start, extent->end - extent->start };
	uint32_t prot = extent->prot & (PROT_READ | PROT_WRITE) ? extent->prot : PROT_READ;
	int err = prot == *now ? 0 : vas_part_open(&work->part, span, (int)prot);

	if (err)
		return err;
	*now = prot;
	vas_part_yield(&work->part);
	err = vas_populate(work->part.space, backing, span, (int)prot, false, work->failure);
	vas_part_resume(&work->part);
	return err;
}

/* Last: the guard, or the protection. */
static int attach_access(struct vas_park_work *work, const struct vas_extent *extent,
			 const struct vas_backing *backing, bool opened)
{
	struct vas_span span = { extent->start, extent->end - extent->start };
	uint32_t now = opened ? PROT_READ | PROT_WRITE : PROT_NONE;
	int err = 0;

	if (extent->state == VAS_PART_GUARD)
		return attach_guard(work, extent);
	if (backing->kind == VAS_SYS_KIND_HUGETLB)
		err = attach_pool(work, extent, backing, &now);
	if (!err && extent->prot != now)
		err = vas_part_open(&work->part, span, extent->prot);
	return err;
}

/* *mapped: the place is not as it was, whatever the answer. */
static int attach_step(struct vas_park_work *work, const struct vas_park_step *step, bool *mapped)
{
	const struct vas_extent *extent = &step->extent;
	struct vas_holding *holding = work->part.holding;
	uint64_t start = extent->start, size = extent->end - start;
	struct vas_space *space = work->part.space;
	const struct vas_backing backing =
		vas_backings_get(&holding->backings, extent->backing, extent->delta);
	const struct vas_backing_range range = {
		.span = { start, size },
		.offset = start + backing.delta,
		.prot = extent->prot,
		.flags = extent->flags | backing.flags,
	};
	bool contents = work->contents && step->image != VAS_PARK_NO_IMAGE;
	int err;

	err = backing.ops->map(&backing, space->sys, &range, PROT_NONE);
	*mapped = err == 0;
	if (err)
		return err;
	if (extent->flags & VAS_COMMIT_HUGE)
		/* Advice: a kernel without huge pages answers EINVAL, and no harm is done. */
		(void)VAS_CALL(space->sys, advise, start, size, MADV_HUGEPAGE);
	err = vas_space_apply_recipe(space, start, size, attach_recipe(holding, step, &backing));
	if (!err)
		err = vas_policy_apply(space->sys, range.span, vas_part_policy(holding, &backing));
	if (!err && contents)
		err = attach_contents(work, step);
	return err ? err : attach_access(work, extent, &backing, contents);
}

/* --- everything, in one direction and the other --- */

/* The reservation over what lies below stop and is not left to a driver, in as few calls as can be. */
static int detach_all(struct vas_park_work *work, uint64_t stop, uint64_t *reached)
{
	struct vas_park_walk walk = walk_begin(work);
	struct vas_span run = { 0, 0 };
	struct vas_park_step step;
	bool more = true, replaced;
	int err;

	*reached = work->part.holding->span.start;
	while (more) {
		more = vas_park_next(work->part.holding, &walk, &step) && step.extent.start < stop;
		if (more && !is_apart(work, &step.extent)) {
			if (!run.size)
				run.start = step.extent.start;
			run.size = step.extent.end - run.start;
			continue;
		}
		if (!run.size)
			continue;
		err = vas_part_restore(work->part.space, work->part.holding, run, &replaced);
		if (replaced)
			*reached = vas_span_end(run);
		if (err)
			return err;
		run.size = 0;
	}
	return 0;
}

/* Everything below stop. *reached: what was begun. */
static int attach_all(struct vas_park_work *work, uint64_t stop, uint64_t *reached)
{
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;
	bool mapped;
	int err;

	*reached = work->part.holding->span.start;
	while (vas_park_next(work->part.holding, &walk, &step) && step.extent.start < stop) {
		if (is_apart(work, &step.extent))
			continue;
		err = attach_step(work, &step, &mapped);
		if (mapped)
			*reached = step.extent.end;
		if (err)
			return err;
	}
	return 0;
}

/* What undoing has come to: the holding is parked, and some of its memory may still be there. */
static int leave_parked(struct vas_park_work *work, int err)
{
	work->parked->leftover = true;
	work->failure->why = VAS_WHY_PARKED;
	return err;
}

/* The errno tables, from what mmap, mprotect and madvise answer. */
static int park_classify(struct vas_park_work *work, int err)
{
	return err ? vas_part_classify(err, work->failure) : 0;
}

/* --- park --- */

struct park_plan {
	uint64_t contents; /* bytes of private memory */
	uint32_t theirs; /* parts that are left to drivers */
	uint32_t unretired; /* pieces that were given back, but are not inaccessible yet */
};

static struct park_plan park_count(const struct vas_park_work *work)
{
	struct vas_park_walk walk = walk_begin(work);
	struct park_plan plan = { 0, 0, 0 };
	struct vas_park_step step;

	while (vas_park_next(work->part.holding, &walk, &step)) {
		if (has_contents(work, &step.extent))
			plan.contents += step.extent.end - step.extent.start;
		if (step.extent.state > VAS_PART_GUARD)
			plan.unretired++;
		if ((work->opts->flags & VAS_PARK_THEIRS) && (step.extent.flags & VAS_EXTENT_WHOLE))
			plan.theirs++;
	}
	return plan;
}

static int park_refuse(struct vas_park_work *work, enum vas_why why, int err)
{
	work->failure->why = (uint8_t)why;
	return err;
}

/* Everything that can be known beforehand. Takes what the record needs. */
static int park_plan(struct vas_park_work *work)
{
	struct vas_holding *holding = work->part.holding;
	const struct vas_park_opts *opts = work->opts;
	struct park_plan plan = park_count(work);
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;
	int err;

	if (holding->claimer && !holding->claimer->replaceable)
		return park_refuse(work, VAS_WHY_DENIED, -EOPNOTSUPP);
	if (plan.contents && !(opts->flags & VAS_PARK_DISCARD)) {
		if (!opts->image_size)
			return park_refuse(work, VAS_WHY_IMAGE, -EOPNOTSUPP);
		if (opts->image_size < plan.contents)
			return park_refuse(work, VAS_WHY_IMAGE, -ENOSPC);
		work->contents = true;
	}
	err = vas_part_room(&work->part, 1, work->failure);
	if (err)
		return err;
	err = vas_parked_make(work->part.space, plan.theirs, &work->parked);
	if (err)
		return park_refuse(work, VAS_WHY_BOOKS, -ENOMEM);
	work->parked->image_size = work->contents ? plan.contents : 0;
	while (plan.theirs && vas_park_next(holding, &walk, &step))
		if (step.extent.flags & VAS_EXTENT_WHOLE)
			(void)vas_spanset_add(&work->parked->apart, step.extent.start,
					      step.extent.end);
	return 0;
}

static bool is_readable(const struct vas_park_step *step)
{
	return (step->extent.prot & PROT_READ) != 0;
}

/* Made readable to be copied, and left so: it will go, or park_close makes it as it was. */
static int park_save(struct vas_park_work *work, const struct vas_park_step *step)
{
	struct vas_extent piece = step->extent;
	int err = 0;

	if (!is_readable(step))
		err = park_classify(work, vas_part_reopen(&work->part, &piece, PROT_READ));
	if (err)
		return err;
	work->opened = step->extent.end;
	return vas_park_image_write(work, step);
}

/*
 * What was made readable from start on is made as it was. What cannot be the books tell as it is;
 * that keeps its ends: no more room is needed. Holding's lock held.
 */
static void park_close(struct vas_park_work *work, uint64_t start)
{
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;

	while (vas_park_next(work->part.holding, &walk, &step) && step.extent.end <= work->opened) {
		struct vas_extent open = step.extent;

		open.prot = PROT_READ;
		if (open.start < start || step.image == VAS_PARK_NO_IMAGE || is_readable(&step) ||
		    vas_part_reopen(&work->part, &open, step.extent.prot) >= 0)
			continue;
		work->part.changed = true;
		vas_extents_set(&work->part.holding->extents, open.start, open.end, &open);
	}
}

static int park_write(struct vas_park_work *work)
{
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;
	int err;

	if (!work->contents)
		return 0;
	vas_part_yield(&work->part);
	err = vas_park_image_begin(work);
	while (!err && vas_park_next(work->part.holding, &walk, &step))
		if (step.image != VAS_PARK_NO_IMAGE)
			err = park_save(work, &step);
	if (!err)
		err = vas_park_image_end(work);
	vas_part_resume(&work->part);
	return err;
}

/* What was given back is inaccessible now, at last. I: room for one change. */
static void park_forget_unretired(struct vas_park_work *work)
{
	struct vas_holding *holding = work->part.holding;
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;

	while (vas_park_next(holding, &walk, &step))
		if (step.extent.state > VAS_PART_GUARD)
			vas_extents_set(&holding->extents, step.extent.start, step.extent.end,
					NULL);
}

/* What is in the books is not there any more; or is there again. Holding's lock held. */
static void set_parked(struct vas_park_work *work, bool parked)
{
	struct vas_holding *holding = work->part.holding;
	struct vas_space *space = work->part.space;

	vas_lock_take(&space->lock);
	__atomic_store_n(&holding->parked, parked, __ATOMIC_RELAXED);
	holding->park = parked ? work->parked : NULL;
	if (!parked)
		vas_parked_free(space, work->parked);
	vas_lock_drop(&space->lock);
}

static void drop_record(struct vas_park_work *work)
{
	if (!work->parked)
		return;
	vas_lock_take(&work->part.space->lock);
	vas_parked_free(work->part.space, work->parked);
	vas_lock_drop(&work->part.space->lock);
}

/* Puts back what was detached below reached; contents come from the image just written. */
static int park_undo(struct vas_park_work *work, uint64_t reached, int err)
{
	uint64_t ignored;

	if (!attach_all(work, reached, &ignored)) {
		drop_record(work);
		return err;
	}
	set_parked(work, true);
	return leave_parked(work, err);
}

/* Holding's lock held. */
static int park_locked(struct vas_park_work *work)
{
	uint64_t reached;
	int err = park_plan(work);

	if (!err)
		err = park_write(work);
	if (err) {
		park_close(work, 0);
		drop_record(work);
		return err;
	}
	err = detach_all(work, UINT64_MAX, &reached);
	work->part.changed = reached != work->part.holding->span.start;
	if (err)
		park_close(work, reached);
	if (err)
		return park_undo(work, reached, park_classify(work, err));
	park_forget_unretired(work);
	set_parked(work, true);
	return 0;
}

/* The holding stays this one while the work goes on. */
static void park_pin(struct vas_space *space, struct vas_holding *holding)
{
	vas_space_enter(space);
	holding->pins++;
	space->pins++;
	vas_lock_drop(&space->lock);
}

int vas_space_park(struct vas_space *space, struct vas_holding *holding,
		   const struct vas_park_opts *opts, struct vas_failure *failure)
{
	struct vas_park_work work = {
		.part = { .space = space,
			  .holding = holding,
			  .range = holding->span,
			  .change = VAS_CHANGE_PARK },
		.opts = opts,
		.failure = failure,
	};
	int err;

	park_pin(space, holding);
	err = vas_part_begin(&work.part, failure);
	if (!err)
		err = vas_part_end(&work.part, park_locked(&work));
	vas_part_unpin(space, holding);
	/* Drivers that were quick have left holes by now. */
	if (!err && (opts->flags & VAS_PARK_THEIRS))
		vas_space_settle_apart(space, holding);
	return err;
}

/* --- unpark --- */

/* A descriptor of the backing's object, compared. -EBADF. */
static int open_backing(struct vas_park_work *work, struct vas_backing *backing)
{
	const struct vas_park_opts *opts = work->opts;
	struct vas_sys_stat status;
	int32_t fd = backing->fd;
	int64_t err;

	if (opts->open && opts->open(opts->context, backing->device, backing->inode, &fd))
		return park_refuse(work, VAS_WHY_OBJECT, -EBADF);
	err = fd < 0 ? -EBADF : VAS_CALL(work->part.space->sys, stat, fd, VAS_STAT_KIND, &status);
	if (err == -EPERM || err == -EACCES || err == -ENOSYS)
		return park_refuse(work, VAS_WHY_DENIED, (int)err);
	if (err < 0 || status.device != backing->device || status.inode != backing->inode)
		return park_refuse(work, VAS_WHY_OBJECT, -EBADF);
	backing->fd = fd;
	/* Of a manifest's objects that was not known before. */
	backing->kind = status.kind;
	backing->page_size = status.page_size ? status.page_size : work->part.space->sys->page_size;
	return 0;
}

/*
 * Descriptors for every object, before anything else and without a lock: the
 * caller's function may do what it likes. Those of drivers' parts may be missing where the driver
 * itself has come back; if not, plan refuses them below.
 */
static int open_objects(struct vas_park_work *work, uint8_t *seen)
{
	struct vas_backings *backings = &work->part.holding->backings;
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;

	while (vas_park_next(work->part.holding, &walk, &step)) {
		uint32_t number = step.extent.backing;
		int err;

		if (!number || seen[number])
			continue;
		seen[number] = 1;
		if (!step.object)
			continue;
		err = open_backing(work, &backings->items[number - 1]);
		if (err && !(is_apart(work, &step.extent)))
			return err;
	}
	work->failure->why = VAS_WHY_NONE;
	return 0;
}

static int unpark_open(struct vas_park_work *work)
{
	struct vas_space *space = work->part.space;
	size_t size = (size_t)work->part.holding->backings.count + 1;
	void *seen;
	int err;

	vas_lock_take(&space->lock);
	err = vas_pages_map(&space->pages, size, &seen);
	vas_lock_drop(&space->lock);
	if (err)
		return park_refuse(work, VAS_WHY_BOOKS, -ENOMEM);
	err = open_objects(work, seen);
	vas_lock_take(&space->lock);
	vas_pages_unmap(&space->pages, seen, size);
	vas_lock_drop(&space->lock);
	return err;
}

/* What a backing's plan answers, which may also be what fstat does. */
static int plan_classify(struct vas_park_work *work, int err)
{
	switch (err) {
	case -EPERM:
	case -ENOSYS:
		return park_refuse(work, VAS_WHY_DENIED, err);
	case -ENOMEM:
		return park_refuse(work, VAS_WHY_KERNEL, err);
	case -EBADF:
	case -EINVAL:
	case -ERANGE:
	case -EACCES:
		return park_refuse(work, VAS_WHY_OBJECT, err);
	default:
		return park_refuse(work, VAS_WHY_OBJECT, -EBADF);
	}
}

/* Whether everything can be mapped, as far as that can be known. Changes nothing. */
static int unpark_plan(struct vas_park_work *work)
{
	struct vas_holding *holding = work->part.holding;
	struct vas_park_walk walk = walk_begin(work);
	struct vas_park_step step;
	int err = 0;

	while (!err && vas_park_next(holding, &walk, &step)) {
		const struct vas_extent *extent = &step.extent;
		const struct vas_backing backing =
			vas_backings_get(&holding->backings, extent->backing, extent->delta);
		const struct vas_backing_range range = {
			.span = { extent->start, extent->end - extent->start },
			.offset = extent->start + backing.delta,
			.prot = extent->prot,
			.flags = extent->flags | backing.flags,
		};

		if (!is_apart(work, extent))
			err = backing.ops->plan(&backing, work->part.space->sys, &range);
	}
	return err ? plan_classify(work, err) : 0;
}

/* Which contents the caller wants, and whether they can be there. */
static int unpark_contents(struct vas_park_work *work)
{
	const struct vas_park_opts *opts = work->opts;

	if (!work->parked->image_size || (opts->flags & VAS_PARK_DISCARD))
		return 0;
	if (!opts->image_size)
		return park_refuse(work, VAS_WHY_IMAGE, -EOPNOTSUPP);
	if (opts->image_size < work->parked->image_size)
		return park_refuse(work, VAS_WHY_IMAGE, -ENOSPC);
	work->contents = true;
	return 0;
}

/* Holding's lock held. */
static int unpark_locked(struct vas_park_work *work)
{
	uint64_t reached, ignored;
	int err = vas_park_survey(work);

	if (!err)
		err = unpark_plan(work);
	/* Guards that this kernel cannot have become another kind of extent. */
	if (!err)
		err = vas_part_room(&work->part, 1, work->failure);
	if (err)
		return park_classify(work, err);
	err = attach_all(work, UINT64_MAX, &reached);
	if (!err) {
		set_parked(work, false);
		return 0;
	}
	err = park_classify(work, err);
	work->part.changed = reached != work->part.holding->span.start;
	if (detach_all(work, reached, &ignored))
		return leave_parked(work, err);
	return err;
}

int vas_space_unpark(struct vas_space *space, struct vas_holding *holding,
		     const struct vas_park_opts *opts, struct vas_failure *failure)
{
	struct vas_park_work work = {
		.part = { .space = space,
			  .holding = holding,
			  .range = holding->span,
			  .change = VAS_CHANGE_UNPARK },
		.opts = opts,
		.parked = holding->park,
		.failure = failure,
	};
	int err = unpark_contents(&work);

	if (!err)
		err = unpark_open(&work);
	if (err)
		return err;
	park_pin(space, holding);
	err = vas_part_begin(&work.part, failure);
	if (!err)
		err = vas_part_end(&work.part, unpark_locked(&work));
	vas_part_unpin(space, holding);
	return err;
}

/* --- parked from the start --- */

int vas_parked_begin(struct vas_space *space, struct vas_holding *holding, uint64_t image_size)
{
	struct vas_parked *parked;
	int err = vas_parked_make(space, 0, &parked);

	if (err)
		return err;
	parked->image_size = image_size;
	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	VAS_ASSERT(holding->extents.count == 0 && !holding->parked);
	__atomic_store_n(&holding->parked, true, __ATOMIC_RELAXED);
	holding->park = parked;
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
	return 0;
}

int vas_parked_policy(struct vas_space *space, struct vas_holding *holding,
		      const struct vas_policy *policy, uint32_t *number)
{
	int err = 0;

	*number = 0;
	if (!policy || vas_policy_same(policy, holding->policy))
		return 0;
	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	holding->backings.kept++; /* no sweep: nothing names the last one yet */
	err = vas_backings_policy(&holding->backings, &holding->extents, &space->pages, policy,
				  number);
	holding->backings.kept--;
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
	return err;
}

/* By its identity: the descriptor comes when it is unparked. */
static struct vas_backing parked_backing(const struct vas_space *space, const struct vas_part *part)
{
	if (!(part->flags & (VAS_COMMIT_SHARED | VAS_COMMIT_PRIVATE)))
		return (struct vas_backing){ .ops = &vas_backing_anonymous,
					     .fd = -1,
					     .policy = part->policy };
	return (struct vas_backing){
		.ops = &vas_backing_object,
		.fd = -1,
		.flags = part->flags & ~(uint32_t)(VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE),
		.device = part->device,
		.inode = part->inode,
		.page_size = space->sys->page_size,
		.policy = part->policy,
	};
}

int vas_parked_put(struct vas_space *space, struct vas_holding *holding,
		   const struct vas_part *part)
{
	const struct vas_backing backing = parked_backing(space, part);
	struct vas_extent extent = {
		.state = (uint8_t)part->state,
		.prot = (uint8_t)part->prot,
		.flags = (uint16_t)(part->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE)),
	};
	bool object = !vas_backing_is_anonymous(&backing);
	int err;

	if (object)
		extent.delta = part->offset - part->span.start;
	if (part->flags & VAS_COMMIT_WHOLE)
		extent.flags |= VAS_EXTENT_WHOLE;
	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	err = vas_extents_room(&holding->extents, &space->pages, 1);
	if (!err && (object || part->policy))
		err = vas_backings_number(&holding->backings, &holding->extents, &space->pages,
					  &backing, &extent.backing);
	vas_lock_drop(&space->lock);
	if (!err)
		vas_extents_set(&holding->extents, part->span.start, vas_span_end(part->span),
				&extent);
	vas_lock_drop(&holding->lock);
	return err ? -ENOMEM : 0;
}
