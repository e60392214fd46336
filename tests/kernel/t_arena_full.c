/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/*
 * Arenas of a file on a file system that is too small, or that cannot give memory beforehand: an errno, no signal, and size, contents, every
 * view and the file system's free room as before.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/small_mount.h"
#include "tap/tap.h"

#define MIB (1ull << 20)

static uint64_t free_room(int fd)
{
	struct statfs system;

	return fstatfs(fd, &system) ? UINT64_MAX : system.f_bfree * (uint64_t)system.f_bsize;
}

static uint64_t size_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) ? UINT64_MAX : (uint64_t)status.st_size;
}

struct full {
	enum vas_arena_kind kind;
	enum vas_tail tail;
	const char *name;
};

static struct vas_arena *make(const struct full *full, int fd)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = full->kind;
	opts.tail = full->tail;
	opts.fd = fd;
	if (vas_arena_create(64 * MIB, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

static unsigned char *open_view(struct vas_arena *arena)
{
	struct vas_view_info info = { .size = sizeof(info) };
	struct vas_view *view = NULL;

	if (vas_view_open(arena, NULL, &view) || vas_view_get(view, &info))
		tap_bail("no view");
	return vas_span_pointer(info.span);
}

/* 16 MiB, grown to 32. */
static void test_full(void *argument)
{
	const struct full *full = argument;
	int fd = small_mount_file("tmpfs", "size=16m");
	unsigned char *start, *view;
	struct vas_arena *arena;
	uint64_t room, now = 1;

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	arena = make(full, fd);
	start = arena_start(arena);
	view = open_view(arena);
	is_err(vas_arena_grow(arena, 8 * MIB, 0, NULL), 0, "half of it");
	memset(start, 0x5a, 8 * MIB);
	room = free_room(fd);
	is_err(vas_arena_grow(arena, 32 * MIB, 0, &now), ENOSPC, "more than there is");
	is_str(arena_reason(), "file-system", "which is told");
	ok(now == 1 && vas_arena_size(arena) == 8 * MIB && size_of(fd) == 8 * MIB,
	   "the size is as before");
	ok(start[8 * MIB - 1] == 0x5a && !memcmp(start, view, 8 * MIB), "and what is in it");
	is_u64(free_room(fd), room, "and what is free");
	is_err(vas_arena_ahead(arena, 32 * MIB, 0, NULL), ENOSPC, "nor can it be had ahead");
	is_u64(free_room(fd), room, "and all is given back");
	is_err(vas_arena_grow(arena, 32 * MIB, 9 * MIB, &now), 0, "as much as there is");
	ok(now >= 12 * MIB && now <= 16 * MIB && view[now - 1] == 0, "it is (%llu KiB)",
	   (unsigned long long)(now >> 10));
	is_err(vas_arena_shrink(arena, 0), 0, "all of it goes");
	is_u64(free_room(fd), room + 8 * MIB, "and is free again");
	is_err(vas_sync_check(NULL), 0, "books and maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	close(fd);
}

/* Its files have memory when they are written, and not before. */
static void test_unable(void *unused)
{
	static const struct full full = { .kind = VAS_ARENA_FILE };
	struct vas_arena *arena;
	int fd;

	(void)unused;
	if (geteuid() != 0)
		tap_skip_all("not-root", "ramfs cannot be mounted");
	fd = small_mount_file("ramfs", NULL);
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	if (ftruncate(fd, (off_t)MIB))
		tap_bail("no file");
	arena = make(&full, fd);
	is_u64(vas_arena_size(arena), MIB, "what there is can be used");
	arena_start(arena)[MIB - 1] = 1;
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), EOPNOTSUPP, "not grown");
	is_str(arena_reason(), "object", "the file is the reason");
	is_err(vas_arena_fill(arena, 0, MIB), EOPNOTSUPP, "nor filled");
	is_err(vas_arena_punch(arena, 0, MIB), EOPNOTSUPP, "nor punched");
	is_err(vas_arena_ahead(arena, MIB, 0, NULL), EOPNOTSUPP, "nor ahead");
	ok(vas_arena_size(arena) == MIB && size_of(fd) == MIB && arena_start(arena)[MIB - 1] == 1,
	   "all is as it was");
	is_err(vas_arena_shrink(arena, MIB / 2), 0, "but shrunk");
	is_u64(size_of(fd), MIB / 2, "the file, too");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	close(fd);
}

int main(void)
{
	static struct full cases[] = {
		{ VAS_ARENA_FILE, VAS_TAIL_BARE, "a full file system: a file" },
		{ VAS_ARENA_ADOPTED, VAS_TAIL_BARE, "a full file system: a file of others" },
		{ VAS_ARENA_ADOPTED, VAS_TAIL_NONE,
		  "a full file system: a file of others, with a NONE tail" },
	};

	tap_plan(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tap_case(cases[i].name, test_full, &cases[i], 20);
	tap_case("a file system that cannot", test_unable, NULL, 20);
	return tap_done();
}
