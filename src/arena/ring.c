/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings.
 *
 * WHAT FOR. Who writes records of any length into a buffer that goes round has to split those that meet its end, and so has who reads
 * them. Seen twice back to back, the buffer has no end: what begins in the first copy goes on in the second.
 *
 * STRATEGY. An arena that is as large as it may become, and is shown several times in its span. So kinds of memory, fork, notices and
 * failures are the arena's.
 *
 * CONCURRENCY. Nothing here changes while a ring lives. Who reads and writes in it agree among themselves, or by a queue.
 *
 * WHAT IT DOES NOT DO. It does not grow: the copies lie back to back.
 */
#include "arena/ring.h"

#include <errno.h>
#include <string.h>

/* Half of it lies before the seam and half behind, where the buffer begins. */
#define WORD UINT64_C(0x0123456789abcdef)
#define HALF (sizeof(uint64_t) / 2)

static bool seam_meets(unsigned char *start, uint64_t bytes, uint32_t copies, uint32_t seam)
{
	const uint64_t word = WORD + seam;
	const uint64_t zero = 0;
	bool meets = true;

	memcpy(start + seam * bytes - HALF, &word, sizeof(word));
	/* Another copy is another address: the compiler must not know better. */
	__asm__ volatile("" ::: "memory");
	for (uint32_t i = 0; i < copies; i++) {
		const unsigned char *copy = start + i * bytes;

		meets &= memcmp(copy + bytes - HALF, &word, HALF) == 0;
		meets &= memcmp(copy, (const unsigned char *)&word + HALF, HALF) == 0;
	}
	memcpy(start + seam * bytes - HALF, &zero, sizeof(zero));
	__asm__ volatile("" ::: "memory");
	return meets;
}

bool vas_ring_meets(unsigned char *start, uint64_t bytes, uint32_t copies)
{
	bool meets = true;

	for (uint32_t seam = 1; seam < copies && meets; seam++)
		meets = seam_meets(start, bytes, copies, seam);
	return meets;
}

/* Of the arena's flags. */
#define RING_FLAGS (VAS_ARENA_STRICT | VAS_ARENA_COMPANION)

/* What the arena is made of. */
static int ring_plan(const struct vas_ring_opts *opts, uint64_t size,
		     struct vas_reserve_opts *reserve, struct vas_arena_opts *made)
{
	if (opts->reserved || opts->copies == 1 || opts->copies > VAS_RING_COPIES)
		return -EINVAL;
	if (opts->arena)
		*made = *opts->arena;
	if (made->kind != VAS_ARENA_MEMFD || (made->flags & ~RING_FLAGS) || made->initial ||
	    made->step || made->cap || made->prot || made->exec || made->tail != VAS_TAIL_BARE)
		return -EINVAL;
	if (made->reserve)
		*reserve = *made->reserve;
	if (reserve->fork == VAS_FORK_DEFAULT)
		reserve->fork = VAS_FORK_ABSENT;
	if (!reserve->name)
		reserve->name = "ring";
	made->reserve = reserve;
	made->initial = size;
	return 0;
}

/* What a ring of nothing should have been: the least that does on each rung of a ladder. */
static uint64_t least_size(const struct vas_arena_opts *arena, uint64_t page_size)
{
	uint64_t least = page_size;

	for (size_t i = 0; i < arena->ladder_count; i++)
		if (arena->ladder[i] > least)
			least = arena->ladder[i];
	return least;
}

int vas_ring_make(struct vas_space *space, uint64_t size, uint64_t front,
		  const struct vas_ring_opts *opts, struct vas_failure *failure,
		  struct vas_ring **made)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve) };
	struct vas_arena_opts arena = { .size = sizeof(arena) };
	struct vas_ring *ring;
	void *memory;
	int err;

	if (ring_plan(opts, size, &reserve, &arena))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (size == 0 && !vas_ladder_check(&arena, space->sys->page_size))
		failure->max = least_size(&arena, space->sys->page_size);
	if (vas_arena_take_books(space, sizeof(*ring), &memory))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	ring = memory;
	err = vas_arena_make_copies(space, size, opts->copies ? opts->copies : 2, front, &arena,
				    failure, &ring->arena);
	if (err) {
		vas_arena_give_books(space, ring, sizeof(*ring));
		return err;
	}
	*made = ring;
	return 0;
}

void vas_ring_drop(struct vas_ring *ring)
{
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	struct vas_space *space = ring->arena->space;
	enum vas_retired state;

	(void)vas_arena_unmake(ring->arena, &state, &ignored);
	vas_arena_give_books(space, ring, sizeof(*ring));
	vas_lock_take(&space->lock);
	space->stats.reserves--;
	space->stats.releases--;
	vas_lock_drop(&space->lock);
}

int vas_ring_attach(struct vas_space *space, int fd, int header, enum vas_header_use use,
		    const struct vas_ring_opts *opts, struct vas_failure *failure,
		    struct vas_ring **made)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve) };
	struct vas_arena_opts arena = { .size = sizeof(arena) };
	struct vas_ring *ring;
	void *memory;
	int err;

	if (opts->arena)
		arena = *opts->arena;
	if (opts->reserved || opts->copies || arena.tail != VAS_TAIL_BARE)
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (arena.reserve)
		reserve = *arena.reserve;
	if (reserve.fork == VAS_FORK_DEFAULT)
		reserve.fork = VAS_FORK_ABSENT;
	arena.reserve = &reserve;
	if (vas_arena_take_books(space, sizeof(*ring), &memory))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	ring = memory;
	err = vas_arena_attach(space, fd, header, &arena, use, failure, &ring->arena);
	if (err) {
		vas_arena_give_books(space, ring, sizeof(*ring));
		return err;
	}
	/* Whoever uses it counts on all of it. */
	if (vas_arena_bytes(ring->arena) != ring->arena->maximum) {
		vas_ring_drop(ring);
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
	}
	*made = ring;
	return 0;
}

int vas_ring_unmake(struct vas_ring *ring, enum vas_retired *state, struct vas_failure *failure)
{
	struct vas_space *space = ring->arena->space;
	int err = vas_arena_unmake(ring->arena, state, failure);

	if (!err)
		vas_arena_give_books(space, ring, sizeof(*ring));
	return err;
}

void vas_ring_tell(struct vas_ring *ring, struct vas_ring_info *info)
{
	struct vas_arena_info arena = { .size = sizeof(arena) };

	vas_arena_tell(ring->arena, &arena);
	info->span = arena.span;
	info->bytes = arena.maximum;
	info->page_size = arena.page_size;
	info->copies = ring->arena->copies;
	info->fd = arena.fd;
	info->header = arena.header;
	info->offset = arena.offset;
	memcpy(info->name, arena.name, sizeof(info->name));
}
