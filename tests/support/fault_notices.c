/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault scenarios of adoption and of notices: subscribing, and changes of which
 * somebody is told, who notes whether each BEFORE was followed by its end.
 */
#include "support/fault_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tap/tap.h"

#define PAGES 16u

/* --- adoption --- */

/* Mapped through the recorder, which then knows it as ours. */
static void setup_mapped(struct fault_world *world, int prot)
{
	struct vas_sys *sys = &world->recorder.sys;
	int64_t got = sys->map(sys, 0, PAGES * world->page, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

	if (got < 0)
		tap_bail("nothing mapped");
	world->more[0] = (struct vas_span){ (uint64_t)got, PAGES * world->page };
	if (prot)
		memset(vas_span_pointer(world->more[0]), 0x3c, world->more[0].size);
}

static void setup_closed(struct fault_world *world)
{
	setup_mapped(world, PROT_NONE);
}

static void setup_open(struct fault_world *world)
{
	setup_mapped(world, PROT_READ | PROT_WRITE);
}

static void finish_mapped(struct fault_world *world)
{
	struct vas_sys *sys = &world->recorder.sys;

	if (sys->unmap(sys, world->more[0].start, world->more[0].size) < 0)
		tap_bail("what was mapped cannot be unmapped");
}

static int adopt(struct fault_world *world, uint32_t flags, enum vas_fork fork)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_LOCAL };

	VAS_OPTS(vas_adopt_opts, opts);
	opts.flags = flags;
	opts.fork = fork;
	opts.policy = &policy;
	return vas_adopt(vas_span_pointer(world->more[0]), world->more[0].size, &opts);
}

static int call_adopt(struct fault_world *world)
{
	return adopt(world, VAS_ADOPT_NODUMP, VAS_FORK_ABSENT);
}

static int call_adopt_committed(struct fault_world *world)
{
	int err = adopt(world, VAS_ADOPT_NODUMP | VAS_ADOPT_COMMITTED, VAS_FORK_WIPE);
	const unsigned char *bytes = vas_span_pointer(world->more[0]);

	if (bytes[0] != 0x3c || bytes[world->more[0].size - 1] != 0x3c)
		ok(false, "contents changed");
	return err;
}

static void undo_adopt(struct fault_world *world)
{
	if (vas_disown(vas_span_pointer(world->more[0])))
		tap_bail("what was adopted cannot be disowned");
}

static void setup_disown(struct fault_world *world)
{
	setup_open(world);
	if (call_adopt_committed(world))
		tap_bail("nothing was adopted");
}

static void finish_disown(struct fault_world *world)
{
	undo_adopt(world);
	finish_mapped(world);
}

static int call_disown(struct fault_world *world)
{
	return vas_disown(vas_span_pointer(world->more[0]));
}

static void undo_disown(struct fault_world *world)
{
	if (call_adopt_committed(world))
		tap_bail("it cannot be adopted again");
}

/* --- notices --- */

static struct {
	uint64_t id;
	unsigned int before, after, cancelled;
} told;

static int note(void *context, const struct vas_notice *notice)
{
	(void)context;
	told.before += notice->phase == VAS_NOTICE_BEFORE;
	told.after += notice->phase == VAS_NOTICE_AFTER;
	told.cancelled += notice->phase == VAS_NOTICE_CANCELLED;
	return 0;
}

static int call_subscribe(struct fault_world *world)
{
	return vas_notice_subscribe(NULL, note, NULL, &world->out.number);
}

static void undo_subscribe(struct fault_world *world)
{
	if (vas_notice_cancel(world->out.number))
		tap_bail("a subscription cannot be cancelled");
}

static void setup_told(struct fault_world *world)
{
	(void)world;
	memset(&told, 0, sizeof(told));
	if (vas_notice_subscribe(NULL, note, NULL, &told.id))
		tap_bail("nobody can subscribe");
	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
}

