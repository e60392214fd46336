/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/*
 * Arenas of a caller's own object, over the real kernel: files on whatever /tmp lies on, and memfds. What is there before is kept and
 * shown, from an offset on, too; it grows with readers, and is there after the arena; limits leave all as it was; and what
 * others have made of a shared one is never cut off.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/huge_pool.h"
#include "sys/definitions.h"
#include "tap/tap.h"

#define MIB (1ull << 20)

static uint64_t page;

static int disk_file(void)
{
	char path[] = "/tmp/vaspace-file-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0 || unlink(path))
		tap_bail("no file: %m");
	return fd;
}

static int memory_object(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		tap_bail("no memfd: %m");
	return fd;
}

static int make_at(enum vas_arena_kind kind, int fd, uint64_t offset, uint64_t maximum,
		   struct vas_arena **arena)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.fd = fd;
	opts.offset = offset;
	return vas_arena_create(maximum, &opts, arena);
}

static struct vas_arena *make(enum vas_arena_kind kind, int fd, uint64_t offset, uint64_t maximum)
{
	struct vas_arena *arena = NULL;
	int err = make_at(kind, fd, offset, maximum, &arena);

	if (err)
		tap_bail("no arena: %d", err);
	return arena;
}

static uint64_t size_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) ? UINT64_MAX : (uint64_t)status.st_size;
}

static uint64_t held_by(int fd)
{
	struct stat status;

	return fstat(fd, &status) ? UINT64_MAX : (uint64_t)status.st_blocks * 512;
}

/* Not in memory. */
static bool on_disk(int fd)
{
	struct statfs system;

	return !fstatfs(fd, &system) && system.f_type != VAS_MAGIC_TMPFS;
}

static void put(int fd, const char *text, uint64_t at)
{
	if (pwrite(fd, text, strlen(text), (off_t)at) != (ssize_t)strlen(text))
		tap_bail("cannot write: %m");
}

/* Bytes that are there, a part of a page behind them, and a place to begin that is not 0. */
static void check_contents(int fd, const char *name)
{
	struct vas_arena_info info;
	struct vas_arena *arena;
	unsigned char *start;
	uint64_t held;

	put(fd, "before", 0);
	put(fd, "first", page);
	put(fd, "last", 4 * page - 4);
	put(fd, "tail", 4 * page);
	arena = make(VAS_ARENA_FILE, fd, page, 64 * MIB);
	close(fd);
	info = arena_look(arena);
	start = arena_start(arena);
	ok(info.bytes == 3 * page && info.kind == VAS_ARENA_FILE && info.rung == VAS_PAGES_BASE,
	   "%s: as many whole pages as there are", name);
	ok(!memcmp(start, "first", 5) && !memcmp(start + 3 * page - 4, "last", 4),
	   "%s: with what is in them", name);
	ok(fcntl(info.fd, F_GETFD) & FD_CLOEXEC, "%s: a descriptor of its own", name);
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "%s: grown", name);
	ok(!memcmp(start + 3 * page, "tail", 4) && start[3 * page + 4] == 0 &&
		   start[2 * MIB - 1] == 0,
	   "%s: over what the file had beyond, and zeroes", name);
	is_u64(size_of(info.fd), page + 2 * MIB, "%s: the file is as large", name);
	ok(held_by(info.fd) >= 2 * MIB, "%s: and has room for all of it", name);
	start[2 * MIB - 1] = 7;
	is_err(vas_arena_punch(arena, 0, page), 0, "%s: punched", name);
	ok(start[0] == 0 && start[2 * MIB - 1] == 7, "%s: only that", name);
	is_err(vas_arena_fill(arena, 0, 2 * MIB), 0, "%s: and filled", name);
	held = held_by(info.fd);
	is_err(vas_arena_ahead(arena, MIB, 0, NULL), 0, "%s: taken ahead", name);
	ok(held_by(info.fd) >= held + MIB && size_of(info.fd) == page + 2 * MIB,
	   "%s: beyond its end", name);
	is_err(vas_arena_trim(arena, NULL), 0, "%s: trimmed", name);
	/* A disk's own blocks aside. */
	ok(held_by(info.fd) <= held + 16 * page, "%s: it is given back", name);
	is_err(vas_arena_grow(arena, 2 * MIB + page, 0, NULL), 0, "%s: a page more", name);
	is_err(vas_arena_shrink(arena, MIB), 0, "%s: shrunk", name);
	is_u64(size_of(info.fd), page + MIB, "%s: the file, too", name);
	is_err(vas_sync_check(NULL), 0, "%s: books and maps agree", name);
}

