/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/replace.h - new pages in the place of live ones, in one step.
 *
 *	prepare	build new pages aside: private memory, or an object's
 *	commit	put them in the place of the old ones
 *	cancel	drop them
 *
 * Whoever reads or writes meanwhile sees the old page or the new one, of each page, and never a fault. For tables that are made anew while
 * they are in use, memory that moves to an object, huge pages for small ones.
 *
 * In spans that vas_reserve gave, and in blocks of regions (vaspace/region.h), which stay what they are: a block that is freed is freed, whatever pages it
 * has by then. Not in arenas, views and rings: what they show is one object's, and would have to change in all views, of all processes, at once.
 */
#ifndef VASPACE_REPLACE_H
#define VASPACE_REPLACE_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vas_replace;

#define VAS_REPLACE_PARTS 1024u /* at most in one batch */

/* The new pages are what the object behind fd has from offset on, shared. Without it and PRIVATE: private memory, zeroes. */
#define VAS_REPLACE_SHARED 0x1u
#define VAS_REPLACE_PRIVATE 0x2u /* the same, privately */
#define VAS_REPLACE_COPY 0x4u /* the new pages, of private memory, begin as a copy of the old ones, of private memory */
#define VAS_REPLACE_ALL 0x7u

/*
 * One part of a batch: committed memory of one owned span, or of one live block in it, all alike: of one kind, one object in step, one
 * protection.
 */
struct vas_replace_part {
	void *start; /* a multiple of the page size, as size: of the object's too */
	uint64_t size; /* bytes */
	uint32_t flags; /* VAS_REPLACE_ bits */
	int32_t fd; /* SHARED, PRIVATE; it may be closed after prepare */
	uint64_t offset;
	int32_t prot; /* PROT_ bits that the new pages have in the end; 0 = as the old ones */
	uint32_t reserved; /* 0 */
	void *aside; /* written by prepare: where the new pages are until commit; readable, and writable but for SHARED without it in prot */
};

/*
 * Builds new pages aside for each part, with all that the old ones have (fork policy, memory policy, advice) and with memory
 * for every page. The old ones stay as they are. The caller may then fill part->aside, and commits or cancels; *replace
 * belongs to him until then. Locks (mlock) are not carried over. What is aside is counted nowhere as committed.
 *
 * Errors as vas_commit, and below; nothing is changed, *replace and the parts are untouched:
 *  -EINVAL	parts or replace is NULL; count 0 or above VAS_REPLACE_PARTS; a part that is unaligned, empty or wraps; parts that overlap; unknown bits, bits
 *		that exclude each other; a part that is not wholly committed, or not alike throughout; COPY of what may not be read; several
 *		parts, one of them of private memory that may not be read; an offset that the object's page size does not divide; a part that is not inside one block
 *  -ENOENT	a part does not lie inside one span that is owned here, or is no live block's
 *  -EBUSY	a span is being released, held or parked; an arena, a view or a ring uses it
 *  -EOPNOTSUPP	memory whose object's bytes are the library's to give back (VAS_COMMIT_PUNCH), or that goes only whole; a device's addresses;
 *		the fork policy; COPY of an object's memory; of several parts one of an object's memory, private or of huge pages of the pool
 *  -ESTALE	a block, in a forked child that has nothing of its region
 *
 * Thread-safe. Not signal-safe. Ends with vas_replace_commit or vas_replace_cancel.
 */
VAS_API int vas_replace_prepare(struct vas_replace_part *parts, size_t count,
				struct vas_replace **replace);

/*
 * Puts the new pages in the place of the old ones, part by part in the order given: of each with one mremap of one mapping. When one is
 * refused, those before it get their old pages back, with the bytes that they had when this was called: of a batch of several a
 * copy of private memory is made beforehand. What others write to old pages meanwhile is lost. Cancel a batch before
 * its blocks or spans are given back: memory that came to the same place since, and is alike, is taken for the old pages. Afterwards the batch is
 * gone. Notices: VAS_CHANGE_REPLACE of each part, also when it goes back.
 *
 * Errors; every part has its old bytes and protection (when the kernel refuses even that, private memory that may be written has the bytes as a
 * copy in the new pages, and other memory shows the new ones). A batch whose first part was refused is as it was, and may be committed again; any other can only be cancelled:
 *  -EINVAL	replace is NULL
 *  -ESTALE	a part was changed or freed since prepare, or came to another region; a batch that can only be cancelled; a forked child, whose parent prepared it
 *  -EBUSY	a subscriber to notices refused it; a span is being released, held or parked; an arena, a view or a ring uses it by now
 *  -EDEADLK	called inside a notice about one of them
 *  -ENOMEM	the kernel refused: the VMA limit, no memory for the copies, or no room in a memory group; or no memory for the
 *		library's own books
 *  -EAGAIN	memory is locked beyond RLIMIT_MEMLOCK
 *  -EACCES	the object was not opened for that protection, or a security module refuses it
 *  -EPERM	somebody sealed the mapping (mseal), or a sandbox forbids the call; a forked child that shares the span
 *  -EOPNOTSUPP	private memory cannot be populated on this kernel, which the copies want; its shared memory cannot be kept
 *  -ENOSYS	a sandbox denies a call that it needs
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Not thread-safe for one batch. Not signal-safe.
 */
VAS_API int vas_replace_commit(struct vas_replace *replace);

/*
 * Drops a batch: the new pages go, the old ones stay. NULL is nothing to do. In a forked child it drops the child's share of the batch.
 *
 * Errors; nothing is changed then:
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Not thread-safe for one batch. Not signal-safe.
 */
VAS_API int vas_replace_cancel(struct vas_replace *replace);

#ifdef __cplusplus
}
#endif
#endif
