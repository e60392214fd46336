/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory policies.
 *
 * WHAT FOR. A policy belongs to a mapping: each MAP_FIXED loses it, so it is put on again
 * after every replace.
 *
 * STRATEGY. One mbind with the nodes as they are given, and one call more for a home node; the kernel checks them.
 *
 * CONCURRENCY. None of its own.
 *
 * WHAT IT DOES NOT DO. It moves no page that is there already.
 */
#include "space/policy.h"

#include <errno.h>

#include "sys/definitions.h"

#define NODE_WORDS (VAS_POLICY_NODES / 64)

static const int policy_modes[] = {
	[VAS_POLICY_DEFAULT] = VAS_MPOL_DEFAULT,
	[VAS_POLICY_BIND] = VAS_MPOL_BIND,
	[VAS_POLICY_PREFER] = VAS_MPOL_PREFERRED,
	[VAS_POLICY_PREFER_MANY] = VAS_MPOL_PREFERRED_MANY,
	[VAS_POLICY_INTERLEAVE] = VAS_MPOL_INTERLEAVE,
	[VAS_POLICY_WEIGHTED] = VAS_MPOL_WEIGHTED_INTERLEAVE,
	[VAS_POLICY_LOCAL] = VAS_MPOL_LOCAL,
};

bool vas_policy_has_nodes(const struct vas_policy *policy)
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

static bool home_sound(const struct vas_policy *policy)
{
	if (!policy->flags)
		return true;
	return (policy->mode == VAS_POLICY_BIND || policy->mode == VAS_POLICY_PREFER_MANY) &&
	       (policy->flags & VAS_POLICY_HOME(0)) && vas_policy_home(policy) < VAS_POLICY_NODES;
}

bool vas_policy_sound(const struct vas_policy *policy)
{
	if ((uint32_t)policy->mode > VAS_POLICY_LOCAL || !home_sound(policy))
		return false;
	return vas_policy_has_nodes(policy) == (node_bits(policy) != 0);
}

bool vas_policy_same(const struct vas_policy *a, const struct vas_policy *b)
{
	if (!a || !b) {
		const struct vas_policy *other = a ? a : b;

		return !other || other->mode == VAS_POLICY_DEFAULT;
	}
	return a->mode == b->mode && a->flags == b->flags && memcmp(a->nodes, b->nodes, sizeof(a->nodes)) == 0;
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

static int home_apply(struct vas_sys *sys, struct vas_span span, uint32_t node)
{
	int err = (int)VAS_CALL(sys, set_home, span.start, span.size, node);

	/* As a mode that the kernel does not know. */
	return err == -ENOSYS || err == -EOPNOTSUPP || err == -ENOENT ? -EINVAL : err;
}

uint32_t vas_policy_for_kernel(const struct vas_policy *policy, int *mode, uint64_t *nodes)
{
	memcpy(nodes, policy->nodes, sizeof(policy->nodes));
	if (policy->mode == VAS_POLICY_PREFER)
		first_node(nodes);
	*mode = policy_modes[policy->mode];
	return node_bits(policy);
}

int vas_policy_apply(struct vas_sys *sys, struct vas_span span, const struct vas_policy *policy)
{
	uint64_t nodes[NODE_WORDS];
	uint32_t bits;
	int mode, err;

	if (!policy)
		return 0;
	bits = vas_policy_for_kernel(policy, &mode, nodes);
	err = (int)VAS_CALL(sys, set_policy, span.start, span.size, mode, bits ? nodes : NULL, bits,
			    0);
	return err < 0 || !policy->flags ? err : home_apply(sys, span, vas_policy_home(policy));
}
