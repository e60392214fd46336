/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a mapping is for, as far as it tells by itself.
 *
 * The kernel gives a name, permissions and a file. Names of anonymous memory (PR_SET_VMA) are
 * trusted where they are there; many kernels are built without them, so group.c adds what
 * neighbours tell.
 *
 * A private mapping of a file that is executable is part of an image; other parts of the same image
 * are found by group.c. /dev/shm and hugetlbfs hold files, /dev/zero is how shared anonymous memory
 * shows, everything else under /dev, and what has no path (anon_inode:, socket:, /dmabuf:), is a
 * device's.
 */
#include "kind.h"

#include <string.h>
#include <sys/mman.h>

/* with is a literal, so that the compiler knows its length. */
#define MAP_BEGINS(name, with) (strncmp(name, with, sizeof(with) - 1) == 0)

static enum map_kind map_kind_by_access(const struct vas_mapping *mapping)
{
	if (mapping->prot != PROT_NONE)
		return MAP_KIND_ANON;
	return mapping->end - mapping->start <= MAP_GUARD_MAX ? MAP_KIND_GUARD : MAP_KIND_RESERVE;
}

/* name begins behind the colon of [anon:NAME] or [anon_shmem:NAME]. */
static enum map_kind map_kind_named(const struct vas_mapping *mapping, const char *name)
{
	static const char *const heaps[] = { "malloc", "scudo:", "tcmalloc" };

	if (MAP_BEGINS(name, "vas:"))
		return MAP_KIND_ARENA;
	for (size_t i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++)
		if (strstr(name, heaps[i]))
			return MAP_KIND_MALLOC;
	if (MAP_BEGINS(name, "stack") || strstr(name, "pthread stack"))
		return MAP_KIND_STACK;
	return map_kind_by_access(mapping);
}

static enum map_kind map_kind_of_file(const struct vas_mapping *mapping)
{
	const char *name = mapping->name;

	if (name[0] != '/')
		return name[0] ? MAP_KIND_DEVICE : MAP_KIND_FILE;
	if (MAP_BEGINS(name, "/memfd:vas:"))
		return MAP_KIND_ARENA;
	if (MAP_BEGINS(name, "/dev/")) {
		if (strcmp(name, "/dev/zero") == 0)
			return map_kind_by_access(mapping);
		if (!MAP_BEGINS(name, "/dev/shm/") && !MAP_BEGINS(name, "/dev/hugepages/"))
			return MAP_KIND_DEVICE;
	}
	if (MAP_BEGINS(name, "/dmabuf:") || strcmp(name, "/drm mm object") == 0 ||
	    strcmp(name, "/i915") == 0)
		return MAP_KIND_DEVICE;
	if ((mapping->prot & PROT_EXEC) && !(mapping->flags & VAS_MAPPING_SHARED))
		return MAP_KIND_IMAGE;
	return MAP_KIND_FILE;
}

enum map_kind map_kind_of(const struct vas_mapping *mapping)
{
	const char *name = mapping->name;

	if (mapping->flags & VAS_MAPPING_FILE)
		return map_kind_of_file(mapping);
	if (!name[0])
		return map_kind_by_access(mapping);
	if (mapping->flags & VAS_MAPPING_KERNEL)
		return MAP_KIND_KERNEL;
	if (mapping->flags & VAS_MAPPING_HEAP)
		return MAP_KIND_MALLOC;
	if ((mapping->flags & VAS_MAPPING_STACK) || MAP_BEGINS(name, "[stack"))
		return MAP_KIND_STACK;
	if (mapping->flags & VAS_MAPPING_NAMED)
		return map_kind_named(mapping, name + strcspn(name, ":") + 1);
	return map_kind_by_access(mapping);
}

const char *map_kind_word(enum map_kind kind)
{
	static const char words[MAP_KIND_COUNT][8] = {
		[MAP_KIND_ARENA] = "arena",	[MAP_KIND_MALLOC] = "malloc",
		[MAP_KIND_IMAGE] = "image",	[MAP_KIND_FILE] = "file",
		[MAP_KIND_DEVICE] = "device",	[MAP_KIND_STACK] = "stack",
		[MAP_KIND_ANON] = "anon",	[MAP_KIND_GUARD] = "guard",
		[MAP_KIND_RESERVE] = "reserve", [MAP_KIND_KERNEL] = "kernel",
	};

	return words[kind];
}

const char *map_kind_colour(enum map_kind kind)
{
	static const char *const colours[MAP_KIND_COUNT] = {
		[MAP_KIND_ARENA] = "\033[1;32m",
		[MAP_KIND_MALLOC] = "\033[33m",
		[MAP_KIND_IMAGE] = "\033[34m",
		[MAP_KIND_FILE] = "\033[36m",
		[MAP_KIND_DEVICE] = "\033[31m",
		[MAP_KIND_STACK] = "\033[35m",
		[MAP_KIND_ANON] = "",
		[MAP_KIND_GUARD] = "\033[2m",
		[MAP_KIND_RESERVE] = "\033[2m",
		[MAP_KIND_KERNEL] = "\033[2m",
	};

	return colours[kind];
}

bool map_same_file(const struct vas_mapping *a, const struct vas_mapping *b)
{
	return a->inode == b->inode && a->device_major == b->device_major &&
	       a->device_minor == b->device_minor && (a->flags & b->flags & VAS_MAPPING_FILE);
}

const char *map_shown_name(const char *name, size_t length, size_t *shown_length)
{
	static const struct {
		const char *before;
		const char *after;
	} wraps[] = { { "[anon:vas:", "]" }, { "[anon_shmem:vas:", "]" }, { "/memfd:vas:", "" } };

	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		size_t before = strlen(wraps[i].before), after = strlen(wraps[i].after);

		if (length < before + after || memcmp(name, wraps[i].before, before) != 0)
			continue;
		/* The vas: stays. */
		*shown_length = length - before - after + 4;
		return name + before - 4;
	}
	*shown_length = length;
	return name;
}
