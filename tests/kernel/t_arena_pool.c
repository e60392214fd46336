/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Arenas on huge pages over the real kernel: the pool that runs out leaves size, contents, every view and its free pages as
 * they were; the ladder; transparent huge pages, strict or not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

#define MIB (1ull << 20)

static const uint64_t huge_ladder[] = { HUGE_PAGE, VAS_PAGES_BASE };

static int make(const uint64_t *ladder, size_t count, uint32_t flags, uint64_t maximum,
		uint64_t initial, struct vas_arena **arena)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.ladder = ladder;
	opts.ladder_count = count;
	opts.flags = flags;
	opts.initial = initial;
	return vas_arena_create(maximum, &opts, arena);
}

static bool stamped(const unsigned char *start, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		if (start[i * HUGE_PAGE] != i + 1 || start[(i + 1) * HUGE_PAGE - 1] != 0)
			return false;
	return true;
}

static uint64_t gigantic_free(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "re");
	uint64_t pages = 0;

	if (file) {
		if (fscanf(file, "%" SCNu64, &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages;
}

/* 64 pages, grown to 100. */
static void test_pool(void *unused)
{
	struct vas_arena *arena = NULL;
	struct vas_arena_info info;
	unsigned char *start, *view;
	uint64_t have, rest, now = 1;
	struct stat status;

	(void)unused;
	arena_baseline();
	if (!huge_pool_take(64))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	have = huge_pool_free();
	is_err(make(huge_ladder, 1, 0, 1024 * HUGE_PAGE, 8 * HUGE_PAGE, &arena), 0,
	       "an arena on huge pages");
	info = arena_look(arena);
	ok(info.rung == HUGE_PAGE && info.page_size == HUGE_PAGE && info.step == HUGE_PAGE,
	   "its pages are as large");
	is_u64(info.span.start % HUGE_PAGE, 0, "it begins at a multiple");
	is_u64(huge_pool_free(), have - 8, "it has taken what it began with, and reserved nothing");
	start = vas_span_pointer(info.span);
	for (unsigned int i = 0; i < 8; i++)
		start[i * HUGE_PAGE] = (unsigned char)(i + 1);
	view = mmap(NULL, 16 * HUGE_PAGE, PROT_READ, MAP_SHARED | MAP_NORESERVE, info.fd, 0);
	ok(view != MAP_FAILED && stamped(view, 8), "another view");

	rest = have - 8;
	is_err(vas_arena_grow(arena, (have + 36) * HUGE_PAGE, 0, &now), ENOMEM,
	       "36 pages more than the pool has");
	is_str(arena_reason(), "pool", "the reason");
	is_u64(now, 1, "what was told stays");
	is_u64(vas_arena_size(arena), 8 * HUGE_PAGE, "the size is as before");
	ok(fstat(info.fd, &status) == 0 && (uint64_t)status.st_size == 8 * HUGE_PAGE,
	   "and the object's");
	is_u64(huge_pool_free(), rest, "and the pool's free pages");
	ok(stamped(start, 8) && stamped(view, 8), "and the contents, in both views");

	is_err(vas_arena_grow(arena, 12 * HUGE_PAGE, 0, &now), 0, "as many as there are can be had");
	ok(start[12 * HUGE_PAGE - 1] == 0 && view[12 * HUGE_PAGE - 1] == 0,
	   "the other view has grown, too");
	is_err(vas_arena_grow(arena, (have + 36) * HUGE_PAGE, 13 * HUGE_PAGE, &now), 0,
	       "at least one more");
	is_u64(now, have * HUGE_PAGE, "is all of the pool");
	start[have * HUGE_PAGE - 1] = 1;
	is_u64(huge_pool_free(), 0, "nothing is free");
	is_err(vas_arena_shrink(arena, 8 * HUGE_PAGE), 0, "shrunk");
	is_u64(huge_pool_free(), rest, "the pages are back in the pool");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	munmap(view, 16 * HUGE_PAGE);
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_u64(huge_pool_free(), have, "and all the others");
	huge_pool_return();
}

static void test_ladder(void *unused)
{
	static const uint64_t unknown[] = { 64ull << 10, HUGE_PAGE };
	struct vas_arena *arena = NULL;
	uint64_t have, much;

	(void)unused;
	arena_baseline();
	if (!huge_pool_take(4))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	have = huge_pool_free();
	much = (have + 4) * HUGE_PAGE;
	is_err(make(unknown, 2, 0, 8 * HUGE_PAGE, 0, &arena), 0, "a size that the kernel does not have");
	is_u64(arena_look(arena).rung, HUGE_PAGE, "and one that it has");
	is_u64(huge_pool_free(), have, "an empty arena takes none");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_err(make(unknown, 2, VAS_ARENA_STRICT, 8 * HUGE_PAGE, 0, &arena), EOPNOTSUPP, "strict");
	is_str(arena_reason(), "pages", "the reason");

	is_err(make(huge_ladder, 2, 0, 2 * much, much, &arena), 0, "more than the pool has");
	is_u64(arena_look(arena).rung, VAS_PAGES_BASE, "comes to base pages");
	is_u64(vas_arena_size(arena), much, "with all that it begins with");
	is_u64(huge_pool_free(), have, "the pool is as it was");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_err(make(huge_ladder, 2, VAS_ARENA_STRICT, 2 * much, much, &arena), ENOMEM, "strict");
	is_str(arena_reason(), "pool", "the reason");
	is_u64(huge_pool_free(), have, "the pool is as it was still");
	huge_pool_return();
}

/* Bytes of smaps' key, of the mappings that begin in the span. */
static uint64_t mapped_as(struct vas_span span, const char *key)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	uint64_t low, high, kib, sum = 0;
	size_t length = strlen(key);
	bool inside = false;
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &low, &high) == 2)
			inside = low >= span.start && low < span.start + span.size;
		else if (inside && strncmp(line, key, length) == 0 &&
			 sscanf(line + length, " %" SCNu64, &kib) == 1)
			sum += kib << 10;
	}
	if (smaps)
		fclose(smaps);
	return sum;
}

