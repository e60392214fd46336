/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/ring.h. */
#include "support/arguments.h"

#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static struct vas_ring *ring;

static int create_with(const void *options)
{
	struct vas_ring *got = NULL;
	int err = vas_ring_create(arguments_page, options, &got);

	if (!err && vas_ring_destroy(got, NULL))
		tap_bail("the ring stays");
	return err;
}

static int create_of(const void *arena_options)
{
	VAS_OPTS(vas_ring_opts, opts);
	opts.arena = arena_options;
	return create_with(&opts);
}

static int get_into(void *result)
{
	return vas_ring_get(ring, result);
}

void check_ring_create(void)
{
	const char *name = "vas_ring_create";
	uint64_t page = arguments_page;
	const struct {
		const char *what;
		struct vas_arena_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_arena_opts)
		{ "of private memory", { S, .kind = VAS_ARENA_ANONYMOUS } },
		{ "a flag of the arena", { S, .flags = VAS_ARENA_LAZY } },
		{ "an initial size", { S, .initial = page } },
		{ "a step", { S, .step = page } },
		{ "a cap", { S, .cap = page } },
#undef S
	};

	VAS_OPTS(vas_ring_opts, opts);
	VAS_OPTS(vas_arena_opts, arena);
	VAS_OPTS(vas_reserve_opts, reserve);
	errno = SENTINEL_ERRNO;
	check_options(name, create_with, &opts, sizeof(opts), ARGUMENT);
	check_options("vas_ring_create", create_of, &arena, sizeof(arena), ARGUMENT);
	answer(name, "nowhere to put it", vas_ring_create(page, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "of nothing", vas_ring_create(0, NULL, &ring), EINVAL, ARGUMENT);
	answer(name, "of a byte", vas_ring_create(1, NULL, &ring), EINVAL, ARGUMENT);
	answer(name, "of everything", vas_ring_create(UINT64_MAX, NULL, &ring), EINVAL, ARGUMENT);
	answer(name, "twice half of everything", vas_ring_create(UINT64_C(1) << 63, NULL, &ring),
	       ERANGE, VAS_WHY_WIDTH);
	opts.copies = 1;
	answer(name, "one copy", create_with(&opts), EINVAL, ARGUMENT);
	opts.copies = VAS_RING_COPIES + 1;
	answer(name, "too many copies", create_with(&opts), EINVAL, ARGUMENT);
	opts.copies = UINT32_MAX;
	answer(name, "far too many copies", create_with(&opts), EINVAL, ARGUMENT);
	opts.copies = 0;
	opts.reserved = 1;
	answer(name, "something in reserved", create_with(&opts), EINVAL, ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, create_of(&cases[i].opts), EINVAL, ARGUMENT);
	arena.reserve = &reserve;
	reserve.min_size = page;
	answer(name, "a min_size", create_of(&arena), EINVAL, ARGUMENT);
	reserve.min_size = 0;
	reserve.fork = VAS_FORK_COPY;
	answer(name, "a copy for children", create_of(&arena), EOPNOTSUPP, VAS_WHY_FORK_POLICY);
	ok(ring == NULL, "vas_ring_create: the handle is untouched");
}

void check_ring_destroy(void)
{
	answer("vas_ring_destroy", "NULL", vas_ring_destroy(NULL, NULL), EINVAL, ARGUMENT);
}

void check_ring_get(void)
{
	struct vas_ring_info info = { .size = sizeof(info) };

	answer("vas_ring_get", "NULL", vas_ring_get(NULL, &info), EINVAL, NO_REPORT);
	if (vas_ring_create(arguments_page, NULL, &ring))
		tap_bail("no ring");
	errno = SENTINEL_ERRNO;
	check_result("vas_ring_get", get_into, sizeof(info));
	if (vas_ring_destroy(ring, NULL))
		tap_bail("the ring stays");
	ring = NULL;
}
