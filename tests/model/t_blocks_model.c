/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 20 */
/*
 * The block allocator against a flat map of granules, every option mixed.
 *
 * Each step is one call with random arguments. The map says by trying every
 * place what alloc may answer: the lowest, the highest, any that satisfies the
 * request; a refusal is held against the same. Everything else is held against
 * the map, too: who lies where, marks, counts, what a wrong call answers.
 */
#include "core/blocks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/random.h"
#include "tap/tap.h"

enum { CELLS_MOST = 4096 };

struct world {
	const char *name;
	uint64_t granule;
	uint64_t start; /* of the span */
	uint32_t cells; /* granules in it */
	uint64_t size_most; /* of blocks, in granules */
	uint32_t share; /* of a hundred steps */
	uint32_t fill; /* percent, around which the number of cells in use swings */
	struct vas_blocks *blocks;
	uint64_t random;
	uint32_t owner[CELLS_MOST]; /* 0 = free; else 1 + first cell of the block */
	uint32_t mark[CELLS_MOST]; /* by first cell */
	uint32_t used;
	uint32_t live;
	uint64_t allocs, refused;
};

static int take(void *context, size_t size, void **memory)
{
	(void)context;
	*memory = aligned_alloc(64, size);
	if (!*memory)
		return -ENOMEM;
	memset(*memory, 0, size);
	return 0;
}

