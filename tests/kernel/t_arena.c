/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/*
 * Arenas over the real kernel: growing and shrinking in place, what the kernel maps and holds meanwhile,
 * refusals that leave everything as it was, notices, forked children.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "tap/tap.h"

#define MIB (1ull << 20)

static uint64_t page;

static struct vas_arena *make(enum vas_arena_kind kind, uint64_t maximum, uint64_t initial)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.initial = initial;
	if (vas_arena_create(maximum, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

/* Kernel mappings in a span, and whether none of it is unmapped. */
static unsigned int mappings(struct vas_span span)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long low, high;
	unsigned int count = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx", &low, &high) == 2 && low < span.start + span.size &&
		    high > span.start)
			count++;
	if (maps)
		fclose(maps);
	return count;
}

static void test_grow(enum vas_arena_kind kind, const char *name)
{
	struct vas_arena *arena = make(kind, 64 * MIB, page);
	struct vas_arena_info info = arena_look(arena);
	unsigned char *start = arena_start(arena);
	bool kept = true, zero = true, steady = true;
	unsigned int before = mappings(info.span);
	struct vas_stats stats = { .size = sizeof(stats) };
	uint64_t now;

	is_u64(vas_arena_size(arena), page, "%s: one page", name);
	memset(start, 0x5a, page);
	for (uint64_t size = 2 * page; size <= 16 * MIB; size += size) {
		if (vas_arena_grow(arena, size, 0, &now) || now != size)
			tap_bail("it does not grow");
		zero &= start[size / 2] == 0 && start[size - 1] == 0;
		start[size - 1] = 0x5a;
		kept &= start[0] == 0x5a && start[page - 1] == 0x5a && arena_start(arena) == start;
		steady &= mappings(info.span) <= before;
	}
	ok(zero, "%s: what it grows by is zero", name);
	ok(kept, "%s: what was there stays", name);
	ok(steady, "%s: no kernel mapping is added", name);
	is_u64(vas_arena_size(arena), 16 * MIB, "%s: as large as it was made", name);
	is_err(vas_stats_get(&stats), 0, "the sums");
	is_u64(stats.committed, 16 * MIB, "%s: counted as committed", name);
	is_err(vas_arena_grow(arena, page, 0, &now), 0, "%s: as large already", name);
	is_u64(now, 16 * MIB, "%s: and stays so", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);

	is_err(vas_arena_shrink(arena, 3 * page - 1), 0, "%s: shrunk", name);
	is_u64(vas_arena_size(arena), 3 * page, "%s: to whole pages", name);
	ok(start[0] == 0x5a && start[3 * page - 1] == 0, "%s: what is left stays", name);
	is_err(vas_stats_get(&stats), 0, "the sums");
	is_u64(stats.committed, 3 * page, "%s: the rest is not counted", name);
	if (kind == VAS_ARENA_MEMFD)
		is_u64(arena_held(arena), 3 * page, "%s: nor held by the kernel", name);
	is_err(vas_arena_grow(arena, 16 * MIB, 0, NULL), 0, "%s: grown again", name);
	ok(start[4 * page - 1] == 0 && start[16 * MIB - 1] == 0, "%s: zero again", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree still", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
	is_err(vas_stats_get(&stats), 0, "the sums");
	is_u64(stats.committed + stats.spans, 0, "%s: nothing is left", name);
	is_err(vas_sync_check(NULL), 0, "%s: nor in the maps", name);
}

static void test_grow_memfd(void *unused)
{
	(void)unused;
	arena_baseline();
	test_grow(VAS_ARENA_MEMFD, "memfd");
}

static void test_grow_private(void *unused)
{
	(void)unused;
	arena_baseline();
	test_grow(VAS_ARENA_ANONYMOUS, "private");
}

static void test_bounds(void *unused)
{
	struct vas_arena *arena = NULL;
	struct vas_arena_info info;
	struct vas_owner owner;
	uint64_t now = 1;

	(void)unused;
	arena_baseline();
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_arena_opts, opts);
	reserve.name = "grows";
	opts.reserve = &reserve;
	opts.step = 4 * page;
	opts.cap = 10 * page;
	opts.initial = 1;
	is_err(vas_arena_create(61 * page, &opts, &arena), 0, "an arena with a step of four pages");
	info = arena_look(arena);
	is_u64(info.maximum, 64 * page, "the maximum is rounded to the step");
	is_u64(info.bytes, 4 * page, "and what it begins with");
	is_u64(info.page_size, page, "the page size");
	is_str(info.name, "grows", "the name");
	is_err(vas_arena_grow(arena, 8 * page, 0, &now), 0, "up to the cap");
	is_err(vas_arena_grow(arena, 10 * page, 0, &now), EDQUOT, "beyond it");
	is_err(vas_arena_grow(arena, 65 * page, 0, &now), ERANGE, "beyond the maximum");
	is_u64(now, 8 * page, "what was told stays");
	is_err(vas_arena_grow(arena, 65 * page, 5 * page, &now), 0, "at least what is there");
	is_u64(now, 8 * page, "is there");
	is_err(vas_arena_grow(arena, page, 2 * page, &now), EINVAL, "at least more than that");
	is_err(vas_owner_at(vas_span_pointer(info.span), &owner), 0, "the span has an owner");
	is_err(vas_commit(vas_span_pointer(info.span), page, NULL), EBUSY, "whom nobody else changes");
	is_err(vas_release(vas_span_pointer(info.span), NULL), EBUSY, "nor releases");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* RLIMIT_FSIZE: no signal, nothing is changed. */
static void test_file_limit(void *unused)
{
	struct rlimit limit = { 100 * MIB, 100 * MIB };
	struct vas_report report = { .size = sizeof(report) };
	struct vas_arena *arena;
	unsigned char *start;
	uint64_t now = 1;

	(void)unused;
	arena_baseline();
	arena = make(VAS_ARENA_MEMFD, 256 * MIB, 2 * MIB);
	start = arena_start(arena);
	start[2 * MIB - 1] = 7;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		tap_bail("no limit");
	/* The second step is refused. */
	is_err(vas_arena_grow(arena, 200 * MIB, 0, &now), ENOSPC, "beyond RLIMIT_FSIZE");
	is_err(vas_report_get(&report), 0, "a report");
	is_str(vas_why_name(report.why), "file-limit", "the reason");
	is_u64(now, 1, "what was told stays");
	is_u64(vas_arena_size(arena), 2 * MIB, "the size is as before");
	is_u64(arena_held(arena), 2 * MIB, "and so is the object");
	is_u64(start[2 * MIB - 1], 7, "and what is in it");
	is_err(vas_arena_grow(arena, 200 * MIB, 3 * MIB, &now), 0, "at least three MiB");
	is_u64(now, 100 * MIB - arena_look(arena).offset, "as much as may be");
	start[now - 1] = 1;
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* A daemon closes descriptors, and opens another file with the same number. */
static void test_descriptor(void *unused)
{
	struct vas_arena *arena;
	unsigned char *start;
	int fd, other;

	(void)unused;
	arena_baseline();
	arena = make(VAS_ARENA_MEMFD, 64 * MIB, MIB);
	start = arena_start(arena);
	fd = arena_look(arena).fd;
	other = memfd_create("other", MFD_CLOEXEC);
	if (other < 0 || ftruncate(other, (off_t)(4 * MIB)) || dup2(other, fd) != fd)
		tap_bail("no other file");
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), EBADF, "another's descriptor");
	is_err(vas_arena_shrink(arena, page), EBADF, "neither smaller");
	is_u64(vas_arena_size(arena), MIB, "the size is as before");
	start[MIB - 1] = 3;
	is_u64((uint64_t)lseek(other, 0, SEEK_END), 4 * MIB, "the other file is as it was");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	ok(fstat(fd, &(struct stat){ 0 }) == 0, "what is not ours stays open");
	close(fd);
	close(other);
}

