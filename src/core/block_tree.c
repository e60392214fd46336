/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which granules of one zone are taken.
 *
 * WHAT FOR. To find by offset the piece or the gap that covers it, and by size and
 * alignment the first gap with room, for each in one way down.
 *
 * STRATEGY. A B+ tree of pieces. Leaves hold starts and ends in two flat arrays; inner
 * nodes hold, for each child, where it begins and the largest rooms of gaps below
 * it, counted from the gap's first granule that is aligned to 1, 64 KiB, 2 MiB: an array for
 * each, so that a search reads a cache line of a node. So a node
 * with enough room is certain to have a gap that takes the block. All arrays are
 * looked through whole, in vectors, without a branch (block_lanes.h).
 *
 * A gap belongs to the piece before it. The tree's first gap has one too: an empty piece
 * at the start of the range.
 *
 * A place carries the way from the root, so nodes know nothing of their parents. How rooms change is in
 * block_room.c.
 * Splitting, joining and evening out nodes moves no gap from below the parent of
 * both, so nothing changes above it.
 *
 * A full leaf first gives pieces to a neighbour that has space, and is split only when both
 * have hardly any; a node that is less than five eighths full is joined with a neighbour
 * where both fill one, and gets from it when it has less than a quarter. Random
 * replacement leaves nodes about three quarters full.
 *
 * CONCURRENCY. None; the zone's lock is held.
 */
#include "core/block_node.h"

#include "base/assert.h"
#include "base/hot.h"

#define LEAF  VAS_BLOCK_LEAF_MOST
#define INNER VAS_BLOCK_INNER_MOST
#define ROOMS VAS_BLOCK_ROOMS

#define KEY_1 (UINT64_C(1) << 16)
#define KEY_2 (UINT64_C(1) << 21)

/* Nodes. */

static void *node_take(struct vas_block_tree *tree)
{
	tree->nodes++;
	return vas_block_spares_take(tree->spares);
}

static void node_give(struct vas_block_tree *tree, void *node)
{
	tree->nodes--;
	vas_block_spares_give(tree->spares, node);
}

/* Entries from count on are as the header says; limit is where the last gap ends. */
static void leaf_finish(struct vas_block_leaf *leaf, uint32_t count, uint32_t limit)
{
	leaf->count = count;
	leaf->start[count] = limit;
	for (uint32_t i = count + 1; i < LEAF + 4; i++)
		leaf->start[i] = VAS_BLOCK_NEVER;
	for (uint32_t i = count; i < LEAF + 4; i++)
		leaf->end[i] = VAS_BLOCK_NEVER;
}

/* Moves what is at index and above up by one. I: not full. */
static void leaf_open(struct vas_block_leaf *leaf, uint32_t at)
{
	uint32_t *start = leaf->start + at, *end = leaf->end + at;

	for (uint32_t i = ((leaf->count - at) & ~3u) + 4; i > 0; i -= 4) {
		vas_lanes_store(start + i - 3, vas_lanes_load(start + i - 4));
		vas_lanes_store(end + i - 3, vas_lanes_load(end + i - 4));
	}
	leaf->count++;
}

/* Moves what is above index down by one. */
static void leaf_close(struct vas_block_leaf *leaf, uint32_t at)
{
	uint32_t *start = leaf->start, *end = leaf->end;

	for (uint32_t i = at; i < leaf->count; i += 4) {
		vas_lanes_store(start + i, vas_lanes_load(start + i + 1));
		vas_lanes_store(end + i, vas_lanes_load(end + i + 1));
	}
	leaf->start[leaf->count--] = VAS_BLOCK_NEVER;
}

static void inner_finish(struct vas_block_inner *inner, uint32_t count)
{
	inner->count = count;
	for (uint32_t i = count; i < INNER; i++) {
		inner->key[i] = VAS_BLOCK_NEVER;
		inner->child[i] = NULL;
		for (uint32_t key = 0; key < ROOMS; key++)
			inner->room[key][i] = VAS_LANES_BIAS;
	}
}

