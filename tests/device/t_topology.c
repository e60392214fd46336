/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded valgrind */
/* links: dl */
/*
 * Module cpu, opened as the library opens it: this machine against the
 * kernel's files, and other machines as hwloc can be told to describe them
 * (HWLOC_SYNTHETIC, HWLOC_XMLFILE), so no special hardware is needed. Each
 * case is a process of its own, since the machine is read once.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <vaspace/topology.h>

#include "device/places.h"

/* A file of tests/device/data. */
static void data_file(char *out, const char *name)
{
	const char *source = getenv("VASPACE_SOURCE"), *slash = strrchr(__FILE__, '/');

	if (source)
		snprintf(out, PATH_MAX, "%s/tests/device/data/%s", source, name);
	else
		snprintf(out, PATH_MAX, "%.*s/data/%s", (int)(slash ? slash - __FILE__ : 0),
			 __FILE__, name);
}

/* Counts what is kept from here on: the linker, hwloc and its plugins keep some of their own. */
static void settle(void)
{
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	/* Plugins for devices bring in half a desktop, and we ask for none. */
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
	if (!place_real_module())
		tap_bail("the module was there at the start");
}

static struct vas_topology machine(void)
{
	VAS_OPTS(vas_topology, topology);

	is_err(vas_topology_get(&topology), 0, "the topology is read");
	is_str(vas_topology_error(), "", "without complaint");
	return topology;
}

static struct vas_node node_number(size_t index)
{
	VAS_OPTS(vas_node, node);
	int error = vas_node_get(index, &node);

	if (error)
		is_err(error, 0, "node %zu", index);
	return node;
}

static uint64_t number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long value = 0;

	if (file && fscanf(file, "%llu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

/* The first number in a line of a file that begins with text, after a colon where there is one. */
static uint64_t number_after(const char *path, const char *text)
{
	unsigned long long value = 0;
	char line[512];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, text);

		if (at && sscanf(at + strlen(text), "%*[: \t]%llu", &value) == 1)
			break;
	}
	if (file)
		fclose(file);
	return value;
}

static void first_use_case(void *arg)
{
	uint32_t id;

	(void)arg;
	settle();
	vas_topology_error();
	ok(!place_is_mapped("libhwloc") && !place_is_mapped("libnuma") &&
		   !place_is_mapped("vaspace-cpu"),
	   "neither library nor the module is in the process before");
	is_err(vas_node_at(&id, &id), 0, "the first call");
	ok(place_is_mapped("libhwloc") && place_is_mapped("libnuma") &&
		   place_is_mapped("vaspace-cpu"),
	   "all three are in it after");
}

static void this_machine_case(void *arg)
{
	struct vas_topology topology;
	uint64_t memory = 0, available = 0;
	uint32_t processors = 0;
	char path[128];

	(void)arg;
	settle();
	topology = machine();
	ok(topology.node_count >= 1, "%u nodes", topology.node_count);
	is_u64(topology.page_sizes[0], sysconf(_SC_PAGESIZE),
	       "the first page size is the base page's");
	for (uint32_t i = 1; i < topology.page_size_count; i++)
		ok(topology.page_sizes[i] > topology.page_sizes[i - 1], "page size %u is larger",
		   i);
	is_u64(topology.virtual_bits, number_after("/proc/cpuinfo", "bits physical,"),
	       "virtual width");
	is_u64(topology.physical_bits, number_after("/proc/cpuinfo", "address sizes"),
	       "physical width");
	for (uint32_t i = 0; i < topology.node_count; i++) {
		struct vas_node node = node_number(i);
		uint64_t pool;

		memory += node.memory;
		available += node.available;
		processors += node.processor_count;
		ok(node.available <= node.memory, "node %u: no more is free than there is",
		   node.id);
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node.id);
		pool = number_after(path, "MemTotal") * 1024;
		ok(pool == 0 || node.memory == pool, "node %u: as much as the kernel says",
		   node.id);
		is_u64(node.huge_free[0], 0, "node %u: no pool of base pages", node.id);
	}
	is_u64(processors, topology.processor_count, "each processor is one node's own");
	ok(available > 0 && available <= memory, "some memory is free");
}

