/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives each mapping its kind, from what it tells itself and from its neighbours.
 *
 * Strategy: mappings stream through; only those wait whose kind the following ones decide.
 *
 *  - A private mapping of a file is part of an image when any mapping of the same file in the same
 *    run is executable. Up to 16 of them wait for that one. Unnamed memory right above an image is
 *    its .bss.
 *  - A guard right below unnamed read-write memory makes both a thread's stack, if there are
 *    threads.
 *  - Read-write memory at a multiple of 64 MiB, filled up to the next multiple by memory without
 *    access, is a heap of glibc's malloc.
 *
 * The last two are guesses by shape, for kernels without names for anonymous memory. They can be
 * wrong for memory of that very shape; the man page says so.
 *
 * Copies are made only of what waits: the common mapping is passed straight through.
 */
#include "group.h"

#include <string.h>
#include <sys/mman.h>

#define MAP_STACK_MIN ((uint64_t)16 << 10) /* PTHREAD_STACK_MIN */
#define MAP_HEAP_SPAN ((uint64_t)64 << 20) /* HEAP_MAX_SIZE of glibc */

void map_group_begin(struct map_group *group, bool threads, map_sink *sink, void *context)
{
	group->sink = sink;
	group->context = context;
	group->threads = threads;
	group->count = 0;
	group->last_kind = MAP_KIND_COUNT;
}

static void map_group_pass(struct map_group *group, const struct vas_mapping *mapping,
			   enum map_kind kind)
{
	group->last_kind = kind;
	/* Only these are ever compared with the next. */
	if (kind == MAP_KIND_IMAGE || kind == MAP_KIND_FILE)
		group->last = *mapping;
	group->sink(group->context, mapping, kind);
}

static void map_group_pass_queue(struct map_group *group, enum map_kind kind)
{
	for (unsigned i = 0; i < group->count; i++)
		map_group_pass(group, &group->queue[i], kind);
	group->count = 0;
}

static void map_group_wait(struct map_group *group, const struct vas_mapping *mapping)
{
	struct vas_mapping *waiting = &group->queue[group->count];

	if (group->count == 0) {
		size_t length =
			mapping->name_length <= MAP_NAME_MAX ? mapping->name_length : MAP_NAME_MAX;

		memcpy(group->name, mapping->name, length);
		group->name[length] = 0;
	}
	*waiting = *mapping;
	waiting->name = group->name;
	group->count++;
}

static bool map_is_read_write(const struct vas_mapping *mapping)
{
	return (mapping->prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE);
}

static bool map_is_heap_head(const struct vas_mapping *mapping)
{
	return map_is_read_write(mapping) && mapping->start % MAP_HEAP_SPAN == 0 &&
	       mapping->end - mapping->start < MAP_HEAP_SPAN;
}

/* The kind that mapping and the single unnamed one that waits have together; COUNT: none. */
static enum map_kind map_pair_kind(const struct map_group *group, const struct vas_mapping *mapping)
{
	const struct vas_mapping *below = &group->queue[0];

	if (below->end != mapping->start || !map_is_plain(mapping))
		return MAP_KIND_COUNT;
	if (below->prot == PROT_NONE)
		return map_is_read_write(mapping) && mapping->end - mapping->start >= MAP_STACK_MIN
			       ? MAP_KIND_STACK
			       : MAP_KIND_COUNT;
	return mapping->prot == PROT_NONE && mapping->end == below->start + MAP_HEAP_SPAN
		       ? MAP_KIND_MALLOC
		       : MAP_KIND_COUNT;
}

/*
 * Decides about what waits in the light of mapping. Returns true when mapping went along with it.
 */
static bool map_group_decide(struct map_group *group, const struct vas_mapping *mapping)
{
	const struct vas_mapping *first = &group->queue[0];
	enum map_kind pair;

	if (first->flags & VAS_MAPPING_FILE) {
		if (!map_same_file(first, mapping) || (mapping->flags & VAS_MAPPING_SHARED)) {
			map_group_pass_queue(group, MAP_KIND_FILE);
			return false;
		}
		if (mapping->prot & PROT_EXEC) {
			map_group_pass_queue(group, MAP_KIND_IMAGE);
			map_group_pass(group, mapping, MAP_KIND_IMAGE);
		} else if (group->count == MAP_GROUP_QUEUE) {
			map_group_pass_queue(group, MAP_KIND_FILE);
			map_group_pass(group, mapping, MAP_KIND_FILE);
		} else {
			map_group_wait(group, mapping);
		}
		return true;
	}
	pair = map_pair_kind(group, mapping);
	if (pair == MAP_KIND_COUNT) {
		map_group_pass_queue(group, map_kind_of(first));
		return false;
	}
	map_group_pass_queue(group, pair);
	map_group_pass(group, mapping, pair);
	return true;
}

static bool map_is_above_image(const struct map_group *group, const struct vas_mapping *mapping)
{
	return group->last_kind == MAP_KIND_IMAGE && (group->last.flags & VAS_MAPPING_FILE) &&
	       group->last.end == mapping->start;
}

void map_group_show(struct map_group *group, const struct vas_mapping *mapping)
{
	enum map_kind kind;

	if (group->count && map_group_decide(group, mapping))
		return;
	kind = map_kind_of(mapping);
	if (kind == MAP_KIND_FILE && !(mapping->flags & VAS_MAPPING_SHARED)) {
		bool known =
			(group->last_kind == MAP_KIND_IMAGE || group->last_kind == MAP_KIND_FILE) &&
			map_same_file(&group->last, mapping);

		if (!known) {
			map_group_wait(group, mapping);
			return;
		}
		kind = group->last_kind;
	} else if (map_is_plain(mapping)) {
		if (map_is_read_write(mapping) && map_is_above_image(group, mapping)) {
			kind = MAP_KIND_IMAGE;
		} else if ((kind == MAP_KIND_GUARD && group->threads) ||
			   map_is_heap_head(mapping)) {
			map_group_wait(group, mapping);
			return;
		}
	}
	map_group_pass(group, mapping, kind);
}

void map_group_end(struct map_group *group)
{
	if (!group->count)
		return;
	if (group->queue[0].flags & VAS_MAPPING_FILE)
		map_group_pass_queue(group, MAP_KIND_FILE);
	else
		map_group_pass_queue(group, map_kind_of(&group->queue[0]));
}
