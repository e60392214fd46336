/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/*
 * Gates: in, out, shut; with one thread, where nothing is atomic, and with two, of which one is
 * inside when the other one shuts.
 */
#include "sys/gate.h"

#include <pthread.h>
#include <sched.h>

#include "tap/tap.h"

#define ROUNDS 20000u

static struct {
	struct vas_gate gate;
	uint32_t inside; /* of both kinds, by those who are alone then */
	uint32_t wrong;
	uint32_t ready; /* atomic */
	uint32_t stop; /* atomic */
	uint32_t entered;
} shared;

static void test_word(void)
{
	struct vas_gate gate = { 0 };

	ok(vas_gate_enter(&gate), "zeroes are an open gate");
	ok(!vas_gate_enter(&gate), "one is inside at a time");
	vas_gate_open(&gate);
	ok(!vas_gate_enter(&gate), "nothing happens when one is opened that is not shut");
	vas_gate_leave(&gate);
	vas_gate_shut(&gate);
	ok(vas_gate_is_shut(&gate) && !vas_gate_enter(&gate), "nobody enters a shut one");
	vas_gate_open(&gate);
	ok(!vas_gate_is_shut(&gate) && vas_gate_enter(&gate), "and in again");
	vas_gate_reset(&gate);
	ok(vas_gate_enter(&gate), "a child forgets who was inside");
}

static void alone(void)
{
	uint32_t inside = __atomic_add_fetch(&shared.inside, 1, __ATOMIC_RELAXED);

	if (inside != 1)
		__atomic_add_fetch(&shared.wrong, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&shared.inside, 1, __ATOMIC_RELAXED);
}

static void *enter_often(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&shared.stop, __ATOMIC_ACQUIRE)) {
		if (!vas_gate_enter(&shared.gate)) {
			sched_yield();
			continue;
		}
		alone();
		shared.entered++;
		vas_gate_leave(&shared.gate);
		/* Once before anybody shuts it: on a busy machine it may not come in again. */
		__atomic_store_n(&shared.ready, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t thread;

	ok(pthread_create(&thread, NULL, enter_often, NULL) == 0, "another thread goes in and out");
	while (!__atomic_load_n(&shared.ready, __ATOMIC_ACQUIRE))
		sched_yield();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		vas_gate_shut(&shared.gate);
		alone();
		vas_gate_open(&shared.gate);
		if (i % 64 == 0)
			sched_yield();
	}
	__atomic_store_n(&shared.stop, 1, __ATOMIC_RELEASE);
	ok(pthread_join(thread, NULL) == 0 && !vas_gate_is_shut(&shared.gate), "it ends");
	is_u64(shared.wrong, 0, "nobody is inside while it is shut");
	ok(shared.entered > 0, "it was inside %u times", shared.entered);
}

int main(void)
{
	tap_plan(10);
	test_word();
	test_threads();
	return tap_done();
}
