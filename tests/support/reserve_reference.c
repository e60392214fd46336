/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reference for vas_reserve: what vaspace/reserve.h promises, worked out
 * from all mappings by plain loops, with none of the library's placement code.
 */
#include "support/reserve_model.h"

#include <errno.h>
#include <string.h>

#define HUGE_SIZE (2ull << 20)

static struct vas_span many_holes[300];

size_t model_limits(const struct model_target *target, unsigned number,
		    const struct vas_limits **list)
{
	static struct vas_limits limits[3];
	static struct vas_span holes[3];
	uint64_t page = target->page, start = target->arena_start, size = target->arena_size;

	memset(limits, 0, sizeof(limits));
	for (unsigned i = 0; i < 3; i++) {
		limits[i].size = sizeof(limits[i]);
		list[i] = &limits[i];
	}
	switch (number) {
	case 1:
		limits[0].max = start + size / 2;
		return 1;
	case 2:
		limits[0].min = start + size / 4 + 1;
		limits[0].alignment = 16 * page;
		return 1;
	case 3:
		for (unsigned i = 0; i < 3; i++)
			holes[i] = (struct vas_span){ start + size / 8 * (2 * i + 1),
						      size / 16 + i * 100 };
		limits[0].holes = holes;
		limits[0].hole_count = 3;
		return 1;
	case 4:
		limits[0].granule = 3 * page;
		limits[1].alignment = 3 * page;
		return 2;
	case 5:
		limits[0].max_size = 40 * page;
		limits[1].max = start + size;
		limits[2].min = start;
		return 3;
	case 6:
		for (unsigned i = 0; i < 300; i++)
			many_holes[i] = (struct vas_span){ start + size / 300 * i, page };
		limits[0].holes = many_holes;
		limits[0].hole_count = 300;
		return 1;
	case 7:
		limits[0].max = start;
		limits[1].min = start;
		return 2;
	case 8:
		limits[0].obligations = VAS_OBLIGE_NODUMP | VAS_OBLIGE_NOHUGE;
		limits[0].min = start;
		limits[1].obligations = VAS_OBLIGE_NOFORK;
		return 2;
	default:
		return 0;
	}
}

/* The lowest x >= from that is congruent to phase; UINT64_MAX when that wraps. */
static uint64_t aligned_up(uint64_t from, uint64_t alignment, uint64_t phase)
{
	uint64_t rest = from % alignment;
	uint64_t step = rest <= phase ? phase - rest : alignment - (rest - phase);

	return from > UINT64_MAX - step ? UINT64_MAX : from + step;
}

/* The highest x <= from; false when there is none. */
static bool aligned_down(uint64_t from, uint64_t alignment, uint64_t phase, uint64_t *x)
{
	uint64_t rest = from % alignment;
	uint64_t step = rest >= phase ? rest - phase : rest + (alignment - phase);

	if (step > from)
		return false;
	*x = from - step;
	return true;
}

/* Of small numbers, or of ones that divide each other. */
static uint64_t common_multiple(uint64_t a, uint64_t b)
{
	uint64_t multiple = a;

	while (multiple % b)
		multiple += a;
	return multiple;
}

/* Takes what the limits say into want; false when they conflict. */
static bool want_limits(struct model_want *want, const struct model_target *target, unsigned number,
			uint64_t *alignment, uint64_t *cap)
{
	const struct vas_limits *list[4];
	size_t count = model_limits(target, number, list);

	*alignment = target->page;
	*cap = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		if (list[i]->min > want->start)
			want->start = list[i]->min;
		if (list[i]->max && list[i]->max < want->end)
			want->end = list[i]->max;
		if (list[i]->alignment)
			*alignment = common_multiple(*alignment, list[i]->alignment);
		if (list[i]->granule)
			want->granule = common_multiple(want->granule, list[i]->granule);
		if (list[i]->max_size && list[i]->max_size < *cap)
			*cap = list[i]->max_size;
		for (size_t j = 0; j < list[i]->hole_count; j++)
			want->avoid[want->avoid_count++] = (struct model_piece){
				list[i]->holes[j].start,
				list[i]->holes[j].start + list[i]->holes[j].size, 0
			};
	}
	return number != 7;
}

