/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load that several threads share.
 *
 * What for: two threads that wait for each other are slow together. On a machine that others
 * use, though, they often do not run at the same time, and look as if each were alone.
 *
 * How: each thread writes down when each of its batches began and ended, and whether it was
 * stopped for another program since the one before. Afterwards a batch of the first thread
 * counts if, at its middle, the other was in a batch too and neither was stopped. Their rates
 * together give the time of a pair; the median of those is told. Between two batches a thread
 * draws requests, which leaves the other alone for about a tenth of the time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "alloc_load.h"

#define LOG_MOST 32768u
#define RUN_NS	 300000000u
#define FEWEST	 8u /* batches that ran beside another one, or it is no figure */

struct alloc_log {
	struct {
		uint64_t start;
		uint64_t end;
		long stops; /* so far */
	} batches[LOG_MOST];
	unsigned int count;
};

static long stops(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static void *thread_run(void *context)
{
	struct alloc_thread *thread = context;
	struct alloc_load *load = thread->load;
	struct alloc_log *log = thread->log;
	uint64_t start;

	pthread_barrier_wait(&load->barrier);
	start = now_ns();
	for (log->count = 0;
	     log->count < LOG_MOST && !__atomic_load_n(&load->ended, __ATOMIC_RELAXED);
	     log->count++) {
		alloc_batch_draw(thread);
		log->batches[log->count].start = now_ns();
		alloc_batch_run(thread);
		log->batches[log->count].end = now_ns();
		log->batches[log->count].stops = stops();
		if (log->batches[log->count].end - start > RUN_NS)
			break;
	}
	__atomic_store_n(&load->ended, true, __ATOMIC_RELAXED);
	return NULL;
}

static bool undisturbed(const struct alloc_log *log, unsigned int i)
{
	return i > 0 && log->batches[i].stops == log->batches[i - 1].stops;
}

/* Of the batches of one thread that ran beside one of the other, what a pair of both took. */
static unsigned int beside(const struct alloc_log *one, const struct alloc_log *other,
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

static int threads_prepare(struct alloc_load *load)
{
	for (unsigned int i = 0; i < ALLOC_THREADS; i++) {
		struct alloc_thread *thread = &load->threads[i];

		if (!thread->log)
			thread->log = calloc(1, sizeof(*thread->log));
		if (!thread->log)
			return -ENOMEM;
	}
	load->ended = false;
	return -pthread_barrier_init(&load->barrier, NULL, ALLOC_THREADS);
}

static int threads_run(struct alloc_load *load)
{
	struct alloc_thread *threads = load->threads;
	int err = threads_prepare(load);

	if (!err)
		err = -pthread_create(&threads[0].thread, NULL, thread_run, &threads[0]);
	if (err)
		return err;
	thread_run(&threads[1]);
	pthread_join(threads[0].thread, NULL);
	pthread_barrier_destroy(&load->barrier);
	return threads[0].err || threads[1].err ? -EIO : 0;
}

int alloc_load_threads(struct alloc_load *load, double *ns)
{
	static double samples[LOG_MOST];
	const struct alloc_log *one, *other;
	unsigned int count = 0;
	int err = 0;

	/* Where others take the processors, it may need some time until both run. */
	for (unsigned int tries = 0; count < FEWEST && tries < 4 && !err; tries++) {
		err = threads_run(load);
		one = load->threads[0].log;
		other = load->threads[1].log;
		if (!err)
			count = beside(one, other, false, samples);
	}
	if (err)
		return err;
	if (count < FEWEST) /* slow batches on a busy machine: all are stopped now and then */
		count = beside(one, other, true, samples);
	if (count == 0)
		return -EAGAIN;
	*ns = median(samples, count) / load->batch;
	return 0;
}
