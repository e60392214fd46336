/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what a caller wrote to a request that placement can trust.
 *
 * The order is that of the questions a caller would ask: is the call well
 * formed (-EINVAL)? which sizes, which alignment, which window do the limits
 * leave (-ERANGE)? is there any place at all, were the address space empty? The
 * last question is asked of the same search that places spans, so a request
 * that was built has at least one acceptable address.
 *
 * Every sum that caller's numbers go into is overflow-checked, or saturates
 * where a bound beyond the space means "no bound". Pure.
 */
#include "core/placement.h"

#include <errno.h>

#include "base/assert.h"
#include "base/number.h"

#define HUGE_ALIGNMENT (2ull << 20) /* the default for spans that can hold one huge page */

struct build {
	const struct vas_reserve_opts *opts;
	const struct vas_limits *limits;
	const struct vas_placement_host *host;
	struct vas_request request;
	uint64_t space_end; /* of the host's window that may be used */
	uint64_t alignment; /* that the caller asked for, a multiple of page; 0 = the default */
	enum vas_why why;
};

static int refuse(struct build *build, int error, enum vas_why why)
{
	build->why = why;
	return error;
}

/* Size, alignment, phase and fixed address as numbers of the call alone. */
static int check_numbers(struct build *build, uint64_t size)
{
	const struct vas_reserve_opts *opts = build->opts;
	uint64_t page = build->host->page;
	uint64_t alignment = opts->alignment;
	bool fixed = opts->place == VAS_PLACE_EXACT || opts->flags & VAS_RESERVE_PREFER;

	if (size == 0 || opts->min_size > size || !vas_align_up(size, page, &size))
		return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
	if (alignment == 0 && opts->phase != 0)
		alignment = size >= HUGE_ALIGNMENT ? HUGE_ALIGNMENT : page;
	if (alignment % page != 0) {
		if (page % alignment != 0)
			return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
		alignment = page;
	}
	if (opts->phase % page != 0 || (opts->phase != 0 && opts->phase >= alignment))
		return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
	if (fixed && opts->address % (alignment != 0 ? alignment : page) != opts->phase)
		return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
	build->alignment = alignment;
	return 0;
}

static int take_options(struct build *build)
{
	const struct vas_reserve_opts *opts = build->opts;
	struct vas_request *request = &build->request;

	if (opts->flags & ~VAS_RESERVE_ALL || (unsigned int)opts->place > VAS_PLACE_EXACT ||
	    (unsigned int)opts->side > VAS_SIDE_ABOVE)
		return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
	request->page = build->host->page;
	request->place = opts->place;
	request->side = opts->side;
	request->address = opts->address;
	request->reach = opts->reach;
	request->key = opts->place == VAS_PLACE_SCATTER ? opts->key : build->host->seed;
	request->strict = opts->flags & VAS_RESERVE_STRICT;
	request->prefer = opts->flags & VAS_RESERVE_PREFER;
	if (request->prefer && (opts->place == VAS_PLACE_EXACT || opts->place == VAS_PLACE_NEAR))
		return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
	build->space_end =
		opts->flags & VAS_RESERVE_HIGH_WINDOW ? build->host->high_max : build->host->max;
	return 0;
}

/* Size and least size in whole granules, under the limits' caps. */
static int take_sizes(struct build *build, uint64_t size)
{
	struct vas_request *request = &build->request;
	const struct vas_limits *limits = build->limits;
	uint64_t min_size = build->opts->min_size != 0 ? build->opts->min_size : size;
	uint64_t cap = UINT64_MAX;

	if (!vas_least_common_multiple(limits->granule != 0 ? limits->granule : 1, request->page,
				       &request->granule))
		return refuse(build, -ERANGE, VAS_WHY_LIMITS);
	if (!vas_align_up(size, request->granule, &request->size) ||
	    !vas_align_up(min_size, request->granule, &request->min_size))
		return refuse(build, -EINVAL, VAS_WHY_ARGUMENT);
	if (limits->max_size != 0)
		cap = limits->max_size;
	if (limits->max_total != 0 && limits->max_total < cap)
		cap = limits->max_total;
	if (request->min_size > cap)
		return refuse(build, -ERANGE, VAS_WHY_CAP);
	if (request->size > cap) {
		request->size = vas_align_down(cap, request->granule);
		build->why = VAS_WHY_CAP;
	}
	return 0;
}

static int take_window(struct build *build)
{
	const struct vas_reserve_opts *opts = build->opts;
	const struct vas_limits *limits = build->limits;
	struct vas_request *request = &build->request;
	uint64_t start = build->host->min;
	uint64_t end = build->space_end;

	start = opts->min > start ? opts->min : start;
	start = limits->min > start ? limits->min : start;
	if (start >= end)
		return refuse(build, -ERANGE, VAS_WHY_WIDTH);
	end = opts->max != 0 && opts->max < end ? opts->max : end;
	end = limits->max != 0 && limits->max < end ? limits->max : end;
	if (request->place == VAS_PLACE_NEAR) {
		uint64_t reach = request->reach;
		uint64_t last;

		if (request->address >= build->host->high_max)
			return refuse(build, -ERANGE, VAS_WHY_WIDTH);
		if (reach == 0)
			reach = UINT64_MAX;
		if (reach < request->address && request->address - reach > start)
			start = request->address - reach;
		if (vas_add(request->address, reach, &last) && last < end)
			end = last + 1;
	}
	if (VAS_NEVER(!vas_align_up(start, request->page, &start)))
		return refuse(build, -ERANGE, VAS_WHY_WIDTH);
	end = vas_align_down(end, request->page);
	if (start >= end)
		return refuse(build, -ERANGE, VAS_WHY_WINDOW);
	request->start = start;
	request->end = end;
	return 0;
}

