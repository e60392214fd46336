/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * The magazines of the block allocator in every order of steps that two or three pre-emptions make:
 * blocks are put and taken, lists emptied, one block freed by several threads. No block may have two
 * owners, none may be lost, the books hold. Three ways of doing it wrong are explored, too, and must
 * be found: a list without a count of its changes, swaps that do not compare, claims that do not.
 */
#include "support/explorer.h"

#define VAS_WORD_STEP()       explorer_step()
#define VAS_BLOCKS_CACHE_LEAST 1

#include "base/shared_word.h"

static bool broken_exchange(uint64_t *word, uint64_t expected, uint64_t value);

#define vas_word_exchange broken_exchange

#include "support/blocks_all.h"

#undef vas_word_exchange

#include <stdio.h>

#include "support/block_memory.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define START	(UINT64_C(6) << 40)

enum { CELLS = 16384, BLOCKS = 6, HELD = 16 };

enum wrong { RIGHT, NO_COUNT, NO_COMPARE, NO_CLAIM, WRONGS };

/* How a world is made, and what its threads do. */
struct plan {
	uint32_t
		waiting; /* of the blocks, these wait in the magazine; the first is the next one out */
	uint64_t sizes[EXPLORER_THREADS]; /* of what each thread takes, in granules */
};

static enum wrong wrong;

static struct {
	struct block_memory memory;
	struct vas_blocks *blocks;
	uint64_t block[BLOCKS];
	uint64_t held[HELD]; /* by whoever took them */
	uint64_t held_size[HELD];
	uint32_t taken;
	uint32_t frees; /* of one block, that worked */
} world;

/* --- doing it wrong --- */

static bool is_list(const uint64_t *word)
{
	struct vas_block_magazine *const *slots =
		(struct vas_block_magazine *const *)world.blocks->slot;

	for (size_t i = 0; i < sizeof(world.blocks->slot) / sizeof(*slots); i++)
		if (slots[i] && word >= slots[i]->list && word < slots[i]->list + VAS_BLOCK_CLASSES)
			return true;
	return false;
}

static bool broken_exchange(uint64_t *word, uint64_t expected, uint64_t value)
{
	bool list = wrong != RIGHT && is_list(word), same;

	if (wrong == RIGHT || list == (wrong == NO_CLAIM))
		return vas_word_exchange(word, expected, value);
	VAS_WORD_STEP();
	same = wrong != NO_COUNT || vas_block_list_first(*word) == vas_block_list_first(expected);
	if (same)
		*word = value;
	return same;
}

/* --- the world --- */

static uint64_t take_block(uint64_t granules)
{
	/* The mark says which of those held it is. */
	struct vas_block_request request = { .size = granules * GRANULE,
					     .mark = world.taken + 1 };
	uint64_t start;

	if (vas_blocks_alloc(world.blocks, &request, &start)) {
		explorer_fault("a request is refused");
		return 0;
	}
	for (uint32_t i = 0; i < world.taken; i++)
		if (world.held[i] < start + request.size &&
		    start < world.held[i] + world.held_size[i])
			explorer_fault("a block has two owners");
	if (world.taken < HELD) {
		world.held[world.taken] = start;
		world.held_size[world.taken++] = request.size;
	}
	return start;
}

/* Forgets who holds a block, and frees it. */
static int give_block(uint64_t start)
{
	struct vas_block_info info = { 0 };

	for (uint32_t i = 0; i < world.taken; i++)
		if (world.held[i] == start)
			world.held_size[i] = 0;
	return vas_blocks_free(world.blocks, start, &info);
}

static void world_begin(void *state)
{
	struct vas_blocks_support support;
	const struct plan *plan = state;

	memset(&world, 0, sizeof(world));
	support = block_memory_support(&world.memory);
	support.lock = explorer_lock;
	support.unlock = explorer_unlock;
	if (vas_blocks_create((struct vas_span){ START, CELLS * GRANULE }, GRANULE, 1, &support,
			      &world.blocks))
		tap_bail("no allocator");
	for (uint32_t i = 0; i < BLOCKS; i++)
		world.block[i] = take_block(1);
	for (uint32_t i = plan->waiting; i-- > 0;)
		(void)give_block(world.block[i]);
}

