/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers: the threads that quarantine waits for.
 *
 * WHAT FOR. A thread says when it begins to follow pointers to blocks and when it has none any more; a freed
 * block must know whether somebody is left who began before.
 *
 * STRATEGY. Slots in chunks that are never given back while a region is there, so that the list is read without
 * a lock. Regions that were split from one have the same readers and one epoch: whose pointers led into the whole may
 * be anywhere in the parts, and handles stay good.
 *
 * A thread that ended while inside would be in the way for ever. The kernel is asked, seldom, whether
 * threads that are in the way for long are still there.
 *
 * CONCURRENCY. Slots change hands under the space's lock. Entering and leaving take none: one store with a full fence.
 *
 * WHAT IT DOES NOT DO. It does not tell a thread that ended from another one that has its number by now: blocks
 * wait for that one then, until it ends or joins. In a child where the kernel tells no numbers, blocks wait for
 * whoever was inside.
 */
#include "region/readers.h"

#include <errno.h>

#include "base/assert.h"
#include "region/region.h"

#define THREADS_CHUNK 64u /* made at once: 4 KiB */
#define NUMBER_UNKNOWN UINT32_MAX /* of a thread that lives: no thread has it */

_Static_assert(sizeof(struct vas_region_thread) * THREADS_CHUNK == 4096, "a page");

static struct vas_region_thread *threads_first(const struct vas_readers *readers)
{
	return __atomic_load_n(&readers->threads, __ATOMIC_SEQ_CST);
}

int vas_readers_make(struct vas_region *region)
{
	struct vas_readers *readers;
	void *memory;

	if (vas_region_take(region->space, sizeof(*readers), &memory))
		return -ENOMEM;
	readers = memory;
	readers->epoch = 1;
	readers->space = region->space;
	readers->alive = region->alive;
	readers->era = region->era;
	readers->regions = 1;
	region->quarantine.readers = readers;
	return 0;
}

void vas_readers_share(struct vas_region *region, struct vas_readers *readers)
{
	if (!readers)
		return;
	vas_lock_take(&readers->space->lock);
	readers->regions++;
	vas_lock_drop(&readers->space->lock);
	region->quarantine.readers = readers;
}

static void readers_free(struct vas_readers *readers)
{
	struct vas_region_thread *thread = readers->threads, *next;

	for (; thread; thread = next) {
		/* The last of its chunk knows the chunk before. */
		next = thread[THREADS_CHUNK - 1].next;
		vas_region_give(readers->space, thread, THREADS_CHUNK * sizeof(*thread));
	}
	vas_region_give(readers->space, readers, sizeof(*readers));
}

void vas_readers_leave(struct vas_region *region)
{
	struct vas_readers *readers = region->quarantine.readers;
	bool last;

	if (!readers)
		return;
	region->quarantine.readers = NULL;
	vas_lock_take(&readers->space->lock);
	last = --readers->regions == 0;
	vas_lock_drop(&readers->space->lock);
	if (last)
		readers_free(readers);
}

uint64_t vas_readers_horizon(const struct vas_readers *readers)
{
	uint64_t horizon = UINT64_MAX, entered;

	for (const struct vas_region_thread *thread = threads_first(readers); thread;
	     thread = thread->next) {
		entered = __atomic_load_n(&thread->entered, __ATOMIC_SEQ_CST);
		if (entered && entered < horizon)
			horizon = entered;
	}
	return horizon;
}

/* --- threads that are gone --- */

/* Nobody's. Space's lock held. */
static void thread_clear(struct vas_region_thread *thread)
{
	thread->depth = 0;
	__atomic_store_n(&thread->id, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&thread->entered, 0, __ATOMIC_RELEASE);
}

/* A slot of a thread that ended is nobody's; it stays. */
static void thread_bury(struct vas_readers *readers, struct vas_region_thread *thread)
{
	uint32_t id = __atomic_load_n(&thread->id, __ATOMIC_RELAXED);

	if (!id || VAS_CALL(readers->space->sys, thread_alive, id) != 0)
		return;
	vas_lock_take(&readers->space->lock);
	/* Unless somebody took it over meanwhile. */
	if (thread->id == id)
		thread_clear(thread);
	vas_lock_drop(&readers->space->lock);
}

