/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a forked child has of an arena, over the real kernel: each kind under each policy, a cell of the table in docs/fork.md. A child
 * tells what it can read, how large the arena is there, what growing answers, and whether the parent sees what it writes.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "tap/tap.h"

#define MIB   (1ull << 20)
#define KINDS (VAS_ARENA_ADOPTED + 1)

enum cell {
	REFUSED, /* there is no such arena */
	SAME, /* the same memory, which only the parent grows */
	COPY, /* memory of the child's own, with the same bytes */
	ZEROES, /* memory of the child's own */
	NOTHING /* no memory, and no arena */
};

static const char *const kind_names[KINDS] = { "memfd", "private", "file", "adopted" };

static const struct row {
	enum vas_fork policy;
	const char *name;
	enum cell object, private_memory;
} rows[] = {
	{ VAS_FORK_DEFAULT, "default", SAME, COPY },
	{ VAS_FORK_SHARE, "share", SAME, REFUSED },
	{ VAS_FORK_COPY, "copy", COPY, COPY },
	{ VAS_FORK_ABSENT, "absent", NOTHING, NOTHING },
	{ VAS_FORK_WIPE, "wipe", REFUSED, ZEROES },
	{ VAS_FORK_TRAP, "trap", NOTHING, NOTHING },
};

/* What a child tells. */
struct told {
	bool readable;
	unsigned char byte;
	uint64_t size;
	int grown; /* what growing answered */
};

static bool reads(const unsigned char *at, unsigned char *byte)
{
	struct iovec here = { byte, 1 }, there = { (void *)(uintptr_t)at, 1 };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static _Noreturn void in_child(struct vas_arena *arena, unsigned char *start, int answer)
{
	struct told told = { .size = vas_arena_size(arena) };

	told.readable = reads(start, &told.byte);
	told.grown = vas_arena_grow(arena, 2 * MIB, 0, NULL);
	if (told.readable)
		start[1] = 9;
	_exit(write(answer, &told, sizeof(told)) == sizeof(told) ? 0 : 1);
}

static struct told child_of(struct vas_arena *arena)
{
	unsigned char *start = arena_start(arena);
	struct told told = { .grown = 1 };
	int ends[2], status;
	pid_t child;

	if (pipe(ends) || (child = fork()) < 0)
		tap_bail("no child");
	if (child == 0)
		in_child(arena, start, ends[1]);
	close(ends[1]);
	if (read(ends[0], &told, sizeof(told)) != sizeof(told) ||
	    waitpid(child, &status, 0) != child || !WIFEXITED(status))
		tap_bail("the child tells nothing");
	close(ends[0]);
	return told;
}

static bool is_cell(enum cell cell, const struct told *told, const unsigned char *start)
{
	switch (cell) {
	case SAME:
		return told->readable && told->byte == 5 && told->size == MIB &&
		       told->grown == -EPERM && start[1] == 9;
	case COPY:
		return told->readable && told->byte == 5 && told->size == MIB &&
		       told->grown == 0 && start[1] == 0;
	case ZEROES:
		return told->readable && told->byte == 0 && told->size == MIB &&
		       told->grown == 0 && start[1] == 0;
	default:
		return !told->readable && told->size == 0 && told->grown == -ESTALE;
	}
}

static int make(enum vas_arena_kind kind, enum vas_fork policy, struct vas_arena **arena)
{
	int fd = -1, err;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_arena_opts, opts);
	reserve.fork = policy;
	opts.reserve = &reserve;
	opts.kind = kind;
	opts.initial = MIB;
	if (kind == VAS_ARENA_FILE || kind == VAS_ARENA_ADOPTED)
		opts.fd = fd = memfd_create("fork", MFD_CLOEXEC);
	err = vas_arena_create(16 * MIB, &opts, arena);
	if (fd >= 0)
		close(fd);
	return err;
}

static void check(enum vas_arena_kind kind, const struct row *row)
{
	enum cell cell = kind == VAS_ARENA_ANONYMOUS ? row->private_memory : row->object;
	struct vas_arena *arena = NULL;
	struct told told;
	unsigned char *start;
	int err = make(kind, row->policy, &arena);

	if (cell == REFUSED) {
		is_err(err, EOPNOTSUPP, "%s, %s: refused", kind_names[kind], row->name);
		return;
	}
	if (err)
		tap_bail("%s, %s: no arena: %d", kind_names[kind], row->name, err);
	start = arena_start(arena);
	start[0] = 5;
	told = child_of(arena);
	ok(is_cell(cell, &told, start), "%s, %s: readable %d, byte %d, %llu KiB, growing answers %d",
	   kind_names[kind], row->name, told.readable, told.byte,
	   (unsigned long long)(told.size >> 10), told.grown);
	ok(start[0] == 5 && vas_arena_grow(arena, 4 * MIB, 0, NULL) == 0,
	   "%s, %s: the parent goes on", kind_names[kind], row->name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s, %s: destroyed", kind_names[kind], row->name);
}

static void test_kind(void *context)
{
	enum vas_arena_kind kind;

	memcpy(&kind, context, sizeof(kind));
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(kind, &rows[i]);
}

int main(void)
{
	static enum vas_arena_kind kinds[KINDS];

	tap_plan(0);
	for (unsigned int i = 0; i < KINDS; i++) {
		kinds[i] = (enum vas_arena_kind)i;
		tap_case(kind_names[i], test_kind, &kinds[i], 30);
	}
	return tap_done();
}
