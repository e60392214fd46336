/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 6 */
/*
 * Tables of starts against a flat array: keys come and go at random, many or few at a time, in every pattern; some
 * records are held for a while, as lists and calls without the lock hold them. Each look-up answers what the array
 * says, and a record that is held stays where it is, as it is.
 */
#include <string.h>

#include "base/random.h"
#include "support/block_books.h"

enum { KEYS = 6000, ZONES = 2, HELD_MOST = 2000 };

/* Where keys lie. */
enum pattern { DENSE, STRIDED, RANDOM, CROWDED, PATTERNS };

static const char *const pattern_name[PATTERNS] = { "dense", "strided", "random", "crowded" };

/* What is true of a key. */
struct truth {
	uint32_t key;
	uint32_t mark;
	uint64_t size;
	uint32_t class;
	bool there;
	uint32_t link; /* while it is held */
	struct vas_block_record *held; /* where the record is that the test has; NULL: none */
};

/* A table, as a zone has it; they share the rest. */
struct zone {
	struct vas_block_table table;
	struct vas_block_spares spares;
	struct truth truth[KEYS];
	uint32_t live;
	uint32_t held[HELD_MOST]; /* indices of what is held */
	uint32_t held_count;
	uint64_t strays; /* looks at what was held and away from its page */
};

static struct block_books books;
static struct zone zones[ZONES];
static uint64_t random_state;
static uint32_t marks;

static uint32_t below(uint64_t bound)
{
	return (uint32_t)vas_random_below(&random_state, bound);
}

/* Crowded: nearly all keys belong to few lines, so that many stand away from their own. */
static uint32_t key_draw(enum pattern pattern, uint32_t i)
{
	uint32_t key;

	switch (pattern) {
	case DENSE:
		return i;
	case STRIDED:
		return i * 131072u & VAS_BLOCK_KEY_MOST;
	case RANDOM:
		return below(VAS_BLOCK_KEY_MOST);
	default:
		do
			key = below(VAS_BLOCK_KEY_MOST);
		while (vas_block_page_home(key, 26) % 16 != 3 && i % 8 != 0);
		return key;
	}
}

static bool key_is_new(const struct zone *zone, uint32_t key, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (zone->truth[i].key == key)
			return false;
	return true;
}

static void zone_make(struct zone *zone, uint64_t origin, enum pattern pattern)
{
	memset(zone, 0, sizeof(*zone));
	vas_block_table_init(&zone->table, &books.records, origin);
	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t key;

		do
			key = key_draw(pattern, i);
		while (pattern > STRIDED && !key_is_new(zone, key, i));
		zone->truth[i].key = key;
	}
}

/* --- what is found against what is true --- */

static bool content_is(const struct zone *zone, const struct vas_block_record *record,
		       const struct truth *truth)
{
	uint64_t state = truth->held ? VAS_BLOCK_CACHED : VAS_BLOCK_LIVE;

	return record->word == vas_block_word(zone->table.origin + truth->key, truth->size,
					      truth->class, state) &&
	       vas_block_record_size(record, record->word) == truth->size &&
	       vas_block_record_class(record, record->word) == truth->class &&
	       record->link == (truth->held ? truth->link : truth->mark);
}

/* What is found without the lock, with nobody changing the table, is LIVE and true. */
static uint64_t look_wrong(const struct zone *zone, const struct truth *truth)
{
	uint64_t wanted = vas_block_word(zone->table.origin + truth->key, 1, 0, VAS_BLOCK_LIVE);
	uint64_t word;
	uint32_t area = 0, other;
	struct vas_block_record *live = block_books_live(&zone->table, truth->key, &word, &area);
	struct vas_block_record *plain =
		vas_block_directory_plain(zone->table.directory, truth->key, wanted, &other);

	if (!plain)
		plain = vas_block_directory_beside(zone->table.directory, truth->key, wanted,
						   &other);
	if (!live)
		return plain != NULL;
	return !truth->there || truth->held || !content_is(zone, live, truth) ||
	       word != live->word || (plain && (plain != live || other != area)) ||
	       vas_block_record_at(&books.records,
				   vas_block_record_number(&books.records, live, area)) != live;
}

static uint64_t find_wrong(struct zone *zone, const struct truth *truth)
{
	uint64_t wrong = look_wrong(zone, truth), word;
	struct vas_block_record *own = vas_block_table_find_own(&zone->table, truth->key), *record;
	uint32_t area;

	record = vas_block_table_find(&zone->table, truth->key);
	if (!truth->there)
		return wrong + (record != NULL || own != NULL);
	if (!record || !content_is(zone, record, truth) || (own && own != record))
		return wrong + 1;
	if (truth->held) {
		zone->strays += !own;
		return wrong + (record != truth->held);
	}
	/* Everybody finds it now. */
	return wrong + (!own || block_books_live(&zone->table, truth->key, &word, &area) != record);
}

static uint64_t zone_wrong(struct zone *zone)
{
	uint64_t wrong = !vas_block_table_check(&zone->table) || zone->table.count != zone->live;

	/* Now as it is, and then settled. */
	for (uint32_t i = 0; i < KEYS; i++)
		wrong += look_wrong(zone, &zone->truth[i]);
	for (uint32_t i = 0; i < KEYS; i++)
		wrong += find_wrong(zone, &zone->truth[i]);
	return wrong + !vas_block_table_check(&zone->table);
}

