/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 15 */
/*
 * What a forked child has of a span: every fork policy with every kind of memory.
 *
 * For each cell the child tells what it reads, whether what either side writes afterwards is seen by the
 * other, whether it owns the addresses or could map there, and what the functions answer that change
 * the span. Cells that cannot be are refused by vas_commit. Threads are at work in the parent all the while.
 */
#include "tap/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/space.h"
#include "support/huge_pool.h"
#include "sys/definitions.h"
#include "sys/fault.h"
#include "sys/sys.h"

#define POOL_PAGES 16u /* 2 MiB each */
#define BEFORE	  0x1111u /* written before the fork */
#define PARENTS	  0x2222u /* written by the parent after it */
#define CHILDS	  0x3333u

enum kind { ANONYMOUS, MEMFD, FILE_SHARED, FILE_PRIVATE, POOL_SHARED, POOL_PRIVATE, KINDS };
static const char *const kind_names[KINDS] = {
	"anonymous", "memfd", "file", "file, private", "pool, shared", "pool, private",
};
static const char *const policy_names[] = { "default", "share", "copy", "absent", "wipe", "trap" };

/* What the child has: letters of the table below. */
enum has { REFUSED, SAME, COPY, NOTHING, ZEROES, ADDRESSES };
static const enum has matrix[KINDS][VAS_FORK_TRAP + 1] = {
	/*		    default	share	 copy	  absent   wipe	    trap */
	[ANONYMOUS] = { COPY, REFUSED, COPY, NOTHING, ZEROES, ADDRESSES },
	[MEMFD] = { SAME, SAME, COPY, NOTHING, REFUSED, ADDRESSES },
	[FILE_SHARED] = { SAME, SAME, COPY, NOTHING, REFUSED, ADDRESSES },
	[FILE_PRIVATE] = { COPY, REFUSED, COPY, NOTHING, REFUSED, ADDRESSES },
	[POOL_SHARED] = { SAME, SAME, COPY, NOTHING, REFUSED, ADDRESSES },
	/* Of a larger span, that part alone is not in the child. */
	[POOL_PRIVATE] = { ADDRESSES, REFUSED, REFUSED, NOTHING, REFUSED, ADDRESSES },
};

static uint64_t page;

struct cell {
	enum kind kind;
	enum vas_fork policy;
	uint64_t unit; /* of the memory: page or huge page */
	struct vas_span span; /* of 4 units; the first is committed, the second has another protection or nothing */
	int fd;
};

/* --- pages that may fault --- */

static sigjmp_buf fault_back;

static void on_fault(int signal)
{
	siglongjmp(fault_back, signal);
}

/* The word there; 0xdead when it faults. */
static unsigned peek(uint64_t address)
{
	volatile unsigned *word = (void *)(uintptr_t)address;

	return sigsetjmp(fault_back, 1) ? 0xdead : *word;
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* --- a cell --- */

static int object_open(const struct cell *cell)
{
	char path[] = "/tmp/vaspace-fork-XXXXXX";
	bool pool = cell->kind == POOL_SHARED || cell->kind == POOL_PRIVATE;
	int fd = -1;

	if (cell->kind == FILE_SHARED || cell->kind == FILE_PRIVATE) {
		fd = mkstemp(path);
		if (fd >= 0)
			unlink(path);
	} else if (cell->kind != ANONYMOUS) {
		fd = memfd_create("fork", pool ? MFD_HUGETLB : 0);
	}
	if (fd >= 0 && ftruncate(fd, (off_t)(4 * cell->unit)))
		tap_bail("ftruncate: %m");
	return fd;
}

/* -errno of the commit. */
static int cell_make(struct cell *cell, enum kind kind, enum vas_fork policy)
{
	int err;

	cell->kind = kind;
	cell->policy = policy;
	cell->unit = kind == POOL_SHARED || kind == POOL_PRIVATE ? HUGE_PAGE : page;
	cell->fd = object_open(cell);
	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = policy;
	opts.alignment = cell->unit;
	err = vas_reserve(4 * cell->unit, &opts, &cell->span);
	if (err)
		tap_bail("reserve: %d", err);
	VAS_OPTS(vas_commit_opts, commit);
	commit.fd = cell->fd;
	if (kind != ANONYMOUS)
		commit.flags = kind == FILE_PRIVATE || kind == POOL_PRIVATE ? VAS_COMMIT_PRIVATE
									     : VAS_COMMIT_SHARED;
	err = vas_commit(vas_span_pointer(cell->span), cell->unit, &commit);
	/* Closed descriptors are no harm. */
	if (cell->fd >= 0)
		close(cell->fd);
	if (!err)
		*(volatile unsigned *)vas_span_pointer(cell->span) = BEFORE;
	return err;
}

static void cell_end(struct cell *cell)
{
	vas_release(vas_span_pointer(cell->span), NULL);
}

/* Parent and child in turn. */
static int to_child[2], to_parent[2];

static void tell(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(120);
}

static void await(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(121);
}

#define CHECK(number, condition)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return number;                                                             \
	} while (0)

