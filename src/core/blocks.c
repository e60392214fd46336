/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block allocator.
 *
 * WHAT FOR. Carves one span of numbers into blocks, for regions of addresses and
 * for offsets in objects, without touching the span.
 *
 * STRATEGY. What is taken stands in trees in address order that know their gaps
 * (block_tree.c), one for each zone of the span (blocks_zone.c); a search goes down to a gap
 * that takes the request (blocks_place.c). What is known of a block is a record (block_record.h)
 * in a hash table of starts (block_table.c).
 *
 * In front of that, in spans that are large, stand magazines (block_magazine.h): a plain request is
 * rounded up to a size class, and a freed block of a class waits there for the next request. Neither
 * touches a tree or a lock then. They are emptied before a request is refused, and rest
 * while the span is nearly full, so what they keep and what rounding adds is never missed.
 *
 * Requests with a window are served in the same way from shelves (blocks_shelf.c).
 *
 * Without a direction a block goes to a low place, too: over long runs, that
 * keeps more of a span usable than taking the best fit does.
 *
 * CONCURRENCY. A free makes a record CACHED by compare-and-swap, which only one of several frees of
 * the same block can do; the record is its alone then, and goes into a magazine, onto a shelf, or to
 * the books under the zone's lock. Who changes a mark claims the record in the same way and makes it LIVE
 * again, so a free that expects a mark cannot be deceived. Looking a block up takes no lock; who finds nothing looks
 * again under the lock.
 *
 * WHAT IT DOES NOT DO. It does not keep anyone from using a block that another frees. It gives
 * memory of the books back only at the end.
 */
#include "core/blocks.h"

#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "base/number.h"
#include "core/blocks_place.h"
#include "core/blocks_shelf.h"
#include "core/blocks_zone.h"

#define ALIGNED (UINT64_C(64) << 10) /* no alignment below has a kind of its own */

#define FLAGS (VAS_BLOCKS_LOW | VAS_BLOCKS_HIGH | VAS_BLOCKS_EXACT | VAS_BLOCKS_RANDOM)

static uint64_t span_end(const struct vas_blocks *blocks)
{
	return vas_blocks_end(blocks);
}

static bool is_granular(const struct vas_blocks *blocks, uint64_t x)
{
	return (x & (blocks->granule - 1)) == 0;
}

/* --- alloc --- */

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

/* A request that has at most an alignment that is a power of two, and a window. */
static inline bool is_simple(const struct vas_block_request *request)
{
	return (request->phase | request->boundary | request->margin | request->flags |
		(request->alignment & (request->alignment - 1))) == 0;
}

/* The same without a window. */
static inline bool is_plain(const struct vas_block_request *request)
{
	return (request->phase | request->min | request->max | request->boundary | request->margin |
		request->flags | (request->alignment & (request->alignment - 1))) == 0;
}

/*
 * The class of a plain request that magazines serve for now. last: its granules less one. NO_CLASS: there is
 * none.
 */
static inline uint32_t request_class(const struct vas_blocks *blocks,
				     const struct vas_block_request *request, uint64_t last)
{
	uint64_t alignment = request->alignment;
	uint32_t class;

	if (!is_plain(request))
		return VAS_BLOCK_NO_CLASS;
	if (last >= __atomic_load_n(&blocks->cached, __ATOMIC_RELAXED))
		return VAS_BLOCK_NO_CLASS;
	class = vas_block_class((uint32_t)last);
	if (__builtin_expect(alignment >= ALIGNED, 0))
		for (uint32_t kind = 1; kind < VAS_BLOCK_KINDS; kind++)
			class += alignment >= blocks->alignment[kind] ? VAS_BLOCK_CLASSES : 0;
	return class;
}

