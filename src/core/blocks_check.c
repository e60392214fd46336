/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker of the block allocator: walks the whole tree and all memory.
 *
 * Every sum is made anew from the leaves and compared: keys, rooms, neighbours,
 * the stretches of leaves, the counts, and that each node is in the tree or spare.
 */
#include "core/blocks_tree.h"

#include "base/number.h"

struct walk {
	const struct vas_blocks *blocks;
	const struct vas_block_leaf *last; /* leaf visited before */
	uint64_t at; /* up to here all is accounted for */
	uint64_t live;
	uint64_t used;
	uint64_t free_ranges;
	uint64_t nodes;
};

static bool block_check(struct walk *walk, const struct vas_block_leaf *leaf, uint32_t i)
{
	uint64_t start = leaf->start[i];
	uint64_t end = leaf->end[i];

	if (start < walk->at || end <= start || ((start | end) & (walk->blocks->granule - 1)) != 0)
		return false;
	walk->free_ranges += start > walk->at;
	walk->live++;
	walk->used += end - start;
	walk->at = end;
	return true;
}

static bool leaf_check(struct walk *walk, const struct vas_block_leaf *leaf)
{
	if (leaf->node.count > VAS_BLOCK_LEAF || leaf->prev != walk->last ||
	    (walk->last ? walk->last->next != leaf || walk->last->limit != leaf->base
			: leaf != walk->blocks->first || leaf->base != walk->at))
		return false;
	if (walk->last && (leaf->node.count == 0 || leaf->base != leaf->start[0]))
		return false;
	for (uint32_t i = 0; i < leaf->node.count; i++)
		if (!block_check(walk, leaf, i))
			return false;
	walk->last = leaf;
	return leaf->limit >= walk->at;
}

static bool node_check(struct walk *walk, struct vas_block_node *node);

static bool child_check(struct walk *walk, const struct vas_block_inner *inner, uint32_t slot)
{
	struct vas_block_node *child = inner->child[slot];
	uint64_t room[VAS_BLOCK_KEYS];
	uint64_t key;

	if (child->parent != inner || child->level + 1 != inner->node.level ||
	    !node_check(walk, child))
		return false;
	key = child->level ? vas_block_inner(child)->key[0] : vas_block_leaf(child)->base;
	vas_blocks_tree_room(walk->blocks, child, room);
	for (uint32_t i = 0; i < VAS_BLOCK_KEYS; i++)
		if (inner->room[i][slot] != room[i])
			return false;
	return inner->key[slot] == key;
}

static bool node_check(struct walk *walk, struct vas_block_node *node)
{
	const struct vas_block_inner *inner = vas_block_inner(node);

	walk->nodes++;
	if (!node->level)
		return leaf_check(walk, vas_block_leaf(node));
	if (node->count == 0 || node->count > VAS_BLOCK_FAN || node->level > 32)
		return false;
	for (uint32_t i = 0; i < node->count; i++)
		if (!child_check(walk, inner, i))
			return false;
	return true;
}

/* Every node of every chunk is in the tree or spare. */
static bool memory_check(const struct walk *walk)
{
	const struct vas_blocks *blocks = walk->blocks;
	const struct vas_block_node *node = blocks->spare;
	uint64_t books = 0, nodes = 0, spare = 0;
	size_t header = sizeof(*blocks);

	for (const struct vas_block_chunk *chunk = &blocks->chunk; chunk; chunk = chunk->next) {
		books += chunk->size;
		nodes += (chunk->size - ((header + 63) & ~(size_t)63)) / VAS_BLOCK_NODE_SIZE;
		header = sizeof(*chunk);
	}
	for (; node && spare <= nodes; node = (const struct vas_block_node *)node->parent)
		spare++;
	return books == blocks->books && spare == blocks->spare_count &&
	       walk->nodes + spare == nodes;
}

bool vas_blocks_tree_check(const struct vas_blocks *blocks)
{
	uint64_t end = blocks->span.start + blocks->span.size;
	struct walk walk = { .blocks = blocks, .at = blocks->span.start };

	if (blocks->root->parent || (blocks->root->level && blocks->root->count < 2) ||
	    !node_check(&walk, blocks->root) || walk.last->next || walk.last->limit != end)
		return false;
	walk.free_ranges += walk.at < end;
	return walk.live == blocks->live && walk.used == blocks->used &&
	       walk.free_ranges == blocks->free_ranges && memory_check(&walk);
}
