/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row of a listing, as text and as JSON.
 *
 * Widths are fixed, so that rows can be printed as they come, and sorted and searched afterwards.
 * The name is the last column and the only one of variable width; it is cut in the middle on a
 * terminal and nowhere else. The colour repeats what the word says.
 */
#include "row.h"

#include <string.h>

#include "number.h"

#define MAP_SIZE_WIDTH		8
#define MAP_SIZE_WIDTH_EXACT	16
#define MAP_COLUMNS_BEFORE_NAME 58 /* with MAP_SIZE_WIDTH */

static size_t map_size_width(const struct map_out *out)
{
	return out->exact ? MAP_SIZE_WIDTH_EXACT : MAP_SIZE_WIDTH;
}

void map_row_titles(struct map_out *out)
{
	map_out_print(out, "START        - END          %*s PROT KIND        N  NAME\n",
		      (int)map_size_width(out), "SIZE");
}

/* Sizes repeat from row to row, so the last one is kept as text. */
static char *map_put_size_column(char *at, const struct map_out *out, uint64_t size)
{
	static char text[MAP_SIZE_WIDTH_EXACT + MAP_NUMBER_MAX];
	static size_t length;
	static uint64_t last;
	static bool last_exact;

	if (!length || size != last || out->exact != last_exact) {
		char *end = map_put_size(text, size, out->exact);

		length = (size_t)(map_pad_left(text, end, map_size_width(out)) - text);
		last = size;
		last_exact = out->exact;
	}
	memcpy(at, text, length);
	return at + length;
}

static char *map_put_vmas_column(char *at, uint32_t vmas)
{
	if (vmas != 1)
		return map_pad_left(at, map_put_decimal(at, vmas), 5);
	memcpy(at, "    1", 5);
	return at + 5;
}

/* The word and blanks up to the next column, 8 bytes in all. */
static char *map_put_kind_column(char *at, const struct map_out *out, enum map_kind kind)
{
	const char *colour = out->colour ? map_kind_colour(kind) : "", *word = map_kind_word(kind);
	uint64_t bytes;

	if (*colour) {
		at = stpcpy(stpcpy(at, colour), word);
		at = stpcpy(at, "\033[0m");
		memset(at, ' ', 8);
		return at + (8 - strlen(word));
	}
	/* The bit that makes a NUL a blank is set in small letters. */
	memcpy(&bytes, word, sizeof(bytes));
	bytes |= UINT64_C(0x2020202020202020);
	memcpy(at, &bytes, sizeof(bytes));
	return at + 8;
}

static char *map_put_name_column(char *at, const struct map_out *out, const struct map_row *row)
{
	size_t before = MAP_COLUMNS_BEFORE_NAME - MAP_SIZE_WIDTH + map_size_width(out);
	char *name = at;

	at = map_put_label(name, row);
	if (out->columns)
		at = map_cut_middle(name, at,
				    out->columns > before + 8 ? out->columns - before : 8);
	return at;
}

/*
 * A row often starts where the one before ended, and ends in the same 64 KiB as that: the digits of
 * the last end are kept.
 */
static char *map_put_addresses(char *at, uint64_t start, uint64_t end)
{
	static char text[12];
	static uint64_t last;

	if (start == last && last) {
		memcpy(at, text, sizeof(text));
		at += sizeof(text);
	} else {
		at = map_put_address(at, start);
	}
	memcpy(at, " - ", 3);
	at += 3;
	if (end >> 48) {
		last = 0;
		return map_put_address(at, end);
	}
	if (end >> 16 != last >> 16 || !last)
		map_put_address(text, end);
	else
		map_put_hex4(text + 8, (uint16_t)end);
	last = end;
	memcpy(at, text, sizeof(text));
	return at + sizeof(text);
}

void map_row_print(struct map_out *out, const struct map_row *row)
{
	char *at = map_out_room(out, MAP_NAME_TEXT_MAX + 256), *end;

	at = map_put_addresses(at, row->start, row->end);
	*at++ = ' ';
	at = map_put_size_column(at, out, row->size);
	*at++ = ' ';
	at = map_put_prot(at, row);
	*at++ = ' ';
	at = map_put_kind_column(at, out, row->kind);
	at = map_put_vmas_column(at, row->vmas);
	end = map_put_name_column(at + 2, out, row);
	if (end > at + 2) {
		at[0] = at[1] = ' ';
		at = end;
	}
	*at++ = '\n';
	map_out_done(out, at);
}

void map_row_json(struct map_json *json, const char *key, const struct map_row *row)
{
	bool single = row->vmas == 1, file = single && (row->first.flags & VAS_MAPPING_FILE);
	char prot[4], text[2 * MAP_NUMBER_MAX], *end;

	map_put_prot(prot, row);
	map_json_open(json, key, '{');
	map_json_hex(json, "start", row->start);
	map_json_hex(json, "end", row->end);
	map_json_number(json, "size", row->size);
	map_json_string(json, "prot", row->mixed ? NULL : prot, sizeof(prot));
	map_json_text(json, "kind", map_kind_word(row->kind));
	map_json_number(json, "vmas", row->vmas);
	map_json_string(json, "name", row->name_length ? row->name : NULL, row->name_length);
	map_json_number(json, "names", row->names);
	map_json_number(json, "thread_stacks", row->threads);
	if (file) {
		map_json_bool(json, "deleted", row->first.flags & VAS_MAPPING_DELETED);
		map_json_hex(json, "offset", row->first.offset);
		*map_put_decimal(text, row->first.inode) = 0;
		map_json_text(json, "inode", text);
		end = map_put_decimal(text, row->first.device_major);
		*end++ = ':';
		*map_put_decimal(end, row->first.device_minor) = 0;
		map_json_text(json, "device", text);
	} else {
		map_json_null(json, "deleted");
		map_json_null(json, "offset");
		map_json_null(json, "inode");
		map_json_null(json, "device");
	}
	map_json_close(json, '}');
}
