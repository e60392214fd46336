/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/*
 * The tree of taken granules: runs at both ends, how full its nodes are, what it says of
 * itself, and its edges. The models hold it against a flat map.
 */
#include <stdlib.h>

#include "base/random.h"
#include "core/block_search.h"
#include "core/blocks_fit.h"
#include "tap/tap.h"

enum { NODES = 4096 };

static _Alignas(64) char memory[NODES][VAS_BLOCK_NODE_SIZE];

static void spares_make(struct vas_block_spares *spares)
{
	*spares = (struct vas_block_spares){ 0 };
	for (uint32_t i = 0; i < NODES; i++)
		vas_block_spares_give(spares, memory[i]);
}

static void tree_make(struct vas_block_tree *tree, struct vas_block_spares *spares, uint32_t end)
{
	spares_make(spares);
	vas_block_tree_init(tree, spares, 0, 12, (struct vas_block_run){ 0, end });
}

static uint32_t take_low(struct vas_block_tree *tree, uint32_t size, uint32_t key)
{
	struct vas_block_place place;
	uint32_t start;

	if (!vas_block_search_size(tree, size, key, &place, &start))
		return VAS_BLOCK_NEVER;
	vas_block_tree_insert(tree, &place, (struct vas_block_run){ start, start + size });
	return start;
}

static uint32_t take_high(struct vas_block_tree *tree, uint32_t size)
{
	struct vas_block_want want = { .need = size, .window = tree->range };
	struct vas_block_place place;
	uint32_t start;

	if (vas_block_search_high(tree, &want, &place, &start) != VAS_BLOCK_FOUND)
		return VAS_BLOCK_NEVER;
	vas_block_tree_insert(tree, &place, (struct vas_block_run){ start, start + size });
	return start;
}

static void drop(struct vas_block_tree *tree, uint32_t start)
{
	struct vas_block_place place;

	vas_block_tree_find(tree, start, &place);
	vas_block_tree_remove(tree, &place);
}

static void test_empty(void)
{
	struct vas_block_spares spares;
	struct vas_block_tree tree;
	struct vas_block_place place;
	uint32_t start;

	spares_make(&spares);
	vas_block_tree_init(&tree, &spares, 0, 12, (struct vas_block_run){ 3, 600 });
	is_u64(tree.room[0], 597, "an empty tree has room for its range");
	is_u64(tree.room[1], 584, "and from the first 64 KiB on");
	is_u64(tree.room[2], 88, "and from the first 2 MiB on");
	is_u64(tree.nodes, 1, "in one node");
	ok(!vas_block_search_size(&tree, 598, 0, &place, &start), "it has no room for more");
	is_u64(take_low(&tree, 597, 0), 3, "all of it is one piece");
	is_u64(tree.room[0] | tree.room[1] | tree.room[2] | tree.gaps, 0, "then there is no room");
	drop(&tree, 3);
	is_u64(tree.pieces | tree.used, 0, "and nothing is taken when that is gone");
	is_u64(tree.room[2], 88, "and all rooms are there again");
	ok(vas_block_tree_check(&tree), "the tree is in order");
}

static void test_runs(void)
{
	struct vas_block_spares spares;
	struct vas_block_tree tree;
	bool held = true;

	tree_make(&tree, &spares, 100000);
	for (uint32_t i = 0; i < 20000; i++)
		held &= take_low(&tree, 2, 0) == 2 * i;
	ok(held && vas_block_tree_check(&tree), "a run upwards");
	ok(tree.nodes * 56u < 20000 * 115 / 100, "fills its nodes: %u", tree.nodes);
	for (uint32_t i = 0; i < 20000; i++)
		drop(&tree, 2 * i);
	ok(vas_block_tree_check(&tree) && tree.nodes == 1, "and is gone from below");
	for (uint32_t i = 0; i < 20000; i++)
		held &= take_high(&tree, 2) == 100000 - 2 * i - 2;
	ok(held && vas_block_tree_check(&tree), "a run downwards");
	ok(tree.nodes * 56u < 20000 * 115 / 100, "fills its nodes: %u", tree.nodes);
	for (uint32_t i = 0; i < 20000; i++)
		drop(&tree, 100000 - 2 * i - 2);
	ok(vas_block_tree_check(&tree) && tree.nodes == 1, "and is gone from above");
	is_u64(spares.node_count, NODES - 1, "all nodes are spare again");
}

