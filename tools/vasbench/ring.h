/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VASBENCH_RING_H
#define VASBENCH_RING_H

#include "output.h"

/* The benchmark "ring": records in rings beside linear buffers and rings of two parts. */
int bench_ring(struct output *output, unsigned int rounds);

#endif
