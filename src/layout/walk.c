/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk: the next free range that holds a request, by as few questions as
 * possible.
 *
 * What for: finding room near an anchor, the exact lowest or highest place, or
 * the proof that there is none, without reading every mapping of the process.
 *
 * Strategy. Two questions can be asked about the present process:
 *
 *   query	PROCMAP_QUERY: which mapping covers an address, or follows it
 *   sync	msync(MS_ASYNC): is all of a range mapped? The kernel stops at
 *		the first hole, and passes a mapping in a tenth of the time
 *		that a query takes
 *
 * Going up, let c be the lowest candidate that is still possible: the place
 * that the request accepts and that is not known to be taken. Its last page
 * is asked about first, as Boyer and Moore compare a pattern from its end: if
 * a mapping covers it, no candidate below the end of that mapping is free,
 * however many mappings and holes too small lie between. If none covers it, it
 * belongs to a gap whose end the answer tells, and its beginning is looked for
 * from c on, by asking at c, later also half way. Going down, c is the highest
 * candidate and its first page is asked about; one answer settles the gap,
 * since it tells the next mapping above.
 *
 * Where mappings adjoin, a sync of many of them moves the edge as far; how long
 * it should be, or whether a query is better, is the business of pace.c, which
 * learns from what both kinds of answers tell. A hole that is too small for the
 * request needs no question of its own: the next one is about the last page of
 * the next candidate, which lies behind it.
 *
 * Each query that does not tell a gap passes a mapping that was not passed
 * before, so there are at most as many as mappings in the window, and a few for each gap told.
 *
 * Concurrency: one thread. The mappings change meanwhile; edge only moves
 * outward, whatever the answers are, so a walk ends.
 */
#include "layout/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/number.h"

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void vas_look_begin(struct vas_look *look, struct vas_sys *sys, struct vas_probes *probes)
{
	*look = (struct vas_look){
		.sys = sys,
		.fd = -1,
		.can_sync = vas_probe_has(probes, sys, VAS_PROBE_SYNC_HOLES),
		.can_query = vas_probe_has(probes, sys, VAS_PROBE_PROCMAP_QUERY),
	};
}

void vas_look_end(struct vas_look *look)
{
	if (look->fd >= 0)
		VAS_CALL(look->sys, close, look->fd);
	look->fd = -1;
}

/* How many mappings lie in so many bytes, judged by those seen. */
static uint64_t mappings_in(const struct vas_look *look, uint64_t bytes)
{
	return look->mapping_size ? bytes / look->mapping_size + 1 : 1;
}

int vas_look_sync(struct vas_look *look, uint64_t start, uint64_t end)
{
	int64_t got = VAS_CALL(look->sys, sync, start, end - start, MS_ASYNC);
	uint64_t passed = mappings_in(look, end - start);

	look->cost += VAS_LOOK_SYNC_COST;
	if (got == 0) {
		look->cost += passed * VAS_LOOK_SYNC_MAPPING_COST;
		look->mappings += passed;
		return 1;
	}
	if (got == -ENOMEM)
		return 0;
	look->can_sync = false;
	return (int)got;
}

static uint64_t average(uint64_t before, uint64_t value)
{
	return before ? before - before / 4 + value / 4 : value;
}

static void note_mapping(struct vas_look *look, uint64_t size)
{
	look->mappings++;
	look->mapping_size = average(look->mapping_size, size);
}

int vas_look_query(struct vas_look *look, uint64_t address, struct vas_sys_query *found)
{
	int64_t got = 0;

	/* Two walks that begin in one mapping need not both ask. */
	if (address >= look->known_start && address < look->known_end) {
		*found = (struct vas_sys_query){ .start = look->known_start,
						 .end = look->known_end };
		return 1;
	}
	if (look->fd < 0) {
		got = VAS_CALL(look->sys, open, "/proc/self/maps", O_RDONLY);
		look->cost += VAS_LOOK_OPEN_COST;
		look->fd = got < 0 ? -1 : (int)got;
	}
	if (got >= 0) {
		*found = (struct vas_sys_query){ .name = NULL };
		got = VAS_CALL(look->sys, query, look->fd, address, VAS_QUERY_COVERING_OR_NEXT,
			       found);
		look->cost += VAS_LOOK_QUERY_COST;
		look->queries++;
	}
	if (got == -ENOENT && look->fd >= 0)
		return 0;
	/* An answer that cannot be is as bad as none: it could stop the walk from getting on. */
	if (got >= 0 && (found->end <= address || found->start >= found->end))
		got = -EIO;
	if (got < 0) {
		look->can_query = false;
		return (int)got;
	}
	note_mapping(look, found->end - found->start);
	look->known_start = found->start;
	look->known_end = found->end;
	return 1;
}

