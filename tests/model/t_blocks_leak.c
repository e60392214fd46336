/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 10 */
/*
 * Nothing leaks, however long an allocator is used: after a long run with every kind of call, with
 * magazines and without, the books are no larger than blocks ever needed, and with all blocks freed all is
 * one free range; the span can be filled again as at first, and the books hardly grow.
 *
 * The check makes some 2 * 10^6 calls. For as many as an argument says, in a release build:
 *
 *	build/t/model/blocks_leak.t 1000000000
 *
 * 10^9 calls take some minutes for each of both, which a second argument (0 or 1) chooses.
 */
#include "core/blocks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "core/blocks_zone.h"
#include "support/block_memory.h"
#include "tap/tap.h"

#define GIB   (UINT64_C(1) << 30)
#define START (UINT64_C(9) << 40)

enum { LIVE_MOST = 1 << 18, PARTS = 10, SWING = 1 << 15 };

struct run {
	struct vas_blocks *blocks;
	struct block_memory memory;
	uint64_t random;
	uint64_t size; /* of the span */
	uint64_t starts[LIVE_MOST];
	uint32_t count;
	uint32_t most; /* that were live at once */
	uint32_t target;
	uint64_t calls;
	uint64_t refused;
	uint64_t cached; /* blocks seen in magazines */
	uint64_t wrong;
};

static struct run run;

static uint64_t below(uint64_t bound)
{
	return vas_random_below(&run.random, bound);
}

static uint64_t random_size(void)
{
	uint64_t octave = UINT64_C(4096) << below(10);

	return octave + below(octave);
}

/* Conditions of a request that no magazine serves. */
static void request_condition(struct vas_block_request *request)
{
	switch (below(6)) {
	case 0:
		request->alignment = UINT64_C(131072) << below(8);
		break;
	case 1:
		request->min = START + below(run.size / 2);
		request->max = request->min + run.size / 4;
		break;
	case 2:
		request->boundary = UINT64_C(4) << 20;
		request->size = request->size % request->boundary + 1;
		break;
	case 3:
		request->margin = 4096 * below(4);
		break;
	case 4:
		request->flags = VAS_BLOCKS_LOW << below(2);
		break;
	default:
		request->flags = VAS_BLOCKS_RANDOM;
		break;
	}
}

static void do_alloc(bool plain)
{
	struct vas_block_request request = { .size = random_size() };
	uint64_t kind = plain ? 64 : below(64);
	int error;

	if (kind < 2)
		request_condition(&request);
	else if (kind < 16)
		request.alignment = kind < 9 ? 65536 : 2097152;
	error = vas_blocks_alloc(run.blocks, &request, &run.starts[run.count]);
	if (error) {
		run.refused++;
		run.wrong += error != -ENOSPC;
		/* Full, or nearly: back to fewer blocks. */
		run.target = run.count / 2;
		return;
	}
	run.count++;
	run.most = run.count > run.most ? run.count : run.most;
}

static void do_free(void)
{
	uint32_t which = (uint32_t)below(run.count);
	struct vas_block_info info;

	run.wrong += vas_blocks_free(run.blocks, run.starts[which], &info) != 0 ||
		     info.span.start != run.starts[which];
	run.starts[which] = run.starts[--run.count];
}

/* Cuts a block in two, and makes one of both again or keeps two. */
static void do_split(uint64_t start, uint64_t size)
{
	uint64_t at = start + 4096 * (1 + below(size / 4096));

	if (at >= start + size || run.count == LIVE_MOST)
		return;
	run.wrong += vas_blocks_split(run.blocks, start, at) != 0;
	if (below(2))
		run.wrong += vas_blocks_merge(run.blocks, start, at) != 0;
	else
		run.starts[run.count++] = at;
}

static void do_change(void)
{
	uint64_t start = run.starts[below(run.count)];
	struct vas_block_info info = { 0 };
	int error;

	run.wrong += vas_blocks_at(run.blocks, start, &info) != 0 || info.span.start != start;
	switch (below(4)) {
	case 0:
		do_split(start, info.span.size);
		break;
	case 1:
		run.wrong += vas_blocks_mark(run.blocks, start, NULL, 5) != 0;
		break;
	default:
		error = vas_blocks_resize(run.blocks, start, random_size());
		run.wrong += error != 0 && error != -ENOSPC;
		break;
	}
}

