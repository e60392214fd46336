/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/region_world.h"

#include <string.h>

#include "base/code.h"
#include "tap/tap.h"

static struct region_world the_world;

struct region_world *region_world_begin(uint64_t page, uint32_t width)
{
	struct region_world *world = &the_world;
	const struct vas_sim_config config = { .width = width, .page_size = page, .seed = tap_seed() };

	memset(world, 0, sizeof(*world));
	world->page = page;
	if (vas_sys_sim_init(&world->sim, &config) != 0)
		tap_bail("no simulated kernel");
	vas_sys_fault_init(&world->meta, vas_sys_real());
	if (vas_space_init(&world->space, &world->sim.sys, &world->meta.sys) != 0)
		tap_bail("no space over it");
	return world;
}

void region_world_end(struct region_world *world)
{
	enum vas_retired state;

	if (world->region) {
		world_check(world, "at the end");
		is_err(vas_region_unmake(world->region, &state, &world->failure), 0, "unmade");
		is_u64(state, VAS_RETIRED_GONE, "all of it is gone");
	}
	is_u64(world->space.stats.committed, 0, "nothing is committed any more");
	vas_sys_sim_destroy(&world->sim);
}

/* There is no memory at simulated addresses; what would be written is noted. */
static void world_fill(struct vas_span span, int byte)
{
	the_world.filled = span;
	the_world.fill_byte = byte;
	the_world.fills++;
}

int world_make(struct region_world *world, uint64_t size, const struct vas_region_opts *opts)
{
	struct vas_region_opts known = { .size = sizeof(known) };
	int err;

	if (opts)
		known = *opts;
	vas_failure_begin(&world->failure, VAS_OPERATION_REGION, size);
	err = vas_region_make(&world->space, size, &known, &world->failure, &world->region);
	if (!err)
		world->region->fill = world_fill;
	return err;
}

int world_alloc(struct region_world *world, uint64_t size, const struct vas_alloc_opts *opts,
		uint64_t *start)
{
	static const struct vas_commit_opts commit = { .size = sizeof(commit) };
	struct vas_alloc_opts known = { .size = sizeof(known) };
	struct vas_block block;
	int err;

	if (opts)
		known = *opts;
	if ((known.flags & VAS_ALLOC_COMMIT) && !known.commit)
		known.commit = &commit;
	vas_failure_begin(&world->failure, VAS_OPERATION_ALLOC, size);
	err = vas_block_alloc(world->region, size, &known, &world->failure, &block);
	if (!err)
		*start = (uint64_t)(uintptr_t)block.start;
	return err;
}

int world_free(struct region_world *world, uint64_t start)
{
	enum vas_retired state;

	vas_failure_begin(&world->failure, VAS_OPERATION_FREE, 0);
	return vas_block_free(world->region, start, &world->failure, &state);
}

enum vas_retired world_give(struct region_world *world, uint64_t start)
{
	enum vas_retired state = VAS_RETIRED_HELD;

	vas_failure_begin(&world->failure, VAS_OPERATION_FREE, 0);
	is_err(vas_block_free(world->region, start, &world->failure, &state), 0, "freed");
	return state;
}

int world_commit(struct region_world *world, uint64_t start, uint64_t size)
{
	static const struct vas_commit_opts opts = { .size = sizeof(opts) };

	vas_failure_begin(&world->failure, VAS_OPERATION_COMMIT, size);
	return vas_block_commit(world->region, (struct vas_span){ start, size }, &opts,
				&world->failure);
}

int world_resize(struct region_world *world, uint64_t start, uint64_t size)
{
	vas_failure_begin(&world->failure, VAS_OPERATION_ALLOC, size);
	return vas_block_resize(world->region, start, size, &world->failure);
}

const char *world_why(const struct region_world *world)
{
	return vas_why_name((enum vas_why)world->failure.why);
}

uint64_t world_accessible(const struct region_world *world)
{
	struct vas_span span = world->region->span;
	uint64_t bytes = 0;

	for (size_t i = 0; i < world->sim.count; i++) {
		const struct vas_sim_mapping *item = &world->sim.mappings[i];
		uint64_t from = item->start > span.start ? item->start : span.start;
		uint64_t to = item->end < span.start + span.size ? item->end
								 : span.start + span.size;

		if (item->prot && from < to)
			bytes += to - from;
	}
	return bytes;
}

struct vas_region_stats world_stats(struct region_world *world)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	if (vas_region_sum(world->region, &world->failure, &stats))
		tap_bail("no statistics");
	return stats;
}

/* Blocks that need a promise of the engine's have one, and the rest is the region's. */
static bool promises_add_up(const struct vas_region *region)
{
	uint64_t position = region->span.start, promised = region->promises;
	struct vas_block_info info;

	while (vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		promised += info.live && (info.mark & VAS_MARK_PROMISED);
	}
	return promised == region->user.holding->extents.promised;
}

void world_check(struct region_world *world, const char *when)
{
	uint64_t where = 0;
	const char *reason = "";

	ok(vas_region_check(world->region), "%s: the region's books are whole", when);
	ok(promises_add_up(world->region), "%s: no promise is lost", when);
	is_err(vas_space_check(&world->space, &where), 0, "%s: the space's books say what is mapped",
	       when);
	ok(vas_sys_sim_check(&world->sim, &reason), "%s: the simulated kernel is sound%s", when,
	   reason ? reason : "");
}

void world_every_page(uint64_t *page, void (*const *tests)(void), size_t count)
{
	for (*page = 4096; *page <= 65536; *page *= 4)
		for (size_t i = 0; i < count; i++)
			tests[i]();
}
