/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* The line that a report becomes, word for word. */
#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "record/report.h"
#include "record/report_text.h"
#include "tap/tap.h"

#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct vas_report blank(enum vas_operation operation, int error, enum vas_why why)
{
	struct vas_failure failure;
	struct vas_report report;

	vas_failure_begin(&failure, operation, 0);
	failure.error = error;
	failure.why = (uint8_t)why;
	vas_failure_tell(&failure, &report);
	return report;
}

static void is_line(const struct vas_report *report, const char *want, const char *name)
{
	char line[512];
	struct vas_text text;

	vas_text_init(&text, line, sizeof(line));
	vas_report_text(report, &text);
	is_str(line, want, "%s", name);
}

static void test_reserve(void)
{
	struct vas_report report = blank(VAS_OPERATION_RESERVE, -ENOSPC, VAS_WHY_FRAGMENTED);

	report.asked = 64 * GIB;
	report.alignment = 2 * MIB;
	report.min = 4 * GIB;
	report.max = 512 * GIB;
	report.free_total = 100 * GIB;
	report.largest_gap = 12 * GIB;
	report.largest_gap_start = 0x7f00200000;
	is_line(&report,
		"reserve 64 GiB aligned 2 MiB in [4 GiB, 512 GiB): enough is free, but not in one "
		"piece (ENOSPC, fragmented): 100 GiB free, the largest piece 12 GiB at "
		"0x7f00200000; remedy: ask for less, accept a smaller span with min_size, or "
		"widen the limits",
		"fragmented, told");
	report.inferred = 1;
	report.free_total = UINT64_MAX;
	report.largest_gap_start = UINT64_MAX;
	report.max = 0x7fffffff000;
	is_line(&report,
		"reserve 64 GiB aligned 2 MiB in [4 GiB, 0x7fffffff000): likely enough is free, "
		"but not in one piece (ENOSPC, fragmented): the largest piece 12 GiB; remedy: ask "
		"for less, accept a smaller span with min_size, or widen the limits",
		"what is not known is left out, a likely reason says so");
	report = blank(VAS_OPERATION_RESERVE, -ENOSPC, VAS_WHY_FULL);
	report.asked = 1;
	report.free_total = 0;
	report.largest_gap = 0;
	report.largest_gap_start = 0;
	is_line(&report,
		"reserve 1 byte: less than the size is free under these limits (ENOSPC, full): 0 "
		"bytes free; remedy: release something there, or widen the limits",
		"nothing is free");
}

static void test_limits(void)
{
	struct vas_report report = blank(VAS_OPERATION_RESERVE, -ERANGE, VAS_WHY_LIMITS);

	report.asked = 4 * KIB;
	report.limit_first = 0;
	report.limit_second = 3;
	is_line(&report,
		"reserve 4 KiB: the limits exclude each other (ERANGE, limits): limit 0 against "
		"limit 3; remedy: drop or widen one of the two limits that are named",
		"a pair of limits");
	report.limit_second = UINT32_MAX;
	is_line(&report,
		"reserve 4 KiB: the limits exclude each other (ERANGE, limits): limit 0 against "
		"the call's own min, max or alignment; remedy: drop or widen one of the two "
		"limits that are named",
		"a limit and the call");
	report.limit_second = 0;
	is_line(&report,
		"reserve 4 KiB: the limits exclude each other (ERANGE, limits): limit 0 leaves "
		"nothing by itself; remedy: drop or widen one of the two limits that are named",
		"a limit by itself");
}

static void test_kernel_limits(void)
{
	struct vas_report report = blank(VAS_OPERATION_RESERVE, -ENOMEM, VAS_WHY_ADDRESS_LIMIT);

	report.asked = 2 * GIB;
	report.inferred = 1;
	report.address_used = 300 * MIB;
	report.address_limit = GIB;
	is_line(&report,
		"reserve 2 GiB: likely RLIMIT_AS leaves no room (ENOMEM, address-limit): 300 MiB "
		"of 1 GiB address space in use; remedy: raise it with ulimit -v, or ask for less",
		"RLIMIT_AS");
	report.why = VAS_WHY_VMA_LIMIT;
	report.vmas_used = 65530;
	report.vmas_limit = 65530;
	is_line(&report,
		"reserve 2 GiB: likely the process has as many mappings as it may have (ENOMEM, "
		"vma-limit): 65530 of 65530 mappings in use; remedy: raise vm.max_map_count, or "
		"release spans",
		"the VMA limit");
	report.why = VAS_WHY_KERNEL;
	report.inferred = 0;
	report.overcommit_mode = 0;
	report.cgroup_room = 3 * MIB;
	is_line(&report,
		"reserve 2 GiB: the kernel refused, and no known reason explains it (ENOMEM, "
		"kernel): 65530 of 65530 mappings in use, 300 MiB of 1 GiB address space in use, "
		"vm.overcommit_memory is 0, 3 MiB left in the memory group; remedy: see the "
		"system log",
		"an unexplained refusal shows all evidence");
	report = blank(VAS_OPERATION_COMMIT, -ENOMEM, VAS_WHY_OVERCOMMIT);
	report.asked = 64 * GIB;
	report.address = 0x10000;
	report.overcommit_mode = 2;
	report.inferred = 1;
	is_line(&report,
		"commit 64 GiB at 0x10000: likely the kernel's overcommit policy refuses it "
		"(ENOMEM, overcommit): vm.overcommit_memory is 2; remedy: commit less at once, or "
		"change vm.overcommit_memory",
		"overcommit");
	report.why = VAS_WHY_CGROUP;
	report.cgroup_room = 0;
	is_line(&report,
		"commit 64 GiB at 0x10000: likely a memory cgroup has no room for it (ENOMEM, "
		"cgroup): 0 bytes left in the memory group; remedy: raise the memory limit of the "
		"group, or populate less",
		"a control group");
	report = blank(VAS_OPERATION_RESERVE, -EAGAIN, VAS_WHY_LOCKED);
	report.locked_limit = 64 * KIB;
	is_line(&report,
		"reserve: mlockall(MCL_FUTURE) would lock more than RLIMIT_MEMLOCK allows "
		"(EAGAIN, locked): RLIMIT_MEMLOCK is 64 KiB; remedy: raise it with ulimit -l, or "
		"end the locking of new mappings",
		"locked memory");
}

