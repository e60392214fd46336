/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 2 */
/* The explorer of interleavings finds what it should, with as many pre-emptions as it takes, and visits every order once. */
#include "support/explorer.h"

#include <string.h>

#include "tap/tap.h"

static struct {
	uint32_t value;
	uint32_t lock;
	uint32_t other;
	bool use_lock;
	char trace[64];
	uint32_t traced;
	char seen[4096][16];
	uint32_t orders;
	uint32_t twice;
} world;

static uint32_t value_load(void)
{
	explorer_step();
	return world.value;
}

static void value_store(uint32_t value)
{
	explorer_step();
	world.value = value;
}

static void begin(void *state)
{
	(void)state;
	world.value = 0;
	world.lock = 0;
	world.other = 0;
	world.traced = 0;
	memset(world.trace, 0, sizeof(world.trace));
}

/* Adds one, with a lock or without. */
static void add(void *state)
{
	(void)state;
	if (world.use_lock)
		explorer_lock(NULL, &world.lock);
	value_store(value_load() + 1);
	if (world.use_lock)
		explorer_unlock(NULL, &world.lock);
}

static void end_is_two(void *state)
{
	(void)state;
	if (world.value != 2)
		explorer_fault("two added to %u", world.value);
}

static void test_lost_update(void)
{
	struct explorer_scenario scenario = { .name = "two threads add without a lock",
					      .begin = begin,
					      .thread = { add, add },
					      .end = end_is_two };

	explorer_point(&scenario, false);
	scenario.preemptions = 1;
	explorer_point(&scenario, true);
	world.use_lock = true;
	scenario.name = "two threads add with a lock";
	scenario.preemptions = 3;
	explorer_point(&scenario, false);
	world.use_lock = false;
}

/* Wrong only when each thread stops between its steps: two pre-emptions. */
static void pair_write(void *state)
{
	(void)state;
	value_store(1);
	value_store(2);
}

static void pair_read(void *state)
{
	(void)state;
	if (value_load() == 1 && value_load() == 2)
		explorer_fault("both were seen");
}

static void end_nothing(void *state)
{
	(void)state;
}

static void test_depth(void)
{
	struct explorer_scenario scenario = { .name = "a fault of two pre-emptions, with one",
					      .begin = begin,
					      .thread = { pair_write, pair_read },
					      .end = end_nothing,
					      .preemptions = 1 };

	explorer_point(&scenario, false);
	scenario.name = "the same with two";
	scenario.preemptions = 2;
	explorer_point(&scenario, true);
}

static void lock_both(void *state)
{
	(void)state;
	explorer_lock(NULL, &world.lock);
	explorer_lock(NULL, &world.other);
	explorer_unlock(NULL, &world.other);
	explorer_unlock(NULL, &world.lock);
}

static void lock_other_way(void *state)
{
	(void)state;
	explorer_lock(NULL, &world.other);
	explorer_lock(NULL, &world.lock);
	explorer_unlock(NULL, &world.lock);
	explorer_unlock(NULL, &world.other);
}

static void test_deadlock(void)
{
	struct explorer_scenario scenario = { .name = "locks in the same order",
					      .begin = begin,
					      .thread = { lock_both, lock_both, lock_both },
					      .end = end_nothing,
					      .preemptions = 2 };

	explorer_point(&scenario, false);
	scenario.name = "locks in two orders";
	scenario.thread[1] = lock_other_way;
	explorer_point(&scenario, true);
}

static void wait_for_value(void *state)
{
	(void)state;
	while (value_load() == 0)
		explorer_pause();
}

static void set_value(void *state)
{
	(void)state;
	value_store(1);
}

static void test_waiting(void)
{
	struct explorer_scenario scenario = { .name = "a loop that waits for another thread",
					      .begin = begin,
					      .thread = { wait_for_value, set_value },
					      .end = end_nothing,
					      .preemptions = 2 };

	explorer_point(&scenario, false);
	scenario.name = "a loop that waits for nobody";
	scenario.thread[1] = NULL;
	explorer_point(&scenario, true);
}

/* Each thread writes its number three times. */
static void trace(void *state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		explorer_step();
		world.trace[world.traced++] = (char)('a' + explorer_thread());
	}
}

static void end_trace(void *state)
{
	(void)state;
	for (uint32_t i = 0; i < world.orders; i++)
		world.twice += strcmp(world.seen[i], world.trace) == 0;
	strcpy(world.seen[world.orders++], world.trace);
}

static void test_orders(void)
{
	struct explorer_scenario scenario = { .name = "all orders",
					      .begin = begin,
					      .thread = { trace, trace },
					      .end = end_trace,
					      .preemptions = 10 };
	struct explorer_result result;

	explorer_run(&scenario, &result);
	ok(result.complete, "all orders of two threads with three steps");
	is_u64(result.runs, 20, "are 6 over 3");
	is_u64(world.orders, 20, "each run ends once");
	is_u64(world.twice, 0, "each order comes once");
	is_u64(explorer_thread(), EXPLORER_THREADS, "outside there is no thread");
	explorer_step();
	scenario.most = 5;
	world.orders = 0;
	explorer_run(&scenario, &result);
	ok(result.runs == 5 && !result.complete && !result.fault, "a bound on runs is kept");
}

int main(void)
{
	tap_plan(0);
	test_lost_update();
	test_depth();
	test_deadlock();
	test_waiting();
	test_orders();
	return tap_done();
}
