/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 5 */
/*
 * The search by its means: how many questions known layouts cost, what it does where a means is missing or
 * fails midway, and looking up one address. That its answers are right is tests/model/t_search_property.c.
 */
#include "layout/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/fault.h"
#include "sys/sim.h"
#include "sys/trace.h"
#include "tap/tap.h"

#define MIB    (1ull << 20)
#define GIB    (1ull << 30)
#define PAGE   4096ull
#define ANCHOR 0x4a0000000000ull
#define REACH  (2 * GIB)

static struct vas_sys_sim sim;
static struct vas_sys_trace trace;
static struct vas_probes probes;
static struct vas_search_memory memory;
static struct vas_bounds bounds;
static struct vas_request request;
static struct vas_search_result result;
static struct vas_span hole_items[128];
static struct vas_spanset holes;

static void begin(const struct vas_sim_config *more)
{
	struct vas_sim_config config = { .width = 47 };

	if (more)
		config = *more;
	if (vas_sys_sim_init(&sim, &config))
		tap_bail("no simulated kernel");
	vas_sys_trace_init(&trace, &sim.sys, -1);
	memset(&probes, 0, sizeof(probes));
	memset(&memory, 0, sizeof(memory));
	if (vas_bounds_find(&sim.sys, &probes, &bounds))
		tap_bail("no bounds");
	/* Also under valgrind, where the library does not ask the real one. */
	probes.state[VAS_PROBE_SYNC_HOLES] = VAS_PROBE_YES;
	vas_spanset_init(&holes, hole_items, 128);
}

static void hole(uint64_t start, uint64_t size)
{
	if (vas_spanset_add(&holes, start, start + size))
		tap_bail("too many holes");
}

/* Fills [start, end) with mappings of the size, but for the holes, which cut them. */
static void fill(uint64_t start, uint64_t end, uint64_t size)
{
	uint64_t at = start;
	size_t next = 0;

	while (at < end) {
		uint64_t stop = at + size - (at - start) % size;
		struct vas_sim_mapping mapping = {
			.start = at, .prot = PROT_READ, .flags = MAP_PRIVATE, .fd = -1
		};

		if (next < holes.count && holes.items[next].start <= at) {
			at = vas_span_end(holes.items[next++]);
			continue;
		}
		if (next < holes.count && holes.items[next].start < stop)
			stop = holes.items[next].start;
		mapping.end = stop < end ? stop : end;
		if (vas_sys_sim_put(&sim, &mapping))
			tap_bail("the layout cannot be made");
		at = mapping.end;
	}
}

static void near_request(uint64_t size)
{
	request = (struct vas_request){
		.size = size,
		.min_size = size,
		.granule = PAGE,
		.alignment = PAGE,
		.page = PAGE,
		.start = ANCHOR - REACH,
		.end = ANCHOR + REACH,
		.place = VAS_PLACE_NEAR,
		.address = ANCHOR,
		.reach = REACH,
	};
}

static int search_by(struct vas_sys *sys)
{
	struct vas_search search = {
		.sys = sys, .probes = &probes, .memory = &memory, .bounds = &bounds
	};

	return vas_search_run(&search, &request, &result);
}

static uint64_t calls(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < VAS_SYS_OPERATION_COUNT; i++)
		sum += trace.calls[i];
	return sum;
}

/* Searches once to try the probes, then again, counting. */
static void costs(uint64_t most, bool found, const char *name)
{
	vas_sys_trace_init(&trace, &sim.sys, -1);
	is_err(search_by(&trace.sys), 0, "%s: searched", name);
	vas_sys_trace_init(&trace, &sim.sys, -1);
	is_err(search_by(&trace.sys), 0, "%s: searched again", name);
	ok(result.found == found, "%s: %s", name, found ? "found" : "there is none");
	ok(calls() <= most, "%s: at most %llu calls", name, (unsigned long long)most);
	tap_diag("%s: %llu calls", name, (unsigned long long)calls());
	is_u64(trace.calls[VAS_SYS_MAP] + trace.calls[VAS_SYS_UNMAP], 0, "%s: maps nothing", name);
	is_u64(trace.calls[VAS_SYS_OPEN], trace.calls[VAS_SYS_CLOSE], "%s: closes what it opens",
	       name);
}

