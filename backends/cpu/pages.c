/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes of pages, and how many huge ones are free.
 *
 * The sizes are those that hwloc tells of any node, sorted. The free ones are
 * the kernel's count of each node's pool, read again at each call: pools are
 * resized while processes run. Where the kernel has no nodes, the pool of the
 * machine is that of its one node.
 *
 * Concurrency: no state. What it does not do: count transparent huge pages,
 * of which there is no pool, or look at reservations and at hugetlb cgroups:
 * a page that is free here may be promised to somebody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hwloc.h>

#include "cpu.h"

const char *vas_cpu_sysfs = "/sys";

void vas_cpu_page_size_add(struct vas_topology *topology, uint64_t size)
{
	uint32_t at = 0;

	while (at < topology->page_size_count && topology->page_sizes[at] < size)
		at++;
	if (size == 0 || (at < topology->page_size_count && topology->page_sizes[at] == size))
		return;
	if (at == VAS_TOPOLOGY_PAGE_SIZES)
		return;
	if (topology->page_size_count < VAS_TOPOLOGY_PAGE_SIZES)
		topology->page_size_count++;
	memmove(&topology->page_sizes[at + 1], &topology->page_sizes[at],
		(topology->page_size_count - 1 - at) * sizeof(topology->page_sizes[0]));
	topology->page_sizes[at] = size;
}

void vas_cpu_page_sizes(struct hwloc_topology *hwloc, struct vas_topology *topology)
{
	hwloc_obj_t node = NULL;

	while ((node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node)) != NULL) {
		for (unsigned int i = 0; i < node->attr->numanode.page_types_len; i++)
			vas_cpu_page_size_add(topology, node->attr->numanode.page_types[i].size);
	}
	/* Not every recording tells; the base page of what runs here is the best guess. */
	if (topology->page_size_count == 0)
		vas_cpu_page_size_add(topology, (uint64_t)sysconf(_SC_PAGESIZE));
}

/* A file that holds one number. */
static bool vas_cpu_read_number(const char *path, uint64_t *value)
{
	char text[32];
	ssize_t length;
	char *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = '\0';
	errno = 0;
	*value = strtoull(text, &end, 10);
	return end != text && errno == 0;
}

uint64_t vas_cpu_huge_free(const struct vas_cpu_machine *machine, uint32_t node, uint64_t page_size)
{
	unsigned long long kib = page_size / 1024;
	uint64_t count;
	char path[VAS_CPU_PATH_SIZE];

	snprintf(path, sizeof(path),
		 "%s/devices/system/node/node%u/hugepages/hugepages-%llukB/free_hugepages",
		 vas_cpu_sysfs, node, kib);
	if (vas_cpu_read_number(path, &count))
		return count;
	snprintf(path, sizeof(path), "%s/kernel/mm/hugepages/hugepages-%llukB/free_hugepages",
		 vas_cpu_sysfs, kib);
	if (machine->topology.node_count == 1 && vas_cpu_read_number(path, &count))
		return count;
	return 0;
}
