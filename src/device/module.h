/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a module hands to the library: one constant table of operations.
 *
 * Module NAME is the shared object vaspace-NAME.so and exports one object,
 * vas_module_NAME, which begins with struct vas_module. Programs that link
 * statically get the same object from libvaspace_NAME.a.
 *
 * Growth: an operation is added at the end of a table, which changes only its
 * size; a slot that is NULL or beyond the size is an operation that the module
 * does not have, and the library answers -EOPNOTSUPP. Any other change, of an
 * operation or of a struct that it fills, takes a new ABI number, and library
 * and module then refuse each other with -EPROTO.
 *
 * Operations return 0 or -errno, leave their outputs untouched on failure, may
 * be called by several threads at once, and may allocate. They call nothing of
 * the library.
 */
#ifndef VAS_DEVICE_MODULE_H
#define VAS_DEVICE_MODULE_H

#include <stddef.h>
#include <stdint.h>

#include <vaspace/policy.h>
#include <vaspace/topology.h>

/* How each table begins. */
struct vas_module {
	size_t size; /* of the whole table, the operations included */
	uint32_t abi; /* of the operations that follow */
	const char *name; /* NAME, so that a misnamed file is noticed */
};

#define VAS_MODULE_CPU_ABI 1u

/* Module "cpu": the machine as hwloc and libnuma see it. */
struct vas_module_cpu {
	struct vas_module head;
	/*
	 * The first of these two that is called reads the machine; the result is
	 * kept. On failure to read it *why becomes one constant line; it is left
	 * alone by other failures. The outputs are filled whole, their size field
	 * set by the module.
	 */
	int (*topology)(struct vas_topology *topology, const char **why);
	int (*node)(size_t index, struct vas_node *node, const char **why);
	/* Does not need the machine to be read. */
	int (*node_at)(const void *address, uint32_t *node_id);
	/*
	 * The nodes that are wished for, and those of an object of hwloc's, into the words of
	 * struct vas_policy. Both read the machine, as the first two.
	 */
	int (*choose)(const struct vas_node_wish *wish, uint64_t *nodes, const char **why);
	int (*object)(const char *type, uint32_t index, uint64_t *nodes, const char **why);
};

/* Whether the table has an operation. */
#define VAS_MODULE_END(table, operation)                                                           \
	(offsetof(__typeof__(*(table)), operation) + sizeof((table)->operation))
#define VAS_MODULE_HAS(table, operation)                                                           \
	((table)->head.size >= VAS_MODULE_END(table, operation) && (table)->operation != NULL)

#endif
