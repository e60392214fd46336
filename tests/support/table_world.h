/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One zone as the allocator keeps it, of a table and a magazine, and what is done with a block of it, for a
 * test that explores that. A world is made once for a scenario, and is the same again before each run.
 */
#ifndef TESTS_SUPPORT_TABLE_WORLD_H
#define TESTS_SUPPORT_TABLE_WORLD_H

#include <string.h>

#include "support/explored_words.h"

#include "base/random.h"
#include "core/block_magazine.h"

enum cached {
	NONE,
	LOOKED, /* the one that is looked at */
	ALL, /* all of them; but only that one is in the magazine */
};

/* How a world is made, and what the threads then do with which key. */
struct plan {
	uint32_t count; /* of keys */
	uint32_t looked; /* number of the one that threads look for */
	uint32_t more; /* keys that come later, to this number */
	uint32_t less; /* of the first ones so many go again, when twice as many are there */
	uint32_t seed; /* of the keys that are not there at first */
	enum cached cached; /* those that are in the magazine */
	bool after; /* the change was made: what is looked at stands elsewhere, or is a stray */
	bool popped; /* and it is LIVE again since then */
	bool retired; /* what else was a stray is gone */
	bool stays; /* the block that is looked at is there all the time */
};

/*
 * A block with a key has the size and the mark that its number and its turn make: how many times it was
 * taken, or marked.
 */
enum { TURNS = 16 };

static struct {
	struct vas_block_pool pool;
	struct vas_block_records records;
	struct vas_block_table table;
	struct vas_block_spares spares;
	struct vas_block_magazine magazine;
	uint32_t lock;
	uint64_t directory; /* as readers know it */
	uint64_t stale; /* the slot of the key that is looked for, before a change */
	uint32_t key[KEYS_ALL]; /* those of the first ones are there at first */
	uint32_t turn[KEYS_ALL];
	/* Of the block that is looked at. */
	uint32_t lives; /* how many times it is live, as those who freed it and took it say */
	uint32_t frees; /* that worked */
	bool gone; /* to the books */
} zone;

/* All memory of a world, which begins at the same place each time. */
enum { ROOM = 256 << 10, FIRST = 32 << 10 };

static struct {
	char room[ROOM] __attribute__((aligned(4096)));
	size_t used;
} memory;

/* A world as it is before the threads begin. */
static struct {
	bool is;
	uint32_t runs; /* since then */
	char room[ROOM];
	unsigned char zone[sizeof(zone)];
	unsigned char explored[sizeof(explored)];
	size_t used;
} saved;

static bool slot_is_hot(const uint64_t *slot)
{
	bool is = slot == &zone.directory || slot == &zone.table.directory || slot == explored.list;

	for (uint32_t i = 0; i < 3 && !is; i++)
		is = slot == vas_block_table_slot(zone.table.directory, explored.hot[i]) ||
		     slot == vas_block_table_slot(zone.directory, explored.hot[i]);
	return is;
}

struct found {
	struct vas_block_record *record;
	uint64_t word;
	uint32_t area;
};

static void zone_lock(void)
{
	explorer_lock(NULL, &zone.lock);
	explored.held = true;
	explored.holder = explorer_thread();
}

static void zone_unlock(void)
{
	vas_word_store(&zone.directory, zone.table.directory);
	explored.held = false;
	explorer_unlock(NULL, &zone.lock);
}

static uint64_t block_size(uint32_t index, uint32_t turn)
{
	return (uint64_t)(index + 1) * TURNS + turn;
}

static uint32_t block_mark(uint32_t index, uint32_t turn)
{
	return 0xdead0000 + (index + 1) * TURNS + turn;
}

/* What was read of a block must be of one turn. */
static void seen(uint32_t index, uint64_t size, uint32_t mark)
{
	uint32_t turn = mark - block_mark(index, 0);

	if (turn > zone.turn[index] || size != block_size(index, turn))
		explorer_fault("block %u is seen with size %llx and mark %x", index,
			       (unsigned long long)size, mark);
}

static uint64_t wanted(uint32_t index)
{
	return vas_block_word(WORLD_ORIGIN + zone.key[index], 1, 0, VAS_BLOCK_LIVE);
}

