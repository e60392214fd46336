/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private anonymous memory.
 *
 * WHAT FOR. The memory that commit gives when no descriptor is named: zeroes,
 * charged against overcommit when it is mapped.
 *
 * STRATEGY. One MAP_FIXED mapping of our own reservation: that gives zeroes even if
 * a debugger wrote into the inaccessible pages. Given back by MADV_DONTNEED, or by
 * its variant for locked memory, which the plain one refuses.
 *
 * CONCURRENCY. None of its own: the holding's lock is held.
 *
 * WHAT IT DOES NOT DO. It applies no recipe.
 */
#include <errno.h>
#include <sys/mman.h>

#include "space/backing.h"

static int anonymous_plan(const struct vas_backing *backing, struct vas_sys *sys,
			  const struct vas_backing_range *range)
{
	(void)backing;
	(void)sys;
	(void)range;
	return 0;
}

static int anonymous_map(const struct vas_backing *backing, struct vas_sys *sys,
			 const struct vas_backing_range *range, int prot)
{
	(void)backing;
	return vas_backing_map_anonymous(sys, range->span, prot);
}

static int anonymous_discard(const struct vas_backing *backing, struct vas_sys *sys,
			     const struct vas_backing_range *range)
{
	int64_t err;

	(void)backing;
	err = VAS_CALL(sys, advise, range->span.start, range->span.size, MADV_DONTNEED);
	if (err == -EINVAL)
		err = VAS_CALL(sys, advise, range->span.start, range->span.size,
			       MADV_DONTNEED_LOCKED);
	return (int)err;
}

const struct vas_backing_ops vas_backing_anonymous = {
	.name = "anonymous",
	.plan = anonymous_plan,
	.map = anonymous_map,
	.discard = anonymous_discard,
};