/* Whether the child's own mmap can land there. */
static bool is_free(struct vas_span span)
{
	long got = syscall(SYS_mmap, span.start, page, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == -1)
		return false;
	munmap((void *)got, page);
	return (uint64_t)got == span.start;
}

static int child_changes(const struct cell *cell, int want)
{
	unsigned char *next = (unsigned char *)vas_span_pointer(cell->span) + 2 * cell->unit;

	CHECK(20, vas_commit(next, page, NULL) == want);
	CHECK(21, vas_protect(next, page, PROT_READ) == want);
	CHECK(22, vas_decommit(next, page, NULL) == want);
	return 0;
}

/* What the users of the span are told. */
static bool is_told(const struct cell *cell, enum has has)
{
	static const enum vas_fork told[] = {
		[SAME] = VAS_FORK_SHARE, [COPY] = VAS_FORK_COPY, [ZEROES] = VAS_FORK_WIPE,
		[ADDRESSES] = VAS_FORK_TRAP,
	};
	struct vas_space *space;

	if (vas_space_default(&space))
		return false;
	/* Of a span that is copied only one part is not there. */
	return vas_space_find(space, cell->span.start)->forked ==
	       (uint32_t)(cell->policy == VAS_FORK_DEFAULT && has == ADDRESSES ? VAS_FORK_COPY
									      : told[has]);
}

static int child_main(const struct cell *cell, enum has has)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	uint64_t start = cell->span.start, where;
	struct vas_owner owner;
	int owned, step;

	catch_faults();
	owned = vas_owner_at(vas_span_pointer(cell->span), &owner);
	CHECK(1, owned == (has == NOTHING ? -ENOENT : 0));
	CHECK(2, is_free(cell->span) == (has == NOTHING));
	CHECK(3, vas_sync_check(&where) == 0);
	if (has == NOTHING) {
		CHECK(4, peek(start) == 0xdead);
		CHECK(5, vas_release(vas_span_pointer(cell->span), NULL) == -ENOENT);
		return 0;
	}
	CHECK(13, is_told(cell, has));
	CHECK(6, vas_owner_details(owner.id, &details) == 0);
	CHECK(7, details.committed == (has == ADDRESSES ? 0 : cell->unit));
	CHECK(8, peek(start) == (has == ADDRESSES ? 0xdead : has == ZEROES ? 0 : BEFORE));
	if (has == SAME || has == COPY) {
		tell(to_parent[1]);
		await(to_child[0]);
		CHECK(9, peek(start) == (has == SAME ? PARENTS : BEFORE));
	}
	if (has != ADDRESSES)
		*(volatile unsigned *)(uintptr_t)start = CHILDS;
	step = child_changes(cell, has == SAME ? -EPERM : 0);
	if (step)
		return step;
	CHECK(10, vas_sync_check(&where) == 0);
	CHECK(11, vas_release(vas_span_pointer(cell->span), NULL) == 0);
	CHECK(12, vas_sync_check(&where) == 0);
	return 0;
}

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void run_cell(struct cell *cell, enum has has)
{
	volatile unsigned *word = vas_span_pointer(cell->span);
	unsigned want = PARENTS;
	pid_t child;
	int got;

	if (pipe(to_child) || pipe(to_parent))
		tap_bail("pipe: %m");
	child = fork();
	if (child < 0)
		tap_bail("fork: %m");
	if (child == 0) {
		alarm(30);
		_exit(child_main(cell, has));
	}
	if (has == SAME || has == COPY) {
		struct timespec soon = { 0, 1000000 };

		/* The child may be gone already, when it has failed. */
		fcntl(to_parent[0], F_SETFL, O_NONBLOCK);
		for (char byte; read(to_parent[0], &byte, 1) != 1;)
			if (waitpid(child, &got, WNOHANG) == child || nanosleep(&soon, NULL))
				break;
	}
	*word = PARENTS;
	tell(to_child[1]);
	got = wait_for(child);
	if (has == SAME)
		want = CHILDS;
	ok(got == 0 && *word == want, "%s, %s: as the table says (step %d)",
	   policy_names[cell->policy], kind_names[cell->kind], got);
	close(to_child[0]), close(to_child[1]), close(to_parent[0]), close(to_parent[1]);
}