/* A block from the magazine, aligned to mask + 1 granules. False: there is none. */
static inline __attribute__((always_inline)) bool
alloc_cached(struct vas_blocks *blocks, struct vas_block_magazine *magazine, uint32_t class,
	     uint64_t last, uint64_t mask, uint32_t mark, bool alone, uint64_t *start)
{
	struct vas_block_record *record;
	uint64_t word;

	if (__builtin_expect(!vas_block_magazine_take(magazine, class % VAS_BLOCK_CLASSES,
						      &blocks->records,
						      blocks->base >> blocks->granule_shift, mask,
						      &record, &word, alone),
			     0))
		return false;
	vas_word_store32(&record->size, (uint32_t)last | class << VAS_BLOCK_CLASS_SHIFT);
	vas_word_store32(&record->link, mark);
	vas_word_store(&record->word, word - (VAS_BLOCK_CACHED - VAS_BLOCK_LIVE));
	*start = vas_blocks_word_address(blocks, word);
	return true;
}

/* Where the place of a request and its margins can be. */
static struct vas_span order_reach(const struct vas_blocks *blocks,
				   const struct vas_block_order *order)
{
	uint64_t margin = order->query.margin, min = order->query.min, max = order->query.max;

	if (order->flags & VAS_BLOCKS_EXACT) {
		min = order->address;
		max = min + order->query.size;
	}
	/* I: the span has the margins. */
	min = min - blocks->span.start > margin ? min - margin : blocks->span.start;
	max = span_end(blocks) - max > margin ? max + margin : span_end(blocks);
	return (struct vas_span){ min, max - min };
}

/*
 * What found no place at the first try. Any place will do: without rounding, which rests until there
 * is room again, and wherever there may be room.
 */
static int alloc_late(struct vas_blocks *blocks, struct vas_block_order *order, uint64_t *start)
{
	struct vas_span reach = order_reach(blocks, order);
	bool all = reach.size == blocks->span.size;
	int error = -ENOSPC;

	if (!order->flags) {
		if (all)
			vas_blocks_tighten(blocks);
		else
			vas_blocks_tighten_windows(blocks);
		order->class = VAS_BLOCK_NO_CLASS;
		order->query.size = order->size;
		error = vas_blocks_place(blocks, order, false, start);
	}
	if (error != -ENOSPC)
		return error;
	if (all ? vas_blocks_drain(blocks) : vas_blocks_drain_window(blocks, reach, !order->flags))
		error = vas_blocks_place(blocks, order, false, start);
	return error;
}

/* Which of the alignments that rooms are known for a plain request has; ROOMS: none. */
static inline uint32_t plain_key(const struct vas_blocks *blocks, uint64_t alignment)
{
	uint32_t key = 0;

	if (alignment <= blocks->granule)
		return 0;
	while (++key < VAS_BLOCK_ROOMS && alignment != blocks->alignment[key])
		;
	return key;
}

/*
 * The short way to a place, for requests that have at most one of some alignments and a window, of which
 * the zones that lie in it as a whole are looked at. -ENOSPC: there may be one all the same.
 */
static inline int place_plain(struct vas_blocks *blocks, const struct vas_block_request *request,
			      uint32_t class, uint64_t *start)
{
	struct vas_block_what what = {
		.size = ((request->size - 1) >> blocks->granule_shift) + 1,
		.class = class,
		.mark = request->mark,
	};
	uint32_t key = plain_key(blocks, request->alignment), first, end;

	if (!is_simple(request) || key == VAS_BLOCK_ROOMS || request->size == 0 ||
	    what.size > VAS_BLOCK_TREE_MOST ||
	    !vas_blocks_window_zones(blocks, request->min, request->max, &first, &end))
		return -ENOSPC;
	return vas_blocks_place_size(blocks, &what, key, first, end - 1, start);
}

/* Anything that the magazine did not have. Out of line: the way past it is short. */
static __attribute__((noinline)) int alloc_placed(struct vas_blocks *blocks,
						  const struct vas_block_request *request,
						  uint32_t class, uint64_t *start)
{
	struct vas_block_order order;
	int error;

	/* Here, as a free must not ask for memory. */
	if (class < VAS_BLOCK_SHELVED)
		vas_blocks_magazine_make(blocks, class);
	else if (class != VAS_BLOCK_NO_CLASS)
		vas_blocks_shelf_make(blocks, class);
	error = place_plain(blocks, request, class, start);
	if (error != -ENOSPC)
		return error;
	order = (struct vas_block_order){
		.flags = request->flags,
		.class = class,
		.mark = request->mark,
		.address = request->address,
	};
	error = query_make(blocks, request, &order.query);
	if (error)
		return error;
	order.size = order.query.size;
	if (class != VAS_BLOCK_NO_CLASS)
		order.query.size = (uint64_t)vas_block_class_size(class) << blocks->granule_shift;
	error = vas_blocks_place(blocks, &order, true, start);
	if (__builtin_expect(error == -ENOSPC || error == -EEXIST, 0)) {
		int late = alloc_late(blocks, &order, start);

		error = late == -ENOSPC ? error : late;
	}
	return error;
}

