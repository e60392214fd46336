/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 10 */
/*
 * Placement, held against trying every page of a tiny address space.
 *
 * Requests: the addresses that a built request accepts are those that options, limits and host
 * accept by definition; a refusal or a reduced size is justified. Trials: every proposal is
 * accepted, new, and in the order that the policy promises. Choices: over random gaps, the place
 * is the best by the policy's definition; a later gap cannot change it once it is settled.
 * Scatter: the place does not depend on gaps that it is not in.
 */
#include "core/placement.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "base/random.h"
#include "tap/tap.h"

enum { PAGES = 96, HOLES = 5, GAPS = PAGES };

struct world {
	struct vas_placement_host host;
	struct vas_reserve_opts opts;
	struct vas_limits limits;
	struct vas_span holes[HOLES];
	uint64_t page;
	uint64_t size;
	struct vas_request request; /* when it was built */
	bool built;
	enum vas_why why;
	bool used[PAGES];
	struct vas_span gaps[GAPS];
	size_t gap_count;
};

static uint64_t pages(uint64_t *state, const struct world *world, uint64_t bound)
{
	return vas_random_below(state, bound) * world->page;
}

static void random_limits(struct world *world, uint64_t *state)
{
	struct vas_limits *limits = &world->limits;
	uint64_t position = 0;

	*limits = (struct vas_limits){ .size = sizeof(*limits), .holes = world->holes };
	if (vas_random_below(state, 3) == 0)
		limits->min = vas_random_below(state, PAGES * world->page / 2);
	if (vas_random_below(state, 3) == 0)
		limits->max = limits->min + 1 + vas_random_below(state, PAGES * world->page);
	if (vas_random_below(state, 3) == 0)
		limits->alignment = (1 + vas_random_below(state, 7)) * world->page /
				    (1 + vas_random_below(state, 2));
	if (vas_random_below(state, 4) == 0)
		limits->granule = (1 + vas_random_below(state, 4)) * world->page / 2;
	if (vas_random_below(state, 6) == 0)
		limits->max_size = 1 + pages(state, world, 24);
	if (vas_random_below(state, 6) == 0)
		limits->max_total = 1 + pages(state, world, 24);
	while (limits->hole_count < HOLES && vas_random_below(state, 3)) {
		uint64_t start = position + 1 + vas_random_below(state, 20 * world->page);
		uint64_t size = 1 + vas_random_below(state, 6 * world->page);

		world->holes[limits->hole_count++] = (struct vas_span){ start, size };
		position = start + size;
	}
}

static void random_options(struct world *world, uint64_t *state)
{
	struct vas_reserve_opts *opts = &world->opts;

	*opts = (struct vas_reserve_opts){ .size = sizeof(*opts) };
	opts->place = (enum vas_place)vas_random_below(state, VAS_PLACE_EXACT + 1);
	opts->side = (enum vas_side)vas_random_below(state, VAS_SIDE_ABOVE + 1);
	opts->key = vas_random_next(state);
	if (vas_random_below(state, 4) == 0)
		opts->min = vas_random_below(state, PAGES * world->page);
	if (vas_random_below(state, 4) == 0)
		opts->max = opts->min + 1 + vas_random_below(state, PAGES * world->page);
	if (vas_random_below(state, 2)) {
		opts->alignment = (1 + vas_random_below(state, 8)) * world->page;
		opts->phase = pages(state, world, opts->alignment / world->page);
	}
	if (vas_random_below(state, 3) == 0)
		opts->min_size = 1 + vas_random_below(state, world->size);
	if (vas_random_below(state, 4) == 0)
		opts->flags |= VAS_RESERVE_HIGH_WINDOW;
	if (vas_random_below(state, 4) == 0)
		opts->flags |= VAS_RESERVE_STRICT;
	if (opts->place == VAS_PLACE_NEAR) {
		opts->address = vas_random_below(state, PAGES * world->page);
		opts->reach =
			vas_random_below(state, 4) * vas_random_below(state, 20 * world->page);
		return;
	}
	if (vas_random_below(state, 4) == 0 && opts->place != VAS_PLACE_EXACT)
		opts->flags |= VAS_RESERVE_PREFER;
	if (opts->place == VAS_PLACE_EXACT || opts->flags & VAS_RESERVE_PREFER)
		opts->address = pages(state, world, 8) * (opts->alignment / world->page) +
				(opts->alignment ? opts->phase : pages(state, world, PAGES));
}

