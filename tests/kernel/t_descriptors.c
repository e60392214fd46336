/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Daemons close all descriptors, and others take their numbers. The library keeps
 * none between calls, and before it gives bytes of an object back it does so through the
 * mapping, or knows that the descriptor is still the object's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

#define PAGES 16u

static uint64_t page;

/* A memory file of PAGES pages, filled, at descriptor number want (-1 = any). */
static int object(int fill, int want)
{
	int fd = memfd_create("t_descriptors", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)(PAGES * page)))
		tap_bail("no memory file");
	for (unsigned int i = 0; i < PAGES; i++)
		if (pwrite(fd, &fill, 1, (off_t)(i * page)) != 1)
			tap_bail("a memory file cannot be written");
	if (want >= 0 && fd != want) {
		if (dup2(fd, want) != want)
			tap_bail("no descriptor %d", want);
		close(fd);
		fd = want;
	}
	return fd;
}

/* How many pages still begin with fill. */
static unsigned int filled(int fd, int fill)
{
	unsigned int count = 0;
	char byte;

	for (unsigned int i = 0; i < PAGES; i++)
		count += pread(fd, &byte, 1, (off_t)(i * page)) == 1 && byte == fill;
	return count;
}

static void test_none_kept(void *unused)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_pressure pressure = { .size = sizeof(pressure) };
	struct vas_probe_info info = { .size = sizeof(info) };
	long before = tap_count_fds();
	struct vas_region *region;
	struct vas_span span, low;
	struct vas_layout *layout;
	struct vas_mapping mapping;

	(void)unused;
	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_LOW;
	opts.flags = VAS_RESERVE_STRICT;
	for (size_t i = 0; vas_probe_get(i, &info) == 0; i++)
		continue;
	is_err(vas_reserve(PAGES * page, NULL, &span), 0, "a span");
	is_err(vas_reserve(page, &opts, &low), 0, "the lowest");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "committed");
	is_err(vas_region_create(PAGES * page, NULL, &region), 0, "a region");
	is_err(vas_release(NULL, NULL), ENOENT, "a failure");
	is_err(vas_report_explain(&report), 0, "explained");
	is_err(vas_pressure_get(&pressure), 0, "how things stand");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_i64(tap_count_fds(), before, "no descriptor is kept between calls");
	is_err(vas_layout_open(NULL, &layout), 0, "a layout has one");
	is_err(close_range(3, ~0u, 0), 0, "all are closed");
	is_err(vas_layout_next(layout, &mapping), EIO, "the layout says that it cannot be read");
	vas_layout_close(layout);
	is_err(vas_commit(vas_span_pointer(span), 2 * page, NULL), 0, "everything else goes on");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_region_destroy(region, NULL), 0, "destroyed");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_release(vas_span_pointer(low), NULL), 0, "released");
	is_err(vas_shutdown(), 0, "nothing is left");
}

/* The object's descriptor is closed, and its number is another's. */
static void test_number_reused(void *unused)
{
	uint64_t offset = 0;
	struct vas_span span;
	char *start;
	int fd, kept;

	(void)unused;
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH;
	opts.offset = offset;
	fd = opts.fd = object(0x11, -1);
	kept = dup(fd);
	is_err(vas_reserve(PAGES * page, NULL, &span), 0, "a span");
	start = vas_span_pointer(span);
	is_err(vas_commit(start, PAGES * page, &opts), 0, "an object, committed");
	ok(start[page] == 0x11, "is there");
	close(fd);
	fd = object(0x22, fd);
	is_err(vas_decommit(start + 2 * page, 2 * page, NULL), 0, "a part is decommitted");
	is_u64(filled(fd, 0x22), PAGES, "the file that has the number now is untouched");
	is_u64(filled(kept, 0x11), PAGES - 2, "the object's own bytes are punched");
	close(fd);
	is_err(vas_decommit(start, page, NULL), 0, "decommitted without any descriptor");
	is_u64(filled(kept, 0x11), PAGES - 3, "punched");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(start, NULL), 0, "released");
	is_u64(filled(kept, 0x11), 0, "all of it is punched");
	close(kept);
	is_err(vas_shutdown(), 0, "nothing is left");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("no descriptor is kept", test_none_kept, NULL, 20);
	tap_case("a number used again", test_number_reused, NULL, 20);
	return tap_done();
}
