/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Quarantine over a simulated kernel: when freed blocks are used again, and what of threads that ended, and the
 * delay of addresses in debug mode.
 */
#include <errno.h>

#include "support/region_world.h"
#include "tap/tap.h"

#define PAGE 4096u

static struct region_world *world;

static bool alive = true;
static uint32_t next_id = 1000, asked;

static int64_t fake_id(struct vas_sys *sys)
{
	(void)sys;
	return next_id;
}

static int64_t fake_alive(struct vas_sys *sys, uint32_t thread)
{
	(void)sys;
	(void)thread;
	asked++;
	return alive;
}

static void begin(uint32_t flags)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .flags = flags };

	world = region_world_begin(PAGE, 47);
	world->sim.sys.thread_id = fake_id;
	world->sim.sys.thread_alive = fake_alive;
	alive = true;
	asked = 0;
	is_err(world_make(world, 64 * PAGE, &opts), 0, "a region");
}

static struct vas_region_thread *join(void)
{
	struct vas_region_thread *thread = NULL;

	next_id++;
	is_err(vas_quarantine_join(world->region, &world->failure, &thread), 0, "a thread joins");
	return thread;
}

static uint64_t take(uint64_t pages, uint32_t flags)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = flags };
	uint64_t start = 0;

	is_err(world_alloc(world, pages * PAGE, &opts, &start), 0, "%u pages", (unsigned int)pages);
	return start;
}

static uint64_t waiting(void)
{
	return world_stats(world).waiting;
}

static void test_pass(void)
{
	struct vas_region_thread *first, *second;
	uint64_t start, other;

	begin(VAS_REGION_QUARANTINE);
	first = join();
	second = join();
	ok(first != second, "each has a handle");
	is_u64(world_give(world, take(4, VAS_ALLOC_COMMIT)), VAS_RETIRED_WAITING, "it may wait");
	is_u64(waiting(), 0, "nobody is inside: it has gone already");
	vas_region_enter(first);
	start = take(4, VAS_ALLOC_COMMIT);
	other = take(4, 0);
	is_u64(world_give(world, start), VAS_RETIRED_WAITING, "it waits");
	is_u64(world_give(world, other), VAS_RETIRED_WAITING, "one without memory too");
	is_u64(waiting(), 8 * PAGE, "both wait");
	is_u64(world_stats(world).used, 0, "nobody has them");
	is_u64(world_accessible(world), 4 * PAGE, "what is in it can still be read");
	is_err(world_free(world, start), ENOENT, "they are freed");
	world_check(world, "waiting");
	vas_region_enter(second);
	is_u64(vas_quarantine_advance(world->region, 100, false), 0, "one is inside still");
	vas_region_enter(first);
	vas_region_leave(first);
	is_u64(vas_quarantine_advance(world->region, 100, false), 0, "it had entered twice");
	vas_region_leave(first);
	is_u64(vas_quarantine_advance(world->region, 100, false), 8 * PAGE,
	       "it left; the other entered after the frees");
	is_u64(world_accessible(world), 0, "the memory is gone");
	start = take(4, VAS_ALLOC_COMMIT);
	(void)world_give(world, start);
	is_u64(waiting(), 4 * PAGE, "now the other is in the way");
	vas_region_enter(first);
	vas_region_leave(second);
	is_u64(vas_quarantine_advance(world->region, 100, false), 4 * PAGE, "not any more");
	is_err(vas_quarantine_quit(first, &world->failure), 0, "the first quits, though inside");
	is_err(vas_quarantine_quit(first, &world->failure), EINVAL, "once");
	(void)world_give(world, take(1, 0));
	is_u64(waiting(), 0, "it is in nobody's way");
	region_world_end(world);
}

