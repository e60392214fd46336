/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making an allocator, cutting one in two, joining two.
 *
 * WHAT FOR. A region that is split or merged takes its blocks along.
 *
 * STRATEGY. How zones are laid out depends on the span at first and never changes: a small
 * span lies in one zone, as large as a zone can be, and so has room to grow; a large one has up to 64,
 * more only where offsets would not fit. Cutting moves the blocks above, one by one, to
 * an allocator of their own. Joining moves those of the upper one, after the lower one's
 * last zone was extended and zones were added.
 *
 * BOUNDS. O(m log n), m being the blocks that move.
 *
 * CONCURRENCY. None: all of this is the caller's alone.
 *
 * WHAT IT DOES NOT DO. Zones above a cut are kept, empty, for a join.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/number.h"
#include "base/random.h"
#include "core/blocks_zone.h"

#define PAGE	      4096u
#define GRANULE_LEAST 16u
#define START_MOST                                                                                 \
	(UINT64_C(1) << 43) /* granules of a span; with a zone more a record's start takes them */
#define ALIGNMENT_1   (UINT64_C(64) << 10)
#define ALIGNMENT_2   (UINT64_C(2) << 20)
#define ZONES	      64u

static const char always = 1, never;

static uint32_t log2_of(uint64_t power)
{
	return (uint32_t)__builtin_ctzll(power);
}

static uint64_t zones_of(struct vas_span span, uint32_t shift)
{
	return ((span.start + span.size - 1) >> shift) - (span.start >> shift) + 1;
}

static uint32_t zone_shift(struct vas_span span, uint32_t granule_shift)
{
	uint32_t most = log2_of(VAS_BLOCK_TREE_MOST) + granule_shift;
	uint32_t shift = VAS_BLOCKS_ZONE_SHIFT;

	most = most < 62 ? most : 62;
	if (VAS_BLOCKS_SMALL_IS_ONE && span.size <= UINT64_C(4) << shift)
		return most;
	shift = shift > granule_shift ? shift : granule_shift;
	while (shift < most && zones_of(span, shift) > ZONES)
		shift++;
	return shift < most ? shift : most;
}

/* Zones that the arrays have a place for at first. */
static uint32_t first_room(uint32_t zones)
{
	return zones < ZONES ? (zones + 7) & ~7u : ZONES;
}

/* Up to where the first chunk is used. */
static uint64_t header_size(uint32_t zones)
{
	return vas_align_down(
		sizeof(struct vas_blocks) + vas_block_zones_size(first_room(zones)) + 63, 64);
}

static void blocks_init(struct vas_blocks *blocks, struct vas_span span, uint64_t granule,
			uint32_t shift)
{
	blocks->span = span;
	blocks->granule = granule;
	blocks->granule_shift = log2_of(granule);
	blocks->alignment[0] = granule;
	blocks->alignment[1] = granule > ALIGNMENT_1 ? granule : ALIGNMENT_1;
	blocks->alignment[2] = granule > ALIGNMENT_2 ? granule : ALIGNMENT_2;
	blocks->zone_shift = shift - blocks->granule_shift;
	blocks->zone_last = (UINT32_C(1) << blocks->zone_shift) - 1;
	blocks->base = vas_align_down(span.start, UINT64_C(1) << shift);
	blocks->first = (span.start - blocks->base) >> blocks->granule_shift;
	blocks->zone_count = (uint32_t)zones_of(span, shift);
}

int vas_blocks_create(struct vas_span span, uint64_t granule, uint64_t seed,
		      const struct vas_blocks_support *support, struct vas_blocks **blocks)
{
	struct vas_blocks *made;
	uint32_t shift, zones;
	uint64_t end, size;
	void *memory;
	int error;

	if (!vas_is_power_of_two(granule) || granule < GRANULE_LEAST || span.size == 0 ||
	    ((span.start | span.size) & (granule - 1)) != 0 ||
	    !vas_add(span.start, span.size, &end) || span.size / granule > START_MOST)
		return -EINVAL;
	shift = zone_shift(span, log2_of(granule));
	zones = (uint32_t)zones_of(span, shift);
	size = vas_align_down(header_size(zones) + PAGE - 1, PAGE);
	error = support->take(support->context, size, &memory);
	if (error)
		return error;
	made = memory;
	made->support = *support;
	made->alone = !support->lock;
	made->slot_at = made->alone ? 0 : support->slot;
	made->single = made->alone ? &always : support->single ? support->single : &never;
	made->random = seed;
	blocks_init(made, span, granule, shift);
	made->zones = vas_block_zones_place(made + 1, first_room(zones));
	vas_block_pool_init(&made->pool, support, memory, size, header_size(zones));
	vas_block_records_init(&made->records, &made->pool);
	vas_blocks_magazines_init(made);
	vas_blocks_cache_init(made);
	*blocks = made;
	return 0;
}

void vas_blocks_destroy(struct vas_blocks *blocks)
{
	/* The pool lies in its own first chunk. */
	struct vas_block_pool pool = blocks->pool;

	vas_block_pool_destroy(&pool);
}

