/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of the tree, for block_tree.c and its companions. */
#ifndef VAS_CORE_BLOCK_NODE_H
#define VAS_CORE_BLOCK_NODE_H

#include "core/block_lanes.h"
#include "core/block_tree.h"

/* I: count is at least 2. Of entries from count on, key is VAS_BLOCK_NEVER and room is 0. */
struct vas_block_inner {
	uint32_t key[VAS_BLOCK_INNER_MOST]; /* start[0] of the first leaf below child */
	uint32_t room[VAS_BLOCK_ROOMS][VAS_BLOCK_INNER_MOST]; /* as in the tree, below child */
	void *child[VAS_BLOCK_INNER_MOST]; /* leaves below level 0, which is that of way[0] */
	uint32_t count;
};

_Static_assert(sizeof(struct vas_block_leaf) <= VAS_BLOCK_NODE_SIZE, "a leaf is a node");
_Static_assert(sizeof(struct vas_block_inner) <= VAS_BLOCK_NODE_SIZE, "an inner node is a node");
_Static_assert(VAS_BLOCK_LEAF_MOST % 4 == 0 && VAS_BLOCK_LEAF_MOST >= 8, "lanes");
_Static_assert(VAS_BLOCK_INNER_MOST % 4 == 0 && VAS_BLOCK_INNER_MOST >= 8, "lanes");

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

static inline uint32_t vas_block_leaf_room(const struct vas_block_leaf *leaf, uint32_t mask)
{
	/* The bias is a multiple of the alignment, so it may go in before that. */
	vas_lanes add = vas_lanes_all(mask - VAS_LANES_BIAS);
	vas_lanes keep = vas_lanes_all(~mask);
	struct vas_lanes_most even = vas_lanes_most_none();
	struct vas_lanes_most odd = vas_lanes_most_none();

	VAS_UNROLL
	for (uint32_t i = 0; i < VAS_BLOCK_LEAF_MOST; i += 4) {
		vas_lanes up = (vas_lanes_load(leaf->end + i) + add) & keep;

		vas_lanes_most_add(i & 4 ? &odd : &even, vas_lanes_load(leaf->start + i + 1) - up);
	}
	vas_lanes_most_add(&even, odd.most);
	return vas_lanes_most_of(even);
}

/* Which piece starts at offset or is the last one below. */
static inline uint32_t vas_block_leaf_find(const struct vas_block_leaf *leaf, uint32_t offset)
{
	return VAS_BLOCK_LEAF_MOST - 1 - vas_lanes_above(leaf->start, VAS_BLOCK_LEAF_MOST, offset);
}

/* Which child has it. */
static inline uint32_t vas_block_inner_find(const struct vas_block_inner *inner, uint32_t offset)
{
	return VAS_BLOCK_INNER_MOST - 1 - vas_lanes_above(inner->key, VAS_BLOCK_INNER_MOST, offset);
}

/* Goes down the left or right edge below way[level] and slot[level], to the first or last piece. */
void vas_block_place_down(struct vas_block_place *place, uint32_t level, bool right);

#endif
