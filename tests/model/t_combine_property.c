/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 10 */
/*
 * Combining limits, held against what it means: over a tiny space, an address is acceptable to the
 * combination exactly when it is acceptable to each of the limits. And combining does not depend on
 * order, on grouping or on repetition, and blames a pair that really conflicts.
 */
#include "core/combine.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "base/random.h"
#include "tap/tap.h"

enum { SPACE = 128, ENTRIES = 4, HOLES = 4, ROOM = 2 * ENTRIES * HOLES + 8 };

struct world {
	struct vas_limits entries[ENTRIES];
	struct vas_span holes[ENTRIES][HOLES];
	const struct vas_limits *list[ENTRIES];
	size_t count;
};

/* A multiple that is mostly small, sometimes too large to be joined with another one. */
static uint64_t random_multiple(uint64_t *state)
{
	switch (vas_random_below(state, 8)) {
	case 0:
		return 1ull << vas_random_below(state, 64);
	case 1:
		return vas_random_next(state) >> vas_random_below(state, 60);
	case 2:
	case 3:
	case 4:
		return 0;
	default:
		return 1 + vas_random_below(state, 12);
	}
}

static uint64_t random_cap(uint64_t *state)
{
	return vas_random_below(state, 3) ? 0 : 1 + vas_random_below(state, 40);
}

static void random_limits(struct vas_limits *limits, struct vas_span *holes, uint64_t *state)
{
	*limits = (struct vas_limits){ .size = sizeof(*limits), .name = "one" };
	if (vas_random_below(state, 2))
		limits->min = vas_random_below(state, SPACE);
	if (vas_random_below(state, 2))
		limits->max = 1 + vas_random_below(state, SPACE);
	limits->alignment = random_multiple(state);
	limits->granule = random_multiple(state);
	limits->max_size = random_cap(state);
	limits->max_total = random_cap(state);
	limits->max_count = (uint32_t)random_cap(state);
	limits->obligations = (uint32_t)vas_random_below(state, VAS_OBLIGE_ALL + 1);
	limits->hole_count = vas_random_below(state, HOLES + 1);
	limits->holes = holes;
	for (size_t i = 0; i < limits->hole_count; i++) {
		holes[i].start = vas_random_below(state, SPACE);
		holes[i].size = vas_random_below(state, vas_random_below(state, 3) ? 12 : SPACE);
	}
}

static void random_world(struct world *world, uint64_t *state)
{
	world->count = vas_random_below(state, ENTRIES + 1);
	for (size_t i = 0; i < ENTRIES; i++) {
		random_limits(&world->entries[i], world->holes[i], state);
		world->list[i] = &world->entries[i];
	}
}

/* What limits say about one span, by their definition. */
static bool accepts(const struct vas_limits *limits, uint64_t start, uint64_t size)
{
	if (start < limits->min || (limits->max && start + size > limits->max) ||
	    (limits->alignment && start % limits->alignment) ||
	    (limits->granule && size % limits->granule) ||
	    (limits->max_size && size > limits->max_size) ||
	    (limits->max_total && size > limits->max_total))
		return false;
	for (size_t i = 0; i < limits->hole_count; i++) {
		const struct vas_span *hole = &limits->holes[i];

		if (hole->size && start < hole->start + hole->size && hole->start < start + size)
			return false;
	}
	return true;
}

static bool all_accept(const struct world *world, uint64_t start, uint64_t size)
{
	for (size_t i = 0; i < world->count; i++) {
		if (!accepts(world->list[i], start, size))
			return false;
	}
	return true;
}

static bool same_holes(const struct vas_limits *a, const struct vas_limits *b)
{
	return a->hole_count == b->hole_count &&
	       (a->hole_count == 0 ||
		memcmp(a->holes, b->holes, a->hole_count * sizeof(*a->holes)) == 0);
}

static bool same_limits(const struct vas_limits *a, const struct vas_limits *b)
{
	return a->min == b->min && a->max == b->max && a->alignment == b->alignment &&
	       a->granule == b->granule && a->max_size == b->max_size &&
	       a->max_total == b->max_total && a->max_count == b->max_count &&
	       a->obligations == b->obligations && same_holes(a, b);
}