/* A refusal leaves the span as it was reserved, and the pool of huge pages as full. left: pages in it before. */
static void check_refused(const struct cell *cell, int err, uint64_t left)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	const char *policy = policy_names[cell->policy], *kind = kind_names[cell->kind];
	struct vas_owner owner;
	struct vas_report report = { .size = sizeof(report) };

	vas_report_get(&report);
	is_err(err, EOPNOTSUPP, "%s, %s: refused", policy, kind);
	is_i64(report.why, VAS_WHY_FORK_POLICY, "%s, %s: the reason", policy, kind);
	ok(vas_owner_at(vas_span_pointer(cell->span), &owner) == 0 &&
		   vas_owner_details(owner.id, &details) == 0 && details.committed == 0 &&
		   details.vmas == 1 && peek(cell->span.start) == 0xdead,
	   "%s, %s: the span is as reserved", policy, kind);
	if (cell->unit == HUGE_PAGE)
		is_u64(huge_pool_free(), left, "%s, %s: the pool has what it had", policy, kind);
}

static void test_matrix(void)
{
	bool pool = huge_pool_take(POOL_PAGES);

	for (enum kind kind = 0; kind < KINDS; kind++) {
		if (kind >= POOL_SHARED && !pool) {
			tap_skip(VAS_FORK_TRAP + 1, "no-huge-pages", "the pool of huge pages cannot be enlarged");
			continue;
		}
		for (enum vas_fork policy = 0; policy <= VAS_FORK_TRAP; policy++) {
			enum has has = matrix[kind][policy];
			uint64_t left = huge_pool_free();
			struct cell cell;
			int err = cell_make(&cell, kind, policy);

			if (has == REFUSED)
				check_refused(&cell, err, left);
			else if (err)
				ok(false, "%s, %s: commit answers %d", policy_names[policy],
				   kind_names[kind], err);
			else
				run_cell(&cell, has);
			cell_end(&cell);
		}
	}
}

/* --- what has no column of its own --- */

/* Runs check(arg) in a forked child and tells what it answers. */
static int in_child(int (*check)(void *), void *arg)
{
	pid_t child = fork();

	if (child == 0) {
		alarm(30);
		catch_faults();
		_exit(check(arg));
	}
	return wait_for(child);
}

/* Guards, caller's and of freed pages, in a span that is wiped. */
static int guarded_child(void *arg)
{
	struct vas_span *span = arg;
	uint64_t where;

	CHECK(1, peek(span->start) == 0);
	CHECK(2, peek(span->start + page) == 0xdead);
	CHECK(3, peek(span->start + 2 * page) == 0xdead);
	CHECK(4, vas_sync_check(&where) == 0);
	CHECK(5, vas_unguard((void *)(uintptr_t)(span->start + page), page) == 0);
	CHECK(6, peek(span->start + page) == 0);
	return 0;
}

static void test_guards(void)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_WIPE;
	if (vas_reserve(4 * page, &opts, &span) || vas_commit(vas_span_pointer(span), 3 * page, NULL) ||
	    vas_guard((void *)(uintptr_t)(span.start + page), page) ||
	    vas_decommit((void *)(uintptr_t)(span.start + 2 * page), page, NULL))
		tap_bail("no span");
	is_i64(in_child(guarded_child, &span), 0, "wipe: guards are there again");
	vas_release(vas_span_pointer(span), NULL);
}

