/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Warm blocks: freed, committed still.
 *
 * WHAT FOR. Committing and decommitting cost system calls and page faults, a hundred times what
 * taking a block costs. A program that frees and allocates blocks of the same sizes pays them once.
 *
 * STRATEGY. A block that was committed by its allocation, as a whole and without anything special,
 * is PLAIN until something else is done with it; only such blocks are kept, so
 * that a free looks at one bit instead of at what is mapped. A table by size finds the block that was freed last,
 * whose bytes are most likely in the processor's caches. A second list, by age, says
 * what goes first. Blocks leave in batches: a warm neighbour goes along, with one call to the kernel.
 *
 * Nodes are made when blocks are allocated, so that a free needs no memory.
 *
 * Blocks that were freed last stand in trays, one for each thread or processor (tray.c). They are gathered before
 * anything is done here that depends on all warm blocks.
 *
 * CONCURRENCY. The region's lock for the books. Zeroing and giving back happen without it: the block is
 * LIVE or FREEING by then.
 *
 * WHAT IT DOES NOT DO. It has no clock and no thread: the caller tells the time. It does not cut or join warm
 * blocks to make others of them.
 */
#include "region/cache.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/number.h"
#include "region/region.h"
#include "region/tray.h"

#define CAPACITY_FIRST 84u /* nodes: 4 KiB */
#define BATCH	       256u /* blocks in one decommit */
#define LOOK	       8u /* warm blocks of a size that are compared with what is asked for */
/*
 * Above it, a block is zeroed by giving its pages back and not by writing: pages that were never touched would get
 * memory. Below, a page fault for each page costs much more than writing it.
 */
#define WRITE_LARGEST (2u << 20)

static struct vas_cache_node *node_get(const struct vas_cache *cache, uint32_t number)
{
	VAS_ASSERT_DEBUG(number && number <= cache->capacity);
	return &cache->nodes[number - 1];
}

static uint32_t *bucket_of(struct vas_cache *cache, const struct vas_region *region, uint64_t size)
{
	uint64_t hash = size / region->granule * 0x9e3779b97f4a7c15ull;

	return &cache->buckets[hash >> 57];
}

_Static_assert(VAS_CACHE_BUCKETS == 1u << 7, "as many buckets as the hash has values");

bool vas_cache_is_plain(const struct vas_commit_opts *opts)
{
	return (opts->flags & ~VAS_COMMIT_POPULATE) == 0 && !opts->policy &&
	       (opts->prot == 0 || opts->prot == (PROT_READ | PROT_WRITE));
}

bool vas_cache_admits(const struct vas_region *region, uint64_t size)
{
	return size <= region->cache_bytes && (!region->cache_block || size <= region->cache_block);
}

/* --- nodes --- */

void vas_cache_prepare(struct vas_region *region)
{
	struct vas_cache *cache = &region->cache;
	uint64_t most = region->cache_bytes / region->granule;
	uint32_t capacity = cache->capacity ? cache->capacity * 2 : CAPACITY_FIRST;
	struct vas_cache_node *nodes;
	uint64_t live;
	void *memory;

	if (most > VAS_CACHE_NODES)
		most = VAS_CACHE_NODES;
	/* Trays lie idle for the most part. */
	live = region->live + vas_shards_sum(region).live + cache->aside;
	if (cache->capacity - cache->count > live || cache->capacity >= most)
		return;
	if (capacity > most)
		capacity = (uint32_t)most;
	if (vas_region_take(region->space, capacity * sizeof(*nodes), &memory))
		return;
	nodes = memory;
	if (cache->nodes) {
		memcpy(nodes, cache->nodes, cache->capacity * sizeof(*nodes));
		vas_region_give(region->space, cache->nodes, cache->capacity * sizeof(*nodes));
	}
	for (uint32_t number = capacity; number > cache->capacity; number--) {
		nodes[number - 1].below = cache->unused;
		cache->unused = number;
		cache->spares++;
	}
	cache->nodes = nodes;
	cache->capacity = capacity;
}

void vas_cache_free(struct vas_region *region)
{
	struct vas_cache *cache = &region->cache;

	if (cache->nodes)
		vas_region_give(region->space, cache->nodes, cache->capacity * sizeof(*cache->nodes));
	*cache = (struct vas_cache){ 0 };
}

/* The top one of the size; 0 = none. */
static uint32_t size_find(struct vas_cache *cache, const struct vas_region *region, uint64_t size)
{
	uint32_t number = *bucket_of(cache, region, size);

	while (number && node_get(cache, number)->span.size != size)
		number = node_get(cache, number)->next;
	return number;
}

