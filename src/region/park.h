/* SPDX-License-Identifier: BSD-2-Clause */
/* A region at rest: parked, described, made again. Below vaspace/park.h. */
#ifndef VAS_REGION_PARK_H
#define VAS_REGION_PARK_H

#include <vaspace/park.h>

#include "region/region.h"

/* Options are loaded and checked. Failures fill *failure. The errors of vaspace/park.h. */
int vas_region_rest(struct vas_region *region, const struct vas_park_opts *opts,
		    struct vas_failure *failure);
int vas_region_wake(struct vas_region *region, const struct vas_park_opts *opts,
		    struct vas_failure *failure);
/* range: pages, not empty. */
int vas_region_regain(struct vas_region *region, struct vas_span range,
		      struct vas_failure *failure);
int vas_region_describe(struct vas_region *region, void *buffer, size_t capacity,
			struct vas_failure *failure, size_t *length);
int vas_region_revive(struct vas_space *space, const void *manifest, size_t length,
		      struct vas_failure *failure, struct vas_region **region);

/*
 * The state PARKED, or -EINVAL; and nobody else is at it until vas_region_settled, or -EBUSY. For
 * the files of park only.
 */
int vas_region_hold_parked(struct vas_region *region, struct vas_failure *failure);
void vas_region_settled(struct vas_region *region, enum vas_region_state state);

#endif
