/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * The functions of vaspace/memory.h on the real kernel: what pages hold and what
 * faults, for private memory and for objects, with the books compared after each.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "tap/tap.h"

#define PAGES 64u

static uint64_t page;
static char *base;
static sigjmp_buf fault_jump;

static void on_fault(int signal)
{
	siglongjmp(fault_jump, signal);
}

/* The signal that a touch raises; 0 = none. */
static int touch(volatile char *at, bool write)
{
	int got = sigsetjmp(fault_jump, 1);

	if (got)
		return got;
	if (write)
		*at = 1;
	else
		(void)*at;
	return 0;
}

static void sound(const char *when)
{
	uint64_t where = 0;

	is_i64(vas_sync_check(&where), 0, "books and mappings agree %s", when);
}

static void begin(void)
{
	struct sigaction action = { .sa_handler = on_fault };
	struct vas_span span;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	tap_ignore_leaks(TAP_LEAK_VMAS); /* the books */
	if (vas_reserve(PAGES * page, NULL, &span))
		tap_bail("no span");
	base = vas_span_pointer(span);
}

static void end(void)
{
	enum vas_retired state = VAS_RETIRED_HELD;

	sound("at the end");
	is_i64(vas_release(base, &state), 0, "released");
	is_i64(state, VAS_RETIRED_GONE, "and gone");
}

static void test_decommit(void *arg)
{
	enum vas_retired state = VAS_RETIRED_HELD;

	(void)arg;
	begin();
	is_i64(vas_commit(base, 8 * page, NULL), 0, "commit");
	memset(base, 0x5a, 8 * page);
	is_i64(vas_decommit(base + 2 * page, 2 * page, &state), 0, "decommit the middle");
	is_i64(state, VAS_RETIRED_GONE, "which is gone");
	is_i64(touch(base + 2 * page, false), SIGSEGV, "it faults");
	is_i64(base[page], 0x5a, "below it nothing has changed");
	is_i64(base[4 * page], 0x5a, "nor above");
	sound("after a decommit");
	is_i64(vas_commit(base, 8 * page, NULL), 0, "commit again");
	is_i64(base[2 * page], 0, "zeroes where it was");
	is_i64(base[page], 0x5a, "the rest is kept");
	is_i64(vas_decommit(base, PAGES * page, &state), 0, "decommit everything, holes and all");
	is_i64(state, VAS_RETIRED_GONE, "gone");
	is_i64(vas_decommit(base, PAGES * page, NULL), 0, "and once more");
	end();
}

static void test_protect(void *arg)
{
	(void)arg;
	begin();
	is_i64(vas_commit(base, 8 * page, NULL), 0, "commit");
	memset(base, 0x5a, 8 * page);
	is_i64(vas_protect(base + page, 3 * page, PROT_READ), 0, "read-only");
	is_i64(touch(base + page, true), SIGSEGV, "cannot be written");
	is_i64(base[3 * page], 0x5a, "but read");
	is_i64(touch(base + 4 * page, true), 0, "beside it nothing has changed");
	sound("after a protect");
	is_i64(vas_protect(base, 8 * page, PROT_NONE), 0, "nothing at all");
	is_i64(touch(base, false), SIGSEGV, "cannot be read");
	sound("without access");
	is_i64(vas_protect(base, 8 * page, PROT_READ | PROT_WRITE), 0, "all again");
	is_i64(base[2 * page], 0x5a, "contents are kept");
	is_i64(vas_protect(base, 9 * page, PROT_READ), -EINVAL, "a part is not committed");
	is_i64(touch(base, true), 0, "and nothing has changed");
	end();
}

static void test_guard(void *arg)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_owner owner;
	uint32_t vmas;

	(void)arg;
	begin();
	is_i64(vas_commit(base, 8 * page, NULL), 0, "commit");
	memset(base, 0x5a, 8 * page);
	is_i64(vas_owner_at(base, &owner), 0, "owner");
	is_i64(vas_owner_details(owner.id, &details), 0, "details");
	vmas = details.vmas;
	is_i64(vas_guard(base + 2 * page, page), 0, "guard");
	is_i64(touch(base + 2 * page, false), SIGSEGV, "it faults");
	is_i64(touch(base + 3 * page, true), 0, "its neighbour does not");
	sound("with a guard");
	is_i64(vas_owner_details(owner.id, &details), 0, "details");
	if (vas_probe_has(&vas_space_if_made()->probes, vas_sys_current(), VAS_PROBE_GUARD))
		is_i64(details.vmas, vmas, "no mapping more");
	else
		ok(details.vmas >= vmas, "this kernel has no guards");
	is_i64(vas_guard(base, 4 * page), 0, "guarded again, with neighbours");
	is_i64(vas_protect(base, 8 * page, PROT_READ), 0, "protect across guards");
	is_i64(touch(base, false), SIGSEGV, "still a guard");
	is_i64(vas_unguard(base, 8 * page), 0, "unguard");
	is_i64(touch(base + 2 * page, false), 0, "it can be read");
	is_i64(base[2 * page], 0, "as zeroes");
	is_i64(base[5 * page], 0x5a, "what was not guarded is kept");
	is_i64(touch(base + 2 * page, true), SIGSEGV, "with the protection given meanwhile");
	sound("unguarded");
	is_i64(vas_guard(base + 7 * page, 2 * page), -EINVAL, "a part is not committed");
	is_i64(vas_decommit(base, 8 * page, NULL), 0, "decommit");
	end();
}

