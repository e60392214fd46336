/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The retire ladder: memory goes back, whatever the kernel says.
 *
 * WHAT FOR. A free cannot fail. At the kernel's limit of mappings it refuses
 * to replace the middle of a larger mapping; then the bytes go back another way, and the addresses
 * wait, unused, for better times.
 *
 * STRATEGY. Steps, best first; the first that works ends it:
 *
 *	1. an object's bytes that are ours are punched out, through the mapping: its
 *	   descriptor may be closed or another's by now. Where that is refused they stay, mapped: HELD
 *	2. one MAP_FIXED over everything, with the full recipe: GONE
 *	3. the same after a part of the ballast is spent, when the kernel said ENOMEM
 *	then for each piece that is of one kind:
 *	4. the same for it alone: the whole of a mapping can still be replaced
 *	5. access taken away, where that needs no further mapping, bytes discarded: GUARDED
 *	6. guards, which discard too and need no mapping, up to GUARD_MOST bytes: GUARDED
 *	7. bytes discarded: EMPTIED
 *	8. HELD
 *
 * A replaced piece whose recipe could not be put on again in full counts as GUARDED: it is
 * inaccessible and empty, but would never merge with its neighbours.
 *
 * CONCURRENCY. The holding's lock is held.
 *
 * WHAT IT DOES NOT DO. It makes no room in the books, and asks for no memory.
 */
#include "space/retire.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/ballast.h"
#include "sys/definitions.h"

/* Guards cost page tables, a 512th of what they cover. */
#define GUARD_MOST (UINT64_C(1) << 30)

static struct vas_backing_range piece_range(const struct vas_extent *piece)
{
	return (struct vas_backing_range){
		.span = { piece->start, piece->end - piece->start },
		.offset = piece->start + piece->delta,
		.prot = piece->prot,
		.flags = piece->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE),
	};
}

/* Steps 2 and 3. *replaced: not as it was, though perhaps not with the whole recipe. */
int vas_retire_replaced(struct vas_space *space, const struct vas_holding *holding,
			struct vas_span range, int err, bool *replaced)
{
	while (err == -ENOMEM && vas_ballast_spend(space))
		err = vas_part_restore(space, holding, range, replaced);
	if (err == -ENOMEM)
		__atomic_store_n(&space->refused, true, __ATOMIC_RELAXED);
	return err;
}

/* Step 1 for a piece. False: bytes that are ours are there still, and only their mapping leads to them. */
static bool retire_punch(struct vas_sys *sys, const struct vas_extent *piece,
			 const struct vas_backing *backing)
{
	const struct vas_backing_range range = piece_range(piece);
	int err;

	/* What was given back once may serve another part by now. */
	if (!(backing->flags & VAS_COMMIT_PUNCH) || (piece->flags & VAS_EXTENT_KEPT) ||
	    piece->state == VAS_PART_GUARDED || piece->state == VAS_PART_EMPTIED)
		return true;
	err = backing->ops->discard(backing, sys, &range);
	/* What cannot be punched never will. */
	return !err || err == -EOPNOTSUPP || err == -ENODEV;
}

/* The bytes of what is private. -EOPNOTSUPP: shared ones are punched already, or not ours. */
static int retire_discard(struct vas_sys *sys, const struct vas_extent *piece,
			  const struct vas_backing *backing)
{
	const struct vas_backing_range range = piece_range(piece);

	if (backing->flags & VAS_COMMIT_SHARED)
		return -EOPNOTSUPP;
	return backing->ops->discard(backing, sys, &range);
}

/*
 * Access taken away from a piece. It may be several kernel mappings, of which the first were closed when the last
 * could not be cut: then they are opened again, so that the books know what the kernel shows.
 */
static bool retire_close(struct vas_space *space, const struct vas_extent *piece, uint16_t *flags)
{
	if (VAS_CALL(space->sys, protect, piece->start, piece->end - piece->start, PROT_NONE) >= 0) {
		*flags |= VAS_EXTENT_CLOSED;
		*flags &= (uint16_t)~VAS_EXTENT_TORN;
		return true;
	}
	if (!vas_part_mend(space, piece))
		*flags |= VAS_EXTENT_TORN;
	return false;
}

