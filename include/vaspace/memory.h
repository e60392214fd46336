/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/memory.h - memory inside owned spans.
 *
 *	commit		give a part of a span memory
 *	decommit	take the memory away and keep the addresses
 *	protect		change the protection of committed memory
 *	guard		make committed pages fault, without a kernel mapping of their own where
 *			the kernel can
 *
 * What is owned is replaced in place, never unmapped first, so nobody else's
 * mapping can land in it. These functions serve spans that vas_reserve made;
 * what lies in a region goes through vaspace/region.h.
 */
#ifndef VASPACE_MEMORY_H
#define VASPACE_MEMORY_H

#include <vaspace/base.h>
#include <vaspace/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where pages come from on machines with several memory nodes. */
enum vas_policy_mode {
	VAS_POLICY_DEFAULT = 0, /* the thread's own policy */
	VAS_POLICY_BIND, /* these nodes only */
	VAS_POLICY_PREFER, /* the first of these nodes, else others */
	VAS_POLICY_PREFER_MANY, /* these nodes, else others */
	VAS_POLICY_INTERLEAVE, /* page by page over these nodes */
	VAS_POLICY_WEIGHTED, /* the same by the system's weights */
	VAS_POLICY_LOCAL /* the node of the processor that touches first */
};

/* Of BIND and PREFER_MANY: of their nodes those next to this one first (Linux 5.17). */
#define VAS_POLICY_HOME(node) (UINT32_C(0x80000000) | (uint32_t)(node))

struct vas_policy {
	size_t size; /* sizeof(struct vas_policy) */
	enum vas_policy_mode mode;
	uint32_t flags; /* VAS_POLICY_HOME(node) or 0 */
	uint64_t nodes[16]; /* bit n of word n / 64: node n; all zero for DEFAULT and LOCAL */
};

/* Ask for transparent huge pages (MADV_HUGEPAGE). Advice: no error where the kernel has none. */
#define VAS_COMMIT_HUGE 0x01u
/* Ask for none (MADV_NOHUGEPAGE). */
#define VAS_COMMIT_NOHUGE 0x02u
/* Give every page its memory now; -ENOMEM rather than a signal later when there is not enough. */
#define VAS_COMMIT_POPULATE 0x04u
/* Map opts.fd from opts.offset, shared. */
#define VAS_COMMIT_SHARED 0x08u
/* Map opts.fd from opts.offset, privately: writes stay in this process. */
#define VAS_COMMIT_PRIVATE 0x10u
/* With SHARED: the object's bytes behind the range belong to it and are punched out when it is freed. */
#define VAS_COMMIT_PUNCH 0x20u
/*
 * With SHARED: what is mapped is a driver's (a ring, a trace buffer). It cannot be
 * split and goes only whole, as it was committed.
 */
#define VAS_COMMIT_WHOLE 0x40u
#define VAS_COMMIT_ALL 0x7fu

/* Protection: the PROT_ bits of <sys/mman.h>. 0 in options means read-write. */
struct vas_commit_opts {
	size_t size;
	int32_t prot; /* PROT_READ | PROT_WRITE | PROT_EXEC bits; 0 = PROT_READ | PROT_WRITE */
	uint32_t flags; /* VAS_COMMIT_ bits */
	int32_t fd; /* SHARED, PRIVATE: the object; it may be closed after the call */
	uint32_t reserved; /* 0 */
	uint64_t offset; /* SHARED, PRIVATE: of the first byte, a multiple of the page or huge page size */
	const struct vas_policy *policy; /* stays with the memory, over park and fork; NULL = as the span's */
};