static void huge_case(void *arg)
{
	struct vas_topology topology;
	char path[160];

	(void)arg;
	settle();
	topology = machine();
	for (uint32_t i = 0; i < topology.node_count; i++) {
		for (uint32_t size = 1; size < topology.page_size_count; size++) {
			struct vas_node node = node_number(i);

			unsigned long long kib = topology.page_sizes[size] / 1024;

			snprintf(path, sizeof(path),
				 "/sys/devices/system/node/node%u/hugepages"
				 "/hugepages-%llukB/free_hugepages",
				 node.id, kib);
			is_u64(node.huge_free[size], number_in(path), "%s", path);
		}
	}
}

static void synthetic_case(void *arg)
{
	struct vas_topology topology;
	VAS_OPTS(vas_node, node);

	(void)arg;
	settle();
	setenv("HWLOC_SYNTHETIC", "pack:2 [numa(memory=8589934592)] core:4 pu:2", 1);
	topology = machine();
	is_u64(topology.node_count, 2, "two nodes");
	is_u64(topology.processor_count, 16, "sixteen processors");
	is_u64(topology.page_sizes[0], 4096, "pages of 4 KiB");
	is_u64(topology.virtual_bits, 0,
	       "the width of a machine that is not this one is not known");
	for (uint32_t i = 0; i < 2; i++) {
		node = node_number(i);
		is_u64(node.id, i, "the kernel's number");
		is_u64(node.processor_count, 8, "half of the processors");
		is_u64(node.memory, 8ull << 30, "8 GiB");
		is_u64(node.available, UINT64_MAX, "what is free is not knowable");
		is_u64(node.bandwidth, 0, "nor is the bandwidth");
		is_str(node.kind, "", "nor the kind");
	}
	memset(&node, 0xee, sizeof(node));
	node.size = sizeof(node);
	is_err(vas_node_get(2, &node), ENOENT, "there is no third");
	is_u64(node.id, 0xeeeeeeee, "the output is untouched");
	is_str(vas_topology_error(), "", "the module is not to blame");
}

static void attributes_case(void *arg)
{
	static const struct {
		const char *kind;
		uint64_t gib, bandwidth, latency;
		uint32_t processors;
	} nodes[] = {
		/* clang-format off */
		{ "DRAM", 32, 250000, 90, 4 },
		{ "DRAM", 32, 250000, 90, 4 },
		{ "HBM", 16, 800000, 110, 0 },
		{ "HBM", 16, 800000, 110, 0 },
		{ "ExpandedMemoryO", 64, 0, 300, 0 },
		/* clang-format on */
	};
	struct vas_topology topology;
	char path[PATH_MAX];

	(void)arg;
	settle();
	data_file(path, "hbm.xml");
	setenv("HWLOC_XMLFILE", path, 1);
	topology = machine();
	is_u64(topology.node_count, 5, "five nodes");
	is_u64(topology.processor_count, 8, "eight processors");
	is_u64(topology.page_size_count, 3, "three page sizes");
	is_u64(topology.page_sizes[1], 2 << 20, "2 MiB");
	is_u64(topology.page_sizes[2], 1 << 30, "1 GiB");
	for (uint32_t i = 0; i < 5 && i < topology.node_count; i++) {
		struct vas_node node = node_number(i);

		is_u64(node.id, i, "nodes come by number, not by place");
		is_u64(node.memory, nodes[i].gib << 30, "its memory");
		is_u64(node.processor_count, nodes[i].processors, "its own processors");
		is_u64(node.bandwidth, nodes[i].bandwidth, "bandwidth from the nearest ones");
		is_u64(node.latency, nodes[i].latency, "latency from the nearest ones");
		is_str(node.kind, nodes[i].kind, "its kind");
		is_u64(node.huge_free[1], 0, "no pool of this machine is shown for it");
	}
}

static void unreadable_case(void *arg)
{
	VAS_OPTS(vas_topology, topology);
	VAS_OPTS(vas_node, node);
	char path[PATH_MAX];
	uint32_t id;

	(void)arg;
	settle();
	data_file(path, "broken.xml");
	setenv("HWLOC_XMLFILE", path, 1);
	topology.node_count = 4711;
	is_err(vas_topology_get(&topology), EIO, "a description that is broken");
	is_u64(topology.node_count, 4711, "the output is untouched");
	ok(strstr(vas_topology_error(), "hwloc"), "it says: %s", vas_topology_error());
	is_err(vas_node_get(0, &node), EIO, "nodes neither");
	is_err(vas_node_at(&id, &id), 0, "a page is found without it");
	is_str(vas_topology_error(), "", "and the text goes");
	unsetenv("HWLOC_XMLFILE");
	is_err(vas_topology_get(&topology), 0, "reading is tried again");
}

