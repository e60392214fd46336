/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a place in the zones of an allocator, and taking it. See blocks_place.c. */
#ifndef VAS_CORE_BLOCKS_PLACE_H
#define VAS_CORE_BLOCKS_PLACE_H

#include "core/blocks_zone.h"

/* What is to be put there. */
struct vas_block_order {
	struct vas_block_query query;
	uint32_t flags; /* VAS_BLOCKS_ bits; at most one */
	uint32_t class; /* VAS_BLOCK_NO_CLASS, or query.size is the class's and size below it */
	uint32_t mark;
	uint64_t size; /* what was asked for, in whole granules */
	uint64_t address; /* EXACT */
};

/*
 * Finds a place for an order and makes the block. No lock is held. -ENOSPC, -EEXIST, -ENOMEM: nothing is
 * changed. quick: looks only where there is room for sure.
 */
int vas_blocks_place(struct vas_blocks *blocks, const struct vas_block_order *order, bool quick,
		     uint64_t *start);
/*
 * The same, quick, for what asks for nothing but a size, at most VAS_BLOCK_TREE_MOST granules, and one of the
 * alignments that rooms are known for, in one of the zones from first to last. -ENOSPC, -ENOMEM: nothing is
 * changed.
 */
int vas_blocks_place_size(struct vas_blocks *blocks, const struct vas_block_what *what,
			  uint32_t key, uint32_t first, uint32_t last, uint64_t *start);

#endif
