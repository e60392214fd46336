/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metadata page source: where the library's own books live.
 *
 * Memory comes from the library's own anonymous mappings (never malloc), in
 * chunks, and is zeroed. What is given back is kept in a list per size and
 * handed out again; chunks are not unmapped before the end of it all, so readers without locks
 * may still look at memory that was given back (it stays a valid address).
 *
 * Concurrency: the caller holds the lock of the structure that owns the source.
 */
#ifndef VAS_SYS_PAGES_H
#define VAS_SYS_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "sys/sys.h"

#define VAS_PAGES_CLASSES 16 /* powers of two from 64 bytes to 2 MiB */

struct vas_pages_chunk;

struct vas_pages {
	struct vas_sys *sys; /* maps the chunks; the real kernel even over a simulated space */
	uint64_t mapped; /* bytes in chunks and in mappings of their own */
	uint8_t *chunk_next; /* I: chunk_next <= chunk_end */
	uint8_t *chunk_end;
	void *free_list[VAS_PAGES_CLASSES];
	struct vas_pages_chunk *chunks; /* all of them */
};

void vas_pages_init(struct vas_pages *pages, struct vas_sys *sys);

/*
 * Writes the address of size zeroed bytes (rounded up to a power of two, at
 * most 2 MiB, aligned to the smaller of that power and the page) to *memory.
 * -ENOMEM when the kernel has none; nothing is changed then.
 */
int vas_pages_take(struct vas_pages *pages, size_t size, void **memory);

/* Gives back what take(size) handed out. Cannot fail. The first 8 bytes are overwritten. */
void vas_pages_give(struct vas_pages *pages, void *memory, size_t size);

/*
 * One mapping of its own for large or short-lived needs, and its end. Not
 * counted in mapped after it was given back.
 */
int vas_pages_map(struct vas_pages *pages, size_t size, void **memory);
void vas_pages_unmap(struct vas_pages *pages, void *memory, size_t size);

/* Gives all chunks back: nothing that was taken may be looked at any more. */
void vas_pages_end(struct vas_pages *pages);

#endif
