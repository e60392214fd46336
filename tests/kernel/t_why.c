/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * The kernel's limits one after the other: each refusal is explained by the
 * limit that was set, and by no other. Sanitizers map terabytes themselves, so
 * not under them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* The space is there before limits are: what it keeps is no leak of a case. */
static void warm_up(void)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span;
	VAS_OPTS(vas_reserve_opts, opts);

	opts.max = 1; /* fails, so that a report is made once */
	if (vas_reserve(MIB, NULL, &span) != 0 || vas_release(vas_span_pointer(span), NULL) != 0)
		tap_bail("not even one span");
	vas_reserve(MIB, &opts, &span);
	vas_report_explain(&report);
	tap_baseline();
}

static void set_limit(int resource, uint64_t bytes)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	setrlimit(resource, &limit);
}

/* The explanation names this reason, in the struct and in the line. */
static void is_explained(enum vas_why want, bool inferred, int error)
{
	struct vas_report report = { .size = sizeof(report) };
	char line[512];

	is_err(vas_report_explain(&report), 0, "there is an explanation");
	is_str(vas_why_name(report.why), vas_why_name(want), "it names the reason");
	is_u64(report.inferred, inferred, "inferred or told");
	is_err(report.error, error, "with its error");
	ok(vas_report_format(line, sizeof(line)) == (int)strlen(line), "the line fits");
	ok(strstr(line, vas_why_name(want)) != NULL, "the line names it");
	tap_diag("%s", line);
}