/* The pieces of an empty space. */
static void want_empty(const struct model_want *want, struct model_pieces *free)
{
	static const struct model_pieces nothing;
	static const struct vas_spanset none;

	model_free(want, &nothing, (struct vas_span){ 0, 0 }, &none, free);
}

static bool want_has_place(const struct model_want *want, const struct model_pieces *empty)
{
	uint64_t place;

	if (want->place == VAS_PLACE_EXACT)
		return model_fits(want, empty, want->address, want->size);
	return model_lowest(want, empty, want->size, &place);
}

/* Alignment: asked for, or 2 MiB as a wish, joined with that of the limits. */
static bool want_alignment(struct model_want *want, const struct model_target *target,
			   const struct model_op *op, uint64_t limits_alignment,
			   struct model_pieces *empty)
{
	uint64_t alignment = op->alignment;

	if (alignment && alignment < target->page)
		alignment = target->page;
	if (!alignment && op->phase)
		alignment = op->size > HUGE_SIZE - target->page ? HUGE_SIZE : target->page;
	want->phase = 0;
	if (!alignment && want->size >= HUGE_SIZE && want->place != VAS_PLACE_EXACT &&
	    !(want->prefer && want->address % HUGE_SIZE)) {
		want->alignment = common_multiple(HUGE_SIZE, limits_alignment);
		if (want_has_place(want, empty))
			return true;
	}
	if (!alignment)
		alignment = target->page;
	want->alignment = common_multiple(alignment, limits_alignment);
	for (want->phase = op->phase; want->phase < want->alignment; want->phase += alignment)
		if (want->phase % limits_alignment == 0)
			return true;
	return false;
}

static bool want_is_malformed(const struct model_target *target, const struct model_op *op)
{
	uint64_t page = target->page, alignment = op->alignment, size;
	bool fixed = op->place == VAS_PLACE_EXACT || (op->flags & VAS_RESERVE_PREFER);

	if (!op->size || op->size > UINT64_MAX - (page - 1) || op->min_size > op->size)
		return true;
	size = aligned_up(op->size, page, 0);
	if ((op->flags & ~VAS_RESERVE_ALL) || op->place > VAS_PLACE_EXACT)
		return true;
	if ((op->flags & VAS_RESERVE_PREFER) &&
	    (op->place == VAS_PLACE_EXACT || op->place == VAS_PLACE_NEAR))
		return true;
	if (alignment && alignment % page && page % alignment)
		return true;
	if (alignment && alignment < page)
		alignment = page;
	if (!alignment)
		alignment = op->phase && size >= HUGE_SIZE ? HUGE_SIZE : page;
	if (op->phase % page || (op->phase && op->phase >= alignment))
		return true;
	return fixed && op->address % alignment != op->phase;
}

int model_want_make(const struct model_target *target, const struct model_op *op,
		    struct model_want *want)
{
	const struct vas_bounds *bounds = &target->space->bounds;
	static struct model_pieces empty;
	uint64_t limits_alignment, cap, largest;
	bool agree;

