/* SPDX-License-Identifier: BSD-2-Clause */
/* How much room each of the kernel's limits leaves this process. */
#ifndef VAS_SPACE_HEADROOM_H
#define VAS_SPACE_HEADROOM_H

#include <stdint.h>

#include "sys/sys.h"

/* Bytes unless said otherwise. UINT64_MAX: cannot be told, and of a limit also: there is none. */
struct vas_headroom {
	uint64_t vmas_used; /* mappings */
	uint64_t vmas_limit; /* vm.max_map_count */
	uint64_t address_used; /* as RLIMIT_AS counts it */
	uint64_t address_limit;
	uint64_t data_used; /* private writable memory, as RLIMIT_DATA counts it */
	uint64_t data_limit;
	uint64_t locked_used; /* as RLIMIT_MEMLOCK counts it */
	uint64_t locked_limit;
	uint64_t memory; /* RAM and swap together */
	uint64_t commit_used; /* Committed_AS */
	uint64_t commit_limit; /* what overcommit mode 2 allows */
	uint64_t cgroup_room; /* left under the tightest memory group */
	uint32_t overcommit_mode; /* 0, 1, 2; UINT32_MAX: cannot be told */
};

void vas_headroom_clear(struct vas_headroom *headroom); /* nothing can be told */
/* Each fills its fields and leaves those that cannot be told. Cheap ones first. */
void vas_headroom_address(struct vas_sys *sys, struct vas_headroom *headroom);
void vas_headroom_locked(struct vas_sys *sys, struct vas_headroom *headroom);
/* data, memory, commit, overcommit_mode and cgroup_room */
void vas_headroom_memory(struct vas_sys *sys, struct vas_headroom *headroom);
/*
 * vmas, by reading all mappings as text; and address_used where nothing
 * cheaper told it.
 */
void vas_headroom_mappings(struct vas_sys *sys, struct vas_headroom *headroom);
/* All of them. */
void vas_headroom_read(struct vas_sys *sys, struct vas_headroom *headroom);

#endif
