/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory policies that single commits were given: a small table of one holding, which its
 * backings name by number. Number 0 is the span's own policy and is not in it.
 */
#ifndef VAS_SPACE_POLICIES_H
#define VAS_SPACE_POLICIES_H

#include <stdint.h>

#include <vaspace/memory.h>

#include "sys/pages.h"

struct vas_policies {
	struct vas_policy *items; /* item i has number i + 1; size 0 = this place is free */
	uint32_t count;
	uint32_t capacity;
};

/* The number of a policy, or 0 when it is not there. */
uint32_t vas_policies_find(const struct vas_policies *policies, const struct vas_policy *policy);
/* Puts one in that is not there. 0 = there is no place. */
uint32_t vas_policies_add(struct vas_policies *policies, const struct vas_policy *policy);
/* Room for more. -ENOMEM. */
int vas_policies_grow(struct vas_policies *policies, struct vas_pages *pages);
/* The same table under the same numbers. -ENOMEM. */
int vas_policies_copy(const struct vas_policies *policies, struct vas_pages *pages,
		      struct vas_policies *copy);
/* NULL for number 0. */
const struct vas_policy *vas_policies_get(const struct vas_policies *policies, uint32_t number);
void vas_policies_free(struct vas_policies *policies, struct vas_pages *pages);

#endif
