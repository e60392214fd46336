/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Queues between two threads and between two processes: every record once, whole and in order; ends that leave, and
 * ends whose process is killed.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/queue_peers.h"
#include "tap/tap.h"

#define RECORDS 20000u

static uint64_t page;
static struct vas_queue *queue;

static void begin(void)
{
	queue_peers_baseline(1);
	queue = queue_peers_make(page, 0, VAS_FORK_DEFAULT);
}

static void end(void)
{
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
}

/* Record i has a length and bytes that follow from i alone. */
static uint64_t length_of(unsigned int i)
{
	uint64_t length = i * 2654435761u >> 20;

	return length % (i % 64 == 0 ? page - 8 + 1 : 200);
}

static bool is_record(unsigned int i, const unsigned char *data, uint64_t length)
{
	bool same = length == length_of(i);

	for (uint64_t k = 0; k < length && same; k++)
		same = data[k] == (unsigned char)(i + k);
	return same;
}

/* All records from first on, in place or (every third) by a copy. */
static int put_records(struct vas_queue_end *producer, unsigned int first, unsigned int last)
{
	unsigned char copy[8192];

	for (unsigned int i = first; i < last;) {
		uint64_t length = length_of(i);
		bool in_place = i % 3 || length > sizeof(copy);
		void *place = copy;
		int err = 0;

		/* More than it becomes, as far as that fits: the rest is given back. */
		if (in_place)
			err = vas_queue_put_begin(
				producer, length + 40 < page ? length + 20 : length, &place);
		for (uint64_t k = 0; k < length && !err; k++)
			((unsigned char *)place)[k] = (unsigned char)(i + k);
		if (!err)
			err = in_place ? vas_queue_put_end(producer, length)
				       : vas_queue_put(producer, copy, length);
		if (err == -EAGAIN)
			sched_yield();
		else if (err)
			return err;
		else
			i++;
	}
	return 0;
}

static int get_records(struct vas_queue_end *consumer, unsigned int first, unsigned int last)
{
	unsigned char copy[65536];

	for (unsigned int i = first; i < last;) {
		uint64_t length = sizeof(copy);
		const void *place = copy;
		int err;

		err = i % 3 == 1 ? vas_queue_get(consumer, copy, &length)
				 : vas_queue_get_begin(consumer, &place, &length);
		if (err == -EAGAIN) {
			sched_yield();
			continue;
		}
		if (err)
			return err;
		if (!is_record(i, place, length))
			return -EILSEQ;
		if (i % 3 != 1 && vas_queue_get_end(consumer))
			return -EPROTO;
		i++;
	}
	return 0;
}

static void *producer_thread(void *result)
{
	struct vas_queue_end producer;
	int err = vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer);

	if (!err)
		err = put_records(&producer, 0, RECORDS);
	if (!err)
		err = vas_queue_leave(&producer);
	*(int *)result = err;
	return NULL;
}

static int get_one(struct vas_queue_end *consumer)
{
	const void *place;
	uint64_t length;

	return vas_queue_get_begin(consumer, &place, &length);
}

