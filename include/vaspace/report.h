/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/report.h - why a call failed.
 *
 * Each thread remembers its last failure: what was asked, what was answered,
 * how many candidates were rejected for which reason. That costs nothing while
 * calls succeed. What the kernel does not tell (which of its limits was hit)
 * is inferred with the evidence, and only when asked for.
 */
#ifndef VASPACE_REPORT_H
#define VASPACE_REPORT_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The finer reason behind an errno. Values are only ever added, at the end. */
enum vas_why {
	VAS_WHY_NONE = 0,
	VAS_WHY_ARGUMENT, /* an argument is malformed */
	VAS_WHY_LIMITS, /* the limits exclude each other */
	VAS_WHY_WINDOW, /* the window between the limits is smaller than the size */
	VAS_WHY_WIDTH, /* beyond what this kernel gives user space */
	VAS_WHY_TAKEN, /* something is mapped there */
	VAS_WHY_MARGIN, /* too close below a stack, above the program break, or below mmap_min_addr */
	VAS_WHY_FRAGMENTED, /* enough is free under these limits, but not in one piece */
	VAS_WHY_FULL, /* less than the size is free under these limits */
	VAS_WHY_ADDRESS_LIMIT, /* RLIMIT_AS */
	VAS_WHY_VMA_LIMIT, /* vm.max_map_count */
	VAS_WHY_OVERCOMMIT, /* the overcommit policy */
	VAS_WHY_LOCKED, /* mlockall(MCL_FUTURE) with RLIMIT_MEMLOCK */
	VAS_WHY_CGROUP, /* a memory cgroup has no room */
	VAS_WHY_MEMORY, /* no memory for pages */
	VAS_WHY_BOOKS, /* no memory for the library's own metadata */
	VAS_WHY_BARRED, /* the kernel, a sandbox or a sanitizer forbids that address */
	VAS_WHY_DENIED, /* the kernel or a sandbox forbids the call */
	VAS_WHY_RACE, /* taken by another thread between looking and claiming */
	VAS_WHY_NOT_OWNED, /* the range is not owned here */
	VAS_WHY_HELD, /* the span is held or being released */
	VAS_WHY_CAP, /* a limit's own max_size, max_total or max_count, or a region's cap */
	VAS_WHY_KERNEL, /* refused, and none of the others could be found to explain it */
	VAS_WHY_DATA_LIMIT, /* RLIMIT_DATA: private writable memory */
	VAS_WHY_VETO, /* a subscriber to notices refused it */
	VAS_WHY_REENTERED, /* called inside a notice about the same owner */
	VAS_WHY_USED, /* a region uses the span */
	VAS_WHY_NOT_MAPPED, /* a part of the range is not mapped */
	VAS_WHY_UNLIKE, /* what is mapped there has another protection than was said */
	VAS_WHY_DEVICE, /* a device owns the addresses: memory comes by its own means */
	VAS_WHY_PARKED, /* what is mapped there is parked */
	VAS_WHY_OBJECT, /* the descriptor's object does not suit, or is another one by now */
	VAS_WHY_FORKED, /* the process is a forked child, to which this does not belong */
	VAS_WHY_OUTSIDE, /* outside the region */
	VAS_WHY_NO_BLOCK, /* no live block of the region is there */
	VAS_WHY_INSIDE, /* inside a block and not its start, or across its end */
	VAS_WHY_FORK_POLICY, /* the span's fork policy does not go with it */
	VAS_WHY_IMAGE, /* the image for contents is missing, too small, or cannot be written or read */
	VAS_WHY_MANIFEST, /* the manifest is malformed, or of another kind of machine */
	VAS_WHY_TAG, /* the block has another tag */
	VAS_WHY_FILE_SYSTEM, /* the file system, or shared memory as a whole, is full */
	VAS_WHY_FILE_LIMIT, /* RLIMIT_FSIZE */
	VAS_WHY_PRIVATE, /* private memory cannot be seen twice */
	VAS_WHY_POOL, /* the pool of huge pages, or its control group, has no page left */
	VAS_WHY_PAGES, /* pages of the size that was asked for cannot be had */
	VAS_WHY_SEALED, /* a seal of the object, or the arena's policy of execution, forbids it */
	VAS_WHY_HEADER, /* an arena's header is malformed, or of something else */
	VAS_WHY_PINNED, /* somebody has pinned the arena's size */
	VAS_WHY_COUNT
};

