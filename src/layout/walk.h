/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking over the mappings of this process, one question at a time, to the
 * next free range in which a request fits. Internal to layout.
 */
#ifndef VAS_LAYOUT_WALK_H
#define VAS_LAYOUT_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/spanset.h"
#include "core/placement.h"
#include "layout/pace.h"
#include "sys/probe.h"
#include "sys/sys.h"

/* What questions cost, in nominal nanoseconds: only their ratios matter. */
#define VAS_LOOK_OPEN_COST	   1100u /* open and close of /proc/self/maps */
#define VAS_LOOK_QUERY_COST	   300u
#define VAS_LOOK_SYNC_COST	   115u
#define VAS_LOOK_SYNC_MAPPING_COST 24u /* for each mapping that msync passes */
#define VAS_LOOK_LINE_COST	   165u /* one line of maps, written by the kernel and parsed */

/* The means of looking, and what it has cost so far. Shared by the walks of one search. */
struct vas_look {
	struct vas_sys *sys;
	int fd; /* of /proc/self/maps, opened by the first query; -1 = not open */
	bool can_sync;
	bool can_query;
	uint64_t mapping_size; /* of those seen so far, on average; 0 = none seen */
	uint64_t mappings; /* seen, or passed by syncs as far as one can tell */
	uint64_t cost; /* nominal nanoseconds */
	uint32_t queries;
	uint64_t known_start, known_end; /* the mapping that the last query told */
};

void vas_look_begin(struct vas_look *look, struct vas_sys *sys, struct vas_probes *probes);
void vas_look_end(struct vas_look *look);
/* 1: all of [start, end) is mapped; 0: it has a hole; -errno: not to be known this way (can_sync is off). */
int vas_look_sync(struct vas_look *look, uint64_t start, uint64_t end);
/* The mapping that covers address or follows it: 1, 0 when there is none, -errno (can_query is off). */
int vas_look_query(struct vas_look *look, uint64_t address, struct vas_sys_query *found);

enum vas_walk_direction { VAS_WALK_UP, VAS_WALK_DOWN };

struct vas_walk {
	struct vas_look *look;
	const struct vas_request *request; /* candidates are what it accepts for need bytes */
	const struct vas_spanset *blacklist; /* candidates are clear of it; may be NULL */
	uint64_t need; /* I: > 0, page multiple */
	enum vas_walk_direction direction;
	bool exact; /* UP: tell gaps from their very beginning (in the window) on */
	/*
	 * UP: no candidate below edge is free; DOWN: none that ends above it is;
	 * but for those in gaps that were told.
	 */
	uint64_t edge;
	uint64_t origin; /* where it began; positions of pace are distances from here */
	struct vas_pace pace;
	bool sparse; /* the last answer was a gap: the next one is likely to be one, too */
	bool done; /* no candidate is left */
};

/* From the low end of the request's window up, or from its high end down. */
void vas_walk_begin(struct vas_walk *walk, struct vas_look *look, const struct vas_request *request,
		    uint64_t need, enum vas_walk_direction direction);
/* From there instead, before the first step; eager: all may be mapped but for few holes. */
void vas_walk_start_at(struct vas_walk *walk, uint64_t edge, bool eager);

#define VAS_WALK_MORE 0 /* edge moved, or something was learnt */
#define VAS_WALK_FOUND                                                                             \
	1 /* *gap is free; UP: its first candidate is the lowest, DOWN: its last the highest */
#define VAS_WALK_DONE 2

/* Asks one question, or the few that settle one gap. VAS_WALK_ or -errno when queries fail. */
int vas_walk_step(struct vas_walk *walk, struct vas_span *gap);

/* The lowest candidate from from on, the highest that ends at or below end. */
bool vas_walk_lowest(const struct vas_walk *walk, uint64_t from, uint64_t *candidate);
bool vas_walk_highest(const struct vas_walk *walk, uint64_t end, uint64_t *candidate);

#endif
