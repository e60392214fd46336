/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's madvise, and PR_SET_VMA, which Linux builds on it.
 *
 * A walk over the mappings of a range: holes do not stop it, but make the
 * answer -ENOMEM at the end. A mapping that refuses stops it, and what was done
 * before stays done. A split that the limit of mappings forbids is -EAGAIN.
 *
 * Populating stops at the first hole (-ENOMEM) or the first mapping without
 * the access (-EINVAL).
 *
 * Advice that takes bytes away or puts guards in is done at once, page tables
 * and not mappings being what it changes: it never splits.
 *
 * Concurrency: the caller holds the simulator's lock. Not modelled: contents,
 * memory failure, collapsing, same-page merging, reclaim (MADV_FREE frees
 * nothing).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "sys/sim_vma.h"

static bool advice_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case MADV_DONTNEED_LOCKED:
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
		return true;
	default:
		return false;
	}
}

/* The state bits after this advice. */
static uint32_t advice_bits(uint32_t bits, int advice)
{
	switch (advice) {
	case MADV_NORMAL:
		return bits & ~(VAS_SIM_RANDOM | VAS_SIM_SEQUENTIAL);
	case MADV_RANDOM:
		return (bits & ~VAS_SIM_SEQUENTIAL) | VAS_SIM_RANDOM;
	case MADV_SEQUENTIAL:
		return (bits & ~VAS_SIM_RANDOM) | VAS_SIM_SEQUENTIAL;
	case MADV_DONTFORK:
		return bits | VAS_SIM_DONTFORK;
	case MADV_DOFORK:
		return bits & ~VAS_SIM_DONTFORK;
	case MADV_WIPEONFORK:
		return bits | VAS_SIM_WIPEONFORK;
	case MADV_KEEPONFORK:
		return bits & ~VAS_SIM_WIPEONFORK;
	case MADV_DONTDUMP:
		return bits | VAS_SIM_DONTDUMP;
	case MADV_DODUMP:
		return bits & ~VAS_SIM_DONTDUMP;
	case MADV_HUGEPAGE:
		return (bits & ~VAS_SIM_NOHUGEPAGE) | VAS_SIM_HUGEPAGE;
	case MADV_NOHUGEPAGE:
		return (bits & ~VAS_SIM_HUGEPAGE) | VAS_SIM_NOHUGEPAGE;
	default:
		return bits;
	}
}

/* Which advice a driver's mapping refuses: what is about its pages, or makes them ordinary. */
static bool advice_driver_refuses(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
	case MADV_DOFORK:
	case MADV_DODUMP:
		return true;
	default:
		return false;
	}
}

/* Whether mlocked memory, or huge pages, refuse it. */
static bool advice_locked_refuses(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_COLD ||
	       advice == MADV_PAGEOUT || advice == MADV_GUARD_INSTALL || advice == MADV_REMOVE;
}

static bool advice_huge_refuses(int advice)
{
	return advice == MADV_FREE || advice == MADV_COLD || advice == MADV_PAGEOUT ||
	       advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE;
}

static int advice_remove_refusal(const struct vas_sim_mapping *mapping,
				 const struct vas_sim_object *object)
{
	if (vas_sim_is_anonymous(mapping))
		return -EINVAL;
	if (!(mapping->flags & MAP_SHARED) || (mapping->flags & VAS_SIM_NO_WRITE))
		return -EACCES;
	return object && object->kind == VAS_SYS_KIND_OTHER ? -ENODEV : 0;
}

