/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of a table of starts.
 *
 * WHAT FOR. To have what is known of a block by one cache line, from its start.
 *
 * STRATEGY. A key has one line, its own, of four places. A record for which that has none stands in the line beside
 * it, or in one of two others; further away, or anywhere in the page, if these are full, too. How far records of a page are
 * away the page's word says, so that a look-up for what is not there ends soon. Records come home when the page has given
 * keys away.
 *
 * MOVES. When keys go to another page, a record that is LIVE moves: it is claimed as a free would do it, by a
 * compare-and-swap from LIVE, so whoever frees or marks it meanwhile finds no LIVE record, and looks again
 * under the lock. A record that is CACHED cannot move, since a list, or who claimed it, knows its place.
 * It stays, a stray, and is MOVED in the new page: a word that tells where it is. A stray may become LIVE, and
 * CACHED again, where it is. Who looks for it without the lock does not find it; who has the lock does.
 *
 * BOUNDS. As said in block_page.h.
 *
 * CONCURRENCY. Words are stored one by one, a record's after what belongs to it. A look-up that runs meanwhile may
 * miss a key that moves. What it finds is LIVE and has the start that was asked for, wherever it stands: there are never
 * two such records. A page is never used for anything but records.
 *
 * WHAT IT DOES NOT DO. It does not grow; see block_table.c.
 */
#include "core/block_page.h"

#include <stddef.h>

_Static_assert(sizeof(struct vas_block_line) == 64, "a line is a cache line");

#define STEPS_NEAR (VAS_BLOCK_PAGE_NEAR - 1)
#define STEPS_FAR  (VAS_BLOCK_PAGE_FAR - 1)

_Static_assert(STEPS_FAR < VAS_BLOCK_REACH_ALL, "a word has room for a reach");

static uint32_t word_key(const struct vas_block_page *page, uint64_t word)
{
	return (uint32_t)(vas_block_word_start(word) - page->origin);
}

static bool word_is_in(const struct vas_block_page *page, uint64_t word,
		       const struct vas_block_range *range)
{
	uint64_t hash = vas_block_hash(word_key(page, word));

	return word != VAS_BLOCK_FREE && hash >= range->begin && hash < range->end;
}

uint32_t vas_block_page_key(const struct vas_block_page *page,
			    const struct vas_block_record *record)
{
	return word_key(page, vas_word_load(&record->word));
}

bool vas_block_page_has(const struct vas_block_page *page, const struct vas_block_record *record)
{
	return (uintptr_t)record - (uintptr_t)page->line <
	       (page->mask + 1) * sizeof(struct vas_block_line);
}

static struct vas_block_record *page_place(const struct vas_block_page *page, uint32_t i)
{
	return &page->line[i / VAS_BLOCK_LINE_PLACES].record[i % VAS_BLOCK_LINE_PLACES];
}

struct vas_block_record *vas_block_page_live(uint64_t word, uint32_t key, uint64_t wanted,
					     uint64_t *record_word)
{
	struct vas_block_page page = vas_block_page_of(word);
	uint32_t at = vas_block_page_home(key, page.shift);
	struct vas_block_record *found = vas_block_line_live(&page.line[at], wanted, record_word);

	for (uint32_t i = 0; i < page.reach && i < STEPS_FAR && !found; i++) {
		at = vas_block_page_step(key, page.mask, at, i);
		found = vas_block_line_live(&page.line[at], wanted, record_word);
	}
	if (page.reach == VAS_BLOCK_REACH_ALL)
		for (at = 0; at <= page.mask && !found; at++)
			found = vas_block_line_live(&page.line[at], wanted, record_word);
	return found;
}

struct vas_block_record *vas_block_page_find(const struct vas_block_page *page, uint32_t key)
{
	uint32_t at = vas_block_page_home(key, page->shift);
	struct vas_block_record *found = vas_block_line_with(&page->line[at], page->origin + key);

