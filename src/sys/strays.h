/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving back memory of our own, also when the kernel refuses it at first. */
#ifndef VAS_SYS_STRAYS_H
#define VAS_SYS_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/lock.h"
#include "sys/sys.h"

/*
 * Unmaps [start, start + size), which is ours. When that is refused the memory
 * is emptied and kept on a short list, and later calls try again. Cannot fail.
 */
void vas_strays_drop(struct vas_sys *sys, uint64_t start, uint64_t size);
/* Tries again what is on the list. */
void vas_strays_retry(struct vas_sys *sys);

/* Held by whoever is at a list: for fork(). */
struct vas_lock *vas_strays_lock(void);
/* In a child whose parent was changing the list at the fork: what is on it is nobody's. */
void vas_strays_give_up(struct vas_sys *sys);

static inline bool vas_strays_any(const struct vas_sys *sys)
{
	return __atomic_load_n(&sys->stray_count, __ATOMIC_RELAXED) != 0;
}

#endif
