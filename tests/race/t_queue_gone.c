/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 2 */
/*
 * The other side of a queue does something at the last moment: after an end has found nothing, and before it finds that nobody is there. That
 * counts, and only then it is told that nobody is there. And nobody sleeps for longer than is asked for.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arena/queue.h"
#include "support/queue_peers.h"
#include "sys/sys.h"
#include "tap/tap.h"

#define LENGTH 8u

static struct vas_sys
	hooked; /* the real kernel, where opening a file is when the other side acts */
static int (*last_act)(void);
static struct vas_queue *queue;
static struct vas_queue_end producer, consumer;
static uint64_t page;

static int64_t open_late(struct vas_sys *sys, const char *path, int flags)
{
	int (*act)(void) = last_act;

	(void)sys;
	last_act = NULL;
	if (act && act())
		tap_bail("the other side can do nothing");
	return vas_sys_real()->open(vas_sys_real(), path, flags);
}

static int put(void)
{
	uint64_t record = 1;

	return vas_queue_put(&producer, &record, LENGTH);
}

static int get(void)
{
	uint64_t record, length = LENGTH;

	return vas_queue_get(&consumer, &record, &length);
}

static void begin(uint32_t flags)
{
	queue_peers_baseline(0);
	queue = queue_peers_make(page, flags, VAS_FORK_DEFAULT);
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "a producer");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	hooked = *vas_sys_real();
	hooked.open = open_late;
	queue->arena->space->sys = &hooked;
}

static void end(void)
{
	queue->arena->space->sys = vas_sys_real();
	is_err(vas_queue_leave(&producer) | vas_queue_leave(&consumer), 0, "both leave");
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
}

static void test_producer(void *flags)
{
	bool many = *(uint32_t *)flags & VAS_QUEUE_MANY;
	struct vas_queue_page *at;

	begin(*(uint32_t *)flags);
	at = queue->page;
	*(many ? &at->producers[producer.place] : &at->places[VAS_QUEUE_PRODUCER].peer) =
		queue_peers_dead();
	last_act = put;
	is_err(get(), 0, "what a producer put before it died is got");
	is_err(get(), -EPIPE, "then nothing is there");
	end();
}

static void test_consumer(void *flags)
{
	int err = 0;

	begin(*(uint32_t *)flags);
	while (!err)
		err = put();
	is_err(err, -EAGAIN, "all is full");
	queue->page->places[VAS_QUEUE_CONSUMER].peer = queue_peers_dead();
	producer.asked = 0;
	last_act = get;
	is_err(put(), 0, "there is room that a consumer gave back before it died");
	producer.asked = 0;
	is_err(put(), -EPIPE, "and no more");
	end();
}

static uint64_t slept; /* nanoseconds that the last wait was for */

static int64_t wait_noted(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	(void)sys;
	slept = nanoseconds;
	return vas_sys_real()->wait(vas_sys_real(), word, value, nanoseconds);
}

static void test_time(void *unused)
{
	(void)unused;
	begin(VAS_QUEUE_WAITS);
	hooked.wait = wait_noted;
	is_err(vas_queue_wait(&consumer, 0, 2000000), -EAGAIN,
	       "nothing comes within two milliseconds");
	ok(slept > 0 && slept <= 2000000, "which is how long one sleeps at most");
	end();
}

int main(void)
{
	static uint32_t one, many = VAS_QUEUE_MANY;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("a producer", test_producer, &one, 10);
	tap_case("a producer of many", test_producer, &many, 10);
	tap_case("a consumer", test_consumer, &one, 10);
	tap_case("a consumer, of many producers", test_consumer, &many, 10);
	tap_case("no longer than is asked for", test_time, NULL, 10);
	return tap_done();
}
