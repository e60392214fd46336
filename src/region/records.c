/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of blocks.
 *
 * WHAT FOR. A mark has 24 bits to spare, a caller's tag has 32, and caches and queues want
 * links and times. Most blocks need none of that.
 *
 * STRATEGY. Chunks of records, found by number through one array that doubles; unused ones are
 * linked by number.
 *
 * CONCURRENCY. The region's lock is held throughout.
 *
 * WHAT IT DOES NOT DO. It never gives a chunk back before the region goes.
 */
#include "region/records.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "region/region.h"

#define CAPACITY_FIRST 8u

static int records_widen(struct vas_region *region)
{
	struct vas_records *records = &region->records;
	uint32_t capacity = records->chunk_capacity ? records->chunk_capacity * 2 : CAPACITY_FIRST;
	void *memory;
	int err;

	if (records->chunk_count < records->chunk_capacity)
		return 0;
	err = vas_region_take(region->space, capacity * sizeof(struct vas_record *), &memory);
	if (err)
		return err;
	if (records->chunks) {
		memcpy(memory, records->chunks, records->chunk_count * sizeof(struct vas_record *));
		vas_region_give(region->space, records->chunks,
				records->chunk_capacity * sizeof(struct vas_record *));
	}
	records->chunks = memory;
	records->chunk_capacity = capacity;
	return 0;
}

static int records_grow(struct vas_region *region)
{
	struct vas_records *records = &region->records;
	uint32_t first = records->chunk_count * VAS_RECORDS_CHUNK;
	struct vas_record *chunk;
	void *memory;
	int err;

	if (records->chunk_count == VAS_RECORDS_CHUNKS)
		return -ENOMEM;
	err = records_widen(region);
	if (err)
		return err;
	err = vas_region_take(region->space, VAS_RECORDS_CHUNK * sizeof(*chunk), &memory);
	if (err)
		return err;
	chunk = memory;
	for (uint32_t i = 0; i < VAS_RECORDS_CHUNK; i++)
		chunk[i].next = i + 1 < VAS_RECORDS_CHUNK ? first + i + 2 : 0;
	records->chunks[records->chunk_count++] = chunk;
	records->unused = first + 1;
	return 0;
}

struct vas_record *vas_record_get(const struct vas_region *region, uint32_t number)
{
	uint32_t i = number - 1;

	VAS_ASSERT_DEBUG(number && i / VAS_RECORDS_CHUNK < region->records.chunk_count);
	return &region->records.chunks[i / VAS_RECORDS_CHUNK][i % VAS_RECORDS_CHUNK];
}

int vas_record_take(struct vas_region *region, uint32_t *number)
{
	struct vas_records *records = &region->records;
	struct vas_record *record;
	int err;

	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	if (!records->unused) {
		err = records_grow(region);
		if (err)
			return err;
	}
	*number = records->unused;
	record = vas_record_get(region, *number);
	records->unused = record->next;
	records->count++;
	memset(record, 0, sizeof(*record));
	return 0;
}

void vas_record_give(struct vas_region *region, uint32_t number)
{
	struct vas_records *records = &region->records;

	VAS_ASSERT_DEBUG(records->count > 0);
	vas_record_get(region, number)->next = records->unused;
	records->unused = number;
	records->count--;
}

void vas_records_free(struct vas_region *region)
{
	struct vas_records *records = &region->records;

	for (uint32_t i = 0; i < records->chunk_count; i++)
		vas_region_give(region->space, records->chunks[i],
				VAS_RECORDS_CHUNK * sizeof(struct vas_record));
	if (records->chunks)
		vas_region_give(region->space, records->chunks,
				records->chunk_capacity * sizeof(struct vas_record *));
	*records = (struct vas_records){ 0 };
}
