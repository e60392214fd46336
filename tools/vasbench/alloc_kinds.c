/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocators that are ours: none at all, which tells what the harness costs, the
 * yardstick, the block allocator alone, and a region over it.
 *
 * The block allocator and the yardstick suballocate numbers; nothing is mapped for them. A
 * region reserves its span, and no block is ever committed.
 */
#include <errno.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include <vaspace/vaspace.h>

#include "alloc.h"
#include "core/blocks.h"
#include "sys/lock.h"
#include "sys/pages.h"
#include "sys/single.h"
#include "yardstick.h"

#define BASE (1ull << 40)

static int null_open(struct alloc_space *space)
{
	space->state = NULL;
	return 0;
}

/* Reads and writes what any allocator must. */
static int null_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	(void)state;
	item->start = request->size;
	return 0;
}

static int null_give(void *state, const struct alloc_item *item)
{
	(void)state;
	__asm__ __volatile__("" ::"r"(item->start));
	return 0;
}

const struct alloc_kind alloc_null = {
	.name = "null (the harness alone)",
	.open = null_open,
	.take = null_take,
	.give = null_give,
	.unchecked = true,
};

/* The same yardstick, bare or under either kind of lock. */
struct measured {
	struct yardstick *yardstick;
	pthread_mutex_t mutex;
	uint32_t spin;
};

static int measured_open(struct alloc_space *space)
{
	struct measured *measured = calloc(1, sizeof(*measured));

	if (!measured)
		return -ENOMEM;
	pthread_mutex_init(&measured->mutex, NULL);
	measured->yardstick = yardstick_open((uint32_t)(space->size / ALLOC_GRANULE), space->live);
	space->state = measured;
	return measured->yardstick ? 0 : -ENOMEM;
}

/* Alignment by asking for more, as its users do. */
static int measured_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	const struct measured *measured = state;
	uint64_t size = request->size + request->alignment - ALLOC_GRANULE;
	uint32_t start;

	if (!yardstick_take(measured->yardstick, (uint32_t)(size / ALLOC_GRANULE), &start,
			    &item->handle))
		return -ENOSPC;
	item->start =
		(start * (uint64_t)ALLOC_GRANULE + request->alignment - 1) & -request->alignment;
	return 0;
}

static int measured_give(void *state, const struct alloc_item *item)
{
	const struct measured *measured = state;

	yardstick_give(measured->yardstick, item->handle);
	return 0;
}

static uint64_t measured_books(void *state)
{
	const struct measured *measured = state;

	return yardstick_books(measured->yardstick);
}

const struct alloc_kind alloc_yardstick = {
	.name = "yardstick",
	.open = measured_open,
	.take = measured_take,
	.give = measured_give,
	.books = measured_books,
};

static int mutex_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	struct measured *measured = state;
	int err;

	pthread_mutex_lock(&measured->mutex);
	err = measured_take(state, request, item);
	pthread_mutex_unlock(&measured->mutex);
	return err;
}

static int mutex_give(void *state, const struct alloc_item *item)
{
	struct measured *measured = state;
	int err;

	pthread_mutex_lock(&measured->mutex);
	err = measured_give(state, item);
	pthread_mutex_unlock(&measured->mutex);
	return err;
}

const struct alloc_kind alloc_yardstick_mutex = {
	.name = "yardstick, a mutex around it",
	.open = measured_open,
	.take = mutex_take,
	.give = mutex_give,
	.books = measured_books,
};

static inline void spin_take(uint32_t *word)
{
	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(word, __ATOMIC_RELAXED))
			;
}

static inline void spin_drop(uint32_t *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

static int spinning_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	struct measured *measured = state;
	int err;

	spin_take(&measured->spin);
	err = measured_take(state, request, item);
	spin_drop(&measured->spin);
	return err;
}

static int spinning_give(void *state, const struct alloc_item *item)
{
	struct measured *measured = state;
	int err;

	spin_take(&measured->spin);
	err = measured_give(state, item);
	spin_drop(&measured->spin);
	return err;
}

const struct alloc_kind alloc_yardstick_spin = {
	.name = "yardstick, a spinlock around it",
	.open = measured_open,
	.take = spinning_take,
	.give = spinning_give,
	.books = measured_books,
};

/*
 * A yardstick for each of two threads, which share nothing: what the machine itself costs two
 * threads that run side by side.
 */
struct each {
	struct yardstick *yardstick[2];
	uint64_t half; /* granules of each */
	uint32_t begun, first; /* blocks of the first fill; I: begun ends beyond first */
};

/* Whose blocks this thread had in hand last: threads only free their own. */
static __thread unsigned int each_side;

static int each_open(struct alloc_space *space)
{
	struct each *each = calloc(1, sizeof(*each));

	if (!each)
		return -ENOMEM;
	each->half = space->size / ALLOC_GRANULE / 2;
	each->first = space->first;
	for (unsigned int i = 0; i < 2; i++)
		each->yardstick[i] = yardstick_open((uint32_t)each->half, space->live);
	space->state = each;
	return each->yardstick[0] && each->yardstick[1] ? 0 : -ENOMEM;
}

