/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VASBENCH_ARENA_H
#define VASBENCH_ARENA_H

#include "group.h"

/* The benchmark "arena": growing in place. */
int bench_arena(struct output *output, unsigned int rounds);

/* arena_grow.c */
int bench_grow(struct group_context *group);
uint64_t arena_pool_pages(void); /* of 2 MiB, free ones that nobody has set aside */

int bench_walk(struct group_context *group); /* arena_walk.c */
int bench_replace(struct group_context *group); /* arena_replace.c */

#endif