/* Joins alignment with what page and limits ask for; false when they cannot be joined. */
static bool join_alignment(struct build *build, uint64_t alignment, uint64_t phase)
{
	uint64_t wanted = build->limits->alignment != 0 ? build->limits->alignment : 1;

	return vas_least_common_multiple(wanted, build->request.page, &wanted) &&
	       vas_congruence_combine(alignment, phase, wanted, 0, &build->request.alignment,
				      &build->request.phase);
}

static bool has_place(const struct build *build, uint64_t size)
{
	const struct vas_request *request = &build->request;
	uint64_t place;

	if (request->place == VAS_PLACE_EXACT)
		return vas_request_accepts(request, request->address, size);
	return vas_request_lowest(request, request->start, request->end, size, &place);
}

/* Tries the wish for huge pages; true when the request has a place with it. */
static bool take_default_alignment(struct build *build)
{
	const struct vas_request *request = &build->request;

	if (request->size < HUGE_ALIGNMENT || request->place == VAS_PLACE_EXACT)
		return false;
	if (request->prefer && request->address % HUGE_ALIGNMENT != 0)
		return false;
	return join_alignment(build, HUGE_ALIGNMENT, 0) && has_place(build, request->size);
}

static int take_alignment(struct build *build)
{
	if (build->alignment == 0) {
		if (take_default_alignment(build))
			return 0;
		build->alignment = build->request.page;
	}
	if (!join_alignment(build, build->alignment, build->opts->phase))
		return refuse(build, -ERANGE, VAS_WHY_LIMITS);
	return 0;
}

/* The largest size that has a place, in whole granules; 0 when not even one granule has. */
static uint64_t largest_size(const struct build *build)
{
	const struct vas_request *request = &build->request;
	bool exact = request->place == VAS_PLACE_EXACT;
	struct vas_pieces pieces;
	struct vas_span piece;
	uint64_t largest = 0;

	if (exact && !vas_request_accepts(request, request->address, request->page))
		return 0;
	vas_pieces_begin(&pieces, request, exact ? request->address : request->start, request->end);
	while (vas_pieces_next(&pieces, &piece)) {
		uint64_t place;
		uint64_t size;

		if (!vas_align_up_phase(piece.start, request->alignment, request->phase, &place) ||
		    place >= vas_span_end(piece))
			continue;
		size = vas_align_down(vas_span_end(piece) - place, request->granule);
		if (size > largest)
			largest = size;
		if (exact)
			break; /* the piece that begins at the address */
	}
	return largest;
}

/* Why there is no place for size, although nothing is mapped. */
static enum vas_why explain(struct build *build, uint64_t size)
{
	struct vas_request *request = &build->request;
	struct vas_spanset avoid = request->avoid;
	bool fits;

	if (request->place == VAS_PLACE_EXACT) {
		if (request->address < build->host->min)
			return VAS_WHY_MARGIN;
		if (request->address >= build->space_end ||
		    size > build->space_end - request->address)
			return VAS_WHY_WIDTH;
		if (request->address < request->start || request->address >= request->end ||
		    size > request->end - request->address)
			return VAS_WHY_WINDOW;
		return VAS_WHY_LIMITS;
	}
	if (size > build->space_end - build->host->min)
		return VAS_WHY_WIDTH;
	request->avoid.count = 0;
	fits = has_place(build, size);
	request->avoid = avoid;
	return fits ? VAS_WHY_LIMITS : VAS_WHY_WINDOW;
}

/* Reduces the size to what an empty space could hold, or refuses. */
static int take_place(struct build *build)
{
	struct vas_request *request = &build->request;
	uint64_t largest;

	if (has_place(build, request->size))
		return 0;
	largest = largest_size(build);
	if (largest < request->min_size)
		return refuse(build, -ERANGE, explain(build, request->min_size));
	build->why = explain(build, request->size);
	request->size = largest;
	return 0;
}

int vas_request_build(uint64_t size, const struct vas_reserve_opts *opts,
		      const struct vas_limits *limits, const struct vas_placement_host *host,
		      struct vas_request *request, enum vas_why *why)
{
	static const struct vas_reserve_opts default_opts = { .size = sizeof(default_opts) };
	static const struct vas_limits no_limits = { .size = sizeof(no_limits) };
	struct build build = {
		.opts = opts ? opts : &default_opts,
		.limits = limits ? limits : &no_limits,
		.host = host,
		.why = VAS_WHY_NONE,
	};
	int error;

	/* A set that is only read: nothing here writes through it. */
	build.request.avoid.items = (struct vas_span *)(uintptr_t)build.limits->holes;
	build.request.avoid.count = build.limits->hole_count;
	build.request.avoid.capacity = build.limits->hole_count;
	error = take_options(&build);
	if (!error)
		error = check_numbers(&build, size);
	if (!error)
		error = take_sizes(&build, size);
	if (!error)
		error = take_window(&build);
	if (!error)
		error = take_alignment(&build);
	if (!error)
		error = take_place(&build);
	*why = build.why;
	if (!error)
		*request = build.request;
	return error;
}
