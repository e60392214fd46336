/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/view.h - the same memory at several addresses.
 *
 *	view	one more mapping of an arena, with its own addresses and protection
 *	mirror	the same of shared memory that the library did not make
 *
 * A view shows an arena, or a part of it, and is as large as that is: it grows and shrinks with it. Several views of one
 * arena may show the same bytes. What is written through one is seen through all.
 *
 * Beyond the arena's size nothing may be touched in a view, as in the arena, whose tail it has. While a view is open, only the functions here change what is in its
 * span: vas_commit and the like and vas_release answer -EBUSY there.
 */
#ifndef VASPACE_VIEW_H
#define VASPACE_VIEW_H

#include <vaspace/arena.h>
#include <vaspace/base.h>
#include <vaspace/memory.h>
#include <vaspace/reserve.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vas_view;

/*
 * What is written through it stays in it: a page that was written is a copy of its own from then on, until the arena is shrunk below it. Pages that
 * were not show the arena's bytes. A forked child has a copy of those. Copies count nowhere as committed, and are taken at the first write.
 */
#define VAS_VIEW_PRIVATE 0x1u
#define VAS_VIEW_ALL	 0x1u

struct vas_view_opts {
	size_t size;
	/*
	 * Of the span: place, limits, name; min_size is 0. The fork policy is the arena's, also when it says
	 * VAS_FORK_DEFAULT. NULL = anywhere, with the arena's name.
	 */
	const struct vas_reserve_opts *reserve;
	/*
	 * Not NULL: in the owned span that starts here, of the arena's fork policy, in which nothing is committed; reserve is NULL. Of what is beyond
	 * extent in it nothing is shown. Closing the view leaves the span, owned and empty: its addresses are nobody else's at any moment.
	 */
	void *start;
	uint64_t offset; /* of the first of the arena's bytes that it shows: a multiple of the page size */
	uint64_t extent; /* bytes of address space, in which it grows with the arena: likewise; 0 = up to the arena's maximum */
	int32_t prot; /* PROT_ bits; 0 = PROT_READ | PROT_WRITE */
	uint32_t flags; /* VAS_VIEW_ bits */
};

/*
 * Opens a view of an arena of shared memory, and writes the handle to *view. It belongs to the caller until vas_view_close,
 * or vas_arena_destroy, which closes it too. Takes one kernel mapping, or two with a NONE tail, no memory, and counts nothing as committed: the arena's own span
 * has it already. Notices: VAS_CHANGE_COMMIT of all of the extent; from then on those of the arena, one a view.
 *
 * Errors as vas_reserve, and below; nothing is reserved or mapped, *view is untouched:
 *  -EINVAL	arena or view is NULL; an offset or extent off the page size, or beyond the maximum; unknown bits; an
 *		alignment, phase, exact address or start that does not go with the pages; a min_size; PRIVATE on pages of the
 *		pool; start and reserve; a span at start that is smaller than the extent
 *  -E2BIG	opts or opts.reserve is larger than known, with a non-zero tail
 *  -EOPNOTSUPP	the arena is private memory; a fork policy other than the arena's; PRIVATE, and a child is to share the arena
 *		(VAS_FORK_SHARE)
 *  -EBADF	the descriptor was closed, or is another object's by now
 *  -ENOENT	no owned span starts at start
 *  -EBUSY	a subscriber to notices refused it; the arena is being destroyed; the span at start is in use, or something is committed in it
 *  -EDEADLK	called inside a notice about the span
 *  -ENOMEM	the kernel refused: the VMA limit, RLIMIT_AS; or no memory for the library's own books
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EACCES	a security module refuses the protection
 *  -EPERM	executable, and opts.exec of the arena forbids it ("sealed"); sealed against writing, or forbidden by a sandbox; in a forked child that shares the parent's memory
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -ESTALE	in a forked child that has nothing of the arena
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_view_open(struct vas_arena *arena, const struct vas_view_opts *opts,
			  struct vas_view **view);

/*
 * Closes a view and releases its span as vas_release does, or one that was at opts.start is as after vas_decommit (VAS_CHANGE_DECOMMIT); *state (may be NULL) is
 * what became of it. The bytes stay the arena's. The handle must not be used any more, by no thread.
 *
 * Errors; nothing is changed then:
 *  -EINVAL	view is NULL, or the first of an arena
 *  -EBUSY	the arena's span is parked or being released
 *  -EDEADLK	called inside a notice about the view
 *  -ENOENT	the span is gone already: another close
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * In a child that shares the memory it ends the child's use of it. Allocates nothing. Thread-safe. Not signal-safe.
 */
VAS_API int vas_view_close(struct vas_view *view, enum vas_retired *state);

/*
 * The arena's own span as a view: to protect it, to ask about it. It is never closed but by vas_arena_destroy. NULL for NULL.
 *
 * Cannot fail. Thread-safe; signal-safe.
 */
VAS_API struct vas_view *vas_view_first(struct vas_arena *arena);

