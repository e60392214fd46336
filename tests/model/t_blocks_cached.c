/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * The block allocator with magazines, in a span that would otherwise be too small for them.
 *
 * A flat map says who has each granule. Rounding makes some granules nobody's for a while, so the map cannot
 * foretell places; but no granule may have two owners, what is answered about blocks is what the map
 * says, a request is refused only if no free range outside all extents takes it, also where it has a
 * window, and with all blocks freed all is one free range.
 */
#define VAS_BLOCKS_ZONE_SHIFT	21u
#define VAS_BLOCKS_SMALL_IS_ONE 0
#define VAS_BLOCKS_CACHE_LEAST	1

#include "support/blocks_all.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/random.h"
#include "support/blocks_map.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define START	(UINT64_C(5) << 40)

enum { CELLS = 8192, LIVE_MOST = 4096 };

struct live {
	uint64_t start;
	uint64_t size;
	uint32_t mark;
};

static struct {
	struct vas_blocks *blocks;
	uint64_t random;
	struct live live[LIVE_MOST];
	uint32_t count;
	uint32_t owner[CELLS]; /* mark, or 0 */
	uint32_t marks;
	uint64_t hits; /* allocations that came from a magazine */
	uint64_t window_hits; /* or from a shelf */
	uint64_t window_refused;
	uint64_t refused;
	uint64_t wrong;
	uint32_t size_most;
	uint32_t live_most;
} run;

/* The cells of a span change from one owner to another. */
static void stamp(uint64_t start, uint64_t size, uint32_t from, uint32_t to)
{
	for (uint64_t i = (start - START) / GRANULE; size; i++, size -= GRANULE) {
		run.wrong += run.owner[i] != from;
		run.owner[i] = to;
	}
}

/*
 * Whether some free range outside all extents takes a block of so many cells in [min, max), at a multiple of
 * alignment.
 */
static bool has_room(uint64_t cells, uint64_t min, uint64_t max, uint64_t alignment)
{
	static bool taken[CELLS];
	uint64_t length = 0;

	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 0; i < run.count; i++) {
		struct vas_span extent;
		struct vas_block_hold hold;

		if (vas_blocks_hold_start(run.blocks, run.live[i].start, &hold)) {
			run.wrong++;
			continue;
		}
		extent = vas_blocks_extent(run.blocks, hold.record);
		vas_blocks_hold_end(run.blocks, &hold);
		for (uint64_t j = 0; j < extent.size / GRANULE; j++)
			taken[(extent.start - START) / GRANULE + j] = true;
	}
	for (uint32_t i = 0; i < CELLS; i++) {
		uint64_t start = START + (i + 1 - cells) * GRANULE;

		length = taken[i] ? 0 : length + 1;
		if (length >= cells && start >= min && start + cells * GRANULE <= max &&
		    start % alignment == 0)
			return true;
	}
	return false;
}

/* Anywhere in and around the span, of any size; now and then a narrow one. */
static void draw_window(struct vas_block_request *request)
{
	uint64_t cells = vas_random_below(&run.random, 4) ? CELLS : 64;
	uint64_t from = vas_random_below(&run.random, CELLS + 64);

	request->min = START - 32 * GRANULE + from * GRANULE + vas_random_below(&run.random, 2);
	request->max =
		request->min + request->size + vas_random_below(&run.random, cells) * GRANULE;
	switch (vas_random_below(&run.random, 8)) {
	case 0:
		request->min = 0;
		break;
	case 1:
		request->max = 0;
		break;
	case 2:
		request->alignment = UINT64_C(4096) << vas_random_below(&run.random, 6);
		break;
	}
}

/* What can never be had. */
static bool is_impossible(const struct vas_block_request *request)
{
	uint64_t end = START + CELLS * GRANULE, min = START, max = end;
	uint64_t alignment = request->alignment ? request->alignment : GRANULE;

	min = request->min > min ? request->min : min;
	max = request->max && request->max < max ? request->max : max;
	min = (min + alignment - 1) / alignment * alignment;
	return min + request->size > max;
}

static void do_alloc(void)
{
	struct vas_block_request request = {
		.size = (1 + vas_random_below(&run.random, run.size_most)) * GRANULE,
		.mark = ++run.marks,
	};
	uint64_t start, before, after, bytes;
	bool window = false;
	int error;

	switch (vas_random_below(&run.random, 12)) {
	case 0:
		request.alignment = UINT64_C(65536) << vas_random_below(&run.random, 6);
		break;
	case 1:
		request.flags = VAS_BLOCKS_LOW << vas_random_below(&run.random, 2);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		draw_window(&request);
		window = true;
		break;
	}
	before = vas_blocks_cached(run.blocks, &bytes);
	if (!window && !request.alignment && !request.flags && vas_random_below(&run.random, 2))
		error = vas_blocks_alloc_size(run.blocks, request.size, request.mark, &start);
	else
		error = vas_blocks_alloc(run.blocks, &request, &start);
	after = vas_blocks_cached(run.blocks, &bytes);
	if (error == -ERANGE || error == -EINVAL) {
		run.wrong += !window || !is_impossible(&request);
		return;
	}
	if (error) {
		run.refused++;
		run.window_refused += window;
		/* Elsewhere than in its window, blocks may be kept. */
		run.wrong += error != -ENOSPC || (after != 0 && !window) ||
			     has_room(request.size / GRANULE, request.min,
				      request.max ? request.max : UINT64_MAX,
				      request.alignment ? request.alignment : GRANULE);
		return;
	}
	run.hits += !window && after + 1 == before;
	run.window_hits += window && after + 1 == before;
	run.wrong += start < request.min || (request.max && start + request.size > request.max);
	run.wrong += request.alignment && start % request.alignment;
	stamp(start, request.size, 0, request.mark);
	run.live[run.count++] = (struct live){ start, request.size, request.mark };
}