/* Now and then the allocator is cut and joined, as regions are. */
static void do_cut(void)
{
	uint64_t at = START + run.size / 2;
	struct vas_blocks *upper;
	int error = vas_blocks_cut(run.blocks, at, &upper);

	run.wrong += error != 0 && error != -EINVAL;
	if (!error)
		run.wrong += vas_blocks_join(run.blocks, upper) != 0;
}

/* Few blocks, many, few, and at times as many as there is room for. */
static void swing(uint64_t number)
{
	if (number % 64 == 63 && run.size < 16 * GIB)
		do_cut();
	if (number % 8 == 7)
		run.target = LIVE_MOST - 1;
	else if (run.target < LIVE_MOST - 1 || number % 8 == 2)
		run.target = (uint32_t)(run.size / GIB) * (number % 2 ? 300 : 30);
}

static void do_calls(uint64_t calls)
{
	for (uint64_t i = 0; i < calls && !run.wrong; i++, run.calls++) {
		if (run.calls % SWING == 0)
			swing(run.calls / SWING);
		if (run.count > 0 && below(128) == 0)
			do_change();
		else if (run.count < run.target)
			do_alloc(false);
		else if (run.count > 0)
			do_free();
	}
}

static bool all_free(void)
{
	struct vas_blocks_stats stats;

	while (run.count > 0 && !run.wrong)
		do_free();
	vas_blocks_stats(run.blocks, &stats);
	return !run.wrong && stats.live == 0 && stats.used == 0 && stats.free_ranges == 1 &&
	       stats.largest_free == run.size;
}

/* How many blocks the span takes. */
static uint32_t fill(void)
{
	uint64_t refused = run.refused;

	while (run.refused == refused && run.count < LIVE_MOST - 1)
		do_alloc(true);
	return run.count;
}

static bool books_at_most(const char *what, uint64_t most)
{
	struct vas_blocks_stats stats;

	vas_blocks_stats(run.blocks, &stats);
	return ok(stats.books <= most, "%s: books of %" PRIu64 ", at most %" PRIu64, what,
		  stats.books, most);
}

/* One tenth of the run. */
static void run_part(const char *name, uint64_t calls)
{
	struct vas_blocks_stats stats;
	uint64_t bytes;

	do_calls(calls);
	run.cached += vas_blocks_cached(run.blocks, &bytes);
	vas_blocks_stats(run.blocks, &stats);
	tap_diag("%s: %" PRIu64 " calls, %" PRIu64 " refused, %" PRIu64 " live, most %" PRIu32
		 ", %" PRIu64 " bytes used in %" PRIu64 " free ranges, largest %" PRIu64
		 ", books %" PRIu64,
		 name, run.calls, run.refused, stats.live, run.most, stats.used, stats.free_ranges,
		 stats.largest_free, stats.books);
	run.wrong += stats.live != run.count || !vas_blocks_check(run.blocks);
}

static void run_long(const char *name, uint64_t size, uint64_t calls)
{
	struct vas_blocks_support support = block_memory_support(&run.memory);
	struct vas_blocks_stats stats;
	uint32_t first, last;

	memset(&run, 0, sizeof(run));
	run.random = tap_seed();
	run.size = size;
	if (vas_blocks_create((struct vas_span){ START, size }, 4096, 1, &support, &run.blocks))
		tap_bail("no allocator");
	first = fill();
	ok(all_free(), "%s: filled with %" PRIu32 " blocks, and all freed", name, first);
	for (uint32_t i = 0; i < PARTS && !run.wrong; i++)
		run_part(name, calls / PARTS);
	is_u64(run.wrong, 0, "%s: %" PRIu64 " calls answer as they should", name, run.calls);
	ok((run.cached > 0) == (size >= 16 * GIB), "%s: %" PRIu64 " blocks seen in magazines", name,
	   run.cached);
	vas_blocks_stats(run.blocks, &stats);
	books_at_most(name, 65536 + (uint64_t)run.most * 64);
	ok(all_free(), "%s: with all freed, all is one free range", name);
	last = fill();
	ok(last > first - first / 4, "%s: %" PRIu32 " blocks fill it again", name, last);
	ok(all_free(), "%s: and are freed", name);
	books_at_most(name, stats.books + stats.books / 4);
	vas_blocks_destroy(run.blocks);
	is_u64(run.memory.out, 0, "%s: all memory went back", name);
}

int main(int argc, char **argv)
{
	uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 10) : tap_scaled(1000000);
	int only = argc > 2 ? atoi(argv[2]) : -1;

	tap_plan(0);
	if (only != 1)
		run_long("without magazines", 8 * GIB, calls);
	if (only != 0)
		run_long("with magazines", 32 * GIB, calls);
	return tap_done();
}
