/* SPDX-License-Identifier: BSD-2-Clause */
/* Gives each mapping its kind, from what it tells itself and from its neighbours. */
#ifndef VASMAP_GROUP_H
#define VASMAP_GROUP_H

#include "kind.h"
#include "name.h"

#define MAP_GROUP_QUEUE 16

/* Receives each mapping once, in order, with its kind. */
typedef void map_sink(void *context, const struct vas_mapping *mapping, enum map_kind kind);

struct map_group {
	map_sink *sink;
	void *context;
	bool threads; /* the process may have more than one thread */

	/*
	 * Mappings whose kind the next one decides; I: all of one file, or a single one without a
	 * name.
	 */
	struct vas_mapping queue[MAP_GROUP_QUEUE];
	unsigned count; /* I: <= MAP_GROUP_QUEUE */
	char name[MAP_NAME_MAX + 1]; /* of all of the queue */

	struct vas_mapping
		last; /* passed on last, if it is an image's or a file's; without its name */
	enum map_kind last_kind; /* MAP_KIND_COUNT before the first */
};

void map_group_begin(struct map_group *group, bool threads, map_sink *sink, void *context);
void map_group_show(struct map_group *group, const struct vas_mapping *mapping);
/* No mapping follows: passes on what waits. */
void map_group_end(struct map_group *group);

#endif