static void random_world(struct world *world, uint64_t *state)
{
	world->page = vas_random_below(state, 2) ? 4096 : 65536;
	world->size =
		1 + vas_random_below(state, (vas_random_below(state, 3) ? 8 : 50) * world->page);
	world->host = (struct vas_placement_host){
		.page = world->page,
		.min = pages(state, world, 4),
		.max = (PAGES - 30 + vas_random_below(state, 20)) * world->page,
		.seed = vas_random_next(state),
	};
	world->host.high_max = world->host.max + pages(state, world, 10);
	random_limits(world, state);
	random_options(world, state);
}

/* The size as the definition has it; 0 when a cap is below the least size. */
static uint64_t rounded(const struct world *world, uint64_t size)
{
	uint64_t granule = world->limits.granule ? world->limits.granule : 1;
	uint64_t unit = 0;

	if (!vas_least_common_multiple(granule, world->page, &unit))
		tap_bail("granule");
	return (size + unit - 1) / unit * unit;
}

/* Whether [address, address + size) is acceptable by definition; alignment replaces a missing one. */
static bool acceptable(const struct world *world, uint64_t address, uint64_t size,
		       uint64_t alignment)
{
	const struct vas_reserve_opts *opts = &world->opts;
	const struct vas_limits *limits = &world->limits;
	uint64_t end = address + size;
	uint64_t space =
		opts->flags & VAS_RESERVE_HIGH_WINDOW ? world->host.high_max : world->host.max;

	if (opts->alignment)
		alignment = opts->alignment;
	if (address % world->page || address < world->host.min || end > space ||
	    address < opts->min || (opts->max && end > opts->max) || address < limits->min ||
	    (limits->max && end > limits->max) || address % alignment != opts->phase ||
	    (limits->alignment && address % limits->alignment) ||
	    (limits->max_size && size > limits->max_size) ||
	    (limits->max_total && size > limits->max_total))
		return false;
	if (opts->place == VAS_PLACE_EXACT && address != opts->address)
		return false;
	if (opts->place == VAS_PLACE_NEAR && opts->reach &&
	    ((address < opts->address && opts->address - address > opts->reach) ||
	     (end - 1 > opts->address && end - 1 - opts->address > opts->reach)))
		return false;
	for (size_t i = 0; i < limits->hole_count; i++) {
		if (world->holes[i].start < end && address < vas_span_end(world->holes[i]))
			return false;
	}
	return true;
}

static bool any_acceptable(const struct world *world, uint64_t size, uint64_t alignment)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		if (acceptable(world, i * world->page, size, alignment))
			return true;
	}
	return false;
}

/* What building this request must give: the size, or 0, and the alignment that a missing one gets. */
static uint64_t wanted_size(const struct world *world, uint64_t *alignment)
{
	const struct vas_reserve_opts *opts = &world->opts;
	const uint64_t huge = 2 << 20;
	uint64_t least = rounded(world, opts->min_size ? opts->min_size : world->size);
	uint64_t unit = rounded(world, 1);
	uint64_t size = rounded(world, world->size);
	bool reduced = false;

	/* An anchor that no address can have is refused, however far it may reach. */
	if (opts->place == VAS_PLACE_NEAR && opts->address >= world->host.high_max)
		return 0;
	while (size >= least && size > 0) {
		const struct vas_limits *limits = &world->limits;

		*alignment = world->page;
		/* A cap comes before the wish for huge pages, a small window after it. */
		if ((limits->max_size && size > limits->max_size) ||
		    (limits->max_total && size > limits->max_total)) {
			size -= unit;
			continue;
		}
		if (!reduced && size >= huge && opts->place != VAS_PLACE_EXACT &&
		    !(opts->flags & VAS_RESERVE_PREFER && opts->address % huge) &&
		    any_acceptable(world, size, huge)) {
			*alignment = huge;
			return size;
		}
		if (any_acceptable(world, size, world->page))
			return size;
		reduced = true;
		size -= unit;
	}
	return 0;
}

