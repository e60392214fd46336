/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A region: an owned span (space/user.h), a block allocator over it (core/blocks.h), and
 * the engine for what is mapped in its blocks (space/part.h).
 *
 * LOCKS. The order of space/space.h: users_lock, then a region's lock, then the holding's, then the
 * space's. The region's lock guards all books here. It is never held over
 * a kernel call for the span, nor over a notice. The functions of the engine that change what is mapped run between
 * vas_region_pin, called with the lock or behind a gate, and vas_region_unpin, with neither:
 * fork takes the lock, shuts gates, and then waits for pins, so the lock is never taken with a pin held.
 * What must not change while the engine is at work is kept by the block's mark.
 *
 * Three things are done without the lock, behind a gate of the calling thread's slot (shard.h): blocks in which nothing
 * is committed are allocated and freed, warm ones are taken and put back, and others are made FREEING and the holding
 * pinned, to free them. So whoever holds the lock may rely on what a block's mark says unless it is loose: see
 * vas_mark_is_loose. Gates are shut, with the lock
 * held, for what needs everything to stand still: changes of the region's state, of a block's size, split and merge,
 * fork. The order: the lock, then gates, then the allocator's own locks.
 */
#ifndef VAS_REGION_REGION_H
#define VAS_REGION_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/region.h>

#include "core/blocks.h"
#include "record/report.h"
#include "region/cache.h"
#include "region/leaving.h"
#include "region/quarantine.h"
#include "region/records.h"
#include "region/shard.h"
#include "space/part.h"
#include "space/space.h"

enum vas_region_state {
	VAS_REGION_LIVE,
	VAS_REGION_PARKED, /* its memory is detached; blocks stay: park.c */
	VAS_REGION_SHARED, /* in a child, of the parent's memory: nothing may be changed */
	VAS_REGION_ABSENT /* in a child that has nothing of it */
};

/*
 * The mark of a block in the allocator: what is going on with it, whether a
 * promise of the engine's is kept for its free, and the number of its record.
 */
#define VAS_MARK_STATE	      0x7u
#define VAS_MARK_LIVE	      0x1u /* the caller's */
#define VAS_MARK_MAKING	      0x2u /* taken, not handed out yet */
#define VAS_MARK_FREEING      0x3u /* being freed: stays taken until its memory is given back */
#define VAS_MARK_RETIRED      0x4u /* freed, but not all of it is inaccessible yet */
#define VAS_MARK_WARM	      0x5u /* freed, and committed still: the cache's */
#define VAS_MARK_WAITING      0x6u /* freed, until every thread has passed: the quarantine's */
#define VAS_MARK_ORPHAN	      0x7u /* in a child: was MAKING or FREEING in the parent */
#define VAS_MARK_PROMISED     0x8u /* something was committed in it; I: one promise of the engine's */
/*
 * All of it was committed by its allocation, with nothing special, and nobody changed that since:
 * the cache may keep it.
 */
#define VAS_MARK_PLAIN	      0x10u
#define VAS_MARK_RECORD_SHIFT 8u /* 0 = it has no record; of WARM blocks: the cache's node */

static inline uint32_t vas_mark_record(uint32_t mark)
{
	return mark >> VAS_MARK_RECORD_SHIFT;
}

static inline uint32_t vas_mark_with(uint32_t mark, uint32_t state)
{
	return (mark & ~VAS_MARK_STATE) | state;
}

static inline bool vas_mark_is(uint32_t mark, uint32_t state)
{
	return (mark & VAS_MARK_STATE) == state;
}

/*
 * Whether calls without the lock may do something to a block with this mark: free it, or make it
 * warm or FREEING. Of WARM ones, only those in trays are taken without the lock.
 */
static inline bool vas_mark_is_loose(uint32_t mark)
{
	return (mark & ~(VAS_MARK_PROMISED | VAS_MARK_PLAIN)) == VAS_MARK_LIVE;
}

