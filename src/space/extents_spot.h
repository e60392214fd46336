/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One extent in the middle of a leaf, with room on both sides: the short way to put it in and to take it out.
 *
 * After a system call code and branches are cold, so what counts is how few of them there are. Most changes are
 * of one block, whose extent has neighbours in its own leaf and touches neither. Nothing but the leaf, the sum of
 * excess and the bytes changes then, and two kernel mappings more or fewer are asked for. Everything else is
 * for vas_extents_set.
 *
 * Private to what makes changes. Guarded by the holding's lock.
 */
#ifndef VAS_SPACE_EXTENTS_SPOT_H
#define VAS_SPACE_EXTENTS_SPOT_H

#include <stdbool.h>
#include <stdint.h>

#include "space/extents_leaf.h"

#define VAS_EXTENT_SPOT_RUNS 2 /* kernel mappings that such an extent makes */

struct vas_extent_spot {
	struct vas_extent_leaf *leaf;
	uint32_t item;
};

/* Where the first extent stands that ends above address. False: at an end of its leaf, or in a small one. */
bool vas_extent_spot_find(const struct vas_extents *extents, uint64_t address,
			  struct vas_extent_spot *spot);

/*
 * The place for an extent [start, end), when all there is as reserved, and some room beside it; and there is room in
 * its leaf, and for one change more than was promised.
 */
static inline bool vas_extent_spot_free(const struct vas_extents *extents, uint64_t start,
					uint64_t end, struct vas_extent_spot *spot)
{
	return vas_extent_spot_find(extents, start, spot) &&
	       spot->leaf->items[spot->item].start > end &&
	       spot->leaf->ends[spot->item - 1] < start &&
	       spot->leaf->count < spot->leaf->capacity &&
	       vas_extent_spares_wanted(extents, 1) <= extents->spares;
}

/*
 * The extent that is [start, end), when there is room on both sides of it, and its leaf is not to be joined with
 * another once it is gone.
 */
static inline bool vas_extent_spot_exact(const struct vas_extents *extents, uint64_t start,
					 uint64_t end, struct vas_extent_spot *spot)
{
	const struct vas_extent_leaf *leaf;
	const struct vas_extent *item;

	if (!vas_extent_spot_find(extents, start, spot))
		return false;
	leaf = spot->leaf;
	item = &leaf->items[spot->item];
	return item->start == start && item->end == end && leaf->ends[spot->item - 1] < start &&
	       spot->item + 1 < leaf->count && item[1].start > end &&
	       leaf->count > VAS_EXTENT_LEAF_HALF / 2 + 1;
}

/* Moves the items behind the spot; the leaf's count and the sums are changed already. */
static inline void vas_extent_spot_shift(struct vas_extent_leaf *leaf, uint32_t from, uint32_t to,
					 uint32_t count)
{
	memmove(&leaf->items[to], &leaf->items[from], count * sizeof(leaf->items[0]));
	memmove(&leaf->ends[to], &leaf->ends[from], count * sizeof(leaf->ends[0]));
}

/* I: the spot is free. */
static inline void vas_extent_spot_put(struct vas_extents *extents,
				       const struct vas_extent_spot *spot,
				       const struct vas_extent *item)
{
	struct vas_extent_leaf *leaf = spot->leaf;

	vas_extent_spot_shift(leaf, spot->item, spot->item + 1, leaf->count - spot->item);
	leaf->items[spot->item] = *item;
	leaf->ends[spot->item] = item->end;
	extents->excess += leaf->count >= VAS_EXTENT_LEAF_HALF;
	leaf->count++;
	extents->count++;
	extents->bytes[item->state] += item->end - item->start;
}

/* I: the spot is exact. */
static inline void vas_extent_spot_take(struct vas_extents *extents,
					const struct vas_extent_spot *spot)
{
	struct vas_extent_leaf *leaf = spot->leaf;
	const struct vas_extent *item = &leaf->items[spot->item];

	extents->bytes[item->state] -= item->end - item->start;
	extents->excess -= leaf->count > VAS_EXTENT_LEAF_HALF;
	leaf->count--;
	extents->count--;
	vas_extent_spot_shift(leaf, spot->item + 1, spot->item, leaf->count - spot->item);
}

#endif
