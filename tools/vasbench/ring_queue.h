/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the benchmark "ring" about queues. */
#ifndef VASBENCH_RING_QUEUE_H
#define VASBENCH_RING_QUEUE_H

#include "group.h"

struct queue_part {
	struct group_context *group;
	uint64_t length; /* of records; a power of two, at most 1024 */
	const char *name;
};

int bench_queue(struct queue_part *part);

#endif
