/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random walks: what pages of another size are worth to who reads here and there.
 *
 * WHAT FOR. Whether the ladder is worth its trouble on this machine, for memory that no cache holds.
 *
 * STRATEGY. Arenas of one size, of pages of the pool, of transparent huge pages and of base pages, with every byte touched. Each step
 * reads a word at random and needs what it read to know where the next one is, so that each waits for its own page tables and
 * memory, and nothing is fetched ahead. All walks go the same way.
 *
 * CONCURRENCY. One thread.
 *
 * WHAT IT DOES NOT DO. It takes nothing from the pool that is not free, and adds nothing to it.
 */
#include "arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vaspace/vaspace.h>

#define MIB   (UINT64_C(1) << 20)
#define POOL  (2 * MIB)
#define STEPS 2000000u
#define WALKS 3u

static const struct {
	const char *name;
	uint64_t rung;
} kinds[WALKS] = {
	{ "pages of the pool, 2 MiB", POOL },
	{ "transparent huge pages", VAS_PAGES_TRANSPARENT },
	{ "base pages", VAS_PAGES_BASE },
};

struct walk {
	struct vas_arena *arena;
	const uint64_t *words;
	uint64_t count;
	uint64_t state; /* where it is */
};

struct walk_case {
	struct group_context *group;
	uint64_t size;
	bool pool;
};

static int walk_run(void *context, unsigned int count)
{
	struct walk *walk = context;
	uint64_t state = walk->state;

	/* The words are all zero, which the compiler does not know. */
	while (count--) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		state += walk->words[(state >> 20) & (walk->count - 1)];
	}
	walk->state = state;
	return 0;
}

static int walk_make(struct walk *walk, uint64_t rung, uint64_t size)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	struct vas_arena_opts opts = { .size = sizeof(opts) };
	int err;

	opts.ladder = &rung;
	opts.ladder_count = 1;
	opts.initial = size;
	opts.step = POOL;
	err = vas_arena_create(size, &opts, &walk->arena);
	if (!err)
		err = vas_arena_get(walk->arena, &info);
	if (err)
		return err;
	walk->words = vas_span_pointer(info.span);
	walk->count = size / sizeof(*walk->words);
	walk->state = 1;
	memset(vas_span_pointer(info.span), 0, size);
	return 0;
}

static int walk_measure(void *context)
{
	struct walk_case *item = context;
	struct contender rows[WALKS];
	struct walk walks[WALKS];
	unsigned int count = 0, failed = 0;
	char title[96];
	int err = 0;

	memset(rows, 0, sizeof(rows));
	for (unsigned int i = item->pool ? 0 : 1; i < WALKS && !err; i++) {
		rows[count] = (struct contender){ .name = kinds[i].name, .run = walk_run,
						  .context = &walks[count], .batch = STEPS };
		err = walk_make(&walks[count], kinds[i].rung, item->size);
		count += !err;
		/* A machine without them. */
		if (err == -EOPNOTSUPP && kinds[i].rung == VAS_PAGES_TRANSPARENT)
			err = 0;
	}
	if (!err)
		err = measure(rows, count, item->group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: walk: error %d\n", -err);
		return err;
	}
	snprintf(title, sizeof(title), "random walk through %llu MiB",
		 (unsigned long long)(item->size / MIB));
	output_group(item->group->output, title, rows, count);
	return 0;
}

int bench_walk(struct group_context *group, unsigned int index)
{
	bool quick = group->output->quick;
	const uint64_t size = quick ? 16 * MIB : index ? 2048 * MIB : 1024 * MIB;
	uint64_t pages = arena_pool_pages();
	struct walk_case item = { group, size, !quick && pages * POOL >= size };
	int err;

	/* Nothing here has a bound. */
	if (group->output->bounds || (quick && index))
		return 0;
	err = group_in_child(group, walk_measure, &item);
	if (!err && !item.pool)
		output_note(group->output,
			    "pages of the pool: quick, or fewer than %llu are free: not measured",
			    (unsigned long long)(size / POOL));
	return err;
}
