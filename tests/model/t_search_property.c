/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 12 */
/*
 * The search against trying every address of small windows: random layouts
 * (adjacent runs, equally spaced holes, decoys, scattered islands) in simulated
 * address spaces of several widths and page sizes, random requests of every
 * policy, and every combination of the means of looking.
 */
#include "layout/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/number.h"
#include "base/random.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define WINDOW_PAGES 3000u
#define SPANS_MAX    12u
#define LAYOUTS	     600u
#define REQUESTS     40u

struct world {
	struct vas_sys_sim sim;
	struct vas_probes probes;
	struct vas_search_memory memory;
	struct vas_bounds bounds;
	uint64_t page;
	uint64_t base; /* the window of this layout */
	bool mapped[WINDOW_PAGES];
	uint32_t mappings; /* that overlap the window */
	uint64_t random;
};

struct question {
	struct vas_request request;
	struct vas_span avoid_items[SPANS_MAX];
	struct vas_span black_items[SPANS_MAX];
	struct vas_spanset blacklist;
	bool survey;
};

static uint64_t below(struct world *world, uint64_t bound)
{
	return vas_random_below(&world->random, bound);
}

static void put(struct world *world, uint64_t first, uint64_t pages)
{
	struct vas_sim_mapping mapping = {
		.start = world->base + first * world->page,
		.end = world->base + (first + pages) * world->page,
		.prot = PROT_READ,
		.flags = MAP_PRIVATE,
		.fd = -1,
	};

	if (vas_sys_sim_put(&world->sim, &mapping))
		tap_bail("the layout cannot be made");
	world->mappings++;
	for (uint64_t i = first; i < first + pages; i++)
		world->mapped[i] = true;
}

/* Runs of adjacent mappings with holes between; hole sizes and run lengths by style. */
static void make_layout(struct world *world)
{
	uint64_t style = below(world, 5);
	uint64_t mapping_most = 1 + below(world, 60);
	uint64_t hole_most = 1 + below(world, style == 3 ? 200 : 20);
	uint64_t run_most = 1 + below(world, 30);
	uint64_t period = 20 + below(world, 200);
	uint64_t at = below(world, 50);

	world->mappings = 0;
	memset(world->mapped, 0, sizeof(world->mapped));
	while (at < WINDOW_PAGES) {
		uint64_t run = style == 4 ? 1000 : 1 + below(world, run_most);

		for (; run > 0 && at < WINDOW_PAGES; run--) {
			uint64_t pages = 1 + below(world, mapping_most);
			uint64_t stop = style == 2 ? (at / period + 1) * period - hole_most % period
						   : WINDOW_PAGES;

			if (stop <= at)
				break;
			if (pages > stop - at)
				pages = stop - at;
			if (pages > WINDOW_PAGES - at)
				pages = WINDOW_PAGES - at;
			put(world, at, pages);
			at += pages;
		}
		at += style == 2 ? 1 + (period - at % period) % period
				 : 1 + below(world, hole_most);
	}
}

static void world_make(struct world *world, uint64_t seed)
{
	static const uint32_t widths[] = { 39, 47, 57 };
	static const uint64_t pages[] = { 4096, 16384, 65536 };
	struct vas_sim_config config = { .empty = true };
	uint64_t means;
	int err;

	world->random = seed;
	config.width = widths[below(world, 3)];
	config.page_size = pages[below(world, 3)];
	means = below(world, 8);
	config.no_query = means == 0;
	err = vas_sys_sim_init(&world->sim, &config);
	if (err)
		tap_bail("no simulated kernel: %d", err);
	memset(&world->probes, 0, sizeof(world->probes));
	if (means == 1)
		world->probes.state[VAS_PROBE_SYNC_HOLES] = VAS_PROBE_NO;
	if (vas_bounds_find(&world->sim.sys, &world->probes, &world->bounds))
		tap_bail("no bounds");
	/* Too few: reading always looks cheap; too many: never; none: not known. */
	world->memory.mappings = (uint32_t)(below(world, 3) * below(world, 400));
	world->page = config.page_size;
	world->base = world->bounds.min + world->page * below(world, 1000);
	if (below(world, 2))
		world->base = world->bounds.max - world->page * (WINDOW_PAGES + below(world, 3));
	make_layout(world);
}