/* A live block with a record, under the zone's lock. */
static void block_put(uint32_t index)
{
	struct vas_block_record *place;
	uint32_t key = zone.key[index];

	if (vas_block_table_prepare(&zone.table, &zone.pool, &zone.spares, key, &place))
		tap_bail("no memory");
	zone.turn[index]++;
	vas_block_record_set(vas_block_table_insert(&zone.table, place, key), WORLD_ORIGIN + key,
			     block_size(index, zone.turn[index]), 0,
			     block_mark(index, zone.turn[index]));
}

/* Where a key stands, or is MOVED; under the lock. */
static struct vas_block_record *place_of(uint32_t index)
{
	uint64_t word = *vas_block_table_slot(zone.table.directory, zone.key[index]);
	struct vas_block_page page = vas_block_page_in(&zone.table, word);

	return vas_block_page_find(&page, zone.key[index]);
}

/* --- without the lock --- */

/* The slot of a key, as it is now. */
static uint64_t slot_now(uint32_t index)
{
	uint64_t directory = vas_word_load(&zone.directory);

	return vas_word_load(vas_block_table_slot(directory, zone.key[index]));
}

static bool found_in(uint64_t slot, uint32_t index, struct found *found)
{
	found->area = vas_block_page_area(slot);
	found->record = vas_block_page_live(slot, zone.key[index], wanted(index), &found->word);
	return found->record != NULL;
}

static bool record_claim(const struct found *found)
{
	return vas_word_exchange(&found->record->word, found->word,
				 vas_block_word_with(found->word, VAS_BLOCK_CACHED));
}

static void record_push(const struct found *found)
{
	uint32_t number = vas_block_record_number(&zone.records, found->record, found->area);

	if (vas_block_record_at(&zone.records, number) != found->record)
		explorer_fault("a record has the wrong number");
	if (!vas_block_magazine_put(&zone.magazine, 0, number, found->record, 255, false))
		explorer_fault("a magazine is full");
}

/* The block's size and mark are its own, now that it was found by this word. */
static bool record_seen(const struct vas_block_record *record, uint32_t index)
{
	uint64_t word, size;
	uint32_t mark;

	if (!vas_block_record_read(record, &word, &size, &mark) ||
	    vas_block_word_start(word) != WORLD_ORIGIN + zone.key[index])
		return false;
	seen(index, size, mark);
	return true;
}

/* A look by that slot, and then under the lock. False: the block is not there. */
static bool block_look(uint32_t index, uint64_t slot)
{
	const struct vas_block_record *record;
	struct found found;
	bool is;

	if (found_in(slot, index, &found) && record_seen(found.record, index))
		return true;
	zone_lock();
	record = vas_block_table_find(&zone.table, zone.key[index]);
	is = record && record_seen(record, index);
	zone_unlock();
	return is;
}

/* A free as the allocator does it: at once, into the magazine; or under the lock, to the books. */
static bool block_free(uint32_t index, uint64_t slot)
{
	struct found found;
	bool won;

	if (found_in(slot, index, &found) && record_claim(&found)) {
		zone.lives--;
		zone.frees++;
		record_push(&found);
		return true;
	}
	zone_lock();
	found.record = vas_block_table_find(&zone.table, zone.key[index]);
	found.word = found.record ? vas_word_load(&found.record->word) : VAS_BLOCK_FREE;
	won = vas_block_word_state(found.word) == VAS_BLOCK_LIVE && record_claim(&found);
	if (won) {
		zone.gone = true;
		zone.lives--;
		zone.frees++;
		vas_block_table_remove(&zone.table, zone.key[index]);
	}
	zone_unlock();
	return won;
}

/* Takes the first block of the magazine, which is index. False: it is not there. */
static bool block_pop(uint32_t index)
{
	struct vas_block_record *record;
	uint64_t word;

	if (!vas_block_magazine_take(&zone.magazine, 0, &zone.records, 0, 0, &record, &word, false))
		return false;
	if (word != vas_block_word_with(wanted(index), VAS_BLOCK_CACHED))
		explorer_fault("what is in the magazine has the word %llx",
			       (unsigned long long)word);
	zone.turn[index]++;
	zone.lives++;
	vas_block_record_size_set(record, block_size(index, zone.turn[index]), 0);
	vas_word_store32(&record->link, block_mark(index, zone.turn[index]));
	vas_word_store(&record->word, wanted(index));
	return true;
}

