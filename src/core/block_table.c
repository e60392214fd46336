/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of starts.
 *
 * WHAT FOR. A block is freed by its start alone, at best without a lock: one line of the table, and that is all.
 *
 * STRATEGY. Extendible hashing over pages of 64 lines of records (block_page.c). When a page has no place near a
 * key's line, and ten of sixteen of its places are taken, it gives a part of its share of the hash to the page before or after it, or, if
 * these have no room, three eighths to a new page. So the table is as dense at any size, and stays nearly so however
 * long keys come and go: with cuts into halves and a fair hash all pages would be full at the same time, and
 * all half empty soon after it; and without sharing each page would be cut that is too full only once.
 *
 * STRAYS. What is CACHED stays in the page that its key was moved from (block_page.c). Such a record is gone when its
 * block goes to the books, and moves to its own place when the zone's lock is held and it is LIVE: whoever looks it
 * up then does that, and a page that wants room. When a page is not full but seven of eight places of it are taken, with
 * strays, another page takes its share; it is noted, and used again when it is empty. 64 can be noted;
 * then a page like that goes on while it has a place.
 *
 * KEYS THAT GO. Pages are joined when they are too many for the keys (block_join.c).
 *
 * STRUCTURE. The directory is an array of 2^n slots, each the word of a page; a page has a run
 * of slots that follow each other, slots are in the order of the hash. A page with a run of less than five
 * slots is cut after the directory was doubled. A table begins with a page of nothing that all
 * tables share, then has a node of 8 lines, then a page.
 *
 * BOUNDS. As said in block_table.h. For keys chosen against the hash the directory may have 2^28 slots, but no
 * more: multiples of 2^64 / golden ratio keep a distance of 2^64 / (2.24 * 2^31) for
 * keys below 2^31, and a page that is cut has 160 keys.
 *
 * CONCURRENCY. One writer at a time (the zone's lock). Readers need none: a page's and a directory's word is
 * stored when what it leads to is complete, and pages and directories, when replaced, stay what they are. So a reader
 * may miss a key that moves meanwhile, but never follows a pointer astray; and a record that is LIVE and has
 * the start that was looked for is that block's, in whatever page it was found.
 *
 * WHAT IT DOES NOT DO. The directory stays as large as it was.
 */
#include "core/block_table.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hot.h"
#include "core/block_join.h"

#define RUN_LEAST 5u /* slots of a page that is cut */
#define LOG2_NODE 6u /* of the slots of a directory that fills a node */
#define LOG2_PAGE 9u
#define LOG2_MOST 28u
/* In sixteenths of a page: how full one is that gives keys away, and at most one that takes them. */
#define FULL	   10u
#define SHARE_FROM 8u

/* Where records stand before there are any; readers may look, nobody writes. */
static const struct vas_block_line nothing[VAS_BLOCK_PAGE_FEW] __attribute__((aligned(512)));

static const struct vas_block_range everything = { 0, VAS_BLOCK_HASH_END };

static struct vas_block_page table_page(const struct vas_block_table *table, uint32_t key)
{
	return vas_block_page_in(table, *vas_block_table_slot(table->directory, key));
}

static struct vas_block_share run_of(const struct vas_block_table *table, uint32_t key)
{
	return vas_block_share_at(table, (uint64_t)(vas_block_table_slot(table->directory, key) -
						    vas_block_slots(table)));
}

/* The word of the page of nothing. */
static uint64_t nothing_word(void)
{
	const struct vas_block_page page = {
		.line = (struct vas_block_line *)(uintptr_t)nothing,
		.shift = 32 - (uint32_t)__builtin_ctz(VAS_BLOCK_PAGE_FEW),
	};

	return vas_block_page_word(&page);
}

uint64_t vas_block_table_nothing(void)
{
	/* Always the same, but no constant that a compiler takes. */
	static uint64_t slot __attribute__((aligned(64)));

	vas_word_store(&slot, nothing_word());
	return (uintptr_t)&slot | 63;
}

void vas_block_table_init(struct vas_block_table *table, struct vas_block_records *records,
			  uint64_t origin)
{
	memset(table, 0, sizeof(*table));
	table->records = records;
	table->origin = origin;
	table->slot = nothing_word();
	table->directory = (uintptr_t)&table->slot | 63;
}

static int directory_grow(struct vas_block_table *table, struct vas_block_pool *pool)
{
	const uint64_t *old = vas_block_slots(table);
	uint32_t before = vas_block_slots_log2(table), log2 = before + 1;
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

/* --- new pages --- */

/* Memory in which no record stands. */
static struct vas_block_page page_of_lines(const struct vas_block_table *table, void *memory,
					   uint32_t lines, uint32_t area)
{
	return (struct vas_block_page){
		.line = memory,
		.shift = 32 - (uint32_t)__builtin_ctz(lines),
		.mask = lines - 1,
		.area = area,
		.records = table->records,
		.origin = table->origin,
	};
}

/* A page that another table had. False: there is none. */
static bool page_kept(const struct vas_block_table *table, struct vas_block_page *made)
{
	uint32_t area;
	void *memory = vas_block_records_again(table->records, &area);

	if (memory)
		*made = page_of_lines(table, memory, VAS_BLOCK_PAGE_LINES, area);
	return memory != NULL;
}

/* An empty page of so many lines; a node if few. */
static int page_make(struct vas_block_table *table, struct vas_block_pool *pool,
		     struct vas_block_spares *spares, bool few, struct vas_block_page *made)
{
	uint32_t lines = few ? VAS_BLOCK_PAGE_FEW : VAS_BLOCK_PAGE_LINES, area;
	uint64_t size = few ? VAS_BLOCK_NODE_SIZE : VAS_BLOCK_PAGE_SIZE;
	void *memory;
	int error;

	if (!few && (vas_block_retired_again(table, made) || page_kept(table, made)))
		return 0;
	error = vas_block_pool_fill(pool, spares, few, !few);
	if (error)
		return error;
	memory = few ? vas_block_spares_take(spares) : vas_block_spares_take_page(spares);
	error = vas_block_records_room(table->records, memory, size, &area);
	if (error) {
		if (few)
			vas_block_spares_give(spares, memory);
		else
			vas_block_spares_give_page(spares, memory);
		return error;
	}
	memset(memory, 0, size);
	*made = page_of_lines(table, memory, lines, area);
	return 0;
}

/* --- relief for a page --- */

/* The page beside a run that has fewer records, and their number. False: there is none. */
static bool page_beside(const struct vas_block_table *table, const struct vas_block_share *run,
			struct vas_block_share *beside, uint32_t *used)
{
	uint64_t at[2] = { run->begin - 1, run->end };

	*used = UINT32_MAX;
	for (uint32_t i = 0; i < 2; i++) {
		struct vas_block_page page;
		uint32_t found;

		if (at[i] >= vas_block_slot_count(table)) /* -1, too */
			continue;
		page = vas_block_page_in(table, vas_block_slots(table)[at[i]]);
		found = vas_block_page_used(&page);
		if (found < *used) {
			*used = found;
			*beside = vas_block_share_at(table, at[i]);
		}
	}
	return *used != UINT32_MAX;
}

/*
 * A page, whose run this is and which has so many keys, gives slots to one beside it that has room, so that
 * both have about the same. False: it cannot, or it would not last.
 */
static bool page_share(struct vas_block_table *table, struct vas_block_page *page,
		       struct vas_block_share *run, uint32_t count)
{
	uint32_t most = vas_block_page_most(page), least, found;
	uint64_t length = run->end - run->begin, moves;
	struct vas_block_range range;
	struct vas_block_page to;
	struct vas_block_share part = *run, beside = *run;

	if (!page_beside(table, run, &beside, &least) || least >= count ||
	    least > most / VAS_BLOCK_SHARE_OF * SHARE_FROM)
		return false;
	moves = (length * (count - least) / 2 + count / 2) / count;
	if (moves == 0 || moves == length)
		return false;
	if (beside.end == run->begin)
		part.end = run->begin + moves;
	else
		part.begin = run->end - moves;
	range = vas_block_share_range(table, &part);
	found = vas_block_page_count(page, &range);
	if (found < most / 16 || least + found > most / VAS_BLOCK_SHARE_OF * VAS_BLOCK_SHARE_MOST)
		return false;
	to = vas_block_page_in(table, vas_block_slots(table)[beside.begin]);
	vas_block_page_move(&to, page, &range);
	vas_block_share_set(table, &beside, &to);
	vas_block_share_set(table, &part, &to);
	if (beside.end == run->begin)
		run->begin = part.end;
	else
		run->end = part.begin;
	vas_block_share_tidy(table, page, run);
	return true;
}

/* The first three eighths of a page's run go to a new page. */
static int page_cut(struct vas_block_table *table, struct vas_block_pool *pool,
		    struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key), made;
	struct vas_block_share run = run_of(table, key), rest;
	struct vas_block_range range;
	int error;

	while (run.end - run.begin < RUN_LEAST) {
		error = directory_grow(table, pool);
		if (error)
			return error;
		run = run_of(table, key);
	}
	/* Later, when pages are joined, there is no memory for it. */
	if (table->pages + 1 >= VAS_BLOCK_JOIN_LEAST)
		error = vas_block_retired_make(table, pool, spares);
	else
		error = 0;
	if (!error)
		error = page_make(table, pool, spares, false, &made);
	if (error)
		return error;
	rest = run;
	run.end = run.begin + ((run.end - run.begin) * 3 + 4) / 8;
	rest.begin = run.end;
	range = vas_block_share_range(table, &run);
	vas_block_page_move(&made, &page, &range);
	vas_block_share_set(table, &run, &made);
	vas_block_join_pages(table, table->pages + 1);
	vas_block_share_tidy(table, &page, &rest);
	return 0;
}

/* Another page takes the whole share of one that is full of strays. */
static int page_retire(struct vas_block_table *table, struct vas_block_pool *pool,
		       struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key), made;
	struct vas_block_share run = run_of(table, key);
	struct vas_block_range range = vas_block_share_range(table, &run);
	uint32_t index;
	int error = vas_block_retired_prepare(table, pool, spares, &index);

	if (!error)
		error = page_make(table, pool, spares, false, &made);
	if (error)
		return error;
	vas_block_page_move(&made, &page, &range);
	vas_block_share_set(table, &run, &made);
	vas_block_retired_note(table, index, &page);
	return 0;
}

