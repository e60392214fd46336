/* SPDX-License-Identifier: BSD-2-Clause */
/* A region over a simulated kernel, for tests of its layer: short words for its calls. */
#ifndef TESTS_SUPPORT_REGION_WORLD_H
#define TESTS_SUPPORT_REGION_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include <vaspace/region.h>

#include "record/report.h"
#include "region/region.h"
#include "space/space.h"
#include "sys/fault.h"
#include "sys/sim.h"

struct region_world {
	struct vas_sys_sim sim;
	struct vas_sys_fault meta; /* gives the books their memory */
	struct vas_space space;
	struct vas_failure failure; /* of the last call */
	struct vas_region *region; /* what the calls below work on */
	uint64_t page;
	struct vas_span filled; /* the last block that was filled, and with what */
	int fill_byte;
	uint32_t fills;
};

/* One at a time: the simulator must not move. Bails when there is none. */
struct region_world *region_world_begin(uint64_t page, uint32_t width);
/* Unmakes the region when there is one, and looks whether nothing is left. */
void region_world_end(struct region_world *world);

int world_make(struct region_world *world, uint64_t size, const struct vas_region_opts *opts);
int world_alloc(struct region_world *world, uint64_t size, const struct vas_alloc_opts *opts,
		uint64_t *start);
int world_free(struct region_world *world, uint64_t start);
/* Frees it, a point of the test; what came of it. */
enum vas_retired world_give(struct region_world *world, uint64_t start);
int world_commit(struct region_world *world, uint64_t start, uint64_t size);
int world_resize(struct region_world *world, uint64_t start, uint64_t size);
/* The reason of the last call, as a word. */
const char *world_why(const struct region_world *world);
/* Bytes that the simulated kernel has accessible inside the region's span. */
uint64_t world_accessible(const struct region_world *world);
struct vas_region_stats world_stats(struct region_world *world);
/* Runs all tests with each size of page, which they find in *page. */
void world_every_page(uint64_t *page, void (*const *tests)(void), size_t count);
/* All the books are whole, of the space too. */
void world_check(struct region_world *world, const char *when);

#endif
