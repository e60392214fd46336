/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming writer of JSON; the schema is in docs/vasmap-json.md.
 *
 * Addresses are strings of hexadecimal digits, since readers that keep numbers as doubles lose bits
 * above 2^53; sizes are numbers of bytes; what is not known is null. A key has the same type
 * whatever the options.
 *
 * Names are bytes, JSON is Unicode: control characters are escaped, bytes that are not UTF-8 become
 * U+FFFD. The writer does not check that brackets match: callers are few and tests read the result
 * back.
 */
#include "json.h"

#include <stdio.h>
#include <string.h>

#include "name.h"
#include "number.h"

/* Writes what stands before a value; returns room for count bytes behind it. */
static char *map_json_before(struct map_json *json, const char *key, size_t count)
{
	size_t length = key ? strlen(key) : 0;
	char *at = map_out_room(json->out, count + length + 4);

	if (!json->first)
		*at++ = ',';
	json->first = false;
	if (!key)
		return at;
	*at++ = '"';
	memcpy(at, key, length);
	at += length;
	*at++ = '"';
	*at++ = ':';
	return at;
}

void map_json_open(struct map_json *json, const char *key, char bracket)
{
	char *at = map_json_before(json, key, 1);

	*at++ = bracket;
	map_out_done(json->out, at);
	json->first = true;
}

void map_json_close(struct map_json *json, char bracket)
{
	map_out_put(json->out, &bracket, 1);
	json->first = false;
}

void map_json_line(struct map_json *json)
{
	map_out_put(json->out, json->first ? "\n" : ",\n", json->first ? 1 : 2);
	json->first = true;
}

void map_json_number(struct map_json *json, const char *key, uint64_t number)
{
	char *at = map_json_before(json, key, MAP_NUMBER_MAX);

	map_out_done(json->out, map_put_decimal(at, number));
}

static void map_json_literal(struct map_json *json, const char *key, const char *literal)
{
	size_t length = strlen(literal);
	char *at = map_json_before(json, key, length);

	memcpy(at, literal, length);
	map_out_done(json->out, at + length);
}

void map_json_null(struct map_json *json, const char *key)
{
	map_json_literal(json, key, "null");
}

void map_json_bool(struct map_json *json, const char *key, bool value)
{
	map_json_literal(json, key, value ? "true" : "false");
}

void map_json_known_number(struct map_json *json, const char *key, uint64_t number)
{
	if (number == MAP_UNKNOWN)
		map_json_null(json, key);
	else
		map_json_number(json, key, number);
}

void map_json_hex(struct map_json *json, const char *key, uint64_t number)
{
	char *at = map_json_before(json, key, MAP_NUMBER_MAX);

	memcpy(at, "\"0x", 3);
	at = map_put_hex(at + 3, number);
	*at++ = '"';
	map_out_done(json->out, at);
}

void map_json_known_hex(struct map_json *json, const char *key, uint64_t number)
{
	if (number == MAP_UNKNOWN)
		map_json_null(json, key);
	else
		map_json_hex(json, key, number);
}

/* A whole UTF-8 character is not checked again here: map_character_length has the rules. */
static char *map_put_json_byte(char *at, unsigned char byte)
{
	if (byte == '"' || byte == '\\') {
		*at++ = '\\';
		*at++ = (char)byte;
		return at;
	}
	if (byte < 0x20 || byte == 0x7f)
		return at + sprintf(at, "\\u%04x", byte);
	memcpy(at, "\xef\xbf\xbd", 3);
	return at + 3;
}

void map_json_string(struct map_json *json, const char *key, const char *bytes, size_t length)
{
	char *at;

	if (!bytes) {
		map_json_null(json, key);
		return;
	}
	if (length > MAP_NAME_MAX)
		length = MAP_NAME_MAX;
	at = map_json_before(json, key, 6 * length + 3);
	*at++ = '"';
	for (size_t i = 0; i < length;) {
		size_t count = map_character_length(bytes + i, length - i);

		if (count == 0 || bytes[i] == '"' || bytes[i] == '\\') {
			at = map_put_json_byte(at, (unsigned char)bytes[i++]);
			continue;
		}
		for (; count; count--)
			*at++ = bytes[i++];
	}
	*at++ = '"';
	map_out_done(json->out, at);
}

void map_json_text(struct map_json *json, const char *key, const char *text)
{
	map_json_string(json, key, text, text ? strlen(text) : 0);
}

static void map_json_process(struct map_json *json, const struct map_target *target)
{
	if (target->path) {
		map_json_null(json, "process");
		return;
	}
	map_json_open(json, "process", '{');
	map_json_number(json, "pid", (uint64_t)target->pid);
	map_json_known_number(json, "starttime", target->start_time);
	map_json_text(json, "comm", target->command[0] ? target->command : NULL);
	map_json_known_number(json, "uid", target->uid < 0 ? MAP_UNKNOWN : (uint64_t)target->uid);
	map_json_known_number(json, "threads", target->threads);
	map_json_close(json, '}');
}

void map_json_begin(struct map_json *json, struct map_out *out, const char *command,
		    const struct map_target *target, const char *source)
{
	json->out = out;
	json->first = true;
	map_json_open(json, NULL, '{');
	map_json_text(json, "schema", "vas.map/1");
	map_json_text(json, "command", command);
	map_json_process(json, target);
	map_json_text(json, "file", target->path ? target->operand : NULL);
	map_json_text(json, "source", target->path ? "file" : source);
	map_json_bool(json, "consistent", false);
	map_json_known_number(json, "page_size",
			      target->path ? MAP_UNKNOWN : target->window.page_size);
	map_json_known_number(json, "vma_limit", target->vma_limit);
	map_json_open(json, "window", '{');
	map_json_hex(json, "min", target->window.min);
	map_json_hex(json, "max", target->window.max);
	map_json_number(json, "bits", target->window.bits);
	map_json_close(json, '}');
}

void map_json_end(struct map_json *json, bool complete)
{
	map_json_bool(json, "complete", complete);
	map_json_close(json, '}');
	map_out_text(json->out, "\n");
}
