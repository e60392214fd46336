/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quarantine: a freed block is used again only when nobody can look at it any more.
 *
 * WHAT FOR. Readers without locks follow pointers to blocks that other threads free meanwhile. What they
 * see may be old, but must not be somebody else's.
 *
 * STRATEGY. Epochs (Fraser, Practical lock-freedom, 2004), counted by the frees. A thread that enters
 * notes the epoch, and clears that when it leaves. A free stamps its block with the epoch and counts it
 * up; who notes a later one entered after the free and cannot find the block any more. So the block has been
 * passed when each thread is outside or has noted a later epoch. Addresses and contents stay as they
 * were until then. Blocks wait in the order of their frees, and frees and allocations move a few of them on.
 *
 * A thread that ended while inside would be in the way for ever. The kernel is asked, seldom, whether
 * threads that are in the way for long are still there.
 *
 * The same queue delays addresses in debug mode; their memory is gone already then.
 *
 * CONCURRENCY. The region's lock, but for entering and leaving: one store with a full fence. A free's count-up is
 * one too; so of a thread that enters and a free at the same time at least one sees the other.
 *
 * WHAT IT DOES NOT DO. It does not tell a thread that ended from another one that has its number by now: the
 * block waits for that one then, until it ends or joins.
 */
#include "region/quarantine.h"

#include <errno.h>

#include "base/assert.h"
#include "region/region.h"

#define THREADS_CHUNK 64u /* made at once: 4 KiB */
#define STUCK_LIMIT   64u /* looks that find a thread in the way before the kernel is asked about it */
#define DELAY_COUNT   4096u /* blocks that delay keeps at most */
#define NUMBER_UNKNOWN UINT32_MAX /* of a thread that lives: no thread has it */
#define WORD_START    0 /* of a record: where the block starts */
#define WORD_STAMP    1 /* the epoch it was freed in */

_Static_assert(sizeof(struct vas_region_thread) * THREADS_CHUNK == 4096, "a page");

bool vas_quarantine_is_on(const struct vas_region *region)
{
	return (region->flags & (VAS_REGION_QUARANTINE | VAS_REGION_DELAY)) != 0;
}

/* --- the queue --- */

void vas_quarantine_put(struct vas_region *region, const struct vas_block_info *info)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	uint32_t number = vas_mark_record(info->mark);
	struct vas_record *record = vas_record_get(region, number);

	VAS_ASSERT_DEBUG(vas_lock_held(&region->lock));
	record->words[WORD_START] = info->span.start;
	/* A full fence: what the caller unlinked before is seen by whoever is not seen below. */
	record->words[WORD_STAMP] = __atomic_fetch_add(&quarantine->epoch, 1, __ATOMIC_SEQ_CST);
	record->next = 0;
	if (quarantine->last)
		vas_record_get(region, quarantine->last)->next = number;
	else
		quarantine->first = number;
	quarantine->last = number;
	quarantine->count++;
	quarantine->bytes += info->span.size;
	vas_block_mark(region, info->span.start, vas_mark_with(info->mark, VAS_MARK_WAITING));
}

/* Back to the front. Lock held. */
static void queue_return(struct vas_region *region, const struct vas_block_info *info)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	uint32_t number = vas_mark_record(info->mark);

	vas_record_get(region, number)->next = quarantine->first;
	quarantine->first = number;
	if (!quarantine->last)
		quarantine->last = number;
	quarantine->count++;
	quarantine->bytes += info->span.size;
	vas_block_mark(region, info->span.start, vas_mark_with(info->mark, VAS_MARK_WAITING));
}

static bool delay_is_over(const struct vas_region *region)
{
	const struct vas_quarantine *quarantine = &region->quarantine;

	return !(region->flags & VAS_REGION_DELAY) || quarantine->count > DELAY_COUNT ||
	       quarantine->bytes > region->span.size / 4;
}

/* The lowest epoch that a thread has noted. Lock held. */
static uint64_t threads_horizon(const struct vas_region *region)
{
	uint64_t horizon = UINT64_MAX, entered;

	for (const struct vas_region_thread *thread = region->quarantine.threads; thread;
	     thread = thread->next) {
		entered = __atomic_load_n(&thread->entered, __ATOMIC_SEQ_CST);
		if (entered && entered < horizon)
			horizon = entered;
	}
	return horizon;
}

