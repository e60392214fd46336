/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes that are set aside for one user, so that a change which has begun cannot
 * want for memory. Not locked: whoever owns the spares holds its own lock.
 */
#ifndef VAS_CORE_BLOCK_SPARES_H
#define VAS_CORE_BLOCK_SPARES_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define VAS_BLOCK_NODE_SIZE 512u /* bytes of a node; aligned to 64 */

/* What a node holds while it is not in use. */
struct vas_block_spare {
	struct vas_block_spare *next;
};

struct vas_block_spares {
	struct vas_block_spare *nodes;
	uint32_t node_count;
};

/* A node, its content undefined. I: there is one. */
static inline void *vas_block_spares_take(struct vas_block_spares *spares)
{
	struct vas_block_spare *spare = spares->nodes;

	VAS_ASSERT(spare != NULL);
	spares->nodes = spare->next;
	spares->node_count--;
	return spare;
}

static inline void vas_block_spares_give(struct vas_block_spares *spares, void *node)
{
	struct vas_block_spare *spare = node;

	spare->next = spares->nodes;
	spares->nodes = spare;
	spares->node_count++;
}

#endif
