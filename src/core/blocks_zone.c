/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The zones of a block allocator.
 *
 * WHAT FOR. Threads that take and free blocks in different places should not wait for each
 * other, offsets should fit 32 bits, and a large span should cost nothing where it is not used.
 *
 * STRATEGY. The span is cut at multiples of a power of two. A zone is made when something is first
 * taken in it. What crosses a zone's edge is a block like any other: it has one record, in the
 * zone where it starts, and a piece in the tree of each zone that it touches.
 *
 * For each zone one byte by alignment tells how large its largest gap is, at four steps to the octave,
 * so that eight zones are looked at at once and without their locks. It is only a hint: the
 * tree decides.
 *
 * CONCURRENCY. Changes under the zone's lock, of several zones from the lowest up.
 *
 * WHAT IT DOES NOT DO. Zones are not given up before the allocator goes.
 */
#include "core/blocks_zone.h"

#include <errno.h>
#include <string.h>

#include "base/hot.h"
#include "base/number.h"

#define PAGE  4096u
#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* --- hints --- */

void vas_blocks_hint_tell(struct vas_blocks *blocks, struct vas_block_zone *zone)
{
	struct vas_block_zones *zones = __atomic_load_n(&blocks->zones, __ATOMIC_ACQUIRE);

	for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++)
		__atomic_store_n(&zones->hint[key][zone->number],
				 (uint8_t)(zone->told >> key * 8), __ATOMIC_RELAXED);
}

/* Eight hints, read at once. */
struct eight_hints {
	uint64_t bytes;
} __attribute__((may_alias));

static uint64_t hints_load(const uint8_t *hints)
{
	const struct eight_hints *at = (const void *)hints;

	return __atomic_load_n(&at->bytes, __ATOMIC_RELAXED);
}

/* The bytes of eight hints that are at most limit: their high bits. */
static uint64_t hints_below(const uint8_t *hints, uint32_t limit)
{
	/* I: no byte has its high bit set, so none borrows from the next. */
	return ((limit * ONES | HIGHS) - hints_load(hints)) & HIGHS;
}

/* Bit i: hint i of 64 is at most limit, below HINT_MOST. */
static uint64_t hints_below_64(const uint8_t *hints, uint32_t limit)
{
	uint64_t bits = 0;

#if VAS_LANES_SSE2
	__m128i bound = _mm_set1_epi8((char)(limit + 1));

	VAS_UNROLL
	for (uint32_t i = 0; i < 64; i += 16) {
		__m128i sixteen = _mm_set_epi64x((long long)hints_load(hints + i + 8),
						 (long long)hints_load(hints + i));
		uint32_t below = (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(bound, sixteen));

		bits |= (uint64_t)below << i;
	}
#else
	/* The high bits of eight bytes, gathered by a product in its highest byte. */
	for (uint32_t i = 0; i < 64; i += 8)
		bits |= (hints_below(hints + i, limit) >> 7) * UINT64_C(0x0102040810204080) >> 56
			<< i;
#endif
	return bits;
}

uint32_t vas_blocks_zone_with(const struct vas_blocks *blocks, uint32_t first, uint32_t last,
			      uint32_t key, uint32_t need)
{
	const struct vas_block_zones *zones = __atomic_load_n(&blocks->zones, __ATOMIC_ACQUIRE);
	/* The least code of which every size is enough: the next after that of what is not. */
	uint32_t code = vas_lanes_codes(vas_lanes_all(need - 1))[0] + 1, number, at;
	uint64_t below;

	/* As many as there are in most spans are looked at without a branch that depends on what is found. */
	for (at = first & ~63u; at + 64 <= zones->room; at += 64) {
		below = hints_below_64(zones->hint[key] + at, VAS_BLOCKS_HINT_MOST - code);
		below &= at < first ? UINT64_MAX << (first - at) : UINT64_MAX;
		if (!below)
			continue;
		number = at + (uint32_t)__builtin_ctzll(below);
		return number <= last ? number : UINT32_MAX;
	}
	for (at = at > first ? at : first & ~7u; at < zones->room; at += 8) {
		below = hints_below(zones->hint[key] + at, VAS_BLOCKS_HINT_MOST - code);
		if (at < first)
			below &= UINT64_MAX << (first - at) * 8;
		if (!below)
			continue;
		number = at + (uint32_t)__builtin_ctzll(below) / 8;
		return number <= last ? number : UINT32_MAX;
	}
	/* Those further up are all free. */
	number = first > zones->room ? first : zones->room;
	return number <= last ? number : UINT32_MAX;
}

/* --- zones --- */

uint64_t vas_block_zones_size(uint32_t room)
{
	return sizeof(struct vas_block_zones) +
	       (sizeof(uint64_t) + sizeof(struct vas_block_zone *) + VAS_BLOCK_ROOMS) *
		       (uint64_t)room;
}

struct vas_block_zones *vas_block_zones_place(void *memory, uint32_t room)
{
	struct vas_block_zones *zones = memory;
	uint8_t *hints;

