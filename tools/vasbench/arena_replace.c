/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live pages replaced by new ones.
 *
 * WHAT FOR. What the library adds to the two calls of the kernel that a program could write by hand.
 *
 * STRATEGY. Both replace 2 MiB of a span of which all pages are there, each time another 2 MiB of it: new memory is mapped and populated,
 * and moved there. With base pages and with transparent huge ones, where the kernel has them.
 *
 * CONCURRENCY. One thread.
 *
 * WHAT IT DOES NOT DO. It fills nothing into the new pages: that costs both the same.
 */
#include "arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "sys/definitions.h"

#define PART  (UINT64_C(2) << 20)
#define PARTS 8u
#define BATCH 8u

struct replace {
	unsigned char *live;
	bool base_pages;
	unsigned int turn; /* which part is next */
};

static unsigned char *next_part(struct replace *replace)
{
	return replace->live + replace->turn++ % PARTS * PART;
}

static int raw_once(struct replace *replace)
{
	void *fresh = mmap(NULL, PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fresh == MAP_FAILED)
		return -errno;
	(void)madvise(fresh, PART, replace->base_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	if (madvise(fresh, PART, MADV_POPULATE_WRITE) ||
	    mremap(fresh, PART, PART, MREMAP_MAYMOVE | MREMAP_FIXED, next_part(replace)) ==
		    MAP_FAILED)
		return -errno;
	return 0;
}

static int run_raw(void *context, unsigned int count)
{
	int err = 0;

	while (count-- && !err)
		err = raw_once(context);
	return err;
}

static int run_ours(void *context, unsigned int count)
{
	struct vas_replace *batch;
	int err = 0;

	while (count-- && !err) {
		struct vas_replace_part part = { .start = next_part(context), .size = PART };

		err = vas_replace_prepare(&part, 1, &batch);
		if (!err)
			err = vas_replace_commit(batch);
	}
	return err;
}

/* A span of live pages, of the library's, which both may lie in. */
static int live_make(struct replace *replace, bool base_pages)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve) };
	struct vas_commit_opts opts = { .size = sizeof(opts) };
	struct vas_span span;
	int err;

	reserve.alignment = PART;
	opts.flags = VAS_COMMIT_POPULATE | (base_pages ? VAS_COMMIT_NOHUGE : VAS_COMMIT_HUGE);
	err = vas_reserve(PARTS * PART, &reserve, &span);
	if (!err)
		err = vas_commit(vas_span_pointer(span), span.size, &opts);
	*replace = (struct replace){ .live = vas_span_pointer(span), .base_pages = base_pages };
	return err;
}

struct replace_case {
	struct group_context *group;
	bool base_pages;
};

static int replace_measure(void *context)
{
	const struct replace_case *item = context;
	struct replace raw, ours;
	unsigned int failed = 0;
	struct contender rows[] = {
		{ .name = "populate, mremap", .run = run_raw, .context = &raw, .batch = BATCH },
		{ .name = "vas_replace_", .run = run_ours, .context = &ours, .batch = BATCH,
		  .bound = 1.1 },
	};
	int err = live_make(&raw, item->base_pages);

	if (!err)
		err = live_make(&ours, item->base_pages);
	if (!err)
		err = measure(rows, 2, item->group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: replace: error %d\n", -err);
		return err;
	}
	output_group(item->group->output,
		     item->base_pages ? "2 MiB of live pages replaced, base pages" :
					"2 MiB of live pages replaced, transparent huge pages",
		     rows, 2);
	return 0;
}

int bench_replace(struct group_context *group, unsigned int index)
{
	struct replace_case item = { group, .base_pages = index == 0 };

	return group_in_child(group, replace_measure, &item);
}
