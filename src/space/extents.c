/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extents of one span.
 *
 * WHAT FOR. What is committed keeps its contents and protection, what is given back but not
 * inaccessible yet is tried again, the rest is as reserved; ten thousand blocks
 * and more in one span, at a price well below the system call beside it.
 *
 * STRATEGY. A sorted array in two levels: leaves of 2 KiB with up to LEAF_ITEMS extents, and an
 * array of leaves. A search is two bisections; a change moves at most a leaf and, when one
 * splits or empties, the array of leaves. A span with few extents has one small leaf.
 *
 * Most leaves are out of the cache when they are asked for. A leaf has the ends of its extents side by
 * side in front: a bisection reads a few lines, all fetched at once, and then one extent. Where there are
 * many leaves, a table of hints by address says in which one the last search ended: that is looked at before
 * the first bisection, and a caller who has something else to do first lets it be fetched meanwhile. What a
 * hint says may be wrong.
 *
 * One function changes anything: set. It cuts what overlaps, drops what is covered, and puts
 * one extent in, joined with neighbours that agree: at most two extents more.
 *
 * CONCURRENCY. Guarded by the holding's lock.
 *
 * WHAT IT DOES NOT DO. It calls no kernel, takes no memory (extents_room.c), and has no opinion about states.
 */
#include <string.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/extents_leaf.h"
#include "space/extents_spot.h"

#define LINE 64u /* of the cache, as a rule */

/* A place between extents: before the item, which may be one past its leaf's last. */
struct place {
	uint32_t leaf;
	uint32_t item;
};

/* Is a place, which may be of long ago, that of the first extent that ends above address? */
VAS_HOT static bool place_fits(const struct vas_extents *extents, struct place place,
			       uint64_t address)
{
	const struct vas_extent_top *top = &extents->tops[place.leaf];
	const struct vas_extent_leaf *leaf;

	if (place.leaf >= extents->leaves)
		return false;
	leaf = top->leaf;
	if (place.item > leaf->count)
		return false;
	if (place.item > 0 ? leaf->ends[place.item - 1] > address :
			     place.leaf > 0 && top->start > address)
		return false;
	if (place.item < leaf->count)
		return leaf->ends[place.item] > address;
	return place.leaf + 1 == extents->leaves || top[1].start > address;
}

static inline void leaf_prefetch(const struct vas_extent_leaf *leaf)
{
	for (size_t line = 0; line < VAS_EXTENT_ITEMS_AT(VAS_EXTENT_LEAF_ITEMS); line += LINE)
		__builtin_prefetch((const char *)leaf + line);
}

/* The hint for an address, or NULL. */
static inline struct vas_extent_hint *near_hint(const struct vas_extents *extents, uint64_t address)
{
	struct vas_extent_hint *near = __atomic_load_n(&extents->near, __ATOMIC_ACQUIRE);
	uint32_t shift = __atomic_load_n(&extents->near_shift, __ATOMIC_RELAXED);

	return near ? &near[(address >> shift) % VAS_EXTENT_HINTS] : NULL;
}

VAS_HOT void vas_extents_foresee(const struct vas_extents *extents, uint64_t address)
{
	struct vas_extent_hint *hint = near_hint(extents, address);
	const struct vas_extent_leaf *leaf;
	const char *item;

	if (!hint)
		return;
	leaf = __atomic_load_n(&hint->leaf, __ATOMIC_RELAXED);
	if (!leaf)
		return;
	leaf_prefetch(leaf);
	/* Nothing is read: the leaf may be another's memory by now. */
	item = (const char *)leaf + VAS_EXTENT_ITEMS_AT(VAS_EXTENT_LEAF_ITEMS) +
	       __atomic_load_n(&hint->item, __ATOMIC_RELAXED) * sizeof(struct vas_extent);
	__builtin_prefetch(item - LINE);
	__builtin_prefetch(item);
	__builtin_prefetch(item + LINE);
}

/* The first item of a leaf that ends above address. */
static inline uint32_t leaf_search(const struct vas_extent_leaf *leaf, uint64_t address)
{
	uint32_t item = 0, half;

	leaf_prefetch(leaf);
	for (uint32_t left = leaf->count; left > 0; left -= half) {
		half = (left + 1) / 2;
		item += leaf->ends[item + half - 1] <= address ? half : 0;
	}
	return item;
}

