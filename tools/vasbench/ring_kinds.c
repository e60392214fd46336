/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of queues beside the simplest one: what many producers and waiting cost when nobody is in the way and nobody sleeps.
 *
 * Sixteen records are put, by each producer in turn where there are two, and then got, by one thread.
 */
#include "ring_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vaspace/vaspace.h>

#define PRODUCERS 2u

struct kind {
	const char *name;
	uint32_t flags; /* VAS_QUEUE_ */
	uint32_t producers;
	uint64_t length;
	struct vas_queue *queue;
	struct vas_queue_end ends[PRODUCERS], consumer;
	uint64_t spent;
	unsigned char record[QUEUE_LENGTH_MOST];
};

static const struct kind kinds[] = {
	{ .name = "one producer", .producers = 1 },
	{ .name = "WAITS", .flags = VAS_QUEUE_WAITS, .producers = 1 },
	{ .name = "MANY, one producer", .flags = VAS_QUEUE_MANY, .producers = 1 },
	{ .name = "MANY, two producers", .flags = VAS_QUEUE_MANY, .producers = 2 },
	{ .name = "MANY and WAITS, two producers",
	  .flags = VAS_QUEUE_MANY | VAS_QUEUE_WAITS,
	  .producers = 2 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int kind_burst(struct kind *kind)
{
	struct vas_queue_end *first = &kind->ends[0], *second = &kind->ends[kind->producers - 1];

	for (uint32_t i = 0; i < QUEUE_BURST / 2; i++)
		if (vas_queue_put(first, kind->record, kind->length) ||
		    vas_queue_put(second, kind->record, kind->length))
			return -EAGAIN;
	for (uint32_t i = 0; i < QUEUE_BURST; i++) {
		uint64_t length = sizeof(kind->record);

		if (vas_queue_get(&kind->consumer, kind->record, &length))
			return -EAGAIN;
	}
	return 0;
}

static int kind_run(void *context, unsigned int count)
{
	struct kind *kind = context;
	uint64_t begun = cpu_ns();
	int err = 0;

	for (unsigned int i = 0; i < count / QUEUE_BURST && !err; i++)
		err = kind_burst(kind);
	kind->spent = cpu_ns() - begun;
	return err;
}

static int kind_make(struct kind *kind, uint64_t length)
{
	VAS_OPTS(vas_queue_opts, opts);
	int err;

	kind->length = length;
	opts.flags = kind->flags;
	err = vas_queue_create(QUEUE_BYTES, &opts, &kind->queue);
	for (uint32_t i = 0; i < kind->producers && !err; i++)
		err = vas_queue_join(kind->queue, VAS_QUEUE_PRODUCER, &kind->ends[i]);
	return err ? err : vas_queue_join(kind->queue, VAS_QUEUE_CONSUMER, &kind->consumer);
}

struct kinds_part {
	struct group_context *group;
	uint64_t length; /* of records */
	const char *name;
};

static int kinds_measure(void *context)
{
	struct kinds_part *part = context;
	struct contender contenders[KINDS];
	static struct kind made[KINDS];
	unsigned int failed = 0;
	int err = 0;

	memcpy(made, kinds, sizeof(made));
	for (unsigned int i = 0; i < KINDS && !err; i++) {
		err = kind_make(&made[i], part->length);
		contenders[i] = (struct contender){
			.name = made[i].name,
			.run = kind_run,
			.context = &made[i],
			.batch = QUEUE_BURST * 512,
			.spent = &made[i].spent,
		};
	}
	if (!err)
		err = measure(contenders, KINDS, part->group->rounds, &failed);
	if (err)
		fprintf(stderr, "vasbench: ring: error %d\n", -err);
	else
		output_group(part->group->output, part->name, contenders, KINDS);
	return err;
}

int bench_queue_kinds(struct group_context *group)
{
	struct kinds_part parts[] = {
		{ group, 64, "kinds of queues, records of 64 B copied" },
		{ group, 1024, "kinds of queues, records of 1 KiB copied" },
	};
	unsigned int count = group->output->quick ? 1 : sizeof(parts) / sizeof(parts[0]);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = group_in_child(group, kinds_measure, &parts[i]);
	return err;
}
