/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions at rest: park, unpark, and what drivers tell.
 *
 * WHAT FOR. Everything that is mapped in a region goes and comes back; its blocks stay
 * as they are meanwhile.
 *
 * STRATEGY. Parked is a state of the region: every call that would change something is
 * refused by it, with one comparison. Calls that had begun before are waited for.
 * What is cached is given back first, since nobody needs it saved. Then the space does it
 * (space/park.c).
 *
 * CONCURRENCY. The state changes under the region's lock, with the gates shut. While park, unpark or a manifest
 * is at work, moving keeps the others away; it is no lock, so they answer -EBUSY instead
 * of waiting.
 *
 * WHAT IT DOES NOT DO. It does not stop threads that use the memory.
 */
#include "region/park.h"

#include <errno.h>

#include "base/assert.h"
#include "space/notice.h"
#include "space/park.h"

#define CACHE_TRIES  4u /* a block may be freed into the cache between giving it back and stopping */
#define RETIRE_LIMIT 64u /* refusals that park bears in getting rid of what was freed */

int vas_region_hold_parked(struct vas_region *region, struct vas_failure *failure)
{
	int err = vas_region_look(region, failure);

	if (err)
		return err;
	if (region->state != VAS_REGION_PARKED)
		err = vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	else if (region->moving)
		err = vas_region_refuse(failure, VAS_WHY_PARKED, -EBUSY);
	else
		region->moving = true;
	vas_region_unlock(region);
	return err;
}

void vas_region_settled(struct vas_region *region, enum vas_region_state state)
{
	vas_lock_take(&region->lock);
	vas_shards_shut(region);
	region->moving = false;
	region->state = state;
	vas_region_resume(region);
}

/* Nothing else begins from here on, and what had begun has ended. */
static int rest_stop(struct vas_region *region, struct vas_failure *failure)
{
	int err = vas_region_stop(region, failure);

	if (err)
		return err;
	region->state = VAS_REGION_PARKED;
	region->moving = true;
	vas_shards_open(region);
	while (vas_region_unfinished(region) || !vas_user_is_quiet(&region->user)) {
		vas_region_unlock(region);
		vas_lock_pause();
		vas_lock_take(&region->lock);
	}
	(void)vas_leaving_end(region);
	vas_region_unlock(region);
	return 0;
}

/* The first block that was freed and is still committed, if any. Nobody else changes blocks. */
static bool rest_find(struct vas_region *region, uint32_t *mark)
{
	uint64_t position = region->span.start;
	struct vas_block_info info;
	bool found = false;

	vas_lock_take(&region->lock);
	while (!found && vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_span_end(info.span);
		*mark = info.mark;
		found = info.live && (vas_mark_is(info.mark, VAS_MARK_WARM) ||
				      (vas_mark_is(info.mark, VAS_MARK_WAITING) &&
				       (info.mark & VAS_MARK_PROMISED)));
	}
	vas_region_unlock(region);
	return found;
}

/* Stopped, with nothing in the cache and no memory that waits for threads to pass. */
static int rest_begin(struct vas_region *region, struct vas_failure *failure)
{
	uint32_t mark = 0;
	int err;

	for (uint32_t i = 0; i < CACHE_TRIES; i++) {
		(void)region->user.ops->reclaim(&region->user, UINT64_MAX);
		err = rest_stop(region, failure);
		if (err || !rest_find(region, &mark))
			return err;
		vas_region_settled(region, VAS_REGION_LIVE);
		if (vas_mark_is(mark, VAS_MARK_WAITING))
			break;
	}
	/* Some thread has entered, so it may use the memory; or frees go on and on. */
	return vas_region_refuse(failure, VAS_WHY_RACE, -EBUSY);
}

int vas_region_rest(struct vas_region *region, const struct vas_park_opts *opts,
		    struct vas_failure *failure)
{
	struct vas_holding *holding;
	int err = vas_region_look(region, failure);

	if (err)
		return err;
	holding = region->user.holding;
	vas_region_unlock(region);
	/* Waiting for others below would be waiting for ourselves. */
	if (vas_notice_inside(region->space, vas_owner_id(holding->entry)))
		return vas_region_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	err = rest_begin(region, failure);
	if (err)
		return err;
	holding = region->user.holding;
	(void)vas_part_retry(region->space, RETIRE_LIMIT);
	err = vas_space_park(region->space, holding, opts, failure);
	vas_region_settled(region, holding->parked ? VAS_REGION_PARKED : VAS_REGION_LIVE);
	return err;
}

int vas_region_wake(struct vas_region *region, const struct vas_park_opts *opts,
		    struct vas_failure *failure)
{
	int err = vas_region_hold_parked(region, failure);

	if (err)
		return err;
	err = vas_space_unpark(region->space, region->user.holding, opts, failure);
	/* What is put back may be another kind of memory. */
	if (!err)
		vas_cache_distrust(region);
	vas_region_settled(region, err ? VAS_REGION_PARKED : VAS_REGION_LIVE);
	/* What could not be made inaccessible before has become so by being parked. */
	if (!err)
		vas_block_settle(region, region->span);
	return err;
}

int vas_region_regain(struct vas_region *region, struct vas_span range, struct vas_failure *failure)
{
	uint64_t start, end;
	int err = vas_region_look(region, failure);

	if (err)
		return err;
	start = region->span.start;
	end = vas_span_end(region->span);
	vas_region_unlock(region);
	if (range.start < start || vas_span_end(range) > end)
		return vas_region_refuse(failure, VAS_WHY_OUTSIDE, -ERANGE);
	err = vas_region_hold_parked(region, failure);
	if (err)
		return err;
	err = vas_space_detached(region->space, region->user.holding, range, failure);
	vas_region_settled(region, VAS_REGION_PARKED);
	return err;
}
