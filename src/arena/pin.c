/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pins: what keeps an arena from being shrunk below a size.
 *
 * WHAT FOR. Who reads what another thread or process may shrink would be killed in the middle.
 *
 * STRATEGY. Each handle that pins has a place in the header: whose it is, and in one word how many pins it has and the largest size that one of
 * them keeps. Pinning writes there first and looks at the floor and the size after that; shrinking writes the floor first and looks at the places
 * after that. So one of the two sees the other: either the shrinking is refused, or the pin keeps no more than will be left. Places of processes that are
 * gone are emptied by whom they are in the way.
 *
 * CONCURRENCY. Compare and exchange of single words; no lock, also between processes.
 *
 * WHAT IT DOES NOT DO. Pins of one handle are not told apart: the largest size is kept until the last of them ends.
 */
#include <errno.h>

#include "arena/arena.h"
#include "arena/peer.h"

#define NAP UINT64_C(100000000) /* nanoseconds */

static uint64_t self_of(struct vas_arena *arena)
{
	uint64_t self = __atomic_load_n(&arena->header.self, __ATOMIC_RELAXED);

	if (self)
		return self;
	/* A forked child, or private memory. */
	self = vas_peer_self(arena->space->sys, arena->header.namespace);
	__atomic_store_n(&arena->header.self, self, __ATOMIC_RELAXED);
	return self;
}

