/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 5 */
/*
 * Mirrors of memory that the library did not make, over the real kernel: what the kernel does with each kind of memory, raw, and what the
 * library makes of it; refusals that say what would work; forked children.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/huge_pool.h"
#include "support/view_looks.h"
#include "sys/definitions.h"
#include "sys/sys.h"

#define PAGES	  16u
#define NO_FD	  (-1)
#define ANONYMOUS (MAP_SHARED | MAP_ANONYMOUS)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static uint64_t page, size;

static unsigned char *map(uint64_t bytes, int prot, int flags, int fd, uint64_t offset)
{
	void *got = mmap(NULL, bytes, prot, flags, fd, (off_t)offset);

	if (got == MAP_FAILED)
		tap_bail("nothing can be mapped: %d", errno);
	return got;
}

static void unmap(void *start, uint64_t bytes)
{
	if (munmap(start, bytes))
		tap_bail("it stays mapped");
}

static int make_memfd(uint64_t bytes, unsigned int flags)
{
	int fd = memfd_create("mirrored", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		tap_bail("no memfd");
	return fd;
}

static enum vas_why why(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) ? VAS_WHY_COUNT : report.why;
}

/* Whether two places are the same bytes. Another address: the compiler must not know better. */
static bool meet(unsigned char *a, unsigned char *b)
{
	unsigned char was = a[0];
	bool same;

	a[0] = 0x5a;
	__asm__ volatile("" ::: "memory");
	same = b[0] == 0x5a;
	b[0] = 0xa5;
	__asm__ volatile("" ::: "memory");
	same &= a[0] == 0xa5;
	a[0] = was;
	__asm__ volatile("" ::: "memory");
	return same;
}

/* --- shared memory of base pages --- */

/* Mirrors writable memory as a whole; the first mapping goes before the mirror does. */
static void check_kind(const char *name, unsigned char *memory, uint64_t bytes)
{
	enum vas_mirror_way way = VAS_MIRROR_NONE;
	struct vas_view *view = NULL;
	uint64_t counted = committed();
	unsigned char *mirror;
	void *raw;

	memory[0] = 1;
	memory[bytes - 1] = 2;
	raw = mremap(memory, 0, bytes, MREMAP_MAYMOVE);
	ok(raw != MAP_FAILED && meet(memory, raw), "%s: the kernel makes a second mapping", name);
	if (raw != MAP_FAILED)
		unmap(raw, bytes);
	is_err(vas_mirror_open(memory, bytes, NULL, &way, &view), 0, "%s: mirrored", name);
	if (!view)
		return;
	mirror = view_start(view);
	ok(way == VAS_MIRROR_DUPLICATE && view_look(view).way == way, "%s: by a duplicate", name);
	ok(mirror != memory && mirror[0] == 1 && mirror[bytes - 1] == 2, "%s: the same bytes", name);
	ok(meet(memory, mirror) && meet(memory + bytes - 1, mirror + bytes - 1),
	   "%s: in both directions", name);
	is_u64(view_look(view).bytes, bytes, "%s: all of it", name);
	ok(view_look(view).arena == NULL && view_look(view).prot == (PROT_READ | PROT_WRITE),
	   "%s: no arena's, with the protection that it has", name);
	is_u64(committed(), counted, "%s: counts nothing as committed", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	unmap(memory, bytes);
	ok(mirror[0] == 1 && mirror[bytes - 1] == 2, "%s: stays when the first mapping goes", name);
	is_err(vas_view_close(view, NULL), 0, "%s: closed", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree again", name);
}

static void test_anonymous(void *unused)
{
	(void)unused;
	arena_baseline();
	check_kind("anonymous", map(size, PROT_READ | PROT_WRITE, ANONYMOUS, NO_FD, 0), size);
}

static void test_memfd(void *unused)
{
	int fd = make_memfd(size, 0);

	(void)unused;
	arena_baseline();
	check_kind("memfd", map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size);
	/* The kernel may make one mapping of two that lie side by side. */
	check_kind("the second half", map(size / 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, size / 2),
		   size / 2);
	close(fd);
}

static void test_file(void *unused)
{
	char path[] = "t_mirror.XXXXXX";
	int fd = mkstemp(path);

	(void)unused;
	if (fd < 0 || unlink(path) || ftruncate(fd, (off_t)size))
		tap_bail("no file");
	arena_baseline();
	check_kind("a file", map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size);
	close(fd);
}

static void test_sysv(void *unused)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	struct shmid_ds status;
	unsigned char *memory;
	void *got;

	(void)unused;
	if (id < 0)
		tap_skip_all("no-sysv", "no System V shared memory");
	got = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	if ((intptr_t)got == -1)
		tap_skip_all("no-sysv", "no System V shared memory");
	memory = got;
	arena_baseline();
	check_kind("System V", memory, size);
	is_err(shmctl(id, IPC_STAT, &status) < 0 ? -errno : 0, EINVAL, "the segment is gone with the last");
}

static void test_secret(void *unused)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	(void)unused;
	if (fd < 0 || ftruncate(fd, (off_t)size))
		tap_skip_all("no-secret-memory", "no secret memory");
	arena_baseline();
	check_kind("secret memory", map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size);
	close(fd);
}

