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
	return vas_block_free_long(world->region, start, tag, 0, &world->failure, &state);
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

/* Between two blocks, and at both ends of the region, a page is nobody's and inaccessible. */
static void test_red_zones(void)
{
	uint64_t first, second, start = 0;
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_EXACT };

	begin(VAS_REGION_RED_ZONES);
	first = take(0, VAS_ALLOC_LOW | VAS_ALLOC_COMMIT);
	second = take(0, VAS_ALLOC_LOW | VAS_ALLOC_COMMIT);
	is_u64(first - world->region->span.start, PAGE, "a page before the first block");
	is_u64(second - first, 2 * PAGE, "a page between two");
	start = take(0, VAS_ALLOC_HIGH);
	is_u64(world->region->span.start + world->region->span.size - start, 2 * PAGE,
	       "a page behind the last one");
	opts.address = (void *)(uintptr_t)(second + PAGE);
	is_err(world_alloc(world, PAGE, &opts, &start), EEXIST, "none right behind a block");
	opts.address = (void *)(uintptr_t)world->region->span.start;
	is_err(world_alloc(world, PAGE, &opts, &start), ERANGE, "nor at the very start");
	opts.address = (void *)(uintptr_t)(second + 2 * PAGE);
	is_err(world_alloc(world, PAGE, &opts, &start), 0, "one page further");
	is_err(vas_block_resize(world->region, first, 2 * PAGE, &world->failure), ENOSPC,
	       "no growing into a red zone");
	is_err(world_free(world, start), 0, "a neighbour goes");
	is_err(vas_block_resize(world->region, second, 3 * PAGE, &world->failure), 0, "then growing goes");
	is_err(world_free(world, second), 0, "freed");
	is_err(world_free(world, first), 0, "freed");
	region_world_end(world);
}

int main(void)
{
	tap_plan(0);
	test_tags();
	test_fill();
	test_red_zones();
	return tap_done();
}
