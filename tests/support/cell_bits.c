/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of cells, one bit each. See cell_bits.h. */
#include "support/cell_bits.h"

#include <string.h>

void cell_bits_fill(struct cell_bits *bits, uint32_t first, uint32_t count, bool set)
{
	while (count > 0) {
		uint32_t shift = first % 64, some = 64 - shift < count ? 64 - shift : count;
		uint64_t mask = UINT64_MAX >> (64 - some) << shift;
		uint64_t *word = &bits->word[first / 64];

		*word = set ? *word | mask : *word & ~mask;
		first += some;
		count -= some;
	}
}

/* Keeps the bits that are set count places further up, too. */
static void keep_shifted(struct cell_bits *bits, uint32_t count)
{
	uint32_t words = count / 64, shift = count % 64;

	for (uint32_t i = 0; i < CELL_BITS_WORDS; i++) {
		uint64_t low = i + words < CELL_BITS_WORDS ? bits->word[i + words] : 0;
		uint64_t high = i + words + 1 < CELL_BITS_WORDS ? bits->word[i + words + 1] : 0;

		bits->word[i] &= shift ? low >> shift | high << (64 - shift) : low;
	}
}

void cell_bits_runs(const struct cell_bits *bits, uint32_t length, struct cell_bits *runs)
{
	*runs = *bits;
	if (length > CELL_BITS_MOST) {
		memset(runs, 0, sizeof(*runs));
		return;
	}
	for (uint32_t have = 1, more; have < length; have += more) {
		more = have < length - have ? have : length - have;
		keep_shifted(runs, more);
	}
}

uint32_t cell_bits_next(const struct cell_bits *bits, uint32_t at)
{
	uint64_t word;

	if (at >= CELL_BITS_MOST)
		return CELL_BITS_NONE;
	word = bits->word[at / 64] >> at % 64 << at % 64;
	for (uint32_t i = at / 64;; word = bits->word[i]) {
		if (word)
			return i * 64 + (uint32_t)__builtin_ctzll(word);
		if (++i == CELL_BITS_WORDS)
			return CELL_BITS_NONE;
	}
}

uint32_t cell_bits_prev(const struct cell_bits *bits, uint32_t at)
{
	uint64_t word;

	if (at >= CELL_BITS_MOST)
		at = CELL_BITS_MOST - 1;
	word = bits->word[at / 64] << (63 - at % 64) >> (63 - at % 64);
	for (uint32_t i = at / 64;; word = bits->word[i]) {
		if (word)
			return i * 64 + 63 - (uint32_t)__builtin_clzll(word);
		if (i-- == 0)
			return CELL_BITS_NONE;
	}
}

/* How far a cell is above the next start at or below it. */
static uint32_t above_start(const struct cell_want *want, uint32_t cell)
{
	return (cell + want->stride - want->first) % want->stride;
}

uint32_t cell_bits_lowest(const struct cell_bits *places, const struct cell_want *want)
{
	uint32_t margin = want->margin, i = want->from > margin ? want->from : margin;

	for (;; i++) {
		i = cell_bits_next(places, i - margin);
		if (i == CELL_BITS_NONE)
			return i;
		i += margin;
		if (above_start(want, i))
			i += want->stride - above_start(want, i) - 1;
		else if (want->acceptable(want->context, i))
			return i;
	}
}

uint32_t cell_bits_highest(const struct cell_bits *places, const struct cell_want *want)
{
	uint32_t margin = want->margin;

	for (uint32_t i = want->to, above; i != CELL_BITS_NONE && i >= margin; i--) {
		i = cell_bits_prev(places, i - margin);
		if (i == CELL_BITS_NONE)
			return i;
		i += margin;
		above = above_start(want, i);
		if (above > i)
			return CELL_BITS_NONE;
		if (above)
			i -= above - 1;
		else if (want->acceptable(want->context, i))
			return i;
	}
	return CELL_BITS_NONE;
}
