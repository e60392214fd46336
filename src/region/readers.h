/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that have joined a region, and when each of them entered. Regions that were split from one
 * share them: a thread that may look at blocks of one may look at blocks of all.
 */
#ifndef VAS_REGION_READERS_H
#define VAS_REGION_READERS_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/region.h>

#include "record/report.h"

struct vas_space;

/* One thread that has joined. On a cache line of its own. */
struct vas_region_thread {
	/* The epoch when it entered; 0 = it is outside. Written by the thread (atomic) */
	uint64_t entered;
	const uint64_t *epoch; /* constant: the readers' */
	struct vas_readers *readers; /* constant */
	struct vas_region_thread *next; /* constant once it is in the list */
	uint32_t depth; /* of enters; the thread's own */
	uint32_t id; /* the kernel's; 0 = nobody's. Written under the space's lock (atomic) */
} __attribute__((aligned(64)));

struct vas_readers {
	uint64_t epoch; /* counts frees (atomic); I: above the stamp of each block that waits */
	struct vas_region_thread *threads; /* only grows while a region is there (atomic) */
	struct vas_space *space; /* constant */
	const uint32_t *alive; /* constant: as a region's */
	uint32_t era; /* constant: as a region's */
	uint32_t forker; /* the thread that forks, while it does */
	/* Guarded by the space's lock: */
	uint32_t regions; /* that have them */
	uint32_t absent; /* of these, those that a child has nothing of */
};

/* Readers of nothing yet, for one region. -ENOMEM. */
int vas_readers_make(struct vas_region *region);
/* One more region has them, and one less, which may be the last: then they go. */
void vas_readers_share(struct vas_region *region, struct vas_readers *readers);
void vas_readers_leave(struct vas_region *region);

/* The lowest epoch that a thread has noted. */
uint64_t vas_readers_horizon(const struct vas_readers *readers);
/* Threads that noted horizon or less and are not there any more count as outside. No lock. */
void vas_readers_bury(struct vas_readers *readers, uint64_t horizon);

int vas_readers_join(struct vas_region *region, struct vas_failure *failure,
		     struct vas_region_thread **thread);
int vas_readers_quit(struct vas_region_thread *thread, struct vas_failure *failure);

/* Around fork; once for each region that has them. absent: the child has nothing of that region. */
void vas_readers_fork_prepare(struct vas_readers *readers);
void vas_readers_fork_child(struct vas_readers *readers, bool absent);

#endif
