/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark "alloc": its parts, their cases, who takes part, and what is asked of whom.
 *
 * Every row is a worker process: its allocator has its own memory and is all that it has. Rows are
 * compared with the yardstick, which is the first row of each group.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "worker.h"

#define GIB (1ull << 30)

/* What a worker needs to make a load of. */
struct task {
	const struct alloc_kind *kind;
	const struct alloc_case *shape;
	struct alloc_load *load;
};

static int task_prepare(void *context)
{
	struct task *task = context;

	return alloc_load_open(task->kind, task->shape, &task->load);
}

static int task_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct task *task = context;

	return alloc_load_run(task->load, op, count, spent);
}

static int row_start(const struct alloc_row *row, const struct alloc_case *shape,
		     struct worker *worker)
{
	struct task task = { row->kind, shape, NULL };
	struct worker_job job = { task_prepare, task_run, &task };

	return worker_start(worker, &job);
}

static void row_note(struct group_context *group, const char *name, const struct worker *worker)
{
	uint64_t books, live, failed;

	if (worker_run(worker, ALLOC_OP_BOOKS, 0, &books) ||
	    worker_run(worker, ALLOC_OP_LIVE, 0, &live) ||
	    worker_run(worker, ALLOC_OP_FAILED, 0, &failed) || live == 0)
		return;
	if (failed)
		output_note(group->output, "%s: %.3f %% refused", name,
			    100.0 * (double)failed / (1 << 20));
	if (books)
		output_note(group->output, "%s: %.1f bytes of books for each of %u live blocks",
			    name, (double)books / (double)live, (unsigned int)live);
}

static int group_measure(struct group_context *group, const struct alloc_case *shape,
			 struct contender *contenders, unsigned int count)
{
	unsigned int failed = 0;
	int err = measure(contenders, count, group->rounds, &failed);

	if (err)
		fprintf(stderr, "vasbench: %s: %s: error %d\n", shape->name,
			contenders[failed].name, -err);
	else
		output_group(group->output, shape->name, contenders, count);
	return err;
}

int alloc_group(struct group_context *group, const struct alloc_case *shape,
		const struct alloc_row *rows, unsigned int count)
{
	struct worker workers[MEASURE_CONTENDERS];
	struct worker_row worker_rows[MEASURE_CONTENDERS];
	struct contender contenders[MEASURE_CONTENDERS];
	unsigned int started = 0;
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		err = row_start(&rows[i], shape, &workers[started]);
		if (err) {
			fprintf(stderr, "vasbench: %s: %s: error %d\n", shape->name,
				rows[i].kind->name, -err);
			continue;
		}
		worker_rows[started] =
			(struct worker_row){ &workers[started], ALLOC_OP_PAIRS, 0 };
		contenders[started] = (struct contender){
			rows[i].kind->name, worker_row_run, &worker_rows[started],
			.batch = alloc_load_pairs(shape), .bound = rows[i].bound,
			.spent = &worker_rows[started].spent
		};
		started++;
	}
	if (!err)
		err = group_measure(group, shape, contenders, started);
	for (unsigned int i = 0; i < started && !err; i++)
		row_note(group, contenders[i].name, &workers[i]);
	while (started-- > 0)
		worker_stop(&workers[started]);
	return err;
}

/* Many blocks, of which random ones are replaced; bound: what of the yardstick it may cost. */
static int part_random(struct group_context *group)
{
	static const struct alloc_case cases[] = {
		{ .name = "random replace, 1,000 live", .live = 1000, .span = 64 * GIB },
		{ .name = "random replace, 20,000 live", .live = 20000, .span = 64 * GIB },
		{ .name = "random replace, 100,000 live", .live = 100000, .span = 64 * GIB },
		{ .name = "random replace, 200,000 live", .live = 200000, .span = 256 * GIB },
	};
	static const double bounds[] = { 0.5, 0.5, 0.7, 0.6 };
	unsigned int count = group->output->quick ? 1 : sizeof(cases) / sizeof(cases[0]);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		const struct alloc_row rows[] = {
			{ &alloc_yardstick, 0 },
			{ &alloc_blocks, bounds[i] },
			{ &alloc_region, 0 },
			{ &alloc_null, 0 },
		};

		err = alloc_group(group, &cases[i], rows, sizeof(rows) / sizeof(rows[0]));
	}
	return err;
}

static int part_aligned(struct group_context *group)
{
	static const struct alloc_case cases[] = {
		{ .name = "mixed alignments, 1,000 live", .live = 1000, .span = 64 * GIB,
		  .mixed = true },
		{ .name = "mixed alignments, 20,000 live", .live = 20000, .span = 64 * GIB,
		  .mixed = true },
		{ .name = "mixed alignments, 200,000 live", .live = 200000, .span = 512 * GIB,
		  .mixed = true },
	};
	static const struct alloc_row rows[] = {
		{ &alloc_yardstick, 0 },
		{ &alloc_blocks, 1 },
		{ &alloc_region, 0 },
	};
	unsigned int count = group->output->quick ? 1 : sizeof(cases) / sizeof(cases[0]);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = alloc_group(group, &cases[i], rows, sizeof(rows) / sizeof(rows[0]));
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct group_context *group);
} parts[] = {
	{ "random", part_random },
	{ "aligned", part_aligned },
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

int bench_alloc(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };
	bool known = !output->only;
	int err = 0;

	for (unsigned int i = 0; i < PARTS && !known; i++)
		known = strcmp(output->only, parts[i].name) == 0;
	if (!known) {
		fprintf(stderr, "vasbench: alloc has no part %s\n", output->only);
		return -EINVAL;
	}
	output_begin(output, "alloc", rounds);
	for (unsigned int i = 0; i < PARTS && !err; i++)
		if (!output->only || strcmp(output->only, parts[i].name) == 0)
			err = parts[i].run(&group);
	output_end(output);
	return err;
}