/*
 * Gives all of a view another protection (PROT_ bits, 0 = no access), as far as the arena reaches now and later. Other views keep
 * theirs. Notices: VAS_CHANGE_PROTECT.
 *
 * Errors; each page keeps its protection, as of vas_protect:
 *  -EINVAL	view is NULL, unknown bits
 *  -EOPNOTSUPP	the arena is private memory
 *  -ENOMEM	the kernel refused: no memory, or a limit; or no memory for the library's own books
 *  -EAGAIN	memory is locked beyond RLIMIT_MEMLOCK
 *  -EACCES	the object may not be written, or a security module refuses it
 *  -EPERM	executable, and opts.exec of the arena forbids it ("sealed"); the kernel or a sandbox forbids it; in a forked child that shares the parent's memory
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -EBUSY	a subscriber to notices refused it; the arena is being destroyed
 *  -EDEADLK	called inside a notice about the view
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_view_protect(struct vas_view *view, int prot);

/* How a mirror came to be, or could have: see vas_mirror_open. */
enum vas_mirror_way {
	VAS_MIRROR_NONE = 0,
	VAS_MIRROR_ARENA, /* it is an arena's memory: a view of that */
	VAS_MIRROR_DUPLICATE, /* mremap with an old size of 0: shared memory of base pages */
	/*
	 * /proc/self/map_files: shared huge pages of the pool that have no name in a file system. Wants CAP_CHECKPOINT_RESTORE or
	 * CAP_SYS_ADMIN
	 */
	VAS_MIRROR_MAP_FILES,
	VAS_MIRROR_DESCRIPTOR, /* only by the object's descriptor: map that again, by vas_commit with VAS_COMMIT_SHARED */
	VAS_MIRROR_MEMFD /* not of private memory: make it an arena of shared memory to begin with */
};

/* What a view is, and how it stands. */
struct vas_view_info {
	size_t size; /* set by the caller: sizeof(struct vas_view_info) */
	struct vas_span span;
	uint64_t bytes; /* that may be touched from the span's start on, until somebody shrinks the arena */
	uint64_t offset; /* of its first byte in the arena */
	uint64_t extent;
	struct vas_arena *arena; /* NULL = a mirror */
	int32_t prot; /* PROT_ bits */
	enum vas_mirror_way way; /* of a mirror; else NONE */
	uint32_t flags; /* VAS_VIEW_ bits */
	uint32_t reserved;
};

/*
 * Fills *info.
 *
 * Errors, with *info untouched:
 *  -EINVAL	view or info is NULL, or its size field is below the first version's
 *  -ESTALE	in a forked child that has nothing of it
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_view_get(struct vas_view *view, struct vas_view_info *info);

/*
 * Opens a mirror of [start, start + size): shared memory that somebody mapped in this process, by whatever means, is seen at a second
 * place, coherent with the first. It stays when the first is unmapped, and does not grow. Nothing about the first mapping is changed;
 * it must stay mapped during the call. *view is for the functions above, and belongs to the caller until vas_view_close. Of opts count
 * reserve (its fork policy must let a child share or not have it) and prot (no flags, no start), where 0 is what the first page of the memory has. Counts nothing as
 * committed. Notices: VAS_CHANGE_COMMIT of its span.
 *
 * A mirror of an arena's memory is a view of that arena, with all that is said of views: it ends with the arena.
 *
 * *way (may be NULL) is written always: how it was done, or, when it was refused with -EOPNOTSUPP or -EPERM, what would work; NONE: that is not known.
 *
 * Errors as vas_reserve and vas_view_open, and below; nothing is reserved or mapped, *view is untouched:
 *  -EINVAL	view is NULL; start or size off the page size, or off that of the pool's pages; size 0, a range that wraps; an
 *		offset, an extent, flags or opts.start; unknown bits; a min_size
 *  -E2BIG	opts or opts.reserve is larger than known, with a non-zero tail
 *  -ENOENT	a part of it is not mapped
 *  -ERANGE	it is not one object, or not in one piece
 *  -EOPNOTSUPP	it is private memory; an object that only its descriptor leads to; a fork policy that makes copies of it, or other than an arena's
 *  -EPERM	huge pages of the pool, and this process lacks the capability; or a seal, a sandbox or the kernel forbids it
 *  -EACCES	the object was not opened for that protection, or a security module refuses it
 *  -ENOMEM	the kernel refused: the VMA limit, RLIMIT_AS (for a moment it needs twice the room); or no memory for the library's own books
 *  -EAGAIN	something else was mapped there meanwhile; or memory is locked beyond RLIMIT_MEMLOCK
 *  -EMFILE	no descriptor is left in the process to read its mappings by
 *  -ENFILE	no descriptor is left in the system
 *  -EBUSY	a subscriber to notices refused it
 *  -EDEADLK	called inside a notice about the span
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_mirror_open(const void *start, uint64_t size, const struct vas_view_opts *opts,
			    enum vas_mirror_way *way, struct vas_view **view);

#ifdef __cplusplus
}
#endif
#endif
