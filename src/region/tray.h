/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trays: the warm blocks that were freed last, a few in each shard, in front of the cache.
 *
 * put and take are for who is behind the shard's gate. The others are for who holds the region's lock,
 * and are of the cache: cache.c says when.
 */
#ifndef VAS_REGION_TRAY_H
#define VAS_REGION_TRAY_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/region.h>

#include "region/shard.h"

/* Whether a block of this size, of which the cache would keep one, may be put into the tray. */
static inline bool vas_tray_admits(const struct vas_shard *shard, uint64_t size)
{
	return shard->count < shard->room && size <= shard->tray_left;
}

/* The last one on top. I: it is admitted, and WARM by now. */
static inline void vas_tray_put(struct vas_shard *shard, struct vas_span span)
{
	shard->tray[shard->count++] = span;
	vas_shard_add(&shard->tray_bytes, span.size);
	shard->tray_left -= span.size;
}

/* Takes out the last one of the size that satisfies opts. Its mark is for the caller to set. */
bool vas_tray_take(const struct vas_region *region, struct vas_shard *shard, uint64_t size,
		   const struct vas_alloc_opts *opts, uint64_t *start);

/*
 * The calling thread had no place in its tray: what is there goes into the cache, and it may be used
 * again, as far as the cache has room and nodes.
 */
void vas_tray_renew(struct vas_region *region);
/* What is in all of them goes into the cache, and nothing is granted any more. */
void vas_trays_gather(struct vas_region *region);
/* Takes a block out of the calling thread's, and out of any of them. */
bool vas_trays_take_own(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
			uint64_t *start);
bool vas_trays_take(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    uint64_t *start);

#endif