void vas_readers_bury(struct vas_readers *readers, uint64_t horizon)
{
	uint64_t entered;

	for (struct vas_region_thread *thread = threads_first(readers); thread; thread = thread->next) {
		entered = __atomic_load_n(&thread->entered, __ATOMIC_RELAXED);
		if (entered && entered <= horizon)
			thread_bury(readers, thread);
	}
}

/* --- joining --- */

/* Space's lock held. */
static struct vas_region_thread *threads_find(const struct vas_readers *readers, uint32_t id)
{
	struct vas_region_thread *thread = readers->threads;

	while (thread && thread->id != id)
		thread = thread->next;
	return thread;
}

/* -ENOMEM. */
static int threads_grow(struct vas_readers *readers)
{
	struct vas_region_thread *threads;
	void *memory;

	if (vas_region_take(readers->space, THREADS_CHUNK * sizeof(*threads), &memory))
		return -ENOMEM;
	threads = memory;
	vas_lock_take(&readers->space->lock);
	for (uint32_t i = 0; i < THREADS_CHUNK; i++) {
		threads[i].readers = readers;
		threads[i].epoch = &readers->epoch;
		threads[i].next = i + 1 < THREADS_CHUNK ? &threads[i + 1] : readers->threads;
	}
	__atomic_store_n(&readers->threads, threads, __ATOMIC_SEQ_CST);
	vas_lock_drop(&readers->space->lock);
	return 0;
}

/* NULL: there is no slot. */
static struct vas_region_thread *slot_take(struct vas_readers *readers, uint32_t id)
{
	struct vas_region_thread *thread;

	vas_lock_take(&readers->space->lock);
	/* The same number: another thread that ended, or this one again. */
	thread = threads_find(readers, id);
	if (!thread)
		thread = threads_find(readers, 0);
	if (thread) {
		thread_clear(thread);
		__atomic_store_n(&thread->id, id, __ATOMIC_RELAXED);
	}
	vas_lock_drop(&readers->space->lock);
	return thread;
}

int vas_readers_join(struct vas_region *region, struct vas_failure *failure,
		     struct vas_region_thread **joined)
{
	struct vas_region_thread *thread;
	struct vas_readers *readers;
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
	readers = region->quarantine.readers;
	thread = slot_take(readers, (uint32_t)id);
	while (!thread && !err) {
		err = threads_grow(readers);
		thread = slot_take(readers, (uint32_t)id);
	}
	vas_region_unlock(region);
	if (!thread)
		return vas_region_refuse(failure, VAS_WHY_BOOKS, err);
	/* A free that did not see the slot in the list was before the thread enters. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*joined = thread;
	return 0;
}

int vas_readers_quit(struct vas_region_thread *thread, struct vas_failure *failure)
{
	struct vas_readers *readers = thread->readers;
	int err = 0;

	if (vas_books_are_lost(readers->alive, readers->era))
		return vas_region_refuse(failure, VAS_WHY_FORKED, -EOWNERDEAD);
	vas_lock_take(&readers->space->lock);
	if (readers->absent == readers->regions)
		err = vas_region_refuse(failure, VAS_WHY_FORKED, -ESTALE);
	else if (!thread->id)
		err = vas_region_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	else
		thread_clear(thread);
	vas_lock_drop(&readers->space->lock);
	return err;
}

/* --- fork --- */

void vas_readers_fork_prepare(struct vas_readers *readers)
{
	int64_t id;

	if (!readers || !readers->threads)
		return;
	id = VAS_CALL(readers->space->sys, thread_id);
	readers->forker = id > 0 ? (uint32_t)id : 0;
}

void vas_readers_fork_child(struct vas_readers *readers, bool absent)
{
	uint32_t forker, number;
	int64_t id;

	if (!readers)
		return;
	readers->absent += absent;
	if (!readers->threads)
		return;
	forker = readers->forker;
	id = VAS_CALL(readers->space->sys, thread_id);
	number = forker && id > 0 ? (uint32_t)id : NUMBER_UNKNOWN;
	for (struct vas_region_thread *thread = readers->threads; thread; thread = thread->next) {
		/* Where no number is told, whoever is inside may be the one. */
		if (forker ? thread->id == forker : thread->id && thread->entered)
			thread->id = number;
		else
			thread_clear(thread);
	}
	/* The next region that has them finds it under its number here. */
	readers->forker = forker ? number : 0;
}
