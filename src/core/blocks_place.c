/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding a place in the zones of an allocator.
 *
 * WHAT FOR. The lowest, the highest, an exact or any place that satisfies a request, and a
 * refusal only when there is none, at a cost that does not grow with the span.
 *
 * STRATEGY. Quick: the lowest zone whose hint says that there is room for sure, one way down its
 * tree. That serves nearly every request. Otherwise each zone of the window in turn: first a place inside
 * it, then one in the range that begins in its last gap and goes on in the zones
 * above. The two together are every place there is, in the order of
 * addresses: a place inside the last gap's part of the zone lies below those that cross its edge.
 * Downwards it is the other way round.
 *
 * A zone whose largest gap is too small for the request is passed over, as the inside goes; the gap at
 * its end is looked at all the same.
 *
 * CONCURRENCY. One zone is locked at a time, and those above it while a range that crosses is
 * looked at. A refusal of the slow way is true for a moment in each zone, one after the
 * other: when other threads free and take blocks meanwhile, there may have been no moment at which it
 * was true for all.
 *
 * BOUNDS. With z zones in the window and n blocks in a zone: O(z + log n), and for alignments,
 * phases and boundaries that no room is known for as block_search.h says.
 */
#include "core/blocks_place.h"

#include <errno.h>

#include "base/hot.h"
#include "base/number.h"
#include "base/random.h"
#include "core/block_search.h"

/* --- one zone --- */

/* A place inside a zone, which is locked. -ENOSPC: there is none. */
static int zone_place(struct vas_blocks *blocks, struct vas_block_zone *zone,
		      const struct vas_block_order *order, uint64_t *start)
{
	struct vas_block_what what = { order->size >> blocks->granule_shift, order->class,
				       order->mark };
	struct vas_block_place place;
	struct vas_block_want want;
	enum vas_block_found found;
	uint32_t offset;

	if (vas_block_is_refused(&zone->tree, &order->query) ||
	    !vas_block_want_make(&zone->tree, &order->query, &want))
		return -ENOSPC;
	if (order->flags & VAS_BLOCKS_HIGH)
		found = vas_block_search_high(&zone->tree, &want, &place, &offset);
	else if (order->flags & VAS_BLOCKS_LOW)
		found = vas_block_search_low(&zone->tree, &want, &place, &offset);
	else
		found = vas_block_search_any(&zone->tree, &want, &place, &offset);
	if (found != VAS_BLOCK_FOUND) {
		vas_block_refused(&zone->tree, &want);
		return -ENOSPC;
	}
	*start = vas_block_address(zone, offset);
	return vas_blocks_take_one(blocks, zone, &what, &place, offset);
}

/* --- what crosses the edges of zones --- */

/* The end of the window with its margin, inside the span. */
static uint64_t order_end(const struct vas_blocks *blocks, const struct vas_block_order *order)
{
	uint64_t end = vas_blocks_end(blocks);

	return order->query.margin < end - order->query.max ? order->query.max + order->query.margin
							    : end;
}

/* The start. */
static uint64_t order_start(const struct vas_blocks *blocks, const struct vas_block_order *order)
{
	uint64_t start = blocks->span.start;

	return order->query.margin < order->query.min - start
		       ? order->query.min - order->query.margin
		       : start;
}

/* A free range that begins in the first and ends in, or at the end of, the last of some zones. */
struct crossing {
	uint32_t first; /* zones that are locked */
	uint32_t last;
	uint64_t start;
	uint64_t end;
};

static uint64_t zone_end(const struct vas_block_zone *zone)
{
	return vas_block_address(zone, zone->tree.range.end);
}

/* The free range at the end of a zone, which is locked; it may be empty. */
static struct crossing crossing_begin(const struct vas_block_zone *zone)
{
	struct vas_block_place place;

	vas_block_tree_last(&zone->tree, &place);
	return (struct crossing){
		.first = zone->number,
		.last = zone->number,
		.start = vas_block_address(zone, vas_block_place_gap(&place).start),
		.end = zone_end(zone),
	};
}

/*
 * Goes on in the next zone. 0: it got larger. -ENOSPC: it ends here. -ENOMEM.
 */
static int crossing_extend(struct vas_blocks *blocks, struct crossing *crossing)
{
	struct vas_block_zone *zone = vas_blocks_zone(blocks, crossing->last);
	struct vas_block_place place;

	if (crossing->end < zone_end(zone) || crossing->last + 1 == blocks->zone_count)
		return -ENOSPC;
	zone = vas_blocks_zone_enter(blocks, crossing->last + 1);
	if (!zone)
		return -ENOMEM;
	crossing->last++;
	vas_block_tree_first(&zone->tree, &place);
	crossing->end = vas_block_address(zone, vas_block_place_gap(&place).end);
	return crossing->end > vas_block_address(zone, zone->tree.range.start) ? 0 : -ENOSPC;
}