static uint32_t mask_of(uint64_t alignment, uint32_t shift)
{
	return alignment >> shift ? (uint32_t)(alignment >> shift) - 1 : 0;
}

void vas_block_tree_init(struct vas_block_tree *tree, struct vas_block_spares *spares,
			 uint64_t base, uint32_t shift, struct vas_block_run range)
{
	struct vas_block_leaf *leaf;

	VAS_ASSERT(range.start < range.end && range.end <= VAS_BLOCK_TREE_MOST);
	*tree = (struct vas_block_tree){
		.spares = spares,
		.range = range,
		.mask = { 0, mask_of(KEY_1, shift), mask_of(KEY_2, shift), mask_of(KEY_2, shift) },
		.shift = shift,
		.base = base,
		.gaps = 1,
	};
	tree->root = leaf = node_take(tree);
	leaf->start[0] = range.start;
	leaf->end[0] = range.start;
	leaf_finish(leaf, 1, range.end);
	for (uint32_t key = 0; key < VAS_BLOCK_ROOM_LANES; key++)
		tree->room[key] = vas_block_room(range, tree->mask[key]);
}

static void clear_below(struct vas_block_tree *tree, void *node, uint32_t levels)
{
	const struct vas_block_inner *inner = node;

	for (uint32_t i = 0; levels > 0 && i < inner->count; i++)
		clear_below(tree, inner->child[i], levels - 1);
	node_give(tree, node);
}

void vas_block_tree_clear(struct vas_block_tree *tree)
{
	clear_below(tree, tree->root, tree->levels);
	tree->root = NULL;
}

/* Ways. */

VAS_HOT void vas_block_tree_find_leaf(const struct vas_block_tree *tree, uint32_t offset,
				      struct vas_block_place *place)
{
	void *node = tree->root;

	for (uint32_t level = tree->levels; level-- > 0;) {
		struct vas_block_inner *inner = node;
		uint32_t slot = vas_block_inner_find(inner, offset);

		place->way[level] = inner;
		place->slot[level] = slot;
		node = inner->child[slot];
		/* What a change looks at next; one line after the other would be slow. */
		for (uint32_t key = 0; key < ROOMS; key++)
			__builtin_prefetch(inner->room[key] + slot);
	}
	place->leaf = node;
	for (uint32_t i = 0; i < LEAF; i += 16) {
		__builtin_prefetch(place->leaf->start + i);
		__builtin_prefetch(place->leaf->end + i);
	}
}

VAS_HOT void vas_block_tree_find(const struct vas_block_tree *tree, uint32_t offset,
				 struct vas_block_place *place)
{
	vas_block_tree_find_leaf(tree, offset, place);
	vas_block_tree_find_piece(place, offset);
}

void vas_block_tree_find_piece(struct vas_block_place *place, uint32_t offset)
{
	place->index = vas_block_leaf_find(place->leaf, offset);
}

void vas_block_place_down(struct vas_block_place *place, uint32_t level, bool right)
{
	void *node = place->way[level]->child[place->slot[level]];

	while (level-- > 0) {
		struct vas_block_inner *inner = node;

		place->way[level] = inner;
		place->slot[level] = right ? inner->count - 1 : 0;
		node = inner->child[place->slot[level]];
	}
	place->leaf = node;
	place->index = right ? place->leaf->count - 1 : 0;
}

/* The first or the last piece of all. */
static void place_edge(const struct vas_block_tree *tree, struct vas_block_place *place, bool right)
{
	if (tree->levels > 0) {
		uint32_t top = tree->levels - 1;

		place->way[top] = tree->root;
		place->slot[top] = right ? place->way[top]->count - 1 : 0;
		vas_block_place_down(place, top, right);
		return;
	}
	place->leaf = tree->root;
	place->index = right ? place->leaf->count - 1 : 0;
}

void vas_block_tree_first(const struct vas_block_tree *tree, struct vas_block_place *place)
{
	place_edge(tree, place, false);
}

void vas_block_tree_last(const struct vas_block_tree *tree, struct vas_block_place *place)
{
	place_edge(tree, place, true);
}

