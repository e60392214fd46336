/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a block can be put. See blocks_search.c; the arithmetic of one gap is in blocks_fit.c. */
#ifndef VAS_CORE_BLOCKS_SEARCH_H
#define VAS_CORE_BLOCKS_SEARCH_H

#include "core/blocks_fit.h"
#include "core/blocks_tree.h"

/* The lowest or highest place that is free. False: there is none. */
bool vas_blocks_search_low(const struct vas_blocks *blocks, const struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start);
bool vas_blocks_search_high(const struct vas_blocks *blocks, const struct vas_block_query *query,
			   struct vas_block_place *place, uint64_t *start);
/* A low place that is found soon. False: there is none at all. */
bool vas_blocks_search_any(const struct vas_blocks *blocks, const struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start);

#endif
