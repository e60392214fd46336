/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 20 */
/*
 * The calls of the block allocator on a block whose record moves meanwhile, or stays behind as a stray,
 * in every order of steps that two pre-emptions make. No call may be told that a block is not there
 * which is, none may work twice, none is lost, and the books hold.
 */
#include "support/explorer.h"

#define VAS_WORD_STEP()	       explorer_step()
#define VAS_BLOCKS_CACHE_LEAST 1
#define VAS_BLOCK_PAGE_LINES   4u
#define VAS_BLOCK_PAGE_FEW     2u
#define VAS_BLOCK_JOIN_EACH    1u

/* Another file has one, too. */
#define place_check page_place_check
#include "core/block_join.c"
#include "core/block_page.c"
#undef place_check
#include "core/block_record.c"
#include "core/block_table.c"
#include "support/blocks_all.h"

#include <stdio.h>
#include <string.h>

#include "support/block_memory.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define START	(UINT64_C(6) << 40)
#define MARK	7u

enum { CELLS = 16384, BLOCKS = 64, LARGE = 3 };

/* How a world is made. */
struct plan {
	uint32_t count; /* of blocks */
	uint32_t looked; /* the one that threads free and look at */
	bool cached; /* it is in the magazine, when a block comes that moves its key */
	bool after; /* that has come */
	bool popped; /* and the stray was taken again */
	bool tight; /* magazines rest */
	uint32_t
		stride; /* all other blocks have no class, and are so many granules apart; 0: none is so */
	uint32_t
		gone; /* of these, so many are free again; the next one that goes makes pages join */
	bool ends; /* threads free it */
	bool once; /* it is long: with one pre-emption */
};

static struct {
	struct block_memory memory;
	struct vas_blocks *blocks;
	uint64_t block[BLOCKS];
	uint64_t start; /* of the one that is looked at */
	uint32_t lives; /* how many times that is live, as those say who took it and freed it */
	bool retaken; /* with another mark, before anybody else freed it */
	uint64_t other[EXPLORER_THREADS]; /* what threads took, but that one */
} world;

static uint64_t take(uint64_t granules)
{
	struct vas_block_request request = { .size = granules * GRANULE, .mark = MARK };
	uint64_t start;

	if (vas_blocks_alloc(world.blocks, &request, &start)) {
		explorer_fault("a request is refused");
		return 0;
	}
	return start;
}

static uint64_t take_odd(const struct plan *plan, uint32_t i)
{
	const struct vas_block_request request = {
		.size = GRANULE,
		.flags = VAS_BLOCKS_EXACT,
		.address = START + (CELLS / 2 + (uint64_t)i * plan->stride) * GRANULE,
		.mark = MARK,
	};
	uint64_t start = 0;

	if (vas_blocks_alloc(world.blocks, &request, &start))
		tap_bail("no block");
	return start;
}

/* The record of a block, or where it is MOVED. */
static const struct vas_block_record *place_of(uint64_t start)
{
	struct vas_block_zone *zone =
		vas_blocks_zone(world.blocks, vas_blocks_zone_number(world.blocks, start));
	uint32_t key = vas_block_offset(zone, start);
	struct vas_block_page page =
		vas_block_page_in(&zone->table, *vas_block_table_slot(zone->table.directory, key));

	return vas_block_page_find(&page, key);
}

static void world_make(const struct plan *plan)
{
	struct vas_blocks_support support;

	memset(&world, 0, sizeof(world));
	support = block_memory_support(&world.memory);
	support.lock = explorer_lock;
	support.unlock = explorer_unlock;
	if (vas_blocks_create((struct vas_span){ START, CELLS * GRANULE }, GRANULE, 1, &support,
			      &world.blocks))
		tap_bail("no allocator");
	for (uint32_t i = 0; i < plan->count; i++)
		world.block[i] = plan->stride && i != plan->looked ? take_odd(plan, i) : take(1);
	world.start = world.block[plan->looked];
	world.lives = 1;
}

static void give(uint64_t start)
{
	struct vas_block_info info;

	if (vas_blocks_free(world.blocks, start, &info))
		explorer_fault("a block is lost");
}

/* Of those without a class, which come after the one that is looked at. */
static void odd_give(uint32_t i)
{
	give(world.block[i]);
	world.block[i] = 0;
}

static void world_begin(void *state)
{
	const struct plan *plan = state;
	struct vas_block_info info;

	world_make(plan);
	if (plan->cached)
		world.lives -= vas_blocks_free(world.blocks, world.start, &info) == 0;
	if (plan->after)
		world.other[EXPLORER_THREADS - 1] = take(LARGE);
	if (plan->popped)
		world.lives += take(1) == world.start;
	if (plan->tight)
		vas_blocks_tighten(world.blocks);
	for (uint32_t i = 0; i < plan->gone; i++)
		odd_give(i + 1);
	if (world.lives != (!plan->cached || plan->popped))
		tap_bail("a world is not made");
}

