/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last failure of each thread.
 *
 * What for: a call answers one errno; this remembers the numbers behind it, so
 * that whoever catches the error can ask why, later, in the same thread.
 *
 * Strategy: a failing call fills a struct vas_failure on its own stack and
 * publishes it by one copy when it is about to return. Calls that succeed
 * write nothing here.
 *
 * Structure: one struct per thread, in thread-local storage of the
 * initial-exec model: it is laid out when the thread starts, so the first use
 * allocates nothing, even below malloc. That storage is scarce for libraries
 * opened late, hence the size is capped here. The library has one pointer more
 * (space/notice.c).
 *
 * Concurrency: none is needed; each thread sees its own. A forked child keeps
 * the failure of the thread that forked.
 *
 * Whoever listens to the log at the level "info" gets a line for each.
 *
 * Not here: finding out what the kernel did not tell (space/explain.c), and
 * the words of a report (record/report_text.c).
 */
#include "record/report.h"

#include "base/hot.h"
#include "record/log.h"
#include "record/report_text.h"

/* What all copies of libraries in a process share of static TLS is small: 256 bytes are ours. */
_Static_assert(sizeof(struct vas_failure) <= 256 - sizeof(void *), "thread-local storage is limited");
_Static_assert(VAS_WHY_COUNT <= UINT8_MAX, "reasons are kept in a byte");

static __thread struct vas_failure thread_failure __attribute__((tls_model("initial-exec")));

struct vas_failure *vas_failure_current(void)
{
	return &thread_failure;
}

/* Field by field: compilers clear so large a struct by an instruction that costs more than all of these. */
VAS_HOT void vas_failure_begin(struct vas_failure *failure, enum vas_operation operation,
			       uint64_t asked)
{
	failure->operation = (uint8_t)operation;
	failure->why = VAS_WHY_NONE;
	failure->shortfall = VAS_WHY_NONE;
	failure->high_window = 0;
	failure->error = 0;
	failure->asked = asked;
	failure->got = 0;
	failure->min = 0;
	failure->max = 0;
	failure->alignment = 0;
	failure->phase = 0;
	failure->address = 0;
	failure->largest_gap = UINT64_MAX;
	failure->largest_gap_start = UINT64_MAX;
	failure->free_total = UINT64_MAX;
	failure->limit_first = UINT32_MAX;
	failure->limit_second = UINT32_MAX;
	failure->probes = 0;
	failure->taken = 0;
	failure->barred = 0;
	failure->line = 0;
}

void vas_failure_tell(const struct vas_failure *failure, struct vas_report *report)
{
	*report = (struct vas_report){
		.size = sizeof(*report),
		.operation = (enum vas_operation)failure->operation,
		.error = failure->error,
		.why = (enum vas_why)failure->why,
		.shortfall = (enum vas_why)failure->shortfall,
		.asked = failure->asked,
		.got = failure->got,
		.min = failure->min,
		.max = failure->max,
		.alignment = failure->alignment,
		.address = failure->address,
		.limit_first = failure->limit_first,
		.limit_second = failure->limit_second,
		.probes = failure->probes,
		.taken = failure->taken,
		.barred = failure->barred,
		.line = failure->line,
		.largest_gap = failure->largest_gap,
		.largest_gap_start = failure->largest_gap_start,
		.free_total = failure->free_total,
		.vmas_used = UINT64_MAX,
		.vmas_limit = UINT64_MAX,
		.address_used = UINT64_MAX,
		.address_limit = UINT64_MAX,
		.locked_limit = UINT64_MAX,
		.cgroup_room = UINT64_MAX,
		.overcommit_mode = UINT32_MAX,
	};
}

/* What is known without asking the kernel, as a log line. */
static void log_failure(const struct vas_failure *failure)
{
	struct vas_report report;
	struct vas_text text;
	char line[512];

	vas_failure_tell(failure, &report);
	vas_text_init(&text, line, sizeof(line));
	vas_report_text(&report, &text);
	vas_log_line(VAS_LOG_INFO, line);
}

void vas_failure_publish(const struct vas_failure *failure)
{
	thread_failure = *failure;
	if (vas_log_wanted(VAS_LOG_INFO))
		log_failure(failure);
}
