/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: valgrind */
/* budget: 3 */
/*
 * Records that are somebody's while the table of starts grows: they stay where they are and are found there, come to
 * their own places when they are LIVE again, and go as a whole; pages that are full of them rest, and are used
 * again when they are empty. And what the table's checker finds.
 */
#include <stdint.h>

static void step(void);

#define VAS_WORD_STEP() step()

#include "core/block_join.c"
#include "core/block_page.c"
#include "core/block_table.c"

#include "base/random.h"
#include "support/block_books.h"

#define ORIGIN (UINT64_C(3) << 31)

enum { KEYS = 4000 };

/* A block that the test knows. */
struct block {
	uint32_t key;
	uint32_t mark;
	struct vas_block_record
		*held; /* where its record stands while it is the test's; NULL: it is LIVE */
};

static struct block_books books;
static struct vas_block_spares spares;
static struct vas_block_table table;
static struct block block[KEYS];
static uint32_t count;

static void table_open(void)
{
	block_books_open(&books);
	memset(&spares, 0, sizeof(spares));
	vas_block_table_init(&table, &books.records, ORIGIN);
	count = 0;
}

static void table_close(void)
{
	ok(vas_block_table_check(&table) && vas_block_records_check(&books.records) &&
		   vas_block_pool_check(&books.pool),
	   "all holds at the end");
	ok(block_books_close(&books), "all memory went back");
}

static int put(void)
{
	uint32_t key = count * 40503u & VAS_BLOCK_KEY_MOST;
	struct vas_block_record *place;
	int error = block_books_put(&books, &table, &spares, key, key % 1000 + 1,
				    key % 3 ? key % 50 : VAS_BLOCK_NO_CLASS, count, &place);

	if (!error)
		block[count] = (struct block){ .key = key, .mark = count };
	count += !error;
	return error;
}

static void put_all(uint32_t more)
{
	while (more-- > 0)
		if (put())
			tap_bail("no memory");
}

/* A list links it, so its mark is another one meanwhile. */
static void hold(uint32_t i)
{
	uint64_t word;
	uint32_t area;
	struct vas_block_record *record = block_books_live(&table, block[i].key, &word, &area);

	if (!record || !block_books_hold(record))
		tap_bail("block %u is not to be had", i);
	record->link = ~i;
	block[i].held = record;
}

static void release(uint32_t i)
{
	block[i].held->link = block[i].mark;
	block_books_release(block[i].held);
	block[i].held = NULL;
}

static bool content_is(const struct vas_block_record *record, uint32_t i, uint32_t link)
{
	return vas_block_word_start(record->word) == table.origin + block[i].key &&
	       record->link == link &&
	       vas_block_record_size(record, record->word) == block[i].key % 1000 + 1;
}

/* Whether a block is found as it should be, and stands as it should. */
static bool is_right(uint32_t i)
{
	uint64_t word;
	uint32_t area;
	struct vas_block_record *live = block_books_live(&table, block[i].key, &word, &area);
	struct vas_block_record *own = vas_block_table_find_own(&table, block[i].key);
	struct vas_block_record *found = vas_block_table_find(&table, block[i].key);

	if (block[i].held)
		return found == block[i].held && !live && (!own || own == found) &&
		       vas_block_word_state(found->word) == VAS_BLOCK_CACHED &&
		       content_is(found, i, ~i);
	live = block_books_live(&table, block[i].key, &word, &area);
	return found && live == found && (!own || own == found) &&
	       vas_block_word_state(found->word) == VAS_BLOCK_LIVE &&
	       content_is(found, i, block[i].mark);
}

static uint64_t all_wrong(void)
{
	uint64_t wrong = !vas_block_table_check(&table);

	for (uint32_t i = 0; i < count; i++)
		wrong += !is_right(i);
	return wrong;
}

/* The block's own place, which is MOVED; NULL: it is no stray. */
static struct vas_block_record *moved_of(uint32_t i)
{
	struct vas_block_page page = table_page(&table, block[i].key);
	struct vas_block_record *place = vas_block_page_find(&page, block[i].key);

	return place && vas_block_word_state(place->word) == VAS_BLOCK_MOVED ? place : NULL;
}

