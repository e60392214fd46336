/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free ranges between mappings, less margins: below each stack, above the
 * break, below the lowest and above the highest mappable address.
 */
#ifndef VAS_LAYOUT_GAPS_H
#define VAS_LAYOUT_GAPS_H

#include "layout/bounds.h"
#include "layout/reader.h"

struct vas_gaps {
	uint64_t position; /* free from here on, as far as known */
	uint64_t min, max; /* window */
	struct vas_margins margins;
	uint64_t brk; /* 0 = not known (another process: the end of [heap] stands in) */
	uint32_t pending_flags;
	bool at_end;
};

void vas_gaps_begin(struct vas_gaps *gaps, uint64_t min, uint64_t max,
		    const struct vas_margins *margins, uint64_t brk);
/*
 * Shows the next mapping; returns true with *gap filled when a free range ends
 * there. With mapping NULL (the end of the reading): the last gap, up to max.
 */
bool vas_gaps_show(struct vas_gaps *gaps, const struct vas_mapping *mapping, struct vas_gap *gap);

#endif
