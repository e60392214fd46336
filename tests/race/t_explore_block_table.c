/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * The table of starts and its records in every order of steps that two or three pre-emptions make: look-ups,
 * frees, pops and marks without a lock, against a zone that changes under its lock, while records move, or
 * stay behind as strays. Ways of doing it wrong are explored too, and must be found.
 */
#include "support/table_world.h"

#include <stdio.h>

/*
 * The threads that change the zone, under its lock.
 */
static void insert_main(void *state)
{
	(void)state;
	zone_lock();
	block_put(NEW);
	zone_unlock();
}

/* Who looks up what is LIVE under the lock lets it come to its own place. */
static void settle_main(void *state)
{
	const struct plan *plan = state;

	zone_lock();
	(void)vas_block_table_find(&zone.table, zone.key[plan->looked]);
	zone_unlock();
}

/* The key goes back, and those after it, to the page that it came from when that was cut. */
static void back_main(void *state)
{
	const struct plan *plan = state;
	struct vas_block_page from, to;
	struct vas_block_range range;
	struct vas_block_share run, back;

	zone_lock();
	run = run_of(&zone.table, zone.key[plan->looked]);
	from = vas_block_page_in(&zone.table, slot_now(plan->looked));
	to = vas_block_page_in(&zone.table, vas_block_slots(&zone.table)[run.end]);
	back = run;
	back.begin = (uint64_t)(vas_block_table_slot(zone.table.directory, zone.key[plan->looked]) -
				vas_block_slots(&zone.table));
	range = vas_block_share_range(&zone.table, &back);
	vas_block_page_move(&to, &from, &range);
	back.end = vas_block_share_at(&zone.table, run.end).end;
	vas_block_share_set(&zone.table, &back, &to);
	zone.table.pages -= back.begin == run.begin;
	zone_unlock();
}

/* Takes the block out of the magazine. */
static bool unlist(void)
{
	struct vas_block_record *record;
	uint64_t word;

	return vas_block_magazine_take(&zone.magazine, 0, &zone.records, 0, 0, &record, &word,
				       false);
}

/* It goes to the books, and its place is another block's at once. */
static void drop_main(void *state)
{
	const struct plan *plan = state;

	if (!unlist())
		return;
	zone_lock();
	vas_block_table_remove(&zone.table, zone.key[plan->looked]);
	zone.gone = true;
	block_put(OTHER);
	zone_unlock();
}

/* Wrong: what the key is MOVED to is not FREE then. */
static void drop_place_main(void *state)
{
	const struct plan *plan = state;

	if (!unlist())
		return;
	zone_lock();
	vas_word_store(&place_of(plan->looked)->word, VAS_BLOCK_FREE);
	zone.table.count--;
	zone.gone = true;
	zone_unlock();
}

/* Wrong: a record that is CACHED is its owner's, and must not move. */
static void move_cached_main(void *state)
{
	const struct plan *plan = state;
	struct vas_block_record *record, *place;
	struct vas_block_page page;
	uint64_t word;

	zone_lock();
	page = vas_block_page_in(&zone.table, slot_now(plan->looked));
	record = place_of(plan->looked);
	word = vas_word_load(&record->word);
	place = vas_block_page_near(&page, zone.key[plan->looked]);
	if (vas_block_word_state(word) == VAS_BLOCK_CACHED) {
		vas_block_record_copy(place, record, word);
		vas_word_store(&record->word, VAS_BLOCK_FREE);
	}
	zone_unlock();
}

/*
 * The last one of a page that was retired goes, and its start is taken again; and blocks come until the
 * page is in use again.
 */
static void again_main(void *state)
{
	const struct plan *plan = state;

	if (!unlist())
		return;
	zone_lock();
	vas_block_table_remove(&zone.table, zone.key[plan->looked]);
	block_put(plan->looked);
	zone.lives++;
	for (uint32_t i = plan->count; i < plan->more; i++)
		block_put(i);
	zone_unlock();
}

/*
 * The threads that look.
 */

/* A key that comes meanwhile is not there, or its record is already what it says. */
static void look_new_main(void *state)
{
	struct found found;

	(void)state;
	if (found_in(slot_now(NEW), NEW, &found) && !record_seen(found.record, NEW))
		explorer_fault("a key was found before its record was written");
}

