/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Medians of interleaved rounds.
 *
 * What for: these machines are shared; a mean, or one contender after the
 * other, measures the neighbours. In each round every contender runs one
 * batch, beginning with another one each time, and ratios are taken within a
 * round before their median is.
 *
 * Not here: what is measured (claims.c, near.c ...), and how it is shown (output.c).
 */
#include "measure.h"

#include <stdlib.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

static int run_once(const struct contender *contender, double *ns)
{
	uint64_t start = now_ns();
	int err = contender->run(contender->context, contender->batch);

	*ns = (double)(contender->spent ? *contender->spent : now_ns() - start) / contender->batch;
	return err;
}

int measure(struct contender *contenders, unsigned int count, unsigned int rounds,
	    unsigned int *failed)
{
	static double times[MEASURE_CONTENDERS][MEASURE_ROUNDS_MAX];
	static double ratios[MEASURE_ROUNDS_MAX];
	double ignored;

	for (unsigned int i = 0; i < count; i++) { /* warm-up */
		int err = run_once(&contenders[i], &ignored);

		if (err) {
			*failed = i;
			return err;
		}
	}
	for (unsigned int round = 0; round < rounds; round++)
		for (unsigned int k = 0; k < count; k++) {
			unsigned int i = (k + round) % count; /* no contender always follows the same one */
			int err = run_once(&contenders[i], &times[i][round]);

			if (err) {
				*failed = i;
				return err;
			}
		}
	for (unsigned int i = 0; i < count; i++) {
		const double *base = times[contenders[i].base];

		for (unsigned int round = 0; round < rounds; round++)
			ratios[round] = times[i][round] / base[round];
		contenders[i].ratio = median(ratios, rounds);
		for (unsigned int round = 0; round < rounds; round++)
			ratios[round] = times[i][round] - contenders[i].bound * base[round];
		contenders[i].over = median(ratios, rounds);
	}
	for (unsigned int i = 0; i < count; i++) {
		contenders[i].ns = median(times[i], rounds);
		contenders[i].low = times[i][rounds / 4];
		contenders[i].high = times[i][rounds - 1 - rounds / 4];
	}
	return 0;
}