static void finish_told(struct fault_world *world)
{
	if (told.before == 0 || told.before != told.after + told.cancelled)
		ok(false, "a notice before was not followed by its end");
	if (vas_notice_cancel(told.id) || vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("nothing can be given back");
}

static int call_told_commit(struct fault_world *world)
{
	unsigned int after = told.after;
	int err = vas_commit(vas_span_pointer(world->more[0]), 4 * world->page, NULL);

	if (told.after - after != (err == 0))
		ok(false, "not told as it came out: %d", err);
	return err;
}

static int call_told_release(struct fault_world *world)
{
	unsigned int after = told.after;
	int err = vas_release(vas_span_pointer(world->more[0]), NULL);

	if (err || told.after - after != 1)
		ok(false, "not told that it was released: %d", err);
	return err;
}

static void undo_told_release(struct fault_world *world)
{
	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
}

/* --- pressure --- */

static void prepare_pressure(struct fault_world *world)
{
	world->out.pressure.size = sizeof(world->out.pressure);
}

static int call_pressure(struct fault_world *world)
{
	return vas_pressure_get(&world->out.pressure);
}

static unsigned int heard;

static void hear(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	(void)context;
	(void)pressure;
	heard += reasons != 0;
}

static int call_set(struct fault_world *world)
{
	(void)world;
	return vas_pressure_set(hear, NULL, NULL);
}

static void undo_set(struct fault_world *world)
{
	(void)world;
	if (vas_pressure_set(NULL, NULL, NULL))
		tap_bail("the hook cannot be ended");
}

/* A hook that hears of everything: looking fails too. */
static void setup_heard(struct fault_world *world)
{
	VAS_OPTS(vas_pressure_opts, opts);
	opts.vmas_percent = 1;
	opts.cgroup_room = UINT64_MAX;
	if (vas_pressure_set(hear, NULL, &opts))
		tap_bail("no hook");
	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
}

static int call_heard(struct fault_world *world)
{
	return vas_commit(vas_span_pointer(world->more[0]), 4 * world->page, NULL);
}

static void finish_heard(struct fault_world *world)
{
	undo_set(world);
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("nothing can be given back");
}

static int call_reclaim(struct fault_world *world)
{
	return vas_reclaim(UINT64_MAX, &world->out.number);
}

/* A span that the kernel refused to take back at first. */
static void setup_held(struct fault_world *world)
{
	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
	world->fault.operation = "unmap";
	vas_sys_fault_arm(&world->fault, 1, true, ENOMEM);
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("it was not released");
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	world->fault.operation = NULL;
}

/* A part that could not be replaced by the reservation. */
static void setup_unretired(struct fault_world *world)
{
	char *start;

	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
	start = vas_span_pointer(world->more[0]);
	if (vas_commit(start, 8 * world->page, NULL))
		tap_bail("no memory");
	world->fault.operation = "map";
	vas_sys_fault_arm(&world->fault, 1, true, ENOMEM);
	if (vas_decommit(start + 2 * world->page, 2 * world->page, NULL))
		tap_bail("it was not given back");
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	world->fault.operation = NULL;
}

static void finish_unretired(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("nothing can be given back");
}

const struct fault_scenario fault_notices[] = {
	{ .name = "adopt", .function = "vas_adopt", .call = call_adopt, .undo = undo_adopt,
	  .setup = setup_closed, .finish = finish_mapped },
	{ .name = "adopt what is committed", .function = "vas_adopt",
	  .call = call_adopt_committed, .undo = undo_adopt, .setup = setup_open,
	  .finish = finish_mapped },
	{ .name = "disown", .function = "vas_disown", .call = call_disown, .undo = undo_disown,
	  .setup = setup_disown, .finish = finish_disown },
	{ .name = "subscribe", .function = "vas_notice_subscribe", .call = call_subscribe,
	  .undo = undo_subscribe },
	{ .name = "subscribe at first", .function = "vas_notice_subscribe",
	  .call = call_subscribe, .undo = undo_subscribe, .cold = true, .stride = 11 },
	{ .name = "commit, told", .function = "vas_commit", .call = call_told_commit,
	  .setup = setup_told, .finish = finish_told },
	{ .name = "release, told", .function = "vas_release", .call = call_told_release,
	  .undo = undo_told_release, .setup = setup_told, .finish = finish_told },
	{ .name = "pressure_get", .function = "vas_pressure_get", .call = call_pressure,
	  .prepare = prepare_pressure, .stride = 7 },
	{ .name = "pressure_get at first", .function = "vas_pressure_get", .call = call_pressure,
	  .prepare = prepare_pressure, .cold = true, .stride = 7 },
	{ .name = "pressure_set", .function = "vas_pressure_set", .call = call_set,
	  .undo = undo_set },
	{ .name = "pressure_set at first", .function = "vas_pressure_set", .call = call_set,
	  .undo = undo_set, .cold = true, .stride = 11 },
	{ .name = "commit, heard", .function = "vas_commit", .call = call_heard,
	  .setup = setup_heard, .finish = finish_heard, .stride = 7 },
	{ .name = "reclaim", .function = "vas_reclaim", .call = call_reclaim,
	  .setup = setup_held },
	{ .name = "reclaim where nothing can be mapped", .function = "vas_reclaim",
	  .call = call_reclaim, .setup = setup_unretired, .finish = finish_unretired, .also = "map" },
};
const size_t fault_notice_count = sizeof(fault_notices) / sizeof(fault_notices[0]);
