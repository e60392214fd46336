/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From limits and options to a request.
 *
 * WHAT FOR. Devices hand their limits down as data; they are combined here with
 * the options of the call and the bounds of the address space, before anything
 * is tried.
 *
 * STRATEGY. Without limits, which is the common case, nothing is combined and
 * only the sanitizer's barred windows are avoided. With limits, holes are
 * merged in a buffer on the stack, or in mapped memory when they are many.
 *
 * CONCURRENCY. Works on the caller's own memory; the space's lock is taken only
 * to map a buffer.
 *
 * WHAT IT DOES NOT DO. It does not look at what is mapped.
 */
#include <errno.h>

#include "base/assert.h"
#include "core/combine.h"
#include "space/reserve.h"

/* Room for all holes and as much again to sort them. */
static int holes_room(struct reserve *work, size_t holes, struct vas_span **room, size_t *capacity)
{
	struct vas_space *space = work->space;
	int err;

	if (2 * holes <= AVOID_SPANS) {
		*room = work->avoid_items;
		*capacity = AVOID_SPANS;
		return 0;
	}
	work->mapped_size = 2 * holes * sizeof(struct vas_span);
	vas_lock_take(&space->lock);
	err = vas_pages_map(&space->pages, work->mapped_size, &work->mapped);
	vas_lock_drop(&space->lock);
	if (err) {
		work->mapped = NULL;
		work->failure->why = VAS_WHY_BOOKS;
		return err;
	}
	*room = work->mapped;
	*capacity = 2 * holes;
	return 0;
}

/* The sanitizer's windows as one more entry of the list. */
static void shadow_limits(const struct vas_space *space, struct vas_limits *limits)
{
	*limits = (struct vas_limits){
		.size = sizeof(*limits),
		.name = "sanitizer",
		.holes = space->shadow.items,
		.hole_count = space->shadow.count,
	};
}

static int load_list(struct reserve *work, struct vas_limits *loaded,
		     const struct vas_limits **list, size_t *holes)
{
	const struct vas_reserve_opts *opts = work->opts;
	int err;

	for (size_t i = 0; i < opts->limit_count; i++) {
		if (!opts->limits[i])
			return -EINVAL;
		err = vas_combine_load(opts->limits[i], &loaded[i]);
		if (err)
			return err;
		*holes += loaded[i].hole_count;
		list[i] = &loaded[i];
	}
	return 0;
}

static int combine_list(struct reserve *work, struct vas_limits *combined)
{
	struct vas_limits loaded[VAS_RESERVE_LIMITS_MAX + 1];
	const struct vas_limits *list[VAS_RESERVE_LIMITS_MAX + 1];
	struct vas_limits_conflict conflict = { VAS_LIMITS_RULE_NONE, 0, 0 };
	size_t count = work->opts->limit_count, holes = work->space->shadow.count, capacity;
	struct vas_span *room;
	int err;

	if (count > VAS_RESERVE_LIMITS_MAX || (count && !work->opts->limits)) {
		work->failure->why = VAS_WHY_ARGUMENT;
		return -EINVAL;
	}
	err = load_list(work, loaded, list, &holes);
	if (err) {
		work->failure->why = VAS_WHY_ARGUMENT;
		return err;
	}
	if (work->space->shadow.count) {
		shadow_limits(work->space, &loaded[count]);
		list[count] = &loaded[count];
		count++;
	}
	err = holes_room(work, holes, &room, &capacity);
	if (err)
		return err;
	err = vas_combine(list, count, room, capacity, combined, &conflict);
	if (err) {
		work->failure->why = err == -ERANGE ? VAS_WHY_LIMITS : VAS_WHY_ARGUMENT;
		work->failure->limit_first = (uint32_t)conflict.first;
		work->failure->limit_second = (uint32_t)conflict.second;
	}
	return err;
}

