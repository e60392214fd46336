/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a walk tests at once: learns from the holes it met how the mappings
 * lie, and says how many bytes to sync next, or to ask a query instead. Pure.
 *
 * Positions are distances outward from where the walk began, in either direction.
 */
#ifndef VAS_LAYOUT_PACE_H
#define VAS_LAYOUT_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct vas_pace {
	uint64_t need; /* of the request: holes closer to the edge than this need no question */
	bool eager; /* test all there is at first */
	bool hole_known;
	uint64_t mapping; /* size of the mappings that queries hit, on average; 0 = none yet */
	uint64_t wall; /* a hole begins before this; 0 = not known */
	bool at_end; /* the edge is where a mapping ends, not just somewhere in one */
	bool confirm; /* the hole before the wall may begin right at the edge: ask */
	uint64_t begin; /* where the present run of adjacent mappings was entered */
	uint32_t hits; /* queries that hit a mapping in this run */
	uint64_t run; /* length of runs, on average; 0 = none yet */
	uint64_t hole; /* where the last run ended of which that is known */
	uint64_t hole_end; /* about, of the first hole while it is the only one; else 0 */
	uint64_t period; /* from hole to hole; 0 = not known */
	uint32_t missed; /* how often in a row the period told wrong, */
	uint32_t told; /* and right */
	uint32_t hops; /* syncs by the period since it was last held against a hole */
	bool checking; /* the last sync went through the place of the next hole on purpose */
};

void vas_pace_begin(struct vas_pace *pace, uint64_t need, bool eager);
/*
 * The length to sync from from on, at most room; 0: ask a query there. edge is
 * what is settled: the request's size less a page before from.
 */
uint64_t vas_pace_next(struct vas_pace *pace, uint64_t edge, uint64_t from, uint64_t room);
/* What a sync of [from, from + length) said. */
void vas_pace_synced(struct vas_pace *pace, uint64_t from, uint64_t length, bool all_mapped);
/* A query hit the mapping [near, far); edge was settled before it. */
void vas_pace_hit(struct vas_pace *pace, uint64_t edge, uint64_t near, uint64_t far);
/* How many syncs settle so many bytes where holes were found to lie at equal distances; 0: they were not. */
uint64_t vas_pace_steps(const struct vas_pace *pace, uint64_t left);
/*
 * Two walks from one place, up and down, whose origins are apart bytes from
 * each other (the higher one is down's): the first hole of each tells the period to both.
 */
void vas_pace_pair(struct vas_pace *up, struct vas_pace *down, uint64_t apart);

#endif