/* Random replacement, as an allocator does it; then how much the nodes hold. */
static void test_fill(void)
{
	enum { LIVE = 20000, TURNS = 200000 };
	static uint32_t live[LIVE];
	struct vas_block_spares spares;
	struct vas_block_tree tree;
	uint64_t random = 1;
	double bytes;

	tree_make(&tree, &spares, 16 << 20);
	for (uint32_t i = 0; i < LIVE; i++)
		live[i] = take_low(&tree, 1u << vas_random_below(&random, 10), 0);
	for (uint32_t i = 0; i < TURNS; i++) {
		uint32_t *which = &live[vas_random_below(&random, LIVE)];
		uint32_t size = 1u << vas_random_below(&random, 10);

		drop(&tree, *which);
		*which = take_low(&tree, size + (uint32_t)vas_random_below(&random, size), 0);
	}
	ok(vas_block_tree_check(&tree), "in order after random replacement");
	bytes = (double)tree.nodes * VAS_BLOCK_NODE_SIZE / tree.pieces;
	tap_figure("bytes of nodes a piece", bytes, "B");
	ok(bytes < 14.5, "a piece takes %.2f bytes of nodes", bytes);
	is_u64(tree.pieces, LIVE, "all are there");
	for (uint32_t i = 0; i < LIVE; i++)
		drop(&tree, live[i]);
	ok(vas_block_tree_check(&tree) && tree.nodes == 1, "nothing is left of them");
}

static void test_aligned(void)
{
	struct vas_block_spares spares;
	struct vas_block_tree tree;
	struct vas_block_place place;
	uint32_t start;

	tree_make(&tree, &spares, 2048);
	is_u64(take_low(&tree, 1, 0), 0, "one granule");
	is_u64(take_low(&tree, 1, 1), 16, "the next at 64 KiB");
	is_u64(take_low(&tree, 1, 2), 512, "the next at 2 MiB");
	is_u64(take_low(&tree, 15, 0), 1, "what lies between is there for others");
	is_u64(take_low(&tree, 512, 2), 1024, "a whole 2 MiB");
	is_u64(tree.room[2], 512, "another one is left");
	is_u64(take_low(&tree, 512, 2), 1536, "and that goes, too");
	ok(!vas_block_search_size(&tree, 1, 2, &place, &start), "then there is none");
	is_u64(tree.room[0], 511, "though there is much room");
	ok(vas_block_tree_check(&tree), "the tree is in order");
}

static void test_looks(void)
{
	struct vas_block_spares spares;
	struct vas_block_tree tree;
	struct vas_block_place place;
	struct vas_block_want want;
	struct vas_block_query query = {
		.size = 8 << 12, .alignment = 8 << 12, .phase = 7 << 12, .max = UINT64_MAX
	};
	uint32_t start = 0;

	tree_make(&tree, &spares, 65536);
	/* Gaps of 8 that begin at multiples of 16. */
	for (uint32_t at = 8; at < 60000; at += 16) {
		vas_block_tree_find(&tree, at, &place);
		vas_block_tree_insert(&tree, &place, (struct vas_block_run){ at, at + 8 });
	}
	ok(vas_block_want_make(&tree, &query, &want), "a request with a phase");
	is_i64(vas_block_search_low(&tree, &want, &place, &start), VAS_BLOCK_FOUND,
	       "the lowest place is found behind many gaps");
	is_u64(start, 60007, "where it is");
	want.looks = 10;
	is_i64(vas_block_search_low(&tree, &want, &place, &start), VAS_BLOCK_TIRED,
	       "but not in ten looks");
	/* One gap that takes it but only just. */
	vas_block_tree_find(&tree, 40008, &place);
	vas_block_tree_set_end(&tree, &place, 40009);
	is_i64(vas_block_search_any(&tree, &want, &place, &start), VAS_BLOCK_FOUND,
	       "any place is found soon");
	is_u64(start, 60007, "where there is much room");
	want.looks = 0;
	is_i64(vas_block_search_low(&tree, &want, &place, &start), VAS_BLOCK_FOUND,
	       "the lowest place is another one");
	is_u64(start, 40015, "where it just fits");
	vas_block_tree_find(&tree, 40008, &place);
	vas_block_tree_set_end(&tree, &place, 40016);
	vas_block_tree_find(&tree, 65535, &place);
	vas_block_tree_insert(&tree, &place, (struct vas_block_run){ 60008, 65536 });
	is_i64(vas_block_search_any(&tree, &want, &place, &start), VAS_BLOCK_ABSENT,
	       "a refusal has looked at all");
	vas_block_tree_clear(&tree);
	is_u64(spares.node_count, NODES, "all nodes come back");
}

