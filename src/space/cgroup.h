/* SPDX-License-Identifier: BSD-2-Clause */
/* The room that memory control groups leave this process. */
#ifndef VAS_SPACE_CGROUP_H
#define VAS_SPACE_CGROUP_H

#include <stdint.h>

#include "sys/sys.h"

/*
 * Bytes left under the tightest limit among this process's memory group and
 * all its ancestors, version 1 or 2; UINT64_MAX when there is no limit or it
 * cannot be told. Needs about 6 KiB of stack.
 */
uint64_t vas_cgroup_room(struct vas_sys *sys);

#endif
