/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded msan valgrind */
/* budget: 10 */
/*
 * The block allocator by example: what each option means, what each call
 * answers, and several threads at once.
 */
#include "core/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tap/tap.h"

#define KIB   UINT64_C(1024)
#define MIB   (1024 * KIB)
#define GIB   (1024 * MIB)
#define START (UINT64_C(0x7f12) << 32)

enum { THREADS = 4, MINE = 64 };

struct heap {
	uint64_t taken; /* bytes, now */
	uint64_t takes;
};

static int take(void *context, size_t size, void **memory)
{
	struct heap *heap = context;

	*memory = aligned_alloc(4096, size);
	if (!*memory)
		return -ENOMEM;
	memset(*memory, 0, size);
	heap->taken += size;
	heap->takes++;
	return 0;
}

static void give(void *context, void *memory, size_t size)
{
	((struct heap *)context)->taken -= size;
	free(memory);
}

static void lock(void *context, uint32_t *word)
{
	(void)context;
	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(void *context, uint32_t *word)
{
	(void)context;
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

static struct heap heap;
static const struct vas_blocks_support support = {
	.context = &heap, .take = take, .give = give, .lock = lock, .unlock = unlock
};

static struct vas_blocks *make(uint64_t start, uint64_t size, uint64_t granule)
{
	struct vas_blocks *blocks = NULL;

	if (vas_blocks_create((struct vas_span){ start, size }, granule, 1, &support, &blocks))
		tap_bail("no allocator");
	return blocks;
}

static int64_t alloc(struct vas_blocks *blocks, struct vas_block_request request, uint64_t *start)
{
	return vas_blocks_alloc(blocks, &request, start);
}

static void test_create(void)
{
	struct vas_blocks *blocks = NULL;
	struct vas_blocks_stats stats;

	is_err(vas_blocks_create((struct vas_span){ 0, 4096 }, 8, 0, &support, &blocks), EINVAL,
	       "a granule below 16");
	is_err(vas_blocks_create((struct vas_span){ 0, 4096 }, 48, 0, &support, &blocks), EINVAL,
	       "a granule that is no power of two");
	is_err(vas_blocks_create((struct vas_span){ 0, 0 }, 16, 0, &support, &blocks), EINVAL,
	       "an empty span");
	is_err(vas_blocks_create((struct vas_span){ 8, 4096 }, 16, 0, &support, &blocks), EINVAL,
	       "a span that begins inside a granule");
	is_err(vas_blocks_create((struct vas_span){ 0, 4104 }, 16, 0, &support, &blocks), EINVAL,
	       "a span that ends inside one");
	is_err(vas_blocks_create((struct vas_span){ -4096ull, 4096 }, 16, 0, &support, &blocks),
	       EINVAL, "a span that ends at 2^64");
	ok(!blocks && heap.taken == 0, "and nothing was taken");
	blocks = make(START, 128 * GIB * 1024, 16);
	vas_blocks_stats(blocks, &stats);
	ok(stats.live == 0 && stats.used == 0 && stats.free_ranges == 1 &&
		   stats.largest_free == 128 * GIB * 1024 && stats.size == stats.largest_free,
	   "128 TiB in granules of 16 bytes, all free");
	ok(stats.books <= 16 * KIB && stats.books == heap.taken, "in %llu bytes of books",
	   (unsigned long long)stats.books);
	vas_blocks_destroy(blocks);
	is_u64(heap.taken, 0, "destroy gives all back");
}

static void test_requests(void)
{
	struct vas_blocks *blocks = make(START, GIB, 4096);
	uint64_t start = 7;
	struct vas_block_request request;

	is_err(alloc(blocks, (struct vas_block_request){ .size = 0 }, &start), EINVAL, "size 0");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .alignment = 5000 }, &start),
	       EINVAL, "an alignment that is no multiple of the granule");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .phase = 4096 }, &start),
	       EINVAL, "a phase without an alignment");
	request = (struct vas_block_request){ .size = 1, .alignment = 8192, .phase = 8192 };
	is_err(alloc(blocks, request, &start), EINVAL, "a phase as large as the alignment");
	request.phase = 512;
	is_err(alloc(blocks, request, &start), EINVAL, "a phase inside a granule");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .boundary = 12288 }, &start),
	       EINVAL, "a boundary that is no power of two");
	request = (struct vas_block_request){ .size = 1, .min = START + 8192, .max = START + 8192 };
	is_err(alloc(blocks, request, &start), EINVAL, "an empty window");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .max = START }, &start), EINVAL,
	       "a window below the span");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .min = START + GIB }, &start),
	       EINVAL, "a window above it");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .flags = 3 }, &start), EINVAL,
	       "two directions");
	is_err(alloc(blocks, (struct vas_block_request){ .size = 1, .flags = 16 }, &start), EINVAL,
	       "an unknown flag");
	request = (struct vas_block_request){ .size = 1,
					      .flags = VAS_BLOCKS_EXACT,
					      .address = START + 1 };
	is_err(alloc(blocks, request, &start), EINVAL, "an exact address inside a granule");
	is_err(alloc(blocks, (struct vas_block_request){ .size = GIB + 1 }, &start), ERANGE,
	       "larger than the span");
	is_err(alloc(blocks, (struct vas_block_request){ .size = UINT64_MAX }, &start), ERANGE,
	       "larger than anything");
	request = (struct vas_block_request){ .size = 8193, .boundary = 8192 };
	is_err(alloc(blocks, request, &start), ERANGE, "larger than the boundary");
	request = (struct vas_block_request){ .size = 4096, .min = START + 1, .max = START + 8191 };
	is_err(alloc(blocks, request, &start), ERANGE, "a window that no whole granule fits");
	request = (struct vas_block_request){
		.size = 4096, .flags = VAS_BLOCKS_EXACT, .address = START + 4096, .alignment = 8192
	};
	is_err(alloc(blocks, request, &start), ERANGE, "an exact address against the alignment");
	request = (struct vas_block_request){ .size = 8192,
					      .flags = VAS_BLOCKS_EXACT,
					      .address = START + GIB - 4096 };
	is_err(alloc(blocks, request, &start), ERANGE, "an exact address too near the end");
	is_u64(start, 7, "no refusal wrote a place");
	vas_blocks_destroy(blocks);
}

