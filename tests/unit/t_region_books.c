/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Regions without memory for their books: at each piece of memory that is missing, a call answers -ENOMEM and leaves
 * everything as it was, or does without; frees always do.
 */
#include <errno.h>
#include <string.h>

#include "support/region_world.h"
#include "tap/tap.h"

#define HOARD 16384u
#define LEFT  20u /* pieces of each size that are left at most */

static struct region_world *world;
static uint64_t page;

/* Pieces of the books' memory that are taken away, so that none is left. */
static struct {
	void *memory;
	size_t size;
} hoard[HOARD];
static unsigned int hoarded;

/* No more than so many pieces of each size are left. */
static void starve(unsigned int left)
{
	void *spared[VAS_PAGES_CLASSES][LEFT];
	unsigned int count[VAS_PAGES_CLASSES] = { 0 };
	struct vas_pages *pages = &world->space.pages;

	/* There are so many to begin with, of all sizes that are asked for. */
	for (size_t size = 64; size <= 65536; size *= 2) {
		for (unsigned int i = 0; i < left; i++)
			if (vas_pages_take(pages, size, &spared[0][i]))
				tap_bail("no memory");
		for (unsigned int i = 0; i < left; i++)
			vas_pages_give(pages, spared[0][i], size);
	}
	vas_sys_fault_arm(&world->meta, 1, true, ENOMEM);
	for (unsigned int i = VAS_PAGES_CLASSES; i-- > 0;) {
		size_t size = (size_t)64 << i;

		while (hoarded < HOARD && vas_pages_take(pages, size, &hoard[hoarded].memory) == 0) {
			if (count[i] < left) {
				spared[i][count[i]++] = hoard[hoarded].memory;
				continue;
			}
			hoard[hoarded++].size = size;
		}
	}
	if (hoarded == HOARD)
		tap_bail("more memory than can be hoarded");
	for (unsigned int i = 0; i < VAS_PAGES_CLASSES; i++)
		for (unsigned int j = 0; j < count[i]; j++)
			vas_pages_give(pages, spared[i][j], (size_t)64 << i);
}

static void feed(void)
{
	vas_sys_fault_arm(&world->meta, 0, false, 0);
	while (hoarded > 0) {
		hoarded--;
		vas_pages_give(&world->space.pages, hoard[hoarded].memory, hoard[hoarded].size);
	}
}

/* As it must be without memory: done, or refused for that. */
static bool done_or_refused(int err, const char *what)
{
	if (err == 0)
		return true;
	is_err(err, ENOMEM, "%s", what);
	is_str(world_why(world), "books", "%s: the reason", what);
	return false;
}

static void test_create(void)
{
	unsigned int left = 0;

	world = region_world_begin(page, 47);
	do {
		starve(left++);
		if (!done_or_refused(world_make(world, 64 * page, NULL), "create"))
			is_u64(world->space.stats.spans, 0, "nothing is reserved");
		feed();
	} while (!world->region && left < LEFT);
	ok(world->region != NULL, "made with %u pieces of each size", left - 1);
	region_world_end(world);
}

static void test_blocks(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_LOW };
	uint64_t starts[3000], count = 0, tagged = 0, refused = 0;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 4096 * page, NULL), 0, "a region");
	starve(3);
	for (uint32_t i = 0; i < 3000 && refused < 20; i++) {
		opts.tag = i % 2;
		opts.flags = VAS_ALLOC_LOW | (i % 3 ? VAS_ALLOC_COMMIT : 0);
		if (done_or_refused(world_alloc(world, page, &opts, &starts[count]), "alloc")) {
			count++;
			tagged += opts.tag;
		} else {
			refused++;
		}
	}
	ok(count > 0 && refused > 0, "some are taken, then no more");
	is_u64(world_stats(world).blocks, count, "as many as were told");
	is_u64(world->region->records.count, tagged, "and a record for each tag");
	ok(vas_region_check(world->region), "the books are whole without memory");
	for (uint64_t i = 0; i < count; i += 2)
		if (world_free(world, starts[i]))
			ok(false, "a block cannot be freed");
	ok(vas_region_check(world->region), "and after frees");
	for (uint64_t i = 1; i < count; i += 2)
		if (world_free(world, starts[i]))
			ok(false, "a block cannot be freed");
	is_u64(world_accessible(world), 0, "all of them are");
	feed();
	region_world_end(world);
}

/* The first tag needs memory of its own; blocks without one do not. */
static void test_tag(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .tag = 7 };
	uint64_t plain, more, tagged;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 64 * page, NULL), 0, "a region");
	is_err(world_alloc(world, page, NULL, &plain), 0, "a block without a tag");
	starve(0);
	is_err(world_alloc(world, page, &opts, &tagged), ENOMEM, "none with one");
	is_str(world_why(world), "books", "for want of memory");
	is_err(world_alloc(world, page, NULL, &more), 0, "one more without");
	feed();
	is_err(world_alloc(world, page, &opts, &tagged), 0, "with memory again a tag");
	world_check(world, "after a tag");
	is_err(world_free(world, plain), 0, "freed");
	is_err(world_free(world, more), 0, "freed");
	is_err(world_free(world, tagged), 0, "freed");
	is_u64(world->region->records.count, 0, "no record is left");
	region_world_end(world);
}

