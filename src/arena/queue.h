/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue: records in a ring, and a page that says how far either side has come.
 *
 * A record lies at a multiple of 8: a word with its length, then its bytes, up to the next multiple of 8. Positions count bytes since the
 * queue was made and are taken modulo the ring's size, which is a multiple of 8. The producer alone writes tail, with release, when the
 * record is whole; the consumer alone writes head, with release, when it has no use for the record any more.
 *
 * With VAS_QUEUE_MANY producers share the tail: who has which part of the ring is claimed (claims.h), in slots behind the page. A record is
 * the same: what it lacks to its claim's length is room that nobody has. The consumer's position is its claim's.
 *
 * Both may be another process, which is not believed: what is read from the page and the length words is checked before use. Then
 * nothing outside the ring is touched, whatever the other side writes.
 */
#ifndef VAS_ARENA_QUEUE_H
#define VAS_ARENA_QUEUE_H

#include <errno.h>
#include <string.h>

#include <vaspace/ring.h>

#include "arena/claims.h"
#include "arena/ring.h"

#define VAS_QUEUE_WORD 8u /* before each record */

struct vas_queue_page {
	uint64_t namespace; /* constant: of processes' numbers, vas_peer_namespace */
	uint32_t flags; /* constant: VAS_QUEUE_ */
	/* Each in a line of its own, or the sides would wait for each other's stores. */
	uint64_t tail __attribute__((aligned(64))); /* of the producer (atomic) */
	uint64_t head __attribute__((aligned(64))); /* of the consumer (atomic) */
	struct {
		uint64_t peer; /* vas_peer_self of who has the role, NONE: nobody (atomic) */
		uint64_t left; /* 1: somebody has left it; counts while nobody has it (atomic) */
	} places[2] __attribute__((aligned(64))); /* by enum vas_queue_role */
	struct {
		uint32_t word; /* with VAS_QUEUE_WAITS: whether that role sleeps; queue_wait.c (atomic) */
	} sleepers[2] __attribute__((aligned(64))); /* by enum vas_queue_role */
	/* With VAS_QUEUE_MANY. Of the producers' place left alone counts: somebody has been there, and is not in it. */
	struct vas_claim_marks marks;
	uint64_t producers[VAS_QUEUE_PRODUCERS]; /* their peers (atomic) */
};

/* Its books in this process. Constant but for joined. */
struct vas_queue {
	struct vas_ring *ring;
	struct vas_arena *arena; /* the ring's; behind its header lie the page and the slots */
	struct vas_queue_page *page;
	struct vas_claims claims; /* with VAS_QUEUE_MANY */
	uint32_t flags; /* VAS_QUEUE_ */
	uint64_t joined; /* this process's number, and how many ends have joined in it (atomic) */
};

/* opts.ring is there. */
int vas_queue_make(struct vas_space *space, uint64_t size, const struct vas_queue_opts *opts,
		   struct vas_failure *failure, struct vas_queue **queue);
/* One that another process made. The same, and as vas_ring_attach. */
int vas_queue_attach(struct vas_space *space, int fd, int header, const struct vas_queue_opts *opts,
		     struct vas_failure *failure, struct vas_queue **queue);
int vas_queue_unmake(struct vas_queue *queue, enum vas_retired *state, struct vas_failure *failure);
int vas_queue_enter(struct vas_queue *queue, enum vas_queue_role role, struct vas_queue_end *end,
		    struct vas_failure *failure);
int vas_queue_exit(struct vas_queue_end *end, struct vas_failure *failure);
/* In a child whose copy of a queue was made just now: nobody has joined there. */
void vas_queue_forked(struct vas_arena *arena);
/* Nothing to be had from the other side: why. -EAGAIN, -EPIPE. 0: there is something by now. */
int vas_queue_idle(struct vas_queue_end *end);
/* Whether this time somebody looks who lives. */
bool vas_queue_asks(struct vas_queue_end *end);
/* Whether the one that can have the other role was there, and is not. */
bool vas_queue_other_gone(struct vas_queue_end *end);

static inline enum vas_queue_role vas_queue_role(const struct vas_queue_end *end)
{
	return (enum vas_queue_role)(end->role & ~VAS_QUEUE_INLINE);
}

static inline bool vas_queue_is_many(const struct vas_queue *queue)
{
	return queue->flags & VAS_QUEUE_MANY;
}

/* --- queue_wait.c: with VAS_QUEUE_WAITS --- */

#define VAS_QUEUE_SLEEPS 1u /* in a word of sleepers */
#define VAS_QUEUE_FENCES 2u

