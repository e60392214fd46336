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
#include "base/assert.h"
#include "base/hot.h"
#include "region/region.h"
#include "region/request.h"
#include "region/tray.h"

#define LOOSE_WARM (VAS_MARK_LIVE | VAS_MARK_PROMISED | VAS_MARK_PLAIN) /* to become warm */

/* Behind the calling thread's gate, in a region that is LIVE; NULL: not now. leave: out of it. */
static inline struct vas_shard *swift_enter(struct vas_region *region)
{
	struct vas_shard *shard = vas_shards_own(&region->shards);

	if (__builtin_expect(!shard, 0) || vas_books_are_lost(region->alive, region->era) ||
	    __builtin_expect(!vas_gate_enter(&shard->gate), 0))
		return NULL;
	if (__builtin_expect(region->state == VAS_REGION_LIVE, 1) &&
	    __builtin_expect(__atomic_load_n(&region->orphans, __ATOMIC_RELAXED) == 0, 1))
		return shard;
	vas_gate_leave(&shard->gate);
	return NULL;
}

static inline void swift_leave(struct vas_shard *shard)
{
	vas_gate_leave(&shard->gate);
}

/* --- alloc --- */

static inline void count_alloc(struct vas_shard *shard, uint64_t size)
{
	vas_shard_add(&shard->allocs, 1);
	vas_shard_add(&shard->used, size);
}

static inline bool alloc_warm(struct vas_region *region, uint64_t size,
			      const struct vas_alloc_opts *opts, uint64_t *start)
{
	struct vas_shard *shard = swift_enter(region);
	bool found;
	int err;

	if (__builtin_expect(!shard, 0))
		return false;
	found = vas_tray_take(region, shard, size, opts, start);
	if (found) {
		err = vas_blocks_mark(region->blocks, *start, NULL, LOOSE_WARM);
		VAS_ASSERT(err == 0);
		count_alloc(shard, size);
		vas_shard_add(&shard->warm_hits, 1);
	}
	swift_leave(shard);
	return found;
}

/* It was tried to take a block without memory; err is what it came to. */
static inline int alloc_end(struct vas_shard *shard, uint64_t start, uint64_t size, int err,
			    struct vas_block *block)
{
	if (__builtin_expect(err == 0, 1)) {
		count_alloc(shard, size);
		*block = (struct vas_block){ (void *)(uintptr_t)start, size, 0, 0 };
	}
	swift_leave(shard);
	return err;
}

/* A block without memory, wherever opts want it. */
static inline int alloc_placed(struct vas_region *region, uint64_t size,
			       const struct vas_alloc_opts *opts, struct vas_block *block)
{
	struct vas_block_request request;
	struct vas_shard *shard;
	uint64_t start = 0;
	int err;

	/* Who says where to look for a place is to find all that is free. */
	if ((opts->flags & VAS_REQUEST_PLACES) && vas_leaving_count(&region->leaving))
		return VAS_SWIFT_LONG;
	(void)vas_block_request_build(region, size, opts, &request);
	shard = swift_enter(region);
	if (__builtin_expect(!shard, 0))
		return VAS_SWIFT_LONG;
	err = vas_blocks_alloc(region->blocks, &request, &start);
	return alloc_end(shard, start, size, err, block);
}

/* With options that say something. Out of line, as most calls have none. */
static VAS_HOT __attribute__((noinline)) int alloc_other(struct vas_region *region, uint64_t size,
							 const struct vas_alloc_opts *opts,
							 struct vas_block *block)
{
	static const struct vas_alloc_opts none = { .size = sizeof(none) };
	uint64_t whole, start;

	if (!opts)
		opts = &none;
	if (opts->tag || opts->commit || (opts->flags & ~VAS_ALLOC_ALL) ||
	    !vas_block_request_size(region, size, &whole))
		return VAS_SWIFT_LONG;
	if (!(opts->flags & VAS_ALLOC_COMMIT))
		return alloc_placed(region, whole, opts, block);
	if ((opts->flags & VAS_REQUEST_PLACES) || opts->address ||
	    !alloc_warm(region, whole, opts, &start))
		return VAS_SWIFT_LONG;
	vas_block_warm_finish(region, (struct vas_span){ start, whole }, opts, block);
	return 0;
}

/* Whether options say no more than none. */
static inline bool opts_are_plain(const struct vas_region *region,
				  const struct vas_alloc_opts *opts)
{
	return ((opts->alignment & ~region->granule) | opts->phase | opts->min | opts->max |
		opts->boundary | (uintptr_t)opts->address | opts->flags | opts->tag |
		(uintptr_t)opts->commit) == 0;
}

VAS_HOT int vas_swift_alloc(struct vas_region *region, uint64_t size,
			    const struct vas_alloc_opts *opts, struct vas_block *block)
{
	struct vas_shard *shard;
	uint64_t whole, start = 0;
	int err;

	if ((opts && !opts_are_plain(region, opts)) ||
	    __builtin_expect(!vas_block_request_size(region, size, &whole), 0) ||
	    __builtin_expect(region->flags & VAS_REGION_RED_ZONES, 0))
		return alloc_other(region, size, opts, block);
	shard = swift_enter(region);
	if (__builtin_expect(!shard, 0))
		return VAS_SWIFT_LONG;
	err = vas_blocks_alloc_size(region->blocks, whole, VAS_MARK_LIVE, &start);
	return alloc_end(shard, start, whole, err, block);
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

static inline void count_free(struct vas_shard *shard, uint64_t size)
{
	vas_shard_add(&shard->frees, 1);
	vas_shard_add(&shard->used, -size);
}

/* What was not freed at once: it was claimed, or err. */
static VAS_HOT __attribute__((noinline)) enum vas_swift
free_claimed(struct vas_region *region, struct vas_shard *shard,
	     const struct vas_block_claim *claim, int err, enum vas_retired *state,
	     struct vas_block_info *info)
{
	enum vas_swift way = VAS_SWIFT_NOT;
	bool done;

	info->mark = 0;
	if (__builtin_expect(err == VAS_BLOCKS_CLAIMED, 1)) {
		*info = claim->info;
		*state = VAS_RETIRED_WARM;
		if (free_warm(region, shard, claim, &done))
			way = done ? VAS_SWIFT_DONE : VAS_SWIFT_NOT;
		else
			way = free_seize(region, shard, claim) ? VAS_SWIFT_SEIZED : VAS_SWIFT_NOT;
	}
	if (__builtin_expect(way != VAS_SWIFT_NOT, 1))
		count_free(shard, info->span.size);
	swift_leave(shard);
	return way;
}

VAS_HOT enum vas_swift vas_swift_free(struct vas_region *region, uint64_t start,
				      enum vas_retired *state, struct vas_block_info *info)
{
	struct vas_shard *shard = swift_enter(region);
	struct vas_block_claim claim;
	int err;

	if (__builtin_expect(!shard, 0)) {
		info->mark = 0;
		return VAS_SWIFT_NOT;
	}
	/* If there is memory in it, that is known elsewhere; let it come while the block is looked up. */
	vas_part_foresee(region->user.holding, start);
	/* Who has a record may have a tag to be compared. */
	err = vas_blocks_free_or_claim(region->blocks, start, VAS_MARK_LIVE,
				       VAS_MARK_PROMISED | VAS_MARK_PLAIN, &claim);
	if (__builtin_expect(err, 0))
		return free_claimed(region, shard, &claim, err, state, info);
	count_free(shard, claim.info.span.size);
	swift_leave(shard);
	*state = VAS_RETIRED_GONE;
	return VAS_SWIFT_DONE;
}
