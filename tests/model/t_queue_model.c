/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * A queue against a list: random records put, begun, dropped and got by ends that leave and join. And against a peer that writes what it
 * likes into positions and lengths: no answer but the documented ones, and no place outside the ring.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arena/queue.h"
#include "tap/tap.h"

#define STEPS 200000u
#define MOST  4096u /* records in the list */

static uint64_t page;

struct world {
	struct vas_queue *queue;
	struct vas_queue_end producer, consumer;
	/* Lengths and first bytes of what was put and not got. */
	uint64_t lengths[MOST];
	unsigned char marks[MOST];
	unsigned int first, count;
	uint64_t held; /* bytes of the ring that they take */
	uint64_t random;
};

static uint64_t draw(struct world *world, uint64_t below)
{
	world->random = world->random * 6364136223846793005u + 1442695040888963407u;
	return (world->random >> 33) % below;
}

static void world_begin(struct world *world)
{
	struct vas_span span;

	/* What the library keeps is made by the first call. */
	if (vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL))
		tap_bail("no span");
	tap_baseline();
	memset(world, 0, sizeof(*world));
	world->random = 7;
	if (vas_queue_create(page, NULL, &world->queue) ||
	    vas_queue_join(world->queue, VAS_QUEUE_PRODUCER, &world->producer) ||
	    vas_queue_join(world->queue, VAS_QUEUE_CONSUMER, &world->consumer))
		tap_bail("no queue");
}

static void world_end(struct world *world)
{
	if (vas_queue_leave(&world->producer) || vas_queue_leave(&world->consumer) ||
	    vas_queue_destroy(world->queue, NULL))
		tap_bail("the queue stays");
}

static uint64_t draw_length(struct world *world)
{
	switch (draw(world, 8)) {
	case 0:
		return draw(world, page + 20);
	case 1:
		return page - 8 - draw(world, 3);
	default:
		return draw(world, 100);
	}
}

/* What the queue must answer to a record of that length. */
static int put_wanted(const struct world *world, uint64_t length)
{
	if (length > page - 8)
		return -ERANGE;
	return world->held + vas_queue_room(length) > page ? -EAGAIN : 0;
}

static bool step_put(struct world *world)
{
	uint64_t length = draw_length(world), kept;
	int wanted = put_wanted(world, length), err;
	unsigned int last = (world->first + world->count) % MOST;
	void *place;

	/* The function itself (in brackets), or what stands for it. */
	err = draw(world, 2) ? (vas_queue_put_begin)(&world->producer, length, &place)
			     : vas_queue_put_begin(&world->producer, length, &place);
	if (err != wanted)
		return false;
	if (err)
		return true;
	memset(place, (int)(last & 0xff), length);
	if (draw(world, 10) == 0) { /* dropped */
		world->producer.taken = 0;
		return true;
	}
	kept = draw(world, 3) ? length : draw(world, length + 1);
	if (draw(world, 2) ? (vas_queue_put_end)(&world->producer, kept)
			   : vas_queue_put_end(&world->producer, kept))
		return false;
	world->lengths[last] = kept;
	world->marks[last] = (unsigned char)(last & 0xff);
	world->held += vas_queue_room(kept);
	world->count++;
	return true;
}

static bool step_get(struct world *world)
{
	const unsigned char *bytes;
	const void *place;
	uint64_t length;
	bool same;
	int err;

	err = draw(world, 2) ? (vas_queue_get_begin)(&world->consumer, &place, &length)
			     : vas_queue_get_begin(&world->consumer, &place, &length);
	if (world->count == 0)
		return err == -EAGAIN;
	if (err || length != world->lengths[world->first])
		return false;
	bytes = place;
	same = length == 0 || (bytes[0] == world->marks[world->first] &&
			       bytes[length - 1] == world->marks[world->first]);
	if (draw(world, 10) == 0) { /* read again later */
		world->consumer.taken = 0;
		return same;
	}
	world->held -= vas_queue_room(length);
	world->first = (world->first + 1) % MOST;
	world->count--;
	if (draw(world, 2))
		return same && (vas_queue_get_end)(&world->consumer) == 0;
	return same && vas_queue_get_end(&world->consumer) == 0;
}

