/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books of a block allocator.
 *
 * WHAT FOR. To find, by address, the block or the free range that covers it,
 * and, by size and alignment, the first free range that is large enough.
 *
 * STRATEGY. A B+ tree of live blocks in address order. A free range has no
 * record: it is the gap between two neighbours in a leaf, so freed neighbours
 * are one range by nature, and freeing, shrinking, growing and joining blocks
 * never need a node. Each inner node knows, for each child, the largest gap
 * below it, as it is and as it is left after its start is aligned to 64 KiB
 * and to 2 MiB; a search goes down only where there is room.
 *
 * STRUCTURE. A leaf owns a stretch [base, limit) of the span; stretches follow
 * each other without holes. A stretch begins with a block, but the first, which
 * begins with the span: so each gap lies in one leaf only. When a leaf loses its
 * first block, the leaf before it takes over the bytes. Nodes have one size and
 * come from chunks; what is not in use waits in a list and is never given back
 * before the end. A node that is at most half full is joined to a neighbour when
 * both fill at most three quarters of one.
 *
 * BOUNDS. Every function here but prepare takes O(log n) steps.
 *
 * CONCURRENCY. None; the caller holds the allocator's lock.
 *
 * WHAT IT DOES NOT DO. It chooses no place (blocks_search.c).
 */
#include "core/blocks_tree.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hot.h"
#include "base/number.h"

#define CHUNK_LEAST 4096u
#define CHUNK_MOST  (1u << 20)

static struct vas_block_node *node_take(struct vas_blocks *blocks, uint32_t level)
{
	struct vas_block_node *node = blocks->spare;

	VAS_ASSERT(node);
	blocks->spare = (struct vas_block_node *)node->parent;
	blocks->spare_count--;
	*node = (struct vas_block_node){ .level = level };
	return node;
}

static void node_give(struct vas_blocks *blocks, struct vas_block_node *node)
{
	blocks->last = NULL;
	node->parent = (struct vas_block_inner *)blocks->spare;
	blocks->spare = node;
	blocks->spare_count++;
}

void vas_blocks_tree_feed(struct vas_blocks *blocks, struct vas_block_chunk *chunk, size_t header)
{
	char *memory = (char *)chunk + ((header + 63) & ~(size_t)63);
	size_t count = (size_t)((char *)chunk + chunk->size - memory) / VAS_BLOCK_NODE_SIZE;

	while (count > 0)
		node_give(blocks,
			  (struct vas_block_node *)(memory + --count * VAS_BLOCK_NODE_SIZE));
	blocks->books += chunk->size;
}

/* More memory in proportion to what there is. */
static int chunk_take(struct vas_blocks *blocks)
{
	uint64_t size = vas_align_down(blocks->books / 4, CHUNK_LEAST);
	struct vas_block_chunk *chunk;
	void *memory;
	int error;

	if (size < CHUNK_LEAST)
		size = CHUNK_LEAST;
	if (size > CHUNK_MOST)
		size = CHUNK_MOST;
	error = blocks->support.take(blocks->support.context, (size_t)size, &memory);
	if (error)
		return error;
	chunk = memory;
	chunk->size = size;
	chunk->next = blocks->chunk.next;
	blocks->chunk.next = chunk;
	vas_blocks_tree_feed(blocks, chunk, sizeof(*chunk));
	return 0;
}

static int spare_ensure(struct vas_blocks *blocks, uint64_t count)
{
	int error = 0;

	while (blocks->spare_count < count && !error)
		error = chunk_take(blocks);
	return error;
}

/*
 * Insertions at the upper end leave leaves with one block less than full and inner
 * nodes at least half full: so n of them make n / (LEAF - 1) leaves, and inner nodes
 * as the geometric series says; and a few on each level that were begun.
 */
