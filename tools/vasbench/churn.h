/* SPDX-License-Identifier: BSD-2-Clause */
/* A process whose malloc is jemalloc, over a region or over mmap, that allocates and frees at random. */
#ifndef VASBENCH_CHURN_H
#define VASBENCH_CHURN_H

#include "worker.h"

/* Where extents come from. */
enum churn_source {
	CHURN_MMAP, /* jemalloc's own hooks */
	CHURN_KEEP, /* a region; jemalloc keeps what it has (see examples/jemalloc_hooks.h) */
	CHURN_GIVE, /* a region; jemalloc gives back what it has no use for */
	CHURN_CACHE, /* the same, and the region keeps it warm */
	CHURN_SOURCES
};

#define CHURN_OP 0u /* one free and one allocation, written to */
#define CHURN_VMAS 1u /* not timed: the most kernel mappings seen, less those before the first allocation */
#define CHURN_BYTES 2u /* not timed: bytes that are allocated */

/* Starts it. settings: of MALLOC_CONF. -ENOPKG: there is no jemalloc here. */
int churn_start(struct worker *worker, enum churn_source source, const char *settings);
/* The main function of that process; argument: the source's number. */
int churn_main(const char *argument);

#endif
