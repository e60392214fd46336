/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/arena.h. */
#include "support/arguments.h"

#include <sys/mman.h>

#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static struct vas_arena *arena;

static void made(void)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.initial = 2 * arguments_page;
	opts.cap = 8 * arguments_page;
	if (vas_arena_create(16 * arguments_page, &opts, &arena))
		tap_bail("no arena");
	errno = SENTINEL_ERRNO;
}

static void unmade(void)
{
	if (vas_arena_destroy(arena, NULL))
		tap_bail("the arena stays");
	arena = NULL;
}

static int create_with(const void *options)
{
	struct vas_arena *got = NULL;
	int err = vas_arena_create(16 * arguments_page, options, &got);

	if (!err && vas_arena_destroy(got, NULL))
		tap_bail("the arena stays");
	return err;
}

static int get_into(void *result)
{
	return vas_arena_get(arena, result);
}

void check_arena_create(void)
{
	const char *name = "vas_arena_create";
	uint64_t page = arguments_page, rung = 2u << 20, odd = 3u << 20;
	uint64_t transparent = VAS_PAGES_TRANSPARENT;
	const struct {
		const char *what;
		struct vas_arena_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_arena_opts)
		{ "an unknown kind", { S, .kind = (enum vas_arena_kind)4 } },
		{ "an unknown protection", { S, .prot = 64 } },
		{ "an unknown policy of execution", { S, .exec = (enum vas_exec)3 } },
		{ "an executable view that may never be", { S, .prot = PROT_READ | PROT_EXEC } },
		{ "a policy of execution of private memory",
		  { S, .kind = VAS_ARENA_ANONYMOUS, .exec = VAS_EXEC_VIEWS } },
		{ "a protection of private memory",
		  { S, .kind = VAS_ARENA_ANONYMOUS, .prot = PROT_READ } },
		{ "an offset in a memfd", { S, .offset = page } },
		{ "a ladder of a file",
		  { S, .kind = VAS_ARENA_FILE, .ladder = &transparent, .ladder_count = 1 } },
		{ "an unknown flag", { S, .flags = VAS_ARENA_ALL + 1 } },
		{ "all flags", { S, .flags = 0xffffffff } },
		{ "LAZY with an object", { S, .flags = VAS_ARENA_LAZY } },
		{ "an unknown tail", { S, .tail = (enum vas_tail)3 } },
		{ "a tail of private memory", { S, .kind = VAS_ARENA_ANONYMOUS, .tail = VAS_TAIL_NONE } },
		{ "an initial size above the maximum", { S, .initial = 17 * page } },
		{ "an initial size beyond everything", { S, .initial = UINT64_MAX } },
		{ "a cap above the maximum", { S, .cap = 17 * page } },
		{ "a cap below a page", { S, .cap = 1 } },
		{ "an initial size above the cap", { S, .initial = 3 * page, .cap = 2 * page } },
		{ "a step off the page size", { S, .step = page + 1 } },
		{ "a ladder of no rungs", { S, .ladder = &rung } },
		{ "rungs without a ladder", { S, .ladder_count = 1 } },
		{ "too long a ladder", { S, .ladder = &rung, .ladder_count = 17 } },
		{ "a rung that is no page", { S, .ladder = &odd, .ladder_count = 1 } },
		{ "a rung of base pages in bytes", { S, .ladder = &page, .ladder_count = 1 } },
		{ "a rung that does not divide the step",
		  { S, .ladder = &rung, .ladder_count = 1, .step = page } },
		{ "the pool for private memory",
		  { S, .kind = VAS_ARENA_ANONYMOUS, .ladder = &rung, .ladder_count = 1 } },
		{ "LAZY with a ladder",
		  { S, .kind = VAS_ARENA_ANONYMOUS, .ladder = &transparent, .ladder_count = 1,
		    .flags = VAS_ARENA_LAZY } },
#undef S
	};

	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	errno = SENTINEL_ERRNO;
	check_options(name, create_with, &opts, sizeof(opts), ARGUMENT);
	answer(name, "nowhere to put it", vas_arena_create(page, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "of nothing", vas_arena_create(0, NULL, &arena), EINVAL, ARGUMENT);
	answer(name, "of everything", vas_arena_create(UINT64_MAX, NULL, &arena), EINVAL, ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, create_with(&cases[i].opts), EINVAL, ARGUMENT);
	opts.reserve = &reserve;
	reserve.min_size = page;
	answer(name, "a min_size", create_with(&opts), EINVAL, ARGUMENT);
	reserve.min_size = 0;
	reserve.flags = VAS_RESERVE_ALL + 1;
	answer(name, "an unknown flag of reserve", create_with(&opts), EINVAL, ARGUMENT);
	reserve.flags = 0;
	reserve.fork = VAS_FORK_WIPE;
	answer(name, "zeroes of an object", create_with(&opts), EOPNOTSUPP, VAS_WHY_FORK_POLICY);
	reserve.fork = VAS_FORK_COPY;
	opts.ladder = &rung;
	opts.ladder_count = 1;
	answer(name, "a copy of the pool's pages", create_with(&opts), EOPNOTSUPP, VAS_WHY_FORK_POLICY);
	opts.ladder = NULL;
	opts.ladder_count = 0;
	opts.kind = VAS_ARENA_ANONYMOUS;
	reserve.fork = VAS_FORK_SHARE;
	answer(name, "sharing private memory", create_with(&opts), EOPNOTSUPP, VAS_WHY_FORK_POLICY);
	VAS_OPTS(vas_arena_opts, guarded);
	guarded.tail = VAS_TAIL_GUARD;
	answer(name, "guards above 4 GiB", vas_arena_create((UINT64_C(4) << 30) + 1, &guarded, &arena),
	       EINVAL, ARGUMENT);
	ok(arena == NULL, "vas_arena_create: the handle is untouched");
}

