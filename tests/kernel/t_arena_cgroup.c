/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/*
 * Arenas in control groups: what a group of huge pages or of memory has no room for is an errno, and size, contents and the pool are
 * as before; what fits is had then.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/control_group.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

#define MIB   (1ull << 20)
#define POOL  16u /* huge pages */
#define GROUP 4u /* of them */

static struct control_group group;

static struct vas_arena *make(enum vas_arena_kind kind, const uint64_t *ladder, size_t count,
			      uint64_t initial)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.ladder = ladder;
	opts.ladder_count = count;
	opts.initial = initial;
	if (vas_arena_create(256 * MIB, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

static void test_pages(void *unused)
{
	static const uint64_t ladder[] = { HUGE_PAGE, VAS_PAGES_BASE };
	uint64_t have = huge_pool_free(), now = 1;
	struct vas_arena *arena, *other;
	unsigned char *start;

	(void)unused;
	if (!control_group_enter(&group))
		tap_skip_all("no-hugetlb-cgroup", "the group takes nobody");
	arena_baseline();
	arena = make(VAS_ARENA_MEMFD, ladder, 1, 2 * HUGE_PAGE);
	start = arena_start(arena);
	memset(start, 7, 2 * HUGE_PAGE);
	is_err(vas_arena_grow(arena, 2 * GROUP * HUGE_PAGE, 0, &now), ENOMEM, "more than the group has");
	is_str(arena_reason(), "pool", "the pool or its group is the reason");
	ok(now == 1 && vas_arena_size(arena) == 2 * HUGE_PAGE && start[2 * HUGE_PAGE - 1] == 7,
	   "size and contents are as before");
	is_u64(huge_pool_free(), have - 2, "and what is free");
	is_err(vas_arena_ahead(arena, GROUP * HUGE_PAGE, 0, NULL), ENOMEM, "nor ahead");
	is_u64(huge_pool_free(), have - 2, "as before");
	is_err(vas_arena_grow(arena, 2 * GROUP * HUGE_PAGE, 3 * HUGE_PAGE, &now), 0,
	       "as much as the group has");
	is_u64(now, GROUP * HUGE_PAGE, "it is all of it");
	start[now - 1] = 1;
	other = make(VAS_ARENA_MEMFD, ladder, 2, HUGE_PAGE);
	is_u64(arena_look(other).rung, VAS_PAGES_BASE, "another one falls to the next rung");
	is_err(vas_arena_destroy(other, NULL), 0, "destroyed");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_u64(huge_pool_free(), have, "all are free again");
}

static void run_pages(void)
{
	if (!huge_pool_take(POOL) || !control_group_make(&group, "hugetlb", GROUP * HUGE_PAGE)) {
		huge_pool_return();
		tap_skip(2, "no-hugetlb-cgroup", "no pool, or no group of it, can be had");
		return;
	}
	tap_case("a group of huge pages", test_pages, NULL, 20);
	ok(control_group_remove(&group), "the group is removed");
	huge_pool_return();
}

static void check_memory(enum vas_arena_kind kind, const char *name)
{
	struct vas_arena *arena = make(kind, NULL, 0, MIB);
	unsigned char *start = arena_start(arena);
	uint64_t now = 1;

	memset(start, 9, MIB);
	is_err(vas_arena_grow(arena, 256 * MIB, 0, &now), ENOMEM, "%s: more than the group has", name);
	is_str(arena_reason(), "cgroup", "%s: the group is the reason", name);
	ok(now == 1 && vas_arena_size(arena) == MIB && start[MIB - 1] == 9, "%s: all is as before",
	   name);
	is_err(vas_arena_grow(arena, 8 * MIB, 0, &now), 0, "%s: what fits", name);
	start[8 * MIB - 1] = 1;
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static void test_memory(void *unused)
{
	(void)unused;
	if (!control_group_enter(&group))
		tap_skip_all("no-memory-cgroup", "the group takes nobody");
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	check_memory(VAS_ARENA_MEMFD, "memfd");
	check_memory(VAS_ARENA_ANONYMOUS, "private");
}

static void run_memory(void)
{
	if (geteuid() != 0 || !control_group_make(&group, "memory", 64 * MIB)) {
		tap_skip(2, "no-memory-cgroup", "no memory group can be made");
		return;
	}
	tap_case("a memory group", test_memory, NULL, 20);
	ok(control_group_remove(&group), "the group is removed");
}

int main(void)
{
	tap_plan(0);
	run_pages();
	run_memory();
	return tap_done();
}
