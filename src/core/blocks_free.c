/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freeing blocks.
 *
 * WHAT FOR. A free by address alone, most often without a lock and by one cache line.
 *
 * STRATEGY. The record is found by the block's start, in its own line of the table, or else in one beside it. A free makes
 * it CACHED, which only one of several frees of the same block can do; it is the free's alone then, and goes into a
 * magazine, onto a shelf, or to the books under the zone's lock. Who finds nothing, or cannot claim what it found, looks
 * again under the lock: the block's record may have moved. While magazines rest, all begins with the lock.
 *
 * A claim is a free in two steps, for who must know more of a block before it decides.
 *
 * CONCURRENCY. As said in blocks.c.
 *
 * WHAT IT DOES NOT DO. It does not keep anyone from using a block that another frees.
 */
#include "core/blocks.h"

#include <errno.h>

#include "base/hot.h"
#include "core/blocks_find.h"
#include "core/blocks_shelf.h"
#include "core/blocks_zone.h"

/* The slow way, which also tells what is wrong with the address. */
static __attribute__((noinline)) int free_held(struct vas_blocks *blocks, uint64_t start,
					       struct vas_block_info *info)
{
	struct vas_block_hold hold;
	uint64_t word;
	int error = vas_blocks_hold_start(blocks, start, &hold);

	if (error)
		return error;
	/* Frees without the lock come in between. */
	word = vas_word_load(&hold.record->word);
	if (vas_block_word_state(word) == VAS_BLOCK_LIVE &&
	    vas_blocks_record_claim(hold.record, word, false)) {
		if (info)
			*info = vas_blocks_claimed_info(blocks, hold.record, word);
		vas_blocks_drop(blocks, hold.zone, hold.record);
	} else {
		error = -ENOENT;
	}
	vas_blocks_hold_end(blocks, &hold);
	vas_blocks_loosen(blocks);
	return error;
}

/* A block that a shelf may keep, but for NO_CLASS. */
static bool is_shelved(uint32_t class)
{
	return class - VAS_BLOCK_SHELVED < VAS_BLOCK_NO_CLASS - VAS_BLOCK_SHELVED;
}

/* A block whose record is CACHED and nowhere: onto a shelf, into a magazine, or to the books. */
static inline __attribute__((always_inline)) void
free_claimed(struct vas_blocks *blocks, const struct vas_blocks_found *found, bool alone)
{
	uint32_t class = vas_block_record_class(found->record, found->word), most;
	struct vas_block_magazine *magazine;
	bool kept = false;

	if (is_shelved(class)) {
		kept = vas_blocks_shelf_put(blocks, vas_blocks_found_number(blocks, found),
					    found->word, class, alone);
	} else {
		most = __atomic_load_n(&blocks->most[class], __ATOMIC_RELAXED);
		magazine =
			vas_blocks_magazine(blocks, class < VAS_BLOCK_SHELVED ? class : 0, alone);
		kept = most && vas_block_magazine_put(magazine, class % VAS_BLOCK_CLASSES,
						      vas_blocks_found_number(blocks, found),
						      found->record, most, alone);
	}
	if (!kept)
		vas_blocks_free_claimed(blocks, found->record);
}

/* A free of a block that was found. Out of line: the way past it is short. */
static __attribute__((noinline)) int free_found(struct vas_blocks *blocks, uint64_t start,
						struct vas_blocks_found found,
						struct vas_block_info *info)
{
	bool alone = vas_blocks_single(blocks);

	/* Another one freed it, or its record goes to another page just now. */
	if (!vas_blocks_record_claim(found.record, found.word, alone))
		return free_held(blocks, start, info);
	if (info)
		*info = vas_blocks_claimed_info(blocks, found.record, found.word);
	free_claimed(blocks, &found, alone);
	return 0;
}

/* Any other free. */
static __attribute__((noinline)) int free_away(struct vas_blocks *blocks, uint64_t start,
					       struct vas_block_info *info)
{
	struct vas_blocks_found found;

	if (!vas_blocks_covers(blocks, start))
		return -ERANGE;
	if (!vas_blocks_find(blocks, start, &found))
		return free_held(blocks, start, info);
	return free_found(blocks, start, found, info);
}

/* While magazines rest. */
static __attribute__((noinline)) int free_booked(struct vas_blocks *blocks, uint64_t start,
						 struct vas_block_info *info)
{
	if (vas_blocks_covers(blocks, start) && vas_blocks_free_held(blocks, start, info) == 0)
		return 0;
	return free_away(blocks, start, info);
}

/* What no magazine keeps, or none yet: claimed, as most blocks are. */
static __attribute__((noinline)) int free_rest(struct vas_blocks *blocks,
					       struct vas_block_record *record, uint32_t area)
{
	const struct vas_blocks_found found = { record, vas_word_load(&record->word), area };

