/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 20 */
/*
 * The model of t_blocks_model.c over an allocator whose tree has small nodes, and so is deep, and most of whose
 * records lie too far from the first one to be numbered from there.
 */
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(16) << 10)
#define VAS_BLOCK_LEAF_MOST   8u
#define VAS_BLOCK_INNER_MOST  8u

#include "core/block_record.c"
#include "support/blocks_all.h"

#include "t_blocks_model.c"
