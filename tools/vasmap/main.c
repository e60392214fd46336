/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vasmap: shows how a process's address space is used, and where there is room in it.
 *
 * It uses the public interface of the library and libc, and nothing else, so a static build can be
 * copied into a container. By default it reads the target's maps once and walks no page tables: it
 * must not stall what it looks at. smaps is never read.
 *
 * Structure: options.c reads the command line, target.c opens what is looked at, reading.c streams
 * its mappings through group.c (kinds), and list.c, gaps.c, summary.c, find.c and at.c show them:
 * fold.c and row.c make rows, json.c the machine form, out.c writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "commands.h"
#include "head.h"

/* NO_COLOR and TERM=dumb mean no; a pipe or a file does too. */
static bool map_wants_colour(const struct map_options *options)
{
	const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (options->json || options->colour == MAP_COLOUR_NEVER)
		return false;
	if (options->colour == MAP_COLOUR_ALWAYS)
		return true;
	return isatty(STDOUT_FILENO) && !(none && *none) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static unsigned map_terminal_columns(void)
{
	struct winsize window;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0)
		return 80;
	return window.ws_col;
}

static enum map_status map_run(const struct map_options *options, const char *operand,
			       struct map_out *out)
{
	static enum map_status (*const commands[])(struct map_target * target,
						   const struct map_options *options,
						   struct map_out *out) = {
		[MAP_COMMAND_LIST] = map_list,	     [MAP_COMMAND_GAPS] = map_gaps,
		[MAP_COMMAND_SUMMARY] = map_summary, [MAP_COMMAND_FIND] = map_find,
		[MAP_COMMAND_AT] = map_at,
	};
	struct map_target target;
	enum map_status status = map_target_open(&target, operand);

	if (status != MAP_STATUS_YES)
		return status;
	/* With several targets each table needs to say whose it is; a listing always does. */
	if (options->target_count > 1 && !options->json && options->command != MAP_COMMAND_LIST) {
		char line[MAP_HEAD_MAX], *end = map_put_identity(line, &target);

		map_out_put(out, line, (size_t)(end - line));
	}
	status = commands[options->command](&target, options, out);
	map_target_close(&target);
	return status;
}

static enum map_status map_run_all(const struct map_options *options, struct map_out *out)
{
	enum map_status worst = MAP_STATUS_YES;

	for (size_t i = 0; i < options->target_count && !out->error; i++) {
		enum map_status status;

		if (i > 0 && !options->json)
			map_out_text(out, "\n");
		status = map_run(options, options->targets[i], out);
		if (status > worst)
			worst = status;
	}
	return worst;
}

int main(int count, char **arguments)
{
	struct map_options options;
	enum map_status status;
	struct map_out out;
	bool done;
	int error;

	/* A file opened later must not become standard output. */
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
		map_message("standard output: EBADF - it is closed");
		return MAP_STATUS_FAILED;
	}
	status = map_options_parse(count, arguments, &options, &done);
	if (done)
		return status;
	map_out_begin(&out, STDOUT_FILENO);
	out.exact = options.exact;
	out.colour = map_wants_colour(&options);
	out.columns = map_terminal_columns();
	status = map_run_all(&options, &out);
	error = map_out_end(&out);
	if (!error)
		return status;
	/* A reader that had enough is no news. */
	if (error != -EPIPE)
		map_message("standard output: %s - not all of it could be written",
			    map_error_name(error));
	return MAP_STATUS_FAILED;
}
