/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 20 */
/* The model of t_blocks_model.c over an allocator whose tree has small nodes, and so is deep. */
#define VAS_BLOCK_LEAF_MOST  8u
#define VAS_BLOCK_INNER_MOST 8u

#include "support/blocks_all.h"

#include "t_blocks_model.c"
