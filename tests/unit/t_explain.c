/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* What is concluded from readings, over kernels that have files and limits and nothing else. */
#include <errno.h>
#include <sys/resource.h>

#include "record/report.h"
#include "space/explain.h"
#include "space/space.h"
#include "support/fake_files.h"
#include "tap/tap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* Nothing is scarce. */
static struct vas_headroom plenty(void)
{
	return (struct vas_headroom){
		.vmas_used = 100,
		.vmas_limit = 65530,
		.address_used = GIB,
		.address_limit = UINT64_MAX,
		.data_used = 10 * MIB,
		.data_limit = UINT64_MAX,
		.locked_used = 0,
		.locked_limit = 64 << 10,
		.memory = 8 * GIB,
		.commit_used = 6 * GIB,
		.commit_limit = 4 * GIB,
		.cgroup_room = UINT64_MAX,
		.overcommit_mode = 0,
	};
}

static void is_why(const struct vas_headroom *room, enum vas_operation operation, uint64_t asked,
		   enum vas_why want, const char *name)
{
	is_str(vas_why_name(vas_explain_refusal(room, operation, asked)), vas_why_name(want), "%s",
	       name);
}

static void test_address_limit(void)
{
	struct vas_headroom room = plenty();

	is_why(&room, VAS_OPERATION_RESERVE, 64 * GIB, VAS_WHY_OVERCOMMIT,
	       "no address limit: more than memory is the last guess");
	is_why(&room, VAS_OPERATION_RESERVE, GIB, VAS_WHY_KERNEL, "nothing explains it");
	room.address_limit = 3 * GIB;
	is_why(&room, VAS_OPERATION_RESERVE, 2 * GIB, VAS_WHY_KERNEL, "exactly the rest fits");
	is_why(&room, VAS_OPERATION_RESERVE, 2 * GIB + 1, VAS_WHY_ADDRESS_LIMIT,
	       "one byte more does not");
	is_why(&room, VAS_OPERATION_RESERVE, UINT64_MAX, VAS_WHY_ADDRESS_LIMIT,
	       "nor does the most");
	is_why(&room, VAS_OPERATION_COMMIT, 2 * GIB + 1, VAS_WHY_KERNEL,
	       "a commit replaces address space that is there already");
	room.address_used = 4 * GIB;
	is_why(&room, VAS_OPERATION_RESERVE, 1, VAS_WHY_ADDRESS_LIMIT, "beyond the limit already");
	is_why(&room, VAS_OPERATION_COMMIT, 1, VAS_WHY_ADDRESS_LIMIT,
	       "which refuses a replacement, too");
	room.address_used = UINT64_MAX;
	is_why(&room, VAS_OPERATION_RESERVE, 2 * GIB + 1, VAS_WHY_KERNEL,
	       "use not known: no guess");
}

static void test_vma_limit(void)
{
	struct vas_headroom room = plenty();

	room.vmas_used = 65527;
	is_why(&room, VAS_OPERATION_COMMIT, 1, VAS_WHY_KERNEL, "three mappings are left");
	room.vmas_used = 65528;
	is_why(&room, VAS_OPERATION_COMMIT, 1, VAS_WHY_VMA_LIMIT, "two are not enough for a split");
	room.address_limit = GIB;
	is_why(&room, VAS_OPERATION_RESERVE, 1, VAS_WHY_ADDRESS_LIMIT,
	       "near the one limit and beyond the other: the other");
	room.vmas_used = 65531;
	is_why(&room, VAS_OPERATION_RESERVE, 1, VAS_WHY_VMA_LIMIT,
	       "beyond both: the number of mappings is what the kernel asks first");
	room.vmas_limit = UINT64_MAX;
	room.address_limit = UINT64_MAX;
	is_why(&room, VAS_OPERATION_RESERVE, 1, VAS_WHY_KERNEL, "limit not known: no guess");
}

