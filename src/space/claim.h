/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vas_space_claim in line, for the claim at a remembered place. A system call leaves the processor with
 * nothing known of where the functions below it return to, so each one less is worth more than its instructions.
 */
#ifndef VAS_SPACE_CLAIM_H
#define VAS_SPACE_CLAIM_H

#include <sys/mman.h>

#include "base/assert.h"
#include "space/space.h"

int vas_space_claim_flags_find(struct vas_space *space);
/* What follows on the kernel's answer. */
int vas_space_claim_settle(struct vas_space *space, uint64_t address, uint64_t size,
			   uint32_t recipe, int64_t got, struct vas_span *stray);

static inline __attribute__((always_inline)) int
vas_space_claim_in_line(struct vas_space *space, uint64_t address, uint64_t size, uint32_t recipe,
			struct vas_span *stray)
{
	int flags = __atomic_load_n(&space->claim_flags, __ATOMIC_RELAXED);
	int64_t got;

	VAS_ASSERT_DEBUG(address && size && (address | size) % space->sys->page_size == 0);
	*stray = (struct vas_span){ 0, 0 };
	if (__builtin_expect(flags == 0, 0))
		flags = vas_space_claim_flags_find(space);
	got = VAS_CALL(space->sys, map, address, size, PROT_NONE, flags, -1, 0);
	if (__builtin_expect((uint64_t)got != address || recipe != 0, 0))
		return vas_space_claim_settle(space, address, size, recipe, got, stray);
	return 0;
}

#endif