static void test_contents(void *unused)
{
	int fds[] = { disk_file(), memory_object() };
	static const char *const names[] = { "disk", "memfd" };

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP | TAP_LEAK_FDS);
	for (int i = 0; i < 2; i++)
		check_contents(fds[i], names[i]);
}

/* The bytes are the file's, and the next arena's. */
static void test_again(void *unused)
{
	struct vas_arena *arena;
	int fd = disk_file();
	char text[6] = "";

	(void)unused;
	arena_baseline();
	arena = make(VAS_ARENA_FILE, fd, 0, 16 * MIB);
	is_u64(vas_arena_size(arena), 0, "an empty file");
	is_err(vas_arena_grow(arena, MIB, 0, NULL), 0, "grown");
	memcpy(arena_start(arena) + MIB - 5, "stays", 5);
	is_err(vas_arena_destroy(arena, NULL), 0, "the arena ends");
	is_u64(size_of(fd), MIB, "the file stays");
	ok(pread(fd, text, 5, MIB - 5) == 5 && !strcmp(text, "stays"), "with its bytes");
	arena = make(VAS_ARENA_FILE, fd, 0, 16 * MIB);
	is_u64(vas_arena_size(arena), MIB, "another arena has them");
	ok(!memcmp(arena_start(arena) + MIB - 5, "stays", 5), "all of them");
	is_err(vas_arena_destroy(arena, NULL), 0, "and ends");
	is_err(make_at(VAS_ARENA_FILE, fd, 0, MIB / 2, &arena), ERANGE, "none that is too small for it");
	is_str(arena_reason(), "window", "which is told");
	is_u64(size_of(fd), MIB, "and cuts nothing off");
	close(fd);
}

static struct {
	volatile unsigned char *start;
	struct vas_arena *arena;
	uint32_t stop; /* (atomic) */
	uint32_t wrong; /* (atomic) */
} readers;

/* Each page below the size begins with its number's low byte, but for those that are not written yet. */
static void *read_all(void *unused)
{
	while (!__atomic_load_n(&readers.stop, __ATOMIC_ACQUIRE)) {
		uint64_t pages = vas_arena_size(readers.arena) / page;

		for (uint64_t i = 0; i < pages; i++) {
			unsigned char byte = __atomic_load_n(&readers.start[i * page],
							     __ATOMIC_RELAXED);

			if (byte && byte != (unsigned char)(i | 1))
				__atomic_fetch_add(&readers.wrong, 1, __ATOMIC_RELAXED);
		}
	}
	return unused;
}

static void test_readers(void *unused)
{
	uint64_t pages = 16, most = tap_under_sanitizer() || tap_under_valgrind() ? 256 : 1024;
	pthread_t threads[2];
	int fd = disk_file();

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	readers.arena = make(VAS_ARENA_FILE, fd, 0, 64 * MIB);
	readers.start = arena_start(readers.arena);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, read_all, NULL))
			tap_bail("no thread");
	for (uint64_t done = 0; pages <= most; pages += 48) {
		if (vas_arena_grow(readers.arena, pages * page, 0, NULL))
			tap_bail("it does not grow");
		for (; done < pages; done++)
			__atomic_store_n(&readers.start[done * page], (unsigned char)(done | 1),
					 __ATOMIC_RELAXED);
	}
	__atomic_store_n(&readers.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	is_u64(readers.wrong, 0, "readers saw what was written, or zero");
	is_err(vas_arena_destroy(readers.arena, NULL), 0, "destroyed");
	close(fd);
}

static void refused(enum vas_arena_kind kind, int fd, int want, const char *what)
{
	struct vas_arena *arena = NULL;

	is_err(make_at(kind, fd, 0, MIB, &arena), want, "%s", what);
	is_str(arena_reason(), "object", "%s: the object is the reason", what);
	if (fd >= 0)
		close(fd);
}

