/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks: taken and freed.
 *
 * WHAT FOR. A free takes the block out of use, always: without memory of its own, at the kernel's limit
 * of mappings too, and so that nobody is handed the addresses before they are inaccessible again.
 *
 * STRATEGY. The block's mark says what is going on. A free makes it FREEING, drops the lock,
 * sends the memory down the retire ladder, and only then gives the block back to the allocator. Of two frees
 * of one block at once, one finds it LIVE. What the kernel does not make inaccessible for now stays
 * taken as RETIRED, until the space tells that it is (vas_block_settle). A block in which nothing was ever
 * committed goes back at once, without the engine.
 *
 * What a free needs of the engine's books was promised when something was first committed in the block.
 * Promises are got by the dozen and kept by the region.
 *
 * Here is the long way. The short one, without the region's lock, is tried first (swift.c), and does what most
 * calls ask for.
 *
 * CONCURRENCY. The region's lock for the books, dropped over the engine; see region.h. A block that calls without
 * the lock might free at the same time is seized before anything is done to it: its mark is changed, if it is
 * what it was.
 *
 * WHAT IT DOES NOT DO. It does not keep one thread from using a block that another frees.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "region/region.h"
#include "region/request.h"
#include "region/tray.h"

#define ADVANCE 4u /* blocks that a free lets out of quarantine */
#define FILL_BYTE 0xa5 /* of memory that nobody may rely on */
#define RETRIES 16u /* refusals that an allocation without room bears, in getting RETIRED blocks back */

void vas_block_mark(struct vas_region *region, uint64_t start, uint32_t mark)
{
	int err = vas_blocks_mark(region->blocks, start, NULL, mark);

	VAS_ASSERT(err == 0);
}

bool vas_block_change(struct vas_region *region, struct vas_block_info *info, uint32_t mark)
{
	uint32_t expected = info->mark;

	if (mark != info->mark &&
	    vas_blocks_mark(region->blocks, info->span.start, &expected, mark))
		return false;
	info->mark = mark;
	return true;
}

uint32_t vas_block_vacate(struct vas_region *region, uint64_t start)
{
	struct vas_block_info info;
	int err = vas_blocks_free(region->blocks, start, &info);

	VAS_ASSERT(err == 0);
	if (vas_mark_record(info.mark))
		vas_record_give(region, vas_mark_record(info.mark));
	return info.mark;
}

void vas_block_drop(struct vas_region *region, uint64_t start)
{
	if (vas_block_vacate(region, start) & VAS_MARK_PROMISED)
		region->promises++;
}

int vas_block_find(struct vas_region *region, uint64_t start, struct vas_failure *failure,
		   struct vas_block_info *info)
{
	int err = vas_blocks_at(region->blocks, start, info);

	if (err == -ERANGE)
		return vas_region_refuse(failure, VAS_WHY_OUTSIDE, err);
	if (err || !vas_mark_is(info->mark, VAS_MARK_LIVE))
		return vas_region_refuse(failure, VAS_WHY_NO_BLOCK, -ENOENT);
	if (info->span.start != start)
		return vas_region_refuse(failure, VAS_WHY_INSIDE, -EINVAL);
	return 0;
}

/* --- alloc --- */

static int alloc_refusal(int err, uint32_t flags, struct vas_failure *failure)
{
	switch (err) {
	case -EINVAL:
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, err);
	case -ERANGE:
		return vas_region_refuse(failure, VAS_WHY_WINDOW, err);
	case -EEXIST:
		return vas_region_refuse(failure, VAS_WHY_TAKEN, err);
	case -ENOSPC:
		return vas_region_refuse(failure,
					 flags & VAS_ALLOC_EXACT ? VAS_WHY_TAKEN : VAS_WHY_FULL, err);
	default:
		return vas_region_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	}
}

