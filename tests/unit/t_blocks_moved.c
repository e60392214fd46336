/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * The record of a block moves while a call without a lock is about to use it: at each step of such a call, other
 * blocks are taken, so that the table of starts grows. No call takes the block for freed, or for
 * somebody else's, because of that.
 */
#include <stdint.h>

static void step(void);

#define VAS_WORD_STEP()		step()
#define VAS_BLOCKS_ZONE_SHIFT	28u
#define VAS_BLOCKS_SMALL_IS_ONE 0
#define VAS_BLOCKS_CACHE_LEAST	1

#include "support/blocks_all.h"

#include "support/block_memory.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define START	(UINT64_C(5) << 40)
#define SIZE	(UINT64_C(1) << 30)

enum { BLOCKS = 12, OTHERS = 60, CALL_STEPS = 60 };

/* What is done to a block while its record moves. */
enum call { FREE, FREE_MARKED, AT, MARK, SWAP, CLAIM, CALLS };

static const char *const call_name[CALLS] = {
	"free", "free by the mark", "at", "mark", "swap", "claim",
};

static bool frees(enum call call)
{
	return call == FREE || call == FREE_MARKED;
}

static struct {
	struct block_memory memory;
	struct vas_blocks_support inner;
	struct vas_blocks *blocks;
	uint64_t start[BLOCKS];
	uint64_t size; /* of each */
	uint32_t locks; /* that are held */
	uint32_t left; /* steps without a lock until the others are taken; 0: they are not */
	uint64_t moved; /* calls during which the block's record went elsewhere */
	uint64_t wrong;
} world;

static void lock(void *context, uint32_t *word)
{
	world.locks++;
	world.inner.lock(context, word);
}

static void unlock(void *context, uint32_t *word)
{
	world.inner.unlock(context, word);
	world.locks--;
}

static void block_take(uint64_t size, uint32_t mark, uint64_t *start)
{
	if (vas_blocks_alloc_size(world.blocks, size, mark, start))
		tap_bail("no block");
}

/* They make the table grow from a node to a page, to which all records go. */
static void others_take(void)
{
	uint64_t start;

	for (uint32_t i = 0; i < OTHERS; i++)
		block_take(3 * GRANULE, 99, &start);
}

static void step(void)
{
	if (world.left > 0 && world.locks == 0 && --world.left == 0)
		others_take();
}

static void world_make(void)
{
	struct vas_blocks_support support = block_memory_support(&world.memory);

	world.inner = support;
	support.lock = lock;
	support.unlock = unlock;
	if (vas_blocks_create((struct vas_span){ START, SIZE }, GRANULE, 1, &support,
			      &world.blocks))
		tap_bail("no allocator");
	for (uint32_t i = 0; i < BLOCKS; i++)
		block_take(world.size, i, &world.start[i]);
}

/* Where the record of a block stands. */
static const struct vas_block_record *block_record(uint32_t i)
{
	struct vas_block_zone *zone =
		vas_blocks_zone(world.blocks, vas_blocks_zone_number(world.blocks, world.start[i]));

	return vas_block_table_find(&zone->table, vas_block_offset(zone, world.start[i]));
}

static bool info_is(const struct vas_block_info *info, uint32_t i)
{
	return info->span.start == world.start[i] && info->span.size == world.size && info->live &&
	       info->mark == i;
}

static uint64_t call_wrong(enum call call, uint32_t i)
{
	struct vas_blocks *blocks = world.blocks;
	struct vas_block_info info = { .live = false };
	struct vas_block_claim claim;
	uint32_t expected = i;
	int error;

	switch (call) {
	case FREE:
		error = vas_blocks_free(blocks, world.start[i], &info);
		break;
	case AT:
		error = vas_blocks_at(blocks, world.start[i], &info);
		break;
	case MARK:
		return vas_blocks_mark(blocks, world.start[i], &expected, 7) != 0;
	case SWAP:
		error = vas_blocks_swap(blocks, world.start[i], i, 7, &info);
		break;
	case FREE_MARKED:
		error = vas_blocks_free_or_claim(blocks, world.start[i], i, 0, &claim);
		/* Who frees so asks others then. */
		if (error == -EAGAIN)
			return vas_blocks_free(blocks, world.start[i], &info) != 0;
		return error != 0 || claim.info.span.start != world.start[i] ||
		       claim.info.span.size != world.size;
	default:
		error = vas_blocks_free_or_claim(blocks, world.start[i], ~i, UINT32_MAX, &claim);
		if (error == -EAGAIN)
			return 0;
		if (error == VAS_BLOCKS_CLAIMED)
			vas_blocks_claim_mark(blocks, &claim, 7);
		error -= VAS_BLOCKS_CLAIMED;
		info = claim.info;
		break;
	}
	return error != 0 || !info_is(&info, i);
}

