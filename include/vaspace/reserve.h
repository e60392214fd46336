/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/reserve.h - own one span of this process's address space.
 *
 *	reserve		find a free range under limits and claim it: nobody
 *			else can map there, nothing can be read or written
 *	commit		give a part of it memory
 *	release		hand the whole span back to the process
 *	adopt		own a span that the caller mapped; disown is the reverse
 *
 * A claim never overwrites anyone's mapping: it is made with
 * MAP_FIXED_NOREPLACE, and by hint, comparison and munmap where the kernel or
 * a sandbox does not honour that flag. What other threads map meanwhile is
 * theirs; the claim is retried elsewhere a bounded number of times.
 */
#ifndef VASPACE_RESERVE_H
#define VASPACE_RESERVE_H

#include <vaspace/base.h>
#include <vaspace/fork.h>
#include <vaspace/limits.h>
#include <vaspace/memory.h>
#include <vaspace/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where in the free space a span is put. */
enum vas_place {
	/* Beside the last one where that is free, so that reservations merge; else anywhere. */
	VAS_PLACE_ANY = 0,
	/* Towards the low end: cheap probes at growing distances, so not the exact lowest. */
	VAS_PLACE_LOW,
	/* Towards the high end, likewise. */
	VAS_PLACE_HIGH,
	/* Nearest to opts.address by the byte that is farthest from it, entirely within opts.reach. */
	VAS_PLACE_NEAR,
	/* Chosen by opts.key alone: the same place in every process whose space allows it. */
	VAS_PLACE_SCATTER,
	/* At opts.address or not at all. */
	VAS_PLACE_EXACT
};

/* For VAS_PLACE_NEAR: which side of the anchor. */
enum vas_side {
	VAS_SIDE_EITHER = 0, /* whichever is nearer */
	VAS_SIDE_BELOW, /* below if there is room, else above */
	VAS_SIDE_ABOVE /* above if there is room, else below */
};

/* LOW and HIGH: the exact lowest or highest place; reads the layout when it must. */
#define VAS_RESERVE_STRICT 0x01u
/* Try opts.address first; if it is taken, place as opts.place says. Not with EXACT or NEAR. */
#define VAS_RESERVE_PREFER 0x02u
/* Allow addresses above the kernel's default window (x86-64: 2^47, arm64: 2^48). */
#define VAS_RESERVE_HIGH_WINDOW 0x04u
/* Keep the span out of core dumps (MADV_DONTDUMP). */
#define VAS_RESERVE_NODUMP 0x08u
/* Keep the span out of forked children: fork = VAS_FORK_ABSENT. */
#define VAS_RESERVE_NOFORK 0x10u
#define VAS_RESERVE_ALL 0x1fu

/* One place that was tried and why it was refused; see vas_reserve_opts.candidates. */
struct vas_candidate {
	struct vas_span span;
	int32_t error; /* what the kernel answered, a negative errno; 0 = claimed */
	enum vas_why why;
};

struct vas_reserve_opts {
	size_t size;
	const struct vas_limits *const *limits; /* all must be satisfied; see vaspace/limits.h */
	size_t limit_count;
	uint64_t min; /* a further lower limit, bytes; 0 = none */
	uint64_t max; /* a further upper limit, exclusive, bytes; 0 = none */
	/*
	 * Of the start, bytes. 0 = page size, and for 2 MiB and more the wish for 2 MiB, which gives
	 * way to EXACT and PREFER addresses and to windows that have no such place.
	 */
	uint64_t alignment;
	uint64_t phase; /* start is congruent to phase modulo alignment; below alignment, page multiple */
	uint64_t min_size; /* "at least": accept less than asked, down to this; 0 = exactly the size */
	enum vas_place place;
	enum vas_side side;
	uint64_t address; /* EXACT, PREFER: the start; NEAR: the anchor, any byte */
	/* NEAR: every byte of the span lies within [address - reach, address + reach]; 0 = anywhere. */
	uint64_t reach;
	uint64_t key; /* SCATTER: the same key gives the same choice */
	uint64_t brk_margin; /* bytes kept free above the program break; 0 = the default, 64 MiB */
	uint32_t flags; /* VAS_RESERVE_ bits */
	const char *name; /* for the ledger; copied, at most 31 bytes; NULL = "anonymous" */
	struct vas_candidate *candidates; /* the places tried, in order; owned by the caller */
	size_t candidate_capacity;
	size_t *candidate_count; /* how many were tried, may exceed the capacity; also on failure */
	enum vas_fork fork; /* what a forked child has of the span; see vaspace/fork.h */
	uint32_t reserved; /* 0 */
	const struct vas_policy *policy; /* of memory committed in it; NULL = the thread's own */
};

