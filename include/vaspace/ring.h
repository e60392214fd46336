/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/ring.h - a buffer without an end, and queues in it.
 *
 *	ring	one buffer that is seen twice (or n times) back to back: whatever begins inside it is contiguous
 *	queue	records of any length in a ring, from one producer or many to one consumer, in one process or several
 *
 * A ring's bytes are those of an arena (vaspace/arena.h) that does not grow. While a span is a ring's, vas_commit and the
 * like and vas_release answer -EBUSY there.
 */
#ifndef VASPACE_RING_H
#define VASPACE_RING_H

#include <vaspace/arena.h>
#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vas_ring;

/* A ring can be seen so often. */
#define VAS_RING_COPIES 1024

struct vas_ring_opts {
	size_t size;
	/*
	 * How its arena is made: kind MEMFD; ladder, STRICT, and opts.reserve (place, limits, fork policy, memory policy, name); other
	 * flags, initial, step, cap and tail are 0. VAS_FORK_DEFAULT here is ABSENT: forked children have nothing of it. NULL = as vas_arena_create.
	 */
	const struct vas_arena_opts *arena;
	uint32_t copies; /* how often the buffer is seen, back to back: at least 2; 0 = 2 */
	uint32_t reserved; /* 0 */
};

/*
 * Makes a ring of size bytes, all of which have memory and are zero, and writes the handle to *ring. It belongs to the caller until
 * vas_ring_destroy. What is written at one place is seen in each copy: that was tried with a word across each seam when this
 * returns. size must be a multiple of the page size that the ladder came to: 2 MiB, if it came to such pages of the pool.
 *
 * Errors as vas_arena_create, and below; nothing is reserved then, *ring is untouched:
 *  -EINVAL	ring is NULL; size 0 or no multiple of the page size: min and max of the report are the nearest sizes
 *		below (0 = none) and above that would do; 1 copy, or too many; something in reserved; an arena of another kind,
 *		or with LAZY, initial, step, cap or a tail
 *  -EIO	copies differ
 *
 * Takes one kernel mapping a copy. Thread-safe. Not signal-safe.
 */
VAS_API int vas_ring_create(uint64_t size, const struct vas_ring_opts *opts,
			    struct vas_ring **ring);

/*
 * Uses the ring that another process made, by its descriptors: fd and header of vas_ring_get there. Of opts count what opts.arena has for
 * vas_arena_open, but for a tail; size and copies are the maker's. Writes the handle to *ring: it belongs to the caller until vas_ring_destroy.
 *
 * Errors as vas_arena_open, and below; nothing is reserved then, *ring is untouched:
 *  -EINVAL	ring is NULL; copies, a tail, or something in reserved
 *  -EBADMSG	the header is no ring's ("header")
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_ring_open(int fd, int header, const struct vas_ring_opts *opts,
			  struct vas_ring **ring);

/*
 * Ends a ring: its span is released as vas_release does, its descriptor closed. *state (may be NULL) is what became of the
 * span. The handle must not be used any more, by no thread.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	ring is NULL
 *  -EDEADLK	called inside a notice about the ring
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *  -ENOENT	the span is gone already: another destroy
 *
 * In a child that shares the memory it ends the child's use of it. Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_ring_destroy(struct vas_ring *ring, enum vas_retired *state);

struct vas_ring_info {
	size_t size; /* set by the caller: sizeof(struct vas_ring_info) */
	struct vas_span span; /* all copies; the first begins where it does */
	uint64_t bytes; /* of the buffer: each copy is so long */
	uint64_t page_size; /* of its object: bytes is a multiple */
	uint32_t copies;
	int32_t fd; /* these three as in struct vas_arena_info */
	int32_t header;
	uint32_t reserved; /* 0 */
	uint64_t offset;
	char name[32];
};

