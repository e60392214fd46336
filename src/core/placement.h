/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Placement: which address to try next. Pure: numbers in, numbers out.
 *
 * A request is normalised once. Then there are two ways to candidates:
 *
 *  - blind: vas_trial_next proposes addresses without knowing what is
 *    mapped, learning only from refusals (galloping for low, high and near,
 *    a sequence of slots for any and scatter). Bounded.
 *  - informed: shown one gap after the other, in ascending order,
 *    vas_gap_choice_show keeps the best place by the request's policy.
 *
 * What the policies mean:
 *
 *  LOW, HIGH	blind: the end of the window, then places at doubling
 *		distances; informed: exactly the lowest or the highest
 *  NEAR	least distance, where the distance of a span is that of its
 *		byte farthest from the anchor: what a displacement has to
 *		reach. BELOW and ABOVE: the nearest span that lies wholly on
 *		that side of the anchor; if there is none, the nearest
 *  SCATTER	slots are the aligned starts of the window. The key gives a
 *		sequence of them by hashing; the place is the first in the sequence
 *		that is free, blind and informed alike. When the whole sequence is
 *		taken, informed: the free slot whose number differs from the
 *		key's in the lowest bits only (least exclusive or). Both depend on
 *		window, size, alignment and key alone, so gaps elsewhere do
 *		not matter. Informed never touches the middle of the gap that it
 *		chooses (of what the window leaves of it), where other libraries put
 *		theirs, unless every gap that is large enough leaves no other place. Blind cannot know the gaps: who can
 *		read them should go informed at once.
 *  ANY		blind: the same with a random key; informed: the smallest gap
 *		that is large enough, at an end, so that large gaps stay large
 *		and neighbours can merge
 *  EXACT	that address alone
 *  PREFER	that address first; not tried where the limits exclude it
 */
#ifndef VAS_CORE_PLACEMENT_H
#define VAS_CORE_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/reserve.h>

#include "base/spanset.h"

#define VAS_TRIALS_MAX 32 /* blind probes of one request, at most */

struct vas_request {
	uint64_t size; /* I: > 0, multiple of granule */
	uint64_t min_size; /* I: 0 < min_size <= size, multiple of granule */
	uint64_t start; /* window [start, end), with limits, width and min address taken in */
	uint64_t end;
	uint64_t alignment; /* I: > 0, multiple of page */
	uint64_t phase; /* I: < alignment, multiple of page */
	uint64_t granule; /* I: multiple of page */
	uint64_t page;
	enum vas_place place;
	enum vas_side side;
	uint64_t address;
	uint64_t reach;
	uint64_t key; /* SCATTER: caller's; ANY: random seed */
	bool strict;
	bool prefer; /* try address first */
	struct vas_spanset avoid; /* holes and margins; lent, sorted */
};

/* What host and combined limits say, for building a request. */
struct vas_placement_host {
	uint64_t page;
	uint64_t min; /* lowest mappable address */
	uint64_t max; /* one past the highest of the default window */
	uint64_t high_max; /* one past the highest with VAS_RESERVE_HIGH_WINDOW */
	uint64_t seed; /* for VAS_PLACE_ANY */
};

/*
 * Normalises: rounds size up to page and granule, intersects the windows,
 * folds NEAR's reach into the window, joins the alignments, takes defaults.
 * limits is combined and loaded, opts is loaded; either may be NULL. avoid of
 * the result is limits->holes (the caller may point it to a larger set that
 * has the margins too).
 *
 * The default alignment of 2 MiB for 2 MiB and more is a wish: it gives way to EXACT
 * and PREFER addresses, to limits it cannot be joined with, and to a window that has
 * no such place. With a phase it is as binding as an explicit one. NEAR without a reach is
 * bounded by the window alone.
 *
 * With min_size, size is reduced to what the limits and the window can hold
 * even in an empty space. On success *why is then what reduced it, else
 * VAS_WHY_NONE. On failure *request is untouched and *why is set:
 *
 *  -EINVAL	ARGUMENT; as vas_reserve documents
 *  -ERANGE	LIMITS: alignments or granules without a common multiple or
 *			phase; an EXACT address that limits' alignment or holes
 *			exclude; holes that leave no piece large enough
 *		CAP: size above max_size or max_total
 *		WIDTH: an EXACT address, an anchor or a minimum beyond the space,
 *			or a size larger than all of it
 *		MARGIN: an EXACT address below the lowest that can be mapped
 *		WINDOW: the window between all limits is too small
 */
int vas_request_build(uint64_t size, const struct vas_reserve_opts *opts,
		      const struct vas_limits *limits, const struct vas_placement_host *host,
		      struct vas_request *request, enum vas_why *why);