void vas_walk_begin(struct vas_walk *walk, struct vas_look *look, const struct vas_request *request,
		    uint64_t need, enum vas_walk_direction direction)
{
	*walk = (struct vas_walk){
		.look = look,
		.request = request,
		.need = need,
		.direction = direction,
		.edge = direction == VAS_WALK_UP ? request->start : request->end,
	};
	vas_walk_start_at(walk, walk->edge, false);
}

void vas_walk_start_at(struct vas_walk *walk, uint64_t edge, bool eager)
{
	walk->edge = edge;
	walk->origin = edge;
	vas_pace_begin(&walk->pace, walk->need, eager);
}

/* The item of the blacklist that [start, start + size) overlaps. */
static const struct vas_span *blacklisted(const struct vas_walk *walk, uint64_t start,
					  uint64_t size)
{
	size_t i;

	if (!walk->blacklist)
		return NULL;
	i = vas_spanset_find(walk->blacklist, start);
	if (i == walk->blacklist->count || walk->blacklist->items[i].start >= start + size)
		return NULL;
	return &walk->blacklist->items[i];
}

bool vas_walk_lowest(const struct vas_walk *walk, uint64_t from, uint64_t *candidate)
{
	const struct vas_span *span;

	while (vas_request_lowest(walk->request, from, walk->request->end, walk->need, candidate)) {
		span = blacklisted(walk, *candidate, walk->need);
		if (!span)
			return true;
		from = vas_span_end(*span);
	}
	return false;
}

bool vas_walk_highest(const struct vas_walk *walk, uint64_t end, uint64_t *candidate)
{
	const struct vas_span *span;

	while (vas_request_highest(walk->request, walk->request->start, end, walk->need,
				   candidate)) {
		span = blacklisted(walk, *candidate, walk->need);
		if (!span)
			return true;
		end = span->start;
	}
	return false;
}

/* How far outward from where it began an address lies. */
static uint64_t outward(const struct vas_walk *walk, uint64_t address)
{
	if (walk->direction == VAS_WALK_UP)
		return address - lower(address, walk->origin);
	return walk->origin - lower(address, walk->origin);
}

/*
 * Syncs outward from from, with room bytes to the end of the window, as far as
 * pace says. 1: settled, and *edge is the new edge; 0: a hole; -1: ask a query instead.
 */
static int sync_outward(struct vas_walk *walk, uint64_t from, uint64_t room, uint64_t *edge)
{
	uint64_t position = outward(walk, from);
	uint64_t length;
	int got;

	if (!walk->look->can_sync)
		return -1;
	length = vas_pace_next(&walk->pace, outward(walk, walk->edge), position, room);
	length = vas_align_down(length, walk->request->page);
	if (length == 0)
		return -1;
	*edge = walk->direction == VAS_WALK_UP ? from + length : from - length;
	got = vas_look_sync(walk->look, lower(from, *edge), higher(from, *edge));
	if (got < 0)
		return -1;
	vas_pace_synced(&walk->pace, position, length, got == 1);
	return got;
}

/* A mapping was hit; everything up to its far end is settled. */
static int hit(struct vas_walk *walk, const struct vas_sys_query *mapping)
{
	bool up = walk->direction == VAS_WALK_UP;

	walk->sparse = false;
	vas_pace_hit(&walk->pace, outward(walk, walk->edge),
		     outward(walk, up ? mapping->start : mapping->end),
		     outward(walk, up ? mapping->end : mapping->start));
	walk->edge = up ? mapping->end : mapping->start;
	return VAS_WALK_MORE;
}

static int tell_gap(struct vas_walk *walk, uint64_t start, uint64_t end, struct vas_span *gap)
{
	*gap = (struct vas_span){ .start = start, .size = end - start };
	walk->sparse = true;
	return VAS_WALK_FOUND;
}

