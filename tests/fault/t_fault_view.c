/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 12 */
/*
 * Every call on views with every kernel call that it makes failing in turn, and an arena with views that grows and shrinks: what it
 * answers is a row of its table, and a failure leaves the arena and all views as they were. support/fault_loop.h
 * has the loop and what is compared.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "support/fault_loop.h"
#include "support/view_looks.h"

#define PAGES 64u
#define BEGIN 4u /* pages that it begins with */
#define VIEWS 3u

/* What the calls work on: one case is one process. */
static struct vas_arena *arena;
static struct vas_view *views[VIEWS];
static struct vas_span lent; /* a view may be in it */
static unsigned char *starts[VIEWS];
static enum vas_tail tail;

static void setup(struct fault_world *world)
{
	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_view_opts, view_opts);
	opts.initial = BEGIN * world->page;
	opts.tail = tail;
	must(vas_arena_create(PAGES * world->page, &opts, &arena), "no arena");
	views[0] = vas_view_first(arena);
	for (unsigned int i = 1; i < VIEWS; i++) {
		view_opts.offset = (i - 1) * world->page;
		must(vas_view_open(arena, &view_opts, &views[i]), "no view");
	}
	for (unsigned int i = 0; i < VIEWS; i++)
		starts[i] = view_start(views[i]);
	starts[0][0] = 0x5a;
	starts[0][BEGIN * world->page - 1] = 0x5b;
}

static void setup_none(struct fault_world *world)
{
	tail = VAS_TAIL_NONE;
	setup(world);
}

static void setup_guard(struct fault_world *world)
{
	tail = VAS_TAIL_GUARD;
	setup(world);
}

static void setup_watched(struct fault_world *world)
{
	setup(world);
	fault_watch();
}

/* Whether all is as it began: after a failure, and after what undid a success. */
static void check(struct fault_world *world)
{
	uint64_t last = BEGIN * world->page - 1;
	unsigned int count = 0;

	if (!vas_arena_check(arena) || vas_arena_size(arena) != last + 1)
		fault_wrong("the arena is not as it was");
	for (struct vas_view *view = vas_view_first(arena); view; view = view->next)
		count++;
	if (count != VIEWS || starts[0][0] != 0x5a || starts[0][last] != 0x5b ||
	    starts[1][0] != 0x5a || starts[1][last] != 0x5b || starts[2][last - world->page] != 0x5b)
		fault_wrong("a view is not as it was");
	for (unsigned int i = 0; i < VIEWS; i++) {
		struct vas_view_info info = { .size = sizeof(info) };

		must(vas_view_get(views[i], &info), "it tells nothing");
		if (info.prot != (PROT_READ | PROT_WRITE))
			fault_wrong("a view has another protection");
	}
}

static void finish(struct fault_world *world)
{
	check(world);
	must(vas_arena_destroy(arena, NULL), "the arena stays");
}

static void finish_watched(struct fault_world *world)
{
	fault_unwatch();
	finish(world);
}

