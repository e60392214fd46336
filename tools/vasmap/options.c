/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line.
 *
 * One table describes every option: its names, what it takes, the commands it belongs to and its
 * line of help. What getopt_long needs is made from it, and tests hold the manual page and the
 * completions of the shells against the help that is printed from it.
 *
 * The command is known only after all options were seen (find and at are operands), and --min means
 * a size for one command and an address for another; so values are kept as text first and read when
 * the command is known.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "target.h"

#define LIST	(1u << MAP_COMMAND_LIST)
#define GAPS	(1u << MAP_COMMAND_GAPS)
#define SUMMARY (1u << MAP_COMMAND_SUMMARY)
#define FIND	(1u << MAP_COMMAND_FIND)
#define AT	(1u << MAP_COMMAND_AT)
#define ANY	(LIST | GAPS | SUMMARY | FIND | AT)

enum map_option_id {
	OPTION_ALL,
	OPTION_GAPS,
	OPTION_SUMMARY,
	OPTION_BYTES,
	OPTION_JSON,
	OPTION_COLOUR,
	OPTION_SIZE,
	OPTION_ALIGN,
	OPTION_MIN,
	OPTION_MAX,
	OPTION_NEAR,
	OPTION_REACH,
	OPTION_AVOID,
	OPTION_COUNT,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_END
};

struct map_option {
	const char *name;
	char letter; /* 0 = none */
	const char *value; /* what it takes; NULL = nothing */
	unsigned commands;
	const char *help;
};

static const struct map_option map_option_table[OPTION_END] = {
	[OPTION_ALL] = { "all", 'a', NULL, LIST, "one row per mapping instead of folded rows" },
	[OPTION_GAPS] = { "gaps", 'g', NULL, GAPS, "list the free ranges" },
	[OPTION_SUMMARY] = { "summary", 's', NULL, SUMMARY, "totals by kind" },
	[OPTION_BYTES] = { "bytes", 'b', NULL, ANY, "sizes in bytes" },
	[OPTION_JSON] = { "json", 'j', NULL, ANY, "write JSON, schema vas.map/1" },
	[OPTION_COLOUR] = { "color", 0, "WHEN", ANY, "auto, always or never" },
	[OPTION_SIZE] = { "size", 0, "SIZE", FIND, "find: this much room" },
	[OPTION_ALIGN] = { "align", 0, "SIZE", FIND,
			   "find: at a multiple of SIZE, a power of two" },
	[OPTION_MIN] = { "min", 0, "NUMBER", GAPS | FIND,
			 "--gaps: of at least this size; find: from this address on" },
	[OPTION_MAX] = { "max", 0, "ADDRESS", FIND, "find: below this address" },
	[OPTION_NEAR] = { "near", 0, "ADDRESS", FIND, "find: as near to it as there is room" },
	[OPTION_REACH] = { "reach", 0, "SIZE", FIND,
			   "find: with --near, no further from it than SIZE" },
	[OPTION_AVOID] = { "avoid", 0, "LOW-HIGH", FIND,
			   "find: outside this range; may be repeated" },
	[OPTION_COUNT] = { "count", 'n', "NUMBER", FIND, "find: so many places, 1 if not given" },
	[OPTION_HELP] = { "help", 'h', NULL, ANY, "print this help" },
	[OPTION_VERSION] = { "version", 'V', NULL, ANY, "print the version" },
};

struct map_command_line {
	unsigned given; /* bits of map_option_id */
	const char *values[OPTION_END];
	struct map_options *options;
};

const char *map_command_word(enum map_command command)
{
	static const char *const words[] = { "list", "gaps", "summary", "find", "at" };

	return words[command];
}

static void map_help_print(void)
{
	fputs("Usage: vasmap [--all] [TARGET...]\n"
	      "       vasmap --gaps [--min SIZE] [TARGET...]\n"
	      "       vasmap --summary [TARGET...]\n"
	      "       vasmap find --size SIZE [--align SIZE] [--min ADDRESS] [--max ADDRESS]\n"
	      "                   [--near ADDRESS [--reach SIZE]] [--avoid LOW-HIGH]... [-n NUMBER] [TARGET]\n"
	      "       vasmap at ADDRESS [TARGET]\n"
	      "Shows how a process's address space is used, and where there is room in it.\n"
	      "TARGET is a pid, self (the default) or a saved copy of /proc/PID/maps (- is standard input).\n\n",
	      stdout);
	for (const struct map_option *option = map_option_table;
	     option < map_option_table + OPTION_END; option++) {
		char text[40];

		snprintf(text, sizeof(text), "--%s%s%s", option->name, option->value ? "=" : "",
			 option->value ? option->value : "");
		printf("  %c%c%c %-16s  %s\n", option->letter ? '-' : ' ',
		       option->letter ? option->letter : ' ', option->letter ? ',' : ' ', text,
		       option->help);
	}
	fputs("\nSIZE is bytes or has a unit: 64K, 2M, 1.5G. ADDRESS is 0x and hexadecimal digits, twelve of them\n"
	      "as printed by vasmap, or has a unit: 4G.\n"
	      "Exit status: 0 yes, complete; 1 no room, nothing mapped there, or partial; 2 wrong usage, failure.\n",
	      stdout);
}