/* Takes the first block off the queue if it has waited long enough. Lock held. */
static bool queue_next(struct vas_region *region, bool all, struct vas_block_info *info)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	uint64_t stamp, seen;
	struct vas_record *record;

	if (!quarantine->first || !(all || delay_is_over(region)))
		return false;
	record = vas_record_get(region, quarantine->first);
	stamp = record->words[WORD_STAMP];
	if (stamp >= quarantine->horizon) {
		/* Read before the threads are: who enters later notes no lower one. */
		seen = __atomic_load_n(&quarantine->epoch, __ATOMIC_SEQ_CST);
		quarantine->horizon = threads_horizon(region);
		if (quarantine->horizon > seen)
			quarantine->horizon = seen;
	}
	if (stamp >= quarantine->horizon) {
		quarantine->stuck++;
		return false;
	}
	quarantine->stuck = 0;
	(void)vas_blocks_at(region->blocks, record->words[WORD_START], info);
	VAS_ASSERT(info->live && vas_mark_is(info->mark, VAS_MARK_WAITING));
	quarantine->first = record->next;
	if (!quarantine->first)
		quarantine->last = 0;
	record->next = 0;
	quarantine->count--;
	quarantine->bytes -= info->span.size;
	return true;
}

/* A block that nobody can look at goes. Lock held; not after. False: not possible just now. */
static bool block_pass(struct vas_region *region, const struct vas_block_info *info)
{
	struct vas_failure failure;

	if (!(info->mark & VAS_MARK_PROMISED)) {
		vas_block_drop(region, info->span.start);
		vas_region_unlock(region);
		return true;
	}
	if (vas_region_pin(region, &failure)) {
		queue_return(region, info);
		vas_region_unlock(region);
		return false;
	}
	region->unfinished++;
	vas_block_mark(region, info->span.start, vas_mark_with(info->mark, VAS_MARK_FREEING));
	if (vas_block_retire(region, info->span, &failure, NULL) == 0)
		return true;
	/* In a notice. */
	vas_lock_take(&region->lock);
	region->unfinished--;
	queue_return(region, info);
	vas_region_unlock(region);
	return false;
}

/* --- threads that are gone --- */

/* A slot of a thread that ended is nobody's. Lock not held; the slot stays. */
static void thread_bury(struct vas_region *region, struct vas_region_thread *thread)
{
	uint32_t id = __atomic_load_n(&thread->id, __ATOMIC_RELAXED);

	if (!id || VAS_CALL(region->space->sys, thread_alive, id) != 0)
		return;
	vas_lock_take(&region->lock);
	/* Unless somebody took it over meanwhile. */
	if (thread->id == id) {
		thread->depth = 0;
		__atomic_store_n(&thread->id, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&thread->entered, 0, __ATOMIC_RELEASE);
	}
	vas_region_unlock(region);
}

/* Every thread that is inside and in the way is asked for. No lock. */
static void threads_bury(struct vas_region *region)
{
	struct vas_region_thread *thread;
	uint64_t horizon, entered;

	vas_lock_take(&region->lock);
	thread = region->quarantine.threads;
	horizon = region->quarantine.horizon;
	region->quarantine.stuck = 0;
	vas_region_unlock(region);
	for (; thread; thread = thread->next) {
		entered = __atomic_load_n(&thread->entered, __ATOMIC_RELAXED);
		if (entered && entered <= horizon)
			thread_bury(region, thread);
	}
}

uint64_t vas_quarantine_advance(struct vas_region *region, uint32_t limit, bool all)
{
	struct vas_quarantine *quarantine = &region->quarantine;
	struct vas_block_info info;
	struct vas_failure failure;
	bool buried = false, next;
	uint64_t got = 0;

	while (limit) {
		if (vas_region_lock(region, &failure))
			break;
		next = queue_next(region, all, &info);
		if (next) {
			if (!block_pass(region, &info))
				break;
			got += info.span.size;
			limit--;
			continue;
		}
		next = quarantine->first && quarantine->stuck >= (all ? 1 : STUCK_LIMIT);
		vas_region_unlock(region);
		if (!next || buried)
			break;
		threads_bury(region);
		buried = true;
	}
	return got;
}