void check_arena_seal(void)
{
	struct vas_arena *plain = NULL;

	answer("vas_arena_seal", "NULL", vas_arena_seal(NULL, VAS_SEAL_GROW), EINVAL, ARGUMENT);
	made();
	answer("vas_arena_seal", "an unknown bit", vas_arena_seal(arena, 0x100), EINVAL, ARGUMENT);
	answer("vas_arena_seal", "all bits", vas_arena_seal(arena, UINT32_MAX), EINVAL, ARGUMENT);
	unmade();
	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = VAS_ARENA_ANONYMOUS;
	if (vas_arena_create(arguments_page, &opts, &plain))
		tap_bail("no arena");
	answer("vas_arena_seal", "private memory", vas_arena_seal(plain, VAS_SEAL_GROW), EOPNOTSUPP,
	       VAS_WHY_OBJECT);
	if (vas_arena_destroy(plain, NULL))
		tap_bail("the arena stays");
}

void check_arena_destroy(void)
{
	answer("vas_arena_destroy", "NULL", vas_arena_destroy(NULL, NULL), EINVAL, ARGUMENT);
}

void check_arena_get(void)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	answer("vas_arena_get", "NULL", vas_arena_get(NULL, &info), EINVAL, NO_REPORT);
	made();
	check_result("vas_arena_get", get_into, sizeof(info));
	unmade();
}

static int place_with(const void *options)
{
	return vas_arena_set_policy(arena, (struct vas_span){ 0, 0 }, options);
}

