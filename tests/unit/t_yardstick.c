/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* vasbench's yardstick: what it hands out is whole, and comes together again. */
#include <inttypes.h>

#include "base/random.h"
#include "tap/tap.h"

#include "../../tools/vasbench/yardstick.c"

#define UNITS  5000u
#define BLOCKS 300u

static uint8_t owner[UNITS]; /* 1: in a block */
static uint32_t starts[BLOCKS], sizes[BLOCKS], handles[BLOCKS];

/* False when the units were not all as they should be before. */
static bool paint(uint32_t start, uint32_t size, uint8_t value)
{
	bool right = start < UNITS && size <= UNITS - start;

	for (uint32_t i = 0; i < size && right; i++) {
		right = owner[start + i] != value;
		owner[start + i] = value;
	}
	return right;
}

static uint64_t unowned(void)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < UNITS; i++)
		count += !owner[i];
	return count;
}

/* Room for size units in a row. */
static bool room(uint32_t size)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < UNITS && run < size; i++)
		run = owner[i] ? 0 : run + 1;
	return run >= size;
}

static void test_bins(void)
{
	bool right = true;

	for (uint32_t size = 1; size < 100000; size++) {
		right &= bin_below(size) <= bin_above(size) &&
			 bin_above(size) <= bin_below(size) + 1;
		right &= bin_above(size) >= bin_below(size - 1);
		right &= bin_below(size) != bin_below(size - 1) ? bin_above(size) == bin_below(size)
								: true;
	}
	ok(right && bin_below(UINT32_MAX) < OCTAVES * STEPS, "bins follow the sizes");
}

static void test_random(void)
{
	struct yardstick *yardstick = yardstick_open(UNITS, BLOCKS);
	uint64_t random = tap_seed();
	uint32_t wrong = 0, refused = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t which = (uint32_t)vas_random_below(&random, BLOCKS), size, start;

		if (sizes[which]) {
			yardstick_give(yardstick, handles[which]);
			wrong += !paint(starts[which], sizes[which], 0);
			sizes[which] = 0;
		}
		size = 1 + (uint32_t)vas_random_below(&random, 60);
		if (yardstick_take(yardstick, size, &start, &handles[which])) {
			wrong += !paint(start, size, 1);
			starts[which] = start;
			sizes[which] = size;
		} else { /* an eighth of the size may be lost to the bins */
			refused++;
			wrong += room(size + size / 8 + 1);
		}
		if (i % 100 == 0)
			wrong += !yardstick_check(yardstick, unowned());
	}
	is_u64(wrong, 0, "%" PRIu32 " requests were refused, each rightly; no block overlaps",
	       refused);
	ok(refused > 100, "some were refused");
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (sizes[i])
			yardstick_give(yardstick, handles[i]);
	ok(yardstick_check(yardstick, UNITS) && yardstick->bins[bin_below(UNITS)] != NONE,
	   "all is one range again");
	yardstick_close(yardstick);
}

int main(void)
{
	tap_plan(4);
	test_bins();
	test_random();
	return tap_done();
}
