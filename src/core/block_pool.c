/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for the books of a block allocator.
 *
 * WHAT FOR. Tree, table and records grow in small steps, under locks of their own, and a change
 * that has begun must not want for memory. Support hands out memory in large pieces only, and perhaps
 * by a system call.
 *
 * STRATEGY. Chunks are taken from support in proportion to what there is, so that takes are rare and
 * little lies idle: a thirty-second of the books at most, but 4 KiB. A chunk is cut as needed, into pages of
 * 4 KiB from its start and nodes of 512 bytes from its end. What users give back waits in two lists; nodes
 * do not become pages again, pages become nodes when no other are left.
 *
 * STRUCTURE. Each chunk is noted in a list, the first one in the pool itself. A list fills
 * a node behind the chunk that it notes first and belongs to it; so noting never needs other memory, and destroy
 * gives a list's other chunks back while it can still read the list.
 *
 * BOUNDS. fill and trim take steps in the number of nodes and pages that change hands.
 *
 * CONCURRENCY. One lock over the pool's lists, taken after any other. take and give of
 * support are called with it held.
 *
 * WHAT IT DOES NOT DO. It gives nothing back to support before the end: readers without locks may
 * still look at memory that was in a table.
 */
#include "core/block_pool.h"

#include <errno.h>
#include <string.h>

#include "base/hot.h"

#define CHUNK_LEAST   VAS_BLOCK_PAGE_SIZE
#define CHUNK_MOST    (UINT64_C(1) << 20)
#define CHUNK_SHARE   32u /* a chunk is this part of the books */
#define NODES_IN_PAGE (VAS_BLOCK_PAGE_SIZE / VAS_BLOCK_NODE_SIZE)

static void pool_enter(struct vas_block_pool *pool)
{
	if (pool->support.lock)
		pool->support.lock(pool->support.context, &pool->lock);
}

static int pool_leave(struct vas_block_pool *pool, int error)
{
	VAS_ASSERT_EXPENSIVE(vas_block_pool_check(pool));
	if (pool->support.unlock)
		pool->support.unlock(pool->support.context, &pool->lock);
	return error;
}

void vas_block_pool_init(struct vas_block_pool *pool, const struct vas_blocks_support *support,
			 void *first, uint64_t size, uint64_t used)
{
	used = (used + VAS_BLOCK_NODE_SIZE - 1) & ~(uint64_t)(VAS_BLOCK_NODE_SIZE - 1);
	memset(pool, 0, sizeof(*pool));
	pool->support = *support;
	pool->first.memory = first;
	pool->first.size = size;
	pool->books = size;
	if (used < size) {
		pool->uncut = (char *)first + used;
		pool->uncut_size = size - used;
	}
}

void vas_block_pool_destroy(struct vas_block_pool *pool)
{
	struct vas_blocks_support support = pool->support;
	struct vas_block_chunk_note note = pool->first;
	struct vas_block_chunk_list *list = pool->lists;

	while (list) {
		struct vas_block_chunk_list *next = list->next;

		for (uint64_t i = list->count; i-- > 0;) {
			struct vas_block_chunk_note chunk = list->note[i];

			support.give(support.context, chunk.memory, (size_t)chunk.size);
		}
		list = next;
	}
	support.give(support.context, note.memory, (size_t)note.size);
}

/* A chunk of size bytes, noted. When that needs a new list, a page more is taken for it. */
static int chunk_take(struct vas_block_pool *pool, uint64_t size, void **memory)
{
	struct vas_block_chunk_list *list = pool->lists;
	bool full = !list || list->count == VAS_BLOCK_CHUNKS;
	uint64_t taken = full ? size + VAS_BLOCK_PAGE_SIZE : size;
	int error = pool->support.take(pool->support.context, (size_t)taken, memory);

	if (error)
		return error;
	if (full) {
		list = (void *)((char *)*memory + size);
		memset(list, 0, sizeof(*list));
		list->next = pool->lists;
		pool->lists = list;
		for (uint32_t i = 1; i < NODES_IN_PAGE; i++)
			vas_block_spares_give(&pool->free,
					      (char *)list + (uint64_t)i * VAS_BLOCK_NODE_SIZE);
	}
	list->note[list->count++] = (struct vas_block_chunk_note){ *memory, taken };
	pool->books += taken;
	return 0;
}

/* Cuts what is left of a chunk before the next one takes its place. */
static void uncut_spend(struct vas_block_pool *pool)
{
	while (pool->uncut_size >= VAS_BLOCK_NODE_SIZE) {
		pool->uncut_size -= VAS_BLOCK_NODE_SIZE;
		vas_block_spares_give(&pool->free, pool->uncut + pool->uncut_size);
	}
	pool->uncut_size = 0;
}

static int pool_grow(struct vas_block_pool *pool)
{
	uint64_t size = pool->books / CHUNK_SHARE & ~(uint64_t)(VAS_BLOCK_PAGE_SIZE - 1);
	void *memory;
	int error;

	if (size < CHUNK_LEAST)
		size = CHUNK_LEAST;
	if (size > CHUNK_MOST)
		size = CHUNK_MOST;
	error = chunk_take(pool, size, &memory);
	if (error)
		return error;
	uncut_spend(pool);
	pool->uncut = memory;
	pool->uncut_size = size;
	return 0;
}

static void *page_cut(struct vas_block_pool *pool)
{
	char *page = pool->uncut;

	if (pool->free.page_count > 0)
		return vas_block_spares_take_page(&pool->free);
	if (pool->uncut_size < VAS_BLOCK_PAGE_SIZE)
		return NULL;
	pool->uncut += VAS_BLOCK_PAGE_SIZE;
	pool->uncut_size -= VAS_BLOCK_PAGE_SIZE;
	return page;
}