/* What this mapping says to this advice from address on, before its state bits change. */
static int advice_refusal(struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping,
			  uint64_t address, int advice)
{
	const struct vas_sim_object *object = vas_sim_object_of(sim, mapping);
	bool huge = object && object->kind == VAS_SYS_KIND_HUGETLB;

	if ((mapping->flags & VAS_SIM_SPECIAL) && advice != MADV_NORMAL && advice != MADV_RANDOM &&
	    advice != MADV_SEQUENTIAL && advice != MADV_WILLNEED && advice != MADV_DONTDUMP)
		return -EINVAL;
	if ((mapping->flags & VAS_SIM_DRIVER) && advice_driver_refuses(advice))
		return -EINVAL;
	if (huge && advice_huge_refuses(advice))
		return -EINVAL;
	if (!huge && (mapping->flags & VAS_SIM_LOCKED) && advice_locked_refuses(advice))
		return -EINVAL;
	switch (advice) {
	case MADV_FREE:
		return vas_sim_is_anonymous(mapping) ? 0 : -EINVAL;
	case MADV_WIPEONFORK:
		return (mapping->flags & MAP_SHARED) || mapping->fd >= 0 ? -EINVAL : 0;
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		return huge && address % object->page_size != 0 ? -EINVAL : 0;
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
		return sim->config.no_object_guards && !vas_sim_is_anonymous(mapping) ? -EINVAL : 0;
	case MADV_REMOVE:
		return advice_remove_refusal(mapping, object);
	default:
		return 0;
	}
}

/* What the advice does to the pages of [start, end), within the mapping at index. */
static void advice_pages(struct vas_sys_sim *sim, size_t index, uint64_t start, uint64_t end,
			 int advice)
{
	struct vas_sim_mapping *mapping = &sim->mappings[index];
	struct vas_sim_object *object = vas_sim_object_of(sim, mapping);

	switch (advice) {
	case MADV_GUARD_INSTALL:
		if (vas_sim_is_anonymous(mapping))
			vas_sim_prepare_anon(sim, index);
		vas_sim_pages_add(&sim->guards, start, end);
		vas_sim_pages_remove(&sim->private_pages, start, end);
		break;
	case MADV_GUARD_REMOVE:
		vas_sim_pages_remove(&sim->guards, start, end);
		break;
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		if (object)
			end -= end % object->page_size;
		vas_sim_pages_remove(&sim->private_pages, start, end);
		break;
	case MADV_REMOVE:
		if (object)
			vas_sim_object_punch(sim, object,
					     mapping->offset + (start - mapping->start),
					     mapping->offset + (end - mapping->start));
		break;
	default:
		break;
	}
}

struct advice_walk {
	int advice; /* -1: a name */
	const char *name;
};

/* One mapping's part [start, end). */
static int advice_apply(struct vas_sys_sim *sim, size_t *index, uint64_t start, uint64_t end,
			const struct advice_walk *walk)
{
	struct vas_sim_mapping wanted = sim->mappings[*index];
	int error;

	if (walk->advice < 0) {
		if (wanted.fd >= 0)
			return -EBADF;
		if (wanted.name == walk->name)
			return 0;
		wanted.name = walk->name;
	} else {
		error = advice_refusal(sim, &wanted, start, walk->advice);
		if (error)
			return error;
		advice_pages(sim, *index, start, end, walk->advice);
		wanted.advice = advice_bits(wanted.advice, walk->advice);
		if (wanted.advice == sim->mappings[*index].advice)
			return 0;
	}
	error = vas_sim_modify(sim, index, start, end, &wanted);
	return error == -ENOMEM ? -EAGAIN : error;
}

static int64_t advice_walk(struct vas_sys_sim *sim, uint64_t start, uint64_t end,
			   const struct advice_walk *walk)
{
	int64_t result = 0;

	while (start < end) {
		size_t index = vas_sim_find(sim, start);
		uint64_t stop;
		int error;

		if (index == sim->count)
			return -ENOMEM;
		if (sim->mappings[index].start > start) {
			result = -ENOMEM;
			start = sim->mappings[index].start;
			if (start >= end)
				break;
		}
		stop = sim->mappings[index].end < end ? sim->mappings[index].end : end;
		error = advice_apply(sim, &index, start, stop, walk);
		if (error)
			return error;
		start = sim->mappings[index].end > stop ? sim->mappings[index].end : stop;
	}
	return result;
}

