/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Live pages of regions' blocks replaced: they stay blocks in all that the region does with them afterwards, and nothing but
 * live blocks can be replaced. What replacing does is tested by t_replace.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "region/region.h"
#include "support/replace_looks.h"
#include "support/view_looks.h"

#define PAGES 16u /* of a block */

static uint64_t page, size;

static struct vas_region *make_region(const struct vas_region_opts *opts)
{
	struct vas_region *region = NULL;

	arena_baseline();
	if (vas_region_create(64 * size, opts, &region))
		tap_bail("no region");
	return region;
}

static unsigned char *take(struct vas_region *region)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	if (vas_region_alloc(region, size, &opts, &block))
		tap_bail("no block");
	return block.start;
}

static enum vas_retired give(struct vas_region *region, void *start)
{
	enum vas_retired state;

	if (vas_region_free(region, start, &state))
		tap_bail("the block stays");
	return state;
}

static int make_memfd(unsigned char fill)
{
	int fd = memfd_create("new", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		tap_bail("no memfd");
	for (uint64_t at = 0; at < size; at += page)
		if (pwrite(fd, &fill, 1, (off_t)at) != 1)
			tap_bail("no bytes");
	return fd;
}

/* The first byte of each page. */
static bool all_are(const unsigned char *memory, uint64_t bytes, unsigned char value)
{
	for (uint64_t at = 0; at < bytes; at += page)
		if (*(const volatile unsigned char *)(memory + at) != value)
			return false;
	return true;
}

static struct vas_region_stats stats_of(struct vas_region *region)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	if (vas_region_stats(region, &stats))
		tap_bail("no figures");
	return stats;
}

static void agree(struct vas_region *region, const char *what)
{
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", what);
	ok(!region || vas_region_check(region), "%s: the region's books are sound", what);
}

static void destroy(struct vas_region *region)
{
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
	agree(NULL, "destroyed");
}

static void test_private(void *unused)
{
	struct vas_region *region = make_region(NULL);
	struct vas_replace_part part = { 0 };
	struct vas_replace *replace;
	unsigned char *block = take(region);
	uint64_t before = stats_of(region).committed;

	(void)unused;
	memset(block, 1, size);
	part.start = block + page;
	part.size = 4 * page;
	replace = prepare(&part, 1);
	memset(part.aside, 2, part.size);
	is_err(vas_replace_commit(replace), 0, "a part of a block");
	ok(all_are(block, page, 1) && all_are(block + page, 4 * page, 2) &&
		   all_are(block + 5 * page, size - 5 * page, 1),
	   "the new bytes, in their place");
	is_u64(stats_of(region).committed, before, "as much is committed as before");
	is_err(vas_region_protect(region, block, size, PROT_READ), 0, "it can be protected");
	is_err(vas_region_decommit(region, block, size, NULL), 0, "and decommitted");
	is_err(vas_region_commit(region, block, size, NULL), 0, "and committed");
	ok(all_are(block, size, 0), "zeroes");
	agree(region, "a block");
	is_u64(give(region, block), VAS_RETIRED_GONE, "and freed");
	is_u64(stats_of(region).committed, 0, "nothing is left");
	destroy(region);
}

/* A cache would hand out the object. */
static void test_cached(void *unused)
{
	struct vas_replace_part part = { .flags = VAS_REPLACE_SHARED };
	struct vas_replace *replace;
	struct vas_region *region;
	unsigned char *block, *other;

	VAS_OPTS(vas_region_opts, opts);
	(void)unused;
	opts.cache_bytes = 8 * size;
	region = make_region(&opts);
	block = take(region);
	is_u64(give(region, block), VAS_RETIRED_WARM, "blocks are cached");
	block = take(region);
	part.start = block;
	part.size = size;
	part.fd = make_memfd(3);
	replace = prepare(&part, 1);
	is_err(vas_replace_commit(replace), 0, "an object's pages");
	ok(all_are(block, size, 3), "its bytes");
	is_u64(give(region, block), VAS_RETIRED_GONE, "this one is not");
	other = take(region);
	ok(all_are(other, size, 0), "a new block has zeroes");
	memset(other, 4, size);
	replace = NULL;
	part.start = other;
	replace = prepare(&part, 1);
	ok(all_are(part.aside, size, 3), "the object has its bytes still");
	is_err(vas_replace_cancel(replace), 0, "cancelled");
	ok(all_are(other, size, 4), "and the block its own");
	close(part.fd);
	agree(region, "a cache");
	destroy(region);
}

static int veto(void *context, const struct vas_notice *notice)
{
	const struct vas_replace_part *last = context;

	return notice->phase == VAS_NOTICE_BEFORE && notice->change == VAS_CHANGE_REPLACE &&
			       notice->span.start == (uint64_t)(uintptr_t)last->start
		       ? -EBUSY
		       : 0;
}

