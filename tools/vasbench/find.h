/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VASBENCH_FIND_H
#define VASBENCH_FIND_H

#include "output.h"

/* The benchmark "find": finding and claiming, near an anchor, owner look-up, combining. */
int bench_find(struct output *output, unsigned int rounds);

#endif