VAS_HOT int vas_blocks_tree_prepare(struct vas_blocks *blocks, uint64_t n)
{
	uint64_t leaves = n / (VAS_BLOCK_LEAF - 1);
	uint64_t inner = leaves / (VAS_BLOCK_FAN / 2 - 1);
	uint64_t levels = blocks->root->level + vas_log2_floor(leaves + 1) + 1;

	return spare_ensure(blocks, leaves + inner + 2 * levels);
}

VAS_HOT int vas_blocks_tree_prepare_at(struct vas_blocks *blocks, struct vas_block_place place)
{
	struct vas_block_inner *inner = place.leaf->node.parent;
	uint64_t count = 1;

	if (place.leaf->node.count < VAS_BLOCK_LEAF)
		return 0;
	for (; inner && inner->node.count == VAS_BLOCK_FAN; inner = inner->node.parent)
		count++;
	return spare_ensure(blocks, inner ? count : count + 1);
}

void vas_blocks_tree_init(struct vas_blocks *blocks)
{
	blocks->root = node_take(blocks, 0);
	blocks->first = vas_block_leaf(blocks->root);
	blocks->first->prev = NULL;
	blocks->first->next = NULL;
	blocks->first->base = blocks->span.start;
	blocks->first->limit = blocks->span.start + blocks->span.size;
	blocks->free_ranges = 1;
}

static uint64_t node_key(struct vas_block_node *node)
{
	return node->level ? vas_block_inner(node)->key[0] : vas_block_leaf(node)->base;
}

/* The largest gap of a leaf after its start is aligned. */
VAS_HOT static uint64_t leaf_room(const struct vas_block_leaf *leaf, uint64_t alignment)
{
	uint64_t start = leaf->base;
	uint64_t room = 0;

	for (uint32_t i = 0; i <= leaf->node.count; i++) {
		uint64_t end = vas_block_gap_end(leaf, i);

		/* A gap that is no larger than the room can only be less when it is aligned. */
		if (end - start > room) {
			uint64_t left = vas_block_room(start, end, alignment);

			room = left > room ? left : room;
		}
		start = leaf->end[i < leaf->node.count ? i : 0];
	}
	return room;
}

static uint64_t node_room(const struct vas_blocks *blocks, struct vas_block_node *node,
			  uint32_t key)
{
	const uint64_t *rooms = vas_block_inner(node)->room[key];
	uint64_t room = 0;

	if (!node->level)
		return leaf_room(vas_block_leaf(node), blocks->alignment[key]);
	for (uint32_t i = 0; i < node->count; i++)
		room = rooms[i] > room ? rooms[i] : room;
	return room;
}

VAS_HOT void vas_blocks_tree_room(const struct vas_blocks *blocks, struct vas_block_node *node,
			 uint64_t *room)
{
	for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++)
		room[key] = node_room(blocks, node, key);
}

static uint32_t slot_of(const struct vas_block_inner *inner, const struct vas_block_node *child)
{
	uint32_t slot = 0;

	while (inner->child[slot] != child)
		slot++;
	VAS_ASSERT_DEBUG(slot < inner->node.count);
	return slot;
}

/* Writes what the parent says about a node; whether that changed. */
static bool slot_refresh(struct vas_blocks *blocks, struct vas_block_node *node)
{
	struct vas_block_inner *parent = node->parent;
	uint32_t slot = slot_of(parent, node);
	uint64_t room[VAS_BLOCK_KEYS];
	bool changed = parent->key[slot] != node_key(node);

	vas_blocks_tree_room(blocks, node, room);
	parent->key[slot] = node_key(node);
	for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++) {
		changed |= parent->room[key][slot] != room[key];
		parent->room[key][slot] = room[key];
	}
	return changed;
}

/* After a change inside one node. */
static void refresh(struct vas_blocks *blocks, struct vas_block_node *node)
{
	while (node->parent && slot_refresh(blocks, node))
		node = &node->parent->node;
}

