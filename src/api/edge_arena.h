/* SPDX-License-Identifier: BSD-2-Clause */
/* What the edges of arenas and of what is made of them share. */
#ifndef VAS_API_EDGE_ARENA_H
#define VAS_API_EDGE_ARENA_H

#include <vaspace/arena.h>

#include "api/edge.h"

/* The first version's size. */
#define VAS_ARENA_OPTS_MIN sizeof(struct vas_arena_opts)

/* A caller's arena options as this version knows them, with what they point to. -EINVAL, -E2BIG. */
static inline int vas_edge_arena(const struct vas_arena_opts *given, struct vas_arena_opts *known,
				 struct vas_reserve_opts *reserve, struct vas_policy *policy)
{
	int err = vas_options_load(given, known, sizeof(*known), VAS_ARENA_OPTS_MIN);

	if (!err && (known->prot & ~VAS_EDGE_PROT))
		err = -EINVAL;
	return !err && known->reserve ? vas_edge_reserve(&known->reserve, reserve, policy) : err;
}

#endif