bool vas_block_tree_next(const struct vas_block_tree *tree, struct vas_block_place *place)
{
	if (place->index + 1 < place->leaf->count) {
		place->index++;
		return true;
	}
	for (uint32_t level = 0; level < tree->levels; level++) {
		if (place->slot[level] + 1 == place->way[level]->count)
			continue;
		place->slot[level]++;
		vas_block_place_down(place, level, false);
		return true;
	}
	return false;
}

bool vas_block_tree_prev(const struct vas_block_tree *tree, struct vas_block_place *place)
{
	if (place->index > 0) {
		place->index--;
		return true;
	}
	for (uint32_t level = 0; level < tree->levels; level++) {
		if (place->slot[level] == 0)
			continue;
		place->slot[level]--;
		vas_block_place_down(place, level, true);
		return true;
	}
	return false;
}

/* Writes what an inner node says of a child: a leaf (levels 0) or an inner node. */
static void slot_refresh(const struct vas_block_tree *tree, struct vas_block_inner *inner,
			 uint32_t slot, bool leaf)
{
	if (leaf) {
		const struct vas_block_leaf *child = inner->child[slot];

		inner->key[slot] = child->start[0];
		vas_block_inner_set(inner, slot, vas_block_leaf_most(tree, child));
	} else {
		const struct vas_block_inner *child = inner->child[slot];

		inner->key[slot] = child->key[0];
		vas_block_inner_set(inner, slot, vas_block_inner_most(child, INNER));
	}
}

/* Shape: what nodes give to each other. */

/* Moves entries from index on to the front of the node after it, which has space. */
static void leaf_pass_up(struct vas_block_leaf *left, struct vas_block_leaf *right, uint32_t index)
{
	uint32_t count = left->count - index;
	uint32_t limit = right->start[right->count];

	memmove(right->start + count, right->start, right->count * sizeof(right->start[0]));
	memmove(right->end + count, right->end, right->count * sizeof(right->end[0]));
	memcpy(right->start, left->start + index, count * sizeof(left->start[0]));
	memcpy(right->end, left->end + index, count * sizeof(left->end[0]));
	leaf_finish(right, right->count + count, limit);
	leaf_finish(left, index, right->start[0]);
}

/* Moves count entries to the end of the node before it, which has space; all: it is empty then. */
static void leaf_pass_down(struct vas_block_leaf *left, struct vas_block_leaf *right,
			   uint32_t count)
{
	uint32_t rest = right->count - count;
	uint32_t limit = right->start[right->count];

	memcpy(left->start + left->count, right->start, count * sizeof(left->start[0]));
	memcpy(left->end + left->count, right->end, count * sizeof(left->end[0]));
	memmove(right->start, right->start + count, rest * sizeof(left->start[0]));
	memmove(right->end, right->end + count, rest * sizeof(left->end[0]));
	leaf_finish(right, rest, limit);
	leaf_finish(left, left->count + count, right->start[0]);
}

/* Copies or moves entries of an inner node, within it too. */
static void inner_copy(struct vas_block_inner *to, uint32_t at, const struct vas_block_inner *from,
		       uint32_t slot, uint32_t count)
{
	memmove(to->key + at, from->key + slot, count * sizeof(to->key[0]));
	memmove(to->child + at, from->child + slot, count * sizeof(to->child[0]));
	for (uint32_t key = 0; key < ROOMS; key++)
		memmove(to->room[key] + at, from->room[key] + slot, count * sizeof(to->room[0][0]));
}

static void inner_pass_up(struct vas_block_inner *left, struct vas_block_inner *right,
			  uint32_t slot)
{
	uint32_t count = left->count - slot;

	inner_copy(right, count, right, 0, right->count);
	inner_copy(right, 0, left, slot, count);
	inner_finish(right, right->count + count);
	inner_finish(left, slot);
}

static void inner_pass_down(struct vas_block_inner *left, struct vas_block_inner *right,
			    uint32_t count)
{
	inner_copy(left, left->count, right, 0, count);
	inner_copy(right, 0, right, count, right->count - count);
	inner_finish(left, left->count + count);
	inner_finish(right, right->count - count);
}

