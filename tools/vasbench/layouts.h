/* SPDX-License-Identifier: BSD-2-Clause */
/* Address-space layouts to measure in, built in a forked child. */
#ifndef VASBENCH_LAYOUTS_H
#define VASBENCH_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>

#define WINDOW_START 0x100000000ull /* 4 GiB */
#define WINDOW_END 0x7f0000000000ull /* 127 TiB */

/* count mappings of one page with alternating protections, starting at the window's start. */
int layout_low(unsigned int count);
/* count one-page mappings, one every 512 MiB from the window's start. */
int layout_gaps(unsigned int count);

/*
 * Fills [start, end) with count mappings that the kernel cannot merge, but for holes:
 * each of hole_size bytes (rounded to pages) centred at the given addresses.
 */
struct hole {
	uint64_t start;
	uint64_t size;
};
int layout_fill(uint64_t start, uint64_t end, unsigned int count, const struct hole *holes,
		unsigned int hole_count);

/* Runs function(context) in a child; its return value (0 or negative), or -errno when it died. */
int in_child(int (*function)(void *context), void *context);

#endif
