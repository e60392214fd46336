/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 10 */
/*
 * The tree of taken granules against a flat map of them, every option of a search mixed: the
 * lowest place, the highest, any; every refusal; who lies where; counts and rooms.
 */
#include "tap/tap.h"

#include <inttypes.h>

#include "base/random.h"
#include "support/tree_map.h"

struct world {
	const char *name;
	struct tree_map map;
	uint32_t size_most; /* of pieces */
	uint32_t share; /* of a hundred steps */
	uint32_t fill; /* percent, around which the number of cells in use swings */
	uint64_t random;
};

static uint64_t below(struct world *world, uint64_t bound)
{
	return vas_random_below(&world->random, bound);
}

static uint32_t cells(const struct world *world)
{
	return world->map.range.end - world->map.range.start;
}

static uint32_t random_offset(struct world *world)
{
	return world->map.range.start + (uint32_t)below(world, cells(world));
}

static uint32_t random_size(struct world *world)
{
	return 1 + (uint32_t)below(world, below(world, 4) ? 1 + world->size_most / 4
							  : world->size_most);
}

static uint64_t bytes(const struct world *world, uint64_t granules)
{
	return granules << world->map.shift;
}

static uint64_t random_alignment(struct world *world)
{
	switch (below(world, 4)) {
	case 0:
		return bytes(world, UINT64_C(1) << below(world, 12));
	case 1:
		return bytes(world, 1 + below(world, 12));
	case 2:
		return bytes(world, world->map.tree.mask[below(world, VAS_BLOCK_ROOMS)] + 1u);
	default:
		return bytes(world, 1);
	}
}

static void random_query(struct world *world, struct vas_block_query *query)
{
	uint64_t start = world->map.base + bytes(world, world->map.range.start);
	uint64_t end = world->map.base + bytes(world, world->map.range.end);

	*query = (struct vas_block_query){
		.size = bytes(world, random_size(world)),
		.alignment = random_alignment(world),
		.min = start,
		.max = end,
	};
	if (below(world, 4) == 0)
		query->phase = bytes(world, below(world, query->alignment >> world->map.shift));
	if (below(world, 4) == 0)
		query->min = start + bytes(world, below(world, cells(world)));
	if (below(world, 4) == 0)
		query->max = query->min + bytes(world, 1 + below(world, cells(world)));
	if (below(world, 8) == 0) {
		/* A window over more than this zone. */
		query->min = start > UINT32_MAX ? start / 2 : 0;
		query->max = UINT64_MAX & ~(bytes(world, 1) - 1);
	}
	if (below(world, 5) == 0)
		query->boundary = bytes(world, UINT64_C(1) << below(world, 12));
	if (query->boundary && query->boundary < query->size)
		query->boundary = 0;
	if (below(world, 6) == 0)
		query->margin = bytes(world, below(world, 4));
}

static bool step_search(struct world *world)
{
	static const enum tree_map_way ways[] = { TREE_MAP_LOW, TREE_MAP_HIGH, TREE_MAP_ANY };
	struct vas_block_query query;
	struct vas_block_run piece;

	if (below(world, 4) == 0)
		return tree_map_search_size(&world->map, random_size(world),
					    (uint32_t)below(world, VAS_BLOCK_ROOMS), &piece);
	random_query(world, &query);
	return tree_map_search(&world->map, &query, ways[below(world, 3)],
			       below(world, 8) ? &piece : NULL);
}

static bool step_insert(struct world *world)
{
	uint32_t start = random_offset(world), end = start + random_size(world);

	return end > world->map.range.end ||
	       tree_map_insert(&world->map, (struct vas_block_run){ start, end });
}

static bool step_remove(struct world *world)
{
	uint32_t offset = random_offset(world);

	for (uint32_t i = 0; i < 64 && !world->map.owner[offset]; i++)
		offset = random_offset(world);
	return tree_map_remove(&world->map, offset);
}

static bool step_limit(struct world *world)
{
	uint32_t limit = world->map.range.end - 8 + (uint32_t)below(world, 17);

	return tree_map_set_limit(&world->map, limit);
}

static bool step_rare(struct world *world)
{
	switch (below(world, 64)) {
	case 0:
		return step_limit(world);
	case 1:
		return tree_map_cut(&world->map, random_offset(world));
	default:
		return true;
	}
}

static bool step(struct world *world, uint64_t count)
{
	/* The fill swings, so that the tree grows and shrinks. */
	uint32_t target = cells(world) * world->fill / ((count >> 12) & 1 ? 100 : 400);
	uint64_t kind = below(world, 32);

	if (kind == 0)
		return tree_map_set_end(&world->map, random_offset(world), random_offset(world));
	if (kind < 3)
		return tree_map_look(&world->map, random_offset(world));
	if (kind == 3)
		return step_rare(world);
	if (kind < 6)
		return step_insert(world);
	if ((kind < 26) == (world->map.used < target))
		return step_search(world);
	return step_remove(world);
}

static struct world worlds[] = {
	{ .name = "tiny",
	  .map = { .shift = 16, .range = { 0, 64 } },
	  .size_most = 8,
	  .share = 40,
	  .fill = 90 },
	{ .name = "single granules",
	  .map = { .base = UINT64_C(0x7f0000000000), .shift = 12, .range = { 5, 2048 } },
	  .size_most = 2,
	  .share = 15,
	  .fill = 97 },
	{ .name = "mixed",
	  .map = { .base = 0x40000000, .shift = 14, .range = { 1024, 3072 } },
	  .size_most = 160,
	  .share = 20,
	  .fill = 85 },
	{ .name = "16 bytes",
	  .map = { .base = 0x200000, .shift = 4, .range = { 100, 4090 } },
	  .size_most = 60,
	  .share = 10,
	  .fill = 85 },
	{ .name = "at the top",
	  .map = { .base = UINT64_C(0xffffffffefe00000), .shift = 16, .range = { 2000, 2700 } },
	  .size_most = 40,
	  .share = 10,
	  .fill = 85 },
	{ .name = "large granule",
	  .map = { .base = UINT64_C(1) << 40, .shift = 22, .range = { 0, 300 } },
	  .size_most = 60,
	  .share = 5,
	  .fill = 80 },
};

static void run_world(struct world *world, uint64_t seed, uint64_t steps)
{
	struct tree_map *map = &world->map;
	bool held = true;
	uint32_t levels = 0;
	uint64_t i;

	world->random = seed;
	tree_map_open(map);
	for (i = 0; i < steps && held; i++) {
		held = step(world, i);
		levels = map->tree.levels > levels ? map->tree.levels : levels;
		if (held && (i % 1024 == 0 || (cells(world) <= 64 && i % 4 == 0)))
			held = tree_map_check(map);
	}
	ok(held, "%s: %" PRIu64 " calls agree with the map", world->name, steps);
	if (!held)
		tap_diag("at call %" PRIu64, i);
	ok(map->refused > 0 || steps < 20000,
	   "%s: %" PRIu64 " of %" PRIu64 " searches had no place; %" PRIu32 " levels", world->name,
	   map->refused, map->searches, levels);
	ok(tree_map_close(map), "%s: every node came back", world->name);
}

int main(void)
{
	uint64_t seed = tap_seed();
	uint64_t steps = tap_scaled(1200000);

	tap_plan(0);
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		run_world(&worlds[i], vas_mix64(seed + i), steps / 100 * worlds[i].share);
	return tap_done();
}
