/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vacate: a user leaves a span as it was reserved.
 *
 * WHAT FOR. A span that its user had from the caller goes back to the caller, not to the process: no address of it is unowned meanwhile.
 *
 * STRATEGY. One final decommit of everything, then the use ends. What the kernel does not let go at once is an owned span's part that is tried again
 * by later calls, like any other.
 *
 * CONCURRENCY. The pin is taken with the space's lock, so that none begins during a fork; it is taken in a child that shares the memory too, where no other
 * change is allowed: what is mapped there is the child's own.
 *
 * WHAT IT DOES NOT DO. It does not wait for those who use the memory.
 */
#include "space/part.h"

int vas_space_vacate(struct vas_space *space, struct vas_holding_user *user,
		     enum vas_retired *state)
{
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	struct vas_holding *holding = user->holding;
	int err;

	vas_space_enter(space);
	vas_user_add_pins(user, 1);
	vas_lock_drop(&space->lock);
	err = vas_part_decommit(space, holding, holding->span, true, state, &ignored);
	vas_part_unpin_used(space, user);
	if (!err)
		vas_space_unuse(space, user);
	return err;
}
