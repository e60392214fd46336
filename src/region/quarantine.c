/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quarantine: a freed block is used again only when nobody can look at it any more.
 *
 * WHAT FOR. Readers without locks follow pointers to blocks that other threads free meanwhile. What they
 * see may be old, but must not be somebody else's.
 *
 * STRATEGY. Epochs (Fraser, Practical lock-freedom, 2004), counted by the frees. A thread that enters
 * notes the epoch, and clears that when it leaves. A free stamps its block with the epoch and counts it
 * up; who notes a later one entered after the free and cannot find the block any more. So the block has been
 * passed when each thread is outside or has noted a later epoch. Addresses and contents stay as they
 * were until then. Blocks wait in the order of their frees, and frees and allocations move a few of them on.
 *
 * The same queue delays addresses in debug mode; their memory is gone already then.
 *
 * When a region is split the queue is divided, and merged again by stamps: both sides have the same readers.
 *
 * CONCURRENCY. The region's lock; of both regions when they are split or merged. A free's count-up is a full
 * fence, and so is entering: of a thread that enters and a free at the same time at least one sees the other.
 *
 * WHAT IT DOES NOT DO. It does not know threads: readers.c does.
 */
#include "region/quarantine.h"

#include <errno.h>

#include "base/assert.h"
#include "region/region.h"

#define STUCK_LIMIT   64u /* looks that find a thread in the way before the kernel is asked about it */
#define DELAY_COUNT   4096u /* blocks that delay keeps at most */
#define WORD_START    0 /* of a record: where the block starts */
#define WORD_STAMP    1 /* the epoch it was freed in */

bool vas_quarantine_is_on(const struct vas_region *region)
{
	return (region->flags & (VAS_REGION_QUARANTINE | VAS_REGION_DELAY)) != 0;
}

/* --- the queue --- */

/* Last of all. Its record is one of the region's. Lock held. */
static void queue_append(struct vas_quarantine *quarantine, struct vas_region *region,
			 uint32_t number, uint64_t size)
{
	vas_record_get(region, number)->next = 0;
	if (quarantine->last)
		vas_record_get(region, quarantine->last)->next = number;
	else
		quarantine->first = number;
	quarantine->last = number;
	quarantine->count++;
	quarantine->bytes += size;
}

void vas_quarantine_put(struct vas_region *region, const struct vas_block_info *info)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	uint32_t number = vas_mark_record(info->mark);
	struct vas_record *record = vas_record_get(region, number);

	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	record->words[WORD_START] = info->span.start;
	/* A full fence: what the caller unlinked before is seen by whoever is not seen below. */
	record->words[WORD_STAMP] = __atomic_fetch_add(&quarantine->readers->epoch, 1, __ATOMIC_SEQ_CST);
	queue_append(quarantine, region, number, info->span.size);
	vas_block_mark(region, info->span.start, vas_mark_with(info->mark, VAS_MARK_WAITING));
}

/* Back to the front. Lock held. */
static void queue_return(struct vas_region *region, const struct vas_block_info *info)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	uint32_t number = vas_mark_record(info->mark);

	vas_record_get(region, number)->next = quarantine->first;
	quarantine->first = number;
	if (!quarantine->last)
		quarantine->last = number;
	quarantine->count++;
	quarantine->bytes += info->span.size;
	vas_block_mark(region, info->span.start, vas_mark_with(info->mark, VAS_MARK_WAITING));
}

static bool delay_is_over(const struct vas_region *region)
{
	const struct vas_quarantine *quarantine = &region->quarantine;

	return !(region->flags & VAS_REGION_DELAY) || quarantine->count > DELAY_COUNT ||
	       quarantine->bytes > region->span.size / 4;
}

/* Takes the first block off the queue if it has waited long enough. Lock held. */
static bool queue_next(struct vas_region *region, bool all, struct vas_block_info *info)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	uint64_t stamp, seen;
	struct vas_record *record;

	if (!quarantine->first || !(all || delay_is_over(region)))
		return false;
	record = vas_record_get(region, quarantine->first);
	stamp = record->words[WORD_STAMP];
	if (stamp >= quarantine->horizon) {
		/* Read before the threads are: who enters later notes no lower one. */
		seen = __atomic_load_n(&quarantine->readers->epoch, __ATOMIC_SEQ_CST);
		quarantine->horizon = vas_readers_horizon(quarantine->readers);
		if (quarantine->horizon > seen)
			quarantine->horizon = seen;
	}
	if (stamp >= quarantine->horizon) {
		quarantine->stuck++;
		return false;
	}
	quarantine->stuck = 0;
	(void)vas_blocks_at(region->blocks, record->words[WORD_START], info);
	VAS_ASSERT(info->live && vas_mark_is(info->mark, VAS_MARK_WAITING));
	quarantine->first = record->next;
	if (!quarantine->first)
		quarantine->last = 0;
	record->next = 0;
	quarantine->count--;
	quarantine->bytes -= info->span.size;
	return true;
}

