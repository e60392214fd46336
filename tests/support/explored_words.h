/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of the table of starts, with small pages, for a test that explores them: each access to a word
 * that threads share is a step, but for those that come to the same in any order. These are what the
 * holder of the zone's lock does with records that nobody changes without it. The blocks that threads
 * free, take and mark without the lock are hot: what is done with their records is a step, and with
 * places where they stood.
 *
 * At each step there is at most one LIVE record of a hot block, or a fault is found.
 */
#ifndef TESTS_SUPPORT_EXPLORED_WORDS_H
#define TESTS_SUPPORT_EXPLORED_WORDS_H

#include "base/assert.h"
#include "base/shared_word.h"
#include "support/explorer.h"
#include "tap/tap.h"

static uint64_t explored_load(const uint64_t *word);
static void explored_store(uint64_t *word, uint64_t value);
static bool explored_exchange(uint64_t *word, uint64_t expected, uint64_t value);
static uint32_t explored_load32(const uint32_t *word);
static void explored_store32(uint32_t *word, uint32_t value);

#define vas_word_load	  explored_load
#define vas_word_store	  explored_store
#define vas_word_exchange explored_exchange
#define vas_word_load32	  explored_load32
#define vas_word_store32  explored_store32

#define VAS_BLOCK_PAGE_LINES 4u
#define VAS_BLOCK_PAGE_FEW   2u
/* Some pages lie further away than this from the first node, others do not. */
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(16) << 10)

#include "core/block_join.c"
#include "core/block_page.c"
#include "core/block_record.c"
#include "core/block_table.c"

/* Of words, only those of records have these upper bits, of their starts. */
#define WORLD_TAG    UINT64_C(0x7ab)
#define WORLD_ORIGIN (WORLD_TAG << (VAS_BLOCK_START_BITS - 11))

enum { KEYS = 128, NEW = KEYS, OTHER, KEYS_ALL, PLACES = 64 };

/* Doing it wrong: the state that a record gets, whatever it had. */
enum wrong { RIGHT, FREE_PLAINLY = VAS_BLOCK_CACHED, MOVE_PLAINLY = VAS_BLOCK_MOVED };

static struct {
	enum wrong wrong;
	uint32_t hot[3]; /* keys */
	bool held; /* the lock, by the thread */
	unsigned int holder;
	const uint64_t *list; /* the magazine's */
	const uint64_t *place[PLACES]; /* words of records of hot blocks, wherever they stood */
	uint32_t places;
} explored;

static bool word_is_record(uint64_t word)
{
	return word >> 53 == WORLD_TAG;
}

static uint32_t word_start_key(uint64_t word)
{
	return (uint32_t)(vas_block_word_start(word) - WORLD_ORIGIN);
}

static bool word_is_hot(uint64_t word)
{
	uint32_t key = word_start_key(word);

	return word_is_record(word) &&
	       (key == explored.hot[0] || key == explored.hot[1] || key == explored.hot[2]);
}

static bool word_is_cold(uint64_t word)
{
	return word == 0 || (word_is_record(word) && !word_is_hot(word));
}

static bool is_holder(void)
{
	return explored.held && explored.holder == explorer_thread();
}

/* A slot that who looks for a hot block may load. */
static bool slot_is_hot(const uint64_t *slot);

/* There are never two LIVE records of a start. */
static void place_note(const uint64_t *word, uint64_t value)
{
	uint32_t at = explored.places;

	if (!word_is_hot(value))
		return;
	for (uint32_t i = 0; i < explored.places; i++) {
		if (explored.place[i] == word)
			at = i;
		else if (vas_block_word_state(value) == VAS_BLOCK_LIVE &&
			 ((*explored.place[i] ^ value) & VAS_BLOCK_WORD_REST) == 0)
			explorer_fault("key %x is LIVE twice", word_start_key(value));
	}
	if (at == PLACES)
		tap_bail("a block moves too often");
	explored.place[at] = word;
	explored.places += at == explored.places;
}

/* Whether a hot block's record stands here, or stood, so that who found that may look at it. */
static bool place_was_hot(const uint64_t *word)
{
	for (uint32_t i = 0; i < explored.places; i++)
		if (explored.place[i] == word)
			return true;
	return false;
}

static uint64_t explored_load(const uint64_t *word)
{
	if (!is_holder() || word_is_hot(*word) || word == explored.list)
		explorer_step();
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool store_is_step(const uint64_t *word, uint64_t value)
{
	if (!is_holder() || word_is_hot(*word) || word_is_hot(value))
		return true;
	return (word_is_cold(*word) && word_is_cold(value)) ? false : slot_is_hot(word);
}

static void explored_store(uint64_t *word, uint64_t value)
{
	if (store_is_step(word, value))
		explorer_step();
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	place_note(word, value);
}

static bool explored_exchange(uint64_t *word, uint64_t expected, uint64_t value)
{
	if (store_is_step(word, value))
		explorer_step();
	if (word_is_record(value) && explored.wrong == vas_block_word_state(value))
		expected = *word;
	return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Size and mark stand behind a record's word. */
static const uint64_t *record_word(const uint32_t *word)
{
	return (const uint64_t *)((uintptr_t)word & ~(uintptr_t)15);
}

static uint32_t explored_load32(const uint32_t *word)
{
	if (!is_holder() || place_was_hot(record_word(word)))
		explorer_step();
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void explored_store32(uint32_t *word, uint32_t value)
{
	if (!is_holder() || place_was_hot(record_word(word)))
		explorer_step();
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif
