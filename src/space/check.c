/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Books against maps.
 *
 * WHAT FOR. Tests, and users who suspect that somebody unmapped or replaced
 * what they own, want one call that compares.
 *
 * STRATEGY. All holdings are sorted by address, then the maps are read once
 * beside them: each owned byte must be mapped, with the protection, the kind and the
 * place in its object that the books say; the books' own checkers run too. Guards that cost no
 * mapping are not in the list: there the protection of what they guard counts.
 *
 * CONCURRENCY. The space is quiet and its lock held for the whole of it.
 *
 * WHAT IT DOES NOT DO. It repairs nothing.
 */
#include <errno.h>

#include "base/assert.h"
#include "space/park.h"
#include "space/space.h"

#define CHECK_BUFFER 16384

struct check {
	struct vas_space *space;
	struct vas_holding **holdings; /* sorted by start */
	size_t count;
	size_t current; /* the holding that is being covered */
	uint64_t position; /* covered up to here */
};

static void sift_down(struct vas_holding **items, size_t root, size_t count)
{
	for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
		struct vas_holding *item = items[root];

		if (child + 1 < count && items[child]->span.start < items[child + 1]->span.start)
			child++;
		if (item->span.start >= items[child]->span.start)
			return;
		items[root] = items[child];
		items[child] = item;
		root = child;
	}
}

/* Heap sort: no memory, no recursion. */
static void sort_holdings(struct vas_holding **items, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(items, i, count);
	for (size_t i = count; i-- > 1;) {
		struct vas_holding *last = items[i];

		items[i] = items[0];
		items[0] = last;
		sift_down(items, 0, i);
	}
}

static size_t collect(struct vas_space *space, struct vas_holding **items)
{
	size_t count = 0;

	for (uint32_t id = 0; id < space->index.entry_next; id++) {
		struct vas_owner_entry *entry = vas_owner_index_number(&space->index, id);

		if (entry->generation & 1)
			items[count++] = entry->record;
	}
	sort_holdings(items, count);
	return count;
}

/* What the books say about the bytes from position on, and up to where it holds. */
static void expected_piece(const struct vas_holding *holding, uint64_t position,
			   struct vas_extent *piece)
{
	uint64_t end = holding->span.start + holding->span.size;

	if (!holding->parked) {
		(void)vas_extents_next(&holding->extents, &position, end, piece);
		return;
	}
	*piece = (struct vas_extent){ .start = position, .state = VAS_PART_RESERVED };
	(void)vas_park_is_apart(holding, position, &piece->end);
}

/* Of the kind, the place in its object and the protection that the books say? */
static bool agrees(const struct vas_holding *holding, const struct vas_extent *piece,
		   const struct vas_mapping *mapping)
{
	struct vas_backing backing =
		vas_backings_get(&holding->backings, piece->backing, piece->delta);
	bool shared = backing.flags & VAS_COMMIT_SHARED;

	if ((mapping->prot != vas_extent_kernel_prot(piece) && !(piece->flags & VAS_EXTENT_TORN)) ||
	    !!(mapping->flags & VAS_MAPPING_SHARED) != shared || mapping->inode != backing.inode)
		return false;
	return vas_backing_is_anonymous(&backing) || (backing.flags & VAS_COMMIT_WHOLE) ||
	       mapping->offset + (piece->start - mapping->start) == piece->start + piece->delta;
}

/* One mapping of the kernel's against the holdings it overlaps. */
static int check_mapping(struct check *check, const struct vas_mapping *mapping)
{
	while (check->current < check->count) {
		const struct vas_holding *holding = check->holdings[check->current];
		uint64_t end = holding->span.start + holding->span.size;
		struct vas_extent piece;

		if (check->position < holding->span.start)
			check->position = holding->span.start;
		if (mapping->end <= check->position)
			return 0;
		if (holding->park && holding->park->leftover) {
			check->position = end; /* whatever an undo could not take away */
		} else if (vas_park_is_apart(holding, check->position, &piece.end)) {
			check->position = piece.end; /* whatever is there, or nothing */
		} else {
			if (mapping->start > check->position)
				return -EBADMSG; /* a hole in what we own */
			expected_piece(holding, check->position, &piece);
			if (holding->claimer && !holding->claimer->replaceable)
				piece.end = end; /* what a device maps there is its own affair */
			else if (!agrees(holding, &piece, mapping))
				return -EBADMSG;
			check->position = piece.end < mapping->end ? piece.end : mapping->end;
		}
		if (check->position == end)
			check->current++;
	}
	return 0;
}

static bool check_books(const struct check *check, uint64_t *where)
{
	uint64_t reserved = 0, spans = 0, committed = 0, unretired = 0;

	for (size_t i = 0; i < check->count; i++) {
		const struct vas_holding *holding = check->holdings[i];

		*where = holding->span.start;
		if (!vas_extents_check(&holding->extents, holding->span))
			return false;
		if (i > 0 && check->holdings[i - 1]->span.start +
					     check->holdings[i - 1]->span.size >
				     holding->span.start)
			return false;
		if (holding->state == VAS_HOLDING_HELD)
			continue;
		spans++;
		reserved += holding->span.size;
		committed += vas_holding_committed(holding);
		unretired += vas_extents_unretired(&holding->extents);
	}
	return spans == check->space->stats.spans && reserved == check->space->stats.reserved &&
	       committed == check->space->stats.committed +
				    vas_space_sums(check->space, NULL).committed &&
	       unretired == check->space->unretired_bytes &&
	       vas_owner_index_check(&check->space->index);
}

static int check_maps(struct check *check)
{
	char buffer[CHECK_BUFFER];
	struct vas_mapping mapping;
	struct vas_reader reader;
	int err, more;

	err = vas_reader_open_process(&reader, check->space->sys, 0, buffer, sizeof(buffer));
	if (err)
		return err;
	do {
		more = vas_reader_next(&reader, &mapping);
		err = more > 0 ? check_mapping(check, &mapping) : more;
	} while (more > 0 && !err);
	vas_reader_close(&reader);
	if (!err && check->current < check->count)
		err = -EBADMSG;
	return err;
}

int vas_space_check(struct vas_space *space, uint64_t *where)
{
	struct check check = { .space = space };
	uint64_t place = 0;
	void *memory;
	size_t size;
	int err;

	vas_space_quiesce(space);
	size = ((size_t)space->index.entry_next + 1) * sizeof(struct vas_holding *);
	err = vas_pages_map(&space->pages, size, &memory);
	if (err) {
		vas_space_resume(space);
		return err;
	}
	check.holdings = memory;
	check.count = collect(space, check.holdings);
	if (!check_books(&check, &place)) {
		err = -EBADMSG;
	} else {
		err = check_maps(&check);
		place = check.position;
	}
	vas_pages_unmap(&space->pages, memory, size);
	vas_space_resume(space);
	if (err == -EBADMSG && where)
		*where = place;
	return err;
}