/* A gap of the leaf became [start, end), which is more: no other gap has to be looked at. */
VAS_HOT static void gap_grew(struct vas_blocks *blocks, struct vas_block_leaf *leaf, uint64_t start,
		     uint64_t end)
{
	struct vas_block_node *node = &leaf->node;
	bool changed = true;

	for (; node->parent && changed; node = &node->parent->node) {
		struct vas_block_inner *parent = node->parent;
		uint32_t slot = slot_of(parent, node);

		changed = false;
		for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++) {
			uint64_t room = vas_block_room(start, end, blocks->alignment[key]);

			if (room <= parent->room[key][slot])
				continue;
			parent->room[key][slot] = room;
			changed = true;
		}
	}
}

/* A gap of the leaf that was [start, end) became less: that matters where it was the largest. */
VAS_HOT static void gap_shrank(struct vas_blocks *blocks, struct vas_block_leaf *leaf,
			       uint64_t start,
		       uint64_t end)
{
	struct vas_block_node *node = &leaf->node;
	bool changed = true;

	for (; node->parent && changed; node = &node->parent->node) {
		struct vas_block_inner *parent = node->parent;
		uint32_t slot = slot_of(parent, node);

		changed = false;
		for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++) {
			uint64_t room = vas_block_room(start, end, blocks->alignment[key]);

			if (room == 0 || room < parent->room[key][slot])
				continue;
			parent->room[key][slot] = node_room(blocks, node, key);
			changed |= parent->room[key][slot] != room;
		}
	}
}

/* After a change of the tree's shape: all the way up. */
static void refresh_all(struct vas_blocks *blocks, struct vas_block_node *node)
{
	for (; node->parent; node = &node->parent->node)
		slot_refresh(blocks, node);
}

static struct vas_block_leaf *leaf_of(const struct vas_blocks *blocks, uint64_t address)
{
	struct vas_block_node *node = blocks->root;

	while (node->level) {
		const struct vas_block_inner *inner = vas_block_inner(node);
		uint32_t slot = 0;

		for (uint32_t i = 1; i < node->count; i++)
			slot += inner->key[i] <= address;
		node = inner->child[slot];
	}
	/* Most of it will be used, and waiting for one line after the other would be slow. */
	for (size_t at = 0; at < sizeof(struct vas_block_leaf); at += 64)
		__builtin_prefetch((char *)node + at);
	return vas_block_leaf(node);
}

/* An operation asks for the same block several times, so the leaf of the last search is tried first. */
VAS_HOT struct vas_block_place vas_blocks_tree_find(struct vas_blocks *blocks, uint64_t address)
{
	struct vas_block_leaf *leaf = blocks->last;
	struct vas_block_place place = { leaf, 0 };

	if (!leaf || address < leaf->base || address >= leaf->limit)
		blocks->last = place.leaf = leaf = leaf_of(blocks, address);
	for (uint32_t i = 0; i < leaf->node.count; i++)
		place.index += leaf->start[i] <= address;
	return place;
}

/* Opens a slot for a node after another one, whose parent has room. */
static void child_insert(struct vas_block_node *before, struct vas_block_node *node)
{
	struct vas_block_inner *parent = before->parent;
	uint32_t slot = slot_of(parent, before) + 1;
	size_t moved = parent->node.count - slot;

	memmove(&parent->key[slot + 1], &parent->key[slot], moved * sizeof(parent->key[0]));
	memmove(&parent->child[slot + 1], &parent->child[slot], moved * sizeof(parent->child[0]));
	for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++)
		memmove(&parent->room[key][slot + 1], &parent->room[key][slot],
			moved * sizeof(parent->room[0][0]));
	parent->child[slot] = node;
	parent->node.count++;
	node->parent = parent;
}

static void root_raise(struct vas_blocks *blocks)
{
	struct vas_block_inner *root = vas_block_inner(node_take(blocks, blocks->root->level + 1));

	root->node.count = 1;
	root->child[0] = blocks->root;
	blocks->root->parent = root;
	blocks->root = &root->node;
}

