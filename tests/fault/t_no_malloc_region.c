/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 5 */
/*
 * The same as no_malloc.t for memory in parts of spans, regions, pressure and
 * the end of the library: malloc ends the program while one of these calls is under way.
 */
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "fault/no_malloc.h"
#include "tap/tap.h"

static uint64_t page;

static void *at(struct vas_span span, uint64_t pages)
{
	return (char *)vas_span_pointer(span) + pages * page;
}

/* Every kind of memory that a commit can give. */
static void kinds(struct vas_span span)
{
	int fd = memfd_create("no malloc", MFD_CLOEXEC);

	VAS_OPTS(vas_policy, policy);
	VAS_OPTS(vas_commit_opts, opts);
	policy.mode = VAS_POLICY_LOCAL;
	opts.policy = &policy;
	opts.flags = VAS_COMMIT_POPULATE | VAS_COMMIT_NOHUGE;
	is_err(CALL(vas_commit(at(span, 8), 4 * page, &opts)), 0, "populated, with a policy");
	opts.policy = NULL;
	opts.fd = fd;
	ok(ftruncate(fd, (off_t)(16 * page)) == 0, "an object");
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH;
	is_err(CALL(vas_commit(at(span, 16), 4 * page, &opts)), 0, "an object, shared");
	opts.flags = VAS_COMMIT_PRIVATE;
	is_err(CALL(vas_commit(at(span, 24), 4 * page, &opts)), 0, "an object, private");
	close(fd);
}

static void memory(void)
{
	enum vas_retired state;
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.flags = VAS_RESERVE_NODUMP;
	is_err(CALL(vas_reserve(64 * page, &reserve, &span)), 0, "a span");
	is_err(CALL(vas_commit(at(span, 0), 4 * page, NULL)), 0, "vas_commit");
	is_err(CALL(vas_protect(at(span, 1), page, PROT_READ)), 0, "vas_protect");
	is_err(CALL(vas_guard(at(span, 2), page)), 0, "vas_guard");
	is_err(CALL(vas_unguard(at(span, 2), page)), 0, "vas_unguard");
	kinds(span);
	is_err(CALL(vas_decommit(at(span, 1), page, &state)), 0, "vas_decommit");
	is_err(CALL(vas_decommit(at(span, 0), 64 * page, &state)), 0, "of all kinds");
	is_err(CALL(vas_decommit(at(span, 63), 2 * page, &state)), ENOENT, "of what is not owned");
	is_err(CALL(vas_release(vas_span_pointer(span), NULL)), 0, "vas_release");
}

/* So many blocks that the books grow. */
#define BLOCKS 3000

static void many(struct vas_region *region)
{
	static struct vas_block blocks[BLOCKS];
	bool good = true;

	VAS_OPTS(vas_alloc_opts, opts);
	for (int i = 0; i < BLOCKS; i++) {
		opts.flags = (i % 2 ? VAS_ALLOC_COMMIT : 0) | (i % 3 ? VAS_ALLOC_LOW : VAS_ALLOC_RANDOM);
		opts.tag = (uint32_t)i % 5;
		good &= CALL(vas_region_alloc(region, (1 + i % 4) * page, &opts, &blocks[i])) == 0;
	}
	ok(good, "vas_region_alloc, %d times", BLOCKS);
	for (int i = 0; i < BLOCKS; i++)
		good &= CALL(vas_region_free(region, blocks[i * 7 % BLOCKS].start, NULL)) == 0;
	ok(good, "vas_region_free, as often");
}

static void changes(struct vas_region *region)
{
	struct vas_block block, found;
	enum vas_retired state;
	char *start;

	is_err(CALL(vas_region_alloc(region, 16 * page, NULL, &block)), 0, "a block");
	start = block.start;
	is_err(CALL(vas_region_commit(region, start, 8 * page, NULL)), 0, "vas_region_commit");
	is_err(CALL(vas_region_protect(region, start, page, PROT_READ)), 0, "vas_region_protect");
	is_err(CALL(vas_region_guard(region, start, page)), 0, "vas_region_guard");
	is_err(CALL(vas_region_unguard(region, start, page)), 0, "vas_region_unguard");
	is_err(CALL(vas_region_resize(region, start, 12 * page)), 0, "vas_region_resize");
	is_err(CALL(vas_region_resize(region, start, 16 * page)), 0, "and back");
	is_err(CALL(vas_region_split_block(region, start, start + 4 * page)), 0,
	       "vas_region_split_block");
	is_err(CALL(vas_region_block_at(region, start + 5 * page, &found)), 0, "vas_region_block_at");
	is_err(CALL(vas_region_next(region, start, &found)), 0, "vas_region_next");
	is_err(CALL(vas_region_merge_blocks(region, start, start + 4 * page)), 0,
	       "vas_region_merge_blocks");
	is_err(CALL(vas_region_decommit(region, start, 4 * page, &state)), 0, "vas_region_decommit");
	is_err(CALL(vas_region_free(region, start + page, NULL)), EINVAL, "not a block's start");
	is_err(CALL(vas_region_free(region, start, &state)), 0, "vas_region_free");
	is_err(CALL(vas_region_free(region, start, &state)), ENOENT, "twice");
}

