/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a block allocator: zones, each with a lock, a tree of what is taken and a
 * table of the blocks that start in it. See blocks_zone.c.
 *
 * LOCKS. Those of zones, lower ones first; then making; then the pool's. Without any: looking a block up in a
 * table, its record's word, magazines, shelves.
 */
#ifndef VAS_CORE_BLOCKS_ZONE_H
#define VAS_CORE_BLOCKS_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/thread_word.h"
#include "core/block_lanes.h"
#include "core/block_magazine.h"
#include "core/block_pool.h"
#include "core/block_record.h"
#include "core/block_table.h"
#include "core/block_tree.h"
#include "core/blocks.h"
#include "core/blocks_fit.h"

/* A test makes them smaller, for more zones. */
#ifndef VAS_BLOCKS_ZONE_SHIFT
#define VAS_BLOCKS_ZONE_SHIFT	30u /* zones are of 1 GiB at least */
#define VAS_BLOCKS_SMALL_IS_ONE 1 /* a span that four of them would hold lies in one, larger zone */
#endif
#define VAS_BLOCKS_HINT_MOST 127u /* the hint of a zone that nobody has used */

struct vas_block_shelves; /* blocks_shelf.h */

#define VAS_BLOCK_SHELVES_EIGHT 8u /* groups of classes that one node tells of */

struct vas_block_zone {
	uint32_t lock;
	uint32_t number;
	uint32_t used; /* granules, as of the last change (atomic): for looks without the lock */
	uint32_t told; /* its hints: a byte each, by alignment */
	/*
	 * A block that a magazine should give up, as its record is in the way: what its start and class were, 8 bits of that. 0 = none
	 * (atomic).
	 */
	uint64_t stray;
	uint64_t live; /* blocks that start here, those in magazines too */
	struct vas_block_spares spares;
	struct vas_block_record *place; /* of the table, for the block that it was prepared for */
	struct vas_block_table table;
	struct vas_block_tree tree;
};

/* The zones that were made so far, and what is told of their gaps without their locks. */
struct vas_block_zones {
	uint32_t room; /* constant: a multiple of 8; zones from here on were not made */
	/* By alignment: HINT_MOST less the code of the largest gap (atomic). */
	uint8_t *hint[VAS_BLOCK_ROOMS];
	struct vas_block_zone **zone; /* each NULL = not made (atomic) */
	/*
	 * The directories of their tables, for who looks without the lock; they may be older ones (atomic). Of
	 * zones that were not made, that of a table without keys.
	 */
	uint64_t directory[];
};

struct vas_blocks {
	/* What every alloc and free reads stands first. Constant, but for what cut and join change. */
	uint64_t base; /* of zone 0: a multiple of its size */
	uint32_t granule_shift;
	uint32_t zone_shift; /* log2 of a zone's granules */
	struct vas_block_zones *zones; /* (atomic) larger ones take its place, and old ones stay */
	intptr_t slot_at; /* where a thread's slot is; 0: all use one */
	const char *single; /* what this is at (atomic) is not 0 while nobody else is here */
	uint32_t cached; /* granules of the largest blocks that magazines keep; 0: they rest (atomic) */
	uint32_t zone_last; /* granules of a zone less one */
	uint32_t cached_most; /* cached when they do not rest */
	uint32_t shelved; /* as cached, of shelves; 0: they rest, and no request with a window is rounded (atomic) */
	bool alone; /* the caller serialises */
	/* What a magazine keeps of a class of any kind for now; 0: nothing, as of NO_CLASS (atomic). */
	uint8_t most[VAS_BLOCK_NO_CLASS + 1];

	struct vas_blocks_support support;
	struct vas_span span;
	uint64_t first; /* granules from base to the span's start */
	uint64_t granule;
	uint64_t alignment[VAS_BLOCK_ROOMS]; /* bytes: those that rooms are known for */
	uint32_t zone_count; /* changed by cut and join, as span is */

	struct vas_block_pool pool;
	struct vas_block_records records;
	uint64_t random; /* (atomic) */
	uint32_t making; /* lock word: zones and magazines being made */
	uint32_t frees; /* while magazines rested (atomic) */
	struct vas_block_shelves *shelves[2]; /* (atomic) of eight groups of classes each */
	/* (atomic) vas_block_magazine_none where none was made: it has nothing, and takes nothing. */
	struct vas_block_magazine *slot[VAS_BLOCK_KINDS][VAS_BLOCK_SLOTS];
	uint64_t made
		[VAS_BLOCK_KINDS]; /* a bit for each slot that has a magazine, set behind it (atomic) */
};

