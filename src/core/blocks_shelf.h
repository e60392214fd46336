/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freed blocks for requests with a window: shelves of an allocator. See blocks_shelf.c.
 *
 * Bounds: a block is put or taken after a look at one shelf as a rule, nine at most.
 */
#ifndef VAS_CORE_BLOCKS_SHELF_H
#define VAS_CORE_BLOCKS_SHELF_H

#include "core/block_shelf.h"
#include "core/blocks_zone.h"

#define VAS_BLOCK_SHELVED      (VAS_BLOCK_KINDS * VAS_BLOCK_CLASSES) /* the first of their classes */
#define VAS_BLOCK_SHELF_ZONES  64u /* those from here on have none */
#define VAS_BLOCK_SHELF_LEVELS 2u
#define VAS_BLOCK_SHELF_LOOKS  8u /* shelves that a request looks at either way */

/* The shelves of four classes, in all zones. */
struct vas_block_shelves {
	uint64_t some[VAS_BLOCK_SHELF_CLASSES]; /* atomic; zones that may have a block of a class */
	uint64_t ever; /* atomic; zones that had any since they were drained */
	uint32_t limit; /* constant: blocks of all four that begin here end in their zone */
	uint32_t full; /* atomic; not 0: a zone of many blocks needs a second shelf */
	/* atomic: two for each zone; NULL: they were not made yet */
	struct vas_block_shelf *shelf[VAS_BLOCK_SHELF_LEVELS];
} __attribute__((aligned(64)));

/* NULL: not made yet, and neither are its neighbours. */
static inline struct vas_block_shelves *vas_blocks_shelves(const struct vas_blocks *blocks,
							   uint32_t class)
{
	uint32_t group = class % VAS_BLOCK_CLASSES / VAS_BLOCK_SHELF_CLASSES;
	struct vas_block_shelves *eight = __atomic_load_n(
		&blocks->shelves[group / VAS_BLOCK_SHELVES_EIGHT], __ATOMIC_ACQUIRE);

	return eight ? eight + group % VAS_BLOCK_SHELVES_EIGHT : NULL;
}

/*
 * The class of a request that has a window and no other condition but an alignment that is a power of
 * two. NO_CLASS: no shelf serves it, for now.
 */
static inline uint32_t vas_blocks_shelf_class(const struct vas_blocks *blocks,
					      const struct vas_block_request *request)
{
	uint64_t last = (request->size - 1) >> blocks->granule_shift,
		 alignment = request->alignment;
	uint32_t class;

	if (request->phase | request->boundary | request->margin | request->flags |
	    (alignment & (alignment - 1)))
		return VAS_BLOCK_NO_CLASS;
	if (last >= __atomic_load_n(&blocks->shelved, __ATOMIC_RELAXED))
		return VAS_BLOCK_NO_CLASS;
	/* The last one is NO_CLASS. */
	class = vas_block_class((uint32_t)last) + VAS_BLOCK_SHELVED;
	return class;
}

/* Those of the zones that have shelves which lie in the window of a request as a whole. */
static inline uint64_t vas_blocks_whole_zones(const struct vas_blocks *blocks,
					      const struct vas_block_request *request)
{
	uint32_t first, end;

	if (!vas_blocks_window_zones(blocks, request->min, request->max, &first, &end) ||
	    first >= VAS_BLOCK_SHELF_ZONES)
		return 0;
	end = end < VAS_BLOCK_SHELF_ZONES ? end : VAS_BLOCK_SHELF_ZONES;
	return UINT64_MAX << first & UINT64_MAX >> (VAS_BLOCK_SHELF_ZONES - end);
}

/* Makes a block that was taken from its shelf the request's. */
static inline void vas_blocks_shelf_serve(struct vas_blocks *blocks,
					  const struct vas_block_request *request, uint32_t class,
					  uint32_t number, uint64_t at, uint64_t *start)
{
	struct vas_block_record *record = vas_block_record_at(&blocks->records, number);
	uint64_t size = ((request->size - 1) >> blocks->granule_shift) + 1;

	vas_block_record_set(record, at, size, class, request->mark);
	*start = blocks->base + (at << blocks->granule_shift);
}

