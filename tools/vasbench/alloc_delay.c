/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long single operations take: the median, and what one in a hundred and one in a thousand
 * exceeds.
 *
 * Each free and each allocation is timed by itself, by the processor's time stamp where there is
 * one that a program may read. What reading the clock twice costs is told, and is in every
 * figure. Requests are drawn before, so that nothing else is. On a machine that others use, a
 * thread that is stopped in the middle of an operation makes it slow: compare with the
 * yardstick, to which the same happens.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_load.h"

#define TICKS 262144u /* longer ones count as so long */
#define GIB   (1ull << 30)

struct alloc_delays {
	double ns; /* of a tick */
	uint64_t count;
	uint32_t counts[TICKS];
};

#if defined(__x86_64__)
static inline uint64_t ticks(void)
{
	unsigned int ignored;

	return __builtin_ia32_rdtscp(&ignored); /* waits for what comes before it */
}
#else
static inline uint64_t ticks(void)
{
	return now_ns();
}
#endif

static double tick_ns(void)
{
	uint64_t start_ns = now_ns(), start = ticks(), end_ns;

	do {
		end_ns = now_ns();
	} while (end_ns - start_ns < 20000000);
	return (double)(end_ns - start_ns) / (double)(ticks() - start);
}

static inline void note(struct alloc_delays *delays, uint64_t spent)
{
	delays->counts[spent < TICKS ? spent : TICKS - 1]++;
	delays->count++;
}

static void time_replace(struct alloc_thread *thread, struct alloc_delays *delays)
{
	const struct alloc_kind *kind = thread->load->kind;
	void *state = thread->load->space.state;

	for (uint32_t i = 0; i < ALLOC_BATCH; i++) {
		const struct alloc_request *request = &thread->requests[i];
		struct alloc_item *item = &thread->items[thread->slots[i]];
		uint64_t start = ticks(), middle;

		if (item->granules)
			thread->err |= kind->give(state, item);
		middle = ticks();
		item->granules = 0;
		if (kind->take(state, request, item) == 0)
			item->granules = (uint32_t)(request->size / ALLOC_GRANULE);
		note(delays, ticks() - middle);
		note(delays, middle - start);
	}
}

static void time_refused(struct alloc_thread *thread, struct alloc_delays *delays)
{
	const struct alloc_kind *kind = thread->load->kind;

	for (uint32_t i = 0; i < ALLOC_BATCH; i++) {
		uint64_t start = ticks();

		if (kind->take(thread->load->space.state, &thread->requests[i],
			       thread->items + thread->live) == 0)
			thread->err = -EEXIST; /* something was found: not what is measured */
		note(delays, ticks() - start);
	}
}

static int delays_measure(struct alloc_load *load)
{
	struct alloc_thread *thread = &load->threads[0];
	unsigned int pairs = alloc_load_pairs(&load->shape);

	if (!load->delays) {
		load->delays = calloc(1, sizeof(*load->delays));
		if (!load->delays)
			return -ENOMEM;
		load->delays->ns = tick_ns();
	}
	/* Once untimed: the books are in the caches then. */
	for (unsigned int done = 0; done < pairs; done += ALLOC_BATCH) {
		alloc_batch_draw(thread);
		alloc_batch_run(thread);
	}
	memset(load->delays->counts, 0, sizeof(load->delays->counts));
	load->delays->count = 0;
	for (unsigned int done = 0; done < pairs; done += ALLOC_BATCH) {
		alloc_batch_draw(thread);
		if (load->shape.shape == ALLOC_REFUSED)
			time_refused(thread, load->delays);
		else
			time_replace(thread, load->delays);
	}
	return thread->err;
}

/* What all but so many of 1000 operations do not exceed, in parts of a ns. */
static uint64_t delay_beyond(const struct alloc_delays *delays, uint64_t permille)
{
	uint64_t left = delays->count * permille / 1000;
	uint32_t i = TICKS - 1;

	while (i > 0 && delays->counts[i] <= left)
		left -= delays->counts[i--];
	return (uint64_t)(i * delays->ns * ALLOC_DELAY_UNIT);
}

