/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Modules that are wrong in one way each, and one that is right, for the tests
 * of the loader. tests/device/CMakeLists.txt compiles this file once for each
 * with another FAKE_ macro defined.
 */
#include <errno.h>
#include <unistd.h>

#include "device/module.h"

#ifdef FAKE_ABI
#define ABI FAKE_ABI
#else
#define ABI VAS_MODULE_CPU_ABI
#endif

#ifdef FAKE_NAME
#define NAME FAKE_NAME
#else
#define NAME "cpu"
#endif

#ifdef FAKE_SYMBOL
#define SYMBOL FAKE_SYMBOL
#else
#define SYMBOL vas_module_cpu
#endif

static int fake_topology(struct vas_topology *topology, const char **why)
{
	(void)why;
	memset(topology, 0, sizeof(*topology));
	topology->size = sizeof(*topology);
	topology->node_count = FAKE_NODES;
	return 0;
}

/* As real libraries do: it changes errno and is a cancellation point. */
static int fake_node(size_t index, struct vas_node *node, const char **why)
{
	char byte;

	(void)index;
	(void)node;
	if (read(-1, &byte, 1) >= 0)
		return 0;
	*why = "the fake module fails";
	return -EIO;
}

struct fake_table {
	struct vas_module_cpu cpu;
	void (*later)(void); /* an operation that the library does not know */
};

VAS_API extern const struct fake_table SYMBOL;

const struct fake_table SYMBOL = {
	.cpu = {
#ifdef FAKE_SIZE
		.head.size = FAKE_SIZE,
#else
		.head.size = sizeof(struct fake_table),
#endif
		.head.abi = ABI,
		.head.name = NAME,
		.topology = fake_topology,
		.node = fake_node,
		.node_at = NULL,
	},
	.later = NULL,
};
