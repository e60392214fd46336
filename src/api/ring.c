/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/ring.h: what callers pass is checked here; then one call down. */
#include <vaspace/ring.h>

#include <errno.h>

#include "api/edge.h"
#include "api/edge_arena.h"
#include "arena/ring.h"
#include "base/code.h"

/* The first versions' sizes. */
#define RING_OPTS_MIN	 sizeof(struct vas_ring_opts)
#define INFO_MIN	 sizeof(struct vas_ring_info)

/* Options with all that they point to, as this version knows them. */
struct known {
	struct vas_ring_opts ring;
	struct vas_arena_opts arena;
	struct vas_reserve_opts reserve;
	struct vas_policy policy;
};

static int load(const struct vas_ring_opts *opts, struct known *known)
{
	int err = vas_options_load(opts, &known->ring, sizeof(known->ring), RING_OPTS_MIN);

	if (err || !known->ring.arena)
		return err;
	err = vas_edge_arena(known->ring.arena, &known->arena, &known->reserve, &known->policy);
	known->ring.arena = &known->arena;
	return err;
}

int vas_ring_create(uint64_t size, const struct vas_ring_opts *opts, struct vas_ring **ring)
{
	struct vas_failure failure;
	struct vas_space *space;
	struct known known;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, size);
	err = ring ? load(opts, &known) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure, vas_ring_make(space, size, &known.ring, &failure, ring));
}

int vas_ring_destroy(struct vas_ring *ring, enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	if (!ring)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_ring_unmake(ring, &reached, &failure));
	if (!err && state)
		*state = reached;
	return err;
}

int vas_ring_get(struct vas_ring *ring, struct vas_ring_info *info)
{
	struct vas_ring_info known = { .size = sizeof(known) };
	struct vas_failure failure;
	int err;

	if (!ring || !info || info->size < INFO_MIN)
		return -EINVAL;
	err = vas_arena_look(ring->arena, &failure);
	if (err)
		return err;
	vas_ring_tell(ring, &known);
	return vas_options_store(info, &known, sizeof(known), INFO_MIN);
}
