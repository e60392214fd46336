/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark "region": its groups in order, their contenders in processes of their own. */
#include "region.h"

#include <string.h>

static const struct {
	const char *name;
	int (*run)(struct group_context *group);
} parts[] = {
	{ "blocks", bench_blocks },
	{ "warm", bench_warm },
	{ "limit", bench_limit },
	{ "churn", bench_churn },
};

int bench_region(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };
	int err = 0;

	output_begin(output, "region", rounds);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++)
		if (!output->only || strcmp(output->only, parts[i].name) == 0)
			err = parts[i].run(&group);
	output_end(output);
	return err;
}
