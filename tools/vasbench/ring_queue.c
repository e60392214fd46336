/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues beside plain rings for one producer and one consumer, in which nothing goes across the end; a mask; either side remembers where the
 * other was; all of it inlined. One does the same as a queue: records of any length, each behind a word that says it; one that would meet the
 * end begins at the start, and a word says so. The other one has slots of one size that divide the ring.
 *
 * Sixteen records are put and then got, by one thread: what is measured is the operations, not how fast lines of the cache move.
 */
#include "ring_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vaspace/vaspace.h>

#define BYTES QUEUE_BYTES
#define BURST QUEUE_BURST
#define SKIP  UINT64_MAX /* in place of a length: the next record is at the start */

struct plain {
	uint64_t tail __attribute__((aligned(64)));
	uint64_t head __attribute__((aligned(64)));
	unsigned char *data __attribute__((aligned(64)));
	uint64_t mask; /* of slots */
	uint64_t slot; /* bytes */
	uint64_t put, seen_head; /* the producer's own */
	uint64_t got, seen_tail; /* the consumer's own */
};

struct any {
	uint64_t tail __attribute__((aligned(64)));
	uint64_t head __attribute__((aligned(64)));
	unsigned char *data __attribute__((aligned(64)));
	uint64_t mask; /* of bytes */
	uint64_t put, seen_head; /* the producer's own */
	uint64_t got, seen_tail; /* the consumer's own */
};

struct pair {
	struct plain *plain;
	struct any *any;
	struct vas_queue *queue;
	struct vas_queue_end producer, consumer;
	uint64_t length;
	uint64_t sum;
	uint64_t spent;
	unsigned char record[QUEUE_LENGTH_MOST];
};

static inline unsigned char *plain_put_begin(struct plain *plain)
{
	if (plain->put - plain->seen_head > plain->mask) {
		plain->seen_head = __atomic_load_n(&plain->head, __ATOMIC_ACQUIRE);
		if (plain->put - plain->seen_head > plain->mask)
			return NULL;
	}
	return plain->data + (plain->put & plain->mask) * plain->slot;
}

static inline void plain_put_end(struct plain *plain)
{
	__atomic_store_n(&plain->tail, ++plain->put, __ATOMIC_RELEASE);
}

static inline const unsigned char *plain_get_begin(struct plain *plain)
{
	if (plain->seen_tail == plain->got) {
		plain->seen_tail = __atomic_load_n(&plain->tail, __ATOMIC_ACQUIRE);
		if (plain->seen_tail == plain->got)
			return NULL;
	}
	return plain->data + (plain->got & plain->mask) * plain->slot;
}

static inline void plain_get_end(struct plain *plain)
{
	__atomic_store_n(&plain->head, ++plain->got, __ATOMIC_RELEASE);
}

static inline uint64_t any_room(uint64_t length)
{
	return 8 + ((length + 7) & ~UINT64_C(7));
}

static inline bool any_has_room(struct any *any, uint64_t room)
{
	if (any->put + room - any->seen_head <= any->mask + 1)
		return true;
	any->seen_head = __atomic_load_n(&any->head, __ATOMIC_ACQUIRE);
	return any->put + room - any->seen_head <= any->mask + 1;
}

static inline unsigned char *any_put_begin(struct any *any, uint64_t length)
{
	uint64_t room = any_room(length), at = any->put & any->mask, rest = any->mask + 1 - at;

	if (__builtin_expect(room > rest, 0)) {
		if (!any_has_room(any, rest + room))
			return NULL;
		*(uint64_t *)(void *)(any->data + at) = SKIP;
		any->put += rest;
		at = 0;
	} else if (!any_has_room(any, room)) {
		return NULL;
	}
	return any->data + at + 8;
}

static inline void any_put_end(struct any *any, uint64_t length)
{
	*(uint64_t *)(void *)(any->data + (any->put & any->mask)) = length;
	any->put += any_room(length);
	__atomic_store_n(&any->tail, any->put, __ATOMIC_RELEASE);
}

static inline const unsigned char *any_get_begin(struct any *any, uint64_t *length)
{
	uint64_t at = any->got & any->mask;

	if (any->seen_tail == any->got) {
		any->seen_tail = __atomic_load_n(&any->tail, __ATOMIC_ACQUIRE);
		if (any->seen_tail == any->got)
			return NULL;
	}
	*length = *(const uint64_t *)(const void *)(any->data + at);
	if (__builtin_expect(*length == SKIP, 0)) {
		any->got += any->mask + 1 - at;
		at = 0;
		*length = *(const uint64_t *)(const void *)any->data;
	}
	return any->data + at + 8;
}

