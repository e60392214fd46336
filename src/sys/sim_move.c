/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's mremap, in the one form that the library uses: a whole
 * range of one mapping, with its size, to a place that is given. What is there
 * is removed. Linux 6.18 demands room for five mappings beforehand, so that it
 * cannot stop halfway at the limit.
 *
 * Private anonymous memory that was written keeps its offset, since its pages
 * are found by it, and so never merges at the new place with what is not moved along.
 *
 * Concurrency: the caller holds the simulator's lock. Not modelled: growing and
 * shrinking (-ENOSYS), several mappings at once (-EFAULT, as before 6.17), copies
 * by an old size of 0, MREMAP_DONTUNMAP.
 */
#include <errno.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "sys/sim_vma.h"

static int move_arguments(const struct vas_sys_sim *sim, uint64_t address, uint64_t size,
			  uint64_t new_address, int flags)
{
	if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) || !vas_sim_is_aligned(sim, address) ||
	    size == 0 || size > sim->task_size)
		return -EINVAL;
	if (!(flags & MREMAP_FIXED))
		return 0;
	if (new_address > sim->task_size - size || !vas_sim_is_aligned(sim, new_address) ||
	    !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (address < new_address + size && new_address < address + size)
		return -EINVAL;
	/* map_count + 2 >= limit - 3 */
	return sim->count + 5 >= sim->config.max_map_count ? -ENOMEM : 0;
}

/* Whether the mapping at index can be cut at both ends of the range. */
static int move_cuts(struct vas_sys_sim *sim, size_t index, uint64_t start, uint64_t end)
{
	const struct vas_sim_mapping *mapping = &sim->mappings[index];
	const struct vas_sim_object *object = vas_sim_object_of(sim, mapping);
	bool whole = mapping->start == start && mapping->end == end;

	if (!object || whole)
		return 0;
	if (object->kind == VAS_SYS_KIND_OTHER || (start | end) % object->page_size)
		return -EINVAL;
	return 0;
}

static void move_pages(struct vas_spanset *set, uint64_t start, uint64_t end, uint64_t delta)
{
	for (uint64_t at = start; at < end;) {
		size_t index = vas_spanset_find(set, at);
		uint64_t low, high;

		if (index == set->count || set->items[index].start >= end)
			return;
		low = set->items[index].start > at ? set->items[index].start : at;
		high = vas_span_end(set->items[index]);
		high = high < end ? high : end;
		vas_sim_pages_add(set, low + delta, high + delta);
		at = high;
	}
}

int64_t vas_sim_move(struct vas_sys_sim *sim, uint64_t address, uint64_t size, uint64_t new_size,
		     int flags, uint64_t new_address)
{
	uint64_t whole = vas_sim_page_align(sim, size);
	uint64_t delta = new_address - address;
	const struct vas_sim_object *object;
	struct vas_sim_mapping copy;
	size_t index;
	int64_t place;
	int error;

	error = move_arguments(sim, address, vas_sim_page_align(sim, new_size), new_address, flags);
	if (error)
		return error;
	if (vas_sim_page_align(sim, new_size) != whole || !(flags & MREMAP_FIXED))
		return -ENOSYS;
	index = vas_sim_find(sim, address);
	if (index == sim->count || sim->mappings[index].start > address ||
	    sim->mappings[index].end < address + whole)
		return -EFAULT;
	object = vas_sim_object_of(sim, &sim->mappings[index]);
	if (object && object->page_size > sim->sys.page_size &&
	    ((address | new_address) & (object->page_size - 1)))
		return -EINVAL;
	error = vas_sim_room(sim, 4);
	if (!error)
		error = vas_sim_gather(sim, new_address, new_address + whole);
	if (error)
		return error;
	vas_sim_remove(sim, new_address, new_address + whole);
	place = vas_sim_place(sim, new_address, whole, MAP_FIXED, false, sim->sys.page_size);
	if (place < 0)
		return place;
	index = vas_sim_find(sim, address);
	error = move_cuts(sim, index, address, address + whole);
	if (error)
		return error;
	copy = sim->mappings[index];
	copy.offset += address - copy.start;
	if (vas_sim_is_anonymous(&copy) && !copy.anon)
		copy.offset = new_address;
	copy.start = new_address;
	copy.end = new_address + whole;
	move_pages(&sim->private_pages, address, address + whole, delta);
	move_pages(&sim->guards, address, address + whole, delta);
	vas_sim_add(sim, &copy);
	(void)vas_sim_gather(sim, address, address + whole);
	vas_sim_remove(sim, address, address + whole);
	return (int64_t)new_address;
}