/* Two bisections without branches to guess wrong: places are asked for in any order. */
VAS_HOT static struct place extents_search(const struct vas_extents *extents, uint64_t address)
{
	const struct vas_extent_leaf *leaf;
	struct place place = { 0, 0 };
	uint32_t half;

	/* The last leaf that starts at or below it, else the first. */
	for (uint32_t left = extents->leaves; left > 1; left -= half) {
		half = left / 2;
		place.leaf += extents->tops[place.leaf + half].start <= address ? half : 0;
	}
	if (extents->leaves == 0)
		return place;
	leaf = extents->tops[place.leaf].leaf;
	place.item = leaf_search(leaf, address);
	return place;
}

/* The same where a hint holds. False: it does not, or the place is at an end of its leaf. */
VAS_HOT static bool hint_search(const struct vas_extents *extents,
				const struct vas_extent_hint *hint, uint64_t address,
				struct place *place)
{
	uint32_t index = hint->index;

	if (index >= extents->leaves || extents->tops[index].leaf != hint->leaf)
		return false;
	place->leaf = index;
	place->item = leaf_search(hint->leaf, address);
	return place->item > 0 && place->item < hint->leaf->count;
}

static struct place extents_look(const struct vas_extents *extents, uint64_t address)
{
	struct vas_extent_hint *hint = near_hint(extents, address);
	struct place place;

	if (!hint)
		return extents_search(extents, address);
	if (!hint_search(extents, hint, address, &place)) {
		place = extents_search(extents, address);
		hint->index = place.leaf;
		__atomic_store_n(&hint->leaf, extents->tops[place.leaf].leaf, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&hint->item, place.item, __ATOMIC_RELAXED);
	return place;
}

/*
 * The first extent that ends above address. One operation asks for the same address
 * several times, so the last place is kept: a hint, which is tried before it is believed.
 */
VAS_HOT static struct place extents_find(const struct vas_extents *extents, uint64_t address)
{
	struct vas_extents *hints = (struct vas_extents *)(uintptr_t)extents;
	uint64_t last = __atomic_load_n(&extents->last, __ATOMIC_RELAXED);
	struct place place = { (uint32_t)(last >> 32), (uint32_t)last };

	if (__atomic_load_n(&extents->last_address, __ATOMIC_RELAXED) == address &&
	    place_fits(extents, place, address))
		return place;
	place = extents_look(extents, address);
	__atomic_store_n(&hints->last, (uint64_t)place.leaf << 32 | place.item, __ATOMIC_RELAXED);
	__atomic_store_n(&hints->last_address, address, __ATOMIC_RELAXED);
	return place;
}

/*
 * As leaf_search, in a leaf of full size, without a branch: after a system call nobody foresees where
 * they go.
 */
static inline uint32_t leaf_steps(const struct vas_extent_leaf *leaf, uint64_t address)
{
	uint32_t item = 0, inside;

	_Static_assert(VAS_EXTENT_LEAF_ITEMS < 64, "so many steps do");
	leaf_prefetch(leaf);
	/* By arithmetic: compilers take what stands behind a question for rare. */
#pragma GCC unroll 6
	for (uint32_t half = 32; half > 0; half /= 2) {
		inside = 0u - (item + half <= leaf->count);
		item += half & inside & (0u - (leaf->ends[(item + half - 1) & inside] <= address));
	}
	return item;
}

static inline bool spot_fill(struct vas_extent_leaf *leaf, uint64_t address,
			     struct vas_extent_spot *spot)
{
	spot->leaf = leaf;
	spot->item = leaf_steps(leaf, address);
	return spot->item > 0 && spot->item < leaf->count;
}

VAS_HOT bool vas_extent_spot_find(const struct vas_extents *extents, uint64_t address,
				  struct vas_extent_spot *spot)
{
	struct vas_extent_hint *hint = near_hint(extents, address);
	struct vas_extent_leaf *leaf;
	uint32_t index = 0, half;

