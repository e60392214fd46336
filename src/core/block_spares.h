/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes and pages that are set aside for one user, so that a change which has begun
 * cannot want for memory. Not locked: whoever owns the spares holds its own lock. They
 * come from a pool (block_pool.h), and what is too much goes back there.
 */
#ifndef VAS_CORE_BLOCK_SPARES_H
#define VAS_CORE_BLOCK_SPARES_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define VAS_BLOCK_NODE_SIZE 512u /* bytes of a node, and its alignment */
#define VAS_BLOCK_PAGE_SIZE 4096u /* bytes of a page; aligned as a node */

/* What a node or page holds while it is not in use. */
struct vas_block_spare {
	struct vas_block_spare *next;
};

/* Empty when it is all zeroes. */
struct vas_block_spares {
	struct vas_block_spare *nodes;
	struct vas_block_spare *pages;
	uint32_t node_count;
	uint32_t page_count;
};

static inline void *vas_block_spare_pop(struct vas_block_spare **list, uint32_t *count)
{
	struct vas_block_spare *spare = *list;

	VAS_ASSERT(spare != NULL);
	*list = spare->next;
	--*count;
	return spare;
}

static inline void vas_block_spare_push(struct vas_block_spare **list, uint32_t *count,
					void *memory)
{
	struct vas_block_spare *spare = memory;

	spare->next = *list;
	*list = spare;
	++*count;
}

/* A node, its content undefined. I: there is one. */
static inline void *vas_block_spares_take(struct vas_block_spares *spares)
{
	return vas_block_spare_pop(&spares->nodes, &spares->node_count);
}

static inline void vas_block_spares_give(struct vas_block_spares *spares, void *node)
{
	vas_block_spare_push(&spares->nodes, &spares->node_count, node);
}

/* The same for pages. */
static inline void *vas_block_spares_take_page(struct vas_block_spares *spares)
{
	return vas_block_spare_pop(&spares->pages, &spares->page_count);
}

static inline void vas_block_spares_give_page(struct vas_block_spares *spares, void *page)
{
	vas_block_spare_push(&spares->pages, &spares->page_count, page);
}

#endif