enum vas_retired vas_retire_bytes(struct vas_space *space, const struct vas_extent *piece,
				  const struct vas_backing *backing, uint16_t *flags)
{
	uint64_t start = piece->start, size = piece->end - start;
	struct vas_sys *sys = space->sys;
	int err;

	*flags = piece->flags;
	if (piece->state == VAS_PART_GUARDED)
		return VAS_RETIRED_GUARDED;
	if (!retire_punch(sys, piece, backing))
		return VAS_RETIRED_HELD;
	if (piece->flags & VAS_EXTENT_WHOLE)
		return VAS_RETIRED_HELD; /* a driver's: only its end gives anything back */
	if (retire_close(space, piece, flags)) {
		err = retire_discard(sys, piece, backing);
		if (!err || err == -EOPNOTSUPP)
			return VAS_RETIRED_GUARDED;
	} else if (size <= GUARD_MOST && vas_probe_has(&space->probes, sys, VAS_PROBE_GUARD) &&
		   VAS_CALL(sys, advise, start, size, MADV_GUARD_INSTALL) >= 0) {
		return VAS_RETIRED_GUARDED;
	}
	if (piece->state == VAS_PART_EMPTIED)
		return VAS_RETIRED_EMPTIED;
	err = retire_discard(sys, piece, backing);
	if (err == -EOPNOTSUPP)
		/* The bytes are not ours: what this process holds of them goes. */
		err = (int)VAS_CALL(sys, advise, start, size, MADV_DONTNEED);
	return err ? VAS_RETIRED_HELD : VAS_RETIRED_EMPTIED;
}

/* As the books call a piece that came to a state. */
static void retire_record(struct vas_part_work *work, const struct vas_extent *piece,
			  enum vas_retired state, uint16_t flags)
{
	struct vas_extents *extents = &work->holding->extents;
	struct vas_extent extent = *piece;

	work->changed = true;
	extent.flags = flags;
	switch (state) {
	case VAS_RETIRED_GONE:
		vas_extents_set(extents, piece->start, piece->end, NULL);
		return;
	case VAS_RETIRED_GUARDED:
		extent.state = VAS_PART_GUARDED;
		break;
	case VAS_RETIRED_EMPTIED:
		extent.state = VAS_PART_EMPTIED;
		break;
	default:
		extent.state = VAS_PART_HELD;
		break;
	}
	vas_extents_set(extents, piece->start, piece->end, &extent);
}

/* Replaced by the reservation, but for a part of the recipe. */
static void retire_record_bare(struct vas_part_work *work, uint64_t start, uint64_t end)
{
	const struct vas_extent extent = { .state = VAS_PART_GUARDED, .flags = VAS_EXTENT_CLOSED };

	work->changed = true;
	vas_extents_set(&work->holding->extents, start, end, &extent);
}

/* Step 1 again, and 4 to 8. tried: 4 was the same call as 2. */
static enum vas_retired retire_piece(struct vas_part_work *work, const struct vas_extent *piece,
				     const struct vas_backing *backing, bool tried)
{
	struct vas_span span = { piece->start, piece->end - piece->start };
	enum vas_retired state;
	bool replaced;
	uint16_t flags;

	if (!tried && retire_punch(work->space->sys, piece, backing)) {
		int err = vas_retire_replace(work->space, work->holding, span, &replaced);

		if (replaced && err) {
			retire_record_bare(work, piece->start, piece->end);
			return VAS_RETIRED_GUARDED;
		}
		if (!err) {
			retire_record(work, piece, VAS_RETIRED_GONE, 0);
			return VAS_RETIRED_GONE;
		}
	}
	state = vas_retire_bytes(work->space, piece, backing, &flags);
	retire_record(work, piece, state, flags);
	return state;
}

bool vas_retire_punch(const struct vas_part_work *work, uint64_t start, uint64_t end)
{
	const struct vas_holding *holding = work->holding;
	struct vas_backing backing;
	struct vas_extent piece;
	bool all = true;

	if (holding->backings.count == 0)
		return true;
	while (vas_extents_next(&holding->extents, &start, end, &piece)) {
		if (piece.state == VAS_PART_RESERVED)
			continue;
		backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
		all &= retire_punch(work->space->sys, &piece, &backing);
	}
	return all;
}

