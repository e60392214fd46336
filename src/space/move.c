/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is mapped elsewhere comes to a part of a span, by one move.
 *
 * WHAT FOR. Memory that somebody else mapped is seen at a place of ours too, also when nobody has a descriptor of it.
 *
 * STRATEGY. All that the kernel may refuse is done aside, where nothing of ours can be lost: mremap with an old size of 0
 * makes a second mapping of shared memory wherever there is room, and gets the recipe and the protection there. It is looked
 * at: memory that was mapped anew meanwhile would be another object's. Then one mremap of the same length puts it on the reservation: the only kernel call that replaces
 * a mapping and leaves both as they were when it is refused, whatever the reason.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls. Nobody but this call knows of what is aside.
 *
 * WHAT IT DOES NOT DO. It does not look whether memory is shared: the kernel refuses what is private.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "layout/search.h"
#include "space/ballast.h"
#include "space/part_work.h"
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

int vas_part_swap(struct vas_space *space, struct vas_span range, uint64_t aside)
{
	int64_t got = move_call(space, aside, range.size, range.size, MREMAP_MAYMOVE | MREMAP_FIXED,
				range.start);

	VAS_ASSERT(got < 0 || (uint64_t)got == range.start);
	return got < 0 ? (int)got : 0;
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
		return -ESTALE;
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
	uint64_t size = work->range.size;
	int64_t aside;
	int err;

	aside = move_call(space, source, 0, size, MREMAP_MAYMOVE, 0);
	if (aside == -EINVAL || aside == -EFAULT) {
		failure->why = VAS_WHY_OBJECT;
		return -EOPNOTSUPP;
	}
	if (aside < 0)
		return (int)aside;
	err = duplicate_look(work, backing, (uint64_t)aside);
	if (!err)
		err = duplicate_recipe(work, (uint64_t)aside, prot);
	if (!err)
		err = vas_part_swap(space, work->range, (uint64_t)aside);
	if (err)
		vas_strays_drop(space->sys, (uint64_t)aside, size);
	return err;
}

/* Room in the books, and the number of the backing. */
static int duplicate_room(struct vas_part_work *work, const struct vas_backing *backing,
			  struct vas_failure *failure, uint32_t *number)
{
	struct vas_holding *holding = work->holding;
	struct vas_space *space = work->space;
	int err = vas_part_room(work, 1, failure);

	if (err)
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
static int duplicate_classify(int err, struct vas_failure *failure)
{
	switch (err) {
	case -ESTALE:
		failure->why = VAS_WHY_RACE;
		return -EAGAIN;
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
	err = duplicate_room(&work, backing, failure, &extent.backing);
	if (!err)
		err = duplicate_kernel(&work, source, backing, prot, failure);
	if (!err)
		vas_extents_set(&holding->extents, range.start, vas_span_end(range), &extent);
	return vas_part_end(&work, duplicate_classify(err, failure));
}
