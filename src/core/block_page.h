/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of a table of starts: lines of four records, in which a block's record stands by its start. See
 * block_page.c.
 *
 * Bounds: find and put touch one line of 64 bytes as a rule, NEAR at most where a record stands
 * away from its line, all lines of the page at the worst. Everything else goes over the page.
 *
 * Concurrency: what takes a page's word needs no lock, and may be wrong while somebody changes the page, as
 * block_table.h says. Everything else is for one writer at a time.
 */
#ifndef VAS_CORE_BLOCK_PAGE_H
#define VAS_CORE_BLOCK_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/shared_word.h"
#include "core/block_record.h"

#define VAS_BLOCK_KEY_MOST    UINT32_C(0x7fffffff)
#define VAS_BLOCK_LINE_PLACES 4u
/* A test makes them smaller: powers of two, FEW at least 2 and below LINES. */
#ifndef VAS_BLOCK_PAGE_LINES
#define VAS_BLOCK_PAGE_LINES 64u
#define VAS_BLOCK_PAGE_FEW   8u /* of a page that is a node */
#endif
/* Lines, its own one first, in which a record is put if it can be; if they are full, and the page is not. */
#define VAS_BLOCK_PAGE_NEAR 4u
#define VAS_BLOCK_PAGE_FAR  15u
#define VAS_BLOCK_REACH_ALL 15u

/* Four places, for records whose start belongs here, and some for which their own line had none. */
struct vas_block_line {
	struct vas_block_record record[VAS_BLOCK_LINE_PLACES];
} __attribute__((aligned(64)));

/* A page as its writer sees it. */
struct vas_block_page {
	struct vas_block_line *line;
	uint32_t shift; /* 32 - log2 of the lines */
	uint32_t mask; /* lines - 1 */
	uint32_t
		reach; /* so many lines but its own one a record may be away, in the order of steps; or ALL */
	uint32_t area; /* of the places' numbers */
	/* The table's: where records are, and the start of key 0. */
	const struct vas_block_records *records;
	uint64_t origin;
};

/* The keys with begin <= vas_block_hash(key) < end. */
struct vas_block_range {
	uint64_t begin;
	uint64_t end;
};

#define VAS_BLOCK_HASH_END (UINT64_C(1) << 63)

#define VAS_BLOCK_FACTOR UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */

/* Of which page and line are chosen. */
static inline uint64_t vas_block_product(uint32_t key)
{
	return key * VAS_BLOCK_FACTOR;
}

/* Chooses the page. Keys that differ by large powers of two, or by any stride, are spread evenly. */
static inline uint64_t vas_block_hash(uint32_t key)
{
	return vas_block_product(key) >> 1;
}

/*
 * Chooses the line, by all bits of the product: with fewer, or without the second one, keys of some strides would
 * crowd, as those of blocks of 2 MiB each.
 */
static inline uint32_t vas_block_product_home(uint64_t product, uint32_t shift)
{
	uint32_t folded = (uint32_t)(product >> 32 ^ product);

	return folded * UINT32_C(0xc2b2ae35) >> (shift & 31);
}

static inline uint32_t vas_block_page_home(uint32_t key, uint32_t shift)
{
	return vas_block_product_home(vas_block_product(key), shift);
}

/*
 * The word by which a table knows a page: the area in bits 0 to 15, then 32 - log2 of its lines in five bits,
 * the reach in four, and the address, which is a multiple of 512.
 */
static inline uint64_t vas_block_page_word(const struct vas_block_page *page)
{
	return ((uintptr_t)page->line | page->reach << 5 | page->shift) << 16 | page->area;
}

static inline struct vas_block_line *vas_block_page_lines(uint64_t word)
{
	return (struct vas_block_line *)(uintptr_t)(word >> 16 & ~UINT64_C(511));
}

static inline uint32_t vas_block_page_area(uint64_t word)
{
	return (uint16_t)word;
}

static inline uint32_t vas_block_page_reach(uint64_t word)
{
	return (uint32_t)(word >> 21) & 15;
}

/* But what is the table's. */
static inline struct vas_block_page vas_block_page_of(uint64_t word)
{
	uint32_t shift = (uint32_t)(word >> 16 & 31);

	return (struct vas_block_page){
		.line = vas_block_page_lines(word),
		.shift = shift,
		.mask = (1u << (32 - shift)) - 1,
		.reach = vas_block_page_reach(word),
		.area = vas_block_page_area(word),
	};
}

static inline uint32_t vas_block_page_most(const struct vas_block_page *page)
{
	return (page->mask + 1) * VAS_BLOCK_LINE_PLACES;
}

/* The line of a key. */
static inline struct vas_block_line *vas_block_page_line(uint64_t word, uint32_t key)
{
	return vas_block_page_lines(word) + vas_block_page_home(key, (uint32_t)(word >> 16));
}

