/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/park.h. */
#include <string.h>

#include "support/arguments.h"
#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static struct vas_region *parked;
static struct vas_block block;

/* A region of 16 pages with a block of 4, one page committed for good. */
static void made(void)
{
	if (vas_region_create(16 * arguments_page, NULL, &parked) ||
	    vas_region_alloc(parked, 4 * arguments_page, NULL, &block))
		tap_bail("no region");
	errno = EXDEV;
}

static void unmade(void)
{
	if (vas_region_destroy(parked, NULL))
		tap_bail("the region stays");
}

/* Parks, and wakes what it has parked. */
static int park_with(const void *opts)
{
	int err = vas_region_park(parked, opts);

	if (!err && vas_region_unpark(parked, NULL))
		tap_bail("it stays parked");
	return err;
}

static int unpark_with(const void *opts)
{
	if (vas_region_park(parked, NULL))
		tap_bail("it cannot be parked");
	if (vas_region_unpark(parked, opts) == 0)
		return 0;
	errno = EXDEV;
	/* Once more for the answer: what fails does so before anything changes. */
	int err = vas_region_unpark(parked, opts);
	struct vas_report report = { .size = sizeof(report) };

	if (vas_report_get(&report) || report.error != err)
		tap_bail("no report");
	if (vas_region_unpark(parked, NULL))
		tap_bail("it stays parked");
	return err;
}

static void check_park_options(const char *name, int (*call)(const void *opts))
{
	uint64_t page = arguments_page;
	const struct {
		const char *what;
		struct vas_park_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_park_opts)
		{ "an unknown flag", { S, .flags = VAS_PARK_ALL + 1 } },
		{ "all flags", { S, .flags = 0xffffffff } },
		{ "DISCARD with an image", { S, .flags = VAS_PARK_DISCARD, .image_size = page } },
		{ "an image off the page size", { S, .image_size = page, .image_offset = 1 } },
		{ "an image that wraps", { S, .image_size = page, .image_offset = 0 - page } },
		{ "an image beyond any file", { S, .image_size = 1ull << 63 } },
		{ "room for intruders without a list", { S, .intruder_capacity = 1 } },
#undef S
	};

	VAS_OPTS(vas_park_opts, opts);
	made();
	check_options(name, call, &opts, sizeof(opts), ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, call(&cases[i].opts), EINVAL, ARGUMENT);
}

void check_region_park(void)
{
	const char *name = "vas_region_park";

	check_park_options(name, park_with);
	answer(name, "a region that is NULL", vas_region_park(NULL, NULL), EINVAL, ARGUMENT);
	if (vas_region_commit(parked, block.start, arguments_page, NULL))
		tap_bail("no memory");
	answer(name, "contents without an image", vas_region_park(parked, NULL), EOPNOTSUPP,
	       VAS_WHY_IMAGE);
	unmade();
}

void check_region_unpark(void)
{
	const char *name = "vas_region_unpark";

	answer(name, "a region that is NULL", vas_region_unpark(NULL, NULL), EINVAL, ARGUMENT);
	check_park_options(name, unpark_with);
	answer(name, "what is not parked", vas_region_unpark(parked, NULL), EINVAL, ARGUMENT);
	unmade();
}

void check_region_detached(void)
{
	const char *name = "vas_region_detached";
	uint64_t page = arguments_page;
	char *start;

	made();
	start = block.start;
	answer(name, "a region that is NULL", vas_region_detached(NULL, start, page), EINVAL, ARGUMENT);
	answer(name, "what is not parked", vas_region_detached(parked, start, page), EINVAL, ARGUMENT);
	if (vas_region_park(parked, NULL))
		tap_bail("it cannot be parked");
	errno = EXDEV;
	answer(name, "size 0", vas_region_detached(parked, start, 0), EINVAL, ARGUMENT);
	answer(name, "an unaligned start", vas_region_detached(parked, start + 1, page), EINVAL, ARGUMENT);
	answer(name, "an unaligned size", vas_region_detached(parked, start, page + 1), EINVAL, ARGUMENT);
	answer(name, "a range that wraps", vas_region_detached(parked, start, UINT64_MAX - page + 1), EINVAL, ARGUMENT);
	answer(name, "NULL", vas_region_detached(parked, NULL, page), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "the kernel's half", vas_region_detached(parked, (void *)(uintptr_t)KERNEL_HALF, page), ERANGE, VAS_WHY_OUTSIDE);
	answer(name, "no driver's part", vas_region_detached(parked, start, page), EINVAL, ARGUMENT);
	unmade();
}

void check_region_manifest(void)
{
	const char *name = "vas_region_manifest";
	unsigned char buffer[512];
	size_t length = 99;

	memset(buffer, 0xa5, sizeof(buffer));
	made();
	answer(name, "a region that is NULL", vas_region_manifest(NULL, buffer, 10, &length), EINVAL, ARGUMENT);
	answer(name, "what is not parked", vas_region_manifest(parked, buffer, 10, &length), EINVAL, ARGUMENT);
	if (vas_region_park(parked, NULL))
		tap_bail("it cannot be parked");
	errno = EXDEV;
	answer(name, "a length that is NULL", vas_region_manifest(parked, buffer, 10, NULL), EINVAL, ARGUMENT);
	answer(name, "a buffer that is NULL", vas_region_manifest(parked, NULL, 10, &length), EINVAL, ARGUMENT);
	is_u64(length, 99, "%s: the length is untouched", name);
	answer(name, "a small buffer", vas_region_manifest(parked, buffer, 10, &length), ENOSPC, ARGUMENT);
	ok(untouched(buffer, sizeof(buffer)), "%s: the buffer is untouched", name);
	ok(length > 10 && length < sizeof(buffer), "%s: the length is told", name);
	unmade();
}

void check_region_from_manifest(void)
{
	const char *name = "vas_region_from_manifest";
	struct vas_region *region = NULL;
	unsigned char buffer[512];
	size_t length;

	made();
	if (vas_region_park(parked, NULL) ||
	    vas_region_manifest(parked, buffer, sizeof(buffer), &length))
		tap_bail("no manifest");
	errno = EXDEV;
	answer(name, "a manifest that is NULL", vas_region_from_manifest(NULL, 10, &region), EINVAL, ARGUMENT);
	answer(name, "a region that is NULL", vas_region_from_manifest(buffer, length, NULL), EINVAL, ARGUMENT);
	answer(name, "length 0", vas_region_from_manifest(buffer, 0, &region), EBADMSG, VAS_WHY_MANIFEST);
	answer(name, "a shorter one", vas_region_from_manifest(buffer, length - 1, &region), EBADMSG, VAS_WHY_MANIFEST);
	answer(name, "a span that is taken", vas_region_from_manifest(buffer, length, &region), EEXIST, VAS_WHY_TAKEN);
	buffer[60] ^= 1;
	answer(name, "a spoilt one", vas_region_from_manifest(buffer, length, &region), EBADMSG, VAS_WHY_MANIFEST);
	ok(!region, "%s: the handle is untouched", name);
	unmade();
}