/* --- steps --- */

static uint64_t step_add(struct zone *zone, struct truth *truth)
{
	struct vas_block_record *place;

	truth->mark = ++marks;
	truth->class = below(4) ? below(VAS_BLOCK_NO_CLASS) : VAS_BLOCK_NO_CLASS;
	truth->size = 1 + (truth->class == VAS_BLOCK_NO_CLASS ? below(UINT64_C(1) << 43)
							      : below(1u << VAS_BLOCK_CLASS_SHIFT));
	truth->there = true;
	zone->live++;
	return block_books_put(&books, &zone->table, &zone->spares, truth->key, truth->size,
			       truth->class, truth->mark, &place) != 0;
}

/* As who frees it under the lock; or as who has taken it out of a list. */
static uint64_t step_remove(struct zone *zone, struct truth *truth)
{
	struct vas_block_record *own = vas_block_table_find_own(&zone->table, truth->key);

	if (own && below(2))
		vas_block_table_remove_own(&zone->table, own);
	else
		vas_block_table_remove(&zone->table, truth->key);
	truth->there = false;
	truth->held = NULL;
	zone->live--;
	return 0;
}

static uint64_t step_hold(struct zone *zone, struct truth *truth)
{
	uint64_t word;
	uint32_t area;
	struct vas_block_record *record = block_books_live(&zone->table, truth->key, &word, &area);

	/* Without the lock a stray is not found. */
	if (!record || zone->held_count == HELD_MOST)
		return 0;
	truth->link = truth->mark;
	truth->held = record;
	zone->held[zone->held_count++] = (uint32_t)(truth - zone->truth);
	return !block_books_hold(record);
}

/* What is held: another link; it is LIVE again with another mark; or it goes. */
static uint64_t step_held(struct zone *zone, uint32_t which)
{
	struct truth *truth = &zone->truth[zone->held[which]];
	uint64_t wrong = !truth->held || !content_is(zone, truth->held, truth);

	if (wrong)
		return wrong;
	if (below(4) == 0) {
		truth->link = ++marks;
		truth->held->link = truth->link;
		return 0;
	}
	zone->held[which] = zone->held[--zone->held_count];
	if (below(3) == 0)
		return step_remove(zone, truth);
	truth->mark = ++marks;
	truth->held->link = truth->mark;
	block_books_release(truth->held);
	truth->held = NULL;
	return 0;
}

/* What is wrong after one step. keep: how many may be held. */
static uint64_t zone_step(struct zone *zone, uint32_t fill, uint32_t keep)
{
	struct truth *truth = &zone->truth[below(KEYS)], *other = &zone->truth[below(KEYS)];
	bool want = below(100) < fill;
	uint64_t wrong = below(4) ? find_wrong(zone, truth) : look_wrong(zone, truth);

	if (want && !truth->there)
		wrong += step_add(zone, truth);
	else if (want && !truth->held && zone->held_count < keep)
		wrong += step_hold(zone, truth);
	else if (!want && truth->there && !truth->held)
		wrong += step_remove(zone, truth);
	/* The latest more often, so that some are held for long. */
	if (zone->held_count > keep || (zone->held_count && below(8) == 0))
		wrong += step_held(zone, below(4) ? zone->held_count - 1 : below(zone->held_count));
	/* What is in the way is held. */
	if (below(2)) {
		const struct vas_block_record *stray = vas_block_table_join(&zone->table);

		wrong += stray && vas_block_word_state(stray->word) != VAS_BLOCK_CACHED;
	}
	return wrong + (below(4) ? look_wrong(zone, truth) : find_wrong(zone, truth)) +
	       look_wrong(zone, other);
}

static void run(enum pattern pattern)
{
	uint64_t steps = tap_scaled(200000), wrong = 0, most = 0, strays = 0;

	block_books_open(&books);
	zone_make(&zones[0], UINT64_C(7) << 31, pattern);
	zone_make(&zones[1], 0, pattern);
	for (uint64_t step = 0; step < steps && wrong == 0; step++) {
		struct zone *zone = &zones[step % ZONES];

		/* Nearly full, then nearly empty, and so on; with few that are held, or many. */
		wrong += zone_step(zone, step / (4 * KEYS) % 2 == 0 ? 92 : 8,
				   step / (2 * KEYS) % 3 == 0 ? 300 : HELD_MOST);
		most = zone->live > most ? zone->live : most;
		if (step % 10000 < ZONES)
			wrong += zone_wrong(zone);
	}
	for (uint32_t i = 0; i < ZONES; i++)
		strays += zones[i].strays;
	ok(wrong == 0, "%s: %llu steps are as in the flat array", pattern_name[pattern],
	   (unsigned long long)steps);
	ok((most > KEYS / 2 && strays > 100) || steps < 2 * KEYS,
	   "up to %llu keys were there, %llu looks at what was held and away",
	   (unsigned long long)most, (unsigned long long)strays);
	ok(vas_block_records_check(&books.records) && vas_block_pool_check(&books.pool),
	   "numbers and pool hold");
	ok(block_books_close(&books), "all memory went back");
}

int main(void)
{
	tap_plan(0);
	random_state = tap_seed();
	for (enum pattern pattern = 0; pattern < PATTERNS; pattern++)
		run(pattern);
	return tap_done();
}
