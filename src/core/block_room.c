/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rooms that the nodes of a tree know.
 *
 * WHAT FOR. A search goes down only where there is a gap that takes the block, so each node knows the largest
 * room below each child, for three alignments, exactly.
 *
 * STRATEGY. Rooms change upwards only as far as the largest changes. A gap that grows is compared with what is
 * known, level by level. One that shrinks makes its leaf be looked through if it was the largest there, in
 * vectors and without it, and where it had no room for 2 MiB without that alignment; an inner node only if it was the
 * largest of all below, and the rooms of other nodes are never looked at.
 *
 * Placing blocks low means that the gap that is taken often is the largest: what is larger would have been
 * found in a lower place.
 *
 * CONCURRENCY. None; the zone's lock is held.
 */
#include "core/block_node.h"

#include "base/hot.h"
#include "base/number.h"

#define LEAF  VAS_BLOCK_LEAF_MOST
#define INNER VAS_BLOCK_INNER_MOST
#define ROOMS VAS_BLOCK_ROOMS

/* Bit i: the lanes i are the same. */
static uint32_t lanes_same(vas_lanes a, vas_lanes b)
{
	return (uint32_t)vas_lanes_bits((vas_lanes)(a == b));
}

/* What is known of a node, the child of the place at this level, or the root. */
static vas_lanes place_rooms(const struct vas_block_tree *tree, const struct vas_block_place *place,
			     uint32_t level)
{
	if (level == tree->levels)
		return vas_block_tree_rooms(tree);
	return vas_block_inner_rooms(place->way[level], place->slot[level]);
}

/* To look past one gap: what is added to its start makes its room negative. From LEAF - i on: gap i. */
#define HIDE UINT32_C(0x60000000)
static const uint32_t hide[2 * LEAF] = { [LEAF] = HIDE };

/*
 * The largest rooms of a leaf's gaps, biased, but for the gap that hidden hides. The bias is a multiple of the
 * alignments, so it may go in before that.
 */
static inline vas_lanes leaf_most(const struct vas_block_tree *tree,
				  const struct vas_block_leaf *leaf, const uint32_t *hidden,
				  bool last)
{
	vas_lanes bias = vas_lanes_all(VAS_LANES_BIAS);
	vas_lanes keep_1 = ~vas_lanes_all(tree->mask[1]), keep_2 = ~vas_lanes_all(tree->mask[2]);
	vas_lanes most_0 = bias, most_1 = bias, most_2 = bias;

	VAS_UNROLL
	for (uint32_t i = 0; i < LEAF; i += 4) {
		vas_lanes end = vas_lanes_load(leaf->start + i + 1);
		vas_lanes start = (vas_lanes_load(leaf->end + i) | vas_lanes_load(hidden + i)) - bias;

		most_0 = vas_lanes_max(end - start, most_0);
		most_1 = vas_lanes_max(end - ((start + ~keep_1) & keep_1), most_1);
		if (last)
			most_2 = vas_lanes_max(end - ((start + ~keep_2) & keep_2), most_2);
	}
	return vas_lanes_tops(most_0, most_1, most_2);
}

/* Of their own, so that each keeps to the processor's registers. */
VAS_HOT static __attribute__((noinline)) vas_lanes
leaf_most_all(const struct vas_block_tree *tree, const struct vas_block_leaf *leaf, uint32_t but)
{
	return leaf_most(tree, leaf, hide + (size_t)(LEAF - but), true);
}

/* Without the last alignment, which gets none: a third less. */
VAS_HOT static __attribute__((noinline)) vas_lanes
leaf_most_two(const struct vas_block_tree *tree, const struct vas_block_leaf *leaf, uint32_t but)
{
	return leaf_most(tree, leaf, hide + (size_t)(LEAF - but), false);
}

vas_lanes vas_block_leaf_most(const struct vas_block_tree *tree, const struct vas_block_leaf *leaf)
{
	return leaf_most_all(tree, leaf, LEAF);
}