static void regions(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_region *region;
	enum vas_retired state;

	VAS_OPTS(vas_region_opts, opts);
	opts.cap = 1ull << 30;
	is_err(CALL(vas_region_create(1ull << 32, &opts, &region)), 0, "vas_region_create");
	changes(region);
	many(region);
	is_err(CALL(vas_region_stats(region, &stats)), 0, "vas_region_stats");
	is_err(CALL(vas_region_destroy(region, &state)), 0, "vas_region_destroy");
}

/* Warm memory, and blocks that wait for threads. */
static void keeping(void)
{
	struct vas_region_thread *thread;
	struct vas_region *region;
	struct vas_block block;
	uint64_t given;

	VAS_OPTS(vas_region_opts, opts);
	VAS_OPTS(vas_alloc_opts, how);
	opts.cache_bytes = 1 << 20;
	opts.cache_age = 10;
	opts.flags = VAS_REGION_QUARANTINE;
	how.flags = VAS_ALLOC_COMMIT;
	is_err(CALL(vas_region_create(1 << 28, &opts, &region)), 0, "a region that keeps");
	is_err(CALL(vas_region_join(region, &thread)), 0, "vas_region_join");
	CALL_VOID(vas_region_enter(thread));
	is_err(CALL(vas_region_alloc(region, 4 * page, &how, &block)), 0, "a block");
	is_err(CALL(vas_region_free(region, block.start, NULL)), 0, "which waits");
	CALL_VOID(vas_region_leave(thread));
	is_err(CALL(vas_region_quit(thread)), 0, "vas_region_quit");
	is_err(CALL(vas_region_tick(region, 100)), 0, "vas_region_tick");
	is_err(CALL(vas_region_trim(region, UINT64_MAX, &given)), 0, "vas_region_trim");
	is_err(CALL(vas_region_destroy(region, NULL)), 0, "and its end");
}

/* A region that is parked, and one that is cut in two. */
static void wholes(void)
{
	static unsigned char manifest[1 << 16];
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_region *region, *upper;
	struct vas_block block;
	size_t length;

	is_err(CALL(vas_region_create(1 << 28, NULL, &region)), 0, "a region");
	is_err(CALL(vas_region_alloc(region, 4 * page, NULL, &block)), 0, "a block");
	is_err(CALL(vas_region_park(region, NULL)), 0, "vas_region_park");
	is_err(CALL(vas_region_manifest(region, manifest, sizeof(manifest), &length)), 0,
	       "vas_region_manifest");
	is_err(CALL(vas_region_unpark(region, NULL)), 0, "vas_region_unpark");
	is_err(CALL(vas_region_free(region, block.start, NULL)), 0, "the block");
	is_err(CALL(vas_region_stats(region, &stats)), 0, "where it is");
	is_err(CALL(vas_region_split(region, at(stats.span, 1 << 10), &upper)), 0,
	       "vas_region_split");
	is_err(CALL(vas_region_merge(region, upper)), 0, "vas_region_merge");
	is_err(CALL(vas_region_destroy(region, NULL)), 0, "and its end");
}

#define CROWD 4000

/* More than a hundredth of the mappings that a process may have. */
static char *crowd(void)
{
	char *pages = mmap(NULL, CROWD * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (uint64_t i = 1; i < CROWD; i += 2)
		mprotect(pages + i * page, page, PROT_READ);
	return pages;
}

static void on_pressure(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	uint64_t reclaimed;

	*(unsigned int *)context += reasons && pressure->vmas_limit;
	(void)vas_reclaim(1, &reclaimed);
}

static void pressures(void)
{
	struct vas_pressure pressure = { .size = sizeof(pressure) };
	unsigned int told = 0;
	uint64_t reclaimed;
	char *many = crowd();

	VAS_OPTS(vas_pressure_opts, opts);
	opts.vmas_percent = 1;
	is_err(CALL(vas_pressure_get(&pressure)), 0, "vas_pressure_get");
	is_err(CALL(vas_pressure_set(on_pressure, &told, &opts)), 0, "vas_pressure_set");
	ok(CALL(vas_pressure_check()) >= 0, "vas_pressure_check");
	is_err(CALL(vas_pressure_set(NULL, NULL, NULL)), 0, "no hook any more");
	is_err(CALL(vas_reclaim(UINT64_MAX, &reclaimed)), 0, "vas_reclaim");
	ok(told > 0, "the hook was called");
	munmap(many, CROWD * page);
}

int main(void)
{
	void *(*volatile call)(size_t) = malloc;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	ok(call(10) != NULL && served > 0, "the allocator is the one of this program");
	memory();
	regions();
	keeping();
	wholes();
	CALL_VOID(vas_fork_hold_set(NULL, NULL));
	pressures();
	is_err(CALL(vas_shutdown()), 0, "vas_shutdown");
	return tap_done();
}
