/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How wide addresses are.
 *
 * hwloc does not tell. On x86 the kernel prints it for each processor, as
 * "address sizes : 48 bits physical, 57 bits virtual"; all processors of a
 * machine agree, so the first such line is taken. Other kinds of processor
 * print nothing of the sort, and the answer is 0, not knowable.
 *
 * The virtual width is the processor's. A kernel may use less of it: what a
 * process can reserve is told by vas_bounds_get, which tries.
 *
 * Concurrency: no state. What it does not do: run the cpuid instruction, which
 * a hypervisor may have made to lie to everybody but the kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

void vas_cpu_widths(const char *path, uint32_t *physical, uint32_t *virtual)
{
	unsigned int physical_bits, virtual_bits;
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return;
	while (getline(&line, &room, file) > 0) {
		if (strncmp(line, "address sizes", 13) != 0)
			continue;
		if (sscanf(line, "address sizes : %u bits physical, %u bits virtual",
			   &physical_bits, &virtual_bits) == 2 &&
		    physical_bits <= 64 && virtual_bits <= 64) {
			*physical = physical_bits;
			*virtual = virtual_bits;
		}
		break;
	}
	free(line);
	fclose(file);
}
