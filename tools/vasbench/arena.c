/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark "arena": its groups in order. */
#include "arena.h"

static const struct group_part parts[] = {
	{ "grow", bench_grow },
	{ "walk", bench_walk },
	{ "replace", bench_replace },
};

int bench_arena(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };

	return group_parts(&group, "arena", parts, sizeof(parts) / sizeof(parts[0]));
}
