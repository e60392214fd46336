/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 5 */
/*
 * An arena grows under eight readers, at the same address: every page that was published has its stamp from then on, also where growing is
 * refused in between, in the arena's own span and in a second view. With a memfd, with transparent huge pages and with private memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/arena_looks.h"
#include "support/crew.h"

#define READERS 8u
#define MIB	(1ull << 20)
#define MOST	(16 * MIB)
#define STEP	(MIB / 4)

static struct {
	struct vas_arena *arena;
	unsigned char *start[2]; /* of the arena, and of another view of it, or the same */
	uint64_t page;
	uint64_t stamped; /* bytes that have their stamps (atomic) */
	uint64_t looks; /* (atomic) */
	uint64_t seed;
	uint32_t over; /* (atomic) */
} field;

static uint64_t stamp_of(uint64_t offset)
{
	return offset * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void read_some(uint64_t *random)
{
	uint64_t pages = __atomic_load_n(&field.stamped, __ATOMIC_ACQUIRE) / field.page;
	uint64_t offset = vas_random_below(random, pages) * field.page;
	const unsigned char *start = field.start[vas_random_below(random, 2)];
	const uint64_t *word = (const void *)(start + offset);
	uint64_t found = __atomic_load_n(word, __ATOMIC_RELAXED);

	if (found != stamp_of(offset))
		crew_fault("page %" PRIu64 " has %" PRIx64, offset / field.page, found);
	__atomic_fetch_add(&field.looks, 1, __ATOMIC_RELAXED);
}

static void stamp_to(uint64_t size)
{
	for (uint64_t at = field.stamped; at < size; at += field.page) {
		uint64_t *word = (void *)(field.start[0] + at);

		__atomic_store_n(word, stamp_of(at), __ATOMIC_RELAXED);
	}
	__atomic_store_n(&field.stamped, size, __ATOMIC_RELEASE);
}

static void grow_all(void)
{
	for (uint64_t size = 2 * STEP; size <= MOST; size += STEP) {
		int err = vas_arena_grow(field.arena, size, 0, NULL);

		if (err)
			crew_fault("no growth: %d", err);
		if (vas_arena_grow(field.arena, 2 * MOST, 0, NULL) != -ERANGE)
			crew_fault("it grows beyond its maximum");
		stamp_to(size);
	}
	if (arena_start(field.arena) != field.start[0])
		crew_fault("it has moved");
}

static void work(void *unused, unsigned int number)
{
	uint64_t random = field.seed + number;

	(void)unused;
	if (number == 0) {
		grow_all();
		__atomic_store_n(&field.over, 1, __ATOMIC_RELEASE);
		return;
	}
	while (!__atomic_load_n(&field.over, __ATOMIC_ACQUIRE))
		read_some(&random);
}

static void run(enum vas_arena_kind kind, uint64_t rung)
{
	struct vas_view_info info = { .size = sizeof(info) };
	struct vas_view *view = NULL;
	int err;

	VAS_OPTS(vas_arena_opts, opts);
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	memset(&field, 0, sizeof(field));
	field.page = (uint64_t)sysconf(_SC_PAGESIZE);
	field.seed = tap_seed();
	opts.kind = kind;
	opts.initial = STEP;
	opts.step = STEP;
	opts.ladder = &rung;
	opts.ladder_count = 1;
	err = vas_arena_create(MOST, &opts, &field.arena);
	if (err == -EOPNOTSUPP && rung == VAS_PAGES_TRANSPARENT)
		tap_skip_all("no-transparent-huge", "no transparent huge pages");
	if (err)
		tap_bail("no arena: %d", err);
	field.start[0] = field.start[1] = arena_start(field.arena);
	if (kind == VAS_ARENA_MEMFD &&
	    (vas_view_open(field.arena, NULL, &view) || vas_view_get(view, &info)))
		tap_bail("no view");
	if (view)
		field.start[1] = vas_span_pointer(info.span);
	stamp_to(STEP);
	crew_run(READERS + 1, work, NULL);
	ok(field.looks > 0, "the readers looked");
	is_u64(vas_arena_size(field.arena), MOST, "as large as it may become");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(field.arena, NULL), 0, "destroyed");
}

static void test_memfd(void *unused)
{
	(void)unused;
	run(VAS_ARENA_MEMFD, VAS_PAGES_BASE);
}

static void test_transparent(void *unused)
{
	(void)unused;
	run(VAS_ARENA_MEMFD, VAS_PAGES_TRANSPARENT);
}

static void test_private(void *unused)
{
	(void)unused;
	run(VAS_ARENA_ANONYMOUS, VAS_PAGES_BASE);
}

int main(void)
{
	tap_plan(0);
	tap_case("a memfd", test_memfd, NULL, 60);
	tap_case("transparent huge pages", test_transparent, NULL, 60);
	tap_case("private memory", test_private, NULL, 60);
	return tap_done();
}