/* The set of spans that the combination accepts is the intersection. */
static bool is_intersection(const struct world *world, const struct vas_limits *combined)
{
	for (uint64_t start = 0; start < SPACE + 4; start++) {
		for (uint64_t size = 1; size < 24; size += 1 + size / 4) {
			bool wanted = all_accept(world, start, size);
			struct vas_span span = { start, size };

			if (accepts(combined, start, size) != wanted ||
			    vas_combine_check(combined, span) != (wanted ? 0 : -ERANGE))
				return false;
		}
	}
	return true;
}

/* Shuffles the list; the same limits in another order. */
static void shuffle(struct world *world, uint64_t *state)
{
	for (size_t i = world->count; i > 1; i--) {
		size_t j = vas_random_below(state, i);
		const struct vas_limits *other = world->list[j];

		world->list[j] = world->list[i - 1];
		world->list[i - 1] = other;
	}
}

/* Combining in two steps, and each entry twice, gives the same. */
static bool groups_agree(const struct world *world, const struct vas_limits *whole, uint64_t *state)
{
	struct vas_span rooms[3][ROOM];
	struct vas_limits left;
	struct vas_limits right;
	struct vas_limits sum;
	const struct vas_limits *parts[3] = { &left, &right, &left };
	size_t cut = vas_random_below(state, world->count + 1);

	return vas_combine(world->list, cut, rooms[0], ROOM, &left, NULL) == 0 &&
	       vas_combine(world->list + cut, world->count - cut, rooms[1], ROOM, &right, NULL) ==
		       0 &&
	       vas_combine(parts, 3, rooms[2], ROOM, &sum, NULL) == 0 && same_limits(&sum, whole);
}

/* Whether the pair breaks its rule without the others. */
static bool breaks_alone(const struct world *world, size_t first, size_t second,
			 enum vas_limits_rule rule)
{
	const struct vas_limits *pair[2] = { world->list[first], world->list[second] };
	struct vas_span room[ROOM];
	struct vas_limits sum;
	struct vas_limits_conflict conflict = { .rule = VAS_LIMITS_RULE_NONE };

	return vas_combine(pair, first == second ? 1 : 2, room, ROOM, &sum, &conflict) == -ERANGE &&
	       conflict.rule == rule;
}

/* The pair breaks the rule by itself, unless no pair does. */
static bool blame_is_right(const struct world *world, const struct vas_limits_conflict *conflict)
{
	if (conflict->first >= world->count || conflict->second >= world->count)
		return false;
	if (breaks_alone(world, conflict->first, conflict->second, conflict->rule))
		return true;
	if (conflict->rule == VAS_LIMITS_RULE_RANGE)
		return false;
	for (size_t i = 0; i < world->count; i++) {
		for (size_t j = i; j < world->count; j++) {
			if (breaks_alone(world, i, j, conflict->rule))
				return false;
		}
	}
	return true;
}

/* Whether a refusal was called for, by definition. */
static bool refusal_is_right(const struct world *world, enum vas_limits_rule rule)
{
	unsigned __int128 multiples[2] = { 1, 1 };
	uint64_t cap = UINT64_MAX;

	for (size_t i = 0; i < world->count; i++) {
		const struct vas_limits *limits = world->list[i];
		uint64_t each[2] = { limits->alignment, limits->granule };

		for (int k = 0; k < 2; k++) {
			uint64_t known = (uint64_t)multiples[k];

			if (multiples[k] > UINT64_MAX || each[k] == 0)
				continue;
			multiples[k] = (unsigned __int128)known *
				       (each[k] / vas_greatest_common_divisor(known, each[k]));
		}
		if (limits->max_size && limits->max_size < cap)
			cap = limits->max_size;
		if (limits->max_total && limits->max_total < cap)
			cap = limits->max_total;
	}
	if (rule == VAS_LIMITS_RULE_ALIGNMENT)
		return multiples[0] > UINT64_MAX;
	if (rule == VAS_LIMITS_RULE_GRANULE)
		return multiples[1] > UINT64_MAX;
	if (rule == VAS_LIMITS_RULE_SIZE)
		return multiples[1] > cap;
	/* RANGE and HOLES: no byte of the space is free of all of them. */
	for (uint64_t at = 0; at < 2 * SPACE; at++) {
		bool free = true;

		for (size_t i = 0; i < world->count; i++) {
			struct vas_limits place = *world->list[i];

			place.alignment = place.granule = place.max_size = place.max_total = 0;
			free &= accepts(&place, at, 1);
		}
		if (free)
			return false;
	}
	return true;
}