static bool deny_move_pages(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_move_pages, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void address_case(void *arg)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t id = 4711;
	bool known = false;
	char *pages;

	(void)arg;
	settle();
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		tap_bail("no memory: %m");
	is_err(vas_node_at(pages, &id), ENOENT, "a page that was never touched");
	is_u64(id, 4711, "the output is untouched");
	is_err(vas_node_at((void *)16, &id), EFAULT, "nothing is mapped there");
	is_err(vas_node_at((void *)(UINTPTR_MAX - page), &id), EFAULT, "the kernel's half");
	is_u64(id, 4711, "the output is untouched");
	pages[page + 5] = 1;
	is_err(vas_node_at(pages + page + 7, &id), 0, "an address within a present page");
	for (uint32_t i = 0; i < machine().node_count; i++)
		known = known || node_number(i).id == id;
	ok(known, "node %u is one of the nodes", id);
	is_err(vas_node_at(pages, &id), ENOENT, "asking did not bring the other page in");
	munmap(pages, 2 * page);
}

static void denied_case(void *arg)
{
	int error = *(int *)arg;
	uint32_t id = 4711;

	settle();
	if (!deny_move_pages(error))
		tap_skip_all("no-seccomp", "seccomp filters are denied");
	is_err(vas_node_at(&id, &id), error == EBUSY ? EIO : error, "a sandbox denies move_pages");
	is_u64(id, 4711, "the output is untouched");
	machine();
}

static pthread_barrier_t start;

static void *first_call(void *arg)
{
	struct vas_topology *topology = arg;

	pthread_barrier_wait(&start);
	if (vas_topology_get(topology) != 0)
		topology->node_count = 0;
	return NULL;
}

static void threads_case(void *arg)
{
	struct vas_topology topologies[8];
	pthread_t threads[8];

	(void)arg;
	settle();
	memset(topologies, 0, sizeof(topologies));
	pthread_barrier_init(&start, NULL, 8);
	for (int i = 0; i < 8; i++) {
		topologies[i].size = sizeof(topologies[i]);
		pthread_create(&threads[i], NULL, first_call, &topologies[i]);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	ok(topologies[0].node_count > 0, "the machine is read");
	for (int i = 1; i < 8; i++)
		ok(memcmp(&topologies[i], &topologies[0], sizeof(topologies[0])) == 0,
		   "thread %d saw the same machine", i);
	pthread_barrier_destroy(&start);
}

/* Once everything was read, calls keep nothing. */
static void leaks_case(void *arg)
{
	size_t before = 0, after;

	(void)arg;
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
	place_real_module();
	machine();
	for (int i = 0; i < 60; i++) {
		VAS_OPTS(vas_topology, topology);
		uint32_t id;

		if (i == 10) {
			tap_baseline();
			before = mallinfo2().uordblks;
		}
		vas_topology_get(&topology);
		node_number(0);
		vas_node_at(&id, &id);
	}
	after = mallinfo2().uordblks;
	/* What is freed may lie in caches: less than 8 bytes a round is none. */
	tap_ignore_leaks(TAP_LEAK_HEAP);
	ok(after < before + 400, "heap: %zu bytes before, %zu after", before, after);
}

int main(void)
{
	static int errors[] = { EPERM, ENOSYS, EBUSY };
	static const char *const names[] = {
		"move_pages is denied",
		"move_pages is not there",
		"move_pages fails oddly",
	};

	if (!place_real_module())
		tap_skip_all("no-hwloc", "module vaspace-cpu was not built");
	tap_plan(0);
	tap_case("the libraries come with the first call", first_use_case, NULL, 0);
	tap_case("this machine", this_machine_case, NULL, 0);
	tap_case("pools of huge pages", huge_case, NULL, 0);
	tap_case("two packages", synthetic_case, NULL, 0);
	tap_case("high-bandwidth and far memory", attributes_case, NULL, 0);
	tap_case("a machine that cannot be read", unreadable_case, NULL, 0);
	tap_case("where a page is", address_case, NULL, 0);
	for (int i = 0; i < 3; i++)
		tap_case(names[i], denied_case, &errors[i], 0);
	tap_case("first calls of eight threads", threads_case, NULL, 0);
	tap_case("nothing is kept", leaks_case, NULL, 0);
	return tap_done();
}