static void near_costs(uint64_t size, unsigned int decoys, uint64_t decoy, int64_t distance,
		       uint64_t most, const char *name)
{
	uint64_t step = 2 * REACH / (decoys + 1);

	begin(NULL);
	if (distance)
		hole(ANCHOR + (uint64_t)distance, size);
	for (unsigned int i = 1; i <= decoys; i++)
		hole((ANCHOR - REACH + i * step) & ~(PAGE - 1), decoy);
	fill(ANCHOR - REACH - 64 * MIB, ANCHOR + REACH + 64 * MIB, 42 * MIB);
	near_request(size);
	/* As many elsewhere: reading is never the cheaper way. */
	memory.mappings = 10000;
	costs(most, distance != 0, name);
	if (distance)
		is_u64(result.address, ANCHOR + (uint64_t)distance, "%s: there", name);
	vas_sys_sim_destroy(&sim);
}

static void test_costs(void)
{
	near_costs(4 * MIB, 0, 0, 1229 * (int64_t)MIB, 18, "a hole 1.2 GiB above");
	near_costs(4 * MIB, 0, 0, -1946 * (int64_t)MIB, 18, "a hole 1.9 GiB below");
	near_costs(64 << 10, 0, 0, 100 * (int64_t)MIB, 18, "a small hole 100 MiB above");
	near_costs(4 * MIB, 0, 0, 0, 4, "none");
	near_costs(4 * MIB, 10, MIB, 1229 * (int64_t)MIB, 60, "10 decoys");
	near_costs(4 * MIB, 50, MIB, 1229 * (int64_t)MIB, 80, "50 decoys");
	near_costs(4 * MIB, 50, MIB, 0, 105, "none but 50 decoys");
	near_costs(64 * MIB, 90, MIB, 0, 60, "none but 90 decoys, a large request");
}

/* A window with two holes of 8 MiB among mappings of 1 MiB, low in the space. */
static void simple_layout(const struct vas_sim_config *config)
{
	begin(config);
	hole(ANCHOR + 50 * MIB, 8 * MIB);
	hole(ANCHOR + 80 * MIB, 8 * MIB);
	fill(ANCHOR, ANCHOR + 100 * MIB, MIB);
	near_request(8 * MIB);
	request.start = ANCHOR;
	request.end = ANCHOR + 100 * MIB;
	request.place = VAS_PLACE_LOW;
}

static void finds(struct vas_sys *sys, const char *name)
{
	is_err(search_by(sys), 0, "%s", name);
	ok(result.found, "%s: found", name);
	is_u64(result.address, ANCHOR + 50 * MIB, "%s: the lowest", name);
}

static void test_means(void)
{
	struct vas_sim_config no_query = { .width = 47, .no_query = true };
	struct vas_sim_config no_proc = { .width = 47, .no_proc = true };
	struct vas_sys_fault fault;

	simple_layout(&no_query);
	finds(&sim.sys, "without queries");
	is_u64(result.readings, 1, "by reading");
	ok(memory.mappings >= 50, "how many mappings there are is remembered: %u", memory.mappings);
	request.end = ANCHOR + 40 * MIB;
	is_err(search_by(&sim.sys), 0, "a full window without queries");
	ok(!result.found && result.exact_largest && result.readings == 0, "is proved by one sync");
	vas_sys_sim_destroy(&sim);

	simple_layout(&no_proc);
	is_err(search_by(&sim.sys), ENOENT, "without /proc");
	request.end = ANCHOR + 40 * MIB;
	is_err(search_by(&sim.sys), 0, "a full window without /proc");
	ok(!result.found, "is proved all the same");
	vas_sys_sim_destroy(&sim);

	simple_layout(NULL);
	finds(&sim.sys, "all means");
	vas_sys_fault_init(&fault, &sim.sys);
	fault.operation = "sync";
	vas_sys_fault_arm(&fault, 1, true, EPERM);
	finds(&fault.sys, "sync denied");
	for (uint64_t n = 1; n <= 8; n++) {
		fault.operation = "query";
		vas_sys_fault_arm(&fault, n, true, EACCES);
		finds(&fault.sys, "queries failing from some on");
	}
	is_u64(result.readings, 1, "then the text is read");
	for (uint64_t n = 1; n <= 3; n++) {
		fault.operation = "open";
		vas_sys_fault_arm(&fault, n, false, EMFILE);
		finds(&fault.sys, "one open failing");
	}
	fault.operation = "open";
	vas_sys_fault_arm(&fault, 1, true, EMFILE);
	is_err(search_by(&fault.sys), EMFILE, "no descriptor at all");
	fault.operation = "read";
	vas_sys_fault_arm(&fault, 1, true, EPERM);
	finds(&fault.sys, "reading denied, queries not");
	probes.state[VAS_PROBE_PROCMAP_QUERY] = VAS_PROBE_NO;
	is_err(search_by(&fault.sys), EPERM, "reading denied, and no queries");
	vas_sys_sim_destroy(&sim);
}

