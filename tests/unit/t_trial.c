/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* Blind probing: the proposals of each policy, one by one, and the cost of what is blocked. */
#include "core/placement.h"

#include <string.h>

#include "base/number.h"
#include "base/random.h"
#include "tap/tap.h"

#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define TIB  (1ull << 40)
#define PAGE 4096ull

static struct vas_request request;
static struct vas_span avoid_items[64];

/* A request for 1 GiB, 2 MiB-aligned, in [4 GiB, 127 TiB). */
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
	vas_spanset_init(&request.avoid, avoid_items, 64);
}

static void proposes(const uint64_t *wanted, uint32_t count, bool ends, const char *name)
{
	struct vas_trial trial;
	uint64_t address = 0;
	bool right = true;

	vas_trial_begin(&trial, &request);
	for (uint32_t i = 0; i < count && right; i++) {
		right = vas_trial_next(&trial, &address) && address == wanted[i];
		if (!right)
			tap_diag("proposal %u: %#lx, wanted %#lx", i, address, wanted[i]);
	}
	if (right && ends)
		right = !vas_trial_next(&trial, &address) && trial.exhausted &&
			trial.count == count;
	ok(right, "%s", name);
}

#define PROPOSES(ends, name, ...)                                                                  \
	do {                                                                                       \
		const uint64_t wanted[] = { __VA_ARGS__ };                                         \
		proposes(wanted, sizeof(wanted) / sizeof(wanted[0]), ends, name);                  \
	} while (0)

static void galloping(void)
{
	reset(VAS_PLACE_LOW);
	PROPOSES(false, "low: doubling distances", 4 * GIB, 5 * GIB, 7 * GIB, 11 * GIB, 19 * GIB);
	request.end = 12 * GIB;
	PROPOSES(true, "low: up to the end of the window", 4 * GIB, 5 * GIB, 7 * GIB, 11 * GIB);
	request.end = 12 * GIB - PAGE;
	PROPOSES(true, "low: not across it", 4 * GIB, 5 * GIB, 7 * GIB);
	request.strict = true;
	PROPOSES(true, "low, strict: the lowest alone", 4 * GIB);
	reset(VAS_PLACE_LOW);
	request.start += PAGE;
	PROPOSES(false, "low: aligned", 4 * GIB + 2 * MIB, 5 * GIB + 2 * MIB);
	request.phase = MIB;
	PROPOSES(false, "low: in phase", 4 * GIB + MIB, 5 * GIB + MIB);
	request.alignment = 8 * GIB;
	request.phase = 0;
	PROPOSES(false, "low: steps of a large alignment", 8 * GIB, 16 * GIB, 32 * GIB, 64 * GIB);
	request.alignment = 3 * GIB;
	PROPOSES(false, "low: of one that is no power of two", 6 * GIB, 9 * GIB, 15 * GIB,
		 27 * GIB);
	reset(VAS_PLACE_LOW);
	vas_spanset_add(&request.avoid, 0, 4 * GIB + 1);
	vas_spanset_add(&request.avoid, 5 * GIB, 6 * GIB);
	vas_spanset_add(&request.avoid, 9 * GIB + 5, 9 * GIB + 6);
	PROPOSES(false, "low: past what must be avoided", 6 * GIB, 7 * GIB, 9 * GIB + 2 * MIB,
		 13 * GIB + 2 * MIB);
	reset(VAS_PLACE_HIGH);
	request.end = 100 * GIB + PAGE;
	PROPOSES(false, "high: doubling distances", 99 * GIB, 98 * GIB, 96 * GIB, 92 * GIB);
	request.start = 96 * GIB;
	PROPOSES(true, "high: down to the start of the window", 99 * GIB, 98 * GIB, 96 * GIB);
	request.strict = true;
	PROPOSES(true, "high, strict: the highest alone", 99 * GIB);
	reset(VAS_PLACE_HIGH);
	request.start = 0;
	request.end = 4 * GIB;
	PROPOSES(true, "high: down to address 0", 3 * GIB, 2 * GIB, 0);
	vas_spanset_add(&request.avoid, 2 * GIB + 1, 4 * GIB - 1);
	PROPOSES(true, "high: past what must be avoided", GIB, 0);
}

static void nearing(void)
{
	reset(VAS_PLACE_NEAR);
	request.size = MIB;
	request.alignment = PAGE;
	request.address = 16 * GIB;
	PROPOSES(false, "near: both sides by distance", 16 * GIB, 16 * GIB - MIB, 16 * GIB + MIB,
		 16 * GIB - 2 * MIB, 16 * GIB + 3 * MIB, 16 * GIB - 4 * MIB);
	request.side = VAS_SIDE_BELOW;
	PROPOSES(false, "near: below first", 16 * GIB - MIB, 16 * GIB - 2 * MIB, 16 * GIB - 4 * MIB,
		 16 * GIB - 8 * MIB);
	request.start = 16 * GIB - 2 * MIB;
	PROPOSES(false, "near: above when below is at its end", 16 * GIB - MIB, 16 * GIB - 2 * MIB,
		 16 * GIB, 16 * GIB + MIB);
	request.end = 16 * GIB + MIB;
	PROPOSES(true, "near: the place around the anchor comes last", 16 * GIB - MIB,
		 16 * GIB - 2 * MIB, 16 * GIB, 16 * GIB - MIB / 2);
	request.side = VAS_SIDE_ABOVE;
	PROPOSES(true, "near: above first", 16 * GIB, 16 * GIB - MIB, 16 * GIB - 2 * MIB,
		 16 * GIB - MIB / 2);
	reset(VAS_PLACE_NEAR);
	request.address = 5 * GIB;
	request.start = 4 * GIB + 512 * MIB;
	request.end = 5 * GIB + 512 * MIB;
	PROPOSES(true, "near: only around the anchor", 4 * GIB + 512 * MIB);
	reset(VAS_PLACE_NEAR);
	request.address = 1;
	PROPOSES(false, "near: an anchor below the window", 4 * GIB, 5 * GIB);
	request.address = UINT64_MAX >> 8;
	PROPOSES(false, "near: an anchor above the window", 127 * TIB - GIB, 127 * TIB - 2 * GIB);
}

