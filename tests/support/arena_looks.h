/* SPDX-License-Identifier: BSD-2-Clause */
/* Arenas in tests on the real kernel: what they are and where, and books that are made before leaks are looked for. */
#ifndef TESTS_SUPPORT_ARENA_LOOKS_H
#define TESTS_SUPPORT_ARENA_LOOKS_H

#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

static inline struct vas_arena_info arena_look(struct vas_arena *arena)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	if (vas_arena_get(arena, &info))
		tap_bail("the arena tells nothing");
	return info;
}

static inline unsigned char *arena_start(struct vas_arena *arena)
{
	return vas_span_pointer(arena_look(arena).span);
}

/* What the library keeps is made by the first call. */
static inline void arena_baseline(void)
{
	struct vas_span span;

	if (vas_reserve((uint64_t)sysconf(_SC_PAGESIZE), NULL, &span) ||
	    vas_release(vas_span_pointer(span), NULL))
		tap_bail("no span");
	tap_baseline();
}

#endif
