/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork: a child's own copy of shared memory.
 *
 * WHAT FOR. The kernel copies private memory by itself, page by page when somebody writes.
 * Shared memory stays shared, so a child that is to have its own must copy it at once.
 *
 * STRATEGY. Each part is copied aside into private anonymous memory, which then takes the part's
 * place by one mremap: the addresses are never anybody else's, and when memory runs out nothing has
 * changed. The bytes are read through /proc/self/mem, since that answers an error where
 * touching them would be a signal: an object that was cut short, a full file system, a broken
 * page. Without /proc pages are faulted in by madvise first and then copied.
 *
 * Others go on writing meanwhile, in this and other processes: a page is copied at one moment,
 * two pages at two. Whoever needs more sets a hook, which is called around it.
 *
 * CONCURRENCY. One thread, in the child's handler.
 *
 * WHAT IT DOES NOT DO. It leaves holes of the object no holes: reading them gives them memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/fork.h"
#include "space/part_work.h"
#include "space/policy.h"
#include "sys/definitions.h"
#include "sys/strays.h"

static struct {
	vas_fork_hold *hold; /* atomic */
	void *context; /* atomic */
} copy_hook;

void vas_fork_set_hold(vas_fork_hold *hold, void *context)
{
	__atomic_store_n(&copy_hook.hold, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&copy_hook.context, context, __ATOMIC_SEQ_CST);
	__atomic_store_n(&copy_hook.hold, hold, __ATOMIC_SEQ_CST);
}

void vas_fork_call_hold(struct vas_span span, int holding)
{
	vas_fork_hold *hold = __atomic_load_n(&copy_hook.hold, __ATOMIC_SEQ_CST);

	if (hold)
		hold(__atomic_load_n(&copy_hook.context, __ATOMIC_SEQ_CST), span, holding);
}

/* By the kernel's hand, page by page. */
int vas_fork_copy_pages(struct vas_sys *sys, int fd, uint64_t from, uint64_t to, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		uint64_t count = size - done < sys->page_size ? size - done : sys->page_size;
		int64_t got = VAS_CALL(sys, read_at, fd, (void *)(uintptr_t)(to + done), count,
				       from + done);

		if (got <= 0)
			return got < 0 ? (int)got : -EFAULT;
		done += (uint64_t)got;
	}
	return 0;
}

static int copy_touch(struct vas_sys *sys, uint64_t from, uint64_t to, uint64_t size, int prot)
{
	int64_t err;

	if (!(prot & PROT_READ))
		return -EACCES;
	err = VAS_CALL(sys, advise, from, size, MADV_POPULATE_READ);
	if (err < 0)
		return (int)err;
	for (uint64_t done = 0; done < size; done += sys->page_size)
		memcpy((void *)(uintptr_t)(to + done), (const void *)(uintptr_t)(from + done),
		       sys->page_size);
	return 0;
}

static int copy_bytes(struct vas_sys *sys, const struct vas_extent *piece, uint64_t to)
{
	uint64_t size = piece->end - piece->start;
	int64_t fd = VAS_CALL(sys, open, "/proc/self/mem", O_RDONLY);
	int err;

	if (fd < 0)
		return copy_touch(sys, piece->start, to, size, piece->prot);
	err = vas_fork_copy_pages(sys, (int)fd, piece->start, to, size);
	(void)VAS_CALL(sys, close, (int)fd);
	return err;
}

/* The number of what a copy is backed by: anonymous memory, with the policy that the part had. */
static int copy_backing(struct vas_space *space, struct vas_holding *holding,
			const struct vas_extent *piece, uint32_t *number)
{
	struct vas_backing backing =
		vas_backings_get(&holding->backings, piece->backing, piece->delta);

	*number = 0;
	if (!backing.policy)
		return 0;
	backing = (struct vas_backing){
		.ops = &vas_backing_anonymous,
		.fd = -1,
		.policy = backing.policy,
	};
	return vas_backings_number(&holding->backings, &holding->extents, &space->pages, &backing,
				   number);
}

