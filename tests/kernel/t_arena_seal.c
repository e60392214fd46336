/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of an arena is forbidden for good, over the real kernel. Seals: what each refuses, with which reason, what it leaves, and
 * undo without what it forbids. What can be executed: never, views, or the file; the same under each setting of vm.memfd_noexec,
 * which is set in a process namespace of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

#define MIB	 (1ull << 20)
#define SETTING "/proc/sys/vm/memfd_noexec"

static int make(enum vas_exec exec, struct vas_arena **arena)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.exec = exec;
	opts.initial = MIB;
	return vas_arena_create(4 * MIB, &opts, arena);
}

static int open_view(struct vas_arena *arena, int prot, struct vas_view **view)
{
	VAS_OPTS(vas_view_opts, opts);
	opts.prot = prot;
	return vas_view_open(arena, &opts, view);
}

static int setting_now(void)
{
	char text = 0;
	int fd = open(SETTING, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &text, 1) != 1)
		text = 0;
	if (fd >= 0)
		close(fd);
	return text - '0';
}

/* Whether the descriptor is or can be made one of a program. */
static bool is_program(struct vas_arena *arena)
{
	struct stat status;
	int fd = arena_look(arena).fd;

	return fchmod(fd, 0700) == 0 && fstat(fd, &status) == 0 && (status.st_mode & 0111);
}

/* Kernels without the setting have no such seal either. */
static bool is_none(struct vas_arena *arena)
{
	return setting_now() < 0 || !is_program(arena);
}

/* A function that does nothing is written through one view and called in another. */
static bool runs(struct vas_arena *arena, struct vas_view *view)
{
#if defined(__x86_64__)
	static const unsigned char code[] = { 0xc3 };
#elif defined(__aarch64__)
	static const unsigned char code[] = { 0xc0, 0x03, 0x5f, 0xd6 };
#else
#error "what returns here?"
#endif
	struct vas_view_info info = { .size = sizeof(info) };
	void (*function)(void);
	char *start;

	if (vas_view_get(view, &info))
		return false;
	memcpy(arena_start(arena), code, sizeof(code));
	start = vas_span_pointer(info.span);
	__builtin___clear_cache(start, start + sizeof(code));
	memcpy(&function, &start, sizeof(function));
	function();
	return true;
}

static bool never_holds(void)
{
	struct vas_arena *arena = NULL;
	struct vas_view *view = NULL;

	return make(VAS_EXEC_NEVER, &arena) == 0 && is_none(arena) &&
	       open_view(arena, PROT_READ | PROT_EXEC, &view) == -EPERM &&
	       !strcmp(arena_reason(), "sealed") &&
	       vas_view_protect(vas_view_first(arena), PROT_READ | PROT_EXEC) == -EPERM &&
	       vas_view_protect(vas_view_first(arena), PROT_READ) == 0 &&
	       vas_arena_destroy(arena, NULL) == 0;
}

static bool views_hold(void)
{
	struct vas_arena *arena = NULL;
	struct vas_view *view = NULL;

	return make(VAS_EXEC_VIEWS, &arena) == 0 && is_none(arena) &&
	       open_view(arena, PROT_READ | PROT_EXEC, &view) == 0 && runs(arena, view) &&
	       vas_arena_destroy(arena, NULL) == 0;
}

static bool file_holds(int setting)
{
	struct vas_arena *arena = NULL;

	if (setting == 2)
		return make(VAS_EXEC_FILE, &arena) == -EACCES && !strcmp(arena_reason(), "denied") &&
		       !arena;
	return make(VAS_EXEC_FILE, &arena) == 0 && is_program(arena) &&
	       vas_view_protect(vas_view_first(arena), PROT_READ | PROT_EXEC) == 0 &&
	       vas_arena_destroy(arena, NULL) == 0;
}

/* Bits of what holds. */
static unsigned char held_under(int setting)
{
	return (unsigned char)((never_holds() ? 1 : 0) | (views_hold() ? 2 : 0) |
			       (file_holds(setting) ? 4 : 0));
}

static bool set(int setting)
{
	char text = (char)('0' + setting);
	int fd = open(SETTING, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, &text, 1) == 1;

	if (fd >= 0)
		close(fd);
	return done && setting_now() == setting;
}

