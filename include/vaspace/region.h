/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/region.h - blocks inside an owned span.
 *
 *	alloc, free	take a block of addresses, give it back by its address alone
 *	commit ...	memory for a part of a block; see vaspace/memory.h for the words
 *	resize, split, merge	without moving anything
 *
 * A region is a reserved span that is carved into blocks. Freed blocks go back to being
 * inaccessible, with everything the span was reserved with, so that kernel mappings
 * merge again; or stay committed for the next block of their size, if a cache was asked for.
 *
 * While a region has a span, only the region's functions change what is in it: vas_commit and the like and
 * vas_release answer -EBUSY or -EPERM there.
 */
#ifndef VASPACE_REGION_H
#define VASPACE_REGION_H

#include <vaspace/base.h>
#include <vaspace/memory.h>
#include <vaspace/reserve.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vas_region;

/* Debug mode; VASPACE_DEBUG sets the same for every region. */
/*
 * An inaccessible granule before and after every block, which neighbours share: running out of a
 * block faults. The two halves of a split block have none between them.
 */
#define VAS_REGION_RED_ZONES 0x01u
#define VAS_REGION_DELAY 0x02u /* freed addresses are handed out again as late as possible */
#define VAS_REGION_FILL 0x04u /* memory that is not promised to be zero is filled with a pattern */
#define VAS_REGION_TAGS 0x08u /* a block is freed with the tag it was allocated with, or refused */
/* Freed blocks wait until every thread that had entered has left. */
#define VAS_REGION_QUARANTINE 0x10u
#define VAS_REGION_ALL 0x1fu

struct vas_region_opts {
	size_t size;
	const struct vas_reserve_opts *reserve; /* how the span is reserved; NULL = anywhere */
	void *start; /* not NULL: use the owned span that starts here, all of it; reserve is NULL, size 0 */
	uint64_t granule; /* block sizes are multiples: a power of two, page or more; 0 = page */
	uint64_t seed; /* of placement; the same seed and calls give the same places */
	uint64_t cap; /* bytes that may be committed at once; 0 = no limit */
	/*
	 * The cache of committed memory. All 0 = none: a freed block is decommitted at once. It keeps
	 * blocks that VAS_ALLOC_COMMIT committed with no flag but VAS_COMMIT_POPULATE, read-write and without
	 * a policy, and with which nothing else was done since. It is emptied before anything is
	 * refused for lack of room or memory.
	 */
	uint64_t cache_bytes; /* keep at most this much */
	uint64_t cache_block; /* and no block larger than this; 0 = any */
	uint64_t cache_age; /* given back after so long, in the unit of the region's clock; 0 = never */
	uint32_t flags; /* VAS_REGION_ bits */
};

/*
 * Makes a region: reserves size bytes (rounded up to the granule), or takes over the owned span that starts
 * at opts.start, and writes the handle to *region. The handle belongs to the caller until
 * vas_region_destroy. Nothing is committed.
 *
 * Errors as vas_reserve, and:
 *  -EINVAL	region is NULL; a granule that is no power of two, or below the page; a span, a
 *		phase or a fixed address that does not suit the granule; an unknown flag; size 0; start
 *		with reserve or with a size
 *  -E2BIG	opts or opts.reserve is larger than known, with a non-zero tail
 *  -ENOENT	no owned span starts at opts.start
 *  -EBUSY	something is committed in that span, or it has a region
 *  -ENOMEM	no memory for the library's own books
 * In each case nothing is reserved, an owned span stays as it was, *region is untouched.
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_create(uint64_t size, const struct vas_region_opts *opts,
			      struct vas_region **region);
/*
 * Frees every block, all committed memory, the span and the handle, which must not be used
 * any more, by no thread. *state (may be NULL) is what became of the span, as of vas_release.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	region is NULL
 *  -EDEADLK	called inside a notice about the region
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *  -ENOENT	the span is gone already: vas_shutdown, or another destroy
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_destroy(struct vas_region *region, enum vas_retired *state);

/* How a block is allocated. */
#define VAS_ALLOC_LOW 0x01u /* the lowest place */
#define VAS_ALLOC_HIGH 0x02u /* the highest */
#define VAS_ALLOC_EXACT 0x04u /* at opts.address or not at all */
#define VAS_ALLOC_RANDOM 0x08u /* anywhere, drawn from the region's seed */
#define VAS_ALLOC_COMMIT 0x10u /* and commit all of it as opts.commit says */
#define VAS_ALLOC_DIRTY 0x20u /* memory need not be zero: warm memory comes as it was left */
#define VAS_ALLOC_ALL 0x3fu

