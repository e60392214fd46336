/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metadata page source: a bump pointer over chunks of own anonymous
 * memory, and one list of returned pieces per power of two.
 *
 * A chunk is CHUNK_SIZE bytes, or what was asked for when the kernel refuses
 * that much. Neighbouring chunks merge into one mapping in the kernel, and
 * only touched pages cost memory. Books that outgrow their first chunk go on in chunks of the size of a huge
 * page, and the kernel is asked for one: between system calls that replace translations and caches, half of the price of
 * looking something up in large books is finding their pages. What is left of a chunk when a new one is
 * begun goes to the lists. Nothing is unmapped before the end: a reader without locks
 * may hold an old pointer. Each chunk begins with a link to the one before, for that end.
 *
 * The kernel places chunks top-down, so they stay out of scarce low memory.
 *
 * Concurrency: the caller's lock. Not here: any accounting of who uses what.
 */
#include "sys/pages.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/number.h"
#include "sys/strays.h"

#define PIECE_MIN  64u
#define PIECE_MAX  (PIECE_MIN << (VAS_PAGES_CLASSES - 1))
#define CHUNK_SIZE (512u << 10)
#define CHUNK_HUGE (2u << 20) /* where huge pages have another size, no harm is done */

struct vas_pages_chunk {
	struct vas_pages_chunk *next;
	uint64_t size; /* of the mapping, this included */
};
#define CHUNK_HEADER PIECE_MIN /* keeps small pieces aligned */
_Static_assert(sizeof(struct vas_pages_chunk) <= CHUNK_HEADER, "it fits");

void vas_pages_init(struct vas_pages *pages, struct vas_sys *sys)
{
	memset(pages, 0, sizeof(*pages));
	pages->sys = sys;
}

static unsigned int pages_class(size_t size)
{
	if (size <= PIECE_MIN)
		return 0;
	return vas_log2_floor(size - 1) + 1 - vas_log2_floor(PIECE_MIN);
}

static uint64_t pages_whole(const struct vas_pages *pages, uint64_t size)
{
	return (size + pages->sys->page_size - 1) & ~(pages->sys->page_size - 1);
}

