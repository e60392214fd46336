/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory policies of ranges. */
#ifndef VAS_SPACE_POLICY_H
#define VAS_SPACE_POLICY_H

#include <stdbool.h>

#include <vaspace/memory.h>
#include <vaspace/policy.h>

#include "sys/sys.h"

#define VAS_POLICY_NODES (64 * sizeof(((struct vas_policy *)0)->nodes) / sizeof(uint64_t))

/* The node of VAS_POLICY_HOME. */
static inline uint32_t vas_policy_home(const struct vas_policy *policy)
{
	return policy->flags & ~VAS_POLICY_HOME(0);
}

/* Is it well-formed? Its size is of this version: a struct of callers is loaded before. */
bool vas_policy_sound(const struct vas_policy *policy);
/* Do both say the same? NULL is the thread's own, as VAS_POLICY_DEFAULT. */
bool vas_policy_same(const struct vas_policy *a, const struct vas_policy *b);
/* Does it say any nodes? */
bool vas_policy_has_nodes(const struct vas_policy *policy);
/* mbind(2) over a range; NULL = nothing to do. 0, -EINVAL (no such node), -ENOMEM, -EPERM, -ENOSYS. */
int vas_policy_apply(struct vas_sys *sys, struct vas_span span, const struct vas_policy *policy);

/* The same as the kernel takes it: its mode, nodes (VAS_POLICY_NODES bits) and how many bits; 0 = no nodes. */
uint32_t vas_policy_for_kernel(const struct vas_policy *policy, int *mode, uint64_t *nodes);

/* --- policy_thread.c --- */

struct vas_policy_lent {
	bool lent;
	int mode; /* what the thread had */
	uint64_t nodes[VAS_POLICY_NODES / 64];
};

/* The calling thread's policy until it is taken back; NULL = as it is. -EINVAL (no such node), -ENOMEM, -EPERM, -ENOSYS. */
int vas_policy_lend(struct vas_sys *sys, const struct vas_policy *policy,
		    struct vas_policy_lent *lent);
void vas_policy_take_back(struct vas_sys *sys, const struct vas_policy_lent *lent);

/* --- policy_pages.c: pages that are there. The range is of whole pages. --- */

/* Where they are. *report is filled whole. -EFAULT, -ENOMEM, -EOPNOTSUPP. */
int vas_policy_look(struct vas_sys *sys, struct vas_span range, const struct vas_policy *policy,
		    struct vas_policy_report *report);
/*
 * Moves those that lie elsewhere than a policy with nodes says. *moved: bytes, also after an error. -EBUSY, -ENOMEM: some could
 * not be moved; -EINVAL: to those nodes nothing can; -EPERM, -EOPNOTSUPP.
 */
int vas_policy_move(struct vas_sys *sys, struct vas_span range, const struct vas_policy *policy,
		    uint64_t *moved);
/* The reason that is told with it. */
enum vas_why vas_policy_move_why(int err);

#endif
