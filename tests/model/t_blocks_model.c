/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 20 */
/*
 * The block allocator against a flat map of granules, every option mixed.
 *
 * Each step is one call with random arguments, held against the map
 * (support/blocks_map.h): the lowest place, the highest, any; every refusal; who lies
 * where; marks, counts, and what a wrong call answers.
 *
 * One tools/check makes more than 10^7 such calls: 3.4 million here, as many with small nodes
 * (t_blocks_small.c) and with small zones (t_blocks_zones.c), a tenth of that under ASan and a
 * hundredth under MSan. The sequences of t_blocks_exhaustive.c, six million calls, and those over
 * magazines (t_blocks_cached.c), over the tree and over the table alone come on top.
 */
#include "tap/tap.h"

#include <inttypes.h>

#include "base/random.h"
#include "support/blocks_map.h"

/* MSan makes the allocator that a test includes, which it does not optimize, ten times slower than others. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define STEPS 340000u
#endif
#endif
#ifndef STEPS
#define STEPS 3400000u
#endif

struct world {
	const char *name;
	struct blocks_map map;
	uint64_t size_most; /* of blocks, in granules */
	uint32_t share; /* of a hundred steps */
	uint32_t fill; /* percent, around which the number of cells in use swings */
	uint64_t random;
};

static uint64_t below(struct world *world, uint64_t bound)
{
	return vas_random_below(&world->random, bound);
}

static uint64_t random_alignment(struct world *world)
{
	switch (below(world, 8)) {
	case 0:
		return UINT64_C(1) << below(world, 24);
	case 1:
		return (1 + below(world, 12)) * world->map.granule;
	case 2:
		return world->map.granule << below(world, 9);
	case 3:
		return below(world, 2) ? 65536 : 2097152;
	default:
		return 0;
	}
}

static void random_request(struct world *world, struct vas_block_request *request)
{
	static const uint32_t flags[] = {
		0, 0, VAS_BLOCKS_LOW, VAS_BLOCKS_HIGH, VAS_BLOCKS_EXACT, VAS_BLOCKS_RANDOM
	};
	uint64_t alignment = random_alignment(world);
	uint64_t most = below(world, 4) ? 1 + world->size_most / 4 : world->size_most;

	*request = (struct vas_block_request){
		.size = 1 + below(world, most * world->map.granule),
		.alignment = alignment,
		.flags = flags[below(world, 6)],
		.mark = (uint32_t)vas_random_next(&world->random),
	};
	if (alignment > world->map.granule && alignment % world->map.granule == 0 &&
	    below(world, 2))
		request->phase = below(world, alignment / world->map.granule) * world->map.granule;
	if (below(world, 4) == 0)
		request->min = blocks_map_address(&world->map, 0) +
			       below(world, world->map.cells * world->map.granule);
	if (below(world, 4) == 0)
		request->max =
			request->min + 1 +
			below(world, world->map.cells * world->map.granule + world->map.start);
	if (below(world, 5) == 0)
		request->boundary = UINT64_C(1) << below(world, 26);
	if (below(world, 6) == 0)
		request->margin = below(world, 4) * world->map.granule;
	if (request->flags == VAS_BLOCKS_EXACT)
		request->address =
			blocks_map_address(&world->map, below(world, world->map.cells + 2u));
}

/* Mostly a block's start, else anything near the span. */
static uint64_t random_start(struct world *world)
{
	uint64_t cell = below(world, world->map.cells);

	if (below(world, 16) == 0)
		return world->map.start +
		       below(world, (world->map.cells + 1) * world->map.granule) -
		       (world->map.start ? world->map.granule / 2 : 0);
	for (uint32_t i = 0; i < 64 && !world->map.owner[cell]; i++)
		cell = below(world, world->map.cells);
	return world->map.owner[cell] ? blocks_map_address(&world->map, world->map.owner[cell] - 1)
				      : blocks_map_address(&world->map, cell);
}

static bool step_alloc(struct world *world)
{
	struct vas_block_request request;

	random_request(world, &request);
	return blocks_map_alloc(&world->map, &request);
}

