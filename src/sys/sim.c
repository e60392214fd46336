/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel: the table of operations.
 *
 * Each operation checks its arguments in the order in which Linux 6.18 does,
 * so that a call with two faults gets the same errno, and changes the array of
 * mappings as Linux would, half-done calls included: mprotect over a hole has
 * changed what lies before the hole, and a split that was made before a
 * refusal stays.
 *
 * Parts: sim_vma.c the array, its splits and merges; sim_place.c addresses;
 * sim_advise.c madvise and names; sim_pages.c which pages hold bytes;
 * sim_object.c descriptors; sim_policy.c and sim_move.c mbind and mremap;
 * sim_calls.c the slots of these; sim_text.c /proc; sim_start.c the first
 * layout. The names of constants are Linux's where they are the same thing.
 *
 * Concurrency: one lock around each operation. Not modelled: page contents,
 * mlock but for its flag, protection keys, RLIMIT_DATA, stack growth, brk growth.
 */
#include "sys/sim.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/number.h"
#include "sys/definitions.h"
#include "sys/sim_vma.h"

#define MAP_TYPE_BITS 0x0f
#define FILE_SIZE_MAX ((uint64_t)INT64_MAX)

static bool sim_may_expand(const struct vas_sys_sim *sim, uint64_t bytes)
{
	uint64_t page = sim->sys.page_size;

	return sim->address_used / page + bytes / page <= sim->config.address_limit / page;
}

/* Whether a private mapping counts as committed memory. */
static bool sim_accountable(uint32_t prot, uint32_t flags)
{
	return (prot & PROT_WRITE) && !(flags & (MAP_NORESERVE | MAP_SHARED | VAS_SIM_HUGETLB));
}

/* Bytes of [start, end) that are mapped. */
static uint64_t sim_mapped_within(const struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = vas_sim_find(sim, start); i < sim->count && sim->mappings[i].start < end;
	     i++) {
		uint64_t low = sim->mappings[i].start > start ? sim->mappings[i].start : start;
		uint64_t high = sim->mappings[i].end < end ? sim->mappings[i].end : end;

		sum += high - low;
	}
	return sum;
}

/* Bytes of [start, end), whose ends are boundaries, that are accounted already. */
static uint64_t sim_accounted(const struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = vas_sim_find(sim, start); i < sim->count && sim->mappings[i].start < end;
	     i++)
		if (sim->mappings[i].flags & VAS_SIM_ACCOUNT)
			sum += sim->mappings[i].end - sim->mappings[i].start;
	return sum;
}

/* hugetlbfs's part, past return too. Being writable makes the object as large as the mapping. */
static int sim_map_huge(struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping)
{
	struct vas_sim_object *object = vas_sim_object_of(sim, mapping);
	uint64_t end = mapping->offset + (mapping->end - mapping->start);
	uint64_t need = mapping->end - mapping->start;

	if (mapping->offset % object->page_size != 0)
		return -EINVAL;
	if (mapping->flags & MAP_SHARED)
		need -= vas_sim_pages_count(&object->held, mapping->offset, end);
	if (!(mapping->flags & MAP_NORESERVE) && need > vas_sim_huge_free(sim))
		return -ENOMEM;
	if ((mapping->prot & PROT_WRITE) && end > object->size)
		object->size = end;
	return 0;
}

/* mmap_region: replaces what is at the place, after the checks that may refuse. */
static int64_t sim_map_region(struct vas_sys_sim *sim, struct vas_sim_mapping *mapping)
{
	uint64_t size = mapping->end - mapping->start;
	uint64_t charge;
	int error = vas_sim_room(sim, 3);

	if (!error)
		error = vas_sim_gather(sim, mapping->start, mapping->end);
	if (error)
		return error;
	if (!sim_may_expand(sim, size - sim_mapped_within(sim, mapping->start, mapping->end)))
		return -ENOMEM;
	if (sim_accountable(mapping->prot, mapping->flags)) {
		charge = size - sim_accounted(sim, mapping->start, mapping->end);
		if (charge > sim->config.commit_limit)
			return -ENOMEM;
		mapping->flags |= VAS_SIM_ACCOUNT;
	}
	vas_sim_remove(sim, mapping->start, mapping->end);
	/* A shared object is charged when it is made, which is past return: a hole stays. */
	if (mapping->object && !(mapping->flags & MAP_NORESERVE) && size > sim->config.commit_limit)
		return -ENOMEM;
	error = mapping->flags & VAS_SIM_HUGETLB ? sim_map_huge(sim, mapping) : 0;
	if (error)
		return error;
	vas_sim_add(sim, mapping);
	return (int64_t)mapping->start;
}

