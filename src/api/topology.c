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

#include <vaspace/policy.h>
#include <vaspace/topology.h>

#include "api/edge.h"
#include "base/code.h"
#include "device/loader.h"

/* What the first version of each struct had; callers must not have less. */
#define VAS_TOPOLOGY_FIRST sizeof(struct vas_topology)
#define VAS_NODE_FIRST	   sizeof(struct vas_node)
#define VAS_NODE_WISH_MIN  sizeof(struct vas_node_wish)

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

/* Where nodes can be written to: of the caller's struct only those are. */
static bool vas_topology_takes_nodes(const struct vas_policy *policy)
{
	return policy && policy->size >= VAS_POLICY_MIN && policy->size <= VAS_OPTIONS_SIZE_MAX;
}

int vas_policy_choose(const struct vas_node_wish *wish, struct vas_policy *policy)
{
	uint64_t nodes[sizeof(policy->nodes) / sizeof(policy->nodes[0])];
	const struct vas_module_cpu *cpu;
	struct vas_loader_guard guard;
	struct vas_node_wish known;
	const char *why;
	int error;

	if (!wish || !vas_topology_takes_nodes(policy))
		return -EINVAL;
	error = vas_options_load(wish, &known, sizeof(known), VAS_NODE_WISH_MIN);
	if (error)
		return error;
	if ((uint32_t)known.rank > VAS_NODE_AVAILABLE || (known.flags & ~VAS_NODE_ALL) || known.reserved)
		return -EINVAL;
	if (policy->mode == VAS_POLICY_PREFER)
		known.count = 1;
	error = vas_topology_enter(&guard, &cpu, &why);
	if (!error && VAS_MODULE_HAS(cpu, choose))
		error = cpu->choose(&known, nodes, &why);
	else if (!error)
		error = vas_topology_missing(&why);
	vas_topology_leave(&guard, why);
	if (!error)
		memcpy(policy->nodes, nodes, sizeof(nodes));
	return error;
}

int vas_policy_object(const char *type, uint32_t index, struct vas_policy *policy)
{
	uint64_t nodes[sizeof(policy->nodes) / sizeof(policy->nodes[0])];
	const struct vas_module_cpu *cpu;
	struct vas_loader_guard guard;
	const char *why;
	int error;

	if (!type || !vas_topology_takes_nodes(policy))
		return -EINVAL;
	error = vas_topology_enter(&guard, &cpu, &why);
	if (!error && VAS_MODULE_HAS(cpu, object))
		error = cpu->object(type, index, nodes, &why);
	else if (!error)
		error = vas_topology_missing(&why);
	vas_topology_leave(&guard, why);
	if (!error)
		memcpy(policy->nodes, nodes, sizeof(nodes));
	return error;
}

const char *vas_topology_error(void)
{
	return __atomic_load_n(&vas_topology_why, __ATOMIC_ACQUIRE);
}
