/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Fuzz target: any bytes as what a queue's two sides do, and what a peer writes into its page and its ring meanwhile. The first byte chooses how
 * the queue is made.
 *
 * Whatever the bytes are: the answers are documented ones, and every place that is handed out lies within the ring's copies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KINDS 4u

struct world {
	struct vas_queue *queue;
	struct vas_queue_end producer, consumer;
	/* As it was made: each input begins with that. */
	unsigned char *page;
	struct vas_queue_end first[2];
};

struct input {
	const uint8_t *data;
	size_t left;
};

static struct world worlds[KINDS];
static uint64_t page;

static void must(int holds)
{
	if (!holds)
		abort();
}

static uint64_t page_bytes(const struct world *world)
{
	return sizeof(struct vas_queue_page) +
	       world->queue->claims.count * sizeof(struct vas_claim_slot);
}

static void world_make(struct world *world, uint32_t flags)
{
	VAS_OPTS(vas_queue_opts, opts);
	opts.flags = flags;
	must(vas_queue_create(page, &opts, &world->queue) == 0);
	must(vas_queue_join(world->queue, VAS_QUEUE_PRODUCER, &world->producer) == 0);
	must(vas_queue_join(world->queue, VAS_QUEUE_CONSUMER, &world->consumer) == 0);
	world->first[0] = world->producer;
	world->first[1] = world->consumer;
	world->page = malloc(page_bytes(world));
	must(world->page != NULL);
	memcpy(world->page, world->queue->page, page_bytes(world));
}

static void world_begin(struct world *world, bool asks)
{
	memcpy(world->queue->page, world->page, page_bytes(world));
	memset(world->consumer.data, 0, page);
	world->producer = world->first[0];
	world->consumer = world->first[1];
	/* Or each input would ask the kernel who lives, which takes longer than all else. */
	world->producer.asked = world->consumer.asked = !asks;
}

/* So many bytes as a number; 0 when there are no more. */
static uint64_t take(struct input *input, unsigned int bytes)
{
	uint64_t number = 0;

	for (; bytes && input->left; bytes--, input->left--)
		number = number << 8 | *input->data++;
	return number;
}

static void check_inside(const struct world *world, const void *place, uint64_t length)
{
	uint64_t at = (uint64_t)(uintptr_t)place - (uint64_t)(uintptr_t)world->first[1].data;

	must(at <= 2 * page && length <= 2 * page - at && at % 8 == 0);
}

static void check_answer(int err)
{
	must(err == 0 || err == -EAGAIN || err == -EBADMSG || err == -EPIPE || err == -ERANGE ||
	     err == -EINVAL || err == -EOWNERDEAD || err == -ENOSPC);
}

static void put_begin(struct world *world, struct input *input)
{
	uint64_t length = take(input, 2);
	void *place;
	int err = vas_queue_put_begin(&world->producer, length, &place);

	check_answer(err);
	if (err)
		return;
	check_inside(world, place, length);
	memset(place, 1, length);
}

static void get_begin(struct world *world)
{
	const void *place;
	uint64_t length;
	int err = vas_queue_get_begin(&world->consumer, &place, &length);

	check_answer(err);
	if (!err)
		check_inside(world, place, length);
}

static void copy(struct world *world, bool puts, uint64_t length)
{
	unsigned char bytes[256] = { 0 };

	length %= sizeof(bytes) + 1;
	if (puts)
		check_answer(vas_queue_put(&world->producer, bytes, length));
	else
		check_answer(vas_queue_get(&world->consumer, bytes, &length));
}

/* A word of the page and the slots, or of the ring, to be written or moved by a little. */
static void spoil(struct world *world, struct input *input)
{
	bool ring = take(input, 1) % 2;
	uint64_t words = (ring ? page : page_bytes(world)) / 8, at = take(input, 2) % words;
	uint64_t *word = (uint64_t *)(void *)(ring ? world->first[1].data
						   : (unsigned char *)world->queue->page);
	uint64_t shift = take(input, 1) % 64;

	word[at] = shift % 2 ? word[at] + (take(input, 1) << shift) : take(input, 8);
}

/* What the next consumer believes. */
static void take_over(struct world *world)
{
	int err = vas_queue_is_many(world->queue) ? vas_queue_resume(&world->consumer) : 0;

	must(err == 0 || err == -EBADMSG);
}

static void step(struct world *world, struct input *input)
{
	switch (take(input, 1) % 10) {
	case 0:
		put_begin(world, input);
		break;
	case 1:
		check_answer(vas_queue_put_end(&world->producer, take(input, 2)));
		break;
	case 2:
		get_begin(world);
		break;
	case 3:
		check_answer(vas_queue_get_end(&world->consumer));
		break;
	case 4:
		copy(world, true, take(input, 1));
		break;
	case 5:
		copy(world, false, take(input, 1));
		break;
	case 6:
		check_answer(vas_queue_wait(&world->consumer, 0, 0));
		break;
	case 7:
		check_answer(vas_queue_wait(&world->producer, take(input, 2), 0));
		break;
	default:
		spoil(world, input);
	}
}

/* Before all inputs, each of which may be a child's that must leave nothing behind. */
__attribute__((constructor)) static void worlds_make(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (uint32_t kind = 0; kind < KINDS; kind++)
		world_make(&worlds[kind], kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct world *world;
	uint32_t how = (uint32_t)take(&input, 1);

	world = &worlds[how % KINDS];
	world_begin(world, how & 128);
	while (input.left)
		step(world, &input);
	take_over(world);
	return 0;
}