static bool build_is_right(struct world *world)
{
	uint64_t alignment = world->page;
	uint64_t wanted = wanted_size(world, &alignment);
	int error = vas_request_build(world->size, &world->opts, &world->limits, &world->host,
				      &world->request, &world->why);

	world->built = error == 0;
	if (wanted == 0)
		return error == -ERANGE && world->why != VAS_WHY_NONE;
	if (error || world->request.size != wanted ||
	    (world->why != VAS_WHY_NONE) != (wanted < rounded(world, world->size)))
		return false;
	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t address = i * world->page;
		bool accepted = vas_request_accepts(&world->request, address, wanted);

		if (world->opts.place == VAS_PLACE_EXACT && address != world->opts.address)
			continue;
		if (accepted != acceptable(world, address, wanted, alignment))
			return false;
	}
	return true;
}

static bool accepted(const struct world *world, uint64_t address)
{
	return (world->request.place != VAS_PLACE_EXACT || address == world->request.address) &&
	       vas_request_accepts(&world->request, address, world->request.size);
}

/* The distance by definition: of the byte farthest from the anchor. */
static uint64_t distance(const struct vas_request *request, uint64_t address)
{
	uint64_t anchor = request->address;
	uint64_t last = address + request->size - 1;
	uint64_t to_first = anchor > address ? anchor - address : address - anchor;
	uint64_t to_last = anchor > last ? anchor - last : last - anchor;

	return to_first > to_last ? to_first : to_last;
}

/* On which side of the anchor a place wholly lies. */
static enum vas_side side_of(const struct vas_request *request, uint64_t address)
{
	if (address + request->size <= request->address)
		return VAS_SIDE_BELOW;
	return address >= request->address ? VAS_SIDE_ABOVE : VAS_SIDE_EITHER;
}

static bool first_is_right(const struct world *world, uint64_t first)
{
	const struct vas_request *request = &world->request;

	if (request->prefer && accepted(world, request->address))
		return first == request->address;
	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t address = i * world->page;

		if (!accepted(world, address))
			continue;
		if ((request->place == VAS_PLACE_LOW && address < first) ||
		    (request->place == VAS_PLACE_HIGH && address > first))
			return false;
		if (request->place != VAS_PLACE_NEAR ||
		    side_of(request, address) == VAS_SIDE_EITHER)
			continue;
		if (side_of(request, first) == VAS_SIDE_EITHER)
			return false;
		if (side_of(request, address) == request->side &&
		    side_of(request, first) != request->side)
			return false;
		if ((request->side == VAS_SIDE_EITHER ||
		     side_of(request, address) == side_of(request, first)) &&
		    distance(request, address) < distance(request, first))
			return false;
	}
	return true;
}

static bool trial_is_right(const struct world *world)
{
	const struct vas_request *request = &world->request;
	struct vas_trial trial;
	uint64_t proposed[VAS_TRIALS_MAX];
	uint64_t address;
	uint32_t count = 0;

	vas_trial_begin(&trial, request);
	while (vas_trial_next(&trial, &address)) {
		if (count == VAS_TRIALS_MAX || !accepted(world, address))
			return false;
		for (uint32_t i = 0; i < count; i++) {
			if (proposed[i] == address)
				return false;
		}
		if (count == 0 && !first_is_right(world, address))
			return false;
		/* Gallops go outward; the place around the anchor may follow. */
		if (count > 0 && request->place == VAS_PLACE_NEAR &&
		    request->side == VAS_SIDE_EITHER &&
		    side_of(request, address) != VAS_SIDE_EITHER &&
		    distance(request, address) < distance(request, proposed[count - 1]))
			return false;
		proposed[count++] = address;
	}
	if (!trial.exhausted || trial.count != count || vas_trial_next(&trial, &address))
		return false;
	if (request->strict && !request->prefer &&
	    (request->place == VAS_PLACE_LOW || request->place == VAS_PLACE_HIGH) && count != 1)
		return false;
	/* A built request has a place, and all but long windows full of holes are covered. */
	return count > 0 || request->place == VAS_PLACE_ANY || request->place == VAS_PLACE_SCATTER;
}