static inline __attribute__((always_inline)) int
alloc_any(struct vas_blocks *blocks, const struct vas_block_request *request, bool alone,
	  uint64_t *start)
{
	uint64_t last = (request->size - 1) >> blocks->granule_shift;
	uint64_t mask = (request->alignment - (request->alignment != 0)) >> blocks->granule_shift;
	uint32_t class = request_class(blocks, request, last);

	if (class != VAS_BLOCK_NO_CLASS &&
	    alloc_cached(blocks, vas_blocks_magazine(blocks, class, alone), class, last, mask,
			 request->mark, alone, start))
		return 0;
	return alloc_placed(blocks, request, class, start);
}

/* What was not in a zone that lies in the window. */
static __attribute__((noinline)) int alloc_window_slow(struct vas_blocks *blocks,
						       const struct vas_block_request *request,
						       uint32_t class, uint64_t *start)
{
	if (class != VAS_BLOCK_NO_CLASS &&
	    vas_blocks_shelf_take_slow(blocks, request, class, start))
		return 0;
	return alloc_placed(blocks, request, class, start);
}

static __attribute__((noinline)) int alloc_window(struct vas_blocks *blocks,
						  const struct vas_block_request *request,
						  uint64_t *start)
{
	uint32_t class = vas_blocks_shelf_class(blocks, request);

	if (__builtin_expect(class != VAS_BLOCK_NO_CLASS, 1) &&
	    vas_blocks_shelf_take(blocks, request, class, start))
		return 0;
	return alloc_window_slow(blocks, request, class, start);
}

static __attribute__((noinline)) int
alloc_shared(struct vas_blocks *blocks, const struct vas_block_request *request, uint64_t *start)
{
	return alloc_any(blocks, request, false, start);
}

VAS_HOT int vas_blocks_alloc(struct vas_blocks *blocks, const struct vas_block_request *request,
			     uint64_t *start)
{
	if (__builtin_expect((request->min | request->max) != 0, 0))
		return alloc_window(blocks, request, start);
	if (!vas_blocks_single(blocks))
		return alloc_shared(blocks, request, start);
	return alloc_any(blocks, request, true, start);
}

/* What a magazine did not have. */
static __attribute__((noinline)) int alloc_size_placed(struct vas_blocks *blocks, uint64_t size,
						       uint32_t mark, uint64_t *start)
{
	const struct vas_block_request request = { .size = size, .mark = mark };
	uint64_t last = (size - 1) >> blocks->granule_shift;

	return alloc_placed(blocks, &request, request_class(blocks, &request, last), start);
}

static inline __attribute__((always_inline)) int
alloc_size(struct vas_blocks *blocks, uint64_t size, uint32_t mark, bool alone, uint64_t *start)
{
	uint64_t last = (size - 1) >> blocks->granule_shift;

	if (__builtin_expect(last < __atomic_load_n(&blocks->cached, __ATOMIC_RELAXED), 1) &&
	    alloc_cached(blocks, vas_blocks_magazine(blocks, 0, alone),
			 vas_block_class((uint32_t)last), last, 0, mark, alone, start))
		return 0;
	return alloc_size_placed(blocks, size, mark, start);
}

static __attribute__((noinline)) int alloc_size_shared(struct vas_blocks *blocks, uint64_t size,
						       uint32_t mark, uint64_t *start)
{
	return alloc_size(blocks, size, mark, false, start);
}

VAS_HOT int vas_blocks_alloc_size(struct vas_blocks *blocks, uint64_t size, uint32_t mark,
				  uint64_t *start)
{
	if (!vas_blocks_single(blocks))
		return alloc_size_shared(blocks, size, mark, start);
	return alloc_size(blocks, size, mark, true, start);
}