struct vas_alloc_opts {
	size_t size;
	uint64_t alignment; /* of the start, a power of two or a multiple of the granule; 0 = granule */
	uint64_t phase; /* start is congruent to phase modulo alignment; below it, a multiple of the granule */
	uint64_t min; /* the block lies in [min, max), addresses; 0 = no limit */
	uint64_t max;
	uint64_t boundary; /* a power of two: do not straddle a multiple of it; 0 = none */
	void *address; /* EXACT: the start */
	uint32_t flags; /* VAS_ALLOC_ bits; of LOW, HIGH, EXACT and RANDOM at most one */
	uint32_t tag; /* the caller's; told by vas_region_next */
	const struct vas_commit_opts *commit; /* COMMIT: how; NULL = read-write */
};

#define VAS_BLOCK_COMMITTED 0x1u /* wholly committed */
#define VAS_BLOCK_DIRTY 0x2u /* may hold what was left there */

/* A block as it was handed out, or as it is. */
struct vas_block {
	void *start;
	uint64_t size; /* bytes, a multiple of the granule */
	uint32_t flags; /* VAS_BLOCK_ bits */
	uint32_t tag;
};

/*
 * Takes a block of size bytes (rounded up to the granule) at a place that opts allow, and tells it in *block.
 * With VAS_ALLOC_COMMIT all of it has memory, which reads as zeroes unless VAS_BLOCK_DIRTY
 * is told or an object was mapped; otherwise the block is inaccessible.
 *
 * Errors; nothing is taken or committed then, *block is untouched:
 *  -EINVAL	region or block is NULL; size 0; an unknown flag, or several places; an alignment, phase, boundary
 *		or address that no block can have; a window outside the region; commit options as of vas_commit
 *  -E2BIG	opts or opts.commit is larger than known, with a non-zero tail
 *  -ERANGE	impossible even if nothing were taken
 *  -EEXIST	EXACT: not all of it is free
 *  -ENOSPC	no free place satisfies this
 *  -EDQUOT	COMMIT: more would be committed than opts.cap of the region
 *  -ENOMEM	no memory for the library's own books; COMMIT: refused by the kernel
 *  -EBUSY	the region is parked; COMMIT: a subscriber to notices refused it
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 * and, with COMMIT, as vas_commit.
 *
 * Without COMMIT no system call is made but for books. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_alloc(struct vas_region *region, uint64_t size,
			     const struct vas_alloc_opts *opts, struct vas_block *block);
/*
 * Frees the block that starts at start. Its memory is given back and the addresses become inaccessible before
 * anybody is handed them again. *state (may be NULL) tells how far that went; what is only
 * EMPTIED or HELD stays out of use until the kernel allows the rest.
 *
 * Errors; nothing is changed then. There is none for a live block but the last four:
 *  -EINVAL	region is NULL; an address inside a block that is not its start
 *  -ERANGE	outside the region
 *  -ENOENT	no block there: freed already, or never taken. Of two frees at once one wins
 *  -EDEADLK	called inside a notice about the region, and something was committed in the block
 *  -EBUSY	the region is parked
 *  -EPERM	VAS_REGION_TAGS: the block has a tag; or in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_free(struct vas_region *region, void *start, enum vas_retired *state);
/*
 * The same for a block with this tag. Only regions with VAS_REGION_TAGS compare it; there vas_region_free
 * frees blocks whose tag is 0.
 *
 * Errors as vas_region_free; nothing is changed then:
 *  -EINVAL	region is NULL; an address inside a block that is not its start
 *  -ERANGE	outside the region
 *  -ENOENT	no block there
 *  -EPERM	VAS_REGION_TAGS: the block has another tag; or in a forked child that shares the parent's memory
 *  -EDEADLK	called inside a notice about the region, and something was committed in the block
 *  -EBUSY	the region is parked
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_free_tagged(struct vas_region *region, void *start, uint32_t tag,
				   enum vas_retired *state);
/*
 * Changes the size of a block in place (rounded up to the granule). A shrunk block's tail is freed as by
 * vas_region_free; what a block grows by is inaccessible, as after an allocation.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	region is NULL; size 0; an address inside a block that is not its start; shrinking through
 *		what was committed with VAS_COMMIT_WHOLE
 *  -ERANGE	outside the region, or beyond its end
 *  -ENOENT	no block there
 *  -ENOSPC	what follows is not free that far
 *  -ENOMEM	no memory for the library's own books
 *  -EDEADLK	called inside a notice about the region
 *  -EBUSY	the region is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_resize(struct vas_region *region, void *start, uint64_t size);
/*
 * Makes two blocks of one, the second starting at at, a multiple of the granule inside it.
 * Memory stays as it is. Both keep the tag.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	region is NULL; start is inside a block; at is not inside the block, no multiple of the granule,
 *		or inside what was committed with VAS_COMMIT_WHOLE
 *  -ERANGE	outside the region
 *  -ENOENT	no block there
 *  -ENOMEM	no memory for the library's own books
 *  -EBUSY	the region is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_split_block(struct vas_region *region, void *start, void *at);
/*
 * Makes one block of two that touch. Memory stays as it is; the tag is the lower one's.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	region is NULL; lower or upper is inside a block; upper does not begin where lower ends
 *  -ERANGE	outside the region
 *  -ENOENT	no block there
 *  -EBUSY	the region is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_merge_blocks(struct vas_region *region, void *lower, void *upper);

/*
 * Makes two regions of one: region keeps what is below at, *upper gets the rest, with its blocks and
 * memory and the same options. No block may lie across at, nor one that was freed and waits. Every address stays owned
 * throughout (vas_owner_at), by owners with new ids. Waits until the region's calls in other threads have ended.
 *
 * Errors; nothing is changed then, *upper is untouched:
 *  -EINVAL	region or upper is NULL; at is no multiple of the granule, or inside a block, also one
 *		that was freed and waits
 *  -ERANGE	at is not inside the region
 *  -ENOMEM	no memory for the library's own books
 *  -EOPNOTSUPP	a device claimed the span as a whole
 *  -EDEADLK	called inside a notice about the region
 *  -EBUSY	the region is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Takes time in proportion to the blocks above at. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_split(struct vas_region *region, void *at, struct vas_region **upper);
/*
 * The reverse: lower gets all of upper, whose handle must not be used any more, by no thread. Both must
 * have been reserved alike (flags, fork, name, memory policy), and upper begin where lower ends. The cap and
 * the cache's limits are the lower one's.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	lower or upper is NULL; they are the same, do not touch, or differ in granule, flags or how they were
 *		reserved; of regions with quarantine, they were not split from one
 *  -ENOMEM	no memory for the library's own books
 *  -EOPNOTSUPP	a device claimed one of the spans as a whole
 *  -EDEADLK	called inside a notice about one of them
 *  -EBUSY	one of them is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of one of them
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Takes time in proportion to the blocks of upper. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_merge(struct vas_region *lower, struct vas_region *upper);

/*
 * As vas_commit, for a range of pages inside one live block.
 *
 * Errors; everything is as it was then, but for what vas_commit says of an undo that is refused:
 *  -EINVAL	region is NULL; an unaligned or empty range; a range that crosses the block's end; options as
 *		of vas_commit
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -ERANGE	outside the region
 *  -ENOENT	no block there
 *  -EDQUOT	more would be committed than opts.cap of the region
 *  -ENOMEM	refused by the kernel, or no memory for the library's own books
 *  -EBUSY	the region is parked, or a subscriber to notices refused it
 *  -EDEADLK	called inside a notice about the region
 *  -EPERM	in a forked child that shares the parent's memory; or as vas_commit
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 * and those of vas_commit.
 *
 * Thread-safe, also with changes of other parts of the same block; freeing the block meanwhile is a
 * caller's error. Not signal-safe.
 */
