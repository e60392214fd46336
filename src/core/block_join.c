/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages that have no share of the hash any more, and how pages come to that when keys go.
 *
 * WHAT FOR. The keys of a table come and go, and wander from table to table: low zones get more and more small blocks over time,
 * and others lose them. The books of them all are to be in proportion to the blocks.
 *
 * STRATEGY. When less than two fifths of the places of a table's pages are taken, on average, a sweep begins: in the order of the
 * hash, each page is filled up from the one behind it; one page takes keys from the next one, or all of them, one time in eight that there
 * is a chance. It goes on to the last page, so that the next one is far off. What is left over is retired: noted, until the strays are gone
 * that stand in it. Then it is for all tables with the same records, which ask for such pages before they take new memory. After a
 * sweep that did not help, none begins before more keys have gone.
 *
 * A stray that is LIVE comes home when the page is looked at. One that is CACHED cannot; it is told to the caller, who has
 * the block given up by its magazine.
 *
 * BOUNDS. gather: a look at two pages and at a retired one, and at most a page's keys moved.
 *
 * CONCURRENCY. As said in block_table.c. A page that is for all tables has no record; a reader who comes by an old word finds
 * nothing there, or the records of other blocks.
 *
 * WHAT IT DOES NOT DO. It gives no memory back to the pool, since that of records is never anything else.
 */
#include "core/block_join.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

#define RETIRED 64u
#define LOOSE	13u /* of 32 places, on average, when joining begins */

/* Pages without a share of the hash, in which strays stand; a node. */
struct vas_block_retired {
	uint64_t page[RETIRED]; /* their words; 0 = none */
};

_Static_assert(sizeof(struct vas_block_retired) == VAS_BLOCK_NODE_SIZE, "they fill a node");

/* There are so many pages now. */
void vas_block_join_pages(struct vas_block_table *table, uint32_t pages)
{
	uint32_t most = VAS_BLOCK_PAGE_LINES * VAS_BLOCK_LINE_PLACES;

	table->pages = pages;
	table->loose = table->retired && pages > 1 ? pages * (most * LOOSE / 32) : 0;
}

/* --- retired pages --- */

static void retired_forget(struct vas_block_table *table, uint32_t index)
{
	table->retired->page[index] = 0;
	table->noted--;
}

bool vas_block_retired_again(struct vas_block_table *table, struct vas_block_page *made)
{
	for (uint32_t i = 0; table->retired && i < RETIRED; i++) {
		if (!table->retired->page[i])
			continue;
		*made = vas_block_page_in(table, table->retired->page[i]);
		made->reach = 0;
		if (vas_block_page_used(made))
			continue;
		retired_forget(table, i);
		return true;
	}
	return false;
}

/* Strays in a page that are LIVE by now move to where they belong. True: some did. */
bool vas_block_strays_settle(const struct vas_block_table *table, const struct vas_block_page *page,
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
	page = vas_block_page_in(table, table->retired->page[index]);
	(void)vas_block_strays_settle(table, &page, &none);
	return vas_block_page_used(&page) == 0;
}

int vas_block_retired_make(struct vas_block_table *table, struct vas_block_pool *pool,
			   struct vas_block_spares *spares)
{
	int error = table->retired ? 0 : vas_block_pool_fill(pool, spares, 1, 0);

	if (error || table->retired)
		return error;
	table->retired = vas_block_spares_take(spares);
	memset(table->retired, 0, sizeof(*table->retired));
	return 0;
}

/*
 * Sees to it that there is a place to note one more page that is retired when one was made for its keys,
 * *index. -ENOSPC: there is none. -ENOMEM.
 */
int vas_block_retired_prepare(struct vas_block_table *table, struct vas_block_pool *pool,
			      struct vas_block_spares *spares, uint32_t *index)
{
	int error = vas_block_retired_make(table, pool, spares);

	if (error)
		return error;
	for (uint32_t i = 0; i < 2 * RETIRED; i++) {
		*index = i % RETIRED;
		if (retired_is_free(table, *index, i >= RETIRED))
			return 0;
	}
	return -ENOSPC;
}

void vas_block_retired_note(struct vas_block_table *table, uint32_t index,
			    const struct vas_block_page *page)
{
	/* One that is empty by now may have been noted there. */
	table->noted += table->retired->page[index] == 0;
	table->retired->page[index] = vas_block_page_word(page);
}

/* --- pages are joined --- */

/* Looks at a page that is retired: an empty one is for any table. What is in its way; NULL: nothing. */
static const struct vas_block_record *retired_look(struct vas_block_table *table, uint32_t index)
{
	const struct vas_block_range none = { 0, 0 };
	struct vas_block_page page = vas_block_page_in(table, table->retired->page[index]);

	if (!retired_is_free(table, index, true))
		return vas_block_page_stray(&page, &none, NULL);
	retired_forget(table, index);
	vas_block_records_keep(table->records, page.line, page.area);
	return NULL;
}

/* Looks at the next one, if there is one. */
static const struct vas_block_record *retired_next(struct vas_block_table *table)
{
	uint32_t from = table->ticks / VAS_BLOCK_JOIN_EACH;

	for (uint32_t i = 0; table->noted > 0 && i < RETIRED; i++)
		if (table->retired->page[(from + i) % RETIRED])
			return retired_look(table, (from + i) % RETIRED);
	return NULL;
}

