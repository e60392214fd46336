/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reserve: from a wish to an owned span.
 *
 * WHAT FOR. "64 GiB, 2 MiB aligned, below 2^39, clear of these holes" is
 * answered with a span nobody else can map into, or with the reason why not.
 *
 * STRATEGY. A request is built once from limits, options and the bounds of the
 * address space (core/placement). Then places are tried, cheapest first:
 *
 *	1. where a request with the same options got its span, or right below,
 *	   without building the request again; else right below the last span
 *	   that was placed anywhere
 *	2. blind proposals of the policy, at most VAS_TRIALS_MAX: random,
 *	   galloping or by key; no look at the mappings
 *	3. the mappings are searched (layout/search), the find is claimed, and
 *	   on a lost race they are searched again, a bounded number of times
 *
 * NEAR, SCATTER and the strict policies start with 3, since only looking tells
 * which place is the nearest, the lowest, or clear of the middle of a gap;
 * without /proc they fall back to 2. The claim
 * is the truth at every step. Only EEXIST means "taken"; EPERM and EINVAL mean
 * "barred there"; anything else ends the search, because it would be the same
 * everywhere. An "at least" request then tries smaller sizes.
 *
 * The margins around the stack and above the program break cost system calls
 * to know, so they are asked for only when a candidate comes near either.
 *
 * CONCURRENCY. The space's lock is held to prepare and to publish, not while
 * the kernel is called; claims run side by side. What is in flight counts as a
 * pin, so that fork waits for it.
 *
 * WHAT IT DOES NOT DO. It does not count spans over several calls: max_total
 * and max_count of a limit are checked against this one span.
 */
#include "base/hot.h"
#include "space/reserve.h"

#include <errno.h>

#include "base/assert.h"
#include "base/number.h"
#include "space/claim.h"
#include "space/explain.h"

#define SEARCH_ROUNDS 12u /* searches of one request: each may lose a race */
#define SHRINK_ROUNDS 64u /* sizes that an "at least" request tries */
#define MARGIN_NEAR (1ull << 40) /* candidates this near to stack or break are checked exactly */

/* Notes one tried place for the caller and for the report. */
static void note_candidate(struct reserve *work, uint64_t address, int error, enum vas_why why)
{
	const struct vas_reserve_opts *opts = work->opts;
	uint32_t i = work->failure->probes++;

	if (why == VAS_WHY_TAKEN || why == VAS_WHY_MARGIN)
		work->failure->taken++;
	else if (why == VAS_WHY_BARRED)
		work->failure->barred++;
	if (i < opts->candidate_capacity && opts->candidates)
		opts->candidates[i] = (struct vas_candidate){
			{ address, work->request.size }, error, why
		};
	if (opts->candidate_count)
		*opts->candidate_count = i + 1;
}

static enum vas_why claim_why(int err)
{
	switch (err) {
	case 0:
		return VAS_WHY_NONE;
	case -EEXIST:
		return VAS_WHY_TAKEN;
	case -EPERM:
	case -EINVAL:
	case -EACCES:
		return VAS_WHY_BARRED;
	case -ENOSYS:
		return VAS_WHY_DENIED;
	case -EAGAIN:
		return VAS_WHY_LOCKED;
	default:
		return VAS_WHY_KERNEL;
	}
}

static bool claim_is_local(int err)
{
	enum vas_why why = claim_why(err);

	return why == VAS_WHY_TAKEN || why == VAS_WHY_BARRED;
}

/* The spans of stack and break, known exactly from here on. */
static int margins_load(struct reserve *work)
{
	struct vas_space *space = work->space;
	int err;

	if (work->margins_known)
		return 0;
	vas_margins_find(space->sys, 0, work->opts->brk_margin, &work->margins);
	vas_spanset_init(&work->margin_set, work->margin_items, MARGIN_SPANS);
	err = vas_bounds_avoid(space->sys, &space->bounds, &work->margins, &work->margin_set);
	if (err)
		return err;
	work->margins_known = true;
	/* The break's is the lower one; it is missing when the kernel does not tell. */
	if (work->margin_set.count > (space->bounds.stack_top != 0))
		__atomic_store_n(&space->brk_seen, work->margin_set.items[0].start,
				 __ATOMIC_RELAXED);
	return 0;
}