void check_arena_set_policy(void)
{
	const char *name = "vas_arena_set_policy";
	uint64_t page = arguments_page;
	struct vas_policy policy = { .size = sizeof(policy) };
	const struct vas_span ranges[] = {
		{ 1, page },	    { 0, page + 1 },	    { 16 * page, 0 },	{ UINT64_MAX, 1 },
		{ 8 * page, 9 * page }, { page, -page },
	};

	answer(name, "NULL", vas_arena_set_policy(NULL, ranges[0], &policy), EINVAL, VAS_WHY_ARGUMENT);
	made();
	answer(name, "no policy", place_with(NULL), EINVAL, VAS_WHY_ARGUMENT);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		answer(name, "a range that is not", vas_arena_set_policy(arena, ranges[i], &policy),
		       EINVAL, VAS_WHY_ARGUMENT);
	policy.mode = VAS_POLICY_BIND;
	answer(name, "a policy without nodes", place_with(&policy), EINVAL, VAS_WHY_ARGUMENT);
	policy.mode = VAS_POLICY_DEFAULT;
	if (place_with(&policy) == 0)
		check_options(name, place_with, &policy, sizeof(policy), VAS_WHY_ARGUMENT);
	unmade();
}

static int migrate_with(const void *options)
{
	return vas_arena_migrate(arena, (struct vas_span){ 0, 0 }, options, NULL);
}

void check_arena_migrate(void)
{
	const char *name = "vas_arena_migrate";
	uint64_t page = arguments_page, moved = 4711;
	struct vas_policy policy = { .size = sizeof(policy),
				     .mode = VAS_POLICY_BIND,
				     .nodes = { 1 } };
	const struct vas_span ranges[] = {
		{ 1, page },	 { 0, page + 1 }, { 16 * page, 0 }, { 8 * page, 9 * page },
		{ page, -page },
	};

	answer(name, "NULL", vas_arena_migrate(NULL, ranges[0], &policy, &moved), EINVAL,
	       VAS_WHY_ARGUMENT);
	made();
	answer(name, "no policy", migrate_with(NULL), EINVAL, VAS_WHY_ARGUMENT);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		answer(name, "a range that is not",
		       vas_arena_migrate(arena, ranges[i], &policy, &moved), EINVAL,
		       VAS_WHY_ARGUMENT);
	ok(moved == 4711, "%s: the output is untouched", name);
	if (migrate_with(&policy) == 0)
		check_options(name, migrate_with, &policy, sizeof(policy), VAS_WHY_ARGUMENT);
	policy.nodes[0] = 0;
	answer(name, "a policy without nodes", migrate_with(&policy), EINVAL, VAS_WHY_ARGUMENT);
	unmade();
}

static int extent_into(void *result)
{
	return vas_arena_extent_at(arena, 0, result);
}

void check_arena_extent_at(void)
{
	struct vas_arena_extent extent = { .size = sizeof(extent), .bytes = 4711 };
	const char *name = "vas_arena_extent_at";

	answer(name, "NULL", vas_arena_extent_at(NULL, 0, &extent), EINVAL, NO_REPORT);
	made();
	answer(name, "the size", vas_arena_extent_at(arena, 2 * arguments_page, &extent), ENOENT,
	       NO_REPORT);
	answer(name, "beyond everything", vas_arena_extent_at(arena, UINT64_MAX, &extent), ENOENT,
	       NO_REPORT);
	is_u64(extent.bytes, 4711, "vas_arena_extent_at: the output is untouched");
	/* Where the kernel can tell. */
	if (vas_arena_extent_at(arena, 0, &extent) == 0)
		check_result(name, extent_into, sizeof(extent));
	else
		answer(name, "no result", vas_arena_extent_at(arena, 0, NULL), EINVAL, NO_REPORT);
	unmade();
}

void check_arena_grow(void)
{
	const char *name = "vas_arena_grow";
	uint64_t page = arguments_page, now = 1;

	answer(name, "NULL", vas_arena_grow(NULL, page, 0, &now), EINVAL, ARGUMENT);
	made();
	answer(name, "at least more", vas_arena_grow(arena, 4 * page, 5 * page, &now), EINVAL, ARGUMENT);
	answer(name, "above the cap", vas_arena_grow(arena, 9 * page, 0, &now), EDQUOT, VAS_WHY_CAP);
	answer(name, "above the maximum", vas_arena_grow(arena, 17 * page, 0, &now), ERANGE,
	       VAS_WHY_WINDOW);
	answer(name, "to everything", vas_arena_grow(arena, UINT64_MAX, 0, &now), ERANGE,
	       VAS_WHY_WINDOW);
	is_u64(now, 1, "vas_arena_grow: the size that is told is untouched");
	answer(name, "to nothing", vas_arena_grow(arena, 0, 0, NULL), 0, NO_REPORT);
	answer(name, "to everything, at least one byte", vas_arena_grow(arena, UINT64_MAX, 1, &now), 0,
	       NO_REPORT);
	is_u64(now, 8 * page, "vas_arena_grow: up to the cap");
	unmade();
}

