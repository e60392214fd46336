/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* Combining limits, case by case: results, refusals, and the pair that is blamed. */
#include "core/combine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "tap/tap.h"

enum { ENTRIES = 6, HOLES = 64 };

static struct vas_limits entries[ENTRIES];
static const struct vas_limits *list[ENTRIES];
static struct vas_span buffer[HOLES];
static struct vas_limits result;
static struct vas_limits_conflict conflict;

static void reset(void)
{
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < ENTRIES; i++) {
		entries[i].size = sizeof(entries[i]);
		list[i] = &entries[i];
	}
	memset(&result, 0x5a, sizeof(result));
	memset(&conflict, 0x5a, sizeof(conflict));
}

static void set_holes(size_t index, const struct vas_span *holes, size_t count)
{
	entries[index].holes = holes;
	entries[index].hole_count = count;
}

static int combine(size_t count)
{
	return vas_combine(list, count, buffer, HOLES, &result, &conflict);
}

static void refuses(size_t count, enum vas_limits_rule rule, size_t first, size_t second,
		    const char *name)
{
	struct vas_limits before;

	memset(&before, 0x5a, sizeof(before));
	result = before;
	is_err(combine(count), ERANGE, "%s: refused", name);
	ok(conflict.rule == rule && conflict.first == first && conflict.second == second,
	   "%s: rule %d, pair %zu %zu (is %d, %zu %zu)", name, (int)rule, first, second,
	   (int)conflict.rule, conflict.first, conflict.second);
	ok(memcmp(&before, &result, sizeof(result)) == 0, "%s: the result is untouched", name);
}

static void results(void)
{
	static const struct vas_span first[] = { { 0x5000, 0x1000 }, { 0x1000, 0x1000 } };
	static const struct vas_span second[] = { { 0x2000, 0x1000 },
						  { 0x9000, 0 },
						  { 0x5800, 0x1000 } };

	reset();
	is_err(combine(0), 0, "no limits");
	ok(result.size == sizeof(result) && !result.name && result.min == 0 && result.max == 0 &&
		   result.alignment == 0 && result.granule == 0 && result.max_size == 0 &&
		   result.max_total == 0 && result.max_count == 0 && result.obligations == 0 &&
		   !result.holes && result.hole_count == 0,
	   "limit nothing");
	reset();
	entries[0] = (struct vas_limits){ .size = sizeof(entries[0]),
					  .name = "gpu",
					  .min = 1 << 20,
					  .max = 1ull << 40,
					  .alignment = 4096 * 3,
					  .granule = 65536,
					  .max_size = 1ull << 36,
					  .max_count = 7,
					  .obligations = VAS_OBLIGE_PIN };
	entries[1] = (struct vas_limits){ .size = sizeof(entries[1]),
					  .min = 1 << 16,
					  .max = 1ull << 39,
					  .alignment = 8192,
					  .granule = 4096,
					  .max_size = 1ull << 37,
					  .max_total = 1ull << 38,
					  .max_count = 9,
					  .obligations = VAS_OBLIGE_NOFORK };
	set_holes(0, first, 2);
	set_holes(1, second, 3);
	is_err(combine(3), 0, "three");
	ok(result.min == 1 << 20 && result.max == 1ull << 39, "the window");
	ok(result.alignment == 4096 * 6 && result.granule == 65536, "multiples");
	ok(result.max_size == 1ull << 36 && result.max_total == 1ull << 38 && result.max_count == 7,
	   "caps");
	ok(result.obligations == (VAS_OBLIGE_PIN | VAS_OBLIGE_NOFORK), "obligations");
	ok(!result.name, "no name");
	ok(result.holes == buffer && result.hole_count == 2 && buffer[0].start == 0x1000 &&
		   buffer[0].size == 0x2000 && buffer[1].start == 0x5000 &&
		   buffer[1].size == 0x1800,
	   "holes are sorted and joined");
}

