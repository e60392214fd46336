/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of our own that the kernel would not take back.
 *
 * At vm.max_map_count munmap refuses a piece of what the kernel had merged, and
 * a sandbox may refuse it altogether. What probes, readings and the books map
 * for a moment would then be lost for good. It is emptied instead, noted in a
 * short list of the table it was mapped by, and tried again whenever something
 * else is dropped, and by later calls.
 *
 * Neighbours are joined in the list. When it is full, which takes as many
 * refusals apart from each other, the next one is forgotten: it stays mapped and empty.
 *
 * Concurrency: one lock for all lists, never held over a kernel call. What is
 * being tried is off the list.
 *
 * Not here: spans that callers own; those are held by their books (space/release.c).
 */
#include "sys/strays.h"

#include <sys/mman.h>

#include "sys/lock.h"

static struct vas_lock strays_lock = VAS_LOCK_INIT;

static void strays_note(struct vas_sys *sys, uint64_t start, uint64_t size)
{
	uint32_t i;

	vas_lock_take(&strays_lock);
	for (i = 0; i < sys->stray_count; i++) {
		struct vas_span *stray = &sys->strays[i];

		if (stray->start == start + size)
			stray->start = start;
		else if (stray->start + stray->size != start)
			continue;
		stray->size += size;
		break;
	}
	if (i == sys->stray_count && i < VAS_STRAYS) {
		sys->strays[i] = (struct vas_span){ start, size };
		__atomic_store_n(&sys->stray_count, i + 1, __ATOMIC_RELAXED);
	}
	vas_lock_drop(&strays_lock);
}

static void strays_unmap(struct vas_sys *sys, uint64_t start, uint64_t size)
{
	if (VAS_CALL(sys, unmap, start, size) >= 0)
		return;
	(void)VAS_CALL(sys, advise, start, size, MADV_DONTNEED);
	strays_note(sys, start, size);
}

void vas_strays_retry(struct vas_sys *sys)
{
	struct vas_span list[VAS_STRAYS];
	uint32_t count;

	vas_lock_take(&strays_lock);
	count = sys->stray_count;
	for (uint32_t i = 0; i < count; i++)
		list[i] = sys->strays[i];
	__atomic_store_n(&sys->stray_count, 0, __ATOMIC_RELAXED);
	vas_lock_drop(&strays_lock);
	for (uint32_t i = 0; i < count; i++)
		strays_unmap(sys, list[i].start, list[i].size);
}

void vas_strays_drop(struct vas_sys *sys, uint64_t start, uint64_t size)
{
	if (vas_strays_any(sys))
		vas_strays_retry(sys);
	strays_unmap(sys, start, size);
}

struct vas_lock *vas_strays_lock(void)
{
	return &strays_lock;
}

void vas_strays_give_up(struct vas_sys *sys)
{
	__atomic_store_n(&sys->stray_count, 0, __ATOMIC_RELAXED);
}
