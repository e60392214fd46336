/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The margin below the main stack holds on the real kernel: its table once
 * told no address of the stack, so claims right below it were let through, and
 * the stack could not grow any more.
 */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#include <vaspace/vaspace.h>

#include "sys/sys.h"
#include "tap/tap.h"

int main(void)
{
	uint64_t page = vas_sys_real()->page_size;
	uint64_t name = (uint64_t)getauxval(AT_EXECFN) & ~(page - 1);
	struct vas_span span = { 1, 1 };
	struct vas_report report;

	VAS_OPTS(vas_reserve_opts, opts);
	tap_plan(5);
	ok(vas_sys_real()->stack_address != 0, "the table knows where the stack is");
	opts.place = VAS_PLACE_EXACT;
	opts.address = name - (6u << 20);
	is_err(vas_reserve(page, &opts, &span), EEXIST, "6 MiB below the top of the stack is refused");
	is_u64(span.size, 1, "and the output is untouched");
	memset(&report, 0, sizeof(report));
	report.size = sizeof(report);
	is_err(vas_report_get(&report), 0, "there is a report");
	is_i64(report.why, VAS_WHY_MARGIN, "and it says why");
	return tap_done();
}
