/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Live pages replaced by others, over the real kernel: what the new ones are and have, batches that go back whole, what is refused, what a
 * forked child has of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/replace.h"
#include "support/ballast.h"
#include "support/huge_pool.h"
#include "support/map_limit.h"
#include "support/mapping_flag.h"
#include "support/replace_looks.h"
#include "support/view_looks.h"

#define MIB	(1ull << 20)
#define PAGES	16u
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static uint64_t page, size;

static unsigned char *reserve_with(uint64_t bytes, const struct vas_reserve_opts *reserve,
				   const struct vas_commit_opts *opts)
{
	struct vas_span span;

	if (vas_reserve(bytes, reserve, &span) || vas_commit(vas_span_pointer(span), bytes, opts))
		tap_bail("no memory");
	return vas_span_pointer(span);
}

static unsigned char *reserve_bytes(uint64_t bytes)
{
	return reserve_with(bytes, NULL, NULL);
}

static void release(void *start)
{
	if (vas_release(start, NULL))
		tap_bail("it stays");
}

static struct vas_replace_part part_of(void *start, uint64_t bytes)
{
	return (struct vas_replace_part){ .start = start, .size = bytes };
}

static int make_memfd(uint64_t bytes, unsigned int flags, unsigned char fill)
{
	int fd = memfd_create("new", MFD_CLOEXEC | flags);
	unsigned char *memory;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		tap_bail("no memfd");
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		tap_bail("nothing can be mapped");
	memset(memory, fill, bytes);
	munmap(memory, bytes);
	return fd;
}

static bool all_are(const unsigned char *memory, uint64_t bytes, unsigned char value)
{
	for (uint64_t i = 0; i < bytes; i += page / 2)
		if (((const volatile unsigned char *)memory)[i] != value)
			return false;
	return ((const volatile unsigned char *)memory)[bytes - 1] == value;
}

static enum vas_why why(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) ? VAS_WHY_COUNT : report.why;
}

static void agree(const char *what)
{
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", what);
}

/* --- what comes --- */

static void test_private(void *unused)
{
	unsigned char *memory;
	struct vas_replace_part part;
	struct vas_replace *replace;
	uint64_t before;

	(void)unused;
	arena_baseline();
	memory = reserve_bytes(size);
	memset(memory, 1, size);
	before = committed();
	part = part_of(memory + page, 4 * page);
	replace = prepare(&part, 1);
	ok(all_are(part.aside, 4 * page, 0) && all_are(memory, size, 1),
	   "zeroes aside, the old bytes in their place");
	memset(part.aside, 2, 4 * page);
	is_err(vas_replace_commit(replace), 0, "committed");
	ok(all_are(memory, page, 1) && all_are(memory + page, 4 * page, 2) &&
		   all_are(memory + 5 * page, size - 5 * page, 1),
	   "the new bytes in their place, and nowhere else");
	memory[page] = 3;
	is_u64(committed(), before, "as much as before");
	agree("replaced");
	is_err(vas_protect(memory, size, PROT_READ), 0, "it is protected as one");
	is_err(vas_protect(memory, size, PROT_READ | PROT_WRITE), 0, "and again");
	is_err(vas_decommit(memory, size, NULL), 0, "decommitted");
	is_err(vas_commit(memory, size, NULL), 0, "and committed again");
	ok(all_are(memory, size, 0), "zeroes");
	part = part_of(memory, size);
	memset(memory, 4, size);
	replace = prepare(&part, 1);
	is_err(vas_replace_cancel(replace), 0, "cancelled");
	ok(all_are(memory, size, 4), "the old bytes");
	is_err(vas_replace_cancel(NULL), 0, "nothing to cancel");
	part.flags = VAS_REPLACE_COPY;
	part.prot = PROT_READ;
	replace = prepare(&part, 1);
	ok(all_are(part.aside, size, 4), "a copy");
	((unsigned char *)part.aside)[0] = 5;
	is_err(vas_replace_commit(replace), 0, "which is read only then");
	ok(memory[0] == 5 && all_are(memory + page, size - page, 4), "the copy");
	agree("a copy");
	release(memory);
}

