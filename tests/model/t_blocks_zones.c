/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 20 */
/* The model of t_blocks_model.c over spans of many small zones: blocks cross their edges. */
#define VAS_BLOCKS_ZONE_SHIFT	21u
#define VAS_BLOCKS_SMALL_IS_ONE 0

#include "support/blocks_all.h"

#include "t_blocks_model.c"
