/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings over the real kernel: one buffer at several places, what the kernel maps, sizes that cannot be, the test
 * across the seams, forked children.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "arena/ring.h"
#include "support/arena_looks.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

static uint64_t page;

static struct vas_ring_info look(struct vas_ring *ring)
{
	struct vas_ring_info info = { .size = sizeof(info) };

	if (vas_ring_get(ring, &info))
		tap_bail("the ring tells nothing");
	return info;
}

static struct vas_ring *make(uint64_t size, uint32_t copies, enum vas_fork fork)
{
	struct vas_ring *ring = NULL;

	VAS_OPTS(vas_ring_opts, opts);
	VAS_OPTS(vas_arena_opts, arena);
	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.fork = fork;
	arena.reserve = &reserve;
	opts.arena = &arena;
	opts.copies = copies;
	if (vas_ring_create(size, &opts, &ring))
		tap_bail("no ring");
	return ring;
}

/* Kernel mappings in a ring's span that are shared and writable, when they are copies of all of it. */
static unsigned int copies_mapped(const struct vas_ring_info *info)
{
	struct vas_span span = info->span;

	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long low, high, offset;
	unsigned int count = 0;
	char line[512], prot[5];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %4s %llx", &low, &high, prot, &offset) == 4 &&
		    low >= span.start && high <= span.start + span.size)
			count += high - low == info->bytes && offset == info->offset && !strcmp(prot, "rw-s");
	if (maps)
		fclose(maps);
	return count;
}

static bool fill(struct vas_ring_info info)
{
	unsigned char *start = vas_span_pointer(info.span);
	bool same = true;

	for (uint64_t i = 0; i < info.bytes; i++)
		start[(i % info.copies) * info.bytes + i] = (unsigned char)(i * 7 + i / 256);
	for (uint64_t i = 0; i < info.span.size; i++) {
		uint64_t in = i % info.bytes;

		same &= start[i] == (unsigned char)(in * 7 + in / 256);
	}
	return same;
}

static void check_copies(uint64_t size, uint32_t copies)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_ring *ring = make(size, copies, VAS_FORK_DEFAULT);
	struct vas_ring_info info = look(ring);
	unsigned int want = copies ? copies : 2;
	const unsigned char *start = vas_span_pointer(info.span);
	bool zero = true;

	tap_diag("%llu pages, %u copies", (unsigned long long)(size / page), copies);
	ok(info.bytes == size && info.copies == want && info.span.size == want * size &&
		   info.page_size == page && info.fd >= 0,
	   "it is what was asked for");
	is_str(info.name, "ring", "its name");
	for (uint64_t i = 0; i < info.span.size; i++)
		zero &= start[i] == 0;
	ok(zero, "it begins as zero");
	ok(fill(info), "what is written at one place is seen in each copy");
	is_u64(copies_mapped(&info), want, "one kernel mapping a copy");
	is_err(vas_stats_get(&stats), 0, "the sums");
	is_u64(stats.committed, size, "its bytes are counted once");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_decommit(vas_span_pointer(info.span), page, NULL), -EBUSY, "nobody else changes it");
	is_err(vas_ring_destroy(ring, NULL), 0, "destroyed");
	is_err(vas_stats_get(&stats), 0, "the sums");
	is_u64(stats.committed + stats.spans, 0, "nothing is left");
	is_err(vas_sync_check(NULL), 0, "nor in the maps");
}

static void test_copies(void *unused)
{
	(void)unused;
	arena_baseline();
	check_copies(page, 0);
	check_copies(3 * page, 2);
	check_copies(5 * page, 3);
	check_copies(page, 100);
}

static void check_refused(uint64_t size, uint64_t below, uint64_t above)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_ring *ring = NULL;

	is_err(vas_ring_create(size, NULL, &ring), -EINVAL, "%llu bytes are refused",
	       (unsigned long long)size);
	is_err(vas_report_get(&report), 0, "with a report");
	ok(report.min == below && report.max == above, "of the nearest that would do");
	ok(ring == NULL && report.operation == VAS_OPERATION_RING, "and nothing else");
}

static void test_sizes(void *unused)
{
	struct vas_ring *ring;
	char line[300];

	(void)unused;
	arena_baseline();
	check_refused(0, 0, page);
	check_refused(1, 0, page);
	check_refused(page - 1, 0, page);
	check_refused(page + 1, page, 2 * page);
	check_refused(10 * page + 100, 10 * page, 11 * page);
	vas_report_format(line, sizeof(line));
	ok(strstr(line, "the nearest that would do: ") != NULL, "the report says so: %s", line);
	is_err(vas_ring_create(11 * page, NULL, &ring), 0, "the nearest above does");
	is_err(vas_ring_destroy(ring, NULL), 0, "destroyed");
}

