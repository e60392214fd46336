/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Remembered places.
 *
 * WHAT FOR. A claim at a place that is likely free costs one system call.
 * Right below the last claim under the same window is such a place, and there
 * the kernel merges the two reservations into one mapping; where a span of the
 * same size was just released is another.
 *
 * STRATEGY. Four windows are remembered, the oldest forgotten first. What is
 * remembered is only proposed; the claim decides.
 *
 * CONCURRENCY. The space's lock is held.
 *
 * WHAT IT DOES NOT DO. It serves VAS_PLACE_ANY only: every other placement
 * says itself where to look.
 */
#include "base/number.h"
#include "space/space.h"

static struct vas_remembered *remembered_for(const struct vas_space *space,
					     const struct vas_request *request)
{
	for (uint32_t i = 0; i < VAS_REMEMBERED; i++) {
		const struct vas_remembered *item = &space->remembered[i];

		if (item->start == request->start && item->end == request->end &&
		    item->alignment == request->alignment)
			return (struct vas_remembered *)(uintptr_t)item;
	}
	return NULL;
}

bool vas_remembered_propose(const struct vas_space *space, const struct vas_request *request,
			    uint32_t attempt, uint64_t *address)
{
	const struct vas_remembered *item = remembered_for(space, request);
	uint64_t place;

	if (!item)
		return false;
	if (attempt == 0 && item->freed.size == request->size)
		place = item->freed.start;
	else if (attempt <= 1 && item->beside > request->size &&
		 vas_align_down_phase(item->beside - request->size, request->alignment,
				      request->phase, &place))
		;
	else
		return false;
	if (!vas_request_accepts(request, place, request->size))
		return false;
	*address = place;
	return true;
}

void vas_remembered_claimed(struct vas_space *space, const struct vas_request *request,
			    struct vas_span span)
{
	struct vas_remembered *item = remembered_for(space, request);

	if (!item) {
		item = &space->remembered[space->remembered_next++ % VAS_REMEMBERED];
		*item = (struct vas_remembered){ .start = request->start,
						 .end = request->end,
						 .alignment = request->alignment };
	}
	item->beside = span.start;
	item->freed.size = 0;
}

void vas_remembered_freed(struct vas_space *space, struct vas_span span)
{
	for (uint32_t i = 0; i < VAS_REMEMBERED; i++) {
		struct vas_remembered *item = &space->remembered[i];

		if (item->end == 0 || span.start < item->start ||
		    span.start + span.size > item->end)
			continue;
		item->freed = span;
		if (item->beside == span.start)
			item->beside = span.start + span.size;
	}
}
