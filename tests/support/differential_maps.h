/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader of /proc/self/maps that allocates nothing and shares no code with the library's. */
#ifndef TESTS_SUPPORT_DIFFERENTIAL_MAPS_H
#define TESTS_SUPPORT_DIFFERENTIAL_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct maps_entry {
	uint64_t start, end, offset;
	uint32_t prot;
	uint32_t shared;
	bool stack;
	bool kernel; /* [stack], [vdso] and the like: not placed from mmap_base */
};

/* Shows each mapping that begins below end, until show says false. False: it cannot be read. */
bool maps_each(uint64_t end, bool (*show)(const struct maps_entry *entry, void *context),
	       void *context);

#endif