/* node stands in the bucket where its next and previous say. */
static void bucket_place(struct vas_cache *cache, uint32_t *bucket, uint32_t number)
{
	const struct vas_cache_node *node = node_get(cache, number);

	if (node->next)
		node_get(cache, node->next)->previous = number;
	if (node->previous)
		node_get(cache, node->previous)->next = number;
	else
		*bucket = number;
}

static void size_push(struct vas_cache *cache, const struct vas_region *region, uint32_t number)
{
	struct vas_cache_node *node = node_get(cache, number), *top;
	uint32_t *bucket = bucket_of(cache, region, node->span.size);

	node->below = size_find(cache, region, node->span.size);
	node->above = 0;
	node->previous = 0;
	node->next = *bucket;
	if (node->below) {
		top = node_get(cache, node->below);
		top->above = number;
		node->next = top->next;
		node->previous = top->previous;
	}
	bucket_place(cache, bucket, number);
}

static void size_remove(struct vas_cache *cache, const struct vas_region *region, uint32_t number)
{
	const struct vas_cache_node *node = node_get(cache, number);
	uint32_t *bucket = bucket_of(cache, region, node->span.size);
	struct vas_cache_node *below = node->below ? node_get(cache, node->below) : NULL;

	if (below)
		below->above = node->above;
	if (node->above) {
		node_get(cache, node->above)->below = node->below;
	} else if (below) {
		below->next = node->next;
		below->previous = node->previous;
		bucket_place(cache, bucket, node->below);
	} else {
		if (node->next)
			node_get(cache, node->next)->previous = node->previous;
		if (node->previous)
			node_get(cache, node->previous)->next = node->next;
		else
			*bucket = node->next;
	}
}

static void age_push(struct vas_cache *cache, uint32_t number)
{
	struct vas_cache_node *node = node_get(cache, number);

	node->time = cache->now;
	node->newer = 0;
	node->older = cache->newest;
	if (cache->newest)
		node_get(cache, cache->newest)->newer = number;
	else
		cache->oldest = number;
	cache->newest = number;
}

static void age_remove(struct vas_cache *cache, uint32_t number)
{
	const struct vas_cache_node *node = node_get(cache, number);

	if (node->older)
		node_get(cache, node->older)->newer = node->newer;
	else
		cache->oldest = node->newer;
	if (node->newer)
		node_get(cache, node->newer)->older = node->older;
	else
		cache->newest = node->older;
}

bool vas_cache_put(struct vas_region *region, struct vas_span span)
{
	struct vas_cache *cache = &region->cache;
	uint32_t number;

	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	if (cache->spares == cache->aside)
		vas_trays_gather(region);
	number = cache->unused;
	if (!number)
		return false;
	cache->unused = node_get(cache, number)->below;
	cache->spares--;
	node_get(cache, number)->span = span;
	size_push(cache, region, number);
	age_push(cache, number);
	cache->count++;
	cache->bytes += span.size;
	vas_block_mark(region, span.start,
		       VAS_MARK_WARM | VAS_MARK_PROMISED | number << VAS_MARK_RECORD_SHIFT);
	return true;
}

static void node_give(struct vas_cache *cache, uint32_t number)
{
	node_get(cache, number)->below = cache->unused;
	cache->unused = number;
	cache->spares++;
}

/* The block is not warm any more; its mark is for the caller to set, and its node to give. */
static void cache_unlink(struct vas_region *region, uint32_t number)
{
	struct vas_cache *cache = &region->cache;

	size_remove(cache, region, number);
	age_remove(cache, number);
	cache->count--;
	cache->bytes -= node_get(cache, number)->span.size;
}

static void cache_remove(struct vas_region *region, uint32_t number)
{
	cache_unlink(region, number);
	node_give(&region->cache, number);
}

/* --- taking --- */

static bool alignment_suits(const struct vas_region *region, const struct vas_alloc_opts *opts,
			    uint64_t start)
{
	if (!opts->alignment)
		return opts->phase == 0;
	/* What the allocator would refuse is left to it. */
	if (!vas_is_power_of_two(opts->alignment) && opts->alignment % region->granule)
		return false;
	return opts->phase < opts->alignment && start % opts->alignment == opts->phase;
}

