/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/park.h: what callers pass is checked here; then one call down. */
#include <vaspace/park.h>

#include <errno.h>

#include "api/edge.h"
#include "base/code.h"
#include "region/park.h"

/* The first version's size: what older callers may pass. */
#define PARK_OPTS_MIN sizeof(struct vas_park_opts)

static int refuse(struct vas_failure *failure, int err)
{
	return vas_edge_publish(failure, VAS_WHY_ARGUMENT, err);
}

static bool opts_are_sound(const struct vas_park_opts *opts, uint64_t page)
{
	uint64_t end;

	if (opts->flags & ~VAS_PARK_ALL)
		return false;
	if ((opts->flags & VAS_PARK_DISCARD) && opts->image_size)
		return false;
	if (opts->image_offset % page ||
	    __builtin_add_overflow(opts->image_offset, opts->image_size, &end) || end > INT64_MAX)
		return false;
	return opts->intruders || !opts->intruder_capacity;
}

/* What park and unpark have in common. */
static int load(const struct vas_region *region, const struct vas_park_opts *opts,
		struct vas_park_opts *known)
{
	int err = region ? vas_options_load(opts, known, sizeof(*known), PARK_OPTS_MIN) : -EINVAL;

	if (!err && !opts_are_sound(known, region->space->sys->page_size))
		err = -EINVAL;
	return err;
}

int vas_region_park(struct vas_region *region, const struct vas_park_opts *opts)
{
	struct vas_park_opts known;
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_PARK, 0);
	err = load(region, opts, &known);
	if (err)
		return refuse(&failure, err);
	err = vas_region_rest(region, &known, &failure);
	return err ? vas_edge_publish(&failure, VAS_WHY_KERNEL, err) : 0;
}

int vas_region_unpark(struct vas_region *region, const struct vas_park_opts *opts)
{
	struct vas_park_opts known;
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_UNPARK, 0);
	err = load(region, opts, &known);
	if (err)
		return refuse(&failure, err);
	err = vas_region_wake(region, &known, &failure);
	return err ? vas_edge_publish(&failure, VAS_WHY_KERNEL, err) : 0;
}

int vas_region_detached(struct vas_region *region, void *start, uint64_t size)
{
	const struct vas_span range = { (uint64_t)(uintptr_t)start, size };
	struct vas_failure failure;
	uint64_t end;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_DETACHED, size);
	failure.address = range.start;
	if (!region || !size || (range.start | size) % region->space->sys->page_size ||
	    __builtin_add_overflow(range.start, size, &end))
		return refuse(&failure, -EINVAL);
	err = vas_region_regain(region, range, &failure);
	return err ? vas_edge_publish(&failure, VAS_WHY_KERNEL, err) : 0;
}

int vas_region_manifest(struct vas_region *region, void *buffer, size_t capacity, size_t *length)
{
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_MANIFEST, capacity);
	if (!region || (!buffer && capacity) || !length)
		return refuse(&failure, -EINVAL);
	err = vas_region_describe(region, buffer, capacity, &failure, length);
	return err ? vas_edge_publish(&failure, VAS_WHY_KERNEL, err) : 0;
}

int vas_region_from_manifest(const void *manifest, size_t length, struct vas_region **region)
{
	struct vas_failure failure;
	struct vas_space *space;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_MANIFEST, length);
	if (!manifest || !region)
		return refuse(&failure, -EINVAL);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_publish(&failure, vas_edge_books_why(err), err);
	err = vas_region_revive(space, manifest, length, &failure, region);
	return err ? vas_edge_publish(&failure, VAS_WHY_KERNEL, err) : 0;
}