/*
 * Fills *info.
 *
 * Errors, with *info untouched:
 *  -EINVAL	ring or info is NULL, or its size field is below the first version's
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_ring_get(struct vas_ring *ring, struct vas_ring_info *info);

/* --- queues --- */

struct vas_queue;

/* Any number of producers; without it one at a time. There is always one consumer at a time. */
#define VAS_QUEUE_MANY 0x1u
/* Ends may wait: vas_queue_wait. Costs the other side a look at a word with each record. */
#define VAS_QUEUE_WAITS 0x2u

/* So many producers can have joined at once. */
#define VAS_QUEUE_PRODUCERS 256

struct vas_queue_opts {
	size_t size;
	/* How its ring is made. VAS_FORK_DEFAULT here is SHARE: a forked child may join an end. NULL = as vas_ring_create. */
	const struct vas_ring_opts *ring;
	uint32_t flags; /* VAS_QUEUE_ bits */
	uint32_t reserved; /* 0 */
};

/*
 * Makes an empty queue over a ring of size bytes, and writes the handle to *queue. It belongs to the caller until
 * vas_queue_destroy. A record takes 8 bytes and its length, rounded up to 8. The positions of both ends lie in a page behind the
 * ring's header.
 * With MANY there are also slots for so many records as the ring has 64 bytes, at least 64 and at most 16384, at 16 bytes each: so many can
 * be there at once.
 *
 * Errors as vas_ring_create; nothing is reserved then, *queue is untouched:
 *  -EINVAL	queue is NULL; unknown flags; something in reserved; and as vas_ring_create
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_queue_create(uint64_t size, const struct vas_queue_opts *opts,
			     struct vas_queue **queue);

/*
 * Uses the queue that another process made, by the descriptors that vas_queue_ring tells there. Of opts counts what opts.ring has for
 * vas_ring_open, but READ_ONLY; flags are the maker's. VAS_FORK_DEFAULT is SHARE here, too. Writes the handle to *queue: it belongs to the caller until
 * vas_queue_destroy.
 *
 * Errors as vas_ring_open, and below; nothing is reserved then, *queue is untouched:
 *  -EINVAL	queue is NULL; flags, READ_ONLY, or something in reserved
 *  -EBADMSG	the header is no queue's ("header")
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_queue_open(int fd, int header, const struct vas_queue_opts *opts,
			   struct vas_queue **queue);

/*
 * Fills *info with what its ring is: descriptors for vas_queue_open, bytes, name.
 *
 * Errors, with *info untouched:
 *  -EINVAL	queue or info is NULL, or its size field is below the first version's
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_queue_ring(struct vas_queue *queue, struct vas_ring_info *info);

/*
 * Ends this process's use of a queue, as vas_ring_destroy does; other processes' goes on.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	queue is NULL
 *  -EBUSY	an end of it is joined in this process
 *  -EDEADLK	called inside a notice about its memory
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *  -ENOENT	the span is gone already: another destroy
 *
 * Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_queue_destroy(struct vas_queue *queue, enum vas_retired *state);

enum vas_queue_role { VAS_QUEUE_PRODUCER = 0, VAS_QUEUE_CONSUMER };

/*
 * One end of a queue, in the caller's memory, for one thread at a time. Filled by vas_queue_join; what is in it is the
 * library's. Not to be copied, and not of use in a forked child, which joins by itself.
 */
struct vas_queue_end {
	struct vas_queue *queue; /* NULL: has not joined */
	unsigned char *data; /* the first copy of the ring */
	uint64_t *own; /* published: bytes that went through this side since the queue was made (atomic) */
	uint64_t *other; /* the same of the other side (atomic) */
	uint64_t bytes; /* of the ring */
	uint64_t count; /* as *own */
	uint64_t at; /* count modulo bytes */
	uint64_t seen; /* consumer: *other when it was read last; producer: where its room ended then */
	/* Of the record that is begun, 0 = none. Consumer: its bytes with the word; producer: how long it can be, and 1. */
	uint64_t taken;
	/* With MANY: the claim that is begun, or the consumer's. */
	uint64_t ticket;
	uint64_t word;
	uint32_t role; /* enum vas_queue_role, and VAS_QUEUE_INLINE */
	uint32_t asked; /* in vain, since somebody looked whether the other side lives */
	uint32_t process; /* a number of the process that joined, which a forked child does not have */
	uint32_t place; /* the producer's, with MANY */
	uint32_t fences; /* 1: with WAITS, membarrier(2) does not do it */
	uint32_t reserved;
};