/* Whether a span of size at address satisfies window, alignment and avoid. */
bool vas_request_accepts(const struct vas_request *request, uint64_t address, uint64_t size);

/*
 * The lowest accepted address in [from, end - size], the highest, and the one in
 * [start, end - size] with the least distance from request->address. False when there is none.
 */
bool vas_request_lowest(const struct vas_request *request, uint64_t from, uint64_t end,
			uint64_t size, uint64_t *address);
bool vas_request_highest(const struct vas_request *request, uint64_t start, uint64_t end,
			 uint64_t size, uint64_t *address);
bool vas_request_nearest(const struct vas_request *request, uint64_t start, uint64_t end,
			 uint64_t size, uint64_t *address);
/* How far the farthest byte of [address, address + size) is from anchor. */
uint64_t vas_request_distance(uint64_t anchor, uint64_t address, uint64_t size);

/* The parts of [start, end) in the window that avoid leaves, in ascending order. */
struct vas_pieces {
	const struct vas_spanset *avoid;
	uint64_t position;
	uint64_t end;
	size_t index; /* of the first item of avoid that ends above position */
};

void vas_pieces_begin(struct vas_pieces *pieces, const struct vas_request *request, uint64_t start,
		      uint64_t end);
bool vas_pieces_next(struct vas_pieces *pieces, struct vas_span *piece);

/* The aligned starts of a window, numbered from 0; avoid is not looked at. */
#define VAS_SLOT_ATTEMPTS 64 /* how many of a key's slots are tried in turn */

struct vas_slots {
	uint64_t first; /* address of slot 0 */
	uint64_t count;
	uint64_t alignment;
	uint64_t key;
};

void vas_slots_init(struct vas_slots *slots, const struct vas_request *request);
/* The address that the key gives to an attempt; false when all slots were given. */
bool vas_slots_attempt(const struct vas_slots *slots, uint32_t attempt, uint64_t *address);
/*
 * The one of the slots at low .. high (their addresses; low <= high) that is the key's by
 * exclusive or. Gives that exclusive or: the lower, the better.
 */
uint64_t vas_slots_closest(const struct vas_slots *slots, uint64_t low, uint64_t high,
			   uint64_t *address);

/* Blind probing. */
struct vas_gallop {
	uint64_t position; /* the next place is at or beyond this: start going up, end going down */
	uint64_t step; /* from the next place to the one after it, bytes */
	uint64_t place; /* the next place, when there is one */
	bool open; /* there may be more places */
	bool found; /* place is valid and not proposed yet */
};

struct vas_trial {
	const struct vas_request *request;
	uint32_t count; /* proposed so far; I: <= VAS_TRIALS_MAX */
	bool exhausted;
	/* Private. */
	bool first_done; /* PREFER's or EXACT's address, STRICT's place */
	bool centre_done; /* NEAR's place around the anchor */
	uint32_t attempt;
	struct vas_gallop up;
	struct vas_gallop down;
	struct vas_slots slots;
	uint64_t proposed[VAS_TRIALS_MAX];
};

void vas_trial_begin(struct vas_trial *trial, const struct vas_request *request);
/*
 * The next address to try for request->size bytes, false when the trial is at
 * its end. Every proposal is accepted by vas_request_accepts and differs from
 * the ones before. EXACT and PREFER propose their address first; EXACT nothing else.
 * LOW and HIGH gallop: start at the window's end, then at doubling distances.
 * NEAR gallops outward from the anchor, on both sides by distance or first on the side
 * that is preferred, and at last proposes the place around the anchor itself.
 * Strict LOW and HIGH propose only the very first place.
 */
bool vas_trial_next(struct vas_trial *trial, uint64_t *address);

/* Informed choice. */
struct vas_gap_choice {
	const struct vas_request *request;
	bool found;
	uint64_t address; /* best so far for request->size */
	uint64_t rank; /* private: of the best; lower is better */
	/*
	 * Over the gaps shown so far, in the window, less avoid. EXACT: largest is what is
	 * free from the address on.
	 */
	uint64_t largest; /* the largest piece from an aligned start, in granules, bytes */
	uint64_t largest_start;
	uint64_t total; /* bytes free */
	/* Private, SCATTER only: the key's slots by address. */
	struct vas_slots slots;
	uint32_t attempt_count;
	uint64_t attempt_address[VAS_SLOT_ATTEMPTS];
	uint8_t attempt_number[VAS_SLOT_ATTEMPTS];
};

void vas_gap_choice_begin(struct vas_gap_choice *choice, const struct vas_request *request);
/*
 * Shows the free range [start, end), above all that were shown before. Returns
 * true when no later gap can change the choice; largest and total then do not
 * know of later ones.
 */
bool vas_gap_choice_show(struct vas_gap_choice *choice, uint64_t start, uint64_t end);

#endif
