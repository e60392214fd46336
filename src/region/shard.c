/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shards.
 *
 * WHAT FOR. Taking a block and giving it back take less time than two processors need to hand a lock to
 * each other, so one lock for a region makes two threads slower than one.
 *
 * STRATEGY. The block allocator needs no lock of ours. What a region adds to it on the short way is
 * counting, and looking that the region is there and at work; both are done behind a gate of which each slot has
 * its own. In general nobody else wants it. Who is stopped behind a gate and is in the way of another
 * thread with the same number delays nobody: that one goes the long way, under the region's lock.
 *
 * What two threads do to one block is decided by its mark, or by the allocator: of two frees one wins. On the short way
 * only blocks are touched whose marks are loose: LIVE, with no record; or which lie in the shard's own tray.
 * So with the region's lock held a block with any other mark is left alone by all others, and one of
 * these is seized first, by giving it another mark (vas_block_seize).
 *
 * CONCURRENCY. The list of shards and by_slot grow under the region's lock and are read without it. Gates are shut
 * with the lock held; by fork also while the lock is lent, hence the count.
 *
 * WHAT IT DOES NOT DO. A thread that never allocates in a region gets no shard there, for a free must not need memory:
 * it goes the long way. Shards stay until the region goes.
 */
#include "region/shard.h"

#include "base/assert.h"
#include "region/region.h"

void vas_shards_init(struct vas_region *region)
{
	region->shards.wanted =
		!(region->flags & (VAS_REGION_QUARANTINE | VAS_REGION_DELAY | VAS_REGION_FILL));
	region->shards.place = vas_slot_place();
}

void vas_shard_make(struct vas_region *region)
{
	struct vas_shards *shards = &region->shards;
	struct vas_shard *shard;
	uint32_t slot;
	void *memory;

	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	/* One that is made while gates are shut would not be. */
	if (!shards->wanted || vas_shards_own(shards) ||
	    __atomic_load_n(&shards->shut, __ATOMIC_RELAXED))
		return;
	vas_slot_own();
	slot = vas_shards_slot(shards);
	if (shards->by_slot[slot] || vas_region_take(region->space, sizeof(*shard), &memory))
		return;
	shard = memory;
	shard->next = shards->first;
	__atomic_store_n(&shards->first, shard, __ATOMIC_RELEASE);
	__atomic_store_n(&shards->by_slot[slot], shard, __ATOMIC_RELEASE);
}

/* --- all gates --- */

static void gates_shut(struct vas_region *region)
{
	if (__atomic_fetch_add(&region->shards.shut, 1, __ATOMIC_SEQ_CST) > 0)
		return;
	for (struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next)
		vas_gate_shut(&shard->gate);
}

static void gates_open(struct vas_region *region)
{
	if (__atomic_sub_fetch(&region->shards.shut, 1, __ATOMIC_SEQ_CST) > 0)
		return;
	for (struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next)
		vas_gate_open(&shard->gate);
}

void vas_shards_shut(struct vas_region *region)
{
	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	gates_shut(region);
}

void vas_shards_open(struct vas_region *region)
{
	gates_open(region);
}

void vas_shard_shut(struct vas_region *region, struct vas_shard *shard)
{
	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	if (__atomic_fetch_add(&region->shards.shut, 1, __ATOMIC_SEQ_CST) == 0)
		vas_gate_shut(&shard->gate);
}

void vas_shard_open(struct vas_region *region)
{
	gates_open(region);
}

/* --- fork --- */

void vas_shards_fork_prepare(struct vas_region *region)
{
	if (region->shards.forking)
		return;
	region->shards.forking = true;
	gates_shut(region);
}

bool vas_shards_fork_quiet(const struct vas_region *region)
{
	for (const struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next)
		if (!vas_gate_is_shut(&shard->gate))
			return false;
	return true;
}

void vas_shards_fork_parent(struct vas_region *region)
{
	if (!region->shards.forking)
		return;
	region->shards.forking = false;
	gates_open(region);
}

void vas_shards_fork_child(struct vas_region *region)
{
	region->shards.forking = false;
	region->shards.shut = 0;
	for (struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next)
		vas_gate_reset(&shard->gate);
}

/* --- sums --- */

static uint64_t sum_of(const uint64_t *sum)
{
	return __atomic_load_n(sum, __ATOMIC_RELAXED);
}

struct vas_shard_sums vas_shards_sum(const struct vas_region *region)
{
	struct vas_shard_sums sums = { 0 };

	for (const struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next) {
		sums.used += sum_of(&shard->used);
		sums.allocs += sum_of(&shard->allocs);
		sums.frees += sum_of(&shard->frees);
		sums.warm_hits += sum_of(&shard->warm_hits);
		sums.warm += sum_of(&shard->tray_bytes);
		sums.seized += __atomic_load_n(&shard->seized, __ATOMIC_RELAXED);
		sums.books += sizeof(*shard);
	}
	sums.live = sums.allocs - sums.frees;
	return sums;
}

void vas_shards_fold(struct vas_region *region)
{
	struct vas_shard_sums sums = vas_shards_sum(region);

	region->live += sums.live;
	region->used += sums.used;
	region->allocs += sums.allocs;
	region->frees += sums.frees;
	region->warm_hits += sums.warm_hits;
	region->unfinished += sums.seized;
	for (struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next) {
		shard->used = 0;
		shard->allocs = 0;
		shard->frees = 0;
		shard->warm_hits = 0;
		shard->seized = 0;
	}
}

void vas_shards_free(struct vas_region *region)
{
	struct vas_shard *shard = region->shards.first, *next;

	for (; shard; shard = next) {
		next = shard->next;
		vas_region_give(region->space, shard, sizeof(*shard));
	}
	region->shards.first = NULL;
}

/* One tray. */
static bool tray_check(struct vas_region *region, const struct vas_shard *shard)
{
	struct vas_block_info info;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < shard->count; i++) {
		if (vas_blocks_at(region->blocks, shard->tray[i].start, &info) ||
		    info.span.start != shard->tray[i].start ||
		    info.span.size != shard->tray[i].size ||
		    info.mark != (VAS_MARK_WARM | VAS_MARK_PROMISED))
			return false;
		bytes += info.span.size;
	}
	return shard->count <= shard->room && shard->room <= VAS_SHARD_WARM &&
	       bytes == shard->tray_bytes;
}

bool vas_shards_check(struct vas_region *region)
{
	uint64_t granted = 0, aside = 0;

	for (const struct vas_shard *shard = vas_shards_first(&region->shards); shard; shard = shard->next) {
		if (!tray_check(region, shard))
			return false;
		granted += shard->room ? shard->tray_bytes + shard->tray_left : 0;
		aside += shard->room;
	}
	return granted == region->cache.granted && aside == region->cache.aside;
}
