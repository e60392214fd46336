/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Placement: which address to try next. Pure: numbers in, numbers out.
 *
 * A request is normalised once. Then there are two ways to candidates:
 *
 *  - blind: vas_trial_next proposes addresses without knowing what is
 *    mapped, learning only from refusals (galloping for low and high, random
 *    for any, key-driven for scatter). Bounded.
 *  - informed: shown one gap after the other, in ascending order,
 *    vas_gap_choice_show keeps the best place by the request's policy.
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
 * folds NEAR's reach into the window, takes defaults. limits is combined and
 * loaded, opts is loaded; avoid of the result is limits->holes (the caller may
 * point it to a larger set that has the margins too). -EINVAL and -ERANGE as vas_reserve documents
 * with *why set.
 */
int vas_request_build(uint64_t size, const struct vas_reserve_opts *opts,
		      const struct vas_limits *limits, const struct vas_placement_host *host,
		      struct vas_request *request, enum vas_why *why);

/* Whether a span of size at address satisfies window, alignment and avoid. */
bool vas_request_accepts(const struct vas_request *request, uint64_t address, uint64_t size);

/* Blind probing. */
struct vas_trial {
	const struct vas_request *request;
	uint64_t random;
	uint64_t step; /* galloping distance, bytes */
	uint64_t position;
	uint32_t count; /* proposed so far; I: <= VAS_TRIALS_MAX */
	bool exhausted;
};

void vas_trial_begin(struct vas_trial *trial, const struct vas_request *request);
/*
 * The next address to try for request->size bytes, false when the trial is at
 * its end. Every proposal is accepted by vas_request_accepts and differs from
 * the ones before. EXACT and PREFER propose their address first; EXACT nothing else.
 * LOW and HIGH gallop: start at the window's end, then at doubling distances.
 * NEAR gallops outward on the sides that side allows (nearest first).
 * Strict LOW and HIGH propose only the very first place.
 */
bool vas_trial_next(struct vas_trial *trial, uint64_t *address);

/* Informed choice. */
struct vas_gap_choice {
	const struct vas_request *request;
	bool found;
	uint64_t address; /* best so far for request->size */
	uint64_t rank; /* private: of the best; lower is better */
	uint64_t largest; /* the largest usable piece seen (after alignment, window and avoid), bytes */
	uint64_t largest_start;
	uint64_t total; /* bytes free in the window */
	uint64_t counted; /* private */
};

void vas_gap_choice_begin(struct vas_gap_choice *choice, const struct vas_request *request);
/* Shows the free range [start, end). Returns true when no later gap can be better (LOW found). */
bool vas_gap_choice_show(struct vas_gap_choice *choice, uint64_t start, uint64_t end);

#endif
