/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scenarios of the layout functions for tests/fault/t_fault_calls.c.
 *
 * Each opens a layout of this process, of it by its number, or of a file, and
 * makes one kind of call on it. A reading that failed has ended, so each call
 * begins with a rewind.
 *
 * Concurrency: one thread.
 */
#include "support/fault_loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tap/tap.h"

#define GIB (UINT64_C(1) << 30)

static void open_or_bail(struct fault_world *world)
{
	int err = vas_layout_open(&world->layout_opts, &world->layout);

	if (err)
		tap_bail("no layout: %d", err);
}

static void layout_of_self(struct fault_world *world)
{
	memset(&world->layout_opts, 0, sizeof(world->layout_opts));
	world->layout_opts.size = sizeof(world->layout_opts);
	world->layout_opts.buffer_size = 4096;
}

static void layout_of_pid(struct fault_world *world)
{
	layout_of_self(world);
	world->layout_opts.pid = getpid();
}

static void layout_of_nobody(struct fault_world *world)
{
	layout_of_self(world);
	world->layout_opts.pid = INT32_MAX;
}

static void layout_of_file(struct fault_world *world)
{
	layout_of_self(world);
	world->layout_opts.source = VAS_LAYOUT_FILE;
	world->layout_opts.path = "/proc/self/maps";
}

static void open_self(struct fault_world *world)
{
	layout_of_self(world);
	open_or_bail(world);
}

static void open_pid(struct fault_world *world)
{
	layout_of_pid(world);
	open_or_bail(world);
}

static void open_file(struct fault_world *world)
{
	layout_of_file(world);
	open_or_bail(world);
}

static void open_no_query(struct fault_world *world)
{
	world->recorder.no_query = true;
	vas_probe_reset();
	open_self(world);
}

static void open_clipped(struct fault_world *world)
{
	world->recorder.refuses_names = true;
	open_self(world);
}

static void close_layout(struct fault_world *world)
{
	vas_layout_close(world->layout);
	world->layout = NULL;
	world->recorder.no_query = false;
	world->recorder.refuses_names = false;
}

static int call_open(struct fault_world *world)
{
	return vas_layout_open(&world->layout_opts, &world->out.layout);
}

static void undo_open(struct fault_world *world)
{
	vas_layout_close(world->out.layout);
}

static void rewind_layout(struct fault_world *world)
{
	if (vas_layout_rewind(world->layout))
		tap_bail("the layout cannot be rewound");
}

/* Reads to the end. The output is that of the step that failed. */
static int call_next(struct fault_world *world)
{
	struct vas_mapping mapping;
	int got;

	do
		got = vas_layout_next(world->layout, &mapping);
	while (got == 1);
	return got;
}

static int call_next_gap(struct fault_world *world)
{
	struct vas_gap gap;
	int got;

	do
		got = vas_layout_next_gap(world->layout, &gap);
	while (got == 1);
	return got;
}

static int call_one(struct fault_world *world)
{
	return vas_layout_next(world->layout, &world->out.mapping);
}

static int call_one_gap(struct fault_world *world)
{
	return vas_layout_next_gap(world->layout, &world->out.gap);
}

static int call_rewind(struct fault_world *world)
{
	return vas_layout_rewind(world->layout);
}

static int call_at(struct fault_world *world)
{
	return vas_layout_at(world->layout, (uint64_t)(uintptr_t)&vas_reserve, &world->out.mapping);
}

static int call_find(struct fault_world *world)
{
	return vas_layout_find(world->layout, world->size, &world->opts, &world->out.span);
}

static void prepare_find(struct fault_world *world)
{
	rewind_layout(world);
	world->size = 16 * world->page;
	world->opts.place = VAS_PLACE_NEAR;
	world->opts.address = (uint64_t)(uintptr_t)&vas_layout_find;
	world->opts.reach = 2 * GIB - 4096;
}

static void prepare_find_holes(struct fault_world *world)
{
	rewind_layout(world);
	fault_many_holes(world);
}

static int call_close(struct fault_world *world)
{
	vas_layout_close(world->layout);
	world->layout = NULL;
	return 0;
}

static void prepare_close(struct fault_world *world)
{
	if (!world->layout)
		open_self(world);
}

const struct fault_scenario fault_layouts[] = {
#define OPEN(title, ...)                                                                           \
	{ .name = "layout_open " title, .function = "vas_layout_open", .call = call_open,          \
	  .undo = undo_open, __VA_ARGS__ }
#define LAYOUT(title, of, ...)                                                                     \
	{ .name = "layout_" title, .function = "vas_layout_" of, .finish = close_layout,           \
	  __VA_ARGS__ }
	OPEN("at first", .prepare = layout_of_self, .cold = true),
	OPEN("of self", .prepare = layout_of_self),
	OPEN("of a process", .prepare = layout_of_pid),
	OPEN("of no process", .prepare = layout_of_nobody, .clean = -ESRCH),
	OPEN("of a file", .prepare = layout_of_file),
	LAYOUT("next", "next", .setup = open_self, .prepare = rewind_layout, .call = call_next),
	LAYOUT("next, one", "next", .setup = open_self, .prepare = rewind_layout,
	       .call = call_one, .clean = 1),
	LAYOUT("next of a process", "next", .setup = open_pid, .prepare = rewind_layout,
	       .call = call_next),
	LAYOUT("next of a file", "next", .setup = open_file, .prepare = rewind_layout,
	       .call = call_next),
	LAYOUT("next_gap", "next_gap", .setup = open_self, .prepare = rewind_layout,
	       .call = call_next_gap),
	LAYOUT("next_gap at first", "next_gap", .setup = open_self, .cold = true,
	       .prepare = rewind_layout, .call = call_one_gap, .clean = 1, .stride = 7),
	LAYOUT("next_gap of a process", "next_gap", .setup = open_pid, .prepare = rewind_layout,
	       .call = call_next_gap),
	LAYOUT("rewind", "rewind", .setup = open_self, .call = call_rewind),
	LAYOUT("at", "at", .setup = open_self, .call = call_at),
	LAYOUT("at of a process", "at", .setup = open_pid, .call = call_at),
	LAYOUT("at, by the text", "at", .setup = open_no_query, .call = call_at),
	LAYOUT("at, with a long name", "at", .setup = open_clipped, .call = call_at),
	LAYOUT("find", "find", .setup = open_self, .prepare = prepare_find, .call = call_find),
	LAYOUT("find at first", "find", .setup = open_self, .cold = true,
	       .prepare = prepare_find, .call = call_find, .stride = 7),
	LAYOUT("find with many holes", "find", .setup = open_pid, .prepare = prepare_find_holes,
	       .call = call_find),
	LAYOUT("close", "close", .prepare = prepare_close, .call = call_close),
};

const size_t fault_layout_count = sizeof(fault_layouts) / sizeof(fault_layouts[0]);