static void random_spans(struct world *world, struct vas_spanset *set, struct vas_span *items)
{
	vas_spanset_init(set, items, SPANS_MAX);
	for (uint64_t n = below(world, 4); n > 0; n--) {
		uint64_t start = world->base + below(world, WINDOW_PAGES) * world->page;

		(void)vas_spanset_add(set, start, start + (1 + below(world, 30)) * world->page);
	}
}

static void question_make(struct world *world, struct question *question)
{
	struct vas_request *request = &question->request;
	uint64_t page = world->page;
	uint64_t first = below(world, WINDOW_PAGES), last = below(world, WINDOW_PAGES);

	memset(question, 0, sizeof(*question));
	if (below(world, 2)) {
		first = 0;
		last = WINDOW_PAGES - 1;
	}
	request->page = page;
	request->granule = page * (1 + below(world, 2));
	request->size = request->granule * (1 + below(world, below(world, 2) ? 4 : 40));
	request->min_size = below(world, 4) ? request->size : request->granule;
	request->alignment = page * (below(world, 2) ? 1 : 1 + below(world, 9));
	request->phase = page * below(world, request->alignment / page);
	request->start = world->base + (first < last ? first : last) * page;
	request->end = world->base + ((first < last ? last : first) + 1) * page;
	request->place = (enum vas_place)below(world, 6);
	request->side = (enum vas_side)below(world, 3);
	request->address = world->base + below(world, WINDOW_PAGES) * page;
	if (request->place == VAS_PLACE_NEAR)
		request->address += below(world, page);
	else if (request->place != VAS_PLACE_EXACT)
		request->prefer = below(world, 4) == 0;
	request->reach = UINT64_MAX;
	request->key = below(world, UINT64_MAX);
	request->strict = below(world, 2);
	random_spans(world, &request->avoid, question->avoid_items);
	random_spans(world, &question->blacklist, question->black_items);
	question->survey = below(world, 4) == 0;
}

static bool is_free(const struct world *world, uint64_t address, uint64_t size)
{
	for (uint64_t i = (address - world->base) / world->page;
	     i < (address - world->base + size) / world->page; i++) {
		if (i >= WINDOW_PAGES || world->mapped[i])
			return false;
	}
	return true;
}

static bool accepted(const struct world *world, const struct question *question, uint64_t address,
		     uint64_t size)
{
	return vas_request_accepts(&question->request, address, size) &&
	       !vas_spanset_overlaps(&question->blacklist, address, address + size) &&
	       is_free(world, address, size);
}

/* The gaps of the window, less the blacklist, through the informed choice. */
static void reference_choice(const struct world *world, const struct question *question, bool whole,
			     struct vas_gap_choice *choice)
{
	const struct vas_request *request = &question->request;
	uint64_t page = world->page;
	uint64_t at = request->start;

	vas_gap_choice_begin(choice, request);
	while (at < request->end) {
		uint64_t end = at;

		while (end < request->end && is_free(world, end, page) &&
		       !vas_spanset_overlaps(&question->blacklist, end, end + page))
			end += page;
		if (end > at && vas_gap_choice_show(choice, at, end) && !whole)
			return;
		at = end > at ? end : at + page;
	}
}

/* The best place by trying all: lower is better. Only for policies that have such an order. */
static bool better(const struct vas_request *request, uint64_t a, uint64_t b)
{
	uint64_t anchor = request->address, size = request->size;
	bool a_side = true, b_side = true;

	if (request->place == VAS_PLACE_LOW)
		return a < b;
	if (request->place == VAS_PLACE_HIGH)
		return a > b;
	if (request->side == VAS_SIDE_BELOW) {
		a_side = a + size <= anchor;
		b_side = b + size <= anchor;
	} else if (request->side == VAS_SIDE_ABOVE) {
		a_side = a >= anchor;
		b_side = b >= anchor;
	}
	if (a_side != b_side)
		return a_side;
	return vas_request_distance(anchor, a, size) < vas_request_distance(anchor, b, size);
}

static bool try_all(const struct world *world, const struct question *question, uint64_t *best)
{
	const struct vas_request *request = &question->request;
	bool found = false;

	if (request->place == VAS_PLACE_EXACT || request->prefer) {
		if (accepted(world, question, request->address, request->size)) {
			*best = request->address;
			return true;
		}
		if (request->place == VAS_PLACE_EXACT)
			return false;
	}
	for (uint64_t at = request->start; at < request->end; at += world->page) {
		if (!accepted(world, question, at, request->size))
			continue;
		if (!found || better(request, at, *best))
			*best = at;
		found = true;
	}
	return found;
}

