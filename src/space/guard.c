/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guard: committed pages fault, and cost no kernel mapping where the kernel can.
 *
 * WHAT FOR. Red zones and stack ends in the middle of committed memory; each as a protection of its own
 * would split a mapping in three.
 *
 * STRATEGY. Guard regions of the kernel (MADV_GUARD_INSTALL) up to GUARD_MOST bytes; they cost page
 * tables. Where they are missing or refused (huge page pools, locked memory) access is
 * taken away by mprotect, and the books say so. Guards of the kernel discard the contents of private
 * memory, so the other way discards them too.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls.
 *
 * WHAT IT DOES NOT DO. It gives no memory of shared objects back.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/ballast.h"
#include "space/retire.h"
#include "sys/definitions.h"

#define GUARD_MOST (UINT64_C(1) << 30)

static bool guard_install(struct vas_space *space, struct vas_span span)
{
	return span.size <= GUARD_MOST &&
	       vas_probe_has(&space->probes, space->sys, VAS_PROBE_GUARD) &&
	       VAS_CALL(space->sys, advise, span.start, span.size, MADV_GUARD_INSTALL) >= 0;
}

static void guard_record(struct vas_part_work *work, const struct vas_extent *piece,
			 enum vas_part_state state, uint32_t flags)
{
	struct vas_extent extent = *piece;

	work->changed = true;
	extent.state = (uint8_t)state;
	extent.flags = (uint16_t)flags;
	vas_extents_set(&work->holding->extents, piece->start, piece->end, &extent);
}

/* Contents of private memory go; shared ones are the object's. */
static void guard_discard(struct vas_part_work *work, const struct vas_extent *piece)
{
	struct vas_holding *holding = work->holding;
	struct vas_backing backing =
		vas_backings_get(&holding->backings, piece->backing, piece->delta);
	const struct vas_backing_range range = {
		.span = { piece->start, piece->end - piece->start },
		.offset = piece->start + piece->delta,
		.prot = piece->prot,
	};

	if (!(backing.flags & VAS_COMMIT_SHARED))
		(void)backing.ops->discard(&backing, work->space->sys, &range);
}

static int guard_piece(struct vas_part_work *work, struct vas_extent *piece)
{
	struct vas_span span = { piece->start, piece->end - piece->start };
	int err;

	if (guard_install(work->space, span)) {
		guard_record(work, piece, VAS_PART_GUARD, piece->flags);
		return 0;
	}
	err = vas_part_reopen(work, piece, PROT_NONE);
	if (err < 0)
		return err;
	guard_discard(work, piece);
	guard_record(work, piece, VAS_PART_GUARD, piece->flags | VAS_EXTENT_CLOSED);
	return 0;
}

static int unguard_piece(struct vas_part_work *work, struct vas_extent *piece)
{
	struct vas_span span = { piece->start, piece->end - piece->start };
	int err;

	if (piece->flags & VAS_EXTENT_CLOSED)
		err = vas_part_reopen(work, piece, piece->prot);
	else
		err = (int)VAS_CALL(work->space->sys, advise, span.start, span.size,
				    MADV_GUARD_REMOVE);
	if (err < 0)
		return err;
	guard_record(work, piece, VAS_PART_COMMITTED, piece->flags & ~VAS_EXTENT_CLOSED);
	return 0;
}

static int guard_range(struct vas_part_work *work, bool on)
{
	uint64_t position = work->range.start, end = vas_span_end(work->range);
	struct vas_extent piece;
	int err = 0;

	while (!err && vas_extents_next(&work->holding->extents, &position, end, &piece)) {
		if (on && piece.state == VAS_PART_COMMITTED)
			err = guard_piece(work, &piece);
		else if (!on && piece.state == VAS_PART_GUARD)
			err = unguard_piece(work, &piece);
	}
	return err;
}

static int guard_change(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
			bool on, struct vas_failure *failure)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = range,
				      .change = VAS_CHANGE_GUARD };
	int err;

	err = vas_part_begin(&work, failure);
	if (err)
		return err;
	err = vas_part_covered(&work, failure);
	if (!err)
		err = vas_part_room(&work, 1, failure);
	if (!err)
		err = guard_range(&work, on);
	return vas_part_end(&work, vas_part_classify(err, failure));
}

int vas_part_guard(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		   struct vas_failure *failure)
{
	return guard_change(space, holding, range, true, failure);
}

int vas_part_unguard(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     struct vas_failure *failure)
{
	return guard_change(space, holding, range, false, failure);
}
