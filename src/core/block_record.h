/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of each block: 16 bytes, by number. A record never moves, so a number
 * that was ever handed out can be followed at any time, without a lock: what stands there may by then
 * be another block, or none, which its word tells. A number says where its record lies. See block_record.c.
 *
 * Concurrency: at and the functions of one record need no lock. Lists are their owner's, who holds
 * its own lock; fill and trim take the records' lock, through support, and may be called with others held.
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
#define VAS_BLOCK_CACHED UINT64_C(2) /* freed, and kept in a magazine */

#define VAS_BLOCK_STATE_BITS 2u
#define VAS_BLOCK_CLASS_BITS 8u
#define VAS_BLOCK_HIGH_BITS  11u
#define VAS_BLOCK_START_BITS 43u
#define VAS_BLOCK_NO_CLASS   255u

/*
 * In the size of a record in a magazine, for who looks without a lock: between two looks at the word the block
 * may have been freed and taken again. Sizes of a class do not go that far, and numbers have 31 bits.
 */
#define VAS_BLOCK_LINKED UINT32_C(0x80000000)

#define VAS_BLOCK_CLASS_SHIFT VAS_BLOCK_STATE_BITS
#define VAS_BLOCK_HIGH_SHIFT  (VAS_BLOCK_CLASS_SHIFT + VAS_BLOCK_CLASS_BITS)
#define VAS_BLOCK_START_SHIFT (VAS_BLOCK_HIGH_SHIFT + VAS_BLOCK_HIGH_BITS)

/*
 * One block. I: the word changes by compare-and-swap where a free without a lock may come in
 * between, that is from LIVE; from CACHED and FREE it is changed by who has the record alone.
 */
struct vas_block_record {
	uint64_t word; /* atomic; state, class, the size's upper bits, start: see vas_block_word */
	uint32_t size; /* atomic; granules less one, the lower bits; CACHED: LINKED and the next number */
	uint32_t link; /* atomic; LIVE: the mark; else the next number of the list that it is in */
};

/* start and size (not 0) in granules, start from where the allocator's span begins. */
static inline uint64_t vas_block_word(uint64_t start, uint64_t size, uint32_t class, uint64_t state)
{
	VAS_ASSERT_DEBUG(start >> VAS_BLOCK_START_BITS == 0);
	VAS_ASSERT_DEBUG((size - 1) >> 32 >> VAS_BLOCK_HIGH_BITS == 0);
	return start << VAS_BLOCK_START_SHIFT | (size - 1) >> 32 << VAS_BLOCK_HIGH_SHIFT |
	       (uint64_t) class << VAS_BLOCK_CLASS_SHIFT | state;
}

static inline uint64_t vas_block_word_state(uint64_t word)
{
	return word & ((UINT64_C(1) << VAS_BLOCK_STATE_BITS) - 1);
}

static inline uint32_t vas_block_word_class(uint64_t word)
{
	return (uint32_t)(word >> VAS_BLOCK_CLASS_SHIFT) & ((1u << VAS_BLOCK_CLASS_BITS) - 1);
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

/* The size of a block whose word this is. I: it is still the record's, or the answer is dropped. */
static inline uint64_t vas_block_record_size(const struct vas_block_record *record, uint64_t word)
{
	uint64_t high = word >> VAS_BLOCK_HIGH_SHIFT & ((1u << VAS_BLOCK_HIGH_BITS) - 1);

	return (high << 32 | vas_word_load32(&record->size)) + 1;
}

/* What a record says of its block at one moment, while others may free it and take it. False: it is not LIVE. */
static inline bool vas_block_record_read(const struct vas_block_record *record, uint64_t *word,
					 uint64_t *size)
{
	bool linked;

	do {
		*word = vas_word_load(&record->word);
		if (vas_block_word_state(*word) != VAS_BLOCK_LIVE)
			return false;
		*size = vas_block_record_size(record, *word);
		linked = vas_block_word_class(*word) != VAS_BLOCK_NO_CLASS &&
			 *size > VAS_BLOCK_LINKED;
	} while (linked || vas_word_load(&record->word) != *word);
	return true;
}

/* Writes a new block into a record that is the caller's alone; the word last. */
static inline void vas_block_record_set(struct vas_block_record *record, uint64_t word,
					uint64_t size, uint32_t mark)
{
	vas_word_store32(&record->size, (uint32_t)(size - 1));
	vas_word_store32(&record->link, mark);
	vas_word_store(&record->word, word);
}

#define VAS_BLOCK_RECORD_PAGE 256u /* records in a page */

/*
 * Numbers below FAR count records from the address in near on, as far as NEAR bytes; from FAR on they count the
 * records of the pages that lie elsewhere. A test makes NEAR smaller.
 */
#define VAS_BLOCK_RECORD_FAR (UINT32_C(1) << 30)
#ifndef VAS_BLOCK_RECORD_NEAR
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(16) << 30)
#endif

