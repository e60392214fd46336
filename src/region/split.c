/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions: two of one, and one of two.
 *
 * WHAT FOR. A part of a region becomes a region of its own, with its blocks, memory and books, or a region takes its
 * neighbour in; no system call, and every address stays owned throughout.
 *
 * STRATEGY. The lock is taken at a moment when no thread is in the engine for this region and no block is half
 * made or half freed; what such a thread would find afterwards could be another region's. Then all memory that can
 * be needed is taken: for the holding (space/split.h), for the records of the blocks that move, for the
 * allocator, in this order. Then nothing can fail any more. Marks name records by number, so the blocks that
 * have records get new marks. Blocks that wait go on waiting, for the same threads: the parts have the readers
 * of the whole.
 *
 * CONCURRENCY. users_lock, so that fork and other splits stay out; then the lock of the region, or of both, and their
 * gates shut. Waiting
 * is done without any of them. Whoever waits is let pass by calls that begin.
 *
 * WHAT IT DOES NOT DO. It does not cut a block: split that first.
 */
#include <errno.h>

#include "base/assert.h"
#include "region/region.h"
#include "region/tray.h"
#include "space/notice.h"
#include "space/split.h"

/* Is nobody in the middle of something? Lock held, and shut. */
static bool is_quiet(struct vas_region *region)
{
	vas_trays_gather(region);
	(void)vas_leaving_end(region);
	return vas_region_unfinished(region) == 0 && region->orphans == 0 && region->cache.count == 0 &&
	       vas_user_is_quiet(&region->user);
}

static int quiet_refusal(struct vas_region *region, struct vas_failure *failure)
{
	uint64_t owner;

	if (region->state == VAS_REGION_PARKED)
		return vas_region_refuse(failure, VAS_WHY_PARKED, -EBUSY);
	if (region->state != VAS_REGION_LIVE)
		return vas_region_refuse(failure, VAS_WHY_FORKED,
					 region->state == VAS_REGION_SHARED ? -EPERM : -ESTALE);
	owner = vas_owner_id(region->user.holding->entry);
	if (vas_notice_inside(region->space, owner))
		return vas_region_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	return 0;
}

/* In a child: the blocks that nobody finishes go first. */
static int settle_orphans(struct vas_region *region, struct vas_failure *failure)
{
	int err = vas_region_lock(region, failure);

	if (!err)
		vas_region_unlock(region);
	return err;
}

static void quiet_end(struct vas_region *region, struct vas_region *other)
{
	if (other)
		vas_region_resume(other);
	vas_region_resume(region);
	vas_lock_drop(&region->space->users_lock);
}

/* Nothing moves. */
static void quiet_stop(struct vas_region *region)
{
	vas_lock_take(&region->lock);
	vas_shards_shut(region);
}

/* users_lock and the locks of one or two regions, at a quiet moment. Nothing is held after an error. */
static int quiet_begin(struct vas_region *region, struct vas_region *other,
		       struct vas_failure *failure)
{
	int err = settle_orphans(region, failure);

	if (!err && other)
		err = settle_orphans(other, failure);
	if (err)
		return err;
	for (;;) {
		vas_lock_take(&region->space->users_lock);
		quiet_stop(region);
		if (other)
			quiet_stop(other);
		err = quiet_refusal(region, failure);
		if (!err && other)
			err = quiet_refusal(other, failure);
		if (err || (is_quiet(region) && (!other || is_quiet(other))))
			break;
		quiet_end(region, other);
		(void)vas_cache_drain(region, UINT64_MAX);
		if (other)
			(void)vas_cache_drain(other, UINT64_MAX);
		vas_lock_pause();
	}
	if (err)
		quiet_end(region, other);
	return err;
}

static void let_pass(struct vas_region *region, uint32_t add)
{
	__atomic_fetch_add(&region->splitters, add, __ATOMIC_RELAXED);
}

/* --- cut --- */

/* What there is from an address on. */
struct tally {
	uint64_t live;
	uint64_t used;
	uint64_t retired;
	uint32_t promised;
	uint32_t records;
};

static void tally_block(struct tally *tally, const struct vas_block_info *info)
{
	if (vas_mark_is(info->mark, VAS_MARK_LIVE)) {
		tally->live++;
		tally->used += info->span.size;
	}
	tally->retired += vas_mark_is(info->mark, VAS_MARK_RETIRED);
	tally->promised += (info->mark & VAS_MARK_PROMISED) != 0;
	tally->records += vas_mark_record(info->mark) != 0;
}

static struct tally tally_from(struct vas_region *region, uint64_t position)
{
	struct tally tally = { 0 };
	struct vas_block_info info;

	while (vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (info.live)
			tally_block(&tally, &info);
	}
	return tally;
}

