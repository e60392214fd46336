/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 40 */
/*
 * The block allocator: all sequences of calls up to a small depth, on tiny
 * regions in several states, with small nodes so that leaves split, empty, move their
 * first block and join. Each call is held against the flat map, and the whole state after each.
 *
 * To go back a step, the memory of the allocator is copied: it all comes from one array.
 */
#define VAS_BLOCK_LEAF_MOST  8u
#define VAS_BLOCK_INNER_MOST 8u

#include "support/blocks_all.h"

#include <inttypes.h>
#include <string.h>

#include "support/blocks_map.h"
#include "tap/tap.h"

enum { CELLS_MOST = 40, ARENA = 65536, DEPTH_MOST = 8, GRANULE = 16 };

static _Alignas(4096) unsigned char arena[ARENA];
static size_t arena_used;

static int take(void *context, size_t size, void **memory)
{
	(void)context;
	if (ARENA - arena_used < size)
		return -ENOMEM;
	*memory = arena + arena_used;
	arena_used += size;
	return 0;
}

static void give(void *context, void *memory, size_t size)
{
	(void)context;
	(void)memory;
	(void)size;
}

static const struct vas_blocks_support support = { .take = take, .give = give };

/* What a step can be undone with. */
struct state {
	unsigned char arena[ARENA];
	size_t arena_used;
	uint32_t used;
	uint32_t live;
	struct cell_bits free;
	uint32_t owner[CELLS_MOST];
	uint32_t mark[CELLS_MOST];
};

static struct state states[DEPTH_MOST];
static struct blocks_map map;
static uint64_t sequences;

static void state_save(struct state *state)
{
	memcpy(state->arena, arena, arena_used);
	memcpy(state->owner, map.owner, map.cells * sizeof(map.owner[0]));
	memcpy(state->mark, map.mark, map.cells * sizeof(map.mark[0]));
	state->arena_used = arena_used;
	state->used = map.used;
	state->live = map.live;
	state->free = map.free;
}

static void state_restore(const struct state *state)
{
	memset(arena + state->arena_used, 0, arena_used - state->arena_used);
	arena_used = state->arena_used;
	memcpy(arena, state->arena, arena_used);
	memcpy(map.owner, state->owner, map.cells * sizeof(map.owner[0]));
	memcpy(map.mark, state->mark, map.cells * sizeof(map.mark[0]));
	map.used = state->used;
	map.live = state->live;
	map.free = state->free;
}

static bool do_alloc(uint32_t which)
{
	static const struct vas_block_request requests[] = {
		{ .size = 1, .flags = VAS_BLOCKS_LOW },
		{ .size = 3 * GRANULE, .flags = VAS_BLOCKS_HIGH },
		{ .size = 2 * GRANULE },
		{ .size = GRANULE, .alignment = 3 * GRANULE, .phase = GRANULE },
		{ .size = 2 * GRANULE, .min = 3 * GRANULE, .max = 8 * GRANULE + 1 },
		{ .size = 2 * GRANULE, .boundary = 2 * GRANULE, .flags = VAS_BLOCKS_HIGH },
	};

	return blocks_map_alloc(&map, &requests[which]);
}

enum { ALLOCS = 6, BY_CELL = 5 };

/* Call number which: first the requests, then five kinds of call for each cell. */
static bool do_call(uint32_t which)
{
	uint64_t address;

	if (which < ALLOCS)
		return do_alloc(which);
	which -= ALLOCS;
	address = blocks_map_address(&map, which / BY_CELL);
	switch (which % BY_CELL) {
	case 0:
		return blocks_map_free(&map, address);
	case 1:
		return blocks_map_resize(&map, address, GRANULE);
	case 2:
		return blocks_map_resize(&map, address, 3 * GRANULE);
	case 3:
		return blocks_map_split(&map, address, address + GRANULE);
	default:
		return blocks_map_merge(&map, address, address + GRANULE) &&
		       blocks_map_look(&map, address + 1);
	}
}

/* Calls on a cell where no block starts are tried at the last step only: they change nothing. */
static bool worth_going_on(uint32_t which)
{
	uint32_t cell;

	if (which < ALLOCS)
		return true;
	cell = (which - ALLOCS) / BY_CELL;
	return map.owner[cell] == cell + 1;
}

static bool all_sequences(uint32_t depth)
{
	uint32_t calls = ALLOCS + BY_CELL * map.cells;
	struct state *state = &states[depth];

	if (depth == 0)
		return true;
	state_save(state);
	for (uint32_t i = 0; i < calls; i++) {
		if (depth > 1 && !worth_going_on(i))
			continue;
		sequences++;
		if (!do_call(i) || !blocks_map_check(&map) || !all_sequences(depth - 1)) {
			tap_diag("call %u at %u calls from the end", i, depth);
			return false;
		}
		state_restore(state);
	}
	return true;
}

/* Fills the region with blocks of one cell and frees those that a pattern says, from a first to a last one. */
static void prepare(uint32_t fill, uint32_t free_from, uint32_t free_to, uint32_t step)
{
	struct vas_block_request request = { .size = GRANULE, .flags = VAS_BLOCKS_LOW };

	for (uint32_t i = 0; i < fill; i++)
		blocks_map_alloc(&map, &request);
	for (uint32_t i = free_from; i < free_to; i += step)
		blocks_map_free(&map, blocks_map_address(&map, i));
}

struct plan {
	const char *name;
	uint32_t cells, fill, free_from, free_to, step, depth;
};

static const struct plan plans[] = {
	{ "four cells, empty", 4, 0, 0, 0, 1, 6 },
	{ "nine cells, empty", 9, 0, 0, 0, 1, 5 },
	{ "twelve cells, full", 12, 12, 0, 0, 1, 3 },
	{ "twelve, every third free", 12, 12, 1, 12, 3, 3 },
	{ "forty, full: several leaves", 40, 40, 0, 0, 1, 2 },
	{ "forty, every other free", 40, 40, 0, 40, 2, 2 },
	{ "forty, the middle free", 40, 40, 4, 36, 1, 3 },
	{ "forty, thirteen in front", 40, 13, 1, 13, 4, 3 },
};

static void run_plan(const struct plan *plan)
{
	bool held;

	memset(arena, 0, sizeof(arena));
	arena_used = 0;
	sequences = 0;
	map.granule = GRANULE;
	map.start = 0;
	map.cells = plan->cells;
	blocks_map_open(&map, 1, &support);
	prepare(plan->fill, plan->free_from, plan->free_to, plan->step);
	held = blocks_map_check(&map) && all_sequences(plan->depth);
	ok(held && sequences > 0, "%s: %" PRIu64 " calls in sequences of %u", plan->name, sequences,
	   plan->depth);
	blocks_map_close(&map);
}

int main(void)
{
	tap_plan(sizeof(plans) / sizeof(plans[0]));
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		run_plan(&plans[i]);
	return tap_done();
}
