/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * The loops over arrays of tree nodes: codes of sizes against their definition, and what is found in a line of
 * a table against a look at each entry.
 */
#include "core/block_page.h"
#include "tap/tap.h"

/* Ascending with size, four steps to the octave; below 8 each size has its own. */
static uint32_t code_of(uint32_t number)
{
	uint32_t octave;

	if (number < 8)
		return number;
	octave = 31 - (uint32_t)__builtin_clz(number);
	return (octave - 1) * 4 + (number >> (octave - 2)) - 4;
}

static uint32_t wrong_at(uint32_t number)
{
	uint32_t other = (UINT32_C(1) << 30) - 1 - number;
	vas_lanes codes = vas_lanes_codes((vas_lanes){ number, other, 0, number });

	return (codes[0] != code_of(number)) + (codes[1] != code_of(other)) + (codes[2] != 0) +
	       (codes[3] != codes[0]) +
	       (vas_lanes_bytes(codes) != (codes[0] | codes[1] << 8 | codes[3] << 24));
}

static void test_codes(void)
{
	uint32_t wrong = 0;

	for (uint32_t number = 0; number < 5000; number++)
		wrong += wrong_at(number);
	/* Where a code begins, on both sides; also where a float has no more place for all bits. */
	for (uint32_t octave = 4; octave < 30; octave++)
		for (uint32_t quarter = 4; quarter < 8; quarter++)
			for (uint32_t i = 0; i < 3; i++)
				wrong += wrong_at((quarter << (octave - 2)) + i - 1);
	is_u64(wrong, 0, "sizes have the codes that they should have, as bytes too");
}

static void test_line(void)
{
	struct vas_block_line line __attribute__((aligned(64))) = { .away = VAS_BLOCK_PRESENT | 7 };
	uint32_t wrong = 0;

	for (uint32_t taken = 0; taken < 1u << VAS_BLOCK_LINE_ENTRIES; taken++) {
		uint32_t first = 0;

		for (uint32_t i = 0; i < VAS_BLOCK_LINE_ENTRIES; i++)
			line.entry[i] = taken >> i & 1 ? vas_block_entry(i, 9) : 0;
		while (first < VAS_BLOCK_LINE_ENTRIES && taken >> first & 1)
			first++;
		wrong += vas_block_line_free(&line) != first;
		for (uint32_t i = 0; i < VAS_BLOCK_LINE_ENTRIES; i++)
			wrong += vas_block_line_with(&line, i | VAS_BLOCK_PRESENT) !=
				 (taken >> i & 1 ? i : VAS_BLOCK_LINE_ENTRIES);
	}
	is_u64(wrong, 0, "each entry of a line is found, and the first free one");
	is_u64(vas_block_line_with(&line, VAS_BLOCK_PRESENT | 7), VAS_BLOCK_LINE_ENTRIES,
	       "the word about those away is none");
	ok(vas_block_line_of(&line.entry[6]) == &line, "an entry knows its line");
}

int main(void)
{
	tap_plan(4);
	test_codes();
	test_line();
	return tap_done();
}