/* The first process of the namespace: what holds under each setting that can be, 8: that cannot. */
static _Noreturn void in_namespace(int from, int answer)
{
	unsigned char held;

	for (int setting = from; setting <= 2; setting++) {
		held = set(setting) ? held_under(setting) : 8;
		if (write(answer, &held, 1) != 1)
			break;
	}
	_exit(0);
}

/* With a namespace of its own for children, or only whether that can be. */
static void outside(int before, int end, bool only_try)
{
	pid_t child;
	int status;

	if (unshare(CLONE_NEWPID))
		_exit(1);
	child = only_try ? 0 : fork();
	if (child == 0 && !only_try)
		in_namespace(before, end);
	if (!only_try && (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)))
		_exit(2);
	_exit(0);
}

/* Not in this process, which leak checkers look at with threads of their own. */
static pid_t start_outside(int before, int end, bool only_try)
{
	pid_t child = fork();

	if (child == 0)
		outside(before, end, only_try);
	return child;
}

static bool ended_well(pid_t child)
{
	int status;

	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static void test_settings(void *unused)
{
	int before = setting_now(), ends[2];
	unsigned char held;
	pid_t child;

	(void)unused;
	if (before < 0 || geteuid() != 0 || !ended_well(start_outside(before, -1, true)) ||
	    pipe2(ends, O_CLOEXEC))
		tap_skip_all("no-memfd-noexec", "there is no such setting, or no own one");
	child = start_outside(before, ends[1], false);
	close(ends[1]);
	for (int setting = before; setting <= 2; setting++) {
		if (read(ends[0], &held, 1) != 1)
			held = 0;
		is_u64(held, 7, "memfd_noexec %d: never, views and file hold", setting);
	}
	ok(ended_well(child), "the namespace has ended");
	close(ends[0]);
	is_i64(setting_now(), before, "the system's setting is as before");
}

/* Under the setting that the system has. */
static void test_exec(void *unused)
{
	(void)unused;
	arena_baseline();
	ok(never_holds(), "NEVER: no view, and no program");
	ok(views_hold(), "VIEWS: code in a view runs");
	ok(file_holds(setting_now()), "FILE: the descriptor is a program's, unless the system forbids");
}

static uint64_t page;

static struct vas_arena *arena_of(enum vas_arena_kind kind, int fd, uint64_t initial)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.fd = fd;
	opts.initial = initial;
	if (vas_arena_create(256 * MIB, &opts, &arena))
		tap_bail("no arena");
	if (fd >= 0)
		close(fd);
	return arena;
}

static void is_sealed(int err, const char *what)
{
	is_err(err, EPERM, "%s", what);
	is_str(arena_reason(), "sealed", "%s: a seal is the reason", what);
}

static void limit_files(uint64_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	if (setrlimit(RLIMIT_FSIZE, &limit))
		tap_bail("no limit");
}

