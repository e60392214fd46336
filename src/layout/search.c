/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for room in this process.
 *
 * What for: when blind probes ran out, when a place must be exactly the lowest,
 * highest or nearest, and to prove that there is none.
 *
 * Strategy. Walks (walk.c) ask the kernel about addresses, from where the best
 * places are: up for low, down for high, outward from the anchor for near, the
 * side that is nearer by then first. Any and scatter weigh every gap that is
 * large enough, and a survey every gap at all: a walk up over the whole window.
 *
 * Walking pays while few mappings lie in the window. One reading of the whole
 * text costs less per mapping, but passes those below the window too. How many
 * there are is remembered from the last reading. Whenever a walk has cost a
 * sixteenth of a reading more, what is left of it is reckoned by the distance of
 * the holes where that is regular, else extrapolated from how much of the window it
 * has settled since the first time; if that is more than a reading costs, the
 * text is read instead. As long as the number of mappings is
 * not known, it is taken to be what the window seems to hold, and a reading that
 * turns out to have more lines before the window is given up again.
 *
 * Where neither queries nor the text are to be had, one sync over the window
 * may still prove that nothing is free.
 *
 * Concurrency: one thread a search; only the remembered count is shared
 * (atomic, a guess). Other threads map meanwhile: the answer is a hint.
 *
 * Not done here: claiming. Only /proc/self/maps is opened, and closed again: a
 * descriptor kept over a fork would describe the parent.
 */
#include "layout/search.h"

#include <errno.h>

#include "base/assert.h"
#include "base/number.h"
#include "layout/walk.h"

#define READ_BUFFER  8192
#define MAPPINGS_FEW 48u /* in the window: so few are not worth a guess */
#define CHECKS	     16u /* walking is weighed against reading so often while it costs as much */
#define CHECK_LEAST  3750u /* nominal ns; how the mappings lie shows only after a few holes */
#define QUERIES_MOST (1u << 20) /* far above vm.max_map_count: then something feeds us */

/* Private answers beside 0 and -errno. */
#define GO_READ 1 /* the text is cheaper */
#define GO_WALK 2 /* the text is longer than thought */

struct run {
	const struct vas_search *search;
	const struct vas_request *request;
	struct vas_search_result *result;
	struct vas_look look;
	struct vas_gap_choice choice;
	uint64_t next_check; /* cost at which walking is weighed against reading again */
	uint64_t marked_cost; /* of the walk when it was looked at first, and what it had settled */
	uint64_t marked_settled;
	uint64_t line_limit; /* a reading with more lines before the window is given up; 0 = none */
	bool reading_failed; /* or was given up: no more of that */
};

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* About value * whole / part, at most 2^63 / part. */
static uint64_t extrapolate(uint64_t value, uint64_t whole, uint64_t part)
{
	while (whole >> 32) {
		whole >>= 1;
		part >>= 1;
	}
	return lower(value, UINT32_MAX >> 1) * whole / (part ? part : 1);
}

static uint32_t known_mappings(const struct run *run)
{
	return __atomic_load_n(&run->search->memory->mappings, __ATOMIC_RELAXED);
}

/* Bytes that a walk has not settled yet. */
static uint64_t left(const struct vas_walk *walk)
{
	const struct vas_request *request = walk->request;

	if (walk->done)
		return 0;
	if (walk->direction == VAS_WALK_UP)
		return request->end - lower(walk->edge, request->end);
	return walk->edge - lower(walk->edge, request->start);
}

/* What the rest of a walk will cost by the period of its holes; 0 = they have none. */
static uint64_t cost_by_period(const struct vas_walk *walk)
{
	uint64_t bytes = left(walk), mapping = walk->look->mapping_size;
	uint64_t steps = vas_pace_steps(&walk->pace, bytes);

	if (!steps || !mapping)
		return 0;
	return steps * VAS_LOOK_SYNC_COST + bytes / mapping * VAS_LOOK_SYNC_MAPPING_COST;
}

/* What the rest of one walk or two will cost. */
static uint64_t cost_of_rest(const struct run *run, const struct vas_walk *a,
			     const struct vas_walk *b, uint64_t window)
{
	uint64_t rest = left(a) + (b ? left(b) : 0);
	uint64_t settled = window - lower(window, rest);
	uint64_t by_period = cost_by_period(a);

	if (b && by_period) {
		by_period += cost_by_period(b);
		if (by_period > cost_by_period(a))
			return by_period;
	} else if (by_period) {
		return by_period;
	}
	return extrapolate(run->look.cost - run->marked_cost, rest,
			   settled - lower(settled, run->marked_settled));
}

