/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --summary: totals by kind, and how free space is cut up.
 *
 * Fragmentation is 1 - largest free range / all free space: 0 when it is in one piece.
 */
#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "number.h"
#include "reading.h"

struct map_summing {
	struct map_totals totals;
	struct map_totals kinds[MAP_KIND_COUNT];
	uint64_t largest[MAP_KIND_COUNT]; /* mapping */
	struct map_walk walk;
	uint64_t gaps;
	uint64_t free_size;
	uint64_t largest_gap;
	uint64_t largest_start;
};

static void map_summary_gap(void *context, const struct map_free *gap)
{
	struct map_summing *sum = context;
	uint64_t size = gap->end - gap->start;

	sum->gaps++;
	sum->free_size += size;
	if (size > sum->largest_gap) {
		sum->largest_gap = size;
		sum->largest_start = gap->start;
	}
}

static void map_summary_mapping(void *context, const struct vas_mapping *mapping,
				enum map_kind kind)
{
	struct map_summing *sum = context;
	uint64_t size = mapping->end - mapping->start;

	map_totals_add(&sum->totals, mapping);
	map_totals_add(&sum->kinds[kind], mapping);
	if (size > sum->largest[kind])
		sum->largest[kind] = size;
	map_walk_show(&sum->walk, mapping, kind);
}

static double map_fragmentation(const struct map_summing *sum)
{
	return sum->free_size ? 1.0 - (double)sum->largest_gap / (double)sum->free_size : 0.0;
}

static void map_summary_print(struct map_out *out, const struct map_summing *sum)
{
	char size[MAP_NUMBER_MAX], other[MAP_NUMBER_MAX];
	int width = out->exact ? 16 : 8;

	map_out_print(out, "KIND      VMAs %*s %*s\n", width, "SIZE", width, "LARGEST");
	for (int kind = 0; kind < MAP_KIND_COUNT; kind++) {
		const char *colour = out->colour ? map_kind_colour((enum map_kind)kind) : "";
		const char *word = map_kind_word((enum map_kind)kind);

		if (!sum->kinds[kind].vmas)
			continue;
		map_out_print(out, "%s%s%s%*s %6" PRIu64 " %*s %*s\n", colour, word,
			      *colour ? "\033[0m" : "", 7 - (int)strlen(word), "",
			      sum->kinds[kind].vmas, width,
			      map_size_text(size, sum->kinds[kind].size, out->exact), width,
			      map_size_text(other, sum->largest[kind], out->exact));
	}
	map_out_print(out, "TOTAL   %6" PRIu64 " %*s\n", sum->totals.vmas, width,
		      map_size_text(size, sum->totals.size, out->exact));
	map_out_print(out, "free %s in %" PRIu64 " gaps, largest %s, fragmentation %.2f\n",
		      map_size_text(size, sum->free_size, out->exact), sum->gaps,
		      map_size_text(other, sum->largest_gap, out->exact), map_fragmentation(sum));
}

static void map_sum_json(struct map_json *json, const struct map_totals *totals, uint64_t largest)
{
	map_json_number(json, "vmas", totals->vmas);
	map_json_number(json, "size", totals->size);
	map_json_number(json, "prot_none", totals->no_access);
	map_json_number(json, "largest", largest);
	map_json_close(json, '}');
}

static void map_summary_json(struct map_out *out, const struct map_target *target,
			     const struct map_summing *sum, bool complete)
{
	struct map_json json;
	uint64_t largest = 0;

	map_json_begin(&json, out, "summary", target, "maps");
	map_json_open(&json, "kinds", '[');
	for (int kind = 0; kind < MAP_KIND_COUNT; kind++) {
		if (!sum->kinds[kind].vmas)
			continue;
		if (sum->largest[kind] > largest)
			largest = sum->largest[kind];
		map_json_line(&json);
		map_json_open(&json, NULL, '{');
		map_json_text(&json, "kind", map_kind_word((enum map_kind)kind));
		map_sum_json(&json, &sum->kinds[kind], sum->largest[kind]);
	}
	map_json_close(&json, ']');
	map_json_open(&json, "totals", '{');
	map_sum_json(&json, &sum->totals, largest);
	map_json_open(&json, "free", '{');
	map_json_number(&json, "size", sum->free_size);
	map_json_number(&json, "gaps", sum->gaps);
	map_json_number(&json, "largest", sum->largest_gap);
	map_json_known_hex(&json, "largest_start", sum->gaps ? sum->largest_start : MAP_UNKNOWN);
	map_json_close(&json, '}');
	map_json_end(&json, complete);
}

enum map_status map_summary(struct map_target *target, const struct map_options *options,
			    struct map_out *out)
{
	static struct map_summing sum;
	enum map_status status;

	memset(&sum, 0, sizeof(sum));
	map_walk_begin(&sum.walk, target, map_summary_gap, &sum);
	status = map_read_all(target, map_summary_mapping, &sum);
	if (status == MAP_STATUS_FAILED)
		return status;
	/* Above the last mapping of a partial reading nothing is known. */
	if (status == MAP_STATUS_YES)
		map_walk_end(&sum.walk);
	if (options->json)
		map_summary_json(out, target, &sum, status == MAP_STATUS_YES);
	else
		map_summary_print(out, &sum);
	return status;
}
