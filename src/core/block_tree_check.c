/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a tree of taken granules is in order.
 *
 * WHAT FOR. Tests, and expensive assertions after each change.
 *
 * STRATEGY. One walk over all nodes, that counts again what the tree says of itself and
 * compares what each inner node says of its children with what they are.
 *
 * WHAT IT DOES NOT DO. It trusts counts of entries and pointers; a tree where these are
 * broken may make it crash.
 *
 * CONCURRENCY. None; the caller holds what protects the tree.
 */
#include "core/block_node.h"

struct walk {
	const struct vas_block_tree *tree;
	uint32_t pieces;
	uint32_t gaps;
	uint32_t used;
	uint32_t nodes;
	uint32_t at; /* all below is seen */
	uint32_t limit; /* where the last gap seen said it ends */
};

static bool leaf_sound(struct walk *walk, const struct vas_block_leaf *leaf, uint32_t *room)
{
	const struct vas_block_tree *tree = walk->tree;

	if (leaf->count < (tree->levels ? 2 : 1) || leaf->count > VAS_BLOCK_LEAF_MOST ||
	    leaf->start[0] != walk->limit)
		return false;
	for (uint32_t i = 0; i < leaf->count; i++) {
		struct vas_block_run gap = { leaf->end[i], leaf->start[i + 1] };
		bool empty = walk->pieces == 0;

		if (leaf->start[i] < walk->at || gap.end < gap.start ||
		    (leaf->start[i] < gap.start) == empty)
			return false;
		for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++) {
			uint32_t has = vas_block_room(gap, tree->mask[key]);

			room[key] = has > room[key] ? has : room[key];
		}
		if (tree->refused.need != 0 && vas_block_refusal_ends(tree, gap))
			return false;
		walk->pieces++;
		walk->gaps += gap.start < gap.end;
		walk->used += gap.start - leaf->start[i];
		walk->at = gap.start;
		walk->limit = gap.end;
	}
	for (uint32_t i = leaf->count; i < VAS_BLOCK_LEAF_MOST + 3; i++)
		if (leaf->end[i] != VAS_BLOCK_NEVER || leaf->start[i + 1] != VAS_BLOCK_NEVER)
			return false;
	return true;
}

static bool node_sound(struct walk *walk, void *node, uint32_t levels, uint32_t *room)
{
	const struct vas_block_inner *inner = node;

	walk->nodes++;
	if (levels == 0)
		return leaf_sound(walk, node, room);
	if (inner->count < 2 || inner->count > VAS_BLOCK_INNER_MOST)
		return false;
	for (uint32_t slot = 0; slot < VAS_BLOCK_INNER_MOST; slot++) {
		uint32_t below[VAS_BLOCK_ROOMS] = { 0 };
		bool used = slot < inner->count;

		if (inner->key[slot] != (used ? walk->limit : VAS_BLOCK_NEVER) ||
		    (used && !node_sound(walk, inner->child[slot], levels - 1, below)))
			return false;
		for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++) {
			if (inner->room[key][slot] != below[key] + VAS_LANES_BIAS)
				return false;
			room[key] = below[key] > room[key] ? below[key] : room[key];
		}
	}
	return true;
}

bool vas_block_tree_check(const struct vas_block_tree *tree)
{
	struct walk walk = { .tree = tree, .at = tree->range.start, .limit = tree->range.start };
	uint32_t room[VAS_BLOCK_ROOMS] = { 0 };

	if (!node_sound(&walk, tree->root, tree->levels, room))
		return false;
	for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++)
		if (room[key] != tree->room[key])
			return false;
	if (tree->room[VAS_BLOCK_ROOM_LANES - 1] != tree->room[VAS_BLOCK_ROOMS - 1])
		return false;
	return walk.limit == tree->range.end && walk.pieces == tree->pieces + 1 &&
	       walk.gaps == tree->gaps && walk.used == tree->used && walk.nodes == tree->nodes;
}
