/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which granules of one zone are taken: a B+ tree of pieces in address order
 * that knows its gaps. See block_tree.c; the searches are in block_search.h.
 *
 * Offsets are granules from the zone's base, which is a multiple of every
 * alignment that rooms are known for. Gaps have no record, they lie between the
 * pieces, so what is removed is one gap with its neighbours at once.
 *
 * Bounds, with n pieces: every function here takes O(log n) steps, but check,
 * cut and join as they say.
 *
 * Concurrency: none. The zone's lock is held.
 */
#ifndef VAS_CORE_BLOCK_TREE_H
#define VAS_CORE_BLOCK_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/block_spares.h"

#define VAS_BLOCK_TREE_MOST  (UINT32_C(1) << 30) /* no offset is larger */
#define VAS_BLOCK_NEVER	     UINT32_C(0x7fffffff) /* above every offset */
#define VAS_BLOCK_TREE_DEPTH 16u /* levels of inner nodes, at most */
#define VAS_BLOCK_ROOM_LANES 4u
#define VAS_BLOCK_ROOMS	     3u /* alignments of rooms: granule, 64 KiB, 2 MiB */

/* Granules [start, end). */
struct vas_block_run {
	uint32_t start;
	uint32_t end;
};

/* A test makes them smaller, for deeper trees. */
#ifndef VAS_BLOCK_LEAF_MOST
#define VAS_BLOCK_LEAF_MOST  56u /* pieces in one leaf; of four, and 8 at least */
#define VAS_BLOCK_INNER_MOST 16u /* children of one inner node; of four, 8 to 16 */
#endif

/*
 * Pieces in address order. The gap after piece i is [end[i], start[i + 1]), the last one's too:
 * start[count] is the next leaf's start[0], or the tree's limit. I: count is at least 2, but of a
 * root 1, and every gap lies behind a piece of its leaf: the tree's first piece is an empty one at
 * its start that nobody removes. I: entries beyond these are VAS_BLOCK_NEVER, so that loops need
 * not know count.
 */
struct vas_block_leaf {
	uint32_t start[VAS_BLOCK_LEAF_MOST + 4];
	uint32_t end[VAS_BLOCK_LEAF_MOST + 4];
	uint32_t count;
};

struct vas_block_inner;

/* What was looked for in vain: so many granules at a multiple of an alignment. See block_search.c. */
struct vas_block_refusal {
	uint64_t alignment; /* bytes */
	uint32_t need; /* 0 = nothing */
};

struct vas_block_tree {
	struct vas_block_spares *spares; /* where nodes come from and go */
	void *root; /* a leaf when levels is 0 */
	uint32_t levels; /* of inner nodes */
	uint32_t pieces; /* without the empty one */
	uint32_t gaps; /* that are not empty */
	uint32_t used; /* granules in pieces */
	uint32_t nodes;
	struct vas_block_run range; /* what the tree covers */
	uint32_t mask[VAS_BLOCK_ROOM_LANES]; /* alignments in granules, less one; one twice */
	/* I: the largest gap from its first aligned granule on, by alignment; 0 = none; the last twice */
	uint32_t room[VAS_BLOCK_ROOM_LANES];
	uint32_t shift; /* a granule is 1 << shift bytes */
	uint64_t base; /* the address of offset 0 */
	struct vas_block_refusal refused; /* I: no gap has that */
};

/*
 * A piece and the gap after it, with the way to them. Good until the tree
 * changes. Only the first tree->levels steps of the way are set.
 */
struct vas_block_place {
	struct vas_block_leaf *leaf;
	uint32_t index;
	uint32_t slot[VAS_BLOCK_TREE_DEPTH];
	struct vas_block_inner *way[VAS_BLOCK_TREE_DEPTH]; /* from the leaf's parent up */
};

/* The piece of a place; empty (start == end) for the one before all others. */
static inline struct vas_block_run vas_block_place_piece(const struct vas_block_place *place)
{
	return (struct vas_block_run){ place->leaf->start[place->index],
				       place->leaf->end[place->index] };
}

/* The gap behind it; may be empty. */
static inline struct vas_block_run vas_block_place_gap(const struct vas_block_place *place)
{
	return (struct vas_block_run){ place->leaf->end[place->index],
				       place->leaf->start[place->index + 1] };
}

/*
 * Makes a tree that is all free. Takes one node of spares, and uses them later. I: range is not
 * empty; base is a multiple of 2 MiB and of the granule.
 */
void vas_block_tree_init(struct vas_block_tree *tree, struct vas_block_spares *spares,
			 uint64_t base, uint32_t shift, struct vas_block_run range);
/* Gives all its nodes back to the spares. O(n). */
void vas_block_tree_clear(struct vas_block_tree *tree);
/* So many nodes must be spare before an insertion, wherever it will be. */
static inline uint32_t vas_block_tree_wants(const struct vas_block_tree *tree)
{
	return tree->levels + 2;
}

/* The piece or gap that covers offset. I: inside the range. */
void vas_block_tree_find(const struct vas_block_tree *tree, uint32_t offset,
			 struct vas_block_place *place);
/* The same in two steps, so that there is something to do while the leaf comes from memory. */
void vas_block_tree_find_leaf(const struct vas_block_tree *tree, uint32_t offset,
			      struct vas_block_place *place);
void vas_block_tree_find_piece(struct vas_block_place *place, uint32_t offset);
/* The empty piece before all others: its gap is the tree's first. */
void vas_block_tree_first(const struct vas_block_tree *tree, struct vas_block_place *place);
/* The last piece: its gap is the tree's last. */
void vas_block_tree_last(const struct vas_block_tree *tree, struct vas_block_place *place);
/* To the next piece, or back to the one before. False: there is none, and place is as it was. */
bool vas_block_tree_next(const struct vas_block_tree *tree, struct vas_block_place *place);
bool vas_block_tree_prev(const struct vas_block_tree *tree, struct vas_block_place *place);

/* Puts piece into the gap of place. I: it lies inside, not empty; tree_wants are spare. */
void vas_block_tree_insert(struct vas_block_tree *tree, struct vas_block_place *place,
			   struct vas_block_run piece);
/* Removes the piece of place, which is not the empty one. Needs no memory. */
void vas_block_tree_remove(struct vas_block_tree *tree, struct vas_block_place *place);
/* Moves the end of the piece of place. I: above its start, not beyond its gap. Needs no memory. */
void vas_block_tree_set_end(struct vas_block_tree *tree, struct vas_block_place *place,
			    uint32_t end);
/* Moves the end of the range. I: no piece ends above it, and it is above the range's start. */
void vas_block_tree_set_limit(struct vas_block_tree *tree, uint32_t limit);

/* So many nodes must be spare before so many insertions at either end. O(log n). */
uint32_t vas_block_tree_wants_run(const struct vas_block_tree *tree, uint32_t pieces);
/*
 * Moves the pieces from where upper begins on to upper, which ends where lower does, is all free,
 * and has the same base; lower ends at its start then. I: no piece crosses that; upper has
 * spare what wants_run says for as many pieces as lower has. O(m log n) for m that move.
 */
void vas_block_tree_cut(struct vas_block_tree *lower, struct vas_block_tree *upper);
/*
 * The reverse: lower is both, and upper is cleared. I: lower has spare what wants_run says for
 * upper's pieces. O(m log n) for m pieces in upper.
 */
void vas_block_tree_join(struct vas_block_tree *lower, struct vas_block_tree *upper);

/* Every invariant. O(n). */
bool vas_block_tree_check(const struct vas_block_tree *tree);

#endif
