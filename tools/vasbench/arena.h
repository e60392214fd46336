/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VASBENCH_ARENA_H
#define VASBENCH_ARENA_H

#include "group.h"

/* The benchmark "arena": growing in place. */
int bench_arena(struct output *output, unsigned int rounds);

int bench_grow(struct group_context *group); /* arena_grow.c */

#endif
