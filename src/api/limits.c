/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/limits.h. */
#include <vaspace/limits.h>

#include <errno.h>

#include "base/code.h"
#include "core/combine.h"

#define COMBINE_MAX 64u

int vas_limits_combine(const struct vas_limits *const *list, size_t count,
		       const struct vas_limits_combine_opts *opts, struct vas_limits *combined)
{
	struct vas_limits loaded[COMBINE_MAX], result;
	const struct vas_limits *known[COMBINE_MAX];
	struct vas_limits_combine_opts options;
	struct vas_limits_conflict conflict;
	int err;

	err = vas_options_load(opts, &options, sizeof(options), sizeof(options));
	if (err)
		return err;
	if (!combined || (count && !list) || count > COMBINE_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (!list[i])
			return -EINVAL;
		err = vas_combine_load(list[i], &loaded[i]);
		if (err)
			return err;
		known[i] = &loaded[i];
	}
	err = vas_combine(known, count, options.hole_buffer, options.hole_capacity, &result,
			  &conflict);
	if (err == -ERANGE && options.conflict)
		*options.conflict = conflict;
	if (!err)
		*combined = result;
	return err;
}

int vas_limits_check(const struct vas_limits *limits, struct vas_span span)
{
	struct vas_limits known;
	int err;

	if (!limits)
		return -EINVAL;
	err = vas_combine_load(limits, &known);
	return err ? err : vas_combine_check(&known, span);
}