static void test_threads(void *unused)
{
	struct vas_queue_end consumer;
	pthread_t thread;
	int result;

	(void)unused;
	begin();
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(get_one(&consumer), -EAGAIN, "nothing is there, and nobody has been");
	pthread_create(&thread, NULL, producer_thread, &result);
	is_err(get_records(&consumer, 0, RECORDS), 0, "every record, whole and in order");
	pthread_join(thread, NULL);
	is_err(result, 0, "the producer had no trouble");
	is_err(get_one(&consumer), -EPIPE, "then nothing is there, and the producer has left");
	is_err(vas_queue_destroy(queue, NULL), -EBUSY, "an end is joined still");
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

/* A child that puts or gets, and exits with what it was answered, or waits to be killed. */
static pid_t child_start(enum vas_queue_role role, unsigned int first, unsigned int last,
			 bool stays)
{
	struct vas_queue_end own;
	pid_t child = fork();
	int err;

	if (child != 0)
		return child;
	err = vas_queue_join(queue, role, &own);
	if (!err)
		err = role == VAS_QUEUE_PRODUCER ? put_records(&own, first, last)
						 : get_records(&own, first, last);
	/* In the middle of a record. */
	if (!err && stays) {
		const void *place;
		uint64_t length;
		void *room;

		err = role == VAS_QUEUE_PRODUCER ? vas_queue_put_begin(&own, 8, &room)
						 : vas_queue_get_begin(&own, &place, &length);
		if (!err)
			raise(SIGSTOP);
	}
	if (!err)
		err = vas_queue_leave(&own);
	_exit(-err & 0xff);
}

static void test_processes(void *unused)
{
	struct vas_queue_end consumer, second;
	pid_t child;

	(void)unused;
	begin();
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	child = child_start(VAS_QUEUE_PRODUCER, 0, RECORDS, false);
	is_err(get_records(&consumer, 0, RECORDS), 0, "every record of another process");
	is_i64(queue_peers_end(child), 0, "which had no trouble");
	is_err(get_one(&consumer), -EPIPE, "it has left");
	child = fork();
	if (child == 0) {
		struct vas_queue_end mine;

		if (vas_queue_leave(&consumer) != -EINVAL)
			_exit(1);
		if (vas_queue_join(queue, VAS_QUEUE_CONSUMER, &mine) != -EBUSY)
			_exit(2);
		_exit(vas_queue_destroy(queue, NULL) ? 3 : 0);
	}
	is_i64(queue_peers_end(child), 0,
	       "a child cannot leave for its parent, nor take its place");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &second), -EBUSY, "there is one consumer");
	is_err(vas_queue_leave(&consumer), 0, "left");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &second), 0, "then there is room for one");
	is_err(vas_queue_leave(&second), 0, "left");
	end();
}

static void test_dead_producer(void *unused)
{
	struct vas_queue_end consumer, producer;
	pid_t child;

	(void)unused;
	begin();
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	child = child_start(VAS_QUEUE_PRODUCER, 1, 4, true);
	queue_peers_kill(child);
	is_err(get_records(&consumer, 1, 4), 0,
	       "what a producer put before it was killed is there");
	is_err(get_one(&consumer), -EPIPE, "what it had begun is not, and it is seen to be dead");
	is_err(get_one(&consumer), -EPIPE, "each time");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "its place is taken over");
	is_err(put_records(&producer, 4, 7), 0, "put");
	is_err(get_records(&consumer, 4, 7), 0, "and got");
	is_i64(queue_peers_end(child), 256, "killed");
	is_err(vas_queue_leave(&consumer), 0, "left");
	is_err(vas_queue_leave(&producer), 0, "left");
	end();
}

static void test_dead_consumer(void *unused)
{
	struct vas_queue_end consumer, producer;
	unsigned int vain = 0;
	pid_t child;
	int err;

	(void)unused;
	begin();
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "a producer");
	is_err(put_records(&producer, 1, 7), 0, "put");
	child = child_start(VAS_QUEUE_CONSUMER, 1, 4, true);
	queue_peers_kill(child);
	is_i64(queue_peers_end(child), 256, "killed");
	/* Until there is no room any more, and it was asked often enough. */
	do {
		err = vas_queue_put(&producer, "x", 1);
	} while (!err || (err == -EAGAIN && ++vain < 2000));
	is_err(err, -EPIPE, "without room, the consumer is seen to be dead");
	is_err(vas_queue_put(&producer, "x", 1), -EPIPE, "each time");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "its place is taken over");
	is_err(get_records(&consumer, 4, 7), 0, "what it had begun to read is read again");
	is_err(vas_queue_put(&producer, "x", 1), 0, "and there is room");
	is_err(vas_queue_leave(&consumer), 0, "left");
	is_err(vas_queue_leave(&producer), 0, "left");
	end();
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("two threads", test_threads, NULL, 40);
	tap_case("two processes", test_processes, NULL, 40);
	tap_case("a producer that is killed", test_dead_producer, NULL, 20);
	tap_case("a consumer that is killed", test_dead_consumer, NULL, 20);
	return tap_done();
}