static void *node_cut(struct vas_block_pool *pool)
{
	char *page;

	if (pool->free.node_count > 0)
		return vas_block_spares_take(&pool->free);
	if (pool->uncut_size >= VAS_BLOCK_NODE_SIZE) {
		pool->uncut_size -= VAS_BLOCK_NODE_SIZE;
		return pool->uncut + pool->uncut_size;
	}
	if (pool->free.page_count == 0)
		return NULL;
	page = vas_block_spares_take_page(&pool->free);
	for (uint32_t i = 1; i < NODES_IN_PAGE; i++)
		vas_block_spares_give(&pool->free, page + (uint64_t)i * VAS_BLOCK_NODE_SIZE);
	return page;
}

static int fill_nodes(struct vas_block_pool *pool, struct vas_block_spares *spares, uint32_t nodes)
{
	while (spares->node_count < nodes) {
		void *node = node_cut(pool);

		if (node)
			vas_block_spares_give(spares, node);
		else if (pool_grow(pool))
			return -ENOMEM;
	}
	return 0;
}

static int fill_pages(struct vas_block_pool *pool, struct vas_block_spares *spares, uint32_t pages)
{
	while (spares->page_count < pages) {
		void *page = page_cut(pool);

		if (page)
			vas_block_spares_give_page(spares, page);
		else if (pool_grow(pool))
			return -ENOMEM;
	}
	return 0;
}

static void trim_locked(struct vas_block_pool *pool, struct vas_block_spares *spares,
			uint32_t nodes, uint32_t pages)
{
	while (spares->node_count > nodes)
		vas_block_spares_give(&pool->free, vas_block_spares_take(spares));
	while (spares->page_count > pages)
		vas_block_spares_give_page(&pool->free, vas_block_spares_take_page(spares));
}

VAS_HOT int vas_block_pool_fill(struct vas_block_pool *pool, struct vas_block_spares *spares,
				uint32_t nodes, uint32_t pages)
{
	uint32_t nodes_before = spares->node_count, pages_before = spares->page_count;
	int error;

	if (nodes_before >= nodes && pages_before >= pages)
		return 0;
	pool_enter(pool);
	error = fill_pages(pool, spares, pages);
	if (!error)
		error = fill_nodes(pool, spares, nodes);
	if (error)
		trim_locked(pool, spares, nodes_before, pages_before);
	return pool_leave(pool, error);
}

VAS_HOT void vas_block_pool_trim(struct vas_block_pool *pool, struct vas_block_spares *spares,
				 uint32_t nodes, uint32_t pages)
{
	if (spares->node_count <= nodes && spares->page_count <= pages)
		return;
	pool_enter(pool);
	trim_locked(pool, spares, nodes, pages);
	pool_leave(pool, 0);
}

int vas_block_pool_array(struct vas_block_pool *pool, uint64_t size, void **memory)
{
	struct vas_block_spares spares = { 0 };
	bool node = size == VAS_BLOCK_NODE_SIZE;
	int error;

	if (size > VAS_BLOCK_PAGE_SIZE) {
		pool_enter(pool);
		error = chunk_take(pool, size, memory);
		return pool_leave(pool, error);
	}
	error = vas_block_pool_fill(pool, &spares, node, !node);
	if (error)
		return error;
	if (node)
		*memory = vas_block_spares_take(&spares);
	else
		*memory = vas_block_spares_take_page(&spares);
	return 0;
}

uint64_t vas_block_pool_books(struct vas_block_pool *pool)
{
	uint64_t books;

	pool_enter(pool);
	books = pool->books;
	pool_leave(pool, 0);
	return books;
}

static bool note_check(const struct vas_block_chunk_note *note)
{
	return note->memory && ((uintptr_t)note->memory & (VAS_BLOCK_PAGE_SIZE - 1)) == 0 &&
	       note->size > 0 && note->size % VAS_BLOCK_PAGE_SIZE == 0;
}

/* A list of spares is as long as its count says, and what is in it is aligned. */
static bool spares_check(const struct vas_block_spare *spare, uint32_t count)
{
	while (spare && count > 0 && ((uintptr_t)spare & (VAS_BLOCK_NODE_SIZE - 1)) == 0) {
		spare = spare->next;
		count--;
	}
	return !spare && count == 0;
}

bool vas_block_pool_check(const struct vas_block_pool *pool)
{
	uint64_t books = pool->first.size, free;

	if (!note_check(&pool->first) || pool->first.size > pool->books)
		return false;
	for (const struct vas_block_chunk_list *list = pool->lists; list; list = list->next) {
		if (list->count == 0 || list->count > VAS_BLOCK_CHUNKS ||
		    (list != pool->lists && list->count != VAS_BLOCK_CHUNKS) ||
		    (const char *)list < (const char *)list->note[0].memory ||
		    (const char *)list >= (const char *)list->note[0].memory + list->note[0].size)
			return false;
		for (uint64_t i = 0; i < list->count; i++) {
			if (!note_check(&list->note[i]))
				return false;
			books += list->note[i].size;
		}
	}
	free = pool->uncut_size + (uint64_t)pool->free.node_count * VAS_BLOCK_NODE_SIZE +
	       (uint64_t)pool->free.page_count * VAS_BLOCK_PAGE_SIZE;
	return books == pool->books && free <= books &&
	       spares_check(pool->free.nodes, pool->free.node_count) &&
	       spares_check(pool->free.pages, pool->free.page_count);
}
