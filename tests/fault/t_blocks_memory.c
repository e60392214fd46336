/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan noasan */
/* budget: 10 */
/*
 * The block allocator when memory for its books is refused: at each single
 * point, and from each point on. A refused call changes nothing; free, resize,
 * merge, mark and the questions never ask for memory; and work goes on
 * when there is memory again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "core/blocks.h"
#include "tap/tap.h"

#define START (UINT64_C(1) << 40)
#define SIZE  (UINT64_C(1) << 33)

enum { LIVE_MOST = 2000, SCRIPT = 1800, POINTS_MOST = 400 };

struct source {
	int64_t left; /* calls until one is refused; < 0: none is */
	bool for_good; /* and all after it */
	bool forbidden; /* no call may come */
	uint64_t calls;
	uint64_t refused;
	uint64_t broken; /* calls that should not have come */
	uint64_t out; /* bytes that were not given back */
};

static int take(void *context, size_t size, void **memory)
{
	struct source *source = context;

	source->calls++;
	source->broken += source->forbidden;
	if (source->left == 0 || (source->left-- == 0)) {
		source->left = source->for_good ? 0 : -1;
		source->refused++;
		return -ENOMEM;
	}
	if (source->left < -1)
		source->left = -1;
	*memory = aligned_alloc(4096, size);
	if (!*memory)
		tap_bail("no memory");
	memset(*memory, 0, size);
	source->out += size;
	return 0;
}

static void give(void *context, void *memory, size_t size)
{
	((struct source *)context)->out -= size;
	free(memory);
}

/* A number for all that can be seen of an allocator. */
static uint64_t fingerprint(struct vas_blocks *blocks)
{
	struct vas_block_info info;
	struct vas_blocks_stats stats;
	uint64_t sum = 0, at = 0;

	while (vas_blocks_next(blocks, at, &info) == 0) {
		sum = vas_mix64(sum ^ info.span.start) + vas_mix64(info.span.size) + info.mark +
		      info.live;
		at = info.span.start + info.span.size;
	}
	vas_blocks_stats(blocks, &stats);
	return sum ^ stats.live ^ stats.used << 1 ^ stats.free_ranges << 2;
}

struct run {
	struct source source;
	struct vas_blocks *blocks;
	uint64_t random;
	uint64_t starts[LIVE_MOST];
	uint32_t count;
	uint64_t wrong;
};

/*
 * A call that fails was refused memory and changes nothing. One that was refused much
 * may work all the same, with less.
 */
static void judge(struct run *run, int error, uint64_t before, uint64_t refused)
{
	if (error == -ENOMEM)
		run->wrong += run->source.refused == refused ||
			      fingerprint(run->blocks) != before || !vas_blocks_check(run->blocks);
	else
		run->wrong += error != 0;
}

static void run_alloc(struct run *run, uint64_t before)
{
	struct vas_block_request request = {
		.size = 4096 * (1 + vas_random_below(&run->random, 4)),
		.mark = run->count,
		.flags = vas_random_below(&run->random, 2) ? VAS_BLOCKS_RANDOM : 0,
	};
	uint64_t refused = run->source.refused;
	int error = vas_blocks_alloc(run->blocks, &request, &run->starts[run->count]);

	judge(run, error, before, refused);
	run->count += error == 0;
}

static void run_split(struct run *run, uint64_t before)
{
	uint64_t start = run->starts[vas_random_below(&run->random, run->count)];
	uint64_t refused = run->source.refused;
	struct vas_block_info info;
	int error;

	run->wrong += vas_blocks_at(run->blocks, start, &info) != 0;
	if (info.span.size == 4096)
		return;
	error = vas_blocks_split(run->blocks, start, start + 4096);
	judge(run, error, before, refused);
	if (!error)
		run->starts[run->count++] = start + 4096;
}

