/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of the tree, for block_tree.c and its companions. */
#ifndef VAS_CORE_BLOCK_NODE_H
#define VAS_CORE_BLOCK_NODE_H

#include "core/block_lanes.h"
#include "core/block_tree.h"

/* I: count is at least 2. Of entries from count on, key is VAS_BLOCK_NEVER, room is none. */
struct vas_block_inner {
	uint32_t room[VAS_BLOCK_INNER_MOST][VAS_BLOCK_ROOM_LANES]; /* below child; biased */
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

/* Bit i: gap i of the leaf has so much room. */
static inline uint64_t vas_block_leaf_from(const struct vas_block_leaf *leaf, uint32_t need,
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

/* The rooms of a gap, biased. */
static inline vas_lanes vas_block_rooms_of(const struct vas_block_tree *tree,
					   struct vas_block_run gap)
{
	vas_lanes mask = vas_lanes_load(tree->mask);
	vas_lanes up = (vas_lanes_all(gap.start) + mask) & ~mask;
	vas_lanes rooms = vas_lanes_all(gap.end) - up;

	return (rooms & vas_lanes_more(rooms, vas_lanes_all(0))) + vas_lanes_all(VAS_LANES_BIAS);
}

/* The bound that a row of rooms is above, by this alignment, if it has so much; for search. */
static inline vas_lanes vas_block_bound(uint32_t need, uint32_t key)
{
	vas_lanes lane = { 0, 1, 2, 3 };
	vas_lanes is_key = (vas_lanes)(lane == vas_lanes_all(key));

	return (vas_lanes_all(need - 1 + VAS_LANES_BIAS) & is_key) |
	       (vas_lanes_all(VAS_BLOCK_NEVER) & ~is_key);
}

/* The largest rooms of the leaf's gaps, biased. */
static inline vas_lanes vas_block_leaf_rooms(const struct vas_block_tree *tree,
					     const struct vas_block_leaf *leaf)
{
	/* The bias is a multiple of the alignments, so it may go in before that. */
	vas_lanes bias = vas_lanes_all(VAS_LANES_BIAS);
	vas_lanes keep_1 = ~vas_lanes_all(tree->mask[1]), keep_2 = ~vas_lanes_all(tree->mask[2]);
	vas_lanes most_0 = bias, most_1 = bias, most_2 = bias;

	VAS_UNROLL
	for (uint32_t i = 0; i < VAS_BLOCK_LEAF_MOST; i += 4) {
		vas_lanes end = vas_lanes_load(leaf->start + i + 1);
		vas_lanes start = vas_lanes_load(leaf->end + i) - bias;

		most_0 = vas_lanes_max(end - start, most_0);
		most_1 = vas_lanes_max(end - ((start + ~keep_1) & keep_1), most_1);
		most_2 = vas_lanes_max(end - ((start + ~keep_2) & keep_2), most_2);
	}
	return vas_lanes_tops(most_0, most_1, most_2);
}

/* Which piece starts at offset or is the last one below. */
static inline uint32_t vas_block_leaf_find(const struct vas_block_leaf *leaf, uint32_t offset)
{
	return VAS_BLOCK_LEAF_MOST - 1 - vas_lanes_above(leaf->start, VAS_BLOCK_LEAF_MOST, offset);
}

/* Which child has it. */
static inline uint32_t vas_block_inner_find(const struct vas_block_inner *inner, uint32_t offset)
{
	return vas_lanes_first_above(inner->key, VAS_BLOCK_INNER_MOST, offset) - 1;
}

/* Goes down the left or right edge below way[level] and slot[level], to the first or last piece. */
void vas_block_place_down(struct vas_block_place *place, uint32_t level, bool right);

#endif
