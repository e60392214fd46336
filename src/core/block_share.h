/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shares: the slots of a table's directory that lead to one page. They follow each other, in the order of the hash. For the
 * table's writer.
 */
#ifndef VAS_CORE_BLOCK_SHARE_H
#define VAS_CORE_BLOCK_SHARE_H

#include <stdint.h>

#include "base/shared_word.h"
#include "core/block_page.h"
#include "core/block_table.h"

/* Of a page, in sixteenths of its places: how full one is that took keys from others, and one with strays that takes them. */
#define VAS_BLOCK_SHARE_OF    16u
#define VAS_BLOCK_SHARE_MOST  9u
#define VAS_BLOCK_SHARE_LADEN 14u

/* Slots [begin, end). */
struct vas_block_share {
	uint64_t begin;
	uint64_t end;
};

static inline uint64_t *vas_block_slots(const struct vas_block_table *table)
{
	return (uint64_t *)(uintptr_t)(table->directory & ~UINT64_C(63));
}

static inline uint32_t vas_block_slots_log2(const struct vas_block_table *table)
{
	return 63 - (uint32_t)(table->directory & 63);
}

static inline uint64_t vas_block_slot_count(const struct vas_block_table *table)
{
	return UINT64_C(1) << vas_block_slots_log2(table);
}

/* The page of a slot's word. */
static inline struct vas_block_page vas_block_page_in(const struct vas_block_table *table,
						      uint64_t word)
{
	struct vas_block_page page = vas_block_page_of(word);

	page.records = table->records;
	page.origin = table->origin;
	return page;
}

/* The hashes of a run's keys. */
static inline struct vas_block_range vas_block_share_range(const struct vas_block_table *table,
							   const struct vas_block_share *run)
{
	uint32_t shift = 63 - vas_block_slots_log2(table);

	return (struct vas_block_range){ run->begin << shift, run->end << shift };
}

/* All slots with the same page as slot at. O(their number). */
static inline struct vas_block_share vas_block_share_at(const struct vas_block_table *table,
							uint64_t at)
{
	const uint64_t *slots = vas_block_slots(table);
	uint64_t count = vas_block_slot_count(table);
	struct vas_block_share run = { at, at + 1 };

	while (run.begin > 0 && slots[run.begin - 1] == slots[at])
		run.begin--;
	while (run.end < count && slots[run.end] == slots[at])
		run.end++;
	return run;
}

/* The slots of a run lead to a page from now on. */
static inline void vas_block_share_set(struct vas_block_table *table,
				       const struct vas_block_share *run,
				       const struct vas_block_page *page)
{
	uint64_t *slots = vas_block_slots(table), word = vas_block_page_word(page);

	for (uint64_t i = run->begin; i < run->end; i++)
		if (slots[i] != word)
			vas_word_store(&slots[i], word);
}

/* What has given keys away, and keeps those of a run, has room for some at home. */
static inline void vas_block_share_tidy(struct vas_block_table *table, struct vas_block_page *page,
					const struct vas_block_share *run)
{
	struct vas_block_range range = vas_block_share_range(table, run);

	vas_block_page_tidy(page, &range);
	vas_block_share_set(table, run, page);
}

#endif
