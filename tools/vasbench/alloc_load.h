/* SPDX-License-Identifier: BSD-2-Clause */
/* A load: one allocator, and the threads that put it through a case. */
#ifndef VASBENCH_ALLOC_LOAD_H
#define VASBENCH_ALLOC_LOAD_H


#include "alloc.h"
#include "alloc_sizes.h"

#define ALLOC_BATCH	   256u
#define ALLOC_BATCHES_MOST 8192u
#define ALLOC_THREADS	   2u

struct alloc_delays;

struct alloc_thread {
	struct alloc_load *load;
	struct alloc_item *items;
	uint32_t live;
	uint64_t random;
	uint64_t failed;
	uint64_t tried;
	int err;
	uint32_t *slots; /* of a batch: which item is replaced */
	struct alloc_request *requests;
	double times[ALLOC_BATCHES_MOST];
};

struct alloc_load {
	const struct alloc_kind *kind;
	struct alloc_case shape;
	struct alloc_space space;
	uint32_t sizes[ALLOC_SIZES];
	uint32_t batch; /* pairs */
	struct alloc_delays *delays;
	struct alloc_thread threads[ALLOC_THREADS];
};

/* Ready to run, with its blocks in random places. The process ends with it. */
int alloc_load_open(const struct alloc_kind *kind, const struct alloc_case *shape,
		    struct alloc_load **load);
/* As struct worker_job wants it; context is a load. */
int alloc_load_run(void *context, unsigned int op, unsigned int count, uint64_t *spent);
/* Pairs that one round of this case takes. */
unsigned int alloc_load_pairs(const struct alloc_case *shape);
unsigned int alloc_load_batch(const struct alloc_case *shape); /* pairs that are timed as a whole */

/* The parts of a batch: what is asked, and asking it. */
void alloc_batch_draw(struct alloc_thread *thread);
void alloc_batch_run(struct alloc_thread *thread);

/* What two threads together need for a pair. */
int alloc_load_threads(struct alloc_load *load, double *ns);
/* The operations DELAYS, P99 and P999, on one thread; see alloc_delay.c. */
int alloc_load_delays(struct alloc_load *load, unsigned int op, uint64_t *spent);

#endif