VAS_HOT static bool near_edge(uint64_t start, uint64_t size, uint64_t edge)
{
	uint64_t low = edge > MARGIN_NEAR ? edge - MARGIN_NEAR : 0;

	return start < edge + MARGIN_NEAR && start + size > low;
}

/* Whether a claim there would take room that a stack or the break needs. */
static bool in_margin(struct reserve *work, uint64_t address, uint64_t size)
{
	struct vas_space *space = work->space;
	uint64_t brk = __atomic_load_n(&space->brk_seen, __ATOMIC_RELAXED);
	uint64_t stack = space->bounds.stack_top;

	if (brk && !near_edge(address, size, brk) && !(stack && near_edge(address, size, stack)))
		return false;
	if (margins_load(work))
		return false; /* cannot be known here: the kernel's own guards remain */
	return vas_spanset_overlaps(&work->margin_set, address, address + size);
}

/*
 * The kernel gave memory elsewhere and will not take it back: the prepared
 * holding owns it. The claim stays in flight for reserve_finish.
 */
static void hold_stray(struct reserve *work, struct vas_span stray)
{
	struct vas_space *space = work->space;

	vas_lock_take(&space->lock);
	vas_space_publish(space, work->holding, stray, work->recipe);
	work->holding->claimer = work->claimer;
	vas_owner_index_hide(&space->index, work->holding->entry);
	vas_space_hold(space, work->holding);
	vas_lock_drop(&space->lock);
	work->holding = NULL;
}

/*
 * A claim by a device's own means. The recipe is put on where the kernel may replace
 * what the device mapped; elsewhere the device's mapping stays as it is.
 */
static int claim_by_device(struct reserve *work, uint64_t address, struct vas_span *stray)
{
	const struct vas_claimer *claimer = work->claimer;
	uint64_t size = work->request.size;
	int err;

	*stray = (struct vas_span){ 0, 0 };
	err = claimer->claim(claimer->context, address, size);
	if (err || !claimer->replaceable)
		return err;
	err = vas_space_apply_recipe(work->space, address, size, work->recipe);
	if (err && claimer->unclaim(claimer->context, address, size))
		*stray = (struct vas_span){ address, size };
	return err;
}

static int claim_place(struct reserve *work, uint64_t address, struct vas_span *stray)
{
	if (work->claimer)
		return claim_by_device(work, address, stray);
	return vas_space_claim(work->space, address, work->request.size, work->recipe, stray);
}

/* Claims one place. */
static int try_place(struct reserve *work, uint64_t address)
{
	struct vas_span stray;
	int err;

	if (in_margin(work, address, work->request.size)) {
		note_candidate(work, address, -EEXIST, VAS_WHY_MARGIN);
		return -EEXIST;
	}
	err = claim_place(work, address, &stray);
	note_candidate(work, address, err, claim_why(err));
	if (stray.size) {
		hold_stray(work, stray);
		return -ENOMEM;
	}
	work->last_error = err;
	if (!err)
		work->span = (struct vas_span){ address, work->request.size };
	return err;
}

static int try_blind(struct reserve *work)
{
	struct vas_trial trial;
	uint64_t address;
	int err = -ENOSPC;

	vas_trial_begin(&trial, &work->request);
	while (vas_trial_next(&trial, &address)) {
		err = try_place(work, address);
		if (!claim_is_local(err))
			return err;
	}
	return err == 0 ? 0 : -ENOSPC;
}

/*
 * The request with margins among what it must avoid: in items, or, when the
 * holes are many, in the mapped memory that holds them, which has room left.
 */
static int request_with_margins(struct reserve *work, struct vas_request *request,
				struct vas_span *items)
{
	struct vas_spanset set;
	bool many;
	int err;