static void test_places(void)
{
	struct vas_blocks *blocks = make(START, GIB, 4096);
	struct vas_block_request request = { .size = 5000, .flags = VAS_BLOCKS_LOW };
	uint64_t start = 0;

	ok(alloc(blocks, request, &start) == 0 && start == START, "the lowest place");
	ok(alloc(blocks, request, &start) == 0 && start == START + 8192,
	   "sizes are rounded up to the granule");
	request.flags = VAS_BLOCKS_HIGH;
	ok(alloc(blocks, request, &start) == 0 && start == START + GIB - 8192, "the highest");
	request = (struct vas_block_request){ .size = 4096, .alignment = 2 * MIB };
	ok(alloc(blocks, request, &start) == 0 && start == START + 2 * MIB, "aligned to 2 MiB");
	request = (struct vas_block_request){ .size = 4096, .alignment = 3 * 4096, .phase = 8192 };
	ok(alloc(blocks, request, &start) == 0 && start % (3 * 4096) == 8192,
	   "aligned to three granules with a phase");
	request = (struct vas_block_request){ .size = 4096, .alignment = 512 };
	ok(alloc(blocks, request, &start) == 0, "an alignment below the granule");
	request = (struct vas_block_request){ .size = 4096,
					      .min = START + 256 * MIB + 1,
					      .max = START + 256 * MIB + 8192 };
	ok(alloc(blocks, request, &start) == 0 && start == START + 256 * MIB + 4096,
	   "in a window of one granule");
	is_err(alloc(blocks, request, &start), ENOSPC, "which is full then");
	request = (struct vas_block_request){ .size = 12 * KIB,
					      .boundary = 16 * KIB,
					      .min = START + 512 * MIB + 8 * KIB };
	ok(alloc(blocks, request, &start) == 0 && start == START + 512 * MIB + 16 * KIB,
	   "across no multiple of 16 KiB");
	request.flags = VAS_BLOCKS_HIGH;
	request.max = START + 768 * MIB + 8 * KIB;
	ok(alloc(blocks, request, &start) == 0 && start == START + 768 * MIB - 12 * KIB,
	   "nor from above");
	request = (struct vas_block_request){ .size = 8192,
					      .flags = VAS_BLOCKS_EXACT,
					      .address = START + 100 * MIB };
	ok(alloc(blocks, request, &start) == 0 && start == START + 100 * MIB, "an exact address");
	request.address += 4096;
	is_err(alloc(blocks, request, &start), EEXIST, "which is taken then, in part");
	request.address += 4096;
	ok(alloc(blocks, request, &start) == 0, "and free right behind");
	ok(vas_blocks_check(blocks), "the books are in order");
	vas_blocks_destroy(blocks);
}

