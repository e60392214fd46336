/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vasbench NAME [--json] [--rounds N] [--only PART] [--quick] [--bounds]: measures the library against
 * the raw system calls and against other allocators. Medians of interleaved rounds and ratios
 * within one run; see docs/performance.md for recorded results.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vaspace/vaspace.h>

#include "alloc.h"
#include "arena.h"
#include "churn.h"
#include "find.h"
#include "region.h"
#include "ring.h"

static const struct {
	const char *name;
	int (*run)(struct output *output, unsigned int rounds);
	unsigned int rounds; /* when none are asked for */
	const char *what;
} benchmarks[] = {
	{ "find", bench_find, 41, "finding and claiming, near, owner look-up, combining, vasmap" },
	{ "region", bench_region, 41, "blocks against raw calls, the cache, the VMA limit, jemalloc" },
	{ "ops", bench_ops, 41, "operations on a region, to be counted under callgrind" },
	{ "alloc", bench_alloc, 11, "the block allocator against a yardstick and others" },
	{ "ring", bench_ring, 21, "records in rings against linear buffers and rings of two parts" },
	{ "arena", bench_arena, 11, "arenas that grow, against mapping anew; what their pages are worth" },
};

#define BENCHMARKS (sizeof(benchmarks) / sizeof(benchmarks[0]))

static int usage(FILE *to, int status)
{
	fprintf(to,
		"usage: vasbench NAME [--json] [--rounds N] [--only PART] [--quick]\n"
		"                    [--bounds] [--instructions]\n"
		"Each contender's median over N interleaved rounds (odd), and its ratio to the\n"
		"first of its group. PART, of region: blocks, warm, limit or churn; of alloc:\n"
		"random, aligned, order, windows, threads, delay, packing or books; of arena:\n"
		"grow, walk or replace, or one group of these: grow-64K, -2M, -32M, -pool-2M\n"
		"or -pool-32M, walk-1G or -2G, replace-base or -huge; of ring: records, queues\n"
		"or kinds. With --quick, alloc, ring and arena measure their smallest cases only;\n"
		"with --bounds, arena leaves out what no bound is about;\n"
		"with --instructions, alloc has valgrind count instructions instead.\n"
		"NAME is one of:\n");
	for (size_t i = 0; i < BENCHMARKS; i++)
		fprintf(to, "  %-8s %s\n", benchmarks[i].name, benchmarks[i].what);
	return status;
}

static int run(const char *name, struct output *output, unsigned int rounds)
{
	for (size_t i = 0; i < BENCHMARKS; i++)
		if (strcmp(name, benchmarks[i].name) == 0)
			return benchmarks[i].run(output, rounds ? rounds : benchmarks[i].rounds) ?
				       2 :
				       0;
	fprintf(stderr, "vasbench: no benchmark is called %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	struct output output = { .json = false };
	const char *name = NULL;
	unsigned int rounds = 0;

	/* Processes that "region" and "alloc" start; not for people. */
	if (argc == 3 && strcmp(argv[1], "--churn") == 0)
		return churn_main(argv[2]);
	if (argc == 4 && strcmp(argv[1], "--alloc-worker") == 0)
		return alloc_worker_main(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "--alloc-count") == 0)
		return alloc_count_main(argv[2], argv[3]);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			output.json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			output.quick = true;
		} else if (strcmp(argv[i], "--bounds") == 0) {
			output.bounds = true;
		} else if (strcmp(argv[i], "--instructions") == 0) {
			output.instructions = true;
		} else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
			rounds = (unsigned int)strtoul(argv[++i], NULL, 10) | 1;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			output.only = argv[++i];
		} else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			return usage(stdout, 0);
		} else if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
			printf("vasbench %d.%d.%d\n", VAS_VERSION_MAJOR, VAS_VERSION_MINOR,
			       VAS_VERSION_PATCH);
			return 0;
		} else if (argv[i][0] == '-' || name) {
			return usage(stderr, 2);
		} else {
			name = argv[i];
		}
	}
	if (!name || rounds > MEASURE_ROUNDS_MAX)
		return usage(stderr, 2);
	return run(name, &output, rounds);
}
