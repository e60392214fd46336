/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/fork.h - what a forked child has of each span.
 *
 * Each span says so when it is reserved (vas_reserve_opts.fork). fork() keeps the
 * books whole by itself, in the parent and in the child, whatever other threads do.
 * The three functions are for those who fork by other means, and for allocators whose
 * own fork handlers must run in another order.
 */
#ifndef VASPACE_FORK_H
#define VASPACE_FORK_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of a span, or of one part of it where that part alone says what it can be. */
enum vas_fork {
	/* Private memory: COPY. Shared memory: SHARE. Private huge pages of the pool: ABSENT. */
	VAS_FORK_DEFAULT = 0,
	/* The same memory, which both use. Only the parent changes what is mapped. Shared memory only. */
	VAS_FORK_SHARE,
	/*
	 * A copy of the child's own: of private memory by the kernel, page by page when written to; of shared memory at
	 * once. Not of private huge pages of the pool: a child has no claim on the pool, nor can its parent make it one.
	 * Of an arena with an object (not of the pool's pages) the child has an object of its own with the bytes that were ever
	 * written, shown in all its views, which is an arena as any other: vas_arena_get tells its descriptors, pins and ends of queues are
	 * the parent's. Private views keep their own pages (Linux 6.7). If it cannot be made the child has nothing of the
	 * arena, and its report says why (vas_report_get).
	 */
	VAS_FORK_COPY,
	/* Nothing: the child does not own the addresses, and its own mappings may land there. */
	VAS_FORK_ABSENT,
	/* Zeroes. Private anonymous memory only. */
	VAS_FORK_WIPE,
	/* No memory, and the addresses stay the child's: reserved, nothing committed. */
	VAS_FORK_TRAP
};

/*
 * Readies the books for a fork: waits until no call of another thread is between
 * the kernel and its record, and keeps others out until vas_fork_parent or
 * vas_fork_child of the same thread. fork() does all of that by itself; doing it here
 * as well is harmless, in either order, and calls nest.
 *
 * A thread that is kept out while the thread that forks waits for one of its
 * locks is let in after some milliseconds, rather than that both wait for ever.
 *
 * Cannot fail. Thread-safe. Not signal-safe. Not to be called inside a notice.
 */
VAS_API void vas_fork_prepare(void);

/*
 * Ends what vas_fork_prepare of this thread began, in the parent, also when the fork failed.
 * Without that it does nothing.
 *
 * Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API void vas_fork_parent(void);

/*
 * Makes the books those of a child: spans that it does not have are forgotten, and so on.
 * Calling it twice is harmless; in a process that is no child it does nothing.
 *
 * After a fork that was not announced (_Fork, clone without CLONE_VM) every function that
 * uses the books answers -EOWNERDEAD in the child until this was called, wherever the
 * kernel has MADV_WIPEONFORK (Linux 4.14). The child of vfork shares the parent's memory and must not
 * call any.
 *
 * Errors:
 *  -EOWNERDEAD	the fork was not announced, and at that moment a thread of the parent was
 *		changing the books: they are given up. What was mapped stays mapped and is
 *		nobody's. The next call begins new books
 *  -EEXIST	somebody took the addresses of a TRAP span, which is not owned then; the rest is done
 *  -ENOMEM	a TRAP span could not be claimed, which is not owned then; or a COPY of shared memory could
 *		not be made, or not in time: that span is owned, and all of it is as reserved, or, of an arena, not owned; the rest is done
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_fork_child(void);

/*
 * A hook that is called in a child, in its fork handler, right before (holding 1) and after (0) the memory of
 * a COPY span that is shared is copied: it can keep the writers of other processes off, by a lock
 * that stands in shared memory itself. It must use nothing that is not safe in a child with one
 * thread, and call no function of this library.
 */
typedef void vas_fork_hold(void *context, struct vas_span span, int holding);

/*
 * Sets that hook, one for the process; NULL, the default, is none. Pages are copied one by one
 * while others go on writing, unless the hook stops them.
 *
 * Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API void vas_fork_hold_set(vas_fork_hold *hold, void *context);

/*
 * A hook that is called in the parent right before a fork (pausing 1), and afterwards (0) in the parent and in the child, in any
 * process whose fork is announced. It stops this process's writers, by an ordinary lock: so a copy of shared memory is of the one moment of
 * the fork, as private memory is. It may sleep, and must call no function of this library but what reads.
 */
typedef void vas_fork_pause(void *context, int pausing);

/*
 * Sets that hook, one for the process; NULL, the default, is none, and then no parent waits for its child. With one the parent's fork returns
 * when the child has made its copies, or is gone, or was never there; after so many milliseconds at the latest. The copies that are not
 * made by then the child does not have, as when they cannot be made; nor does it have any where no pipe(2) can be had.
 *
 * What other processes write is not stopped: see vas_fork_hold_set.
 *
 * Cannot fail. Thread-safe. Not signal-safe. Not during a fork of another thread.
 */
VAS_API void vas_fork_pause_set(vas_fork_pause *pause, void *context, uint32_t milliseconds);

#ifdef __cplusplus
}
#endif
#endif
