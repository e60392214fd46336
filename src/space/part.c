/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of an owned span: what all changes have in common.
 *
 * WHAT FOR. Commit, decommit, protect and guard each find the holding, tell those who
 * want to know, take the lock, change what the kernel maps, and record it.
 * What is not the kernel's part of that is here.
 *
 * STRATEGY. A caller pins the holding once and may then make several changes. A change
 * begins with its notice, no lock held, and ends with one. Between them the
 * holding's lock is held. Sums are taken from the books before and after and the
 * difference goes into the space's.
 *
 * CONCURRENCY. A pin keeps the holding, not its state: that is looked at again
 * under its lock, which release takes after it has said that it releases. A long
 * populate drops the lock and leaves a mark: whoever wants the same pages, or the
 * whole span, waits; others pass.
 *
 * WHAT IT DOES NOT DO. It does not check what a caller passes (src/api).
 */
#include "space/part_work.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/hot.h"

/* The space's lock held, or by the holding's user. */
static int part_refusal(const struct vas_holding *holding, struct vas_failure *failure)
{
	if (__atomic_load_n(&holding->state, __ATOMIC_RELAXED) != VAS_HOLDING_LIVE) {
		failure->why = VAS_WHY_HELD;
		return -EBUSY;
	}
	if (__atomic_load_n(&holding->parked, __ATOMIC_RELAXED)) {
		failure->why = VAS_WHY_PARKED;
		return -EBUSY;
	}
	/* A child that shares the memory leaves the books of it to its parent. */
	if (holding->forked == VAS_FORK_SHARE) {
		failure->why = VAS_WHY_FORKED;
		return -EPERM;
	}
	return 0;
}

VAS_HOT int vas_part_pin(struct vas_space *space, uint64_t start, uint64_t size,
			 struct vas_holding **found, struct vas_failure *failure)
{
	struct vas_holding *holding;
	int err;

	vas_space_enter(space);
	holding = vas_space_find(space, start);
	if (!holding || size > vas_span_end(holding->span) - start) {
		failure->why = VAS_WHY_NOT_OWNED;
		err = -ENOENT;
	} else {
		err = part_refusal(holding, failure);
		if (!err && holding->user) {
			failure->why = VAS_WHY_USED;
			err = -EBUSY;
		}
	}
	if (!err) {
		holding->pins++;
		space->pins++;
		*found = holding;
	}
	vas_lock_drop(&space->lock);
	return err;
}

/* Some thread needs a moment without pins, or has it: it holds the lock. */
static __attribute__((noinline)) void part_pin_slowly(struct vas_space *space,
						      struct vas_holding_user *user)
{
	__atomic_fetch_sub(&user->pins, 1, __ATOMIC_RELEASE);
	vas_space_enter(space);
	__atomic_fetch_add(&user->pins, 1, __ATOMIC_SEQ_CST);
	vas_lock_drop(&space->lock);
}

VAS_HOT int vas_part_pin_used(struct vas_space *space, struct vas_holding_user *user,
			      struct vas_failure *failure)
{
	int err;

	vas_user_add_pins(user, 1);
	if (__builtin_expect(__atomic_load_n(&space->gate, __ATOMIC_SEQ_CST) != 0, 0))
		part_pin_slowly(space, user);
	err = part_refusal(user->holding, failure);
	if (__builtin_expect(err, 0))
		vas_user_add_pins(user, -1);
	return err;
}

VAS_HOT bool vas_part_pin_used_now(struct vas_space *space, struct vas_holding_user *user)
{
	struct vas_failure unused;

	vas_user_add_pins(user, 1);
	if (__builtin_expect(__atomic_load_n(&space->gate, __ATOMIC_SEQ_CST) == 0, 1) &&
	    __builtin_expect(part_refusal(user->holding, &unused) == 0, 1))
		return true;
	vas_user_add_pins(user, -1);
	return false;
}

VAS_HOT void vas_part_unpin_used(struct vas_space *space, struct vas_holding_user *user)
{
	vas_user_add_pins(user, -1);
	vas_space_retry(space);
}