	if (hint && hint->index < extents->leaves) {
		leaf = extents->tops[hint->index].leaf;
		if (leaf == hint->leaf && spot_fill(leaf, address, spot)) {
			__atomic_store_n(&hint->item, spot->item, __ATOMIC_RELAXED);
			return true;
		}
	}
	for (uint32_t left = extents->leaves; left > 1; left -= half) {
		half = left / 2;
		index += extents->tops[index + half].start <= address ? half : 0;
	}
	if (extents->leaves == 0 ||
	    extents->tops[index].leaf->capacity != VAS_EXTENT_LEAF_ITEMS)
		return false;
	leaf = extents->tops[index].leaf;
	if (hint) {
		hint->index = index;
		__atomic_store_n(&hint->leaf, leaf, __ATOMIC_RELAXED);
	}
	if (!spot_fill(leaf, address, spot))
		return false;
	if (hint)
		__atomic_store_n(&hint->item, spot->item, __ATOMIC_RELAXED);
	return true;
}

/* The extent behind a place, or NULL. */
static struct vas_extent *extents_at(const struct vas_extents *extents, struct place place)
{
	if (place.leaf >= extents->leaves)
		return NULL;
	if (place.item < extents->tops[place.leaf].leaf->count)
		return &extents->tops[place.leaf].leaf->items[place.item];
	if (place.leaf + 1 >= extents->leaves)
		return NULL;
	return &extents->tops[place.leaf + 1].leaf->items[0];
}

/* The extent before a place, or NULL. */
static struct vas_extent *extents_before(const struct vas_extents *extents, struct place place)
{
	struct vas_extent_leaf *leaf;