/*
 * Gives [start, start + size) memory: private anonymous memory that reads as
 * zeroes, or the pages of an object. The range must lie inside one reserved span; start and size are page
 * multiples. Pages of the range that are committed already keep their contents, their
 * protection and what they are backed by: committing twice is no error.
 *
 * With SHARED or PRIVATE the object must be as large as the range wants it, and offset, start and size
 * multiples of its page size. The library keeps the descriptor's number, not the descriptor: it may be
 * closed after the call, and is looked at again before it is used. Objects of a huge page pool are
 * always populated.
 *
 * Errors; in each case every page is as it was before the call (at the VMA limit
 * the kernel can refuse even the undo: then pages of the range are retired as far as vas_decommit
 * tells, read as zeroes if at all, and are tried again by later calls). When POPULATE of a shared
 * object is refused, an object with PUNCH that held no page at all before the call holds none after it; any other one keeps
 * the pages that it was given on the way, as zeroes: whether others wrote to them meanwhile cannot be known.
 *  -EINVAL	unaligned start or size, size 0, a range that wraps, unknown bits or bits that
 *		exclude each other; a malformed policy, or one of nodes or a mode that the kernel does not
 *		know; POPULATE of what can only be executed; an offset, start or size that the object's
 *		page size does not divide, or an object that cannot be mapped
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -EBADF	the descriptor is not open
 *  -ERANGE	the object ends before the range does
 *  -ENOENT	the range does not lie inside one span that is owned here
 *  -EBUSY	the span is being released, or is held (see vas_release), or parts of the range are, with
 *		bytes that are still to be punched out; it is parked; a region uses it; a subscriber to
 *		notices refused (see vaspace/notice.h)
 *  -EDEADLK	called inside a notice about this span
 *  -ENOMEM	the kernel refused: overcommit, the VMA limit, or POPULATE found no memory, no
 *		huge page or no room in a memory group; or no memory for the library's own books
 *  -ENOSPC	POPULATE: the file system behind the object is full
 *  -EOPNOTSUPP	a device owns the span's addresses; memory of this kind does not go with the
 *		span's fork policy (vaspace/fork.h); POPULATE of private memory on a kernel that cannot;
 *		an object that cannot be mapped, or only where the kernel puts it (rings of io_uring)
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EPERM	the kernel or a sandbox forbids the mapping or the protection; or this is a
 *		child that shares the span: only the parent changes what is mapped in it
 *  -EACCES	the object was not opened for that, or a security module refuses the protection
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe, also with commits of other parts of the same span. Not
 * signal-safe.
 */
VAS_API int vas_commit(void *start, uint64_t size, const struct vas_commit_opts *opts);

/* What became of memory or addresses that were given back. From best to worst. */
enum vas_retired {
	/* vas_release: unmapped. Else: inaccessible, as reserved. */
	VAS_RETIRED_GONE = 0,
	VAS_RETIRED_GUARDED, /* the bytes are given back; any access faults */
	VAS_RETIRED_EMPTIED, /* the bytes are given back; still accessible, and never handed out so */
	VAS_RETIRED_HELD, /* the kernel refused everything for now */
	VAS_RETIRED_WARM, /* a region keeps it committed, for the next block of its size */
	VAS_RETIRED_WAITING /* a region keeps it until every thread has passed */
};

