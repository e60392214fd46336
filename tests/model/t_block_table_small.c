/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 6 */
/* The model of t_block_table_model.c over tables with small pages: many of them, cut and shared often. */
#define VAS_BLOCK_PAGE_LINES 4u
#define VAS_BLOCK_PAGE_FEW   2u

#include "core/block_page.c"
#include "core/block_table.c"

#include "t_block_table_model.c"
