/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark "find": its groups in order, each in a child process so that
 * one's mappings and memories do not help or hurt the next.
 */
#include "find.h"

#include "claims.h"

int bench_find(struct output *output, unsigned int rounds)
{
	struct group_context group = { output, rounds };
	int (*const groups[])(struct group_context *) = { bench_claims, bench_near, bench_lookup,
							  bench_vasmap };
	int err = 0;

	output_begin(output, "find", rounds);
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]) && !err; i++)
		err = groups[i](&group);
	output_end(output);
	return err;
}