/* Two blocks and a span, of which the last refuses. */
static void test_batch(void *unused)
{
	struct vas_region *region = make_region(NULL);
	struct vas_replace_part parts[3] = { 0 };
	struct vas_replace *replace;
	struct vas_span span;
	uint64_t id;

	(void)unused;
	if (vas_reserve(size, NULL, &span) || vas_commit(vas_span_pointer(span), size, NULL))
		tap_bail("no span");
	parts[0].start = take(region);
	parts[1].start = vas_span_pointer(span);
	parts[2].start = take(region);
	for (unsigned int i = 0; i < 3; i++) {
		parts[i].size = size;
		memset(parts[i].start, 1, size);
	}
	if (vas_notice_subscribe(NULL, veto, &parts[2], &id))
		tap_bail("no notices");
	replace = prepare(parts, 3);
	is_err(vas_replace_commit(replace), EBUSY, "the last one refuses");
	for (unsigned int i = 0; i < 3; i++)
		ok(all_are(parts[i].start, size, 1), "part %u has its old bytes", i);
	is_err(vas_replace_commit(replace), ESTALE, "it can only be cancelled");
	is_err(vas_replace_cancel(replace), 0, "so it is");
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	replace = prepare(parts, 3);
	for (unsigned int i = 0; i < 3; i++)
		memset(parts[i].aside, 2, size);
	is_err(vas_replace_commit(replace), 0, "nobody refuses");
	for (unsigned int i = 0; i < 3; i++)
		ok(all_are(parts[i].start, size, 2), "part %u has its new bytes", i);
	agree(region, "a batch");
	is_u64(give(region, parts[0].start), VAS_RETIRED_GONE, "freed");
	is_u64(give(region, parts[2].start), VAS_RETIRED_GONE, "freed");
	is_err(vas_release(parts[1].start, NULL), 0, "released");
	destroy(region);
}

static void refused(const char *what, unsigned char *start, uint64_t bytes, int err,
		    const char *reason)
{
	struct vas_replace_part part = { .start = start, .size = bytes };
	struct vas_replace *replace = NULL;

	is_err(vas_replace_prepare(&part, 1, &replace), err, "%s", what);
	is_str(arena_reason(), reason, "%s: why", what);
	ok(!replace, "%s: no batch", what);
}

static void test_refusals(void *unused)
{
	struct vas_region_thread *thread;
	struct vas_region *region;
	unsigned char *block, *other;
	struct vas_span span;

	VAS_OPTS(vas_region_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	(void)unused;
	opts.flags = VAS_REGION_QUARANTINE;
	opts.granule = 2 * page;
	arena_baseline();
	reserve.alignment = 2 * page;
	if (vas_reserve(8 * size + page, &reserve, &span))
		tap_bail("no span");
	opts.start = vas_span_pointer(span);
	if (vas_region_create(0, &opts, &region))
		tap_bail("no region");
	refused("what is no granule's", (unsigned char *)opts.start + 8 * size, page, ENOENT,
		"no-block");
	block = take(region);
	other = take(region);
	refused("beyond a block", block + page, size, EINVAL, "inside");
	is_err(vas_region_decommit(region, block, page, NULL), 0, "a page less");
	refused("not committed", block, 2 * page, EINVAL, "not-mapped");
	if (vas_region_join(region, &thread))
		tap_bail("no reader");
	vas_region_enter(thread);
	is_u64(give(region, other), VAS_RETIRED_WAITING, "a block waits");
	refused("one that waits", other, size, ENOENT, "no-block");
	vas_region_leave(thread);
	is_err(vas_region_quit(thread), 0, "nobody reads");
	is_err(vas_region_trim(region, UINT64_MAX, NULL), 0, "it waits no more");
	refused("one that is free", other, size, ENOENT, "no-block");
	is_u64(give(region, block), VAS_RETIRED_WAITING, "freed");
	is_err(vas_region_trim(region, UINT64_MAX, NULL), 0, "gone");
	is_err(vas_region_park(region, NULL), 0, "parked");
	refused("a parked region's", block, size, EBUSY, "parked");
	is_err(vas_region_unpark(region, NULL), 0, "and back");
	destroy(region);
}

static void stale(struct vas_replace *replace, const char *what)
{
	is_err(vas_replace_commit(replace), ESTALE, "%s since", what);
	is_err(vas_replace_cancel(replace), 0, "cancelled");
}

static void test_stale(void *unused)
{
	struct vas_region *region = make_region(NULL), *upper;
	struct vas_replace_part part = { 0 };
	unsigned char *first = take(region);
	struct vas_replace *replace;

	(void)unused;
	part.start = take(region);
	if ((unsigned char *)part.start < first)
		part.start = first; /* the region's first block is not where it can be cut */
	part.size = size;
	replace = prepare(&part, 1);
	is_u64(give(region, part.start), VAS_RETIRED_GONE, "freed");
	stale(replace, "freed");
	if (take(region) != part.start)
		tap_bail("another place");
	replace = prepare(&part, 1);
	if (vas_region_split_block(region, part.start, (unsigned char *)part.start + page))
		tap_bail("no split");
	stale(replace, "split");
	if (vas_region_merge_blocks(region, part.start, (unsigned char *)part.start + page))
		tap_bail("no merge");
	replace = prepare(&part, 1);
	if (vas_region_split(region, part.start, &upper))
		tap_bail("no region");
	stale(replace, "another region's");
	replace = prepare(&part, 1);
	if (vas_region_merge(region, upper))
		tap_bail("no merge");
	stale(replace, "one region");
	replace = prepare(&part, 1);
	agree(region, "stale");
	destroy(region);
	stale(replace, "destroyed");
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	tap_case("private memory", test_private, NULL, 10);
	tap_case("a cache", test_cached, NULL, 10);
	tap_case("batches", test_batch, NULL, 10);
	tap_case("refusals", test_refusals, NULL, 10);
	tap_case("changed since", test_stale, NULL, 10);
	return tap_done();
}