/*
 * Joins a queue as a producer or its consumer, and fills *end. The place of a process that is gone is taken over: what was begun
 * and not handed over is dropped, what was read and not given back is read again.
 *
 * Errors, with *end untouched:
 *  -EINVAL	queue or end is NULL, or an unknown role
 *  -EBUSY	somebody has that role who is alive, or of whom that cannot be told; with MANY: all places are taken so
 *  -EBADMSG	the queue was spoilt by a peer
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe. Ends with vas_queue_leave.
 */
VAS_API int vas_queue_join(struct vas_queue *queue, enum vas_queue_role role,
			   struct vas_queue_end *end);

/*
 * Gives the place up; a record that was begun is dropped (producer) or stays (consumer). When the producer has left, or the last of
 * many, the consumer is told so after the last record.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	end is NULL or has not joined; it is the parent's, in a forked child
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe, one thread an end. Not signal-safe.
 */
VAS_API int vas_queue_leave(struct vas_queue_end *end);

/*
 * Takes room for a record of length bytes (0 is one, too) and writes its place to *data: contiguous, aligned to 8, to be filled and handed over
 * by vas_queue_put_end. With MANY other producers go on meanwhile; the consumer comes to no record behind this one before it is handed over.
 *
 * Errors, with *data untouched and nothing taken:
 *  -EINVAL	end or data is NULL, or end is no producer's; a record is begun already
 *  -ERANGE	no such record fits into the ring; with MANY: it is longer than 2^27 - 16
 *  -EAGAIN	no room now, or no slot
 *  -EPIPE	the same, and the consumer has left or died
 *  -EBADMSG	the queue was spoilt by a peer
 *
 * Whether the other side lives is looked at in the first of each 1024 calls that are in vain, and in each once it is gone. Wait-free; with MANY lock-free. Thread-safe,
 * one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_put_begin(struct vas_queue_end *end, uint64_t length, void **data);

/*
 * Hands over the record that was begun, with length bytes of it: at most as many as were taken. The rest is free again: at once, or with
 * MANY when the record is given back.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	end is NULL or no producer's; no record is begun, or it is shorter
 *
 * Wait-free. Thread-safe, one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_put_end(struct vas_queue_end *end, uint64_t length);

/*
 * The next record: its place in *data, contiguous and aligned to 8, and its *length. It stays until vas_queue_get_end. Records come in the
 * order in which they were put; those of many producers in the order in which they were begun.
 *
 * Errors, with *data and *length untouched:
 *  -EINVAL	end, data or length is NULL, or end is no consumer's; a record is begun already
 *  -EAGAIN	none is there now, or the next one is not handed over yet
 *  -EPIPE	none is there, and the producer has left or died, or all of many have
 *  -EOWNERDEAD	with MANY: the producer of the next record died before it handed it over. It is lost; the next call goes on behind it
 *  -EBADMSG	the queue was spoilt by a peer: nothing outside the ring is touched, but what is in it is lost
 *
 * Whether the other side lives is looked at in the first of each 1024 calls that are in vain, and in each once it is gone. Wait-free. Thread-safe,
 * one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_get_begin(struct vas_queue_end *end, const void **data, uint64_t *length);

/*
 * Gives the record's room back to the producer.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	end is NULL or no consumer's; no record is begun
 *
 * Wait-free. Thread-safe, one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_get_end(struct vas_queue_end *end);

/*
 * Waits until there is a record (consumer), or room for one of length bytes (producer), for at most so many nanoseconds; UINT64_MAX is without
 * end. With MANY another producer may take the room first. The other side may be another process; it wakes who waits, also by
 * leaving, and that it has died is seen within a fifth of a second.
 *
 * Errors:
 *  -EINVAL	end is NULL or has not joined; the queue was made without WAITS; a record is begun
 *  -ERANGE	producer: as vas_queue_put_begin
 *  -EAGAIN	not in that time
 *  -EPIPE	nothing to wait for: the other side has left or died
 *  -EOWNERDEAD	consumer: as vas_queue_get_begin, in place of it
 *  -EBADMSG	the queue was spoilt by a peer
 *
 * Not a cancellation point. Thread-safe, one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_wait(struct vas_queue_end *end, uint64_t length, uint64_t nanoseconds);

/*
 * Puts a record in one call, by copying it.
 *
 * Errors as vas_queue_put_begin, and:
 *  -EINVAL	data is NULL and length is not 0
 *
 * Wait-free. Thread-safe, one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_put(struct vas_queue_end *end, const void *data, uint64_t length);

/*
 * Gets a record in one call, by copying it to data. *length is the room there, and then the record's length.
 *
 * Errors as vas_queue_get_begin, and below; with -ENOSPC the record stays:
 *  -EINVAL	length is NULL; data is NULL and *length is not 0
 *  -ENOSPC	the record is longer than the room; *length is its length now
 *
 * Wait-free. Thread-safe, one thread an end. Signal-safe, with an end of its own.
 */
