/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 6 */
/*
 * A table of starts with its records, against a flat array: keys come and go at random, many or few at a
 * time, in every pattern, and each look-up answers what the array says.
 */
#include <string.h>

#include "base/random.h"
#include "core/block_record.h"
#include "core/block_table.h"
#include "support/block_memory.h"
#include "tap/tap.h"

enum { KEYS = 6000, ZONES = 2 };

/* Where keys lie. */
enum pattern { DENSE, STRIDED, RANDOM, CROWDED, PATTERNS };

static const char *const pattern_name[PATTERNS] = { "dense", "strided", "random", "crowded" };

/* A table with its list of records, as a zone has them; they share the rest. */
struct zone {
	struct vas_block_table table;
	struct vas_block_spares spares;
	struct vas_block_record_list list;
	uint32_t key[KEYS];
	uint32_t record[KEYS]; /* the truth; 0 = not there */
	uint32_t live;
};

static struct block_memory memory;
static struct vas_block_pool pool;
static struct vas_block_records records;
static struct zone zones[ZONES];
static uint64_t random_state;

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
		return (uint32_t)vas_random_below(&random_state, VAS_BLOCK_KEY_MOST);
	default:
		do
			key = (uint32_t)vas_random_below(&random_state, VAS_BLOCK_KEY_MOST);
		while (vas_block_page_home(key, 26) % 16 != 3 && i % 8 != 0);
		return key;
	}
}

static bool key_is_new(const struct zone *zone, uint32_t key, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (zone->key[i] == key)
			return false;
	return true;
}

static void zone_make(struct zone *zone, enum pattern pattern)
{
	memset(zone, 0, sizeof(*zone));
	vas_block_table_init(&zone->table);
	for (uint32_t i = 0; i < KEYS; i++) {
		do
			zone->key[i] = key_draw(pattern, i);
		while (pattern > STRIDED && !key_is_new(zone, zone->key[i], i));
	}
}

/* Adds or removes one key; what is wrong. */
static uint64_t zone_step(struct zone *zone, uint32_t fill)
{
	uint32_t i = (uint32_t)vas_random_below(&random_state, KEYS), key = zone->key[i];
	uint32_t other = (uint32_t)vas_random_below(&random_state, KEYS);
	bool want = vas_random_below(&random_state, 100) < fill;
	uint64_t wrong = vas_block_table_find(&zone->table, key) != zone->record[i], *entry;

	if (want && !zone->record[i]) {
		wrong += vas_block_records_fill(&records, &zone->list, 1) != 0;
		wrong += vas_block_table_prepare(&zone->table, &pool, &zone->spares, key, &entry) != 0;
		wrong += vas_block_table_find(&zone->table, key) != 0;
		zone->record[i] = vas_block_record_take(&records, &zone->list);
		vas_block_record_set(vas_block_record_at(&records, zone->record[i]),
				     vas_block_word(key, 1, 0, VAS_BLOCK_LIVE), 1, i);
		vas_block_table_insert(&zone->table, entry, key, zone->record[i]);
		zone->live++;
	} else if (!want && zone->record[i]) {
		wrong += vas_block_table_remove(&zone->table, key) != zone->record[i];
		vas_block_record_give(&records, &zone->list, zone->record[i]);
		vas_block_records_trim(&records, &zone->list, 100);
		zone->record[i] = 0;
		zone->live--;
	} else if (!want) {
		wrong += vas_block_table_remove(&zone->table, key) != 0;
	}
	wrong += vas_block_table_find(&zone->table, key) != zone->record[i];
	wrong += vas_block_table_find(&zone->table, zone->key[other]) != zone->record[other];
	return wrong;
}

/* Everything against the truth. */
static uint64_t zone_wrong(const struct zone *zone)
{
	uint64_t wrong = !vas_block_table_check(&zone->table) ||
			 !vas_block_records_check(&records, &zone->list) ||
			 zone->table.count != zone->live;

	for (uint32_t i = 0; i < KEYS; i++) {
		const struct vas_block_record *record;

		wrong += vas_block_table_find(&zone->table, zone->key[i]) != zone->record[i];
		if (!zone->record[i])
			continue;
		record = vas_block_record_at(&records, zone->record[i]);
		wrong += vas_block_word_start(record->word) != zone->key[i] || record->link != i;
	}
	return wrong;
}

static void run(enum pattern pattern)
{
	struct vas_blocks_support support = block_memory_support(&memory);
	uint64_t steps = tap_scaled(200000), wrong = 0, most = 0;
	void *first;

	memset(&memory, 0, sizeof(memory));
	if (support.take(&memory, 4096, &first))
		tap_bail("no memory");
	vas_block_pool_init(&pool, &support, first, 4096, 0);
	vas_block_records_init(&records, &pool);
	for (uint32_t i = 0; i < ZONES; i++)
		zone_make(&zones[i], pattern);
	for (uint64_t step = 0; step < steps && wrong == 0; step++) {
		struct zone *zone = &zones[step % ZONES];

		/* Nearly full, then nearly empty, and so on. */
		wrong += zone_step(zone, step / (4 * KEYS) % 2 == 0 ? 92 : 8);
		most = zone->live > most ? zone->live : most;
		if (step % 5000 < ZONES)
			wrong += zone_wrong(zone);
	}
	ok(wrong == 0, "%s: %llu steps are as in the flat array", pattern_name[pattern],
	   (unsigned long long)steps);
	ok(most > KEYS / 2 || steps < 2 * KEYS, "up to %llu keys were there",
	   (unsigned long long)most);
	ok(vas_block_pool_check(&pool), "the pool holds");
	vas_block_pool_destroy(&pool);
	is_u64(memory.out + memory.overlaps, 0, "all memory went back");
}

int main(void)
{
	tap_plan(0);
	random_state = tap_seed();
	for (enum pattern pattern = 0; pattern < PATTERNS; pattern++)
		run(pattern);
	return tap_done();
}
