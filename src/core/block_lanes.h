/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loops over the arrays of tree nodes, four numbers at a time and without a
 * branch: a branch that depends on where a number stands is guessed wrong half the time.
 *
 * I: arrays are aligned to 16 bytes, counts are multiples of 4 and at most 64, numbers
 * below 2^31.
 */
#ifndef VAS_CORE_BLOCK_LANES_H
#define VAS_CORE_BLOCK_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t vas_lanes __attribute__((vector_size(16)));
typedef int32_t vas_signed_lanes __attribute__((vector_size(16)));

static inline vas_lanes vas_lanes_load(const uint32_t *numbers)
{
	vas_lanes lanes;

	memcpy(&lanes, numbers, sizeof(lanes));
	return lanes;
}

static inline vas_lanes vas_lanes_all(uint32_t number)
{
	return (vas_lanes){ number, number, number, number };
}

/* -1 where a is more than b, as signed numbers; else 0. */
static inline vas_lanes vas_lanes_more(vas_lanes a, vas_lanes b)
{
	return (vas_lanes)((vas_signed_lanes)a > (vas_signed_lanes)b);
}

static inline vas_lanes vas_lanes_max(vas_lanes a, vas_lanes b)
{
	vas_lanes more = vas_lanes_more(a, b);

	return (a & more) | (b & ~more);
}

/* The largest of the four, or 0 if that is more. */
static inline uint32_t vas_lanes_top(vas_lanes a)
{
	int32_t top = 0;

	for (uint32_t i = 0; i < 4; i++)
		top = (int32_t)a[i] > top ? (int32_t)a[i] : top;
	return (uint32_t)top;
}

/* Each lane is -1 or 0: bit i says whether lane i is -1. */
static inline uint32_t vas_lanes_bits(vas_lanes yes)
{
#if defined(__SSE2__)
	typedef float floats __attribute__((vector_size(16)));

	return (uint32_t)__builtin_ia32_movmskps((floats)yes);
#else
	return (yes[0] & 1) | (yes[1] & 2) | (yes[2] & 4) | (yes[3] & 8);
#endif
}

/* How many numbers of an ascending array are not above limit. */
static inline uint32_t vas_lanes_not_above(const uint32_t *numbers, uint32_t count, uint32_t limit)
{
	vas_lanes bound = vas_lanes_all(limit);
	vas_lanes above = { 0 };

	for (uint32_t i = 0; i < count; i += 4)
		above += vas_lanes_more(vas_lanes_load(numbers + i), bound);
	return count + above[0] + above[1] + above[2] + above[3];
}

/* Bit i: numbers[i] is at least least, which is not 0. */
static inline uint64_t vas_lanes_from(const uint32_t *numbers, uint32_t count, uint32_t least)
{
	vas_lanes bound = vas_lanes_all(least - 1);
	uint64_t bits = 0;

	for (uint32_t i = 0; i < count; i += 4)
		bits |= (uint64_t)vas_lanes_bits(vas_lanes_more(vas_lanes_load(numbers + i), bound))
			<< i;
	return bits;
}

static inline uint32_t vas_lanes_largest(const uint32_t *numbers, uint32_t count)
{
	vas_lanes most = { 0 };

	for (uint32_t i = 0; i < count; i += 4)
		most = vas_lanes_max(most, vas_lanes_load(numbers + i));
	return vas_lanes_top(most);
}

#endif
