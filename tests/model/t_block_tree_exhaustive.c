/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * The tree of taken granules: all sequences of insertions and removals up to a small depth, on
 * tiny ranges in several states, with small nodes so that leaves split, lean on each other,
 * lose their first piece and join. The whole state is held against the flat map after each.
 */
#define VAS_BLOCK_LEAF_MOST  8u
#define VAS_BLOCK_INNER_MOST 8u

#include "core/block_room.c"
#include "core/block_search.c"
#include "core/block_tree.c"
#include "core/block_tree_check.c"
#include "core/block_tree_cut.c"
#include "support/tree_map.c"

#include <inttypes.h>

enum { CELLS = 48 };

static struct tree_map map = { .shift = 12, .range = { 0, CELLS } };

struct state {
	const char *name;
	uint32_t pieces; /* there at first, of one granule each */
	uint32_t apart; /* granules from one to the next */
	uint32_t spots; /* where a step puts a piece, or takes one away */
	uint32_t stride; /* from one spot to the next */
	uint32_t depth;
};

static const struct state states[] = {
	{ .name = "empty", .pieces = 0, .apart = 1, .spots = 6, .stride = 7, .depth = 5 },
	{ .name = "one full leaf", .pieces = 7, .apart = 4, .spots = 10, .stride = 3, .depth = 4 },
	{ .name = "many leaves", .pieces = 22, .apart = 2, .spots = 12, .stride = 4, .depth = 4 },
	{ .name = "no gaps", .pieces = CELLS, .apart = 1, .spots = 12, .stride = 3, .depth = 4 },
};

/* A step changes what is at its spot. */
static bool step(const struct state *state, uint32_t spot)
{
	uint32_t cell = spot * state->stride;

	if (map.owner[cell])
		return tree_map_remove(&map, cell);
	return tree_map_insert(&map, (struct vas_block_run){ cell, cell + 1 + spot % 2 });
}

/* The sequence whose number it is, to the base of spots. Shorter ones were checked before. */
static bool sequence(const struct state *state, uint32_t depth, uint64_t number)
{
	bool held = true;

	tree_map_open(&map);
	for (uint32_t i = 0; i < state->pieces; i++)
		held &= tree_map_insert(&map, (struct vas_block_run){ i * state->apart,
								      i * state->apart + 1 });
	for (uint32_t i = 0; i < depth; i++, number /= state->spots)
		held &= step(state, (uint32_t)(number % state->spots));
	held &= tree_map_check(&map);
	return tree_map_close(&map) && held;
}

static void run(const struct state *state)
{
	uint64_t count = 1, bad = UINT64_MAX;
	uint32_t depth;

	for (depth = 1; depth <= state->depth && bad == UINT64_MAX; depth++) {
		count *= state->spots;
		for (uint64_t i = 0; i < count && bad == UINT64_MAX; i++)
			if (!sequence(state, depth, i))
				bad = i;
	}
	ok(bad == UINT64_MAX, "%s: all sequences of %" PRIu32 " steps", state->name, state->depth);
	if (bad != UINT64_MAX)
		tap_diag("number %" PRIu64 " of depth %" PRIu32, bad, depth - 1);
}

int main(void)
{
	tap_plan(0);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		run(&states[i]);
	return tap_done();
}