/* A block is seen as it is, or was: at once, or under the lock. */
static void look_main(void *state)
{
	const struct plan *plan = state;

	if (!block_look(plan->looked, slot_now(plan->looked)) && plan->stays)
		explorer_fault("a block that is there is not found");
}

/* By a page that the key belonged to before. */
static void look_stale_main(void *state)
{
	const struct plan *plan = state;

	if (!block_look(plan->looked, zone.stale) && plan->stays)
		explorer_fault("a block that is there is not found");
}

/* Wrong: who finds nothing must look again. */
static void look_once_main(void *state)
{
	const struct plan *plan = state;
	struct found found;

	if (!found_in(slot_now(plan->looked), plan->looked, &found))
		explorer_fault("a block is missed without the lock");
}

/* Wrong: what is read one after the other may be of two blocks. */
static void look_careless_main(void *state)
{
	const struct plan *plan = state;
	struct found found;
	uint64_t size;

	if (!found_in(slot_now(plan->looked), plan->looked, &found))
		return;
	size = vas_block_record_size(found.record, found.word);
	seen(plan->looked, size, vas_word_load32(&found.record->link));
}

/*
 * The threads that free, take and mark.
 */
static void free_main(void *state)
{
	const struct plan *plan = state;

	(void)block_free(plan->looked, slot_now(plan->looked));
}

static void free_stale_main(void *state)
{
	const struct plan *plan = state;

	(void)block_free(plan->looked, zone.stale);
}

/* Wrong: a record that was found may have moved before it was claimed. */
static void free_once_main(void *state)
{
	const struct plan *plan = state;
	struct found found;

	if (!found_in(slot_now(plan->looked), plan->looked, &found)) {
		free_main(state);
		return;
	}
	if (!record_claim(&found))
		return;
	zone.lives--;
	zone.frees++;
	record_push(&found);
}

static void pop_main(void *state)
{
	const struct plan *plan = state;

	(void)block_pop(plan->looked);
}

static void pop_free_main(void *state)
{
	const struct plan *plan = state;

	if (block_pop(plan->looked))
		free_main(state);
}

static void mark_main(void *state)
{
	const struct plan *plan = state;

	if (!block_mark_set(plan->looked, slot_now(plan->looked)) && plan->stays)
		explorer_fault("a block that is there is not found");
}

static void mark_stale_main(void *state)
{
	const struct plan *plan = state;

	if (!block_mark_set(plan->looked, zone.stale) && plan->stays)
		explorer_fault("a block that is there is not found");
}

static void free_pop_main(void *state)
{
	free_main(state);
	pop_main(state);
}

/* Frees, and lets another block have the place at once; the start, too, if it is to be taken again. */
static void reuse(const struct plan *plan, bool again)
{
	if (!block_free(plan->looked, slot_now(plan->looked)) || (!zone.gone && !unlist()))
		return;
	zone_lock();
	if (!zone.gone)
		vas_block_table_remove(&zone.table, zone.key[plan->looked]);
	zone.gone = true;
	block_put(NEW);
	if (again) {
		block_put(plan->looked);
		zone.lives++;
		zone.gone = false;
	}
	zone_unlock();
}

static void recycle_main(void *state)
{
	reuse(state, false);
}

/* The start then has another record, in another place of the table. */
static void replace_main(void *state)
{
	reuse(state, true);
}

/* One free worked, whatever came in between. */
static void one_free_end(void *state)
{
	if (zone.frees != 1)
		explorer_fault("%u frees of one block worked", zone.frees);
	world_end(state);
}

/*
 * Plans: found by trying, so that each change moves the key that is looked for.
 */
enum change { START, GROW, CUT, CUT_AGAIN, SHARE, HOME, RETIRE, CHANGES };

static const char *const change_name[CHANGES] = {
	[START] = "a table's first page",
	[GROW] = "a page for a node",
	[CUT] = "a first cut",
	[CUT_AGAIN] = "a cut",
	[SHARE] = "a share",
	[HOME] = "a way home",
	[RETIRE] = "a page retired",
};

static uint32_t pages_retired(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; zone.table.retired && i < RETIRED; i++)
		count += zone.table.retired->page[i] != 0;
	return count;
}

