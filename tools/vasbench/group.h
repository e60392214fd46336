/* SPDX-License-Identifier: BSD-2-Clause */
/* What the groups of a benchmark are handed. */
#ifndef VASBENCH_GROUP_H
#define VASBENCH_GROUP_H

#include "output.h"

struct group_context {
	struct output *output;
	unsigned int rounds;
};

/* Runs a measurement in a child of its own and takes over the rows that it counted. */
int group_in_child(struct group_context *group, int (*function)(void *), void *context);

#endif
