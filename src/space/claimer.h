/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What reserves. The kernel, by mmap, for most; a device that owns its addresses
 * (its driver reserves and frees them) puts its own claimer in the place of
 * the system call.
 */
#ifndef VAS_SPACE_CLAIMER_H
#define VAS_SPACE_CLAIMER_H

#include <stdint.h>

#include <vaspace/base.h>

struct vas_claimer {
	const char *name;
	void *context;
	/*
	 * Claims exactly this range. 0, -EEXIST (taken), -ENOMEM, -EPERM, -EINVAL. Nothing is held on failure.
	 */
	int (*claim)(void *context, uint64_t start, uint64_t size);
	/*
	 * Gives a whole claim back. A refusal leaves it as it is: the span is held and tried again.
	 */
	int (*unclaim)(void *context, uint64_t start, uint64_t size);
	/*
	 * Whether the kernel's own calls may replace parts of a claim (MAP_FIXED). 0: commit answers -EOPNOTSUPP,
	 * memory comes by the device's own means.
	 */
	int replaceable;
};

#endif
