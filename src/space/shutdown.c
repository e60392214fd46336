/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shutdown: the library gives its own memory back.
 *
 * WHAT FOR. Checkers of leaks, plugins that are unloaded, and programs that are about to
 * be checkpointed want nothing of the library left.
 *
 * STRATEGY. It is refused while anybody could still need the books: spans, held
 * ones too, their users, subscriptions, a hook that runs. Otherwise everything that the
 * space mapped goes: the index's root, the books' chunks. What the kernel refuses to
 * unmap is emptied and on the list of strays, as ever.
 *
 * Two numbers outlive the space, so that an id that was given stays the only one of its kind:
 * they are handed to the next.
 *
 * CONCURRENCY. The space is quiet. Look-ups take no lock, so only the caller can know
 * that none is under way; that is documented as his to see to.
 *
 * WHAT IT DOES NOT DO. It closes no module, and unsets no log hook.
 */
#include <errno.h>

#include "space/space.h"

static bool shutdown_is_idle(const struct vas_space *space)
{
	return space->stats.spans == 0 && space->stats.held == 0 && !space->users &&
	       __atomic_load_n(&space->subscribers, __ATOMIC_RELAXED) == 0 &&
	       !space->watch.runner;
}

int vas_space_idle(struct vas_space *space)
{
	vas_space_retry(space);
	vas_space_quiesce(space);
	if (shutdown_is_idle(space))
		return 0;
	vas_space_resume(space);
	return -EBUSY;
}

void vas_space_unmake(struct vas_space *space, struct vas_legacy *legacy)
{
	uint64_t page = space->sys->page_size;

	vas_ballast_drop(space);
	legacy->generation = vas_owner_index_generation_next(&space->index);
	legacy->subscription = space->notices.last_id;
	vas_pages_unmap(&space->pages, space->index.root, vas_space_root_size(page));
	vas_pages_end(&space->pages);
	if (vas_strays_any(space->sys))
		vas_strays_retry(space->sys);
	__atomic_store_n(&space->watch.hook, NULL, __ATOMIC_RELAXED);
	vas_space_resume(space);
}

void vas_space_inherit(struct vas_space *space, const struct vas_legacy *legacy)
{
	space->index.generation_first = legacy->generation;
	space->notices.last_id = legacy->subscription;
}
