/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/*
 * Informed choice: each policy over gaps set by hand, and scatter in windows far larger than its
 * sequence of attempts.
 */
#include "core/placement.h"

#include <string.h>

#include "base/random.h"
#include "tap/tap.h"

#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define TIB  (1ull << 40)
#define PAGE 4096ull

static struct vas_request request;
static struct vas_span avoid_items[8];
static struct vas_gap_choice choice;

static void reset(enum vas_place place)
{
	request = (struct vas_request){
		.size = GIB,
		.min_size = GIB,
		.start = 4 * GIB,
		.end = 127 * TIB,
		.alignment = 2 * MIB,
		.granule = PAGE,
		.page = PAGE,
		.place = place,
	};
	vas_spanset_init(&request.avoid, avoid_items, 8);
}

/* Shows gaps given as starts and ends; the number of gaps until the choice was settled. */
static size_t show(const uint64_t *gaps, size_t count)
{
	size_t settled = 0;

	vas_gap_choice_begin(&choice, &request);
	for (size_t i = 0; i < count; i += 2) {
		if (vas_gap_choice_show(&choice, gaps[i], gaps[i + 1]) && settled == 0)
			settled = i / 2 + 1;
	}
	return settled;
}

#define SHOW(...) show((const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

static void chose(uint64_t address, const char *name)
{
	if (!ok(choice.found && choice.address == address, "%s", name))
		tap_diag("found %d address %#lx, wanted %#lx", choice.found, choice.address,
			 address);
}

static void low_and_high(void)
{
	reset(VAS_PLACE_LOW);
	is_u64(SHOW(GIB, 3 * GIB, 5 * GIB, 5 * GIB + MIB, 7 * GIB + PAGE, 9 * GIB, 10 * GIB,
		    20 * GIB),
	       3, "low: settled by the first gap that is large enough");
	chose(7 * GIB + 2 * MIB, "low: its lowest aligned place");
	SHOW(GIB, 5 * GIB);
	chose(4 * GIB, "low: from the window's start on");
	SHOW(5 * GIB + PAGE, 6 * GIB + PAGE);
	ok(!choice.found, "low: too small when aligned");
	is_u64(choice.largest, GIB - 2 * MIB + PAGE, "what would have fitted");
	is_u64(choice.largest_start, 5 * GIB + 2 * MIB, "and where");
	is_u64(choice.total, GIB, "how much is free");
	reset(VAS_PLACE_HIGH);
	is_u64(SHOW(5 * GIB, 8 * GIB, 10 * GIB, 12 * GIB - PAGE, 20 * GIB, 20 * GIB + MIB), 0,
	       "high: settled at the end only");
	chose(11 * GIB - 2 * MIB, "high: the highest aligned place");
	is_u64(SHOW(5 * GIB, 8 * GIB, 126 * TIB, 128 * TIB), 2,
	       "high: settled by the window's end");
	chose(127 * TIB - GIB, "high: below it");
}

static void near_places(void)
{
	reset(VAS_PLACE_NEAR);
	request.address = 16 * GIB;
	SHOW(5 * GIB, 8 * GIB, 10 * GIB, 14 * GIB, 19 * GIB, 30 * GIB);
	chose(13 * GIB, "near: by the farthest byte, below");
	SHOW(5 * GIB, 8 * GIB, 10 * GIB, 14 * GIB, 18 * GIB, 30 * GIB);
	chose(18 * GIB, "near: by the farthest byte, above");
	SHOW(15 * GIB, 17 * GIB);
	chose(15 * GIB + 512 * MIB, "near: around the anchor");
	request.side = VAS_SIDE_BELOW;
	is_u64(SHOW(5 * GIB, 8 * GIB, 17 * GIB, 30 * GIB), 2,
	       "near, below: settled above the anchor");
	chose(7 * GIB, "near, below: below if there is room");
	SHOW(5 * GIB, 5 * GIB + MIB, 17 * GIB, 30 * GIB);
	chose(17 * GIB, "near, below: else above");
	request.side = VAS_SIDE_ABOVE;
	SHOW(10 * GIB, 16 * GIB, 100 * GIB, 130 * GIB);
	chose(100 * GIB, "near, above: above if there is room");
	SHOW(10 * GIB, 16 * GIB + MIB);
	chose(15 * GIB, "near, above: else below");
}

