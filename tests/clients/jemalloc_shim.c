/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload: malloc of the whole program is jemalloc, and all of its
 * extents come from one region. Every pointer that is handed out is checked to
 * lie in the region; the first that does not ends the program.
 *
 * Every thread is bound to one arena, which has the hooks. Arena 0 is left to jemalloc itself: what
 * it keeps there, such as its index and each thread's cache of free blocks, is
 * not in the region. SHIM_REPORT names a file for the figures at the end; with
 * SHIM_GIVE set, extents are given back to the region.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jemalloc_hooks.h"

#define REGION_SIZE (64ull << 30)

static struct jemalloc_region source;
static struct vas_span span;
static unsigned int arena;
static __thread bool bound __attribute__((tls_model("initial-exec")));
static atomic_int state; /* 0 nothing, 1 being set up, 2 ready */
static atomic_ulong served;
static char early[1 << 16]; /* for what is asked for while setting up */
static atomic_size_t early_used;

static _Noreturn void fail(const char *what)
{
	(void)!write(STDERR_FILENO, "shim: ", 6);
	(void)!write(STDERR_FILENO, what, strlen(what));
	(void)!write(STDERR_FILENO, "\n", 1);
	abort();
}

static void set_up(void)
{
	extent_hooks_t *hooks = &source.hooks;
	struct vas_region_stats stats = { .size = sizeof(stats) };
	const char *use = getenv("SHIM_GIVE");
	size_t length = sizeof(arena);
	struct vas_region *region;

	VAS_OPTS(vas_region_opts, opts);
	if (vas_region_create(REGION_SIZE, &opts, &region) || vas_region_stats(region, &stats))
		fail("no region");
	span = stats.span;
	jemalloc_region_init(&source, region, use ? JEMALLOC_REGION_GIVE : JEMALLOC_REGION_KEEP);
	if (mallctl("arenas.create", &arena, &length, &hooks, sizeof(hooks)))
		fail("no arena");
}

static void bind_thread(void)
{
	bound = true;
	if (mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena)))
		fail("a thread has no arena");
}

/* The first call is made by the loader or a constructor, before there are threads. */
static bool ready(void)
{
	int expected = 0;

	if (atomic_load_explicit(&state, memory_order_acquire) == 2)
		return true;
	if (!atomic_compare_exchange_strong(&state, &expected, 1))
		return expected == 2;
	set_up();
	atomic_store_explicit(&state, 2, memory_order_release);
	return true;
}

static bool is_early(const void *memory)
{
	return (uintptr_t)memory - (uintptr_t)early < sizeof(early);
}

static void *early_take(size_t size)
{
	size_t at = atomic_fetch_add(&early_used, (size + 63) & ~63ul);

	return at + size <= sizeof(early) ? early + at : NULL;
}

static void *checked(void *memory, size_t size)
{
	struct vas_owner found;

	if (!memory) {
		errno = ENOMEM;
		return NULL;
	}
	atomic_fetch_add_explicit(&served, 1, memory_order_relaxed);
	if (vas_owner_at(memory, &found) || found.span.start != span.start ||
	    (uintptr_t)memory + size > span.start + span.size)
		fail("memory outside the region");
	return memory;
}

/* alignment a power of two, or 0. */
static void *take(size_t size, size_t alignment, int flags)
{
	if (!ready())
		return early_take(size);
	if (!bound)
		bind_thread();
	if (alignment)
		flags |= MALLOCX_ALIGN(alignment);
	return checked(mallocx(size ? size : 1, flags), size);
}

void *malloc(size_t size)
{
	return take(size, 0, 0);
}

void free(void *memory)
{
	int kept = errno;

	if (memory && !is_early(memory))
		dallocx(memory, 0);
	errno = kept;
}

void *calloc(size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return take(total, 0, MALLOCX_ZERO);
}

void *realloc(void *memory, size_t size)
{
	void *moved;

	if (!memory)
		return malloc(size);
	if (!bound)
		bind_thread();
	if (!is_early(memory))
		return checked(rallocx(memory, size ? size : 1, 0), size);
	moved = malloc(size);
	if (moved) /* how long the old one was is not known; the buffer is long enough */
		memcpy(moved, memory, size < 4096 ? size : 4096);
	return moved;
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *got = take(size, alignment, 0);

	if (got)
		*memory = got;
	return got ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return take(size, alignment, 0);
}

void *memalign(size_t alignment, size_t size)
{
	return take(size, alignment, 0);
}

void *valloc(size_t size)
{
	return take(size, 4096, 0);
}

size_t malloc_usable_size(void *memory)
{
	return memory && !is_early(memory) ? sallocx(memory, 0) : 0;
}

/* Figures for the test: name and number, a line each. */
__attribute__((destructor)) static void report(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	const char *path = getenv("SHIM_REPORT");
	char text[512];
	int fd, length;

	if (!path || vas_region_stats(source.region, &stats))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	length = snprintf(text, sizeof(text),
			  "served %lu\nearly %zu\nused %llu\ncommitted %llu\nstart %llx\nend %llx\n",
			  atomic_load(&served), atomic_load(&early_used),
			  (unsigned long long)stats.used, (unsigned long long)stats.committed,
			  (unsigned long long)span.start, (unsigned long long)(span.start + span.size));
	if (fd < 0 || write(fd, text, (size_t)length) != length)
		fail("no report");
	close(fd);
}
