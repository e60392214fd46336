/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 4 */
/*
 * Tables of starts whose keys go: their pages are joined, what is left over is for other tables, and records
 * that are somebody's stay where they are until they are not.
 */
#include "core/block_table.h"

#include <string.h>

#include "base/random.h"
#include "support/block_books.h"
#include "tap/tap.h"

#define ORIGIN (UINT64_C(7) << 31)

enum { KEYS = 12000, LEFT = 1000, HELD = 24 /* every so manieth */, CHANCES = 4000 };

static struct block_books books;
static struct vas_block_spares spares;
static struct vas_block_table table;
static uint32_t key[KEYS];
static uint32_t count;
static uint64_t random_state;

static void table_open(struct vas_block_table *made, uint64_t origin)
{
	memset(&spares, 0, sizeof(spares));
	vas_block_table_init(made, &books.records, origin);
}

static void world_open(void)
{
	block_books_open(&books);
	random_state = 3;
	count = 0;
	table_open(&table, ORIGIN);
}

static void world_close(void)
{
	ok(vas_block_records_check(&books.records) && vas_block_pool_check(&books.pool),
	   "records and pool hold");
	ok(block_books_close(&books), "all memory went back");
}

static void enter(struct vas_block_table *to, uint32_t new_key)
{
	struct vas_block_record *place;

	if (block_books_put(&books, to, &spares, new_key, new_key % 500 + 1, new_key % 50, ~new_key,
			    &place))
		tap_bail("no memory");
}

static void put(void)
{
	do
		key[count] = (uint32_t)vas_random_below(&random_state, VAS_BLOCK_KEY_MOST);
	while (vas_block_table_find(&table, key[count]));
	enter(&table, key[count]);
	count++;
}

static void put_all(uint32_t keys)
{
	while (count < keys)
		put();
}

/* One key goes, drawn from those from first on. */
static void drop(uint32_t first)
{
	uint32_t i = first + (uint32_t)vas_random_below(&random_state, count - first);

	vas_block_table_remove(&table, key[i]);
	key[i] = key[--count];
}

static uint64_t wrong(void)
{
	uint64_t bad = !vas_block_table_check(&table) || table.count != count, word;
	uint32_t area;

	for (uint32_t i = 0; i < count; i++) {
		struct vas_block_record *record = block_books_live(&table, key[i], &word, &area);

		bad += !record || vas_block_table_find_own(&table, key[i]) != record ||
		       record->link != ~key[i] ||
		       vas_block_record_size(record, word) != key[i] % 500 + 1;
	}
	return bad;
}

static uint32_t kept_pages(void)
{
	uint32_t pages = 0;

	for (uint32_t number = books.records.kept; number; pages++)
		number = vas_block_record_at(&books.records, number)->link;
	return pages;
}

static double bytes_a_key(void)
{
	return table.pages * (double)VAS_BLOCK_PAGE_SIZE / count;
}

/* Keys go, and another table gets others. */
static void test_wander(void)
{
	struct vas_block_table other;
	uint32_t most, kept;
	uint64_t memory;

	world_open();
	put_all(KEYS);
	most = table.pages;
	while (count > LEFT) {
		drop(0);
		(void)vas_block_table_join(&table);
	}
	is_u64(wrong(), 0, "keys that are left are found, and the table holds");
	ok(bytes_a_key() < 43, "they take %.1f bytes each, of %u pages that were %u", bytes_a_key(),
	   table.pages, most);
	kept = kept_pages();
	is_u64(kept + table.pages, most, "all other pages are left over");
	memory = books.pool.books;
	table_open(&other, ORIGIN + (UINT64_C(1) << 31));
	for (uint32_t i = 0; i < KEYS / 2; i++)
		enter(&other, i * 12289);
	ok(other.pages > 20 && kept_pages() + other.pages <= kept + 2,
	   "another table takes them: %u", other.pages);
	ok(books.pool.books <= memory + 4 * VAS_BLOCK_PAGE_SIZE, "and hardly any new memory");
	ok(vas_block_table_check(&other) && wrong() == 0, "both hold");
	while (count > 0) {
		drop(0);
		(void)vas_block_table_join(&table);
	}
	ok(vas_block_table_check(&table) && table.pages == 1, "without keys there is a page");
	put_all(LEFT);
	is_u64(wrong(), 0, "and it grows again");
	world_close();
}

