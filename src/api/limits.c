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
	struct vas_limits_combine_opts options;
	struct vas_limits_conflict conflict;
	struct vas_limits result;
	int err;

	err = vas_options_load(opts, &options, sizeof(options), sizeof(options));
	if (err)
		return err;
	if (!combined || count > COMBINE_MAX)
		return -EINVAL;
	err = vas_combine(list, count, options.hole_buffer, options.hole_capacity, &result,
			  &conflict);
	if (err == -ERANGE && options.conflict)
		*options.conflict = conflict;
	if (!err)
		*combined = result;
	return err;
}

int vas_limits_check(const struct vas_limits *limits, struct vas_span span)
{
	return vas_combine_check(limits, span);
}