struct vas_region {
	struct vas_holding_user user; /* user.holding: changed with the lock held, by merge */
	struct vas_space *space; /* constant */
	const uint32_t *alive; /* constant: the space's, NULL over simulated kernels */
	uint32_t era; /* constant: of the space's books; others were given up */
	struct vas_lock lock;
	uint32_t splitters; /* threads that wait for pins to be gone: others let them pass (atomic) */
	/* Constant: */
	uint64_t granule;
	uint64_t seed;
	uint64_t cap; /* 0 = none */
	uint64_t cache_bytes;
	uint64_t cache_block;
	uint64_t cache_age;
	uint32_t flags; /* VAS_REGION_ bits */
	/* Writes a byte all over memory that is accessible. Over simulated kernels it must not. */
	void (*fill)(struct vas_span span, int byte);
	/* Written with the lock held and gates shut, read with either: */
	enum vas_region_state state;
	/* Guarded by lock: */
	bool moving; /* PARKED: some call parks, unparks or describes it */
	struct vas_span span; /* as the allocator has it: of whole granules */
	struct vas_blocks *blocks; /* constant once it is there; needs no lock of ours */
	struct vas_records records;
	struct vas_cache cache;
	struct vas_quarantine quarantine;
	uint64_t pending; /* bytes of commits on their way, when there is a cap */
	uint32_t promises; /* of the engine's, for blocks that will be committed */
	bool whole; /* something was committed with VAS_COMMIT_WHOLE, ever */
	uint32_t unfinished; /* I: with the shards' seized and those that leave, blocks MAKING or FREEING */
	uint32_t orphans; /* I: blocks that are ORPHAN (atomic) */
	struct vas_leaving leaving;
	/* What was done with the lock held; the shards have the rest. Modulo 2^64. */
	uint64_t live; /* I: with the shards', blocks that are LIVE */
	uint64_t used; /* I: with the shards', bytes in them */
	uint64_t allocs;
	uint64_t frees;
	uint64_t warm_hits;
	uint64_t retired; /* I: blocks that are RETIRED */
	struct vas_shards shards;
};

/* --- region.c --- */

/*
 * A region on loaded options: made, and unmade with its span. size: 0 with opts->start. Failures fill
 * *failure, nothing is changed then.
 */
int vas_region_make(struct vas_space *space, uint64_t size, const struct vas_region_opts *opts,
		    struct vas_failure *failure, struct vas_region **region);
int vas_region_unmake(struct vas_region *region, enum vas_retired *state,
		      struct vas_failure *failure);

/*
 * Takes the lock if the region can be looked at (look) or changed (lock). -ESTALE, -EPERM, -EBUSY: the
 * lock is not held then.
 */
int vas_region_look(struct vas_region *region, struct vas_failure *failure);
int vas_region_lock(struct vas_region *region, struct vas_failure *failure);
/* The same as lock; but blocks that leave are not given to the allocator first. */
int vas_region_lock_fast(struct vas_region *region, struct vas_failure *failure);
static inline void vas_region_unlock(struct vas_region *region)
{
	vas_lock_drop(&region->lock);
}
/* The same, and all gates are shut, or opened. */
int vas_region_stop(struct vas_region *region, struct vas_failure *failure);
static inline void vas_region_resume(struct vas_region *region)
{
	vas_shards_open(region);
	vas_region_unlock(region);
}

/*
 * The engine may be called on the region's holding from here on. Lock held; also when it fails, as
 * vas_part_pin_used does. The end of it: lock not held.
 */
int vas_region_pin(struct vas_region *region, struct vas_failure *failure);
void vas_region_unpin(struct vas_region *region);

/*
 * Gets promises of the engine's, when there are none in region->promises. Lock held, and dropped for
 * it: what was looked up before is void. After an error (-ENOMEM, or as vas_region_lock) it is not held.
 */
int vas_region_promise(struct vas_region *region, struct vas_failure *failure);
/*
 * Gives back what the region keeps for later, before a request is refused: what is in the way in a span, or
 * (size 0) all. False: there was nothing. No lock, not pinned.
 */
