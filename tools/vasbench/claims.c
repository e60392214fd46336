/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding and claiming 1 GiB, 2 MiB aligned, in [4 GiB, 127 TiB): anywhere, at
 * a remembered place, towards the low end, against the raw pair of system
 * calls at an address known to be free, and against reading all mappings.
 */
#include "claims.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "layouts.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define SIZE (1ull << 30)
#define ALIGNMENT (2ull << 20)
#define FREE_ADDRESS 0x5a0000000000ull /* above every layout, below the libraries */

int raw_pair_run(void *context, unsigned int count)
{
	const struct raw_pair *pair = context;

	for (unsigned int i = 0; i < count; i++) {
		void *got = mmap((void *)(uintptr_t)pair->address, pair->size, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
					 MAP_FIXED_NOREPLACE,
				 -1, 0);

		if (got == MAP_FAILED)
			return -errno;
		if (munmap(got, pair->size))
			return -errno;
	}
	return 0;
}

int read_maps_run(void *context, unsigned int count)
{
	(void)context;
	for (unsigned int i = 0; i < count; i++) {
		struct vas_mapping mapping;
		struct vas_layout *layout;
		int more, err = vas_layout_open(NULL, &layout);

		if (err)
			return err;
		do {
			more = vas_layout_next(layout, &mapping);
		} while (more > 0);
		vas_layout_close(layout);
		if (more < 0)
			return more;
	}
	return 0;
}

struct reserve_context {
	struct vas_reserve_opts opts;
	uint64_t size;
	unsigned int windows; /* how many different windows are used in turn */
	unsigned int next;
};

/*
 * With more windows than the library remembers, each request comes to a window
 * it has no memory of: "anywhere".
 */
static int reserve_run(void *context, unsigned int count)
{
	struct reserve_context *reserve = context;
	struct vas_reserve_opts opts = reserve->opts;
	struct vas_span span;

	for (unsigned int i = 0; i < count; i++) {
		int err;

		opts.max = reserve->opts.max - (reserve->next++ % reserve->windows) * ALIGNMENT;
		err = vas_reserve(reserve->size, &opts, &span);
		if (err)
			return err;
		err = vas_release(vas_span_pointer(span), NULL);
		if (err)
			return err;
	}
	return 0;
}

struct layout_run {
	struct group_context *group;
	const char *name;
	int (*build)(unsigned int count);
	unsigned int count;
};

static struct reserve_context reserve_context(enum vas_place place, unsigned int windows)
{
	struct reserve_context context = { .size = SIZE, .windows = windows };

	context.opts.size = sizeof(context.opts);
	context.opts.min = WINDOW_START;
	context.opts.max = WINDOW_END;
	context.opts.alignment = ALIGNMENT;
	context.opts.place = place;
	return context;
}

static int layout_measure(void *context)
{
	struct layout_run *run = context;
	struct raw_pair pair = { FREE_ADDRESS, SIZE };
	struct reserve_context anywhere = reserve_context(VAS_PLACE_ANY, 64);
	struct reserve_context remembered = reserve_context(VAS_PLACE_ANY, 1);
	struct reserve_context low = reserve_context(VAS_PLACE_LOW, 1);
	unsigned int reads = run->count > 5000 ? 1 : 20, failed = 0;
	struct contender contenders[] = {
		{ "raw pair at a known free address", raw_pair_run, &pair, .batch = 64 },
		{ "anywhere", reserve_run, &anywhere, .batch = 64, .bound = 1.5 },
		{ "remembered place", reserve_run, &remembered, .batch = 64, .bound = 1.1 },
		{ "towards the low end", reserve_run, &low, .batch = 64,
		  .bound = run->build == layout_gaps ? 4.5 : 0 },
		{ "reading and parsing all mappings", read_maps_run, NULL, .batch = reads },
	};
	char group[64];
	int err = run->build(run->count);

	if (err)
		return err;
	err = measure(contenders, 5, run->group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: %s: error %d\n", contenders[failed].name, -err);
		return err;
	}
	snprintf(group, sizeof(group), "%s, %u mappings", run->name, run->count);
	output_group(run->group->output, group, contenders, 5);
	output_note(run->group->output, "reading costs %.0f times \"anywhere\"",
		    contenders[4].ns / contenders[1].ns);
	return 0;
}

int bench_claims(struct group_context *group)
{
	static const unsigned int counts[] = { 100, 10000, 60000 };
	int err = 0;

	for (unsigned int i = 0; i < 6 && !err; i++) {
		struct layout_run run = { group, i < 3 ? "low" : "gaps",
					  i < 3 ? layout_low : layout_gaps, counts[i % 3] };

		err = group_in_child(group, layout_measure, &run);
	}
	return err;
}
