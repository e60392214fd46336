/* SPDX-License-Identifier: BSD-2-Clause */
/* Who owns an address, warm; and combining 8 limits with 64 holes each. */
#include "claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <vaspace/vaspace.h>

#define SPANS 64
#define LIMITS 8
#define HOLES 64

struct owners {
	struct vas_span spans[SPANS];
	unsigned int count;
};

static int owner_run(void *context, unsigned int count)
{
	const struct owners *owners = context;
	struct vas_owner owner;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct vas_span *span = &owners->spans[i % owners->count];

		if (vas_owner_at((void *)(uintptr_t)(span->start + span->size / 2), &owner))
			return -ENOENT;
		sum += owner.id;
	}
	__asm__ __volatile__("" ::"r"(sum));
	return 0;
}

/* What an empty loop of the same shape costs. */
static int empty_run(void *context, unsigned int count)
{
	const struct owners *owners = context;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < count; i++) {
		sum += owners->spans[i % owners->count].start;
		__asm__ __volatile__("" ::"r"(sum));
	}
	return 0;
}

struct combine {
	struct vas_limits limits[LIMITS];
	const struct vas_limits *list[LIMITS];
	struct vas_span holes[LIMITS][HOLES];
	struct vas_span room[2 * LIMITS * HOLES];
};

static int combine_run(void *context, unsigned int count)
{
	struct combine *combine = context;
	struct vas_limits combined;
	struct vas_limits_combine_opts opts = { sizeof(opts), combine->room, 2 * LIMITS * HOLES, NULL };

	for (unsigned int i = 0; i < count; i++) {
		int err = vas_limits_combine(combine->list, LIMITS, &opts, &combined);

		if (err)
			return err;
		__asm__ __volatile__("" ::"r"(combined.hole_count));
	}
	return 0;
}

static void combine_init(struct combine *combine)
{
	uint64_t state = 1;

	for (unsigned int i = 0; i < LIMITS; i++) {
		for (unsigned int k = 0; k < HOLES; k++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			combine->holes[i][k].start = (k + 1ull) * (1ull << 38) + (state >> 40 << 12);
			combine->holes[i][k].size = 1ull << 20;
		}
		combine->limits[i] = (struct vas_limits){
			.size = sizeof(struct vas_limits),
			.min = (i + 1) * 4096,
			.max = (1ull << 47) - i * 4096,
			.alignment = 4096ull << i,
			.granule = 4096,
			.holes = combine->holes[i],
			.hole_count = HOLES,
		};
		combine->list[i] = &combine->limits[i];
	}
}

static int lookup_measure(void *context)
{
	struct group_context *group = context;
	struct owners *one = calloc(1, sizeof(*one)), *many = calloc(1, sizeof(*many));
	struct combine *combine = calloc(1, sizeof(*combine));
	struct contender contenders[] = {
		{ "empty loop", empty_run, many, .batch = 100000 },
		{ "owner look-up, 1 span in 64 TiB", owner_run, one, .batch = 100000, .bound_ns = 10 },
		{ "owner look-up, 64 spans side by side", owner_run, many, .batch = 100000, .bound_ns = 10 },
		{ "combining 8 limits with 64 holes each", combine_run, combine, .batch = 200, .bound_ns = 5000 },
	};
	unsigned int failed = 0;
	int err;

	if (!one || !many || !combine)
		return -ENOMEM;
	combine_init(combine);
	one->count = 1;
	err = vas_reserve(64ull << 40, NULL, &one->spans[0]);
	for (many->count = 0; many->count < SPANS && !err; many->count++)
		err = vas_reserve(3ull << 20, NULL, &many->spans[many->count]);
	if (!err)
		err = measure(contenders, 4, group->rounds, &failed);
	if (err)
		fprintf(stderr, "vasbench: look-up: error %d\n", -err);
	else
		output_group(group->output, "look-up", contenders, 4);
	free(one);
	free(many);
	free(combine);
	return err;
}

int bench_lookup(struct group_context *group)
{
	return group_in_child(group, lookup_measure, group);
}