/* Whether no other thread can be at the allocator, now and until the caller returns. */
static inline bool vas_blocks_single(const struct vas_blocks *blocks)
{
	return __atomic_load_n(blocks->single, __ATOMIC_RELAXED) != 0;
}

/* Where the block begins that a record's word is of. */
static inline uint64_t vas_blocks_word_address(const struct vas_blocks *blocks, uint64_t word)
{
	return blocks->base + (vas_block_word_start(word) << blocks->granule_shift);
}

static inline uint64_t vas_blocks_end(const struct vas_blocks *blocks)
{
	return blocks->span.start + blocks->span.size;
}

static inline bool vas_blocks_covers(const struct vas_blocks *blocks, uint64_t address)
{
	return address - blocks->span.start < blocks->span.size;
}

static inline uint32_t vas_blocks_zone_number(const struct vas_blocks *blocks, uint64_t address)
{
	return (uint32_t)((address - blocks->base) >> blocks->granule_shift >> blocks->zone_shift);
}

/* The zones that lie as a whole in a window as requests have it: [*first, *end). False: none does. */
static inline bool vas_blocks_window_zones(const struct vas_blocks *blocks, uint64_t min,
					   uint64_t max, uint32_t *first, uint32_t *end)
{
	uint32_t shift = blocks->zone_shift + blocks->granule_shift;
	uint64_t low = 0, high = blocks->zone_count;

	if (min > blocks->span.start)
		low = ((min - 1 - blocks->base) >> shift) + 1;
	/* 0 is no end, too. */
	if (max - 1 < vas_blocks_end(blocks) - 1)
		high = max > blocks->base ? (max - blocks->base) >> shift : 0;
	*first = (uint32_t)low;
	*end = (uint32_t)high;
	return low < high;
}

/* NULL: not made yet. */
static inline struct vas_block_zone *vas_blocks_zone(const struct vas_blocks *blocks,
						     uint32_t number)
{
	const struct vas_block_zones *zones = __atomic_load_n(&blocks->zones, __ATOMIC_ACQUIRE);

	if (__builtin_expect(number >= zones->room, 0))
		return NULL;
	return __atomic_load_n(&zones->zone[number], __ATOMIC_ACQUIRE);
}

/* An address of the zone as an offset; its end, too. */
static inline uint32_t vas_block_offset(const struct vas_block_zone *zone, uint64_t address)
{
	return (uint32_t)((address - zone->tree.base) >> zone->tree.shift);
}

static inline uint64_t vas_block_address(const struct vas_block_zone *zone, uint32_t offset)
{
	return zone->tree.base + ((uint64_t)offset << zone->tree.shift);
}

static inline void vas_blocks_lock(struct vas_blocks *blocks, uint32_t *word)
{
	if (!blocks->alone)
		blocks->support.lock(blocks->support.context, word);
}

static inline void vas_blocks_unlock(struct vas_blocks *blocks, uint32_t *word)
{
	if (!blocks->alone)
		blocks->support.unlock(blocks->support.context, word);
}

/* Bytes of the arrays for so many zones, a multiple of 8; and where they lie in memory that is zeroed. */
uint64_t vas_block_zones_size(uint32_t room);
struct vas_block_zones *vas_block_zones_place(void *memory, uint32_t room);

/* What of the span lies in a zone. */
struct vas_span vas_blocks_zone_span(const struct vas_blocks *blocks, uint32_t number);
/* The zone of a number, made if need be. NULL: no memory. */
struct vas_block_zone *vas_blocks_zone_get(struct vas_blocks *blocks, uint32_t number);
/* What is told of a zone's gaps: a byte for each alignment. */
static inline uint32_t vas_block_hints_of(const struct vas_block_tree *tree)
{
	vas_lanes codes = vas_lanes_codes(vas_lanes_load(tree->room));

	return vas_lanes_bytes(vas_lanes_all(VAS_BLOCKS_HINT_MOST) - codes);
}

/* Tells what is to be told of it. */
void vas_blocks_hint_tell(struct vas_blocks *blocks, struct vas_block_zone *zone);

/* The zone of a number, made if need be, locked. NULL: no memory. */
static inline struct vas_block_zone *vas_blocks_zone_enter(struct vas_blocks *blocks,
							   uint32_t number)
{
	struct vas_block_zone *zone = vas_blocks_zone(blocks, number);

	if (__builtin_expect(zone == NULL, 0))
		zone = vas_blocks_zone_get(blocks, number);
	if (__builtin_expect(zone != NULL, 1))
		vas_blocks_lock(blocks, &zone->lock);
	return zone;
}