VAS_API int vas_queue_get(struct vas_queue_end *end, void *data, uint64_t *length);

/*
 * The four halves, and both copies, as they go when all is well and nothing has to be looked at, in the caller: a call costs as much as they
 * do. Whatever is not so is left to the function itself. Only the name followed by arguments is replaced; #undef brings the call back.
 */
#define VAS_QUEUE_INLINE 4u /* in an end's role: it has joined a queue for which they are right */

/* Whether it can have so much, and how far it is for that from the record's word to the next one. */
static inline int vas_queue_fits_inline(const struct vas_queue_end *end, uint64_t length,
					uint64_t *room)
{
	uint64_t free = end->seen - end->count;

	/* The first comparison is for lengths that are beyond all measure rounded up. */
	*room = 8 + ((length + 7) & ~(uint64_t)7);
	return length < free && *room <= free;
}

static inline void vas_queue_publish_inline(struct vas_queue_end *end, uint64_t room)
{
	uint64_t at = end->at + room, count = end->count + room;

	end->at = at >= end->bytes ? at - end->bytes : at;
	end->count = count;
	__atomic_store_n(end->own, count, __ATOMIC_RELEASE);
}

static inline int vas_queue_put_begin_inline(struct vas_queue_end *end, uint64_t length, void **data)
{
	void *place;
	uint64_t room;
	int err;

	if (__builtin_expect(end && data && end->role == (VAS_QUEUE_PRODUCER | VAS_QUEUE_INLINE) &&
				     !end->taken && vas_queue_fits_inline(end, length, &room),
			     1)) {
		end->taken = room - 7;
		*data = end->data + end->at + 8;
		return 0;
	}
	/* Not with data itself: what has its address taken lies in memory, and is read back from there when all is well, too. */
	place = NULL;
	err = vas_queue_put_begin(end, length, data ? &place : NULL);
	if (!err)
		*data = place;
	return err;
}

static inline int vas_queue_put_end_inline(struct vas_queue_end *end, uint64_t length)
{
	if (__builtin_expect(!end || end->role != (VAS_QUEUE_PRODUCER | VAS_QUEUE_INLINE) ||
				     length >= end->taken,
			     0))
		return vas_queue_put_end(end, length);
	__atomic_store_n((uint64_t *)(void *)(end->data + end->at), length, __ATOMIC_RELAXED);
	vas_queue_publish_inline(end, 8 + ((length + 7) & ~(uint64_t)7));
	end->taken = 0;
	return 0;
}

