/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of an arena's object: had, and given back.
 *
 * WHAT FOR. Memory for bytes by one call that ends in an errno where touching would end in a signal.
 *
 * STRATEGY. fallocate, in steps: before each the room under memory groups is looked at, since these kill instead of refusing, and
 * signals that are blocked for a step that they interrupted do not wait long. What a refused growth had got is cut off again. With "at least" a refused
 * step is halved until nothing more can be had.
 *
 * An object that others grow, too, is never cut off where somebody may have something by then: memory beyond its end is had first,
 * goes back by a hole where that still is beyond the end, and moving the end is the last step (arena/ahead.c).
 *
 * CONCURRENCY. None of its own: the arena's work lock is held.
 *
 * WHAT IT DOES NOT DO. It maps nothing. Whether the descriptor is still ours the caller has looked (object.c).
 */
#include "arena/object.h"

#include <errno.h>

#include "base/number.h"
#include "space/cgroup.h"
#include "space/policy.h"
#include "sys/definitions.h"

#define STEP   (UINT64_C(64) << 20)
#define CREDIT STEP /* a reading costs as much as allocating 256 KiB */

/* What the kernel answered, as an errno of the tables, with the reason. seals: those that refuse such a call. */
static int object_classify(const struct vas_object *object, struct vas_sys *sys, uint32_t seals,
			   int err, struct vas_failure *failure)
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
	case -EDQUOT: /* a user's share of a disk; here that errno is a cap's */
		failure->why = VAS_WHY_FILE_SYSTEM;
		return -ENOSPC;
	case -ENOMEM:
	case -EIO:
		failure->why = VAS_WHY_KERNEL;
		return err;
	case -EOPNOTSUPP: /* its file system cannot */
		failure->why = VAS_WHY_OBJECT;
		return err;
	case -EBADF:
		failure->why = VAS_WHY_OBJECT;
		return err;
	default: /* a seal, or a sandbox */
		failure->why = VAS_WHY_DENIED;
		if (err == -EPERM && vas_object_is_sealed(object, sys, seals))
			failure->why = VAS_WHY_SEALED;
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

/* A mapping's policy says nothing of pages that the pool gives by fallocate: the thread's does. */
static int extend_by_policy(const struct vas_object *object, struct vas_sys *sys, int mode,
			    uint64_t from, uint64_t size, struct vas_failure *failure)
{
	const struct vas_policy *policy = NULL;
	struct vas_policy_lent lent;
	uint64_t end;
	int err;

	if (object->policies)
		policy = vas_arena_policy_at(object->policies, from, &end);
	err = vas_policy_lend(sys, policy, &lent);
	if (!err) {
		err = (int)object_allocate(object, sys, mode, from, size);
		vas_policy_take_back(sys, &lent);
		return err;
	}
	failure->why = VAS_WHY_KERNEL;
	if (err == -ENOMEM)
		return err;
	failure->why = err == -EINVAL ? VAS_WHY_ARGUMENT : VAS_WHY_DENIED;
	return err == -EINVAL ? err : -EPERM;
}

static int extend_step(const struct vas_object *object, struct vas_space *space, int mode,
		       uint64_t from, uint64_t size, struct vas_failure *failure)
{
	/* Pages of the pool are charged to no memory group, or refused by it without killing anybody. */
	if (object->pool)
		return extend_by_policy(object, space->sys, mode, from, size, failure);
	if (vas_cgroup_admits(space->sys, &space->growth_credit, CREDIT, size))
		return (int)object_allocate(object, space->sys, mode, from, size);
	failure->why = VAS_WHY_CGROUP;
	return -ENOMEM;
}

/* Pages of the pool come from one policy's nodes at a time. */
static uint64_t step_size(const struct vas_object *object, uint64_t from, uint64_t size)
{
	uint64_t end;

	if (!object->pool || !object->policies)
		return size;
	(void)vas_arena_policy_at(object->policies, from, &end);
	return size < end - from ? size : end - from;
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

		size = step_size(object, *reached, size);
		err = extend_step(object, space, mode, *reached, size, failure);
		if (object->pulse)
			__atomic_add_fetch(object->pulse, 1, __ATOMIC_RELAXED);
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
	uint64_t end = from > object->seen ? from : object->seen;
	/* Also what a refused step may have got on its way. */
	int64_t err = object_truncate(object, sys, end);

	/* Sealed against shrinking: at least no memory is left there. */
	if (err < 0 && end < to)
		(void)object_punch(object, sys, end, to);
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
		return object_classify(object, space->sys, F_SEAL_GROW, err, failure);
	}
	*reached = end;
	return 0;
}

int vas_object_cut(const struct vas_object *object, struct vas_sys *sys, uint64_t size,
		   uint64_t from, struct vas_failure *failure)
{
	int err;

	if (object->shared && object->seen > from)
		err = object_punch(object, sys, size, from);
	else
		err = (int)object_truncate(object, sys, size);
	return err < 0 ? object_classify(object, sys, F_SEAL_SHRINK, err, failure) : 0;
}

/* Gives all beyond the end back, and takes what of it lies below from again: also where holes are forbidden. */
static int object_clear(const struct vas_object *object, struct vas_sys *sys, uint64_t end,
			uint64_t from)
{
	int err = (int)object_truncate(object, sys, end);

	if (!err && end < from)
		err = (int)object_allocate(object, sys, FALLOC_FL_KEEP_SIZE, end, from - end);
	return err;
}

int vas_object_give(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		    uint64_t to, struct vas_failure *failure)
{
	uint64_t end;
	int err = vas_object_ends(object, sys, failure, &end);

	if (err)
		return err;
	/* Disks make no holes beyond the end. */
	err = object->disk ? object_clear(object, sys, end, from) : 0;
	if (!object->disk && from < to && end < to)
		err = object_punch(object, sys, end > from ? end : from, to);
	if (err == -EPERM && !object->shared)
		err = object_clear(object, sys, end, from);
	return err < 0 ? object_classify(object, sys, VAS_SEALS_WRITING, err, failure) : 0;
}

int vas_object_punch(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		     uint64_t to, struct vas_failure *failure)
{
	int err = object_punch(object, sys, from, to);

	return err < 0 ? object_classify(object, sys, VAS_SEALS_WRITING, err, failure) : 0;
}

int vas_object_fill(const struct vas_object *object, struct vas_space *space, uint64_t from,
		    uint64_t to, uint64_t least, uint64_t unit, struct vas_failure *failure,
		    uint64_t *reached)
{
	int err;

	*reached = from;
	err = extend_steps(object, space, FALLOC_FL_KEEP_SIZE, to, least < to, unit, failure,
			   reached);
	return err && *reached < least ? object_classify(object, space->sys, F_SEAL_GROW, err, failure) : 0;
}

int vas_object_open(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		    uint64_t to, struct vas_failure *failure)
{
	int err = (int)object_allocate(object, sys, 0, from, to - from);

	return err < 0 ? object_classify(object, sys, F_SEAL_GROW, err, failure) : 0;
}
