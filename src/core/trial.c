/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blind probing: proposing addresses to the kernel without knowing what is
 * mapped. A refused probe costs a fraction of a microsecond, a reading of all
 * mappings milliseconds, so a few good guesses come first.
 *
 *  - Galloping (low, high, near): from the wanted end, at distances that double from
 *    the span's size on. What is blocked over a length L costs log2(L / size)
 *    refusals; the place found is at most about twice as far as the best.
 *  - Slots (any, scatter): the sequence that the key gives; see slots.c. In a
 *    window that is mostly free nearly every attempt succeeds.
 *
 * Each gallop keeps its next place ready, so that near can take the closer of
 * two. What was proposed is kept (at most VAS_TRIALS_MAX addresses) because the
 * preferred address, the place around the anchor, or two attempts of one key may
 * meet a place again.
 *
 * A trial belongs to one thread and points to a request that does not change.
 */
#include "core/placement.h"

#include "base/number.h"

static void gallop_begin(struct vas_gallop *gallop, const struct vas_request *request,
			 uint64_t position)
{
	*gallop = (struct vas_gallop){ .position = position, .open = true };
	gallop->step = request->size > request->alignment ? request->size : request->alignment;
}

static bool gallop_up(struct vas_gallop *gallop, const struct vas_request *request)
{
	if (gallop->found)
		return true;
	if (!gallop->open || !vas_request_lowest(request, gallop->position, request->end,
						 request->size, &gallop->place)) {
		gallop->open = false;
		return false;
	}
	gallop->found = true;
	gallop->open = vas_add(gallop->place, gallop->step, &gallop->position) &&
		       vas_multiply(gallop->step, 2, &gallop->step);
	return true;
}

static bool gallop_down(struct vas_gallop *gallop, const struct vas_request *request)
{
	if (gallop->found)
		return true;
	if (!gallop->open || !vas_request_highest(request, request->start, gallop->position,
						  request->size, &gallop->place)) {
		gallop->open = false;
		return false;
	}
	gallop->found = true;
	/* position is the end of the next place, not its start. */
	gallop->open = gallop->step <= gallop->place;
	gallop->position = gallop->place - gallop->step + request->size;
	gallop->open = gallop->open && vas_multiply(gallop->step, 2, &gallop->step);
	return true;
}

static bool gallop_take(struct vas_gallop *gallop, uint64_t *address)
{
	*address = gallop->place;
	gallop->found = false;
	return true;
}

static bool propose_near(struct vas_trial *trial, uint64_t *address)
{
	const struct vas_request *request = trial->request;
	bool above = gallop_up(&trial->up, request);
	bool below = gallop_down(&trial->down, request);

	if (above && below && request->side == VAS_SIDE_EITHER) {
		below = vas_request_distance(request->address, trial->down.place, request->size) <=
			vas_request_distance(request->address, trial->up.place, request->size);
		above = !below;
	}
	if (below && !(above && request->side == VAS_SIDE_ABOVE))
		return gallop_take(&trial->down, address);
	if (above)
		return gallop_take(&trial->up, address);
	/* The anchor is most likely in use, so the place around it comes last. */
	if (trial->centre_done)
		return false;
	trial->centre_done = true;
	return vas_request_nearest(request, request->start, request->end, request->size, address);
}

static bool propose_slot(struct vas_trial *trial, uint64_t *address)
{
	while (vas_slots_attempt(&trial->slots, trial->attempt, address)) {
		trial->attempt++;
		if (vas_request_accepts(trial->request, *address, trial->request->size))
			return true;
	}
	return false;
}

/* The next address of the policy, which may have been proposed before; false at its end. */
static bool propose(struct vas_trial *trial, uint64_t *address)
{
	const struct vas_request *request = trial->request;

	switch (request->place) {
	case VAS_PLACE_LOW:
		if (request->strict && trial->up.position != request->start)
			return false;
		return gallop_up(&trial->up, request) && gallop_take(&trial->up, address);
	case VAS_PLACE_HIGH:
		if (request->strict && trial->down.position != request->end)
			return false;
		return gallop_down(&trial->down, request) && gallop_take(&trial->down, address);
	case VAS_PLACE_NEAR:
		return propose_near(trial, address);
	case VAS_PLACE_ANY:
	case VAS_PLACE_SCATTER:
		return propose_slot(trial, address);
	case VAS_PLACE_EXACT:
		break;
	}
	return false;
}

static bool was_proposed(const struct vas_trial *trial, uint64_t address)
{
	for (uint32_t i = 0; i < trial->count; i++) {
		if (trial->proposed[i] == address)
			return true;
	}
	return false;
}

/* The address that goes before the policy's own. */
static bool propose_first(struct vas_trial *trial, uint64_t *address)
{
	const struct vas_request *request = trial->request;

	if (trial->first_done)
		return false;
	trial->first_done = true;
	*address = request->address;
	return (request->prefer || request->place == VAS_PLACE_EXACT) &&
	       vas_request_accepts(request, request->address, request->size);
}

void vas_trial_begin(struct vas_trial *trial, const struct vas_request *request)
{
	bool near = request->place == VAS_PLACE_NEAR;

	trial->request = request;
	trial->count = 0;
	trial->exhausted = false;
	trial->first_done = false;
	trial->centre_done = false;
	trial->attempt = 0;
	gallop_begin(&trial->up, request, near ? request->address : request->start);
	gallop_begin(&trial->down, request, near ? request->address : request->end);
	vas_slots_init(&trial->slots, request);
}

bool vas_trial_next(struct vas_trial *trial, uint64_t *address)
{
	uint64_t place;

	if (trial->count == VAS_TRIALS_MAX)
		trial->exhausted = true;
	while (!trial->exhausted) {
		if (!propose_first(trial, &place) && !propose(trial, &place)) {
			trial->exhausted = true;
		} else if (!was_proposed(trial, place)) {
			trial->proposed[trial->count++] = place;
			*address = place;
			return true;
		}
	}
	return false;
}