static uint32_t child_count(const struct vas_block_inner *inner, uint32_t slot, bool leaf)
{
	const void *child = inner->child[slot];

	return leaf ? ((const struct vas_block_leaf *)child)->count
		    : ((const struct vas_block_inner *)child)->count;
}

/* Gives the child at slot so many entries, from the child after it or to it. */
static void children_share(const struct vas_block_tree *tree, struct vas_block_inner *inner,
			   uint32_t slot, uint32_t left, bool leaf)
{
	uint32_t has = child_count(inner, slot, leaf);
	void *lower = inner->child[slot], *upper = inner->child[slot + 1];

	if (leaf && has > left)
		leaf_pass_up(lower, upper, left);
	else if (leaf)
		leaf_pass_down(lower, upper, left - has);
	else if (has > left)
		inner_pass_up(lower, upper, left);
	else
		inner_pass_down(lower, upper, left - has);
	slot_refresh(tree, inner, slot, leaf);
	slot_refresh(tree, inner, slot + 1, leaf);
}

/* Growing: space for one more entry in the leaf of a place, which stays that of the same piece. */

static void root_raise(struct vas_block_tree *tree, struct vas_block_place *place)
{
	struct vas_block_inner *root = node_take(tree);

	VAS_ASSERT(tree->levels < VAS_BLOCK_TREE_DEPTH);
	root->key[0] = tree->range.start;
	root->child[0] = tree->root;
	vas_block_inner_set(root, 0, vas_block_tree_rooms(tree));
	inner_finish(root, 1);
	place->way[tree->levels] = root;
	place->slot[tree->levels] = 0;
	tree->root = root;
	tree->levels++;
}

/* An empty node after the child of the place; its parent has space. The caller gives it entries. */
static void child_open(struct vas_block_tree *tree, struct vas_block_place *place, uint32_t level)
{
	struct vas_block_inner *inner = place->way[level];
	uint32_t slot = place->slot[level];
	void *node = node_take(tree);

	inner_copy(inner, slot + 2, inner, slot + 1, inner->count - slot - 1);
	inner->child[slot + 1] = node;
	inner->count++;
	if (level == 0) {
		struct vas_block_leaf *leaf = inner->child[slot];

		((struct vas_block_leaf *)node)->count = 0;
		((struct vas_block_leaf *)node)->start[0] = leaf->start[leaf->count];
	} else {
		((struct vas_block_inner *)node)->count = 0;
	}
}

/* The child at slot was made to hold left entries: where the one that was its entry at is now. */
static bool moved_on(struct vas_block_place *place, uint32_t level, uint32_t left, uint32_t *at)
{
	if (*at < left)
		return false;
	*at -= left;
	place->slot[level]++;
	return true;
}

/* Whether the child of the place at this level is at the edge of the tree. */
static bool at_edge(const struct vas_block_tree *tree, const struct vas_block_place *place,
		    uint32_t level, bool right)
{
	for (; level < tree->levels; level++)
		if (place->slot[level] != (right ? place->way[level]->count - 1 : 0))
			return false;
	return true;
}

/*
 * How many entries stay in a full node, the child of the place at this level, when it is split for
 * a new one after entry at: runs at either end of the tree fill their nodes.
 */
static uint32_t split_left(const struct vas_block_tree *tree, const struct vas_block_place *place,
			   uint32_t level, uint32_t at)
{
	uint32_t most = level == 0 ? LEAF : INNER;

	if (at + 1 == most && at_edge(tree, place, level, true))
		return most - 2;
	if (at == 0 && at_edge(tree, place, level, false))
		return 2;
	return most / 2;
}

static void inner_make_space(struct vas_block_tree *tree, struct vas_block_place *place,
			     uint32_t level)
{
	uint32_t left;

	if (place->way[level]->count < INNER)
		return;
	if (level + 1 == tree->levels)
		root_raise(tree, place);
	else
		inner_make_space(tree, place, level + 1);
	left = split_left(tree, place, level + 1, place->slot[level]);
	child_open(tree, place, level + 1);
	children_share(tree, place->way[level + 1], place->slot[level + 1], left, false);
	if (moved_on(place, level + 1, left, &place->slot[level]))
		place->way[level] = place->way[level + 1]->child[place->slot[level + 1]];
}

