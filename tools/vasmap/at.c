/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * at: what is mapped at one address.
 *
 * For a process this is one query, where the kernel answers queries, so the other mappings cost
 * nothing. The kind of some mappings depends on their neighbours (group.c): a few adjacent ones
 * below are looked up one by one, then shown to the grouping in ascending order until it has
 * decided. A saved file is simply read.
 *
 * A free address is told with the free range around it, which takes a reading of all mappings.
 */
#include "commands.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/stats.h>

#include "number.h"
#include "reading.h"
#include "row.h"

struct map_look {
	uint64_t address;
	bool found;
	struct map_fold fold; /* makes the mapping a row and keeps its name */
	struct map_row row;
	char name[MAP_NAME_MAX + 1];

	struct map_walk walk;
	bool free;
	struct map_free gap;
	struct map_neighbour below;
	struct map_neighbour above;
};

static void map_look_row(void *context, const struct map_row *row)
{
	struct map_look *look = context;

	look->row = *row;
	memcpy(look->name, row->name, row->name_length);
	look->name[row->name_length] = 0;
	look->row.name = look->row.first.name = look->name;
	look->found = true;
}

static void map_look_gap(void *context, const struct map_free *gap)
{
	struct map_look *look = context;

	if (look->address < gap->start || look->address >= gap->end)
		return;
	look->free = true;
	look->below = *gap->below;
	look->above = *gap->above;
	look->gap.start = gap->start;
	look->gap.end = gap->end;
	look->gap.below = &look->below;
	look->gap.above = &look->above;
}

static void map_look_mapping(void *context, const struct vas_mapping *mapping, enum map_kind kind)
{
	struct map_look *look = context;

	if (mapping->start <= look->address && look->address < mapping->end)
		map_fold_show(&look->fold, mapping, kind);
	map_walk_show(&look->walk, mapping, kind);
}

static enum map_status map_look_read(struct map_look *look, struct map_target *target)
{
	enum map_status status = map_read_all(target, map_look_mapping, look);

	if (status == MAP_STATUS_YES)
		map_walk_end(&look->walk);
	return status;
}

/* Whether neighbours can change what a mapping is taken for. */
static bool map_needs_neighbours(const struct vas_mapping *mapping)
{
	enum map_kind kind = map_kind_of(mapping);

	if (kind == MAP_KIND_FILE)
		return !(mapping->flags & VAS_MAPPING_SHARED);
	return map_is_plain(mapping) && kind != MAP_KIND_ARENA;
}

/* The start of the adjacent mappings below that may matter. */
static uint64_t map_look_down(struct vas_layout *layout, uint64_t start)
{
	struct vas_mapping mapping;

	for (int i = 0; i < MAP_GROUP_QUEUE / 2 && start > 0; i++) {
		bool image;

		if (vas_layout_at(layout, start - 1, &mapping) != 0 || mapping.start >= start)
			break;
		image = map_kind_of(&mapping) == MAP_KIND_IMAGE;
		if (!image && !map_needs_neighbours(&mapping))
			break;
		start = mapping.start;
		/* What is executable tells the kind of all that follow. */
		if (image)
			break;
	}
	return start;
}

/* Finds the row of the mapping at the address by queries. -ENOENT: the address is free. */
static int map_look_query(struct map_look *look, const struct map_target *target)
{
	static struct map_group group;
	struct vas_mapping mapping;
	uint64_t position;
	int error = vas_layout_at(target->layout, look->address, &mapping);

	if (error)
		return error;
	if (mapping.start > look->address)
		return -ENOENT;
	position = mapping.start;
	if (map_needs_neighbours(&mapping))
		position = map_look_down(target->layout, position);
	map_group_begin(&group, target->threads > 1, map_look_mapping, look);
	for (int i = 0; i < 2 * MAP_GROUP_QUEUE && !look->found; i++) {
		error = vas_layout_at(target->layout, position, &mapping);
		if (error)
			break;
		map_group_show(&group, &mapping);
		if (mapping.start > look->address)
			break;
		position = mapping.end;
	}
	map_group_end(&group);
	if (look->found)
		return 0;
	return error ? error : -ENOENT;
}

