/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of vas_adopt and vas_disown. */
#include "support/arguments.h"

#include <sys/mman.h>

#include "tap/tap.h"

#define MAPPED_PAGES 4u

static void *mapped; /* private anonymous, without access */

static int adopt_with(const void *options)
{
	int err = vas_adopt(mapped, MAPPED_PAGES * arguments_page, options);

	if (!err)
		vas_disown(mapped);
	return err;
}

void check_adopt(void)
{
	uint64_t page = arguments_page, size = MAPPED_PAGES * page;
	const struct {
		const char *what;
		uint64_t start, size;
		int want;
		enum vas_why why;
	} cases[] = {
		{ "size 0", 0, 0, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unaligned size", 0, page + 1, EINVAL, VAS_WHY_ARGUMENT },
		{ "an unaligned start", 8, page, EINVAL, VAS_WHY_ARGUMENT },
		{ "a range that wraps", UINT64_MAX - page + 1, 2 * page, EINVAL, VAS_WHY_ARGUMENT },
		{ "the last page of all", UINT64_MAX - 2 * page + 1, page, EINVAL, VAS_WHY_ARGUMENT },
		{ "the kernel's half", KERNEL_HALF, page, EINVAL, VAS_WHY_ARGUMENT },
		{ "a size of everything", page, UINT64_MAX - 2 * page + 1, EINVAL, VAS_WHY_ARGUMENT },
		{ "nothing mapped", page, page, EINVAL, VAS_WHY_NOT_MAPPED },
		{ "an owned span", arguments_owned.start, page, EEXIST, VAS_WHY_TAKEN },
		{ "a file", (uint64_t)(uintptr_t)check_adopt & ~(page - 1), page, EEXIST, VAS_WHY_TAKEN },
		{ "a stack", (uint64_t)(uintptr_t)__builtin_frame_address(0) & ~(page - 1), page, EEXIST, VAS_WHY_TAKEN },
	};
	const char *name = "vas_adopt";
	struct vas_policy policy = { .size = 0 };

	VAS_OPTS(vas_adopt_opts, opts);
	mapped = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		tap_bail("nothing mapped");
	errno = SENTINEL_ERRNO;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what,
		       vas_adopt((void *)(uintptr_t)cases[i].start, cases[i].size, NULL),
		       cases[i].want, (int)cases[i].why);
	check_options(name, adopt_with, &opts, sizeof(opts), VAS_WHY_ARGUMENT);
	opts.flags = VAS_ADOPT_ALL + 1;
	answer(name, "an unknown flag", adopt_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	opts.flags = VAS_ADOPT_COMMITTED;
	answer(name, "COMMITTED without access", adopt_with(&opts), EINVAL, VAS_WHY_UNLIKE);
	opts.flags = 0;
	opts.fork = (enum vas_fork)(VAS_FORK_TRAP + 1);
	answer(name, "an unknown fork policy", adopt_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	opts.fork = VAS_FORK_DEFAULT;
	opts.policy = &policy;
	answer(name, "a policy without its size", adopt_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	policy.size = sizeof(policy);
	policy.mode = (enum vas_policy_mode)99;
	answer(name, "an unknown policy", adopt_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	policy.mode = VAS_POLICY_BIND;
	policy.nodes[15] = 1ull << 63;
	opts.flags = VAS_ADOPT_COMMITTED;
	mprotect(mapped, size, PROT_READ);
	answer(name, "a policy of nodes that are not there", adopt_with(&opts), EINVAL, VAS_WHY_ARGUMENT);
	munmap(mapped, size);
	errno = SENTINEL_ERRNO;
}

void check_disown(void)
{
	const uint64_t starts[] = { 0, 1, arguments_owned.start + arguments_page, 1ull << 57,
				    KERNEL_HALF, UINT64_MAX };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		answer("vas_disown", "where no span starts", vas_disown((void *)(uintptr_t)starts[i]),
		       ENOENT, VAS_WHY_NOT_OWNED);
}
