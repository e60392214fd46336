/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The differential test's objects: calls on descriptors, memory policies, locked
 * memory, moves and touches, made to both kernels, and what became of pages.
 *
 * Which page of the window holds bytes of its own, and which is guarded, the
 * real kernel tells in /proc/self/pagemap (guards from 6.15); what an object holds, in
 * st_blocks. A touch of the real kernel is a read into it from /dev/zero, so that a
 * signal becomes EFAULT.
 */
#include "support/differential_objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/definitions.h"
#include "sys/sim_vma.h"

#define PAGE		  4096ull
#define FILE_SIZE	  (1ull << 30)
#define CHANGED_SIZE	  (40 * PAGE)
#define READ_ONLY_SIZE	  (30 * PAGE)
#define CHANGED		  2
#define READ_ONLY	  3
#define PAGEMAP_GUARD	  (1ull << 58)
#define PAGEMAP_PRESENT	  (1ull << 63)
#define PAGEMAP_SHARED	  (1ull << 61)
#define PAGEMAP_ONLY_OURS (1ull << 56)
#define LOCK_ON_FAULT	  1
#define PAGES_MAX	  1024

static int64_t raw(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		   uint64_t f)
{
	int64_t got = syscall(number, a, b, c, d, e, f);

	return got == -1 ? -errno : got;
}

static int memory_file(uint64_t size)
{
	int fd = memfd_create("differential", MFD_CLOEXEC);

	return fd >= 0 && ftruncate(fd, (off_t)size) == 0 ? fd : -1;
}

