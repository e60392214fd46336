/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded noasan */
/* budget: 10 */
/*
 * Ends that sleep for each other, as threads and as processes: nobody misses a wake-up (here they sleep without end, so one that was missed
 * is a hang), who leaves or is killed is seen, and it works where a sandbox denies membarrier or futex.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/queue_peers.h"
#include "support/workout.h"
#include "sys/sys.h"
#include "tap/tap.h"

#define RECORDS	    3000u
#define MILLISECOND UINT64_C(1000000)
#define FOR_EVER    UINT64_MAX
#define PRODUCERS   2u

static uint64_t page;
static uint32_t flags;
static struct vas_queue *queue;
static struct vas_sys patient; /* the real kernel, in which sleepers are woken or sleep on */

static int64_t wait_on(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	(void)nanoseconds;
	return vas_sys_real()->wait(sys, word, value, FOR_EVER);
}

static void begin(bool without_end)
{
	patient = *vas_sys_real();
	patient.wait = wait_on;
	if (without_end)
		vas_sys_replace(&patient);
	queue_peers_baseline(PRODUCERS);
	queue = queue_peers_make(page, flags | VAS_QUEUE_WAITS, VAS_FORK_DEFAULT);
}

static void end(void)
{
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
}

/* Some are long, so that either side has to wait. */
static uint64_t length_of(uint32_t number)
{
	return number % 7 == 0 ? page / 2 : 8 + number % 50;
}

static int put_records(uint32_t count)
{
	struct vas_queue_end producer;
	int err = vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer);

	for (uint32_t i = 0; i < count && !err;) {
		void *place;

		err = vas_queue_put_begin(&producer, length_of(i), &place);
		if (err == -EAGAIN) {
			err = vas_queue_wait(&producer, length_of(i), FOR_EVER);
			continue;
		}
		if (err)
			break;
		memcpy(place, &i, sizeof(i));
		err = vas_queue_put_end(&producer, length_of(i++));
	}
	return err ? err : vas_queue_leave(&producer);
}

/*
 * All until the producers have left; answers their count, or below 0. Of several the first may have left before the last one has
 * joined: so not before there are so many.
 */
static int64_t get_records(struct vas_queue_end *consumer, int64_t wanted)
{
	int64_t count = 0;

	for (;;) {
		const void *place;
		uint64_t length;
		uint32_t number;
		int err = vas_queue_get_begin(consumer, &place, &length);

		if (err == -EAGAIN)
			err = vas_queue_wait(consumer, 0, FOR_EVER);
		else if (err == 0) {
			memcpy(&number, place, sizeof(number));
			if (length != length_of(number))
				return -EILSEQ;
			err = vas_queue_get_end(consumer);
			count++;
		}
		if (err == -EPIPE && count < wanted)
			usleep(1000);
		else if (err)
			return err == -EPIPE ? count : err;
	}
}

static void *put_thread(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)put_records((uint32_t)tap_scaled(RECORDS));
}

static uint32_t producers(void)
{
	return flags & VAS_QUEUE_MANY ? PRODUCERS : 1;
}

static int64_t records(void)
{
	return (int64_t)(producers() * tap_scaled(RECORDS));
}

static void test_threads(void *of)
{
	pthread_t threads[PRODUCERS];
	struct vas_queue_end consumer;

	flags = *(uint32_t *)of;
	begin(true);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	for (uint32_t i = 0; i < producers(); i++)
		pthread_create(&threads[i], NULL, put_thread, NULL);
	is_i64(get_records(&consumer, records()), records(), "every record");
	for (uint32_t i = 0; i < producers(); i++) {
		void *result;

		pthread_join(threads[i], &result);
		is_i64((intptr_t)result, 0, "a producer had no trouble");
	}
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

static void exchange(void)
{
	struct vas_queue_end consumer;
	pid_t children[PRODUCERS];

	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	for (uint32_t i = 0; i < producers(); i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(-put_records((uint32_t)tap_scaled(RECORDS)) & 0xff);
	}
	is_i64(get_records(&consumer, records()), records(), "every record");
	for (uint32_t i = 0; i < producers(); i++)
		is_i64(queue_peers_end(children[i]), 0, "a producer had no trouble");
	is_err(vas_queue_leave(&consumer), 0, "left");
}

static void test_processes(void *of)
{
	flags = *(uint32_t *)of;
	begin(true);
	exchange();
	end();
}

static void test_answers(void *of)
{
	struct vas_queue_end consumer, producer;
	struct timespec before, after;
	void *place;

	flags = *(uint32_t *)of;
	begin(false);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(vas_queue_wait(&consumer, 0, 0), -EAGAIN, "nothing, without time");
	clock_gettime(CLOCK_MONOTONIC, &before);
	is_err(vas_queue_wait(&consumer, 0, 150 * MILLISECOND), -EAGAIN, "nothing, in some time");
	clock_gettime(CLOCK_MONOTONIC, &after);
	ok((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >=
		   (long)(150 * MILLISECOND),
	   "which went by");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "a producer");
	is_err(vas_queue_wait(&producer, 100, FOR_EVER), 0, "there is room");
	is_err(vas_queue_wait(&producer, page, FOR_EVER), -ERANGE, "never for so much");
	is_err(vas_queue_put_begin(&producer, page - 8, &place), 0, "one that takes all");
	is_err(vas_queue_wait(&producer, 0, 0), -EINVAL, "nobody waits with a record begun");
	is_err(vas_queue_wait(&consumer, 0, MILLISECOND), -EAGAIN, "it is not handed over");
	is_err(vas_queue_put_end(&producer, page - 8), 0, "now it is");
	is_err(vas_queue_wait(&consumer, 0, FOR_EVER), 0, "there is a record");
	is_err(vas_queue_wait(&consumer, 0, FOR_EVER), 0, "which stays");
	is_err(vas_queue_wait(&producer, 0, 3 * MILLISECOND), -EAGAIN, "there is no room");
	is_err(vas_queue_leave(&consumer), 0, "left");
	is_err(vas_queue_wait(&producer, 0, FOR_EVER), -EPIPE, "and nobody to make any");
	is_err(vas_queue_leave(&producer), 0, "left");
	end();
}

/* A producer that sleeps, or has begun a record and stops, and is killed by its parent. */
static void test_killed(void *of)
{
	struct vas_queue_end consumer, producer;
	uint64_t length = 1;
	pid_t child;
	void *place;
	char byte;
	int err;

	flags = *(uint32_t *)of;
	begin(false);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	child = fork();
	if (child == 0) {
		if (vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer) ||
		    vas_queue_put(&producer, "a", 1) || vas_queue_put_begin(&producer, 10, &place))
			_exit(1);
		for (;;)
			pause();
	}
	is_err(vas_queue_wait(&consumer, 0, FOR_EVER), 0, "a record");
	is_err(vas_queue_get(&consumer, &byte, &length), 0, "got");
	is_err(vas_queue_wait(&consumer, 0, 2 * MILLISECOND), -EAGAIN, "no other one comes");
	kill(child, SIGKILL);
	err = vas_queue_wait(&consumer, 0, FOR_EVER);
	/* Its second one was begun, or not. */
	if (err == -EOWNERDEAD && flags & VAS_QUEUE_MANY)
		err = vas_queue_wait(&consumer, 0, FOR_EVER);
	is_err(err, -EPIPE, "who waits for one that is killed is told");
	is_i64(queue_peers_end(child), 256, "killed");
	is_err(vas_queue_leave(&consumer), 0, "left");
	end();
}

