/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Views mapped again: from another descriptor of the same object, or in a forked child from a copy of it.
 *
 * WHAT FOR. A child's copy of an object takes its place in all views. And whether a mapping could be made writable is decided by the descriptor that it was made from, and counts for the seals of its object: a view that
 * is only read hinders a seal against writing unless it comes from a descriptor that is only read, too.
 *
 * STRATEGY. Piece by piece what is there is mapped aside, with the recipe, and put in place by one move of the same length, which leaves both as
 * they were when it is refused. The bytes are the object's, so readers see no difference. What was done before a refusal is done back.
 *
 * CONCURRENCY. The holding's lock is held over the kernel calls. Nobody but this call knows of what is aside.
 *
 * What a private view had written to is copied aside first.
 *
 * WHAT IT DOES NOT DO. For another descriptor it changes no record: the books name the object. Guards of the kernel's are gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/fork.h"
#include "space/part_work.h"
#include "sys/strays.h"

#define RUNS 32u /* of pages that are alike, at a time */
#define LEAVE_PRIVATE UINT64_MAX /* in the place of own below */

/* The pages of range that are its own where it is mapped in private, from pagemap and mem. */
static int copy_own(struct vas_sys *sys, int pagemap, int mem, struct vas_span range, uint64_t to)
{
	struct vas_span rest = range;
	struct vas_sys_pages runs[RUNS];
	int64_t count = RUNS;
	int err = 0;

	while (count == RUNS && rest.size) {
		count = VAS_CALL(sys, scan, pagemap, rest, runs, RUNS);
		if (count < 0)
			return (int)count;
		for (int64_t i = 0; i < count && !err; i++)
			if (!(runs[i].categories & VAS_PAGE_FILE))
				err = vas_fork_copy_pages(sys, mem, runs[i].start,
							  to + (runs[i].start - range.start),
							  runs[i].end - runs[i].start);
		if (err)
			return err;
		if (count)
			rest.start = runs[count - 1].end;
		rest.size = vas_span_end(range) - rest.start;
	}
	return 0;
}

/* What a private view had written to below own, an offset in the object. Beyond it there may be guards. */
static int again_fill(struct vas_sys *sys, const struct vas_extent *piece, uint64_t own,
		      uint64_t aside)
{
	uint64_t size = piece->end - piece->start, offset = piece->start + piece->delta;
	struct vas_span range = { piece->start, own - offset < size ? own - offset : size };
	int64_t pagemap = VAS_CALL(sys, open, "/proc/self/pagemap", O_RDONLY);
	int64_t mem = VAS_CALL(sys, open, "/proc/self/mem", O_RDONLY);
	int64_t err = 0;

	if (pagemap < 0 || mem < 0)
		err = pagemap < 0 ? pagemap : mem;
	else if (own > offset)
		err = copy_own(sys, (int)pagemap, (int)mem, range, aside);
	if (pagemap >= 0)
		(void)VAS_CALL(sys, close, (int)pagemap);
	if (mem >= 0)
		(void)VAS_CALL(sys, close, (int)mem);
	if (!err)
		err = VAS_CALL(sys, protect, aside, size, (int)vas_extent_kernel_prot(piece));
	return (int)err;
}

/* What is private is no matter of descriptors. */
static bool is_private(const struct vas_part_work *work, const struct vas_extent *piece)
{
	const struct vas_backings *backings = &work->holding->backings;

	return vas_backings_get(backings, piece->backing, piece->delta).flags & VAS_COMMIT_PRIVATE;
}

static int again_piece(struct vas_part_work *work, const struct vas_extent *piece, int fd,
		       uint64_t own)
{
	const struct vas_holding *holding = work->holding;
	struct vas_space *space = work->space;
	struct vas_span span = { piece->start, piece->end - piece->start };
	bool private = is_private(work, piece);
	int64_t aside;
	int err;

	aside = VAS_CALL(space->sys, map, 0, span.size,
			 private ? PROT_READ | PROT_WRITE : (int)vas_extent_kernel_prot(piece),
			 (private ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE, fd,
			 piece->start + piece->delta);
	if (aside < 0)
		return (int)aside;
	err = private ? again_fill(space->sys, piece, own, (uint64_t)aside) : 0;
	if (!err)
		err = vas_space_apply_recipe(space, (uint64_t)aside, span.size, holding->recipe);
	if (!err)
		err = vas_part_move_in(space, span, (uint64_t)aside);
	if (err)
		vas_strays_drop(space->sys, (uint64_t)aside, span.size);
	return err;
}

/* Up to stop; private ones unless LEAVE_PRIVATE. *reached: what follows is as it was. */
static int again_pieces(struct vas_part_work *work, uint64_t stop, int fd, uint64_t own,
			uint64_t *reached)
{
	uint64_t position = work->range.start;
	struct vas_extent piece;
	int err;

	*reached = position;
	while (vas_extents_next(&work->holding->extents, &position, stop, &piece)) {
		if (piece.state != VAS_PART_VIEW ||
		    (is_private(work, &piece) && own == LEAVE_PRIVATE))
			continue;
		err = again_piece(work, &piece, fd, own);
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
	err = again_pieces(&work, vas_span_end(work.range), fd, LEAVE_PRIVATE, &reached);
	if (err)
		(void)again_pieces(&work, reached, before, LEAVE_PRIVATE, &ignored);
	vas_lock_drop(&holding->lock);
	return vas_part_classify(err, failure);
}

/* What is shown is that object from now on. */
static void turn_backings(struct vas_backings *backings, int fd, const struct vas_sys_stat *stat)
{
	for (uint32_t i = 0; i < backings->count; i++) {
		struct vas_backing *backing = &backings->items[i];

		backing->fd = fd;
		backing->kind = stat->kind;
		backing->device = stat->device;
		backing->inode = stat->inode;
		backing->page_size = stat->page_size;
	}
}

int vas_part_turn(struct vas_space *space, struct vas_holding *holding, int fd, uint64_t own,
		  struct vas_failure *failure)
{
	struct vas_part_work work = { .space = space, .holding = holding, .range = holding->span };
	struct vas_sys_stat stat;
	uint64_t reached;
	int err;

	err = (int)VAS_CALL(space->sys, stat, fd, VAS_STAT_KIND, &stat);
	if (err < 0)
		return vas_part_classify(err, failure);
	vas_lock_take(&holding->lock);
	err = again_pieces(&work, vas_span_end(work.range), fd, own, &reached);
	if (!err)
		turn_backings(&holding->backings, fd, &stat);
	vas_lock_drop(&holding->lock);
	return vas_part_classify(err, failure);
}
