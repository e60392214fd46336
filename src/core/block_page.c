/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of a table of starts.
 *
 * WHAT FOR. To find the record of a key by one cache line, in little memory.
 *
 * STRATEGY. A key has one line, its own; a line has seven entries and a word about those of its keys for which
 * it had no place. Such an entry stands in one of fifteen other lines, or anywhere in the page when these are
 * full, and its place is noted in the word of its own line: a look-up goes straight there, and one for
 * a key that is not there ends at its own line. Seven places can be noted; when a line has more away, its word
 * says so, and who does not find a key among those noted goes over the page. When a place of its own falls
 * free, an entry comes home.
 *
 * BOUNDS. As said in block_page.h.
 *
 * CONCURRENCY. Entries and the words about them are stored one by one, an entry at its new place before it
 * leaves the old one. A look-up that runs meanwhile may miss a key that moves, or find one that has just
 * gone; what it finds was an entry. A page is never used for anything else.
 *
 * WHAT IT DOES NOT DO. It does not grow; see block_table.c.
 */
#include "core/block_page.h"

#include <stddef.h>
#include <string.h>

#define PRESENT	  VAS_BLOCK_PRESENT
#define AWAY_BITS 9u
#define AWAY_MOST 7u
#define PLACE	  ((1u << AWAY_BITS) - 1)

_Static_assert(sizeof(struct vas_block_line) == 64, "a line is a cache line");

static uint32_t entry_key(uint64_t entry)
{
	return (uint32_t)entry & ~PRESENT;
}

static bool entry_is_in(uint64_t entry, const struct vas_block_range *range)
{
	uint64_t hash = vas_block_hash(entry_key(entry));

	return entry != 0 && hash >= range->begin && hash < range->end;
}

static uint32_t entry_home(const struct vas_block_page *page, uint64_t entry)
{
	return vas_block_page_home(entry_key(entry), page->shift);
}

static uint64_t *place_entry(const struct vas_block_page *page, uint32_t place)
{
	return &page->line[place / 8].entry[place % 8 - 1];
}

/*
 * A free place in count lines, 0 = none: the own line, its neighbour, which processors like to fetch with
 * it, then in steps that differ from key to key, so that full lines do not draw on the next ones.
 */
static uint32_t place_free(const struct vas_block_page *page, uint32_t key, uint32_t count)
{
	uint32_t at = vas_block_page_home(key, page->shift);
	uint32_t step = (uint32_t)(vas_block_hash(key) >> 16) | 1;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t free = vas_block_line_free(&page->line[at]);

		if (free < VAS_BLOCK_LINE_ENTRIES)
			return at * 8 + free + 1;
		at = i == 0 ? at ^ 1 : (at + step) & page->mask;
	}
	return 0;
}

/* Any free place; 0: none. */
static uint32_t place_any(const struct vas_block_page *page)
{
	for (uint32_t i = 0; i <= page->mask; i++) {
		uint32_t free = vas_block_line_free(&page->line[i]);

		if (free < VAS_BLOCK_LINE_ENTRIES)
			return i * 8 + free + 1;
	}
	return 0;
}

static uint32_t page_near(const struct vas_block_page *page)
{
	return page->mask < VAS_BLOCK_PAGE_NEAR ? page->mask + 1 : VAS_BLOCK_PAGE_NEAR;
}

/* Places that a word notes: the last one is not 0. I: not MORE. */
static uint32_t away_count(uint64_t away)
{
	return away ? (63 - (uint32_t)__builtin_clzll(away)) / AWAY_BITS + 1 : 0;
}

static uint64_t away_add(uint64_t away, uint32_t place)
{
	uint32_t count = away_count(away & ~VAS_BLOCK_AWAY_MORE);

	if (count == AWAY_MOST)
		return away | VAS_BLOCK_AWAY_MORE;
	return away | (uint64_t)place << count * AWAY_BITS;
}