bool vas_cache_suits(const struct vas_region *region, struct vas_span span,
		     const struct vas_alloc_opts *opts)
{
	uint64_t last = span.start + span.size - 1;

	if (span.start < opts->min || (opts->max && last >= opts->max))
		return false;
	if (opts->boundary && (!vas_is_power_of_two(opts->boundary) ||
			       span.start / opts->boundary != last / opts->boundary))
		return false;
	return alignment_suits(region, opts, span.start);
}

/* The block at an exact address, if it is warm and of that size. */
static uint32_t exact_find(struct vas_region *region, uint64_t start, uint64_t size)
{
	struct vas_block_info info;

	if (vas_blocks_at(region->blocks, start, &info) || info.span.start != start ||
	    info.span.size != size || !vas_mark_is(info.mark, VAS_MARK_WARM))
		return 0;
	return vas_mark_record(info.mark);
}

bool vas_cache_take(struct vas_region *region, uint64_t size, const struct vas_alloc_opts *opts,
		    uint64_t *start)
{
	struct vas_cache *cache = &region->cache;
	uint32_t places = opts->flags & (VAS_ALLOC_LOW | VAS_ALLOC_HIGH | VAS_ALLOC_RANDOM);
	uint32_t number = 0;

	if ((cache->count == 0 && cache->aside == 0) || places)
		return false;
	if (opts->flags & VAS_ALLOC_EXACT) {
		vas_trays_gather(region);
		number = exact_find(region, (uint64_t)(uintptr_t)opts->address, size);
	} else if (!opts->address) {
		if (vas_trays_take_own(region, size, opts, start))
			return true;
		number = size_find(cache, region, size);
	}
	for (uint32_t i = 0; number && i < LOOK; i++) {
		struct vas_cache_node *node = node_get(cache, number);

		if (vas_cache_suits(region, node->span, opts)) {
			*start = node->span.start;
			cache_remove(region, number);
			return true;
		}
		number = opts->flags & VAS_ALLOC_EXACT ? 0 : node->below;
	}
	return !(opts->flags & VAS_ALLOC_EXACT) && !opts->address &&
	       vas_trays_take(region, size, opts, start);
}

void vas_cache_zero(struct vas_region *region, struct vas_span span)
{
	struct vas_space *space = region->space;

	/* Who is told of changes may have pages pinned, which must stay the same pages. */
	if (span.size > WRITE_LARGEST && !__atomic_load_n(&space->subscribers, __ATOMIC_RELAXED) &&
	    VAS_CALL(space->sys, advise, span.start, span.size, MADV_DONTNEED) == 0)
		return;
	region->fill(span, 0);
}

/* --- giving back --- */

/* A warm block that ends or begins where the span does becomes a part of it. Lock held. */
static bool batch_grow(struct vas_region *region, struct vas_span *span, uint64_t before)
{
	struct vas_cache *cache = &region->cache;
	struct vas_block_info info;
	bool lower = true;
	uint32_t number;
	int err;

	if (span->start == region->span.start ||
	    vas_blocks_at(region->blocks, span->start - 1, &info) ||
	    !vas_mark_is(info.mark, VAS_MARK_WARM)) {
		lower = false;
		if (vas_blocks_at(region->blocks, vas_range_end(*span), &info) ||
		    !vas_mark_is(info.mark, VAS_MARK_WARM))
			return false;
	}
	number = vas_mark_record(info.mark);
	if (node_get(cache, number)->time > before)
		return false;
	cache_remove(region, number);
	err = vas_blocks_merge(region->blocks, lower ? info.span.start : span->start,
			       lower ? span->start : info.span.start);
	VAS_ASSERT(err == 0);
	/* Each had one promise, the whole needs one. */
	region->promises++;
	if (lower)
		span->start = info.span.start;
	span->size += info.span.size;
	return true;
}

/*
 * One warm block and those beside it, as far as target goes, that are not newer than before. Lock
 * held; not after. Returns the bytes; 0: not possible just now.
 */
static uint64_t drain_batch(struct vas_region *region, uint32_t number, uint64_t target,
			    uint64_t before)
{
	struct vas_span span = node_get(&region->cache, number)->span;
	struct vas_failure failure;
	int err;

	if (vas_region_pin(region, &failure)) {
		vas_region_unlock(region);
		return 0;
	}
	cache_unlink(region, number);
	for (uint32_t i = 1; i < BATCH && span.size < target; i++)
		if (!batch_grow(region, &span, before))
			break;
	vas_block_mark(region, span.start, VAS_MARK_FREEING | VAS_MARK_PROMISED);
	region->unfinished++;
	err = vas_block_retire(region, span, &failure, NULL);
	vas_lock_take(&region->lock);
	node_give(&region->cache, number);
	/* In a notice: later, as one block, for which a node was kept. */
	if (err) {
		region->unfinished--;
		(void)vas_cache_put(region, span);
	}
	vas_region_unlock(region);
	return err ? 0 : span.size;
}

