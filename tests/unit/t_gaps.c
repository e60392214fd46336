/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 2 */
/* Gaps between mappings, and what margins leave of them. */
#include "layout/gaps.h"

#include <string.h>

#include "tap/tap.h"

#define MAX 0x100000u

static const struct vas_margins margins = { .stack = 0x8000, .brk = 0x4000 };

struct expected {
	uint64_t start, end;
	uint32_t flags;
};

static struct vas_gaps gaps;

/* Shows a mapping (all of it 0: the end) and compares the gaps that end at it. */
static void shows(uint64_t start, uint64_t end, uint32_t flags, const struct expected *expected,
		  const char *name)
{
	struct vas_mapping mapping = { .start = start, .end = end, .flags = flags, .name = "" };
	struct vas_gap gap = { 0, 0, 0 };
	unsigned int n = 0;

	while (vas_gaps_show(&gaps, end ? &mapping : NULL, &gap)) {
		if (!expected || !expected[n].end) {
			ok(false, "%s: one gap too many, %#lx-%#lx", name, (unsigned long)gap.start,
			   (unsigned long)gap.end);
			return;
		}
		is_u64(gap.start, expected[n].start, "%s: gap %u start", name, n);
		is_u64(gap.end, expected[n].end, "%s: gap %u end", name, n);
		is_u64(gap.flags, expected[n].flags, "%s: gap %u flags", name, n);
		n++;
	}
	ok(!expected || !expected[n].end, "%s: %u gaps", name, n);
	ok(!vas_gaps_show(&gaps, end ? &mapping : NULL, &gap), "%s: no more", name);
}

#define GAPS(...) ((const struct expected[]){ __VA_ARGS__, { 0, 0, 0 } })

static void test_raw(void)
{
	vas_gaps_begin(&gaps, 0x1000, MAX, NULL, 0x9000);
	shows(0x0, 0x800, 0, NULL, "below the window");
	shows(0x1000, 0x2000, 0, NULL, "right at its start");
	shows(0x2000, 0x3000, 0, NULL, "adjacent");
	shows(0x5000, 0x6000, VAS_MAPPING_HEAP, GAPS({ 0x3000, 0x5000, 0 }), "a gap");
	shows(0x8000, 0x9000, VAS_MAPPING_STACK, GAPS({ 0x6000, 0x8000, 0 }),
	      "no margins asked for");
	shows(0, 0, 0, GAPS({ 0x9000, MAX, 0 }), "the end");
	shows(0, 0, 0, NULL, "after the end");
	vas_gaps_begin(&gaps, 0x1000, MAX, NULL, 0);
	shows(0, 0, 0, GAPS({ 0x1000, MAX, 0 }), "nothing mapped");
	vas_gaps_begin(&gaps, 0x1000, MAX, NULL, 0);
	shows(0x800, 0x2000, 0, NULL, "across the window's start");
	shows(0xff000, 0x101000, 0, GAPS({ 0x2000, 0xff000, 0 }), "across its end");
	shows(0xffffffffff600000u, 0xffffffffff601000u, VAS_MAPPING_KERNEL, NULL, "above");
	shows(0, 0, 0, NULL, "the end");
	vas_gaps_begin(&gaps, 0x1000, MAX, NULL, 0);
	shows(0xffffffffff600000u, 0xffffffffff601000u, VAS_MAPPING_KERNEL,
	      GAPS({ 0x1000, MAX, 0 }), "the kernel's half is cut off");
	shows(0, 0, 0, NULL, "the end");
}

static void test_brk(void)
{
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0x8000);
	shows(0x4000, 0x8000, VAS_MAPPING_HEAP, GAPS({ 0x1000, 0x4000, 0 }), "below the heap");
	shows(0x20000, 0x21000, 0, GAPS({ 0xc000, 0x20000, VAS_GAP_TRIMMED_BELOW }),
	      "above the break");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0x8000);
	shows(0x20000, 0x21000, 0,
	      GAPS({ 0x1000, 0x8000, VAS_GAP_TRIMMED_ABOVE },
		   { 0xc000, 0x20000, VAS_GAP_TRIMMED_BELOW }),
	      "no heap yet: the margin splits the gap");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0x8000);
	shows(0x9000, 0xa000, 0, GAPS({ 0x1000, 0x8000, VAS_GAP_TRIMMED_ABOVE }),
	      "a mapping in the margin");
	shows(0xb000, 0xc000, 0, NULL, "between two in it");
	shows(0xe000, 0xf000, 0, GAPS({ 0xc000, 0xe000, 0 }), "behind it");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	shows(0x4000, 0x8000, VAS_MAPPING_HEAP, GAPS({ 0x1000, 0x4000, 0 }),
	      "unknown break: the heap");
	shows(0xb000, 0xc000, 0, NULL, "stands in for it");
	shows(0x10000, 0x11000, 0, GAPS({ 0xc000, 0x10000, 0 }), "the next gap is whole");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	shows(0xf0000, 0xfe000, VAS_MAPPING_HEAP, GAPS({ 0x1000, 0xf0000, 0 }),
	      "a heap near the end");
	shows(0, 0, 0, NULL, "leaves nothing above");
}

static void test_stack(void)
{
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	shows(0x40000, 0x42000, VAS_MAPPING_STACK, GAPS({ 0x1000, 0x3a000, VAS_GAP_TRIMMED_ABOVE }),
	      "below a stack, from its top");
	shows(0, 0, 0, GAPS({ 0x42000, MAX, 0 }), "above it");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	shows(0x30000, 0x42000, VAS_MAPPING_STACK, GAPS({ 0x1000, 0x30000, 0 }),
	      "one larger than the margin");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	shows(0x3c000, 0x3d000, 0, GAPS({ 0x1000, 0x3c000, 0 }), "a mapping in an unknown margin");
	shows(0x40000, 0x42000, VAS_MAPPING_STACK, NULL, "nothing between it and the stack");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	vas_gaps_know_stack(&gaps, 0x42000);
	shows(0x3c000, 0x3d000, 0, GAPS({ 0x1000, 0x3a000, VAS_GAP_TRIMMED_ABOVE }),
	      "in a known one");
	shows(0x40000, 0x42000, VAS_MAPPING_STACK, NULL, "the stack");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0);
	vas_gaps_know_stack(&gaps, 0);
	shows(0, 0, 0, GAPS({ 0x1000, MAX, 0 }), "no stack");
	vas_gaps_begin(&gaps, 0x1000, MAX, &margins, 0x38000);
	vas_gaps_know_stack(&gaps, 0x42000);
	shows(0x40000, 0x42000, VAS_MAPPING_STACK, GAPS({ 0x1000, 0x38000, VAS_GAP_TRIMMED_ABOVE }),
	      "margins of break and stack that meet");
}

int main(void)
{
	tap_plan(0);
	test_raw();
	test_brk();
	test_stack();
	return tap_done();
}
