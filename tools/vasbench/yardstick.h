/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The yardstick: a plain allocator of offsets with two levels of bins, the kind that programs carry
 * today. What the block allocator costs is told as a ratio to it, measured in the same run. Units
 * are the caller's; a unit's block is known by a handle, so freeing looks nothing up.
 */
#ifndef VASBENCH_YARDSTICK_H
#define VASBENCH_YARDSTICK_H

#include <stdbool.h>
#include <stdint.h>

struct yardstick;

/* Over [0, size) units; blocks is how many there may be at once. NULL: no memory. */
struct yardstick *yardstick_open(uint32_t size, uint32_t blocks);
void yardstick_close(struct yardstick *yardstick);

/* A block of size units (not 0): its start, and the handle to free it by. False: no room. */
bool yardstick_take(struct yardstick *yardstick, uint32_t size, uint32_t *start, uint32_t *handle);
void yardstick_give(struct yardstick *yardstick, uint32_t handle);

uint64_t yardstick_books(const struct yardstick *yardstick); /* bytes of memory */
/* Every invariant, and that free units are so many. */
bool yardstick_check(const struct yardstick *yardstick, uint64_t free_units);

#endif
