/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of vaspace/fork.h that nothing begins or ends. */
#include "support/arguments.h"

#include "tap/tap.h"

void check_fork(void)
{
	struct vas_span span;

	vas_fork_hold_set(NULL, NULL);
	vas_fork_pause_set(NULL, NULL, 0);
	vas_fork_parent();
	vas_fork_prepare();
	vas_fork_prepare();
	vas_fork_parent();
	vas_fork_parent();
	vas_fork_parent();
	answer("vas_reserve", "after a fork that was not", vas_reserve(arguments_page, NULL, &span), 0, NO_REPORT);
	answer("vas_release", "the span", vas_release(vas_span_pointer(span), NULL), 0, NO_REPORT);
}

void check_fork_child(void)
{
	answer("vas_fork_child", "in no child", vas_fork_child(), 0, NO_REPORT);
}
