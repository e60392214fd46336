/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bounds an address space: the lowest and highest mappable address, found
 * by trying; margins around the stack and above the program break; windows
 * that a sanitizer's shadow leaves to the application.
 */
#ifndef VAS_LAYOUT_BOUNDS_H
#define VAS_LAYOUT_BOUNDS_H

#include <stdint.h>

#include "base/spanset.h"
#include "sys/probe.h"
#include "sys/sys.h"

#define VAS_BRK_MARGIN (64ull << 20)
#define VAS_STACK_MARGIN_MAX (16ull << 30) /* also for an unlimited RLIMIT_STACK */
#define VAS_STACK_GUARD_GAP_PAGES 256u /* the kernel's own, unless booted otherwise */

struct vas_bounds {
	uint64_t min; /* lowest mappable: mmap_min_addr (read, else probed), 64 KiB at least */
	uint64_t max; /* default window, exclusive */
	uint64_t high_max; /* with a hint above it, exclusive */
	uint64_t stack_top; /* one past the main stack; 0 = not known */
};

/* Measures, without leaving a trace. -errno when not even a probe may be mapped. */
int vas_bounds_find(struct vas_sys *sys, struct vas_probes *probes, struct vas_bounds *bounds);

struct vas_margins {
	uint64_t stack; /* bytes kept free below a stack's low end */
	uint64_t brk; /* bytes kept free above the break */
};

/* From options (0 = not given), else the environment, else RLIMIT_STACK or the guard gap, and VAS_BRK_MARGIN. */
void vas_margins_find(struct vas_sys *sys, uint64_t stack, uint64_t brk, struct vas_margins *margins);

/*
 * The spans that a claim in this process must avoid, as they are now and
 * without reading maps: the main stack [top - margin, top) and
 * [brk - a page, brk + margin). Adds at most 2 spans.
 */
int vas_bounds_avoid(struct vas_sys *sys, const struct vas_bounds *bounds,
		     const struct vas_margins *margins, struct vas_spanset *avoid);

/*
 * Under a sanitizer: adds to avoid what lies outside its application windows
 * (ThreadSanitizer and MemorySanitizer crash at first touch there). Adds at
 * most VAS_SHADOW_SPANS spans; none without a sanitizer.
 */
#define VAS_SHADOW_SPANS 16
int vas_shadow_avoid(struct vas_sys *sys, struct vas_spanset *avoid);

#endif
