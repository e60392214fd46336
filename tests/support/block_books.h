/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of starts under test: the pool and the numbers that they share, and how a block is entered. */
#ifndef TESTS_SUPPORT_BLOCK_BOOKS_H
#define TESTS_SUPPORT_BLOCK_BOOKS_H

#include <string.h>

#include "core/block_pool.h"
#include "core/block_record.h"
#include "core/block_table.h"
#include "support/block_memory.h"
#include "tap/tap.h"

struct block_books {
	struct block_memory memory;
	struct vas_blocks_support support;
	struct vas_block_pool pool;
	struct vas_block_records records;
};

static inline void block_books_open(struct block_books *books)
{
	void *first;

	memset(books, 0, sizeof(*books));
	books->support = block_memory_support(&books->memory);
	if (books->support.take(&books->memory, VAS_BLOCK_PAGE_SIZE, &first))
		tap_bail("no memory");
	vas_block_pool_init(&books->pool, &books->support, first, VAS_BLOCK_PAGE_SIZE, 0);
	vas_block_records_init(&books->records, &books->pool);
}

/* False: not all memory came back, or a lock was dropped twice. */
static inline bool block_books_close(struct block_books *books)
{
	vas_block_pool_destroy(&books->pool);
	return books->memory.out == 0 && books->memory.overlaps == 0;
}

/* Enters a block of size granules that starts at a key. As prepare; *place is where its record stands. */
static inline int block_books_put(struct block_books *books, struct vas_block_table *table,
				  struct vas_block_spares *spares, uint32_t key, uint64_t size,
				  uint32_t class, uint32_t mark, struct vas_block_record **place)
{
	int error = vas_block_table_prepare(table, &books->pool, spares, key, place);

	if (error)
		return error;
	*place = vas_block_table_insert(table, *place, key);
	vas_block_record_set(*place, table->origin + key, size, class, mark);
	return 0;
}

/* The record of a key that is LIVE, as it is found without the lock. */
static inline struct vas_block_record *
block_books_live(const struct vas_block_table *table, uint32_t key, uint64_t *word, uint32_t *area)
{
	uint64_t wanted = (table->origin + key) << VAS_BLOCK_START_SHIFT | VAS_BLOCK_LIVE;

	return vas_block_directory_live(vas_word_load(&table->directory), key, wanted, word, area);
}

/* A record becomes nobody's but the caller's, as a free or a change of its mark does it. False: it is not LIVE. */
static inline bool block_books_hold(struct vas_block_record *record)
{
	uint64_t word = vas_word_load(&record->word);

	return vas_block_word_state(word) == VAS_BLOCK_LIVE &&
	       vas_word_exchange(&record->word, word, vas_block_word_with(word, VAS_BLOCK_CACHED));
}

/* And LIVE again. */
static inline void block_books_release(struct vas_block_record *record)
{
	uint64_t word = vas_word_load(&record->word);

	vas_word_store(&record->word, vas_block_word_with(word, VAS_BLOCK_LIVE));
}

#endif