static void test_places(void)
{
	struct vas_report report = blank(VAS_OPERATION_RESERVE, -EEXIST, VAS_WHY_TAKEN);

	report.asked = 64 * KIB;
	report.address = 0x7f0000000000;
	report.probes = 1;
	report.taken = 1;
	is_line(&report,
		"reserve 64 KiB at 0x7f0000000000: something is mapped there (EEXIST, taken): 1 "
		"place tried, 1 taken; remedy: choose another address, or let the library place "
		"the span",
		"an exact address that is taken");
	report = blank(VAS_OPERATION_FIND, -EBUSY, VAS_WHY_RACE);
	report.asked = 64 * KIB;
	report.address = 0x1234;
	report.probes = 40;
	report.taken = 30;
	report.barred = 2;
	is_line(&report,
		"find 64 KiB near 0x1234: other threads took each place between looking and "
		"claiming (EBUSY, race): 40 places tried, 30 taken, 2 barred; remedy: try again, "
		"or widen the limits",
		"an anchor, and all places lost");
}

static void test_others(void)
{
	struct vas_report report = blank(VAS_OPERATION_READ, -EBADMSG, VAS_WHY_ARGUMENT);

	report.line = 17;
	is_line(&report,
		"read: line 17 is malformed (EBADMSG, argument); remedy: compare the call with "
		"the errno table in its header",
		"a malformed line");
	report = blank(VAS_OPERATION_READ, -EIO, VAS_WHY_NONE);
	is_line(&report, "read: refused (EIO, none)", "no reason at all");
	report = blank(VAS_OPERATION_RESERVE, 0, VAS_WHY_NONE);
	report.asked = 64 * GIB;
	report.got = 12 * GIB;
	report.shortfall = VAS_WHY_ADDRESS_LIMIT;
	report.address_used = GIB;
	report.address_limit = 16 * GIB;
	is_line(&report,
		"reserve 64 GiB: got 12 GiB, RLIMIT_AS leaves no room (address-limit): 1 GiB of "
		"16 GiB address space in use; remedy: raise it with ulimit -v, or ask for less",
		"less than asked");
	report = blank(VAS_OPERATION_NONE, 0, VAS_WHY_NONE);
	is_line(&report, "", "no failure, no line");
	report = blank(VAS_OPERATION_RESERVE, -ENOMEM, (enum vas_why)250);
	ok(vas_why_name(report.why) != NULL, "an unknown reason has a name");
	is_line(&report,
		"reserve: a reason that this version does not know (ENOMEM, unknown); remedy: see "
		"the header of the version that gave it",
		"and a line");
}

/* Every reason gives a line that has its name, in a buffer of any length. */
static void test_all(void)
{
	char line[512], cut[512];
	struct vas_text text;
	bool whole = true, prefixes = true;

	for (int why = VAS_WHY_NONE + 1; why < VAS_WHY_COUNT; why++) {
		struct vas_report report = blank(VAS_OPERATION_COMMIT, -ENOMEM, (enum vas_why)why);

		vas_text_init(&text, line, sizeof(line));
		vas_report_text(&report, &text);
		whole = whole && strstr(line, vas_why_name(report.why)) &&
			strstr(line, vas_why_remedy(report.why)) && !strchr(line, '\n') &&
			text.length == strlen(line);
		for (size_t room = 1; room < text.length + 2; room += 7) {
			struct vas_text less;

			vas_text_init(&less, cut, room);
			vas_report_text(&report, &less);
			prefixes = prefixes && less.length == text.length &&
				   strlen(cut) == (room <= text.length ? room - 1 : text.length) &&
				   strncmp(cut, line, strlen(cut)) == 0;
		}
	}
	ok(whole, "every reason has a line with its name and remedy");
	ok(prefixes,
	   "in a small buffer there is the beginning, and the length is the whole line's");
}

int main(void)
{
	tap_plan(0);
	test_reserve();
	test_limits();
	test_kernel_limits();
	test_places();
	test_others();
	test_all();
	return tap_done();
}