/*
 * Takes a block with a key in a range out of a shelf: its number. 0: there is none, or another thread took it.
 * *left: whether there are more.
 */
static inline __attribute__((always_inline)) uint32_t
vas_blocks_shelf_pick(struct vas_block_shelf *shelf, struct vas_block_key_range range, bool alone,
		      uint32_t *key, bool *left)
{
	uint32_t bits = vas_block_keys_in(vas_block_shelf_keys(shelf), range), place;

	if (!bits)
		return 0;
	/* Smaller classes stand in lower places. */
	place = (uint32_t)__builtin_ctz(bits);
	*left = (bits & (bits - 1)) != 0;
	*key = vas_word_load32(&shelf->key[place]);
	if (!vas_block_key_in(*key, range) || !vas_block_place_claim(shelf, place, *key, alone))
		return 0;
	return vas_block_place_take(shelf, place);
}

/* Zones that may have a block of a class or a larger one. Without a branch that depends on the class. */
static inline uint64_t vas_blocks_shelf_zones(const struct vas_block_shelves *shelves, uint32_t class)
{
	uint64_t zones = vas_word_load(&shelves->some[VAS_BLOCK_SHELF_CLASSES - 1]);

	VAS_UNROLL
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_CLASSES - 1; i++)
		zones |= vas_word_load(&shelves->some[i]) & -(uint64_t)(i >= class);
	return zones;
}

/*
 * The last block of a class or a larger one was taken from the first shelf of a zone. Only where no other
 * thread is: what it costs with them is more than looks in vain.
 */
static inline void vas_blocks_shelf_forget(struct vas_block_shelves *shelves, uint32_t class,
					   uint32_t zone)
{
	uint64_t bit = shelves->shelf[1] ? 0 : UINT64_C(1) << zone;

	/* Without a branch that depends on the class. */
	VAS_UNROLL
	for (uint32_t i = 0; i < VAS_BLOCK_SHELF_CLASSES; i++)
		vas_word_store(&shelves->some[i],
				shelves->some[i] & ~(bit & -(uint64_t)(i >= class)));
}

/* Makes a block of a zone that was taken from its shelf the request's. */
static inline void vas_blocks_shelf_give(struct vas_blocks *blocks,
					 const struct vas_block_request *request, uint32_t class,
					 uint32_t zone, uint32_t key, uint32_t number,
					 uint64_t *start)
{
	uint64_t at = ((uint64_t)zone << blocks->zone_shift) + vas_block_key_offset(key);

	class += vas_block_key_class(key) - class % VAS_BLOCK_SHELF_CLASSES;
	vas_blocks_shelf_serve(blocks, request, class, number, at, start);
}

/* What follows on a pick in vain from the first of some zones. False: as take. */
bool vas_blocks_shelf_take_more(struct vas_blocks *blocks, const struct vas_block_request *request,
				uint32_t class, uint64_t zones, uint64_t *start);

/* A block from a zone in the window. False: take_slow may know one. */
static inline bool vas_blocks_shelf_take(struct vas_blocks *blocks,
					 const struct vas_block_request *request, uint32_t class,
					 uint64_t *start)
{
	uint32_t in_shelf = class % VAS_BLOCK_SHELF_CLASSES, number, key, zone;
	struct vas_block_shelves *shelves = vas_blocks_shelves(blocks, class);
	struct vas_block_key_range range = vas_block_key_range(in_shelf, VAS_BLOCK_SHELF_CLASSES);
	bool alone = vas_blocks_single(blocks), left;
	uint64_t zones;

	if (!shelves || request->alignment > blocks->granule)
		return false;
	zones = vas_blocks_shelf_zones(shelves, in_shelf) & vas_blocks_whole_zones(blocks, request);
	if (!zones)
		return false;
	zone = (uint32_t)__builtin_ctzll(zones);
	number = vas_blocks_shelf_pick(&shelves->shelf[0][zone], range, alone, &key, &left);
	if (__builtin_expect(!number, 0))
		return vas_blocks_shelf_take_more(blocks, request, class, zones, start);
	if (alone && !left)
		vas_blocks_shelf_forget(shelves, in_shelf, zone);
	vas_blocks_shelf_give(blocks, request, class, zone, key, number, start);
	return true;
}

