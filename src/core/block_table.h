/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of the blocks that start in one zone, by their starts: a hash table that is read without
 * a lock. Keys are the granules of the zone. See block_table.c.
 *
 * Bounds: find, insert and remove as those of block_page.h, with a page of 64 lines. prepare now and then
 * moves the records of a part of a page, at most 256, and much more rarely copies a directory of
 * 8 bytes a slot, 7 slots a page or so. join moves those of a part of a page one time in eight, while there is need.
 *
 * Memory: 28 to 40 bytes a key, from a few hundred keys on, however they come and go; 512 bytes up to 32 keys, nothing without any.
 * Pages that are left over when keys go are for other tables with the same records.
 *
 * Concurrency: live needs no lock. While somebody changes the table it may miss a key that is there all the
 * time, so who finds nothing looks again under the lock, where the answer is exact. What it finds had the start
 * that was asked for, and was LIVE; a free that then exchanges its word frees that block. Everything else wants the zone's lock,
 * and may move a record that is LIVE: a record that was found before an insert was prepared may stand elsewhere.
 */
#ifndef VAS_CORE_BLOCK_TABLE_H
#define VAS_CORE_BLOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shared_word.h"
#include "core/block_page.h"
#include "core/block_pool.h"
#include "core/block_record.h"

struct vas_block_retired; /* block_table.c */

/* It stays where it is. */
struct vas_block_table {
	uint64_t slot; /* atomic; the word of the only page, while the directory is this */
	uint64_t directory; /* atomic; address of the slots | 63 - log2 of their number */
	uint64_t origin; /* the start, as words have it, of key 0; modulo 2^64 */
	struct vas_block_records *records;
	struct vas_block_retired *retired; /* NULL: none */
	uint32_t count; /* of keys */
	uint32_t pages; /* in use */
	uint64_t swept; /* a hash: a sweep that joins pages has come so far; 0: there is none */
	uint32_t loose; /* below so many keys one begins */
	uint16_t ticks; /* chances to join some that there were */
	uint16_t noted; /* pages that are retired */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct vas_block_table) == 64, "a table is one cache line");

/* Makes a table without keys. Takes no memory. */
void vas_block_table_init(struct vas_block_table *table, struct vas_block_records *records,
			  uint64_t origin);
/* The directory of a table without keys. */
uint64_t vas_block_table_nothing(void);
/*
 * The place of a new key, FREE; the caller writes the record there, LIVE. I: prepared for key, which is not
 * there, and place is what that found, nothing having been done here since.
 */
struct vas_block_record *vas_block_table_insert(struct vas_block_table *table,
						struct vas_block_record *place, uint32_t key);
/*
 * The record of key, LIVE or CACHED; NULL: it is not there. One that is LIVE stands where it is found
 * without the lock from now on.
 */
struct vas_block_record *vas_block_table_find(const struct vas_block_table *table, uint32_t key);
/* The same; NULL also when it is not LIVE, and stands where it is not found without the lock. */
struct vas_block_record *vas_block_table_find_own(const struct vas_block_table *table,
						  uint32_t key);
/* Makes a record that is there, and is the caller's alone, FREE. Never needs memory. */
void vas_block_table_remove(struct vas_block_table *table, uint32_t key);
/* The same for one that find_own found, nothing having been done here since. */
static inline void vas_block_table_remove_own(struct vas_block_table *table,
					      struct vas_block_record *record)
{
	vas_word_store(&record->word, VAS_BLOCK_FREE);
	table->count--;
}

/* What join does where pages are joined, one time in eight: one page takes keys from the next one, or all of them. */
const struct vas_block_record *vas_block_table_gather(struct vas_block_table *table);

/*
 * Joins pages a little if there are too many for the keys. Records that are LIVE may move, as by prepare. Never needs
 * memory. A record that is in the way of a page that is left over, if there is one: it cannot move while it is CACHED.
 */