static const struct {
	enum vas_arena_kind kind;
	const char *name;
	const char *key;
} transparents[] = {
	{ VAS_ARENA_MEMFD, "memfd", "ShmemPmdMapped:" },
	{ VAS_ARENA_ANONYMOUS, "private", "AnonHugePages:" },
};

static void test_transparent(void *unused)
{
	static const uint64_t rung = VAS_PAGES_TRANSPARENT;

	(void)unused;
	arena_baseline();
	for (unsigned int i = 0; i < 2; i++) {
		const char *name = transparents[i].name;
		struct vas_arena *arena = NULL;
		struct vas_arena_info info;
		unsigned char *start;
		int err;

		VAS_OPTS(vas_arena_opts, opts);
		opts.kind = transparents[i].kind;
		opts.ladder = &rung;
		opts.ladder_count = 1;
		opts.flags = VAS_ARENA_STRICT;
		opts.initial = MIB;
		err = vas_arena_create(64 * MIB, &opts, &arena);
		if (!err)
			err = vas_arena_grow(arena, 4 * MIB, 0, NULL);
		if (err == -EOPNOTSUPP || err == -ENOMEM)
			tap_skip_all("no-transparent-huge", "no transparent huge pages");
		is_err(err, 0, "%s: strict", name);
		info = arena_look(arena);
		start = vas_span_pointer(info.span);
		ok(info.rung == rung && info.page_size == 4096, "%s: of base pages", name);
		for (uint64_t size = 4 * MIB; size < 9 * MIB; size += MIB) {
			start[size - MIB] = (unsigned char)(size / MIB);
			if (vas_arena_grow(arena, size + MIB, 0, NULL))
				tap_bail("it does not grow");
		}
		for (uint64_t at = 0; at < 9 * MIB; at += 4096)
			(void)*(volatile unsigned char *)(start + at);
		is_u64(mapped_as(info.span, transparents[i].key), 8 * MIB,
		       "%s: all whole huge pages are such", name);
		ok(start[3 * MIB] == 4 && start[7 * MIB] == 8 && start[8 * MIB - 1] == 0,
		   "%s: what was written stays", name);
		is_err(vas_arena_shrink(arena, 3 * MIB), 0, "%s: shrunk", name);
		if (info.fd >= 0)
			is_u64(arena_held(arena), 3 * MIB,
			       "%s: within a huge page, the rest of which is back", name);
		is_err(vas_arena_grow(arena, 4 * MIB, 0, NULL), 0, "%s: grown again", name);
		is_u64(start[3 * MIB], 0, "%s: zero again", name);
		is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
		is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
	}
}