static uint32_t stray_count(void)
{
	uint32_t strays = 0;

	for (uint32_t i = 0; i < count; i++)
		strays += moved_of(i) != NULL;
	return strays;
}

static uint32_t retired_count(void)
{
	uint32_t retired = 0;

	for (uint32_t i = 0; table.retired && i < RETIRED; i++)
		retired += table.retired->page[i] != 0;
	return retired;
}

/* --- growth --- */

/* Keys whose records are held come through every way of growing. */
static void test_grow(void)
{
	uint64_t wrong = 0;
	uint32_t strays;

	table_open();
	put_all(24);
	for (uint32_t i = 0; i < count; i += 3)
		hold(i);
	put_all(20);
	is_u64(all_wrong(), 0, "from a node to a page");
	is_u64(stray_count(), 8, "what is held stays in the node");
	while (table.pages < 12) {
		put_all(1);
		if (count % 7 == 0)
			hold(count - 1);
		wrong += count % 64 == 0 ? all_wrong() : 0;
	}
	is_u64(wrong + all_wrong(), 0, "from one page to many");
	strays = stray_count();
	ok(strays > count / 28, "%u of %u records are away from their pages", strays, count);
	for (uint32_t i = 0; i < count; i++)
		if (block[i].held)
			release(i);
	for (uint32_t i = 0; i < count; i += 2)
		if (moved_of(i))
			wrong += block_books_live(&table, block[i].key, &(uint64_t){ 0 },
						  &(uint32_t){ 0 }) != NULL;
	is_u64(wrong + all_wrong(), 0, "when they are LIVE again, they come to their places");
	is_u64(stray_count(), 0, "all of them");
	table_close();
}

/* Records that are held only while the table grows: a page that wants room sends them home first. */
static void test_settle(void)
{
	uint64_t word;
	uint32_t area;

	table_open();
	while (table.pages < 10) {
		for (uint32_t i = 0; i < count; i++)
			if (block_books_live(&table, block[i].key, &word, &area))
				hold(i);
		put_all(1);
		for (uint32_t i = 0; i < count; i++)
			if (block[i].held)
				release(i);
	}
	is_u64(retired_count(), 0, "no page rests because of what is LIVE");
	is_u64(all_wrong(), 0, "all are found");
	table_close();
}

/* What is LIVE but still away. */
static void test_find_own(void)
{
	struct vas_block_record *stray;
	uint64_t wrong = 0, strays = 0;

	table_open();
	put_all(24);
	for (uint32_t i = 0; i < count; i++)
		hold(i);
	put_all(20);
	for (uint32_t i = 0; i < 24; i++) {
		stray = block[i].held;
		strays += moved_of(i) != NULL;
		wrong += vas_block_table_find_own(&table, block[i].key) != NULL;
		release(i);
		wrong += vas_block_table_find_own(&table, block[i].key) == stray ||
			 stray->word != VAS_BLOCK_FREE || !is_right(i);
	}
	is_u64(strays, 24, "all stand in the node that was");
	is_u64(wrong, 0, "find_own is for what stands where anybody finds it");
	hold(30);
	ok(vas_block_table_find_own(&table, block[30].key) == block[30].held,
	   "which may be CACHED there");
	vas_block_table_remove_own(&table, block[30].held);
	ok(!vas_block_table_find(&table, block[30].key) && table.count == 43, "and removed");
	table_close();
}

static void test_remove(void)
{
	struct vas_block_record *held, *moved;
	uint64_t wrong = 0, strays = 0;

	table_open();
	put_all(24);
	for (uint32_t i = 0; i < count; i++)
		hold(i);
	put_all(600);
	for (uint32_t i = 0; i < 24; i++) {
		held = block[i].held;
		moved = moved_of(i);
		strays += moved != NULL;
		vas_block_table_remove(&table, block[i].key);
		wrong += held->word != VAS_BLOCK_FREE || (moved && moved->word != VAS_BLOCK_FREE) ||
			 vas_block_table_find(&table, block[i].key) ||
			 !vas_block_table_check(&table);
	}
	is_u64(wrong, 0, "what was held goes from both its places");
	is_u64(strays, 24, "which all had");
	is_u64(table.count, 600, "the others stay");
	for (uint32_t i = 24; i < count; i++)
		wrong += !is_right(i);
	is_u64(wrong, 0, "as they were");
	table_close();
}

