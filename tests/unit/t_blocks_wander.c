/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 8 */
/*
 * Blocks that wander from zone to zone: the books are in proportion to the blocks there are, wherever they were
 * before, also when magazines keep some of them.
 */
#include "core/blocks_zone.h"

#include <string.h>

#include "base/random.h"
#include "support/block_memory.h"
#include "tap/tap.h"

#define GRANULE UINT64_C(4096)
#define START	(UINT64_C(9) << 40)
#define ZONE	(UINT64_C(1) << 30)

enum { ZONES = 64, BLOCKS = 3000, VISITS = 16, MIXED = 16000, LEFT = 2000 };

static struct block_memory memory;
static struct vas_blocks *blocks;
static uint64_t start[MIXED];

static void world_open(void)
{
	struct vas_blocks_support support;

	memset(&memory, 0, sizeof(memory));
	support = block_memory_support(&memory);
	if (vas_blocks_create((struct vas_span){ START, ZONES * ZONE }, GRANULE, 1, &support,
			      &blocks))
		tap_bail("no allocator");
}

static void world_close(void)
{
	vas_blocks_destroy(blocks);
	is_u64(memory.out + memory.overlaps, 0, "all memory went back");
}

static uint64_t books(void)
{
	return vas_block_pool_books(&blocks->pool);
}

/* Of four granules, where it is told, so that no magazine has to do with it. */
static void take_at(uint64_t address, uint64_t *taken)
{
	const struct vas_block_request request = {
		.size = 4 * GRANULE,
		.flags = VAS_BLOCKS_EXACT,
		.address = address,
	};

	if (vas_blocks_alloc(blocks, &request, taken))
		tap_bail("no block");
}

static uint64_t free_all(uint32_t count)
{
	uint64_t refused = 0;

	for (uint32_t i = 0; i < count; i++)
		refused += vas_blocks_free(blocks, start[i], NULL) != 0;
	return refused;
}

static void test_zones(void)
{
	uint64_t first, refused = 0;

	world_open();
	for (uint32_t i = 0; i < BLOCKS; i++)
		take_at(START + i * 16 * GRANULE, &start[i]);
	first = books();
	refused += free_all(BLOCKS);
	for (uint32_t visit = 1; visit < VISITS; visit++) {
		for (uint32_t i = 0; i < BLOCKS; i++)
			take_at(START + visit * ZONE + i * 16 * GRANULE, &start[i]);
		refused += free_all(BLOCKS);
	}
	is_u64(refused, 0, "%d blocks were in each of %d zones", BLOCKS, VISITS);
	/* A zone keeps a page, and a few nodes. */
	ok(books() < first + first / 2 + (uint64_t)VISITS * 12288,
	   "the books of one zone take %llu bytes, and %llu after that", (unsigned long long)first,
	   (unsigned long long)books());
	ok(vas_blocks_check(blocks), "they hold");
	world_close();
}

static uint32_t retired_pages(void)
{
	const struct vas_block_zone *zone;
	const uint64_t *page;
	uint32_t pages = 0;

	for (uint32_t i = 0; i < blocks->zone_count; i++) {
		zone = vas_blocks_zone(blocks, i);
		page = zone ? (const uint64_t *)zone->table.retired : NULL;
		for (uint32_t k = 0; page && k < VAS_BLOCK_NODE_SIZE / sizeof(*page); k++)
			pages += page[k] != 0;
	}
	return pages;
}

/* Blocks at the ends of zones come and go, with nothing to be had from magazines. */
static void visit_zones(uint32_t rounds)
{
	uint64_t taken;

	for (uint32_t i = 0; i < rounds * 16; i++) {
		take_at(START + (i % 16 + 1) * ZONE - 4 * GRANULE, &taken);
		if (vas_blocks_free(blocks, taken, NULL))
			tap_bail("a block is lost");
	}
}

static void shuffle(uint64_t *random)
{
	for (uint32_t i = MIXED - 1; i > 0; i--) {
		uint32_t other = (uint32_t)vas_random_below(random, i + 1);
		uint64_t was = start[i];

		start[i] = start[other];
		start[other] = was;
	}
}

/* Magazines keep blocks whose records are in the way of pages that are left over. */
static void test_magazines(void)
{
	uint64_t random = 5, bytes, refused = 0, kept;
	uint32_t retired;

	world_open();
	for (uint32_t i = 0; i < MIXED; i++)
		if (vas_blocks_alloc_size(blocks, (1 + vas_random_below(&random, 40)) * GRANULE, 0,
					  &start[i]))
			tap_bail("no block");
	shuffle(&random);
	for (uint32_t i = LEFT; i < MIXED; i++)
		refused += vas_blocks_free(blocks, start[i], NULL) != 0;
	is_u64(refused, 0, "most of %d blocks are free again", MIXED);
	kept = vas_blocks_cached(blocks, &bytes);
	visit_zones(200);
	retired = retired_pages();
	visit_zones(2000);
	ok(vas_blocks_cached(blocks, &bytes) < kept, "of %llu blocks in magazines %llu are left",
	   (unsigned long long)kept, (unsigned long long)vas_blocks_cached(blocks, &bytes));
	ok(retired_pages() < retired, "so that no more than %u of %u pages wait for theirs",
	   retired_pages(), retired);
	ok(blocks->records.kept != 0, "and others are for any zone");
	ok(vas_blocks_check(blocks), "the books hold");
	is_u64(free_all(LEFT), 0, "the other blocks were there");
	world_close();
}

int main(void)
{
	tap_plan(0);
	test_zones();
	test_magazines();
	return tap_done();
}