static void test_objects(void *unused)
{
	unsigned char *memory, *view;
	struct vas_replace_part part;
	int fd;

	(void)unused;
	arena_baseline();
	memory = reserve_bytes(size);
	memset(memory, 1, size);
	fd = make_memfd(2 * size, 0, 7);
	view = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	part = part_of(memory, size);
	part.flags = VAS_REPLACE_SHARED;
	part.fd = fd;
	part.offset = size;
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "by an object");
	ok(all_are(memory, size, 7), "its bytes");
	memory[0] = 8;
	ok(view[size] == 8, "shared");
	agree("shared");
	part.flags = VAS_REPLACE_PRIVATE;
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "by the same, privately");
	memory[1] = 9;
	ok(memory[0] == 8 && view[size + 1] == 7, "not shared");
	agree("private");
	part = part_of(memory, size);
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "by private memory again");
	ok(all_are(memory, size, 0) && view[size] == 8, "the object is as it was");
	agree("private memory");
	munmap(view, 2 * size);
	close(fd);
	release(memory);
}

static int policy_at(void *address)
{
	int mode = -1;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0, address, 2 /* MPOL_F_ADDR */) ? -errno :
											  mode;
}

/* All that the span's memory has is the new memory's. */
static void test_recipe(void *unused)
{
	unsigned char *memory;
	struct vas_replace_part part;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_commit_opts, opts);
	VAS_OPTS(vas_policy, policy);
	(void)unused;
	arena_baseline();
	policy.mode = VAS_POLICY_INTERLEAVE;
	policy.nodes[0] = 1;
	reserve.flags = VAS_RESERVE_NODUMP;
	reserve.fork = VAS_FORK_WIPE;
	opts.policy = &policy;
	opts.flags = VAS_COMMIT_NOHUGE;
	memory = reserve_with(size, &reserve, &opts);
	part = part_of(memory, size);
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "replaced");
	is_i64(mapping_flag(memory, " dd"), 1, "not dumped");
	is_i64(mapping_flag(memory, " wf"), 1, "wiped in children");
	ok(mapping_flag(memory, " nh") == 1 || access("/sys/kernel/mm/transparent_hugepage", F_OK),
	   "no huge pages");
	ok(policy_at(memory) == 3 || policy_at(memory) == -ENOSYS, "the memory policy");
	agree("a recipe");
	release(memory);
}

/* --- batches --- */

static int vetoes; /* how many are let through */
static unsigned int told, cancelled;

static int on_notice(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (notice->change != VAS_CHANGE_REPLACE)
		return 0;
	told += notice->phase == VAS_NOTICE_AFTER;
	cancelled += notice->phase == VAS_NOTICE_CANCELLED;
	return notice->phase == VAS_NOTICE_BEFORE && !notice->final && vetoes-- == 0 ? -EBUSY : 0;
}