/* Boundaries below odd alignments, where many candidates miss before one hits. */
static void test_odd_boundary(void)
{
	struct vas_blocks *blocks = make(0, 64 * GIB, 16);
	struct vas_block_request request = {
		.size = 32752, .alignment = 16 * 2047, .boundary = 32768, .min = 16
	};
	uint64_t expected = 16 * 2047, start = 0;

	while (expected % 32768 > 16)
		expected += request.alignment;
	ok(alloc(blocks, request, &start) == 0 && start == expected,
	   "the first of many candidates that keeps the boundary");
	request.flags = VAS_BLOCKS_HIGH;
	expected = (64 * GIB - request.size) / request.alignment * request.alignment;
	while (expected % 32768 > 16)
		expected -= request.alignment;
	ok(alloc(blocks, request, &start) == 0 && start == expected, "and the last");
	request = (struct vas_block_request){
		.size = 32768, .alignment = 65536, .phase = 16, .boundary = 32768
	};
	is_err(alloc(blocks, request, &start), ERANGE, "or none ever");
	/* The 2^31st candidate would be the first one: not to be counted up to, nor recursed down to. */
	request = (struct vas_block_request){
		.size = 32 * GIB - 16, .alignment = 32 * GIB - 16, .boundary = 32 * GIB, .min = 16
	};
	is_err(alloc(blocks, request, &start), ERANGE, "or one far beyond the span");
	vas_blocks_destroy(blocks);
}

