/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block allocator: suballocates one span of numbers.
 *
 * It never touches the span: its books live in memory that the caller passes
 * in (struct vas_blocks_support), so the span may be anything, an address range
 * without access or offsets in an object. Blocks are found and freed by their
 * start alone. Freed neighbours are one free range again at once.
 *
 * Sizes and addresses are bytes, and multiples of the granule, a power of two
 * from 16 on that is chosen for each allocator. With the same calls and seed the
 * same blocks come out.
 *
 * Bounds, with n live blocks in z zones (one for a span up to 4 GiB, as a rule 64 at most): free and at by a
 * block's start take one look into a hash table, and free O(log n) steps more where the block does not wait in a
 * magazine. Other addresses, next, resize, split and merge take O(log n) steps, O(z) where a block or a free range
 * goes over the edge of a zone. alloc takes O(z / 8 + log n) steps, and a refusal O(z log n), for any size, window,
 * direction and address, with alignments up to the granule, of 64 KiB or of 2 MiB and multiples of
 * these as far as their free ranges go: other alignments, phases, boundaries and margins add the free ranges that are
 * as large as the block and yet do not take it. Without a flag that is at most 128 of them in a zone
 * where some free range takes the block wherever it begins, and where an alignment alone refuses them, it is once
 * until a free range appears that does take it. A request that empties magazines takes
 * O(log n) steps more for each block in them, once; see block_search.h and blocks_cache.c. In a zone that has lost many of its
 * blocks, one change of the books in eight looks at three pages of records besides, and may walk along one list of a magazine.
 *
 * Spans from 16 GiB on have magazines: plain requests of up to 1024 granules are rounded up to size classes, by an
 * eighth at most, and freed blocks of a class wait to be handed out again. A block's size is still
 * what was asked for; what rounding added is neither its nor free. Both rest when the span gets full,
 * and no request is refused for what a magazine keeps, but it may be for what rounding added to live blocks.
 *
 * Requests that have a window, and nothing else but an alignment that is a power of two, are served in
 * the same way from shelves, by the place of a block: these add up to a third, of 8 granules at most below that.
 *
 * Books: 4 KiB at first, some 45 to 55 bytes a block as a rule, wherever blocks wander, 512 bytes for each magazine, of which a thread
 * uses one for each of the three alignments above that it asks for. They shrink only when
 * the allocator goes.
 *
 * Concurrency: with lock and unlock in support, every function may be called from any thread, but not
 * from a signal handler: those of different zones, and most calls of alloc, free, at and mark, do not
 * wait for each other. While others take and free blocks, a refusal, next and stats may be of no one moment.
 * Create, destroy, cut and join are the caller's alone. Without lock, all is.
 */
#ifndef VAS_CORE_BLOCKS_H
#define VAS_CORE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>

struct vas_blocks;

/* What the allocator needs from outside. take is called with locks of the allocator held. */
struct vas_blocks_support {
	void *context;
	/*
	 * size zeroed bytes, a multiple of 4096, aligned to 4096. 0 or -ENOMEM. Only ever called by
	 * create, alloc, split, cut, join, and by resize when a block grows over the edge of a zone.
	 */
	int (*take)(void *context, size_t size, void **memory);
	/* Gives back what take handed out, same size. Only ever called by destroy, cut, join. */
	void (*give)(void *context, void *memory, size_t size);
	/* Mutual exclusion over one word that is 0 when free; there are many. NULL: the caller serialises. */
	void (*lock)(void *context, uint32_t *word);
	void (*unlock)(void *context, uint32_t *word);
	/*
	 * Where a 32-bit word of the calling thread lies (base/thread_word.h) that says which magazine it
	 * should use, any number: its own, or its processor's. Only a matter of speed. 0: all use one.
	 */
	intptr_t slot;
	/*
	 * A byte that is not 0 while the process has one thread, so that nothing need be atomic. It changes only
	 * between calls. NULL: not known.
	 */
	const char *single;
};

