/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shelves: freed blocks that are found by where they are.
 *
 * A shelf is one line of the cache with eight places, for four size classes of one zone. The key of a
 * place tells where its block begins and of what class it is, so eight blocks are looked at at once,
 * and no record is.
 *
 * Concurrency: a key changes by compare-and-swap. Who turns it to BUSY has the place alone until it
 * stores another one. A key says all that is asked of a block, so one that went and came back
 * meanwhile is as good.
 */
#ifndef VAS_CORE_BLOCK_SHELF_H
#define VAS_CORE_BLOCK_SHELF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shared_word.h"
#include "core/block_class.h"
#include "core/block_lanes.h"

#define VAS_BLOCK_SHELF_PLACES	8u
#define VAS_BLOCK_SHELF_CLASSES 4u /* that share a shelf */
#define VAS_BLOCK_SHELF_SHIFT	30u
#define VAS_BLOCK_SHELF_OFFSETS ((UINT32_C(1) << VAS_BLOCK_SHELF_SHIFT) - 1)

/*
 * A key is the class in the shelf times 2^30 and the offset in the zone, with the highest bit turned:
 * the order is that of signed numbers. The last two are no block's: it would end beyond the largest zone.
 */
#define VAS_BLOCK_KEY_TURN  UINT32_C(0x80000000)
#define VAS_BLOCK_KEY_EMPTY UINT32_C(0x7fffffff)
#define VAS_BLOCK_KEY_BUSY  UINT32_C(0x7ffffffe) /* a block is just being taken, or put there */

struct vas_block_shelf {
	uint32_t key[VAS_BLOCK_SHELF_PLACES]; /* atomic */
	uint32_t number[VAS_BLOCK_SHELF_PLACES]; /* atomic; of the blocks' records */
} __attribute__((aligned(64)));

static inline uint32_t vas_block_key(uint32_t class, uint32_t offset)
{
	return (class % VAS_BLOCK_SHELF_CLASSES << VAS_BLOCK_SHELF_SHIFT | offset) ^
	       VAS_BLOCK_KEY_TURN;
}

static inline uint32_t vas_block_key_offset(uint32_t key)
{
	return key & VAS_BLOCK_SHELF_OFFSETS;
}

/* Its class among those of the shelf. */
static inline uint32_t vas_block_key_class(uint32_t key)
{
	return (key ^ VAS_BLOCK_KEY_TURN) >> VAS_BLOCK_SHELF_SHIFT;
}

static inline bool vas_block_key_is_block(uint32_t key)
{
	return key != VAS_BLOCK_KEY_EMPTY && key != VAS_BLOCK_KEY_BUSY;
}

/* The keys of classes from one on, up to another one, which is not 0: [first, end), as signed numbers. */
struct vas_block_key_range {
	uint32_t first;
	uint32_t end;
};

static inline struct vas_block_key_range vas_block_key_range(uint32_t class, uint32_t end)
{
	return (struct vas_block_key_range){
		.first = vas_block_key(class, 0),
		.end = end == VAS_BLOCK_SHELF_CLASSES ? VAS_BLOCK_KEY_BUSY : vas_block_key(end, 0),
	};
}

static inline bool vas_block_key_in(uint32_t key, struct vas_block_key_range range)
{
	return key - range.first < range.end - range.first;
}

/* --- eight keys at once --- */

struct vas_block_keys {
	vas_lanes low;
	vas_lanes high;
};

/* Two keys, read at once. */
struct vas_block_two_keys {
	uint64_t keys;
} __attribute__((may_alias));

static inline vas_lanes vas_block_four_keys(const uint32_t *keys)
{
	typedef uint64_t two_words __attribute__((vector_size(16)));
	const struct vas_block_two_keys *two = (const void *)keys;

	VAS_WORD_STEP();
	return (vas_lanes)(two_words){ __atomic_load_n(&two[0].keys, __ATOMIC_RELAXED),
				       __atomic_load_n(&two[1].keys, __ATOMIC_RELAXED) };
}

static inline struct vas_block_keys vas_block_shelf_keys(const struct vas_block_shelf *shelf)
{
	return (struct vas_block_keys){ vas_block_four_keys(shelf->key),
					vas_block_four_keys(shelf->key + 4) };
}

/* Bit i: place i. */
static inline uint32_t vas_block_keys_bits(vas_lanes low, vas_lanes high)
{
	return (uint32_t)(vas_lanes_bits(low) | vas_lanes_bits(high) << 4);
}

/* The places of keys in a range. */
static inline uint32_t vas_block_keys_in(struct vas_block_keys keys,
					 struct vas_block_key_range range)
{
	/* Counted from the lowest signed number on, so that one comparison is enough. */
	vas_lanes from = vas_lanes_all(range.first - VAS_BLOCK_KEY_TURN);
	vas_lanes size = vas_lanes_all(range.end - range.first + VAS_BLOCK_KEY_TURN);

	return vas_block_keys_bits(vas_lanes_more(size, keys.low - from),
				   vas_lanes_more(size, keys.high - from));
}

/* Those of blocks that begin in [first, end) of the zone, at a multiple of mask + 1, a power of two. */
static inline uint32_t vas_block_keys_at(struct vas_block_keys keys, uint32_t first, uint32_t end,
					 uint32_t mask)
{
	vas_lanes offsets = vas_lanes_all(VAS_BLOCK_SHELF_OFFSETS), odd = vas_lanes_all(mask);
	vas_lanes low = keys.low & offsets, high = keys.high & offsets;
	vas_lanes from = vas_lanes_all(first), to = vas_lanes_all(end), none = { 0 };

	return vas_block_keys_bits(vas_lanes_more(to, low) & ~vas_lanes_more(from, low) &
					   ~vas_lanes_more(low & odd, none),
				   vas_lanes_more(to, high) & ~vas_lanes_more(from, high) &
					   ~vas_lanes_more(high & odd, none));
}

static inline uint32_t vas_block_keys_empty(struct vas_block_keys keys)
{
	vas_lanes empty = vas_lanes_all(VAS_BLOCK_KEY_EMPTY);

	return vas_block_keys_bits((vas_lanes)(keys.low == empty), (vas_lanes)(keys.high == empty));
}

/* --- places --- */

/*
 * Makes a place the caller's alone, if its key is as it was. alone: no other thread is at it.
 * What is loaded after this was not loaded before it: who clears a hint and then finds the place
 * EMPTY is sure that who puts a block there sees the hint cleared.
 */
static inline bool vas_block_place_claim(struct vas_block_shelf *shelf, uint32_t place,
					 uint32_t key, bool alone)
{
	VAS_WORD_STEP();
	return alone || __atomic_compare_exchange_n(&shelf->key[place], &key, VAS_BLOCK_KEY_BUSY,
						    false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Takes the block out of a place that was claimed: the number of its record. */
static inline uint32_t vas_block_place_take(struct vas_block_shelf *shelf, uint32_t place)
{
	uint32_t number = vas_word_load32(&shelf->number[place]);

	vas_word_store32(&shelf->key[place], VAS_BLOCK_KEY_EMPTY);
	return number;
}

/* Puts one there. */
static inline void vas_block_place_put(struct vas_block_shelf *shelf, uint32_t place, uint32_t key,
				       uint32_t number)
{
	vas_word_store32(&shelf->number[place], number);
	vas_word_store32(&shelf->key[place], key);
}

#endif
