/* SPDX-License-Identifier: BSD-2-Clause */
/* What an allocation in a region asks of the block allocator. */
#ifndef VAS_REGION_REQUEST_H
#define VAS_REGION_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "region/region.h"

#define VAS_REQUEST_PLACES (VAS_ALLOC_LOW | VAS_ALLOC_HIGH | VAS_ALLOC_EXACT | VAS_ALLOC_RANDOM)

_Static_assert(VAS_ALLOC_LOW == VAS_BLOCKS_LOW && VAS_ALLOC_HIGH == VAS_BLOCKS_HIGH &&
		       VAS_ALLOC_EXACT == VAS_BLOCKS_EXACT && VAS_ALLOC_RANDOM == VAS_BLOCKS_RANDOM,
	       "the places have the same bits");

/* A size in whole granules. False: it was 0, or there is none. */
static inline bool vas_block_request_size(const struct vas_region *region, uint64_t size,
					  uint64_t *whole)
{
	*whole = (size + region->granule - 1) & ~(region->granule - 1);
	if (__builtin_expect(size == 0, 0))
		return false;
	return *whole >= size;
}

/* False: a size that cannot be. */
static inline bool vas_block_request_build(const struct vas_region *region, uint64_t size,
					   const struct vas_alloc_opts *opts,
					   struct vas_block_request *request)
{
	*request = (struct vas_block_request){
		.alignment = opts->alignment,
		.phase = opts->phase,
		.min = opts->min,
		.max = opts->max,
		.boundary = opts->boundary,
		.margin = vas_region_margin(region),
		.address = (uint64_t)(uintptr_t)opts->address,
		.flags = opts->flags & VAS_REQUEST_PLACES,
		.mark = VAS_MARK_LIVE,
	};
	return vas_block_request_size(region, size, &request->size);
}

#endif
