/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notices of change: who is told before and after what is mapped in a holding
 * changes. For whoever makes such changes:
 *
 *	holding pinned, no lock held
 *	err = vas_notice_before(space, holding, span, change, final, &notice);
 *	if (!err) {
 *		the holding's lock; state is looked at again, since hooks ran; the change
 *		vas_notice_after(space, holding, &notice, whether it was done);
 *	}
 *	unpin
 *
 * Hooks run without a pin that fork would wait for: the holding stays this one,
 * but it may have been released when before returns.
 */
#ifndef VAS_SPACE_NOTICE_H
#define VAS_SPACE_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/notice.h>

#include "sys/lock.h"

struct vas_space;
struct vas_holding;
struct vas_subscription;

/* Of a space. Subscriptions are linked in the order of their ids. */
struct vas_notices {
	struct vas_lock lock; /* guards all of it; a leaf, never held over a hook */
	struct vas_subscription *first;
	struct vas_subscription *last;
	uint64_t last_id;
};

/* One change, from before to after. */
struct vas_notice_run {
	struct vas_span span;
	uint64_t owner;
	struct vas_holding_user *user; /* whose pin the caller has; NULL = the space's. Then the holding is pinned, too */
	uint64_t last; /* id of the last subscription that was told; 0 = nobody was */
	enum vas_change change;
	bool final;
};

/*
 * 0; -EBUSY: vetoed, those told are told CANCELLED; -EDEADLK: this thread is in a hook about the
 * same owner, nobody is told. After an error there is no after.
 */
int vas_notice_before(struct vas_space *space, struct vas_holding *holding, struct vas_span span,
		      enum vas_change change, bool final, struct vas_notice_run *run);
/* The same for one of several holdings that change together: the caller has the pin of another one's user. */
int vas_notice_before_by(struct vas_space *space, struct vas_holding *holding,
			 struct vas_holding_user *user, struct vas_span span,
			 enum vas_change change, bool final, struct vas_notice_run *run);
/*
 * Counts the change, if it was done, and tells AFTER or CANCELLED. tell: for a caller who has counted it, with
 * the holding's lock held, and only when somebody was told of the beginning.
 */
void vas_notice_after(struct vas_space *space, struct vas_holding *holding,
		      const struct vas_notice_run *run, bool done);
void vas_notice_tell(struct vas_space *space, struct vas_holding *holding,
		     const struct vas_notice_run *run, bool done, uint64_t generation);
/* Whether this thread is in a hook about this owner; in any hook. */
bool vas_notice_inside(const struct vas_space *space, uint64_t owner);
bool vas_notice_inside_any(void);

int vas_space_subscribe(struct vas_space *space, const struct vas_span *span,
			vas_notice_hook *hook, void *context, uint64_t *id);
int vas_space_cancel(struct vas_space *space, uint64_t id);
/* Wait-free, signal-safe. -ENOENT. */
int vas_space_generation(const struct vas_space *space, uint64_t address, uint64_t *generation);

/* In a forked child, the space's lock held: hooks of other threads are not there. */
void vas_notice_fork_child(struct vas_space *space);

#endif
