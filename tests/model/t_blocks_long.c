/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan noasan */
/* budget: 10 */
/*
 * The block allocator over a long run at saturation: every request is served, at the cost
 * of random blocks that are freed until it fits. Neither the books nor what can be used of
 * the span may drift, with plain and with aligned blocks; and at the end all is one range.
 */
#include "core/blocks.h"

#include <errno.h>
#include <inttypes.h>

#include "base/random.h"
#include "support/blocks_map.h"
#include "tap/tap.h"

#define GIB   (UINT64_C(1) << 30)
#define START (UINT64_C(7) << 40)

enum { LIVE_MOST = 1 << 18, PARTS = 8 };

struct run {
	struct vas_blocks *blocks;
	uint64_t random;
	bool aligned;
	uint64_t starts[LIVE_MOST];
	uint32_t count;
	uint64_t wrong;
};

/* 4 KiB to 4 MiB, as many in each octave. */
static uint64_t random_size(struct run *run)
{
	uint64_t octave = UINT64_C(4096) << vas_random_below(&run->random, 10);

	return octave + vas_random_below(&run->random, octave);
}

static void drop_one(struct run *run)
{
	uint32_t which = (uint32_t)vas_random_below(&run->random, run->count);
	struct vas_block_info info;

	run->wrong += vas_blocks_free(run->blocks, run->starts[which], &info) != 0;
	run->starts[which] = run->starts[--run->count];
}

static void serve_one(struct run *run)
{
	static const uint64_t alignments[] = { 4096, 65536, 2097152 };
	struct vas_block_request request = { .size = random_size(run) };
	int error;

	if (run->aligned)
		request.alignment = alignments[vas_random_below(&run->random, 3)];
	while ((error = vas_blocks_alloc(run->blocks, &request, &run->starts[run->count])) ==
		       -ENOSPC &&
	       run->count > 0)
		drop_one(run);
	run->wrong += error != 0;
	run->count++;
}

/* The mean occupancy over one part of the run, in per mille. */
static uint64_t run_part(struct run *run, uint64_t requests)
{
	struct vas_blocks_stats stats;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < requests; i++) {
		serve_one(run);
		vas_blocks_stats(run->blocks, &stats);
		sum += stats.used / (stats.size / 1000);
	}
	run->wrong += !vas_blocks_check(run->blocks);
	return sum / requests;
}

static struct run run;

static void run_long(const char *name, bool aligned, uint64_t requests, uint64_t least)
{
	uint64_t occupancy[PARTS], books[PARTS], lowest = 1000, highest = 0;
	struct vas_blocks_stats stats;

	run = (struct run){ .random = 3, .aligned = aligned };
	if (vas_blocks_create((struct vas_span){ START, GIB }, 4096, 1, &blocks_map_support,
			      &run.blocks))
		tap_bail("no allocator");
	run_part(&run, requests / PARTS);
	for (uint32_t i = 0; i < PARTS; i++) {
		occupancy[i] = run_part(&run, requests / PARTS);
		vas_blocks_stats(run.blocks, &stats);
		books[i] = stats.books;
		lowest = occupancy[i] < lowest ? occupancy[i] : lowest;
		highest = occupancy[i] > highest ? occupancy[i] : highest;
	}
	is_u64(run.wrong, 0, "%s: every request is served", name);
	ok(books[PARTS - 1] <= books[0] + books[0] / 2, "%s: books of %" PRIu64 ", then %" PRIu64,
	   name, books[0], books[PARTS - 1]);
	/* Parts that are short differ more. */
	ok(lowest >= least && highest - lowest <= (requests < 200000 ? 60 : 40),
	   "%s: %" PRIu64 " to %" PRIu64 " of 1000 bytes are used", name, lowest, highest);
	while (run.count > 0)
		drop_one(&run);
	vas_blocks_stats(run.blocks, &stats);
	ok(run.wrong == 0 && stats.free_ranges == 1 && stats.largest_free == GIB && stats.live == 0,
	   "%s: all is one free range again", name);
	vas_blocks_destroy(run.blocks);
}

int main(void)
{
	uint64_t requests = tap_scaled(1000000);

	tap_plan(8);
	run_long("plain", false, requests < 40000 ? 40000 : requests, 860);
	run_long("aligned", true, requests < 40000 ? 40000 : requests, 600);
	return tap_done();
}