/* Lock held. A record when the block has a tag. */
static int alloc_record(struct vas_region *region, uint32_t tag, uint32_t *mark)
{
	uint32_t number;
	int err;

	if (!tag && !vas_quarantine_is_on(region))
		return 0;
	err = vas_record_take(region, &number);
	if (err)
		return err;
	vas_record_get(region, number)->tag = tag;
	*mark |= number << VAS_MARK_RECORD_SHIFT;
	return 0;
}

/* Takes the block. Lock held, also after. */
static int alloc_take(struct vas_region *region, struct vas_block_request *request, uint32_t tag,
		      uint64_t *start)
{
	int err = alloc_record(region, tag, &request->mark);

	if (err)
		return err;
	err = vas_blocks_alloc(region->blocks, request, start);
	if (err && vas_mark_record(request->mark)) {
		vas_record_give(region, vas_mark_record(request->mark));
		request->mark &= (1u << VAS_MARK_RECORD_SHIFT) - 1;
	}
	return err;
}

/*
 * The same; without room, blocks that are RETIRED are tried to be got back, once. tried: what the short way came
 * to. Lock held, after an error not.
 */
static int alloc_place(struct vas_region *region, struct vas_block_request *request,
		       uint32_t tag, int tried, struct vas_failure *failure, uint64_t *start)
{
	bool anew = vas_leaving_end(region) || tried == VAS_SWIFT_LONG;
	int err = anew ? alloc_take(region, request, tag, start) : tried;

	if (__builtin_expect(err, 0) && (err == -ENOSPC || err == -EEXIST) && region->retired) {
		vas_region_unlock(region);
		(void)vas_part_retry(region->space, RETRIES);
		err = vas_region_lock(region, failure);
		if (err)
			return err;
		err = alloc_take(region, request, tag, start);
	}
	if (__builtin_expect(err, 0)) {
		vas_region_unlock(region);
		return alloc_refusal(err, request->flags, failure);
	}
	return 0;
}

/* The caller's block from now on. Lock held. */
static void alloc_count(struct vas_region *region, uint64_t size)
{
	region->live++;
	region->used += size;
	region->allocs++;
}

/* A block that could not be committed goes again. No lock. */
static void alloc_undo(struct vas_region *region, struct vas_span span, bool remains)
{
	struct vas_failure failure;

	vas_lock_take(&region->lock);
	if (!remains || vas_region_pin(region, &failure)) {
		region->unfinished--;
		vas_block_drop(region, span.start);
		vas_region_unlock(region);
		return;
	}
	/* The kernel refused even to take back what was committed: down the ladder with it. */
	vas_block_mark(region, span.start, VAS_MARK_FREEING | VAS_MARK_PROMISED);
	(void)vas_block_retire(region, span, &failure, NULL);
}

/* All of a block that is MAKING gets memory. Lock held; not after. */
static int alloc_commit(struct vas_region *region, struct vas_span span, uint32_t mark,
			const struct vas_commit_opts *opts, struct vas_failure *failure,
			uint32_t *flags)
{
	bool dirty = false;
	int err;

	err = vas_region_pin(region, failure);
	if (err) {
		vas_block_drop(region, span.start);
		vas_region_unlock(region);
		return err;
	}
	region->unfinished++;
	err = vas_block_populate(region, span, opts, &dirty, failure);
	if (err) {
		alloc_undo(region, span, dirty);
		return err;
	}
	vas_lock_take(&region->lock);
	region->unfinished--;
	vas_block_mark(region, span.start, vas_mark_with(mark, VAS_MARK_LIVE));
	alloc_count(region, span.size);
	vas_region_unlock(region);
	*flags = VAS_BLOCK_COMMITTED | (dirty ? VAS_BLOCK_DIRTY : 0);
	return 0;
}

/* Whether a warm block would do. */
static bool warm_suits(const struct vas_alloc_opts *opts)
{
	return (opts->flags & VAS_ALLOC_COMMIT) && !opts->commit->flags &&
	       vas_cache_is_plain(opts->commit);
}

