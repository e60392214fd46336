/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/ring.h - a buffer without an end.
 *
 *	ring	one buffer that is seen twice (or n times) back to back: whatever begins inside it is contiguous
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
	 * How its arena is made: kind MEMFD, and opts.reserve (place, limits, fork policy, memory policy, name); flags, initial,
	 * step and cap are 0. VAS_FORK_DEFAULT here is ABSENT: forked children have nothing of it. NULL = as vas_arena_create.
	 */
	const struct vas_arena_opts *arena;
	uint32_t copies; /* how often the buffer is seen, back to back: at least 2; 0 = 2 */
	uint32_t reserved; /* 0 */
};

/*
 * Makes a ring of size bytes, all of which have memory and are zero, and writes the handle to *ring. It belongs to the caller until
 * vas_ring_destroy. What is written at one place is seen in each copy: that was tried with a word across each seam when this
 * returns. size must be a multiple of the page size (vas_ring_get tells it).
 *
 * Errors as vas_arena_create, and below; nothing is reserved then, *ring is untouched:
 *  -EINVAL	ring is NULL; size 0 or no multiple of the page size: min and max of the report are the nearest sizes
 *		below (0 = none) and above that would do; 1 copy, or too many; something in reserved; an arena of another kind,
 *		or with flags, initial, step or cap
 *  -EIO	copies differ
 *
 * Takes one kernel mapping a copy. Thread-safe. Not signal-safe.
 */
VAS_API int vas_ring_create(uint64_t size, const struct vas_ring_opts *opts,
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
	int32_t fd; /* as in struct vas_arena_info */
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

#ifdef __cplusplus
}
#endif
#endif
