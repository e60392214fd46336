/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/region.h. */
#include <string.h>

#include "support/arguments.h"
#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

/* A region of 16 pages with a block at its first four. */
static struct vas_region *made(struct vas_block *block)
{
	struct vas_region *region;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_LOW;
	if (vas_region_create(16 * arguments_page, NULL, &region) ||
	    vas_region_alloc(region, 4 * arguments_page, &opts, block))
		tap_bail("no region");
	errno = EXDEV;
	return region;
}

static void unmade(struct vas_region *region)
{
	if (vas_region_destroy(region, NULL))
		tap_bail("the region stays");
}

static int create(uint64_t size, const struct vas_region_opts *opts)
{
	struct vas_region *region;
	int err = vas_region_create(size, opts, &region);

	if (!err)
		unmade(region);
	return err;
}

static int create_with(const void *opts)
{
	return create(arguments_page, opts);
}

void check_region_create(void)
{
	const char *name = "vas_region_create";
	struct vas_reserve_opts small = { .size = 1 }, odd = { .size = sizeof(odd), .phase = 1 };
	uint64_t page = arguments_page;
	struct vas_span span;

	VAS_OPTS(vas_region_opts, opts);
	check_options(name, create_with, &opts, sizeof(opts), ARGUMENT);
	answer(name, "a region that is NULL", vas_region_create(page, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "size 0", create(0, NULL), EINVAL, ARGUMENT);
	answer(name, "a size that wraps", create(UINT64_MAX, NULL), EINVAL, ARGUMENT);
	answer(name, "half of all addresses", create(1ull << 63, NULL), ERANGE, VAS_WHY_WIDTH);
	opts.granule = 1;
	answer(name, "a granule of a byte", create(page, &opts), EINVAL, ARGUMENT);
	opts.granule = 3 * page;
	answer(name, "a granule of 3 pages", create(page, &opts), EINVAL, ARGUMENT);
	opts.granule = 1ull << 63;
	answer(name, "a granule of half of all", create(page, &opts), ERANGE, VAS_WHY_WIDTH);
	opts.granule = 0;
	opts.flags = VAS_REGION_ALL + 1;
	answer(name, "an unknown flag", create(page, &opts), EINVAL, ARGUMENT);
	opts.flags = 0;
	opts.reserve = &small;
	answer(name, "reserve options without a size", create(page, &opts), EINVAL, ARGUMENT);
	opts.reserve = &odd;
	answer(name, "an odd phase", create(page, &opts), EINVAL, ARGUMENT);
	opts.start = vas_span_pointer(arguments_owned);
	answer(name, "start with reserve", create(0, &opts), EINVAL, ARGUMENT);
	opts.reserve = NULL;
	answer(name, "start with a size", create(page, &opts), EINVAL, ARGUMENT);
	opts.granule = 1ull << 40;
	if (vas_reserve(page, NULL, &span))
		tap_bail("no span");
	opts.start = vas_span_pointer(span);
	answer(name, "a span that does not suit the granule", create(0, &opts), EINVAL, ARGUMENT);
	if (vas_release(opts.start, NULL))
		tap_bail("the span stays");
	errno = EXDEV;
	opts.start = vas_span_pointer(arguments_owned);
	opts.granule = 0;
	opts.start = (char *)opts.start + 1;
	answer(name, "no span's start", create(0, &opts), ENOENT, VAS_WHY_NOT_OWNED);
	opts.start = (void *)(uintptr_t)KERNEL_HALF;
	answer(name, "the kernel's half", create(0, &opts), ENOENT, VAS_WHY_NOT_OWNED);
}

void check_region_destroy(void)
{
	answer("vas_region_destroy", "NULL", vas_region_destroy(NULL, NULL), EINVAL, ARGUMENT);
}

static struct vas_region *shared_region;

static int alloc_with(const void *opts)
{
	struct vas_block block;
	int err = vas_region_alloc(shared_region, 1, opts, &block);

	if (!err)
		vas_region_free(shared_region, block.start, NULL);
	return err;
}

static int alloc_commit_with(const void *commit)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	opts.commit = commit;
	return alloc_with(&opts);
}

