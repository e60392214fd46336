/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is mapped elsewhere comes to a part of a span, by one move.
 *
 * WHAT FOR. Memory that somebody else mapped is seen at a place of ours too, also when nobody has a descriptor of it. Live pages
 * are replaced by others in one step.
 *
 * STRATEGY. All that the kernel may refuse is done aside, where nothing of ours can be lost: mremap with an old size of 0
 * makes a second mapping of shared memory wherever there is room, and gets the recipe and the protection there. It is looked
 * at: memory that was mapped anew meanwhile would be another object's. Then one mremap of the same length puts it on the reservation: the only kernel call that replaces
 * a mapping and leaves both as they were when it is refused, whatever the reason.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls. Nobody but this call knows of what is aside.
 *
 * WHAT IT DOES NOT DO. It does not look whether memory is shared: the kernel refuses what is private. What was replaced by private
 * memory the kernel never joins with its neighbours again, though the books do: it may be three mappings where they say one.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "layout/search.h"
#include "space/ballast.h"
#include "space/part_work.h"
#include "space/policy.h"
#include "sys/definitions.h"

/* mremap, for which the ballast may be spent. Returns the new address. */
static int64_t move_call(struct vas_space *space, uint64_t from, uint64_t old_size, uint64_t size,
			 int flags, uint64_t to)
{
	int64_t got;

	do {
		got = VAS_CALL(space->sys, move, from, old_size, size, flags, to);
	} while (got == -ENOMEM && vas_ballast_spend(space));
	return got;
}

int vas_part_move_in(struct vas_space *space, struct vas_span range, uint64_t aside)
{
	int64_t got = move_call(space, aside, range.size, range.size, MREMAP_MAYMOVE | MREMAP_FIXED,
				range.start);

	VAS_ASSERT(got < 0 || (uint64_t)got == range.start);
	return got < 0 ? (int)got : 0;
}

int vas_part_twin(struct vas_space *space, struct vas_span range, struct vas_failure *failure,
		  uint64_t *aside)
{
	int64_t got = move_call(space, range.start, 0, range.size, MREMAP_MAYMOVE, 0);

	if (got == -EINVAL || got == -EFAULT) {
		failure->why = VAS_WHY_OBJECT;
		return -EOPNOTSUPP;
	}
	if (got < 0)
		return (int)got;
	*aside = (uint64_t)got;
	return 0;
}

/* Whether what is aside is what the books are going to say of the range. */
static int duplicate_look(struct vas_part_work *work, const struct vas_backing *backing, uint64_t aside)
{
	uint64_t first = work->range.start + backing->delta;
	struct vas_space *space = work->space;
	struct vas_mapping seen;
	int err;

	err = vas_search_at(space->sys, &space->probes, 0, aside, NULL, 0, &seen);
	if (err)
		return err;
	/* What lies below in the same object may have become one mapping with it. */
	if (seen.start > aside || seen.end < aside + work->range.size ||
	    seen.offset + (aside - seen.start) != first || seen.inode != backing->inode ||
	    vas_sys_device(seen.device_major, seen.device_minor) != backing->device)
		return -ESTALE; /* nobody else's word for it */
	return 0;
}

/* As all memory of the span is: the kernel has it from the first mapping. */
static int duplicate_recipe(struct vas_part_work *work, uint64_t aside, int prot)
{
	const struct vas_holding *holding = work->holding;
	struct vas_sys *sys = work->space->sys;
	uint64_t size = work->range.size;
	int64_t err = 0;

	if (!(holding->recipe & VAS_RECIPE_NOFORK))
		err = VAS_CALL(sys, advise, aside, size, MADV_DOFORK);
	if (err == -EAGAIN)
		err = -ENOMEM; /* what madvise makes of it */
	if (err >= 0)
		err = vas_space_apply_recipe(work->space, aside, size, holding->recipe);
	return err < 0 ? (int)err : (int)VAS_CALL(sys, protect, aside, size, prot);
}

static int duplicate_kernel(struct vas_part_work *work, uint64_t source,
			    const struct vas_backing *backing, int prot,
			    struct vas_failure *failure)
{
	struct vas_space *space = work->space;
	uint64_t size = work->range.size, aside;
	int err;

	err = vas_part_twin(space, (struct vas_span){ source, size }, failure, &aside);
	if (err)
		return err;
	err = duplicate_look(work, backing, aside);
	if (err == -ESTALE) {
		failure->why = VAS_WHY_RACE;
		err = -EAGAIN;
	}
	if (!err)
		err = duplicate_recipe(work, aside, prot);
	if (!err)
		err = vas_part_move_in(space, work->range, aside);
	if (err)
		vas_strays_drop(space->sys, aside, size);
	return err;
}

/* Room in the books, and the number of the backing. */
static int move_room(struct vas_part_work *work, const struct vas_backing *backing,
			  struct vas_failure *failure, uint32_t *number)
{
	struct vas_holding *holding = work->holding;
	struct vas_space *space = work->space;
	int err = vas_part_room(work, 1, failure);

	*number = 0;
	if (err || (vas_backing_is_anonymous(backing) && !backing->policy))
		return err;
	vas_lock_take(&space->lock);
	err = vas_backings_number(&holding->backings, &holding->extents, &space->pages, backing,
				  number);
	vas_lock_drop(&space->lock);
	if (!err)
		return 0;
	failure->why = VAS_WHY_BOOKS;
	return -ENOMEM;
}