static bool has_order(const struct vas_request *request)
{
	return request->place == VAS_PLACE_LOW || request->place == VAS_PLACE_HIGH ||
	       request->place == VAS_PLACE_NEAR || request->place == VAS_PLACE_EXACT;
}

static const char *wrong(const struct world *world, const struct question *question,
			 const struct vas_search_result *result)
{
	const struct vas_request *request = &question->request;
	struct vas_gap_choice choice;
	uint64_t best = 0;
	bool found = try_all(world, question, &best);

	if (result->found != found)
		return found ? "missed a place" : "found a place where none is";
	if (found && !accepted(world, question, result->address, request->size))
		return "the place is not free";
	reference_choice(world, question, result->exact_largest, &choice);
	if (found && has_order(request) && better(request, best, result->address))
		return "there is a better place";
	if (found && !has_order(request) && result->address != choice.address)
		return "another choice from the same gaps";
	if (question->survey && !result->exact_largest)
		return "a survey is not exact";
	if (!found && request->min_size < request->size && !result->exact_largest &&
	    request->place != VAS_PLACE_EXACT)
		return "at least: the largest is not known";
	if (!result->exact_largest || (found && !question->survey))
		return NULL;
	if (result->largest != choice.largest || result->total != choice.total)
		return "largest or total is wrong";
	return NULL;
}

/*
 * A walk to the first place asks one query for each mapping in the window at most; one that weighs gaps,
 * one more for each gap. A second walk comes for the largest, and when a reading was given up.
 */
static bool too_many(const struct world *world, const struct question *question,
		     const struct vas_search_result *result)
{
	const struct vas_request *request = &question->request;
	uint32_t most = world->mappings + 8;

	if (!has_order(request) || question->survey)
		most *= 2;
	if (!question->survey && request->min_size < request->size)
		most += 2 * (world->mappings + 8);
	if (result->readings)
		most *= 2;
	return result->queries > most;
}

static unsigned counts[3]; /* found, not found, with a reading */

static bool ask(struct world *world, uint64_t seed, uint64_t number)
{
	struct question question;
	struct vas_search_result result;
	const char *reason;
	int err;

	question_make(world, &question);
	struct vas_search search = {
		.sys = &world->sim.sys,
		.probes = &world->probes,
		.memory = &world->memory,
		.bounds = &world->bounds,
		.survey = question.survey,
		.blacklist = below(world, 4) ? &question.blacklist : NULL,
	};
	if (!search.blacklist)
		question.blacklist.count = 0;
	err = vas_search_run(&search, &question.request, &result);
	reason = err ? "an error" : wrong(world, &question, &result);
	if (!reason && too_many(world, &question, &result))
		reason = "too many queries";
	counts[result.found ? 0 : 1]++;
	counts[2] += result.readings;
	if (!reason)
		return true;
	tap_diag("layout seed %" PRIu64 ", request %" PRIu64
		 ": %s (error %d, %u queries for %u mappings)",
		 seed, number, reason, err, result.queries, world->mappings);
	tap_diag("place %d side %d prefer %d size %" PRIx64 " align %" PRIx64 " phase %" PRIx64
		 " window %" PRIx64 "-%" PRIx64 " address %" PRIx64 ": got %d %" PRIx64,
		 (int)question.request.place, (int)question.request.side, question.request.prefer,
		 question.request.size, question.request.alignment, question.request.phase,
		 question.request.start, question.request.end, question.request.address,
		 result.found, result.address);
	return false;
}

int main(void)
{
	struct world *world = calloc(1, sizeof(*world));
	uint64_t seed = tap_seed();
	uint64_t layouts = tap_scaled(LAYOUTS);
	uint64_t wrongs = 0;

	if (!world)
		tap_bail("no memory");
	tap_plan(2);
	for (uint64_t n = 0; n < layouts && wrongs < 5; n++) {
		world_make(world, seed + n);
		for (uint64_t i = 0; i < REQUESTS && wrongs < 5; i++)
			wrongs += !ask(world, seed + n, i);
		vas_sys_sim_destroy(&world->sim);
	}
	ok(wrongs == 0, "%" PRIu64 " requests agree with trying every address", layouts * REQUESTS);
	ok(counts[0] && counts[1] && counts[2], "places found %u, none %u, by reading %u",
	   counts[0], counts[1], counts[2]);
	free(world);
	return tap_done();
}