static bool step_rejoin(struct world *world)
{
	bool producer = draw(world, 2);
	struct vas_queue_end *end = producer ? &world->producer : &world->consumer;
	enum vas_queue_role role = producer ? VAS_QUEUE_PRODUCER : VAS_QUEUE_CONSUMER;

	return vas_queue_leave(end) == 0 && vas_queue_join(world->queue, role, end) == 0;
}

static void test_model(void *unused)
{
	struct world world;
	unsigned int step;
	bool right = true;

	(void)unused;
	world_begin(&world);
	for (step = 0; step < STEPS && right; step++) {
		uint64_t what = draw(&world, 1000);

		right = what == 0    ? step_rejoin(&world)
			: what < 500 ? step_put(&world)
				     : step_get(&world);
		right &= world.producer.count - world.consumer.count == world.held;
	}
	ok(right, "it does what a list does, up to step %u", step);
	world_end(&world);
}

static bool is_inside(const struct world *world, const void *place, uint64_t length)
{
	uint64_t at = (uint64_t)(uintptr_t)place - (uint64_t)(uintptr_t)world->consumer.data;

	return at <= 2 * page && length <= 2 * page - at;
}

/* A number that a peer might write. */
static uint64_t evil(struct world *world, uint64_t near)
{
	switch (draw(world, 6)) {
	case 0:
		return near + 8 * draw(world, page / 4);
	case 1:
		return near - 8 * draw(world, page / 4);
	case 2:
		return near + draw(world, 64);
	case 3:
		return UINT64_MAX - draw(world, 32);
	case 4:
		return draw(world, 2 * page);
	default:
		return world->random;
	}
}

static void test_hostile(void *unused)
{
	unsigned int step, refused = 0;
	struct world world;
	bool right = true;

	(void)unused;
	world_begin(&world);
	for (step = 0; step < STEPS && right; step++) {
		struct vas_queue_page *shared = world.queue->page;
		const void *data = world.consumer.data;
		uint64_t length = 0;
		void *place = world.consumer.data;
		int err;

		/* The producer's side of it spoils the consumer's, and the other way round. */
		if (draw(&world, 2)) {
			shared->tail = evil(&world, world.consumer.count);
			*(uint64_t *)(void *)(world.consumer.data + world.consumer.at) =
				evil(&world, 16);
			err = vas_queue_get_begin(&world.consumer, &data, &length);
			right = is_inside(&world, data, length) &&
				(err == 0 || err == -EAGAIN || err == -EBADMSG);
			if (!err)
				right &= vas_queue_get_end(&world.consumer) == 0;
		} else {
			uint64_t wish = draw(&world, page);

			shared->head = evil(&world, world.producer.count);
			err = vas_queue_put_begin(&world.producer, wish, &place);
			right = is_inside(&world, place, err ? 0 : wish) &&
				(err == 0 || err == -EAGAIN || err == -EBADMSG || err == -ERANGE);
			if (!err)
				right &= vas_queue_put_end(&world.producer, wish) == 0;
		}
		right &= world.consumer.at < page && world.producer.at < page &&
			 world.consumer.at % 8 == 0 && world.producer.at % 8 == 0;
		/* What was believed of the other side is within the ring. */
		right &= world.producer.seen - world.producer.count <= page &&
			 world.consumer.seen - world.consumer.count <= page &&
			 (world.producer.seen | world.consumer.seen) % 8 == 0;
		refused += err == -EBADMSG;
	}
	ok(right, "nothing outside the ring, up to step %u", step);
	ok(refused > STEPS / 20, "and much is refused: %u", refused);
	world.queue->page->head = 3;
	is_err(vas_queue_leave(&world.consumer), 0, "left");
	is_err(vas_queue_join(world.queue, VAS_QUEUE_CONSUMER, &world.consumer), -EBADMSG,
	       "who joins is told that it is spoilt");
	world.queue->page->head = world.queue->page->tail = 0;
	is_err(vas_queue_join(world.queue, VAS_QUEUE_CONSUMER, &world.consumer), 0,
	       "and not for good");
	world_end(&world);
}

