/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * The table of starts and the records in every order of steps that two or three pre-emptions make: look-ups
 * and frees without a lock, against a zone that changes under its lock. Two ways of doing it wrong are
 * explored too, and must be found.
 */
#include "support/explorer.h"

#define VAS_WORD_STEP()     explorer_step()
#define VAS_BLOCK_PAGE_LINES 4u
#define VAS_BLOCK_PAGE_FEW   2u
/* Pages of records lie further away than this from the first node: they begin where a chunk does, and it ends there. */
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(16) << 10)

#include "core/block_page.c"
#include "core/block_record.c"
#include "core/block_table.c"

#include "base/random.h"
#include "support/block_memory.h"
#include "tap/tap.h"

enum { KEYS = 64, RECORDS_IN_NODE = VAS_BLOCK_NODE_SIZE / sizeof(struct vas_block_record) };

/* How a world is made: so many keys, and what the threads then do with which. */
struct plan {
	uint32_t count;
	bool crowded; /* the keys belong to one line */
	uint32_t changed; /* number of a key that the first thread removes */
	uint32_t looked; /* number of a key that the second thread looks for; KEYS: the extra one */
};

/* One zone, as the allocator keeps it. */
static struct {
	struct block_memory memory;
	struct vas_block_pool pool;
	struct vas_block_records records;
	struct vas_block_table table;
	struct vas_block_spares spares;
	struct vas_block_record_list list;
	uint32_t lock;
	uint32_t key[KEYS + 1]; /* the last one is not there at first */
	uint32_t record[KEYS + 1];
	uint32_t frees; /* that succeeded */
} zone;

static void zone_lock(void)
{
	explorer_lock(NULL, &zone.lock);
}

static void zone_unlock(void)
{
	explorer_unlock(NULL, &zone.lock);
}

/* A live block with a record, under the zone's lock. */
static void block_put(uint32_t index)
{
	uint32_t key = zone.key[index], number;
	uint64_t *entry;

	if (vas_block_records_fill(&zone.records, &zone.list, 1) ||
	    vas_block_table_prepare(&zone.table, &zone.pool, &zone.spares, key, &entry))
		tap_bail("no memory");
	number = vas_block_record_take(&zone.records, &zone.list);
	zone.record[index] = number;
	vas_block_record_set(vas_block_record_at(&zone.records, number),
			     vas_block_word(key, 1, 0, VAS_BLOCK_LIVE), 1, key);
	vas_block_table_insert(&zone.table, entry, key, number);
}

/* Removes a block whose record is the caller's. */
static void block_drop(uint32_t index)
{
	uint32_t number = vas_block_table_remove(&zone.table, zone.key[index]);

	if (number != zone.record[index])
		explorer_fault("record %u was to be removed, and %u was", zone.record[index],
			       number);
	vas_block_record_give(&zone.records, &zone.list, number);
}

static void world_begin(void *state)
{
	struct vas_blocks_support support = block_memory_support(&zone.memory);
	const struct plan *plan = state;
	uint64_t random = 42;
	void *first;

	memset(&zone, 0, sizeof(zone));
	if (support.take(&zone.memory, 32768, &first))
		tap_bail("no memory");
	support.lock = NULL;
	support.unlock = NULL;
	vas_block_pool_init(&zone.pool, &support, first, 32768, 0);
	vas_block_records_init(&zone.records, &zone.pool);
	vas_block_table_init(&zone.table);
	for (uint32_t i = 0; i <= KEYS; i++)
		do
			zone.key[i] = (uint32_t)vas_random_below(&random, 1u << 30);
		while (plan->crowded && vas_block_page_home(zone.key[i], 30) != 1);
	for (uint32_t i = 0; i < plan->count; i++)
		block_put(i);
}

static void world_end(void *state)
{
	(void)state;
	if (!vas_block_table_check(&zone.table) ||
	    !vas_block_records_check(&zone.records, &zone.list))
		explorer_fault("the zone does not hold");
	vas_block_pool_destroy(&zone.pool);
}

/*
 * The threads that change the zone, under its lock.
 */
static void insert_main(void *state)
{
	(void)state;
	zone_lock();
	block_put(KEYS);
	zone_unlock();
}