static void test_memory(void)
{
	struct vas_headroom room = plenty();

	is_why(&room, VAS_OPERATION_COMMIT, 8 * GIB, VAS_WHY_KERNEL,
	       "mode 0 allows what memory holds");
	is_why(&room, VAS_OPERATION_COMMIT, 8 * GIB + 1, VAS_WHY_OVERCOMMIT, "and no more at once");
	room.overcommit_mode = 1;
	is_why(&room, VAS_OPERATION_COMMIT, 64 * GIB, VAS_WHY_KERNEL, "mode 1 allows all");
	room.overcommit_mode = 2;
	is_why(&room, VAS_OPERATION_COMMIT, 4096, VAS_WHY_OVERCOMMIT, "mode 2 beyond its limit");
	room.commit_used = GIB;
	is_why(&room, VAS_OPERATION_COMMIT, 2 * GIB, VAS_WHY_KERNEL, "mode 2 below it");
	is_why(&room, VAS_OPERATION_COMMIT, 3 * GIB, VAS_WHY_OVERCOMMIT,
	       "mode 2 keeps a part back for the administrator");
	room.overcommit_mode = UINT32_MAX;
	is_why(&room, VAS_OPERATION_COMMIT, 64 * GIB, VAS_WHY_KERNEL, "mode not known: no guess");

	room = plenty();
	room.data_limit = 10 * MIB;
	is_why(&room, VAS_OPERATION_COMMIT, 20 * MIB, VAS_WHY_KERNEL,
	       "data: a commit that replaces pages does not count");
	room.data_limit = 10 * MIB - 1;
	is_why(&room, VAS_OPERATION_COMMIT, 4096, VAS_WHY_DATA_LIMIT,
	       "data: beyond the limit already");
	is_why(&room, VAS_OPERATION_RESERVE, 4096, VAS_WHY_KERNEL, "reserved memory is no data");

	room = plenty();
	room.cgroup_room = MIB;
	is_why(&room, VAS_OPERATION_COMMIT, MIB, VAS_WHY_KERNEL, "group: the rest fits");
	is_why(&room, VAS_OPERATION_COMMIT, 2 * MIB, VAS_WHY_CGROUP, "group: more does not");
	is_why(&room, VAS_OPERATION_RESERVE, 2 * MIB, VAS_WHY_KERNEL,
	       "reserved memory is not charged");
}

static const struct fake_file tight_files[] = {
	{ "/proc/self/statm", "2048 20 10 1 0 50 0\n" }, /* 8 MiB */
	{ "/proc/self/status", "VmLck:\t 16 kB\nVmData:\t 1024 kB\n" },
	{ "/proc/sys/vm/overcommit_memory", "2\n" },
	{ "/proc/sys/vm/max_map_count", "3\n" },
	{ "/proc/meminfo", "MemTotal: 4096 kB\nCommitLimit: 3200 kB\nCommitted_AS: 2076 kB\n" },
	{ "/proc/self/maps", "10000-20000 r-xp 00000000 08:01 5 /bin/x\n" },
	{ NULL, NULL },
};

/* The same with room for mappings. */
static const struct fake_file commit_files[] = {
	{ "/proc/self/statm", "2048 20 10 1 0 50 0\n" },
	{ "/proc/sys/vm/overcommit_memory", "2\n" },
	{ "/proc/sys/vm/max_map_count", "65530\n" },
	{ "/proc/meminfo", "MemTotal: 4096 kB\nCommitLimit: 3200 kB\nCommitted_AS: 2076 kB\n" },
	{ "/proc/self/maps", "10000-20000 r-xp 00000000 08:01 5 /bin/x\n" },
	{ NULL, NULL },
};

/* A space of which only the kernel is used. */
static void space_over(struct vas_space *space, struct fake_files *fake)
{
	memset(space, 0, sizeof(*space));
	space->sys = &fake->sys;
}

