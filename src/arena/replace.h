/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches of live pages that are replaced by others. */
#ifndef VAS_ARENA_REPLACE_H
#define VAS_ARENA_REPLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/replace.h>

#include "space/part.h"

struct vas_replace_item {
	struct vas_span range;
	uint64_t
		owner; /* id of the span that has it; of a block's, which splitting and merging change, */
	const struct vas_holding_user
		*lender; /* its region. Only compared; NULL = it is no block's */
	uint32_t recipe; /* of that span */
	int32_t aside_prot; /* of what is aside until commit */
	struct vas_part_content old; /* as it was when it was prepared */
	struct vas_part_content fresh;
	uint64_t aside; /* 0: it is in its place, or gone */
	uint64_t kept; /* where the old bytes are, during commit; 0 = nowhere */
};

struct vas_replace {
	struct vas_space *space; /* constant, with the next three */
	const uint32_t *alive;
	uint32_t era;
	uint32_t process; /* that prepared it: a forked child has a copy, of part of it */
	bool spent; /* parts went to their place and back: what was new is gone */
	uint32_t count;
	struct vas_replace_item items[]; /* I: their ranges do not overlap */
};

/* --- replace.c --- */

/* parts: checked one by one. */
int vas_replace_make(struct vas_space *space, struct vas_replace_part *parts, size_t count,
		     struct vas_failure *failure, struct vas_replace **replace);
int vas_replace_unmake(struct vas_replace *replace, struct vas_failure *failure);
/* -EOWNERDEAD. */
int vas_replace_look(const struct vas_replace *replace, struct vas_failure *failure);
/*
 * Drops what was mapped for an item, aside or kept, as far as this process has it: a forked child has not what it has not of the
 * span, and somebody else may be there. 0 = nothing.
 */
void vas_replace_drop_stray(const struct vas_replace *replace, const struct vas_replace_item *item,
			    uint64_t *stray);
/* All that is aside goes, and the books of it. */
void vas_replace_drop(struct vas_replace *replace);

/* --- replace_commit.c --- */

int vas_replace_do(struct vas_replace *replace, struct vas_failure *failure);

#endif
