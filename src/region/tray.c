/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trays of warm blocks.
 *
 * WHAT FOR. A thread that frees a block and allocates one of the same size next should meet nobody.
 *
 * STRATEGY. A tray is a part of the cache that is lent to a shard: so many blocks, so many bytes. Nodes for its blocks
 * are set aside in the cache, so that they can come back at any time without memory; until then they need none. What
 * is lent counts as used up, so the cache never keeps more than it may.
 *
 * A full tray is emptied into the cache as a whole, in the order of the frees. So for one thread the two together
 * are one stack: the block that was freed last is found first, and the oldest one leaves first.
 *
 * Whoever looks for one certain warm block, or for the oldest, or wants to know that there are none,
 * gathers all trays first. As only who holds the region's lock grants, they stay empty until it is dropped.
 *
 * CONCURRENCY. Behind a shard's gate, or with the region's lock held and that gate shut.
 *
 * WHAT IT DOES NOT DO. It does not fill a tray from the cache.
 */
#include "region/tray.h"

#include <string.h>

#include "base/assert.h"
#include "base/hot.h"
#include "region/region.h"

#define PART 4u /* of the cache is lent to one shard at most */

VAS_HOT bool vas_tray_take(const struct vas_region *region, struct vas_shard *shard, uint64_t size,
			   const struct vas_alloc_opts *opts, uint64_t *start)
{
	for (uint32_t i = shard->count; i-- > 0;) {
		struct vas_span span = shard->tray[i];

		if (span.size != size || !vas_cache_suits(region, span, opts))
			continue;
		shard->count--;
		memmove(&shard->tray[i], &shard->tray[i + 1],
			(shard->count - i) * sizeof(shard->tray[0]));
		vas_shard_add(&shard->tray_bytes, -size);
		shard->tray_left += size;
		*start = span.start;
		return true;
	}
	return false;
}

/* What is in it goes into the cache. */
static void tray_gather(struct vas_region *region, struct vas_shard *shard)
{
	struct vas_cache *cache = &region->cache;
	bool kept;

	/* Only written with the lock held. */
	if (!shard->room)
		return;
	vas_shard_shut(region, shard);
	cache->aside -= shard->room;
	cache->granted -= shard->tray_bytes + shard->tray_left;
	for (uint32_t i = 0; i < shard->count; i++) {
		kept = vas_cache_put(region, shard->tray[i]);
		VAS_ASSERT(kept);
	}
	shard->count = 0;
	shard->room = 0;
	shard->tray_left = 0;
	vas_shard_add(&shard->tray_bytes, -shard->tray_bytes);
	vas_shard_open(region);
}

void vas_trays_gather(struct vas_region *region)
{
	struct vas_shard *shard = vas_shards_first(&region->shards);

	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	for (; region->cache.aside && shard; shard = shard->next)
		tray_gather(region, shard);
}

/* The tray is empty. */
static void tray_grant(struct vas_region *region, struct vas_shard *shard)
{
	struct vas_cache *cache = &region->cache;
	uint64_t taken = cache->bytes + cache->granted, bytes = region->cache_bytes / PART;
	uint32_t room = cache->spares - cache->aside;

	if (taken >= region->cache_bytes || room == 0)
		return;
	if (bytes > (region->cache_bytes - taken) / 2)
		bytes = (region->cache_bytes - taken) / 2;
	if (room > VAS_SHARD_WARM)
		room = VAS_SHARD_WARM;
	vas_shard_shut(region, shard);
	shard->room = (uint16_t)room;
	shard->tray_left = bytes;
	vas_shard_open(region);
	cache->aside += room;
	cache->granted += bytes;
}

void vas_tray_renew(struct vas_region *region)
{
	struct vas_shard *shard = vas_shards_own(&region->shards);

	/* An empty one that did not take the block would not take it next time. */
	if (!shard || (shard->room && __atomic_load_n(&shard->tray_bytes, __ATOMIC_RELAXED) == 0))
		return;
	tray_gather(region, shard);
	tray_grant(region, shard);
}

/* From one tray. Lock held. */
static bool tray_take(struct vas_region *region, struct vas_shard *shard, uint64_t size,
		      const struct vas_alloc_opts *opts, uint64_t *start)
{
	bool found;

	if (__atomic_load_n(&shard->tray_bytes, __ATOMIC_RELAXED) < size)
		return false;
	vas_shard_shut(region, shard);
	found = vas_tray_take(region, shard, size, opts, start);
	vas_shard_open(region);
	return found;
}

bool vas_trays_take_own(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
			uint64_t *start)
{
	struct vas_shard *shard = region->cache.aside ? vas_shards_own(&region->shards) : NULL;

	return shard && tray_take(region, shard, size, opts, start);
}

bool vas_trays_take(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    uint64_t *start)
{
	struct vas_shard *shard = vas_shards_first(&region->shards);

	for (; region->cache.aside && shard; shard = shard->next)
		if (tray_take(region, shard, size, opts, start))
			return true;
	return false;
}
