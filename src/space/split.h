/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two holdings of one, and the reverse: the books only, nothing changes in the kernel. Each in two
 * steps, so that a user can cut or join its own books in between: prepare takes all memory
 * that is needed, finish cannot fail. A look-up of an address finds an owner at any moment.
 *
 * The caller holds space->users_lock and its own locks, and has no change on its way in these
 * holdings. Between the steps the holdings' locks are held.
 */
#ifndef VAS_SPACE_SPLIT_H
#define VAS_SPACE_SPLIT_H

#include <stdint.h>

#include "record/report.h"
#include "space/space.h"

/* From prepare to finish or abandon. */
struct vas_split {
	struct vas_space *space;
	struct vas_holding *lower;
	struct vas_holding *upper;
	struct vas_holding *extra; /* lends its entry, of which the index makes a new owner */
	struct vas_holding *extra_upper; /* of joins: the same */
	uint64_t at; /* of cuts */
	uint32_t promised; /* promises that go with the upper part */
	struct vas_extents extents; /* of the upper part */
	struct vas_backings backings;
};

/*
 * promised: how many of the holding's promises the upper part needs. -ENOMEM; -EOPNOTSUPP: a device claimed
 * the span as a whole.
 */
int vas_split_prepare(struct vas_space *space, struct vas_holding *holding, uint64_t at,
		      uint32_t promised, struct vas_split *split, struct vas_failure *failure);
/* The upper part gets a user of its own. */
void vas_split_finish(struct vas_split *split, struct vas_holding_user *user);
void vas_split_abandon(struct vas_split *split);

/*
 * -EINVAL: they do not touch, or their recipes, names or policies differ; -EAGAIN: somebody calls the upper one's
 * user just now; -ENOMEM; -EOPNOTSUPP.
 */
int vas_join_prepare(struct vas_space *space, struct vas_holding *lower, struct vas_holding *upper,
		     struct vas_split *join, struct vas_failure *failure);
/* The upper one is gone, and so is the use of it. */
void vas_join_finish(struct vas_split *join);
void vas_join_abandon(struct vas_split *join);

#endif
