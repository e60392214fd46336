/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The edge of vaspace/layout.h: arguments are checked, the outcome is recorded
 * for vas_report_get, and the work is one call down.
 */
#include <vaspace/layout.h>

#include <errno.h>

#include "base/code.h"
#include "base/number.h"
#include "layout/layout.h"
#include "space/reserve.h"
#include "space/space.h"

/* The first versions' sizes: what older callers may pass. */
#define LAYOUT_OPTS_MIN	 sizeof(struct vas_layout_opts)
#define RESERVE_OPTS_MIN sizeof(struct vas_reserve_opts)
#define WINDOW_MIN	 sizeof(struct vas_window)

static enum vas_why why_of(int err)
{
	switch (-err) {
	case EINVAL:
	case E2BIG:
	case EBADMSG:
		return VAS_WHY_ARGUMENT;
	case EPERM:
	case EACCES:
	case ENOSYS:
		return VAS_WHY_DENIED;
	case EOWNERDEAD:
		return VAS_WHY_FORKED;
	default:
		return VAS_WHY_NONE;
	}
}

/* Records a failed reading; line is the malformed one, 0 = none. */
static int fail(int err, enum vas_why why, uint32_t line)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_READ, 0);
	failure.error = err;
	failure.why = (uint8_t)why;
	failure.line = line;
	vas_failure_publish(&failure);
	return err;
}

/* Passes on what a reading answered, 1 and 0 too. */
static int told(const struct vas_layout *layout, int got)
{
	if (got >= 0)
		return got;
	return fail(got, why_of(got), got == -EBADMSG ? layout->reader.line : 0);
}

static int check_opts(const struct vas_layout_opts *opts)
{
	if (opts->source != VAS_LAYOUT_PROCESS && opts->source != VAS_LAYOUT_FILE)
		return -EINVAL;
	if (opts->pid < 0 || (opts->source == VAS_LAYOUT_FILE && !opts->path))
		return -EINVAL;
	if (opts->buffer_size && opts->buffer_size < VAS_READER_BUFFER_MIN)
		return -EINVAL;
	return opts->flags & ~VAS_LAYOUT_ALL ? -EINVAL : 0;
}

int vas_layout_open(const struct vas_layout_opts *opts, struct vas_layout **layout)
{
	struct vas_layout_opts known;
	bool books = false;
	int err = -EINVAL;

	if (layout)
		err = vas_options_load(opts, &known, sizeof(known), LAYOUT_OPTS_MIN);
	if (!err)
		err = check_opts(&known);
	if (!err)
		err = vas_layout_make(vas_sys_current(), &known, layout, &books);
	return err ? fail(err, books ? VAS_WHY_BOOKS : why_of(err), 0) : 0;
}

int vas_layout_next(struct vas_layout *layout, struct vas_mapping *mapping)
{
	if (!layout || !mapping)
		return fail(-EINVAL, VAS_WHY_ARGUMENT, 0);
	return told(layout, vas_layout_step(layout, mapping));
}

/* What bounds this machine's processes: -EPERM, -ENOSYS or -ENOMEM when it cannot be found out. */
static int get_bounds(const struct vas_bounds **bounds)
{
	struct vas_space *space;
	int err = vas_space_default(&space);

	if (!err)
		*bounds = &space->bounds;
	if (err == -EACCES)
		return -EPERM;
	return !err || err == -EPERM || err == -ENOSYS || err == -EOWNERDEAD ? err : -ENOMEM;
}

int vas_layout_next_gap(struct vas_layout *layout, struct vas_gap *gap)
{
	const struct vas_bounds *bounds;
	int err;

	if (!layout || !gap)
		return fail(-EINVAL, VAS_WHY_ARGUMENT, 0);
	err = get_bounds(&bounds);
	if (err)
		return fail(err, why_of(err), 0);
	return told(layout, vas_layout_step_gap(layout, bounds, gap));
}

int vas_layout_rewind(struct vas_layout *layout)
{
	if (!layout)
		return fail(-EINVAL, VAS_WHY_ARGUMENT, 0);
	return told(layout, vas_layout_restart(layout));
}

