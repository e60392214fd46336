/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gate: one thread at a time is inside, for a moment, and nobody waits to get in: who finds
 * somebody inside, or the gate shut, goes another way. Whoever must have all out shuts it. Zeroes are an
 * open gate. Going in is one atomic instruction, none while the process has one thread, and leaving a store.
 *
 * Who is inside takes no lock that one who shuts gates may hold.
 */
#ifndef VAS_SYS_GATE_H
#define VAS_SYS_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/single.h"

#define VAS_GATE_OPEN	0u
#define VAS_GATE_INSIDE 1u /* somebody is */
#define VAS_GATE_SHUT	2u

struct vas_gate {
	uint32_t word; /* atomic */
};

static inline bool vas_gate_enter(struct vas_gate *gate)
{
	uint32_t expected = VAS_GATE_OPEN;

	if (vas_single()) {
		if (__atomic_load_n(&gate->word, __ATOMIC_RELAXED) != VAS_GATE_OPEN)
			return false;
		__atomic_store_n(&gate->word, VAS_GATE_INSIDE, __ATOMIC_RELAXED);
		return true;
	}
	return __atomic_compare_exchange_n(&gate->word, &expected, VAS_GATE_INSIDE, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void vas_gate_leave(struct vas_gate *gate)
{
	__atomic_store_n(&gate->word, VAS_GATE_OPEN, __ATOMIC_RELEASE);
}

/* Waits until nobody is inside, and until another one who has shut it opens it. */
void vas_gate_shut(struct vas_gate *gate);

/* Nothing happens to one that is not shut. */
static inline void vas_gate_open(struct vas_gate *gate)
{
	uint32_t expected = VAS_GATE_SHUT;

	if (__atomic_load_n(&gate->word, __ATOMIC_RELAXED) != VAS_GATE_SHUT)
		return;
	(void)__atomic_compare_exchange_n(&gate->word, &expected, VAS_GATE_OPEN, false,
					  __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* In a child: who was inside is not here. */
static inline void vas_gate_reset(struct vas_gate *gate)
{
	__atomic_store_n(&gate->word, VAS_GATE_OPEN, __ATOMIC_RELAXED);
}

static inline bool vas_gate_is_shut(const struct vas_gate *gate)
{
	/* Acquire: what the last one inside wrote is read next. */
	return __atomic_load_n(&gate->word, __ATOMIC_ACQUIRE) == VAS_GATE_SHUT;
}

#endif
