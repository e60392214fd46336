/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 5 */
/*
 * Views in spans that the caller has already, over the real kernel: what is in the span meanwhile and afterwards, which spans
 * cannot be used, and what notices, other tails and forked children make of it. Views as such are tested by t_view.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/view_looks.h"

#define PAGES 16u /* the arena's maximum */

static uint64_t page;

static struct vas_arena *make_with(enum vas_tail tail, const struct vas_reserve_opts *reserve)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	arena_baseline();
	opts.initial = 4 * page;
	opts.tail = tail;
	opts.reserve = reserve;
	if (vas_arena_create(PAGES * page, &opts, &arena))
		tap_bail("no arena");
	memset(arena_start(arena), 1, 4 * page);
	return arena;
}

static struct vas_arena *make(enum vas_tail tail)
{
	return make_with(tail, NULL);
}

static unsigned char *reserve_with(uint64_t pages, const struct vas_reserve_opts *opts)
{
	struct vas_span span;

	if (vas_reserve(pages * page, opts, &span))
		tap_bail("no span");
	return vas_span_pointer(span);
}

static unsigned char *reserve(uint64_t pages)
{
	return reserve_with(pages, NULL);
}

static int open_in(struct vas_arena *arena, void *start, uint64_t pages, struct vas_view **view)
{
	VAS_OPTS(vas_view_opts, opts);
	opts.start = start;
	opts.extent = pages * page;
	return vas_view_open(arena, &opts, view);
}

static struct vas_view *view_in(struct vas_arena *arena, void *start, uint64_t pages)
{
	struct vas_view *view = NULL;
	int err = open_in(arena, start, pages, &view);

	if (err)
		tap_bail("no view: %d", err);
	return view;
}

/* It is owned, nothing can be touched, and it can be used again. */
static void is_empty(unsigned char *span, uint64_t pages, const char *what)
{
	is_i64(touch(span, false), SIGSEGV, "%s: nothing is there", what);
	is_i64(touch(span + (pages - 1) * page, false), SIGSEGV, "%s: nor at the end", what);
	is_err(vas_commit(span, pages * page, NULL), 0, "%s: it takes memory", what);
	ok(span[0] == 0 && span[(pages - 1) * page] == 0, "%s: zeroes", what);
	is_err(vas_decommit(span, pages * page, NULL), 0, "%s: and gives it back", what);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", what);
}

static void end(struct vas_arena *arena, void *span)
{
	if (arena)
		is_err(vas_arena_destroy(arena, NULL), 0, "the arena goes");
	is_err(vas_release(span, NULL), 0, "and the span");
}

/* The upper half of the span stays empty. */
static void test_place(void *unused)
{
	struct vas_arena *arena = make(VAS_TAIL_BARE);
	unsigned char *span = reserve(2 * PAGES), *bytes = arena_start(arena);
	struct vas_view *view = view_in(arena, span, PAGES), *mirror = NULL;
	enum vas_mirror_way way;
	enum vas_retired state;
	uint64_t before;

	(void)unused;
	before = committed();
	ok(view_start(view) == span, "it is where it was wanted");
	is_u64(view_look(view).span.size, 2 * PAGES * page, "in all of the span");
	is_u64(view_look(view).extent, PAGES * page, "of which it takes a part");
	span[page] = 2;
	is_i64(bytes[page], 2, "the arena's bytes");
	is_err(vas_arena_grow(arena, 8 * page, 0, NULL), 0, "grown");
	bytes[7 * page] = 3;
	is_i64(span[7 * page], 3, "in step");
	is_err(vas_arena_shrink(arena, 4 * page), 0, "shrunk");
	is_i64(touch(span + 7 * page, false), SIGBUS, "in step");
	is_i64(touch(span + PAGES * page, false), SIGSEGV, "beyond the extent nothing is shown");
	is_err(vas_mirror_open(span, 2 * page, NULL, &way, &mirror), 0, "a mirror of it");
	is_i64((int)way, VAS_MIRROR_ARENA, "is a view, too");
	is_err(vas_view_close(mirror, NULL), 0, "and goes");
	is_err(vas_mirror_open(span + PAGES * page, page, NULL, &way, &mirror), EOPNOTSUPP,
	       "the rest is nobody's memory");
	is_err(vas_commit(span + PAGES * page, page, NULL), EBUSY, "nothing else comes in");
	is_err(vas_release(span, NULL), EBUSY, "nor does the span go");
	is_u64(committed(), before, "as much is committed as before");
	is_err(vas_view_close(view, &state), 0, "closed");
	is_i64((int)state, VAS_RETIRED_GONE, "it is gone");
	is_empty(span, 2 * PAGES, "closed");
	view = view_in(arena, span, 2);
	is_i64(span[page], 2, "another one, at the same place");
	is_err(vas_arena_destroy(arena, NULL), 0, "the arena goes with its views");
	is_empty(span, 2 * PAGES, "destroyed");
	end(NULL, span);
}

static void refused(struct vas_arena *arena, void *start, uint64_t pages, int err,
		    const char *reason, const char *what)
{
	struct vas_view *view = NULL;

	is_err(open_in(arena, start, pages, &view), err, "%s", what);
	is_str(arena_reason(), reason, "%s: why", what);
	ok(!view, "%s: no view", what);
}

