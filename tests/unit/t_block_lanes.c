/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * The loops over arrays of tree nodes: codes of sizes against their definition; and what is found in a line of
 * a table against a look at each place.
 */
#include <stddef.h>
#include <string.h>

#include "core/block_lanes.h"
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

/* Which places of a line are taken, by blocks of what start and state. */
struct filling {
	uint32_t taken; /* a bit for each place */
	uint64_t state;
	uint32_t class;
};

static uint64_t start_of(uint32_t i)
{
	return UINT64_C(0x512345) * (i + 1);
}

static struct vas_block_line line_fill(const struct filling *filling)
{
	struct vas_block_line line;

	memset(&line, 0, sizeof(line));
	for (uint32_t i = 0; i < VAS_BLOCK_LINE_PLACES; i++)
		if (filling->taken >> i & 1)
			line.record[i].word = vas_block_word(start_of(i), (UINT64_C(3) << 32) + 5,
							     filling->class, filling->state);
	return line;
}

static uint32_t line_wrong(const struct filling *filling)
{
	struct vas_block_line line = line_fill(filling);
	uint32_t wrong = 0, first = 0;
	uint64_t word;

	while (first < VAS_BLOCK_LINE_PLACES && filling->taken >> first & 1)
		first++;
	wrong += vas_block_line_free(&line) !=
		 (first < VAS_BLOCK_LINE_PLACES ? &line.record[first] : NULL);
	for (uint32_t i = 0; i < VAS_BLOCK_LINE_PLACES; i++) {
		struct vas_block_record *there = filling->taken >> i & 1 ? &line.record[i] : NULL;
		struct vas_block_record *live = filling->state == VAS_BLOCK_LIVE ? there : NULL;
		uint64_t wanted = vas_block_word(start_of(i), 1, 0, VAS_BLOCK_LIVE);

		wrong += vas_block_line_with(&line, start_of(i)) != there;
		wrong += vas_block_line_plain(&line, wanted) !=
			 (filling->class == VAS_BLOCK_NO_CLASS ? NULL : live);
		wrong += vas_block_line_live(&line, wanted, &word) != live ||
			 (live && word != live->word);
	}
	return wrong;
}

static void test_line(void)
{
	struct vas_block_line line;
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < 6u << VAS_BLOCK_LINE_PLACES; i++) {
		const struct filling filling = {
			.taken = i / 6,
			.state = VAS_BLOCK_LIVE + i % 3,
			.class = i % 6 < 3 ? 7 : VAS_BLOCK_NO_CLASS,
		};

		wrong += line_wrong(&filling);
	}
	is_u64(wrong, 0, "each place of a line is found, and the first free one");
	memset(&line, 0, sizeof(line));
	ok(!vas_block_line_with(&line, 0), "a free place is not that of the start 0");
	line.record[2].word = VAS_BLOCK_LIVE;
	ok(vas_block_line_with(&line, 0) == &line.record[2], "which may be taken, too");
}

int main(void)
{
	tap_plan(4);
	test_codes();
	test_line();
	return tap_done();
}
