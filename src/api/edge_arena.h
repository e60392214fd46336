/* SPDX-License-Identifier: BSD-2-Clause */
/* What the edges of arenas and of what is made of them share. */
#ifndef VAS_API_EDGE_ARENA_H
#define VAS_API_EDGE_ARENA_H

#include <vaspace/arena.h>

#include "api/edge.h"
#include "record/report.h"
#include "space/space.h"

/* The first version's size. */
#define VAS_ARENA_OPTS_MIN sizeof(struct vas_arena_opts)

/* A refusal, published; the watch over pressure hears of it. */
static inline int vas_edge_fail(struct vas_failure *failure, enum vas_why why, int err)
{
	struct vas_space *space = vas_space_if_made();

	failure->error = err;
	if (failure->why == VAS_WHY_NONE)
		failure->why = (uint8_t)why;
	vas_failure_publish(failure);
	if (space)
		vas_watch_refused(space, err);
	return err;
}

static inline int vas_edge_finish(struct vas_failure *failure, int err)
{
	return err ? vas_edge_fail(failure, VAS_WHY_KERNEL, err) : 0;
}

/* A caller's arena options as this version knows them, with what they point to. -EINVAL, -E2BIG. */
static inline int vas_edge_arena(const struct vas_arena_opts *given, struct vas_arena_opts *known,
				 struct vas_reserve_opts *reserve, struct vas_policy *policy)
{
	int err = vas_options_load(given, known, sizeof(*known), VAS_ARENA_OPTS_MIN);

	return !err && known->reserve ? vas_edge_reserve(&known->reserve, reserve, policy) : err;
}

#endif
