/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the benchmark "ring" about queues. */
#ifndef VASBENCH_RING_QUEUE_H
#define VASBENCH_RING_QUEUE_H

#include "group.h"

#define QUEUE_BYTES	  (64u << 10)
#define QUEUE_BURST	  16u /* records that are put, and then got */
#define QUEUE_LENGTH_MOST 1024u /* of a record */

int bench_queues(struct group_context *group); /* beside plain rings; ring_queue.c */
int bench_queue_kinds(struct group_context *group); /* beside each other; ring_kinds.c */

#endif