/* One word of what producers share, or of the ring. */
static void spoil(struct world *world)
{
	struct vas_queue_page *shared = world->queue->page;
	struct vas_claims *claims = &world->queue->claims;
	struct vas_claim_slot *slot = &claims->slots[draw(world, claims->count)];
	uint64_t *words[] = {
		&shared->marks.tail,
		&shared->marks.head,
		&shared->marks.first,
		&slot->word,
		&slot->position,
		&shared->producers[draw(world, VAS_QUEUE_PRODUCERS)],
		&shared->places[0].left,
		&shared->places[1].left,
		(uint64_t *)(void *)(world->consumer.data + 8 * draw(world, page / 8)),
	};
	uint64_t *word = words[draw(world, sizeof(words) / sizeof(words[0]))];

	switch (draw(world, 3)) {
	case 0:
		*word = evil(world, *word);
		break;
	case 1:
		*word ^= UINT64_C(1) << draw(world, 64);
		break;
	default:
		*word = slot->word + (draw(world, 3) << 35) + draw(world, 5);
	}
}

static bool put_many(struct world *world, unsigned int *refused)
{
	uint64_t wish = draw(world, page);
	void *place = world->consumer.data;
	int err = vas_queue_put_begin(&world->producer, wish, &place);

	*refused += err == -EBADMSG;
	if (err)
		return err == -EAGAIN || err == -EBADMSG || err == -ERANGE || err == -EPIPE;
	if (!is_inside(world, place, wish) || world->producer.at >= page)
		return false;
	if (draw(world, 2))
		spoil(world);
	return vas_queue_put_end(&world->producer, wish) == 0;
}

static bool get_many(struct world *world, unsigned int *refused)
{
	const void *data = world->consumer.data;
	uint64_t length = 0;
	int err = vas_queue_get_begin(&world->consumer, &data, &length);

	*refused += err == -EBADMSG;
	if (err)
		return err == -EAGAIN || err == -EBADMSG || err == -EOWNERDEAD || err == -EPIPE;
	if (!is_inside(world, data, length) || world->consumer.at >= page)
		return false;
	if (draw(world, 2))
		spoil(world);
	return vas_queue_get_end(&world->consumer) == 0;
}

/* A queue of many that was spoilt is made anew, with ends of which one may be refused. */
static void many_begin(struct world *world)
{
	VAS_OPTS(vas_queue_opts, opts);
	opts.flags = VAS_QUEUE_MANY;
	if (vas_queue_create(page, &opts, &world->queue) ||
	    vas_queue_join(world->queue, VAS_QUEUE_PRODUCER, &world->producer) ||
	    vas_queue_join(world->queue, VAS_QUEUE_CONSUMER, &world->consumer))
		tap_bail("no queue");
}

static void test_hostile_many(void *unused)
{
	unsigned int step, refused = 0, worked = 0;
	struct world world;
	bool right = true;

	(void)unused;
	world_begin(&world);
	world_end(&world);
	many_begin(&world);
	for (step = 0; step < STEPS / 4 && right; step++) {
		unsigned int before = refused;

		if (draw(&world, 64) == 0) {
			world_end(&world);
			many_begin(&world);
		}
		if (draw(&world, 8) == 0)
			spoil(&world);
		right = draw(&world, 2) ? put_many(&world, &refused) : get_many(&world, &refused);
		worked += refused == before;
		/* Who joins believes as little. */
		if (draw(&world, 16) == 0 && right) {
			int err;

			if (vas_queue_leave(&world.consumer))
				tap_bail("the consumer stays");
			err = vas_queue_join(world.queue, VAS_QUEUE_CONSUMER, &world.consumer);
			right = err == 0 || err == -EBADMSG;
			if (err) {
				memset(&world.queue->page->marks, 0,
				       sizeof(world.queue->page->marks));
				memset(world.queue->claims.slots, 0, 2 * page / 8);
				if (vas_queue_join(world.queue, VAS_QUEUE_CONSUMER,
						   &world.consumer))
					tap_bail("no consumer");
			}
		}
	}
	ok(right, "nothing outside the ring, up to step %u", step);
	ok(refused > STEPS / 40 && worked > STEPS / 40, "much is refused: %u, not all: %u", refused,
	   worked);
	world_end(&world);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("a list", test_model, NULL, 20);
	tap_case("a peer that writes what it likes", test_hostile, NULL, 20);
	tap_case("many producers, and a peer that does", test_hostile_many, NULL, 20);
	return tap_done();
}
