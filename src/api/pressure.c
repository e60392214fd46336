/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/pressure.h. */
#include <vaspace/pressure.h>

#include <errno.h>

#include "base/code.h"
#include "space/space.h"

/* The first versions' sizes: what older callers may pass. */
#define PRESSURE_MIN sizeof(struct vas_pressure)
#define PRESSURE_OPTS_MIN sizeof(struct vas_pressure_opts)

int vas_pressure_get(struct vas_pressure *pressure)
{
	struct vas_pressure known;
	struct vas_space *space;

	if (!pressure || pressure->size < PRESSURE_MIN || pressure->size > VAS_OPTIONS_SIZE_MAX)
		return -EINVAL;
	space = vas_space_if_made();
	if (!space && vas_space_missing(0))
		return -EOWNERDEAD;
	vas_space_pressure(space, &known);
	return vas_options_store(pressure, &known, sizeof(known), PRESSURE_MIN);
}

int vas_pressure_set(vas_pressure_hook *hook, void *context, const struct vas_pressure_opts *opts)
{
	struct vas_pressure_opts known;
	struct vas_space *space;
	int err;

	err = vas_options_load(opts, &known, sizeof(known), PRESSURE_OPTS_MIN);
	if (err)
		return err;
	if (known.vmas_percent > 100 || known.reserved)
		return -EINVAL;
	err = vas_space_default(&space);
	if (err)
		return err;
	vas_space_watch(space, hook, context, &known);
	return 0;
}

int vas_pressure_check(void)
{
	struct vas_space *space = vas_space_if_made();

	if (!space)
		return 0;
	return (int)vas_watch_look(space, VAS_PRESSURE_VMAS | VAS_PRESSURE_CGROUP);
}

int vas_reclaim(uint64_t target, uint64_t *reclaimed)
{
	struct vas_space *space = vas_space_if_made();
	uint64_t got = space ? vas_space_reclaim(space, target) : 0;

	if (reclaimed)
		*reclaimed = got;
	return 0;
}