/* Used and free pages in runs; the free runs are the gaps. */
static void random_gaps(struct world *world, uint64_t *state)
{
	uint64_t crowded = vas_random_below(state, 4);
	bool used = vas_random_below(state, 2);

	world->gap_count = 0;
	for (uint64_t i = 0; i < PAGES; i++) {
		if (vas_random_below(state, used ? 6 - crowded : 3 + 6 * (3 - crowded)) == 0)
			used = !used;
		world->used[i] = used;
	}
	for (uint64_t i = 0; i < PAGES; i++) {
		if (world->used[i])
			continue;
		if (i == 0 || world->used[i - 1])
			world->gaps[world->gap_count++] = (struct vas_span){ i * world->page, 0 };
		world->gaps[world->gap_count - 1].size += world->page;
	}
}

/* The gap that a span lies in, or NULL. */
static const struct vas_span *gap_of(const struct world *world, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < world->gap_count; i++) {
		if (address >= world->gaps[i].start &&
		    address + size <= vas_span_end(world->gaps[i]))
			return &world->gaps[i];
	}
	return NULL;
}

static bool is_place(const struct world *world, uint64_t address)
{
	return accepted(world, address) && gap_of(world, address, world->request.size);
}

static bool touches_middle(const struct world *world, uint64_t address)
{
	const struct vas_request *request = &world->request;
	const struct vas_span *gap = gap_of(world, address, request->size);
	uint64_t start = gap->start > request->start ? gap->start : request->start;
	uint64_t end = vas_span_end(*gap) < request->end ? vas_span_end(*gap) : request->end;
	uint64_t middle = start + (end - start) / 2;

	return address <= middle && address + world->request.size >= middle;
}

/* The piece around a place that window and avoid leave of its gap. */
static struct vas_span piece_of(const struct world *world, uint64_t address)
{
	const struct vas_request *request = &world->request;
	const struct vas_span *gap = gap_of(world, address, request->size);
	uint64_t start = gap->start > request->start ? gap->start : request->start;
	uint64_t end = vas_span_end(*gap) < request->end ? vas_span_end(*gap) : request->end;

	for (size_t i = 0; i < request->avoid.count; i++) {
		struct vas_span hole = request->avoid.items[i];

		if (vas_span_end(hole) <= address && vas_span_end(hole) > start)
			start = vas_span_end(hole);
		if (hole.start >= address + request->size && hole.start < end)
			end = hole.start;
	}
	return (struct vas_span){ start, end - start };
}

/* The place that SCATTER must choose by its definition. */
static uint64_t scatter_place(const struct world *world, const uint64_t *places, size_t count)
{
	struct vas_slots slots;
	uint64_t address;
	uint64_t best = 0;
	uint64_t best_distance = UINT64_MAX;
	uint64_t target;

	vas_slots_init(&slots, &world->request);
	for (uint32_t n = 0; vas_slots_attempt(&slots, n, &address); n++) {
		if (is_place(world, address) && !touches_middle(world, address))
			return address;
		if (n == 0)
			best = address;
	}
	target = (best - slots.first) / slots.alignment;
	for (size_t i = 0; i < count; i++) {
		uint64_t slot = (places[i] - slots.first) / slots.alignment;

		if (!touches_middle(world, places[i]) && (slot ^ target) < best_distance) {
			best_distance = slot ^ target;
			best = places[i];
		}
	}
	return best_distance == UINT64_MAX ? UINT64_MAX : best;
}

/* Whether other is better than chosen for policies that compare two places. */
static bool is_better(const struct world *world, uint64_t other, uint64_t chosen)
{
	const struct vas_request *request = &world->request;
	bool other_side = side_of(request, other) == request->side;
	bool chosen_side = side_of(request, chosen) == request->side;

	switch (request->place) {
	case VAS_PLACE_LOW:
		return other < chosen;
	case VAS_PLACE_HIGH:
		return other > chosen;
	case VAS_PLACE_ANY:
		return piece_of(world, other).size < piece_of(world, chosen).size;
	case VAS_PLACE_NEAR:
		if (request->side != VAS_SIDE_EITHER && other_side != chosen_side)
			return other_side;
		return distance(request, other) < distance(request, chosen);
	case VAS_PLACE_SCATTER:
	case VAS_PLACE_EXACT:
		break;
	}
	return false;
}