static void remove_main(void *state)
{
	const struct plan *plan = state;

	zone_lock();
	block_drop(plan->changed);
	zone_unlock();
}

/*
 * The threads that look.
 */
static bool number_is_sane(uint32_t number)
{
	uint32_t first = VAS_BLOCK_RECORD_NEAR / 2 / sizeof(struct vas_block_record);

	/* The node that records begin with is near, and every page is far. */
	if (number < VAS_BLOCK_RECORD_FAR)
		return number - first < RECORDS_IN_NODE;
	return (number - VAS_BLOCK_RECORD_FAR) / VAS_BLOCK_RECORD_PAGE < zone.records.pages;
}

/* A key that is there all the time is found, by its record: at once, or under the lock. */
static void look_main(void *state)
{
	const struct plan *plan = state;
	uint32_t key = zone.key[plan->looked];
	uint32_t number = vas_block_table_find(&zone.table, key);

	if (number == 0) {
		zone_lock();
		number = vas_block_table_find(&zone.table, key);
		zone_unlock();
	}
	if (number != zone.record[plan->looked])
		explorer_fault("key %x is record %u, not %u", key, number,
			       zone.record[plan->looked]);
}

/* Wrong: who finds nothing must look again. */
static void look_once_main(void *state)
{
	const struct plan *plan = state;

	if (vas_block_table_find(&zone.table, zone.key[plan->looked]) == 0)
		explorer_fault("a key is missed without the lock");
}

/* A key that comes meanwhile is not there, or its record is already what it says. */
static void look_new_main(void *state)
{
	uint32_t number = vas_block_table_find(&zone.table, zone.key[KEYS]);
	const struct vas_block_record *record;
	uint64_t word;

	(void)state;
	if (number == 0)
		return;
	if (!number_is_sane(number)) {
		explorer_fault("record %u was never handed out", number);
		return;
	}
	record = vas_block_record_at(&zone.records, number);
	word = vas_word_load(&record->word);
	if (word != vas_block_word(zone.key[KEYS], 1, 0, VAS_BLOCK_LIVE) ||
	    vas_block_record_size(record, word) != 1)
		explorer_fault("a key was found before its record was written");
}

/*
 * Frees as the allocator does them: by the record's word, without a lock, or else under it.
 */
static bool record_free(uint32_t number, uint32_t key)
{
	struct vas_block_record *record = vas_block_record_at(&zone.records, number);
	uint64_t word = vas_word_load(&record->word);

	return vas_block_word_state(word) == VAS_BLOCK_LIVE && vas_block_word_start(word) == key &&
	       vas_word_exchange(&record->word, word, vas_block_word_with(word, VAS_BLOCK_CACHED));
}

static bool block_free(uint32_t key)
{
	uint32_t number = vas_block_table_find(&zone.table, key);
	bool won;

	if (number != 0 && record_free(number, key))
		return true;
	zone_lock();
	number = vas_block_table_find(&zone.table, key);
	won = number != 0 && record_free(number, key);
	zone_unlock();
	return won;
}

static void free_main(void *state)
{
	const struct plan *plan = state;

	zone.frees += block_free(zone.key[plan->looked]);
}

/* Wrong: two of these can both see LIVE. */
static void free_without_swap_main(void *state)
{
	const struct plan *plan = state;
	uint32_t number = vas_block_table_find(&zone.table, zone.key[plan->looked]);
	struct vas_block_record *record = vas_block_record_at(&zone.records, number);
	uint64_t word = vas_word_load(&record->word);

	if (vas_block_word_state(word) != VAS_BLOCK_LIVE)
		return;
	vas_word_store(&record->word, vas_block_word_with(word, VAS_BLOCK_CACHED));
	zone.frees++;
}

/* Wrong: the record may have become another block's. */
static void free_without_start_main(void *state)
{
	const struct plan *plan = state;
	uint32_t number = vas_block_table_find(&zone.table, zone.key[plan->looked]);
	struct vas_block_record *record;
	uint64_t word;

	if (number == 0)
		return;
	record = vas_block_record_at(&zone.records, number);
	word = vas_word_load(&record->word);
	if (vas_block_word_state(word) == VAS_BLOCK_LIVE)
		zone.frees += vas_word_exchange(&record->word, word,
						 vas_block_word_with(word, VAS_BLOCK_CACHED));
}

