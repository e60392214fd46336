/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a mirror is to be of.
 *
 * WHAT FOR. Memory that somebody else mapped is known by its address only. What object it is, and whether others could see what is
 * written there, the kernel's list of mappings tells.
 *
 * STRATEGY. Mapping by mapping, until all of the range is known to be one object, in step: then one more mapping shows the same bytes. Of objects
 * that have no name in any file system /proc/self/map_files opens a descriptor, for those who may. Others are not opened there:
 * opening a device does things.
 *
 * CONCURRENCY. None of its own. That the memory stays while it is looked at is the caller's promise, and is looked at again by whoever maps it.
 *
 * WHAT IT DOES NOT DO. It maps nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "arena/mirror.h"
#include "base/text.h"
#include "layout/search.h"

#define NAME_BUFFER 64

static bool begins(const struct vas_mapping *mapping, const char *name)
{
	size_t length = strlen(name);

	return mapping->name_length >= length && memcmp(mapping->name, name, length) == 0;
}

/* What the kernel's list cannot be read for. */
static int look_refuse(struct vas_failure *failure, int err)
{
	if (err == -ENOENT)
		return vas_arena_refuse(failure, VAS_WHY_NOT_MAPPED, -ENOENT);
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, err);
	return vas_arena_refuse(failure, VAS_WHY_DENIED, err == -ENOSYS ? err : -EPERM);
}

/* The mapping that has an address. */
static int look_at(struct vas_space *space, uint64_t address, char *name, size_t name_size,
		   struct vas_failure *failure, struct vas_mapping *mapping)
{
	int err = vas_search_at(space->sys, &space->probes, 0, address, name, name_size, mapping);

	if (!err && mapping->start > address)
		err = -ENOENT;
	if (err) {
		failure->address = address;
		return look_refuse(failure, err);
	}
	if (!(mapping->flags & VAS_MAPPING_SHARED))
		return vas_arena_refuse(failure, VAS_WHY_PRIVATE, -EOPNOTSUPP);
	return 0;
}

static bool is_same(const struct vas_mapping *mapping, const struct vas_mirror_source *source)
{
	return mapping->inode == source->inode &&
	       vas_sys_device(mapping->device_major, mapping->device_minor) == source->device &&
	       mapping->offset - mapping->start == source->delta;
}

static void source_fill(const struct vas_mapping *mapping, struct vas_mirror_source *source)
{
	source->mapping = (struct vas_span){ mapping->start, mapping->end - mapping->start };
	source->device = vas_sys_device(mapping->device_major, mapping->device_minor);
	source->inode = mapping->inode;
	source->delta = mapping->offset - mapping->start;
	source->prot = (int32_t)mapping->prot;
	source->anonymous = begins(mapping, "/anon_hugepage") || begins(mapping, "/memfd:") ||
			    begins(mapping, "/SYSV") || begins(mapping, "/dev/zero");
}

int vas_mirror_look(struct vas_space *space, struct vas_span range, struct vas_failure *failure,
		    struct vas_mirror_source *source)
{
	struct vas_mapping mapping;
	char name[NAME_BUFFER];
	int err;

	source->range = range;
	err = look_at(space, range.start, name, sizeof(name), failure, &mapping);
	if (err)
		return err;
	source_fill(&mapping, source);
	while (mapping.end < vas_span_end(range)) {
		err = look_at(space, mapping.end, NULL, 0, failure, &mapping);
		if (err)
			return err;
		if (!is_same(&mapping, source)) {
			failure->address = mapping.start;
			return vas_arena_refuse(failure, VAS_WHY_OBJECT, -ERANGE);
		}
	}
	return 0;
}

static int64_t source_open(struct vas_sys *sys, const struct vas_mirror_source *source, int prot)
{
	char buffer[64];
	struct vas_text text;

	vas_text_init(&text, buffer, sizeof(buffer));
	vas_text_add(&text, "/proc/self/map_files/");
	vas_text_add_hex(&text, source->mapping.start, 1);
	vas_text_add(&text, "-");
	vas_text_add_hex(&text, vas_span_end(source->mapping), 1);
	return VAS_CALL(sys, open, buffer, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
}

static int open_refuse(struct vas_failure *failure, int64_t err)
{
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, (int)err);
	if (err == -EPERM || err == -EACCES)
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
}

int vas_mirror_descriptor(struct vas_space *space, const struct vas_mirror_source *source, int prot,
			  struct vas_failure *failure, int *fd, uint64_t *page_size)
{
	struct vas_sys *sys = space->sys;
	struct vas_sys_stat stat;
	int64_t got, err;

	if (!source->anonymous)
		return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
	got = source_open(sys, source, prot);
	if (got < 0)
		return open_refuse(failure, got);
	err = VAS_CALL(sys, stat, (int)got, VAS_STAT_KIND, &stat);
	if (err >= 0 && stat.device == source->device && stat.inode == source->inode) {
		*fd = (int)got;
		*page_size = stat.page_size;
		return 0;
	}
	(void)VAS_CALL(sys, close, (int)got);
	return err < 0 ? open_refuse(failure, err) :
			 vas_arena_refuse(failure, VAS_WHY_RACE, -EAGAIN);
}
