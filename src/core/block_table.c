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
 * all half empty soon after it; and without sharing each page would be cut that is too full only once, and nothing
 * joins them again.
 *
 * STRAYS. What is CACHED stays in the page that its key was moved from (block_page.c). Such a record is gone when its
 * block goes to the books, and moves to its own place when the zone's lock is held and it is LIVE: whoever looks it
 * up then does that, and a page that wants room. When a page is not full but seven of eight places of it are taken, with
 * strays, another page takes its share; it is noted, and used again when it is empty. 64 can be noted;
 * then a page like that goes on while it has a place.
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
#define RETIRED	  64u
/*
 * In sixteenths of a page: how full one is that gives keys away, and at most one that takes them, before it does
 * and then.
 */
#define SHARE_OF   16u
#define FULL	   10u
#define LADEN	   14u /* with strays; it takes no more than so many */
#define SHARE_FROM 8u
#define SHARE_MOST 9u

/* Where records stand before there are any; readers may look, nobody writes. */
static const struct vas_block_line nothing[VAS_BLOCK_PAGE_FEW] __attribute__((aligned(512)));

static const struct vas_block_range everything = { 0, VAS_BLOCK_HASH_END };

/* Pages without a share of the hash, in which strays stand; a node. */
struct vas_block_retired {
	uint64_t page[RETIRED]; /* their words; 0 = none */
};

_Static_assert(sizeof(struct vas_block_retired) == VAS_BLOCK_NODE_SIZE, "they fill a node");

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

static struct vas_block_page page_of(const struct vas_block_table *table, uint64_t word)
{
	struct vas_block_page page = vas_block_page_of(word);

	page.records = table->records;
	page.origin = table->origin;
	return page;
}

