/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding a free range for a request.
 *
 * WHAT FOR. The lowest, the highest or any place that satisfies a request, and
 * a refusal only when there is none.
 *
 * STRATEGY. A walk over the tree in address order that goes down only below
 * nodes whose room is large enough, in the largest known alignment that the
 * request's alignment contains. When that is the request's own, each node with room has
 * a place, so a search is one way down: sizes alone, 64 KiB, 2 MiB, each with
 * or without a window, whose two edges cost one more way down each.
 *
 * Other alignments, phases and boundaries can be refused by a gap that is large enough
 * by its size. The exact searches then go on to the next one; that is bounded by the
 * number of gaps that are at least as large as the block and yet do not take it.
 * "Any" looks at LOOKS such gaps, then for a gap so large that it takes the
 * block wherever it begins, and only when there is none looks at all of them,
 * since the refusal must be true.
 *
 * CONCURRENCY. None; the caller holds the allocator's lock.
 */
#include "core/blocks_search.h"

#include "base/hot.h"
#include "base/number.h"

#define LOOKS 64u

enum outcome { ABSENT, FOUND, TIRED };

struct search {
	const struct vas_block_query *query;
	uint64_t need; /* the room that a gap must have */
	uint32_t key; /* in this alignment */
	uint32_t looks; /* gaps that may still be looked at in vain */
	struct vas_block_place place;
	uint64_t start;
};

/* The least gap that can take the block. */
static uint64_t query_need(const struct vas_block_query *query)
{
	return query->size + 2 * query->margin;
}

static uint32_t query_key(const struct vas_blocks *blocks, const struct vas_block_query *query)
{
	uint32_t key = VAS_BLOCK_KEYS - 1;

	/* Rooms count from an aligned place on; a margin lies before it. */
	if (query->margin)
		return 0;
	while (key > 0 && (query->alignment % blocks->alignment[key] != 0 ||
			   query->phase % blocks->alignment[key] != 0))
		key--;
	return key;
}

static enum outcome gap_try(struct search *search, struct vas_block_leaf *leaf, uint32_t index,
			    bool high)
{
	const struct vas_block_query *query = search->query;
	uint64_t start = vas_block_gap_start(leaf, index);
	uint64_t end = vas_block_gap_end(leaf, index);
	bool fits;

	/* I: need has room for both margins. */
	if (end - start < search->need || end <= query->min || start >= query->max)
		return ABSENT;
	start += query->margin;
	end -= query->margin;
	fits = high ? vas_block_fit_high(query, start, end, &search->start)
		    : vas_block_fit_low(query, start, end, &search->start);
	if (fits) {
		search->place = (struct vas_block_place){ leaf, index };
		return FOUND;
	}
	return --search->looks ? ABSENT : TIRED;
}

static enum outcome leaf_walk(struct search *search, struct vas_block_leaf *leaf, bool high)
{
	enum outcome outcome = ABSENT;

	for (uint32_t i = 0; i <= leaf->node.count && outcome == ABSENT; i++)
		outcome = gap_try(search, leaf, high ? leaf->node.count - i : i, high);
	return outcome;
}

/* Whether there may be a place below a child: its stretch ends where the next one begins. */
static bool child_promises(const struct search *search, const struct vas_block_inner *inner,
			   uint32_t slot)
{
	if (inner->room[search->key][slot] < search->need || inner->key[slot] >= search->query->max)
		return false;
	return slot + 1 == inner->node.count || inner->key[slot + 1] > search->query->min;
}

static enum outcome node_walk(struct search *search, struct vas_block_node *node, bool high)
{
	const struct vas_block_inner *inner = vas_block_inner(node);
	enum outcome outcome = ABSENT;

	if (!node->level)
		return leaf_walk(search, vas_block_leaf(node), high);
	for (uint32_t i = 0; i < node->count && outcome == ABSENT; i++) {
		uint32_t slot = high ? node->count - 1 - i : i;

		if (child_promises(search, inner, slot))
			outcome = node_walk(search, inner->child[slot], high);
	}
	return outcome;
}

static bool search_exact(const struct vas_blocks *blocks, const struct vas_block_query *query,
			 bool high, struct search *search)
{
	*search = (struct search){ .query = query,
				   .need = query_need(query),
				   .key = query_key(blocks, query),
				   .looks = UINT32_MAX };
	return node_walk(search, blocks->root, high) == FOUND;
}

static bool answer(const struct search *search, struct vas_block_place *place, uint64_t *start)
{
	*place = search->place;
	*start = search->start;
	return true;
}

VAS_HOT bool vas_blocks_search_low(const struct vas_blocks *blocks,
				  const struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start)
{
	struct search search;

	return search_exact(blocks, query, false, &search) && answer(&search, place, start);
}

bool vas_blocks_search_high(const struct vas_blocks *blocks, const struct vas_block_query *query,
			   struct vas_block_place *place, uint64_t *start)
{
	struct search search;

	return search_exact(blocks, query, true, &search) && answer(&search, place, start);
}

/* A size of gap that takes the block wherever it begins, but for odd alignments with a boundary. */
static uint64_t sure_size(const struct vas_block_query *query)
{
	uint64_t sure;

	if (!vas_multiply(query->alignment, query->boundary ? 2 : 1, &sure) ||
	    !vas_add(sure, query_need(query), &sure) ||
	    !vas_add(sure, query->boundary ? query->size : 0, &sure))
		return UINT64_MAX;
	return sure;
}

VAS_HOT bool vas_blocks_search_any(const struct vas_blocks *blocks,
				  const struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start)
{
	struct search search = {
		.query = query,
		.need = query_need(query),
		.key = query_key(blocks, query),
		.looks = LOOKS,
	};
	enum outcome outcome = node_walk(&search, blocks->root, false);

	if (outcome == TIRED) {
		search.need = sure_size(query);
		search.key = 0;
		search.looks = LOOKS;
		outcome = node_walk(&search, blocks->root, false);
	}
	if (outcome == FOUND)
		return answer(&search, place, start);
	/* Neither settled it: ABSENT counts only where need was the size itself. */
	if (search.need == query_need(query))
		return false;
	return vas_blocks_search_low(blocks, query, place, start);
}
