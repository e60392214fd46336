/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving back memory of our own, also when the kernel refuses it at first. */
#ifndef VAS_SYS_STRAYS_H
#define VAS_SYS_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

/*
 * Unmaps [start, start + size), which is ours. When that is refused the memory
 * is emptied and kept on a short list, and later calls try again. Cannot fail.
 */
void vas_strays_drop(struct vas_sys *sys, uint64_t start, uint64_t size);
/* Tries again what is on the list. */
void vas_strays_retry(struct vas_sys *sys);

/* Around fork(): nobody else is at a list then. */
void vas_strays_fork_begin(void);
void vas_strays_fork_end(void);

static inline bool vas_strays_any(const struct vas_sys *sys)
{
	return __atomic_load_n(&sys->stray_count, __ATOMIC_RELAXED) != 0;
}

#endif