static void do_free(uint32_t which)
{
	struct live live = run.live[which];
	struct vas_block_info info;

	stamp(live.start, live.size, live.mark, 0);
	if (vas_random_below(&run.random, 4) == 0)
		run.wrong += vas_blocks_free(run.blocks, live.start, NULL) != 0;
	else
		run.wrong += vas_blocks_free(run.blocks, live.start, &info) != 0 ||
			     info.span.start != live.start || info.span.size != live.size ||
			     info.mark != live.mark;
	run.wrong += vas_blocks_free(run.blocks, live.start, &info) != -ENOENT ||
		     vas_blocks_at(run.blocks, live.start, &info) != -ENOENT;
	run.live[which] = run.live[--run.count];
}

static void do_change(uint32_t which)
{
	struct live *live = &run.live[which];
	uint64_t size = (1 + vas_random_below(&run.random, run.size_most)) * GRANULE;
	uint64_t inside = live->start + vas_random_below(&run.random, live->size);
	struct vas_block_info info;
	int error;

	run.wrong += vas_blocks_at(run.blocks, inside, &info) != 0 ||
		     info.span.start != live->start || info.span.size != live->size ||
		     info.mark != live->mark;
	if (inside != live->start)
		run.wrong += vas_blocks_free(run.blocks, inside, &info) != -EINVAL;
	error = vas_blocks_resize(run.blocks, live->start, size);
	run.wrong += error != 0 && error != -ENOSPC;
	if (error)
		return;
	stamp(live->start, live->size, live->mark, 0);
	stamp(live->start, size, 0, live->mark);
	live->size = size;
}

static void step(uint64_t count)
{
	uint32_t target = (count >> 13) & 1 ? run.live_most - 1 : run.live_most / 10;
	uint64_t kind = vas_random_below(&run.random, 64);

	if (kind == 0 && run.count)
		do_change((uint32_t)vas_random_below(&run.random, run.count));
	else if (run.count && (run.count >= LIVE_MOST - 1 || (kind < 40) == (run.count > target)))
		do_free((uint32_t)vas_random_below(&run.random, run.count));
	else
		do_alloc();
}

static void run_sizes(const char *name, uint32_t size_most, uint32_t live_most, uint64_t steps)
{
	struct vas_blocks_stats stats;
	bool held = true;

	run.size_most = size_most;
	run.live_most = live_most;
	run.hits = run.refused = run.wrong = run.count = 0;
	run.window_hits = run.window_refused = 0;
	run.random = tap_seed() + size_most;
	if (vas_blocks_create((struct vas_span){ START, CELLS * GRANULE }, GRANULE, 1,
			      &blocks_map_support, &run.blocks))
		tap_bail("no allocator");
	for (uint64_t i = 0; i < steps && held && !run.wrong; i++) {
		step(i);
		if (i % 4096 == 0)
			held = vas_blocks_check(run.blocks);
	}
	ok(held && !run.wrong, "%s: %" PRIu64 " steps, %" PRIu64 " wrong", name, steps, run.wrong);
	/* In a full span, both rest. */
	if (live_most < LIVE_MOST)
		ok(run.hits > steps / 512 && run.window_hits > steps / 512,
		   "%s: %" PRIu64 " blocks came from magazines, %" PRIu64 " from shelves", name,
		   run.hits, run.window_hits);
	else
		ok(run.refused > run.window_refused && run.window_refused > 0,
		   "%s: %" PRIu64 " requests were refused, %" PRIu64 " with a window", name,
		   run.refused, run.window_refused);
	while (run.count)
		do_free(run.count - 1);
	vas_blocks_stats(run.blocks, &stats);
	ok(!run.wrong && !stats.live && !stats.used && stats.free_ranges == 1,
	   "%s: at the end all is one free range", name);
	vas_blocks_destroy(run.blocks);
}

/*
 * A full span: what two freed neighbours leave in a magazine, or with a window on a shelf, is had by a block of
 * both.
 */
static void test_drained(uint64_t min)
{
	struct vas_block_request request = { .size = 8 * GRANULE, .min = min };
	static uint64_t starts[CELLS / 8];
	struct vas_block_info info;
	uint64_t start = 0, bytes;

	if (vas_blocks_create((struct vas_span){ START, CELLS * GRANULE }, GRANULE, 1,
			      &blocks_map_support, &run.blocks))
		tap_bail("no allocator");
	for (uint32_t i = 0; i < CELLS / 8; i++)
		if (vas_blocks_alloc(run.blocks, &request, &starts[i]))
			tap_bail("no block");
	is_u64(starts[101], starts[100] + request.size, "two blocks side by side");
	is_err(vas_blocks_free(run.blocks, starts[100], &info), 0, "one is freed");
	is_err(vas_blocks_free(run.blocks, starts[101], &info), 0, "and the other");
	is_u64(vas_blocks_cached(run.blocks, &bytes), 2, "both wait %s",
	       min ? "on a shelf" : "in a magazine");
	request.size *= 2;
	is_err(vas_blocks_alloc(run.blocks, &request, &start), 0, "no request is refused for that");
	is_u64(start, starts[100], "it has the place of both");
	vas_blocks_destroy(run.blocks);
}

int main(void)
{
	tap_plan(0);
	test_drained(0);
	test_drained(START);
	run_sizes("small blocks", 8, LIVE_MOST, tap_scaled(200000));
	run_sizes("blocks of all sizes", 90, LIVE_MOST, tap_scaled(150000));
	run_sizes("few small blocks", 8, 800, tap_scaled(300000));
	run_sizes("few blocks", 90, 40, tap_scaled(150000));
	return tap_done();
}
