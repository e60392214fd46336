/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the machine, once.
 *
 * Strategy: let hwloc discover, copy what is asked for into one block of
 * memory, and let hwloc go again. Its topology would otherwise keep megabytes
 * and the libraries of its plugins in the process. Devices and caches are
 * filtered out, which spares most of the discovery.
 *
 * hwloc obeys its own environment: HWLOC_XMLFILE, HWLOC_SYNTHETIC and others
 * make it describe another machine. Then numbers that only the running kernel
 * knows (free memory, widths) are left out, instead of mixing two machines. In
 * a set-user-id program that environment is the caller's, and may even name
 * plugins to load: there, its presence is refused.
 *
 * Concurrency: threads that come first together may each read the machine; one
 * result is published by compare and swap, the others are freed. So no lock is
 * held while hwloc loads its plugins, see src/device/loader.c for why.
 *
 * What it does not do: follow changes. Nodes and processors that come or go
 * while the process runs are not noticed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <hwloc.h>

#include "cpu.h"

static struct vas_cpu_machine *vas_cpu_machine_read; /* atomic; once set it stays */

/* The module is unloaded, or the process ends: leave nothing behind for leak checkers. */
__attribute__((destructor)) static void vas_cpu_machine_free(void)
{
	free(__atomic_exchange_n(&vas_cpu_machine_read, NULL, __ATOMIC_ACQ_REL));
}

static bool vas_cpu_environment_is_foreign(void)
{
	if (!getauxval(AT_SECURE))
		return false;
	for (char **variable = environ; variable && *variable; variable++) {
		if (strncmp(*variable, "HWLOC_", 6) == 0)
			return true;
	}
	return false;
}

int vas_cpu_discover(bool caches, struct hwloc_topology **result, const char **why)
{
	hwloc_topology_t hwloc;
	int error;

	if (hwloc_topology_init(&hwloc) < 0) {
		*why = "hwloc cannot start: no memory";
		return -ENOMEM;
	}
	hwloc_topology_set_io_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
	if (!caches)
		hwloc_topology_set_cache_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_icache_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_type_filter(hwloc, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE);
	errno = 0;
	if (hwloc_topology_load(hwloc) < 0) {
		error = errno == ENOMEM ? -ENOMEM : -EIO;
		*why = "hwloc cannot read the topology of this machine";
		hwloc_topology_destroy(hwloc);
		return error;
	}
	*result = hwloc;
	return 0;
}

static int vas_cpu_fill(hwloc_topology_t hwloc, struct vas_cpu_machine *machine)
{
	struct vas_topology *topology = &machine->topology;
	hwloc_obj_t object = NULL;

	machine->live = hwloc_topology_is_thissystem(hwloc);
	topology->size = sizeof(*topology);
	topology->processor_count = (uint32_t)hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_PU);
	vas_cpu_page_sizes(hwloc, topology);
	if (machine->live)
		vas_cpu_widths("/proc/cpuinfo", &topology->physical_bits, &topology->virtual_bits);
	while ((object = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, object)) != NULL) {
		struct vas_node *node = &machine->nodes[topology->node_count];
		int error = vas_cpu_node_read(hwloc, object, machine->live, node);

		if (error)
			return error;
		topology->node_count++;
	}
	return 0;
}

static int vas_cpu_by_id(const void *left, const void *right)
{
	const struct vas_node *a = left, *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

/* Copies hwloc's view into one block, which the caller frees. */
static int vas_cpu_copy(hwloc_topology_t hwloc, struct vas_cpu_machine **result, const char **why)
{
	int count = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_NUMANODE);
	struct vas_cpu_machine *machine;
	int error;

	if (count < 1) {
		*why = "hwloc finds no memory node";
		return -EIO;
	}
	machine = calloc(1, sizeof(*machine) + (size_t)count * sizeof(machine->nodes[0]));
	error = machine ? vas_cpu_fill(hwloc, machine) : -ENOMEM;
	if (error) {
		*why = "no memory to keep the topology";
		free(machine);
		return error;
	}
	qsort(machine->nodes, machine->topology.node_count, sizeof(machine->nodes[0]),
	      vas_cpu_by_id);
	*result = machine;
	return 0;
}

int vas_cpu_machine_get(const struct vas_cpu_machine **machine, const char **why)
{
	struct vas_cpu_machine *present, *fresh;
	hwloc_topology_t hwloc;
	int error;

	present = __atomic_load_n(&vas_cpu_machine_read, __ATOMIC_ACQUIRE);
	if (present) {
		*machine = present;
		return 0;
	}
	if (vas_cpu_environment_is_foreign()) {
		*why = "HWLOC_ variables are not obeyed in a set-user-id program: unset them";
		return -EPERM;
	}
	error = vas_cpu_discover(false, &hwloc, why);
	if (error)
		return error;
	error = vas_cpu_copy(hwloc, &fresh, why);
	hwloc_topology_destroy(hwloc);
	if (error)
		return error;
	present = NULL;
	if (!__atomic_compare_exchange_n(&vas_cpu_machine_read, &present, fresh, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free(fresh);
		fresh = present;
	}
	*machine = fresh;
	return 0;
}