static void map_version_print(void)
{
	int version = vas_version();

	printf("vasmap %d.%d.%d\n", version / 10000, version / 100 % 100, version % 100);
}

/*
 * What getopt_long wants, from the table. Long options answer 256 and their id, letters themselves.
 */
static void map_getopt_prepare(struct option *longs, char *letters)
{
	*letters++ = ':';
	for (int id = 0; id < OPTION_END; id++) {
		const struct map_option *option = &map_option_table[id];

		longs[id].name = option->name;
		longs[id].has_arg = option->value ? required_argument : no_argument;
		longs[id].flag = NULL;
		longs[id].val = 256 + id;
		if (!option->letter)
			continue;
		*letters++ = option->letter;
		if (option->value)
			*letters++ = ':';
	}
	/* --color alone is --color=always, as other tools have it. */
	longs[OPTION_COLOUR].has_arg = optional_argument;
	memset(&longs[OPTION_END], 0, sizeof(*longs));
	*letters = 0;
}

static int map_option_by_letter(int letter)
{
	for (int id = 0; id < OPTION_END; id++)
		if (map_option_table[id].letter == letter)
			return id;
	return OPTION_END;
}

static bool map_avoid_add(struct map_options *options, const char *text)
{
	uint64_t low, high;

	if (!map_range_parse(text, &low, &high)) {
		map_message("--avoid %s: not LOW-HIGH, two addresses in ascending order", text);
		return false;
	}
	if (options->avoid_count == MAP_AVOID_MAX) {
		map_message("--avoid: at most %d ranges", MAP_AVOID_MAX);
		return false;
	}
	options->avoid[options->avoid_count].start = low;
	options->avoid[options->avoid_count++].size = high - low;
	return true;
}

/* Collects the options as text. */
static bool map_command_line_read(struct map_command_line *line, int count, char **arguments)
{
	struct option longs[OPTION_END + 1];
	char letters[2 * OPTION_END + 2];
	int id, found;

	map_getopt_prepare(longs, letters);
	opterr = 0;
	while ((found = getopt_long(count, arguments, letters, longs, NULL)) != -1) {
		if (found == '?' || found == ':') {
			/* optopt names a letter; for a long option the argument itself does. */
			if (optopt > 0 && optopt < 256)
				map_message("-%c: %s; try vasmap -h", optopt,
					    found == ':' ? "a value is missing" : "no such option");
			else
				map_message("%s: %s; try vasmap -h", arguments[optind - 1],
					    found == ':' ? "a value is missing"
					    : optopt	 ? "takes no value"
							 : "no such option");
			return false;
		}
		id = found >= 256 ? found - 256 : map_option_by_letter(found);
		line->given |= 1u << id;
		line->values[id] = optarg;
		if (id == OPTION_AVOID && !map_avoid_add(line->options, optarg))
			return false;
	}
	return true;
}

static bool map_is_given(const struct map_command_line *line, int id)
{
	return line->given >> id & 1;
}

/* Takes the command and what belongs to it from the operands. */
static bool map_command_read(struct map_command_line *line, int *count, char ***operands)
{
	struct map_options *options = line->options;

	options->command = MAP_COMMAND_LIST;
	if (*count && strcmp(**operands, "find") == 0)
		options->command = MAP_COMMAND_FIND;
	else if (*count && strcmp(**operands, "at") == 0)
		options->command = MAP_COMMAND_AT;
	if (options->command != MAP_COMMAND_LIST) {
		++*operands;
		--*count;
	} else if (map_is_given(line, OPTION_GAPS) && map_is_given(line, OPTION_SUMMARY)) {
		map_message("--gaps and --summary: one of them at a time; try vasmap -h");
		return false;
	} else if (map_is_given(line, OPTION_GAPS)) {
		options->command = MAP_COMMAND_GAPS;
	} else if (map_is_given(line, OPTION_SUMMARY)) {
		options->command = MAP_COMMAND_SUMMARY;
	}
	if (options->command != MAP_COMMAND_AT)
		return true;
	if (!*count || !map_address_parse(**operands, &options->address)) {
		map_message("at %s: not an address (0x and hexadecimal digits, or twelve of them)",
			    *count ? **operands : "");
		return false;
	}
	++*operands;
	--*count;
	return true;
}

static bool map_options_belong(const struct map_command_line *line)
{
	enum map_command command = line->options->command;

	for (int id = 0; id < OPTION_END; id++) {
		if (!map_is_given(line, id) || (map_option_table[id].commands >> command & 1))
			continue;
		map_message("--%s does not go with %s%s; try vasmap -h", map_option_table[id].name,
			    command == MAP_COMMAND_GAPS || command == MAP_COMMAND_SUMMARY ? "--"
											  : "",
			    command == MAP_COMMAND_LIST ? "a listing" : map_command_word(command));
		return false;
	}
	return true;
}

