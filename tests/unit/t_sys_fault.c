/* SPDX-License-Identifier: BSD-2-Clause */
/* The faulting table: which calls it fails, what it counts. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/fault.h"
#include "tap/tap.h"

static struct vas_sys_fault fault;

static void numbers(void)
{
	struct vas_sys *sys = &fault.sys;

	vas_sys_fault_arm(&fault, 2, false, EAGAIN);
	ok(sys->get_brk(sys) > 0, "the first call goes through");
	is_i64(sys->get_brk(sys), -EAGAIN, "the second fails");
	ok(sys->get_brk(sys) > 0, "the third goes through");
	is_u64(fault.calls, 3, "three are counted");
	is_u64(fault.faults, 1, "one of them failed");
	vas_sys_fault_arm(&fault, 2, true, EPERM);
	ok(sys->get_brk(sys) > 0, "armed anew, counting begins at one");
	is_i64(sys->get_brk(sys), -EPERM, "persistent: the second fails");
	is_i64(sys->get_brk(sys), -EPERM, "and the third");
	vas_sys_fault_arm(&fault, 0, true, EPERM);
	ok(sys->get_brk(sys) > 0, "disarmed, none fails");
}

static void chosen(void)
{
	struct vas_sys *sys = &fault.sys;
	struct vas_sys_limit limit;

	fault.operation = "get_limit";
	vas_sys_fault_arm(&fault, 1, true, ENOSYS);
	ok(sys->get_brk(sys) > 0, "calls of other operations pass");
	is_u64(fault.calls, 0, "and are not counted");
	is_i64(sys->get_limit(sys, RLIMIT_AS, &limit), -ENOSYS, "the chosen one fails");
	fault.operation = NULL;
}

static void every_operation(void)
{
	struct vas_sys *sys = &fault.sys;
	struct vas_sys_query query = { .name = NULL };
	struct vas_sys_limit limit;
	uint64_t page = sys->page_size;
	long fds = tap_count_fds();
	int64_t fd;
	char byte;

	vas_sys_fault_arm(&fault, 0, false, 0);
	fd = sys->open(sys, "/proc/self/maps", O_RDONLY);
	ok(fd >= 0, "a file is open");
	vas_sys_fault_arm(&fault, 1, true, ENOSYS);
	is_i64(sys->map(sys, 0, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), -ENOSYS,
	       "map");
	is_i64(sys->unmap(sys, page, page), -ENOSYS, "unmap");
	is_i64(sys->protect(sys, page, page, PROT_NONE), -ENOSYS, "protect");
	is_i64(sys->advise(sys, page, page, MADV_NORMAL), -ENOSYS, "advise");
	is_i64(sys->sync(sys, page, page, MS_ASYNC), -ENOSYS, "sync");
	is_i64(sys->set_name(sys, page, page, "x"), -ENOSYS, "set_name");
	is_i64(sys->get_brk(sys), -ENOSYS, "get_brk");
	is_i64(sys->get_limit(sys, RLIMIT_AS, &limit), -ENOSYS, "get_limit");
	is_i64(sys->open(sys, "/proc/self/maps", O_RDONLY), -ENOSYS, "open");
	is_i64(sys->read(sys, (int)fd, &byte, 1), -ENOSYS, "read");
	is_i64(sys->seek(sys, (int)fd, 0, SEEK_SET), -ENOSYS, "seek");
	is_i64(sys->query(sys, (int)fd, 0, 0, &query), -ENOSYS, "query");
	is_i64(sys->close(sys, (int)fd), -ENOSYS, "close fails");
	is_i64(tap_count_fds(), fds, "but has closed, as Linux does");
	is_u64(fault.faults, 13, "all were counted");
}

static void call_sites(void)
{
#ifdef VASPACE_CALL_SITES
	struct vas_sys *sys = &fault.sys;
	const struct vas_call_site *mine = NULL;

	vas_sys_fault_arm(&fault, 1, false, EPERM);
	is_i64(VAS_CALL(sys, get_brk), -EPERM, "a call from a registered place fails");
	for (size_t i = 0; i < vas_call_site_count(); i++)
		if (vas_call_site_get(i) == fault.last_site)
			mine = vas_call_site_get(i);
	ok(mine != NULL, "the fault names a place of the registry");
	is_str(mine ? mine->operation : "", "get_brk", "its operation");
	is_u64(mine ? mine->hits : 0, 1, "its hits");
	is_u64(mine ? mine->faults : 0, 1, "its faults");
	ok(vas_call_site_get(vas_call_site_count()) == NULL, "there is no place past the last");
#else
	is_i64(VAS_CALL(&fault.sys, unmap, 1, 1) < 0, 1, "without a registry the macro only calls");
#endif
}

int main(void)
{
	tap_plan(0);
	vas_sys_fault_init(&fault, vas_sys_real());
	is_u64(fault.sys.page_size, vas_sys_real()->page_size, "the page size is the next table's");
	numbers();
	chosen();
	every_operation();
	call_sites();
	return tap_done();
}