static bool map_query_used(void)
{
	struct vas_stats stats;

	memset(&stats, 0, sizeof(stats));
	stats.size = sizeof(stats);
	return vas_stats_get(&stats) == 0 && stats.queries > 0;
}

static void map_look_print(struct map_out *out, const struct map_look *look)
{
	char address[MAP_NUMBER_MAX], size[MAP_NUMBER_MAX], start[MAP_NUMBER_MAX],
		end[MAP_NUMBER_MAX];
	uint64_t inside = look->address - look->row.start;
	char *at;

	map_address_text(address, look->address);
	if (look->found) {
		map_row_print(out, &look->row);
		map_out_print(out, "%s is %s above its start", address,
			      map_size_text(size, inside, out->exact));
		if (look->row.first.flags & VAS_MAPPING_FILE) {
			*map_put_hex(start, look->row.first.offset + inside) = 0;
			map_out_print(out, ", offset 0x%s of the file", start);
		}
		map_out_text(out, "\n");
		return;
	}
	if (!look->free) {
		map_out_print(out, "%s is not mapped, and outside of what can be\n", address);
		return;
	}
	map_out_print(out, "%s is free: %s - %s  %s  between ", address,
		      map_address_text(start, look->gap.start),
		      map_address_text(end, look->gap.end),
		      map_size_text(size, look->gap.end - look->gap.start, out->exact));
	at = map_out_room(out, MAP_NAME_TEXT_MAX + 16);
	map_out_done(out, map_put_neighbour(at, &look->below));
	map_out_text(out, " and ");
	at = map_out_room(out, MAP_NAME_TEXT_MAX + 16);
	map_out_done(out, map_put_neighbour(at, &look->above));
	map_out_text(out, "\n");
}

static void map_look_json(struct map_out *out, const struct map_target *target,
			  const struct map_look *look, bool complete)
{
	struct map_json json;

	map_json_begin(&json, out, "at", target,
		       look->found && map_query_used() ? "query" : "maps");
	map_json_hex(&json, "address", look->address);
	if (look->found)
		map_row_json(&json, "mapping", &look->row);
	else
		map_json_null(&json, "mapping");
	if (look->free) {
		map_json_open(&json, "gap", '{');
		map_json_hex(&json, "start", look->gap.start);
		map_json_hex(&json, "end", look->gap.end);
		map_json_number(&json, "size", look->gap.end - look->gap.start);
		map_json_close(&json, '}');
	} else {
		map_json_null(&json, "gap");
	}
	map_json_end(&json, complete);
}

static enum map_status map_look_up(struct map_look *look, struct map_target *target)
{
	int error;

	if (target->path)
		return map_look_read(look, target);
	error = map_look_query(look, target);
	if (error && error != -ENOENT)
		return map_target_judge(target, error);
	if (look->found)
		return MAP_STATUS_YES;
	/* The queries may have shown mappings to the walk: begin again. */
	map_walk_begin(&look->walk, target, map_look_gap, look);
	error = vas_layout_rewind(target->layout);
	return error ? map_target_judge(target, error) : map_look_read(look, target);
}

enum map_status map_at(struct map_target *target, const struct map_options *options,
		       struct map_out *out)
{
	static struct map_look look;
	enum map_status status;

	memset(&look, 0, sizeof(look));
	look.address = options->address;
	map_fold_begin(&look.fold, true, map_look_row, &look);
	map_walk_begin(&look.walk, target, map_look_gap, &look);
	status = map_look_up(&look, target);
	if (status == MAP_STATUS_FAILED)
		return status;
	if (options->json)
		map_look_json(out, target, &look, status == MAP_STATUS_YES);
	else
		map_look_print(out, &look);
	return status == MAP_STATUS_YES && !look.found ? MAP_STATUS_NO : status;
}
