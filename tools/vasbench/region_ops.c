/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "ops": operations on a region to count instructions of, under callgrind. Times nothing:
 *
 *	valgrind --tool=callgrind --callgrind-out-file=out vasbench ops
 *	callgrind_annotate --inclusive=yes out | grep vas_region_
 *
 * Each function's instructions, divided by the number of operations that is printed.
 */
#include <stdio.h>

#include "blocks.h"
#include "region.h"

#define BLOCK_SIZE (64u << 10)
#define BLOCKS 1000u
#define PER_ROUND 100u

static int ops_round(struct blocks_layout *layout)
{
	uint64_t ignored;
	int err = blocks_region_run(layout, BLOCKS_DECOMMIT, PER_ROUND, &ignored);

	return err ? err : blocks_region_run(layout, BLOCKS_FREE, PER_ROUND, &ignored);
}

int bench_ops(struct output *output, unsigned int rounds)
{
	struct blocks_layout layout = { .size = BLOCK_SIZE, .count = BLOCKS };
	int err = blocks_region_prepare(&layout);

	(void)output;
	for (unsigned int i = 0; i < rounds && !err; i++)
		err = ops_round(&layout);
	if (err) {
		fprintf(stderr, "vasbench: ops: error %d\n", -err);
		return err;
	}
	printf("%u operations each: vas_region_decommit, vas_region_commit, vas_region_free, "
	       "vas_region_alloc (and %u more to begin with)\n",
	       rounds * PER_ROUND, BLOCKS);
	return 0;
}
