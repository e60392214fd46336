/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of policies of one holding.
 *
 * WHAT FOR. A policy that a commit was given is put on again by whoever maps the same memory
 * anew: unpark, or a child that gets its own copy. Most spans have none, and pay nothing.
 *
 * STRATEGY. Searched from end to end: few policies are at work in one span. Nothing
 * counts who uses one; the owner of the table (backings.c) frees what no backing names.
 *
 * CONCURRENCY. Guarded by the holding's lock; growing also needs the space's.
 *
 * WHAT IT DOES NOT DO. It applies none.
 */
#include "space/policies.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "space/policy.h"

#define POLICIES_FIRST 3u
#define POLICIES_MAX   ((2u << 20) / sizeof(struct vas_policy))

uint32_t vas_policies_find(const struct vas_policies *policies, const struct vas_policy *policy)
{
	for (uint32_t i = 0; i < policies->count; i++)
		if (policies->items[i].size && vas_policy_same(&policies->items[i], policy))
			return i + 1;
	return 0;
}

uint32_t vas_policies_add(struct vas_policies *policies, const struct vas_policy *policy)
{
	uint32_t place = 0;

	while (place < policies->count && policies->items[place].size)
		place++;
	if (place == policies->capacity)
		return 0;
	policies->items[place] = *policy;
	policies->items[place].size = sizeof(*policy);
	if (place == policies->count)
		policies->count++;
	return place + 1;
}

/* A table of so many with what the old one has. */
static int policies_move(const struct vas_policies *policies, struct vas_pages *pages,
			 uint64_t capacity, struct vas_policies *moved)
{
	void *memory;
	int err = vas_pages_take(pages, capacity * sizeof(struct vas_policy), &memory);

	if (err)
		return err;
	if (policies->count)
		memcpy(memory, policies->items, policies->count * sizeof(struct vas_policy));
	*moved = (struct vas_policies){ memory, policies->count, (uint32_t)capacity };
	return 0;
}

int vas_policies_grow(struct vas_policies *policies, struct vas_pages *pages)
{
	uint64_t capacity = policies->capacity ? 2 * (uint64_t)policies->capacity : POLICIES_FIRST;
	struct vas_policies old = *policies;
	int err;

	if (capacity > POLICIES_MAX)
		capacity = POLICIES_MAX;
	if (capacity <= policies->capacity)
		return -ENOMEM;
	err = policies_move(&old, pages, capacity, policies);
	if (!err)
		vas_policies_free(&old, pages);
	return err;
}

int vas_policies_copy(const struct vas_policies *policies, struct vas_pages *pages,
		      struct vas_policies *copy)
{
	*copy = (struct vas_policies){ 0 };
	if (!policies->capacity)
		return 0;
	return policies_move(policies, pages, policies->capacity, copy);
}

const struct vas_policy *vas_policies_get(const struct vas_policies *policies, uint32_t number)
{
	if (number == 0)
		return NULL;
	VAS_ASSERT(number <= policies->count && policies->items[number - 1].size);
	return &policies->items[number - 1];
}

void vas_policies_free(struct vas_policies *policies, struct vas_pages *pages)
{
	if (policies->items)
		vas_pages_give(pages, policies->items,
			       policies->capacity * sizeof(struct vas_policy));
	*policies = (struct vas_policies){ 0 };
}