VAS_API int vas_region_commit(struct vas_region *region, void *start, uint64_t size,
			      const struct vas_commit_opts *opts);
/*
 * As vas_decommit, for a range of pages inside one live block. *state may be NULL.
 *
 * Errors; everything is as it was then:
 *  -EINVAL	region is NULL; an unaligned or empty range; a range that crosses the block's end; a part of
 *		what was committed with VAS_COMMIT_WHOLE
 *  -ERANGE	outside the region
 *  -ENOENT	no block there
 *  -ENOMEM	no memory for the library's own books
 *  -EBUSY	the region is parked, or a subscriber to notices refused it
 *  -EDEADLK	called inside a notice about the region
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 * and as vas_decommit.
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_decommit(struct vas_region *region, void *start, uint64_t size,
				enum vas_retired *state);
/*
 * As vas_protect, for a range of pages inside one live block: errors, and the state after them, as
 * vas_protect; and of the range and the region -EINVAL, -ERANGE, -ENOENT, -EBUSY, -EDEADLK, -EPERM,
 * -ESTALE and -EOWNERDEAD as vas_region_decommit; nothing is changed then.
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_protect(struct vas_region *region, void *start, uint64_t size, int prot);
/*
 * As vas_guard, for a range of pages inside one live block: errors, and the state after them, as
 * vas_guard; and of the range and the region -EINVAL, -ERANGE, -ENOENT, -EBUSY, -EDEADLK, -EPERM,
 * -ESTALE and -EOWNERDEAD as vas_region_decommit; nothing is changed then.
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_guard(struct vas_region *region, void *start, uint64_t size);
/*
 * As vas_unguard, for a range of pages inside one live block: errors, and the state after them, as
 * vas_unguard; and of the range and the region -EINVAL, -ERANGE, -ENOENT, -EBUSY, -EDEADLK, -EPERM,
 * -ESTALE and -EOWNERDEAD as vas_region_decommit; nothing is changed then.
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_unguard(struct vas_region *region, void *start, uint64_t size);

/*
 * Tells the live block that covers an address.
 *
 * Errors, with *block untouched:
 *  -EINVAL	region or block is NULL
 *  -ERANGE	outside the region
 *  -ENOENT	no block covers it
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_block_at(struct vas_region *region, const void *address,
				struct vas_block *block);
/*
 * Tells the first live block that ends above an address: from NULL, and then from each block's
 * end, every block in ascending order.
 *
 * Errors, with *block untouched:
 *  -EINVAL	region or block is NULL
 *  -ENOENT	there is none
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_next(struct vas_region *region, const void *address, struct vas_block *block);

/*
 * Tells the region the time, in a unit of the caller's that never goes back; an earlier time than was told before counts
 * as that. Cached memory that was freed opts.cache_age ago or longer is given back, and what all threads have passed.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	region is NULL
 *  -EBUSY	the region is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_tick(struct vas_region *region, uint64_t now);
/*
 * Gives cached memory back, oldest first, until at least target bytes are given or there is no more.
 * *given (may be NULL) tells how many; inside a notice about the region it is 0.
 *
 * Errors, with *given untouched; nothing is changed then:
 *  -EINVAL	region is NULL
 *  -EBUSY	the region is parked
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_trim(struct vas_region *region, uint64_t target, uint64_t *given);

/*
 * Quarantine (VAS_REGION_QUARANTINE). A thread joins once, enters before it uses pointers to blocks that
 * other threads may free, and leaves when it has none any more. A freed block keeps its addresses and
 * contents, and vas_region_free tells VAS_RETIRED_WAITING, until every thread that had entered by then has left. Frees
 * and allocations give such blocks back step by step; vas_region_tick and vas_region_trim as many as can
 * be. Threads that ended count as having left.
 *
 * Regions that were split from one have their threads in common: a thread that joined any of them has the same
 * handle in all, and while it is inside, freed blocks of all of them wait. Only such regions are merged again.
 */