/* What a call that ended has left. */
static uint64_t rest_wrong(enum call call, uint32_t i)
{
	struct vas_block_info info;
	uint64_t wrong = !vas_blocks_check(world.blocks);
	int error = vas_blocks_at(world.blocks, world.start[i], &info);

	if (frees(call))
		return wrong + (error != -ENOENT);
	wrong += error != 0 || info.span.start != world.start[i] || info.span.size != world.size;
	wrong += vas_blocks_free(world.blocks, world.start[i], &info) != 0;
	return wrong + (vas_blocks_free(world.blocks, world.start[i], &info) != -ENOENT);
}

/* One call with the others taken at one of its steps. False: it has not so many. */
static bool call_run(enum call call, uint32_t i, uint32_t steps)
{
	const struct vas_block_record *before;
	bool reached;

	world_make();
	before = block_record(i);
	world.left = steps;
	world.wrong += call_wrong(call, i);
	reached = world.left == 0;
	world.left = 0;
	world.moved += !frees(call) && block_record(i) != before;
	world.wrong += rest_wrong(call, i);
	vas_blocks_destroy(world.blocks);
	return reached;
}

static void test_call(enum call call)
{
	uint32_t steps = 1;

	world.wrong = world.moved = 0;
	for (bool reached = true; reached && steps < CALL_STEPS; steps++) {
		reached = false;
		for (uint32_t i = 0; i < BLOCKS; i++)
			reached |= call_run(call, i, steps);
	}
	is_u64(world.wrong, 0, "%s of %llu granules is right at each of %u steps", call_name[call],
	       (unsigned long long)(world.size / GRANULE), steps - 2);
	ok(steps > 4 && steps < CALL_STEPS, "and has some");
	ok(frees(call) || world.moved > steps, "records moved (%llu)",
	   (unsigned long long)world.moved);
}

/* A block that gives its last granule away often, so that the table grows while it is split. */
static void test_split(void)
{
	uint64_t size = 4000 * GRANULE, start, wrong = 0, moved = 0;
	const struct vas_block_record *before, *after;
	struct vas_block_info info;

	world.size = GRANULE;
	world_make();
	block_take(size, 5, &start);
	world.start[0] = start;
	for (uint32_t i = 0; i < 3000; i++) {
		before = block_record(0);
		size -= GRANULE;
		wrong += vas_blocks_split(world.blocks, start, start + size) != 0;
		after = block_record(0);
		moved += after != before;
		wrong += vas_blocks_at(world.blocks, start, &info) != 0 || info.span.size != size ||
			 info.mark != 5;
		wrong += vas_blocks_at(world.blocks, start + size, &info) != 0 ||
			 info.span.size != GRANULE || info.mark != 5;
	}
	is_u64(wrong, 0, "a block that is split keeps the rest of it");
	ok(moved > 0 && vas_blocks_check(world.blocks), "its record moved %u times meanwhile",
	   (unsigned int)moved);
	vas_blocks_destroy(world.blocks);
}

int main(void)
{
	tap_plan(0);
	test_split();
	for (enum call call = 0; call < CALLS; call++) {
		world.size = 2 * GRANULE; /* one that magazines keep */
		test_call(call);
		world.size = 5000 * GRANULE;
		test_call(call);
	}
	is_u64(world.memory.out + world.memory.overlaps, 0, "all memory went back");
	return tap_done();
}
