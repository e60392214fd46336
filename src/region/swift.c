/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short ways: taking and freeing blocks without the region's lock.
 *
 * WHAT FOR. What most calls ask for, by threads that do not wait for each other.
 *
 * STRATEGY. Behind the gate of one's shard a block without memory is had from the allocator and given back to it,
 * which needs no lock; and warm blocks come from the shard's tray and go there. A block with memory that is freed
 * becomes FREEING; what follows needs no gate (vas_block_free_seized). Whatever is
 * out of the ordinary is left to the long way (block.c), which also tells what is wrong with an address: here, no
 * call fails but for lack of room.
 *
 * CONCURRENCY. What two calls do to one block is decided by the allocator: of several that claim a block, one
 * wins.
 *
 * WHAT IT DOES NOT DO. No tags, and nothing in regions whose blocks wait or are filled.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "region/region.h"
#include "region/tray.h"

#define LOOSE_WARM (VAS_MARK_LIVE | VAS_MARK_PROMISED | VAS_MARK_PLAIN) /* to become warm */

/* It was tried to take a block. */
static inline void place_end(struct vas_shard *shard, uint64_t size, int err)
{
	if (__builtin_expect(err == 0, 1)) {
		vas_shard_add(&shard->allocs, 1);
		vas_shard_add(&shard->used, size);
	}
	vas_shard_leave(shard);
}

VAS_HOT bool vas_swift_size(struct vas_region *region, uint64_t size, uint64_t *start, int *err)
{
	struct vas_shard *shard = vas_shard_enter(region);

	if (__builtin_expect(!shard, 0))
		return false;
	*err = vas_blocks_alloc_size(region->blocks, size, VAS_MARK_LIVE, start);
	place_end(shard, size, *err);
	return true;
}

VAS_HOT bool vas_swift_place(struct vas_region *region, const struct vas_block_request *request,
			     uint64_t *start, int *err)
{
	struct vas_shard *shard = vas_shard_enter(region);

	if (__builtin_expect(!shard, 0))
		return false;
	*err = vas_blocks_alloc(region->blocks, request, start);
	place_end(shard, request->size, *err);
	return true;
}

VAS_HOT bool vas_swift_warm(struct vas_region *region, uint64_t size,
			    const struct vas_alloc_opts *opts, uint64_t *start)
{
	struct vas_shard *shard = vas_shard_enter(region);
	bool found;
	int err;

	if (__builtin_expect(!shard, 0))
		return false;
	found = vas_tray_take(region, shard, size, opts, start);
	if (found) {
		err = vas_blocks_mark(region->blocks, *start, NULL, LOOSE_WARM);
		VAS_ASSERT(err == 0);
		vas_shard_add(&shard->allocs, 1);
		vas_shard_add(&shard->used, size);
		vas_shard_add(&shard->warm_hits, 1);
	}
	vas_shard_leave(shard);
	return found;
}

/* --- free --- */

/* Into the tray, or whereto the cache says; or not. *done: it is there. False: there is no use for the block. */
static inline bool free_warm(struct vas_region *region, struct vas_shard *shard,
			     const struct vas_block_claim *claim, bool *done)
{
	const struct vas_block_info *info = &claim->info;

	*done = false;
	if (!(info->mark & VAS_MARK_PLAIN) || !vas_cache_admits(region, info->span.size))
		return false;
	*done = vas_tray_admits(shard, info->span.size);
	vas_blocks_claim_mark(region->blocks, claim,
			      *done ? VAS_MARK_WARM | VAS_MARK_PROMISED : info->mark);
	if (*done)
		vas_tray_put(shard, info->span);
	return true;
}

/* Its memory will be given back: it is FREEING, and pinned. False: not now. */
static inline bool free_seize(struct vas_region *region, struct vas_shard *shard,
			      const struct vas_block_claim *claim)
{
	uint32_t mark = claim->info.mark;
	bool pinned = __builtin_expect(__atomic_load_n(&region->splitters, __ATOMIC_RELAXED) == 0, 1) &&
		      vas_part_pin_used_now(region->space, &region->user);

	vas_blocks_claim_mark(region->blocks, claim,
			      pinned ? vas_mark_with(mark, VAS_MARK_FREEING) : mark);
	if (pinned)
		__atomic_store_n(&shard->seized, shard->seized + 1, __ATOMIC_RELAXED);
	return pinned;
}

/* What becomes of a block that was claimed. */
static inline enum vas_swift free_claimed(struct vas_region *region, struct vas_shard *shard,
					  const struct vas_block_claim *claim,
					  enum vas_retired *state)
{
	bool done;

	if (__builtin_expect(claim->info.mark == VAS_MARK_LIVE, 1)) {
		vas_blocks_claim_free(region->blocks, claim);
		*state = VAS_RETIRED_GONE;
		return VAS_SWIFT_DONE;
	}
	*state = VAS_RETIRED_WARM;
	if (free_warm(region, shard, claim, &done))
		return done ? VAS_SWIFT_DONE : VAS_SWIFT_NOT;
	return free_seize(region, shard, claim) ? VAS_SWIFT_SEIZED : VAS_SWIFT_NOT;
}

VAS_HOT enum vas_swift vas_swift_free(struct vas_region *region, uint64_t start,
				      enum vas_retired *state, struct vas_block_info *info)
{
	struct vas_shard *shard = vas_shard_enter(region);
	enum vas_swift way = VAS_SWIFT_NOT;
	struct vas_block_claim claim;

	info->mark = 0;
	if (__builtin_expect(!shard, 0))
		return VAS_SWIFT_NOT;
	/* If there is memory in it, that is known elsewhere; let it come while the block is looked up. */
	vas_part_foresee(region->user.holding, start);
	/* Who has a record may have a tag to be compared. */
	if (__builtin_expect(vas_blocks_claim(region->blocks, start, VAS_MARK_LIVE,
					      VAS_MARK_PROMISED | VAS_MARK_PLAIN, &claim) == 0, 1)) {
		way = free_claimed(region, shard, &claim, state);
		*info = claim.info;
	}
	if (__builtin_expect(way != VAS_SWIFT_NOT, 1)) {
		vas_shard_add(&shard->frees, 1);
		vas_shard_add(&shard->used, -info->span.size);
	}
	vas_shard_leave(shard);
	return way;
}
