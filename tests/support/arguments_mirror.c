/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of vas_mirror_open. */
#include "support/arguments.h"

#include <sys/mman.h>

#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static unsigned char *memory;

static int open_with(const void *options)
{
	struct vas_view *got = NULL;
	int err = vas_mirror_open(memory, 4 * arguments_page, options, NULL, &got);

	if (!err && vas_view_close(got, NULL))
		tap_bail("the mirror stays");
	return err;
}

void check_mirror_open(void)
{
	const char *name = "vas_mirror_open";
	uint64_t page = arguments_page;
	struct vas_view *got = NULL;
	const struct {
		const char *what;
		uint64_t offset, size;
	} ranges[] = {
		{ "an unaligned start", 1, page },
		{ "an unaligned size", 0, page + 1 },
		{ "nothing", 0, 0 },
		{ "a range that wraps", 0, -page },
	};
	const struct {
		const char *what;
		struct vas_view_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_view_opts)
		{ "a start", { S, .start = &memory } },
		{ "an offset", { S, .offset = page } },
		{ "an extent", { S, .extent = page } },
		{ "an unknown protection", { S, .prot = 0x100 } },
		{ "a private one", { S, .flags = VAS_VIEW_PRIVATE } },
		{ "an unknown flag", { S, .flags = VAS_VIEW_ALL + 1 } },
#undef S
	};

	VAS_OPTS(vas_view_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	memory = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		tap_bail("nothing can be mapped");
	check_options(name, open_with, &opts, sizeof(opts), ARGUMENT);
	answer(name, "nowhere to put it", vas_mirror_open(memory, page, NULL, NULL, NULL), EINVAL,
	       ARGUMENT);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		answer(name, ranges[i].what,
		       vas_mirror_open(memory + ranges[i].offset, ranges[i].size, NULL, NULL, &got),
		       EINVAL, ARGUMENT);
	answer(name, "NULL", vas_mirror_open(NULL, page, NULL, NULL, &got), ENOENT,
	       VAS_WHY_NOT_MAPPED);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, open_with(&cases[i].opts), EINVAL, ARGUMENT);
	opts.reserve = &reserve;
	check_shared_reserve(name, open_with, &opts, &reserve, VAS_FORK_COPY);
	ok(got == NULL, "vas_mirror_open: the handle is untouched");
	munmap(memory, 4 * page);
}