/* A place to note a page that is retired. False: there is none. */
static bool retired_find(const struct vas_block_table *table, uint32_t *index)
{
	for (*index = 0; *index < RETIRED; ++*index)
		if (!table->retired->page[*index])
			return true;
	return false;
}

/* How many slots of the page behind one go there, in order: not too many keys. 0: none. */
static uint64_t join_slots(const struct vas_block_share *from, uint32_t in_left, uint32_t in_right)
{
	const uint32_t most = VAS_BLOCK_PAGE_LINES * VAS_BLOCK_LINE_PLACES;
	uint32_t goal = most / VAS_BLOCK_SHARE_OF * VAS_BLOCK_SHARE_MOST;

	if (in_left + in_right <= goal)
		return from->end - from->begin;
	return in_left < goal ? (from->end - from->begin) * (goal - in_left) / in_right : 0;
}

/* The page of a run takes the keys of the first slots of the one behind it. False: they are too many, or all too few. */
static bool join_take(struct vas_block_table *table, const struct vas_block_share *left,
		      struct vas_block_share *right)
{
	struct vas_block_page to = vas_block_page_in(table, vas_block_slots(table)[left->begin]);
	struct vas_block_page from = vas_block_page_in(table, vas_block_slots(table)[right->begin]);
	struct vas_block_range range = vas_block_share_range(table, left),
			       rest = vas_block_share_range(table, right);
	uint32_t most = vas_block_page_most(&to), index = 0, found;
	uint32_t in_left = vas_block_page_count(&to, &range);
	struct vas_block_share part = *right;
	bool all;

	part.end = part.begin + join_slots(right, in_left, vas_block_page_count(&from, &rest));
	range = vas_block_share_range(table, &part);
	found = vas_block_page_count(&from, &range);
	all = part.end == right->end;
	if ((found < most / 16 && !all) || part.begin == part.end ||
	    vas_block_page_used(&to) + found > most / VAS_BLOCK_SHARE_OF * VAS_BLOCK_SHARE_LADEN ||
	    (all && !retired_find(table, &index)))
		return false;
	vas_block_page_move(&to, &from, &range);
	vas_block_share_set(table, left, &to);
	vas_block_share_set(table, &part, &to);
	right->begin = part.end;
	if (!all) {
		vas_block_share_tidy(table, &from, right);
		return true;
	}
	vas_block_join_pages(table, table->pages - 1);
	vas_block_retired_note(table, index, &from);
	(void)retired_look(table, index);
	return true;
}

/* One page takes keys from the next one. */
static void join_next(struct vas_block_table *table)
{
	uint32_t shift = 63 - vas_block_slots_log2(table);
	struct vas_block_share left = vas_block_share_at(table, table->swept >> shift), right;

	if (left.end == vas_block_slot_count(table)) {
		/* All were looked at: not again before there are fewer keys, or more pages. */
		table->swept = 0;
		if (table->loose > table->count - table->count / 16)
			table->loose = table->count - table->count / 16;
		return;
	}
	right = vas_block_share_at(table, left.end);
	if (!join_take(table, &left, &right) || right.begin < right.end)
		table->swept = right.begin << shift;
	else
		VAS_ASSERT_EXPENSIVE(vas_block_table_check(table));
}

const struct vas_block_record *vas_block_table_gather(struct vas_block_table *table)
{
	const struct vas_block_record *stray;

	if (++table->ticks % VAS_BLOCK_JOIN_EACH)
		return NULL;
	stray = retired_next(table);
	if (table->count < table->loose || table->swept > 0)
		join_next(table);
	return stray;
}

/* --- checks --- */

/* Each stray of a page is what its key is MOVED to. */
bool vas_block_strays_check(const struct vas_block_table *table, const struct vas_block_page *page,
			    const struct vas_block_range *range)
{
	struct vas_block_record *place;
	struct vas_block_page other;
	uint32_t key;

	for (const struct vas_block_record *stray = vas_block_page_stray(page, range, NULL); stray;
	     stray = vas_block_page_stray(page, range, stray)) {
		key = vas_block_page_key(page, stray);
		other = vas_block_page_in(table, *vas_block_table_slot(table->directory, key));
		place = vas_block_page_find(&other, key);
		if (!place ||
		    vas_block_word_state(vas_word_load(&place->word)) != VAS_BLOCK_MOVED ||
		    vas_block_record_at(table->records, vas_word_load32(&place->link)) != stray)
			return false;
	}
	return true;
}

bool vas_block_retired_check(const struct vas_block_table *table)
{
	const struct vas_block_range none = { 0, 0 };
	struct vas_block_page page;
	uint32_t noted = 0;
	bool sound = true;

	for (uint32_t i = 0; table->retired && i < RETIRED && sound; i++) {
		if (!table->retired->page[i])
			continue;
		noted++;
		page = vas_block_page_in(table, table->retired->page[i]);
		sound = vas_block_strays_check(table, &page, &none);
	}
	return sound && noted == table->noted;
}
