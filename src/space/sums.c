/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums over one holding.
 *
 * WHAT FOR. Regions tell their statistics and hold their caps from what the extents say.
 *
 * STRATEGY. The extents keep sums by state; only a range is walked.
 *
 * CONCURRENCY. The holding's lock; true at that moment.
 *
 * WHAT IT DOES NOT DO. It does not pin.
 */
#include "space/sums.h"

#include "space/part_work.h"

void vas_part_sum(struct vas_holding *holding, struct vas_part_sums *sums)
{
	const struct vas_extents *extents = &holding->extents;

	vas_lock_take(&holding->lock);
	sums->committed = vas_extents_bytes(extents);
	sums->guarded = extents->bytes[VAS_PART_GUARDED];
	sums->emptied = extents->bytes[VAS_PART_EMPTIED];
	sums->held = extents->bytes[VAS_PART_HELD];
	sums->runs = vas_extents_runs(extents, holding->span);
	vas_lock_drop(&holding->lock);
}

uint64_t vas_part_uncommitted(struct vas_holding *holding, struct vas_span range)
{
	uint64_t position = range.start, bytes = 0;
	struct vas_span hole;

	vas_lock_take(&holding->lock);
	while (vas_extents_hole(&holding->extents, &position, range.start + range.size, &hole))
		bytes += hole.size;
	vas_lock_drop(&holding->lock);
	return bytes;
}

uint64_t vas_part_set_shown(struct vas_space *space, struct vas_holding *holding, uint64_t bytes)
{
	uint64_t generation, more;

	vas_lock_take(&holding->lock);
	more = bytes - holding->shown;
	holding->shown = bytes;
	vas_part_tally(space, holding, more, 0);
	generation = __atomic_load_n(&holding->generation, __ATOMIC_RELAXED) + 1;
	__atomic_store_n(&holding->generation, generation, __ATOMIC_RELEASE);
	vas_lock_drop(&holding->lock);
	return generation;
}
