/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 20 */
/*
 * Park, unpark, a driver's hook and manifests, with every kernel call that they make failing in
 * turn, once and from then on. support/fault_park.c has the scenarios.
 */
#include <stdlib.h>
#include <string.h>

#include "support/fault_loop.h"
#include "tap/tap.h"

static bool is_park(const char *file)
{
	return strstr(file, "src/space/park") != NULL;
}

int main(void)
{
	const char *only = getenv("VASPACE_TEST_ONLY");

	tap_plan(0);
	for (size_t i = 0; i < fault_park_count; i++)
		if (!only || strstr(fault_parks[i].name, only))
			fault_scenario_run(&fault_parks[i]);
	fault_sites_report(is_park);
	return tap_done();
}