/* Without place number index of it. I: not MORE. */
static uint64_t away_drop(uint64_t away, uint32_t index)
{
	uint64_t below = (UINT64_C(1) << index * AWAY_BITS) - 1;

	return (away & below) | (away >> AWAY_BITS & ~below);
}

uint64_t vas_block_page_make(void *memory, uint32_t lines)
{
	struct vas_block_line *line = memory;

	memset(line, 0, lines * sizeof(*line));
	return vas_block_page_word(line, lines);
}

bool vas_block_page_has_near(const struct vas_block_page *page, uint32_t key)
{
	return place_free(page, key, page_near(page)) != 0;
}

void vas_block_page_put_away(const struct vas_block_page *page, uint64_t entry)
{
	uint32_t home = entry_home(page, entry);
	uint32_t place = place_free(page, entry_key(entry), page_near(page));
	uint64_t *away = &page->line[home].away;

	if (place == 0)
		place = place_any(page);
	VAS_ASSERT(place != 0);
	vas_word_store(place_entry(page, place), entry);
	vas_word_store(away, away_add(*away, place));
}

/* An entry comes home if there is place, which is true. */
static bool entry_recall(const struct vas_block_page *page, uint32_t home, uint64_t *entry)
{
	uint32_t free = vas_block_line_free(&page->line[home]);

	if (free == VAS_BLOCK_LINE_ENTRIES)
		return false;
	vas_word_store(&page->line[home].entry[free], *entry);
	vas_word_store(entry, 0);
	return true;
}

/* Finds anew which entries of a line stand in others, and recalls them. */
static void line_search(const struct vas_block_page *page, uint32_t home)
{
	uint64_t away = 0;

	for (uint32_t i = 1; i <= page->mask; i++) {
		uint32_t at = (home + i) & page->mask;

		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++) {
			uint64_t *entry = &page->line[at].entry[j];

			if (*entry != 0 && entry_home(page, *entry) == home &&
			    !entry_recall(page, home, entry))
				away = away_add(away, at * 8 + j + 1);
		}
	}
	vas_word_store(&page->line[home].away, away);
}

/*
 * Recalls what a line has away and notes the rest. What is noted may have been removed, and another
 * line's entry have come home to its place.
 */
static void line_recall(const struct vas_block_page *page, uint32_t home)
{
	uint64_t rest = page->line[home].away, away = 0;

	if (rest & VAS_BLOCK_AWAY_MORE) {
		line_search(page, home);
		return;
	}
	for (; rest; rest >>= AWAY_BITS) {
		uint64_t *entry = place_entry(page, rest & PLACE);

		if (*entry != 0 && entry_home(page, *entry) == home &&
		    !entry_recall(page, home, entry))
			away = away_add(away, rest & PLACE);
	}
	vas_word_store(&page->line[home].away, away);
}

/* A key that is not in its own line: where it stands. *index is its number among those noted. */
static uint64_t *away_find(const struct vas_block_page *page, uint64_t away, uint32_t wanted,
			   uint32_t *index)
{
	*index = 0;
	for (uint64_t rest = away & ~VAS_BLOCK_AWAY_MORE; rest; rest >>= AWAY_BITS, ++*index) {
		uint64_t *entry = place_entry(page, rest & PLACE);

		if ((uint32_t)vas_word_load(entry) == wanted)
			return entry;
	}
	if (!(away & VAS_BLOCK_AWAY_MORE))
		return NULL;
	for (uint32_t i = 0; i <= page->mask; i++)
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++)
			if ((uint32_t)vas_word_load(&page->line[i].entry[j]) == wanted)
				return &page->line[i].entry[j];
	return NULL;
}

uint32_t vas_block_page_find_away(uint64_t word, uint64_t away, uint32_t key)
{
	struct vas_block_page page = vas_block_page_of(word);
	uint32_t index;
	const uint64_t *entry = away_find(&page, away, key | PRESENT, &index);
	uint64_t found = entry ? vas_word_load(entry) : 0;

	/* It may have changed since. */
	return (uint32_t)found == (key | PRESENT) ? (uint32_t)(found >> 32) : 0;
}

