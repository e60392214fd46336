/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks found by their start without a lock, and claimed.
 *
 * What is found was LIVE, and is claimed by a compare-and-swap of the word that it had. When that fails, it was freed
 * meanwhile, or claimed by another thread, or its record has moved: who must know looks again under the zone's
 * lock (blocks_hold.c).
 */
#ifndef VAS_CORE_BLOCKS_FIND_H
#define VAS_CORE_BLOCKS_FIND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/blocks_zone.h"

/* Makes the record of a block, LIVE by this word, the caller's alone. False: it is not LIVE any more. */
static inline bool vas_blocks_record_claim(struct vas_block_record *record, uint64_t word,
					   bool alone)
{
	uint64_t claimed = word + (VAS_BLOCK_CACHED - VAS_BLOCK_LIVE);

	if (!alone)
		return vas_word_exchange(&record->word, word, claimed);
	vas_word_store(&record->word, claimed);
	return true;
}

/*
 * How many granules an offset from the first zone's base is, by rotation: what begins inside a granule comes out as more than
 * any span has, and need not be told from what lies beyond it.
 */
static inline uint64_t vas_blocks_granules_from(const struct vas_blocks *blocks, uint64_t offset)
{
	return offset >> blocks->granule_shift | offset << (64 - blocks->granule_shift);
}

/* A record that was found without a lock. */
struct vas_blocks_found {
	struct vas_block_record *record;
	uint64_t word; /* its word, LIVE */
	uint32_t area;
};

/* Where a start may be found without a lock. */
struct vas_blocks_where {
	uint64_t directory; /* of the zone's table */
	uint64_t wanted; /* the word of what starts there, LIVE and without an ODD size */
	uint32_t key;
};

/* False: nothing was ever taken in the zone, or the start is beyond the span. */
static inline __attribute__((always_inline)) bool
vas_blocks_where(const struct vas_blocks *blocks, uint64_t start, struct vas_blocks_where *where)
{
	const struct vas_block_zones *zones = __atomic_load_n(&blocks->zones, __ATOMIC_ACQUIRE);
	uint64_t granule = vas_blocks_granules_from(blocks, start - blocks->base);
	uint64_t index = granule >> blocks->zone_shift;

	if (__builtin_expect(index >= zones->room, 0))
		return false;
	where->key = (uint32_t)granule & blocks->zone_last;
	where->wanted = granule << VAS_BLOCK_START_SHIFT | VAS_BLOCK_LIVE;
	where->directory = vas_word_load(&zones->directory[index]);
	return true;
}

/*
 * The record of the block that starts there, found without a lock, if the block has a class and it stands where most
 * records do. False: not found so, or not LIVE.
 */
static inline __attribute__((always_inline)) bool
vas_blocks_find_plain(const struct vas_blocks *blocks, uint64_t start,
		      struct vas_blocks_found *found)
{
	struct vas_blocks_where where;

	if (__builtin_expect(!vas_blocks_where(blocks, start, &where), 0))
		return false;
	found->record =
		vas_block_directory_plain(where.directory, where.key, where.wanted, &found->area);
	found->word = where.wanted;
	return __builtin_expect(found->record != NULL, 1);
}

/* The same for any block, and wherever its record stands. */
static inline bool vas_blocks_find(const struct vas_blocks *blocks, uint64_t start,
				   struct vas_blocks_found *found)
{
	struct vas_blocks_where where;

	if (!vas_blocks_where(blocks, start, &where))
		return false;
	found->word = where.wanted;
	found->record =
		vas_block_directory_plain(where.directory, where.key, where.wanted, &found->area);
	if (__builtin_expect(!found->record, 0))
		found->record = vas_block_directory_live(where.directory, where.key, where.wanted,
							 &found->word, &found->area);
	return __builtin_expect(found->record != NULL, 1);
}

/* Of a block with a class, in one of the lines where the others stand. */
static inline bool vas_blocks_find_beside(const struct vas_blocks *blocks, uint64_t start,
					  struct vas_blocks_found *found)
{
	struct vas_blocks_where where;

	if (!vas_blocks_where(blocks, start, &where))
		return false;
	found->record =
		vas_block_directory_beside(where.directory, where.key, where.wanted, &found->area);
	found->word = where.wanted;
	return found->record != NULL;
}

/* The number of a record that was found. */
static inline uint32_t vas_blocks_found_number(const struct vas_blocks *blocks,
					       const struct vas_blocks_found *found)
{
	return vas_block_record_number(&blocks->records, found->record, found->area);
}

/* What is known of the block that a record is of. False: it is not LIVE. */
static inline bool vas_blocks_record_info(const struct vas_blocks *blocks,
					  const struct vas_block_record *record,
					  struct vas_block_info *info)
{
	uint64_t word, size;
	uint32_t mark;

	if (!vas_block_record_read(record, &word, &size, &mark))
		return false;
	*info = (struct vas_block_info){
		.span = { vas_blocks_word_address(blocks, word), size << blocks->granule_shift },
		.live = true,
		.mark = mark,
	};
	return true;
}

/* The block whose record the caller has claimed, from the word that it had. */
static inline struct vas_block_info vas_blocks_claimed_info(const struct vas_blocks *blocks,
							    const struct vas_block_record *record,
							    uint64_t word)
{
	return (struct vas_block_info){
		.span = { vas_blocks_word_address(blocks, word), vas_block_record_size(record, word)
									 << blocks->granule_shift },
		.live = true,
		.mark = vas_word_load32(&record->link),
	};
}

#endif