/* What forks do with the span, as a recipe says it. -EINVAL for what cannot be had together. */
static int request_fork(const struct vas_reserve_opts *opts, uint32_t obligations,
			uint32_t *recipe)
{
	bool kept_out = (opts->flags & VAS_RESERVE_NOFORK) || (obligations & VAS_OBLIGE_NOFORK);
	uint32_t policy = (uint32_t)opts->fork;

	if (policy > VAS_FORK_TRAP || opts->reserved)
		return -EINVAL;
	if (kept_out && (policy == VAS_FORK_SHARE || policy == VAS_FORK_COPY))
		return -EINVAL;
	if ((opts->flags & VAS_RESERVE_NOFORK) && policy == VAS_FORK_WIPE)
		return -EINVAL;
	if (kept_out && policy == VAS_FORK_DEFAULT)
		policy = VAS_FORK_ABSENT;
	*recipe |= policy << VAS_RECIPE_FORK_SHIFT;
	if (policy == VAS_FORK_ABSENT || policy == VAS_FORK_TRAP)
		*recipe |= VAS_RECIPE_NOFORK;
	if (policy == VAS_FORK_WIPE)
		*recipe |= VAS_RECIPE_WIPE;
	return 0;
}

static int request_recipe(const struct vas_reserve_opts *opts, uint32_t obligations,
			  uint32_t *recipe)
{
	*recipe = 0;
	if ((opts->flags & VAS_RESERVE_NODUMP) || (obligations & VAS_OBLIGE_NODUMP))
		*recipe |= VAS_RECIPE_NODUMP;
	if (obligations & VAS_OBLIGE_NOHUGE)
		*recipe |= VAS_RECIPE_NOHUGE;
	return request_fork(opts, obligations, recipe);
}

static void note_request(struct vas_failure *failure, const struct vas_request *request,
			 const struct vas_reserve_opts *opts)
{
	failure->min = request->start;
	failure->max = request->end;
	failure->alignment = request->alignment;
	failure->phase = request->phase;
	failure->high_window = (opts->flags & VAS_RESERVE_HIGH_WINDOW) != 0;
	if (request->place >= VAS_PLACE_NEAR || (opts->flags & VAS_RESERVE_PREFER))
		failure->address = opts->address;
}

static void work_init(struct reserve *work)
{
	work->holding = NULL;
	work->span = (struct vas_span){ 0, 0 };
	work->last_error = 0;
	work->lost = false;
	work->queries = 0;
	work->readings = 0;
	work->search_error = 0;
	work->beside = 0;
	work->margins_known = false;
	work->margins = (struct vas_margins){ 0, 0 };
	work->margin_set = (struct vas_spanset){ 0 };
	work->mapped = NULL;
	work->mapped_size = 0;
}

int vas_reserve_request(struct reserve *work, uint64_t size)
{
	struct vas_space *space = work->space;
	const struct vas_placement_host host = {
		.page = space->sys->page_size,
		.min = space->bounds.min,
		.max = space->bounds.max,
		.high_max = space->bounds.high_max,
		.seed = 0, /* set under the lock, for placements that want one */
	};
	struct vas_limits combined = { .size = sizeof(combined) };
	enum vas_why why = VAS_WHY_NONE;
	int err = 0;

	work_init(work);
	if (work->opts->candidate_count)
		*work->opts->candidate_count = 0;
	if (work->opts->limit_count || space->shadow.count)
		err = combine_list(work, &combined);
	if (!err) {
		err = vas_request_build(size, work->opts, &combined, &host, &work->request, &why);
		if (err)
			work->failure->why = why;
		else
			work->failure->shortfall = why;
	}
	if (!err) {
		err = request_recipe(work->opts, combined.obligations, &work->recipe);
		if (err)
			work->failure->why = VAS_WHY_ARGUMENT;
	}
	if (err) {
		vas_reserve_request_end(work);
		return err;
	}
	note_request(work->failure, &work->request, work->opts);
	return 0;
}

void vas_reserve_request_end(struct reserve *work)
{
	struct vas_space *space = work->space;

	if (!work->mapped)
		return;
	vas_lock_take(&space->lock);
	vas_pages_unmap(&space->pages, work->mapped, work->mapped_size);
	vas_lock_drop(&space->lock);
	work->mapped = NULL;
}
