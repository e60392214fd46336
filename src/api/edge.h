/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the edge share: checks on what callers pass. */
#ifndef VAS_API_EDGE_H
#define VAS_API_EDGE_H

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include <vaspace/memory.h>
#include <vaspace/reserve.h>

#include "base/code.h"
#include "record/report.h"
#include "space/policy.h"
#include "space/space.h"

#define VAS_EDGE_PROT (PROT_READ | PROT_WRITE | PROT_EXEC)

/* The first versions' sizes. */
#define VAS_POLICY_MIN sizeof(struct vas_policy)
#define VAS_COMMIT_MIN sizeof(struct vas_commit_opts)
#define VAS_RESERVE_MIN sizeof(struct vas_reserve_opts)

/* A refusal, published; err is passed on. */
static inline int vas_edge_publish(struct vas_failure *failure, enum vas_why why, int err)
{
	failure->error = err;
	if (failure->why == VAS_WHY_NONE)
		failure->why = (uint8_t)why;
	vas_failure_publish(failure);
	return err;
}

/* The same; the watch over pressure hears of it. */
static inline int vas_edge_fail(struct vas_failure *failure, enum vas_why why, int err)
{
	struct vas_space *space = vas_space_if_made();

	(void)vas_edge_publish(failure, why, err);
	if (space)
		vas_watch_refused(space, err);
	return err;
}

static inline int vas_edge_finish(struct vas_failure *failure, int err)
{
	return __builtin_expect(err, 0) ? vas_edge_fail(failure, VAS_WHY_KERNEL, err) : 0;
}

/* A caller's policy as this version knows it, checked; *given points at it then. -EINVAL, -E2BIG. */
static inline int vas_edge_policy(const struct vas_policy **given, struct vas_policy *known)
{
	int err = vas_options_load(*given, known, sizeof(*known), VAS_POLICY_MIN);

	if (err)
		return err;
	*given = known;
	return vas_policy_sound(known) ? 0 : -EINVAL;
}

/* A caller's reserve options as this version knows them, with their policy; *given points at them then. -EINVAL, -E2BIG. */
static inline int vas_edge_reserve(const struct vas_reserve_opts **given,
				   struct vas_reserve_opts *known, struct vas_policy *policy)
{
	int err = vas_options_load(*given, known, sizeof(*known), VAS_RESERVE_MIN);

	*given = known;
	return !err && known->policy ? vas_edge_policy(&known->policy, policy) : err;
}

/* Why there are no books to work with. */
static inline enum vas_why vas_edge_books_why(int err)
{
	return err == -EOWNERDEAD ? VAS_WHY_FORKED : VAS_WHY_BOOKS;
}

/* Loaded commit options: whether they can be meant together. */
static inline bool vas_edge_commit_sound(const struct vas_commit_opts *opts)
{
	const uint32_t advice = VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE;
	const uint32_t object = VAS_COMMIT_SHARED | VAS_COMMIT_PRIVATE;
	uint32_t flags = opts->flags;

	if ((flags & ~VAS_COMMIT_ALL) || opts->reserved || (opts->prot & ~VAS_EDGE_PROT) ||
	    (flags & advice) == advice || (flags & object) == object)
		return false;
	if ((flags & (VAS_COMMIT_PUNCH | VAS_COMMIT_WHOLE)) && !(flags & VAS_COMMIT_SHARED))
		return false;
	if ((flags & VAS_COMMIT_PUNCH) && (flags & VAS_COMMIT_WHOLE))
		return false;
	/* Nothing can be put into pages that can neither be read nor written. */
	if ((flags & VAS_COMMIT_POPULATE) && opts->prot == PROT_EXEC)
		return false;
	return (flags & object) || opts->offset == 0;
}

/* A page-aligned, non-empty range that does not wrap. */
static inline bool vas_edge_range_sound(uint64_t page, struct vas_span range)
{
	uint64_t end;

	if (range.size == 0 || (range.start | range.size) % page)
		return false;
	return !__builtin_add_overflow(range.start, range.size, &end);
}

/* A caller's commit options as this version knows them, checked. -EINVAL, -E2BIG. */
static inline int vas_edge_commit(const struct vas_commit_opts *given,
				  struct vas_commit_opts *known, struct vas_policy *policy)
{
	int err = vas_options_load(given, known, sizeof(*known), VAS_COMMIT_MIN);

	if (!err && known->policy)
		err = vas_edge_policy(&known->policy, policy);
	if (err)
		return err;
	return vas_edge_commit_sound(known) ? 0 : -EINVAL;
}

#endif