/* Nodes that a zone keeps for itself at most, when nobody is at it. */
#define VAS_BLOCK_ZONE_SPARES 12u

/* Its table may want less memory. Records that are LIVE may move. */
static inline void vas_blocks_zone_join(struct vas_block_zone *zone)
{
	const struct vas_block_record *stray = vas_block_table_join(&zone->table);
	uint64_t word, class;

	if (__builtin_expect(!stray, 1))
		return;
	word = vas_word_load(&stray->word);
	class = vas_block_record_class(stray, word);
	__atomic_store_n(&zone->stray, vas_block_word_start(word) << 8 | class, __ATOMIC_RELAXED);
}

/* Drops its lock, after telling what room it has, and where its table is. */
static inline void vas_blocks_zone_leave(struct vas_blocks *blocks, struct vas_block_zone *zone)
{
	struct vas_block_zones *zones = __atomic_load_n(&blocks->zones, __ATOMIC_ACQUIRE);
	uint64_t *directory = &zones->directory[zone->number];
	uint32_t hints = vas_block_hints_of(&zone->tree);

	VAS_ASSERT_EXPENSIVE(vas_block_tree_check(&zone->tree));
	if (__atomic_load_n(&zone->used, __ATOMIC_RELAXED) != zone->tree.used)
		vas_blocks_zone_join(zone);
	if (__builtin_expect(zone->spares.node_count > VAS_BLOCK_ZONE_SPARES, 0))
		vas_block_pool_trim(&blocks->pool, &zone->spares, VAS_BLOCK_ZONE_SPARES / 2, 0);
	__atomic_store_n(&zone->used, zone->tree.used, __ATOMIC_RELAXED);
	if (__builtin_expect(vas_word_load(directory) != zone->table.directory, 0))
		vas_word_store(directory, zone->table.directory);
	if (hints != zone->told) {
		zone->told = hints;
		vas_blocks_hint_tell(blocks, zone);
	}
	vas_blocks_unlock(blocks, &zone->lock);
}

/* All from first to last; false: no memory, none is locked. */
bool vas_blocks_zones_enter(struct vas_blocks *blocks, uint32_t first, uint32_t last);
void vas_blocks_zones_leave(struct vas_blocks *blocks, uint32_t first, uint32_t last);

/*
 * The first zone from first to last whose room in an alignment is need granules for sure. UINT32_MAX: none.
 */
uint32_t vas_blocks_zone_with(const struct vas_blocks *blocks, uint32_t first, uint32_t last,
			      uint32_t key, uint32_t need);

/* --- blocks_book.c: entering blocks, and striking them --- */

/*
 * Sees to it that a piece can be put into a zone, or a block that starts at offset (piece, table and
 * record), which is the next thing that is done there. The zone is locked. -ENOMEM: nothing is changed.
 */
int vas_blocks_prepare_piece(struct vas_blocks *blocks, struct vas_block_zone *zone);
int vas_blocks_prepare(struct vas_blocks *blocks, struct vas_block_zone *zone, uint32_t offset);
/* Makes the record of a block whose pieces are there. I: prepared. */
void vas_blocks_enlist(struct vas_blocks *blocks, struct vas_block_zone *zone, struct vas_span span,
		       uint32_t class, uint32_t mark);
/* The reverse: the pieces stay. */
void vas_blocks_strike(struct vas_blocks *blocks, struct vas_block_zone *zone, uint32_t offset);

/* What is said of a new block but where it lies. */
struct vas_block_what {
	uint64_t size; /* granules */
	uint32_t class; /* its size class, whose size its extent has; NO_CLASS: the size's own */
	uint32_t mark;
};

/*
 * Makes a block of what is free: pieces and record. Its zones are locked. take_one: all of it lies in one
 * zone, from offset on in the gap of place. -ENOMEM: nothing is changed.
 */
int vas_blocks_take_one(struct vas_blocks *blocks, struct vas_block_zone *zone,
			const struct vas_block_what *what, struct vas_block_place *place,
			uint32_t offset);
int vas_blocks_take(struct vas_blocks *blocks, struct vas_span span, uint32_t class, uint32_t mark);
/* The reverse, for a record that is not FREE. What the block covers is locked. */
void vas_blocks_drop(struct vas_blocks *blocks, struct vas_block_zone *zone,
		     struct vas_block_record *record);

