/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's objects: memfds, files, huge page objects and drivers',
 * the descriptors that were opened for them, and the calls on these.
 *
 * A mapping names its object by a number that is no descriptor, so it outlives
 * the close. An object ends when no descriptor and no mapping has it, which is
 * found when a new one needs the place, or somebody asks for sums. Inode
 * numbers are never given twice, though places are.
 *
 * Concurrency: the caller holds the simulator's lock. Not modelled: contents
 * (what is read is zero), append mode, locks, reservations of huge pages.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "sys/definitions.h"
#include "sys/sim_vma.h"

#define NAME_MAX_SIZE 249u
#define DEVICE	      1u
#define INODE_FIRST   10000000u /* above those of endless files */
#define MODES_KNOWN   0xff
#define SEALS_KNOWN   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | VAS_SEALS_WRITING | F_SEAL_EXEC)
#define SIZE_MAX_FILE ((uint64_t)INT64_MAX)

static bool object_mapped(const struct vas_sys_sim *sim, int number)
{
	for (size_t i = 0; i < sim->count; i++)
		if (sim->mappings[i].fd == number)
			return true;
	return false;
}

/* Ends the objects that nobody has any more. */
static void object_collect(struct vas_sys_sim *sim)
{
	bool open[VAS_SIM_OBJECTS] = { false };

	for (size_t i = 0; i < VAS_SIM_DESCRIPTORS; i++)
		if (sim->descriptors[i].used)
			open[sim->descriptors[i].object] = true;
	for (size_t i = 0; i < VAS_SIM_OBJECTS; i++) {
		struct vas_sim_object *object = &sim->objects[i];

		if (!object->used || open[i] || object_mapped(sim, VAS_SIM_OBJECT_FIRST + (int)i))
			continue;
		vas_sim_pages_free(&object->held);
		object->used = false;
	}
}

struct vas_sim_object *vas_sim_object_of(struct vas_sys_sim *sim,
					 const struct vas_sim_mapping *mapping)
{
	if (mapping->fd < VAS_SIM_OBJECT_FIRST)
		return NULL;
	VAS_ASSERT(mapping->fd < VAS_SIM_OBJECT_FIRST + VAS_SIM_OBJECTS);
	return &sim->objects[mapping->fd - VAS_SIM_OBJECT_FIRST];
}

const struct vas_sim_object *vas_sim_object_seen(const struct vas_sys_sim *sim,
						 const struct vas_sim_mapping *mapping)
{
	if (mapping->fd < VAS_SIM_OBJECT_FIRST)
		return NULL;
	VAS_ASSERT(mapping->fd < VAS_SIM_OBJECT_FIRST + VAS_SIM_OBJECTS);
	return &sim->objects[mapping->fd - VAS_SIM_OBJECT_FIRST];
}

struct vas_sim_descriptor *vas_sim_descriptor(struct vas_sys_sim *sim, int fd)
{
	int index = fd - VAS_SIM_DESCRIPTOR_FIRST;

	if (index < 0 || index >= VAS_SIM_DESCRIPTORS || !sim->descriptors[index].used)
		return NULL;
	return &sim->descriptors[index];
}

int64_t vas_sim_object_make(struct vas_sys_sim *sim, enum vas_sys_kind kind, uint64_t size)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < VAS_SIM_OBJECTS; i++) {
			struct vas_sim_object *object = &sim->objects[i];

			if (object->used)
				continue;
			memset(object, 0, sizeof(*object));
			object->used = true;
			object->kind = kind;
			object->inode = INODE_FIRST + sim->last_inode++;
			object->size = size;
			object->seals = F_SEAL_SEAL;
			object->page_size = kind == VAS_SYS_KIND_HUGETLB ? sim->config.huge_size
									 : sim->sys.page_size;
			return (int64_t)i;
		}
		object_collect(sim);
	}
	return -ENFILE;
}

