/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tree of taken granules beside a flat map of them. Each call is made on the tree and held
 * against the map, which says what is true; for one search in 64 by trying every place, too.
 *
 * A test that makes nodes small includes the sources of the tree and tree_map.c after that.
 */
#ifndef TESTS_SUPPORT_TREE_MAP_H
#define TESTS_SUPPORT_TREE_MAP_H

#include "core/block_search.h"
#include "core/blocks_fit.h"
#include "support/cell_bits.h"

enum { TREE_MAP_MOST = CELL_BITS_MOST };

struct tree_map {
	struct vas_block_tree tree;
	struct vas_block_spares spares;
	uint64_t base;
	uint32_t shift;
	struct vas_block_run range;
	uint32_t pieces;
	uint32_t used;
	uint64_t searches;
	uint64_t refused;
	struct cell_bits free;
	uint32_t owner[TREE_MAP_MOST]; /* by offset: 0 = free; else 1 + start of the piece */
};

enum tree_map_way { TREE_MAP_LOW, TREE_MAP_HIGH, TREE_MAP_ANY };

/* Makes both, all free: base, shift and range are set. */
void tree_map_open(struct tree_map *map);
/* Whether no node was lost. */
bool tree_map_close(struct tree_map *map);

/*
 * Each makes one call; false when its answer is not what the map says. Search takes what it
 * finds, if piece is not NULL.
 */
bool tree_map_search(struct tree_map *map, const struct vas_block_query *query,
		     enum tree_map_way way, struct vas_block_run *piece);
/* The same for size and alignment alone. */
bool tree_map_search_size(struct tree_map *map, uint32_t need, uint32_t key,
			  struct vas_block_run *piece);
/* Takes this, if it is free. */
bool tree_map_insert(struct tree_map *map, struct vas_block_run piece);
/* The piece at offset, if there is one. */
bool tree_map_remove(struct tree_map *map, uint32_t offset);
bool tree_map_set_end(struct tree_map *map, uint32_t offset, uint32_t end);
bool tree_map_set_limit(struct tree_map *map, uint32_t limit);
/* Cuts there, if no piece crosses it, looks, and joins again. */
bool tree_map_cut(struct tree_map *map, uint32_t at);
bool tree_map_look(struct tree_map *map, uint32_t offset);
/* Every offset, both ways, every count and every invariant. */
bool tree_map_check(struct tree_map *map);

#endif