/* The only page is replaced by a larger one: a node by a page, nothing by a node. */
static int page_grow(struct vas_block_table *table, struct vas_block_pool *pool,
		     struct vas_block_spares *spares)
{
	struct vas_block_page page = vas_block_page_in(table, table->slot), made;
	int error = page_make(table, pool, spares, table->pages == 0, &made);

	if (error)
		return error;
	vas_block_page_move(&made, &page, &everything);
	vas_word_store(&table->slot, vas_block_page_word(&made));
	vas_block_join_pages(table, 1);
	return 0;
}

/* Whether a page has so many keys that others should take some of them. */
static bool is_full(const struct vas_block_page *page, uint32_t count)
{
	return count >= vas_block_page_most(page) / VAS_BLOCK_SHARE_OF * FULL;
}

/* A page that has no place near a key's line. */
static int page_relieve(struct vas_block_table *table, struct vas_block_pool *pool,
			struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct vas_block_range range;
	struct vas_block_share run;
	uint32_t count;

	if (page.mask + 1 < VAS_BLOCK_PAGE_LINES)
		return page_grow(table, pool, spares);
	run = run_of(table, key);
	range = vas_block_share_range(table, &run);
	if (vas_block_strays_settle(table, &page, &range))
		return 0;
	count = vas_block_page_count(&page, &range);
	if (!is_full(&page, count))
		return page_retire(table, pool, spares, key);
	if (page_share(table, &page, &run, count))
		return 0;
	return page_cut(table, pool, spares, key);
}

