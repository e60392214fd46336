/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room for extents.
 *
 * WHAT FOR. A change must not need memory in the middle, and a free not at all.
 *
 * STRATEGY. A leaf splits only when it is full, and the halves then have half of its places each. With excess,
 * the sum of what leaves hold above half, n more extents split at most (excess + n) / LEAF_HALF + 1
 * leaves: inserting adds one to excess at most, a split takes LEAF_HALF from it. Nor can
 * they split more leaves than there are changes. So many spare leaves are kept.
 *
 * CONCURRENCY. Guarded by the holding's lock; the memory comes from the space's
 * books, so growing takes the space's lock in the caller.
 *
 * WHAT IT DOES NOT DO. It changes no extent.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/extents_leaf.h"

#define HINTS_FROM 64u /* leaves: with so many, hints are worth their memory */
#define TOPS_FIRST 4u
#define TOPS_MAX   ((2u << 20) / sizeof(struct vas_extent_top))

static size_t leaf_size(uint32_t capacity)
{
	return capacity == VAS_EXTENT_LEAF_ITEMS ? VAS_EXTENT_LEAF_SIZE : VAS_EXTENT_SMALL_SIZE;
}

/* Is there one leaf, and it is small? */
static bool small_alone(const struct vas_extents *extents)
{
	return extents->leaves == 1 && extents->tops[0].leaf->capacity < VAS_EXTENT_LEAF_ITEMS;
}

/* Does the one small leaf do? */
static bool small_is_enough(const struct vas_extents *extents, uint64_t changes)
{
	const struct vas_extent_leaf *leaf = extents->tops[0].leaf;

	return small_alone(extents) && leaf->count + 2 * (changes + extents->promised) <= leaf->capacity;
}

VAS_HOT bool vas_extents_ready(const struct vas_extents *extents, uint32_t more)
{
	uint64_t wanted;

	if (more == 0 && extents->promised == 0)
		return true;
	if (extents->leaves == 0)
		return false;
	if (small_alone(extents))
		return small_is_enough(extents, more);
	wanted = vas_extent_spares_wanted(extents, more);
	return wanted <= extents->spares;
}

static int tops_grow(struct vas_extents *extents, struct vas_pages *pages, uint64_t wanted)
{
	uint64_t capacity = extents->top_capacity ? extents->top_capacity : TOPS_FIRST;
	void *memory;
	int err;

	if (wanted <= extents->top_capacity)
		return 0;
	if (wanted > TOPS_MAX)
		return -E2BIG;
	while (capacity < wanted)
		capacity *= 2;
	if (capacity > TOPS_MAX)
		capacity = TOPS_MAX;
	err = vas_pages_take(pages, capacity * sizeof(extents->tops[0]), &memory);
	if (err)
		return err;
	if (extents->leaves)
		memcpy(memory, extents->tops, extents->leaves * sizeof(extents->tops[0]));
	if (extents->tops)
		vas_pages_give(pages, extents->tops,
			       extents->top_capacity * sizeof(extents->tops[0]));
	extents->tops = memory;
	extents->top_capacity = (uint32_t)capacity;
	return 0;
}

static int leaf_make(struct vas_pages *pages, uint32_t capacity, struct vas_extent_leaf **leaf)
{
	void *memory;
	int err;

	err = vas_pages_take(pages, leaf_size(capacity), &memory);
	if (err)
		return err;
	*leaf = memory;
	(*leaf)->items = (struct vas_extent *)(void *)((char *)memory + VAS_EXTENT_ITEMS_AT(capacity));
	(*leaf)->count = 0;
	(*leaf)->capacity = capacity;
	return 0;
}

/* The first leaf: small if that does, else of full size. */
static int leaf_first(struct vas_extents *extents, struct vas_pages *pages, uint64_t changes)
{
	struct vas_extent_leaf *old = extents->leaves ? extents->tops[0].leaf : NULL, *made;
	bool small = !old && 2 * changes <= VAS_EXTENT_SMALL_ITEMS;
	int err;

	err = tops_grow(extents, pages, 1);
	if (!err)
		err = leaf_make(pages, small ? VAS_EXTENT_SMALL_ITEMS : VAS_EXTENT_LEAF_ITEMS, &made);
	if (err)
		return err;
	extents->leaves = 1;
	extents->tops[0].leaf = made;
	if (old) {
		vas_extent_leaf_copy(made, 0, old, 0);
		made->count = old->count;
		vas_pages_give(pages, old, VAS_EXTENT_SMALL_SIZE);
	} else {
		extents->tops[0].start = 0;
	}
	return 0;
}

/* The table of hints, if memory can be had; each hint for as much as the extents cover by now. */
static void near_make(struct vas_extents *extents, struct vas_pages *pages)
{
	uint32_t shift = 12;
	void *memory;

	if (extents->leaves < HINTS_FROM)
		return;
	while ((extents->high - extents->low) >> shift >= VAS_EXTENT_HINTS)
		shift++;
	__atomic_store_n(&extents->near_shift, shift, __ATOMIC_RELAXED);
	if (!extents->near && !vas_pages_take(pages, VAS_EXTENT_HINTS * sizeof(*extents->near), &memory))
		__atomic_store_n(&extents->near, memory, __ATOMIC_RELEASE);
}

int vas_extents_room(struct vas_extents *extents, struct vas_pages *pages, uint32_t more)
{
	struct vas_extent_leaf *leaf;
	uint64_t wanted;
	int err = 0;

	if (vas_extents_ready(extents, more))
		return 0;
	if (extents->leaves == 0 || small_alone(extents))
		err = leaf_first(extents, pages, (uint64_t)more + extents->promised);
	if (err)
		return err;
	if (extents->tops[0].leaf->capacity < VAS_EXTENT_LEAF_ITEMS)
		return 0;
	near_make(extents, pages);
	wanted = vas_extent_spares_wanted(extents, more);
	if (wanted > TOPS_MAX)
		return -E2BIG;
	err = tops_grow(extents, pages,
			extents->leaves + (wanted > extents->spares ? wanted : extents->spares));
	while (!err && extents->spares < wanted) {
		err = leaf_make(pages, VAS_EXTENT_LEAF_ITEMS, &leaf);
		if (err)
			break;
		leaf->next = extents->spare;
		extents->spare = leaf;
		extents->spares++;
	}
	return err;
}

int vas_extents_promise(struct vas_extents *extents, struct vas_pages *pages, uint32_t count)
{
	int err = vas_extents_room(extents, pages, count);

	if (!err)
		extents->promised += count;
	return err;
}

VAS_HOT void vas_extents_unpromise(struct vas_extents *extents, uint32_t count)
{
	VAS_ASSERT(count <= extents->promised);
	extents->promised -= count;
}

void vas_extents_free(struct vas_extents *extents, struct vas_pages *pages)
{
	struct vas_extent_leaf *leaf, *next;

	for (leaf = extents->spare; leaf; leaf = next) {
		next = leaf->next;
		vas_pages_give(pages, leaf, VAS_EXTENT_LEAF_SIZE);
	}
	for (uint32_t i = 0; i < extents->leaves; i++)
		vas_pages_give(pages, extents->tops[i].leaf, leaf_size(extents->tops[i].leaf->capacity));
	if (extents->tops)
		vas_pages_give(pages, extents->tops,
			       extents->top_capacity * sizeof(extents->tops[0]));
	if (extents->near)
		vas_pages_give(pages, extents->near, VAS_EXTENT_HINTS * sizeof(*extents->near));
	*extents = (struct vas_extents){ 0 };
}
