/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Private views over the real kernel: what is written through one stays in it, all else is the arena's, in step with growth, shrinking
 * and holes; tails, protection, forked children; what they cannot be.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/huge_pool.h"
#include "support/view_looks.h"

#define PAGES 16u

static uint64_t page, size;

static struct vas_arena *make(enum vas_tail tail, enum vas_fork fork_policy)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	opts.initial = size;
	opts.tail = tail;
	opts.reserve = &reserve;
	reserve.fork = fork_policy;
	if (vas_arena_create(4 * size, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

static struct vas_view *open_private(struct vas_arena *arena)
{
	struct vas_view *view = NULL;

	VAS_OPTS(vas_view_opts, opts);
	opts.flags = VAS_VIEW_PRIVATE;
	if (vas_view_open(arena, &opts, &view))
		tap_bail("no view");
	return view;
}

/* Another address: the compiler must not know better. */
static unsigned char at(const unsigned char *where)
{
	return *(const volatile unsigned char *)where;
}

static void check_writes(enum vas_tail tail, const char *name)
{
	struct vas_arena *arena = make(tail, VAS_FORK_DEFAULT);
	unsigned char *all = arena_start(arena), *mine, *other;
	struct vas_view *view, *second;
	uint64_t counted;

	counted = committed();
	memset(all, 1, size);
	view = open_private(arena);
	second = open_private(arena);
	mine = view_start(view);
	other = view_start(second);
	is_u64(view_look(view).flags, VAS_VIEW_PRIVATE, "%s: so it tells", name);
	ok(at(mine) == 1 && at(mine + size - 1) == 1, "%s: the arena's bytes", name);
	all[page] = 2;
	ok(at(mine + page) == 2, "%s: also those that come", name);
	mine[page + 1] = 3;
	all[page] = 4;
	ok(at(all + page + 1) == 1 && at(other + page + 1) == 1, "%s: what is written stays in it", name);
	ok(at(mine + page) == 2 && at(other + page) == 4, "%s: a page that was written is a copy", name);
	is_u64(committed(), counted, "%s: counts nothing", name);
	is_err(vas_arena_grow(arena, 2 * size, 0, NULL), 0, "%s: grown", name);
	all[size] = 5;
	ok(at(mine + size) == 5, "%s: and it with the arena", name);
	mine[size] = 6;
	ok(at(all + size) == 5, "%s: new bytes are private, too", name);
	is_err(vas_arena_punch(arena, 0, 2 * page), 0, "%s: punched", name);
	ok(at(mine) == 0 && at(mine + page) == 2, "%s: holes, but for copies", name);
	is_err(vas_arena_shrink(arena, page), 0, "%s: shrunk", name);
	is_err(vas_arena_grow(arena, size, 0, NULL), 0, "%s: grown again", name);
	ok(at(mine + page) == 0 && at(mine + page + 1) == 0, "%s: copies beyond the size are gone", name);
	is_err(vas_view_protect(view, PROT_READ), 0, "%s: protected", name);
	is_err(vas_view_protect(view, PROT_READ | PROT_WRITE), 0, "%s: and back", name);
	mine[0] = 7;
	ok(at(all) == 0, "%s: private still", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	is_err(vas_view_close(view, NULL), 0, "%s: closed", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
	is_err(vas_sync_check(NULL), 0, "%s: nothing is left", name);
}

static void test_writes(void *unused)
{
	(void)unused;
	arena_baseline();
	check_writes(VAS_TAIL_BARE, "bare");
	check_writes(VAS_TAIL_NONE, "none");
}

/* A seal against writing maps what is shared from another descriptor, and nothing else. */
static void test_sealed(void *unused)
{
	struct vas_arena *arena = NULL;
	struct vas_view *view;

	VAS_OPTS(vas_arena_opts, opts);
	(void)unused;
	arena_baseline();
	opts.initial = size;
	opts.flags = VAS_ARENA_COMPANION;
	if (vas_arena_create(size, &opts, &arena))
		tap_bail("no arena");
	view = open_private(arena);
	view_start(view)[page] = 9;
	is_err(vas_view_protect(view, PROT_READ), 0, "only read");
	is_err(vas_view_protect(vas_view_first(arena), PROT_READ), 0, "as the arena");
	is_err(vas_arena_seal(arena, VAS_SEAL_WRITE), 0, "sealed against writing");
	ok(at(view_start(view) + page) == 9 && at(arena_start(arena) + page) == 0,
	   "what was written through the private view is still in it");
	is_err(vas_view_protect(view, PROT_READ | PROT_WRITE), 0, "it can be written again");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* Far more than there is memory: only what is written is taken. Sanitizers have a shadow for all of it. */
static void test_large(void *unused)
{
	uint64_t most = tap_under_sanitizer() || tap_under_valgrind() ? 1ull << 28 : 1ull << 40;
	struct vas_arena *arena = NULL;
	struct vas_view *view;

	VAS_OPTS(vas_arena_opts, opts);
	(void)unused;
	arena_baseline();
	opts.initial = size;
	if (vas_arena_create(most, &opts, &arena))
		tap_bail("no arena");
	view = open_private(arena);
	is_u64(view_look(view).extent, most, "as far as the arena may grow");
	view_start(view)[0] = 1;
	ok(at(arena_start(arena)) == 0, "is private");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_refused(void *unused)
{
	enum vas_mirror_way way = VAS_MIRROR_NONE;
	struct vas_arena *arena = make(VAS_TAIL_BARE, VAS_FORK_SHARE);
	struct vas_view *view = NULL;
	const uint64_t rung = HUGE_PAGE;

	VAS_OPTS(vas_view_opts, opts);
	VAS_OPTS(vas_arena_opts, pool);
	(void)unused;
	arena_baseline();
	opts.flags = VAS_VIEW_PRIVATE;
	is_err(vas_view_open(arena, &opts, &view), EOPNOTSUPP, "not what a child is to share");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	arena = make(VAS_TAIL_BARE, VAS_FORK_DEFAULT);
	view = open_private(arena);
	is_err(vas_mirror_open(view_start(view), page, NULL, &way, &view), EOPNOTSUPP, "has no mirror");
	is_i64(way, VAS_MIRROR_MEMFD, "being private");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	if (!huge_pool_take(1)) {
		tap_skip(1, "no-huge-pages", "no pool of huge pages");
		return;
	}
	pool.ladder = &rung;
	pool.ladder_count = 1;
	if (vas_arena_create(HUGE_PAGE, &pool, &arena))
		tap_bail("no arena");
	is_err(vas_view_open(arena, &opts, &view), EINVAL, "not of pages of the pool");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	huge_pool_return();
}

static int child_looks(struct vas_arena *arena, struct vas_view *view, unsigned char *mine)
{
	if (at(mine) != 9 || at(mine + page) != 1)
		return 1;
	mine[0] = 8;
	arena_start(arena)[page] = 4; /* shared */
	if (vas_view_protect(view, PROT_READ) != -EPERM && vas_view_protect(view, PROT_READ))
		return 2;
	if (vas_view_close(view, NULL))
		return 3;
	return vas_sync_check(NULL) ? 4 : 0;
}

static void test_fork(void *unused)
{
	struct vas_arena *arena = make(VAS_TAIL_BARE, VAS_FORK_DEFAULT);
	unsigned char *all = arena_start(arena), *mine;
	struct vas_view *view;
	int status = -1;
	pid_t child;

	(void)unused;
	arena_baseline();
	memset(all, 1, size);
	view = open_private(arena);
	mine = view_start(view);
	mine[0] = 9;
	child = fork();
	if (child == 0)
		_exit(child_looks(arena, view, mine));
	waitpid(child, &status, 0);
	is_i64(status, 0, "a child has a copy");
	ok(at(mine) == 9 && at(mine + page) == 4, "of what was written, and shares the rest");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	tap_plan(0);
	tap_case("writes", test_writes, NULL, 20);
	tap_case("a large one", test_large, NULL, 20);
	tap_case("refusals", test_refused, NULL, 30);
	tap_case("fork", test_fork, NULL, 20);
	tap_case("sealed", test_sealed, NULL, 20);
	return tap_done();
}
