/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a request accepts, and the extreme places that it accepts.
 *
 * A place is good when it is aligned with its phase, inside the window, and
 * clear of avoid. Searching for the lowest or the highest one alternates two
 * jumps: to the next aligned address, and past the item of avoid that is in
 * the way, found by binary search. Each jump passes an item, so a search costs at most
 * the number of items times its logarithm, and one logarithm when nothing is
 * in the way.
 *
 * Pure; the request and its avoid set are only read.
 */
#include "core/placement.h"

#include "base/number.h"

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

bool vas_request_accepts(const struct vas_request *request, uint64_t address, uint64_t size)
{
	uint64_t end;

	if (size == 0 || !vas_add(address, size, &end))
		return false;
	if (address < request->start || end > request->end)
		return false;
	if (address - vas_align_down(address, request->alignment) != request->phase)
		return false;
	return !vas_spanset_overlaps(&request->avoid, address, end);
}

bool vas_request_lowest(const struct vas_request *request, uint64_t from, uint64_t end,
			uint64_t size, uint64_t *address)
{
	const struct vas_spanset *avoid = &request->avoid;
	uint64_t position = higher(from, request->start);
	uint64_t place;

	end = lower(end, request->end);
	if (end < size)
		return false;
	for (;;) {
		size_t index;

		if (!vas_align_up_phase(position, request->alignment, request->phase, &place) ||
		    place > end - size)
			return false;
		index = vas_spanset_find(avoid, place);
		if (index == avoid->count || avoid->items[index].start >= place + size)
			break;
		position = vas_span_end(avoid->items[index]);
	}
	*address = place;
	return true;
}

bool vas_request_highest(const struct vas_request *request, uint64_t start, uint64_t end,
			 uint64_t size, uint64_t *address)
{
	const struct vas_spanset *avoid = &request->avoid;
	uint64_t place;

	start = higher(start, request->start);
	end = lower(end, request->end);
	for (;;) {
		size_t index;

		if (end < size ||
		    !vas_align_down_phase(end - size, request->alignment, request->phase, &place) ||
		    place < start)
			return false;
		index = vas_spanset_find(avoid, place);
		if (index == avoid->count || avoid->items[index].start >= place + size)
			break;
		/* Every place between here and the item's start would still reach into it. */
		end = avoid->items[index].start;
	}
	*address = place;
	return true;
}

uint64_t vas_request_distance(uint64_t anchor, uint64_t address, uint64_t size)
{
	uint64_t last = address + size - 1;
	uint64_t below = anchor > address ? anchor - address : 0;
	uint64_t above = last > anchor ? last - anchor : 0;

	return higher(below, above);
}

bool vas_request_nearest(const struct vas_request *request, uint64_t start, uint64_t end,
			 uint64_t size, uint64_t *address)
{
	uint64_t anchor = request->address;
	/* The distance falls up to the place that has the anchor in its middle, then it rises. */
	uint64_t centre = anchor > (size - 1) / 2 ? anchor - (size - 1) / 2 : 0;
	uint64_t centre_end;
	uint64_t below;
	uint64_t above;
	bool has_below = vas_add(centre, size, &centre_end) &&
			 vas_request_highest(request, start, lower(end, centre_end), size, &below);
	bool has_above = vas_request_lowest(request, higher(start, centre), end, size, &above);

	if (has_below && has_above) {
		*address = vas_request_distance(anchor, below, size) <=
					   vas_request_distance(anchor, above, size)
				   ? below
				   : above;
		return true;
	}
	if (has_below)
		*address = below;
	else if (has_above)
		*address = above;
	return has_below || has_above;
}

void vas_pieces_begin(struct vas_pieces *pieces, const struct vas_request *request, uint64_t start,
		      uint64_t end)
{
	pieces->avoid = &request->avoid;
	pieces->position = higher(start, request->start);
	pieces->end = lower(end, request->end);
	pieces->index = vas_spanset_find(&request->avoid, pieces->position);
}

bool vas_pieces_next(struct vas_pieces *pieces, struct vas_span *piece)
{
	const struct vas_spanset *avoid = pieces->avoid;

	while (pieces->position < pieces->end) {
		uint64_t start = pieces->position;
		uint64_t end = pieces->end;

		if (pieces->index < avoid->count && avoid->items[pieces->index].start < end) {
			end = avoid->items[pieces->index].start;
			pieces->position = vas_span_end(avoid->items[pieces->index]);
			pieces->index++;
		} else {
			pieces->position = end;
		}
		if (start < end) {
			*piece = (struct vas_span){ start, end - start };
			return true;
		}
	}
	return false;
}