/*
 * Where a block goes. With no flag it goes where blocks pack well over time, which
 * the allocator decides: at present a low place, the lowest if that is found soon.
 */
#define VAS_BLOCKS_LOW	  0x1u /* the lowest place that satisfies the request */
#define VAS_BLOCKS_HIGH	  0x2u /* the highest */
#define VAS_BLOCKS_EXACT  0x4u /* at request.address or not at all */
#define VAS_BLOCKS_RANDOM 0x8u /* somewhere, drawn from the allocator's seed */

/* Everything that one request can ask for; zeroes mean no constraint. */
struct vas_block_request {
	uint64_t size; /* rounded up to the granule; not 0 */
	/* Of the start: any multiple of the granule, or a power of two below it; 0 = the granule. */
	uint64_t alignment;
	/* The start is congruent to phase modulo alignment; below it, a multiple of the granule. */
	uint64_t phase;
	/*
	 * The block lies in [min, max); 0 = the span's start or end. Both may lie beyond the span,
	 * and anywhere in a granule.
	 */
	uint64_t min;
	uint64_t max;
	/* A power of two that the block must not straddle a multiple of; 0 = none. */
	uint64_t boundary;
	/* So much on either side is free, too, and inside the span; a window is the block's alone. */
	uint64_t margin;
	uint64_t address; /* EXACT: the start */
	uint32_t flags; /* VAS_BLOCKS_ bits; at most one */
	uint32_t mark; /* the caller's own word about the block */
};

/* A live block or a free range, by value. */
struct vas_block_info {
	struct vas_span span;
	bool live;
	uint32_t mark; /* of live blocks */
};

/* A block that is a caller's alone for a moment: see vas_blocks_free_or_claim. */
struct vas_block_claim {
	struct vas_block_info info;
	/* The allocator's own: */
	struct vas_block_record *record;
	uint64_t word;
	uint32_t area;
};

struct vas_blocks_stats {
	uint64_t size; /* bytes of the span */
	uint64_t used; /* bytes in live blocks, with what rounding added */
	uint64_t live; /* blocks */
	uint64_t free_ranges;
	uint64_t largest_free; /* bytes */
	uint64_t books; /* bytes of memory taken through support */
};

/*
 * Makes an allocator over span (aligned to the granule, size not 0) that is
 * all free. -EINVAL: granule or span, which has at most 2^43 granules; -ENOMEM.
 */
int vas_blocks_create(struct vas_span span, uint64_t granule, uint64_t seed,
		      const struct vas_blocks_support *support, struct vas_blocks **blocks);
/* Gives all its memory back, live blocks or not. Nobody may use it during the call or after. */
void vas_blocks_destroy(struct vas_blocks *blocks);

/*
 * Takes a block.
 *  -EINVAL	size 0; alignment, phase, boundary or (EXACT) address not as said above;
 *		a window that is empty or has nothing of the span; several flags
 *  -ERANGE	impossible even if all were free, by size, window, alignment, boundary or
 *		(EXACT) an address that contradicts them
 *  -EEXIST	EXACT: not all of it is free
 *  -ENOSPC	no place now. True, but for what rounding added to live blocks
 *  -ENOMEM	no memory for the books; nothing is changed
 */
int vas_blocks_alloc(struct vas_blocks *blocks, const struct vas_block_request *request,
		     uint64_t *start);
/* The same for a request that is but a size and a mark: faster. -EINVAL: size 0. */
int vas_blocks_alloc_size(struct vas_blocks *blocks, uint64_t size, uint32_t mark,
			  uint64_t *start);
/*
 * Gives a block back; *info (may be NULL) is what it was. Never needs memory.
 *  -ERANGE	outside the span
 *  -EINVAL	inside a live block but not its start
 *  -ENOENT	no live block there: freed already, or never taken
 */
