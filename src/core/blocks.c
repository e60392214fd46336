/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block allocator.
 *
 * WHAT FOR. Carves one span of numbers into blocks, for regions of addresses and
 * for offsets in objects, without touching the span.
 *
 * STRATEGY. The live blocks stand in one tree in address order that knows
 * its gaps (blocks_tree.c); a search goes down to a gap that takes the request
 * (blocks_search.c, blocks_fit.c). This file checks what callers pass, takes
 * memory for the books before it changes anything.
 *
 * Without a direction a block goes to a low place, too: over long runs, that
 * keeps more of a span usable than taking the best fit does.
 *
 * CONCURRENCY. One lock, taken by every function through support.
 *
 * WHAT IT DOES NOT DO. It keeps nothing per thread, and gives memory of the books
 * back only at the end.
 */
#include "core/blocks.h"

#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "base/number.h"
#include "base/random.h"
#include "core/blocks_search.h"
#include "core/blocks_tree.h"

#define FIRST_CHUNK   4096u
#define GRANULE_LEAST 16u
#define KEY_1	      (UINT64_C(64) << 10)
#define KEY_2	      (UINT64_C(2) << 20)
#define FLAGS	      (VAS_BLOCKS_LOW | VAS_BLOCKS_HIGH | VAS_BLOCKS_EXACT | VAS_BLOCKS_RANDOM)

static uint64_t span_end(const struct vas_blocks *blocks)
{
	return blocks->span.start + blocks->span.size;
}

static bool is_granular(const struct vas_blocks *blocks, uint64_t x)
{
	return (x & (blocks->granule - 1)) == 0;
}

int vas_blocks_create(struct vas_span span, uint64_t granule, uint64_t seed,
		      const struct vas_blocks_support *support, struct vas_blocks **blocks)
{
	struct vas_blocks *made;
	void *memory;
	uint64_t end;
	int error;

	if (!vas_is_power_of_two(granule) || granule < GRANULE_LEAST || span.size == 0 ||
	    ((span.start | span.size) & (granule - 1)) != 0 ||
	    !vas_add(span.start, span.size, &end))
		return -EINVAL;
	error = support->take(support->context, FIRST_CHUNK, &memory);
	if (error)
		return error;
	made = memory;
	made->chunk.size = FIRST_CHUNK;
	made->support = *support;
	made->span = span;
	made->granule = granule;
	made->random = seed;
	made->alignment[0] = granule;
	made->alignment[1] = granule > KEY_1 ? granule : KEY_1;
	made->alignment[2] = granule > KEY_2 ? granule : KEY_2;
	vas_blocks_tree_feed(made, &made->chunk, sizeof(*made));
	vas_blocks_tree_init(made);
	*blocks = made;
	return 0;
}

void vas_blocks_destroy(struct vas_blocks *blocks)
{
	struct vas_blocks_support support = blocks->support;
	struct vas_block_chunk *chunk = &blocks->chunk;

	while (chunk) {
		struct vas_block_chunk *next = chunk->next;

		support.give(support.context, chunk, (size_t)chunk->size);
		chunk = next;
	}
}

/* -EINVAL: what no request may say. */
static int request_check(const struct vas_blocks *blocks, const struct vas_block_request *request)
{
	uint64_t alignment = request->alignment;

	if (request->size == 0 || (request->flags & ~FLAGS) != 0 ||
	    (request->flags & (request->flags - 1)) != 0)
		return -EINVAL;
	if (!is_granular(blocks, alignment) &&
	    !(vas_is_power_of_two(alignment) && alignment < blocks->granule))
		return -EINVAL;
	if (!is_granular(blocks, request->phase) ||
	    (request->phase != 0 && request->phase >= alignment))
		return -EINVAL;
	if (request->boundary != 0 && !vas_is_power_of_two(request->boundary))
		return -EINVAL;
	if (!is_granular(blocks, request->margin))
		return -EINVAL;
	if (request->max != 0 && request->min >= request->max)
		return -EINVAL;
	if (request->min >= span_end(blocks) ||
	    (request->max != 0 && request->max <= blocks->span.start))
		return -EINVAL;
	if ((request->flags & VAS_BLOCKS_EXACT) && !is_granular(blocks, request->address))
		return -EINVAL;
	return 0;
}