enum vas_operation {
	VAS_OPERATION_NONE = 0,
	VAS_OPERATION_RESERVE,
	VAS_OPERATION_COMMIT,
	VAS_OPERATION_RELEASE,
	VAS_OPERATION_FIND,
	VAS_OPERATION_READ, /* reading a process's mappings */
	VAS_OPERATION_ADOPT,
	VAS_OPERATION_DISOWN,
	VAS_OPERATION_DECOMMIT,
	VAS_OPERATION_PROTECT,
	VAS_OPERATION_GUARD,
	VAS_OPERATION_UNGUARD,
	VAS_OPERATION_REGION, /* create, destroy, split or merge a region */
	VAS_OPERATION_ALLOC, /* allocate a block, or change its size */
	VAS_OPERATION_FREE,
	VAS_OPERATION_PARK,
	VAS_OPERATION_UNPARK,
	VAS_OPERATION_DETACHED, /* a driver's hook */
	VAS_OPERATION_MANIFEST, /* writing one, and making a region from one */
	VAS_OPERATION_ARENA, /* make or end an arena */
	VAS_OPERATION_GROW, /* an arena */
	VAS_OPERATION_SHRINK,
	VAS_OPERATION_RING, /* make or end a ring */
	VAS_OPERATION_VIEW, /* open, close or protect one */
	VAS_OPERATION_POLICY, /* set a memory policy, or move pages to where one says */
	VAS_OPERATION_REPLACE /* pages by others */
};

struct vas_report {
	size_t size; /* set by the caller: sizeof(struct vas_report) */
	enum vas_operation operation;
	int32_t error; /* the negative errno that was returned */
	enum vas_why why;
	enum vas_why shortfall; /* "at least" got less than asked: what stopped the rest; else NONE */
	uint64_t asked; /* bytes */
	uint64_t got; /* bytes, for "at least"; 0 on failure */
	uint64_t min; /* the combined window [min, max); RING: the nearest sizes below and above that would do */
	uint64_t max;
	uint64_t alignment;
	uint64_t address; /* the exact address, anchor or start of the range; 0 if none */
	uint32_t limit_first; /* VAS_WHY_LIMITS: indices of the pair in opts.limits; UINT32_MAX = */
	uint32_t limit_second; /* opts.min, opts.max and opts.alignment themselves */
	uint32_t probes; /* addresses tried */
	uint32_t taken; /* of these: found taken */
	uint32_t barred; /* of these: forbidden */
	uint32_t line; /* READ: the line that is malformed, from 1; 0 = none */
	/*
	 * Filled by vas_report_explain only (the first three also by vas_layout_find);
	 * UINT64_MAX = not knowable here, and of a limit also: none.
	 */
	uint64_t largest_gap; /* the largest free range under the limits, bytes */
	uint64_t largest_gap_start;
	uint64_t free_total; /* bytes free under the limits */
	uint64_t vmas_used;
	uint64_t vmas_limit; /* vm.max_map_count */
	uint64_t address_used; /* bytes of address space in use, as RLIMIT_AS counts them */
	uint64_t address_limit; /* RLIMIT_AS, bytes */
	uint64_t locked_limit; /* RLIMIT_MEMLOCK, bytes */
	uint64_t cgroup_room; /* bytes left under the tightest memory cgroup */
	uint32_t overcommit_mode; /* vm.overcommit_memory: 0, 1 or 2; UINT32_MAX = not knowable */
	uint32_t inferred; /* 1: why was inferred from this evidence rather than told by the kernel */
};

/*
 * Copies this thread's last failure (or last shortfall) to *report. A call
 * that succeeds in full leaves it as it was.
 *
 * Errors, with *report untouched:
 *  -EINVAL	report is NULL or its size field is below the first version's
 *  -ENOENT	this thread had no failure yet
 *
 * Thread-safe: each thread sees its own. Not signal-safe.
 */
VAS_API int vas_report_get(struct vas_report *report);

/*
 * As vas_report_get, and reads the process's mappings and limits to fill the
 * rest and to refine why. May take milliseconds in a process with many
 * mappings. What cannot be read is left "not knowable".
 *
 * Errors: as vas_report_get. Thread-safe. Not signal-safe.
 */
VAS_API int vas_report_explain(struct vas_report *report);

/*
 * Writes one line about this thread's last failure into buffer, always
 * NUL-terminated when length > 0: what was asked, why it failed, what to do.
 * Evidence is gathered as by vas_report_explain.
 *
 * Returns the length of the whole line without the NUL, which may exceed what
 * fitted; 0 when there was no failure. Cannot fail. Thread-safe. Not
 * signal-safe.
 */
VAS_API int vas_report_format(char *buffer, size_t length);

/*
 * A word for a reason, such as "taken". Never NULL.
 *
 * Cannot fail. Thread-safe; signal-safe.
 */
VAS_API const char *vas_why_name(enum vas_why why);

#ifdef __cplusplus
}
#endif
#endif
