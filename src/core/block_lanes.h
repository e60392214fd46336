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

static inline uint32_t vas_lanes_sum(vas_lanes a)
{
	return a[0] + a[1] + a[2] + a[3];
}

/*
 * The largest so far, by lane. SSE2 has no maximum of such numbers but one of floats, which are
 * in the same order as their bits: from 2^23 on they are what floats call normal,
 * so that no mode of the processor changes them.
 */
struct vas_lanes_most {
	vas_lanes most;
};

#define VAS_LANES_BIAS (VAS_LANES_SSE2 ? UINT32_C(1) << 23 : 0u)

static inline struct vas_lanes_most vas_lanes_most_none(void)
{
	return (struct vas_lanes_most){ vas_lanes_all(VAS_LANES_BIAS) };
}

/* The numbers have the bias already. */
static inline void vas_lanes_most_add(struct vas_lanes_most *most, vas_lanes biased)
{
#if VAS_LANES_SSE2
	most->most = (vas_lanes)_mm_max_ps((__m128)biased, (__m128)most->most);
#else
	vas_lanes more = vas_lanes_more(biased, most->most);

	most->most = (biased & more) | (most->most & ~more);
#endif
}

/* The largest of all, without bias; 0 when none was more. */
static inline uint32_t vas_lanes_most_of(struct vas_lanes_most most)
{
#if VAS_LANES_SSE2
	__m128 a = (__m128)most.most;

	a = _mm_max_ps(a, _mm_shuffle_ps(a, a, _MM_SHUFFLE(1, 0, 3, 2)));
	a = _mm_max_ps(a, _mm_shuffle_ps(a, a, _MM_SHUFFLE(2, 3, 0, 1)));
	return (uint32_t)_mm_cvtsi128_si32(_mm_castps_si128(a)) - VAS_LANES_BIAS;
#else
	uint32_t top = 0;

	for (uint32_t i = 0; i < 4; i++)
		top = most.most[i] > top ? most.most[i] : top;
	return top;
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

/* How many numbers of an array are above limit. */
static inline uint32_t vas_lanes_above(const uint32_t *numbers, uint32_t count, uint32_t limit)
{
	vas_lanes bound = vas_lanes_all(limit);
	vas_lanes above = { 0 };

	VAS_UNROLL
	for (uint32_t i = 0; i < count; i += 4)
		above -= vas_lanes_more(vas_lanes_load(numbers + i), bound);
	return vas_lanes_sum(above);
}

/* Bit i: numbers[i] is at least least, which is not 0. */
static inline uint64_t vas_lanes_from(const uint32_t *numbers, uint32_t count, uint32_t least)
{
	vas_lanes bound = vas_lanes_all(least - 1);
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

/* The largest, but for the one at skip. */
static inline uint32_t vas_lanes_largest_but(const uint32_t *numbers, uint32_t count, uint32_t skip)
{
	struct vas_lanes_most most = vas_lanes_most_none();
	vas_lanes bias = vas_lanes_all(VAS_LANES_BIAS);
	vas_lanes to_skip = (vas_lanes){ 0, 1, 2, 3 } - vas_lanes_all(skip);

	VAS_UNROLL
	for (uint32_t i = 0; i < count; i += 4) {
		vas_lanes lanes = vas_lanes_load(numbers + i);

		lanes &= ~(vas_lanes)(to_skip == vas_lanes_all(0));
		vas_lanes_most_add(&most, lanes + bias);
		to_skip += vas_lanes_all(4);
	}
	return vas_lanes_most_of(most);
}

#endif