/* What the descriptor allows. */
static int sim_map_access(struct vas_sys_sim *sim, struct vas_sim_mapping *mapping,
			  const struct vas_sim_descriptor *descriptor)
{
	const struct vas_sim_object *object = vas_sim_object_of(sim, mapping);
	bool shared = (mapping->flags & MAP_SHARED) != 0;

	if (object && object->kind == VAS_SYS_KIND_OTHER)
		mapping->flags |= VAS_SIM_DRIVER;
	if (object && object->kind == VAS_SYS_KIND_HUGETLB)
		mapping->flags |= VAS_SIM_HUGETLB;
	if (!descriptor)
		return 0;
	if (shared && (mapping->prot & PROT_WRITE) && !descriptor->writable)
		return -EACCES;
	if (!descriptor->readable)
		return -EACCES;
	if (shared && object && (object->seals & VAS_SEALS_WRITING)) {
		if (mapping->prot & PROT_WRITE)
			return -EPERM;
		mapping->flags |= VAS_SIM_NO_WRITE;
	}
	if (shared && !descriptor->writable)
		mapping->flags |= VAS_SIM_NO_WRITE;
	return 0;
}

/* The kind of mapping that flags ask for. */
static int sim_map_type(struct vas_sys_sim *sim, struct vas_sim_mapping *mapping, int flags,
			const struct vas_sim_descriptor *descriptor)
{
	int type = flags & MAP_TYPE_BITS;
	int error;
	uint64_t size = mapping->end - mapping->start;

	if (mapping->fd >= 0 && (size > FILE_SIZE_MAX || mapping->offset > FILE_SIZE_MAX - size))
		return -EOVERFLOW;
	if (type != MAP_SHARED && type != MAP_PRIVATE)
		return -EINVAL;
	mapping->flags = (uint32_t)type | ((uint32_t)flags & (MAP_NORESERVE | MAP_GROWSDOWN));
	error = sim_map_access(sim, mapping, descriptor);
	if (error)
		return error;
	if ((flags & MAP_GROWSDOWN) && (type == MAP_SHARED || mapping->fd >= 0))
		return -EINVAL;
	if (mapping->fd >= 0)
		return 0;
	mapping->offset = type == MAP_PRIVATE ? mapping->start : 0;
	if (type == MAP_SHARED)
		mapping->object = ++sim->last_object;
	return 0;
}

/* What the configured kernel makes of MAP_FIXED_NOREPLACE. */
static int sim_noreplace_flags(const struct vas_sys_sim *sim, int flags)
{
	if (!(flags & MAP_FIXED_NOREPLACE))
		return flags;
	if (sim->config.noreplace == VAS_SIM_NOREPLACE_IGNORED)
		return flags & ~MAP_FIXED_NOREPLACE;
	return flags | MAP_FIXED;
}

static bool sim_noreplace_refuses(const struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	size_t index = vas_sim_find(sim, start);

	if (sim->config.noreplace == VAS_SIM_NOREPLACE_PARTIAL)
		return index < sim->count && sim->mappings[index].start <= start;
	return vas_sim_overlaps(sim, start, end);
}

/* Which object mapping->fd, a descriptor as given, stands for, and its page size. */
static int sim_map_object(struct vas_sys_sim *sim, struct vas_sim_mapping *mapping, int flags,
			  uint64_t *page)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, mapping->fd);
	int64_t object = -1;

	if (mapping->fd >= VAS_SIM_DESCRIPTOR_FIRST && !descriptor)
		return -EBADF;
	if (descriptor)
		object = descriptor->object;
	else if (mapping->fd < 0 && (flags & MAP_HUGETLB))
		object = vas_sim_object_make(sim, VAS_SYS_KIND_HUGETLB, 0);
	if (object < 0)
		return object < -1 ? (int)object : 0;
	mapping->fd = VAS_SIM_OBJECT_FIRST + (int)object;
	*page = sim->objects[object].page_size;
	return descriptor && (flags & MAP_HUGETLB) && *page == sim->sys.page_size ? -EINVAL : 0;
}

