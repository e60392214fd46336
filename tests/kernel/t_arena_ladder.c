/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What came of the ladder: extents of arenas on base pages, with holes, of private memory, on transparent huge pages and on
 * pages of the pool; and pages of the pool from the nodes of the arena's policy.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/fake_nodes.h"
#include "support/huge_pool.h"
#include "sys/definitions.h"
#include "tap/tap.h"

static struct fake_nodes fake;
static uint64_t page;

/* What the first use keeps is no leak of a case. */
static void begin(void)
{
	struct vas_span span;

	if (vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL))
		tap_bail("cannot reserve");
	tap_baseline();
}

static struct vas_arena *make(uint64_t rung, uint64_t initial, uint32_t flags,
			      const struct vas_policy *policy)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve), .policy = policy };
	struct vas_arena *arena;

	VAS_OPTS(vas_arena_opts, opts);
	opts.reserve = &reserve;
	opts.kind = flags & VAS_ARENA_LAZY ? VAS_ARENA_ANONYMOUS : VAS_ARENA_MEMFD;
	opts.flags = flags;
	if (!(flags & VAS_ARENA_LAZY)) {
		opts.ladder = &rung;
		opts.ladder_count = 1;
	}
	opts.initial = initial;
	if (vas_arena_create(16 * HUGE_PAGE, &opts, &arena))
		return NULL;
	return arena;
}

static unsigned char *start_of(struct vas_arena *arena)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	if (vas_arena_get(arena, &info))
		tap_bail("it tells nothing");
	return vas_span_pointer(info.span);
}

/* The extents in order are so large, of such pages; 0 ends both. */
static void extents_are(struct vas_arena *arena, const uint64_t *bytes, const uint64_t *sizes)
{
	struct vas_arena_extent extent = { .size = sizeof(extent) };
	uint64_t offset = 0;
	unsigned i;

	for (i = 0; bytes[i]; i++) {
		is_err(vas_arena_extent_at(arena, offset, &extent), 0, "extent %u", i);
		ok(extent.offset == offset && extent.bytes == bytes[i], "%llu bytes, wanted %llu",
		   (unsigned long long)extent.bytes, (unsigned long long)bytes[i]);
		is_u64(extent.page_size, sizes[i], "of such pages");
		is_u64(extent.node < 0, sizes[i] == 0, "on a node, if there is one");
		offset += extent.bytes;
	}
	is_err(vas_arena_extent_at(arena, offset, &extent), ENOENT, "and no more");
}

/* The kernel's policy at an address, or -errno. */
static int mode_at(const void *address)
{
	unsigned long nodes[16];
	int mode = -1;

	return syscall(SYS_get_mempolicy, &mode, nodes, 1024, address, 2 /* MPOL_F_ADDR */) ? -errno : mode;
}

static int refuse(void *context, const struct vas_notice *notice)
{
	(void)context;
	return notice->change == VAS_CHANGE_POLICY ? -1 : 0;
}

static unsigned count_extents(struct vas_arena *arena)
{
	struct vas_arena_extent extent = { .size = sizeof(extent) };
	unsigned count = 0;

	for (uint64_t at = 0; !vas_arena_extent_at(arena, at, &extent); at += extent.bytes)
		count++;
	return count;
}

static void end(struct vas_arena *arena)
{
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
}

static void base_case(void *unused)
{
	struct vas_arena_extent extent = { .size = sizeof(extent) };
	struct vas_arena *arena;

	(void)unused;
	begin();
	arena = make(VAS_PAGES_BASE, 700 * page, 0, NULL);
	extents_are(arena, (uint64_t[]){ 700 * page, 0 }, (uint64_t[]){ page });
	is_err(vas_arena_extent_at(arena, 3 * page + 5, &extent), 0, "from the middle of a page");
	ok(extent.offset == 3 * page && extent.bytes == 697 * page, "from that page on");
	ok(extent.wanted == page, "as was wanted");
	memset(start_of(arena), 1, 700 * page);
	is_err(vas_arena_punch(arena, 4 * page, 600 * page), 0, "a hole");
	extents_are(arena, (uint64_t[]){ 4 * page, 600 * page, 96 * page, 0 },
		    (uint64_t[]){ page, 0, page });
	is_err(vas_arena_fill(arena, 4 * page, 600 * page), 0, "filled");
	extents_are(arena, (uint64_t[]){ 700 * page, 0 }, (uint64_t[]){ page });
	end(arena);
}

