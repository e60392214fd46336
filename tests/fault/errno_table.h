/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The errors that each public function may answer, with the reason that its
 * failure report then has. docs/errors.md says the same in words; a test
 * compares the two and the headers. Fault tests accept nothing else.
 */
#ifndef TESTS_FAULT_ERRNO_TABLE_H
#define TESTS_FAULT_ERRNO_TABLE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <vaspace/report.h>

#define ERRNO_WHY_UNREPORTED (-1) /* the function keeps no report: any earlier failure stays */

struct errno_row {
	const char *function;
	int error; /* positive */
	int why; /* enum vas_why, or ERRNO_WHY_UNREPORTED */
	const char *note; /* when */
};

static const struct errno_row errno_table[] = {
	/* clang-format off */
	{"vas_limits_combine", EINVAL, ERRNO_WHY_UNREPORTED, "an entry is NULL or malformed, more than 64 entries, an unknown obligation, a hole that wraps around"},
	{"vas_limits_combine", E2BIG, ERRNO_WHY_UNREPORTED, "an entry or the options are larger than known, with a non-zero tail"},
	{"vas_limits_combine", ERANGE, ERRNO_WHY_UNREPORTED, "no address can satisfy all of them; the conflict names the pair"},
	{"vas_limits_combine", ENOSPC, ERRNO_WHY_UNREPORTED, "the hole buffer is too small"},
	{"vas_limits_check", EINVAL, ERRNO_WHY_UNREPORTED, "the limits are NULL or malformed, the span is empty or wraps around"},
	{"vas_limits_check", E2BIG, ERRNO_WHY_UNREPORTED, "the limits are larger than known, with a non-zero tail"},
	{"vas_limits_check", ERANGE, ERRNO_WHY_UNREPORTED, "the span does not satisfy them"},
	{"vas_reserve", EINVAL, VAS_WHY_ARGUMENT, "span NULL; size 0 or beyond rounding; min_size above size; unknown flag, place or side; an alignment that no page size divides or is divided by; a phase or fixed address that does not suit; malformed limits; an unknown fork policy, or one that NOFORK or the limits forbid"},
	{"vas_reserve", E2BIG, VAS_WHY_ARGUMENT, "options or limits larger than known, with a non-zero tail"},
	{"vas_reserve", ERANGE, VAS_WHY_LIMITS, "limits that exclude each other, or leave no place even in an empty space"},
	{"vas_reserve", ERANGE, VAS_WHY_WINDOW, "the window is smaller than the size"},
	{"vas_reserve", ERANGE, VAS_WHY_WIDTH, "beyond what this kernel gives user space"},
	{"vas_reserve", ERANGE, VAS_WHY_CAP, "a limit's max_size or max_total is below the least size"},
	{"vas_reserve", ERANGE, VAS_WHY_MARGIN, "EXACT: below the lowest address that can be mapped"},
	{"vas_reserve", EEXIST, VAS_WHY_TAKEN, "EXACT: something is mapped there"},
	{"vas_reserve", EEXIST, VAS_WHY_MARGIN, "EXACT: too close below the stack or above the program break"},
	{"vas_reserve", ENOSPC, VAS_WHY_FRAGMENTED, "explained, or with min_size: enough is free under the limits, but not in one piece"},
	{"vas_reserve", ENOSPC, VAS_WHY_FULL, "explained, or with min_size: less than the size is free under the limits"},
	{"vas_reserve", ENOSPC, VAS_WHY_TAKEN, "no free range; an explanation tells whether it is fragmented or full"},
	{"vas_reserve", ENOMEM, VAS_WHY_KERNEL, "the kernel refused; an explanation infers which limit"},
	{"vas_reserve", ENOMEM, VAS_WHY_ADDRESS_LIMIT, "explained: RLIMIT_AS"},
	{"vas_reserve", ENOMEM, VAS_WHY_VMA_LIMIT, "explained: vm.max_map_count"},
	{"vas_reserve", ENOMEM, VAS_WHY_OVERCOMMIT, "explained: the overcommit policy"},
	{"vas_reserve", ENOMEM, VAS_WHY_BOOKS, "no memory for the library's own books"},
	{"vas_reserve", EAGAIN, VAS_WHY_LOCKED, "mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK"},
	{"vas_reserve", EPERM, VAS_WHY_BARRED, "the kernel, a sandbox or a sanitizer forbids that address"},
	{"vas_reserve", EPERM, VAS_WHY_DENIED, "it forbids every address that was tried"},
	{"vas_reserve", EPERM, VAS_WHY_BOOKS, "at the first call of the process: not even a probe or the books may be mapped"},
	{"vas_reserve", ENOSYS, VAS_WHY_DENIED, "a sandbox denies mmap"},
	{"vas_reserve", ENOSYS, VAS_WHY_BOOKS, "the same, at the first call of the process"},
	{"vas_reserve", EOPNOTSUPP, VAS_WHY_DENIED, "VAS_FORK_WIPE, and the kernel has no MADV_WIPEONFORK"},
	{"vas_reserve", EBUSY, VAS_WHY_RACE, "each candidate that looked free was lost to another thread, a bounded number of times"},
	{"vas_commit", EINVAL, VAS_WHY_ARGUMENT, "unaligned start or size, size 0, a range that wraps, unknown bits, HUGE with NOHUGE"},
	{"vas_commit", E2BIG, VAS_WHY_ARGUMENT, "options larger than known, with a non-zero tail"},
	{"vas_commit", ENOENT, VAS_WHY_NOT_OWNED, "the range does not lie inside one span that is owned here"},
	{"vas_commit", EBUSY, VAS_WHY_HELD, "the span is being released, or is held"},
	{"vas_commit", EBUSY, VAS_WHY_USED, "a region uses the span"},
	{"vas_commit", EBUSY, VAS_WHY_VETO, "a subscriber to notices refused it"},
	{"vas_commit", EOPNOTSUPP, VAS_WHY_DEVICE, "a device owns the addresses"},
	{"vas_commit", EDEADLK, VAS_WHY_REENTERED, "called inside a notice about the same span"},
	{"vas_commit", ENOMEM, VAS_WHY_KERNEL, "the kernel refused; an explanation infers which limit"},
	{"vas_commit", ENOMEM, VAS_WHY_VMA_LIMIT, "explained: vm.max_map_count"},
	{"vas_commit", ENOMEM, VAS_WHY_DATA_LIMIT, "explained: RLIMIT_DATA"},
	{"vas_commit", ENOMEM, VAS_WHY_OVERCOMMIT, "explained: the overcommit policy"},
	{"vas_commit", ENOMEM, VAS_WHY_CGROUP, "explained: a memory group"},
	{"vas_commit", ENOMEM, VAS_WHY_BOOKS, "no memory for the library's own books"},
	{"vas_commit", EAGAIN, VAS_WHY_LOCKED, "mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK"},
	{"vas_commit", EPERM, VAS_WHY_DENIED, "the kernel or a sandbox forbids the mapping or the protection"},
	{"vas_commit", EPERM, VAS_WHY_KERNEL, "the kernel answered what mmap and madvise do not document"},
	{"vas_commit", EPERM, VAS_WHY_BOOKS, "at the first call of the process: not even a probe or the books may be mapped"},
	{"vas_commit", EACCES, VAS_WHY_DENIED, "a security module forbids the protection"},
	{"vas_commit", ENOSYS, VAS_WHY_DENIED, "a sandbox denies mmap, mprotect or madvise"},
	{"vas_commit", ENOSYS, VAS_WHY_BOOKS, "the same, at the first call of the process"},
	{"vas_release", ENOENT, VAS_WHY_NOT_OWNED, "no owned span starts there"},
	{"vas_release", EBUSY, VAS_WHY_USED, "a region uses the span"},
	{"vas_release", EDEADLK, VAS_WHY_REENTERED, "called inside a notice about the span"},
	{"vas_adopt", EINVAL, VAS_WHY_ARGUMENT, "unaligned or empty range, one that wraps or leaves user space, unknown flags or fork policy"},
	{"vas_adopt", EINVAL, VAS_WHY_NOT_MAPPED, "a part is not mapped; the report has its address"},
	{"vas_adopt", EINVAL, VAS_WHY_UNLIKE, "a part has another protection than was said; the report has its address"},
	{"vas_adopt", E2BIG, VAS_WHY_ARGUMENT, "options larger than known, with a non-zero tail"},
	{"vas_adopt", EEXIST, VAS_WHY_TAKEN, "a part is owned already, or not private anonymous memory; the report has its address"},
	{"vas_adopt", ENOMEM, VAS_WHY_KERNEL, "the kernel refused; an explanation infers which limit"},
	{"vas_adopt", ENOMEM, VAS_WHY_VMA_LIMIT, "explained: vm.max_map_count"},
	{"vas_adopt", ENOMEM, VAS_WHY_BOOKS, "no memory for the library's own books"},
	{"vas_adopt", EAGAIN, VAS_WHY_LOCKED, "mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK"},
	{"vas_adopt", EOPNOTSUPP, VAS_WHY_ARGUMENT, "VAS_FORK_SHARE with COMMITTED"},
	{"vas_adopt", EOPNOTSUPP, VAS_WHY_DENIED, "the mappings of this process cannot be read; VAS_FORK_WIPE, and the kernel has no MADV_WIPEONFORK"},
	{"vas_adopt", EMFILE, VAS_WHY_NONE, "no descriptor is left in the process to read them"},
	{"vas_adopt", ENFILE, VAS_WHY_NONE, "no descriptor is left in the system to read them"},
	{"vas_adopt", EPERM, VAS_WHY_DENIED, "the kernel or a sandbox forbids the calls"},
	{"vas_adopt", EPERM, VAS_WHY_KERNEL, "the kernel answered what mmap and madvise do not document"},
	{"vas_adopt", EPERM, VAS_WHY_BOOKS, "at the first call of the process: not even a probe or the books may be mapped"},
	{"vas_adopt", ENOSYS, VAS_WHY_DENIED, "a sandbox denies mmap or madvise"},
	{"vas_adopt", ENOSYS, VAS_WHY_BOOKS, "the same, at the first call of the process"},
	{"vas_disown", ENOENT, VAS_WHY_NOT_OWNED, "no owned span starts there"},
	{"vas_disown", EBUSY, VAS_WHY_USED, "a region uses the span"},
	{"vas_disown", EDEADLK, VAS_WHY_REENTERED, "called inside a notice about the span"},
	{"vas_pressure_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_pressure_set", EINVAL, ERRNO_WHY_UNREPORTED, "vmas_percent above 100, or something in reserved; options smaller than the first version's"},
	{"vas_pressure_set", E2BIG, ERRNO_WHY_UNREPORTED, "options larger than known, with a non-zero tail"},
	{"vas_pressure_set", ENOMEM, ERRNO_WHY_UNREPORTED, "no memory for the library's own books"},
	{"vas_pressure_set", EPERM, ERRNO_WHY_UNREPORTED, "at the first call of the process: not even a probe or the books may be mapped"},
	{"vas_pressure_set", ENOSYS, ERRNO_WHY_UNREPORTED, "the same, at the first call of the process"},
	{"vas_notice_subscribe", EINVAL, ERRNO_WHY_UNREPORTED, "hook or id NULL, an empty span or one that wraps around"},
	{"vas_notice_subscribe", ENOMEM, ERRNO_WHY_UNREPORTED, "no memory for the library's own books"},
	{"vas_notice_subscribe", EPERM, ERRNO_WHY_UNREPORTED, "at the first call of the process: not even a probe or the books may be mapped"},
	{"vas_notice_subscribe", ENOSYS, ERRNO_WHY_UNREPORTED, "the same, at the first call of the process"},
	{"vas_notice_cancel", ENOENT, ERRNO_WHY_UNREPORTED, "there is no such subscription, or it is being cancelled already"},
	{"vas_notice_cancel", EDEADLK, ERRNO_WHY_UNREPORTED, "called inside a hook"},
	{"vas_generation_at", ENOENT, ERRNO_WHY_UNREPORTED, "the address is not owned here"},
	{"vas_owner_at", ENOENT, ERRNO_WHY_UNREPORTED, "the address is not owned here"},
	{"vas_owner_details", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_owner_details", ESTALE, ERRNO_WHY_UNREPORTED, "that owner has released its span since"},
	{"vas_fork_child", EOWNERDEAD, ERRNO_WHY_UNREPORTED, "the fork was not announced, and a thread of the parent was changing the books"},
	{"vas_layout_open", EINVAL, VAS_WHY_ARGUMENT, "layout NULL, a negative pid, a buffer below 4096 bytes, an unknown source or flag, FILE without a path"},
	{"vas_layout_open", E2BIG, VAS_WHY_ARGUMENT, "options larger than known, with a non-zero tail"},
	{"vas_layout_open", ENOENT, VAS_WHY_NONE, "/proc is not there, or the file is not"},
	{"vas_layout_open", ESRCH, VAS_WHY_NONE, "there is no such process"},
	{"vas_layout_open", EACCES, VAS_WHY_DENIED, "another user's process, or a file that may not be read"},
	{"vas_layout_open", EPERM, VAS_WHY_DENIED, "a sandbox forbids it"},
	{"vas_layout_open", ENOSYS, VAS_WHY_DENIED, "a sandbox denies the call"},
	{"vas_layout_open", EMFILE, VAS_WHY_NONE, "no descriptor is left in the process"},
	{"vas_layout_open", ENFILE, VAS_WHY_NONE, "no descriptor is left in the system"},
	{"vas_layout_open", ENOMEM, VAS_WHY_BOOKS, "no memory for the buffer"},
	{"vas_layout_open", ENOMEM, VAS_WHY_NONE, "the kernel has no memory to open the file"},
	{"vas_layout_open", EIO, VAS_WHY_NONE, "as open(2)"},
	{"vas_layout_open", EISDIR, VAS_WHY_NONE, "as open(2)"},
	{"vas_layout_open", ELOOP, VAS_WHY_NONE, "as open(2)"},
	{"vas_layout_open", ENAMETOOLONG, VAS_WHY_NONE, "as open(2)"},
	{"vas_layout_open", ENOTDIR, VAS_WHY_NONE, "as open(2)"},
	{"vas_layout_open", EOVERFLOW, VAS_WHY_NONE, "as open(2)"},
	{"vas_layout_next", EINVAL, VAS_WHY_ARGUMENT, "layout or mapping NULL"},
	{"vas_layout_next", EBADMSG, VAS_WHY_ARGUMENT, "a line of the mappings is malformed; the report has its number"},
	{"vas_layout_next", ESRCH, VAS_WHY_NONE, "the process has ended meanwhile"},
	{"vas_layout_next", EIO, VAS_WHY_NONE, "the file cannot be read"},
	{"vas_layout_next", ENOMEM, VAS_WHY_NONE, "the kernel has no memory to tell the mappings"},
	{"vas_layout_next", EPERM, VAS_WHY_DENIED, "a sandbox forbids it"},
	{"vas_layout_next", EACCES, VAS_WHY_DENIED, "another user's process"},
	{"vas_layout_next", ENOSYS, VAS_WHY_DENIED, "a sandbox denies the call"},
	{"vas_layout_next_gap", EINVAL, VAS_WHY_ARGUMENT, "layout or gap NULL"},
	{"vas_layout_next_gap", EBADMSG, VAS_WHY_ARGUMENT, "a line of the mappings is malformed; the report has its number"},
	{"vas_layout_next_gap", ESRCH, VAS_WHY_NONE, "the process has ended meanwhile"},
	{"vas_layout_next_gap", EIO, VAS_WHY_NONE, "the file cannot be read"},
	{"vas_layout_next_gap", ENOMEM, VAS_WHY_NONE, "the kernel has no memory to tell the mappings"},
	{"vas_layout_next_gap", EPERM, VAS_WHY_DENIED, "a sandbox forbids it"},
	{"vas_layout_next_gap", EACCES, VAS_WHY_DENIED, "another user's process"},
	{"vas_layout_next_gap", ENOSYS, VAS_WHY_DENIED, "a sandbox denies the call"},
	{"vas_layout_rewind", EINVAL, VAS_WHY_ARGUMENT, "layout NULL"},
	{"vas_layout_rewind", ESRCH, VAS_WHY_NONE, "the process has ended meanwhile"},
	{"vas_layout_rewind", EIO, VAS_WHY_NONE, "the file cannot be read"},
	{"vas_layout_rewind", EPERM, VAS_WHY_DENIED, "a sandbox forbids it"},
	{"vas_layout_rewind", ENOSYS, VAS_WHY_DENIED, "a sandbox denies the call"},
	{"vas_layout_at", EINVAL, VAS_WHY_ARGUMENT, "layout or mapping NULL"},
	{"vas_layout_at", ENOENT, VAS_WHY_NONE, "nothing is mapped at or above the address"},
	{"vas_layout_at", EBADMSG, VAS_WHY_ARGUMENT, "a line of the mappings is malformed; the report has its number"},
	{"vas_layout_at", ESRCH, VAS_WHY_NONE, "the process has ended meanwhile"},
	{"vas_layout_at", EIO, VAS_WHY_NONE, "the file cannot be read"},
	{"vas_layout_at", ENOMEM, VAS_WHY_NONE, "the kernel has no memory to tell the mappings"},
	{"vas_layout_at", EPERM, VAS_WHY_DENIED, "a sandbox forbids it"},
	{"vas_layout_at", EACCES, VAS_WHY_DENIED, "another user's process"},
	{"vas_layout_at", ENOSYS, VAS_WHY_DENIED, "a sandbox denies the call"},
	{"vas_layout_find", EINVAL, VAS_WHY_ARGUMENT, "as vas_reserve; layout NULL"},
	{"vas_layout_find", E2BIG, VAS_WHY_ARGUMENT, "as vas_reserve"},
	{"vas_layout_find", ERANGE, VAS_WHY_LIMITS, "as vas_reserve"},
	{"vas_layout_find", ERANGE, VAS_WHY_WINDOW, "as vas_reserve"},
	{"vas_layout_find", ERANGE, VAS_WHY_WIDTH, "as vas_reserve"},
	{"vas_layout_find", ERANGE, VAS_WHY_CAP, "as vas_reserve"},
	{"vas_layout_find", ERANGE, VAS_WHY_MARGIN, "as vas_reserve"},
	{"vas_layout_find", EEXIST, VAS_WHY_TAKEN, "as vas_reserve"},
	{"vas_layout_find", EEXIST, VAS_WHY_MARGIN, "as vas_reserve"},
	{"vas_layout_find", ENOSPC, VAS_WHY_FRAGMENTED, "as vas_reserve"},
	{"vas_layout_find", ENOSPC, VAS_WHY_FULL, "as vas_reserve"},
	{"vas_layout_find", ENOMEM, VAS_WHY_BOOKS, "no memory to combine the limits"},
	{"vas_layout_find", EBADMSG, VAS_WHY_ARGUMENT, "a line of the mappings is malformed; the report has its number"},
	{"vas_layout_find", ESRCH, VAS_WHY_NONE, "the process has ended meanwhile"},
	{"vas_layout_find", EIO, VAS_WHY_NONE, "the file cannot be read"},
	{"vas_layout_find", ENOMEM, VAS_WHY_NONE, "the kernel has no memory to tell the mappings"},
	{"vas_layout_find", EPERM, VAS_WHY_DENIED, "a sandbox forbids it"},
	{"vas_layout_find", EACCES, VAS_WHY_DENIED, "another user's process"},
	{"vas_layout_find", ENOSYS, VAS_WHY_DENIED, "a sandbox denies the call"},
	{"vas_window_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_window_get", EPERM, ERRNO_WHY_UNREPORTED, "not even a probe may be mapped"},
	{"vas_window_get", ENOMEM, ERRNO_WHY_UNREPORTED, "not even a probe may be mapped"},
	{"vas_window_get", ENOSYS, ERRNO_WHY_UNREPORTED, "a sandbox denies mmap"},
	{"vas_report_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_report_get", ENOENT, ERRNO_WHY_UNREPORTED, "this thread had no failure yet"},
	{"vas_report_explain", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_report_explain", ENOENT, ERRNO_WHY_UNREPORTED, "this thread had no failure yet"},
	{"vas_stats_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_ledger_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_ledger_get", ENOENT, ERRNO_WHY_UNREPORTED, "there is no such line"},
	{"vas_sync_check", EBADMSG, ERRNO_WHY_UNREPORTED, "books and mappings differ"},
	{"vas_sync_check", ENOENT, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", EPERM, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", EACCES, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", ENOSYS, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", EMFILE, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", ENFILE, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", ENOMEM, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_sync_check", EIO, ERRNO_WHY_UNREPORTED, "the mappings cannot be read"},
	{"vas_probe_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_probe_get", ENOENT, ERRNO_WHY_UNREPORTED, "there is no such probe"},
	{"vas_setting_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_setting_get", ENOENT, ERRNO_WHY_UNREPORTED, "there is no such setting"},
	{"vas_topology_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_topology_get", EOPNOTSUPP, ERRNO_WHY_UNREPORTED, "the module is not installed or not built"},
	{"vas_topology_get", EPROTO, ERRNO_WHY_UNREPORTED, "the module is of another version"},
	{"vas_topology_get", ENOMEM, ERRNO_WHY_UNREPORTED, "no memory"},
	{"vas_topology_get", EIO, ERRNO_WHY_UNREPORTED, "the machine's topology cannot be read"},
	{"vas_topology_get", EPERM, ERRNO_WHY_UNREPORTED, "a set-user-id program was started with settings of hwloc in its environment"},
	{"vas_node_get", EINVAL, ERRNO_WHY_UNREPORTED, "the struct is NULL or its size field is below the first version's"},
	{"vas_node_get", EOPNOTSUPP, ERRNO_WHY_UNREPORTED, "the module is not installed or not built"},
	{"vas_node_get", EPROTO, ERRNO_WHY_UNREPORTED, "the module is of another version"},
	{"vas_node_get", ENOMEM, ERRNO_WHY_UNREPORTED, "no memory"},
	{"vas_node_get", EIO, ERRNO_WHY_UNREPORTED, "the machine's topology cannot be read"},
	{"vas_node_get", EPERM, ERRNO_WHY_UNREPORTED, "a set-user-id program was started with settings of hwloc in its environment"},
	{"vas_node_get", ENOENT, ERRNO_WHY_UNREPORTED, "there is no such node"},
	{"vas_node_at", EINVAL, ERRNO_WHY_UNREPORTED, "node_id is NULL"},
	{"vas_node_at", EOPNOTSUPP, ERRNO_WHY_UNREPORTED, "the module is not installed or not built"},
	{"vas_node_at", EPROTO, ERRNO_WHY_UNREPORTED, "the module is of another version"},
	{"vas_node_at", ENOMEM, ERRNO_WHY_UNREPORTED, "no memory"},
	{"vas_node_at", EIO, ERRNO_WHY_UNREPORTED, "the kernel's answer is not known"},
	{"vas_node_at", ENOENT, ERRNO_WHY_UNREPORTED, "no page is present there"},
	{"vas_node_at", EFAULT, ERRNO_WHY_UNREPORTED, "nothing is mapped there, or the page was only ever read"},
	{"vas_node_at", EPERM, ERRNO_WHY_UNREPORTED, "a sandbox denies move_pages"},
	{"vas_node_at", ENOSYS, ERRNO_WHY_UNREPORTED, "a sandbox denies move_pages, or the kernel has no NUMA"},
	/* clang-format on */
};

#define ERRNO_ROWS (sizeof(errno_table) / sizeof(errno_table[0]))

/* Whether the function may answer error (either sign), whatever the reason. */
static inline bool errno_allowed(const char *function, int error)
{
	for (size_t i = 0; i < ERRNO_ROWS; i++) {
		if ((errno_table[i].error == error || errno_table[i].error == -error) &&
		    strcmp(errno_table[i].function, function) == 0)
			return true;
	}
	return false;
}

/* The same with the reason that the report has; not asked about where no report is kept. */
static inline bool errno_allowed_why(const char *function, int error, int why)
{
	for (size_t i = 0; i < ERRNO_ROWS; i++) {
		if ((errno_table[i].error == error || errno_table[i].error == -error) &&
		    strcmp(errno_table[i].function, function) == 0 &&
		    (errno_table[i].why == ERRNO_WHY_UNREPORTED || errno_table[i].why == why))
			return true;
	}
	return false;
}

#endif