static struct vas_block_page table_page(const struct vas_block_table *table, uint32_t key)
{
	return page_of(table, *vas_block_table_slot(table->directory, key));
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

/* The slots of a run lead to a page from now on. */
static void run_set(struct vas_block_table *table, const struct run *run,
		    const struct vas_block_page *page)
{
	uint64_t *slots = table_slots(table), word = vas_block_page_word(page);

	for (uint64_t i = run->begin; i < run->end; i++)
		if (slots[i] != word)
			vas_word_store(&slots[i], word);
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

/* --- new pages --- */

/* A page that was retired and in which nothing stands any more; false: there is none. */
static bool page_again(struct vas_block_table *table, struct vas_block_page *made)
{
	for (uint32_t i = 0; table->retired && i < RETIRED; i++) {
		if (!table->retired->page[i])
			continue;
		*made = page_of(table, table->retired->page[i]);
		made->reach = 0;
		if (vas_block_page_used(made))
			continue;
		table->retired->page[i] = 0;
		return true;
	}
	return false;
}

/* An empty page of so many lines; a node if few. */
static int page_make(struct vas_block_table *table, struct vas_block_pool *pool,
		     struct vas_block_spares *spares, bool few, struct vas_block_page *made)
{
	uint32_t lines = few ? VAS_BLOCK_PAGE_FEW : VAS_BLOCK_PAGE_LINES, area;
	uint64_t size = few ? VAS_BLOCK_NODE_SIZE : VAS_BLOCK_PAGE_SIZE;
	void *memory;
	int error;

	if (!few && page_again(table, made))
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
	*made = (struct vas_block_page){
		.line = memory,
		.shift = 32 - (uint32_t)__builtin_ctz(lines),
		.mask = lines - 1,
		.area = area,
		.records = table->records,
		.origin = table->origin,
	};
	return 0;
}

/* Strays in a page that are LIVE by now move to where they belong. True: some did. */
static bool strays_settle(const struct vas_block_table *table, const struct vas_block_page *page,
			  const struct vas_block_range *range)
{
	const struct vas_block_record *stray = vas_block_page_stray(page, range, NULL);
	bool any = false;

	for (; stray; stray = vas_block_page_stray(page, range, stray))
		any |= vas_block_table_find(table, vas_block_page_key(page, stray)) != stray;
	return any;
}

/*
 * Whether a place to note a page that is retired is free; or, soon, when the next page is made, of which what is
 * LIVE goes.
 */
static bool retired_is_free(const struct vas_block_table *table, uint32_t index, bool soon)
{
	const struct vas_block_range none = { 0, 0 };
	struct vas_block_page page;

	if (!table->retired->page[index] || !soon)
		return !table->retired->page[index];
	page = page_of(table, table->retired->page[index]);
	(void)strays_settle(table, &page, &none);
	return vas_block_page_used(&page) == 0;
}

/*
 * Sees to it that there is a place to note one more page that is retired when one was made for its keys,
 * *index. -ENOSPC: there is none. -ENOMEM.
 */
static int retired_prepare(struct vas_block_table *table, struct vas_block_pool *pool,
			   struct vas_block_spares *spares, uint32_t *index)
{
	int error;

	if (!table->retired) {
		error = vas_block_pool_fill(pool, spares, 1, 0);
		if (error)
			return error;
		table->retired = vas_block_spares_take(spares);
		memset(table->retired, 0, sizeof(*table->retired));
	}
	for (uint32_t i = 0; i < 2 * RETIRED; i++) {
		*index = i % RETIRED;
		if (retired_is_free(table, *index, i >= RETIRED))
			return 0;
	}
	return -ENOSPC;
}

/* --- relief for a page --- */

/* The page beside a run that has fewer records, and their number. False: there is none. */
static bool page_beside(const struct vas_block_table *table, const struct run *run,
			struct run *beside, uint32_t *used)
{
	uint64_t at[2] = { run->begin - 1, run->end };

	*used = UINT32_MAX;
	for (uint32_t i = 0; i < 2; i++) {
		struct vas_block_page page;
		uint32_t found;

		if (at[i] >= table_slot_count(table)) /* -1, too */
			continue;
		page = page_of(table, table_slots(table)[at[i]]);
		found = vas_block_page_used(&page);
		if (found < *used) {
			*used = found;
			*beside = run_at(table, at[i]);
		}
	}
	return *used != UINT32_MAX;
}

/* What has given keys away, and keeps those of a run, has room for some at home. */
static void page_tidy(struct vas_block_table *table, struct vas_block_page *page,
		      const struct run *run)
{
	struct vas_block_range range = run_range(table, run);

	vas_block_page_tidy(page, &range);
	run_set(table, run, page);
}

/*
 * A page, whose run this is and which has so many keys, gives slots to one beside it that has room, so that
 * both have about the same. False: it cannot, or it would not last.
 */
static bool page_share(struct vas_block_table *table, struct vas_block_page *page, struct run *run,
		       uint32_t count)
{
	uint32_t most = vas_block_page_most(page), least, found;
	uint64_t length = run->end - run->begin, moves;
	struct vas_block_range range;
	struct vas_block_page to;
	struct run part = *run, beside;

	if (!page_beside(table, run, &beside, &least) || least >= count ||
	    least > most / SHARE_OF * SHARE_FROM)
		return false;
	moves = (length * (count - least) / 2 + count / 2) / count;
	if (moves == 0 || moves == length)
		return false;
	if (beside.end == run->begin)
		part.end = run->begin + moves;
	else
		part.begin = run->end - moves;
	range = run_range(table, &part);
	found = vas_block_page_count(page, &range);
	if (found < most / 16 || least + found > most / SHARE_OF * SHARE_MOST)
		return false;
	to = page_of(table, table_slots(table)[beside.begin]);
	vas_block_page_move(&to, page, &range);
	run_set(table, &beside, &to);
	run_set(table, &part, &to);
	if (beside.end == run->begin)
		run->begin = part.end;
	else
		run->end = part.begin;
	page_tidy(table, page, run);
	return true;
}

/* The first three eighths of a page's run go to a new page. */
static int page_cut(struct vas_block_table *table, struct vas_block_pool *pool,
		    struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key), made;
	struct run run = run_of(table, key), rest;
	struct vas_block_range range;
	int error;

	while (run.end - run.begin < RUN_LEAST) {
		error = directory_grow(table, pool);
		if (error)
			return error;
		run = run_of(table, key);
	}
	error = page_make(table, pool, spares, false, &made);
	if (error)
		return error;
	rest = run;
	run.end = run.begin + ((run.end - run.begin) * 3 + 4) / 8;
	rest.begin = run.end;
	range = run_range(table, &run);
	vas_block_page_move(&made, &page, &range);
	run_set(table, &run, &made);
	table->pages++;
	page_tidy(table, &page, &rest);
	return 0;
}

/* Another page takes the whole share of one that is full of strays. */
static int page_retire(struct vas_block_table *table, struct vas_block_pool *pool,
		       struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key), made;
	struct run run = run_of(table, key);
	struct vas_block_range range = run_range(table, &run);
	uint32_t index;
	int error = retired_prepare(table, pool, spares, &index);