int vas_blocks_free(struct vas_blocks *blocks, uint64_t start, struct vas_block_info *info);
/* Some live blocks will be freed soon: asks the processor to fetch what that takes. */
void vas_blocks_foresee(struct vas_blocks *blocks, const uint64_t *starts, uint32_t count);
/*
 * Frees the block that starts there, if its mark is plain: 0. If the mark differs from that by bits in beside alone, the block is the
 * caller's: CLAIMED; until it ends that by claim_mark, others find no block there, or wait. claim->info is what the block
 * was; after 0 its span is. After an error nothing is changed.
 *  -ERANGE	outside the span
 *  -EBUSY	the mark differs, or did a moment ago, or the block is just freed by another call: ask the others, too
 *  -EAGAIN	the block was not found at once: ask the others why
 */
#define VAS_BLOCKS_CLAIMED 1
int vas_blocks_free_or_claim(struct vas_blocks *blocks, uint64_t start, uint32_t plain,
			     uint32_t beside, struct vas_block_claim *claim);
/* The block lives on, with another mark, or the same. */
void vas_blocks_claim_mark(struct vas_blocks *blocks, const struct vas_block_claim *claim,
			   uint32_t mark);
/* The live block that covers address. -ERANGE, -ENOENT. */
int vas_blocks_at(struct vas_blocks *blocks, uint64_t address, struct vas_block_info *info);
/*
 * The first live block or free range that ends above address, whatever it is. -ENOENT past the end. What
 * rounding added to a block is passed over.
 */
int vas_blocks_next(struct vas_blocks *blocks, uint64_t address, struct vas_block_info *info);
/*
 * Changes the size of a block in place; rounded up to the granule. Shrinking gives the tail back
 * and cannot fail. -ENOSPC: what follows is not free that far, or the span ends; -ENOMEM, only when it grows
 * over the edge of a zone; -EINVAL: size 0; and as free. Nothing is changed then.
 */
int vas_blocks_resize(struct vas_blocks *blocks, uint64_t start, uint64_t size);
/*
 * Cuts the live block at start in two at address at; both keep its mark. As free, and -EINVAL: at is
 * not inside the block or not a multiple of the granule; -ENOMEM.
 */
int vas_blocks_split(struct vas_blocks *blocks, uint64_t start, uint64_t at);
/*
 * Makes one of two live blocks that touch; the mark is the lower one's. Never needs memory. As free,
 * for each of both; -EINVAL when they do not touch.
 */
int vas_blocks_merge(struct vas_blocks *blocks, uint64_t lower, uint64_t upper);
/*
 * Replaces the mark of the live block at start if it is expected (any: expected NULL), and writes
 * what it was to *expected when it is not. -EBUSY: it differs; -ENOENT, -EINVAL, -ERANGE. While one call
 * changes the mark, another one for the same block may be told -ENOENT.
 */
int vas_blocks_mark(struct vas_blocks *blocks, uint64_t start, uint32_t *expected, uint32_t mark);
/* The same, and *info is the block with the mark that it had, also after -EBUSY. */
int vas_blocks_swap(struct vas_blocks *blocks, uint64_t start, uint32_t expected, uint32_t mark,
		    struct vas_block_info *info);

/*
 * Cuts the allocator in two at address at, which lies in a free range or
 * between two blocks; *upper gets [at, end). -EINVAL: inside a block, not inside the span, not a
 * multiple of the granule; -ENOMEM. O(m log n) for m blocks that move. The caller's alone.
 */
int vas_blocks_cut(struct vas_blocks *blocks, uint64_t at, struct vas_blocks **upper);
/*
 * The reverse: upper begins where lower ends, same granule and support; upper is gone after it.
 * -EINVAL, -ENOMEM: nothing is changed. O(m log n) for m blocks in upper. Nobody else may use
 * either during the call.
 */
int vas_blocks_join(struct vas_blocks *lower, struct vas_blocks *upper);

/* Empties magazines and shelves first; O(z log n). */
void vas_blocks_stats(struct vas_blocks *blocks, struct vas_blocks_stats *stats);
/* Every invariant; for tests and expensive assertions. */
bool vas_blocks_check(struct vas_blocks *blocks);

#endif