bool objects_open(struct differential_objects *objects, struct vas_sys_sim *sim)
{
	char path[64];
	int fd;

	for (int i = 0; i < CHANGED; i++)
		objects->simulated[i] = objects->real[i] = memory_file(FILE_SIZE);
	objects->real[CHANGED] = memory_file(CHANGED_SIZE);
	objects->simulated[CHANGED] =
		(int)vas_sys_sim_new_object(sim, VAS_SYS_KIND_SHMEM, CHANGED_SIZE, true);
	fd = memory_file(READ_ONLY_SIZE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	objects->real[READ_ONLY] = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	objects->simulated[READ_ONLY] =
		(int)vas_sys_sim_new_object(sim, VAS_SYS_KIND_SHMEM, READ_ONLY_SIZE, false);
	objects->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	objects->zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	/* Later the child must not map anything by itself. */
	vas_sim_pages_room(&sim->private_pages, 4096);
	vas_sim_pages_room(&sim->guards, 4096);
	for (int i = 0; i < DIFFERENTIAL_FILES; i++)
		if (objects->real[i] < 0 || objects->simulated[i] < 0)
			return false;
	for (int i = 0; i < DIFFERENTIAL_FILES - CHANGED; i++)
		vas_sim_pages_room(&sim->objects[i].held, 1024);
	return objects->zero >= 0;
}

static const uint64_t *step_nodes(const struct differential_step *step)
{
	return step->offset ? &step->offset : NULL;
}

int64_t objects_real(struct differential_objects *objects, const struct differential_step *step,
		     uint64_t address, uint64_t target)
{
	uint64_t fd = step->file < 0 ? UINT64_MAX : (uint64_t)objects->real[step->file];

	switch (step->kind) {
	case STEP_ALLOCATE:
		return raw(SYS_fallocate, fd, (uint64_t)step->flags, step->offset, step->size, 0,
			   0);
	case STEP_TRUNCATE:
		return raw(SYS_ftruncate, fd, step->size, 0, 0, 0, 0);
	case STEP_POLICY:
		return raw(SYS_mbind, address, step->size, (uint64_t)step->prot,
			   (uintptr_t)step_nodes(step), step->offset ? 65 : 0, 0);
	case STEP_LOCK:
		if (step->prot)
			return raw(SYS_mlock2, address, step->size, LOCK_ON_FAULT, 0, 0, 0);
		return raw(SYS_munlock, address, step->size, 0, 0, 0, 0);
	case STEP_MOVE:
		return raw(SYS_mremap, address, step->size, step->size, (uint64_t)step->flags,
			   target, 0);
	case STEP_TOUCH:
		return raw(SYS_read, (uint64_t)objects->zero, address & ~(PAGE - 1), 1, 0, 0, 0);
	default:
		return 0;
	}
}

int64_t objects_simulated(struct differential_objects *objects, struct vas_sys_sim *sim,
			  const struct differential_step *step, uint64_t address, uint64_t target)
{
	struct vas_sys *sys = &sim->sys;
	int fd = step->file < 0 ? -1 : objects->simulated[step->file];

	switch (step->kind) {
	case STEP_ALLOCATE:
		return sys->allocate(sys, fd, step->flags, step->offset, step->size);
	case STEP_TRUNCATE:
		return sys->truncate(sys, fd, step->size);
	case STEP_POLICY:
		return sys->set_policy(sys, address, step->size, step->prot, step_nodes(step),
				       step->offset ? 64 : 0, 0);
	case STEP_LOCK:
		return vas_sys_sim_lock_pages(sim, address, step->size, step->prot != 0);
	case STEP_MOVE:
		return sys->move(sys, address, step->size, step->size, step->flags, target);
	case STEP_TOUCH:
		return vas_sys_sim_touch(sim, address & ~(PAGE - 1), PAGE) ? -EFAULT : 1;
	default:
		return 0;
	}
}

static bool compare_object(struct differential_objects *objects, struct vas_sys_sim *sim, int file,
			   char *message, size_t size)
{
	struct vas_sys_stat simulated;
	struct stat real;

	if (fstat(objects->real[file], &real) != 0 ||
	    sim->sys.stat(&sim->sys, objects->simulated[file], 0, &simulated) != 0) {
		snprintf(message, size, "an object cannot be asked");
		return false;
	}
	if ((uint64_t)real.st_size == simulated.size &&
	    (uint64_t)real.st_blocks * 512 == simulated.held)
		return true;
	snprintf(message, size,
		 "file %d: real has size 0x%llx and holds 0x%llx, simulated "
		 "0x%llx and 0x%llx",
		 file, (unsigned long long)real.st_size, (unsigned long long)real.st_blocks * 512,
		 (unsigned long long)simulated.size, (unsigned long long)simulated.held);
	return false;
}

static bool compare_page(struct vas_sys_sim *sim, uint64_t address, uint64_t bits, char *message,
			 size_t size)
{
	bool real_own =
		(bits & PAGEMAP_PRESENT) && (bits & PAGEMAP_ONLY_OURS) && !(bits & PAGEMAP_SHARED);
	bool real_guard = (bits & PAGEMAP_GUARD) != 0;
	bool own = vas_spanset_overlaps(&sim->private_pages, address, address + PAGE);
	bool guard = vas_spanset_overlaps(&sim->guards, address, address + PAGE);

	if (own == real_own && guard == real_guard)
		return true;
	snprintf(message, size, "page %llx: real %s%s, simulated %s%s", (unsigned long long)address,
		 real_own ? "has bytes" : "has none", real_guard ? ", guarded" : "",
		 own ? "has bytes" : "has none", guard ? ", guarded" : "");
	return false;
}

bool objects_compare(struct differential_objects *objects, struct vas_sys_sim *sim, uint64_t start,
		     uint64_t end, char *message, size_t size)
{
	static uint64_t bits[PAGES_MAX];
	uint64_t count = (end - start) / PAGE;

	for (int file = CHANGED; file < DIFFERENTIAL_FILES; file++)
		if (!compare_object(objects, sim, file, message, size))
			return false;
	if (objects->pagemap < 0 || count > PAGES_MAX)
		return true;
	if (pread(objects->pagemap, bits, count * 8, (off_t)(start / PAGE * 8)) !=
	    (ssize_t)(count * 8))
		return true;
	for (uint64_t i = 0; i < count; i++)
		if (!compare_page(sim, start + i * PAGE, bits[i], message, size))
			return false;
	return true;
}