/* The part of the span that a request's window leaves, in whole granules. False: none. */
static bool query_window(const struct vas_blocks *blocks, const struct vas_block_request *request,
			 struct vas_block_query *query)
{
	query->min = blocks->span.start;
	query->max = span_end(blocks);
	if (request->min > query->min && !vas_align_up(request->min, blocks->granule, &query->min))
		return false;
	if (request->max != 0 && request->max < query->max)
		query->max = vas_align_down(request->max, blocks->granule);
	return query->min < query->max;
}

/* Whether there would be a place if all were free. */
static bool query_try(const struct vas_blocks *blocks, const struct vas_block_request *request,
		      const struct vas_block_query *query)
{
	uint64_t margin = query->margin, from = blocks->span.start + margin;
	uint64_t to = span_end(blocks) - margin, start;

	if (margin > blocks->span.size / 2 || query->size > blocks->span.size - 2 * margin)
		return false;
	if (request->flags & VAS_BLOCKS_EXACT) {
		if (request->address < from || request->address > to - query->size)
			return false;
		from = request->address;
		to = from + query->size;
	}
	return vas_block_fit_low(query, from, to, &start);
}

/* -ERANGE: what could not be had if all were free. */
static int query_make(const struct vas_blocks *blocks, const struct vas_block_request *request,
		      struct vas_block_query *query)
{
	int error = request_check(blocks, request);

	if (error)
		return error;
	query->alignment =
		request->alignment > blocks->granule ? request->alignment : blocks->granule;
	query->phase = request->phase;
	query->boundary = request->boundary;
	query->margin = request->margin;
	if (!vas_align_up(request->size, blocks->granule, &query->size) ||
	    (query->boundary != 0 && query->size > query->boundary) ||
	    !query_window(blocks, request, query))
		return -ERANGE;
	return query_try(blocks, request, query) ? 0 : -ERANGE;
}

static int place_exact(struct vas_blocks *blocks, const struct vas_block_query *query,
		       uint64_t address, struct vas_block_place *place)
{
	*place = vas_blocks_tree_find(blocks, address);
	if (address - query->margin < vas_block_gap_start(place->leaf, place->index) ||
	    address + query->size + query->margin > vas_block_gap_end(place->leaf, place->index))
		return -EEXIST;
	return 0;
}

/* The first place above an address drawn evenly from the window, or else the lowest. */
static bool search_random(struct vas_blocks *blocks, struct vas_block_query *query,
			  struct vas_block_place *place, uint64_t *start)
{
	uint64_t min = query->min;
	uint64_t starts = (query->max - query->min - query->size) / blocks->granule + 1;

	query->min += vas_random_below(&blocks->random, starts) * blocks->granule;
	if (vas_blocks_search_any(blocks, query, place, start))
		return true;
	query->min = min;
	return vas_blocks_search_any(blocks, query, place, start);
}

static int place_choose(struct vas_blocks *blocks, const struct vas_block_request *request,
			struct vas_block_query *query, struct vas_block_place *place,
			uint64_t *start)
{
	bool found;

	switch (request->flags) {
	case VAS_BLOCKS_EXACT:
		*start = request->address;
		return place_exact(blocks, query, request->address, place);
	case VAS_BLOCKS_LOW:
		found = vas_blocks_search_low(blocks, query, place, start);
		break;
	case VAS_BLOCKS_HIGH:
		found = vas_blocks_search_high(blocks, query, place, start);
		break;
	case VAS_BLOCKS_RANDOM:
		found = search_random(blocks, query, place, start);
		break;
	default:
		found = vas_blocks_search_any(blocks, query, place, start);
	}
	return found ? 0 : -ENOSPC;
}