static void test_refusals(void *unused)
{
	struct vas_arena *arena = NULL;
	int ends[2], fd = disk_file();
	char path[64];

	(void)unused;
	arena_baseline();
	if (pipe2(ends, O_CLOEXEC))
		tap_bail("no pipe");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	refused(VAS_ARENA_FILE, -1, EBADF, "no descriptor");
	refused(VAS_ARENA_FILE, ends[0], EINVAL, "a pipe");
	refused(VAS_ARENA_ADOPTED, ends[1], EINVAL, "its other end");
	refused(VAS_ARENA_FILE, open("/tmp", O_RDONLY | O_CLOEXEC), EINVAL, "a directory");
	refused(VAS_ARENA_FILE, open("/dev/zero", O_RDWR | O_CLOEXEC), EINVAL, "a device");
	if (on_disk(fd))
		refused(VAS_ARENA_ADOPTED, dup(fd), EINVAL, "a disk's, of others");
	refused(VAS_ARENA_FILE, open(path, O_RDONLY | O_CLOEXEC), EACCES, "only to be read");
	refused(VAS_ARENA_FILE, open(path, O_WRONLY | O_CLOEXEC), EACCES, "only to be written");
	is_err(make_at(VAS_ARENA_FILE, fd, page / 2, MIB, &arena), EINVAL, "an offset in a page");
	is_err(make_at(VAS_ARENA_FILE, fd, (uint64_t)INT64_MAX - page + 1, MIB, &arena), EINVAL,
	       "an offset at the end of all");
	is_err(make_at(VAS_ARENA_MEMFD, fd, page, MIB, &arena), EINVAL, "of a memfd none");
	ok(!arena && size_of(fd) == 0, "the file is untouched");
	close(fd);
}

/* RLIMIT_FSIZE, for which no signal comes; what others made larger stays so. */
static void check_limit(enum vas_arena_kind kind, int fd, const char *name)
{
	const struct rlimit limit = { 4 * MIB, RLIM_INFINITY },
			    none = { RLIM_INFINITY, RLIM_INFINITY };
	struct vas_arena *arena = make(kind, fd, page, 64 * MIB);
	unsigned char *start = arena_start(arena);
	uint64_t held, now = 1;

	is_err(vas_arena_grow(arena, MIB, 0, NULL), 0, "%s: grown", name);
	memset(start, 9, MIB);
	put(fd, "others", page + MIB + 100);
	held = held_by(fd);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		tap_bail("no limit");
	is_err(vas_arena_grow(arena, 8 * MIB, 0, &now), ENOSPC, "%s: beyond RLIMIT_FSIZE", name);
	is_str(arena_reason(), "file-limit", "%s: which is told", name);
	ok(now == 1 && vas_arena_size(arena) == MIB && start[MIB - 1] == 9,
	   "%s: the arena is as it was", name);
	ok(size_of(fd) == page + MIB + 106 && held_by(fd) == held, "%s: and the file", name);
	is_err(vas_arena_grow(arena, 8 * MIB, 2 * MIB, &now), 0, "%s: as far as may be", name);
	ok(now >= 2 * MIB && now <= 4 * MIB - page && start[now - 1] == 0, "%s: below it", name);
	ok(!memcmp(start + MIB + 100, "others", 6), "%s: what was there is shown", name);
	if (setrlimit(RLIMIT_FSIZE, &none))
		tap_bail("the limit stays");
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
	close(fd);
}

static void test_limit(void *unused)
{
	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	check_limit(VAS_ARENA_FILE, disk_file(), "a file");
	check_limit(VAS_ARENA_FILE, memory_object(), "a memfd");
	check_limit(VAS_ARENA_ADOPTED, memory_object(), "a memfd of others");
}

/* Two arenas of one object, each of which grows and shrinks it. */
static void test_adopted(void *unused)
{
	int fd = memory_object();
	struct vas_arena *one, *other;
	unsigned char *start;

	(void)unused;
	arena_baseline();
	one = make(VAS_ARENA_ADOPTED, fd, 0, 16 * MIB);
	is_err(vas_arena_grow(one, 2 * MIB, 0, NULL), 0, "grown");
	other = make(VAS_ARENA_ADOPTED, fd, MIB, MIB / 2);
	is_u64(vas_arena_size(other), MIB / 2, "a window in the middle");
	start = arena_start(one);
	arena_start(other)[5] = 5;
	is_u64(start[MIB + 5], 5, "of the same bytes");
	is_err(vas_arena_grow(one, 4 * MIB, 0, NULL), 0, "the one grows");
	is_err(vas_arena_shrink(other, page), 0, "the other shrinks");
	is_u64(size_of(fd), 4 * MIB, "and cuts nothing off that is not its own");
	is_u64(held_by(fd), 4 * MIB - (MIB / 2 - page), "but has a hole made");
	is_u64(start[MIB + 5], 5, "outside of which all is as it was");
	is_err(vas_arena_grow(other, MIB / 2, 0, NULL), 0, "it grows again");
	is_u64(held_by(fd), 4 * MIB, "over the hole");
	is_err(vas_arena_shrink(one, MIB), 0, "the one shrinks");
	is_u64(size_of(fd), MIB, "which ends there, since nobody made it larger");
	is_err(vas_arena_grow(other, MIB / 2, 0, NULL), 0, "the other does not know");
	is_err(vas_arena_destroy(other, NULL), 0, "destroyed");
	is_err(vas_arena_destroy(one, NULL), 0, "destroyed");
	close(fd);
}