/* What an insert does to the table. */
static enum change change_by(const struct vas_block_table *was, uint32_t retired)
{
	if (was->pages == 0)
		return START;
	if (pages_retired() > retired)
		return RETIRE;
	if (zone.table.pages > was->pages)
		return zone.table.directory != was->directory ? CUT : CUT_AGAIN;
	return zone.table.slot != was->slot ? GROW : SHARE;
}

static bool is_moved(uint32_t index)
{
	return vas_block_word_state(place_of(index)->word) == VAS_BLOCK_MOVED;
}

/* Whether the next insert does what is wanted; a key that it moves then. */
static bool plan_try(enum change wanted_change, struct plan *plan)
{
	const struct vas_block_record *was[KEYS];
	const struct vas_block_line *lines[KEYS];
	struct vas_block_table table;
	uint32_t retired;
	bool home = wanted_change == HOME, is, found = false, moved[KEYS];

	world_make(plan);
	for (uint32_t i = plan->less; i < plan->count; i++) {
		was[i] = place_of(i);
		moved[i] = is_moved(i);
		lines[i] = vas_block_page_lines(slot_now(i));
	}
	table = zone.table;
	retired = pages_retired();
	block_put(NEW);
	zone.directory = zone.table.directory;
	is = home || change_by(&table, retired) == wanted_change;
	for (uint32_t i = plan->less; is && !found && i < plan->count; i++)
		if (!moved[i] && place_of(i) != was[i] &&
		    (vas_block_page_lines(slot_now(i)) == lines[i]) == home) {
			found = true;
			plan->looked = i;
		}
	return found || wanted_change == START;
}

static bool plan_find(enum change change, struct plan *plan)
{
	*plan = (struct plan){ .cached = change == RETIRE ? ALL : NONE, .looked = NEW };
	for (; plan->count < KEYS; plan->count++)
		for (plan->seed = 0; plan->seed < 16; plan->seed++)
			for (plan->less = 0; plan->less <= (change == SHARE) * plan->count / 2;
			     plan->less += 4)
				if (plan_try(change, plan))
					return true;
	return false;
}

/*
 * Scenarios.
 */
#define BIT(change) (1u << (change))
#define MOVES	    (BIT(GROW) | BIT(CUT) | BIT(CUT_AGAIN) | BIT(SHARE) | BIT(HOME))
#define LEAVES	    (BIT(GROW) | BIT(CUT) | BIT(CUT_AGAIN) | BIT(SHARE) | BIT(RETIRE)) /* strays */
#define LEFT	    (BIT(GROW) | BIT(CUT_AGAIN) | BIT(SHARE) | BIT(RETIRE)) /* the same, afterwards */
/* For three threads. */
#define FEW_MOVES  (BIT(CUT) | BIT(SHARE))
#define FEW_STRAYS (BIT(SHARE) | BIT(RETIRE))

struct scene {
	const char *name;
	uint32_t changes; /* by which the world is planned */
	struct plan how; /* but what the change says */
	void (*thread[EXPLORER_THREADS])(void *state);
	unsigned int preemptions;
	enum wrong wrong;
	bool is_wrong; /* a fault is found */
	void (*end)(void *state);
};

