/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/policy.h - which memory nodes pages come from.
 *
 * struct vas_policy itself is in vaspace/memory.h. It is given with a reservation or a commit, is put on before the first
 * touch, and again whenever the library maps the same memory anew. Its nodes can be written by hand, or be chosen here by what
 * the machine tells of them.
 */
#ifndef VASPACE_POLICY_H
#define VASPACE_POLICY_H

#include <vaspace/base.h>
#include <vaspace/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* By what nodes are ranked. */
enum vas_node_rank {
	VAS_NODE_NEAR = 0, /* local to the processors, by the machine's distances */
	VAS_NODE_BANDWIDTH,
	VAS_NODE_LATENCY,
	VAS_NODE_CAPACITY,
	VAS_NODE_AVAILABLE /* bytes free now; of a machine that is only described, all of them */
};

/* Only nodes without processors of their own. */
#define VAS_NODE_BARE 0x1u
/* No such nodes. */
#define VAS_NODE_WITH_PROCESSORS 0x2u
/* Both, as 0. */
#define VAS_NODE_ALL 0x3u

/* What is wished for. All zero but for the size: the node nearest to the calling thread. */
struct vas_node_wish {
	size_t size; /* sizeof(struct vas_node_wish) */
	enum vas_node_rank rank;
	uint32_t flags; /* VAS_NODE_ bits */
	uint32_t count; /* the best so many, fewer if there are no more; 0 = one */
	uint32_t reserved; /* 0 */
	/* Seen from these (bit n of word n / 64: the kernel's n); all zero = from those that the calling thread may run on. */
	uint64_t processors[16];
	uint64_t room; /* only nodes with so many bytes free; 0 = whatever they have */
	const char *kind; /* only nodes of that kind, as vas_node.kind; NULL = any */
};

/*
 * Chooses nodes by what the machine tells of them (hwloc's memory attributes; nodes of which it tells nothing come last, and equal ones
 * by distance, then by number) and writes them to policy->nodes, instead of what is there. The other fields stay. Where
 * policy->mode is VAS_POLICY_PREFER, which takes one node, only the best is written.
 *
 * Errors, with *policy untouched: as vas_topology_get, and
 *  -EINVAL	wish or policy is NULL, or the size of one is below the first version's; an unknown rank or flag
 *  -E2BIG	wish is larger than known, with a non-zero tail
 *  -ENOENT	no node is such, or there are no such processors
 *
 * Thread-safe. Not signal-safe. Allocates, and reads the machine at each call, as vas_topology_get does at
 * its first: milliseconds.
 */
VAS_API int vas_policy_choose(const struct vas_node_wish *wish, struct vas_policy *policy);

/*
 * Writes the nodes of an object of hwloc's topology to policy->nodes, instead of what is there: type as hwloc names it ("NUMANode",
 * "Package", "Group", "L3Cache", "PU" ...), index its logical one. The other fields stay.
 *
 * Errors, with *policy untouched: as vas_topology_get, and
 *  -EINVAL	type or policy is NULL, no type, or the size of policy is below the first version's
 *  -ENOENT	there is no such object, or it has no nodes
 *
 * Thread-safe. Not signal-safe. Allocates, as vas_policy_choose.
 */
VAS_API int vas_policy_object(const char *type, uint32_t index, struct vas_policy *policy);

#ifdef __cplusplus
}
#endif
#endif
