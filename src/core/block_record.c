/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers for the places of records.
 *
 * WHAT FOR. A list in a magazine is one word, and has 32 bits of it for its first record: too few for an address.
 *
 * STRATEGY. Memory for books mostly comes from one part of the address space, so a number is the distance of the
 * place from an address 8 GiB below the first one, in records. What lies further away than 8 GiB is numbered by areas
 * of 1 MiB, which have a directory. When that is full, a larger copy takes its place by one store; readers
 * see the old one or the new one, and the old one stays as it is, since somebody may still read it. All
 * old ones together are smaller than the new one. Number 0 is none.
 *
 * BOUNDS. at and number: O(1). room: a look at the last few areas. At most 16384 areas, 8 GiB of books or more.
 *
 * CONCURRENCY. One lock over the areas, taken after a zone's and before the pool's. A place reaches another
 * thread only through a word that is stored with release and loaded with acquire (shared_word.h), so near or
 * the directory that this thread then loads has its area.
 *
 * WHAT IT DOES NOT DO. It does not know which transitions of a record's word are allowed; that is in
 * block_record.h and with its users. It does not hand out places: tables do.
 */
#include "core/block_record.h"

#include <errno.h>
#include <string.h>

#define ROOM_NODE (VAS_BLOCK_NODE_SIZE / (uint32_t)sizeof(uint64_t))
#define ROOM_PAGE (VAS_BLOCK_PAGE_SIZE / (uint32_t)sizeof(uint64_t))
#define LAST	  8u /* areas that new memory may lie in, too */

_Static_assert(sizeof(struct vas_block_record) == 16, "a record is 16 bytes");
_Static_assert(VAS_BLOCK_RECORD_NEAR / sizeof(struct vas_block_record) <= VAS_BLOCK_RECORD_FAR,
	       "near numbers are below the far ones");
_Static_assert(VAS_BLOCK_AREA / sizeof(struct vas_block_record) == 1u << VAS_BLOCK_AREA_SHIFT,
	       "an area has so many places");
_Static_assert(VAS_BLOCK_START_SHIFT + VAS_BLOCK_START_BITS == 64, "a word is full");

static void records_enter(struct vas_block_records *records)
{
	const struct vas_blocks_support *support = &records->pool->support;

	if (support->lock)
		support->lock(support->context, &records->lock);
}

static int records_leave(struct vas_block_records *records, int error)
{
	const struct vas_blocks_support *support = &records->pool->support;

	if (support->unlock)
		support->unlock(support->context, &records->lock);
	return error;
}

void vas_block_records_init(struct vas_block_records *records, struct vas_block_pool *pool)
{
	memset(records, 0, sizeof(*records));
	records->pool = pool;
}

static int areas_grow(struct vas_block_records *records)
{
	const uint64_t *old = (const uint64_t *)(uintptr_t)records->directory;
	uint32_t room = records->room * 2;
	void *memory;
	int error;

	if (records->room == VAS_BLOCK_AREAS)
		return -ENOMEM;
	if (room < ROOM_NODE)
		room = ROOM_NODE;
	else if (room < ROOM_PAGE)
		room = ROOM_PAGE;
	error = vas_block_pool_array(records->pool, room * sizeof(*old), &memory);
	if (error)
		return error;
	if (old)
		memcpy(memory, old, records->areas * sizeof(*old));
	records->room = room;
	vas_word_store(&records->directory, (uintptr_t)memory);
	return 0;
}

static bool is_in_area(uint64_t area, uint64_t memory, uint64_t size)
{
	return memory >= area && memory - area <= VAS_BLOCK_AREA - size;
}

/* The area of memory that is far away, made if need be. */
static int area_of(struct vas_block_records *records, uint64_t memory, uint64_t size,
		   uint32_t *area)
{
	uint64_t *areas = (uint64_t *)(uintptr_t)records->directory, start;
	uint32_t last = records->areas > LAST ? records->areas - LAST : 0;
	int error = 0;

	for (uint32_t i = records->areas; i-- > last;)
		if (is_in_area(areas[i], memory, size)) {
			*area = i + 1;
			return 0;
		}
	if (records->areas == records->room)
		error = areas_grow(records);
	if (error)
		return error;
	start = memory & ~(VAS_BLOCK_AREA - 1);
	areas = (uint64_t *)(uintptr_t)records->directory;
	vas_word_store(&areas[records->areas], is_in_area(start, memory, size) ? start : memory);
	*area = ++records->areas;
	return 0;
}

int vas_block_records_room(struct vas_block_records *records, const void *memory, uint64_t size,
			   uint32_t *area)
{
	uint64_t at = (uintptr_t)memory;

	records_enter(records);
	if (!records->near)
		vas_word_store(&records->near, at - VAS_BLOCK_RECORD_NEAR / 2);
	*area = 0;
	/* No place has the number 0. */
	if (at - records->near - VAS_BLOCK_PAGE_SIZE <
	    VAS_BLOCK_RECORD_NEAR - 2 * VAS_BLOCK_PAGE_SIZE)
		return records_leave(records, 0);
	return records_leave(records, area_of(records, at, size, area));
}

uint32_t vas_block_record_number_far(const struct vas_block_records *records,
				     const struct vas_block_record *record, uint32_t area)
{
	const uint64_t *areas = (const uint64_t *)(uintptr_t)vas_word_load(&records->directory);
	uint64_t from = vas_word_load(&areas[area - 1]);

	return VAS_BLOCK_RECORD_FAR + ((area - 1) << VAS_BLOCK_AREA_SHIFT) +
	       (uint32_t)(((uintptr_t)record - from) / sizeof(*record));
}

/* Linked through their first places, as lists in magazines are; the words stay FREE. */
void vas_block_records_keep(struct vas_block_records *records, void *page, uint32_t area)
{
	struct vas_block_record *first = page;

	records_enter(records);
	vas_word_store32(&first->link, records->kept);
	records->kept = vas_block_record_number(records, first, area);
	(void)records_leave(records, 0);
}

void *vas_block_records_again(struct vas_block_records *records, uint32_t *area)
{
	struct vas_block_record *first = NULL;
	uint32_t number;

	records_enter(records);
	number = records->kept;
	if (number) {
		first = vas_block_record_at(records, number);
		records->kept = vas_word_load32(&first->link);
		*area = number < VAS_BLOCK_RECORD_FAR
				? 0
				: ((number - VAS_BLOCK_RECORD_FAR) >> VAS_BLOCK_AREA_SHIFT) + 1;
	}
	(void)records_leave(records, 0);
	return first;
}

/* What is kept has no record. */
static bool kept_check(const struct vas_block_records *records)
{
	const struct vas_block_record *place;

	for (uint32_t number = records->kept; number; number = vas_word_load32(&place->link)) {
		place = vas_block_record_at(records, number);
		for (uint32_t i = 0; i < VAS_BLOCK_PAGE_SIZE / sizeof(*place); i++)
			if (vas_word_load(&place[i].word) != VAS_BLOCK_FREE)
				return false;
	}
	return true;
}

bool vas_block_records_check(const struct vas_block_records *records)
{
	const uint64_t *areas = (const uint64_t *)(uintptr_t)records->directory;

	if (records->areas > records->room)
		return false;
	for (uint32_t i = 0; i < records->areas; i++)
		if (areas[i] == 0 || (areas[i] & 63) != 0)
			return false;
	return kept_check(records);
}
