/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listing: one row for each run of mappings of one kind, or for each mapping.
 *
 * Mappings are read once and rows are printed as they come. The totals are known at the end but
 * belong on top, so the rows are held back in the output buffer; a listing above 512 KiB of text
 * (about 8,000 rows) has them at its end instead. Rows of a saved file that turns out malformed are
 * dropped while they can be: nothing in it is trusted.
 */
#include "commands.h"

#include <string.h>

#include "head.h"
#include "row.h"

struct map_listing {
	struct map_target *target;
	struct map_out *out;
	struct map_json json;
	struct map_totals totals;
	struct map_fold fold;
};

/* More rows came than can be held back. */
static void map_list_stream(struct map_listing *listing)
{
	char head[MAP_HEAD_MAX], *end = map_put_identity(head, listing->target);

	map_out_let_go(listing->out, head, (size_t)(end - head));
}

static void map_list_row(void *context, const struct map_row *row)
{
	struct map_listing *listing = context;

	if (map_out_is_full(listing->out))
		map_list_stream(listing);
	map_row_print(listing->out, row);
}

static void map_list_row_json(void *context, const struct map_row *row)
{
	struct map_listing *listing = context;

	map_json_line(&listing->json);
	map_row_json(&listing->json, NULL, row);
}

static void map_list_mapping(void *context, const struct vas_mapping *mapping, enum map_kind kind)
{
	struct map_listing *listing = context;

	map_totals_add(&listing->totals, mapping);
	map_fold_show(&listing->fold, mapping, kind);
}

static void map_list_head(struct map_listing *listing)
{
	char head[MAP_HEAD_MAX], *end = head;

	if (listing->out->holding)
		end = map_put_identity(end, listing->target);
	end = map_put_totals(end, listing->target, &listing->totals, listing->out->exact);
	if (listing->out->holding)
		map_out_let_go(listing->out, head, (size_t)(end - head));
	else
		map_out_put(listing->out, head, (size_t)(end - head));
}

static enum map_status map_list_text(struct map_listing *listing)
{
	enum map_status status;

	map_out_hold(listing->out);
	map_row_titles(listing->out);
	status = map_read_all(listing->target, map_list_mapping, listing);
	if (status == MAP_STATUS_FAILED && listing->out->holding) {
		map_out_drop(listing->out);
		return status;
	}
	map_fold_end(&listing->fold);
	map_list_head(listing);
	return status;
}

static enum map_status map_list_json(struct map_listing *listing)
{
	struct map_json *json = &listing->json;
	enum map_status status;

	map_json_begin(json, listing->out, "list", listing->target, "maps");
	map_json_open(json, "mappings", '[');
	status = map_read_all(listing->target, map_list_mapping, listing);
	map_fold_end(&listing->fold);
	map_json_close(json, ']');
	map_json_open(json, "totals", '{');
	map_json_number(json, "vmas", listing->totals.vmas);
	map_json_number(json, "size", listing->totals.size);
	map_json_number(json, "prot_none", listing->totals.no_access);
	map_json_close(json, '}');
	map_json_end(json, status == MAP_STATUS_YES);
	return status;
}

enum map_status map_list(struct map_target *target, const struct map_options *options,
			 struct map_out *out)
{
	static struct map_listing listing;

	listing.target = target;
	listing.out = out;
	memset(&listing.totals, 0, sizeof(listing.totals));
	map_fold_begin(&listing.fold, options->all,
		       options->json ? map_list_row_json : map_list_row, &listing);
	return options->json ? map_list_json(&listing) : map_list_text(&listing);
}