/* The lowest that is free. */
static int64_t descriptor_open(struct vas_sys_sim *sim, const struct vas_sim_descriptor *opened)
{
	for (size_t i = 0; i < VAS_SIM_DESCRIPTORS; i++) {
		if (sim->descriptors[i].used)
			continue;
		sim->descriptors[i] = *opened;
		return VAS_SIM_DESCRIPTOR_FIRST + (int64_t)i;
	}
	return -EMFILE;
}

static int64_t object_open(struct vas_sys_sim *sim, enum vas_sys_kind kind, uint64_t size,
			   bool writable)
{
	struct vas_sim_descriptor opened = { .used = true, .readable = true, .writable = writable };
	int64_t object = vas_sim_object_make(sim, kind, size), fd;

	if (object < 0)
		return object;
	opened.object = (uint32_t)object;
	fd = descriptor_open(sim, &opened);
	if (fd < 0)
		sim->objects[object].used = false;
	return fd;
}

int64_t vas_sim_duplicate(struct vas_sys_sim *sim, int fd)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);

	return descriptor ? descriptor_open(sim, descriptor) : -EBADF;
}

/* Whether it is mapped shared by somebody who can write. */
static bool object_written(const struct vas_sys_sim *sim, int number)
{
	for (size_t i = 0; i < sim->count; i++)
		if (sim->mappings[i].fd == number && (sim->mappings[i].flags & MAP_SHARED) &&
		    !(sim->mappings[i].flags & VAS_SIM_NO_WRITE))
			return true;
	return false;
}

int64_t vas_sim_seals(struct vas_sys_sim *sim, int fd, uint32_t add)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);
	struct vas_sim_object *object;

	if (!descriptor)
		return -EBADF;
	object = &sim->objects[descriptor->object];
	if (add && !descriptor->writable)
		return -EPERM;
	if ((add & ~SEALS_KNOWN) || object->kind == VAS_SYS_KIND_FILE ||
	    object->kind == VAS_SYS_KIND_OTHER)
		return -EINVAL;
	if (add && (object->seals & F_SEAL_SEAL))
		return -EPERM;
	if ((add & F_SEAL_WRITE) &&
	    object_written(sim, VAS_SIM_OBJECT_FIRST + (int)descriptor->object))
		return -EBUSY;
	object->seals |= add;
	return object->seals;
}

int64_t vas_sys_sim_new_object(struct vas_sys_sim *sim, enum vas_sys_kind kind, uint64_t size,
			       bool writable)
{
	int64_t got;

	vas_lock_take(&sim->lock);
	got = object_open(sim, kind, size, writable);
	vas_lock_drop(&sim->lock);
	return got;
}

uint64_t vas_sys_sim_object_bytes(struct vas_sys_sim *sim)
{
	uint64_t sum = 0;

	vas_lock_take(&sim->lock);
	object_collect(sim);
	for (size_t i = 0; i < VAS_SIM_OBJECTS; i++)
		if (sim->objects[i].used)
			sum += vas_sim_pages_count(&sim->objects[i].held, 0, UINT64_MAX);
	vas_lock_drop(&sim->lock);
	return sum;
}

uint64_t vas_sys_sim_huge_free(struct vas_sys_sim *sim)
{
	uint64_t got;

	vas_lock_take(&sim->lock);
	object_collect(sim);
	got = vas_sim_huge_free(sim);
	vas_lock_drop(&sim->lock);
	return got;
}

int64_t vas_sim_object_close(struct vas_sys_sim *sim, int fd)
{
	struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);

	if (!descriptor)
		return -EBADF;
	descriptor->used = false;
	return 0;
}

int64_t vas_sim_create(struct vas_sys_sim *sim, const char *name, uint32_t flags)
{
	uint32_t known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
	uint32_t size_bits = flags >> MFD_HUGE_SHIFT;
	bool huge = (flags & MFD_HUGETLB) != 0;
	int64_t fd;

	if (huge)
		known |= MFD_HUGETLB | (uint32_t)0x3f << MFD_HUGE_SHIFT;
	if ((flags & ~known) || ((flags & MFD_EXEC) && (flags & MFD_NOEXEC_SEAL)) ||
	    strlen(name) > NAME_MAX_SIZE)
		return -EINVAL;
	if (huge && size_bits && (uint64_t)1 << size_bits != sim->config.huge_size)
		return -ENODEV;
	fd = object_open(sim, huge ? VAS_SYS_KIND_HUGETLB : VAS_SYS_KIND_SHMEM, 0, true);
	if (fd >= 0 && (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)))
		sim->objects[vas_sim_descriptor(sim, (int)fd)->object].seals =
			flags & MFD_NOEXEC_SEAL ? F_SEAL_EXEC : 0;
	return fd;
}

