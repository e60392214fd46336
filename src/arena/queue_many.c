/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues with many producers.
 *
 * WHAT FOR. Threads and processes that hand records to one consumer, without a queue and a role for each.
 *
 * STRATEGY. Each producer has a place of its own, a word of its process as each role is one (queue.c); what it claims (claims.h) bears
 * the place's number. So when the consumer comes to a claim that is not handed over, it can look whether the producer lives, and step over
 * what a dead one has left. Who takes over the place of a dead one first buries what that had claimed: from then on
 * the place's claims are its own.
 *
 * CONCURRENCY. Lock-free, as claims are. An end is one thread's.
 *
 * WHAT IT DOES NOT DO. A place is not taken back from a thread that ended without leaving while its process lives.
 */
#include "arena/peer.h"
#include "arena/queue.h"

#define SLOT_BYTES  64u /* of the ring, for each slot */
#define SLOTS_LEAST 64u
#define SLOTS_MOST  16384u

_Static_assert(VAS_QUEUE_PRODUCERS == VAS_CLAIM_PLACES, "a place is a number in a claim");

uint64_t vas_queue_slots(uint64_t bytes)
{
	uint64_t slots = SLOTS_LEAST;

	while (slots < SLOTS_MOST && slots < bytes / SLOT_BYTES)
		slots *= 2;
	return slots;
}

static struct vas_sys *sys_of(const struct vas_queue_end *end)
{
	return end->queue->arena->space->sys;
}

/* --- places --- */