/* The policy that the memory of a part has. */
static const struct vas_policy *copy_policy(const struct vas_holding *holding,
					    const struct vas_extent *piece)
{
	const struct vas_backing backing =
		vas_backings_get(&holding->backings, piece->backing, piece->delta);

	return vas_part_policy(holding, &backing);
}

/* Everything that the part has apart from its bytes. */
static int copy_dress(struct vas_space *space, const struct vas_holding *holding,
		      const struct vas_extent *piece, uint64_t to)
{
	uint64_t size = piece->end - piece->start;
	struct vas_sys *sys = space->sys;
	uint32_t recipe = holding->recipe;
	int err;

	if (piece->flags & VAS_COMMIT_NOHUGE)
		recipe |= VAS_RECIPE_NOHUGE;
	else if ((piece->flags & VAS_COMMIT_HUGE) && !(recipe & VAS_RECIPE_NOHUGE))
		(void)VAS_CALL(sys, advise, to, size, MADV_HUGEPAGE);
	err = vas_space_apply_recipe(space, to, size, recipe);
	if (err)
		return err;
	return (int)VAS_CALL(sys, protect, to, size, (int)piece->prot);
}

static int copy_aside(struct vas_space *space, const struct vas_holding *holding,
		      const struct vas_extent *piece, uint64_t to)
{
	struct vas_span span = { to, piece->end - piece->start };
	int64_t got;
	int err;

	err = vas_policy_apply(space->sys, span, copy_policy(holding, piece));
	if (!err)
		err = copy_bytes(space->sys, piece, to);
	if (!err)
		err = copy_dress(space, holding, piece, to);
	if (err)
		return err;
	got = VAS_CALL(space->sys, move, to, span.size, span.size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       piece->start);
	VAS_ASSERT(got < 0 || (uint64_t)got == piece->start);
	return got < 0 ? (int)got : 0;
}

static int copy_committed(struct vas_space *space, struct vas_holding *holding,
			  const struct vas_extent *piece)
{
	struct vas_span range = { piece->start, piece->end - piece->start };
	struct vas_extent copy = {
		.state = VAS_PART_COMMITTED,
		.prot = piece->prot,
		.flags = piece->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE),
	};
	int64_t to;
	int err = copy_backing(space, holding, piece, &copy.backing);

	if (err)
		return err;
	to = VAS_CALL(space->sys, map, 0, range.size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to < 0)
		return (int)to;
	err = copy_aside(space, holding, piece, (uint64_t)to);
	if (err) {
		vas_strays_drop(space->sys, (uint64_t)to, range.size);
		return err;
	}
	vas_space_set_part(space, holding, range, &copy);
	return 0;
}

/* Nobody could read it, so there is nothing to copy: memory that is empty, and closed. */
static int copy_guarded(struct vas_space *space, struct vas_holding *holding,
			const struct vas_extent *piece)
{
	struct vas_span range = { piece->start, piece->end - piece->start };
	struct vas_extent copy = {
		.state = VAS_PART_GUARD,
		.prot = piece->prot,
		.flags = VAS_EXTENT_CLOSED |
			 (piece->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE)),
	};
	int64_t got;
	int err = copy_backing(space, holding, piece, &copy.backing);

	if (err)
		return err;
	/* Charged as what was committed is. */
	got = VAS_CALL(space->sys, map, range.start, range.size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (got < 0)
		return (int)got;
	err = vas_space_apply_recipe(space, range.start, range.size, holding->recipe);
	if (!err)
		err = vas_policy_apply(space->sys, range, copy_policy(holding, piece));
	vas_space_set_part(space, holding, range, &copy);
	return err;
}

int vas_fork_copy(struct vas_space *space, struct vas_holding *holding,
		  const struct vas_extent *piece)
{
	struct vas_span range = { piece->start, piece->end - piece->start };
	bool replaced;
	int err;

	if (piece->state == VAS_PART_COMMITTED)
		return copy_committed(space, holding, piece);
	if (piece->state == VAS_PART_GUARD)
		return copy_guarded(space, holding, piece);
	/* Freed: the parent gives back what is left of it. */
	err = vas_part_restore(space, holding, range, &replaced);
	if (!err)
		vas_space_set_part(space, holding, range, NULL);
	return err;
}