static int object_make(uint64_t size)
{
	int fd = memfd_create("t_memory", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		tap_bail("no memfd");
	return fd;
}

static void test_shared(void *arg)
{
	int fd = object_make(16 * page);
	char byte = 0x11;

	VAS_OPTS(vas_commit_opts, opts);
	(void)arg;
	begin();
	opts.flags = VAS_COMMIT_SHARED;
	opts.fd = fd;
	opts.offset = 4 * page;
	is_i64(pwrite(fd, &byte, 1, (off_t)(5 * page)), 1, "a byte in the object");
	is_i64(vas_commit(base + 8 * page, 4 * page, &opts), 0, "commit");
	is_i64(base[9 * page], 0x11, "is there");
	base[8 * page] = 0x22;
	is_i64(pread(fd, &byte, 1, (off_t)(4 * page)), 1, "read");
	is_i64(byte, 0x22, "and what is written is in the object");
	sound("with an object");
	opts.offset = 8 * page;
	is_i64(vas_commit(base + 12 * page, 4 * page, &opts), 0, "the next part beside it");
	sound("with two parts that merge");
	opts.offset = 14 * page;
	is_i64(vas_commit(base + 16 * page, 4 * page, &opts), -ERANGE, "beyond the object's end");
	opts.offset = page / 2;
	is_i64(vas_commit(base + 16 * page, page, &opts), -EINVAL, "not at a page of it");
	opts.offset = 0;
	opts.fd = -1;
	is_i64(vas_commit(base + 16 * page, page, &opts), -EBADF, "no descriptor");
	close(fd);
	is_i64(vas_guard(base + 8 * page, page), 0, "guard");
	is_i64(touch(base + 8 * page, false), SIGSEGV, "it faults");
	is_i64(vas_unguard(base + 8 * page, page), 0, "unguard");
	is_i64(base[8 * page], 0x22, "a shared object keeps its contents");
	is_i64(vas_decommit(base + 9 * page, 3 * page, NULL), 0, "decommit a part, the descriptor closed");
	is_i64(touch(base + 9 * page, false), SIGSEGV, "it faults");
	sound("after it");
	end();
}

static void test_punch(void *arg)
{
	int fd = object_make(16 * page);
	enum vas_retired state;
	char byte = 1;

	VAS_OPTS(vas_commit_opts, opts);
	(void)arg;
	begin();
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH | VAS_COMMIT_POPULATE;
	opts.fd = fd;
	is_i64(vas_commit(base, 16 * page, &opts), 0, "commit");
	memset(base, 0x33, 16 * page);
	is_i64(vas_protect(base, 16 * page, PROT_READ), 0, "read-only");
	is_i64(vas_decommit(base + 4 * page, 4 * page, &state), 0, "decommit");
	is_i64(state, VAS_RETIRED_GONE, "gone");
	is_i64(pread(fd, &byte, 1, (off_t)(5 * page)), 1, "read");
	is_i64(byte, 0, "punched out");
	is_i64(pread(fd, &byte, 1, (off_t)(8 * page)), 1, "read");
	is_i64(byte, 0x33, "beside it not");
	sound("after a punch");
	end();
	close(fd);
}

static void test_private(void *arg)
{
	int fd = object_make(16 * page);
	char byte = 0x44;

	VAS_OPTS(vas_commit_opts, opts);
	(void)arg;
	begin();
	opts.flags = VAS_COMMIT_PRIVATE;
	opts.fd = fd;
	is_i64(pwrite(fd, &byte, 1, 0), 1, "a byte in the object");
	is_i64(vas_commit(base, 4 * page, &opts), 0, "commit");
	is_i64(base[0], 0x44, "is there");
	base[0] = 0x55;
	is_i64(pread(fd, &byte, 1, 0), 1, "read");
	is_i64(byte, 0x44, "what is written stays here");
	sound("with a private object");
	is_i64(vas_guard(base, page), 0, "guard");
	is_i64(vas_unguard(base, page), 0, "unguard");
	is_i64(base[0], 0x44, "as the file again");
	end();
	close(fd);
}

/* Stands in for a driver's: nothing of it is told apart but that it goes whole. */
static void test_whole(void *arg)
{
	int fd = object_make(16 * page);

	VAS_OPTS(vas_commit_opts, opts);
	(void)arg;
	begin();
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE;
	opts.fd = fd;
	is_i64(vas_commit(base, 4 * page, &opts), 0, "commit");
	opts.offset = 4 * page;
	is_i64(vas_commit(base + 4 * page, 4 * page, &opts), 0, "another beside it");
	is_i64(vas_decommit(base, 2 * page, NULL), -EINVAL, "a part of it is refused");
	is_i64(vas_decommit(base + page, 3 * page, NULL), -EINVAL, "the other end, too");
	is_i64(vas_protect(base + page, page, PROT_READ), -EINVAL, "and a protection of a part");
	is_i64(vas_decommit(base, 4 * page, NULL), 0, "one of two goes");
	is_i64(touch(base + 4 * page, true), 0, "the other stays");
	sound("with one of two");
	end();
	close(fd);
}

static void test_populate(void *arg)
{
	unsigned char resident[8];

	VAS_OPTS(vas_commit_opts, opts);
	(void)arg;
	begin();
	opts.flags = VAS_COMMIT_POPULATE;
	is_i64(vas_commit(base, 2 * page, NULL), 0, "a part of it committed before");
	memset(base, 0x5a, 2 * page);
	if (!vas_probe_has(&vas_space_if_made()->probes, vas_sys_current(), VAS_PROBE_POPULATE_WRITE)) {
		is_i64(vas_commit(base, 8 * page, &opts), -EOPNOTSUPP, "this kernel cannot");
	} else {
		is_i64(vas_commit(base, 8 * page, &opts), 0, "commit and populate");
		is_i64(mincore(base, 8 * page, resident), 0, "mincore");
		ok(resident[2] & resident[7] & 1, "every page has its memory");
		is_i64(base[page], 0x5a, "what was there is kept");
	}
	opts.prot = PROT_EXEC;
	is_i64(vas_commit(base + 8 * page, page, &opts), -EINVAL, "what can only be executed");
	end();
}

static void test_policy(void *arg)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND };
	struct vas_span span;
	int got;

	VAS_OPTS(vas_commit_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	(void)arg;
	begin();
	opts.policy = &policy;
	is_i64(vas_commit(base, page, &opts), -EINVAL, "no nodes");
	policy.nodes[15] = 1ull << 63;
	got = vas_commit(base, page, &opts);
	ok(got == -EINVAL || got == -ENOSYS, "a node that is not there: %d", got);
	is_i64(touch(base, false), SIGSEGV, "nothing is committed");
	sound("after a refusal");
	policy.nodes[15] = 0;
	policy.nodes[0] = 1;
	got = vas_commit(base, page, &opts);
	ok(got == 0 || got == -ENOSYS, "node 0: %d", got);
	reserve.policy = &policy;
	is_i64(vas_reserve(4 * page, &reserve, &span), 0, "a span with a policy");
	memset(&policy, 0xff, sizeof(policy));
	got = vas_commit(vas_span_pointer(span), page, NULL);
	ok(got == 0 || got == -ENOSYS, "has a copy of its own: %d", got);
	is_i64(vas_release(vas_span_pointer(span), NULL), 0, "released");
	end();
}

