/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's choice of addresses: get_unmapped_area of Linux 6.18
 * as x86-64 has it, for every width.
 *
 *  - MAP_FIXED: the address as it stands, checked afterwards.
 *  - A hint is rounded down to a page (and up to mmap_min_addr). It is taken
 *    when the range is free, stack guard gap of the mapping above included, and
 *    lies wholly below or wholly above the end of the default window.
 *  - Otherwise the highest gap below mmap_base that is large enough, top end
 *    first; from the end of user space when the hint was above the window.
 *    Anonymous private memory without a hint whose size is whole huge pages is
 *    looked for with one huge page to spare, and aligned.
 *  - When that finds nothing: bottom-up from legacy_base.
 *
 * A growing stack is the mapping above; gaps below one shrink by the guard gap.
 *
 * Concurrency: the caller holds the simulator's lock. Not modelled: MAP_32BIT,
 * MAP_ABOVE4G, shadow stacks, huge shared memory.
 */
#include <errno.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "sys/sim_vma.h"

static uint64_t place_gap_start(const struct vas_sys_sim *sim,
				const struct vas_sim_mapping *mapping)
{
	uint64_t gap = VAS_STACK_GUARD_PAGES * sim->sys.page_size;

	if (!(mapping->flags & MAP_GROWSDOWN))
		return mapping->start;
	return mapping->start > gap ? mapping->start - gap : 0;
}

static bool place_hint_free(const struct vas_sys_sim *sim, uint64_t address, uint64_t size)
{
	size_t index = vas_sim_find(sim, address);

	return index == sim->count || address + size <= place_gap_start(sim, &sim->mappings[index]);
}

/* The top of the highest range in [low, high) that holds size, guard gaps included; 0 = none. */
static uint64_t place_highest(const struct vas_sys_sim *sim, uint64_t size, uint64_t low,
			      uint64_t high)
{
	size_t index = vas_sim_find(sim, high - 1);

	if (index < sim->count && sim->mappings[index].start < high)
		high = sim->mappings[index].start;
	/* high is the top of free space, and index - 1 the mapping below it. */
	while (high > low) {
		uint64_t bottom = low;

		if (index > 0 && sim->mappings[index - 1].end > bottom)
			bottom = sim->mappings[index - 1].end;
		if (high > bottom && high - bottom >= size)
			return high;
		if (index == 0)
			return 0;
		high = sim->mappings[--index].start;
	}
	return 0;
}

/* The start of the lowest one; 0 = none. */
static uint64_t place_lowest(const struct vas_sys_sim *sim, uint64_t size, uint64_t low,
			     uint64_t high)
{
	for (size_t index = vas_sim_find(sim, low);; index++) {
		uint64_t top = high;

		if (index < sim->count && sim->mappings[index].start < top)
			top = sim->mappings[index].start;
		if (top > low && top - low >= size)
			return low;
		if (index == sim->count || sim->mappings[index].end >= high)
			return 0;
		if (sim->mappings[index].end > low)
			low = sim->mappings[index].end;
	}
}

/*
 * Where a stack's guard gap spoils the range that was found, Linux goes on
 * below the gap, past smaller mappings and good ranges that lie within it.
 */
static uint64_t place_top_down(const struct vas_sys_sim *sim, uint64_t size, uint64_t low,
			       uint64_t high)
{
	for (;;) {
		uint64_t top = high > low ? place_highest(sim, size, low, high) : 0;
		size_t index = vas_sim_find(sim, top);

		if (!top)
			return 0;
		if (index == sim->count || place_gap_start(sim, &sim->mappings[index]) >= top)
			return top - size;
		high = place_gap_start(sim, &sim->mappings[index]);
	}
}

static uint64_t place_bottom_up(const struct vas_sys_sim *sim, uint64_t size, uint64_t low,
				uint64_t high)
{
	for (;;) {
		uint64_t start = high > low ? place_lowest(sim, size, low, high) : 0;
		size_t index = vas_sim_find(sim, start);

		if (!start)
			return 0;
		if (index == sim->count || !(sim->mappings[index].flags & MAP_GROWSDOWN) ||
		    place_gap_start(sim, &sim->mappings[index]) >= start + size - 1)
			return start;
		low = sim->mappings[index].end;
	}
}