static void range_conflicts(void)
{
	reset();
	entries[1].min = 0x5000;
	entries[2].min = 0x9000;
	entries[3].max = 0x8000;
	entries[4].max = 0x9000;
	refuses(5, VAS_LIMITS_RULE_RANGE, 2, 3, "range");
	reset();
	entries[1].min = entries[1].max = 0x5000;
	refuses(2, VAS_LIMITS_RULE_RANGE, 1, 1, "one that limits itself away");
	reset();
	entries[0].min = UINT64_MAX;
	is_err(combine(1), 0, "the last byte without a maximum");
	entries[1].max = UINT64_MAX;
	refuses(2, VAS_LIMITS_RULE_RANGE, 0, 1, "and with one below it");
}

static void multiple_conflicts(void)
{
	const uint64_t prime = (1ull << 61) - 1;

	reset();
	entries[0].alignment = 4096;
	entries[2].alignment = 1ull << 40;
	entries[3].alignment = prime;
	refuses(4, VAS_LIMITS_RULE_ALIGNMENT, 0, 3, "the first pair of alignments");
	entries[0].alignment = 2;
	refuses(4, VAS_LIMITS_RULE_ALIGNMENT, 2, 3, "the only pair of alignments");
	reset();
	entries[1].granule = 1ull << 40;
	entries[2].granule = prime;
	refuses(3, VAS_LIMITS_RULE_GRANULE, 1, 2, "granules");
	reset();
	/* Three that only together have no multiple: 2^31 * 3^20 fits, and so on; all three do not. */
	entries[0].alignment = 1ull << 31;
	entries[1].alignment = 3486784401u; /* 3^20 */
	entries[2].alignment = 1220703125u; /* 5^13 */
	refuses(3, VAS_LIMITS_RULE_ALIGNMENT, 1, 2, "three alignments: the closest two");
	reset();
	entries[0].alignment = prime;
	entries[1].granule = 1ull << 40;
	is_err(combine(2), 0, "an alignment and a granule need no common multiple");
}

static void size_conflicts(void)
{
	reset();
	entries[1].granule = 1 << 21;
	entries[2].max_size = 1 << 20;
	entries[3].max_total = 1 << 19;
	entries[0].granule = 1 << 16;
	refuses(4, VAS_LIMITS_RULE_SIZE, 1, 2, "a granule above a cap");
	reset();
	entries[0].granule = 1 << 21;
	entries[0].max_total = 1 << 20;
	refuses(1, VAS_LIMITS_RULE_SIZE, 0, 0, "one that limits itself away by size");
	reset();
	entries[0].granule = 3 << 12;
	entries[1].granule = 5 << 12;
	entries[2].max_size = 7 << 12;
	refuses(3, VAS_LIMITS_RULE_SIZE, 1, 2, "granules that only together exceed the cap");
	entries[2].granule = 2 << 12;
	refuses(3, VAS_LIMITS_RULE_SIZE, 1, 2, "a pair that exceeds it alone");
	entries[2].max_size = 30 << 12;
	is_err(combine(3), 0, "and just not");
}

static void hole_conflicts(void)
{
	static const struct vas_span low = { 0, 0x5000 };
	static const struct vas_span high = { 0x5000, 0x10000 };
	static const struct vas_span middle = { 0x3000, 0x3000 };
	static const struct vas_span top = { 0x6000, 0x10000 };
	static const struct vas_span both[] = { { 0x5000, 0x8000 }, { 0, 0x5000 } };

	reset();
	entries[1].max = 0x8000;
	set_holes(0, &low, 1);
	set_holes(2, &middle, 1);
	set_holes(3, &high, 1);
	refuses(4, VAS_LIMITS_RULE_HOLES, 0, 3, "holes that need a window from a third");
	entries[3].max = 0x9000;
	refuses(4, VAS_LIMITS_RULE_HOLES, 0, 3, "holes of a pair");
	set_holes(4, both, 2);
	entries[4].max = 0x8800;
	refuses(5, VAS_LIMITS_RULE_HOLES, 4, 4, "holes of one entry alone");
	reset();
	set_holes(0, &low, 1);
	set_holes(1, &middle, 1);
	set_holes(2, &top, 1);
	entries[0].max = 0x10000;
	refuses(3, VAS_LIMITS_RULE_HOLES, 0, 2,
		"three whose holes leave nothing: the two that leave least");
	entries[0].max = 0x16000;
	refuses(3, VAS_LIMITS_RULE_HOLES, 0, 2, "holes that end where the window ends");
	entries[0].max = 0;
	is_err(combine(3), 0, "holes up to somewhere leave the rest");
	entries[0].min = 0xfff;
	entries[0].max = 0x16001;
	is_err(combine(3), 0, "one byte is left at the end");
}

