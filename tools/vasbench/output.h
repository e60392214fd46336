/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of results, as a table or as JSON ("schema":"vas.bench/1"). */
#ifndef VASBENCH_OUTPUT_H
#define VASBENCH_OUTPUT_H

#include <stdbool.h>

#include "measure.h"

struct output {
	bool json;
	bool quick; /* the smallest cases only */
	bool bounds; /* of arenas: only contenders that have a bound, and what they are compared with */
	bool instructions; /* counted instead of times */
	const char *only; /* a part of the benchmark, by name; NULL: all */
	unsigned int rows;
	unsigned int missed; /* rows beyond their bound */
};

void output_begin(struct output *output, const char *name, unsigned int rounds);
/* One group: the contenders of one measurement, compared with the first of them. */
void output_group(struct output *output, const char *group, const struct contender *contenders,
		  unsigned int count);
/* Something that is no time: after a group's rows, or after its title. */
struct figure {
	const char *name;
	double value;
	const char *unit;
	double at_most; /* 0: no bound */
	double at_least;
};
void output_figure(struct output *output, const char *group, const struct figure *figure);
void output_title(struct output *output, const char *group);
void output_note(struct output *output, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void output_end(struct output *output);

#endif