static const struct scene scenes[] = {
	{ "a new key", BIT(CHANGES) - 1, { 0 }, { insert_main, look_new_main }, .preemptions = 3 },
	{ "a move, looks",
	  FEW_MOVES | BIT(HOME),
	  { .stays = true },
	  { insert_main, look_main, look_main },
	  .preemptions = 2 },
	{ "a move, one look",
	  MOVES,
	  { .stays = true },
	  { insert_main, look_once_main },
	  .preemptions = 2,
	  .is_wrong = true },
	{ "a move, a free", MOVES, { 0 }, { insert_main, free_main }, 3, .end = one_free_end },
	{ "a move, two frees",
	  FEW_MOVES | BIT(HOME),
	  { 0 },
	  { insert_main, free_main, free_main },
	  .preemptions = 2,
	  .end = one_free_end },
	{ "a move, a free and a pop, a look",
	  FEW_MOVES,
	  { 0 },
	  { insert_main, free_pop_main, look_main },
	  .preemptions = 2 },
	{ "a move, a mark, a look",
	  FEW_MOVES,
	  { 0 },
	  { insert_main, mark_main, look_main },
	  .preemptions = 2 },
	{ "a move, a mark",
	  MOVES,
	  { .stays = true },
	  { insert_main, mark_main },
	  .preemptions = 3 },
	{ "a move, a mark, a free",
	  FEW_MOVES,
	  { 0 },
	  { insert_main, mark_main, free_main },
	  .preemptions = 2 },
	{ "a plain move, a free",
	  MOVES,
	  { 0 },
	  { insert_main, free_main },
	  .preemptions = 2,
	  .wrong = MOVE_PLAINLY,
	  .is_wrong = true },
	{ "a move, a free that gives up",
	  MOVES,
	  { 0 },
	  { insert_main, free_once_main },
	  .preemptions = 2,
	  .is_wrong = true,
	  .end = one_free_end },

	{ "a stray is left, a pop and a free",
	  LEAVES,
	  { .cached = LOOKED },
	  { insert_main, pop_free_main },
	  .preemptions = 3 },
	{ "a stray is left, a pop and a free, a free",
	  FEW_STRAYS,
	  { .cached = LOOKED },
	  { insert_main, pop_free_main, free_main },
	  .preemptions = 2 },
	{ "a stray is left, a pop, a look",
	  FEW_STRAYS,
	  { .cached = LOOKED },
	  { insert_main, pop_main, look_main },
	  .preemptions = 2 },
	{ "a stray is left, a pop, a mark",
	  FEW_STRAYS,
	  { .cached = LOOKED },
	  { insert_main, pop_main, mark_main },
	  .preemptions = 2 },
	{ "a stray is at home again, a pop and a free",
	  BIT(CUT_AGAIN),
	  { .cached = LOOKED, .after = true },
	  { back_main, pop_free_main },
	  .preemptions = 3 },
	{ "a stray is at home again, a pop, a look",
	  BIT(CUT_AGAIN),
	  { .cached = LOOKED, .after = true },
	  { back_main, pop_main, look_main },
	  .preemptions = 2 },
	{ "a stray that is LIVE is at home again, a free, a look",
	  BIT(CUT_AGAIN),
	  { .cached = LOOKED, .after = true, .popped = true },
	  { back_main, free_stale_main, look_main },
	  .preemptions = 2 },
	{ "what is CACHED moves, a pop",
	  BIT(CUT_AGAIN),
	  { .cached = LOOKED },
	  { move_cached_main, pop_main },
	  .preemptions = 2,
	  .is_wrong = true },

	{ "a stray, a pop and a free, a free",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true },
	  { pop_free_main, free_stale_main, free_main },
	  .preemptions = 2 },
	{ "a stray, a pop, looks",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true },
	  { pop_main, look_main, look_stale_main },
	  .preemptions = 2 },
	{ "a stray, a pop, a mark, a look",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true },
	  { pop_main, mark_main, look_stale_main },
	  .preemptions = 2 },
	{ "a stray is dropped, a look, a free",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true },
	  { drop_main, look_stale_main, free_stale_main },
	  .preemptions = 2 },
	{ "a stray is dropped, a pop and a free",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true },
	  { drop_main, pop_free_main, free_stale_main },
	  .preemptions = 2 },
	{ "a stray is not dropped",
	  LEFT - BIT(GROW),
	  { .cached = LOOKED, .after = true },
	  { drop_place_main },
	  .preemptions = 2,
	  .is_wrong = true },

	{ "a stray settles, a free",
	  LEFT,
	  { .cached = LOOKED, .after = true, .popped = true },
	  { settle_main, free_stale_main },
	  .preemptions = 3,
	  .end = one_free_end },
	{ "a stray settles, two frees",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true, .popped = true },
	  { settle_main, free_stale_main, free_stale_main },
	  .preemptions = 2,
	  .end = one_free_end },
	{ "a stray settles, frees",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true, .popped = true },
	  { free_main, free_stale_main, free_main },
	  .preemptions = 2,
	  .end = one_free_end },
	{ "a stray settles, a mark, a look",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true, .popped = true },
	  { settle_main, mark_stale_main, look_stale_main },
	  .preemptions = 2 },
	{ "a stray settles, a mark",
	  LEFT,
	  { .cached = LOOKED, .after = true, .popped = true, .stays = true },
	  { settle_main, mark_stale_main },
	  .preemptions = 3 },
	{ "a stray settles, a look",
	  FEW_STRAYS,
	  { .cached = LOOKED, .after = true, .popped = true, .stays = true },
	  { settle_main, look_stale_main, look_main },
	  .preemptions = 2 },
	{ "a stray settles plainly, a free",
	  LEFT,
	  { .cached = LOOKED, .after = true, .popped = true },
	  { settle_main, free_stale_main },
	  .preemptions = 2,
	  .wrong = MOVE_PLAINLY,
	  .is_wrong = true },

	{ "three frees",
	  BIT(HOME),
	  { 0 },
	  { free_main, free_main, free_main },
	  .preemptions = 2,
	  .end = one_free_end },
	{ "plain frees",
	  BIT(HOME),
	  { 0 },
	  { free_main, free_main },
	  .preemptions = 2,
	  .wrong = FREE_PLAINLY,
	  .is_wrong = true },
	{ "a free and a pop, a look",
	  BIT(HOME),
	  { 0 },
	  { free_pop_main, look_main },
	  .preemptions = 3 },
	{ "a free and a pop, a careless look",
	  BIT(HOME),
	  { 0 },
	  { free_pop_main, look_careless_main },
	  .preemptions = 2,
	  .is_wrong = true },
	{ "a place that is another block's, a free, a look",
	  BIT(CUT_AGAIN),
	  { 0 },
	  { recycle_main, free_main, look_main },
	  .preemptions = 2,
	  .end = one_free_end },
	{ "a start that is taken again, a free, a look",
	  BIT(GROW) | BIT(CUT_AGAIN),
	  { 0 },
	  { replace_main, free_main, look_main },
	  .preemptions = 2 },

	{ "a page that is used again, a free",
	  BIT(RETIRE),
	  { .cached = ALL, .after = true, .retired = true },
	  { again_main, free_stale_main },
	  .preemptions = 3 },
	{ "a page that is used again, looks",
	  BIT(RETIRE),
	  { .cached = ALL, .after = true, .retired = true },
	  { again_main, look_stale_main, look_main },
	  .preemptions = 2 },
};

