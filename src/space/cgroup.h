/* SPDX-License-Identifier: BSD-2-Clause */
/* The room that memory control groups leave this process. */
#ifndef VAS_SPACE_CGROUP_H
#define VAS_SPACE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

/*
 * Bytes left under the tightest limit among this process's memory group and
 * all its ancestors, version 1 or 2; UINT64_MAX when there is no limit or it
 * cannot be told. Needs about 6 KiB of stack.
 */
uint64_t vas_cgroup_room(struct vas_sys *sys);

/*
 * Whether so many bytes, and a margin, fit under the limits. A reading serves for further bytes, which
 * *credit (atomic, 0 at first) counts: for a 64th of the room at most, and never more than most.
 */
bool vas_cgroup_admits(struct vas_sys *sys, uint64_t *credit, uint64_t most, uint64_t size);

#endif