static int open_with(struct fault_world *world, uint32_t flags)
{
	struct vas_view *made;
	int err;

	VAS_OPTS(vas_view_opts, opts);
	opts.reserve = &world->opts;
	opts.flags = flags;
	memcpy(&made, &world->out, sizeof(made));
	err = vas_view_open(arena, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static int call_open(struct fault_world *world)
{
	return open_with(world, 0);
}

static int call_open_private(struct fault_world *world)
{
	return open_with(world, VAS_VIEW_PRIVATE);
}

static void undo_open(struct fault_world *world)
{
	struct vas_view *made;

	memcpy(&made, &world->out, sizeof(made));
	if (view_start(made)[0] != 0x5a)
		fault_wrong("it shows something else");
	must(vas_view_close(made, NULL), "what was opened cannot be closed");
	check(world);
}

static void prepare_recipe(struct fault_world *world)
{
	world->opts.flags = VAS_RESERVE_NODUMP;
}

static void setup_lent(struct fault_world *world)
{
	VAS_OPTS(vas_reserve_opts, opts);
	setup(world);
	opts.flags = VAS_RESERVE_NODUMP;
	must(vas_reserve(PAGES * world->page, &opts, &lent), "no span");
}

static int call_open_lent(struct fault_world *world)
{
	struct vas_view *made;
	int err;

	VAS_OPTS(vas_view_opts, opts);
	opts.start = vas_span_pointer(lent);
	memcpy(&made, &world->out, sizeof(made));
	err = vas_view_open(arena, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void finish_lent(struct fault_world *world)
{
	finish(world);
	must(vas_release(vas_span_pointer(lent), NULL), "the span stays");
}

static void setup_close_lent(struct fault_world *world)
{
	setup_lent(world);
	must(call_open_lent(world), "no view");
	memcpy(&views[1], &world->out, sizeof(views[1]));
}

static void finish_close_lent(struct fault_world *world)
{
	(void)world;
	(void)vas_reclaim(UINT64_MAX, NULL);
	must(vas_commit(vas_span_pointer(lent), lent.size, NULL), "the span is not the caller's");
	if (*(unsigned char *)vas_span_pointer(lent))
		fault_wrong("it shows the arena");
	must(vas_arena_destroy(arena, NULL), "the arena stays");
	must(vas_release(vas_span_pointer(lent), NULL), "the span stays");
}

static int call_protect(struct fault_world *world)
{
	(void)world;
	return vas_view_protect(views[1], PROT_READ);
}

static void undo_protect(struct fault_world *world)
{
	must(vas_view_protect(views[1], PROT_READ | PROT_WRITE), "it stays as it is");
	starts[1][0] = 0x5a;
	check(world);
}

static int call_grow(struct fault_world *world)
{
	return vas_arena_grow(arena, 16 * world->page, 0, &world->out.number);
}

static void undo_grow(struct fault_world *world)
{
	for (unsigned int i = 0; i < VIEWS; i++)
		if (starts[i][14 * world->page] != 0)
			fault_wrong("view %u did not grow", i);
	must(vas_arena_shrink(arena, BEGIN * world->page), "it cannot be shrunk");
	check(world);
}

static int call_shrink(struct fault_world *world)
{
	return vas_arena_shrink(arena, world->page);
}

static void undo_shrink(struct fault_world *world)
{
	must(vas_arena_grow(arena, BEGIN * world->page, 0, NULL), "it cannot grow again");
	if (starts[1][BEGIN * world->page - 1] != 0)
		fault_wrong("what was given back is there still");
	starts[2][BEGIN * world->page - 1 - world->page] = 0x5b;
	check(world);
}

static int call_close(struct fault_world *world)
{
	(void)world;
	return vas_view_close(views[1], NULL);
}

static void finish_close(struct fault_world *world)
{
	(void)world;
	must(vas_arena_destroy(arena, NULL), "the arena stays");
}

static int call_destroy(struct fault_world *world)
{
	(void)world;
	return vas_arena_destroy(arena, NULL);
}

static const struct fault_scenario scenarios[] = {
	{ .name = "open", .function = "vas_view_open", .setup = setup, .call = call_open,
	  .undo = undo_open, .finish = finish },
	{ .name = "open: with a recipe", .function = "vas_view_open", .setup = setup,
	  .prepare = prepare_recipe, .call = call_open, .undo = undo_open, .finish = finish },
	{ .name = "open: private", .function = "vas_view_open", .setup = setup,
	  .call = call_open_private, .undo = undo_open, .finish = finish },
	{ .name = "open: watched", .function = "vas_view_open", .setup = setup_watched,
	  .call = call_open, .undo = undo_open, .finish = finish_watched },
	{ .name = "protect", .function = "vas_view_protect", .setup = setup, .call = call_protect,
	  .undo = undo_protect, .finish = finish },
	{ .name = "grow", .function = "vas_arena_grow", .setup = setup, .call = call_grow,
	  .undo = undo_grow, .finish = finish },
	{ .name = "open: NONE", .function = "vas_view_open", .setup = setup_none, .call = call_open,
	  .undo = undo_open, .finish = finish },
	{ .name = "open: GUARD", .function = "vas_view_open", .setup = setup_guard,
	  .call = call_open, .undo = undo_open, .finish = finish },
	{ .name = "protect: NONE", .function = "vas_view_protect", .setup = setup_none,
	  .call = call_protect, .undo = undo_protect, .finish = finish },
	{ .name = "grow: NONE", .function = "vas_arena_grow", .setup = setup_none,
	  .call = call_grow, .undo = undo_grow, .finish = finish },
	{ .name = "grow: GUARD", .function = "vas_arena_grow", .setup = setup_guard,
	  .call = call_grow, .undo = undo_grow, .finish = finish },
	{ .name = "shrink: NONE", .function = "vas_arena_shrink", .setup = setup_none,
	  .call = call_shrink, .undo = undo_shrink, .finish = finish, .partial = true },
	{ .name = "shrink: GUARD", .function = "vas_arena_shrink", .setup = setup_guard,
	  .call = call_shrink, .undo = undo_shrink, .finish = finish },
	{ .name = "grow: watched", .function = "vas_arena_grow", .setup = setup_watched,
	  .call = call_grow, .undo = undo_grow, .finish = finish_watched },
	{ .name = "shrink", .function = "vas_arena_shrink", .setup = setup, .call = call_shrink,
	  .undo = undo_shrink, .finish = finish },
	{ .name = "close", .function = "vas_view_close", .prepare = setup, .call = call_close,
	  .undo = finish_close },
	{ .name = "open in a span", .function = "vas_view_open", .setup = setup_lent,
	  .call = call_open_lent, .undo = undo_open, .finish = finish_lent },
	{ .name = "close in a span", .function = "vas_view_close", .prepare = setup_close_lent,
	  .call = call_close, .undo = finish_close_lent },
	{ .name = "destroy", .function = "vas_arena_destroy", .prepare = setup,
	  .call = call_destroy },
};

static bool is_of_views(const char *file)
{
	return strstr(file, "src/arena/tail.c") != NULL;
}

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(scenarios);
	fault_sites_report(is_of_views);
	return tap_done();
}
