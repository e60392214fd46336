/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of a table of starts: lines of entries, each a key and its record's number in one word. See
 * block_page.c.
 *
 * Bounds: find, put and remove touch one line of 64 bytes as a rule, two where an entry stands
 * away from its line, all lines of the page at the worst. Everything else goes over the page.
 *
 * Concurrency: find needs no lock, and may be wrong while somebody changes the page, as block_table.h
 * says. Everything else is for one writer at a time.
 */
#ifndef VAS_CORE_BLOCK_PAGE_H
#define VAS_CORE_BLOCK_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/shared_word.h"
#include "core/block_lanes.h"

#define VAS_BLOCK_KEY_MOST     UINT32_C(0x7fffffff)
#define VAS_BLOCK_LINE_ENTRIES 7u
/* A test makes them smaller: powers of two, FEW at least 2 and below LINES. */
#ifndef VAS_BLOCK_PAGE_LINES
#define VAS_BLOCK_PAGE_LINES 64u
#define VAS_BLOCK_PAGE_FEW   8u /* of a page that is a node */
#endif
#define VAS_BLOCK_PAGE_NEAR                                                                        \
	16u /* lines, its own one first, in which an entry is put if it can be */
#define VAS_BLOCK_AWAY_MORE (UINT64_C(1) << 63)
#define VAS_BLOCK_PRESENT   (UINT32_C(1) << 31) /* of an entry that is not free */

/* Entries whose key belongs here, and some for which their own line had no place. */
struct vas_block_line {
	/* Atomic; record << 32 | 1 << 31 | key; 0 = free. */
	uint64_t entry[VAS_BLOCK_LINE_ENTRIES];
	/*
	 * Atomic; the places where this line's entries stand that are in others: seven times nine bits,
	 * the lower ones in use; MORE: of them, anywhere in the page.
	 */
	uint64_t away;
};

/* A page as its writer sees it; places are numbered line * 8 + entry + 1. */
struct vas_block_page {
	struct vas_block_line *line;
	uint32_t shift; /* 32 - log2 of the lines */
	uint32_t mask; /* lines - 1 */
};

/* The keys with begin <= vas_block_hash(key) < end. */
struct vas_block_range {
	uint64_t begin;
	uint64_t end;
};

#define VAS_BLOCK_HASH_END (UINT64_C(1) << 63)

/* Chooses the page. Keys that differ by large powers of two, or by any stride, are spread evenly. */
static inline uint64_t vas_block_hash(uint32_t key)
{
	return (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 1;
}

/* Chooses the line: another hash, or the keys of one page would crowd. */
static inline uint32_t vas_block_page_home(uint32_t key, uint32_t shift)
{
	return (key * UINT32_C(0xc2b2ae35)) >> (shift & 31);
}

/* The word by which a table knows a page: its address | 32 - log2 of its lines. */
static inline uint64_t vas_block_page_word(const struct vas_block_line *line, uint32_t lines)
{
	return (uintptr_t)line | (32 - (uint32_t)__builtin_ctz(lines));
}

static inline struct vas_block_page vas_block_page_of(uint64_t word)
{
	uint32_t shift = (uint32_t)(word & 63);

	return (struct vas_block_page){
		.line = (struct vas_block_line *)(uintptr_t)(word & ~UINT64_C(63)),
		.shift = shift,
		.mask = (1u << (32 - shift)) - 1,
	};
}

static inline uint32_t vas_block_page_most(const struct vas_block_page *page)
{
	return (page->mask + 1) * VAS_BLOCK_LINE_ENTRIES;
}

/* What find does when a key is not in its own line. */
uint32_t vas_block_page_find_away(uint64_t word, uint64_t away, uint32_t key);

/* The line of a key. */
static inline const struct vas_block_line *vas_block_page_line(uint64_t word, uint32_t key)
{
	return (const struct vas_block_line *)(uintptr_t)(word & ~UINT64_C(63)) +
	       vas_block_page_home(key, (uint32_t)word);
}

/* The record of a key that stands in this line, its own; 0: it does not. */
static inline uint32_t vas_block_line_find(const struct vas_block_line *line, uint32_t key)
{
	uint32_t wanted = key | VAS_BLOCK_PRESENT;
	uint64_t found = 0, other = 0;

	/* Without branches, which could not be foretold; in two chains, which run side by side. */
#pragma GCC unroll 3
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t entry = vas_word_load(&line->entry[i]);

		found = (uint32_t)entry == wanted ? entry : found;
	}
#pragma GCC unroll 4
	for (uint32_t i = 3; i < VAS_BLOCK_LINE_ENTRIES; i++) {
		uint64_t entry = vas_word_load(&line->entry[i]);

		other = (uint32_t)entry == wanted ? entry : other;
	}
	/* Both, if it moves from one to the other just now: then they are the same. */
	return (uint32_t)((found | other) >> 32);
}

