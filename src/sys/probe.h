/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Behaviour is probed, never assumed from a version. One described table; each
 * probe is tried once, lazily, on pages of its own; each can be switched off
 * by VASPACE_DISABLE=name,name.
 */
#ifndef VAS_SYS_PROBE_H
#define VAS_SYS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include <vaspace/system.h>

#include "sys/sys.h"

enum vas_probe {
	VAS_PROBE_NOREPLACE, /* MAP_FIXED_NOREPLACE refuses overlaps, partial ones too */
	VAS_PROBE_PROCMAP_QUERY, /* ioctl on /proc/self/maps */
	VAS_PROBE_SYNC_HOLES, /* msync(MS_ASYNC) tells holes */
	VAS_PROBE_POPULATE_WRITE, /* MADV_POPULATE_WRITE */
	VAS_PROBE_GUARD, /* MADV_GUARD_INSTALL */
	VAS_PROBE_ANON_NAME, /* PR_SET_VMA_ANON_NAME */
	VAS_PROBE_PROC_MAPS, /* /proc/self/maps can be read */
	VAS_PROBE_BOTH_BITS, /* MAP_FIXED | MAP_FIXED_NOREPLACE claims as well */
	VAS_PROBE_GUARD_OBJECT, /* MADV_GUARD_INSTALL in files and shared memory */
	VAS_PROBE_WIPE_ON_FORK, /* MADV_WIPEONFORK */
	VAS_PROBE_DONTNEED_LOCKED, /* MADV_DONTNEED_LOCKED */
	VAS_PROBE_REMOVE, /* MADV_REMOVE on shared memory */
	VAS_PROBE_POLICY, /* mbind is there and not denied */
	VAS_PROBE_COUNT
};

/*
 * Results belong to one table of operations: a simulated kernel has its own.
 * Zeroed memory is a valid, untried set.
 */
struct vas_probes {
	int8_t state[VAS_PROBE_COUNT]; /* enum vas_probe_state, atomic */
	int32_t error[VAS_PROBE_COUNT];
};

/*
 * Whether the feature is there, trying it when it was not tried. A shortage (memory,
 * descriptors, VMAs) is no, and is tried again. Concurrent first tries are harmless.
 */
bool vas_probe_has(struct vas_probes *probes, struct vas_sys *sys, enum vas_probe probe);
/* Whether the last try found nothing out, for a shortage: the next vas_probe_has tries again. */
bool vas_probe_undecided(const struct vas_probes *probes, enum vas_probe probe);
/* The name that VASPACE_DISABLE and reports use; and the probe of a name of length bytes, or -1. */
const char *vas_probe_name(enum vas_probe probe);
int vas_probe_find(const char *name, size_t length);
void vas_probe_forget(struct vas_probes *probes);
/* Fills name, what, since, state and error; -ENOENT past the last. */
int vas_probe_describe(struct vas_probes *probes, struct vas_sys *sys, size_t index,
		       struct vas_probe_info *info);

#endif
