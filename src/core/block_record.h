/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of each block: 16 bytes, which stand in the line of a table that the block's start belongs to
 * (block_table.h). The memory of records never becomes anything else, so a place where a record was ever found can be
 * looked at any time, without a lock: what stands there may by then be another block's, or nobody's, which
 * its word tells. Lists link records by numbers of 31 bits, which a place has for good. See block_record.c.
 *
 * Concurrency: at, number and the functions of one record need no lock. room takes the records' lock, through
 * support, and may be called with others held.
 */
#ifndef VAS_CORE_BLOCK_RECORD_H
#define VAS_CORE_BLOCK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/shared_word.h"
#include "core/block_pool.h"

/* States, in a word's lowest bits. */
#define VAS_BLOCK_FREE	 UINT64_C(0) /* no block */
#define VAS_BLOCK_LIVE	 UINT64_C(1)
#define VAS_BLOCK_CACHED                                                                           \
	UINT64_C(2) /* freed, and kept in a magazine; or somebody's who is just at it */
/*
 * The block's record stands elsewhere, at the number in link: it was CACHED, and so could not move, when the
 * start's line became another one. Only who has the zone's lock may follow.
 */
#define VAS_BLOCK_MOVED UINT64_C(3)

#define VAS_BLOCK_STATE_BITS 2u
#define VAS_BLOCK_HIGH_BITS  14u
#define VAS_BLOCK_START_BITS 47u
#define VAS_BLOCK_NO_CLASS   255u

#define VAS_BLOCK_ODD	      (UINT64_C(1) << VAS_BLOCK_STATE_BITS) /* a block without a size class */
#define VAS_BLOCK_HIGH_SHIFT  (VAS_BLOCK_STATE_BITS + 1)
#define VAS_BLOCK_START_SHIFT (VAS_BLOCK_HIGH_SHIFT + VAS_BLOCK_HIGH_BITS)
#define VAS_BLOCK_CLASS_SHIFT 24u /* in a size */

/*
 * One block. I: the word changes by compare-and-swap where a free without a lock may come in
 * between, that is from LIVE; from CACHED it is changed by who has the record alone, from FREE and MOVED by
 * who has the zone's lock. It is FREE only as a whole. The word of a block with a class is its start and state, and no more.
 */
struct vas_block_record {
	uint64_t word; /* atomic; state, ODD, its size's upper bits, start: see vas_block_word */
	uint32_t
		size; /* atomic; granules less one; above CLASS_SHIFT the class; ODD: the lower bits */
	uint32_t link; /* atomic; the mark; CACHED: of a list, the next number; MOVED: where */
};

/* start and size (not 0) in granules, start from where the allocator's first zone begins. */
static inline uint64_t vas_block_word(uint64_t start, uint64_t size, uint32_t class, uint64_t state)
{
	VAS_ASSERT_DEBUG(start >> VAS_BLOCK_START_BITS == 0);
	VAS_ASSERT_DEBUG((size - 1) >> 32 >> VAS_BLOCK_HIGH_BITS == 0);
	if (class == VAS_BLOCK_NO_CLASS)
		state |= (size - 1) >> 32 << VAS_BLOCK_HIGH_SHIFT | VAS_BLOCK_ODD;
	return start << VAS_BLOCK_START_SHIFT | state;
}

static inline uint64_t vas_block_word_state(uint64_t word)
{
	return word & ((UINT64_C(1) << VAS_BLOCK_STATE_BITS) - 1);
}

static inline uint64_t vas_block_word_start(uint64_t word)
{
	return word >> VAS_BLOCK_START_SHIFT;
}

/* The same word in another state. */
static inline uint64_t vas_block_word_with(uint64_t word, uint64_t state)
{
	return (word & ~((UINT64_C(1) << VAS_BLOCK_STATE_BITS) - 1)) | state;
}

/* Size and class of a block whose word this is. I: it is still the record's, or the answer is dropped. */
static inline uint64_t vas_block_size_of(uint64_t word, uint32_t size)
{
	uint64_t high = word >> VAS_BLOCK_HIGH_SHIFT & ((1u << VAS_BLOCK_HIGH_BITS) - 1);

	if (!(word & VAS_BLOCK_ODD))
		size &= (UINT32_C(1) << VAS_BLOCK_CLASS_SHIFT) - 1;
	return (high << 32 | size) + 1;
}

static inline uint64_t vas_block_record_size(const struct vas_block_record *record, uint64_t word)
{
	return vas_block_size_of(word, vas_word_load32(&record->size));
}

static inline uint32_t vas_block_record_class(const struct vas_block_record *record, uint64_t word)
{
	return word & VAS_BLOCK_ODD ? VAS_BLOCK_NO_CLASS
				    : vas_word_load32(&record->size) >> VAS_BLOCK_CLASS_SHIFT;
}

/*
 * What a record says of its block at one moment, while others may free it and take it: its word, size and mark.
 * False: it is not LIVE.
 */
