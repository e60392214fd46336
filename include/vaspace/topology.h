/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/topology.h - the machine's memory nodes and what they are good for.
 *
 * The first call opens the module vaspace-cpu (hwloc and libnuma) from a
 * directory of VASPACE_MODULE_PATH or from ${libdir}/vaspace, or finds it
 * linked in from libvaspace_cpu.a. Nothing else in the library needs it.
 *
 * The machine is read once per process. hwloc's own environment
 * (HWLOC_XMLFILE, HWLOC_SYNTHETIC and others) can make it describe another
 * machine; of that, nothing is told that only a running kernel knows.
 */
#ifndef VASPACE_TOPOLOGY_H
#define VASPACE_TOPOLOGY_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VAS_TOPOLOGY_PAGE_SIZES 8

/* The machine as a whole. */
struct vas_topology {
	size_t size; /* set by the caller: sizeof(struct vas_topology) */
	uint32_t node_count; /* memory nodes, those without processors too */
	uint32_t processor_count; /* logical processors that this process's cpuset lets it use */
	uint32_t page_size_count;
	uint32_t physical_bits; /* width of physical addresses; 0 = not knowable */
	uint32_t virtual_bits; /* width of virtual addresses as the processor has it; 0 = not knowable */
	uint32_t reserved;
	uint64_t page_sizes[VAS_TOPOLOGY_PAGE_SIZES]; /* bytes, ascending: base page, then huge pages */
};

/* One memory node. Memory, free memory and free huge pages are asked for again at each call. */
struct vas_node {
	size_t size; /* set by the caller: sizeof(struct vas_node) */
	uint32_t id; /* the kernel's number */
	uint32_t processor_count; /* its own, of those above; 0 = a node without processors */
	uint64_t memory; /* bytes */
	uint64_t available; /* bytes free now; UINT64_MAX = not knowable */
	uint64_t bandwidth; /* from its nearest processors, own or not, MiB/s; 0 = not knowable */
	uint64_t latency; /* likewise, ns; 0 = not knowable */
	/* Free huge pages in the order of page_sizes; 0 also where not knowable; [0] is 0. */
	uint64_t huge_free[VAS_TOPOLOGY_PAGE_SIZES];
	char kind[16]; /* "DRAM", "HBM", "NVM" ... as the machine tells, cut at 15 bytes, or "" */
};

/*
 * Fills *topology.
 *
 * Errors, with *topology untouched:
 *  -EINVAL	topology is NULL or its size field is below the first version's
 *		or beyond reason
 *  -EOPNOTSUPP	the module is not installed or not built, or a sandbox keeps the
 *		dynamic linker from opening it; vas_topology_error tells where
 *		it was looked for
 *  -EPROTO	the module is of another version
 *  -ENOMEM	no memory
 *  -EIO	the machine's topology cannot be read
 *  -EPERM	this is a set-user-id program, and the environment has settings
 *		of hwloc, which would obey whoever started it
 *
 * -EOPNOTSUPP and -EPROTO are kept until vas_probe_reset; after the others the
 * next call tries again.
 *
 * Thread-safe. Not signal-safe. The first call loads shared objects, which
 * allocates: it must not be made from within a malloc.
 */
VAS_API int vas_topology_get(struct vas_topology *topology);

/*
 * Fills *node with memory node number index, from 0, in the order of their ids.
 * An index is not an id: ids may have gaps.
 *
 * Errors, with *node untouched: as vas_topology_get, and
 *  -ENOENT	there is no such node
 *
 * Thread-safe. Not signal-safe. Allocates, as vas_topology_get.
 */
VAS_API int vas_node_get(size_t index, struct vas_node *node);

/*
 * Which node holds the page at address, if it is present. Any address within
 * the page will do. The page may move right after.
 *
 * Errors, with *node_id untouched:
 *  -EINVAL	node_id is NULL
 *  -EOPNOTSUPP, -EPROTO	as vas_topology_get
 *  -ENOENT	no page is present there
 *  -EFAULT	nothing is mapped there, or the page was only ever read and is
 *		the kernel's page of zeroes
 *  -EPERM, -ENOSYS	a sandbox denies move_pages, or the kernel has no NUMA
 *  -ENOMEM	no memory
 *  -EIO	the kernel answers something else
 *
 * Thread-safe. Not signal-safe. Allocates, as vas_topology_get.
 */
VAS_API int vas_node_at(const void *address, uint32_t *node_id);

/*
 * Why the last of these calls, of any thread, could not use the module: one
 * line, "" when it could. Never NULL; the text stays as it is until
 * vas_probe_reset.
 *
 * Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API const char *vas_topology_error(void);

#ifdef __cplusplus
}
#endif
#endif