static void private_case(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start;

	(void)unused;
	/* Else the kernel may make huge pages of it, where it does so unasked. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	begin();
	arena = make(VAS_PAGES_BASE, 64 * page, VAS_ARENA_LAZY, NULL);
	start = start_of(arena);
	extents_are(arena, (uint64_t[]){ 64 * page, 0 }, (uint64_t[]){ 0 });
	memset(start + page, 1, 2 * page);
	start[63 * page] = 1;
	extents_are(arena, (uint64_t[]){ page, 2 * page, 60 * page, page, 0 },
		    (uint64_t[]){ 0, page, 0, page });
	/* Every second page of many: more runs than the kernel is asked for at once. */
	is_err(vas_arena_grow(arena, 700 * page, 0, NULL), 0, "grown");
	for (unsigned i = 100; i < 700; i += 2)
		start_of(arena)[i * page] = 1;
	is_u64(count_extents(arena), 5 + 600, "each a run of its own");
	end(arena);
}

static void transparent_case(void *unused)
{
	struct vas_arena_extent extent = { .size = sizeof(extent) };
	struct vas_arena *arena;

	(void)unused;
	begin();
	arena = make(VAS_PAGES_TRANSPARENT, 2 * HUGE_PAGE + 3 * page, VAS_ARENA_STRICT, NULL);
	if (!arena)
		tap_skip_all("no-transparent-huge", "no transparent huge pages");
	extents_are(arena, (uint64_t[]){ 2 * HUGE_PAGE, 3 * page, 0 },
		    (uint64_t[]){ HUGE_PAGE, page });
	is_err(vas_arena_extent_at(arena, 2 * HUGE_PAGE, &extent), 0, "the rest");
	is_u64(extent.wanted, HUGE_PAGE, "huge pages were wanted there");
	end(arena);
}

/* A part of an arena of 3 huge pages gets another policy, and so does what will be there. */
static void parts_of_pool(struct vas_arena *arena)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND, .nodes = { 8 } };
	struct vas_view *view;
	uint32_t before;

	is_err(vas_arena_set_policy(arena, (struct vas_span){ 4 * HUGE_PAGE, 0 }, &policy), 0,
	       "beyond the fourth page another node");
	before = fake.policies;
	is_err(vas_view_open(arena, NULL, &view), 0, "a view");
	ok(fake.policies > before && fake.mode_nodes == 8, "has it, too");
	before = fake.thread_policies;
	is_err(vas_arena_grow(arena, 5 * HUGE_PAGE, 0, NULL), 0, "the fourth and the fifth page");
	ok(fake.thread_policies == before + 4 && fake.thread_nodes == 8,
	   "one from the arena's node, one from the part's");
	is_i64(fake.thread_mode, VAS_MPOL_DEFAULT, "and the thread has its own");
}

/* Policies of parts of a memfd: the kernel is asked what came of them. */
static void parts_case(void *unused)
{
	struct vas_policy bind = { .size = sizeof(bind), .mode = VAS_POLICY_BIND, .nodes = { 1 } };
	struct vas_policy prefer = { .size = sizeof(prefer), .mode = VAS_POLICY_PREFER, .nodes = { 1 } };
	struct vas_arena *arena;
	unsigned char *start;
	uint64_t id;

	(void)unused;
	begin();
	arena = make(VAS_PAGES_BASE, 4 * page, 0, NULL);
	start = start_of(arena);
	is_err(vas_arena_set_policy(arena, (struct vas_span){ 2 * page, 10 * page }, &bind), 0, "a part");
	is_err(vas_arena_set_policy(arena, (struct vas_span){ 4 * page, 2 * page }, &prefer), 0,
	       "a part of it");
	ok(mode_at(start) == VAS_MPOL_DEFAULT && mode_at(start + 2 * page) == VAS_MPOL_BIND &&
		   mode_at(start + 4 * page) == VAS_MPOL_PREFERRED &&
		   mode_at(start + 6 * page) == VAS_MPOL_BIND &&
		   mode_at(start + 12 * page) == VAS_MPOL_DEFAULT,
	   "each part has its own");
	is_err(vas_arena_grow(arena, 14 * page, 0, NULL), 0, "grown over all of them");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	is_err(vas_arena_set_policy(arena, (struct vas_span){ 0, 0 }, &prefer), 0, "one for all");
	is_i64(mode_at(start + 3 * page), VAS_MPOL_PREFERRED, "there, too");
	for (unsigned i = 0; i < 4; i++)
		is_err(vas_arena_set_policy(arena, (struct vas_span){ (2 * i + 1) * page, page },
					    &bind), i < 3 ? 0 : EDQUOT, "part %u", i);
	is_i64(mode_at(start + 7 * page), VAS_MPOL_PREFERRED, "what was refused is as it was");
	bind.nodes[0] = UINT64_C(1) << 63;
	is_err(vas_arena_set_policy(arena, (struct vas_span){ 0, page }, &bind), EINVAL, "no such node");
	is_i64(mode_at(start), VAS_MPOL_PREFERRED, "and all is as it was");
	is_err(vas_notice_subscribe(NULL, refuse, NULL, &id), 0, "a subscriber");
	is_err(vas_arena_set_policy(arena, (struct vas_span){ 0, page }, &prefer), EBUSY, "refuses");
	is_err(vas_notice_cancel(id), 0, "and goes");
	end(arena);
	arena = make(VAS_PAGES_BASE, 4 * page, VAS_ARENA_LAZY, NULL);
	is_err(vas_arena_set_policy(arena, (struct vas_span){ 0, page }, &prefer), EOPNOTSUPP,
	       "private memory has its reservation's");
	end(arena);
}

