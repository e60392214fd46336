/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a block fits into one gap, and where.
 *
 * WHAT FOR. A request may ask for start % alignment == phase and at the same
 * time that no multiple of a boundary lies inside the block. The answer must be
 * exact, or a refusal could be untrue.
 *
 * STRATEGY. Candidates are an arithmetic progression, start = first + k *
 * alignment. A candidate keeps the boundary when start % boundary lies in
 * [0, boundary - size]. So the question is for the least k that brings a
 * progression modulo a power of two into an interval; a chain of divisions like
 * Euclid's answers it in O(log boundary) steps, however many candidates miss.
 *
 * CONCURRENCY. Pure functions.
 */
#include "core/blocks_fit.h"

#include "base/hot.h"
#include "base/number.h"

#define NONE UINT64_MAX

typedef unsigned __int128 wide;

/* dividend / divisor, rounded up, which fits 64 bits. By hand: the compiler's own is a library call. */
static uint64_t divide_up(wide dividend, uint64_t divisor)
{
	uint64_t quotient = 0;

	for (uint32_t bit = 64; bit-- > 0;) {
		if (dividend >> bit < divisor)
			continue;
		dividend -= (wide)divisor << bit;
		quotient |= UINT64_C(1) << bit;
	}
	return quotient + (dividend != 0);
}

/*
 * The least k >= 0 with low <= step * k % modulus <= high, or NONE.
 * I: step < modulus, low <= high < modulus <= 2^63.
 *
 * If a multiple of step lies in [low, high], it is the first one. Otherwise each
 * round over the modulus shifts the multiples by a fixed step, and in which
 * round they hit is the same question with step as the modulus, which is at most half.
 */
static uint64_t least_multiple(uint64_t step, uint64_t modulus, uint64_t low, uint64_t high)
{
	uint64_t rounds;

	if (low == 0)
		return 0;
	if (step == 0)
		return NONE;
	if (step > modulus / 2) {
		uint64_t mirrored = modulus - high;

		high = modulus - low;
		low = mirrored;
		step = modulus - step;
	}
	if (high / step > (low - 1) / step)
		return (low - 1) / step + 1;
	rounds = least_multiple((step - modulus % step) % step, step, low % step, high % step);
	if (rounds == NONE)
		return NONE;
	return divide_up((wide)modulus * rounds + low, step);
}

/* How many steps until start keeps the boundary; up or down. */
static uint64_t steps_to_boundary(const struct vas_block_query *query, uint64_t start, bool down)
{
	uint64_t boundary = query->boundary;
	uint64_t slack = boundary - query->size;
	uint64_t at = start & (boundary - 1);
	uint64_t step = query->alignment & (boundary - 1);

	if (at <= slack)
		return 0;
	/* at + k * step is to come into [boundary, boundary + slack]. */
	return least_multiple(down ? (boundary - step) & (boundary - 1) : step, boundary,
			      boundary - at, boundary - at + slack);
}

VAS_HOT bool vas_block_fit_low(const struct vas_block_query *query, uint64_t start, uint64_t end,
		       uint64_t *place)
{
	uint64_t from = start > query->min ? start : query->min;
	uint64_t to = end < query->max ? end : query->max;
	uint64_t steps = 0;
	uint64_t first;
	wide found;

	if (to <= from || to - from < query->size ||
	    !vas_align_up_phase(from, query->alignment, query->phase, &first) ||
	    first > to - query->size)
		return false;
	if (query->boundary)
		steps = steps_to_boundary(query, first, false);
	if (steps == NONE)
		return false;
	found = (wide)steps * query->alignment + first;
	if (found > to - query->size)
		return false;
	*place = (uint64_t)found;
	return true;
}

bool vas_block_fit_high(const struct vas_block_query *query, uint64_t start, uint64_t end,
			uint64_t *place)
{
	uint64_t from = start > query->min ? start : query->min;
	uint64_t to = end < query->max ? end : query->max;
	uint64_t steps = 0;
	uint64_t last;

	if (to <= from || to - from < query->size ||
	    !vas_align_down_phase(to - query->size, query->alignment, query->phase, &last) ||
	    last < from)
		return false;
	if (query->boundary)
		steps = steps_to_boundary(query, last, true);
	if (steps == NONE || (wide)steps * query->alignment > last - from)
		return false;
	*place = last - steps * query->alignment;
	return true;
}