int64_t vas_sim_stat(struct vas_sys_sim *sim, int fd, uint32_t flags, struct vas_sys_stat *result)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);
	const struct vas_sim_object *object;

	if (!descriptor)
		return -EBADF;
	object = &sim->objects[descriptor->object];
	memset(result, 0, sizeof(*result));
	result->device = DEVICE;
	result->inode = object->inode;
	if (object->kind != VAS_SYS_KIND_OTHER) {
		result->size = object->size;
		result->held = vas_sim_pages_count(&object->held, 0, UINT64_MAX);
	}
	if (flags & VAS_STAT_KIND) {
		result->kind = object->kind;
		result->page_size = object->page_size;
		result->readable = descriptor->readable;
		result->writable = descriptor->writable;
	}
	return 0;
}

/* Private copies of the object's offsets [start, end) go with them. */
static void object_cut_copies(struct vas_sys_sim *sim, int number, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < sim->count; i++) {
		const struct vas_sim_mapping *mapping = &sim->mappings[i];
		uint64_t low = start > mapping->offset ? start - mapping->offset : 0;
		uint64_t high = end > mapping->offset ? end - mapping->offset : 0;

		if (mapping->fd != number)
			continue;
		high = high < mapping->end - mapping->start ? high : mapping->end - mapping->start;
		if (low < high)
			vas_sim_pages_remove(&sim->private_pages, mapping->start + low,
					     mapping->start + high);
	}
}

void vas_sim_object_punch(struct vas_sys_sim *sim, struct vas_sim_object *object, uint64_t start,
			  uint64_t end)
{
	start = (start + object->page_size - 1) / object->page_size * object->page_size;
	end = end / object->page_size * object->page_size;
	vas_sim_pages_remove(&object->held, start, end);
	/* hugetlbfs unmaps whatever is mapped there, copies too. */
	if (object->kind == VAS_SYS_KIND_HUGETLB)
		object_cut_copies(sim, VAS_SIM_OBJECT_FIRST + (int)(object - sim->objects), start,
				  end);
}

static bool object_too_large(const struct vas_sys_sim *sim, const struct vas_sim_object *object,
			     uint64_t end)
{
	return end > object->size && end > sim->config.file_limit;
}

/* Gives [start, end) its pages: all, or for huge ones as many as there are. */
static int object_fill(struct vas_sys_sim *sim, struct vas_sim_object *object, uint64_t start,
		       uint64_t end)
{
	bool huge = object->kind == VAS_SYS_KIND_HUGETLB;
	uint64_t need, room;

	start -= start % object->page_size;
	end += object->page_size - 1;
	end -= end % object->page_size;
	need = end - start - vas_sim_pages_count(&object->held, start, end);
	if (object->kind == VAS_SYS_KIND_FILE)
		room = UINT64_MAX;
	else
		room = huge ? vas_sim_huge_free(sim) : vas_sim_memory_free(sim);
	if (need <= room) {
		vas_sim_pages_add(&object->held, start, end);
		return 0;
	}
	if (!huge)
		return -ENOMEM;
	for (; room > 0; start += object->page_size) {
		if (vas_spanset_contains(&object->held, start, start + object->page_size))
			continue;
		vas_sim_pages_add(&object->held, start, start + object->page_size);
		room -= object->page_size;
	}
	return -ENOSPC;
}

