/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Magazines: freed blocks that are handed out again without asking the books.
 *
 * One magazine is 512 bytes: for each size class of one kind a list of records, linked through the
 * records. Which magazine a thread uses is only a matter of speed: every change is one
 * compare-and-swap, so any thread may use any of them, nothing is lost with a thread, and
 * all can be emptied by whoever is about to refuse a request.
 */
#ifndef VAS_CORE_BLOCK_MAGAZINE_H
#define VAS_CORE_BLOCK_MAGAZINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/block_class.h"
#include "core/block_record.h"

#define VAS_BLOCK_SLOTS 64u /* magazines of one allocator, at most */
#define VAS_BLOCK_STOCK 255u /* blocks in one list, at most */

/*
 * A list in one word (atomic): the length in bits 0 to 7, a count of changes in bits 8 to 31, so that
 * a list that became another and looks the same again is noticed, and above it the first record's number.
 */
struct vas_block_magazine {
	uint64_t list[VAS_BLOCK_CLASSES];
} __attribute__((aligned(64)));

static inline uint32_t vas_block_list_first(uint64_t list)
{
	return (uint32_t)(list >> 32);
}

static inline uint32_t vas_block_list_length(uint64_t list)
{
	return (uint8_t)list;
}

/* The list that follows on one, with another first record, and grown by so many. */
static inline uint64_t vas_block_list_next(uint64_t list, uint32_t first, int32_t grown)
{
	return (uint64_t)first << 32 | ((uint32_t)list + (1u << 8) + (uint32_t)grown);
}

/* Stores the successor if the list is as it was. alone: no other thread is at it. */
static inline bool vas_block_list_swap(uint64_t *list, uint64_t was, uint64_t becomes, bool alone)
{
	if (!alone)
		return vas_word_exchange(list, was, becomes);
	vas_word_store(list, becomes);
	return true;
}

/* While a record is in a list, its mark is nobody's, and that word links the list. */
static inline uint32_t vas_block_list_link(const struct vas_block_record *record)
{
	return vas_word_load32(&record->link);
}

/* Keeps a record that is CACHED, unless most are there. */
static inline bool vas_block_magazine_put(struct vas_block_magazine *magazine, uint32_t class,
					  uint32_t number, struct vas_block_record *record,
					  uint32_t most, bool alone)
{
	uint64_t *list = &magazine->list[class], was;

	do {
		was = vas_word_load(list);
		if (vas_block_list_length(was) >= most)
			return false;
		vas_word_store32(&record->link, vas_block_list_first(was));
	} while (!vas_block_list_swap(list, was, vas_block_list_next(was, number, 1), alone));
	return true;
}

/*
 * Takes the first record of a class out, if its block starts, past granules further on, at a multiple of
 * mask + 1, a power of two; its word too. False: there is none, or not there.
 */
static inline bool vas_block_magazine_take(struct vas_block_magazine *magazine, uint32_t class,
					   const struct vas_block_records *records, uint64_t past,
					   uint64_t mask, struct vas_block_record **record,
					   uint64_t *word, bool alone)
{
	uint64_t *list = &magazine->list[class], was;
	uint32_t first, link;

	do {
		was = vas_word_load(list);
		first = vas_block_list_first(was);
		if (!first)
			return false;
		*record = vas_block_record_at(records, first);
		*word = vas_word_load(&(*record)->word);
		if ((vas_block_word_start(*word) + past) & mask)
			return false;
		/* Another thread may have taken it meanwhile, and link is a mark: then the swap fails. */
		link = vas_block_list_link(*record);
	} while (!vas_block_list_swap(list, was, vas_block_list_next(was, link, -1), alone));
	return true;
}

/* Whether any class has some, as of one moment each. */
static inline bool vas_block_magazine_has_any(const struct vas_block_magazine *magazine)
{
	uint64_t lists = 0;

	for (uint32_t class = 0; class < VAS_BLOCK_CLASSES; class ++)
		lists |= vas_word_load(&magazine->list[class]);
	return vas_block_list_first(lists) != 0;
}

/* Takes a whole list out: the number of its first record, the others follow by their links; or 0. */
static inline uint32_t vas_block_magazine_empty(struct vas_block_magazine *magazine, uint32_t class,
						bool alone)
{
	uint64_t *list = &magazine->list[class], was;

	do {
		was = vas_word_load(list);
		if (!vas_block_list_first(was))
			return 0;
	} while (!vas_block_list_swap(
		list, was, vas_block_list_next(was, 0, -(int32_t)vas_block_list_length(was)),
		alone));
	return vas_block_list_first(was);
}

#endif
