/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VASBENCH_REGION_H
#define VASBENCH_REGION_H

#include "group.h"

/* The benchmark "region": blocks against the raw calls, the cache, the limit of mappings, jemalloc. */
int bench_region(struct output *output, unsigned int rounds);
/* Operations to count the instructions of; see region_ops.c. */
int bench_ops(struct output *output, unsigned int rounds);

int bench_blocks(struct group_context *group); /* region_blocks.c: commit, decommit, free */
int bench_warm(struct group_context *group); /* region_warm.c: the cache of committed memory */
int bench_limit(struct group_context *group); /* region_limit.c: free at the limit of mappings */
int bench_churn(struct group_context *group); /* region_churn.c: jemalloc over a region */

#endif
