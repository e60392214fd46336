/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing a part of a view, and opening it again.
 *
 * WHAT FOR. What a view shows of an object beyond the object's size must not be touched. Without access that is found
 * out by a signal that debuggers and handlers know, and never by a page that came to be there meanwhile.
 *
 * STRATEGY. As a change of protection, but that the books keep the protection which the part has when it is open: it is
 * flagged as closed. Piece by piece, so that what was changed before a refusal is changed back.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls.
 *
 * WHAT IT DOES NOT DO. It tells nobody, and counts no generation: that is done by the user, whose change it is a part of.
 */
#include "space/part_work.h"

#include <errno.h>

#include "base/assert.h"

static bool tail_needs_call(const struct vas_extent *piece, bool closed)
{
	return piece->state == VAS_PART_VIEW &&
	       (!!(piece->flags & VAS_EXTENT_CLOSED) != closed || (piece->flags & VAS_EXTENT_TORN));
}

static void tail_flag(struct vas_extent *piece, bool closed)
{
	piece->flags &= (uint16_t)~(VAS_EXTENT_CLOSED | VAS_EXTENT_TORN);
	if (closed)
		piece->flags |= VAS_EXTENT_CLOSED;
}

static int tail_prot(const struct vas_extent *piece, bool closed)
{
	return closed ? 0 : piece->prot;
}

/* Changes the pieces below stop back. What cannot be changed back is recorded as it is. */
static void tail_undo(struct vas_part_work *work, uint64_t stop, bool closed)
{
	uint64_t position = work->range.start;
	struct vas_extent piece;

	while (vas_extents_next(&work->holding->extents, &position, stop, &piece)) {
		struct vas_extent now = piece;

		if (!tail_needs_call(&piece, closed))
			continue;
		tail_flag(&now, closed);
		if (vas_part_reopen(work, &now, tail_prot(&piece, !closed)) >= 0)
			continue;
		work->changed = true;
		vas_extents_set(&work->holding->extents, piece.start, piece.end, &now);
	}
}

static int tail_kernel(struct vas_part_work *work, bool closed)
{
	uint64_t position = work->range.start, end = vas_span_end(work->range);
	struct vas_extent piece;
	int err;

	while (vas_extents_next(&work->holding->extents, &position, end, &piece)) {
		if (!tail_needs_call(&piece, closed))
			continue;
		err = vas_part_reopen(work, &piece, tail_prot(&piece, closed));
		if (err < 0) {
			tail_undo(work, piece.start, closed);
			return err;
		}
	}
	return 0;
}

static void tail_books(struct vas_part_work *work, bool closed)
{
	uint64_t position = work->range.start, end = vas_span_end(work->range);
	struct vas_extent piece;

	while (vas_extents_next(&work->holding->extents, &position, end, &piece)) {
		if (!tail_needs_call(&piece, closed))
			continue;
		tail_flag(&piece, closed);
		vas_extents_set(&work->holding->extents, piece.start, piece.end, &piece);
	}
}

int vas_part_close(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		   bool closed, struct vas_failure *failure)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = range };
	int err;

	vas_lock_take(&holding->lock);
	vas_part_snapshot(&work);
	err = vas_part_room(&work, 1, failure);
	if (!err)
		err = tail_kernel(&work, closed);
	if (!err)
		tail_books(&work, closed);
	vas_part_count(&work);
	vas_lock_drop(&holding->lock);
	return vas_part_classify(err, failure);
}