	memset(want, 0, offsetof(struct model_want, avoid));
	want->avoid_count = 0;
	want->granule = target->page;
	want->start = op->min > bounds->min ? op->min : bounds->min;
	want->end = op->flags & VAS_RESERVE_HIGH_WINDOW ? bounds->high_max : bounds->max;
	if (op->max && op->max < want->end)
		want->end = op->max;
	want->place = op->place;
	want->side = op->side;
	want->address = op->address;
	want->prefer = op->flags & VAS_RESERVE_PREFER;
	want->strict = op->flags & VAS_RESERVE_STRICT;
	agree = want_limits(want, target, op->limits, &limits_alignment, &cap);
	if (!agree)
		return -ERANGE;
	if (want_is_malformed(target, op))
		return -EINVAL;
	want->size = aligned_up(op->size, want->granule, 0);
	want->min_size = op->min_size ? aligned_up(op->min_size, want->granule, 0) : want->size;
	if (want->size == UINT64_MAX)
		return -EINVAL;
	if (want->min_size > cap)
		return -ERANGE;
	if (want->size > cap)
		want->size = cap - cap % want->granule;
	if (want->place == VAS_PLACE_NEAR) {
		uint64_t reach = op->reach ? op->reach : UINT64_MAX;

		if (op->address >= bounds->high_max)
			return -ERANGE;
		if (op->address > reach && op->address - reach > want->start)
			want->start = op->address - reach;
		if (reach < UINT64_MAX - op->address && op->address + reach + 1 < want->end)
			want->end = op->address + reach + 1;
	}
	want->start = aligned_up(want->start, target->page, 0);
	want->end -= want->end % target->page;
	if (want->start >= want->end)
		return -ERANGE;
	want_empty(want, &empty);
	if (!want_alignment(want, target, op, limits_alignment, &empty))
		return -ERANGE;
	if (want_has_place(want, &empty))
		return 0;
	largest = model_largest(want, &empty);
	if (largest < want->min_size)
		return -ERANGE;
	want->size = largest;
	return 0;
}

/* Takes sorted, disjoint cuts out of sorted, disjoint pieces. */
static void subtract(struct model_pieces *from, const struct model_piece *cuts, size_t count)
{
	static struct model_pieces result;
	size_t cut = 0;

	result.count = 0;
	for (size_t i = 0; i < from->count; i++) {
		uint64_t position = from->items[i].start, end = from->items[i].end;

		while (cut < count && cuts[cut].end <= position)
			cut++;
		for (size_t j = cut; j < count && cuts[j].start < end; j++) {
			if (cuts[j].start > position)
				result.items[result.count++] =
					(struct model_piece){ position, cuts[j].start, 0 };
			if (cuts[j].end > position)
				position = cuts[j].end;
		}
		if (position < end)
			result.items[result.count++] = (struct model_piece){ position, end, 0 };
	}
	from->count = result.count;
	memcpy(from->items, result.items, result.count * sizeof(*result.items));
}

/* The mappings without the span that was just reserved. */
static size_t without(const struct model_pieces *view, struct vas_span own,
		      struct model_piece *pieces)
{
	uint64_t own_end = own.start + own.size;
	size_t count = 0;

	for (size_t i = 0; i < view->count; i++) {
		struct model_piece piece = view->items[i];

		if (!own.size || piece.end <= own.start || piece.start >= own_end) {
			pieces[count++] = piece;
			continue;
		}
		/* Neighbours merge, so the mapping may reach over the span on both sides. */
		if (piece.start < own.start)
			pieces[count++] = (struct model_piece){ piece.start, own.start, 0 };
		if (piece.end > own_end)
			pieces[count++] = (struct model_piece){ own_end, piece.end, 0 };
	}
	return count;
}

void model_free(const struct model_want *want, const struct model_pieces *view, struct vas_span own,
		const struct vas_spanset *kept, struct model_pieces *free)
{
	static struct model_piece cuts[MODEL_PIECES + 1];
	size_t count = without(view, own, cuts);

	free->count = 1;
	free->items[0] = (struct model_piece){ want->start, want->end, 0 };
	subtract(free, cuts, count);
	subtract(free, want->avoid, want->avoid_count);
	for (size_t i = 0; i < kept->count; i++) {
		cuts[0] = (struct model_piece){ kept->items[i].start,
						kept->items[i].start + kept->items[i].size, 0 };
		subtract(free, cuts, 1);
	}
}

bool model_fits(const struct model_want *want, const struct model_pieces *free, uint64_t place,
		uint64_t size)
{
	if (place % want->alignment != want->phase || size % want->granule)
		return false;
	for (size_t i = 0; i < free->count; i++)
		if (place >= free->items[i].start && place < free->items[i].end)
			return size <= free->items[i].end - place;
	return false;
}