static int pages_anonymous(struct vas_pages *pages, uint64_t size, uint64_t *address)
{
	int64_t got = VAS_CALL(pages->sys, map, 0, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (got < 0)
		return -ENOMEM;
	/* Linux aligns such mappings since 6.7. Advice: without huge pages the kernel answers EINVAL. */
	if (size >= CHUNK_HUGE)
		(void)VAS_CALL(pages->sys, advise, (uint64_t)got, size, MADV_HUGEPAGE);
	*address = (uint64_t)got;
	return 0;
}

static void pages_push(struct vas_pages *pages, void *memory, unsigned int class)
{
	memcpy(memory, &pages->free_list[class], sizeof(void *));
	pages->free_list[class] = memory;
}

static void *pages_pop(struct vas_pages *pages, unsigned int class)
{
	void *memory = pages->free_list[class];

	memcpy(&pages->free_list[class], memory, sizeof(void *));
	return memory;
}

/* Cuts what is left of the chunk into pieces whose alignment is their size, for the lists. */
static void pages_keep_rest(struct vas_pages *pages)
{
	while (pages->chunk_next < pages->chunk_end) {
		uint64_t at = (uintptr_t)pages->chunk_next;
		uint64_t room = (uint64_t)(pages->chunk_end - pages->chunk_next);
		uint64_t size = at & -at;

		if (size > room)
			size = (uint64_t)1 << vas_log2_floor(room);
		if (size > PIECE_MAX)
			size = PIECE_MAX;
		pages->chunk_next += size;
		if (size >= PIECE_MIN)
			pages_push(pages, (void *)(uintptr_t)at, pages_class(size));
	}
}

/* The least chunk that has room for a piece, wherever its alignment puts it. */
static uint64_t pages_least(const struct vas_pages *pages, uint64_t piece)
{
	uint64_t page = pages->sys->page_size;

	return piece + (piece < page ? piece : page);
}

static int pages_new_chunk(struct vas_pages *pages, uint64_t least)
{
	struct vas_pages_chunk *chunk;
	uint64_t usual = pages->mapped ? CHUNK_HUGE : CHUNK_SIZE;
	uint64_t size = pages_whole(pages, least > usual ? least : usual);
	uint64_t address;
	int error = pages_anonymous(pages, size, &address);

	if (error && size > pages_whole(pages, least)) {
		size = pages_whole(pages, least);
		error = pages_anonymous(pages, size, &address);
	}
	if (error)
		return error;
	pages_keep_rest(pages);
	pages->mapped += size;
	chunk = (struct vas_pages_chunk *)(uintptr_t)address;
	chunk->next = pages->chunks;
	chunk->size = size;
	pages->chunks = chunk;
	pages->chunk_next = (uint8_t *)chunk + CHUNK_HEADER;
	pages->chunk_end = (uint8_t *)chunk + size;
	return 0;
}

/* The place in the chunk where a piece of size would begin, and whether it fits. */
static bool pages_fits(const struct vas_pages *pages, uint64_t size, uint64_t *place)
{
	uint64_t alignment = size < pages->sys->page_size ? size : pages->sys->page_size;

	return vas_align_up((uintptr_t)pages->chunk_next, alignment, place) &&
	       *place <= (uintptr_t)pages->chunk_end &&
	       (uintptr_t)pages->chunk_end - *place >= size;
}

int vas_pages_take(struct vas_pages *pages, size_t size, void **memory)
{
	unsigned int class = pages_class(size);
	uint64_t piece = (uint64_t)PIECE_MIN << class;
	uint64_t place;

	VAS_ASSERT(size <= PIECE_MAX);
	if (pages->free_list[class]) {
		*memory = pages_pop(pages, class);
		memset(*memory, 0, piece);
		return 0;
	}
	if (!pages_fits(pages, piece, &place)) {
		int error = pages_new_chunk(pages, pages_least(pages, piece));

		if (error)
			return error;
		(void)pages_fits(pages, piece, &place);
	}
	/* What alignment skips stays out of the lists: at most a page in all. */
	pages->chunk_next = (uint8_t *)(uintptr_t)place + piece;
	VAS_ASSERT_DEBUG(pages->chunk_next <= pages->chunk_end);
	*memory = (void *)(uintptr_t)place;
	return 0;
}

void vas_pages_give(struct vas_pages *pages, void *memory, size_t size)
{
	VAS_ASSERT_DEBUG(memory && size <= PIECE_MAX);
	pages_push(pages, memory, pages_class(size));
}

int vas_pages_map(struct vas_pages *pages, size_t size, void **memory)
{
	uint64_t address;
	int error;

	if (size == 0 || size > UINT64_MAX - pages->sys->page_size)
		return -ENOMEM;
	error = pages_anonymous(pages, pages_whole(pages, size), &address);
	if (error)
		return error;
	pages->mapped += pages_whole(pages, size);
	*memory = (void *)(uintptr_t)address;
	return 0;
}

void vas_pages_unmap(struct vas_pages *pages, void *memory, size_t size)
{
	uint64_t whole = pages_whole(pages, size);

	vas_strays_drop(pages->sys, (uintptr_t)memory, whole);
	pages->mapped -= whole;
}

void vas_pages_end(struct vas_pages *pages)
{
	struct vas_pages_chunk *next;

	for (struct vas_pages_chunk *chunk = pages->chunks; chunk; chunk = next) {
		next = chunk->next;
		pages->mapped -= chunk->size;
		vas_strays_drop(pages->sys, (uintptr_t)chunk, chunk->size);
	}
	vas_pages_init(pages, pages->sys);
}
