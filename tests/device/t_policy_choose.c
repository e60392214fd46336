/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes chosen for policies, on machines that hwloc only describes: one with high-bandwidth and far memory
 * (data/hbm.xml) and synthetic ones; and on this one.
 */
#include <errno.h>

#include <vaspace/policy.h>
#include <vaspace/reserve.h>
#include <vaspace/topology.h>

#include "device/places.h"

static const char *source_data(void)
{
	static char path[PATH_MAX];
	const char *source = getenv("VASPACE_SOURCE"), *slash = strrchr(__FILE__, '/');

	if (source)
		snprintf(path, sizeof(path), "%s/tests/device/data/hbm.xml", source);
	else
		snprintf(path, sizeof(path), "%.*s/data/hbm.xml",
			 (int)(slash ? slash - __FILE__ : 0), __FILE__);
	return path;
}

static void settle(void)
{
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
	if (!place_real_module())
		tap_bail("the module was there at the start");
}

/* The nodes for a wish seen from processors (of the first word), or -errno; the other words must be zero. */
static int64_t chosen(struct vas_node_wish wish, uint64_t processors, enum vas_policy_mode mode)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = mode };
	int err;

	memset(policy.nodes, 0xff, sizeof(policy.nodes));
	wish.size = sizeof(wish);
	wish.processors[0] = processors;
	err = vas_policy_choose(&wish, &policy);
	for (int i = 1; i < 16; i++)
		if (policy.nodes[i] != (err ? UINT64_MAX : 0))
			return -1000;
	if (policy.size != sizeof(policy) || policy.mode != mode || policy.flags)
		return -1001;
	return err ? err : (int64_t)policy.nodes[0];
}

#define FIRST  0x0fu /* processors of the packages of hbm.xml */
#define SECOND 0xf0u

