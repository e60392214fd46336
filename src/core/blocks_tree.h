/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books of a block allocator: the live blocks in address order, as the
 * leaves of a B+ tree. Free ranges are not stored; they are what lies between.
 * See blocks_tree.c.
 */
#ifndef VAS_CORE_BLOCKS_TREE_H
#define VAS_CORE_BLOCKS_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/blocks.h"

/* A test makes them smaller, for deeper trees. */
#ifndef VAS_BLOCK_LEAF
#define VAS_BLOCK_LEAF 29u /* blocks in one leaf; at least 4 */
#define VAS_BLOCK_FAN  15u /* children of one inner node; at least 4 */
#endif
#define VAS_BLOCK_KEYS 3u /* alignments that room is known for: granule, 64 KiB, 2 MiB */

struct vas_block_inner;

/* What leaves and inner nodes begin with. */
struct vas_block_node {
	struct vas_block_inner *parent; /* NULL: the root */
	uint32_t count; /* blocks or children; I: 0 only in the first leaf */
	uint32_t level; /* 0 = leaf */
};

/*
 * The blocks of [base, limit), ascending, and the gaps before, between and
 * after them. I: no gap continues in another leaf: base is start[0], but in the
 * first leaf it is the span's start; limit is the next leaf's base.
 */
struct vas_block_leaf {
	struct vas_block_node node;
	struct vas_block_leaf *prev;
	struct vas_block_leaf *next;
	uint64_t base;
	uint64_t limit;
	uint64_t start[VAS_BLOCK_LEAF];
	uint64_t end[VAS_BLOCK_LEAF];
	uint32_t mark[VAS_BLOCK_LEAF];
};

struct vas_block_inner {
	struct vas_block_node node;
	uint64_t key[VAS_BLOCK_FAN]; /* I: the base of the first leaf below child */
	struct vas_block_node *child[VAS_BLOCK_FAN];
	/* I: the largest gap below child, after its start is aligned to blocks->alignment[key] */
	uint64_t room[VAS_BLOCK_KEYS][VAS_BLOCK_FAN];
};

/* A piece of memory from support; nodes follow. */
struct vas_block_chunk {
	struct vas_block_chunk *next;
	uint64_t size;
};

struct vas_blocks {
	struct vas_block_chunk chunk; /* the chunk that this lies in, and the list of all */
	struct vas_blocks_support support;
	uint32_t lock;
	uint32_t spare_count;
	struct vas_block_node *spare; /* nodes not in use, linked through parent */
	struct vas_block_node *root;
	struct vas_block_leaf *first; /* the leaf with the lowest addresses; never given up */
	struct vas_block_leaf *last; /* where the last search ended, or NULL; a hint */
	struct vas_span span;
	uint64_t granule;
	uint64_t random;
	uint64_t alignment[VAS_BLOCK_KEYS];
	uint64_t live;
	uint64_t used;
	uint64_t free_ranges; /* gaps that are not empty */
	uint64_t books;
};

/* A place in the books: gap index of leaf lies before block index. */
struct vas_block_place {
	struct vas_block_leaf *leaf;
	uint32_t index;
};

static inline struct vas_block_leaf *vas_block_leaf(struct vas_block_node *node)
{
	return (struct vas_block_leaf *)node;
}

static inline struct vas_block_inner *vas_block_inner(struct vas_block_node *node)
{
	return (struct vas_block_inner *)node;
}

/* Bytes in one node, whatever its kind. */
#define VAS_BLOCK_NODE_SIZE                                                                        \
	(((sizeof(struct vas_block_leaf) > sizeof(struct vas_block_inner)                          \
		   ? sizeof(struct vas_block_leaf)                                                 \
		   : sizeof(struct vas_block_inner)) +                                             \
	  63) &                                                                                    \
	 ~(size_t)63)

static inline uint64_t vas_block_gap_start(const struct vas_block_leaf *leaf, uint32_t index)
{
	return index ? leaf->end[index - 1] : leaf->base;
}

static inline uint64_t vas_block_gap_end(const struct vas_block_leaf *leaf, uint32_t index)
{
	return index < leaf->node.count ? leaf->start[index] : leaf->limit;
}

/* What is left of the gap [start, end) from the first multiple of alignment, a power of two, on. */
static inline uint64_t vas_block_room(uint64_t start, uint64_t end, uint64_t alignment)
{
	uint64_t up = (start + alignment - 1) & ~(alignment - 1);

	return up >= start && up < end ? end - up : 0;
}

/* Makes the tree of a span that is all free. I: a spare node. */
void vas_blocks_tree_init(struct vas_blocks *blocks);
/* Nodes for n insertions above all that is there: takes memory. -ENOMEM. */
int vas_blocks_tree_prepare(struct vas_blocks *blocks, uint64_t n);
/* Nodes for one insertion at place; often none are needed. -ENOMEM. */
int vas_blocks_tree_prepare_at(struct vas_blocks *blocks, struct vas_block_place place);
/* Makes nodes of the memory after the header of a chunk. */
void vas_blocks_tree_feed(struct vas_blocks *blocks, struct vas_block_chunk *chunk, size_t header);

/*
 * The block or gap of an address inside the span: index counts the blocks of leaf that start at or
 * below it.
 */
struct vas_block_place vas_blocks_tree_find(struct vas_blocks *blocks, uint64_t address);
/* These keep live, used and free_ranges. Puts a block into the gap at place. I: prepared. */
void vas_blocks_tree_insert(struct vas_blocks *blocks, struct vas_block_place place,
			   struct vas_span span, uint32_t mark);
/* Removes block index of leaf. Needs no memory. */
void vas_blocks_tree_remove(struct vas_blocks *blocks, struct vas_block_place place);
/* Moves the end of block index of leaf. I: the bytes between are free or the block's. */
void vas_blocks_tree_set_end(struct vas_blocks *blocks, struct vas_block_place place, uint64_t end);
/* The gap at the end of the span. */
struct vas_block_place vas_blocks_tree_last(const struct vas_blocks *blocks);
/* Moves the end of the span: nothing live lies above it. */
void vas_blocks_tree_set_limit(struct vas_blocks *blocks, uint64_t end);
/* Every invariant of the tree, the counts and the memory. */
bool vas_blocks_tree_check(const struct vas_blocks *blocks);
/* The largest gaps below a node, by key. */
void vas_blocks_tree_room(const struct vas_blocks *blocks, struct vas_block_node *node,
			 uint64_t *room);

static inline void vas_blocks_enter(struct vas_blocks *blocks)
{
	if (blocks->support.lock)
		blocks->support.lock(blocks->support.context, &blocks->lock);
}

static inline int vas_blocks_leave(struct vas_blocks *blocks, int error)
{
	VAS_ASSERT_EXPENSIVE(vas_blocks_tree_check(blocks));
	if (blocks->support.unlock)
		blocks->support.unlock(blocks->support.context, &blocks->lock);
	return error;
}

#endif
