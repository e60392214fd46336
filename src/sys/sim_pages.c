/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's pages: which ones hold bytes, and which are guarded.
 * There are no bytes, so this costs next to nothing: sorted runs.
 *
 *  - private_pages: addresses whose page belongs to this address space alone:
 *    anonymous memory that was written, and private copies of an object's pages.
 *    A page of zeroes that was only read holds nothing.
 *  - guards: addresses with a marker of MADV_GUARD_INSTALL. It lives in the page
 *    tables, so it survives mprotect and MADV_DONTNEED and goes with the mapping.
 *  - held, of each object: offsets that have bytes, whoever maps them.
 *
 * An access goes page by page until something stops it, as a fault or populating does,
 * and what it got before that stays.
 *
 * Concurrency: the caller holds the simulator's lock. Not modelled: contents, page
 * tables and their memory, swap, reclaim (MADV_FREE frees nothing), pages of files
 * that are only read.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "sys/sim_vma.h"

#define SET_FIRST 64u

void vas_sim_pages_room(struct vas_spanset *set, size_t capacity)
{
	struct vas_sys *real = vas_sys_real();
	int64_t got = real->map(real, 0, capacity * sizeof(*set->items), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vas_span *items = (struct vas_span *)(uintptr_t)got;

	VAS_ASSERT(got > 0);
	if (set->items) {
		memcpy(items, set->items, set->count * sizeof(*items));
		(void)real->unmap(real, (uintptr_t)set->items, set->capacity * sizeof(*set->items));
	}
	set->items = items;
	set->capacity = capacity;
}

static void set_grow(struct vas_spanset *set)
{
	vas_sim_pages_room(set, set->capacity ? set->capacity * 2 : SET_FIRST);
}

void vas_sim_pages_add(struct vas_spanset *set, uint64_t start, uint64_t end)
{
	if (start < end)
		while (vas_spanset_add(set, start, end) != 0)
			set_grow(set);
}

void vas_sim_pages_remove(struct vas_spanset *set, uint64_t start, uint64_t end)
{
	if (start < end && set->count)
		while (vas_spanset_remove(set, start, end) != 0)
			set_grow(set);
}

void vas_sim_pages_free(struct vas_spanset *set)
{
	struct vas_sys *real = vas_sys_real();

	if (set->items)
		(void)real->unmap(real, (uintptr_t)set->items, set->capacity * sizeof(*set->items));
	vas_spanset_init(set, NULL, 0);
}

/* The part of an item that lies in [start, end). */
static struct vas_span set_part(const struct vas_spanset *set, size_t index, uint64_t start,
				uint64_t end)
{
	uint64_t low = set->items[index].start;
	uint64_t high = vas_span_end(set->items[index]);

	low = low > start ? low : start;
	high = high < end ? high : end;
	return (struct vas_span){ low, high - low };
}

uint64_t vas_sim_pages_count(const struct vas_spanset *set, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = vas_spanset_find(set, start); i < set->count && set->items[i].start < end;
	     i++)
		sum += set_part(set, i, start, end).size;
	return sum;
}

/* Memory. */

static bool pages_are_huge(const struct vas_sys_sim *sim, const struct vas_sim_object *object)
{
	return object && object->page_size > sim->sys.page_size;
}

/* Private bytes, of huge pages or of others. */
static uint64_t private_bytes(const struct vas_sys_sim *sim, bool huge)
{
	uint64_t all = vas_sim_pages_count(&sim->private_pages, 0, UINT64_MAX);
	uint64_t sum = 0;

	for (size_t i = 0; i < sim->count; i++) {
		const struct vas_sim_mapping *mapping = &sim->mappings[i];

		if (pages_are_huge(sim, vas_sim_object_seen(sim, mapping)))
			sum += vas_sim_pages_count(&sim->private_pages, mapping->start,
						   mapping->end);
	}
	return huge ? sum : all - sum;
}

static uint64_t object_bytes(const struct vas_sys_sim *sim, enum vas_sys_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < VAS_SIM_OBJECTS; i++)
		if (sim->objects[i].used && sim->objects[i].kind == kind)
			sum += vas_sim_pages_count(&sim->objects[i].held, 0, UINT64_MAX);
	return sum;
}

uint64_t vas_sim_memory_free(const struct vas_sys_sim *sim)
{
	uint64_t used;

	if (!sim->config.memory)
		return UINT64_MAX;
	used = private_bytes(sim, false) + object_bytes(sim, VAS_SYS_KIND_SHMEM);
	return used < sim->config.memory ? sim->config.memory - used : 0;
}

uint64_t vas_sim_huge_free(const struct vas_sys_sim *sim)
{
	uint64_t all = sim->config.huge_pages * sim->config.huge_size;
	uint64_t used = private_bytes(sim, true) + object_bytes(sim, VAS_SYS_KIND_HUGETLB);

	return used < all ? all - used : 0;
}

/* Accesses. */

struct access {
	struct vas_sys_sim *sim;
	const struct vas_sim_mapping *mapping;
	struct vas_sim_object *object;
	bool own; /* a page of its own comes of it */
	bool own_if_none; /* only where the object has none: a huge page that is read privately */
	bool shared; /* the object's page is asked for */
	uint64_t page_size;
};

static uint64_t access_offset(const struct access *access, uint64_t address)
{
	return access->mapping->offset + (address - access->mapping->start);
}