static void run_without_memory(struct run *run)
{
	uint32_t which = (uint32_t)vas_random_below(&run->random, run->count);
	struct vas_block_info info;
	int error;

	run->source.forbidden = true;
	run->wrong += vas_blocks_mark(run->blocks, run->starts[which], NULL, 77) != 0;
	run->wrong += vas_blocks_resize(run->blocks, run->starts[which], 4096) != 0;
	error = vas_blocks_resize(run->blocks, run->starts[which], 8192);
	run->wrong += error != 0 && error != -ENOSPC;
	run->wrong += vas_blocks_free(run->blocks, run->starts[which], &info) != 0;
	run->starts[which] = run->starts[--run->count];
	run->source.forbidden = false;
}

static void run_cut(struct run *run, uint64_t before)
{
	uint64_t at = run->starts[vas_random_below(&run->random, run->count)];
	uint64_t refused = run->source.refused;
	struct vas_blocks *upper = NULL;
	int error = at == START ? 0 : vas_blocks_cut(run->blocks, at, &upper);
	uint64_t above;

	judge(run, error, before, refused);
	if (!upper)
		return;
	before = fingerprint(run->blocks);
	above = fingerprint(upper);
	refused = run->source.refused;
	error = vas_blocks_join(run->blocks, upper);
	judge(run, error, before, refused);
	if (error) {
		run->wrong += fingerprint(upper) != above;
		run->source.left = -1;
		run->wrong += vas_blocks_join(run->blocks, upper) != 0;
	}
}

static void run_script(struct run *run, int64_t left, bool for_good)
{
	struct vas_blocks_support support = { .context = &run->source, .take = take, .give = give };
	struct vas_block_info info;

	*run = (struct run){ .source = { .left = left, .for_good = for_good }, .random = 5 };
	if (vas_blocks_create((struct vas_span){ START, SIZE }, 4096, 5, &support, &run->blocks)) {
		run->wrong += left != 0 || run->source.out != 0;
		return;
	}
	for (uint32_t i = 0; i < SCRIPT && run->source.refused < 3; i++) {
		uint64_t kind = vas_random_below(&run->random, 500);
		/* Looking at everything is dear: only where memory is about to be refused. */
		uint64_t before = 0;

		if ((run->source.left >= 0 && run->source.left < 8) || kind == 0)
			before = fingerprint(run->blocks);
		if (run->count < LIVE_MOST - 2 && (kind >= 150 || run->count < 100))
			run_alloc(run, before);
		else if (kind >= 100 && run->count < LIVE_MOST - 2)
			run_split(run, before);
		else if (kind == 0 && run->count)
			run_cut(run, before);
		else if (run->count)
			run_without_memory(run);
	}
	run->source.forbidden = true;
	while (run->count > 0)
		run->wrong += vas_blocks_free(run->blocks, run->starts[--run->count], &info) != 0;
	run->wrong += !vas_blocks_check(run->blocks);
	vas_blocks_destroy(run->blocks);
	run->wrong += run->source.out != 0;
}

static struct run run;

int main(void)
{
	uint64_t points = 0, wrong = 0, broken = 0, refused = 0;

	tap_plan(0);
	run_script(&run, -1, false);
	ok(run.wrong == 0 && run.source.refused == 0 && run.source.calls > 20,
	   "without refusals all goes well, in %" PRIu64 " pieces of memory", run.source.calls);
	is_u64(run.source.broken, 0, "and free and its like ask for none");
	points = run.source.calls < POINTS_MOST ? run.source.calls : POINTS_MOST;
	for (uint64_t i = 0; i < points; i++)
		for (int for_good = 0; for_good < 2; for_good++) {
			run_script(&run, (int64_t)i, for_good);
			wrong += run.wrong;
			broken += run.source.broken;
			refused += run.source.refused;
		}
	ok(refused >= points, "%" PRIu64 " refusals at %" PRIu64 " points", refused, points);
	is_u64(wrong, 0, "change nothing");
	is_u64(broken, 0, "and are never met by free, resize, merge, mark");
	return tap_done();
}