/* Whether a key is put into its page as that is. */
static bool page_takes(const struct vas_block_table *table, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct vas_block_range range;
	struct vas_block_share run;
	uint32_t most, used, count;

	if (table->pages == 0)
		return false;
	if (vas_block_page_near(&page, key))
		return true;
	most = vas_block_page_most(&page);
	used = vas_block_page_used(&page);
	if (page.mask + 1 < VAS_BLOCK_PAGE_LINES)
		return used < most;
	run = run_of(table, key);
	range = vas_block_share_range(table, &run);
	count = vas_block_page_count(&page, &range);
	return !is_full(&page, count) && used <= most / VAS_BLOCK_SHARE_OF * VAS_BLOCK_SHARE_LADEN;
}

static bool page_is_full_up(const struct vas_block_table *table, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);

	return vas_block_page_used(&page) == vas_block_page_most(&page);
}

int vas_block_table_prepare_away(struct vas_block_table *table, struct vas_block_pool *pool,
				 struct vas_block_spares *spares, uint32_t key)
{
	int error = 0;

	while (!error && !page_takes(table, key)) {
		error = page_relieve(table, pool, spares, key);
		VAS_ASSERT_EXPENSIVE(vas_block_table_check(table));
	}
	/* What cannot rest must do, while a place is left. */
	if (error == -ENOSPC)
		error = page_is_full_up(table, key) ? -ENOMEM : 0;
	return error;
}