bool vas_region_relieve(struct vas_region *region, struct vas_span span);
/* Gives the books back; the span is gone, or another's. */
void vas_region_forget(struct vas_region *region);

/* Memory of the books, of any size, zeroed; as struct vas_blocks_support wants it. */
int vas_region_take(void *space, size_t size, void **memory);
void vas_region_give(void *space, void *memory, size_t size);

/*
 * In a child that nobody announced a lock may be held for a thread that is not there; and once
 * these books were given up, for ever.
 */
static inline bool vas_books_are_lost(const uint32_t *alive, uint32_t era)
{
	return __builtin_expect(alive != NULL, 1) &&
	       __builtin_expect(__atomic_load_n(alive, __ATOMIC_RELAXED) == 0 ||
					era != vas_space_era(), 0);
}

/* Blocks that are MAKING or FREEING, but for those that leave. Exact with the gates shut. */
static inline uint32_t vas_region_unfinished(const struct vas_region *region)
{
	return region->unfinished + vas_shards_sum(region).seized;
}

static inline struct vas_region *vas_region_of(struct vas_holding_user *user)
{
	return (struct vas_region *)(void *)user; /* the first member */
}

static inline uint64_t vas_range_end(struct vas_span span)
{
	return span.start + span.size;
}

/* What stays free on either side of a block. */
static inline uint64_t vas_region_margin(const struct vas_region *region)
{
	return region->flags & VAS_REGION_RED_ZONES ? region->granule : 0;
}

/* Refuses with a reason. */
static inline int vas_region_refuse(struct vas_failure *failure, enum vas_why why, int err)
{
	failure->why = (uint8_t)why;
	return err;
}

/* --- block.c --- */

/* The short way is vas_swift_alloc; long goes on with what it came to, tried. With options that are loaded, vas_block_alloc does both. */
int vas_block_alloc(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    struct vas_failure *failure, struct vas_block *block);
int vas_block_alloc_long(struct vas_region *region, uint64_t size,
			 const struct vas_alloc_opts *opts, int tried,
			 struct vas_failure *failure, struct vas_block *block);
/*
 * The short way is vas_swift_free; what it came to is gone on with by free_seized, or by free_long, whose seen is the
 * mark that was seen; 0: none. tag: what debug mode compares; without it 0.
 */
int vas_block_free(struct vas_region *region, uint64_t start, struct vas_failure *failure,
		   enum vas_retired *state);
int vas_block_free_long(struct vas_region *region, uint64_t start, uint32_t tag, uint32_t seen,
			struct vas_failure *failure, enum vas_retired *state);
int vas_block_free_seized(struct vas_region *region, const struct vas_block_info *info,
			  struct vas_failure *failure, enum vas_retired *state);

/* A block that was warm is handed out: zeroed or filled, as opts want it. No lock. */
void vas_block_warm_finish(struct vas_region *region, struct vas_span span,
			   const struct vas_alloc_opts *opts, struct vas_block *block);
/* The live block that starts there. Lock held. -ERANGE, -EINVAL, -ENOENT. */
int vas_block_find(struct vas_region *region, uint64_t start, struct vas_failure *failure,
		   struct vas_block_info *info);
/* Whether all of a span is inaccessible. Pinned, or the region's lock held. */
bool vas_block_is_reserved(struct vas_region *region, struct vas_span span);
/*
 * Changes the mark of a block whose mark was info's a moment ago; info has the new one then. False: it is
 * another one by now, or there is no block any more. Lock held.
 */
bool vas_block_change(struct vas_region *region, struct vas_block_info *info, uint32_t mark);
/* Sets the mark of a block that is there, and that calls without the lock leave alone. Lock held. */
void vas_block_mark(struct vas_region *region, uint64_t start, uint32_t mark);
/*
 * The second half of a free, for a block that is FREEING and counted as unfinished: its memory goes down the
 * retire ladder, then the block is free, or RETIRED. Lock held and the region pinned on entry; neither after.
 * -EDEADLK: called in a notice; the block is FREEING still. *state may be NULL.
 */
