/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who owns an address: a radix tree of fixed depth over page numbers, read
 * without locks and in a bounded number of steps.
 *
 * Writers are serialised by the caller; readers need nothing. Memory is fed in
 * by the caller beforehand, so that publishing and withdrawing cannot fail.
 */
#ifndef VAS_CORE_OWNER_INDEX_H
#define VAS_CORE_OWNER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/reserve.h>

#define VAS_INDEX_FANOUT 512u
#define VAS_INDEX_LEVELS 3u /* levels of nodes below the root */
#define VAS_INDEX_ADDRESS_BITS 57u
#define VAS_INDEX_NODES_FOR_ONE 6u /* nodes that publishing one span can need: 2 edges, 3 levels */

#define VAS_OWNER_PASSED 4096u /* entries that passed on rest until so many others did */

#define VAS_OWNER_CHUNK_BITS 9u
#define VAS_OWNER_CHUNK (1u << VAS_OWNER_CHUNK_BITS) /* entries in one chunk */
#define VAS_OWNER_CHUNKS 8192u /* chunks at most: 4 million owners */

/* Interior node. Once fed to an index it is a node for ever: readers may look at it at any time. */
struct vas_index_node {
	uint64_t slots[VAS_INDEX_FANOUT]; /* atomic; see owner_index.c for the encoding */
};

/* One owner. Readers trust start and size only between two equal odd generations. */
struct vas_owner_entry {
	uint64_t start; /* atomic */
	uint64_t size; /* atomic */
	uint32_t generation; /* atomic; odd = published, even = not. I: never wraps (see take) */
	uint32_t id; /* constant */
	/*
	 * Atomic; the writer's own book about this owner, aligned to 2. Odd: the owner passed its bytes on to others
	 * (divide, unite), and start and size are still what they were; a link of the list of these.
	 */
	void *record;
};

struct vas_owner_chunk {
	struct vas_owner_entry entries[VAS_OWNER_CHUNK];
};

struct vas_owner_index {
	uint64_t *root; /* atomic slots; 2^root_bits of them, zeroed, lent for ever */
	uint32_t root_bits;
	uint32_t root_used; /* I: slots of root from here on were never written */
	uint32_t page_shift;
	struct vas_owner_chunk **chunks; /* atomic pointers; VAS_OWNER_CHUNKS of them, zeroed, lent for ever */
	struct vas_owner_chunk *first_chunk; /* chunks[0], near at hand (atomic) */
	uint32_t chunk_count; /* I: <= VAS_OWNER_CHUNKS */
	uint32_t entry_next; /* entries handed out at least once; I: <= chunk_count * VAS_OWNER_CHUNK */
	struct vas_owner_entry *entry_free; /* linked through record */
	struct vas_owner_entry *passed_first; /* entries that passed on, oldest first, linked through record */
	struct vas_owner_entry *passed_last;
	uint32_t passed_count; /* I: <= VAS_OWNER_PASSED */
	struct vas_index_node *node_free; /* linked through slots[0], tagged */
	uint32_t node_free_count;
	uint32_t node_count; /* nodes fed in all */
	uint32_t claims; /* entries taken and not yet published: each may need NODES_FOR_ONE */
	uint32_t generation_first; /* even: of fresh entries, above those of an index before this one */
};

/* Bytes of root that init wants for a page size. */
size_t vas_owner_index_root_size(uint64_t page_size);
size_t vas_owner_index_chunks_size(void);
/* root and chunks: zeroed memory of the sizes above, which must stay mapped for ever. */
void vas_owner_index_init(struct vas_owner_index *index, uint64_t page_size, void *root,
			  void *chunks);

/*
 * For an index that comes after this one, in the same process: a first generation with which none of its
 * owners gets the id of one of these. 0 when the numbers are used up, after 2^31 owners.
 */
uint32_t vas_owner_index_generation_next(const struct vas_owner_index *index);

/* Whether the next take and publish would run dry; feed until not. */
bool vas_owner_index_wants_node(const struct vas_owner_index *index);
bool vas_owner_index_wants_chunk(const struct vas_owner_index *index);
void vas_owner_index_feed_node(struct vas_owner_index *index, struct vas_index_node *zeroed);
/* -ENOSPC when there are VAS_OWNER_CHUNKS already. */
int vas_owner_index_feed_chunk(struct vas_owner_index *index, struct vas_owner_chunk *zeroed);