static int64_t sim_map_locked(struct vas_sys_sim *sim, uint64_t address, uint64_t size, int prot,
			      int flags, int fd, uint64_t offset)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);
	struct vas_sim_mapping mapping = { .fd = fd, .offset = offset };
	uint64_t page = sim->sys.page_size;
	uint64_t whole;
	int64_t place;
	int error;

	error = sim_map_object(sim, &mapping, flags, &page);
	if (error)
		return error;
	if (!size)
		return -EINVAL;
	whole = (size + page - 1) & ~(page - 1);
	if (!whole)
		return -ENOMEM;
	if (sim->count > sim->config.max_map_count)
		return -ENOMEM;
	flags = sim_noreplace_flags(sim, flags);
	place = vas_sim_place(sim, address, whole, flags, mapping.fd >= 0, page);
	if (place < 0)
		return place;
	mapping.start = (uint64_t)place;
	mapping.end = mapping.start + whole;
	if ((flags & MAP_FIXED_NOREPLACE) && sim_noreplace_refuses(sim, mapping.start, mapping.end))
		return -EEXIST;
	mapping.prot = (uint32_t)prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	error = sim_map_type(sim, &mapping, flags, descriptor);
	if (error)
		return error;
	return sim_map_region(sim, &mapping);
}

/* Every page that can be written is; returns the bytes that cannot. */
static uint64_t sim_touch_locked(struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	uint64_t refused = 0;

	while (start < end) {
		size_t index = vas_sim_find(sim, start);
		const struct vas_sim_mapping *mapping = &sim->mappings[index];
		uint64_t stop, done;

		if (index == sim->count || mapping->start >= end)
			return refused + (end - start);
		if (mapping->start > start) {
			refused += mapping->start - start;
			start = mapping->start;
		}
		stop = mapping->end < end ? mapping->end : end;
		if (!(mapping->prot & PROT_WRITE)) {
			refused += stop - start;
		} else {
			while (start < stop &&
			       vas_sim_access(sim, index, start, stop, true, &done) != 0) {
				refused += sim->sys.page_size;
				start = done + sim->sys.page_size;
			}
		}
		start = stop;
	}
	return refused;
}

/* MAP_POPULATE: shared memory is read, private memory written; what fails is not told. */
static void sim_populate(struct vas_sys_sim *sim, uint64_t start, uint64_t size, int prot)
{
	size_t index = vas_sim_find(sim, start);
	bool write = (prot & PROT_WRITE) && !(sim->mappings[index].flags & MAP_SHARED);
	uint64_t end = start + vas_sim_page_align(sim, size);
	uint64_t done;

	if (prot != PROT_NONE && !(sim->mappings[index].flags & VAS_SIM_DRIVER))
		(void)vas_sim_access(sim, index, start, end, write, &done);
}

static int64_t sim_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot, int flags,
		       int fd, uint64_t offset)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	if (sim->before_map)
		sim->before_map(sim, sim->context);
	if (!vas_sim_is_aligned(sim, offset))
		return -EINVAL;
	if (flags & MAP_ANONYMOUS)
		fd = -1;
	else if (fd < 0)
		return -EBADF;
	vas_lock_take(&sim->lock);
	got = sim_map_locked(sim, address, size, prot, flags, fd, offset);
	if (got >= 0 && (flags & MAP_POPULATE))
		sim_populate(sim, (uint64_t)got, size, prot);
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_unmap(struct vas_sys *sys, uint64_t address, uint64_t size)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	uint64_t end = address + vas_sim_page_align(sim, size);
	int error;

	if (!vas_sim_is_aligned(sim, address) || address > sim->task_size ||
	    size > sim->task_size - address || end == address)
		return -EINVAL;
	vas_lock_take(&sim->lock);
	error = vas_sim_room(sim, 2);
	if (!error)
		error = vas_sim_gather(sim, address, end);
	if (!error)
		vas_sim_remove(sim, address, end);
	vas_lock_drop(&sim->lock);
	return error;
}