/* Gives [start, end) its pages; returns nothing, since it was found to be possible. */
static void access_mark(const struct access *access, uint64_t start, uint64_t end)
{
	struct vas_spanset *own = &access->sim->private_pages;
	uint64_t at = start;

	/* What is copied is brought into the object first, unless the copy is there. */
	for (size_t i = vas_spanset_find(own, start); access->shared && at < end; i++) {
		uint64_t stop =
			i < own->count && own->items[i].start < end ? own->items[i].start : end;

		if (stop > at)
			vas_sim_pages_add(&access->object->held, access_offset(access, at),
					  access_offset(access, stop));
		at = stop < end ? vas_span_end(own->items[i]) : end;
	}
	if (access->own)
		vas_sim_pages_add(own, start, end);
}

static bool access_object_has(const struct access *access, uint64_t address)
{
	uint64_t offset = access_offset(access, address);

	return vas_spanset_contains(&access->object->held, offset, offset + access->page_size);
}

/* The memory that the page at address would take. */
static uint64_t access_cost(const struct access *access, uint64_t address)
{
	uint64_t size = access->page_size;
	bool has_own = vas_spanset_contains(&access->sim->private_pages, address, address + size);
	uint64_t cost = access->own && !has_own ? size : 0;

	if (access->own_if_none && access_object_has(access, address))
		cost = 0;
	if (access->shared && !has_own && !access_object_has(access, address))
		cost += size;
	return cost;
}

/* Huge pages that were allocated and do not lie wholly below the end of their object can be had, others not. */
static bool access_huge_ends(const struct access *access, uint64_t address)
{
	return pages_are_huge(access->sim, access->object) &&
	       access_offset(access, address) + access->page_size > access->object->size &&
	       !access_object_has(access, address);
}

/* The same as long as there is memory. Returns where it ended. */
static uint64_t access_limited(const struct access *access, uint64_t start, uint64_t end)
{
	uint64_t room = pages_are_huge(access->sim, access->object)
				? vas_sim_huge_free(access->sim)
				: vas_sim_memory_free(access->sim);

	if (room == UINT64_MAX) {
		access_mark(access, start, end);
		return end;
	}
	for (; start < end; start += access->page_size) {
		uint64_t cost = access_cost(access, start);

		if (cost > room || access_huge_ends(access, start))
			break;
		room -= cost;
		if (access->own_if_none && cost == 0)
			continue;
		access_mark(access, start, start + access->page_size);
	}
	return start;
}

static struct access access_of(struct vas_sys_sim *sim, size_t index, bool write)
{
	struct vas_sim_mapping *mapping = &sim->mappings[index];
	struct vas_sim_object *object = vas_sim_object_of(sim, mapping);
	bool private = !(mapping->flags & MAP_SHARED);
	bool huge = pages_are_huge(sim, object);
	struct access access = { .sim = sim,
				 .mapping = mapping,
				 .object = object,
				 .own = private && (write || huge),
				 .own_if_none = private && huge && !write,
				 .page_size = object ? object->page_size : sim->sys.page_size };

	if (object && object->kind == VAS_SYS_KIND_FILE)
		access.shared = !private && write;
	else if (object)
		access.shared = !private || !huge;
	return access;
}

/* How far into the mapping its object reaches. */
static uint64_t access_object_end(const struct access *access)
{
	uint64_t size = access->object->size + access->page_size - 1;

	size -= size % access->page_size;
	if (size <= access->mapping->offset)
		return access->mapping->start;
	return access->mapping->start + (size - access->mapping->offset);
}

int vas_sim_access(struct vas_sys_sim *sim, size_t index, uint64_t start, uint64_t end, bool write,
		   uint64_t *done)
{
	struct access access = access_of(sim, index, write);
	size_t guard = vas_spanset_find(&sim->guards, start);
	uint64_t stop = end;
	int error = 0;

	*done = start;
	if (access.page_size > sim->sys.page_size) {
		start -= start % access.page_size;
		end += access.page_size - 1;
		stop = end -= end % access.page_size;
	}
	if (guard < sim->guards.count && sim->guards.items[guard].start < stop) {
		stop = sim->guards.items[guard].start;
		error = -EFAULT;
		if (stop <= start)
			return error;
	}
	if (access.own && !access.own_if_none)
		vas_sim_prepare_anon(sim, index);
	if (access.object && !pages_are_huge(sim, access.object) &&
	    access_object_end(&access) < stop) {
		stop = access_object_end(&access);
		error = -EFAULT;
		if (stop <= start)
			return error;
	}
	start = access_limited(&access, start, stop);
	if (start > *done)
		*done = start;
	if (start < stop)
		return pages_are_huge(sim, access.object) ? -EFAULT : -ENOMEM;
	return error;
}

static uint64_t pages_bytes(struct vas_sys_sim *sim, const struct vas_spanset *set,
			    uint64_t address, uint64_t size)
{
	uint64_t sum;

	vas_lock_take(&sim->lock);
	sum = vas_sim_pages_count(set, address, address + size);
	vas_lock_drop(&sim->lock);
	return sum;
}

uint64_t vas_sys_sim_private_bytes(struct vas_sys_sim *sim, uint64_t address, uint64_t size)
{
	return pages_bytes(sim, &sim->private_pages, address, size);
}

uint64_t vas_sys_sim_guarded_bytes(struct vas_sys_sim *sim, uint64_t address, uint64_t size)
{
	return pages_bytes(sim, &sim->guards, address, size);
}