static void test_shortfall(void)
{
	const struct fake_limit limits[] = {
		{ RLIMIT_AS, 10 * MIB + 100 },
		{ RLIMIT_MEMLOCK, 64 << 10 },
		{ -1, 0 },
	};
	static struct vas_space space;
	struct fake_files fake;
	uint64_t attainable = 7;

	fake_files_init(&fake, tight_files);
	fake.limits = limits;
	space_over(&space, &fake);
	is_str(vas_why_name(vas_explain_shortfall(&space, 4 * MIB, -ENOMEM, &attainable)),
	       "address-limit", "RLIMIT_AS stops it");
	is_u64(attainable, 2 * MIB, "and leaves whole pages");
	is_u64(fake.opens, 1, "known from one file");
	is_str(vas_why_name(vas_explain_shortfall(&space, 4 * MIB, -EAGAIN, &attainable)), "locked",
	       "locking stops it");
	is_u64(attainable, 48 << 10, "and leaves the rest of RLIMIT_MEMLOCK");
	is_str(vas_why_name(vas_explain_shortfall(&space, 1 * MIB, -ENOMEM, &attainable)),
	       "vma-limit", "the VMA limit stops it");
	is_u64(attainable, 0, "and no size would do");
	is_str(vas_why_name(vas_explain_shortfall(&space, 1 * MIB, -EPERM, &attainable)), "kernel",
	       "another error says nothing");
	is_u64(attainable, UINT64_MAX, "about what is left");
	is_u64(fake.opened, 0, "every file is closed");

	fake_files_init(&fake, commit_files);
	space_over(&space, &fake);
	is_str(vas_why_name(vas_explain_shortfall(&space, 4 * MIB, -ENOMEM, &attainable)),
	       "overcommit", "mode 2 stops it");
	is_u64(attainable, MIB, "and leaves the rest, less what it keeps back");
}

static void test_explain(void)
{
	struct vas_failure failure;
	struct vas_report report;
	struct fake_files fake;

	fake_files_init(&fake, commit_files);
	vas_sys_replace(&fake.sys);
	vas_failure_begin(&failure, VAS_OPERATION_COMMIT, MIB);
	failure.error = -ENOMEM;
	failure.why = VAS_WHY_KERNEL;
	is_err(vas_explain(NULL, &failure, &report), 0, "without a space it is explained too");
	is_str(vas_why_name(report.why), "kernel", "nothing is near its limit");
	ok(!report.inferred, "so nothing was inferred");
	is_u64(report.vmas_used, 1, "the evidence is there: mappings");
	is_u64(report.address_used, 8 * MIB, "address space");
	is_u64(report.overcommit_mode, 2, "the overcommit mode");
	is_u64(report.largest_gap, UINT64_MAX, "no survey was made");

	failure.asked = 16 * MIB; /* beyond the commit limit */
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "overcommit", "more is explained by mode 2");
	is_u64(report.inferred, 1, "which is inferred");
	failure.why = VAS_WHY_BOOKS;
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "books", "what is known better is kept");
	ok(!report.inferred, "and is not inferred");

	vas_failure_begin(&failure, VAS_OPERATION_RESERVE, 4 * MIB);
	failure.error = -ENOSPC;
	failure.why = VAS_WHY_TAKEN;
	failure.free_total = 4 * MIB;
	failure.largest_gap = MIB;
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "fragmented", "enough is free, but not in one piece");
	failure.free_total = 4 * MIB - 1;
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "full", "not enough is free");
	failure.free_total = 64 * MIB;
	failure.largest_gap = 4 * MIB;
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "taken", "room for it now says nothing about then");
	failure.error = -EEXIST;
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "taken", "an address that is taken is taken");
	failure.error = -EAGAIN;
	failure.why = VAS_WHY_KERNEL;
	vas_explain(NULL, &failure, &report);
	is_str(vas_why_name(report.why), "locked", "EAGAIN is locking");
	vas_sys_replace(NULL);
}

int main(void)
{
	tap_plan(0);
	test_address_limit();
	test_vma_limit();
	test_memory();
	test_shortfall();
	test_explain();
	return tap_done();
}