/* Moves the children of an inner node from slot on to the end of another one. */
static void children_move(struct vas_block_inner *from, uint32_t slot, struct vas_block_inner *to)
{
	uint32_t count = from->node.count - slot;
	uint32_t end = to->node.count;

	memcpy(&to->key[end], &from->key[slot], count * sizeof(to->key[0]));
	memcpy(&to->child[end], &from->child[slot], count * sizeof(to->child[0]));
	for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++)
		memcpy(&to->room[key][end], &from->room[key][slot], count * sizeof(to->room[0][0]));
	for (uint32_t i = end; i < end + count; i++)
		to->child[i]->parent = to;
	to->node.count += count;
	from->node.count = slot;
}

/* Hangs a new node into the tree after the one that it was split from, splitting upwards. */
static void tree_hang(struct vas_blocks *blocks, struct vas_block_node *before,
		      struct vas_block_node *node)
{
	if (!before->parent)
		root_raise(blocks);
	if (before->parent->node.count == VAS_BLOCK_FAN) {
		struct vas_block_inner *parent = before->parent;
		struct vas_block_inner *half =
			vas_block_inner(node_take(blocks, parent->node.level));

		children_move(parent, VAS_BLOCK_FAN / 2, half);
		tree_hang(blocks, &parent->node, &half->node);
	}
	child_insert(before, node);
	refresh_all(blocks, before);
	refresh_all(blocks, node);
}

/* Moves the blocks of a leaf from index on to the end of another one, the next by address. */
static void entries_move(struct vas_block_leaf *from, uint32_t index, struct vas_block_leaf *to)
{
	uint32_t count = from->node.count - index;
	uint32_t end = to->node.count;

	memcpy(&to->start[end], &from->start[index], count * sizeof(to->start[0]));
	memcpy(&to->end[end], &from->end[index], count * sizeof(to->end[0]));
	memcpy(&to->mark[end], &from->mark[index], count * sizeof(to->mark[0]));
	to->node.count += count;
	from->node.count = index;
}

/* Where a full leaf is split for a new block at index: runs at either end fill their leaves. */
static uint32_t split_index(const struct vas_block_leaf *leaf, uint32_t index)
{
	if (index == leaf->node.count && !leaf->next)
		return leaf->node.count - 1;
	if (index == 0)
		return 1;
	return leaf->node.count / 2;
}

static struct vas_block_leaf *leaf_split(struct vas_blocks *blocks, struct vas_block_leaf *leaf,
					 uint32_t index)
{
	struct vas_block_leaf *upper = vas_block_leaf(node_take(blocks, 0));

	entries_move(leaf, index, upper);
	upper->base = upper->start[0];
	upper->limit = leaf->limit;
	leaf->limit = upper->base;
	upper->prev = leaf;
	upper->next = leaf->next;
	if (upper->next)
		upper->next->prev = upper;
	leaf->next = upper;
	tree_hang(blocks, &leaf->node, &upper->node);
	return upper;
}

/* The gap at place is split by putting a block into it. */
static void count_insert(struct vas_blocks *blocks, struct vas_block_place place,
			 struct vas_span span)
{
	uint64_t start = vas_block_gap_start(place.leaf, place.index);
	uint64_t end = vas_block_gap_end(place.leaf, place.index);

	VAS_ASSERT(span.start >= start && span.start + span.size <= end);
	blocks->free_ranges += (start < span.start);
	blocks->free_ranges += (span.start + span.size < end);
	blocks->free_ranges--;
	blocks->live++;
	blocks->used += span.size;
}

/* The block at place and the gaps on both sides become one. */
static void count_remove(struct vas_blocks *blocks, struct vas_block_place place)
{
	const struct vas_block_leaf *leaf = place.leaf;
	uint64_t start = leaf->start[place.index];
	uint64_t end = leaf->end[place.index];
	uint64_t before = vas_block_gap_start(leaf, place.index);

	if (place.index == 0 && leaf->prev)
		before = vas_block_gap_start(leaf->prev, leaf->prev->node.count);
	blocks->free_ranges++;
	blocks->free_ranges -= (before < start);
	blocks->free_ranges -= (end < vas_block_gap_end(leaf, place.index + 1));
	blocks->live--;
	blocks->used -= end - start;
}

