/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/*
 * Spans that a device claims in the place of mmap: a made-up device, whose
 * reservations are shared memory of its own and which can refuse to give them back.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "support/window.h"
#include "tap/tap.h"

static uint64_t page;
static struct vas_space *space;

static struct {
	unsigned int claims, unclaims;
	int claim_error; /* answered instead of claiming, so many times */
	unsigned int claim_refusals;
	unsigned int unclaim_refusals;
	int flags; /* how it maps */
} device;

static int device_claim(void *context, uint64_t start, uint64_t size)
{
	void *got;

	if (context != &device)
		return -EIO;
	device.claims++;
	if (device.claim_refusals) {
		device.claim_refusals--;
		return device.claim_error;
	}
	got = mmap((void *)(uintptr_t)start, size, PROT_NONE,
		   device.flags | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (got == MAP_FAILED)
		return -errno;
	return 0;
}

static int device_unclaim(void *context, uint64_t start, uint64_t size)
{
	(void)context;
	device.unclaims++;
	if (device.unclaim_refusals) {
		device.unclaim_refusals--;
		return -EBUSY;
	}
	return munmap((void *)(uintptr_t)start, size) ? -errno : 0;
}

static const struct vas_claimer driver = { "driver", &device, device_claim, device_unclaim, 0 };
static const struct vas_claimer plain = { "plain", &device, device_claim, device_unclaim, 1 };

static int reserve(const struct vas_claimer *claimer, const struct vas_reserve_opts *opts,
		   struct vas_span *span)
{
	struct vas_failure failure;
	int err = vas_space_reserve_by(space, 16 * page, opts, claimer, &failure, span);

	ok(err == 0 || failure.why != VAS_WHY_NONE, "a failure has a reason");
	return err;
}

static void begin(int flags)
{
	memset(&device, 0, sizeof(device));
	device.flags = flags;
}

static void test_driver(void)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_stats before = { .size = sizeof(before) }, after = { .size = sizeof(after) };
	struct vas_owner owner;
	enum vas_retired state;
	struct vas_span span;

	begin(MAP_SHARED);
	VAS_OPTS(vas_reserve_opts, opts);
	opts.flags = VAS_RESERVE_NODUMP;
	vas_stats_get(&before);
	is_err(reserve(&driver, &opts, &span), 0, "a device reserves");
	ok(device.claims >= 1 && page_is_mapped(span.start, page), "by its own means");
	is_err(vas_owner_at(vas_span_pointer(span), &owner), 0, "the span is owned");
	is_err(vas_sync_check(NULL), 0, "what the device maps is not compared");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), EOPNOTSUPP, "nothing is committed");
	vas_report_get(&report);
	is_i64(report.why, VAS_WHY_DEVICE, "as the report says");
	device.unclaim_refusals = 1;
	is_err(vas_release(vas_span_pointer(span), &state), 0, "released");
	is_i64(state, VAS_RETIRED_HELD, "which the device refuses");
	ok(page_is_mapped(span.start, page), "it is as it was");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), EBUSY, "and out of use");
	vas_stats_get(&after);
	is_u64(after.held - before.held, 1, "counted as held");
	is_err(vas_reserve(page, NULL, &span), 0, "the next call");
	is_u64(device.unclaims, 2, "tries again");
	vas_stats_get(&after);
	is_u64(after.held, before.held, "and the device gives it back");
	is_err(vas_release(vas_span_pointer(span), &state), 0, "released");
	is_err(vas_sync_check(NULL), 0, "the books are right");
}