static uint64_t cache_drain(struct vas_region *region, uint64_t target, uint64_t before,
			    uint64_t keep)
{
	struct vas_cache *cache = &region->cache;
	uint64_t got = 0, batch = 1;
	struct vas_failure failure;

	while (batch && got < target) {
		if (vas_region_lock(region, &failure))
			break;
		vas_trays_gather(region);
		if (!cache->oldest || cache->bytes <= keep ||
		    node_get(cache, cache->oldest)->time > before) {
			vas_region_unlock(region);
			break;
		}
		batch = drain_batch(region, cache->oldest, target - got, before);
		got += batch;
	}
	return got;
}

uint64_t vas_cache_drain(struct vas_region *region, uint64_t target)
{
	return cache_drain(region, target, UINT64_MAX, 0);
}

bool vas_cache_is_over(struct vas_region *region)
{
	const struct vas_cache *cache = &region->cache;

	if (__builtin_expect(cache->bytes + cache->granted <= region->cache_bytes, 1))
		return false;
	vas_trays_gather(region);
	return cache->bytes > region->cache_bytes;
}

void vas_cache_limit(struct vas_region *region)
{
	/* An eighth at once, so that not every free pays for it. */
	uint64_t keep = region->cache_bytes - region->cache_bytes / 8;

	(void)cache_drain(region, region->cache_bytes / 8 + 1, UINT64_MAX, keep);
}

uint64_t vas_cache_age(struct vas_region *region, uint64_t now)
{
	struct vas_failure failure;

	if (vas_region_lock(region, &failure))
		return 0;
	/* They were freed before now. */
	vas_trays_gather(region);
	/* Of two threads that tell the time, the later one is right. */
	if (now > region->cache.now)
		region->cache.now = now;
	now = region->cache.now;
	vas_region_unlock(region);
	if (!region->cache_age || now < region->cache_age)
		return 0;
	return cache_drain(region, UINT64_MAX, now - region->cache_age, 0);
}

uint64_t vas_cache_drain_span(struct vas_region *region, struct vas_span span)
{
	uint64_t position = span.start, got = 0, batch = 1;
	struct vas_block_info info;
	struct vas_failure failure;

	while (batch && position < vas_range_end(span)) {
		if (vas_region_lock(region, &failure))
			break;
		vas_trays_gather(region);
		if (vas_blocks_next(region->blocks, position, &info) ||
		    info.span.start >= vas_range_end(span)) {
			vas_region_unlock(region);
			break;
		}
		position = vas_range_end(info.span);
		if (!info.live || !vas_mark_is(info.mark, VAS_MARK_WARM)) {
			vas_region_unlock(region);
			continue;
		}
		batch = drain_batch(region, vas_mark_record(info.mark), 0, UINT64_MAX);
		got += batch;
	}
	return got;
}

/* --- trust --- */

void vas_cache_distrust(struct vas_region *region)
{
	uint64_t position = region->span.start;
	struct vas_block_info info;

	vas_lock_take(&region->lock);
	while (region->cache_bytes && vas_blocks_next(region->blocks, position, &info) == 0) {
		position = vas_range_end(info.span);
		if (info.live && (info.mark & VAS_MARK_PLAIN))
			vas_block_mark(region, info.span.start, info.mark & ~VAS_MARK_PLAIN);
	}
	vas_region_unlock(region);
}

bool vas_cache_check(const struct vas_region *region)
{
	const struct vas_cache *cache = &region->cache;
	uint32_t number = cache->oldest, older = 0, count = 0, unused = 0;
	uint64_t bytes = 0, time = 0;

	for (; number && count <= cache->capacity; count++) {
		const struct vas_cache_node *node = node_get(cache, number);

		if (node->older != older || node->time < time ||
		    (node->below && node_get(cache, node->below)->above != number) ||
		    (node->below && node_get(cache, node->below)->span.size != node->span.size))
			return false;
		bytes += node->span.size;
		time = node->time;
		older = number;
		number = node->newer;
	}
	for (number = cache->unused; number && unused <= cache->capacity; unused++)
		number = node_get(cache, number)->below;
	return cache->newest == older && count == cache->count && bytes == cache->bytes &&
	       unused == cache->spares && unused + count <= cache->capacity &&
	       cache->aside <= cache->spares;
}
