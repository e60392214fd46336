/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * How much of its span the block allocator can use, by vasbench's measure of it: no less than
 * first fit by address holds, with plain and with aligned blocks. The same seeds give the same
 * figures.
 */
#include <stdlib.h>

#include "support/blocks_map.h"
#include "tap/tap.h"

#include "../../tools/vasbench/packing.c"

#define SEEDS	 5u
#define REQUESTS 100000u

static struct vas_blocks *last; /* the one in use */

static int blocks_open(struct alloc_space *space)
{
	int err = vas_blocks_create((struct vas_span){ UINT64_C(1) << 40, space->size },
				    ALLOC_GRANULE, 1, &blocks_map_support, &last);

	space->state = last;
	return err;
}

static int blocks_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	struct vas_block_request wanted = { .size = request->size,
					    .alignment = request->alignment };

	return vas_blocks_alloc(state, &wanted, &item->start);
}

static int blocks_give(void *state, const struct alloc_item *item)
{
	struct vas_block_info info;

	return vas_blocks_free(state, item->start, &info);
}

static const struct alloc_kind blocks = {
	.name = "blocks",
	.open = blocks_open,
	.take = blocks_take,
	.give = blocks_give,
};

/* The mean over the seeds. */
static void test_occupancy(bool aligned, double fill, double saturated)
{
	const char *name = aligned ? "aligned" : "plain";
	double sums[2] = { 0, 0 };
	unsigned int wrong = 0;

	for (unsigned int seed = 1; seed <= SEEDS; seed++) {
		struct packing packing = { .fill = 0 };
		struct vas_blocks_stats stats;

		wrong += packing_measure(&blocks, aligned, seed, REQUESTS, &packing) != 0;
		vas_blocks_stats(last, &stats);
		wrong +=
			!vas_blocks_check(last) || stats.live || stats.largest_free != PACKING_SPAN;
		vas_blocks_destroy(last);
		sums[0] += packing.fill / SEEDS;
		sums[1] += packing.saturated / SEEDS;
	}
	is_u64(wrong, 0, "%s: every request is served, and all is one free range at the end", name);
	ok(sums[0] >= fill, "%s: filled to %.2f %% from empty", name, sums[0]);
	ok(sums[1] >= saturated, "%s: %.2f %% when saturated", name, sums[1]);
}

int main(void)
{
	tap_plan(6);
	test_occupancy(false, 99.5, 89.0);
	test_occupancy(true, 64.0, 63.9);
	return tap_done();
}