static int each_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	struct each *each = state;
	uint32_t start;

	if (each->begun <= each->first && each->begun++ == each->first)
		each_side = 1;
	if (!yardstick_take(each->yardstick[each_side], (uint32_t)(request->size / ALLOC_GRANULE),
			    &start, &item->handle))
		return -ENOSPC;
	item->start = (each_side * each->half + start) * ALLOC_GRANULE;
	return 0;
}

static int each_give(void *state, const struct alloc_item *item)
{
	const struct each *each = state;

	each_side = item->start / ALLOC_GRANULE >= each->half;
	yardstick_give(each->yardstick[each_side], item->handle);
	return 0;
}

const struct alloc_kind alloc_yardstick_each = {
	.name = "yardstick, one each",
	.open = each_open,
	.take = each_take,
	.give = each_give,
};

/* From where a region's allocator has it. */
static int blocks_memory(void *context, size_t size, void **memory)
{
	return vas_pages_take(context, size, memory);
}

static void blocks_memory_end(void *context, void *memory, size_t size)
{
	vas_pages_give(context, memory, size);
}

static void blocks_lock(void *context, uint32_t *word)
{
	(void)context;
	vas_lock_take((struct vas_lock *)word);
}

static void blocks_unlock(void *context, uint32_t *word)
{
	(void)context;
	vas_lock_drop((struct vas_lock *)word);
}

/* Where libc registered struct rseq for each thread, from the thread pointer on; glibc 2.35. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));

/* The processor's number, so that each has a magazine of its own. */
static intptr_t blocks_slot(void)
{
	return &__rseq_offset ? __rseq_offset + (intptr_t)offsetof(struct rseq, cpu_id) : 0;
}

static int blocks_open(struct alloc_space *space)
{
	static struct vas_pages pages; /* of the only allocator that a process has */
	const struct vas_blocks_support support = {
		.context = &pages,
		.take = blocks_memory,
		.give = blocks_memory_end,
		.lock = blocks_lock,
		.unlock = blocks_unlock,
		.slot = blocks_slot(),
		.single = vas_single_byte(),
	};
	struct vas_blocks *blocks = NULL;
	int err;

	vas_pages_init(&pages, vas_sys_real());
	err = vas_blocks_create((struct vas_span){ BASE, space->size }, ALLOC_GRANULE, 1, &support,
				&blocks);

	space->state = blocks;
	return err;
}

static int blocks_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	struct vas_block_request wanted;

	if (request->alignment <= ALLOC_GRANULE && !request->max)
		return vas_blocks_alloc_size(state, request->size, 0, &item->start);
	wanted = (struct vas_block_request){
		.size = request->size,
		.alignment = request->alignment,
	};
	if (request->max) {
		wanted.min = BASE + request->min;
		wanted.max = BASE + request->max;
	}
	return vas_blocks_alloc(state, &wanted, &item->start);
}

static int blocks_give(void *state, const struct alloc_item *item)
{
	return vas_blocks_free(state, item->start, NULL);
}

static uint64_t blocks_books(void *state)
{
	struct vas_blocks_stats stats;

	vas_blocks_stats(state, &stats);
	return stats.books;
}

const struct alloc_kind alloc_blocks = {
	.name = "blocks",
	.open = blocks_open,
	.take = blocks_take,
	.give = blocks_give,
	.books = blocks_books,
};

struct region_state {
	struct vas_region *region;
	uint64_t base;
};

static int region_open(struct alloc_space *space)
{
	struct region_state *state = calloc(1, sizeof(*state));
	struct vas_region_stats stats = { .size = sizeof(stats) };
	int err;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_region_opts, opts);
	if (!state)
		return -ENOMEM;
	reserve.alignment = 1ull << 30; /* so that alignments are met as in a span of numbers */
	opts.reserve = &reserve;
	err = vas_region_create(space->size, &opts, &state->region);
	if (!err)
		err = vas_region_stats(state->region, &stats);
	state->base = stats.span.start;
	space->state = state;
	return err;
}

static int region_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	const struct region_state *own = state;
	struct vas_block block = { .start = NULL };
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.alignment = request->alignment;
	if (request->max) {
		opts.min = own->base + request->min;
		opts.max = own->base + request->max;
	}
	err = vas_region_alloc(own->region, request->size, &opts, &block);
	item->start = (uintptr_t)block.start;
	return err;
}

static int region_give(void *state, const struct alloc_item *item)
{
	const struct region_state *own = state;

	return vas_region_free(own->region, (void *)(uintptr_t)item->start, NULL);
}

static uint64_t region_books(void *state)
{
	const struct region_state *own = state;
	struct vas_region_stats stats = { .size = sizeof(stats) };

	return vas_region_stats(own->region, &stats) ? 0 : stats.books;
}

const struct alloc_kind alloc_region = {
	.name = "region, without commit",
	.open = region_open,
	.take = region_take,
	.give = region_give,
	.books = region_books,
};