static void test_placed(void *unused)
{
	static const uint64_t rung = VAS_PAGES_TRANSPARENT;
	struct vas_arena *arena = NULL;
	struct vas_span span;
	int err;

	(void)unused;
	arena_baseline();
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_arena_opts, opts);
	opts.reserve = &reserve;
	opts.ladder = &rung;
	opts.ladder_count = 1;
	reserve.alignment = 3 * MIB;
	is_err(vas_arena_create(8 * MIB, &opts, &arena), EINVAL, "an alignment that goes with no pages");
	reserve.alignment = 4 * MIB;
	reserve.phase = MIB;
	is_err(vas_arena_create(8 * MIB, &opts, &arena), EINVAL, "a phase off the pages");
	reserve.phase = 2 * MIB;
	err = vas_arena_create(8 * MIB, &opts, &arena);
	if (err == -EOPNOTSUPP)
		tap_skip_all("no-transparent-huge", "no transparent huge pages");
	is_err(err, 0, "one on them");
	span = arena_look(arena).span;
	is_u64(span.start % (4 * MIB), 2 * MIB, "is kept");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	reserve = (struct vas_reserve_opts){ .size = sizeof(reserve) };
	reserve.place = VAS_PLACE_EXACT;
	reserve.address = span.start + MIB;
	is_err(vas_arena_create(8 * MIB, &opts, &arena), EINVAL, "an address off the pages");
}

/* Where the system has a free page of 1 GiB. */
static void test_gigantic(void *unused)
{
	static const uint64_t gigantic[] = { 1024 * MIB, HUGE_PAGE, VAS_PAGES_BASE };
	struct vas_arena *arena = NULL;
	uint64_t have, now = 1;

	(void)unused;
	have = gigantic_free();
	if (!have)
		tap_skip_all("no-gigantic-pages", "there is no free page of 1 GiB");
	arena_baseline();
	is_err(make(gigantic, 3, 0, 16384 * MIB, 0, &arena), 0, "an arena");
	is_u64(arena_look(arena).rung, 1024 * MIB, "of pages of 1 GiB");
	is_u64(arena_look(arena).span.start % (1024 * MIB), 0, "it begins at a multiple");
	is_err(vas_arena_grow(arena, 1, 0, &now), 0, "grown");
	is_u64(now, 1024 * MIB, "by a page");
	arena_start(arena)[now - 1] = 1;
	is_u64(gigantic_free(), have - 1, "of the pool's");
	is_err(vas_arena_grow(arena, (have + 1) * 1024 * MIB, 0, &now), ENOMEM, "too far");
	is_str(arena_reason(), "pool", "the pool is the reason");
	ok(vas_arena_size(arena) == 1024 * MIB && arena_start(arena)[1024 * MIB - 1] == 1 &&
		   gigantic_free() == have - 1,
	   "all is as it was");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_u64(gigantic_free(), have, "it is free again");
}

int main(void)
{
	tap_plan(0);
	tap_case("a pool that runs out", test_pool, NULL, 50);
	tap_case("the ladder", test_ladder, NULL, 50);
	tap_case("transparent huge pages", test_transparent, NULL, 50);
	tap_case("places for huge pages", test_placed, NULL, 20);
	tap_case("pages of 1 GiB", test_gigantic, NULL, 50);
	return tap_done();
}
