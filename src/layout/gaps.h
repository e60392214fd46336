/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free ranges between mappings, less margins: below each stack, above the
 * break, below the lowest and above the highest mappable address. Pure.
 *
 *	vas_gaps_begin(&gaps, min, max, &margins, brk);
 *	vas_gaps_know_stack(&gaps, top);	// when it is known beforehand
 *	do {
 *		more = next mapping of the reading
 *		while (vas_gaps_show(&gaps, more ? &mapping : NULL, &gap))
 *			use the gap
 *	} while (more);
 *
 * A margin can split the room between two mappings, so one mapping may end
 * several gaps: show it again until the answer is false.
 */
#ifndef VAS_LAYOUT_GAPS_H
#define VAS_LAYOUT_GAPS_H

#include "layout/bounds.h"
#include "layout/reader.h"

struct vas_gaps {
	uint64_t position; /* free from here on, as far as known; I: never falls */
	uint64_t min, max; /* window */
	struct vas_margins margins;
	uint64_t brk; /* 0 = not known (another process: the end of [heap] stands in) */
	uint32_t pending_flags; /* TRIMMED_BELOW when position stands at the end of a margin */
	bool at_end;
	struct vas_span kept_items[2]; /* of the break and of the stack that is known */
	struct vas_spanset kept;
};

/* margins may be NULL: gaps as they are. */
void vas_gaps_begin(struct vas_gaps *gaps, uint64_t min, uint64_t max,
		    const struct vas_margins *margins, uint64_t brk);
/*
 * Tells where the main stack ends (one past its last byte). Without it, what
 * the margin takes is known when the reading comes to [stack], and only from
 * the gap right below it. A zero top is ignored.
 */
void vas_gaps_know_stack(struct vas_gaps *gaps, uint64_t top);
/*
 * Shows the next mapping; returns true with *gap filled when a free range ends
 * there: then show the same mapping again. With mapping NULL (the end of the
 * reading): the last gaps, up to max.
 */
bool vas_gaps_show(struct vas_gaps *gaps, const struct vas_mapping *mapping, struct vas_gap *gap);

#endif