VAS_HOT void vas_part_unpin(struct vas_space *space, struct vas_holding *holding)
{
	vas_lock_take(&space->lock);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	vas_space_retry(space);
}

static bool busy_overlaps(const struct vas_holding *holding, struct vas_span range)
{
	for (const struct vas_part_work *work = holding->busy; work; work = work->busy_next)
		if (work->range.start < vas_span_end(range) &&
		    range.start < vas_span_end(work->range))
			return true;
	return false;
}

void vas_part_await(struct vas_holding *holding, struct vas_span range)
{
	while (__builtin_expect(busy_overlaps(holding, range), 0)) {
		vas_lock_drop(&holding->lock);
		vas_lock_pause();
		vas_lock_take(&holding->lock);
	}
}

void vas_part_yield(struct vas_part_work *work)
{
	work->busy_next = work->holding->busy;
	work->holding->busy = work;
	vas_lock_drop(&work->holding->lock);
}

void vas_part_resume(struct vas_part_work *work)
{
	struct vas_part_work **link = &work->holding->busy;

	vas_lock_take(&work->holding->lock);
	while (*link != work)
		link = &(*link)->busy_next;
	*link = work->busy_next;
}

VAS_HOT void vas_part_snapshot(struct vas_part_work *work)
{
	const struct vas_holding *holding = work->holding;

	work->committed = vas_holding_committed(holding);
	work->unretired = vas_extents_unretired(&holding->extents);
	work->runs = vas_holding_runs(holding);
}

int vas_part_enter_watched(struct vas_part_work *work, struct vas_failure *failure)
{
	int err = vas_notice_before(work->space, work->holding, work->range, work->change,
				    work->final, &work->notice);

	if (err)
		failure->why = err == -EBUSY ? VAS_WHY_VETO : VAS_WHY_REENTERED;
	return err;
}

int vas_part_enter_slowly(struct vas_part_work *work, struct vas_failure *failure)
{
	struct vas_holding *holding = work->holding;

	vas_part_await(holding, work->range);
	/* Release says so before it takes the lock; a change of the last one goes through. */
	if (__atomic_load_n(&holding->state, __ATOMIC_RELAXED) == VAS_HOLDING_LIVE)
		return 0;
	vas_lock_drop(&holding->lock);
	failure->why = VAS_WHY_HELD;
	vas_notice_after(work->space, holding, &work->notice, false);
	return -EBUSY;
}

VAS_HOT int vas_part_begin(struct vas_part_work *work, struct vas_failure *failure)
{
	int err = vas_part_enter(work, failure);

	if (!err)
		vas_part_snapshot(work);
	return err;
}

void vas_part_list(struct vas_space *space, struct vas_holding *holding)
{
	if (holding->unretired_link)
		return;
	holding->unretired_next = space->unretired;
	holding->unretired_link = &space->unretired;
	if (space->unretired)
		space->unretired->unretired_link = &holding->unretired_next;
	__atomic_store_n(&space->unretired, holding, __ATOMIC_RELAXED);
}

void vas_part_unlist(struct vas_holding *holding)
{
	if (!holding->unretired_link)
		return;
	__atomic_store_n(holding->unretired_link, holding->unretired_next, __ATOMIC_RELAXED);
	if (holding->unretired_next)
		holding->unretired_next->unretired_link = holding->unretired_link;
	holding->unretired_link = NULL;
}

/* What changed goes into the sums of the space. */
VAS_HOT void vas_part_count(const struct vas_part_work *work)
{
	struct vas_holding *holding = work->holding;
	struct vas_space *space = work->space;
	int64_t committed, unretired, runs;

	committed = (int64_t)(vas_holding_committed(holding) - work->committed);
	unretired = (int64_t)(vas_extents_unretired(&holding->extents) - work->unretired);
	runs = (int64_t)vas_holding_runs(holding) - work->runs;
	VAS_ASSERT_EXPENSIVE(vas_extents_check(&holding->extents, holding->span));
	if (!committed && !unretired && !runs)
		return;
	vas_part_tally(space, holding, (uint64_t)committed, runs);
	if (!unretired)
		return;
	vas_lock_take(&space->lock);
	space->unretired_bytes += (uint64_t)unretired;
	if (unretired > 0)
		vas_part_list(space, holding);
	vas_lock_drop(&space->lock);
}