bool model_lowest(const struct model_want *want, const struct model_pieces *free, uint64_t size,
		  uint64_t *place)
{
	for (size_t i = 0; i < free->count; i++) {
		uint64_t at = aligned_up(free->items[i].start, want->alignment, want->phase);

		if (at < free->items[i].end && size <= free->items[i].end - at) {
			*place = at;
			return true;
		}
	}
	return false;
}

bool model_highest(const struct model_want *want, const struct model_pieces *free, uint64_t size,
		   uint64_t *place)
{
	for (size_t i = free->count; i-- > 0;) {
		const struct model_piece *piece = &free->items[i];
		uint64_t at;

		if (size <= piece->end - piece->start &&
		    aligned_down(piece->end - size, want->alignment, want->phase, &at) &&
		    at >= piece->start) {
			*place = at;
			return true;
		}
	}
	return false;
}

uint64_t model_distance(uint64_t anchor, uint64_t place, uint64_t size)
{
	uint64_t low = place > anchor ? place - anchor : anchor - place;
	uint64_t last = place + size - 1;
	uint64_t high = last > anchor ? last - anchor : anchor - last;

	return low > high ? low : high;
}

/* The nearest place of one piece: around the place that has the anchor in its middle. */
static bool nearest_in(const struct model_want *want, const struct model_piece *piece,
		       uint64_t size, uint64_t *place)
{
	uint64_t anchor = want->address, last, centre, up, down;
	bool has_up, has_down;

	if (size > piece->end - piece->start)
		return false;
	last = piece->end - size;
	centre = anchor > (size - 1) / 2 ? anchor - (size - 1) / 2 : 0;
	up = aligned_up(centre > piece->start ? centre : piece->start, want->alignment,
			want->phase);
	has_up = up <= last;
	has_down =
		aligned_down(centre < last ? centre : last, want->alignment, want->phase, &down) &&
		down >= piece->start;
	if (has_up && has_down)
		*place = model_distance(anchor, up, size) < model_distance(anchor, down, size)
				 ? up
				 : down;
	else if (has_up)
		*place = up;
	else if (has_down)
		*place = down;
	return has_up || has_down;
}

bool model_nearest(const struct model_want *want, const struct model_pieces *free, uint64_t size,
		   uint64_t *place)
{
	static struct model_pieces side;
	uint64_t best = UINT64_MAX, at;
	struct model_piece cut = { 0, want->address, 0 };

	if (want->side != VAS_SIDE_EITHER) {
		if (want->side == VAS_SIDE_BELOW)
			cut = (struct model_piece){ want->address, UINT64_MAX, 0 };
		side.count = free->count;
		memcpy(side.items, free->items, free->count * sizeof(*free->items));
		subtract(&side, &cut, 1);
		if (want->side == VAS_SIDE_BELOW && model_highest(want, &side, size, place))
			return true;
		if (want->side == VAS_SIDE_ABOVE && model_lowest(want, &side, size, place))
			return true;
	}
	for (size_t i = 0; i < free->count; i++) {
		if (!nearest_in(want, &free->items[i], size, &at) ||
		    model_distance(want->address, at, size) >= best)
			continue;
		best = model_distance(want->address, at, size);
		*place = at;
	}
	return best != UINT64_MAX;
}

uint64_t model_largest(const struct model_want *want, const struct model_pieces *free)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < free->count; i++) {
		const struct model_piece *piece = &free->items[i];
		uint64_t at = aligned_up(piece->start, want->alignment, want->phase), size;

		if (want->place == VAS_PLACE_EXACT) {
			at = want->address;
			if (at < piece->start || at % want->alignment != want->phase)
				continue;
		}
		if (at >= piece->end)
			continue;
		size = piece->end - at;
		size -= size % want->granule;
		largest = size > largest ? size : largest;
	}
	return largest;
}
