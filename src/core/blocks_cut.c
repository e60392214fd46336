/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cutting an allocator in two, and joining two.
 *
 * WHAT FOR. A region that is split or merged takes its blocks along.
 *
 * STRATEGY. The upper blocks are put, one after the other, into the tree that
 * they go to, which is the fast order for it; memory for that is taken before
 * anything changes. The memory of an allocator that is joined away is given back,
 * so cutting and joining for ever needs no more than doing it once.
 *
 * BOUNDS. O(m log n), m being the blocks that move.
 *
 * CONCURRENCY. Under the locks of both, the lower one's first.
 */
#include "core/blocks.h"

#include <errno.h>

#include "base/assert.h"
#include "base/number.h"
#include "base/random.h"
#include "core/blocks_tree.h"

/* Puts the blocks from place on above all that is in the other tree. */
static void blocks_copy(struct vas_block_place place, struct vas_blocks *to)
{
	const struct vas_block_leaf *leaf = place.leaf;
	uint32_t i = place.index;

	for (; leaf; leaf = leaf->next, i = 0)
		for (; i < leaf->node.count; i++) {
			struct vas_span span = { leaf->start[i], leaf->end[i] - leaf->start[i] };

			vas_blocks_tree_insert(to, vas_blocks_tree_last(to), span, leaf->mark[i]);
		}
}

static uint64_t blocks_from(struct vas_block_place place)
{
	uint64_t count = place.leaf->node.count - place.index;

	for (const struct vas_block_leaf *leaf = place.leaf->next; leaf; leaf = leaf->next)
		count += leaf->node.count;
	return count;
}

static void blocks_drop_last(struct vas_blocks *blocks, uint64_t count)
{
	for (; count > 0; count--) {
		struct vas_block_place last = vas_blocks_tree_last(blocks);

		last.index--;
		vas_blocks_tree_remove(blocks, last);
	}
}

static int cut_locked(struct vas_blocks *blocks, uint64_t at, struct vas_blocks **upper)
{
	uint64_t end = blocks->span.start + blocks->span.size;
	uint64_t seed = blocks->random;
	struct vas_block_place place;
	struct vas_blocks *made;
	uint64_t count;
	int error;

	if (at <= blocks->span.start || at >= end || at % blocks->granule != 0)
		return -EINVAL;
	place = vas_blocks_tree_find(blocks, at);
	if (place.index > 0 && place.leaf->start[place.index - 1] == at)
		place.index--;
	else if (place.index > 0 && place.leaf->end[place.index - 1] > at)
		return -EINVAL;
	count = blocks_from(place);
	error = vas_blocks_create((struct vas_span){ at, end - at }, blocks->granule,
				  vas_random_next(&seed), &blocks->support, &made);
	if (error)
		return error;
	error = vas_blocks_tree_prepare(made, count);
	if (error) {
		vas_blocks_destroy(made);
		return error;
	}
	blocks->random = seed;
	blocks_copy(place, made);
	blocks_drop_last(blocks, count);
	vas_blocks_tree_set_limit(blocks, at);
	*upper = made;
	return 0;
}

int vas_blocks_cut(struct vas_blocks *blocks, uint64_t at, struct vas_blocks **upper)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, cut_locked(blocks, at, upper));
}

static bool same_support(const struct vas_blocks_support *a, const struct vas_blocks_support *b)
{
	return a->context == b->context && a->take == b->take && a->give == b->give &&
	       a->lock == b->lock && a->unlock == b->unlock;
}

static int join_locked(struct vas_blocks *lower, struct vas_blocks *upper)
{
	uint64_t end = lower->span.start + lower->span.size;
	int error;

	if (end != upper->span.start || lower->granule != upper->granule)
		return -EINVAL;
	error = vas_blocks_tree_prepare(lower, upper->live);
	if (error)
		return error;
	vas_blocks_tree_set_limit(lower, end + upper->span.size);
	blocks_copy((struct vas_block_place){ upper->first, 0 }, lower);
	return 0;
}

int vas_blocks_join(struct vas_blocks *lower, struct vas_blocks *upper)
{
	int error;

	if (lower == upper || !same_support(&lower->support, &upper->support))
		return -EINVAL;
	vas_blocks_enter(lower);
	vas_blocks_enter(upper);
	error = join_locked(lower, upper);
	vas_blocks_leave(upper, 0);
	vas_blocks_leave(lower, 0);
	if (!error)
		vas_blocks_destroy(upper);
	return error;
}