VAS_HOT void vas_blocks_tree_insert(struct vas_blocks *blocks, struct vas_block_place place,
			   struct vas_span span, uint32_t mark)
{
	struct vas_block_leaf *leaf = place.leaf;
	uint32_t index = place.index;
	uint64_t start, end;
	size_t moved;

	count_insert(blocks, place, span);
	if (leaf->node.count == VAS_BLOCK_LEAF) {
		uint32_t half = split_index(leaf, index);
		struct vas_block_leaf *upper = leaf_split(blocks, leaf, half);

		if (index > half) {
			leaf = upper;
			index -= half;
		}
	}
	start = vas_block_gap_start(leaf, index);
	end = vas_block_gap_end(leaf, index);
	moved = leaf->node.count - index;
	memmove(&leaf->start[index + 1], &leaf->start[index], moved * sizeof(leaf->start[0]));
	memmove(&leaf->end[index + 1], &leaf->end[index], moved * sizeof(leaf->end[0]));
	memmove(&leaf->mark[index + 1], &leaf->mark[index], moved * sizeof(leaf->mark[0]));
	leaf->start[index] = span.start;
	leaf->end[index] = span.start + span.size;
	leaf->mark[index] = mark;
	leaf->node.count++;
	gap_shrank(blocks, leaf, start, end);
}

static void node_shrunk(struct vas_blocks *blocks, struct vas_block_node *node);

static void root_lower(struct vas_blocks *blocks)
{
	while (blocks->root->level && blocks->root->count == 1) {
		struct vas_block_node *root = blocks->root;

		blocks->root = vas_block_inner(root)->child[0];
		blocks->root->parent = NULL;
		node_give(blocks, root);
	}
}

/* Takes an empty node out of the tree. I: not the root, not the first leaf. */
static void child_remove(struct vas_blocks *blocks, struct vas_block_node *node)
{
	struct vas_block_inner *parent = node->parent;
	uint32_t slot = slot_of(parent, node);
	size_t moved = parent->node.count - slot - 1;

	memmove(&parent->key[slot], &parent->key[slot + 1], moved * sizeof(parent->key[0]));
	memmove(&parent->child[slot], &parent->child[slot + 1], moved * sizeof(parent->child[0]));
	for (uint32_t key = 0; key < VAS_BLOCK_KEYS; key++)
		memmove(&parent->room[key][slot], &parent->room[key][slot + 1],
			moved * sizeof(parent->room[0][0]));
	parent->node.count--;
	node_give(blocks, node);
	if (!parent->node.parent) {
		root_lower(blocks);
		return;
	}
	if (parent->node.count == 0) {
		child_remove(blocks, &parent->node);
		return;
	}
	refresh_all(blocks, &parent->node);
	node_shrunk(blocks, &parent->node);
}

static bool node_fits(const struct vas_block_node *left, const struct vas_block_node *right)
{
	uint32_t most = left->level ? VAS_BLOCK_FAN : VAS_BLOCK_LEAF;

	return left->count + right->count <= most * 3 / 4;
}

static void leaf_unlink(struct vas_block_leaf *leaf)
{
	leaf->prev->limit = leaf->limit;
	leaf->prev->next = leaf->next;
	if (leaf->next)
		leaf->next->prev = leaf->prev;
}

/* Joins two neighbours below one parent. */
static void node_join(struct vas_blocks *blocks, struct vas_block_node *left,
		      struct vas_block_node *right)
{
	if (left->level) {
		children_move(vas_block_inner(right), 0, vas_block_inner(left));
	} else {
		entries_move(vas_block_leaf(right), 0, vas_block_leaf(left));
		leaf_unlink(vas_block_leaf(right));
	}
	slot_refresh(blocks, left);
	child_remove(blocks, right);
}

