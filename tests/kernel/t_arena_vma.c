/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 6 */
/*
 * Arenas with many views in a process at vm.max_map_count: growing with a BARE tail needs no mapping; with a NONE tail it is refused as a
 * whole when one view cannot be opened, and works when there are mappings again.
 *
 * Not under sanitizers, which need mappings of their own at the limit as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/map_limit.h"
#include "tap/tap.h"

/* More than the library has spare mappings for such needs. */
#define VIEWS 64u

static uint64_t page;
static struct vas_arena *arena;
static struct vas_view *views[VIEWS];

static void make(enum vas_tail tail)
{
	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_view_opts, view_opts);
	opts.tail = tail;
	if (vas_arena_create(64 * page, &opts, &arena))
		tap_bail("no arena");
	for (unsigned int i = 0; i < VIEWS; i++)
		if (vas_view_open(arena, &view_opts, &views[i]))
			tap_bail("no view");
}

static uint64_t object_size(void)
{
	return arena_length(arena) + arena_held(arena);
}

static unsigned char *start_of(unsigned int i)
{
	struct vas_view_info info = { .size = sizeof(info) };

	if (vas_view_get(views[i], &info))
		tap_bail("the view tells nothing");
	return vas_span_pointer(info.span);
}

/* Mappings of memfds in the process that can be written, without the header's. */
static unsigned int writable(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int count = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		count += strstr(line, " rw-s ") && !strstr(line, " rw-s 00000000 ") &&
			 strstr(line, "/memfd:");
	if (maps)
		fclose(maps);
	return count;
}

static void test_bare(void *unused)
{
	struct map_limit limit;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	make(VAS_TAIL_BARE);
	ok(map_limit_fill(&limit), "at the limit");
	is_err(vas_arena_grow(arena, 8 * page, 0, NULL), 0, "it grows");
	start_of(0)[8 * page - 1] = 7;
	is_u64(start_of(VIEWS - 1)[8 * page - 1], 7, "in all views");
	is_err(vas_arena_shrink(arena, 0), 0, "and shrinks");
	map_limit_empty(&limit);
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_none(void *unused)
{
	struct vas_report report = { .size = sizeof(report) };
	struct map_limit limit;
	uint64_t now = 1;
	int refused;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	make(VAS_TAIL_NONE);
	ok(map_limit_fill(&limit), "at the limit");
	refused = vas_arena_grow(arena, 8 * page, 0, &now);
	(void)vas_report_get(&report);
	is_err(refused, ENOMEM, "refused");
	ok(report.error == -ENOMEM && report.operation == VAS_OPERATION_GROW, "which is reported");
	ok(vas_arena_size(arena) == 0 && now == 1 && object_size() == 0, "nothing is left of it");
	map_limit_empty(&limit);
	is_u64(writable(), 0, "no view is open");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_grow(arena, 8 * page, 0, NULL), 0, "there are mappings again: it grows");
	start_of(0)[8 * page - 1] = 7;
	is_u64(start_of(VIEWS - 1)[8 * page - 1], 7, "in all views");

	/* The boundary moves between two mappings that are there. */
	ok(map_limit_fill(&limit), "at the limit");
	is_err(vas_arena_grow(arena, 9 * page, 0, NULL), 0, "once begun, growing needs no mapping");
	is_err(vas_arena_shrink(arena, page), 0, "nor does shrinking");
	map_limit_empty(&limit);
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

int main(void)
{
	tap_plan(0);
	if (!map_limit_reachable())
		tap_skip_all("many-mappings", "vm.max_map_count is too high to be met");
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("a BARE tail at the limit of mappings", test_bare, NULL, 30);
	tap_case("a NONE tail at the limit of mappings", test_none, NULL, 30);
	return tap_done();
}
