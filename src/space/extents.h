/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is mapped where inside one span: a sorted array of extents in leaves, in
 * the books' memory. What no extent covers is as it was reserved.
 */
#ifndef VAS_SPACE_EXTENTS_H
#define VAS_SPACE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>

#include "sys/pages.h"

enum vas_part_state {
	VAS_PART_RESERVED, /* as reserved: inaccessible; the books keep no extent of it */
	VAS_PART_VIEW, /* an object that is shown whatever its size; what counts as committed is its user's affair */
	VAS_PART_COMMITTED,
	VAS_PART_GUARD, /* committed, guarded by the caller */
	VAS_PART_GUARDED, /* retired as far as that: see enum vas_retired */
	VAS_PART_EMPTIED,
	VAS_PART_HELD,
	VAS_PART_STATES
};

/* The kernel gives no access, whatever prot says. */
#define VAS_EXTENT_CLOSED 0x100u
/* Goes only whole, and is joined with nothing. */
#define VAS_EXTENT_WHOLE 0x200u
/* The object's bytes behind it are not punched out, whatever the backing says. */
#define VAS_EXTENT_KEPT 0x400u
/* A change of protection was refused halfway, and so was taking it back: the kernel may show another, page by page. */
#define VAS_EXTENT_TORN 0x800u

/* I: start < end; end <= start of the next; neighbours that touch and agree are one. */
struct vas_extent {
	uint64_t start;
	uint64_t end;
	uint64_t delta; /* of an object: offset = address + delta, modulo 2^64; else 0 */
	uint8_t state; /* enum vas_part_state, not RESERVED */
	uint8_t prot; /* as the caller set it */
	uint16_t flags; /* VAS_COMMIT_HUGE or NOHUGE as given; VAS_EXTENT_ bits */
	uint32_t backing; /* index in the holding's table; 0 = anonymous */
};

struct vas_extent_leaf;
struct vas_extent_top {
	uint64_t start; /* of the leaf's first extent */
	struct vas_extent_leaf *leaf;
};

/* Where the last search for one of some addresses ended. It may have been long ago. */
struct vas_extent_hint {
	struct vas_extent_leaf *leaf; /* (atomic) */
	uint32_t index; /* of the leaf */
	uint32_t item; /* (atomic) */
};

struct vas_extents {
	struct vas_extent_top *tops; /* sorted by start */
	struct vas_extent_leaf *spare;
	uint32_t leaves; /* I: leaves + spares <= top_capacity */
	uint32_t top_capacity;
	uint32_t spares;
	uint32_t promised; /* changes that must find room */
	uint32_t count; /* extents */
	uint32_t excess; /* sum over leaves of what they hold above half */
	uint32_t touching; /* pairs of neighbours without room between */
	uint32_t fused; /* of these: the kernel sees one mapping */
	struct vas_extent_hint *near; /* by address; NULL while there are few leaves (atomic) */
	uint32_t near_shift; /* (atomic) */
	uint64_t bytes[VAS_PART_STATES]; /* by state; RESERVED is not counted */
	uint64_t last; /* where the last search ended: leaf and item; a hint (atomic) */
	uint64_t last_address; /* what it was for (atomic) */
	uint64_t low; /* I: where the first extent begins, if there is one */
	uint64_t high; /* I: where the last one ends */
};

/*
 * The piece that begins at *position: part of an extent, or (state RESERVED) the
 * room before the next; clipped to end. Moves *position past it; false at the end.
 */
bool vas_extents_next(const struct vas_extents *extents, uint64_t *position, uint64_t end,
		      struct vas_extent *piece);
/*
 * Asks the processor to fetch what a search for address will probably read; no lock is needed, as long
 * as nobody frees the extents.
 */
void vas_extents_foresee(const struct vas_extents *extents, uint64_t address);
/* Whether the bytes right below and at an address are of one extent. */
bool vas_extents_same(const struct vas_extents *extents, uint64_t address);
/*
 * The next part of [*position, end) that is not committed (guarded by the caller is committed, and so is a view). Moves
 * *position past it; false when there is none.
 */
bool vas_extents_hole(const struct vas_extents *extents, uint64_t *position, uint64_t end,
		      struct vas_span *hole);
/* How many holes there are in [start, end). */
uint32_t vas_extents_holes(const struct vas_extents *extents, uint64_t start, uint64_t end);

/*
 * Room for changes. Each change makes up to two extents more. -ENOMEM; -E2BIG at some millions of
 * extents. Ready: whether that needs no memory.
 */
bool vas_extents_ready(const struct vas_extents *extents, uint32_t more);
int vas_extents_room(struct vas_extents *extents, struct vas_pages *pages, uint32_t more);
/* The same, kept until unpromise: others' changes do not take it. */
int vas_extents_promise(struct vas_extents *extents, struct vas_pages *pages, uint32_t count);
/* The same after room was made for them. */
static inline void vas_extents_keep(struct vas_extents *extents, uint32_t count)
{
	extents->promised += count;
}
void vas_extents_unpromise(struct vas_extents *extents, uint32_t count);

/*
 * One change: all of [start, end) becomes what, whose start and end do not count;
 * NULL = as reserved. I: there is room. Cannot fail.
 */
void vas_extents_set(struct vas_extents *extents, uint64_t start, uint64_t end,
		     const struct vas_extent *what);

/* Gives the memory back; promises are void. Allocates nothing. */
void vas_extents_free(struct vas_extents *extents, struct vas_pages *pages);

/* Bytes committed. */
static inline uint64_t vas_extents_bytes(const struct vas_extents *extents)
{
	return extents->bytes[VAS_PART_COMMITTED] + extents->bytes[VAS_PART_GUARD];
}

/* Bytes given back that are not as reserved yet. */
static inline uint64_t vas_extents_unretired(const struct vas_extents *extents)
{
	return extents->bytes[VAS_PART_GUARDED] + extents->bytes[VAS_PART_EMPTIED] +
	       extents->bytes[VAS_PART_HELD];
}

/* What the kernel's list shows as the protection of an extent. */
static inline uint32_t vas_extent_kernel_prot(const struct vas_extent *extent)
{
	return extent->flags & VAS_EXTENT_CLOSED ? 0 : extent->prot;
}

/* How many kernel mappings the span's layout asks for: extents and the holes between. */
static inline uint32_t vas_extents_runs(const struct vas_extents *extents, struct vas_span span)
{
	uint32_t holes = extents->count + 1 - extents->touching;

	if (extents->count == 0)
		return 1;
	holes -= extents->low == span.start;
	holes -= extents->high == span.start + span.size;
	return extents->count + holes - extents->fused;
}

bool vas_extents_check(const struct vas_extents *extents, struct vas_span span);

#endif
