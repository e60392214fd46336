/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flags of mappings.
 *
 * WHAT FOR. Some of what a mapping was told (locked, charged, advised) shows nowhere else.
 *
 * STRATEGY. /proc/self/smaps is read to its end.
 *
 * CONCURRENCY. From one thread at a time.
 *
 * WHAT IT DOES NOT DO. It needs /proc, or stops the run.
 */
#include "support/mapping_flag.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tap/tap.h"

int mapping_flag(const void *address, const char *flag)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	uint64_t start, end;
	int found = -1;
	bool inside = false;

	if (!file)
		tap_bail("smaps cannot be read");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = (uintptr_t)address >= start && (uintptr_t)address < end;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(file);
	return found;
}