static void order_of_rules(void)
{
	static const struct vas_span all = { 0, UINT64_MAX };

	reset();
	entries[0].min = 0x9000;
	entries[1].max = 0x5000;
	entries[2].alignment = entries[2].granule = UINT64_MAX;
	entries[3].alignment = entries[3].granule = UINT64_MAX - 1;
	entries[3].max_size = 1;
	set_holes(4, &all, 1);
	refuses(5, VAS_LIMITS_RULE_RANGE, 0, 1, "range first");
	entries[1].max = 0xa000;
	refuses(5, VAS_LIMITS_RULE_ALIGNMENT, 2, 3, "then alignment");
	entries[2].alignment = 0;
	refuses(5, VAS_LIMITS_RULE_GRANULE, 2, 3, "then granule");
	entries[2].granule = 0;
	refuses(5, VAS_LIMITS_RULE_SIZE, 3, 3, "then size");
	entries[3].max_size = 0;
	refuses(5, VAS_LIMITS_RULE_HOLES, 1, 4, "then holes");
	is_err(vas_combine(list, 5, buffer, HOLES, &result, NULL), ERANGE,
	       "nobody asks for the pair");
}

static void malformed(void)
{
	static const struct vas_span wraps = { UINT64_MAX, 1 };
	static const struct vas_span last = { UINT64_MAX - 1, 1 };
	struct {
		struct vas_limits limits;
		uint64_t tail;
	} newer = { .limits = { .size = sizeof(newer) } };
	struct vas_limits_conflict before;

	reset();
	before = conflict;
	list[1] = NULL;
	is_err(combine(2), EINVAL, "a NULL entry");
	is_err(vas_combine(NULL, 1, buffer, HOLES, &result, &conflict), EINVAL, "a NULL list");
	reset();
	entries[1].obligations = VAS_OBLIGE_ALL + 1;
	is_err(combine(2), EINVAL, "an unknown obligation");
	reset();
	entries[1].size = sizeof(entries[1]) - 1;
	is_err(combine(2), EINVAL, "a short entry");
	reset();
	entries[1].hole_count = 1;
	is_err(combine(2), EINVAL, "holes that are not there");
	set_holes(1, &wraps, 1);
	is_err(combine(2), EINVAL, "a hole that wraps");
	entries[0].min = 2;
	entries[0].max = 1;
	is_err(combine(2), EINVAL, "is told before a conflict");
	reset();
	set_holes(1, &last, 1);
	is_err(combine(2), 0, "the last hole that does not wrap");
	list[0] = &newer.limits;
	is_err(combine(2), 0, "a newer entry with a zero tail");
	newer.tail = 1;
	is_err(combine(2), E2BIG, "and with a tail that says something");
	ok(memcmp(&before, &conflict, sizeof(before)) == 0, "no conflict was told");
}

static void small_buffers(void)
{
	static const struct vas_span apart[] = { { 0x1000, 0x1000 },
						 { 0x4000, 0x1000 },
						 { 0x8000, 0x1000 } };
	static const struct vas_span filler[] = { { 0, 0x9000 } };

	reset();
	set_holes(0, apart, 3);
	is_err(vas_combine(list, 1, buffer, 3, &result, NULL), 0, "a buffer for the sum of holes");
	is_err(vas_combine(list, 1, buffer, 2, &result, NULL), ENOSPC, "one less");
	is_err(vas_combine(list, 1, NULL, 0, &result, NULL), ENOSPC, "none");
	entries[0].hole_count = 0;
	is_err(vas_combine(list, 1, NULL, 0, &result, NULL), 0, "none needed");
	set_holes(0, filler, 1);
	set_holes(1, apart, 3);
	is_err(vas_combine(list, 2, buffer, 2, &result, NULL), 0,
	       "holes that are joined while they come need less");
	is_u64(result.hole_count, 1, "one hole");
	entries[0].max = 0x9000;
	entries[2].max = 0x8800;
	set_holes(2, apart, 3);
	is_err(vas_combine(list, 3, buffer, 2, &result, &conflict), ERANGE, "nothing is left");
	ok(conflict.rule == VAS_LIMITS_RULE_HOLES && conflict.first == 0 && conflict.second == 0,
	   "blame gets by with the same room");
	entries[0].max = 0;
	is_err(vas_combine(list, 3, buffer, 2, &result, &conflict), ERANGE, "nor then");
	ok(conflict.first == 0 && conflict.second == 2, "past entries that alone need more");
}

