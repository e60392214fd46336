/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For one test program: malloc and its kin are defined here, and end the
 * program while a call of the library is under way. To be included once.
 */
#ifndef TESTS_FAULT_NO_MALLOC_H
#define TESTS_FAULT_NO_MALLOC_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __thread int inside __attribute__((tls_model("initial-exec"))); /* in a call of the library */
static unsigned long served; /* by the allocator below */

/* A bump allocator: the real one could not be called from here without dlsym. */
#define ARENA_SIZE (16u << 20)
static unsigned char arena[ARENA_SIZE] __attribute__((aligned(64)));
static size_t arena_used;

static void forbid(const char *name)
{
	static const char text[] = " is called by the library\n";

	if (!inside)
		return;
	inside = 0;
	(void)!write(STDERR_FILENO, name, strlen(name));
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

static void *take(size_t alignment, size_t size)
{
	size_t header = alignment > 64 ? alignment : 64, at;

	served++;
	at = (__atomic_fetch_add(&arena_used, ((size + 63) & ~(size_t)63) + 2 * header,
				 __ATOMIC_RELAXED) + 2 * header - 1) & ~(header - 1);
	if (at + size > ARENA_SIZE)
		return NULL;
	memcpy(arena + at - sizeof(size), &size, sizeof(size));
	return arena + at;
}

void *malloc(size_t size)
{
	forbid("malloc");
	return take(64, size);
}

void free(void *memory)
{
	(void)memory;
	forbid("free");
}

void *calloc(size_t count, size_t size)
{
	void *memory;

	forbid("calloc");
	memory = take(64, count * size);
	return memory ? memset(memory, 0, count * size) : NULL;
}

void *realloc(void *memory, size_t size)
{
	size_t old = 0;
	void *bigger;

	forbid("realloc");
	bigger = take(64, size);
	if (memory)
		memcpy(&old, (unsigned char *)memory - sizeof(old), sizeof(old));
	if (memory && bigger)
		memcpy(bigger, memory, old < size ? old : size);
	return bigger;
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
	forbid("memalign");
	return take(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	forbid("aligned_alloc");
	return take(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	forbid("posix_memalign");
	*memory = take(alignment, size);
	return *memory ? 0 : ENOMEM;
}

void *valloc(size_t size)
{
	forbid("valloc");
	return take(4096, size);
}

void *pvalloc(size_t size);
void *pvalloc(size_t size)
{
	forbid("pvalloc");
	return take(4096, size);
}

/* The value of one call of the library, during which nothing may allocate. */
#define CALL(call)                                                                                 \
	({                                                                                         \
		inside = 1;                                                                        \
		__typeof__(call) value_ = (call);                                                  \
		inside = 0;                                                                        \
		value_;                                                                            \
	})
#define CALL_VOID(call)                                                                            \
	do {                                                                                       \
		inside = 1;                                                                        \
		(call);                                                                            \
		inside = 0;                                                                        \
	} while (0)

#endif