	*request = work->request;
	err = margins_load(work);
	if (err || work->margin_set.count == 0)
		return 0;
	many = request->avoid.count + MARGIN_SPANS > AVOID_SPANS;
	if (many) {
		VAS_ASSERT(request->avoid.items == work->mapped);
		vas_spanset_init(&set, work->mapped, work->mapped_size / sizeof(struct vas_span));
	} else {
		vas_spanset_init(&set, items, AVOID_SPANS);
		if (request->avoid.count)
			memcpy(items, request->avoid.items, request->avoid.count * sizeof(*items));
	}
	set.count = request->avoid.count;
	for (size_t i = 0; i < work->margin_set.count; i++) {
		struct vas_span span = work->margin_set.items[i];

		err = vas_spanset_add(&set, span.start, span.start + span.size);
		if (err)
			return err;
	}
	request->avoid = set;
	if (many)
		work->request.avoid = set;
	return 0;
}

static void note_search(struct reserve *work, const struct vas_search_result *result)
{
	if (result->exact_largest) {
		work->failure->largest_gap = result->largest;
		work->failure->largest_gap_start = result->largest_start;
		work->failure->free_total = result->total;
	}
	work->queries += result->queries;
	work->readings += result->readings;
}

/* Looks, claims, and looks again when the claim lost a race. */
static int try_search(struct reserve *work)
{
	struct vas_span avoid_items[AVOID_SPANS], black_items[SEARCH_ROUNDS];
	struct vas_spanset blacklist;
	struct vas_search_result result;
	struct vas_request request;
	uint64_t last = 0;
	int err;

	vas_spanset_init(&blacklist, black_items, SEARCH_ROUNDS);
	work->lost = false;
	err = request_with_margins(work, &request, avoid_items);
	if (err)
		return err;
	if (request.place == VAS_PLACE_EXACT) {
		request.start = request.address;
		request.end = request.address + request.size;
	}
	struct vas_search search = {
		.sys = work->space->sys,
		.probes = &work->space->probes,
		.memory = &work->space->search_memory,
		.bounds = &work->space->bounds,
		.margins = work->margins,
		.survey = work->request.min_size < work->request.size,
		.blacklist = &blacklist,
	};
	for (uint32_t round = 0; round < SEARCH_ROUNDS; round++) {
		err = vas_search_run(&search, &request, &result);
		if (err) {
			work->search_error = err;
			return -ENODATA;
		}
		note_search(work, &result);
		if (!result.found)
			return -ENOSPC;
		err = try_place(work, result.address);
		if (!claim_is_local(err))
			return err;
		/* Not visible as taken, or barred: leave the whole of it out. */
		work->lost |= result.address == last;
		if ((result.address == last || claim_why(err) == VAS_WHY_BARRED) &&
		    vas_spanset_add(&blacklist, result.address, result.address + request.size))
			break;
		last = result.address;
	}
	return -EBUSY;
}

/* One place; when less would do, how much is free there is looked up for the next round. */
static int try_exact(struct reserve *work)
{
	int err = try_place(work, work->request.address);

	if (err != -EEXIST || work->request.min_size == work->request.size)
		return err;
	err = try_search(work);
	return err == -ENOSPC || err == -ENODATA || err == -EBUSY ? -EEXIST : err;
}

/* Right below the last span that was placed anywhere, once a request. */
static int try_beside(struct reserve *work)
{
	const struct vas_request *request = &work->request;
	uint64_t below = work->beside, place;

	work->beside = 0;
	if (below <= request->size)
		return -EEXIST;
	if (!vas_align_down_phase(below - request->size, request->alignment, request->phase,
				  &place) ||
	    !vas_request_accepts(request, place, request->size))
		return -EEXIST;
	return try_place(work, place);
}

static bool wants_look_first(const struct vas_request *request)
{
	return request->place == VAS_PLACE_NEAR || request->place == VAS_PLACE_SCATTER ||
	       (request->strict && (request->place == VAS_PLACE_LOW ||
				    request->place == VAS_PLACE_HIGH));
}