/* Ten thousand small mappings in the window of a survey: reading is cheaper, once that is known. */
static void test_reading(void)
{
	begin(NULL);
	fill(ANCHOR, ANCHOR + 10000 * PAGE, PAGE);
	hole_items[0] = (struct vas_span){ 0, 0 };
	vas_spanset_init(&holes, hole_items, 128);
	for (uint64_t at = ANCHOR + 20000 * PAGE; at < ANCHOR + 40000 * PAGE; at += 2 * PAGE)
		fill(at, at + PAGE, PAGE);
	near_request(2 * PAGE);
	request.start = ANCHOR + 20000 * PAGE;
	request.end = ANCHOR + 40000 * PAGE;
	request.place = VAS_PLACE_HIGH;
	is_err(search_by(&sim.sys), 0, "holes all too small");
	ok(!result.found, "there is none");
	ok(result.queries < 20000, "%u queries, %u readings", result.queries, result.readings);
	is_err(search_by(&sim.sys), 0, "once more");
	ok(result.queries + result.readings * 20000 <= 25000, "%u queries, %u readings",
	   result.queries, result.readings);
	request.place = VAS_PLACE_SCATTER;
	memory.mappings = 1;
	is_err(search_by(&sim.sys), 0, "a guess that is much too low");
	is_u64(result.readings, 1, "reads");
	ok(memory.mappings > 19000, "and knows better then: %u", memory.mappings);
	request.min_size = PAGE;
	is_err(search_by(&sim.sys), 0, "at least a page");
	ok(!result.found && result.exact_largest, "what there is at most is told");
	is_u64(result.largest, PAGE, "one page");
	is_u64(result.total, 10000 * PAGE, "ten thousand in all");
	request.start = request.end;
	is_err(search_by(&sim.sys), 0, "an empty window");
	ok(!result.found && result.exact_largest, "has nothing");
	vas_sys_sim_destroy(&sim);
}

static void test_at(void)
{
	struct vas_sim_config no_query = { .width = 47, .no_query = true };
	struct vas_mapping mapping;
	char name[64], small[4];

	for (int i = 0; i < 2; i++) {
		begin(i ? &no_query : NULL);
		is_err(vas_search_at(&sim.sys, &probes, 0, bounds.stack_top - 1, name, sizeof(name),
				     &mapping),
		       0, "the stack");
		ok(mapping.flags & VAS_MAPPING_STACK, "is told as such");
		is_str(mapping.name, "[stack]", "with its name");
		ok(mapping.name == name && mapping.name_length == 7, "in the caller's buffer");
		is_err(vas_search_at(&sim.sys, &probes, 0, 65536, small, sizeof(small), &mapping),
		       0, "the lowest");
		ok(mapping.start >= 65536 && mapping.flags & VAS_MAPPING_CLIPPED,
		   "has a longer name");
		ok(mapping.name_length < sizeof(small), "than fits");
		is_err(vas_search_at(&sim.sys, &probes, 0, 65536, NULL, 0, &mapping), 0,
		       "no buffer");
		is_str(mapping.name, "", "no name");
		is_err(vas_search_at(&sim.sys, &probes, 0, UINT64_MAX - 1, name, sizeof(name),
				     &mapping),
		       ENOENT, "nothing above");
		is_err(vas_search_at(&sim.sys, &probes, -1, 0, name, sizeof(name), &mapping),
		       EINVAL, "a negative pid");
		vas_sys_sim_destroy(&sim);
	}
}

int main(void)
{
	tap_plan(0);
	test_costs();
	test_means();
	test_reading();
	test_at();
	return tap_done();
}
