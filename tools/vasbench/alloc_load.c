/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One allocator and what it is put through.
 *
 * How: requests are drawn before a batch of 256 pairs and timed as a whole, so
 * that neither the generator nor the clock is in the figure. A round
 * goes through as many pairs as it takes to have the books in the caches again, and
 * tells the median batch of the rest: a batch during which the thread was stopped does not count.
 * Sizes are log-uniform, 4 KiB to 4 MiB.
 *
 * Concurrency: the threads of a load share the allocator alone; each has its own blocks. Samples
 * are taken while all of them run. What is told then is the time that all together take for a pair.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "base/random.h"

#define BATCH	    256u
#define SIZES	    4096u
#define SIZE_STEP   1.00169344388 /* 1024^(1 / 4096) */
#define BATCHES_MOST 8192u
#define ROUND_NS    2000000000u /* no round of a slow allocator takes longer, but for one batch */
#define WARM_NS	    10000000000u
#define THREADS	    2u

struct worker_thread {
	struct alloc_load *load;
	struct alloc_item *items;
	uint32_t live;
	uint32_t oldest; /* FIFO */
	uint64_t random;
	uint64_t failed;
	uint64_t tried;
	unsigned int batches; /* to sample */
	double ns; /* median, per pair */
	int err;
	uint32_t *slots; /* of a batch */
	struct alloc_request *requests;
	double times[BATCHES_MOST];
	pthread_t thread;
};

struct alloc_load {
	const struct alloc_kind *kind;
	const struct alloc_case *shape;
	struct alloc_space space;
	uint32_t sizes[SIZES];
	uint32_t batch; /* pairs */
	uint32_t sampling; /* threads that are not done */
	pthread_barrier_t barrier;
	struct worker_thread threads[THREADS];
};

static unsigned int load_threads(const struct alloc_case *shape)
{
	return shape->threads ? shape->threads : 1;
}

static void sizes_init(struct alloc_load *load)
{
	double size = ALLOC_GRANULE;

	for (unsigned int i = 0; i < SIZES; i++) {
		load->sizes[i] = (uint32_t)size / ALLOC_GRANULE * ALLOC_GRANULE;
		size *= SIZE_STEP;
	}
}

static void draw_window(const struct alloc_load *load, struct worker_thread *thread,
			struct alloc_request *request)
{
	const struct alloc_case *shape = load->shape;
	uint64_t room = shape->span - shape->window;

	if (shape->uneven)
		request->min = vas_random_below(&thread->random, room);
	else
		request->min = vas_random_below(&thread->random, shape->span / shape->window) *
			       shape->window;
	request->max = request->min + shape->window;
}

static void draw(struct worker_thread *thread, struct alloc_request *request)
{
	static const uint32_t alignments[] = { 4096, 65536, 2097152 };
	const struct alloc_load *load = thread->load;
	uint64_t random = vas_random_next(&thread->random);

	request->size = load->sizes[random % SIZES];
	request->alignment = load->shape->mixed ? alignments[(random >> 32) % 3] : ALLOC_GRANULE;
	if (load->shape->window)
		draw_window(load, thread, request);
}

static void draw_batch(struct worker_thread *thread)
{
	for (uint32_t i = 0; i < thread->load->batch; i++) {
		thread->slots[i] = (uint32_t)vas_random_below(&thread->random, thread->live);
		draw(thread, &thread->requests[i]);
	}
}

static inline void item_take(struct worker_thread *thread, const struct alloc_request *request,
			     struct alloc_item *item)
{
	const struct alloc_load *load = thread->load;

	if (load->kind->take(load->space.state, request, item) == 0)
		item->granules = (uint32_t)(request->size / ALLOC_GRANULE);
	else
		thread->failed++;
}

static inline void item_give(struct worker_thread *thread, struct alloc_item *item)
{
	const struct alloc_load *load = thread->load;

	if (!item->granules)
		return;
	thread->err |= load->kind->give(load->space.state, item);
	item->granules = 0;
}

static void run_replace(struct worker_thread *thread)
{
	for (uint32_t i = 0; i < thread->load->batch; i++) {
		struct alloc_item *item = &thread->items[thread->slots[i]];

		item_give(thread, item);
		item_take(thread, &thread->requests[i], item);
	}
}

