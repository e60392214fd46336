/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* Debug mode of regions over a simulated kernel: tags are compared, and what nobody may rely on is filled. */
#include <errno.h>

#include "support/region_world.h"
#include "tap/tap.h"

#define PAGE 4096u

static struct region_world *world;

static void begin(uint32_t flags)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .flags = flags,
					.cache_bytes = 64 * PAGE };

	world = region_world_begin(PAGE, 47);
	is_err(world_make(world, 64 * PAGE, &opts), 0, "a region");
}

static uint64_t take(uint32_t tag, uint32_t flags)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = flags, .tag = tag };
	uint64_t start = 0;

	is_err(world_alloc(world, PAGE, &opts, &start), 0, "a block with tag %u", tag);
	return start;
}

static int give(uint64_t start, uint32_t tag)
{
	enum vas_retired state;

	world->failure.why = VAS_WHY_NONE;
	return vas_block_free_tagged(world->region, start, tag, &world->failure, &state);
}

static void test_tags(void)
{
	uint64_t tagged, plain;

	begin(VAS_REGION_TAGS);
	tagged = take(7, VAS_ALLOC_COMMIT);
	plain = take(0, 0);
	is_err(give(tagged, 8), EPERM, "another tag");
	is_str(world_why(world), "tag", "the reason");
	is_err(world_free(world, tagged), EPERM, "no tag");
	is_err(give(plain, 7), EPERM, "a tag for one without");
	is_u64(world_stats(world).blocks, 2, "both are there still");
	is_err(give(tagged, 7), 0, "its tag");
	is_err(give(tagged, 7), ENOENT, "once");
	is_err(world_free(world, plain), 0, "none for none");
	region_world_end(world);

	begin(0);
	is_err(give(take(7, 0), 8), 0, "elsewhere nobody compares");
	is_err(world_free(world, take(7, 0)), 0, "nor asks");
	region_world_end(world);
}

static void test_fill(void)
{
	uint64_t start;

	begin(VAS_REGION_FILL);
	start = take(0, VAS_ALLOC_COMMIT);
	is_u64(world->fills, 0, "fresh memory is zero");
	is_err(world_free(world, start), 0, "freed, and warm");
	ok(world->fills == 1 && world->filled.start == start && world->fill_byte == 0xa5,
	   "it is filled");
	is_u64(take(0, VAS_ALLOC_COMMIT | VAS_ALLOC_DIRTY), start, "taken dirty");
	ok(world->fills == 2 && world->fill_byte == 0xa5, "it is filled again");
	is_err(world_free(world, start), 0, "freed");
	is_u64(take(0, VAS_ALLOC_COMMIT), start, "taken clean");
	is_u64((uint64_t)world->fill_byte, 0, "it is zeroed");
	region_world_end(world);
}

int main(void)
{
	tap_plan(0);
	test_tags();
	test_fill();
	return tap_done();
}