uint32_t vas_block_page_remove_away(const struct vas_block_page *page, uint32_t key)
{
	uint32_t home = vas_block_page_home(key, page->shift), index;
	uint64_t away = page->line[home].away, found;
	uint64_t *entry = away_find(page, away, key | PRESENT, &index);

	if (!entry)
		return 0;
	found = *entry;
	vas_word_store(entry, 0);
	if (away & VAS_BLOCK_AWAY_MORE)
		line_search(page, home);
	else
		vas_word_store(&page->line[home].away, away_drop(away, index));
	return (uint32_t)(found >> 32);
}

void vas_block_page_refill(const struct vas_block_page *page, struct vas_block_line *line,
			   uint64_t *free)
{
	uint64_t away = line->away;
	uint32_t shift;
	uint64_t *entry;

	if (away & VAS_BLOCK_AWAY_MORE) {
		line_search(page, (uint32_t)(line - page->line));
		return;
	}
	shift = (away_count(away) - 1) * AWAY_BITS;
	entry = place_entry(page, away >> shift & PLACE);
	vas_word_store(free, *entry);
	vas_word_store(entry, 0);
	vas_word_store(&line->away, away & ~((uint64_t)PLACE << shift));
}

uint32_t vas_block_page_count(const struct vas_block_page *page,
			      const struct vas_block_range *range)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i <= page->mask; i++)
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++)
			count += entry_is_in(page->line[i].entry[j], range);
	return count;
}

void vas_block_page_copy(const struct vas_block_page *page, const struct vas_block_page *from,
			 const struct vas_block_range *range)
{
	for (uint32_t i = 0; i <= from->mask; i++)
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++)
			if (entry_is_in(from->line[i].entry[j], range))
				vas_block_page_put(page, entry_key(from->line[i].entry[j]),
						   (uint32_t)(from->line[i].entry[j] >> 32));
}

void vas_block_page_purge(const struct vas_block_page *page, const struct vas_block_range *range)
{
	for (uint32_t i = 0; i <= page->mask; i++)
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++)
			if (entry_is_in(page->line[i].entry[j], range))
				vas_word_store(&page->line[i].entry[j], 0);
	for (uint32_t i = 0; i <= page->mask; i++)
		if (page->line[i].away)
			line_recall(page, i);
}

/* What is noted of a line's entries in others is so, and is all. */
static bool away_check(const struct vas_block_page *page, uint32_t home)
{
	uint64_t away = page->line[home].away;
	uint32_t noted = away_count(away & ~VAS_BLOCK_AWAY_MORE), count = 0;

	for (uint64_t rest = away & ~VAS_BLOCK_AWAY_MORE; rest; rest >>= AWAY_BITS) {
		uint32_t place = rest & PLACE;

		if (place % 8 == 0 || place / 8 > page->mask || place / 8 == home ||
		    *place_entry(page, place) == 0 ||
		    entry_home(page, *place_entry(page, place)) != home)
			return false;
	}
	for (uint32_t i = 0; i <= page->mask; i++)
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++) {
			uint64_t entry = page->line[i].entry[j];

			count += entry != 0 && i != home && entry_home(page, entry) == home;
		}
	return away & VAS_BLOCK_AWAY_MORE ? count > noted : count == noted;
}

bool vas_block_page_check(uint64_t word, const struct vas_block_range *range)
{
	struct vas_block_page page = vas_block_page_of(word);

	for (uint32_t i = 0; i <= page.mask; i++) {
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++) {
			uint64_t entry = page.line[i].entry[j];

			if (entry != 0 &&
			    (!entry_is_in(entry, range) || !(entry & PRESENT) ||
			     vas_block_page_find(word, entry_key(entry)) != entry >> 32))
				return false;
		}
		if (!away_check(&page, i))
			return false;
	}
	return true;
}
