/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of starts.
 *
 * WHAT FOR. A block is freed by its start alone, at best without a lock: one line of the table, one
 * record, done.
 *
 * STRATEGY. Extendible hashing over pages of 64 lines (block_page.c). When fifteen of sixteen places of a page
 * are taken and there is none near a key's line, the page gives a part of its share of the hash to the
 * page before or after it, or, if these have no room, three eighths to a new page. So the table stays as
 * dense as 13 to 15 bytes a key at any size, and however long keys come and go: with cuts into halves and
 * a fair hash all pages would be full at the same time, and all half empty soon after it; and without
 * sharing each page would be cut that is too full only once, and nothing joins them again.
 *
 * STRUCTURE. The directory is an array of 2^n slots, each the word of a page; a page has a run
 * of slots that follow each other, slots are in the order of the hash. A page with a run of less than five
 * slots is cut after the directory was doubled. A table begins with a page of nothing that all
 * tables share, then has a node of 8 lines, then a page.
 *
 * BOUNDS. As said in block_table.h. For keys chosen against the hash the directory may have 2^28 slots, but no
 * more: multiples of 2^64 / golden ratio keep a distance of 2^64 / (2.24 * 2^31) for
 * keys below 2^31, and a page that is cut has 420 keys.
 *
 * CONCURRENCY. One writer at a time (the zone's lock). Readers need none: a page's and a directory's word is
 * stored when what it leads to is complete, and pages and directories, when replaced, stay
 * as they are. So a reader may miss a key that moves meanwhile, and may find one that went, but never
 * follows a pointer astray, nor answers a record number that was not handed out.
 *
 * WHAT IT DOES NOT DO. Pages are not joined when keys go: the memory stays with the table.
 */
#include "core/block_table.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hot.h"

#define RUN_LEAST 5u /* slots of a page that is cut */
#define LOG2_NODE 6u /* of the slots of a directory that fills a node */
#define LOG2_PAGE 9u
#define LOG2_MOST 28u

/* Where entries stand before there are any; readers may look, nobody writes. */
static const struct vas_block_line nothing[VAS_BLOCK_PAGE_FEW] __attribute__((aligned(64)));

static const struct vas_block_range everything = { 0, VAS_BLOCK_HASH_END };

/* Slots [begin, end). */
struct run {
	uint64_t begin;
	uint64_t end;
};

static uint64_t *table_slots(const struct vas_block_table *table)
{
	return (uint64_t *)(uintptr_t)(table->directory & ~UINT64_C(63));
}

static uint32_t table_log2(const struct vas_block_table *table)
{
	return 63 - (uint32_t)(table->directory & 63);
}

static uint64_t table_slot_count(const struct vas_block_table *table)
{
	return UINT64_C(1) << table_log2(table);
}

static struct vas_block_page table_page(const struct vas_block_table *table, uint32_t key)
{
	return vas_block_page_of(*vas_block_table_slot(table->directory, key));
}

/* The hashes of a run's keys. */
static struct vas_block_range run_range(const struct vas_block_table *table, const struct run *run)
{
	uint32_t shift = 63 - table_log2(table);

	return (struct vas_block_range){ run->begin << shift, run->end << shift };
}

/* All slots with the same page as slot at. */
static struct run run_at(const struct vas_block_table *table, uint64_t at)
{
	const uint64_t *slots = table_slots(table);
	uint64_t count = table_slot_count(table);
	struct run run = { at, at + 1 };

	while (run.begin > 0 && slots[run.begin - 1] == slots[at])
		run.begin--;
	while (run.end < count && slots[run.end] == slots[at])
		run.end++;
	return run;
}

static struct run run_of(const struct vas_block_table *table, uint32_t key)
{
	return run_at(table,
		      (uint64_t)(vas_block_table_slot(table->directory, key) - table_slots(table)));
}

void vas_block_table_init(struct vas_block_table *table)
{
	memset(table, 0, sizeof(*table));
	table->slot = vas_block_page_word(nothing, VAS_BLOCK_PAGE_FEW);
	table->directory = (uintptr_t)&table->slot | 63;
}

static int directory_grow(struct vas_block_table *table, struct vas_block_pool *pool)
{
	const uint64_t *old = table_slots(table);
	uint32_t before = table_log2(table), log2 = before + 1;
	uint64_t *slots;
	void *memory;
	int error;

	VAS_ASSERT(log2 <= LOG2_MOST);
	if (log2 < LOG2_NODE)
		log2 = LOG2_NODE;
	else if (log2 < LOG2_PAGE)
		log2 = LOG2_PAGE;
	error = vas_block_pool_array(pool, sizeof(*slots) << log2, &memory);
	if (error)
		return error;
	slots = memory;
	for (uint64_t i = 0; i < UINT64_C(1) << log2; i++)
		slots[i] = old[i >> (log2 - before)];
	vas_word_store(&table->directory, (uintptr_t)slots | (63 - log2));
	return 0;
}

/* A part of the run of page becomes one of the page of that word. */
static void run_move(struct vas_block_table *table, const struct vas_block_page *page,
		     uint64_t word, const struct run *part)
{
	struct vas_block_page to = vas_block_page_of(word);
	struct vas_block_range range = run_range(table, part);
	uint64_t *slots = table_slots(table);

	vas_block_page_copy(&to, page, &range);
	for (uint64_t i = part->begin; i < part->end; i++)
		vas_word_store(&slots[i], word);
	vas_block_page_purge(page, &range);
}

/* The word of the page beside a run that has fewer entries, and their number. 0: there is none. */
static uint64_t page_beside(const struct vas_block_table *table, const struct run *run,
			    uint32_t *count)
{
	const uint64_t *slots = table_slots(table);
	uint64_t word = 0, beside[2] = { 0, 0 };

	if (run->begin > 0)
		beside[0] = slots[run->begin - 1];
	if (run->end < table_slot_count(table))
		beside[1] = slots[run->end];
	*count = UINT32_MAX;
	for (uint32_t i = 0; i < 2; i++) {
		struct vas_block_page page;
		uint32_t found;

		if (beside[i] == 0)
			continue;
		page = vas_block_page_of(beside[i]);
		found = vas_block_page_count(&page, &everything);
		if (found < *count) {
			*count = found;
			word = beside[i];
		}
	}
	return word;
}

/*
 * A page, whose run this is, gives slots to one beside it that has room, so that both have about the
 * same. False: it cannot, or it would not last.
 */
static bool page_share(struct vas_block_table *table, const struct vas_block_page *page,
		       const struct run *run)
{
	uint32_t most = vas_block_page_most(page), count = vas_block_page_count(page, &everything);
	uint32_t least, found;
	uint64_t word = page_beside(table, run, &least), length = run->end - run->begin, moves;
	struct vas_block_range range;
	struct run part = *run;

	if (word == 0 || least > most / 4 * 3)
		return false;
	moves = (length * (count - least) / 2 + count / 2) / count;
	if (moves == 0 || moves == length)
		return false;
	if (run->begin > 0 && table_slots(table)[run->begin - 1] == word)
		part.end = run->begin + moves;
	else
		part.begin = run->end - moves;
	range = run_range(table, &part);
	found = vas_block_page_count(page, &range);
	if (found < most / 16 || least + found > most / 8 * 7)
		return false;
	run_move(table, page, word, &part);
	return true;
}

/* The first three eighths of a page's run go to a new page. */
static int page_cut(struct vas_block_table *table, struct vas_block_pool *pool,
		    struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct run run = run_of(table, key);
	uint64_t word;
	int error;

	while (run.end - run.begin < RUN_LEAST) {
		error = directory_grow(table, pool);
		if (error)
			return error;
		run = run_of(table, key);
	}
	error = vas_block_pool_fill(pool, spares, 0, 1);
	if (error)
		return error;
	run.end = run.begin + ((run.end - run.begin) * 3 + 4) / 8;
	word = vas_block_page_make(vas_block_spares_take_page(spares), VAS_BLOCK_PAGE_LINES);
	run_move(table, &page, word, &run);
	table->pages++;
	return 0;
}

/* The only page is replaced by a larger one: a node by a page, nothing by a node. */
static int page_grow(struct vas_block_table *table, struct vas_block_pool *pool,
		     struct vas_block_spares *spares)
{
	bool few = table->pages == 0;
	struct vas_block_page page = vas_block_page_of(table->slot), made;
	uint64_t word;
	int error = vas_block_pool_fill(pool, spares, few, !few);

	if (error)
		return error;
	if (few)
		word = vas_block_page_make(vas_block_spares_take(spares), VAS_BLOCK_PAGE_FEW);
	else
		word = vas_block_page_make(vas_block_spares_take_page(spares),
					   VAS_BLOCK_PAGE_LINES);
	made = vas_block_page_of(word);
	vas_block_page_copy(&made, &page, &everything);
	vas_word_store(&table->slot, word);
	table->pages = 1;
	return 0;
}

/* A page that has no place near a key's line. */
static int page_relieve(struct vas_block_table *table, struct vas_block_pool *pool,
			struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct run run;

	if (page.mask + 1 < VAS_BLOCK_PAGE_LINES)
		return page_grow(table, pool, spares);
	run = run_of(table, key);
	if (page_share(table, &page, &run))
		return 0;
	return page_cut(table, pool, spares, key);
}

/* Whether a key is put into its page as that is. */
static bool page_takes(const struct vas_block_page *page, uint32_t key)
{
	uint32_t most = vas_block_page_most(page);

	if (page->line == nothing)
		return false;
	if (vas_block_page_has_near(page, key))
		return true;
	return page->mask + 1 == VAS_BLOCK_PAGE_LINES &&
	       vas_block_page_count(page, &everything) < most - most / 16;
}

int vas_block_table_prepare_away(struct vas_block_table *table, struct vas_block_pool *pool,
				 struct vas_block_spares *spares, uint32_t key)
{
	int error = 0;

	while (!error) {
		struct vas_block_page page = table_page(table, key);

		if (page_takes(&page, key))
			return 0;
		error = page_relieve(table, pool, spares, key);
		VAS_ASSERT_EXPENSIVE(vas_block_table_check(table));
	}
	return error;
}

VAS_HOT void vas_block_table_insert(struct vas_block_table *table, uint64_t *entry, uint32_t key,
				    uint32_t record)
{
	VAS_ASSERT_DEBUG(key <= VAS_BLOCK_KEY_MOST && record != 0);
	VAS_ASSERT_DEBUG(vas_block_table_find(table, key) == 0);
	table->count++;
	if (entry) {
		VAS_ASSERT_DEBUG(*entry == 0);
		vas_word_store(entry, vas_block_entry(key, record));
	} else {
		struct vas_block_page page = table_page(table, key);

		vas_block_page_put(&page, key, record);
	}
}

VAS_HOT uint32_t vas_block_table_remove(struct vas_block_table *table, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	uint32_t record = vas_block_page_remove(&page, key);

	table->count -= record != 0;
	return record;
}

VAS_HOT uint32_t vas_block_table_remove_entry(struct vas_block_table *table, uint64_t *entry,
					      uint32_t key)
{
	struct vas_block_line *line = vas_block_line_of(entry);
	uint32_t record = (uint32_t)(*entry >> 32);

	VAS_ASSERT_DEBUG(entry == vas_block_table_entry(table, key));
	vas_word_store(entry, 0);
	table->count--;
	if (__builtin_expect(line->away != 0, 0)) {
		struct vas_block_page page = table_page(table, key);

		vas_block_page_refill(&page, line, entry);
	}
	return record;
}

bool vas_block_table_check(const struct vas_block_table *table)
{
	const uint64_t *slots = table_slots(table);
	uint32_t count = 0, pages = 0;

	if (vas_block_page_of(table->slot).line == nothing)
		return table->count == 0 && table->pages == 0 && table_log2(table) == 0;
	for (uint64_t at = 0; at < table_slot_count(table);) {
		struct run run = run_at(table, at);
		struct vas_block_range range = run_range(table, &run);
		struct vas_block_page page = vas_block_page_of(slots[at]);

		if (run.begin != at || !vas_block_page_check(slots[at], &range))
			return false;
		count += vas_block_page_count(&page, &everything);
		pages++;
		at = run.end;
	}
	return count == table->count && pages == table->pages;
}