/* A place away from its line, or in it. */
static struct vas_block_record *place_away(struct vas_block_table *table, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	uint32_t reach = page.reach;
	struct vas_block_record *place = vas_block_page_any(&page, key);
	struct vas_block_share run;

	if (page.reach != reach) {
		run = run_of(table, key);
		vas_block_share_set(table, &run, &page);
	}
	return place;
}

VAS_HOT struct vas_block_record *
vas_block_table_insert(struct vas_block_table *table, struct vas_block_record *place, uint32_t key)
{
	VAS_ASSERT_DEBUG(key <= VAS_BLOCK_KEY_MOST);
	VAS_ASSERT_DEBUG(!vas_block_table_find(table, key));
	if (__builtin_expect(!place, 0))
		place = place_away(table, key);
	/* Read as a word: who looked up what stood here may still try to claim it, in vain. */
	VAS_ASSERT(place != NULL && vas_word_load(&place->word) == VAS_BLOCK_FREE);
	table->count++;
	return place;
}

/*
 * The record that one is MOVED to; or, when that is LIVE by now, it comes here: claimed as in
 * block_page.c, by an exchange.
 */
static struct vas_block_record *moved_follow(const struct vas_block_table *table,
					     struct vas_block_record *place)
{
	struct vas_block_record *target =
		vas_block_record_at(table->records, vas_word_load32(&place->link));
	uint64_t word = vas_word_load(&target->word);

	if (vas_block_word_state(word) != VAS_BLOCK_LIVE ||
	    !vas_word_exchange(&target->word, word, vas_block_word_with(word, VAS_BLOCK_MOVED)))
		return target;
	vas_block_record_copy(place, target, word);
	vas_word_store(&target->word, VAS_BLOCK_FREE);
	return place;
}

VAS_HOT struct vas_block_record *vas_block_table_find(const struct vas_block_table *table,
						      uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct vas_block_record *place = vas_block_page_find(&page, key);

	if (place && vas_block_word_state(vas_word_load(&place->word)) == VAS_BLOCK_MOVED)
		return moved_follow(table, place);
	return place;
}

VAS_HOT struct vas_block_record *vas_block_table_find_own(const struct vas_block_table *table,
							  uint32_t key)
{
	struct vas_block_record *place =
		vas_block_line_with(vas_block_table_line(table, key), table->origin + key);
	struct vas_block_page page;

	if (__builtin_expect(!place, 0)) {
		page = table_page(table, key);
		place = vas_block_page_find(&page, key);
	}
	if (!place || vas_block_word_state(vas_word_load(&place->word)) != VAS_BLOCK_MOVED)
		return place;
	return moved_follow(table, place) == place ? place : NULL;
}

VAS_HOT void vas_block_table_remove(struct vas_block_table *table, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct vas_block_record *place = vas_block_page_find(&page, key), *target;

	VAS_ASSERT(place != NULL);
	if (vas_block_word_state(vas_word_load(&place->word)) == VAS_BLOCK_MOVED) {
		target = vas_block_record_at(table->records, vas_word_load32(&place->link));
		vas_word_store(&target->word, VAS_BLOCK_FREE);
	}
	vas_word_store(&place->word, VAS_BLOCK_FREE);
	table->count--;
}

bool vas_block_table_check(const struct vas_block_table *table)
{
	const uint64_t *slots = vas_block_slots(table);
	uint32_t count = 0, pages = 0;

	if (table->pages == 0)
		return table->count == 0 && vas_block_slots_log2(table) == 0;
	for (uint64_t at = 0; at < vas_block_slot_count(table);) {
		struct vas_block_share run = vas_block_share_at(table, at);
		struct vas_block_range range = vas_block_share_range(table, &run);
		struct vas_block_page page = vas_block_page_in(table, slots[at]);

		if (run.begin != at || !vas_block_page_check(&page, &range) ||
		    !vas_block_strays_check(table, &page, &range))
			return false;
		count += vas_block_page_count(&page, &range);
		pages++;
		at = run.end;
	}
	return count == table->count && pages == table->pages && vas_block_retired_check(table);
}
