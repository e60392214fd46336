/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another try for parts that could not be made inaccessible.
 *
 * WHAT FOR. What was freed at the kernel's limit of mappings becomes GONE when there is room again, without a
 * thread of ours: the calls that come later see to it.
 *
 * STRATEGY. The space lists the live holdings that have such parts. A call goes through the list and
 * tries each part by one MAP_FIXED, until the kernel has refused as often as the
 * caller bears; the next call begins behind that place. Refusals of what goes only whole do not
 * count: they say nothing about others. When a region uses the span, it is told of each
 * part that is free again.
 *
 * CONCURRENCY. One call at a time tries; others go on without. A part is tried under the holding's lock,
 * with a pin. The user is told after both are dropped, since it takes locks that a
 * forking thread may hold while it waits for pins; its use of the span cannot end meanwhile.
 *
 * WHAT IT DOES NOT DO. It spends no ballast, and does not unmap (release.c).
 */
#include <errno.h>

#include "base/assert.h"
#include "space/retire.h"

/* Calls that try by the way bear one refusal. */
struct retry {
	struct vas_space *space;
	struct vas_holding *holding;
	struct vas_holding_user *user; /* held, or NULL */
	struct vas_span gone; /* what is to be told */
	uint32_t limit;
	uint32_t refused;
	uint64_t bytes;
};

/* The first listed holding that was not visited in this round yet: pinned. */
static bool retry_next(struct retry *retry, uint64_t round)
{
	struct vas_space *space = retry->space;
	struct vas_holding *holding;

	vas_space_enter(space);
	for (holding = space->unretired; holding; holding = holding->unretired_next)
		if (holding->retry_round != round && holding->state == VAS_HOLDING_LIVE &&
		    !holding->parked)
			break;
	if (holding) {
		holding->retry_round = round;
		holding->pins++;
		space->pins++;
	}
	vas_lock_drop(&space->lock);
	retry->holding = holding;
	return holding != NULL;
}

/* Drops the pin; a holding with nothing left leaves the list. */
static void retry_leave(struct retry *retry)
{
	struct vas_holding *holding = retry->holding;
	struct vas_space *space = retry->space;

	vas_lock_take(&holding->lock);
	vas_lock_take(&space->lock);
	if (vas_extents_unretired(&holding->extents) == 0)
		vas_part_unlist(holding);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
}

static bool is_unretired(const struct vas_extent *piece)
{
	return piece->state == VAS_PART_GUARDED || piece->state == VAS_PART_EMPTIED ||
	       piece->state == VAS_PART_HELD;
}

/* Tries parts from position on up to the first that is gone, or that may not be borne. False: at the end. */
static bool retry_parts(struct retry *retry, uint64_t *position, uint64_t end)
{
	struct vas_part_work work = { .space = retry->space, .holding = retry->holding };
	struct vas_holding *holding = retry->holding;
	struct vas_extent piece;
	bool found = false;

	vas_lock_take(&holding->lock);
	work.range = holding->span;
	vas_part_await(holding, holding->span);
	vas_part_snapshot(&work);
	retry->gone.size = 0;
	while (retry->refused < retry->limit && !retry->gone.size &&
	       __atomic_load_n(&holding->state, __ATOMIC_RELAXED) == VAS_HOLDING_LIVE &&
	       (found = vas_extents_next(&holding->extents, position, end, &piece))) {
		if (!is_unretired(&piece))
			continue;
		if (vas_retire_again(&work, &piece))
			retry->gone = (struct vas_span){ piece.start, piece.end - piece.start };
		else
			retry->refused += !(piece.flags & VAS_EXTENT_WHOLE);
	}
	holding->retry_at = *position;
	vas_part_count(&work);
	vas_lock_drop(&holding->lock);
	return found && retry->refused < retry->limit;
}

/* The user hears of it without locks and pins. */
static void retry_tell(struct retry *retry)
{
	struct vas_holding *holding = retry->holding;
	struct vas_space *space = retry->space;
	struct vas_holding_user *user;

	retry->bytes += retry->gone.size;
	vas_lock_take(&space->lock);
	user = holding->user;
	if (user && user->ops->retired)
		vas_user_hold(user);
	else
		user = NULL;
	if (user)
		space->pins--;
	vas_lock_drop(&space->lock);
	if (!user)
		return;
	user->ops->retired(user, retry->gone);
	vas_user_drop(space, user);
	vas_space_enter(space);
	space->pins++;
	vas_lock_drop(&space->lock);
}

static void retry_holding(struct retry *retry)
{
	struct vas_holding *holding = retry->holding;
	uint64_t start = holding->span.start, end = vas_span_end(holding->span), middle;
	bool more;

	middle = holding->retry_at;
	if (middle <= start || middle >= end)
		middle = start;
	/* From where the last one stopped, then what lies before. */
	for (unsigned int half = 0; half < 2; half++) {
		uint64_t position = half ? start : middle, stop = half ? middle : end;

		do {
			more = retry_parts(retry, &position, stop);
			if (retry->gone.size)
				retry_tell(retry);
		} while (more);
		if (retry->refused >= retry->limit)
			return;
	}
}

uint64_t vas_part_retry(struct vas_space *space, uint32_t limit)
{
	struct retry retry = { .space = space, .limit = limit };
	uint64_t round;

	if (!__atomic_load_n(&space->unretired, __ATOMIC_RELAXED) || limit == 0)
		return 0;
	if (__atomic_exchange_n(&space->retrying, true, __ATOMIC_ACQUIRE))
		return 0;
	round = ++space->retry_rounds;
	while (retry.refused < retry.limit && retry_next(&retry, round)) {
		retry_holding(&retry);
		retry_leave(&retry);
	}
	__atomic_store_n(&space->retrying, false, __ATOMIC_RELEASE);
	return retry.bytes;
}

void vas_part_retry_aside(struct vas_space *space)
{
	/* The kernel has just refused: it would again. */
	if (__atomic_load_n(&space->unretired, __ATOMIC_RELAXED) &&
	    !__atomic_exchange_n(&space->refused, false, __ATOMIC_RELAXED))
		(void)vas_part_retry(space, 1);
	if (__builtin_expect(!__atomic_load_n(&space->ballast.missing, __ATOMIC_RELAXED), 1))
		return;
	/* At the limit these could not be tried any more: each maps a page. */
	(void)vas_probe_has(&space->probes, space->sys, VAS_PROBE_GUARD);
	(void)vas_probe_has(&space->probes, space->sys, VAS_PROBE_GUARD_OBJECT);
	vas_ballast_fill(space);
}
