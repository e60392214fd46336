/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vasbench NAME [--json] [--rounds N]: measures the library against the raw
 * system calls. Medians of interleaved rounds and ratios within one run; see
 * docs/performance.md for recorded results.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vaspace/vaspace.h>

#include "find.h"

static const struct {
	const char *name;
	int (*run)(struct output *output, unsigned int rounds);
	const char *what;
} benchmarks[] = {
	{ "find", bench_find, "finding and claiming, near, owner look-up, combining, vasmap" },
};

#define BENCHMARKS (sizeof(benchmarks) / sizeof(benchmarks[0]))

static int usage(FILE *to, int status)
{
	fprintf(to, "usage: vasbench NAME [--json] [--rounds N]\n"
		    "Each contender's median over N interleaved rounds (odd, default 41), and its\n"
		    "ratio to the first of its group. NAME is one of:\n");
	for (size_t i = 0; i < BENCHMARKS; i++)
		fprintf(to, "  %-8s %s\n", benchmarks[i].name, benchmarks[i].what);
	return status;
}

static int run(const char *name, struct output *output, unsigned int rounds)
{
	for (size_t i = 0; i < BENCHMARKS; i++)
		if (strcmp(name, benchmarks[i].name) == 0)
			return benchmarks[i].run(output, rounds) ? 2 : 0;
	fprintf(stderr, "vasbench: no benchmark is called %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	struct output output = { false, 0, 0 };
	const char *name = NULL;
	unsigned int rounds = 41;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			output.json = true;
		} else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
			rounds = (unsigned int)strtoul(argv[++i], NULL, 10) | 1;
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
