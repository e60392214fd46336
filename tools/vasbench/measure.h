/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timing by medians of interleaved rounds: in each round every contender runs
 * one batch, so that drift of the machine hits all alike; what is reported is
 * each contender's median and the median of its per-round ratio to the first.
 */
#ifndef VASBENCH_MEASURE_H
#define VASBENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#define MEASURE_CONTENDERS 12
#define MEASURE_ROUNDS_MAX 401

struct contender {
	const char *name;
	/* Runs count operations; returns 0 or a negative errno, which ends the measurement. */
	int (*run)(void *context, unsigned int count);
	void *context;
	unsigned int batch; /* operations a round */
	unsigned int base; /* the contender that it is compared with, the first as a rule */
	double bound; /* ratio to that one that must not be exceeded; 0 = none */
	double slack_ns; /* and so much more than that is allowed */
	double bound_ns; /* time that must not be exceeded; 0 = none */
	/* Not NULL: run says here how long its batch took, for one that has more to do than to be timed. */
	const uint64_t *spent;
	/* Results: */
	double ns; /* median, per operation */
	double ratio; /* median of per-round ratios to the base */
	double over; /* median of ns beyond bound times the base's in the same round */
	double low, high; /* quartiles of ns */
};

/* rounds is odd. 0, or the negative errno of a contender that failed (*failed is its index). */
int measure(struct contender *contenders, unsigned int count, unsigned int rounds,
	    unsigned int *failed);
double median(double *values, unsigned int count); /* sorts values */
uint64_t now_ns(void);
uint64_t cpu_ns(void); /* of this thread, the kernel's part included: what it waits for others is left out */

#endif
