/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loops over the arrays of tree nodes, four numbers at a time and without a
 * branch: a branch that depends on where a number stands is guessed wrong half the time.
 *
 * I: arrays are aligned to 16 bytes, counts are multiples of 4 and at most 64, numbers
 * below 2^30 or VAS_BLOCK_NEVER; differences of them are above -2^23.
 */
#ifndef VAS_CORE_BLOCK_LANES_H
#define VAS_CORE_BLOCK_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(VAS_LANES_PLAIN)
#include <emmintrin.h>
#define VAS_LANES_SSE2 1
#else
#define VAS_LANES_SSE2 0
#endif

#if defined(__clang__)
#define VAS_UNROLL _Pragma("unroll")
#else
#define VAS_UNROLL _Pragma("GCC unroll 16")
#endif

typedef uint32_t vas_lanes __attribute__((vector_size(16)));
typedef int32_t vas_signed_lanes __attribute__((vector_size(16)));
typedef float vas_float_lanes __attribute__((vector_size(16)));

static inline vas_lanes vas_lanes_load(const uint32_t *numbers)
{
	vas_lanes lanes;

	memcpy(&lanes, numbers, sizeof(lanes));
	return lanes;
}

static inline void vas_lanes_store(uint32_t *numbers, vas_lanes lanes)
{
	memcpy(numbers, &lanes, sizeof(lanes));
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

/*
 * SSE2 has no maximum of signed numbers but one of floats, which are in the same order as their
 * bits: from 2^23 on they are what floats call normal, so that no mode of the processor
 * changes them. Numbers that maxima are taken of have this added, once: they are biased.
 */
#define VAS_LANES_BIAS (VAS_LANES_SSE2 ? UINT32_C(1) << 23 : 0u)

static inline vas_lanes vas_lanes_max(vas_lanes a, vas_lanes b)
{
#if VAS_LANES_SSE2
	return (vas_lanes)_mm_max_ps((__m128)a, (__m128)b);
#else
	vas_lanes more = vas_lanes_more(a, b);

	return (a & more) | (b & ~more);
#endif
}

/* The largest lane of a, of b, of c, and of c again. */
static inline vas_lanes vas_lanes_tops(vas_lanes a, vas_lanes b, vas_lanes c)
{
#if VAS_LANES_SSE2
	__m128 ab = _mm_max_ps(_mm_unpacklo_ps((__m128)a, (__m128)b),
			       _mm_unpackhi_ps((__m128)a, (__m128)b));
	__m128 cc = _mm_max_ps(_mm_unpacklo_ps((__m128)c, (__m128)c),
			       _mm_unpackhi_ps((__m128)c, (__m128)c));

	return (vas_lanes)_mm_max_ps(_mm_movelh_ps(ab, cc), _mm_movehl_ps(cc, ab));
#else
	vas_lanes tops = { a[0], b[0], c[0], c[0] };

	for (uint32_t i = 1; i < 4; i++)
		tops = vas_lanes_max(tops, (vas_lanes){ a[i], b[i], c[i], c[i] });
	return tops;
#endif
}

/*
 * Ascending with size, four steps to the octave; below 8 each number has its own. As a float has it: exponent and
 * two bits more. I: below 2^30; what a float could not hold is cut off.
 */
static inline vas_lanes vas_lanes_codes(vas_lanes numbers)
{
	vas_lanes large = vas_lanes_more(numbers, vas_lanes_all(0xffffff)) >> 26;
	vas_lanes small = vas_lanes_more(vas_lanes_all(4), numbers);
	vas_lanes codes;

	numbers &= ~large;
	codes = ((vas_lanes)__builtin_convertvector((vas_signed_lanes)numbers, vas_float_lanes) >>
		 21) - vas_lanes_all(512);
	return (numbers & small) | (codes & ~small);
}

/* The lowest bytes of four numbers below 128. */
static inline uint32_t vas_lanes_bytes(vas_lanes a)
{
#if VAS_LANES_SSE2
	__m128i halves = _mm_packs_epi32((__m128i)a, (__m128i)a);

	return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
#else
	return a[0] | a[1] << 8 | a[2] << 16 | a[3] << 24;
#endif
}

/* Bit i: lane i is -1 and not 0. */
static inline uint64_t vas_lanes_bits(vas_lanes yes)
{
#if VAS_LANES_SSE2
	return (uint32_t)_mm_movemask_ps((__m128)yes);
#else
	return (yes[0] & 1) | (yes[1] & 2) | (yes[2] & 4) | (yes[3] & 8);
#endif
}

/* The same for sixteen lanes. */
static inline uint64_t vas_lanes_bits_16(vas_lanes a, vas_lanes b, vas_lanes c, vas_lanes d)
{
#if VAS_LANES_SSE2
	__m128i low = _mm_packs_epi32((__m128i)a, (__m128i)b);
	__m128i high = _mm_packs_epi32((__m128i)c, (__m128i)d);

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
#else
	return vas_lanes_bits(a) | vas_lanes_bits(b) << 4 | vas_lanes_bits(c) << 8 |
	       vas_lanes_bits(d) << 12;
#endif
}

/* Bit i: number i is above limit. */
static inline uint64_t vas_lanes_bits_above(const uint32_t *numbers, uint32_t count, uint32_t limit)
{
	vas_lanes bound = vas_lanes_all(limit);
	uint64_t bits = 0;
	uint32_t i = 0;

	VAS_UNROLL
	for (; i + 16 <= count; i += 16)
		bits |= vas_lanes_bits_16(vas_lanes_more(vas_lanes_load(numbers + i), bound),
					  vas_lanes_more(vas_lanes_load(numbers + i + 4), bound),
					  vas_lanes_more(vas_lanes_load(numbers + i + 8), bound),
					  vas_lanes_more(vas_lanes_load(numbers + i + 12), bound))
			<< i;
	VAS_UNROLL
	for (; i < count; i += 4)
		bits |= vas_lanes_bits(vas_lanes_more(vas_lanes_load(numbers + i), bound)) << i;
	return bits;
}

/* The first number of an ascending array that is above limit: its index, or count. */
static inline uint32_t vas_lanes_first_above(const uint32_t *numbers, uint32_t count,
					     uint32_t limit)
{
	uint64_t bits = vas_lanes_bits_above(numbers, count, limit);

	return (uint32_t)__builtin_ctzll(bits | UINT64_C(1) << count);
}

/* -1 in the lane of number i of an array, if it is one of four from at on. */
static inline vas_lanes vas_lanes_is(uint32_t at, uint32_t i)
{
	vas_lanes four = { 0, 1, 2, 3 };

	return (vas_lanes)(four == vas_lanes_all(i - at));
}

#endif