static uint64_t seen[VAS_LIMITS_RULE_HOLES + 1];

static bool try_world(struct world *world, uint64_t *state)
{
	struct vas_span rooms[2][ROOM];
	struct vas_limits combined;
	struct vas_limits again;
	struct vas_limits_conflict conflict = { .rule = VAS_LIMITS_RULE_NONE };
	size_t total = 0;
	size_t room = ROOM;
	int error;

	/* Sometimes just room for the sum of holes, so that both ways of uniting are met. */
	for (size_t i = 0; i < world->count; i++)
		total += world->list[i]->hole_count;
	if (vas_random_below(state, 2))
		room = total;
	error = vas_combine(world->list, world->count, rooms[0], room, &combined, &conflict);
	seen[conflict.rule]++;
	if (error) {
		if (error != -ERANGE || !refusal_is_right(world, conflict.rule) ||
		    !blame_is_right(world, &conflict))
			return false;
	} else if (!is_intersection(world, &combined) || !groups_agree(world, &combined, state) ||
		   refusal_is_right(world, VAS_LIMITS_RULE_HOLES)) {
		return false;
	}
	shuffle(world, state);
	if (vas_combine(world->list, world->count, rooms[1], room, &again, NULL) != error)
		return false;
	return error || same_limits(&combined, &again);
}

static void show(const struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		const struct vas_limits *limits = world->list[i];

		tap_diag("min %" PRIu64 " max %" PRIu64 " alignment %" PRIu64 " granule %" PRIu64
			 " max_size %" PRIu64 " max_total %" PRIu64,
			 limits->min, limits->max, limits->alignment, limits->granule,
			 limits->max_size, limits->max_total);
		for (size_t j = 0; j < limits->hole_count; j++)
			tap_diag("  hole %" PRIu64 " size %" PRIu64, limits->holes[j].start,
				 limits->holes[j].size);
	}
}

/* Many holes, and just room for them: more than the sort takes at a time. */
static void many_holes(uint64_t *state)
{
	enum { MANY = 2000 };
	static struct vas_span holes[2][MANY];
	static struct vas_span room[2][4 * MANY];
	struct vas_limits entries[2];
	const struct vas_limits *list[2] = { &entries[0], &entries[1] };
	struct vas_limits tight;
	struct vas_limits roomy;
	bool right = true;

	for (uint64_t round = tap_scaled(50); round > 0 && right; round--) {
		for (size_t i = 0; i < 2; i++) {
			size_t count = vas_random_below(state, MANY + 1);

			for (size_t j = 0; j < count; j++) {
				holes[i][j].start = vas_random_next(state) >> 20;
				holes[i][j].size = vas_random_next(state) >> 32;
			}
			entries[i] = (struct vas_limits){ .size = sizeof(entries[i]),
							  .holes = holes[i],
							  .hole_count = count };
		}
		right = vas_combine(list, 2, room[0], entries[0].hole_count + entries[1].hole_count,
				    &tight, NULL) == 0 &&
			vas_combine(list, 2, room[1], 4 * MANY, &roomy, NULL) == 0 &&
			same_limits(&tight, &roomy);
	}
	ok(right, "holes in tight and in roomy buffers unite to the same");
}

int main(void)
{
	uint64_t state = tap_seed();
	struct world world;
	bool right = true;

	tap_plan(0);
	for (uint64_t i = tap_scaled(100000); i > 0 && right; i--) {
		random_world(&world, &state);
		right = try_world(&world, &state);
	}
	if (!ok(right, "combinations are intersections, in any order and grouping; blame is right"))
		show(&world);
	for (int rule = VAS_LIMITS_RULE_NONE; rule <= VAS_LIMITS_RULE_HOLES; rule++)
		ok(seen[rule] > 0, "rule %d was met", rule);
	many_holes(&state);
	return tap_done();
}
