/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ladder of page sizes.
 *
 * WHAT FOR. Larger pages make memory faster to reach, and are scarce: the caller says which ones it would like, in order.
 *
 * STRATEGY. An object of the pool has one page size for good, so the rung is found when the arena is made: one after
 * the other is opened and asked for what the arena begins with, or for one page, and the first that gives it stays.
 * Transparent huge pages are an object of base pages; after each growth the kernel is asked to collapse what it
 * gave into huge pages, wherever a whole one lies below the size. That works whatever the settings for shared memory
 * say, and ends before anybody is told of the growth.
 *
 * A file that the caller brings has the pages that it has.
 *
 * CONCURRENCY. Making: nobody has the arena yet. Collapsing: the arena's work lock is held; readers go on meanwhile, the
 * kernel maps the new page where the old ones were.
 *
 * WHAT IT DOES NOT DO. It does not climb again: a growth that the pool refuses is refused.
 */
#include <errno.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "base/number.h"
#include "space/procfile.h"
#include "sys/definitions.h"

#define HUGE_SIZE_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
#define RUNGS_MOST     16u

static const uint64_t base_ladder[] = { VAS_PAGES_BASE };

static bool rung_is_pool(uint64_t rung)
{
	return rung > VAS_PAGES_TRANSPARENT;
}

/* -EINVAL: what no kernel could do. */
int vas_ladder_check(const struct vas_arena_opts *opts, uint64_t page_size)
{
	if (!opts->ladder != !opts->ladder_count || opts->ladder_count > RUNGS_MOST ||
	    (opts->ladder && vas_arena_kind_is_given(opts->kind)))
		return -EINVAL;
	for (size_t i = 0; i < opts->ladder_count; i++) {
		uint64_t rung = opts->ladder[i];

		if (!rung_is_pool(rung))
			continue;
		if (opts->kind != VAS_ARENA_MEMFD || !vas_is_power_of_two(rung) ||
		    rung <= page_size || opts->step % rung)
			return -EINVAL;
	}
	return 0;
}

/* Whether the pool gives what the arena begins with; one page when that is nothing. What it gave stays. */
static int pool_gives(struct vas_arena *arena, uint64_t initial, struct vas_failure *failure)
{
	uint64_t page = arena->object.page_size, end;
	int err;

	if (!vas_align_up(initial, page, &initial))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_object_extend(&arena->object, arena->space, 0, initial ? initial : page,
				initial ? initial : page, page, failure, &end);
	if (!err && !initial)
		err = vas_object_cut(&arena->object, arena->space->sys, 0, page, failure);
	return err;
}

/* How large transparent huge pages are. */
static int transparent_size(struct vas_arena *arena, struct vas_failure *failure)
{
	uint64_t size;
	int err = vas_procfile_number(arena->space->sys, HUGE_SIZE_FILE, &size);

	if (err == -EMFILE || err == -ENFILE)
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, err);
	if (err || !vas_is_power_of_two(size) || size <= arena->space->sys->page_size)
		return vas_arena_refuse(failure, VAS_WHY_PAGES, -EOPNOTSUPP);
	arena->collapse = size;
	return 0;
}

static int rung_open(struct vas_arena *arena, uint64_t rung, uint64_t initial,
		     struct vas_failure *failure)
{
	struct vas_sys *sys = arena->space->sys;
	int err = 0;

	arena->collapse = 0;
	arena->rung = rung;
	if (rung == VAS_PAGES_TRANSPARENT)
		err = transparent_size(arena, failure);
	if (!err && arena->kind == VAS_ARENA_MEMFD)
		err = vas_object_create(sys, arena->name, rung_is_pool(rung) ? rung : 0,
					arena->exec, failure, &arena->object);
	vas_arena_pass_policy(arena);
	if (err || !rung_is_pool(rung))
		return err;
	err = pool_gives(arena, initial, failure);
	if (err)
		vas_object_close(sys, &arena->object);
	return err;
}

/* The caller's object has the pages that it has. */
static int rung_given(struct vas_arena *arena, const struct vas_arena_opts *opts,
		      struct vas_failure *failure)
{
	int err;

	arena->object.offset = opts->offset;
	arena->object.shared = arena->kind == VAS_ARENA_ADOPTED;
	err = vas_object_adopt(arena->space->sys, opts->fd, failure, &arena->object);
	if (err)
		return err;
	vas_arena_pass_policy(arena);
	arena->rung = arena->object.pool ? arena->object.page_size : VAS_PAGES_BASE;
	return 0;
}

bool vas_ladder_has_pool(const struct vas_arena_opts *opts)
{
	for (size_t i = 0; opts->ladder && i < opts->ladder_count; i++)
		if (rung_is_pool(opts->ladder[i]))
			return true;
	return false;
}

int vas_ladder_climb(struct vas_arena *arena, const struct vas_arena_opts *opts,
		     struct vas_failure *failure)
{
	const uint64_t *ladder = opts->ladder ? opts->ladder : base_ladder;
	size_t count = opts->ladder ? opts->ladder_count : 1;
	struct vas_failure last;
	int err = 0;

	if (vas_arena_kind_is_given(arena->kind))
		return rung_given(arena, opts, failure);
	if (arena->flags & VAS_ARENA_STRICT)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		struct vas_failure refused = *failure;
		int now = rung_open(arena, ladder[i], opts->initial, &refused);

		if (!now)
			return 0;
		/* A shortage says more than a size that the kernel does not know. */
		if (now != -EOPNOTSUPP || !err) {
			err = now;
			last = refused;
		}
		if (now != -ENOMEM && now != -EOPNOTSUPP)
			break;
	}
	*failure = last;
	return err;
}

int vas_ladder_collapse(struct vas_arena *arena, uint64_t from, uint64_t to,
			struct vas_failure *failure)
{
	uint64_t start = arena->user.holding->span.start, low, high;
	int64_t err;

	if (!arena->collapse)
		return 0;
	/* The span begins at a multiple. */
	low = vas_align_down(from, arena->collapse);
	high = vas_align_down(to, arena->collapse);
	if (low >= high)
		return 0;
	err = VAS_CALL(arena->space->sys, advise, start + low, high - low, MADV_COLLAPSE);
	if (err >= 0 || !(arena->flags & VAS_ARENA_STRICT))
		return 0;
	return vas_arena_refuse(failure, VAS_WHY_PAGES, -ENOMEM);
}
