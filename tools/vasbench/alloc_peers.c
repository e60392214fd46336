/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocators of others that do a like job. None is needed for building: those that are libraries
 * are preloaded into a process of their own, and looked up by name there.
 *
 * jemalloc serves from an arena whose extents come from a range without access, by its hooks,
 * with and without a thread's cache; mallocs serve from what they map. None of the memory is
 * written to but by the allocators themselves. What jemalloc hands out is rounded to its size
 * classes: it solves an easier task.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"

static int map_open(struct alloc_space *space)
{
	/* Neighbours merge, but each free may split. */
	return space->live > 25000 ? -EOPNOTSUPP : 0;
}

static int map_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	void *got = mmap(NULL, request->size, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	item->start = (uintptr_t)got;
	return got == MAP_FAILED;
}

static int map_give(void *state, const struct alloc_item *item)
{
	(void)state;
	return munmap((void *)(uintptr_t)item->start, (size_t)item->granules * ALLOC_GRANULE);
}

const struct alloc_kind alloc_mmap = {
	.name = "mmap and munmap",
	.open = map_open,
	.take = map_take,
	.give = map_give,
};

/* malloc and free, whoever's they are. */
struct heap {
	void *(*malloc)(size_t size);
	void (*free)(void *memory);
};

static int heap_open_by(struct alloc_space *space, const char *malloc_name, const char *free_name)
{
	struct heap *heap = calloc(1, sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	*(void **)&heap->malloc = dlsym(RTLD_DEFAULT, malloc_name);
	*(void **)&heap->free = dlsym(RTLD_DEFAULT, free_name);
	space->state = heap;
	return heap->malloc && heap->free ? 0 : -ENOPKG;
}

static int heap_open(struct alloc_space *space)
{
	return heap_open_by(space, "malloc", "free");
}

static int heap_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	const struct heap *heap = state;
	void *got = request->alignment > ALLOC_GRANULE ? NULL : heap->malloc(request->size);

	item->start = (uintptr_t)got;
	return !got;
}

static int heap_give(void *state, const struct alloc_item *item)
{
	const struct heap *heap = state;

	heap->free((void *)(uintptr_t)item->start);
	return 0;
}

const struct alloc_kind alloc_malloc = {
	.name = "malloc of libc",
	.open = heap_open,
	.take = heap_take,
	.give = heap_give,
};

static int mimalloc_open(struct alloc_space *space)
{
	return heap_open_by(space, "mi_malloc", "mi_free");
}

const struct alloc_kind alloc_mimalloc = {
	.name = "mimalloc",
	.open = mimalloc_open,
	.take = heap_take,
	.give = heap_give,
	.preload = "LD_PRELOAD=libmimalloc.so.2",
};

#ifdef VASBENCH_JEMALLOC

#include <jemalloc/jemalloc.h>

/* One arena over a range that nothing is mapped into. */
struct jemalloc {
	extent_hooks_t hooks; /* first: jemalloc hands it to the hooks */
	char *next; /* what is left of the range */
	char *end;
	int arena; /* flag for mallocx */
	int (*mallctl)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
	void *(*mallocx)(size_t size, int flags);
	void (*dallocx)(void *memory, int flags);
};