static int64_t advice_populate(struct vas_sys_sim *sim, uint64_t start, uint64_t end, int advice)
{
	uint32_t access = advice == MADV_POPULATE_WRITE ? PROT_WRITE : PROT_READ;

	while (start < end) {
		size_t index = vas_sim_find(sim, start);
		const struct vas_sim_mapping *mapping = &sim->mappings[index];
		uint64_t stop, done;
		int error;

		if (index == sim->count || mapping->start > start)
			return -ENOMEM;
		if (!(mapping->prot & access) ||
		    (mapping->flags & (VAS_SIM_SPECIAL | VAS_SIM_DRIVER)))
			return -EINVAL;
		stop = mapping->end < end ? mapping->end : end;
		error = vas_sim_access(sim, index, start, stop, access == PROT_WRITE, &done);
		if (error)
			return error;
		start = stop;
	}
	return 0;
}

int64_t vas_sim_advise(struct vas_sys_sim *sim, uint64_t address, uint64_t size, int advice)
{
	struct advice_walk walk = { .advice = advice, .name = NULL };
	uint64_t whole = vas_sim_page_align(sim, size);

	if (sim->config.ignores_advice && advice != MADV_DONTNEED)
		return 0;
	if (sim->config.no_guards && (advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE))
		return -EINVAL;
	if (!advice_known(advice) || !vas_sim_is_aligned(sim, address) || (size && !whole) ||
	    address + whole < address)
		return -EINVAL;
	if (!whole)
		return 0;
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return advice_populate(sim, address, address + whole, advice);
	return advice_walk(sim, address, address + whole, &walk);
}

static bool name_allowed(const char *name)
{
	size_t length = strlen(name);

	if (length >= VAS_ANON_NAME_SIZE)
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] < 0x20 || name[i] > 0x7e || memchr("\\`$[]", name[i], 5))
			return false;
	return true;
}

/* The one copy of this name; NULL when all places are taken. */
static const char *name_intern(struct vas_sys_sim *sim, const char *name)
{
	for (size_t i = 0; i < VAS_SIM_NAMES; i++) {
		if (!sim->names[i][0])
			memcpy(sim->names[i], name, strlen(name) + 1);
		if (!strcmp(sim->names[i], name))
			return sim->names[i];
	}
	return NULL;
}

int64_t vas_sim_set_name(struct vas_sys_sim *sim, uint64_t address, uint64_t size, const char *name)
{
	struct advice_walk walk = { .advice = -1, .name = NULL };
	uint64_t whole = vas_sim_page_align(sim, size);

	if (sim->config.no_names || (name && !name_allowed(name)))
		return -EINVAL;
	if (!vas_sim_is_aligned(sim, address) || (size && !whole) || address + whole < address)
		return -EINVAL;
	if (!whole)
		return 0;
	if (name && *name) {
		walk.name = name_intern(sim, name);
		if (!walk.name)
			return -ENOMEM;
	}
	return advice_walk(sim, address, address + whole, &walk);
}

/* Gives one mapping's part the flag of mlock, or takes it. */
static int lock_part(struct vas_sys_sim *sim, size_t *index, uint64_t start, uint64_t end,
		     bool lock)
{
	struct vas_sim_mapping wanted = sim->mappings[*index];
	const struct vas_sim_object *object = vas_sim_object_of(sim, &wanted);
	uint32_t before = wanted.flags;

	wanted.flags = lock ? before | VAS_SIM_LOCKED : before & ~VAS_SIM_LOCKED;
	if (wanted.flags == before || (before & (VAS_SIM_SPECIAL | VAS_SIM_DRIVER)) ||
	    (object && object->kind == VAS_SYS_KIND_HUGETLB))
		return 0;
	return vas_sim_modify(sim, index, start, end, &wanted);
}

int64_t vas_sys_sim_lock_pages(struct vas_sys_sim *sim, uint64_t address, uint64_t size, bool lock)
{
	uint64_t end = address + vas_sim_page_align(sim, size);
	int error = 0;

	vas_lock_take(&sim->lock);
	while (!error && address < end) {
		size_t index = vas_sim_find(sim, address);
		uint64_t stop;

		if (index == sim->count || sim->mappings[index].start > address) {
			error = -ENOMEM;
			break;
		}
		stop = sim->mappings[index].end < end ? sim->mappings[index].end : end;
		error = lock_part(sim, &index, address, stop, lock);
		address = stop;
	}
	vas_lock_drop(&sim->lock);
	return error;
}
