/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What needs no clock: how much of a span can be used, and how much memory the books take.
 */
#include <errno.h>
#include <stdio.h>

#include "alloc.h"
#include "alloc_spawn.h"
#include "packing.h"

#define GIB   (1ull << 30)
#define SEEDS 21u

/* Medians over the seeds. */
static int packing_medians(const struct alloc_kind *kind, bool aligned, uint64_t requests,
			   struct packing *packing)
{
	double fill[SEEDS], survived[SEEDS], saturated[SEEDS];

	for (unsigned int i = 0; i < SEEDS; i++) {
		int err = packing_measure(kind, aligned, i + 1, requests, packing);

		if (err)
			return err;
		fill[i] = packing->fill;
		survived[i] = packing->survived;
		saturated[i] = packing->saturated;
	}
	packing->fill = median(fill, SEEDS);
	packing->survived = median(survived, SEEDS);
	packing->saturated = median(saturated, SEEDS);
	return 0;
}

struct packing_row {
	struct group_context *group;
	const struct alloc_kind *kind;
	bool aligned;
	double at_least;
};

static int packing_row(void *context)
{
	const struct packing_row *row = context;
	struct output *output = row->group->output;
	const char *group = row->aligned ? "packing, aligned" : "packing";
	struct packing packing;
	char name[64];
	int err = packing_medians(row->kind, row->aligned, output->quick ? 2000 : 100000, &packing);

	if (err)
		return err;
	snprintf(name, sizeof(name), "%s, filled from empty", row->kind->name);
	output_figure(output, group, &(struct figure){ name, packing.fill, "%", 0, 0 });
	if (!row->aligned) {
		snprintf(name, sizeof(name), "%s, replaced at 90 %%", row->kind->name);
		output_figure(output, group,
			      &(struct figure){ name, packing.survived, "times", 0, 0 });
	}
	snprintf(name, sizeof(name), "%s, saturated", row->kind->name);
	output_figure(output, group,
		      &(struct figure){ name, packing.saturated, "%", 0,
					output->quick ? 0 : row->at_least });
	return 0;
}

int alloc_part_packing(struct group_context *group)
{
	struct packing_row rows[] = {
		{ group, &alloc_yardstick, false, 0 }, { group, &alloc_blocks, false, 89 },
		{ group, &alloc_region, false, 89 },   { group, &alloc_yardstick, true, 0 },
		{ group, &alloc_blocks, true, 64 },    { group, &alloc_region, true, 64 },
	};
	int err = 0;

	for (unsigned int i = 0; i < 6 && !err; i++) {
		if (i % 3 == 0)
			output_title(group->output, i ? "packing, aligned" : "packing");
		err = group_in_child(group, packing_row, &rows[i]);
		if (err)
			fprintf(stderr, "vasbench: packing: %s: error %d\n", rows[i].kind->name,
				-err);
	}
	return err;
}

/* Once it has been used for as many pairs as it has blocks, and more. */
static int books_of(const struct alloc_kind *kind, const struct alloc_case *shape, double *bytes)
{
	uint64_t books = 0, live = 0;
	struct worker worker;
	int err = alloc_spawn(&worker, kind, shape);

	if (err)
		return err;
	err = worker_run(&worker, ALLOC_OP_BOOKS, 0, &books);
	if (!err)
		err = worker_run(&worker, ALLOC_OP_LIVE, 0, &live);
	worker_stop(&worker);
	*bytes = live ? (double)books / (double)live : (double)books;
	return err;
}

int alloc_part_books(struct group_context *group)
{
	static const struct {
		const char *name;
		const struct alloc_kind *kind;
		struct alloc_case shape;
		double at_most;
	} rows[] = {
		{ "blocks, empty", &alloc_blocks, { .span = 64 * GIB }, 16384 + 2 * 512 },
		{ "region, empty", &alloc_region, { .span = 64 * GIB }, 16384 + 2 * 512 },
		{ "blocks, 1,000 live, each",
		  &alloc_blocks,
		  { .live = 1000, .span = 64 * GIB },
		  0 },
		{ "yardstick, 20,000 live, each",
		  &alloc_yardstick,
		  { .live = 20000, .span = 64 * GIB },
		  0 },
		{ "blocks, 20,000 live, each",
		  &alloc_blocks,
		  { .live = 20000, .span = 64 * GIB },
		  64 },
		{ "region, 20,000 live, each",
		  &alloc_region,
		  { .live = 20000, .span = 64 * GIB },
		  64 },
		{ "blocks, 200,000 live, each",
		  &alloc_blocks,
		  { .live = 200000, .span = 256 * GIB },
		  48 },
		{ "region, 200,000 live, each",
		  &alloc_region,
		  { .live = 200000, .span = 256 * GIB },
		  48 },
	};
	unsigned int count = group->output->quick ? 3 : sizeof(rows) / sizeof(rows[0]);

	output_title(group->output, "books");
	for (unsigned int i = 0; i < count; i++) {
		struct figure figure = { rows[i].name, 0, "bytes", rows[i].at_most, 0 };
		int err = books_of(rows[i].kind, &rows[i].shape, &figure.value);

		if (err) {
			fprintf(stderr, "vasbench: books: %s: error %d\n", rows[i].name, -err);
			return err;
		}
		output_figure(group->output, "books", &figure);
	}
	return 0;
}
