/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments that must be refused: each with the errno and the reason of the
 * table, outputs untouched, and nothing changed in the books.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "fault/errno_table.h"
#include "tap/tap.h"

#define MIB	    (1ull << 20)
#define GIB	    (1ull << 30)
#define KERNEL_HALF 0xffff800000000000ull

static uint64_t page;
static struct vas_span owned; /* 1 MiB with 64 KiB committed at its start */

static enum vas_why last_why(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) == 0 ? report.why : VAS_WHY_NONE;
}

struct reserve_case {
	const char *name;
	uint64_t size;
	struct vas_reserve_opts opts; /* size is filled in */
	int error;
	enum vas_why why;
};

static struct vas_limits low_limit = { .size = sizeof(low_limit), .max = 1ull << 32 };
static struct vas_limits high_limit = { .size = sizeof(high_limit), .min = 1ull << 33 };
static struct vas_limits capped = { .size = sizeof(capped), .max_size = MIB };
static struct vas_limits turned = { .size = sizeof(turned), .min = GIB, .max = MIB };
static struct vas_limits unknown = { .size = sizeof(unknown), .obligations = 1u << 31 };
static struct vas_limits stunted = { .size = 8 };
static const struct vas_limits *excluding[] = { &low_limit, &high_limit };
static const struct vas_limits *with_cap[] = { &capped };
static const struct vas_limits *with_turned[] = { &turned };
static const struct vas_limits *with_unknown[] = { &unknown };
static const struct vas_limits *with_stunted[] = { &stunted };
static const struct vas_limits *with_null[] = { NULL };

#define ARGUMENT EINVAL, VAS_WHY_ARGUMENT

static void test_reserve(void)
{
	const struct reserve_case cases[] = {
		{ "size 0", 0, { 0 }, ARGUMENT },
		{ "a size beyond rounding", UINT64_MAX, { 0 }, ARGUMENT },
		{ "the largest size that is a page multiple",
		  UINT64_MAX - page + 1,
		  { 0 },
		  ERANGE,
		  VAS_WHY_WIDTH },
		{ "an unknown flag", MIB, { .flags = 1u << 31 }, ARGUMENT },
		{ "an unknown place", MIB, { .place = (enum vas_place)99 }, ARGUMENT },
		{ "an unknown side",
		  MIB,
		  { .place = VAS_PLACE_NEAR, .side = (enum vas_side)99, .reach = GIB },
		  ARGUMENT },
		{ "min_size above size", MIB, { .min_size = 2 * MIB }, ARGUMENT },
		{ "an alignment that pages do not divide",
		  MIB,
		  { .alignment = page + 8 },
		  ARGUMENT },
		{ "a phase that is the alignment",
		  MIB,
		  { .alignment = GIB, .phase = GIB },
		  ARGUMENT },
		{ "a phase off the page", MIB, { .alignment = GIB, .phase = 8 }, ARGUMENT },
		{ "EXACT off the page",
		  MIB,
		  { .place = VAS_PLACE_EXACT, .address = GIB + 8 },
		  ARGUMENT },
		{ "EXACT that does not suit its alignment",
		  MIB,
		  { .place = VAS_PLACE_EXACT, .address = GIB + page, .alignment = GIB },
		  ARGUMENT },
		{ "PREFER off the page",
		  MIB,
		  { .flags = VAS_RESERVE_PREFER, .address = GIB + 8 },
		  ARGUMENT },
		{ "PREFER with EXACT",
		  MIB,
		  { .flags = VAS_RESERVE_PREFER, .place = VAS_PLACE_EXACT, .address = GIB },
		  ARGUMENT },
		{ "PREFER with NEAR",
		  MIB,
		  { .flags = VAS_RESERVE_PREFER,
		    .place = VAS_PLACE_NEAR,
		    .address = GIB,
		    .reach = GIB },
		  ARGUMENT },
		{ "limits without a list", MIB, { .limit_count = 1 }, ARGUMENT },
		{ "a NULL limit", MIB, { .limits = with_null, .limit_count = 1 }, ARGUMENT },
		{ "an unknown obligation",
		  MIB,
		  { .limits = with_unknown, .limit_count = 1 },
		  ARGUMENT },
		{ "a limit below the first version's size",
		  MIB,
		  { .limits = with_stunted, .limit_count = 1 },
		  ARGUMENT },
		{ "limits that exclude each other",
		  MIB,
		  { .limits = excluding, .limit_count = 2 },
		  ERANGE,
		  VAS_WHY_LIMITS },
		{ "a limit that excludes itself",
		  MIB,
		  { .limits = with_turned, .limit_count = 1 },
		  ERANGE,
		  VAS_WHY_LIMITS },
		{ "above a limit's max_size",
		  2 * MIB,
		  { .limits = with_cap, .limit_count = 1 },
		  ERANGE,
		  VAS_WHY_CAP },
		{ "a window below the size",
		  4 * MIB,
		  { .min = GIB, .max = GIB + MIB },
		  ERANGE,
		  VAS_WHY_WINDOW },
		{ "a window without an aligned place",
		  MIB,
		  { .min = GIB + page, .max = GIB + 512 * MIB, .alignment = GIB },
		  ERANGE,
		  VAS_WHY_WINDOW },
		{ "wider than the address space", 1ull << 60, { 0 }, ERANGE, VAS_WHY_WIDTH },
		{ "EXACT beyond the width",
		  MIB,
		  { .place = VAS_PLACE_EXACT, .address = 1ull << 62 },
		  ERANGE,
		  VAS_WHY_WIDTH },
		{ "EXACT in the kernel's half",
		  MIB,
		  { .place = VAS_PLACE_EXACT, .address = KERNEL_HALF },
		  ERANGE,
		  VAS_WHY_WIDTH },
		{ "EXACT that wraps around",
		  MIB,
		  { .place = VAS_PLACE_EXACT, .address = 0 - page },
		  ERANGE,
		  VAS_WHY_WIDTH },
		{ "EXACT at 0", MIB, { .place = VAS_PLACE_EXACT }, ERANGE, VAS_WHY_MARGIN },
		{ "EXACT where something is",
		  page,
		  { .place = VAS_PLACE_EXACT, .address = owned.start + page },
		  EEXIST,
		  VAS_WHY_TAKEN },
		{ "EXACT that begins before something",
		  2 * MIB,
		  { .place = VAS_PLACE_EXACT, .address = owned.start - MIB, .alignment = page },
		  EEXIST,
		  VAS_WHY_TAKEN },
		{ "NEAR in the kernel's half",
		  MIB,
		  { .place = VAS_PLACE_NEAR, .address = KERNEL_HALF, .reach = GIB },
		  ERANGE,
		  VAS_WHY_WIDTH },
		{ "a window that is full",
		  page,
		  { .min = owned.start, .max = owned.start + owned.size },
		  ENOSPC,
		  VAS_WHY_TAKEN },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct reserve_case *row = &cases[i];
		struct vas_reserve_opts opts = row->opts;
		struct vas_span span = { 1, 2 };
		enum vas_why why;

		opts.size = sizeof(opts);
		is_err(vas_reserve(row->size, &opts, &span), row->error, "reserve: %s", row->name);
		why = row->why;
		/* Where mappings cannot be asked for one by one, all of them were looked at. */
		if (row->error == ENOSPC && last_why() == VAS_WHY_FULL)
			why = VAS_WHY_FULL;
		is_str(vas_why_name(last_why()), vas_why_name(why), "reserve: %s: reason",
		       row->name);
		ok(span.start == 1 && span.size == 2 &&
			   errno_allowed_why("vas_reserve", row->error, (int)last_why()),
		   "reserve: %s: span untouched, in the table", row->name);
	}
}