/* A block that nobody can look at goes. Lock held; not after. False: not possible just now. */
static bool block_pass(struct vas_region *region, const struct vas_block_info *info)
{
	struct vas_failure failure;

	if (!(info->mark & VAS_MARK_PROMISED)) {
		vas_block_drop(region, info->span.start);
		vas_region_unlock(region);
		return true;
	}
	if (vas_region_pin(region, &failure)) {
		queue_return(region, info);
		vas_region_unlock(region);
		return false;
	}
	region->unfinished++;
	vas_block_mark(region, info->span.start, vas_mark_with(info->mark, VAS_MARK_FREEING));
	if (vas_block_retire(region, info->span, &failure, NULL) == 0)
		return true;
	/* In a notice. */
	vas_lock_take(&region->lock);
	region->unfinished--;
	queue_return(region, info);
	vas_region_unlock(region);
	return false;
}

/* Those that are in the way and are gone. No lock. */
static void queue_unstick(struct vas_region *region)
{
	uint64_t horizon;

	vas_lock_take(&region->lock);
	horizon = region->quarantine.horizon;
	region->quarantine.stuck = 0;
	vas_region_unlock(region);
	vas_readers_bury(region->quarantine.readers, horizon);
}

uint64_t vas_quarantine_advance(struct vas_region *region, uint32_t limit, bool all)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	struct vas_block_info info;
	struct vas_failure failure;
	bool buried = false, next;
	uint64_t got = 0;

	while (limit) {
		if (vas_region_lock(region, &failure))
			break;
		next = queue_next(region, all, &info);
		if (next) {
			if (!block_pass(region, &info))
				break;
			got += info.span.size;
			limit--;
			continue;
		}
		next = quarantine->first && quarantine->stuck >= (all ? 1 : STUCK_LIMIT);
		vas_region_unlock(region);
		if (!next || buried)
			break;
		queue_unstick(region);
		buried = true;
	}
	return got;
}

/* --- regions that are split and merged --- */

/* Nothing waits in it; who is asked for, and how long it was stuck, is found out anew. */
static void queue_clear(struct vas_quarantine *quarantine)
{
	*quarantine = (struct vas_quarantine){ .readers = quarantine->readers };
}

void vas_quarantine_divide(struct vas_region *lower, struct vas_region *upper)
{
	uint32_t number = lower->quarantine.first, next;
	struct vas_block_info info;
	struct vas_region *side;
	uint64_t start;

	queue_clear(&lower->quarantine);
	for (; number; number = next) {
		next = vas_record_get(lower, number)->next;
		start = vas_record_get(lower, number)->words[WORD_START];
		side = start < upper->span.start ? lower : upper;
		(void)vas_blocks_at(side->blocks, start, &info);
		VAS_ASSERT(info.live && vas_mark_is(info.mark, VAS_MARK_WAITING));
		queue_append(&side->quarantine, lower, number, info.span.size);
	}
}

static uint32_t number_now(const struct vas_region *before, uint32_t number)
{
	return number ? (uint32_t)vas_record_get(before, number)->words[VAS_RECORD_MOVED] : 0;
}

void vas_quarantine_renumber(struct vas_quarantine *quarantine, struct vas_region *region,
			     const struct vas_region *before)
{
	struct vas_record *record;

	quarantine->first = number_now(before, quarantine->first);
	quarantine->last = number_now(before, quarantine->last);
	for (uint32_t number = quarantine->first; number; number = record->next) {
		record = vas_record_get(region, number);
		record->next = number_now(before, record->next);
	}
}

static uint64_t stamp_of(const struct vas_region *region, uint32_t number)
{
	return number ? vas_record_get(region, number)->words[WORD_STAMP] : UINT64_MAX;
}

void vas_quarantine_unite(struct vas_region *lower, struct vas_region *upper)
{
	struct vas_quarantine *queue = &lower->quarantine;
	uint32_t one = queue->first, other = upper->quarantine.first, number, *least;
	struct vas_block_info info;
	struct vas_record *record;
	uint64_t epoch;

	if (!queue->readers)
		return;
	/* Without threads they may be of two regions that were never one. */
	epoch = __atomic_load_n(&upper->quarantine.readers->epoch, __ATOMIC_SEQ_CST);
	if (epoch > __atomic_load_n(&queue->readers->epoch, __ATOMIC_SEQ_CST))
		__atomic_store_n(&queue->readers->epoch, epoch, __ATOMIC_SEQ_CST);
	queue_clear(queue);
	while (one || other) {
		least = stamp_of(lower, one) <= stamp_of(lower, other) ? &one : &other;
		record = vas_record_get(lower, *least);
		(void)vas_blocks_at(lower->blocks, record->words[WORD_START], &info);
		VAS_ASSERT(info.live && vas_mark_is(info.mark, VAS_MARK_WAITING));
		number = *least;
		*least = record->next;
		queue_append(queue, lower, number, info.span.size);
	}
}

bool vas_quarantine_check(const struct vas_region *region)
{
	const struct vas_quarantine *quarantine = &region->quarantine;
	uint32_t number = quarantine->first, last = 0, count = 0;
	struct vas_block_info info;
	uint64_t bytes = 0;

	while (number && count <= quarantine->count) {
		const struct vas_record *record = vas_record_get(region, number);

		if (vas_blocks_at(region->blocks, record->words[WORD_START], &info) ||
		    info.span.start != record->words[WORD_START] ||
		    !vas_mark_is(info.mark, VAS_MARK_WAITING) || vas_mark_record(info.mark) != number ||
		    record->words[WORD_STAMP] >= quarantine->readers->epoch)
			return false;
		bytes += info.span.size;
		count++;
		last = number;
		number = record->next;
	}
	return count == quarantine->count && bytes == quarantine->bytes && last == quarantine->last;
}
