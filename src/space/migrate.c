/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving the pages of a part to other memory nodes.
 *
 * WHAT FOR. Memory that was touched before anybody knew where it should be, or that is to be elsewhere now.
 *
 * STRATEGY. A change as any other: notices, and the range is this call's alone meanwhile; the kernel moves page by page under the feet of
 * readers and writers. There is nothing to record.
 *
 * CONCURRENCY. The holding's lock is dropped for the kernel calls, which can take seconds.
 *
 * WHAT IT DOES NOT DO. It does not move pages back when others could not be moved.
 */
#include <errno.h>

#include "space/part_work.h"
#include "space/policy.h"

int vas_part_migrate(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     const struct vas_policy *policy, uint64_t *moved, struct vas_failure *failure)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = range,
				      .change = VAS_CHANGE_MIGRATE };
	int err, moving;

	err = vas_part_begin(&work, failure);
	if (err)
		return err;
	vas_part_yield(&work);
	moving = vas_policy_move(space->sys, range, policy, moved);
	vas_part_resume(&work);
	/* What was moved was changed, even if the rest could not be. */
	err = vas_part_end(&work, *moved ? 0 : moving);
	if (moving)
		failure->why = (uint8_t)vas_policy_move_why(moving);
	return moving ? moving : err;
}
