/* SPDX-License-Identifier: BSD-2-Clause */
/* Arenas in tests on the real kernel: what they are and where, and books that are made before leaks are looked for. */
#ifndef TESTS_SUPPORT_ARENA_LOOKS_H
#define TESTS_SUPPORT_ARENA_LOOKS_H

#include <sys/stat.h>
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

/* Bytes of memory behind the arena, as the kernel counts them: without the page of its header. */
static inline uint64_t arena_held(struct vas_arena *arena)
{
	struct vas_arena_info info = arena_look(arena);
	uint64_t header = info.header == info.fd ? (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	struct stat status;

	return fstat(info.fd, &status) ? UINT64_MAX : (uint64_t)status.st_blocks * 512 - header;
}

/* How large its object is, from the arena's first byte on. */
static inline uint64_t arena_length(struct vas_arena *arena)
{
	struct vas_arena_info info = arena_look(arena);
	struct stat status;

	return fstat(info.fd, &status) ? UINT64_MAX : (uint64_t)status.st_size - info.offset;
}

/* Of this thread's last refusal. */
static inline const char *arena_reason(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) ? "no report" : vas_why_name(report.why);
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