static bool place_exchange(uint64_t *place, uint64_t was, uint64_t self)
{
	return __atomic_compare_exchange_n(place, &was, self, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static bool place_take(uint64_t *place, uint64_t self)
{
	return __atomic_load_n(place, __ATOMIC_RELAXED) == VAS_PEER_NONE &&
	       place_exchange(place, VAS_PEER_NONE, self);
}

/* Of one that is gone, with nothing in it. */
static bool place_inherit(struct vas_queue_end *end, uint64_t *place, uint64_t self)
{
	struct vas_queue *queue = end->queue;
	uint64_t was = __atomic_load_n(place, __ATOMIC_ACQUIRE);

	if (!vas_peer_gone(sys_of(end), queue->page->namespace, was) ||
	    !place_exchange(place, was, self))
		return false;
	vas_claims_bury(&queue->claims, (uint32_t)(place - queue->page->producers));
	return true;
}

int vas_queue_enter_producer(struct vas_queue_end *end)
{
	struct vas_queue_page *page = end->queue->page;
	uint64_t self = vas_peer_self(sys_of(end), page->namespace);
	uint32_t place;

	for (place = 0; place < VAS_QUEUE_PRODUCERS; place++)
		if (place_take(&page->producers[place], self))
			break;
	if (place == VAS_QUEUE_PRODUCERS)
		for (place = 0; place < VAS_QUEUE_PRODUCERS; place++)
			if (place_inherit(end, &page->producers[place], self))
				break;
	if (place == VAS_QUEUE_PRODUCERS)
		return -EBUSY;
	end->place = place;
	end->count = __atomic_load_n(&page->marks.head, __ATOMIC_ACQUIRE);
	end->seen = end->count;
	/* What is spoilt is seen at the first claim. */
	if (end->count % VAS_CLAIM_UNIT)
		end->count = 0;
	return 0;
}

void vas_queue_exit_producer(struct vas_queue_end *end)
{
	struct vas_queue_page *page = end->queue->page;
	const struct vas_claim claim = { .ticket = end->ticket, .word = end->word };

	if (end->taken)
		vas_claim_settle(&end->queue->claims, &claim, VAS_CLAIM_DROPPED);
	__atomic_store_n(&page->producers[end->place], VAS_PEER_NONE, __ATOMIC_RELEASE);
	/* Who has seen the place taken looks again. */
	__atomic_fetch_add(&page->places[VAS_QUEUE_PRODUCER].left, 1, __ATOMIC_RELEASE);
}

/* Whether no producer lives, but one did. */
static bool producers_gone(struct vas_queue_end *end)
{
	struct vas_queue_page *page = end->queue->page;
	uint64_t left = __atomic_load_n(&page->places[VAS_QUEUE_PRODUCER].left, __ATOMIC_ACQUIRE);
	bool gone = left > 0;

	/* Anew when somebody has left, and now and then. */
	if (left == end->seen && !vas_queue_asks(end))
		return false;
	end->seen = left;
	for (uint32_t i = 0; i < VAS_QUEUE_PRODUCERS; i++) {
		uint64_t peer = __atomic_load_n(&page->producers[i], __ATOMIC_ACQUIRE);

		if (peer == VAS_PEER_NONE)
			continue;
		if (!vas_peer_gone(sys_of(end), page->namespace, peer))
			return false;
		gone = true;
	}
	/* And each time from now on. */
	if (gone)
		end->seen = left - 1;
	return gone;
}

/* --- producers --- */

static int claim_for(struct vas_queue_end *end, uint32_t place, uint64_t length,
		     struct vas_claim *claim)
{
	const struct vas_claims *claims = &end->queue->claims;
	uint64_t room;
	int err;

	if (length > end->bytes - VAS_QUEUE_WORD || length > VAS_CLAIM_MOST - VAS_QUEUE_WORD)
		return -ERANGE;
	room = vas_queue_room(length);
	err = vas_claim_take(claims, place, room, &end->seen, claim);
	if (err == -EAGAIN && vas_queue_other_gone(end)) {
		/* What it gave back before it went. */
		err = vas_claim_take(claims, place, room, &end->seen, claim);
		if (err == -EAGAIN)
			err = -EPIPE;
	}
	return err;
}

int vas_queue_claim_look(struct vas_queue_end *end, uint64_t length)
{
	struct vas_claim claim;

	return claim_for(end, VAS_CLAIM_NOBODY, length, &claim);
}

int vas_queue_claim(struct vas_queue_end *end, uint64_t length, void **data)
{
	struct vas_claim claim;
	int err = claim_for(end, end->place, length, &claim);

	if (err)
		return err;
	/* Seldom more than once round: a division is most of what this costs. */
	end->at += claim.position - end->count;
	if (end->at >= end->bytes)
		end->at -= end->bytes;
	if (end->at >= end->bytes)
		end->at = claim.position % end->bytes;
	end->count = claim.position;
	end->ticket = claim.ticket;
	end->word = claim.word;
	end->taken = vas_queue_room(length) - VAS_QUEUE_WORD + 1;
	*data = end->data + end->at + VAS_QUEUE_WORD;
	return 0;
}

void vas_queue_hand_over_claim(struct vas_queue_end *end, uint64_t length)
{
	const struct vas_claim claim = { .ticket = end->ticket, .word = end->word };

	__atomic_store_n((uint64_t *)(void *)(end->data + end->at), length, __ATOMIC_RELAXED);
	vas_claim_settle(&end->queue->claims, &claim, VAS_CLAIM_READY);
	end->taken = 0;
}

/* --- the consumer --- */

int vas_queue_resume(struct vas_queue_end *end)
{
	struct vas_claim claim;
	int err = vas_claim_resume(&end->queue->claims, &claim);

	if (err)
		return err;
	end->ticket = claim.ticket;
	end->count = claim.position;
	return 0;
}

static void step_over(struct vas_queue_end *end, struct vas_claim *claim)
{
	vas_claim_free(&end->queue->claims, claim);
	end->at += claim->position - end->count;
	if (end->at >= end->bytes)
		end->at -= end->bytes;
	end->count = claim->position;
	end->ticket = claim->ticket;
	end->taken = 0;
}

void vas_queue_give_back_claim(struct vas_queue_end *end)
{
	struct vas_claim claim = {
		.ticket = end->ticket,
		.position = end->count,
		.word = end->word,
	};

	step_over(end, &claim);
}

static int record_at(struct vas_queue_end *end, const struct vas_claim *claim, const void **data,
		     uint64_t *length)
{
	uint64_t bytes = __atomic_load_n((const uint64_t *)(const void *)(end->data + end->at),
					 __ATOMIC_RELAXED);

	if (bytes > end->bytes || vas_queue_room(bytes) > vas_claim_bytes(claim->word))
		return -EBADMSG;
	end->word = claim->word;
	end->taken = vas_claim_bytes(claim->word);
	*data = end->data + end->at + VAS_QUEUE_WORD;
	*length = bytes;
	return 0;
}

/* Somebody has claimed it and not handed it over: -EAGAIN; 0 when that has changed, or the producer is gone and it is buried. */
static int await_owner(struct vas_queue_end *end, struct vas_claim *claim)
{
	struct vas_queue_page *page = end->queue->page;
	uint64_t peer;

	if (!vas_queue_asks(end))
		return -EAGAIN;
	peer = __atomic_load_n(&page->producers[vas_claim_place(claim->word)], __ATOMIC_ACQUIRE);
	/* Who leaves drops its claim before. */
	if (peer != VAS_PEER_NONE && !vas_peer_gone(sys_of(end), page->namespace, peer))
		return -EAGAIN;
	(void)vas_claim_bury(&end->queue->claims, claim);
	return 0;
}

/* Nothing is claimed: -EAGAIN, -EPIPE, or 0 when that has changed. */
static int await_claim(struct vas_queue_end *end, struct vas_claim *claim)
{
	if (!producers_gone(end))
		return -EAGAIN;
	/* What they did before they went. */
	return vas_claim_look(&end->queue->claims, claim) == VAS_CLAIM_FREE ? -EPIPE : 0;
}

int vas_queue_next_claimed(struct vas_queue_end *end, const void **data, uint64_t *length)
{
	for (;;) {
		struct vas_claim claim = { .ticket = end->ticket, .position = end->count };
		int err = 0;

		switch (vas_claim_look(&end->queue->claims, &claim)) {
		case VAS_CLAIM_READY:
			return record_at(end, &claim, data, length);
		case VAS_CLAIM_CLAIMED:
			err = await_owner(end, &claim);
			break;
		case VAS_CLAIM_FREE:
			err = await_claim(end, &claim);
			break;
		case VAS_CLAIM_DROPPED:
			step_over(end, &claim);
			vas_queue_tell(end);
			break;
		case VAS_CLAIM_DEAD:
			step_over(end, &claim);
			vas_queue_tell(end);
			return -EOWNERDEAD;
		default:
			return -EBADMSG;
		}
		if (err)
			return err;
	}
}