static void test_sizes(void *unused)
{
	struct vas_arena *arena = arena_of(VAS_ARENA_MEMFD, -1, 2 * MIB);

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	is_err(vas_arena_ahead(arena, MIB, 0, NULL), 0, "a MiB ahead");
	is_err(vas_arena_seal(arena, VAS_SEAL_GROW), 0, "GROW");
	is_sealed(vas_arena_grow(arena, 3 * MIB, 0, NULL), "grown over what is ahead");
	is_sealed(vas_arena_ahead(arena, 2 * MIB, 0, NULL), "more ahead");
	is_err(vas_arena_trim(arena, NULL), 0, "but trimmed");
	is_err(vas_arena_punch(arena, 0, page), 0, "and punched");
	is_err(vas_arena_fill(arena, 0, page), 0, "and filled");
	is_err(vas_arena_shrink(arena, MIB), 0, "and shrunk");
	is_sealed(vas_arena_grow(arena, MIB + page, 0, NULL), "grown again");
	is_u64(arena_length(arena), MIB, "the object is as it was");
	is_err(vas_arena_seal(arena, VAS_SEAL_SHRINK | VAS_SEAL_SEAL), 0, "SHRINK and SEAL");
	is_sealed(vas_arena_shrink(arena, 0), "shrunk again");
	is_sealed(vas_arena_seal(arena, VAS_SEAL_FUTURE_WRITE), "one seal more");
	arena_start(arena)[MIB - 1] = 1;
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* What a refused growth had got cannot be cut off. */
static void test_kept(void *unused)
{
	struct vas_arena *arena = arena_of(VAS_ARENA_MEMFD, -1, MIB);

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	is_err(vas_arena_seal(arena, VAS_SEAL_SHRINK), 0, "SHRINK");
	limit_files(100 * MIB);
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "grown");
	/* More than is had in one step. */
	is_err(vas_arena_grow(arena, 200 * MIB, 0, NULL), ENOSPC, "too far");
	ok(arena_length(arena) == 2 * MIB && arena_held(arena) == 2 * MIB,
	   "the object is as it was");
	limit_files(RLIM_INFINITY);
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void check_written(struct vas_arena *arena, const char *name)
{
	struct vas_view *view = NULL;

	is_err(vas_arena_seal(arena, VAS_SEAL_FUTURE_WRITE), 0, "%s: FUTURE_WRITE", name);
	arena_start(arena)[5] = 5;
	is_sealed(open_view(arena, 0, &view), "a view to be written");
	is_err(open_view(arena, PROT_READ, &view), 0, "%s: one to be read", name);
	is_err(vas_view_protect(view, PROT_READ | PROT_WRITE), EACCES, "%s: stays so", name);
	is_sealed(vas_arena_punch(arena, 0, page), "punched");
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "%s: grown", name);
	is_err(vas_arena_ahead(arena, 2 * MIB, 0, NULL), 0, "%s: taken ahead", name);
	is_u64(arena_held(arena), 4 * MIB, "%s: it is", name);
	if (arena_look(arena).kind == VAS_ARENA_ADOPTED) {
		is_sealed(vas_arena_trim(arena, NULL), "trimmed");
		is_u64(arena_look(arena).ahead, 2 * MIB, "%s: it stays ahead", name);
	} else {
		is_err(vas_arena_trim(arena, NULL), 0, "%s: trimmed", name);
		is_u64(arena_held(arena), 2 * MIB, "%s: it has gone", name);
	}
	is_err(vas_arena_shrink(arena, MIB), 0, "%s: shrunk", name);
	ok(arena_start(arena)[5] == 5 && arena_held(arena) == MIB,
	   "%s: all but that is there", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static void test_written(void *unused)
{
	int given = memfd_create("given", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	check_written(arena_of(VAS_ARENA_MEMFD, -1, MIB), "a memfd");
	check_written(arena_of(VAS_ARENA_ADOPTED, given, MIB), "one of others");
}

/* Whether the kernel would write there for us. */
static bool can_be_written(const unsigned char *at)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)at, 1 };

	return process_vm_writev(getpid(), &here, 1, &there, 1, 0) == 1;
}

static bool can_be_read(const unsigned char *at)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)at, 1 };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static struct vas_arena *arena_apart(enum vas_tail tail, const uint64_t *ladder)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.flags = VAS_ARENA_COMPANION;
	opts.tail = tail;
	opts.ladder = ladder;
	opts.ladder_count = ladder ? 1 : 0;
	opts.initial = 4 * MIB;
	return vas_arena_create(16 * MIB, &opts, &arena) ? NULL : arena;
}

