/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is asked of the block allocator in each part of "alloc", and who else takes part. Bounds are
 * ratios to the yardstick, or to the best of others, in the same run.
 */
#include <stdio.h>

#include "alloc.h"

#define GIB	 (1ull << 30)
#define COUNT(a) ((unsigned int)(sizeof(a) / sizeof((a)[0])))

/* Many blocks, of which random ones are replaced. Slow allocators have up to 20,000. */
int alloc_part_random(struct group_context *group)
{
	static const struct {
		const char *name;
		struct alloc_case shape;
		double bound;
	} cases[] = {
		{ "random replace, 1,000 live", { .live = 1000, .span = 64 * GIB }, 0.5 },
		{ "random replace, 20,000 live", { .live = 20000, .span = 64 * GIB }, 0.5 },
		{ "random replace, 100,000 live", { .live = 100000, .span = 64 * GIB }, 0.7 },
		{ "random replace, 200,000 live", { .live = 200000, .span = 256 * GIB }, 0.6 },
	};
	unsigned int count = group->output->quick ? 1 : COUNT(cases);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		const struct alloc_case *shape = &cases[i].shape;
		const struct alloc_row rows[] = {
			{ .kind = &alloc_yardstick, .shape = shape },
			{ .kind = &alloc_blocks, .shape = shape, .bound = cases[i].bound },
			{ .kind = &alloc_region, .shape = shape },
			{ .kind = &alloc_null, .shape = shape },
			{ .kind = &alloc_jemalloc_cached, .shape = shape },
			{ .kind = &alloc_jemalloc, .shape = shape },
			{ .kind = &alloc_mimalloc, .shape = shape },
			{ .kind = &alloc_malloc, .shape = shape },
			{ .kind = &alloc_mmap, .shape = shape },
			{ .kind = &alloc_asmjit, .shape = shape },
		};

		err = alloc_group(group, cases[i].name, rows, i < 2 ? COUNT(rows) : 6, NULL);
	}
	return err;
}

int alloc_part_aligned(struct group_context *group)
{
	static const struct {
		const char *name;
		struct alloc_case shape;
	} cases[] = {
		{ "mixed alignments, 1,000 live",
		  { .live = 1000, .span = 64 * GIB, .mixed = true } },
		{ "mixed alignments, 20,000 live",
		  { .live = 20000, .span = 64 * GIB, .mixed = true } },
		{ "mixed alignments, 200,000 live",
		  { .live = 200000, .span = 512 * GIB, .mixed = true } },
	};
	unsigned int count = group->output->quick ? 1 : COUNT(cases);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		const struct alloc_case *shape = &cases[i].shape;
		const struct alloc_row rows[] = {
			{ .kind = &alloc_yardstick, .shape = shape },
			{ .kind = &alloc_blocks, .shape = shape, .bound = 1 },
			{ .kind = &alloc_region, .shape = shape },
			{ .kind = &alloc_null, .shape = shape },
			{ .kind = &alloc_jemalloc_cached, .shape = shape },
			{ .kind = &alloc_jemalloc, .shape = shape },
		};

		err = alloc_group(group, cases[i].name, rows, COUNT(rows), NULL);
	}
	return err;
}

/* Beside the best of the rows from first on that were measured. */
static void best_figure(struct group_context *group, const char *name,
			const struct contender *results, unsigned int count)
{
	const struct contender *best = &results[0];
	struct figure figure = { .unit = "of the best other's time", .at_most = 0.5 };
	char text[64];

	for (unsigned int i = 4; i < count; i++) /* after blocks, region and null */
		if (results[i].ns > 0 && results[i].ns < best->ns)
			best = &results[i];
	snprintf(text, sizeof(text), "blocks, to %s", best->name);
	figure.name = text;
	figure.value = results[1].ns / best->ns;
	output_figure(group->output, name, &figure);
}

/* A few blocks that come and go in order, while many others stay. */
int alloc_part_order(struct group_context *group)
{
	static const struct {
		const char *name;
		enum alloc_shape shape;
	} cases[] = {
		{ "last in, first out, 256 deep", ALLOC_LIFO },
		{ "first in, first out, 256 deep", ALLOC_FIFO },
		{ "freed at once", ALLOC_PAIR },
	};
	int err = 0;

	for (unsigned int i = 0; i < COUNT(cases) && !err; i++) {
		const struct alloc_case shape = { cases[i].shape,
						  .live = group->output->quick ? 1000 : 20000,
						  .span = 64 * GIB };
		const struct alloc_row rows[] = {
			{ .kind = &alloc_yardstick, .shape = &shape },
			{ .kind = &alloc_blocks, .shape = &shape },
			{ .kind = &alloc_region, .shape = &shape },
			{ .kind = &alloc_null, .shape = &shape },
			{ .kind = &alloc_jemalloc_cached, .shape = &shape },
			{ .kind = &alloc_jemalloc, .shape = &shape },
			{ .kind = &alloc_mimalloc, .shape = &shape },
			{ .kind = &alloc_malloc, .shape = &shape },
			{ .kind = &alloc_mmap, .shape = &shape },
			{ .kind = &alloc_asmjit, .shape = &shape },
		};
		struct contender results[COUNT(rows)];

		err = alloc_group(group, cases[i].name, rows, COUNT(rows), results);
		if (!err)
			best_figure(group, cases[i].name, results, COUNT(rows));
	}
	return err;
}