/* It was of another one; its pins are ours then, and none. */
static bool place_claim(struct vas_header_place *place, uint64_t from, uint64_t self)
{
	if (!__atomic_compare_exchange_n(&place->peer, &from, self, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&place->pins, 0, __ATOMIC_RELEASE);
	return true;
}

/* Emptied if it is of a process that is gone. */
static bool place_sweep(struct vas_arena *arena, struct vas_header_place *place)
{
	uint64_t peer = __atomic_load_n(&place->peer, __ATOMIC_ACQUIRE);

	if (!arena->header.shared || peer == VAS_PEER_NONE ||
	    !vas_peer_gone(arena->space->sys, arena->header.namespace, peer))
		return false;
	/* One alone does so: nobody's pins are lost to another that comes late. */
	if (!place_claim(place, peer, self_of(arena)))
		return false;
	__atomic_store_n(&place->peer, VAS_PEER_NONE, __ATOMIC_RELEASE);
	return true;
}

/* This handle's place. NULL: it has none, and none is free. */
static struct vas_header_place *place_take(struct vas_arena *arena)
{
	struct vas_header_place *places = arena->header.page->places;
	uint32_t mine = __atomic_load_n(&arena->place, __ATOMIC_ACQUIRE);
	uint64_t self;

	if (mine)
		return &places[mine - 1];
	self = self_of(arena);
	for (uint32_t i = 0; i < 2 * VAS_HEADER_PLACES; i++) {
		uint32_t at = i % VAS_HEADER_PLACES;

		/* Those of the dead in a second walk only. */
		if (i >= VAS_HEADER_PLACES && !place_sweep(arena, &places[at]))
			continue;
		if (!place_claim(&places[at], VAS_PEER_NONE, self))
			continue;
		if (__atomic_compare_exchange_n(&arena->place, &mine, at + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return &places[at];
		/* Another thread was faster. */
		__atomic_store_n(&places[at].peer, VAS_PEER_NONE, __ATOMIC_RELEASE);
		return &places[mine - 1];
	}
	return NULL;
}

int vas_arena_hold(struct vas_arena *arena, struct vas_failure *failure, uint64_t *kept)
{
	struct vas_header *page = arena->header.page;
	struct vas_header_place *place;
	uint64_t was, now, size, floor;

	if (!arena->header.writable)
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	place = place_take(arena);
	if (!place)
		return vas_arena_refuse(failure, VAS_WHY_PINNED, -EAGAIN);
	was = __atomic_load_n(&place->pins, __ATOMIC_RELAXED);
	do {
		uint64_t steps;

		size = vas_arena_bytes(arena);
		steps = size / arena->step;
		steps = steps > VAS_PINS_STEPS(was) ? steps : VAS_PINS_STEPS(was);
		now = steps << VAS_PINS_COUNT_BITS | (VAS_PINS_COUNT(was) + 1);
		if (VAS_PINS_COUNT(now) == 0)
			return vas_arena_refuse(failure, VAS_WHY_PINNED, -EAGAIN);
	} while (!__atomic_compare_exchange_n(&place->pins, &was, now, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	__atomic_add_fetch(&arena->held, 1, __ATOMIC_RELAXED);
	/* In this order: a shrinking publishes the size before it takes the floor away. */
	floor = __atomic_load_n(&page->floor, __ATOMIC_SEQ_CST);
	size = floor < size ? floor - floor % arena->step : size;
	floor = vas_arena_bytes(arena);
	*kept = floor < size ? floor : size;
	return 0;
}

/* What the place says is not believed: another process may have written there. */
static bool held_drop(struct vas_arena *arena)
{
	uint32_t was = __atomic_load_n(&arena->held, __ATOMIC_RELAXED);

	do {
		if (was == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&arena->held, &was, was - 1, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return true;
}

int vas_arena_let_go(struct vas_arena *arena, struct vas_failure *failure)
{
	struct vas_header *page = arena->header.page;
	uint64_t *pins, was, now;

	if (!held_drop(arena))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	pins = &page->places[__atomic_load_n(&arena->place, __ATOMIC_ACQUIRE) - 1].pins;
	was = __atomic_load_n(pins, __ATOMIC_RELAXED);
	do {
		now = VAS_PINS_COUNT(was) <= 1 ? 0 : was - 1;
	} while (!__atomic_compare_exchange_n(pins, &was, now, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	if (__atomic_load_n(&page->pin_wanted, __ATOMIC_SEQ_CST))
		vas_header_wake(&page->unpinned, &page->pin_wanted, arena->space->sys);
	return 0;
}

bool vas_arena_is_held(const struct vas_arena *arena)
{
	return __atomic_load_n(&arena->held, __ATOMIC_ACQUIRE) != 0;
}

void vas_arena_give_place(struct vas_arena *arena)
{
	uint32_t mine = arena->place;

	arena->place = 0;
	if (mine)
		__atomic_store_n(&arena->header.page->places[mine - 1].peer, VAS_PEER_NONE,
				 __ATOMIC_RELEASE);
}

void vas_arena_pins_fork_child(struct vas_arena *arena)
{
	struct vas_header *page = arena->header.page;

	arena->place = 0;
	arena->held = 0;
	/* A copy's is this process's already. */
	if (arena->state == VAS_ARENA_SHARED)
		arena->header.self = 0;
	for (uint32_t i = 0; i < VAS_HEADER_PLACES && !arena->header.shared; i++)
		page->places[i] = (struct vas_header_place){ VAS_PEER_NONE, 0 };
}

/* --- shrinking --- */

/* Whether a living process keeps more than size. */
static bool is_pinned(struct vas_arena *arena, uint64_t size)
{
	struct vas_header_place *places = arena->header.page->places;

	for (uint32_t i = 0; i < VAS_HEADER_PLACES; i++) {
		uint64_t pins = __atomic_load_n(&places[i].pins, __ATOMIC_SEQ_CST);

		if (VAS_PINS_COUNT(pins) && VAS_PINS_STEPS(pins) > size / arena->step &&
		    !place_sweep(arena, &places[i]))
			return true;
	}
	return false;
}

int vas_arena_lower(struct vas_arena *arena, uint64_t size, struct vas_failure *failure)
{
	__atomic_store_n(&arena->header.page->floor, size, __ATOMIC_SEQ_CST);
	if (!is_pinned(arena, size))
		return 0;
	vas_arena_lowered(arena);
	return vas_arena_refuse(failure, VAS_WHY_PINNED, -EBUSY);
}

void vas_arena_lowered(struct vas_arena *arena)
{
	__atomic_store_n(&arena->header.page->floor, UINT64_MAX, __ATOMIC_SEQ_CST);
}

/* Until one pin has ended, at most so long. Returns how long it was. */
static uint64_t nap(struct vas_arena *arena, uint64_t size, uint64_t nanoseconds)
{
	struct vas_header *page = arena->header.page;
	struct vas_sys *sys = arena->space->sys;
	int64_t began = VAS_CALL(sys, clock), ended;
	uint32_t unpinned;

	__atomic_store_n(&page->pin_wanted, 1, __ATOMIC_SEQ_CST);
	unpinned = __atomic_load_n(&page->unpinned, __ATOMIC_SEQ_CST);
	/* The last one may have ended before it could see that. */
	if (is_pinned(arena, size))
		(void)VAS_CALL(sys, wait, &page->unpinned, unpinned, nanoseconds);
	ended = VAS_CALL(sys, clock);
	return began < 0 || ended <= began ? nanoseconds : (uint64_t)(ended - began);
}

bool vas_arena_await_unpinned(struct vas_arena *arena, uint64_t size, uint64_t *nanoseconds)
{
	bool waited = *nanoseconds != 0;

	while (*nanoseconds && is_pinned(arena, size)) {
		uint64_t went = nap(arena, size, *nanoseconds < NAP ? *nanoseconds : NAP);

		if (*nanoseconds != UINT64_MAX)
			*nanoseconds -= went < *nanoseconds ? went : *nanoseconds;
	}
	return waited && !is_pinned(arena, size);
}