static void *hook_alloc(extent_hooks_t *hooks, void *address, size_t size, size_t alignment,
			bool *zero, bool *commit, unsigned int arena)
{
	struct jemalloc *jemalloc = (struct jemalloc *)hooks;
	char *start, *next = __atomic_load_n(&jemalloc->next, __ATOMIC_RELAXED);

	(void)arena;
	if (address)
		return NULL;
	do {
		start = (char *)(((uintptr_t)next + alignment - 1) & -alignment);
		if (size > (size_t)(jemalloc->end - start))
			return NULL;
	} while (!__atomic_compare_exchange_n(&jemalloc->next, &next, start + size, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	*zero = false;
	*commit = true; /* as far as it needs to know */
	return start;
}

/* Says that extents stay, and may be split and merged: true refuses. */
static bool hook_keep(extent_hooks_t *hooks, void *address, size_t size, bool committed,
		      unsigned int arena)
{
	(void)hooks, (void)address, (void)size, (void)committed, (void)arena;
	return true;
}

static bool hook_split(extent_hooks_t *hooks, void *address, size_t size, size_t size_a,
		       size_t size_b, bool committed, unsigned int arena)
{
	(void)hooks, (void)address, (void)size, (void)size_a, (void)size_b, (void)committed,
		(void)arena;
	return false;
}

static bool hook_merge(extent_hooks_t *hooks, void *address_a, size_t size_a, void *address_b,
		       size_t size_b, bool committed, unsigned int arena)
{
	(void)hooks, (void)address_a, (void)size_a, (void)address_b, (void)size_b, (void)committed,
		(void)arena;
	return false;
}

/* As jemalloc 5.3 declares it in its sources alone. */
struct arena_config {
	extent_hooks_t *extent_hooks;
	bool metadata_use_hooks;
};

static int jemalloc_open(struct alloc_space *space)
{
	struct jemalloc *jemalloc = calloc(1, sizeof(*jemalloc));
	struct arena_config config = { &jemalloc->hooks, false };
	unsigned int arena;
	size_t size = sizeof(arena);
	void *range = mmap(NULL, space->size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!jemalloc || range == MAP_FAILED)
		return -ENOMEM;
	jemalloc->hooks = (extent_hooks_t){
		.alloc = hook_alloc, .dalloc = hook_keep, .split = hook_split, .merge = hook_merge
	};
	jemalloc->next = range;
	jemalloc->end = jemalloc->next + space->size;
	*(void **)&jemalloc->mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	*(void **)&jemalloc->mallocx = dlsym(RTLD_DEFAULT, "mallocx");
	*(void **)&jemalloc->dallocx = dlsym(RTLD_DEFAULT, "dallocx");
	space->state = jemalloc;
	if (!jemalloc->mallctl || !jemalloc->mallocx || !jemalloc->dallocx)
		return -ENOPKG;
	if (jemalloc->mallctl("experimental.arenas_create_ext", &arena, &size, &config,
			      sizeof(config)))
		return -ENOPKG;
	jemalloc->arena = MALLOCX_ARENA(arena);
	return 0;
}

static int jemalloc_take_with(const struct jemalloc *jemalloc, const struct alloc_request *request,
			      int cache, struct alloc_item *item)
{
	int flags = jemalloc->arena | cache;
	void *got;

	if (request->alignment > ALLOC_GRANULE)
		flags |= MALLOCX_ALIGN(request->alignment);
	got = jemalloc->mallocx(request->size, flags);
	item->start = (uintptr_t)got;
	return !got;
}

static int jemalloc_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	return jemalloc_take_with(state, request, MALLOCX_TCACHE_NONE, item);
}

static int jemalloc_give(void *state, const struct alloc_item *item)
{
	const struct jemalloc *jemalloc = state;

	jemalloc->dallocx((void *)(uintptr_t)item->start, jemalloc->arena | MALLOCX_TCACHE_NONE);
	return 0;
}

/* Each thread's own cache, made when it first needs it. */
static int cache_of_thread(const struct jemalloc *jemalloc)
{
	static __thread int flag;
	unsigned int cache;
	size_t size = sizeof(cache);

	if (!flag)
		flag = jemalloc->mallctl("tcache.create", &cache, &size, NULL, 0)
			       ? MALLOCX_TCACHE_NONE
			       : MALLOCX_TCACHE(cache);
	return flag;
}

static int cached_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	return jemalloc_take_with(state, request, cache_of_thread(state), item);
}

static int cached_give(void *state, const struct alloc_item *item)
{
	const struct jemalloc *jemalloc = state;

	jemalloc->dallocx((void *)(uintptr_t)item->start,
			  jemalloc->arena | cache_of_thread(jemalloc));
	return 0;
}

#define JEMALLOC_SETTING                                                                           \
	"MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,"                                         \
	"tcache_max:8388608,tcache_gc_incr_bytes:1099511627776"

#else

static int jemalloc_open(struct alloc_space *space)
{
	(void)space;
	return -ENOPKG;
}

#define jemalloc_take	 NULL
#define jemalloc_give	 NULL
#define cached_take	 NULL
#define cached_give	 NULL
#define JEMALLOC_SETTING NULL

#endif

#ifdef VASBENCH_ASMJIT

int asmjit_open(void **state); /* alloc_asmjit.cc */
int asmjit_take(void *state, uint64_t size, uint64_t *start);
int asmjit_give(void *state, uint64_t start);

static int jit_open(struct alloc_space *space)
{
	return asmjit_open(&space->state);
}

static int jit_take(void *state, const struct alloc_request *request, struct alloc_item *item)
{
	return asmjit_take(state, request->size, &item->start);
}

static int jit_give(void *state, const struct alloc_item *item)
{
	return asmjit_give(state, item->start);
}

#else

static int jit_open(struct alloc_space *space)
{
	(void)space;
	return -ENOPKG;
}

#define jit_take NULL
#define jit_give NULL

#endif

const struct alloc_kind alloc_asmjit = {
	.name = "asmjit's JitAllocator, sizes / 64",
	.open = jit_open,
	.take = jit_take,
	.give = jit_give,
	.unchecked = true,
};

const struct alloc_kind alloc_jemalloc = {
	.name = "jemalloc's arena",
	.open = jemalloc_open,
	.take = jemalloc_take,
	.give = jemalloc_give,
	.preload = "LD_PRELOAD=libjemalloc.so.2",
	.setting = JEMALLOC_SETTING,
};

const struct alloc_kind alloc_jemalloc_cached = {
	.name = "jemalloc's arena, thread cache",
	.open = jemalloc_open,
	.take = cached_take,
	.give = cached_give,
	.preload = "LD_PRELOAD=libjemalloc.so.2",
	.setting = JEMALLOC_SETTING,
};