/* Several parts, with protections, holes and guards between: each is copied as it is. */
static int parts_child(void *arg)
{
	struct vas_span *span = arg;
	uint64_t where;

	CHECK(1, vas_sync_check(&where) == 0);
	for (unsigned i = 0; i < 16; i++)
		CHECK(2, peek(span->start + i * page) == (i == 5 || i == 9 ? 0xdead : 100 + i));
	CHECK(3, peek(span->start + 16 * page) == 0xdead);
	CHECK(4, vas_unguard((void *)(uintptr_t)(span->start + 9 * page), page) == 0);
	CHECK(5, peek(span->start + 9 * page) == 0);
	CHECK(6, vas_commit((void *)(uintptr_t)(span->start + 5 * page), page, NULL) == 0);
	*(volatile unsigned *)(uintptr_t)span->start = 1;
	CHECK(7, vas_protect((void *)(uintptr_t)(span->start + 3 * page), page, PROT_READ | PROT_WRITE) == 0);
	CHECK(8, vas_sync_check(&where) == 0);
	CHECK(9, vas_release(vas_span_pointer(*span), NULL) == 0);
	return 0;
}

static struct {
	unsigned before, after; /* in a child */
} holds;

static void on_hold(void *context, struct vas_span span, int holding)
{
	if (context != &holds || span.size == 0)
		return;
	if (holding)
		holds.before++;
	else
		holds.after++;
}

static int hold_child(void *arg)
{
	(void)arg;
	return holds.before == 1 && holds.after == 1 ? 0 : 1;
}

static void parts_make(struct vas_span *span, int *fd)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_COPY;
	VAS_OPTS(vas_commit_opts, commit);
	commit.fd = memfd_create("parts", 0);
	commit.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH;
	if (commit.fd < 0 || ftruncate(commit.fd, (off_t)(16 * page)) ||
	    vas_reserve(20 * page, &opts, span) ||
	    vas_commit(vas_span_pointer(*span), 16 * page, &commit))
		tap_bail("no span");
	for (unsigned i = 0; i < 16; i++)
		*(volatile unsigned *)(uintptr_t)(span->start + i * page) = 100 + i;
	if (vas_protect((void *)(uintptr_t)(span->start + 3 * page), page, PROT_READ) ||
	    vas_decommit((void *)(uintptr_t)(span->start + 5 * page), page, NULL) ||
	    vas_guard((void *)(uintptr_t)(span->start + 9 * page), page))
		tap_bail("no parts");
	*fd = commit.fd;
}

static void test_parts(void)
{
	struct vas_span span;
	int fd;

	parts_make(&span, &fd);
	is_i64(in_child(parts_child, &span), 0, "copy: a memfd in parts, each as it was");
	ok(peek(span.start) == 100 && peek(span.start + 15 * page) == 115,
	   "the child's release punched nothing");
	vas_fork_hold_set(on_hold, &holds);
	is_i64(in_child(hold_child, NULL), 0, "the hook is called once before and once after, in the child");
	ok(!holds.before && !holds.after, "and not in the parent");
	vas_fork_hold_set(NULL, NULL);
	vas_release(vas_span_pointer(span), NULL);
	close(fd);
}

/* An object that was cut short cannot be copied: the span is there, and as reserved. */
static int lost_child(void *arg)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_span *span = arg;
	struct vas_owner owner;
	uint64_t where;

	CHECK(1, vas_owner_at(vas_span_pointer(*span), &owner) == 0);
	CHECK(2, vas_owner_details(owner.id, &details) == 0 && details.committed == 0);
	for (unsigned i = 0; i < 20; i++)
		CHECK(3, peek(span->start + i * page) == 0xdead);
	CHECK(4, vas_sync_check(&where) == 0);
	CHECK(5, vas_commit(vas_span_pointer(*span), page, NULL) == 0);
	CHECK(6, peek(span->start) == 0);
	CHECK(7, vas_release(vas_span_pointer(*span), NULL) == 0);
	return 0;
}

/* By hand, to see the answer. */
static int in_announced_child(int (*check)(void *), void *arg, int want)
{
	pid_t child;

	vas_fork_prepare();
	child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (child == 0) {
		alarm(30);
		catch_faults();
		if (vas_fork_child() != want)
			_exit(100);
		_exit(check(arg));
	}
	vas_fork_parent();
	return wait_for(child);
}

static void test_lost(void)
{
	struct vas_span span;
	int fd;

	parts_make(&span, &fd);
	if (ftruncate(fd, (off_t)(8 * page)))
		tap_bail("ftruncate: %m");
	is_i64(in_announced_child(lost_child, &span, -ENOMEM), 0,
	       "copy of an object that was cut short: as reserved, and said so");
	is_i64(in_child(lost_child, &span), 0, "the same by fork()");
	vas_release(vas_span_pointer(span), NULL);
	close(fd);
}

