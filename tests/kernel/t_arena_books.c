/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that an arena gives back, and takes ahead, over the real kernel: what the object holds is compared after each
 * step, and what the system says of shared memory and of the pool of huge pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

#define MIB (1ull << 20)

static uint64_t page;

static struct vas_arena *make(uint64_t maximum, uint64_t cap, uint64_t initial, uint64_t rung)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.initial = initial;
	opts.cap = cap;
	opts.ladder = &rung;
	opts.ladder_count = 1;
	if (vas_arena_create(maximum, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

static uint64_t system_says(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0 &&
		    sscanf(line + strlen(key), " %" SCNu64, &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static void test_punch(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start, *view;

	(void)unused;
	arena_baseline();
	arena = make(64 * MIB, 0, 8 * MIB, VAS_PAGES_BASE);
	start = vas_span_pointer(arena_look(arena).span);
	view = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, arena_look(arena).fd,
		    (off_t)arena_look(arena).offset);
	if (view == MAP_FAILED)
		tap_bail("no other view");
	memset(start, 0x5a, 8 * MIB);
	is_u64(arena_held(arena), 8 * MIB, "all of it has memory");
	is_err(vas_arena_punch(arena, 2 * MIB, 3 * MIB), 0, "three MiB are punched out");
	is_u64(arena_held(arena), 5 * MIB, "they are back");
	is_u64(arena_length(arena), 8 * MIB, "the size stays");
	/* The first touch of a hole gives it a page. */
	ok(view[2 * MIB - 1] == 0x5a && view[5 * MIB] == 0x5a, "what is beside them stays");
	is_u64(start[2 * MIB], 0, "the first byte is zero");
	is_u64(view[5 * MIB - 1], 0, "and the last, in the other view");
	is_err(vas_arena_fill(arena, MIB, 5 * MIB), 0, "filled again");
	is_u64(arena_held(arena), 8 * MIB, "all of it has memory again");
	ok(view[MIB] == 0x5a && start[3 * MIB] == 0, "what was there is untouched");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	munmap(view, 8 * MIB);
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_ahead(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start;
	uint64_t ahead = 1, now, given;

	(void)unused;
	arena_baseline();
	arena = make(64 * MIB, 32 * MIB, MIB, VAS_PAGES_BASE);
	start = vas_span_pointer(arena_look(arena).span);
	start[MIB - 1] = 7;
	is_err(vas_arena_ahead(arena, 4 * MIB, 0, &ahead), 0, "four MiB ahead");
	ok(ahead == 4 * MIB && arena_look(arena).ahead == ahead, "are told");
	is_u64(arena_held(arena), 5 * MIB, "and have memory");
	ok(arena_length(arena) == MIB && vas_arena_size(arena) == MIB, "the size stays");
	is_err(vas_arena_ahead(arena, MIB, 0, &ahead), 0, "fewer");
	is_u64(ahead, 4 * MIB, "are there already");
	is_err(vas_arena_grow(arena, 3 * MIB, 0, NULL), 0, "grown over two of them");
	is_u64(arena_look(arena).ahead, 2 * MIB, "two are left");
	is_u64(arena_held(arena), 5 * MIB, "nothing was taken");
	is_u64(start[3 * MIB - 1], 0, "they are zero");
	is_err(vas_arena_grow(arena, 8 * MIB, 0, NULL), 0, "grown over the rest and more");
	ok(arena_look(arena).ahead == 0 && arena_held(arena) == 8 * MIB && arena_length(arena) == 8 * MIB,
	   "nothing is left ahead");
	is_err(vas_arena_ahead(arena, 2 * MIB, 0, NULL), 0, "two more");
	is_err(vas_arena_trim(arena, &given), 0, "given back");
	ok(given == 2 * MIB && arena_held(arena) == 8 * MIB && arena_length(arena) == 8 * MIB, "to the byte");
	is_err(vas_arena_ahead(arena, 2 * MIB, 0, NULL), 0, "two once more");
	is_err(vas_arena_shrink(arena, MIB), 0, "shrinking");
	ok(arena_look(arena).ahead == 0 && arena_held(arena) == MIB, "takes what is ahead with it");
	is_err(vas_arena_ahead(arena, 60 * MIB, MIB, &ahead), 0, "as much as may be");
	is_u64(ahead, 31 * MIB, "is up to the cap");
	is_err(vas_arena_grow(arena, 32 * MIB, 0, &now), 0, "and can be grown over");
	is_u64(start[MIB - 1], 7, "what was written stays");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* A growth that is refused leaves what was ahead. */
static void test_refused(void *unused)
{
	struct rlimit limit = { 8 * MIB, 8 * MIB };
	struct vas_arena *arena;
	uint64_t ahead = 1, now = 1;

	(void)unused;
	arena_baseline();
	arena = make(256 * MIB, 0, MIB, VAS_PAGES_BASE);
	is_err(vas_arena_ahead(arena, 4 * MIB, 0, NULL), 0, "four MiB ahead");
	if (setrlimit(RLIMIT_FSIZE, &limit))
		tap_bail("no limit");
	is_err(vas_arena_grow(arena, 100 * MIB, 0, &now), ENOSPC, "beyond RLIMIT_FSIZE");
	ok(now == 1 && vas_arena_size(arena) == MIB && arena_look(arena).ahead == 4 * MIB,
	   "size and what is ahead are as before");
	ok(arena_held(arena) == 5 * MIB && arena_length(arena) == MIB, "for the kernel, too");
	is_err(vas_arena_ahead(arena, 100 * MIB, 0, &ahead), ENOSPC, "ahead beyond it");
	ok(ahead == 1 && arena_held(arena) == 5 * MIB, "neither");
	is_err(vas_arena_grow(arena, 100 * MIB, 6 * MIB, &now), 0, "at least six MiB");
	ok(now == 8 * MIB - arena_look(arena).offset && arena_held(arena) == now &&
		   arena_length(arena) == now,
	   "as much as may be");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* What the system counts: other processes change it too, so it is a lot, and tried again. */
static void test_shared_memory(void *unused)
{
	uint64_t before, most = 0;
	struct vas_arena *arena;
	int err = 0;

	(void)unused;
	arena_baseline();
	arena = make(256 * MIB, 0, 200 * MIB, VAS_PAGES_BASE);
	for (int tries = 0; tries < 8 && !err && most < 100 * MIB; tries++) {
		uint64_t after;

		err = vas_arena_fill(arena, 0, 190 * MIB);
		before = system_says("Shmem:");
		if (!err)
			err = vas_arena_punch(arena, 0, 190 * MIB);
		after = system_says("Shmem:");
		if (before > after && before - after > most)
			most = before - after;
	}
	is_err(err, 0, "most of it is punched out");
	ok(most > 100 * MIB, "the system has less shared memory (%llu MiB)",
	   (unsigned long long)(most / MIB));
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_pool(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start;
	uint64_t have, ahead = 0;

	(void)unused;
	arena_baseline();
	if (!huge_pool_take(16))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	have = huge_pool_free();
	arena = make(1024 * HUGE_PAGE, 0, 4 * HUGE_PAGE, HUGE_PAGE);
	start = vas_span_pointer(arena_look(arena).span);
	start[4 * HUGE_PAGE - 1] = 1;
	is_err(vas_arena_punch(arena, HUGE_PAGE, 2 * HUGE_PAGE), 0, "two are punched out");
	is_u64(huge_pool_free(), have - 2, "and back in the pool");
	is_err(vas_arena_fill(arena, 0, 4 * HUGE_PAGE), 0, "filled again");
	is_u64(huge_pool_free(), have - 4, "from the pool");
	is_err(vas_arena_ahead(arena, 4 * HUGE_PAGE, 0, NULL), 0, "four ahead");
	is_u64(huge_pool_free(), have - 8, "are the pool's");
	is_err(vas_arena_grow(arena, (have + 8) * HUGE_PAGE, 0, NULL), ENOMEM, "more than it has");
	ok(huge_pool_free() == have - 8 && arena_look(arena).ahead == 4 * HUGE_PAGE &&
		   arena_length(arena) == 4 * HUGE_PAGE,
	   "everything is as before");
	is_err(vas_arena_grow(arena, 6 * HUGE_PAGE, 0, NULL), 0, "grown over two of them");
	is_u64(huge_pool_free(), have - 8, "takes none");
	is_u64(start[6 * HUGE_PAGE - 1], 0, "and they are there");
	is_err(vas_arena_ahead(arena, (have + 8) * HUGE_PAGE, HUGE_PAGE, &ahead), 0,
	       "as many as there are");
	is_u64(ahead, (have - 6) * HUGE_PAGE, "are all of the pool");
	is_err(vas_arena_trim(arena, NULL), 0, "given back");
	is_u64(huge_pool_free(), have - 6, "to the pool");
	is_u64(start[4 * HUGE_PAGE - 1], 1, "what was written stays");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_u64(huge_pool_free(), have, "all are back");
	huge_pool_return();
}

static struct {
	unsigned int count;
	struct vas_notice seen[4];
	int answer;
} heard;

static int hear(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (heard.count < 4)
		heard.seen[heard.count] = *notice;
	heard.count++;
	return notice->phase == VAS_NOTICE_BEFORE ? heard.answer : 0;
}

static void test_told(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start;
	uint64_t id, before, after;

	(void)unused;
	arena_baseline();
	arena = make(64 * MIB, 0, 8 * MIB, VAS_PAGES_BASE);
	start = vas_span_pointer(arena_look(arena).span);
	if (vas_notice_subscribe(NULL, hear, NULL, &id) || vas_generation_at(start, &before))
		tap_bail("no notices");
	is_err(vas_arena_punch(arena, MIB, 2 * MIB), 0, "punched");
	is_err(vas_generation_at(start, &after), 0, "the generation");
	is_u64(after, before + 1, "counts it");
	ok(heard.count == 2 && heard.seen[1].change == VAS_CHANGE_PUNCH &&
		   heard.seen[1].generation == after &&
		   heard.seen[1].span.start == arena_look(arena).span.start + MIB &&
		   heard.seen[1].span.size == 2 * MIB,
	   "told of it");
	heard.count = 0;
	is_err(vas_arena_fill(arena, MIB, 2 * MIB), 0, "filled");
	is_err(vas_arena_ahead(arena, MIB, 0, NULL), 0, "ahead");
	is_u64(heard.count, 0, "nothing is told of that");
	heard.answer = -EPERM;
	start[0] = 1;
	is_err(vas_arena_punch(arena, 0, MIB), EBUSY, "vetoed");
	ok(start[0] == 1 && arena_held(arena) == 9 * MIB, "nothing has changed");
	is_err(vas_notice_cancel(id), 0, "no more notices");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("punching and filling", test_punch, NULL, 20);
	tap_case("taking ahead", test_ahead, NULL, 20);
	tap_case("what a refused growth leaves", test_refused, NULL, 20);
	tap_case("shared memory of the system", test_shared_memory, NULL, 20);
	tap_case("the pool of huge pages", test_pool, NULL, 50);
	tap_case("who is told", test_told, NULL, 20);
	return tap_done();
}
