/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --gaps: the free ranges, with what lies below and above each.
 *
 * ALIGN is the largest power of two that divides the start: what a span placed at the low end would
 * have.
 */
#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "number.h"
#include "reading.h"

#define MAP_NEIGHBOUR_WIDTH 22

struct map_gap_listing {
	struct map_out *out;
	struct map_json json;
	struct map_walk walk;
	size_t below_width;
	size_t above_width; /* used on a terminal only */
	uint64_t min;
	uint64_t shown;
	uint64_t seen;
};

static size_t map_gap_size_width(const struct map_out *out)
{
	return out->exact ? 16 : 8;
}

/* The two names share what a terminal has left; elsewhere they are never cut. */
static void map_gap_widths(struct map_gap_listing *listing)
{
	const struct map_out *out = listing->out;
	size_t before = 12 + 3 + 12 + 1 + map_gap_size_width(out) + 1 + 5 + 2, rest;

	listing->below_width = MAP_NEIGHBOUR_WIDTH;
	if (!out->columns)
		return;
	rest = out->columns > before + 2 + 16 ? out->columns - before - 2 : 16;
	if (rest < 2 * MAP_NEIGHBOUR_WIDTH)
		listing->below_width = rest / 2;
	listing->above_width = rest - listing->below_width;
}

static char *map_put_below(char *at, const struct map_gap_listing *listing,
			   const struct map_neighbour *neighbour)
{
	char *end = map_put_neighbour(at, neighbour);

	if (listing->out->columns)
		end = map_cut_middle(at, end, listing->below_width);
	return map_pad_right(at, end, listing->below_width);
}

static char *map_put_above(char *at, const struct map_gap_listing *listing,
			   const struct map_neighbour *neighbour)
{
	char *end = map_put_neighbour(at, neighbour);

	return listing->out->columns ? map_cut_middle(at, end, listing->above_width) : end;
}

static void map_gap_print(void *context, const struct map_free *gap)
{
	struct map_gap_listing *listing = context;
	struct map_out *out = listing->out;
	uint64_t size = gap->end - gap->start;
	char *at, *field;

	listing->seen++;
	if (size < listing->min)
		return;
	listing->shown++;
	at = map_out_room(out, MAP_NAME_TEXT_MAX + 256);
	at = map_put_address(at, gap->start);
	memcpy(at, " - ", 3);
	at = map_put_address(at + 3, gap->end);
	*at++ = ' ';
	field = at;
	at = map_pad_left(field, map_put_size(at, size, out->exact), map_gap_size_width(out));
	*at++ = ' ';
	field = at;
	at = map_pad_left(field, map_put_power(at, gap->start & -gap->start), 5);
	*at++ = ' ';
	*at++ = ' ';
	at = map_put_below(at, listing, gap->below);
	*at++ = ' ';
	*at++ = ' ';
	map_out_done(out, at);
	at = map_out_room(out, MAP_NAME_TEXT_MAX + 256);
	at = map_put_above(at, listing, gap->above);
	*at++ = '\n';
	map_out_done(out, at);
}

static void map_neighbour_json(struct map_json *json, const char *key,
			       const struct map_neighbour *neighbour)
{
	if (neighbour->kind == MAP_KIND_COUNT) {
		map_json_null(json, key);
		return;
	}
	map_json_open(json, key, '{');
	map_json_text(json, "kind", map_kind_word(neighbour->kind));
	map_json_string(json, "name", neighbour->name_length ? neighbour->name : NULL,
			neighbour->name_length);
	map_json_close(json, '}');
}

static void map_gap_json(void *context, const struct map_free *gap)
{
	struct map_gap_listing *listing = context;
	struct map_json *json = &listing->json;

	listing->seen++;
	if (gap->end - gap->start < listing->min)
		return;
	listing->shown++;
	map_json_line(json);
	map_json_open(json, NULL, '{');
	map_json_hex(json, "start", gap->start);
	map_json_hex(json, "end", gap->end);
	map_json_number(json, "size", gap->end - gap->start);
	map_json_number(json, "align", gap->start & -gap->start);
	map_neighbour_json(json, "below", gap->below);
	map_neighbour_json(json, "above", gap->above);
	map_json_close(json, '}');
}

static enum map_status map_gaps_text(struct map_target *target, struct map_gap_listing *listing)
{
	enum map_status status;

	map_gap_widths(listing);
	map_out_hold(listing->out);
	map_out_print(listing->out, "START        - END          %*s ALIGN  %-*s  ABOVE\n",
		      (int)map_gap_size_width(listing->out), "SIZE", (int)listing->below_width,
		      "BELOW");
	status = map_read_all(target, map_walk_show, &listing->walk);
	if (status == MAP_STATUS_FAILED) {
		map_out_drop(listing->out);
		return status;
	}
	/* Above the last mapping of a partial reading nothing is known. */
	if (status == MAP_STATUS_YES)
		map_walk_end(&listing->walk);
	map_out_let_go(listing->out, NULL, 0);
	map_out_print(listing->out,
		      "%" PRIu64 " of %" PRIu64
		      " gaps; ALIGN = largest power of two dividing START\n",
		      listing->shown, listing->seen);
	return status;
}

static enum map_status map_gaps_json(struct map_target *target, struct map_gap_listing *listing)
{
	struct map_json *json = &listing->json;
	enum map_status status;

	map_json_begin(json, listing->out, "gaps", target, "maps");
	map_json_number(json, "min_size", listing->min);
	map_json_open(json, "gaps", '[');
	status = map_read_all(target, map_walk_show, &listing->walk);
	if (status == MAP_STATUS_YES)
		map_walk_end(&listing->walk);
	map_json_close(json, ']');
	map_json_number(json, "total", listing->seen);
	map_json_end(json, status == MAP_STATUS_YES);
	return status;
}

enum map_status map_gaps(struct map_target *target, const struct map_options *options,
			 struct map_out *out)
{
	static struct map_gap_listing listing;
	enum map_status status;

	memset(&listing, 0, sizeof(listing));
	listing.out = out;
	listing.min = options->gap_min;
	map_walk_begin(&listing.walk, target, options->json ? map_gap_json : map_gap_print,
		       &listing);
	status = options->json ? map_gaps_json(target, &listing) : map_gaps_text(target, &listing);
	return status == MAP_STATUS_YES && !listing.shown ? MAP_STATUS_NO : status;
}