/* Frees, and uses the record for another block at once; the start, too, if it is to be taken again. */
static void reuse(uint32_t key, bool again)
{
	if (!block_free(zone.key[key]))
		return;
	zone.frees++;
	zone_lock();
	block_drop(key);
	block_put(KEYS);
	if (again)
		block_put(key);
	zone_unlock();
}

static void recycle_main(void *state)
{
	reuse(((const struct plan *)state)->looked, false);
}

/* The start then has another record, in another place of the table. */
static void replace_main(void *state)
{
	reuse(((const struct plan *)state)->looked, true);
}

/* Exactly one of the frees succeeded. */
static void one_free_end(void *state)
{
	if (zone.frees != 1)
		explorer_fault("%u frees of one block succeeded", zone.frees);
	world_end(state);
}

static uint64_t record_state(uint32_t index)
{
	return vas_block_word_state(vas_block_record_at(&zone.records, zone.record[index])->word);
}

/* One free succeeded; if it was the recycler's, the block that it made is live. */
static void recycled_end(void *state)
{
	if (zone.record[KEYS] != 0 && record_state(KEYS) != VAS_BLOCK_LIVE)
		explorer_fault("a block was freed by another one's address");
	one_free_end(state);
}

/* Each block was freed once at most: the old one, or the old one and the new one. */
static void replaced_end(void *state)
{
	const struct plan *plan = state;
	bool new_live = record_state(plan->looked) == VAS_BLOCK_LIVE;

	if (zone.record[KEYS] != 0 && record_state(KEYS) != VAS_BLOCK_LIVE)
		explorer_fault("a block was freed by another one's address");
	if (zone.frees != (zone.record[KEYS] != 0 ? 2u - new_live : 1u))
		explorer_fault("%u frees, and the block is %s", zone.frees,
			       new_live ? "live" : "free");
	world_end(state);
}

/*
 * Plans: found by trying, so that each change moves the entry that is looked for.
 */
static const uint64_t *entry_of(uint32_t index)
{
	struct vas_block_page page =
		vas_block_page_of(*vas_block_table_slot(zone.table.directory, zone.key[index]));

	for (uint32_t i = 0; i <= page.mask; i++)
		for (uint32_t j = 0; j < VAS_BLOCK_LINE_ENTRIES; j++)
			if ((uint32_t)page.line[i].entry[j] == (zone.key[index] | PRESENT))
				return &page.line[i].entry[j];
	return NULL;
}

enum change { FIRST, GROW, CUT, CUT_AGAIN, SHARE, CHANGES };

static const char *const change_name[CHANGES] = {
	"a table's first page", "a page for a node", "a first cut", "a cut", "a share",
};

/* What an insert does to the table. */
static enum change change_of(uint32_t pages, uint64_t slot, uint64_t directory)
{
	if (pages == 0)
		return FIRST;
	if (zone.table.pages > pages)
		return directory != zone.table.directory ? CUT : CUT_AGAIN;
	if (slot != zone.table.slot)
		return GROW;
	return SHARE;
}

/* A number of keys with which the next insert does what is wanted, and a key that it moves. */
static bool plan_insert(enum change wanted, struct plan *plan)
{
	const uint64_t *before[KEYS];

	*plan = (struct plan){ .looked = KEYS };
	for (; plan->count < KEYS; plan->count++) {
		uint64_t slot, directory;
		uint32_t pages;

		world_begin(plan);
		pages = zone.table.pages;
		slot = zone.table.slot;
		directory = zone.table.directory;
		for (uint32_t i = 0; i < plan->count; i++)
			before[i] = entry_of(i);
		block_put(KEYS);
		if (change_of(pages, slot, directory) == wanted)
			for (uint32_t i = 0; i < plan->count; i++)
				if (entry_of(i) != before[i])
					plan->looked = i;
		vas_block_pool_destroy(&zone.pool);
		if (plan->looked < KEYS || (wanted == FIRST && pages == 0))
			return true;
	}
	return false;
}

