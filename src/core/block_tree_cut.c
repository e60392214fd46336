/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cutting a tree of taken granules in two, and making one of two.
 *
 * WHAT FOR. An allocator that is cut has one zone that lies on both sides.
 *
 * STRATEGY. Piece by piece, each at the end of its tree, where runs fill their nodes.
 *
 * CONCURRENCY. None; the caller holds what protects both trees.
 */
#include "base/assert.h"
#include "core/block_node.h"

uint32_t vas_block_tree_wants_run(const struct vas_block_tree *tree, uint32_t pieces)
{
	uint32_t nodes = pieces / (VAS_BLOCK_LEAF_MOST - 3) + 2;
	uint32_t most = vas_block_tree_wants(tree) + nodes;

	/* Inner nodes: of each level at most one for so many of the one below. */
	while (nodes > 1) {
		nodes = nodes / (VAS_BLOCK_INNER_MOST - 3) + 1;
		most += nodes;
	}
	return most;
}

void vas_block_tree_cut(struct vas_block_tree *lower, struct vas_block_tree *upper)
{
	uint32_t at = upper->range.start;

	VAS_ASSERT(at > lower->range.start && upper->range.end == lower->range.end);
	for (;;) {
		struct vas_block_place place, first;
		struct vas_block_run piece;

		vas_block_tree_last(lower, &place);
		piece = vas_block_place_piece(&place);
		if (piece.start == piece.end || piece.start < at)
			break;
		vas_block_tree_remove(lower, &place);
		vas_block_tree_first(upper, &first);
		vas_block_tree_insert(upper, &first, piece);
	}
	vas_block_tree_set_limit(lower, at);
}

void vas_block_tree_join(struct vas_block_tree *lower, struct vas_block_tree *upper)
{
	struct vas_block_place from, last;

	VAS_ASSERT(lower->range.end == upper->range.start && lower->base == upper->base &&
		   lower->shift == upper->shift);
	vas_block_tree_set_limit(lower, upper->range.end);
	vas_block_tree_first(upper, &from);
	while (vas_block_tree_next(upper, &from)) {
		vas_block_tree_last(lower, &last);
		vas_block_tree_insert(lower, &last, vas_block_place_piece(&from));
	}
	vas_block_tree_clear(upper);
}
