/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short ways: taking and freeing blocks without the region's lock.
 *
 * WHAT FOR. What most calls ask for, by threads that do not wait for each other.
 *
 * STRATEGY. Behind the gate of one's shard a block without memory is had from the allocator and given back to it,
 * which needs no lock; and warm blocks come from the shard's tray and go there. Whatever is
 * out of the ordinary is left to the long way (block.c), which also tells what is wrong with an address: here, no
 * call fails but for lack of room.
 *
 * CONCURRENCY. What two calls do to one block is decided by the allocator: of frees that expect a mark, and changes of
 * a mark that is expected, one wins.
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

/* Into the tray. */
static bool free_warm(struct vas_region *region, struct vas_shard *shard, struct vas_span span)
{
	struct vas_block_info info;
	int err;

	if (!vas_tray_admits(shard, span.size) || !vas_cache_admits(region, span.size) ||
	    vas_blocks_swap(region->blocks, span.start, LOOSE_WARM,
			    VAS_MARK_WARM | VAS_MARK_PROMISED, &info))
		return false;
	if (__builtin_expect(info.span.size == span.size, 1)) {
		vas_tray_put(shard, span);
		return true;
	}
	/* Another block by now, of the caller of two frees. */
	err = vas_blocks_mark(region->blocks, span.start, NULL, LOOSE_WARM);
	VAS_ASSERT(err == 0);
	return false;
}

VAS_HOT bool vas_swift_free(struct vas_region *region, uint64_t start, enum vas_retired *state,
			    uint32_t *seen)
{
	struct vas_shard *shard = vas_shard_enter(region);
	struct vas_block_info info;
	bool done = false;
	int err;

	*seen = 0;
	if (__builtin_expect(!shard, 0))
		return false;
	err = vas_blocks_free_marked(region->blocks, start, VAS_MARK_LIVE, &info);
	if (err == 0) {
		done = true;
		*state = VAS_RETIRED_GONE;
	} else if (err == -EBUSY && info.mark == LOOSE_WARM && info.span.start == start) {
		done = free_warm(region, shard, info.span);
		*state = VAS_RETIRED_WARM;
	}
	/* Who has a record may have a tag to be compared, or wait. */
	if (err == -EBUSY && vas_mark_is(info.mark, VAS_MARK_LIVE) &&
	    !vas_mark_record(info.mark) && info.span.start == start)
		*seen = info.mark;
	if (__builtin_expect(done, 1)) {
		vas_shard_add(&shard->frees, 1);
		vas_shard_add(&shard->used, -info.span.size);
	}
	vas_shard_leave(shard);
	return done;
}
