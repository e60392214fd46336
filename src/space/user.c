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
 * committed meanwhile; then the space's. The list changes under both locks, so
 * either is enough to walk it. While a user is called, without locks, it is
 * counted as busy, and its use ends only after that.
 *
 * WHAT IT DOES NOT DO. It does not pin: the user ends its use before the
 * span is released, or by releasing it (vas_space_release with the user).
 */
#include "space/user.h"

#include <errno.h>

#include "base/assert.h"
#include "space/space.h"

void vas_space_user_link(struct vas_space *space, struct vas_holding_user *user)
{
	user->next = space->users;
	user->link = &space->users;
	if (space->users)
		space->users->link = &user->next;
	space->users = user;
}

void vas_space_user_unlink(struct vas_holding_user *user)
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
		user->busy = 0;
		vas_space_user_link(space, user);
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

/* The three locks under which a holding's use begins and ends. */
static void use_lock(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_take(&space->users_lock);
	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
}

static void use_unlock(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
	vas_lock_drop(&space->users_lock);
}

void vas_space_unuse(struct vas_space *space, struct vas_holding_user *user)
{
	struct vas_holding *holding = user->holding;

	use_lock(space, holding);
	while (user->busy) {
		use_unlock(space, holding);
		vas_lock_pause();
		use_lock(space, holding);
	}
	VAS_ASSERT(holding->user == user);
	vas_space_fold(space, holding);
	holding->user = NULL;
	user->holding = NULL;
	vas_space_user_unlink(user);
	use_unlock(space, holding);
}

void vas_user_drop(struct vas_space *space, struct vas_holding_user *user)
{
	vas_lock_take(&space->lock);
	/* In a child that was forked meanwhile it is 0. */
	user->busy -= user->busy > 0;
	vas_lock_drop(&space->lock);
}

/* The user after one that is held, which is dropped (NULL = the first), held. */
static struct vas_holding_user *users_next(struct vas_space *space, struct vas_holding_user *user)
{
	struct vas_holding_user *next;

	vas_lock_take(&space->lock);
	next = user ? user->next : space->users;
	if (next)
		vas_user_hold(next);
	vas_lock_drop(&space->lock);
	if (user)
		vas_user_drop(space, user);
	return next;
}

uint64_t vas_users_warm(struct vas_space *space)
{
	struct vas_holding_user *user = NULL;
	uint64_t warm = 0;

	while ((user = users_next(space, user)))
		if (user->ops->warm)
			warm += user->ops->warm(user);
	return warm;
}

uint64_t vas_users_reclaim(struct vas_space *space, uint64_t target)
{
	struct vas_holding_user *user = NULL;
	uint64_t got = 0;

	while ((user = users_next(space, user)) && got < target)
		if (user->ops->reclaim)
			got += user->ops->reclaim(user, target - got);
	if (user)
		vas_user_drop(space, user);
	return got;
}
