/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of a region: blocks that were freed and stay committed, found by their exact size.
 *
 * Blocks are taken from it last in, first out, and leave it oldest first. A warm block's mark has the number of
 * its node in the place of a record's; 0: it is in a tray (tray.h).
 *
 * Concurrency: the region's lock is held, unless said otherwise.
 */
#ifndef VAS_REGION_CACHE_H
#define VAS_REGION_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/region.h>

struct vas_region;

#define VAS_CACHE_BUCKETS 128u
#define VAS_CACHE_NODES	  ((1u << 24) - 1) /* numbers fit a mark */

/* Numbers of nodes begin with 1; 0 = none. */
struct vas_cache_node {
	struct vas_span span;
	uint64_t time; /* of the region's clock, when it was freed */
	uint32_t older, newer; /* by time */
	uint32_t below, above; /* of the same size; unused ones are linked by below */
	/* Other sizes in the same bucket. I: only of the top one of its size */
	uint32_t next, previous;
};

struct vas_cache {
	struct vas_cache_node *nodes; /* capacity of them; nodes[number - 1] */
	uint32_t capacity;
	uint32_t unused; /* the first unused node */
	uint32_t spares; /* I: unused nodes */
	uint32_t aside; /* of these, as many as are set aside for blocks in trays; I: not more than spares */
	uint32_t count; /* I: blocks that are WARM and not in a tray */
	uint32_t oldest, newest;
	uint64_t bytes; /* I: in them */
	uint64_t granted; /* bytes that trays have or may have */
	uint64_t now; /* the caller's clock, as last told */
	uint32_t buckets[VAS_CACHE_BUCKETS]; /* by size */
};

/* Whether a commit with these options makes memory that the cache keeps. */
bool vas_cache_is_plain(const struct vas_commit_opts *opts);
/* Whether blocks of this size are kept at all. */
bool vas_cache_admits(const struct vas_region *region, uint64_t size);
/* Makes room for the block that is being made to be kept later, if memory can be had. */
void vas_cache_prepare(struct vas_region *region);
/* Gives the nodes' memory back. */
void vas_cache_free(struct vas_region *region);

/*
 * A live block that is wholly committed and PLAIN, and nobody else's for now, becomes warm, its record and
 * promise aside. False: there is no node.
 */
bool vas_cache_put(struct vas_region *region, struct vas_span span);
/* Whether a warm block is where opts wants one. */
bool vas_cache_suits(const struct vas_region *region, struct vas_span span,
		     const struct vas_alloc_opts *opts);
/*
 * Takes a warm block of the size that satisfies opts, from wherever it is kept; its mark is for the caller
 * to set. False: there is none.
 */
bool vas_cache_take(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    uint64_t *start);

/* Zeroes a block that was warm. No lock. */
void vas_cache_zero(struct vas_region *region, struct vas_span span);

/*
 * Gives warm blocks back, oldest first, neighbours at once, until target bytes are; of age only those that were
 * freed so long ago; in a span those in it. Return the bytes. No lock, not pinned.
 */
uint64_t vas_cache_drain(struct vas_region *region, uint64_t target);
uint64_t vas_cache_age(struct vas_region *region, uint64_t now);
uint64_t vas_cache_drain_span(struct vas_region *region, struct vas_span span);
/* Whether it has more than it may, trays and all. */
bool vas_cache_is_over(struct vas_region *region);
/* After a put: what is too much. No lock. */
void vas_cache_limit(struct vas_region *region);

/* After that no live block is PLAIN. No lock. */
void vas_cache_distrust(struct vas_region *region);
/* Every invariant of the nodes. */
bool vas_cache_check(const struct vas_region *region);

#endif