/*
 * Reserves size bytes (rounded up to the page and to the limits' granule) and
 * writes the claimed span to *span. The memory is inaccessible (PROT_NONE), is
 * not charged against overcommit, and belongs to the caller until vas_release.
 *
 * Errors; in each case nothing is reserved and *span is untouched:
 *  -EINVAL	span is NULL; size 0, or so large that rounding wraps; an
 *		unknown flag or place; an alignment that is no multiple of the page size
 *		(unless it divides it); a phase not below the alignment or not
 *		page aligned; EXACT or PREFER at an unaligned address; min_size
 *		above size; PREFER with EXACT or NEAR; malformed limits; an unknown fork
 *		policy, or one that NOFORK or the limits forbid; a malformed memory policy;
 *		something in reserved
 *  -E2BIG	opts or one of its limits is larger than known, non-zero tail
 *  -ERANGE	impossible under these limits even in an empty address space:
 *		limits that conflict, a window smaller than size, an address
 *		beyond the width or in the kernel's half
 *  -EEXIST	EXACT: something is mapped there (or within a margin that
 *		protects a stack or the program break)
 *  -ENOSPC	no free range of that size under these limits
 *  -ENOMEM	the kernel refused: RLIMIT_AS, the VMA limit, overcommit, or no
 *		memory for the library's own books; see vas_report_get
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EPERM	the kernel or a sandbox forbids mapping there, or at all
 *  -ENOSYS	a sandbox denies mmap itself
 *  -EOPNOTSUPP	VAS_FORK_WIPE, and the kernel has no MADV_WIPEONFORK
 *  -EBUSY	every candidate was lost to another thread, a bounded number of times
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe. See vas_report_format for a line that tells
 * what happened.
 */
VAS_API int vas_reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span);

/*
 * Releases the whole span that starts at start, with all that was committed in
 * it. After the call nothing in it may be touched, whatever the state.
 *
 * At vm.max_map_count, munmap of a range that merged with its neighbours is
 * refused by the kernel, when no ballast is left. Such a span is held: its memory is given back as far as *state
 * (may be NULL; enum vas_retired) tells, it stays owned and counted, is never handed out, and later calls and
 * vas_reclaim try again.
 *
 * Errors; nothing is changed then:
 *  -ENOENT	no owned span starts there (never reserved, released already, or
 *		an address inside a span)
 *  -EBUSY	a region uses the span: see vas_region_destroy
 *  -EDEADLK	called inside a notice about this span
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Allocates nothing and cannot fail for a valid span but in these cases.
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_release(void *start, enum vas_retired *state);

/* Keep the span out of core dumps. */
#define VAS_ADOPT_NODUMP 0x1u
/*
 * The span is accessible, with one protection throughout: it becomes one that is committed
 * so, and keeps its contents.
 */
#define VAS_ADOPT_COMMITTED 0x2u
#define VAS_ADOPT_ALL 0x3u

struct vas_adopt_opts {
	size_t size;
	const char *name; /* for the ledger, as for vas_reserve */
	uint32_t flags; /* VAS_ADOPT_ bits */
	enum vas_fork fork; /* what a forked child has of the span; see vaspace/fork.h */
	const struct vas_policy *policy; /* of memory committed in it; NULL = the thread's own */
};

