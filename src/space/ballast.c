/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ballast.
 *
 * WHAT FOR. At vm.max_map_count nothing can be split any more, not even to free the middle of
 * a mapping. A few mappings that serve nothing else are held from the first reservation on, to be given up then.
 *
 * STRATEGY. One mapping of our own, inaccessible and never touched. Every other page of it is made
 * readable: each costs two further mappings. Taking the readable page's access away lets
 * the three merge again, which the kernel allows at its limit: two mappings are
 * free, as many as one split takes. What was spent is made again by later calls; after a
 * refusal more and more of them pass before the next try, so that a process at the limit does
 * not pay for it each time.
 *
 * CONCURRENCY. Under the space's lock, which is held over these few kernel calls.
 *
 * WHAT IT DOES NOT DO. Another thread may be faster in taking what was given up: the
 * caller tries again.
 */
#include "space/ballast.h"

#include <sys/mman.h>

#include "base/assert.h"
#include "space/space.h"
#include "sys/environment.h"
#include "sys/strays.h"

#define PAUSE_FIRST 4u
#define PAUSE_MOST  1024u

void vas_ballast_init(struct vas_ballast *ballast)
{
	*ballast = (struct vas_ballast){ .wanted = vas_environment_get()->ballast / 2,
					 .pause_next = PAUSE_FIRST };
	ballast->missing = ballast->wanted > 0;
}

/* The page that makes a pair. */
static uint64_t pair_page(const struct vas_space *space, uint32_t pair)
{
	return space->ballast.start + (2 * (uint64_t)pair + 1) * space->sys->page_size;
}

bool vas_ballast_spend(struct vas_space *space)
{
	struct vas_ballast *ballast = &space->ballast;
	bool spent = false;

	vas_lock_take(&space->lock);
	if (ballast->pairs) {
		ballast->pairs--;
		spent = VAS_CALL(space->sys, protect, pair_page(space, ballast->pairs),
				 space->sys->page_size, PROT_NONE) >= 0;
		/* Now there is no room: others need it first. */
		ballast->pause = PAUSE_FIRST;
		__atomic_store_n(&ballast->missing, true, __ATOMIC_RELAXED);
	}
	vas_lock_drop(&space->lock);
	return spent;
}

bool vas_ballast_unmap(struct vas_space *space)
{
	struct vas_ballast *ballast = &space->ballast;
	bool unmapped = false;

	vas_lock_take(&space->lock);
	if (ballast->start && VAS_CALL(space->sys, unmap, ballast->start, ballast->size) >= 0) {
		ballast->start = ballast->size = 0;
		ballast->pairs = 0;
		ballast->pause = PAUSE_FIRST;
		__atomic_store_n(&ballast->missing, true, __ATOMIC_RELAXED);
		unmapped = true;
	}
	vas_lock_drop(&space->lock);
	return unmapped;
}

/* Lock held. */
static bool ballast_map(struct vas_space *space)
{
	uint64_t size = (2 * (uint64_t)space->ballast.wanted + 1) * space->sys->page_size;
	int64_t got;

	if (space->ballast.start)
		return true;
	got = VAS_CALL(space->sys, map, 0, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (got < 0)
		return false;
	space->ballast.start = (uint64_t)got;
	space->ballast.size = size;
	return true;
}

/* Lock held. */
static bool ballast_make(struct vas_space *space)
{
	struct vas_ballast *ballast = &space->ballast;

	if (!ballast_map(space))
		return false;
	for (; ballast->pairs < ballast->wanted; ballast->pairs++)
		if (VAS_CALL(space->sys, protect, pair_page(space, ballast->pairs),
			     space->sys->page_size, PROT_READ) < 0)
			return false;
	return true;
}

void vas_ballast_fill(struct vas_space *space)
{
	struct vas_ballast *ballast = &space->ballast;

	vas_lock_take(&space->lock);
	if (ballast->pause) {
		ballast->pause--;
	} else if (ballast_make(space)) {
		ballast->pause_next = PAUSE_FIRST;
		__atomic_store_n(&ballast->missing, false, __ATOMIC_RELAXED);
	} else {
		ballast->pause = ballast->pause_next;
		if (ballast->pause_next < PAUSE_MOST)
			ballast->pause_next *= 2;
	}
	vas_lock_drop(&space->lock);
}

uint32_t vas_ballast_count(struct vas_space *space)
{
	uint32_t count;

	vas_lock_take(&space->lock);
	count = 2 * space->ballast.pairs;
	vas_lock_drop(&space->lock);
	return count;
}

void vas_ballast_drop(struct vas_space *space)
{
	struct vas_ballast *ballast = &space->ballast;

	if (ballast->start)
		vas_strays_drop(space->sys, ballast->start, ballast->size);
	vas_ballast_init(ballast);
}