static void test_blocks(void)
{
	struct vas_blocks *blocks = make(START, GIB, 4096);
	struct vas_block_request request = { .size = 16384, .mark = 9 };
	struct vas_block_info info;
	uint64_t start = 0;
	uint32_t word = 9;

	alloc(blocks, request, &start);
	ok(vas_blocks_at(blocks, start + 16383, &info) == 0 && info.live && info.mark == 9 &&
		   info.span.start == start && info.span.size == 16384,
	   "the last byte of a block is its");
	is_err(vas_blocks_at(blocks, start + 16384, &info), ENOENT, "the next one is free");
	is_err(vas_blocks_at(blocks, START - 1, &info), ERANGE, "before the span");
	is_err(vas_blocks_at(blocks, START + GIB, &info), ERANGE, "behind it");
	ok(vas_blocks_next(blocks, 0, &info) == 0 && info.live && info.span.start == start,
	   "from below the span on, the first is the block");
	ok(vas_blocks_next(blocks, start + 16384, &info) == 0 && !info.live &&
		   info.span.start == start + 16384 && info.span.size == GIB - 16384,
	   "then the free range");
	is_err(vas_blocks_next(blocks, START + GIB, &info), ENOENT, "then nothing");
	is_err(vas_blocks_resize(blocks, start, 0), EINVAL, "a block has no size 0");
	ok(vas_blocks_resize(blocks, start, 4096) == 0 &&
		   vas_blocks_resize(blocks, start, 20 * KIB) == 0,
	   "it shrinks and grows in place");
	is_err(vas_blocks_split(blocks, start, start + 20 * KIB), EINVAL, "no split at its end");
	is_err(vas_blocks_split(blocks, start, start + 1), EINVAL, "nor inside a granule");
	is_err(vas_blocks_split(blocks, start, start + 12 * KIB), 0, "but between granules");
	ok(vas_blocks_at(blocks, start + 12 * KIB, &info) == 0 && info.mark == 9 &&
		   info.span.start == start + 12 * KIB && info.span.size == 8 * KIB,
	   "the upper part is a block with the same mark");
	is_err(vas_blocks_resize(blocks, start, 16 * KIB), ENOSPC,
	       "which is in the lower one's way");
	is_err(vas_blocks_resize(blocks, start + 12 * KIB, GIB), ENOSPC, "and the end in its own");
	is_err(vas_blocks_mark(blocks, start, &word, 11), 0, "a mark that is as expected");
	word = 9;
	is_err(vas_blocks_mark(blocks, start, &word, 12), EBUSY, "and one that is not");
	is_u64(word, 11, "which is told");
	is_err(vas_blocks_mark(blocks, start, NULL, 13), 0, "any");
	is_err(vas_blocks_merge(blocks, start + 12 * KIB, start), EINVAL,
	       "joined the wrong way round");
	is_err(vas_blocks_merge(blocks, start, start), EINVAL, "with itself");
	is_err(vas_blocks_merge(blocks, start, start + 12 * KIB), 0, "joined");
	is_err(vas_blocks_free(blocks, start + 12 * KIB, &info), EINVAL, "inside a block");
	is_err(vas_blocks_free(blocks, start + 64 * KIB, &info), ENOENT, "no block");
	is_err(vas_blocks_free(blocks, START - 4096, &info), ERANGE, "outside");
	ok(vas_blocks_free(blocks, start, &info) == 0 && info.mark == 13 && info.live &&
		   info.span.start == start && info.span.size == 20 * KIB,
	   "free tells what it was");
	is_err(vas_blocks_free(blocks, start, &info), ENOENT, "and once only");
	vas_blocks_destroy(blocks);
}

static void test_cut(void)
{
	struct vas_blocks *blocks = make(START, GIB, 4096), *upper = NULL, *other;
	struct vas_block_request request = { .size = 4096, .flags = VAS_BLOCKS_LOW };
	struct vas_blocks_stats stats;
	uint64_t start = 0, books = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		request.mark = i;
		alloc(blocks, request, &start);
	}
	is_err(vas_blocks_cut(blocks, START, &upper), EINVAL, "no cut at the start");
	is_err(vas_blocks_cut(blocks, START + GIB, &upper), EINVAL, "nor at the end");
	is_err(vas_blocks_cut(blocks, START + 4097, &upper), EINVAL, "nor inside a granule");
	vas_blocks_resize(blocks, start, 8192);
	is_err(vas_blocks_cut(blocks, start + 4096, &upper), EINVAL, "nor inside a block");
	for (uint32_t i = 0; i < 40; i++) {
		is_err(vas_blocks_cut(blocks, START + 4096 * (4999 - 100 * i), &upper), 0, "a cut");
		vas_blocks_stats(upper, &stats);
		ok(stats.live == 1 + 100 * i && vas_blocks_check(upper) && vas_blocks_check(blocks),
		   "moves what lies above");
		is_err(vas_blocks_join(blocks, upper), 0, "and is undone");
		ok(vas_blocks_check(blocks), "without a trace");
		if (i == 0)
			books = heap.taken;
	}
	ok(heap.taken <= books + books / 2, "cutting and joining again costs no more memory");
	other = make(START + 2 * GIB, GIB, 4096);
	is_err(vas_blocks_join(blocks, other), EINVAL, "spans that do not touch");
	vas_blocks_destroy(other);
	other = make(START + GIB, GIB, 8192);
	is_err(vas_blocks_join(blocks, other), EINVAL, "unlike granules");
	vas_blocks_destroy(other);
	is_err(vas_blocks_join(blocks, blocks), EINVAL, "one with itself");
	vas_blocks_destroy(blocks);
	is_u64(heap.taken, 0, "all memory is given back");
}

