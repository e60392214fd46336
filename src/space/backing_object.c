/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A descriptor's object, mapped from an offset.
 *
 * WHAT FOR. Memfds, files, huge page pools and what drivers hand out, in place of a
 * part of a reservation.
 *
 * STRATEGY. What can be known beforehand is refused beforehand: MAP_FIXED takes the old
 * mapping away first. Objects of the huge page pool are mapped without access and without
 * reserving pages, and then opened: a writable mapping would extend the object by
 * itself, and could fail when it is too late. Bytes are punched out through the mapping, which needs
 * no descriptor; where that is refused (some kernels want a mapping that may be written now) through the
 * descriptor, after a look whether it still is the same object.
 *
 * CONCURRENCY. None of its own: the holding's lock is held.
 *
 * WHAT IT DOES NOT DO. It never changes an object's size, nor closes a descriptor.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "space/backing.h"
#include "sys/definitions.h"

int vas_backing_identify(struct vas_sys *sys, const struct vas_commit_opts *opts, uint64_t start,
			 struct vas_sys_stat *stat, struct vas_backing *backing)
{
	const uint32_t kept = VAS_COMMIT_SHARED | VAS_COMMIT_PRIVATE | VAS_COMMIT_PUNCH |
			      VAS_COMMIT_WHOLE;
	int64_t err;

	err = VAS_CALL(sys, stat, opts->fd, VAS_STAT_KIND, stat);
	if (err < 0)
		return (int)err;
	*backing = (struct vas_backing){
		.ops = &vas_backing_object,
		.fd = opts->fd,
		.flags = opts->flags & kept,
		.kind = stat->kind,
		.device = stat->device,
		.inode = stat->inode,
		.page_size = stat->page_size ? stat->page_size : sys->page_size,
		.delta = opts->offset - start,
	};
	return 0;
}

/* Is the descriptor still the object that was committed? */
static int object_same(const struct vas_backing *backing, struct vas_sys *sys, uint32_t flags,
		       struct vas_sys_stat *stat)
{
	int64_t err = VAS_CALL(sys, stat, backing->fd, flags, stat);

	if (err < 0)
		return (int)err;
	return stat->device == backing->device && stat->inode == backing->inode ? 0 : -EBADF;
}

static int object_plan(const struct vas_backing *backing, struct vas_sys *sys,
		       const struct vas_backing_range *range)
{
	uint64_t page = backing->page_size, end;
	const struct vas_sys_stat *stat = range->stat;
	struct vas_sys_stat seen;
	int err;

	if ((range->span.start | range->span.size | range->offset) % page ||
	    __builtin_add_overflow(range->offset, range->span.size, &end))
		return -EINVAL;
	if (!stat) {
		err = object_same(backing, sys, VAS_STAT_KIND, &seen);
		if (err)
			return err;
		stat = &seen;
	}
	if (stat->kind == VAS_SYS_KIND_OTHER)
		return 0; /* a driver knows what it maps */
	if (!stat->readable ||
	    ((backing->flags & VAS_COMMIT_SHARED) && (range->prot & PROT_WRITE) && !stat->writable))
		return -EACCES;
	if ((backing->flags & VAS_COMMIT_PUNCH) && !stat->writable)
		return -EACCES;
	return end > stat->size && !(range->flags & VAS_COMMIT_SHOWN) ? -ERANGE : 0;
}

static int object_map(const struct vas_backing *backing, struct vas_sys *sys,
		      const struct vas_backing_range *range, int prot)
{
	int flags = MAP_FIXED | (backing->flags & VAS_COMMIT_SHARED ? MAP_SHARED : MAP_PRIVATE);
	bool huge = backing->kind == VAS_SYS_KIND_HUGETLB;
	int64_t got;

	/* Of a private view few pages will be copied. */
	if (huge || ((range->flags & VAS_COMMIT_SHOWN) && (backing->flags & VAS_COMMIT_PRIVATE)))
		flags |= MAP_NORESERVE;
	got = VAS_CALL(sys, map, range->span.start, range->span.size, huge ? PROT_NONE : prot,
		       flags, backing->fd, range->offset);
	/* Ranges are sound by now: what is refused so cannot be mapped, or not at a place of ours. */
	if (got == -EINVAL || got == -ENODEV)
		return -EOPNOTSUPP;
	if (got < 0)
		return (int)got;
	VAS_ASSERT((uint64_t)got == range->span.start);
	return 0;
}

/* Through the descriptor, when it still is the one. */
static int object_punch(const struct vas_backing *backing, struct vas_sys *sys,
			const struct vas_backing_range *range)
{
	struct vas_sys_stat stat;
	int err = object_same(backing, sys, 0, &stat);

	if (err)
		return err;
	return (int)VAS_CALL(sys, allocate, backing->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     range->offset, range->span.size);
}

static int object_discard(const struct vas_backing *backing, struct vas_sys *sys,
			  const struct vas_backing_range *range)
{
	uint64_t start = range->span.start, size = range->span.size;
	int64_t err;

	if (backing->flags & VAS_COMMIT_PUNCH) {
		err = VAS_CALL(sys, advise, start, size, MADV_REMOVE);
		if (err == -EACCES || err == -EINVAL || err == -EPERM || err == -ENOSYS)
			err = object_punch(backing, sys, range);
		return (int)err;
	}
	if (backing->flags & VAS_COMMIT_SHARED)
		return -EOPNOTSUPP;
	err = VAS_CALL(sys, advise, start, size, MADV_DONTNEED);
	if (err == -EINVAL)
		err = VAS_CALL(sys, advise, start, size, MADV_DONTNEED_LOCKED);
	return (int)err;
}

const struct vas_backing_ops vas_backing_object = {
	.name = "object",
	.plan = object_plan,
	.map = object_map,
	.discard = object_discard,
};
