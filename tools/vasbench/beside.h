/* SPDX-License-Identifier: BSD-2-Clause */
/* What two threads do at the same time, timed: see beside.c. */
#ifndef VASBENCH_BESIDE_H
#define VASBENCH_BESIDE_H

#include <pthread.h>
#include <stdbool.h>

#define BESIDE_SIDES 2

struct beside_log;

/* One thread: what it runs, and what has to be done before each batch and is not timed (may be NULL). */
struct beside_side {
	void *context;
	void (*prepare)(void *context);
	int (*run)(void *context); /* one batch; 0 or a negative errno */
	/* Of beside_measure, kept for the next call: */
	struct beside_log *log;
	pthread_t thread;
	struct beside *beside;
	int err;
};

/*
 * The time for one batch of a side, less the more of them work side by side: of two that run at their own speed, half.
 * count is 1 or 2. A negative errno; -EAGAIN: they never ran side by side.
 */
int beside_measure(struct beside_side *sides, unsigned int count, double *ns);

#endif
