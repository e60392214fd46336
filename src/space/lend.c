/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of spans that have a user, for those who know only addresses.
 *
 * WHAT FOR. Live pages are replaced wherever they are, in a block of a region too; but only the user of a span knows what in it may be
 * changed, and what its own books must hear of it.
 *
 * STRATEGY. The user is asked, and answers with a pin of its own, as for its own calls. A user that lends nothing keeps all others out.
 *
 * CONCURRENCY. The user is held while it is asked, so it does not end its use; but the range can come to another one, when
 * a region is split. Then that one is asked. With the pin the user stays, and needs not be held.
 *
 * WHAT IT DOES NOT DO. It does not look what is mapped there.
 */
#include <errno.h>

#include "space/part.h"

/* The user of the span that begins the range, held, if it lends at all. */
static struct vas_holding_user *lender_find(struct vas_space *space, uint64_t start)
{
	struct vas_holding_user *user = NULL;
	struct vas_holding *holding;

	vas_space_enter(space);
	holding = vas_space_find(space, start);
	if (holding && holding->user && holding->user->ops->lend) {
		user = holding->user;
		vas_user_hold(user);
	}
	vas_lock_drop(&space->lock);
	return user;
}

int vas_part_pin_lent(struct vas_space *space, struct vas_span range, struct vas_failure *failure,
		      struct vas_part_pinned *pinned)
{
	struct vas_holding_user *user;
	int err = -EAGAIN;

	while (err == -EAGAIN && (user = lender_find(space, range.start))) {
		err = user->ops->lend(user, range, failure);
		if (!err)
			*pinned = (struct vas_part_pinned){ user->holding, user };
		vas_user_drop(space, user);
	}
	if (err != -EAGAIN)
		return err;
	pinned->user = NULL;
	return vas_part_pin(space, range.start, range.size, &pinned->holding, failure);
}

void vas_part_unpin_lent(struct vas_space *space, const struct vas_part_pinned *pinned)
{
	if (pinned->user)
		vas_part_unpin_used(space, pinned->user);
	else
		vas_part_unpin(space, pinned->holding);
}
