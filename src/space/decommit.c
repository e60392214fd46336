/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decommit: memory goes back, the addresses stay ours.
 *
 * WHAT FOR. What is freed costs nothing any more and faults when it is touched, and the next
 * commit of the same addresses reads as zeroes.
 *
 * STRATEGY. Room in the books first, then the retire ladder (retire.c), which
 * always comes to some end.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls.
 *
 * WHAT IT DOES NOT DO. It does not unmap: see release.c. What is not inaccessible
 * yet is tried again by later calls: see retry.c.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/extents_spot.h"
#include "space/retire.h"

/* Is this an address at which what is mapped cannot be cut? */
static bool cuts_at(const struct vas_holding *holding, const struct vas_sys *sys, uint64_t address)
{
	struct vas_backing backing;
	struct vas_extent piece;
	uint64_t position = address;

	if (!vas_extents_same(&holding->extents, address) ||
	    !vas_extents_next(&holding->extents, &position, address + 1, &piece) || !piece.backing)
		return false;
	backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
	return (piece.flags & VAS_EXTENT_WHOLE) ||
	       (backing.page_size > sys->page_size && address % backing.page_size);
}

bool vas_part_cuts(const struct vas_holding *holding, const struct vas_sys *sys,
		   struct vas_span range)
{
	/* Anonymous memory can be cut anywhere. */
	return holding->backings.count && (cuts_at(holding, sys, range.start) ||
					   cuts_at(holding, sys, vas_span_end(range)));
}

/*
 * All of one extent of plain memory that touches no other. The kernel's part is the same; what it leaves to be
 * recorded needs no room.
 */
VAS_HOT static int decommit_short(struct vas_part_work *work, const struct vas_extent_spot *spot,
				  enum vas_retired *state)
{
	struct vas_extents *extents = &work->holding->extents;
	uint64_t start = work->range.start, size = work->range.size;
	bool replaced;
	int err;

	if (work->final)
		extents->promised -= extents->promised > 0;
	err = vas_retire_replace(work->space, work->holding, work->range, &replaced);
	if (__builtin_expect(err, 0)) {
		vas_part_snapshot(work);
		*state = vas_retire_refused(work, start, start + size, replaced);
		return vas_part_end(work, 0);
	}
	vas_extent_spot_take(extents, spot);
	vas_part_tally(work->space, work->holding, 0 - size, -VAS_EXTENT_SPOT_RUNS);
	VAS_ASSERT_EXPENSIVE(vas_extents_check(extents, work->holding->span));
	*state = VAS_RETIRED_GONE;
	vas_part_leave(work, 0);
	return 0;
}

static inline bool decommit_is_short(const struct vas_part_work *work, struct vas_extent_spot *spot)
{
	const struct vas_holding *holding = work->holding;
	const struct vas_extent *item;

	if (!vas_extent_spot_exact(&holding->extents, work->range.start,
				   vas_span_end(work->range), spot))
		return false;
	item = &spot->leaf->items[spot->item];
	return item->state == VAS_PART_COMMITTED && item->backing == 0 &&
	       !(item->flags & VAS_EXTENT_WHOLE) && !holding->parked;
}

VAS_HOT int vas_part_decommit(struct vas_space *space, struct vas_holding *holding,
			      struct vas_span range, bool final, enum vas_retired *state,
			      struct vas_failure *failure)
{
	struct vas_extents *extents = &holding->extents;
	struct vas_extent_spot spot;
	struct vas_part_work work;
	bool promised;
	int err;

	vas_part_plan(&work, space, holding, range, VAS_CHANGE_DECOMMIT, final);
	err = vas_part_enter(&work, failure);
	if (__builtin_expect(err, 0))
		return err;
	if (__builtin_expect(decommit_is_short(&work, &spot), 1))
		return decommit_short(&work, &spot, state);
	vas_part_snapshot(&work);
	promised = final && extents->promised > 0;
	if (holding->backings.count && vas_part_cuts(holding, space->sys, range)) {
		failure->why = VAS_WHY_ARGUMENT;
		return vas_part_end(&work, -EINVAL);
	}
	if (promised)
		extents->promised--;
	else
		err = vas_part_room(&work, 1, failure);
	if (!err)
		*state = vas_retire_range(&work, range.start, vas_span_end(range));
	return vas_part_end(&work, err);
}
