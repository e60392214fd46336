/* SPDX-License-Identifier: BSD-2-Clause */
/* links: vaspace_cpu_static */
/*
 * A program that has libvaspace_cpu.a linked in: the library finds the module
 * without opening anything. And, since the module's insides can be reached
 * here, its readers of files on prepared ones.
 */
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include <vaspace/topology.h>

#include "device/places.h"

/* Weak: without hwloc nothing is linked in. The first is the test of just that. */
extern const struct vas_module_cpu vas_module_cpu __attribute__((weak));
extern const char *vas_cpu_sysfs __attribute__((weak));
void vas_cpu_widths(const char *path, uint32_t *physical, uint32_t *virtual) __attribute__((weak));

static void linked_case(void *arg)
{
	VAS_OPTS(vas_topology, topology);
	VAS_OPTS(vas_node, node);
	uint32_t id;

	(void)arg;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
	place_modules("/nonexistent/first");
	is_err(vas_topology_get(&topology), 0, "the topology, with no module to be opened");
	ok(topology.node_count > 0, "%u nodes", topology.node_count);
	is_err(vas_node_get(0, &node), 0, "the first node");
	is_err(vas_node_at(&id, &id), 0, "the node of a page");
	ok(!place_is_mapped("vaspace-cpu.so"), "no module is in the process");
}

static void widths_case(void *arg)
{
	char path[] = "/tmp/vaspace-cpuinfo-XXXXXX";
	const struct {
		const char *text;
		uint32_t physical, virtual;
	} rows[] = {
		{ "flags\t\t: fpu la57\nclflush size\t: 64\n"
		  "address sizes\t: 46 bits physical, 48 bits virtual\n"
		  "address sizes\t: 1 bits physical, 2 bits virtual\n",
		  46, 48 },
		{ "address sizes\t: 52 bits physical, 57 bits virtual", 52, 57 },
		{ "processor\t: 0\nBogoMIPS\t: 243.75\n", 0, 0 },
		{ "address sizes\t: unknown\naddress sizes\t: 46 bits physical, 48 bits virtual\n", 0, 0 },
		{ "address sizes\t: 46 bits physical\n", 0, 0 },
		{ "address sizes\t: 460 bits physical, 48 bits virtual\n", 0, 0 },
		{ "address sizes\t: 46 bits physical, 480 bits virtual\n", 0, 0 },
		{ "", 0, 0 },
	};
	uint32_t physical, virtual;
	int fd = mkstemp(path);

	(void)arg;
	close(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		FILE *file = fopen(path, "we");

		if (!file || fputs(rows[i].text, file) < 0 || fclose(file) != 0)
			tap_bail("%s: %m", path);
		physical = virtual = 0;
		vas_cpu_widths(path, &physical, &virtual);
		is_u64(physical, rows[i].physical, "row %zu: physical", i);
		is_u64(virtual, rows[i].virtual, "row %zu: virtual", i);
		if (i == 0)
			tap_baseline();
	}
	unlink(path);
	physical = virtual = 0;
	vas_cpu_widths(path, &physical, &virtual);
	is_u64(physical + virtual, 0, "no file");
}

static void put(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		tap_bail("%s: %m", path);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

static uint64_t huge_free(uint64_t page_size)
{
	VAS_OPTS(vas_topology, topology);
	VAS_OPTS(vas_node, node);

	if (vas_topology_get(&topology) != 0 || vas_node_get(0, &node) != 0)
		return UINT64_MAX;
	for (uint32_t i = 0; i < topology.page_size_count; i++) {
		if (topology.page_sizes[i] == page_size)
			return node.huge_free[i];
	}
	return UINT64_MAX;
}

static void pools_case(void *arg)
{
	const char *node = "devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages";
	const char *whole = "kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	char folder[] = "/tmp/vaspace-sysfs-XXXXXX";
	bool alone;
	VAS_OPTS(vas_topology, topology);

	(void)arg;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
	if (!mkdtemp(folder))
		tap_bail("%s: %m", folder);
	vas_cpu_sysfs = folder;
	if (huge_free(2 << 20) == UINT64_MAX)
		tap_skip_all("no-huge-pages", "this kernel has no pages of 2 MiB");
	vas_topology_get(&topology);
	alone = topology.node_count == 1;
	is_u64(huge_free(2 << 20), 0, "no file");
	put(folder, whole, "23\n");
	is_u64(huge_free(2 << 20), alone ? 23 : 0, "the machine's pool is that of its one node");
	put(folder, node, "12\n");
	is_u64(huge_free(2 << 20), 12, "the node's own pool comes first");
	put(folder, node, "7\n");
	is_u64(huge_free(2 << 20), 7, "it is read again each time");
	put(folder, node, "none\n");
	put(folder, whole, "none\n");
	is_u64(huge_free(2 << 20), 0, "not a number");
	put(folder, node, "99999999999999999999999999\n");
	is_u64(huge_free(2 << 20), 0, "too large a number");
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	if (!&vas_module_cpu)
		tap_skip_all("no-hwloc", "libvaspace_cpu.a was not built");
	tap_plan(0);
	tap_case("the module is found in the program", linked_case, NULL, 0);
	tap_case("widths of addresses from /proc/cpuinfo", widths_case, NULL, 0);
	tap_case("free huge pages", pools_case, NULL, 0);
	return tap_done();
}