static bool all_free(void)
{
	struct vas_blocks_stats stats;

	vas_blocks_stats(world.blocks, &stats);
	return stats.live == 0 && stats.used == 0 && stats.free_ranges == 1;
}

/* All that is live can be freed, and then all is one free range. */
static void world_end(void *state)
{
	const struct plan *plan = state;

	if (!vas_blocks_check(world.blocks)) {
		explorer_fault("the books do not hold");
	} else if (world.lives > 1) {
		explorer_fault("a block was taken or freed %d times", (int)world.lives);
	} else {
		for (uint32_t i = 0; i < plan->count; i++)
			if (world.block[i] && (i != plan->looked || world.lives))
				give(world.block[i]);
		for (uint32_t i = 0; i < EXPLORER_THREADS; i++)
			if (world.other[i])
				give(world.other[i]);
		if (!all_free())
			explorer_fault("not all is free at the end");
	}
	vas_blocks_destroy(world.blocks);
}

/* If it is freed by as many as took it, one of those who are told of it has freed it. */
static void one_free_end(void *state)
{
	if (world.lives != 0)
		explorer_fault("a free did not work");
	world_end(state);
}

/* --- threads --- */

static void seen(const struct vas_block_info *info)
{
	if (info->span.start != world.start || info->span.size != GRANULE || info->mark - MARK > 1)
		explorer_fault("a block of %llx bytes with mark %x is seen",
			       (unsigned long long)info->span.size, info->mark);
}

/* Moves the key. */
static void large_main(void *state)
{
	(void)state;
	world.other[explorer_thread()] = take(LARGE);
}

/* Makes pages join. */
static void join_main(void *state)
{
	const struct plan *plan = state;

	odd_give(plan->gone + 1);
}

static void free_main(void *state)
{
	struct vas_block_info info = { 0 };
	int error = vas_blocks_free(world.blocks, world.start, &info);

	(void)state;
	if (error && error != -ENOENT)
		explorer_fault("a free is answered %d", error);
	if (error)
		return;
	seen(&info);
	world.lives--;
}

/* To the books; and the place is another block's. */
static void free_large_main(void *state)
{
	free_main(state);
	large_main(state);
}

static void at_main(void *state)
{
	const struct plan *plan = state;
	struct vas_block_info info = { 0 };
	int error = vas_blocks_at(world.blocks, world.start, &info);

	if (!error)
		seen(&info);
	else if (error != -ENOENT || !plan->ends)
		explorer_fault("a look is answered %d", error);
}

static void mark_main(void *state)
{
	const struct plan *plan = state;
	uint32_t expected = MARK;
	int error = vas_blocks_mark(world.blocks, world.start, &expected, MARK + 1);

	if (error && (error != -ENOENT || !plan->ends))
		explorer_fault("a mark is answered %d", error);
}

/* Nobody's free is plain enough for this mark. */
static void claim_main(void *state)
{
	struct vas_block_claim claim;
	int answer = vas_blocks_free_or_claim(world.blocks, world.start, MARK - 1, 1, &claim);

	(void)state;
	if (answer == -EAGAIN)
		return;
	if (answer != VAS_BLOCKS_CLAIMED) {
		explorer_fault("a claim is answered %d", answer);
		return;
	}
	seen(&claim.info);
	vas_blocks_claim_mark(world.blocks, &claim, MARK + 1);
}

/* A free by the mark; what was not found at once, another one finds. */
static void free_marked_main(void *state)
{
	struct vas_block_claim claim;
	int answer = vas_blocks_free_or_claim(world.blocks, world.start, MARK, 8, &claim);

	if (answer && answer != -EAGAIN && answer != -EBUSY)
		explorer_fault("a free by the mark is answered %d", answer);
	if (answer) {
		free_main(state);
		return;
	}
	claim.info.mark = MARK;
	seen(&claim.info);
	world.lives--;
}

/* The same while another call changes the mark. */
static void free_remarked_main(void *state)
{
	struct vas_block_claim claim;
	int answer = vas_blocks_free_or_claim(world.blocks, world.start, MARK, 0, &claim);

	(void)state;
	if (answer && answer != -EAGAIN && answer != -EBUSY)
		explorer_fault("a free by the mark is answered %d", answer);
	if (!answer && world.retaken)
		explorer_fault("a block with another mark is freed");
	if (!answer)
		world.lives--;
}

