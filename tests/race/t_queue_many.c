/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Queues with many producers, of threads and of processes: every record once, whole and in its producer's order; producers
 * and consumers that leave, and that are killed at any moment.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/queue_peers.h"
#include "tap/tap.h"

#define PRODUCERS 3u
#define RECORDS	  8000u
#define KILLS	  12u
#define MOST	  200u /* bytes of a record */

struct record {
	uint32_t producer;
	uint32_t number;
	unsigned char bytes[MOST];
};

/* What processes tell each other beside the queue. */
static struct shared {
	uint32_t given_back; /* numbers below this one (atomic) */
	uint32_t started; /* (atomic) */
} * shared;

static uint64_t page;
static struct vas_queue *queue;

static void begin(uint64_t pages)
{
	queue_peers_baseline(PRODUCERS);
	shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("no memory");
	queue = queue_peers_make(pages * page, VAS_QUEUE_MANY, VAS_FORK_DEFAULT);
}

static void end(void)
{
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	munmap(shared, page);
}

static uint64_t length_of(uint32_t producer, uint32_t number)
{
	return offsetof(struct record, bytes) + (number * 2654435761u >> 20 ^ producer) % MOST;
}

static void record_fill(struct record *record, uint32_t producer, uint32_t number)
{
	uint64_t length = length_of(producer, number) - offsetof(struct record, bytes);

	record->producer = producer;
	record->number = number;
	memset(record->bytes, (int)((producer + number) & 0xff), length);
}

static bool is_whole(const struct record *record, uint64_t length)
{
	bool same = length == length_of(record->producer, record->number);

	for (uint64_t i = 0; i + offsetof(struct record, bytes) < length && same; i++)
		same = record->bytes[i] == ((record->producer + record->number) & 0xff);
	return same;
}

static int put_one(struct vas_queue_end *producer, uint32_t who, uint32_t number)
{
	struct record copy;
	void *place;
	int err;

	if (number % 3 == 0) {
		record_fill(&copy, who, number);
		return vas_queue_put(producer, &copy, length_of(who, number));
	}
	/* More than it becomes. */
	err = vas_queue_put_begin(producer, length_of(who, number) + number % 20, &place);
	if (err)
		return err;
	record_fill(place, who, number);
	return vas_queue_put_end(producer, length_of(who, number));
}

static int put_records(struct vas_queue_end *producer, uint32_t who, uint32_t count)
{
	for (uint32_t i = 0; i < count;) {
		int err = put_one(producer, who, i);

		if (err == -EAGAIN)
			sched_yield();
		else if (err)
			return err;
		else
			i++;
	}
	return 0;
}

/* Gets a record of any producer that is next of its kind; waits for it. */
static int get_one(struct vas_queue_end *consumer, uint32_t *next, uint32_t producers)
{
	const struct record *record;
	const void *place;
	uint64_t length;
	int err;

	do {
		err = vas_queue_get_begin(consumer, &place, &length);
	} while (err == -EAGAIN && sched_yield() == 0);
	if (err)
		return err;
	record = place;
	if (record->producer >= producers || !is_whole(record, length) ||
	    record->number != next[record->producer])
		return -EILSEQ;
	next[record->producer]++;
	return vas_queue_get_end(consumer);
}

/* Until the producers have left. */
static int get_all(struct vas_queue_end *consumer, uint32_t *next, uint32_t producers)
{
	int err;

	do {
		err = get_one(consumer, next, producers);
	} while (!err);
	return err;
}

/* So often that it is seen who is dead. */
static int look(struct vas_queue_end *consumer)
{
	const void *place;
	uint64_t length;
	int err = -EAGAIN;

	for (unsigned int i = 0; i <= 1024 && err == -EAGAIN; i++)
		err = vas_queue_get_begin(consumer, &place, &length);
	return err;
}

static int produce(uint32_t who)
{
	struct vas_queue_end producer;
	int err = vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer);

	__atomic_add_fetch(&shared->started, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&shared->started, __ATOMIC_ACQUIRE) < PRODUCERS)
		sched_yield();
	if (!err)
		err = put_records(&producer, who, (uint32_t)tap_scaled(RECORDS));
	return err ? err : vas_queue_leave(&producer);
}

static void *producer_thread(void *who)
{
	return (void *)(intptr_t)produce((uint32_t)(uintptr_t)who);
}

static void all_came(const uint32_t *next)
{
	for (uint32_t i = 0; i < PRODUCERS; i++)
		is_u64(next[i], tap_scaled(RECORDS), "each of its records, in order");
}