/* A removal that lets another key's entry come home. more: of a line with more away than it notes. */
static bool plan_remove(bool more, struct plan *plan)
{
	*plan = (struct plan){ .count = more ? 18 : 26, .crowded = more, .looked = KEYS };
	for (; plan->changed < plan->count; plan->changed++) {
		const uint64_t *before[KEYS];

		world_begin(plan);
		for (uint32_t i = 0; i < plan->count; i++)
			before[i] = entry_of(i);
		block_drop(plan->changed);
		for (uint32_t i = 0; i < plan->count; i++)
			if (i != plan->changed && entry_of(i) != before[i])
				plan->looked = i;
		vas_block_pool_destroy(&zone.pool);
		if (plan->looked < KEYS)
			return true;
	}
	return false;
}

static void test_inserts(void)
{
	for (enum change change = 0; change < CHANGES; change++) {
		struct plan plan;
		bool found = plan_insert(change, &plan);
		struct explorer_scenario scenario = { .name = change_name[change],
						      .state = &plan,
						      .begin = world_begin,
						      .thread = { insert_main, look_new_main },
						      .end = world_end,
						      .preemptions = 2 };

		if (!ok(found, "%s: after %u keys", scenario.name, plan.count))
			continue;
		explorer_point(&scenario, false);
		if (change == FIRST)
			continue;
		scenario.thread[1] = look_main;
		explorer_point(&scenario, false);
		/* But a page that is replaced whole stays as it was. */
		scenario.thread[1] = look_once_main;
		explorer_point(&scenario, change != GROW);
	}
}

static void test_removes(void)
{
	for (uint32_t more = 0; more < 2; more++) {
		struct plan plan;
		bool found = plan_remove(more, &plan);
		struct explorer_scenario scenario = { .name = more ? "a search for what is away"
								   : "an entry comes home",
						      .state = &plan,
						      .begin = world_begin,
						      .thread = { remove_main, look_main },
						      .end = world_end,
						      .preemptions = 3 };

		if (!ok(found, "%s: key %u goes", scenario.name, plan.changed))
			continue;
		explorer_point(&scenario, false);
	}
}

static void test_frees(void)
{
	struct plan plan = { .count = 20, .looked = 7 };
	struct explorer_scenario scenario = { .name = "three frees of one block",
					      .state = &plan,
					      .begin = world_begin,
					      .thread = { free_main, free_main, free_main },
					      .end = one_free_end,
					      .preemptions = 2 };

	explorer_point(&scenario, false);
	scenario.name = "frees that do not swap";
	scenario.thread[0] = free_without_swap_main;
	scenario.thread[1] = free_without_swap_main;
	scenario.thread[2] = NULL;
	explorer_point(&scenario, true);
	scenario.name = "a free against a recycled record";
	scenario.thread[0] = recycle_main;
	scenario.thread[1] = free_main;
	scenario.end = recycled_end;
	scenario.preemptions = 3;
	explorer_point(&scenario, false);
	scenario.name = "a free that does not look at the start";
	scenario.thread[1] = free_without_start_main;
	explorer_point(&scenario, true);
	scenario.name = "a free against one and an alloc of the same start";
	scenario.thread[0] = replace_main;
	scenario.thread[1] = free_main;
	scenario.end = replaced_end;
	explorer_point(&scenario, false);
}

/* A record in a page that is new, of a directory that is new. */
static void test_records(void)
{
	struct plan plan = { .count = RECORDS_IN_NODE, .looked = KEYS };
	struct explorer_scenario scenario = { .name = "records of a new page",
					      .state = &plan,
					      .begin = world_begin,
					      .thread = { insert_main, look_new_main,
							  look_new_main },
					      .end = world_end,
					      .preemptions = 2 };

	explorer_point(&scenario, false);
	scenario.name = "a free while the records grow";
	scenario.thread[1] = free_main;
	scenario.thread[2] = NULL;
	scenario.end = one_free_end;
	plan.looked = 7;
	explorer_point(&scenario, false);
}

int main(void)
{
	tap_plan(0);
	test_inserts();
	test_removes();
	test_frees();
	test_records();
	return tap_done();
}