static void test_batch(void *unused)
{
	unsigned char *one, *two;
	struct vas_replace_part parts[3];
	struct vas_replace *replace;
	uint64_t id, before, after;
	int fd;

	VAS_OPTS(vas_commit_opts, opts);
	(void)unused;
	arena_baseline();
	fd = make_memfd(size, 0, 1);
	opts.flags = VAS_COMMIT_SHARED;
	opts.fd = fd;
	one = reserve_bytes(size);
	two = reserve_with(size, NULL, &opts);
	memset(one, 1, size);
	parts[0] = part_of(one, 4 * page);
	parts[1] = part_of(two, size);
	parts[2] = part_of(one + 8 * page, 4 * page);
	if (vas_notice_subscribe(NULL, on_notice, NULL, &id))
		tap_bail("no notices");

	vetoes = 0;
	replace = prepare(parts, 3);
	is_err(vas_replace_commit(replace), EBUSY, "vetoed at the first");
	is_u64(told, 0, "nobody is told of a change");
	vetoes = -1;
	memset(parts[1].aside, 2, size);
	vas_generation_at(one, &before);
	is_err(vas_replace_commit(replace), 0, "the batch goes on");
	vas_generation_at(one, &after);
	is_u64(told, 3, "told of each");
	is_u64(after, before + 2, "counted for each");
	ok(all_are(one, 4 * page, 0) && all_are(two, size, 2) && one[4 * page] == 1 &&
		   all_are(one + 8 * page, 4 * page, 0),
	   "the new bytes");
	agree("a batch");

	memset(one, 1, size);
	is_err(vas_protect(one, 4 * page, PROT_READ), 0, "read only");
	release(two);
	two = reserve_with(size, NULL, &opts);
	replace = prepare(parts, 3);
	vetoes = 2;
	told = cancelled = 0;
	is_err(vas_replace_commit(replace), EBUSY, "vetoed at the last");
	ok(why() == VAS_WHY_VETO, "for that reason");
	is_u64(told, 4, "two there and back");
	ok(all_are(one, size, 1) && all_are(two, size, 1), "the old bytes in all of them");
	agree("gone back");
	two[0] = 9;
	is_err(vas_replace_commit(replace), ESTALE, "not again");
	is_err(vas_replace_cancel(replace), 0, "cancelled");
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	release(two);
	two = reserve_with(size, NULL, &opts);
	ok(two[0] == 9, "shared memory is its object's again");
	release(one);
	release(two);
	close(fd);
}

/* --- refusals --- */

static void refused(const char *what, struct vas_replace_part *parts, size_t count, int err,
		    enum vas_why want)
{
	struct vas_replace *replace = NULL;

	is_err(vas_replace_prepare(parts, count, &replace), err, "%s", what);
	ok(why() == want && !replace, "%s: reason %d", what, (int)why());
}

static void test_refusals(void *unused)
{
	unsigned char *memory;
	struct vas_replace_part parts[2];
	struct vas_arena *arena = NULL;
	int fd;

	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_commit_opts, punched);
	(void)unused;
	arena_baseline();
	memory = reserve_bytes(size);
	fd = make_memfd(size, 0, 1);
	if (vas_guard(memory + page, page) || vas_decommit(memory + 4 * page, page, NULL) ||
	    vas_protect(memory + 8 * page, page, PROT_READ) || vas_protect(memory + 10 * page, page, 0))
		tap_bail("no guard");
	parts[0] = part_of(memory, 2 * page);
	refused("guarded", parts, 1, EINVAL, VAS_WHY_ARGUMENT);
	parts[0] = part_of(memory + 4 * page, page);
	refused("not committed", parts, 1, EINVAL, VAS_WHY_NOT_MAPPED);
	parts[0] = part_of(memory + 7 * page, 2 * page);
	refused("two protections", parts, 1, EINVAL, VAS_WHY_ARGUMENT);
	parts[0] = part_of(memory + 10 * page, page);
	parts[0].flags = VAS_REPLACE_COPY;
	refused("a copy of what may not be read", parts, 1, EINVAL, VAS_WHY_ARGUMENT);
	parts[0].flags = 0;
	parts[1] = part_of(memory + 12 * page, page);
	refused("one of several that may not be read", parts, 2, EINVAL, VAS_WHY_ARGUMENT);
	parts[0] = part_of(memory + 12 * page, 2 * page);
	parts[1] = part_of(memory + 13 * page, 2 * page);
	refused("parts that overlap", parts, 2, EINVAL, VAS_WHY_ARGUMENT);
	parts[0].flags = VAS_REPLACE_SHARED;
	parts[0].fd = fd;
	parts[0].offset = size;
	refused("beyond an object's end", parts, 1, ERANGE, VAS_WHY_OBJECT);
	parts[0].fd = -1;
	refused("by no object", parts, 1, EBADF, VAS_WHY_OBJECT);
	parts[0] = part_of(memory + size, page);
	refused("behind a span", parts, 1, ENOENT, VAS_WHY_NOT_OWNED);
	release(memory);
	opts.initial = size;
	if (vas_arena_create(size, &opts, &arena))
		tap_bail("no arena");
	parts[0] = part_of(arena_start(arena), size);
	refused("an arena's", parts, 1, EBUSY, VAS_WHY_USED);
	vas_arena_destroy(arena, NULL);
	punched.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH;
	punched.fd = fd;
	memory = reserve_with(size, NULL, &punched);
	parts[0] = part_of(memory, size);
	refused("what is punched", parts, 1, EOPNOTSUPP, VAS_WHY_OBJECT);
	release(memory);
	close(fd);
	agree("refusals");
}