/* Free records of one owner, linked. All zeroes is an empty list. */
struct vas_block_record_list {
	uint32_t first; /* 0 = none */
	uint32_t count;
};

struct vas_block_records {
	uint64_t near; /* atomic */
	uint64_t directory; /* atomic: the address of the far pages' addresses, each atomic */
	uint64_t first; /* atomic; the directory while there is one far page */
	struct vas_block_pool *pool;
	struct vas_block_record_list free; /* for all */
	uint32_t lock;
	uint32_t pages; /* far ones; I: at most room */
	uint32_t room; /* pages that the directory has place for */
	uint32_t fresh; /* the first number of the last page */
	uint32_t fresh_count; /* so many of its places were handed out, see fresh_take */
	uint32_t fresh_most; /* of so many; 0 = there is no page yet */
};

/* No memory is taken before the first fill. It stays where it is. */
void vas_block_records_init(struct vas_block_records *records, struct vas_block_pool *pool);
/*
 * Sees to it that list has count free records at least; adds a few more if that is easy. -ENOMEM: it
 * has what it had.
 */
int vas_block_records_fill(struct vas_block_records *records, struct vas_block_record_list *list,
			   uint32_t count);
/* Takes from list what it has above count, for other owners. */
void vas_block_records_trim(struct vas_block_records *records, struct vas_block_record_list *list,
			    uint32_t count);
/* Every invariant of the records and of a list, while nobody changes them. */
bool vas_block_records_check(const struct vas_block_records *records,
			     const struct vas_block_record_list *list);

/* The record of a number that was handed out. */
static inline struct vas_block_record *vas_block_record_at(const struct vas_block_records *records,
							   uint32_t number)
{
	uint64_t at = vas_word_load(&records->near);

	if (__builtin_expect(number >= VAS_BLOCK_RECORD_FAR, 0)) {
		const uint64_t *pages =
			(const uint64_t *)(uintptr_t)vas_word_load(&records->directory);

		number -= VAS_BLOCK_RECORD_FAR;
		at = vas_word_load(&pages[number / VAS_BLOCK_RECORD_PAGE]);
		number %= VAS_BLOCK_RECORD_PAGE;
	}
	at += (uint64_t)number * sizeof(struct vas_block_record);
	return (struct vas_block_record *)(uintptr_t)at;
}

/* A free record, its word FREE. I: the list has one. */
static inline uint32_t vas_block_record_take(const struct vas_block_records *records,
					     struct vas_block_record_list *list)
{
	uint32_t number = list->first;

	VAS_ASSERT(number != 0);
	list->first = vas_word_load32(&vas_block_record_at(records, number)->link);
	list->count--;
	return number;
}

/* Gives back a record that is the caller's alone: its word is FREE or CACHED, or it won it. */
static inline void vas_block_record_give(const struct vas_block_records *records,
					 struct vas_block_record_list *list, uint32_t number)
{
	struct vas_block_record *record = vas_block_record_at(records, number);

	vas_word_store(&record->word, VAS_BLOCK_FREE);
	vas_word_store32(&record->link, list->first);
	list->first = number;
	list->count++;
}

#endif
