/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which record belongs to a start: a hash table from granules of one zone to record
 * numbers that is read without a lock. See block_table.c.
 *
 * Bounds: find reads one line of 64 bytes as a rule, and of a page (64 lines) no more than all; the same
 * for insert and remove. prepare cuts a page in two now and then.
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

#include "core/block_atomic.h"
#include "core/block_pool.h"

#define VAS_BLOCK_KEY_MOST UINT32_C(0x7fffffff)

#define VAS_BLOCK_LINE_ENTRIES 7u
#define VAS_BLOCK_TABLE_LINES  64u /* of a page */
#define VAS_BLOCK_TABLE_FEW    8u /* of a table's first page, which is a node */

/* Entries whose key belongs here, or those for which their own line had no place. */
struct vas_block_line {
	/* Atomic; record << 32 | 1 << 31 | key; 0 = free. */
	uint64_t entry[VAS_BLOCK_LINE_ENTRIES];
	/*
	 * Atomic; where this line's keys are that stand in others: seven times nine bits, the first
	 * ones in use, of line * 8 + entry + 1; the top bit: more of them, anywhere in the page.
	 */
	uint64_t away;
};

struct vas_block_table {
	/* Atomic: address of the slots | 63 - log2 of their number. */
	uint64_t directory;
	/* Atomic; the slot while there is one: address of the page | 32 - log2 of its lines. */
	uint64_t slot;
	uint32_t count; /* of keys */
	uint32_t pages; /* in use */
} __attribute__((aligned(64)));

/* Makes a table without keys. Takes no memory. */
void vas_block_table_init(struct vas_block_table *table);
/*
 * Sees to it that an insert of key, if it comes next, finds place; takes memory from spares and pool.
 * -ENOMEM: the keys are as they were.
 */
int vas_block_table_prepare(struct vas_block_table *table, struct vas_block_pool *pool,
			    struct vas_block_spares *spares, uint32_t key);
/* I: prepared for key, which is not there; record is not 0. */
void vas_block_table_insert(struct vas_block_table *table, uint32_t key, uint32_t record);
/* The record that key had; 0: it is not there. Never needs memory. */
uint32_t vas_block_table_remove(struct vas_block_table *table, uint32_t key);
/* Every invariant. */
bool vas_block_table_check(const struct vas_block_table *table);

/* What find does when a key is not in its own line; 0: it is nowhere. */
uint32_t vas_block_table_find_away(const struct vas_block_line *page, uint64_t away,
				   uint32_t entry);

/* Keys that differ by large powers of two, or by any stride, go to different slots... */
static inline uint64_t vas_block_table_hash(uint32_t key)
{
	return (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15);
}

/* ...and of the keys of one page to different lines. Shift: 32 - log2 of the lines. */
static inline uint32_t vas_block_table_line(uint32_t key, uint32_t shift)
{
	return (key * UINT32_C(0x85ebca6b)) >> (shift & 31);
}

/* The slot of a key, given the directory's word. */
static inline const uint64_t *vas_block_table_slot(uint64_t directory, uint32_t key)
{
	const uint64_t *slots = (const uint64_t *)(uintptr_t)(directory & ~UINT64_C(63));

	return slots + (vas_block_table_hash(key) >> 1 >> (directory & 63));
}

/* The record of key, a number that was handed out; 0: there is none. Without a lock as said above. */
static inline uint32_t vas_block_table_find(const struct vas_block_table *table, uint32_t key)
{
	uint64_t slot =
		vas_block_load(vas_block_table_slot(vas_block_load(&table->directory), key));
	const struct vas_block_line *page =
		(const struct vas_block_line *)(uintptr_t)(slot & ~UINT64_C(63));
	const struct vas_block_line *line = &page[vas_block_table_line(key, (uint32_t)slot)];
	uint32_t wanted = key | UINT32_C(1) << 31;
	uint64_t away;

	for (uint32_t i = 0; i < VAS_BLOCK_LINE_ENTRIES; i++) {
		uint64_t entry = vas_block_load(&line->entry[i]);

		if ((uint32_t)entry == wanted)
			return (uint32_t)(entry >> 32);
	}
	away = vas_block_load(&line->away);
	return away ? vas_block_table_find_away(page, away, wanted) : 0;
}

#endif