	zones->room = room;
	zones->zone = (struct vas_block_zone **)(zones->directory + room);
	hints = (uint8_t *)(zones->zone + room);
	for (uint32_t i = 0; i < room; i++)
		zones->directory[i] = vas_block_table_nothing();
	for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++)
		zones->hint[key] = hints + (size_t)key * room;
	return zones;
}

_Static_assert(sizeof(struct vas_block_zone) <= VAS_BLOCK_NODE_SIZE, "a zone fits a node");

static uint64_t zone_base(const struct vas_blocks *blocks, uint32_t number)
{
	return blocks->base + ((uint64_t)number << blocks->zone_shift << blocks->granule_shift);
}

struct vas_span vas_blocks_zone_span(const struct vas_blocks *blocks, uint32_t number)
{
	uint64_t from = zone_base(blocks, number), to = vas_blocks_end(blocks);

	if (number + 1 < blocks->zone_count)
		to = zone_base(blocks, number + 1);
	if (from < blocks->span.start)
		from = blocks->span.start;
	return (struct vas_span){ from, to - from };
}

/* The same in granules from the zone's base. */
static struct vas_block_run zone_range(const struct vas_blocks *blocks, uint32_t number)
{
	uint64_t base = zone_base(blocks, number);
	struct vas_span span = vas_blocks_zone_span(blocks, number);

	return (struct vas_block_run){
		(uint32_t)((span.start - base) >> blocks->granule_shift),
		(uint32_t)((span.start + span.size - base) >> blocks->granule_shift),
	};
}

/*
 * Arrays that have a place for a zone. The making lock held. What another thread stores meanwhile in the old ones
 * may be lost: a hint is right again when that zone's largest gap changes, a directory with the zone's next change.
 */
static struct vas_block_zones *zones_for(struct vas_blocks *blocks, uint32_t number)
{
	struct vas_block_zones *zones = blocks->zones, *larger;
	uint32_t room = zones->room;
	uint64_t size;
	void *memory;

	if (number < room)
		return zones;
	room = room * 2 > number ? room * 2 : (number | 7) + 1;
	size = (vas_block_zones_size(room) + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (vas_block_pool_array(&blocks->pool, size, &memory))
		return NULL;
	memset(memory, 0, size);
	larger = vas_block_zones_place(memory, room);
	for (uint32_t i = 0; i < zones->room; i++) {
		larger->zone[i] = zones->zone[i];
		larger->directory[i] = vas_word_load(&zones->directory[i]);
		for (uint32_t key = 0; key < VAS_BLOCK_ROOMS; key++)
			larger->hint[key][i] =
				__atomic_load_n(&zones->hint[key][i], __ATOMIC_RELAXED);
	}
	__atomic_store_n(&blocks->zones, larger, __ATOMIC_RELEASE);
	return larger;
}

/* The making lock held. */
static struct vas_block_zone *zone_make(struct vas_blocks *blocks, uint32_t number)
{
	struct vas_block_zones *zones = zones_for(blocks, number);
	struct vas_block_spares spares = { 0 };
	struct vas_block_zone *zone;

	if (!zones || vas_block_pool_fill(&blocks->pool, &spares, 2, 0))
		return NULL;
	zone = vas_block_spares_take(&spares);
	memset(zone, 0, sizeof(*zone));
	zone->number = number;
	zone->spares = spares;
	vas_block_table_init(&zone->table, &blocks->records,
			     (uint64_t)number << blocks->zone_shift);
	vas_block_tree_init(&zone->tree, &zone->spares, zone_base(blocks, number),
			    blocks->granule_shift, zone_range(blocks, number));
	zone->told = vas_block_hints_of(&zone->tree);
	vas_blocks_hint_tell(blocks, zone);
	vas_word_store(&zones->directory[number], zone->table.directory);
	__atomic_store_n(&zones->zone[number], zone, __ATOMIC_RELEASE);
	return zone;
}

struct vas_block_zone *vas_blocks_zone_get(struct vas_blocks *blocks, uint32_t number)
{
	struct vas_block_zone *zone;

	vas_blocks_lock(blocks, &blocks->making);
	zone = vas_blocks_zone(blocks, number);
	if (!zone)
		zone = zone_make(blocks, number);
	vas_blocks_unlock(blocks, &blocks->making);
	return zone;
}

void vas_blocks_zones_leave(struct vas_blocks *blocks, uint32_t first, uint32_t last)
{
	for (uint32_t number = last + 1; number-- > first;)
		vas_blocks_zone_leave(blocks, vas_blocks_zone(blocks, number));
}

bool vas_blocks_zones_enter(struct vas_blocks *blocks, uint32_t first, uint32_t last)
{
	for (uint32_t number = first; number <= last; number++) {
		if (vas_blocks_zone_enter(blocks, number))
			continue;
		if (number > first)
			vas_blocks_zones_leave(blocks, first, number - 1);
		return false;
	}
	return true;
}
