/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each block's pages begin with a word made of their address and the thread's number.
 */
#include "support/region_churn.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "region/region.h"
#include "support/crew.h"
#include "tap/tap.h"

uint64_t region_churn_draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Fresh memory is zero; then it is this thread's. */
static void mark_block(const struct region_churn *churn, const struct vas_block *block,
		       unsigned int number)
{
	for (uint64_t at = 0; at < block->size; at += churn->page) {
		uint64_t *word = (uint64_t *)((char *)block->start + at);

		if (*word != 0)
			crew_fault("a page of a new block holds %jx", (uintmax_t)*word);
		*word = (uintptr_t)word ^ number;
	}
}

static void check_block(const struct region_churn *churn, const struct vas_block *block,
			unsigned int number)
{
	for (uint64_t at = 0; at < block->size; at += churn->page) {
		const uint64_t *word = (const uint64_t *)((char *)block->start + at);

		if (*word != ((uintptr_t)word ^ number))
			crew_fault("somebody else wrote into a block");
	}
}

int region_churn_take(const struct region_churn *churn, struct vas_block *block, uint64_t pages,
		      bool at_once)
{
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = at_once ? VAS_ALLOC_COMMIT : 0;
	opts.tag = (uint32_t)pages;
	err = vas_region_alloc(churn->region, pages * churn->page, &opts, block);
	if (err || at_once)
		return err;
	err = vas_region_commit(churn->region, block->start, block->size, NULL);
	if (err)
		crew_fault("a block cannot be committed: %d", err);
	return err;
}

static void churn_step(const struct region_churn *churn, struct vas_block *block, uint64_t random,
		       unsigned int number)
{
	enum vas_retired state;
	int err;

	if (!block->start) {
		err = region_churn_take(churn, block, 1 + random % 7, random & 8);
		if (err && err != -ENOSPC)
			crew_fault("no block: %d", err);
		if (!err)
			mark_block(churn, block, number);
		else
			block->start = NULL;
		return;
	}
	check_block(churn, block, number);
	if (random % 5 == 0 && block->size > churn->page) {
		if (vas_region_resize(churn->region, block->start, block->size - churn->page))
			crew_fault("a block cannot be made smaller");
		block->size -= churn->page;
		return;
	}
	err = vas_region_free(churn->region, block->start, &state);
	if (err || state != VAS_RETIRED_GONE)
		crew_fault("a block cannot be freed: %d, %d", err, (int)state);
	block->start = NULL;
}

void region_churn_work(void *argument, unsigned int number)
{
	const struct region_churn *churn = argument;
	struct vas_block kept[CHURN_KEPT];
	uint64_t state = churn->seed + number;

	memset(kept, 0, sizeof(kept));
	crew_meet();
	for (uint64_t i = 0; i < churn->rounds && !crew_failed(); i++) {
		uint64_t random = region_churn_draw(&state);

		churn_step(churn, &kept[random % CHURN_KEPT], random >> 5, number);
	}
	for (size_t i = 0; i < CHURN_KEPT; i++)
		if (kept[i].start && vas_region_free(churn->region, kept[i].start, NULL))
			crew_fault("the last blocks cannot be freed");
}

void region_churn_begin(struct region_churn *churn, uint64_t pages,
			const struct vas_region_opts *opts)
{
	churn->page = (uint64_t)sysconf(_SC_PAGESIZE);
	churn->seed = tap_seed();
	if (vas_region_create(pages * churn->page, opts, &churn->region))
		tap_bail("no region");
}

void region_churn_end(struct region_churn *churn)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t where = 0;

	is_err(vas_region_stats(churn->region, &stats), 0, "statistics");
	ok(stats.blocks == 0 && stats.used == 0 && stats.committed == 0,
	   "no block is left, nothing is committed");
	ok(vas_region_check(churn->region), "the books are whole");
	is_err(vas_sync_check(&where), 0, "and say what is mapped");
	is_err(vas_region_destroy(churn->region, NULL), 0, "the region goes");
}
