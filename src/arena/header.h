/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of an arena: how large it is, for every process that has it. A format of its own in shared memory; what a process reads
 * there another one may have written, so each number is checked where it is used, and no address in it is followed.
 *
 * Where it lies: in the first page of the arena's object, when that is a memfd of small pages that we made; else in a memfd of its own,
 * the companion. Behind it lie `front` bytes of whoever builds on arenas. Of private memory it is in the arena's books.
 *
 * Who changes the arena has the header's lock. size is written with it held and read without; the generation is odd while a change is under way.
 */
#ifndef VAS_ARENA_HEADER_H
#define VAS_ARENA_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

#define VAS_HEADER_MAGIC   UINT64_C(0x6e65726173617661) /* "avasaren" */
#define VAS_HEADER_VERSION 1u
#define VAS_HEADER_PLACES  64u /* processes, or handles, that pin */

/* What a process that died within a change leaves to be taken back. */
#define VAS_HEADER_AT_REST    0u
#define VAS_HEADER_CHANGING   1u

/* One handle's pins, as one word: how many there are, and the largest size that one of them keeps. */
struct vas_header_place {
	uint64_t peer; /* whose: peer.h. NONE = free (atomic) */
	uint64_t pins; /* VAS_PINS_ below; 0 = none (atomic) */
};

#define VAS_PINS_COUNT_BITS 24u
#define VAS_PINS_COUNT(pins) ((pins) & ((UINT64_C(1) << VAS_PINS_COUNT_BITS) - 1))
#define VAS_PINS_STEPS(pins) ((pins) >> VAS_PINS_COUNT_BITS) /* of the arena's */

/* What never changes. */
struct vas_header_facts {
	uint64_t page_size; /* of the machine */
	uint64_t offset; /* of the arena's byte 0 in the object */
	uint64_t maximum;
	uint64_t step;
	uint64_t cap;
	uint64_t object_page; /* of the object */
	uint64_t rung;
	uint64_t collapse;
	uint64_t device; /* the object's identity: what a descriptor that is handed over must be of */
	uint64_t inode;
	uint64_t home; /* where the maker has it */
	uint64_t namespace; /* of processes' numbers: peer.h */
	uint64_t front; /* bytes behind the header */
	uint32_t kind; /* enum vas_arena_kind */
	uint32_t flags; /* VAS_ARENA_ bits */
	uint32_t copies;
	uint32_t use; /* enum vas_header_use */
	uint32_t exec; /* enum vas_exec */
	uint32_t reserved;
	char name[32];
};

enum vas_header_use {
	VAS_HEADER_ARENA,
	VAS_HEADER_RING,
	VAS_HEADER_QUEUE,
	VAS_HEADER_USES
};

struct vas_header {
	uint64_t magic; /* written last (atomic) */
	uint32_t version;
	uint32_t reserved;
	struct vas_header_facts facts;
	/* What readers look at, in a line of its own: it is written once a change. */
	uint64_t size __attribute__((aligned(64))); /* (atomic) */
	uint32_t sized; /* futex: another number after each change of the size (atomic) */
	uint32_t watched; /* 1: somebody waits for it (atomic) */
	/* The lock. */
	uint64_t owner __attribute__((aligned(64))); /* whose process has it: peer.h. NONE = free (atomic) */
	uint32_t turn; /* futex: another number after each time that somebody waited (atomic) */
	uint32_t wanted; /* 1: somebody waits (atomic) */
	uint32_t pulse; /* another number after each step of a long change (atomic) */
	/* With the lock held: */
	uint32_t state; /* VAS_HEADER_; at rest whenever the lock is free (atomic) */
	uint64_t generation; /* even at rest (atomic) */
	uint64_t ahead; /* bytes that are taken beyond size (atomic) */
	uint64_t end; /* CHANGING: of the object, in the arena's bytes, should the change be taken back; UINT64_MAX = as it is (atomic) */
	/* Pins; see pin.c. */
	uint64_t floor __attribute__((aligned(64))); /* a shrinking goes as far down; else UINT64_MAX (atomic) */
	uint32_t unpinned; /* futex: another number after each unpin that somebody waits for (atomic) */
	uint32_t pin_wanted; /* 1: somebody waits (atomic) */
	struct vas_header_place places[VAS_HEADER_PLACES];
};
_Static_assert(sizeof(struct vas_header) <= 4096, "a header is a page at most");