vas_lanes vas_block_inner_most(const struct vas_block_inner *inner, uint32_t but)
{
	vas_lanes most[ROOMS];

	VAS_UNROLL
	for (uint32_t key = 0; key < ROOMS; key++) {
		most[key] = vas_lanes_all(VAS_LANES_BIAS);
		VAS_UNROLL
		for (uint32_t i = 0; i < INNER; i += 4) {
			vas_lanes rooms = vas_lanes_load(inner->room[key] + i);

			most[key] = vas_lanes_max(most[key], rooms & ~vas_lanes_is(i, but));
		}
	}
	return vas_lanes_tops(most[0], most[1], most[2]);
}

bool vas_block_refusal_ends(const struct vas_block_tree *tree, struct vas_block_run gap)
{
	uint64_t alignment = tree->refused.alignment;
	uint64_t start = tree->base + ((uint64_t)gap.start << tree->shift);
	uint64_t end = tree->base + ((uint64_t)gap.end << tree->shift);
	uint64_t past = start % alignment;

	if (past != 0 && !vas_add(start, alignment - past, &start))
		return false;
	return start < end && (end - start) >> tree->shift >= tree->refused.need;
}

VAS_HOT void vas_block_gap_grew(struct vas_block_tree *tree, const struct vas_block_place *place,
			     struct vas_block_run gap)
{
	vas_lanes grown = vas_block_rooms_of(tree, gap);

	/* To the top without looking whether it matters, which could not be foretold. */
	for (uint32_t level = 0; level < tree->levels; level++) {
		struct vas_block_inner *inner = place->way[level];
		uint32_t slot = place->slot[level];

		vas_block_inner_set(inner, slot,
				    vas_lanes_max(vas_block_inner_rooms(inner, slot), grown));
	}
	vas_block_tree_set_rooms(tree, vas_lanes_max(vas_block_tree_rooms(tree), grown));
	if (__builtin_expect(tree->refused.need != 0, 0) && vas_block_refusal_ends(tree, gap))
		tree->refused.need = 0;
}

/* The rooms of the leaf of place were those and are these. */
static void rooms_fell(struct vas_block_tree *tree, const struct vas_block_place *place,
		       vas_lanes was, vas_lanes now)
{
	for (uint32_t level = 0; level < tree->levels; level++) {
		struct vas_block_inner *inner = place->way[level];
		vas_lanes others, above = place_rooms(tree, place, level + 1);
		uint32_t fell = ~lanes_same(was, now);

		/* Of all below this node, too, it was the largest? Only then is any other looked at. */
		if ((fell & lanes_same(was, above)) == 0) {
			vas_block_inner_set(inner, place->slot[level], now);
			return;
		}
		/* Before the store: a load of more than what is being stored has to wait for it. */
		others = vas_block_inner_most(inner, place->slot[level]);
		vas_block_inner_set(inner, place->slot[level], now);
		was = above;
		now = vas_lanes_max(now, others);
	}
	vas_block_tree_set_rooms(tree, now);
}

VAS_HOT void vas_block_gap_shrinks(struct vas_block_tree *tree, const struct vas_block_place *place,
				struct vas_block_run taken)
{
	struct vas_block_run gap = vas_block_place_gap(place);
	struct vas_block_run lower = { gap.start, taken.start }, upper = { taken.end, gap.end };
	vas_lanes was = vas_block_rooms_of(tree, gap), known = place_rooms(tree, place, 0), now;
	vas_lanes some = vas_lanes_more(was, vas_lanes_all(VAS_LANES_BIAS));
	uint64_t fell = vas_lanes_bits((vas_lanes)(was == known) & some);

	if (!fell)
		return;
	/* What else the leaf has. */
	if (fell & 4) {
		now = leaf_most_all(tree, place->leaf, place->index);
	} else {
		vas_lanes last = { 0, 0, UINT32_MAX, UINT32_MAX };

		now = leaf_most_two(tree, place->leaf, place->index);
		now = (now & ~last) | (known & last);
	}
	if (lower.start < lower.end)
		now = vas_lanes_max(now, vas_block_rooms_of(tree, lower));
	now = vas_lanes_max(now, vas_block_rooms_of(tree, upper));
	if (lanes_same(now, known) != 15)
		rooms_fell(tree, place, known, now);
}
