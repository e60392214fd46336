/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A row of cells, one bit each: which are free. A model that asks for a run of free cells gets all of them in
 * a few steps over words, where looking at each cell would take most of its time.
 */
#ifndef TESTS_SUPPORT_CELL_BITS_H
#define TESTS_SUPPORT_CELL_BITS_H

#include <stdbool.h>
#include <stdint.h>

enum { CELL_BITS_MOST = 4096, CELL_BITS_WORDS = CELL_BITS_MOST / 64 };

#define CELL_BITS_NONE UINT32_MAX

struct cell_bits {
	uint64_t word[CELL_BITS_WORDS];
};

/* Sets or clears the bits of [first, first + count). */
void cell_bits_fill(struct cell_bits *bits, uint32_t first, uint32_t count, bool set);
/* The cells at which a run of length set bits begins; length is not 0. */
void cell_bits_runs(const struct cell_bits *bits, uint32_t length, struct cell_bits *runs);
/* The lowest set bit from at on; the highest up to at. CELL_BITS_NONE. */
uint32_t cell_bits_next(const struct cell_bits *bits, uint32_t at);
uint32_t cell_bits_prev(const struct cell_bits *bits, uint32_t at);

/* Where a block may start: at cells first, first + stride, and so on, if acceptable takes it. */
struct cell_want {
	uint32_t first; /* below stride */
	uint32_t stride;
	uint32_t margin; /* what must be free begins so many cells below */
	uint32_t from; /* none lies below; only to save time, as is to */
	uint32_t to; /* none lies above */
	bool (*acceptable)(const void *context, uint32_t cell);
	const void *context;
};

/* The lowest and the highest such start for which the bit margin below it is set. CELL_BITS_NONE. */
uint32_t cell_bits_lowest(const struct cell_bits *places, const struct cell_want *want);
uint32_t cell_bits_highest(const struct cell_bits *places, const struct cell_want *want);

#endif