	if (!error)
		error = page_make(table, pool, spares, false, &made);
	if (error)
		return error;
	vas_block_page_move(&made, &page, &range);
	run_set(table, &run, &made);
	table->retired->page[index] = vas_block_page_word(&page);
	return 0;
}

/* The only page is replaced by a larger one: a node by a page, nothing by a node. */
static int page_grow(struct vas_block_table *table, struct vas_block_pool *pool,
		     struct vas_block_spares *spares)
{
	struct vas_block_page page = page_of(table, table->slot), made;
	int error = page_make(table, pool, spares, table->pages == 0, &made);

	if (error)
		return error;
	vas_block_page_move(&made, &page, &everything);
	vas_word_store(&table->slot, vas_block_page_word(&made));
	table->pages = 1;
	return 0;
}

/* Whether a page has so many keys that others should take some of them. */
static bool is_full(const struct vas_block_page *page, uint32_t count)
{
	return count >= vas_block_page_most(page) / SHARE_OF * FULL;
}

/* A page that has no place near a key's line. */
static int page_relieve(struct vas_block_table *table, struct vas_block_pool *pool,
			struct vas_block_spares *spares, uint32_t key)
{
	struct vas_block_page page = table_page(table, key);
	struct vas_block_range range;
	struct run run;
	uint32_t count;

	if (page.mask + 1 < VAS_BLOCK_PAGE_LINES)
		return page_grow(table, pool, spares);
	run = run_of(table, key);
	range = run_range(table, &run);
	if (strays_settle(table, &page, &range))
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
	struct run run;
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
	range = run_range(table, &run);
	count = vas_block_page_count(&page, &range);
	return !is_full(&page, count) && used <= most / SHARE_OF * LADEN;
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
	struct run run;

	if (page.reach != reach) {
		run = run_of(table, key);
		run_set(table, &run, &page);
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

/* Each stray of a page is what its key is MOVED to. */
static bool strays_check(const struct vas_block_table *table, const struct vas_block_page *page,
			 const struct vas_block_range *range)
{
	struct vas_block_record *place;
	struct vas_block_page other;
	uint32_t key;

	for (const struct vas_block_record *stray = vas_block_page_stray(page, range, NULL); stray;
	     stray = vas_block_page_stray(page, range, stray)) {
		key = vas_block_page_key(page, stray);
		other = table_page(table, key);
		place = vas_block_page_find(&other, key);
		if (!place ||
		    vas_block_word_state(vas_word_load(&place->word)) != VAS_BLOCK_MOVED ||
		    vas_block_record_at(table->records, vas_word_load32(&place->link)) != stray)
			return false;
	}
	return true;
}

static bool retired_check(const struct vas_block_table *table)
{
	const struct vas_block_range none = { 0, 0 };
	struct vas_block_page page;
	bool sound = true;

	for (uint32_t i = 0; table->retired && i < RETIRED && sound; i++) {
		if (!table->retired->page[i])
			continue;
		page = page_of(table, table->retired->page[i]);
		sound = strays_check(table, &page, &none);
	}
	return sound;
}

bool vas_block_table_check(const struct vas_block_table *table)
{
	const uint64_t *slots = table_slots(table);
	uint32_t count = 0, pages = 0;

	if (table->pages == 0)
		return table->count == 0 && table_log2(table) == 0;
	for (uint64_t at = 0; at < table_slot_count(table);) {
		struct run run = run_at(table, at);
		struct vas_block_range range = run_range(table, &run);
		struct vas_block_page page = page_of(table, slots[at]);

		if (run.begin != at || !vas_block_page_check(&page, &range) ||
		    !strays_check(table, &page, &range))
			return false;
		count += vas_block_page_count(&page, &range);
		pages++;
		at = run.end;
	}
	return count == table->count && pages == table->pages && retired_check(table);
}
