/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring: an arena that does not grow, shown several times back to back in one span. */
#ifndef VAS_ARENA_RING_H
#define VAS_ARENA_RING_H

#include <vaspace/ring.h>

#include "arena/arena.h"

/* Its books. Constant while it lives, so there is no lock. */
struct vas_ring {
	struct vas_arena *arena; /* I: as large as its maximum, and shown at least twice */
};

/* front: bytes behind the header, of a queue; 0 = a ring by itself. */
int vas_ring_make(struct vas_space *space, uint64_t size, uint64_t front,
		  const struct vas_ring_opts *opts, struct vas_failure *failure,
		  struct vas_ring **ring);
/* One that another process made, for that use. As vas_arena_attach. */
int vas_ring_attach(struct vas_space *space, int fd, int header, enum vas_header_use use,
		    const struct vas_ring_opts *opts, struct vas_failure *failure,
		    struct vas_ring **ring);
/* One that was made just now and is not wanted: counted neither as made nor as released. */
void vas_ring_drop(struct vas_ring *ring);
int vas_ring_unmake(struct vas_ring *ring, enum vas_retired *state, struct vas_failure *failure);
void vas_ring_tell(struct vas_ring *ring, struct vas_ring_info *info);

/* The first of the copies. The ring can be looked at. */
static inline unsigned char *vas_ring_start(const struct vas_ring *ring)
{
	return vas_span_pointer(ring->arena->user.holding->span);
}

/*
 * Whether what is written across each seam between copies of bytes is seen at both of its ends in every copy. The buffer is zero, and is
 * so afterwards.
 */
bool vas_ring_meets(unsigned char *start, uint64_t bytes, uint32_t copies);

#endif