/*
 * Weighs what is left of a walk (of two) over a window against a reading.
 * Called before each step. The first look only marks where the walk is then:
 * opening, and finding out how the mappings lie, come once.
 */
static bool reading_is_cheaper(struct run *run, const struct vas_walk *a, const struct vas_walk *b,
			       uint64_t window)
{
	const struct vas_look *look = &run->look;
	uint64_t known, mappings, reading, rest, settled;

	if (look->queries > QUERIES_MOST)
		return true;
	if (look->cost < run->next_check || run->reading_failed)
		return false;
	settled = window - lower(window, left(a) + (b ? left(b) : 0));
	known = known_mappings(run);
	mappings = extrapolate(look->mappings, window, settled);
	reading = VAS_LOOK_OPEN_COST + VAS_LOOK_LINE_COST * (known ? known : mappings);
	run->next_check = look->cost + higher(reading / CHECKS, CHECK_LEAST);
	if (look->cost < higher(reading / CHECKS, CHECK_LEAST))
		return false;
	if (run->marked_cost == 0) {
		run->marked_cost = look->cost;
		run->marked_settled = settled;
		return false;
	}
	if (!known && mappings < MAPPINGS_FEW)
		return false;
	run->line_limit = known ? 0 : mappings;
	rest = cost_of_rest(run, a, b, window);
	return rest > reading && look->cost + rest > reading / 4 * 5;
}

static void found_at(struct run *run, uint64_t address)
{
	run->result->found = true;
	run->result->address = address;
}

/* Shows [start, end) less the blacklist. True when nothing better can come. */
static bool show_gap(struct run *run, uint64_t start, uint64_t end)
{
	const struct vas_spanset *blacklist = run->search->blacklist;
	size_t i = blacklist ? vas_spanset_find(blacklist, start) : 0;
	bool settled = false;

	for (; blacklist && i < blacklist->count && blacklist->items[i].start < end; i++) {
		uint64_t stop = blacklist->items[i].start;

		if (start < stop)
			settled = vas_gap_choice_show(&run->choice, start, stop);
		start = higher(start, vas_span_end(blacklist->items[i]));
	}
	return start < end ? vas_gap_choice_show(&run->choice, start, end) : settled;
}

/* The choice becomes the result. whole: every gap of the window was shown. */
static void take_choice(struct run *run, bool whole)
{
	struct vas_search_result *result = run->result;

	if (run->choice.found)
		found_at(run, run->choice.address);
	result->exact_largest = whole;
	result->largest = run->choice.largest;
	result->largest_start = run->choice.largest_start;
	result->total = run->choice.total;
}

/* How many lines a reading up to here has; at its very end, how many there are. */
static void remember(struct run *run, uint32_t lines, bool all)
{
	uint32_t *mappings = &run->search->memory->mappings;

	if (all || lines > known_mappings(run))
		__atomic_store_n(mappings, lines, __ATOMIC_RELAXED);
}

/* 0 when the gaps of the window were shown, as far as they matter (*whole: all); GO_WALK; -errno. */
static int show_lines(struct run *run, struct vas_reader *reader, bool *whole)
{
	uint64_t position = run->request->start;
	uint64_t end = run->request->end;
	struct vas_mapping mapping;
	bool settled = false;
	int got;

	for (;;) {
		got = vas_reader_next(reader, &mapping);
		if (got <= 0 || mapping.start >= end)
			break;
		if (mapping.end <= position) {
			if (run->line_limit && reader->line > run->line_limit)
				return GO_WALK;
			continue;
		}
		if (position < mapping.start)
			settled = show_gap(run, position, mapping.start) || settled;
		position = mapping.end;
		if (settled && !run->search->survey)
			break;
	}
	if (got < 0)
		return got;
	remember(run, reader->line, got == 0);
	if (position < end && !(settled && !run->search->survey))
		settled = show_gap(run, position, end) || settled;
	*whole = !settled || run->search->survey || position >= end;
	return 0;
}

/* One reading of the text. 0, GO_WALK or -errno. */
static int read_text(struct run *run)
{
	char buffer[READ_BUFFER];
	struct vas_reader reader;
	bool whole = false;
	int err;

	err = vas_reader_open_process(&reader, run->search->sys, 0, buffer, sizeof(buffer));
	if (err)
		return err;
	run->result->readings++;
	vas_gap_choice_begin(&run->choice, run->request);
	err = show_lines(run, &reader, &whole);
	if (err == GO_WALK)
		remember(run, reader.line, false);
	vas_reader_close(&reader);
	if (err)
		return err;
	take_choice(run, whole);
	return 0;
}

static struct vas_walk walk_begin(struct run *run, enum vas_walk_direction direction)
{
	struct vas_walk walk;

