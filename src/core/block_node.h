/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of the tree, for block_tree.c and its companions. */
#ifndef VAS_CORE_BLOCK_NODE_H
#define VAS_CORE_BLOCK_NODE_H

#include "core/block_lanes.h"
#include "core/block_tree.h"

/* I: count is at least 2. Of entries from count on, key is VAS_BLOCK_NEVER, room is none. */
struct vas_block_inner {
	/* The largest below child, by alignment, so that a search looks at one cache line; biased. */
	uint32_t room[VAS_BLOCK_ROOMS][VAS_BLOCK_INNER_MOST];
	uint32_t key[VAS_BLOCK_INNER_MOST]; /* start[0] of the first leaf below child */
	void *child[VAS_BLOCK_INNER_MOST]; /* leaves below level 0, which is that of way[0] */
	uint32_t count;
};

_Static_assert(sizeof(struct vas_block_leaf) <= VAS_BLOCK_NODE_SIZE, "a leaf is a node");
_Static_assert(sizeof(struct vas_block_inner) <= VAS_BLOCK_NODE_SIZE, "an inner node is a node");
_Static_assert(VAS_BLOCK_LEAF_MOST % 4 == 0 && VAS_BLOCK_LEAF_MOST >= 8, "lanes");
_Static_assert(VAS_BLOCK_INNER_MOST % 4 == 0 && VAS_BLOCK_INNER_MOST >= 8 &&
		       VAS_BLOCK_INNER_MOST <= 16, "lanes");

/* What is left of gap from its first aligned granule on. */
static inline uint32_t vas_block_room(struct vas_block_run gap, uint32_t mask)
{
	uint32_t up = (gap.start + mask) & ~mask;

	return up < gap.end ? gap.end - up : 0;
}

/* The same for four gaps of a leaf, from gap i on; negative where it is none. */
static inline vas_lanes vas_block_rooms(const struct vas_block_leaf *leaf, uint32_t i,
					vas_lanes mask)
{
	vas_lanes up = vas_lanes_load(leaf->end + i) + mask;

	return vas_lanes_load(leaf->start + i + 1) - (up & ~mask);
}

/* Lane i: -1 where the gap has more room than bound. */
static inline vas_lanes vas_block_rooms_above(const struct vas_block_leaf *leaf, uint32_t i,
					      vas_lanes mask, vas_lanes bound)
{
	return vas_lanes_more(vas_block_rooms(leaf, i, mask), bound);
}

/* Bit i: gap i of the leaf has so much room. I: mask is that of the tree and not of one granule. */
static inline uint64_t vas_block_leaf_aligned(const struct vas_block_leaf *leaf, uint32_t need,
					   uint32_t mask)
{
	vas_lanes bound = vas_lanes_all(need - 1);
	vas_lanes masks = vas_lanes_all(mask);
	uint64_t bits = 0;
	uint32_t i = 0;

	VAS_UNROLL
	for (; i + 16 <= VAS_BLOCK_LEAF_MOST; i += 16)
		bits |= vas_lanes_bits_16(vas_block_rooms_above(leaf, i, masks, bound),
					  vas_block_rooms_above(leaf, i + 4, masks, bound),
					  vas_block_rooms_above(leaf, i + 8, masks, bound),
					  vas_block_rooms_above(leaf, i + 12, masks, bound))
			<< i;
	VAS_UNROLL
	for (; i < VAS_BLOCK_LEAF_MOST; i += 4)
		bits |= vas_lanes_bits(vas_block_rooms_above(leaf, i, masks, bound)) << i;
	return bits;
}

/* Lane i: -1 where the gap is larger than bound. */
static inline vas_lanes vas_block_gaps_above(const struct vas_block_leaf *leaf, uint32_t i,
					     vas_lanes bound)
{
	return vas_lanes_more(vas_lanes_load(leaf->start + i + 1) - vas_lanes_load(leaf->end + i),
			      bound);
}

