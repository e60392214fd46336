/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the extents of one holding are backed by: a small table that they index.
 * Number 0 is private anonymous memory with the span's memory policy and is not in it.
 */
#ifndef VAS_SPACE_BACKINGS_H
#define VAS_SPACE_BACKINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "space/backing.h"
#include "space/policies.h"
#include "sys/pages.h"

struct vas_extents;

struct vas_backings {
	struct vas_backing *items; /* item i has number i + 1; their delta is 0: extents have it */
	uint32_t count;
	uint32_t capacity;
	uint32_t last; /* number that was found last */
	uint32_t kept; /* changes in flight that have a number which no extent shows yet */
	struct vas_policies policies; /* I: each item's policy is a number of it, or 0 */
};

/*
 * The number of a backing, put into the table when it is not there; numbers that
 * no extent uses are used anew. -ENOMEM.
 */
int vas_backings_number(struct vas_backings *backings, struct vas_extents *extents,
			struct vas_pages *pages, const struct vas_backing *backing,
			uint32_t *number);
/* The number of a policy for items, put into their table when it is not there. -ENOMEM. */
int vas_backings_policy(struct vas_backings *backings, struct vas_extents *extents,
			struct vas_pages *pages, const struct vas_policy *policy, uint32_t *number);
/* The same tables under the same numbers. -ENOMEM. */
int vas_backings_copy(const struct vas_backings *backings, struct vas_pages *pages,
		      struct vas_backings *copy);
/*
 * The number that a backing of another holding's table has here, put in when it is not there. A second
 * time that cannot fail. -ENOMEM. I: kept.
 */
int vas_backings_import(struct vas_backings *backings, struct vas_pages *pages,
			const struct vas_backings *from, const struct vas_backing *backing,
			uint32_t *number);
/* Number 0. */
extern const struct vas_backing vas_backings_anonymous;
/* What an extent is backed by, by value, with its delta. */
struct vas_backing vas_backings_get(const struct vas_backings *backings, uint32_t number,
				    uint64_t delta);
void vas_backings_free(struct vas_backings *backings, struct vas_pages *pages);

#endif