/*
 * [free, next) is free, and next is the mapping that follows (none: NULL): does
 * that gap, which may begin below, hold a candidate? The edge is then behind next.
 */
static int settle_up(struct vas_walk *walk, uint64_t free, const struct vas_sys_query *next,
		     struct vas_span *gap)
{
	uint64_t end = walk->request->end;
	uint64_t ceiling = next ? lower(next->start, end) : end;
	uint64_t behind = next ? next->end : end;
	uint64_t candidate, first, ask;
	struct vas_sys_query mapping;
	int got;

	for (unsigned int step = 0;; step++) {
		if (!vas_walk_lowest(walk, walk->edge, &candidate) || candidate > ceiling ||
		    ceiling - candidate < walk->need) {
			if (next && next->end > walk->edge)
				return hit(walk, next);
			walk->edge = higher(walk->edge, behind);
			return VAS_WALK_MORE;
		}
		first = walk->exact ? walk->edge : candidate;
		if (first >= free)
			break;
		ask = first;
		if (step > 2 && step % 2)
			ask += vas_align_down((free - first) / 2, walk->request->page);
		got = vas_look_query(walk->look, ask, &mapping);
		if (got < 0)
			return got;
		if (got == 1 && mapping.start < ceiling) {
			walk->edge = mapping.end;
			continue;
		}
		free = ask;
		if (ask == first)
			break;
	}
	walk->edge = higher(walk->edge, behind);
	return tell_gap(walk, first, ceiling, gap);
}

/* Asks at the low end: right when the gaps are many. */
static int step_sparse(struct vas_walk *walk, uint64_t candidate, struct vas_span *gap)
{
	uint64_t ask = walk->exact ? walk->edge : candidate;
	struct vas_sys_query mapping;
	uint64_t end = walk->request->end;
	int got = vas_look_query(walk->look, ask, &mapping);

	if (got < 0)
		return got;
	if (got == 1 && mapping.start < candidate + walk->need)
		return hit(walk, &mapping);
	walk->edge = end;
	if (got == 1) {
		walk->edge = mapping.end;
		end = lower(end, mapping.start);
	}
	return tell_gap(walk, ask, end, gap);
}

static int step_up(struct vas_walk *walk, struct vas_span *gap)
{
	uint64_t end = walk->request->end;
	struct vas_sys_query mapping;
	uint64_t candidate, last, edge;
	int got;

	if (!vas_walk_lowest(walk, walk->edge, &candidate)) {
		walk->done = true;
		return VAS_WALK_DONE;
	}
	if (walk->sparse)
		return step_sparse(walk, candidate, gap);
	last = candidate + walk->need - walk->request->page;
	got = sync_outward(walk, last, end - last, &edge);
	if (got == 1)
		walk->edge = edge;
	if (got >= 0)
		return VAS_WALK_MORE;
	got = vas_look_query(walk->look, last, &mapping);
	if (got < 0)
		return got;
	if (got == 0)
		return settle_up(walk, last, NULL, gap);
	if (mapping.start > last)
		return settle_up(walk, last, &mapping, gap);
	return hit(walk, &mapping);
}

static int step_down(struct vas_walk *walk, struct vas_span *gap)
{
	uint64_t start = walk->request->start;
	uint64_t candidate, first, edge, end;
	struct vas_sys_query mapping;
	int got;

	if (!vas_walk_highest(walk, walk->edge, &candidate)) {
		walk->done = true;
		return VAS_WALK_DONE;
	}
	first = candidate + walk->request->page;
	got = sync_outward(walk, first, first - start, &edge);
	if (got == 1)
		walk->edge = edge;
	if (got >= 0)
		return VAS_WALK_MORE;
	got = vas_look_query(walk->look, candidate, &mapping);
	if (got < 0)
		return got;
	if (got == 1 && mapping.start < candidate + walk->need)
		return hit(walk, &mapping);
	/* The gap may go on above where the walk began: those places are not its business. */
	end = walk->edge;
	if (got == 1)
		end = lower(end, mapping.start);
	walk->edge = candidate;
	return tell_gap(walk, candidate, end, gap);
}

int vas_walk_step(struct vas_walk *walk, struct vas_span *gap)
{
	if (walk->done)
		return VAS_WALK_DONE;
	return walk->direction == VAS_WALK_UP ? step_up(walk, gap) : step_down(walk, gap);
}
