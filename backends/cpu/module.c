/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Module "cpu": nodes of memory, sizes of pages and widths of addresses, as
 * hwloc, libnuma and the kernel's files tell them.
 *
 * Structure: this file has the table and its operations; topology.c reads the
 * machine once; nodes.c and pages.c say what one node is and what is free on
 * it; choose.c finds those that are wished for; width.c reads the processor's widths; address.c asks where a page is.
 *
 * Concurrency: no lock. What was read once is never changed; the rest is read
 * from the kernel at each call.
 *
 * What it does not do: call the library that opened it, print, or keep
 * descriptors open.
 */
#include <errno.h>

#include "cpu.h"
#include "device/module.h"

static int vas_cpu_topology(struct vas_topology *topology, const char **why)
{
	const struct vas_cpu_machine *machine;
	int error = vas_cpu_machine_get(&machine, why);

	if (error)
		return error;
	*topology = machine->topology;
	return 0;
}

static int vas_cpu_node(size_t index, struct vas_node *node, const char **why)
{
	const struct vas_cpu_machine *machine;
	int error = vas_cpu_machine_get(&machine, why);

	if (error)
		return error;
	if (index >= machine->topology.node_count)
		return -ENOENT;
	*node = machine->nodes[index];
	vas_cpu_node_refresh(machine, node);
	return 0;
}

/* The one symbol that this module exports. */
VAS_API extern const struct vas_module_cpu vas_module_cpu;

const struct vas_module_cpu vas_module_cpu = {
	.head = {
		.size = sizeof(vas_module_cpu),
		.abi = VAS_MODULE_CPU_ABI,
		.name = "cpu",
	},
	.topology = vas_cpu_topology,
	.node = vas_cpu_node,
	.node_at = vas_cpu_node_at,
	.choose = vas_cpu_choose,
	.object = vas_cpu_object,
};
