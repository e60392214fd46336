/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * find: where there is room under constraints.
 *
 * The library decides, by the same rules as a reservation of the process itself: margins around
 * stacks and above the break are kept. Without --near the lowest place is taken, so that the answer
 * can be repeated. Further places are found by avoiding those found before; each is one more
 * reading of the mappings.
 *
 * When there is no room, the largest usable range is told and how much it is short by.
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <vaspace/report.h>

#include "json.h"
#include "number.h"
#include "reading.h"

struct map_place {
	struct vas_span span;
	uint64_t distance; /* between the anchor and the nearest byte; MAP_UNKNOWN without one */
	uint64_t gap_start;
	uint64_t gap_end;
};

struct map_search {
	const struct map_options *options;
	struct map_place places[MAP_FIND_COUNT_MAX];
	size_t found;
	struct vas_span holes[MAP_AVOID_MAX + MAP_FIND_COUNT_MAX];
	size_t hole_count;
	struct map_walk walk;

	/* Why the last look failed. */
	int error;
	uint64_t largest; /* MAP_UNKNOWN: not known */
	uint64_t largest_start;
};

/* One look: 0 with the place appended, or the library's error. */
static int map_find_once(struct map_search *search, struct vas_layout *layout)
{
	const struct map_options *options = search->options;
	VAS_OPTS(vas_reserve_opts, opts);
	VAS_OPTS(vas_limits, limits);
	const struct vas_limits *list[] = { &limits };
	struct vas_span span;
	int error;

	limits.name = "--avoid";
	limits.holes = search->holes;
	limits.hole_count = search->hole_count;
	opts.limits = list;
	opts.limit_count = search->hole_count ? 1 : 0;
	opts.alignment = options->alignment != MAP_UNKNOWN ? options->alignment : 0;
	opts.min = options->min != MAP_UNKNOWN ? options->min : 0;
	opts.max = options->max != MAP_UNKNOWN ? options->max : 0;
	opts.place = VAS_PLACE_LOW;
	opts.flags = VAS_RESERVE_STRICT;
	if (options->near != MAP_UNKNOWN) {
		opts.place = VAS_PLACE_NEAR;
		opts.address = options->near;
		opts.reach = options->reach;
		opts.flags = 0;
	}
	error = vas_layout_find(layout, options->size, &opts, &span);
	if (error)
		return error;
	search->places[search->found].span = span;
	search->holes[search->hole_count++] = span;
	return 0;
}

static uint64_t map_distance(uint64_t anchor, struct vas_span span)
{
	if (anchor == MAP_UNKNOWN)
		return MAP_UNKNOWN;
	if (anchor < span.start)
		return span.start - anchor;
	return anchor >= span.start + span.size ? anchor - (span.start + span.size - 1) : 0;
}

static void map_find_explain(struct map_search *search)
{
	struct vas_report report;

	memset(&report, 0, sizeof(report));
	report.size = sizeof(report);
	search->largest = MAP_UNKNOWN;
	if (search->error != -ENOSPC || vas_report_get(&report) != 0)
		return;
	search->largest = report.largest_gap;
	search->largest_start = report.largest_gap_start;
}

/* Remembers the free range that each place lies in. */
static void map_find_in_gap(void *context, const struct map_free *gap)
{
	struct map_search *search = context;

	for (size_t i = 0; i < search->found; i++) {
		struct map_place *place = &search->places[i];

		if (place->span.start < gap->start || place->span.start >= gap->end)
			continue;
		place->gap_start = gap->start;
		place->gap_end = gap->end;
	}
}

static enum map_status map_find_gaps(struct map_search *search, struct map_target *target)
{
	enum map_status status;
	int error = vas_layout_rewind(target->layout);

	if (error)
		return map_target_judge(target, error);
	map_walk_begin(&search->walk, target, map_find_in_gap, search);
	status = map_read_all(target, map_walk_show, &search->walk);
	if (status == MAP_STATUS_YES)
		map_walk_end(&search->walk);
	return status;
}

static void map_place_print(struct map_out *out, const struct map_place *place)
{
	char start[MAP_NUMBER_MAX], end[MAP_NUMBER_MAX], text[MAP_NUMBER_MAX];

	map_out_print(out, "%s - %s %*s", map_address_text(start, place->span.start),
		      map_address_text(end, place->span.start + place->span.size),
		      out->exact ? 16 : 8, map_size_text(text, place->span.size, out->exact));
	if (place->distance != MAP_UNKNOWN)
		map_out_print(out, "  distance %s",
			      map_size_text(text, place->distance, out->exact));
	if (place->gap_end)
		map_out_print(out, "  in gap %s", map_address_text(start, place->gap_start));
	map_out_text(out, "\n");
}

static void map_find_print(struct map_out *out, const struct map_search *search)
{
	for (size_t i = 0; i < search->found; i++)
		map_place_print(out, &search->places[i]);
}