/* Copies that are none: what the self-test is for. */
static void test_meets(void *unused)
{
	static unsigned char bytes[3 * 64];
	unsigned char zero[sizeof(bytes)] = { 0 };
	struct vas_ring *ring;
	struct vas_ring_info info;

	(void)unused;
	arena_baseline();
	ok(!vas_ring_meets(bytes, 64, 2), "memory that is there once is no ring");
	ok(!vas_ring_meets(bytes, 64, 3), "nor with three copies");
	ok(memcmp(bytes, zero, sizeof(bytes)) == 0, "and it is as it was");
	ring = make(page, 3, VAS_FORK_DEFAULT);
	info = look(ring);
	ok(vas_ring_meets(vas_span_pointer(info.span), page, 3), "a ring is one");
	ok(!vas_ring_meets(vas_span_pointer(info.span), page / 2, 2), "half of its pages are none");
	is_err(vas_ring_destroy(ring, NULL), 0, "destroyed");
}

static int child_exit(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void test_fork(void *unused)
{
	struct vas_ring *absent, *shared;
	unsigned char *start;
	pid_t child;

	(void)unused;
	arena_baseline();
	absent = make(2 * page, 2, VAS_FORK_DEFAULT);
	shared = make(2 * page, 2, VAS_FORK_SHARE);
	start = vas_span_pointer(look(shared).span);
	child = fork();
	if (child == 0) {
		struct vas_ring_info info = { .size = sizeof(info) };

		if (vas_ring_get(absent, &info) != -ESTALE ||
		    vas_ring_destroy(absent, NULL) != -ESTALE)
			_exit(1);
		if (vas_ring_get(shared, &info) || info.bytes != 2 * page)
			_exit(2);
		start[3 * page] = 77;
		_exit(vas_ring_destroy(shared, NULL) ? 3 : 0);
	}
	is_i64(child_exit(child), 0, "a child has what its policy says");
	is_i64(start[page], 77, "what it wrote is seen, in the other copy");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_ring_destroy(absent, NULL), 0, "destroyed");
	is_err(vas_ring_destroy(shared, NULL), 0, "destroyed");
}

static void test_huge(void *unused)
{
	static const uint64_t ladder[] = { HUGE_PAGE };
	struct vas_report report = { .size = sizeof(report) };
	struct vas_ring *ring = NULL;
	struct vas_ring_info info;
	uint64_t have;

	VAS_OPTS(vas_ring_opts, opts);
	VAS_OPTS(vas_arena_opts, arena);
	(void)unused;
	if (!huge_pool_take(4))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	arena_baseline();
	have = huge_pool_free();
	arena.ladder = ladder;
	arena.ladder_count = 1;
	arena.flags = VAS_ARENA_STRICT;
	opts.arena = &arena;
	is_err(vas_ring_create(HUGE_PAGE + page, &opts, &ring), -EINVAL, "a huge page and a page");
	is_err(vas_report_get(&report), 0, "with a report");
	ok(report.min == HUGE_PAGE && report.max == 2 * HUGE_PAGE, "of the nearest that would do");
	is_err(vas_ring_create(0, &opts, &ring), -EINVAL, "nothing");
	is_err(vas_report_get(&report), 0, "with a report");
	ok(report.min == 0 && report.max == HUGE_PAGE, "of the nearest that would do");
	is_u64(huge_pool_free(), have, "and the pool as it was");
	is_err(vas_ring_create(2 * HUGE_PAGE, &opts, &ring), 0, "two huge pages, seen twice");
	info = look(ring);
	ok(info.page_size == HUGE_PAGE && info.span.size == 4 * HUGE_PAGE, "of the pool");
	is_u64(huge_pool_free(), have - 2, "each taken once");
	ok(fill(info), "what is written at one place is seen in each copy");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_ring_destroy(ring, NULL), 0, "destroyed");
	is_u64(huge_pool_free(), have, "the pool has them back");
}

/* A second handle, as another process has one. */
static void test_opened(void *unused)
{
	struct vas_ring_info info = { .size = sizeof(info) }, there = { .size = sizeof(there) };
	struct vas_ring *ring, *other = NULL;
	struct vas_arena *arena = NULL;

	(void)unused;
	arena_baseline();
	ring = make(3 * page, 2, VAS_FORK_ABSENT);
	is_err(vas_ring_get(ring, &info), 0, "a ring");
	is_err(vas_arena_open(info.fd, info.header, NULL, &arena), EBADMSG, "which is no arena");
	is_err(vas_ring_open(info.fd, info.header, NULL, &other), 0, "opened");
	is_err(vas_ring_get(other, &there), 0, "it tells");
	ok(there.copies == 2 && there.bytes == 3 * page && there.span.start != info.span.start,
	   "that it is the same elsewhere");
	memcpy((char *)vas_span_pointer(info.span) + 3 * page - 4, "seamless", 8);
	ok(memcmp((char *)vas_span_pointer(there.span) + 3 * page - 4, "seamless", 8) == 0,
	   "what is written across the seam is seen");
	is_err(vas_ring_destroy(ring, NULL), 0, "the maker ends");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_ring_destroy(other, NULL), 0, "and the other");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("copies", test_copies, NULL, 20);
	tap_case("opened again", test_opened, NULL, 20);
	tap_case("sizes", test_sizes, NULL, 20);
	tap_case("the test across the seams", test_meets, NULL, 20);
	tap_case("huge pages, without a mount", test_huge, NULL, 20);
	tap_case("fork", test_fork, NULL, 20);
	return tap_done();
}
