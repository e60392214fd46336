/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VASBENCH_ARENA_H
#define VASBENCH_ARENA_H

#include "group.h"

/* The benchmark "arena": growing in place, walks, replacing. */
int bench_arena(struct output *output, unsigned int rounds);

/* Its parts, by their places in the tables of the files. */
int bench_grow(struct group_context *group, unsigned int index); /* arena_grow.c */
int bench_walk(struct group_context *group, unsigned int index); /* arena_walk.c */
int bench_replace(struct group_context *group, unsigned int index); /* arena_replace.c */

uint64_t arena_pool_pages(void); /* of 2 MiB, free ones that nobody has set aside */

#endif