/* The same, where it may be freed or marked meanwhile. */
static void claim_once_main(void *state)
{
	struct vas_block_claim claim;
	int answer = vas_blocks_free_or_claim(world.blocks, world.start, MARK - 1, 1, &claim);

	(void)state;
	if (answer == VAS_BLOCKS_CLAIMED && claim.info.mark != MARK)
		explorer_fault("a block with the mark %x is claimed", claim.info.mark);
	if (answer == VAS_BLOCKS_CLAIMED)
		vas_blocks_claim_mark(world.blocks, &claim, MARK);
	else if (answer != -EAGAIN && answer != -EBUSY)
		explorer_fault("a claim is answered %d", answer);
}

/* It is freed, and taken again with a mark that the free by the mark must not take for plain. */
static void free_retake_main(void *state)
{
	const struct vas_block_request request = { .size = GRANULE, .mark = MARK + 1 };
	struct vas_block_info info;
	uint64_t start;

	(void)state;
	if (vas_blocks_free(world.blocks, world.start, &info))
		return;
	world.lives--;
	if (vas_blocks_alloc(world.blocks, &request, &start)) {
		explorer_fault("a request is refused");
	} else if (start == world.start) {
		world.retaken = true;
		world.lives++;
	} else {
		world.other[explorer_thread()] = start;
	}
}

/* Takes what is in the magazine, or another one. */
static void take_main(void *state)
{
	uint64_t start = take(1);

	(void)state;
	if (start == world.start)
		world.lives++;
	else
		world.other[explorer_thread()] = start;
}

static void take_free_main(void *state)
{
	uint64_t start = take(1);

	if (start != world.start) {
		world.other[explorer_thread()] = start;
		return;
	}
	world.lives++;
	free_main(state);
}

static void drain_main(void *state)
{
	(void)state;
	(void)vas_blocks_drain(world.blocks);
}

/* --- scenarios --- */

enum move { NODE = 1, FIRST_CUT = 2, CUT = 4, ANY = 7 };

struct scene {
	const char *name;
	unsigned int moves; /* with which it is run */
	struct plan how;
	void (*thread[EXPLORER_THREADS])(void *state);
	void (*end)(void *state);
};

static const struct scene scenes[] = {
	{ "a move, a free", ANY, { .ends = true }, { large_main, free_main }, one_free_end },
	{ "a move, a free by the mark",
	  ANY,
	  { .ends = true },
	  { large_main, free_marked_main },
	  one_free_end },
	{ "a move, a look", ANY, { .ends = false }, { large_main, at_main }, world_end },
	{ "a move, a mark", ANY, { .ends = false }, { large_main, mark_main }, world_end },
	{ "a move, a claim", ANY, { .ends = false }, { large_main, claim_main }, world_end },
	{ "a stray is left, it is taken and freed",
	  ANY,
	  { .cached = true, .ends = true },
	  { large_main, take_free_main },
	  world_end },
	{ "a stray is left, the magazine is emptied",
	  NODE,
	  { .cached = true, .ends = true },
	  { large_main, drain_main },
	  world_end },
	{ "a stray is freed, and freed",
	  ANY,
	  { .cached = true, .after = true, .popped = true, .ends = true },
	  { free_main, free_main },
	  one_free_end },
	{ "a stray is freed by the mark, and freed",
	  ANY,
	  { .cached = true, .after = true, .popped = true, .ends = true },
	  { free_marked_main, free_main },
	  one_free_end },
	{ "a stray is marked, and looked at",
	  ANY,
	  { .cached = true, .after = true, .popped = true, .ends = true },
	  { mark_main, at_main },
	  world_end },
	{ "a stray is taken and freed, and freed",
	  ANY,
	  { .cached = true, .after = true, .ends = true },
	  { take_free_main, free_main },
	  world_end },
	{ "a stray is taken, the magazine is emptied",
	  ANY,
	  { .cached = true, .after = true, .ends = true },
	  { take_main, drain_main },
	  world_end },
	{ "a stray goes to the books, and is looked at",
	  ANY,
	  { .cached = true, .after = true, .ends = true },
	  { drain_main, at_main },
	  world_end },
	{ "a move, a free to the books",
	  ANY,
	  { .ends = true, .tight = true },
	  { large_main, free_main },
	  one_free_end },
	{ "a stray is freed to the books, and freed",
	  ANY,
	  { .cached = true, .after = true, .popped = true, .ends = true, .tight = true },
	  { free_main, free_main },
	  one_free_end },
	{ "a stray is freed to the books, and marked",
	  ANY,
	  { .cached = true, .after = true, .popped = true, .ends = true, .tight = true },
	  { free_main, mark_main },
	  world_end },
	{ "a move, a mark, a free to the books",
	  NODE,
	  { .ends = true, .tight = true },
	  { large_main, mark_main, free_main },
	  world_end },
	{ "a place that is another block's, a look",
	  FIRST_CUT | CUT,
	  { .ends = true, .tight = true },
	  { free_large_main, at_main },
	  one_free_end },
	{ "a free by the mark, and another one",
	  NODE,
	  { .ends = true },
	  { free_marked_main, free_marked_main },
	  one_free_end },
	{ "a free by the mark, a mark",
	  NODE,
	  { .ends = true },
	  { free_remarked_main, mark_main },
	  world_end },
	{ "a free by the mark, a mark, a look",
	  NODE,
	  { .ends = true },
	  { free_remarked_main, mark_main, at_main },
	  world_end },
	{ "a free by the mark, a claim",
	  NODE,
	  { .ends = true },
	  { free_remarked_main, claim_once_main },
	  world_end },
	{ "a claim, a mark", NODE, { .ends = true }, { claim_once_main, mark_main }, world_end },
	{ "a free by the mark, it is taken with another mark",
	  NODE,
	  { .ends = true },
	  { free_remarked_main, free_retake_main },
	  world_end },
	{ "a stray is freed, and freed, and looked at",
	  CUT,
	  { .cached = true, .after = true, .popped = true, .ends = true },
	  { free_main, free_main, at_main },
	  one_free_end },
};

