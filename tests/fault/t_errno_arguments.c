/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Bad arguments: for every public function and parameter, what it answers to
 * zero, unaligned, wrapped, beyond the width, the kernel's half, NULL, unknown
 * bits, and options of another size. Outputs stay untouched, errno too, the
 * report tells the reason, and every answer is a row of the errno table.
 *
 * The functions come from src/vaspace.map: one without an entry here fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/code.h"
#include "fault/errno_table.h"
#include "support/arguments.h"
#include "tap/tap.h"

#define page arguments_page
#define owned arguments_owned

/* --- reserve and find: the same cases --- */

struct place_case {
	const char *what;
	uint64_t size;
	struct vas_reserve_opts opts;
	int want; /* of vas_reserve; -1: anything the table allows */
	enum vas_why why;
};

typedef int place_fn(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span);

static struct vas_layout *layout;

static int call_reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span)
{
	int err = vas_reserve(size, opts, span);

	if (!err && span)
		vas_release(vas_span_pointer(*span), NULL);
	return err;
}

static int call_find(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span)
{
	return vas_layout_find(layout, size, opts, span);
}

static void check_places(const char *function, place_fn *call)
{
	static struct vas_span wrapping = { UINT64_MAX - 10, 4096 };
	static struct {
		struct vas_limits limits;
		uint64_t tail[4];
	} zero_tail, tail;
	static const struct vas_limits *null_entry[1] = { NULL };
	static const struct vas_limits *many[65];
	struct vas_limits plain = { .size = sizeof(plain) };
	struct vas_limits sizeless = { .size = 0 }, huge = { .size = SIZE_MAX };
	struct vas_limits unknown = { .size = sizeof(plain), .obligations = 0x80000000u };
	struct vas_limits wraps = { .size = sizeof(plain), .holes = &wrapping, .hole_count = 1 };
	struct vas_limits no_holes = { .size = sizeof(plain), .hole_count = 1 };
	struct vas_limits inverse = { .size = sizeof(plain), .min = 1ull << 40, .max = 1ull << 39 };
	struct vas_limits small = { .size = sizeof(plain), .max_size = page };
	struct vas_limits total = { .size = sizeof(plain), .max_total = page };
	struct vas_limits odd = { .size = sizeof(plain), .alignment = (1ull << 40) - 1 };
	struct vas_limits odder = { .size = sizeof(plain), .alignment = (1ull << 41) - 1 };
	const struct vas_limits *one[12] = { &sizeless, &huge,	  &unknown,	     &wraps,
					     &no_holes, &inverse, &small,	     &total,
					     &plain,	&plain,	  &zero_tail.limits, &tail.limits };
	const struct vas_limits *pair[2] = { &odd, &odder };
	uint64_t taken = (uint64_t)(uintptr_t)&page & ~(page - 1);
	const struct place_case cases[] = {
#define S .size = sizeof(struct vas_reserve_opts)
		{ "size 0", 0, { S }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a size that wraps when rounded", UINT64_MAX, { S }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a size beyond the width", 1ull << 60, { S }, ERANGE, VAS_WHY_WIDTH },
		{ "half of all addresses", 1ull << 63, { S }, ERANGE, VAS_WHY_WIDTH },
		{ "min_size above size", page, { S, .min_size = 2 * page }, EINVAL, VAS_WHY_ARGUMENT },
		{ "min_size that wraps", page, { S, .min_size = UINT64_MAX }, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unknown flag", page, { S, .flags = 0x80000000u }, EINVAL, VAS_WHY_ARGUMENT },
		{ "the next flag", page, { S, .flags = VAS_RESERVE_ALL + 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unknown place", page, { S, .place = (enum vas_place)6 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a negative place", page, { S, .place = (enum vas_place)-1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unknown side", page, { S, .side = (enum vas_side)3 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unknown fork policy", page, { S, .fork = (enum vas_fork)(VAS_FORK_TRAP + 1) }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a reserved field", page, { S, .reserved = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "NOFORK with COPY", page, { S, .flags = VAS_RESERVE_NOFORK, .fork = VAS_FORK_COPY }, EINVAL, VAS_WHY_ARGUMENT },
		{ "NOFORK with SHARE", page, { S, .flags = VAS_RESERVE_NOFORK, .fork = VAS_FORK_SHARE }, EINVAL, VAS_WHY_ARGUMENT },
		{ "NOFORK with WIPE", page, { S, .flags = VAS_RESERVE_NOFORK, .fork = VAS_FORK_WIPE }, EINVAL, VAS_WHY_ARGUMENT },
		{ "NOFORK with TRAP", page, { S, .flags = VAS_RESERVE_NOFORK, .fork = VAS_FORK_TRAP }, 0, 0 },
		{ "WIPE", page, { S, .fork = VAS_FORK_WIPE }, 0, 0 },
		{ "alignment 3", page, { S, .alignment = 3 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "alignment of a page and a byte", page, { S, .alignment = page + 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "alignment that divides the page", page, { S, .alignment = 64 }, 0, 0 },
		{ "alignment of 3 pages", page, { S, .alignment = 3 * page }, 0, 0 },
		{ "alignment 2^63", page, { S, .alignment = 1ull << 63 }, ERANGE, VAS_WHY_WINDOW },
		{ "an unaligned phase", page, { S, .alignment = 16 * page, .phase = 100 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a phase as large as the alignment", page, { S, .alignment = 16 * page, .phase = 16 * page }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a phase that wraps", page, { S, .phase = UINT64_MAX - page + 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "EXACT, unaligned", page, { S, .place = VAS_PLACE_EXACT, .address = taken + 8 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "EXACT at 0", page, { S, .place = VAS_PLACE_EXACT }, ERANGE, VAS_WHY_MARGIN },
		{ "EXACT at the first page", page, { S, .place = VAS_PLACE_EXACT, .address = page }, ERANGE, VAS_WHY_MARGIN },
		{ "EXACT, wrapping", 2 * page, { S, .place = VAS_PLACE_EXACT, .address = UINT64_MAX - page + 1 }, ERANGE, VAS_WHY_WIDTH },
		{ "EXACT, up to the last byte", page, { S, .place = VAS_PLACE_EXACT, .address = UINT64_MAX - page + 1 }, ERANGE, VAS_WHY_WIDTH },
		{ "EXACT in the kernel's half", page, { S, .place = VAS_PLACE_EXACT, .address = KERNEL_HALF }, ERANGE, VAS_WHY_WIDTH },
		{ "EXACT beyond the width", page, { S, .place = VAS_PLACE_EXACT, .address = 1ull << 58 }, ERANGE, VAS_WHY_WIDTH },
		{ "EXACT, taken", page, { S, .place = VAS_PLACE_EXACT, .address = taken }, EEXIST, VAS_WHY_TAKEN },
		{ "PREFER, unaligned", page, { S, .flags = VAS_RESERVE_PREFER, .address = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "PREFER with EXACT", page, { S, .flags = VAS_RESERVE_PREFER, .place = VAS_PLACE_EXACT, .address = taken }, EINVAL, VAS_WHY_ARGUMENT },
		{ "PREFER with NEAR", page, { S, .flags = VAS_RESERVE_PREFER, .place = VAS_PLACE_NEAR, .address = taken, .reach = 1 << 30 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "PREFER in the kernel's half", page, { S, .flags = VAS_RESERVE_PREFER, .address = KERNEL_HALF }, 0, 0 },
		{ "PREFER, wrapping", 2 * page, { S, .flags = VAS_RESERVE_PREFER, .address = UINT64_MAX - page + 1 }, 0, 0 },
		{ "PREFER, taken", page, { S, .flags = VAS_RESERVE_PREFER, .address = taken }, 0, 0 },
		{ "NEAR in the kernel's half", page, { S, .place = VAS_PLACE_NEAR, .address = KERNEL_HALF, .reach = 1 << 30 }, ERANGE, VAS_WHY_WIDTH },
		{ "NEAR with less reach than size", 16 * page, { S, .place = VAS_PLACE_NEAR, .address = 1ull << 40, .reach = page }, ERANGE, VAS_WHY_WINDOW },
		{ "NEAR with all the reach there is", page, { S, .place = VAS_PLACE_NEAR, .address = 1ull << 40, .reach = UINT64_MAX }, 0, 0 },
		{ "min in the kernel's half", page, { S, .min = KERNEL_HALF }, ERANGE, VAS_WHY_WIDTH },
		{ "min at the last page", page, { S, .min = UINT64_MAX - page + 1 }, ERANGE, VAS_WHY_WIDTH },
		{ "min above max", page, { S, .min = 1ull << 40, .max = 1ull << 39 }, ERANGE, VAS_WHY_WINDOW },
		{ "min equal to max", page, { S, .min = 1ull << 40, .max = 1ull << 40 }, ERANGE, VAS_WHY_WINDOW },
		{ "max of a page", page, { S, .max = page }, ERANGE, VAS_WHY_WINDOW },
		{ "max beyond everything", page, { S, .max = UINT64_MAX }, 0, 0 },
		{ "a window smaller than the size", 16 * page, { S, .min = 1ull << 40, .max = (1ull << 40) + page }, ERANGE, VAS_WHY_WINDOW },
		{ "a brk_margin beyond everything", page, { S, .min = 1ull << 46, .brk_margin = UINT64_MAX }, -1, 0 },
		{ "candidates NULL with a capacity", page, { S, .candidate_capacity = 10 }, 0, 0 },
		{ "limits NULL with a count", page, { S, .limit_count = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits with a NULL entry", page, { S, .limits = null_entry, .limit_count = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "more limits than can be", page, { S, .limits = many, .limit_count = 65 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits without number", page, { S, .limits = many, .limit_count = SIZE_MAX }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits whose size is 0", page, { S, .limits = &one[0], .limit_count = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits larger than can be", page, { S, .limits = &one[1], .limit_count = 1 }, E2BIG, VAS_WHY_ARGUMENT },
		{ "limits with an unknown obligation", page, { S, .limits = &one[2], .limit_count = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits with a hole that wraps", page, { S, .limits = &one[3], .limit_count = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits with holes NULL", page, { S, .limits = &one[4], .limit_count = 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "limits with min above max", page, { S, .limits = &one[5], .limit_count = 1 }, ERANGE, VAS_WHY_LIMITS },
		{ "limits with a max_size below", 2 * page, { S, .limits = &one[6], .limit_count = 1 }, ERANGE, VAS_WHY_CAP },
		{ "limits with a max_total below", 2 * page, { S, .limits = &one[7], .limit_count = 1 }, ERANGE, VAS_WHY_CAP },
		{ "limits larger, with a tail of zeroes", page, { S, .limits = &one[10], .limit_count = 1 }, 0, 0 },
		{ "limits larger, with something in the tail", page, { S, .limits = &one[11], .limit_count = 1 }, E2BIG, VAS_WHY_ARGUMENT },
		{ "alignments without a common multiple", page, { S, .limits = pair, .limit_count = 2 }, ERANGE, VAS_WHY_LIMITS },
#undef S
	};
	struct vas_span span;

	for (size_t i = 0; i < 65; i++)
		many[i] = &plain;
	zero_tail.limits.size = sizeof(zero_tail);
	tail.limits.size = sizeof(tail);
	tail.tail[3] = 1;
	errno = SENTINEL_ERRNO;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got;

		memset(&span, 0xa5, sizeof(span));
		got = call(cases[i].size, &cases[i].opts, &span);
		if (cases[i].want < 0)
			ok(got == 0 || errno_allowed(function, got), "%s: %s: %d", function,
			   cases[i].what, got);
		else
			answer(function, cases[i].what, got, cases[i].want, (int)cases[i].why);
		if (got < 0 && !untouched(&span, sizeof(span)))
			ok(false, "%s: %s: the span was touched", function, cases[i].what);
		if (got < 0 && cases[i].want == 0)
			tap_diag("the reason is %s", vas_why_name((enum vas_why)cases[i].why));
		errno = SENTINEL_ERRNO;
	}
	answer(function, "a span that is NULL", call(page, NULL, NULL), EINVAL, VAS_WHY_ARGUMENT);
}

static int reserve_with(const void *options)
{
	struct vas_span span;

	return call_reserve(page, options, &span);
}

static void check_reserve(void)
{
	VAS_OPTS(vas_reserve_opts, opts);
	check_places("vas_reserve", call_reserve);
	check_options("vas_reserve", reserve_with, &opts, sizeof(opts), VAS_WHY_ARGUMENT);
}

/* --- limits --- */

static int combine_with(const void *options)
{
	struct vas_limits combined;

	return vas_limits_combine(NULL, 0, options, &combined);
}

static int combine_entry(const void *limits)
{
	const struct vas_limits *list[] = { limits };
	struct vas_limits combined;

	return vas_limits_combine(list, 1, NULL, &combined);
}

static void check_combine(void)
{
	const char *name = "vas_limits_combine";
	struct vas_span wrapping = { UINT64_MAX - 10, 4096 }, sound = { 1 << 30, 4096 };
	struct vas_limits limits = { .size = sizeof(limits) }, combined;
	const struct vas_limits *list[65] = { &limits };
	struct vas_limits_conflict conflict;

	VAS_OPTS(vas_limits_combine_opts, opts);
	errno = SENTINEL_ERRNO;
	memset(&combined, 0xa5, sizeof(combined));
	answer(name, "a list that is NULL", vas_limits_combine(NULL, 1, NULL, &combined), EINVAL, NO_REPORT);
	answer(name, "a result that is NULL", vas_limits_combine(list, 1, NULL, NULL), EINVAL, NO_REPORT);
	answer(name, "more entries than can be", vas_limits_combine(list, 65, NULL, &combined), EINVAL, NO_REPORT);
	answer(name, "a NULL entry", vas_limits_combine(list, 2, NULL, &combined), EINVAL, NO_REPORT);
	limits.obligations = VAS_OBLIGE_ALL + 1;
	answer(name, "an unknown obligation", vas_limits_combine(list, 1, NULL, &combined), EINVAL, NO_REPORT);
	limits.obligations = 0;
	limits.holes = &wrapping;
	limits.hole_count = 1;
	answer(name, "a hole that wraps", vas_limits_combine(list, 1, NULL, &combined), EINVAL, NO_REPORT);
	limits.holes = &sound;
	answer(name, "no room for holes", vas_limits_combine(list, 1, NULL, &combined), ENOSPC, NO_REPORT);
	limits.hole_count = 0;
	limits.min = 2;
	limits.max = 1;
	opts.conflict = &conflict;
	answer(name, "min above max", vas_limits_combine(list, 1, &opts, &combined), ERANGE, NO_REPORT);
	ok(untouched(&combined, sizeof(combined)), "%s: the result is untouched", name);
	limits.min = KERNEL_HALF;
	limits.max = 0;
	answer(name, "min in the kernel's half", vas_limits_combine(list, 1, NULL, &combined), 0, NO_REPORT);
	opts.conflict = NULL;
	check_options(name, combine_with, &opts, sizeof(opts), NO_REPORT);
	limits = (struct vas_limits){ .size = sizeof(limits) };
	check_options(name, combine_entry, &limits, sizeof(limits), NO_REPORT);
}

static int check_with(const void *limits)
{
	return vas_limits_check(limits, (struct vas_span){ 1 << 30, 4096 });
}

static void check_check(void)
{
	const char *name = "vas_limits_check";
	struct vas_limits limits = { .size = sizeof(limits), .max = 1ull << 47 };
	struct vas_span span = { 1 << 30, 4096 };

	errno = SENTINEL_ERRNO;
	answer(name, "limits that are NULL", vas_limits_check(NULL, span), EINVAL, NO_REPORT);
	span.size = 0;
	answer(name, "an empty span", vas_limits_check(&limits, span), EINVAL, NO_REPORT);
	span.size = UINT64_MAX;
	answer(name, "a span that wraps", vas_limits_check(&limits, span), EINVAL, NO_REPORT);
	span = (struct vas_span){ KERNEL_HALF, 4096 };
	answer(name, "a span in the kernel's half", vas_limits_check(&limits, span), ERANGE, NO_REPORT);
	limits.max = 0;
	check_options(name, check_with, &limits, sizeof(limits), NO_REPORT);
}

/* --- commit, release, owners --- */

static int commit_with(const void *options)
{
	return vas_commit(vas_span_pointer(owned), page, options);
}

static void check_commit(void)
{
	const char *name = "vas_commit";
	const struct {
		const char *what;
		uint64_t start, size;
		int want;
		enum vas_why why;
	} cases[] = {
		{ "size 0", owned.start, 0, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unaligned size", owned.start, 100, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unaligned start", owned.start + 8, page, EINVAL, VAS_WHY_ARGUMENT },
		{ "a range that wraps", owned.start, 0 - page, EINVAL, VAS_WHY_ARGUMENT },
		{ "a range up to the last byte", 0 - page, page, EINVAL, VAS_WHY_ARGUMENT },
		{ "the largest size", owned.start, UINT64_MAX, EINVAL, VAS_WHY_ARGUMENT },
		{ "NULL", 0, page, ENOENT, VAS_WHY_NOT_OWNED },
		{ "the kernel's half", KERNEL_HALF, page, ENOENT, VAS_WHY_NOT_OWNED },
		{ "beyond the width", 1ull << 58, page, ENOENT, VAS_WHY_NOT_OWNED },
		{ "one page too many", owned.start, owned.size + page, ENOENT, VAS_WHY_NOT_OWNED },
		{ "a page too low", owned.start - page, 2 * page, ENOENT, VAS_WHY_NOT_OWNED },
		{ "half of all addresses", owned.start, 1ull << 63, ENOENT, VAS_WHY_NOT_OWNED },
	};

	VAS_OPTS(vas_commit_opts, opts);
	errno = SENTINEL_ERRNO;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what,
		       vas_commit((void *)(uintptr_t)cases[i].start, cases[i].size, NULL),
		       cases[i].want, (int)cases[i].why);
	opts.prot = 0x100;
	answer(name, "an unknown protection", commit_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	opts.prot = -1;
	answer(name, "every protection", commit_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	opts.prot = 0;
	opts.flags = VAS_COMMIT_ALL + 1;
	answer(name, "an unknown flag", commit_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	opts.flags = VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE;
	answer(name, "HUGE with NOHUGE", commit_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	opts.flags = 0;
	check_options(name, commit_with, &opts, sizeof(opts), VAS_WHY_ARGUMENT);
}

static void check_release(void)
{
	const uint64_t addresses[] = { 0, 1, page, owned.start + page, owned.start + 1,
				       owned.start - page, KERNEL_HALF, 1ull << 58, UINT64_MAX };

	errno = SENTINEL_ERRNO;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		enum vas_retired state = (enum vas_retired)77;
		char what[64];

		snprintf(what, sizeof(what), "0x%llx", (unsigned long long)addresses[i]);
		errno = SENTINEL_ERRNO;
		answer("vas_release", what, vas_release((void *)(uintptr_t)addresses[i], &state),
		       ENOENT, VAS_WHY_NOT_OWNED);
		if (state != (enum vas_retired)77)
			ok(false, "vas_release: the state was touched");
	}
}

static void check_owner_at(void)
{
	const uint64_t addresses[] = { 0, 1, KERNEL_HALF, 1ull << 57, 1ull << 58, UINT64_MAX };
	struct vas_owner owner;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		memset(&owner, 0xa5, sizeof(owner));
		errno = SENTINEL_ERRNO;
		answer("vas_owner_at", "an address nobody owns",
		       vas_owner_at((void *)(uintptr_t)addresses[i], &owner), ENOENT, NO_REPORT);
		if (!untouched(&owner, sizeof(owner)))
			ok(false, "vas_owner_at: the owner was touched");
	}
	answer("vas_owner_at", "the last byte of a span",
	       vas_owner_at((char *)vas_span_pointer(owned) + owned.size - 1, &owner), 0, NO_REPORT);
}

static int details_of_owned(void *details)
{
	struct vas_owner owner;

	vas_owner_at(vas_span_pointer(owned), &owner);
	return vas_owner_details(owner.id, details);
}

static void check_details(void)
{
	const uint64_t ids[] = { 0, 1ull << 40, UINT64_MAX, UINT64_MAX - 1 };
	struct vas_owner_details details = { .size = sizeof(details) };

	errno = SENTINEL_ERRNO;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		answer("vas_owner_details", "an id that was never given",
		       vas_owner_details(ids[i], &details), ESTALE, NO_REPORT);
	check_result("vas_owner_details", details_of_owned, sizeof(details));
}

/* --- layouts --- */

static int open_with(const void *options)
{
	struct vas_layout *opened;
	int err = vas_layout_open(options, &opened);

	if (!err)
		vas_layout_close(opened);
	return err;
}

static void check_open(void)
{
	const char *name = "vas_layout_open";
	const struct {
		const char *what;
		struct vas_layout_opts opts;
		int want;
		enum vas_why why;
	} cases[] = {
#define S .size = sizeof(struct vas_layout_opts)
		{ "a negative pid", { S, .pid = -1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a small buffer", { S, .buffer_size = 4095 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a buffer of all addresses", { S, .buffer_size = SIZE_MAX }, ENOMEM, VAS_WHY_BOOKS },
		{ "a buffer of half of them", { S, .buffer_size = 1ull << 63 }, ENOMEM, VAS_WHY_BOOKS },
		{ "an unknown source", { S, .source = (enum vas_layout_source)2 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unknown flag", { S, .flags = VAS_LAYOUT_ALL + 1 }, EINVAL, VAS_WHY_ARGUMENT },
		{ "a file without a path", { S, .source = VAS_LAYOUT_FILE }, EINVAL, VAS_WHY_ARGUMENT },
		{ "no such file", { S, .source = VAS_LAYOUT_FILE, .path = "/no/such" }, ENOENT, VAS_WHY_NONE },
		{ "a directory", { S, .source = VAS_LAYOUT_FILE, .path = "/" }, EISDIR, VAS_WHY_NONE },
		{ "below a file", { S, .source = VAS_LAYOUT_FILE, .path = "/proc/self/maps/x" }, ENOTDIR, VAS_WHY_NONE },
		{ "no such process", { S, .pid = INT32_MAX }, ESRCH, VAS_WHY_NONE },
		{ "margins beyond everything", { S, .stack_margin = UINT64_MAX, .brk_margin = UINT64_MAX }, 0, 0 },
#undef S
	};

	VAS_OPTS(vas_layout_opts, opts);
	errno = SENTINEL_ERRNO;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, open_with(&cases[i].opts), cases[i].want,
		       (int)cases[i].why);
	answer(name, "a layout that is NULL", vas_layout_open(NULL, NULL), EINVAL, VAS_WHY_ARGUMENT);
	check_options(name, open_with, &opts, sizeof(opts), VAS_WHY_ARGUMENT);
}

static void check_next(void)
{
	struct vas_mapping mapping;

	answer("vas_layout_next", "a layout that is NULL", vas_layout_next(NULL, &mapping), EINVAL, VAS_WHY_ARGUMENT);
	answer("vas_layout_next", "a mapping that is NULL", vas_layout_next(layout, NULL), EINVAL, VAS_WHY_ARGUMENT);
}

static void check_next_gap(void)
{
	struct vas_gap gap;

	answer("vas_layout_next_gap", "a layout that is NULL", vas_layout_next_gap(NULL, &gap), EINVAL, VAS_WHY_ARGUMENT);
	answer("vas_layout_next_gap", "a gap that is NULL", vas_layout_next_gap(layout, NULL), EINVAL, VAS_WHY_ARGUMENT);
}

static void check_rewind(void)
{
	answer("vas_layout_rewind", "a layout that is NULL", vas_layout_rewind(NULL), EINVAL, VAS_WHY_ARGUMENT);
}

static void check_at(void)
{
	struct vas_mapping mapping;

	answer("vas_layout_at", "a layout that is NULL", vas_layout_at(NULL, 0, &mapping), EINVAL, VAS_WHY_ARGUMENT);
	answer("vas_layout_at", "a mapping that is NULL", vas_layout_at(layout, 0, NULL), EINVAL, VAS_WHY_ARGUMENT);
	answer("vas_layout_at", "address 0", vas_layout_at(layout, 0, &mapping), 0, 0);
	answer("vas_layout_at", "the last byte", vas_layout_at(layout, UINT64_MAX, &mapping), ENOENT, VAS_WHY_NONE);
}

static int find_with(const void *options)
{
	struct vas_span span;

	return vas_layout_find(layout, page, options, &span);
}

static void check_find(void)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	answer("vas_layout_find", "a layout that is NULL", vas_layout_find(NULL, page, NULL, &span), EINVAL, VAS_WHY_ARGUMENT);
	check_places("vas_layout_find", call_find);
	check_options("vas_layout_find", find_with, &opts, sizeof(opts), VAS_WHY_ARGUMENT);
}

static void check_close(void)
{
	vas_layout_close(NULL);
	ok(true, "vas_layout_close: NULL is ignored");
}

/* --- what only fills a struct --- */

#define FILLS(noun, function, type)                                                                \
	static int call_##noun(void *result)                                                       \
	{                                                                                          \
		return function(result);                                                           \
	}                                                                                          \
	static void check_##noun(void)                                                             \
	{                                                                                          \
		check_result(#function, call_##noun, sizeof(type));                                \
	}

FILLS(window, vas_window_get, struct vas_window)
FILLS(report, vas_report_get, struct vas_report)
FILLS(explain, vas_report_explain, struct vas_report)
FILLS(stats, vas_stats_get, struct vas_stats)

static void check_format(void)
{
	char text[8];
	int whole = vas_report_format(NULL, 0);

	ok(whole > 8, "vas_report_format: NULL tells the length");
	ok(vas_report_format(NULL, 100) == whole, "vas_report_format: NULL with a length");
	ok(vas_report_format(text, 0) == whole, "vas_report_format: length 0");
	memset(text, 'x', sizeof(text));
	ok(vas_report_format(text, 1) == whole && text[0] == '\0' && text[1] == 'x',
	   "vas_report_format: length 1");
	ok(vas_report_format(text, sizeof(text)) == whole && strlen(text) == sizeof(text) - 1,
	   "vas_report_format: cut, with a NUL");
}

static int call_ledger(void *result)
{
	return vas_ledger_get(0, result);
}

static void check_ledger(void)
{
	struct vas_ledger_entry entry = { .size = sizeof(entry) };

	answer("vas_ledger_get", "an index beyond all", vas_ledger_get(SIZE_MAX, &entry), ENOENT, NO_REPORT);
	check_result("vas_ledger_get", call_ledger, sizeof(entry));
}

static int call_probe(void *result)
{
	return vas_probe_get(0, result);
}

static void check_probe(void)
{
	struct vas_probe_info info = { .size = sizeof(info) };

	answer("vas_probe_get", "an index beyond all", vas_probe_get(SIZE_MAX, &info), ENOENT, NO_REPORT);
	check_result("vas_probe_get", call_probe, sizeof(info));
}

static int call_setting(void *result)
{
	return vas_setting_get(0, result);
}

static void check_setting(void)
{
	struct vas_setting setting = { .size = sizeof(setting) };

	answer("vas_setting_get", "an index beyond all", vas_setting_get(SIZE_MAX, &setting), ENOENT, NO_REPORT);
	check_result("vas_setting_get", call_setting, sizeof(setting));
}

static void check_sync(void)
{
	answer("vas_sync_check", "where that is NULL", vas_sync_check(NULL), 0, NO_REPORT);
}

static void check_feature(void)
{
	ok(vas_feature(NULL) == 0, "vas_feature: NULL");
	ok(vas_feature("") == 0 && vas_feature("reserv") == 0 && vas_feature("reserve ") == 0,
	   "vas_feature: names that are none");
}

static void check_why(void)
{
	ok(vas_why_name((enum vas_why)-1) && vas_why_name(VAS_WHY_COUNT) &&
		   vas_why_name((enum vas_why)INT32_MAX),
	   "vas_why_name: unknown reasons have a name");
}

static void check_log(void)
{
	vas_log_set(NULL, NULL, (enum vas_log_level)99);
	vas_log_set(NULL, NULL, (enum vas_log_level)-1);
	ok(true, "vas_log_set: NULL at levels that are none");
}

static void check_version(void)
{
	ok(vas_version() == VAS_VERSION, "vas_version: the header's");
}

static void check_reset(void)
{
	vas_probe_reset();
	ok(true, "vas_probe_reset: twice");
	vas_probe_reset();
}

/* Of topology only what is refused before the module is opened. */
static void check_topology(void)
{
	struct vas_topology topology = { .size = sizeof(topology) - 1 };

	answer("vas_topology_get", "NULL", vas_topology_get(NULL), EINVAL, NO_REPORT);
	answer("vas_topology_get", "a result that is too small", vas_topology_get(&topology), EINVAL, NO_REPORT);
	topology.size = 0;
	answer("vas_topology_get", "a size of 0", vas_topology_get(&topology), EINVAL, NO_REPORT);
}

static void check_node(void)
{
	struct vas_node node = { .size = sizeof(node) - 1 };

	answer("vas_node_get", "NULL", vas_node_get(0, NULL), EINVAL, NO_REPORT);
	answer("vas_node_get", "a result that is too small", vas_node_get(0, &node), EINVAL, NO_REPORT);
}

static void check_node_at(void)
{
	answer("vas_node_at", "NULL", vas_node_at(NULL, NULL), EINVAL, NO_REPORT);
}

static void check_topology_error(void)
{
	ok(vas_topology_error() != NULL, "vas_topology_error: never NULL");
}

static const struct {
	const char *function;
	void (*check)(void);
} functions[] = {
	{ "vas_adopt", check_adopt },
	{ "vas_arena_ahead", check_arena_ahead },
	{ "vas_arena_create", check_arena_create },
	{ "vas_arena_destroy", check_arena_destroy },
	{ "vas_arena_extent_at", check_arena_extent_at },
	{ "vas_arena_fill", check_arena_fill },
	{ "vas_arena_generation", check_arena_generation },
	{ "vas_arena_get", check_arena_get },
	{ "vas_arena_grow", check_arena_grow },
	{ "vas_arena_open", check_arena_open },
	{ "vas_arena_pin", check_arena_pin },
	{ "vas_arena_punch", check_arena_punch },
	{ "vas_arena_shrink_within", check_arena_shrink_within },
	{ "vas_arena_unpin", check_arena_unpin },
	{ "vas_arena_seal", check_arena_seal },
	{ "vas_arena_migrate", check_arena_migrate },
	{ "vas_arena_set_policy", check_arena_set_policy },
	{ "vas_arena_shrink", check_arena_shrink },
	{ "vas_arena_size", check_arena_size },
	{ "vas_arena_sync", check_arena_sync },
	{ "vas_arena_trim", check_arena_trim },
	{ "vas_arena_wait", check_arena_wait },
	{ "vas_commit", check_commit },
	{ "vas_decommit", check_decommit },
	{ "vas_protect", check_protect },
	{ "vas_guard", check_guard },
	{ "vas_unguard", check_unguard },
	{ "vas_disown", check_disown },
	{ "vas_feature", check_feature },
	{ "vas_fork_child", check_fork_child },
	{ "vas_fork_hold_set", check_fork },
	{ "vas_fork_parent", check_fork },
	{ "vas_fork_pause_set", check_fork },
	{ "vas_fork_prepare", check_fork },
	{ "vas_generation_at", check_generation_at },
	{ "vas_layout_at", check_at },
	{ "vas_layout_close", check_close },
	{ "vas_layout_find", check_find },
	{ "vas_layout_next", check_next },
	{ "vas_layout_next_gap", check_next_gap },
	{ "vas_layout_open", check_open },
	{ "vas_layout_rewind", check_rewind },
	{ "vas_ledger_get", check_ledger },
	{ "vas_limits_check", check_check },
	{ "vas_limits_combine", check_combine },
	{ "vas_log_set", check_log },
	{ "vas_node_at", check_node_at },
	{ "vas_node_get", check_node },
	{ "vas_mirror_open", check_mirror_open },
	{ "vas_notice_cancel", check_notice_cancel },
	{ "vas_notice_subscribe", check_notice_subscribe },
	{ "vas_owner_at", check_owner_at },
	{ "vas_owner_details", check_details },
	{ "vas_policy_choose", check_policy_choose },
	{ "vas_policy_migrate", check_policy_migrate },
	{ "vas_policy_object", check_policy_object },
	{ "vas_policy_query", check_policy_query },
	{ "vas_pressure_check", check_pressure_check },
	{ "vas_pressure_get", check_pressure_get },
	{ "vas_pressure_set", check_pressure_set },
	{ "vas_probe_get", check_probe },
	{ "vas_probe_reset", check_reset },
	{ "vas_reclaim", check_reclaim },
	{ "vas_region_alloc", check_region_alloc },
	{ "vas_region_block_at", check_region_block_at },
	{ "vas_region_commit", check_region_commit },
	{ "vas_region_create", check_region_create },
	{ "vas_region_decommit", check_region_decommit },
	{ "vas_region_destroy", check_region_destroy },
	{ "vas_region_detached", check_region_detached },
	{ "vas_region_free", check_region_free },
	{ "vas_region_free_tagged", check_region_free_tagged },
	{ "vas_region_join", check_region_join },
	{ "vas_region_enter", check_region_enter },
	{ "vas_region_leave", check_region_leave },
	{ "vas_region_quit", check_region_quit },
	{ "vas_region_tick", check_region_tick },
	{ "vas_region_trim", check_region_trim },
	{ "vas_region_from_manifest", check_region_from_manifest },
	{ "vas_region_guard", check_region_guard },
	{ "vas_region_manifest", check_region_manifest },
	{ "vas_region_merge", check_region_merge },
	{ "vas_region_merge_blocks", check_region_merge_blocks },
	{ "vas_region_next", check_region_next },
	{ "vas_region_park", check_region_park },
	{ "vas_region_protect", check_region_protect },
	{ "vas_region_resize", check_region_resize },
	{ "vas_region_split", check_region_split },
	{ "vas_region_split_block", check_region_split_block },
	{ "vas_region_stats", check_region_stats },
	{ "vas_region_unguard", check_region_unguard },
	{ "vas_region_unpark", check_region_unpark },
	{ "vas_release", check_release },
	{ "vas_replace_cancel", check_replace_cancel },
	{ "vas_replace_commit", check_replace_commit },
	{ "vas_replace_prepare", check_replace_prepare },
	{ "vas_report_explain", check_explain },
	{ "vas_report_format", check_format },
	{ "vas_report_get", check_report },
	{ "vas_reserve", check_reserve },
	{ "vas_queue_create", check_queue_create },
	{ "vas_queue_destroy", check_queue_destroy },
	{ "vas_queue_get", check_queue_get },
	{ "vas_queue_get_begin", check_queue_get_begin },
	{ "vas_queue_get_end", check_queue_get_end },
	{ "vas_queue_join", check_queue_join },
	{ "vas_queue_leave", check_queue_leave },
	{ "vas_queue_put", check_queue_put },
	{ "vas_queue_put_begin", check_queue_put_begin },
	{ "vas_queue_put_end", check_queue_put_end },
	{ "vas_queue_wait", check_queue_wait },
	{ "vas_queue_open", check_queue_open },
	{ "vas_queue_ring", check_queue_ring },
	{ "vas_ring_create", check_ring_create },
	{ "vas_ring_destroy", check_ring_destroy },
	{ "vas_ring_get", check_ring_get },
	{ "vas_ring_open", check_ring_open },
	{ "vas_setting_get", check_setting },
	{ "vas_shutdown", check_shutdown },
	{ "vas_stats_get", check_stats },
	{ "vas_sync_check", check_sync },
	{ "vas_topology_error", check_topology_error },
	{ "vas_topology_get", check_topology },
	{ "vas_version", check_version },
	{ "vas_view_close", check_view_close },
	{ "vas_view_first", check_view_first },
	{ "vas_view_get", check_view_get },
	{ "vas_view_open", check_view_open },
	{ "vas_view_protect", check_view_protect },
	{ "vas_why_name", check_why },
	{ "vas_window_get", check_window },
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

/* Every function of the version map has an entry above. */
static void check_map(void)
{
	static const char here[] = __FILE__;
	char path[4096], line[256], name[128];
	const char *source = getenv("VASPACE_SOURCE");
	unsigned int exported = 0, found;
	FILE *map;

	if (source)
		snprintf(path, sizeof(path), "%s/src/vaspace.map", source);
	else
		snprintf(path, sizeof(path), "%.*s/src/vaspace.map",
			 (int)(strstr(here, "/tests/fault/") - here), here);
	map = fopen(path, "r");
	if (!map)
		tap_bail("%s cannot be read", path);
	while (fgets(line, sizeof(line), map)) {
		if (sscanf(line, " %127[a-z0-9_];", name) != 1 || strncmp(name, "vas_", 4) != 0)
			continue;
		exported++;
		found = 0;
		for (size_t i = 0; i < FUNCTIONS; i++)
			found += strcmp(functions[i].function, name) == 0;
		if (found != 1)
			ok(false, "%s has %u entries in this test", name, found);
	}
	fclose(map);
	ok(exported == FUNCTIONS, "each of the %u exported functions has an entry", exported);
	tap_figure("functions with bad arguments", exported, "functions");
}

int main(void)
{
	tap_plan(0);
	check_map();
	arguments_begin();
	if (vas_layout_open(NULL, &layout))
		tap_bail("no layout");
	for (size_t i = 0; i < FUNCTIONS; i++) {
		errno = SENTINEL_ERRNO;
		functions[i].check();
	}
	is_err(vas_sync_check(NULL), 0, "nothing was left behind");
	vas_layout_close(layout);
	is_err(vas_release(vas_span_pointer(owned), NULL), 0, "the span is released");
	return tap_done();
}
