/* SPDX-License-Identifier: BSD-2-Clause */
/* Spare mappings that are given up at the kernel's limit of mappings. */
#ifndef VAS_SPACE_BALLAST_H
#define VAS_SPACE_BALLAST_H

#include <stdbool.h>
#include <stdint.h>

struct vas_space;

/* Guarded by space->lock. */
struct vas_ballast {
	bool missing; /* fewer than wanted, or not made yet (atomic, for a first look) */
	uint32_t pairs; /* spare mappings that are there, in pairs: each is enough for one split */
	uint32_t wanted; /* pairs */
	uint32_t pause; /* calls that do not try to make more */
	uint32_t pause_next; /* after the next refusal */
	uint64_t start; /* of a mapping of our own; 0 = not made */
	uint64_t size; /* bytes */
};

void vas_ballast_init(struct vas_ballast *ballast);
/* Gives up two spare mappings: enough for one split. False when there are none. Space's lock not held. */
bool vas_ballast_spend(struct vas_space *space);
/*
 * Unmaps all of it: when some other thread or the kernel itself has gone one beyond the limit, every call
 * that maps is refused, also one that would save mappings, until one is unmapped. False: there is nothing
 * to unmap. Space's lock not held.
 */
bool vas_ballast_unmap(struct vas_space *space);
/* Makes what is missing, when there is room; at the limit only now and then. Space's lock not held. */
void vas_ballast_fill(struct vas_space *space);
/* Spare mappings that are there. */
uint32_t vas_ballast_count(struct vas_space *space);
/* Gives everything back: the process has no spans any more. Space's lock held. */
void vas_ballast_drop(struct vas_space *space);

#endif