static void *wait_thread(void *producer)
{
	return (void *)(intptr_t)vas_queue_wait(producer, 8, FOR_EVER);
}

/* Stops with all of the ring begun. */
static pid_t begin_and_stop(void)
{
	struct vas_queue_end producer;
	pid_t child = fork();
	void *place;

	if (child == 0) {
		if (vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer) ||
		    vas_queue_put_begin(&producer, page - 8, &place))
			_exit(1);
		raise(SIGSTOP);
	}
	return child;
}

/* What a consumer steps over makes room, too, for which somebody may wait. */
static void test_stepped_over(void *unused)
{
	struct vas_queue_end consumer, waiting, leaving;
	uint64_t length = 0;
	pthread_t thread;
	pid_t child;
	void *place, *result;

	(void)unused;
	flags = VAS_QUEUE_MANY;
	begin(true);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &waiting), 0, "who will wait");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &leaving), 0, "who will leave");
	is_err(vas_queue_put_begin(&leaving, page - 8, &place), 0, "which has all of the ring");
	pthread_create(&thread, NULL, wait_thread, &waiting);
	usleep(5000);
	is_err(vas_queue_leave(&leaving), 0, "left");
	is_err(vas_queue_get(&consumer, NULL, &length), -EAGAIN, "what it had begun is no record");
	pthread_join(thread, &result);
	is_i64((intptr_t)result, 0, "but room");
	child = begin_and_stop();
	queue_peers_kill(child);
	pthread_create(&thread, NULL, wait_thread, &waiting);
	usleep(5000);
	/* In the first of each 1024 calls it is looked who lives. */
	for (unsigned int i = 0; i <= 1024 && length == 0; i++)
		length = vas_queue_get(&consumer, NULL, &length) == -EOWNERDEAD;
	is_u64(length, 1, "what a dead one had begun is none");
	pthread_join(thread, &result);
	is_i64((intptr_t)result, 0, "but room");
	is_i64(queue_peers_end(child), 256, "killed");
	is_err(vas_queue_leave(&consumer) | vas_queue_leave(&waiting), 0, "both leave");
	end();
}

static void test_denied(void *number)
{
	flags = VAS_QUEUE_MANY;
	tap_ignore_leaks(TAP_LEAK_FDS | TAP_LEAK_HEAP | TAP_LEAK_VMAS);
	/* What sleeps without futex takes naps, and is not woken. */
	begin(*(int *)number != SYS_futex);
	if (!workout_deny(*(int *)number, EPERM))
		tap_skip_all("no-seccomp", "this kernel has no seccomp filters");
	exchange();
	end();
}

int main(void)
{
	static uint32_t one = 0, many = VAS_QUEUE_MANY;
	static int barrier = SYS_membarrier, futex = SYS_futex;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("threads", test_threads, &one, 20);
	tap_case("threads, many", test_threads, &many, 20);
	tap_case("processes", test_processes, &one, 20);
	tap_case("processes, many", test_processes, &many, 20);
	tap_case("answers", test_answers, &one, 20);
	tap_case("answers, many", test_answers, &many, 20);
	tap_case("a producer that is killed", test_killed, &one, 20);
	tap_case("one of many that is killed", test_killed, &many, 20);
	tap_case("what is stepped over", test_stepped_over, NULL, 20);
	tap_case("without membarrier", test_denied, &barrier, 20);
	tap_case("without futex", test_denied, &futex, 20);
	return tap_done();
}
