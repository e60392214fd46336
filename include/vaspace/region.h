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
#define VAS_REGION_RED_ZONES 0x01u /* an inaccessible page before and after every block */
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
	/* The cache of committed memory. All 0 = none: a freed block is decommitted at once. */
	uint64_t cache_bytes; /* keep at most this much */
	uint64_t cache_block; /* and no block larger than this; 0 = any */
	uint64_t cache_age; /* given back after so long, in the unit of the region's clock; 0 = never */
	uint32_t flags; /* VAS_REGION_ bits */
};

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

#ifdef __cplusplus
}
#endif
#endif