	if (place.leaf >= extents->leaves || (place.item == 0 && place.leaf == 0))
		return NULL;
	if (place.item > 0)
		return &extents->tops[place.leaf].leaf->items[place.item - 1];
	leaf = extents->tops[place.leaf - 1].leaf;
	return &leaf->items[leaf->count - 1];
}

/* The same place as (leaf, item) of the extent behind it. I: there is one. */
static struct place extents_settle(const struct vas_extents *extents, struct place place)
{
	if (place.item == extents->tops[place.leaf].leaf->count)
		return (struct place){ place.leaf + 1, 0 };
	return place;
}

static bool extents_agree(const struct vas_extent *a, const struct vas_extent *b)
{
	return a->end == b->start && a->state == b->state && a->prot == b->prot &&
	       a->flags == b->flags && a->backing == b->backing && a->delta == b->delta &&
	       !(a->flags & VAS_EXTENT_WHOLE);
}

/* Does the kernel see one mapping? Guards that cost none, and what is emptied, look like the rest. */
static bool extents_fuse(const struct vas_extent *a, const struct vas_extent *b)
{
	const uint32_t advice = ~(VAS_EXTENT_CLOSED | VAS_EXTENT_KEPT | VAS_EXTENT_TORN);

	return vas_extent_kernel_prot(a) == vas_extent_kernel_prot(b) &&
	       (a->flags & advice) == (b->flags & advice) && a->backing == b->backing &&
	       a->delta == b->delta && !(a->flags & VAS_EXTENT_WHOLE);
}

static void extents_link_touching(struct vas_extents *extents, const struct vas_extent *a,
				  const struct vas_extent *b, int sign)
{
	extents->touching += (uint32_t)sign;
	if (extents_fuse(a, b))
		extents->fused += (uint32_t)sign;
}

/* Counts a pair of neighbours in (sign 1) or out (-1). */
static inline void extents_link(struct vas_extents *extents, const struct vas_extent *a,
				const struct vas_extent *b, int sign)
{
	if (a && b && a->end == b->start)
		extents_link_touching(extents, a, b, sign);
}

/* The bounds of them all, when an extent between these neighbours begins and ends so. */
static inline void extents_bound(struct vas_extents *extents, const struct vas_extent *before,
				 const struct vas_extent *after, uint64_t start, uint64_t end)
{
	if (!before)
		extents->low = start;
	if (!after)
		extents->high = end;
}

static void extents_count(struct vas_extents *extents, const struct vas_extent *item, int sign)
{
	uint64_t bytes = item->end - item->start;

	extents->bytes[item->state] += sign > 0 ? bytes : 0 - bytes;
}

/* Moves the items of a leaf from one on to another place in it. */
static inline void leaf_shift(struct vas_extent_leaf *leaf, uint32_t first, uint32_t to)
{
	uint32_t count = leaf->count - first;

	memmove(&leaf->items[to], &leaf->items[first], count * sizeof(leaf->items[0]));
	memmove(&leaf->ends[to], &leaf->ends[first], count * sizeof(leaf->ends[0]));
}

/* Halves a full leaf; the place moves along. */
static void leaf_split(struct vas_extents *extents, struct place *place)
{
	struct vas_extent_leaf *low = extents->tops[place->leaf].leaf, *high = extents->spare;
	struct vas_extent_top *tops = extents->tops;

	VAS_ASSERT(high && extents->leaves < extents->top_capacity);
	extents->spare = high->next;
	extents->spares--;
	high->count = low->count - VAS_EXTENT_LEAF_HALF;
	vas_extent_leaf_copy(high, 0, low, VAS_EXTENT_LEAF_HALF);
	extents->excess -= vas_extent_leaf_excess(low);
	low->count = VAS_EXTENT_LEAF_HALF;
	extents->excess += vas_extent_leaf_excess(low) + vas_extent_leaf_excess(high);
	memmove(&tops[place->leaf + 2], &tops[place->leaf + 1],
		(extents->leaves - place->leaf - 1) * sizeof(*tops));
	tops[place->leaf + 1] = (struct vas_extent_top){ high->items[0].start, high };
	extents->leaves++;
	if (place->item > VAS_EXTENT_LEAF_HALF)
		*place = (struct place){ place->leaf + 1, place->item - VAS_EXTENT_LEAF_HALF };
}

/* Puts an extent before a place; the place is then that of the new one. */
VAS_HOT static void extents_insert(struct vas_extents *extents, struct place *place,
			   const struct vas_extent *item)
{
	const struct vas_extent *before = extents_before(extents, *place);
	const struct vas_extent *after = extents_at(extents, *place);
	struct vas_extent_leaf *leaf;

	extents_link(extents, before, after, -1);
	extents_link(extents, before, item, 1);
	extents_link(extents, item, after, 1);
	extents_bound(extents, before, after, item->start, item->end);
	extents_count(extents, item, 1);
	VAS_ASSERT(place->leaf < extents->leaves);
	leaf = extents->tops[place->leaf].leaf;
	if (leaf->count == leaf->capacity) {
		leaf_split(extents, place);
		leaf = extents->tops[place->leaf].leaf;
	}
	extents->excess -= vas_extent_leaf_excess(leaf);
	leaf_shift(leaf, place->item, place->item + 1);
	leaf->items[place->item] = *item;
	leaf->ends[place->item] = item->end;
	leaf->count++;
	extents->excess += vas_extent_leaf_excess(leaf);
	extents->count++;
	extents->tops[place->leaf].start = leaf->items[0].start;
}

/* Takes an empty leaf out of the array. */
static void leaf_drop(struct vas_extents *extents, uint32_t index)
{
	struct vas_extent_leaf *leaf = extents->tops[index].leaf;

	extents->leaves--;
	memmove(&extents->tops[index], &extents->tops[index + 1],
		(extents->leaves - index) * sizeof(extents->tops[0]));
	leaf->next = extents->spare;
	extents->spare = leaf;
	extents->spares++;
}

/* Puts the leaf at index + 1 into the one at index if both are rather empty. */
VAS_HOT static bool leaf_merge(struct vas_extents *extents, uint32_t index)
{
	struct vas_extent_leaf *low, *high;

	if (index + 1 >= extents->leaves)
		return false;
	low = extents->tops[index].leaf;
	high = extents->tops[index + 1].leaf;
	if (low->count + high->count > VAS_EXTENT_LEAF_HALF)
		return false;
	vas_extent_leaf_copy(low, low->count, high, 0);
	low->count += high->count;
	extents->tops[index].start = low->items[0].start;
	leaf_drop(extents, index + 1);
	return true;
}

/* Takes the extent behind a settled place out; the place then stands before the next one. */
VAS_HOT static void extents_remove(struct vas_extents *extents, struct place *place)
{
	struct vas_extent_leaf *leaf = extents->tops[place->leaf].leaf;
	struct vas_extent *item = &leaf->items[place->item];
	const struct vas_extent *before = extents_before(extents, *place);
	const struct vas_extent *after =
		extents_at(extents, (struct place){ place->leaf, place->item + 1 });
	uint32_t lower;

	extents_link(extents, before, item, -1);
	extents_link(extents, item, after, -1);
	extents_link(extents, before, after, 1);
	extents_bound(extents, before, after, after ? after->start : 0, before ? before->end : 0);
	extents_count(extents, item, -1);
	extents->excess -= vas_extent_leaf_excess(leaf);
	leaf_shift(leaf, place->item + 1, place->item);
	leaf->count--;
	extents->excess += vas_extent_leaf_excess(leaf);
	extents->count--;
	if (extents->leaves == 1) {
		extents->tops[0].start = leaf->count ? leaf->items[0].start : 0;
		return;
	}
	if (leaf->count == 0) {
		leaf_drop(extents, place->leaf);
		if (place->leaf == extents->leaves)
			*place = (struct place){ place->leaf - 1,
						 extents->tops[place->leaf - 1].leaf->count };
		return;
	}
	extents->tops[place->leaf].start = leaf->items[0].start;
	if (leaf->count > VAS_EXTENT_LEAF_HALF / 2) /* so as not to look at its neighbours each time */
		return;
	if (place->leaf > 0) {
		lower = extents->tops[place->leaf - 1].leaf->count;
		if (leaf_merge(extents, place->leaf - 1)) {
			*place = (struct place){ place->leaf - 1, place->item + lower };
			return;
		}
	}
	(void)leaf_merge(extents, place->leaf);
}

/* Gives the extent behind a settled place other bounds, between its neighbours'. */
VAS_HOT static void extents_resize(struct vas_extents *extents, struct place place, uint64_t start,
			   uint64_t end)
{
	struct vas_extent *item = extents_at(extents, place);
	const struct vas_extent *before = extents_before(extents, place);
	const struct vas_extent *after =
		extents_at(extents, (struct place){ place.leaf, place.item + 1 });

	extents_link(extents, before, item, -1);
	extents_link(extents, item, after, -1);
	extents_count(extents, item, -1);
	item->start = start;
	item->end = end;
	extents->tops[place.leaf].leaf->ends[place.item] = end;
	extents_bound(extents, before, after, start, end);
	extents_count(extents, item, 1);
	extents_link(extents, before, item, 1);
	extents_link(extents, item, after, 1);
	if (place.item == 0)
		extents->tops[place.leaf].start = start;
}

/* Makes [start, end) free of extents. Returns the place where one may be put in. */
VAS_HOT static struct place extents_cut(struct vas_extents *extents, uint64_t start, uint64_t end)
{
	struct place place = extents_find(extents, start);
	struct vas_extent *item = extents_at(extents, place);

	if (item && item->start < start) {
		struct vas_extent old = *item;

		place = extents_settle(extents, place);
		extents_resize(extents, place, old.start, start);
		place.item++;
		if (old.end > end) {
			old.start = end;
			extents_insert(extents, &place, &old);
			return place;
		}
	}
	while ((item = extents_at(extents, place)) != NULL && item->start < end) {
		place = extents_settle(extents, place);
		if (item->end <= end)
			extents_remove(extents, &place);
		else
			extents_resize(extents, place, end, item->end);
	}
	return place;
}

/* The place of the extent before one. I: there is one. */
static struct place extents_back(const struct vas_extents *extents, struct place place)
{
	if (place.item > 0)
		return (struct place){ place.leaf, place.item - 1 };
	return (struct place){ place.leaf - 1, extents->tops[place.leaf - 1].leaf->count - 1 };
}

VAS_HOT void vas_extents_set(struct vas_extents *extents, uint64_t start, uint64_t end,
		     const struct vas_extent *what)
{
	struct vas_extent *before, *after, added;
	struct place place;

	VAS_ASSERT_DEBUG(start < end);
	if (!what && extents->count == 0)
		return;
	place = extents_cut(extents, start, end);
	if (!what)
		return;
	added = *what;
	added.start = start;
	added.end = end;
	before = extents_before(extents, place);
	after = extents_at(extents, place);
	if (before && extents_agree(before, &added)) {
		added.start = before->start;
		if (after && extents_agree(&added, after)) {
			added.end = after->end;
			place = extents_settle(extents, place);
			extents_remove(extents, &place);
		}
		/* Removing may have merged leaves. */
		place = extents_back(extents, place);
		extents_resize(extents, place, added.start, added.end);
	} else if (after && extents_agree(&added, after)) {
		extents_resize(extents, extents_settle(extents, place), start, after->end);
	} else {
		extents_insert(extents, &place, &added);
	}
}

VAS_HOT bool vas_extents_next(const struct vas_extents *extents, uint64_t *position, uint64_t end,
		      struct vas_extent *piece)
{
	const struct vas_extent *item;

