/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Informed choice: the best place among the gaps that are really there.
 *
 * Gaps come one by one, in ascending order, and are not kept: each is cut to
 * the window and around avoid, and the best place in each piece is worked out
 * directly (its low end, its high end, the place nearest to the anchor, the
 * key's slot) and offered. An offer has a rank: a class in the two highest bits
 * and a value below; the lowest rank wins, the earlier one on a tie. So nothing
 * depends on how many gaps there are, and a gap costs a few comparisons and one binary
 * search in avoid.
 *
 * largest and total are kept beside it, for the caller who has to settle for
 * less or to explain a refusal.
 *
 * Pure, and used by one thread.
 */
#include "core/placement.h"

#include "base/assert.h"
#include "base/number.h"

#define CLASS_SHIFT 62
#define VALUE_MASK  ((1ull << CLASS_SHIFT) - 1)

/* Offers come in these classes, best first. */
enum offer_class {
	OFFER_FIRST, /* EXACT's or PREFER's address, or the first of a key's sequence */
	OFFER_WANTED, /* as the policy wants it */
	OFFER_SECOND, /* NEAR: not on the wanted side; SCATTER: outside the key's sequence */
	OFFER_LAST /* SCATTER: touches the middle of its gap */
};

static uint64_t rank_of(enum offer_class class, uint64_t value)
{
	VAS_ASSERT_DEBUG(value <= VALUE_MASK);
	return (uint64_t) class << CLASS_SHIFT | (value & VALUE_MASK);
}

static void offer(struct vas_gap_choice *choice, enum offer_class class, uint64_t value,
		  uint64_t address)
{
	uint64_t rank = rank_of(class, value);

	if (choice->found && rank >= choice->rank)
		return;
	choice->found = true;
	choice->rank = rank;
	choice->address = address;
}

/* A piece of a gap with the aligned places of the request in it. */
struct room {
	uint64_t start; /* the piece [start, end) */
	uint64_t end;
	uint64_t low; /* lowest and highest place; I: start <= low <= high, high + size <= end */
	uint64_t high;
};

static void offer_near(struct vas_gap_choice *choice, const struct room *room)
{
	const struct vas_request *request = choice->request;
	uint64_t anchor = request->address;
	uint64_t size = request->size;
	enum offer_class class = OFFER_WANTED;
	uint64_t place;

	if (request->side == VAS_SIDE_BELOW &&
	    vas_request_highest(request, room->start, anchor < room->end ? anchor : room->end, size,
				&place)) {
		offer(choice, class, vas_request_distance(anchor, place, size), place);
		return;
	}
	if (request->side == VAS_SIDE_ABOVE &&
	    vas_request_lowest(request, anchor > room->start ? anchor : room->start, room->end,
			       size, &place)) {
		offer(choice, class, vas_request_distance(anchor, place, size), place);
		return;
	}
	if (request->side != VAS_SIDE_EITHER)
		class = OFFER_SECOND;
	if (vas_request_nearest(request, room->start, room->end, size, &place))
		offer(choice, class, vas_request_distance(anchor, place, size), place);
}

/* The end of the piece that leaves no sliver; the low one when both or neither do. */
static void offer_tight(struct vas_gap_choice *choice, const struct room *room)
{
	uint64_t place = room->low;

	if (room->low != room->start && room->high + choice->request->size == room->end)
		place = room->high;
	offer(choice, OFFER_WANTED, room->end - room->start, place);
}

/* Offers the places of the key's sequence that are between low and high. */
static void offer_attempts(struct vas_gap_choice *choice, uint64_t low, uint64_t high)
{
	/* Nothing goes before the preferred address. */
	enum offer_class best = choice->request->prefer ? OFFER_WANTED : OFFER_FIRST;
	uint32_t first = 0;
	uint32_t last = choice->attempt_count;

	while (first < last) {
		uint32_t middle = first + (last - first) / 2;

		if (choice->attempt_address[middle] < low)
			first = middle + 1;
		else
			last = middle;
	}
	for (; first < choice->attempt_count && choice->attempt_address[first] <= high; first++) {
		uint32_t number = choice->attempt_number[first];

		offer(choice, number == 0 ? best : OFFER_WANTED, number,
		      choice->attempt_address[first]);
	}
}

static void offer_closest(struct vas_gap_choice *choice, uint64_t low, uint64_t high)
{
	uint64_t place;
	uint64_t distance;

	offer_attempts(choice, low, high);
	if (choice->found && choice->rank < rank_of(OFFER_SECOND, 0))
		return;
	distance = vas_slots_closest(&choice->slots, low, high, &place);
	offer(choice, OFFER_SECOND, distance, place);
}

/* The places below and above the middle of the gap; its low end if all of them touch it. */
static void offer_scattered(struct vas_gap_choice *choice, const struct room *room, uint64_t middle)
{
	const struct vas_request *request = choice->request;
	uint64_t below = room->high;
	uint64_t above = room->low;
	bool has_below = true;
	bool has_above = true;
	uint64_t place;

	if (below + request->size >= middle)
		has_below = middle > request->size &&
			    vas_align_down_phase(middle - request->size - 1, request->alignment,
						 request->phase, &below) &&
			    below >= room->low;
	if (above <= middle)
		has_above = vas_align_up_phase(middle + 1, request->alignment, request->phase,
					       &above) &&
			    above <= room->high;
	if (has_below)
		offer_closest(choice, room->low, below);
	if (has_above)
		offer_closest(choice, above, room->high);
	if (!has_below && !has_above)
		offer(choice, OFFER_LAST,
		      vas_slots_closest(&choice->slots, room->low, room->low, &place), room->low);
}

/* Offers the best place of a piece that has one. */
static void offer_room(struct vas_gap_choice *choice, const struct room *room, uint64_t middle)
{
	const struct vas_request *request = choice->request;
	bool first = request->prefer || request->place == VAS_PLACE_EXACT;

	if (first && request->address >= room->low && request->address <= room->high &&
	    vas_request_accepts(request, request->address, request->size))
		offer(choice, OFFER_FIRST, 0, request->address);
	switch (request->place) {
	case VAS_PLACE_LOW:
		offer(choice, OFFER_WANTED, room->low, room->low);
		break;
	case VAS_PLACE_HIGH:
		offer(choice, OFFER_WANTED, VALUE_MASK - room->high, room->high);
		break;
	case VAS_PLACE_NEAR:
		offer_near(choice, room);
		break;
	case VAS_PLACE_ANY:
		offer_tight(choice, room);
		break;
	case VAS_PLACE_SCATTER:
		offer_scattered(choice, room, middle);
		break;
	case VAS_PLACE_EXACT:
		break;
	}
}

static void show_piece(struct vas_gap_choice *choice, struct vas_span piece, uint64_t middle)
{
	const struct vas_request *request = choice->request;
	struct room room = { .start = piece.start, .end = vas_span_end(piece) };
	uint64_t usable_start;
	uint64_t usable;

	choice->total += piece.size;
	if (!vas_align_up_phase(room.start, request->alignment, request->phase, &room.low) ||
	    room.low >= room.end)
		return;
	usable_start = room.low;
	if (request->place == VAS_PLACE_EXACT) {
		usable_start = request->address;
		if (usable_start < room.low || usable_start >= room.end)
			return;
	}
	usable = vas_align_down(room.end - usable_start, request->granule);
	if (usable > choice->largest) {
		choice->largest = usable;
		choice->largest_start = usable_start;
	}
	if (room.end - room.low < request->size ||
	    !vas_align_down_phase(room.end - request->size, request->alignment, request->phase,
				  &room.high))
		return;
	offer_room(choice, &room, middle);
}

/* Whether gaps from position on can still hold a better place. */
static bool is_settled(const struct vas_gap_choice *choice, uint64_t position)
{
	const struct vas_request *request = choice->request;
	uint64_t nearest;

	if (position >= request->end)
		return true;
	if (request->place == VAS_PLACE_EXACT)
		return position > request->address;
	if (!choice->found)
		return false;
	if (choice->rank == rank_of(OFFER_FIRST, 0))
		return true;
	if (request->prefer && position <= request->address)
		return false;
	if (request->place == VAS_PLACE_LOW)
		return true;
	if (request->place != VAS_PLACE_NEAR || position < request->address)
		return false;
	nearest = vas_request_distance(request->address, position, request->size);
	return choice->rank <=
	       rank_of(request->side == VAS_SIDE_BELOW ? OFFER_SECOND : OFFER_WANTED, nearest);
}

/* Sorts the key's sequence by address, once per choice. */
static void take_attempts(struct vas_gap_choice *choice)
{
	uint64_t address;

	for (uint32_t n = 0; vas_slots_attempt(&choice->slots, n, &address); n++) {
		uint32_t at = choice->attempt_count++;

		for (; at > 0 && choice->attempt_address[at - 1] > address; at--) {
			choice->attempt_address[at] = choice->attempt_address[at - 1];
			choice->attempt_number[at] = choice->attempt_number[at - 1];
		}
		choice->attempt_address[at] = address;
		choice->attempt_number[at] = (uint8_t)n;
	}
}

void vas_gap_choice_begin(struct vas_gap_choice *choice, const struct vas_request *request)
{
	choice->request = request;
	choice->found = false;
	choice->address = 0;
	choice->rank = 0;
	choice->largest = 0;
	choice->largest_start = 0;
	choice->total = 0;
	choice->attempt_count = 0;
	if (request->place == VAS_PLACE_SCATTER) {
		vas_slots_init(&choice->slots, request);
		take_attempts(choice);
	}
}

bool vas_gap_choice_show(struct vas_gap_choice *choice, uint64_t start, uint64_t end)
{
	struct vas_pieces pieces;
	struct vas_span piece;
	uint64_t middle;

	VAS_ASSERT_DEBUG(start <= end);
	vas_pieces_begin(&pieces, choice->request, start, end);
	/* Of what the window leaves of the gap, whether or not whoever shows it cut it already. */
	middle = pieces.position + (pieces.end - pieces.position) / 2;
	while (vas_pieces_next(&pieces, &piece))
		show_piece(choice, piece, middle);
	return is_settled(choice, end);
}
