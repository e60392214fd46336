/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's mappings: a sorted array, with Linux's rules for
 * splitting and merging (mm/vma.c of 6.18).
 *
 * Two neighbours merge when protection, flags, advice, name and file agree,
 * offsets are in step, and their anon_vmas are the same or one has none yet.
 * Merging happens only where a call works: a new mapping looks at both sides
 * (vas_sim_add), a changed range at the sides it reaches (vas_sim_modify).
 * So neighbours that could merge may stand apart, as in the kernel.
 *
 * Offsets are bytes. Private anonymous memory has its address as offset, so
 * that it is always in step.
 *
 * Concurrency: the caller holds the simulator's lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "sys/sim_vma.h"

size_t vas_sim_find(const struct vas_sys_sim *sim, uint64_t address)
{
	size_t low = 0, high = sim->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sim->mappings[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool vas_sim_overlaps(const struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	size_t index = vas_sim_find(sim, start);

	return index < sim->count && sim->mappings[index].start < end;
}

int vas_sim_room(struct vas_sys_sim *sim, size_t count)
{
	struct vas_sys *real = vas_sys_real();
	size_t capacity = sim->capacity ? sim->capacity : 256;
	size_t each = sizeof(*sim->mappings);
	int64_t got;

	while (capacity < sim->count + count)
		capacity *= 2;
	if (capacity == sim->capacity)
		return 0;
	got = real->map(real, 0, capacity * each, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (got < 0)
		return -ENOMEM;
	if (sim->mappings) {
		memcpy((void *)(uintptr_t)got, sim->mappings, sim->count * each);
		(void)real->unmap(real, (uintptr_t)sim->mappings, sim->capacity * each);
	}
	sim->mappings = (struct vas_sim_mapping *)(uintptr_t)got;
	sim->capacity = capacity;
	return 0;
}

void vas_sim_insert(struct vas_sys_sim *sim, size_t index, const struct vas_sim_mapping *mapping)
{
	struct vas_sim_mapping copy = *mapping;

	VAS_ASSERT(sim->count < sim->capacity && index <= sim->count);
	memmove(&sim->mappings[index + 1], &sim->mappings[index],
		(sim->count - index) * sizeof(copy));
	sim->mappings[index] = copy;
	sim->count++;
}

static void sim_erase(struct vas_sys_sim *sim, size_t index, size_t count)
{
	memmove(&sim->mappings[index], &sim->mappings[index + count],
		(sim->count - index - count) * sizeof(sim->mappings[0]));
	sim->count -= count;
}

/* Cuts the mapping at index in two at address. */
static int sim_split(struct vas_sys_sim *sim, size_t index, uint64_t address)
{
	struct vas_sim_object *object = vas_sim_object_of(sim, &sim->mappings[index]);
	struct vas_sim_mapping upper;
	int error = vas_sim_room(sim, 1);

	if (error)
		return error;
	/* The mapping's owner is asked: a driver says no, hugetlbfs unless whole pages come out. */
	if (object && (object->kind == VAS_SYS_KIND_OTHER || address % object->page_size != 0))
		return -EINVAL;
	upper = sim->mappings[index];
	VAS_ASSERT(upper.start < address && address < upper.end);
	upper.offset += address - upper.start;
	upper.start = address;
	sim->mappings[index].end = address;
	vas_sim_insert(sim, index + 1, &upper);
	return 0;
}

/* The same where the caller is not munmap, which may go one above the limit to free something. */
static int sim_split_limited(struct vas_sys_sim *sim, size_t index, uint64_t address)
{
	if (sim->count >= sim->config.max_map_count)
		return -ENOMEM;
	return sim_split(sim, index, address);
}

int vas_sim_gather(struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	size_t index = vas_sim_find(sim, start);
	struct vas_sim_mapping *first = &sim->mappings[index];
	int error;

	if (index == sim->count || first->start >= end)
		return 0;
	if (start > first->start) {
		if (end < first->end && sim->count >= sim->config.max_map_count)
			return -ENOMEM;
		error = sim_split(sim, index, start);
		if (error)
			return error;
	}
	index = vas_sim_find(sim, end - 1);
	if (index < sim->count && sim->mappings[index].start < end &&
	    sim->mappings[index].end > end)
		return sim_split(sim, index, end);
	return 0;
}

void vas_sim_remove(struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	size_t first = vas_sim_find(sim, start);
	size_t last = first;

	while (last < sim->count && sim->mappings[last].start < end) {
		VAS_ASSERT(sim->mappings[last].start >= start && sim->mappings[last].end <= end);
		sim->address_used -= sim->mappings[last].end - sim->mappings[last].start;
		last++;
	}
	sim_erase(sim, first, last - first);
	vas_sim_pages_remove(&sim->private_pages, start, end);
	vas_sim_pages_remove(&sim->guards, start, end);
}

static bool sim_alike(const struct vas_sim_mapping *a, const struct vas_sim_mapping *b)
{
	return !((a->flags | b->flags) & (VAS_SIM_SPECIAL | VAS_SIM_DRIVER | VAS_SIM_HUGETLB)) &&
	       a->prot == b->prot && a->flags == b->flags && a->advice == b->advice &&
	       a->policy == b->policy && a->fd == b->fd && a->object == b->object &&
	       a->name == b->name;
}

static bool sim_anon_agrees(uint64_t a, uint64_t b)
{
	return a == 0 || b == 0 || a == b;
}

/* Whether b can be appended to a as one mapping. */
static bool sim_in_step(const struct vas_sim_mapping *a, const struct vas_sim_mapping *b)
{
	return a->end == b->start && sim_alike(a, b) &&
	       a->offset + (a->end - a->start) == b->offset && sim_anon_agrees(a->anon, b->anon);
}

/* Which sides of range, as a mapping between index - 1 and next, can take it in. */
static void sim_sides(const struct vas_sys_sim *sim, const struct vas_sim_mapping *range,
		      const struct vas_sim_mapping *before, const struct vas_sim_mapping *after,
		      bool *left, bool *right)
{
	(void)sim;
	*left = before && sim_in_step(before, range);
	*right = after && sim_in_step(range, after) &&
		 (!*left || sim_anon_agrees(before->anon, after->anon));
}

void vas_sim_add(struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping)
{
	size_t index = vas_sim_find(sim, mapping->start);
	struct vas_sim_mapping *before = index > 0 ? &sim->mappings[index - 1] : NULL;
	struct vas_sim_mapping *after = index < sim->count ? &sim->mappings[index] : NULL;
	bool left, right;

	sim_sides(sim, mapping, before, after, &left, &right);
	sim->address_used += mapping->end - mapping->start;
	if (left && right) {
		before->end = after->end;
		if (!before->anon)
			before->anon = after->anon;
		sim_erase(sim, index, 1);
	} else if (left) {
		before->end = mapping->end;
	} else if (right) {
		after->offset -= mapping->end - mapping->start;
		after->start = mapping->start;
	} else {
		vas_sim_insert(sim, index, mapping);
	}
}

/* Moves the boundary between index and index + 1, dropping the one that becomes empty. */
static void sim_move_boundary(struct vas_sys_sim *sim, size_t index, uint64_t boundary)
{
	struct vas_sim_mapping *lower = &sim->mappings[index];
	struct vas_sim_mapping *upper = &sim->mappings[index + 1];

	upper->offset += boundary - upper->start;
	upper->start = boundary;
	lower->end = boundary;
	if (upper->start == upper->end)
		sim_erase(sim, index + 1, 1);
	else if (lower->start == lower->end)
		sim_erase(sim, index, 1);
}

/* Merges [start, end) of the mapping at *index, as range, with a neighbour. False: cannot. */
static bool sim_merge_range(struct vas_sys_sim *sim, size_t *index,
			    const struct vas_sim_mapping *range)
{
	struct vas_sim_mapping *middle = &sim->mappings[*index];
	bool at_left = range->start == middle->start && *index > 0;
	bool at_right = range->end == middle->end && *index + 1 < sim->count;
	struct vas_sim_mapping *before = at_left ? middle - 1 : NULL;
	struct vas_sim_mapping *after = at_right ? middle + 1 : NULL;
	bool left, right;

	sim_sides(sim, range, before, after, &left, &right);
	if (left && !before->anon)
		before->anon = right && after->anon ? after->anon : middle->anon;
	if (right && !left && !after->anon)
		after->anon = middle->anon;
	if (left && right) {
		before->end = after->end;
		sim_erase(sim, *index, 2);
		--*index;
	} else if (left) {
		sim_move_boundary(sim, *index - 1, range->end);
		--*index;
	} else if (right) {
		bool whole = range->start == middle->start;

		sim_move_boundary(sim, *index, range->start);
		*index += whole ? 0 : 1;
	}
	return left || right;
}

int vas_sim_modify(struct vas_sys_sim *sim, size_t *index, uint64_t start, uint64_t end,
		   const struct vas_sim_mapping *wanted)
{
	struct vas_sim_mapping range = sim->mappings[*index];
	int error;

	range.prot = wanted->prot;
	range.flags = wanted->flags;
	range.advice = wanted->advice;
	range.policy = wanted->policy;
	range.name = wanted->name;
	range.offset += start - range.start;
	range.start = start;
	range.end = end;
	if (sim_merge_range(sim, index, &range))
		return 0;
	if (sim->mappings[*index].start < start) {
		error = sim_split_limited(sim, *index, start);
		if (error)
			return error;
		++*index;
	}
	if (sim->mappings[*index].end > end) {
		error = sim_split_limited(sim, *index, end);
		if (error)
			return error;
	}
	sim->mappings[*index].prot = range.prot;
	sim->mappings[*index].flags = range.flags;
	sim->mappings[*index].advice = range.advice;
	sim->mappings[*index].policy = range.policy;
	sim->mappings[*index].name = range.name;
	return 0;
}

/* Whether a neighbour's anon_vma will do: Linux reuses it when only protection keeps them apart. */
static bool sim_anon_compatible(const struct vas_sim_mapping *a, const struct vas_sim_mapping *b)
{
	return a->end == b->start && a->fd == b->fd && a->object == b->object &&
	       a->flags == b->flags && a->advice == b->advice && a->policy == b->policy &&
	       a->offset + (a->end - a->start) == b->offset;
}

void vas_sim_prepare_anon(struct vas_sys_sim *sim, size_t index)
{
	struct vas_sim_mapping *mapping = &sim->mappings[index];

	if (mapping->anon)
		return;
	if (index + 1 < sim->count && sim_anon_compatible(mapping, mapping + 1))
		mapping->anon = (mapping + 1)->anon;
	if (!mapping->anon && index > 0 && sim_anon_compatible(mapping - 1, mapping))
		mapping->anon = (mapping - 1)->anon;
	if (!mapping->anon)
		mapping->anon = ++sim->last_anon;
}