/* What the kernel says about memory that somebody else may change meanwhile. */
static int move_classify(int err, struct vas_failure *failure)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
		failure->why = VAS_WHY_KERNEL;
		return err;
	default:
		return vas_part_classify(err, failure);
	}
}

int vas_part_duplicate(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		       uint64_t source, const struct vas_backing *backing, int prot,
		       struct vas_failure *failure)
{
	struct vas_part_work work;
	struct vas_extent extent = {
		.state = VAS_PART_VIEW, .prot = (uint8_t)prot, .delta = backing->delta
	};
	int err;

	vas_part_plan(&work, space, holding, range, VAS_CHANGE_COMMIT, false);
	err = vas_part_begin(&work, failure);
	if (err)
		return err;
	err = move_room(&work, backing, failure, &extent.backing);
	if (!err)
		err = duplicate_kernel(&work, source, backing, prot, failure);
	if (!err)
		vas_extents_set(&holding->extents, range.start, vas_span_end(range), &extent);
	return vas_part_end(&work, move_classify(err, failure));
}

/* --- replacing --- */

/* Why a piece may not be replaced. */
static int content_refuse(const struct vas_holding *holding, const struct vas_extent *piece,
			  const struct vas_backing *backing, struct vas_failure *failure)
{
	failure->why = VAS_WHY_NOT_MAPPED;
	if (piece->state != VAS_PART_COMMITTED && piece->state != VAS_PART_GUARD)
		return -EINVAL;
	failure->why = VAS_WHY_ARGUMENT;
	if (piece->state == VAS_PART_GUARD)
		return -EINVAL;
	failure->why = VAS_WHY_DEVICE;
	if (holding->claimer && !holding->claimer->replaceable)
		return -EOPNOTSUPP;
	failure->why = VAS_WHY_OBJECT;
	if ((piece->flags & (VAS_EXTENT_WHOLE | VAS_EXTENT_KEPT)) ||
	    (backing->flags & VAS_COMMIT_PUNCH))
		return -EOPNOTSUPP;
	failure->why = VAS_WHY_NONE;
	return 0;
}

/* Lock held. */
static int content_find(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
			struct vas_part_content *content, struct vas_failure *failure)
{
	uint64_t position = range.start, end = vas_span_end(range);
	const struct vas_policy *policy;
	struct vas_extent piece;
	int err;

	(void)vas_extents_next(&holding->extents, &position, end, &piece);
	content->backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
	err = content_refuse(holding, &piece, &content->backing, failure);
	if (err)
		return err;
	if (piece.end != end || vas_part_cuts(holding, space->sys, range)) {
		failure->why = VAS_WHY_ARGUMENT;
		return -EINVAL;
	}
	policy = vas_part_policy(holding, &content->backing);
	content->policy = policy ? *policy : (struct vas_policy){ .mode = VAS_POLICY_DEFAULT };
	content->prot = piece.prot;
	content->flags = piece.flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE);
	return 0;
}

int vas_part_look(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		  struct vas_part_content *content, struct vas_failure *failure)
{
	int err;

	vas_lock_take(&holding->lock);
	err = content_find(space, holding, range, content, failure);
	vas_lock_drop(&holding->lock);
	return err;
}

bool vas_part_alike(const struct vas_part_content *a, const struct vas_part_content *b)
{
	return a->backing.ops == b->backing.ops && a->backing.fd == b->backing.fd &&
	       a->backing.flags == b->backing.flags && a->backing.device == b->backing.device &&
	       a->backing.inode == b->backing.inode && a->backing.delta == b->backing.delta &&
	       vas_policy_same(&a->policy, &b->policy) && a->prot == b->prot && a->flags == b->flags;
}

static int replace_locked(struct vas_part_work *work, const struct vas_part_content *old,
			  const struct vas_part_content *fresh, uint64_t aside,
			  struct vas_failure *failure)
{
	struct vas_backing backing = fresh->backing;
	struct vas_span range = work->range;
	struct vas_extent extent = {
		.state = VAS_PART_COMMITTED,
		.prot = fresh->prot,
		.flags = fresh->flags,
		.delta = vas_backing_is_anonymous(&backing) ? 0 : backing.delta,
	};
	struct vas_part_content found;
	int err;

	err = content_find(work->space, work->holding, range, &found, failure);
	if (err || !vas_part_alike(&found, old)) {
		failure->why = VAS_WHY_RACE;
		return -ESTALE;
	}
	/* Which number it has may have changed. */
	backing.policy = found.backing.policy;
	err = move_room(work, &backing, failure, &extent.backing);
	if (!err)
		err = vas_part_move_in(work->space, range, aside);
	if (!err)
		vas_extents_set(&work->holding->extents, range.start, vas_span_end(range), &extent);
	return err;
}

int vas_part_replace(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     const struct vas_part_content *old, const struct vas_part_content *fresh,
		     uint64_t aside, bool final, struct vas_failure *failure)
{
	struct vas_part_work work;
	int err;

	vas_part_plan(&work, space, holding, range, VAS_CHANGE_REPLACE, final);
	err = vas_part_begin(&work, failure);
	if (err)
		return err;
	err = replace_locked(&work, old, fresh, aside, failure);
	return vas_part_end(&work, move_classify(err, failure));
}