static bool at_an_end(const struct world *world, uint64_t address)
{
	uint64_t below = address - world->request.alignment;
	struct vas_span piece = piece_of(world, address);

	return address < world->request.alignment || below < piece.start ||
	       address + world->request.size + world->request.alignment > vas_span_end(piece);
}

static bool choice_is_right(const struct world *world, const struct vas_gap_choice *choice)
{
	const struct vas_request *request = &world->request;
	uint64_t places[PAGES];
	size_t count = 0;
	uint64_t scattered;

	for (uint64_t i = 0; i < PAGES; i++) {
		if (is_place(world, i * world->page))
			places[count++] = i * world->page;
	}
	if (choice->found != (count > 0))
		return false;
	if (!choice->found)
		return true;
	if (!is_place(world, choice->address))
		return false;
	if (request->prefer && is_place(world, request->address))
		return choice->address == request->address;
	for (size_t i = 0; i < count; i++) {
		if (is_better(world, places[i], choice->address))
			return false;
	}
	if (request->place == VAS_PLACE_ANY)
		return at_an_end(world, choice->address);
	if (request->place != VAS_PLACE_SCATTER)
		return true;
	scattered = scatter_place(world, places, count);
	if (scattered != UINT64_MAX)
		return choice->address == scattered;
	/* Nothing but middles: at the low end of what is there. */
	return at_an_end(world, choice->address);
}

/* What could be had at most, and how much there is, by counting. */
static bool sums_are_right(const struct world *world, const struct vas_gap_choice *choice)
{
	const struct vas_request *request = &world->request;
	uint64_t unit = request->granule;
	uint64_t largest = 0;
	uint64_t total = 0;

	for (size_t i = 0; i < world->gap_count; i++) {
		uint64_t end = vas_span_end(world->gaps[i]);

		for (uint64_t at = world->gaps[i].start; at < end; at++) {
			uint64_t step = end - at;

			/* Counting bytes in strides: from one edge of window or avoid to the next. */
			if (at < request->start && request->start < end)
				step = request->start - at;
			else if (at < request->end && request->end < end)
				step = request->end - at;
			for (size_t j = 0; j < request->avoid.count; j++) {
				struct vas_span hole = request->avoid.items[j];

				if (hole.start > at && hole.start - at < step)
					step = hole.start - at;
				if (vas_span_end(hole) > at && vas_span_end(hole) - at < step)
					step = vas_span_end(hole) - at;
			}
			if (at >= request->start && at + step <= request->end &&
			    !vas_spanset_overlaps(&request->avoid, at, at + step))
				total += step;
			at += step - 1;
		}
		for (uint64_t at = world->gaps[i].start; at < end; at += world->page) {
			uint64_t size = (end - at) / unit * unit;

			while (size > largest && !vas_request_accepts(request, at, size))
				size -= unit;
			if (size > largest &&
			    (request->place != VAS_PLACE_EXACT || at == request->address))
				largest = size;
		}
	}
	return choice->largest == largest && choice->total == total;
}

static bool choosing_is_right(const struct world *world, struct vas_gap_choice *choice)
{
	bool is_settled = false;
	bool found = false;
	uint64_t address = 0;

	vas_gap_choice_begin(choice, &world->request);
	for (size_t i = 0; i < world->gap_count; i++) {
		bool done = vas_gap_choice_show(choice, world->gaps[i].start,
						vas_span_end(world->gaps[i]));

		if (done && !is_settled) {
			found = choice->found;
			address = choice->address;
		}
		is_settled |= done;
	}
	if (is_settled && (found != choice->found || address != choice->address))
		return false;
	return choice_is_right(world, choice) && sums_are_right(world, choice);
}

/* Takes away gaps that the chosen place is not in: it must stay. */
static bool scatter_is_stable(const struct world *world, uint64_t address, uint64_t *state)
{
	struct world other = *world;
	struct vas_gap_choice choice;

	other.gap_count = 0;
	for (size_t i = 0; i < world->gap_count; i++) {
		if (gap_of(world, address, world->request.size) == &world->gaps[i] ||
		    vas_random_below(state, 2))
			other.gaps[other.gap_count++] = world->gaps[i];
	}
	vas_gap_choice_begin(&choice, &other.request);
	for (size_t i = 0; i < other.gap_count; i++)
		vas_gap_choice_show(&choice, other.gaps[i].start, vas_span_end(other.gaps[i]));
	return choice.found && choice.address == address;
}