	vas_walk_begin(&walk, &run->look, run->request, run->request->size, direction);
	walk.blacklist = run->search->blacklist;
	return walk;
}

/* The first place in a gap that a walk told. */
static bool first_place(const struct vas_walk *walk, struct vas_span gap, uint64_t *place)
{
	if (walk->direction == VAS_WALK_UP)
		return vas_walk_lowest(walk, gap.start, place);
	return vas_walk_highest(walk, vas_span_end(gap), place);
}

/* Low and high: the first place of one walk. 0, GO_READ or -errno. */
static int walk_one_way(struct run *run, struct vas_walk *walk)
{
	uint64_t window = left(walk);
	struct vas_span gap;
	uint64_t place;
	int got;

	do {
		if (reading_is_cheaper(run, walk, NULL, window))
			return GO_READ;
		got = vas_walk_step(walk, &gap);
	} while (got == VAS_WALK_MORE);
	if (got < 0)
		return got;
	if (got == VAS_WALK_FOUND && VAS_ALWAYS(first_place(walk, gap, &place)))
		found_at(run, place);
	return 0;
}

/* How far the nearest place is that a walk has not settled yet. */
static uint64_t next_distance(const struct run *run, const struct vas_walk *walk)
{
	uint64_t anchor = run->request->address;
	uint64_t size = run->request->size;

	if (walk->done)
		return UINT64_MAX;
	if (walk->direction == VAS_WALK_UP)
		return vas_request_distance(anchor, walk->edge, size);
	return walk->edge < size ? UINT64_MAX
				 : vas_request_distance(anchor, walk->edge - size, size);
}

/*
 * Near: outward from the centre, always on the side that can still bring the nearer
 * place; below on a tie. 0, GO_READ or -errno.
 */
static int walk_outward(struct run *run, struct vas_walk *up, struct vas_walk *down)
{
	uint64_t window = left(up) + left(down);
	uint64_t best = UINT64_MAX;
	struct vas_span gap;
	uint64_t place;
	int got;

	for (;;) {
		uint64_t above = next_distance(run, up);
		uint64_t below = next_distance(run, down);
		struct vas_walk *walk = below <= above ? down : up;

		/* Distance best, at most, and below: that is the last one still wanted. */
		if (walk == up ? above >= best : below > best)
			return 0;
		if (up->done && down->done)
			return 0;
		if (reading_is_cheaper(run, up, down, window))
			return GO_READ;
		got = vas_walk_step(walk, &gap);
		if (got < 0)
			return got;
		vas_pace_pair(&up->pace, &down->pace,
			      down->origin - lower(down->origin, up->origin));
		if (got != VAS_WALK_FOUND)
			continue;
		walk->done = true;
		if (VAS_NEVER(!first_place(walk, gap, &place)))
			continue;
		above = vas_request_distance(run->request->address, place, run->request->size);
		if (above > best || (above == best && walk == up))
			continue;
		best = above;
		found_at(run, place);
	}
}

static int walk_near(struct run *run)
{
	const struct vas_request *request = run->request;
	uint64_t anchor = request->address, size = request->size;
	uint64_t centre = anchor - lower(anchor, (size - 1) / 2);
	struct vas_request rest = *request;
	struct vas_walk up = walk_begin(run, VAS_WALK_UP);
	struct vas_walk down = walk_begin(run, VAS_WALK_DOWN);
	int err = 0;

	if (request->side == VAS_SIDE_BELOW) {
		vas_walk_start_at(&down, lower(request->end, anchor), true);
		err = walk_one_way(run, &down);
		rest.start = higher(request->start, anchor - lower(anchor, size - 1));
	} else if (request->side == VAS_SIDE_ABOVE) {
		vas_walk_start_at(&up, higher(request->start, anchor), true);
		err = walk_one_way(run, &up);
		rest.end = lower(request->end, anchor + lower(UINT64_MAX - anchor, size - 1));
	}
	if (err || run->result->found)
		return err;
	if (request->side != VAS_SIDE_EITHER) {
		up = walk_begin(run, VAS_WALK_UP);
		down = walk_begin(run, VAS_WALK_DOWN);
		up.request = &rest;
		down.request = &rest;
	}
	vas_walk_start_at(&up, higher(rest.start, centre), true);
	vas_walk_start_at(&down, lower(rest.end, centre + lower(UINT64_MAX - centre, size)), true);
	return walk_outward(run, &up, &down);
}

/* The steps of a survey: every gap, whatever it can be used for. */
static struct vas_request every_page(const struct vas_request *request)
{
	struct vas_request page = *request;

