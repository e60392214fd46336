/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a command and keeps what it says; and processes that stand still to be looked at. */
#ifndef TESTS_SUPPORT_COMMAND_H
#define TESTS_SUPPORT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct command {
	/* Set before it is started; zeroed memory is "as usual". */
	int output; /* descriptor that becomes its standard output; 0 = a pipe, read into out */
	uid_t uid; /* runs as this user; 0 = ours */
	bool ignore_sigpipe;

	/* Known after command_finish. */
	int status; /* exit status, or the negative number of the signal that ended it */
	char *out; /* with a NUL behind it */
	size_t out_length;
	char *err;
	size_t err_length;
	long max_rss_kib;
	double seconds; /* wall time */

	pid_t pid;
	int out_pipe, err_pipe;
	double started;
};

/* A program of the build, such as "bin/vasmap"; a static buffer. */
const char *command_path(const char *name);

/*
 * arguments[0] is the program's path; the list ends with NULL. Stops the test when it cannot be
 * started.
 */
void command_start(struct command *command, const char *const arguments[]);
/* Reads what it says and waits for its end. */
void command_finish(struct command *command);
void command_run(struct command *command, const char *const arguments[]);
void command_free(struct command *command);

/*
 * A child that runs prepare(argument) and then stands still until target_end. Returns when it is
 * ready.
 */
pid_t target_start(void (*prepare)(void *argument), void *argument);
void target_end(pid_t pid);

/* The whole of /proc/PID/name, to be freed. */
char *process_file(pid_t pid, const char *name);

#endif