static void give(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static const struct vas_blocks_support support = { .take = take, .give = give };

static uint64_t below(struct world *world, uint64_t bound)
{
	return vas_random_below(&world->random, bound);
}

static uint64_t address_of(const struct world *world, uint64_t cell)
{
	return world->start + cell * world->granule;
}

static uint32_t block_cells(const struct world *world, uint32_t first)
{
	uint32_t end = first;

	while (end < world->cells && world->owner[end] == first + 1)
		end++;
	return end - first;
}

static void paint(struct world *world, uint32_t first, uint32_t cells, uint32_t owner)
{
	for (uint32_t i = first; i < first + cells; i++)
		world->owner[i] = owner;
}

/* Whether a block of the request may start at address, if it were free: the words of the header. */
static bool acceptable(const struct world *world, const struct vas_block_request *request,
		       uint64_t size, uint64_t address)
{
	uint64_t end = address + size;

	if (end < address ||
	    (request->alignment && (address % request->alignment) != request->phase))
		return false;
	if (address < request->min || (request->max && end > request->max))
		return false;
	if (request->boundary && address / request->boundary != (end - 1) / request->boundary)
		return false;
	return address >= world->start && end <= address_of(world, world->cells);
}

struct truth {
	bool possible; /* if all were free */
	bool any; /* a place is free */
	uint32_t lowest;
	uint32_t highest;
};

static struct truth find_truth(const struct world *world, const struct vas_block_request *request,
			       uint64_t size)
{
	uint32_t cells = (uint32_t)(size / world->granule);
	struct truth truth = { 0 };
	uint32_t run = 0;

	/* From the top: run counts the free cells from i on. */
	for (uint32_t i = world->cells; i-- > 0;) {
		run = world->owner[i] ? 0 : run + 1;
		if (i + cells > world->cells ||
		    !acceptable(world, request, size, address_of(world, i)))
			continue;
		truth.possible = true;
		if (run < cells)
			continue;
		truth.lowest = i;
		truth.highest = truth.any ? truth.highest : i;
		truth.any = true;
	}
	return truth;
}

static uint64_t random_alignment(struct world *world)
{
	switch (below(world, 8)) {
	case 0:
		return UINT64_C(1) << below(world, 24);
	case 1:
		return (1 + below(world, 12)) * world->granule;
	case 2:
		return world->granule << below(world, 9);
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
		.size = 1 + below(world, most * world->granule),
		.alignment = alignment,
		.flags = flags[below(world, 6)],
		.mark = (uint32_t)vas_random_next(&world->random),
	};
	if (alignment > world->granule && alignment % world->granule == 0 && below(world, 2))
		request->phase = below(world, alignment / world->granule) * world->granule;
	if (below(world, 4) == 0)
		request->min = address_of(world, 0) + below(world, world->cells * world->granule);
	if (below(world, 4) == 0)
		request->max = request->min + 1 +
			       below(world, world->cells * world->granule + world->start);
	if (below(world, 5) == 0)
		request->boundary = UINT64_C(1) << below(world, 26);
	if (request->flags == VAS_BLOCKS_EXACT)
		request->address = address_of(world, below(world, world->cells + 2u));
}

/* -EINVAL by the words of the header. */
static bool malformed(const struct world *world, const struct vas_block_request *request)
{
	uint64_t alignment = request->alignment;

	if (alignment % world->granule != 0 &&
	    (!vas_is_power_of_two(alignment) || alignment > world->granule))
		return true;
	if (request->max && (request->max <= request->min || request->max <= world->start))
		return true;
	return request->min >= address_of(world, world->cells);
}

static int expected_error(const struct world *world, const struct vas_block_request *request,
			  uint64_t size, const struct truth *truth)
{
	uint32_t first;

	if (malformed(world, request))
		return -EINVAL;
	if (!truth->possible)
		return -ERANGE;
	if (request->flags != VAS_BLOCKS_EXACT)
		return truth->any ? 0 : -ENOSPC;
	if (request->address < world->start || !acceptable(world, request, size, request->address))
		return -ERANGE;
	first = (uint32_t)((request->address - world->start) / world->granule);
	for (uint32_t i = first; i < first + size / world->granule; i++)
		if (world->owner[i])
			return -EEXIST;
	return 0;
}

static bool place_right(const struct world *world, const struct vas_block_request *request,
			uint64_t size, const struct truth *truth, uint64_t start)
{
	uint32_t first = (uint32_t)((start - world->start) / world->granule);

	if (start < world->start || (start - world->start) % world->granule != 0 ||
	    !acceptable(world, request, size, start))
		return false;
	for (uint32_t i = first; i < first + size / world->granule; i++)
		if (world->owner[i])
			return false;
	switch (request->flags) {
	case VAS_BLOCKS_LOW:
		return first == truth->lowest;
	case VAS_BLOCKS_HIGH:
		return first == truth->highest;
	case VAS_BLOCKS_EXACT:
		return start == request->address;
	default:
		return true;
	}
}

static bool step_alloc(struct world *world)
{
	struct vas_block_request request;
	struct truth truth;
	uint64_t size, start = 1;
	uint32_t first;
	int error, expected;

	random_request(world, &request);
	size = (request.size + world->granule - 1) / world->granule * world->granule;
	truth = find_truth(world, &request, size);
	expected = expected_error(world, &request, size, &truth);
	error = vas_blocks_alloc(world->blocks, &request, &start);
	world->allocs++;
	world->refused += error == -ENOSPC;
	if (error != expected || (error && start != 1) ||
	    (!error && !place_right(world, &request, size, &truth, start))) {
		tap_diag("size %" PRIx64 " alignment %" PRIx64 " phase %" PRIx64 " min %" PRIx64
			 " max %" PRIx64 " boundary %" PRIx64 " address %" PRIx64 " flags %x",
			 request.size, request.alignment, request.phase, request.min, request.max,
			 request.boundary, request.address, request.flags);
		tap_diag("got %d at %" PRIx64 ", expected %d, lowest %" PRIx64 " highest %" PRIx64,
			 error, start, expected, address_of(world, truth.lowest),
			 address_of(world, truth.highest));
		return false;
	}
	if (error)
		return true;
	first = (uint32_t)((start - world->start) / world->granule);
	paint(world, first, (uint32_t)(size / world->granule), first + 1);
	world->mark[first] = request.mark;
	world->used += (uint32_t)(size / world->granule);
	world->live++;
	return true;
}

/* What a call that names a block by its start answers before it looks at anything else. */
static int expected_by_start(const struct world *world, uint64_t address)
{
	uint64_t cell;

	if (address < world->start || address >= address_of(world, world->cells))
		return -ERANGE;
	cell = (address - world->start) / world->granule;
	if (!world->owner[cell])
		return -ENOENT;
	return address_of(world, world->owner[cell] - 1) == address ? 0 : -EINVAL;
}

/* Mostly a block's start, else anything near the span. */
static uint64_t random_start(struct world *world)
{
	uint64_t cell = below(world, world->cells);

	if (below(world, 16) == 0)
		return world->start + below(world, (world->cells + 1) * world->granule) -
		       (world->start ? world->granule / 2 : 0);
	for (uint32_t i = 0; i < 64 && !world->owner[cell]; i++)
		cell = below(world, world->cells);
	return world->owner[cell] ? address_of(world, world->owner[cell] - 1)
				  : address_of(world, cell);
}

static bool step_free(struct world *world)
{
	uint64_t address = random_start(world);
	int expected = expected_by_start(world, address);
	struct vas_block_info info = { 0 };
	uint32_t first, cells;

	if (vas_blocks_free(world->blocks, address, &info) != expected)
		return false;
	if (expected)
		return true;
	first = (uint32_t)((address - world->start) / world->granule);
	cells = block_cells(world, first);
	paint(world, first, cells, 0);
	world->used -= cells;
	world->live--;
	return info.live && info.span.start == address &&
	       info.span.size == cells * world->granule && info.mark == world->mark[first];
}

static bool step_resize(struct world *world)
{
	uint64_t address = random_start(world);
	uint64_t size = below(world, world->size_most * world->granule);
	uint32_t wanted = (uint32_t)((size + world->granule - 1) / world->granule);
	int expected = expected_by_start(world, address);
	uint32_t first = 0, cells = 0;

	if (!expected) {
		first = (uint32_t)((address - world->start) / world->granule);
		cells = block_cells(world, first);
		if (size == 0)
			expected = -EINVAL;
		for (uint32_t i = first + cells; i < first + wanted && !expected; i++)
			if (i >= world->cells || world->owner[i])
				expected = -ENOSPC;
	}
	if (vas_blocks_resize(world->blocks, address, size) != expected)
		return false;
	if (expected)
		return true;
	paint(world, first, cells, 0);
	paint(world, first, wanted, first + 1);
	world->used += wanted - cells;
	return true;
}

static bool step_split(struct world *world)
{
	uint64_t address = random_start(world);
	uint64_t at = address + below(world, 1 + world->size_most / 2) * world->granule +
		      (below(world, 8) ? 0 : 1);
	int expected = expected_by_start(world, address);
	uint32_t first = 0, cells = 0, cut = 0;

	if (!expected) {
		first = (uint32_t)((address - world->start) / world->granule);
		cells = block_cells(world, first);
		cut = (uint32_t)((at - address) / world->granule);
		if (at % world->granule || cut == 0 || cut >= cells)
			expected = -EINVAL;
	}
	if (vas_blocks_split(world->blocks, address, at) != expected)
		return false;
	if (expected)
		return true;
	paint(world, first + cut, cells - cut, first + cut + 1);
	world->mark[first + cut] = world->mark[first];
	world->live++;
	return true;
}

static bool step_merge(struct world *world)
{
	uint64_t lower = random_start(world), upper = random_start(world);
	int expected = expected_by_start(world, lower);
	uint32_t first = 0, cells = 0;

	if (!expected) {
		first = (uint32_t)((lower - world->start) / world->granule);
		cells = block_cells(world, first);
		if (below(world, 8))
			upper = address_of(world, first + cells);
		expected = expected_by_start(world, upper);
		if (!expected && upper != address_of(world, first + cells))
			expected = -EINVAL;
	}
	if (vas_blocks_merge(world->blocks, lower, upper) != expected)
		return false;
	if (expected)
		return true;
	paint(world, first + cells, block_cells(world, first + cells), first + 1);
	world->live--;
	return true;
}

static bool step_mark(struct world *world)
{
	uint64_t address = random_start(world);
	uint32_t mark = (uint32_t)vas_random_next(&world->random);
	int expected = expected_by_start(world, address);
	uint64_t kind = below(world, 3);
	uint32_t word = mark, had = 0;

	if (!expected) {
		had = world->mark[(address - world->start) / world->granule];
		word = kind == 1 ? had : had + 1;
		if (kind == 2)
			expected = -EBUSY;
	}
	if (vas_blocks_mark(world->blocks, address, kind ? &word : NULL, mark) != expected)
		return false;
	if (expected == -EBUSY)
		return word == had;
	if (!expected)
		world->mark[(address - world->start) / world->granule] = mark;
	return true;
}

static bool info_right(const struct world *world, uint64_t cell, const struct vas_block_info *info)
{
	uint32_t owner = world->owner[cell];
	uint64_t first = cell, end = cell;

	while (first > 0 && world->owner[first - 1] == owner)
		first--;
	while (end < world->cells && world->owner[end] == owner)
		end++;
	return info->live == (owner != 0) && info->span.start == address_of(world, first) &&
	       info->span.size == (end - first) * world->granule &&
	       (!owner || info->mark == world->mark[first]);
}

static bool step_look(struct world *world)
{
	uint64_t address = random_start(world) + below(world, 2 * world->granule);
	struct vas_block_info at = { 0 }, next = { 0 };
	int error = vas_blocks_at(world->blocks, address, &at);
	int next_error = vas_blocks_next(world->blocks, address, &next);
	uint64_t cell;

	if (address < world->start || address >= address_of(world, world->cells))
		return error == -ERANGE &&
		       (address < world->start ? !next_error && info_right(world, 0, &next)
					       : next_error == -ENOENT);
	cell = (address - world->start) / world->granule;
	if (next_error || !info_right(world, cell, &next))
		return false;
	return world->owner[cell] ? !error && info_right(world, cell, &at) : error == -ENOENT;
}

/* Cut and join again, with a few looks between. */
static bool step_cut(struct world *world)
{
	uint64_t cell = below(world, world->cells + 1);
	uint64_t at = address_of(world, cell) + (below(world, 8) ? 0 : 1);
	struct vas_blocks *upper = NULL;
	struct vas_blocks_stats low, high;
	int expected = 0;

	if (at % world->granule || cell == 0 || cell >= world->cells ||
	    (world->owner[cell] && world->owner[cell] != cell + 1))
		expected = -EINVAL;
	if (vas_blocks_cut(world->blocks, at, &upper) != expected)
		return false;
	if (expected)
		return true;
	vas_blocks_stats(world->blocks, &low);
	vas_blocks_stats(upper, &high);
	return vas_blocks_check(world->blocks) && vas_blocks_check(upper) &&
	       low.size == cell * world->granule &&
	       low.size + high.size == world->cells * world->granule &&
	       low.live + high.live == world->live &&
	       low.used + high.used == world->used * world->granule &&
	       vas_blocks_join(upper, world->blocks) == -EINVAL &&
	       vas_blocks_join(world->blocks, upper) == 0;
}

static bool stats_right(struct world *world)
{
	struct vas_blocks_stats stats;
	uint32_t ranges = 0, run = 0, longest = 0;

	for (uint32_t i = 0; i < world->cells; i++) {
		run = world->owner[i] ? 0 : run + 1;
		ranges += run == 1;
		longest = run > longest ? run : longest;
	}
	vas_blocks_stats(world->blocks, &stats);
	return stats.size == world->cells * world->granule && stats.live == world->live &&
	       stats.used == world->used * world->granule && stats.free_ranges == ranges &&
	       stats.largest_free == longest * world->granule;
}

static bool step(struct world *world, uint64_t count)
{
	/* The fill swings, so that the tree grows and shrinks. */
	uint32_t target = world->cells / 100 * ((count >> 11) & 1 ? world->fill : world->fill / 3);
	uint64_t kind = below(world, 64);

	if (kind < 2)
		return step_resize(world);
	if (kind < 4)
		return step_split(world);
	if (kind < 6)
		return step_merge(world);
	if (kind < 8)
		return step_mark(world);
	if (kind < 16)
		return step_look(world);
	if (kind == 16 && below(world, 16) == 0)
		return step_cut(world);
	if (kind < 24 || (kind < 56) == (world->used < target))
		return step_alloc(world);
	return step_free(world);
}

static struct world worlds[] = {
	{ .name = "tiny",
	  .granule = 16,
	  .start = 0,
	  .cells = 64,
	  .size_most = 8,
	  .share = 40,
	  .fill = 90 },
	{ .name = "many small",
	  .granule = 4096,
	  .start = 0x7f0000000000,
	  .cells = 4096,
	  .size_most = 3,
	  .share = 15,
	  .fill = 97 },
	{ .name = "mixed",
	  .granule = 4096,
	  .start = 0x12345000,
	  .cells = 2048,
	  .size_most = 200,
	  .share = 15,
	  .fill = 85 },
	{ .name = "at the top",
	  .granule = 65536,
	  .start = UINT64_MAX - 512 * 65536 - 65535,
	  .cells = 512,
	  .size_most = 40,
	  .share = 15,
	  .fill = 85 },
	{ .name = "large granule",
	  .granule = 4 << 20,
	  .start = 1ull << 40,
	  .cells = 300,
	  .size_most = 60,
	  .share = 15,
	  .fill = 80 },
};

static void run_world(struct world *world, uint64_t seed, uint64_t steps)
{
	struct vas_span span = { world->start, world->cells * world->granule };
	bool held = true;
	uint64_t i;

	world->random = seed;
	if (vas_blocks_create(span, world->granule, seed, &support, &world->blocks))
		tap_bail("no allocator");
	for (i = 0; i < steps && held; i++) {
		held = step(world, i);
		if (held && (i % 512 == 0 || world->cells <= 64))
			held = stats_right(world) && vas_blocks_check(world->blocks);
	}
	ok(held, "%s: %" PRIu64 " calls agree with the map", world->name, steps);
	if (!held)
		tap_diag("at call %" PRIu64, i);
	ok(world->refused > 0 || steps < 2000,
	   "%s: %" PRIu64 " of %" PRIu64 " requests had no place", world->name, world->refused,
	   world->allocs);
	vas_blocks_destroy(world->blocks);
}

int main(void)
{
	uint64_t seed = tap_seed();
	uint64_t steps = tap_scaled(2000000);

	tap_plan(0);
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		run_world(&worlds[i], vas_mix64(seed + i), steps / 100 * worlds[i].share);
	return tap_done();
}
