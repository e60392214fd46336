/* SPDX-License-Identifier: BSD-2-Clause */
/* Combining limits: pure; serves vas_limits_combine and vas_limits_check. */
#ifndef VAS_CORE_COMBINE_H
#define VAS_CORE_COMBINE_H

#include <stddef.h>

#include <vaspace/limits.h>

/*
 * As vas_limits_combine, with entries already validated for size and bits.
 * holes has room for capacity spans (twice the sum of hole counts: the upper
 * half is scratch for sorting). out->holes points to holes.
 */
int vas_combine(const struct vas_limits *const *list, size_t count, struct vas_span *holes,
		size_t capacity, struct vas_limits *out, struct vas_limits_conflict *conflict);
int vas_combine_check(const struct vas_limits *limits, struct vas_span span);
/* Checks one entry: -EINVAL, -E2BIG; loads it (zero-extended) into *known. */
int vas_combine_load(const struct vas_limits *limits, struct vas_limits *known);

#endif