static void map_request_json(struct map_json *json, const struct map_options *options)
{
	map_json_open(json, "request", '{');
	map_json_number(json, "size", options->size);
	map_json_known_number(json, "align", options->alignment);
	map_json_known_hex(json, "min", options->min);
	map_json_known_hex(json, "max", options->max);
	map_json_known_hex(json, "near", options->near);
	map_json_known_number(json, "reach", options->reach);
	map_json_open(json, "avoid", '[');
	for (size_t i = 0; i < options->avoid_count; i++) {
		map_json_open(json, NULL, '{');
		map_json_hex(json, "start", options->avoid[i].start);
		map_json_hex(json, "end", options->avoid[i].start + options->avoid[i].size);
		map_json_close(json, '}');
	}
	map_json_close(json, ']');
	map_json_number(json, "count", options->count);
	map_json_close(json, '}');
}

static void map_place_json(struct map_json *json, const struct map_place *place)
{
	map_json_line(json);
	map_json_open(json, NULL, '{');
	map_json_hex(json, "start", place->span.start);
	map_json_hex(json, "end", place->span.start + place->span.size);
	map_json_number(json, "size", place->span.size);
	map_json_known_number(json, "distance", place->distance);
	map_json_known_hex(json, "gap_start", place->gap_end ? place->gap_start : MAP_UNKNOWN);
	map_json_known_hex(json, "gap_end", place->gap_end ? place->gap_end : MAP_UNKNOWN);
	map_json_close(json, '}');
}

static void map_find_json(struct map_out *out, const struct map_target *target,
			  const struct map_search *search, bool complete)
{
	bool known = search->error && search->largest != MAP_UNKNOWN;
	struct map_json json;

	map_json_begin(&json, out, "find", target, "maps");
	map_request_json(&json, search->options);
	map_json_open(&json, "places", '[');
	for (size_t i = 0; i < search->found; i++)
		map_place_json(&json, &search->places[i]);
	map_json_close(&json, ']');
	map_json_known_number(&json, "largest", known ? search->largest : MAP_UNKNOWN);
	map_json_known_hex(&json, "largest_start",
			   known && search->largest ? search->largest_start : MAP_UNKNOWN);
	map_json_end(&json, complete);
}

/* There is no room for one more. */
static void map_find_complain(const struct map_search *search)
{
	char size[MAP_NUMBER_MAX], largest[MAP_NUMBER_MAX], start[MAP_NUMBER_MAX],
		shortage[MAP_NUMBER_MAX];
	const char *more = search->found ? "further " : "";

	map_size_text(size, search->options->size, false);
	if (search->error == -ERANGE)
		map_message(
			"no %sfree range of %s: more than lies between these limits, even were it all free",
			more, size);
	else if (search->largest == MAP_UNKNOWN || search->largest >= search->options->size)
		map_message("no %sfree range of %s under these limits", more, size);
	else if (search->largest == 0)
		map_message("no %sfree range of %s: nothing is free under these limits", more,
			    size);
	else
		map_message(
			"no %sfree range of %s: largest is %s at %s (short by %s)", more, size,
			map_size_text(largest, search->largest, false),
			map_address_text(start, search->largest_start),
			map_size_text(shortage, search->options->size - search->largest, false));
}

/* Looks until there are enough places. The result is YES, NO, or FAILED with the message given. */
static enum map_status map_find_places(struct map_search *search, struct map_target *target)
{
	while (search->found < search->options->count) {
		search->error = map_find_once(search, target->layout);
		if (search->error)
			break;
		search->places[search->found].distance =
			map_distance(search->options->near, search->places[search->found].span);
		search->found++;
	}
	map_find_explain(search);
	switch (search->error) {
	case 0:
		return MAP_STATUS_YES;
	case -ENOSPC:
	case -ERANGE:
		return MAP_STATUS_NO;
	case -EINVAL:
		map_message("find: EINVAL - a size, alignment or address that no mapping can have");
		return MAP_STATUS_FAILED;
	default:
		/* 0 and -ESRCH are the only errors that do not mean failure. */
		map_target_judge(target, search->error);
		return MAP_STATUS_FAILED;
	}
}

enum map_status map_find(struct map_target *target, const struct map_options *options,
			 struct map_out *out)
{
	static struct map_search search;
	enum map_status status, gaps;

	memset(&search, 0, sizeof(search));
	search.options = options;
	memcpy(search.holes, options->avoid, options->avoid_count * sizeof(search.holes[0]));
	search.hole_count = options->avoid_count;
	status = map_find_places(&search, target);
	if (status == MAP_STATUS_FAILED)
		return status;
	gaps = map_find_gaps(&search, target);
	if (gaps == MAP_STATUS_FAILED)
		return gaps;
	if (gaps > status)
		status = gaps;
	if (options->json)
		map_find_json(out, target, &search, status == MAP_STATUS_YES);
	else
		map_find_print(out, &search);
	if (search.error)
		map_find_complain(&search);
	return status;
}
