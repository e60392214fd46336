/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 5 */
/*
 * Park and unpark with locked memory: what mlock(2) locked comes back unlocked, with its
 * contents; what mlockall(MCL_FUTURE) locks is locked, or refused, as any new mapping. AddressSanitizer lets mlock
 * do nothing, so there is nothing to see with it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/mapping_flag.h"
#include "tap/tap.h"

#define PAGES 16u

static uint64_t page;

struct field {
	struct vas_region *region;
	unsigned char *block;
	int image;
	struct vas_park_opts opts;
};

static void field_make(struct field *field)
{
	struct vas_block block;

	*field = (struct field){ .image = memfd_create("image", MFD_CLOEXEC) };
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	if (vas_region_create(4 * PAGES * page, NULL, &field->region) ||
	    vas_region_alloc(field->region, PAGES * page, &opts, &block))
		tap_bail("no region");
	field->block = block.start;
	memset(field->block, 0x5a, PAGES * page);
	field->opts = (struct vas_park_opts){ .size = sizeof(field->opts) };
	field->opts.image = field->image;
	field->opts.image_size = PAGES * page;
}

static bool field_is_whole(const struct field *field)
{
	for (uint64_t i = 0; i < PAGES * page; i++)
		if (field->block[i] != 0x5a)
			return false;
	return true;
}

static void field_end(struct field *field)
{
	is_err(vas_region_destroy(field->region, NULL), 0, "the region ends");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	close(field->image);
}

static void locked_case(void *unused)
{
	struct field field;

	(void)unused;
	field_make(&field);
	if (mlock(field.block, PAGES * page))
		tap_skip_all("no-mlockall", "mlock: %m");
	ok(mapping_flag(field.block, " lo") == 1, "a block is locked");
	is_err(vas_region_park(field.region, &field.opts), 0, "parked");
	ok(mapping_flag(field.block, " lo") == 0, "the reservation is not");
	is_err(vas_region_unpark(field.region, &field.opts), 0, "unparked");
	ok(field_is_whole(&field), "with its contents");
	ok(mapping_flag(field.block, " lo") == 0, "and not locked, as the header says");
	ok(mlock(field.block, PAGES * page) == 0, "its owner locks it again");
	field_end(&field);
}

static void future_case(void *unused)
{
	struct field field;

	(void)unused;
	field_make(&field);
	is_err(vas_region_park(field.region, &field.opts), 0, "parked");
	if (mlockall(MCL_FUTURE))
		tap_skip_all("no-mlockall", "mlockall: %m");
	is_err(vas_region_unpark(field.region, &field.opts), 0, "unparked");
	ok(mapping_flag(field.block, " lo") == 1, "locked, as all that is mapped from then on");
	ok(field_is_whole(&field), "with its contents");
	munlockall();
	field_end(&field);
}

/* The limit of locked memory, for a process without privileges. */
static void limit_case(void *unused)
{
	struct rlimit limit;
	struct field field;
	int err;

	(void)unused;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	field_make(&field);
	is_err(vas_region_park(field.region, &field.opts), 0, "parked");
	if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 4 * page, limit.rlim_max }) ||
	    (geteuid() == 0 && seteuid(65534)) || mlockall(MCL_FUTURE))
		tap_skip_all("no-mlockall", "mlockall: %m");
	err = vas_region_unpark(field.region, &field.opts);
	is_err(err, EAGAIN, "what may not be locked is not mapped");
	munlockall();
	is_err(vas_sync_check(NULL), 0, "it is parked");
	is_err(vas_region_unpark(field.region, &field.opts), 0, "and unparked when it may be");
	ok(field_is_whole(&field), "with its contents");
	if (mlockall(MCL_FUTURE))
		tap_bail("mlockall: %m");
	is_err(vas_region_park(field.region, &field.opts), EAGAIN,
	       "nor is a reservation in its place");
	munlockall();
	ok(field_is_whole(&field), "everything is as it was");
	is_err(vas_sync_check(NULL), 0, "in the books, too");
	field_end(&field);
}

int main(void)
{
	struct field field;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	field_make(&field);
	if (vas_region_destroy(field.region, NULL) || vas_sync_check(NULL))
		tap_bail("it does not work at all");
	close(field.image);
	tap_case("locked by mlock", locked_case, NULL, 20);
	tap_case("locked by mlockall", future_case, NULL, 20);
	tap_case("beyond the limit", limit_case, NULL, 20);
	return tap_done();
}