/* The whole ladder for the size that the request has now. */
static int reserve_place(struct reserve *work)
{
	struct vas_request *request = &work->request;
	int err;

	if (request->place == VAS_PLACE_EXACT)
		return try_exact(work);
	if (request->prefer && vas_request_accepts(request, request->address, request->size)) {
		err = try_place(work, request->address);
		if (!claim_is_local(err))
			return err;
	}
	request->prefer = false; /* the blind trial need not propose it again */
	if (wants_look_first(request)) {
		err = try_search(work);
		return err == -ENODATA ? try_blind(work) : err;
	}
	err = try_beside(work);
	if (!claim_is_local(err))
		return err;
	err = try_blind(work);
	if (err != -ENOSPC)
		return err;
	err = try_search(work);
	return err == -ENODATA ? -ENOSPC : err;
}

/* The next smaller size worth trying, or 0. */
static uint64_t shrink(struct reserve *work, int err)
{
	struct vas_request *request = &work->request;
	struct vas_failure *failure = work->failure;
	uint64_t next = request->size - request->size / 8, attainable = UINT64_MAX;

	if (request->size == request->min_size)
		return 0;
	if (err == -ENOSPC || err == -EEXIST) {
		failure->shortfall = err == -EEXIST ? VAS_WHY_TAKEN : VAS_WHY_FRAGMENTED;
		if (failure->largest_gap < request->size)
			next = failure->largest_gap;
	} else if (err == -ENOMEM || err == -EAGAIN) {
		failure->shortfall =
			vas_explain_shortfall(work->space, request->size, err, &attainable);
		if (attainable < request->size)
			next = attainable;
	} else {
		return 0;
	}
	if (next >= request->size)
		next = request->size - request->granule;
	next = vas_align_down(next, request->granule);
	return next < request->min_size ? request->min_size : next;
}

static int reserve_sizes(struct reserve *work)
{
	enum vas_why reduced = work->failure->shortfall; /* by the limits, before anything was tried */
	uint64_t asked = work->request.size, next;
	bool prefer = work->request.prefer;
	int err = -ENOSPC;

	for (uint32_t round = 0; round < SHRINK_ROUNDS; round++) {
		work->request.prefer = prefer; /* less may fit there */
		err = reserve_place(work);
		if (!err)
			break;
		if (!work->holding)
			break;
		/* The last round goes straight to what would be enough. */
		next = shrink(work, err);
		if (!next)
			break;
		work->request.size = round + 2 < SHRINK_ROUNDS ? next : work->request.min_size;
	}
	if (err)
		work->failure->shortfall = VAS_WHY_NONE;
	else if (work->request.size == asked)
		work->failure->shortfall = reduced;
	return err;
}

/* The errno table of vas_reserve, from what the ladder ended with. */
static int reserve_classify(struct reserve *work, int err)
{
	struct vas_failure *failure = work->failure;

	if (failure->why != VAS_WHY_NONE)
		return err;
	if ((err == -ENOSPC || err == -EBUSY) && failure->barred &&
	    failure->barred == failure->probes) {
		failure->why = VAS_WHY_DENIED;
		return -EPERM;
	}
	switch (err) {
	case -EEXIST:
		failure->why = failure->taken && work->last_error == 0 ? VAS_WHY_MARGIN : VAS_WHY_TAKEN;
		return err;
	case -ENOSPC:
		if (work->lost) {
			failure->why = VAS_WHY_RACE;
			return -EBUSY;
		}
		if (failure->largest_gap == UINT64_MAX)
			failure->why = VAS_WHY_TAKEN;
		else if (failure->free_total >= failure->asked)
			failure->why = VAS_WHY_FRAGMENTED;
		else
			failure->why = VAS_WHY_FULL;
		return err;
	case -EBUSY:
		failure->why = VAS_WHY_RACE;
		return err;
	case -EPERM:
	case -EINVAL:
	case -EACCES:
		failure->why = VAS_WHY_BARRED;
		return -EPERM;
	case -EAGAIN:
		failure->why = VAS_WHY_LOCKED;
		return err;
	case -ENOSYS:
	case -EOPNOTSUPP:
		failure->why = VAS_WHY_DENIED;
		return err;
	case -ENOMEM:
		failure->why = VAS_WHY_KERNEL; /* which limit: inferred when asked for */
		return err;
	default:
		failure->why = VAS_WHY_KERNEL;
		return -ENOMEM;
	}
}