static inline void any_get_end(struct any *any, uint64_t length)
{
	any->got += any_room(length);
	__atomic_store_n(&any->head, any->got, __ATOMIC_RELEASE);
}

/*
 * A record's words are made and added up where they lie. By the same instructions for all: left to itself, a compiler counts in one way in one
 * loop and in another way in the next one, and then that is what is measured.
 */
static inline void words_make(void *at, uint64_t length, uint64_t seed)
{
	uint64_t *word = at, *end = word + length / 8;

	for (; word < end; word++, seed++) {
		*word = seed;
		__asm__("" : "+r"(word), "+r"(end), "+r"(seed));
	}
}

static inline uint64_t words_add(const void *at, uint64_t length)
{
	const uint64_t *word = at, *end = word + length / 8;
	uint64_t sum = 0;

	for (; word < end; word++) {
		sum += *word;
		__asm__("" : "+r"(word), "+r"(end), "+r"(sum));
	}
	return sum;
}

static int plain_burst(struct pair *pair)
{
	const unsigned char *record;
	unsigned char *place;

	for (unsigned int i = 0; i < BURST; i++) {
		place = plain_put_begin(pair->plain);
		if (!place)
			return -EAGAIN;
		words_make(place, pair->length, i);
		plain_put_end(pair->plain);
	}
	for (unsigned int i = 0; i < BURST; i++) {
		record = plain_get_begin(pair->plain);
		if (!record)
			return -EAGAIN;
		pair->sum += words_add(record, pair->length);
		plain_get_end(pair->plain);
	}
	return 0;
}

static int any_burst(struct pair *pair)
{
	const unsigned char *record;
	unsigned char *place;
	uint64_t length;

	for (unsigned int i = 0; i < BURST; i++) {
		place = any_put_begin(pair->any, pair->length);
		if (!place)
			return -EAGAIN;
		words_make(place, pair->length, i);
		any_put_end(pair->any, pair->length);
	}
	for (unsigned int i = 0; i < BURST; i++) {
		record = any_get_begin(pair->any, &length);
		if (!record)
			return -EAGAIN;
		pair->sum += words_add(record, length);
		any_get_end(pair->any, length);
	}
	return 0;
}

static int queue_burst(struct pair *pair)
{
	const void *record;
	uint64_t length;
	void *place;

	for (unsigned int i = 0; i < BURST; i++) {
		if (vas_queue_put_begin(&pair->producer, pair->length, &place))
			return -EAGAIN;
		words_make(place, pair->length, i);
		vas_queue_put_end(&pair->producer, pair->length);
	}
	for (unsigned int i = 0; i < BURST; i++) {
		if (vas_queue_get_begin(&pair->consumer, &record, &length))
			return -EAGAIN;
		pair->sum += words_add(record, length);
		vas_queue_get_end(&pair->consumer);
	}
	return 0;
}

static int plain_copy_burst(struct pair *pair)
{
	const unsigned char *record;
	unsigned char *place;

	for (unsigned int i = 0; i < BURST; i++) {
		place = plain_put_begin(pair->plain);
		if (!place)
			return -EAGAIN;
		memcpy(place, pair->record, pair->length);
		plain_put_end(pair->plain);
	}
	for (unsigned int i = 0; i < BURST; i++) {
		record = plain_get_begin(pair->plain);
		if (!record)
			return -EAGAIN;
		memcpy(pair->record, record, pair->length);
		plain_get_end(pair->plain);
	}
	return 0;
}

static int any_copy_burst(struct pair *pair)
{
	const unsigned char *record;
	unsigned char *place;
	uint64_t length;

	for (unsigned int i = 0; i < BURST; i++) {
		place = any_put_begin(pair->any, pair->length);
		if (!place)
			return -EAGAIN;
		memcpy(place, pair->record, pair->length);
		any_put_end(pair->any, pair->length);
	}
	for (unsigned int i = 0; i < BURST; i++) {
		record = any_get_begin(pair->any, &length);
		if (!record || length > sizeof(pair->record))
			return -EAGAIN;
		memcpy(pair->record, record, length);
		any_get_end(pair->any, length);
	}
	return 0;
}

