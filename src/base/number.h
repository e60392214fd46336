/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic over addresses and sizes that cannot overflow unseen. */
#ifndef VAS_BASE_NUMBER_H
#define VAS_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

static inline bool vas_is_power_of_two(uint64_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* Each writes *result and returns true, or returns false and leaves it when it does not fit 64 bits. */
static inline bool vas_add(uint64_t a, uint64_t b, uint64_t *result)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*result = sum;
	return true;
}

static inline bool vas_multiply(uint64_t a, uint64_t b, uint64_t *result)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*result = product;
	return true;
}

/* Alignment is any positive number; powers of two take the short way. */
static inline uint64_t vas_align_down(uint64_t x, uint64_t alignment)
{
	if (vas_is_power_of_two(alignment))
		return x & ~(alignment - 1);
	return x - x % alignment;
}

static inline bool vas_align_up(uint64_t x, uint64_t alignment, uint64_t *result)
{
	uint64_t down = vas_align_down(x, alignment);

	if (down == x) {
		*result = x;
		return true;
	}
	return vas_add(down, alignment, result);
}

/* The lowest y >= x with y % alignment == phase; phase < alignment. */
bool vas_align_up_phase(uint64_t x, uint64_t alignment, uint64_t phase, uint64_t *result);
/* The highest y <= x with y % alignment == phase. */
bool vas_align_down_phase(uint64_t x, uint64_t alignment, uint64_t phase, uint64_t *result);

uint64_t vas_greatest_common_divisor(uint64_t a, uint64_t b);
/* False when the least common multiple does not fit 64 bits. a, b > 0. */
bool vas_least_common_multiple(uint64_t a, uint64_t b, uint64_t *result);

/*
 * What y % a == a_phase and y % b == b_phase mean together: y % *modulus ==
 * *phase, with *modulus the least common multiple. False when no y satisfies
 * both, or when the multiple does not fit. a_phase < a, b_phase < b.
 */
bool vas_congruence_combine(uint64_t a, uint64_t a_phase, uint64_t b, uint64_t b_phase,
			    uint64_t *modulus, uint64_t *phase);

static inline uint32_t vas_log2_floor(uint64_t x) /* x > 0 */
{
	return 63u - (uint32_t)__builtin_clzll(x);
}

#endif