static void any_place(void)
{
	reset(VAS_PLACE_ANY);
	SHOW(5 * GIB, 9 * GIB, 10 * GIB, 12 * GIB, 20 * GIB, 20 * GIB + 512 * MIB, 30 * GIB,
	     60 * GIB);
	chose(10 * GIB, "any: the smallest gap that is large enough");
	SHOW(10 * GIB + PAGE, 12 * GIB, 15 * GIB, 20 * GIB);
	chose(11 * GIB, "any: the end that touches a neighbour");
	SHOW(10 * GIB + PAGE, 12 * GIB + PAGE);
	chose(10 * GIB + 2 * MIB, "any: the low end when none does");
	vas_spanset_add(&request.avoid, 12 * GIB, 13 * GIB);
	SHOW(10 * GIB, 14 * GIB + PAGE, 20 * GIB, 22 * GIB - 1 * MIB);
	chose(13 * GIB, "any: what must be avoided splits gaps");
	is_u64(choice.total, 5 * GIB + PAGE - MIB, "any: and is not counted");
}

static void fixed_places(void)
{
	reset(VAS_PLACE_EXACT);
	request.address = 10 * GIB;
	is_u64(SHOW(5 * GIB, 9 * GIB, 10 * GIB - PAGE, 12 * GIB, 20 * GIB, 30 * GIB), 2,
	       "exact: settled");
	chose(10 * GIB, "exact");
	is_u64(SHOW(5 * GIB, 9 * GIB, 10 * GIB, 10 * GIB + MIB, 20 * GIB, 30 * GIB), 2,
	       "exact: settled too when it is taken");
	ok(!choice.found && choice.largest == MIB && choice.largest_start == 10 * GIB,
	   "exact: what is free from there on");
	is_u64(SHOW(5 * GIB, 9 * GIB, 20 * GIB, 30 * GIB), 2, "exact: settled past it");
	ok(!choice.found && choice.largest == 0, "exact: nothing is");
	reset(VAS_PLACE_LOW);
	request.prefer = true;
	request.address = 20 * GIB;
	is_u64(SHOW(5 * GIB, 9 * GIB, 19 * GIB, 30 * GIB, 40 * GIB, 50 * GIB), 2,
	       "prefer: not settled before the address");
	chose(20 * GIB, "prefer");
	SHOW(5 * GIB, 9 * GIB, 21 * GIB, 30 * GIB);
	chose(5 * GIB, "prefer: else as the policy says");
}

static bool touches(uint64_t address, uint64_t start, uint64_t end)
{
	uint64_t middle = start + (end - start) / 2;

	return address <= middle && address + request.size >= middle;
}

/* One large hole, as it is after a program's start: never its middle, for any key. */
static void scatter_and_middles(uint64_t *state)
{
	uint64_t middles = 0;
	uint64_t lower_half = 0;
	uint64_t rounds = tap_scaled(20000);

	reset(VAS_PLACE_SCATTER);
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t start = 80 * TIB + (vas_random_below(state, 1 << 20) << 21);
		uint64_t end = start + (3 + vas_random_below(state, 30)) * GIB;

		request.key = vas_random_next(state);
		SHOW(start, end);
		middles += !choice.found || touches(choice.address, start, end);
		lower_half += choice.address < start + (end - start) / 2;
	}
	is_u64(middles, 0, "scatter: never the middle of the only hole");
	ok(lower_half > rounds / 4 && lower_half < rounds - rounds / 4,
	   "scatter: on both sides of it");
	SHOW(80 * TIB, 80 * TIB + GIB + 512 * MIB);
	chose(80 * TIB, "scatter: at its end when there is no other place");
	SHOW(80 * TIB, 80 * TIB + GIB + 512 * MIB, 90 * TIB, 90 * TIB + 2 * GIB + 6 * MIB);
	ok(choice.address >= 90 * TIB, "scatter: rather in another one");
}