/*
 * A warm block, if there is one that suits. Lock held; not after success. False also when there is no
 * record for its tag.
 */
static bool alloc_warm(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		       struct vas_block *block)
{
	uint32_t mark = VAS_MARK_LIVE | VAS_MARK_PROMISED | VAS_MARK_PLAIN;
	uint64_t start;

	if ((region->cache.count == 0 && region->cache.aside == 0) || !warm_suits(opts) ||
	    alloc_record(region, opts->tag, &mark))
		return false;
	if (!vas_cache_take(region, size, opts, &start)) {
		if (vas_mark_record(mark))
			vas_record_give(region, vas_mark_record(mark));
		return false;
	}
	vas_block_mark(region, start, mark);
	alloc_count(region, size);
	region->warm_hits++;
	vas_region_unlock(region);
	vas_block_warm_finish(region, (struct vas_span){ start, size }, opts, block);
	return true;
}

/* A promise and a place in the cache for a block that will be committed. Lock held, after an error not. */
static int alloc_foresee(struct vas_region *region, const struct vas_alloc_opts *opts,
			 struct vas_block_request *request, struct vas_failure *failure)
{
	request->mark = VAS_MARK_MAKING | VAS_MARK_PROMISED;
	if (vas_cache_admits(region, request->size) && vas_cache_is_plain(opts->commit)) {
		request->mark |= VAS_MARK_PLAIN;
		vas_cache_prepare(region);
	}
	return vas_region_promise(region, failure);
}

static int block_alloc(struct vas_region *region, struct vas_block_request *request,
		       const struct vas_alloc_opts *opts, int tried, struct vas_failure *failure,
		       struct vas_block *block)
{
	bool commit = (opts->flags & VAS_ALLOC_COMMIT) != 0;
	uint32_t flags = 0;
	uint64_t start;
	int err = vas_region_lock_fast(region, failure);

	if (err)
		return err;
	vas_shard_make(region);
	if (commit) {
		if (alloc_warm(region, request->size, opts, block))
			return 0;
		err = alloc_foresee(region, opts, request, failure);
		if (err)
			return err;
	}
	err = alloc_place(region, request, opts->tag, tried, failure, &start);
	if (err)
		return err;
	if (commit) {
		region->promises--;
		err = alloc_commit(region, (struct vas_span){ start, request->size },
				   request->mark, opts->commit, failure, &flags);
		if (err)
			return err;
	} else {
		alloc_count(region, request->size);
		vas_region_unlock(region);
	}
	*block = (struct vas_block){ (void *)(uintptr_t)start, request->size, flags, opts->tag };
	return 0;
}

void vas_block_warm_finish(struct vas_region *region, struct vas_span span,
			   const struct vas_alloc_opts *opts, struct vas_block *block)
{
	bool dirty = (opts->flags & VAS_ALLOC_DIRTY) != 0;

	if (!dirty)
		vas_cache_zero(region, span);
	else if (region->flags & VAS_REGION_FILL)
		region->fill(span, FILL_BYTE);
	*block = (struct vas_block){ (void *)(uintptr_t)span.start, span.size,
				     VAS_BLOCK_COMMITTED | (dirty ? VAS_BLOCK_DIRTY : 0),
				     opts->tag };
}

int vas_block_alloc_long(struct vas_region *region, uint64_t size,
			 const struct vas_alloc_opts *opts, int tried,
			 struct vas_failure *failure, struct vas_block *block)
{
	struct vas_block_request request;
	uint64_t margin = vas_region_margin(region);
	struct vas_span way = { 0 };
	int err;