/* More tags than one chunk of records has come along, or none do. */
static void test_merge_tags(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_HIGH, .tag = 9 };
	const uint64_t count = 2 * VAS_RECORDS_CHUNK + 2;
	struct vas_region *upper = NULL;
	unsigned int left = 0, refused = 0;
	uint64_t start = 0;
	bool right = true;
	int err;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 2 * count * page, NULL), 0, "a region");
	for (uint64_t i = 0; i < count; i++)
		right &= world_alloc(world, page, &opts, &start) == 0;
	ok(right, "many blocks with tags");
	is_err(vas_region_cut(world->region, start, &world->failure, &upper), 0, "split off");
	opts.flags = VAS_ALLOC_LOW;
	is_err(world_alloc(world, page, &opts, &start), 0, "a block below");
	do {
		starve(left++);
		memset(&world->failure, 0, sizeof(world->failure));
		err = vas_region_unite(world->region, upper, &world->failure);
		feed();
		if (!done_or_refused(err, "merge")) {
			refused++;
			is_u64(world->region->records.count, 1, "below is the one tag");
			is_u64(upper->records.count, count, "above are the others");
		}
		world_check(world, "after a merge");
	} while (err && left < LEFT);
	ok(refused > 1, "refused early and late");
	is_u64(world->region->records.count, count + 1, "merged: every tag");
	for (uint64_t at = world->region->span.start; right;) {
		struct vas_block block;

		if (vas_block_next(world->region, at, &world->failure, &block))
			break;
		at = (uint64_t)(uintptr_t)block.start;
		right &= block.tag == 9 && world_free(world, at) == 0;
	}
	ok(right, "all are freed");
	is_u64(world_stats(world).blocks, 0, "none is left");
	region_world_end(world);
}

static void test_split(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .tag = 5 };
	struct vas_region *upper = NULL;
	unsigned int left = 0;
	uint64_t low, high;
	int err;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 64 * page, NULL), 0, "a region");
	opts.flags = VAS_ALLOC_LOW | VAS_ALLOC_COMMIT;
	is_err(world_alloc(world, 8 * page, &opts, &low), 0, "a block below");
	opts.flags = VAS_ALLOC_HIGH | VAS_ALLOC_COMMIT;
	is_err(world_alloc(world, 8 * page, &opts, &high), 0, "a block above");
	do {
		starve(left++);
		memset(&world->failure, 0, sizeof(world->failure));
		err = vas_region_cut(world->region, low + 32 * page, &world->failure, &upper);
		if (!done_or_refused(err, "split"))
			is_u64(world->space.stats.spans, 1, "one span still");
		feed();
		world_check(world, "after a split");
	} while (err && left < LEFT);
	is_err(err, 0, "split with %u pieces of each size", left - 1);
	left = 0;
	do {
		starve(left++);
		memset(&world->failure, 0, sizeof(world->failure));
		err = vas_region_unite(world->region, upper, &world->failure);
		if (!done_or_refused(err, "merge"))
			is_u64(world->space.stats.spans, 2, "two spans still");
		feed();
		world_check(world, "after a merge");
	} while (err && left < LEFT);
	is_err(err, 0, "merged with %u pieces of each size", left - 1);
	is_u64(world->region->records.count, 2, "both tags are there");
	is_err(world_free(world, high), 0, "the upper block is freed");
	is_err(world_free(world, low), 0, "and the lower one");
	is_u64(world_accessible(world), 0, "nothing is accessible");
	region_world_end(world);
}

static void test_resize(void)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_LOW };
	uint64_t start = 0, parts = 0, refused = 0;

	world = region_world_begin(page, 47);
	is_err(world_make(world, 4096 * page, NULL), 0, "a region");
	opts.tag = 3;
	opts.flags |= VAS_ALLOC_COMMIT;
	is_err(world_alloc(world, 4000 * page, &opts, &start), 0, "a large block");
	starve(1);
	for (uint64_t i = 3999; i > 0 && refused < 5; i--) {
		memset(&world->failure, 0, sizeof(world->failure));
		if (done_or_refused(vas_block_split(world->region, start, start + i * page,
						    &world->failure), "split a block"))
			parts++;
		else
			refused++;
	}
	ok(parts > 0 && refused > 0, "cut into parts, then no more");
	is_u64(world_stats(world).blocks, parts + 1, "as many as were told");
	is_u64(world->region->records.count, parts + 1, "and a record for each");
	ok(vas_region_check(world->region), "the books are whole");
	if (done_or_refused(world_resize(world, start, page), "shrink"))
		refused = 0;
	feed();
	world_check(world, "after a shrink");
	region_world_end(world);
}

int main(void)
{
	static const uint64_t pages[] = { 4096, 65536 };

	tap_plan(0);
	for (size_t i = 0; i < 2; i++) {
		page = pages[i];
		test_create();
		test_blocks();
		test_tag();
		test_split();
		test_merge_tags();
		test_resize();
	}
	return tap_done();
}
