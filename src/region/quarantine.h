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

/* One thread that has joined. On a cache line of its own. */
struct vas_region_thread {
	/* The region's epoch when it entered; 0 = it is outside. Written by the thread (atomic) */
	uint64_t entered;
	const uint64_t *epoch; /* constant: the region's */
	struct vas_region *region; /* constant */
	struct vas_region_thread *next; /* constant while the region lives */
	uint32_t depth; /* of enters; the thread's own */
	uint32_t id; /* the kernel's; 0 = nobody's. Written under the region's lock (atomic) */
} __attribute__((aligned(64)));

struct vas_quarantine {
	uint64_t epoch; /* counts frees (atomic); I: above the stamp of each block that waits */
	uint64_t horizon; /* blocks with a lower stamp have been passed by all, as last seen */
	uint64_t bytes; /* I: in blocks that are WAITING */
	uint32_t count; /* I: such blocks */
	uint32_t first, last; /* their records, in the order of frees */
	uint32_t stuck; /* looks at the threads in a row that found one in the way */
	uint32_t forker; /* the thread that forks, while it does */
	struct vas_region_thread *threads;
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
void vas_quarantine_free(struct vas_region *region);
/* Around fork, the lock held. */
void vas_quarantine_fork_prepare(struct vas_region *region);
void vas_quarantine_fork_child(struct vas_region *region);

int vas_quarantine_join(struct vas_region *region, struct vas_failure *failure,
			struct vas_region_thread **thread);
int vas_quarantine_quit(struct vas_region_thread *thread, struct vas_failure *failure);

#endif