static void test_threads(void *unused)
{
	uint32_t next[PRODUCERS] = { 0 };
	struct vas_queue_end consumer;
	pthread_t threads[PRODUCERS];
	uint64_t none = 0;

	(void)unused;
	begin(1);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(look(&consumer), -EAGAIN, "nothing is there, and nobody has been");
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		pthread_create(&threads[i], NULL, producer_thread, (void *)i);
	is_err(get_all(&consumer, next, PRODUCERS), -EPIPE, "all is got when all have left");
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		is_i64((intptr_t)result, 0, "a producer had no trouble");
	}
	all_came(next);
	is_err(vas_queue_get(&consumer, NULL, &none), -EPIPE, "and that is so");
	is_err(vas_queue_get(&consumer, NULL, &none), -EPIPE, "each time");
	is_err(vas_queue_destroy(queue, NULL), -EBUSY, "an end is joined still");
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

static void test_processes(void *unused)
{
	uint32_t next[PRODUCERS] = { 0 };
	struct vas_queue_end consumer;
	pid_t children[PRODUCERS];

	(void)unused;
	begin(16);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(-produce(i) & 0xff);
	}
	is_err(get_all(&consumer, next, PRODUCERS), -EPIPE, "all is got when all have left");
	for (uint32_t i = 0; i < PRODUCERS; i++)
		is_i64(queue_peers_end(children[i]), 0, "a producer had no trouble");
	all_came(next);
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

/* Begins a record and stops; is killed by its parent, and stays a zombie. */
static pid_t die_in_the_middle(void)
{
	struct vas_queue_end producer;
	pid_t child = fork();
	void *place;

	if (child == 0) {
		if (vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer) ||
		    vas_queue_put_begin(&producer, 100, &place))
			_exit(1);
		raise(SIGSTOP);
		_exit(2);
	}
	queue_peers_kill(child);
	return child;
}

static void test_lost(void *unused)
{
	struct vas_queue_end consumer, first, second;
	uint32_t next[2] = { 0 };
	void *place;
	pid_t child;

	(void)unused;
	begin(1);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &first), 0, "a producer");
	is_err(put_one(&first, 0, 0), 0, "puts");
	is_err(vas_queue_put_begin(&first, 50, &place), 0, "and begins one");
	child = die_in_the_middle();
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &second), 0, "another producer");
	is_err(put_one(&second, 1, 0), 0, "puts behind one that died");
	is_err(get_one(&consumer, next, 2), 0, "the first record");
	is_err(look(&consumer), -EAGAIN, "the next one is begun, by one that lives");
	is_err(vas_queue_leave(&first), 0, "which leaves");
	is_err(look(&consumer), -EOWNERDEAD,
	       "its record is dropped; one is lost whose producer died");
	is_err(get_one(&consumer, next, 2), 0, "what lies behind is there");
	is_u64(next[1], 1, "and was put by the other");
	is_err(look(&consumer), -EAGAIN, "somebody lives");
	is_err(vas_queue_leave(&second), 0, "and leaves");
	is_err(look(&consumer), -EPIPE, "then nobody does");
	is_i64(queue_peers_end(child), 256, "killed");
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

static void test_limits(void *unused)
{
	static struct vas_queue_end producers[VAS_QUEUE_PRODUCERS];
	struct vas_queue_end consumer, more;
	unsigned int count = 0, records = 0;
	pid_t child;
	int err;

	(void)unused;
	begin(1);
	child = die_in_the_middle();
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	while (count < VAS_QUEUE_PRODUCERS &&
	       !vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producers[count]))
		count++;
	is_u64(count, VAS_QUEUE_PRODUCERS, "so many producers, one in the place of one that died");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &more), -EBUSY, "and no more");
	is_err(look(&consumer), -EOWNERDEAD, "what that had begun was buried");
	is_err(vas_queue_put(&producers[3], producers, page - 7), -ERANGE, "too long");
	do {
		err = vas_queue_put(&producers[records % count], NULL, 0);
	} while (!err && ++records < 4096);
	is_err(err, -EAGAIN, "no slot");
	is_u64(records, page / 64 < 64 ? 64 : page / 64, "after so many records");
	is_err(vas_queue_leave(&consumer), 0, "the consumer leaves");
	is_err(vas_queue_put(&producers[0], NULL, 0), -EPIPE, "which is told");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "and comes");
	while (look(&consumer) == 0 && vas_queue_get_end(&consumer) == 0)
		records--;
	is_u64(records, 0, "to get all of them");
	is_err(vas_queue_put(&producers[0], producers, page - 8), 0, "one as large as the ring");
	is_err(vas_queue_put(&producers[1], NULL, 0), -EAGAIN, "has all of it");
	for (unsigned int i = 0; i < count; i++)
		if (vas_queue_leave(&producers[i]))
			ok(false, "producer %u stays", i);
	is_err(vas_queue_leave(&consumer), 0, "left");
	is_i64(queue_peers_end(child), 256, "killed");
	end();
}

