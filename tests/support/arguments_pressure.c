/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of vaspace/pressure.h, and of shutdown, which has none. */
#include "support/arguments.h"

#include "tap/tap.h"

static int get_into(void *result)
{
	return vas_pressure_get(result);
}

static int set_with(const void *options)
{
	return vas_pressure_set(NULL, NULL, options);
}

void check_pressure_get(void)
{
	check_result("vas_pressure_get", get_into, sizeof(struct vas_pressure));
}

void check_pressure_set(void)
{
	const char *name = "vas_pressure_set";

	VAS_OPTS(vas_pressure_opts, opts);
	errno = SENTINEL_ERRNO;
	check_options(name, set_with, &opts, sizeof(opts), NO_REPORT);
	opts.vmas_percent = 101;
	answer(name, "more than everything", set_with(&opts), EINVAL, NO_REPORT);
	opts.vmas_percent = UINT32_MAX;
	answer(name, "much more than everything", set_with(&opts), EINVAL, NO_REPORT);
	opts.vmas_percent = 100;
	opts.cgroup_room = UINT64_MAX;
	answer(name, "everything", set_with(&opts), 0, NO_REPORT);
	opts.reserved = 1;
	answer(name, "something in what is reserved", set_with(&opts), EINVAL, NO_REPORT);
	answer(name, "no options", set_with(NULL), 0, NO_REPORT);
}

void check_pressure_check(void)
{
	answer("vas_pressure_check", "without a hook", vas_pressure_check(), 0, NO_REPORT);
}

void check_reclaim(void)
{
	uint64_t reclaimed;

	answer("vas_reclaim", "everything, told to nobody", vas_reclaim(UINT64_MAX, NULL), 0, NO_REPORT);
	answer("vas_reclaim", "nothing", vas_reclaim(0, &reclaimed), 0, NO_REPORT);
	is_u64(reclaimed, 0, "vas_reclaim: nothing");
}

void check_shutdown(void)
{
	answer("vas_shutdown", "while a span is owned", vas_shutdown(), EBUSY, NO_REPORT);
}
