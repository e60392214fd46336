/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object of an arena: made or taken over, known again, closed.
 *
 * WHAT FOR. Bytes that any number of mappings see at once, behind a descriptor of our own.
 *
 * STRATEGY. A memfd, or a duplicate of what the caller has open. Daemons close descriptors that they do not know. So before every call that
 * changes the object what the descriptor stands for is compared with what was opened; the same call tells where the object ends.
 *
 * CONCURRENCY. None of its own: the arena's work lock is held.
 *
 * WHAT IT DOES NOT DO. It changes no size (object_memory.c), and maps nothing.
 */
#include "arena/object.h"

#include <errno.h>

#include "base/number.h"
#include "sys/definitions.h"

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
	return err == -ENOSYS || err == -EACCES ? (int)err : -EPERM;
}

int vas_object_create(struct vas_sys *sys, const char *name, uint64_t pool_page, enum vas_exec exec,
		      struct vas_failure *failure, struct vas_object *object)
{
	/* Said in so many words: without, the system's setting decides. */
	uint32_t said = exec == VAS_EXEC_FILE ? MFD_EXEC : MFD_NOEXEC_SEAL;
	uint32_t flags = MFD_ALLOW_SEALING;
	struct vas_sys_stat stat;
	int64_t fd, err;

	if (pool_page)
		flags |= MFD_HUGETLB | vas_log2_floor(pool_page) << MFD_HUGE_SHIFT;
	fd = VAS_CALL(sys, create, name, flags | said);
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

/* Whether an arena can be made of it. */
static int adopt_check(const struct vas_sys_stat *stat, const struct vas_object *object)
{
	if (stat->kind == VAS_SYS_KIND_OTHER)
		return -EINVAL;
	if (!stat->readable || (!stat->writable && !object->read_only))
		return -EACCES;
	/* Only cutting off takes back what a disk has given beyond the end. */
	if (stat->kind == VAS_SYS_KIND_FILE && object->shared)
		return -EINVAL;
	return object->offset % stat->page_size ? -EINVAL : 0;
}

static int adopt_classify(int64_t err, struct vas_failure *failure)
{
	failure->why = VAS_WHY_OBJECT;
	if (err == -EBADF)
		return (int)err;
	failure->why = VAS_WHY_KERNEL;
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return (int)err;
	failure->why = VAS_WHY_DENIED;
	return err == -ENOSYS ? -ENOSYS : -EPERM;
}

/* Many cannot be asked. */
static bool object_kept(int fd, struct vas_sys *sys)
{
	const struct vas_object object = { .fd = fd };

	return vas_object_is_sealed(&object, sys, F_SEAL_SHRINK);
}

int vas_object_adopt(struct vas_sys *sys, int fd, struct vas_failure *failure,
		     struct vas_object *object)
{
	uint64_t offset = object->offset;
	struct vas_sys_stat stat;
	int64_t own = VAS_CALL(sys, duplicate, fd);
	int64_t err = own < 0 ? own : VAS_CALL(sys, stat, (int)own, VAS_STAT_KIND, &stat);

	if (err < 0) {
		err = adopt_classify(err, failure);
	} else {
		err = adopt_check(&stat, object);
		failure->why = (uint8_t)(err ? VAS_WHY_OBJECT : failure->why);
	}
	if (err) {
		if (own >= 0)
			(void)VAS_CALL(sys, close, (int)own);
		return (int)err;
	}
	*object = (struct vas_object){ .fd = (int32_t)own,
				       .kept = object_kept((int)own, sys),
				       .device = stat.device,
				       .inode = stat.inode,
				       .page_size = stat.page_size,
				       .offset = offset,
				       .seen = stat.size > offset ? stat.size - offset : 0,
				       .pool = stat.kind == VAS_SYS_KIND_HUGETLB,
				       .disk = stat.kind == VAS_SYS_KIND_FILE,
				       .read_only = object->read_only,
				       .shared = object->shared };
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

int vas_object_ends(const struct vas_object *object, struct vas_sys *sys,
		    struct vas_failure *failure, uint64_t *end)
{
	struct vas_sys_stat stat;
	int64_t err = VAS_CALL(sys, stat, object->fd, 0, &stat);

	if (err < 0 || !is_same(object, &stat)) {
		failure->why = VAS_WHY_OBJECT;
		return -EBADF;
	}
	*end = stat.size > object->offset ? stat.size - object->offset : 0;
	return 0;
}

int vas_object_same(const struct vas_object *object, struct vas_sys *sys,
		    struct vas_failure *failure)
{
	uint64_t end;

	return vas_object_ends(object, sys, failure, &end);
}

int vas_object_look(struct vas_object *object, struct vas_sys *sys, struct vas_failure *failure)
{
	return vas_object_ends(object, sys, failure, &object->seen);
}

bool vas_object_is_sealed(const struct vas_object *object, struct vas_sys *sys, uint32_t seals)
{
	int64_t set = VAS_CALL(sys, seals, object->fd, 0);

	return set > 0 && ((uint32_t)set & seals);
}
