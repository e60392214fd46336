/* SPDX-License-Identifier: BSD-2-Clause */
/* What is looked at: a process or a saved maps file. */
#ifndef VASMAP_TARGET_H
#define VASMAP_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <vaspace/layout.h>

#include "message.h"

#define MAP_UNKNOWN UINT64_MAX

struct map_target {
	const char *operand;
	const char *path; /* of a saved file; NULL = a process */
	pid_t pid;
	bool self;
	struct vas_layout *layout;
	struct vas_window window; /* this machine's; all its processes are taken to have it */

	/* Of a process. */
	char command[64]; /* its name; "" = not known */
	int64_t uid; /* effective; -1 = not known */
	uint64_t start_time; /* clock ticks since boot; with the pid it names one process */
	uint64_t threads; /* MAP_UNKNOWN */
	uint64_t vma_limit; /* vm.max_map_count; MAP_UNKNOWN for a file too */
};

/*
 * operand: a pid, self, or the path of a saved file (- for standard input). Says by itself what
 * failed.
 */
enum map_status map_target_open(struct map_target *target, const char *operand);
void map_target_close(struct map_target *target);

/*
 * What error, the result of reading, means: 0 is the end of the mappings. Says by itself what is
 * wrong. NO: the process ended meanwhile.
 */
enum map_status map_target_judge(struct map_target *target, int error);

#endif