static void run_burst(struct worker_thread *thread)
{
	uint32_t batch = thread->load->batch;

	for (uint32_t i = 0; i < batch; i++)
		item_give(thread, &thread->items[thread->slots[i]]);
	for (uint32_t i = 0; i < batch; i++)
		if (!thread->items[thread->slots[i]].granules)
			item_take(thread, &thread->requests[i], &thread->items[thread->slots[i]]);
}

/* LIFO and FIFO have their blocks behind those that stay. */
static void run_lifo(struct worker_thread *thread)
{
	struct alloc_item *items = thread->items + thread->live;

	for (uint32_t i = 0; i < BATCH; i++)
		item_take(thread, &thread->requests[i], &items[i]);
	for (uint32_t i = BATCH; i > 0; i--)
		item_give(thread, &items[i - 1]);
}

static void run_fifo(struct worker_thread *thread)
{
	struct alloc_item *items = thread->items + thread->live;

	for (uint32_t i = 0; i < BATCH; i++) {
		item_give(thread, &items[i]);
		item_take(thread, &thread->requests[i], &items[i]);
	}
}

static void run_pair(struct worker_thread *thread)
{
	struct alloc_item *item = thread->items + thread->live;

	for (uint32_t i = 0; i < BATCH; i++) {
		item_take(thread, &thread->requests[i], item);
		item_give(thread, item);
	}
}

static uint64_t batch_ns(struct worker_thread *thread)
{
	static void (*const run[])(struct worker_thread *) = {
		[ALLOC_REPLACE] = run_replace, [ALLOC_BURST] = run_burst, [ALLOC_LIFO] = run_lifo,
		[ALLOC_FIFO] = run_fifo,       [ALLOC_PAIR] = run_pair,
	};
	uint64_t start;

	draw_batch(thread);
	start = now_ns();
	run[thread->load->shape->shape](thread);
	thread->tried += thread->load->batch;
	return now_ns() - start;
}

/* Samples, and keeps the others company until they are done too. */
static void *thread_run(void *context)
{
	struct worker_thread *thread = context;
	struct alloc_load *load = thread->load;
	unsigned int done = 0, kept;
	uint64_t start;

	pthread_barrier_wait(&load->barrier);
	start = now_ns();
	while (done < thread->batches && (done == 0 || now_ns() - start < ROUND_NS))
		thread->times[done++] = (double)batch_ns(thread) / load->batch;
	__atomic_fetch_sub(&load->sampling, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&load->sampling, __ATOMIC_RELAXED))
		batch_ns(thread);
	kept = (done + 1) / 2; /* the later half */
	thread->ns = median(thread->times + (done - kept), kept);
	return NULL;
}

