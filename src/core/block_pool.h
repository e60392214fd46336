/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for the books of a block allocator: nodes of 512 bytes and pages of 4 KiB,
 * cut from chunks that support hands out. See block_pool.c.
 *
 * Users keep spares of their own (block_spares.h), which fill tops up before a change and
 * trim brings down after it; so the pool's lock is rarely taken, and what has begun cannot fail.
 *
 * Concurrency: fill, trim, array and books take the pool's own lock, through support, and may be
 * called with other locks held: the pool waits for none but its own. The spares are the caller's.
 * Everything else is the owner's alone.
 */
#ifndef VAS_CORE_BLOCK_POOL_H
#define VAS_CORE_BLOCK_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/block_spares.h"
#include "core/blocks.h"

#define VAS_BLOCK_CHUNKS 31u /* that one list notes */

struct vas_block_chunk_note {
	void *memory;
	uint64_t size;
};

/* Which chunks there are. A list fills a node, in the chunk that it notes first. */
struct vas_block_chunk_list {
	struct vas_block_chunk_list *next;
	uint64_t count;
	struct vas_block_chunk_note note[VAS_BLOCK_CHUNKS];
};

struct vas_block_pool {
	struct vas_blocks_support support;
	uint32_t lock;
	struct vas_block_spares free; /* cut, and nobody's */
	char *uncut; /* what is left of the last chunk; aligned as a node */
	uint64_t uncut_size;
	uint64_t books; /* bytes taken from support, the first chunk too */
	struct vas_block_chunk_list *lists; /* I: NULL, or the newest; only that one has room */
	struct vas_block_chunk_note first;
};

/*
 * Makes a pool whose first chunk is first, of size bytes (of 4096, aligned to 4096), from support;
 * its first used bytes are the caller's, who may keep the pool itself there.
 */
void vas_block_pool_init(struct vas_block_pool *pool, const struct vas_blocks_support *support,
			 void *first, uint64_t size, uint64_t used);
/* Gives all memory back, whoever has it, the first chunk last. */
void vas_block_pool_destroy(struct vas_block_pool *pool);

/* Sees to it that spares has so many at least. -ENOMEM: it has what it had. */
int vas_block_pool_fill(struct vas_block_pool *pool, struct vas_block_spares *spares,
			uint32_t nodes, uint32_t pages);
/* Takes from spares what it has above so many. */
void vas_block_pool_trim(struct vas_block_pool *pool, struct vas_block_spares *spares,
			 uint32_t nodes, uint32_t pages);
/*
 * Memory that stays in use to the end, for arrays that grow: size is that of a node, of a page or of
 * several pages. Its content is undefined. -ENOMEM.
 */
int vas_block_pool_array(struct vas_block_pool *pool, uint64_t size, void **memory);
/* Bytes taken from support. */
uint64_t vas_block_pool_books(struct vas_block_pool *pool);
/* Every invariant. */
bool vas_block_pool_check(const struct vas_block_pool *pool);

#endif