static void attributes_case(void *unused)
{
	const struct {
		const char *what;
		struct vas_node_wish wish;
		uint64_t processors;
		int64_t nodes;
	} rows[] = {
		/* clang-format off */
		{ "the nearest of the first package", { .rank = VAS_NODE_NEAR }, FIRST, 0x01 },
		{ "of the second", { .rank = VAS_NODE_NEAR }, SECOND, 0x02 },
		{ "of one processor", { .rank = VAS_NODE_NEAR }, 0x40, 0x02 },
		{ "of all: the lowest of equals", { .rank = VAS_NODE_NEAR }, 0, 0x01 },
		{ "the two nearest", { .rank = VAS_NODE_NEAR, .count = 2 }, SECOND, 0x0a },
		{ "the three nearest", { .rank = VAS_NODE_NEAR, .count = 3 }, FIRST, 0x15 },
		{ "bandwidth", { .rank = VAS_NODE_BANDWIDTH }, FIRST, 0x04 },
		{ "bandwidth of the second", { .rank = VAS_NODE_BANDWIDTH }, SECOND, 0x08 },
		{ "bandwidth of both", { .rank = VAS_NODE_BANDWIDTH, .count = 2 }, 0xff, 0x0c },
		{ "bandwidth, three: the own DRAM", { .rank = VAS_NODE_BANDWIDTH, .count = 2 }, SECOND, 0x0a },
		{ "what tells no bandwidth comes last", { .rank = VAS_NODE_BANDWIDTH, .count = 4 }, FIRST, 0x0f },
		{ "latency", { .rank = VAS_NODE_LATENCY }, FIRST, 0x01 },
		{ "latency, two", { .rank = VAS_NODE_LATENCY, .count = 2 }, SECOND, 0x0a },
		{ "capacity", { .rank = VAS_NODE_CAPACITY }, FIRST, 0x10 },
		{ "capacity, equals by distance", { .rank = VAS_NODE_CAPACITY, .count = 2 }, SECOND, 0x12 },
		{ "free ones are not known: all", { .rank = VAS_NODE_AVAILABLE }, FIRST, 0x10 },
		{ "without processors", { .flags = VAS_NODE_BARE }, SECOND, 0x08 },
		{ "largest with processors", { .rank = VAS_NODE_CAPACITY, .flags = VAS_NODE_WITH_PROCESSORS }, SECOND, 0x02 },
		{ "largest of either", { .rank = VAS_NODE_CAPACITY, .flags = VAS_NODE_ALL }, SECOND, 0x10 },
		{ "of a kind", { .kind = "HBM" }, SECOND, 0x08 },
		{ "of a long kind", { .kind = "ExpandedMemoryO" }, SECOND, 0x10 },
		{ "fastest with room", { .rank = VAS_NODE_BANDWIDTH, .room = UINT64_C(20) << 30 }, FIRST, 0x01 },
		{ "more than there are", { .count = 99 }, FIRST, 0x1f },
		{ "of a kind that is not there", { .kind = "NVM" }, FIRST, -ENOENT },
		{ "with more room than there is", { .room = UINT64_C(65) << 30 }, FIRST, -ENOENT },
		{ "seen from processors that are not there", { .rank = VAS_NODE_NEAR }, 0x100, -ENOENT },
		/* clang-format on */
	};

	(void)unused;
	settle();
	setenv("HWLOC_XMLFILE", source_data(), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_i64(chosen(rows[i].wish, rows[i].processors, VAS_POLICY_BIND), rows[i].nodes,
		       "%s", rows[i].what);
	is_i64(chosen((struct vas_node_wish){ .count = 3 }, SECOND, VAS_POLICY_PREFER), 0x02,
	       "one that prefers takes one");
	is_str(vas_topology_error(), "", "the module is not to blame");
}

static int64_t nodes_of(const char *type, uint32_t index)
{
	struct vas_policy policy = { .size = sizeof(policy) };
	int err;

	memset(policy.nodes, 0xff, sizeof(policy.nodes));
	err = vas_policy_object(type, index, &policy);
	for (int i = 1; i < 16; i++)
		if (policy.nodes[i] != (err ? UINT64_MAX : 0))
			return -1000;
	return err ? err : (int64_t)policy.nodes[0];
}

static void object_case(void *unused)
{
	(void)unused;
	settle();
	setenv("HWLOC_XMLFILE", source_data(), 1);
	is_i64(nodes_of("NUMANode", 0), 0x01, "a node");
	is_i64(nodes_of("numa", 1), 0x04, "hwloc's second, which is not the kernel's");
	is_i64(nodes_of("Package", 1), 0x1a, "a package has all around it");
	is_i64(nodes_of("PU", 0), 0x15, "a processor, too");
	is_i64(nodes_of("Machine", 0), 0x1f, "the machine");
	is_i64(nodes_of("Package", 2), -ENOENT, "no such package");
	is_i64(nodes_of("L3Cache", 0), -ENOENT, "no caches are described");
	is_i64(nodes_of("PCIDev", 0), -ENOENT, "no devices");
	is_i64(nodes_of("Heap", 0), -EINVAL, "no type");
	is_i64(nodes_of("", 0), -EINVAL, "no name");
}

/* What the table of distances says counts for more than what is around. */
static void synthetic_case(void *unused)
{
	(void)unused;
	settle();
	setenv("HWLOC_SYNTHETIC", "pack:4 [numa(memory=8589934592)] l3:1 core:2 pu:2", 1);
	is_i64(chosen((struct vas_node_wish){ .rank = VAS_NODE_NEAR }, 0xf00, VAS_POLICY_BIND), 0x04,
	       "the third package's");
	is_i64(chosen((struct vas_node_wish){ .rank = VAS_NODE_BANDWIDTH }, 0xf00, VAS_POLICY_BIND),
	       0x04, "no bandwidth is told: the nearest");
	is_i64(chosen((struct vas_node_wish){ .flags = VAS_NODE_BARE }, 0xf00, VAS_POLICY_BIND),
	       -ENOENT, "each node has processors");
	is_i64(nodes_of("L3Cache", 2), 0x04, "a cache's");
}

static void this_machine_case(void *unused)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND };
	struct vas_reserve_opts reserve = { .size = sizeof(reserve), .policy = &policy };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t id = UINT32_MAX;
	struct vas_span span;

	(void)unused;
	settle();
	VAS_OPTS(vas_node_wish, wish);
	wish.rank = VAS_NODE_AVAILABLE;
	wish.room = page;
	is_err(vas_policy_choose(&wish, &policy), 0, "a node with room");
	is_err(vas_reserve(16 * page, &reserve, &span), 0, "a span on it");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "one page");
	memset(vas_span_pointer(span), 1, page);
	is_err(vas_node_at(vas_span_pointer(span), &id), 0, "it is somewhere");
	ok(id < 1024 && policy.nodes[id / 64] >> id % 64 & 1, "on the node that was chosen");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

int main(void)
{
	if (!place_real_module())
		tap_skip_all("no-hwloc", "module vaspace-cpu was not built");
	tap_plan(0);
	tap_case("by memory attributes", attributes_case, NULL, 0);
	tap_case("by an object's place", object_case, NULL, 0);
	tap_case("a machine without attributes", synthetic_case, NULL, 0);
	tap_case("on this machine", this_machine_case, NULL, 0);
	return tap_done();
}
