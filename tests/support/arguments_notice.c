/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of vaspace/notice.h. */
#include "support/arguments.h"

#include <string.h>

#include "tap/tap.h"

static int no_hook(void *context, const struct vas_notice *notice)
{
	(void)context;
	(void)notice;
	return 0;
}

void check_notice_subscribe(void)
{
	static const struct vas_span bad[] = { { 0, 0 }, { 4096, 0 }, { UINT64_MAX, 2 }, { 1, UINT64_MAX } };
	const char *name = "vas_notice_subscribe";
	uint64_t id;

	memset(&id, 0xa5, sizeof(id));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		answer(name, "an empty or wrapping span", vas_notice_subscribe(&bad[i], no_hook, NULL, &id), EINVAL, NO_REPORT);
	answer(name, "a hook that is NULL", vas_notice_subscribe(NULL, NULL, NULL, &id), EINVAL, NO_REPORT);
	ok(untouched(&id, sizeof(id)), "%s: the id is untouched", name);
	answer(name, "an id that is NULL", vas_notice_subscribe(NULL, no_hook, NULL, NULL), EINVAL, NO_REPORT);
	answer(name, "everything", vas_notice_subscribe(NULL, no_hook, NULL, &id), 0, NO_REPORT);
	answer("vas_notice_cancel", "a subscription", vas_notice_cancel(id), 0, NO_REPORT);
}

void check_notice_cancel(void)
{
	answer("vas_notice_cancel", "0", vas_notice_cancel(0), ENOENT, NO_REPORT);
	answer("vas_notice_cancel", "an id that was never given", vas_notice_cancel(UINT64_MAX), ENOENT, NO_REPORT);
}

void check_generation_at(void)
{
	const uint64_t addresses[] = { 0, 1, arguments_owned.start + arguments_owned.size, 1ull << 57, KERNEL_HALF, UINT64_MAX };
	uint64_t generation;

	memset(&generation, 0xa5, sizeof(generation));
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		answer("vas_generation_at", "an address nobody owns",
		       vas_generation_at((void *)(uintptr_t)addresses[i], &generation), ENOENT, NO_REPORT);
	ok(untouched(&generation, sizeof(generation)), "vas_generation_at: the output is untouched");
}
