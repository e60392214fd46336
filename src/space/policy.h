/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory policies of ranges. */
#ifndef VAS_SPACE_POLICY_H
#define VAS_SPACE_POLICY_H

#include <stdbool.h>

#include <vaspace/memory.h>

#include "sys/sys.h"

/* Is it well-formed? Its size is of this version: a struct of callers is loaded before. */
bool vas_policy_sound(const struct vas_policy *policy);
/* Do both say the same? NULL is the thread's own, as VAS_POLICY_DEFAULT. */
bool vas_policy_same(const struct vas_policy *a, const struct vas_policy *b);
/* mbind(2) over a range; NULL = nothing to do. 0, -EINVAL (no such node), -ENOMEM, -EPERM, -ENOSYS. */
int vas_policy_apply(struct vas_sys *sys, struct vas_span span, const struct vas_policy *policy);

#endif