	if (!vas_block_request_build(region, size, opts, &request))
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = block_alloc(region, &request, opts, tried, failure, block);
	if (__builtin_expect(err == 0, 1))
		return 0;
	if (err == -EEXIST)
		way = (struct vas_span){ (uint64_t)(uintptr_t)opts->address - margin,
					 size + 2 * margin };
	else if (err != -ENOSPC && err != -EDQUOT && err != -ENOMEM)
		return err;
	if (!vas_region_relieve(region, way))
		return err;
	failure->why = VAS_WHY_NONE;
	(void)vas_block_request_build(region, size, opts, &request);
	return block_alloc(region, &request, opts, VAS_SWIFT_LONG, failure, block);
}

int vas_block_alloc(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    struct vas_failure *failure, struct vas_block *block)
{
	struct vas_alloc_opts plain = *opts;
	int tried;

	if (opts->commit && warm_suits(opts))
		plain.commit = NULL;
	tried = vas_swift_alloc(region, size, &plain, block);
	if (tried == 0)
		return 0;
	return vas_block_alloc_long(region, size, opts, tried, failure, block);
}

/* --- free --- */

/* Whether its addresses may be handed out again: the next commit replaces what is there. */
static bool is_usable(enum vas_retired state)
{
	return state == VAS_RETIRED_GONE || state == VAS_RETIRED_GUARDED;
}

/* The ladder ended before the block was inaccessible: it stays taken. Lock held. */
static void block_keep(struct vas_region *region, struct vas_span span)
{
	struct vas_block_info info;
	int err = vas_blocks_at(region->blocks, span.start, &info);

	VAS_ASSERT(err == 0);
	if (vas_mark_record(info.mark))
		vas_record_give(region, vas_mark_record(info.mark));
	vas_block_mark(region, span.start, VAS_MARK_RETIRED);
	region->retired++;
}

/* Its memory is gone: the block is free at once, or its addresses wait. Lock held. */
static void block_leave(struct vas_region *region, uint64_t start)
{
	const uint32_t waits = VAS_REGION_DELAY | VAS_REGION_QUARANTINE;
	struct vas_block_info info;

	if ((region->flags & waits) != VAS_REGION_DELAY ||
	    vas_blocks_at(region->blocks, start, &info) || !vas_mark_record(info.mark)) {
		(void)vas_block_vacate(region, start);
		return;
	}
	info.mark &= ~VAS_MARK_PROMISED;
	vas_quarantine_put(region, &info);
}

/* The same, at once or soon. Lock held. */
static inline void block_leave_soon(struct vas_region *region, uint64_t start)
{
	if (__builtin_expect(region->flags & VAS_REGION_DELAY, 0))
		block_leave(region, start);
	else
		vas_leaving_put(region, start);
}

/* The same, without the lock. In line, as vas_part_restore_in_line is. */
static inline __attribute__((always_inline)) int block_retire(struct vas_region *region, struct vas_span span,
			struct vas_failure *failure, enum vas_retired *state)
{
	struct vas_holding *holding = region->user.holding;
	enum vas_retired reached;
	int err;

	/* This spends the block's promise. */
	err = vas_part_decommit(region->space, holding, span, true, &reached, failure);
	vas_region_unpin(region);
	if (err)
		return err;
	vas_lock_take(&region->lock);
	region->unfinished--;
	if (__builtin_expect(is_usable(reached), 1))
		block_leave_soon(region, span.start);
	else
		block_keep(region, span);
	vas_region_unlock(region);
	/* It may have become inaccessible before it was marked. */
	if (__builtin_expect(!is_usable(reached), 0))
		vas_block_settle(region, span);
	if (state)
		*state = reached;
	return 0;
}

int vas_block_retire(struct vas_region *region, struct vas_span span, struct vas_failure *failure,
		     enum vas_retired *state)
{
	vas_region_unlock(region);
	return block_retire(region, span, failure, state);
}

/* The caller's block no more. Lock held. */
static void free_count(struct vas_region *region, uint64_t size)
{
	region->live--;
	region->used -= size;
	region->frees++;
}

