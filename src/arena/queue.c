/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues: made, joined, left, ended.
 *
 * WHAT FOR. What most rings are for: one side hands records over, the other takes them, in order, each in place and in one piece.
 *
 * STRATEGY. Two positions, each written by one side alone (queue.h). Either side remembers where the other one was and looks again only
 * when that is not enough, so their lines of the cache seldom move. A role is taken by writing one's own word (peer.h) where nobody's or a
 * dead one's stands, by one compare and exchange: whoever has the role alone writes its position, and begins where the last one ended.
 *
 * CONCURRENCY. No lock. An end is one thread's; ends meet in the positions and in the places only.
 *
 * What many producers need beyond this: queue_many.c; waiting: queue_wait.c.
 *
 * WHAT IT DOES NOT DO. It does not see that a thread is gone whose process lives.
 */
#include "arena/queue.h"

#include "arena/peer.h"
#include "sys/process.h"

#define FLAGS (VAS_QUEUE_MANY | VAS_QUEUE_WAITS)
#define LOOKS 1024u /* in vain, before somebody looks again whether the other side lives */

/* --- ends in this process: a forked child has none of its parent's --- */

static uint64_t joined_here(uint64_t joined)
{
	return joined >> 32 == vas_process_number() ? joined & UINT32_MAX : 0;
}