	page.size = request->page;
	page.min_size = request->page;
	page.alignment = request->page;
	page.phase = 0;
	page.avoid.count = 0;
	(void)vas_align_up(request->start, request->page, &page.start);
	page.end = vas_align_down(request->end, request->page);
	return page;
}

/* Any, scatter and surveys: shows every gap that matters. 0, GO_READ or -errno. */
static int walk_all(struct run *run, bool survey)
{
	struct vas_request page = every_page(run->request);
	const struct vas_request *steps = survey ? &page : run->request;
	struct vas_walk walk;
	struct vas_span gap;
	uint64_t window;
	int got;

	vas_walk_begin(&walk, &run->look, steps, steps->size, VAS_WALK_UP);
	walk.exact = true;
	window = left(&walk);
	vas_gap_choice_begin(&run->choice, run->request);
	do {
		if (reading_is_cheaper(run, &walk, NULL, window))
			return GO_READ;
		got = vas_walk_step(&walk, &gap);
		if (got < 0)
			return got;
		if (got == VAS_WALK_FOUND && show_gap(run, gap.start, vas_span_end(gap)) && !survey)
			break;
	} while (got != VAS_WALK_DONE);
	take_choice(run, survey);
	return 0;
}

/* The one address that is wanted before all others. */
static int walk_address(struct run *run)
{
	const struct vas_request *request = run->request;
	const struct vas_spanset *blacklist = run->search->blacklist;
	uint64_t end = request->address + request->size;
	struct vas_sys_query mapping;
	int got;

	if (!vas_request_accepts(request, request->address, request->size))
		return 0;
	if (blacklist && vas_spanset_overlaps(blacklist, request->address, end))
		return 0;
	got = vas_look_query(&run->look, request->address, &mapping);
	if (got < 0)
		return got;
	if (got == 0 || mapping.start >= end)
		found_at(run, request->address);
	return 0;
}

static int walk(struct run *run)
{
	const struct vas_request *request = run->request;
	struct vas_walk walk;
	int err = 0;

	if (run->search->survey)
		return walk_all(run, true);
	if (request->place == VAS_PLACE_EXACT || request->prefer)
		err = walk_address(run);
	if (err || run->result->found || request->place == VAS_PLACE_EXACT)
		return err;
	switch (request->place) {
	case VAS_PLACE_LOW:
		walk = walk_begin(run, VAS_WALK_UP);
		return walk_one_way(run, &walk);
	case VAS_PLACE_HIGH:
		walk = walk_begin(run, VAS_WALK_DOWN);
		return walk_one_way(run, &walk);
	case VAS_PLACE_NEAR:
		return walk_near(run);
	default:
		return walk_all(run, false);
	}
}

/* Without other means: is the window full? */
static bool is_full(struct run *run)
{
	uint64_t page = run->request->page;
	uint64_t start = vas_align_down(run->request->start, page);
	uint64_t end;

	if (!run->look.can_sync || !vas_align_up(run->request->end, page, &end) || start >= end)
		return false;
	if (vas_look_sync(&run->look, start, end) != 1)
		return false;
	run->result->exact_largest = true;
	return true;
}

/* By whichever means there are. */
static int look_everywhere(struct run *run)
{
	int walked = GO_READ;
	int read;

	if (run->look.can_query)
		walked = walk(run);
	else if (is_full(run))
		return 0;
	if (walked == 0)
		return 0;
	vas_look_end(&run->look);
	if (walked != GO_READ || !run->look.can_query)
		run->line_limit = 0;
	read = read_text(run);
	if (read == 0)
		return 0;
	run->reading_failed = true;
	if (run->look.can_query && walked == GO_READ)
		walked = walk(run);
	if (walked == 0)
		return 0;
	if (read == GO_WALK) {
		run->line_limit = 0;
		read = read_text(run);
	}
	return read < 0 && is_full(run) ? 0 : read;
}

static int run_once(const struct vas_search *search, const struct vas_request *request,
		    struct vas_search_result *result)
{
	struct run run = { .search = search, .request = request, .result = result };
	int err;

	vas_look_begin(&run.look, search->sys, search->probes);
	err = look_everywhere(&run);
	vas_look_end(&run.look);
	result->queries += run.look.queries;
	return err;
}

int vas_search_run(const struct vas_search *search, const struct vas_request *request,
		   struct vas_search_result *result)
{
	struct vas_search survey = *search;
	int err;

	*result = (struct vas_search_result){ .found = false };
	if (request->start >= request->end) {
		result->exact_largest = true;
		return 0;
	}
	err = run_once(search, request, result);
	if (err || result->found || result->exact_largest || request->min_size == request->size)
		return err;
	survey.survey = true;
	return run_once(&survey, request, result);
}