/* The same calls and seed give the same places; another seed gives others. */
static void test_random(void)
{
	struct vas_blocks *blocks[3];
	uint64_t same = 0, others = 0, low = 0;

	for (uint64_t i = 0; i < 3; i++)
		vas_blocks_create((struct vas_span){ START, GIB }, 4096, i / 2, &support,
				  &blocks[i]);
	for (uint32_t i = 0; i < 1000; i++) {
		struct vas_block_request request = { .size = 4096, .flags = VAS_BLOCKS_RANDOM };
		uint64_t starts[3] = { 0 };

		for (uint32_t j = 0; j < 3; j++)
			alloc(blocks[j], request, &starts[j]);
		same += starts[0] == starts[1];
		others += starts[0] != starts[2];
		low += starts[0] < START + GIB / 2;
	}
	is_u64(same, 1000, "the same seed, the same places");
	ok(others > 990, "another seed, other places");
	ok(low > 400 && low < 600, "%llu of 1000 in the lower half", (unsigned long long)low);
	for (uint32_t i = 0; i < 3; i++)
		vas_blocks_destroy(blocks[i]);
}

struct worker {
	pthread_t thread;
	struct vas_blocks *blocks;
	uint64_t random;
	uint64_t wrong;
	uint64_t starts[MINE];
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct vas_block_info info;
	uint32_t mark = (uint32_t)worker->random;

	for (uint64_t i = tap_scaled(20000); i > 0; i--) {
		uint64_t *start = &worker->starts[vas_random_below(&worker->random, MINE)];
		struct vas_block_request request = {
			.size = 1 + vas_random_below(&worker->random, MIB),
			.mark = mark,
		};

		if (!*start) {
			worker->wrong += vas_blocks_alloc(worker->blocks, &request, start) != 0;
			continue;
		}
		worker->wrong += vas_blocks_at(worker->blocks, *start, &info) || info.mark != mark;
		worker->wrong +=
			vas_blocks_free(worker->blocks, *start, &info) || info.mark != mark;
		*start = 0;
	}
	return NULL;
}

static void test_threads(void)
{
	struct vas_blocks *blocks = make(START, GIB, 4096);
	struct worker workers[THREADS] = { 0 };
	struct vas_blocks_stats stats;
	struct vas_block_info info;
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].blocks = blocks;
		workers[i].random = i + 1;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			tap_bail("no thread");
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	ok(vas_blocks_check(blocks), "the books are in order after %u threads", THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		wrong += workers[i].wrong;
		for (uint32_t j = 0; j < MINE; j++)
			if (workers[i].starts[j])
				wrong += vas_blocks_free(blocks, workers[i].starts[j], &info) != 0;
	}
	is_u64(wrong, 0, "no call went wrong");
	vas_blocks_stats(blocks, &stats);
	ok(stats.live == 0 && stats.used == 0 && stats.free_ranges == 1 &&
		   stats.largest_free == GIB,
	   "all is one free range again");
	vas_blocks_destroy(blocks);
}

int main(void)
{
	tap_plan(0);
	test_create();
	test_requests();
	test_places();
	test_odd_boundary();
	test_blocks();
	test_cut();
	test_random();
	test_threads();
	return tap_done();
}
