/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A holding and its user above.
 *
 * WHAT FOR. A region takes a span over: from then on only the region changes
 * what is mapped there, and vas_commit and vas_release on it are refused.
 *
 * STRATEGY. The holding points to the user, who points back, and the space
 * lists all users, for fork and for vas_reclaim.
 *
 * CONCURRENCY. users_lock is taken first, since fork holds it while it takes
 * the users' own locks; then the holding's lock, under which nothing is
 * committed meanwhile; then the space's.
 *
 * WHAT IT DOES NOT DO. It does not pin: the user ends its use before the
 * span is released, or by releasing it (vas_space_release with the user).
 */
#include "space/user.h"

#include <errno.h>

#include "base/assert.h"
#include "space/space.h"

static void users_link(struct vas_space *space, struct vas_holding_user *user)
{
	user->next = space->users;
	user->link = &space->users;
	if (space->users)
		space->users->link = &user->next;
	space->users = user;
}

static void users_unlink(struct vas_holding_user *user)
{
	*user->link = user->next;
	if (user->next)
		user->next->link = user->link;
	user->link = NULL;
	user->next = NULL;
}

int vas_space_use(struct vas_space *space, struct vas_holding *holding,
		  struct vas_holding_user *user)
{
	int err = -EBUSY;

	vas_lock_take(&space->users_lock);
	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	if (holding->state != VAS_HOLDING_LIVE) {
		err = -ENOENT;
	} else if (!holding->user && holding->extents.count == 0) {
		holding->user = user;
		user->holding = holding;
		users_link(space, user);
		err = 0;
	}
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
	vas_lock_drop(&space->users_lock);
	return err;
}

int vas_space_use_at(struct vas_space *space, uint64_t start, struct vas_holding_user *user)
{
	struct vas_holding *holding;
	int err;

	vas_space_enter(space);
	holding = vas_space_find(space, start);
	if (!holding || holding->span.start != start || holding->state != VAS_HOLDING_LIVE) {
		vas_lock_drop(&space->lock);
		return -ENOENT;
	}
	holding->pins++;
	space->pins++;
	vas_lock_drop(&space->lock);
	err = vas_space_use(space, holding, user);
	vas_lock_take(&space->lock);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	return err;
}

void vas_space_unuse(struct vas_space *space, struct vas_holding_user *user)
{
	vas_lock_take(&space->users_lock);
	vas_lock_take(&space->lock);
	VAS_ASSERT(user->holding->user == user);
	user->holding->user = NULL;
	user->holding = NULL;
	users_unlink(user);
	vas_lock_drop(&space->lock);
	vas_lock_drop(&space->users_lock);
}
