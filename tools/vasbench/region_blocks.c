/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commit, decommit and free of a block among many, against the system calls
 * that the library makes for it, made on the same layout: as many blocks, as
 * many kernel mappings. No memory is touched, since page faults would hide the
 * difference.
 */
#include <errno.h>
#include <stdio.h>

#include "blocks.h"
#include "region.h"
#include "worker.h"

#define BLOCK_SIZE (64u << 10)
#define MANY 10000u

static const char *const op_names[BLOCKS_OPS] = { "commit", "decommit", "free" };

static int blocks_rows(struct group_context *group, const struct blocks_layout *layout,
		       const struct worker *raw, const struct worker *region, enum blocks_op op)
{
	struct worker_row raw_row = { raw, op, 0 }, region_row = { region, op, 0 };
	unsigned int batch = layout->count < 1000 ? layout->count / 4 : 256, failed = 0;
	struct contender contenders[] = {
		{ "the same system calls", worker_row_run, &raw_row, .batch = batch,
		  .spent = &raw_row.spent },
		{ op_names[op], worker_row_run, &region_row, .batch = batch, .spent = &region_row.spent,
		  .bound = 1.1, .slack_ns = layout->count <= MANY ? 400 : 500 },
	};
	char name[96];
	int err = measure(contenders, 2, group->rounds, &failed);

	snprintf(name, sizeof(name), "%s, %u live blocks, %s", op_names[op], layout->count,
		 recipe_names[layout->recipe]);
	if (err)
		fprintf(stderr, "vasbench: %s: %s: error %d\n", name, contenders[failed].name, -err);
	else
		output_group(group->output, name, contenders, 2);
	return err;
}

static int blocks_measure(struct group_context *group, const struct blocks_layout *layout,
			  const struct worker *raw, const struct worker *region)
{
	uint64_t raw_vmas = 0, region_vmas = 0;
	int err = 0;

	for (unsigned int op = 0; op < BLOCKS_OPS && !err; op++)
		err = blocks_rows(group, layout, raw, region, op);
	if (!err && !worker_run(raw, BLOCKS_VMAS, 0, &raw_vmas) &&
	    !worker_run(region, BLOCKS_VMAS, 0, &region_vmas))
		output_note(group->output, "kernel mappings: %u with the system calls, %u with the region",
			    (unsigned int)raw_vmas, (unsigned int)region_vmas);
	return err;
}

static int blocks_case(struct group_context *group, unsigned int count, enum recipe recipe)
{
	struct blocks_layout layout = { .size = BLOCK_SIZE, .count = count, .recipe = recipe };
	struct worker_job raw_job = { blocks_raw_prepare, blocks_raw_run, &layout };
	struct worker_job region_job = { blocks_region_prepare, blocks_region_run, &layout };
	struct worker raw, region;
	int err = worker_start(&raw, &raw_job);

	if (err) {
		/* A kernel without memory policies. */
		if (err == -ENOSYS || err == -EPERM)
			output_note(group->output, "%s: not measured, error %d", recipe_names[recipe], -err);
		return err == -ENOSYS || err == -EPERM ? 0 : err;
	}
	err = worker_start(&region, &region_job);
	if (err) {
		fprintf(stderr, "vasbench: region, %u blocks: error %d\n", count, -err);
	} else {
		err = blocks_measure(group, &layout, &raw, &region);
		worker_stop(&region);
	}
	worker_stop(&raw);
	return err;
}

int bench_blocks(struct group_context *group)
{
	static const unsigned int counts[] = { 100, 1000, 10000, 30000 };
	int err = 0;

	for (unsigned int recipe = 0; recipe < RECIPES && !err; recipe++)
		for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]) && !err; i++)
			err = blocks_case(group, counts[i], recipe);
	return err;
}
