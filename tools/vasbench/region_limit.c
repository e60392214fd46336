/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free when the process has as many kernel mappings as the kernel allows it,
 * against free away from that limit. Two layouts: all blocks committed, where
 * each free would have to split a mapping, which the kernel refuses; and every
 * second one, where it joins two.
 *
 * The filler is one inaccessible mapping whose every second page is made
 * readable until the kernel refuses. Before each batch the library gets room, so
 * that it can prepare itself as it likes, and is then left none.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "blocks.h"
#include "measure.h"
#include "region.h"
#include "worker.h"

#define PAGE 4096u
#define BLOCK_SIZE (64u << 10)
#define BLOCKS 4096u
#define BATCH 64u
#define FILLER_PAGES 400000u /* more than half the limit of mappings */
#define ROOM (4 * BATCH)
#define OP_STATES 16u /* not timed: OP_STATES + state answers how many frees came to it */

struct limit {
	struct blocks_layout layout;
	bool full;
	unsigned char *filler;
	unsigned int filled; /* pages made readable */
	uint64_t states[VAS_RETIRED_WAITING + 1];
};

static int filler_make(struct limit *limit)
{
	void *filler = mmap(NULL, (uint64_t)FILLER_PAGES * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (filler == MAP_FAILED)
		return -errno;
	limit->filler = filler;
	return 0;
}

/* Page number n of those that are two mappings more each. */
static unsigned char *filler_page(const struct limit *limit, unsigned int n)
{
	return limit->filler + (2ull * n + 1) * PAGE;
}

/* Until the kernel refuses one mapping more. */
static int filler_fill(struct limit *limit)
{
	while (2 * limit->filled + 4 < FILLER_PAGES) {
		if (mprotect(filler_page(limit, limit->filled), PAGE, PROT_READ)) {
			if (errno != ENOMEM)
				return -errno;
			/* One more may still fit: the page beside a readable one. */
			(void)mprotect(filler_page(limit, limit->filled - 1) + PAGE, PAGE,
				       PROT_READ | PROT_WRITE);
			return 0;
		}
		limit->filled++;
	}
	return -ENOSPC; /* the limit is far higher than usual */
}

static int filler_drain(struct limit *limit, unsigned int mappings)
{
	if (limit->filled == 0)
		return 0;
	if (mprotect(filler_page(limit, limit->filled - 1) + PAGE, PAGE, PROT_NONE))
		return -errno;
	for (unsigned int i = 0; i < mappings && limit->filled > 0; i += 2)
		if (mprotect(filler_page(limit, --limit->filled), PAGE, PROT_NONE))
			return -errno;
	return 0;
}

static int limit_prepare(void *context)
{
	struct limit *limit = context;
	int err = blocks_region_prepare(&limit->layout);

	return err ? err : filler_make(limit);
}

static int limit_free(struct limit *limit, unsigned int count)
{
	enum vas_retired state;
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		err = vas_region_free(limit->layout.region, blocks_next(&limit->layout), &state);
		if (!err)
			limit->states[state]++;
	}
	return err;
}

/* With room again, everything goes back to how it was. */
static int limit_restore(struct limit *limit, unsigned int count)
{
	struct vas_block block;
	uint64_t reclaimed;
	int err = filler_drain(limit, ROOM);

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_EXACT | VAS_ALLOC_COMMIT;
	if (!err)
		err = vas_reclaim(UINT64_MAX, &reclaimed);
	blocks_again(&limit->layout, count);
	for (unsigned int i = 0; i < count && !err; i++) {
		opts.address = blocks_next(&limit->layout);
		err = vas_region_alloc(limit->layout.region, limit->layout.size, &opts, &block);
	}
	return err;
}

static int limit_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct limit *limit = context;
	uint64_t start;
	int err = 0;

	if (op >= OP_STATES) {
		*spent = limit->states[op - OP_STATES];
		return 0;
	}
	if (limit->full)
		err = filler_fill(limit);
	start = cpu_ns();
	if (!err)
		err = limit_free(limit, count);
	*spent = cpu_ns() - start;
	return err ? err : limit_restore(limit, count);
}

static void limit_note(struct group_context *group, const struct worker *worker)
{
	static const char *const names[] = { "gone", "guarded", "emptied", "held" };
	uint64_t counts[4] = { 0 };

	for (unsigned int i = 0; i < 4; i++)
		if (worker_run(worker, OP_STATES + i, 0, &counts[i]))
			return;
	output_note(group->output, "at the limit: %u %s, %u %s, %u %s, %u %s", (unsigned int)counts[0],
		    names[0], (unsigned int)counts[1], names[1], (unsigned int)counts[2], names[2],
		    (unsigned int)counts[3], names[3]);
}

static int limit_rows(struct group_context *group, const char *name, const struct worker *away,
		      const struct worker *full)
{
	struct worker_row away_row = { away, BLOCKS_FREE, 0 }, full_row = { full, BLOCKS_FREE, 0 };
	struct contender contenders[] = {
		{ "away from the limit", worker_row_run, &away_row, .batch = BATCH,
		  .spent = &away_row.spent },
		{ "at the limit", worker_row_run, &full_row, .batch = BATCH,
		  .spent = &full_row.spent, .bound = 3 },
	};
	unsigned int failed = 0;
	int err = measure(contenders, 2, group->rounds, &failed);

	if (err) {
		fprintf(stderr, "vasbench: %s: %s: error %d\n", name, contenders[failed].name, -err);
		return err;
	}
	output_group(group->output, name, contenders, 2);
	limit_note(group, full);
	return 0;
}

static int limit_case(struct group_context *group, const char *name, bool solid)
{
	struct limit limits[2] = { 0 };
	struct worker workers[2];
	int err = 0, started;

	for (started = 0; started < 2 && !err; started++) {
		struct worker_job job = { limit_prepare, limit_run, &limits[started] };

		limits[started].layout = (struct blocks_layout){ .size = BLOCK_SIZE, .count = BLOCKS,
								 .solid = solid };
		limits[started].full = started == 1;
		err = worker_start(&workers[started], &job);
	}
	if (err) {
		started--;
		fprintf(stderr, "vasbench: %s: error %d\n", name, -err);
	} else {
		err = limit_rows(group, name, &workers[0], &workers[1]);
	}
	while (started-- > 0)
		worker_stop(&workers[started]);
	return err;
}

int bench_limit(struct group_context *group)
{
	int err = limit_case(group, "free that splits a mapping", true);

	return err ? err : limit_case(group, "free that joins two mappings", false);
}
