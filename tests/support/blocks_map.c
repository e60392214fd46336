/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/blocks_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "tap/tap.h"

static int take(void *context, size_t size, void **memory)
{
	(void)context;
	*memory = aligned_alloc(4096, size);
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

const struct vas_blocks_support blocks_map_support = { .take = take, .give = give };

void blocks_map_open(struct blocks_map *map, uint64_t seed,
		     const struct vas_blocks_support *support)
{
	struct vas_span span = { map->start, map->cells * map->granule };

	map->used = 0;
	map->live = 0;
	map->allocs = 0;
	map->refused = 0;
	map->tried = 0;
	memset(&map->free, 0, sizeof(map->free));
	cell_bits_fill(&map->free, 0, map->cells, true);
	memset(map->owner, 0, map->cells * sizeof(map->owner[0]));
	if (vas_blocks_create(span, map->granule, seed, support, &map->blocks))
		tap_bail("no allocator");
}

void blocks_map_close(struct blocks_map *map)
{
	vas_blocks_destroy(map->blocks);
}

uint64_t blocks_map_address(const struct blocks_map *map, uint64_t cell)
{
	return map->start + cell * map->granule;
}

static uint32_t block_cells(const struct blocks_map *map, uint32_t first)
{
	uint32_t end = first;

	while (end < map->cells && map->owner[end] == first + 1)
		end++;
	return end - first;
}

static void paint(struct blocks_map *map, uint32_t first, uint32_t cells, uint32_t owner)
{
	for (uint32_t i = first; i < first + cells; i++)
		map->owner[i] = owner;
	cell_bits_fill(&map->free, first, cells, !owner);
}

/* Whether a block of the request may start at address, if it were free: the words of the header. */
static bool acceptable(const struct blocks_map *map, const struct vas_block_request *request,
		       uint64_t size, uint64_t address)
{
	uint64_t end = address + size;

	if (end < address || address < request->min || (request->max && end > request->max))
		return false;
	if (request->boundary && (address ^ (end - 1)) >= request->boundary)
		return false;
	if (request->alignment && (address % request->alignment) != request->phase)
		return false;
	return address >= map->start && address - map->start >= request->margin &&
	       end <= blocks_map_address(map, map->cells) &&
	       blocks_map_address(map, map->cells) - end >= request->margin;
}

struct truth {
	bool possible; /* if all were free */
	bool any; /* a place is free */
	uint32_t lowest;
	uint32_t highest;
};

/* By trying every place. */
static struct truth try_all(const struct blocks_map *map, const struct vas_block_request *request,
			    uint64_t size)
{
	uint32_t cells = (uint32_t)(size / map->granule);
	uint32_t margin = (uint32_t)(request->margin / map->granule);
	struct truth truth = { 0 };
	uint32_t run = 0;

	/* From the top: run counts the free cells from i on. */
	for (uint32_t i = map->cells; i-- > 0;) {
		run = map->owner[i] ? 0 : run + 1;
		if (i + margin + cells > map->cells ||
		    !acceptable(map, request, size, blocks_map_address(map, i + margin)))
			continue;
		truth.possible = true;
		if (run < cells + 2 * margin)
			continue;
		truth.lowest = i + margin;
		truth.highest = truth.any ? truth.highest : i + margin;
		truth.any = true;
	}
	return truth;
}

struct trial {
	const struct blocks_map *map;
	const struct vas_block_request *request;
	uint64_t size;
};

static bool cell_acceptable(const void *context, uint32_t cell)
{
	const struct trial *trial = context;

	return acceptable(trial->map, trial->request, trial->size,
			  blocks_map_address(trial->map, cell));
}

/* What alignment and window leave of the cells at which a block may start. */
static struct cell_want trial_want(const struct trial *trial)
{
	const struct vas_block_request *request = trial->request;
	const struct blocks_map *map = trial->map;
	uint64_t alignment = request->alignment, bytes = map->cells * map->granule;
	struct cell_want want = {
		.stride = 1,
		.margin = (uint32_t)(request->margin / map->granule),
		.to = map->cells,
		.acceptable = cell_acceptable,
		.context = trial,
	};

	if (alignment > map->granule) {
		want.stride = (uint32_t)(alignment / map->granule);
		want.first = (uint32_t)((request->phase + alignment - map->start % alignment) %
					alignment / map->granule);
	}
	if (request->min > map->start)
		want.from = (uint32_t)((request->min - map->start) / map->granule);
	if (request->max && request->max - map->start < bytes)
		want.to = (uint32_t)((request->max - map->start) / map->granule);
	return want;
}

static struct truth find_truth(const struct blocks_map *map,
			       const struct vas_block_request *request, uint64_t size)
{
	uint64_t all = size / map->granule + 2 * (request->margin / map->granule);
	struct trial trial = { map, request, size };
	struct cell_want want = trial_want(&trial);
	struct truth truth = { 0 };
	struct cell_bits places;

	if (all > map->cells || (request->boundary && size > request->boundary))
		return truth;
	cell_bits_runs(&map->free, (uint32_t)all, &places);
	truth.lowest = cell_bits_lowest(&places, &want);
	truth.any = truth.possible = truth.lowest != CELL_BITS_NONE;
	if (truth.any) {
		truth.highest = cell_bits_highest(&places, &want);
		return truth;
	}
	memset(&places, 0, sizeof(places));
	cell_bits_fill(&places, 0, map->cells - (uint32_t)all + 1, true);
	truth.possible = cell_bits_lowest(&places, &want) != CELL_BITS_NONE;
	truth.lowest = 0;
	return truth;
}

static bool same_truth(const struct truth *a, const struct truth *b)
{
	return a->possible == b->possible && a->any == b->any &&
	       (!a->any || (a->lowest == b->lowest && a->highest == b->highest));
}

/* -EINVAL by the words of the header. */
static bool malformed(const struct blocks_map *map, const struct vas_block_request *request)
{
	uint64_t alignment = request->alignment;

	if (alignment % map->granule != 0 &&
	    (!vas_is_power_of_two(alignment) || alignment > map->granule))
		return true;
	if (request->max && (request->max <= request->min || request->max <= map->start))
		return true;
	return request->min >= blocks_map_address(map, map->cells);
}

/* The block and its margins, which lie inside. */
static bool is_free(const struct blocks_map *map, const struct vas_block_request *request,
		    uint64_t size, uint64_t start)
{
	uint64_t first = (start - request->margin - map->start) / map->granule;

	for (uint64_t i = first; i < first + (size + 2 * request->margin) / map->granule; i++)
		if (map->owner[i])
			return false;
	return true;
}

static int expected_error(const struct blocks_map *map, const struct vas_block_request *request,
			  uint64_t size, const struct truth *truth)
{
	if (malformed(map, request))
		return -EINVAL;
	if (!truth->possible)
		return -ERANGE;
	if (request->flags != VAS_BLOCKS_EXACT)
		return truth->any ? 0 : -ENOSPC;
	if (request->address < map->start || !acceptable(map, request, size, request->address))
		return -ERANGE;
	return is_free(map, request, size, request->address) ? 0 : -EEXIST;
}

static bool place_right(const struct blocks_map *map, const struct vas_block_request *request,
			uint64_t size, const struct truth *truth, uint64_t start)
{
	uint32_t first = (uint32_t)((start - map->start) / map->granule);

	if (start < map->start || (start - map->start) % map->granule != 0 ||
	    !acceptable(map, request, size, start) || !is_free(map, request, size, start))
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

bool blocks_map_alloc(struct blocks_map *map, const struct vas_block_request *request)
{
	struct truth truth = { 0 }, tried;
	uint64_t size, start = 1;
	uint32_t first;
	int error, expected;

	size = (request->size + map->granule - 1) / map->granule * map->granule;
	if (!malformed(map, request))
		truth = find_truth(map, request, size);
	expected = expected_error(map, request, size, &truth);
	if (expected != -EINVAL && map->allocs % 64 == 0) {
		map->tried++;
		tried = try_all(map, request, size);
		if (!same_truth(&truth, &tried))
			tap_bail("the map is wrong: lowest %" PRIx32 ", by trying %" PRIx32,
				 truth.lowest, tried.lowest);
	}
	error = vas_blocks_alloc(map->blocks, request, &start);
	map->allocs++;
	map->refused += error == -ENOSPC;
	if (error != expected || (error && start != 1) ||
	    (!error && !place_right(map, request, size, &truth, start))) {
		tap_diag("size %" PRIx64 " alignment %" PRIx64 " phase %" PRIx64 " min %" PRIx64
			 " max %" PRIx64 " boundary %" PRIx64 " address %" PRIx64 " flags %x",
			 request->size, request->alignment, request->phase, request->min,
			 request->max, request->boundary, request->address, request->flags);
		tap_diag("got %d at %" PRIx64 ", expected %d, lowest %" PRIx64 " highest %" PRIx64,
			 error, start, expected, blocks_map_address(map, truth.lowest),
			 blocks_map_address(map, truth.highest));
		return false;
	}
	if (error)
		return true;
	first = (uint32_t)((start - map->start) / map->granule);
	paint(map, first, (uint32_t)(size / map->granule), first + 1);
	map->mark[first] = request->mark;
	map->used += (uint32_t)(size / map->granule);
	map->live++;
	return true;
}

/* What a call that names a block by its start answers before it looks at anything else. */
static int expected_by_start(const struct blocks_map *map, uint64_t address)
{
	uint64_t cell;

	if (address < map->start || address >= blocks_map_address(map, map->cells))
		return -ERANGE;
	cell = (address - map->start) / map->granule;
	if (!map->owner[cell])
		return -ENOENT;
	return blocks_map_address(map, map->owner[cell] - 1) == address ? 0 : -EINVAL;
}

bool blocks_map_free(struct blocks_map *map, uint64_t address)
{
	int expected = expected_by_start(map, address);
	struct vas_block_info info = { 0 };
	uint32_t first, cells;

	if (vas_blocks_free(map->blocks, address, &info) != expected)
		return false;
	if (expected)
		return true;
	first = (uint32_t)((address - map->start) / map->granule);
	cells = block_cells(map, first);
	paint(map, first, cells, 0);
	map->used -= cells;
	map->live--;
	return info.live && info.span.start == address && info.span.size == cells * map->granule &&
	       info.mark == map->mark[first];
}

bool blocks_map_resize(struct blocks_map *map, uint64_t address, uint64_t size)
{
	uint32_t wanted = (uint32_t)((size + map->granule - 1) / map->granule);
	int expected = expected_by_start(map, address);
	uint32_t first = 0, cells = 0;

	if (!expected) {
		first = (uint32_t)((address - map->start) / map->granule);
		cells = block_cells(map, first);
		if (size == 0)
			expected = -EINVAL;
		for (uint32_t i = first + cells; i < first + wanted && !expected; i++)
			if (i >= map->cells || map->owner[i])
				expected = -ENOSPC;
	}
	if (vas_blocks_resize(map->blocks, address, size) != expected)
		return false;
	if (expected)
		return true;
	paint(map, first, cells, 0);
	paint(map, first, wanted, first + 1);
	map->used += wanted - cells;
	return true;
}

bool blocks_map_split(struct blocks_map *map, uint64_t address, uint64_t at)
{
	int expected = expected_by_start(map, address);
	uint32_t first = 0, cells = 0, cut = 0;

	if (!expected) {
		first = (uint32_t)((address - map->start) / map->granule);
		cells = block_cells(map, first);
		cut = (uint32_t)((at - address) / map->granule);
		if (at % map->granule || cut == 0 || cut >= cells)
			expected = -EINVAL;
	}
	if (vas_blocks_split(map->blocks, address, at) != expected)
		return false;
	if (expected)
		return true;
	paint(map, first + cut, cells - cut, first + cut + 1);
	map->mark[first + cut] = map->mark[first];
	map->live++;
	return true;
}

bool blocks_map_merge(struct blocks_map *map, uint64_t lower, uint64_t upper)
{
	int expected = expected_by_start(map, lower);
	uint32_t first = 0, cells = 0;

	if (!expected) {
		first = (uint32_t)((lower - map->start) / map->granule);
		cells = block_cells(map, first);
		expected = expected_by_start(map, upper);
		if (!expected && upper != blocks_map_address(map, first + cells))
			expected = -EINVAL;
	}
	if (vas_blocks_merge(map->blocks, lower, upper) != expected)
		return false;
	if (expected)
		return true;
	paint(map, first + cells, block_cells(map, first + cells), first + 1);
	map->live--;
	return true;
}

bool blocks_map_mark(struct blocks_map *map, uint64_t address, uint32_t mark, uint32_t kind)
{
	int expected = expected_by_start(map, address);
	uint32_t word = mark, had = 0;

	if (!expected) {
		had = map->mark[(address - map->start) / map->granule];
		word = kind == 1 ? had : had + 1;
		if (kind == 2)
			expected = -EBUSY;
	}
	if (vas_blocks_mark(map->blocks, address, kind ? &word : NULL, mark) != expected)
		return false;
	if (expected == -EBUSY)
		return word == had;
	if (!expected)
		map->mark[(address - map->start) / map->granule] = mark;
	return true;
}

static bool info_right(const struct blocks_map *map, uint64_t cell,
		       const struct vas_block_info *info)
{
	uint32_t owner = map->owner[cell];
	uint64_t first = cell, end = cell;

	while (first > 0 && map->owner[first - 1] == owner)
		first--;
	while (end < map->cells && map->owner[end] == owner)
		end++;
	return info->live == (owner != 0) && info->span.start == blocks_map_address(map, first) &&
	       info->span.size == (end - first) * map->granule &&
	       (!owner || info->mark == map->mark[first]);
}

bool blocks_map_look(struct blocks_map *map, uint64_t address)
{
	struct vas_block_info at = { 0 }, next = { 0 };
	int error = vas_blocks_at(map->blocks, address, &at);
	int next_error = vas_blocks_next(map->blocks, address, &next);
	uint64_t cell;

	if (address < map->start || address >= blocks_map_address(map, map->cells))
		return error == -ERANGE &&
		       (address < map->start ? !next_error && info_right(map, 0, &next)
					     : next_error == -ENOENT);
	cell = (address - map->start) / map->granule;
	if (next_error || !info_right(map, cell, &next))
		return false;
	return map->owner[cell] ? !error && info_right(map, cell, &at) : error == -ENOENT;
}

bool blocks_map_cut(struct blocks_map *map, uint64_t at)
{
	uint64_t cell = (at - map->start) / map->granule;
	struct vas_blocks *upper = NULL;
	struct vas_blocks_stats low, high;
	int expected = 0;

	if (at < map->start || at % map->granule || cell == 0 || cell >= map->cells ||
	    (map->owner[cell] && map->owner[cell] != cell + 1))
		expected = -EINVAL;
	if (vas_blocks_cut(map->blocks, at, &upper) != expected)
		return false;
	if (expected)
		return true;
	vas_blocks_stats(map->blocks, &low);
	vas_blocks_stats(upper, &high);
	return vas_blocks_check(map->blocks) && vas_blocks_check(upper) &&
	       low.size == cell * map->granule &&
	       low.size + high.size == map->cells * map->granule &&
	       low.live + high.live == map->live &&
	       low.used + high.used == map->used * map->granule &&
	       vas_blocks_join(upper, map->blocks) == -EINVAL &&
	       vas_blocks_join(map->blocks, upper) == 0;
}

static bool stats_right(struct blocks_map *map)
{
	struct vas_blocks_stats stats;
	uint32_t ranges = 0, run = 0, longest = 0;

	for (uint32_t i = 0; i < map->cells; i++) {
		run = map->owner[i] ? 0 : run + 1;
		ranges += run == 1;
		longest = run > longest ? run : longest;
	}
	vas_blocks_stats(map->blocks, &stats);
	return stats.size == map->cells * map->granule && stats.live == map->live &&
	       stats.used == map->used * map->granule && stats.free_ranges == ranges &&
	       stats.largest_free == longest * map->granule;
}

/* Walks by next over all. */
static bool walk_right(struct blocks_map *map)
{
	struct vas_block_info info;
	uint64_t at = map->start;

	while (vas_blocks_next(map->blocks, at, &info) == 0) {
		if (info.span.start != at ||
		    !info_right(map, (at - map->start) / map->granule, &info))
			return false;
		at += info.span.size;
	}
	return at == blocks_map_address(map, map->cells);
}

bool blocks_map_check(struct blocks_map *map)
{
	return stats_right(map) && walk_right(map) && vas_blocks_check(map->blocks);
}
