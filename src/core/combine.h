/* SPDX-License-Identifier: BSD-2-Clause */
/* Combining limits: pure; serves vas_limits_combine and vas_limits_check. */
#ifndef VAS_CORE_COMBINE_H
#define VAS_CORE_COMBINE_H

#include <stddef.h>

#include <vaspace/limits.h>

/*
 * As vas_limits_combine: validates and loads every entry, answers -EINVAL,
 * -E2BIG, -ERANGE and -ENOSPC with *out untouched. holes has room for capacity
 * spans; the sum of all hole counts is enough, twice that is fastest (sorting then
 * needs no detour). No entry's holes may lie in it. out->holes points to holes,
 * or is NULL when there are none. conflict (may be NULL) is written on -ERANGE only; of
 * several broken rules it names the first in the order of the enum.
 */
int vas_combine(const struct vas_limits *const *list, size_t count, struct vas_span *holes,
		size_t capacity, struct vas_limits *out, struct vas_limits_conflict *conflict);
/* As vas_limits_check. */
int vas_combine_check(const struct vas_limits *limits, struct vas_span span);
/* Checks one entry: -EINVAL, -E2BIG; loads it (zero-extended) into *known. */
int vas_combine_load(const struct vas_limits *limits, struct vas_limits *known);

#endif
