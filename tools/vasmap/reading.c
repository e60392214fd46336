/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over a target's mappings, and the free ranges between them.
 *
 * Every command that reads all mappings does it through here: mappings stream from the library
 * through group.c, which gives them kinds, to the command. Free ranges are taken as they are,
 * without the margins that find keeps around stacks and the break: a listing shows what is there.
 *
 * Only addresses of the default window count as free: above it the kernel gives nothing unless
 * asked.
 */
#include "reading.h"

#include <string.h>
#include <sys/mman.h>

void map_totals_add(struct map_totals *totals, const struct vas_mapping *mapping)
{
	uint64_t size = mapping->end - mapping->start;

	totals->vmas++;
	totals->size += size;
	totals->no_access += mapping->prot == PROT_NONE ? size : 0;
}

enum map_status map_read_all(struct map_target *target, map_sink *sink, void *context)
{
	static struct map_group group; /* too large for the stack of a careful program */
	struct vas_mapping mapping;
	int more;

	map_group_begin(&group, target->threads > 1, sink, context);
	while ((more = vas_layout_next(target->layout, &mapping)) > 0)
		map_group_show(&group, &mapping);
	map_group_end(&group);
	return map_target_judge(target, more);
}

void map_walk_begin(struct map_walk *walk, const struct map_target *target, map_free_sink *sink,
		    void *context)
{
	walk->position = target->window.min;
	walk->max = target->window.max;
	walk->sink = sink;
	walk->context = context;
	walk->below.kind = walk->above.kind = MAP_KIND_COUNT;
	walk->below.name_length = walk->above.name_length = 0;
}

static void map_neighbour_set(struct map_neighbour *neighbour, const struct vas_mapping *mapping,
			      enum map_kind kind)
{
	const char *name;

	/* A .bss goes by the name of the image that it lies above. */
	if (kind == MAP_KIND_IMAGE && !mapping->name_length && neighbour->kind == kind)
		return;
	neighbour->kind = kind;
	name = map_shown_name(mapping->name, mapping->name_length, &neighbour->name_length);
	if (neighbour->name_length > MAP_NAME_MAX)
		neighbour->name_length = MAP_NAME_MAX;
	memcpy(neighbour->name, name, neighbour->name_length);
}

static void map_walk_report(struct map_walk *walk, uint64_t end)
{
	struct map_free free_range = { walk->position, end, &walk->below, &walk->above };

	walk->sink(walk->context, &free_range);
}

void map_walk_show(void *context, const struct vas_mapping *mapping, enum map_kind kind)
{
	struct map_walk *walk = context;

	if (walk->position == walk->max || mapping->end <= walk->position)
		return;
	if (mapping->start >= walk->max) {
		map_walk_end(walk);
		return;
	}
	if (mapping->start > walk->position) {
		map_neighbour_set(&walk->above, mapping, kind);
		map_walk_report(walk, mapping->start);
	}
	map_neighbour_set(&walk->below, mapping, kind);
	walk->position = mapping->end < walk->max ? mapping->end : walk->max;
}

void map_walk_end(struct map_walk *walk)
{
	walk->above.kind = MAP_KIND_COUNT;
	walk->above.name_length = 0;
	if (walk->position < walk->max)
		map_walk_report(walk, walk->max);
	walk->position = walk->max;
}

char *map_put_neighbour(char *at, const struct map_neighbour *neighbour)
{
	const char *word = neighbour->kind == MAP_KIND_COUNT ? "-" : map_kind_word(neighbour->kind);

	if (!neighbour->name_length || neighbour->kind == MAP_KIND_ARENA) {
		at = stpcpy(at, word);
		if (!neighbour->name_length)
			return at;
		*at++ = ' ';
	}
	return map_put_name(at, neighbour->name, neighbour->name_length, NULL);
}