static void test_locked(void *arg)
{
	enum vas_retired state;

	(void)arg;
	begin();
	is_i64(vas_commit(base, 8 * page, NULL), 0, "commit");
	if (mlock(base, 8 * page)) {
		tap_diag("mlock is refused here");
	} else {
		memset(base, 0x5a, 8 * page);
		is_i64(vas_guard(base + page, page), 0, "guard locked memory");
		is_i64(touch(base + page, false), SIGSEGV, "it faults");
		sound("with locked memory");
		is_i64(vas_unguard(base + page, page), 0, "unguard");
		is_i64(base[page], 0, "reads as zeroes");
		is_i64(vas_decommit(base + 3 * page, page, &state), 0, "decommit");
		is_i64(state, VAS_RETIRED_GONE, "gone");
	}
	end();
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("decommit", test_decommit, NULL, 20);
	tap_case("protect", test_protect, NULL, 20);
	tap_case("guard", test_guard, NULL, 20);
	tap_case("shared", test_shared, NULL, 20);
	tap_case("punch", test_punch, NULL, 20);
	tap_case("private", test_private, NULL, 20);
	tap_case("whole", test_whole, NULL, 20);
	tap_case("populate", test_populate, NULL, 20);
	tap_case("policy", test_policy, NULL, 20);
	tap_case("locked", test_locked, NULL, 20);
	return tap_done();
}
