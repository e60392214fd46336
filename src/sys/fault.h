/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table in front of another one that fails chosen calls. Counting is global
 * over all operations, from 1.
 */
#ifndef VAS_SYS_FAULT_H
#define VAS_SYS_FAULT_H

#include <stdbool.h>

#include "sys/sys.h"

struct vas_sys_fault {
	struct vas_sys sys;
	struct vas_sys *next;
	const char
		*operation; /* only calls of this slot, such as "map", count and fail; NULL = all */
	uint64_t fail_at; /* the number of the call that fails; 0 = none */
	bool persistent; /* every call from fail_at on fails */
	const char *then; /* and after the first that failed, every call of this slot; NULL = none */
	int error; /* positive errno */
	uint64_t calls; /* counted so far (atomic) */
	uint64_t faults; /* failed on purpose so far (atomic) */
	const struct vas_call_site
		*last_site; /* where the last fault was, in builds with call sites */
};

void vas_sys_fault_init(struct vas_sys_fault *fault, struct vas_sys *next);
/* Starts counting anew. */
void vas_sys_fault_arm(struct vas_sys_fault *fault, uint64_t fail_at, bool persistent, int error);

#endif