/* --- parts, protections, ends --- */

static void test_part(void *unused)
{
	int fd = make_memfd(size, 0);
	unsigned char *memory, *mirror;
	struct vas_view *view = NULL;

	(void)unused;
	arena_baseline();
	memory = map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(memory, 1, size);
	memset(memory + 3 * page, 3, page);
	/* Three mappings of the kernel's. */
	if (mprotect(memory + 4 * page, page, PROT_READ))
		tap_bail("no mprotect");
	is_err(vas_mirror_open(memory + 3 * page, 4 * page, NULL, NULL, &view), 0,
	       "a part, with several protections");
	mirror = view_start(view);
	ok(mirror[0] == 3 && mirror[page] == 1, "its own bytes");
	ok(touch(mirror + page, true) == 0 && touch(memory + 4 * page, true) == SIGSEGV,
	   "has the protection of its first page");
	is_err(vas_view_protect(view, PROT_READ), 0, "another");
	ok(touch(mirror, true) == SIGSEGV && touch(memory + 3 * page, true) == 0,
	   "leaves the memory alone");
	is_u64((uint64_t)view_look(view).prot, PROT_READ, "and is told");
	is_err(vas_commit(mirror, page, NULL), EBUSY, "nobody commits there");
	is_err(vas_release(mirror, NULL), EBUSY, "nor releases");
	if (ftruncate(fd, (off_t)(4 * page)))
		tap_bail("no ftruncate");
	ok(touch(mirror, false) == 0 && touch(mirror + page, false) == SIGBUS,
	   "beyond the object is a signal");
	if (ftruncate(fd, (off_t)size))
		tap_bail("no ftruncate");
	ok(touch(mirror + page, false) == 0, "which goes when the object grows");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_view_close(view, NULL), 0, "closed");
	unmap(memory, size);
	close(fd);
}

static void test_place(void *unused)
{
	unsigned char *memory = map(size, PROT_READ, ANONYMOUS, NO_FD, 0);
	struct vas_span place;
	struct vas_view *view = NULL;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_view_opts, opts);
	(void)unused;
	arena_baseline();
	if (vas_reserve(size, NULL, &place) || vas_release(vas_span_pointer(place), NULL))
		tap_bail("no place");
	reserve.place = VAS_PLACE_EXACT;
	reserve.address = place.start;
	opts.reserve = &reserve;
	opts.prot = PROT_READ | PROT_WRITE;
	is_err(vas_mirror_open(memory, size, &opts, NULL, &view), 0,
	       "at a chosen address, with another protection");
	is_u64(view_look(view).span.start, place.start, "there it is");
	view_start(view)[0] = 9;
	ok(memory[0] == 9, "written there, read here");
	is_err(vas_mirror_open(memory, size, &opts, NULL, &view), EEXIST, "a second time");
	is_err(vas_view_close(view, NULL), 0, "closed");
	unmap(memory, size);
}

/* A view that was writable before stays so in its mirrors, when no new one may be. */
static void test_sealed(void *unused)
{
	int fd = make_memfd(size, 0);
	unsigned char *memory = map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct vas_view *view = NULL;

	(void)unused;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		tap_bail("no seal");
	arena_baseline();
	ok(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED,
	   "no new mapping may be written");
	is_err(vas_mirror_open(memory, size, NULL, NULL, &view), 0, "a mirror of an old one");
	ok(meet(memory, view_start(view)), "may");
	is_err(vas_view_close(view, NULL), 0, "closed");
	unmap(memory, size);
	close(fd);
}

