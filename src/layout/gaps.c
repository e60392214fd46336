/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gaps: the complement of the mappings within a window, less margins.
 *
 * What for: listings of free ranges, and the search when it reads the text.
 *
 * Strategy: position is the lowest address that may still be free. Each
 * mapping closes the range [position, its start); that range less the kept
 * spans (break, stack) is told piece by piece. What the margins keep is known
 * beforehand for this process. For others it is found on the way: the end of
 * [heap] moves position up, the start of [stack] pulls the end of the range
 * down; a range told earlier is not taken back.
 *
 * Concurrency: none, a value.
 */
#include "layout/gaps.h"

#include <string.h>

#include "base/number.h"

void vas_gaps_begin(struct vas_gaps *gaps, uint64_t min, uint64_t max,
		    const struct vas_margins *margins, uint64_t brk)
{
	memset(gaps, 0, sizeof(*gaps));
	gaps->position = min;
	gaps->min = min;
	gaps->max = max;
	if (margins)
		gaps->margins = *margins;
	vas_spanset_init(&gaps->kept, gaps->kept_items, 2);
	if (margins && brk) {
		struct vas_span span = vas_margin_above_brk(margins, brk);

		gaps->brk = brk;
		(void)vas_spanset_add(&gaps->kept, span.start, vas_span_end(span));
	}
}

void vas_gaps_know_stack(struct vas_gaps *gaps, uint64_t top)
{
	struct vas_span span;

	if (!top || !gaps->margins.stack)
		return;
	span = vas_margin_below_stack(&gaps->margins, top);
	(void)vas_spanset_add(&gaps->kept, span.start, vas_span_end(span));
}

/* The first piece of [gaps->position, limit) that nothing is kept of; moves position past it. */
static bool next_piece(struct vas_gaps *gaps, uint64_t limit, uint32_t end_flags,
		       struct vas_gap *gap)
{
	size_t i = vas_spanset_find(&gaps->kept, gaps->position);

	for (; gaps->position < limit; i++) {
		bool kept = i < gaps->kept.count && gaps->kept.items[i].start < limit;
		uint64_t stop = kept ? gaps->kept.items[i].start : limit;

		if (gaps->position < stop) {
			gap->start = gaps->position;
			gap->end = stop;
			gap->flags =
				gaps->pending_flags | (kept ? VAS_GAP_TRIMMED_ABOVE : end_flags);
			gaps->position = stop;
			return true;
		}
		if (!kept)
			return false;
		gaps->position = vas_span_end(gaps->kept.items[i]);
		gaps->pending_flags = VAS_GAP_TRIMMED_BELOW;
	}
	return false;
}

static void raise(struct vas_gaps *gaps, uint64_t address, uint32_t flags)
{
	if (address < gaps->position)
		return;
	gaps->position = address;
	gaps->pending_flags = flags;
}

bool vas_gaps_show(struct vas_gaps *gaps, const struct vas_mapping *mapping, struct vas_gap *gap)
{
	uint64_t limit = gaps->max;
	uint32_t end_flags = 0;

	if (gaps->at_end)
		return false;
	if (mapping && mapping->start < limit)
		limit = mapping->start;
	if (mapping && (mapping->flags & VAS_MAPPING_STACK) && gaps->margins.stack) {
		struct vas_span span = vas_margin_below_stack(&gaps->margins, mapping->end);

		if (span.start < limit) {
			limit = span.start;
			end_flags = VAS_GAP_TRIMMED_ABOVE;
		}
	}
	if (next_piece(gaps, limit, end_flags, gap))
		return true;
	if (!mapping || gaps->position >= gaps->max) {
		gaps->at_end = true;
		return false;
	}
	raise(gaps, mapping->end, 0);
	if ((mapping->flags & VAS_MAPPING_HEAP) && !gaps->brk && gaps->margins.brk)
		raise(gaps, vas_span_end(vas_margin_above_brk(&gaps->margins, mapping->end)),
		      VAS_GAP_TRIMMED_BELOW);
	return false;
}