bool vas_retire_punch_held(const struct vas_part_work *work, uint64_t start, uint64_t end)
{
	const struct vas_holding *holding = work->holding;
	struct vas_backing backing;
	struct vas_extent piece;
	bool all = true;

	if (__builtin_expect(holding->extents.bytes[VAS_PART_HELD] == 0, 1))
		return true;
	while (vas_extents_next(&holding->extents, &start, end, &piece)) {
		if (piece.state != VAS_PART_HELD)
			continue;
		backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
		all &= retire_punch(work->space->sys, &piece, &backing);
	}
	return all;
}

/* The range without the rooms at its ends that are as reserved. False: all is. */
VAS_HOT static bool retire_trim(const struct vas_extents *extents, uint64_t *start, uint64_t *end)
{
	uint64_t position = *start, low = UINT64_MAX, high = 0;
	struct vas_extent piece;

	while (vas_extents_next(extents, &position, *end, &piece)) {
		if (piece.state == VAS_PART_RESERVED)
			continue;
		if (low == UINT64_MAX)
			low = piece.start;
		high = piece.end;
	}
	if (low == UINT64_MAX)
		return false;
	*start = low;
	*end = high;
	return true;
}

/* tried: all of it could not be replaced at once. */
static enum vas_retired retire_pieces(struct vas_part_work *work, uint64_t start, uint64_t end,
				      bool tried)
{
	struct vas_holding *holding = work->holding;
	enum vas_retired worst = VAS_RETIRED_GONE, state;
	uint64_t position = start;
	struct vas_backing backing;
	struct vas_extent piece;

	while (vas_extents_next(&holding->extents, &position, end, &piece)) {
		if (piece.state == VAS_PART_RESERVED)
			continue;
		backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
		state = retire_piece(work, &piece, &backing,
				     tried && piece.start == start && piece.end == end);
		if (state > worst)
			worst = state;
	}
	return worst;
}

enum vas_retired vas_retire_in_place(struct vas_part_work *work)
{
	struct vas_holding *holding = work->holding;
	uint64_t position = holding->span.start, end = vas_span_end(holding->span);
	enum vas_retired worst = VAS_RETIRED_GUARDED, state;
	struct vas_backing backing;
	struct vas_extent piece;
	uint16_t flags;

	while (vas_extents_next(&holding->extents, &position, end, &piece)) {
		if (piece.state == VAS_PART_RESERVED)
			continue;
		backing = vas_backings_get(&holding->backings, piece.backing, piece.delta);
		state = vas_retire_bytes(work->space, &piece, &backing, &flags);
		retire_record(work, &piece, state, flags);
		if (state > worst)
			worst = state;
	}
	return worst;
}

enum vas_retired vas_retire_refused(struct vas_part_work *work, uint64_t start, uint64_t end,
				    bool replaced)
{
	work->changed = true;
	if (!replaced)
		return retire_pieces(work, start, end, true);
	retire_record_bare(work, start, end);
	return VAS_RETIRED_GUARDED;
}

VAS_HOT enum vas_retired vas_retire_range(struct vas_part_work *work, uint64_t start, uint64_t end)
{
	struct vas_extents *extents = &work->holding->extents;
	bool replaced;
	int err;

	if (extents->count == 0 || !retire_trim(extents, &start, &end))
		return VAS_RETIRED_GONE;
	work->changed = true;
	if (work->holding->backings.count && !vas_retire_punch(work, start, end))
		return retire_pieces(work, start, end, false);
	err = vas_retire_replace(work->space, work->holding,
				 (struct vas_span){ start, end - start }, &replaced);
	if (!err) {
		vas_extents_set(extents, start, end, NULL);
		return VAS_RETIRED_GONE;
	}
	return vas_retire_refused(work, start, end, replaced);
}

enum vas_retired vas_retire_fresh(struct vas_part_work *work, const struct vas_extent *extent,
				  const struct vas_backing *backing)
{
	return retire_piece(work, extent, backing, false);
}

bool vas_retire_again(struct vas_part_work *work, const struct vas_extent *piece)
{
	const struct vas_backing backing =
		vas_backings_get(&work->holding->backings, piece->backing, piece->delta);
	struct vas_span span = { piece->start, piece->end - piece->start };
	bool replaced;
	int err;

	if (!retire_punch(work->space->sys, piece, &backing))
		return false;
	err = vas_part_restore(work->space, work->holding, span, &replaced);
	if (!err)
		retire_record(work, piece, VAS_RETIRED_GONE, 0);
	else if (replaced)
		retire_record_bare(work, piece->start, piece->end);
	return !err;
}
