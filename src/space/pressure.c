/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pressure: how near the kernel's limits are, who is told, and what can be given back.
 *
 * WHAT FOR. At vm.max_map_count nothing more can be mapped, and at a memory
 * group's limit the kernel kills. Whoever keeps caches wants to know before.
 *
 * STRATEGY. There is no cheap event to wait for, and the library has no thread. So
 * it looks when there is reason to: after a refusal, after memory was populated, and
 * when the program says so. Counting mappings means reading all of them;
 * nobody pays for that without a hook.
 *
 * Giving back goes from what costs nobody anything to what costs speed: first what the
 * kernel refused to take earlier, then the caches of the users of spans.
 *
 * CONCURRENCY. The hook's place has a lock of its own, dropped while the hook runs.
 * The thread that runs it is noted, by the address of its failure report: it
 * is not entered twice, and whoever changes it from another thread waits.
 *
 * WHAT IT DOES NOT DO. It foresees nothing: other processes of the group use memory too.
 */
#include "space/pressure.h"

#include <errno.h>

#include "base/assert.h"
#include "space/cgroup.h"
#include "space/headroom.h"
#include "space/part.h"
#include "space/space.h"

#define RECLAIM_ROUNDS 64u /* each but the last brings something back */
#define PERCENT_DEFAULT 90u
#define CGROUP_DEFAULT (64ull << 20)

static void pressure_mappings(struct vas_space *space, struct vas_pressure *pressure)
{
	struct vas_sys *sys = space ? space->sys : vas_sys_current();
	struct vas_headroom headroom;

	vas_headroom_clear(&headroom);
	vas_headroom_mappings(sys, &headroom);
	pressure->vmas_used = headroom.vmas_used;
	pressure->vmas_limit = headroom.vmas_limit;
}

/* What the books know. */
static void pressure_own(struct vas_space *space, struct vas_pressure *pressure)
{
	vas_lock_take(&space->lock);
	pressure->vmas_own = space->stats.vmas + (int64_t)vas_space_sums(space, NULL).runs;
	pressure->ballast = 2 * space->ballast.pairs;
	pressure->unretired = space->stats.held_bytes + space->unretired_bytes;
	vas_lock_drop(&space->lock);
	pressure->warm = vas_users_warm(space);
}

void vas_space_pressure(struct vas_space *space, struct vas_pressure *pressure)
{
	*pressure = (struct vas_pressure){ .size = sizeof(*pressure) };
	pressure_mappings(space, pressure);
	pressure->cgroup_room = vas_cgroup_room(space ? space->sys : vas_sys_current());
	if (space)
		pressure_own(space, pressure);
}

void vas_space_watch(struct vas_space *space, vas_pressure_hook *hook, void *context,
		     const struct vas_pressure_opts *opts)
{
	struct vas_watch *watch = &space->watch;

	vas_lock_take(&watch->lock);
	while (watch->runner && watch->runner != vas_failure_current()) {
		vas_lock_drop(&watch->lock);
		vas_lock_pause();
		vas_lock_take(&watch->lock);
	}
	__atomic_store_n(&watch->hook, hook, __ATOMIC_RELAXED);
	watch->context = context;
	watch->vmas_percent = opts->vmas_percent ? opts->vmas_percent : PERCENT_DEFAULT;
	watch->cgroup_room = opts->cgroup_room ? opts->cgroup_room : CGROUP_DEFAULT;
	vas_lock_drop(&watch->lock);
}

