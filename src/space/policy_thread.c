/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy as the calling thread's own, for a moment.
 *
 * WHAT FOR. Memory that fallocate gives to an object of huge pages comes from where the thread's policy says (Linux 6.8), whatever the
 * mappings of the object say.
 *
 * STRATEGY. What the thread has is read, and put back afterwards.
 *
 * CONCURRENCY. A thread's policy is nobody else's. A signal handler that touches new memory meanwhile gets it from the lent nodes.
 *
 * WHAT IT DOES NOT DO. Threads' policies have no home nodes.
 */
#include <errno.h>

#include "space/policy.h"

int vas_policy_lend(struct vas_sys *sys, const struct vas_policy *policy,
		    struct vas_policy_lent *lent)
{
	uint64_t nodes[VAS_POLICY_NODES / 64];
	uint32_t bits;
	int mode, err;

	lent->lent = false;
	if (!policy || policy->mode == VAS_POLICY_DEFAULT)
		return 0;
	err = (int)VAS_CALL(sys, get_thread_policy, &lent->mode, lent->nodes, VAS_POLICY_NODES);
	if (err < 0)
		return err;
	bits = vas_policy_for_kernel(policy, &mode, nodes);
	err = (int)VAS_CALL(sys, set_thread_policy, mode, bits ? nodes : NULL, bits);
	if (err < 0)
		return err;
	lent->lent = true;
	return 0;
}

void vas_policy_take_back(struct vas_sys *sys, const struct vas_policy_lent *lent)
{
	bool any = false;

	if (!lent->lent)
		return;
	for (uint32_t i = 0; i < VAS_POLICY_NODES / 64; i++)
		any = any || lent->nodes[i];
	(void)VAS_CALL(sys, set_thread_policy, lent->mode, any ? lent->nodes : NULL,
		       any ? VAS_POLICY_NODES : 0);
}
