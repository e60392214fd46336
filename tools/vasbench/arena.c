/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark "arena": its groups in order. */
#include "arena.h"

#define PART(name, function, index)                                                                \
	static int name(struct group_context *group)                                               \
	{                                                                                          \
		return function(group, index);                                                     \
	}

PART(grow_64k, bench_grow, 0)
PART(grow_2m, bench_grow, 1)
PART(grow_32m, bench_grow, 2)
PART(grow_pool_2m, bench_grow, 3)
PART(grow_pool_32m, bench_grow, 4)
PART(walk_1g, bench_walk, 0)
PART(walk_2g, bench_walk, 1)
PART(replace_base, bench_replace, 0)
PART(replace_huge, bench_replace, 1)

static const struct group_part parts[] = {
	{ "grow-64K", grow_64k },
	{ "grow-2M", grow_2m },
	{ "grow-32M", grow_32m },
	{ "grow-pool-2M", grow_pool_2m },
	{ "grow-pool-32M", grow_pool_32m },
	{ "walk-1G", walk_1g },
	{ "walk-2G", walk_2g },
	{ "replace-base", replace_base },
	{ "replace-huge", replace_huge },
};

int bench_arena(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };

	return group_parts(&group, "arena", parts, sizeof(parts) / sizeof(parts[0]));
}
