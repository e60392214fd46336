/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 6 */
/*
 * The model of t_block_table_model.c over tables with small pages, many of them, cut and shared often; and most of
 * them too far from the first one to be numbered from there.
 */
#define VAS_BLOCK_PAGE_LINES  4u
#define VAS_BLOCK_PAGE_FEW    2u
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(64) << 10)

#include "core/block_join.c"
#include "core/block_page.c"
#include "core/block_record.c"
#include "core/block_table.c"

#include "t_block_table_model.c"
