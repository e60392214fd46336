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
 * One function changes anything: set. It cuts what overlaps, drops what is covered, and puts
 * one extent in, joined with neighbours that agree: at most two extents more.
 *
 * Promises. A change must not need memory in the middle, and a free not at all. A leaf splits only
 * when it is full, and the halves then have LEAF_HALF places each. With excess, the sum of what
 * leaves hold above half, n more extents split at most (excess + n) / LEAF_HALF + 1
 * leaves: inserting adds one to excess at most, a split takes LEAF_HALF from it. Nor can
 * they split more leaves than there are changes. So many spare leaves are kept.
 *
 * CONCURRENCY. Guarded by the holding's lock; the memory comes from the space's
 * books, so growing takes the space's lock in the caller.
 *
 * WHAT IT DOES NOT DO. It calls no kernel, and has no opinion about states.
 */
#include "space/extents.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hot.h"

#define LEAF_SIZE  2048u
#define LEAF_ITEMS 62u
#define LEAF_HALF  (LEAF_ITEMS / 2)
#define SMALL_SIZE 256u
#define SMALL_ITEMS 7u
#define TOPS_FIRST 4u
#define TOPS_MAX   ((2u << 20) / sizeof(struct vas_extent_top))

struct vas_extent_leaf {
	struct vas_extent_leaf *next; /* among the spare ones */
	uint32_t count;
	uint32_t capacity; /* LEAF_ITEMS; SMALL_ITEMS only in the one leaf there is */
	struct vas_extent items[];
};
_Static_assert(sizeof(struct vas_extent_leaf) + LEAF_ITEMS * sizeof(struct vas_extent) <= LEAF_SIZE,
	       "a leaf");
_Static_assert(sizeof(struct vas_extent_leaf) + SMALL_ITEMS * sizeof(struct vas_extent) <=
		       SMALL_SIZE,
	       "a small leaf");

/* A place between extents: before the item, which may be one past its leaf's last. */
struct place {
	uint32_t leaf;
	uint32_t item;
};

static uint32_t leaf_excess(const struct vas_extent_leaf *leaf)
{
	return leaf->count > LEAF_HALF ? leaf->count - LEAF_HALF : 0;
}

static size_t leaf_size(const struct vas_extent_leaf *leaf)
{
	return leaf->capacity == LEAF_ITEMS ? LEAF_SIZE : SMALL_SIZE;
}

/* Is a place, which may be of long ago, that of the first extent that ends above address? */
VAS_HOT static bool place_fits(const struct vas_extents *extents, struct place place,
			       uint64_t address)
{
	const struct vas_extent_top *top = &extents->tops[place.leaf];
	const struct vas_extent *items;

	if (place.leaf >= extents->leaves || place.item > top->leaf->count)
		return false;
	items = top->leaf->items;
	if (place.item > 0 ? items[place.item - 1].end > address :
			     place.leaf > 0 && top->start > address)
		return false;
	if (place.item < top->leaf->count)
		return items[place.item].end > address;
	return place.leaf + 1 == extents->leaves || top[1].start > address;
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
	/* Most of a leaf is not in the cache: waiting for one line after the other would be slow. */
	for (uint32_t i = 1; i < 8; i++)
		__builtin_prefetch(&leaf->items[leaf->count * i / 8]);
	for (uint32_t left = leaf->count; left > 0; left -= half) {
		half = (left + 1) / 2;
		place.item += leaf->items[place.item + half - 1].end <= address ? half : 0;
	}
	return place;
}

/*
 * The first extent that ends above address. One operation asks for the same
 * place many times, so the last one is kept: a hint, which is tried before it is believed.
 */
VAS_HOT static struct place extents_find(const struct vas_extents *extents, uint64_t address)
{
	uint64_t last = __atomic_load_n(&extents->last, __ATOMIC_RELAXED);
	struct place place = { (uint32_t)(last >> 32), (uint32_t)last };

	if (place_fits(extents, place, address))
		return place;
	place = extents_search(extents, address);
	__atomic_store_n(&((struct vas_extents *)(uintptr_t)extents)->last,
			 (uint64_t)place.leaf << 32 | place.item, __ATOMIC_RELAXED);
	return place;
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
	const uint32_t advice = ~(VAS_EXTENT_CLOSED | VAS_EXTENT_KEPT);

	return vas_extent_kernel_prot(a) == vas_extent_kernel_prot(b) &&
	       (a->flags & advice) == (b->flags & advice) && a->backing == b->backing &&
	       a->delta == b->delta && !(a->flags & VAS_EXTENT_WHOLE);
}

