/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums over what is mapped in a holding that the caller has pinned. Take its lock. */
#ifndef VAS_SPACE_SUMS_H
#define VAS_SPACE_SUMS_H

#include <stdint.h>

#include "space/space.h"

struct vas_part_sums {
	uint64_t committed; /* bytes; guarded by the caller is committed */
	uint64_t guarded;
	uint64_t emptied;
	uint64_t held;
	uint64_t runs; /* kernel mappings that the layout asks for */
};

void vas_part_sum(struct vas_holding *holding, struct vas_part_sums *sums);
/* Bytes of the range that a commit would add. */
uint64_t vas_part_uncommitted(struct vas_holding *holding, struct vas_span range);
/*
 * So many bytes of its views count as committed from now on: a change, which is counted. Returns the generation; by the
 * holding's user.
 */
uint64_t vas_part_set_shown(struct vas_space *space, struct vas_holding *holding, uint64_t bytes);

#endif