/* Somebody is faster than the child's handler. */
static struct vas_span robbed;
static void rob(void)
{
	if (robbed.size)
		syscall(SYS_mmap, robbed.start, page, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static int robbed_child(void *arg)
{
	struct vas_owner owner;
	uint64_t where;

	(void)arg;
	CHECK(1, vas_owner_at(vas_span_pointer(robbed), &owner) == -ENOENT);
	CHECK(2, vas_release(vas_span_pointer(robbed), NULL) == -ENOENT);
	CHECK(3, !is_free(robbed));
	CHECK(4, vas_sync_check(&where) == 0);
	return 0;
}

static void test_robbed(void)
{
	pid_t child;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_TRAP;
	if (vas_reserve(4 * page, &opts, &robbed))
		tap_bail("no span");
	vas_fork_prepare();
	child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (child == 0) {
		struct vas_owner owner;

		alarm(30);
		rob();
		/* Not owned before it was claimed back. */
		if (vas_owner_at(vas_span_pointer(robbed), &owner) != -EOWNERDEAD)
			_exit(99);
		if (vas_fork_child() != -EEXIST)
			_exit(98);
		_exit(robbed_child(NULL));
	}
	vas_fork_parent();
	is_i64(wait_for(child), 0, "trap: what somebody took meanwhile is theirs");
	vas_release(vas_span_pointer(robbed), NULL);
	robbed.size = 0;
}

/* --- a layout that the parent opened --- */

static struct vas_layout *layout;

/* It tells the child's mappings, not the parent's. */
static int layout_child(void *arg)
{
	struct vas_mapping mapping;
	struct vas_span *span = arg;
	bool found = false;
	int got;

	/* The parent has something there; the child has not, but its own elsewhere. */
	CHECK(1, vas_layout_at(layout, span[0].start, &mapping) == 0 && mapping.start > span[0].start);
	CHECK(2, mmap((void *)(uintptr_t)span[0].start, page, PROT_READ,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
			 (void *)(uintptr_t)span[0].start);
	CHECK(3, vas_layout_at(layout, span[0].start, &mapping) == 0 && mapping.start <= span[0].start);
	CHECK(4, vas_layout_rewind(layout) == 0);
	while ((got = vas_layout_next(layout, &mapping)) == 1)
		found |= mapping.start <= span[0].start && mapping.end > span[0].start;
	CHECK(5, got == 0 && found);
	return 0;
}

/* The first thing it does is to read on. */
static int layout_child_next(void *arg)
{
	struct vas_mapping mapping;
	struct vas_span *span = arg;
	int got, count = 0;

	while ((got = vas_layout_next(layout, &mapping)) == 1) {
		CHECK(1, mapping.end <= span[0].start || mapping.start > span[0].start);
		count++;
	}
	CHECK(2, got == 0 && count > 5);
	vas_layout_close(layout);
	return 0;
}

static void test_layout(void)
{
	struct vas_mapping mapping;
	struct vas_span span;
	pid_t child;
	int count = 0;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_ABSENT;
	/* Apart from others, whose mappings could merge with it. */
	opts.place = VAS_PLACE_SCATTER;
	opts.key = 4711;
	if (vas_reserve(page, &opts, &span) || vas_layout_open(NULL, &layout) ||
	    vas_layout_next(layout, &mapping) != 1)
		tap_bail("no layout");
	is_i64(in_child(layout_child, &span), 0, "a layout tells a child's own mappings");
	is_i64(in_child(layout_child_next, &span), 0, "and a reading that was begun");
	child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (child == 0) {
		alarm(30);
		_exit(layout_child_next(&span));
	}
	is_i64(wait_for(child), 0, "also where nobody announced the fork");
	while (vas_layout_next(layout, &mapping) == 1)
		count++;
	ok(count > 5, "the parent's reading goes on where it was");
	vas_layout_close(layout);
	vas_release(vas_span_pointer(span), NULL);
}

/* --- the kernel refuses what the child's handler asks for --- */

static struct vas_sys_fault faulty;
static unsigned fault_number;
static bool refuses_all; /* from that call on */

static int faulty_child(void *arg)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_span *spans = arg;
	struct vas_owner owner;
	uint64_t where;

	vas_sys_fault_arm(&faulty, 0, false, 0);
	CHECK(1, vas_sync_check(&where) == 0);
	/*
	 * The copy: whole, or nothing of it; shared only where the kernel refuses everything, even to
	 * take access away.
	 */
	if (vas_commit((void *)(uintptr_t)(spans[0].start + 17 * page), page, NULL) == -EPERM)
		return refuses_all ? 0 : 9;
	if (vas_owner_at(vas_span_pointer(spans[0]), &owner) == 0) {
		CHECK(2, vas_owner_details(owner.id, &details) == 0);
		details.committed -= details.committed ? page : 0;
		if (details.committed)
			CHECK(3, peek(spans[0].start) == 100 && peek(spans[0].start + 15 * page) == 115);
		else
			CHECK(4, peek(spans[0].start) == 0xdead && peek(spans[0].start + 15 * page) == 0xdead);
		if (details.committed)
			*(volatile unsigned *)(uintptr_t)spans[0].start = 1;
		CHECK(5, vas_release(vas_span_pointer(spans[0]), NULL) == 0);
	}
	/* The trap: owned, or anybody's. */
	if (vas_owner_at(vas_span_pointer(spans[1]), &owner) == 0)
		CHECK(6, vas_release(vas_span_pointer(spans[1]), NULL) == 0);
	CHECK(7, vas_sync_check(&where) == 0);
	return 0;
}

static void test_faults(void)
{
	static const int errors[] = { ENOMEM, ENOMEM, EINVAL };
	struct vas_span spans[2];
	unsigned faults = 0;
	int got = 0, fd;

	parts_make(&spans[0], &fd);
	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_TRAP;
	if (vas_reserve(4 * page, &opts, &spans[1]))
		tap_bail("no span");
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]) && !got; e++) {
		refuses_all = e == 1;
		for (fault_number = 1; fault_number < 200 && !got; fault_number++) {
			bool last = false;
			pid_t child;

			vas_fork_prepare();
			child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
			if (child == 0) {
				int err;

				alarm(30);
				catch_faults();
				vas_sys_fault_arm(&faulty, fault_number, refuses_all, errors[e]);
				err = vas_fork_child();
				if (faulty.faults == 0)
					_exit(err ? 90 : 91);
				_exit(faulty_child(spans));
			}
			vas_fork_parent();
			got = wait_for(child);
			last = got == 91;
			if (got && !last)
				tap_diag("error %d at call %u%s: step %d", errors[e], fault_number,
					 refuses_all ? " and after" : "", got);
			got = last ? 0 : got;
			faults++;
			if (last)
				break;
		}
	}
	ok(got == 0 && faults > 30, "%u refusals in the child: a copy or nothing, owned or not (%d)",
	   faults, got);
	ok(peek(spans[0].start) == 100, "the parent's is as it was");
	vas_release(vas_span_pointer(spans[0]), NULL);
	vas_release(vas_span_pointer(spans[1]), NULL);
	close(fd);
}