/* The library's own memory that is no arena's: a part of a span that shows an object. */
static void test_committed(void *unused)
{
	int fd = make_memfd(size, 0);
	struct vas_view *view = NULL;
	struct vas_span span;

	VAS_OPTS(vas_commit_opts, opts);
	(void)unused;
	arena_baseline();
	opts.flags = VAS_COMMIT_SHARED;
	opts.fd = fd;
	if (vas_reserve(size, NULL, &span) || vas_commit(vas_span_pointer(span), size, &opts))
		tap_bail("no span");
	close(fd);
	is_err(vas_mirror_open(vas_span_pointer(span), size, NULL, NULL, &view), 0,
	       "of what was committed, the descriptor being closed");
	ok(meet(vas_span_pointer(span), view_start(view)), "the same bytes");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "the span goes");
	ok(touch(view_start(view), true) == 0, "the mirror stays");
	is_err(vas_view_close(view, NULL), 0, "closed");
}

static void test_arena(void *unused)
{
	enum vas_mirror_way way = VAS_MIRROR_NONE;
	struct vas_arena *arena = NULL;
	struct vas_view *view = NULL;
	struct vas_ring *ring = NULL;
	struct vas_ring_info info = { .size = sizeof(info) };
	unsigned char *start;

	VAS_OPTS(vas_arena_opts, opts);
	(void)unused;
	arena_baseline();
	opts.initial = size;
	if (vas_arena_create(4 * size, &opts, &arena))
		tap_bail("no arena");
	start = view_start(vas_view_first(arena));
	is_err(vas_mirror_open(start + page, size, NULL, &way, &view), 0, "of an arena");
	ok(way == VAS_MIRROR_ARENA && view_look(view).arena == arena && view_look(view).offset == page,
	   "is a view of it");
	is_u64(view_look(view).bytes, size - page, "as large as the arena is there");
	ok(meet(start + page, view_start(view)), "the same bytes");
	is_err(vas_arena_destroy(arena, NULL), 0, "which goes with it");
	opts.kind = VAS_ARENA_ANONYMOUS;
	if (vas_arena_create(4 * size, &opts, &arena))
		tap_bail("no arena");
	is_err(vas_mirror_open(view_start(vas_view_first(arena)), page, NULL, &way, &view), EOPNOTSUPP,
	       "of a private one");
	ok(way == VAS_MIRROR_MEMFD && why() == VAS_WHY_PRIVATE, "not so");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	if (vas_ring_create(size, NULL, &ring) || vas_ring_get(ring, &info))
		tap_bail("no ring");
	start = vas_span_pointer(info.span);
	is_err(vas_mirror_open(start + size + page, page, NULL, &way, &view), 0,
	       "of a ring's second copy");
	ok(way == VAS_MIRROR_ARENA && meet(start + page, view_start(view)), "the same bytes");
	is_err(vas_mirror_open(start + size - page, 2 * page, NULL, &way, &view), ERANGE,
	       "across its seam");
	ok(why() == VAS_WHY_OBJECT, "which is not in step");
	is_err(vas_ring_destroy(ring, NULL), 0, "destroyed");
}

/* --- refusals --- */

static void refused(const char *what, const void *start, uint64_t bytes, int err, enum vas_why want,
		    enum vas_mirror_way best)
{
	enum vas_mirror_way way = VAS_MIRROR_ARENA;
	struct vas_view *view = NULL;

	is_err(vas_mirror_open(start, bytes, NULL, &way, &view), err, "%s", what);
	ok(why() == want && way == best && !view, "%s: reason %d, way %d", what, (int)why(), (int)way);
}

