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
	is_err(vas_readers_join(world->region, &world->failure, &thread), 0, "a thread joins");
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
	is_err(vas_readers_quit(first, &world->failure), 0, "the first quits, though inside");
	is_err(vas_readers_quit(first, &world->failure), EINVAL, "once");
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
	is_err(vas_readers_join(world->region, &world->failure, &again), 0, "its number joins again");
	ok(again == thread, "with its slot");
	vas_region_enter(thread);
	(void)world_give(world, start);
	is_u64(waiting(), 40 * PAGE, "one that died inside");
	is_err(vas_readers_join(world->region, &world->failure, &again), 0, "another with its number");
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
	vas_readers_fork_prepare(world->region->quarantine.readers);
	next_id = 5000;
	vas_readers_fork_child(world->region->quarantine.readers, false);
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

/* --- regions that are split and merged --- */

static struct vas_region *lower, *upper;

/* Both have what they must; the world's is the lower one after it. */
static void check_both(const char *what)
{
	world->region = upper;
	world_check(world, what);
	world->region = lower;
	world_check(world, what);
}

static uint64_t waiting_in(struct vas_region *region)
{
	uint64_t bytes;

	world->region = region;
	bytes = waiting();
	world->region = lower;
	return bytes;
}

static void split_at(uint64_t at)
{
	lower = world->region;
	is_err(vas_region_cut(lower, at, &world->failure, &upper), 0, "split");
	check_both("split");
}

static void merge_both(void)
{
	is_err(vas_region_unite(lower, upper, &world->failure), 0, "merged");
	world->region = lower;
	world_check(world, "merged");
}

/* Three low and three high blocks of so many pages, freed in turn. */
static void free_in_turn(uint64_t pages)
{
	uint64_t starts[6];

	for (uint32_t i = 0; i < 6; i++)
		starts[i] = take(pages, VAS_ALLOC_COMMIT | (i % 2 ? VAS_ALLOC_HIGH : VAS_ALLOC_LOW));
	for (uint32_t i = 0; i < 6; i++)
		(void)world_give(world, starts[i]);
}

static uint64_t middle_of(void)
{
	return world->region->span.start + 32 * PAGE;
}

static void test_split(void)
{
	struct vas_region_thread *first, *second;
	uint64_t start;

	begin(VAS_REGION_QUARANTINE);
	first = join();
	second = join();
	vas_region_enter(first);
	free_in_turn(2);
	vas_region_enter(second);
	free_in_turn(3);
	is_u64(waiting(), 30 * PAGE, "all wait");
	split_at(middle_of());
	is_u64(waiting_in(lower), 15 * PAGE, "half of them below");
	is_u64(waiting_in(upper), 15 * PAGE, "half of them above");
	is_u64(world_accessible(world), 15 * PAGE, "and can be read");
	world->region = upper;
	start = take(1, VAS_ALLOC_COMMIT);
	(void)world_give(world, start);
	is_u64(waiting(), 16 * PAGE, "one more above: who entered before the split is inside there too");
	world->region = lower;
	vas_region_leave(first);
	is_u64(vas_quarantine_advance(lower, 100, false), 6 * PAGE, "below, what the second did not see");
	is_u64(vas_quarantine_advance(upper, 100, false), 6 * PAGE, "above too");
	check_both("half of them passed");
	vas_region_enter(first);
	(void)world_give(world, take(1, 0));
	merge_both();
	is_u64(waiting(), 20 * PAGE, "those of both wait on");
	vas_region_leave(second);
	is_u64(vas_quarantine_advance(lower, 100, false), 19 * PAGE, "till they are passed, in the order of frees");
	is_u64(waiting(), PAGE, "but for what was freed last");
	vas_region_leave(first);
	is_u64(vas_quarantine_advance(lower, 100, false), PAGE, "which goes too");
	world_check(world, "nothing waits");
	region_world_end(world);
}

/* Whichever of the parts goes first, handles are good until the last has gone. */
static void test_split_end(void)
{
	struct vas_region_thread *thread, *again = NULL;
	enum vas_retired state;

	begin(VAS_REGION_QUARANTINE);
	thread = join();
	split_at(middle_of());
	is_err(vas_region_unmake(lower, &state, &world->failure), 0, "the lower one goes");
	world->region = lower = upper;
	is_err(vas_readers_join(upper, &world->failure, &again), 0, "the thread joins the upper one");
	ok(again == thread, "with the handle that it has");
	vas_region_enter(thread);
	(void)world_give(world, take(1, 0));
	is_u64(waiting(), PAGE, "it is inside");
	is_err(vas_readers_quit(thread, &world->failure), 0, "it quits");
	(void)world_give(world, take(1, 0));
	is_u64(waiting(), 0, "nothing waits");
	region_world_end(world);
}

/* Each has threads of its own, of which the other knows nothing. */
static void test_split_apart(void)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve), .place = VAS_PLACE_EXACT,
					    .address = 1ull << 40 };
	struct vas_region_opts opts = { .size = sizeof(opts), .reserve = &reserve };
	uint64_t start;

	for (int delay = 0; delay < 2; delay++) {
		opts.flags = delay ? VAS_REGION_DELAY : VAS_REGION_QUARANTINE;
		world = region_world_begin(PAGE, 47);
		reserve.address = 1ull << 40;
		is_err(world_make(world, 16 * PAGE, &opts), 0, "a region");
		lower = world->region;
		(void)world_give(world, take(2, 0));
		reserve.address += 16 * PAGE;
		is_err(world_make(world, 16 * PAGE, &opts), 0, "its neighbour");
		upper = world->region;
		for (uint32_t i = 0; i < 4; i++)
			(void)world_give(world, take(1, 0));
		is_err(vas_region_unite(lower, upper, &world->failure), delay ? 0 : EINVAL,
		       delay ? "without threads they are merged" : "they are not merged");
		world->region = lower;
		world_check(world, "the lower one");
		is_err(world_alloc(world, (delay ? 32 : 16) * PAGE, NULL, &start), 0, "all of it is free");
		region_world_end(world);
	}
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

	begin(VAS_REGION_DELAY);
	free_in_turn(1);
	split_at(middle_of());
	ok(waiting_in(lower) == 3 * PAGE && waiting_in(upper) == 3 * PAGE, "split, addresses wait on");
	merge_both();
	is_u64(waiting(), 6 * PAGE, "and merged");
	region_world_end(world);
}

/* Small blocks that wait are limited by their number. */
static void test_delay_count(void)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .flags = VAS_REGION_DELAY };
	bool right = true;
	uint64_t start;

	world = region_world_begin(PAGE, 47);
	is_err(world_make(world, 20000 * PAGE, &opts), 0, "a region");
	for (uint32_t i = 0; i < 4200; i++)
		right &= world_alloc(world, PAGE, NULL, &start) == 0 && world_free(world, start) == 0;
	ok(right, "4200 blocks taken and freed");
	is_u64(waiting(), 4096 * PAGE, "4096 of them wait");
	world_check(world, "after that");
	region_world_end(world);
}

int main(void)
{
	tap_plan(0);
	test_pass();
	test_dead();
	test_fork();
	test_many();
	test_split();
	test_split_end();
	test_split_apart();
	test_delay();
	test_delay_count();
	return tap_done();
}