static int alloc_locked(struct vas_blocks *blocks, const struct vas_block_request *request,
			uint64_t *start)
{
	struct vas_block_query query;
	struct vas_block_place place;
	struct vas_span span;
	int error = query_make(blocks, request, &query);

	if (!error)
		error = place_choose(blocks, request, &query, &place, &span.start);
	if (!error)
		error = vas_blocks_tree_prepare_at(blocks, place);
	if (error)
		return error;
	span.size = query.size;
	vas_blocks_tree_insert(blocks, place, span, request->mark);
	*start = span.start;
	return 0;
}

VAS_HOT int vas_blocks_alloc(struct vas_blocks *blocks, const struct vas_block_request *request,
		     uint64_t *start)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, alloc_locked(blocks, request, start));
}

static bool in_span(const struct vas_blocks *blocks, uint64_t address)
{
	return address >= blocks->span.start && address < span_end(blocks);
}

/* The block that covers address. -ERANGE, -ENOENT. place.index is the block's. */
VAS_HOT static int block_covering(struct vas_blocks *blocks, uint64_t address,
			  struct vas_block_place *place)
{
	if (!in_span(blocks, address))
		return -ERANGE;
	*place = vas_blocks_tree_find(blocks, address);
	if (place->index == 0 || place->leaf->end[place->index - 1] <= address)
		return -ENOENT;
	place->index--;
	return 0;
}

/* The block that starts at an address, by the rules of free. */
VAS_HOT static int block_starting(struct vas_blocks *blocks, uint64_t start,
			  struct vas_block_place *place)
{
	int error = block_covering(blocks, start, place);

	if (!error && place->leaf->start[place->index] != start)
		error = -EINVAL;
	return error;
}

static struct vas_block_info block_info(struct vas_block_place place)
{
	uint64_t start = place.leaf->start[place.index];

	return (struct vas_block_info){
		.span = { start, place.leaf->end[place.index] - start },
		.live = true,
		.mark = place.leaf->mark[place.index],
	};
}

static int free_locked(struct vas_blocks *blocks, uint64_t start, struct vas_block_info *info)
{
	struct vas_block_place place;
	int error = block_starting(blocks, start, &place);

	if (error)
		return error;
	*info = block_info(place);
	vas_blocks_tree_remove(blocks, place);
	return 0;
}

VAS_HOT int vas_blocks_free(struct vas_blocks *blocks, uint64_t start, struct vas_block_info *info)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, free_locked(blocks, start, info));
}

VAS_HOT int vas_blocks_at(struct vas_blocks *blocks, uint64_t address, struct vas_block_info *info)
{
	struct vas_block_place place;
	int error;

	vas_blocks_enter(blocks);
	error = block_covering(blocks, address, &place);
	if (!error)
		*info = block_info(place);
	return vas_blocks_leave(blocks, error);
}

int vas_blocks_next(struct vas_blocks *blocks, uint64_t address, struct vas_block_info *info)
{
	struct vas_block_place place;
	uint64_t start;

	vas_blocks_enter(blocks);
	if (address < blocks->span.start)
		address = blocks->span.start;
	if (address >= span_end(blocks))
		return vas_blocks_leave(blocks, -ENOENT);
	if (block_covering(blocks, address, &place) == 0) {
		*info = block_info(place);
		return vas_blocks_leave(blocks, 0);
	}
	start = vas_block_gap_start(place.leaf, place.index);
	*info = (struct vas_block_info){
		.span = { start, vas_block_gap_end(place.leaf, place.index) - start },
	};
	return vas_blocks_leave(blocks, 0);
}

