/* SPDX-License-Identifier: BSD-2-Clause */
/* How near the process is to the kernel's limits, the hook that is told, and giving back. */
#ifndef VAS_SPACE_PRESSURE_H
#define VAS_SPACE_PRESSURE_H

#include <stdint.h>

#include <vaspace/pressure.h>

#include "sys/lock.h"

struct vas_space;

/* Who is told. Of a space. */
struct vas_watch {
	struct vas_lock lock; /* a leaf, never held over the hook */
	vas_pressure_hook *hook; /* NULL = nobody (atomic, for a first look) */
	void *context;
	const void *runner; /* the thread that the hook runs in, as vas_failure_current; NULL = none */
	uint32_t vmas_percent;
	uint64_t cgroup_room;
};

/* space may be NULL: none was made yet. Needs about 20 KiB of stack; no lock held. */
void vas_space_pressure(struct vas_space *space, struct vas_pressure *pressure);
void vas_space_watch(struct vas_space *space, vas_pressure_hook *hook, void *context,
		     const struct vas_pressure_opts *opts);
/* Looks for these reasons, and tells the hook. Returns those that hold. No lock held. */
uint32_t vas_watch_look(struct vas_space *space, uint32_t reasons);
uint64_t vas_space_reclaim(struct vas_space *space, uint64_t target);

/* In a forked child: a hook that runs in another thread is not there. */
void vas_watch_fork_child(struct vas_space *space);

/*
 * For the edge: a call is about to answer err, whose failure has been published and stays the
 * thread's; or has populated memory. Nothing but one load when nobody listens.
 */
void vas_watch_refused_slowly(struct vas_space *space, int err);
void vas_watch_populated_slowly(struct vas_space *space);

#endif
