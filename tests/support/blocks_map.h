/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block allocator beside a flat map of its granules. Each call is made on the
 * allocator and held against the map, which says what is true: it has a bit for each granule, and finds
 * all free runs of a length at once. For one request in 64 it tries every place by itself as well, which
 * must come to the same.
 */
#ifndef TESTS_SUPPORT_BLOCKS_MAP_H
#define TESTS_SUPPORT_BLOCKS_MAP_H

#include "core/blocks.h"
#include "support/cell_bits.h"

enum { BLOCKS_MAP_MOST = CELL_BITS_MOST };

struct blocks_map {
	struct vas_blocks *blocks;
	uint64_t granule;
	uint64_t start; /* of the span */
	uint32_t cells; /* granules in it */
	uint32_t used; /* cells */
	uint32_t live;
	uint64_t allocs;
	uint64_t refused; /* with -ENOSPC */
	uint64_t tried; /* of allocs, those for which every place was tried by itself */
	struct cell_bits free;
	uint32_t owner[BLOCKS_MAP_MOST]; /* 0 = free; else 1 + first cell of the block */
	uint32_t mark[BLOCKS_MAP_MOST]; /* by first cell */
};

/* Memory from aligned_alloc; no lock. context is not used. */
extern const struct vas_blocks_support blocks_map_support;

/* Makes both, all free: granule, start and cells are set. */
void blocks_map_open(struct blocks_map *map, uint64_t seed,
		     const struct vas_blocks_support *support);
void blocks_map_close(struct blocks_map *map);

uint64_t blocks_map_address(const struct blocks_map *map, uint64_t cell);

/* Each makes one call; false when its answer is not what the map says, with a diagnosis for alloc. */
bool blocks_map_alloc(struct blocks_map *map, const struct vas_block_request *request);
bool blocks_map_free(struct blocks_map *map, uint64_t address);
bool blocks_map_resize(struct blocks_map *map, uint64_t address, uint64_t size);
bool blocks_map_split(struct blocks_map *map, uint64_t address, uint64_t at);
bool blocks_map_merge(struct blocks_map *map, uint64_t lower, uint64_t upper);
/* kind 0: whatever it was; 1: expecting what it is; 2: expecting something else. */
bool blocks_map_mark(struct blocks_map *map, uint64_t address, uint32_t mark, uint32_t kind);
/* at and next. */
bool blocks_map_look(struct blocks_map *map, uint64_t address);
/* Cuts, looks, and joins again. */
bool blocks_map_cut(struct blocks_map *map, uint64_t at);
/* Every cell, every count and every invariant. */
bool blocks_map_check(struct blocks_map *map);

#endif