void check_arena_shrink(void)
{
	const char *name = "vas_arena_shrink";

	answer(name, "NULL", vas_arena_shrink(NULL, 0), EINVAL, ARGUMENT);
	made();
	answer(name, "to everything", vas_arena_shrink(arena, UINT64_MAX), 0, NO_REPORT);
	is_u64(vas_arena_size(arena), 2 * arguments_page, "vas_arena_shrink: nothing is changed");
	answer(name, "to nothing", vas_arena_shrink(arena, 0), 0, NO_REPORT);
	is_u64(vas_arena_size(arena), 0, "vas_arena_shrink: all of it");
	unmade();
}

void check_arena_size(void)
{
	is_u64(vas_arena_size(NULL), 0, "vas_arena_size: NULL");
}

static void check_range(const char *name, int (*call)(struct vas_arena *arena, uint64_t offset, uint64_t size))
{
	uint64_t page = arguments_page;
	struct vas_arena *private = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = VAS_ARENA_ANONYMOUS;
	opts.initial = page;
	answer(name, "NULL", call(NULL, 0, page), EINVAL, ARGUMENT);
	made();
	answer(name, "nothing", call(arena, page, 0), EINVAL, ARGUMENT);
	answer(name, "an offset inside a page", call(arena, 1, page), EINVAL, ARGUMENT);
	answer(name, "a part of a page", call(arena, 0, page + 1), EINVAL, ARGUMENT);
	answer(name, "beyond the size", call(arena, page, 2 * page), EINVAL, ARGUMENT);
	answer(name, "beyond everything", call(arena, page, 0 - page), EINVAL, ARGUMENT);
	answer(name, "all of it", call(arena, 0, 2 * page), 0, NO_REPORT);
	unmade();
	if (vas_arena_create(4 * page, &opts, &private))
		tap_bail("no private arena");
	errno = SENTINEL_ERRNO;
	answer(name, "private memory", call(private, 0, page), EOPNOTSUPP, VAS_WHY_OBJECT);
	if (vas_arena_destroy(private, NULL))
		tap_bail("the arena stays");
}

void check_arena_punch(void)
{
	check_range("vas_arena_punch", vas_arena_punch);
}

void check_arena_fill(void)
{
	check_range("vas_arena_fill", vas_arena_fill);
}

void check_arena_ahead(void)
{
	const char *name = "vas_arena_ahead";
	uint64_t page = arguments_page, ahead = 1;

	answer(name, "NULL", vas_arena_ahead(NULL, page, 0, &ahead), EINVAL, ARGUMENT);
	made();
	answer(name, "at least more", vas_arena_ahead(arena, page, 2 * page, &ahead), EINVAL, ARGUMENT);
	answer(name, "above the cap", vas_arena_ahead(arena, 7 * page, 0, &ahead), EDQUOT, VAS_WHY_CAP);
	answer(name, "above the maximum", vas_arena_ahead(arena, 15 * page, 0, &ahead), ERANGE,
	       VAS_WHY_WINDOW);
	answer(name, "everything", vas_arena_ahead(arena, UINT64_MAX, 0, &ahead), ERANGE,
	       VAS_WHY_WINDOW);
	is_u64(ahead, 1, "vas_arena_ahead: what is told is untouched");
	answer(name, "at least one byte", vas_arena_ahead(arena, 7 * page, 1, &ahead), 0, NO_REPORT);
	is_u64(ahead, 6 * page, "vas_arena_ahead: up to the cap");
	unmade();
}