/* --- joining --- */

/* Lock held. */
static struct vas_region_thread *threads_find(struct vas_region *region, uint32_t id)
{
	struct vas_region_thread *thread = region->quarantine.threads;

	while (thread && thread->id != id)
		thread = thread->next;
	return thread;
}

/* Lock held. -ENOMEM. */
static int threads_grow(struct vas_region *region)
{
	struct vas_region_thread *threads;
	void *memory;

	if (vas_region_take(region->space, THREADS_CHUNK * sizeof(*threads), &memory))
		return -ENOMEM;
	threads = memory;
	for (uint32_t i = 0; i < THREADS_CHUNK; i++) {
		threads[i].region = region;
		threads[i].epoch = &region->quarantine.epoch;
		threads[i].next = i + 1 < THREADS_CHUNK ? &threads[i + 1]
							: region->quarantine.threads;
	}
	region->quarantine.threads = threads;
	return 0;
}

int vas_quarantine_join(struct vas_region *region, struct vas_failure *failure,
			struct vas_region_thread **joined)
{
	struct vas_region_thread *thread;
	int64_t id;
	int err;

	if (!(region->flags & VAS_REGION_QUARANTINE))
		return vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	id = VAS_CALL(region->space->sys, thread_id);
	if (id <= 0)
		return vas_region_refuse(failure, VAS_WHY_DENIED, id == -EPERM ? -EPERM : -ENOSYS);
	err = vas_region_look(region, failure);
	if (err)
		return err;
	/* The same number: another thread that ended, or this one again. */
	thread = threads_find(region, (uint32_t)id);
	if (!thread)
		thread = threads_find(region, 0);
	if (!thread) {
		err = threads_grow(region);
		thread = region->quarantine.threads;
	}
	if (err) {
		vas_region_unlock(region);
		return vas_region_refuse(failure, VAS_WHY_BOOKS, err);
	}
	thread->depth = 0;
	__atomic_store_n(&thread->entered, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->id, (uint32_t)id, __ATOMIC_RELAXED);
	vas_region_unlock(region);
	*joined = thread;
	return 0;
}

int vas_quarantine_quit(struct vas_region_thread *thread, struct vas_failure *failure)
{
	struct vas_region *region = thread->region;
	int err = vas_region_look(region, failure);

	if (err)
		return err;
	if (thread->id) {
		thread->depth = 0;
		__atomic_store_n(&thread->id, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&thread->entered, 0, __ATOMIC_RELEASE);
	} else {
		err = vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	}
	vas_region_unlock(region);
	return err;
}

void vas_quarantine_free(struct vas_region *region)
{
	struct vas_region_thread *thread = region->quarantine.threads, *next;

	for (; thread; thread = next) {
		/* The last of its chunk knows the chunk before. */
		next = thread[THREADS_CHUNK - 1].next;
		vas_region_give(region->space, thread, THREADS_CHUNK * sizeof(*thread));
	}
	region->quarantine.threads = NULL;
}

/* --- fork --- */

void vas_quarantine_fork_prepare(struct vas_region *region)
{
	int64_t id;

	if (!region->quarantine.threads)
		return;
	id = VAS_CALL(region->space->sys, thread_id);
	region->quarantine.forker = id > 0 ? (uint32_t)id : 0;
}

void vas_quarantine_fork_child(struct vas_region *region)
{
	uint32_t forker = region->quarantine.forker;
	int64_t id;

	if (!region->quarantine.threads)
		return;
	id = VAS_CALL(region->space->sys, thread_id);
	for (struct vas_region_thread *thread = region->quarantine.threads; thread;
	     thread = thread->next) {
		/* Where no number is told, whoever is inside may be the one. */
		bool mine = forker ? thread->id == forker : thread->id && thread->entered;

		if (mine) {
			thread->id = forker && id > 0 ? (uint32_t)id : NUMBER_UNKNOWN;
			continue;
		}
		thread->id = 0;
		thread->depth = 0;
		thread->entered = 0;
	}
}