	for (uint32_t i = 0; i < page->reach && i < STEPS_FAR && !found; i++) {
		at = vas_block_page_step(key, page->mask, at, i);
		found = vas_block_line_with(&page->line[at], page->origin + key);
	}
	if (page->reach == VAS_BLOCK_REACH_ALL)
		for (at = 0; at <= page->mask && !found; at++)
			found = vas_block_line_with(&page->line[at], page->origin + key);
	return found;
}

/* A free place so many lines away at most. */
static struct vas_block_record *page_within(struct vas_block_page *page, uint32_t key,
					    uint32_t steps)
{
	uint32_t at = vas_block_page_home(key, page->shift), i = 0;
	struct vas_block_record *found = vas_block_line_free(&page->line[at]);

	for (; i < steps && !found; i++) {
		at = vas_block_page_step(key, page->mask, at, i);
		found = vas_block_line_free(&page->line[at]);
	}
	if (found && page->reach < i)
		page->reach = i;
	return found;
}

struct vas_block_record *vas_block_page_near(struct vas_block_page *page, uint32_t key)
{
	return page_within(page, key, STEPS_NEAR);
}

struct vas_block_record *vas_block_page_any(struct vas_block_page *page, uint32_t key)
{
	struct vas_block_record *found = page_within(page, key, STEPS_FAR);

	if (found)
		return found;
	for (uint32_t i = 0; i <= page->mask && !found; i++)
		found = vas_block_line_free(&page->line[i]);
	if (found)
		page->reach = VAS_BLOCK_REACH_ALL;
	return found;
}

uint32_t vas_block_page_used(const struct vas_block_page *page)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < vas_block_page_most(page); i++)
		used += vas_word_load(&page_place(page, i)->word) != VAS_BLOCK_FREE;
	return used;
}

uint32_t vas_block_page_count(const struct vas_block_page *page,
			      const struct vas_block_range *range)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < vas_block_page_most(page); i++)
		count += word_is_in(page, vas_word_load(&page_place(page, i)->word), range);
	return count;
}

/* Sees to it that find reaches a place of the page for a key. */
static void page_reach(struct vas_block_page *page, uint32_t key,
		       const struct vas_block_record *record)
{
	uint32_t line =
		(uint32_t)((const struct vas_block_line *)((uintptr_t)record & ~(uintptr_t)63) -
			   page->line);
	uint32_t at = vas_block_page_home(key, page->shift), i = 0;

	for (; at != line && i < STEPS_FAR; i++)
		at = vas_block_page_step(key, page->mask, at, i);
	if (at != line)
		i = VAS_BLOCK_REACH_ALL;
	if (page->reach < i)
		page->reach = i;
}

/* A record of one that is MOVED goes to a place as that; or no more, if it is in the page where its key belongs now. */
static void moved_move(struct vas_block_page *page, struct vas_block_record *record, uint64_t word)
{
	uint32_t number = vas_word_load32(&record->link), key = word_key(page, word);
	const struct vas_block_record *target = vas_block_record_at(page->records, number);
	struct vas_block_record *place;

	if (vas_block_page_has(page, target)) {
		page_reach(page, key, target);
	} else {
		place = vas_block_page_any(page, key);
		VAS_ASSERT(place != NULL);
		vas_word_store32(&place->link, number);
		vas_word_store(&place->word, word);
	}
	vas_word_store(&record->word, VAS_BLOCK_FREE);
}

/* A record that is not MOVED. */
static void record_move(struct vas_block_page *page, const struct vas_block_page *from,
			struct vas_block_record *record, uint64_t word)
{
	struct vas_block_record *place = vas_block_page_any(page, word_key(page, word));
	uint64_t moved = vas_block_word_with(word, VAS_BLOCK_MOVED);

	VAS_ASSERT(place != NULL);
	if (vas_block_word_state(word) == VAS_BLOCK_LIVE &&
	    vas_word_exchange(&record->word, word, moved)) {
		vas_block_record_copy(place, record, word);
		vas_word_store(&record->word, VAS_BLOCK_FREE);
		return;
	}
	vas_word_store32(&place->link, vas_block_record_number(page->records, record, from->area));
	vas_word_store(&place->word, moved);
}