static inline bool vas_block_record_read(const struct vas_block_record *record, uint64_t *word,
					 uint64_t *size, uint32_t *mark)
{
	uint32_t low;

	do {
		*word = vas_word_load(&record->word);
		if (vas_block_word_state(*word) != VAS_BLOCK_LIVE)
			return false;
		low = vas_word_load32(&record->size);
		*mark = vas_word_load32(&record->link);
		/* All of it again: between two looks at the word it may have been in a list, or MOVED. */
	} while (vas_word_load(&record->word) != *word || vas_word_load32(&record->size) != low ||
		 vas_word_load32(&record->link) != *mark);
	*size = vas_block_size_of(*word, low);
	return true;
}

/* The record of a block with this class, or NO_CLASS, gets another size. */
static inline void vas_block_record_size_set(struct vas_block_record *record, uint64_t size,
					     uint32_t class)
{
	uint32_t low = (uint32_t)(size - 1);

	if (class != VAS_BLOCK_NO_CLASS)
		low |= class << VAS_BLOCK_CLASS_SHIFT;
	vas_word_store32(&record->size, low);
}

/* Writes a new block into a record that is the caller's alone, LIVE; the word last. */
static inline void vas_block_record_set(struct vas_block_record *record, uint64_t start,
					uint64_t size, uint32_t class, uint32_t mark)
{
	vas_block_record_size_set(record, size, class);
	vas_word_store32(&record->link, mark);
	vas_word_store(&record->word, vas_block_word(start, size, class, VAS_BLOCK_LIVE));
}

/* Writes a block whose record the caller has claimed into another one; the word last, which it had. */
static inline void vas_block_record_copy(struct vas_block_record *record,
					 const struct vas_block_record *from, uint64_t word)
{
	vas_word_store32(&record->size, vas_word_load32(&from->size));
	vas_word_store32(&record->link, vas_word_load32(&from->link));
	vas_word_store(&record->word, word);
}

/*
 * Numbers below FAR count records from the address in near on, as far as NEAR bytes; from FAR on they count those
 * of areas that lie elsewhere. A test makes NEAR smaller.
 */
#define VAS_BLOCK_RECORD_FAR (UINT32_C(1) << 30)
#ifndef VAS_BLOCK_RECORD_NEAR
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(16) << 30)
#endif
#define VAS_BLOCK_AREA	     (UINT64_C(1) << 20) /* bytes */
#define VAS_BLOCK_AREA_SHIFT 16u /* log2 of its records */
#define VAS_BLOCK_AREAS                                                                            \
	(VAS_BLOCK_RECORD_FAR >> VAS_BLOCK_AREA_SHIFT) /* at most, so that a number has 31 bits */

/* Where records are. */
struct vas_block_records {
	uint64_t near; /* atomic; 0: there are none yet */
	uint64_t directory; /* atomic; address of an array of the areas' addresses */
	struct vas_block_pool *pool;
	uint32_t lock;
	uint32_t areas; /* I: at most room */
	uint32_t room; /* areas that the directory has place for */
	uint32_t
		kept; /* the first page of a list of those that no table uses, by its first place; 0: none */
};

/* No memory is taken before the first room that is far away. It stays where it is. */
void vas_block_records_init(struct vas_block_records *records, struct vas_block_pool *pool);
/*
 * Gives the places in size bytes of memory, a node or a page, their numbers. *area: 0, or one more than that of
 * the area that they lie in. -ENOMEM: they have none.
 */
int vas_block_records_room(struct vas_block_records *records, const void *memory, uint64_t size,
			   uint32_t *area);
/*
 * A page in which no record stands, for whoever wants one: it stays memory of records. again: such a page, and its
 * area; NULL: there is none.
 */
void vas_block_records_keep(struct vas_block_records *records, void *page, uint32_t area);
void *vas_block_records_again(struct vas_block_records *records, uint32_t *area);
/* Every invariant. */
bool vas_block_records_check(const struct vas_block_records *records);

/* The place of a number. */
static inline struct vas_block_record *vas_block_record_at(const struct vas_block_records *records,
							   uint32_t number)
{
	uint64_t at = vas_word_load(&records->near);

	if (__builtin_expect(number >= VAS_BLOCK_RECORD_FAR, 0)) {
		const uint64_t *areas =
			(const uint64_t *)(uintptr_t)vas_word_load(&records->directory);

		number -= VAS_BLOCK_RECORD_FAR;
		at = vas_word_load(&areas[number >> VAS_BLOCK_AREA_SHIFT]);
		number &= (UINT32_C(1) << VAS_BLOCK_AREA_SHIFT) - 1;
	}
	at += (uint64_t)number * sizeof(struct vas_block_record);
	return (struct vas_block_record *)(uintptr_t)at;
}

uint32_t vas_block_record_number_far(const struct vas_block_records *records,
				     const struct vas_block_record *record, uint32_t area);

/* The number of a place; area: what room told of its memory. */
static inline uint32_t vas_block_record_number(const struct vas_block_records *records,
					       const struct vas_block_record *record, uint32_t area)
{
	uint64_t near = vas_word_load(&records->near);

	if (__builtin_expect(area != 0, 0))
		return vas_block_record_number_far(records, record, area);
	return (uint32_t)(((uintptr_t)record - near) / sizeof(*record));
}

#endif