static void fixed(void)
{
	reset(VAS_PLACE_EXACT);
	request.address = 6 * GIB;
	PROPOSES(true, "exact: that address alone", 6 * GIB);
	vas_spanset_add(&request.avoid, 6 * GIB + 5, 6 * GIB + 6);
	proposes(NULL, 0, true, "exact: nothing where it may not be");
	reset(VAS_PLACE_LOW);
	request.prefer = true;
	request.address = 5 * GIB;
	PROPOSES(false, "prefer: first, and not again", 5 * GIB, 4 * GIB, 7 * GIB);
	request.address = 3 * GIB;
	PROPOSES(false, "prefer: not where it may not be", 4 * GIB, 5 * GIB);
}

static void impossible(void)
{
	for (int place = VAS_PLACE_ANY; place <= VAS_PLACE_EXACT; place++) {
		reset((enum vas_place)place);
		request.address = request.start;
		request.end = request.start + GIB - PAGE;
		proposes(NULL, 0, true, "a window below the size has no place");
		request.start += PAGE;
		request.end = request.start + GIB;
		proposes(NULL, 0, true, "nor has one without an aligned address");
		request.start = 0;
		request.end = PAGE;
		proposes(NULL, 0, true, "nor has the first page");
	}
}

static bool same_sequence(const struct vas_request *a, const struct vas_request *b)
{
	struct vas_trial first;
	struct vas_trial second;
	uint64_t one = 0;
	uint64_t other = 0;

	vas_trial_begin(&first, a);
	vas_trial_begin(&second, b);
	for (int i = 0; i < VAS_TRIALS_MAX; i++) {
		if (!vas_trial_next(&first, &one) || !vas_trial_next(&second, &other) ||
		    one != other)
			return false;
	}
	return true;
}

static void slots(void)
{
	struct vas_request other;
	struct vas_trial trial;
	uint64_t address = 0;
	uint64_t seen = 0;
	uint32_t count = 0;

	reset(VAS_PLACE_SCATTER);
	request.key = 1;
	other = request;
	ok(same_sequence(&request, &other), "scatter: the same key, the same sequence");
	other.key = 2;
	ok(!same_sequence(&request, &other), "scatter: another key, another one");
	other = request;
	vas_trial_begin(&trial, &request);
	vas_trial_next(&trial, &address);
	vas_spanset_add(&other.avoid, address, address + 1);
	vas_trial_next(&trial, &seen);
	vas_trial_begin(&trial, &other);
	vas_trial_next(&trial, &address);
	ok(address == seen, "scatter: what must be avoided is left out of it");

	/* Another process may run another version: a change here ends their agreement. */
	reset(VAS_PLACE_SCATTER);
	request.key = 0x76617370616365;
	PROPOSES(false, "scatter: the places of one key", 0x399fb0e00000, 0x7a4ffe200000,
		 0x607ebfc00000, 0x397c55600000);
	request.end = request.start + 20 * GIB;
	PROPOSES(false, "scatter: its places in a small window", 0x327c00000, 0x593200000,
		 0x49c000000, 0x326600000);

	reset(VAS_PLACE_ANY);
	request.end = request.start + 20 * GIB;
	request.alignment = GIB;
	vas_trial_begin(&trial, &request);
	while (vas_trial_next(&trial, &address)) {
		seen |= 1ull << (address - request.start) / GIB;
		count++;
	}
	ok(count == 20, "any: a window of 20 places is walked through");
	reset(VAS_PLACE_ANY);
	count = 0;
	vas_trial_begin(&trial, &request);
	while (vas_trial_next(&trial, &address))
		count++;
	is_u64(count, VAS_TRIALS_MAX, "any: a large window is tried so often");
}

/* How many refusals a blocked stretch at the start of the window costs. */
static uint32_t cost(uint64_t blocked, uint64_t *place)
{
	struct vas_trial trial;

	vas_trial_begin(&trial, &request);
	while (vas_trial_next(&trial, place)) {
		if (*place >= request.start + blocked)
			return trial.count - 1;
	}
	return UINT32_MAX;
}

static void costs(void)
{
	bool few = true;
	bool near_by = true;

	reset(VAS_PLACE_LOW);
	for (uint64_t blocked = GIB; blocked <= 60 * TIB; blocked += blocked / 3) {
		uint64_t place = 0;
		uint32_t refusals = cost(blocked, &place);

		few &= refusals <= vas_log2_floor(blocked / GIB) + 2;
		near_by &= place - request.start <= 2 * blocked + GIB;
	}
	ok(few, "what is blocked over a length costs its logarithm");
	ok(near_by, "and the place is at most twice as far");
	reset(VAS_PLACE_LOW);
	for (uint64_t i = 0; i < 64; i++)
		vas_spanset_add(&request.avoid, request.start + i * 512 * MIB,
				request.start + i * 512 * MIB + PAGE);
	PROPOSES(false, "low: over a comb of holes", 4 * GIB + 63 * 512 * MIB + 2 * MIB);
}

int main(void)
{
	tap_plan(0);
	galloping();
	nearing();
	fixed();
	impossible();
	slots();
	costs();
	return tap_done();
}
