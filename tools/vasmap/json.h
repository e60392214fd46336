/* SPDX-License-Identifier: BSD-2-Clause */
/* A streaming writer of JSON; the schema is in docs/vasmap-json.md. */
#ifndef VASMAP_JSON_H
#define VASMAP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "out.h"
#include "target.h"

struct map_json {
	struct map_out *out;
	bool first; /* nothing was put into the innermost object or array yet */
};

/* key NULL: an element of an array. */
void map_json_open(struct map_json *json, const char *key, char bracket);
void map_json_close(struct map_json *json, char bracket);
/* The next element begins on a line of its own. */
void map_json_line(struct map_json *json);

void map_json_number(struct map_json *json, const char *key, uint64_t number);
/* null for MAP_UNKNOWN. */
void map_json_known_number(struct map_json *json, const char *key, uint64_t number);
/* "0x..." */
void map_json_hex(struct map_json *json, const char *key, uint64_t number);
void map_json_known_hex(struct map_json *json, const char *key, uint64_t number);
void map_json_bool(struct map_json *json, const char *key, bool value);
void map_json_null(struct map_json *json, const char *key);
/* bytes NULL: null. Bytes that are not UTF-8 become U+FFFD. */
void map_json_string(struct map_json *json, const char *key, const char *bytes, size_t length);
void map_json_text(struct map_json *json, const char *key, const char *text);

/* What every document begins with, and ends with. */
void map_json_begin(struct map_json *json, struct map_out *out, const char *command,
		    const struct map_target *target, const char *source);
void map_json_end(struct map_json *json, bool complete);

#endif