/* The zones above the first one. */
static void crossing_end(struct vas_blocks *blocks, const struct crossing *crossing)
{
	if (crossing->last > crossing->first)
		vas_blocks_zones_leave(blocks, crossing->first + 1, crossing->last);
}

static bool crossing_fits(const struct crossing *crossing, const struct vas_block_order *order,
			  uint64_t *start)
{
	uint64_t margin = order->query.margin;

	if (crossing->end - crossing->start < order->query.size + 2 * margin)
		return false;
	if (order->flags & VAS_BLOCKS_HIGH)
		return vas_block_fit_high(&order->query, crossing->start + margin,
					  crossing->end - margin, start);
	return vas_block_fit_low(&order->query, crossing->start + margin, crossing->end - margin,
				 start);
}

/*
 * A place in the range that begins at the end of a zone, which is locked, and goes on above.
 * Upwards the first that is found is the lowest; downwards all of the range must be known.
 */
static int crossing_place(struct vas_blocks *blocks, struct vas_block_zone *zone,
			  const struct vas_block_order *order, uint64_t *start)
{
	struct crossing crossing = crossing_begin(zone);
	bool all = (order->flags & VAS_BLOCKS_HIGH) != 0, fits = false;
	uint64_t end = order_end(blocks, order);
	int error = 0;

	if (crossing.start == crossing.end)
		return -ENOSPC;
	while (!error && (all || !fits) && crossing.end < end) {
		error = crossing_extend(blocks, &crossing);
		fits = error != -ENOMEM && crossing_fits(&crossing, order, start);
	}
	if (fits && error != -ENOMEM)
		error = vas_blocks_take(blocks, (struct vas_span){ *start, order->size },
					order->class, order->mark);
	else if (error != -ENOMEM)
		error = -ENOSPC;
	crossing_end(blocks, &crossing);
	return error;
}

/* --- all zones --- */

/* The zone's inside, unless its largest gap is too small. */
static int inside_place(struct vas_blocks *blocks, struct vas_block_zone *zone,
			const struct vas_block_order *order, uint64_t *start)
{
	if (zone->tree.room[0] < order->query.size >> blocks->granule_shift)
		return -ENOSPC;
	return zone_place(blocks, zone, order, start);
}

/* One zone, and what crosses its end, in the order of the search. */
static int zone_try(struct vas_blocks *blocks, uint32_t number, const struct vas_block_order *order,
		    uint64_t *start)
{
	struct vas_block_zone *zone = vas_blocks_zone_enter(blocks, number);
	int error = -ENOSPC;

	if (!zone)
		return -ENOMEM;
	if (order->flags & VAS_BLOCKS_HIGH)
		error = crossing_place(blocks, zone, order, start);
	if (error == -ENOSPC)
		error = inside_place(blocks, zone, order, start);
	if (error == -ENOSPC && !(order->flags & VAS_BLOCKS_HIGH))
		error = crossing_place(blocks, zone, order, start);
	vas_blocks_zone_leave(blocks, zone);
	return error;
}

static int slow_place(struct vas_blocks *blocks, const struct vas_block_order *order,
		      uint64_t *start)
{
	uint32_t first = vas_blocks_zone_number(blocks, order_start(blocks, order));
	uint32_t last = vas_blocks_zone_number(blocks, order_end(blocks, order) - 1);
	bool high = (order->flags & VAS_BLOCKS_HIGH) != 0;
	int error = -ENOSPC;

	for (uint32_t i = 0; i <= last - first && error == -ENOSPC; i++)
		error = zone_try(blocks, high ? last - i : first + i, order, start);
	return error;
}

/* The largest alignment that rooms are known for and that the request's contains. */
static uint32_t order_key(const struct vas_blocks *blocks, const struct vas_block_order *order)
{
	const struct vas_block_query *query = &order->query;
	uint32_t key = VAS_BLOCK_ROOMS - 1;

	if (query->margin)
		return 0;
	while (key > 0 && ((query->alignment | query->phase) & (blocks->alignment[key] - 1)) != 0)
		key--;
	return key;
}

