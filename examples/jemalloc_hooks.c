/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's extent hooks over a region of vaspace.
 *
 * Extents begin as blocks of the region. jemalloc splits and merges them, far
 * more often than it gives one back. GIVE: blocks are split and merged likewise, so each
 * extent is a block and is freed by its address. KEEP: the region is not told, and the few
 * extents that go back, when an arena ends, are cut out of the blocks that they came to lie in.
 * A hook that returns true says no; jemalloc then goes on without.
 *
 * What is not in the region: what jemalloc keeps for itself in arena 0, such as its index
 * and each thread's cache of free blocks. An arena's own metadata is. Do not set the hooks
 * of arena 0: what it had before stays in use, and would be mixed with the region's.
 *
 * Purging is the caller's business with its own memory, so it is plain madvise.
 * Right for private anonymous memory, which is what these hooks commit.
 */
#include "jemalloc_hooks.h"

#include <sys/mman.h>

static struct jemalloc_region *source_of(extent_hooks_t *hooks)
{
	return (struct jemalloc_region *)hooks;
}

/*
 * new_address: there or not at all. *commit and *zero: wanted, and what it is.
 *
 * jemalloc grows by large extents and asks for parts of them to be committed as it
 * needs them. What it will keep is committed whole, as jemalloc's own hooks do with mmap:
 * parts would be kernel mappings of their own.
 */
static void *hook_alloc(extent_hooks_t *hooks, void *new_address, size_t size, size_t alignment,
			bool *zero, bool *commit, unsigned arena)
{
	struct jemalloc_region *source = source_of(hooks);
	bool whole = *commit || source->use == JEMALLOC_REGION_KEEP;
	struct vas_block block;

	(void)arena;
	VAS_OPTS(vas_alloc_opts, opts);
	opts.alignment = alignment;
	opts.address = new_address;
	opts.flags = (new_address ? VAS_ALLOC_EXACT : 0) | (whole ? VAS_ALLOC_COMMIT : 0) |
		     (*zero ? 0 : VAS_ALLOC_DIRTY);
	if (vas_region_alloc(source->region, size, &opts, &block) != 0)
		return NULL;
	*commit = (block.flags & VAS_BLOCK_COMMITTED) != 0;
	*zero = (block.flags & VAS_BLOCK_DIRTY) == 0;
	return block.start;
}

/* Lets a block begin at an address, if one covers it. */
static bool cut(struct vas_region *region, void *at)
{
	struct vas_block block;

	return vas_region_block_at(region, at, &block) != 0 || block.start == at ||
	       vas_region_split_block(region, block.start, at) == 0;
}

/* Frees an extent: a block, or several, or parts of those at its ends. All or nothing. */
static bool give(struct vas_region *region, char *address, size_t size)
{
	char *end = address + size;
	struct vas_block block;

	if (!cut(region, address) || !cut(region, end))
		return false;
	while (address < end && vas_region_block_at(region, address, &block) == 0 &&
	       vas_region_free(region, address, NULL) == 0)
		address += block.size;
	return address == end;
}

static bool hook_dalloc(extent_hooks_t *hooks, void *address, size_t size, bool committed,
			unsigned arena)
{
	struct jemalloc_region *source = source_of(hooks);

	(void)committed;
	(void)arena;
	return source->use == JEMALLOC_REGION_KEEP || !give(source->region, address, size);
}

/* The arena ends, and cannot keep anything. */
static void hook_destroy(extent_hooks_t *hooks, void *address, size_t size, bool committed,
			 unsigned arena)
{
	(void)committed;
	(void)arena;
	(void)give(source_of(hooks)->region, address, size);
}

static bool hook_commit(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			size_t length, unsigned arena)
{
	(void)size;
	(void)arena;
	return vas_region_commit(source_of(hooks)->region, (char *)address + offset, length,
				 NULL) != 0;
}

/* The pages are the kernel's again in any state that it comes to; commit works on all of them. */
static bool hook_decommit(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			  size_t length, unsigned arena)
{
	struct jemalloc_region *source = source_of(hooks);

	(void)size;
	(void)arena;
	return source->use == JEMALLOC_REGION_KEEP ||
	       vas_region_decommit(source->region, (char *)address + offset, length, NULL) != 0;
}

/* The kernel takes the pages when it needs some. */
static bool hook_purge_lazy(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			    size_t length, unsigned arena)
{
	(void)hooks;
	(void)size;
	(void)arena;
	return madvise((char *)address + offset, length, MADV_FREE) != 0;
}

/* At once, and reads as zeroes after it. */
static bool hook_purge_forced(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			      size_t length, unsigned arena)
{
	(void)hooks;
	(void)size;
	(void)arena;
	return madvise((char *)address + offset, length, MADV_DONTNEED) != 0;
}

static bool hook_split(extent_hooks_t *hooks, void *address, size_t size, size_t size_a,
		       size_t size_b, bool committed, unsigned arena)
{
	struct jemalloc_region *source = source_of(hooks);

	(void)size;
	(void)size_b;
	(void)committed;
	(void)arena;
	return source->use == JEMALLOC_REGION_GIVE &&
	       vas_region_split_block(source->region, address, (char *)address + size_a) != 0;
}

static bool hook_merge(extent_hooks_t *hooks, void *address_a, size_t size_a, void *address_b,
		       size_t size_b, bool committed, unsigned arena)
{
	struct jemalloc_region *source = source_of(hooks);

	(void)size_a;
	(void)size_b;
	(void)committed;
	(void)arena;
	return source->use == JEMALLOC_REGION_GIVE &&
	       vas_region_merge_blocks(source->region, address_a, address_b) != 0;
}

void jemalloc_region_init(struct jemalloc_region *source, struct vas_region *region,
			  enum jemalloc_region_use use)
{
	source->hooks = (extent_hooks_t){
		.alloc = hook_alloc,
		.dalloc = hook_dalloc,
		.destroy = hook_destroy,
		.commit = hook_commit,
		.decommit = hook_decommit,
		.purge_lazy = hook_purge_lazy,
		.purge_forced = hook_purge_forced,
		.split = hook_split,
		.merge = hook_merge,
	};
	source->region = region;
	source->use = use;
}
