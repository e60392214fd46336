/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/replace.h. */
#include "support/arguments.h"

#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static unsigned char *memory;

static void made(void)
{
	struct vas_span span;

	if (vas_reserve(4 * arguments_page, NULL, &span))
		tap_bail("no span");
	memory = vas_span_pointer(span);
	if (vas_commit(memory, 4 * arguments_page, NULL))
		tap_bail("no memory");
	errno = SENTINEL_ERRNO;
}

static void unmade(void)
{
	if (vas_release(memory, NULL))
		tap_bail("the span stays");
}

void check_replace_prepare(void)
{
	const char *name = "vas_replace_prepare";
	uint64_t page = arguments_page;
	struct vas_replace *got = NULL;
	struct vas_replace_part part;
	const struct {
		const char *what;
		struct vas_replace_part part;
	} cases[] = {
		{ "an unaligned size", { .size = page + 1 } },
		{ "nothing", { .size = 0 } },
		{ "a range that wraps", { .size = -page } },
		{ "an unknown flag", { .size = page, .flags = VAS_REPLACE_ALL + 1 } },
		{ "an object either way",
		  { .size = page, .flags = VAS_REPLACE_SHARED | VAS_REPLACE_PRIVATE } },
		{ "a copy into an object",
		  { .size = page, .flags = VAS_REPLACE_SHARED | VAS_REPLACE_COPY } },
		{ "an offset of no object", { .size = page, .offset = page } },
		{ "an unknown protection", { .size = page, .prot = 0x100 } },
		{ "a reserved field", { .size = page, .reserved = 1 } },
	};

	made();
	part = (struct vas_replace_part){ .start = memory, .size = page };
	answer(name, "no parts", vas_replace_prepare(NULL, 1, &got), EINVAL, ARGUMENT);
	answer(name, "none of them", vas_replace_prepare(&part, 0, &got), EINVAL, ARGUMENT);
	answer(name, "too many", vas_replace_prepare(&part, VAS_REPLACE_PARTS + 1, &got), EINVAL,
	       ARGUMENT);
	answer(name, "nowhere to put it", vas_replace_prepare(&part, 1, NULL), EINVAL, ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		part = cases[i].part;
		part.start = memory;
		answer(name, cases[i].what, vas_replace_prepare(&part, 1, &got), EINVAL, ARGUMENT);
	}
	part = (struct vas_replace_part){ .start = memory + 1, .size = page };
	answer(name, "an unaligned start", vas_replace_prepare(&part, 1, &got), EINVAL, ARGUMENT);
	part = (struct vas_replace_part){ .start = NULL, .size = page };
	answer(name, "NULL", vas_replace_prepare(&part, 1, &got), ENOENT, VAS_WHY_NOT_OWNED);
	ok(got == NULL && part.aside == NULL, "vas_replace_prepare: the outputs are untouched");
	unmade();
}

void check_replace_commit(void)
{
	answer("vas_replace_commit", "NULL", vas_replace_commit(NULL), EINVAL, ARGUMENT);
}

void check_replace_cancel(void)
{
	answer("vas_replace_cancel", "NULL", vas_replace_cancel(NULL), 0, NO_REPORT);
}
