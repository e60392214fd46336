/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark "arena": its groups in order. */
#include "arena.h"

#include <string.h>

static const struct {
	const char *name;
	int (*run)(struct group_context *group);
} parts[] = {
	{ "grow", bench_grow },
	{ "walk", bench_walk },
	{ "replace", bench_replace },
};

int bench_arena(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };
	int err = 0;

	output_begin(output, "arena", rounds);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++)
		if (!output->only || strcmp(output->only, parts[i].name) == 0)
			err = parts[i].run(&group);
	output_end(output);
	return err;
}
