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
 * Concurrency: the threads of a load share the allocator alone; each has its own blocks. See
 * alloc_threads.c for how they are timed.
 */
#include "alloc_load.h"

#include <errno.h>
#include <stdlib.h>

#include "base/random.h"

#define BATCH	 ALLOC_BATCH
#define ROUND_NS 2000000000u /* no round of a slow allocator takes longer, but for one batch */
#define WARM_NS	 10000000000u
#define KIB	 1024u
#define MIB	 1048576u
/* REFUSED: what is free in each MiB. 512 KiB fit there at a multiple of 64 KiB, of 128 KiB not. */
#define HOLE_START (8 * KIB)
#define HOLE_END   (608 * KIB)

static unsigned int load_threads(const struct alloc_case *shape)
{
	return shape->threads ? shape->threads : 1;
}

static void draw_window(const struct alloc_load *load, struct alloc_thread *thread,
			struct alloc_request *request)
{
	const struct alloc_case *shape = &load->shape;
	uint64_t room = shape->span - shape->window;

	if (shape->uneven)
		request->min = vas_random_below(&thread->random, room);
	else
		request->min = vas_random_below(&thread->random, shape->span / shape->window) *
			       shape->window;
	request->max = request->min + shape->window;
}

static void draw(struct alloc_thread *thread, struct alloc_request *request)
{
	static const uint32_t alignments[] = { 4096, 65536, 2097152 };
	const struct alloc_load *load = thread->load;
	uint64_t random = vas_random_next(&thread->random);

	request->size = load->sizes[random % ALLOC_SIZES];
	request->alignment = load->shape.mixed ? alignments[(random >> 32) % 3] : ALLOC_GRANULE;
	if (load->shape.size) {
		request->size = load->shape.size;
		request->alignment = load->shape.alignment;
	}
	if (load->shape.window)
		draw_window(load, thread, request);
}

void alloc_batch_draw(struct alloc_thread *thread)
{
	for (uint32_t i = 0; i < thread->load->batch; i++) {
		thread->slots[i] = (uint32_t)vas_random_below(&thread->random, thread->live);
		draw(thread, &thread->requests[i]);
	}
}

static inline void item_take(struct alloc_thread *thread, const struct alloc_request *request,
			     struct alloc_item *item)
{
	const struct alloc_load *load = thread->load;

	if (load->kind->take(load->space.state, request, item) == 0)
		item->granules = (uint32_t)(request->size / ALLOC_GRANULE);
	else
		thread->failed++;
}

static inline void item_give(struct alloc_thread *thread, struct alloc_item *item)
{
	const struct alloc_load *load = thread->load;

	if (!item->granules)
		return;
	thread->err |= load->kind->give(load->space.state, item);
	item->granules = 0;
}

static void run_replace(struct alloc_thread *thread)
{
	for (uint32_t i = 0; i < thread->load->batch; i++) {
		struct alloc_item *item = &thread->items[thread->slots[i]];

		item_give(thread, item);
		item_take(thread, &thread->requests[i], item);
	}
}

static void run_burst(struct alloc_thread *thread)
{
	uint32_t batch = thread->load->batch;

	for (uint32_t i = 0; i < batch; i++)
		item_give(thread, &thread->items[thread->slots[i]]);
	for (uint32_t i = 0; i < batch; i++)
		if (!thread->items[thread->slots[i]].granules)
			item_take(thread, &thread->requests[i], &thread->items[thread->slots[i]]);
}

/* LIFO and FIFO have their blocks behind those that stay. */
static void run_lifo(struct alloc_thread *thread)
{
	struct alloc_item *items = thread->items + thread->live;

	for (uint32_t i = 0; i < BATCH; i++)
		item_take(thread, &thread->requests[i], &items[i]);
	for (uint32_t i = BATCH; i > 0; i--)
		item_give(thread, &items[i - 1]);
}

static void run_fifo(struct alloc_thread *thread)
{
	struct alloc_item *items = thread->items + thread->live;

	for (uint32_t i = 0; i < BATCH; i++) {
		item_give(thread, &items[i]);
		item_take(thread, &thread->requests[i], &items[i]);
	}
}

static void run_pair(struct alloc_thread *thread)
{
	struct alloc_item *item = thread->items + thread->live;

	for (uint32_t i = 0; i < BATCH; i++) {
		item_take(thread, &thread->requests[i], item);
		item_give(thread, item);
	}
}

static void run_refused(struct alloc_thread *thread)
{
	for (uint32_t i = 0; i < BATCH; i++)
		item_take(thread, &thread->requests[i], thread->items + thread->live);
}

void alloc_batch_run(struct alloc_thread *thread)
{
	static void (*const run[])(struct alloc_thread *) = {
		[ALLOC_REPLACE] = run_replace, [ALLOC_BURST] = run_burst,
		[ALLOC_LIFO] = run_lifo,       [ALLOC_FIFO] = run_fifo,
		[ALLOC_PAIR] = run_pair,       [ALLOC_REFUSED] = run_refused,
	};

	run[thread->load->shape.shape](thread);
	thread->tried += thread->load->batch;
}

/* A long batch is often stopped for another program: the thread's own time leaves that out. */
static uint64_t batch_ns(struct alloc_thread *thread)
{
	uint64_t own, start, spent;

	alloc_batch_draw(thread);
	own = cpu_ns();
	start = now_ns();
	alloc_batch_run(thread);
	spent = now_ns() - start;
	own = cpu_ns() - own;
	return own < spent ? own : spent;
}