/* --- pages that rest --- */

/* Holds what is LIVE of the first keys, and enters more, until pages rest. */
static void retire(uint32_t pages)
{
	uint32_t held = 0;

	while (retired_count() < pages && count < KEYS) {
		put_all(1);
		if (retired_count() < pages)
			for (; held + 4 < count; held++)
				if (held % 5)
					hold(held);
	}
}

static void test_retired(void)
{
	const struct vas_block_range none = { 0, 0 };
	struct vas_block_page page;
	uint64_t wrong = 0;
	uint32_t before;

	table_open();
	retire(1);
	is_u64(retired_count(), 1, "a page full of what is held rests");
	page = vas_block_page_in(&table, table.retired->page[0]);
	before = vas_block_page_used(&page);
	ok(before > vas_block_page_most(&page) / 4, "with %u of them", before);
	is_u64(all_wrong(), 0, "all are found");
	for (const struct vas_block_record *stray = vas_block_page_stray(&page, &none, NULL); stray;
	     stray = vas_block_page_stray(&page, &none, stray))
		before--;
	is_u64(before, 0, "each of these is a stray");
	for (uint32_t i = 0; i < count; i++) {
		if (!block[i].held)
			continue;
		if (vas_block_page_has(&page, block[i].held) && i % 2)
			vas_block_table_remove(&table, block[i].key);
		else
			release(i);
		wrong += !block[i].held ? !is_right(i)
					: vas_block_table_find(&table, block[i].key) != NULL;
	}
	is_u64(wrong, 0, "some go, and some are LIVE again");
	is_u64(vas_block_page_used(&page), 0, "until it is empty");
	wrong = !vas_block_table_check(&table);
	while (retired_count() > 0 && count < KEYS)
		put_all(1);
	is_u64(retired_count(), 0, "then it has a share of the keys again");
	before = vas_block_page_used(&page);
	put_all(100);
	ok(before > 0 && vas_block_page_used(&page) >= before, "and takes new ones");
	is_u64(wrong + !vas_block_table_check(&table), 0, "in a table that holds");
	table_close();
}

/* As many pages rest as can be noted, and one of them is empty: then another one may rest. */
static void test_retired_full(void)
{
	struct vas_block_page page;
	uint64_t *retired, word;
	uint32_t used;

	table_open();
	retire(1);
	retired = table.retired->page;
	word = retired[0];
	if (page_make(&table, &books.pool, &spares, false, &page))
		tap_bail("no memory");
	for (uint32_t i = 1; i < RETIRED; i++)
		retired[i] = word;
	table.noted = RETIRED;
	is_err(page_retire(&table, &books.pool, &spares, block[0].key), ENOSPC,
	       "no place to note one more page that rests");
	is_u64(all_wrong(), 0, "then all is as it was");
	retired[RETIRED / 2] = vas_block_page_word(&page);
	used = vas_block_page_used(&page);
	is_err(page_retire(&table, &books.pool, &spares, block[0].key), 0,
	       "but that of an empty one");
	ok(used == 0 && vas_block_page_used(&page) > 0, "which then takes its keys");
	for (uint32_t i = 1; i < RETIRED; i++)
		retired[i] = retired[i] == word ? 0 : retired[i];
	table.noted = 2;
	is_u64(retired_count(), 2, "and the other one rests");
	is_u64(all_wrong(), 0, "all are found");
	table_close();
}

/* --- while others claim --- */

static struct {
	struct vas_block_record *record; /* is claimed at a step; NULL: none is */
	uint32_t left; /* steps until then */
	bool held;
} claimer;

static void step(void)
{
	struct vas_block_record *record = claimer.record;

	if (!record || --claimer.left > 0)
		return;
	claimer.record = NULL;
	claimer.held = block_books_hold(record);
}

/*
 * One of a node's blocks is claimed where it stood, at a step of what moves them to a page. False: it has not so
 * many.
 */