int vas_layout_at(struct vas_layout *layout, uint64_t address, struct vas_mapping *mapping)
{
	if (!layout || !mapping)
		return fail(-EINVAL, VAS_WHY_ARGUMENT, 0);
	return told(layout, vas_layout_look(layout, address, mapping));
}

/* Why nothing was chosen. */
static int refuse(const struct vas_gap_choice *choice, bool taken, struct vas_failure *failure)
{
	const struct vas_request *request = choice->request;

	if (request->place == VAS_PLACE_EXACT) {
		failure->why = taken ? VAS_WHY_TAKEN : VAS_WHY_MARGIN;
		return -EEXIST;
	}
	failure->why = choice->total >= request->size ? VAS_WHY_FRAGMENTED : VAS_WHY_FULL;
	return -ENOSPC;
}

/* One look over all gaps for the request that work holds. */
static int find_place(struct vas_layout *layout, struct reserve *work, struct vas_span *span)
{
	const struct vas_request *request = &work->request;
	struct vas_failure *failure = work->failure;
	struct vas_gap_choice choice;
	bool taken;
	int err;

	vas_gap_choice_begin(&choice, request);
	err = vas_layout_choose(layout, &work->space->bounds, &choice, &taken);
	if (err) {
		failure->why = (uint8_t)why_of(err);
		failure->line = err == -EBADMSG ? layout->reader.line : 0;
		return err;
	}
	failure->largest_gap = choice.largest;
	failure->largest_gap_start = choice.largest_start;
	failure->free_total = choice.total;
	if (choice.found) {
		*span = (struct vas_span){ choice.address, request->size };
		return 0;
	}
	if (choice.largest < request->min_size || request->min_size == request->size)
		return refuse(&choice, taken, failure);
	*span = (struct vas_span){ choice.largest_start, choice.largest };
	failure->got = choice.largest;
	failure->shortfall = VAS_WHY_FRAGMENTED;
	return 0;
}

static int find(struct vas_layout *layout, uint64_t size, const struct vas_reserve_opts *opts,
		struct vas_failure *failure, struct vas_span *span)
{
	struct vas_reserve_opts known;
	struct reserve work;
	int err = -EINVAL;

	if (layout && span)
		err = vas_options_load(opts, &known, sizeof(known), RESERVE_OPTS_MIN);
	if (err) {
		failure->why = VAS_WHY_ARGUMENT;
		return err;
	}
	err = vas_space_default(&work.space);
	if (err) {
		failure->why = (uint8_t)why_of(err);
		return err == -EPERM || err == -ENOSYS || err == -EOWNERDEAD ? err : -ENOMEM;
	}
	work.asked = size;
	work.opts = &known;
	work.failure = failure;
	err = vas_reserve_request(&work, size);
	if (err)
		return err;
	err = find_place(layout, &work, span);
	vas_reserve_request_end(&work);
	return err;
}

int vas_layout_find(struct vas_layout *layout, uint64_t size, const struct vas_reserve_opts *opts,
		    struct vas_span *span)
{
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_FIND, size);
	err = find(layout, size, opts, &failure, span);
	failure.error = err;
	if (err || failure.shortfall != VAS_WHY_NONE)
		vas_failure_publish(&failure);
	return err;
}

void vas_layout_close(struct vas_layout *layout)
{
	if (layout)
		vas_layout_drop(layout);
}

int vas_window_get(struct vas_window *window)
{
	const struct vas_bounds *bounds;
	struct vas_window known = { .size = sizeof(known) };
	int err;

	if (!window || window->size < WINDOW_MIN)
		return -EINVAL;
	err = get_bounds(&bounds);
	if (err)
		return err;
	known.page_size = vas_sys_current()->page_size;
	known.min = bounds->min;
	known.max = bounds->max;
	known.high_max = bounds->high_max;
	known.bits = vas_log2_floor(bounds->max - 1) + 1;
	known.high_bits = vas_log2_floor(bounds->high_max - 1) + 1;
	return vas_options_store(window, &known, sizeof(known), WINDOW_MIN);
}