/* The line that is looked at after another one of a key: its neighbour, then in steps that differ from key to key. */
static inline uint32_t vas_block_page_step(uint32_t key, uint32_t mask, uint32_t line, uint32_t i)
{
	uint32_t step = (uint32_t)(vas_block_hash(key) >> 16) | 1;

	return i == 0 ? line ^ 1 : (line + step) & mask;
}

/* The line that is looked at next after a key's own. I: pages are of an even number of lines, and aligned to two. */
static inline struct vas_block_line *vas_block_line_beside(struct vas_block_line *line)
{
	return (struct vas_block_line *)((uintptr_t)line ^ sizeof(*line));
}

/*
 * The record of a line whose word is wanted: one that is LIVE, and has a class. NULL: there is none. Without
 * branches, which could not be foretold.
 */
static inline struct vas_block_record *vas_block_line_plain(struct vas_block_line *line,
							    uint64_t wanted)
{
	struct vas_block_record *found = NULL;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < VAS_BLOCK_LINE_PLACES; i++) {
		found = vas_word_load(&line->record[i].word) == wanted ? &line->record[i] : found;
		/* Or compilers make branches of the last ones. */
		__asm__("" : "+r"(found));
	}
	return found;
}

/* What a word has beside its size. */
#define VAS_BLOCK_WORD_REST                                                                        \
	(((UINT64_C(1) << VAS_BLOCK_START_BITS) - 1) << VAS_BLOCK_START_SHIFT |                    \
	 ((UINT64_C(1) << VAS_BLOCK_STATE_BITS) - 1))

/* The same for any block; the record's word, too. */
static inline struct vas_block_record *vas_block_line_live(struct vas_block_line *line,
							   uint64_t wanted, uint64_t *word)
{
	struct vas_block_record *found = NULL;

	for (uint32_t i = 0; i < VAS_BLOCK_LINE_PLACES && !found; i++) {
		*word = vas_word_load(&line->record[i].word);
		if (((*word ^ wanted) & VAS_BLOCK_WORD_REST) == 0)
			found = &line->record[i];
	}
	return found;
}

/* The same for a page, without the lock. */
struct vas_block_record *vas_block_page_live(uint64_t word, uint32_t key, uint64_t wanted,
					     uint64_t *record_word);

/* The place of a line where what starts there stands, in any state but FREE; NULL: it does not. The writer's. */
static inline struct vas_block_record *vas_block_line_with(struct vas_block_line *line,
							   uint64_t start)
{
	struct vas_block_record *found = NULL;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < VAS_BLOCK_LINE_PLACES; i++) {
		uint64_t here = vas_word_load(&line->record[i].word);
		bool is = (vas_block_word_start(here) == start) & (here != VAS_BLOCK_FREE);

		found = is ? &line->record[i] : found;
	}
	return found;
}

/* The lowest free place of a line; NULL: there is none. */
static inline struct vas_block_record *vas_block_line_free(struct vas_block_line *line)
{
	struct vas_block_record *found = NULL;

#pragma GCC unroll 4
	for (uint32_t i = VAS_BLOCK_LINE_PLACES; i-- > 0;) {
		uint64_t here = vas_word_load(&line->record[i].word);

		found = here == VAS_BLOCK_FREE ? &line->record[i] : found;
	}
	return found;
}

/* What the place of a key is in a page: NULL: it has none. */
struct vas_block_record *vas_block_page_find(const struct vas_block_page *page, uint32_t key);
/* A free place near the line of a key, and so that find reaches it. NULL: there is none. */
struct vas_block_record *vas_block_page_near(struct vas_block_page *page, uint32_t key);
/* The same, further away, or anywhere. */
struct vas_block_record *vas_block_page_any(struct vas_block_page *page, uint32_t key);
/* Whether a place is one of the page's. */
bool vas_block_page_has(const struct vas_block_page *page, const struct vas_block_record *record);
/* The key of a record that is not FREE. */
uint32_t vas_block_page_key(const struct vas_block_page *page,
			    const struct vas_block_record *record);
/* The places that are taken: all; for keys of a range. */
uint32_t vas_block_page_used(const struct vas_block_page *page);
uint32_t vas_block_page_count(const struct vas_block_page *page,
			      const struct vas_block_range *range);
/* The keys of a range go to page, which has places. What is CACHED stays, and is MOVED there. */
void vas_block_page_move(struct vas_block_page *page, const struct vas_block_page *from,
			 const struct vas_block_range *range);
/* Lets records of a range, whose page this is, come home, if their lines have places by now; and finds its reach anew. */
void vas_block_page_tidy(struct vas_block_page *page, const struct vas_block_range *range);
/* Whether each key of the range is found, where it stands. */
bool vas_block_page_check(const struct vas_block_page *page, const struct vas_block_range *range);
/* The first record, or the next one after another, that is not of the range. NULL: there is none. */
const struct vas_block_record *vas_block_page_stray(const struct vas_block_page *page,
						    const struct vas_block_range *range,
						    const struct vas_block_record *after);

#endif
