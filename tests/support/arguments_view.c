/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/view.h. */
#include "support/arguments.h"

#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static struct vas_arena *arena;
static struct vas_view *view;

static void made(void)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.initial = 2 * arguments_page;
	if (vas_arena_create(16 * arguments_page, &opts, &arena) ||
	    vas_view_open(arena, NULL, &view))
		tap_bail("no view");
	errno = SENTINEL_ERRNO;
}

static void unmade(void)
{
	if (vas_arena_destroy(arena, NULL))
		tap_bail("the arena stays");
	arena = NULL;
}

static int open_with(const void *options)
{
	struct vas_view *got = NULL;
	int err = vas_view_open(arena, options, &got);

	if (!err && vas_view_close(got, NULL))
		tap_bail("the view stays");
	return err;
}

static int get_into(void *result)
{
	return vas_view_get(view, result);
}

void check_view_open(void)
{
	const char *name = "vas_view_open";
	uint64_t page = arguments_page;
	struct vas_view *got = NULL;
	const struct {
		const char *what;
		struct vas_view_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_view_opts)
		{ "an offset off the page size", { S, .offset = 1 } },
		{ "an extent off the page size", { S, .extent = page + 1 } },
		{ "an offset at the maximum", { S, .offset = 16 * page } },
		{ "an offset beyond everything", { S, .offset = UINT64_MAX } },
		{ "an extent beyond the maximum", { S, .extent = 17 * page } },
		{ "an end beyond the maximum", { S, .offset = 8 * page, .extent = 9 * page } },
		{ "an end beyond everything", { S, .offset = page, .extent = -page } },
		{ "an unknown protection", { S, .prot = 0x100 } },
		{ "a negative protection", { S, .prot = -1 } },
		{ "an unknown flag", { S, .flags = VAS_VIEW_ALL + 1 } },
#undef S
	};

	VAS_OPTS(vas_view_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	made();
	check_options(name, open_with, &opts, sizeof(opts), ARGUMENT);
	answer(name, "nowhere to put it", vas_view_open(arena, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "of no arena", vas_view_open(NULL, NULL, &got), EINVAL, ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, open_with(&cases[i].opts), EINVAL, ARGUMENT);
	opts.start = vas_span_pointer(arguments_owned);
	opts.extent = 17 * page;
	answer(name, "an extent that is larger than all", open_with(&opts), EINVAL, ARGUMENT);
	opts.extent = 0;
	opts.reserve = &reserve;
	answer(name, "a span, and how to reserve one", open_with(&opts), EINVAL, ARGUMENT);
	opts.reserve = NULL;
	opts.start = (unsigned char *)opts.start + page;
	answer(name, "the middle of a span", open_with(&opts), ENOENT, VAS_WHY_NOT_OWNED);
	opts.start = NULL;
	opts.reserve = &reserve;
	reserve.flags = VAS_RESERVE_ALL + 1;
	answer(name, "an unknown flag of reserve", open_with(&opts), EINVAL, ARGUMENT);
	reserve.flags = 0;
	check_shared_reserve(name, open_with, &opts, &reserve, VAS_FORK_ABSENT);
	ok(got == NULL, "vas_view_open: the handle is untouched");
	unmade();
}

void check_view_close(void)
{
	answer("vas_view_close", "NULL", vas_view_close(NULL, NULL), EINVAL, ARGUMENT);
	made();
	answer("vas_view_close", "the first", vas_view_close(vas_view_first(arena), NULL), EINVAL,
	       ARGUMENT);
	unmade();
}

void check_view_first(void)
{
	ok(vas_view_first(NULL) == NULL, "vas_view_first: NULL");
}

void check_view_protect(void)
{
	const char *name = "vas_view_protect";

	answer(name, "NULL", vas_view_protect(NULL, 0), EINVAL, ARGUMENT);
	made();
	answer(name, "an unknown protection", vas_view_protect(view, 0x100), EINVAL, ARGUMENT);
	answer(name, "a negative protection", vas_view_protect(view, -1), EINVAL, ARGUMENT);
	answer(name, "no access", vas_view_protect(view, 0), 0, NO_REPORT);
	unmade();
}

void check_view_get(void)
{
	struct vas_view_info info = { .size = sizeof(info) };

	answer("vas_view_get", "NULL", vas_view_get(NULL, &info), EINVAL, NO_REPORT);
	made();
	check_result("vas_view_get", get_into, sizeof(info));
	unmade();
}