/* The next turn of a block that is claimed; it is LIVE again. */
static void record_mark(const struct found *found, uint32_t index)
{
	seen(index, vas_block_record_size(found->record, found->word),
	     vas_word_load32(&found->record->link));
	zone.turn[index]++;
	vas_block_record_size_set(found->record, block_size(index, zone.turn[index]), 0);
	vas_word_store32(&found->record->link, block_mark(index, zone.turn[index]));
	vas_word_store(&found->record->word, found->word);
}

/* As the allocator sets a mark. False: it is not there. */
static bool block_mark_set(uint32_t index, uint64_t slot)
{
	struct found found;
	bool won;

	if (found_in(slot, index, &found) && record_claim(&found)) {
		record_mark(&found, index);
		return true;
	}
	zone_lock();
	found.record = vas_block_table_find(&zone.table, zone.key[index]);
	found.word = found.record ? vas_word_load(&found.record->word) : VAS_BLOCK_FREE;
	won = vas_block_word_state(found.word) == VAS_BLOCK_LIVE && record_claim(&found);
	if (won)
		record_mark(&found, index);
	zone_unlock();
	return won;
}

/* --- the world --- */

static void keys_make(const struct plan *plan)
{
	uint64_t random = 42;

	for (uint32_t i = 0; i < KEYS_ALL; i++) {
		random += i == NEW ? plan->seed : 0;
		zone.key[i] = (uint32_t)vas_random_below(&random, 1u << 30);
	}
	explored.hot[0] = zone.key[plan->looked];
	explored.hot[1] = zone.key[NEW];
	explored.hot[2] = zone.key[OTHER];
}

static bool is_cached(const struct plan *plan, uint32_t index)
{
	return plan->cached == ALL || (plan->cached == LOOKED && index == plan->looked);
}

/* A block becomes somebody's who is just at it. */
static struct found block_claim(uint32_t index)
{
	struct found found = { 0 };

	zone.directory = zone.table.directory;
	if (!found_in(slot_now(index), index, &found) || !record_claim(&found))
		tap_bail("a block is lost");
	return found;
}

/* All go to the books but the one that is looked at. */
static void strays_drop(const struct plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++)
		if (i != plan->looked)
			vas_block_table_remove(&zone.table, zone.key[i]);
}

static int memory_take(void *context, size_t size, void **taken)
{
	(void)context;
	if (size > ROOM - memory.used)
		tap_bail("no memory");
	*taken = memset(memory.room + memory.used, 0, size);
	memory.used += size;
	return 0;
}

/* Before the threads begin. */
static void world_make(const struct plan *plan)
{
	const struct vas_blocks_support support = { .take = memory_take };
	struct found found = { 0 };

	memset(memory.room, 0, memory.used);
	memory.used = FIRST;
	memset(&zone, 0, sizeof(zone));
	explored.held = false;
	explored.places = 0;
	explored.list = &zone.magazine.list[0];
	vas_block_pool_init(&zone.pool, &support, memory.room, FIRST, 0);
	vas_block_records_init(&zone.records, &zone.pool);
	vas_block_table_init(&zone.table, &zone.records, WORLD_ORIGIN);
	zone.directory = vas_block_table_nothing();
	keys_make(plan);
	for (uint32_t i = 0; i < plan->count; i++) {
		block_put(i);
		if (plan->cached == ALL && i == plan->looked)
			found = block_claim(i);
		else if (plan->cached == ALL)
			(void)block_claim(i);
		for (uint32_t j = 0; i == 2 * plan->less && j < plan->less; j++)
			vas_block_table_remove(&zone.table, zone.key[j]);
	}
	zone.directory = zone.table.directory;
	if (plan->cached == LOOKED)
		found = block_claim(plan->looked);
	if (found.record)
		record_push(&found);
}

/* Another key that gets the place of the stray when that is gone, if there is one. */
static void other_make(const struct plan *plan)
{
	const struct vas_block_record *place = place_of(plan->looked), *stray;
	uint64_t random = 7;
	struct vas_block_line *line;

	stray = vas_block_record_at(&zone.records, place->link);
	if (vas_block_word_state(place->word) != VAS_BLOCK_MOVED)
		tap_bail("a stray is not left");
	for (uint32_t i = 0; i < 10000; i++) {
		zone.key[OTHER] = (uint32_t)vas_random_below(&random, 1u << 30);
		line = vas_block_page_line(slot_now(OTHER), zone.key[OTHER]);
		if (stray >= line->record && stray < line->record + VAS_BLOCK_LINE_PLACES &&
		    (!vas_block_line_free(line) || vas_block_line_free(line) > stray))
			break;
	}
	explored.hot[2] = zone.key[OTHER];
}

