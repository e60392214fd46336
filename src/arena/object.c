/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object of an arena.
 *
 * WHAT FOR. Bytes that any number of mappings see at once, given by one call that ends in an errno where
 * touching would end in a signal.
 *
 * STRATEGY. fallocate, in steps: before each the room under memory groups is looked at, since these kill instead of refusing, and
 * signals that are blocked for a step that they interrupted do not wait long. What a refused growth had got is cut off again. With "at least" a refused
 * step is halved until nothing more can be had.
 *
 * Daemons close descriptors that they do not know. So every call that changes the object first
 * compares what the descriptor stands for with what was opened.
 *
 * CONCURRENCY. None of its own: the arena's work lock is held.
 *
 * WHAT IT DOES NOT DO. It maps nothing.
 */
#include "arena/object.h"

#include <errno.h>

#include "base/number.h"
#include "space/cgroup.h"
#include "sys/definitions.h"

#define STEP   (UINT64_C(64) << 20)
#define CREDIT STEP /* a reading costs as much as allocating 256 KiB */

static bool is_same(const struct vas_object *object, const struct vas_sys_stat *stat)
{
	return stat->device == object->device && stat->inode == object->inode;
}

/* What creating, or looking at what was created, answers. */
static int create_classify(int64_t err, uint64_t pool_page, struct vas_failure *failure)
{
	if (pool_page && (err == -ENODEV || err == -ENOSYS || err == -EINVAL)) {
		failure->why = VAS_WHY_PAGES;
		return -EOPNOTSUPP;
	}
	failure->why = VAS_WHY_KERNEL;
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return (int)err;
	failure->why = VAS_WHY_DENIED;
	return err == -ENOSYS ? -ENOSYS : -EPERM;
}

int vas_object_create(struct vas_sys *sys, const char *name, uint64_t pool_page,
		      struct vas_failure *failure, struct vas_object *object)
{
	uint32_t flags = MFD_ALLOW_SEALING;
	struct vas_sys_stat stat;
	int64_t fd, err;

	if (pool_page)
		flags |= MFD_HUGETLB | vas_log2_floor(pool_page) << MFD_HUGE_SHIFT;
	fd = VAS_CALL(sys, create, name, flags | MFD_NOEXEC_SEAL);
	if (fd == -EINVAL) /* before 6.3 */
		fd = VAS_CALL(sys, create, name, flags);
	err = fd < 0 ? fd : VAS_CALL(sys, stat, (int)fd, VAS_STAT_KIND, &stat);
	if (err < 0) {
		if (fd >= 0)
			(void)VAS_CALL(sys, close, (int)fd);
		return create_classify(err, fd < 0 ? pool_page : 0, failure);
	}
	*object = (struct vas_object){ .fd = (int32_t)fd,
				       .device = stat.device,
				       .inode = stat.inode,
				       .page_size = stat.page_size,
				       .pool = stat.kind == VAS_SYS_KIND_HUGETLB };
	return 0;
}

void vas_object_close(struct vas_sys *sys, struct vas_object *object)
{
	struct vas_sys_stat stat;
	int64_t err;

	if (object->fd < 0)
		return;
	err = VAS_CALL(sys, stat, object->fd, 0, &stat);
	/* Should it be another's by now, it stays that one's. */
	if (err < 0 || is_same(object, &stat))
		(void)VAS_CALL(sys, close, object->fd);
	object->fd = -1;
}

int vas_object_same(const struct vas_object *object, struct vas_sys *sys,
		    struct vas_failure *failure)
{
	struct vas_sys_stat stat;
	int64_t err = VAS_CALL(sys, stat, object->fd, 0, &stat);

	if (err >= 0 && is_same(object, &stat))
		return 0;
	failure->why = VAS_WHY_OBJECT;
	return -EBADF;
}

/* What the kernel answered, as an errno of the tables, with the reason. */
static int object_classify(const struct vas_object *object, int err, struct vas_failure *failure)
{
	if (failure->why != VAS_WHY_NONE)
		return err;
	if (object->pool && (err == -ENOSPC || err == -ENOMEM)) {
		failure->why = VAS_WHY_POOL;
		return -ENOMEM;
	}
	switch (err) {
	case -EFBIG:
		failure->why = VAS_WHY_FILE_LIMIT;
		return -ENOSPC;
	case -ENOSPC:
		failure->why = VAS_WHY_FILE_SYSTEM;
		return err;
	case -ENOMEM:
		failure->why = VAS_WHY_KERNEL;
		return err;
	case -EBADF:
		failure->why = VAS_WHY_OBJECT;
		return err;
	default: /* a seal, or a sandbox */
		failure->why = VAS_WHY_DENIED;
		return -EPERM;
	}
}

