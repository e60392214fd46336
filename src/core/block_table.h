/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which record belongs to a start: a hash table from granules of one zone to record
 * numbers that is read without a lock. See block_table.c.
 *
 * Bounds: find, insert and remove as those of block_page.h, with a page of 64 lines. prepare now and then
 * moves the entries of a part of a page, at most 448, and much more rarely copies a directory of
 * 8 bytes a slot, 7 slots a page or so.
 *
 * Memory: 13 to 15 bytes a key, from a few hundred keys on; 512 bytes up to 56 keys, nothing without any.
 * It is not given back when keys go.
 *
 * Concurrency: find needs no lock. While somebody changes the table it may miss a key that is
 * there all the time, and may answer the record of a key that is gone; so who finds nothing looks again
 * under the lock, where the answer is exact, and who finds a record looks whether that has the start.
 * Everything else wants the zone's lock.
 */
#ifndef VAS_CORE_BLOCK_TABLE_H
#define VAS_CORE_BLOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shared_word.h"
#include "core/block_page.h"
#include "core/block_pool.h"

/* It stays where it is. */
struct vas_block_table {
	uint64_t slot; /* atomic; the word of the only page, while the directory is this */
	uint64_t directory; /* atomic; address of the slots | 63 - log2 of their number */
	uint32_t count; /* of keys */
	uint32_t pages; /* in use */
} __attribute__((aligned(64)));

/* Makes a table without keys. Takes no memory. */
void vas_block_table_init(struct vas_block_table *table);
/*
 * I: prepared for key, which is not there, and entry is what that found, nothing having been done here since;
 * record is not 0.
 */
void vas_block_table_insert(struct vas_block_table *table, uint64_t *entry, uint32_t key,
			    uint32_t record);
/* The record that key had; 0: it is not there. Never needs memory. */
uint32_t vas_block_table_remove(struct vas_block_table *table, uint32_t key);
/* The same for an entry of the key's own line. */
uint32_t vas_block_table_remove_entry(struct vas_block_table *table, uint64_t *entry, uint32_t key);
/* Every invariant. */
bool vas_block_table_check(const struct vas_block_table *table);

/* The slot of a key, in the directory of that word. */
static inline uint64_t *vas_block_table_slot(uint64_t directory, uint32_t key)
{
	uint64_t *slots = (uint64_t *)(uintptr_t)(directory & ~UINT64_C(63));

	return slots + (vas_block_hash(key) >> (directory & 63));
}

/* What prepare does when a key's own line has no place. */
int vas_block_table_prepare_away(struct vas_block_table *table, struct vas_block_pool *pool,
				 struct vas_block_spares *spares, uint32_t key);

/* The line of a key. */
static inline struct vas_block_line *vas_block_table_line(const struct vas_block_table *table,
							  uint32_t key)
{
	uint64_t word = *vas_block_table_slot(table->directory, key);
	struct vas_block_line *lines = (struct vas_block_line *)(uintptr_t)(word & ~UINT64_C(63));

	return &lines[vas_block_page_home(key, (uint32_t)word)];
}

/* Lets the line of a key come from memory. Needs no lock. */
static inline void vas_block_table_fetch(const struct vas_block_table *table, uint32_t key)
{
	uint64_t directory = vas_word_load(&table->directory);
	uint64_t word = vas_word_load(vas_block_table_slot(directory, key));

	__builtin_prefetch(vas_block_page_line(word, key), 1);
}

/*
 * Sees to it that an insert of key, if it comes next, finds place, and which entry (NULL: none of the key's
 * own line, which is line); takes memory from spares and pool. Key: at most VAS_BLOCK_KEY_MOST. -ENOMEM: the
 * keys are as they were.
 */
static inline int vas_block_table_prepare_in(struct vas_block_table *table,
					     struct vas_block_line *line,
					     struct vas_block_pool *pool,
					     struct vas_block_spares *spares, uint32_t key,
					     uint64_t **entry)
{
	uint32_t free = vas_block_line_free(line);

	if (__builtin_expect(free < VAS_BLOCK_LINE_ENTRIES && table->pages > 0, 1)) {
		*entry = &line->entry[free];
		return 0;
	}
	*entry = NULL;
	return vas_block_table_prepare_away(table, pool, spares, key);
}

static inline int vas_block_table_prepare(struct vas_block_table *table,
					  struct vas_block_pool *pool,
					  struct vas_block_spares *spares, uint32_t key,
					  uint64_t **entry)
{
	return vas_block_table_prepare_in(table, vas_block_table_line(table, key), pool, spares,
					  key, entry);
}

/* What find finds by a directory that the table has or had, and in which keys may have been missing since. */
static inline uint32_t vas_block_directory_find(uint64_t directory, uint32_t key)
{
	return vas_block_page_find(vas_word_load(vas_block_table_slot(directory, key)), key);
}

/* The same; 0 also when the key stands away from its line. */
static inline uint32_t vas_block_directory_find_near(uint64_t directory, uint32_t key)
{
	return vas_block_page_find_near(vas_word_load(vas_block_table_slot(directory, key)), key);
}

/* Where key stands in its own line; NULL: it does not. The writer's. */
static inline uint64_t *vas_block_table_entry(const struct vas_block_table *table, uint32_t key)
{
	struct vas_block_line *line = vas_block_table_line(table, key);
	uint32_t at = vas_block_line_with(line, key | VAS_BLOCK_PRESENT);

	return at < VAS_BLOCK_LINE_ENTRIES ? &line->entry[at] : NULL;
}

/* The record of key, a number that was handed out; 0: there is none. Without a lock as said above. */
static inline uint32_t vas_block_table_find(const struct vas_block_table *table, uint32_t key)
{
	return vas_block_directory_find(vas_word_load(&table->directory), key);
}

#endif