/* A header as this process has it. */
struct vas_header_map {
	struct vas_header *page;
	bool shared; /* other processes may have it: else there is no lock, and all is as we left it */
	bool writable;
	uint64_t self; /* this process: peer.h */
	uint64_t namespace; /* constant: of the facts */
};

/* A header of facts, at rest, of size 0. It is not there for others before magic is. */
void vas_header_begin(struct vas_header *page, const struct vas_header_facts *facts);
/*
 * The facts of a page of whoever, taken once and checked against each other. -EBADMSG: malformed; -EOPNOTSUPP: of a newer version, or of a
 * machine with other pages.
 */
int vas_header_read(const struct vas_header *page, uint64_t page_size, struct vas_header_facts *facts);
/* Whether a size, and what is ahead of it, can be an arena's. */
static inline bool vas_header_suits(const struct vas_header_facts *facts, uint64_t size,
				    uint64_t ahead)
{
	return size <= facts->cap && ahead <= facts->cap - size &&
	       size % facts->step == 0 && ahead % facts->step == 0;
}

/*
 * The lock. That of a process which died is taken over, and then state may be CHANGING: what it did is to be taken back.
 * -EBUSY: another process has it, and for a second nothing was seen to go on.
 */
int vas_header_lock_slowly(struct vas_header_map *map, struct vas_sys *sys);
void vas_header_wake(uint32_t *word, uint32_t *wanted, struct vas_sys *sys);

static inline int vas_header_lock(struct vas_header_map *map, struct vas_sys *sys)
{
	uint64_t owner = 0;

	if (!map->shared || __atomic_compare_exchange_n(&map->page->owner, &owner, map->self, false,
							__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return 0;
	return vas_header_lock_slowly(map, sys);
}

static inline void vas_header_unlock(struct vas_header_map *map, struct vas_sys *sys)
{
	struct vas_header *page = map->page;

	if (map->shared)
		__atomic_store_n(&page->owner, 0, __ATOMIC_RELEASE);
	/* What was stored is before the looks at who waits, as these have their word before a look at what is stored. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&page->wanted, __ATOMIC_RELAXED) != 0, 0))
		vas_header_wake(&page->turn, &page->wanted, sys);
	if (__builtin_expect(__atomic_load_n(&page->watched, __ATOMIC_RELAXED) != 0, 0))
		vas_header_wake(&page->sized, &page->watched, sys);
}

/* Around a change, with the lock held: whoever dies between them leaves state CHANGING. */
static inline void vas_header_change(struct vas_header *page)
{
	uint64_t generation = __atomic_load_n(&page->generation, __ATOMIC_RELAXED);

	__atomic_store_n(&page->end, UINT64_MAX, __ATOMIC_RELAXED);
	__atomic_store_n(&page->state, VAS_HEADER_CHANGING, __ATOMIC_RELEASE);
	__atomic_store_n(&page->generation, generation | 1, __ATOMIC_RELAXED);
	/* Before all that changes, which is done by stores, too. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* size: as it is now; done: whether something has changed. */
static inline void vas_header_settle(struct vas_header *page, uint64_t size, bool done)
{
	uint64_t generation = __atomic_load_n(&page->generation, __ATOMIC_RELAXED) | 1;

	/* Readers would have to fetch that line anew. */
	if (__atomic_load_n(&page->size, __ATOMIC_RELAXED) != size)
		__atomic_store_n(&page->size, size, __ATOMIC_RELEASE);
	__atomic_store_n(&page->generation, done ? generation + 1 : generation - 1,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&page->state, VAS_HEADER_AT_REST, __ATOMIC_RELEASE);
}

#endif