static void test_dead(void)
{
	struct vas_region_thread *thread, *again = NULL;
	uint64_t start = 0;

	begin(VAS_REGION_QUARANTINE);
	thread = join();
	vas_region_enter(thread);
	for (uint32_t i = 0; i < 40; i++)
		(void)world_give(world, take(1, VAS_ALLOC_COMMIT));
	is_u64(waiting(), 40 * PAGE, "all wait for it");
	is_u64(asked, 0, "nobody asked for the thread");
	is_err(world_alloc(world, 40 * PAGE, NULL, &start), ENOSPC, "there is no room");
	ok(asked > 0, "it was asked for before that was refused");
	is_u64(waiting(), 40 * PAGE, "it lives");
	alive = false;
	is_err(world_alloc(world, 40 * PAGE, NULL, &start), 0, "when it has died there is");
	is_u64(waiting(), 0, "nothing waits");
	alive = true;
	is_err(vas_quarantine_join(world->region, &world->failure, &again), 0, "its number joins again");
	ok(again == thread, "with its slot");
	vas_region_enter(thread);
	(void)world_give(world, start);
	is_u64(waiting(), 40 * PAGE, "one that died inside");
	is_err(vas_quarantine_join(world->region, &world->failure, &again), 0, "another with its number");
	ok(again == thread, "takes its slot over");
	is_u64(vas_quarantine_advance(world->region, 100, false), 40 * PAGE, "and is outside");
	vas_region_enter(thread);
	alive = false;
	asked = 0;
	for (uint32_t i = 0; i < 200 && !asked; i++)
		(void)world_free(world, take(1, VAS_ALLOC_LOW));
	ok(asked > 0, "frees alone ask in the end");
	(void)vas_quarantine_advance(world->region, 100, false);
	is_u64(waiting(), 0, "all have passed");
	world_check(world, "dead");
	region_world_end(world);
}

static void test_fork(void)
{
	struct vas_region_thread *mine, *others;

	begin(VAS_REGION_QUARANTINE);
	others = join();
	mine = join();
	vas_region_enter(others);
	vas_quarantine_fork_prepare(world->region);
	next_id = 5000;
	vas_quarantine_fork_child(world->region);
	ok(mine->id == 5000 && others->id == 0 && others->entered == 0, "a child has its own thread");
	(void)world_give(world, take(1, 0));
	is_u64(waiting(), 0, "nobody else is in its way");
	region_world_end(world);
}

/* More threads than one piece of the books holds. */
static void test_many(void)
{
	struct vas_region_thread *threads[200];

	begin(VAS_REGION_QUARANTINE);
	for (uint32_t i = 0; i < 200; i++)
		threads[i] = join();
	for (uint32_t i = 0; i < 200; i++)
		vas_region_enter(threads[i]);
	(void)world_give(world, take(1, 0));
	for (uint32_t i = 0; i < 199; i++)
		vas_region_leave(threads[i]);
	is_u64(vas_quarantine_advance(world->region, 100, false), 0, "the last one is inside");
	vas_region_leave(threads[199]);
	is_u64(vas_quarantine_advance(world->region, 100, false), PAGE, "all have left");
	region_world_end(world);
}

static void test_delay(void)
{
	uint64_t start, other;

	begin(VAS_REGION_DELAY);
	start = take(1, VAS_ALLOC_LOW | VAS_ALLOC_COMMIT);
	is_u64(world_give(world, start), VAS_RETIRED_GONE, "its memory goes at once");
	is_u64(world_accessible(world), 0, "all of it");
	other = take(1, VAS_ALLOC_LOW);
	ok(other != start, "its addresses wait");
	world_check(world, "delayed");
	for (uint32_t i = 0; i < 16; i++)
		(void)world_give(world, take(1, VAS_ALLOC_LOW));
	is_u64(take(1, VAS_ALLOC_LOW), start, "as long as others were freed after them");
	start = take(50, 0);
	(void)world_give(world, start);
	(void)world_give(world, other);
	(void)take(50, 0);
	world_check(world, "nothing is refused for them");
	region_world_end(world);
}

int main(void)
{
	tap_plan(0);
	test_pass();
	test_dead();
	test_fork();
	test_many();
	test_delay();
	return tap_done();
}