static void free_undo(struct vas_region *region, const struct vas_block_info *info)
{
	vas_lock_take(&region->lock);
	vas_block_mark(region, info->span.start, info->mark);
	region->unfinished--;
	region->live++;
	region->used += info->span.size;
	region->frees--;
	vas_region_unlock(region);
}

/* A few of those that wait move on. No lock. */
static void free_advance(struct vas_region *region)
{
	if (__builtin_expect(vas_quarantine_is_on(region), 0))
		(void)vas_quarantine_advance(region, ADVANCE, false);
}

/* The block waits until all threads have passed. Lock held; not after success. */
static bool free_waiting(struct vas_region *region, const struct vas_block_info *info)
{
	if (!(region->flags & VAS_REGION_QUARANTINE) || !vas_mark_record(info->mark))
		return false;
	free_count(region, info->span.size);
	vas_quarantine_put(region, info);
	vas_region_unlock(region);
	free_advance(region);
	return true;
}

/* Keeps the block in the cache, if it suits. Lock held; not after success. */
static bool free_warm(struct vas_region *region, const struct vas_block_info *info)
{
	bool over;

	if (vas_quarantine_is_on(region) || !(info->mark & VAS_MARK_PLAIN) || !vas_cache_admits(region, info->span.size) ||
	    !vas_cache_put(region, info->span))
		return false;
	/* Under the lock: who takes the block next finds it filled. */
	if (__builtin_expect(region->flags & VAS_REGION_FILL, 0))
		region->fill(info->span, FILL_BYTE);
	if (vas_mark_record(info->mark))
		vas_record_give(region, vas_mark_record(info->mark));
	free_count(region, info->span.size);
	over = vas_cache_is_over(region);
	/* The next ones go the short way. */
	if (__builtin_expect(!over, 1))
		vas_tray_renew(region);
	vas_region_unlock(region);
	if (__builtin_expect(over, 0))
		vas_cache_limit(region);
	return true;
}

/* Debug mode: whose block it is must be known. Lock held. */
static int free_check(struct vas_region *region, const struct vas_block_info *info, uint32_t tag,
		      struct vas_failure *failure)
{
	uint32_t number = vas_mark_record(info->mark);

	if (!(region->flags & VAS_REGION_TAGS) ||
	    (number ? vas_record_get(region, number)->tag : 0) == tag)
		return 0;
	return vas_region_refuse(failure, VAS_WHY_TAG, -EPERM);
}

/*
 * The block that starts there, from now on left alone by calls without the lock: it is FREEING, unless its
 * mark is not loose. info has the mark that it had. A mark that was seen is most likely still there: then one
 * look is enough. Lock held.
 */
static int free_seize(struct vas_region *region, uint64_t start, uint32_t tag, uint32_t seen,
		      struct vas_failure *failure, struct vas_block_info *info)
{
	struct vas_block_info seized;
	int err;

	if (seen && !vas_blocks_swap(region->blocks, start, seen,
				     vas_mark_with(seen, VAS_MARK_FREEING), info))
		return 0;
	do {
		err = vas_block_find(region, start, failure, info);
		if (!err)
			err = free_check(region, info, tag, failure);
		if (err)
			return err;
		seized = *info;
	} while (vas_mark_is_loose(info->mark) &&
		 !vas_block_change(region, &seized, vas_mark_with(info->mark, VAS_MARK_FREEING)));
	return 0;
}

int vas_block_free_long(struct vas_region *region, uint64_t start, uint32_t tag, uint32_t seen,
			struct vas_failure *failure, enum vas_retired *state)
{
	struct vas_block_info info;
	int err;

