/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real kernel's operations on memory nodes, and on which pages are there.
 *
 * All go by raw system call: nothing of memory's contents changes, so no interceptor has a shadow to keep. What the kernel
 * writes into buffers of ours is told to the watcher.
 *
 * Concurrency: stateless; a thread's policy is its own.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/definitions.h"
#include "sys/real_call.h"
#include "sys/watcher.h"

#ifndef SYS_set_mempolicy_home_node /* 5.17 */
#define SYS_set_mempolicy_home_node 450
#endif

/* The kernel looks at one bit less than it is told. */
static long told_bits(uint32_t bits)
{
	return bits ? (long)bits + 1 : 0L;
}

int64_t vas_real_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
			    const int32_t *nodes, int32_t *status, uint32_t flags)
{
	int64_t got;

	(void)sys;
	got = REAL_CALL(syscall(SYS_move_pages, 0L, count, pages, nodes, status, (long)flags));
	if (got >= 0)
		vas_watcher_written(status, count * sizeof(*status));
	/* More than 0: so many could not be moved, and status says why. */
	return got > 0 ? 0 : got;
}

int64_t vas_real_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_set_mempolicy_home_node, address, size, (long)node, 0L));
}

int64_t vas_real_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes, uint32_t bits)
{
	int64_t got;

	(void)sys;
	got = REAL_CALL(syscall(SYS_get_mempolicy, mode, nodes, told_bits(bits), NULL, 0L));
	if (got >= 0) {
		vas_watcher_written(mode, sizeof(*mode));
		vas_watcher_written(nodes, bits / 8);
	}
	return got;
}

int64_t vas_real_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
				   uint32_t bits)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_set_mempolicy, (long)mode, nodes, told_bits(bits)));
}

int64_t vas_real_scan(struct vas_sys *sys, int fd, struct vas_span range,
		      struct vas_sys_pages *runs, uint32_t count)
{
	struct vas_pagemap_scan scan = {
		.size = sizeof(scan),
		.start = range.start,
		.end = range.start + range.size,
		.vec = (uintptr_t)runs,
		.vec_len = count,
		.category_anyof_mask = VAS_PAGE_PRESENT | VAS_PAGE_SWAPPED,
		.return_mask = VAS_PAGE_FILE | VAS_PAGE_PRESENT | VAS_PAGE_SWAPPED | VAS_PAGE_HUGE,
	};
	int64_t got;

	(void)sys;
	got = REAL_CALL(syscall(SYS_ioctl, (long)fd, VAS_PAGEMAP_SCAN, &scan));
	if (got > 0)
		vas_watcher_written(runs, (size_t)got * sizeof(*runs));
	return got;
}

int64_t vas_real_resident(struct vas_sys *sys, uint64_t address, uint64_t size,
			  unsigned char *pages)
{
	int64_t got;

	(void)sys;
	got = REAL_CALL(syscall(SYS_mincore, address, size, pages));
	if (got >= 0)
		vas_watcher_written(pages, size / vas_sys_real()->page_size);
	return got;
}