/* The pool has as many pages of each node. */
static unsigned int node_count(void)
{
	glob_t nodes;
	unsigned int count = 1;

	if (glob("/sys/devices/system/node/node[0-9]*", 0, NULL, &nodes) == 0) {
		count = (unsigned int)nodes.gl_pathc;
		globfree(&nodes);
	}
	return count;
}

static void pool_case(void *unused)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND, .nodes = { 4 } };
	struct vas_arena_extent extent = { .size = sizeof(extent) };
	struct vas_arena *arena;
	uint32_t before;

	(void)unused;
	if (!huge_pool_take(8 * node_count()))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	fake_nodes_init(&fake);
	vas_sys_replace(&fake.sys);
	begin();
	arena = make(HUGE_PAGE, HUGE_PAGE, 0, &policy);
	if (!arena)
		huge_pool_return();
	if (!arena)
		tap_bail("no arena");
	ok(fake.thread_policies >= 2 && fake.thread_nodes == 4, "the pool was asked for pages of the node");
	is_i64(fake.thread_mode, VAS_MPOL_DEFAULT, "and the thread has its own policy again");
	before = fake.thread_policies;
	is_err(vas_arena_grow(arena, 3 * HUGE_PAGE, 0, NULL), 0, "grown");
	is_u64(fake.thread_policies, before + 2, "asked again");
	is_i64(fake.thread_mode, VAS_MPOL_DEFAULT, "and its own again");
	is_err(vas_arena_extent_at(arena, 0, &extent), 0, "its extent");
	ok(extent.bytes == 3 * HUGE_PAGE && extent.page_size == HUGE_PAGE && extent.wanted == HUGE_PAGE,
	   "is all of it");
	parts_of_pool(arena);
	end(arena);
	policy.nodes[0] = 0x100;
	ok(!make(HUGE_PAGE, HUGE_PAGE, 0, &policy), "no such node");
	is_i64(fake.thread_mode, VAS_MPOL_DEFAULT, "the thread's policy is as it was");
	huge_pool_return();
}

/* Whether the kernel tells which pages are there. */
static bool pages_are_told(void)
{
	struct vas_sys *real = vas_sys_real();
	struct vas_sys_pages run;
	int fd = (int)real->open(real, "/proc/self/pagemap", O_RDONLY);
	int64_t count = real->scan(real, fd, (struct vas_span){ page, page }, &run, 1);

	real->close(real, fd);
	return count >= 0;
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (!pages_are_told())
		tap_skip_all("no-pagemap-scan", "this kernel has no PAGEMAP_SCAN");
	tap_plan(0);
	tap_case("base pages, and a hole", base_case, NULL, 10);
	tap_case("private memory", private_case, NULL, 10);
	tap_case("transparent huge pages", transparent_case, NULL, 10);
	tap_case("policies of parts", parts_case, NULL, 10);
	tap_case("pages of the pool", pool_case, NULL, 30);
	return tap_done();
}
