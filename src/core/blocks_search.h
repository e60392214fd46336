/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a block can be put. See blocks_search.c; the arithmetic of one gap is in blocks_fit.c. */
#ifndef VAS_CORE_BLOCKS_SEARCH_H
#define VAS_CORE_BLOCKS_SEARCH_H

#include "core/blocks_tree.h"

/* A request with its zeroes filled in. */
struct vas_block_query {
	uint64_t size; /* a multiple of the granule */
	uint64_t alignment; /* a multiple of the granule */
	uint64_t phase;
	uint64_t boundary; /* 0 = none; else at least size */
	uint64_t margin; /* a multiple of the granule; I: with it twice, size lies inside the span */
	uint64_t min; /* multiples of the granule; I: min < max, inside the span */
	uint64_t max;
};

/* The lowest start of a block of the query in the gap [start, end). False: there is none. */
bool vas_block_fit_low(const struct vas_block_query *query, uint64_t start, uint64_t end,
		       uint64_t *place);
/* The highest. */
bool vas_block_fit_high(const struct vas_block_query *query, uint64_t start, uint64_t end,
			uint64_t *place);

/* The lowest or highest place that is free. False: there is none. */
bool vas_block_search_low(const struct vas_blocks *blocks, const struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start);
bool vas_block_search_high(const struct vas_blocks *blocks, const struct vas_block_query *query,
			   struct vas_block_place *place, uint64_t *start);
/* A low place that is found soon. False: there is none at all. */
bool vas_block_search_any(const struct vas_blocks *blocks, const struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start);

#endif