/* An entry for a new owner, not yet published. I: !wants_chunk. Cannot fail. */
struct vas_owner_entry *vas_owner_index_take(struct vas_owner_index *index);
/* Gives back an entry that was taken and never published. */
void vas_owner_index_untake(struct vas_owner_index *index, struct vas_owner_entry *entry);
/* Gives back an entry that was published and withdrawn. */
void vas_owner_index_give(struct vas_owner_index *index, struct vas_owner_entry *entry);
/* As give and take of the same entry at once. False when its numbers are used up; give it then. */
bool vas_owner_index_retake(struct vas_owner_index *index, struct vas_owner_entry *entry);
/* The reverse of retake, without giving the entry back. */
void vas_owner_index_rest(struct vas_owner_index *index);

/*
 * Makes [start, start + size) findable, by one store at the end: before it no
 * look-up finds any of it, after it all look-ups find all of it.
 * I: page aligned, disjoint from every published span, below 2^57. May overlap
 * hidden ones, which then can only be cleared.
 */
void vas_owner_index_publish(struct vas_owner_index *index, struct vas_owner_entry *entry,
			     uint64_t start, uint64_t size);
/*
 * The reverse, in two steps. hide is one store: no look-up finds the span any
 * more. Then either clear removes its traces, or unhide, one store again,
 * makes the same owner findable as before. Neither needs memory.
 */
void vas_owner_index_hide(struct vas_owner_index *index, struct vas_owner_entry *entry);
void vas_owner_index_clear(struct vas_owner_index *index, struct vas_owner_entry *entry);
void vas_owner_index_unhide(struct vas_owner_index *index, struct vas_owner_entry *entry);

/*
 * One owner becomes two, or two become one, without a moment in which a look-up finds nobody: old is
 * published and covers what the new ones, taken and not published, will cover: of divide [start, at) and
 * [at, end). The old ones are not published any more, and cannot be given back by the caller. I: enough nodes,
 * as for publishing both. Neither needs memory.
 */
void vas_owner_index_divide(struct vas_owner_index *index, struct vas_owner_entry *old,
			    struct vas_owner_entry *low, struct vas_owner_entry *high, uint64_t at);
void vas_owner_index_unite(struct vas_owner_index *index, struct vas_owner_entry *low,
			   struct vas_owner_entry *high, struct vas_owner_entry *whole);
/* Sets an entry's record. */
void vas_owner_index_record(struct vas_owner_entry *entry, void *record);

/*
 * Wait-free, async-signal-safe: at most VAS_INDEX_LEVELS + 1 slots and one entry
 * are read. *owner is written only when true is answered.
 */
bool vas_owner_index_find(const struct vas_owner_index *index, uint64_t address,
			  struct vas_owner *owner);
/*
 * The same, with the owner's record. What is read through it was that owner's if afterwards
 * vas_owner_index_is(id) is still true; the record's memory must stay mapped for ever. Both
 * wait-free, async-signal-safe. is: of an id that find gave.
 */
bool vas_owner_index_find_record(const struct vas_owner_index *index, uint64_t address,
				 struct vas_owner *owner, void **record);
bool vas_owner_index_is(const struct vas_owner_index *index, uint64_t id);

/* For writers (lock held): the entry that covers an address, or NULL. */
struct vas_owner_entry *vas_owner_index_entry(const struct vas_owner_index *index,
					      uint64_t address);
/* The entry of an id from struct vas_owner, NULL when it has been withdrawn since. */
struct vas_owner_entry *vas_owner_index_by_id(const struct vas_owner_index *index, uint64_t id);
/* Entry number id, below entry_next. */
struct vas_owner_entry *vas_owner_index_number(const struct vas_owner_index *index, uint32_t id);
uint64_t vas_owner_id(const struct vas_owner_entry *entry);

/*
 * Walks the tree as far as it was ever used: every published span is
 * findable at its edges, no slot names a dead owner.
 */
bool vas_owner_index_check(const struct vas_owner_index *index);

#endif
