/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of blocks.
 *
 * WHAT FOR. A free without a lock must be able to look at a block's record at any time, also when the
 * block has just been freed by somebody else and the record belongs to another block.
 *
 * STRATEGY. Records are numbered, stand in pages of 256 and never move or go away. Free ones are
 * linked through their numbers, in lists: one for each owner with a lock of its own (a zone), so that taking and
 * giving touch nothing shared, and one for all, from which owners refill theirs and to which
 * they give what is too much. Fresh ones are handed out in batches of a few cache lines.
 *
 * STRUCTURE. A directory holds the pages' addresses. When it is full, a larger copy takes its place by
 * one store; readers see the old one or the new one, and the old one stays as it is, since somebody may
 * still read it. All old ones together are smaller than the new one. Page 0 is a node: for a few
 * blocks a page would be too much. Its other numbers are never used, nor is number 0.
 *
 * BOUNDS. at, take and give: O(1). fill and trim: O(records that change hands).
 *
 * CONCURRENCY. One lock over the shared list and the pages, taken after the owner's and before the pool's.
 * A number reaches another thread only through a word that is stored with release and loaded with
 * acquire (block_atomic.h), so the directory that this thread then loads has its page.
 *
 * WHAT IT DOES NOT DO. It does not know which transitions of a record's word are allowed;
 * that is in block_record.h and with its users.
 */
#include "core/block_record.h"

#include <errno.h>
#include <string.h>

#include "base/hot.h"

#define FEW	   (VAS_BLOCK_NODE_SIZE / (uint32_t)sizeof(struct vas_block_record))
#define BATCH	   32u /* fresh or shared records that one fill adds, if it is easy */
#define ROOM_NODE  (VAS_BLOCK_NODE_SIZE / (uint32_t)sizeof(uint64_t))
#define ROOM_PAGE  (VAS_BLOCK_PAGE_SIZE / (uint32_t)sizeof(uint64_t))
#define PAGES_MOST (UINT32_C(1) << 23) /* so that a number has 31 bits */

_Static_assert(sizeof(struct vas_block_record) == 16, "a record is 16 bytes");
_Static_assert(VAS_BLOCK_RECORD_PAGE * sizeof(struct vas_block_record) == VAS_BLOCK_PAGE_SIZE,
	       "records fill a page");
_Static_assert(VAS_BLOCK_START_SHIFT + VAS_BLOCK_START_BITS == 64, "a word is full");

static void records_enter(struct vas_block_records *records)
{
	const struct vas_blocks_support *support = &records->pool->support;

	if (support->lock)
		support->lock(support->context, &records->lock);
}

static void records_leave(struct vas_block_records *records)
{
	const struct vas_blocks_support *support = &records->pool->support;

	if (support->unlock)
		support->unlock(support->context, &records->lock);
}

void vas_block_records_init(struct vas_block_records *records, struct vas_block_pool *pool)
{
	memset(records, 0, sizeof(*records));
	records->pool = pool;
	records->room = 1;
	records->directory = (uintptr_t)&records->first;
}

static int pages_grow(struct vas_block_records *records)
{
	const uint64_t *old = (const uint64_t *)(uintptr_t)records->directory;
	uint32_t room = records->room * 2;
	void *memory;
	int error;

	if (records->room == PAGES_MOST)
		return -ENOMEM;
	if (room < ROOM_NODE)
		room = ROOM_NODE;
	else if (room < ROOM_PAGE)
		room = ROOM_PAGE;
	error = vas_block_pool_array(records->pool, room * sizeof(*old), &memory);
	if (error)
		return error;
	memcpy(memory, old, records->pages * sizeof(*old));
	records->room = room;
	vas_block_store(&records->directory, (uintptr_t)memory);
	return 0;
}

static int page_add(struct vas_block_records *records)
{
	struct vas_block_spares spares = { 0 };
	bool few = records->pages == 0;
	uint64_t *pages;
	void *memory;
	int error = 0;

	if (records->pages == records->room)
		error = pages_grow(records);
	if (!error)
		error = vas_block_pool_fill(records->pool, &spares, few, !few);
	if (error)
		return error;
	memory = few ? vas_block_spares_take(&spares) : vas_block_spares_take_page(&spares);
	memset(memory, 0, few ? VAS_BLOCK_NODE_SIZE : VAS_BLOCK_PAGE_SIZE);
	pages = (uint64_t *)(uintptr_t)records->directory;
	vas_block_store(&pages[records->pages], (uintptr_t)memory);
	records->fresh = few ? 1 : records->pages * VAS_BLOCK_RECORD_PAGE;
	records->fresh_end = few ? FEW : records->fresh + VAS_BLOCK_RECORD_PAGE;
	records->pages++;
	return 0;
}

/* Moves one from a list to another. I: there is one. */
static void record_move(const struct vas_block_records *records, struct vas_block_record_list *from,
			struct vas_block_record_list *to)
{
	vas_block_record_give(records, to, vas_block_record_take(records, from));
}

/*
 * The numbers of a new page in an order in which neighbours are 128 bytes apart: threads that take blocks in
 * turn should not write to the same cache lines.
 */
static uint32_t fresh_take(struct vas_block_records *records)
{
	uint32_t size = records->fresh_end == FEW ? FEW : VAS_BLOCK_RECORD_PAGE;
	uint32_t i = records->fresh++ % size, apart = 128 / sizeof(struct vas_block_record);

	return records->fresh_end - size + i % (size / apart) * apart + i / (size / apart);
}

/* One more for list. False: a page must be added first. */
static bool fill_one(struct vas_block_records *records, struct vas_block_record_list *list)
{
	if (records->free.count > 0)
		record_move(records, &records->free, list);
	else if (records->fresh < records->fresh_end)
		vas_block_record_give(records, list, fresh_take(records));
	else
		return false;
	return true;
}

VAS_HOT int vas_block_records_fill(struct vas_block_records *records,
				   struct vas_block_record_list *list, uint32_t count)
{
	uint32_t before = list->count;
	int error = 0;

	if (before >= count)
		return 0;
	records_enter(records);
	while (list->count < count && !error)
		if (!fill_one(records, list))
			error = page_add(records);
	while (!error && list->count < BATCH && fill_one(records, list))
		continue;
	while (error && list->count > before)
		record_move(records, list, &records->free);
	records_leave(records);
	return error;
}

void vas_block_records_trim(struct vas_block_records *records, struct vas_block_record_list *list,
			    uint32_t count)
{
	if (list->count <= count)
		return;
	records_enter(records);
	while (list->count > count)
		record_move(records, list, &records->free);
	records_leave(records);
}

static bool list_check(const struct vas_block_records *records,
		       const struct vas_block_record_list *list)
{
	uint32_t number = list->first, count = 0;

	for (; number != 0 && count < list->count; count++) {
		const struct vas_block_record *record;

		if (number / VAS_BLOCK_RECORD_PAGE >= records->pages)
			return false;
		record = vas_block_record_at(records, number);
		if (record->word != VAS_BLOCK_FREE)
			return false;
		number = record->link;
	}
	return number == 0 && count == list->count;
}

bool vas_block_records_check(const struct vas_block_records *records,
			     const struct vas_block_record_list *list)
{
	const uint64_t *pages = (const uint64_t *)(uintptr_t)records->directory;

	if (records->pages > records->room || records->fresh > records->fresh_end)
		return false;
	for (uint32_t i = 0; i < records->pages; i++)
		if (pages[i] == 0 || (pages[i] & 63) != 0)
			return false;
	return list_check(records, &records->free) && list_check(records, list);
}