/* The best slot of the gaps by its definition, one by one. */
static uint64_t closest_by_hand(const struct vas_slots *slots, const uint64_t *gaps, size_t count)
{
	uint64_t best = 0;
	uint64_t best_distance = UINT64_MAX;
	uint64_t first = 0;
	uint64_t target;

	if (!vas_slots_attempt(slots, 0, &first))
		return 0;
	target = (first - slots->first) / slots->alignment;
	for (size_t i = 0; i < count; i += 2) {
		uint64_t at = gaps[i] / request.alignment * request.alignment;

		for (; at + request.size <= gaps[i + 1]; at += request.alignment) {
			uint64_t slot = (at - slots->first) / slots->alignment;

			if (at < gaps[i] || touches(at, gaps[i], gaps[i + 1]))
				continue;
			if ((slot ^ target) < best_distance) {
				best_distance = slot ^ target;
				best = at;
			}
		}
	}
	return best;
}

/* A crowded space: a few gaps that no attempt of the sequence falls into. */
static void crowded_scatter(uint64_t *state)
{
	uint64_t closest = 0;
	bool right = true;
	bool stable = true;

	reset(VAS_PLACE_SCATTER);
	for (uint64_t round = tap_scaled(2000); round > 0 && right; round--) {
		uint64_t gaps[8];
		uint64_t at = 5 * TIB;
		struct vas_slots slots;
		uint64_t chosen;

		request.key = vas_random_next(state);
		for (size_t i = 0; i < 8; i += 2) {
			gaps[i] = at + vas_random_below(state, TIB) / PAGE * PAGE;
			gaps[i + 1] = gaps[i] + 3 * GIB + vas_random_below(state, 300 * MIB);
			at = gaps[i + 1] + TIB;
		}
		show(gaps, 8);
		chosen = choice.address;
		vas_slots_init(&slots, &request);
		if (choice.rank >> 62 == 2) {
			closest++;
			right = chosen == closest_by_hand(&slots, gaps, 8);
		}
		for (size_t i = 0; i < 8; i += 2) {
			if (chosen >= gaps[i] && chosen < gaps[i + 1]) {
				show(gaps + i, 2);
				stable &= choice.address == chosen;
			}
		}
	}
	ok(closest > 0, "scatter: the sequence found nothing %lu times", (unsigned long)closest);
	ok(right, "scatter: the closest slot when the sequence finds nothing");
	ok(stable, "scatter: which other gaps do not change");
}

/* Two processes whose spaces differ by ASLR in what is used agree in nearly all keys. */
static void agreement(void)
{
	uint64_t agree = 0;

	reset(VAS_PLACE_SCATTER);
	for (uint64_t key = 0; key < 1000; key++) {
		uint64_t first;

		request.key = key;
		SHOW(4 * GIB, 85 * TIB, 86 * TIB, 126 * TIB);
		first = choice.address;
		SHOW(4 * GIB, 85 * TIB + 7 * GIB, 85 * TIB + 900 * GIB, 126 * TIB + 33 * GIB);
		agree += choice.address == first;
	}
	ok(agree > 970, "scatter: %lu of 1000 keys agree over other gaps", (unsigned long)agree);
}

int main(void)
{
	uint64_t state = tap_seed();

	tap_plan(0);
	low_and_high();
	near_places();
	any_place();
	fixed_places();
	scatter_and_middles(&state);
	crowded_scatter(&state);
	agreement();
	return tap_done();
}