static bool step_split(struct world *world)
{
	uint64_t address = random_start(world);
	uint64_t cells = below(world, 1 + world->size_most / 2);

	return blocks_map_split(&world->map, address,
				address + cells * world->map.granule + !below(world, 8));
}

static bool step_merge(struct world *world)
{
	uint64_t lower = random_start(world), upper = random_start(world);
	struct vas_block_info info;

	if (below(world, 8) && vas_blocks_at(world->map.blocks, lower, &info) == 0)
		upper = info.span.start + info.span.size;
	return blocks_map_merge(&world->map, lower, upper);
}

static bool step_rare(struct world *world, uint64_t kind)
{
	struct blocks_map *map = &world->map;
	uint64_t address = random_start(world);

	switch (kind) {
	case 0:
		return blocks_map_resize(map, address,
					 below(world, world->size_most * map->granule));
	case 1:
		return step_split(world);
	case 2:
		return step_merge(world);
	case 3:
		return blocks_map_mark(map, address, (uint32_t)vas_random_next(&world->random),
				       (uint32_t)below(world, 3));
	case 4:
		if (below(world, 16))
			return true;
		return blocks_map_cut(map, blocks_map_address(map, below(world, map->cells + 1u)) +
						   !below(world, 8));
	default:
		return blocks_map_look(map, address + below(world, 2 * map->granule));
	}
}

static bool step(struct world *world, uint64_t count)
{
	/* The fill swings, so that the tree grows and shrinks. */
	uint32_t target = world->map.cells * world->fill / ((count >> 11) & 1 ? 100 : 300);
	uint64_t kind = below(world, 32);

	if (kind < 8)
		return step_rare(world, kind);
	if (kind < 12 || (kind < 28) == (world->map.used < target))
		return step_alloc(world);
	return blocks_map_free(&world->map, random_start(world));
}

static struct world worlds[] = {
	{ .name = "tiny",
	  .map = { .granule = 16, .start = 0, .cells = 64 },
	  .size_most = 8,
	  .share = 40,
	  .fill = 90 },
	{ .name = "many small",
	  .map = { .granule = 4096, .start = 0x7f0000000000, .cells = 4096 },
	  .size_most = 3,
	  .share = 10,
	  .fill = 97 },
	{ .name = "mixed",
	  .map = { .granule = 4096, .start = 0x12345000, .cells = 2048 },
	  .size_most = 200,
	  .share = 20,
	  .fill = 85 },
	{ .name = "at the top",
	  .map = { .granule = 65536, .start = UINT64_MAX - 513 * 65536 + 1, .cells = 512 },
	  .size_most = 40,
	  .share = 15,
	  .fill = 85 },
	{ .name = "large granule",
	  .map = { .granule = 4 << 20, .start = 1ull << 40, .cells = 300 },
	  .size_most = 60,
	  .share = 15,
	  .fill = 80 },
};

static void run_world(struct world *world, uint64_t seed, uint64_t steps)
{
	struct blocks_map *map = &world->map;
	bool held = true;
	uint64_t i;

	world->random = seed;
	blocks_map_open(map, seed, &blocks_map_support);
	for (i = 0; i < steps && held; i++) {
		held = step(world, i);
		if (held && (i % 1024 == 0 || (map->cells <= 64 && i % 4 == 0)))
			held = blocks_map_check(map);
	}
	ok(held, "%s: %" PRIu64 " calls agree with the map", world->name, steps);
	if (!held)
		tap_diag("at call %" PRIu64, i);
	ok(map->refused > 0 || steps < 20000,
	   "%s: %" PRIu64 " of %" PRIu64 " requests had no place", world->name, map->refused,
	   map->allocs);
	blocks_map_close(map);
}

int main(void)
{
	uint64_t seed = tap_seed();
	uint64_t steps = tap_scaled(STEPS);

	tap_plan(0);
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		run_world(&worlds[i], vas_mix64(seed + i), steps / 100 * worlds[i].share);
	return tap_done();
}
