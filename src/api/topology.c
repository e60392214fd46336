/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public calls about the machine's memory nodes.
 *
 * Each checks its arguments, has the loader find module "cpu", makes one call
 * into its table, and copies the result to the size of struct that the caller
 * was compiled with.
 *
 * Concurrency: the only state is one pointer to the last failure's text. The
 * texts are constants or the loader's, which stay as they are.
 *
 * What it does not do: keep results. The module reads the machine once.
 */
#include <errno.h>
#include <stddef.h>

#include <vaspace/topology.h>

#include "base/code.h"
#include "device/loader.h"

/* What the first version of each struct had; callers must not have less. */
#define VAS_TOPOLOGY_FIRST sizeof(struct vas_topology)
#define VAS_NODE_FIRST	   sizeof(struct vas_node)

static const char *vas_topology_why = ""; /* atomic */

/* Begins a call into the module; vas_topology_leave ends it whatever the result. */
static int vas_topology_enter(struct vas_loader_guard *guard, const struct vas_module_cpu **cpu,
			      const char **why)
{
	const struct vas_module *module;
	int error;

	vas_loader_enter(guard);
	*why = "";
	error = vas_loader_open("cpu", &module);
	if (error) {
		*why = vas_loader_error("cpu");
		return error;
	}
	*cpu = (const struct vas_module_cpu *)module;
	return 0;
}

static void vas_topology_leave(const struct vas_loader_guard *guard, const char *why)
{
	__atomic_store_n(&vas_topology_why, why, __ATOMIC_RELEASE);
	vas_loader_leave(guard);
}

static int vas_topology_missing(const char **why)
{
	*why = "module vaspace-cpu does not have this operation";
	return -EOPNOTSUPP;
}

int vas_topology_get(struct vas_topology *topology)
{
	const struct vas_module_cpu *cpu;
	struct vas_loader_guard guard;
	struct vas_topology known;
	const char *why;
	int error;

	if (!topology || topology->size < VAS_TOPOLOGY_FIRST)
		return -EINVAL;
	error = vas_topology_enter(&guard, &cpu, &why);
	if (!error && VAS_MODULE_HAS(cpu, topology))
		error = cpu->topology(&known, &why);
	else if (!error)
		error = vas_topology_missing(&why);
	vas_topology_leave(&guard, why);
	if (error)
		return error;
	return vas_options_store(topology, &known, sizeof(known), VAS_TOPOLOGY_FIRST);
}

int vas_node_get(size_t index, struct vas_node *node)
{
	const struct vas_module_cpu *cpu;
	struct vas_loader_guard guard;
	struct vas_node known;
	const char *why;
	int error;

	if (!node || node->size < VAS_NODE_FIRST)
		return -EINVAL;
	error = vas_topology_enter(&guard, &cpu, &why);
	if (!error && VAS_MODULE_HAS(cpu, node))
		error = cpu->node(index, &known, &why);
	else if (!error)
		error = vas_topology_missing(&why);
	vas_topology_leave(&guard, why);
	if (error)
		return error;
	return vas_options_store(node, &known, sizeof(known), VAS_NODE_FIRST);
}

int vas_node_at(const void *address, uint32_t *node_id)
{
	const struct vas_module_cpu *cpu;
	struct vas_loader_guard guard;
	const char *why;
	int error;

	if (!node_id)
		return -EINVAL;
	error = vas_topology_enter(&guard, &cpu, &why);
	if (!error && VAS_MODULE_HAS(cpu, node_at))
		error = cpu->node_at(address, node_id);
	else if (!error)
		error = vas_topology_missing(&why);
	vas_topology_leave(&guard, why);
	return error;
}

const char *vas_topology_error(void)
{
	return __atomic_load_n(&vas_topology_why, __ATOMIC_ACQUIRE);
}