static inline int vas_queue_put_inline(struct vas_queue_end *end, const void *data, uint64_t length)
{
	uint64_t room;

	if (__builtin_expect(end && data && end->role == (VAS_QUEUE_PRODUCER | VAS_QUEUE_INLINE) &&
				     !end->taken && vas_queue_fits_inline(end, length, &room),
			     1)) {
		unsigned char *place = end->data + end->at;

		__builtin_memcpy(place + 8, data, length);
		__atomic_store_n((uint64_t *)(void *)place, length, __ATOMIC_RELAXED);
		vas_queue_publish_inline(end, room);
		return 0;
	}
	return vas_queue_put(end, data, length);
}

/* Whether there is a record, and how long it says that it is: no longer than what there is. */
static inline int vas_queue_there_inline(const struct vas_queue_end *end, uint64_t *length)
{
	uint64_t there = end->seen - end->count;

	if (!there)
		return 0;
	*length = __atomic_load_n((uint64_t *)(void *)(end->data + end->at), __ATOMIC_RELAXED);
	/* What is there is a multiple of 8. */
	return *length <= there - 8;
}

static inline int vas_queue_get_begin_inline(struct vas_queue_end *end, const void **data,
					     uint64_t *length)
{
	const void *place;
	uint64_t bytes, there;
	int err;

	if (__builtin_expect(end && data && length &&
				     end->role == (VAS_QUEUE_CONSUMER | VAS_QUEUE_INLINE) &&
				     !end->taken && vas_queue_there_inline(end, &bytes),
			     1)) {
		end->taken = 8 + ((bytes + 7) & ~(uint64_t)7);
		*data = end->data + end->at + 8;
		*length = bytes;
		return 0;
	}
	place = NULL;
	there = 0;
	err = vas_queue_get_begin(end, data ? &place : NULL, length ? &there : NULL);
	if (err)
		return err;
	*data = place;
	*length = there;
	return 0;
}

static inline int vas_queue_get_end_inline(struct vas_queue_end *end)
{
	if (__builtin_expect(
		    !end || end->role != (VAS_QUEUE_CONSUMER | VAS_QUEUE_INLINE) || !end->taken, 0))
		return vas_queue_get_end(end);
	vas_queue_publish_inline(end, end->taken);
	end->taken = 0;
	return 0;
}

static inline int vas_queue_get_inline(struct vas_queue_end *end, void *data, uint64_t *length)
{
	uint64_t bytes, room;
	int err;

	if (__builtin_expect(
		    end && data && length && end->role == (VAS_QUEUE_CONSUMER | VAS_QUEUE_INLINE) &&
			    !end->taken && vas_queue_there_inline(end, &bytes) && bytes <= *length,
		    1)) {
		__builtin_memcpy(data, end->data + end->at + 8, bytes);
		*length = bytes;
		vas_queue_publish_inline(end, 8 + ((bytes + 7) & ~(uint64_t)7));
		return 0;
	}
	if (!length)
		return vas_queue_get(end, data, length);
	room = *length;
	err = vas_queue_get(end, data, &room);
	*length = room;
	return err;
}

#define vas_queue_put_begin(end, length, data) vas_queue_put_begin_inline(end, length, data)
#define vas_queue_put_end(end, length)	       vas_queue_put_end_inline(end, length)
#define vas_queue_get_begin(end, data, length) vas_queue_get_begin_inline(end, data, length)
#define vas_queue_get_end(end)		       vas_queue_get_end_inline(end)
#define vas_queue_put(end, data, length)       vas_queue_put_inline(end, data, length)
#define vas_queue_get(end, data, length)       vas_queue_get_inline(end, data, length)

#ifdef __cplusplus
}
#endif
#endif
