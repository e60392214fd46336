/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Every call on a ring or a queue with every kernel call that it makes failing in turn: what it answers is a row of its table, and
 * a failure leaves nothing behind. support/fault_loop.h has the loop and what is compared.
 */
#include <string.h>

#include "arena/queue.h"
#include "support/fault_loop.h"
#include "tap/tap.h"

#define PAGES  4u
#define COPIES 3u

/* What the calls work on: one case is one process. */
static struct vas_ring *ring;

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

static int call_open(struct fault_world *world)
{
	struct vas_ring_info info = { .size = sizeof(info) };
	struct vas_ring *made;
	int err;

	VAS_OPTS(vas_ring_opts, opts);
	VAS_OPTS(vas_arena_opts, arena);
	arena.reserve = &world->opts;
	opts.arena = &arena;
	must(vas_ring_get(ring, &info), "it tells nothing");
	memcpy(&made, &world->out, sizeof(made));
	err = vas_ring_open(info.fd, info.header, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
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

/* --- queues --- */

static struct vas_queue *queue;
static struct vas_queue_end end;

static int make_queue(struct fault_world *world, struct vas_queue **made)
{
	VAS_OPTS(vas_queue_opts, opts);
	VAS_OPTS(vas_ring_opts, of_ring);
	VAS_OPTS(vas_arena_opts, arena);
	arena.reserve = &world->opts;
	of_ring.arena = &arena;
	opts.ring = &of_ring;
	return vas_queue_create(PAGES * world->page, &opts, made);
}

static void setup_queue(struct fault_world *world)
{
	VAS_OPTS(vas_queue_opts, opts);
	opts.flags = VAS_QUEUE_WAITS;
	must(vas_queue_create(PAGES * world->page, &opts, &queue), "no queue");
}

static void finish_queue(struct fault_world *world)
{
	(void)world;
	must(vas_queue_destroy(queue, NULL), "the queue stays");
}

static int call_queue_create(struct fault_world *world)
{
	struct vas_queue *made;
	int err;

	memcpy(&made, &world->out, sizeof(made));
	err = make_queue(world, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static int call_queue_open(struct fault_world *world)
{
	struct vas_ring_info info = { .size = sizeof(info) };
	struct vas_queue *made;
	int err;

	VAS_OPTS(vas_queue_opts, opts);
	VAS_OPTS(vas_ring_opts, of_ring);
	VAS_OPTS(vas_arena_opts, arena);
	arena.reserve = &world->opts;
	of_ring.arena = &arena;
	opts.ring = &of_ring;
	must(vas_queue_ring(queue, &info), "it tells nothing");
	memcpy(&made, &world->out, sizeof(made));
	err = vas_queue_open(info.fd, info.header, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_queue_create(struct fault_world *world)
{
	struct vas_queue *made;

	memcpy(&made, &world->out, sizeof(made));
	must(vas_queue_destroy(made, NULL), "what was made cannot be ended");
}

static int call_join(struct fault_world *world)
{
	struct vas_queue_end made;
	int err;

	memcpy(&made, &world->out, sizeof(made));
	err = vas_queue_join(queue, VAS_QUEUE_PRODUCER, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_join(struct fault_world *world)
{
	memcpy(&end, &world->out, sizeof(end));
	must(vas_queue_put(&end, "a", 1), "it does not put");
	must(vas_queue_leave(&end), "it does not leave");
}

static void setup_end(struct fault_world *world)
{
	setup_queue(world);
	must(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &end), "nobody joins");
}

static void finish_end(struct fault_world *world)
{
	must(vas_queue_leave(&end), "it does not leave");
	finish_queue(world);
}

/* Somebody sleeps, who says so. Whether he can be woken is no matter of who puts. */
static int call_put(struct fault_world *world)
{
	(void)world;
	queue->page->sleepers[VAS_QUEUE_CONSUMER].word |= VAS_QUEUE_SLEEPS;
	queue->page->head = queue->page->tail;
	return vas_queue_put(&end, "a", 1);
}

/* Nothing comes, in no time; and nobody falls asleep for good because he cannot tell the time, or have a barrier. */
static int call_wait(struct fault_world *world)
{
	(void)world;
	queue->page->head = queue->page->tail - queue->ring->arena->maximum;
	end.seen = queue->page->tail;
	return vas_queue_wait(&end, 1, 1000) == -EAGAIN ? 0 : -EINVAL;
}

static int call_queue_destroy(struct fault_world *world)
{
	(void)world;
	return vas_queue_destroy(queue, NULL);
}

static const struct fault_scenario scenarios[] = {
	{ .name = "create", .function = "vas_ring_create", .call = call_create,
	  .undo = undo_create },
	{ .name = "get", .function = "vas_ring_get", .setup = setup, .call = call_get,
	  .finish = finish },
	{ .name = "destroy", .function = "vas_ring_destroy", .prepare = setup,
	  .call = call_destroy },
	{ .name = "create a queue", .function = "vas_queue_create", .brief = true,
	  .call = call_queue_create, .undo = undo_queue_create },
	{ .name = "open a queue", .function = "vas_queue_open", .brief = true,
	  .setup = setup_queue, .call = call_queue_open, .undo = undo_queue_create,
	  .finish = finish_queue },
	{ .name = "open", .function = "vas_ring_open", .setup = setup, .call = call_open,
	  .undo = undo_create, .finish = finish },
	{ .name = "join", .function = "vas_queue_join", .setup = setup_queue, .call = call_join,
	  .undo = undo_join, .finish = finish_queue },
	{ .name = "put for one that sleeps", .function = "vas_queue_put", .setup = setup_end,
	  .call = call_put, .finish = finish_end },
	{ .name = "wait", .function = "vas_queue_wait", .setup = setup_end, .call = call_wait,
	  .finish = finish_end },
	{ .name = "destroy a queue", .function = "vas_queue_destroy", .prepare = setup_queue,
	  .call = call_queue_destroy },
};

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(scenarios);
	return tap_done();
}