static void test_reserve_structs(void)
{
	struct {
		struct vas_reserve_opts opts;
		uint64_t newer;
	} larger = { .newer = 1 };
	struct vas_reserve_opts small = { .size = 8 };
	struct vas_span span = { 1, 2 };

	is_err(vas_reserve(MIB, NULL, NULL), EINVAL, "reserve: no span");
	is_err(vas_reserve(MIB, &small, &span), EINVAL,
	       "reserve: options that were not initialised");
	larger.opts.size = sizeof(larger);
	is_err(vas_reserve(MIB, &larger.opts, &span), E2BIG,
	       "reserve: a newer option that is used");
	ok(span.start == 1 && last_why() == VAS_WHY_ARGUMENT, "reserve: span untouched");
	larger.newer = 0;
	is_err(vas_reserve(MIB, &larger.opts, &span), 0,
	       "reserve: a newer option that is not used");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "reserve: released");
	span.start = 1;
	larger.opts.size = SIZE_MAX;
	is_err(vas_reserve(MIB, &larger.opts, &span), E2BIG, "reserve: a size that nobody meant");
}

struct commit_case {
	const char *name;
	uint64_t start;
	uint64_t size;
	struct vas_commit_opts opts;
	int error;
	enum vas_why why;
};

static void test_commit(void)
{
	const uint64_t start = owned.start;
	const struct commit_case cases[] = {
		{ "size 0", start, 0, { 0 }, ARGUMENT },
		{ "start off the page", start + 8, page, { 0 }, ARGUMENT },
		{ "size off the page", start, page + 8, { 0 }, ARGUMENT },
		{ "a range that wraps", start, 0 - page, { 0 }, ARGUMENT },
		{ "an unknown protection", start, page, { .prot = 1 << 30 }, ARGUMENT },
		{ "an unknown flag", start, page, { .flags = 1u << 31 }, ARGUMENT },
		{ "huge and not",
		  start,
		  page,
		  { .flags = VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE },
		  ARGUMENT },
		{ "beyond the span", start, owned.size + page, { 0 }, ENOENT, VAS_WHY_NOT_OWNED },
		{ "before the span", start - page, 2 * page, { 0 }, ENOENT, VAS_WHY_NOT_OWNED },
		{ "nobody's addresses", page * 16, page, { 0 }, ENOENT, VAS_WHY_NOT_OWNED },
		{ "NULL", 0, page, { 0 }, ENOENT, VAS_WHY_NOT_OWNED },
		{ "the kernel's half", KERNEL_HALF, page, { 0 }, ENOENT, VAS_WHY_NOT_OWNED },
		{ "the last page of all", 0 - 2 * page, page, { 0 }, ENOENT, VAS_WHY_NOT_OWNED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct commit_case *row = &cases[i];
		struct vas_commit_opts opts = row->opts;

		opts.size = sizeof(opts);
		is_err(vas_commit((void *)(uintptr_t)row->start, row->size, &opts), row->error,
		       "commit: %s", row->name);
		is_str(vas_why_name(last_why()), vas_why_name(row->why), "commit: %s: reason",
		       row->name);
		ok(errno_allowed_why("vas_commit", row->error, (int)last_why()),
		   "commit: %s: in the table", row->name);
	}
}

static void test_release(void)
{
	const uint64_t addresses[] = { 0, page, owned.start + page, owned.start + 1, KERNEL_HALF };
	enum vas_retired state = (enum vas_retired)9;
	struct vas_span span;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		is_err(vas_release((void *)(uintptr_t)addresses[i], &state), ENOENT,
		       "release: %#llx", (unsigned long long)addresses[i]);
		ok(last_why() == VAS_WHY_NOT_OWNED && state == (enum vas_retired)9,
		   "release: state untouched");
	}
	is_err(vas_reserve(MIB, NULL, &span), 0, "release: a span");
	is_err(vas_release(vas_span_pointer(span), &state), 0, "release: once");
	is_i64(state, VAS_RETIRED_GONE, "release: it is gone");
	is_err(vas_release(vas_span_pointer(span), NULL), ENOENT, "release: not twice");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), ENOENT,
	       "release: no commit after it");
}