/*
 * Each block in a window of its own. The yardstick knows none and takes any place. The one
 * allocator that takes windows and is known to be fast needs 15 times as long; an eighth of that
 * is the bound.
 */
int alloc_part_windows(struct group_context *group)
{
	uint32_t live = group->output->quick ? 1000 : 20000;
	const struct alloc_case any = { .live = live, .span = 64 * GIB };
	const struct alloc_case even = { .live = live, .span = 64 * GIB, .window = 8 * GIB };
	const struct alloc_case uneven = {
		.live = live, .span = 64 * GIB, .window = 8 * GIB, .uneven = true
	};
	const struct alloc_case narrow = {
		.live = live, .span = 64 * GIB, .window = GIB / 4, .uneven = true
	};
	const struct alloc_row rows[] = {
		{ .kind = &alloc_yardstick, .shape = &any, .name = "yardstick, without windows" },
		{ .kind = &alloc_blocks,
		  .shape = &even,
		  .name = "blocks, 8 GiB, one after the other",
		  .bound = 1.86 },
		{ .kind = &alloc_blocks,
		  .shape = &uneven,
		  .name = "blocks, 8 GiB from anywhere",
		  .bound = 1.86 },
		{ .kind = &alloc_blocks,
		  .shape = &narrow,
		  .name = "blocks, 256 MiB from anywhere" },
		{ .kind = &alloc_region,
		  .shape = &even,
		  .name = "region, 8 GiB, one after the other" },
		{ .kind = &alloc_region, .shape = &uneven, .name = "region, 8 GiB from anywhere" },
	};

	return alloc_group(group, "windows", rows, COUNT(rows), NULL);
}

/* What each of two threads needs for a pair, beside one that is alone. */
static double shared_cost(const struct contender *alone, const struct contender *both)
{
	return 2 * both->ns / alone->ns;
}

/* The same for threads that share an allocator, and how much of it the machine costs any two threads. */
static void shared_figures(struct group_context *group, const char *name, const char *what,
			   double machine, double cost)
{
	struct figure plain = { what, cost, "of one alone, each thread", 0, 0 };
	struct figure beside = { what, cost / machine, "of what sharing nothing costs", 1.3, 0 };

	output_figure(group->output, name, &plain);
	output_figure(group->output, name, &beside);
}

static int threads_group(struct group_context *group, const char *name, enum alloc_shape shape)
{
	const struct alloc_case alone = { shape, .live = group->output->quick ? 1000 : 20000,
					  .span = 64 * GIB };
	struct alloc_case both = alone;
	const struct alloc_row rows[] = {
		{ .kind = &alloc_yardstick, .shape = &alone, .name = "yardstick, one thread" },
		{ .kind = &alloc_yardstick_each, .shape = &both },
		{ .kind = &alloc_yardstick_mutex, .shape = &both },
		{ .kind = &alloc_yardstick_spin, .shape = &both },
		{ .kind = &alloc_blocks, .shape = &alone, .name = "blocks, one thread" },
		{ .kind = &alloc_blocks, .shape = &both, .name = "blocks, two" },
		{ .kind = &alloc_region, .shape = &alone, .name = "region, one thread" },
		{ .kind = &alloc_region, .shape = &both, .name = "region, two" },
		{ .kind = &alloc_jemalloc_cached, .shape = &both },
		{ .kind = &alloc_jemalloc, .shape = &both },
		{ .kind = &alloc_mimalloc, .shape = &both },
		{ .kind = &alloc_malloc, .shape = &both },
	};
	struct figure jemalloc = { "blocks, two, to jemalloc's arena, cached", 0, "of its time",
				   0.333, 0 };
	struct figure machine = { "yardsticks, one each", 0, "of one alone, each thread", 0, 0 };
	struct contender results[COUNT(rows)];
	int err;

	both.threads = 2;
	err = alloc_group(group, name, rows, shape == ALLOC_BURST ? 9 : COUNT(rows), results);
	if (err)
		return err;
	machine.value = shared_cost(&results[0], &results[1]);
	output_figure(group->output, name, &machine);
	shared_figures(group, name, "blocks", machine.value, shared_cost(&results[4], &results[5]));
	shared_figures(group, name, "region", machine.value, shared_cost(&results[6], &results[7]));
	if (results[8].ns > 0) {
		jemalloc.value = results[5].ns / results[8].ns;
		output_figure(group->output, name, &jemalloc);
	}
	return 0;
}

/* Times are of a pair of all threads together: half of what each needs. */
int alloc_part_threads(struct group_context *group)
{
	int err = threads_group(group, "two threads, random replace", ALLOC_REPLACE);

	if (err)
		return err;
	return threads_group(group, "two threads, half of all freed, then allocated", ALLOC_BURST);
}