/*
 * Takes the memory in [start, start + size) away and keeps the addresses: they are inaccessible, as
 * reserved, and the next commit reads as zeroes. Parts that are not committed stay as they are.
 * Pages of an object are unmapped; with VAS_COMMIT_PUNCH its bytes are punched out first, and where
 * that is refused they stay mapped (HELD).
 *
 * *state (may be NULL) tells what could be reached, of several parts the worst: GONE, except at the
 * kernel's limit of mappings. What is not GONE is tried again by later calls.
 *
 * Errors, with nothing changed and *state untouched:
 *  -EINVAL	unaligned start or size, size 0, a range that wraps; a part of what was committed
 *		with VAS_COMMIT_WHOLE, or of a huge page
 *  -ENOENT	the range does not lie inside one span that is owned here
 *  -EBUSY	the span is being released, held or parked; a region uses it; a subscriber to notices refused
 *  -EDEADLK	called inside a notice about this span
 *  -ENOMEM	no memory for the library's own books; at the first call of the process
 *  -EPERM	at the first call of the process: not even a probe may be mapped; or this is a child
 *		that shares the span: only the parent changes what is mapped in it
 *  -ENOSYS	at the first call of the process, as EPERM
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_decommit(void *start, uint64_t size, enum vas_retired *state);

/*
 * Gives the committed pages in [start, start + size) the protection prot (PROT_ bits; PROT_NONE is
 * one, too). Contents stay. Guarded pages stay guarded and have it when they are unguarded.
 *
 * Errors; each page keeps its protection (beyond the VMA limit and in a sandbox the kernel can refuse even the
 * undo: then pages before the one that was refused have the new one, until a later call for them succeeds):
 *  -EINVAL	unaligned start or size, size 0, a range that wraps, unknown bits; a part that is not
 *		committed; a part of what was committed with VAS_COMMIT_WHOLE, or of a huge page
 *  -ENOENT	the range does not lie inside one span that is owned here
 *  -EBUSY	the span is being released, held or parked; a region uses it; a subscriber to notices refused
 *  -EDEADLK	called inside a notice about this span
 *  -ENOMEM	the kernel refused: the VMA limit, overcommit; or no memory for the library's own books
 *  -EAGAIN	memory is locked beyond RLIMIT_MEMLOCK
 *  -EACCES	the object was not opened for that, or a security module refuses it
 *  -EPERM	the kernel or a sandbox forbids it; or this is a child that shares the span
 *  -ENOSYS	a sandbox denies mprotect
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_protect(void *start, uint64_t size, int prot);

/*
 * Makes committed pages fault at any access, until vas_unguard. Contents of private memory are lost:
 * unguarded pages read as zeroes, or as the file. Shared objects keep theirs. Costs no
 * kernel mapping where the kernel has guard regions (6.13; objects 6.15) and the range is at most 1 GiB; there
 * it costs page tables. Pages that are guarded already are no error.
 *
 * Errors; where the kernel refused, pages before the one that was refused may be guarded, and have lost their
 * contents; nothing is changed otherwise:
 *  -EINVAL	unaligned start or size, size 0, a range that wraps; a part that is not committed; a part
 *		of what was committed with VAS_COMMIT_WHOLE, or of a huge page
 *  -ENOENT	the range does not lie inside one span that is owned here
 *  -EBUSY	the span is being released, held or parked; a region uses it; a subscriber to notices refused
 *  -EDEADLK	called inside a notice about this span
 *  -ENOMEM	the kernel refused: the VMA limit; or no memory for the library's own books
 *  -EAGAIN	the kernel was short of memory for the moment
 *  -EACCES	a security module refuses it
 *  -EPERM	the kernel or a sandbox forbids it; or this is a child that shares the span
 *  -ENOSYS	a sandbox denies mprotect
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_guard(void *start, uint64_t size);

/*
 * Ends the guarding of pages; they have the protection that they had, or were given since. Pages of
 * the range that are not guarded keep their contents.
 *
 * Errors; where the kernel refused, pages before the one that was refused may be unguarded; nothing is changed
 * otherwise:
 *  -EINVAL	unaligned start or size, size 0, a range that wraps; a part that is not committed; a part
 *		of what was committed with VAS_COMMIT_WHOLE, or of a huge page
 *  -ENOENT	the range does not lie inside one span that is owned here
 *  -EBUSY	the span is being released, held or parked; a region uses it; a subscriber to notices refused
 *  -EDEADLK	called inside a notice about this span
 *  -ENOMEM	the kernel refused: the VMA limit; or no memory for the library's own books
 *  -EAGAIN	the kernel was short of memory for the moment
 *  -EACCES	a security module refuses it
 *  -EPERM	the kernel or a sandbox forbids it; or this is a child that shares the span
 *  -ENOSYS	a sandbox denies mprotect or madvise
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_unguard(void *start, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
