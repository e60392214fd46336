/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arithmetic of number.h that is too long to inline: alignment with a
 * phase, greatest common divisor and least common multiple. Every result that
 * does not fit 64 bits is refused, never wrapped, and leaves *result as it was.
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