void check_arena_trim(void)
{
	uint64_t given = 1;

	answer("vas_arena_trim", "NULL", vas_arena_trim(NULL, &given), EINVAL, ARGUMENT);
	made();
	answer("vas_arena_trim", "nothing ahead", vas_arena_trim(arena, &given), 0, NO_REPORT);
	is_u64(given, 0, "vas_arena_trim: gives nothing");
	unmade();
}

/* --- other processes' --- */

static int open_with(const void *options)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	struct vas_arena *got = NULL;
	int err = vas_arena_get(arena, &info);

	if (!err)
		err = vas_arena_open(info.fd, info.header, options, &got);
	if (!err && vas_arena_destroy(got, NULL))
		tap_bail("the arena stays");
	return err;
}

void check_arena_open(void)
{
	const char *name = "vas_arena_open";
	const struct {
		const char *what;
		struct vas_arena_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_arena_opts)
		{ "a kind", { S, .kind = VAS_ARENA_ANONYMOUS } },
		{ "a flag of making", { S, .flags = VAS_ARENA_STRICT } },
		{ "an initial size", { S, .initial = 4096 } },
		{ "a cap", { S, .cap = 4096 } },
		{ "an unknown tail", { S, .tail = (enum vas_tail)3 } },
		{ "read-only, to write",
		  { S, .flags = VAS_ARENA_READ_ONLY, .prot = PROT_READ | PROT_WRITE } },
#undef S
	};
	struct vas_arena *got = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	made();
	check_options(name, open_with, &opts, sizeof(opts), ARGUMENT);
	answer(name, "nowhere to put it", vas_arena_open(0, 0, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "no descriptor", vas_arena_open(-1, -1, NULL, &got), EBADF, VAS_WHY_OBJECT);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, open_with(&cases[i].opts), EINVAL, ARGUMENT);
	ok(got == NULL, "vas_arena_open: nothing is made");
	unmade();
}

void check_arena_sync(void)
{
	answer("vas_arena_sync", "NULL", vas_arena_sync(NULL), EINVAL, ARGUMENT);
	made();
	answer("vas_arena_sync", "nothing to follow", vas_arena_sync(arena), 0, NO_REPORT);
	unmade();
}

void check_arena_wait(void)
{
	const char *name = "vas_arena_wait";
	uint64_t now = 1;

	answer(name, "NULL", vas_arena_wait(NULL, 0, 0, &now), EINVAL, ARGUMENT);
	made();
	answer(name, "nowhere to tell it", vas_arena_wait(arena, 0, 0, NULL), EINVAL, ARGUMENT);
	answer(name, "no time", vas_arena_wait(arena, 2 * arguments_page, 0, &now), EAGAIN, NO_REPORT);
	is_u64(now, 1, "vas_arena_wait: tells nothing");
	unmade();
}

void check_arena_generation(void)
{
	is_u64(vas_arena_generation(NULL), 0, "vas_arena_generation: 0 for none");
}

void check_arena_pin(void)
{
	uint64_t size = 1;

	answer("vas_arena_pin", "NULL", vas_arena_pin(NULL, &size), EINVAL, ARGUMENT);
	made();
	answer("vas_arena_pin", "nowhere to tell it", vas_arena_pin(arena, NULL), EINVAL, ARGUMENT);
	is_u64(size, 1, "vas_arena_pin: tells nothing");
	unmade();
}

void check_arena_unpin(void)
{
	answer("vas_arena_unpin", "NULL", vas_arena_unpin(NULL), EINVAL, NO_REPORT);
	made();
	answer("vas_arena_unpin", "no pin", vas_arena_unpin(arena), EINVAL, NO_REPORT);
	unmade();
}

void check_arena_shrink_within(void)
{
	answer("vas_arena_shrink_within", "NULL", vas_arena_shrink_within(NULL, 0, 0), EINVAL,
	       ARGUMENT);
}