static void test_stale(void *unused)
{
	unsigned char *memory;
	struct vas_replace_part part;
	struct vas_replace *replace;

	(void)unused;
	arena_baseline();
	memory = reserve_bytes(size);
	part = part_of(memory, 2 * page);
	replace = prepare(&part, 1);
	memset(part.aside, 2, 2 * page);
	if (vas_protect(memory, page, PROT_READ))
		tap_bail("no protection");
	is_err(vas_replace_commit(replace), ESTALE, "protected in part since");
	if (vas_protect(memory, 2 * page, PROT_READ))
		tap_bail("no protection");
	is_err(vas_replace_commit(replace), ESTALE, "protected since");
	if (vas_protect(memory, 2 * page, PROT_READ | PROT_WRITE))
		tap_bail("no protection");
	is_err(vas_replace_commit(replace), 0, "as it was");
	ok(all_are(memory, 2 * page, 2), "the new bytes");
	replace = prepare(&part, 1);
	if (vas_decommit(memory + page, page, NULL))
		tap_bail("no decommit");
	is_err(vas_replace_commit(replace), ESTALE, "decommitted since");
	is_err(vas_replace_cancel(replace), 0, "cancelled");
	part = part_of(memory, page);
	replace = prepare(&part, 1);
	release(memory);
	is_err(vas_replace_commit(replace), ESTALE, "released since");
	is_err(vas_replace_cancel(replace), 0, "cancelled");
	agree("stale");
}

static void test_sealed(void *unused)
{
	unsigned char *memory;
	struct vas_replace_part part;
	struct vas_replace *replace;

	(void)unused;
	if (syscall(SYS_mseal, NULL, 0, 0))
		tap_skip_all("no-mseal", "this kernel has no mseal");
	arena_baseline();
	/* What is sealed stays until the process ends. */
	tap_ignore_leaks(TAP_LEAK_VMAS);
	memory = reserve_bytes(size);
	memset(memory, 1, size);
	part = part_of(memory, size);
	replace = prepare(&part, 1);
	if (syscall(SYS_mseal, memory, size, 0))
		tap_bail("not sealed");
	is_err(vas_replace_commit(replace), EPERM, "sealed mappings stay");
	ok(all_are(memory, size, 1), "with their bytes");
	agree("sealed");
	is_err(vas_replace_cancel(replace), 0, "cancelled");
}

/* With so many mappings left. Returns what commit answers; then old bytes are there or new ones, in both parts. */
static int commit_at_limit(unsigned char *memory, unsigned int room)
{
	struct vas_replace_part parts[2];
	struct vas_replace *replace;
	struct map_limit limit;
	bool old, new;
	int err;

	memset(memory, 1, size);
	parts[0] = part_of(memory + page, page);
	parts[1] = part_of(memory + 3 * page, page);
	replace = prepare(parts, 2);
	memset(parts[0].aside, 2, page);
	memset(parts[1].aside, 2, page);
	if (!map_limit_fill(&limit))
		tap_bail("no limit is met");
	map_limit_give(&limit, room);
	err = vas_replace_commit(replace);
	old = all_are(memory, size, 1);
	new = all_are(memory + page, page, 2) && all_are(memory + 3 * page, page, 2) &&
	      all_are(memory + 4 * page, size - 4 * page, 1);
	map_limit_empty(&limit);
	ok(err ? err == -ENOMEM && old : new, "%u mappings are left: all old bytes or all new", room);
	agree("at the limit");
	if (err)
		is_err(vas_replace_cancel(replace), 0, "cancelled");
	return err;
}

