/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The edge of vaspace/report.h: this thread's last failure as a struct, with
 * evidence, and as a line.
 *
 * Not here: what the reasons are called (base/code.c).
 */
#include <vaspace/report.h>

#include <errno.h>

#include "base/code.h"
#include "record/report.h"
#include "record/report_text.h"
#include "space/explain.h"
#include "space/space.h"

/* The first version's size: what older callers may pass. */
#define REPORT_MIN sizeof(struct vas_report)

/* What this thread remembers, with evidence. Asked for before any space was made, it makes one. */
static void explain_current(struct vas_report *report)
{
	struct vas_failure failure = *vas_failure_current();
	struct vas_space *space = NULL;

	if (vas_space_default(&space) < 0)
		space = NULL;
	vas_explain(space, &failure, report);
}

static int check_report(const struct vas_report *report)
{
	if (!report || report->size < REPORT_MIN || report->size > VAS_OPTIONS_SIZE_MAX)
		return -EINVAL;
	return vas_failure_current()->operation == VAS_OPERATION_NONE ? -ENOENT : 0;
}

int vas_report_get(struct vas_report *report)
{
	struct vas_report known;
	int err = check_report(report);

	if (err)
		return err;
	vas_failure_tell(vas_failure_current(), &known);
	return vas_options_store(report, &known, sizeof(known), REPORT_MIN);
}

int vas_report_explain(struct vas_report *report)
{
	struct vas_report known;
	int err = check_report(report);

	if (err)
		return err;
	explain_current(&known);
	return vas_options_store(report, &known, sizeof(known), REPORT_MIN);
}

int vas_report_format(char *buffer, size_t length)
{
	struct vas_report report;
	struct vas_text text;

	vas_text_init(&text, buffer, buffer ? length : 0);
	if (vas_failure_current()->operation == VAS_OPERATION_NONE)
		return 0;
	explain_current(&report);
	vas_report_text(&report, &text);
	return (int)text.length;
}