void vas_block_page_move(struct vas_block_page *page, const struct vas_block_page *from,
			 const struct vas_block_range *range)
{
	for (uint32_t i = 0; i < vas_block_page_most(from); i++) {
		struct vas_block_record *record = page_place(from, i);
		uint64_t word = vas_word_load(&record->word);

		if (!word_is_in(from, word, range))
			continue;
		if (vas_block_word_state(word) == VAS_BLOCK_MOVED)
			moved_move(page, record, word);
		else
			record_move(page, from, record, word);
	}
}

/* A record comes home if there is a place, unless it is CACHED, or is so just now. True: it stands at home. */
static bool record_recall(const struct vas_block_page *page, struct vas_block_record *record,
			  uint64_t word)
{
	struct vas_block_line *home =
		&page->line[vas_block_page_home(word_key(page, word), page->shift)];
	struct vas_block_record *place;

	if ((uintptr_t)record - (uintptr_t)home < sizeof(*home))
		return true;
	place = vas_block_line_free(home);
	if (!place || vas_block_word_state(word) == VAS_BLOCK_CACHED)
		return false;
	if (vas_block_word_state(word) == VAS_BLOCK_LIVE &&
	    !vas_word_exchange(&record->word, word, vas_block_word_with(word, VAS_BLOCK_MOVED)))
		return false;
	vas_block_record_copy(place, record, word);
	vas_word_store(&record->word, VAS_BLOCK_FREE);
	return true;
}

void vas_block_page_tidy(struct vas_block_page *page, const struct vas_block_range *range)
{
	page->reach = 0;
	for (uint32_t i = 0; i < vas_block_page_most(page); i++) {
		struct vas_block_record *record = page_place(page, i);
		uint64_t word = vas_word_load(&record->word);

		if (word_is_in(page, word, range) && !record_recall(page, record, word))
			page_reach(page, word_key(page, word), record);
	}
}

/* One of the range stands where it is found, once, and nothing but a stray is what it is MOVED to. */
static bool place_check(const struct vas_block_page *page, const struct vas_block_record *record,
			uint64_t word)
{
	const struct vas_block_record *target;
	uint64_t there;

	if (vas_block_page_find(page, word_key(page, word)) != record)
		return false;
	if (vas_block_word_state(word) != VAS_BLOCK_MOVED)
		return true;
	target = vas_block_record_at(page->records, vas_word_load32(&record->link));
	there = vas_word_load(&target->word);
	return vas_block_word_start(there) == vas_block_word_start(word) &&
	       vas_block_word_state(there) != VAS_BLOCK_MOVED && there != VAS_BLOCK_FREE &&
	       !vas_block_page_has(page, target);
}

bool vas_block_page_check(const struct vas_block_page *page, const struct vas_block_range *range)
{
	for (uint32_t i = 0; i < vas_block_page_most(page); i++) {
		const struct vas_block_record *record = page_place(page, i);
		uint64_t word = vas_word_load(&record->word), state = vas_block_word_state(word);

		if (word != VAS_BLOCK_FREE && state == VAS_BLOCK_FREE)
			return false;
		if (word_is_in(page, word, range) ? !place_check(page, record, word)
						  : state == VAS_BLOCK_MOVED)
			return false;
	}
	return true;
}

const struct vas_block_record *vas_block_page_stray(const struct vas_block_page *page,
						    const struct vas_block_range *range,
						    const struct vas_block_record *after)
{
	uint32_t i = after ? (uint32_t)(after - page_place(page, 0)) + 1 : 0;

	for (; i < vas_block_page_most(page); i++) {
		const struct vas_block_record *record = page_place(page, i);
		uint64_t word = vas_word_load(&record->word);

		if (word != VAS_BLOCK_FREE && !word_is_in(page, word, range))
			return record;
	}
	return NULL;
}