/* Everything that recording could need. Space's lock taken here. */
static int reserve_prepare(struct reserve *work)
{
	struct vas_space *space = work->space;
	int err;

	vas_space_enter(space);
	err = vas_space_prepare(space, work->opts->name, &work->holding);
	if (!err && work->opts->policy) {
		err = vas_space_prepare_policy(space, work->holding, work->opts->policy);
		if (err)
			vas_space_unprepare(space, work->holding);
	}
	if (err) {
		space->stats.reserve_failures++;
		vas_lock_drop(&space->lock);
		work->failure->why = VAS_WHY_BOOKS;
		return -ENOMEM;
	}
	space->pins++;
	if (work->request.place == VAS_PLACE_ANY) {
		work->request.key = vas_random_next(&space->random);
		work->beside = space->beside;
	}
	vas_lock_drop(&space->lock);
	return 0;
}

/* Whether the next request with the same options may be answered from memory. */
static bool worth_remembering(const struct reserve *work)
{
	const struct vas_reserve_opts *opts = work->opts;

	return work->request.place == VAS_PLACE_ANY && work->request.avoid.count == 0 &&
	       opts->limit_count == 0 && !opts->policy && !(opts->flags & VAS_RESERVE_PREFER) &&
	       !opts->candidates && !opts->candidate_count && !work->claimer &&
	       work->failure->shortfall == VAS_WHY_NONE;
}

static void reserve_finish(struct reserve *work, int err)
{
	struct vas_space *space = work->space;

	vas_lock_take(&space->lock);
	space->pins--;
	space->stats.probes += work->failure->probes;
	space->stats.taken += work->failure->taken;
	space->stats.queries += work->queries;
	space->stats.readings += work->readings;
	if (err) {
		space->stats.reserve_failures++;
		if (work->holding)
			vas_space_unprepare(space, work->holding);
	} else {
		space->stats.reserves++;
		vas_space_publish(space, work->holding, work->span, work->recipe);
		work->holding->claimer = work->claimer;
		if (work->request.place == VAS_PLACE_ANY && !work->claimer)
			space->beside = work->span.start;
		if (worth_remembering(work))
			vas_remembered_claimed(space, work->asked, work->opts, &work->request,
					       work->recipe, work->span);
	}
	vas_lock_drop(&space->lock);
}

/* Prepares for a place that a request alike had. False when there is none. */
VAS_HOT static bool again_prepare(struct vas_space *space, uint64_t size,
			  const struct vas_reserve_opts *opts, uint32_t attempt,
			  struct again *again)
{
	struct vas_remembered *item;
	bool found = false;

	vas_space_enter(space);
	item = vas_remembered_find(space, size, opts);
	if (item && vas_remembered_propose(item, attempt, &again->address) &&
	    vas_space_prepare(space, opts->name, &again->holding) == 0) {
		again->item = item;
		again->serial = item->serial;
		again->size = item->request.size;
		again->recipe = item->recipe;
		space->pins++;
		found = true;
	}
	vas_lock_drop(&space->lock);
	return found;
}

