/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program break is asked for again after the kernel once did not tell it:
 * the stack's margin was taken for the break's then, and claims right above
 * the break were let through from there on.
 */
#include <errno.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "sys/fault.h"
#include "tap/tap.h"

int main(void)
{
	static struct vas_sys_fault fault;
	uint64_t page = vas_sys_real()->page_size;
	uint64_t brk = ((uint64_t)(uintptr_t)sbrk(0) + page - 1) & ~(page - 1);
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	tap_plan(4);
	vas_sys_fault_init(&fault, vas_sys_real());
	vas_sys_replace(&fault.sys);
	fault.operation = "get_brk";
	vas_sys_fault_arm(&fault, 1, true, EPERM);
	opts.place = VAS_PLACE_HIGH;
	opts.flags = VAS_RESERVE_STRICT;
	is_err(vas_reserve(page, &opts, &span), 0, "a span while the break is not told");
	vas_sys_fault_arm(&fault, 0, false, 0);
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	opts.place = VAS_PLACE_EXACT;
	opts.flags = 0;
	opts.address = brk + 256 * page;
	is_err(vas_reserve(page, &opts, &span), EEXIST, "right above the break is refused");
	vas_report_get(&report);
	is_i64(report.why, VAS_WHY_MARGIN, "because of the margin");
	vas_sys_replace(NULL);
	return tap_done();
}