/* Reads one value if it was given. */
static bool map_value_read(const struct map_command_line *line, int id,
			   bool (*parse)(const char *text, uint64_t *value), const char *what,
			   uint64_t *value)
{
	if (!map_is_given(line, id) || parse(line->values[id], value))
		return true;
	map_message("--%s %s: not %s", map_option_table[id].name, line->values[id], what);
	return false;
}

static bool map_colour_read(const struct map_command_line *line)
{
	static const char *const words[] = { "auto", "always", "never" };
	const char *value = line->values[OPTION_COLOUR];

	line->options->colour =
		value || !map_is_given(line, OPTION_COLOUR) ? MAP_COLOUR_AUTO : MAP_COLOUR_ALWAYS;
	if (!value)
		return true;
	for (int i = 0; i < 3; i++) {
		if (strcmp(value, words[i]) == 0) {
			line->options->colour = (enum map_colour)i;
			return true;
		}
	}
	map_message("--color=%s: auto, always or never", value);
	return false;
}

static bool map_find_check(const struct map_options *options)
{
	if (options->size == MAP_UNKNOWN || options->size == 0) {
		map_message("find: --size says how much room; it is missing or 0");
		return false;
	}
	if (options->alignment != MAP_UNKNOWN &&
	    (options->alignment == 0 || (options->alignment & (options->alignment - 1)))) {
		map_message("--align: not a power of two");
		return false;
	}
	if (options->min != MAP_UNKNOWN && options->max != MAP_UNKNOWN &&
	    options->min >= options->max) {
		map_message("--min is not below --max");
		return false;
	}
	if (options->reach != MAP_UNKNOWN && options->near == MAP_UNKNOWN) {
		map_message("--reach goes with --near");
		return false;
	}
	if (options->count == 0 || options->count > MAP_FIND_COUNT_MAX) {
		map_message("-n: 1 to %d places", MAP_FIND_COUNT_MAX);
		return false;
	}
	return true;
}

static bool map_values_read(const struct map_command_line *line)
{
	struct map_options *options = line->options;
	bool find = options->command == MAP_COMMAND_FIND;

	options->size = options->alignment = options->min = MAP_UNKNOWN;
	options->max = options->near = options->reach = MAP_UNKNOWN;
	options->count = 1;
	options->all = map_is_given(line, OPTION_ALL);
	options->exact = map_is_given(line, OPTION_BYTES);
	options->json = map_is_given(line, OPTION_JSON);
	if (!map_colour_read(line))
		return false;
	if (!find)
		return map_value_read(line, OPTION_MIN, map_size_parse, "a size",
				      &options->gap_min);
	return map_value_read(line, OPTION_SIZE, map_size_parse, "a size", &options->size) &&
	       map_value_read(line, OPTION_ALIGN, map_size_parse, "a size", &options->alignment) &&
	       map_value_read(line, OPTION_MIN, map_address_parse, "an address", &options->min) &&
	       map_value_read(line, OPTION_MAX, map_address_parse, "an address", &options->max) &&
	       map_value_read(line, OPTION_NEAR, map_address_parse, "an address", &options->near) &&
	       map_value_read(line, OPTION_REACH, map_size_parse, "a size", &options->reach) &&
	       map_value_read(line, OPTION_COUNT, map_size_parse, "a number", &options->count) &&
	       map_find_check(options);
}

static bool map_targets_read(struct map_options *options, int count, char **operands)
{
	static const char *const self[] = { "self" };
	bool several = options->command != MAP_COMMAND_FIND && options->command != MAP_COMMAND_AT;

	if (count > 1 && !several) {
		map_message("%s: one target at a time", map_command_word(options->command));
		return false;
	}
	options->targets = count ? (const char *const *)operands : self;
	options->target_count = count ? (size_t)count : 1;
	return true;
}

enum map_status map_options_parse(int count, char **arguments, struct map_options *options,
				  bool *done)
{
	struct map_command_line line;
	int operand_count;
	char **operands;

	memset(options, 0, sizeof(*options));
	memset(&line, 0, sizeof(line));
	line.options = options;
	*done = true;
	if (!map_command_line_read(&line, count, arguments))
		return MAP_STATUS_FAILED;
	if (map_is_given(&line, OPTION_HELP) || map_is_given(&line, OPTION_VERSION)) {
		if (map_is_given(&line, OPTION_HELP))
			map_help_print();
		else
			map_version_print();
		if (fflush(stdout) == 0)
			return MAP_STATUS_YES;
		map_message("standard output cannot be written");
		return MAP_STATUS_FAILED;
	}
	operands = arguments + optind;
	operand_count = count - optind;
	if (!map_command_read(&line, &operand_count, &operands) || !map_options_belong(&line) ||
	    !map_values_read(&line) || !map_targets_read(options, operand_count, operands))
		return MAP_STATUS_FAILED;
	*done = false;
	return MAP_STATUS_YES;
}