static struct {
	struct vas_arena *arena;
	struct vas_notice seen[8];
	unsigned int count;
	int answer;
	int inside;
} heard;

static int hear(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (heard.count < 8)
		heard.seen[heard.count] = *notice;
	heard.count++;
	if (notice->phase == VAS_NOTICE_BEFORE)
		heard.inside = vas_arena_grow(heard.arena, 32 * MIB, 0, NULL);
	return notice->phase == VAS_NOTICE_BEFORE ? heard.answer : 0;
}

static void check_notices(enum vas_arena_kind kind, enum vas_change grow, enum vas_change shrink)
{
	struct vas_arena *arena = make(kind, 64 * MIB, MIB);
	uint64_t id, before, after, start = arena_look(arena).span.start;

	memset(&heard, 0, sizeof(heard));
	heard.arena = arena;
	if (vas_notice_subscribe(NULL, hear, NULL, &id) ||
	    vas_generation_at(arena_start(arena), &before))
		tap_bail("no notices");
	is_err(vas_arena_grow(arena, 3 * MIB, 0, NULL), 0, "grown");
	is_u64(heard.count, 2, "told before and after");
	is_u64(heard.seen[0].change, grow, "of what it is");
	ok(heard.seen[1].span.start == start + MIB && heard.seen[1].span.size == 2 * MIB,
	   "of the new bytes");
	is_err(heard.inside, EDEADLK, "it does not grow in there");
	is_err(vas_generation_at(arena_start(arena), &after), 0, "the generation");
	is_u64(after, before + 1, "counts it");
	is_u64(heard.seen[1].generation, after, "as was told");
	heard.answer = -EPERM;
	is_err(vas_arena_grow(arena, 5 * MIB, 0, NULL), EBUSY, "vetoed");
	is_err(vas_arena_shrink(arena, MIB), EBUSY, "neither shrunk");
	is_u64(vas_arena_size(arena), 3 * MIB, "nothing has changed");
	heard.answer = 0;
	heard.count = 0;
	is_err(vas_arena_shrink(arena, MIB), 0, "shrunk");
	ok(heard.count == 2 && heard.seen[1].change == shrink, "told of it");
	is_err(vas_notice_cancel(id), 0, "no more notices");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_notices(void *unused)
{
	(void)unused;
	arena_baseline();
	check_notices(VAS_ARENA_MEMFD, VAS_CHANGE_GROW, VAS_CHANGE_SHRINK);
	check_notices(VAS_ARENA_ANONYMOUS, VAS_CHANGE_COMMIT, VAS_CHANGE_DECOMMIT);
}

static const struct {
	enum vas_arena_kind kind;
	enum vas_fork fork;
	int made; /* what making it answers */
	int grows; /* what growing answers in the child */
	bool seen; /* the parent sees what the child writes */
	bool there; /* the child has the bytes */
} forks[] = {
	{ VAS_ARENA_MEMFD, VAS_FORK_DEFAULT, 0, EPERM, true, true },
	{ VAS_ARENA_MEMFD, VAS_FORK_SHARE, 0, EPERM, true, true },
	{ VAS_ARENA_MEMFD, VAS_FORK_ABSENT, 0, ESTALE, false, false },
	{ VAS_ARENA_MEMFD, VAS_FORK_TRAP, 0, ESTALE, false, false },
	{ VAS_ARENA_MEMFD, VAS_FORK_COPY, 0, 0, false, true },
	{ VAS_ARENA_MEMFD, VAS_FORK_WIPE, EOPNOTSUPP, 0, false, false },
	{ VAS_ARENA_ANONYMOUS, VAS_FORK_DEFAULT, 0, 0, false, true },
	{ VAS_ARENA_ANONYMOUS, VAS_FORK_COPY, 0, 0, false, true },
	{ VAS_ARENA_ANONYMOUS, VAS_FORK_ABSENT, 0, ESTALE, false, false },
	{ VAS_ARENA_ANONYMOUS, VAS_FORK_TRAP, 0, ESTALE, false, false },
	{ VAS_ARENA_ANONYMOUS, VAS_FORK_SHARE, EOPNOTSUPP, 0, false, false },
};

/* In the child: 0, or the number of what is wrong. */
static int child_of(unsigned int i, struct vas_arena *arena, unsigned char *start)
{
	bool absent = forks[i].grows == ESTALE;

	if (vas_arena_size(arena) != (absent ? 0 : MIB))
		return 1;
	if (vas_arena_grow(arena, 2 * MIB, 0, NULL) != -forks[i].grows)
		return 2;
	if (forks[i].there) {
		if (start[0] != 1)
			return 3;
		start[0] = 2;
	}
	if (vas_sync_check(NULL))
		return 4;
	return vas_arena_destroy(arena, NULL) == (absent ? -ESTALE : 0) ? 0 : 5;
}

static void test_fork(void *unused)
{
	(void)unused;
	arena_baseline();
	for (unsigned int i = 0; i < sizeof(forks) / sizeof(forks[0]); i++) {
		struct vas_arena *arena = NULL;
		unsigned char *start;
		int status = 0;
		pid_t child;

		VAS_OPTS(vas_reserve_opts, reserve);
		VAS_OPTS(vas_arena_opts, opts);
		reserve.fork = forks[i].fork;
		opts.reserve = &reserve;
		opts.kind = forks[i].kind;
		opts.initial = MIB;
		is_err(vas_arena_create(64 * MIB, &opts, &arena), forks[i].made, "row %u", i);
		if (forks[i].made)
			continue;
		start = arena_start(arena);
		start[0] = 1;
		child = fork();
		if (child == 0)
			_exit(child_of(i, arena, start));
		ok(child > 0 && waitpid(child, &status, 0) == child && status == 0,
		   "row %u: the child has what it should (%d)", i, WEXITSTATUS(status));
		is_u64(start[0], forks[i].seen ? 2 : 1, "row %u: what the parent sees", i);
		is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "row %u: the parent's grows", i);
		is_err(vas_arena_destroy(arena, NULL), 0, "row %u: destroyed", i);
	}
}

