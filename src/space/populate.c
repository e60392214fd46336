/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Populate: every page gets its memory now.
 *
 * WHAT FOR. A shortage becomes an errno here, rather than a signal at the first
 * touch or the end of the process.
 *
 * STRATEGY. MADV_POPULATE_WRITE (or _READ where nothing may be written), in steps, so that a
 * memory group's room is looked at before each (cgroup.c): such a group kills instead of refusing. Kernels without that
 * advice can still allocate what is behind a shared object; for private memory they
 * have no way that ends in an errno, so the call is refused rather than half done.
 *
 * CONCURRENCY. No lock is held; the range is marked as this call's own.
 *
 * WHAT IT DOES NOT DO. It undoes nothing.
 */
#include "space/populate.h"

#include <errno.h>
#include <sys/mman.h>

#include "space/cgroup.h"
#include "sys/definitions.h"

#define STEP   (UINT64_C(64) << 20)
#define CREDIT (UINT64_C(8) << 20) /* pages are touched without a word to us, too */

/* Pages of the pool are charged to no such group, or refused by it without killing anybody. */
static bool group_has_room(struct vas_space *space, const struct vas_backing *backing,
			   uint64_t size, bool instead)
{
	if (backing->kind == VAS_SYS_KIND_HUGETLB)
		return true;
	return instead ? vas_cgroup_admits(space->sys, &space->growth_credit, STEP, size) :
			 vas_cgroup_admits(space->sys, &space->group_credit, CREDIT, size);
}

/* Through the mapping. */
static int populate_step(struct vas_space *space, const struct vas_backing *backing,
			 struct vas_span step, int prot, struct vas_failure *failure)
{
	bool disk = backing->kind == VAS_SYS_KIND_FILE || backing->kind == VAS_SYS_KIND_SHMEM;
	int advice = prot & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	int64_t err = VAS_CALL(space->sys, advise, step.start, step.size, advice);

	if (err >= 0)
		return 0;
	if (err == -EPERM || err == -ENOSYS || err == -EACCES)
		return (int)err;
	failure->why = VAS_WHY_MEMORY;
	/* A touch would have been a signal: the pool, or the file system, has no page left. */
	return err == -EFAULT && disk ? -ENOSPC : -ENOMEM;
}

/* On kernels that cannot populate: a shared object can be given its memory by its descriptor. */
static int populate_object(struct vas_space *space, const struct vas_backing *backing,
			   struct vas_span step, struct vas_failure *failure)
{
	struct vas_sys_stat stat;
	int64_t err;

	err = VAS_CALL(space->sys, stat, backing->fd, 0, &stat);
	if (err >= 0 && (stat.device != backing->device || stat.inode != backing->inode))
		err = -EBADF;
	if (err == -EBADF)
		failure->why = VAS_WHY_OBJECT;
	if (err >= 0)
		err = VAS_CALL(space->sys, allocate, backing->fd, 0, step.start + backing->delta,
			       step.size);
	if (err == -ENOSPC || err == -ENOMEM) {
		failure->why = VAS_WHY_MEMORY;
		return backing->kind == VAS_SYS_KIND_HUGETLB ? -ENOMEM : (int)err;
	}
	return err < 0 ? (int)err : 0;
}

int vas_populate(struct vas_space *space, const struct vas_backing *backing, struct vas_span range,
		 int prot, bool instead, struct vas_failure *failure)
{
	bool can = vas_probe_has(&space->probes, space->sys, VAS_PROBE_POPULATE_WRITE);
	int err = 0;

	if (!can && !(backing->flags & VAS_COMMIT_SHARED)) {
		bool unknown = vas_probe_undecided(&space->probes, VAS_PROBE_POPULATE_WRITE);

		/* The probe itself was refused its page, as at the limit of mappings. */
		failure->why = unknown ? VAS_WHY_KERNEL : VAS_WHY_DENIED;
		return unknown ? -ENOMEM : -EOPNOTSUPP;
	}
	for (uint64_t done = 0; !err && done < range.size; done += STEP) {
		struct vas_span step = { range.start + done, range.size - done };

		if (step.size > STEP)
			step.size = STEP;
		if (!group_has_room(space, backing, step.size, instead)) {
			failure->why = VAS_WHY_CGROUP;
			return -ENOMEM;
		}
		err = can ? populate_step(space, backing, step, prot, failure)
			  : populate_object(space, backing, step, failure);
	}
	return err;
}
