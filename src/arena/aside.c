/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory aside.
 *
 * WHAT FOR. What comes to the place of live pages must be whole before: mapped, advised, protected, populated.
 *
 * STRATEGY. One mapping wherever the kernel has room, which it becomes nobody's business to know of. So nothing that is refused
 * can touch what is there already, and moving it leaves nothing behind.
 *
 * CONCURRENCY. None of its own. The caller holds a pin, so no child is forked while a mapping has no recipe.
 *
 * WHAT IT DOES NOT DO. It keeps no books: the caller gives it back (sys/strays.h).
 */
#include "arena/aside.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/number.h"
#include "space/fork.h"
#include "space/policy.h"
#include "space/populate.h"

/* What the kernel moves by one entry of its tables, when both places lie alike. */
#define TABLE (UINT64_C(2) << 20)

/* Anywhere: the address, or -errno. */
static int64_t aside_map(struct vas_sys *sys, const struct vas_backing *backing, uint64_t size,
			 int prot, uint64_t offset)
{
	int flags = backing->flags & VAS_COMMIT_SHARED ? MAP_SHARED : MAP_PRIVATE;

	if (vas_backing_is_anonymous(backing))
		return VAS_CALL(sys, map, 0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (backing->kind == VAS_SYS_KIND_HUGETLB)
		flags |= MAP_NORESERVE;
	return VAS_CALL(sys, map, 0, size, prot, flags, backing->fd, offset);
}

/* The same, lying to the kernel's tables as the range does. */
static int64_t aside_map_alike(struct vas_sys *sys, struct vas_span range)
{
	const struct vas_backing *backing = &vas_backings_anonymous;
	int prot = PROT_READ | PROT_WRITE;
	int64_t got = aside_map(sys, backing, range.size, prot, 0);
	uint64_t start, before, size;

	if (got < 0 || range.size < TABLE || ((uint64_t)got - range.start) % TABLE == 0 ||
	    !vas_add(range.size, TABLE, &size))
		return got;
	vas_strays_drop(sys, (uint64_t)got, range.size);
	got = aside_map(sys, backing, size, prot, 0);
	if (got < 0)
		return got;
	before = (range.start - (uint64_t)got) % TABLE;
	start = (uint64_t)got + before;
	if (before)
		vas_strays_drop(sys, (uint64_t)got, before);
	vas_strays_drop(sys, start + range.size, TABLE - before);
	return (int64_t)start;
}

/* All that is said about it, before there is a page. */
static int aside_advise(struct vas_space *space, struct vas_span aside,
			const struct vas_part_content *content, uint32_t recipe, int prot)
{
	const struct vas_policy *policy =
		content->policy.mode == VAS_POLICY_DEFAULT ? NULL : &content->policy;
	struct vas_sys *sys = space->sys;
	int err;

	recipe |= vas_fork_recipe(&content->backing);
	if (content->flags & VAS_COMMIT_NOHUGE)
		recipe |= VAS_RECIPE_NOHUGE;
	if ((content->flags & VAS_COMMIT_HUGE) && !(recipe & VAS_RECIPE_NOHUGE))
		/* Advice: a kernel without huge pages answers EINVAL, and no harm is done. */
		(void)VAS_CALL(sys, advise, aside.start, aside.size, MADV_HUGEPAGE);
	err = vas_space_apply_recipe(space, aside.start, aside.size, recipe);
	if (!err)
		err = vas_policy_apply(sys, aside, policy);
	if (!err && content->backing.kind == VAS_SYS_KIND_HUGETLB)
		err = (int)VAS_CALL(sys, protect, aside.start, aside.size, prot);
	return err < 0 ? err : 0;
}

int vas_aside_make(struct vas_space *space, struct vas_span range,
		   const struct vas_part_content *content, uint32_t recipe, int prot,
		   struct vas_failure *failure, uint64_t *made)
{
	const struct vas_backing *backing = &content->backing;
	bool huge = backing->kind == VAS_SYS_KIND_HUGETLB;
	struct vas_span aside = { 0, range.size };
	int64_t got;
	int err;

	/* A writable mapping of huge pages would make their object larger. */
	got = vas_backing_is_anonymous(backing) ?
		      aside_map_alike(space->sys, range) :
		      aside_map(space->sys, backing, range.size, huge ? PROT_NONE : prot,
				range.start + backing->delta);
	if ((got == -EINVAL || got == -ENODEV) && !vas_backing_is_anonymous(backing)) {
		failure->why = VAS_WHY_OBJECT;
		return -EOPNOTSUPP;
	}
	if (got < 0)
		return (int)got;
	aside.start = (uint64_t)got;
	err = aside_advise(space, aside, content, recipe, prot);
	if (!err)
		err = vas_populate(space, backing, aside, prot, true, failure);
	if (err)
		vas_strays_drop(space->sys, aside.start, aside.size);
	else
		*made = aside.start;
	return err;
}

void vas_aside_copy_bytes(uint64_t to, struct vas_span from)
{
	memcpy(vas_span_pointer((struct vas_span){ to, from.size }), vas_span_pointer(from),
	       from.size);
	/* The compiler must not put it off beyond a call that shows it at another address. */
	__asm__ volatile("" ::: "memory");
}

int vas_aside_copy(struct vas_space *space, struct vas_span range,
		   const struct vas_part_content *content, uint32_t recipe,
		   struct vas_failure *failure, uint64_t *aside)
{
	int err = vas_aside_make(space, range, content, recipe, PROT_READ | PROT_WRITE, failure,
				 aside);

	if (!err)
		vas_aside_copy_bytes(*aside, range);
	return err;
}