/* Joins a node that lost something to a neighbour if both together are small. */
static void node_shrunk(struct vas_blocks *blocks, struct vas_block_node *node)
{
	struct vas_block_inner *parent = node->parent;
	uint32_t most = node->level ? VAS_BLOCK_FAN : VAS_BLOCK_LEAF;
	uint32_t slot;

	if (!parent || node->count > most / 2)
		return;
	slot = slot_of(parent, node);
	if (slot + 1 < parent->node.count && node_fits(node, parent->child[slot + 1]))
		node_join(blocks, node, parent->child[slot + 1]);
	else if (slot > 0 && node_fits(parent->child[slot - 1], node))
		node_join(blocks, parent->child[slot - 1], node);
}

/* The first block of a leaf is gone: the leaf before it takes over the bytes up to the next one. */
static void leaf_rebase(struct vas_blocks *blocks, struct vas_block_leaf *leaf)
{
	struct vas_block_leaf *prev = leaf->prev;

	if (leaf->node.count == 0) {
		leaf_unlink(leaf);
		child_remove(blocks, &leaf->node);
	} else {
		leaf->base = leaf->start[0];
		prev->limit = leaf->base;
		refresh(blocks, &leaf->node);
		node_shrunk(blocks, &leaf->node);
	}
	refresh_all(blocks, &prev->node);
}

VAS_HOT void vas_blocks_tree_remove(struct vas_blocks *blocks, struct vas_block_place place)
{
	struct vas_block_leaf *leaf = place.leaf;
	uint32_t index = place.index;
	size_t moved = leaf->node.count - index - 1;

	count_remove(blocks, place);
	memmove(&leaf->start[index], &leaf->start[index + 1], moved * sizeof(leaf->start[0]));
	memmove(&leaf->end[index], &leaf->end[index + 1], moved * sizeof(leaf->end[0]));
	memmove(&leaf->mark[index], &leaf->mark[index + 1], moved * sizeof(leaf->mark[0]));
	leaf->node.count--;
	if (index == 0 && leaf->prev) {
		leaf_rebase(blocks, leaf);
		return;
	}
	gap_grew(blocks, leaf, vas_block_gap_start(leaf, index), vas_block_gap_end(leaf, index));
	node_shrunk(blocks, &leaf->node);
}

void vas_blocks_tree_set_end(struct vas_blocks *blocks, struct vas_block_place place, uint64_t end)
{
	uint64_t limit = vas_block_gap_end(place.leaf, place.index + 1);
	uint64_t old = place.leaf->end[place.index];

	VAS_ASSERT(end > place.leaf->start[place.index] && end <= limit);
	blocks->free_ranges -= (old < limit);
	blocks->free_ranges += (end < limit);
	blocks->used += end - old;
	place.leaf->end[place.index] = end;
	if (end < old)
		gap_grew(blocks, place.leaf, end, limit);
	else
		gap_shrank(blocks, place.leaf, old, limit);
}

struct vas_block_place vas_blocks_tree_last(const struct vas_blocks *blocks)
{
	struct vas_block_node *node = blocks->root;

	while (node->level)
		node = vas_block_inner(node)->child[node->count - 1];
	return (struct vas_block_place){ vas_block_leaf(node), node->count };
}

void vas_blocks_tree_set_limit(struct vas_blocks *blocks, uint64_t end)
{
	struct vas_block_place last = vas_blocks_tree_last(blocks);
	uint64_t start = vas_block_gap_start(last.leaf, last.index);

	blocks->free_ranges -= (start < last.leaf->limit);
	blocks->free_ranges += (start < end);
	last.leaf->limit = end;
	blocks->span.size = end - blocks->span.start;
	refresh(blocks, &last.leaf->node);
}
