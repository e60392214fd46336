/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/notice.h - learn of changes to what is mapped in owned spans, before
 * and after.
 *
 * For whoever keeps something about mappings of others: a driver that has
 * registered memory with a device, a tracker of dirty pages, a cache of
 * translations. A subscriber is told before a change, may refuse it, and is
 * told after it.
 *
 * An owner has a generation as well: a count of changes that can be read at any
 * moment, for whoever only wants to know whether something changed.
 */
#ifndef VASPACE_NOTICE_H
#define VASPACE_NOTICE_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vas_change {
	VAS_CHANGE_COMMIT = 0,
	VAS_CHANGE_DECOMMIT, /* also of freed blocks */
	VAS_CHANGE_PROTECT,
	VAS_CHANGE_GUARD, /* and unguard */
	VAS_CHANGE_PARK,
	VAS_CHANGE_UNPARK,
	VAS_CHANGE_RELEASE, /* and disown */
	VAS_CHANGE_GROW, /* of an arena of shared memory: its new bytes */
	VAS_CHANGE_SHRINK, /* the bytes that go */
	VAS_CHANGE_PUNCH, /* of an arena: bytes whose memory goes; they read as zero then */
	VAS_CHANGE_MIGRATE, /* pages move to other memory nodes, under the same addresses */
	VAS_CHANGE_POLICY, /* of an arena: where its pages come from */
	VAS_CHANGE_REPLACE /* of pages by others: vaspace/replace.h */
};

enum vas_notice_phase {
	VAS_NOTICE_BEFORE = 0, /* nothing has changed; a veto is possible, unless final is set */
	VAS_NOTICE_AFTER, /* done; for a release: also when the kernel refuses it for now */
	VAS_NOTICE_CANCELLED /* told BEFORE, and then nothing changed: vetoed by another, or failed */
};

struct vas_notice {
	size_t size; /* sizeof(struct vas_notice) of the library that calls */
	struct vas_span span; /* what changes */
	uint64_t owner; /* id, as vas_owner_at tells */
	/*
	 * Of the owner. AFTER: with this change counted in; BEFORE: what it will be then, unless other
	 * threads change the same owner meanwhile; CANCELLED: as it is.
	 */
	uint64_t generation;
	enum vas_change change;
	enum vas_notice_phase phase;
	uint32_t final; /* 1: a free or release, which no veto stops */
};

/*
 * Returns 0, or in BEFORE a negative errno as a veto: then the call that would
 * change things answers -EBUSY and nothing changes, and the subscribers told before
 * this one get CANCELLED. What it returns elsewhere, and with final set, is ignored.
 *
 * Called in the thread that makes the change, with no lock of the library held
 * and without holding fork() up. Every function may be called in it, but what would change the
 * same owner, and vas_notice_cancel, answer -EDEADLK. It must return: not by an
 * exception, longjmp, or the end of its thread, so a thread that may be cancelled disables that
 * in it where it calls a cancellation point. It may run in several threads at
 * once. A child that is forked while another thread is between BEFORE and AFTER gets neither
 * AFTER nor CANCELLED.
 */
typedef int vas_notice_hook(void *context, const struct vas_notice *notice);

/*
 * From now on calls hook(context, notice) around each change that touches a
 * byte of *span (copied), which need not be owned yet; NULL is everything. All
 * subscribers are called in the order in which they subscribed, each AFTER and
 * CANCELLED only for what it was told BEFORE. *id is for vas_notice_cancel.
 *
 * Errors, with *id untouched:
 *  -EINVAL	hook or id is NULL; the span is empty or wraps around
 *  -ENOMEM	no memory for the library's own books
 *  -EPERM	at the first call of the process: not even a probe or the books may be mapped
 *  -ENOSYS	the same
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe, also inside a hook. Not signal-safe.
 */
VAS_API int vas_notice_subscribe(const struct vas_span *span, vas_notice_hook *hook, void *context,
				 uint64_t *id);

/*
 * Ends a subscription. When it has returned 0 the hook is not running in any
 * thread and will not be called again; until then it waits for those that run.
 *
 * Errors; nothing is changed then:
 *  -ENOENT	there is no such subscription, or it is being cancelled already
 *  -EDEADLK	called inside a hook (of whatever subscription)
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_notice_cancel(uint64_t id);

/*
 * How often what is mapped in the span around an address was changed through
 * this library since the span became owned: commits, decommits and the like, each
 * counted when it has been done and before its call returns. Two equal answers around
 * a use tell that no change ended in between; for the same owner, as
 * vas_owner_at tells it.
 *
 * Errors, with *generation untouched:
 *  -ENOENT	the address is not owned here
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Wait-free: a fixed number of steps, no lock, no retry, no thread-local
 * storage. Thread-safe; signal-safe.
 */
VAS_API int vas_generation_at(const void *address, uint64_t *generation);

#ifdef __cplusplus
}
#endif
#endif