static void test_owner(void)
{
	struct vas_owner_details details = { .size = sizeof(details), .committed = 77 };
	struct vas_owner owner = { .id = 5 }, gone;
	struct vas_span span;

	is_err(vas_owner_at(NULL, &owner), ENOENT, "owner: NULL is nobody's");
	is_err(vas_owner_at((void *)(uintptr_t)KERNEL_HALF, &owner), ENOENT,
	       "owner: nor the kernel's");
	is_err(vas_owner_at((void *)(uintptr_t)UINT64_MAX, &owner), ENOENT,
	       "owner: nor the last byte");
	is_u64(owner.id, 5, "owner: untouched");
	is_err(vas_owner_at((void *)(uintptr_t)(owned.start + owned.size - 1), &owner), 0,
	       "owner: the last byte of a span");
	ok(owner.span.start == owned.start && owner.span.size == owned.size,
	   "owner: has that span");
	is_err(vas_owner_details(owner.id, NULL), EINVAL, "details: no struct");
	details.size = 8;
	is_err(vas_owner_details(owner.id, &details), EINVAL, "details: not initialised");
	details.size = sizeof(details);
	is_err(vas_owner_details(UINT64_MAX, &details), ESTALE, "details: nobody's number");
	is_err(vas_reserve(MIB, NULL, &span), 0, "details: a span");
	is_err(vas_owner_at(vas_span_pointer(span), &gone), 0, "details: its owner");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "details: released");
	is_err(vas_owner_details(gone.id, &details), ESTALE, "details: stale");
	is_u64(details.committed, 77, "details: untouched");
	is_err(vas_owner_details(owner.id, &details), 0, "details: of the other one");
	is_u64(details.committed, 65536, "details: filled");
}

int main(void)
{
	struct vas_stats before = { .size = sizeof(before) }, after = { .size = sizeof(after) };

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	if (vas_reserve(MIB, NULL, &owned) != 0 ||
	    vas_commit(vas_span_pointer(owned), 65536, NULL) != 0)
		tap_bail("not even one span");
	vas_stats_get(&before);
	test_reserve();
	test_reserve_structs();
	test_commit();
	test_release();
	test_owner();
	vas_stats_get(&after);
	ok(before.spans == after.spans && before.reserved == after.reserved &&
		   before.committed == after.committed && after.held == 0,
	   "the books hold what they held");
	is_err(vas_sync_check(NULL), 0, "and agree with the kernel");
	return tap_done();
}
