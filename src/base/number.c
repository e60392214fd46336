/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arithmetic of number.h that is too long to inline: alignment with a
 * phase, greatest common divisor, least common multiple, and two congruences
 * made one. A result that does not fit 64 bits is refused, never wrapped, and
 * leaves *result as it was.
 *
 * Products modulo a number are made by doubling and adding. That is slow and
 * happens only for alignments that are no powers of two; the 128-bit division
 * that would be faster is a call into the compiler's own library.
 */
#include "base/number.h"

bool vas_align_up_phase(uint64_t x, uint64_t alignment, uint64_t phase, uint64_t *result)
{
	uint64_t base = vas_align_down(x, alignment);
	uint64_t candidate;

	if (!vas_add(base, phase, &candidate))
		return false;
	if (candidate < x && !vas_add(candidate, alignment, &candidate))
		return false;
	*result = candidate;
	return true;
}

bool vas_align_down_phase(uint64_t x, uint64_t alignment, uint64_t phase, uint64_t *result)
{
	if (x < phase)
		return false;
	*result = vas_align_down(x - phase, alignment) + phase;
	return true;
}

uint64_t vas_greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t remainder = a % b;

		a = b;
		b = remainder;
	}
	return a;
}

bool vas_least_common_multiple(uint64_t a, uint64_t b, uint64_t *result)
{
	/* Of two powers of two the larger one is the answer, without a division. */
	if (vas_is_power_of_two(a) && vas_is_power_of_two(b)) {
		*result = a > b ? a : b;
		return true;
	}
	return vas_multiply(a / vas_greatest_common_divisor(a, b), b, result);
}

/* a + b, a - b and a * b modulo m; a, b < m. */
static uint64_t add_modulo(uint64_t a, uint64_t b, uint64_t m)
{
	return a >= m - b ? a - (m - b) : a + b;
}

static uint64_t subtract_modulo(uint64_t a, uint64_t b, uint64_t m)
{
	return a >= b ? a - b : a + (m - b);
}

static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t m)
{
	uint64_t result = 0;

	for (; b > 0; b >>= 1) {
		if (b & 1)
			result = add_modulo(result, a, m);
		a = add_modulo(a, a, m);
	}
	return result;
}

/* The x with a * x = 1 modulo m, by Euclid's extended algorithm; a < m, without common divisor, m > 1. */
static uint64_t invert_modulo(uint64_t a, uint64_t m)
{
	uint64_t remainder = m;
	uint64_t next_remainder = a;
	uint64_t factor = 0; /* I: factor * a = remainder modulo m, and so for the next */
	uint64_t next_factor = 1;

	while (next_remainder != 0) {
		uint64_t quotient = remainder / next_remainder;
		uint64_t rest = remainder % next_remainder;
		uint64_t swap =
			subtract_modulo(factor, multiply_modulo(next_factor, quotient % m, m), m);

		remainder = next_remainder;
		next_remainder = rest;
		factor = next_factor;
		next_factor = swap;
	}
	return factor;
}

/* As vas_congruence_combine for powers of two: the larger one must meet the smaller, and decides. */
static bool combine_powers(uint64_t large, uint64_t large_phase, uint64_t small,
			   uint64_t small_phase, uint64_t *modulus, uint64_t *phase)
{
	if ((large_phase & (small - 1)) != small_phase)
		return false;
	*modulus = large;
	*phase = large_phase;
	return true;
}

bool vas_congruence_combine(uint64_t a, uint64_t a_phase, uint64_t b, uint64_t b_phase,
			    uint64_t *modulus, uint64_t *phase)
{
	uint64_t divisor;
	uint64_t multiple;
	uint64_t step;
	uint64_t m;

	if (vas_is_power_of_two(a) && vas_is_power_of_two(b)) {
		if (a >= b)
			return combine_powers(a, a_phase, b, b_phase, modulus, phase);
		return combine_powers(b, b_phase, a, a_phase, modulus, phase);
	}
	divisor = vas_greatest_common_divisor(a, b);
	if (a_phase % divisor != b_phase % divisor || !vas_least_common_multiple(a, b, &multiple))
		return false;
	/* y = a_phase + a * t for the t modulo b / divisor that also meets b_phase. */
	m = b / divisor;
	step = 0;
	if (m > 1) {
		uint64_t wanted = b_phase / divisor % m;
		uint64_t have = a_phase / divisor % m;

		step = multiply_modulo(subtract_modulo(wanted, have, m),
				       invert_modulo(a / divisor % m, m), m);
	}
	*modulus = multiple;
	*phase = a_phase + a * step;
	return true;
}
