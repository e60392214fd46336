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
 * Concurrency: the caller holds the simulator's lock. Not modelled: contents,
 * guards as such (installing one gives anonymous memory an anon_vma, and populating over it
 * succeeds), memory failure, collapsing, same-page merging, mlock.
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

/* What this mapping says to this advice, before its state bits change. */
static int advice_refusal(const struct vas_sim_mapping *mapping, int advice)
{
	bool shared = (mapping->flags & MAP_SHARED) != 0;

	if ((mapping->flags & VAS_SIM_SPECIAL) && advice != MADV_NORMAL && advice != MADV_RANDOM &&
	    advice != MADV_SEQUENTIAL && advice != MADV_WILLNEED && advice != MADV_DONTDUMP)
		return -EINVAL;
	switch (advice) {
	case MADV_FREE:
		return vas_sim_is_anonymous(mapping) ? 0 : -EINVAL;
	case MADV_WIPEONFORK:
		return shared || mapping->fd >= 0 ? -EINVAL : 0;
	case MADV_REMOVE:
		if (vas_sim_is_anonymous(mapping))
			return -EINVAL;
		return shared ? 0 : -EACCES;
	default:
		return 0;
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
		error = advice_refusal(&wanted, walk->advice);
		if (error)
			return error;
		if (walk->advice == MADV_GUARD_INSTALL && vas_sim_is_anonymous(&wanted))
			vas_sim_prepare_anon(sim, *index);
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
		struct vas_sim_mapping *mapping = &sim->mappings[index];

		if (index == sim->count || mapping->start > start)
			return -ENOMEM;
		if (!(mapping->prot & access) || (mapping->flags & VAS_SIM_SPECIAL))
			return -EINVAL;
		if (advice == MADV_POPULATE_WRITE && !(mapping->flags & MAP_SHARED))
			vas_sim_prepare_anon(sim, index);
		start = mapping->end;
	}
	return 0;
}

int64_t vas_sim_advise(struct vas_sys_sim *sim, uint64_t address, uint64_t size, int advice)
{
	struct advice_walk walk = { .advice = advice, .name = NULL };
	uint64_t whole = vas_sim_page_align(sim, size);

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