/*
 * Makes [start, start + size), which the caller mapped, an owned span, as if
 * vas_reserve had claimed it; vas_release unmaps it. start and size are page multiples.
 *
 * All of it must be private anonymous memory without access (PROT_NONE), in any number
 * of kernel mappings. That is checked against the kernel's list of mappings; the
 * report's address is the first that differs. What the range hid is dropped. With
 * VAS_ADOPT_COMMITTED it must be accessible instead, and nothing is dropped.
 * NULL options: PROT_NONE, dumped and inherited like any memory.
 *
 * The range must be the caller's, and nobody may change what is mapped there during the call:
 * pieces of what malloc or another library mapped look the same.
 *
 * Errors; in each case nothing is owned that was not, and what is accessible is as
 * it was (but for the advice of NODUMP and fork, which may have been given):
 *  -EINVAL	unaligned or empty range, one that wraps or leaves user space, unknown
 *		flags or fork policy, a malformed memory policy or one with nodes that
 *		are not there; a part that is not mapped; a part with another protection than was said
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -EEXIST	a part is owned already, or is a file, shared memory, a stack, a huge page
 *		pool's or the kernel's own
 *  -ENOMEM	the kernel refused: the VMA limit; or no memory for the library's own books
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EOPNOTSUPP	the mappings of this process cannot be read, so nothing can be checked;
 *		VAS_FORK_SHARE with COMMITTED, as private memory cannot be shared; VAS_FORK_WIPE,
 *		and the kernel has no MADV_WIPEONFORK
 *  -EMFILE	no descriptor is left in the process to read them
 *  -ENFILE	no descriptor is left in the system
 *  -EPERM	the kernel or a sandbox forbids the calls
 *  -ENOSYS	the same
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Takes time in proportion to the mappings of the process. Thread-safe. Not signal-safe.
 */
VAS_API int vas_adopt(void *start, uint64_t size, const struct vas_adopt_opts *opts);

/*
 * Forgets the whole owned span that starts at start, adopted or reserved, and leaves what is
 * mapped there as it is: it belongs to the caller.
 *
 * Errors; nothing is changed then:
 *  -ENOENT	no owned span starts there, or it was released
 *  -EBUSY	a region uses the span
 *  -EDEADLK	called inside a notice about this span
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_disown(void *start);

/* Who owns an address: a value, true at some moment during the call. */
struct vas_owner {
	uint64_t id; /* of the owner; never used again for another one */
	struct vas_span span; /* all that this owner holds around the address */
};

/*
 * Looks up the owner of one address among the spans that this copy of the
 * library reserved or adopted. owner is not NULL.
 *
 * Errors, with *owner untouched:
 *  -ENOENT	the address is not owned here
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * A span is hidden while the kernel is asked to unmap it. So a held one is not
 * found during the moments in which another call tries again.
 *
 * Wait-free: a fixed number of steps, no lock, no retry, no thread-local
 * storage. Thread-safe; signal-safe.
 */
VAS_API int vas_owner_at(const void *address, struct vas_owner *owner);

/* More about one owner. */
struct vas_owner_details {
	size_t size; /* set by the caller: sizeof(struct vas_owner_details) */
	struct vas_span span;
	uint64_t committed; /* bytes committed in it */
	uint32_t vmas; /* how many kernel mappings its layout asks for, neighbours not counted in */
	uint32_t held; /* 1 when a release could not be carried out yet */
	char name[32]; /* as given to vas_reserve, NUL-terminated */
};

/*
 * Details of the owner that vas_owner_at named.
 *
 * Errors, with *details untouched:
 *  -EINVAL	details is NULL or its size field is below the first version's
 *  -ESTALE	that owner has released its span since; also while a held span is tried again
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe (takes a lock).
 */
VAS_API int vas_owner_details(uint64_t id, struct vas_owner_details *details);

#ifdef __cplusplus
}
#endif
#endif