/* The record of key; 0: there is none, or it stands away from its line. */
static inline uint32_t vas_block_page_find_near(uint64_t word, uint32_t key)
{
	return vas_block_line_find(vas_block_page_line(word, key), key);
}

/* The record of key; 0: there is none. */
static inline uint32_t vas_block_page_find(uint64_t word, uint32_t key)
{
	const struct vas_block_line *line = vas_block_page_line(word, key);
	uint32_t found = vas_block_line_find(line, key);
	uint64_t away;

	if (found)
		return found;
	away = vas_word_load(&line->away);
	return away ? vas_block_page_find_away(word, away, key) : 0;
}

/*
 * The first entry of a line whose lower half is this, or ENTRIES; 0: that is free. The writer's: it takes
 * whole lines for what they are.
 */
static inline uint32_t vas_block_line_with(const struct vas_block_line *line, uint32_t low)
{
	const uint32_t *halves = (const uint32_t *)line;
	vas_lanes wanted = vas_lanes_all(low), first, second;
	uint64_t bits;

	first = vas_lanes_lows(vas_lanes_load(halves), vas_lanes_load(halves + 4));
	second = vas_lanes_lows(vas_lanes_load(halves + 8), vas_lanes_load(halves + 12));
	bits = vas_lanes_bits((vas_lanes)(first == wanted));
	bits |= vas_lanes_bits((vas_lanes)(second == wanted)) << 4;
	/* What stands in the place of an eighth is the word about those that are away. */
	return (uint32_t)__builtin_ctzll(bits | UINT64_C(1) << VAS_BLOCK_LINE_ENTRIES);
}

/* The line that an entry is of. */
static inline struct vas_block_line *vas_block_line_of(uint64_t *entry)
{
	return (struct vas_block_line *)((uintptr_t)entry & ~(uintptr_t)63);
}

/* The lowest free entry of a line, or ENTRIES. */
static inline uint32_t vas_block_line_free(const struct vas_block_line *line)
{
	return vas_block_line_with(line, 0);
}

/* An empty page of so many lines in memory; its word. */
uint64_t vas_block_page_make(void *memory, uint32_t lines);
/* Whether a key finds a place near its line. */
bool vas_block_page_has_near(const struct vas_block_page *page, uint32_t key);
/* What put does when a key's own line has no place. */
void vas_block_page_put_away(const struct vas_block_page *page, uint64_t entry);
/* What remove does when a key is not in its own line, and when it was, and others of it are away. */
uint32_t vas_block_page_remove_away(const struct vas_block_page *page, uint32_t key);
void vas_block_page_refill(const struct vas_block_page *page, struct vas_block_line *line,
			   uint64_t *free);

static inline uint64_t vas_block_entry(uint32_t key, uint32_t record)
{
	return (uint64_t)record << 32 | VAS_BLOCK_PRESENT | key;
}

/* I: there is a place. */
static inline void vas_block_page_put(const struct vas_block_page *page, uint32_t key,
				      uint32_t record)
{
	struct vas_block_line *line = &page->line[vas_block_page_home(key, page->shift)];
	uint32_t free = vas_block_line_free(line);

	if (free < VAS_BLOCK_LINE_ENTRIES)
		vas_word_store(&line->entry[free], vas_block_entry(key, record));
	else
		vas_block_page_put_away(page, vas_block_entry(key, record));
}

/* The record that key had; 0: it is not there. */
static inline uint32_t vas_block_page_remove(const struct vas_block_page *page, uint32_t key)
{
	struct vas_block_line *line = &page->line[vas_block_page_home(key, page->shift)];
	uint32_t at = vas_block_line_with(line, key | VAS_BLOCK_PRESENT), record;

	if (at == VAS_BLOCK_LINE_ENTRIES)
		return line->away ? vas_block_page_remove_away(page, key) : 0;
	record = (uint32_t)(line->entry[at] >> 32);
	vas_word_store(&line->entry[at], 0);
	if (line->away)
		vas_block_page_refill(page, line, &line->entry[at]);
	return record;
}

/* The entries of a range. */
uint32_t vas_block_page_count(const struct vas_block_page *page,
			      const struct vas_block_range *range);
/* Puts the entries of a range into page too. I: there are places. */
void vas_block_page_copy(const struct vas_block_page *page, const struct vas_block_page *from,
			 const struct vas_block_range *range);
/* Removes the entries of a range, and lets those that are away come home. */
void vas_block_page_purge(const struct vas_block_page *page, const struct vas_block_range *range);
/* Every invariant; all entries are of the range, and each is found. */
bool vas_block_page_check(uint64_t word, const struct vas_block_range *range);

#endif