/* mprotect_fixup: one mapping's part. */
static int sim_protect_part(struct vas_sys_sim *sim, size_t *index, uint64_t start, uint64_t end,
			    uint32_t prot)
{
	struct vas_sim_mapping wanted = sim->mappings[*index];
	bool accounted = (wanted.flags & VAS_SIM_ACCOUNT) != 0;

	if (wanted.prot == prot)
		return 0;
	if ((wanted.flags & VAS_SIM_SPECIAL) ||
	    ((wanted.flags & VAS_SIM_NO_WRITE) && (prot & PROT_WRITE)))
		return -EACCES;
	if ((prot & PROT_WRITE) && !accounted && !(wanted.prot & PROT_WRITE) &&
	    sim_accountable(prot, wanted.flags)) {
		if (end - start > sim->config.commit_limit)
			return -ENOMEM;
		wanted.flags |= VAS_SIM_ACCOUNT;
	} else if (!(prot & PROT_WRITE) && vas_sim_is_anonymous(&wanted) && !wanted.anon) {
		wanted.flags &= ~VAS_SIM_ACCOUNT;
	}
	wanted.prot = prot;
	return vas_sim_modify(sim, index, start, end, &wanted);
}

static int64_t sim_protect_locked(struct vas_sys_sim *sim, uint64_t start, uint64_t end,
				  uint32_t prot)
{
	while (start < end) {
		size_t index = vas_sim_find(sim, start);
		uint64_t stop;
		int error;

		if (index == sim->count || sim->mappings[index].start > start)
			return -ENOMEM;
		stop = sim->mappings[index].end < end ? sim->mappings[index].end : end;
		error = sim_protect_part(sim, &index, start, stop, prot);
		if (error)
			return error;
		start = sim->mappings[index].end > stop ? sim->mappings[index].end : stop;
	}
	return 0;
}

static int64_t sim_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	uint64_t whole = vas_sim_page_align(sim, size);
	int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	int64_t got;

	if (grows || !vas_sim_is_aligned(sim, address))
		return -EINVAL;
	if (!size)
		return 0;
	if (address + whole <= address)
		return -ENOMEM;
	/* The fourth bit is PROT_SEM, which Linux accepts and ignores. */
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | 0x8))
		return -EINVAL;
	vas_lock_take(&sim->lock);
	got = sim_protect_locked(sim, address, address + whole,
				 (uint32_t)prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	vas_lock_take(&sim->lock);
	got = vas_sim_advise(sim, address, size, advice);
	vas_lock_drop(&sim->lock);
	return got;
}

/* MS_ASYNC alone stops at the first hole, the others go on: locked memory behind it is told first. */
static int sim_sync_locked(const struct vas_sys_sim *sim, uint64_t start, uint64_t end, int flags)
{
	int result = 0;

	for (size_t i = vas_sim_find(sim, start); start < end; i++) {
		if (i == sim->count)
			return -ENOMEM;
		if (sim->mappings[i].start > start) {
			result = -ENOMEM;
			if (flags == MS_ASYNC || sim->mappings[i].start >= end)
				return result;
		}
		if ((flags & MS_INVALIDATE) && (sim->mappings[i].flags & VAS_SIM_LOCKED))
			return -EBUSY;
		start = sim->mappings[i].end;
	}
	return result;
}

static int64_t sim_sync(struct vas_sys *sys, uint64_t address, uint64_t size, int flags)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	uint64_t end = address + vas_sim_page_align(sim, size);
	int64_t got;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || !vas_sim_is_aligned(sim, address) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < address)
		return -ENOMEM;
	vas_lock_take(&sim->lock);
	got = sim_sync_locked(sim, address, end, flags);
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_set_name(struct vas_sys *sys, uint64_t address, uint64_t size, const char *name)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	vas_lock_take(&sim->lock);
	got = vas_sim_set_name(sim, address, size, name);
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_get_brk(struct vas_sys *sys)
{
	return (int64_t)vas_sim_of(sys)->brk;
}