/* --- the parent's other threads --- */

static bool work_stop; /* atomic */

static void *work_main(void *arg)
{
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);
	struct vas_span span;

	while (!__atomic_load_n(&work_stop, __ATOMIC_RELAXED)) {
		VAS_OPTS(vas_reserve_opts, opts);
		opts.fork = (enum vas_fork)(vas_random_below(&random, 2) ? VAS_FORK_TRAP : VAS_FORK_DEFAULT);
		if (vas_reserve((1 + vas_random_below(&random, 8)) * page, &opts, &span) == 0) {
			vas_commit(vas_span_pointer(span), page, NULL);
			vas_decommit(vas_span_pointer(span), page, NULL);
			vas_release(vas_span_pointer(span), NULL);
		}
		usleep(500);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[2];
	uint64_t where;

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	vas_sys_fault_init(&faulty, vas_sys_real());
	vas_sys_replace(&faulty.sys);
	catch_faults();
	test_faults();
	for (unsigned t = 0; t < 2; t++)
		if (pthread_create(&threads[t], NULL, work_main, (void *)(uintptr_t)(t + 1)))
			tap_bail("no threads");
	test_matrix();
	test_guards();
	test_parts();
	test_lost();
	test_robbed();
	test_layout();
	__atomic_store_n(&work_stop, true, __ATOMIC_RELAXED);
	for (unsigned t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	is_err(vas_sync_check(&where), 0, "the parent's books and maps agree");
	return tap_done();
}
