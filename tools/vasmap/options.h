/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. */
#ifndef VASMAP_OPTIONS_H
#define VASMAP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>

#include "message.h"

enum map_command {
	MAP_COMMAND_LIST,
	MAP_COMMAND_GAPS,
	MAP_COMMAND_SUMMARY,
	MAP_COMMAND_FIND,
	MAP_COMMAND_AT
};

enum map_colour { MAP_COLOUR_AUTO, MAP_COLOUR_ALWAYS, MAP_COLOUR_NEVER };

#define MAP_AVOID_MAX	   64
#define MAP_FIND_COUNT_MAX 1000

struct map_options {
	enum map_command command;
	bool all;
	bool exact;
	bool json;
	enum map_colour colour;
	uint64_t gap_min; /* --gaps --min */

	/* find; MAP_UNKNOWN: not given */
	uint64_t size;
	uint64_t alignment;
	uint64_t min;
	uint64_t max;
	uint64_t near;
	uint64_t reach;
	uint64_t count;
	struct vas_span avoid[MAP_AVOID_MAX];
	size_t avoid_count;

	uint64_t address; /* at */

	const char *const *targets; /* at least one */
	size_t target_count;
};

/*
 * Reads the command line, which getopt_long reorders. *done is set when there is nothing left to
 * do: help or version was printed, or a message about wrong usage. The result is the exit status
 * then.
 */
enum map_status map_options_parse(int count, char **arguments, struct map_options *options,
				  bool *done);

const char *map_command_word(enum map_command command);

#endif
