/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/*
 * Checked arithmetic: edges by hand, the rest against 128-bit arithmetic and, for congruences,
 * against counting.
 */
#include "base/number.h"

#include "base/random.h"
#include "tap/tap.h"

#define UNTOUCHED 0x5a5a5a5a5a5a5a5au

typedef unsigned __int128 wide;

static void edges(void)
{
	uint64_t result = UNTOUCHED;

	ok(!vas_is_power_of_two(0) && vas_is_power_of_two(1) && vas_is_power_of_two(1ull << 63) &&
		   !vas_is_power_of_two(3) && !vas_is_power_of_two(UINT64_MAX),
	   "powers of two");
	ok(vas_add(UINT64_MAX - 1, 1, &result) && result == UINT64_MAX, "the largest sum");
	result = UNTOUCHED;
	ok(!vas_add(UINT64_MAX, 1, &result) && result == UNTOUCHED, "a sum that wraps");
	ok(vas_multiply(UINT64_MAX, 1, &result) && result == UINT64_MAX, "the largest product");
	result = UNTOUCHED;
	ok(!vas_multiply(1ull << 32, 1ull << 32, &result) && result == UNTOUCHED,
	   "a product that wraps");
	ok(vas_align_up(UINT64_MAX - 4095, 4096, &result) && result == UINT64_MAX - 4095,
	   "the last page is aligned");
	result = UNTOUCHED;
	ok(!vas_align_up(UINT64_MAX - 4094, 4096, &result) && result == UNTOUCHED,
	   "one byte more does not fit");
	ok(vas_align_up(0, 3, &result) && result == 0, "zero is aligned to anything");
	is_u64(vas_align_down(UINT64_MAX, 1), UINT64_MAX, "alignment 1");
	is_u64(vas_align_down(17, 5), 15, "an alignment that is no power of two");
	result = UNTOUCHED;
	ok(!vas_align_down_phase(4, 16, 5, &result) && result == UNTOUCHED, "nothing below phase");
	ok(vas_align_down_phase(5, 16, 5, &result) && result == 5, "the phase itself");
	result = UNTOUCHED;
	ok(!vas_align_up_phase(UINT64_MAX, 16, 5, &result) && result == UNTOUCHED,
	   "nothing above in phase");
	is_u64(vas_log2_floor(1), 0, "logarithm of 1");
	is_u64(vas_log2_floor(UINT64_MAX), 63, "logarithm of the largest");
	is_u64(vas_greatest_common_divisor(0, 7), 7, "gcd with zero");
	is_u64(vas_greatest_common_divisor(12, 18), 6, "gcd");
	ok(vas_least_common_multiple(12, 18, &result) && result == 36, "lcm");
	result = UNTOUCHED;
	ok(!vas_least_common_multiple(UINT64_MAX, UINT64_MAX - 1, &result) && result == UNTOUCHED,
	   "a multiple that does not fit");
	ok(vas_least_common_multiple(1ull << 63, 4096, &result) && result == 1ull << 63,
	   "lcm of powers of two");
}

/* Numbers with many bits and with few, near the ends and near powers of two. */
static uint64_t any_number(uint64_t *state)
{
	uint64_t x = vas_random_next(state) >> vas_random_below(state, 64);

	switch (vas_random_below(state, 4)) {
	case 0:
		return 0 - x;
	case 1:
		return 1ull << vas_random_below(state, 64);
	default:
		return x;
	}
}

static bool phase_is_right(uint64_t x, uint64_t alignment, uint64_t phase)
{
	uint64_t up = UNTOUCHED;
	uint64_t down = UNTOUCHED;
	bool has_up = vas_align_up_phase(x, alignment, phase, &up);
	bool has_down = vas_align_down_phase(x, alignment, phase, &down);
	wide wanted = (wide)x - x % alignment + phase;

	if (wanted < x)
		wanted += alignment;
	if (has_up != (wanted <= UINT64_MAX) || up != (has_up ? (uint64_t)wanted : UNTOUCHED))
		return false;
	if (has_down != (x >= phase))
		return false;
	if (!has_down)
		return down == UNTOUCHED;
	return down <= x && x - down < alignment && down % alignment == phase;
}

static bool multiple_is_right(uint64_t a, uint64_t b)
{
	uint64_t result = UNTOUCHED;
	bool fits = vas_least_common_multiple(a, b, &result);
	uint64_t divisor = vas_greatest_common_divisor(a, b);
	wide wanted = (wide)a * (b / divisor);

	if (a % divisor != 0 || b % divisor != 0 ||
	    vas_greatest_common_divisor(a / divisor, b / divisor) != 1)
		return false;
	return fits ? wanted == result : wanted > UINT64_MAX && result == UNTOUCHED;
}

static void against_wide(uint64_t *state)
{
	uint64_t bad = 0;

	for (uint64_t i = tap_scaled(100000); i > 0; i--) {
		uint64_t x = any_number(state);
		uint64_t alignment = any_number(state);
		uint64_t other = any_number(state);

		alignment += alignment == 0;
		other += other == 0;
		if (!phase_is_right(x, alignment, other % alignment) ||
		    !multiple_is_right(alignment, other)) {
			tap_diag("x %#lx alignment %#lx other %#lx", x, alignment, other);
			bad++;
			break;
		}
	}
	is_u64(bad, 0, "phases and multiples as 128-bit arithmetic has them");
}

static bool congruence_is_right(uint64_t a, uint64_t a_phase, uint64_t b, uint64_t b_phase)
{
	uint64_t modulus = UNTOUCHED;
	uint64_t phase = UNTOUCHED;
	bool meets = vas_congruence_combine(a, a_phase, b, b_phase, &modulus, &phase);
	uint64_t period = a * b;

	if (!meets && (modulus != UNTOUCHED || phase != UNTOUCHED))
		return false;
	if (meets && phase >= modulus)
		return false;
	for (uint64_t y = 0; y < period; y++) {
		bool both = y % a == a_phase && y % b == b_phase;

		if (both != (meets && y % modulus == phase))
			return false;
	}
	return true;
}

static void congruences(uint64_t *state)
{
	uint64_t modulus;
	uint64_t phase;
	bool right = true;

	for (uint64_t a = 1; a <= 12 && right; a++) {
		for (uint64_t b = 1; b <= 12 && right; b++) {
			for (uint64_t i = 0; i < a * b && right; i++)
				right = congruence_is_right(a, i % a, b, i / a);
		}
	}
	ok(right, "all congruences up to 12");
	right = true;
	for (uint64_t i = tap_scaled(20000); i > 0 && right; i--) {
		uint64_t a = 1 + (vas_random_next(state) >> 33);
		uint64_t b = 1 + (vas_random_next(state) >> 33);
		uint64_t y = vas_random_next(state);

		right = vas_congruence_combine(a, y % a, b, y % b, &modulus, &phase) &&
			modulus % a == 0 && modulus % b == 0 && phase < modulus &&
			phase % a == y % a && phase % b == y % b;
	}
	ok(right, "large congruences");
	ok(!vas_congruence_combine(1ull << 63, 0, 3, 1, &modulus, &phase), "a modulus too large");
}

int main(void)
{
	uint64_t state = tap_seed();

	tap_plan(0);
	edges();
	against_wide(&state);
	congruences(&state);
	return tap_done();
}