static int queue_copy_burst(struct pair *pair)
{
	uint64_t length;

	for (unsigned int i = 0; i < BURST; i++)
		if (vas_queue_put(&pair->producer, pair->record, pair->length))
			return -EAGAIN;
	for (unsigned int i = 0; i < BURST; i++) {
		length = sizeof(pair->record);
		if (vas_queue_get(&pair->consumer, pair->record, &length))
			return -EAGAIN;
	}
	return 0;
}

static inline int bursts(struct pair *pair, unsigned int count, int (*burst)(struct pair *pair))
{
	uint64_t begun = cpu_ns();
	int err = 0;

	for (unsigned int i = 0; i < count / BURST && !err; i++)
		err = burst(pair);
	pair->spent = cpu_ns() - begun;
	return err;
}

#define RUN(name)                                                                                  \
	static int name##_run(void *context, unsigned int count)                                   \
	{                                                                                          \
		return bursts(context, count, name##_burst);                                       \
	}
RUN(plain)
RUN(any)
RUN(any_copy)
RUN(queue)
RUN(plain_copy)
RUN(queue_copy)

static int pair_make(struct pair *pair, uint64_t length)
{
	int err;

	memset(pair, 0, sizeof(*pair));
	pair->length = length;
	pair->plain = aligned_alloc(64, sizeof(*pair->plain));
	if (!pair->plain)
		return -ENOMEM;
	*pair->plain = (struct plain){
		.data = aligned_alloc(4096, BYTES),
		.mask = BYTES / length - 1,
		.slot = length,
	};
	if (!pair->plain->data)
		return -ENOMEM;
	memset(pair->plain->data, 1, BYTES);
	pair->any = aligned_alloc(64, sizeof(*pair->any));
	if (!pair->any)
		return -ENOMEM;
	*pair->any = (struct any){ .data = aligned_alloc(4096, BYTES), .mask = BYTES - 1 };
	if (!pair->any->data)
		return -ENOMEM;
	memset(pair->any->data, 1, BYTES);
	err = vas_queue_create(BYTES, NULL, &pair->queue);
	if (!err)
		err = vas_queue_join(pair->queue, VAS_QUEUE_PRODUCER, &pair->producer);
	return err ? err : vas_queue_join(pair->queue, VAS_QUEUE_CONSUMER, &pair->consumer);
}

struct queue_part {
	struct group_context *group;
	uint64_t length; /* of records; a power of two */
	const char *name;
};

static int queue_measure(void *context)
{
	struct queue_part *part = context;
	struct pair *pair = aligned_alloc(64, (sizeof(*pair) + 63) / 64 * 64);
	unsigned int failed = 0, batch = BURST * 512;
	struct contender contenders[] = {
		{ .name = "plain, in place", .run = any_run },
		{ .name = "queue, in place", .run = queue_run, .bound = 1.2 },
		{ .name = "plain, copying", .run = any_copy_run },
		{ .name = "queue, copying, to plain",
		  .run = queue_copy_run,
		  .base = 2,
		  .bound = 1.2 },
		{ .name = "slots, in place", .run = plain_run },
		{ .name = "queue, in place, to slots", .run = queue_run, .base = 4 },
		{ .name = "slots, copying", .run = plain_copy_run },
		{ .name = "queue, copying, to slots", .run = queue_copy_run, .base = 6 },
	};
	const unsigned int count = sizeof(contenders) / sizeof(contenders[0]);
	int err = pair ? pair_make(pair, part->length) : -ENOMEM;

	for (unsigned int i = 0; i < count && !err; i++) {
		contenders[i].context = pair;
		contenders[i].batch = batch;
		contenders[i].spent = &pair->spent;
	}
	if (!err)
		err = measure(contenders, count, part->group->rounds, &failed);
	if (err)
		fprintf(stderr, "vasbench: ring: error %d\n", -err);
	else
		output_group(part->group->output, part->name, contenders, count);
	return err;
}

int bench_queues(struct group_context *group)
{
	struct queue_part parts[] = {
		{ group, 64, "queue of records of 64 B, put and got" },
		{ group, 256, "queue of records of 256 B, put and got" },
		{ group, 1024, "queue of records of 1 KiB, put and got" },
	};
	unsigned int count = group->output->quick ? 1 : sizeof(parts) / sizeof(parts[0]);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = group_in_child(group, queue_measure, &parts[i]);
	return err;
}