/* At the limit of mappings a move is refused, and leaves both as they were; near it perhaps the second. */
static void test_limit(void *unused)
{
	unsigned char *memory;

	(void)unused;
	if (!map_limit_reachable())
		tap_skip_all("many-mappings", "vm.max_map_count is too high to be reached");
	ballast_forbid();
	arena_baseline();
	/* What was replaced once lies in mappings of its own: a new span each time. */
	memory = reserve_bytes(size);
	is_err(commit_at_limit(memory, 0), ENOMEM, "refused at the limit");
	release(memory);
	memory = reserve_bytes(size);
	(void)commit_at_limit(memory, 6);
	release(memory);
	memory = reserve_bytes(size);
	is_err(commit_at_limit(memory, 16), 0, "done well below it");
	release(memory);
}

/* No child has private pages of the pool: what is there in it is its own. */
static void check_pool_child(const struct vas_replace_part *wish)
{
	struct vas_replace_part part = *wish;
	struct vas_replace *replace;
	int status = -1;
	pid_t child;

	part.flags = VAS_REPLACE_PRIVATE;
	replace = prepare(&part, 1);
	child = fork();
	if (child == 0) {
		if (mmap(part.aside, part.size, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != part.aside)
			_exit(1);
		_exit(vas_replace_cancel(replace) || touch(part.aside, false) ? 2 : 0);
	}
	waitpid(child, &status, 0);
	is_i64(status, 0, "a child cancels what it has not");
	is_err(vas_replace_cancel(replace), 0, "and its parent");
}

static void test_huge(void *unused)
{
	unsigned char *memory;
	struct vas_replace_part part;
	uint64_t left;
	int fd;

	VAS_OPTS(vas_reserve_opts, reserve);
	(void)unused;
	if (!huge_pool_take(4))
		tap_skip_all("no-huge-pages", "no pool of huge pages");
	arena_baseline();
	reserve.alignment = HUGE_PAGE;
	memory = reserve_with(2 * HUGE_PAGE, &reserve, NULL);
	left = huge_pool_free();
	fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)(2 * HUGE_PAGE)))
		tap_bail("no memfd");
	part = part_of(memory, HUGE_PAGE);
	part.flags = VAS_REPLACE_SHARED;
	part.fd = fd;
	check_pool_child(&part);
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "huge pages of the pool for small ones");
	is_u64(huge_pool_free(), left - 1, "one page of the pool");
	memory[HUGE_PAGE - 1] = 3;
	agree("huge pages");
	part.offset = HUGE_PAGE;
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "others for these");
	ok(memory[HUGE_PAGE - 1] == 0, "their bytes");
	part = part_of(memory, HUGE_PAGE);
	is_err(vas_replace_commit(prepare(&part, 1)), 0, "and small ones again");
	part = part_of(memory + page, HUGE_PAGE);
	part.flags = VAS_REPLACE_SHARED;
	part.fd = fd;
	refused("where they cannot lie", &part, 1, EINVAL, VAS_WHY_OBJECT);
	close(fd);
	is_u64(huge_pool_free(), left, "all pages are back");
	agree("small pages");
	release(memory);
	huge_pool_return();
}

/* --- fork --- */

