/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why the kernel refused: inferred from evidence.
 *
 * What for: -ENOMEM from mmap can be RLIMIT_AS, the VMA limit, overcommit and
 * more, and a caller can act on each of them, but differently.
 *
 * Strategy: nothing is measured while calls succeed, nor when they fail. Only
 * an explanation that was asked for reads how much of each limit is in use, and
 * repeats the kernel's own comparisons in the kernel's own order: the number
 * of mappings first, then address space, then data, then overcommit. What the
 * kernel told plainly (EAGAIN is locking, EEXIST is taken) is kept as it is.
 *
 * Reserved memory is PROT_NONE, which no overcommit mode charges; so overcommit
 * and data limits explain a commit, and a reservation only as the last guess.
 *
 * Structure: headroom.c reads, this file concludes. The survey of free ranges
 * is layout's, under the failed request's window and alignment; its holes
 * are known only if the failing call itself looked at the gaps.
 *
 * Concurrency: no lock. Evidence is of now, the failure was before: with other
 * threads at work an explanation is likely, not certain, and marked so.
 *
 * Not here: words (record/report_text.c).
 */
#include "space/explain.h"

#include <errno.h>
#include <stdbool.h>

#include "base/number.h"
#include "space/space.h"

/* A map may need two mappings more than there were: the piece itself and the rest behind it. */
#define VMAS_SPARE 2u
/* Mode 2 keeps back up to this part of the limit, and of the process, for the administrator. */
#define COMMIT_KEPT_BACK 32u
#define AVOID_SPANS	 (VAS_SHADOW_SPANS + 4)

/* Whether used + asked is beyond limit, as far as these can be told. */
static bool exceeds(uint64_t used, uint64_t asked, uint64_t limit)
{
	if (limit == UINT64_MAX || used == UINT64_MAX)
		return false;
	return used > limit || asked > limit - used;
}

static bool overcommit_refuses(const struct vas_headroom *headroom, uint64_t asked)
{
	uint64_t limit = headroom->commit_limit;

	if (headroom->overcommit_mode == 0)
		return headroom->memory != UINT64_MAX && asked > headroom->memory;
	if (headroom->overcommit_mode != 2 || limit == UINT64_MAX)
		return false;
	return exceeds(headroom->commit_used, asked, limit - limit / COMMIT_KEPT_BACK);
}

/* Whether the call gives memory, not addresses alone. */
static bool gives_memory(enum vas_operation operation)
{
	return operation == VAS_OPERATION_COMMIT || operation == VAS_OPERATION_ALLOC ||
	       operation == VAS_OPERATION_UNPARK;
}

enum vas_why vas_explain_refusal(const struct vas_headroom *headroom, enum vas_operation operation,
				 uint64_t asked)
{
	bool vmas_known = headroom->vmas_used != UINT64_MAX && headroom->vmas_limit != UINT64_MAX;
	/* A commit replaces address space that is there, and fails if that is too much already. */
	uint64_t growth = operation == VAS_OPERATION_RESERVE ? asked : 0;

	if (vmas_known && headroom->vmas_used > headroom->vmas_limit)
		return VAS_WHY_VMA_LIMIT;
	if (exceeds(headroom->address_used, growth, headroom->address_limit))
		return VAS_WHY_ADDRESS_LIMIT;
	if (vmas_known && headroom->vmas_used + VMAS_SPARE >= headroom->vmas_limit)
		return VAS_WHY_VMA_LIMIT;
	/* A commit replaces pages one for one, which the kernel takes for no growth of data. */
	if (gives_memory(operation) &&
	    exceeds(headroom->data_used, 0, headroom->data_limit))
		return VAS_WHY_DATA_LIMIT;
	if (overcommit_refuses(headroom, asked))
		return VAS_WHY_OVERCOMMIT;
	if (gives_memory(operation) && headroom->cgroup_room < asked)
		return VAS_WHY_CGROUP;
	return VAS_WHY_KERNEL;
}

/* What a reservation looked for, as a request whose policy does not matter. False: not known. */
static bool survey_request(const struct vas_space *space, const struct vas_failure *failure,
			   struct vas_request *request)
{
	uint64_t page = space->sys->page_size;
	uint64_t size;

	if (!vas_align_up(failure->asked ? failure->asked : 1, page, &size))
		return false;
	*request = (struct vas_request){
		.size = size,
		.min_size = size,
		.start = failure->min,
		.end = failure->max,
		.alignment = page,
		.granule = page,
		.page = page,
		.place = VAS_PLACE_LOW,
		.strict = true,
	};
	if (failure->alignment > 0 && failure->alignment % page == 0)
		request->alignment = failure->alignment;
	if (failure->phase < request->alignment)
		request->phase = failure->phase;
	if (request->start < space->bounds.min)
		request->start = space->bounds.min;
	if (request->end == 0 && failure->high_window)
		request->end = space->bounds.high_max;
	else if (request->end == 0)
		request->end = space->bounds.max;
	return request->start < request->end;
}

