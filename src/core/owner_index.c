/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owner index.
 *
 * WHAT FOR. Fault handlers, profilers, allocators' free(addr) and device
 * drivers ask "whose address is this?" at any moment, also inside a signal
 * handler that interrupted this very file. So a look-up takes no lock, retries
 * nothing and reads a fixed number of words.
 *
 * STRATEGY. Addresses are looked up by page number in a radix tree of fixed
 * depth: a root array over 512 GiB each (with 4 KiB pages), then up to three
 * levels of nodes with 512 slots. A slot holds one word: nothing, a node, or
 * the number and generation of an owner. An owner word in a slot means only
 * "the one owner that has bytes here, if any, is this"; the look-up then
 * compares the address with the owner's own start and size. So a span that is
 * alone in its 512 GiB costs one store however it is aligned, and a span of
 * 64 TiB costs 128. A slot is split into a node when a second owner moves in,
 * and the node is taken away again when its last owner leaves.
 *
 * STRUCTURE. Slot words, by their two low bits:
 *
 *	0			nobody
 *	...00 (non-zero)	address of a struct vas_index_node
 *	....1			generation << 32 | owner number << 1 | 1
 *	...10			link of the list of free nodes; reads as nobody
 *
 * Owners are entries in chunks that never move or go away. An entry is a small
 * sequence lock without the retry: generation odd, start, size, the same
 * generation again, or else the owner was withdrawn while we looked.
 *
 * CONCURRENCY. One writer at a time (the caller's lock). Publishing writes the
 * slots first, while the entry's generation is still even, so that look-ups
 * that find the word find it dead; one release store of the odd generation
 * then makes the whole span appear at once. Withdrawing is two steps with the
 * kernel call between them: hide stores an even generation, so the whole span
 * disappears at once; clear removes the words. When the kernel would not unmap
 * the span, unhide stores the old generation again: start and size did not
 * change meanwhile, so a look-up that saw both is not deceived. A claim that
 * lands on a hidden span proves that it is gone, and takes its slots.
 *
 * When one owner becomes two (divide) or two become one (unite), the new ones are
 * published first, without a slot, and then take over slot by slot, while the old one
 * lives: a look-up answers the old or the new one, both true. Then the old one
 * is withdrawn with a mark in its record. A look-up that had read its word before
 * finds the mark, and answers from its start and size, which stay as they were until the entry
 * is used again: after VAS_OWNER_PASSED others.
 *
 * Why "nobody" is always a true answer, at some moment during the call:
 *  - The slot was empty, or named an owner that does not cover the address:
 *    then no published owner covered it when the slot was read, because a slot
 *    that two owners share is a node.
 *  - The generation had changed, without that mark: that owner was withdrawn during
 *    the call, and right after its withdrawal nobody owned the address.
 *  - The reader stood in a node that was emptied and given another place in
 *    the tree: the node had been empty in between, so nobody owned any of the
 *    addresses below it at that moment.
 * And an owner is answered only when its own entry covers the address.
 * Nodes are never unmapped nor used for anything else, so a late reader reads
 * slots, never other data; and it counts levels down, so it ends.
 *
 * WHAT IT DOES NOT DO. It allocates nothing: nodes and chunks are fed by the
 * caller before a claim, so that recording a claim cannot fail. It does not
 * know blocks inside a region.
 */
#include "base/hot.h"
#include "core/owner_index.h"

#include <errno.h>

#include "base/assert.h"

#define SLOT_OWNER 1u
#define SLOT_FREE_LINK 2u
#define SLOT_TAGS 3u

#define PASSED 1u /* bit of a record: the owner passed its bytes on */

#define NODE_BITS 9u
#define GENERATION_LAST 0xfffffff0u /* an entry that got this far is not used again */

/* Which pages a slot array covers, while walking down. */
struct level {
	uint64_t *slots;
	uint64_t first_page; /* of slots[0] */
	uint32_t count;
	uint32_t shift; /* log2 of the pages that one slot covers */
};

static uint64_t slot_load(const uint64_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static void slot_store(uint64_t *slot, uint64_t word)
{
	__atomic_store_n(slot, word, __ATOMIC_RELEASE);
}

static bool slot_is_node(uint64_t word)
{
	return word != 0 && (word & SLOT_TAGS) == 0;
}

static bool slot_is_owner(uint64_t word)
{
	return (word & SLOT_OWNER) != 0;
}

static struct vas_index_node *slot_node(uint64_t word)
{
	return (struct vas_index_node *)(uintptr_t)word;
}

static uint64_t owner_word(const struct vas_owner_entry *entry, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint64_t)entry->id << 1 | SLOT_OWNER;
}

VAS_HOT static struct vas_owner_entry *word_entry(const struct vas_owner_index *index, uint64_t word)
{
	uint32_t id = (uint32_t)word >> 1;
	struct vas_owner_chunk *chunk;

	if (id < VAS_OWNER_CHUNK)
		chunk = __atomic_load_n(&index->first_chunk, __ATOMIC_ACQUIRE);
	else
		chunk = __atomic_load_n(&index->chunks[id >> VAS_OWNER_CHUNK_BITS],
					__ATOMIC_ACQUIRE);
	return &chunk->entries[id & (VAS_OWNER_CHUNK - 1)];
}

static uint32_t root_bits_for(uint64_t page_size)
{
	return VAS_INDEX_ADDRESS_BITS - (uint32_t)__builtin_ctzll(page_size) -
	       VAS_INDEX_LEVELS * NODE_BITS;
}

size_t vas_owner_index_root_size(uint64_t page_size)
{
	return sizeof(uint64_t) << root_bits_for(page_size);
}

size_t vas_owner_index_chunks_size(void)
{
	return sizeof(struct vas_owner_chunk *) * VAS_OWNER_CHUNKS;
}

void vas_owner_index_init(struct vas_owner_index *index, uint64_t page_size, void *root,
			  void *chunks)
{
	VAS_ASSERT(page_size >= 4096 && page_size <= 65536);
	*index = (struct vas_owner_index){
		.root = root,
		.root_bits = root_bits_for(page_size),
		.page_shift = (uint32_t)__builtin_ctzll(page_size),
		.chunks = chunks,
	};
}

VAS_HOT bool vas_owner_index_wants_node(const struct vas_owner_index *index)
{
	return index->node_free_count < (index->claims + 1) * VAS_INDEX_NODES_FOR_ONE;
}

bool vas_owner_index_wants_chunk(const struct vas_owner_index *index)
{
	return !index->entry_free && index->entry_next == index->chunk_count * VAS_OWNER_CHUNK;
}

static void node_give(struct vas_index_node **list, uint32_t *count, struct vas_index_node *node)
{
	uint64_t next = (uint64_t)(uintptr_t)*list;

	slot_store(&node->slots[0], next | SLOT_FREE_LINK);
	*list = node;
	(*count)++;
}

void vas_owner_index_feed_node(struct vas_owner_index *index, struct vas_index_node *zeroed)
{
	node_give(&index->node_free, &index->node_free_count, zeroed);
	index->node_count++;
}

int vas_owner_index_feed_chunk(struct vas_owner_index *index, struct vas_owner_chunk *zeroed)
{
	uint32_t number = index->chunk_count;

	if (number == VAS_OWNER_CHUNKS)
		return -ENOSPC;
	for (uint32_t i = 0; i < VAS_OWNER_CHUNK; i++) {
		zeroed->entries[i].id = (number << VAS_OWNER_CHUNK_BITS) + i;
		zeroed->entries[i].generation = index->generation_first;
	}
	__atomic_store_n(&index->chunks[number], zeroed, __ATOMIC_RELEASE);
	if (number == 0)
		__atomic_store_n(&index->first_chunk, zeroed, __ATOMIC_RELEASE);
	index->chunk_count++;
	return 0;
}

uint32_t vas_owner_index_generation_next(const struct vas_owner_index *index)
{
	uint32_t next = index->generation_first;

	for (uint32_t id = 0; id < index->entry_next; id++) {
		uint32_t generation = word_entry(index, (uint64_t)id << 1)->generation;

		if (generation > next)
			next = generation + (generation & 1);
	}
	return next < GENERATION_LAST ? next : 0;
}

static struct vas_index_node *node_take(struct vas_owner_index *index)
{
	struct vas_index_node *node = index->node_free;

	VAS_ASSERT(node);
	index->node_free = slot_node(slot_load(&node->slots[0]) & ~(uint64_t)SLOT_TAGS);
	index->node_free_count--;
	slot_store(&node->slots[0], 0);
	return node;
}

static void entry_set_record(struct vas_owner_entry *entry, void *record)
{
	__atomic_store_n(&entry->record, record, __ATOMIC_RELAXED);
}

void vas_owner_index_record(struct vas_owner_entry *entry, void *record)
{
	VAS_ASSERT_DEBUG(((uintptr_t)record & PASSED) == 0);
	entry_set_record(entry, record);
}

struct vas_owner_entry *vas_owner_index_take(struct vas_owner_index *index)
{
	struct vas_owner_entry *entry = index->entry_free;
	uint32_t id;

	index->claims++;
	if (entry) {
		index->entry_free = entry->record;
		entry_set_record(entry, NULL);
		return entry;
	}
	VAS_ASSERT(index->entry_next < index->chunk_count * VAS_OWNER_CHUNK);
	id = index->entry_next++;
	return word_entry(index, (uint64_t)id << 1);
}

void vas_owner_index_untake(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	VAS_ASSERT(index->claims > 0);
	index->claims--;
	vas_owner_index_give(index, entry);
}

void vas_owner_index_give(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	VAS_ASSERT_DEBUG((entry->generation & 1) == 0);
	entry_set_record(entry, NULL);
	if (entry->generation >= GENERATION_LAST)
		return; /* its numbers are used up; 2^31 owners passed through it */
	entry_set_record(entry, index->entry_free);
	index->entry_free = entry;
}

VAS_HOT bool vas_owner_index_retake(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	if (entry->generation >= GENERATION_LAST)
		return false;
	index->claims++;
	return true;
}

void vas_owner_index_rest(struct vas_owner_index *index)
{
	VAS_ASSERT(index->claims > 0);
	index->claims--;
}

/* The part of pages [first, last] that lies in the level's slots, as slot numbers. */
static void level_range(const struct level *level, uint64_t first, uint64_t last, uint32_t *from,
			uint32_t *to)
{
	uint64_t end = level->first_page + ((uint64_t)level->count << level->shift) - 1;

	if (first < level->first_page)
		first = level->first_page;
	if (last > end)
		last = end;
	*from = (uint32_t)((first - level->first_page) >> level->shift);
	*to = (uint32_t)((last - level->first_page) >> level->shift);
}

static struct level root_level(const struct vas_owner_index *index)
{
	return (struct level){ index->root, 0, 1u << index->root_bits,
			       VAS_INDEX_LEVELS * NODE_BITS };
}

static struct level child_level(const struct level *parent, uint32_t slot,
				struct vas_index_node *node)
{
	return (struct level){ node->slots,
			       parent->first_page + ((uint64_t)slot << parent->shift),
			       VAS_INDEX_FANOUT, parent->shift - NODE_BITS };
}

VAS_HOT static void entry_pages(const struct vas_owner_index *index, const struct vas_owner_entry *entry,
			uint64_t *first, uint64_t *last)
{
	*first = entry->start >> index->page_shift;
	*last = ((entry->start + entry->size) >> index->page_shift) - 1;
}

static void level_put(struct vas_owner_index *index, const struct level *level, uint64_t word,
		      uint64_t first, uint64_t last);

/* Whether a word belongs to a hidden owner whose pages are being claimed anew. */
static bool word_is_overrun(const struct vas_owner_index *index, uint64_t word, uint64_t first,
			    uint64_t last)
{
	const struct vas_owner_entry *entry;
	uint64_t other_first, other_last;

	if (!slot_is_owner(word))
		return false;
	entry = word_entry(index, word);
	if (entry->generation == (uint32_t)(word >> 32))
		return false;
	entry_pages(index, entry, &other_first, &other_last);
	return other_first <= last && first <= other_last;
}

/* A second owner moves into a slot: a node takes over, filled before it is seen. */
static void slot_split(struct vas_owner_index *index, const struct level *level, uint32_t slot,
		       uint64_t word, uint64_t first, uint64_t last)
{
	struct vas_index_node *node = node_take(index);
	struct level child = child_level(level, slot, node);
	uint64_t other = level->slots[slot];
	uint64_t other_first, other_last;

	VAS_ASSERT(level->shift >= NODE_BITS);
	entry_pages(index, word_entry(index, other), &other_first, &other_last);
	level_put(index, &child, other, other_first, other_last);
	level_put(index, &child, word, first, last);
	slot_store(&level->slots[slot], (uint64_t)(uintptr_t)node);
}

/* Recursion depth is at most VAS_INDEX_LEVELS. */
static void level_put(struct vas_owner_index *index, const struct level *level, uint64_t word,
		      uint64_t first, uint64_t last)
{
	struct level child;
	uint32_t from, to;

	level_range(level, first, last, &from, &to);
	for (uint32_t slot = from; slot <= to; slot++) {
		uint64_t old = level->slots[slot];

		if (old == 0 || word_is_overrun(index, old, first, last)) {
			slot_store(&level->slots[slot], word);
		} else if (slot_is_node(old)) {
			child = child_level(level, slot, slot_node(old));
			level_put(index, &child, word, first, last);
		} else {
			slot_split(index, level, slot, word, first, last);
		}
	}
}

static bool node_is_empty(const struct vas_index_node *node)
{
	for (uint32_t i = 0; i < VAS_INDEX_FANOUT; i++)
		if (node->slots[i])
			return false;
	return true;
}

static void level_clear(struct vas_owner_index *index, const struct level *level, uint64_t word,
			uint64_t first, uint64_t last)
{
	struct vas_index_node *node;
	struct level child;
	uint32_t from, to;

	level_range(level, first, last, &from, &to);
	for (uint32_t slot = from; slot <= to; slot++) {
		uint64_t old = level->slots[slot];

		if (old == word) {
			slot_store(&level->slots[slot], 0);
		} else if (slot_is_node(old)) {
			node = slot_node(old);
			child = child_level(level, slot, node);
			level_clear(index, &child, word, first, last);
			if (!node_is_empty(node))
				continue;
			slot_store(&level->slots[slot], 0);
			node_give(&index->node_free, &index->node_free_count, node);
		} /* else: overrun by a later claim */
	}
}

/* The root's slot when all pages are in one: the short way for a span that is alone there. */
VAS_HOT static uint64_t *root_only_slot(const struct vas_owner_index *index, uint64_t first, uint64_t last)
{
	uint32_t shift = VAS_INDEX_LEVELS * NODE_BITS;

	return first >> shift == last >> shift ? &index->root[first >> shift] : NULL;
}

VAS_HOT void vas_owner_index_publish(struct vas_owner_index *index, struct vas_owner_entry *entry,
			     uint64_t start, uint64_t size)
{
	uint32_t generation = entry->generation;
	struct level root = root_level(index);
	uint64_t first, last, *slot;

	VAS_ASSERT_DEBUG((generation & 1) == 0 && size > 0);
	VAS_ASSERT(start + size <= 1ull << VAS_INDEX_ADDRESS_BITS);
	/* Readers that still hold the last generation must see it gone before new numbers. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&entry->start, start, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->size, size, __ATOMIC_RELAXED);
	entry_pages(index, entry, &first, &last);
	if (last >> root.shift >= index->root_used)
		index->root_used = (uint32_t)(last >> root.shift) + 1;
	VAS_ASSERT(index->claims > 0);
	index->claims--;
	slot = root_only_slot(index, first, last);
	if (slot && *slot == 0)
		slot_store(slot, owner_word(entry, generation + 1));
	else
		level_put(index, &root, owner_word(entry, generation + 1), first, last);
	__atomic_store_n(&entry->generation, generation + 1, __ATOMIC_RELEASE);
	VAS_ASSERT_EXPENSIVE(vas_owner_index_check(index));
}

VAS_HOT void vas_owner_index_hide(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	(void)index;
	VAS_ASSERT_DEBUG(entry->generation & 1);
	__atomic_store_n(&entry->generation, entry->generation + 1, __ATOMIC_RELEASE);
}

void vas_owner_index_unhide(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	(void)index;
	VAS_ASSERT_DEBUG((entry->generation & 1) == 0);
	__atomic_store_n(&entry->generation, entry->generation - 1, __ATOMIC_RELEASE);
}

VAS_HOT void vas_owner_index_clear(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	struct level root = root_level(index);
	uint64_t word = owner_word(entry, entry->generation - 1);
	uint64_t first, last, *slot;

	VAS_ASSERT_DEBUG((entry->generation & 1) == 0 && entry->generation > 0);
	entry_pages(index, entry, &first, &last);
	slot = root_only_slot(index, first, last);
	if (slot && *slot == word)
		slot_store(slot, 0);
	else
		level_clear(index, &root, word, first, last);
	VAS_ASSERT_EXPENSIVE(vas_owner_index_check(index));
}

/* --- passing on --- */

/*
 * What old has in a level's slots goes to low below page middle, to high from there on. A slot that is both's
 * becomes a node, filled before it is seen. Recursion depth is at most VAS_INDEX_LEVELS.
 */
static void level_pass(struct vas_owner_index *index, const struct level *level, uint64_t old,
		       const uint64_t words[2], const uint64_t pages[3])
{
	uint32_t from, to;

	level_range(level, pages[0], pages[2], &from, &to);
	for (uint32_t slot = from; slot <= to; slot++) {
		uint64_t word = level->slots[slot];
		uint64_t first = level->first_page + ((uint64_t)slot << level->shift);
		uint64_t last = first + ((uint64_t)1 << level->shift) - 1;
		struct vas_index_node *node;
		struct level child;

		if (slot_is_node(word)) {
			child = child_level(level, slot, slot_node(word));
			level_pass(index, &child, old, words, pages);
		} else if (word == old && (last < pages[1] || first >= pages[1])) {
			slot_store(&level->slots[slot], words[first >= pages[1]]);
		} else if (word == old) {
			node = node_take(index);
			child = child_level(level, slot, node);
			level_put(index, &child, words[0], pages[0], pages[1] - 1);
			level_put(index, &child, words[1], pages[1], pages[2]);
			slot_store(&level->slots[slot], (uint64_t)(uintptr_t)node);
		}
	}
}

/* Alive, though no slot names it yet. */
static uint64_t entry_enliven(struct vas_owner_index *index, struct vas_owner_entry *entry,
			      uint64_t start, uint64_t size)
{
	uint32_t generation = entry->generation;

	VAS_ASSERT_DEBUG((generation & 1) == 0 && size > 0);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&entry->start, start, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->size, size, __ATOMIC_RELAXED);
	VAS_ASSERT(index->claims > 0);
	index->claims--;
	__atomic_store_n(&entry->generation, generation + 1, __ATOMIC_RELEASE);
	return owner_word(entry, generation + 1);
}

/*
 * No slot names it any more. A look-up that read its word before is still right: it finds the mark,
 * and start and size as they were, until many others have rested in this list too.
 */
static void entry_rest(struct vas_owner_index *index, struct vas_owner_entry *entry)
{
	struct vas_owner_entry *oldest;

	__atomic_store_n(&entry->record, (void *)(uintptr_t)PASSED, __ATOMIC_RELEASE);
	__atomic_store_n(&entry->generation, entry->generation + 1, __ATOMIC_RELEASE);
	if (index->passed_last)
		entry_set_record(index->passed_last, (void *)((uintptr_t)entry | PASSED));
	else
		index->passed_first = entry;
	index->passed_last = entry;
	if (++index->passed_count <= VAS_OWNER_PASSED)
		return;
	oldest = index->passed_first;
	index->passed_first = (void *)((uintptr_t)oldest->record & ~(uintptr_t)PASSED);
	index->passed_count--;
	vas_owner_index_give(index, oldest);
}

void vas_owner_index_divide(struct vas_owner_index *index, struct vas_owner_entry *old,
			    struct vas_owner_entry *low, struct vas_owner_entry *high, uint64_t at)
{
	const uint64_t words[2] = {
		entry_enliven(index, low, old->start, at - old->start),
		entry_enliven(index, high, at, old->start + old->size - at),
	};
	struct level root = root_level(index);
	uint64_t pages[3];

	entry_pages(index, old, &pages[0], &pages[2]);
	pages[1] = at >> index->page_shift;
	level_pass(index, &root, owner_word(old, old->generation), words, pages);
	entry_rest(index, old);
	VAS_ASSERT_EXPENSIVE(vas_owner_index_check(index));
}

void vas_owner_index_unite(struct vas_owner_index *index, struct vas_owner_entry *low,
			   struct vas_owner_entry *high, struct vas_owner_entry *whole)
{
	uint64_t word = entry_enliven(index, whole, low->start, low->size + high->size);
	const uint64_t words[2] = { word, word };
	struct level root = root_level(index);
	uint64_t pages[3];

	VAS_ASSERT_DEBUG(low->start + low->size == high->start);
	pages[1] = 0; /* all of it is high's, and that is the same word */
	entry_pages(index, low, &pages[0], &pages[2]);
	level_pass(index, &root, owner_word(low, low->generation), words, pages);
	entry_pages(index, high, &pages[0], &pages[2]);
	level_pass(index, &root, owner_word(high, high->generation), words, pages);
	entry_rest(index, low);
	entry_rest(index, high);
	VAS_ASSERT_EXPENSIVE(vas_owner_index_check(index));
}

/* The owner word for a page, or 0. At most VAS_INDEX_LEVELS + 1 loads. */
VAS_HOT static inline uint64_t index_word(const struct vas_owner_index *index, uint64_t page)
{
	uint32_t shift = VAS_INDEX_LEVELS * NODE_BITS;
	uint64_t word;

	if (page >> shift >> index->root_bits)
		return 0;
	word = slot_load(&index->root[page >> shift]);
	for (uint32_t level = 0; level < VAS_INDEX_LEVELS && slot_is_node(word); level++) {
		shift -= NODE_BITS;
		word = slot_load(&slot_node(word)->slots[page >> shift & (VAS_INDEX_FANOUT - 1)]);
	}
	return slot_is_owner(word) ? word : 0;
}

/*
 * The owner was withdrawn after its word was read. If it passed its bytes on, it is the answer all
 * the same: it had them when its word was read, and its entry still says which.
 */
__attribute__((cold, noinline)) static bool find_passed(const struct vas_owner_entry *entry,
							uint32_t generation, uint64_t address,
							struct vas_owner *owner)
{
	uint64_t start, size;

	if (__atomic_load_n(&entry->generation, __ATOMIC_ACQUIRE) != generation + 1 ||
	    !((uintptr_t)__atomic_load_n(&entry->record, __ATOMIC_ACQUIRE) & PASSED))
		return false;
	start = __atomic_load_n(&entry->start, __ATOMIC_RELAXED);
	size = __atomic_load_n(&entry->size, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* Whoever uses the entry again takes the mark away before it writes anything. */
	if (!((uintptr_t)__atomic_load_n(&entry->record, __ATOMIC_RELAXED) & PASSED) ||
	    address - start >= size)
		return false;
	owner->id = (uint64_t)generation << 32 | entry->id;
	owner->span = (struct vas_span){ start, size };
	return true;
}

/* The whole of a look-up; see the head of this file. */
VAS_HOT static inline bool index_find(const struct vas_owner_index *index, uint64_t address,
				      struct vas_owner *owner, void **record)
{
	uint64_t word = index_word(index, address >> index->page_shift);
	struct vas_owner_entry *entry;
	uint32_t generation = (uint32_t)(word >> 32);
	uint64_t start, size;

	if (!word)
		return false;
	entry = word_entry(index, word);
	if (__atomic_load_n(&entry->generation, __ATOMIC_ACQUIRE) != generation)
		return !record && find_passed(entry, generation, address, owner);
	start = __atomic_load_n(&entry->start, __ATOMIC_RELAXED);
	size = __atomic_load_n(&entry->size, __ATOMIC_RELAXED);
	if (record)
		*record = __atomic_load_n(&entry->record, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&entry->generation, __ATOMIC_RELAXED) != generation)
		return !record && find_passed(entry, generation, address, owner);
	if (address - start >= size)
		return false;
	owner->id = (uint64_t)generation << 32 | entry->id;
	owner->span = (struct vas_span){ start, size };
	return true;
}

VAS_HOT bool vas_owner_index_find(const struct vas_owner_index *index, uint64_t address,
				  struct vas_owner *owner)
{
	return index_find(index, address, owner, NULL);
}

bool vas_owner_index_find_record(const struct vas_owner_index *index, uint64_t address,
				 struct vas_owner *owner, void **record)
{
	/* An owner that passed its bytes on has no record any more: then the new one is looked up. */
	return index_find(index, address, owner, record) ||
	       index_find(index, address, owner, record);
}

bool vas_owner_index_is(const struct vas_owner_index *index, uint64_t id)
{
	const struct vas_owner_entry *entry = word_entry(index, (uint64_t)(uint32_t)id << 1);

	return __atomic_load_n(&entry->generation, __ATOMIC_ACQUIRE) == (uint32_t)(id >> 32);
}

VAS_HOT struct vas_owner_entry *vas_owner_index_entry(const struct vas_owner_index *index,
					      uint64_t address)
{
	uint64_t word = index_word(index, address >> index->page_shift);
	struct vas_owner_entry *entry;

	if (!word)
		return NULL;
	entry = word_entry(index, word);
	return address - entry->start < entry->size ? entry : NULL;
}

struct vas_owner_entry *vas_owner_index_number(const struct vas_owner_index *index, uint32_t id)
{
	VAS_ASSERT_DEBUG(id < index->entry_next);
	return word_entry(index, (uint64_t)id << 1);
}

uint64_t vas_owner_id(const struct vas_owner_entry *entry)
{
	return (uint64_t)entry->generation << 32 | entry->id;
}

struct vas_owner_entry *vas_owner_index_by_id(const struct vas_owner_index *index, uint64_t id)
{
	struct vas_owner_entry *entry;

	if ((uint32_t)id >= index->entry_next || (id >> 32 & 1) == 0)
		return NULL;
	entry = word_entry(index, (uint64_t)(uint32_t)id << 1);
	return vas_owner_id(entry) == id ? entry : NULL;
}

/* Every word below a level belongs to a published or hidden owner that has pages there. */
static bool level_check(const struct vas_owner_index *index, const struct level *level)
{
	for (uint32_t slot = 0; slot < level->count; slot++) {
		uint64_t word = level->slots[slot], first, last, page;
		const struct vas_owner_entry *entry;
		struct level child;

		if (word == 0)
			continue;
		page = level->first_page + ((uint64_t)slot << level->shift);
		if (slot_is_node(word)) {
			child = child_level(level, slot, slot_node(word));
			if (level->shift < NODE_BITS || node_is_empty(slot_node(word)) ||
			    !level_check(index, &child))
				return false;
			continue;
		}
		if (!slot_is_owner(word))
			return false;
		entry = word_entry(index, word);
		if (entry->generation - (uint32_t)(word >> 32) > 1) /* hidden ones may linger */
			return false;
		entry_pages(index, entry, &first, &last);
		if (last < page || first > page + ((uint64_t)1 << level->shift) - 1)
			return false;
	}
	return true;
}

bool vas_owner_index_check(const struct vas_owner_index *index)
{
	struct level root = root_level(index);
	struct vas_owner owner;

	root.count = index->root_used; /* the rest would cost 2 MiB of page tables and cache */
	if (!level_check(index, &root))
		return false;
	for (uint32_t id = 0; id < index->entry_next; id++) {
		const struct vas_owner_entry *entry = word_entry(index, (uint64_t)id << 1);
		uint64_t last = entry->start + entry->size - 1;

		if ((entry->generation & 1) == 0)
			continue;
		if (!vas_owner_index_find(index, entry->start, &owner) ||
		    owner.span.start != entry->start || owner.span.size != entry->size ||
		    !vas_owner_index_find(index, last, &owner) ||
		    owner.span.start != entry->start)
			return false;
	}
	return true;
}