/* What is taken ahead lies beyond the end only. */
static void test_adopted_ahead(void *unused)
{
	int fd = memory_object();
	struct vas_arena *arena;
	uint64_t given;

	(void)unused;
	arena_baseline();
	arena = make(VAS_ARENA_ADOPTED, fd, 0, 16 * MIB);
	is_err(vas_arena_grow(arena, MIB, 0, NULL), 0, "grown");
	put(fd, "others", MIB + 10);
	is_err(vas_arena_ahead(arena, MIB, 0, NULL), 0, "memory ahead");
	is_u64(held_by(fd), 2 * MIB, "is there");
	is_err(vas_arena_trim(arena, &given), 0, "and given back");
	is_u64(held_by(fd), MIB + page, "but for what others have made");
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "grown over that");
	ok(!memcmp(arena_start(arena) + MIB + 10, "others", 6), "it is shown");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	close(fd);
}

static struct {
	int fd;
	uint64_t most; /* the largest size that was seen */
	uint32_t stop; /* (atomic) */
} watch;

static void *watch_size(void *unused)
{
	while (!__atomic_load_n(&watch.stop, __ATOMIC_ACQUIRE)) {
		uint64_t size = size_of(watch.fd);

		watch.most = size > watch.most ? size : watch.most;
	}
	return unused;
}

/* Others never see a size that is taken back. It fails after several steps. */
static void test_unseen(void *unused)
{
	const struct rlimit limit = { 150 * MIB, RLIM_INFINITY };
	struct vas_arena *arena;
	pthread_t thread;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	watch.fd = memory_object();
	arena = make(VAS_ARENA_ADOPTED, watch.fd, 0, 256 * MIB);
	if (vas_arena_grow(arena, MIB, 0, NULL) || setrlimit(RLIMIT_FSIZE, &limit) ||
	    pthread_create(&thread, NULL, watch_size, NULL))
		tap_bail("no arena, limit or thread");
	is_err(vas_arena_grow(arena, 200 * MIB, 0, NULL), ENOSPC, "refused");
	__atomic_store_n(&watch.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	is_u64(watch.most, MIB, "the size stayed as it was all the while");
	is_u64(held_by(watch.fd), MIB, "and nothing is held");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	close(watch.fd);
}

static void test_pool(void *unused)
{
	struct vas_arena *arena = NULL;
	uint64_t have, now = 1;
	int fd;

	(void)unused;
	arena_baseline();
	if (!huge_pool_take(8))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	have = huge_pool_free();
	fd = memfd_create("file", MFD_CLOEXEC | MFD_HUGETLB);
	arena = make(VAS_ARENA_ADOPTED, fd, HUGE_PAGE, 1024 * HUGE_PAGE);
	is_u64(arena_look(arena).rung, HUGE_PAGE, "an object of huge pages");
	is_err(vas_arena_grow(arena, 3 * HUGE_PAGE, 0, NULL), 0, "grown");
	is_err(vas_arena_grow(arena, (have + 2) * HUGE_PAGE, 0, &now), ENOMEM, "too far");
	is_str(arena_reason(), "pool", "the pool is the reason");
	ok(huge_pool_free() == have - 3 && vas_arena_size(arena) == 3 * HUGE_PAGE &&
		   size_of(fd) == 4 * HUGE_PAGE,
	   "all is as it was");
	is_err(make_at(VAS_ARENA_ADOPTED, fd, page, HUGE_PAGE, &arena), EINVAL,
	       "an offset in a huge page");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	close(fd);
	is_u64(huge_pool_free(), have, "all are back in the pool");
	huge_pool_return();
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("what is there before", test_contents, NULL, 20);
	tap_case("after the arena", test_again, NULL, 20);
	tap_case("grown with readers", test_readers, NULL, 40);
	tap_case("what cannot be an arena", test_refusals, NULL, 20);
	tap_case("RLIMIT_FSIZE", test_limit, NULL, 20);
	tap_case("two arenas of one object", test_adopted, NULL, 20);
	tap_case("ahead of what others have", test_adopted_ahead, NULL, 20);
	tap_case("a refused growth is not seen", test_unseen, NULL, 20);
	tap_case("an object of huge pages", test_pool, NULL, 20);
	return tap_done();
}