/* Evens out with the neighbour on one side if that has space. The place must be of a full leaf. */
static bool leaf_lean(struct vas_block_tree *tree, struct vas_block_place *place, bool right)
{
	struct vas_block_inner *inner = place->way[0];
	uint32_t slot = place->slot[0];
	uint32_t count, left;

	if (right ? slot + 1 == inner->count : slot == 0)
		return false;
	count = child_count(inner, right ? slot + 1 : slot - 1, true);
	if (count >= LEAF * 15 / 16)
		return false;
	left = (count + LEAF) / 2;
	if (!right) {
		place->slot[0] = --slot;
		place->index += count;
	}
	children_share(tree, inner, slot, left, true);
	moved_on(place, 0, left, &place->index);
	place->leaf = inner->child[place->slot[0]];
	return true;
}

static void leaf_make_space(struct vas_block_tree *tree, struct vas_block_place *place)
{
	uint32_t left;

	if (tree->levels == 0)
		root_raise(tree, place);
	else if (!at_edge(tree, place, 0, true) &&
		 (leaf_lean(tree, place, true) || leaf_lean(tree, place, false)))
		return;
	inner_make_space(tree, place, 0);
	left = split_left(tree, place, 0, place->index);
	child_open(tree, place, 0);
	children_share(tree, place->way[0], place->slot[0], left, true);
	if (moved_on(place, 0, left, &place->index))
		place->leaf = place->way[0]->child[place->slot[0]];
}

/* Shrinking. */

static void root_lower(struct vas_block_tree *tree)
{
	struct vas_block_inner *root = tree->root;

	if (root->count > 1)
		return;
	tree->root = root->child[0];
	tree->levels--;
	node_give(tree, root);
}

/* Joins the child at slot with the one after it. */
static void children_join(struct vas_block_tree *tree, struct vas_block_inner *inner, uint32_t slot,
			  bool leaf)
{
	void *lower = inner->child[slot], *upper = inner->child[slot + 1];

	if (leaf)
		leaf_pass_down(lower, upper, child_count(inner, slot + 1, true));
	else
		inner_pass_down(lower, upper, child_count(inner, slot + 1, false));
	slot_refresh(tree, inner, slot, leaf);
	node_give(tree, upper);
	inner_copy(inner, slot + 1, inner, slot + 2, inner->count - slot - 2);
	inner_finish(inner, inner->count - 1);
}

/* The child of the place at this level lost entries. Whether its parent did, too. */
static bool child_shrunk(struct vas_block_tree *tree, const struct vas_block_place *place,
			 uint32_t level)
{
	struct vas_block_inner *inner = place->way[level];
	bool leaf = level == 0;
	uint32_t most = leaf ? LEAF : INNER;
	uint32_t slot = place->slot[level];
	uint32_t count = child_count(inner, slot, leaf), sum;

	if (count > most * 5 / 8)
		return false;
	if (slot + 1 == inner->count || (slot > 0 && child_count(inner, slot - 1, leaf) <
							     child_count(inner, slot + 1, leaf)))
		slot--;
	sum = child_count(inner, slot, leaf) + child_count(inner, slot + 1, leaf);
	if (sum <= most * 15 / 16) {
		children_join(tree, inner, slot, leaf);
		return true;
	}
	if (count < most / 4)
		children_share(tree, inner, slot, sum / 2, leaf);
	return false;
}

/* The place is not good any more after it. */
static void leaf_shrunk(struct vas_block_tree *tree, struct vas_block_place *place)
{
	uint32_t level = 0;

	while (level < tree->levels && child_shrunk(tree, place, level))
		level++;
	if (level > 0 && level == tree->levels)
		root_lower(tree);
}

/* Changes. */

