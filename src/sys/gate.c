/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slow half of a gate: shutting it.
 *
 * WHAT FOR. Work that needs everybody out is rare, and those inside are out after some hundred
 * instructions, so they pay nothing for it, and who shuts looks again and again.
 *
 * STRATEGY. A moment of looking; then the processor is given to others, for one that is inside may
 * have lost it; then short sleeps, so that a thread of high priority does not keep it away for ever.
 *
 * CONCURRENCY. One word, changed by compare-and-swap.
 *
 * WHAT IT DOES NOT DO. It keeps no order among those who shut.
 */
#include "sys/gate.h"

#include "sys/lock.h"
#include "sys/real.h"

#define LOOKS  200u
#define YIELDS 20u
#define SLEEP_MICROSECONDS 50u

static bool gate_try(struct vas_gate *gate)
{
	uint32_t expected = VAS_GATE_OPEN;

	return __atomic_load_n(&gate->word, __ATOMIC_RELAXED) == VAS_GATE_OPEN &&
	       __atomic_compare_exchange_n(&gate->word, &expected, VAS_GATE_SHUT, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void vas_gate_shut(struct vas_gate *gate)
{
	for (uint32_t i = 0; !gate_try(gate); i += i < LOOKS + YIELDS) {
		if (i < LOOKS)
			vas_lock_relax();
		else if (i < LOOKS + YIELDS || vas_real_sleep(SLEEP_MICROSECONDS) < 0)
			vas_lock_pause();
	}
}
