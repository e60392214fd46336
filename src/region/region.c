/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions: made, locked, forked, unmade.
 *
 * WHAT FOR. A region puts a block allocator over an owned span and is the only one that
 * changes what is mapped there.
 *
 * STRATEGY. The span is reserved, or found when the caller has it already; the holding is
 * told its user; then the allocator is made over the whole granules of the span. All memory of
 * the books comes from the space's pages.
 *
 * CONCURRENCY. See region.h. A fork takes the region's lock, shuts the gates, then waits for pins; so
 * in a child the books are whole, except that blocks may be MAKING or FREEING for
 * threads that are not there. These orphans are freed by the first call that changes something.
 *
 * WHAT IT DOES NOT DO. It does not wait for other threads' calls when a region is unmade: that they have
 * ended is the caller's duty, as with free().
 */
#include "region/region.h"

#include <errno.h>
#include <string.h>

#include <vaspace/fork.h>

#include "base/assert.h"
#include "base/number.h"
#include "space/notice.h"
#include "space/park.h"
#include "sys/environment.h"

#define PIECE_LARGEST (2u << 20) /* what struct vas_pages hands out at most */
#define DEBUG (VAS_REGION_DELAY | VAS_REGION_FILL | VAS_REGION_TAGS) /* the environment may ask for */
#define PROMISES      32u /* asked for at once */

int vas_region_take(void *context, size_t size, void **memory)
{
	struct vas_space *space = context;
	int err;

	vas_lock_take(&space->lock);
	if (size > PIECE_LARGEST)
		err = vas_pages_map(&space->pages, size, memory);
	else
		err = vas_pages_take(&space->pages, size, memory);
	vas_lock_drop(&space->lock);
	return err;
}

void vas_region_give(void *context, void *memory, size_t size)
{
	struct vas_space *space = context;

	vas_lock_take(&space->lock);
	if (size > PIECE_LARGEST)
		vas_pages_unmap(&space->pages, memory, size);
	else
		vas_pages_give(&space->pages, memory, size);
	vas_lock_drop(&space->lock);
}

static int region_refusal(const struct vas_region *region, bool changing,
			  struct vas_failure *failure)
{
	if (__builtin_expect(region->state == VAS_REGION_LIVE, 1))
		return 0;
	if (region->state == VAS_REGION_ABSENT)
		return vas_region_refuse(failure, VAS_WHY_FORKED, -ESTALE);
	if (!changing)
		return 0;
	if (region->state == VAS_REGION_SHARED)
		return vas_region_refuse(failure, VAS_WHY_FORKED, -EPERM);
	return vas_region_refuse(failure, VAS_WHY_PARKED, -EBUSY);
}

int vas_region_look(struct vas_region *region, struct vas_failure *failure)
{
	int err;

	if (vas_books_are_lost(region->alive, region->era))
		return vas_region_refuse(failure, VAS_WHY_FORKED, -EOWNERDEAD);
	vas_lock_take(&region->lock);
	err = region_refusal(region, false, failure);
	if (err)
		vas_lock_drop(&region->lock);
	else
		(void)vas_leaving_end(region);
	return err;
}

int vas_region_stop(struct vas_region *region, struct vas_failure *failure)
{
	int err = vas_region_lock(region, failure);

	if (!err)
		vas_shards_shut(region);
	return err;
}

/*
 * In a child: frees what threads of the parent were making or freeing. The lock is dropped
 * between them.
 */
static void region_adopt(struct vas_region *region)
{
	uint64_t position = region->span.start;
	struct vas_block_info info;
	struct vas_failure failure;

	while (region->orphans && vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (!info.live || !vas_mark_is(info.mark, VAS_MARK_ORPHAN))
			continue;
		failure.why = VAS_WHY_NONE;
		if (vas_region_pin(region, &failure))
			return;
		__atomic_store_n(&region->orphans, region->orphans - 1, __ATOMIC_RELAXED);
		region->unfinished++;
		vas_block_mark(region, info.span.start, vas_mark_with(info.mark, VAS_MARK_FREEING));
		(void)vas_block_retire(region, info.span, &failure, NULL);
		vas_lock_take(&region->lock);
	}
}

/* Drops the lock. A parked region may have holes that a driver left: every call looks after them. */
static void region_refused(struct vas_region *region)
{
	bool parked = region->state == VAS_REGION_PARKED;

	vas_lock_drop(&region->lock);
	if (parked)
		vas_space_settle_apart(region->space, region->user.holding);
}