/* With pages that are joined. */
static const struct scene joins[] = {
	{ "a join, a free", ANY, { .ends = true }, { join_main, free_main }, one_free_end },
	{ "a join, a free by the mark",
	  ANY,
	  { .ends = true },
	  { join_main, free_marked_main },
	  one_free_end },
	{ "a join, a look", ANY, { .ends = false }, { join_main, at_main }, world_end },
	{ "a join, a mark", ANY, { .ends = false }, { join_main, mark_main }, world_end },
	{ "a join, a claim", ANY, { .ends = false }, { join_main, claim_main }, world_end },
	{ "a join leaves a stray, it is taken and freed",
	  ANY,
	  { .cached = true, .ends = true },
	  { join_main, take_free_main },
	  world_end },
	{ "a join leaves a stray, the magazine is emptied",
	  ANY,
	  { .cached = true, .ends = true, .once = true },
	  { join_main, drain_main },
	  world_end },
};

/* How many blocks are there, and how far apart, when the next one that goes moves the key of the first. */
static bool plan_find_join(struct plan *plan)
{
	const struct vas_block_record *was;
	bool moved;

	plan->count = BLOCKS;
	plan->looked = 0;
	for (plan->stride = 1; plan->stride < CELLS / 2 / BLOCKS; plan->stride++)
		for (plan->gone = 1; plan->gone + 2 < BLOCKS; plan->gone++) {
			world_make(plan);
			for (uint32_t i = 0; i < plan->gone; i++)
				odd_give(i + 1);
			was = place_of(world.start);
			odd_give(plan->gone + 1);
			moved = place_of(world.start) != was;
			vas_blocks_destroy(world.blocks);
			if (moved)
				return true;
		}
	return false;
}

/* How many blocks there are when the next one moves a key, least on; and which key. */
static bool plan_find(uint32_t least, struct plan *plan)
{
	const struct vas_block_record *was[BLOCKS];

	for (plan->count = least; plan->count < BLOCKS; plan->count++) {
		plan->looked = plan->count;
		world_make(plan);
		for (uint32_t i = 0; i < plan->count; i++)
			was[i] = place_of(world.block[i]);
		(void)take(LARGE);
		/* But the last one, or a larger block could begin where that ended. */
		for (uint32_t i = 0; i + 1 < plan->count; i++)
			if (place_of(world.block[i]) != was[i])
				plan->looked = i;
		vas_blocks_destroy(world.blocks);
		if (plan->looked < plan->count)
			return true;
	}
	return false;
}

static void scene_run(const struct scene *scene, const struct plan *found)
{
	struct plan plan = scene->how;
	char name[128];
	struct explorer_scenario scenario = { .name = name,
					      .state = &plan,
					      .begin = world_begin,
					      .end = scene->end,
					      .preemptions = plan.once ? 1 : 2 };

	plan.count = found->count;
	plan.looked = found->looked;
	plan.stride = found->stride;
	plan.gone = found->gone;
	snprintf(name, sizeof(name), "%s, of %u blocks", scene->name, plan.count);
	memcpy(scenario.thread, scene->thread, sizeof(scenario.thread));
	explorer_point(&scenario, false);
}

int main(void)
{
	struct plan plan = { 0 };

	tap_plan(0);
	for (unsigned int move = NODE; move <= CUT; move *= 2) {
		if (!plan_find(plan.count + 1, &plan))
			tap_bail("no key moves");
		for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
			if (scenes[i].moves & move)
				scene_run(&scenes[i], &plan);
	}
	if (!plan_find_join(&plan))
		tap_bail("no pages are joined");
	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++)
		scene_run(&joins[i], &plan);
	return tap_done();
}
