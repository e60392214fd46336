/* SPDX-License-Identifier: BSD-2-Clause */
/* One pass over a target's mappings, and the free ranges between them. */
#ifndef VASMAP_READING_H
#define VASMAP_READING_H

#include <stdint.h>

#include "group.h"
#include "target.h"

/* What is counted along the way. */
struct map_totals {
	uint64_t vmas;
	uint64_t size; /* bytes mapped, those without access counted in */
	uint64_t no_access; /* bytes mapped PROT_NONE */
};

void map_totals_add(struct map_totals *totals, const struct vas_mapping *mapping);

/* Feeds all mappings with their kinds to sink. The result is map_target_judge's. */
enum map_status map_read_all(struct map_target *target, map_sink *sink, void *context);

/* What bounds a free range: the mapping there, or the end of what can be mapped. */
struct map_neighbour {
	enum map_kind kind; /* MAP_KIND_COUNT: the end */
	size_t name_length;
	char name[MAP_NAME_MAX + 1];
};

struct map_free {
	uint64_t start;
	uint64_t end;
	const struct map_neighbour *below;
	const struct map_neighbour *above;
};

typedef void map_free_sink(void *context, const struct map_free *free_range);

/* Finds the free ranges of a window in a stream of mappings. */
struct map_walk {
	uint64_t position; /* free from here on, as far as is known; I: <= max */
	uint64_t max;
	map_free_sink *sink;
	void *context;
	struct map_neighbour below;
	struct map_neighbour above;
};

void map_walk_begin(struct map_walk *walk, const struct map_target *target, map_free_sink *sink,
		    void *context);
/* A map_sink whose context is the walk. */
void map_walk_show(void *walk, const struct vas_mapping *mapping, enum map_kind kind);
void map_walk_end(struct map_walk *walk);

/* Writes what a neighbour is called: its name or its kind. Needs MAP_NAME_TEXT_MAX + 16 bytes. */
char *map_put_neighbour(char *at, const struct map_neighbour *neighbour);

#endif