/* fallocate of the arena's bytes [from, from + size). */
static int64_t object_allocate(const struct vas_object *object, struct vas_sys *sys, int mode,
			       uint64_t from, uint64_t size)
{
	return VAS_CALL(sys, allocate, object->fd, mode, object->offset + from, size);
}

static int64_t object_truncate(const struct vas_object *object, struct vas_sys *sys, uint64_t size)
{
	return VAS_CALL(sys, truncate, object->fd, object->offset + size);
}

static int extend_step(const struct vas_object *object, struct vas_space *space, int mode,
		       uint64_t from, uint64_t size, struct vas_failure *failure)
{
	/* Pages of the pool are charged to no memory group, or refused by it without killing anybody. */
	if (object->pool || vas_cgroup_admits(space->sys, &space->growth_credit, CREDIT, size))
		return (int)object_allocate(object, space->sys, mode, from, size);
	failure->why = VAS_WHY_CGROUP;
	return -ENOMEM;
}

/* From the end on; what has been had so far is *reached. */
static int extend_steps(const struct vas_object *object, struct vas_space *space, int mode,
			uint64_t to, bool partly, uint64_t unit, struct vas_failure *failure,
			uint64_t *reached)
{
	uint64_t most = STEP < unit ? unit : vas_align_down(STEP, unit);
	int err = 0;

	while (*reached < to) {
		uint64_t size = to - *reached < most ? to - *reached : most;

		err = extend_step(object, space, mode, *reached, size, failure);
		if (!err) {
			*reached += size;
		} else if (partly && size > unit && (err == -ENOMEM || err == -ENOSPC || err == -EFBIG)) {
			most = vas_align_down(size / 2, unit);
			most = most ? most : unit;
			failure->why = VAS_WHY_NONE;
		} else {
			break;
		}
	}
	return err;
}

static int object_punch(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
			uint64_t to)
{
	return (int)object_allocate(object, sys, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
				    to - from);
}

void vas_object_undo(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		     uint64_t to)
{
	/* Also what a refused step may have got on its way. */
	int64_t err = object_truncate(object, sys, from);

	/* Sealed against shrinking: at least no memory is left there. */
	if (err < 0)
		(void)object_punch(object, sys, from, to);
}

int vas_object_extend(const struct vas_object *object, struct vas_space *space, uint64_t from,
		      uint64_t to, uint64_t least, uint64_t unit, struct vas_failure *failure,
		      uint64_t *reached)
{
	uint64_t end = from;
	int err;

	err = extend_steps(object, space, 0, to, least < to, unit, failure, &end);
	if (err && end < least) {
		vas_object_undo(object, space->sys, from, to);
		return object_classify(object, err, failure);
	}
	*reached = end;
	return 0;
}

int vas_object_cut(const struct vas_object *object, struct vas_sys *sys, uint64_t size,
		   struct vas_failure *failure)
{
	int err = (int)object_truncate(object, sys, size);

	return err < 0 ? object_classify(object, err, failure) : 0;
}

int vas_object_punch(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		     uint64_t to, struct vas_failure *failure)
{
	int err = object_punch(object, sys, from, to);

	return err < 0 ? object_classify(object, err, failure) : 0;
}

int vas_object_fill(const struct vas_object *object, struct vas_space *space, uint64_t from,
		    uint64_t to, uint64_t least, uint64_t unit, struct vas_failure *failure,
		    uint64_t *reached)
{
	int err;

	*reached = from;
	err = extend_steps(object, space, FALLOC_FL_KEEP_SIZE, to, least < to, unit, failure,
			   reached);
	return err && *reached < least ? object_classify(object, err, failure) : 0;
}

int vas_object_open(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		    uint64_t to, struct vas_failure *failure)
{
	int err = (int)object_allocate(object, sys, 0, from, to - from);

	return err < 0 ? object_classify(object, err, failure) : 0;
}