void check_region_alloc(void)
{
	const char *name = "vas_region_alloc";
	uint64_t page = arguments_page;
	struct vas_block block, sentinel;
	const struct {
		const char *what;
		struct vas_alloc_opts opts;
		int want;
		enum vas_why why;
	} cases[] = {
#define S .size = sizeof(struct vas_alloc_opts)
		{ "an unknown flag", { S, .flags = VAS_ALLOC_ALL + 1 }, EINVAL, ARGUMENT },
		{ "low and high", { S, .flags = VAS_ALLOC_LOW | VAS_ALLOC_HIGH }, EINVAL, ARGUMENT },
		{ "alignment 3", { S, .alignment = 3 }, EINVAL, ARGUMENT },
		{ "alignment 2^63", { S, .alignment = 1ull << 63 }, ERANGE, VAS_WHY_WINDOW },
		{ "a phase as large", { S, .alignment = 4 * page, .phase = 4 * page }, EINVAL, ARGUMENT },
		{ "an odd phase", { S, .alignment = 4 * page, .phase = 1 }, EINVAL, ARGUMENT },
		{ "boundary 3", { S, .boundary = 3 }, EINVAL, ARGUMENT },
		{ "EXACT at 0", { S, .flags = VAS_ALLOC_EXACT }, ERANGE, VAS_WHY_WINDOW },
		{ "EXACT in the kernel's half", { S, .flags = VAS_ALLOC_EXACT, .address = (void *)(uintptr_t)KERNEL_HALF }, ERANGE, VAS_WHY_WINDOW },
		{ "min above max", { S, .min = 1ull << 40, .max = 1ull << 39 }, EINVAL, ARGUMENT },
		{ "a window elsewhere", { S, .max = page }, EINVAL, ARGUMENT },
		{ "commit options without COMMIT", { S, .commit = &(struct vas_commit_opts){ .size = sizeof(struct vas_commit_opts) } }, EINVAL, ARGUMENT },
#undef S
	};

	VAS_OPTS(vas_alloc_opts, opts);
	VAS_OPTS(vas_commit_opts, commit);
	shared_region = made(&block);
	memset(&sentinel, 0xa5, sizeof(sentinel));
	check_options(name, alloc_with, &opts, sizeof(opts), ARGUMENT);
	check_options(name, alloc_commit_with, &commit, sizeof(commit), ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what,
		       vas_region_alloc(shared_region, page, &cases[i].opts, &sentinel),
		       cases[i].want, (int)cases[i].why);
	answer(name, "a region that is NULL", vas_region_alloc(NULL, page, NULL, &sentinel), EINVAL, ARGUMENT);
	answer(name, "a block that is NULL", vas_region_alloc(shared_region, page, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "size 0", vas_region_alloc(shared_region, 0, NULL, &sentinel), EINVAL, ARGUMENT);
	answer(name, "a size that wraps", vas_region_alloc(shared_region, UINT64_MAX, NULL, &sentinel), EINVAL, ARGUMENT);
	answer(name, "more than there is", vas_region_alloc(shared_region, 17 * page, NULL, &sentinel), ERANGE, VAS_WHY_WINDOW);
	answer(name, "more than is free", vas_region_alloc(shared_region, 16 * page, NULL, &sentinel), ENOSPC, VAS_WHY_FULL);
	opts.flags = VAS_ALLOC_EXACT;
	opts.address = block.start;
	answer(name, "EXACT, taken", vas_region_alloc(shared_region, page, &opts, &sentinel), EEXIST, VAS_WHY_TAKEN);
	opts.address = (char *)block.start + 1;
	answer(name, "EXACT, unaligned", vas_region_alloc(shared_region, page, &opts, &sentinel), EINVAL, ARGUMENT);
	ok(untouched(&sentinel, sizeof(sentinel)), "%s: the block is untouched", name);
	unmade(shared_region);
}

/* What every function answers that is given the start of a block. */
static void check_starts(const char *name, int (*call)(struct vas_region *region, void *start))
{
	struct vas_block block;
	struct vas_region *region = made(&block);
	char *start = block.start;

	answer(name, "a region that is NULL", call(NULL, start), EINVAL, ARGUMENT);
	answer(name, "NULL", call(region, NULL), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "the kernel's half", call(region, (void *)(uintptr_t)KERNEL_HALF), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "the last byte of all", call(region, (void *)UINTPTR_MAX), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "right behind the region", call(region, start + 16 * arguments_page), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "inside a block", call(region, start + arguments_page), EINVAL, VAS_WHY_INSIDE);
	answer(name, "a byte inside a block", call(region, start + 1), EINVAL, VAS_WHY_INSIDE);
	answer(name, "no block", call(region, start + 4 * arguments_page), ENOENT, VAS_WHY_NO_BLOCK);
	unmade(region);
}

static int call_free(struct vas_region *region, void *start)
{
	return vas_region_free(region, start, NULL);
}

void check_region_free(void)
{
	check_starts("vas_region_free", call_free);
}

void check_region_join(void)
{
	struct vas_region_thread *thread;
	struct vas_block block;
	struct vas_region *region = made(&block);

	answer("vas_region_join", "a region that is NULL", vas_region_join(NULL, &thread), EINVAL, ARGUMENT);
	answer("vas_region_join", "a thread that is NULL", vas_region_join(region, NULL), EINVAL, ARGUMENT);
	answer("vas_region_join", "no quarantine", vas_region_join(region, &thread), EINVAL, ARGUMENT);
	unmade(region);
}

void check_region_enter(void)
{
	vas_region_enter(NULL);
	ok(errno == EXDEV, "vas_region_enter: nothing enters nothing");
}

void check_region_leave(void)
{
	vas_region_leave(NULL);
	ok(errno == EXDEV, "vas_region_leave: nothing leaves nothing");
}

void check_region_quit(void)
{
	answer("vas_region_quit", "NULL", vas_region_quit(NULL), EINVAL, ARGUMENT);
}

void check_region_tick(void)
{
	answer("vas_region_tick", "a region that is NULL", vas_region_tick(NULL, 1), EINVAL, ARGUMENT);
}

void check_region_trim(void)
{
	uint64_t given = 7;

	answer("vas_region_trim", "a region that is NULL", vas_region_trim(NULL, 1, &given), EINVAL, ARGUMENT);
	is_u64(given, 7, "vas_region_trim: what was given is untouched");
}

static int call_free_tagged(struct vas_region *region, void *start)
{
	return vas_region_free_tagged(region, start, 1, NULL);
}

void check_region_free_tagged(void)
{
	check_starts("vas_region_free_tagged", call_free_tagged);
}

static int call_resize(struct vas_region *region, void *start)
{
	return vas_region_resize(region, start, arguments_page);
}

void check_region_resize(void)
{
	const char *name = "vas_region_resize";
	struct vas_block block, other;
	struct vas_region *region = made(&block);
	uint64_t page = arguments_page;

	check_starts(name, call_resize);
	answer(name, "to nothing", vas_region_resize(region, block.start, 0), EINVAL, ARGUMENT);
	answer(name, "to what wraps", vas_region_resize(region, block.start, UINT64_MAX), EINVAL, ARGUMENT);
	answer(name, "to half of all", vas_region_resize(region, block.start, 1ull << 63), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "beyond the end", vas_region_resize(region, block.start, 17 * page), ERANGE, VAS_WHY_OUTSIDE);
	if (vas_region_alloc(region, 12 * page, NULL, &other))
		tap_bail("no block");
	answer(name, "into another", vas_region_resize(region, block.start, 5 * page), ENOSPC, VAS_WHY_TAKEN);
	unmade(region);
}

static int call_split_block(struct vas_region *region, void *start)
{
	return vas_region_split_block(region, start,
				      (void *)((uintptr_t)start + arguments_page));
}

void check_region_split_block(void)
{
	const char *name = "vas_region_split_block";
	struct vas_block block;
	struct vas_region *region = made(&block);
	char *start = block.start;

	check_starts(name, call_split_block);
	answer(name, "at its start", vas_region_split_block(region, start, start), EINVAL, ARGUMENT);
	answer(name, "at its end", vas_region_split_block(region, start, start + block.size), EINVAL, ARGUMENT);
	answer(name, "at NULL", vas_region_split_block(region, start, NULL), EINVAL, ARGUMENT);
	answer(name, "inside a page", vas_region_split_block(region, start, start + 1), EINVAL, ARGUMENT);
	unmade(region);
}

static int call_merge_blocks(struct vas_region *region, void *start)
{
	return vas_region_merge_blocks(region, start, start);
}

void check_region_merge_blocks(void)
{
	const char *name = "vas_region_merge_blocks";
	struct vas_block block;
	struct vas_region *region = made(&block);
	char *start = block.start;

	check_starts(name, call_merge_blocks);
	answer(name, "with itself", vas_region_merge_blocks(region, start, start), EINVAL, ARGUMENT);
	answer(name, "with nothing", vas_region_merge_blocks(region, start, start + block.size), ENOENT, VAS_WHY_NO_BLOCK);
	unmade(region);
}

void check_region_split(void)
{
	const char *name = "vas_region_split";
	struct vas_block block;
	struct vas_region *region = made(&block), *upper;
	char *start = block.start;

	answer(name, "a region that is NULL", vas_region_split(NULL, start, &upper), EINVAL, ARGUMENT);
	answer(name, "a result that is NULL", vas_region_split(region, start + block.size, NULL), EINVAL, ARGUMENT);
	answer(name, "NULL", vas_region_split(region, NULL, &upper), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "its start", vas_region_split(region, start, &upper), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "its end", vas_region_split(region, start + 16 * arguments_page, &upper), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "the last byte of all", vas_region_split(region, (void *)UINTPTR_MAX, &upper), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "inside a page", vas_region_split(region, start + block.size + 1, &upper), EINVAL, ARGUMENT);
	answer(name, "inside a block", vas_region_split(region, start + arguments_page, &upper), EINVAL, VAS_WHY_INSIDE);
	unmade(region);
}

void check_region_merge(void)
{
	const char *name = "vas_region_merge";
	struct vas_block block;
	struct vas_region *region = made(&block), *upper;

	answer(name, "lower is NULL", vas_region_merge(NULL, region), EINVAL, ARGUMENT);
	answer(name, "upper is NULL", vas_region_merge(region, NULL), EINVAL, ARGUMENT);
	answer(name, "both are one", vas_region_merge(region, region), EINVAL, ARGUMENT);
	if (vas_region_split(region, (char *)block.start + block.size, &upper))
		tap_bail("no two regions");
	answer(name, "the wrong way around", vas_region_merge(upper, region), EINVAL, ARGUMENT);
	answer(name, "the right way", vas_region_merge(region, upper), 0, 0);
	unmade(region);
}

/* What every function answers that is given a range in a block. */
static void check_ranges(const char *name,
			 int (*call)(struct vas_region *region, void *start, uint64_t size))
{
	struct vas_block block;
	struct vas_region *region = made(&block);
	uint64_t page = arguments_page;
	char *start = block.start;

	answer(name, "a region that is NULL", call(NULL, start, page), EINVAL, ARGUMENT);
	answer(name, "size 0", call(region, start, 0), EINVAL, ARGUMENT);
	answer(name, "an unaligned start", call(region, start + 1, page), EINVAL, ARGUMENT);
	answer(name, "an unaligned size", call(region, start, page + 1), EINVAL, ARGUMENT);
	answer(name, "a range that wraps", call(region, start, UINT64_MAX - page + 1), EINVAL, ARGUMENT);
	answer(name, "NULL", call(region, NULL, page), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "the kernel's half", call(region, (void *)(uintptr_t)KERNEL_HALF, page), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "across the end", call(region, start, block.size + page), EINVAL, VAS_WHY_INSIDE);
	answer(name, "no block", call(region, start + block.size, page), ENOENT, VAS_WHY_NO_BLOCK);
	unmade(region);
}

static int call_commit(struct vas_region *region, void *start, uint64_t size)
{
	return vas_region_commit(region, start, size, NULL);
}

static void *committing;

static int commit_with(const void *opts)
{
	return vas_region_commit(shared_region, committing, arguments_page, opts);
}

void check_region_commit(void)
{
	struct vas_block block;

	VAS_OPTS(vas_commit_opts, opts);
	check_ranges("vas_region_commit", call_commit);
	shared_region = made(&block);
	committing = block.start;
	check_options("vas_region_commit", commit_with, &opts, sizeof(opts), ARGUMENT);
	opts.flags = VAS_COMMIT_ALL + 1;
	answer("vas_region_commit", "an unknown flag", commit_with(&opts), EINVAL, ARGUMENT);
	opts.flags = 0;
	opts.prot = 0x1000;
	answer("vas_region_commit", "an unknown protection", commit_with(&opts), EINVAL, ARGUMENT);
	unmade(shared_region);
}

static int call_decommit(struct vas_region *region, void *start, uint64_t size)
{
	return vas_region_decommit(region, start, size, NULL);
}

void check_region_decommit(void)
{
	check_ranges("vas_region_decommit", call_decommit);
}

static int call_protect(struct vas_region *region, void *start, uint64_t size)
{
	return vas_region_protect(region, start, size, 1);
}

void check_region_protect(void)
{
	struct vas_block block;
	struct vas_region *region = made(&block);

	check_ranges("vas_region_protect", call_protect);
	answer("vas_region_protect", "an unknown protection",
	       vas_region_protect(region, block.start, arguments_page, 0x1000), EINVAL, ARGUMENT);
	unmade(region);
}

void check_region_guard(void)
{
	check_ranges("vas_region_guard", vas_region_guard);
}

void check_region_unguard(void)
{
	check_ranges("vas_region_unguard", vas_region_unguard);
}

void check_region_block_at(void)
{
	const char *name = "vas_region_block_at";
	struct vas_block block, other;
	struct vas_region *region = made(&block);

	memset(&other, 0xa5, sizeof(other));
	answer(name, "a region that is NULL", vas_region_block_at(NULL, block.start, &other), EINVAL, NO_REPORT);
	answer(name, "a block that is NULL", vas_region_block_at(region, block.start, NULL), EINVAL, NO_REPORT);
	answer(name, "NULL", vas_region_block_at(region, NULL, &other), ERANGE, NO_REPORT);
	answer(name, "the last byte of all", vas_region_block_at(region, (void *)UINTPTR_MAX, &other), ERANGE, NO_REPORT);
	answer(name, "no block", vas_region_block_at(region, (char *)block.start + block.size, &other), ENOENT, NO_REPORT);
	ok(untouched(&other, sizeof(other)), "%s: the block is untouched", name);
	unmade(region);
}

void check_region_next(void)
{
	const char *name = "vas_region_next";
	struct vas_block block, other;
	struct vas_region *region = made(&block);

	memset(&other, 0xa5, sizeof(other));
	answer(name, "a region that is NULL", vas_region_next(NULL, NULL, &other), EINVAL, NO_REPORT);
	answer(name, "a block that is NULL", vas_region_next(region, NULL, NULL), EINVAL, NO_REPORT);
	answer(name, "above all blocks", vas_region_next(region, (char *)block.start + block.size, &other), ENOENT, NO_REPORT);
	answer(name, "above the region", vas_region_next(region, (void *)UINTPTR_MAX, &other), ENOENT, NO_REPORT);
	ok(untouched(&other, sizeof(other)), "%s: the block is untouched", name);
	unmade(region);
}

static int call_stats(void *stats)
{
	return vas_region_stats(shared_region, stats);
}

void check_region_stats(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	shared_region = made(&block);
	answer("vas_region_stats", "a region that is NULL", vas_region_stats(NULL, &stats), EINVAL, NO_REPORT);
	check_result("vas_region_stats", call_stats, sizeof(stats));
	unmade(shared_region);
}
