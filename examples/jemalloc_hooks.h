/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc over a region: every extent of the arenas that use these hooks lies in
 * one region of vaspace. For jemalloc 5. Copy both files; change what you like.
 *
 *	struct jemalloc_region source;
 *	extent_hooks_t *hooks = &source.hooks;
 *	unsigned arena;
 *	size_t size = sizeof(arena);
 *
 *	jemalloc_region_init(&source, region, JEMALLOC_REGION_KEEP);
 *	mallctl("arenas.create", &arena, &size, &hooks, sizeof(hooks));
 *	memory = mallocx(100, MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
 */
#ifndef JEMALLOC_HOOKS_H
#define JEMALLOC_HOOKS_H

#include <jemalloc/jemalloc.h>
#include <vaspace/vaspace.h>

/* What becomes of an extent that jemalloc has no use for now. */
enum jemalloc_region_use {
	/* jemalloc keeps it, without its memory, as it does with mmap: few system calls and kernel mappings. */
	JEMALLOC_REGION_KEEP,
	/* It goes back to the region, where others can have it. */
	JEMALLOC_REGION_GIVE,
	/*
	 * Set this in the place of KEEP before an arena is destroyed: jemalloc offers the
	 * arena's own metadata once, and forgets it when it is not taken.
	 */
	JEMALLOC_REGION_END
};

struct jemalloc_region {
	extent_hooks_t hooks; /* first: the hooks are handed a pointer to it */
	struct vas_region *region;
	enum jemalloc_region_use use;
};

/* source must live as long as any arena that uses its hooks, and the region as long as source. */
void jemalloc_region_init(struct jemalloc_region *source, struct vas_region *region,
			  enum jemalloc_region_use use);

#endif
