/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 20 */
/* The model of t_blocks_model.c over an allocator whose tree has small nodes, and so is deep. */
#define VAS_BLOCK_LEAF 4u
#define VAS_BLOCK_FAN  4u

#include "core/blocks.c"
#include "core/blocks_check.c"
#include "core/blocks_cut.c"
#include "core/blocks_fit.c"
#include "core/blocks_search.c"
#include "core/blocks_tree.c"

#include "t_blocks_model.c"