int vas_region_lock_fast(struct vas_region *region, struct vas_failure *failure)
{
	int err;

	if (vas_books_are_lost(region->alive, region->era))
		return vas_region_refuse(failure, VAS_WHY_FORKED, -EOWNERDEAD);
	/* Whoever splits needs a moment without anybody in the engine. */
	if (__builtin_expect(__atomic_load_n(&region->splitters, __ATOMIC_RELAXED) != 0, 0))
		vas_lock_pause();
	vas_lock_take(&region->lock);
	err = region_refusal(region, true, failure);
	if (__builtin_expect(err, 0))
		region_refused(region);
	else if (__builtin_expect(region->orphans, 0))
		region_adopt(region);
	return err;
}

int vas_region_lock(struct vas_region *region, struct vas_failure *failure)
{
	int err = vas_region_lock_fast(region, failure);

	if (!err)
		(void)vas_leaving_end(region);
	return err;
}

int vas_region_pin(struct vas_region *region, struct vas_failure *failure)
{
	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	return vas_part_pin_used(region->space, &region->user, failure);
}

void vas_region_unpin(struct vas_region *region)
{
	vas_part_unpin_used(region->space, &region->user);
}

int vas_region_promise(struct vas_region *region, struct vas_failure *failure)
{
	int err;

	while (region->promises == 0) {
		err = vas_region_pin(region, failure);
		vas_region_unlock(region);
		if (err)
			return err;
		err = vas_part_promise(region->space, region->user.holding, PROMISES);
		vas_region_unpin(region);
		if (err)
			return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
		vas_lock_take(&region->lock);
		region->promises += PROMISES;
		err = region_refusal(region, true, failure);
		if (err) {
			vas_region_unlock(region);
			return err;
		}
	}
	return 0;
}

/* --- what the space says to its user --- */

static void user_retired(struct vas_holding_user *user, struct vas_span span)
{
	vas_block_settle(vas_region_of(user), span);
}

static uint64_t user_reclaim(struct vas_holding_user *user, uint64_t target)
{
	struct vas_region *region = vas_region_of(user);
	uint64_t got = 0;

	/* What delay alone keeps has no memory any more. */
	if (region->flags & VAS_REGION_QUARANTINE)
		got = vas_quarantine_advance(region, UINT32_MAX, true);
	return got < target ? got + vas_cache_drain(region, target - got) : got;
}

static uint64_t user_warm(struct vas_holding_user *user)
{
	struct vas_region *region = vas_region_of(user);
	struct vas_failure failure;
	uint64_t warm;

	if (vas_region_look(region, &failure))
		return 0;
	warm = region->cache.bytes + vas_shards_sum(region).warm;
	vas_region_unlock(region);
	return warm;
}

static int user_lend(struct vas_holding_user *user, struct vas_span range,
		     struct vas_failure *failure)
{
	return vas_block_lend(vas_region_of(user), range, failure);
}

bool vas_region_relieve(struct vas_region *region, struct vas_span span)
{
	if (vas_quarantine_is_on(region) && vas_quarantine_advance(region, UINT32_MAX, true))
		return true;
	if (span.size)
		return vas_cache_drain_span(region, span) != 0;
	return vas_cache_drain(region, UINT64_MAX) != 0;
}

static void user_fork_prepare(struct vas_holding_user *user)
{
	struct vas_region *region = vas_region_of(user);

	/* Gates are shut before the lock may be lent: who borrows it relies on that. */
	if (!region->shards.forking) {
		vas_lock_take(&region->lock);
		vas_shards_fork_prepare(region);
		vas_lock_fork_keep(&region->lock);
	} else {
		vas_lock_fork_hold(&region->lock);
	}
	vas_readers_fork_prepare(vas_region_of(user)->quarantine.readers);
}

static bool user_fork_quiet(struct vas_holding_user *user, bool held)
{
	struct vas_region *region = vas_region_of(user);

	return (held ? vas_lock_fork_held(&region->lock) : vas_lock_fork_quiet(&region->lock)) &&
	       vas_shards_fork_quiet(region);
}

static void user_fork_parent(struct vas_holding_user *user)
{
	vas_shards_fork_parent(vas_region_of(user));
	vas_lock_fork_drop(&vas_region_of(user)->lock);
}