/* As many records as blocks will bring: numbered 1, 2, 3 in a region that has none. */
static int cut_records(struct vas_region *upper, uint32_t count)
{
	uint32_t number;
	int err = 0;

	for (uint32_t i = 0; !err && i < count; i++) {
		err = vas_record_take(upper, &number);
		VAS_ASSERT(err || number == i + 1);
	}
	return err;
}

/* The records of the blocks that are in upper now come along. */
static void cut_move_records(struct vas_region *lower, struct vas_region *upper)
{
	uint64_t position = upper->span.start;
	struct vas_block_info info;
	uint32_t number = 0, old;

	while (number < upper->records.count &&
	       vas_blocks_next(upper->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		old = info.live ? vas_mark_record(info.mark) : 0;
		if (!old)
			continue;
		*vas_record_get(upper, ++number) = *vas_record_get(lower, old);
		vas_record_give(lower, old);
		vas_record_get(lower, old)->words[VAS_RECORD_MOVED] = number;
		vas_block_mark(upper, info.span.start,
			       (info.mark & ((1u << VAS_MARK_RECORD_SHIFT) - 1)) |
				       number << VAS_MARK_RECORD_SHIFT);
	}
}

static void cut_share(struct vas_region *lower, struct vas_region *upper,
		      const struct tally *tally, uint64_t at)
{
	upper->span = (struct vas_span){ at, vas_range_end(lower->span) - at };
	lower->span.size = at - lower->span.start;
	upper->live = tally->live;
	upper->used = tally->used;
	upper->retired = tally->retired;
	lower->live -= tally->live;
	lower->used -= tally->used;
	lower->retired -= tally->retired;
	upper->whole = lower->whole;
	vas_quarantine_divide(lower, upper);
	cut_move_records(lower, upper);
	vas_quarantine_renumber(&upper->quarantine, upper, lower);
}

/* Locks held. */
static int cut_locked(struct vas_region *lower, struct vas_region *upper, uint64_t at,
		      struct vas_failure *failure)
{
	struct vas_blocks *blocks;
	struct vas_split split;
	struct tally tally;
	int err;

	if (at <= lower->span.start || at >= vas_range_end(lower->span))
		return vas_region_refuse(failure, VAS_WHY_OUTSIDE, -ERANGE);
	if (at % lower->granule)
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	tally = tally_from(lower, at);
	vas_lock_take(&upper->lock);
	err = cut_records(upper, tally.records);
	vas_region_unlock(upper);
	if (err)
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	err = vas_split_prepare(lower->space, lower->user.holding, at, tally.promised, &split,
				failure);
	if (err)
		return err;
	err = vas_blocks_cut(lower->blocks, at, &blocks);
	if (err) {
		vas_split_abandon(&split);
		if (err == -EINVAL)
			return vas_region_refuse(failure, VAS_WHY_INSIDE, err);
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	}
	upper->blocks = blocks;
	vas_split_finish(&split, &upper->user);
	cut_share(lower, upper, &tally, at);
	return 0;
}

/* A region with the same options and nothing in it. */
static int cut_make(const struct vas_region *like, struct vas_failure *failure,
		    struct vas_region **made)
{
	struct vas_region *region;
	void *memory;

	if (vas_region_take(like->space, sizeof(*region), &memory))
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	region = memory;
	region->user.ops = like->user.ops;
	region->space = like->space;
	region->alive = like->alive;
	region->era = like->era;
	region->granule = like->granule;
	region->seed = like->seed;
	region->cap = like->cap;
	region->cache_bytes = like->cache_bytes;
	region->cache_block = like->cache_block;
	region->cache_age = like->cache_age;
	region->flags = like->flags;
	region->fill = like->fill;
	vas_shards_init(region);
	vas_readers_share(region, like->quarantine.readers);
	*made = region;
	return 0;
}

int vas_region_cut(struct vas_region *region, uint64_t at, struct vas_failure *failure,
		   struct vas_region **made)
{
	struct vas_region *upper;
	int err;

	err = cut_make(region, failure, &upper);
	if (err)
		return err;
	let_pass(region, 1);
	err = quiet_begin(region, NULL, failure);
	if (!err) {
		err = cut_locked(region, upper, at, failure);
		quiet_end(region, NULL);
	}
	let_pass(region, UINT32_MAX);
	if (err) {
		vas_records_free(upper);
		vas_cache_free(upper);
		vas_readers_leave(upper);
		vas_region_give(region->space, upper, sizeof(*upper));
		return err;
	}
	/* What became inaccessible while the block was on its way here was told to nobody. */
	vas_block_settle(upper, upper->span);
	*made = upper;
	return 0;
}

/* --- join --- */

static bool join_alike(const struct vas_region *lower, const struct vas_region *upper)
{
	return lower != upper && lower->space == upper->space && lower->granule == upper->granule &&
	       lower->flags == upper->flags &&
	       (!(lower->flags & VAS_REGION_QUARANTINE) ||
		lower->quarantine.readers == upper->quarantine.readers) &&
	       vas_range_end(lower->span) == upper->span.start;
}

/* The records that were taken so far go back. */
static void join_give_records(struct vas_region *lower, struct vas_region *upper)
{
	uint64_t position = upper->span.start;
	struct vas_block_info info;
	struct vas_record *record;

	while (upper->records.count && vas_blocks_next(upper->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (!info.live || !vas_mark_record(info.mark))
			continue;
		record = vas_record_get(upper, vas_mark_record(info.mark));
		if (record->words[VAS_RECORD_MOVED])
			vas_record_give(lower, (uint32_t)record->words[VAS_RECORD_MOVED]);
		record->words[VAS_RECORD_MOVED] = 0;
	}
}

/* A record in lower for each in upper, which tells its number. */
static int join_records(struct vas_region *lower, struct vas_region *upper)
{
	uint64_t position = upper->span.start;
	struct vas_block_info info;
	struct vas_record *record;
	uint32_t number;
	int err = 0;

	while (!err && upper->records.count &&
	       vas_blocks_next(upper->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (!info.live || !vas_mark_record(info.mark))
			continue;
		err = vas_record_take(lower, &number);
		if (err)
			break;
		record = vas_record_get(upper, vas_mark_record(info.mark));
		*vas_record_get(lower, number) = *record;
		record->words[VAS_RECORD_MOVED] = number;
	}
	if (err)
		join_give_records(lower, upper);
	return err;
}

/* The blocks are in lower now, with marks that name records of upper. */
static void join_move_records(struct vas_region *lower, struct vas_region *upper)
{
	uint64_t position = upper->span.start;
	struct vas_block_info info;
	uint32_t number;

	while (upper->records.count && vas_blocks_next(lower->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (!info.live || !vas_mark_record(info.mark))
			continue;
		number = (uint32_t)vas_record_get(upper, vas_mark_record(info.mark))
				 ->words[VAS_RECORD_MOVED];
		vas_block_mark(lower, info.span.start,
			       (info.mark & ((1u << VAS_MARK_RECORD_SHIFT) - 1)) |
				       number << VAS_MARK_RECORD_SHIFT);
	}
}

static void join_share(struct vas_region *lower, const struct vas_region *upper)
{
	lower->span.size += upper->span.size;
	lower->live += upper->live;
	lower->used += upper->used;
	lower->retired += upper->retired;
	lower->promises += upper->promises;
	lower->allocs += upper->allocs;
	lower->frees += upper->frees;
	lower->warm_hits += upper->warm_hits;
	lower->whole |= upper->whole;
}

/* Locks held. */
static int join_locked(struct vas_region *lower, struct vas_region *upper,
		       struct vas_failure *failure)
{
	struct vas_split join;
	int err;

	if (!join_alike(lower, upper))
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_join_prepare(lower->space, lower->user.holding, upper->user.holding, &join,
			       failure);
	if (err)
		return err;
	err = join_records(lower, upper);
	if (!err) {
		err = vas_blocks_join(lower->blocks, upper->blocks);
		VAS_ASSERT(err == 0 || err == -ENOMEM);
		if (err)
			join_give_records(lower, upper);
	}
	if (err) {
		vas_join_abandon(&join);
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	}
	vas_join_finish(&join);
	join_move_records(lower, upper);
	vas_shards_fold(upper);
	join_share(lower, upper);
	vas_quarantine_renumber(&upper->quarantine, lower, upper);
	vas_quarantine_unite(lower, upper);
	return 0;
}

int vas_region_unite(struct vas_region *lower, struct vas_region *upper, struct vas_failure *failure)
{
	struct vas_space *space = upper->space;
	int err;

	if (lower == upper)
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	let_pass(lower, 1);
	let_pass(upper, 1);
	do {
		err = quiet_begin(lower, upper, failure);
		if (!err) {
			err = join_locked(lower, upper, failure);
			quiet_end(lower, upper);
		}
		if (err == -EAGAIN)
			vas_lock_pause();
	} while (err == -EAGAIN);
	let_pass(lower, UINT32_MAX);
	if (err) {
		let_pass(upper, UINT32_MAX);
		return err;
	}
	vas_records_free(upper);
	vas_cache_free(upper);
	vas_shards_free(upper);
	vas_readers_leave(upper);
	vas_region_give(space, upper, sizeof(*upper));
	vas_block_settle(lower, lower->span);
	return 0;
}