/* The same for a record that the caller made CACHED and keeps nowhere. Nothing is locked. */
void vas_blocks_free_claimed(struct vas_blocks *blocks, struct vas_block_record *record);
/*
 * A free of what starts there and lies in one zone, all of it under the zone's lock, for when magazines rest.
 * *info is what it was. -EAGAIN: that is not so, or not LIVE; nothing is changed.
 */
int vas_blocks_free_held(struct vas_blocks *blocks, uint64_t start, struct vas_block_info *info);

/* The addresses that a record's block covers, with what its class adds. */
struct vas_span vas_blocks_extent(const struct vas_blocks *blocks,
				  const struct vas_block_record *record);
/* Without that. */
struct vas_span vas_blocks_span(const struct vas_blocks *blocks,
				const struct vas_block_record *record);

/* --- blocks_cache.c: magazines --- */

/* No slot has a magazine. */
void vas_blocks_magazines_init(struct vas_blocks *blocks);
/* What each class may keep in a magazine, by the size of the span. */
void vas_blocks_cache_init(struct vas_blocks *blocks);
/* Sees to it that the calling thread has a magazine for a class, if there is memory for one. */
void vas_blocks_magazine_make(struct vas_blocks *blocks, uint32_t class);
/* Empties all magazines and shelves. No lock is held. False: there was nothing in them. */
bool vas_blocks_drain(struct vas_blocks *blocks);
/*
 * The same for what lies in a window. What is kept elsewhere stays, unless more blocks than can be looked at
 * are in the window; then, with tighten, everything rests, too. False: nothing that lies there was kept.
 */
bool vas_blocks_drain_window(struct vas_blocks *blocks, struct vas_span window, bool tighten);
/* Magazines, shelves and rounding rest from now on; loosen: if there is room again, no more. */
void vas_blocks_tighten(struct vas_blocks *blocks);
/* Only what serves requests with a window rests, and their rounding. */
void vas_blocks_tighten_windows(struct vas_blocks *blocks);
void vas_blocks_loosen_slow(struct vas_blocks *blocks);
static inline void vas_blocks_loosen(struct vas_blocks *blocks)
{
	if (__builtin_expect(
		    __atomic_load_n(&blocks->shelved, __ATOMIC_RELAXED) != blocks->cached_most, 0))
		vas_blocks_loosen_slow(blocks);
}
/* If a record is in the way of a page in the zone of that start, its block goes back to the books. No lock held. */
void vas_blocks_recall_slow(struct vas_blocks *blocks, struct vas_block_zone *zone);
static inline void vas_blocks_recall(struct vas_blocks *blocks, uint64_t start)
{
	struct vas_block_zone *zone =
		vas_blocks_zone(blocks, vas_blocks_zone_number(blocks, start));

	if (__builtin_expect(zone && __atomic_load_n(&zone->stray, __ATOMIC_RELAXED) != 0, 0))
		vas_blocks_recall_slow(blocks, zone);
}
/* The blocks in magazines, and the bytes that they cover. Exact while no one is at them. */
uint64_t vas_blocks_cached(const struct vas_blocks *blocks, uint64_t *bytes);

/* The slot of the calling thread. */
static inline uint32_t vas_blocks_slot(const struct vas_blocks *blocks)
{
	return blocks->slot_at ? vas_thread_word(blocks->slot_at) % VAS_BLOCK_SLOTS : 0;
}

extern const struct vas_block_magazine vas_block_magazine_none;

/* The magazine of the calling thread for a class, or none. A single thread uses the first. */
static inline struct vas_block_magazine *vas_blocks_magazine(const struct vas_blocks *blocks,
							     uint32_t class, bool single)
{
	return __atomic_load_n(
		&blocks->slot[0][0] + class / VAS_BLOCK_CLASSES * VAS_BLOCK_SLOTS +
			(single ? 0 : vas_blocks_slot(blocks)),
		__ATOMIC_ACQUIRE);
}

/* --- blocks_hold.c: blocks that are there --- */

/* A block whose zones are locked, all that it touches. */
struct vas_block_hold {
	struct vas_block_zone *zone; /* where it starts */
	struct vas_block_record *record; /* until the next block is prepared for */
	uint32_t last; /* zone */
};

/* The block that starts at an address, LIVE. As vas_blocks_free; nothing is locked then. */
int vas_blocks_hold_start(struct vas_blocks *blocks, uint64_t start, struct vas_block_hold *hold);
/* The one that covers it. -ERANGE, -ENOENT. */
int vas_blocks_hold_at(struct vas_blocks *blocks, uint64_t address, struct vas_block_hold *hold);
void vas_blocks_hold_end(struct vas_blocks *blocks, const struct vas_block_hold *hold);

#endif
