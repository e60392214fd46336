/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a block fits into one gap, and where. See blocks_fit.c. */
#ifndef VAS_CORE_BLOCKS_FIT_H
#define VAS_CORE_BLOCKS_FIT_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