static bool all_free(void)
{
	struct vas_blocks_stats stats;

	vas_blocks_stats(world.blocks, &stats);
	return stats.live == 0 && stats.used == 0 && stats.free_ranges == 1 &&
	       stats.largest_free == stats.size;
}

/* All that is held can be freed, and then all is one free range. */
static void world_end(void *state)
{
	(void)state;
	if (!vas_blocks_check(world.blocks))
		explorer_fault("the books do not hold");
	else
		for (uint32_t i = 0; i < world.taken; i++)
			if (world.held_size[i] && give_block(world.held[i]))
				explorer_fault("a block is lost");
	if (wrong == RIGHT && !all_free())
		explorer_fault("not all is free at the end");
	vas_blocks_destroy(world.blocks);
}

/* --- threads --- */

static uint64_t own_size(const void *state)
{
	const struct plan *plan = state;
	uint64_t size = plan->sizes[explorer_thread()];

	return size ? size : 1;
}

static void take_main(void *state)
{
	(void)take_block(own_size(state));
}

/* Each of two threads frees a block of its own. */
static void put_main(void *state)
{
	(void)state;
	if (give_block(world.block[BLOCKS - 1 - explorer_thread()]))
		explorer_fault("a free is refused");
}

static void put_take_main(void *state)
{
	put_main(state);
	take_main(state);
}

/* Makes the list look as before, with another second block. */
static void take_take_put_main(void *state)
{
	uint64_t first = take_block(1);

	(void)take_block(own_size(state));
	if (give_block(first))
		explorer_fault("a free is refused");
}

static void drain_main(void *state)
{
	(void)state;
	(void)vas_blocks_drain(world.blocks);
}

static void free_same_main(void *state)
{
	int error = give_block(world.block[BLOCKS - 1]);

	(void)state;
	world.frees += error == 0;
	if (error && error != -ENOENT)
		explorer_fault("a second free is answered %d", error);
}

/* The way of a free whose block's entry is just being moved in the table. */
static void free_held_main(void *state)
{
	struct vas_block_info info = { 0 };
	int error;

	(void)state;
	world.held_size[BLOCKS - 1] = 0;
	error = free_held(world.blocks, world.block[BLOCKS - 1], &info);
	world.frees += error == 0;
	if (error && error != -ENOENT)
		explorer_fault("a second free is answered %d", error);
	if (!error && info.span.size != GRANULE)
		explorer_fault("a block of %llx bytes was freed",
			       (unsigned long long)info.span.size);
}

/* A free is told of a block that was there and that no other free was told of. */
static void free_told_main(void *state)
{
	struct vas_block_info info = { 0 };
	int error = vas_blocks_free(world.blocks, world.block[BLOCKS - 1], &info);

	(void)state;
	if (error && error != -ENOENT)
		explorer_fault("a second free is answered %d", error);
	if (error)
		return;
	if (info.mark == 0 || info.mark > world.taken || world.held_size[info.mark - 1] == 0)
		explorer_fault("a free is told of block %u", info.mark);
	else
		world.held_size[info.mark - 1] = 0;
}

static void free_told_take_main(void *state)
{
	free_told_main(state);
	take_main(state);
}

static void one_free_end(void *state)
{
	if (world.frees != 1)
		explorer_fault("%u frees of one block worked", world.frees);
	world_end(state);
}

/* Frees the block that others look at, and takes it again. */
static void replace_main(void *state)
{
	if (give_block(world.block[BLOCKS - 1]))
		explorer_fault("a free is refused");
	take_main(state);
}

/* A block that comes and goes is there as one that was taken, or it is not there. */
static void look(const struct plan *plan, uint64_t inside)
{
	struct vas_block_info info = { 0 };
	uint64_t start = world.block[BLOCKS - 1];
	int error = vas_blocks_at(world.blocks, start + inside, &info);

	if (error && error != -ENOENT)
		explorer_fault("a look is answered %d", error);
	if (!error && (info.span.start != start ||
		       (info.span.size != GRANULE && info.span.size != plan->sizes[0] * GRANULE)))
		explorer_fault("a block of %llx bytes is seen", (unsigned long long)info.span.size);
}

static void look_main(void *state)
{
	look(state, 0);
}

/* What does not begin where a block does is looked up under the lock. */
static void look_held_main(void *state)
{
	look(state, 1);
}

/* --- scenarios --- */

