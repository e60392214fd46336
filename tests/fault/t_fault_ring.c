/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Every call on a ring with every kernel call that it makes failing in turn: what it answers is a row of its table, and
 * a failure leaves nothing behind. support/fault_loop.h has the loop and what is compared.
 */
#include <string.h>

#include "arena/ring.h"
#include "support/fault_loop.h"
#include "tap/tap.h"

#define PAGES 4u
#define COPIES 3u

/* What the calls work on: one case is one process. */
static struct vas_ring *ring;

static void must(int err, const char *what)
{
	if (err)
		tap_bail("%s: %d", what, err);
}

static int make(struct fault_world *world, struct vas_ring **made)
{
	VAS_OPTS(vas_ring_opts, opts);
	VAS_OPTS(vas_arena_opts, arena);
	arena.reserve = &world->opts;
	opts.arena = &arena;
	opts.copies = COPIES;
	return vas_ring_create(PAGES * world->page, &opts, made);
}

static void setup(struct fault_world *world)
{
	must(vas_ring_create(PAGES * world->page, NULL, &ring), "no ring");
}

static void finish(struct fault_world *world)
{
	(void)world;
	must(vas_ring_destroy(ring, NULL), "the ring stays");
}

static int call_create(struct fault_world *world)
{
	struct vas_ring *made;
	int err;

	memcpy(&made, &world->out, sizeof(made));
	err = make(world, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_create(struct fault_world *world)
{
	struct vas_ring *made;

	memcpy(&made, &world->out, sizeof(made));
	if (!vas_arena_check(made->arena))
		fault_wrong("it is not whole");
	must(vas_ring_destroy(made, NULL), "what was made cannot be ended");
}

static int call_get(struct fault_world *world)
{
	struct vas_ring_info info = { .size = sizeof(info) };

	return vas_ring_get(ring, &info) || info.bytes != PAGES * world->page;
}

static int call_destroy(struct fault_world *world)
{
	(void)world;
	return vas_ring_destroy(ring, NULL);
}

static const struct fault_scenario scenarios[] = {
	{ .name = "create", .function = "vas_ring_create", .call = call_create,
	  .undo = undo_create },
	{ .name = "get", .function = "vas_ring_get", .setup = setup, .call = call_get,
	  .finish = finish },
	{ .name = "destroy", .function = "vas_ring_destroy", .prepare = setup,
	  .call = call_destroy },
};

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(scenarios);
	return tap_done();
}