unsigned int alloc_load_batch(const struct alloc_case *shape)
{
	return shape->shape == ALLOC_BURST ? shape->live / load_threads(shape) / 2 : BATCH;
}

/* The median batch of the later half: the books are in the caches then. */
static int run_alone(struct alloc_load *load, unsigned int pairs, double *ns)
{
	unsigned int most = pairs / load->batch, done = 0, kept;
	struct alloc_thread *thread = &load->threads[0];
	uint64_t start = now_ns();

	if (most > ALLOC_BATCHES_MOST)
		most = ALLOC_BATCHES_MOST;
	while (done == 0 || (done < most && now_ns() - start < ROUND_NS))
		thread->times[done++] = (double)batch_ns(thread) / load->batch;
	kept = (done + 1) / 2;
	*ns = median(thread->times + (done - kept), kept);
	return thread->err ? -EIO : 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct alloc_item *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* No two blocks of an allocator may overlap: else it has an easier task than the others. */
static int load_check(const struct alloc_load *load)
{
	unsigned int threads = load_threads(&load->shape);
	struct alloc_item *all = calloc((uint64_t)threads * load->shape.live, sizeof(*all));
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
	struct alloc_thread *thread = &load->threads[index];

	thread->load = load;
	thread->live = load->shape.live / load_threads(&load->shape);
	thread->random = index + 1;
	thread->items = calloc(thread->live + BATCH, sizeof(*thread->items));
	thread->slots = calloc(load->batch, sizeof(*thread->slots));
	thread->requests = calloc(load->batch, sizeof(*thread->requests));
	return thread->items && thread->slots && thread->requests ? 0 : -ENOMEM;
}

static void load_fill(struct alloc_thread *thread)
{
	for (uint32_t i = 0; i < thread->live; i++) {
		struct alloc_request request = { 0 };

		draw(thread, &request);
		item_take(thread, &request, &thread->items[i]);
	}
}

/* A hole after each block, and nothing else free. */
static void load_fill_refused(struct alloc_thread *thread)
{
	for (uint32_t i = 0; i < thread->live; i++) {
		struct alloc_request request = { .alignment = ALLOC_GRANULE };

		request.min = i ? (i - 1ull) * MIB + HOLE_END : 0;
		request.max = (uint64_t)i * MIB + HOLE_START;
		request.size = request.max - request.min;
		item_take(thread, &request, &thread->items[i]);
		if (!thread->items[i].granules)
			thread->err = -EPROTO; /* this allocator knows no windows */
	}
	thread->failed = 0;
}

/* Replaces until the places are as random as they will be. */
static void load_warm(struct alloc_thread *thread)
{
	uint64_t start = now_ns();

	for (uint64_t pairs = 0; pairs < 2ull * thread->live && now_ns() - start < WARM_NS;
	     pairs += thread->load->batch) {
		alloc_batch_draw(thread);
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
	load->shape = *shape;
	if (shape->shape == ALLOC_REFUSED)
		load->shape.span = (shape->live - 1ull) * MIB + HOLE_END;
	load->space = (struct alloc_space){ .size = load->shape.span,
					    .live = shape->live + BATCH,
					    .first = shape->live / load_threads(shape) };
	load->batch = alloc_load_batch(shape);
	alloc_sizes_init(load->sizes);
	err = kind->open(&load->space);
	for (unsigned int i = 0; i < load_threads(shape) && !err; i++)
		err = thread_open(load, i);
	if (err)
		return err; /* the process ends */
	for (unsigned int i = 0; i < load_threads(shape); i++)
		if (shape->shape == ALLOC_REFUSED)
			load_fill_refused(&load->threads[i]);
		else
			load_fill(&load->threads[i]);
	for (unsigned int i = 0; i < load_threads(shape) && shape->shape != ALLOC_REFUSED; i++)
		load_warm(&load->threads[i]);
	if (!kind->unchecked)
		err = load_check(load);
	*made = load;
	return err;
}

static uint64_t load_failed(const struct alloc_load *load)
{
	uint64_t failed = 0, tried = 0;

	for (unsigned int i = 0; i < load_threads(&load->shape); i++) {
		failed += load->threads[i].failed;
		tried += load->threads[i].tried;
	}
	return tried ? (failed << 20) / tried : 0;
}

static uint64_t load_live(const struct alloc_load *load)
{
	uint64_t live = 0;

	for (unsigned int i = 0; i < load_threads(&load->shape); i++)
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
		err = load_threads(&load->shape) > 1 ? alloc_load_threads(load, &ns)
						     : run_alone(load, count, &ns);
		*spent = (uint64_t)(ns * count);
		if (load->shape.shape == ALLOC_REFUSED && load_failed(load) != 1 << 20)
			err = -EEXIST; /* something was found: not what is measured */
		break;
	case ALLOC_OP_BOOKS:
		*spent = load->kind->books ? load->kind->books(load->space.state) : 0;
		break;
	case ALLOC_OP_LIVE:
		*spent = load_live(load);
		break;
	case ALLOC_OP_FAILED:
		*spent = load_failed(load);
		break;
	default:
		err = alloc_load_delays(load, op, spent);
	}
	return err;
}

unsigned int alloc_load_pairs(const struct alloc_case *shape)
{
	unsigned int live = shape->live / load_threads(shape);

	if (shape->shape == ALLOC_BURST)
		return 32 * alloc_load_batch(shape);
	if (shape->shape == ALLOC_REFUSED)
		return 64 * BATCH;
	return 64 * BATCH + 4 * live / BATCH * BATCH;
}
