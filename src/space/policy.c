/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory policies.
 *
 * WHAT FOR. A policy belongs to a mapping: each MAP_FIXED loses it, so it is put on again
 * after every replace.
 *
 * STRATEGY. One mbind with the nodes as they are given; the kernel checks them.
 *
 * CONCURRENCY. None of its own.
 *
 * WHAT IT DOES NOT DO. It moves no page that is there already.
 */
#include "space/policy.h"

#include <errno.h>

#include "sys/definitions.h"

#define NODE_WORDS (sizeof(((struct vas_policy *)0)->nodes) / sizeof(uint64_t))

static const int policy_modes[] = {
	[VAS_POLICY_DEFAULT] = VAS_MPOL_DEFAULT,
	[VAS_POLICY_BIND] = VAS_MPOL_BIND,
	[VAS_POLICY_PREFER] = VAS_MPOL_PREFERRED,
	[VAS_POLICY_PREFER_MANY] = VAS_MPOL_PREFERRED_MANY,
	[VAS_POLICY_INTERLEAVE] = VAS_MPOL_INTERLEAVE,
	[VAS_POLICY_WEIGHTED] = VAS_MPOL_WEIGHTED_INTERLEAVE,
	[VAS_POLICY_LOCAL] = VAS_MPOL_LOCAL,
};

static bool wants_nodes(const struct vas_policy *policy)
{
	return policy->mode != VAS_POLICY_DEFAULT && policy->mode != VAS_POLICY_LOCAL;
}

/* One past the highest node's bit. */
static uint32_t node_bits(const struct vas_policy *policy)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < NODE_WORDS; i++)
		if (policy->nodes[i])
			bits = 64 * (i + 1);
	return bits;
}

bool vas_policy_sound(const struct vas_policy *policy)
{
	if ((uint32_t)policy->mode > VAS_POLICY_LOCAL || policy->flags)
		return false;
	return wants_nodes(policy) == (node_bits(policy) != 0);
}

bool vas_policy_same(const struct vas_policy *a, const struct vas_policy *b)
{
	if (!a || !b) {
		const struct vas_policy *other = a ? a : b;

		return !other || other->mode == VAS_POLICY_DEFAULT;
	}
	return a->mode == b->mode && memcmp(a->nodes, b->nodes, sizeof(a->nodes)) == 0;
}

/* The lowest node alone: "prefer" takes one. */
static void first_node(uint64_t *nodes)
{
	bool found = false;

	for (uint32_t i = 0; i < NODE_WORDS; i++) {
		nodes[i] = found ? 0 : nodes[i] & (0 - nodes[i]);
		found |= nodes[i] != 0;
	}
}

int vas_policy_apply(struct vas_sys *sys, struct vas_span span, const struct vas_policy *policy)
{
	uint64_t nodes[NODE_WORDS];
	uint32_t bits;

	if (!policy)
		return 0;
	memcpy(nodes, policy->nodes, sizeof(nodes));
	if (policy->mode == VAS_POLICY_PREFER)
		first_node(nodes);
	bits = node_bits(policy);
	return (int)VAS_CALL(sys, set_policy, span.start, span.size, policy_modes[policy->mode],
			     bits ? nodes : NULL, bits, 0);
}