int vas_block_retire(struct vas_region *region, struct vas_span span, struct vas_failure *failure,
		     enum vas_retired *state);
/* Frees every block in the span that is RETIRED and wholly inaccessible by now. No lock. */
void vas_block_settle(struct vas_region *region, struct vas_span span);
/*
 * Lock held: the block is free again, whatever it was; its record goes. drop: its promise too. vacate returns its mark:
 * the promise is spent, or the caller's.
 */
uint32_t vas_block_vacate(struct vas_region *region, uint64_t start);
void vas_block_drop(struct vas_region *region, uint64_t start);

/* --- swift.c: the short ways --- */

enum vas_swift {
	VAS_SWIFT_NOT, /* not this way */
	VAS_SWIFT_DONE,
	VAS_SWIFT_SEIZED /* the block is FREEING, and counted as freed and unfinished */
};

/*
 * Without the lock, behind the calling thread's gate. opts may be NULL and need not be loaded, but have the size of this
 * version, and NULL for plain options of the commit. LONG: not this way, nothing is changed; an error is what it came to: it
 * may do the long way all the same.
 */
#define VAS_SWIFT_LONG 1
int vas_swift_alloc(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    struct vas_block *block);
/*
 * *info: after SEIZED what the block was; after NOT its mark if it is worth while to look whether it is that still, or
 * mark 0. SEIZED: the region is pinned, vas_block_free_seized does the rest.
 */
enum vas_swift vas_swift_free(struct vas_region *region, uint64_t start, enum vas_retired *state,
			      struct vas_block_info *info);

/* --- resize.c --- */

int vas_block_resize(struct vas_region *region, uint64_t start, uint64_t size,
		     struct vas_failure *failure);
int vas_block_split(struct vas_region *region, uint64_t start, uint64_t at,
		    struct vas_failure *failure);
int vas_block_merge(struct vas_region *region, uint64_t lower, uint64_t upper,
		    struct vas_failure *failure);

/* --- memory.c --- */

int vas_block_commit(struct vas_region *region, struct vas_span range,
		     const struct vas_commit_opts *opts, struct vas_failure *failure);
int vas_block_decommit(struct vas_region *region, struct vas_span range,
		       struct vas_failure *failure, enum vas_retired *state);
int vas_block_protect(struct vas_region *region, struct vas_span range, int prot,
		      struct vas_failure *failure);
int vas_block_guard(struct vas_region *region, struct vas_span range, bool guard,
		    struct vas_failure *failure);
/*
 * As space/user.h says of lend: of a live block. What a free of it does is right whatever is mapped there by then, but nothing is
 * committed in it that was not.
 */
int vas_block_lend(struct vas_region *region, struct vas_span range, struct vas_failure *failure);
/*
 * Commits in a block that is PROMISED, within the cap. Lock held and pinned on entry, neither after.
 */
int vas_block_populate(struct vas_region *region, struct vas_span range,
		       const struct vas_commit_opts *opts, bool *dirty,
		       struct vas_failure *failure);

/* --- split.c --- */

int vas_region_cut(struct vas_region *region, uint64_t at, struct vas_failure *failure,
		   struct vas_region **upper);
int vas_region_unite(struct vas_region *lower, struct vas_region *upper,
		    struct vas_failure *failure);

/* --- stats.c --- */

int vas_block_at(struct vas_region *region, uint64_t address, struct vas_failure *failure,
		 struct vas_block *block);
int vas_block_next(struct vas_region *region, uint64_t address, struct vas_failure *failure,
		   struct vas_block *block);
int vas_region_sum(struct vas_region *region, struct vas_failure *failure,
		   struct vas_region_stats *stats);
/* Every invariant of the region's own books; for tests. No lock. */
bool vas_region_check(struct vas_region *region);

#endif
