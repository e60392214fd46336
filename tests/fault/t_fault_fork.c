/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Forks, with every kernel call that a child's handler makes failing in turn, once and from then
 * on. support/fault_forks.c has the scenarios.
 */
#include <string.h>

#include "support/fault_loop.h"
#include "tap/tap.h"

static bool of_fork(const char *file)
{
	return strstr(file, "src/space/fork_") != NULL;
}

int main(void)
{
	tap_plan(0);
	fault_list_run(fault_forks, fault_fork_count);
	fault_sites_report(of_fork);
	return tap_done();
}
