/* SPDX-License-Identifier: BSD-2-Clause */
/* One change of a part, from its notice to its record. Private to the engine's files. */
#ifndef VAS_SPACE_PART_WORK_H
#define VAS_SPACE_PART_WORK_H

#include <sys/mman.h>

#include "base/assert.h"
#include "space/part.h"
#include "sys/definitions.h"

struct vas_part_work {
	struct vas_space *space;
	struct vas_holding *holding;
	struct vas_span range;
	enum vas_change change;
	bool final; /* part of a free: no veto */
	bool changed; /* something was mapped anew, even if the call fails: set by the worker */
	struct vas_part_work *busy_next; /* in holding->busy */
	struct vas_notice_run notice;
	/* As the books were: */
	uint64_t committed;
	uint64_t unretired;
	uint32_t runs;
};

/* A change that begins. What begin and a worker write is not there yet. */
static inline void vas_part_plan(struct vas_part_work *work, struct vas_space *space,
				 struct vas_holding *holding, struct vas_span range,
				 enum vas_change change, bool final)
{
	work->space = space;
	work->holding = holding;
	work->range = range;
	work->change = change;
	work->final = final;
}
/*
 * Notice, then the holding's lock, then waits until nobody populates the range.
 * -EBUSY, -EDEADLK; failure filled, nothing is held then.
 */
int vas_part_begin(struct vas_part_work *work, struct vas_failure *failure);
/* Sums up, drops the lock, notice. Passes err on. */
int vas_part_end(struct vas_part_work *work, int err);
int vas_part_enter_watched(struct vas_part_work *work, struct vas_failure *failure);
int vas_part_enter_slowly(struct vas_part_work *work, struct vas_failure *failure);
/* begin, without the sums. */
static inline int vas_part_enter(struct vas_part_work *work, struct vas_failure *failure)
{
	struct vas_holding *holding = work->holding;
	int err;

	work->changed = false;
	work->notice.last = 0;
	if (__builtin_expect(vas_space_is_watched(work->space), 0)) {
		err = vas_part_enter_watched(work, failure);
		if (err)
			return err;
	}
	vas_lock_take(&holding->lock);
	if (__builtin_expect(holding->busy != NULL ||
				     __atomic_load_n(&holding->state, __ATOMIC_RELAXED) !=
					     VAS_HOLDING_LIVE,
			     0))
		return vas_part_enter_slowly(work, failure);
	return 0;
}
/* end, without the sums. */
static inline void vas_part_leave(struct vas_part_work *work, int err)
{
	struct vas_holding *holding = work->holding;
	uint64_t generation = __atomic_load_n(&holding->generation, __ATOMIC_RELAXED) + !err;

	__atomic_store_n(&holding->generation, generation, __ATOMIC_RELEASE);
	vas_lock_drop(&holding->lock);
	if (__builtin_expect(work->notice.last != 0, 0))
		vas_notice_tell(work->space, holding, &work->notice, !err, generation);
}
/* What changed: into the sums of the space, or for as long as there is a user, beside them. Lock held. */
void vas_part_tally_space(struct vas_space *space, struct vas_holding *holding,
			  uint64_t committed, int64_t runs);
static inline void vas_part_tally(struct vas_space *space, struct vas_holding *holding,
				  uint64_t committed, int64_t runs)
{
	vas_space_tell_runs(space, runs);
	if (__builtin_expect(!holding->user, 0)) {
		vas_part_tally_space(space, holding, committed, runs);
		return;
	}
	__atomic_store_n(&holding->loose_committed, holding->loose_committed + committed,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&holding->loose_runs, holding->loose_runs + (uint64_t)runs,
			 __ATOMIC_RELAXED);
}
/* What the two do with the sums: the books as they are; and what changed since into the space's. Lock held. */
void vas_part_snapshot(struct vas_part_work *work);
void vas_part_count(const struct vas_part_work *work);
/* Drops the lock for a long call while the range stays this work's alone; and back. */
void vas_part_yield(struct vas_part_work *work);
void vas_part_resume(struct vas_part_work *work);
/* Waits until nobody populates in the range. Lock held. */
void vas_part_await(struct vas_holding *holding, struct vas_span range);
/* Room for changes. -ENOMEM, with the reason. Lock held. */
int vas_part_room(struct vas_part_work *work, uint32_t changes, struct vas_failure *failure);
/*
 * Whether an end of the range lies where it cannot: inside something that goes only whole, or
 * inside a huge page. Lock held.
 */
bool vas_part_cuts(const struct vas_holding *holding, const struct vas_sys *sys,
		   struct vas_span range);
/* -EINVAL, with the reason, unless all of the range is committed and may be changed as it is. Lock held. */
int vas_part_covered(struct vas_part_work *work, struct vas_failure *failure);
/* mprotect of one kernel mapping, or of a part of one, for which the ballast may be spent. */
int vas_part_open(struct vas_part_work *work, struct vas_span span, int prot);
/*
 * The same for what is alike in the books and may be several kernel mappings: all of it or nothing. Where that
 * cannot be had it is recorded as TORN; piece->flags tell. I: room for one change. Lock held.
 */
int vas_part_reopen(struct vas_part_work *work, struct vas_extent *piece, int prot);
/* After a refused mprotect of a piece: what was changed is changed back. False: it is torn. */
bool vas_part_mend(struct vas_space *space, const struct vas_extent *piece);
/* A mapping of ours, which nobody else knows of, comes from aside to its place; refused as a whole. Lock held. */
int vas_part_move_in(struct vas_space *space, struct vas_span range, uint64_t aside);
/* Puts a live holding on the list of those with unretired parts. Space's lock held. */
void vas_part_list(struct vas_space *space, struct vas_holding *holding);
/* Takes a holding that is not live any more off the list of those with unretired parts. Space's lock held. */
void vas_part_unlist(struct vas_holding *holding);

/* The memory policy of what is backed so; NULL = the thread's own. */
static inline const struct vas_policy *vas_part_policy(const struct vas_holding *holding,
						       const struct vas_backing *backing)
{
	return backing->policy ? vas_policies_get(&holding->backings.policies, backing->policy)
			       : holding->policy;
}

/* The reservation as it was made, over a range, with the whole recipe. 0 or -errno; *replaced: not as it was. */
int vas_part_restore(struct vas_space *space, const struct vas_holding *holding,
		     struct vas_span range, bool *replaced);
/*
 * In line: a system call leaves the processor with nothing known of where the functions below it return to, so each
 * one less is worth more than its instructions.
 */
static inline __attribute__((always_inline)) int
vas_part_restore_in_line(struct vas_space *space, const struct vas_holding *holding,
			 struct vas_span range, bool *replaced)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	int64_t got = VAS_CALL(space->sys, map, range.start, range.size, PROT_NONE, flags, -1, 0);

	*replaced = got >= 0;
	if (__builtin_expect(got < 0, 0))
		return (int)got;
	VAS_ASSERT((uint64_t)got == range.start);
	/* Not the memory policy: it is put on what is committed, never on a reservation. */
	return holding->recipe ?
		       vas_space_apply_recipe(space, range.start, range.size, holding->recipe) : 0;
}

#endif