static int64_t sim_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);

	if (resource < 0 || resource >= (int)RLIM_NLIMITS)
		return -EINVAL;
	limit->current = UINT64_MAX;
	limit->maximum = UINT64_MAX;
	if (resource == RLIMIT_AS)
		limit->current = sim->config.address_limit;
	else if (resource == RLIMIT_STACK)
		limit->current = sim->config.stack_limit;
	return 0;
}

static int64_t sim_open(struct vas_sys *sys, const char *path, int flags)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	(void)flags;
	vas_lock_take(&sim->lock);
	got = vas_sim_open(sim, path);
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_close(struct vas_sys *sys, int fd)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	vas_lock_take(&sim->lock);
	got = fd >= VAS_SIM_DESCRIPTOR_FIRST ? vas_sim_object_close(sim, fd)
					     : vas_sim_close(sim, fd);
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	vas_lock_take(&sim->lock);
	got = vas_sim_read(sim, fd, buffer, size);
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	vas_lock_take(&sim->lock);
	got = whence == SEEK_SET ? vas_sim_seek(sim, fd, offset) : -EINVAL;
	vas_lock_drop(&sim->lock);
	return got;
}

static int64_t sim_query(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			 struct vas_sys_query *result)
{
	struct vas_sys_sim *sim = vas_sim_of(sys);
	int64_t got;

	vas_lock_take(&sim->lock);
	got = vas_sim_query(sim, fd, address, flags, result);
	vas_lock_drop(&sim->lock);
	return got;
}

uint64_t vas_sys_sim_touch(struct vas_sys_sim *sim, uint64_t address, uint64_t size)
{
	uint64_t refused;

	vas_lock_take(&sim->lock);
	refused = sim_touch_locked(sim, address, address + size);
	vas_lock_drop(&sim->lock);
	return refused;
}

int vas_sys_sim_put(struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping)
{
	struct vas_sim_mapping copy = *mapping;
	int error;

	if (vas_sim_is_anonymous(&copy))
		copy.offset = copy.start;
	vas_lock_take(&sim->lock);
	error = vas_sim_overlaps(sim, copy.start, copy.end) ? -EEXIST : vas_sim_room(sim, 1);
	if (!error) {
		vas_sim_insert(sim, vas_sim_find(sim, copy.start), &copy);
		sim->address_used += copy.end - copy.start;
	}
	vas_lock_drop(&sim->lock);
	return error;
}

static int sim_configure(struct vas_sys_sim *sim, const struct vas_sim_config *config)
{
	struct vas_sim_config *own = &sim->config;
	uint32_t window;

	*own = *config;
	own->width = own->width ? own->width : 47;
	own->page_size = own->page_size ? own->page_size : 4096;
	own->max_map_count = own->max_map_count ? own->max_map_count : 65530;
	own->address_limit = own->address_limit ? own->address_limit : UINT64_MAX;
	own->stack_limit = own->stack_limit ? own->stack_limit : (uint64_t)8 << 20;
	own->min_address = own->min_address ? own->min_address : (uint64_t)64 << 10;
	own->refused_below = own->refused_below ? own->refused_below : own->min_address;
	own->commit_limit = own->commit_limit ? own->commit_limit : UINT64_MAX;
	own->file_limit = own->file_limit ? own->file_limit : UINT64_MAX;
	own->huge_size = own->huge_size ? own->huge_size : own->page_size / 8 * own->page_size;
	if (own->width < 38 || own->width > 57 || own->page_size < 4096 || own->page_size > 65536 ||
	    !vas_is_power_of_two(own->page_size))
		return -EINVAL;
	window = own->width;
	if (window > 48)
		window = own->width > 52 ? 47 : 48;
	sim->task_size = (uint64_t)1 << own->width;
	sim->window_end = (uint64_t)1 << window;
	/* x86 keeps the last page below the hole in the address space free. */
	if (window == 47) {
		sim->task_size -= own->page_size;
		sim->window_end -= own->page_size;
	}
	return 0;
}