int64_t vas_sim_allocate(struct vas_sys_sim *sim, int fd, int mode, uint64_t offset, uint64_t size)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);
	struct vas_sim_object *object;
	int error;

	if (!descriptor)
		return -EBADF;
	object = &sim->objects[descriptor->object];
	if (offset > SIZE_MAX_FILE || size > SIZE_MAX_FILE || size == 0)
		return -EINVAL;
	if ((mode & ~MODES_KNOWN) || mode == FALLOC_FL_PUNCH_HOLE)
		return -EOPNOTSUPP;
	if (!descriptor->writable)
		return -EBADF;
	if (object->kind == VAS_SYS_KIND_OTHER)
		return -ENODEV;
	if (offset > SIZE_MAX_FILE - size)
		return -EFBIG;
	/* The other modes are known to the kernel, but not to these file systems. */
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (object->seals & VAS_SEALS_WRITING)
			return -EPERM;
		vas_sim_object_punch(sim, object, offset, offset + size);
		return 0;
	}
	if (object_too_large(sim, object, offset + size))
		return -EFBIG;
	if ((object->seals & F_SEAL_GROW) && offset + size > object->size)
		return -EPERM;
	error = object_fill(sim, object, offset, offset + size);
	if (!error && !(mode & FALLOC_FL_KEEP_SIZE) && offset + size > object->size)
		object->size = offset + size;
	return error;
}

int64_t vas_sim_truncate(struct vas_sys_sim *sim, int fd, uint64_t size)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);
	struct vas_sim_object *object;
	uint64_t end;

	if (size > SIZE_MAX_FILE)
		return -EINVAL;
	if (!descriptor)
		return -EBADF;
	object = &sim->objects[descriptor->object];
	if (object->kind == VAS_SYS_KIND_OTHER || !descriptor->writable)
		return -EINVAL;
	if (object_too_large(sim, object, size))
		return -EFBIG;
	if (((object->seals & F_SEAL_GROW) && size > object->size) ||
	    ((object->seals & F_SEAL_SHRINK) && size < object->size))
		return -EPERM;
	if (object->kind == VAS_SYS_KIND_HUGETLB && size % object->page_size != 0)
		return -EINVAL;
	/* What was allocated beyond the end (KEEP_SIZE) survives growing, but for huge pages. */
	if (size <= object->size || object->kind == VAS_SYS_KIND_HUGETLB) {
		end = (size + object->page_size - 1) / object->page_size * object->page_size;
		vas_sim_pages_remove(&object->held, end, UINT64_MAX);
		object_cut_copies(sim, VAS_SIM_OBJECT_FIRST + (int)descriptor->object, end,
				  UINT64_MAX);
	}
	object->size = size;
	return 0;
}

int64_t vas_sim_transfer(struct vas_sys_sim *sim, int fd, uint64_t size, uint64_t offset,
			 bool write)
{
	const struct vas_sim_descriptor *descriptor = vas_sim_descriptor(sim, fd);
	struct vas_sim_object *object;
	uint64_t limit = sim->config.file_limit;
	int error;

	if (offset > SIZE_MAX_FILE)
		return -EINVAL;
	if (!descriptor || !(write ? descriptor->writable : descriptor->readable))
		return -EBADF;
	object = &sim->objects[descriptor->object];
	if (object->kind == VAS_SYS_KIND_OTHER || (write && object->kind == VAS_SYS_KIND_HUGETLB))
		return -EINVAL;
	size = size < SIZE_MAX_FILE - offset ? size : SIZE_MAX_FILE - offset;
	if (size == 0)
		return 0;
	if (!write) {
		if (offset >= object->size)
			return 0;
		return (int64_t)(size < object->size - offset ? size : object->size - offset);
	}
	if (offset >= limit)
		return -EFBIG;
	if ((object->seals & VAS_SEALS_WRITING) ||
	    ((object->seals & F_SEAL_GROW) && offset + size > object->size))
		return -EPERM;
	size = size < limit - offset ? size : limit - offset;
	error = object_fill(sim, object, offset, offset + size);
	if (error)
		return error;
	if (offset + size > object->size)
		object->size = offset + size;
	return (int64_t)size;
}