	if (*position >= end)
		return false;
	item = extents->count ? extents_at(extents, extents_find(extents, *position)) : NULL;
	if (item && item->start <= *position) {
		*piece = *item;
		if (piece->end > end)
			piece->end = end;
	} else {
		*piece = (struct vas_extent){ .state = VAS_PART_RESERVED };
		piece->end = item && item->start < end ? item->start : end;
	}
	piece->start = *position;
	*position = piece->end;
	return true;
}

VAS_HOT bool vas_extents_same(const struct vas_extents *extents, uint64_t address)
{
	const struct vas_extent *item =
		extents->count ? extents_at(extents, extents_find(extents, address)) : NULL;

	return item && item->start < address;
}

/* Moves a place past the extent behind it; returns the one that is behind it then, or NULL. */
static const struct vas_extent *extents_step(const struct vas_extents *extents, struct place *place)
{
	*place = extents_settle(extents, *place);
	place->item++;
	return extents_at(extents, *place);
}

static bool is_committed(const struct vas_extent *piece)
{
	return piece->state == VAS_PART_COMMITTED || piece->state == VAS_PART_GUARD ||
	       piece->state == VAS_PART_VIEW;
}

VAS_HOT bool vas_extents_hole(const struct vas_extents *extents, uint64_t *position, uint64_t end,
			      struct vas_span *hole)
{
	struct place place = { 0, 0 };
	const struct vas_extent *item;
	uint64_t start = *position;