VAS_HOT static int quick_place(struct vas_blocks *blocks, const struct vas_block_order *order,
			       uint64_t *start)
{
	uint64_t need = (order->query.size + 2 * order->query.margin) >> blocks->granule_shift;
	uint32_t number = vas_blocks_zone_number(blocks, order->query.min);
	uint32_t last = vas_blocks_zone_number(blocks, order->query.max - 1);
	uint32_t key = order_key(blocks, order);
	struct vas_block_zone *zone;
	int error = -ENOSPC;

	if (need > VAS_BLOCK_TREE_MOST)
		return -ENOSPC;
	for (; error == -ENOSPC; number++) {
		number = vas_blocks_zone_with(blocks, number, last, key, (uint32_t)need);
		if (number == UINT32_MAX)
			return -ENOSPC;
		zone = vas_blocks_zone_enter(blocks, number);
		if (!zone)
			return -ENOMEM;
		error = zone_place(blocks, zone, order, start);
		vas_blocks_zone_leave(blocks, zone);
	}
	return error;
}

VAS_HOT int vas_blocks_place_size(struct vas_blocks *blocks, const struct vas_block_what *what,
				  uint32_t key, uint32_t first, uint32_t last, uint64_t *start)
{
	uint32_t need = what->class == VAS_BLOCK_NO_CLASS ? (uint32_t)what->size
							  : vas_block_class_size(what->class);
	struct vas_block_place place;
	uint32_t number = first, offset;
	int error = -ENOSPC;

	for (; error == -ENOSPC; number++) {
		struct vas_block_zone *zone;

		number = vas_blocks_zone_with(blocks, number, last, key, need);
		if (number == UINT32_MAX)
			return -ENOSPC;
		zone = vas_blocks_zone_enter(blocks, number);
		if (!zone)
			return -ENOMEM;
		if (vas_block_search_size(&zone->tree, need, key, &place, &offset)) {
			*start = vas_block_address(zone, offset);
			error = vas_blocks_take_one(blocks, zone, what, &place, offset);
		}
		vas_blocks_zone_leave(blocks, zone);
	}
	return error;
}

/* --- an address, or somewhere --- */

/* Whether [start, end) is free in one zone, which is locked. */
static bool part_is_free(const struct vas_block_zone *zone, uint64_t start, uint64_t end)
{
	uint64_t from = vas_block_address(zone, zone->tree.range.start), to = zone_end(zone);
	struct vas_block_place place;
	struct vas_block_run gap;
	uint32_t offset;

	from = start > from ? start : from;
	to = end < to ? end : to;
	offset = vas_block_offset(zone, from);
	vas_block_tree_find(&zone->tree, offset, &place);
	gap = vas_block_place_gap(&place);
	return gap.start <= offset && vas_block_offset(zone, to) <= gap.end;
}

static int exact_place(struct vas_blocks *blocks, const struct vas_block_order *order,
		       uint64_t *start)
{
	uint64_t from = order->address - order->query.margin;
	uint64_t to = order->address + order->query.size + order->query.margin;
	uint32_t first = vas_blocks_zone_number(blocks, from);
	uint32_t last = vas_blocks_zone_number(blocks, to - 1);
	bool free = true;
	int error;

	if (!vas_blocks_zones_enter(blocks, first, last))
		return -ENOMEM;
	for (uint32_t i = first; i <= last && free; i++)
		free = part_is_free(vas_blocks_zone(blocks, i), from, to);
	error = -EEXIST;
	if (free)
		error = vas_blocks_take(blocks, (struct vas_span){ order->address, order->size },
					order->class, order->mark);
	vas_blocks_zones_leave(blocks, first, last);
	*start = error ? *start : order->address;
	return error;
}

/* The first place above an address drawn evenly from the window, or else any. */
static int random_place(struct vas_blocks *blocks, const struct vas_block_order *order,
			uint64_t *start)
{
	const struct vas_block_query *query = &order->query;
	struct vas_block_order above = *order;
	uint64_t starts = (query->max - query->min - query->size) / blocks->granule + 1;
	uint64_t random = __atomic_fetch_add(&blocks->random, 1, __ATOMIC_RELAXED);
	int error;

	random = vas_mix64(random);
	above.query.min += vas_random_below(&random, starts) * blocks->granule;
	error = slow_place(blocks, &above, start);
	return error == -ENOSPC ? slow_place(blocks, order, start) : error;
}

VAS_HOT int vas_blocks_place(struct vas_blocks *blocks, const struct vas_block_order *order,
			     bool quick, uint64_t *start)
{
	switch (order->flags) {
	case VAS_BLOCKS_EXACT:
		return exact_place(blocks, order, start);
	case VAS_BLOCKS_RANDOM:
		return random_place(blocks, order, start);
	case VAS_BLOCKS_LOW:
	case VAS_BLOCKS_HIGH:
		return slow_place(blocks, order, start);
	default:
		return quick ? quick_place(blocks, order, start) : slow_place(blocks, order, start);
	}
}
