/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of a table that are retired, and pages that are joined. See block_join.c. All of it is for the table's writer.
 */
#ifndef VAS_CORE_BLOCK_JOIN_H
#define VAS_CORE_BLOCK_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/block_share.h"

#define VAS_BLOCK_JOIN_LEAST 4u /* with so many pages, a table is prepared for their being joined */
/* A test makes it smaller. */
#ifndef VAS_BLOCK_JOIN_EACH
#define VAS_BLOCK_JOIN_EACH 8u /* chances of which one is taken */
#endif

/* A page that was retired and in which nothing stands any more; false: there is none. */
bool vas_block_retired_again(struct vas_block_table *table, struct vas_block_page *made);
/* Sees to it that pages can be noted. -ENOMEM. */
int vas_block_retired_make(struct vas_block_table *table, struct vas_block_pool *pool,
			   struct vas_block_spares *spares);
/*
 * The same, and that there is a place to note one more page that is retired when one was made for its keys,
 * *index. -ENOSPC: there is none. -ENOMEM.
 */
int vas_block_retired_prepare(struct vas_block_table *table, struct vas_block_pool *pool,
			      struct vas_block_spares *spares, uint32_t *index);
/* Notes it there. */
void vas_block_retired_note(struct vas_block_table *table, uint32_t index,
			    const struct vas_block_page *page);
/* Strays in a page that are LIVE by now move to where they belong. True: some did. */
bool vas_block_strays_settle(const struct vas_block_table *table, const struct vas_block_page *page,
			     const struct vas_block_range *range);
/* There are so many pages now. */
void vas_block_join_pages(struct vas_block_table *table, uint32_t pages);
/* Whether each stray of a page is what its key is MOVED to; and those of all pages that are retired. */
bool vas_block_strays_check(const struct vas_block_table *table, const struct vas_block_page *page,
			    const struct vas_block_range *range);
bool vas_block_retired_check(const struct vas_block_table *table);

#endif
