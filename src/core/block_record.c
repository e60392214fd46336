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
 * STRUCTURE. Memory for books mostly comes from one part of the address space, so a number is the distance of the record
 * from an address 8 GiB below the first one. Pages that lie further away than 8 GiB have a directory, and numbers of
 * their own, which it gives them. When the directory is full, a larger copy takes its place by one store; readers see
 * the old one or the new one, and the old one stays as it is, since somebody may
 * still read it. All old ones together are smaller than the new one. The first page is a node: for a few
 * blocks a page would be too much. Number 0 is none.
 *
 * BOUNDS. at, take and give: O(1). fill and trim: O(records that change hands).
 *
 * CONCURRENCY. One lock over the shared list and the pages, taken after the owner's and before the pool's.
 * A number reaches another thread only through a word that is stored with release and loaded with
 * acquire (block_atomic.h), so near or the directory that this thread then loads has its page.
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
#define PAGES_MOST (VAS_BLOCK_RECORD_FAR / VAS_BLOCK_RECORD_PAGE) /* so that a number has 31 bits */

_Static_assert(sizeof(struct vas_block_record) == 16, "a record is 16 bytes");
_Static_assert(VAS_BLOCK_RECORD_PAGE * sizeof(struct vas_block_record) == VAS_BLOCK_PAGE_SIZE,
	       "records fill a page");
_Static_assert(VAS_BLOCK_RECORD_NEAR / sizeof(struct vas_block_record) <= VAS_BLOCK_RECORD_FAR,
	       "near numbers are below the far ones");
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
	vas_word_store(&records->directory, (uintptr_t)memory);
	return 0;
}

/* Gives a page that lies far away its place in the directory, and numbers. */
static int far_add(struct vas_block_records *records, uint64_t page)
{
	uint64_t *pages;
	int error = 0;

	if (records->pages == records->room)
		error = pages_grow(records);
	if (error)
		return error;
	pages = (uint64_t *)(uintptr_t)records->directory;
	vas_word_store(&pages[records->pages], page);
	records->fresh = VAS_BLOCK_RECORD_FAR + records->pages * VAS_BLOCK_RECORD_PAGE;
	records->pages++;
	return 0;
}

/* Numbers for the records of a page. */
static int page_number(struct vas_block_records *records, uint64_t page)
{
	/* No record has the number 0. */
	uint64_t distance = page - records->near - VAS_BLOCK_PAGE_SIZE;

	if (distance >= VAS_BLOCK_RECORD_NEAR - 2 * VAS_BLOCK_PAGE_SIZE)
		return far_add(records, page);
	records->fresh = (uint32_t)((page - records->near) / sizeof(struct vas_block_record));
	return 0;
}

static int page_add(struct vas_block_records *records)
{
	struct vas_block_spares spares = { 0 };
	bool few = records->fresh_most == 0; /* the first */
	void *memory;
	int error = vas_block_pool_fill(records->pool, &spares, few, !few);

	if (error)
		return error;
	memory = few ? vas_block_spares_take(&spares) : vas_block_spares_take_page(&spares);
	if (few)
		vas_word_store(&records->near, (uintptr_t)memory - VAS_BLOCK_RECORD_NEAR / 2);
	error = page_number(records, (uintptr_t)memory);
	if (error) {
		vas_block_spares_give_page(&spares, memory);
		vas_block_pool_trim(records->pool, &spares, 0, 0);
		return error;
	}
	memset(memory, 0, few ? VAS_BLOCK_NODE_SIZE : VAS_BLOCK_PAGE_SIZE);
	records->fresh_count = 0;
	records->fresh_most = few ? FEW : VAS_BLOCK_RECORD_PAGE;
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
	uint32_t i = records->fresh_count++, apart = 128 / sizeof(struct vas_block_record);
	uint32_t lines = records->fresh_most / apart;

	return records->fresh + i % lines * apart + i / lines;
}

/* One more for list. False: a page must be added first. */
static bool fill_one(struct vas_block_records *records, struct vas_block_record_list *list)
{
	if (records->free.count > 0)
		record_move(records, &records->free, list);
	else if (records->fresh_count < records->fresh_most)
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

static bool record_list_check(const struct vas_block_records *records,
			      const struct vas_block_record_list *list)
{
	uint32_t number = list->first, count = 0;

	for (; number != 0 && count < list->count; count++) {
		const struct vas_block_record *record;

		if (number >= VAS_BLOCK_RECORD_FAR + records->pages * VAS_BLOCK_RECORD_PAGE)
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

	if (records->pages > records->room || records->fresh_count > records->fresh_most)
		return false;
	for (uint32_t i = 0; i < records->pages; i++)
		if (pages[i] == 0 || (pages[i] & 63) != 0)
			return false;
	return record_list_check(records, &records->free) && record_list_check(records, list);
}