VAS_HOT static void again_finish(struct vas_space *space, const struct again *again, int err)
{
	struct vas_span span = { again->address, again->size };
	bool same;

	vas_lock_take(&space->lock);
	space->pins--;
	space->stats.probes++;
	same = again->item->serial == again->serial;
	if (same)
		again->item->freed.size = 0;
	if (err) {
		space->stats.taken++;
		vas_space_unprepare(space, again->holding);
	} else {
		space->stats.reserves++;
		vas_space_publish(space, again->holding, span, again->recipe);
		space->beside = span.start;
		if (same)
			again->item->beside = span.start;
	}
	vas_lock_drop(&space->lock);
}

/* Near the stack or the break a place is not tried from memory. */
VAS_HOT static bool again_is_clear(const struct vas_space *space, const struct again *again)
{
	uint64_t brk = __atomic_load_n(&space->brk_seen, __ATOMIC_RELAXED);
	uint64_t stack = space->bounds.stack_top;

	return brk && !near_edge(again->address, again->size, brk) &&
	       !(stack && near_edge(again->address, again->size, stack));
}

/* It is owned as a held span; the whole way tells why. Apart, as its frame is larger than a page. */
static __attribute__((noinline)) int again_stray(struct vas_space *space, const struct again *again,
						 struct vas_span stray)
{
	struct reserve work = { .space = space, .holding = again->holding, .recipe = again->recipe };

	hold_stray(&work, stray);
	vas_lock_take(&space->lock);
	space->pins--;
	vas_lock_drop(&space->lock);
	return -ENOMEM;
}

/*
 * The common case told apart early: where a request alike got its span, or
 * right below. 0, or anything else to go the whole way.
 */
VAS_HOT static int reserve_again(struct vas_space *space, uint64_t size,
			 const struct vas_reserve_opts *opts, struct vas_span *span)
{
	struct vas_span stray = { 0, 0 };
	struct again again;
	int err;

	for (uint32_t attempt = 0; attempt < REMEMBERED_TRIES; attempt++) {
		if (!again_prepare(space, size, opts, attempt, &again))
			return -EEXIST;
		err = -EEXIST;
		if (again_is_clear(space, &again))
			err = vas_space_claim_in_line(space, again.address, again.size,
						      again.recipe, &stray);
		if (__builtin_expect(stray.size != 0, 0))
			return again_stray(space, &again, stray);
		again_finish(space, &again, err);
		if (!err) {
			*span = (struct vas_span){ again.address, again.size };
			return 0;
		}
	}
	return -EEXIST;
}

/* The whole way. */
static int reserve_from_scratch(struct vas_space *space, uint64_t size,
				const struct vas_reserve_opts *opts,
				const struct vas_claimer *claimer, struct vas_failure *failure,
				struct vas_span *span)
{
	struct reserve work;
	int err;

	vas_failure_begin(failure, VAS_OPERATION_RESERVE, size);
	work.asked = size;
	work.space = space;
	work.opts = opts;
	work.claimer = claimer;
	work.failure = failure;
	err = vas_reserve_request(&work, size);
	if (err) {
		vas_lock_take(&space->lock);
		space->stats.reserve_failures++;
		vas_lock_drop(&space->lock);
		return err;
	}
	err = reserve_prepare(&work);
	if (!err) {
		err = reserve_sizes(&work);
		if (err)
			err = reserve_classify(&work, err);
		reserve_finish(&work, err);
	}
	vas_reserve_request_end(&work);
	if (err)
		return err;
	failure->got = work.span.size;
	*span = work.span;
	return 0;
}

VAS_HOT int vas_space_reserve(struct vas_space *space, uint64_t size, const struct vas_reserve_opts *opts,
		      struct vas_failure *failure, struct vas_span *span)
{
	vas_space_retry(space);
	if (reserve_again(space, size, opts, span) == 0)
		return 0;
	return reserve_from_scratch(space, size, opts, NULL, failure, span);
}

int vas_space_reserve_by(struct vas_space *space, uint64_t size,
			 const struct vas_reserve_opts *opts, const struct vas_claimer *claimer,
			 struct vas_failure *failure, struct vas_span *span)
{
	vas_space_retry(space);
	return reserve_from_scratch(space, size, opts, claimer, failure, span);
}
