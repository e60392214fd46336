/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/*
 * Memory of drivers in spans that are ours. The rings of io_uring cannot be
 * placed by anybody but the kernel: commit refuses, and the span is as before. The
 * buffer of perf events can be placed, and goes only whole.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/ballast.h"
#include "support/driver_buffer.h"
#include "sys/fault.h"
#include "tap/tap.h"

static uint64_t page;
static struct vas_sys_fault faulty;

/* The library's own mappings are made with the first reservation, and stay. */
static void use_once(void)
{
	struct vas_span span;

	is_err(vas_reserve(page, NULL, &span), 0, "a first reservation");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "and its end");
	tap_baseline();
}

static bool reads_back(char *start)
{
	start[0] = 1;
	return start[0] == 1;
}

static void ring_case(void *argument)
{
	struct io_uring_params parameters;
	struct vas_span span;
	uint64_t where = 0;
	int fd, err;

	(void)argument;
	memset(&parameters, 0, sizeof(parameters));
	fd = (int)syscall(SYS_io_uring_setup, 64, &parameters);
	if (fd < 0)
		tap_skip_all("no-io-uring", "io_uring is not to be had here");
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE;
	opts.fd = fd;
	opts.offset = IORING_OFF_SQES;
	use_once();
	is_err(vas_reserve(16 * page, NULL, &span), 0, "reserved");
	err = vas_commit(vas_span_pointer(span), page, &opts);
	if (err) {
		is_err(err, -EOPNOTSUPP, "a ring cannot be placed");
	} else {
		is_err(vas_decommit(vas_span_pointer(span), page, NULL), 0, "placed, and taken away again");
	}
	is_err(vas_sync_check(&where), 0, "the books agree with the kernel");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "the place can be used");
	ok(reads_back(vas_span_pointer(span)), "and works");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	close(fd);
}

static void buffer_case(void *argument)
{
	int fd = driver_buffer_open();
	const struct perf_event_mmap_page *header;
	enum vas_retired state;
	struct vas_span span;
	uint64_t where = 0;
	char *start;

	(void)argument;
	if (fd < 0)
		tap_skip_all("no-perf-events", "perf events are not to be had here");
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE;
	opts.fd = fd;
	use_once();
	is_err(vas_reserve(64 * page, NULL, &span), 0, "reserved");
	start = (char *)vas_span_pointer(span) + 16 * page;
	header = (const void *)start;
	if (!is_err(vas_commit(start, 9 * page, &opts), 0, "the buffer is placed"))
		return;
	is_u64(header->data_size, 8 * page, "and is the driver's");
	is_err(vas_decommit(start, page, &state), -EINVAL, "a part of it is refused");
	is_err(vas_decommit(start - page, 2 * page, &state), -EINVAL, "also with what lies below");
	is_err(vas_decommit(start + 8 * page, 2 * page, &state), -EINVAL, "and above");
	is_u64(header->data_size, 8 * page, "it is as it was");
	is_err(vas_decommit(start - page, 11 * page, &state), 0, "the whole of it goes, with its surroundings");
	is_i64(state, VAS_RETIRED_GONE, "and is gone");
	is_err(vas_sync_check(&where), 0, "the books agree with the kernel");
	is_err(vas_commit(start, 9 * page, &opts), 0, "it can come back");
	is_err(vas_release(vas_span_pointer(span), &state), 0, "released with it");
	is_i64(state, VAS_RETIRED_GONE, "all is gone");
	close(fd);
}

/* What cannot be replaced stays the driver's, open: only its end gives anything back. */
static void refused_case(void *argument)
{
	int fd = driver_buffer_open();
	const struct perf_event_mmap_page *header;
	enum vas_retired state;
	struct vas_span span;
	char *start;

	(void)argument;
	if (fd < 0)
		tap_skip_all("no-perf-events", "perf events are not to be had here");
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE;
	opts.fd = fd;
	use_once();
	ballast_forbid();
	is_err(vas_reserve(64 * page, NULL, &span), 0, "reserved");
	start = (char *)vas_span_pointer(span) + 16 * page;
	header = (const void *)start;
	if (!is_err(vas_commit(start, 9 * page, &opts), 0, "the buffer is placed"))
		return;
	faulty.operation = "map";
	vas_sys_fault_arm(&faulty, 1, true, ENOMEM);
	is_err(vas_decommit(start, 9 * page, &state), 0, "taken away where nothing can be replaced");
	is_i64(state, VAS_RETIRED_HELD, "it is held");
	is_u64(header->data_size, 8 * page, "and as it was");
	vas_sys_fault_arm(&faulty, 0, false, 0);
	is_err(vas_sync_check(NULL), 0, "as the books say");
	is_err(vas_decommit(start, 9 * page, &state), 0, "again, when it can");
	is_i64(state, VAS_RETIRED_GONE, "gone");
	is_err(vas_release(vas_span_pointer(span), &state), 0, "released");
	close(fd);
}

int main(void)
{
	tap_plan(3);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	vas_sys_fault_init(&faulty, vas_sys_real());
	vas_sys_replace(&faulty.sys);
	tap_case("a ring of io_uring", ring_case, NULL, 10);
	tap_case("the buffer of perf events", buffer_case, NULL, 10);
	tap_case("the buffer, when nothing can be replaced", refused_case, NULL, 10);
	return tap_done();
}