/* --- cut and join --- */

/* The zones' ranges after the span has changed. */
static void zones_adapt(struct vas_blocks *blocks)
{
	struct vas_block_zone *zone;
	struct vas_span span;

	for (uint32_t i = 0; i < blocks->zone_count; i++) {
		if (!vas_blocks_zone(blocks, i))
			continue;
		zone = vas_blocks_zone_enter(blocks, i);
		span = vas_blocks_zone_span(blocks, i);
		vas_block_tree_set_limit(&zone->tree,
					 vas_block_offset(zone, span.start + span.size));
		vas_blocks_zone_leave(blocks, zone);
	}
}

static void span_set(struct vas_blocks *blocks, uint64_t size)
{
	blocks->span.size = size;
	blocks->zone_count = (uint32_t)zones_of(blocks->span,
					       blocks->zone_shift + blocks->granule_shift);
	zones_adapt(blocks);
}

/* Copies every block from an address on. -ENOMEM: some were. */
static int blocks_copy(struct vas_blocks *from, uint64_t address, struct vas_blocks *to)
{
	struct vas_block_request request = { .flags = VAS_BLOCKS_EXACT };
	struct vas_block_info info;
	uint64_t start;
	int error = 0;

	while (!error && vas_blocks_next(from, address, &info) == 0) {
		address = info.span.start + info.span.size;
		if (!info.live)
			continue;
		request.size = info.span.size;
		request.address = info.span.start;
		request.mark = info.mark;
		error = vas_blocks_alloc(to, &request, &start);
	}
	VAS_ASSERT(!error || error == -ENOMEM);
	return error;
}

/* Frees every block from an address on. */
static void blocks_drop(struct vas_blocks *blocks, uint64_t address)
{
	struct vas_block_info info;

	while (vas_blocks_next(blocks, address, &info) == 0) {
		address = info.span.start + info.span.size;
		if (info.live)
			(void)vas_blocks_free(blocks, info.span.start, &info);
	}
	(void)vas_blocks_drain(blocks);
}

/* What rounding added to the block before an address, up to it or beyond, is given back. */
static void slack_drop(struct vas_blocks *blocks, uint64_t address)
{
	struct vas_block_zone *zone =
		vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, address));
	struct vas_block_place place;
	struct vas_block_info info;
	struct vas_block_run piece;

	if (!zone)
		return;
	vas_block_tree_find(&zone->tree, vas_block_offset(zone, address), &place);
	piece = vas_block_place_piece(&place);
	if (piece.end > vas_block_offset(zone, address) &&
	    vas_blocks_at(blocks, vas_block_address(zone, piece.start), &info) == 0 &&
	    info.span.start + info.span.size <= address)
		(void)vas_blocks_resize(blocks, info.span.start, info.span.size);
}

int vas_blocks_cut(struct vas_blocks *blocks, uint64_t at, struct vas_blocks **upper)
{
	uint64_t end = vas_blocks_end(blocks), seed = blocks->random;
	struct vas_block_info info;
	struct vas_blocks *made;
	int error;

	if (at <= blocks->span.start || at >= end || (at & (blocks->granule - 1)) != 0 ||
	    (vas_blocks_at(blocks, at, &info) == 0 && info.span.start != at))
		return -EINVAL;
	(void)vas_blocks_drain(blocks);
	error = vas_blocks_create((struct vas_span){ at, end - at }, blocks->granule,
				  vas_random_next(&seed), &blocks->support, &made);
	if (error)
		return error;
	error = blocks_copy(blocks, at, made);
	if (error) {
		vas_blocks_destroy(made);
		return error;
	}
	blocks->random = seed;
	slack_drop(blocks, at);
	blocks_drop(blocks, at);
	span_set(blocks, at - blocks->span.start);
	vas_blocks_cache_init(blocks);
	*upper = made;
	return 0;
}

static bool same_support(const struct vas_blocks_support *a, const struct vas_blocks_support *b)
{
	return a->context == b->context && a->take == b->take && a->give == b->give &&
	       a->lock == b->lock && a->unlock == b->unlock && a->slot == b->slot &&
	       a->single == b->single;
}

int vas_blocks_join(struct vas_blocks *lower, struct vas_blocks *upper)
{
	struct vas_span span = { lower->span.start, lower->span.size + upper->span.size };
	uint64_t size = lower->span.size, at = vas_blocks_end(lower);
	int error;

	if (lower == upper || !same_support(&lower->support, &upper->support) ||
	    at != upper->span.start || lower->granule != upper->granule ||
	    span.size / lower->granule > START_MOST)
		return -EINVAL;
	span_set(lower, span.size);
	error = blocks_copy(upper, at, lower);
	if (error) {
		blocks_drop(lower, at);
		span_set(lower, size);
		return error;
	}
	vas_blocks_cache_init(lower);
	vas_blocks_destroy(upper);
	return 0;
}