	err = vas_region_lock_fast(region, failure);
	if (err)
		return err;
	vas_part_foresee(region->user.holding, start);
	err = free_seize(region, start, tag, seen, failure, &info);
	if (err) {
		vas_region_unlock(region);
		return err;
	}
	if (free_waiting(region, &info)) {
		*state = VAS_RETIRED_WAITING;
		return 0;
	}
	if (free_warm(region, &info)) {
		*state = VAS_RETIRED_WARM;
		return 0;
	}
	if (info.mark & VAS_MARK_PROMISED)
		err = vas_region_pin(region, failure);
	if (err) {
		vas_block_mark(region, start, info.mark);
		vas_region_unlock(region);
		return err;
	}
	free_count(region, info.span.size);
	if (!(info.mark & VAS_MARK_PROMISED)) {
		block_leave(region, start);
		vas_region_unlock(region);
		*state = VAS_RETIRED_GONE;
		free_advance(region);
		return 0;
	}
	region->unfinished++;
	if (!seen)
		vas_block_mark(region, start, vas_mark_with(info.mark, VAS_MARK_FREEING));
	err = vas_block_retire(region, info.span, failure, state);
	if (err)
		free_undo(region, &info);
	else
		free_advance(region);
	return err;
}

VAS_HOT int vas_block_free_seized(struct vas_region *region, const struct vas_block_info *info,
				  struct vas_failure *failure, enum vas_retired *state)
{
	int err = block_retire(region, info->span, failure, state);

	if (__builtin_expect(err, 0))
		free_undo(region, info);
	return err;
}

int vas_block_free(struct vas_region *region, uint64_t start, struct vas_failure *failure,
		   enum vas_retired *state)
{
	struct vas_block_info info;
	enum vas_swift way = vas_swift_free(region, start, state, &info);

	if (way == VAS_SWIFT_DONE)
		return 0;
	if (way == VAS_SWIFT_SEIZED)
		return vas_block_free_seized(region, &info, failure, state);
	return vas_block_free_long(region, start, 0, info.mark, failure, state);
}

/* --- what became inaccessible later --- */

bool vas_block_is_reserved(struct vas_region *region, struct vas_span span)
{
	uint64_t position = span.start;
	struct vas_part part;

	while (position < vas_range_end(span)) {
		vas_part_at(region->space, region->user.holding, position, &part);
		if (part.state != VAS_PART_RESERVED && part.state != VAS_PART_GUARDED)
			return false;
		position = vas_range_end(part.span);
	}
	return true;
}

/* The next block from *position on that is RETIRED; *position moves past it. Lock held. */
static bool settle_next(struct vas_region *region, uint64_t *position, uint64_t end,
			struct vas_span *span)
{
	struct vas_block_info info;

	while (region->retired && *position < end &&
	       vas_blocks_next(region->blocks, *position, &info) == 0 && info.span.start < end) {
		*position = vas_range_end(info.span);
		if (info.live && vas_mark_is(info.mark, VAS_MARK_RETIRED)) {
			*span = info.span;
			return true;
		}
	}
	return false;
}

/* One block that was RETIRED. No lock. */
static void settle_block(struct vas_region *region, struct vas_span span)
{
	struct vas_block_info info;

	vas_lock_take(&region->lock);
	if (vas_blocks_at(region->blocks, span.start, &info) == 0 &&
	    info.span.start == span.start && info.span.size == span.size &&
	    vas_mark_is(info.mark, VAS_MARK_RETIRED)) {
		region->retired--;
		vas_block_drop(region, span.start);
	}
	vas_region_unlock(region);
}

void vas_block_settle(struct vas_region *region, struct vas_span within)
{
	uint64_t position = within.start, end = vas_range_end(within);
	struct vas_failure failure;
	struct vas_span span;
	bool settled;

	for (;;) {
		if (vas_region_look(region, &failure))
			return;
		settled = !settle_next(region, &position, end, &span) ||
			  vas_region_pin(region, &failure);
		vas_region_unlock(region);
		if (settled)
			return;
		settled = vas_block_is_reserved(region, span);
		vas_region_unpin(region);
		if (settled)
			settle_block(region, span);
	}
}