/* Blind and informed processes meet, unless the blind one lands in a middle. */
static bool blind_meets_informed(const struct world *world, uint64_t address)
{
	struct vas_trial trial;
	uint64_t proposal;

	vas_trial_begin(&trial, &world->request);
	while (vas_trial_next(&trial, &proposal)) {
		if (is_place(world, proposal))
			return proposal == address || touches_middle(world, proposal);
	}
	return true;
}

static uint64_t built, refused, reduced, scattered_count;

static const char *try_world(struct world *world, uint64_t *state)
{
	struct vas_gap_choice choice;

	if (!build_is_right(world))
		return "build";
	if (!world->built) {
		refused++;
		return NULL;
	}
	built++;
	reduced += world->why != VAS_WHY_NONE;
	if (!trial_is_right(world))
		return "trial";
	random_gaps(world, state);
	if (!choosing_is_right(world, &choice))
		return "choice";
	if (world->request.place != VAS_PLACE_SCATTER || !choice.found)
		return NULL;
	scattered_count++;
	if (!scatter_is_stable(world, choice.address, state))
		return "scatter's stability";
	if (!blind_meets_informed(world, choice.address))
		return "scatter, blind and informed";
	return NULL;
}

static void show(const struct world *world, const char *what)
{
	const struct vas_reserve_opts *opts = &world->opts;
	const struct vas_request *request = &world->request;

	tap_diag("%s: page %#" PRIx64 " size %#" PRIx64 " place %d side %d flags %#x why %s", what,
		 world->page, world->size, (int)opts->place, (int)opts->side, opts->flags,
		 vas_why_name(world->why));
	tap_diag("min %#" PRIx64 " max %#" PRIx64 " alignment %#" PRIx64 " phase %#" PRIx64
		 " min_size %#" PRIx64 " address %#" PRIx64 " reach %#" PRIx64,
		 opts->min, opts->max, opts->alignment, opts->phase, opts->min_size, opts->address,
		 opts->reach);
	tap_diag("host %#" PRIx64 " %#" PRIx64 " %#" PRIx64, world->host.min, world->host.max,
		 world->host.high_max);
	tap_diag("limits min %#" PRIx64 " max %#" PRIx64 " alignment %#" PRIx64 " granule %#" PRIx64
		 " max_size %#" PRIx64 " max_total %#" PRIx64,
		 world->limits.min, world->limits.max, world->limits.alignment,
		 world->limits.granule, world->limits.max_size, world->limits.max_total);
	for (size_t i = 0; i < world->limits.hole_count; i++)
		tap_diag("hole %#" PRIx64 " +%#" PRIx64, world->holes[i].start,
			 world->holes[i].size);
	tap_diag("request size %#" PRIx64 " window %#" PRIx64 " %#" PRIx64 " alignment %#" PRIx64
		 " phase %#" PRIx64,
		 request->size, request->start, request->end, request->alignment, request->phase);
	for (size_t i = 0; i < world->gap_count; i++)
		tap_diag("gap %#" PRIx64 " +%#" PRIx64, world->gaps[i].start, world->gaps[i].size);
}

int main(void)
{
	static struct world world;
	uint64_t state = tap_seed();
	const char *wrong = NULL;

	tap_plan(3);
	for (uint64_t i = tap_scaled(100000); i > 0 && !wrong; i--) {
		memset(&world, 0, sizeof(world));
		random_world(&world, &state);
		wrong = try_world(&world, &state);
	}
	if (!ok(!wrong, "requests, trials and choices are what trying every page gives"))
		show(&world, wrong);
	ok(built > refused / 4 && refused > 0 && reduced > 0,
	   "%" PRIu64 " built, %" PRIu64 " of these reduced, %" PRIu64 " refused", built, reduced,
	   refused);
	ok(scattered_count > 0, "%" PRIu64 " scattered", scattered_count);
	return tap_done();
}
