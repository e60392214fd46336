/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an arena's bytes lie on.
 *
 * WHAT FOR. The ladder asks; what the kernel gave can be another thing, and differ from place to place.
 *
 * STRATEGY. The first view's page tables tell which pages are huge (PAGEMAP_SCAN). An object that has memory for all its bytes is
 * mapped first where it is not yet, which takes none. In one with holes the pages count that are mapped, or in the page cache and
 * were touched once: the kernel does not tell others from holes. A few pages at a time, until they differ.
 *
 * CONCURRENCY. None: no lock is held, and what is told may have changed already.
 *
 * WHAT IT DOES NOT DO. It brings nothing into memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "base/number.h"
#include "sys/definitions.h"

#define WINDOW 512u /* pages */
#define RUNS   32u
#define PMD    (UINT64_C(2) << 20) /* where the kernel tells no other size */

enum kind {
	KIND_NONE,
	KIND_BASE,
	KIND_HUGE
};

struct look {
	struct vas_arena *arena;
	struct vas_sys *sys;
	int pagemap; /* -1: not needed */
	bool whole; /* every byte has its memory */
	unsigned char kinds[WINDOW];
	unsigned char resident[WINDOW];
};

/* Bytes of the object before the arena's that have no memory: behind the header there may be a gap. */
static uint64_t hole_before(const struct vas_arena *arena)
{
	if (arena->kind != VAS_ARENA_MEMFD || arena->object.offset == 0)
		return 0;
	if (arena->companion.fd >= 0) /* a child's copy of a part of a file */
		return arena->object.offset;
	return arena->object.offset - arena->space->sys->page_size - arena->facts.front;
}

/* Whether the object has as much memory as it has bytes. */
static bool object_is_whole(struct vas_arena *arena)
{
	struct vas_sys_stat stat;

	if (!vas_arena_has_object(arena) || arena->object.disk)
		return false;
	return VAS_CALL(arena->space->sys, stat, arena->object.fd, 0, &stat) >= 0 &&
	       stat.held >= stat.size - hole_before(arena) +
				     __atomic_load_n(&arena->ahead, __ATOMIC_RELAXED);
}

static int look_begin(struct look *look)
{
	int64_t fd;

	look->pagemap = -1;
	look->whole = object_is_whole(look->arena);
	if (look->whole && look->arena->object.pool)
		return 0;
	fd = VAS_CALL(look->sys, open, "/proc/self/pagemap", O_RDONLY);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return (int)fd;
	look->pagemap = (int)fd;
	return fd < 0 ? -EOPNOTSUPP : 0;
}

static void look_end(struct look *look)
{
	if (look->pagemap >= 0)
		(void)VAS_CALL(look->sys, close, look->pagemap);
}

static void mark(struct look *look, struct vas_span window, const struct vas_sys_pages *run)
{
	uint64_t page = look->sys->page_size;
	unsigned char kind = run->categories & VAS_PAGE_HUGE ? KIND_HUGE : KIND_BASE;
	uint64_t first = (run->start - window.start) / page, end = (run->end - window.start) / page;

	memset(look->kinds + first, kind, end - first);
}

static int scan(struct look *look, struct vas_span window)
{
	struct vas_sys_pages runs[RUNS];
	struct vas_span rest = window;
	int64_t count = RUNS;

	while (count == RUNS && rest.size) {
		count = VAS_CALL(look->sys, scan, look->pagemap, rest, runs, RUNS);
		if (count < 0)
			return count == -ENOMEM ? -ENOMEM : -EOPNOTSUPP;
		for (int64_t i = 0; i < count; i++)
			mark(look, window, &runs[i]);
		if (count)
			rest.start = runs[count - 1].end;
		rest.size = window.start + window.size - rest.start;
	}
	return 0;
}

/* What is not mapped here, and there nevertheless. */
static void add_unmapped(struct look *look, struct vas_span window)
{
	uint64_t count = window.size / look->sys->page_size;
	bool cached = !look->whole && vas_arena_has_object(look->arena) &&
		      !look->arena->object.pool;

	if (cached && VAS_CALL(look->sys, resident, window.start, window.size, look->resident) < 0)
		cached = false;
	for (uint64_t i = 0; i < count; i++)
		if (look->kinds[i] == KIND_NONE &&
		    (look->whole || (cached && look->resident[i] & 1)))
			look->kinds[i] = KIND_BASE;
}

static int look_at(struct look *look, struct vas_span window)
{
	int err;

	memset(look->kinds, KIND_NONE, sizeof(look->kinds));
	if (look->pagemap < 0) {
		memset(look->kinds, KIND_HUGE, sizeof(look->kinds));
		return 0;
	}
	/* A view that cannot be read stays as it is. */
	if (look->whole)
		(void)VAS_CALL(look->sys, advise, window.start, window.size, MADV_POPULATE_READ);
	err = scan(look, window);
	if (!err)
		add_unmapped(look, window);
	return err;
}

/* From address on, which has the kind of the first page. */
static int look_along(struct look *look, uint64_t address, uint64_t end, enum kind *kind,
		      uint64_t *reached)
{
	uint64_t page = look->sys->page_size, size;
	bool first = true;

	for (; address < end; address += size) {
		int err;

		size = end - address < WINDOW * page ? end - address : WINDOW * page;
		err = look_at(look, (struct vas_span){ address, size });
		if (err)
			return err;
		if (first)
			*kind = (enum kind)look->kinds[0];
		first = false;
		for (uint64_t i = 0; i < size / page; i++) {
			if (look->kinds[i] == *kind)
				continue;
			*reached = address + i * page;
			return 0;
		}
	}
	*reached = end;
	return 0;
}

static uint64_t size_of(const struct vas_arena *arena, enum kind kind)
{
	if (kind == KIND_NONE)
		return 0;
	if (arena->object.pool)
		return arena->object.page_size;
	if (kind == KIND_BASE)
		return arena->space->sys->page_size;
	return arena->collapse ? arena->collapse : PMD;
}

static int32_t node_of(struct vas_sys *sys, uint64_t address)
{
	int32_t status = -1;
	int64_t err = VAS_CALL(sys, move_pages, &address, 1, NULL, &status, 0);

	return err < 0 || status < 0 ? -1 : status;
}

int vas_arena_extent(struct vas_arena *arena, uint64_t offset, struct vas_failure *failure,
		     struct vas_arena_extent *extent)
{
	uint64_t size = vas_arena_bytes(arena), start, reached = 0;
	struct look look = { .arena = arena, .sys = arena->space->sys };
	enum kind kind = KIND_NONE;
	int err;

	err = vas_arena_look(arena, failure);
	if (!err && offset >= size)
		err = vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -ENOENT);
	if (err)
		return err;
	err = look_begin(&look);
	if (err)
		return err;
	start = arena->user.holding->span.start;
	offset = vas_align_down(offset, look.sys->page_size);
	err = look_along(&look, start + offset, start + size, &kind, &reached);
	look_end(&look);
	if (err)
		return err;
	extent->offset = offset;
	extent->bytes = reached - start - offset;
	extent->page_size = size_of(arena, kind);
	extent->wanted = arena->collapse ? arena->collapse : arena->object.page_size;
	extent->node = kind == KIND_NONE ? -1 : node_of(look.sys, start + offset);
	return 0;
}