/* In a child: their threads are not here. */
static void fork_orphans(struct vas_region *region)
{
	uint64_t position = region->span.start;
	uint32_t left = vas_region_unfinished(region);
	struct vas_block_info info;

	while (left && vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (!info.live || (!vas_mark_is(info.mark, VAS_MARK_MAKING) &&
				   !vas_mark_is(info.mark, VAS_MARK_FREEING)))
			continue;
		vas_block_mark(region, info.span.start, vas_mark_with(info.mark, VAS_MARK_ORPHAN));
		left--;
		region->unfinished--;
		region->orphans++;
	}
}

static void user_fork_child(struct vas_holding_user *user, int state)
{
	struct vas_region *region = vas_region_of(user);
	bool was_absent = region->state == VAS_REGION_ABSENT, inside = false, now_absent;

	if (state == VAS_FORK_ABSENT || state == VAS_FORK_TRAP)
		region->state = VAS_REGION_ABSENT;
	else if (state == VAS_FORK_SHARE)
		region->state = VAS_REGION_SHARED;
	now_absent = region->state == VAS_REGION_ABSENT && !was_absent;
	/* The thread that forks may itself be in the middle of a call: in a hook. */
	if (region->state != VAS_REGION_ABSENT)
		inside = vas_notice_inside(region->space, vas_owner_id(user->holding->entry));
	region->splitters = 0;
	if (!inside && region->state == VAS_REGION_LIVE) {
		region->pending = 0;
		(void)vas_leaving_end(region);
		fork_orphans(region);
	}
	vas_shards_fork_child(region);
	vas_readers_fork_child(region->quarantine.readers, now_absent);
	vas_lock_fork_reset(&region->lock);
}

static const struct vas_holding_user_ops region_ops = {
	.retired = user_retired,
	.reclaim = user_reclaim,
	.warm = user_warm,
	.lend = user_lend,
	.fork_prepare = user_fork_prepare,
	.fork_quiet = user_fork_quiet,
	.fork_parent = user_fork_parent,
	.fork_child = user_fork_child,
};

/* --- making and unmaking --- */

/* The caller's wish for alignment, made to suit the granule. */
static int reserve_aligned(uint64_t page, uint64_t granule, struct vas_reserve_opts *opts)
{
	uint64_t alignment = opts->alignment ? opts->alignment : page;

	if (granule <= page)
		return 0;
	if (opts->phase % granule)
		return -EINVAL;
	if ((opts->place == VAS_PLACE_EXACT || (opts->flags & VAS_RESERVE_PREFER)) &&
	    opts->address % granule)
		return -EINVAL;
	if (alignment % granule == 0) {
		opts->alignment = alignment;
	} else if (granule % alignment == 0) {
		if (opts->phase >= alignment)
			return -EINVAL;
		opts->alignment = granule;
	} else if (!vas_least_common_multiple(alignment, granule, &opts->alignment)) {
		return -EINVAL;
	}
	return opts->min_size && !vas_align_up(opts->min_size, granule, &opts->min_size) ? -EINVAL : 0;
}

static int region_reserve(struct vas_region *region, uint64_t size,
			  const struct vas_reserve_opts *wish, struct vas_failure *failure,
			  uint64_t *start)
{
	struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_span span;
	int err;

	if (wish)
		opts = *wish;
	if (reserve_aligned(region->space->sys->page_size, region->granule, &opts) ||
	    !vas_align_up(size, region->granule, &size))
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_space_reserve(region->space, size, &opts, failure, &span);
	if (!err)
		*start = span.start;
	return err;
}

/* The locks of the allocator's own. */
static void blocks_lock(void *context, uint32_t *word)
{
	(void)context;
	vas_lock_take((struct vas_lock *)word);
}

static void blocks_unlock(void *context, uint32_t *word)
{
	(void)context;
	vas_lock_drop((struct vas_lock *)word);
}

_Static_assert(sizeof(struct vas_lock) == sizeof(uint32_t), "a lock is its word");

/* The allocator over the holding's whole granules. */
static int region_blocks(struct vas_region *region, struct vas_failure *failure)
{
	const struct vas_blocks_support support = {
		.context = region->space,
		.take = vas_region_take,
		.give = vas_region_give,
		.lock = blocks_lock,
		.unlock = blocks_unlock,
		.slot = vas_slot_place(),
		.single = vas_single_byte(),
	};
	struct vas_span span = region->user.holding->span;
	int err;

	span.size = vas_align_down(span.size, region->granule);
	if (span.start % region->granule || span.size == 0)
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_blocks_create(span, region->granule, region->seed, &support, &region->blocks);
	if (err)
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	region->span = span;
	return 0;
}