static void check_fork(enum vas_fork policy, const char *name)
{
	unsigned char *memory;
	struct vas_replace_part part;
	struct vas_replace *replace;
	int status = -1;
	pid_t child;

	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.fork = policy;
	memory = reserve_with(size, &reserve, NULL);
	memset(memory, 1, size);
	part = part_of(memory, size);
	replace = prepare(&part, 1);
	memset(part.aside, 2, size);
	child = fork();
	if (child == 0) {
		if (vas_replace_commit(replace) != -ESTALE)
			_exit(1);
		if (vas_replace_cancel(replace))
			_exit(2);
		_exit(vas_sync_check(NULL) ? 3 : 0);
	}
	waitpid(child, &status, 0);
	is_i64(status, 0, "%s: a child can only cancel", name);
	is_err(vas_replace_commit(replace), 0, "%s: its parent commits", name);
	ok(all_are(memory, size, 2), "%s: the new bytes", name);
	child = fork();
	if (child == 0)
		_exit(vas_sync_check(NULL) ? 1 : 0);
	waitpid(child, &status, 0);
	is_i64(status, 0, "%s: a later child has what the policy says", name);
	release(memory);
}

static struct vas_replace *forking; /* a hook about its last part forks */
static void *intruder[2]; /* in the child: where the parent has what is kept, and what is aside */
static pid_t forked = -1;

static int on_replaced(void *context, const struct vas_notice *notice)
{
	struct vas_replace_item *item = &forking->items[0];

	if (notice->span.start != (uint64_t)(uintptr_t)context ||
	    notice->phase != VAS_NOTICE_BEFORE)
		return 0;
	intruder[0] = (void *)(uintptr_t)item->kept;
	intruder[1] = (void *)(uintptr_t)forking->items[1].aside;
	forked = fork();
	for (unsigned int i = 0; forked == 0 && i < 2; i++)
		if (mmap(intruder[i], size, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != intruder[i])
			_exit(1);
	return 0;
}

/* The child has neither, and maps something of its own there before the hook returns. */
static void test_forking_hook(void *unused)
{
	struct vas_replace_part parts[2];
	unsigned char *memory[2];
	int status = -1, err;
	uint64_t id;

	VAS_OPTS(vas_reserve_opts, reserve);
	(void)unused;
	arena_baseline();
	reserve.fork = VAS_FORK_ABSENT;
	for (unsigned int i = 0; i < 2; i++) {
		memory[i] = reserve_with(size, &reserve, NULL);
		parts[i] = part_of(memory[i], size);
		parts[i].prot = PROT_READ;
	}
	forking = prepare(parts, 2);
	if (vas_notice_subscribe(NULL, on_replaced, memory[1], &id))
		tap_bail("no notices");
	err = vas_replace_commit(forking);
	if (forked == 0) {
		if (err != -ESTALE && err != -EBUSY)
			_exit(2);
		if (touch(intruder[0], false) || touch(intruder[1], false))
			_exit(3);
		if (touch(intruder[0], true) != SIGSEGV || touch(intruder[1], true) != SIGSEGV)
			_exit(4);
		_exit(vas_replace_cancel(forking) || touch(intruder[1], false) ? 5 : 0);
	}
	is_err(err, 0, "committed");
	waitpid(forked, &status, 0);
	is_i64(status, 0, "the child's own mappings stay, and as they are");
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	agree("a hook that forks");
	release(memory[0]);
	release(memory[1]);
}

static void test_fork(void *unused)
{
	(void)unused;
	arena_baseline();
	check_fork(VAS_FORK_COPY, "copy");
	check_fork(VAS_FORK_ABSENT, "absent");
	check_fork(VAS_FORK_WIPE, "wipe");
	check_fork(VAS_FORK_TRAP, "trap");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	tap_plan(0);
	tap_case("private memory", test_private, NULL, 10);
	tap_case("objects", test_objects, NULL, 10);
	tap_case("what it has", test_recipe, NULL, 10);
	tap_case("batches", test_batch, NULL, 10);
	tap_case("refusals", test_refusals, NULL, 10);
	tap_case("changed since", test_stale, NULL, 10);
	tap_case("sealed", test_sealed, NULL, 10);
	tap_case("at the limit of mappings", test_limit, NULL, 30);
	tap_case("huge pages of the pool", test_huge, NULL, 30);
	tap_case("fork", test_fork, NULL, 10);
	tap_case("a hook that forks", test_forking_hook, NULL, 10);
	return tap_done();
}