static void world_save(void)
{
	saved.is = true;
	saved.runs = 0;
	saved.used = memory.used;
	memcpy(saved.room, memory.room, memory.used);
	memcpy(saved.zone, &zone, sizeof(zone));
	memcpy(saved.explored, &explored, sizeof(explored));
}

static void world_restore(void)
{
	memory.used = saved.used;
	memcpy(memory.room, saved.room, saved.used);
	memcpy(&zone, saved.zone, sizeof(zone));
	memcpy(&explored, saved.explored, sizeof(explored));
}

/* The rest of it. */
static void world_begin(void *state)
{
	const struct plan *plan = state;

	if (saved.is) {
		world_restore();
		return;
	}
	world_make(plan);
	zone.stale = slot_now(plan->looked);
	if (plan->after)
		block_put(NEW);
	zone.directory = zone.table.directory;
	if (plan->retired)
		strays_drop(plan);
	zone.lives = !is_cached(plan, plan->looked);
	if (plan->after && !plan->popped)
		other_make(plan);
	if (plan->popped && !block_pop(plan->looked))
		tap_bail("a block is lost");
	world_save();
}

static uint32_t magazine_has(uint32_t key)
{
	uint32_t number = vas_block_list_first(zone.magazine.list[0]), has = 0, length = 0;
	const struct vas_block_record *record;

	for (; number; number = vas_block_list_link(record), length++) {
		record = vas_block_record_at(&zone.records, number);
		if (vas_block_word_state(record->word) != VAS_BLOCK_CACHED || length == KEYS_ALL) {
			explorer_fault("the magazine does not hold");
			return 0;
		}
		has += word_start_key(record->word) == key;
	}
	if (length != vas_block_list_length(zone.magazine.list[0]))
		explorer_fault("the magazine's length is wrong");
	return has;
}

/* A block is in one state, for all who may ask. */
static void block_check(uint32_t index, bool live, bool cached, bool kept)
{
	const struct vas_block_record *record = vas_block_table_find(&zone.table, zone.key[index]);
	uint64_t state = record ? vas_block_word_state(record->word) : VAS_BLOCK_FREE;
	struct found found;

	if (state != (live ? VAS_BLOCK_LIVE : cached ? VAS_BLOCK_CACHED : VAS_BLOCK_FREE))
		explorer_fault("block %u is in state %u, %s", index, (unsigned int)state,
			       live	? "and live"
			       : cached ? "and cached"
					: "and gone");
	if (found_in(slot_now(index), index, &found) != live || (live && found.record != record))
		explorer_fault("block %u is found elsewhere without the lock", index);
	if (live && !record_seen(record, index))
		explorer_fault("block %u is not found", index);
	if (magazine_has(zone.key[index]) != kept)
		explorer_fault("block %u is in the magazine, or is not", index);
}

static void blocks_check(const struct plan *plan)
{
	bool cached = !zone.lives && !zone.gone;

	if (zone.turn[plan->looked] && plan->looked != NEW)
		block_check(plan->looked, zone.lives, cached, cached);
	/* The others are counted each time, which is enough, and looked at now and then. */
	for (uint32_t i = saved.runs++ % 16 ? NEW : 0; i < KEYS_ALL; i++)
		if (i >= plan->count && i != plan->looked && zone.turn[i])
			block_check(i, true, false, false);
		else if (i < plan->count && i >= plan->less && i != plan->looked && !plan->retired)
			block_check(i, plan->cached != ALL, plan->cached == ALL, false);
}

static void world_end(void *state)
{
	const struct plan *plan = state;

	if (!vas_block_table_check(&zone.table) || !vas_block_records_check(&zone.records))
		explorer_fault("the zone does not hold");
	else if (zone.lives > 1)
		explorer_fault("a block was freed or taken %d times", (int)zone.lives);
	else
		blocks_check(plan);
}

#endif