/* Before the first record: so that barriers of sleepers reach this process. */
void vas_queue_heed(struct vas_queue_end *end);
int vas_queue_await(struct vas_queue_end *end, uint64_t length, uint64_t nanoseconds);
void vas_queue_wake(struct vas_queue_end *end);

/* What this end has published may be what the other side sleeps for. */
static inline void vas_queue_tell(struct vas_queue_end *end)
{
	struct vas_queue *queue = end->queue;
	uint32_t *word, seen;

	if (!(queue->flags & VAS_QUEUE_WAITS))
		return;
	word = &queue->page->sleepers[!vas_queue_role(end)].word;
	/* Who sleeps has had a barrier put between what was published and this look; the compiler must not swap them. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(end->fences, 0))
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	seen = __atomic_load_n(word, __ATOMIC_RELAXED);
	if (__builtin_expect(seen != 0, 0) && (seen & (VAS_QUEUE_SLEEPS | VAS_QUEUE_FENCES)))
		vas_queue_wake(end);
}

/* --- queue_many.c: the same where there are many producers --- */

/* How many slots a ring of so many bytes has. */
uint64_t vas_queue_slots(uint64_t bytes);
/* A place for a producer, and what of end goes with it. -EBUSY. */
int vas_queue_enter_producer(struct vas_queue_end *end);
void vas_queue_exit_producer(struct vas_queue_end *end);
/* Where the last consumer was. -EBADMSG. */
int vas_queue_resume(struct vas_queue_end *end);
int vas_queue_claim(struct vas_queue_end *end, uint64_t length, void **data);
/* Whether that would do, just now. */
int vas_queue_claim_look(struct vas_queue_end *end, uint64_t length);
void vas_queue_hand_over_claim(struct vas_queue_end *end, uint64_t length);
int vas_queue_next_claimed(struct vas_queue_end *end, const void **data, uint64_t *length);
void vas_queue_give_back_claim(struct vas_queue_end *end);

/* --- the halves where there is one; end has joined in that role --- */

static inline uint64_t vas_queue_room(uint64_t length) /* of at most the ring's size */
{
	return VAS_QUEUE_WORD + ((length + 7) & ~UINT64_C(7));
}

/* Where the other side is, read anew. -EBADMSG: nowhere. What there is between the two is at most the ring. */
static inline int vas_queue_look(struct vas_queue_end *end)
{
	uint64_t seen = __atomic_load_n(end->other, __ATOMIC_ACQUIRE);
	bool producer = vas_queue_role(end) == VAS_QUEUE_PRODUCER;
	uint64_t between = producer ? end->count - seen : seen - end->count;

	if (__builtin_expect(between > end->bytes || between % 8, 0))
		return -EBADMSG;
	end->seen = producer ? seen + end->bytes : seen;
	return 0;
}

static inline bool vas_queue_has_room(const struct vas_queue_end *end, uint64_t room)
{
	return end->seen - end->count >= room;
}

static inline int vas_queue_take_room(struct vas_queue_end *end, uint64_t length, void **data)
{
	uint64_t room;
	int err;

	if (__builtin_expect(length > end->bytes - VAS_QUEUE_WORD, 0))
		return -ERANGE;
	room = vas_queue_room(length);
	while (!vas_queue_has_room(end, room)) {
		err = vas_queue_look(end);
		if (!err && !vas_queue_has_room(end, room))
			err = vas_queue_idle(end);
		if (err)
			return err;
	}
	end->taken = room - VAS_QUEUE_WORD + 1;
	*data = end->data + end->at + VAS_QUEUE_WORD;
	return 0;
}

static inline void vas_queue_hand_over(struct vas_queue_end *end, uint64_t length)
{
	__atomic_store_n((uint64_t *)(void *)(end->data + end->at), length, __ATOMIC_RELAXED);
	end->taken = 0;
	vas_queue_publish_inline(end, vas_queue_room(length));
}

static inline int vas_queue_next(struct vas_queue_end *end, const void **data, uint64_t *length)
{
	uint64_t there, bytes;
	int err;

	while (end->seen == end->count) {
		err = vas_queue_look(end);
		if (!err && end->seen == end->count)
			err = vas_queue_idle(end);
		if (err)
			return err;
	}
	there = end->seen - end->count;
	/* Once: another process may write what it likes meanwhile. */
	bytes = __atomic_load_n((const uint64_t *)(const void *)(end->data + end->at),
				__ATOMIC_RELAXED);
	if (__builtin_expect(bytes > end->bytes || vas_queue_room(bytes) > there, 0))
		return -EBADMSG;
	end->taken = vas_queue_room(bytes);
	*data = end->data + end->at + VAS_QUEUE_WORD;
	*length = bytes;
	return 0;
}

#endif