static void test_refused(void *unused)
{
	struct vas_arena *arena = make(VAS_TAIL_BARE);
	unsigned char *span = reserve(PAGES);
	struct vas_view *view;
	struct vas_span other;

	VAS_OPTS(vas_reserve_opts, opts);
	(void)unused;
	refused(arena, span + page, 1, ENOENT, "not-owned", "not where a span begins");
	refused(arena, arena_start(arena), 1, EBUSY, "used", "the arena's own span");
	if (vas_commit(span + 2 * page, page, NULL))
		tap_bail("no memory");
	refused(arena, span, 1, EBUSY, "used", "something is committed there");
	if (vas_decommit(span, PAGES * page, NULL))
		tap_bail("it stays");
	view = view_in(arena, span, 1);
	refused(arena, span, 1, EBUSY, "used", "another view is there");
	is_err(vas_view_close(view, NULL), 0, "closed");
	is_empty(span, PAGES, "after refusals");
	end(NULL, span);
	span = reserve(PAGES / 2);
	refused(arena, span, PAGES, EINVAL, "argument", "a small span");
	is_empty(span, PAGES / 2, "a small span");
	end(NULL, span);
	opts.fork = VAS_FORK_ABSENT;
	if (vas_reserve(PAGES * page, &opts, &other))
		tap_bail("no span");
	span = vas_span_pointer(other);
	refused(arena, span, PAGES, EOPNOTSUPP, "fork-policy", "another fork policy");
	is_empty(span, PAGES, "another fork policy");
	end(arena, span);
}

static struct vas_view *told_view;
static unsigned int told[8], told_refused;
static bool veto;

static int on_notice(void *context, const struct vas_notice *notice)
{
	if (notice->span.start - (uint64_t)(uintptr_t)context >= PAGES * page)
		return 0;
	if (notice->phase == VAS_NOTICE_AFTER && notice->change < 8)
		told[notice->change]++;
	if (told_view && vas_view_close(told_view, NULL) == -EDEADLK)
		told_refused++;
	return veto && notice->phase == VAS_NOTICE_BEFORE && !notice->final ? -EBUSY : 0;
}

static void test_notices(void *unused)
{
	struct vas_arena *arena = make(VAS_TAIL_NONE);
	unsigned char *span = reserve(PAGES);
	struct vas_view *view;
	uint64_t id;

	(void)unused;
	if (vas_notice_subscribe(NULL, on_notice, span, &id))
		tap_bail("no notices");
	veto = true;
	refused(arena, span, PAGES, EBUSY, "veto", "a subscriber refuses");
	veto = false;
	view = told_view = view_in(arena, span, PAGES);
	is_i64(touch(span + 5 * page, false), SIGSEGV, "its tail is the arena's");
	is_err(vas_arena_grow(arena, 8 * page, 0, NULL), 0, "grown");
	is_i64(touch(span + 5 * page, true), 0, "in step");
	ok(told_refused > 0, "it cannot be closed inside a notice");
	told_view = NULL;
	is_err(vas_view_close(view, NULL), 0, "but outside");
	is_u64(told[VAS_CHANGE_COMMIT], 1, "told of the view");
	is_u64(told[VAS_CHANGE_GROW], 1, "and of growth");
	is_u64(told[VAS_CHANGE_DECOMMIT], 1, "and of the end");
	is_u64(told[VAS_CHANGE_RELEASE], 0, "but not of a release");
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	is_empty(span, PAGES, "a tail");
	end(arena, span);
}

/* The child's use ends; the memory and the parent's view are as they were. */
static void in_child(struct vas_view *view, unsigned char *span)
{
	enum vas_retired state = VAS_RETIRED_HELD;
	int wrong = 0;

	if (span[0] != 1)
		wrong |= 1;
	if (vas_view_close(view, &state) || state != VAS_RETIRED_GONE)
		wrong |= 2;
	if (touch(span, false) != SIGSEGV || vas_sync_check(NULL))
		wrong |= 4;
	if (vas_release(span, NULL))
		wrong |= 8;
	_exit(wrong);
}

static void check_fork(enum vas_fork policy, const char *name)
{
	struct vas_arena *arena;
	struct vas_view *view;
	unsigned char *span;
	int status = -1;
	pid_t child;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = policy;
	arena = make_with(VAS_TAIL_BARE, &opts);
	span = reserve_with(PAGES, &opts);
	view = view_in(arena, span, PAGES);
	child = fork();
	if (child == 0)
		in_child(view, span);
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	is_i64(status, 0, "%s: a child closes it and keeps the span", name);
	is_i64(span[0], 1, "%s: the parent has it still", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	is_err(vas_view_close(view, NULL), 0, "%s: and closes it", name);
	is_empty(span, PAGES, name);
	end(arena, span);
}

static void test_fork(void *unused)
{
	(void)unused;
	check_fork(VAS_FORK_DEFAULT, "shared");
	check_fork(VAS_FORK_COPY, "copied");
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("in the caller's span", test_place, NULL, 10);
	tap_case("spans that will not do", test_refused, NULL, 10);
	tap_case("notices and tails", test_notices, NULL, 10);
	tap_case("forked children", test_fork, NULL, 10);
	return tap_done();
}