struct scene {
	const char *name;
	struct plan plan;
	void (*thread[EXPLORER_THREADS])(void *state);
	void (*end)(void *state);
	unsigned int preemptions;
	enum wrong wrong[WRONGS - 1]; /* ways that it must find */
};

static const struct scene scenes[] = {
	{ "put, put", { .waiting = 1 }, { put_main, put_main }, world_end, 3, { NO_COMPARE } },
	{ "put, take", { .waiting = 1 }, { put_main, take_main }, world_end, 3, { NO_COMPARE } },
	{ "put, take of an empty list", { 0 }, { put_main, take_main }, world_end, 2, { RIGHT } },
	{ "take, take", { .waiting = 3 }, { take_main, take_main }, world_end, 3, { NO_COMPARE } },
	{ "take, take of the last",
	  { .waiting = 1 },
	  { take_main, take_main },
	  world_end,
	  2,
	  { NO_COMPARE } },
	{ "take, and take, take, put",
	  { .waiting = 2 },
	  { take_main, take_take_put_main },
	  world_end,
	  3,
	  { NO_COUNT, NO_COMPARE } },
	{ "put and take, twice",
	  { .waiting = 1 },
	  { put_take_main, put_take_main },
	  world_end,
	  3,
	  { NO_COMPARE } },
	{ "put and take, three times",
	  { .waiting = 1 },
	  { put_take_main, put_take_main, put_take_main },
	  world_end,
	  2,
	  { RIGHT } },
	{ "empty, put", { .waiting = 2 }, { drain_main, put_main }, world_end, 2, { NO_COMPARE } },
	{ "empty, take",
	  { .waiting = 2 },
	  { drain_main, take_main },
	  world_end,
	  2,
	  { NO_COMPARE } },
	{ "empty, put and take",
	  { .waiting = 2 },
	  { drain_main, put_take_main },
	  world_end,
	  2,
	  { NO_COMPARE } },
	{ "empty, empty",
	  { .waiting = 3 },
	  { drain_main, drain_main },
	  world_end,
	  2,
	  { NO_COMPARE } },
	{ "two frees of one block",
	  { .waiting = 1 },
	  { free_same_main, free_same_main },
	  one_free_end,
	  3,
	  { NO_CLAIM } },
	{ "three frees of one block",
	  { .waiting = 1 },
	  { free_same_main, free_same_main, free_same_main },
	  one_free_end,
	  2,
	  { NO_CLAIM } },
	{ "two frees of one block, empty",
	  { .waiting = 1 },
	  { free_same_main, free_same_main, drain_main },
	  one_free_end,
	  2,
	  { NO_CLAIM } },
	{ "two frees of one block, one with the lock",
	  { .waiting = 1 },
	  { free_same_main, free_held_main },
	  one_free_end,
	  3,
	  { NO_CLAIM } },
	{ "two frees of one block, which is taken again",
	  { .waiting = 1 },
	  { free_told_main, free_told_take_main },
	  world_end,
	  3,
	  { NO_CLAIM } },
	{ "a look, free and take",
	  { .waiting = 1 },
	  { replace_main, look_main },
	  world_end,
	  3,
	  { RIGHT } },
	{ "a look with the lock, free and take",
	  { .waiting = 1 },
	  { replace_main, look_held_main },
	  world_end,
	  3,
	  { RIGHT } },
};

static void run_scene(const struct scene *scene)
{
	struct plan plan = scene->plan;
	char name[128];
	struct explorer_scenario scenario = { .name = name,
					      .state = &plan,
					      .begin = world_begin,
					      .end = scene->end,
					      .preemptions = scene->preemptions };
	static const char *const names[WRONGS] = { "", "no count of changes",
						   "swaps without compare",
						   "claims without compare" };

	memcpy(scenario.thread, scene->thread, sizeof(scenario.thread));
	wrong = RIGHT;
	snprintf(name, sizeof(name), "%s", scene->name);
	explorer_point(&scenario, false);
	for (uint32_t i = 0; i < WRONGS - 1 && scene->wrong[i] != RIGHT; i++) {
		wrong = scene->wrong[i];
		snprintf(name, sizeof(name), "%s, %s", scene->name, names[wrong]);
		explorer_find(&scenario);
	}
}

int main(void)
{
	tap_plan(0);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		run_scene(&scenes[i]);
	return tap_done();
}
