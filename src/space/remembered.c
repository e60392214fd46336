/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Remembered requests.
 *
 * WHAT FOR. A claim at a place that is likely free costs one system call.
 * Right below the last claim of the same kind is such a place, and there the
 * kernel merges the two reservations into one mapping; where a span of the
 * same size was just released is another. And a request that was built once
 * need not be built again for the same options.
 *
 * STRATEGY. Four kinds of request are remembered, the oldest forgotten first.
 * A kind that is new or was forgotten goes beside the last span of any kind, so
 * that programs with many kinds still get few kernel mappings. What is
 * remembered is only proposed; the claim decides.
 *
 * CONCURRENCY. The space's lock is held.
 *
 * WHAT IT DOES NOT DO. It serves VAS_PLACE_ANY without limits only: other
 * placements say themselves where to look, and the memory behind limits may
 * have changed between two calls.
 */
#include "base/hot.h"
#include "base/number.h"
#include "space/space.h"

/* In line: a call into libc would touch another page. */
static inline __attribute__((always_inline)) bool same_opts(const struct vas_reserve_opts *a,
							    const struct vas_reserve_opts *b)
{
	/* Two words at a time: of a plain loop gcc 12 makes three times the instructions. */
	typedef uint64_t two_words __attribute__((vector_size(16), aligned(8), may_alias));
	const two_words *words_a = (const void *)a, *words_b = (const void *)b;
	two_words differ = { 0, 0 };

	_Static_assert(sizeof(*a) % sizeof(differ) == 0, "whole pairs of words");
#pragma GCC unroll 16
	for (size_t i = 0; i < sizeof(*a) / sizeof(differ); i++)
		differ |= words_a[i] ^ words_b[i];
	return (differ[0] | differ[1]) == 0;
}

VAS_HOT struct vas_remembered *vas_remembered_find(struct vas_space *space, uint64_t size,
					   const struct vas_reserve_opts *opts)
{
	for (uint32_t i = 0; i < VAS_REMEMBERED; i++) {
		struct vas_remembered *item = &space->remembered[i];

		if (item->size == size && item->opts.max == opts->max &&
		    same_opts(&item->opts, opts))
			return item;
	}
	return NULL;
}

/* In the window and aligned; the avoid set is empty. */
VAS_HOT static bool fits(const struct vas_request *request, uint64_t address)
{
	return address >= request->start && address <= request->end - request->size &&
	       vas_align_down(address - request->phase, request->alignment) ==
		       address - request->phase;
}

VAS_HOT bool vas_remembered_propose(const struct vas_remembered *item, uint32_t attempt,
			    uint64_t *address)
{
	const struct vas_request *request = &item->request;
	uint64_t place;

	if (attempt == 0 && item->freed.size == request->size &&
	    fits(request, item->freed.start)) {
		*address = item->freed.start;
		return true;
	}
	if (item->beside <= request->size)
		return false;
	if (!vas_align_down_phase(item->beside - request->size, request->alignment,
				  request->phase, &place))
		return false;
	if (!fits(request, place))
		return false;
	*address = place;
	return true;
}

void vas_remembered_claimed(struct vas_space *space, uint64_t size,
			    const struct vas_reserve_opts *opts,
			    const struct vas_request *request, uint32_t recipe,
			    struct vas_span span)
{
	struct vas_remembered *item = vas_remembered_find(space, size, opts);

	if (!item) {
		item = &space->remembered[space->remembered_next % VAS_REMEMBERED];
		*item = (struct vas_remembered){ .size = size,
						 .opts = *opts,
						 .request = *request,
						 .recipe = recipe,
						 .serial = space->remembered_next++ };
	}
	item->beside = span.start;
	item->freed.size = 0;
}

VAS_HOT void vas_remembered_freed(struct vas_space *space, struct vas_span span)
{
	if (space->beside == span.start)
		space->beside = span.start + span.size;
	for (uint32_t i = 0; i < VAS_REMEMBERED; i++) {
		struct vas_remembered *item = &space->remembered[i];

		if (span.start < item->request.start ||
		    span.start + span.size > item->request.end)
			continue;
		item->freed = span;
		if (item->beside == span.start)
			item->beside = span.start + span.size;
	}
}
