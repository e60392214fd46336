/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/arena.h - memory that grows in place.
 *
 *	create	an arena of some bytes that may become many
 *	open	use the arena of another process; sync: follow what that did
 *	grow, shrink	change its size; nothing moves
 *	punch, fill	give memory of bytes in the middle back, and take it again
 *	ahead, trim	take memory before the size grows over it, and give it back
 *	seal	forbid growing, shrinking or further writing for good
 *
 * An arena is one object (a memfd, or what a descriptor of the caller's has open), or private memory, and a span that is reserved for as much as it may ever become. An object
 * is mapped once over all of the span: growing gives it more bytes and publishes the new size, and maps nothing. What is there
 * stays as it is, and can be read and written, all the while; also when growing fails.
 *
 * Beyond the size nothing may be touched: of an object that is what opts.tail says, of private memory SIGSEGV.
 *
 * While a span is an arena's, only the functions here change what is in it: vas_commit and the like and vas_release
 * answer -EBUSY there.
 */
#ifndef VASPACE_ARENA_H
#define VASPACE_ARENA_H

#include <vaspace/base.h>
#include <vaspace/memory.h>
#include <vaspace/reserve.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vas_arena;

/* What an arena's bytes are. */
enum vas_arena_kind {
	VAS_ARENA_MEMFD = 0, /* an anonymous object: shared memory with a descriptor */
	VAS_ARENA_ANONYMOUS, /* private memory of this process, without a descriptor */
	/* The file or memfd behind opts.fd. From opts.offset on it is this arena's alone to grow, shrink and punch. */
	VAS_ARENA_FILE,
	/*
	 * A memfd, or a file of a tmpfs or of hugetlbfs, behind opts.fd, that others use as well, and change its size. What they may have
	 * made of it is never cut off: where the object is larger than the arena, shrinking leaves a hole.
	 */
	VAS_ARENA_ADOPTED
};

/* Rungs of a ladder of page sizes. Any other value is a page size of the pool of huge pages in bytes, such as 2 MiB or 1 GiB. */
#define VAS_PAGES_BASE UINT64_C(0) /* base pages */
#define VAS_PAGES_TRANSPARENT UINT64_C(1) /* transparent huge pages where the kernel can, base pages elsewhere */

/* What an object's views show beyond the arena's size. */
enum vas_tail {
	VAS_TAIL_BARE = 0, /* touching is SIGBUS. Growing maps nothing */
	VAS_TAIL_NONE, /* no access: SIGSEGV. One kernel mapping more a view, one kernel call a view and step */
	/*
	 * Guards of the kernel: SIGSEGV, no mapping, but page tables for all of the tail (2 MiB a GiB); in a
	 * forked child it may be as BARE. The maximum is 4 GiB at most.
	 */
	VAS_TAIL_GUARD
};

/* What of a memfd may be executed. Each is made so that it does not depend on the system's setting (vm.memfd_noexec). */
enum vas_exec {
	VAS_EXEC_NEVER = 0, /* no view; and the descriptor never becomes executable, where the kernel can (6.3) */
	VAS_EXEC_VIEWS, /* views, by their protection. The descriptor never becomes executable, where the kernel can */
	VAS_EXEC_FILE /* views, and the descriptor, as of execveat(2): -EACCES where vm.memfd_noexec is 2 */
};

/* ANONYMOUS: growing gives no pages; they come at first touch, where a shortage can end the process. */
#define VAS_ARENA_LAZY 0x1u
/*
 * Of the ladder only the first rung. With TRANSPARENT, each growth has its whole huge pages looked at, and is undone
 * (-ENOMEM, reason "pages") unless all of them are such.
 */
#define VAS_ARENA_STRICT 0x2u
/* The size is kept in an object of its own, beside the arena's, whose bytes begin at 0 then. */
#define VAS_ARENA_COMPANION 0x4u
/* vas_arena_open: at the address that the maker has it, or not at all. Without it: there if that is free. */
#define VAS_ARENA_SAME_ADDRESS 0x8u
/* vas_arena_open: this process only reads, and changes nothing. The descriptors may be read-only. */
#define VAS_ARENA_READ_ONLY 0x10u
#define VAS_ARENA_ALL 0x1fu

struct vas_arena_opts {
	size_t size;
	enum vas_arena_kind kind;
	uint32_t flags; /* VAS_ARENA_ bits */
	/*
	 * Of the span: place, limits, fork policy, memory policy, name; min_size is 0. The name is the memfd's too,
	 * so that it shows in maps; NULL = "arena". All but ANONYMOUS: a forked child shares the memory by default. With VAS_FORK_COPY it has
	 * an arena of its own, in a memfd that its fork handler makes; see vaspace/fork.h.
	 */
	const struct vas_reserve_opts *reserve;
	uint64_t initial; /* bytes that it begins with, rounded up to the step */
	uint64_t step; /* sizes are multiples of it: a multiple of the object's page size; 0 = that page size */
	uint64_t cap; /* it never becomes larger, rounded down to the step; at most the maximum; 0 = the maximum */
	/*
	 * Rungs of pages (VAS_PAGES_, or sizes of the pool) in the order of preference: the first one stays that gives what the arena
	 * begins with, or one page. At most 16; NULL = base pages. ANONYMOUS: none of the pool. FILE, ADOPTED: NULL, the object
	 * has the pages that it has.
	 */
	const uint64_t *ladder;
	size_t ladder_count;
	enum vas_tail tail; /* of all views; ANONYMOUS: BARE */
	int32_t fd; /* FILE, ADOPTED: opened for reading and writing. It is duplicated, and may be closed */
	int32_t prot; /* of the first view, PROT_ bits; 0 = PROT_READ | PROT_WRITE. ANONYMOUS: 0 */
	enum vas_exec exec; /* MEMFD; of the others as the caller's object allows */
	uint64_t offset; /* FILE, ADOPTED: where in the object the arena begins; a multiple of its page size */
};

/*
 * Makes an arena that may grow to maximum bytes (rounded up to the step), and writes the handle to *arena. It belongs to the
 * caller until vas_arena_destroy. All of its bytes are readable and writable and begin as zero. With huge pages the span
 * begins at a multiple of their size.
 *
 * FILE and ADOPTED begin with the bytes that the object has from opts.offset on, in whole steps (ADOPTED: up to the cap), and grow to
 * opts.initial if that is more. Holes among them take memory when they are touched, where a shortage is a signal; vas_arena_fill first
 * makes it an errno.
 *
 * Errors as vas_reserve and vas_arena_grow, and below; nothing is reserved then, *arena is untouched:
 *  -EINVAL	arena is NULL; maximum 0; initial or cap above it; a step that the page size does not divide, or that
 *		of a rung; an unknown kind, flag, tail, protection or policy of execution; LAZY without ANONYMOUS, or with a ladder; COMPANION with ANONYMOUS; a ladder without rungs,
 *		with more than 16, with one that is no page size, or with FILE or ADOPTED; a rung of the pool, a tail or a
 *		protection with ANONYMOUS; GUARD above 4 GiB; an alignment, phase or exact address that does not go with the pages; a
 *		min_size; an offset without FILE or ADOPTED, off the object's pages, or too large; an executable view with
 *		NEVER; a policy of execution without MEMFD; a descriptor of no file, or ADOPTED of a disk's ("object")
 *  -EBADF	FILE, ADOPTED: opts.fd is not open
 *  -EACCES	FILE, ADOPTED: opts.fd is not open for reading and writing ("object"); VAS_EXEC_FILE, and vm.memfd_noexec is 2
 *  -ERANGE	FILE: it is larger than the arena may become, and as vas_reserve
 *  -E2BIG	opts or opts.reserve is larger than known, with a non-zero tail
 *  -EOPNOTSUPP	the fork policy does not go with the kind: WIPE with an object, COPY with pages of the pool, also of
 *		the ladder, SHARE with ANONYMOUS; this kernel has pages
 *		of no rung ("pages"); GUARD, and it has no guards in such mappings (before 6.15; in those of the pool's pages); the file
 *		system cannot do what is needed ("object")
 *  -EMFILE	no descriptor is left in the process
 *  -ENFILE	no descriptor is left in the system
 *  -ENOMEM	no rung could be had: the pool or its control group is exhausted ("pool"); no memory for the library's own books
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_create(uint64_t maximum, const struct vas_arena_opts *opts,
			     struct vas_arena **arena);

/*
 * Uses the arena that another process made, by its descriptors: fd and header of vas_arena_get there, which came over a Unix
 * socket or were inherited. Both are duplicated. Of opts count flags (READ_ONLY, SAME_ADDRESS), reserve, prot and tail. Writes the handle to *arena: it
 * belongs to the caller until vas_arena_destroy, which ends this process's use.
 *
 * Size and memory are common to all that have it open, and each may change them unless READ_ONLY; who dies within a change has it taken back
 * by the next one. Span, views, tail, protection and fork policy are each process's own. Every change brings this process in step with the
 * others' first, as vas_arena_sync does; a BARE tail needs neither to see more bytes.
 *
 * What other processes wrote into the header is checked wherever it is used. But who has the descriptors can cut the object off: then
 * touching it is SIGBUS.
 *
 * Errors as vas_reserve, and below; nothing is reserved then, *arena is untouched:
 *  -EINVAL	arena is NULL; a flag or field that is not for it; READ_ONLY with PROT_WRITE; SAME_ADDRESS with another place; a descriptor of no
 *		file ("object"); a tail that does not suit; an alignment, phase or exact address that does not go with the pages; a min_size
 *  -E2BIG	opts or opts.reserve is larger than known, with a non-zero tail
 *  -EBADF	a descriptor is not open
 *  -EACCES	one is not open for reading and writing, or READ_ONLY for reading
 *  -EBADMSG	there is no header, it is malformed, or of another object ("header"); a ring
 *  -EOPNOTSUPP	it is of another version of its form, or of a machine with other pages ("header"); a fork policy that does not go with the
 *		kind ("fork-policy"); GUARD, and this kernel has no guards in such mappings
 *  -EPERM	the maker's opts.exec forbids the protection ("sealed"); the kernel or a sandbox forbids it
 *  -EEXIST	SAME_ADDRESS: something is mapped there
 *  -EMFILE, -ENFILE	no descriptor is left in the process, or the system
 *  -ENOMEM	the kernel refused; no memory for the library's own books
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EBUSY	a subscriber to notices refused it
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_open(int fd, int header, const struct vas_arena_opts *opts,
			   struct vas_arena **arena);

/*
 * Ends an arena: its span is released as vas_release does, its descriptor closed. *state (may be NULL) is what became of the
 * span. The handle must not be used any more, by no thread. A memfd whose descriptor was duplicated lives on, and so does a file.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	arena is NULL
 *  -EBUSY	this handle has pins ("pinned")
 *  -EDEADLK	called inside a notice about the arena
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *  -ENOENT	the span is gone already: another destroy
 *
 * In a child that shares the memory it ends the child's use of it. Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_destroy(struct vas_arena *arena, enum vas_retired *state);

/*
 * Makes the arena at least size bytes large (rounded up to the step), with a page for every new byte, unless LAZY. When not all of
 * them can be had and least is not 0, it becomes as large as can be had, but at least least. *now (may be NULL) is the
 * size that it has then. An arena that is as large already is no error, and stays as it is.
 *
 * New bytes are zero, or what an object of the caller's has there already. With an object and a BARE tail no kernel mapping is added or changed. Notices: VAS_CHANGE_GROW of the new bytes; with ANONYMOUS
 * VAS_CHANGE_COMMIT.
 *
 * Errors; size, contents and what is mapped are as before, *now is untouched (ANONYMOUS: at the VMA limit new pages may be
 * retired as vas_commit tells):
 *  -EINVAL	arena is NULL; least above size
 *  -ERANGE	more than the maximum
 *  -EDQUOT	more than opts.cap
 *  -ENOMEM	the kernel refused: no memory, no room in a memory group; no page in the pool, or no room in its control group
 *		("pool"); no huge page for a strict arena ("pages"); ANONYMOUS also overcommit; that and a NONE tail the VMA limit; or
 *		no memory for the library's own books
 *  -ENOSPC	the file system, or shared memory as a whole, is full ("file-system"); RLIMIT_FSIZE is below the size ("file-limit"), for
 *		which no signal comes
 *  -EIO	the file system is broken
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	a subscriber to notices refused it; the arena is being destroyed; another process changes it and does not go on
 *  -EDEADLK	called inside a notice about the arena
 *  -EAGAIN	ANONYMOUS: memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EACCES	ANONYMOUS: a security module refuses it
 *  -EPERM	sealed against growing ("sealed"), or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -EOPNOTSUPP	ANONYMOUS without LAZY, on a kernel that cannot populate private memory; FILE, ADOPTED: the file system cannot
 *		give memory beforehand ("object")
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Other processes of a memory group can take the room that was seen: then the kernel kills, as ever. Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_grow(struct vas_arena *arena, uint64_t size, uint64_t least, uint64_t *now);

/*
 * Makes the arena at most size bytes large (rounded up to the step). The bytes beyond are gone, and what was taken ahead, and their memory is back with the
 * kernel when this returns; nobody may be using them. An arena that is as small already is no error. Notices: VAS_CHANGE_SHRINK
 * of the bytes that go; with ANONYMOUS VAS_CHANGE_DECOMMIT.
 *
 * Errors; nothing is changed then (a NONE tail: when the kernel refuses the undo, too, some views have no access to those bytes
 * until the next grow or shrink):
 *  -EINVAL	arena is NULL
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EIO	the file system is broken
 *  -EOPNOTSUPP	ADOPTED, and the object is larger: the file system can make no holes ("object")
 *  -EBUSY	pinned ("pinned"); a subscriber to notices refused it; the arena is being destroyed; another process changes it and does not go on
 *  -EDEADLK	called inside a notice about the arena
 *  -ENOMEM	no memory for the library's own books, or the kernel's; a NONE tail: the VMA limit
 *  -EAGAIN, -EACCES	a NONE tail: memory is locked beyond RLIMIT_MEMLOCK; a security module refuses it
 *  -EPERM	sealed against shrinking ("sealed"), or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_shrink(struct vas_arena *arena, uint64_t size);

/*
 * The same, and waits at most so many nanoseconds for pins that keep a larger size, of whatever process. Pins of processes that are gone
 * keep nothing. Errors: as vas_arena_shrink. Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_shrink_within(struct vas_arena *arena, uint64_t size, uint64_t nanoseconds);

/*
 * Pins the size: until vas_arena_unpin no shrinking, by whatever process, goes below *size, the size as it is now. It may grow. Pins are the handle's: they
 * nest, and what the largest one keeps is kept until the last one ends; they end with the process, too. A forked child has none.
 *
 * Errors; nothing is pinned, *size is untouched:
 *  -EINVAL	arena or size is NULL
 *  -EAGAIN	64 handles have pins already, or this one 16 million
 *  -EPERM	READ_ONLY: the header cannot be written
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * No lock, and after the first pin of a handle no system call. Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_pin(struct vas_arena *arena, uint64_t *size);

/*
 * Ends one pin of this handle, and wakes who waits to shrink.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	arena is NULL, or it is not pinned
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe; signal-safe.
 */
VAS_API int vas_arena_unpin(struct vas_arena *arena);

/*
 * Gives the memory of [offset, offset + size) back to the kernel and keeps the size: the bytes read as zero, in every view, and
 * take memory again when they are touched, where a shortage is a signal or the end of the process; vas_arena_fill first makes it
 * an errno. Whole pages of the arena. Notices: VAS_CHANGE_PUNCH.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	arena is NULL; not whole pages, empty, or beyond the size
 *  -EOPNOTSUPP	private memory, or a file system that can make no holes
 *  -EIO	the file system is broken
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	a subscriber to notices refused it; the arena is being destroyed; another process changes it and does not go on
 *  -EDEADLK	called inside a notice about the arena
 *  -ENOMEM	no memory for the library's own books, or the kernel's
 *  -EPERM	sealed ("sealed"), or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_punch(struct vas_arena *arena, uint64_t offset, uint64_t size);

/*
 * Gives every byte of [offset, offset + size) its memory now, where it has none; what is there is untouched. Whole pages of the
 * arena.
 *
 * Errors; contents and size are as before, pages that were had stay, as zeroes:
 *  -EINVAL	arena is NULL; not whole pages, empty, or beyond the size
 *  -EOPNOTSUPP	private memory, or a file system that cannot
 *  -EIO	the file system is broken
 *  -ENOMEM	the kernel refused: no memory, no room in a memory group, no page in the pool of huge pages; or no memory
 *		for the library's own books
 *  -ENOSPC	the file system, or shared memory as a whole, is full; RLIMIT_FSIZE is below, for which no signal comes
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	the arena is being destroyed; another process changes it and does not go on
 *  -EPERM	sealed ("sealed"), or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_fill(struct vas_arena *arena, uint64_t offset, uint64_t size);

/*
 * Takes memory ahead of growth: at least so many bytes (rounded up to the step) right beyond the size have their memory when
 * this returns, and growing over them takes none. When not all can be had and least is not 0, as many as can be had, but at least least.
 * *ahead (may be NULL): how many there are then. They count for opts.cap, and go when the arena shrinks; a growth that is undone for a
 * tail or a strict ladder takes them with it.
 *
 * Errors; what is ahead is as before, *ahead untouched:
 *  -EINVAL	arena is NULL; least above bytes
 *  -ERANGE	more than the maximum
 *  -EDQUOT	more than opts.cap
 *  -EOPNOTSUPP	private memory, or a file system that cannot
 *  -EIO	the file system is broken
 *  -ENOMEM	the kernel refused: no memory, no room in a memory group, no page in the pool of huge pages; or no memory
 *		for the library's own books
 *  -ENOSPC	the file system, or shared memory as a whole, is full; RLIMIT_FSIZE is below, for which no signal comes
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	the arena is being destroyed; another process changes it and does not go on
 *  -EPERM	sealed ("sealed"), or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_ahead(struct vas_arena *arena, uint64_t bytes, uint64_t least,
			    uint64_t *ahead);

/*
 * Gives back what was taken ahead. *given (may be NULL): bytes, 0 when there was nothing.
 *
 * Errors; nothing is changed then, *given is untouched:
 *  -EINVAL	arena is NULL
 *  -EOPNOTSUPP	a file system that can make no holes
 *  -EIO	the file system is broken
 *  -ENOMEM	the kernel has no memory
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	the arena is being destroyed; another process changes it and does not go on
 *  -EPERM	sealed ("sealed"), or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_trim(struct vas_arena *arena, uint64_t *given);

/* What can be sealed. No seal is ever taken back, and each binds all who have the object. */
#define VAS_SEAL_GROW 0x01u
#define VAS_SEAL_SHRINK 0x02u
/*
 * Nobody writes any more. No view may be writable when it is set, in no process, and the size is kept beside the object: VAS_ARENA_COMPANION, or an
 * arena of the pool, FILE or ADOPTED. Views are mapped again for it, and never become writable, also when it is refused in the end.
 */
#define VAS_SEAL_WRITE 0x04u
/* What can be written stays so; no view that is opened later can be, nor one of other processes. Punching ends. */
#define VAS_SEAL_FUTURE_WRITE 0x08u
#define VAS_SEAL_SEAL 0x20u /* no further seals */
#define VAS_SEAL_ALL 0x2fu

/*
 * Adds seals: all or none of those that are asked for. What one forbids answers -EPERM ("sealed") from then on.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	arena is NULL; unknown bits
 *  -EOPNOTSUPP	private memory, or a file of a disk ("object"); WRITE, and the header lies in the object ("header"); this kernel has
 *		no such seal ("kernel")
 *  -EMFILE, -ENFILE	WRITE: no descriptor is left
 *  -EAGAIN, -EACCES	WRITE: memory is locked beyond RLIMIT_MEMLOCK; a security module refuses it
 *  -ENOSYS	WRITE: a sandbox denies a call that it needs
 *  -EPERM	sealed with SEAL, as files of a tmpfs are from the beginning ("sealed"); forbidden by a sandbox; in a forked child
 *		that shares the parent's memory
 *  -ENOMEM	no memory for the library's own books, or the kernel's
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	WRITE: somebody can write, in whatever process ("object"); the arena is being destroyed; another process changes it and does not go on
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_seal(struct vas_arena *arena, uint32_t seals);

/*
 * The size: bytes from the start on that may be touched, until somebody shrinks the arena. 0 for NULL, and in a forked child
 * that has nothing of it.
 *
 * Cannot fail. One load with acquire order: bytes below it are there. Thread-safe; signal-safe.
 */
VAS_API uint64_t vas_arena_size(const struct vas_arena *arena);

/*
 * How often the arena was changed, by whatever process: each growth, shrinking and punch is counted when it is done, and before its call returns. Odd
 * while one is under way. vas_generation_at counts those of others when vas_arena_sync, or a change, has followed them.
 *
 * Cannot fail; 0 as vas_arena_size. One load with acquire order. Thread-safe; signal-safe.
 */
VAS_API uint64_t vas_arena_generation(const struct vas_arena *arena);

/* For as long as it takes. */
#define VAS_WAIT_FOREVER UINT64_MAX

/*
 * Waits until the size is another than seen, at most so many nanoseconds, and writes it to *now. With a tail that is not BARE the bytes of
 * another process's growth can be touched after vas_arena_sync.
 *
 * Errors; *now is untouched:
 *  -EINVAL	arena or now is NULL
 *  -EAGAIN	it is seen still
 *  -EBADMSG	another process spoiled the header
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * No cancellation point. Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_wait(struct vas_arena *arena, uint64_t seen, uint64_t nanoseconds,
			   uint64_t *now);

/*
 * Brings this process in step with what others did: tails are opened as far as the size goes, or closed behind it; the bytes count as
 * committed; subscribers are told of VAS_CHANGE_GROW and _SHRINK, and _PUNCH of all bytes when others may have changed contents, each as final: no
 * veto. Every call that changes the arena does so first.
 *
 * Errors; nothing is changed then (a NONE tail: as vas_arena_shrink says):
 *  -EINVAL	arena is NULL
 *  -ENOMEM	no memory for the library's own books, or the kernel's; a NONE tail: the VMA limit
 *  -EBADMSG	another process spoiled the header
 *  -EBUSY	the arena is being destroyed
 *  -EDEADLK	called inside a notice about the arena
 *  -EAGAIN, -EACCES	a NONE tail: memory is locked beyond RLIMIT_MEMLOCK; a security module refuses it
 *  -EPERM	forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_sync(struct vas_arena *arena);

/* What an arena is, and how it stands. */
struct vas_arena_info {
	size_t size; /* set by the caller: sizeof(struct vas_arena_info) */
	struct vas_span span; /* its first byte is the arena's */
	uint64_t bytes; /* the arena's size */
	uint64_t ahead; /* taken ahead, beyond bytes */
	uint64_t maximum;
	uint64_t step;
	uint64_t page_size; /* of the object: what sizes are multiples of */
	uint64_t rung; /* of the ladder, as it came out: VAS_PAGES_, or bytes */
	enum vas_arena_kind kind;
	uint32_t flags; /* VAS_ARENA_ bits */
	/*
	 * The arena's own descriptor, close-on-exec, valid until vas_arena_destroy: to be duplicated, passed on or sealed, and neither
	 * closed nor truncated. -1 = ANONYMOUS.
	 */
	int32_t fd;
	int32_t header; /* descriptor of the object with the size: fd, or a companion's. -1 = ANONYMOUS */
	uint64_t offset; /* of the arena's byte 0 in the object of fd */
	uint64_t generation; /* as vas_arena_generation */
	char name[32];
};

/*
 * Fills *info.
 *
 * Errors, with *info untouched:
 *  -EINVAL	arena or info is NULL, or its size field is below the first version's
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_get(struct vas_arena *arena, struct vas_arena_info *info);

/* Parts with a memory policy of their own. */
#define VAS_ARENA_POLICIES 8

/*
 * The memory policy of bytes [range.start, range.start + range.size) of an arena, which may lie beyond its size; size 0: up to the maximum.
 * Both are multiples of the step. It is in force for pages that come from now on, by growing too, in all views; those that are there stay.
 * A memfd of base pages keeps it for every process; in one of the pool it is this process's. Elsewhere the policy of
 * opts.reserve is in force. Notices: VAS_CHANGE_POLICY.
 *
 * Errors; the policies are as they were:
 *  -EINVAL	arena or policy is NULL; unaligned; beyond the maximum; a malformed policy, or one of nodes or a mode that the kernel does not know
 *  -E2BIG	policy is larger than known, with a non-zero tail
 *  -EDQUOT	more than 8 parts would have a policy of their own
 *  -EPERM	a sandbox forbids it; in a forked child that shares the parent's memory
 *  -EOPNOTSUPP	private memory, and files of a disk; the kernel has no such call
 *  -ENOMEM	the kernel refused: the VMA limit, since each part is a kernel mapping of its own in each view; no memory for the
 *		library's own books
 *  -EBUSY	a subscriber refused it; it is being destroyed, or is parked; another process holds the arena's lock
 *  -EDEADLK	called inside a notice about the arena
 *  -EBADMSG	the header is not what it was
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_set_policy(struct vas_arena *arena, struct vas_span range,
				 const struct vas_policy *policy);

/*
 * Moves the pages of bytes [range.start, range.start + range.size) of an arena, as far as its size goes, to the nodes of policy, which has some, as
 * vas_policy_migrate does: addresses and contents stay, in all views, and readers and writers go on. Both are multiples of the step; size 0: to the end. Of an object those
 * pages move that this process has touched in the first view, and that no other view or process maps, unless it has CAP_SYS_NICE. Policies
 * stay as they are. *moved (may be NULL): bytes that changed their node. Notices: VAS_CHANGE_MIGRATE, one a view.
 *
 * Errors, with *moved untouched; some pages may have moved:
 *  -EINVAL	arena is NULL; unaligned; beyond the maximum; a policy that is NULL, malformed, without nodes, or of nodes that are not there
 *  -E2BIG	policy is larger than known, with a non-zero tail
 *  -EBUSY	some pages are held by a device or shared with others: the rest has moved; a subscriber refused it; it is being
 *		destroyed, or is parked
 *  -EDEADLK	called inside a notice about the arena
 *  -ENOMEM	no room on those nodes: the rest has moved; or the kernel has no memory; no memory for the library's own books
 *  -EPERM	a sandbox forbids it; in a forked child that shares the parent's memory
 *  -EOPNOTSUPP	the kernel has no memory nodes, or no such call
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_migrate(struct vas_arena *arena, struct vas_span range,
			      const struct vas_policy *policy, uint64_t *moved);

/* A run of an arena's bytes that the kernel keeps alike. */
struct vas_arena_extent {
	size_t size; /* set by the caller: sizeof(struct vas_arena_extent) */
	uint64_t offset; /* of its first byte */
	uint64_t bytes; /* how many, to the next that differs */
	uint64_t page_size; /* of the pages that are there: base, transparent huge or pool; 0 = no memory */
	uint64_t wanted; /* of the pages that the ladder came to: smaller ones in page_size are what the kernel did not give */
	int32_t node; /* memory node that the first page lies on; -1 = no memory, or not knowable */
	uint32_t reserved;
};

/*
 * Tells the extent that offset lies in, from that page on: what transparent huge pages gave, what is punched, on which node it lies.
 * Pages may come, go, join and split right after. For a walk: next offset = offset + bytes, until -ENOENT. In an object with holes
 * pages that nobody touched yet count as none, and in one of the pool those that are not mapped in the first view.
 *
 * Errors, with *extent untouched:
 *  -EINVAL	arena or extent is NULL, or its size field is below the first version's
 *  -ENOENT	offset is at or beyond the size
 *  -EOPNOTSUPP	the kernel has no PAGEMAP_SCAN (6.7), or a sandbox denies it
 *  -EMFILE, -ENFILE	no descriptor is left
 *  -ENOMEM	the kernel has no memory
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Brings nothing into memory. Thread-safe. Not signal-safe.
 */
VAS_API int vas_arena_extent_at(struct vas_arena *arena, uint64_t offset,
				struct vas_arena_extent *extent);

#ifdef __cplusplus
}
#endif
#endif
