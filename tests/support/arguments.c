/* SPDX-License-Identifier: BSD-2-Clause */
/* What all checks of bad arguments share; see arguments.h. */
#include "support/arguments.h"

#include <string.h>
#include <unistd.h>

#include "fault/errno_table.h"
#include "tap/tap.h"

uint64_t arguments_page;
struct vas_span arguments_owned;

static unsigned char sentinel[8192]; /* 0xa5 throughout */

void arguments_begin(void)
{
	arguments_page = (uint64_t)sysconf(_SC_PAGESIZE);
	memset(sentinel, 0xa5, sizeof(sentinel));
	if (vas_reserve(16 * arguments_page, NULL, &arguments_owned))
		tap_bail("no span");
}

void answer(const char *function, const char *what, int got, int want, int why)
{
	struct vas_report report = { .size = sizeof(report) };
	int after = errno;

	is_err(got, want, "%s: %s", function, what);
	errno = after;
	if (after != SENTINEL_ERRNO)
		ok(false, "%s: %s: errno was changed to %d", function, what, after);
	errno = SENTINEL_ERRNO;
	if (got >= 0)
		return;
	if (why != NO_REPORT && (vas_report_get(&report) || report.error != got ||
				 (int)report.why != why))
		ok(false, "%s: %s: the report says %s", function, what, vas_why_name(report.why));
	if (!errno_allowed_why(function, got, why == NO_REPORT ? VAS_WHY_NONE : why))
		ok(false, "%s: %s: no row of the table", function, what);
}

bool untouched(const void *memory, size_t size)
{
	return memcmp(memory, sentinel, size) == 0;
}

/* --- options: structs that are read --- */

void check_options(const char *function, call_options_fn *call, const void *good,
			  size_t known, int why)
{
	static unsigned char bytes[8192];
	size_t size;

	errno = SENTINEL_ERRNO;
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, good, known);
	for (size = 0; size < known; size += size ? known - 1 - size : 1) {
		memcpy(bytes, &size, sizeof(size));
		answer(function, "options smaller than the first version's", call(bytes), EINVAL, why);
		if (size == known - 1)
			break;
	}
	size = known + 64;
	memcpy(bytes, &size, sizeof(size));
	answer(function, "larger options with a tail of zeroes", call(bytes), 0, why);
	bytes[size - 1] = 1;
	answer(function, "larger options with something in the tail", call(bytes), E2BIG, why);
	bytes[size - 1] = 0;
	size = SIZE_MAX;
	memcpy(bytes, &size, sizeof(size));
	answer(function, "options larger than can be", call(bytes), E2BIG, why);
}

void check_shared_reserve(const char *function, call_options_fn *call, const void *options,
			  struct vas_reserve_opts *reserve, enum vas_fork fork)
{
	reserve->min_size = arguments_page;
	answer(function, "a min_size", call(options), EINVAL, VAS_WHY_ARGUMENT);
	reserve->min_size = 0;
	reserve->fork = fork;
	answer(function, "a fork policy that cannot be", call(options), EOPNOTSUPP,
	       VAS_WHY_FORK_POLICY);
	reserve->fork = VAS_FORK_DEFAULT;
}

/* --- results: structs that are written, and say their size --- */

void check_result(const char *function, call_result_fn *call, size_t known)
{
	static unsigned char bytes[8192];
	size_t size;

	errno = SENTINEL_ERRNO;
	answer(function, "a result that is NULL", call(NULL), EINVAL, NO_REPORT);
	for (int i = 0; i < 3; i++) {
		size = i == 0 ? 0 : i == 1 ? known - 1 : SIZE_MAX;
		memset(bytes, 0xa5, sizeof(bytes));
		memcpy(bytes, &size, sizeof(size));
		answer(function, i < 2 ? "a result that is too small" : "a result that is too large",
		       call(bytes), EINVAL, NO_REPORT);
		ok(untouched(bytes + sizeof(size), sizeof(bytes) - sizeof(size)),
		   "%s: the result is untouched", function);
	}
	size = known + 64;
	memset(bytes, 0xa5, sizeof(bytes));
	memcpy(bytes, &size, sizeof(size));
	answer(function, "a larger result", call(bytes), 0, NO_REPORT);
	for (size_t i = known; i < size; i++)
		if (bytes[i] != 0)
			ok(false, "%s: the tail of a larger result is not zero", function);
	ok(untouched(bytes + size, sizeof(bytes) - size), "%s: nothing is written behind it",
	   function);
}