static bool claim_at(uint32_t i, uint32_t steps, uint64_t *wrong, uint32_t *won)
{
	uint64_t word;
	uint32_t area;

	table_open();
	put_all(4 * VAS_BLOCK_PAGE_FEW);
	claimer.held = false;
	claimer.left = steps;
	claimer.record = block_books_live(&table, block[i].key, &word, &area);
	block[i].held = claimer.record;
	put_all(1);
	if (!claimer.record && claimer.held)
		block[i].held->link = ~i;
	else
		block[i].held = NULL;
	*won += claimer.held;
	steps = claimer.record ? 0 : steps;
	claimer.record = NULL;
	*wrong += all_wrong();
	*wrong += !block_books_close(&books);
	return steps > 0;
}

static void test_claims(void)
{
	static const uint32_t which[] = { 0, 7, 18, 31 };
	uint64_t wrong = 0;
	uint32_t won = 0, steps = 1;
	bool more = true;

	for (; more; steps++) {
		more = false;
		for (uint32_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
			more |= claim_at(which[i], steps, &wrong, &won);
	}
	is_u64(wrong, 0, "what is claimed while a page is moved stays where it is");
	ok(won > 100 && won < 4 * steps - 100, "%u of %u claims came before the move", won,
	   4 * steps);
}

/* Who looked before a stray moved may claim it while a look-up sends it home. False: that has not so many steps. */
static bool settle_at(uint32_t steps, uint64_t *wrong, uint32_t *won)
{
	struct vas_block_record *stray;

	table_open();
	put_all(24);
	hold(5);
	stray = block[5].held;
	put_all(20);
	release(5);
	claimer.held = false;
	claimer.left = steps;
	claimer.record = stray;
	(void)vas_block_table_find(&table, block[5].key);
	steps = claimer.record ? 0 : steps;
	claimer.record = NULL;
	if (claimer.held) {
		block[5].held = stray;
		stray->link = ~UINT32_C(5);
	}
	*won += claimer.held;
	*wrong += all_wrong();
	*wrong += !block_books_close(&books);
	return steps > 0;
}

static void test_settle_claims(void)
{
	uint64_t wrong = 0;
	uint32_t won = 0, steps = 1;

	while (settle_at(steps, &wrong, &won))
		steps++;
	is_u64(wrong, 0, "what is claimed while it is sent home stays where it is");
	ok(won > 2 && won < steps - 3, "%u of %u claims came before that", won, steps);
}

/* Two pages, and some records of the first one. */
struct pair {
	struct vas_block_page a;
	struct vas_block_page b;
	struct vas_block_record *record[24]; /* many are away from their lines */
};

static void pair_make(struct pair *pair)
{
	uint32_t key = 0;

	if (page_make(&table, &books.pool, &spares, false, &pair->a) ||
	    page_make(&table, &books.pool, &spares, false, &pair->b))
		tap_bail("no memory");
	for (uint32_t i = 0; i < 24; i++) {
		while (vas_block_page_home(++key, pair->a.shift) != 5)
			;
		pair->record[i] = vas_block_page_any(&pair->a, key);
		vas_block_record_set(pair->record[i], ORIGIN + key, 1, 0, i);
	}
}

/* Keys that leave a page and come back while their records are held stand where they stood. */
static void test_return(void)
{
	uint64_t wrong = 0;
	struct pair pair;

	table_open();
	pair_make(&pair);
	for (uint32_t i = 0; i < 24; i++)
		wrong += i % 2 && !block_books_hold(pair.record[i]);
	vas_block_page_move(&pair.b, &pair.a, &everything);
	is_u64(vas_block_page_used(&pair.a), 12, "what is held stays");
	is_u64(vas_block_page_used(&pair.b), 24, "all have a place elsewhere");
	wrong += !vas_block_page_check(&pair.b, &everything);
	/* As when a page has no keys. */
	pair.a.reach = 0;
	vas_block_page_move(&pair.a, &pair.b, &everything);
	wrong += !vas_block_page_check(&pair.a, &everything);
	is_u64(wrong, 0, "and is where it is said to be");
	is_u64(vas_block_page_used(&pair.a), 24, "then all are back");
	is_u64(vas_block_page_used(&pair.b), 0, "and none is elsewhere");
	for (uint32_t i = 1; i < 24; i += 2)
		wrong +=
			vas_block_page_find(&pair.a, vas_block_page_key(&pair.a, pair.record[i])) !=
				pair.record[i] ||
			vas_block_word_state(pair.record[i]->word) != VAS_BLOCK_CACHED;
	is_u64(wrong, 0, "what was held is found where it always was");
	table_close();
}

/* A page that is tidied moves what is its own, and LIVE or MOVED, at every step of a claim. */
static uint64_t tidy_wrong(uint32_t held, uint32_t steps, uint32_t *won)
{
	const struct vas_block_range none = { 0, 0 };
	struct pair pair;
	uint64_t wrong = 0;
	uint32_t at_home = 0;

	table_open();
	pair_make(&pair);
	for (uint32_t i = 0; i < 4; i++)
		pair.record[i]->word = VAS_BLOCK_FREE;
	/* Nothing is its own. */
	vas_block_page_tidy(&pair.a, &none);
	wrong += pair.a.reach != 0;
	for (uint32_t i = 4; i < 24; i++)
		wrong += pair.record[i]->word == VAS_BLOCK_FREE;
	claimer.held = false;
	claimer.left = steps;
	claimer.record = pair.record[held];
	vas_block_page_tidy(&pair.a, &everything);
	claimer.record = NULL;
	*won += claimer.held;
	wrong += !vas_block_page_check(&pair.a, &everything) ||
		 vas_block_page_used(&pair.a) != 20 || pair.a.reach == 0;
	wrong += claimer.held && vas_block_word_state(pair.record[held]->word) != VAS_BLOCK_CACHED;
	for (uint32_t i = 0; i < VAS_BLOCK_LINE_PLACES; i++)
		at_home += pair.a.line[5].record[i].word != VAS_BLOCK_FREE;
	wrong += at_home != VAS_BLOCK_LINE_PLACES;
	return wrong + !block_books_close(&books);
}

static void test_tidy(void)
{
	uint64_t wrong = 0;
	uint32_t won = 0;

	for (uint32_t steps = 1; steps < 400; steps++)
		for (uint32_t held = 4; held < 10; held++)
			wrong += tidy_wrong(held, steps, &won);
	is_u64(wrong, 0, "a page that is tidied leaves what is held, or not its own");
	ok(won > 100, "%u claims came in between", won);
}

/* --- what the checker finds --- */

/* Whether a record stands in the page that rests; or in one that has keys. */
static bool is_in(const struct vas_block_record *record, bool rests)
{
	struct vas_block_page page = vas_block_page_in(&table, table.retired->page[0]);
	bool is = rests && vas_block_page_has(&page, record);

	for (uint64_t at = 0; !rests && !is && at < vas_block_slot_count(&table); at++) {
		page = vas_block_page_in(&table, vas_block_slots(&table)[at]);
		is = vas_block_page_has(&page, record);
	}
	return is;
}

/* The first block that is held, and a stray or not, in a page that rests or one that does not; count: none is. */
static uint32_t held_one(bool stray, bool rests)
{
	uint32_t i = 0;

	while (i < count &&
	       !(block[i].held && (moved_of(i) != NULL) == stray && is_in(block[i].held, rests)))
		i++;
	return i;
}

/* A table of many pages, with strays in a page that has keys, too. */
static void damage_open(void)
{
	table_open();
	retire(1);
	while (count < KEYS && (table.pages < 8 || held_one(true, false) == count)) {
		put_all(1);
		if (count % 3 == 0)
			hold(count - 1);
	}
	if (count == KEYS || held_one(false, false) == count || held_one(true, true) == count ||
	    !vas_block_table_check(&table))
		tap_bail("no table to damage");
	/* The first ones stand in the node that the table had first. */
	for (uint32_t i = 1; i < 3; i++)
		if (!moved_of(i) || is_in(block[i].held, false) || is_in(block[i].held, true))
			tap_bail("block %u is not in the node", i);
}

/* A place in a line where nobody looks for a key. */
static struct vas_block_record *wrong_place(uint32_t i)
{
	struct vas_block_page page = table_page(&table, block[i].key);
	struct vas_block_record *found = NULL;

	for (uint32_t line = 0; line <= page.mask && !found; line++) {
		found = vas_block_line_free(&page.line[line]);
		if (!found)
			continue;
		found->word = vas_block_word(table.origin + block[i].key, 1, 0, VAS_BLOCK_LIVE);
		if (vas_block_page_find(&page, block[i].key) == found ||
		    page.reach == VAS_BLOCK_REACH_ALL) {
			found->word = VAS_BLOCK_FREE;
			found = NULL;
			continue;
		}
		found->word = VAS_BLOCK_FREE;
	}
	if (!found)
		tap_bail("no free place");
	return found;
}

enum damage {
	COUNT,
	PAGE_COUNT,
	LOST,
	TWICE,
	MISPLACED,
	NO_STATE,
	NO_MOVED,
	NO_TARGET,
	OTHER_TARGET,
	TWO_MOVED,
	MOVED_HOME,
	NO_MOVED_RESTING,
	GONE_TARGET,
	OLD_TARGET,
	OLD_MOVED,
	SLOT,
	DAMAGES
};

static const char *const damage_name[DAMAGES] = {
	"a count that is not that of the keys",
	"a count that is not that of the pages",
	"a record that is gone",
	"a record that is there twice",
	"a record in a line where nobody looks",
	"a word with a start and no state",
	"a stray that nobody is MOVED to",
	"a MOVED record without a stray",
	"a MOVED record that leads to another block's",
	"a MOVED record that leads to a MOVED one",
	"a MOVED record of what stands in the page itself",
	"a stray in a resting page that nobody is MOVED to",
	"a MOVED record whose stray went from a page that nobody knows any more",
	"the same that leads to another block's",
	"the same that leads to a MOVED one",
	"a slot amid a page's that leads to another one",
};

static void damage_do(enum damage damage)
{
	uint32_t stray = held_one(true, false), resting = held_one(true, true);
	uint32_t home = held_one(false, false), old = 1;
	struct vas_block_record *place;
	uint64_t *slots = vas_block_slots(&table);
	struct vas_block_share run;

	switch (damage) {
	case COUNT:
		table.count++;
		break;
	case PAGE_COUNT:
		table.pages--;
		break;
	case LOST:
		block[home].held->word = VAS_BLOCK_FREE;
		break;
	case TWICE:
		place = wrong_place(home);
		*place = *block[home].held;
		table.count++;
		break;
	case MISPLACED:
		place = wrong_place(home);
		*place = *block[home].held;
		block[home].held->word = VAS_BLOCK_FREE;
		break;
	case NO_STATE:
		place = block[home].held;
		place->word = vas_block_word_with(place->word, VAS_BLOCK_FREE);
		break;
	case NO_MOVED:
		moved_of(stray)->word = VAS_BLOCK_FREE;
		table.count--;
		break;
	case NO_TARGET:
		block[stray].held->word = VAS_BLOCK_FREE;
		break;
	case OTHER_TARGET:
		moved_of(stray)->link = moved_of(resting)->link;
		break;
	case TWO_MOVED:
		block[stray].held->word =
			vas_block_word_with(block[stray].held->word, VAS_BLOCK_MOVED);
		break;
	case MOVED_HOME:
		place = block[home].held;
		place->word = vas_block_word_with(place->word, VAS_BLOCK_MOVED);
		place->link = vas_block_record_number(&books.records, place, 0);
		break;
	case NO_MOVED_RESTING:
		moved_of(resting)->word = VAS_BLOCK_FREE;
		table.count--;
		break;
	case GONE_TARGET:
		block[old].held->word = VAS_BLOCK_FREE;
		break;
	case OLD_TARGET:
		moved_of(old)->link = moved_of(old + 1)->link;
		break;
	case OLD_MOVED:
		block[old].held->word = vas_block_word_with(block[old].held->word, VAS_BLOCK_MOVED);
		break;
	default:
		run = vas_block_share_at(&table, 0);
		slots[run.begin] = slots[run.end];
		break;
	}
}

static void test_check(void)
{
	for (enum damage damage = 0; damage < DAMAGES; damage++) {
		damage_open();
		damage_do(damage);
		ok(!vas_block_table_check(&table), "the checker finds %s", damage_name[damage]);
		ok(block_books_close(&books), "all memory went back");
	}
}

int main(void)
{
	tap_plan(0);
	test_grow();
	test_settle();
	test_find_own();
	test_remove();
	test_retired();
	test_retired_full();
	test_claims();
	test_settle_claims();
	test_return();
	test_tidy();
	test_check();
	return tap_done();
}