static void check_final(enum vas_tail tail, const uint64_t *ladder, const char *name)
{
	struct vas_view_info info = { .size = sizeof(info) };
	struct vas_arena *arena = arena_apart(tail, ladder);
	struct vas_view *view = NULL;
	unsigned char *start, *other;

	if (!arena)
		tap_bail("no arena");
	start = arena_start(arena);
	memset(start, 6, 4 * MIB);
	is_err(vas_arena_seal(arena, VAS_SEAL_WRITE), EBUSY, "%s: it can be written", name);
	if (open_view(arena, PROT_READ, &view) || vas_view_get(view, &info) ||
	    vas_view_protect(vas_view_first(arena), PROT_READ))
		tap_bail("no views to read");
	other = vas_span_pointer(info.span);
	is_err(vas_arena_seal(arena, VAS_SEAL_WRITE | VAS_SEAL_GROW), 0, "%s: WRITE", name);
	ok(!memcmp(start, other, 4 * MIB) && start[4 * MIB - 1] == 6, "%s: the bytes are there",
	   name);
	ok(!can_be_written(start) && !can_be_written(other), "%s: and are not written", name);
	ok(!can_be_read(start + 4 * MIB) && !can_be_read(other + 8 * MIB),
	   "%s: nor is there anything beyond", name);
	is_err(vas_view_protect(view, PROT_READ | PROT_WRITE), EACCES, "%s: which stays so", name);
	is_sealed(vas_arena_punch(arena, 0, 2 * MIB), "punched");
	is_sealed(vas_arena_grow(arena, 8 * MIB, 0, NULL), "grown");
	is_err(vas_sync_check(NULL), 0, "%s: books and maps agree", name);
	is_err(vas_arena_shrink(arena, 2 * MIB), 0, "%s: but shrunk", name);
	ok(start[2 * MIB - 1] == 6 && !can_be_read(start + 2 * MIB), "%s: to what is left", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static void test_final(void *unused)
{
	struct vas_arena *arena = arena_of(VAS_ARENA_MEMFD, -1, MIB);

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	is_err(vas_view_protect(vas_view_first(arena), PROT_READ), 0, "only read");
	is_err(vas_arena_seal(arena, VAS_SEAL_WRITE), EOPNOTSUPP, "but for its header");
	is_str(arena_reason(), "header", "which is told");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	check_final(VAS_TAIL_BARE, NULL, "BARE");
	check_final(VAS_TAIL_NONE, NULL, "NONE");
	arena = arena_apart(VAS_TAIL_GUARD, NULL);
	if (arena && vas_arena_destroy(arena, NULL) == 0)
		check_final(VAS_TAIL_GUARD, NULL, "GUARD");
}

static void test_final_pool(void *unused)
{
	static const uint64_t rung = HUGE_PAGE;
	uint64_t have;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	if (!huge_pool_take(4))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	have = huge_pool_free();
	check_final(VAS_TAIL_BARE, &rung, "huge pages");
	is_u64(huge_pool_free(), have, "all are back in the pool");
	huge_pool_return();
}

/* Somebody else can write: all goes on as before, but what was only read stays so. */
static void test_final_refused(void *unused)
{
	struct vas_arena *arena = arena_apart(VAS_TAIL_BARE, NULL);
	struct vas_view *first = vas_view_first(arena);
	unsigned char *start = arena_start(arena), *others;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	others = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, arena_look(arena).fd, 0);
	if (others == MAP_FAILED || vas_view_protect(first, PROT_READ))
		tap_bail("no mapping");
	is_err(vas_arena_seal(arena, VAS_SEAL_WRITE), EBUSY, "another mapping can be written");
	is_str(arena_reason(), "object", "which is told");
	others[5] = 5;
	is_u64(start[5], 5, "the bytes are the same");
	is_err(vas_view_protect(first, PROT_READ | PROT_WRITE), 0, "the view can be written again");
	start[6] = 6;
	is_u64(others[6], 6, "and is");
	munmap(others, MIB);
	is_err(vas_view_protect(first, PROT_READ), 0, "only read");
	is_err(vas_arena_seal(arena, VAS_SEAL_WRITE), 0, "now it is sealed");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* Files take none. */
static void test_files(void *unused)
{
	char path[] = "/dev/shm/vaspace-seal-XXXXXX";
	struct vas_arena *arena;
	int fd = mkostemp(path, O_CLOEXEC);

	(void)unused;
	if (fd < 0 || unlink(path))
		tap_bail("no file in /dev/shm: %m");
	arena_baseline();
	arena = arena_of(VAS_ARENA_FILE, fd, MIB);
	is_sealed(vas_arena_seal(arena, VAS_SEAL_GROW), "a file of a tmpfs");
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "which grows");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	arena = arena_of(VAS_ARENA_FILE, memfd_create("given", MFD_CLOEXEC), MIB);
	is_sealed(vas_arena_seal(arena, VAS_SEAL_SHRINK), "a memfd that was made without");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("growing and shrinking", test_sizes, NULL, 20);
	tap_case("a refused growth of what cannot shrink", test_kept, NULL, 20);
	tap_case("future writing", test_written, NULL, 20);
	tap_case("all writing", test_final, NULL, 20);
	tap_case("all writing, huge pages", test_final_pool, NULL, 30);
	tap_case("all writing, with others", test_final_refused, NULL, 20);
	tap_case("files", test_files, NULL, 20);
	tap_case("what can be executed", test_exec, NULL, 20);
	tap_case("under each setting", test_settings, NULL, 20);
	return tap_done();
}