struct vas_region_thread;
/*
 * Makes the calling thread known to the region and writes its handle, valid until vas_region_quit or until the
 * region, and all that were split from it, are destroyed. A thread that joins again has the same handle and is outside.
 *
 * Errors, with *thread untouched:
 *  -EINVAL	region or thread is NULL, or the region has no VAS_REGION_QUARANTINE
 *  -ENOMEM	no memory for the library's own books
 *  -EPERM	a sandbox denies gettid
 *  -ENOSYS	the same
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_join(struct vas_region *region, struct vas_region_thread **thread);
/*
 * Ends that; the handle must not be used any more. From any thread, if the handle's does not use it.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	thread is NULL, or has not joined
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_quit(struct vas_region_thread *thread);
/*
 * The calling thread, whose handle it is, may use blocks from here on, until as many calls of
 * vas_region_leave. No lock, no system call, no waiting. NULL does nothing. A child that was forked inside
 * is inside.
 * Cannot fail. Thread-safe; signal-safe.
 */
VAS_API void vas_region_enter(struct vas_region_thread *thread);
/*
 * The reverse: the thread has no pointers to blocks any more. NULL does nothing.
 * Cannot fail. Thread-safe; signal-safe.
 */
VAS_API void vas_region_leave(struct vas_region_thread *thread);

struct vas_region_stats {
	size_t size; /* set by the caller: sizeof(struct vas_region_stats) */
	struct vas_span span;
	uint64_t blocks; /* live */
	uint64_t used; /* bytes in live blocks */
	uint64_t free_ranges;
	uint64_t largest_free; /* bytes */
	uint64_t fragmentation; /* per mille: 1000 * (1 - largest free / all free); 0 when none is free */
	uint64_t committed; /* bytes, cached ones included */
	uint64_t warm; /* bytes in the cache */
	uint64_t waiting; /* bytes in quarantine */
	uint64_t guarded; /* bytes given back, by the state they could be brought to */
	uint64_t emptied;
	uint64_t held;
	uint64_t vmas; /* kernel mappings that the region's layout asks for */
	uint64_t books; /* bytes of metadata of its blocks */
	uint64_t allocs; /* counters */
	uint64_t frees;
	uint64_t warm_hits;
};

/*
 * Fills *stats. What is mapped is not told while the region is parked.
 *
 * Errors, with *stats untouched:
 *  -EINVAL	region or stats is NULL, or its size field is below the first version's
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Bounded: no walk over blocks. Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_stats(struct vas_region *region, struct vas_region_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