	free_claimed(blocks, &found, vas_blocks_single(blocks));
	return 0;
}

/*
 * A block with a class that was found, into its magazine. Each way out of it is the last thing that it does, so that
 * the short one need not save a register.
 */
static inline __attribute__((always_inline)) int free_plain(struct vas_blocks *blocks,
							    uint64_t start,
							    struct vas_blocks_found found,
							    bool alone, struct vas_block_info *info)
{
	struct vas_block_magazine *magazine;
	uint32_t size, class, most;

	if (__builtin_expect(!vas_blocks_record_claim(found.record, found.word, alone), 0))
		return free_held(blocks, start, info);
	/* Size and mark are the block's until the record is linked, and no other call's. */
	size = vas_word_load32(&found.record->size);
	if (info) {
		info->span.start = start;
		info->span.size = vas_block_size_of(found.word, size) << blocks->granule_shift;
		info->live = true;
		info->mark = vas_word_load32(&found.record->link);
	}
	class = size >> VAS_BLOCK_CLASS_SHIFT;
	most = __atomic_load_n(&blocks->most[class], __ATOMIC_RELAXED);
	if (__builtin_expect(!most || found.area != 0, 0))
		return free_rest(blocks, found.record, found.area);
	magazine = vas_blocks_magazine(blocks, class, alone);
	if (__builtin_expect(!vas_block_magazine_put(magazine, class % VAS_BLOCK_CLASSES,
						     vas_blocks_found_number(blocks, &found),
						     found.record, most, alone),
			     0))
		return free_rest(blocks, found.record, found.area);
	return 0;
}

/* A free of what is not in its own line: one block of sixteen, or less. */
static __attribute__((noinline)) int free_beside(struct vas_blocks *blocks, uint64_t start,
						 struct vas_block_info *info)
{
	struct vas_blocks_found found;

	if (__builtin_expect(!vas_blocks_find_beside(blocks, start, &found), 0))
		return free_away(blocks, start, info);
	return free_plain(blocks, start, found, vas_blocks_single(blocks), info);
}

/* A free of what a magazine keeps. */
static inline __attribute__((always_inline)) int
free_near(struct vas_blocks *blocks, uint64_t start, bool alone, struct vas_block_info *info)
{
	struct vas_blocks_found found;

	if (__builtin_expect(!__atomic_load_n(&blocks->cached, __ATOMIC_RELAXED), 0))
		return free_booked(blocks, start, info);
	if (__builtin_expect(!vas_blocks_find_plain(blocks, start, &found), 0))
		return free_beside(blocks, start, info);
	return free_plain(blocks, start, found, alone, info);
}

static __attribute__((noinline)) int free_shared(struct vas_blocks *blocks, uint64_t start,
						 struct vas_block_info *info)
{
	return free_near(blocks, start, false, info);
}

VAS_HOT int vas_blocks_free(struct vas_blocks *blocks, uint64_t start, struct vas_block_info *info)
{
	if (!vas_blocks_single(blocks))
		return free_shared(blocks, start, info);
	return free_near(blocks, start, true, info);
}

/* --- claims --- */

VAS_HOT int vas_blocks_claim(struct vas_blocks *blocks, uint64_t start, uint32_t expected,
			     uint32_t beside, struct vas_block_claim *claim)
{
	struct vas_blocks_found found;
	uint32_t differs;

	if (!vas_blocks_covers(blocks, start))
		return -ERANGE;
	if (__builtin_expect(!vas_blocks_find(blocks, start, &found), 0))
		return -EAGAIN;
	claim->record = found.record;
	claim->word = found.word;
	claim->area = found.area;
	/* Most likely so; then nobody need notice that it was looked at. */
	differs = (vas_word_load32(&claim->record->link) ^ expected) & ~beside;
	if (__builtin_expect(differs, 0))
		return -EBUSY;
	if (__builtin_expect(
		    !vas_blocks_record_claim(claim->record, claim->word, vas_blocks_single(blocks)),
		    0))
		return -EAGAIN;
	/* Marks change only while a record is claimed. */
	claim->info = vas_blocks_claimed_info(blocks, claim->record, claim->word);
	differs = (claim->info.mark ^ expected) & ~beside;
	if (__builtin_expect(!differs, 1))
		return 0;
	vas_word_store(&claim->record->word, claim->word);
	return -EBUSY;
}

VAS_HOT void vas_blocks_claim_free(struct vas_blocks *blocks, const struct vas_block_claim *claim)
{
	const struct vas_blocks_found found = { claim->record, claim->word, claim->area };

	free_claimed(blocks, &found, vas_blocks_single(blocks));
}

VAS_HOT void vas_blocks_claim_mark(struct vas_blocks *blocks, const struct vas_block_claim *claim,
				   uint32_t mark)
{
	(void)blocks;
	vas_word_store32(&claim->record->link, mark);
	vas_word_store(&claim->record->word, claim->word);
}
