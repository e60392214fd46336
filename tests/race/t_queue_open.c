/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 5 */
/*
 * Queues opened by their descriptors: a second handle in the same process, a process that has nothing else of them, and descriptors
 * of which a peer has spoilt what they say.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "arena/queue.h"
#include "support/arena_looks.h"
#include "support/queue_peers.h"
#include "tap/tap.h"

#define RECORDS	 20000u
#define PATIENCE UINT64_C(10000000000) /* nanoseconds */

static uint64_t page;

static struct vas_queue *make(uint32_t flags, struct vas_ring_info *info)
{
	struct vas_queue *queue = queue_peers_make(4 * page, flags, VAS_FORK_ABSENT);

	info->size = sizeof(*info);
	if (vas_queue_ring(queue, info))
		tap_bail("it tells nothing");
	return queue;
}

/* --- a second handle --- */

static void test_handles(void *context)
{
	const uint32_t *flags = context;
	struct vas_queue_end producer, consumer;
	struct vas_queue *queue, *other = NULL;
	struct vas_ring_info info, there = { .size = sizeof(there) };
	char got[16];
	uint64_t length = sizeof(got);

	arena_baseline();
	queue = make(*flags, &info);
	is_err(vas_queue_open(info.fd, info.header, NULL, &other), 0, "opened");
	is_err(vas_queue_ring(other, &there), 0, "it tells");
	ok(there.bytes == info.bytes && there.span.start != info.span.start,
	   "that it is the same elsewhere");
	is_err(vas_queue_join(other, VAS_QUEUE_PRODUCER, &producer), 0, "a producer at one");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer at the other");
	is_err(vas_queue_put(&producer, "seen", 5), 0, "put");
	is_err(vas_queue_get(&consumer, got, &length), 0, "got");
	ok(length == 5 && strcmp(got, "seen") == 0, "what was put");
	is_err(vas_queue_wait(&consumer, 0, 0), *flags & VAS_QUEUE_WAITS ? EAGAIN : EINVAL,
	       "waiting is the maker's choice");
	is_err(vas_queue_destroy(other, NULL), EBUSY, "not while an end is joined");
	is_err(vas_queue_leave(&producer) | vas_queue_leave(&consumer), 0, "both leave");
	is_err(vas_queue_destroy(queue, NULL), 0, "the maker ends");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_queue_destroy(other, NULL), 0, "and the other");
}

/* --- two processes --- */

static int child_put(int fd, int header)
{
	struct vas_queue_end end;
	struct vas_queue *queue;

	if (vas_queue_open(fd, header, NULL, &queue) ||
	    vas_queue_join(queue, VAS_QUEUE_PRODUCER, &end))
		return 1;
	for (uint64_t i = 0; i < RECORDS; i++) {
		uint64_t record[4] = { i, ~i };
		uint64_t length = 8 + i % 4 * 8;

		if (vas_queue_wait(&end, length, PATIENCE) || vas_queue_put(&end, record, length))
			return 2;
	}
	if (vas_queue_leave(&end) || vas_queue_destroy(queue, NULL))
		return 3;
	return 0;
}

static void test_processes(void *context)
{
	const uint32_t *flags = context;
	struct vas_queue_end consumer;
	struct vas_queue *queue;
	struct vas_ring_info info;
	uint64_t i, wrong = 0, record[4], length;
	int fd, header, status, err = 0;
	pid_t child;

	arena_baseline();
	queue = make(*flags, &info);
	fd = dup(info.fd);
	header = info.header == info.fd ? fd : dup(info.header);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	child = fork();
	if (child == 0)
		_exit(child_put(fd, header));
	if (child < 0)
		tap_bail("no child");
	for (i = 0; i < RECORDS && !err; i++) {
		length = sizeof(record);
		err = vas_queue_wait(&consumer, 0, PATIENCE);
		if (!err)
			err = vas_queue_get(&consumer, record, &length);
		wrong += err || record[0] != i || length != 8 + i % 4 * 8;
	}
	is_u64(i, RECORDS, "all records came");
	is_u64(wrong, 0, "in order");
	is_err(vas_queue_wait(&consumer, 0, PATIENCE), EPIPE, "then the producer has left");
	if (waitpid(child, &status, 0) != child)
		tap_bail("no child to wait for");
	is_i64(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, "and is well");
	is_err(vas_queue_leave(&consumer), 0, "the consumer leaves");
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
	close(fd);
	if (header != fd)
		close(header);
}