static inline const struct vas_block_record *vas_block_table_join(struct vas_block_table *table)
{
	if (__builtin_expect(table->count < table->loose || (table->swept | table->noted) > 0, 0))
		return vas_block_table_gather(table);
	return NULL;
}

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
	return vas_block_page_line(*vas_block_table_slot(table->directory, key), key);
}

/* Lets the line of a key come from memory. Needs no lock. */
static inline void vas_block_table_fetch(const struct vas_block_table *table, uint32_t key)
{
	uint64_t directory = vas_word_load(&table->directory);
	uint64_t word = vas_word_load(vas_block_table_slot(directory, key));

	__builtin_prefetch(vas_block_page_line(word, key), 1);
}

/*
 * Sees to it that an insert of key, if it comes next, finds place, and which (NULL: none of the key's
 * own line, which is line); takes memory from spares and pool. Key: at most VAS_BLOCK_KEY_MOST. -ENOMEM: the
 * keys are as they were.
 */
static inline int vas_block_table_prepare_in(struct vas_block_table *table,
					     struct vas_block_line *line,
					     struct vas_block_pool *pool,
					     struct vas_block_spares *spares, uint32_t key,
					     struct vas_block_record **place)
{
	/* I: nobody writes to the lines of a table that has no page. */
	*place = table->pages > 0 ? vas_block_line_free(line) : NULL;
	if (__builtin_expect(*place != NULL, 1))
		return 0;
	return vas_block_table_prepare_away(table, pool, spares, key);
}

static inline int vas_block_table_prepare(struct vas_block_table *table,
					  struct vas_block_pool *pool,
					  struct vas_block_spares *spares, uint32_t key,
					  struct vas_block_record **place)
{
	return vas_block_table_prepare_in(table, vas_block_table_line(table, key), pool, spares,
					  key, place);
}

/*
 * The LIVE record of key by a directory that the table has or had, found without the lock; wanted: its word, but
 * for the size. *word: all of it; *area: of the record's number. NULL: not found so.
 */
static inline struct vas_block_record *vas_block_directory_live(uint64_t directory, uint32_t key,
								uint64_t wanted, uint64_t *word,
								uint32_t *area)
{
	uint64_t page = vas_word_load(vas_block_table_slot(directory, key));

	*area = vas_block_page_area(page);
	return vas_block_page_live(page, key, wanted, word);
}

/* The same for a block with a class, whose word is wanted, and only in the key's own line and its neighbour. */
static inline struct vas_block_record *vas_block_directory_plain(uint64_t directory, uint32_t key,
								 uint64_t wanted, uint32_t *area)
{
	const uint64_t *slots = (const uint64_t *)(uintptr_t)(directory & ~UINT64_C(63));
	/* As slot and line have it; compilers do not see that it is one product. */
	uint64_t product = vas_block_product(key), page;
	struct vas_block_record *found;
	struct vas_block_line *line;

	page = vas_word_load(&slots[product >> 1 >> (directory & 63)]);
	*area = vas_block_page_area(page);
	line = vas_block_page_lines(page) + vas_block_product_home(product, (uint32_t)(page >> 16));
	found = vas_block_line_plain(line, wanted);
	if (__builtin_expect(!found, 0))
		found = vas_block_line_plain(vas_block_line_beside(line), wanted);
	return found;
}

/* The same, in the lines beside that one as far as records of the page are away. */
static inline struct vas_block_record *vas_block_directory_beside(uint64_t directory, uint32_t key,
								  uint64_t wanted, uint32_t *area)
{
	uint64_t word = vas_word_load(vas_block_table_slot(directory, key));
	struct vas_block_page page = vas_block_page_of(word);
	uint32_t at = vas_block_page_home(key, page.shift);
	struct vas_block_record *found = NULL;

	*area = page.area;
	for (uint32_t i = 0; i < page.reach && i + 1 < VAS_BLOCK_PAGE_FAR && !found; i++) {
		at = vas_block_page_step(key, page.mask, at, i);
		found = vas_block_line_plain(&page.line[at], wanted);
	}
	return found;
}

#endif
