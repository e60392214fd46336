/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of vaspace/memory.h, but for vas_commit's. */
#include "support/arguments.h"

#include <string.h>
#include <sys/mman.h>

#include "tap/tap.h"

static enum vas_retired state;

static int call_decommit(void *start, uint64_t size)
{
	return vas_decommit(start, size, &state);
}

static int call_protect(void *start, uint64_t size)
{
	return vas_protect(start, size, PROT_READ);
}

/* What all of them refuse alike. */
static void check_range(const char *name, int (*call)(void *start, uint64_t size))
{
	uint64_t page = arguments_page, start = arguments_owned.start;
	const struct {
		uint64_t start, size;
		int error;
	} cases[] = {
		{ start + 1, page, EINVAL },	 { start, page + 1, EINVAL },
		{ start, 0, EINVAL },		 { start, UINT64_MAX & ~(page - 1), EINVAL },
		{ 64 * page, page, ENOENT },	 { start - page, 2 * page, ENOENT },
		{ start, 17 * page, ENOENT },	 { KERNEL_HALF, page, ENOENT },
		{ UINT64_MAX - page + 1, page, EINVAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, "a range", call((void *)(uintptr_t)cases[i].start, cases[i].size),
		       cases[i].error,
		       cases[i].error == ENOENT ? VAS_WHY_NOT_OWNED : VAS_WHY_ARGUMENT);
}

/* Whatever the case before left. */
static void clean(void)
{
	if (vas_decommit(vas_span_pointer(arguments_owned), arguments_owned.size, NULL))
		tap_bail("the owned span cannot be decommitted");
}

void check_decommit(void)
{
	memset(&state, 0xa5, sizeof(state));
	check_range("vas_decommit", call_decommit);
	ok(untouched(&state, sizeof(state)), "vas_decommit: the state is untouched");
	answer("vas_decommit", "nothing there", call_decommit(vas_span_pointer(arguments_owned), arguments_page), 0, NO_REPORT);
	answer("vas_decommit", "no state", vas_decommit(vas_span_pointer(arguments_owned), arguments_page, NULL), 0, NO_REPORT);
}

void check_protect(void)
{
	void *start = vas_span_pointer(arguments_owned);

	check_range("vas_protect", call_protect);
	clean();
	answer("vas_protect", "unknown bits", vas_protect(start, arguments_page, 8), EINVAL, VAS_WHY_ARGUMENT);
	answer("vas_protect", "all bits", vas_protect(start, arguments_page, -1), EINVAL, VAS_WHY_ARGUMENT);
	answer("vas_protect", "nothing committed", call_protect(start, arguments_page), EINVAL, VAS_WHY_NOT_MAPPED);
}

void check_guard(void)
{
	check_range("vas_guard", vas_guard);
	clean();
	answer("vas_guard", "nothing committed", vas_guard(vas_span_pointer(arguments_owned), arguments_page), EINVAL,
	       VAS_WHY_NOT_MAPPED);
}

void check_unguard(void)
{
	check_range("vas_unguard", vas_unguard);
	clean();
	answer("vas_unguard", "nothing committed", vas_unguard(vas_span_pointer(arguments_owned), arguments_page), EINVAL,
	       VAS_WHY_NOT_MAPPED);
}
