/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the edge share: checks on what callers pass. */
#ifndef VAS_API_EDGE_H
#define VAS_API_EDGE_H

#include <errno.h>

#include <vaspace/memory.h>

#include "base/code.h"
#include "space/policy.h"

#define VAS_POLICY_MIN sizeof(struct vas_policy) /* the first version's size */

/* A caller's policy as this version knows it, checked; *given points at it then. -EINVAL, -E2BIG. */
static inline int vas_edge_policy(const struct vas_policy **given, struct vas_policy *known)
{
	int err = vas_options_load(*given, known, sizeof(*known), VAS_POLICY_MIN);

	if (err)
		return err;
	*given = known;
	return vas_policy_sound(known) ? 0 : -EINVAL;
}

/* Why there are no books to work with. */
static inline enum vas_why vas_edge_books_why(int err)
{
	return err == -EOWNERDEAD ? VAS_WHY_FORKED : VAS_WHY_BOOKS;
}

#endif
