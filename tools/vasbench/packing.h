/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of a span an allocator can use. The same seed gives the same answer. */
#ifndef VASBENCH_PACKING_H
#define VASBENCH_PACKING_H

#include "alloc.h"

#define PACKING_SPAN (1ull << 30)

/* Shares of the span's bytes that are in blocks as they were requested, in percent. */
struct packing {
	double fill; /* when a request was refused for the first time, from empty */
	double survived; /* replacements at 90 % before a request was refused */
	double saturated; /* mean, when every request is served by freeing others */
};

/* requests: of those that are served by freeing others, after half as many that do not count. */
int packing_measure(const struct alloc_kind *kind, bool aligned, uint64_t seed, uint64_t requests,
		    struct packing *packing);

#endif