static int region_use(struct vas_region *region, uint64_t start, struct vas_failure *failure)
{
	int err = vas_space_use_at(region->space, start, &region->user);

	if (!err)
		return 0;
	return vas_region_refuse(failure, err == -EBUSY ? VAS_WHY_USED : VAS_WHY_NOT_OWNED, err);
}

/* The reverse of what was done so far; of a span that was the caller's, only its use ends. */
static void region_abandon(struct vas_region *region, const struct vas_region_opts *opts,
			   uint64_t start)
{
	enum vas_retired state;
	uint64_t size;

	if (opts->start) {
		if (region->user.holding)
			vas_space_unuse(region->space, &region->user);
		return;
	}
	(void)vas_space_release(region->space, start,
				region->user.holding ? &region->user : NULL, &state, &size);
}

static int region_build(struct vas_region *region, uint64_t size,
			const struct vas_region_opts *opts, struct vas_failure *failure)
{
	uint64_t start = (uint64_t)(uintptr_t)opts->start;
	int err = 0;

	if (!opts->start)
		err = region_reserve(region, size, opts->reserve, failure, &start);
	if (err)
		return err;
	err = region_use(region, start, failure);
	if (!err)
		err = region_blocks(region, failure);
	if (err)
		region_abandon(region, opts, start);
	return err;
}

static void region_fill(struct vas_span span, int byte)
{
	memset((void *)(uintptr_t)span.start, byte, span.size);
}

int vas_region_make(struct vas_space *space, uint64_t size, const struct vas_region_opts *opts,
		    struct vas_failure *failure, struct vas_region **made)
{
	uint64_t page = space->sys->page_size;
	uint64_t granule = opts->granule ? opts->granule : page;
	struct vas_region *region;
	void *memory;
	int err;

	if (granule < page || !vas_is_power_of_two(granule) || (opts->flags & ~VAS_REGION_ALL) ||
	    (opts->start ? opts->reserve || size : !size))
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_region_take(space, sizeof(*region), &memory);
	if (err)
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	region = memory;
	region->user.ops = &region_ops;
	region->space = space;
	region->alive = __atomic_load_n(&space->alive, __ATOMIC_RELAXED);
	region->era = vas_space_era();
	region->granule = granule;
	region->seed = opts->seed;
	region->cap = opts->cap;
	region->cache_bytes = opts->cache_bytes;
	region->cache_block = opts->cache_block;
	region->cache_age = opts->cache_age;
	region->flags = opts->flags | (vas_environment_get()->debug & DEBUG);
	region->fill = region_fill;
	vas_shards_init(region);
	if (vas_quarantine_is_on(region) && vas_readers_make(region))
		err = vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	else
		err = region_build(region, size, opts, failure);
	if (err) {
		vas_readers_leave(region);
		vas_region_give(space, region, sizeof(*region));
		return err;
	}
	*made = region;
	return 0;
}

void vas_region_forget(struct vas_region *region)
{
	struct vas_space *space = region->space;

	vas_blocks_destroy(region->blocks);
	vas_records_free(region);
	vas_cache_free(region);
	vas_shards_free(region);
	vas_readers_leave(region);
	vas_region_give(space, region, sizeof(*region));
}

int vas_region_unmake(struct vas_region *region, enum vas_retired *state,
		      struct vas_failure *failure)
{
	struct vas_space *space = region->space;
	uint64_t start, size;
	int err;

	err = vas_region_look(region, failure);
	if (err)
		return err;
	start = region->user.holding->span.start;
	err = region->state == VAS_REGION_SHARED ? -EPERM : 0;
	vas_region_unlock(region);
	if (err)
		return vas_region_refuse(failure, VAS_WHY_FORKED, err);
	err = vas_space_release(space, start, &region->user, state, &size);
	if (err == -EDEADLK)
		return vas_region_refuse(failure, VAS_WHY_REENTERED, err);
	if (err)
		return vas_region_refuse(failure, VAS_WHY_NOT_OWNED, err);
	vas_region_forget(region);
	return 0;
}