/* Producers that are killed while they put, beside one that lives. */
static void test_killed_producers(void *unused)
{
	uint32_t next[KILLS + 1] = { 0 }, lost = 0, got = 0;
	struct vas_queue_end consumer;
	pid_t child, other;
	int err = 0;

	(void)unused;
	begin(4);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	shared->started = PRODUCERS;
	other = fork();
	if (other == 0)
		_exit(-produce(KILLS) & 0xff);
	for (uint32_t i = 0; i < KILLS && !err; i++) {
		child = fork();
		if (child == 0)
			_exit(-produce(i) & 0xff);
		for (uint32_t k = 0; k < 50 + i * 37 && !err; k++) {
			err = get_one(&consumer, next, KILLS + 1);
			got += !err;
			lost += err == -EOWNERDEAD;
			if (err == -EOWNERDEAD || err == -EPIPE)
				err = 0;
		}
		kill(child, SIGKILL);
		queue_peers_end(child);
	}
	while (!err || err == -EOWNERDEAD) {
		err = get_one(&consumer, next, KILLS + 1);
		got += !err;
		lost += err == -EOWNERDEAD;
	}
	is_err(err, -EPIPE, "all that was handed over came, in order");
	is_u64(next[KILLS], tap_scaled(RECORDS), "the one that lived lost nothing");
	ok(lost <= KILLS, "each lost one record at most: %u, of %u", lost, got);
	is_i64(queue_peers_end(other), 0, "and had no trouble");
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

/* Gets for ever, and tells how far it came. */
static void consume(void)
{
	uint32_t next[1] = { __atomic_load_n(&shared->given_back, __ATOMIC_ACQUIRE) };
	struct vas_queue_end consumer;
	const struct record *record;
	const void *place;
	uint64_t length;
	int err;

	if (vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer))
		_exit(1);
	for (bool first = true;;) {
		err = vas_queue_get_begin(&consumer, &place, &length);
		if (err == -EPIPE)
			_exit(0);
		if (err == -EAGAIN) {
			sched_yield();
			continue;
		}
		record = place;
		/* The last one gave it back, and did not come to say so. */
		if (!err && first && record->number == next[0] + 1)
			next[0]++;
		first = false;
		if (err || !is_whole(record, length) || record->number != next[0])
			_exit(2);
		if (vas_queue_get_end(&consumer))
			_exit(3);
		__atomic_store_n(&shared->given_back, ++next[0], __ATOMIC_RELEASE);
	}
}

static void test_killed_consumers(void *unused)
{
	struct vas_queue_end producer;
	uint32_t number = 0, last = (uint32_t)tap_scaled(RECORDS), killed = 0;
	pid_t child = 0;
	int err = 0;

	(void)unused;
	begin(1);
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "a producer");
	while (number < last && !err) {
		if (child == 0 && (child = fork()) == 0)
			consume();
		err = put_one(&producer, 0, number);
		number += !err;
		if (err == -EAGAIN || err == -EPIPE)
			err = sched_yield();
		if (number < last && number / (last / KILLS) > killed) {
			kill(child, SIGKILL);
			if (queue_peers_end(child) != 256)
				break;
			killed++;
			child = 0;
		}
	}
	is_u64(number, last, "all is put, whoever gets it");
	ok(killed >= KILLS - 1, "%u consumers were killed", killed);
	is_err(vas_queue_leave(&producer), 0, "left");
	is_i64(queue_peers_end(child), 0,
	       "each record once, in order, from one consumer to the next");
	end();
}

/* A peer says that its record is longer than what it claimed. */
static void test_too_long(void *unused)
{
	struct vas_queue_end consumer, producer;
	uint64_t got, length = sizeof(got), *said;

	(void)unused;
	begin(1);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "a producer");
	is_err(vas_queue_put(&producer, &length, sizeof(length)), 0, "puts");
	said = (uint64_t *)(void *)consumer.data;
	*said = 9;
	is_err(vas_queue_get(&consumer, &got, &length), -EBADMSG, "longer than its claim");
	*said = page + 1;
	is_err(vas_queue_get(&consumer, &got, &length), -EBADMSG, "or than the ring");
	*said = UINT64_MAX;
	is_err(vas_queue_get(&consumer, &got, &length), -EBADMSG, "or than all memory");
	*said = 7;
	is_err(vas_queue_get(&consumer, &got, &length), 0, "shorter is fine");
	is_u64(length, 7, "then that is its length");
	is_err(vas_queue_leave(&producer) | vas_queue_leave(&consumer), 0, "both leave");
	end();
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("threads", test_threads, NULL, 40);
	tap_case("processes", test_processes, NULL, 40);
	tap_case("records that are lost, and dropped", test_lost, NULL, 20);
	tap_case("places and slots", test_limits, NULL, 20);
	tap_case("a record that is too long", test_too_long, NULL, 20);
	tap_case("producers that are killed", test_killed_producers, NULL, 40);
	tap_case("consumers that are killed", test_killed_consumers, NULL, 40);
	return tap_done();
}