static struct {
	struct vas_arena *arena;
	unsigned char *start;
	unsigned int wrong; /* (atomic) */
	unsigned int done; /* (atomic) */
} readers;

static void *read_all(void *context)
{
	(void)context;
	while (!__atomic_load_n(&readers.done, __ATOMIC_ACQUIRE)) {
		uint64_t size = vas_arena_size(readers.arena);

		for (uint64_t at = 0; at < size; at += 16 * page) {
			unsigned char byte = __atomic_load_n(&readers.start[at], __ATOMIC_RELAXED);

			if (byte != 0 && byte != (unsigned char)(at / page + 1))
				__atomic_fetch_add(&readers.wrong, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

/* The same address, while others read: the one thing that an arena is for. */
static void check_readers(enum vas_arena_kind kind)
{
	pthread_t threads[8];

	memset(&readers, 0, sizeof(readers));
	readers.arena = make(kind, 256 * MIB, page);
	readers.start = arena_start(readers.arena);
	for (int i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, read_all, NULL))
			tap_bail("no thread");
	for (uint64_t size = page; size < 4 * MIB; size += 16 * page) {
		__atomic_store_n(&readers.start[size - page], (unsigned char)(size / page),
				 __ATOMIC_RELAXED);
		if (vas_arena_grow(readers.arena, size + 16 * page, 0, NULL))
			tap_bail("it does not grow");
	}
	__atomic_store_n(&readers.done, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	is_u64(readers.wrong, 0, "eight readers see nothing but what was written");
	is_err(vas_arena_destroy(readers.arena, NULL), 0, "destroyed");
}

static void test_readers(void *unused)
{
	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	check_readers(VAS_ARENA_MEMFD);
	check_readers(VAS_ARENA_ANONYMOUS);
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("growing and shrinking a memfd", test_grow_memfd, NULL, 20);
	tap_case("growing and shrinking private memory", test_grow_private, NULL, 20);
	tap_case("steps, caps and the maximum", test_bounds, NULL, 20);
	tap_case("a limit on the size of files", test_file_limit, NULL, 20);
	tap_case("a descriptor that is another's by now", test_descriptor, NULL, 20);
	tap_case("notices", test_notices, NULL, 20);
	tap_case("forked children", test_fork, NULL, 20);
	tap_case("growing while eight threads read", test_readers, NULL, 20);
	return tap_done();
}
