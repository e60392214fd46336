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
 * Who must know more of some blocks before it decides frees by the mark: a block that has any other one is claimed, and the
 * caller's for as long as it takes.
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
	if (kept)
		return;
	vas_blocks_free_claimed(blocks, found->record);
	vas_blocks_recall(blocks, vas_blocks_word_address(blocks, found->word));
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
 * A block with a class that was claimed, into its magazine. size: of the record, which like its mark is the block's until that
 * is linked, and no other call's. Each way out is the last thing that a free does, so that the short one need not save a register.
 */
static inline __attribute__((always_inline)) int
free_kept(struct vas_blocks *blocks, struct vas_blocks_found found, uint32_t size, bool alone)
{
	uint32_t class = size >> VAS_BLOCK_CLASS_SHIFT;
	uint32_t most = __atomic_load_n(&blocks->most[class], __ATOMIC_RELAXED);
	struct vas_block_magazine *magazine;

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

/* A block with a class that was found. */
static inline __attribute__((always_inline)) int free_plain(struct vas_blocks *blocks,
							    uint64_t start,
							    struct vas_blocks_found found,
							    bool alone, struct vas_block_info *info)
{
	uint32_t size;

	if (__builtin_expect(!vas_blocks_record_claim(found.record, found.word, alone), 0))
		return free_held(blocks, start, info);
	size = vas_word_load32(&found.record->size);
	if (info) {
		info->span.start = start;
		info->span.size = vas_block_size_of(found.word, size) << blocks->granule_shift;
		info->live = true;
		info->mark = vas_word_load32(&found.record->link);
	}
	return free_kept(blocks, found, size, alone);
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

/* --- by the mark --- */

/* What was found, as claim has it. */
static __attribute__((noinline)) int free_or_claim_found(struct vas_blocks *blocks, uint32_t plain,
							 uint32_t beside,
							 struct vas_block_claim *claim)
{
	const struct vas_blocks_found found = { claim->record, claim->word, claim->area };
	bool alone = vas_blocks_single(blocks);

	/* Most likely so; then nobody need notice that it was looked at. */
	if ((vas_word_load32(&claim->record->link) ^ plain) & ~beside)
		return -EBUSY;
	if (__builtin_expect(!vas_blocks_record_claim(claim->record, claim->word, alone), 0))
		return -EAGAIN;
	/* Marks change only while a record is claimed. */
	claim->info = vas_blocks_claimed_info(blocks, claim->record, claim->word);
	if (__builtin_expect((claim->info.mark ^ plain) & ~beside, 0)) {
		vas_word_store(&claim->record->word, claim->word);
		return -EBUSY;
	}
	if (claim->info.mark != plain)
		return VAS_BLOCKS_CLAIMED;
	free_claimed(blocks, &found, alone);
	return 0;
}

static inline void claim_note(struct vas_block_claim *claim, const struct vas_blocks_found *found)
{
	claim->record = found->record;
	claim->word = found->word;
	claim->area = found->area;
}

/* Any block. */
static __attribute__((noinline)) int free_or_claim_away(struct vas_blocks *blocks, uint64_t start,
							uint32_t plain, uint32_t beside,
							struct vas_block_claim *claim)
{
	struct vas_blocks_found found;

	if (!vas_blocks_covers(blocks, start))
		return -ERANGE;
	if (__builtin_expect(!vas_blocks_find(blocks, start, &found), 0))
		return -EAGAIN;
	claim_note(claim, &found);
	return free_or_claim_found(blocks, plain, beside, claim);
}

/* A block with a class. With the plain mark it is freed here. */
static inline __attribute__((always_inline)) int
free_or_claim_plain(struct vas_blocks *blocks, uint64_t start, struct vas_blocks_found found,
		    uint32_t plain, uint32_t beside, struct vas_block_claim *claim, bool alone)
{
	uint32_t size;

	if (__builtin_expect(vas_word_load32(&found.record->link) != plain, 0)) {
		claim_note(claim, &found);
		return free_or_claim_found(blocks, plain, beside, claim);
	}
	if (__builtin_expect(!vas_blocks_record_claim(found.record, found.word, alone), 0))
		return -EAGAIN;
	/* Marks change only while a record is claimed. */
	if (!alone && __builtin_expect(vas_word_load32(&found.record->link) != plain, 0)) {
		vas_word_store(&found.record->word, found.word);
		return -EBUSY;
	}
	size = vas_word_load32(&found.record->size);
	claim->info.span.start = start;
	claim->info.span.size = vas_block_size_of(found.word, size) << blocks->granule_shift;
	return free_kept(blocks, found, size, alone);
}

static __attribute__((noinline)) int free_or_claim_beside(struct vas_blocks *blocks, uint64_t start,
							  uint32_t plain, uint32_t beside,
							  struct vas_block_claim *claim)
{
	struct vas_blocks_found found;

	if (__builtin_expect(!vas_blocks_find_beside(blocks, start, &found), 0))
		return free_or_claim_away(blocks, start, plain, beside, claim);
	return free_or_claim_plain(blocks, start, found, plain, beside, claim,
				   vas_blocks_single(blocks));
}

static inline __attribute__((always_inline)) int
free_or_claim(struct vas_blocks *blocks, uint64_t start, uint32_t plain, uint32_t beside,
	      struct vas_block_claim *claim, bool alone)
{
	struct vas_blocks_found found;

	if (__builtin_expect(!vas_blocks_find_plain(blocks, start, &found), 0))
		return free_or_claim_beside(blocks, start, plain, beside, claim);
	return free_or_claim_plain(blocks, start, found, plain, beside, claim, alone);
}

static __attribute__((noinline)) int free_or_claim_shared(struct vas_blocks *blocks, uint64_t start,
							  uint32_t plain, uint32_t beside,
							  struct vas_block_claim *claim)
{
	return free_or_claim(blocks, start, plain, beside, claim, false);
}

VAS_HOT int vas_blocks_free_or_claim(struct vas_blocks *blocks, uint64_t start, uint32_t plain,
				     uint32_t beside, struct vas_block_claim *claim)
{
	if (!vas_blocks_single(blocks))
		return free_or_claim_shared(blocks, start, plain, beside, claim);
	return free_or_claim(blocks, start, plain, beside, claim, true);
}

VAS_HOT void vas_blocks_claim_mark(struct vas_blocks *blocks, const struct vas_block_claim *claim,
				   uint32_t mark)
{
	(void)blocks;
	vas_word_store32(&claim->record->link, mark);
	vas_word_store(&claim->record->word, claim->word);
}