/* The same for the alignment of one granule, which is most of them. */
static inline uint64_t vas_block_leaf_plain(const struct vas_block_leaf *leaf, uint32_t need)
{
	vas_lanes bound = vas_lanes_all(need - 1);
	uint64_t bits = 0;
	uint32_t i = 0;

	VAS_UNROLL
	for (; i + 16 <= VAS_BLOCK_LEAF_MOST; i += 16)
		bits |= vas_lanes_bits_16(vas_block_gaps_above(leaf, i, bound),
					  vas_block_gaps_above(leaf, i + 4, bound),
					  vas_block_gaps_above(leaf, i + 8, bound),
					  vas_block_gaps_above(leaf, i + 12, bound))
			<< i;
	VAS_UNROLL
	for (; i < VAS_BLOCK_LEAF_MOST; i += 4)
		bits |= vas_lanes_bits(vas_block_gaps_above(leaf, i, bound)) << i;
	return bits;
}

/* Bit i: gap i of the leaf has so much room. */
static inline uint64_t vas_block_leaf_from(const struct vas_block_leaf *leaf, uint32_t need,
					   uint32_t mask)
{
	return mask ? vas_block_leaf_aligned(leaf, need, mask) : vas_block_leaf_plain(leaf, need);
}

/* Bit i: so much room is below child i. */
static inline uint64_t vas_block_inner_from(const struct vas_block_inner *inner, uint32_t need,
					    uint32_t key)
{
	return vas_lanes_bits_above(inner->room[key], VAS_BLOCK_INNER_MOST,
				    need - 1 + VAS_LANES_BIAS);
}

/* The rooms of a gap, biased. */
static inline vas_lanes vas_block_rooms_of(const struct vas_block_tree *tree,
					   struct vas_block_run gap)
{
	vas_lanes bias = vas_lanes_all(VAS_LANES_BIAS);
	vas_lanes mask = vas_lanes_load(tree->mask);
	vas_lanes up = (vas_lanes_all(gap.start) + mask) & ~mask;

	return vas_lanes_max(vas_lanes_all(gap.end + VAS_LANES_BIAS) - up, bias);
}

/* The rooms below a child, biased. */
static inline vas_lanes vas_block_inner_rooms(const struct vas_block_inner *inner, uint32_t slot)
{
	uint32_t last = inner->room[VAS_BLOCK_ROOMS - 1][slot];

	return (vas_lanes){ inner->room[0][slot], inner->room[1][slot], last, last };
}

/* The tree's own rooms. */
static inline void vas_block_tree_set_rooms(struct vas_block_tree *tree, vas_lanes rooms)
{
	vas_lanes_store(tree->room, rooms - vas_lanes_all(VAS_LANES_BIAS));
}

static inline vas_lanes vas_block_tree_rooms(const struct vas_block_tree *tree)
{
	return vas_lanes_load(tree->room) + vas_lanes_all(VAS_LANES_BIAS);
}

/* What is known of a child. */
static inline void vas_block_inner_set(struct vas_block_inner *inner, uint32_t slot, vas_lanes rooms)
{
	VAS_UNROLL
	for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++)
		inner->room[key][slot] = rooms[key];
}

/* Which piece starts at offset or is the last one below. */
static inline uint32_t vas_block_leaf_find(const struct vas_block_leaf *leaf, uint32_t offset)
{
	return vas_lanes_first_above(leaf->start, VAS_BLOCK_LEAF_MOST, offset) - 1;
}

/* Which child has it. */
static inline uint32_t vas_block_inner_find(const struct vas_block_inner *inner, uint32_t offset)
{
	return vas_lanes_first_above(inner->key, VAS_BLOCK_INNER_MOST, offset) - 1;
}

/* The largest rooms of a leaf's gaps, and below an inner node but for one child (INNER_MOST: of all); biased. */
vas_lanes vas_block_leaf_most(const struct vas_block_tree *tree, const struct vas_block_leaf *leaf);
vas_lanes vas_block_inner_most(const struct vas_block_inner *inner, uint32_t but);
/* Whether a gap has what was looked for in vain. I: something was. */
bool vas_block_refusal_ends(const struct vas_block_tree *tree, struct vas_block_run gap);
/* A gap of the leaf of place became this, which is more: no other has to be looked at. */
void vas_block_gap_grew(struct vas_block_tree *tree, const struct vas_block_place *place,
			struct vas_block_run gap);
/* A part of the gap of place is about to be taken: that matters where it was the largest. */
void vas_block_gap_shrinks(struct vas_block_tree *tree, const struct vas_block_place *place,
			   struct vas_block_run taken);

/* Goes down the left or right edge below way[level] and slot[level], to the first or last piece. */
void vas_block_place_down(struct vas_block_place *place, uint32_t level, bool right);

#endif
