/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one memory node is, and what is free on it.
 *
 * Which processors are a node's own: hwloc gives a node without processors
 * those that it is closest to, which is what one wants for placing, but hides
 * that it has none. The kernel's own list is taken where this machine is
 * described. Elsewhere a processor belongs to the tightest node around it, and
 * among equals to the one with the lowest number: high-bandwidth and far
 * memory are numbered after the nodes that they hang on.
 *
 * Bandwidth and latency are those seen from the best placed processors, as the
 * firmware's table or hwloc's recording has them.
 *
 * Concurrency: no state. What it does not do: measure anything.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hwloc.h>
#include <hwloc/linux.h>
#include <numa.h>

#include "cpu.h"

/* Is the other node closer to the processors that both have? */
static bool vas_cpu_is_closer(hwloc_obj_t other, hwloc_obj_t node)
{
	int others = hwloc_bitmap_weight(other->cpuset);
	int own = hwloc_bitmap_weight(node->cpuset);

	return others < own || (others == own && other->os_index < node->os_index);
}

static void vas_cpu_own_by_closeness(hwloc_topology_t hwloc, hwloc_obj_t node, hwloc_bitmap_t own)
{
	hwloc_obj_t other = NULL;

	while ((other = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, other)) != NULL) {
		if (other != node && vas_cpu_is_closer(other, node))
			hwloc_bitmap_andnot(own, own, other->cpuset);
	}
}

static bool vas_cpu_own_by_kernel(uint32_t id, hwloc_bitmap_t own)
{
	char path[VAS_CPU_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/devices/system/node/node%u/cpumap", vas_cpu_sysfs, id);
	return hwloc_linux_read_path_as_cpumask(path, own) == 0;
}

static int vas_cpu_count_own(hwloc_topology_t hwloc, hwloc_obj_t node, bool live, uint32_t *count)
{
	hwloc_bitmap_t own = hwloc_bitmap_alloc();

	if (!own)
		return -ENOMEM;
	if (!live || !vas_cpu_own_by_kernel(node->os_index, own)) {
		if (hwloc_bitmap_copy(own, node->cpuset) < 0) {
			hwloc_bitmap_free(own);
			return -ENOMEM;
		}
		vas_cpu_own_by_closeness(hwloc, node, own);
	}
	hwloc_bitmap_and(own, own, hwloc_topology_get_allowed_cpuset(hwloc));
	*count = (uint32_t)hwloc_bitmap_weight(own);
	hwloc_bitmap_free(own);
	return 0;
}

static uint64_t vas_cpu_attribute(hwloc_topology_t hwloc, hwloc_memattr_id_t id, hwloc_obj_t node)
{
	struct hwloc_location initiator;
	hwloc_uint64_t value;

	return hwloc_memattr_get_best_initiator(hwloc, id, node, 0, &initiator, &value) ? 0 : value;
}

int vas_cpu_node_read(struct hwloc_topology *hwloc, struct hwloc_obj *object, bool live,
		      struct vas_node *node)
{
	int error = vas_cpu_count_own(hwloc, object, live, &node->processor_count);

	if (error)
		return error;
	node->size = sizeof(*node);
	node->id = object->os_index;
	node->memory = object->attr->numanode.local_memory;
	node->available = UINT64_MAX;
	node->bandwidth = vas_cpu_attribute(hwloc, HWLOC_MEMATTR_ID_BANDWIDTH, object);
	node->latency = vas_cpu_attribute(hwloc, HWLOC_MEMATTR_ID_LATENCY, object);
	if (object->subtype) {
		size_t length = strnlen(object->subtype, sizeof(node->kind) - 1);

		memcpy(node->kind, object->subtype, length);
	}
	return 0;
}

/* Memory comes and goes too: virtual machines are resized. */
static void vas_cpu_refresh_memory(const struct vas_cpu_machine *machine, struct vas_node *node)
{
	long long available, total = numa_node_size64((int)node->id, &available);
	long pages;

	if (total >= 0 && available >= 0) {
		node->memory = (uint64_t)total;
		node->available = (uint64_t)available;
		return;
	}
	/* A kernel without NUMA has no files of nodes, and one node, which is the machine. */
	pages = sysconf(_SC_AVPHYS_PAGES);
	if (machine->topology.node_count == 1 && pages >= 0)
		node->available = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void vas_cpu_node_refresh(const struct vas_cpu_machine *machine, struct vas_node *node)
{
	if (!machine->live)
		return;
	vas_cpu_refresh_memory(machine, node);
	for (uint32_t i = 1; i < machine->topology.page_size_count; i++)
		node->huge_free[i] =
			vas_cpu_huge_free(machine, node->id, machine->topology.page_sizes[i]);
}
