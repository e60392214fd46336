/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Views mapped again, from another descriptor of the same object.
 *
 * WHAT FOR. Whether a mapping could be made writable is decided by the descriptor that it was made from, and counts for the seals of its object: a view that
 * is only read hinders a seal against writing unless it comes from a descriptor that is only read, too.
 *
 * STRATEGY. Piece by piece what is there is mapped aside, with the recipe, and put in place by one move of the same length, which leaves both as
 * they were when it is refused. The bytes are the object's, so readers see no difference. What was done before a refusal is done back.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls. Nobody but this call knows of what is aside.
 *
 * WHAT IT DOES NOT DO. It changes no record: the books name the object. Guards of the kernel's are gone.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/part_work.h"
#include "sys/strays.h"

static int again_piece(struct vas_part_work *work, const struct vas_extent *piece, int fd)
{
	const struct vas_holding *holding = work->holding;
	struct vas_space *space = work->space;
	struct vas_span span = { piece->start, piece->end - piece->start };
	int64_t aside;
	int err;

	aside = VAS_CALL(space->sys, map, 0, span.size,
			 piece->flags & VAS_EXTENT_CLOSED ? PROT_NONE : piece->prot,
			 MAP_SHARED | MAP_NORESERVE, fd, piece->start + piece->delta);
	if (aside < 0)
		return (int)aside;
	err = vas_space_apply_recipe(space, (uint64_t)aside, span.size, holding->recipe);
	if (!err)
		err = vas_part_move_in(space, span, (uint64_t)aside);
	if (err)
		vas_strays_drop(space->sys, (uint64_t)aside, span.size);
	return err;
}

/* Up to stop. *reached: what follows is as it was. */
static int again_pieces(struct vas_part_work *work, uint64_t stop, int fd, uint64_t *reached)
{
	uint64_t position = work->range.start;
	struct vas_extent piece;
	int err;

	*reached = position;
	while (vas_extents_next(&work->holding->extents, &position, stop, &piece)) {
		if (piece.state != VAS_PART_VIEW)
			continue;
		err = again_piece(work, &piece, fd);
		if (err)
			return err;
		*reached = piece.end;
	}
	return 0;
}

int vas_part_again(struct vas_space *space, struct vas_holding *holding, int fd, int before,
		   struct vas_failure *failure)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = holding->span };
	uint64_t reached, ignored;
	int err;

	vas_lock_take(&holding->lock);
	err = again_pieces(&work, vas_span_end(work.range), fd, &reached);
	if (err)
		(void)again_pieces(&work, reached, before, &ignored);
	vas_lock_drop(&holding->lock);
	return vas_part_classify(err, failure);
}