static void test_places(void)
{
	struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_span span, other;
	int err;

	begin(MAP_SHARED);
	device.claim_refusals = 3;
	device.claim_error = -EEXIST;
	opts.place = VAS_PLACE_LOW;
	opts.min = 1ull << 45; /* clear of shadows of sanitizers */
	is_err(reserve(&driver, &opts, &span), 0, "a place that the device refuses is not the last");
	is_u64(device.claims, 4, "the fourth is");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	begin(MAP_SHARED);
	device.claim_refusals = UINT32_MAX;
	device.claim_error = -ENOMEM;
	is_err(reserve(&driver, &opts, &other), ENOMEM, "the device has no memory");
	is_u64(device.claims, 1, "which is the same everywhere");
	begin(MAP_SHARED);
	device.claim_refusals = UINT32_MAX;
	device.claim_error = -EPERM;
	err = reserve(&driver, &opts, &other);
	is_err(err, EPERM, "the device allows no place");
	is_u64(device.unclaims, 0, "nothing to give back");
	opts.place = VAS_PLACE_EXACT;
	opts.address = span.start;
	begin(MAP_SHARED);
	is_err(reserve(&driver, &opts, &other), 0, "an exact address");
	is_err(reserve(&driver, &opts, &span), EEXIST, "which is then taken");
	is_err(vas_release(vas_span_pointer(other), NULL), 0, "released");
	is_err(vas_sync_check(NULL), 0, "the books are right");
}

static void test_replaceable(void)
{
	struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_span span;
	char *byte;

	begin(MAP_PRIVATE | MAP_NORESERVE);
	opts.flags = VAS_RESERVE_NODUMP;
	is_err(reserve(&plain, &opts, &span), 0, "a device whose claims the kernel may replace");
	is_err(vas_sync_check(NULL), 0, "which is compared");
	is_err(vas_commit(vas_span_pointer(span), 2 * page, NULL), 0, "memory is committed in it");
	byte = vas_span_pointer(span);
	ok(*byte == 0, "and reads as zeroes");
	*byte = 1;
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_u64(device.unclaims, 1, "by the device");
	ok(!page_is_mapped(span.start, page), "it is gone");
	/* The recipe is refused there: the kernel has no such advice for shared memory. */
	begin(MAP_SHARED);
	opts.flags = 0;
	opts.fork = VAS_FORK_WIPE;
	device.unclaim_refusals = 1;
	is_err(reserve(&plain, &opts, &span), ENOMEM, "neither advice nor undo");
	is_err(vas_reserve(page, NULL, &span), 0, "the next call");
	is_u64(device.unclaims, 2, "gives back what was left");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

/* A device's place is not one that mmap is tried at next, nor the reverse. */
static void test_beside(void)
{
	struct vas_span span, first, second;
	uint64_t claims;

	begin(MAP_SHARED);
	is_err(vas_reserve(16 * page, NULL, &first), 0, "a span of the kernel's");
	VAS_OPTS(vas_reserve_opts, opts);
	is_err(reserve(&driver, &opts, &span), 0, "one of a device");
	claims = device.claims;
	is_err(vas_reserve(16 * page, NULL, &second), 0, "another one of the kernel's");
	is_u64(device.claims, claims, "which the device has nothing to do with");
	is_err(vas_release(vas_span_pointer(second), NULL), 0, "released");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_release(vas_span_pointer(first), NULL), 0, "released");
	is_u64(device.unclaims, 1, "the device gives back its own only");
	is_err(vas_sync_check(NULL), 0, "the books are right");
}

/* A child has not what only the device can claim: its handler asks no kernel for it. */
static void test_child(void)
{
	struct vas_owner owner;
	struct vas_span span;
	int status = -1;
	pid_t child;

	begin(MAP_PRIVATE | MAP_NORESERVE);
	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_TRAP;
	is_err(reserve(&plain, &opts, &span), 0, "a device's span, of which a child is to keep the addresses");
	child = fork();
	if (child == 0) {
		if (vas_owner_at(vas_span_pointer(span), &owner) != -ENOENT)
			_exit(1);
		if (page_is_mapped(span.start, page))
			_exit(2);
		_exit(vas_sync_check(NULL) ? 3 : 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	is_i64(status, 0, "the child does not own it, and nothing is there");
	is_u64(device.claims, 1, "the device was asked once");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	if (vas_space_default(&space))
		tap_bail("no space");
	test_driver();
	test_places();
	test_replaceable();
	test_beside();
	test_child();
	return tap_done();
}