/* The same with any alignment, any zone of the window, and larger classes of the shelf, too. */
bool vas_blocks_shelf_take_slow(struct vas_blocks *blocks, const struct vas_block_request *request,
				uint32_t class, uint64_t *start);

/* Sees to it that there are shelves for a class, if there is memory for them. */
void vas_blocks_shelf_make(struct vas_blocks *blocks, uint32_t class);

/* What put does rarely: a block that the zone's first shelf has no place for, and hints (true). */
bool vas_blocks_shelf_put_more(struct vas_blocks *blocks, struct vas_block_shelves *shelves,
			       uint32_t zone, uint32_t key, uint32_t number);
bool vas_blocks_shelf_tell(struct vas_block_shelves *shelves, uint32_t class, uint32_t zone);

/* Puts a block where there is place. False: there is none, or another thread took it. */
static inline bool vas_blocks_shelf_lay(struct vas_block_shelf *shelf, uint32_t key,
					uint32_t number, bool alone)
{
	uint32_t bits = vas_block_keys_empty(vas_block_shelf_keys(shelf)), upper, place;

	if (!bits)
		return false;
	/* Smaller classes stand in lower places. */
	upper = bits & (UINT32_MAX << 2 * vas_block_key_class(key));
	place = (uint32_t)__builtin_ctz(upper ? upper : bits);
	if (!vas_block_place_claim(shelf, place, VAS_BLOCK_KEY_EMPTY, alone))
		return false;
	vas_block_place_put(shelf, place, key, number);
	return true;
}

/* Keeps a block of a class whose record is CACHED. False: there is no place. */
static inline bool vas_blocks_shelf_put(struct vas_blocks *blocks, uint32_t number, uint64_t word,
					uint32_t class, bool alone)
{
	uint64_t at = vas_block_word_start(word), zone = at >> blocks->zone_shift;
	uint32_t offset = (uint32_t)(at - (zone << blocks->zone_shift));
	uint32_t key = vas_block_key(class, offset);
	struct vas_block_shelves *shelves = vas_blocks_shelves(blocks, class);
	struct vas_block_shelf *shelf;

	if (!shelves || zone >= VAS_BLOCK_SHELF_ZONES || offset > shelves->limit ||
	    !__atomic_load_n(&blocks->shelved, __ATOMIC_RELAXED))
		return false;
	shelf = __atomic_load_n(&shelves->shelf[0], __ATOMIC_ACQUIRE);
	if (!shelf)
		return false;
	if (!vas_blocks_shelf_lay(shelf + zone, key, number, alone))
		return vas_blocks_shelf_put_more(blocks, shelves, (uint32_t)zone, key, number);
	class %= VAS_BLOCK_SHELF_CLASSES;
	if (alone) {
		vas_word_store(&shelves->some[class], shelves->some[class] | UINT64_C(1) << zone);
		vas_word_store(&shelves->ever, shelves->ever | UINT64_C(1) << zone);
		return true;
	}
	if (!((vas_word_load(&shelves->some[class]) & vas_word_load(&shelves->ever)) >> zone & 1))
		return vas_blocks_shelf_tell(shelves, class, (uint32_t)zone);
	return true;
}

/* Empties all shelves. No lock is held. False: there was nothing on them. */
bool vas_blocks_shelves_drain(struct vas_blocks *blocks);
/* The same for what lies in a window. */
bool vas_blocks_shelves_drain_window(struct vas_blocks *blocks, struct vas_span window);
/* The blocks on shelves, and the granules that they cover. Exact while no one is at them. */
uint64_t vas_blocks_shelved(const struct vas_blocks *blocks, uint64_t *granules);
/* Every invariant, while nobody changes them. */
bool vas_blocks_shelves_check(const struct vas_blocks *blocks);

#endif
