/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/topology.h - the machine's memory nodes and what they are good for.
 *
 * The first call opens the module vaspace-cpu (hwloc and libnuma) from
 * ${libdir}/vaspace, or finds it linked in from libvaspace_cpu.a. Nothing else
 * in the library needs it.
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
	uint32_t processor_count; /* logical processors that this process may use */
	uint32_t page_size_count;
	uint32_t physical_bits; /* width of physical addresses; 0 = not knowable */
	uint32_t virtual_bits; /* width of virtual addresses as the processor has it; 0 = not knowable */
	uint32_t reserved;
	uint64_t page_sizes[VAS_TOPOLOGY_PAGE_SIZES]; /* bytes, ascending: base page, then huge pages */
};

/* One memory node. */
struct vas_node {
	size_t size; /* set by the caller: sizeof(struct vas_node) */
	uint32_t id; /* the kernel's number */
	uint32_t processor_count; /* near it; 0 = a node without processors */
	uint64_t memory; /* bytes */
	uint64_t available; /* bytes free now; UINT64_MAX = not knowable */
	uint64_t bandwidth; /* from its nearest processors, MiB/s; 0 = not knowable */
	uint64_t latency; /* likewise, ns; 0 = not knowable */
	uint64_t huge_free[VAS_TOPOLOGY_PAGE_SIZES]; /* free huge pages, in the order of page_sizes; [0] is 0 */
	char kind[16]; /* "DRAM", "HBM", "NVM" ... as the machine tells, or "" */
};

/*
 * Reads the topology, once per process.
 *
 * Errors, with *topology untouched:
 *  -EINVAL	topology is NULL or its size field is below the first version's
 *  -EOPNOTSUPP	the module is not installed or not built; vas_topology_error
 *		tells where it was looked for
 *  -EPROTO	the module is of another version
 *  -ENOMEM	no memory
 *  -EIO	the machine's topology cannot be read
 *
 * Thread-safe. Not signal-safe. Loads a shared object, which allocates.
 */
VAS_API int vas_topology_get(struct vas_topology *topology);

/*
 * Fills *node with memory node number index, from 0.
 *
 * Errors, with *node untouched: as vas_topology_get, and
 *  -ENOENT	there is no such node
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_node_get(size_t index, struct vas_node *node);

/*
 * Which node holds the page at address, if it is present.
 *
 * Errors, with *node_id untouched: as vas_topology_get, and
 *  -ENOENT	no page is present there
 *  -EFAULT	nothing is mapped there
 *  -EPERM, -ENOSYS	a sandbox denies move_pages
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_node_at(const void *address, uint32_t *node_id);

/*
 * Why the last topology call of the process could not use the module: one
 * line, empty when it could. Never NULL; valid until the next topology call.
 *
 * Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API const char *vas_topology_error(void);

#ifdef __cplusplus
}
#endif
#endif
