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

#define VAS_BRK_MARGIN	     (64ull << 20)
#define VAS_STACK_MARGIN_MAX (16ull << 30) /* also for an unlimited RLIMIT_STACK */

struct vas_bounds {
	uint64_t min; /* lowest mappable: mmap_min_addr (read, else probed), 64 KiB at least */
	uint64_t max; /* default window, exclusive; I: min < max <= high_max */
	uint64_t high_max; /* with a hint above it, exclusive */
	uint64_t stack_top; /* one past the main stack, which does not move; 0 = not known */
};

/*
 * Measures, without leaving a trace. Where mapping is refused for want of
 * room (RLIMIT_AS, the VMA limit) the width is taken from where the stack is.
 * -errno when not even a probe may be mapped: -EPERM, -EACCES, -ENOSYS,
 * -ENOMEM, and -EIO for whatever else.
 */
int vas_bounds_find(struct vas_sys *sys, struct vas_probes *probes, struct vas_bounds *bounds);

struct vas_margins {
	/* Bytes kept for a stack to grow, measured from its top, which does not move. */
	uint64_t stack;
	uint64_t brk; /* bytes kept free above the break */
};

/*
 * From options (0 = not given), else the environment, else for the stack
 * RLIMIT_STACK and the kernel's guard gap, and VAS_BRK_MARGIN. Cannot fail.
 */
void vas_margins_find(struct vas_sys *sys, uint64_t stack, uint64_t brk,
		      struct vas_margins *margins);

/* What is kept below a stack that ends at top, and above a break that is page aligned. */
struct vas_span vas_margin_below_stack(const struct vas_margins *margins, uint64_t top);
struct vas_span vas_margin_above_brk(const struct vas_margins *margins, uint64_t brk);

/* The program break, rounded up to a page; 0 when the kernel does not tell. */
uint64_t vas_bounds_brk(struct vas_sys *sys);

/*
 * The spans that a claim in this process must avoid, as they are now and
 * without reading maps: the main stack [top - margin, top) and the room above
 * the break [brk, brk + margin). Adds at most 2 spans; -ENOSPC when avoid has
 * no room for them.
 */
int vas_bounds_avoid(struct vas_sys *sys, const struct vas_bounds *bounds,
		     const struct vas_margins *margins, struct vas_spanset *avoid);

/*
 * Under a sanitizer: adds to avoid what lies outside its application windows
 * (ThreadSanitizer and MemorySanitizer crash at first touch there). Adds at
 * most VAS_SHADOW_SPANS spans; none without a sanitizer. -ENOSPC when avoid has
 * no room for them.
 */
#define VAS_SHADOW_SPANS 16
int vas_shadow_avoid(struct vas_sys *sys, struct vas_spanset *avoid);

#endif