static int resize_locked(struct vas_blocks *blocks, uint64_t start, uint64_t size)
{
	struct vas_block_place place;
	uint64_t limit, end;
	int error = block_starting(blocks, start, &place);

	if (error)
		return error;
	if (size == 0)
		return -EINVAL;
	limit = vas_block_gap_end(place.leaf, place.index + 1);
	if (!vas_align_up(size, blocks->granule, &size) || !vas_add(start, size, &end) ||
	    end > limit)
		return -ENOSPC;
	vas_blocks_tree_set_end(blocks, place, end);
	return 0;
}

int vas_blocks_resize(struct vas_blocks *blocks, uint64_t start, uint64_t size)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, resize_locked(blocks, start, size));
}

static int split_locked(struct vas_blocks *blocks, uint64_t start, uint64_t at)
{
	struct vas_block_place place, upper;
	uint64_t end;
	uint32_t mark;
	int error = block_starting(blocks, start, &place);

	if (error)
		return error;
	end = place.leaf->end[place.index];
	mark = place.leaf->mark[place.index];
	if (at <= start || at >= end || !is_granular(blocks, at))
		return -EINVAL;
	upper = (struct vas_block_place){ place.leaf, place.index + 1 };
	error = vas_blocks_tree_prepare_at(blocks, upper);
	if (error)
		return error;
	vas_blocks_tree_set_end(blocks, place, at);
	vas_blocks_tree_insert(blocks, upper, (struct vas_span){ at, end - at }, mark);
	return 0;
}

VAS_HOT int vas_blocks_split(struct vas_blocks *blocks, uint64_t start, uint64_t at)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, split_locked(blocks, start, at));
}

static int merge_locked(struct vas_blocks *blocks, uint64_t lower, uint64_t upper)
{
	struct vas_block_place place, other;
	uint64_t end;
	int error = block_starting(blocks, lower, &place);

	if (!error)
		error = block_starting(blocks, upper, &other);
	if (error)
		return error;
	if (place.leaf->end[place.index] != upper)
		return -EINVAL;
	end = other.leaf->end[other.index];
	vas_blocks_tree_remove(blocks, other);
	/* Removing may have moved the lower one to another leaf. */
	error = block_starting(blocks, lower, &place);
	VAS_ASSERT(!error);
	vas_blocks_tree_set_end(blocks, place, end);
	return 0;
}

VAS_HOT int vas_blocks_merge(struct vas_blocks *blocks, uint64_t lower, uint64_t upper)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, merge_locked(blocks, lower, upper));
}

static int mark_locked(struct vas_blocks *blocks, uint64_t start, uint32_t *expected, uint32_t mark)
{
	struct vas_block_place place;
	uint32_t *word;
	int error = block_starting(blocks, start, &place);

	if (error)
		return error;
	word = &place.leaf->mark[place.index];
	if (expected && *word != *expected) {
		*expected = *word;
		return -EBUSY;
	}
	*word = mark;
	return 0;
}

VAS_HOT int vas_blocks_mark(struct vas_blocks *blocks, uint64_t start, uint32_t *expected,
			    uint32_t mark)
{
	vas_blocks_enter(blocks);
	return vas_blocks_leave(blocks, mark_locked(blocks, start, expected, mark));
}

void vas_blocks_stats(struct vas_blocks *blocks, struct vas_blocks_stats *stats)
{
	uint64_t room[VAS_BLOCK_KEYS];

	vas_blocks_enter(blocks);
	vas_blocks_tree_room(blocks, blocks->root, room);
	*stats = (struct vas_blocks_stats){
		.size = blocks->span.size,
		.used = blocks->used,
		.live = blocks->live,
		.free_ranges = blocks->free_ranges,
		.largest_free = room[0],
		.books = blocks->books,
	};
	vas_blocks_leave(blocks, 0);
}

bool vas_blocks_check(struct vas_blocks *blocks)
{
	bool holds;

	vas_blocks_enter(blocks);
	holds = vas_blocks_tree_check(blocks);
	vas_blocks_leave(blocks, 0);
	return holds;
}