int alloc_load_delays(struct alloc_load *load, unsigned int op, uint64_t *spent)
{
	int err = op == ALLOC_OP_DELAYS ? delays_measure(load) : 0;

	if (err || !load->delays)
		return err ? err : -EINVAL;
	*spent = delay_beyond(load->delays, op == ALLOC_OP_DELAYS ? 500
					    : op == ALLOC_OP_P99  ? 10
								  : 1);
	return 0;
}

/* Reading the clock and nothing else. */
static double clock_ns(void)
{
	double spent[1001], ns = tick_ns();

	for (unsigned int i = 0; i < 1001; i++) {
		uint64_t start = ticks();

		spent[i] = (double)(ticks() - start);
	}
	return median(spent, 1001) * ns;
}

/* The yardstick, blocks and region, each with three rows. */
struct delay_bounds {
	double of_yardstick[3];
	double ns;
};

static int delay_group(struct group_context *group, const char *name,
		       const struct alloc_case *shape, const struct delay_bounds *bounds)
{
	static const char *const names[3][3] = {
		{ "yardstick, median", "yardstick, 1 of 100 longer",
		  "yardstick, 1 of 1000 longer" },
		{ "blocks, median", "blocks, 1 of 100 longer", "blocks, 1 of 1000 longer" },
		{ "region, median", "region, 1 of 100 longer", "region, 1 of 1000 longer" },
	};
	static const enum alloc_op ops[3] = { ALLOC_OP_DELAYS, ALLOC_OP_P99, ALLOC_OP_P999 };
	static const struct alloc_kind *const kinds[3] = { &alloc_yardstick, &alloc_blocks,
							   &alloc_region };
	/* The yardstick does not refuse by alignment or window. */
	unsigned int first = shape->shape == ALLOC_REFUSED ? 1 : 0, count = 0;
	struct alloc_row rows[9];

	for (unsigned int kind = first; kind < 3; kind++)
		for (unsigned int i = 0; i < 3; i++)
			rows[count++] = (struct alloc_row){
				.kind = kinds[kind],
				.shape = shape,
				.name = names[kind][i],
				.op = ops[i],
				.base = i,
				.bound = kind == 1 ? bounds->of_yardstick[i] : 0,
				.bound_ns = kind == 1 ? bounds->ns : 0,
			};
	return alloc_group(group, name, rows, count, NULL);
}

int alloc_part_delay(struct group_context *group)
{
	/* 120 and 300 ns, aligned 500, where the yardstick's peer took 80, 220 and 200. */
	static const struct delay_bounds plain = { { 0, 1.5, 1.36 }, 0 };
	static const struct delay_bounds aligned = { { 0, 0, 2.5 }, 0 };
	static const struct delay_bounds refused = { { 0, 0, 0 }, 2000 };
	uint32_t live = group->output->quick ? 1000 : 20000;
	const struct alloc_case random = { .live = live, .span = 64 * GIB };
	const struct alloc_case mixed = { .live = live, .span = 64 * GIB, .mixed = true };
	const struct alloc_case large = { ALLOC_REFUSED, .live = live, .size = 604 << 10,
					  .alignment = 4096 };
	const struct alloc_case wide = { ALLOC_REFUSED, .live = live, .size = 512 << 10,
					 .alignment = 2 << 20 };
	const struct alloc_case odd = { ALLOC_REFUSED, .live = live, .size = 512 << 10,
					.alignment = 128 << 10 };
	const struct alloc_case window = { ALLOC_REFUSED,	   .live = live,
					   .size = 512 << 10,	   .alignment = 128 << 10,
					   .window = 500ull << 20, .uneven = true };
	int err = delay_group(group, "each operation, random replace", &random, &plain);

	if (!err)
		err = delay_group(group, "each operation, mixed alignments", &mixed, &aligned);
	if (!err)
		err = delay_group(group, "refusal: larger than any free range", &large, &refused);
	if (!err)
		err = delay_group(group, "refusal: no multiple of 2 MiB", &wide, &refused);
	if (!err)
		err = delay_group(group, "refusal: no multiple of 128 KiB", &odd, &refused);
	if (!err)
		err = delay_group(group, "refusal: the same, in a window of 500 MiB", &window,
				  &refused);
	output_note(group->output, "reading the clock twice: %.1f ns, in each of these figures",
		    clock_ns());
	return err;
}