static void case_address_limit(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span = { 0, 0 };
	VAS_OPTS(vas_reserve_opts, opts);
	uint64_t room;

	(void)argument;
	warm_up();
	set_limit(RLIMIT_AS, GIB);
	is_err(vas_reserve(64 * GIB, NULL, &span), ENOMEM, "beyond RLIMIT_AS");
	is_explained(VAS_WHY_ADDRESS_LIMIT, true, ENOMEM);
	vas_report_explain(&report);
	is_u64(report.address_limit, GIB, "the limit is told");
	ok(report.address_used > MIB && report.address_used < GIB, "and what is in use");
	room = report.address_limit - report.address_used;
	opts.min_size = MIB;
	is_err(vas_reserve(64 * GIB, &opts, &span), 0, "at least 1 MiB: there is some");
	ok(span.size <= room && span.size >= room - 4 * MIB, "all that the limit leaves");
	is_err(vas_report_get(&report), 0, "the shortfall is reported");
	is_str(vas_why_name(report.shortfall), "address-limit", "and what stopped the rest");
	is_u64(report.got, span.size, "with what was got");
	is_u64(report.asked, 64 * GIB, "and what was asked");
	is_i64(report.error, 0, "it is no error");
	set_limit(RLIMIT_AS, RLIM_INFINITY);
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

/* Uses up mappings until only `left` are left below vm.max_map_count. */
static void *fill_mappings(size_t *size, uint64_t limit, uint64_t left)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t used = (uint64_t)tap_count_vmas();
	uint64_t count = limit - left - used;
	char *start;

	*size = (count + 2) * page;
	start = mmap(NULL, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		tap_bail("no room for many mappings");
	for (uint64_t i = 1; i < count; i += 2)
		mprotect(start + i * page, page, PROT_READ);
	return start;
}

static uint64_t map_count_limit(void)
{
	unsigned long long limit = 0;
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");

	if (!file || fscanf(file, "%llu", &limit) != 1)
		limit = 0;
	if (file)
		fclose(file);
	return limit;
}

static void case_vma_limit(void *argument)
{
	struct vas_span span, spans[16];
	uint64_t limit = map_count_limit();
	struct vas_report report = { .size = sizeof(report) };
	VAS_OPTS(vas_reserve_opts, opts);
	unsigned int count = 0;
	size_t size;
	void *filler;
	int err = 0;

	(void)argument;
	if (limit == 0 || limit > 200000)
		tap_skip_all("many-mappings", "vm.max_map_count is %llu",
			     (unsigned long long)limit);
	warm_up();
	is_err(vas_reserve(MIB, NULL, &span), 0, "a span");
	filler = fill_mappings(&size, limit, 2);
	/* Far apart, so that the spans do not merge. */
	opts.place = VAS_PLACE_SCATTER;
	for (count = 0; count < 16; count++) {
		opts.key = count;
		err = vas_reserve(MIB, &opts, &spans[count]);
		if (err)
			break;
	}
	is_err(err, ENOMEM, "at the VMA limit");
	is_explained(VAS_WHY_VMA_LIMIT, true, ENOMEM);
	vas_report_explain(&report);
	is_u64(report.vmas_limit, limit, "the limit is told");
	ok(report.vmas_used + 2 >= limit, "and the mappings in use");
	is_err(vas_commit((char *)vas_span_pointer(span) + 65536, 65536, NULL), ENOMEM,
	       "a commit in the middle of a span");
	is_explained(VAS_WHY_VMA_LIMIT, true, ENOMEM);
	munmap(filler, size);
	while (count-- > 0)
		vas_release(vas_span_pointer(spans[count]), NULL);
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

static void case_data_limit(void *argument)
{
	struct vas_span span;

	(void)argument;
	warm_up();
	is_err(vas_reserve(GIB, NULL, &span), 0, "a span");
	/* Below what is in use: to replace reserved by committed pages is no growth. */
	set_limit(RLIMIT_DATA, 65536);
	is_err(vas_commit(vas_span_pointer(span), MIB, NULL), ENOMEM, "beyond RLIMIT_DATA");
	is_explained(VAS_WHY_DATA_LIMIT, true, ENOMEM);
	set_limit(RLIMIT_DATA, RLIM_INFINITY);
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

static void case_overcommit(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span;

	(void)argument;
	warm_up();
	is_err(vas_reserve(16384 * GIB, NULL, &span), 0, "16 TiB are reserved");
	is_err(vas_commit(vas_span_pointer(span), 4096, NULL), 0, "a page is committed");
	if (vas_commit(vas_span_pointer(span), span.size, NULL) == 0) {
		vas_release(vas_span_pointer(span), NULL);
		tap_skip_all("overcommit-always", "vm.overcommit_memory allows 16 TiB");
	}
	is_explained(VAS_WHY_OVERCOMMIT, true, ENOMEM);
	vas_report_explain(&report);
	ok(report.overcommit_mode == 0 || report.overcommit_mode == 2, "the mode is told");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

/* All new mappings are locked, as for a user without privileges. */
static void lock_future(void)
{
	set_limit(RLIMIT_MEMLOCK, 65536);
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		tap_bail("cannot become another user");
	if (mlockall(MCL_FUTURE) != 0)
		tap_skip_all("no-mlockall", "mlockall(MCL_FUTURE): %s", strerror(errno));
}

static void case_locked(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span;
	int err;

	(void)argument;
	warm_up();
	lock_future();
	err = vas_reserve(GIB, NULL, &span);
	munlockall();
	is_err(err, EAGAIN, "beyond RLIMIT_MEMLOCK");
	is_explained(VAS_WHY_LOCKED, false, EAGAIN);
	vas_report_explain(&report);
	is_u64(report.locked_limit, 65536, "the limit is told");
}

static void case_locked_in_part(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span = { 0, 0 };
	VAS_OPTS(vas_reserve_opts, opts);
	int err;

	(void)argument;
	warm_up();
	lock_future();
	opts.min_size = 4096;
	err = vas_reserve(GIB, &opts, &span);
	munlockall();
	is_err(err, 0, "at least a page: there is some");
	ok(span.size > 0 && span.size <= 65536, "no more than RLIMIT_MEMLOCK");
	is_err(vas_report_get(&report), 0, "there is a report");
	is_str(vas_why_name(report.shortfall), "locked", "of what stopped the rest");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

/* More than there are addresses. */
static void case_width(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span = { 0, 0 };
	VAS_OPTS(vas_reserve_opts, opts);

	(void)argument;
	warm_up();
	is_err(vas_reserve(1ull << 60, NULL, &span), ERANGE, "wider than the address space");
	is_explained(VAS_WHY_WIDTH, false, ERANGE);
	opts.min_size = GIB;
	is_err(vas_reserve(1ull << 60, &opts, &span), 0, "at least 1 GiB: there is more");
	ok(span.size >= 1024 * GIB, "the largest gap");
	is_err(vas_report_get(&report), 0, "there is a report");
	ok(report.shortfall == VAS_WHY_WIDTH || report.shortfall == VAS_WHY_FRAGMENTED,
	   "of what stopped the rest (%s)", vas_why_name(report.shortfall));
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

static void case_gaps(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span window, middle;
	VAS_OPTS(vas_reserve_opts, opts);

	(void)argument;
	warm_up();
	/* A window known to be free but for one page in its middle. */
	is_err(vas_reserve(64 * MIB, NULL, &window), 0, "a place");
	vas_release(vas_span_pointer(window), NULL);
	opts.min = window.start;
	opts.max = window.start + window.size;
	opts.place = VAS_PLACE_EXACT;
	opts.address = window.start + 24 * MIB;
	is_err(vas_reserve(65536, &opts, &middle), 0, "something in its middle");
	opts.place = VAS_PLACE_ANY;
	opts.address = 0;
	opts.alignment = 65536;
	is_err(vas_reserve(48 * MIB, &opts, &window), ENOSPC, "more than each half");
	vas_report_explain(&report);
	is_str(vas_why_name(report.why), "fragmented", "the halves together would do");
	is_u64(report.free_total, 64 * MIB - 65536, "so much is free");
	is_u64(report.largest_gap, 40 * MIB - 65536, "so much in one piece");
	is_u64(report.largest_gap_start, middle.start + 65536, "there");
	is_err(vas_reserve(64 * MIB, &opts, &window), ENOSPC, "more than both");
	vas_report_explain(&report);
	is_str(vas_why_name(report.why), "full", "they would not");
	opts.min_size = 65536;
	is_err(vas_reserve(64 * MIB, &opts, &window), 0, "at least one piece");
	is_u64(window.size, 40 * MIB - 65536, "is the largest");
	vas_report_get(&report);
	is_str(vas_why_name(report.shortfall), "fragmented", "and why it is not all");
	vas_release(vas_span_pointer(window), NULL);
	vas_release(vas_span_pointer(middle), NULL);
}

static void *fresh_thread(void *argument)
{
	struct vas_report report = { .size = sizeof(report) };
	char line[8] = "x";
	int *results = argument;

	results[0] = vas_report_get(&report);
	results[1] = vas_report_explain(&report);
	results[2] = vas_report_format(line, sizeof(line));
	results[3] = line[0];
	return NULL;
}

static void case_edges(void *argument)
{
	struct {
		struct vas_report report;
		uint64_t newer;
	} larger = { .newer = 77 };
	struct vas_report report = { .size = sizeof(report) - 1, .asked = 5 };
	int results[4] = { 1, 1, 1, 1 };
	pthread_t thread;
	char line[512], cut[9];
	int length;

	(void)argument;
	warm_up();
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	if (pthread_create(&thread, NULL, fresh_thread, results) != 0)
		tap_bail("no thread");
	pthread_join(thread, NULL);
	is_err(results[0], ENOENT, "a thread without a failure has no report");
	is_err(results[1], ENOENT, "and no explanation");
	is_i64(results[2], 0, "and no line");
	is_i64(results[3], 0, "which is an empty string");

	is_err(vas_report_get(NULL), EINVAL, "no struct");
	is_err(vas_report_explain(NULL), EINVAL, "no struct to explain in");
	is_err(vas_report_get(&report), EINVAL, "a struct below the first version's");
	is_err(vas_report_explain(&report), EINVAL, "nor explained");
	is_u64(report.asked, 5, "it is untouched");
	larger.report.size = sizeof(larger);
	is_err(vas_report_get(&larger.report), 0, "a newer caller's struct");
	is_u64(larger.report.size, sizeof(larger), "keeps its size");
	is_u64(larger.newer, 0, "and its unknown tail is zero");
	is_u64(larger.report.asked, MIB, "the rest is filled");
	is_str(vas_why_name(larger.report.why), "window", "with the reason");

	length = vas_report_format(line, sizeof(line));
	ok(length > 20 && length == (int)strlen(line), "the line has the length that is told");
	is_i64(vas_report_format(cut, sizeof(cut)), length, "a small buffer: the same length");
	ok(strncmp(cut, line, 8) == 0 && cut[8] == '\0', "and the beginning");
	is_i64(vas_report_format(NULL, 0), length, "no buffer: the same length");
	is_str(vas_why_name((enum vas_why)4711), "unknown", "an unknown reason has a name");
}

int main(void)
{
	tap_plan(0);
	tap_case("RLIMIT_AS", case_address_limit, NULL, 20);
	tap_case("the VMA limit", case_vma_limit, NULL, 40);
	tap_case("RLIMIT_DATA", case_data_limit, NULL, 20);
	tap_case("overcommit", case_overcommit, NULL, 20);
	tap_case("mlockall(MCL_FUTURE)", case_locked, NULL, 20);
	tap_case("mlockall(MCL_FUTURE), at least", case_locked_in_part, NULL, 20);
	tap_case("the width", case_width, NULL, 20);
	tap_case("fragmented and full", case_gaps, NULL, 20);
	tap_case("edges of the calls", case_edges, NULL, 20);
	return tap_done();
}
