/* SPDX-License-Identifier: BSD-2-Clause */
/* What the groups of a benchmark are handed. */
#ifndef VASBENCH_GROUP_H
#define VASBENCH_GROUP_H

#include "output.h"

struct group_context {
	struct output *output;
	unsigned int rounds;
};

/* A benchmark's part, which --only can ask for; those of one kind begin with its name and a dash. */
struct group_part {
	const char *name;
	int (*run)(struct group_context *group);
};

/* Prints what all parts measure, or those that were asked for. -EINVAL, and why: none has that name. */
int group_parts(struct group_context *group, const char *benchmark, const struct group_part *parts,
		unsigned int count);

/* Runs a measurement in a child of its own and takes over the rows that it counted. */
int group_in_child(struct group_context *group, int (*function)(void *), void *context);

#endif