/* Keys come and go, and are about as many. */
static void test_churn(void)
{
	double worst = 0, first;
	uint64_t memory;

	world_open();
	put_all(KEYS);
	first = bytes_a_key();
	memory = books.pool.books;
	for (uint32_t turn = 0; turn < 6; turn++) {
		while (count > KEYS * 3 / 4) {
			drop(0);
			(void)vas_block_table_join(&table);
		}
		worst = bytes_a_key() > worst ? bytes_a_key() : worst;
		while (count < KEYS) {
			put();
			(void)vas_block_table_join(&table);
		}
		worst = bytes_a_key() > worst ? bytes_a_key() : worst;
	}
	is_u64(wrong(), 0, "after six times three quarters of the keys");
	ok(worst < 43, "they take %.1f bytes each, %.1f at most", first, worst);
	ok(books.pool.books <= memory + memory / 8, "and the memory that they began with");
	world_close();
}

/* When all pages were looked at there is rest, until more keys have gone. */
static void test_rest(void)
{
	uint64_t directory;
	uint32_t pages;

	world_open();
	put_all(KEYS);
	while (count > KEYS / 2)
		drop(0);
	for (uint32_t i = 0; i < CHANCES; i++)
		(void)vas_block_table_join(&table);
	pages = table.pages;
	directory = table.directory;
	ok(table.loose <= count, "after enough chances nothing is left to join");
	for (uint32_t i = 0; i < CHANCES; i++)
		(void)vas_block_table_join(&table);
	ok(table.pages == pages && table.directory == directory, "nor after more of them");
	is_u64(wrong(), 0, "the keys are found");
	/* Two pages, about a third full each. */
	while (count > 180) {
		drop(0);
		(void)vas_block_table_join(&table);
	}
	for (uint32_t i = 0; i < CHANCES; i++)
		(void)vas_block_table_join(&table);
	ok(table.pages == 2 && table.loose <= count,
	   "two pages that are too full for one rest, too");
	world_close();
}

static struct vas_block_record *held[KEYS];

static bool is_held(const struct vas_block_record *record, uint32_t holds)
{
	for (uint32_t i = 0; i < holds; i++)
		if (record == held[i])
			return true;
	return false;
}

/* Records that are CACHED are in the way. */
static void test_held(void)
{
	uint32_t holds = KEYS / HELD, area, told = 0, foreign = 0, kept;
	const struct vas_block_record *stray;
	uint64_t bad = 0, word;

	world_open();
	put_all(KEYS);
	for (uint32_t i = 0; i < holds; i++) {
		held[i] = block_books_live(&table, key[i], &word, &area);
		if (!held[i] || !block_books_hold(held[i]))
			tap_bail("a record is not to be had");
	}
	while (count > LEFT)
		drop(holds);
	for (uint32_t i = 0; i < CHANCES; i++) {
		stray = vas_block_table_join(&table);
		told += stray != NULL;
		foreign += stray && !is_held(stray, holds);
	}
	kept = kept_pages();
	for (uint32_t i = 0; i < holds; i++)
		bad += vas_block_table_find(&table, key[i]) != held[i] || held[i]->link != ~key[i];
	is_u64(bad, 0, "records that are held stay where they are");
	ok(told > 0 && foreign == 0,
	   "of the pages that are left over, those with one tell it, %u times", told);
	ok(vas_block_table_check(&table), "the table holds");
	for (uint32_t i = 0; i < holds; i++)
		block_books_release(held[i]);
	for (uint32_t i = 0; i < CHANCES; i++)
		stray = vas_block_table_join(&table);
	ok(!stray, "when they are LIVE, nothing is in the way");
	ok(kept_pages() > kept, "and the pages are for others: %u, and %u before", kept_pages(),
	   kept);
	/* Those in other pages come home when they are looked up. */
	for (uint32_t i = 0; i < holds; i++)
		(void)vas_block_table_find(&table, key[i]);
	is_u64(wrong(), 0, "all keys are found without the lock, then");
	world_close();
}

int main(void)
{
	tap_plan(0);
	test_wander();
	test_churn();
	test_rest();
	test_held();
	return tap_done();
}