/* Counts a pair of neighbours in (sign 1) or out (-1). */
static void extents_link(struct vas_extents *extents, const struct vas_extent *a,
			 const struct vas_extent *b, int sign)
{
	if (!a || !b || a->end != b->start)
		return;
	extents->touching += (uint32_t)sign;
	if (extents_fuse(a, b))
		extents->fused += (uint32_t)sign;
}

static void extents_count(struct vas_extents *extents, const struct vas_extent *item, int sign)
{
	uint64_t bytes = item->end - item->start;

	extents->bytes[item->state] += sign > 0 ? bytes : 0 - bytes;
}

/* Halves a full leaf; the place moves along. */
static void leaf_split(struct vas_extents *extents, struct place *place)
{
	struct vas_extent_leaf *low = extents->tops[place->leaf].leaf, *high = extents->spare;
	struct vas_extent_top *tops = extents->tops;

	VAS_ASSERT(high && extents->leaves < extents->top_capacity);
	extents->spare = high->next;
	extents->spares--;
	high->count = low->count - LEAF_HALF;
	memcpy(high->items, &low->items[LEAF_HALF], high->count * sizeof(high->items[0]));
	extents->excess -= leaf_excess(low);
	low->count = LEAF_HALF;
	extents->excess += leaf_excess(low) + leaf_excess(high);
	memmove(&tops[place->leaf + 2], &tops[place->leaf + 1],
		(extents->leaves - place->leaf - 1) * sizeof(*tops));
	tops[place->leaf + 1] = (struct vas_extent_top){ high->items[0].start, high };
	extents->leaves++;
	if (place->item > LEAF_HALF)
		*place = (struct place){ place->leaf + 1, place->item - LEAF_HALF };
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
	extents_count(extents, item, 1);
	VAS_ASSERT(place->leaf < extents->leaves);
	leaf = extents->tops[place->leaf].leaf;
	if (leaf->count == leaf->capacity) {
		leaf_split(extents, place);
		leaf = extents->tops[place->leaf].leaf;
	}
	extents->excess -= leaf_excess(leaf);
	memmove(&leaf->items[place->item + 1], &leaf->items[place->item],
		(leaf->count - place->item) * sizeof(*item));
	leaf->items[place->item] = *item;
	leaf->count++;
	extents->excess += leaf_excess(leaf);
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
	if (low->count + high->count > LEAF_HALF)
		return false;
	memcpy(&low->items[low->count], high->items, high->count * sizeof(high->items[0]));
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
	extents_count(extents, item, -1);
	extents->excess -= leaf_excess(leaf);
	leaf->count--;
	memmove(item, item + 1, (leaf->count - place->item) * sizeof(*item));
	extents->excess += leaf_excess(leaf);
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
	if (leaf->count > LEAF_HALF / 2) /* so as not to look at its neighbours each time */
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
	return piece->state == VAS_PART_COMMITTED || piece->state == VAS_PART_GUARD;
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

/* Spare leaves that so many changes, and the promised ones, can need. */
static uint64_t spares_wanted(const struct vas_extents *extents, uint64_t changes)
{
	uint64_t most = changes + extents->promised, splits;

	if (most == 0)
		return 0;
	splits = (extents->excess + 2 * most) / LEAF_HALF + 1;
	return splits < most ? splits : most;
}

/* Does the one small leaf do? */
static bool small_is_enough(const struct vas_extents *extents, uint64_t changes)
{
	const struct vas_extent_leaf *leaf = extents->tops[0].leaf;

	return extents->leaves == 1 && leaf->capacity < LEAF_ITEMS &&
	       leaf->count + 2 * (changes + extents->promised) <= leaf->capacity;
}

VAS_HOT bool vas_extents_ready(const struct vas_extents *extents, uint32_t more)
{
	uint64_t wanted;

	if (more == 0 && extents->promised == 0)
		return true;
	if (extents->leaves == 0)
		return false;
	if (extents->leaves == 1 && extents->tops[0].leaf->capacity < LEAF_ITEMS)
		return small_is_enough(extents, more);
	wanted = spares_wanted(extents, more);
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

	err = vas_pages_take(pages, capacity == LEAF_ITEMS ? LEAF_SIZE : SMALL_SIZE, &memory);
	if (err)
		return err;
	*leaf = memory;
	(*leaf)->count = 0;
	(*leaf)->capacity = capacity;
	return 0;
}

/* The first leaf: small if that does, else of full size. */
static int leaf_first(struct vas_extents *extents, struct vas_pages *pages, uint64_t changes)
{
	struct vas_extent_leaf *old = extents->leaves ? extents->tops[0].leaf : NULL, *made;
	bool small = !old && 2 * changes <= SMALL_ITEMS;
	int err;

	err = tops_grow(extents, pages, 1);
	if (!err)
		err = leaf_make(pages, small ? SMALL_ITEMS : LEAF_ITEMS, &made);
	if (err)
		return err;
	extents->leaves = 1;
	extents->tops[0].leaf = made;
	if (old) {
		made->count = old->count;
		memcpy(made->items, old->items, old->count * sizeof(old->items[0]));
		vas_pages_give(pages, old, SMALL_SIZE);
	} else {
		extents->tops[0].start = 0;
	}
	return 0;
}

int vas_extents_room(struct vas_extents *extents, struct vas_pages *pages, uint32_t more)
{
	struct vas_extent_leaf *leaf;
	uint64_t wanted;
	int err = 0;

	if (vas_extents_ready(extents, more))
		return 0;
	if (extents->leaves == 0 || (extents->leaves == 1 && extents->tops[0].leaf->capacity < LEAF_ITEMS))
		err = leaf_first(extents, pages, (uint64_t)more + extents->promised);
	if (err)
		return err;
	if (extents->tops[0].leaf->capacity < LEAF_ITEMS)
		return 0;
	wanted = spares_wanted(extents, more);
	if (wanted > TOPS_MAX)
		return -E2BIG;
	err = tops_grow(extents, pages, extents->leaves + (wanted > extents->spares ? wanted : extents->spares));
	while (!err && extents->spares < wanted) {
		err = leaf_make(pages, LEAF_ITEMS, &leaf);
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
		vas_pages_give(pages, leaf, LEAF_SIZE);
	}
	for (uint32_t i = 0; i < extents->leaves; i++)
		vas_pages_give(pages, extents->tops[i].leaf, leaf_size(extents->tops[i].leaf));
	if (extents->tops)
		vas_pages_give(pages, extents->tops,
			       extents->top_capacity * sizeof(extents->tops[0]));
	*extents = (struct vas_extents){ 0 };
}

VAS_HOT uint32_t vas_extents_count_runs(const struct vas_extents *extents, struct vas_span span)
{
	const struct vas_extent_leaf *last = extents->tops[extents->leaves - 1].leaf;
	uint32_t holes = extents->count + 1 - extents->touching;

	holes -= extents->tops[0].start == span.start;
	holes -= last->items[last->count - 1].end == span.start + span.size;
	return extents->count + holes - extents->fused;
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
		    (leaf->capacity != LEAF_ITEMS && extents->leaves > 1) ||
		    (leaf->count && extents->tops[i].start != leaf->items[0].start))
			return false;
		for (uint32_t j = 0; j < leaf->count; j++)
			if (!check_item(&sums, &leaf->items[j]))
				return false;
		sums.counted.excess += leaf_excess(leaf);
	}
	for (leaf = extents->spare; leaf; leaf = leaf->next)
		spares++;
	return spares == extents->spares && extents->leaves + spares <= extents->top_capacity &&
	       sums.counted.count == extents->count && sums.counted.excess == extents->excess &&
	       sums.counted.touching == extents->touching && sums.counted.fused == extents->fused &&
	       memcmp(sums.counted.bytes, extents->bytes, sizeof(extents->bytes)) == 0 &&
	       vas_extents_ready(extents, 0);
}
