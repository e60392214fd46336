/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block allocator at the edges of its zones: windows that begin or end there or a granule away,
 * margins that reach over an edge, blocks that cross one or two, and something in the way.
 */
#define VAS_BLOCKS_ZONE_SHIFT	21u
#define VAS_BLOCKS_SMALL_IS_ONE 0

#include "support/blocks_all.h"

#include <inttypes.h>

#include "support/blocks_map.h"
#include "tap/tap.h"

/* Three zones; the first begins with the span, the last ends with it. */
enum { ZONE = 512, CELLS = 3 * ZONE };

static struct blocks_map map = { .granule = 4096, .start = UINT64_C(3) << 40, .cells = CELLS };

static uint64_t at(int64_t cell)
{
	return map.start + (uint64_t)cell * map.granule;
}

/* Takes what is asked for and gives it back. False: it is not what the map says. */
static bool try_request(const struct vas_block_request *request)
{
	uint32_t live = map.live;

	if (!blocks_map_alloc(&map, request))
		return false;
	for (uint32_t i = 0; i < map.cells && map.live > live; i++)
		if (map.mark[i] == request->mark && map.owner[i] == i + 1 &&
		    !blocks_map_free(&map, at(i)))
			return false;
	return map.live == live;
}

/* In a window from cell to cell, with every direction and margin. */
static bool try_window(int64_t from, int64_t to, uint64_t cells)
{
	static const uint32_t flags[] = { 0, VAS_BLOCKS_LOW, VAS_BLOCKS_HIGH, VAS_BLOCKS_EXACT,
					  VAS_BLOCKS_RANDOM };
	bool held = true;

	for (uint32_t i = 0; i < 5; i++)
		for (uint64_t margin = 0; margin < 3; margin++) {
			struct vas_block_request request = { .size = cells * map.granule,
							     .min = at(from),
							     .max = at(to),
							     .margin = margin * map.granule,
							     .flags = flags[i],
							     .mark = 77 };

			if (flags[i] == VAS_BLOCKS_EXACT)
				request.address = at(from);
			held = held && try_request(&request);
		}
	return held;
}

/* All windows whose ends are near two cells, and blocks that just fit, or nearly. */
static bool try_windows(int64_t low, int64_t high)
{
	bool held = true;

	for (int64_t from = low - 3; from <= low + 1; from++)
		for (int64_t to = high - 1; to <= high + 3; to++)
			for (int64_t cells = to - from - 2; cells <= to - from; cells++)
				if (from >= 0 && cells > 0)
					held = held && try_window(from, to, (uint64_t)cells);
	return held;
}

/* With a block in the way, so far from an edge. */
static bool try_obstacle(int64_t edge, int64_t away)
{
	struct vas_block_request request = { .size = map.granule,
					     .flags = VAS_BLOCKS_EXACT,
					     .address = at(edge + away) };
	bool held = blocks_map_alloc(&map, &request);

	for (int64_t low = 0; low < CELLS; low += ZONE)
		for (int64_t high = low; high <= CELLS; high += ZONE)
			held = held && try_windows(low, high);
	return held && blocks_map_free(&map, request.address) && blocks_map_check(&map);
}

int main(void)
{
	bool held;

	tap_plan(0);
	for (int64_t edge = ZONE; edge < CELLS; edge += ZONE) {
		uint64_t refused = 0;

		held = true;
		for (int64_t away = -5; away <= 4 && held; away++) {
			blocks_map_open(&map, 1, &blocks_map_support);
			held = try_obstacle(edge, away);
			refused += map.refused;
			blocks_map_close(&map);
		}
		ok(held && refused > 0,
		   "windows at the edges, something near cell %" PRId64 ": %" PRIu64 " refused",
		   edge, refused);
	}
	blocks_map_open(&map, 1, &blocks_map_support);
	held = try_windows(ZONE, ZONE) && try_windows(2 * ZONE, 2 * ZONE) && try_windows(0, ZONE) &&
	       try_windows(2 * ZONE, CELLS - 3) && try_windows(0, CELLS);
	ok(held && map.allocs > 1000 && !map.refused,
	   "windows at the edges, all free: %" PRIu64 " requests, none without a place",
	   map.allocs);
	blocks_map_close(&map);
	return tap_done();
}