static void joined_add(struct vas_queue *queue, int change)
{
	uint64_t was = __atomic_load_n(&queue->joined, __ATOMIC_RELAXED), now;

	do {
		now = joined_here(was) + (uint64_t)(int64_t)change;
		now = (uint64_t)vas_process_number() << 32 | (now & UINT32_MAX);
	} while (!__atomic_compare_exchange_n(&queue->joined, &was, now, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
}

/* --- making and ending --- */

/* Of the page and the slots behind it. */
static uint64_t page_bytes(struct vas_space *space, uint64_t slots)
{
	uint64_t bytes = sizeof(struct vas_queue_page) + slots * sizeof(struct vas_claim_slot);

	return (bytes + space->sys->page_size - 1) & ~(space->sys->page_size - 1);
}

_Static_assert(sizeof(struct vas_queue_page) <= 4096 && sizeof(struct vas_queue_page) % 64 == 0,
	       "a page, with slots in lines of the cache behind it");

static uint64_t slots_of(uint32_t flags, uint64_t bytes)
{
	return flags & VAS_QUEUE_MANY ? vas_queue_slots(bytes) : 0;
}

/* Its ring is there. */
static void queue_take_page(struct vas_queue *queue)
{
	struct vas_arena *arena = queue->ring->arena;
	unsigned char *header = (unsigned char *)arena->header.page;

	queue->arena = arena;
	queue->page = (struct vas_queue_page *)(void *)(header + arena->space->sys->page_size);
}

static void queue_take_claims(struct vas_queue *queue, uint32_t flags)
{
	uint64_t bytes = queue->arena->maximum;

	queue->flags = flags;
	queue->claims = (struct vas_claims){
		.slots = (struct vas_claim_slot *)(void *)(queue->page + 1),
		.marks = &queue->page->marks,
		.count = slots_of(flags, bytes),
		.bytes = bytes,
	};
}

static int queue_build(struct vas_queue *queue, struct vas_space *space, uint64_t size,
		       uint32_t flags, const struct vas_ring_opts *opts,
		       struct vas_failure *failure)
{
	uint64_t front = page_bytes(space, slots_of(flags, size));
	int err = vas_ring_make(space, size, front, opts, failure, &queue->ring);

	if (err)
		return err;
	queue_take_page(queue);
	queue_take_claims(queue, flags);
	queue->page->namespace = vas_peer_namespace(space->sys);
	queue->page->flags = flags;
	return 0;
}

/* What the other process says of it, which is looked at once: flags, and whether there is as much room as they ask for. */
static int queue_check(struct vas_queue *queue, struct vas_failure *failure)
{
	struct vas_arena *arena = queue->ring->arena;
	struct vas_space *space = arena->space;
	uint32_t flags;

	if (arena->facts.front < page_bytes(space, 0))
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
	queue_take_page(queue);
	flags = __atomic_load_n(&queue->page->flags, __ATOMIC_RELAXED);
	if ((flags & ~FLAGS) ||
	    arena->facts.front < page_bytes(space, slots_of(flags, arena->maximum)))
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
	queue_take_claims(queue, flags);
	return 0;
}

static int queue_join_ring(struct vas_queue *queue, struct vas_space *space, int fd, int header,
			   const struct vas_ring_opts *opts, struct vas_failure *failure)
{
	int err;

	err = vas_ring_attach(space, fd, header, VAS_HEADER_QUEUE, opts, failure, &queue->ring);
	if (err)
		return err;
	err = queue_check(queue, failure);
	if (!err)
		return 0;
	vas_ring_drop(queue->ring);
	return err;
}

/* What a queue's ring is made with. */
struct plan {
	struct vas_ring_opts ring;
	struct vas_arena_opts arena;
	struct vas_reserve_opts reserve;
};

static void plan_make(struct plan *plan, const struct vas_ring_opts *opts, const char *name)
{
	*plan = (struct plan){ .ring = *opts,
			       .arena.size = sizeof(plan->arena),
			       .reserve.size = sizeof(plan->reserve) };
	if (opts->arena)
		plan->arena = *opts->arena;
	if (plan->arena.reserve)
		plan->reserve = *plan->arena.reserve;
	if (plan->reserve.fork == VAS_FORK_DEFAULT)
		plan->reserve.fork = VAS_FORK_SHARE;
	if (!plan->reserve.name)
		plan->reserve.name = name;
	plan->arena.reserve = &plan->reserve;
	plan->ring.arena = &plan->arena;
}

int vas_queue_make(struct vas_space *space, uint64_t size, const struct vas_queue_opts *opts,
		   struct vas_failure *failure, struct vas_queue **made)
{
	struct vas_queue *queue;
	struct plan plan;
	void *memory;
	int err;

	if ((opts->flags & ~FLAGS) || opts->reserved)
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	plan_make(&plan, opts->ring, "queue");
	if (vas_arena_take_books(space, sizeof(*queue), &memory))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	queue = memory;
	err = queue_build(queue, space, size, opts->flags, &plan.ring, failure);
	if (err)
		vas_arena_give_books(space, queue, sizeof(*queue));
	else
		*made = queue;
	return err;
}

int vas_queue_attach(struct vas_space *space, int fd, int header, const struct vas_queue_opts *opts,
		     struct vas_failure *failure, struct vas_queue **made)
{
	struct vas_queue *queue;
	struct plan plan;
	void *memory;
	int err;

	plan_make(&plan, opts->ring, NULL);
	/* Whoever reads or writes records writes positions. */
	if (opts->flags || opts->reserved || (plan.arena.flags & VAS_ARENA_READ_ONLY))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (vas_arena_take_books(space, sizeof(*queue), &memory))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	queue = memory;
	err = queue_join_ring(queue, space, fd, header, &plan.ring, failure);
	if (err)
		vas_arena_give_books(space, queue, sizeof(*queue));
	else
		*made = queue;
	return err;
}

int vas_queue_unmake(struct vas_queue *queue, enum vas_retired *state, struct vas_failure *failure)
{
	struct vas_space *space = queue->arena->space;
	int err;

	err = vas_arena_look(queue->arena, failure);
	if (err)
		return err;
	if (joined_here(__atomic_load_n(&queue->joined, __ATOMIC_ACQUIRE)))
		return vas_arena_refuse(failure, VAS_WHY_USED, -EBUSY);
	err = vas_ring_unmake(queue->ring, state, failure);
	if (!err)
		vas_arena_give_books(space, queue, sizeof(*queue));
	return err;
}

/* Who was in the parent's is not in the child's. */
static void place_leave(uint64_t *peer, uint64_t *left)
{
	*left += *peer != VAS_PEER_NONE;
	*peer = VAS_PEER_NONE;
}

void vas_queue_forked(struct vas_arena *arena)
{
	unsigned char *header = (unsigned char *)arena->header.page;
	struct vas_queue_page *page =
		(struct vas_queue_page *)(void *)(header + arena->space->sys->page_size);
	uint64_t *left = &page->places[VAS_QUEUE_PRODUCER].left;

	for (uint32_t i = 0; i < VAS_QUEUE_PRODUCERS; i++)
		place_leave(&page->producers[i], left);
	for (uint32_t role = 0; role < 2; role++) {
		place_leave(&page->places[role].peer, &page->places[role].left);
		page->sleepers[role].word = 0;
	}
}

/* --- joining and leaving --- */

/* The role is ours: of nobody, or of somebody who is gone. *was is what stood there. */
static bool place_take(struct vas_queue_page *page, struct vas_sys *sys, enum vas_queue_role role,
		       uint64_t *was)
{
	uint64_t *place = &page->places[role].peer;
	uint64_t self = vas_peer_self(sys, page->namespace);

	*was = __atomic_load_n(place, __ATOMIC_ACQUIRE);
	if (*was != VAS_PEER_NONE && !vas_peer_gone(sys, page->namespace, *was))
		return false;
	return __atomic_compare_exchange_n(place, was, self, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Where the role's position is, when there is one of each. */
static int position_take(struct vas_queue_end *end)
{
	struct vas_queue_page *page = end->queue->page;
	bool producer = vas_queue_role(end) == VAS_QUEUE_PRODUCER;

	end->own = producer ? &page->tail : &page->head;
	end->other = producer ? &page->head : &page->tail;
	end->count = __atomic_load_n(end->own, __ATOMIC_ACQUIRE);
	return end->count % 8 ? -EBADMSG : vas_queue_look(end);
}

/* A role that one alone can have. */
static int enter_alone(struct vas_queue_end *end)
{
	struct vas_queue *queue = end->queue;
	enum vas_queue_role role = vas_queue_role(end);
	uint64_t was;
	int err;

	if (!place_take(queue->page, queue->arena->space->sys, role, &was))
		return -EBUSY;
	err = vas_queue_is_many(queue) ? vas_queue_resume(end) : position_take(end);
	/* As it was: the other side may know that the last one is gone. */
	if (err)
		__atomic_store_n(&queue->page->places[role].peer, was, __ATOMIC_RELEASE);
	return err;
}

int vas_queue_enter(struct vas_queue *queue, enum vas_queue_role role, struct vas_queue_end *end,
		    struct vas_failure *failure)
{
	bool many = vas_queue_is_many(queue);
	struct vas_queue_end made = {
		.queue = queue,
		.data = vas_ring_start(queue->ring),
		.bytes = queue->ring->arena->maximum,
		.role = queue->flags ? role : role | VAS_QUEUE_INLINE,
		.process = vas_process_number(),
	};
	int err;

	err = vas_arena_look(queue->arena, failure);
	if (err)
		return err;
	if (queue->flags & VAS_QUEUE_WAITS)
		vas_queue_heed(&made);
	err = many && role == VAS_QUEUE_PRODUCER ? vas_queue_enter_producer(&made)
						 : enter_alone(&made);
	if (err)
		return vas_arena_refuse(failure, err == -EBUSY ? VAS_WHY_USED : VAS_WHY_OBJECT,
					err);
	made.at = made.count % made.bytes;
	/* What the last one had not come to telling. */
	vas_queue_tell(&made);
	joined_add(queue, 1);
	*end = made;
	return 0;
}

int vas_queue_exit(struct vas_queue_end *end, struct vas_failure *failure)
{
	struct vas_queue *queue = end->queue;
	struct vas_queue_page *page = queue->page;
	enum vas_queue_role role = vas_queue_role(end);
	int err = vas_arena_look(queue->arena, failure);

	if (err)
		return err;
	if (end->process != vas_process_number())
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (vas_queue_is_many(queue) && role == VAS_QUEUE_PRODUCER) {
		vas_queue_exit_producer(end);
	} else {
		/* First what the other side looks at second. */
		__atomic_store_n(&page->places[role].left, 1, __ATOMIC_RELEASE);
		__atomic_store_n(&page->places[role].peer, VAS_PEER_NONE, __ATOMIC_RELEASE);
	}
	vas_queue_tell(end);
	end->queue = NULL;
	end->role = role;
	joined_add(queue, -1);
	return 0;
}

/* --- the other side --- */

bool vas_queue_asks(struct vas_queue_end *end)
{
	return end->asked++ % LOOKS == 0;
}

bool vas_queue_other_gone(struct vas_queue_end *end)
{
	struct vas_queue_page *page = end->queue->page;
	enum vas_queue_role other =
		vas_queue_role(end) == VAS_QUEUE_PRODUCER ? VAS_QUEUE_CONSUMER : VAS_QUEUE_PRODUCER;
	uint64_t peer = __atomic_load_n(&page->places[other].peer, __ATOMIC_ACQUIRE);

	if (peer == VAS_PEER_NONE)
		return __atomic_load_n(&page->places[other].left, __ATOMIC_ACQUIRE) == 1;
	if (!vas_queue_asks(end) ||
	    !vas_peer_gone(end->queue->arena->space->sys, page->namespace, peer))
		return false;
	/* And each time from now on. */
	end->asked = 0;
	return true;
}

int vas_queue_idle(struct vas_queue_end *end)
{
	uint64_t seen = end->seen;
	int err;

	if (!vas_queue_other_gone(end))
		return -EAGAIN;
	/* What it did before it went. */
	err = vas_queue_look(end);
	if (err)
		return err;
	return end->seen == seen ? -EPIPE : 0;
}
