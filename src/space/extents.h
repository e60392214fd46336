/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which parts of one span are committed, and with what protection: a sorted
 * array of extents in the books' memory.
 */
#ifndef VAS_SPACE_EXTENTS_H
#define VAS_SPACE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>

#include "sys/pages.h"

/* I: start < end; end <= start of the next; touching extents differ in prot or huge. */
struct vas_extent {
	uint64_t start;
	uint64_t end;
	uint32_t prot;
	uint32_t advice; /* VAS_COMMIT_HUGE or NOHUGE as given; keeps kernel mappings apart */
};

struct vas_extents {
	struct vas_extent *items;
	uint32_t count;
	uint32_t capacity;
};

/*
 * The next part of [*position, end) that is not committed. Moves *position
 * past it; false when there is none.
 */
bool vas_extents_hole(const struct vas_extents *extents, uint64_t *position, uint64_t end,
		      struct vas_span *hole);
/* How many holes there are in [start, end). */
uint32_t vas_extents_holes(const struct vas_extents *extents, uint64_t start, uint64_t end);
/* Makes room for that many more extents, so that adding them cannot fail. -ENOMEM; -E2BIG at 87,000. */
int vas_extents_room(struct vas_extents *extents, struct vas_pages *pages, uint32_t more);
/* Fills every hole of [start, end). I: room for them. Returns the bytes added. */
uint64_t vas_extents_fill(struct vas_extents *extents, uint64_t start, uint64_t end, uint32_t prot,
			  uint32_t advice);
/* Gives the array back. Allocates nothing. */
void vas_extents_free(struct vas_extents *extents, struct vas_pages *pages);
uint64_t vas_extents_sum(const struct vas_extents *extents);

/* Bytes committed. */
static inline uint64_t vas_extents_bytes(const struct vas_extents *extents)
{
	return extents->count ? vas_extents_sum(extents) : 0;
}

/* How many kernel mappings the span's layout asks for: extents and the holes between. */
uint32_t vas_extents_count_runs(const struct vas_extents *extents, struct vas_span span);

static inline uint32_t vas_extents_runs(const struct vas_extents *extents, struct vas_span span)
{
	return extents->count ? vas_extents_count_runs(extents, span) : 1;
}

bool vas_extents_check(const struct vas_extents *extents, struct vas_span span);

#endif