/* As many more keys as use the page again that was retired. */
static void plan_more(struct plan *plan)
{
	struct plan again = *plan;

	again.after = true;
	again.retired = true;
	for (again.more = plan->count; again.more <= KEYS; again.more++) {
		saved.is = false;
		world_begin(&again);
		again_main(&again);
		if (pages_retired() == 0)
			break;
	}
	plan->more = again.more;
}

static void scene_run(const struct scene *scene, enum change change, const struct plan *found)
{
	struct plan plan = scene->how;
	char name[128];
	struct explorer_scenario scenario = { .name = name,
					      .state = &plan,
					      .begin = world_begin,
					      .end = scene->end ? scene->end : world_end,
					      .preemptions = scene->preemptions };

	plan.count = found->count;
	plan.looked = found->looked;
	plan.seed = found->seed;
	plan.less = found->less;
	plan.more = found->more;
	if (found->cached == ALL)
		plan.cached = ALL;
	snprintf(name, sizeof(name), "%s, by %s", scene->name, change_name[change]);
	memcpy(scenario.thread, scene->thread, sizeof(scenario.thread));
	explored.wrong = scene->wrong;
	saved.is = false;
	if (scene->is_wrong)
		explorer_find(&scenario);
	else
		explorer_point(&scenario, false);
	explored.wrong = RIGHT;
}

int main(void)
{
	struct plan plan[CHANGES];

	tap_plan(0);
	for (enum change change = 0; change < CHANGES; change++)
		if (!plan_find(change, &plan[change]))
			tap_bail("no plan for %s", change_name[change]);
	plan_more(&plan[RETIRE]);
	if (plan[RETIRE].more > KEYS)
		tap_bail("a page that was retired is not used again");
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		for (enum change change = 0; change < CHANGES; change++)
			if (scenes[i].changes >> change & 1)
				scene_run(&scenes[i], change, &plan[change]);
	return tap_done();
}