static void checks(void)
{
	static const struct vas_span holes[] = { { 0x8000, 0x1000 }, { 0x5000, 0 } };
	struct vas_limits limits = { .size = sizeof(limits),
				     .min = 0x2000,
				     .max = 0x20000,
				     .alignment = 0x2000,
				     .granule = 0x1000,
				     .max_size = 0x4000,
				     .max_total = 0x8000,
				     .holes = holes,
				     .hole_count = 2 };
	static const struct {
		struct vas_span span;
		int error;
		const char *name;
	} cases[] = {
		{ { 0x2000, 0x1000 }, 0, "the lowest" },
		{ { 0x1e000, 0x2000 }, 0, "the highest" },
		{ { 0x4000, 0x4000 }, 0, "up to a hole" },
		{ { 0x4000, 0x5000 }, ERANGE, "above max_size" },
		{ { 0, 0x1000 }, ERANGE, "below min" },
		{ { 0x1e000, 0x3000 }, ERANGE, "beyond max" },
		{ { 0x3000, 0x1000 }, ERANGE, "unaligned" },
		{ { 0x4000, 0x800 }, ERANGE, "not in granules" },
		{ { 0x8000, 0x1000 }, ERANGE, "in a hole" },
		{ { 0x6000, 0x3000 }, ERANGE, "into a hole" },
		{ { 0x4000, 0 }, EINVAL, "empty" },
		{ { UINT64_MAX - 0xfff, 0x1000 }, EINVAL, "wraps" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_err(vas_combine_check(&limits, cases[i].span), cases[i].error, "check: %s",
		       cases[i].name);
	limits.max_size = 0;
	limits.max_total = 0x3000;
	is_err(vas_combine_check(&limits, cases[2].span), ERANGE, "check: above max_total");
	is_err(vas_combine_check(NULL, cases[0].span), EINVAL, "check: no limits");
	limits.size = 1;
	is_err(vas_combine_check(&limits, cases[0].span), EINVAL, "check: malformed");
}

/* 8 limits of 64 holes each, every list ascending, as devices give them. */
static void figure(void)
{
	static struct vas_span holes[8][64];
	static struct vas_span room[2 * 8 * 64];
	struct vas_limits eight[8];
	const struct vas_limits *pointers[8];
	double best = 1e9;
	uint64_t state = 1;

	for (size_t i = 0; i < 8; i++) {
		for (size_t j = 0; j < 64; j++) {
			holes[i][j].start = (j << 38) + (vas_random_below(&state, 1 << 26) << 12);
			holes[i][j].size = 4096;
		}
		eight[i] = (struct vas_limits){ .size = sizeof(eight[i]),
						.min = i << 12,
						.max = 1ull << 47,
						.alignment = 4096ull << i,
						.holes = holes[i],
						.hole_count = 64 };
		pointers[i] = &eight[i];
	}
	for (int round = 0; round < 200; round++) {
		struct timespec from, to;
		int error;

		clock_gettime(CLOCK_MONOTONIC, &from);
		error = vas_combine(pointers, 8, room, 2 * 8 * 64, &result, NULL);
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (error)
			tap_bail("combining failed");
		if ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec < best)
			best = (double)(to.tv_sec - from.tv_sec) * 1e9 +
			       (double)(to.tv_nsec - from.tv_nsec);
	}
	is_u64(result.hole_count, 8 * 64, "all holes of 8 limits");
	tap_figure("combine 8 limits with 64 holes each", best, "ns");
}

int main(void)
{
	tap_plan(0);
	results();
	range_conflicts();
	multiple_conflicts();
	size_conflicts();
	hole_conflicts();
	order_of_rules();
	malformed();
	small_buffers();
	checks();
	figure();
	return tap_done();
}
