/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/policy.h - which memory nodes pages come from: choosing, looking, moving.
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

/* Where pages are. */
struct vas_policy_report {
	size_t size; /* set by the caller: sizeof(struct vas_policy_report) */
	uint64_t present; /* bytes that have memory */
	uint64_t absent; /* bytes that have none here yet */
	uint64_t wrong; /* bytes of present on nodes that the policy excludes; 0 without a policy */
	uint64_t first_wrong; /* address; 0 = none */
	uint64_t nodes[16]; /* bit n of word n / 64: node n has some of them */
};

/*
 * Looks where the pages of [start, start + size) are, whoever mapped them, and holds that against policy (may be NULL): BIND,
 * INTERLEAVE and WEIGHTED exclude the nodes that they do not have, the others none. Pages that this process has not touched count as
 * absent, though others may share them.
 *
 * Errors, with *report untouched:
 *  -EINVAL	report is NULL or its size field is below the first version's; unaligned, empty or wrapping; a malformed policy
 *  -E2BIG	policy is larger than known, with a non-zero tail
 *  -EFAULT	a part is not mapped
 *  -EOPNOTSUPP	the kernel has no memory nodes, or a sandbox denies move_pages
 *  -ENOMEM	the kernel has no memory
 *
 * Brings nothing in. A call to the kernel for each 512 pages. Thread-safe. Not signal-safe.
 */
VAS_API int vas_policy_query(const void *start, uint64_t size, const struct vas_policy *policy,
			     struct vas_policy_report *report);

/*
 * Moves the pages of [start, start + size), in a span that vas_reserve made (of an arena: vas_arena_migrate), to the nodes of policy, which has some; addresses and
 * contents stay, and readers and writers go on. Pages that lie on one of its nodes stay there (PREFER has one), others go to
 * its home node, or are dealt out in turn, 2 MiB to each. The policy of the span stays as it is. Notices: VAS_CHANGE_MIGRATE.
 * *moved (may be NULL): bytes that changed their node. Pages shared with other processes move with CAP_SYS_NICE only.
 *
 * Errors, with *moved untouched; some pages may have moved:
 *  -EINVAL	unaligned, empty or wrapping; a policy that is NULL, malformed, without nodes, or of nodes that are not there
 *  -E2BIG	policy is larger than known, with a non-zero tail
 *  -ENOENT	the range does not lie inside one span that is owned here
 *  -EBUSY	some pages are held by a device or shared with others: the rest has moved; the span is being
 *		released, held or parked; a region or an arena uses it; a subscriber to notices refused
 *  -EDEADLK	called inside a notice about this span
 *  -ENOMEM	no room on those nodes: the rest has moved; or the kernel has no memory; no memory for the library's own books
 *  -EPERM	a sandbox forbids it; or this is a child that shares the span; at the first call of the process: not even a probe may be mapped
 *  -EOPNOTSUPP	the kernel has no memory nodes, or no such call
 *  -ENOSYS	at the first call of the process, as EPERM
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_policy_migrate(const void *start, uint64_t size, const struct vas_policy *policy,
			       uint64_t *moved);

#ifdef __cplusplus
}
#endif
#endif
