/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots: how a key becomes an address that another process finds too.
 *
 * The aligned starts of a window are numbered. A key names them in two ways:
 *
 *  - A sequence: attempt n is a hash of key and n, scaled to the number of
 *    slots. Few attempts are enough as long as the window is not crowded. A window with
 *    few slots is walked through once instead, from a slot that the key chooses.
 *  - A metric: the distance of a slot from the key's own slot is the
 *    exclusive or of their numbers (as in Kademlia; Maymounkov and Mazieres
 *    2002). It is a total order over slots, so every free set has exactly one
 *    closest slot; a gap that is elsewhere, or that one process lacks, changes
 *    the answer only if it holds the closest slot. The closest slot of an
 *    interval is found bit by bit, without looking at the others.
 *
 * Nothing but window, size, alignment and key goes in. Pure.
 */
#include "core/placement.h"

#include "base/number.h"
#include "base/random.h"

void vas_slots_init(struct vas_slots *slots, const struct vas_request *request)
{
	uint64_t last;

	*slots = (struct vas_slots){ .alignment = request->alignment,
				     .key = vas_mix64(request->key) };
	if (request->end < request->size ||
	    !vas_align_up_phase(request->start, request->alignment, request->phase,
				&slots->first) ||
	    !vas_align_down_phase(request->end - request->size, request->alignment, request->phase,
				  &last) ||
	    last < slots->first)
		return;
	slots->count = (last - slots->first) / request->alignment + 1;
}

/* A hash of key and attempt, scaled to the number of slots. */
static uint64_t slot_hash(const struct vas_slots *slots, uint32_t attempt)
{
	uint64_t state = slots->key + attempt * 0xd1342543de82ef95u;

	return vas_random_below(&state, slots->count);
}

bool vas_slots_attempt(const struct vas_slots *slots, uint32_t attempt, uint64_t *address)
{
	uint64_t slot;

	if (attempt >= VAS_SLOT_ATTEMPTS || attempt >= slots->count)
		return false;
	if (slots->count <= VAS_SLOT_ATTEMPTS)
		slot = (slot_hash(slots, 0) + attempt) % slots->count;
	else
		slot = slot_hash(slots, attempt);
	*address = slots->first + slot * slots->alignment;
	return true;
}

uint64_t vas_slots_closest(const struct vas_slots *slots, uint64_t low, uint64_t high,
			   uint64_t *address)
{
	uint64_t first = (low - slots->first) / slots->alignment;
	uint64_t last = (high - slots->first) / slots->alignment;
	uint64_t target = slot_hash(slots, 0);

	/*
	 * first and last agree above their highest different bit; there, last has a 1. Take
	 * the half that the target is in, cutting the interval to it, until one slot is left.
	 */
	while (first != last) {
		uint64_t bit = 1ull << vas_log2_floor(first ^ last);
		uint64_t middle = last & ~(bit - 1); /* the lowest number with this bit set */

		if (target & bit)
			first = middle;
		else
			last = middle - 1;
	}
	*address = slots->first + first * slots->alignment;
	return first ^ target;
}
