/* SPDX-License-Identifier: BSD-2-Clause */
/* The ladder down which memory is given back. Private to the engine's files. */
#ifndef VAS_SPACE_RETIRE_H
#define VAS_SPACE_RETIRE_H

#include "space/part_work.h"

/*
 * Gives all of [start, end) back as far as the kernel lets, and records it: one change for each
 * piece and no more than one extent more at either end. Returns the worst state. I: room for one change,
 * every WHOLE piece is inside. Lock held.
 */
enum vas_retired vas_retire_range(struct vas_part_work *work, uint64_t start, uint64_t end);
/* Its first step went so: what can be done about it. */
int vas_retire_replaced(struct vas_space *space, const struct vas_holding *holding,
			struct vas_span range, int err, bool *replaced);
/* Its first step, by itself: 0, or -errno, with *replaced when the range is not as it was. */
static inline __attribute__((always_inline)) int
vas_retire_replace(struct vas_space *space, const struct vas_holding *holding,
		   struct vas_span range, bool *replaced)
{
	int err = vas_part_restore_in_line(space, holding, range, replaced);

	return __builtin_expect(err == 0, 1) ? 0 :
	       vas_retire_replaced(space, holding, range, err, replaced);
}
/* What follows when that was refused. */
enum vas_retired vas_retire_refused(struct vas_part_work *work, uint64_t start, uint64_t end,
				    bool replaced);
/* The same for what was mapped just now and is in the books as a hole: extent says what it is. */
enum vas_retired vas_retire_fresh(struct vas_part_work *work, const struct vas_extent *extent,
				  const struct vas_backing *backing);
/* The bytes that are ours of objects behind [start, end) go. False: some were refused. */
bool vas_retire_punch(const struct vas_part_work *work, uint64_t start, uint64_t end);
/* Before a commit over [start, end): the same for what is held there. */
bool vas_retire_punch_held(const struct vas_part_work *work, uint64_t start, uint64_t end);
/*
 * For a span that cannot be unmapped: the bytes of all pieces go where they stand, recorded piece by piece.
 * Returns the worst state, GUARDED at best: what is as reserved faults and holds nothing.
 */
enum vas_retired vas_retire_in_place(struct vas_part_work *work);
/* One try to make a piece that is unretired GONE, by the first step of the ladder only. */
bool vas_retire_again(struct vas_part_work *work, const struct vas_extent *piece);
/*
 * Gives the bytes of a piece back where it stands, when it cannot be replaced: GUARDED, EMPTIED or HELD. *flags:
 * of the extent afterwards. Records nothing.
 */
enum vas_retired vas_retire_bytes(struct vas_space *space, const struct vas_extent *piece,
				  const struct vas_backing *backing, uint16_t *flags);

#endif
