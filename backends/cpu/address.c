/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which node holds a page.
 *
 * move_pages without a list of nodes moves nothing and reports where each page
 * is. Unlike get_mempolicy it does not bring an absent page in.
 *
 * Concurrency: no state; the page may move right after.
 */
#include <errno.h>
#include <numa.h>

#include "cpu.h"

int vas_cpu_node_at(const void *address, uint32_t *node_id)
{
	void *page = (void *)(uintptr_t)address;
	int status = -EIO;

	if (numa_move_pages(0, 1, &page, NULL, &status, 0) < 0)
		status = -errno;
	if (status >= 0) {
		*node_id = (uint32_t)status;
		return 0;
	}
	switch (status) {
	case -ENOENT:
	case -EFAULT:
	case -EPERM:
	case -ENOSYS:
	case -ENOMEM:
		return status;
	default:
		return -EIO;
	}
}
