/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark "region": its groups in order, their contenders in processes of their own. */
#include "region.h"

static const struct group_part parts[] = {
	{ "blocks", bench_blocks },
	{ "warm", bench_warm },
	{ "limit", bench_limit },
	{ "churn", bench_churn },
};

int bench_region(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };

	return group_parts(&group, "region", parts, sizeof(parts) / sizeof(parts[0]));
}
