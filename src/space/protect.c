/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protect: committed memory gets another protection.
 *
 * WHAT FOR. Code that was written becomes executable, tables become read-only.
 *
 * STRATEGY. Piece by piece, so that it is known what each refusal left: the pieces changed before
 * it are changed back. At the kernel's limit of mappings the ballast is spent for that, too. A piece
 * may be several kernel mappings, since the kernel does not always merge what is alike: of these mprotect
 * changes the first ones and then refuses, so a refused piece is changed back as well. A piece that
 * the caller has guarded by taking access away only gets a new number in the books.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls.
 *
 * WHAT IT DOES NOT DO. It changes no contents, and nothing that is not committed.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/ballast.h"
#include "space/retire.h"

int vas_part_covered(struct vas_part_work *work, struct vas_failure *failure)
{
	uint64_t position = work->range.start;
	struct vas_span hole;

	if (vas_part_cuts(work->holding, work->space->sys, work->range)) {
		failure->why = VAS_WHY_ARGUMENT;
		return -EINVAL;
	}
	if (!vas_extents_hole(&work->holding->extents, &position, vas_span_end(work->range), &hole))
		return 0;
	failure->address = hole.start;
	failure->why = VAS_WHY_NOT_MAPPED;
	return -EINVAL;
}

VAS_HOT static int open_span(struct vas_space *space, struct vas_span span, int prot)
{
	int64_t err;

	do {
		err = VAS_CALL(space->sys, protect, span.start, span.size, prot);
	} while (err == -ENOMEM && vas_ballast_spend(space));
	return (int)err;
}

VAS_HOT int vas_part_open(struct vas_part_work *work, struct vas_span span, int prot)
{
	return open_span(work->space, span, prot);
}

bool vas_part_mend(struct vas_space *space, const struct vas_extent *piece)
{
	struct vas_span span = { piece->start, piece->end - piece->start };

	return open_span(space, span, (int)vas_extent_kernel_prot(piece)) >= 0;
}

VAS_HOT int vas_part_reopen(struct vas_part_work *work, struct vas_extent *piece, int prot)
{
	struct vas_span span = { piece->start, piece->end - piece->start };
	int err = open_span(work->space, span, prot);

	if (__builtin_expect(err >= 0, 1)) {
		piece->flags &= (uint16_t)~VAS_EXTENT_TORN;
		return 0;
	}
	if (!vas_part_mend(work->space, piece)) {
		work->changed = true;
		piece->flags |= VAS_EXTENT_TORN;
		vas_extents_set(&work->holding->extents, piece->start, piece->end, piece);
	}
	return err;
}

static bool needs_call(const struct vas_extent *piece, int prot)
{
	return (piece->prot != prot || (piece->flags & VAS_EXTENT_TORN)) &&
	       !(piece->flags & VAS_EXTENT_CLOSED);
}

static void protect_record(struct vas_part_work *work, const struct vas_extent *piece, int prot)
{
	struct vas_extent extent = *piece;

	extent.prot = (uint8_t)prot;
	vas_extents_set(&work->holding->extents, piece->start, piece->end, &extent);
}

/*
 * Changes the pieces below stop back. The books still say what they were; what cannot be
 * changed back they say as it is. Such a piece keeps its start and end: no more room is needed.
 */
static void protect_undo(struct vas_part_work *work, uint64_t stop, int prot)
{
	uint64_t position = work->range.start;
	struct vas_extent piece;

	while (vas_extents_next(&work->holding->extents, &position, stop, &piece)) {
		struct vas_extent now = piece;

		now.prot = (uint8_t)prot;
		if (!needs_call(&piece, prot) || vas_part_reopen(work, &now, piece.prot) >= 0)
			continue;
		work->changed = true;
		protect_record(work, &now, prot);
	}
}

static int protect_kernel(struct vas_part_work *work, int prot)
{
	uint64_t position = work->range.start, end = vas_span_end(work->range);
	struct vas_extent piece;
	int err;

	while (vas_extents_next(&work->holding->extents, &position, end, &piece)) {
		if (!needs_call(&piece, prot))
			continue;
		err = vas_part_reopen(work, &piece, prot);
		if (err < 0) {
			protect_undo(work, piece.start, prot);
			return err;
		}
	}
	return 0;
}

static void protect_books(struct vas_part_work *work, int prot)
{
	uint64_t position = work->range.start, end = vas_span_end(work->range);
	struct vas_extent piece;

	while (vas_extents_next(&work->holding->extents, &position, end, &piece)) {
		if (!(piece.flags & VAS_EXTENT_CLOSED))
			piece.flags &= (uint16_t)~VAS_EXTENT_TORN;
		protect_record(work, &piece, prot);
	}
}

VAS_HOT int vas_part_protect(struct vas_space *space, struct vas_holding *holding,
			     struct vas_span range, int prot, struct vas_failure *failure)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = range,
				      .change = VAS_CHANGE_PROTECT };
	int err;

	err = vas_part_begin(&work, failure);
	if (err)
		return err;
	err = vas_part_covered(&work, failure);
	if (!err)
		err = vas_part_room(&work, 1, failure);
	if (!err)
		err = protect_kernel(&work, prot);
	if (!err)
		protect_books(&work, prot);
	return vas_part_end(&work, vas_part_classify(err, failure));
}
