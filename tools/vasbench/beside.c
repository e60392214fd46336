/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two threads side by side.
 *
 * What for: two threads that wait for each other are slow together. On a machine that others
 * use, though, they often do not run at the same time, and look as if each were alone.
 *
 * How: each thread writes down when each of its batches began and ended, and whether it was
 * stopped for another program since the one before. Afterwards a batch of the first thread
 * counts if, at its middle, the other was in a batch too and neither was stopped. Their rates
 * together give the time of a batch; the median of those is told. Of a thread alone, the batches count in
 * which it was not stopped. Between two batches a thread prepares the next, which leaves the other alone
 * for that long.
 */
#include "beside.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "measure.h"

#define LOG_MOST 32768u
#define RUN_NS	 300000000u
#define FEWEST	 8u /* batches that ran beside another one, or it is no figure */
#define TRIES	 4u

struct beside_log {
	struct {
		uint64_t start;
		uint64_t end;
		long stops; /* so far */
	} batches[LOG_MOST];
	unsigned int count;
};

struct beside {
	pthread_barrier_t barrier;
	bool ended; /* a thread is done: the other ends too (atomic) */
};

static long stops(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static void *side_run(void *context)
{
	struct beside_side *side = context;
	struct beside_log *log = side->log;
	bool *ended = &side->beside->ended;
	uint64_t start;

	pthread_barrier_wait(&side->beside->barrier);
	start = now_ns();
	for (log->count = 0; log->count < LOG_MOST && !__atomic_load_n(ended, __ATOMIC_RELAXED);
	     log->count++) {
		if (side->prepare)
			side->prepare(side->context);
		log->batches[log->count].start = now_ns();
		side->err = side->run(side->context);
		log->batches[log->count].end = now_ns();
		log->batches[log->count].stops = stops();
		if (side->err || log->batches[log->count].end - start > RUN_NS)
			break;
	}
	__atomic_store_n(ended, true, __ATOMIC_RELAXED);
	return NULL;
}

static bool undisturbed(const struct beside_log *log, unsigned int i)
{
	return i > 0 && log->batches[i].stops == log->batches[i - 1].stops;
}

/* Of a thread alone. */
static unsigned int alone(const struct beside_log *one, bool stopped_too, double *samples)
{
	unsigned int count = 0;

	for (unsigned int i = 1; i < one->count; i++)
		if (stopped_too || undisturbed(one, i))
			samples[count++] = (double)(one->batches[i].end - one->batches[i].start);
	return count;
}

/* Of the batches of one thread that ran beside one of the other, what a batch of both took. */
static unsigned int together(const struct beside_log *one, const struct beside_log *other,
			     bool stopped_too, double *samples)
{
	unsigned int count = 0, k = 0;

	for (unsigned int i = 1; i < one->count; i++) {
		uint64_t start = one->batches[i].start, end = one->batches[i].end;
		uint64_t middle = start + (end - start) / 2;
		double a, b;

		while (k < other->count && other->batches[k].end <= middle)
			k++;
		if (k == other->count)
			break;
		if (other->batches[k].start > middle)
			continue;
		if (!stopped_too && !(undisturbed(one, i) && undisturbed(other, k)))
			continue;
		a = (double)(end - start);
		b = (double)(other->batches[k].end - other->batches[k].start);
		samples[count++] = a * b / (a + b);
	}
	return count;
}

static unsigned int sample(const struct beside_side *sides, unsigned int count, bool stopped_too,
			   double *samples)
{
	return count == 1 ? alone(sides[0].log, stopped_too, samples) :
			    together(sides[0].log, sides[1].log, stopped_too, samples);
}

static int sides_prepare(struct beside_side *sides, unsigned int count, struct beside *beside)
{
	for (unsigned int i = 0; i < count; i++) {
		sides[i].beside = beside;
		sides[i].err = 0;
		if (!sides[i].log)
			sides[i].log = calloc(1, sizeof(*sides[i].log));
		if (!sides[i].log)
			return -ENOMEM;
	}
	beside->ended = false;
	return -pthread_barrier_init(&beside->barrier, NULL, count);
}

static int sides_run(struct beside_side *sides, unsigned int count)
{
	struct beside beside;
	int err = sides_prepare(sides, count, &beside);

	if (!err && count == 2)
		err = -pthread_create(&sides[1].thread, NULL, side_run, &sides[1]);
	if (err)
		return err;
	side_run(&sides[0]);
	if (count == 2)
		pthread_join(sides[1].thread, NULL);
	pthread_barrier_destroy(&beside.barrier);
	return sides[0].err || count == 1 ? sides[0].err : sides[1].err;
}

int beside_measure(struct beside_side *sides, unsigned int count, double *ns)
{
	static double samples[LOG_MOST];
	unsigned int found = 0;
	int err = 0;

	/* Where others take the processors, it may need some time until both run. */
	for (unsigned int tries = 0; found < FEWEST && tries < TRIES && !err; tries++) {
		err = sides_run(sides, count);
		if (!err)
			found = sample(sides, count, false, samples);
	}
	if (err)
		return err;
	if (found < FEWEST) /* slow batches on a busy machine: all are stopped now and then */
		found = sample(sides, count, true, samples);
	if (found == 0)
		return -EAGAIN;
	*ns = median(samples, found);
	return 0;
}