/* --- what a peer has spoilt --- */

static void test_spoilt(void *unused)
{
	struct vas_queue *queue, *other = NULL;
	struct vas_queue_end producer, consumer;
	struct vas_queue_page *mapped;
	struct vas_header *header;
	struct vas_ring_info info;
	uint64_t length = 1;
	char byte;

	(void)unused;
	arena_baseline();
	queue = make(0, &info);
	header = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, info.header, 0);
	if (header == MAP_FAILED)
		tap_bail("the pages cannot be mapped");
	mapped = (struct vas_queue_page *)(void *)((char *)header + page);
	header->facts.front = 0;
	is_err(vas_queue_open(info.fd, info.header, NULL, &other), EBADMSG, "no page of a queue");
	header->facts.front = page;
	mapped->flags = 0x80;
	is_err(vas_queue_open(info.fd, info.header, NULL, &other), EBADMSG, "flags of no queue");
	mapped->flags = VAS_QUEUE_MANY;
	is_err(vas_queue_open(info.fd, info.header, NULL, &other), EBADMSG,
	       "slots for which there is no room");
	is_err(vas_sync_check(NULL), 0, "nothing is left of either");
	mapped->flags = 0;
	is_err(vas_queue_open(info.fd, info.header, NULL, &other), 0, "mended, it opens");
	is_err(vas_queue_destroy(other, NULL), 0, "and ends");
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	mapped->places[VAS_QUEUE_PRODUCER].peer = queue_peers_dead();
	mapped->head = 4;
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), EBADMSG, "no position");
	is_err(vas_queue_get(&consumer, &byte, &length), EPIPE, "the last producer is dead still");
	mapped->tail = 4;
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), EBADMSG, "nor are both one");
	mapped->head = mapped->tail = 0;
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "mended, it is joined");
	is_err(vas_queue_get(&consumer, &byte, &length), EAGAIN, "and may have something");
	is_err(vas_queue_leave(&producer) | vas_queue_leave(&consumer), 0, "both leave");
	munmap(header, 2 * page);
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
}

static void test_spoilt_claims(void *unused)
{
	struct vas_queue_end producer, consumer;
	struct vas_claim_slot *slot;
	struct vas_ring_info info;
	struct vas_queue *queue;
	uint64_t length = 1;
	char byte = 1;

	(void)unused;
	arena_baseline();
	queue = make(VAS_QUEUE_MANY, &info);
	slot = queue->claims.slots;
	slot->position = 4;
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), EBADMSG, "no position");
	slot->position = 0;
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer), 0, "a consumer");
	is_err(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer), 0, "a producer");
	slot->position = 4;
	is_err(vas_queue_put(&producer, &byte, 1), EBADMSG, "no place for a record");
	slot->position = 0;
	is_err(vas_queue_put(&producer, &byte, 1), 0, "mended, it is put");
	slot->word ^= UINT64_C(1) << 63;
	is_err(vas_queue_get(&consumer, &byte, &length), EBADMSG, "of a lap that never was");
	slot->word ^= UINT64_C(1) << 63;
	is_err(vas_queue_get(&consumer, &byte, &length), 0, "mended, it is got");
	is_err(vas_queue_leave(&producer) | vas_queue_leave(&consumer), 0, "both leave");
	is_err(vas_queue_destroy(queue, NULL), 0, "destroyed");
}

int main(void)
{
	static uint32_t plain, many = VAS_QUEUE_MANY, waits = VAS_QUEUE_WAITS,
			       all = VAS_QUEUE_MANY | VAS_QUEUE_WAITS;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("a second handle", test_handles, &plain, 20);
	tap_case("a second handle, many producers", test_handles, &many, 20);
	tap_case("a second handle, with waiting", test_handles, &waits, 20);
	tap_case("two processes", test_processes, &waits, 60);
	tap_case("two processes, many producers", test_processes, &all, 60);
	tap_case("spoilt claims", test_spoilt_claims, NULL, 10);
	tap_case("spoilt", test_spoilt, NULL, 20);
	return tap_done();
}