static int64_t place_search(const struct vas_sys_sim *sim, uint64_t hint, uint64_t size,
			    uint64_t alignment)
{
	uint64_t wide = size + alignment - sim->sys.page_size;
	uint64_t low = sim->config.min_address > sim->sys.page_size ? sim->config.min_address
								    : sim->sys.page_size;
	uint64_t high = sim->mmap_base;
	uint64_t end = sim->window_end;
	uint64_t found;

	if (hint > sim->window_end) {
		high += sim->task_size - sim->window_end;
		end = sim->task_size;
	}
	found = high > low ? place_top_down(sim, wide, low, high) : 0;
	if (found)
		return (int64_t)((found + wide - size) & ~(alignment - 1));
	if (wide <= end)
		found = place_bottom_up(sim, wide, sim->legacy_base, end);
	return found ? (int64_t)((found + alignment - 1) & ~(alignment - 1)) : -ENOMEM;
}

static bool place_hint_valid(const struct vas_sys_sim *sim, uint64_t address, uint64_t size)
{
	if (sim->task_size - size < address)
		return false;
	return (address > sim->window_end) == (address + size > sim->window_end);
}

/* The size of a huge page: as many entries as a page of page table holds. */
static uint64_t place_huge_size(const struct vas_sys_sim *sim)
{
	return sim->sys.page_size / 8 * sim->sys.page_size;
}

static int64_t place_aligned(const struct vas_sys_sim *sim, uint64_t size)
{
	uint64_t huge = place_huge_size(sim);
	int64_t got;

	if (size + huge < size || size + huge > sim->task_size)
		return -ENOMEM;
	got = place_search(sim, 0, size + huge, sim->sys.page_size);
	if (got < 0)
		return got;
	if ((uint64_t)got % huge == 0)
		return got + (int64_t)huge;
	return (int64_t)(((uint64_t)got + huge - 1) & ~(huge - 1));
}

static int64_t place_choose(const struct vas_sys_sim *sim, uint64_t address, uint64_t size,
			    int flags, bool file, uint64_t alignment)
{
	if (flags & MAP_FIXED)
		return (int64_t)address;
	if (address && place_hint_valid(sim, address, size) && place_hint_free(sim, address, size))
		return (int64_t)address;
	if (!address && !file && !(flags & MAP_SHARED) && !sim->config.no_huge &&
	    size % place_huge_size(sim) == 0) {
		int64_t got = place_aligned(sim, size);

		if (got > 0)
			return got;
	}
	return place_search(sim, address, size, alignment);
}

int64_t vas_sim_place(const struct vas_sys_sim *sim, uint64_t address, uint64_t size, int flags,
		      bool file, uint64_t alignment)
{
	uint64_t place;

	if (!(flags & MAP_FIXED)) {
		address &= ~(sim->sys.page_size - 1);
		if (address && address < sim->config.min_address)
			address = vas_sim_page_align(sim, sim->config.min_address);
	}
	if (size > sim->task_size)
		return -ENOMEM;
	/* Of hugetlbfs; a hint is rounded up to its pages. */
	if (alignment > sim->sys.page_size) {
		if ((flags & MAP_FIXED) && (address & (alignment - 1)))
			return -EINVAL;
		address = (address + alignment - 1) & ~(alignment - 1);
	}
	/* An address with the top bit set is no errno: it is checked as a number. */
	if (flags & MAP_FIXED) {
		place = address;
	} else {
		int64_t got = place_choose(sim, address, size, flags, file, alignment);

		if (got < 0)
			return got;
		place = (uint64_t)got;
	}
	if (place > sim->task_size - size)
		return -ENOMEM;
	if (!vas_sim_is_aligned(sim, place))
		return -EINVAL;
	if (place < sim->config.refused_below && !sim->config.privileged)
		return -EPERM;
	return (int64_t)place;
}