void vas_part_tally_space(struct vas_space *space, struct vas_holding *holding,
			  uint64_t committed, int64_t runs)
{
	vas_lock_take(&space->lock);
	vas_ledger_commit(holding->line, (int64_t)committed);
	space->stats.committed += committed;
	space->stats.vmas += runs;
	vas_lock_drop(&space->lock);
}

VAS_HOT int vas_part_end(struct vas_part_work *work, int err)
{
	if (!err || work->changed)
		vas_part_count(work);
	vas_part_leave(work, err);
	return err;
}

int vas_part_room(struct vas_part_work *work, uint32_t changes, struct vas_failure *failure)
{
	struct vas_extents *extents = &work->holding->extents;
	int err;

	if (__builtin_expect(vas_extents_ready(extents, changes), 1))
		return 0;
	vas_lock_take(&work->space->lock);
	err = vas_extents_room(extents, &work->space->pages, changes);
	vas_lock_drop(&work->space->lock);
	if (!err)
		return 0;
	failure->why = VAS_WHY_BOOKS;
	return -ENOMEM;
}

int vas_part_classify(int err, struct vas_failure *failure)
{
	if (!err || failure->why != VAS_WHY_NONE)
		return err;
	switch (err) {
	case -ENOMEM:
		failure->why = VAS_WHY_KERNEL; /* which limit: inferred when asked for */
		return err;
	case -EAGAIN:
		failure->why = VAS_WHY_LOCKED;
		return err;
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		failure->why = VAS_WHY_DENIED;
		return err;
	case -EOPNOTSUPP:
		failure->why = VAS_WHY_KERNEL;
		return err;
	default:
		failure->why = VAS_WHY_KERNEL;
		return -EPERM;
	}
}

int vas_part_restore(struct vas_space *space, const struct vas_holding *holding,
		     struct vas_span range, bool *replaced)
{
	return vas_part_restore_in_line(space, holding, range, replaced);
}

int vas_part_promise(struct vas_space *space, struct vas_holding *holding, uint32_t count)
{
	int err;

	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	err = vas_extents_promise(&holding->extents, &space->pages, count);
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
	return err ? -ENOMEM : 0;
}

void vas_part_unpromise(struct vas_space *space, struct vas_holding *holding, uint32_t count)
{
	(void)space;
	vas_lock_take(&holding->lock);
	vas_extents_unpromise(&holding->extents, count);
	vas_lock_drop(&holding->lock);
}

static uint32_t part_flags(const struct vas_extent *piece, const struct vas_backing *backing)
{
	return (piece->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE)) | backing->flags;
}

void vas_part_at(struct vas_space *space, struct vas_holding *holding, uint64_t address,
		 struct vas_part *part)
{
	struct vas_backing backing;
	struct vas_extent piece;
	uint64_t position = address;

	(void)space;
	VAS_ASSERT(address - holding->span.start < holding->span.size);
	vas_lock_take(&holding->lock);
	(void)vas_extents_next(&holding->extents, &position, vas_span_end(holding->span), &piece);
	backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
	vas_lock_drop(&holding->lock);
	*part = (struct vas_part){
		.span = { piece.start, piece.end - piece.start },
		.state = (enum vas_part_state)piece.state,
		.prot = piece.prot,
		.flags = part_flags(&piece, &backing),
		.policy = backing.policy,
		.fd = backing.fd,
		.device = backing.device,
		.inode = backing.inode,
		.offset = vas_backing_is_anonymous(&backing) ? 0 : piece.start + piece.delta,
	};
}
