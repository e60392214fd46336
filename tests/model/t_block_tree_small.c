/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 10 */
/*
 * The model of t_block_tree_model.c over a tree whose nodes are small, so that it is deep, and with
 * the loops of block_lanes.h for processors that it has no special ones for.
 */
#define VAS_LANES_PLAIN
#define VAS_BLOCK_LEAF_MOST  8u
#define VAS_BLOCK_INNER_MOST 8u
#define VAS_BLOCK_SEARCH_LARGE 0u

#include "core/block_room.c"
#include "core/block_search.c"
#include "core/block_tree.c"
#include "core/block_tree_check.c"
#include "core/block_tree_cut.c"
#include "support/tree_map.c"

#include "t_block_tree_model.c"
