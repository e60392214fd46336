/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* Bounds found by trying: simulated kernels of every width and page size, kernels that refuse, and the real one. */
#include "layout/bounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/number.h"
#include "sys/environment.h"
#include "sys/fault.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define PAGES 3
static const uint64_t pages[PAGES] = { 4096, 16384, 65536 };

static struct vas_sys_sim sim;
static struct vas_probes probes;
static struct vas_bounds bounds;

static int find(const struct vas_sim_config *config)
{
	int err = vas_sys_sim_init(&sim, config);
	size_t before = sim.count;

	if (err)
		tap_bail("no simulated kernel: %d", err);
	memset(&probes, 0, sizeof(probes));
	memset(&bounds, 0x5a, sizeof(bounds));
	err = vas_bounds_find(&sim.sys, &probes, &bounds);
	if (sim.count != before)
		ok(false, "width %u: a trace is left", config->width);
	return err;
}

/* One past the highest page that a claim may have, by asking for single pages downwards. */
static uint64_t highest(uint64_t from, uint64_t page)
{
	for (int i = 0; i < 4; i++, from -= page) {
		int64_t got = sim.sys.map(&sim.sys, from - page, page, PROT_NONE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (got >= 0 || got == -EEXIST)
			return from;
	}
	return 0;
}

static void test_widths(bool empty, enum vas_sim_noreplace noreplace)
{
	unsigned int wrong = 0, tried = 0;

	for (uint32_t width = 38; width <= 57; width++) {
		for (int i = 0; i < PAGES; i++) {
			struct vas_sim_config config = { .width = width,
							 .page_size = pages[i],
							 .empty = empty,
							 .noreplace = noreplace,
							 .seed = width };
			unsigned int before = wrong;
			uint64_t window;

			if (find(&config) != 0) {
				wrong++;
				continue;
			}
			tried++;
			window = bounds.max;
			/* The last page may be the kernel's own, or, by hint only, may be missed. */
			wrong += bounds.high_max > sim.task_size ||
				 bounds.high_max + 2 * pages[i] < sim.task_size;
			if (noreplace == VAS_SIM_NOREPLACE_HONOURED)
				wrong += bounds.high_max != highest(sim.task_size, pages[i]);
			if (!empty)
				wrong += window > sim.window_end ||
					 window + 2 * pages[i] < sim.window_end;
			wrong += bounds.min != 65536 || bounds.max > bounds.high_max;
			wrong +=
				empty ? bounds.stack_top != 0 : bounds.stack_top <= sim.stack_start;
			if (wrong > before)
				tap_diag("width %u page %llx: max %llx of %llx, high %llx of %llx",
					 width, (unsigned long long)pages[i],
					 (unsigned long long)bounds.max,
					 (unsigned long long)sim.window_end,
					 (unsigned long long)bounds.high_max,
					 (unsigned long long)sim.task_size);
			vas_sys_sim_destroy(&sim);
		}
	}
	ok(wrong == 0 && tried == 60, "38 to 57 bits, %s, noreplace %d",
	   empty ? "empty" : "a process", (int)noreplace);
}

static void test_floor(void)
{
	struct vas_sim_config config = { .width = 47, .min_address = 1 << 20, .no_proc = true };

	is_err(find(&config), 0, "without /proc");
	is_u64(bounds.min, 1 << 20, "the lowest address is found by trying");
	vas_sys_sim_destroy(&sim);
	config.no_proc = false;
	is_err(find(&config), 0, "with /proc");
	is_u64(bounds.min, 1 << 20, "the same");
	vas_sys_sim_destroy(&sim);
	config.min_address = 4096;
	is_err(find(&config), 0, "a low mmap_min_addr");
	is_u64(bounds.min, 65536, "64 KiB at least");
	vas_sys_sim_destroy(&sim);
}

static void refused(int error, bool empty, int expected, const char *name)
{
	struct vas_sim_config config = { .width = 47, .empty = empty };
	struct vas_sys_fault fault;

	if (vas_sys_sim_init(&sim, &config))
		tap_bail("no simulated kernel");
	vas_sys_fault_init(&fault, &sim.sys);
	fault.operation = "map";
	vas_sys_fault_arm(&fault, 1, true, error);
	memset(&probes, 0, sizeof(probes));
	is_err(vas_bounds_find(&fault.sys, &probes, &bounds), expected, "%s", name);
	if (expected == 0)
		ok(bounds.max <= 1ull << 47 && bounds.max > (1ull << 47) - 65536,
		   "%s: from the stack", name);
	vas_sys_sim_destroy(&sim);
}

static void test_refusals(void)
{
	refused(EPERM, false, EPERM, "mapping is forbidden");
	refused(ENOSYS, false, ENOSYS, "there is no mmap");
	refused(EACCES, true, EACCES, "mapping is denied");
	refused(EDOM, true, EIO, "an errno of no table");
	refused(ENOMEM, true, ENOMEM, "no room, and no stack to judge by");
	refused(ENOMEM, false, 0, "no room");
}

static void test_margins(void)
{
	struct vas_sim_config config = { .width = 47, .stack_limit = 16 << 20 };
	uint64_t guard = 256 * 4096;
	struct vas_margins margins;
	struct vas_span items[2], one[1];
	struct vas_spanset avoid;
	uint64_t brk;

	is_err(find(&config), 0, "a process");
	vas_margins_find(&sim.sys, 0, 0, &margins);
	is_u64(margins.stack, (16 << 20) + guard, "the stack's limit and the guard gap");
	is_u64(margins.brk, VAS_BRK_MARGIN, "the default above the break");
	vas_margins_find(&sim.sys, 5000, 70000, &margins);
	is_u64(margins.stack, 8192, "given, in whole pages");
	is_u64(margins.brk, 73728, "given, in whole pages");
	setenv("VASPACE_STACK_MARGIN", "1M", 1);
	setenv("VASPACE_BRK_MARGIN", "2M", 1);
	vas_environment_reload();
	vas_margins_find(&sim.sys, 0, 0, &margins);
	is_u64(margins.stack, 1 << 20, "the environment");
	is_u64(margins.brk, 2 << 20, "the environment");
	unsetenv("VASPACE_STACK_MARGIN");
	unsetenv("VASPACE_BRK_MARGIN");
	vas_environment_reload();

	vas_spanset_init(&avoid, items, 2);
	brk = (uint64_t)sim.sys.get_brk(&sim.sys);
	is_err(vas_bounds_avoid(&sim.sys, &bounds, &margins, &avoid), 0, "what to avoid");
	ok(vas_spanset_contains(&avoid, bounds.stack_top - (1 << 20), bounds.stack_top) &&
		   !vas_spanset_overlaps(&avoid, bounds.stack_top - (1 << 20) - 4096,
					 bounds.stack_top - (1 << 20)),
	   "a margin below the stack's top");
	ok(vas_spanset_contains(&avoid, (brk + 4095) & ~4095ull, brk + (2 << 20)) &&
		   !vas_spanset_overlaps(&avoid, brk + (2 << 20) + 4096, brk + (2 << 20) + 8192),
	   "a margin above the break");
	vas_spanset_init(&avoid, one, 1);
	is_err(vas_bounds_avoid(&sim.sys, &bounds, &margins, &avoid), ENOSPC, "no room to say so");
	vas_sys_sim_destroy(&sim);

	config.stack_limit = UINT64_MAX;
	is_err(find(&config), 0, "an unlimited stack");
	vas_margins_find(&sim.sys, 0, 0, &margins);
	is_u64(margins.stack, VAS_STACK_MARGIN_MAX, "has a margin with an end");
	vas_sys_sim_destroy(&sim);
	is_u64(vas_margin_below_stack(&margins, 4096).size, 4096, "no margin below 0");
	is_u64(vas_margin_above_brk(&margins, UINT64_MAX - 10).size, 10, "none beyond the end");
}

static void test_real(void)
{
	struct vas_sys *sys = vas_sys_real();
	struct vas_span items[VAS_SHADOW_SPANS];
	struct vas_spanset avoid;
	/* AddressSanitizer may keep a variable elsewhere, never the frame. */
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	long before = tap_count_vmas();

	memset(&probes, 0, sizeof(probes));
	is_err(vas_bounds_find(sys, &probes, &bounds), 0, "this kernel");
	ok(bounds.min >= 65536 && bounds.min < bounds.max && bounds.max <= bounds.high_max,
	   "in order");
	ok(here < bounds.max, "this stack is in the window");
	ok(bounds.stack_top > here && bounds.stack_top - here < 1ull << 30, "and below its top");
	vas_spanset_init(&avoid, items, VAS_SHADOW_SPANS);
	is_err(vas_shadow_avoid(sys, &avoid), 0, "a sanitizer's windows");
	ok(!vas_spanset_overlaps(&avoid, here, here + 1), "the stack is in one");
	ok(!vas_spanset_overlaps(&avoid, (uintptr_t)&test_real, (uintptr_t)&test_real + 1),
	   "the code too");
	if (vas_environment_sanitizer() == VAS_SANITIZER_NONE)
		is_u64(avoid.count, 0, "all is one window without a sanitizer");
	else
		tap_diag("%zu spans are barred", avoid.count);
	if (before >= 0 && !tap_under_sanitizer())
		is_i64(tap_count_vmas(), before, "no trace is left");
}

int main(void)
{
	tap_plan(0);
	test_widths(false, VAS_SIM_NOREPLACE_HONOURED);
	test_widths(true, VAS_SIM_NOREPLACE_HONOURED);
	test_widths(false, VAS_SIM_NOREPLACE_IGNORED);
	test_widths(false, VAS_SIM_NOREPLACE_PARTIAL);
	test_floor();
	test_refusals();
	test_margins();
	test_real();
	return tap_done();
}
