/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a block, and its mark.
 *
 * WHAT FOR. The block that covers an address; a word that the allocator's user has for each block, changed if it is as
 * expected.
 *
 * STRATEGY. Both begin without a lock, by the block's start, and look again under the zone's lock when that finds
 * nothing. Who changes a mark claims the record as a free does, and makes it LIVE again, so a
 * free that expects a mark cannot be deceived.
 *
 * CONCURRENCY. As said in blocks.c.
 *
 * WHAT IT DOES NOT DO. It does not know what marks mean.
 */
#include "core/blocks.h"

#include <errno.h>

#include "base/hot.h"
#include "core/blocks_find.h"
#include "core/blocks_zone.h"

VAS_HOT int vas_blocks_at(struct vas_blocks *blocks, uint64_t address, struct vas_block_info *info)
{
	struct vas_block_info what;
	struct vas_block_hold hold;
	struct vas_blocks_found found;
	int error;

	if (!vas_blocks_covers(blocks, address))
		return -ERANGE;
	/* By now the place may be another block's. */
	if (vas_blocks_find(blocks, address, &found) &&
	    vas_blocks_record_info(blocks, found.record, &what) && what.span.start == address) {
		*info = what;
		return 0;
	}
	error = vas_blocks_hold_at(blocks, address, &hold);
	if (error)
		return error;
	error = vas_blocks_record_info(blocks, hold.record, &what) ? 0 : -ENOENT;
	vas_blocks_hold_end(blocks, &hold);
	*info = error ? *info : what;
	return error;
}

/* --- marks --- */

/*
 * Sets the mark of a block whose record the caller has claimed, if it is expected; the block is LIVE again
 * then, either way. *info is what it was.
 */
static inline int mark_claimed(const struct vas_blocks *blocks, struct vas_block_record *record,
			       uint64_t word, const uint32_t *expected, uint32_t mark,
			       struct vas_block_info *info)
{
	bool differs;

	*info = vas_blocks_claimed_info(blocks, record, word);
	differs = expected && info->mark != *expected;
	if (!differs)
		vas_word_store32(&record->link, mark);
	vas_word_store(&record->word, word);
	return differs ? -EBUSY : 0;
}

static __attribute__((noinline)) int mark_held(struct vas_blocks *blocks, uint64_t start,
					       const uint32_t *expected, uint32_t mark,
					       struct vas_block_info *info)
{
	struct vas_block_hold hold;
	int error = vas_blocks_hold_start(blocks, start, &hold);
	uint64_t word;

	if (error)
		return error;
	/* Frees without the lock come in between. */
	word = vas_word_load(&hold.record->word);
	if (vas_block_word_state(word) == VAS_BLOCK_LIVE &&
	    vas_blocks_record_claim(hold.record, word, false))
		error = mark_claimed(blocks, hold.record, word, expected, mark, info);
	else
		error = -ENOENT;
	vas_blocks_hold_end(blocks, &hold);
	return error;
}

static int mark_start(struct vas_blocks *blocks, uint64_t start, const uint32_t *expected,
		      uint32_t mark, struct vas_block_info *info)
{
	struct vas_blocks_found found;

	if (!vas_blocks_covers(blocks, start))
		return -ERANGE;
	if (!vas_blocks_find(blocks, start, &found) ||
	    !vas_blocks_record_claim(found.record, found.word, vas_blocks_single(blocks)))
		return mark_held(blocks, start, expected, mark, info);
	return mark_claimed(blocks, found.record, found.word, expected, mark, info);
}

VAS_HOT int vas_blocks_mark(struct vas_blocks *blocks, uint64_t start, uint32_t *expected,
			    uint32_t mark)
{
	struct vas_block_info info;
	int error = mark_start(blocks, start, expected, mark, &info);

	if (error == -EBUSY)
		*expected = info.mark;
	return error;
}

VAS_HOT int vas_blocks_swap(struct vas_blocks *blocks, uint64_t start, uint32_t expected,
			    uint32_t mark, struct vas_block_info *info)
{
	return mark_start(blocks, start, &expected, mark, info);
}