static int sim_memory(struct vas_sys_sim *sim)
{
	struct vas_sys *real = vas_sys_real();
	size_t files = VAS_SIM_FILES * vas_sim_file_size();
	size_t names = VAS_SIM_NAMES * sizeof(*sim->names);
	int64_t got = real->map(real, 0, files + names, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (got < 0)
		return -ENOMEM;
	sim->files = (struct vas_sim_file *)(uintptr_t)got;
	sim->names = (char(*)[VAS_SIM_NAME_SIZE])(uintptr_t)((uint64_t)got + files);
	error = vas_sim_room(sim, 16);
	if (error)
		vas_sys_sim_destroy(sim);
	return error;
}

int vas_sys_sim_init(struct vas_sys_sim *sim, const struct vas_sim_config *config)
{
	int error;

	memset(sim, 0, sizeof(*sim));
	error = sim_configure(sim, config);
	if (error)
		return error;
	sim->sys = (struct vas_sys){
		.name = "simulated",
		.page_size = sim->config.page_size,
		.map = sim_map,
		.unmap = sim_unmap,
		.protect = sim_protect,
		.advise = sim_advise,
		.sync = sim_sync,
		.set_name = sim_set_name,
		.get_brk = sim_get_brk,
		.get_limit = sim_get_limit,
		.open = sim_open,
		.close = sim_close,
		.read = sim_read,
		.seek = sim_seek,
		.query = sim_query,
	};
	vas_sim_fill_calls(&sim->sys);
	error = sim_memory(sim);
	if (error)
		return error;
	error = vas_sim_start(sim);
	if (error)
		vas_sys_sim_destroy(sim);
	return error;
}

void vas_sys_sim_destroy(struct vas_sys_sim *sim)
{
	struct vas_sys *real = vas_sys_real();
	size_t files = VAS_SIM_FILES * vas_sim_file_size();

	if (sim->mappings)
		(void)real->unmap(real, (uintptr_t)sim->mappings,
				  sim->capacity * sizeof(*sim->mappings));
	for (size_t i = 0; i < VAS_SIM_OBJECTS; i++)
		vas_sim_pages_free(&sim->objects[i].held);
	vas_sim_pages_free(&sim->private_pages);
	vas_sim_pages_free(&sim->guards);
	if (sim->files)
		(void)real->unmap(real, (uintptr_t)sim->files,
				  files + VAS_SIM_NAMES * sizeof(*sim->names));
	memset(sim, 0, sizeof(*sim));
}

static const char *sim_broken(const struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping)
{
	if (mapping->start >= mapping->end)
		return "a mapping is empty";
	if (!vas_sim_is_aligned(sim, mapping->start | mapping->end))
		return "a mapping is not page aligned";
	if (mapping->end > sim->task_size)
		return "a mapping lies above user space";
	if (!(mapping->flags & MAP_SHARED) == !(mapping->flags & MAP_PRIVATE))
		return "a mapping is neither shared nor private";
	/* Moved memory that was written keeps the offset that it was written with. */
	if (vas_sim_is_anonymous(mapping) && !mapping->anon && mapping->offset != mapping->start)
		return "private anonymous memory is out of step";
	if ((mapping->flags & VAS_SIM_ACCOUNT) && (mapping->flags & (MAP_SHARED | MAP_NORESERVE)))
		return "a mapping is accounted that cannot be";
	return NULL;
}

static bool sim_pages_mapped(const struct vas_sys_sim *sim, const struct vas_spanset *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (sim_mapped_within(sim, set->items[i].start, vas_span_end(set->items[i])) !=
		    set->items[i].size)
			return false;
	return vas_spanset_check(set);
}

bool vas_sys_sim_check(const struct vas_sys_sim *sim, const char **reason)
{
	uint64_t sum = 0, last = 0;

	*reason = NULL;
	for (size_t i = 0; i < sim->count && !*reason; i++) {
		const struct vas_sim_mapping *mapping = &sim->mappings[i];

		*reason = sim_broken(sim, mapping);
		if (mapping->start < last)
			*reason = "mappings overlap or are out of order";
		last = mapping->end;
		sum += mapping->end - mapping->start;
	}
	if (!*reason && !sim_pages_mapped(sim, &sim->private_pages))
		*reason = "a private page is not mapped";
	if (!*reason && !sim_pages_mapped(sim, &sim->guards))
		*reason = "a guard is not mapped";
	if (!*reason && sum != sim->address_used)
		*reason = "the sum of mappings is wrong";
	if (!*reason && sim->count > sim->config.max_map_count + 2)
		*reason = "there are more mappings than the limit allows";
	return *reason == NULL;
}
