/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shards: what threads keep of a region each by themselves, so that they need not wait for each other.
 *
 * A shard is for one slot (sys/slot.h), behind a gate (sys/gate.h). Behind one's own gate, without the
 * region's lock, blocks are taken and given back that have no memory or are warm, and nothing else. All
 * else is done with the region's lock held, and who must have nobody behind a gate meanwhile shuts them.
 */
#ifndef VAS_REGION_SHARD_H
#define VAS_REGION_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/base.h>

#include "base/thread_word.h"
#include "sys/gate.h"
#include "sys/slot.h"

struct vas_region;

#define VAS_SHARD_WARM 11u /* blocks in a tray */

/* Written behind the gate, or with it shut. The sums are read by anybody (atomic). */
struct vas_shard {
	struct vas_gate gate;
	/*
	 * The tray: warm blocks, the one that was freed last at the end. Their marks are WARM without a node.
	 * I: count <= room; the bytes in them are tray_bytes. What the tray may hold was granted by the cache.
	 */
	uint16_t count;
	uint16_t room; /* blocks that are granted; 0 = nothing is */
	uint32_t seized; /* modulo 2^32: blocks that became unfinished here */
	uint64_t allocs;
	uint64_t frees;
	uint64_t warm_hits;
	uint64_t used; /* modulo 2^64: bytes that were taken here less those that were freed here */
	uint64_t tray_bytes;
	uint64_t tray_left; /* bytes that may still be put; with tray_bytes, what is granted */
	struct vas_span tray[VAS_SHARD_WARM];
	struct vas_shard *next; /* constant */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct vas_shard) == 256, "four cache lines, one of them for what is always used");

struct vas_shards {
	/* Whether there are any: what waits, is filled or is not simply free again goes the long way. */
	bool wanted; /* constant */
	bool forking; /* fork has shut the gates. Written by the thread that forks */
	uint32_t shut; /* who has shut them; 0: they are open (atomic) */
	intptr_t place; /* constant: of the slot */
	struct vas_shard *first; /* all of them; grows at the front, under the region's lock (atomic) */
	struct vas_shard *by_slot[VAS_SLOT_COUNT]; /* NULL = not made yet (atomic) */
};

/* Sums over all shards, exact while nobody is behind a gate. */
struct vas_shard_sums {
	uint64_t live; /* modulo 2^64, as a shard's used */
	uint64_t used;
	uint64_t allocs;
	uint64_t frees;
	uint64_t warm_hits;
	uint64_t warm;
	uint64_t books;
	uint32_t seized; /* modulo 2^32 */
};

void vas_shards_init(struct vas_region *region);
/* Sees to it that the calling thread has one, if there is memory. Lock held. Not for a free. */
void vas_shard_make(struct vas_region *region);

static inline uint32_t vas_shards_slot(const struct vas_shards *shards)
{
	return shards->place ? vas_thread_word(shards->place) % VAS_SLOT_COUNT : 0;
}

/* The calling thread's; NULL: it has none. */
static inline struct vas_shard *vas_shards_own(const struct vas_shards *shards)
{
	return __atomic_load_n(&shards->by_slot[vas_shards_slot(shards)], __ATOMIC_ACQUIRE);
}

static inline void vas_shard_add(uint64_t *sum, uint64_t add)
{
	__atomic_store_n(sum, *sum + add, __ATOMIC_RELAXED);
}

/* Nobody is behind a gate between the two. Lock held. They nest. */
void vas_shards_shut(struct vas_region *region);
void vas_shards_open(struct vas_region *region);
/* The same for one gate; between its two, nothing else is shut. */
void vas_shard_shut(struct vas_region *region, struct vas_shard *shard);
void vas_shard_open(struct vas_region *region);

/* All shards, in no order that matters. */
static inline struct vas_shard *vas_shards_first(const struct vas_shards *shards)
{
	return __atomic_load_n(&shards->first, __ATOMIC_ACQUIRE);
}

struct vas_shard_sums vas_shards_sum(const struct vas_region *region);
/* The sums become the region's own. Shut, and the trays are empty. */
void vas_shards_fold(struct vas_region *region);
/* Gives their memory back. Nobody uses the region. */
void vas_shards_free(struct vas_region *region);

/* Around fork, in this order with the lock: it is held from before prepare to after parent. */
void vas_shards_fork_prepare(struct vas_region *region);
bool vas_shards_fork_quiet(const struct vas_region *region);
void vas_shards_fork_parent(struct vas_region *region);
void vas_shards_fork_child(struct vas_region *region);

/* Every invariant; shut. */
bool vas_shards_check(struct vas_region *region);

#endif
