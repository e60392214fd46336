/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks that were freed and wait: until every thread that may still look at them has passed, or
 * (debug mode) until enough others were freed after them.
 */
#ifndef VAS_REGION_QUARANTINE_H
#define VAS_REGION_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/region.h>

#include "core/blocks.h"
#include "record/report.h"
#include "region/readers.h"

struct vas_quarantine {
	struct vas_readers *readers; /* constant; NULL = quarantine is off */
	uint64_t horizon; /* blocks with a lower stamp have been passed by all, as last seen */
	uint64_t bytes; /* I: in blocks that are WAITING */
	uint32_t count; /* I: such blocks */
	uint32_t first, last; /* their records, in the order of frees */
	uint32_t stuck; /* looks at the threads in a row that found one in the way */
};

/* Whether freed blocks wait at all in this region: then each block has a record. */
bool vas_quarantine_is_on(const struct vas_region *region);
/* The block, which has a record, waits from now on; its promise stays in its mark. Lock held. */
void vas_quarantine_put(struct vas_region *region, const struct vas_block_info *info);
/*
 * Blocks that have waited long enough go their way, at most limit of them; all: also those that only delay
 * keeps, and threads that are in the way are looked for. Returns the bytes. No lock, not pinned.
 */
uint64_t vas_quarantine_advance(struct vas_region *region, uint32_t limit, bool all);

/*
 * The region's lock held, of both. A region was cut, and its queue is divided; the upper one's names records of
 * the lower one's still.
 */
void vas_quarantine_divide(struct vas_region *lower, struct vas_region *upper);
/* What a queue named in before has moved to region; VAS_RECORD_MOVED tells where to. */
void vas_quarantine_renumber(struct vas_quarantine *quarantine, struct vas_region *region,
			     const struct vas_region *before);
/* Regions were joined: their two queues, both of lower's records by now, become one. */
void vas_quarantine_unite(struct vas_region *lower, struct vas_region *upper);
/* Every invariant of the queue. Lock held. */
bool vas_quarantine_check(const struct vas_region *region);

#endif