static void test_refusals(void *unused)
{
	unsigned char *private, *shared;
	int fd = make_memfd(size, 0);

	(void)unused;
	arena_baseline();
	private = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, NO_FD, 0);
	ok(mremap(private, 0, size, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL,
	   "the kernel duplicates no private memory");
	refused("private memory", private, size, EOPNOTSUPP, VAS_WHY_PRIVATE, VAS_MIRROR_MEMFD);
	unmap(private, size);
	private = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(mremap(private, 0, size, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL,
	   "nor of an object");
	refused("private memory of an object", private, size, EOPNOTSUPP, VAS_WHY_PRIVATE,
		VAS_MIRROR_MEMFD);
	refused("nothing", (void *)(uintptr_t)page, page, ENOENT, VAS_WHY_NOT_MAPPED,
		VAS_MIRROR_NONE);
	shared = map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unmap(shared + 2 * page, page);
	refused("with a hole", shared, 4 * page, ENOENT, VAS_WHY_NOT_MAPPED, VAS_MIRROR_NONE);
	if (mmap(shared + 2 * page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		tap_bail("nothing can be mapped");
	refused("out of step", shared, 4 * page, ERANGE, VAS_WHY_OBJECT, VAS_MIRROR_NONE);
	if (mmap(shared + 2 * page, page, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_FIXED, NO_FD, 0) ==
	    MAP_FAILED)
		tap_bail("nothing can be mapped");
	refused("two objects", shared, 4 * page, ERANGE, VAS_WHY_OBJECT, VAS_MIRROR_NONE);
	unmap(shared, size);
	unmap(private, size);
	close(fd);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	shared = map(page, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	VAS_OPTS(vas_view_opts, opts);
	struct vas_view *view = NULL;
	opts.prot = PROT_READ | PROT_WRITE;
	is_err(vas_mirror_open(shared, page, &opts, NULL, &view), EACCES, "to write what may only be read");
	is_err(vas_mirror_open(shared, page, NULL, NULL, &view), 0, "to read it");
	ok(memcmp(view_start(view), shared, page) == 0, "the same bytes");
	is_err(vas_view_close(view, NULL), 0, "closed");
	unmap(shared, page);
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
}

/* --- huge pages of the pool --- */

static bool hugetlb_duplicates(unsigned char *memory)
{
	void *place = map(3 * HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, NO_FD, 0);
	uintptr_t aligned = ((uintptr_t)place + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	bool any = mremap(memory, 0, HUGE_PAGE, MREMAP_MAYMOVE) != MAP_FAILED;

	any |= mremap(memory, 0, HUGE_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, aligned) != MAP_FAILED;
	unmap(place, 3 * HUGE_PAGE);
	return any;
}

static void check_huge(const char *name, unsigned char *memory)
{
	enum vas_mirror_way way = VAS_MIRROR_NONE;
	struct vas_view *view = NULL;
	uint64_t left;

	memory[0] = 7;
	left = huge_pool_free();
	ok(!hugetlb_duplicates(memory), "%s: the kernel makes no second mapping", name);
	is_err(vas_mirror_open(memory, HUGE_PAGE, NULL, &way, &view), 0, "%s: mirrored", name);
	if (!view)
		return;
	ok(way == VAS_MIRROR_MAP_FILES && view_look(view).way == way, "%s: by map_files", name);
	ok(view_look(view).span.start % HUGE_PAGE == 0, "%s: where such pages can lie", name);
	ok(meet(memory, view_start(view)) && view_start(view)[0] == 7, "%s: the same bytes", name);
	is_u64(huge_pool_free(), left, "%s: no page more", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	is_err(vas_mirror_open(memory, page, NULL, &way, &view), EINVAL, "%s: a part of a page", name);
	unmap(memory, HUGE_PAGE);
	ok(view_start(view)[0] == 7, "%s: stays when the first mapping goes", name);
	is_err(vas_view_close(view, NULL), 0, "%s: closed", name);
	is_u64(huge_pool_free(), left + 1, "%s: and the page is back", name);
}

/* In a child without privileges. */
static void check_unprivileged(unsigned char *memory)
{
	enum vas_mirror_way way = VAS_MIRROR_NONE;
	struct vas_view *view = NULL;
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		if (vas_mirror_open(memory, HUGE_PAGE, NULL, &way, &view) != -EPERM)
			_exit(2);
		_exit(why() == VAS_WHY_DENIED && way == VAS_MIRROR_MAP_FILES ? 0 : 3);
	}
	waitpid(child, &status, 0);
	ok(status == 0, "a process without privileges is told what would work");
}

static void test_huge(void *unused)
{
	const int prot = PROT_READ | PROT_WRITE;
	unsigned char *memory;
	int fd;

	(void)unused;
	if (!huge_pool_take(4))
		tap_skip_all("no-huge-pages", "no pool of huge pages");
	arena_baseline();
	memory = map(HUGE_PAGE, prot, ANONYMOUS | MAP_HUGETLB, NO_FD, 0);
	check_huge("anonymous", memory);
	fd = make_memfd(HUGE_PAGE, MFD_HUGETLB);
	memory = map(HUGE_PAGE, prot, MAP_SHARED, fd, 0);
	close(fd);
	check_huge("a memfd whose descriptor is gone", memory);
	memory = map(HUGE_PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, NO_FD, 0);
	ok(!hugetlb_duplicates(memory), "private: the kernel makes no second mapping");
	refused("private", memory, HUGE_PAGE, EOPNOTSUPP, VAS_WHY_PRIVATE, VAS_MIRROR_MEMFD);
	unmap(memory, HUGE_PAGE);
	memory = map(HUGE_PAGE, prot, ANONYMOUS | MAP_HUGETLB, NO_FD, 0);
	memory[0] = 1;
	check_unprivileged(memory);
	unmap(memory, HUGE_PAGE);
	huge_pool_return();
}

/* --- fork, threads --- */

static void check_fork(enum vas_fork policy, const char *name, int in_child)
{
	unsigned char *memory = map(size, PROT_READ | PROT_WRITE, ANONYMOUS, NO_FD, 0);
	struct vas_view *view = NULL;
	unsigned char *mirror;
	int status = -1;
	pid_t child;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_view_opts, opts);
	/* What the first mapping does at a fork is not the mirror's affair. */
	if (madvise(memory, size, MADV_DONTFORK))
		tap_bail("no madvise");
	reserve.fork = policy;
	opts.reserve = &reserve;
	is_err(vas_mirror_open(memory, size, &opts, NULL, &view), 0, "%s", name);
	mirror = view_start(view);
	mirror[0] = 1;
	child = fork();
	if (child == 0) {
		struct vas_view_info info = { .size = sizeof(info) };
		int err = vas_view_get(view, &info);

		if (err != in_child)
			_exit(1);
		if (!err && (mirror[0] != 1 || vas_view_protect(view, PROT_READ) != -EPERM))
			_exit(2);
		if (!err)
			mirror[0] = 2;
		_exit(vas_view_close(view, NULL) == in_child ? 0 : 3);
	}
	waitpid(child, &status, 0);
	is_u64((uint64_t)status, 0, "%s: so it is in the child", name);
	is_u64(mirror[0], in_child ? 1 : 2, "%s: which writes the same bytes, or none", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	is_err(vas_view_close(view, NULL), 0, "%s: closed", name);
	unmap(memory, size);
}

static void test_fork(void *unused)
{
	unsigned char *memory = map(size, PROT_READ | PROT_WRITE, ANONYMOUS, NO_FD, 0);
	struct vas_view *view = NULL;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_view_opts, opts);
	(void)unused;
	arena_baseline();
	check_fork(VAS_FORK_DEFAULT, "by default", 0);
	check_fork(VAS_FORK_SHARE, "shared", 0);
	check_fork(VAS_FORK_ABSENT, "absent", -ESTALE);
	check_fork(VAS_FORK_TRAP, "a trap", -ESTALE);
	opts.reserve = &reserve;
	reserve.fork = VAS_FORK_COPY;
	is_err(vas_mirror_open(memory, size, &opts, NULL, &view), EOPNOTSUPP, "no copy");
	reserve.fork = VAS_FORK_WIPE;
	is_err(vas_mirror_open(memory, size, &opts, NULL, &view), EOPNOTSUPP, "nor wiped");
	ok(why() == VAS_WHY_FORK_POLICY, "for the policy's sake");
	unmap(memory, size);
}

static int veto(void *context, const struct vas_notice *notice)
{
	struct vas_view **view = context;

	(void)notice;
	return *view ? vas_view_close(*view, NULL) == -EDEADLK ? 0 : -EIO : -EACCES;
}

static void test_notice(void *unused)
{
	unsigned char *memory = map(size, PROT_READ | PROT_WRITE, ANONYMOUS, NO_FD, 0);
	struct vas_view *view = NULL;
	uint64_t id;

	(void)unused;
	arena_baseline();
	if (vas_notice_subscribe(NULL, veto, &view, &id))
		tap_bail("no notices");
	is_err(vas_mirror_open(memory, size, NULL, NULL, &view), EBUSY, "a veto");
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	is_err(vas_mirror_open(memory, size, NULL, NULL, &view), 0, "no veto");
	if (vas_notice_subscribe(NULL, veto, &view, &id))
		tap_bail("no notices");
	is_err(vas_view_protect(view, PROT_READ), 0, "not closed inside a notice about it");
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	is_err(vas_view_close(view, NULL), 0, "closed");
	unmap(memory, size);
}

/* --- what is mapped anew between the look and the call --- */

static struct vas_sys hasty; /* the real one, but that others are faster */
static unsigned char *hasty_memory;
static int hasty_fd;

static int64_t hasty_move(struct vas_sys *sys, uint64_t address, uint64_t old_size, uint64_t new_size,
			  int flags, uint64_t to)
{
	if (old_size == 0 && hasty_fd >= 0 &&
	    mmap(hasty_memory, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, hasty_fd, 0) ==
		    MAP_FAILED)
		tap_bail("nothing can be mapped");
	return vas_sys_real()->move(sys, address, old_size, new_size, flags, to);
}

static void test_hasty(void *unused)
{
	unsigned char *memory = map(size, PROT_READ | PROT_WRITE, ANONYMOUS, NO_FD, 0);
	struct vas_view *view = NULL;

	(void)unused;
	hasty = *vas_sys_real();
	hasty.move = hasty_move;
	hasty_memory = memory;
	hasty_fd = -1;
	vas_sys_replace(&hasty);
	arena_baseline();
	hasty_fd = make_memfd(size, 0);
	is_err(vas_mirror_open(memory, size, NULL, NULL, &view), EAGAIN,
	       "another object came there meanwhile");
	ok(why() == VAS_WHY_RACE && !view, "which is told");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	close(hasty_fd);
	hasty_fd = -1;
	is_err(vas_mirror_open(memory, size, NULL, NULL, &view), 0, "and then that one is mirrored");
	is_err(vas_view_close(view, NULL), 0, "closed");
	unmap(memory, size);
}

#define MIRRORS 40u

static void *open_many(void *start)
{
	struct vas_view *view;
	uintptr_t wrong = 0;

	for (unsigned int i = 0; i < tap_scaled(MIRRORS); i++) {
		if (vas_mirror_open(start, size, NULL, NULL, &view))
			return (void *)1;
		wrong |= view_start(view)[page] != 0x77;
		if (vas_view_protect(view, PROT_READ) || vas_view_close(view, NULL))
			return (void *)1;
	}
	return (void *)wrong;
}

static void test_threads(void *unused)
{
	unsigned char *memory = map(size, PROT_READ | PROT_WRITE, ANONYMOUS, NO_FD, 0);
	pthread_t threads[2];
	void *wrong;

	(void)unused;
	arena_baseline();
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	memory[page] = 0x77;
	for (unsigned int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, open_many, memory))
			tap_bail("no thread");
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(threads[i], &wrong);
		ok(!wrong, "a thread that opens and closes");
	}
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	unmap(memory, size);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	tap_plan(0);
	tap_case("shared anonymous memory", test_anonymous, NULL, 10);
	tap_case("a memfd", test_memfd, NULL, 10);
	tap_case("a file", test_file, NULL, 10);
	tap_case("System V shared memory", test_sysv, NULL, 10);
	tap_case("secret memory", test_secret, NULL, 10);
	tap_case("parts", test_part, NULL, 10);
	tap_case("where it lies", test_place, NULL, 10);
	tap_case("sealed against writing", test_sealed, NULL, 10);
	tap_case("what the library committed", test_committed, NULL, 10);
	tap_case("of arenas", test_arena, NULL, 10);
	tap_case("refusals", test_refusals, NULL, 10);
	tap_case("huge pages of the pool", test_huge, NULL, 10);
	tap_case("fork", test_fork, NULL, 10);
	tap_case("notices", test_notice, NULL, 10);
	tap_case("mapped anew meanwhile", test_hasty, NULL, 10);
	tap_case("threads", test_threads, NULL, 10);
	return tap_done();
}
