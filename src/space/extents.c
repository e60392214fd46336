/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extents of one span.
 *
 * WHAT FOR. Commit must know what is committed already: those pages keep their
 * contents and protection, the others are mapped afresh and read as zeroes.
 *
 * STRATEGY. A sorted array, searched by bisection. Commits in ascending order,
 * which is what most callers do, extend the last extent in place. The kernel
 * allows 65,530 mappings by default, so an array is never long enough for its
 * moves to matter beside the system call they accompany.
 *
 * CONCURRENCY. Guarded by the holding's lock; the memory comes from the space's
 * books, so growing takes the space's lock in the caller.
 *
 * WHAT IT DOES NOT DO. It calls no kernel, and has no opinion about protections.
 */
#include "space/extents.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

#define EXTENTS_FIRST 4u
#define EXTENTS_MAX ((2u << 20) / sizeof(struct vas_extent))

/* Index of the first extent that ends above address. */
static uint32_t extents_find(const struct vas_extents *extents, uint64_t address)
{
	uint32_t low = 0, high = extents->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (extents->items[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool vas_extents_hole(const struct vas_extents *extents, uint64_t *position, uint64_t end,
		      struct vas_span *hole)
{
	uint32_t i = extents_find(extents, *position);
	uint64_t start = *position, stop;

	for (; i < extents->count && extents->items[i].start <= start; i++)
		start = extents->items[i].end;
	if (start >= end)
		return false;
	stop = i < extents->count && extents->items[i].start < end ? extents->items[i].start : end;
	*hole = (struct vas_span){ start, stop - start };
	*position = stop;
	return true;
}

uint32_t vas_extents_holes(const struct vas_extents *extents, uint64_t start, uint64_t end)
{
	struct vas_span hole;
	uint32_t count = 0;

	while (vas_extents_hole(extents, &start, end, &hole))
		count++;
	return count;
}

int vas_extents_room(struct vas_extents *extents, struct vas_pages *pages, uint32_t more)
{
	uint32_t wanted = extents->count + more, capacity = extents->capacity;
	void *memory;
	int err;

	if (wanted <= capacity)
		return 0;
	if (wanted > EXTENTS_MAX)
		return -E2BIG;
	if (capacity == 0)
		capacity = EXTENTS_FIRST;
	while (capacity < wanted)
		capacity *= 2;
	if (capacity > EXTENTS_MAX)
		capacity = EXTENTS_MAX;
	err = vas_pages_take(pages, capacity * sizeof(struct vas_extent), &memory);
	if (err)
		return err;
	if (extents->count)
		memcpy(memory, extents->items, extents->count * sizeof(struct vas_extent));
	if (extents->items)
		vas_pages_give(pages, extents->items, extents->capacity * sizeof(struct vas_extent));
	extents->items = memory;
	extents->capacity = capacity;
	return 0;
}

static bool extents_join(const struct vas_extent *a, const struct vas_extent *b)
{
	return a->end == b->start && a->prot == b->prot && a->advice == b->advice;
}

/* Puts one extent into a hole, joined with its neighbours where they are alike. */
static void extents_insert(struct vas_extents *extents, struct vas_extent added)
{
	uint32_t i = extents_find(extents, added.start);
	struct vas_extent *items = extents->items;
	bool below = i > 0 && extents_join(&items[i - 1], &added);
	bool above = i < extents->count && extents_join(&added, &items[i]);

	if (below && above) {
		items[i - 1].end = items[i].end;
		memmove(&items[i], &items[i + 1], (extents->count - i - 1) * sizeof(*items));
		extents->count--;
	} else if (below) {
		items[i - 1].end = added.end;
	} else if (above) {
		items[i].start = added.start;
	} else {
		VAS_ASSERT(extents->count < extents->capacity);
		memmove(&items[i + 1], &items[i], (extents->count - i) * sizeof(*items));
		items[i] = added;
		extents->count++;
	}
}

uint64_t vas_extents_fill(struct vas_extents *extents, uint64_t start, uint64_t end, uint32_t prot,
			  uint32_t advice)
{
	struct vas_span hole;
	uint64_t added = 0;

	while (vas_extents_hole(extents, &start, end, &hole)) {
		extents_insert(extents, (struct vas_extent){ hole.start, hole.start + hole.size,
							     prot, advice });
		added += hole.size;
	}
	return added;
}

void vas_extents_free(struct vas_extents *extents, struct vas_pages *pages)
{
	if (extents->items)
		vas_pages_give(pages, extents->items, extents->capacity * sizeof(struct vas_extent));
	*extents = (struct vas_extents){ 0 };
}

uint64_t vas_extents_sum(const struct vas_extents *extents)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < extents->count; i++)
		bytes += extents->items[i].end - extents->items[i].start;
	return bytes;
}

uint32_t vas_extents_count_runs(const struct vas_extents *extents, struct vas_span span)
{
	return extents->count + vas_extents_holes(extents, span.start, span.start + span.size);
}

bool vas_extents_check(const struct vas_extents *extents, struct vas_span span)
{
	uint64_t position = span.start;

	if (extents->count > extents->capacity)
		return false;
	for (uint32_t i = 0; i < extents->count; i++) {
		const struct vas_extent *item = &extents->items[i];

		if (item->start < position || item->start >= item->end ||
		    item->end > span.start + span.size)
			return false;
		if (i > 0 && extents_join(item - 1, item))
			return false;
		position = item->end;
	}
	return true;
}