/* Measures the free ranges under the failed request's window. */
static void survey(struct vas_space *space, const struct vas_failure *failure,
		   struct vas_report *report)
{
	struct vas_span avoid_items[AVOID_SPANS];
	struct vas_search_result result = { 0 };
	struct vas_search search = {
		.sys = space->sys,
		.probes = &space->probes,
		.memory = &space->search_memory,
		.bounds = &space->bounds,
		.survey = true,
	};
	struct vas_request request;

	if (!survey_request(space, failure, &request))
		return;
	vas_margins_find(space->sys, 0, 0, &search.margins);
	vas_spanset_init(&request.avoid, avoid_items, AVOID_SPANS);
	if (vas_bounds_avoid(space->sys, &space->bounds, &search.margins, &request.avoid) < 0)
		return;
	for (size_t i = 0; i < space->shadow.count; i++) {
		struct vas_span span = space->shadow.items[i];

		if (vas_spanset_add(&request.avoid, span.start, vas_span_end(span)) < 0)
			return;
	}
	if (vas_search_run(&search, &request, &result) < 0 || !result.exact_largest)
		return;
	report->largest_gap = result.largest;
	report->largest_gap_start = result.largest_start;
	report->free_total = result.total;
}

static void tell_headroom(const struct vas_headroom *headroom, struct vas_report *report)
{
	report->vmas_used = headroom->vmas_used;
	report->vmas_limit = headroom->vmas_limit;
	report->address_used = headroom->address_used;
	report->address_limit = headroom->address_limit;
	report->locked_limit = headroom->locked_limit;
	report->cgroup_room = headroom->cgroup_room;
	report->overcommit_mode = headroom->overcommit_mode;
}

/* The reason in the light of the evidence; the same when that adds nothing. */
static enum vas_why refine(enum vas_why why, const struct vas_failure *failure,
			   const struct vas_headroom *headroom, const struct vas_report *report)
{
	bool open = why == VAS_WHY_NONE || why == VAS_WHY_KERNEL || why == VAS_WHY_MEMORY;
	enum vas_why found;

	if (failure->error == -ENOMEM && open) {
		found = vas_explain_refusal(headroom, report->operation, failure->asked);
		return found == VAS_WHY_KERNEL && why == VAS_WHY_MEMORY ? why : found;
	}
	if (failure->error == -EAGAIN && open)
		return VAS_WHY_LOCKED;
	if (failure->error != -ENOSPC || report->free_total == UINT64_MAX)
		return why;
	if (!open && why != VAS_WHY_FULL && why != VAS_WHY_FRAGMENTED && why != VAS_WHY_TAKEN)
		return why;
	/* Room for it now: it was not free then, or the limits have holes, which a survey ignores. */
	if (report->largest_gap >= failure->asked)
		return why;
	return report->free_total < failure->asked ? VAS_WHY_FULL : VAS_WHY_FRAGMENTED;
}

int vas_explain(struct vas_space *space, const struct vas_failure *failure,
		struct vas_report *report)
{
	struct vas_sys *sys = space ? space->sys : vas_sys_current();
	struct vas_headroom headroom;
	enum vas_why why;

	vas_failure_tell(failure, report);
	vas_headroom_read(sys, &headroom);
	tell_headroom(&headroom, report);
	if (space && report->operation == VAS_OPERATION_RESERVE &&
	    report->largest_gap == UINT64_MAX)
		survey(space, failure, report);
	why = refine(report->why, failure, &headroom, report);
	report->inferred = why != report->why && why != VAS_WHY_KERNEL;
	report->why = why;
	return 0;
}

/* What a limit leaves, whole pages; UINT64_MAX when that cannot be told. */
static uint64_t room(uint64_t used, uint64_t limit, uint64_t page)
{
	if (limit == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	return used < limit ? vas_align_down(limit - used, page) : 0;
}

enum vas_why vas_explain_shortfall(struct vas_space *space, uint64_t asked, int error,
				   uint64_t *attainable)
{
	uint64_t page = space->sys->page_size;
	struct vas_headroom headroom;
	enum vas_why why;

	*attainable = UINT64_MAX;
	vas_headroom_clear(&headroom);
	if (error == -EAGAIN) {
		vas_headroom_locked(space->sys, &headroom);
		*attainable = room(headroom.locked_used, headroom.locked_limit, page);
		return VAS_WHY_LOCKED;
	}
	if (error != -ENOMEM)
		return VAS_WHY_KERNEL;
	vas_headroom_address(space->sys, &headroom);
	if (!exceeds(headroom.address_used, asked, headroom.address_limit)) {
		vas_headroom_memory(space->sys, &headroom);
		vas_headroom_mappings(space->sys, &headroom);
	}
	why = vas_explain_refusal(&headroom, VAS_OPERATION_RESERVE, asked);
	if (why == VAS_WHY_ADDRESS_LIMIT)
		*attainable = room(headroom.address_used, headroom.address_limit, page);
	else if (why == VAS_WHY_VMA_LIMIT)
		*attainable = 0;
	else if (why == VAS_WHY_OVERCOMMIT && headroom.overcommit_mode == 2)
		*attainable = room(headroom.commit_used,
				   headroom.commit_limit - headroom.commit_limit / COMMIT_KEPT_BACK,
				   page);
	return why;
}