/* Which of the reasons hold. Only the files that they need are read. */
static uint32_t watch_measure(struct vas_space *space, const struct vas_watch *watch,
			      uint32_t reasons, struct vas_pressure *pressure)
{
	uint32_t held = 0;

	*pressure = (struct vas_pressure){ .size = sizeof(*pressure),
					   .vmas_used = UINT64_MAX,
					   .vmas_limit = UINT64_MAX,
					   .cgroup_room = UINT64_MAX };
	if (reasons & VAS_PRESSURE_VMAS)
		pressure_mappings(space, pressure);
	if (reasons & VAS_PRESSURE_CGROUP)
		pressure->cgroup_room = vas_cgroup_room(space->sys);
	if (pressure->vmas_used != UINT64_MAX && pressure->vmas_limit != UINT64_MAX &&
	    pressure->vmas_used * 100 >= pressure->vmas_limit * watch->vmas_percent)
		held |= VAS_PRESSURE_VMAS;
	if (pressure->cgroup_room < watch->cgroup_room)
		held |= VAS_PRESSURE_CGROUP;
	if (held)
		pressure_own(space, pressure);
	return held;
}

/* The hook becomes this thread's to run. False: it has changed, or runs already. */
static bool watch_enter(struct vas_watch *watch, const struct vas_watch *seen)
{
	bool mine;

	vas_lock_take(&watch->lock);
	mine = !watch->runner && watch->hook == seen->hook && watch->context == seen->context;
	if (mine)
		watch->runner = vas_failure_current();
	vas_lock_drop(&watch->lock);
	return mine;
}

static void watch_leave(struct vas_watch *watch)
{
	vas_lock_take(&watch->lock);
	watch->runner = NULL;
	vas_lock_drop(&watch->lock);
}

uint32_t vas_watch_look(struct vas_space *space, uint32_t reasons)
{
	struct vas_watch *watch = &space->watch, seen;
	struct vas_pressure pressure;
	uint32_t held;

	vas_lock_take(&watch->lock);
	seen = *watch;
	vas_lock_drop(&watch->lock);
	if (!seen.hook || seen.runner)
		return 0;
	held = watch_measure(space, &seen, reasons, &pressure);
	if (held && watch_enter(watch, &seen)) {
		seen.hook(seen.context, held, &pressure);
		watch_leave(watch);
	}
	return held;
}

/* The failure that a call is about to answer stays the last one, whatever the hook does. */
static void watch_look_aside(struct vas_space *space, uint32_t reasons)
{
	struct vas_failure failure = *vas_failure_current();

	vas_watch_look(space, reasons);
	*vas_failure_current() = failure;
}

void vas_watch_refused_slowly(struct vas_space *space, int err)
{
	if (err == -ENOMEM || err == -EAGAIN)
		watch_look_aside(space, VAS_PRESSURE_VMAS | VAS_PRESSURE_CGROUP);
}

void vas_watch_populated_slowly(struct vas_space *space)
{
	watch_look_aside(space, VAS_PRESSURE_CGROUP);
}

/* Bytes of spans that could not be unmapped so far, tried again; those that were. */
static uint64_t reclaim_held(struct vas_space *space)
{
	uint64_t before, after;

	vas_lock_take(&space->lock);
	before = space->stats.held_bytes;
	vas_lock_drop(&space->lock);
	if (before)
		vas_space_retry_held(space);
	vas_lock_take(&space->lock);
	after = space->stats.held_bytes;
	vas_lock_drop(&space->lock);
	return before > after ? before - after : 0;
}

/* What is refused early can be had once later parts have given mappings back: again, as long as it helps. */
static uint64_t reclaim_parts(struct vas_space *space)
{
	uint64_t got = 0, more;

	for (unsigned int round = 0; round < RECLAIM_ROUNDS; round++) {
		more = vas_part_retry(space, UINT32_MAX);
		got += more;
		if (!__atomic_load_n(&space->unretired, __ATOMIC_RELAXED) ||
		    (!more && !vas_ballast_unmap(space)))
			break;
	}
	return got;
}

uint64_t vas_space_reclaim(struct vas_space *space, uint64_t target)
{
	uint64_t got = reclaim_held(space) + reclaim_parts(space);

	if (vas_strays_any(space->sys))
		vas_strays_retry(space->sys);
	if (got < target)
		got += vas_users_reclaim(space, target - got);
	return got;
}

void vas_watch_fork_child(struct vas_space *space)
{
	if (space->watch.runner != vas_failure_current())
		space->watch.runner = NULL;
}
