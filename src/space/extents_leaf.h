/* SPDX-License-Identifier: BSD-2-Clause */
/* The leaves of extents. Private to extents.c and extents_room.c. */
#ifndef VAS_SPACE_EXTENTS_LEAF_H
#define VAS_SPACE_EXTENTS_LEAF_H

#include <string.h>

#include "space/extents.h"

#define VAS_EXTENT_LEAF_SIZE  2048u
#define VAS_EXTENT_LEAF_ITEMS 50u
#define VAS_EXTENT_LEAF_HALF  (VAS_EXTENT_LEAF_ITEMS / 2)
#define VAS_EXTENT_SMALL_SIZE 256u
#define VAS_EXTENT_SMALL_ITEMS 5u
#define VAS_EXTENT_HINTS 2048u /* in a table of them */

struct vas_extent_leaf {
	struct vas_extent_leaf *next; /* among the spare ones */
	struct vas_extent *items; /* constant: in the same piece of memory, behind ends */
	uint32_t count;
	uint32_t capacity; /* LEAF_ITEMS; SMALL_ITEMS only in the one leaf there is */
	uint64_t ends[]; /* I: ends[i] is items[i].end */
};
/* Where the items begin: each lies in one line. */
#define VAS_EXTENT_ITEMS_AT(capacity)                                                              \
	((sizeof(struct vas_extent_leaf) + (capacity) * sizeof(uint64_t) +                         \
	  sizeof(struct vas_extent) - 1) /                                                         \
	 sizeof(struct vas_extent) * sizeof(struct vas_extent))
#define VAS_EXTENT_BYTES(capacity)                                                                 \
	(VAS_EXTENT_ITEMS_AT(capacity) + (capacity) * sizeof(struct vas_extent))
_Static_assert(VAS_EXTENT_BYTES(VAS_EXTENT_LEAF_ITEMS) <= VAS_EXTENT_LEAF_SIZE, "a leaf");
_Static_assert(VAS_EXTENT_BYTES(VAS_EXTENT_SMALL_ITEMS) <= VAS_EXTENT_SMALL_SIZE, "a small leaf");
_Static_assert(64 % sizeof(struct vas_extent) == 0, "items do not straddle lines");

/* What it holds above half. */
static inline uint32_t vas_extent_leaf_excess(const struct vas_extent_leaf *leaf)
{
	return leaf->count > VAS_EXTENT_LEAF_HALF ? leaf->count - VAS_EXTENT_LEAF_HALF : 0;
}

/* Spare leaves that so many changes, and the promised ones, can need. */
static inline uint64_t vas_extent_spares_wanted(const struct vas_extents *extents,
						uint64_t changes)
{
	uint64_t most = changes + extents->promised, splits;

	if (most == 0)
		return 0;
	splits = (extents->excess + 2 * most) / VAS_EXTENT_LEAF_HALF + 1;
	return splits < most ? splits : most;
}

/* The items of a leaf from first on, to a place in another. */
static inline void vas_extent_leaf_copy(struct vas_extent_leaf *to, uint32_t at,
					const struct vas_extent_leaf *from, uint32_t first)
{
	uint32_t count = from->count - first;

	memcpy(&to->items[at], &from->items[first], count * sizeof(to->items[0]));
	memcpy(&to->ends[at], &from->ends[first], count * sizeof(to->ends[0]));
}

#endif