/* Gaps of 24 granules, each of which begins one behind a multiple of 32: 8 fit there at multiples of 8 and 16 at most. */
static void make_odd_gaps(struct vas_block_tree *tree)
{
	struct vas_block_place place;

	for (uint32_t at = 0; at < 4096; at += 32) {
		struct vas_block_run piece = { at ? at - 7 : 0, at + 1 };

		vas_block_tree_find(tree, piece.start, &place);
		vas_block_tree_insert(tree, &place, piece);
	}
	vas_block_tree_find(tree, 4090, &place);
	vas_block_tree_insert(tree, &place, (struct vas_block_run){ 4089, 4096 });
}

static struct vas_block_want odd_want(const struct vas_block_tree *tree,
				      struct vas_block_query *query, uint64_t alignment,
				      uint64_t size)
{
	struct vas_block_want want;

	*query = (struct vas_block_query){ .size = size << 12,
					   .alignment = alignment << 12,
					   .max = UINT64_MAX };
	if (!vas_block_want_make(tree, query, &want))
		tap_bail("no request");
	return want;
}

static bool odd_known(const struct vas_block_tree *tree, uint64_t alignment, uint64_t size)
{
	struct vas_block_query query;

	(void)odd_want(tree, &query, alignment, size);
	return vas_block_is_refused(tree, &query);
}

static void test_refused(void)
{
	struct vas_block_spares spares;
	struct vas_block_tree tree;
	struct vas_block_place place;
	struct vas_block_query query;
	struct vas_block_want want;
	uint32_t start;

	tree_make(&tree, &spares, 4096);
	make_odd_gaps(&tree);
	want = odd_want(&tree, &query, 8, 20);
	is_i64(vas_block_search_any(&tree, &want, &place, &start), VAS_BLOCK_ABSENT,
	       "no gap has 20 granules at a multiple of 8");
	ok(!odd_known(&tree, 8, 20), "which nobody remembers yet");
	want.window = (struct vas_block_run){ 1000, 1100 };
	vas_block_refused(&tree, &want);
	ok(odd_known(&tree, 8, 20) && vas_block_tree_check(&tree), "a window remembers it for all");
	ok(odd_known(&tree, 8, 30) && odd_known(&tree, 32, 20),
	   "so more and a larger multiple are refused");
	ok(!odd_known(&tree, 8, 17) && !odd_known(&tree, 4, 20),
	   "and neither less nor a smaller one");
	query.phase = 1 << 12;
	ok(!vas_block_is_refused(&tree, &query), "nor one with a phase");
	vas_block_tree_find(&tree, 65, &place);
	vas_block_tree_remove(&tree, &place);
	ok(!odd_known(&tree, 8, 20), "a gap that takes it ends that");
	want = odd_want(&tree, &query, 8, 20);
	want.window = (struct vas_block_run){ 1000, 1100 };
	vas_block_refused(&tree, &want);
	ok(!odd_known(&tree, 8, 20), "what is there is not remembered as absent");
	vas_block_tree_find(&tree, 60, &place);
	vas_block_tree_insert(&tree, &place, (struct vas_block_run){ 57, 65 });
	want = odd_want(&tree, &query, 8, 20);
	vas_block_refused(&tree, &want);
	vas_block_tree_find(&tree, 4090, &place);
	vas_block_tree_set_end(&tree, &place, 4093);
	ok(odd_known(&tree, 8, 20), "a gap that grows and does not take it ends nothing");
	ok(vas_block_tree_check(&tree), "the tree is in order");
	vas_block_tree_clear(&tree);
	is_u64(spares.node_count, NODES, "all nodes come back");
}

int main(void)
{
	tap_plan(0);
	test_refused();
	test_empty();
	test_runs();
	test_fill();
	test_aligned();
	test_looks();
	return tap_done();
}
