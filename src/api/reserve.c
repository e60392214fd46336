/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The edge of vaspace/reserve.h: addresses and sizes that come from a caller
 * are not trusted until they were checked here; then one call down.
 */
#include <vaspace/reserve.h>

#include <errno.h>

#include "api/edge.h"
#include "base/code.h"
#include "base/hot.h"
#include "record/event.h"
#include "space/adopt.h"
#include "space/space.h"

/* The first versions' sizes: what older callers may pass. */
#define RESERVE_OPTS_MIN sizeof(struct vas_reserve_opts)
#define ADOPT_OPTS_MIN sizeof(struct vas_adopt_opts)
#define DETAILS_MIN sizeof(struct vas_owner_details)

/* Refused before anything was looked at. */
static int fail_early(enum vas_operation operation, uint64_t asked, uint64_t address,
		      enum vas_why why, int err)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, operation, asked);
	failure.address = address;
	return vas_edge_publish(&failure, why, err);
}

static inline bool is_verbose(const struct vas_space *space)
{
	return __builtin_expect(__atomic_load_n(&space->verbose, __ATOMIC_RELAXED), 0);
}

VAS_HOT int vas_reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span)
{
	struct vas_reserve_opts known;
	struct vas_failure failure;
	struct vas_policy policy;
	struct vas_space *space;
	int err;

	/* The failure is begun where one can happen: a success should not pay for it. */
	err = span ? vas_options_load(opts, &known, sizeof(known), RESERVE_OPTS_MIN) : -EINVAL;
	if (!err && __builtin_expect(known.policy != NULL, 0))
		err = vas_edge_policy(&known.policy, &policy);
	if (err)
		return fail_early(VAS_OPERATION_RESERVE, size, 0, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return fail_early(VAS_OPERATION_RESERVE, size, 0, vas_edge_books_why(err), err);
	failure.shortfall = VAS_WHY_NONE;
	err = vas_space_reserve(space, size, &known, &failure, span);
	if (err) {
		vas_edge_publish(&failure, VAS_WHY_KERNEL, err);
		vas_watch_refused(space, err);
		return err;
	}
	if (failure.shortfall != VAS_WHY_NONE)
		vas_failure_publish(&failure);
	if (is_verbose(space))
		vas_event_span(VAS_LOG_DEBUG, "reserved", span->start, span->size);
	return 0;
}

static enum vas_why release_why(int err)
{
	if (err == -EBUSY)
		return VAS_WHY_USED;
	if (err == -EOWNERDEAD)
		return VAS_WHY_FORKED;
	return err == -EDEADLK ? VAS_WHY_REENTERED : VAS_WHY_NOT_OWNED;
}

VAS_HOT int vas_release(void *start, enum vas_retired *state)
{
	uint64_t address = (uint64_t)(uintptr_t)start;
	struct vas_space *space = vas_space_if_made();
	enum vas_retired reached;
	uint64_t size;
	int err;

	err = space ? vas_space_release(space, address, NULL, &reached, &size)
		    : vas_space_missing(-ENOENT);
	if (__builtin_expect(err, 0))
		return fail_early(VAS_OPERATION_RELEASE, 0, address, release_why(err), err);
	if (__builtin_expect(reached != VAS_RETIRED_GONE, 0))
		vas_event_span(VAS_LOG_WARNING, "the kernel refuses for now to unmap", address, size);
	else if (is_verbose(space))
		vas_event_span(VAS_LOG_DEBUG, "released", address, size);
	if (state)
		*state = reached;
	return 0;
}

int vas_adopt(void *start, uint64_t size, const struct vas_adopt_opts *opts)
{
	struct vas_span span = { (uint64_t)(uintptr_t)start, size };
	struct vas_adopt_opts known;
	struct vas_policy policy;
	struct vas_failure failure;
	struct vas_space *space;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ADOPT, size);
	failure.address = span.start;
	err = vas_options_load(opts, &known, sizeof(known), ADOPT_OPTS_MIN);
	if (!err && known.policy)
		err = vas_edge_policy(&known.policy, &policy);
	if (err)
		return vas_edge_publish(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_publish(&failure, vas_edge_books_why(err), err);
	if (!vas_edge_range_sound(space->sys->page_size, span) || (known.flags & ~VAS_ADOPT_ALL) ||
	    (uint32_t)known.fork > VAS_FORK_TRAP)
		return vas_edge_publish(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_space_adopt(space, span, &known, &failure);
	if (err) {
		failure.error = err;
		vas_failure_publish(&failure);
		return err;
	}
	if (is_verbose(space))
		vas_event_span(VAS_LOG_DEBUG, "adopted", span.start, span.size);
	return 0;
}

int vas_disown(void *start)
{
	uint64_t address = (uint64_t)(uintptr_t)start;
	struct vas_space *space = vas_space_if_made();
	struct vas_span span;
	int err;

	err = space ? vas_space_disown(space, address, &span) : vas_space_missing(-ENOENT);
	if (err)
		return fail_early(VAS_OPERATION_DISOWN, 0, address, release_why(err), err);
	if (is_verbose(space))
		vas_event_span(VAS_LOG_DEBUG, "disowned", span.start, span.size);
	return 0;
}

VAS_HOT int vas_owner_at(const void *address, struct vas_owner *owner)
{
	const struct vas_space *space = vas_space_if_made();

	if (__builtin_expect(!space, 0))
		return vas_space_missing(-ENOENT);
	if (!vas_owner_index_find(&space->index, (uint64_t)(uintptr_t)address, owner))
		return -ENOENT;
	return 0;
}

int vas_owner_details(uint64_t id, struct vas_owner_details *details)
{
	struct vas_owner_details known = { .size = sizeof(known) };
	struct vas_space *space = vas_space_if_made();
	int err;

	if (!details || details->size < DETAILS_MIN)
		return -EINVAL;
	err = space ? vas_space_details(space, id, &known) : vas_space_missing(-ESTALE);
	return err ? err : vas_options_store(details, &known, sizeof(known), DETAILS_MIN);
}