/* The gap is no more, and these are there instead. */
static void count_gaps(struct vas_block_tree *tree, struct vas_block_run gap,
		       struct vas_block_run piece)
{
	tree->gaps += (gap.start < piece.start);
	tree->gaps += (piece.end < gap.end);
	tree->gaps--;
}

VAS_HOT void vas_block_tree_insert(struct vas_block_tree *tree, struct vas_block_place *place,
				   struct vas_block_run piece)
{
	struct vas_block_run gap = vas_block_place_gap(place);
	uint32_t at;

	VAS_ASSERT(piece.start >= gap.start && piece.start < piece.end && piece.end <= gap.end);
	if (place->leaf->count == LEAF)
		leaf_make_space(tree, place);
	vas_block_gap_shrinks(tree, place, piece);
	at = place->index + 1;
	leaf_open(place->leaf, at);
	place->leaf->start[at] = piece.start;
	place->leaf->end[at] = piece.end;
	tree->pieces++;
	tree->used += piece.end - piece.start;
	count_gaps(tree, gap, piece);
}

/* The first piece of a leaf goes: the leaf before it gets the granules up to the next one. */
static struct vas_block_run drop_first(struct vas_block_tree *tree, struct vas_block_place *place)
{
	struct vas_block_place before = *place;
	uint32_t level = 0;

	vas_block_tree_prev(tree, &before);
	vas_block_gap_shrinks(tree, place, vas_block_place_gap(place));
	leaf_close(place->leaf, 0);
	do
		place->way[level]->key[place->slot[level]] = place->leaf->start[0];
	while (place->slot[level] == 0 && ++level < tree->levels);
	before.leaf->start[before.leaf->count] = place->leaf->start[0];
	vas_block_gap_grew(tree, &before, vas_block_place_gap(&before));
	return vas_block_place_gap(&before);
}

VAS_HOT void vas_block_tree_remove(struct vas_block_tree *tree, struct vas_block_place *place)
{
	struct vas_block_run piece = vas_block_place_piece(place);
	struct vas_block_run gap;

	VAS_ASSERT(piece.start < piece.end);
	if (place->index == 0) {
		gap = drop_first(tree, place);
	} else {
		leaf_close(place->leaf, place->index--);
		gap = vas_block_place_gap(place);
		vas_block_gap_grew(tree, place, gap);
	}
	tree->pieces--;
	tree->used -= piece.end - piece.start;
	tree->gaps++;
	tree->gaps -= (gap.start < piece.start);
	tree->gaps -= (piece.end < gap.end);
	if (tree->levels > 0)
		leaf_shrunk(tree, place);
}

void vas_block_tree_set_end(struct vas_block_tree *tree, struct vas_block_place *place,
			    uint32_t end)
{
	struct vas_block_run piece = vas_block_place_piece(place);
	struct vas_block_run gap = vas_block_place_gap(place);

	VAS_ASSERT(piece.start < piece.end && end > piece.start && end <= gap.end);
	tree->used += end - piece.end;
	tree->gaps -= (piece.end < gap.end);
	tree->gaps += (end < gap.end);
	if (end < piece.end)
		vas_block_gap_grew(tree, place, (struct vas_block_run){ end, gap.end });
	else
		vas_block_gap_shrinks(tree, place, (struct vas_block_run){ gap.start, end });
	place->leaf->end[place->index] = end;
}

void vas_block_tree_set_limit(struct vas_block_tree *tree, uint32_t limit)
{
	struct vas_block_place place;
	struct vas_block_run gap;

	vas_block_tree_last(tree, &place);
	gap = vas_block_place_gap(&place);
	VAS_ASSERT(limit >= gap.start && limit > tree->range.start && limit <= VAS_BLOCK_TREE_MOST);
	tree->range.end = limit;
	tree->gaps -= (gap.start < gap.end);
	tree->gaps += (gap.start < limit);
	if (limit > gap.end)
		vas_block_gap_grew(tree, &place, (struct vas_block_run){ gap.start, limit });
	else
		vas_block_gap_shrinks(tree, &place, (struct vas_block_run){ limit, gap.end });
	place.leaf->start[place.leaf->count] = limit;
}