	if (start >= end)
		return false;
	if (extents->count)
		place = extents_find(extents, start);
	for (item = extents_at(extents, place); item && item->start <= start && is_committed(item);
	     item = extents_step(extents, &place))
		start = item->end;
	if (start >= end)
		return false;
	/* What is not committed belongs to the hole, retired or not. */
	while (item && item->start < end && !is_committed(item))
		item = extents_step(extents, &place);
	hole->start = start;
	*position = item && item->start < end ? item->start : end;
	hole->size = *position - start;
	return true;
}

VAS_HOT uint32_t vas_extents_holes(const struct vas_extents *extents, uint64_t start, uint64_t end)
{
	struct vas_span hole;
	uint32_t count = 0;

	while (vas_extents_hole(extents, &start, end, &hole))
		count++;
	return count;
}

/* What the checker adds up, to be compared. */
struct sums {
	struct vas_extents counted;
	const struct vas_extent *last;
	uint64_t position;
	uint64_t end;
};

static bool check_item(struct sums *sums, const struct vas_extent *item)
{
	if (item->start < sums->position || item->start >= item->end || item->end > sums->end ||
	    item->state == VAS_PART_RESERVED || item->state >= VAS_PART_STATES)
		return false;
	if (sums->last && extents_agree(sums->last, item))
		return false;
	extents_link(&sums->counted, sums->last, item, 1);
	extents_count(&sums->counted, item, 1);
	if (!sums->last)
		sums->counted.low = item->start;
	sums->counted.high = item->end;
	sums->counted.count++;
	sums->position = item->end;
	sums->last = item;
	return true;
}

bool vas_extents_check(const struct vas_extents *extents, struct vas_span span)
{
	struct sums sums = { .position = span.start, .end = span.start + span.size };
	const struct vas_extent_leaf *leaf;
	uint32_t spares = 0;

	for (uint32_t i = 0; i < extents->leaves; i++) {
		leaf = extents->tops[i].leaf;
		if (leaf->count > leaf->capacity || (leaf->count == 0 && extents->leaves > 1) ||
		    (leaf->capacity != VAS_EXTENT_LEAF_ITEMS && extents->leaves > 1) ||
		    (leaf->count && extents->tops[i].start != leaf->items[0].start))
			return false;
		for (uint32_t j = 0; j < leaf->count; j++)
			if (leaf->ends[j] != leaf->items[j].end ||
			    !check_item(&sums, &leaf->items[j]))
				return false;
		sums.counted.excess += vas_extent_leaf_excess(leaf);
	}
	for (leaf = extents->spare; leaf; leaf = leaf->next)
		spares++;
	return spares == extents->spares && extents->leaves + spares <= extents->top_capacity &&
	       sums.counted.count == extents->count &&
	       (extents->count == 0 || (sums.counted.low == extents->low &&
					sums.counted.high == extents->high)) &&
	       sums.counted.excess == extents->excess &&
	       sums.counted.touching == extents->touching && sums.counted.fused == extents->fused &&
	       memcmp(sums.counted.bytes, extents->bytes, sizeof(extents->bytes)) == 0 &&
	       vas_extents_ready(extents, 0);
}
