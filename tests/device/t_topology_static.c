/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: valgrind */
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

#include "../../backends/cpu/cpu.h"

/* Weak: without hwloc nothing is linked in. */
extern const struct vas_module_cpu vas_module_cpu __attribute__((weak));
extern const char *vas_cpu_sysfs __attribute__((weak));
extern __typeof__(vas_cpu_widths) vas_cpu_widths __attribute__((weak));
extern __typeof__(vas_cpu_page_size_add) vas_cpu_page_size_add __attribute__((weak));
extern __typeof__(vas_cpu_huge_free) vas_cpu_huge_free __attribute__((weak));

static void no_plugins(void)
{
	/* Plugins for devices bring in half a desktop, and we ask for none. */
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
}

static void linked_case(void *arg)
{
	VAS_OPTS(vas_topology, topology);
	VAS_OPTS(vas_node, node);
	uint32_t id;

	(void)arg;
	no_plugins();
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
		{ "address sizes\t: unknown\naddress sizes\t: 46 bits physical, 48 bits virtual\n",
		  0, 0 },
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

static void sizes_case(void *arg)
{
	static const uint64_t told[] = { 64, 4, 0, 16, 4, 1, 512, 256, 32, 128, 8, 2, 1024, 64 };
	struct vas_topology topology = { .size = sizeof(topology) };

	(void)arg;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		vas_cpu_page_size_add(&topology, told[i]);
	is_u64(topology.page_size_count, VAS_TOPOLOGY_PAGE_SIZES, "eight of eleven sizes");
	for (uint32_t i = 0; i < topology.page_size_count; i++)
		is_u64(topology.page_sizes[i], 1u << i, "the smallest, ascending, each once");
}

static void pools_case(void *arg)
{
	const char *node = "devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages";
	const char *whole = "kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	struct vas_cpu_machine machine = { .live = true, .topology.node_count = 1 };
	char folder[] = "/tmp/vaspace-sysfs-XXXXXX";

	(void)arg;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP); /* of stdio and nftw */
	if (!mkdtemp(folder))
		tap_bail("%s: %m", folder);
	vas_cpu_sysfs = folder;
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 0, "no file");
	put(folder, whole, "23\n");
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 23, "the machine's pool is its one node's");
	machine.topology.node_count = 2;
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 0, "and not that of one of two");
	put(folder, node, "12\n");
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 12, "the node's own pool");
	is_u64(vas_cpu_huge_free(&machine, 1, 2 << 20), 0, "is not another's");
	is_u64(vas_cpu_huge_free(&machine, 0, 1 << 30), 0, "nor of another size");
	machine.topology.node_count = 1;
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 12, "it comes before the machine's");
	put(folder, node, "none\n");
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 23, "not a number");
	put(folder, node, "99999999999999999999999999\n");
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 23, "too large a number");
	put(folder, node, "");
	is_u64(vas_cpu_huge_free(&machine, 0, 2 << 20), 23, "nothing");
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* The kernel's list of a node's processors decides, not hwloc's list of the nearest. */
static void processors_case(void *arg)
{
	char folder[] = "/tmp/vaspace-sysfs-XXXXXX";
	VAS_OPTS(vas_topology, topology);
	VAS_OPTS(vas_node, node);

	(void)arg;
	no_plugins();
	if (!mkdtemp(folder))
		tap_bail("%s: %m", folder);
	vas_cpu_sysfs = folder;
	put(folder, "devices/system/node/node0/cpumap", "00000000,00000000\n");
	is_err(vas_topology_get(&topology), 0, "the topology");
	ok(topology.processor_count > 0, "%u processors", topology.processor_count);
	is_err(vas_node_get(0, &node), 0, "the first node");
	is_u64(node.processor_count, 0, "has none of them, says the kernel");
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* What a set-user-id copy of this program does: tells the answer by its exit status. */
static int be_secure(void)
{
	VAS_OPTS(vas_topology, topology);
	int error = vas_topology_get(&topology);

	if (error == -EPERM)
		return strstr(vas_topology_error(), "HWLOC_") ? 1 : 2;
	return error ? 3 : 0;
}

static void secure_case(void *arg)
{
	(void)arg;
	no_plugins();
	is_i64(place_run_copy(false), 0, "an ordinary copy lets hwloc obey its environment");
	is_i64(place_run_copy(true), 1, "a set-user-id copy refuses, and says why");
	unsetenv("HWLOC_PLUGINS_PATH");
	is_i64(place_run_copy(true), 0, "without such variables it does as others do");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "secure") == 0)
		_exit(be_secure());
	if (!&vas_module_cpu)
		tap_skip_all("no-hwloc", "libvaspace_cpu.a was not built");
	tap_plan(0);
	tap_case("the module is found in the program", linked_case, NULL, 0);
	tap_case("widths of addresses from /proc/cpuinfo", widths_case, NULL, 0);
	tap_case("sizes of pages", sizes_case, NULL, 0);
	tap_case("free huge pages", pools_case, NULL, 0);
	tap_case("a node's own processors", processors_case, NULL, 0);
	tap_case("a set-user-id program", secure_case, NULL, 0);
	return tap_done();
}