/* What all threads together need for a pair. */
static int run_threads(struct alloc_load *load, unsigned int pairs, double *ns)
{
	unsigned int count = load_threads(load->shape), batches = pairs / load->batch;
	double rate = 0;
	int err = 0;

	pthread_barrier_init(&load->barrier, NULL, count);
	load->sampling = count;
	for (unsigned int i = 0; i < count; i++) {
		struct worker_thread *thread = &load->threads[i];

		thread->batches = batches < 1 ? 1 : batches > BATCHES_MOST ? BATCHES_MOST : batches;
		if (i + 1 < count && pthread_create(&thread->thread, NULL, thread_run, thread))
			abort(); /* the others would wait for it */
	}
	thread_run(&load->threads[count - 1]);
	for (unsigned int i = 0; i < count; i++) {
		if (i + 1 < count)
			pthread_join(load->threads[i].thread, NULL);
		rate += 1 / load->threads[i].ns;
		err |= load->threads[i].err;
	}
	pthread_barrier_destroy(&load->barrier);
	*ns = 1 / rate;
	return err ? -EIO : 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct alloc_item *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* No two blocks of an allocator may overlap: else it has an easier task than the others. */
static int load_check(const struct alloc_load *load)
{
	unsigned int threads = load_threads(load->shape);
	struct alloc_item *all = calloc((uint64_t)threads * load->shape->live, sizeof(*all));
	uint64_t count = 0;
	int err = 0;

	if (!all)
		return -ENOMEM;
	for (unsigned int i = 0; i < threads; i++)
		for (uint32_t k = 0; k < load->threads[i].live; k++)
			if (load->threads[i].items[k].granules)
				all[count++] = load->threads[i].items[k];
	qsort(all, count, sizeof(*all), compare_items);
	for (uint64_t i = 0; i + 1 < count; i++)
		if (all[i].start + (uint64_t)all[i].granules * ALLOC_GRANULE > all[i + 1].start)
			err = -EFAULT;
	free(all);
	return err;
}

static int thread_open(struct alloc_load *load, unsigned int index)
{
	struct worker_thread *thread = &load->threads[index];

	thread->load = load;
	thread->live = load->shape->live / load_threads(load->shape);
	thread->random = index + 1;
	thread->items = calloc(thread->live + BATCH, sizeof(*thread->items));
	thread->slots = calloc(load->batch, sizeof(*thread->slots));
	thread->requests = calloc(load->batch, sizeof(*thread->requests));
	return thread->items && thread->slots && thread->requests ? 0 : -ENOMEM;
}

static void load_fill(struct worker_thread *thread)
{
	for (uint32_t i = 0; i < thread->live; i++) {
		struct alloc_request request = { 0 };

		draw(thread, &request);
		item_take(thread, &request, &thread->items[i]);
	}
}

/* Replaces until the places are as random as they will be. */
static void load_warm(struct worker_thread *thread)
{
	uint64_t start = now_ns();

	for (uint64_t pairs = 0; pairs < 2ull * thread->live && now_ns() - start < WARM_NS;
	     pairs += thread->load->batch) {
		draw_batch(thread);
		run_replace(thread);
	}
}

int alloc_load_open(const struct alloc_kind *kind, const struct alloc_case *shape,
		    struct alloc_load **made)
{
	struct alloc_load *load = calloc(1, sizeof(*load));
	int err;

	if (!load)
		return -ENOMEM;
	load->kind = kind;
	load->shape = shape;
	load->space = (struct alloc_space){ .size = shape->span, .live = shape->live + BATCH };
	load->batch = shape->shape == ALLOC_BURST ? shape->live / load_threads(shape) / 2 : BATCH;
	sizes_init(load);
	err = kind->open(&load->space);
	for (unsigned int i = 0; i < load_threads(shape) && !err; i++)
		err = thread_open(load, i);
	if (err)
		return err; /* the process ends */
	for (unsigned int i = 0; i < load_threads(shape); i++)
		load_fill(&load->threads[i]);
	for (unsigned int i = 0; i < load_threads(shape); i++)
		load_warm(&load->threads[i]);
	if (!kind->everywhere)
		err = load_check(load);
	*made = load;
	return err;
}

static uint64_t load_failed(const struct alloc_load *load)
{
	uint64_t failed = 0, tried = 0;

	for (unsigned int i = 0; i < load_threads(load->shape); i++) {
		failed += load->threads[i].failed;
		tried += load->threads[i].tried;
	}
	return tried ? (failed << 20) / tried : 0;
}

static uint64_t load_live(const struct alloc_load *load)
{
	uint64_t live = 0;

	for (unsigned int i = 0; i < load_threads(load->shape); i++)
		for (uint32_t k = 0; k < load->threads[i].live; k++)
			live += load->threads[i].items[k].granules != 0;
	return live;
}

int alloc_load_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct alloc_load *load = context;
	double ns = 0;
	int err = 0;

	switch (op) {
	case ALLOC_OP_PAIRS:
		err = run_threads(load, count, &ns);
		*spent = (uint64_t)(ns * count);
		break;
	case ALLOC_OP_BOOKS:
		*spent = load->kind->books ? load->kind->books(load->space.state) : 0;
		break;
	case ALLOC_OP_LIVE:
		*spent = load_live(load);
		break;
	default:
		*spent = load_failed(load);
	}
	return err;
}

unsigned int alloc_load_pairs(const struct alloc_case *shape)
{
	unsigned int live = shape->live / load_threads(shape);

	if (shape->shape == ALLOC_BURST)
		return 32 * (live / 2);
	return 64 * BATCH + 4 * live / BATCH * BATCH;
}
